/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue's operations: attach and detach, insert, read, cleanup.
 *
 * What is true of all inserts without an intent: a death leaves the first groups of write_quantum
 * messages, each whole, and nothing of the rest; every survivor finds the same of them.
 *
 * The survivors stand still, so they are laggards wherever the victim has inserted enough: those of
 * small rings are signaled, and reset.
 */
#include <signal.h>

#include "sync/slot.h"
#include "tests/sweep/operations.h"
#include "tests/sweep/world.h"

/*
 * Rings in which one insert meets everything: catchups at 16, resets, and numbers that are lowered.
 */
#define SMALL_RING .capacity = 64, .cleanup_min = 16, .signal_threshold = 16, .wraparound = 128
/* And in which it meets nothing. */
#define LARGE_RING .capacity = 1024

/* ---- attach and detach --------------------------------------------------------------------- */

/* Nothing, or a slot to be settled. */
static int attach(struct actor *victim)
{
    return actor_attach(victim, NULL);
}

static int attach_with_signal(struct actor *victim)
{
    return actor_attach(victim, &(struct sv_backend_options){.signal_number = SIGUSR1});
}

/* A slot that still is in use, whose occupant is gone; or a free one. */
static int detach(struct actor *victim)
{
    sv_backend_detach(victim->self);
    victim->self = NULL;
    return 0;
}

static bool is_attached(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&world->segment->slots[slot].in_queue) != 0;
}

static int nothing(struct actor *actor)
{
    (void)actor;
    return 0;
}

/* Two slots are left, and in both is a dead one. */
static int bury_two(struct actor *victim)
{
    const struct predecessor idle = {.run = nothing, .there = is_attached};
    const int result = actor_buries(victim, &idle);
    return result == 0 ? actor_buries(victim, &idle) : result;
}

/* It is asked to catch up, and has not: the baton is to be passed on. */
static int be_asked_to_catch_up(struct actor *victim)
{
    sv_store_seq32(&victim->self->slot->signaled, 1);
    return actor_must(
        victim, "sv_procsignal_send",
        sv_procsignal_send(victim->self, sv_backend_slot(victim->self), SV_REASON_CATCHUP));
}

/* ---- insert -------------------------------------------------------------------------------- */

static int number_one(struct actor *victim)
{
    actor_number(victim, 1);
    return 0;
}

static int number_group(struct actor *victim)
{
    actor_number(victim, 64);
    return 0;
}

static int number_many(struct actor *victim)
{
    actor_number(victim, 200);
    return 0;
}

static int insert(struct actor *victim, uint32_t count)
{
    sv_queue_insert(victim->self, victim->messages, count);
    actor_sent(victim);
    return 0;
}

static int insert_one(struct actor *victim)
{
    return insert(victim, 1);
}

static int insert_group(struct actor *victim)
{
    return insert(victim, 64);
}

static int insert_many(struct actor *victim)
{
    return insert(victim, 200);
}

/* Up to where the next one runs cleanup. */
static int fill_to_threshold(struct actor *victim)
{
    const uint32_t threshold = sv_segment_config(victim->segment)->cleanup_min;
    struct sv_queue_state state;
    sv_queue_look(victim->segment, &state);
    actor_insert(victim, threshold - (uint32_t)(state.max_number - state.min_number));
    return number_one(victim);
}

/* Up to where the survivors stand in the way of the next one. */
static int fill_ring(struct actor *victim)
{
    const uint32_t capacity = sv_segment_config(victim->segment)->capacity;
    struct sv_queue_state state;
    sv_queue_look(victim->segment, &state);
    actor_insert(victim, capacity - (uint32_t)(state.max_number - state.min_number));
    return number_one(victim);
}

static int attach_send_only(struct actor *victim)
{
    const int result = actor_attach(victim, &(struct sv_backend_options){.send_only = true});
    actor_number(victim, 5);
    return result;
}

static int insert_five(struct actor *victim)
{
    return insert(victim, 5);
}

static int number_five(struct actor *victim)
{
    actor_number(victim, 5);
    actor_intend(victim, 5, false);
    return 0;
}

/* A death before the intent is declared leaves nothing or all of it, one after it all of it. */
static int declare_and_insert(struct actor *victim)
{
    sv_intent_declare(victim->self, victim->messages, 5);
    actor_promised(victim);
    (void)insert(victim, 5);
    sv_intent_withdraw(victim->self);
    return 0;
}

/* ---- read ---------------------------------------------------------------------------------- */

static int leave_few(struct actor *victim)
{
    actor_insert(victim, 5);
    return 0;
}

static int leave_many(struct actor *victim)
{
    actor_insert(victim, 200);
    return 0;
}

/* A death changes nothing for anyone (K5). */
static int read_all(struct actor *victim)
{
    return actor_fetch(victim);
}

static int be_reset(struct actor *victim)
{
    sv_queue_reset_all(victim->self);
    actor_insert(victim, 2);
    return 0;
}

static int be_behind_and_asked(struct actor *victim)
{
    actor_insert(victim, 40);
    return be_asked_to_catch_up(victim);
}

/* The baton is passed on: by the victim, or by who settles it. */
static int serve_catchup(struct actor *victim)
{
    return actor_must(victim, "sv_process_interrupts", sv_process_interrupts(victim->self));
}

/* ---- cleanup ------------------------------------------------------------------------------- */

static int clean(struct actor *victim)
{
    sv_queue_cleanup(victim->self, 0);
    return 0;
}

/* Marks for reset that were set stand. */
static int clean_all(struct actor *victim)
{
    sv_queue_cleanup(victim->self, sv_segment_config(victim->segment)->capacity);
    return 0;
}

static int fill_half(struct actor *victim)
{
    actor_insert(victim, 40);
    return 0;
}

/* Some are reset, others not yet: nobody who died had promised it. */
static int reset_all(struct actor *victim)
{
    sv_queue_reset_all(victim->self);
    return 0;
}

const struct operation operations_queue[] = {
    {.name = "attach", .text = "attach to a free slot", .unattached = true, .run = attach},
    {.name = "attach-signal",
     .text = "attach of one that takes a signal",
     .unattached = true,
     .run = attach_with_signal},
    {.name = "attach-full",
     .text = "attach where only slots of the dead are left, who are settled",
     .config = {.backends_max = 4},
     .unattached = true,
     .only_killed = true,
     .prepare = bury_two,
     .run = attach},
    {.name = "detach", .text = "detach", .run = detach},
    {.name = "detach-baton",
     .text = "detach of one that was asked to catch up",
     .config = {SMALL_RING},
     .prepare = be_behind_and_asked,
     .run = detach},
    {.name = "insert-1",
     .text = "insert of one message",
     .config = {LARGE_RING},
     .prepare = number_one,
     .run = insert_one},
    {.name = "insert-64",
     .text = "insert of one group",
     .config = {LARGE_RING},
     .prepare = number_group,
     .run = insert_group},
    {.name = "insert-200",
     .text = "insert of four groups",
     .config = {LARGE_RING},
     .prepare = number_many,
     .run = insert_many},
    {.name = "insert-1-cleanup",
     .text = "the same of one, which cleans up",
     .config = {.capacity = 64, .cleanup_min = 16, .signal_threshold = 64},
     .prepare = fill_to_threshold,
     .run = insert_one},
    {.name = "insert-1-signal",
     .text = "of one, which cleans up and signals a laggard",
     .config = {.capacity = 64, .cleanup_min = 16, .signal_threshold = 4},
     .prepare = fill_to_threshold,
     .run = insert_one},
    {.name = "insert-1-reset",
     .text = "of one, which resets the laggards and lowers all numbers",
     .config = {SMALL_RING},
     .base = 120,
     .prepare = fill_ring,
     .run = insert_one},
    {.name = "insert-64-all",
     .text = "of 64: cleanup, signals, resets, lowered numbers",
     .config = {SMALL_RING},
     .base = 100,
     .prepare = number_group,
     .run = insert_group},
    {.name = "insert-200-all",
     .text = "of 200: cleanup, signals, resets, lowered numbers",
     .config = {SMALL_RING},
     .base = 100,
     .prepare = number_many,
     .run = insert_many},
    {.name = "insert-intent",
     .text = "five, an intent declared before and withdrawn after",
     .prepare = number_five,
     .run = declare_and_insert},
    {.name = "insert-send-only",
     .text = "insert of five by one that never reads",
     .unattached = true,
     .prepare = attach_send_only,
     .run = insert_five},
    {.name = "read-few", .text = "read of five", .prepare = leave_few, .run = read_all},
    {.name = "read-many",
     .text = "read of 200",
     .config = {LARGE_RING},
     .prepare = leave_many,
     .run = read_all},
    {.name = "read-reset",
     .text = "read of a reset, and what came after",
     .resets = true,
     .prepare = be_reset,
     .run = read_all},
    {.name = "catch-up",
     .text = "catchup served: read, cleanup, the next laggard signaled",
     .config = {SMALL_RING},
     .prepare = be_behind_and_asked,
     .run = serve_catchup},
    {.name = "cleanup",
     .text = "cleanup that finds nothing to do",
     .config = {LARGE_RING},
     .run = clean},
    {.name = "cleanup-signal",
     .text = "cleanup that signals a laggard",
     .config = {.signal_threshold = 16},
     .prepare = fill_half,
     .run = clean},
    {.name = "cleanup-reset",
     .text = "cleanup that wants the whole ring: resets, lowered numbers",
     .config = {SMALL_RING},
     .clears = true,
     .base = 120,
     .prepare = leave_few,
     .run = clean_all},
    {.name = "reset-all", .text = "reset of everyone", .resets = true, .run = reset_all},
    {0},
};

/* ---- canaries ------------------------------------------------------------------------------ */

/* It says that it has declared, and has not. */
static int forget_to_declare(struct actor *victim)
{
    actor_promised(victim);
    return insert(victim, 5);
}

const struct operation operation_honest = {
    .name = "honest",
    .text = "five messages, an intent declared before",
    .prepare = number_five,
    .run = declare_and_insert,
};

const struct operation operation_dishonest = {
    .name = "dishonest",
    .text = "five messages, an intent that is none",
    .prepare = number_five,
    .run = forget_to_declare,
};
