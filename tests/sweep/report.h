/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table of a sweep.
 */
#ifndef SINVAL_TESTS_SWEEP_REPORT_H
#define SINVAL_TESTS_SWEEP_REPORT_H

#include <jansson.h>

#include "tests/sweep/sweep.h"

struct row {
    const struct operation *operation;
    struct sweep_result result; /* of all its jobs */
};

/* Add what a job has found to its row. */
void report_add(struct row *row, const struct sweep_result *result);

/* Print the table, with a sum and what was left out; or the same as JSON. */
void report_text(const struct row *rows, uint32_t count, const struct sweep_options *options);
void report_json(const struct row *rows, uint32_t count, const struct sweep_options *options);

/* What they share: the failures below the table, and how JSON is printed; report is freed. */
void report_failures(const struct row *rows, uint32_t count);
void report_dump(json_t *report);

#endif
