/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What came of a campaign, as text for people, as JSON, as JUnit's XML.
 *
 * Each returns 0, or -errno if it could not be written or there was no memory.
 */
#ifndef SINVAL_FAULTS_REPORT_H
#define SINVAL_FAULTS_REPORT_H

#include <stdio.h>

#include "faults/campaign.h"

/* Failures with all that is known of them, then one table. */
SV_NODISCARD int report_text(const struct campaign *campaign, FILE *to);

/*
 * {runs, failed, seconds, injected {by action}, events {message, read, reset, catchup, relay,
 * wraparound, repair}, points {total, reached, fired}, failures [{oracle, message, token}]}
 */
SV_NODISCARD int report_json(const struct campaign *campaign, FILE *to);

/* A suite for each plan: a case for all its runs that passed, and one for each failure. */
SV_NODISCARD int report_junit(const struct campaign *campaign, FILE *to);

#endif
