/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The machine writes down what each step was (runtime_note), so two executions are compared step by
 * step, whatever made them differ: a strategy that asks something outside, traced code that
 * remembers an execution before, memory that is not set back.
 */
#include "faults/explore/again.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults/explore/runtime.h"

#define PLACE_BYTES 96

static uint64_t written_down(uint64_t steps)
{
    return steps < RUNTIME_EVENTS ? steps : RUNTIME_EVENTS;
}

int again(struct world *world, const struct word *word, struct recorder *recorder,
          struct machine_result *result)
{
    const struct machine_faults script = {.script = word->deviations, .script_count = word->count};
    const struct strategy_kind *kind = word->seeded ? word->recipe.kind : &strategy_replay;
    struct strategy_parameters parameters = word->recipe.parameters;
    struct strategy strategy;

    if (!word->seeded) {
        parameters = (struct strategy_parameters){.deviations = word->deviations,
                                                  .deviation_count = word->count};
    }
    parameters.agents = word->world->backends * (word->seeded ? 1 : 3);
    parameters.objects = (uint32_t)(world->segment_bytes / RUNTIME_GRANULE + 1);
    parameters.steps_limit = WORLD_STEPS_MAX;
    const int opened = strategy_open(&strategy, kind, &parameters);
    if (opened != 0) {
        return opened;
    }
    (void)kind->begin(&strategy, word->seeded ? word->recipe.number : 0);
    memcpy(world->limits, word->limits, sizeof(world->limits));
    world_execute(world, &strategy, word->seeded ? &word->faults : &script, recorder, result);
    memset(world->limits, 0, sizeof(world->limits));
    strategy_close(&strategy);
    return 0;
}

int again_keep(struct again_log *log, const struct machine_result *result)
{
    const uint64_t count = written_down(result->steps);

    if (count > log->capacity) {
        struct machine_event *events = realloc(log->events, count * sizeof(*events));
        if (events == NULL) {
            return -ENOMEM;
        }
        log->events = events;
        log->capacity = count;
    }
    for (uint64_t i = 0; i < count; i++) {
        log->events[i] = machine_event(i);
    }
    log->steps = result->steps;
    return 0;
}

void again_free(struct again_log *log)
{
    free(log->events);
}

static bool is_same(const struct machine_event *a, const struct machine_event *b)
{
    return a->agent == b->agent && a->kind == b->kind && a->bytes == b->bytes &&
           a->offset == b->offset;
}

static const char *describe(const struct world *world, const struct machine_event *event,
                            char *text, size_t size)
{
    const uint32_t backends = world->kind->backends;
    char place[PLACE_BYTES];

    if (event->agent >= backends) {
        (void)snprintf(text, size, "%s backend %u",
                       event->agent < 2 * backends ? "the death of" : "a signal to",
                       event->agent % backends);
    } else if (event->kind == EXPLORE_NONE || event->kind == EXPLORE_ALL) {
        (void)snprintf(text, size, "backend %u goes on", event->agent);
    } else {
        (void)snprintf(text, size, "backend %u %s %s", event->agent, world_step_name(event->kind),
                       world_where(world, event->offset, place, sizeof(place)));
    }
    return text;
}

bool again_same(const struct again_log *log, const struct machine_result *result,
                const struct world *world, char *text, size_t size)
{
    const uint64_t count = written_down(log->steps < result->steps ? log->steps : result->steps);
    char first[PLACE_BYTES + 32];
    char second[PLACE_BYTES + 32];

    for (uint64_t i = 0; i < count; i++) {
        const struct machine_event now = machine_event(i);
        if (!is_same(&log->events[i], &now)) {
            (void)snprintf(text, size, "step %" PRIu64 " is %s, and then %s", i,
                           describe(world, &log->events[i], first, sizeof(first)),
                           describe(world, &now, second, sizeof(second)));
            return false;
        }
    }
    if (log->steps != result->steps) {
        (void)snprintf(text, size, "step %" PRIu64 " is the last, and then it goes on to %" PRIu64,
                       log->steps < result->steps ? log->steps : result->steps,
                       log->steps < result->steps ? result->steps : log->steps);
        return false;
    }
    return true;
}
