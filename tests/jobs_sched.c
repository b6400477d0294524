/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Jobs: executions divided among processes; here a number is all that an execution is.
 */
#include "faults/explore/jobs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/explore/world.h"
#include "faults/random.h"

TestSuite(jobs_sched, .timeout = 60);

#define ORDERS_CAPACITY 16384
#define ORDERS          3000
#define FAILS_EACH      997 /* executions: one that fails */

static struct campaign_options options_of(uint32_t jobs, uint32_t failures)
{
    static const struct world_kind world = {.name = "none"};

    return (struct campaign_options){
        .world = &world, .schedules = 20000, .failures = failures, .jobs = jobs};
}

/* The execution of that number. */
static void execute(struct campaign_report *report, struct orders *orders, uint64_t number)
{
    report->schedules++;
    report->accesses += number % 7;
    report->switches += number % 11;
    report->longest = number % 5000 > report->longest ? number % 5000 : report->longest;
    (void)orders_add(orders, random_mix(1 + random_mix(number) % ORDERS));
    if (number % FAILS_EACH == 5 && report->failure_count < CAMPAIGN_FAILURES_MAX) {
        struct campaign_failure *failure = &report->failures[report->failure_count++];
        char word[32];
        char found[32];
        (void)snprintf(word, sizeof(word), "word %" PRIu64, number);
        (void)snprintf(found, sizeof(found), "found %" PRIu64, number);
        *failure = (struct campaign_failure){
            .number = number, .word = strdup(word), .found = strdup(found)};
    }
}

static void explore_part(void *argument, struct job *job)
{
    const struct campaign_options *options = argument;

    for (uint64_t number = JOBS_ALONE + job->number;
         number < options->schedules && job->report.failure_count < options->failures &&
         job_goes_on(job, number);
         number += options->jobs) {
        execute(&job->report, &job->orders, number);
    }
}

/* All of it: some executions alone, then the rest divided. */
static int explore(struct campaign_options *options, struct campaign_report *report,
                   struct orders *orders)
{
    *report = (struct campaign_report){0};
    cr_assert_eq(orders_open(orders, ORDERS_CAPACITY), 0);
    for (uint64_t number = 0; number < JOBS_ALONE; number++) {
        execute(report, orders, number);
    }
    return jobs_run(options, report, orders, explore_part, options);
}

static void forget(struct campaign_report *report, struct orders *orders)
{
    for (uint32_t i = 0; i < report->failure_count; i++) {
        free(report->failures[i].word);
        free(report->failures[i].found);
    }
    orders_close(orders);
}

/*
 * Claim:   what is reported does not depend on how many work, as long as nothing ends them early:
 *          executions, sums, the longest, orders, and how many of those were seen once.
 */
Test(jobs_sched, numbers_do_not_depend_on_how_many_work)
{
    struct campaign_report one = {0};
    struct orders seen;

    cr_assert_eq(orders_open(&seen, ORDERS_CAPACITY), 0);
    for (uint64_t number = 0; number < 6000; number++) {
        execute(&one, &seen, number);
    }
    cr_assert_lt(one.failure_count, CAMPAIGN_FAILURES_MAX);
    for (uint32_t jobs = 1; jobs <= 5; jobs++) {
        struct campaign_options options = options_of(jobs, CAMPAIGN_FAILURES_MAX);
        struct campaign_report report;
        struct orders orders;
        options.schedules = 6000;
        cr_assert_eq(explore(&options, &report, &orders), 0);
        cr_assert_eq(report.schedules, one.schedules);
        cr_assert_eq(report.accesses, one.accesses);
        cr_assert_eq(report.switches, one.switches);
        cr_assert_eq(report.longest, one.longest);
        cr_assert_eq(report.failure_count, one.failure_count);
        cr_assert_eq(orders.executions, seen.executions);
        cr_assert_eq(orders_distinct(&orders), orders_distinct(&seen));
        cr_assert_eq(orders_once(&orders), orders_once(&seen));
        forget(&report, &orders);
    }
    forget(&one, &seen);
}

/*
 * Claim:   the failures reported are those of the lowest numbers, in their order, with their words,
 *          however many work.
 */
Test(jobs_sched, the_lowest_failures_are_reported)
{
    for (uint32_t jobs = 1; jobs <= 5; jobs++) {
        for (uint32_t failures = 3; failures <= CAMPAIGN_FAILURES_MAX; failures++) {
            struct campaign_options options = options_of(jobs, failures);
            struct campaign_report report;
            struct orders orders;
            cr_assert_eq(explore(&options, &report, &orders), 0);
            cr_assert_eq(report.failure_count, failures);
            for (uint32_t i = 0; i < failures; i++) {
                char word[32];
                const uint64_t number = 5 + (uint64_t)i * FAILS_EACH;
                (void)snprintf(word, sizeof(word), "word %" PRIu64, number);
                cr_assert_eq(report.failures[i].number, number, "%u jobs, %u: %" PRIu64, jobs, i,
                             report.failures[i].number);
                cr_assert_str_eq(report.failures[i].word, word);
                (void)snprintf(word, sizeof(word), "found %" PRIu64, number);
                cr_assert_str_eq(report.failures[i].found, word);
            }
            forget(&report, &orders);
        }
    }
}

/* The second job ends at once, in no good way; the others never. */
static void end_badly(void *argument, struct job *job)
{
    (void)argument;
    if (job->number == 1) {
        (void)raise(SIGKILL);
    }
    for (;;) {
        (void)pause();
    }
}

/*
 * Claim:   a job that ends otherwise than it should ends them all, and is told.
 */
Test(jobs_sched, a_job_that_is_killed_ends_all)
{
    const struct campaign_options options = options_of(3, 1);
    struct campaign_report report = {0};
    struct orders orders;

    cr_assert_eq(orders_open(&orders, ORDERS_CAPACITY), 0);
    cr_assert_eq(jobs_run(&options, &report, &orders, end_badly, NULL), -ECHILD);
    orders_close(&orders);
}
