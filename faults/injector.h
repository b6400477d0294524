/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The injector: makes the faults of a plan happen at the points that src/ names.
 *
 * How a run uses it:
 *
 *     injector_init()                      once per process, before any fork or thread
 *     shared = shared memory of injector_shared_bytes(backends) zero bytes
 *     injector_start(&injector, plan, seed, shared)
 *     ... fork; in each backend, also in one that takes a dead one's place:
 *         injector_enter(&context, &injector, backend)
 *         ... whatever it does; points count, trace and fire ...
 *         injector_leave()
 *     ... meanwhile the supervisor resumes whom injector_stall_over() names with SIGCONT ...
 *
 * A thread without a context is in no run: every point answers PROCEED at once.
 *
 * A decision depends on (seed, backend, point, hit, fault) and on the backend's own state, never on
 * what others do, except that at_most is counted over the run. Hits are counted in shared memory
 * and go on where a dead predecessor of the same number stopped.
 *
 * Design and libfiu's rules: faults/injector.c.
 */
#ifndef SINVAL_FAULTS_INJECTOR_H
#define SINVAL_FAULTS_INJECTOR_H

#include "base/atomic.h"
#include "faults/plan.h"

#define INJECTOR_EVENTS_MAX 128 /* newest events kept for each backend; a power of two */

/* One line of a backend's trace. */
struct injector_event {
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    uint64_t value;   /* a note's: its meaning is the workload's; a point's: which hit, from 1 */
    const char *note; /* a note: a string literal; NULL: a point */
    uint16_t point;   /* enum sv_point */
    uint16_t action;  /* enum action fired there; ACTION_NONE: only reached */
};

/* What a backend leaves for others to read, also after SIGKILL. Written by that backend only. */
struct injector_record {
    struct sv_atomic64 stalled_until_ns; /* CLOCK_MONOTONIC; 0: not stalled */
    struct sv_atomic32 events_written;   /* the newest is at (events_written - 1) % EVENTS_MAX */
    struct sv_atomic32 hits[SV_POINT_COUNT];
    struct sv_atomic32 fired[SV_POINT_COUNT][ACTION_COUNT];
    struct injector_event events[INJECTOR_EVENTS_MAX];
};

/* The shared memory of a run. */
struct injector_shared {
    struct sv_atomic32 fault_fired[PLAN_FAULTS_MAX]; /* for at_most */
    struct injector_record records[];                /* one for each backend */
};

struct injector_context;

/*
 * How a carrier ends, stops and delays a backend: called outside libfiu, and at SV_POINT_ASYNC
 * points in a signal handler. action is KILL, STALL, DELAY or LATE.
 */
typedef void injector_act(struct injector_context *context, enum action action,
                          uint32_t argument_us);

/* One run; read-only once started, inherited through fork. */
struct injector {
    const struct plan *plan;
    uint64_t seed;
    uint32_t backends;
    struct injector_shared *shared;
    injector_act *act;                    /* injector_act_process unless the carrier sets another */
    void *carrier;                        /* the carrier's own; each context gets it */
    uint64_t active;                      /* bit per fault: takes part in this run (swarm) */
    uint64_t faults_at[SV_POINT_COUNT];   /* bit per fault: active and applicable there */
    uint64_t point_keys[SV_POINT_COUNT];  /* hash of the path */
    int32_t lock_changes[SV_POINT_COUNT]; /* locks held more (or less) from there on */
};

/* One backend's; lives in that backend's own memory. */
struct injector_context {
    const struct injector *injector;
    struct injector_record *record;
    void *carrier; /* the carrier's own */
    uint32_t backend;
    bool writer;
    uint32_t locks_held; /* as the lock points tell */
    uint64_t seed;       /* this backend's branch for fault decisions */
    /* From sv_point_hit to libfiu's callback and back. */
    enum sv_point point;
    uint32_t hit;
    uint32_t decided; /* index of the fault + 1; 0: none */
};

/*
 * Enable every point in libfiu under its exact name. Call it once per process, before any fork or
 * thread; calling it again does nothing. Returns: 0; -ENOMEM.
 */
SV_NODISCARD int injector_init(void);

size_t injector_shared_bytes(uint32_t backends);

/*
 * Prepare a run of plan->world.backends backends. *plan must outlive it; shared is zeroed. act is
 * set to injector_act_process.
 */
void injector_start(struct injector *injector, const struct plan *plan, uint64_t seed,
                    struct injector_shared *shared);

/* From here on the calling thread is that backend of that run. *context must outlive it. */
void injector_enter(struct injector_context *context, const struct injector *injector,
                    uint32_t backend);

/* The calling thread is in no run any more. */
void injector_leave(void);

/* The calling thread's context; NULL: in no run. */
struct injector_context *injector_self(void);

/* Put a note of the workload's into this backend's trace; note must be a string literal. */
void injector_note(const char *note, uint64_t value);

/* SIGKILL to oneself; SIGSTOP to oneself after writing down until when; nanosleep. */
injector_act injector_act_process;

/*
 * Should the supervisor resume this backend? True from the end of its stall until it runs again:
 * send SIGCONT each time one looks, since a SIGCONT that comes before the SIGSTOP is lost.
 */
bool injector_stall_over(const struct injector_shared *shared, uint32_t backend, uint64_t now_ns);

/* Sums over all backends. */
uint64_t injector_reached(const struct injector *injector, enum sv_point point);
uint64_t injector_fired(const struct injector *injector, enum sv_point point, enum action action);

/*
 * The newest events of a backend, oldest first, into events[INJECTOR_EVENTS_MAX]. Meant for one
 * that is dead or stopped; of a running one the oldest may be torn. Returns: how many.
 */
uint32_t injector_trace(const struct injector *injector, uint32_t backend,
                        struct injector_event events[INJECTOR_EVENTS_MAX]);

#endif
