/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Somebody outside who knows nothing of fault points: SIGKILL, SIGSTOP and SIGCONT to random
 * processes of a run at random times, for as long as the run is to last.
 *
 * The supervisor lets it look at every tick. It strikes while there is work, and while everybody
 * comes to rest; not while all is drained, so that there is somebody left who judges.
 *
 * Design: faults/killer.c.
 */
#ifndef SINVAL_FAULTS_KILLER_H
#define SINVAL_FAULTS_KILLER_H

#include <pthread.h>

#include "faults/random.h"
#include "faults/run.h"

#define KILLER_STOP_MS_MAX 200 /* a stop lasts 1 to this many ms */

/* Why others wait for somebody. */
enum wait_cause {
    WAIT_FOR_KILLED,
    WAIT_FOR_STOPPED,
    WAIT_CAUSES,
};

/* One who was struck, by the slot that was its own. */
struct struck {
    uint64_t since_ns; /* 0: nobody */
    uint64_t until_ns; /* when it goes on */
    uint32_t tid;
    enum wait_cause cause;
};

/* A process that stands still. */
struct stop {
    int process; /* a descriptor of it; -1: nobody */
    uint64_t until_ns;
};

struct killer {
    uint32_t kills_per_s;
    uint32_t stops_per_s;
    uint64_t ends_ns; /* when all are to come to rest; CLOCK_MONOTONIC */
    bool interrupted; /* now */
    struct random random;
    uint64_t due_ns[WAIT_CAUSES];                                          /* 0: not drawn yet */
    void (*progress)(void *argument, const struct supervisor *supervisor); /* NULL: none */
    void *argument;

    pthread_t attendant;
    bool attended;
    pthread_mutex_t lock; /* of all that follows */
    bool ends;
    const struct sv_segment *segment;
    uint32_t seats;
    struct stop *stops;               /* by seat */
    struct struck *struck;            /* by slot */
    uint64_t strikes[WAIT_CAUSES];    /* that reached somebody */
    uint64_t longest_ns[WAIT_CAUSES]; /* that somebody was seen waiting for one of these */
};

/*
 * For runs of so many seats over that segment, which stays. *killer stays where it is: a thread
 * has its address. Returns: 0; -errno.
 */
SV_NODISCARD int killer_init(struct killer *killer, struct sv_segment *segment, uint32_t seats,
                             uint64_t seed);
void killer_free(struct killer *killer);

/* Before a run, that works until then; and after it: nobody is stopped. */
void killer_begin(struct killer *killer, uint64_t ends_ns);
void killer_end(struct killer *killer);

/* What the supervisor calls at each tick. */
void killer_look(struct killer *killer, struct supervisor *supervisor, uint64_t now_ns);

/* How many were struck, and the longest waits, so far. */
void killer_tell(struct killer *killer, uint64_t strikes[WAIT_CAUSES],
                 uint64_t longest_ns[WAIT_CAUSES]);

#endif
