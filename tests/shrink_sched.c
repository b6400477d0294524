/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Shrinking, on abstract programs.
 */
#include "faults/explore/shrink.h"

#include "program.h"

TestSuite(shrink_sched, .timeout = 60);

#define DEVIATIONS_MAX 64
#define ELSE           WRITE(7, 1), WRITE(7, 1), WRITE(7, 1)

/* Agent 0 reads 1 twice only if it is let in for one step of agent 1 and held up before the second
 * read: two preemptions. Agent 3 may end agent 2, which nobody misses. */
static struct program needle(void)
{
    return PROGRAM(AGENT(ELSE, READ(0), READ(1), ELSE),
                   AGENT(ELSE, WRITE(0, 1), WRITE(0, 0), ELSE, WRITE(1, 1), ELSE),
                   AGENT(ELSE, ELSE), AGENT(KILL(2, 6)));
}

static bool needle_found(const struct execution *execution)
{
    return execution->machine.seen[0] == 022;
}

struct repetition {
    const struct program *program;
    uint32_t executions;
};

/* As struct shrink.fails. */
static bool repeat_needle(void *argument, struct deviation *list, uint32_t *count,
                          uint32_t capacity)
{
    static struct execution execution;
    struct repetition *repetition = argument;
    struct deviation done[DEVIATIONS_MAX];
    struct recorder recorder;
    struct strategy replay;

    repetition->executions++;
    recorder_begin(&recorder, done, capacity);
    open_for(&replay, &strategy_replay, repetition->program,
             (struct strategy_parameters){.deviations = list, .deviation_count = *count});
    cr_assert(execute(&replay, repetition->program, 0, &execution, &recorder));
    strategy_close(&replay);
    if (!needle_found(&execution) || recorder.overflowed) {
        return false;
    }
    memcpy(list, done, recorder.count * sizeof(done[0]));
    *count = recorder.count;
    return true;
}

/* The first execution of a random walk that finds it. Returns: how many deviations it has. */
static uint32_t find_needle(const struct program *program, uint64_t seed, struct deviation *list)
{
    static struct execution execution;
    struct recorder recorder = {.count = 0};
    struct strategy strategy;
    bool found = false;

    open_for(&strategy, &strategy_random, program, (struct strategy_parameters){.seed = seed});
    for (uint64_t number = 0; !found && number < 1000000; number++) {
        recorder_begin(&recorder, list, DEVIATIONS_MAX);
        cr_assert(execute(&strategy, program, number, &execution, &recorder));
        found = needle_found(&execution) && !recorder.overflowed;
    }
    strategy_close(&strategy);
    cr_assert(found);
    return recorder.count;
}

/*
 * Claim:   what is left of an execution still fails, none of its deviations can be left out, and it
 *          is nearly always as short as can be; the death that has nothing to do with it is gone.
 * Method:  50 executions found by random walks. The shortest takes three deviations: agent 1 first,
 *          then agent 0, then agent 1 again.
 */
Test(shrink_sched, what_is_left_is_short_and_fails)
{
    const struct program program = needle();
    uint32_t before = 0;
    uint32_t after = 0;

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct deviation list[DEVIATIONS_MAX];
        struct repetition repetition = {.program = &program};
        const struct shrink how = {repeat_needle, &repetition, 3, 5000};
        uint32_t count = find_needle(&program, seed, list);
        before += count;
        cr_assert_eq(shrink(&how, list, &count), 0);
        after += count;
        for (uint32_t i = 0; i <= count; i++) { /* without number i; at last, all of them */
            struct deviation less[DEVIATIONS_MAX];
            uint32_t less_count = 0;
            for (uint32_t j = 0; j < count; j++) {
                cr_assert(j != i || list[j].kind != DEVIATION_PICK || list[j].target != 3);
                if (j != i) {
                    less[less_count++] = list[j];
                }
            }
            const bool all = i == count;
            cr_assert_eq(repeat_needle(&repetition, less, &less_count, DEVIATIONS_MAX) &&
                             less_count < count + (uint32_t)all,
                         all, "seed %" PRIu64 ": %u of %u", seed, i, count);
        }
        cr_assert_leq(count, 4, "seed %" PRIu64 ": %u", seed, count);
    }
    cr_assert_gt(before, 2 * after);
    cr_assert_leq(after, 50 * 3 + 5, "%u", after);
}

/*
 * Claim:   what does not fail is left as it is, and a bound on executions is kept.
 */
Test(shrink_sched, bounds_are_kept)
{
    const struct program program = needle();
    struct deviation list[DEVIATIONS_MAX];
    struct repetition repetition = {.program = &program};
    struct shrink how = {repeat_needle, &repetition, 3, 10};
    uint32_t count = find_needle(&program, 1, list);
    const uint32_t before = count;

    cr_assert_eq(shrink(&how, list, &count), SHRINK_CUT);
    cr_assert_eq(repetition.executions, 10);
    cr_assert_leq(count, before);
    cr_assert(repeat_needle(&repetition, list, &count, DEVIATIONS_MAX));

    list[0] = (struct deviation){DEVIATION_PICK, 0, 2};
    count = 1;
    cr_assert_eq(shrink(&how, list, &count), SHRINK_PASSES);
    cr_assert_eq(count, 1);
    cr_assert_eq(list[0].target, 2);
}
