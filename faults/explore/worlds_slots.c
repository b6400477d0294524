/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of slots: who comes, goes, and leaves promises.
 */
#include "faults/explore/worlds.h"
#include <signal.h>

#include "queue/queue.h"
#include "shm/segment.h"
#include "sinval/procsignal.h"
#include "sinval/stat.h"

/*
 * Leave, and come back. Returns: false: there was no room, as it can be while somebody looks at the
 * slot that was left, or has died in it.
 */
static bool come_back(struct world *world, uint32_t backend)
{
    struct sv_backend **self = &world->state.backends[backend];

    sv_backend_detach(*self);
    *self = NULL;
    const int result = sv_backend_attach(world->segment, &world->kind->options, self);
    if (result != 0 && result != SV_FULL) {
        machine_fail(ORACLE_O6, "backend %u cannot attach again: %d", backend, result);
    }
    books_sync(&world->state.books, backend);
    return result == 0;
}

/* ---- slots: three come and go where two find room -------------------------------------------------- */

static void run_slots(struct world *world, uint32_t backend)
{
    struct sv_backend **self = &world->state.backends[backend];

    for (uint32_t tries = 0; tries < 2; tries++) {
        const int result = sv_backend_attach(world->segment, NULL, self);
        if (result == SV_FULL) {
            continue;
        }
        if (result != 0) {
            machine_fail(ORACLE_O6, "backend %u cannot attach: %d", backend, result);
        }
        books_sync(&world->state.books, backend);
        world_insert(world, backend, 1);
        (void)world_read(world, backend, 4);
        sv_backend_detach(*self);
        *self = NULL;
    }
}

/* O7: of each who left of its own will, all private memory was given back. */
static void judge_slots(struct world *world)
{
    for (uint32_t i = 0; i < world->kind->backends; i++) {
        if (!machine_is_dead(i) && world->state.backends[i] == NULL && machine_blocks_of(i) != 0) {
            machine_fail(ORACLE_O7, "backend %u has left, and has not freed %u blocks of memory", i,
                         machine_blocks_of(i));
        }
    }
}

const struct world_kind world_slots = {
    .name = "slots",
    .about = "two slots: three backends come, send a message, read, and go, twice",
    .config = {.backends_max = 2, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .late_comers = true,
    .run = run_slots,
    .judge = judge_slots,
};

/* ---- barrier: everyone passes, also who comes and goes --------------------------------------------- */

static void emit_barrier(struct sv_backend *self, uint32_t backend)
{
    const int result = sv_procsignal_barrier(self, 10000);

    if (result != 0) {
        machine_fail(ORACLE_O4, "backend %u waits for a barrier without end: %d", backend, result);
    }
}

/* Who is over processes no interrupts, and would be waited for: it leaves. */
static void run_barrier(struct world *world, uint32_t backend)
{
    struct sv_backend **self = &world->state.backends[backend];

    if (backend == 2 && !come_back(world, backend)) {
        return;
    }
    emit_barrier(*self, backend);
    sv_backend_detach(*self);
    *self = NULL;
}

const struct world_kind world_barrier = {
    .name = "barrier",
    .about = "three barriers, of which one is by a backend that leaves and comes back",
    .config = {.backends_max = 3, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .options = {.signal_number = SIGUSR1},
    .run = run_barrier,
    .judge = judge_slots,
};

/* ---- intent: what is promised before a commit arrives ---------------------------------------------- */

/* Declared, committed, sent, withdrawn. */
static void commit_under_intent(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];
    struct books_writer *writer = &world->state.books.writers[backend];
    struct sv_message messages[2];

    for (uint32_t i = 0; i < 2; i++) {
        messages[i] = books_message(backend, writer->begun + i);
    }
    writer->begun += 2;
    sv_intent_declare(self, messages, 2);
    writer->promised = writer->begun; /* the commit */
    sv_queue_insert(self, messages, 2);
    writer->done = writer->begun;
    sv_intent_withdraw(self);
}

static void run_intent(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        commit_under_intent(world, backend);
        commit_under_intent(world, backend);
    } else if (backend == 1 || come_back(world, backend)) {
        world_read_often(world, backend, 2, 4);
    }
}

/* K5: the messages fit, so nobody is reset for them. */
static void judge_intent(struct world *world)
{
    uint64_t counters[SV_STAT_COUNT];

    sv_stat_total(world->segment, counters);
    if (counters[SV_STAT_resets_requested] > 0) {
        machine_fail(ORACLE_O6, "a death has everyone reset, though what was promised is known");
    }
}

const struct world_kind world_intent = {
    .name = "intent",
    .about = "two commits of two messages under an intent; two readers, one leaves and comes back",
    .config = {.backends_max = 3, .capacity = 4, .wraparound = 8, .intent_max = 2},
    .backends = 3,
    .base = 4,
    .run = run_intent,
    .judge = judge_intent,
};
