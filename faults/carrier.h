/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Carriers: what backends of a run are made of. Processes now; threads and fibers fit in the same
 * five calls.
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
    uint32_t seat;
    bool killed;    /* by SIGKILL: a fault, or its like */
    bool restarted; /* the carrier has filled the seat again */
    int status;     /* an enum worker_exit; -signal for any other signal */
};

struct carrier;

struct carrier_kind {
    const char *name;

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

    /* End whoever is left; nothing remains. */
    void (*close)(struct carrier *carrier);
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

/*
 * The carrier of that name, as --carrier and tokens spell it; NULL: there is none. A world that
 * wants a postmaster gets one.
 */
const struct carrier_kind *carrier_find(const char *name, bool postmaster);

/* Names of all carriers, "process", for a message. */
const char *carrier_names(void);

/* Does the same for every kind. Returns: 0; -ENOMEM, or what the kind's open says. */
SV_NODISCARD int carrier_open(struct carrier *carrier, const struct carrier_kind *kind,
                              const struct run_world *world);
void carrier_close(struct carrier *carrier);

/* A wait status in the words of struct carrier_exit. */
void carrier_exit_from(struct carrier_exit *exit, int wait_status);

#endif
