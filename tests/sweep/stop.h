/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The same sweep with a victim that is stopped instead of killed, and then goes on.
 *
 * It stands still for as long as the others need to get as far as they can: to their end, or to a
 * lock that it holds, where they wait for it. Then it goes on to the end of its operation, works as
 * a survivor does, and all read to the end. Nobody is dead, so nothing is lost, nothing is sent
 * again, and nobody is reset.
 *
 * Where it stops: before the first instruction, after each one that touches the segment or calls
 * the kernel, and after the last. In between it changes nothing that others can see.
 */
#ifndef SINVAL_TESTS_SWEEP_STOP_H
#define SINVAL_TESTS_SWEEP_STOP_H

#include "tests/sweep/report.h"

/* Every stop of an operation, or with options->at that one. Failures are told as they come. */
void sweep_stops(const struct operation *operation, const struct sweep_options *options,
                 struct sweep_result *result);

/* Print the table of stops; or the same as JSON. */
void stops_text(const struct row *rows, uint32_t count, const struct sweep_options *options);
void stops_json(const struct row *rows, uint32_t count, const struct sweep_options *options);

#endif
