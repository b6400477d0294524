/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Deviations: an execution as what makes it differ from the default policy.
 *
 * The default policy: the current agent goes on until it cannot or yields; then the next one after
 * it that is willing if it yielded, else the lowest that can go on; every draw is 0. A list of
 * deviations from that says the same as a list of all picks and answers, in a few words: most
 * executions that fail are short of switches.
 *
 *     recorder_begin; { recorder_pick | recorder_draw, after each answer of a strategy } ...
 *
 * and strategy_replay with the list gives the same answers to the same questions. What a list wants
 * and cannot have (a target that cannot go on), as in a list that was cut down, is left out.
 */
#ifndef SINVAL_FAULTS_EXPLORE_DEVIATION_H
#define SINVAL_FAULTS_EXPLORE_DEVIATION_H

#include "faults/explore/strategy.h"

enum deviation_kind {
    DEVIATION_PICK, /* target takes the step of that number */
    DEVIATION_DRAW, /* target is the answer to the draw of that number */
};

struct deviation {
    uint32_t kind;
    uint32_t at; /* number of the step, or of the draw, in the execution, from 0 */
    uint32_t target;
};

struct recorder {
    struct deviation *list; /* the caller's */
    uint32_t capacity;
    uint32_t count;
    uint32_t draws;
    bool overflowed; /* there were more than capacity */
};

/* Who goes on if nobody says otherwise. */
static inline uint32_t deviation_default(const struct explore_choice *choice)
{
    if (choice->current == EXPLORE_NOBODY) {
        return (uint32_t)__builtin_ctzll(choice->enabled);
    }
    if (choice->yielded) {
        const uint64_t after = choice->enabled & ~((UINT64_C(2) << choice->current) - 1);
        return (uint32_t)__builtin_ctzll(after != 0 ? after : choice->enabled);
    }
    return (choice->enabled >> choice->current & 1) != 0
               ? choice->current
               : (uint32_t)__builtin_ctzll(choice->enabled);
}

static inline void recorder_begin(struct recorder *recorder, struct deviation *list,
                                  uint32_t capacity)
{
    *recorder = (struct recorder){.list = list, .capacity = capacity};
}

static inline void recorder_add(struct recorder *recorder, struct deviation deviation)
{
    if (recorder->count == recorder->capacity) {
        recorder->overflowed = true;
        return;
    }
    recorder->list[recorder->count++] = deviation;
}

/* A strategy has answered choice with picked, an agent. */
static inline void recorder_pick(struct recorder *recorder, const struct explore_choice *choice,
                                 uint32_t picked)
{
    if (picked != deviation_default(choice)) {
        recorder_add(recorder,
                     (struct deviation){DEVIATION_PICK, (uint32_t)choice->number, picked});
    }
}

/* A strategy has answered a draw. */
static inline void recorder_draw(struct recorder *recorder, uint32_t answer)
{
    if (answer != 0) {
        recorder_add(recorder, (struct deviation){DEVIATION_DRAW, recorder->draws, answer});
    }
    recorder->draws++;
}

#endif
