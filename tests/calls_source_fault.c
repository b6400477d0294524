/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Every system call of an SQLite source fails, one at a time, with every error (fail_each.h). (The
 * table source makes no calls but those of locks: calls_backend_fault.c. Full disks:
 * full_disk_fault.c.)
 *
 * Whatever SQLite makes of it, nobody may read stale: a witness, a process with a cache and a
 * connection of its own, accepts after each attempt and compares what it has cached with what is
 * there. It is forked before anybody opens the database, since a connection does not survive that.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "fail_each.h"
#include "sqlite_support.h"

TestSuite(calls_source_fault, .timeout = 240, .init = make_directory, .fini = remove_directory);

#define RELATION 1

static const struct sv_keys row_key = {.count = 1, .key = {{"row", 3}}};

enum { READY, ASKED, ANSWERED, SEEN, STALE, VALUE }; /* words of the meeting */

/* ---- the witness ---------------------------------------------------------------------------- */

static int take_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    uint32_t *value = argument;
    (void)keys;
    memcpy(value, tuple->data, sizeof(*value));
    return 0;
}

struct witness {
    struct sv_backend *self;
    struct sv_source *source;
    struct sv_catcache *cache;
};

/* Returns: what it answers; *seen: what is there. */
static int compare(const struct witness *witness, uint32_t *seen)
{
    struct sv_cache_entry *entry = NULL;
    uint32_t cached = 0;
    *seen = 0;
    int result = sv_accept_messages(witness->self);
    if (result == 0) {
        result = sv_cache_search(witness->self, witness->cache, &row_key, &entry);
    }
    if (result == 0) {
        memcpy(&cached, sv_cache_tuple(entry)->data, sizeof(cached));
        sv_cache_release(witness->self, entry);
    }
    if (result == 0 || result == SV_NOT_FOUND) {
        result = witness->source->read(witness->source, witness->self, RELATION, &row_key,
                                       take_value, seen);
    }
    return (result == 0 || result == SV_NOT_FOUND) && *seen != cached ? 1 : result;
}

static int bear_witness(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct witness witness = {.self = attach_here(segment, 0)};
    if (open_file(witness.self, &witness.source) != 0) {
        return 4;
    }
    const struct sv_catcache_options options = {
        .cache = RELATION, .relation = RELATION, .key_count = 1, .source = witness.source};
    if (sv_catcache_create(witness.self, &options, &witness.cache) != 0) {
        return 5;
    }
    advance(&meeting->words[READY]);
    for (uint32_t turn = 1; turn != 0; turn++) {
        uint32_t seen = 0;
        await(&meeting->words[ASKED], turn);
        const int result = compare(&witness, &seen);
        sv_store_relaxed32(&meeting->words[SEEN], seen);
        sv_store_relaxed32(&meeting->words[STALE], (uint32_t)result);
        advance(&meeting->words[ANSWERED]);
    }
    return 0;
}

/* In a victim: the witness accepts, and compares. Returns: what it sees there. */
static uint32_t ask_witness(struct victim *victim)
{
    struct meeting *meeting = victim->meeting;
    const uint32_t turn = sv_fetch_add_seq32(&meeting->words[ASKED], 1) + 1;
    sv_os_wake(&meeting->words[ASKED], INT32_MAX);
    await(&meeting->words[ANSWERED], turn);
    const int answer = (int)sv_load_relaxed32(&meeting->words[STALE]);
    if (answer == 1) {
        wrong(victim, "somebody reads stale");
    } else if (answer != 0 && answer != SV_NOT_FOUND) {
        wrong(victim, "somebody's read gives %d", answer);
    }
    return sv_load_relaxed32(&meeting->words[SEEN]);
}

/* ---- the operations ------------------------------------------------------------------------- */

/*
 * SQLite answers what it makes of an error; these are what sv_sqlite_open's comment lists. A page
 * that cannot be read is to it a file system that is corrupt.
 */
static bool sqlite_allows(int result, int error)
{
    if (error == EIO && result == -SV_ECORRUPT) {
        return true;
    }
    return result == -EIO || result == -EBUSY || result == -ENOMEM || result == -ENOSPC ||
           result == -EROFS || result == -EAGAIN;
}

/* What cannot be opened for writing is tried for reading, and is then not there. */
static bool open_allows(int result, int error)
{
    return result == -ENOENT || sqlite_allows(result, error);
}

static int open_here(struct victim *victim)
{
    struct sv_source *source = NULL;
    const int result = open_file(victim->self, &source);
    victim->made = source;
    return result;
}

static void close_made(struct victim *victim)
{
    struct sv_source *source = victim->made;
    source->close(source);
}

static int attach_only(struct victim *victim)
{
    return sv_backend_attach(victim->segment, NULL, &victim->self);
}

static int attach_and_open(struct victim *victim)
{
    const int result = attach_only(victim);
    return result == 0 ? open_here(victim) : result;
}

static void leave_only(struct victim *victim)
{
    sv_backend_detach(victim->self);
}

static void close_and_leave(struct victim *victim)
{
    sv_backend_detach(victim->self);
    close_made(victim);
}

static void remove_files(struct victim *victim)
{
    static const char *const names[] = {"file", "file-wal", "file-shm", "file-journal"};
    char file[sizeof(path)];
    (void)victim;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(file, sizeof(file), "%s/%s", directory, names[i]);
        (void)unlink(file);
    }
}

static void close_and_remove(struct victim *victim)
{
    close_made(victim);
    remove_files(victim);
}

/*
 * Claim:   a database is opened, or made, or that is an error, which leaves nothing open.
 */
Test(calls_source_fault, a_database_is_opened_or_not)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4});
    struct operation operation = {.name = "open, new",
                                  .prepare = attach_only,
                                  .run = open_here,
                                  .undo = close_and_remove,
                                  .failed = remove_files,
                                  .leave = leave_only,
                                  .allows = open_allows};
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 20);
    operation.name = "open";
    operation.undo = close_made;
    operation.failed = NULL;
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 10);
    sv_segment_detach(segment);
}

/* Returns: what the commit gives, or what kept from it; then it is rolled back. */
static int write_and_commit(struct victim *victim)
{
    struct sv_source *source = victim->made;
    const uint32_t value = sv_fetch_add_seq32(&victim->meeting->words[VALUE], 1) + 1;
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};
    int result = sv_transaction_begin(victim->self, NULL);
    if (result != 0) {
        return result;
    }
    result = sv_source_write(victim->self, source, RELATION, &row_key, &tuple);
    if (result == 0) {
        result = sv_subtransaction_begin(victim->self);
    }
    if (result == 0) {
        result = sv_source_write(victim->self, source, RELATION, &row_key, NULL);
        sv_subtransaction_rollback(victim->self);
    }
    if (result != 0) {
        sv_transaction_rollback(victim->self);
        return result;
    }
    return sv_transaction_commit(victim->self);
}

static bool commit_allows(int result, int error)
{
    return result == SV_CONFLICT || sqlite_allows(result, error);
}

static void expect_told(struct victim *victim)
{
    const uint32_t seen = ask_witness(victim);
    if (seen != sv_load_relaxed32(&victim->meeting->words[VALUE])) {
        wrong(victim, "%" PRIu32 " is there, %" PRIu32 " was committed", seen,
              sv_load_relaxed32(&victim->meeting->words[VALUE]));
    }
}

static void expect_nothing(struct victim *victim)
{
    if (ask_witness(victim) == sv_load_relaxed32(&victim->meeting->words[VALUE])) {
        wrong(victim, "it failed, and the row is there");
    }
}

/* Every commit moves what is in the log into the file. */
static int attach_and_open_eager(struct victim *victim)
{
    const int result = attach_and_open(victim);
    return result == 0 ? sqlite3_wal_autocheckpoint(database_of(victim->made), 1) : result;
}

/*
 * Claim:   a commit that succeeds is there and told; one that fails is not there; who reads is
 *          never stale.
 * Method:  begin, write, a subtransaction that is rolled back, commit; and once more with a
 *          checkpoint in each commit. A witness compares its cache with the database.
 */
Test(calls_source_fault, a_commit_is_there_and_told_or_not_there)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4});
    struct meeting *meeting = meet();
    const pid_t witness = fork_child(bear_witness, segment, meeting);
    await(&meeting->words[READY], 1);
    struct operation operation = {.name = "commit",
                                  .prepare = attach_and_open,
                                  .run = write_and_commit,
                                  .undo = expect_told,
                                  .failed = expect_nothing,
                                  .leave = close_and_leave,
                                  .allows = commit_allows};
    cr_assert_geq(fail_each(&operation, segment, meeting, NULL), 5);
    operation.name = "commit and checkpoint";
    operation.prepare = attach_and_open_eager;
    cr_assert_geq(fail_each(&operation, segment, meeting, NULL), 7);
    kill_and_reap(witness);
    sv_segment_detach(segment);
}

static int read_and_list(struct victim *victim)
{
    struct sv_source *source = victim->made;
    uint32_t value = 0;
    uint32_t listed = 0;
    const struct sv_keys every = {0};
    int result = source->read(source, victim->self, RELATION, &row_key, take_value, &value);
    if (result == 0) {
        result = source->list(source, victim->self, RELATION, &every, take_value, &listed);
    }
    if (result == 0 && (value == 0 || value != listed)) {
        wrong(victim, "read gives %" PRIu32 ", list gives %" PRIu32, value, listed);
    }
    return result;
}

/* What is read is not in the connection's own cache: somebody else has just written it. */
static int open_and_let_write(struct victim *victim)
{
    const int result = attach_and_open(victim);
    struct sv_source *mine = victim->made;
    if (result != 0 || open_here(victim) != 0 || write_and_commit(victim) != 0) {
        return -EIO;
    }
    close_made(victim);
    victim->made = mine;
    return 0;
}

/*
 * Claim:   a read gives what is there, or an error.
 */
Test(calls_source_fault, a_read_is_right_or_an_error)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4});
    const struct operation operation = {.name = "read and list",
                                        .prepare = open_and_let_write,
                                        .run = read_and_list,
                                        .leave = close_and_leave,
                                        .allows = sqlite_allows};
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 2);
    sv_segment_detach(segment);
}
