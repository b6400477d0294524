/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue alone: messages that carry writer, number and checksum, in batches of random size, with
 * and without an intent; read directly or by accept.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/workload.h"

static uint32_t batch_size(struct worker *worker)
{
    const uint32_t quantum = sv_segment_config(worker->world->segment)->write_quantum;
    const uint32_t few = 1 + random_below(&worker->random, 4);
    const uint32_t many = 1 + random_below(&worker->random, 2 * quantum + 1);

    if (worker->plan->burst != 0 && random_below(&worker->random, 16) == 0) {
        return worker_burst(worker);
    }
    return random_below(&worker->random, 4) == 0 && many < WORKER_BATCH_MAX ? many : few;
}

static int read_somehow(struct worker *worker)
{
    return random_below(&worker->random, 2) == 0 ? worker_read(worker) : worker_accept(worker);
}

static int queue_open(struct worker *worker)
{
    worker->callback_fails = RANDOM_BILLION / 1000;
    return 0;
}

static int queue_step(struct worker *worker)
{
    int result = worker_result(worker, "sv_process_interrupts", //
                               sv_process_interrupts(worker->self));

    if (result != 0) {
        return result;
    }
    switch (random_below(&worker->random, 16)) {
    case 0:
        return worker_use_lock(worker);
    case 1:
        return random_below(&worker->random, 4) == 0 ? worker_check_queue(worker)
                                                     : worker_draw_id(worker);
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        return read_somehow(worker);
    default:
        worker_insert(worker, batch_size(worker), random_below(&worker->random, 4) == 0);
        return 0;
    }
}

static int queue_serve(struct worker *worker)
{
    if (worker->role == ROLE_IDLE) {
        return worker_idle(worker, 50);
    }
    const int result = worker->role == ROLE_READER ? read_somehow(worker) : 0;
    return result != 0 ? result : worker_serve(worker, 5);
}

static int queue_judge(struct worker *worker)
{
    struct finding finding;

    if (worker->role != ROLE_SEND_ONLY && !delivery_complete(&worker->delivery, &finding)) {
        return worker_accuse(worker, &finding);
    }
    return worker_check_queue(worker);
}

static void queue_nothing(struct worker *worker)
{
    (void)worker;
}

const struct workload workload_queue = {
    .name = "queue",
    .open = queue_open,
    .step = queue_step,
    .serve = queue_serve,
    .judge = queue_judge,
    .close = queue_nothing,
    .free = queue_nothing,
};

/* Few writers, in bursts beyond the ring; the rest sit in latch waits and serve catchups. */
const struct workload workload_idle = {
    .name = "idle",
    .open = queue_open,
    .step = queue_step,
    .serve = queue_serve,
    .judge = queue_judge,
    .close = queue_nothing,
    .free = queue_nothing,
};
