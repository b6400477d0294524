/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of slots: who comes, goes, and leaves promises.
 */
#include "faults/explore/worlds.h"
#include "queue/queue.h"
#include "shm/segment.h"

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

/* ---- intent: what is promised before a commit arrives ---------------------------------------------- */

static void run_intent(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];
    struct books_writer *writer = &world->state.books.writers[backend];

    if (backend > 0) {
        world_read_often(world, backend, 3, 4);
        return;
    }
    for (uint32_t round = 0; round < 2; round++) {
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
}

const struct world_kind world_intent = {
    .name = "intent",
    .about = "a commit of two messages under an intent, twice; two readers",
    .config = {.backends_max = 3, .capacity = 4, .wraparound = 8, .intent_max = 2},
    .backends = 3,
    .base = 4,
    .run = run_intent,
};
