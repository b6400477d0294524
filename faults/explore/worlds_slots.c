/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of slots: who comes, goes, and leaves promises.
 */
#include "faults/explore/worlds.h"
#include <errno.h>
#include <signal.h>

#include "queue/queue.h"
#include "shm/segment.h"
#include "sinval/latch.h"
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

#define ATTACH_BLOCKS_MAX 8 /* more than an attach allocates */

/* ---- slots: three come and go where two find room -------------------------------------------- */

/*
 * notes: 0, the set of backends that are in or on their way in or out; 1 + backend: how often one
 * of the others was, at any time since that one began to attach.
 */
static void begin_attach(struct world *world, uint32_t backend)
{
    uint64_t *notes = world->state.notes;

    notes[1 + backend] = 0;
    for (uint32_t i = 0; i < world->kind->backends; i++) {
        if (i != backend) {
            notes[1 + i]++;
            notes[1 + backend] += !machine_is_dead(i) && (notes[0] >> i & 1) != 0;
        }
    }
    notes[0] |= UINT64_C(1) << backend;
}

/* That there is no room is true only if the living took it all. */
static void judge_full(const struct world *world, uint32_t backend)
{
    const uint64_t others = world->state.notes[1 + backend];

    if (others < world->kind->config.backends_max) {
        machine_fail(ORACLE_O6, "backend %u finds no room in %u slots, and of the living %llu came",
                     backend, world->kind->config.backends_max, (unsigned long long)others);
    }
}

/* Each allocation of an attach fails in turn; nothing is left of it, and then it succeeds. */
static int attach_at_last(struct world *world, uint32_t backend)
{
    struct arena *arena = machine_arena();
    int result = -ENOMEM;

    for (uint32_t n = 1; result == -ENOMEM && n <= ATTACH_BLOCKS_MAX; n++) {
        arena->head->until_refused = n;
        result = sv_backend_attach(world->segment, NULL, &world->state.backends[backend]);
    }
    arena->head->until_refused = 0;
    return result;
}

static void run_slots(struct world *world, uint32_t backend)
{
    struct sv_backend **self = &world->state.backends[backend];

    for (uint32_t tries = 0; tries < 2 && world_goes_on(world, backend); tries++) {
        begin_attach(world, backend);
        const int result = world->kind == &world_room && backend == 0
                               ? attach_at_last(world, backend)
                               : sv_backend_attach(world->segment, NULL, self);
        if (result == SV_FULL) {
            judge_full(world, backend);
            world->state.notes[0] &= ~(UINT64_C(1) << backend);
            continue;
        }
        if (result != 0) {
            machine_fail(ORACLE_O6, "backend %u cannot attach: %d", backend, result);
        }
        books_sync(&world->state.books, backend);
        if (world->kind == &world_slots) {
            world_insert(world, backend, 1);
            (void)world_read(world, backend, 4);
        }
        sv_backend_detach(*self);
        *self = NULL;
        world->state.notes[0] &= ~(UINT64_C(1) << backend);
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

const struct world_kind world_room = {
    .name = "room",
    .about = "two slots: two come and go, twice, one often without memory: there is always room",
    .config = {.backends_max = 2, .capacity = 4, .intent_max = 1},
    .backends = 2,
    .late_comers = true,
    .run = run_slots,
    .judge = judge_slots,
};

/* ---- barrier: everyone passes, also who comes and goes --------------------------------------- */

static void emit_barrier(struct sv_backend *self, uint32_t backend)
{
    const int result = sv_procsignal_barrier(self, 10000);

    if (result != 0) {
        machine_fail(ORACLE_O4, "backend %u waits for a barrier without end: %d", backend, result);
    }
}

/* The last one comes back first. Who is over processes no interrupts: it leaves. */
static void run_barrier(struct world *world, uint32_t backend)
{
    struct sv_backend **self = &world->state.backends[backend];

    if (backend == world->kind->backends - 1 && !come_back(world, backend)) {
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

/* Small enough to be gone through with more preemptions. */
const struct world_kind world_pair = {
    .name = "pair",
    .about = "two barriers, of which one is by a backend that leaves and comes back",
    .config = {.backends_max = 2, .capacity = 4, .intent_max = 1},
    .backends = 2,
    .options = {.signal_number = SIGUSR1},
    .run = run_barrier,
    .judge = judge_slots,
};

/* ---- entry: who comes in while a barrier is under way ---------------------------------------- */

enum { DONE = 0 };

/* A barrier, and then it is over, and all are told so. */
static void run_emitter(struct world *world, uint32_t backend)
{
    emit_barrier(world->state.backends[backend], backend);
    world_store(world, DONE, 1);
    for (uint32_t i = 1; i < world->kind->backends; i++) {
        if (world->state.backends[i] != NULL) { /* who is not there yet will see it */
            sv_latch_set(world->segment, world_slot(world, i));
        }
    }
}

static void run_entry(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        run_emitter(world, backend);
        return;
    }
    if (backend == 2 && !come_back(world, backend)) {
        return;
    }
    struct sv_backend *self = world->state.backends[backend];
    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        sv_latch_reset(self);
        if (world_load(world, DONE) != 0) {
            return;
        }
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend %u cannot wait", backend);
        }
    }
}

const struct world_kind world_entry = {
    .name = "entry",
    .about = "one barrier, one that sleeps until it is over, one that leaves and comes back",
    .config = {.backends_max = 4,
               /* who comes back has room at once */ .capacity = 4,
               .intent_max = 1},
    .backends = 3,
    .immortal = true, /* who waits for ever for the dead to be done is right to do so */
    .options = {.signal_number = SIGUSR1},
    .run = run_entry,
};

/* ---- emitters: two barriers at once, and one who has nothing else to do ----------------------- */

enum { EMITTERS = 2 }; /* each has a word: it has done with its barrier */

static void run_emitters(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    if (backend < EMITTERS) {
        emit_barrier(self, backend);
        world_store(world, 2 * backend, 1);
        sv_latch_set(world->segment, world_slot(world, EMITTERS));
        sv_backend_detach(self); /* nobody need wait for it */
        world->state.backends[backend] = NULL;
        return;
    }
    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        sv_latch_reset(self);
        if (world_load(world, 0) != 0 && world_load(world, 2) != 0) {
            return;
        }
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend %u cannot wait", backend);
        }
    }
}

const struct world_kind world_emitters = {
    .name = "emitters",
    .about = "two barriers at once, one that sleeps until both are over",
    .config = {.backends_max = 3, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .immortal = true, /* who waits for ever for the dead to be done is right to do so */
    .options = {.signal_number = SIGUSR1},
    .run = run_emitters,
};

/* ---- intent: what is promised before a commit arrives ---------------------------------------- */

enum { INTENT_MAX = 2 };

/* Declared, committed, sent, withdrawn. notes[0]: more is promised than fits. */
static void commit_under_intent(struct world *world, uint32_t backend, uint32_t count)
{
    struct sv_backend *self = world->state.backends[backend];
    struct books_writer *writer = &world->state.books.writers[backend];
    struct sv_message messages[INTENT_MAX + 1];

    for (uint32_t i = 0; i < count; i++) {
        messages[i] = books_message(backend, writer->begun + i);
    }
    writer->begun += count;
    world->state.notes[0] = count > INTENT_MAX;
    sv_intent_declare(self, messages, count);
    writer->promised = writer->begun; /* the commit */
    sv_queue_insert(self, messages, count);
    writer->done = writer->begun;
    sv_intent_withdraw(self);
}

static void run_intent(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 2 && world_goes_on(world, backend); i++) {
            commit_under_intent(world, backend, INTENT_MAX + i);
        }
    } else if (backend == 1 || come_back(world, backend)) {
        world_read_often(world, backend, 2, 4);
    }
}

/* K5: nobody is reset for messages that fit. */
static void judge_intent(struct world *world)
{
    uint64_t counters[SV_STAT_COUNT];

    sv_stat_total(world->segment, counters);
    if (counters[SV_STAT_resets_requested] > 0 && world->state.notes[0] == 0) {
        machine_fail(ORACLE_O6, "a death has everyone reset, though what was promised is known");
    }
}

const struct world_kind world_intent = {
    .name = "intent",
    .about = "two commits under intents, the second too large; two readers, one comes back",
    .config = {.backends_max = 3, .capacity = 4, .wraparound = 8, .intent_max = INTENT_MAX},
    .backends = 3,
    .base = 4,
    .run = run_intent,
    .judge = judge_intent,
};

/* ---- promise: an intent that needs a cleanup for each of its messages ------------------------- */

static void run_promise(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 2 && world_goes_on(world, backend); i++) {
            commit_under_intent(world, backend, INTENT_MAX);
        }
    } else {
        world_read_often(world, backend, 2, 2);
    }
}

const struct world_kind world_promise = {
    .name = "promise",
    .about = "a ring of 8: commits under intents, a cleanup for each message; two fall behind",
    .config = {.backends_max = 3,
               .capacity = 8,
               .cleanup_min = 2,
               .cleanup_quantum = 1,
               .signal_threshold = 1,
               .write_quantum = 1,
               .intent_max = INTENT_MAX},
    .backends = 3,
    .send_only = 1U << 0,
    .run = run_promise,
    .judge = judge_intent,
};

/* ---- leave: who goes while another one cleans up ----------------------------------------------- */

static void run_leave(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 4 && world_goes_on(world, backend); i++) {
            world_insert(world, backend, 1);
        }
    } else if (backend == 1) {
        sv_backend_detach(world->state.backends[backend]);
        world->state.backends[backend] = NULL;
    } else if (come_back(world, backend)) {
        world_read_often(world, backend, 2, 1);
    }
}

const struct world_kind world_leave = {
    .name = "leave",
    .about = "a ring of 8: a cleanup for each message; one leaves, one leaves and comes back",
    .config = {.backends_max = 3,
               .capacity = 8,
               .cleanup_min = 1,
               .cleanup_quantum = 1,
               .signal_threshold = 1,
               .intent_max = 1},
    .backends = 3,
    .send_only = 1U << 0,
    .run = run_leave,
};
