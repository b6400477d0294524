/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The catalogue of fault points as a table, and the actions by name.
 *
 * The catalogue itself is faults/points.def; a point's index is its enum sv_point.
 */
#ifndef SINVAL_FAULTS_POINTS_H
#define SINVAL_FAULTS_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/point.h"

/* What can be made to go wrong at a point. */
enum action {
    ACTION_KILL,      /* SIGKILL; a thread or fiber ends there */
    ACTION_STALL,     /* SIGSTOP, until the supervisor resumes it */
    ACTION_DELAY,     /* sleep, then go on */
    ACTION_FAIL,      /* the call returns an error */
    ACTION_DROP,      /* it is not done */
    ACTION_DUPLICATE, /* it is done twice */
    ACTION_LATE,      /* the signal is sent later */
    ACTION_INTERRUPT, /* EINTR, a spurious wake-up */
    ACTION_COUNT,
};

#define ACTION_NONE ACTION_COUNT

/* One line of the catalogue. */
struct point_entry {
    const char *identifier; /* queue_copy_middle */
    const char *path;       /* queue/copy/middle */
    uint32_t actions;       /* bit per enum action */
    const char *where;
    const char *death;
};

extern const struct point_entry point_entries[SV_POINT_COUNT];

/* Ends with NULL. */
extern const char *const action_names[ACTION_COUNT + 1];

/* "kill", "stall", ...; "none" for ACTION_NONE. */
const char *action_name(enum action action);

/* Returns: the action of that name, or ACTION_NONE. */
enum action action_find(const char *name);

/* Returns: the point of exactly that path, or SV_POINT_COUNT. */
enum sv_point point_find(const char *path);

static inline bool point_allows(enum sv_point point, enum action action)
{
    return (point_entries[point].actions >> action & 1) != 0;
}

/* Is it one of those that a signal handler passes (SV_POINT_ASYNC)? They are signal/handler/. */
bool point_in_handler(enum sv_point point);

/* Does the pattern, an exact path or a prefix with a trailing '*', name this point? */
bool point_matches(const char *pattern, enum sv_point point);

/* The actions of a point in words, "kill, stall or delay", into text[]; returns text. */
char *point_actions_text(uint32_t actions, char *text, size_t size);

/* Of count names, the nearest to word by edit distance; NULL if none is near. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#define POINT_NEAREST_MAX 64

/* The path or prefix* nearest to a pattern that names no point, in text[]; NULL if none is near. */
const char *point_nearest(const char *pattern, char text[POINT_NEAREST_MAX]);

#endif
