# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Does every mutant still apply? And does ci/mutants itself bite: it must find one bug, call what
# nobody can find a hole, and say of a patch that does not apply, or does not compile, that it knows
# nothing. And does the explorer find one, by ci/explore-mutants? What is built for that is kept in
# this build tree.

if(plain)
    sv_add_script_test(NAME mutants.apply LABEL tidy
        COMMAND bash ${PROJECT_SOURCE_DIR}/ci/mutants -a)
    sv_add_script_test(NAME mutants.canary LABEL slow
        COMMAND bash ${PROJECT_SOURCE_DIR}/ci/mutants -c -o ${CMAKE_BINARY_DIR}/mutants)
    sv_add_script_test(NAME mutants.explore LABEL slow
        COMMAND bash ${PROJECT_SOURCE_DIR}/ci/explore-mutants -n 2 -m 3000
            -o ${CMAKE_BINARY_DIR}/explore-mutants shared_looks_before_it_says_so published_relaxed)
endif()
