# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Writes the ctest entries of one Criterion executable into OUTPUT, one per test and way to run it,
# by asking it with --list.
#
#   EXECUTABLE  the suite
#   PREFIX      what names begin with
#   WAYS        how tests are run, a list with commas: `native`, or tools that ci/valgrind knows
#   LAUNCHER    what stands before the command of every entry, a list with commas
#   LEFT_OUT    tests that are not run in any of these ways, a list with commas
#   LABEL, TIMEOUT, FAIL, ENVIRONMENT
#
# Criterion exits with 0 when a filter matches nothing, and when a test skips itself; so an entry
# passes only if the runner's last line counts at least one test tested and none failed, and a
# skipped test shows as skipped, not as passed. What a tool reports matches FAIL, which comes first.

cmake_minimum_required(VERSION 3.25)
string(REPLACE "," ";" WAYS "${WAYS}")
string(REPLACE "," ";" LAUNCHER "${LAUNCHER}")
string(REPLACE "," ";" LEFT_OUT "${LEFT_OUT}")

execute_process(
    COMMAND ${LAUNCHER} ${CMAKE_COMMAND} -E env LC_ALL=C ASAN_OPTIONS=detect_leaks=0 ${EXECUTABLE} --list
    OUTPUT_VARIABLE output RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${EXECUTABLE} --list: ${result}")
endif()

string(REGEX REPLACE "\r?\n" ";" lines "${output}")
set(suite "")
set(tests "")
foreach(line IN LISTS lines)
    if(line MATCHES "^([A-Za-z_0-9]+): [0-9]+ tests?$")
        set(suite ${CMAKE_MATCH_1})
    elseif(line MATCHES "-- ([A-Za-z_0-9]+)( \\(skipped\\))?$")
        list(APPEND tests ${suite}.${CMAKE_MATCH_1})
    endif()
endforeach()
if(tests STREQUAL "")
    message(FATAL_ERROR "${EXECUTABLE} has no test")
endif()
foreach(test IN LISTS LEFT_OUT)
    if(NOT test IN_LIST tests)
        message(FATAL_ERROR "${EXECUTABLE} has no test ${test} to leave out")
    endif()
endforeach()

set(text "")
foreach(way IN LISTS WAYS)
    foreach(test IN LISTS tests)
        if(test IN_LIST LEFT_OUT)
            continue()
        endif()
        set(name ${PREFIX}${test})
        set(command ${LAUNCHER})
        if(NOT way STREQUAL "native")
            set(name ${PREFIX}${way}.${test})
            list(APPEND command bash ${CMAKE_CURRENT_LIST_DIR}/valgrind ${way})
        endif()
        string(REPLACE "." "/" filter ${test})
        list(APPEND command ${EXECUTABLE} --filter ${filter} -j1 --verbose=1)
        list(JOIN command "]==] [==[" command)
        string(APPEND text
            "add_test([==[${name}]==] [==[${command}]==])\n"
            "set_tests_properties([==[${name}]==] PROPERTIES LABELS ${LABEL} TIMEOUT ${TIMEOUT}\n"
            "    PASS_REGULAR_EXPRESSION [==[Synthesis: Tested: [1-9][0-9]* [|] Passing: [1-9][0-9]* [|] Failing: 0 [|] Crashing: 0]==]\n"
            "    SKIP_REGULAR_EXPRESSION [==[Synthesis: Tested: 0 ]==]\n"
            "    FAIL_REGULAR_EXPRESSION [==[${FAIL}]==]\n"
            "    ENVIRONMENT [==[LC_ALL=C;${ENVIRONMENT}]==])\n")
    endforeach()
endforeach()
file(WRITE ${OUTPUT} "${text}")
