/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * How the writers of a source are killed: at each step of one, traced; or many at random.
 */
#ifndef SINVAL_TESTS_SOURCE_CRASH_H
#define SINVAL_TESTS_SOURCE_CRASH_H

#include <sys/mman.h>
#include <sys/ptrace.h>

#include "source_support.h"

/* ---- one, traced ----------------------------------------------------------------------------- */

/* Let a child stop itself to be traced from there. */
static inline void be_traced(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0) {
        _exit(124);
    }
}

/* Returns: whether it stopped, ready to be stepped; else it has ended. */
static inline bool wait_until_traced(pid_t child)
{
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFSTOPPED(status) &&
           ptrace(PTRACE_SETOPTIONS, child, NULL, (long)PTRACE_O_EXITKILL) == 0;
}

/*
 * Up to its next stop, an instruction or a system call away. Returns: false if it has ended, which
 * it must have done well.
 */
static inline bool step_once(pid_t child, int request)
{
    int status = 0;
    cr_assert_eq(ptrace(request, child, NULL, NULL), 0, "%s", strerror(errno));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSTOPPED(status) ? WSTOPSIG(status) == SIGTRAP : status == 0, "status %x", status);
    return WIFSTOPPED(status);
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { WRITERS = 4, SAME_ROWS = 6, COUNTERS = RELATION + 1 };

/* What the writers share besides their rows. */
struct shared {
    int (*open)(struct sv_backend *self, struct sv_source **source);
    struct sv_atomic32 there;
    struct sv_atomic32 stop;
    struct sv_atomic32 commits;
    struct sv_atomic32 conflicts;
    struct sv_atomic32 acknowledged[WRITERS]; /* what each writer was told it has committed */
};

/* How the rows of one transaction look to a reader: n=value, all alike. */
struct same {
    uint32_t count;
    uint32_t value;
    uint64_t version;
    bool differ;
};

static inline int look(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct same *same = argument;
    uint32_t value;
    if (keys->count != 1 || tuple->size_bytes != sizeof(value)) {
        return 1;
    }
    memcpy(&value, tuple->data, sizeof(value));
    same->differ |= same->count != 0 && (value != same->value || tuple->version != same->version);
    same->value = value;
    same->version = tuple->version;
    same->count++;
    return 0;
}

/* Is what this backend sees one commit's work? Returns: 0; else the child's status. */
static inline int look_at_rows(const struct seat *seat, struct shared *shared, uint64_t *newest)
{
    uint32_t acknowledged[WRITERS];
    for (uint32_t i = 0; i < WRITERS; i++) {
        acknowledged[i] = sv_load_acquire32(&shared->acknowledged[i]);
    }
    struct same rows = {0};
    struct sv_source *source = seat->source;
    if (source->list(source, seat->self, RELATION, &every_row, look, &rows) != 0) {
        return 10;
    }
    if (rows.differ || (rows.count != 0 && rows.count != SAME_ROWS)) {
        return 11;
    }
    if (rows.count != 0 && rows.version < *newest) {
        return 12;
    }
    *newest = rows.count != 0 ? rows.version : *newest;
    for (uint32_t i = 0; i < WRITERS; i++) {
        struct same counter = {0};
        const struct sv_keys key = {.count = 1, .key = {{&i, sizeof(i)}}};
        const int result = source->read(source, seat->self, COUNTERS, &key, look, &counter);
        if ((result != 0 && result != SV_NOT_FOUND) || counter.value < acknowledged[i]) {
            return 13;
        }
    }
    return 0;
}

/* All rows alike, or none; and the writer's own counter, in one transaction.
 * Returns: 0; SV_CONFLICT: it did not happen; else the child's status. */
static inline int write_rows(const struct seat *seat, uint32_t writer, uint32_t counter)
{
    const struct sv_tuple tuple = {.data = &counter, .size_bytes = sizeof(counter)};
    const struct sv_keys own = {.count = 1, .key = {{&writer, sizeof(writer)}}};
    int result = sv_transaction_begin(seat->self, NULL);
    for (uint32_t i = 0; i < SAME_ROWS && result == 0; i++) {
        const struct sv_keys key = {.count = 1, .key = {{&i, sizeof(i)}}};
        result = sv_source_write(seat->self, seat->source, RELATION, &key,
                                 counter % 5 != 0 ? &tuple : NULL);
    }
    if (result == 0) {
        result = sv_source_write(seat->self, seat->source, COUNTERS, &own, &tuple);
    }
    if (result == SV_CONFLICT) {
        sv_transaction_rollback(seat->self);
        return SV_CONFLICT;
    }
    return result == 0 ? sv_transaction_commit(seat->self) : 20;
}

/* Write and look, for ever, or until told to stop. */
static inline int write_for_ever(struct sv_segment *segment, void *argument)
{
    struct shared *shared = ((struct shared **)argument)[0];
    const uint32_t writer = *((uint32_t **)argument)[1];
    struct seat seat = {0};
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        shared->open(seat.self, &seat.source) != 0) {
        return 2;
    }
    struct same own = {0};
    const struct sv_keys key = {.count = 1, .key = {{&writer, sizeof(writer)}}};
    const int result = seat.source->read(seat.source, seat.self, COUNTERS, &key, look, &own);
    uint32_t counter = result == 0 ? own.value : 0;
    uint64_t newest = 0;
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
    while (sv_load_relaxed32(&shared->stop) == 0) {
        int status = write_rows(&seat, writer, counter + 1);
        if (status != 0 && status != SV_CONFLICT) {
            return status;
        }
        if (status == 0) {
            sv_store_release32(&shared->acknowledged[writer], ++counter);
            (void)sv_fetch_add_seq32(&shared->commits, 1);
        } else {
            (void)sv_fetch_add_seq32(&shared->conflicts, 1);
        }
        status = look_at_rows(&seat, shared, &newest);
        if (status != 0 || sv_accept_messages(seat.self) != 0) {
            return status;
        }
    }
    seat.source->close(seat.source);
    sv_backend_detach(seat.self);
    return 0;
}

static inline void wait_until_there(struct shared *shared, uint32_t how_many)
{
    for (uint32_t seen; (seen = sv_load_acquire32(&shared->there)) < how_many;) {
        (void)sv_os_wait(&shared->there, seen, UINT64_C(100000000));
    }
}

/*
 * Four processes write six rows alike (or delete them all) and a counter of their own in one
 * transaction, and look at everybody's. One after the other is killed, and replaced.
 */
static inline void kill_writers(struct sv_segment *segment,
                                int (*open)(struct sv_backend *self, struct sv_source **source),
                                uint32_t kills)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    shared->open = open;
    pid_t children[WRITERS];
    for (uint32_t i = 0; i < WRITERS; i++) {
        children[i] = fork_child(write_for_ever, segment, (void *[]){shared, &i});
    }
    wait_until_there(shared, WRITERS);
    for (uint32_t i = 0; i < kills; i++) {
        uint32_t victim = i % WRITERS;
        kill_and_reap(children[victim]);
        children[victim] = fork_child(write_for_ever, segment, (void *[]){shared, &victim});
        wait_until_there(shared, WRITERS + i + 1);
    }
    sv_store_release32(&shared->stop, 1);
    for (uint32_t i = 0; i < WRITERS; i++) {
        const int status = reap(children[i]);
        cr_assert_eq(status, 0, "writer %u ended with status %x", i, status);
    }
    (void)sv_backend_settle_dead(segment);
    cr_assert_gt(sv_load_relaxed32(&shared->commits), kills / 2, "hardly anything was committed");
    cr_assert_eq(sv_load_relaxed32(&shared->conflicts), 0, "in conflict with nobody");
    cr_assert_eq(munmap(shared, sizeof(*shared)), 0);
}

#endif
