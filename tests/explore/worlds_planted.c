/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds in which something is wrong, each in one way, in place of those of worlds.c: what the
 * explorer makes of them is tested in tests/explore_cli.c.
 */
#include "base/os.h"
#include "faults/explore/guards.h"
#include "faults/explore/state.h"
#include "faults/explore/worlds.h"
#include "shm/segment.h"
#include "sinval/latch.h"
#include "sync/lwlock.h"

#define PLANTED_CONFIG                                    \
    {                                                     \
        .backends_max = 4, .capacity = 4, .intent_max = 1 \
    }

/* ---- remembers: a step depends on how many executions there were ----------------------------- */

static void run_remembers(struct world *world, uint32_t backend)
{
    static uint32_t executions;

    executions += backend == 0;
    for (uint32_t i = 0; i < 5; i++) {
        (void)world_load(world, i == 3 && backend == 0 ? executions % 2 : 0);
    }
}

static const struct world_kind world_remembers = {
    .name = "remembers",
    .about = "the fourth step of backend 0 is another in every other execution",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_remembers,
};

/* ---- what is right again at the end ---------------------------------------------------------- */

static void write_number(struct sv_atomic64 *word, uint64_t value)
{
    machine_step(EXPLORE_WRITE, word, sizeof(*word));
    sv_store_seq64(word, value);
    explore_changed();
}

/* For a moment everybody has lost a message that was not read. */
static void run_too_high(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];
    struct sv_atomic64 *min = &world->segment->queue->min_number;

    world_insert(world, backend, 1);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const uint64_t value = sv_load_seq64(min);
    write_number(min, value + 1);
    write_number(min, value);
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
}

static const struct world_kind world_too_high = {
    .name = "too-high",
    .about = "min_number is too high for one step",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_too_high,
};

/* Nobody else writes it, so nothing comes of it. */
static void run_unlocked(struct world *world, uint32_t backend)
{
    struct sv_atomic64 *published = &world->segment->queue->published;

    if (backend == 0) {
        write_number(published, sv_load_seq64(published) + 1);
    } else {
        (void)world_read(world, backend, 1);
    }
}

static const struct world_kind world_unlocked = {
    .name = "unlocked",
    .about = "one backend writes published without the lock",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_unlocked,
};

/* ---- what only one death shows --------------------------------------------------------------- */

enum { MARK = 0, OTHER = 2, LOOKS = 15 };

/* LOOKS accesses each; for one of them, something is left unfinished. */
static void run_unfinished(struct world *world, uint32_t backend)
{
    for (uint32_t i = 0; i < LOOKS; i++) {
        if (backend == 0 && (i == 7 || i == 8)) {
            world_store(world, MARK, i == 7);
        } else {
            (void)world_load(world, OTHER);
        }
    }
}

static void judge_unfinished(struct world *world)
{
    if (world_load(world, MARK) != 0) {
        machine_fail(ORACLE_O6, "what backend 0 had begun is left unfinished");
    }
}

static const struct world_kind world_unfinished = {
    .name = "unfinished",
    .about = "backend 0 leaves something unfinished if it dies before its ninth access",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_unfinished,
    .judge = judge_unfinished,
};

static const struct world_kind world_finished = {
    .name = "finished",
    .about = "the same, and it does not matter",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_unfinished,
};

/* ---- crowd: much happens, and little of it matters ------------------------------------------- */

enum { VERSION = 0, VALUE = 2, ELSEWHERE = 4, ROUNDS = 12, WANTED = 2 };

/* A version is told before its value, by backend 1; backend 3 minds from the second on. */
static void run_crowd(struct world *world, uint32_t backend)
{
    for (uint32_t i = 1; i <= ROUNDS && world_goes_on(world, backend); i++) {
        if (backend == 1) {
            world_store(world, VERSION, i);
            world_store(world, VALUE, i);
        } else if (backend == 3) {
            const uint32_t version = world_load(world, VERSION);
            const uint32_t value = world_load(world, VALUE);
            if (version >= WANTED && value < version) {
                machine_fail(ORACLE_O1, "backend 3 is told of version %u, and reads version %u",
                             version, value);
            }
        } else {
            world_store(world, ELSEWHERE + 2 * backend, i);
        }
    }
}

static const struct world_kind world_crowd = {
    .name = "crowd",
    .about = "four backends do much; two of them, in two rounds and one, make a stale read",
    .config = PLANTED_CONFIG,
    .backends = 4,
    .run = run_crowd,
};

/* ---- a pointer to private memory, left for others -------------------------------------------- */

/* Backend 0 says that it is there; backend 1 uses its handle, which is backend 0's own. */
static void run_pointer(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        world_store(world, MARK, 1);
        (void)world_load(world, OTHER);
    } else if (world_load(world, MARK) == 1) {
        sv_latch_reset(world->state.backends[0]);
    }
}

static const struct world_kind world_pointer = {
    .name = "pointer",
    .about = "backend 1 follows a pointer into the private memory of backend 0",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_pointer,
};

/* ---- wake-ups that are lost, though the sleeper looks again after a while ------------------ */

static void sleep_until_told(struct world *world)
{
    struct sv_backend *self = world->state.backends[0];

    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = 200};
        sv_latch_reset(self);
        if (world_load(world, MARK) != 0) {
            return;
        }
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend 0 cannot wait");
        }
    }
}

static void run_mute(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sleep_until_told(world);
    } else {
        struct sv_atomic32 *latch = &world->segment->slots[world_slot(world, 0)].latch;
        world_store(world, MARK, 1);
        machine_step(EXPLORE_WRITE, latch, sizeof(*latch));
        sv_store_seq32(latch, 1);
    }
}

static const struct world_kind world_mute = {
    .name = "mute",
    .about = "a latch is set, and nobody wakes who sleeps on it",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_mute,
};

static void run_deaf(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sleep_until_told(world);
    } else {
        world_store(world, MARK, 1);
    }
}

static const struct world_kind world_deaf = {
    .name = "deaf",
    .about = "what somebody waits for happens, and it is not told",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_deaf,
};

static const struct world_kind world_patient = {
    .name = "patient",
    .about = "the same, where one may sleep for a while",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .idle = true,
    .run = run_deaf,
};

/* ---- words that have names of their own ------------------------------------------------------ */

/* Each takes a lock, inserts and reads; backend 0 says so at its end. */
static void run_words(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    world_insert(world, backend, 1);
    (void)world_read(world, backend, 4);
    if (backend == 0) {
        machine_fail(ORACLE_O7, "the end of the story");
    }
}

static const struct world_kind world_words = {
    .name = "words",
    .about = "two take a lock, insert and read; what they did is told at the end",
    .config = {.backends_max = 2, .capacity = 4, .wraparound = 8, .intent_max = 1},
    .backends = 2,
    .base = 7,
    .run = run_words,
};

enum { PIECES = 4, NAP = 8 };

/* Backend 0 writes something in pieces; backend 1 reads it so, after a nap that may end early. */
static void run_pieces(struct world *world, uint32_t backend)
{
    uint32_t sum = 0;

    if (backend == 1 && sv_os_wait(world_word(world, NAP), 0, 1000000)) {
        return; /* as usual */
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        if (backend == 0) {
            world_store(world, i, 1);
        } else {
            sum += world_load(world, i);
        }
    }
    if (sum == PIECES) {
        machine_fail(ORACLE_O7, "the end of the story");
    }
}

static const struct world_kind world_pieces = {
    .name = "pieces",
    .about = "one sleeps not for as long as it would, and reads what another has written",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .idle = true,
    .run = run_pieces,
};

/* ---- what only a search can go wrong about --------------------------------------------------- */

/* MARK is 1 for a moment, late. */
static void mark_for_a_moment(struct world *world)
{
    for (uint32_t i = 0; i < 2 * LOOKS; i++) {
        (void)world_load(world, OTHER);
    }
    world_store(world, MARK, 1);
    world_store(world, MARK, 0);
}

/* That it saw it, backend 0 keeps to itself, while everything else becomes as if it had not. */
static void run_keeps(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        mark_for_a_moment(world);
        return;
    }
    const uint32_t seen = world_load(world, MARK);
    for (uint32_t i = 0; i < LOOKS; i++) {
        (void)world_load(world, MARK);
    }
    if (world_load(world, MARK) == 0 && seen != 0) {
        machine_fail(ORACLE_O7, "the end of the story");
    }
}

static const struct world_kind world_keeps = {
    .name = "keeps",
    .about = "one sees a word change for a moment, and says so at its end",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_keeps,
};

/* ---- what a state is, looked at from outside ------------------------------------------------- */

static uint64_t state_of_all(struct process *changed)
{
    changed->placed = false;
    return state_hash(NULL);
}

/* Is the state another while that byte of a backend is, and then the same again? */
static void expect_to_count(struct process *process, uint8_t *byte, const char *what)
{
    const uint64_t before = state_of_all(process);

    *byte ^= 1;
    const uint64_t other = state_of_all(process);
    *byte ^= 1;
    if (other == before || state_of_all(process) != before) {
        machine_fail(ORACLE_O6, "of a state, %s does not count", what);
    }
}

/* A lock that one holds is taken by another. */
static void expect_guard(const void *lock, bool shared, bool breaks)
{
    const uint64_t before = machine.broken;

    explore_guard_take(lock, shared);
    explore_guard_leave(lock, shared);
    if ((machine.broken != before) != breaks) {
        machine_fail(ORACLE_O6, "a lock that two hold is %s", breaks ? "not broken" : "broken");
    }
}

/* Each part of one that stands in the middle of its work, with one lock alone and one shared. */
static void expect_parts(struct process *process, const uint8_t locks[2])
{
    const struct arena *arena = &process->arena;
    uint8_t *mapping = process->fiber.mapping;

    expect_to_count(process, arena->bytes + arena->head->used - 1, "private memory");
    for (uint32_t i = 0; i < FIBER_REGISTERS; i++) {
        expect_to_count(process, (uint8_t *)&process->registers[i], "a register");
    }
    expect_to_count(process, mapping + (process->stack - mapping), "the stack");
    expect_to_count(process, (uint8_t *)&process->guards.alone, "who holds a lock");
    expect_guard(&locks[1], true, false);
    expect_guard(&locks[1], false, true);
    expect_guard(&locks[0], true, true);
}

/* Backend 1 stands in the middle of its work, and backend 0 looks at it. */
static void run_stands(struct world *world, uint32_t backend)
{
    static const uint8_t locks[2];
    uint64_t *stands = &world->state.notes[0];

    if (backend == 1) {
        (void)arena_allocate(machine_arena(), 1);
        explore_guard_take(&locks[0], false);
        explore_guard_take(&locks[1], true);
        *stands = 1;
        (void)world_load(world, MARK);
        *stands = 0;
        explore_guard_leave(&locks[0], false);
        explore_guard_leave(&locks[1], true);
        return;
    }
    (void)world_load(world, MARK);
    if (*stands == 0) {
        return;
    }
    if (machine_searches()) { /* a repetition knows nothing of states */
        expect_parts(&machine.processes[1], locks);
    }
    machine_fail(ORACLE_O7, "all of a state counts");
}

static const struct world_kind world_stands = {
    .name = "stands",
    .about = "one stands in the middle of its work, another asks what is part of the state",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_stands,
};

/* Who saw it looks for it again, without end and without a sleep. */
static void run_rounds(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        mark_for_a_moment(world);
    } else if (world_load(world, MARK) != 0) {
        while (world_load(world, MARK) != 2) {
        }
    }
}

static const struct world_kind world_rounds = {
    .name = "rounds",
    .about = "one sees a word change for a moment, and looks for what never comes",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_rounds,
};

const struct world_kind *const world_kinds[] = {
    &world_keeps,
    &world_stands,
    &world_rounds,
    &world_pieces,
    &world_words,
    &world_mute,
    &world_deaf,
    &world_patient,
    &world_pointer,
    &world_crowd,
    &world_unfinished,
    &world_finished,
    &world_remembers,
    &world_too_high,
    &world_unlocked,
    &world_planted_deadlock,
    &world_planted_stale_read,
    NULL, /* in a line of its own, each */
};
