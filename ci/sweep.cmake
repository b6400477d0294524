# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# The instruction sweep in its shortened form, an entry an operation: about fifty deaths of each,
# and about 25 stops; repairers die after one operation only. The whole is ci/sweep's. The canaries
# plant a defect that must be found.

if(TARGET sinval_sweep AND SV_CHECK STREQUAL "")
    file(GLOB tables CONFIGURE_DEPENDS tests/sweep/operations_*.c)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${tables})
    foreach(table IN LISTS tables)
        file(STRINGS ${table} names REGEX "^(        |    {)\\.name = \"[a-z0-9-]+\",")
        foreach(name IN LISTS names)
            string(REGEX REPLACE "^[^\"]*\"([a-z0-9-]+)\".*$" "\\1" name ${name})
            sv_add_script_test(NAME sweep.${name} LABEL crash
                COMMAND $<TARGET_FILE:sinval_sweep> --short ${name})
            if(NOT name STREQUAL "commit-500") # to step through it takes longer than all others
                sv_add_script_test(NAME sweep.stop.${name} LABEL crash
                    COMMAND $<TARGET_FILE:sinval_sweep> --stop --short ${name})
            endif()
        endforeach()
    endforeach()
    sv_add_script_test(NAME sweep.repairers LABEL crash
        COMMAND $<TARGET_FILE:sinval_sweep> --stride 97 settle-intent)
    foreach(defect IN ITEMS forgets stale intent nameless)
        sv_add_script_test(NAME sweep.canary.${defect} LABEL crash
            COMMAND $<TARGET_FILE:sinval_sweep> --canary ${defect})
    endforeach()
endif()
