/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Reading rows: by key, by list, through a relation built of several, through one that is kept open
 * while it is rebuilt. In each the order is: the truth, an accept, the read, the judge.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults/transactor.h"

/* What is known of a row before it is read. */
static struct row_read expect(const struct worker *worker, uint32_t key)
{
    const struct transactor *transactor = transactor_of(worker);

    return (struct row_read){
        .key = key,
        .truth = sv_load_seq64(&worker->control->truth[key]),
        .reader = worker->birth,
        .transaction = transactor->transaction,
        .own = transactor->own[key].write,
        .own_serial = transactor->own[key].serial,
    };
}

static int judge(struct worker *worker, const struct row_read *read)
{
    struct finding finding;

    sv_count64(&worker->control->seats[worker->seat].reads, 1);
    if (!reads_judge(worker->control, read, &finding)) {
        injector_note("wrong row", read->key);
        return worker_accuse(worker, &finding);
    }
    return 0;
}

/* ---- by key -------------------------------------------------------------------------------- */

/* Keep it pinned over an accept: unless it died, it must still be right. */
static int hold(struct worker *worker, uint32_t key, const struct sv_cache_entry *entry)
{
    struct row_read read = expect(worker, key);
    const int result = worker_accept(worker);

    if (result != 0 || worker->refused || sv_cache_entry_dead(entry)) {
        return result;
    }
    row_read_take(&read, sv_cache_tuple(entry));
    return judge(worker, &read);
}

static int search(struct worker *worker, struct row_read *read, bool keep)
{
    struct sv_cache_entry *entry = NULL;
    struct row_keys keys;

    row_keys_set(&keys, read->key);
    int result = sv_cache_search(worker->self, transactor_of(worker)->cache, &keys.keys, &entry);
    if (result == SV_NOT_FOUND) {
        row_read_take(read, NULL);
        worker->refused = false;
        return judge(worker, read);
    }
    result = worker_result(worker, "sv_cache_search", result);
    if (result != 0 || worker->refused) {
        return result;
    }
    row_read_take(read, sv_cache_tuple(entry));
    result = judge(worker, read);
    if (result == 0 && keep) {
        result = hold(worker, read->key, entry);
    }
    sv_cache_release(worker->self, entry);
    return result;
}

int transactor_read(struct worker *worker, uint32_t key)
{
    struct row_read read = expect(worker, key);
    const int result = worker_accept(worker);

    if (result != 0 || worker->refused) {
        return result;
    }
    return search(worker, &read, random_below(&worker->random, 4) == 0);
}

/* ---- groups -------------------------------------------------------------------------------- */

static struct row_group expect_group(const struct worker *worker, uint32_t group)
{
    struct row_group rows = {0};
    const uint32_t first = group * ROW_GROUP_MEMBERS;

    while (rows.count < ROW_GROUP_MEMBERS && first + rows.count < worker->control->keys) {
        rows.rows[rows.count] = expect(worker, first + rows.count);
        rows.count++;
    }
    return rows;
}

static int judge_group(struct worker *worker, const struct row_group *rows)
{
    int result = 0;

    for (uint32_t i = 0; result == 0 && i < rows->count; i++) {
        result = judge(worker, &rows->rows[i]);
    }
    return result;
}

/* Put a list's tuples where they belong. Returns: false: one belongs nowhere. */
static bool take_list(struct row_group *rows, uint32_t group, const struct sv_cache_list *list)
{
    for (uint32_t i = 0; i < sv_cache_list_count(list); i++) {
        struct row_read read;
        row_read_take(&read, sv_cache_list_tuple(list, i));
        const uint32_t member = read.value.key % ROW_GROUP_MEMBERS;
        if (read.value.key / ROW_GROUP_MEMBERS != group || member >= rows->count ||
            rows->rows[member].found) {
            return false;
        }
        row_read_take(&rows->rows[member], sv_cache_list_tuple(list, i));
    }
    return true;
}

int transactor_read_list(struct worker *worker, uint32_t group)
{
    struct row_group rows = expect_group(worker, group);
    const struct sv_keys keys = {.count = 1, .key = {{&group, sizeof(group)}}};
    struct sv_cache_list *list = NULL;
    struct finding finding;
    int result = worker_accept(worker);

    if (result == 0) {
        result = worker_result(
            worker, "sv_cache_search_list",
            sv_cache_search_list(worker->self, transactor_of(worker)->cache, &keys, &list));
    }
    if (result != 0 || worker->refused) {
        return result;
    }
    const bool sound = take_list(&rows, group, list);
    sv_cache_list_release(worker->self, list);
    if (!sound) {
        (void)finding_set(&finding, ORACLE_O1,
                          "the list of group %u has a row twice, or of another group", group);
        return worker_accuse(worker, &finding);
    }
    return judge_group(worker, &rows);
}

/* ---- relations ----------------------------------------------------------------------------- */

static int build_row(struct sv_backend *self, struct worker *worker, uint32_t key,
                     struct row_read *read)
{
    struct sv_cache_entry *entry = NULL;
    struct row_keys keys;

    row_keys_set(&keys, key);
    const int result = sv_cache_search(self, transactor_of(worker)->cache, &keys.keys, &entry);
    if (result == 0) {
        row_read_take(read, sv_cache_tuple(entry));
        sv_cache_release(self, entry);
    }
    return result == SV_NOT_FOUND ? 0 : result;
}

/* A relation's object: what its rows were, read one after the other through the catcache. */
static int build(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    struct worker *worker = argument;
    const uint32_t first = (relation - ROW_GROUP_FIRST) * ROW_GROUP_MEMBERS;
    struct row_group *rows = calloc(1, sizeof(*rows));
    int result = rows == NULL ? -ENOMEM : 0;

    while (result == 0 && rows->count < ROW_GROUP_MEMBERS &&
           first + rows->count < worker->control->keys) {
        if (rows->count == ROW_GROUP_MEMBERS / 2) {
            result = sv_accept_messages(self); /* in the middle of a build, as PostgreSQL does */
        }
        if (result == 0) {
            result = build_row(self, worker, first + rows->count, &rows->rows[rows->count]);
            rows->count++;
        }
    }
    if (result != 0) {
        free(rows);
        return result;
    }
    *object = rows;
    return 0;
}

static void destroy(void *object, void *argument)
{
    (void)argument;
    free(object);
}

int transactor_open_relations(struct worker *worker)
{
    const struct sv_relcache_options options = {
        .build = build, .destroy = destroy, .argument = worker};

    return sv_relcache_create(worker->self, &options, &transactor_of(worker)->relcache);
}

static int judge_object(struct worker *worker, struct row_group *rows,
                        const struct sv_relation *relation)
{
    const struct row_group *object = relation->object;

    for (uint32_t i = 0; i < rows->count; i++) {
        rows->rows[i].found = object->rows[i].found;
        rows->rows[i].value = object->rows[i].value;
        rows->rows[i].version = object->rows[i].version;
    }
    return judge_group(worker, rows);
}

static int open_relation(struct worker *worker, uint32_t group, struct sv_relation **relation)
{
    *relation = NULL;
    return worker_result(worker, "sv_relation_open",
                         sv_relation_open(worker->self, transactor_of(worker)->relcache,
                                          ROW_GROUP_FIRST + group, relation));
}

int transactor_read_relation(struct worker *worker, uint32_t group)
{
    struct row_group rows = expect_group(worker, group);
    struct sv_relation *relation = NULL;
    int result = worker_accept(worker);

    if (result == 0 && !worker->refused) {
        result = open_relation(worker, group, &relation);
    }
    if (result != 0 || worker->refused) {
        return result;
    }
    result = judge_object(worker, &rows, relation);
    sv_relation_close(worker->self, relation);
    return result;
}

void transactor_close_cursor(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);

    if (transactor->cursor != NULL) {
        sv_relation_close(worker->self, transactor->cursor);
        transactor->cursor = NULL;
    }
}

int transactor_use_cursor(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    const uint32_t groups = (worker->control->keys + ROW_GROUP_MEMBERS - 1) / ROW_GROUP_MEMBERS;

    if (transactor->cursor == NULL) {
        transactor->cursor_group = random_below(&worker->random, groups);
        return open_relation(worker, transactor->cursor_group, &transactor->cursor);
    }
    struct row_group rows = expect_group(worker, transactor->cursor_group);
    int result = worker_accept(worker);
    if (result == 0 && !worker->refused) {
        result = judge_object(worker, &rows, transactor->cursor);
    }
    if (result == 0 && random_below(&worker->random, 4) == 0) {
        transactor_close_cursor(worker);
    }
    return result;
}

/* ---- at the end ---------------------------------------------------------------------------- */

static int take_row(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    row_read_take(argument, tuple);
    return 0;
}

static int read_source(struct worker *worker, struct row_read *read)
{
    struct sv_source *source = transactor_of(worker)->source;
    struct row_keys keys;

    row_keys_set(&keys, read->key);
    row_read_take(read, NULL);
    const int result = source->read(source, worker->self, ROW_RELATION, &keys.keys, take_row, read);
    return worker_result(worker, "source->read", result == SV_NOT_FOUND ? 0 : result);
}

/* Read a row as the source has it: if it is still what the dead wrote, the cache must say so. */
static int check_write(struct worker *worker, uint32_t dead, uint32_t key)
{
    const struct birth *birth = &worker->control->births[dead];
    struct row_read direct = expect(worker, key);
    int result = read_source(worker, &direct);

    if (result != 0 || worker->refused || !direct.found || direct.value.birth != dead ||
        direct.value.transaction != sv_load_seq32(&birth->commit_begun)) {
        return result;
    }
    struct row_read cached = expect(worker, key);
    if (cached.truth < TRUTH(direct.version, false)) {
        cached.truth = TRUTH(direct.version, false);
    }
    result = worker_accept(worker);
    return result != 0 || worker->refused ? result : search(worker, &cached, false);
}

int transactor_check_settled(struct worker *worker)
{
    struct transactor *transactor = transactor_of(worker);
    const uint32_t settled = sv_load_seq32(&worker->control->shared->settled);
    int result = 0;

    if (settled == transactor->settled) {
        return 0;
    }
    transactor->settled = settled;
    for (uint32_t i = 0; result == 0 && i < control_birth_count(worker->control); i++) {
        const struct birth *birth = &worker->control->births[i];
        if (transactor->checked[i] != 0 || sv_load_seq32(&birth->settled) == 0) {
            continue;
        }
        transactor->checked[i] = 1;
        for (uint32_t j = 0; result == 0 && j < sv_load_relaxed32(&birth->write_count); j++) {
            result = check_write(worker, i, sv_load_relaxed32(&birth->writes[j]));
        }
    }
    return result;
}

int transactor_compare(struct worker *worker, uint32_t key)
{
    struct row_read direct = expect(worker, key);
    struct row_read cached = direct;
    struct finding finding;
    uint32_t tries = 1000;
    int result;

    do { /* a load may be refused on purpose */
        result = search(worker, &cached, false);
    } while (result == 0 && worker->refused && --tries > 0);
    if (result == 0 && worker->refused) {
        return 0;
    }
    if (result == 0) {
        result = read_source(worker, &direct);
    }
    if (result == 0) {
        result = judge(worker, &direct);
    }
    if (result != 0 || (cached.found == direct.found && cached.version == direct.version &&
                        memcmp(&cached.value, &direct.value, sizeof(direct.value)) == 0)) {
        return result;
    }
    (void)finding_set(
        &finding, ORACLE_O1,
        "row %u: all is quiet, and birth %u still caches version %llu (%u.%u.%u); the "
        "source has %llu (%u.%u.%u)",
        key, worker->birth, (unsigned long long)cached.version, cached.value.birth,
        cached.value.transaction, cached.value.serial, (unsigned long long)direct.version,
        direct.value.birth, direct.value.transaction, direct.value.serial);
    return worker_accuse(worker, &finding);
}
