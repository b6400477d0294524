/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue as a model, and nothing of the core: what another checker was given, too.
 *
 * GenMC, which is proven to take one execution of each order, counts 12 of them under sequential
 * consistency with two writers and one reader, 108 with three and one, 100 with two and two. An
 * exhaustive search through the same model must count the same (tests/explore_cli.c).
 *
 * Each writer inserts one message under the lock of writers and sets the flag of each reader. Each
 * reader looks at its flag once; if it is set, it clears it, and reads one message under the lock
 * of readers: if there are more, it sets its flag again.
 */
#include "faults/explore/worlds.h"

enum { MESSAGES = 0, WRITE_LOCK = 2, READ_LOCK = 4, FLAGS = 6 }; /* a word each, and one left out */

static void write_one(struct world *world, uint32_t writers)
{
    struct sv_atomic32 *messages = world_word(world, MESSAGES);

    machine_acquire(world_word(world, WRITE_LOCK));
    machine_step(EXPLORE_UPDATE, messages, sizeof(*messages));
    sv_store_seq32(messages, sv_load_seq32(messages) + 1);
    for (uint32_t reader = 0; reader < world->kind->backends - writers; reader++) {
        world_store(world, FLAGS + 2 * reader, 1);
    }
    machine_release(world_word(world, WRITE_LOCK));
}

static void read_one(struct world *world, uint32_t reader)
{
    const uint32_t flag = FLAGS + 2 * reader;

    if (world_load(world, flag) == 0) {
        return;
    }
    world_store(world, flag, 0);
    machine_acquire(world_word(world, READ_LOCK));
    if (world_load(world, MESSAGES) > 1) {
        world_store(world, flag, 1);
    }
    machine_release(world_word(world, READ_LOCK));
}

static void run_model(struct world *world, uint32_t backend, uint32_t writers)
{
    if (backend < writers) {
        write_one(world, writers);
    } else {
        read_one(world, backend - writers);
    }
}

static void run_two_writers(struct world *world, uint32_t backend)
{
    run_model(world, backend, 2);
}

static void run_three_writers(struct world *world, uint32_t backend)
{
    run_model(world, backend, 3);
}

#define MODEL(backend_count, function)                                                          \
    .config = {.backends_max = 4, .capacity = 4, .intent_max = 1}, .backends = (backend_count), \
    .immortal = true, .reads_itself = true, .late_comers = true, .run = (function)

const struct world_kind world_model_2_1 = {
    .name = "model-2-1",
    .about = "the queue as a model: two writers and one reader",
    MODEL(3, run_two_writers),
};

const struct world_kind world_model_3_1 = {
    .name = "model-3-1",
    .about = "the same: three writers and one reader",
    MODEL(4, run_three_writers),
};

const struct world_kind world_model_2_2 = {
    .name = "model-2-2",
    .about = "the same: two writers and two readers",
    MODEL(4, run_two_writers),
};
