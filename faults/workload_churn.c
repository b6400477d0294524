/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Backends that come and go: each step attaches, does a little, and detaches, while others are
 * killed at it. Slots and their local transaction ids go from one to the next: an id must never
 * come twice (K3), and what was sent while one was not there must not reach it.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/workload.h"

static int churn_open(struct worker *worker)
{
    worker->callback_fails = RANDOM_BILLION / 1000;
    return 0;
}

static int visit(struct worker *worker)
{
    int result = worker_draw_id(worker);

    for (uint32_t i = 1 + random_below(&worker->random, 4); result == 0 && i > 0; i--) {
        switch (random_below(&worker->random, 8)) {
        case 0:
            result = worker_use_lock(worker);
            break;
        case 1:
            result = worker_draw_id(worker);
            break;
        case 2:
            result = worker_serve(worker, 0);
            break;
        case 3:
        case 4:
            result = worker_accept(worker);
            break;
        default:
            worker_insert(worker, 1 + random_below(&worker->random, 6),
                          random_below(&worker->random, 4) == 0);
            break;
        }
    }
    return result;
}

/* Leave the slot and take another one, or the same. */
static int churn_step(struct worker *worker)
{
    int result = visit(worker);

    if (result == 0) {
        result = worker_accept(worker);
    }
    if (result != 0) {
        return result;
    }
    worker_detach(worker);
    result = worker_attach(worker);
    return result != 0 ? result : worker_draw_id(worker);
}

static int churn_serve(struct worker *worker)
{
    return worker->role == ROLE_IDLE ? worker_idle(worker, 50) : worker_serve(worker, 5);
}

static int churn_judge(struct worker *worker)
{
    struct finding finding;

    if (worker->role != ROLE_SEND_ONLY && !delivery_complete(&worker->delivery, &finding)) {
        return worker_accuse(worker, &finding);
    }
    return worker_check_queue(worker);
}

static void churn_nothing(struct worker *worker)
{
    (void)worker;
}

const struct workload workload_churn = {
    .name = "churn",
    .open = churn_open,
    .step = churn_step,
    .serve = churn_serve,
    .judge = churn_judge,
    .close = churn_nothing,
    .free = churn_nothing,
};
