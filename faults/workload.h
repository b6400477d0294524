/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What backends do in a run, and how each of them judges what it sees.
 *
 * A worker is a backend of a run in a process or thread of its own (or, later, a fiber): attached,
 * with its branch of the seed. It takes its steps, then serves until everybody has, then drains,
 * judges and leaves. If it is killed, the next birth of its seat goes on with the steps that are
 * left.
 *
 * Loop and common parts: faults/workload.c; one file per workload beside it.
 */
#ifndef SINVAL_FAULTS_WORKLOAD_H
#define SINVAL_FAULTS_WORKLOAD_H

#include "faults/delivery.h"
#include "faults/injector.h"
#include "faults/random.h"
#include "sinval/sinval.h"

#define WORKER_BATCH_MAX 4096 /* messages one insert may have, bursts included */

/* What all the workers of a run share: made by its supervisor, inherited. */
struct run_world {
    const struct plan *plan;
    struct injector *injector;
    struct control control;
    struct sv_segment *segment;
    uint64_t seed;
    const char *database_path; /* of the SQLite source; NULL: the table in the segment */
    int stderr_fd;             /* what workers print goes there; -1: nowhere else */
    uint32_t rest_us;          /* between two steps, on average; 0: no rest */
};

/* Exit statuses of a worker. */
enum worker_exit {
    WORKER_LEFT = 0,      /* did all it had to */
    WORKER_ACCUSED = 10,  /* a verdict is in the control area */
    WORKER_FAILED = 11,   /* the environment failed it; a verdict with ORACLE_NONE says how */
    WORKER_SURPLUS = 12,  /* too many births; nothing was done */
    WORKER_ORPHANED = 13, /* its supervisor is gone */
};

struct worker;

/* A workload as data. What returns int returns 0 or an enum worker_exit. */
struct workload {
    const char *name;
    int (*open)(struct worker *worker);   /* attached: make what the steps need */
    int (*step)(struct worker *worker);   /* one step of the `transactions` of the plan */
    int (*serve)(struct worker *worker);  /* nothing to do: take notice, or wait a little */
    int (*judge)(struct worker *worker);  /* all is quiet and read */
    void (*close)(struct worker *worker); /* about to detach */
    void (*free)(struct worker *worker);  /* detached */
};

extern const struct workload workload_queue;
extern const struct workload workload_transactions;
extern const struct workload workload_churn;
extern const struct workload workload_idle;

struct worker {
    const struct run_world *world;
    const struct workload *workload;
    const struct plan_world *plan;
    const struct control *control;
    uint32_t seat;
    uint32_t birth;
    enum plan_role role;
    struct random random;
    struct sv_backend *self;
    struct delivery delivery;
    struct finding found;    /* by a callback; ORACLE_NONE: nothing */
    bool callback_failed;    /* on purpose, in the call that is going on */
    bool offered_again;      /* it refused a message, which the next accept offers again */
    bool refused;            /* the last call failed on purpose: it may be tried again */
    uint32_t fails_seen;     /* injected failures that were taken notice of */
    uint32_t callback_fails; /* parts in a billion */
    uint32_t inserted;       /* messages this birth has numbered */
    void *own;               /* the workload's */
};

/* In a process that was just forked: standard error where the run wants it, no end by SIGINT. */
void worker_prepare(const struct run_world *world);

/* In a worker's own thread: no signal blocked. */
void worker_listen(void);

/* The life of a worker in a thread that is its own. Returns: an enum worker_exit. */
int worker_run(const struct run_world *world, uint32_t seat);

const struct workload *workload_of(enum plan_workload workload);

/* ---- what workloads are made of ------------------------------------------------------------ */

/* Attach and detach, judging slots and local transaction ids on the way (K3). */
SV_NODISCARD int worker_attach(struct worker *worker);
void worker_detach(struct worker *worker);

/* Draw a local transaction id that must never have been there (K3). */
SV_NODISCARD int worker_draw_id(struct worker *worker);

/* Judge one that was drawn (K3), and whether this birth is still taken for alive. */
SV_NODISCARD int worker_judge_id(struct worker *worker, struct sv_transaction_id id);

/* Insert count <= WORKER_BATCH_MAX numbered messages, under an intent or not. */
void worker_insert(struct worker *worker, uint32_t count, bool with_intent);

/* How many messages a burst of the plan has. */
uint32_t worker_burst(const struct worker *worker);

/* The same by sv_send_messages. */
void worker_send(struct worker *worker, uint32_t count);

/*
 * What declares an intent by itself does so for messages of this birth from number first on, among
 * `messages` in all; afterwards it does no more.
 */
void worker_intend(struct worker *worker, uint32_t first, uint32_t messages);
void worker_intend_no_more(struct worker *worker);

/*
 * Accept until nothing is left for the moment, through a callback, judging what comes (O2).
 * worker->refused: something is left that was refused on purpose a thousand times; do not judge.
 */
SV_NODISCARD int worker_accept(struct worker *worker);

/* The same by sv_queue_read: not for a worker with caches. */
SV_NODISCARD int worker_read(struct worker *worker);

/* Interrupts, then accept, then a latch wait of at most wait_ms if there was nothing. */
SV_NODISCARD int worker_serve(struct worker *worker, int wait_ms);

/* Wait on the latch alone, serving catchups. */
SV_NODISCARD int worker_idle(struct worker *worker, int wait_ms);

/* Use the application's lock 0: shared, or exclusive around an insert (O6: repaired if killed). */
SV_NODISCARD int worker_use_lock(struct worker *worker);

/* The queue's invariants, under both locks (O3). */
SV_NODISCARD int worker_check_queue(struct worker *worker);

/*
 * Judge the result of a call: 0 stays; an error made on purpose, by a callback or an injected
 * failure, gives 0 and sets worker->refused; any other ends the worker.
 */
SV_NODISCARD int worker_result(struct worker *worker, const char *what, int result);

/* Report and be done with. Returns: WORKER_ACCUSED. */
int worker_accuse(struct worker *worker, const struct finding *finding);

/* From here on it waits, or rests; and no more. */
void worker_rests(struct worker *worker, bool rests);

/* This is a step forward: keeps the supervisor from calling it a hang. */
void worker_beat(struct worker *worker);

/* Nothing new in the queue; of a send-only worker always true. */
bool worker_has_read_all(const struct worker *worker);

bool worker_draining(const struct worker *worker);

#endif
