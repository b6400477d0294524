/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * How a campaign is shown: a progress bar while it runs, a report when it is over, and what that
 * means as an exit status.
 */
#ifndef SINVAL_CLI_VIEW_H
#define SINVAL_CLI_VIEW_H

#include <stdio.h>

#include "cli/cli.h"
#include "faults/campaign.h"

struct view {
    enum report report;
    const char *output; /* a file for the report; NULL: standard output */
    FILE *file;
    bool bar; /* standard error is a terminal */
    uint64_t drawn_ns;
    uint32_t drawn_columns;
};

/* Open the file, if there is one. Returns: an exit status, complained about. */
int view_open(struct view *view);

/* Play it with the bar, report, and free it. Returns: an exit status. May end by the signal that
 * interrupted the campaign. */
int view_campaign(struct view *view, struct campaign_options *options);

/* Does that word look like a token, of a run or of the explorer? */
bool is_token(const char *word);

/* Replay it. Returns: an exit status. */
int replay_token(struct view *view, char *word, uint32_t times, uint32_t timeout_ms);

#endif
