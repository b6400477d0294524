/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Judging a run when all have left: O3, O5, O6 and O7, each a function of what is left behind.
 *
 * Each returns true, or false and *finding. The segment has no living backend; judge_settled has
 * settled the dead.
 */
#ifndef SINVAL_FAULTS_JUDGE_H
#define SINVAL_FAULTS_JUDGE_H

#include "faults/control.h"
#include "sinval/sinval.h"

/* O3: the queue's invariants. */
bool judge_queue(struct sv_segment *segment, struct finding *finding);

/*
 * O5: no more catchups than cleanups, and, but for those whose target died or read everything by
 * itself, no more than were served; nobody who is gone holds the baton.
 */
bool judge_catchup(struct sv_segment *segment, const uint64_t stats[SV_STAT_COUNT], uint32_t births,
                   struct finding *finding);

/* O6, K3: no lock names anybody, nobody's ids went backwards; K5: nobody was reset for a death. */
bool judge_locks(struct sv_segment *segment, struct finding *finding);
bool judge_ids(struct sv_segment *segment, const struct control *control, struct finding *finding);

/* What the resets of a run are judged by. */
struct reset_facts {
    uint64_t overflow; /* marks, by cause */
    uint64_t requested;
    uint64_t repair;
    uint64_t asked;        /* by the dead: their promise may have been one */
    uint64_t inserted_max; /* messages at most */
    uint32_t capacity;
    uint32_t quantum; /* that one insert may need at once */
};

bool judge_resets(const struct reset_facts *facts, struct finding *finding);

/* O6, K1: nobody waited for the dead longer than that. */
bool judge_pause(uint64_t pause_ns, uint64_t limit_ns, struct finding *finding);

/* O7: every slot is free. */
bool judge_slots(struct sv_segment *segment, struct finding *finding);

/* What a process has: descriptors, mappings of memory, children. */
struct holdings {
    uint32_t descriptors;
    uint32_t shared_mappings;
    bool children;
};

void holdings_count(struct holdings *holdings);

/* O7: after, as many as before. */
bool judge_holdings(const struct holdings *before, const struct holdings *after,
                    struct finding *finding);

#endif
