/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Locks, latches and signals between backends.
 *
 * A lock that the dead held is free, and what it guards repaired, before anybody else has it. A
 * latch that was set wakes its owner, who at worst finds it by himself after 100 ms.
 */
#include <unistd.h>

#include "sync/lwlock.h"
#include "tests/sweep/operations.h"
#include "tests/sweep/world.h"

/* ---- locks --------------------------------------------------------------------------------- */

/* A death between the two stores is repaired: the survivors look. */
int use_app_exclusive(struct actor *actor)
{
    struct control_shared *shared = actor->control->shared;
    sv_lwlock_acquire(actor->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    sv_store_relaxed64(&shared->app[0], sv_load_relaxed64(&shared->app[0]) + 1);
    sv_store_relaxed64(&shared->app[1], sv_load_relaxed64(&shared->app[1]) + 1);
    sv_lwlock_release(actor->self, SV_LOCK_APP_0);
    return 0;
}

int use_app_shared(struct actor *actor)
{
    sv_lwlock_acquire(actor->self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    sv_lwlock_release(actor->self, SV_LOCK_APP_0);
    return 0;
}

static int try_app(struct actor *actor)
{
    if (sv_lwlock_try_acquire(actor->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE) == 0) {
        sv_lwlock_release(actor->self, SV_LOCK_APP_0);
    }
    if (sv_lwlock_try_acquire(actor->self, SV_LOCK_APP_1, SV_LOCK_SHARED) == 0) {
        sv_lwlock_release(actor->self, SV_LOCK_APP_1);
    }
    return 0;
}

/* ---- latches and signals ------------------------------------------------------------------- */

/* The reader stands in its latch wait: its slot says so before it sleeps. */
static int wait_for_sleeper(struct actor *victim)
{
    struct sv_slot *slot = sv_segment_slot(victim->segment, slot_of(PART_READER));
    for (uint32_t seen; (seen = sv_load_seq32(&slot->sleep)) == SV_AWAKE;) {
        (void)sv_os_wait(&slot->sleep, seen, UINT64_C(100000));
    }
    return 0;
}

static int set_latch(struct actor *victim)
{
    sv_latch_set(victim->segment, slot_of(PART_READER));
    return 0;
}

/* The reason stays with the one who was asked. */
static int ask_reader(struct actor *victim)
{
    return actor_must(victim, "sv_procsignal_send",
                      sv_procsignal_send(victim->self, slot_of(PART_READER), SV_REASON_APP_0));
}

static int set_own_latch(struct actor *victim)
{
    sv_latch_set_own(victim->self);
    return 0;
}

static int wait_until_set(struct actor *victim)
{
    struct sv_latch_wait wait = {.timeout_ms = -1};
    const int result = actor_must(victim, "sv_latch_wait", sv_latch_wait(victim->self, &wait));
    sv_latch_reset(victim->self);
    return result;
}

static int wait_shortly(struct actor *victim)
{
    struct sv_latch_wait wait = {.timeout_ms = 30};
    return actor_must(victim, "sv_latch_wait", sv_latch_wait(victim->self, &wait));
}

/* With a descriptor that never can be read. */
static int wait_in_poll(struct actor *victim)
{
    int fds[2];
    int result = actor_must(victim, "pipe", pipe(fds));
    struct sv_latch_wait wait = {.timeout_ms = 30, .wait_readable = true, .readable_fd = fds[0]};
    if (result == 0) {
        result = actor_must(victim, "sv_latch_wait", sv_latch_wait(victim->self, &wait));
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    return result;
}

static int pass_barrier(struct actor *victim)
{
    sv_store_seq64(&victim->segment->header->barrier, 1);
    return actor_must(victim, "sv_procsignal_send",
                      sv_procsignal_send(victim->self, slot_of(PART_VICTIM), SV_REASON_BARRIER));
}

static int process_interrupts(struct actor *victim)
{
    return actor_must(victim, "sv_process_interrupts", sv_process_interrupts(victim->self));
}

const struct operation operations_sync[] = {
    {.name = "lock-exclusive",
     .text = "an application's lock, exclusive, and two stores under it",
     .run = use_app_exclusive},
    {.name = "lock-shared", .text = "an application's lock, shared", .run = use_app_shared},
    {.name = "lock-try", .text = "both ways of trying", .run = try_app},
    {.name = "latch-set", .text = "latch set, of one that is awake", .run = set_latch},
    {.name = "latch-set-wait",
     .text = "latch set, of one that sleeps on it",
     .rest = REST_IN_WAIT,
     .prepare = wait_for_sleeper,
     .run = set_latch},
    {.name = "latch-set-poll",
     .text = "latch set, of one that sleeps in poll",
     .rest = REST_IN_POLL,
     .prepare = wait_for_sleeper,
     .run = set_latch},
    {.name = "latch-wait-set",
     .text = "latch wait that ends at once",
     .prepare = set_own_latch,
     .run = wait_until_set},
    {.name = "latch-wait", .text = "latch wait that sleeps 30 ms", .run = wait_shortly},
    {.name = "latch-wait-poll",
     .text = "latch wait that sleeps 30 ms in poll",
     .run = wait_in_poll},
    {.name = "signal-wait",
     .text = "a reason sent to one that sleeps on its latch",
     .rest = REST_IN_WAIT,
     .prepare = wait_for_sleeper,
     .run = ask_reader},
    {.name = "signal-poll",
     .text = "a reason sent to one that sleeps in poll",
     .rest = REST_IN_POLL,
     .prepare = wait_for_sleeper,
     .run = ask_reader},
    {.name = "barrier-pass",
     .text = "interrupts: a barrier is passed",
     .prepare = pass_barrier,
     .run = process_interrupts},
    {0},
};
