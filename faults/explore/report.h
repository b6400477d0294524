/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a campaign found, for people and for programs; and the story of one execution.
 */
#ifndef SINVAL_FAULTS_EXPLORE_REPORT_H
#define SINVAL_FAULTS_EXPLORE_REPORT_H

#include <jansson.h>

#include "faults/explore/campaign.h"

struct report {
    json_t *worlds; /* NULL: text, written at once */
};

void report_begin(struct report *report, bool json);
void report_world(struct report *report, const struct campaign_options *options,
                  const struct campaign_report *found);

/* Of a corner in which a defect is planted: was it found? */
void report_corner(struct report *report, const struct world_kind *corner,
                   const struct campaign_report *found, bool as_planted);
void report_end(struct report *report);

/*
 * Repeat an execution and tell it, step by step: all of them, or those that matter; and if it
 * fails, where each backend stands. Returns: 0; -errno.
 */
SV_NODISCARD int report_replay(const struct word *word, bool all, struct machine_result *result);

#endif
