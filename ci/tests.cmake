# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# What ctest runs. Every tests/<module>_<kind>.c is one Criterion executable, and every test in it
# one ctest entry, discovered after each build by asking the executable (ci/discover.cmake). The
# kind is the label. Nothing here depends on the order of tests.

pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion)

set(sanitizer_environment
    "ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/ci/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:abort_on_error=1:second_deadlock_stack=1:report_destroy_locked=0")
set(sanitizer_reports "Sanitizer: ;runtime error: ;is not a child process")

# Seconds after which a test of a kind is hung.
set(timeout_unit 60)
set(timeout_fault 120)
set(timeout_crash 180)
set(timeout_cli 120)
set(timeout_slow 1200)
set(timeout_tidy 120)

# sv_add_script_test(NAME name LABEL label COMMAND command...): a test that is a command.
function(sv_add_script_test)
    cmake_parse_arguments(test "" "NAME;LABEL" "COMMAND" ${ARGN})
    add_test(NAME ${SV_TEST_PREFIX}${test_NAME} COMMAND ${test_COMMAND})
    set_tests_properties(${SV_TEST_PREFIX}${test_NAME} PROPERTIES
        LABELS ${test_LABEL} TIMEOUT ${timeout_${test_LABEL}}
        FAIL_REGULAR_EXPRESSION "${sanitizer_reports}"
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${sanitizer_environment}")
endfunction()

# Criterion suites. --------------------------------------------------------------------------------

set(discover ${PROJECT_SOURCE_DIR}/ci/discover.cmake)
file(GLOB suite_sources CONFIGURE_DEPENDS tests/*.c)
foreach(source IN LISTS suite_sources)
    get_filename_component(suite ${source} NAME_WE)
    string(REGEX MATCH "[^_]+$" kind ${suite})
    if(NOT DEFINED timeout_${kind})
        message(FATAL_ERROR "${source}: the name must end in _unit, _fault, _crash, _cli, _slow or _tidy")
    endif()
    add_executable(${suite} ${source})
    target_include_directories(${suite} PRIVATE tests)
    target_compile_definitions(${suite} PRIVATE
        SV_CLI="${CMAKE_BINARY_DIR}/bin/sinval"
        SV_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        SV_BUILD_DIR="${PROJECT_BINARY_DIR}")
    target_link_libraries(${suite} PRIVATE sinval_checked PkgConfig::CRITERION)
    if(SV_SANITIZE MATCHES thread)
        target_sources(${suite} PRIVATE tests/support/arena.c)
    endif()
    set_target_properties(${suite} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
        LINK_DEPENDS ${discover})
    set(listing ${CMAKE_BINARY_DIR}/tests/${suite}.cmake)
    add_custom_command(TARGET ${suite} POST_BUILD VERBATIM
        BYPRODUCTS ${listing}
        COMMAND ${CMAKE_COMMAND}
            -D EXECUTABLE=$<TARGET_FILE:${suite}> -D OUTPUT=${listing}
            -D PREFIX=${SV_TEST_PREFIX} -D LABEL=${kind} -D TIMEOUT=${timeout_${kind}}
            -D "FAIL=${sanitizer_reports}" -D "ENVIRONMENT=${sanitizer_environment}"
            -P ${discover})
    file(WRITE ${listing}.include "if(EXISTS \"${listing}\")
    include(\"${listing}\")
else()
    add_test(\"${SV_TEST_PREFIX}${suite}.not_built\" false)
    set_tests_properties(\"${SV_TEST_PREFIX}${suite}.not_built\" PROPERTIES LABELS ${kind})
endif()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${listing}.include)
endforeach()

# Scripts with their exact expected output. ---------------------------------------------------------

if(TARGET sinval_cli)
    foreach(command IN ITEMS script shell)
        file(GLOB scripts CONFIGURE_DEPENDS tests/scripts/*.${command})
        foreach(script IN LISTS scripts)
            get_filename_component(name ${script} NAME_WE)
            sv_add_script_test(NAME ${command}.${name} LABEL cli
                COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare exact $<TARGET_FILE:sinval_cli>
                    ${command} ${script})
        endforeach()
    endforeach()
    file(GLOB scripts CONFIGURE_DEPENDS tests/postgres/*.script)
    foreach(script IN LISTS scripts)
        get_filename_component(name ${script} NAME_WE)
        sv_add_script_test(NAME postgres.${name} LABEL unit
            COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare postgres $<TARGET_FILE:sinval_cli>
                script ${script})
    endforeach()
endif()

# The comparator itself: it sees a changed figure, and does not mind another slot number.
if(NOT SV_SANITIZE)
    set(figures ${PROJECT_SOURCE_DIR}/tests/postgres/s1.expected)
    sv_add_script_test(NAME compare.finds_a_changed_figure LABEL tidy
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare postgres sed "1s/max=/max=1/" ${figures})
    set_tests_properties(${SV_TEST_PREFIX}compare.finds_a_changed_figure PROPERTIES
        PASS_REGULAR_EXPRESSION "differs from")
    sv_add_script_test(NAME compare.allows_other_slots LABEL tidy
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare postgres sed "s/slot=0/slot=7/" ${figures})
endif()

# The rules of the tree. ------------------------------------------------------------------------------

if(NOT SV_SANITIZE)
    foreach(rule IN ITEMS layers banned globals symbols points sizes spdx words format canary)
        sv_add_script_test(NAME tidy.${rule} LABEL tidy
            COMMAND sh ${PROJECT_SOURCE_DIR}/ci/tidy -b ${CMAKE_BINARY_DIR} ${rule})
    endforeach()
endif()

# What is installed, and who builds against it. ---------------------------------------------------------

if(NOT SV_SANITIZE)
    set(consume sh ${PROJECT_SOURCE_DIR}/ci/consume ${CMAKE_BINARY_DIR})
    set(steps cmake pkgconfig headers)
    if(TARGET sinval_cli)
        list(APPEND steps command package)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS README.md)
    file(STRINGS README.md heading REGEX "^#+ .*[Ee]mbed")
    if(heading)
        list(APPEND steps embedding)
    endif()
    sv_add_script_test(NAME install.tree LABEL cli COMMAND ${consume} tree)
    set_tests_properties(${SV_TEST_PREFIX}install.tree PROPERTIES FIXTURES_SETUP installed)
    foreach(step IN LISTS steps)
        sv_add_script_test(NAME install.${step} LABEL cli COMMAND ${consume} ${step})
        set_tests_properties(${SV_TEST_PREFIX}install.${step} PROPERTIES FIXTURES_REQUIRED installed)
    endforeach()
endif()

if(NOT SV_SANITIZE)
    sv_add_script_test(NAME analyze LABEL slow
        COMMAND bash ${PROJECT_SOURCE_DIR}/ci/analyze ${CMAKE_BINARY_DIR})
    set_tests_properties(${SV_TEST_PREFIX}analyze PROPERTIES COST 1000)
endif()
