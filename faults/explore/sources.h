/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which line of the source an address in this program is of, by its debug information.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SOURCES_H
#define SINVAL_FAULTS_EXPLORE_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_DEPTH_MAX 6
#define SOURCE_TEXT_MAX  112

/*
 * Innermost first: functions are inlined in each other. Wrappers of single accesses are left out.
 */
struct source {
    uint32_t depth;                               /* 0: it is not known */
    char text[SOURCE_DEPTH_MAX][SOURCE_TEXT_MAX]; /* "sv_queue_insert, queue.c:110" */
};

/* What the code before each of these addresses, where calls return to, is. All unknown without
 * addr2line. */
void sources_find(const void *const *addresses, uint32_t count, struct source *sources);

#endif
