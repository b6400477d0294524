# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Which Criterion suites run in which build tree, and why others do not. A new suite needs no line
# here: what its name and kind say holds.
#
#   no sanitizer, asan  everything
#   tsan, tsan-clang    unit and fault suites that stay in one process
#   helgrind, drd       suites of threads
#   memcheck            unit and fault suites of what holds bytes of others (segment, queue, caches,
#                       sources, transactions) and what they start; not of locks and latches, which
#                       are words, nor of limits, which valgrind has of its own; and no crashes: a
#                       process takes a second to start there

# TSan sees nothing between processes, and a forked child of a process with threads may not start
# any there. These fork whatever they test.
set(suites_of_processes
    asked_fault backend_unit barrier_unit cache_fault calls_backend_fault calls_fault calls_lock_fault
    calls_source_fault campaign_fault decision_unit full_disk_fault latch_fault latch_unit
    lock_watch_unit misuse_unit oracle_limits_unit oracle_unit plan_effect_fault postmaster_unit
    procsignal_unit puppet_fault run_fault seeds_fault segment_hold_unit segment_limits_unit
    segment_list_unit segment_refuse_unit segment_unit source_fault sqlite_unit timeouts_unit
    wakeup_unit)

# Nor in what only reads text.
set(suites_of_text plan_bounds_unit plan_unit plan_errors_unit token_unit)

# Tests whose malloc stands in for the C library's: sanitizers and valgrind have theirs.
set(suites_of_malloc cache_memory_unit memory_unit)

# Single tests that TSan cannot run: it runs a handler when the thread next calls something that it
# intercepts, not where the signal came; it aborts when a thread holds more than 64 mutexes; and it
# reports the misuse of a mutex that one of them is about. In the last, one thread plays two backends,
# and so takes locks in an order that no backend does.
set(not_under_tsan
    os_signal_unit.a_handler_restarts_what_it_interrupts
    os_signal_unit.a_signal_reaches_the_holder
    os_signal_unit.a_signal_reaches_the_very_thread
    os_signal_unit.set_and_signal_ends_the_poll_at_any_instruction
    os_unit.a_thread_of_many_lives_dies_all_of_them
    os_unit.every_way_to_die_is_found
    os_unit.who_does_not_hold_a_life_lock_cannot_release_it
    queue_fault.what_arrives_during_a_reset_is_found_by_the_next_read)

# Of the explorer, which is built in trees without a sanitizer only: its core has a runtime of its own.
set(suites_of_explorer
    explore_bench_cli explore_cli explore_ends_cli explore_judges_cli explore_odd_cli explore_reported_cli fiber_cli)

# Helgrind and DRD do not know a mutex whose owner died: threads may not die under them.
set(suites_for_helgrind "^thread_[a-z_]*unit$")
set(suites_of_deaths thread_death_unit)

set(suites_for_memcheck
    "^(accept|backend|cache|catcache|catchup|catlist|catload|events|inval|keys|queue|relay|relcache|source|sqlite|table|transaction)(_[a-z]+)*_(unit|fault)$|^segment_(hold_)?unit$")

# They start or search so much that they take a minute and more; or have a malloc of their own.
set(not_under_memcheck
    backend_unit.a_thousand_deaths_leak_no_slot
    source_fault.no_failed_allocation_leaves_half_a_commit_in_the_table
    sqlite_unit.a_new_file_can_be_opened_by_many_at_once
    sqlite_unit.levels_agree_with_a_model_in_any_order
    table_unit.nonsense_in_the_segment_is_an_answer)

# sv_suite_ways(SUITE KIND): sets `ways` to how it runs here (none: it is not even built), and
# `left_out` to those of its tests that do not.
macro(sv_suite_ways suite kind)
    set(ways)
    set(left_out)
    if(SV_CHECK STREQUAL "valgrind")
        if("${suite}" MATCHES "${suites_for_helgrind}" AND NOT "${suite}" IN_LIST suites_of_deaths)
            list(APPEND ways helgrind drd)
        endif()
        if("${suite}" MATCHES "${suites_for_memcheck}" AND NOT "${suite}" IN_LIST suites_of_malloc)
            list(APPEND ways memcheck)
            set(left_out ${not_under_memcheck})
        endif()
    elseif(SV_SANITIZE MATCHES "thread")
        if("${kind}" MATCHES "^(unit|fault)$" AND NOT "${suite}" IN_LIST suites_of_processes
                AND NOT "${suite}" IN_LIST suites_of_malloc AND NOT "${suite}" IN_LIST suites_of_text)
            set(ways native)
            set(left_out ${not_under_tsan})
        endif()
    elseif(NOT SV_SANITIZE OR NOT "${suite}" IN_LIST suites_of_explorer)
        set(ways native)
    endif()
    list(FILTER left_out INCLUDE REGEX "^${suite}\\.")
endmacro()
