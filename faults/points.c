/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/points.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What the catalogue calls the actions. */
enum {
    KILL = 1u << ACTION_KILL,
    STALL = 1u << ACTION_STALL,
    DELAY = 1u << ACTION_DELAY,
    FAIL = 1u << ACTION_FAIL,
    DROP = 1u << ACTION_DROP,
    DUPLICATE = 1u << ACTION_DUPLICATE,
    LATE = 1u << ACTION_LATE,
    INTERRUPT = 1u << ACTION_INTERRUPT,
};

const struct point_entry point_entries[SV_POINT_COUNT] = {
#define SV_POINT_DEF(name, path, actions, where, death) \
    [SV_POINT_##name] = {#name, path, actions, where, death},
#include "faults/points.def"
#undef SV_POINT_DEF
};

const char *const action_names[ACTION_COUNT + 1] = {
    [ACTION_KILL] = "kill", [ACTION_STALL] = "stall",         [ACTION_DELAY] = "delay",
    [ACTION_FAIL] = "fail", [ACTION_DROP] = "drop",           [ACTION_DUPLICATE] = "duplicate",
    [ACTION_LATE] = "late", [ACTION_INTERRUPT] = "interrupt",
};

const char *action_name(enum action action)
{
    return action < ACTION_COUNT ? action_names[action] : "none";
}

enum action action_find(const char *name)
{
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        if (strcmp(name, action_names[action]) == 0) {
            return action;
        }
    }
    return ACTION_NONE;
}

enum sv_point point_find(const char *path)
{
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (strcmp(path, point_entries[point].path) == 0) {
            return point;
        }
    }
    return SV_POINT_COUNT;
}

bool point_matches(const char *pattern, enum sv_point point)
{
    const size_t length = strlen(pattern);

    if (length > 0 && pattern[length - 1] == '*') {
        return strncmp(pattern, point_entries[point].path, length - 1) == 0;
    }
    return strcmp(pattern, point_entries[point].path) == 0;
}

bool point_in_handler(enum sv_point point)
{
    return point_matches("signal/handler/*", point);
}

char *point_actions_text(uint32_t actions, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (enum action action = 0; action < ACTION_COUNT && used < size; action++) {
        if ((actions >> action & 1) == 0) {
            continue;
        }
        const bool last = actions >> (action + 1) == 0;
        const char *separator = used == 0 ? "" : last ? " or " : ", ";
        const int added =
            snprintf(text + used, size - used, "%s%s", separator, action_names[action]);
        used += added > 0 ? (size_t)added : 0;
    }
    return text;
}

#define NEAREST_LENGTH_MAX 96

/* Levenshtein's edit distance, case ignored. Words longer than the limit are far from all. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NEAREST_LENGTH_MAX + 1];
    const size_t length = strlen(b);

    if (length > NEAREST_LENGTH_MAX || strlen(a) > NEAREST_LENGTH_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            const bool equal = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
            const size_t replaced = diagonal + (equal ? 0 : 1);
            const size_t skipped = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = replaced < skipped ? replaced : skipped;
        }
    }
    return row[length];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    const size_t far = strlen(word) / 3 + 2;
    const char *nearest = NULL;
    size_t least = far;

    for (size_t i = 0; i < count; i++) {
        const size_t distance = edit_distance(word, names[i]);

        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* As much of a path as the pattern spells out, the same number of slashes, and a '*'. */
static void as_pattern(const char *path, const char *pattern, char text[POINT_NEAREST_MAX])
{
    size_t kept = 0;

    for (const char *c = pattern; *c != '\0' && path[kept] != '\0'; c++) {
        if (*c == '/') {
            kept += strcspn(path + kept, "/");
            kept += path[kept] == '/';
        }
    }
    snprintf(text, POINT_NEAREST_MAX, "%.*s*", (int)(kept == 0 ? strlen(path) : kept), path);
}

const char *point_nearest(const char *pattern, char text[POINT_NEAREST_MAX])
{
    const size_t length = strlen(pattern);
    const bool wild = length > 0 && pattern[length - 1] == '*';
    size_t least = length / 3 + 2;

    text[0] = '\0';
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        char candidate[POINT_NEAREST_MAX];

        if (wild) {
            as_pattern(point_entries[point].path, pattern, candidate);
        } else {
            snprintf(candidate, sizeof(candidate), "%s", point_entries[point].path);
        }
        const size_t distance = edit_distance(pattern, candidate);
        if (distance < least) {
            least = distance;
            memcpy(text, candidate, sizeof(candidate));
        }
    }
    return text[0] == '\0' ? NULL : text;
}
