/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The life of a worker, the same for every workload:
 *
 *     a birth is drawn and the slot taken     SEAT_WORKING   writers: `transactions` steps,
 *                                                            counted in the seat over all births
 *     the steps are taken, or it has none     SEAT_SERVING   until the supervisor says DRAIN
 *     all is read                             judged
 *     detached                                SEAT_LEFT
 *
 * The supervisor says DRAIN only when nobody is working and every slot of the dead is settled: so
 * what has not arrived then never will.
 *
 * Parts that workloads are made of: faults/worker.c.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/workload.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

const struct workload *workload_of(enum plan_workload workload)
{
    static const struct workload *const workloads[WORKLOAD_COUNT] = {
        [WORKLOAD_TRANSACTIONS] = &workload_transactions,
        [WORKLOAD_QUEUE] = &workload_queue,
        [WORKLOAD_CHURN] = &workload_churn,
        [WORKLOAD_IDLE] = &workload_idle,
    };

    sv_assert(workload < WORKLOAD_COUNT, "workload %d", (int)workload);
    return workloads[workload];
}

void worker_beat(struct worker *worker)
{
    (void)sv_fetch_add_seq32(&worker->control->seats[worker->seat].beats, 1);
}

void worker_rests(struct worker *worker, bool rests)
{
    sv_store_relaxed32(&worker->control->seats[worker->seat].rests, rests);
}

bool worker_draining(const struct worker *worker)
{
    return sv_load_acquire32(&worker->control->shared->phase) == CONTROL_DRAIN;
}

/* Are there steps to be taken? */
static bool working(const struct worker *worker)
{
    const struct seat *seat = &worker->control->seats[worker->seat];

    return sv_load_relaxed32(&seat->steps) < worker->plan->transactions &&
           sv_load_acquire32(&worker->control->shared->phase) == CONTROL_WORK;
}

/* So that others get to read what was sent, and nobody is reset all the time. */
static void rest(struct worker *worker)
{
    const uint32_t us =
        worker->world->rest_us == 0 ? 0 : random_below(&worker->random, 2 * worker->world->rest_us);
    const struct timespec span = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

    if (us != 0) {
        worker_rests(worker, true);
        (void)nanosleep(&span, NULL);
        worker_rests(worker, false);
    }
}

static int work(struct worker *worker)
{
    struct seat *seat = &worker->control->seats[worker->seat];
    int result = 0;

    sv_store_release32(&seat->phase, SEAT_WORKING);
    if (worker->role == ROLE_IDLE || worker->role == ROLE_READER) {
        return 0;
    }
    while (result == 0 && working(worker)) {
        (void)sv_fetch_add_seq32(&seat->steps, 1);
        result = worker->workload->step(worker);
        worker_beat(worker);
        rest(worker);
    }
    return result;
}

static int serve(struct worker *worker)
{
    int result = 0;

    sv_store_release32(&worker->control->seats[worker->seat].phase, SEAT_SERVING);
    worker_beat(worker);
    while (result == 0 && !worker_draining(worker)) {
        result = worker->workload->serve(worker);
    }
    return result;
}

static int drain(struct worker *worker)
{
    int result;

    do {
        result = worker_accept(worker);
        worker_beat(worker);
    } while (result == 0 && !worker_has_read_all(worker));
    return result != 0 ? result : worker->workload->judge(worker);
}

static int live(struct worker *worker)
{
    worker_rests(worker, false); /* as its predecessor may have died */
    int result = worker_attach(worker);

    if (result != 0) {
        return result;
    }
    result = worker->workload->open(worker);
    if (result == 0) {
        result = work(worker);
    }
    if (result == 0) {
        result = serve(worker);
    }
    if (result == 0) {
        result = drain(worker);
    }
    if (result == 0) {
        worker->workload->close(worker);
        worker_detach(worker);
        worker->workload->free(worker);
        sv_store_release32(&worker->control->seats[worker->seat].phase, SEAT_LEFT);
    }
    return result;
}

void worker_prepare(const struct run_world *world)
{
    (void)signal(SIGINT, SIG_IGN); /* a terminal's; the supervisor ends us */
    if (world->stderr_fd >= 0) {
        (void)dup2(world->stderr_fd, STDERR_FILENO);
    }
}

void worker_listen(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

int worker_run(const struct run_world *world, uint32_t seat)
{
    struct worker worker = {
        .world = world,
        .workload = workload_of(world->plan->world.workload),
        .plan = &world->plan->world,
        .control = &world->control,
        .seat = seat,
        .role = plan_role(&world->plan->world, seat),
    };

    if (!control_birth(worker.control, seat, &worker.birth)) {
        return WORKER_SURPLUS;
    }
    /* Each birth has a branch of its own, so that a restarted one does not repeat its death. */
    worker.random = random_branch(
        random_hash(world->seed, sv_load_relaxed32(&worker.control->seats[seat].steps)), seat,
        RANDOM_WORKLOAD);
    if (delivery_init(&worker.delivery, worker.control) != 0) {
        return worker_result(&worker, "delivery_init", -12);
    }
    struct injector_context context;
    injector_enter(&context, world->injector, seat);
    const int result = live(&worker);
    injector_leave();
    delivery_free(&worker.delivery);
    return result;
}
