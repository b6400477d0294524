/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a transaction does besides reading: levels, writes, messages, and how it ends; each with the
 * model of it, and with what the control area must know before and after.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/transactor.h"

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

int transactor_open_level(struct worker *worker)
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
int transactor_close_level(struct worker *worker)
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

int transactor_write(struct worker *worker, uint32_t key, bool delete)
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
bool transactor_may_delete(const struct worker *worker, uint32_t key)
{
    return key % worker->control->seat_count == worker->seat;
}

/* A message of the application, to be sent with the commit; a doomed one has nobody's number. */
int transactor_announce(struct worker *worker)
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
int transactor_invalidate_other(struct worker *worker)
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
        result = sv_invalidate_in_place(self, &(struct sv_message){.kind = SV_MESSAGE_SNAPSHOT});
        break;
    }
    return worker_result(worker, "sv_invalidate", result);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

/* Before the commit: from here on others may see what is written. */
static uint32_t commit_begins(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    struct birth *birth = &worker->control->births[worker->birth];
    const uint32_t first = worker->inserted;

    for (uint32_t i = 0; i < transactor->undo_count; i++) {
        const uint32_t key = transactor->undo[i].key;
        sv_store_relaxed32(&birth->writes[i], key);
        if (transactor->own[key].write == OWN_DELETED) {
            sv_store_seq32(&worker->control->deleting[key], 1);
        }
    }
    sv_store_relaxed32(&birth->write_count, transactor->undo_count);
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

int transactor_commit(struct worker *worker)
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

void transactor_roll_back(struct worker *worker)
{
    injector_note("rolls back", transactor_of(worker)->transaction);
    sv_transaction_rollback(worker->self);
    worker_intend_no_more(worker);
    forget(transactor_of(worker));
}

/* Returns: 0 and worker->refused if none is open. */
int transactor_begin(struct worker *worker)
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
