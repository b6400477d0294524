/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Exhaustive search, where somebody goes round and round: no program of tests/program.h does.
 */
#include <criterion/criterion.h>

#include "faults/explore/strategy.h"
#include "faults/random.h"

TestSuite(search_rounds_sched, .timeout = 60);

enum { READER, WRITER, AGENTS, WRITES = 2, STEPS_MAX = 200 };

/* The reader looks at a word for what the writer never writes there. */
struct carrier {
    uint64_t written; /* so far */
    uint64_t steps;
};

static uint64_t state_of(const struct explore_choice *choice)
{
    const struct carrier *carrier = choice->carrier;

    return random_hash(1, carrier->written);
}

static struct explore_choice choice_of(const struct carrier *carrier, uint32_t current,
                                       const struct explore_step *next)
{
    const bool writes = carrier->written < WRITES;

    return (struct explore_choice){.enabled = writes ? 1U << READER | 1U << WRITER : 1U << READER,
                                   .number = carrier->steps,
                                   .current = current,
                                   .next = next,
                                   .state = state_of,
                                   .carrier = carrier};
}

/* Returns: the steps of the execution; 0: it was dropped. */
static uint64_t carry_out(struct strategy *strategy)
{
    static const struct explore_step next[AGENTS] = {
        {.kind = EXPLORE_READ, .span = 1, .agent = READER, .victim = EXPLORE_NOBODY},
        {.kind = EXPLORE_WRITE, .span = 1, .agent = WRITER, .victim = EXPLORE_NOBODY},
    };
    struct carrier carrier = {.written = 0};
    uint32_t current = EXPLORE_NOBODY;
    uint64_t before = 0;
    uint32_t run = 0;

    for (; carrier.steps < STEPS_MAX && current != EXPLORE_STOP; carrier.steps++) {
        struct explore_choice choice = choice_of(&carrier, current, next);
        if (run == 0 || choice.enabled != before) {
            current = strategy->kind->pick(strategy, &choice);
            run = choice.run;
        } else {
            run--;
        }
        before = choice.enabled;
        carrier.written += current == WRITER;
    }
    const bool stopped = current == EXPLORE_STOP;
    strategy->kind->end(
        strategy,
        &(struct explore_outcome){.steps = carrier.steps, .incomplete = !stopped, .next = next});
    return stopped ? 0 : carrier.steps;
}

/*
 * Claim:   who comes to a state in which it has been before in the same execution goes round and
 *          round: that is no state from which all has been seen, and the execution goes on until
 *          whoever carries it out calls it a livelock.
 * Method:  all executions are like that. Those from which the search learns do not count.
 */
Test(search_rounds_sched, who_goes_round_and_round_is_not_dropped)
{
    for (uint32_t preemptions_max = 0; preemptions_max < 3; preemptions_max++) {
        const struct strategy_parameters parameters = {.agents = AGENTS,
                                                       .objects = 1,
                                                       .steps_limit = STEPS_MAX,
                                                       .preemptions_max = preemptions_max};
        struct strategy strategy;
        uint32_t livelocks = 0;
        cr_assert_eq(strategy_open(&strategy, &strategy_exhaustive, &parameters), 0);
        for (uint64_t number = 0; strategy.kind->begin(&strategy, number); number++) {
            cr_assert_lt(number, 10000);
            livelocks += carry_out(&strategy) == STEPS_MAX && number >= STRATEGY_LEARNING;
        }
        cr_expect_gt(livelocks, 0, "%u preemptions", preemptions_max);
        cr_expect_not(strategy.complete);
        strategy_close(&strategy);
    }
}
