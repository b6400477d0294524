/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of which it matters what is left when all is over (faults/explore/ends.h): what the
 * explorer makes of them is tested in tests/explore_ends_cli.c.
 */
#include "faults/explore/state.h"
#include "faults/explore/worlds.h"

#define ENDS_CONFIG                                       \
    {                                                     \
        .backends_max = 4, .capacity = 4, .intent_max = 1 \
    }

enum { WORD, ROUNDS = 8 };

/* ---- what counts ----------------------------------------------------------------------------- */

/* Is what is left something else while that byte is, and then the same again? */
static void expect_left(void *place, const char *what)
{
    uint8_t *byte = place;
    const uint64_t before = state_left();

    *byte ^= 1;
    const uint64_t other = state_left();
    *byte ^= 1;
    if (other == before || state_left() != before) {
        machine_fail(ORACLE_O6, "of what is left, %s does not count", what);
    }
}

static void expect_end(struct world *world)
{
    const uint64_t before = state_end();

    world->state.notes[WORLD_NOTES_MAX - 1] ^= 1;
    const uint64_t other = state_end();
    world->state.notes[WORLD_NOTES_MAX - 1] ^= 1;
    if (other == before) {
        machine_fail(ORACLE_O6, "of an end, what is beside the segment does not count");
    }
    machine.now_ns ^= 1;
    const uint64_t later = state_end();
    machine.now_ns ^= 1;
    if (later == before) {
        machine_fail(ORACLE_O6, "of an end, the time does not count");
    }
    runtime.order.sum ^= 1;
    const uint64_t another = state_end();
    runtime.order.sum ^= 1;
    if (another == before || state_end() != before) {
        machine_fail(ORACLE_O6, "of an end, its order does not count");
    }
}

static void run_allocates(struct world *world, uint32_t backend)
{
    (void)backend;
    (void)arena_allocate(machine_arena(), 1);
    (void)world_load(world, WORD);
}

static void judge_left(struct world *world)
{
    struct arena *mapping = &machine.processes[MACHINE_NOBODY].arena;

    for (uint32_t i = 0; i < world->kind->backends; i++) {
        struct process *process = &machine.processes[i];
        expect_left(process->arena.bytes + process->arena.head->used - 1, "private memory");
        expect_left(process->locals, "a thread-local");
        expect_left(&process->state, "who is dead"); /* OVER ^ 1 */
    }
    expect_left(mapping->bytes + mapping->head->used - 1, "the mapping");
    expect_left(world_word(world, WORD), "the segment");
    expect_left(&world->state.notes[WORLD_NOTES_MAX - 1], "what is beside the segment");
    expect_left(&machine.now_ns, "the time");
    expect_end(world);
    machine_fail(ORACLE_O7, "all that is left counts");
}

static const struct world_kind world_left = {
    .name = "left",
    .about = "two allocate something and look at a word; then each part of what is left is changed",
    .config = ENDS_CONFIG,
    .backends = 2,
    .run = run_allocates,
    .judge = judge_left,
};

/* ---- what no step says ----------------------------------------------------------------------- */

/* Steps of two that have nothing to do with each other are of one order. */
static void run_beside(struct world *world, uint32_t backend)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        (void)world_load(world, WORD);
    }
    if (world->state.notes[0] == 0) {
        world->state.notes[0] = backend + 1;
    }
}

static void judge_beside(struct world *world)
{
    if (world->state.notes[0] == 2) {
        machine_fail(ORACLE_O7, "backend 1 is first");
    }
}

static const struct world_kind world_beside = {
    .name = "beside",
    .about = "backend 1 must not be first, and who is, is known beside the segment only",
    .config = ENDS_CONFIG,
    .backends = 2,
    .run = run_beside,
    .judge = judge_beside,
};

static uint64_t *blocks[MACHINE_BACKENDS_MAX]; /* each one's own */

static void prepare_block(struct world *world, uint32_t backend)
{
    (void)world;
    blocks[backend] = arena_allocate(machine_arena(), sizeof(*blocks[backend]));
    *blocks[backend] = 0;
}

/* Many orders. */
static void run_races(struct world *world, uint32_t backend)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        world_store(world, WORD, backend);
    }
}

static void run_hides(struct world *world, uint32_t backend)
{
    static uint64_t executions;

    run_races(world, backend);
    *blocks[backend] = executions++;
}

static const struct world_kind world_hides = {
    .name = "hides",
    .about = "what each has at its end depends on how many executions there were",
    .config = ENDS_CONFIG,
    .backends = 2,
    .prepare = prepare_block,
    .run = run_hides,
};

/* A comparison that may fail for no reason, of a word that nobody changes. */
static void run_draws(struct world *world, uint32_t backend)
{
    run_races(world, backend);
    *blocks[backend] = machine_fails_weakly(world_word(world, WORD));
}

static const struct world_kind world_draws = {
    .name = "draws",
    .about = "what each has at its end is drawn",
    .config = ENDS_CONFIG,
    .backends = 2,
    .prepare = prepare_block,
    .run = run_draws,
};

static void judge_draws(struct world *world)
{
    (void)world;
    if (*blocks[0] + *blocks[1] > 0) {
        machine_fail(ORACLE_O7, "it was drawn");
    }
}

static void run_draws_alone(struct world *world, uint32_t backend)
{
    *blocks[backend] = machine_fails_weakly(world_word(world, WORD));
}

static const struct world_kind world_drawn = {
    .name = "drawn",
    .about = "nobody must draw it, and there is one order of steps",
    .config = ENDS_CONFIG,
    .backends = 2,
    .prepare = prepare_block,
    .run = run_draws_alone,
    .judge = judge_draws,
};

/* ---- what was wrong is wrong again ------------------------------------------------------------ */

static void judge_wrong(struct world *world)
{
    (void)world;
    machine_fail(ORACLE_O7, "this is wrong, always");
}

static const struct world_kind world_again = {
    .name = "again",
    .about = "two look at a word, in one order, and it is wrong",
    .config = ENDS_CONFIG,
    .backends = 2,
    .run = run_allocates,
    .judge = judge_wrong,
};

const struct world_kind *const world_kinds[] = {
    &world_left, &world_beside, &world_hides, &world_draws, &world_drawn, &world_again, NULL,
};
