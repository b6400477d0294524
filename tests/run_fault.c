/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Campaigns: every plan that comes with the program, on real processes, and what a campaign does
 * with a run that fails.
 */
#include <stdio.h>

#include "faults/campaign.h"
#include "faults/token.h"
#include "hang_plan.h"
#include "support.h"

TestSuite(run_fault, .timeout = 300);

static struct plan shipped(const char *name)
{
    struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(plan_load_shipped(name, &plan, message, sizeof(message)), 0, "%s", message);
    return plan;
}

static struct plan written(const char *text)
{
    struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(plan_load_text("test", text, strlen(text), &plan, message, sizeof(message)), 0,
                 "%s", message);
    return plan;
}

static struct campaign play(const struct campaign_options *options)
{
    struct campaign campaign;
    cr_assert_eq(campaign_run(options, &campaign), 0);
    cr_assert_eq(campaign.environment.message[0], '\0', "%s", campaign.environment.message);
    return campaign;
}

static struct campaign_options options_for(const struct plan *plans, uint32_t count, uint64_t seeds)
{
    return (struct campaign_options){.plans = plans,
                                     .plan_count = count,
                                     .seed_first = 1,
                                     .seed_last = seeds,
                                     .carrier = "process",
                                     .jobs = 2,
                                     .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};
}

static void expect_no_failure(const struct campaign *campaign)
{
    if (campaign->failure_count > 0) {
        const struct failure *failure = &campaign->failures[0];
        cr_assert_fail("%s: %s\n%s\nsinval replay %s", oracle_name(failure->finding.oracle),
                       failure->finding.message, failure->details, failure->token);
    }
    cr_assert_eq(campaign->failed, 0);
    cr_assert_eq(campaign->runs, campaign->planned);
}

static uint64_t sum(const uint64_t *counts, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += counts[i];
    }
    return total;
}

/*
 * Claim:   whatever a plan does, no property is violated, and it does something.
 * Method:  each plan with four seeds.
 */
static void hold_against(const char *name)
{
    const struct plan plan = shipped(name);
    const struct campaign_options options = options_for(&plan, 1, 4);
    struct campaign campaign = play(&options);
    expect_no_failure(&campaign);
    cr_assert_gt(sum(campaign.injected, ACTION_COUNT), 0, "no fault fired");
    cr_assert_gt(campaign.events[SV_STAT_read], 0, "nobody read a message");
    campaign_free(&campaign);
}

#define SHIPPED_PLAN(identifier, name)          \
    Test(run_fault, holds_against_##identifier) \
    {                                           \
        hold_against(name);                     \
    }
#include "faults/plans/plans.def"
#undef SHIPPED_PLAN

/* What several campaigns came to. */
struct sums {
    uint64_t fired[SV_POINT_COUNT];
    uint64_t injected[ACTION_COUNT];
    uint64_t events[SV_STAT_COUNT];
};

static void add(uint64_t *sums, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += counts[i];
    }
}

static void add_campaign(struct sums *sums, const struct plan *plans, uint32_t count,
                         uint64_t first, uint64_t last)
{
    struct campaign_options options = options_for(plans, count, last);
    options.seed_first = first;
    struct campaign campaign = play(&options);
    expect_no_failure(&campaign);
    add(sums->fired, campaign.fired, SV_POINT_COUNT);
    add(sums->injected, campaign.injected, ACTION_COUNT);
    add(sums->events, campaign.events, SV_STAT_COUNT);
    campaign_free(&campaign);
}

/*
 * Claim:   the plans together fire every point, and every kind of fault and event happens.
 * Method:  all of them, four seeds at a time, until every point has fired; at most 32 seeds. (A
 *          point that half of the seeds fire is missed by 32 of them once in four billion times.)
 */
Test(run_fault, the_plans_fire_every_point)
{
    struct plan plans[64];
    struct sums sums = {0};
    const uint32_t count = plan_shipped_count();
    cr_assert_leq(count, 64);
    for (uint32_t i = 0; i < count; i++) {
        plans[i] = shipped(plan_shipped_name(i));
    }
    for (uint64_t seed = 1; seed <= 32 && campaign_points(sums.fired) < SV_POINT_COUNT; seed += 4) {
        add_campaign(&sums, plans, count, seed, seed + 3);
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        cr_expect_gt(sums.fired[point], 0, "no plan fired %s", point_entries[point].path);
    }
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        cr_expect_gt(sums.injected[action], 0, "no %s", action_name(action));
    }
    cr_expect_gt(sums.events[SV_STAT_wraparounds], 0);
    cr_expect_gt(sums.events[SV_STAT_resets_overflow], 0);
    cr_expect_gt(sums.events[SV_STAT_resets_requested], 0);
    cr_expect_gt(sums.events[SV_STAT_relays], 0);
    cr_expect_gt(sums.events[SV_STAT_locks_taken_over], 0);
    cr_expect_gt(sums.events[SV_STAT_intents_resent], 0);
    cr_expect_eq(sums.events[SV_STAT_resets_repair], 0);
}

/*
 * Claim:   a hang is seen (O4), says who waited for what, and its token names plan, seed and world.
 * Method:  a backend that sleeps for a minute with the write lock; a deadline of one second. The
 *          others have enough to do to come to wait for it, though it may start late.
 */
Test(run_fault, a_hang_is_found_explained_and_replayable)
{
    const struct plan plan = written(HANG_PLAN);
    struct campaign_options options = options_for(&plan, 1, 1);
    static struct token token;
    char message[PLAN_MESSAGE_MAX];
    options.seed_first = options.seed_last = 77;
    options.timeout_ms = 1000;
    options.transactions = 5000;
    struct campaign campaign = play(&options);
    cr_assert_eq(campaign.failed, 1);
    const struct failure *failure = &campaign.failures[0];
    cr_expect_eq(failure->finding.oracle, ORACLE_O4, "%s", failure->finding.message);
    cr_expect_not_null(strstr(failure->details, "lock write: owner slot"), "%s", failure->details);
    cr_expect_not_null(strstr(failure->details, "waits for write"), "%s", failure->details);
    cr_expect_not_null(strstr(failure->details, "release/before, hit 2: delay"), "%s",
                       failure->details);
    cr_assert_eq(token_decode(failure->token, &token, message, sizeof(message)), 0, "%s", message);
    cr_expect_eq(token.seed, 77);
    cr_expect_eq(token.transactions, 5000);
    cr_expect_eq(plan_digest(&token.plan), plan_digest(&plan));
    campaign_free(&campaign);
}

/*
 * Claim:   a campaign stops at the first failure, or goes on if it is told to.
 * Method:  the plan that hangs, four seeds; the backend stands still in all of them.
 */
Test(run_fault, a_campaign_goes_on_only_if_told_to)
{
    const struct plan plan = written(HANG_PLAN);
    struct campaign_options options = options_for(&plan, 1, 4);
    options.timeout_ms = 1000;
    options.jobs = 1;
    struct campaign campaign = play(&options);
    cr_expect_eq(campaign.runs, 1);
    cr_expect_eq(campaign.failed, 1);
    campaign_free(&campaign);
    options.keep_going = true;
    options.jobs = 4;
    campaign = play(&options);
    cr_expect_eq(campaign.runs, 4);
    cr_expect_eq(campaign.failed, 4);
    cr_expect_eq(campaign.plans[0].failed, 4);
    campaign_free(&campaign);
}

/* A carrier of no real backends: seat 0 ends by SIGABRT, the others leave. */
static int pretend_open(struct carrier *carrier)
{
    carrier->own = NULL;
    return 0;
}

static int pretend_start(struct carrier *carrier, uint32_t seat)
{
    (void)seat;
    carrier->own = carrier->pids; /* something: not told yet */
    return 0;
}

static int pretend_wait(struct carrier *carrier, uint32_t wait_ms)
{
    (void)carrier;
    (void)wait_ms;
    return 0;
}

static bool pretend_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    *exit = (struct carrier_exit){.seat = 0, .status = -SIGABRT};
    const bool untold = carrier->own != NULL;
    carrier->own = NULL;
    return untold;
}

static void pretend_resume(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    (void)seat;
}

static int pretend_close(struct carrier *carrier)
{
    (void)carrier;
    return 0;
}

/*
 * Claim:   a backend that ends by a signal that is no plan's is a violation (O3): an assertion of
 *          the library's, or a crash.
 * Method:  a carrier that says so.
 */
Test(run_fault, an_end_that_is_nobodys_plan_is_a_violation)
{
    static const struct carrier_kind pretender = {
        .name = "pretender",
        .open = pretend_open,
        .start = pretend_start,
        .wait = pretend_wait,
        .next_exit = pretend_next_exit,
        .resume = pretend_resume,
        .close = pretend_close,
    };
    static struct run_result result;
    const struct plan plan = shipped("kill-mid-message");
    const struct run_options options = {
        .plan = &plan, .seed = 1, .carrier = &pretender, .timeout_ms = 1000};
    cr_assert_eq(injector_init(), 0);
    run_execute(&options, &result);
    cr_expect_eq(result.outcome, RUN_VIOLATED);
    cr_expect_eq(result.finding.oracle, ORACLE_O3);
    cr_expect_not_null(strstr(result.finding.message, "Aborted"), "%s", result.finding.message);
}
