/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What single rules of the strategies that sample say, on programs that show little else.
 */
#include <math.h>
#include <stdio.h>

#include "faults/explore/draws.h"
#include "program.h"

TestSuite(strategy_rules_sched, .timeout = 120);

/* How often agent 1, which has one step, takes it as each of the steps of all. */
static void count_places(const struct strategy_kind *kind, const struct program *program,
                         struct strategy_parameters parameters, uint32_t executions,
                         uint32_t *times)
{
    static struct execution execution;
    struct strategy strategy;

    open_for(&strategy, kind, program, parameters);
    for (uint64_t number = 0; number < executions; number++) {
        uint32_t place = 0;
        cr_assert(execute(&strategy, program, number, &execution, NULL));
        while (execution.steps[place].agent != 1) {
            place++;
        }
        times[place]++;
    }
    strategy_close(&strategy);
}

/* That often, of so many, but for five standard deviations. */
static void expect_times(uint32_t times, uint32_t executions, double chance, const char *what)
{
    const double deviation = sqrt(executions * chance * (1 - chance));

    cr_expect_float_eq((double)times, executions * chance, 5 * deviation + 0.5, "%s: %u of %u",
                       what, times, executions);
}

/*
 * Claim:   PCT demotes who is about to take the step at that place, and the place is any but the
 *          first one: each as often, up to the last.
 * Method:  depth 2, five steps against one. One half of the executions begins with that one, which
 *          no demotion changes. In the other half it comes where the demotion is: after one to four
 *          steps of the other, and never after five, since the steps with a choice are five.
 */
Test(strategy_rules_sched, pct_demotes_at_each_place_but_the_first)
{
    const struct program program =
        PROGRAM(AGENT(UPDATE(0), UPDATE(0), UPDATE(0), UPDATE(0), UPDATE(0)), AGENT(UPDATE(0)));
    const double chances[] = {1.0 / 2, 1.0 / 8, 1.0 / 8, 1.0 / 8, 1.0 / 8, 0};
    const struct strategy_parameters parameters = {.seed = 3, .depth = 2, .steps = 5};
    uint32_t times[6] = {0};

    count_places(&strategy_pct, &program, parameters, 40000, times);
    for (uint32_t i = 0; i < 6; i++) {
        char what[32];
        snprintf(what, sizeof(what), "after %u steps", i);
        expect_times(times[i], 40000, chances[i], what);
    }
}

/*
 * Claim:   POS draws anew in each race of a write with a read, as with a write.
 * Method:  three reads and one write of a word: the write comes last in one of eight executions,
 *          after three races, each of which is a coin's. After none it comes in half of them.
 */
Test(strategy_rules_sched, pos_draws_anew_in_each_race_with_a_read)
{
    const struct program program = PROGRAM(AGENT(READ(0), READ(0), READ(0)), AGENT(WRITE(0, 1)));
    const double chances[] = {1.0 / 2, 1.0 / 4, 1.0 / 8, 1.0 / 8};
    uint32_t times[4] = {0};

    count_places(&strategy_pos, &program, (struct strategy_parameters){.seed = 4}, 40000, times);
    for (uint32_t i = 0; i < 4; i++) {
        char what[32];
        snprintf(what, sizeof(what), "after %u reads", i);
        expect_times(times[i], 40000, chances[i], what);
    }
}

/* What SURW has learned of a program when it goes by it. */
static void learn(const struct program *program, uint64_t seed, uint32_t executions,
                  void (*expect)(const struct strategy_parameters *learned))
{
    static struct execution execution;
    struct strategy strategy;

    open_for(&strategy, &strategy_surw, program, (struct strategy_parameters){.seed = seed});
    for (uint64_t number = 0; number < STRATEGY_LEARNING + executions; number++) {
        struct strategy_recipe recipe;
        cr_assert(execute(&strategy, program, number, &execution, NULL));
        cr_assert(strategy_recipe(&strategy, number, &recipe));
        if (number >= STRATEGY_LEARNING) {
            expect(&recipe.parameters);
        }
    }
    strategy_close(&strategy);
}

static void expect_changed_object(const struct strategy_parameters *learned)
{
    cr_assert_eq(learned->learned_count, 3);
    cr_assert_eq(learned->learned[0], 2, "object %u", learned->learned[0]);
    cr_assert_eq(learned->learned[1], 1);
    cr_assert_eq(learned->learned[2], 2);
}

/*
 * Claim:   SURW goes by objects that two use and one changes: not by what is only read, nor by what
 *          one alone changes.
 */
Test(strategy_rules_sched, surw_goes_by_what_is_shared_and_changed)
{
    const struct program program =
        PROGRAM(AGENT(READ(0), WRITE(1, 1), READ(2), READ(0)),
                AGENT(READ(0), READ(2), READ(0), WRITE(2, 1), WRITE(3, 1)));

    learn(&program, 5, 200, expect_changed_object);
}

static void expect_a_rare_step(const struct strategy_parameters *learned)
{
    cr_assert_eq(learned->learned_count, 4);
    if (learned->learned[0] == 0) {
        cr_assert_eq(learned->learned[1], 1, "agent 0 takes a step now and then");
        cr_assert_eq(learned->learned[2], 2);
        cr_assert_eq(learned->learned[3], 0);
    }
}

/*
 * Claim:   who takes a step on an object in some executions only is expected to take it: else it
 *          would never be drawn before those who always do.
 */
Test(strategy_rules_sched, surw_expects_what_happens_now_and_then)
{
    const struct program program =
        PROGRAM(AGENT(READ_OR(1, 1), UPDATE(0)), AGENT(UPDATE(0), UPDATE(0)), AGENT(WRITE(1, 1)));

    learn(&program, 6, 200, expect_a_rare_step);
}

/* Is every one of so many answers of the environment that of a quiet world? */
static bool is_quiet(struct draws *draws, enum explore_draw what, uint32_t answers)
{
    bool quiet = true;

    for (uint32_t i = 0; i < answers; i++) {
        quiet &= draws_answer(draws, what, 3) == 0;
    }
    return quiet;
}

/*
 * Claim:   what can go wrong at all is drawn for each execution, for each kind with a chance of one
 *          half; then it goes wrong one time in eight.
 * Method:  300 answers of each kind for each execution: those of an active kind are not all quiet.
 */
Test(strategy_rules_sched, each_kind_goes_wrong_in_half_of_the_executions)
{
    static const enum explore_draw kinds[] = {EXPLORE_DRAW_SPURIOUS, EXPLORE_DRAW_TIMEOUT,
                                              EXPLORE_DRAW_SIGNAL};

    uint32_t quiet[3] = {0};
    uint32_t both = 0;

    for (uint64_t number = 0; number < 2000; number++) {
        struct draws draws;
        bool now[3];
        draws_begin(&draws, 7, number);
        for (uint32_t i = 0; i < 3; i++) {
            now[i] = is_quiet(&draws, kinds[i], 300);
            quiet[i] += now[i];
        }
        both += now[0] && now[1];
    }
    for (uint32_t i = 0; i < 3; i++) {
        expect_times(quiet[i], 2000, 0.5, "quiet");
    }
    expect_times(both, 2000, 0.25, "two are quiet");
}
