/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Strategies that sample, on abstract programs.
 */
#include "program.h"

TestSuite(strategy_sched, .timeout = 120);

/* Two words each, read and written by four agents, a lock around one of them. */
static struct program crossing_of_four(void)
{
    const struct operation *const crossing =
        AGENT(READ(0), WRITE(1, 1), ACQUIRE(2), UPDATE(3), YIELD, RELEASE(2), WRITE(0, 1), READ(1));

    return PROGRAM(crossing, crossing, crossing, crossing);
}

static const struct strategy_kind *const sampling[] = {&strategy_random};

#define SAMPLING (sizeof(sampling) / sizeof(sampling[0]))

/*
 * Claim:   what a strategy does follows from its parameters, the seed and the number of the
 *          execution; another seed does something else.
 * Method:  200 executions of each strategy, twice with the same seed and once with another.
 */
Test(strategy_sched, the_same_seed_makes_the_same_picks)
{
    const struct program program = crossing_of_four();
    static struct execution execution;

    for (size_t kind = 0; kind < SAMPLING; kind++) {
        struct strategy strategies[3];
        uint64_t hashes[3] = {0};
        for (size_t i = 0; i < 3; i++) {
            open_for(&strategies[i], sampling[kind], &program,
                     (struct strategy_parameters){.seed = i < 2 ? 5 : 6, .depth = 3});
            for (uint64_t number = 0; number < 200; number++) {
                cr_assert(execute(&strategies[i], &program, number, &execution, NULL));
                cr_assert_not(execution.stopped || execution.deadlock);
                cr_assert_eq(execution.count, 32);
                hashes[i] = random_hash(hashes[i], schedule_hash(&execution));
            }
            strategy_close(&strategies[i]);
        }
        cr_assert_eq(hashes[0], hashes[1], "%s", sampling[kind]->name);
        cr_assert_neq(hashes[0], hashes[2], "%s", sampling[kind]->name);
    }
}

/*
 * Claim:   a list of deviations repeats an execution, whichever strategy made it.
 * Method:  record 500 executions of each strategy, replay each, compare step by step.
 */
Test(strategy_sched, deviations_repeat_an_execution)
{
    const struct program program = crossing_of_four();
    static struct execution execution;
    static struct execution again;

    for (size_t kind = 0; kind < SAMPLING; kind++) {
        struct strategy strategy;
        open_for(&strategy, sampling[kind], &program,
                 (struct strategy_parameters){.seed = 9, .depth = 3});
        for (uint64_t number = 0; number < 500; number++) {
            struct deviation list[64];
            struct recorder recorder;
            struct strategy replay;
            recorder_begin(&recorder, list, 64);
            cr_assert(execute(&strategy, &program, number, &execution, &recorder));
            cr_assert_not(recorder.overflowed);
            open_for(&replay, &strategy_replay, &program,
                     (struct strategy_parameters){.deviations = list,
                                                  .deviation_count = recorder.count});
            cr_assert(execute(&replay, &program, 0, &again, NULL));
            cr_assert_eq(again.count, execution.count);
            cr_assert_eq(schedule_hash(&again), schedule_hash(&execution), "%s %" PRIu64,
                         sampling[kind]->name, number);
            cr_assert_not(execute(&replay, &program, 1, &again, NULL), "replays once");
            strategy_close(&replay);
        }
        strategy_close(&strategy);
    }
}

/*
 * Claim:   draws are repeated too, and a list that wants what cannot be had is followed as far as it
 *          can be.
 */
Test(strategy_sched, draws_are_repeated_and_impossible_wishes_left_out)
{
    const struct program program = crossing_of_four();
    struct deviation list[64];
    struct recorder recorder;
    struct strategy strategy;
    struct strategy replay;
    uint32_t answers[40];
    uint32_t others = 0;

    open_for(&strategy, &strategy_random, &program, (struct strategy_parameters){.seed = 3});
    recorder_begin(&recorder, list, 64);
    cr_assert(strategy.kind->begin(&strategy, 0));
    for (uint32_t i = 0; i < 40; i++) {
        answers[i] = strategy.kind->draw(&strategy, 0, i % EXPLORE_DRAWS, 1 + i % 5);
        cr_assert_leq(answers[i], i % 5);
        others += answers[i] != 0;
        recorder_draw(&recorder, answers[i]);
    }
    cr_assert_eq(recorder.count, others);
    cr_assert_gt(others, 3);
    list[recorder.count++] = (struct deviation){DEVIATION_PICK, 0, 63};
    list[recorder.count++] = (struct deviation){DEVIATION_PICK, 1, 2};

    open_for(&replay, &strategy_replay, &program,
             (struct strategy_parameters){.deviations = list, .deviation_count = recorder.count});
    cr_assert(replay.kind->begin(&replay, 0));
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert_eq(replay.kind->draw(&replay, 0, i % EXPLORE_DRAWS, 1 + i % 5), answers[i]);
    }
    struct explore_choice choice = {.enabled = 0xe, .current = EXPLORE_NOBODY};
    cr_assert_eq(replay.kind->pick(&replay, &choice), 1, "63 is nobody");
    cr_assert_eq(choice.run, 0, "at step 1 something is wished");
    choice.number = 1;
    choice.current = 1;
    cr_assert_eq(replay.kind->pick(&replay, &choice), 2);
    strategy_close(&replay);
    strategy_close(&strategy);
}

/*
 * Claim:   a random walk gets to every order of a small program.
 * Method:  two agents of two conflicting writes each: six schedules, all different.
 */
Test(strategy_sched, a_random_walk_gets_everywhere)
{
    const struct program program =
        PROGRAM(AGENT(UPDATE(0), UPDATE(0)), AGENT(UPDATE(0), UPDATE(0)));
    static struct execution execution;
    struct strategy strategy;
    uint64_t hashes[6];
    uint32_t times[6] = {0};
    uint32_t found = 0;

    open_for(&strategy, &strategy_random, &program, (struct strategy_parameters){.seed = 1});
    for (uint64_t number = 0; number < 3000; number++) {
        cr_assert(execute(&strategy, &program, number, &execution, NULL));
        const uint64_t hash = schedule_hash(&execution);
        uint32_t i = 0;
        while (i < found && hashes[i] != hash) {
            i++;
        }
        if (i == found) {
            cr_assert_lt(found, 6);
            hashes[found++] = hash;
        }
        times[i]++;
    }
    cr_assert_eq(found, 6);
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_gt(times[i], 30, "one order was taken %u times of 3000", times[i]);
    }
    strategy_close(&strategy);
}
