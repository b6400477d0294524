# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Every plan on threads of one process: what race detectors can look at. One ctest entry a plan,
# `threads.<plan>`. With sanitizers a report ends the process of the threads, and with it the run;
# under valgrind ci/valgrind fails the entry.
#
# Left out is what only processes can do (`sinval run --carrier thread` says which and why); helgrind
# and DRD do not know a mutex whose owner died, so there nobody is killed.

set(seeds 1..3)
set(arguments "")
if(SV_CHECK STREQUAL "valgrind")
    set(seeds 1..1)
    set(arguments --without kill --backends 4 --transactions 20 --jobs 1 --timeout 240)
endif()
set(SV_THREAD_SEEDS ${seeds} CACHE STRING "Seeds of each plan that ctest plays on threads")
set(SV_THREAD_ARGUMENTS "${arguments}" CACHE STRING "What else `sinval run` is told for that, a list")

set(not_for_threads postmaster)
if(SV_CHECK STREQUAL "valgrind")
    # All its faults but one are kills, and each of its 1,024 rows costs DRD 10 ms to look at.
    list(APPEND not_for_threads kill-between-commit-and-broadcast)
endif()
set(no_death_for_threads baton-holder-dies sqlite-kills)

if(TARGET sinval_cli)
    file(GLOB plans CONFIGURE_DEPENDS faults/plans/*.yaml)
    foreach(plan IN LISTS plans)
        get_filename_component(name ${plan} NAME_WE)
        if(name IN_LIST not_for_threads)
            continue()
        endif()
        set(without)
        if(name IN_LIST no_death_for_threads)
            set(without --without kill)
        endif()
        sv_add_script_test(NAME threads.${name} LABEL thread
            COMMAND $<TARGET_FILE:sinval_cli> run ${name} --carrier thread
                --seeds ${SV_THREAD_SEEDS} ${without} ${SV_THREAD_ARGUMENTS})
    endforeach()
endif()
