/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sessions: the machine for as long as somebody likes. Processes are started and end while others
 * go on, and time passes; whoever called has the word in between, and sees and changes what it
 * likes, in nobody's process, with nothing traced.
 *
 *     machine_create; session_open; session_start...;
 *     { session_run; whatever there is to see to; session_start... }...; machine_destroy
 *
 * Who takes the next step is the strategy's affair, as in an execution.
 *
 * Design: faults/explore/session.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SESSION_H
#define SINVAL_FAULTS_EXPLORE_SESSION_H

#include "faults/explore/machine.h"
#include "faults/explore/strategy.h"

/* Nobody is there yet. steps_limit and owed of the settings are not used. */
void session_open(const struct machine_settings *settings, struct strategy *strategy);

/* A new process takes the place of that backend, which has none: settings.run is its life. */
void session_start(uint32_t backend);

/*
 * Let them go on until that time, or until one of them has ended. Returns: true; false: an oracle
 * said no, machine_finding says what, and the session is over.
 */
bool session_run(uint64_t until_ns);

/* Of every event so far, in order. */
uint64_t session_hash(void);

/*
 * In place of session_run: whoever calls is backend 0 of the session from now on, on the stack and
 * with the memory that it has, and nobody has the word in between; what an oracle says no to ends
 * the program. Until session_over, when the others have ended.
 */
void session_join(void);
void session_over(void);

/* ---- for what runs in it --------------------------------------------------------------------- */

/* Who runs is killed here. Otherwise a process ends when settings.run returns. */
_Noreturn void session_die(void);

/* Who runs goes on at that time, no sooner; signals are handled meanwhile, or, deaf, afterwards. */
void session_rest(uint64_t until_ns, bool deaf);

#endif
