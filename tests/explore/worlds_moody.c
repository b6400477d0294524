/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds that go on for too long, that are otherwise when they are repeated or when less happens in
 * them, and in which something comes from outside, late or twice: what the explorer makes of them
 * is tested in tests/explore_odd_cli.c.
 */
#include <signal.h>

#include "base/os.h"
#include "faults/explore/worlds.h"

#define MOODY_CONFIG                                      \
    {                                                     \
        .backends_max = 4, .capacity = 4, .intent_max = 1 \
    }

enum { MARK = 0, OTHER = 2, LOOKS = 10 };

static void look(struct world *world, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        (void)world_load(world, OTHER);
    }
}

/* MARK is 1 for a moment. */
static void mark(struct world *world)
{
    world_store(world, MARK, 1);
    world_store(world, MARK, 0);
}

/* ---- how long it takes ----------------------------------------------------------------------- */

static void run_short(struct world *world, uint32_t backend)
{
    (void)backend;
    look(world, WORLD_STEPS_LIMIT / 3);
}

static const struct world_kind world_short = {
    .name = "short",
    .about = "two look at a word, together for less long than they may",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_short,
};

static void run_long(struct world *world, uint32_t backend)
{
    (void)backend;
    look(world, WORLD_STEPS_LIMIT * 2 / 3);
}

static const struct world_kind world_long = {
    .name = "long",
    .about = "two look at a word, together for longer than they may; nothing is wrong",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_long,
};

/* ---- what is otherwise when it is repeated --------------------------------------------------- */

static uint32_t executions; /* so far */

static void count_executions(struct world *world)
{
    (void)world;
    executions++;
}

/* All steps are of one kind; one of them takes two: backend 0, and then backend 1. */
static void run_swaps(struct world *world, uint32_t backend)
{
    (void)world;
    if (backend == executions % 2) {
        machine_yield();
    }
}

static const struct world_kind world_swaps = {
    .name = "swaps",
    .about = "one step is backend 0's, and backend 1's in every other execution",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_swaps,
    .judge = count_executions,
};

static void run_grows(struct world *world, uint32_t backend)
{
    look(world, backend == 0 ? LOOKS + executions % 2 : 0);
}

static const struct world_kind world_grows = {
    .name = "grows",
    .about = "backend 0 takes a step more at the end in every other execution",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_grows,
    .judge = count_executions,
};

static void run_changes(struct world *world, uint32_t backend)
{
    (void)backend;
    look(world, LOOKS);
}

static void judge_changes(struct world *world)
{
    count_executions(world);
    if (executions % 2 == 0) {
        machine_fail(ORACLE_O6, "this is no good any more");
    }
}

static const struct world_kind world_changes = {
    .name = "changes",
    .about = "what was right is wrong in every other execution",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_changes,
    .judge = judge_changes,
};

/* ---- another failure where less happens ------------------------------------------------------ */

static void run_disguised(struct world *world, uint32_t backend)
{
    const bool alone = world->limits[2] == 1;

    if (backend == 0) {
        mark(world);
    } else if (backend == 1 && world_load(world, MARK) == 1) {
        machine_fail(alone ? ORACLE_O7 : ORACLE_O1, "backend 1 sees it");
    } else {
        look(world, 1);
    }
}

static const struct world_kind world_disguised = {
    .name = "disguised",
    .about = "without backend 2, the failure is another",
    .config = MOODY_CONFIG,
    .backends = 3,
    .run = run_disguised,
};

/* ---- what comes from outside ----------------------------------------------------------------- */

static void run_last(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        look(world, LOOKS);
        mark(world);
    }
}

static void judge_last(struct world *world)
{
    if (world_load(world, MARK) != 0) {
        machine_fail(ORACLE_O6, "what backend 1 had begun is left unfinished");
    }
}

static const struct world_kind world_last = {
    .name = "last",
    .about = "the last backend leaves something unfinished if it dies before its last access",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_last,
    .judge = judge_last,
};

static struct world *interrupted; /* as there is one machine, there is one world */

static void handle(int signal_number)
{
    (void)signal_number;
    interrupted->state.notes[0]++;
    interrupted->state.notes[1] += world_load(interrupted, MARK);
}

static void prepare_signals(struct world *world, uint32_t backend)
{
    (void)backend;
    interrupted = world;
    machine_handler_set(handle, SIGUSR1);
}

/* Backend 0 sends one signal, to backend 1. */
static void run_signals(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        (void)world_load(world, OTHER);
        machine_signal(1);
        return;
    }
    look(world, LOOKS);
    mark(world);
    look(world, LOOKS);
}

static void judge_twice(struct world *world)
{
    if (world->state.notes[0] > 1) {
        machine_fail(ORACLE_O7, "the signal came twice");
    }
}

static const struct world_kind world_twice = {
    .name = "twice",
    .about = "one signal must come once at most",
    .config = MOODY_CONFIG,
    .backends = 2,
    .prepare = prepare_signals,
    .run = run_signals,
    .judge = judge_twice,
};

static void judge_midway(struct world *world)
{
    if (world->state.notes[1] != 0) {
        machine_fail(ORACLE_O7, "the signal came between two writes");
    }
}

static const struct world_kind world_midway = {
    .name = "midway",
    .about = "one signal must not come between two writes",
    .config = MOODY_CONFIG,
    .backends = 2,
    .prepare = prepare_signals,
    .run = run_signals,
    .judge = judge_midway,
};

static void refuse(int signal_number)
{
    (void)signal_number;
    machine_fail(ORACLE_O7, "the signal came");
}

static void prepare_summons(struct world *world, uint32_t backend)
{
    (void)world;
    (void)backend;
    machine_handler_set(refuse, SIGUSR1);
}

/* Backend 1 sleeps; only a signal comes. */
static void run_summons(struct world *world, uint32_t backend)
{
    struct sv_atomic32 own = {0};

    (void)world;
    if (backend == 0) {
        machine_signal(1);
        return;
    }
    (void)sv_os_wait(&own, 0, UINT64_MAX);
}

static const struct world_kind world_summons = {
    .name = "summons",
    .about = "one sleeps, and a signal comes, which must not",
    .config = MOODY_CONFIG,
    .backends = 2,
    .prepare = prepare_summons,
    .run = run_summons,
};

/* ---- copies ---------------------------------------------------------------------------------- */

void *explore_memcpy(void *to, const void *from, size_t bytes); /* as the core's memcpy is called */

enum { PAIR = 4 }; /* two objects, from that word on */

/* One writes 1 to the first and then to the second object, and another one copies both. */
static void run_copies_out(struct world *world, uint32_t backend)
{
    uint64_t pair[2];

    if (backend == 0) {
        world_store(world, PAIR, 1);
        world_store(world, PAIR + 2, 1);
        return;
    }
    (void)explore_memcpy(pair, world_word(world, PAIR), sizeof(pair));
    if (pair[0] == 0 && pair[1] == 1) {
        machine_fail(ORACLE_O7, "what is copied changes meanwhile");
    }
}

static const struct world_kind world_copies_out = {
    .name = "copies-out",
    .about = "two words are copied, and change in between",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_copies_out,
};

/* One copies 1 to both, and another one looks at the first and then at the second. */
static void run_copies_in(struct world *world, uint32_t backend)
{
    const uint64_t pair[2] = {1, 1};

    if (backend == 0) {
        (void)explore_memcpy(world_word(world, PAIR), pair, sizeof(pair));
    } else if (world_load(world, PAIR) == 1 && world_load(world, PAIR + 2) == 0) {
        machine_fail(ORACLE_O7, "a copy is seen half done");
    }
}

static const struct world_kind world_copies_in = {
    .name = "copies-in",
    .about = "two words are written by a copy, and looked at in between",
    .config = MOODY_CONFIG,
    .backends = 2,
    .run = run_copies_in,
};

const struct world_kind *const world_kinds[] = {
    &world_short,      &world_long,      &world_swaps, &world_grows,  &world_changes,
    &world_disguised,  &world_last,      &world_twice, &world_midway, &world_summons,
    &world_copies_out, &world_copies_in, NULL,
};
