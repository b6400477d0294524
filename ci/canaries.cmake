# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Tests that must fail, for each tool: by its own report, in a test, in a process that a test
# started, in a backend below `sinval run` (a process, a thread). What is to fail are ordinary
# entries with the properties of all others, in a directory of their own that ctest does not enter by
# itself (CANARY_DIR); `canary.<bug>.<where>` runs one of them and judges (ci/canary). So not only
# the tool is tried, but also that what it says fails a test.

set(canary_dir ${CMAKE_BINARY_DIR}/canary)
set(canary ${SV_LAUNCHER} bash ${PROJECT_SOURCE_DIR}/ci/canary ${canary_dir})

# The tests, and the command.
set(ways native)
if(SV_CHECK STREQUAL "valgrind")
    set(ways helgrind drd memcheck)
endif()
sv_add_suite(bait canary tests/canary/bait.c WAYS ${ways})
target_sources(bait PRIVATE tests/canary/bugs.c)
add_executable(bait_command ${cli_sources} tests/canary/bugs.c tests/canary/accept.c)
target_include_directories(bait_command PRIVATE tests)
target_link_libraries(bait_command PRIVATE sinval_checked PkgConfig::EDIT)
target_link_options(bait_command PRIVATE -Wl,--wrap=sv_accept_messages)
set_target_properties(bait_command PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${canary_dir}/bin)

set(entries "include(\"${CMAKE_BINARY_DIR}/tests/bait.cmake\")\n")
foreach(way IN LISTS ways)
    set(name ${SV_TEST_PREFIX})
    set(command ${SV_LAUNCHER})
    if(NOT way STREQUAL "native")
        string(APPEND name ${way}.)
        list(APPEND command ${valgrind} ${way})
    endif()
    list(APPEND command ${canary_dir}/bin/bait_command run slow-locks --jobs 1 --seeds 1..1
        --backends 3 --transactions 30 --timeout 100)
    foreach(carrier IN ITEMS process thread)
        list(JOIN command "]==] [==[" line)
        string(APPEND entries
            "add_test([==[${name}bait.in_a_${carrier}]==] [==[${line}]==] --carrier ${carrier})\n"
            "set_tests_properties([==[${name}bait.in_a_${carrier}]==] PROPERTIES\n"
            "    TIMEOUT ${timeout_canary} FAIL_REGULAR_EXPRESSION [==[${reports}]==]\n"
            "    ENVIRONMENT [==[${sanitizer_environment}]==])\n")
    endforeach()
endforeach()
file(WRITE ${canary_dir}/CTestTestfile.cmake "${entries}")

# sv_add_canary(WAY BUG TEXT WHERE...): BUG is reported by TEXT, wherever it is.
function(sv_add_canary way bug text)
    set(prefix ${SV_TEST_PREFIX})
    if(NOT way STREQUAL "native")
        string(APPEND prefix ${way}.)
    endif()
    foreach(where IN LISTS ARGN)
        set(name ${prefix}canary.${bug}.${where})
        add_test(NAME ${name} COMMAND ${canary} ${prefix}bait.${where} ${bug} ${text})
        set_tests_properties(${name} PROPERTIES LABELS canary TIMEOUT ${timeout_canary})
    endforeach()
endfunction()

set(test in_the_test)
set(child in_a_child_that_nobody_asks)
set(process in_a_process)
set(thread in_a_thread)

# Nothing is reported where there is nothing; a report's words are the tool's. Leaks: a process that
# leaves by _exit is asked by memcheck only.
if(SV_SANITIZE MATCHES "address")
    sv_add_canary(native none "" ${test} ${child} ${process} ${thread})
    sv_add_canary(native overflow "AddressSanitizer: heap-buffer-overflow"
        ${test} ${child} ${process} ${thread})
    sv_add_canary(native leak "LeakSanitizer: detected memory leaks" ${test} ${thread})
    sv_add_canary(native shift "runtime error: shift exponent 40"
        ${test} ${child} ${process} ${thread})
elseif(SV_SANITIZE MATCHES "thread")
    sv_add_canary(native none "" ${test} ${thread})
    sv_add_canary(native race "ThreadSanitizer: data race" ${test} ${thread})
elseif(SV_CHECK STREQUAL "valgrind")
    sv_add_canary(helgrind none "" ${test} ${thread})
    sv_add_canary(helgrind race "Possible data race" ${test} ${child} ${thread})
    sv_add_canary(drd none "" ${test} ${thread})
    sv_add_canary(drd race "Conflicting (load|store)" ${test} ${child} ${thread})
    sv_add_canary(memcheck none "" ${test} ${child} ${process})
    sv_add_canary(memcheck overflow "Invalid write of size 1" ${test} ${child} ${process})
    sv_add_canary(memcheck leak "definitely lost" ${test} ${child} ${process})
    sv_add_canary(memcheck branch "depends on uninitialised value" ${test} ${child} ${process})
    sv_add_canary(memcheck message "Uninitialised byte" ${test} ${child} ${process})
endif()
