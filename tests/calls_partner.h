/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Partners for the processes of fail_each.h: a wake or a signal that fails is told to nobody, so
 * who should have been woken is a process of its own, which must be seen to go on.
 */
#ifndef SINVAL_TESTS_CALLS_PARTNER_H
#define SINVAL_TESTS_CALLS_PARTNER_H

#include <sched.h>

#include "fail_each.h"

static const struct sv_config calls_world = {.backends_max = 8,
                                             .capacity = 64,
                                             .cleanup_min = 16,
                                             .cleanup_quantum = 8,
                                             .signal_threshold = 8,
                                             .table_rows_max = 8};

enum { TURNS, ASKED, PARTNER, SENT }; /* words of the meeting */

/* What the test itself waits for inside an operation: without a call that could fail. */
static inline void yield_until_moved(const struct sv_atomic32 *word, uint32_t from)
{
    while (sv_load_acquire32(word) == from) {
        (void)sched_yield();
    }
}

static inline int join_here(struct victim *victim)
{
    const struct sv_backend_options options = {.signal_number = SIGUSR1};
    return sv_backend_attach(victim->segment, &options, &victim->self);
}

static inline void leave_here(struct victim *victim)
{
    sv_backend_detach(victim->self);
}

/* ---- partners ------------------------------------------------------------------------------- */

struct partner {
    struct sv_segment *segment;
    struct meeting *meeting;
    bool in_poll; /* it waits for a descriptor, too */
    pid_t pid;
};

static inline void say_where(struct meeting *meeting, const struct sv_backend *self)
{
    sv_store_release32(&meeting->words[PARTNER], sv_backend_slot(self) + 1);
}

static inline void begin_partner(struct partner *partner,
                                 int (*run)(struct sv_segment *segment, void *argument))
{
    partner->meeting = meet();
    partner->segment = world(calls_world);
    partner->pid = fork_child(run, partner->segment, partner);
    await(&partner->meeting->words[PARTNER], 1);
}

static inline void end_partner(const struct partner *partner)
{
    kill_and_reap(partner->pid);
    cr_expect_eq(sv_backend_settle_dead(partner->segment), 1);
    cr_expect_eq(count_slots(partner->segment), 0);
    sv_segment_detach(partner->segment);
}

static inline uint32_t fail_each_with(struct partner *partner, struct operation operation)
{
    operation.prepare = operation.prepare != NULL ? operation.prepare : join_here;
    operation.leave = leave_here;
    return fail_each(&operation, partner->segment, partner->meeting, partner);
}

/* A partner's life: one turn each time it is asked to. */
static inline int take_turns(struct sv_segment *segment, const struct partner *partner,
                             void (*turn)(struct sv_backend *self, struct meeting *meeting))
{
    struct sv_backend *self = attach_here(segment, 0);
    say_where(partner->meeting, self);
    for (uint32_t asked = 1; asked != 0; asked++) {
        await(&partner->meeting->words[ASKED], asked);
        turn(self, partner->meeting);
    }
    return 0;
}

static inline void ask(const struct victim *victim)
{
    (void)sv_fetch_add_seq32(&victim->meeting->words[ASKED], 1);
}

/* The operation beside a partner that lives like that; some call of it must have failed. */
static inline void fail_each_beside(int (*life)(struct sv_segment *segment, void *argument),
                                    struct operation operation)
{
    struct partner partner = {0};
    begin_partner(&partner, life);
    cr_assert_geq(fail_each_with(&partner, operation), 1, "%s", operation.name);
    end_partner(&partner);
}

static inline uint32_t partner_slot(const struct victim *victim)
{
    return sv_load_acquire32(&victim->meeting->words[PARTNER]) - 1;
}

#endif
