# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# The explorer in its quick part: every small world for a few seconds, undisturbed and with a death;
# those where the dead are settled with two, as who settles may die; complete where completeness is
# cheap; and that all of what is traced is.

if(TARGET sinval_explore AND SV_CHECK STREQUAL "")
    sv_add_script_test(NAME explore.traced LABEL sched
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/traced ${traced_object})
    sv_add_script_test(NAME explore.jobs LABEL sched
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/jobs $<TARGET_FILE:sinval_explore>)
    foreach(world IN ITEMS ring-4 ring-8 two-writers relay locks readers latch slots room barrier pair entry
            emitters intent promise leave cache rebuild nested callbacks table levels)
        sv_add_script_test(NAME explore.${world} LABEL sched
            COMMAND $<TARGET_FILE:sinval_explore> --for 1s ${world})
        sv_add_script_test(NAME explore.death.${world} LABEL sched
            COMMAND $<TARGET_FILE:sinval_explore> --for 1s --deaths 1 ${world})
    endforeach()
    foreach(world IN ITEMS relay slots room barrier intent promise)
        sv_add_script_test(NAME explore.deaths.${world} LABEL sched
            COMMAND $<TARGET_FILE:sinval_explore> --schedules 20000 --deaths 2 --signals ${world})
    endforeach()
    foreach(world IN ITEMS ring-4 two-writers locks readers latch room pair intent promise leave callbacks levels)
        sv_add_script_test(NAME explore.complete.${world} LABEL sched
            COMMAND $<TARGET_FILE:sinval_explore> --strategy exhaustive --preemptions 2 --complete
                ${world})
    endforeach()
    # Signals that come for want of anything else, among answers that were given ahead.
    sv_add_script_test(NAME explore.search.relay LABEL sched
        COMMAND $<TARGET_FILE:sinval_explore> --strategy exhaustive --preemptions 1 --deaths 1
            --schedules 15000 relay)
    foreach(world IN ITEMS ring-4 ring-8 two-writers relay locks readers slots room pair entry intent promise leave cache
            rebuild nested callbacks table levels)
        sv_add_script_test(NAME explore.complete.death.${world} LABEL sched
            COMMAND $<TARGET_FILE:sinval_explore> --strategy exhaustive --preemptions 0 --deaths 1
                --complete ${world})
    endforeach()
endif()
