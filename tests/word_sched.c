/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Executions as words, there and back.
 */
#include "faults/explore/word.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(word_sched, .timeout = 60);

static const struct world_kind world = {.name = "many", .backends = 4};

const struct world_kind *world_find(const char *name)
{
    return strcmp(name, world.name) == 0 ? &world : NULL;
}

/* What the text of a word says. */
static const struct word *there_and_back(const struct word *word)
{
    static struct word back;
    static char text[WORD_MAX];
    char message[128] = "";

    memset(&back, 0xff, sizeof(back));
    word_encode(word, text);
    cr_assert_eq(word_decode(text, &back, message, sizeof(message)), 0, "%s: %s", text, message);
    cr_assert_eq(back.world, word->world);
    cr_assert_eq(back.hash, word->hash);
    cr_assert_eq(back.seeded, word->seeded, "%s", text);
    cr_assert_arr_eq(back.limits, word->limits, sizeof(word->limits), "%s", text);
    return &back;
}

static void expect_parameters(const struct strategy_parameters *back,
                              const struct strategy_parameters *parameters)
{
    cr_expect_eq(back->seed, parameters->seed);
    cr_expect_eq(back->depth, parameters->depth);
    cr_expect_eq(back->steps, parameters->steps);
    cr_expect_eq(back->learned_count, parameters->learned_count);
    cr_expect_arr_eq(back->learned, parameters->learned, sizeof(back->learned));
}

static void expect_faults(const struct machine_faults *back, const struct machine_faults *faults)
{
    cr_expect_eq(back->signals, faults->signals);
    cr_expect_eq(back->deaths, faults->deaths);
    for (uint32_t i = 0; i < faults->deaths; i++) {
        cr_expect_eq(back->death[i].victim, faults->death[i].victim);
        cr_expect_eq(back->death[i].of_all, faults->death[i].of_all);
        cr_expect_eq(back->death[i].at, faults->death[i].at);
    }
}

/* A death of each kind, in both orders. */
static const struct machine_faults faults_of_both_kinds[] = {
    {.deaths = 0},
    {.signals = true},
    {.deaths = 1, .death = {{.victim = 3, .of_all = true, .at = 41}}},
    {.signals = true, .deaths = 1, .death = {{.victim = 2, .at = 17}}},
    {.deaths = 2, .death = {{.victim = 1, .of_all = true, .at = 8}, {.victim = 2, .at = 1}}},
    {.signals = true,
     .deaths = 2,
     .death = {{.victim = 3, .at = 5}, {.victim = 1, .of_all = true, .at = 1000000}}},
};

static const struct strategy_parameters parameters_of_each_kind[] = {
    {.seed = 0},
    {.seed = UINT64_MAX - 1, .depth = STRATEGY_DEPTH_MAX, .steps = 120},
    {.seed = 11, .depth = 3, .learned = {70, 0, 3, UINT32_MAX, 5}, .learned_count = 5},
    {.seed = 12,
     .depth = 2,
     .steps = 9,
     .learned = {1, 2, 3, 4, 5, 6, 7, 8, 9},
     .learned_count = STRATEGY_LEARNED_MAX},
};

/*
 * Claim:   what a strategy did is all in its word: the strategy, its parameters and what it has
 *          learned, the number of the execution, each death and what it counts by, and whether
 *          signals were lost.
 * Method:  all of some faults with all of some parameters, each number another.
 */
Test(word_sched, what_a_strategy_did_is_all_in_its_word)
{
    static const struct strategy_kind *const kinds[] = {&strategy_random, &strategy_pct,
                                                        &strategy_pos, &strategy_surw};
    static struct word word;

    for (uint32_t i = 0; i < 24; i++) {
        const struct strategy_parameters *parameters = &parameters_of_each_kind[i % 4];
        const struct machine_faults *faults = &faults_of_both_kinds[i / 4];
        word = (struct word){
            .world = &world,
            .seeded = true,
            .recipe = {.kind = kinds[i % 4], .number = 100 + i, .parameters = *parameters},
            .faults = *faults,
            .hash = UINT64_C(0x9f2c01d45e8b7a36) + i,
        };
        const struct word *back = there_and_back(&word);
        cr_expect_eq(back->recipe.kind, word.recipe.kind);
        cr_expect_eq(back->recipe.number, word.recipe.number);
        cr_expect_eq(back->count, 0);
        expect_parameters(&back->recipe.parameters, parameters);
        expect_faults(&back->faults, faults);
    }
}

/*
 * Claim:   so is what it did other than by default, and what each backend did at most.
 * Method:  no deviations, and many of both kinds, near and far; all operations, none, some.
 */
Test(word_sched, what_was_done_other_than_by_default_is_all_in_its_word)
{
    static struct word word;
    uint32_t at[2] = {0};

    word = (struct word){.world = &world, .hash = 5};
    cr_expect_eq(there_and_back(&word)->count, 0);
    memcpy(word.limits, (uint32_t[]){0, 1, 13, 2}, 4 * sizeof(word.limits[0]));
    for (uint32_t i = 0; i < WORD_DEVIATIONS_MAX; i++) {
        const uint32_t kind = i % 3 == 0 ? DEVIATION_DRAW : DEVIATION_PICK;
        at[kind] += i % 7 == 0 ? 200 : i % 5;
        word.deviations[word.count++] = (struct deviation){kind, at[kind], i % 300};
    }
    const struct word *back = there_and_back(&word);
    cr_assert_eq(back->count, word.count);
    cr_assert_arr_eq(back->deviations, word.deviations, sizeof(word.deviations));
}
