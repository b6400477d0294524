/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * How a storm is shown: a line on a terminal while it lasts, a table when it is over, and what that
 * means as an exit status.
 */
#ifndef SINVAL_CLI_STORM_VIEW_H
#define SINVAL_CLI_STORM_VIEW_H

#include "cli/cli.h"
#include "faults/storm.h"

/* Play it and report. Returns: an exit status, complained about. */
int storm_view(const struct storm_options *options, enum report report);

#endif
