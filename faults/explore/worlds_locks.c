/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of locks and latches.
 */
#include "faults/explore/worlds.h"
#include "shm/segment.h"
#include "sinval/latch.h"
#include "sinval/lwlock.h"

/* ---- locks: two writers and a reader of two words that belong together ----------------------- */

/*
 * FIRST and SECOND change under APP_0 held exclusively, THIRD under APP_1; who holds them shared
 * sees FIRST and SECOND equal. A writer that dies in between leaves it to the repair.
 */
enum { FIRST = 0, SECOND = 2, THIRD = 4 };

static void repair_words(void *argument)
{
    const struct world *world = argument;

    world_store(world, SECOND, world_load(world, FIRST));
}

static void prepare_locks(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sv_lwlock_set_repair(world->segment, SV_LOCK_APP_0, repair_words, world);
    }
}

static void add_one(const struct world *world, uint32_t index)
{
    world_store(world, index, world_load(world, index) + 1);
}

static void write_words(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    add_one(world, FIRST);
    add_one(world, SECOND);
    world->state.notes[0]++;
    sv_lwlock_acquire(self, SV_LOCK_APP_1, SV_LOCK_EXCLUSIVE);
    add_one(world, THIRD);
    world->state.notes[1]++;
    sv_lwlock_release(self, SV_LOCK_APP_1);
    sv_lwlock_release(self, SV_LOCK_APP_0);
}

static void read_words(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    const uint32_t first = world_load(world, FIRST);
    const uint32_t second = world_load(world, SECOND);
    if (first != second) {
        machine_fail(ORACLE_O3, "backend %u holds lock app_0 shared and sees %u and %u", backend,
                     first, second);
    }
    sv_lwlock_release(self, SV_LOCK_APP_0);
    if (sv_lwlock_try_acquire(self, SV_LOCK_APP_1, SV_LOCK_SHARED) == 0) {
        const uint32_t third = world_load(world, THIRD);
        if (third != world_load(world, THIRD)) {
            machine_fail(ORACLE_O3, "backend %u holds lock app_1 shared and sees a change",
                         backend);
        }
        sv_lwlock_release(self, SV_LOCK_APP_1);
    }
}

static void run_locks(struct world *world, uint32_t backend)
{
    for (int i = 0; i < 2 && world_goes_on(world, backend); i++) {
        if (backend < 2) {
            write_words(world, backend);
        } else {
            read_words(world, backend);
        }
    }
}

/* No change was lost; who died may have made one that it did not come to note. */
static void judge_locks(struct world *world)
{
    const uint32_t first = world_load(world, FIRST);
    const uint32_t second = world_load(world, SECOND);
    const uint32_t third = world_load(world, THIRD);
    uint64_t unsure = 0;

    for (uint32_t i = 0; i < 2; i++) {
        unsure += machine_is_dead(i);
    }
    if (first != second || first < world->state.notes[0] ||
        first > world->state.notes[0] + unsure || third < world->state.notes[1] ||
        third > world->state.notes[1] + unsure) {
        machine_fail(ORACLE_O3, "after %llu and %llu changes under locks, the words are %u, %u, %u",
                     (unsigned long long)world->state.notes[0],
                     (unsigned long long)world->state.notes[1], first, second, third);
    }
}

const struct world_kind world_locks = {
    .name = "locks",
    .about = "two locks: two writers that take both, one reader that takes each shared",
    .config = {.backends_max = 3, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .prepare = prepare_locks,
    .run = run_locks,
    .judge = judge_locks,
};

/* ---- readers: who is inside together, by the books ------------------------------------------- */

/* notes: the sets of backends that hold APP_0, by mode. */
static uint64_t living(uint64_t backends)
{
    for (uint32_t i = 0; i < BOOKS_BACKENDS_MAX; i++) {
        if (machine_is_dead(i)) {
            backends &= ~(UINT64_C(1) << i);
        }
    }
    return backends;
}

static void come_in(struct world *world, uint32_t backend, enum sv_lock_mode mode)
{
    uint64_t *inside = world->state.notes;
    const uint64_t exclusive = living(inside[SV_LOCK_EXCLUSIVE]);
    const uint64_t shared = living(inside[SV_LOCK_SHARED]);

    if (exclusive != 0 || (mode == SV_LOCK_EXCLUSIVE && shared != 0)) {
        machine_fail(ORACLE_O3, "backend %u gets lock app_0 %s, which backend %d holds %s", backend,
                     mode == SV_LOCK_EXCLUSIVE ? "exclusive" : "shared",
                     __builtin_ctzll(exclusive != 0 ? exclusive : shared),
                     exclusive != 0 ? "exclusive" : "shared");
    }
    inside[mode] |= UINT64_C(1) << backend;
}

static void go_out(struct world *world, uint32_t backend, enum sv_lock_mode mode)
{
    world->state.notes[mode] &= ~(UINT64_C(1) << backend);
    sv_lwlock_release(world->state.backends[backend], SV_LOCK_APP_0);
}

/* Only for who held it exclusive, so that nobody else is inside. */
static void repair_readers(void *argument)
{
    const struct world *world = argument;
    const uint64_t shared = living(world->state.notes[SV_LOCK_SHARED]);

    if (shared != 0) {
        machine_fail(ORACLE_O3, "lock app_0 is repaired while backend %d holds it shared",
                     __builtin_ctzll(shared));
    }
}

static void prepare_readers(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sv_lwlock_set_repair(world->segment, SV_LOCK_APP_0, repair_readers, world);
    }
}

static void run_readers(struct world *world, uint32_t backend)
{
    const enum sv_lock_mode mode = backend == 0 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED;
    struct sv_backend *self = world->state.backends[backend];

    for (uint32_t i = 0; i < 2 && world_goes_on(world, backend); i++) {
        if (backend == 2) {
            (void)sv_backend_settle_dead(world->segment);
        }
        if (sv_lwlock_try_acquire(self, SV_LOCK_APP_0, mode) != 0) {
            sv_lwlock_acquire(self, SV_LOCK_APP_0, mode);
        }
        come_in(world, backend, mode);
        (void)world_load(world, FIRST);
        go_out(world, backend, mode);
    }
}

const struct world_kind world_readers = {
    .name = "readers",
    .about = "one lock: one that tries it exclusive, then waits, two that share it, one looks for "
             "the dead",
    .config = {.backends_max = 3, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .prepare = prepare_readers,
    .run = run_readers,
};

/* ---- latch: one waits for the work of two ---------------------------------------------------- */

enum { WORK = 0, WORK_EACH = 2 };

static void run_latch(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[0];

    if (backend > 0) {
        for (uint32_t i = 1; i <= WORK_EACH; i++) {
            world_store(world, WORK + 2 * backend, i);
            sv_latch_set(world->segment, world_slot(world, 0));
        }
        return;
    }
    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        sv_latch_reset(self);
        if (world_load(world, WORK + 2) + world_load(world, WORK + 4) == 2 * WORK_EACH) {
            return;
        }
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend 0 cannot wait");
        }
        if (!wait.is_set) {
            machine_fail(ORACLE_O4, "backend 0 waits for its latch without end, and is told that "
                                    "it is over");
        }
    }
}

const struct world_kind world_latch = {
    .name = "latch",
    .about = "one latch: one waits for it, two set it after each of two pieces of work",
    .config = {.backends_max = 3, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .immortal = true, /* who waits for ever for the work of the dead is right to do so */
    .run = run_latch,
};
