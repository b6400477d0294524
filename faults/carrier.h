/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Carriers: what backends of a run are made of: processes, threads, fibers.
 *
 * A supervisor, in one thread, uses a carrier for one run:
 *
 *     open, start each seat; { wait; next_exit until false; resume; start again } ...; close
 */
#ifndef SINVAL_FAULTS_CARRIER_H
#define SINVAL_FAULTS_CARRIER_H

#include <sys/types.h>

#include "faults/workload.h"

/* How the occupant of a seat ended. */
struct carrier_exit {
    uint32_t seat;  /* or CARRIER_EVERYBODY: what carried them all has ended, which nobody wanted */
    bool killed;    /* by SIGKILL: a fault, or its like */
    bool restarted; /* the carrier has filled the seat again */
    int status;     /* an enum worker_exit; -signal for any other signal */
};

#define CARRIER_EVERYBODY UINT32_MAX

#define CARRIER_WHY_MAX 160

struct carrier;

struct carrier_kind {
    const char *name;

    /* Can it carry this plan? Returns: true; false and a clause that says why. NULL: any plan. */
    bool (*carries)(const struct plan *plan, char *why, size_t size);

    /*
     * Is a fault of that action nothing that can be made there? Of those that a wildcard names such
     * points are left out. NULL: all can.
     */
    bool (*lacks)(enum action action, enum sv_point point);

    /* Before anything of a run is made. Returns: 0; -errno. NULL: nothing has to be done. */
    int (*prepare)(const struct plan *plan);

    /* Returns: 0; -errno. */
    int (*open)(struct carrier *carrier);

    /* Fill a seat. Returns: 0; -errno. */
    int (*start)(struct carrier *carrier, uint32_t seat);

    /* Wait until something may have happened, or wait_ms. Returns: 0; -EINTR: asked to end. */
    int (*wait)(struct carrier *carrier, uint32_t wait_ms);

    /* Returns: true and *exit, if somebody has ended who was not told of yet. */
    bool (*next_exit)(struct carrier *carrier, struct carrier_exit *exit);

    /* Let a stalled one go on. */
    void (*resume)(struct carrier *carrier, uint32_t seat);

    /*
     * Send a process a signal, from outside; NULL: not of processes. Returns: its pid; 0: nobody is
     * in the seat. It is one that nobody has waited for yet, so it is never a stranger.
     */
    pid_t (*strike)(struct carrier *carrier, uint32_t seat, int signal_number);

    /* A hash of all that has happened, the same each time that a run is played; NULL: it is not. */
    uint64_t (*events)(const struct carrier *carrier);

    /*
     * End whoever is left; nothing remains. Returns: 0; if nobody was left, and what carried them
     * did not end as it should, how: as struct carrier_exit.status.
     */
    int (*close)(struct carrier *carrier);
};

struct carrier {
    const struct carrier_kind *kind;
    const struct run_world *world;
    pid_t *pids; /* by seat; 0: nobody there */
    void *own;   /* the kind's */
};

/* Forks. What waits, waits for SIGCHLD, SIGINT and SIGTERM, which the caller has blocked. */
extern const struct carrier_kind carrier_process;

/* The same through the library's postmaster, who restarts the killed by itself. */
extern const struct carrier_kind carrier_postmaster;

/* Threads of one forked process. */
extern const struct carrier_kind carrier_thread;

/*
 * Fibers of a program of its own, `sinval-fiber`, which has no other carrier, nor another program
 * this one.
 */
extern const struct carrier_kind carrier_fiber;

/* Those that a program has; the last one NULL. */
extern const struct carrier_kind *const carrier_kinds[];

/*
 * The carrier of that name, as --carrier and tokens spell it; NULL: this program has none. A world
 * that wants a postmaster gets one.
 */
const struct carrier_kind *carrier_find(const char *name, bool postmaster);

/* Names of all carriers, "process, thread or fiber", for a message. */
const char *carrier_names(void);

/* Can this kind carry that plan? Returns: true; false and why[CARRIER_WHY_MAX], a clause. */
bool carrier_carries(const struct carrier_kind *kind, const struct plan *plan, char *why);

/* Can a fault be made nowhere? */
bool carrier_lacks(const struct carrier_kind *kind, const struct fault *fault);

/* No fault that cannot be made is to be. Before anybody is there. */
void carrier_leave_out(const struct carrier_kind *kind, struct injector *injector);

/* Wait at most wait_ms for SIGCHLD, SIGINT or SIGTERM, which are blocked. Returns: 0; -EINTR: one
 * of the last two. */
int carrier_wait_signal(uint32_t wait_ms);

/* Does the same for every kind. Returns: 0; -ENOMEM, or what the kind's open says. */
SV_NODISCARD int carrier_open(struct carrier *carrier, const struct carrier_kind *kind,
                              const struct run_world *world);
int carrier_close(struct carrier *carrier);

/* A wait status in the words of struct carrier_exit. */
void carrier_exit_from(struct carrier_exit *exit, int wait_status);

#endif
