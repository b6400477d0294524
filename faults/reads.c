/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O1, reads.
 *
 * What a row may be, to a reader who has not written it itself:
 *
 *   a value   whole; of a transaction whose commit was called, and that is not known to have been
 *             rolled back; not doomed; not older than the truth. (It may be older than what this
 *             reader has seen: a commit that is under way shows first to whoever loads the row, and
 *             only with its message to those who have cached it.)
 *   absent    if the truth says so, or there is none; or a delete is newer than the truth. Only one
 *             seat may delete a given row. It marks the row before its commit, and unmarks it after
 *             it has raised the truth. So if the row is not marked after the read and the truth is
 *             still what it was, then no delete came in between.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/reads.h"

#include <string.h>

#include "faults/random.h"

void row_keys_set(struct row_keys *row_keys, uint32_t key)
{
    row_keys->words[0] = key / ROW_GROUP_MEMBERS;
    row_keys->words[1] = key % ROW_GROUP_MEMBERS;
    row_keys->keys = (struct sv_keys){
        .count = 2,
        .key = {{&row_keys->words[0], sizeof(uint32_t)}, {&row_keys->words[1], sizeof(uint32_t)}},
    };
}

static uint32_t check_of(const struct row_value *value)
{
    uint64_t hash = random_hash(value->birth, value->transaction);

    hash = random_hash(hash, value->serial);
    hash = random_hash(hash, (uint64_t)value->key << 1 | value->doomed);
    return (uint32_t)hash | 1;
}

struct row_value row_value_make(uint32_t birth, uint32_t transaction, uint32_t serial, uint32_t key,
                                bool doomed)
{
    struct row_value value = {
        .birth = birth, .transaction = transaction, .serial = serial, .key = key, .doomed = doomed};

    value.check = check_of(&value);
    return value;
}

void row_read_take(struct row_read *read, const struct sv_tuple *tuple)
{
    read->found = tuple != NULL;
    read->value = (struct row_value){0};
    read->version = 0;
    if (tuple != NULL) {
        read->version = tuple->version;
        if (tuple->size_bytes == sizeof(read->value)) {
            memcpy(&read->value, tuple->data, sizeof(read->value));
        }
    }
}

static bool judge_own(const struct row_read *read, struct finding *finding)
{
    const struct row_value *value = &read->value;

    if (!read->found) {
        return read->own == OWN_DELETED ||
               finding_set(finding, ORACLE_O1, "row %u: the writer's own write %u.%u is not there",
                           read->key, read->transaction, read->own_serial);
    }
    if (read->own == OWN_DELETED) {
        return finding_set(finding, ORACLE_O1, "row %u: its deleter %u still sees %u.%u.%u",
                           read->key, read->reader, value->birth, value->transaction,
                           value->serial);
    }
    if (value->birth != read->reader || value->transaction != read->transaction ||
        value->serial != read->own_serial) {
        return finding_set(finding, ORACLE_O1,
                           "row %u: the writer %u wrote %u.%u and sees %u.%u.%u", read->key,
                           read->reader, read->transaction, read->own_serial, value->birth,
                           value->transaction, value->serial);
    }
    return true;
}

static bool judge_absent(const struct control *control, const struct row_read *read,
                         struct finding *finding)
{
    if (TRUTH_VERSION(read->truth) == 0 || TRUTH_DELETED(read->truth) ||
        sv_load_seq32(&control->deleting[read->key]) != 0 ||
        sv_load_seq64(&control->truth[read->key]) != read->truth) {
        return true;
    }
    return finding_set(finding, ORACLE_O1,
                       "row %u: not found by birth %u after an accept, but version %llu was "
                       "committed before and nobody deletes it",
                       read->key, read->reader, (unsigned long long)TRUTH_VERSION(read->truth));
}

/* Did its writer ever mean to let others see this value? */
static bool judge_writer(const struct control *control, const struct row_read *read,
                         struct finding *finding)
{
    const struct row_value *value = &read->value;
    const char *wrong = NULL;

    if (value->birth >= control->births_max || value->check != check_of(value) ||
        value->key != read->key) {
        return finding_set(finding, ORACLE_O1, "row %u: its value is torn, or of another row",
                           read->key);
    }
    if (value->doomed != 0) {
        wrong = "was to be rolled back";
    } else if (read->version == 0) {
        wrong = "is not committed";
    } else if (sv_load_seq32(&control->births[value->birth].commit_begun) < value->transaction) {
        wrong = "was never to be committed";
    } else if (control_aborted(control, value->birth, value->transaction)) {
        wrong = "was refused and rolled back";
    }
    return wrong == NULL ||
           finding_set(finding, ORACLE_O1, "row %u: birth %u sees %u.%u.%u, which %s", read->key,
                       read->reader, value->birth, value->transaction, value->serial, wrong);
}

bool reads_judge(const struct control *control, const struct row_read *read,
                 struct finding *finding)
{
    const uint64_t truth = TRUTH_VERSION(read->truth);

    if (read->own != OWN_NONE) {
        return judge_own(read, finding);
    }
    if (!read->found) {
        return judge_absent(control, read, finding);
    }
    if (!judge_writer(control, read, finding)) {
        return false;
    }
    if (read->version < truth || (read->version == truth && TRUTH_DELETED(read->truth))) {
        return finding_set(finding, ORACLE_O1,
                           "row %u: a stale read: birth %u sees version %llu after an accept, but "
                           "version %llu was %s before",
                           read->key, read->reader, (unsigned long long)read->version,
                           (unsigned long long)truth,
                           TRUTH_DELETED(read->truth) ? "deleted" : "committed");
    }
    return true;
}
