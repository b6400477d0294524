# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Writes one add_test per Criterion test of EXECUTABLE into OUTPUT, by asking it with --list.
#
# Criterion exits with 0 when a filter matches nothing, and when a test skips itself; so an entry
# passes only if the runner's last line counts at least one test tested and none failed, and a
# skipped test shows as skipped, not as passed.

execute_process(
    COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ASAN_OPTIONS=detect_leaks=0 ${EXECUTABLE} --list
    OUTPUT_VARIABLE output RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${EXECUTABLE} --list: ${result}")
endif()

string(REGEX REPLACE "\r?\n" ";" lines "${output}")
set(suite "")
set(text "")
set(count 0)
foreach(line IN LISTS lines)
    if(line MATCHES "^([A-Za-z_0-9]+): [0-9]+ tests?$")
        set(suite ${CMAKE_MATCH_1})
    elseif(line MATCHES "-- ([A-Za-z_0-9]+)( \\(skipped\\))?$")
        set(test ${CMAKE_MATCH_1})
        set(name "${PREFIX}${suite}.${test}")
        string(APPEND text
            "add_test([==[${name}]==] ${EXECUTABLE} --filter ${suite}/${test} -j1 --verbose=1)\n"
            "set_tests_properties([==[${name}]==] PROPERTIES LABELS ${LABEL} TIMEOUT ${TIMEOUT}\n"
            "    PASS_REGULAR_EXPRESSION [==[Synthesis: Tested: [1-9][0-9]* [|] Passing: [1-9][0-9]* [|] Failing: 0 [|] Crashing: 0]==]\n"
            "    SKIP_REGULAR_EXPRESSION [==[Synthesis: Tested: 0 ]==]\n"
            "    FAIL_REGULAR_EXPRESSION [==[${FAIL}]==]\n"
            "    ENVIRONMENT [==[LC_ALL=C;${ENVIRONMENT}]==])\n")
        math(EXPR count "${count} + 1")
    endif()
endforeach()
if(count EQUAL 0)
    message(FATAL_ERROR "${EXECUTABLE} has no test")
endif()
file(WRITE ${OUTPUT} "${text}")
