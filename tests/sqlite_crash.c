/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * SQLite as a source whose writers are killed: what SQLite promises, asked of it in the way in
 * which we use it.
 */
#include "source_crash.h"
#include "sqlite_support.h"

TestSuite(sqlite_crash, .timeout = 120);

enum { ROWS = 3 };

static const char *const names[ROWS] = {"a", "b", "c"};

/* One transaction that sets them all, with a level in between. Returns: 0; a status. */
static int set_all(const struct seat *seat, const char *value)
{
    int result = sv_transaction_begin(seat->self, NULL);
    for (uint32_t i = 0; i < ROWS && result == 0; i++) {
        const struct sv_keys key = keys_of(names[i], NULL);
        const struct sv_tuple tuple = {.data = value, .size_bytes = (uint32_t)strlen(value)};
        result = i == 1 ? sv_subtransaction_begin(seat->self) : 0;
        result = result == 0 ? sv_source_write(seat->self, seat->source, RELATION, &key, &tuple)
                             : result;
        result = i == 1 && result == 0 ? sv_subtransaction_release(seat->self) : result;
    }
    return result == 0 ? sv_transaction_commit(seat->self) : 3;
}

static int set_new_traced(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct seat seat = {0};
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        open_file(seat.self, &seat.source) != 0) {
        return 1;
    }
    be_traced();
    return set_all(&seat, "new");
}

/* Keeps a connection open, so that a death leaves a survivor. */
static int keep_open(struct sv_segment *segment, void *argument)
{
    struct sv_atomic32 *there = argument;
    struct seat seat = {0};
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        open_file(seat.self, &seat.source) != 0) {
        return 1;
    }
    sv_store_release32(there, 1);
    sv_os_wake(there, INT32_MAX);
    for (;;) {
        (void)pause();
    }
}

static struct seat seat_take(struct sv_segment *segment)
{
    struct seat seat = {.self = join(segment)};
    cr_assert_eq(open_file(seat.self, &seat.source), 0);
    /* Nobody living keeps a lock here: whoever waits, waits for the dead. */
    (void)sqlite3_busy_timeout(database_of(seat.source), 100);
    return seat;
}

static void seat_leave(const struct seat *seat)
{
    sv_backend_detach(seat->self);
    seat->source->close(seat->source);
}

/* All rows old, or all new, of one version. Returns: whether they are new. */
static bool survey(const struct seat *seat, uint32_t stops)
{
    struct seen seen[ROWS] = {{.count = 0}};
    for (uint32_t i = 0; i < ROWS; i++) {
        cr_assert_eq(read_row(seat, RELATION, keys_of(names[i], NULL), &seen[i]), 0, "stop %u: %s",
                     stops, sv_sqlite_error(seat->source));
        cr_assert_str_eq(seen[i].text + 2, seen[0].text + 2, "stop %u", stops);
        cr_assert_eq(seen[i].version, seen[0].version, "stop %u", stops);
    }
    return strcmp(seen[0].text, "a=new ") == 0;
}

/* Run the transaction up to that stop and kill it. Returns: false if it ended before. */
static bool kill_at_stop(struct sv_segment *segment, uint32_t stops)
{
    const pid_t child = fork_child(set_new_traced, segment, NULL);
    if (!wait_until_traced(child)) {
        cr_skip_test("this machine lets nobody be traced");
    }
    for (uint32_t i = 0; i < stops; i++) {
        if (!step_once(child, PTRACE_SYSCALL)) {
            return false;
        }
    }
    kill_and_reap(child);
    return true;
}

static void kill_at_every_stop(struct sv_segment *segment)
{
    uint32_t olds = 0;
    uint32_t news = 0;
    bool killed = true;
    for (uint32_t stops = 0; killed; stops++) {
        struct seat seat = seat_take(segment);
        cr_assert_eq(set_all(&seat, "old"), 0, "stop %u: %s", stops, sv_sqlite_error(seat.source));
        seat_leave(&seat); /* a connection does not survive fork */
        killed = kill_at_stop(segment, stops);
        seat = seat_take(segment);
        const bool is_new = survey(&seat, stops);
        cr_assert(is_new || killed, "a commit that returned is not there");
        olds += !is_new;
        news += is_new;
        seat_leave(&seat);
        (void)sv_backend_settle_dead(segment);
    }
    cr_assert(olds > 10 && news > 1, "%u kills before the commit, %u after", olds, news);
}

/*
 * Claim:   a transaction whose process is killed at any of its system calls has happened as a
 *          whole or not at all, and the next writer waits for nobody (K1).
 * Method:  it is stopped before and after each call, and killed at the first, the second, and so
 *          on until one ends by itself; a survivor with 100 ms of patience reads and writes.
 *          Once with a connection that stays open through all of it, once with none, so that the
 *          next to come has to recover the file.
 */
Test(sqlite_crash, a_transaction_killed_at_any_call_is_whole_or_nothing)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 64});
    make_directory();
    kill_at_every_stop(segment);
    struct sv_atomic32 *there =
        mmap(NULL, sizeof(*there), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(there, MAP_FAILED);
    const pid_t keeper = fork_child(keep_open, segment, there);
    while (sv_load_acquire32(there) == 0) {
        (void)sv_os_wait(there, 0, UINT64_C(100000000));
    }
    kill_at_every_stop(segment);
    kill_and_reap(keeper);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    remove_directory();
}

/*
 * Claim:   readers see each transaction as a whole or not at all, what was acknowledged stays, and
 *          nothing goes back, while writers are killed.
 * Method:  four processes share one file, 200 kills (source_crash.h).
 */
Test(sqlite_crash, readers_see_whole_transactions_while_writers_are_killed)
{
    struct sv_segment *segment =
        world((struct sv_config){.backends_max = WRITERS + 2, .capacity = 256});
    make_directory();
    kill_writers(segment, open_file, 200);
    sv_segment_detach(segment);
    remove_directory();
}
