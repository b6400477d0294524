/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where each backend of the last execution stands: who it waits for, or died, and who called whom.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STACKS_H
#define SINVAL_FAULTS_EXPLORE_STACKS_H

#include <stddef.h>
#include <stdint.h>

/* On standard output, for people. */
void stacks_print(void);

#endif
