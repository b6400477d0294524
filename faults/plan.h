/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plans: one danger each, as data. A world to run in, and the faults to provoke in it.
 *
 *     name: baton-holder-dies
 *     danger: A backend asked to catch up dies before it passes the baton on.
 *     world:
 *       backends: 8
 *       capacity: 64
 *       workload: queue
 *       transactions: 200
 *     faults:
 *       - backend: any                 # a number, any, writer or lock_holder
 *         point: queue/cleanup/signal  # exact, or a prefix with a trailing *
 *         hit: 3                       # of this point, by this backend; or probability: 0.01
 *         action: kill                 # what faults/points.def allows there
 *         at_most: 2                   # in the whole run
 *
 * A plan is loaded whole or not at all; what is wrong with it is said as "file:line:column: what is
 * wrong; what would be right". Every key, its range and its preset:
 * faults/plan_schema.c. Loading: faults/plan_load.c. Canonical form: faults/plan.c.
 */
#ifndef SINVAL_FAULTS_PLAN_H
#define SINVAL_FAULTS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults/points.h"
#include "sinval/segment.h"

#define PLAN_NAME_MAX     48 /* bytes, with the terminator: [a-z][a-z0-9-]+ */
#define PLAN_DANGER_MAX   256
#define PLAN_POINT_MAX    64
#define PLAN_FAULTS_MAX   64
#define PLAN_BYTES_MAX    8192 /* canonical form */
#define PLAN_MESSAGE_MAX  512  /* for the message buffers below */
#define PLAN_BACKENDS_MAX 1024

enum plan_workload {
    WORKLOAD_TRANSACTIONS, /* caches over a source: read, write, roll back, nest */
    WORKLOAD_QUEUE,        /* the queue alone: messages with writer, sequence and checksum */
    WORKLOAD_CHURN,        /* backends come and go */
    WORKLOAD_IDLE,         /* some writers, the rest in latch waits */
    WORKLOAD_COUNT,
};

enum plan_source {
    SOURCE_TABLE,  /* the table in the segment */
    SOURCE_SQLITE, /* one database file, many processes */
    SOURCE_COUNT,
};

/* What a run needs. Fields of config that are 0 take the library's default. */
struct plan_world {
    uint32_t backends;           /* 1 to 1024; default 8 */
    struct sv_config config;     /* capacity, cleanup_min, cleanup_quantum, signal_threshold,
                                write_quantum, wraparound, intent_max, lock_hold_max_ms; the rest is
                                the carrier's */
    enum plan_workload workload; /* default transactions */
    uint32_t transactions;       /* of each backend that is not idle; 1 to 1,000,000; default 200 */
    enum plan_source source;     /* default table */
    uint32_t keys;               /* that the transactions share; 1 to 65536; default 64 */
    uint32_t writers;            /* 0: all that are not idle; see plan_role */
    uint32_t send_only;          /* how many of the writers are send-only; default 0 */
    uint32_t idle;               /* how many sit in latch waits; default 0 */
    uint32_t burst;              /* now and then one sends this many messages at once; 0: never */
    bool postmaster;             /* the backends are a postmaster's, who restarts the dead */
    bool discard_caches;         /* every accept discards everything */
};

enum fault_target {
    TARGET_ANY,         /* every backend, each for itself */
    TARGET_WRITER,      /* every backend that plan_role calls a writer */
    TARGET_LOCK_HOLDER, /* whoever holds at least one lock at that moment */
    TARGET_NUMBER,      /* one: fault.backend */
};

struct fault {
    enum fault_target target;
    uint32_t backend;           /* with TARGET_NUMBER: 0 .. backends - 1 */
    char point[PLAN_POINT_MAX]; /* as written */
    enum action action;
    uint32_t hit;         /* the hit-th hit of a point by a backend, from 1; 0: by probability */
    uint32_t probability; /* parts in a billion, 1 to 1,000,000,000; 0: by hit */
    uint32_t argument_us; /* stall, delay, late: how long */
    uint32_t at_most;     /* in the whole run; 0: no limit */
};

struct plan {
    char name[PLAN_NAME_MAX];
    char danger[PLAN_DANGER_MAX]; /* one sentence; not part of the canonical form */
    struct plan_world world;
    bool swarm; /* each fault is active in a run with probability 1/2, drawn from the seed */
    uint32_t fault_count;
    struct fault faults[PLAN_FAULTS_MAX];
};

/*
 * Load a plan from a file; from text, as if from a file of that name; one that comes with the
 * program; or (plan_find) whichever of these argument means: the name of a shipped plan, else,
 * with a '/' or '.' in it, a file.
 *
 * Returns:  0        *plan is complete and valid.
 *           -EINVAL  *plan is all zero; message says where, what is wrong and what would be right.
 */
SV_NODISCARD int plan_load_file(const char *path, struct plan *plan, char *message, size_t size);
SV_NODISCARD int plan_load_text(const char *file, const char *text, size_t bytes, struct plan *plan,
                                char *message, size_t size);
SV_NODISCARD int plan_load_shipped(const char *name, struct plan *plan, char *message, size_t size);
SV_NODISCARD int plan_find(const char *argument, struct plan *plan, char *message, size_t size);

/* The plans that come with the program, in the order of faults/plans/plans.def. */
uint32_t plan_shipped_count(void);
/* index < plan_shipped_count(). */
const char *plan_shipped_name(uint32_t index);

/*
 * Run it with other numbers: 0 leaves the plan's own. writers, send_only and idle are kept, cut
 * down where they no longer fit; one that writes and reads is always left.
 */
void plan_override(struct plan *plan, uint32_t backends, uint32_t transactions);

/* Leave out all faults of that action. It is another plan then, and a token carries it whole. */
void plan_without(struct plan *plan, enum action action);

/* What a backend is in a world. A send-only one is a writer. */
enum plan_role { ROLE_WRITER, ROLE_SEND_ONLY, ROLE_READER, ROLE_IDLE };

/*
 * Backends 0 .. writers - 1 write (and read), the last send_only of them are send-only; the last
 * `idle` ones of all are idle; those between only read.
 */
enum plan_role plan_role(const struct plan_world *world, uint32_t backend);

/* Does the fault apply at this point: pattern and action both fit? */
bool fault_applies(const struct fault *fault, enum sv_point point);

/*
 * The canonical form: the same plan gives the same bytes on every machine; names of points are
 * spelled out, so a catalogue that grew does not change them. The danger is left out.
 *
 * Returns: the number of bytes, at most PLAN_BYTES_MAX.
 */
size_t plan_serialize(const struct plan *plan, uint8_t bytes[PLAN_BYTES_MAX]);

/* Returns: 0; -EINVAL these are not the bytes of a valid plan, *plan is all zero. */
SV_NODISCARD int plan_deserialize(const uint8_t *bytes, size_t count, struct plan *plan);

/* A hash of the canonical form. */
uint32_t plan_digest(const struct plan *plan);

const char *plan_workload_name(enum plan_workload workload);
const char *plan_source_name(enum plan_source source);

#endif
