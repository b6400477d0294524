/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions that read and write rows through the caches.
 *
 * A step is a transaction: a few reads (by key, list, relation, an open cursor), writes and
 * deletes, levels that are released or rolled back, then commit or rollback. What is to be rolled
 * back is doomed beforehand, and says so in the rows it writes: whoever else sees such a row has
 * seen what was never committed. A message of the application goes with some commits, numbered as
 * in the queue workload, so that a commit's messages are judged by O2 as well; one that was
 * announced in a doomed level has a number that nobody may ever receive.
 *
 * How reads are judged: faults/reads.c. What it is made of: faults/transactor.h.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include <errno.h>
#include <stdlib.h>

#include "faults/transactor.h"

/* ---- a transaction --------------------------------------------------------------------------- */

/* Returns: 0; ANSWER_ROLL_BACK; an enum worker_exit. */
static int operate(struct worker *worker)
{
    const uint32_t key = random_below(&worker->random, worker->control->keys);

    switch (random_below(&worker->random, 24)) {
    case 0:
    case 1:
    case 2:
        return transactor_open_level(worker);
    case 3:
    case 4:
        return transactor_close_level(worker);
    case 5:
        return transactor_announce(worker);
    case 6:
        return random_below(&worker->random, 4) == 0 ? transactor_invalidate_other(worker)
                                                     : transactor_announce(worker);
    case 7:
        return transactor_read_list(worker, key / ROW_GROUP_MEMBERS);
    case 8:
        return transactor_read_relation(worker, key / ROW_GROUP_MEMBERS);
    case 9:
        return transactor_use_cursor(worker);
    case 10:
        return transactor_may_delete(worker, key) ? transactor_write(worker, key, true) : 0;
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
        return transactor_write(worker, key, false);
    default:
        return transactor_read(worker, key);
    }
}

static int transact(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    uint32_t operations = 1 + random_below(&worker->random, 10);
    int result = transactor_begin(worker);

    if (result != 0 || worker->refused) {
        return result;
    }
    while (result == 0 && operations-- > 0) {
        result = operate(worker);
    }
    while (result == 0 && transactor->level > 0) {
        result = transactor_close_level(worker);
    }
    if (result == ANSWER_ROLL_BACK || (result == 0 && transactor->doomed[0])) {
        transactor_roll_back(worker);
        return 0;
    }
    return result == 0 ? transactor_commit(worker) : result;
}

/* ---- the workload -------------------------------------------------------------------------- */

static int open_source(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    struct sv_source *inner = NULL;
    char message[256] = "";
    int result;

    if (worker->world->database_path == NULL) {
        result = sv_table_open(worker->self, &inner);
    } else {
        result = sv_sqlite_open(worker->self, worker->world->database_path, &inner, message,
                                sizeof(message));
    }
    if (result == 0) {
        transactor->source = transactor_wrap_source(worker, inner);
        result = transactor->source == NULL ? -ENOMEM : 0;
    }
    return worker_result(worker, message[0] != '\0' ? message : "the source", result);
}

static int open_caches(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    const struct sv_catcache_options options = {
        .cache = ROW_RELATION,
        .relation = ROW_RELATION,
        .key_count = 2,
        .entries_max = worker->seat % 3 == 0 ? worker->control->keys / 2 + 1 : 0,
        .source = transactor->source,
    };
    const int result =
        worker_result(worker, "sv_catcache_create",
                      sv_catcache_create(worker->self, &options, &transactor->cache));

    return result != 0
               ? result
               : worker_result(worker, "sv_relcache_create", transactor_open_relations(worker));
}

/* A predecessor in this seat died while it deleted rows: write them, so that all is known again. */
static int write_what_was_deleted(struct worker *worker)
{
    int result = 0;

    for (uint32_t key = worker->seat; result == 0 && key < worker->control->keys;
         key += worker->control->seat_count) {
        if (sv_load_seq32(&worker->control->deleting[key]) == 0) {
            continue;
        }
        result = transactor_begin(worker);
        if (result != 0 || worker->refused) {
            break;
        }
        transactor_of(worker)->doomed[0] = false;
        result = transactor_write(worker, key, false);
        if (result == ANSWER_ROLL_BACK) {
            transactor_roll_back(worker);
            return 0;
        }
        if (result == 0) {
            result = transactor_commit(worker);
        }
        if (result == 0 && transactor_of(worker)->committed) {
            sv_store_seq32(&worker->control->deleting[key], 0);
        }
    }
    return result;
}

static void transactions_free(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);

    if (transactor != NULL) {
        free(transactor->own);
        free(transactor->checked);
        free(transactor);
        worker->own = NULL;
    }
}

static int transactions_open(struct worker *worker)
{
    struct transactor *transactor = calloc(1, sizeof(*transactor));

    worker->callback_fails = RANDOM_BILLION / 1000;
    worker->delivery.skip = worker->birth; /* its own come to it at command end as well */
    if (worker->role == ROLE_SEND_ONLY || transactor == NULL) {
        free(transactor);
        return worker->role == ROLE_SEND_ONLY ? 0 : worker_result(worker, "calloc", -ENOMEM);
    }
    worker->own = transactor;
    transactor->own = calloc(worker->control->keys, sizeof(*transactor->own));
    transactor->checked = calloc(worker->control->births_max, 1);
    int result = transactor->own == NULL || transactor->checked == NULL
                     ? worker_result(worker, "calloc", -ENOMEM)
                     : open_source(worker);
    if (result == 0) {
        result = open_caches(worker);
    }
    return result != 0 ? result : write_what_was_deleted(worker);
}

static int transactions_step(struct worker *worker)
{
    int result =
        worker_result(worker, "sv_process_interrupts", sv_process_interrupts(worker->self));

    if (result != 0) {
        return result;
    }
    if (worker->role == ROLE_SEND_ONLY) {
        worker_send(worker, 1 + random_below(&worker->random, 8));
        return worker_accept(worker);
    }
    result = transactor_check_settled(worker);
    if (result != 0) {
        return result;
    }
    switch (random_below(&worker->random, 32)) {
    case 0:
    case 1:
        return worker_use_lock(worker);
    case 2:
        return random_below(&worker->random, 4) == 0 ? worker_check_queue(worker) : 0;
    case 3:
        if (worker->plan->burst != 0) {
            worker_send(worker, worker_burst(worker));
            return 0;
        }
        return transact(worker);
    default:
        return transact(worker);
    }
}

static int transactions_serve(struct worker *worker)
{
    if (worker->role == ROLE_IDLE) {
        return worker_idle(worker, 50);
    }
    int result = worker->role == ROLE_SEND_ONLY ? 0 : transactor_check_settled(worker);
    if (result == 0 && worker->role == ROLE_READER) {
        result = transactor_read(worker, random_below(&worker->random, worker->control->keys));
    }
    if (result != 0) {
        return result;
    }
    return worker_serve(worker, worker->role == ROLE_READER ? 1 : 5);
}

static int transactions_judge(struct worker *worker)
{
    struct finding finding;
    int result = 0;

    if (worker->role == ROLE_SEND_ONLY) {
        return 0;
    }
    transactor_close_cursor(worker);
    for (uint32_t key = 0; result == 0 && key < worker->control->keys; key++) {
        result = transactor_compare(worker, key);
    }
    if (result == 0 && !delivery_complete(&worker->delivery, &finding)) {
        result = worker_accuse(worker, &finding);
    }
    return result;
}

static void transactions_close(struct worker *worker)
{
    if (worker->own != NULL) {
        transactor_close_cursor(worker);
        transactor_of(worker)->source->close(transactor_of(worker)->source);
    }
}

const struct workload workload_transactions = {
    .name = "transactions",
    .open = transactions_open,
    .step = transactions_step,
    .serve = transactions_serve,
    .judge = transactions_judge,
    .close = transactions_close,
    .free = transactions_free,
};
