/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which instructions touch shared memory: decoded, with the addresses that they compute from the
 * registers of a process forked from this one.
 */
#ifndef SINVAL_TESTS_SWEEP_ACCESS_H
#define SINVAL_TESTS_SWEEP_ACCESS_H

#include "tests/sweep/trace.h"

struct access_reader;
struct user_regs_struct;

/* NULL: no memory. */
struct access_reader *access_open(const struct trace_region regions[TRACE_REGIONS]);
void access_close(struct access_reader *reader);

/* TOUCH_… of the instruction that a child with these registers is about to execute. */
uint8_t access_of(struct access_reader *reader, const struct user_regs_struct *registers);

#endif
