/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A world in which less happens must still make sense: who waits for the work of somebody who is
 * not there fails with no bug. So a reduction counts only if the default schedule passes in it;
 * unless it fails in the whole world as well. Then nothing tells who waits in vain from who waits
 * for nobody, so a world in which somebody does not go on is left as it is.
 *
 * Each kind of less is tried alone, the most at once first: no signals lost, a death less, a
 * backend less, half of a backend's operations, one of them less; until none of them fails any
 * more.
 */
#include "faults/explore/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "faults/explore/again.h"
#include "faults/explore/runtime.h"
#include "faults/random.h"

struct reducing {
    struct reduce how; /* deaths and signals are what is left of them */
    struct word *word; /* the best: it fails */
    struct word *trial;
    bool always; /* it fails with no deviation at all */
};

static bool is_found(const struct reducing *self, const struct machine_result *result,
                     const struct recorder *recorder)
{
    return result->end == MACHINE_FAILED && !recorder->overflowed &&
           machine_finding()->oracle == self->how.oracle;
}

/* What trial says, by deviations. Returns: does it fail in the same way? Then it is trial. */
static bool fails_as_it_is(struct reducing *self)
{
    static struct deviation list[WORD_DEVIATIONS_MAX];
    struct machine_result result;
    struct recorder recorder;

    recorder_begin(&recorder, list, WORD_DEVIATIONS_MAX);
    if (again(self->how.world, self->trial, &recorder, &result) != 0 ||
        !is_found(self, &result, &recorder)) {
        return false;
    }
    memcpy(self->trial->deviations, list, recorder.count * sizeof(list[0]));
    self->trial->count = recorder.count;
    return true;
}

/* Does it pass where nothing is done to it, if it did in the whole world? */
static bool makes_sense(struct reducing *self)
{
    struct machine_result result;
    if (self->always) {
        return self->how.oracle != ORACLE_O4;
    }
    const uint32_t count = self->trial->count;

    self->trial->count = 0;
    const int error = again(self->how.world, self->trial, NULL, &result);
    self->trial->count = count;
    return error == 0 && result.end == MACHINE_FINISHED;
}

/* At any moment of those that the execution before this one had. */
static void draw_faults(const struct reducing *self, uint64_t number, uint64_t steps,
                        struct machine_faults *faults)
{
    struct random random = random_branch(random_hash(self->how.seed, number), 1, RANDOM_FAULT);

    faults->signals = self->how.signals && random_below(&random, 2) == 0;
    faults->deaths = self->how.deaths;
    for (uint32_t i = 0; i < faults->deaths; i++) {
        struct machine_death *death = &faults->death[i];
        death->victim = random_below(&random, self->how.world->kind->backends);
        death->of_all = true;
        death->at = 1 + random_scale(random_next(&random), steps + 1);
    }
}

/* Look for a failure where trial says. Returns: true: there is one, and trial is it. */
static bool search(struct reducing *self, struct strategy *strategy)
{
    struct world *world = self->how.world;
    struct machine_result result = {.steps = WORLD_STEPS_LIMIT / 16};
    struct recorder recorder = {0};
    bool found = false;

    memcpy(world->limits, self->trial->limits, sizeof(world->limits));
    for (uint64_t number = 0; !found && number < self->how.trials_each; number++) {
        struct machine_faults faults = {0};
        draw_faults(self, number, result.steps, &faults);
        recorder_begin(&recorder, self->trial->deviations, WORD_DEVIATIONS_MAX);
        (void)strategy->kind->begin(strategy, number);
        world_execute(world, strategy, &faults, &recorder, &result);
        strategy->kind->end(strategy, &(struct explore_outcome){.steps = result.steps});
        found = is_found(self, &result, &recorder);
    }
    self->trial->count = recorder.count;
    memset(world->limits, 0, sizeof(world->limits));
    return found;
}

static bool is_found_anew(struct reducing *self)
{
    const struct world *world = self->how.world;
    struct strategy strategy;
    const struct strategy_parameters parameters = {
        .agents = world->kind->backends,
        .objects = (uint32_t)(world->segment_bytes / RUNTIME_GRANULE + 1),
        .steps_limit = WORLD_STEPS_MAX,
        .seed = self->how.seed,
    };

    if (strategy_open(&strategy, &strategy_portfolio, &parameters) != 0) {
        return false;
    }
    const bool found = search(self, &strategy);
    strategy_close(&strategy);
    return found;
}

/* Deaths in a list. */
static uint32_t count_deaths(const struct word *word)
{
    const uint32_t backends = word->world->backends;
    uint32_t count = 0;

    for (uint32_t i = 0; i < word->count; i++) {
        const struct deviation *deviation = &word->deviations[i];
        count += deviation->kind == DEVIATION_PICK && deviation->target >= backends &&
                 deviation->target < 2 * backends;
    }
    return count;
}

/* Is there a failure as trial says? Then it is the best. */
static bool take(struct reducing *self)
{
    if (!makes_sense(self) ||
        !((count_deaths(self->trial) <= self->how.deaths && fails_as_it_is(self)) ||
          is_found_anew(self))) {
        return false;
    }
    *self->word = *self->trial;
    return true;
}

/* With at most so many operations of that backend. */
static bool take_limit(struct reducing *self, uint32_t backend, uint32_t operations)
{
    *self->trial = *self->word;
    self->trial->limits[backend] = operations + 1;
    return take(self);
}

static void reduce_faults(struct reducing *self)
{
    const struct reduce was = self->how;

    if (was.signals) {
        *self->trial = *self->word;
        self->how.signals = false;
        self->how.signals = !take(self);
    }
    for (bool taken = true; taken && self->how.deaths > 0;) {
        *self->trial = *self->word;
        self->how.deaths--;
        taken = take(self);
        self->how.deaths += !taken;
    }
}

/* What each backend does at most. Returns: true: less than before. */
static bool reduce_operations(struct reducing *self, uint32_t *operations)
{
    bool changed = false;

    for (uint32_t i = self->how.world->kind->backends; i-- > 0;) {
        const uint32_t before = operations[i];
        if (before > 0 && take_limit(self, i, 0)) {
            operations[i] = 0;
        }
        while (operations[i] > 3 && take_limit(self, i, operations[i] / 2)) {
            operations[i] /= 2;
        }
        while (operations[i] > 1 && take_limit(self, i, operations[i] - 1)) {
            operations[i]--;
        }
        changed |= operations[i] < before;
    }
    return changed;
}

/*
 * What each backend has begun in the failure is all it need do; of those in worlds that do not
 * count, one.
 */
static void count_operations(struct reducing *self, uint32_t *operations)
{
    const uint32_t backends = self->how.world->kind->backends;
    const uint32_t *begun = self->how.world->state.operations;

    *self->trial = *self->word;
    (void)fails_as_it_is(self);
    for (uint32_t i = 0; i < backends; i++) {
        operations[i] = begun[i] > 0 ? begun[i] : 1;
        self->trial->limits[i] = begun[i] > 0 ? begun[i] + 1 : 0;
    }
    (void)take(self);
}

void reduce(const struct reduce *reduce, struct word *word)
{
    struct reducing self = {.how = *reduce, .word = word, .trial = malloc(sizeof(struct word))};
    uint32_t operations[WORLD_BACKENDS_MAX] = {0};

    if (self.trial == NULL) {
        return;
    }
    const uint32_t deaths = count_deaths(word);
    self.how.deaths = deaths > self.how.deaths ? deaths : self.how.deaths;
    *self.trial = *word;
    self.always = !makes_sense(&self);
    reduce_faults(&self);
    count_operations(&self, operations);
    while (reduce_operations(&self, operations)) {
    }
    free(self.trial);
}
