/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of the queue.
 */
#include <signal.h>

#include "faults/explore/worlds.h"
#include "shm/segment.h"
#include "sinval/latch.h"
#include "sinval/queue.h"
#include "sinval/stat.h"
#include "sinval/transaction.h"
#include "sync/procsignal.h"

/* ---- ring-4: overflow, reset, cleanup and wraparound ----------------------------------------- */

static void run_ring_4(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 6 && world_goes_on(world, backend); i++) {
            world_insert(world, backend, 1);
        }
        return;
    }
    world_read_often(world, backend, 3, 4);
}

const struct world_kind world_ring_4 = {
    .name = "ring-4",
    .about = "a ring of 4 that wraps around at 8: one writer of 6 messages, one reader",
    .config = {.backends_max = 2, .capacity = 4, .wraparound = 8, .intent_max = 1},
    .backends = 2,
    .base = 4,
    .run = run_ring_4,
};

/* ---- ring-8: one writer, three readers ------------------------------------------------------- */

static void run_ring_8(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 4 && world_goes_on(world, backend); i++) {
            world_insert(world, backend, 3);
        }
        return;
    }
    world_read_often(world, backend, 3, 8);
}

const struct world_kind world_ring_8 = {
    .name = "ring-8",
    .about = "a ring of 8: one writer of 12 messages, three readers",
    .config = {.backends_max = 4, .capacity = 8, .wraparound = 16, .intent_max = 1},
    .backends = 4,
    .base = 8,
    .run = run_ring_8,
};

/* ---- two writers ----------------------------------------------------------------------------- */

static void run_two_writers(struct world *world, uint32_t backend)
{
    if (backend < 2) {
        for (uint32_t count = 2; count > 0 && world_goes_on(world, backend); count--) {
            world_insert(world, backend, count);
        }
        return;
    }
    world_read_often(world, backend, 2, 2);
}

const struct world_kind world_two_writers = {
    .name = "two-writers",
    .about = "a ring of 4: two writers of 3 messages each, one send-only; one reader, 2 at a time",
    .config =
        {.backends_max = 3, .capacity = 4, .wraparound = 8, .signal_threshold = 1, .intent_max = 1},
    .backends = 3,
    .send_only = 1U << 1,
    .base = 4,
    .run = run_two_writers,
};

/* ---- relay: a catchup goes from one laggard to the next -------------------------------------- */

enum {
    RELAY_MESSAGES = 6,
    LEAVER = 1,
    PASSED_ON = 0 /* note: with nothing more to come, somebody has */
};

static int take_event(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct world *world = argument;
    const uint32_t backend = machine_self();

    (void)self;
    if (message != NULL) {
        books_take(&world->state.books, backend, message);
    } else {
        books_sync(&world->state.books, backend);
    }
    return 0;
}

static void prepare_relay(struct world *world, uint32_t backend)
{
    world->error = sv_callback_register(world->state.backends[backend], SV_MESSAGE_APPLICATION,
                                        take_event, world);
}

static bool knows_all(const struct world *world, uint32_t backend)
{
    return world->state.books.readers[backend].most[0] == RELAY_MESSAGES;
}

static bool has_baton(const struct sv_backend *self)
{
    return sv_load_relaxed32(&self->slot->signaled) != 0 ||
           sv_procsignal_pending(self, SV_REASON_CATCHUP);
}

/* Without a look, if it is asked for one. */
static bool is_to_leave(const struct sv_backend *self, uint32_t backend)
{
    return backend == LEAVER && has_baton(self);
}

static uint64_t served(const struct sv_backend *self)
{
    return sv_load_relaxed64(&self->slot->stats[SV_STAT_catchups_served]);
}

/* It leaves, and the baton with it, if it has it. */
static void leave_relay(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];
    const bool all_is_sent = world->state.books.writers[0].done == RELAY_MESSAGES;

    world->state.notes[PASSED_ON] |= all_is_sent && has_baton(self);
    sv_backend_detach(self);
    world->state.backends[backend] = NULL;
}

static void run_relay(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    if (backend == 0) {
        for (uint32_t i = 0; i < RELAY_MESSAGES && world_goes_on(world, backend); i++) {
            world_insert(world, backend, 1);
        }
        return;
    }
    struct sv_latch_wait wait = {.timeout_ms = 50};
    for (uint32_t looks = 0; looks < 3 && !knows_all(world, backend) &&
                             !is_to_leave(self, backend) && world_goes_on(world, backend);
         looks++) {
        const uint64_t served_before = served(self);
        sv_latch_reset(self);
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend %u cannot wait", backend);
        }
        world->state.notes[PASSED_ON] |=
            served(self) > served_before &&
            world->state.books.readers[backend].next[0] == RELAY_MESSAGES;
    }
    if (backend == LEAVER) {
        leave_relay(world, backend);
    }
}

/* Who lives and is further behind than the threshold. Returns: a slot; SV_SLOT_NONE: nobody. */
static uint32_t find_laggard(const struct world *world, bool *baton)
{
    uint32_t laggard = SV_SLOT_NONE;

    *baton = false;
    for (uint32_t i = 0; i < world->kind->backends; i++) {
        const struct sv_backend *self = world->state.backends[i];
        struct sv_slot_state state;
        sv_slot_look(world->segment, i, &state);
        *baton |= self != NULL && !machine_is_dead(i) && has_baton(self);
        if (state.in_queue && state.behind > world->segment->config.signal_threshold) {
            laggard = i;
        }
    }
    return laggard;
}

/*
 * O5: at most one catchup for each cleanup. Whoever is settled has cleanup run for it, and who
 * passes the baton on runs it; if that was when all had been sent, who is behind has been told, or
 * somebody else, who will.
 */
static void judge_relay(struct world *world)
{
    uint64_t counters[SV_STAT_COUNT];
    bool baton;

    const uint32_t laggard = find_laggard(world, &baton);
    if (laggard != SV_SLOT_NONE && !baton && world->state.settled > 0) {
        machine_fail(ORACLE_O5, "slot %u is behind, the dead are settled, and nobody is signaled",
                     laggard);
    }
    if (laggard != SV_SLOT_NONE && !baton && world->state.notes[PASSED_ON] != 0) {
        machine_fail(ORACLE_O5, "slot %u is behind, and who had to tell it so has not", laggard);
    }

    sv_stat_total(world->segment, counters);
    if (counters[SV_STAT_catchups_sent] > counters[SV_STAT_cleanups]) {
        machine_fail(ORACLE_O5, "%llu catchups for %llu cleanups",
                     (unsigned long long)counters[SV_STAT_catchups_sent],
                     (unsigned long long)counters[SV_STAT_cleanups]);
    }
}

const struct world_kind world_relay = {
    .name = "relay",
    .about = "a ring of 8: a send-only writer, two that sleep until a catchup comes, one leaves",
    .config = {.backends_max = 3,
               .capacity = 8,
               .cleanup_min = 2,
               .cleanup_quantum = 2,
               .signal_threshold = 1,
               .intent_max = 1},
    .backends = 3,
    .send_only = 1U << 0,
    .idle = true,
    .options = {.signal_number = SIGUSR1},
    .prepare = prepare_relay,
    .run = run_relay,
    .settled = judge_relay,
};
