/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which instructions touch the segment: decoded, with the addresses that they compute from the
 * registers of a process forked from this one.
 */
#ifndef SINVAL_TESTS_SWEEP_ACCESS_H
#define SINVAL_TESTS_SWEEP_ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct access_reader;
struct user_regs_struct;

/* NULL: no memory. */
struct access_reader *access_open(const void *segment, size_t segment_bytes);
void access_close(struct access_reader *reader);

/* TOUCH_… of the instruction that a child with these registers is about to execute. */
uint8_t access_of(struct access_reader *reader, const struct user_regs_struct *registers);

#endif
