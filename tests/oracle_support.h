/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the suites of the oracles have in common.
 */
#ifndef SINVAL_TESTS_ORACLE_SUPPORT_H
#define SINVAL_TESTS_ORACLE_SUPPORT_H

#include "faults/judge.h"
#include "faults/reads.h"
#include "faults/run.h"
#include "faults/workload.h"
#include "shm/segment.h"
#include "support.h"

static inline struct control control_of(uint32_t backends, uint32_t keys)
{
    struct control control;
    const struct plan_world world = {.backends = backends, .keys = keys};
    cr_assert_eq(control_create(&control, &world, backends), 0);
    return control;
}

/* It was reported, by that oracle, with these words. */
static inline void expect(bool judged_right, const struct finding *finding, enum oracle oracle,
                          const char *words)
{
    cr_assert_not(judged_right, "nothing was found");
    cr_assert_eq(finding->oracle, oracle, "found by %s: %s", oracle_name(finding->oracle),
                 finding->message);
    cr_assert_not_null(strstr(finding->message, words), "says: %s", finding->message);
}

#endif
