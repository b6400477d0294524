/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A run asks every oracle. That each of them can say no is in oracle_unit; here something is broken
 * before or while a run goes on, so that just one of them can see it, and the run must say so.
 */
#ifndef SINVAL_TESTS_ASKED_H
#define SINVAL_TESTS_ASKED_H

#include "faults/run.h"
#include "support.h"

#define ASKED_BACKENDS 2

static struct run_result result;

static inline struct plan plan_of(enum plan_workload workload)
{
    return (struct plan){
        .name = "asked",
        .world = {.backends = ASKED_BACKENDS,
                  .workload = workload,
                  .transactions = 40,
                  .keys = 16,
                  .config = {.capacity = 4096}},
    };
}

static inline void play(const struct plan *plan, const struct carrier_kind *carrier,
                        uint32_t timeout_ms)
{
    const struct run_options options = {
        .plan = plan, .seed = 1, .carrier = carrier, .timeout_ms = timeout_ms};
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
    cr_assert_eq(injector_init(), 0);
    run_execute(&options, &result);
}

/* That oracle has said so, in a sentence that begins like that; ORACLE_NONE: all is well. */
static inline void expect_verdict(const char *name, enum oracle oracle, const char *says)
{
    cr_expect_eq(result.outcome, oracle == ORACLE_NONE ? RUN_PASSED : RUN_VIOLATED,
                 "%s: outcome %d: %s", name, result.outcome, result.finding.message);
    cr_expect_eq(result.finding.oracle, oracle, "%s: %s: %s", name,
                 oracle_name(result.finding.oracle), result.finding.message);
    cr_expect_eq(strncmp(result.finding.message, says, strlen(says)), 0, "%s: %s", name,
                 result.finding.message);
    cr_expect_leq((double)result.pause_ns / 1e9, result.seconds, "%s", name);
}

#endif
