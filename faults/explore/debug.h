/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A failure under gdb: the replay stops at the fatal step, with each backend's stack to look at
 * (sinval-explore-gdb.py, beside the program).
 */
#ifndef SINVAL_FAULTS_EXPLORE_DEBUG_H
#define SINVAL_FAULTS_EXPLORE_DEBUG_H

/* Called where an oracle has said no, on the stack of whoever it was: to break at. */
void explore_fatal_step(void);

/* Become gdb on this program, replaying token. Returns only if that cannot be: -errno. */
int debug_replay(char *token);

#endif
