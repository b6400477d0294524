/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Ends: an execution that leaves what another one left need not be judged once more.
 *
 * What is left when all is over (state_left) is decided by less (state_end), which costs a tenth
 * of it to hash. Whether that is so is looked at all the time: for one in ENDS_CHECK_EVERY both are
 * known.
 */
#ifndef SINVAL_FAULTS_EXPLORE_ENDS_H
#define SINVAL_FAULTS_EXPLORE_ENDS_H

#include "faults/explore/state.h"

#define ENDS_KEPT        (UINT32_C(1) << 14) /* the newest of each place */
#define ENDS_CHECK_EVERY 64

struct ends {
    uint64_t keys[ENDS_KEPT]; /* of those that nothing was wrong with */
    uint64_t left[ENDS_KEPT / ENDS_CHECK_EVERY];
};

enum ends_answer {
    ENDS_NEW,    /* it has to be judged */
    ENDS_JUDGED, /* as one was that nothing was wrong with */
    ENDS_ODD     /* that one had the same order, and left something else: a bug of the explorer */
};

#define ENDS_ODD_TEXT                                \
    "executions of one order leave different things" \
    ": something was never set, or is remembered from before"

/*
 * What about the execution that is just over? A new one is added: see ends_forget. Its place is its
 * order's (machine_order), so what is compared is the same in every process: keys have addresses in
 * them, of what lies beside the segment.
 */
static inline enum ends_answer ends_look(struct ends *ends, uint64_t order, uint64_t key)
{
    uint64_t *kept = &ends->keys[order % ENDS_KEPT];
    uint64_t *left = &ends->left[order % ENDS_KEPT / ENDS_CHECK_EVERY];
    const bool checked = order % ENDS_CHECK_EVERY == 0;

    if (*kept == key) {
        return checked && *left != state_left() ? ENDS_ODD : ENDS_JUDGED;
    }
    *kept = key;
    *left = checked ? state_left() : *left;
    return ENDS_NEW;
}

/* It has been judged, and something was wrong with it. */
static inline void ends_forget(struct ends *ends, uint64_t order)
{
    ends->keys[order % ENDS_KEPT] = 0;
}

#endif
