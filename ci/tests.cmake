# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# What ctest runs. Every tests/<module>_<kind>.c is one Criterion executable, and every test in it
# one ctest entry, discovered after each build by asking the executable (ci/discover.cmake). The
# kind is the label; which of them run in which build tree is in ci/suites.cmake. Nothing here
# depends on the order of tests.
#
# A report of a tool always fails its test: it ends the process that it is about, or, where nobody
# waits for that one, is found in what the test printed. The canaries show that (ci/canaries.cmake).

include(ci/launcher.cmake)
include(ci/suites.cmake)

set(native OFF) # tests for real processes
if(SV_CHECK STREQUAL "" AND NOT SV_SANITIZE MATCHES "thread")
    set(native ON)
endif()
set(plain OFF) # and what has nothing to do with how the code is built
if(native AND NOT SV_SANITIZE)
    set(plain ON)
endif()

set(sanitizer_environment
    "ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/ci/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:abort_on_error=1:second_deadlock_stack=1:report_destroy_locked=0")
# What a report looks like in what a test and all that it started have printed, and what a sanitizer
# or ci/valgrind says that could not do its work.
set(reports "Sanitizer: ;Sanitizer CHECK failed;runtime error: ;is not a child process;ci/valgrind: ")

# Seconds after which a test of a kind is hung; longer where everything is slower.
set(timeout_unit 60)
set(timeout_fault 360)
set(timeout_crash 180)
set(timeout_cli 120)
set(timeout_slow 2400)
set(timeout_tidy 120)
set(timeout_thread 300)
set(timeout_canary 120)
set(timeout_sched 300)
if(SV_CHECK STREQUAL "valgrind" OR SV_SANITIZE MATCHES "thread")
    foreach(kind IN ITEMS unit fault thread canary)
        math(EXPR timeout_${kind} "${timeout_${kind}} * 4")
    endforeach()
endif()

set(valgrind bash ${PROJECT_SOURCE_DIR}/ci/valgrind)

# sv_add_script_test(NAME name LABEL label COMMAND command... [WAYS way...]): a test that is a
# command. It fails if anything that it starts is reported. In the tree for valgrind it runs once
# under each of the tools that are its WAYS: helgrind and drd for the label `thread`, else none.
function(sv_add_script_test)
    cmake_parse_arguments(test "" "NAME;LABEL" "COMMAND;WAYS" ${ARGN})
    if(NOT SV_CHECK STREQUAL "valgrind")
        set(test_WAYS native)
    elseif(test_LABEL STREQUAL "thread")
        set(test_WAYS helgrind drd)
    endif()
    foreach(way IN LISTS test_WAYS)
        set(name ${SV_TEST_PREFIX}${test_NAME})
        set(command ${SV_LAUNCHER} ${test_COMMAND})
        if(NOT way STREQUAL "native")
            set(name ${SV_TEST_PREFIX}${way}.${test_NAME})
            set(command ${SV_LAUNCHER} ${valgrind} ${way} ${test_COMMAND})
        endif()
        add_test(NAME ${name} COMMAND ${command})
        set_tests_properties(${name} PROPERTIES
            LABELS ${test_LABEL} TIMEOUT ${timeout_${test_LABEL}}
            FAIL_REGULAR_EXPRESSION "${reports}"
            SKIP_RETURN_CODE 77
            ENVIRONMENT "${sanitizer_environment}")
    endforeach()
endfunction()

# Criterion suites. --------------------------------------------------------------------------------

pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion)
set(discover ${PROJECT_SOURCE_DIR}/ci/discover.cmake)

# sv_add_suite(SUITE KIND SOURCE WAYS way... [LEFT_OUT test...]): one Criterion executable. What it
# has to run, and how, is written when it has been built (ci/discover.cmake).
function(sv_add_suite suite kind source)
    cmake_parse_arguments(suite "" "" "WAYS;LEFT_OUT" ${ARGN})
    add_executable(${suite} ${source})
    target_include_directories(${suite} PRIVATE tests)
    target_compile_definitions(${suite} PRIVATE
        SV_CLI="${CMAKE_BINARY_DIR}/bin/sinval"
        SV_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        SV_BUILD_DIR="${PROJECT_BINARY_DIR}")
    target_link_libraries(${suite} PRIVATE sinval_checked PkgConfig::CRITERION)
    if(kind STREQUAL "sched")
        target_link_libraries(${suite} PRIVATE sv_strategies)
    endif()
    if(SV_SANITIZE MATCHES "thread")
        target_sources(${suite} PRIVATE tests/support/arena.c)
    endif()
    set_target_properties(${suite} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
        LINK_DEPENDS ${discover})
    if(SV_CHECK STREQUAL "analyze")
        return() # only read
    endif()
    foreach(list IN ITEMS suite_WAYS suite_LEFT_OUT SV_LAUNCHER)
        list(JOIN ${list} "," ${list})
    endforeach()
    set(listing ${CMAKE_BINARY_DIR}/tests/${suite}.cmake)
    add_custom_command(TARGET ${suite} POST_BUILD VERBATIM
        BYPRODUCTS ${listing}
        COMMAND ${CMAKE_COMMAND}
            -D EXECUTABLE=$<TARGET_FILE:${suite}> -D OUTPUT=${listing}
            -D PREFIX=${SV_TEST_PREFIX} -D LABEL=${kind} -D TIMEOUT=${timeout_${kind}}
            -D "WAYS=${suite_WAYS}" -D "LEFT_OUT=${suite_LEFT_OUT}"
            -D "LAUNCHER=${SV_LAUNCHER}"
            -D "FAIL=${reports}" -D "ENVIRONMENT=${sanitizer_environment}"
            -P ${discover})
endfunction()

# What the explorer chooses by, without the worlds that it explores; and its arenas.
file(GLOB strategy_sources CONFIGURE_DEPENDS faults/explore/strategy*.c
    faults/explore/search*.c faults/explore/order.c faults/explore/arena.c
    faults/explore/shrink.c faults/explore/jobs.c faults/explore/word.c)
add_library(sv_strategies STATIC ${strategy_sources})
target_link_libraries(sv_strategies PUBLIC sinval_checked)

file(GLOB suite_sources CONFIGURE_DEPENDS tests/*.c)
foreach(source IN LISTS suite_sources)
    get_filename_component(suite ${source} NAME_WE)
    string(REGEX MATCH "[^_]+$" kind ${suite})
    if(NOT DEFINED timeout_${kind})
        message(FATAL_ERROR "${source}: the name must end in _unit, _fault, _crash, _sched, _cli, _slow or _tidy")
    endif()
    sv_suite_ways(${suite} ${kind})
    if(NOT ways)
        if(CMAKE_C_COMPILER_ID MATCHES "Clang") # it is to compile everything, once
            add_library(${suite} OBJECT ${source})
            target_include_directories(${suite} PRIVATE tests)
            target_compile_definitions(${suite} PRIVATE SV_CLI="" SV_SOURCE_DIR="" SV_BUILD_DIR="")
            target_link_libraries(${suite} PRIVATE sinval_checked PkgConfig::CRITERION)
        endif()
        continue()
    endif()
    sv_add_suite(${suite} ${kind} ${source} WAYS ${ways} LEFT_OUT ${left_out})
    if(SV_CHECK STREQUAL "analyze")
        continue()
    endif()
    set(listing ${CMAKE_BINARY_DIR}/tests/${suite}.cmake)
    file(WRITE ${listing}.include "if(EXISTS \"${listing}\")
    include(\"${listing}\")
else()
    add_test(\"${SV_TEST_PREFIX}${suite}.not_built\" false)
    set_tests_properties(\"${SV_TEST_PREFIX}${suite}.not_built\" PROPERTIES LABELS ${kind})
endif()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${listing}.include)
endforeach()

# Parts of the command, in suites that stand in for what these parts call.
function(sv_add_parts suite)
    if(TARGET ${suite})
        list(TRANSFORM ARGN REPLACE "(.+)" "src/cli/\\1.c")
        target_sources(${suite} PRIVATE ${ARGN})
    endif()
endfunction()
sv_add_parts(storm_view_unit cmd_storm storm_view config options)
if(TARGET storm_view_unit)
    target_compile_definitions(storm_view_unit PRIVATE SV_STORM_IS_PLAYED_HERE)
endif()
sv_add_parts(campaign_view_unit become cmd_explore cmd_replay cmd_run options view)
sv_add_parts(script_play_unit cmd_script config options script)
if(TARGET script_play_unit)
    target_link_options(script_play_unit PRIVATE -Wl,--wrap=sv_queue_read,--wrap=sv_queue_check)
endif()
if(TARGET storm_rounds_unit)
    target_link_options(storm_rounds_unit PRIVATE -Wl,--wrap=run_execute)
endif()

# What rubbish in the segment does: corrupt_crash runs it, and people (--help).
if(native OR SV_CHECK STREQUAL "analyze")
    file(GLOB corrupt_sources CONFIGURE_DEPENDS tests/corrupt/*.c src/cli/snapshot*.c)
    add_executable(corrupt ${corrupt_sources})
    target_include_directories(corrupt PRIVATE tests)
    target_link_libraries(corrupt PRIVATE sinval_checked)
    foreach(function IN ITEMS sv_point_hit sv_os_now_ns sv_os_wait sv_os_wake sv_os_poll tgkill syscall)
        target_link_options(corrupt PRIVATE -Wl,--wrap=${function})
    endforeach()
    set_target_properties(corrupt PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_dependencies(corrupt_crash corrupt)
endif()

# Scripts with their exact expected output. ---------------------------------------------------------

if(native AND TARGET sinval_cli)
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
if(plain)
    set(figures ${PROJECT_SOURCE_DIR}/tests/postgres/s1.expected)
    sv_add_script_test(NAME compare.finds_a_changed_figure LABEL tidy
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare postgres sed "1s/max=/max=1/" ${figures})
    set_tests_properties(${SV_TEST_PREFIX}compare.finds_a_changed_figure PROPERTIES
        PASS_REGULAR_EXPRESSION "differs from")
    sv_add_script_test(NAME compare.allows_other_slots LABEL tidy
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/compare postgres sed "s/slot=0/slot=7/" ${figures})
endif()

# The rules of the tree. ------------------------------------------------------------------------------

if(plain)
    foreach(rule IN ITEMS layers banned globals symbols points sizes spdx words format canary)
        sv_add_script_test(NAME tidy.${rule} LABEL tidy
            COMMAND sh ${PROJECT_SOURCE_DIR}/ci/tidy -b ${CMAKE_BINARY_DIR} ${rule})
    endforeach()
endif()

# What is installed, and who builds against it. ---------------------------------------------------------

if(plain)
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

# What is found by reading. ------------------------------------------------------------------------------

# Each tool uses all processors by itself. The canary is a bug that each must find.
if(SV_CHECK STREQUAL "analyze")
    set(canary_file tests/canary/double_free.c)
    foreach(tool IN ITEMS gcc cppcheck clang-tidy)
        set(analyze bash ${PROJECT_SOURCE_DIR}/ci/analyze ${tool} ${CMAKE_BINARY_DIR})
        sv_add_script_test(NAME ${tool} LABEL slow COMMAND ${analyze})
        set_tests_properties(${SV_TEST_PREFIX}${tool} PROPERTIES
            FAIL_REGULAR_EXPRESSION "to mend" RUN_SERIAL ON)
        add_test(NAME ${SV_TEST_PREFIX}canary.${tool} COMMAND ${analyze} ${canary_file})
        set_tests_properties(${SV_TEST_PREFIX}canary.${tool} PROPERTIES
            LABELS canary PASS_REGULAR_EXPRESSION "${canary_file}.*[Ff]ree.*: 1 to mend")
    endforeach()
    return() # no program runs in this tree
endif()

# Plans on processes, for memcheck, which follows them. -------------------------------------------------------

# Small worlds: a backend takes two seconds to start there, and a restarted one as long again.
if(SV_CHECK STREQUAL "valgrind")
    foreach(plan IN ITEMS cache-load-faults catchup-relay creator-dies kill-between-commit-and-broadcast
            kill-holding-locks laggard-reset postmaster recoverer-dies sqlite-kills storm)
        sv_add_script_test(NAME processes.${plan} LABEL fault WAYS memcheck
            COMMAND $<TARGET_FILE:sinval_cli> run ${plan} --jobs 1 --seeds 1..1
                --backends 3 --transactions 20 --timeout 200)
    endforeach()
endif()

# Plans on threads. -----------------------------------------------------------------------------------

include(ci/threads.cmake)

# Tests that must fail. --------------------------------------------------------------------------------

include(ci/canaries.cmake)
include(ci/sweep.cmake)
include(ci/mutants.cmake)
