/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Hosts: the process in which the backends of a run live as threads. It is forked from a supervisor
 * that has one thread, and hears from it through a board that both have mapped.
 *
 *     supervisor                   a place for each seat       host: its first thread, no signals
 *     start      FREE -> WANTED    and a bell                  WANTED -> LIVING   pthread_create
 *     next_exit  GONE -> FREE                                  OVER   -> GONE     pthread_join
 *                                                              a backend's own thread:
 *     resume     sets resumed                                  LIVING -> OVER     it is through
 *
 * Each state has one who may end it, so plain stores do. [1] The release store of a state pairs
 * with the acquire load of who takes it on, and carries killed and status. The bell is rung after
 * the store: a look that began before the ring is repeated, since the wait compares the bell with
 * what it was before the look.
 *
 * What becomes of a backend that is killed or stalled: faults/host.c.
 */
#ifndef SINVAL_FAULTS_HOST_H
#define SINVAL_FAULTS_HOST_H

#include "faults/workload.h"

/* What a host ends with, beyond 0 and enum worker_exit. It has printed what it means. */
enum host_exit {
    HOST_KEPT = 20,   /* descriptors or mappings were left */
    HOST_LEAKED = 21, /* memory was, says the leak sanitizer */
};

enum place_state { PLACE_FREE, PLACE_WANTED, PLACE_LIVING, PLACE_OVER, PLACE_GONE };

struct place {
    struct sv_atomic32 state; /* enum place_state [1] */
    struct sv_atomic32 resumed;
    bool killed;
    int status; /* enum worker_exit */
};

struct board {
    struct sv_atomic32 bell;    /* moves when there is something for the host to look at */
    struct sv_atomic32 closing; /* nobody will be wanted any more: end */
    struct place places[];      /* by seat */
};

void board_ring(struct board *board);

/*
 * The life of a host, in a process that was forked for it; supervisor is its parent, dies with it.
 * Sends it SIGCHLD for each place that is GONE. Ends by _exit, when told to and nobody is left.
 */
_Noreturn void host_live(const struct run_world *world, struct board *board, pid_t supervisor);

#endif
