/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The rounds of a storm, around runs that are made up: what each round is to play, and what the
 * storm makes of all that came of them.
 */
#include "support.h"

#include <stdlib.h>

#include "faults/storm.h"

TestSuite(storm_rounds_unit, .timeout = 60);

enum { ROUNDS = 7 }; /* the last one is red */

/* A round as it was asked for. */
struct round {
    enum plan_workload workload;
    uint64_t seed;
    uint32_t timeout_ms;
    const char *carrier;
    struct sv_segment *segment;
};

static struct round rounds[ROUNDS];
static uint32_t played;

/* What the linker calls it (ci/tests.cmake). */
void wrap_execute(const struct run_options *options,
                  struct run_result *result) __asm__("__wrap_run_execute");

void wrap_execute(const struct run_options *options, struct run_result *result)
{
    const uint32_t n = played++;

    cr_assert_lt(n, ROUNDS, "a round after a red one");
    rounds[n] = (struct round){options->plan->world.workload, options->seed, options->timeout_ms,
                               options->carrier->name, options->segment};
    *result = (struct run_result){.outcome = n == ROUNDS - 1 ? RUN_VIOLATED : RUN_PASSED,
                                  .started = 1U << n,
                                  .deaths = 3U << n,
                                  .reads = UINT64_C(5) << n,
                                  .finding = {.oracle = n == ROUNDS - 1 ? ORACLE_O2 : ORACLE_NONE}};
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        result->events[stat] = (uint64_t)(stat + 1) << n;
    }
    result->reached[0] = 7U << n;
    result->reached[SV_POINT_COUNT - 1] = 11U << n;
}

static void play_storm(uint32_t workloads, struct storm *storm)
{
    static struct storm_options options = {
        .world = {.backends = 3, .keys = 20, .config = {.capacity = 64}},
        .seconds = STORM_SECONDS_MAX, /* the red one ends it */
        .round_s = 10,
        .seed = 12345,
        .timeout_ms = 6789,
    };

    options.workloads = workloads;
    played = 0;
    cr_assert_eq(storm_play(&options, storm), 0);
    cr_assert_eq(played, ROUNDS);
}

/*
 * Claim:   the rounds take turns with the workloads that were asked for, each with a seed of its own,
 *          all over one segment, up to the first one in which something is violated.
 */
Test(storm_rounds_unit, rounds_take_turns_with_the_workloads)
{
    static const struct {
        uint32_t count;
        enum plan_workload workloads[3];
    } rows[] = {
        {3, {WORKLOAD_TRANSACTIONS, WORKLOAD_QUEUE, WORKLOAD_CHURN}},
        {2, {WORKLOAD_TRANSACTIONS, WORKLOAD_CHURN}},
        {2, {WORKLOAD_QUEUE, WORKLOAD_CHURN}},
        {1, {WORKLOAD_CHURN}},
        {1, {WORKLOAD_TRANSACTIONS}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct storm storm;
        uint32_t workloads = 0;
        for (uint32_t j = 0; j < rows[i].count; j++) {
            workloads |= 1U << rows[i].workloads[j];
        }
        play_storm(workloads, &storm);
        for (uint32_t n = 0; n < ROUNDS; n++) {
            cr_expect_eq(rounds[n].workload, rows[i].workloads[n % rows[i].count],
                         "row %zu, round %" PRIu32, i, n);
            cr_expect(n == 0 || rounds[n].seed != rounds[n - 1].seed);
            cr_expect_eq(rounds[n].segment, rounds[0].segment);
            cr_expect_eq(rounds[n].timeout_ms, 6789);
            cr_expect_str_eq(rounds[n].carrier, "process");
        }
        storm_free(&storm);
    }
}

/* Claim: what is counted is the sum of what all rounds counted, the red one with them. */
Test(storm_rounds_unit, figures_are_those_of_all_rounds)
{
    const uint64_t all =
        (UINT64_C(1) << ROUNDS) - 1; /* 1 in the first, twice as many in the next */
    struct storm storm;

    play_storm(1U << WORKLOAD_QUEUE, &storm);
    cr_expect_eq(storm.rounds, ROUNDS);
    cr_expect_eq(storm.started, all);
    cr_expect_eq(storm.deaths, 3 * all);
    cr_expect_eq(storm.reads, 5 * all);
    cr_expect_eq(storm.points, (7 + 11) * all);
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        cr_expect_eq(storm.events[stat], (stat + 1) * all, "%s", sv_stat_name(stat));
    }
    cr_expect_eq(storm.outcome, RUN_VIOLATED);
    cr_expect_eq(storm.result->finding.oracle, ORACLE_O2);
    cr_expect_not(storm.interrupted);
    storm_free(&storm);
}
