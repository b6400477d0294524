/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The fiber carrier: each backend is a process of the explorer's machine
 * (faults/explore/session.h), in a program whose library and workloads are compiled so that every
 * access asks who is next.
 *
 * All is in the supervisor's own thread. It is a session's caller: while it waits the backends run,
 * at the machine's time, which passes with their steps or jumps to when the first of them wakes up;
 * its ticks and deadlines are of that time. So a stall costs nothing, a hang is found at once, and
 * a run is decided by its plan and seed: every event of it is the same each time, everywhere.
 *
 * A kill ends the fiber where it stands, its life locks are owner-dead, its memory is gone. Nothing
 * of it is anywhere else, so it may die in a signal handler, too.
 *
 * What a fiber cannot do, since no simulation of it is here: be a postmaster's child; use SQLite,
 * which asks the kernel itself; make the segment and die of it. And there is room for as many
 * backends only as the machine has processes.
 *
 * A backend that leaves by itself has freed all it had allocated, or O7 says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "faults/carrier.h"
#include "faults/explore/session.h"
#include "shm/segment.h"

#define STACK_BYTES  ((size_t)512 * 1024) /* a batch of WORKER_BATCH_MAX messages takes 64 KiB */
#define MEMORY_BYTES ((size_t)16 * 1024 * 1024)

const struct carrier_kind *const carrier_kinds[] = {&carrier_fiber, NULL};

/* How a seat's occupant ended. */
struct end {
    bool untold;
    bool killed;
    int status; /* an enum worker_exit */
};

struct stage {
    const struct run_world *world;
    struct strategy strategy;
    struct end ends[]; /* by seat */
};

/* The segment is there before the machine is. */
static bool fiber_lacks(enum action action, enum sv_point point)
{
    (void)action;
    return point_matches("segment/create/*", point);
}

static bool fiber_carries(const struct plan *plan, char *why, size_t size)
{
    if (plan->world.postmaster) {
        (void)snprintf(why, size, "its world has a postmaster, whose children are processes");
        return false;
    }
    if (plan->world.workload == WORKLOAD_TRANSACTIONS && plan->world.source == SOURCE_SQLITE) {
        (void)snprintf(why, size, "its rows are SQLite's, which asks the kernel itself");
        return false;
    }
    if (plan->world.backends > MACHINE_BACKENDS_MAX) {
        (void)snprintf(why, size, "its world has %u backends, and there is room for %d",
                       plan->world.backends, MACHINE_BACKENDS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < plan->fault_count; i++) {
        if (carrier_lacks(&carrier_fiber, &plan->faults[i])) {
            (void)snprintf(why, size, "fault %u is for who makes the segment, a process", i + 1);
            return false;
        }
    }
    return true;
}

static int fiber_prepare(const struct plan *plan)
{
    if (plan->world.backends > MACHINE_BACKENDS_MAX) {
        return -E2BIG;
    }
    machine_destroy(); /* the one of the run before */
    return machine_create(plan->world.backends, STACK_BYTES, MEMORY_BYTES);
}

/* ---- a backend's fiber ----------------------------------------------------------------------- */

static void judge_memory(const struct stage *stage, uint32_t seat)
{
    const uint32_t blocks = machine_blocks_of(seat);
    struct finding finding;

    if (blocks != 0) {
        (void)finding_set(&finding, ORACLE_O7, "backend %u has left, and not freed %u blocks", seat,
                          blocks);
        control_accuse(&stage->world->control, seat, &finding);
    }
}

static void occupy(void *argument, uint32_t seat)
{
    struct stage *stage = argument;
    const int status = worker_run(stage->world, seat);

    if (status == WORKER_LEFT) {
        judge_memory(stage, seat);
    }
    stage->ends[seat] = (struct end){.untold = true, .status = status};
}

/* An injector_act. */
static void act_in_fiber(struct injector_context *context, enum action action, uint32_t argument_us)
{
    struct stage *stage = context->carrier;
    const uint64_t until_ns = sv_os_now_ns() + (uint64_t)argument_us * 1000;

    switch (action) {
    case ACTION_KILL:
        stage->ends[context->backend] = (struct end){.untold = true, .killed = true};
        session_die();
    case ACTION_STALL:
        sv_store_seq64(&context->record->stalled_until_ns, until_ns);
        session_rest(until_ns, true);
        sv_store_seq64(&context->record->stalled_until_ns, 0);
        break;
    default: /* delays */
        session_rest(until_ns, false);
        break;
    }
}

static const char *where(uint32_t offset, char *text, size_t size)
{
    (void)snprintf(text, size, "offset %u of the segment", offset);
    return text;
}

/* ---- the supervisor's side ------------------------------------------------------------------- */

static int open_strategy(struct stage *stage)
{
    const struct strategy_parameters parameters = {
        .agents = stage->world->control.seat_count,
        .objects = 1, /* a random walk asks nothing about them */
        .steps_limit = UINT32_MAX,
        .seed = stage->world->seed,
    };
    const int error = strategy_open(&stage->strategy, &strategy_random, &parameters);

    return error == 0 && !stage->strategy.kind->begin(&stage->strategy, 0) ? -EINVAL : error;
}

static int fiber_open(struct carrier *carrier)
{
    const struct run_world *world = carrier->world;
    struct stage *stage =
        calloc(1, sizeof(*stage) + world->control.seat_count * sizeof(stage->ends[0]));

    if (stage == NULL) {
        return -ENOMEM;
    }
    stage->world = world;
    const int error = open_strategy(stage);
    if (error != 0) {
        free(stage);
        return error;
    }
    world->injector->act = act_in_fiber;
    world->injector->carrier = stage;
    session_open(
        &(struct machine_settings){
            .base = world->segment->base,
            .size_bytes = world->segment->size_bytes,
            .backends = world->control.seat_count,
            .run = occupy,
            .where = where,
            .argument = stage,
        },
        &stage->strategy);
    carrier->own = stage;
    return 0;
}

static int fiber_start(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    session_start(seat);
    return 0;
}

static int fiber_wait(struct carrier *carrier, uint32_t wait_ms)
{
    if (!session_run(sv_os_now_ns() + (uint64_t)wait_ms * 1000000)) {
        control_accuse(&carrier->world->control, 0, machine_finding());
    }
    return carrier_wait_signal(0);
}

static bool fiber_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    struct stage *stage = carrier->own;

    for (uint32_t seat = 0; seat < carrier->world->control.seat_count; seat++) {
        struct end *end = &stage->ends[seat];
        if (end->untold) {
            *exit =
                (struct carrier_exit){.seat = seat, .killed = end->killed, .status = end->status};
            end->untold = false;
            return true;
        }
    }
    return false;
}

/* It goes on by itself when its time has come. */
static void fiber_resume(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    (void)seat;
}

static uint64_t fiber_events(const struct carrier *carrier)
{
    (void)carrier;
    return session_hash();
}

/* Who is left is not run any more. The dead have not let go of the segment: nobody else will. */
static int fiber_close(struct carrier *carrier)
{
    struct stage *stage = carrier->own;

    carrier->world->segment->holds = (struct sv_atomic64){0};
    strategy_close(&stage->strategy);
    free(stage);
    carrier->own = NULL;
    return 0;
}

const struct carrier_kind carrier_fiber = {
    .name = "fiber",
    .carries = fiber_carries,
    .lacks = fiber_lacks,
    .prepare = fiber_prepare,
    .open = fiber_open,
    .start = fiber_start,
    .wait = fiber_wait,
    .next_exit = fiber_next_exit,
    .resume = fiber_resume,
    .events = fiber_events,
    .close = fiber_close,
};
