# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Does ci/mutants itself bite? It must find one bug, call what nobody can find a hole, and say of a
# patch that does not apply, or does not compile, that it knows nothing. Its tree is kept in this one.

if(plain)
    sv_add_script_test(NAME mutants.canary LABEL slow
        COMMAND bash ${PROJECT_SOURCE_DIR}/ci/mutants -c -o ${CMAKE_BINARY_DIR}/mutants)
endif()
