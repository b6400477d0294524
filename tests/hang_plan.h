/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A plan that fails: in its world a backend stands still for a minute with the write lock in hand.
 * It is no stall, so the supervisor must call it a hang.
 *
 * Whether another comes to wait for that lock is not said: it may have done all it has to before
 * the one that stands still begins. Who wants that gives them more to do.
 */
#ifndef SINVAL_TESTS_HANG_PLAN_H
#define SINVAL_TESTS_HANG_PLAN_H

#define HANG_PLAN                                                                 \
    "name: hang\n"                                                                \
    "danger: a backend stands still\n"                                            \
    "world: {backends: 3, capacity: 64, workload: queue}\n"                       \
    "faults:\n"                                                                   \
    "  - {backend: 1, point: lock/write_exclusive_release/before, action: delay," \
    " delay_ms: 60000, hit: 2}\n"

#endif
