/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What workloads are made of: attach, insert, read, wait, each with its judge beside it.
 *
 * Messages reach a worker in two ways: by sv_queue_read, or through the callback it registers with
 * its backend. Both end in delivery_take. The callback sometimes fails on purpose, before it has
 * taken the message: the next accept must offer it again.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"
#include "faults/workload.h"
#include "queue/queue.h"

#define TRIES_MAX 1000 /* of what is refused on purpose, in case that is for ever */

int worker_accuse(struct worker *worker, const struct finding *finding)
{
    injector_note("accuses", (uint64_t)finding->oracle);
    control_accuse(worker->control, worker->seat, finding);
    return WORKER_ACCUSED;
}

/* Failures that the injector has made so far in this seat. */
static uint32_t fails_injected(const struct worker *worker)
{
    const struct injector_record *record = &worker->world->injector->shared->records[worker->seat];
    uint32_t count = 0;

    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        count += sv_load_relaxed32(&record->fired[point][ACTION_FAIL]);
    }
    return count;
}

/* Was that error made on purpose? Each is taken once. */
static bool on_purpose(struct worker *worker)
{
    const uint32_t fails = fails_injected(worker);
    const bool injected = fails != worker->fails_seen;
    const bool refused = injected || worker->callback_failed;

    worker->fails_seen = fails;
    worker->callback_failed = false;
    return refused;
}

/* What a machine can run out of; all else is the library's affair. */
static bool of_environment(int result)
{
    return result == -ENOMEM || result == -ENOSPC || result == -EMFILE || result == -ENFILE ||
           result == -EIO;
}

int worker_result(struct worker *worker, const char *what, int result)
{
    struct finding finding;

    worker->refused = false;
    if (worker->found.oracle != ORACLE_NONE) {
        return worker_accuse(worker, &worker->found);
    }
    if (result == 0) {
        return 0;
    }
    if (result < 0 && on_purpose(worker)) {
        worker->refused = true;
        return 0;
    }
    if (of_environment(result)) {
        (void)finding_set(&finding, ORACLE_NONE, "backend %u: %s: %s", worker->seat, what,
                          strerror(-result));
        control_accuse(worker->control, worker->seat, &finding);
        return WORKER_FAILED;
    }
    (void)finding_set(&finding, ORACLE_O3, "backend %u: %s answers %d%s%s", worker->seat, what,
                      result, result < 0 ? ", " : "", result < 0 ? strerror(-result) : "");
    return worker_accuse(worker, &finding);
}

/* ---- messages ------------------------------------------------------------------------------ */

static int take_message(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct worker *worker = argument;

    (void)self;
    if (message == NULL) {
        injector_note("told of a reset", worker->delivery.messages);
        worker->delivery.resets++;
        delivery_sync(&worker->delivery);
        return 0;
    }
    if (random_chance(&worker->random, worker->callback_fails)) {
        worker->callback_failed = true;
        worker->offered_again = true;
        return -EAGAIN;
    }
    if (worker->found.oracle == ORACLE_NONE) {
        (void)delivery_take(&worker->delivery, message, &worker->found);
    }
    return 0;
}

int worker_accept(struct worker *worker)
{
    uint32_t tries = TRIES_MAX;
    int result;

    do {
        worker->callback_failed = false;
        worker->offered_again = false;
        result = worker_result(worker, "sv_accept_messages", sv_accept_messages(worker->self));
    } while (result == 0 && worker->refused && --tries > 0);
    return result;
}

int worker_read(struct worker *worker)
{
    struct sv_message messages[32];
    const uint32_t capacity = 1 + random_below(&worker->random, 32);
    uint32_t count;

    /* What an accept read and a callback refused comes first. */
    if (worker->offered_again) {
        return worker_accept(worker);
    }
    do {
        const int result = sv_queue_read(worker->self, messages, capacity, &count);
        if (result == SV_RESET) {
            (void)take_message(worker->self, NULL, worker);
            count = capacity;
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!delivery_take(&worker->delivery, &messages[i], &worker->found)) {
                return worker_accuse(worker, &worker->found);
            }
        }
    } while (count == capacity);
    return 0;
}

bool worker_has_read_all(const struct worker *worker)
{
    return worker->role == ROLE_SEND_ONLY || sv_queue_empty(worker->self);
}

/* Number the next count messages. From here on they may be seen. */
static void number_messages(struct worker *worker, struct sv_message *messages, uint32_t count)
{
    struct birth *birth = &worker->control->births[worker->birth];
    const uint32_t end = worker->inserted + count;

    sv_assert(count <= WORKER_BATCH_MAX && end < DELIVERY_SEQUENCE_MAX, "insert of %u", count);
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = delivery_message(worker->birth, worker->inserted + i);
    }
    injector_note("sends up to", end);
    sv_store_seq32(&birth->begun, end);
    worker->inserted = end;
}

uint32_t worker_burst(const struct worker *worker)
{
    return worker->plan->burst < WORKER_BATCH_MAX ? worker->plan->burst : WORKER_BATCH_MAX;
}

void worker_intend(struct worker *worker, uint32_t first, uint32_t messages)
{
    struct birth *birth = &worker->control->births[worker->birth];

    if (messages > sv_segment_config(worker->world->segment)->intent_max) {
        sv_store_seq32(&birth->may_reset, 1);
    }
    sv_store_seq64(&birth->intent_range, (uint64_t)first << 32 | worker->inserted);
}

/* All is sent, and nothing will be again. */
void worker_intend_no_more(struct worker *worker)
{
    struct birth *birth = &worker->control->births[worker->birth];

    sv_store_seq32(&birth->intent, INTENT_NONE);
    sv_store_seq64(&birth->intent_range, 0);
    sv_store_seq32(&birth->may_reset, 0);
}

void worker_insert(struct worker *worker, uint32_t count, bool with_intent)
{
    struct birth *birth = &worker->control->births[worker->birth];
    struct sv_message messages[WORKER_BATCH_MAX];
    const uint32_t first = worker->inserted;

    number_messages(worker, messages, count);
    if (with_intent) {
        worker_intend(worker, first, count);
        sv_intent_declare(worker->self, messages, count);
        sv_store_seq32(&birth->intent, INTENT_DECLARED);
    }
    sv_queue_insert(worker->self, messages, count);
    sv_store_seq32(&birth->sent, worker->inserted);
    if (with_intent) {
        sv_intent_withdraw(worker->self);
        worker_intend_no_more(worker);
    }
}

void worker_send(struct worker *worker, uint32_t count)
{
    struct sv_message messages[WORKER_BATCH_MAX];
    const uint32_t first = worker->inserted;

    number_messages(worker, messages, count);
    worker_intend(worker, first, count);
    sv_send_messages(worker->self, messages, count);
    sv_store_seq32(&worker->control->births[worker->birth].sent, worker->inserted);
    worker_intend_no_more(worker);
}

/* ---- slots --------------------------------------------------------------------------------- */

/* Whoever was in this slot must be dead: leave a mark that it reports if it lives (K3). */
static void take_slot(struct worker *worker, uint32_t slot)
{
    struct slot_record *record = &worker->control->slots[slot];
    uint32_t owner = sv_load_seq32(&record->owner);

    while (!sv_compare_swap_seq32(&record->owner, &owner, worker->birth + 1)) {
    }
    if (owner != 0 && owner != worker->birth + 1) {
        sv_store_seq32(&worker->control->births[owner - 1].displaced, 1);
    }
    sv_store_release32(&worker->control->seats[worker->seat].slot, slot + 1);
}

int worker_attach(struct worker *worker)
{
    const struct sv_backend_options options = {
        .send_only = worker->role == ROLE_SEND_ONLY,
        .signal_number = worker->seat % 4 == 3 ? 0 : SIGUSR1,
        .discard_caches = worker->plan->discard_caches,
    };
    int result;

    do { /* full: the slots of the dead are being recovered by somebody */
        result = sv_backend_attach(worker->world->segment, &options, &worker->self);
    } while (result == SV_FULL);
    result = worker_result(worker, "sv_backend_attach", result);
    if (result != 0) {
        return result;
    }
    worker->fails_seen = fails_injected(worker);
    take_slot(worker, sv_backend_slot(worker->self));
    delivery_sync(&worker->delivery);
    result = sv_callback_register(worker->self, SV_MESSAGE_APPLICATION, take_message, worker);
    return worker_result(worker, "sv_callback_register", result);
}

void worker_detach(struct worker *worker)
{
    struct slot_record *record = &worker->control->slots[sv_backend_slot(worker->self)];
    uint32_t mine = worker->birth + 1;

    (void)sv_compare_swap_seq32(&record->owner, &mine, 0);
    sv_store_release32(&worker->control->seats[worker->seat].slot, 0);
    sv_backend_detach(worker->self);
    worker->self = NULL;
}

/* Alive, and another one was given this birth's slot, or sent its intent once more? */
static int check_displaced(struct worker *worker)
{
    struct finding finding;

    if (sv_load_seq32(&worker->control->births[worker->birth].displaced) == 0) {
        return 0;
    }
    (void)finding_set(&finding, ORACLE_O6,
                      "backend %u (birth %u) lives, and was treated as dead: its slot was given "
                      "away or its intent sent again",
                      worker->seat, worker->birth);
    return worker_accuse(worker, &finding);
}

int worker_judge_id(struct worker *worker, struct sv_transaction_id id)
{
    struct slot_record *record = &worker->control->slots[id.slot];
    const uint64_t last = sv_load_seq64(&record->local_transaction_id);
    struct finding finding;

    if (id.local <= last) {
        (void)finding_set(&finding, ORACLE_O6,
                          "local transaction id %llu of slot %u was there before (last: %llu)",
                          (unsigned long long)id.local, id.slot, (unsigned long long)last);
        return worker_accuse(worker, &finding);
    }
    control_raise(&record->local_transaction_id, id.local);
    return check_displaced(worker);
}

int worker_draw_id(struct worker *worker)
{
    return worker_judge_id(worker, sv_transaction_id_next(worker->self));
}

/* ---- waiting ------------------------------------------------------------------------------- */

int worker_idle(struct worker *worker, int wait_ms)
{
    struct sv_latch_wait wait = {.timeout_ms = wait_ms,
                                 .wait_postmaster = worker->plan->postmaster};

    sv_latch_reset(worker->self);
    if (worker_draining(worker)) {
        return 0;
    }
    worker_rests(worker, true);
    const int waited = sv_latch_wait(worker->self, &wait);
    worker_rests(worker, false);
    const int result = worker_result(worker, "sv_latch_wait", waited);
    return result == 0 && wait.postmaster_dead ? WORKER_ORPHANED : result;
}

int worker_serve(struct worker *worker, int wait_ms)
{
    int result =
        worker_result(worker, "sv_process_interrupts", sv_process_interrupts(worker->self));

    if (result == 0) {
        result = worker_accept(worker);
    }
    if (result == 0) {
        result = check_displaced(worker);
    }
    return result == 0 && worker_has_read_all(worker) ? worker_idle(worker, wait_ms) : result;
}

/* ---- locks --------------------------------------------------------------------------------- */

int worker_use_lock(struct worker *worker)
{
    struct control_shared *shared = worker->control->shared;
    const bool exclusive = random_below(&worker->random, 3) == 0;
    struct finding finding;

    sv_lwlock_acquire(worker->self, SV_LOCK_APP_0, exclusive ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED);
    const uint64_t a = sv_load_relaxed64(&shared->app[0]);
    const uint64_t b = sv_load_relaxed64(&shared->app[1]);
    if (exclusive) {
        sv_store_relaxed64(&shared->app[0], a + 1);
        worker_insert(worker, 1, false); /* with all the points in it, to die at */
        sv_store_relaxed64(&shared->app[1], a + 1);
    }
    sv_lwlock_release(worker->self, SV_LOCK_APP_0);
    if (a == b) {
        return 0;
    }
    (void)finding_set(&finding, ORACLE_O6,
                      "what app_0 guards is half done (%llu, %llu): its holder died and it was not "
                      "repaired, or two held it",
                      (unsigned long long)a, (unsigned long long)b);
    return worker_accuse(worker, &finding);
}

int worker_check_queue(struct worker *worker)
{
    struct finding finding;

    sv_lwlock_acquire(worker->self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(worker->self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const char *broken = sv_queue_check(worker->world->segment);
    sv_lwlock_release(worker->self, SV_LOCK_READ);
    sv_lwlock_release(worker->self, SV_LOCK_WRITE);
    if (broken == NULL) {
        return 0;
    }
    (void)finding_set(&finding, ORACLE_O3, "%s", broken);
    return worker_accuse(worker, &finding);
}
