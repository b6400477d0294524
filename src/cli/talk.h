/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Talking to a member: orders, answers, signals, and what became of it.
 */
#ifndef SINVAL_CLI_TALK_H
#define SINVAL_CLI_TALK_H

#include "cli/crew.h"

/*
 * Wait for the answer to what it was told, and print it with "N: " before each line; or that it
 * died of it, is stopped, or does not answer in time. Returns: as crew_order.
 */
bool talk_answer(struct crew *crew, uint32_t number, const char *order);

/* Tell it to leave, and wait for its end; no more patience than for any answer. */
void talk_quit(struct crew *crew, struct member *member);

/* SIGKILL, and wait for its end. */
void talk_kill(struct member *member);

#endif
