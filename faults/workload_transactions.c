/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions that read and write rows through the caches.
 *
 * A step is a transaction: a few reads (by key, list, relation, an open cursor), writes and deletes,
 * levels that are released or rolled back, then commit or rollback. What is to be rolled back is
 * doomed beforehand, and says so in the rows it writes: whoever else sees such a row has seen what
 * was never committed. A message of the application goes with some commits, numbered as in the
 * queue workload, so that a commit's messages are judged by O2 as well; one that was announced in
 * a doomed level has a number that nobody may ever receive.
 *
 * How reads are judged: faults/reads.c. Reading: faults/transactor_reads.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/transactor.h"

#define ANSWER_ROLL_BACK 1 /* of an operation: the transaction must end here */

static bool doomed_now(const struct transactor *transactor)
{
    for (uint32_t i = 0; i <= transactor->level; i++) {
        if (transactor->doomed[i]) {
            return true;
        }
    }
    return false;
}

/* ---- levels and the model ------------------------------------------------------------------- */

static void undo_to(struct transactor *transactor, uint32_t mark)
{
    while (transactor->undo_count > mark) {
        const struct undo *undo = &transactor->undo[--transactor->undo_count];
        transactor->own[undo->key] = undo->before;
    }
}

/* The transaction is over: nothing is its own any more. */
static void forget(struct transactor *transactor)
{
    undo_to(transactor, 0);
    transactor->transaction = 0;
    transactor->level = 0;
    transactor->announced = 0;
    transactor->messages = 0;
}

static int open_level(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);

    if (transactor->level == TRANSACTOR_LEVELS_MAX) {
        return 0;
    }
    const int result =
        worker_result(worker, "sv_subtransaction_begin", sv_subtransaction_begin(worker->self));
    if (result == 0 && !worker->refused) {
        transactor->level++;
        transactor->doomed[transactor->level] = random_below(&worker->random, 2) == 0;
        transactor->mark[transactor->level] = transactor->undo_count;
    }
    return result;
}

/* Returns: 0; ANSWER_ROLL_BACK; an enum worker_exit. */
static int close_level(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);

    if (transactor->level == 0) {
        return 0;
    }
    if (transactor->doomed[transactor->level]) {
        sv_subtransaction_rollback(worker->self);
        undo_to(transactor, transactor->mark[transactor->level]);
        transactor->level--;
        return 0;
    }
    const int result =
        worker_result(worker, "sv_subtransaction_release", sv_subtransaction_release(worker->self));
    if (result == 0 && worker->refused) {
        return ANSWER_ROLL_BACK;
    }
    transactor->level--;
    return result;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The command is over: its invalidations are applied here. */
static int end_command(struct worker *worker)
{
    const int result = worker_result(worker, "sv_command_end", sv_command_end(worker->self));

    return result == 0 && worker->refused ? worker_accept(worker) : result;
}

static int write_row(struct worker *worker, uint32_t key, bool delete)
{
    struct transactor *transactor = transactor_of(worker);
    const struct row_value value = row_value_make(
        worker->birth, transactor->transaction, ++transactor->serial, key, doomed_now(transactor));
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};
    struct row_keys keys;

    if (transactor->undo_count == TRANSACTOR_WRITES_MAX) {
        return 0;
    }
    row_keys_set(&keys, key);
    int result = sv_source_write(worker->self, transactor->source, ROW_RELATION, &keys.keys,
                                 delete ? NULL : &tuple);
    if (result == SV_CONFLICT || result == SV_FULL) {
        return ANSWER_ROLL_BACK;
    }
    result = worker_result(worker, "sv_source_write", result);
    if (result == 0 && !worker->refused) {
        result = worker_result(
            worker, "sv_invalidate_relation",
            sv_invalidate_relation(worker->self, ROW_GROUP_FIRST + key / ROW_GROUP_MEMBERS, true));
    }
    if (result != 0 || worker->refused) {
        return result != 0 ? result : ANSWER_ROLL_BACK;
    }
    transactor->undo[transactor->undo_count++] =
        (struct undo){.key = key, .before = transactor->own[key]};
    transactor->own[key] =
        (struct own_row){.write = delete ? OWN_DELETED : OWN_WRITTEN, .serial = transactor->serial};
    transactor->messages += 2;
    return end_command(worker);
}

/* Only one seat may delete a given row: see faults/reads.c. */
static bool may_delete(const struct worker *worker, uint32_t key)
{
    return key % worker->control->seat_count == worker->seat;
}

/* A message of the application, to be sent with the commit; a doomed one has nobody's number. */
static int announce(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    const bool doomed = doomed_now(transactor);
    const uint32_t sequence =
        doomed ? DELIVERY_SEQUENCE_MAX - 1 : worker->inserted + transactor->announced;
    const struct sv_message message = delivery_message(worker->birth, sequence);

    transactor->announced += !doomed;
    transactor->messages++;
    return worker_result(worker, "sv_invalidate_application",
                         sv_invalidate_application(worker->self, message.payload, true));
}

/* Messages of the kinds that nothing here depends on. */
static int invalidate_other(struct worker *worker)
{
    struct sv_backend *self = worker->self;
    int result = 0;

    transactor_of(worker)->messages++;
    switch (random_below(&worker->random, 5)) {
    case 0:
        result = sv_invalidate_catalog(self, ROW_RELATION, true);
        break;
    case 1:
        result = sv_invalidate_smgr(self, ROW_RELATION, true);
        break;
    case 2:
        result = sv_invalidate_relmap(self, true);
        break;
    case 3:
        result = sv_invalidate_snapshot(self, ROW_RELATION, true);
        break;
    default:
        /* While it is replaced by the commit's, its promise is "reset everyone". */
        sv_store_seq32(&worker->control->births[worker->birth].may_reset, 1);
        result = sv_invalidate_in_place(self, &(struct sv_message){.kind = SV_MESSAGE_SNAPSHOT});
        break;
    }
    return worker_result(worker, "sv_invalidate", result);
}

/* ---- a transaction --------------------------------------------------------------------------- */

/* Returns: 0; ANSWER_ROLL_BACK; an enum worker_exit. */
static int operate(struct worker *worker)
{
    const uint32_t key = random_below(&worker->random, worker->control->keys);

    switch (random_below(&worker->random, 24)) {
    case 0:
    case 1:
    case 2:
        return open_level(worker);
    case 3:
    case 4:
        return close_level(worker);
    case 5:
        return announce(worker);
    case 6:
        return random_below(&worker->random, 4) == 0 ? invalidate_other(worker) : announce(worker);
    case 7:
        return transactor_read_list(worker, key / ROW_GROUP_MEMBERS);
    case 8:
        return transactor_read_relation(worker, key / ROW_GROUP_MEMBERS);
    case 9:
        return transactor_use_cursor(worker);
    case 10:
        return may_delete(worker, key) ? write_row(worker, key, true) : 0;
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
        return write_row(worker, key, false);
    default:
        return transactor_read(worker, key);
    }
}

/* Before the commit: from here on others may see what is written. */
static uint32_t commit_begins(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    struct birth *birth = &worker->control->births[worker->birth];
    const uint32_t first = worker->inserted;

    for (uint32_t i = 0; i < transactor->undo_count; i++) {
        const uint32_t key = transactor->undo[i].key;
        if (transactor->own[key].write == OWN_DELETED) {
            sv_store_seq32(&worker->control->deleting[key], 1);
        }
    }
    worker->inserted += transactor->announced;
    sv_store_seq32(&birth->begun, worker->inserted);
    sv_store_seq32(&birth->commit_begun, transactor->transaction);
    worker_intend(worker, first, transactor->messages);
    return first;
}

/* The commit has returned: what was written is the truth, or else nobody may ever see it. */
static void commit_ended(struct worker *worker, bool committed)
{
    struct transactor *transactor = transactor_of(worker);
    const uint64_t version = sv_transaction_version(worker->self);

    transactor->committed = committed;
    for (uint32_t i = 0; i < transactor->undo_count; i++) {
        const uint32_t key = transactor->undo[i].key;
        const bool deleted = transactor->own[key].write == OWN_DELETED;
        if (committed) {
            control_raise(&worker->control->truth[key], TRUTH(version, deleted));
        }
        if (deleted) {
            sv_store_seq32(&worker->control->deleting[key], 0);
        }
    }
    if (!committed) {
        control_abort(worker->control, worker->birth, transactor->transaction);
    }
}

static int commit(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    const uint32_t first = commit_begins(worker);

    injector_note("commits", transactor->transaction);
    int result = sv_transaction_commit(worker->self);
    const bool committed = result == 0;
    injector_note(committed ? "committed" : "refused", transactor->transaction);
    commit_ended(worker, committed);
    result = worker_result(worker, "sv_transaction_commit", result == SV_CONFLICT ? 0 : result);
    if (committed) {
        sv_store_seq32(&worker->control->births[worker->birth].sent, worker->inserted);
    } else {
        worker->inserted = first;
    }
    worker_intend_no_more(worker);
    forget(transactor);
    return result;
}

static void roll_back(struct worker *worker)
{
    injector_note("rolls back", transactor_of(worker)->transaction);
    sv_transaction_rollback(worker->self);
    worker_intend_no_more(worker);
    forget(transactor_of(worker));
}

/* Returns: 0 and worker->refused if none is open. */
static int begin(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    struct sv_transaction_id id;
    const int result =
        worker_result(worker, "sv_transaction_begin", sv_transaction_begin(worker->self, &id));

    if (result != 0 || worker->refused) {
        return result;
    }
    transactor->transaction = ++transactor->transactions;
    transactor->doomed[0] = random_below(&worker->random, 6) == 0;
    return worker_judge_id(worker, id);
}

static int transact(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    uint32_t operations = 1 + random_below(&worker->random, 10);
    int result = begin(worker);

    if (result != 0 || worker->refused) {
        return result;
    }
    while (result == 0 && operations-- > 0) {
        result = operate(worker);
    }
    while (result == 0 && transactor->level > 0) {
        result = close_level(worker);
    }
    if (result == ANSWER_ROLL_BACK || (result == 0 && transactor->doomed[0])) {
        roll_back(worker);
        return 0;
    }
    return result == 0 ? commit(worker) : result;
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
        result = begin(worker);
        if (result != 0 || worker->refused) {
            break;
        }
        transactor_of(worker)->doomed[0] = false;
        result = write_row(worker, key, false);
        if (result == ANSWER_ROLL_BACK) {
            roll_back(worker);
            return 0;
        }
        if (result == 0) {
            result = commit(worker);
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
    int result =
        transactor->own == NULL ? worker_result(worker, "calloc", -ENOMEM) : open_source(worker);
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
    if (worker->role == ROLE_READER) {
        const int result =
            transactor_read(worker, random_below(&worker->random, worker->control->keys));
        if (result != 0) {
            return result;
        }
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
