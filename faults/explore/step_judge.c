/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Only what a write can have broken is looked at, so this costs a few loads. It is compiled as the
 * explorer is: its loads are no steps.
 */
#include "faults/explore/step_judge.h"

#include <stdlib.h>

#include "faults/explore/runtime.h"
#include "shm/segment.h"

#define TEXT_MAX 64

struct step {
    const struct world *world;
    const struct sv_segment *segment;
    const struct machine_change *change;
    uint64_t min;
    uint64_t max;
};

static void mark(const struct world *world, uint8_t *words, const void *word)
{
    const uint8_t *base = world->segment->base;

    words[((const uint8_t *)word - base) / RUNTIME_GRANULE] = 1;
}

uint8_t *step_judge_words(const struct world *world)
{
    const struct sv_segment *segment = world->segment;
    uint8_t *words = calloc(segment->size_bytes / RUNTIME_GRANULE + 1, 1);

    if (words == NULL) {
        return NULL;
    }
    mark(world, words, &segment->queue->published);
    mark(world, words, &segment->queue->max_number);
    mark(world, words, &segment->queue->min_number);
    mark(world, words, &segment->queue->next_threshold);
    mark(world, words, &segment->queue->epoch);
    mark(world, words, &segment->locks[SV_LOCK_READ].exclusive);
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        mark(world, words, &segment->slots[i].position);
        mark(world, words, &segment->slots[i].in_queue);
        mark(world, words, &segment->slots[i].reset);
    }
    return words;
}

static uint32_t offset_of(const struct step *step, const void *word)
{
    return (uint32_t)((const uint8_t *)word - (const uint8_t *)step->segment->base);
}

static bool is_change_of(const struct step *step, const void *word)
{
    return offset_of(step, word) == step->change->offset;
}

static uint32_t holder_of(const struct sv_slot *slot)
{
    return *(const uint32_t *)(const void *)&slot->life;
}

/* Who writes holds it exclusively, or repairs in the name of a dead one. */
static bool is_held(const struct step *step, enum sv_lock lock)
{
    const uint32_t word = sv_load_relaxed32(&step->segment->locks[lock].exclusive);
    const uint32_t owner = (word & SV_LOCK_OWNER_MASK) - 1;

    if (word == 0 || owner >= step->segment->config.backends_max) {
        return false;
    }
    const uint32_t holder = holder_of(&step->segment->slots[owner]);
    return holder == 0 || holder == machine_id(step->change->backend);
}

static _Noreturn void broken(const struct step *step, const char *what)
{
    const struct sv_queue *queue = step->segment->queue;
    const uint32_t min_offset = offset_of(step, &queue->min_number);
    char place[TEXT_MAX];
    char min[TEXT_MAX];
    char max[TEXT_MAX];

    machine_fail(ORACLE_O3,
                 "%s: after backend %u's write to %s; epoch is %u, min_number %s, max_number %s",
                 what, step->change->backend,
                 world_where(step->world, step->change->offset, place, sizeof(place)),
                 sv_load_relaxed32(&queue->epoch),
                 world_value(step->world, min_offset, step->min, min, sizeof(min)),
                 world_value(step->world, min_offset, step->max, max, sizeof(max)));
}

static void judge_locks(const struct step *step, bool of_readers, const char *name)
{
    if (!is_held(step, SV_LOCK_WRITE)) {
        machine_fail(ORACLE_O3, "J1: backend %u writes %s, and does not hold lock write",
                     step->change->backend, name);
    }
    if (of_readers && !is_held(step, SV_LOCK_READ)) {
        machine_fail(ORACLE_O3, "J1: backend %u writes %s, and does not hold lock read",
                     step->change->backend, name);
    }
}

/* Numbers are of two epochs: somebody lowers them. */
static void judge_lowering(const struct step *step)
{
    if (!is_held(step, SV_LOCK_WRITE) || !is_held(step, SV_LOCK_READ)) {
        broken(step,
               "J3, Q2: numbers are of two epochs, and locks write and read are not both held");
    }
}

/* While the numbers are lowered they are of two epochs. */
static bool is_lowering(const struct step *step)
{
    const uint32_t epoch = sv_load_relaxed32(&step->segment->queue->epoch);

    return SV_POSITION_EPOCH(step->min) != epoch || SV_POSITION_EPOCH(step->max) != epoch;
}

static void judge_slot(const struct step *step, const struct sv_slot *slot)
{
    const uint64_t position = sv_load_relaxed64(&slot->position);
    const bool reset = sv_load_relaxed32(&slot->reset) != SV_RESET_NONE;

    if (sv_load_relaxed32(&slot->in_queue) == 0 || sv_load_relaxed32(&slot->send_only) != 0) {
        return;
    }
    if (SV_POSITION_EPOCH(position) != SV_POSITION_EPOCH(step->max)) {
        judge_lowering(step);
    } else if (!reset && !is_lowering(step) && (position < step->min || position > step->max)) {
        broken(step, "J3, Q3: a slot's position is outside the queue");
    }
}

static void judge_slots(const struct step *step)
{
    for (uint32_t i = 0; i < step->segment->config.backends_max; i++) {
        judge_slot(step, &step->segment->slots[i]);
    }
}

static void judge_ends(const struct step *step)
{
    if (is_lowering(step)) {
        judge_lowering(step);
    } else if (step->max - step->min > step->segment->config.capacity) {
        broken(step, "J3, Q1: max_number is not within capacity of min_number");
    }
}

static void judge_numbers(const struct step *step)
{
    judge_ends(step);
    judge_slots(step);
}

/* Returns: true: it was a word of the queue's own. */
static bool judge_queue(const struct step *step)
{
    const struct sv_queue *queue = step->segment->queue;
    const struct sv_config *config = &step->segment->config;

    if (is_change_of(step, &queue->published)) {
        judge_locks(step, false, "published");
        if (sv_load_relaxed64(&queue->published) < step->change->before) {
            broken(step, "J2: published has gone back");
        }
    } else if (is_change_of(step, &queue->max_number)) {
        judge_locks(step, false, "max_number");
        if (step->max < step->change->before) {
            broken(step, "J2: max_number has gone back");
        }
        judge_ends(step); /* no slot is beyond what has grown, or all are to be lowered */
    } else if (is_change_of(step, &queue->min_number)) {
        judge_locks(step, true, "min_number");
        if (step->min < step->change->before) {
            broken(step, "J2: min_number has gone back");
        }
        judge_numbers(step);
    } else if (is_change_of(step, &queue->epoch)) {
        judge_locks(step, true, "epoch");
    } else if (is_change_of(step, &queue->next_threshold)) {
        const uint32_t threshold = sv_load_relaxed32(&queue->next_threshold);
        judge_locks(step, false, "next_threshold");
        if (threshold < 1 || threshold > config->capacity + config->cleanup_quantum) {
            broken(step, "J4, Q4: the threshold is out of range");
        }
    } else if (is_change_of(step, &step->segment->locks[SV_LOCK_READ].exclusive)) {
        judge_numbers(step); /* it may be free now */
    } else {
        return false;
    }
    return true;
}

void step_judge(void *argument, const struct machine_change *change)
{
    const struct world *world = argument;
    const struct sv_segment *segment = world->segment;
    const struct step step = {
        .world = world,
        .segment = segment,
        .change = change,
        .min = sv_load_relaxed64(&segment->queue->min_number),
        .max = sv_load_relaxed64(&segment->queue->max_number),
    };

    if (!judge_queue(&step)) {
        const uint32_t slots =
            (uint32_t)((const uint8_t *)segment->slots - (const uint8_t *)segment->base);
        judge_slot(&step, &segment->slots[(change->offset - slots) / sizeof(struct sv_slot)]);
    }
}
