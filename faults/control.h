/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The control area: what the backends of a run and its supervisor tell each other, in a mapping of
 * its own beside the segment. Nothing here is known to src/: it is the truth that the oracles
 * compare with what the library says.
 *
 * A *seat* is a backend of the plan, 0 .. backends - 1; a *birth* is one incarnation of it: a
 * process or thread that was started to fill the seat. Messages and rows name their writer by its
 * birth.
 *
 * Everything is written by its one owner (a birth's fields by that birth, before and after what
 * they tell of), or by an atomic read-modify-write. A word that says "begun" is stored before, one
 * that says "done" after the deed; so whoever died in between did at least what is done and at most
 * what is begun. What others read is atomic: what orders it may be the supervisor, in a process
 * that a race detector does not see.
 *
 * Design and layout: faults/control.c.
 */
#ifndef SINVAL_FAULTS_CONTROL_H
#define SINVAL_FAULTS_CONTROL_H

#include "base/atomic.h"
#include "faults/oracle.h"
#include "faults/plan.h"

#define CONTROL_BIRTHS_MAX  16384 /* of one run; a birth's number has 14 bits */
#define CONTROL_ABORTED_MAX 16384 /* transactions that are known not to be committed */

/* What the supervisor wants. */
enum control_phase {
    CONTROL_WORK,  /* take the steps of the workload, then serve */
    CONTROL_REST,  /* take no more steps, serve; the killed are not replaced any more */
    CONTROL_DRAIN, /* everyone has taken them: read what is left, judge, leave */
};

/* Where a seat is. */
enum seat_phase {
    SEAT_EMPTY,   /* forked at most, not attached */
    SEAT_WORKING, /* taking its steps */
    SEAT_SERVING, /* has taken them; reads, serves, waits for CONTROL_DRAIN */
    SEAT_LEFT,    /* drained, judged, detached */
};

struct seat {
    struct sv_atomic32 phase; /* enum seat_phase */
    struct sv_atomic32 birth; /* who sits there, + 1; 0: nobody yet */
    struct sv_atomic32 slot;  /* in the segment, + 1; 0: not attached */
    struct sv_atomic32 steps; /* of the workload taken, by all its births */
    struct sv_atomic32 beats; /* moves with every piece of work that is progress */
    struct sv_atomic32 rests; /* it waits, or rests between steps */
    struct sv_atomic64 reads; /* of rows that were judged (O1), by all its births */
};

/* Why messages of a birth may be sent again: its newest intent. */
enum birth_intent {
    INTENT_NONE,
    INTENT_DECLARED, /* by an sv_intent_declare that returned: K2 promises it */
};

#define BIRTH_WRITES_MAX 24

struct birth {
    struct sv_atomic32 seat;
    struct sv_atomic32 ended;        /* the supervisor has seen its end */
    struct sv_atomic32 displaced;    /* somebody else was given its slot, or sent its intent */
    struct sv_atomic32 begun;        /* messages 0 .. begun - 1 may have been inserted */
    struct sv_atomic32 sent;         /* messages 0 .. sent - 1 have been */
    struct sv_atomic32 intent;       /* enum birth_intent */
    struct sv_atomic64 intent_range; /* first << 32 | end, of the newest intent */
    struct sv_atomic32 may_reset;    /* what it has promised may be "reset everyone" */
    struct sv_atomic32 commit_begun; /* the newest transaction whose commit was called */
    struct sv_atomic32 settled;      /* ended, and what it had promised has been kept by others */
    struct sv_atomic32 write_count;  /* what that transaction writes: rows, before commit_begun */
    struct sv_atomic32 writes[BIRTH_WRITES_MAX];
};

/* What is known of a slot of the segment. */
struct slot_record {
    struct sv_atomic32 owner;                /* the birth in it, + 1 */
    struct sv_atomic64 local_transaction_id; /* the highest drawn there */
};

/* The first violation of a run. */
struct verdict {
    struct sv_atomic32 state; /* 0: none; 1: being written; 2: there */
    uint32_t seat;
    struct finding finding;
};

/* A row's truth: the newest commit that returned to its writer, and whether it deleted the row. */
#define TRUTH(version, deleted) ((uint64_t)(version) << 1 | (deleted))
#define TRUTH_VERSION(truth)    ((truth) >> 1)
#define TRUTH_DELETED(truth)    (((truth)&1) != 0)

struct control_shared {
    struct sv_atomic32 phase; /* enum control_phase */
    struct sv_atomic32 births;
    struct sv_atomic32 aborted_count;
    struct sv_atomic32 settled; /* moves when births are found to be settled */
    struct sv_atomic64 app[2];  /* equal whenever nobody holds app_0 exclusively */
    struct verdict verdict;
};

/* A run's area, as a process sees it; inherited through fork at the same address. */
struct control {
    void *base;
    size_t bytes;
    uint32_t seat_count;
    uint32_t births_max;
    uint32_t slot_count;
    uint32_t keys;
    struct control_shared *shared;
    struct seat *seats;
    struct birth *births;
    struct slot_record *slots;
    struct sv_atomic64 *truth;    /* keys; TRUTH */
    struct sv_atomic32 *deleting; /* keys: a delete is under way, or its deleter died */
    struct sv_atomic64 *aborted;  /* a set of (birth + 1) << 32 | transaction */
};

/* Map an area of zeros for a world. slots: backends_max of the segment. Returns: 0; -ENOMEM. */
SV_NODISCARD int control_create(struct control *control, const struct plan_world *world,
                                uint32_t slots);

/* The same, with room for so many births; 0: as many as a plan needs. */
SV_NODISCARD int control_create_for(struct control *control, const struct plan_world *world,
                                    uint32_t slots, uint32_t births);
void control_destroy(struct control *control);

/* Report a violation; only the first of a run is kept. */
void control_accuse(const struct control *control, uint32_t seat, const struct finding *finding);

/* Returns: true and *finding, *seat, if there was one. */
bool control_verdict(const struct control *control, struct finding *finding, uint32_t *seat);

/* Births so far. */
uint32_t control_birth_count(const struct control *control);

/* How many births died with a promise that may be "reset everyone". Only after the run. */
uint32_t control_resets_asked(const struct control *control);

/* A number for a new birth in a seat. Returns: true and *birth; false: there were too many. */
bool control_birth(const struct control *control, uint32_t seat, uint32_t *birth);

/* Every slot of the dead is settled: so are all births that have ended. */
void control_settled(const struct control *control);

/* *word = max(*word, value), sequentially consistent. */
void control_raise(struct sv_atomic64 *word, uint64_t value);

/* This transaction of that birth is known to be rolled back: nobody may ever see what it wrote. */
void control_abort(const struct control *control, uint32_t birth, uint32_t transaction);
bool control_aborted(const struct control *control, uint32_t birth, uint32_t transaction);

#endif
