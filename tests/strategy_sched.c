/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Strategies that sample, on abstract programs.
 */
#include <math.h>

#include "program.h"

TestSuite(strategy_sched, .timeout = 120);

/* Two words each, read and written by four agents, a lock around one of them. */
static struct program crossing_of_four(void)
{
    const struct operation *const crossing =
        AGENT(READ(0), WRITE(1, 1), ACQUIRE(2), UPDATE(3), YIELD, RELEASE(2), WRITE(0, 1), READ(1));

    return PROGRAM(crossing, crossing, crossing, crossing);
}

static const struct strategy_kind *const sampling[] = {
    &strategy_random, &strategy_pct, &strategy_pos, &strategy_surw, &strategy_portfolio};

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

/* How often an execution ends as `found` says, of so many. */
static uint32_t times_found(const struct strategy_kind *kind, const struct program *program,
                            struct strategy_parameters parameters, uint32_t executions,
                            bool (*found)(const struct machine *machine))
{
    static struct execution execution;
    struct strategy strategy;
    uint32_t times = 0;

    open_for(&strategy, kind, program, parameters);
    for (uint64_t number = 0; number < executions; number++) {
        cr_assert(execute(&strategy, program, number, &execution, NULL));
        times += found(&execution.machine);
    }
    strategy_close(&strategy);
    return times;
}

/* Everything that agent 0 read was 1. */
static bool saw_ones(const struct machine *machine)
{
    uint32_t seen = machine->seen[0];

    for (; seen != 0 && seen % 8 == 2; seen /= 8) {
    }
    return machine->seen[0] != 0 && seen == 0;
}

/* Of agents that only read or write words: the steps at which there can be a choice. */
static uint32_t steps_of(const struct program *program)
{
    uint32_t steps = 0;

    for (uint32_t agent = 0; agent < program->agents; agent++) {
        steps += program->counts[agent];
    }
    return steps;
}

/*
 * Claim:   PCT of depth d finds a bug of depth d in at least one of n k^(d-1) executions, and one of
 *          a greater depth with this k never (here).
 * Method:  an agent must read 1 only: set before (d = 1), set for one step (d = 2), and after that
 *          another that is set only later (d = 3), among much else. Frequencies over 300,000
 *          executions, four standard deviations allowed.
 */
Test(strategy_sched, pct_keeps_its_bound)
{
#define ELSE PRIVATE, PRIVATE, PRIVATE
    const struct program programs[] = {
        PROGRAM(AGENT(ELSE, READ(0), ELSE), AGENT(ELSE, WRITE(0, 1), ELSE), AGENT(ELSE, ELSE)),
        PROGRAM(AGENT(ELSE, READ(0), ELSE), AGENT(ELSE, WRITE(0, 1), WRITE(0, 0), ELSE),
                AGENT(ELSE, ELSE)),
        PROGRAM(AGENT(ELSE, READ(0), READ(1), ELSE),
                AGENT(ELSE, WRITE(0, 1), WRITE(0, 0), ELSE, WRITE(1, 1)), AGENT(ELSE)),
    };
    const uint32_t executions = 300000;

    for (uint32_t depth = 1; depth <= 3; depth++) {
        const struct program *program = &programs[depth - 1];
        const double steps = steps_of(program);
        const double least = executions / (program->agents * pow(steps, depth - 1));
        const struct strategy_parameters parameters = {.seed = depth, .depth = depth};
        const uint32_t times =
            times_found(&strategy_pct, program, parameters, executions, saw_ones);
        cr_assert_gt(times, least - 4 * sqrt(least), "depth %u: %u times, not %.0f", depth, times,
                     least);
        if (depth == 1) { /* and the other way round: it is as likely that agent 0 is first */
            cr_assert_gt(executions - times, least - 4 * sqrt(least));
        } else {
            const struct strategy_parameters less = {.seed = 1, .depth = depth - 1};
            cr_assert_eq(times_found(&strategy_pct, program, less, 3000, saw_ones), 0);
        }
    }
}

/*
 * Claim:   k is learned from the first executions, counts steps with a choice only, is then fixed,
 *          and the same k given gives the same executions.
 */
Test(strategy_sched, pct_learns_how_long_an_execution_is)
{
    const struct program program =
        PROGRAM(AGENT(PRIVATE, PRIVATE, PRIVATE, PRIVATE), AGENT(PRIVATE, PRIVATE));
    static struct execution execution;
    static struct execution again;
    struct strategy strategy;
    struct strategy given;

    open_for(&strategy, &strategy_pct, &program,
             (struct strategy_parameters){.seed = 4, .depth = 2});
    for (uint64_t number = 0; number <= STRATEGY_LEARNING; number++) {
        cr_assert_eq(strategy.parameters.steps, 0);
        cr_assert(execute(&strategy, &program, number, &execution, NULL));
    }
    cr_assert_eq(strategy.parameters.steps, 5, "of 6 steps at least one is taken alone");
    cr_assert_eq(strategy.longest, 5);
    open_for(&given, &strategy_pct, &program,
             (struct strategy_parameters){.seed = 4, .depth = 2, .steps = 5});
    for (uint64_t number = 1000; number < 1100; number++) {
        cr_assert(execute(&strategy, &program, number, &execution, NULL));
        cr_assert(execute(&given, &program, number, &again, NULL));
        cr_assert_eq(schedule_hash(&execution), schedule_hash(&again));
    }
    strategy_close(&strategy);
    strategy_close(&given);
}

/*
 * Claim:   who yields does not go on before somebody else has.
 * Method:  an agent looks three times at a word and yields in between; the other's only step sets it.
 *          The second and the third look see it, in every execution of every strategy.
 */
Test(strategy_sched, who_yields_lets_others_go_first)
{
    const struct program program =
        PROGRAM(AGENT(READ(0), YIELD, READ(0), YIELD, READ(0)), AGENT(WRITE(0, 1)));
    const struct strategy_parameters parameters = {.seed = 8, .depth = 1};

    for (size_t kind = 0; kind < SAMPLING; kind++) {
        static struct execution execution;
        struct strategy strategy;
        open_for(&strategy, sampling[kind], &program, parameters);
        for (uint64_t number = 0; number < 1000; number++) {
            cr_assert(execute(&strategy, &program, number, &execution, NULL));
            cr_assert_eq(execution.machine.seen[0] % 64, 022, "%s %" PRIu64 ": %o",
                         sampling[kind]->name, number, execution.machine.seen[0]);
        }
        strategy_close(&strategy);
    }
}

/* How often each order was taken; a test that all are as likely. */
struct census {
    uint64_t orders[128];
    uint32_t times[128];
    uint32_t count;
};

static void census_take(struct census *census, const struct strategy_kind *kind,
                        const struct program *program, uint32_t executions)
{
    static struct execution execution;
    struct strategy strategy;

    *census = (struct census){.count = 0};
    open_for(&strategy, kind, program, (struct strategy_parameters){.seed = 7, .depth = 2});
    for (uint64_t number = 0; number < executions; number++) {
        cr_assert(execute(&strategy, program, number, &execution, NULL));
        const uint64_t order = order_by_force(&execution);
        uint32_t i = 0;
        while (i < census->count && census->orders[i] != order) {
            i++;
        }
        if (i == census->count) {
            cr_assert_lt(i, 128);
            census->orders[census->count++] = order;
        }
        census->times[i]++;
    }
    strategy_close(&strategy);
}

/* Is it even? Chi-square, below its mean and five standard deviations. */
static bool census_even(const struct census *census, uint32_t executions)
{
    const double mean = (double)executions / census->count;
    double chi = 0;

    for (uint32_t i = 0; i < census->count; i++) {
        chi += (census->times[i] - mean) * (census->times[i] - mean) / mean;
    }
    return chi < census->count - 1 + 5 * sqrt(2.0 * (census->count - 1));
}

/*
 * Claim:   POS takes each order of steps that race with one probability, whatever else goes on: all
 *          orders of four writers of one word; and of three pairs that race among themselves, which
 *          priorities of agents do not give.
 */
Test(strategy_sched, pos_is_even_where_all_race)
{
    const struct operation *const writer = AGENT(UPDATE(0));
    const struct program four = PROGRAM(writer, writer, writer, writer);
    const struct program pairs = PROGRAM(AGENT(WRITE(0, 1)), AGENT(READ(0)), AGENT(WRITE(1, 1)),
                                         AGENT(READ(1)), AGENT(WRITE(2, 1)), AGENT(READ(2)));
    struct census census;

    census_take(&census, &strategy_pos, &four, 48000);
    cr_assert_eq(census.count, 24);
    cr_assert(census_even(&census, 48000));
    census_take(&census, &strategy_pos, &pairs, 16000);
    cr_assert_eq(census.count, 8);
    cr_assert(census_even(&census, 16000));
}

/* Agent 0 has taken both of its steps before the other took any. */
static bool zero_was_first(const struct machine *machine)
{
    return machine->seen[0] == 012;
}

/*
 * Claim:   steps that race are ordered by a coin of their own, whatever was drawn before.
 * Method:  two agents of two racing steps: one takes both of its own first in one of four executions,
 *          and not in one of three, as if the loser of the first race kept its bad priority.
 */
Test(strategy_sched, pos_draws_anew_in_each_race)
{
    const struct program program =
        PROGRAM(AGENT(UPDATE(0), UPDATE(0)), AGENT(UPDATE(0), UPDATE(0)));
    const struct strategy_parameters parameters = {.seed = 2};
    const uint32_t times = times_found(&strategy_pos, &program, parameters, 40000, zero_was_first);

    cr_assert_float_eq((double)times, 10000.0, 4 * sqrt(40000 * 3.0 / 16), "%u times", times);
}

/* Agent 0 has taken all three of its steps before the other took its only one. */
static bool zero_was_first_thrice(const struct machine *machine)
{
    return machine->seen[0] == 0123;
}

/*
 * Claim:   so it is in each race of one step with three: it comes after all of them in one of eight
 *          executions, not in one of six. If they do not race, in one of four: the least of four.
 */
Test(strategy_sched, pos_draws_anew_in_each_race_of_many)
{
    const struct program races = PROGRAM(AGENT(UPDATE(0), UPDATE(0), UPDATE(0)), AGENT(UPDATE(0)));
    const struct program others = PROGRAM(AGENT(UPDATE(0), UPDATE(0), UPDATE(0)), AGENT(UPDATE(1)));
    const struct strategy_parameters parameters = {.seed = 3};
    static struct execution execution;
    struct strategy strategy;
    uint32_t last = times_found(&strategy_pos, &races, parameters, 40000, zero_was_first_thrice);

    cr_assert_float_eq((double)last, 5000.0, 4 * sqrt(40000 * 7.0 / 64), "%u times", last);
    last = 0;
    open_for(&strategy, &strategy_pos, &others, parameters);
    for (uint64_t number = 0; number < 40000; number++) {
        cr_assert(execute(&strategy, &others, number, &execution, NULL));
        last += execution.steps[3].agent == 1;
    }
    strategy_close(&strategy);
    cr_assert_float_eq((double)last, 10000.0, 4 * sqrt(40000 * 3.0 / 16), "%u times", last);
}

/*
 * Claim:   SURW takes each order of the steps on one object as often, whatever else goes on.
 * Method:  two agents of 3 and 4 steps on it, among others (35 orders); three of 2 (90 orders).
 */
Test(strategy_sched, surw_is_even_on_one_object)
{
    const struct program two =
        PROGRAM(AGENT(PRIVATE, UPDATE(0), PRIVATE, UPDATE(0), PRIVATE, PRIVATE, UPDATE(0)),
                AGENT(UPDATE(0), UPDATE(0), UPDATE(0), PRIVATE, UPDATE(0)));
    const struct program three =
        PROGRAM(AGENT(UPDATE(0), PRIVATE, UPDATE(0)), AGENT(PRIVATE, PRIVATE, UPDATE(0), UPDATE(0)),
                AGENT(UPDATE(0), UPDATE(0)));
    struct census census;

    census_take(&census, &strategy_surw, &two, 70000);
    cr_assert_eq(census.count, 35);
    cr_assert(census_even(&census, 70000));
    census_take(&census, &strategy_surw, &three, 90000);
    cr_assert_eq(census.count, 90);
    cr_assert(census_even(&census, 90000));
}

/* How many of 1000 executions of a portfolio, with many switches, begin as an earlier one does. */
static uint32_t times_mutated(struct orders *orders)
{
#define BEGINNING 24
#define SIX       UPDATE(0), UPDATE(0), UPDATE(0), UPDATE(0), UPDATE(0), UPDATE(0)
    const struct program program = PROGRAM(AGENT(SIX, SIX, SIX, SIX), AGENT(SIX, SIX, SIX, SIX));
    static struct execution execution;
    static uint64_t beginnings[1000];
    struct strategy strategy;
    uint32_t count = 0;
    uint32_t times = 0;

    execution.orders = orders;
    open_for(&strategy, &strategy_portfolio, &program, (struct strategy_parameters){.seed = 1});
    for (uint64_t number = 0; number < 1000; number++) {
        uint32_t switches = 0;
        cr_assert(execute(&strategy, &program, number, &execution, NULL));
        execution.count = BEGINNING;
        for (uint32_t i = 1; i < BEGINNING; i++) {
            switches += execution.steps[i].agent != execution.steps[i - 1].agent;
        }
        const uint64_t beginning = schedule_hash(&execution);
        bool earlier = false;
        for (uint32_t i = 0; i < count && !earlier; i++) {
            earlier = beginnings[i] == beginning;
        }
        times += earlier && switches > 7;
        beginnings[count++] = beginning;
    }
    strategy_close(&strategy);
    return times;
}

/*
 * Claim:   some executions of a portfolio are mutations of those whose order was new.
 * Method:  two agents of 24 racing steps. That two executions have the same 24 first steps, with many
 *          switches, is no accident: there are millions of them.
 */
Test(strategy_sched, a_portfolio_mutates_what_was_new)
{
    struct orders orders;

    cr_assert_eq(orders_open(&orders, 4096), 0);
    const uint32_t without = times_mutated(NULL);
    const uint32_t with = times_mutated(&orders);
    cr_assert_eq(without, 0);
    cr_assert_gt(with, 10, "%u times", with);
    orders_close(&orders);
}

/*
 * Claim:   a portfolio finds what its parts find: a bug of depth 3 as above.
 */
Test(strategy_sched, a_portfolio_finds_what_its_parts_find)
{
    const struct program program =
        PROGRAM(AGENT(ELSE, READ(0), READ(1), ELSE),
                AGENT(ELSE, WRITE(0, 1), WRITE(0, 0), ELSE, WRITE(1, 1)), AGENT(ELSE));
    const uint32_t times = times_found(&strategy_portfolio, &program,
                                       (struct strategy_parameters){.seed = 1}, 20000, saw_ones);

    cr_assert_gt(times, 20, "%u times", times);
}
