/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom: for one who is stopped with a lock, and for the dead while being interrupted
 * all the time.
 */
#include <stdio.h>
#include <sys/time.h>

#include "meeting.h"

TestSuite(waiters_crash, .timeout = 120);

static const struct sv_config waiters_world = {
    .backends_max = 16, .capacity = 64, .table_rows_max = 16};

enum { READY, GO, DONE, HELD, INSERTED }; /* words of the meeting */

#define RELATION 1

static const struct sv_keys known = {.count = 1, .key = {{"known", 5}}};
static const struct sv_keys unknown = {.count = 1, .key = {{"unknown", 7}}};
static const struct sv_tuple some_tuple = {.data = "x", .size_bytes = 1};

/* ---- holders -------------------------------------------------------------------------------- */

struct hold {
    enum sv_lock lock;
    enum sv_lock_mode mode;
};

struct holder {
    const char *name;
    struct hold holds[2]; /* in lock order */
    int count;
    struct meeting *meeting;
};

/* As a writer, a cleaner, a reader, a committer of the table and a reader of it can be stopped. */
static const struct holder holders[] = {
    {.name = "write", .holds = {{SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE}}, .count = 1},
    {.name = "write and read",
     .holds = {{SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE}, {SV_LOCK_READ, SV_LOCK_EXCLUSIVE}},
     .count = 2},
    {.name = "read, shared", .holds = {{SV_LOCK_READ, SV_LOCK_SHARED}}, .count = 1},
    {.name = "table", .holds = {{SV_LOCK_TABLE, SV_LOCK_EXCLUSIVE}}, .count = 1},
    {.name = "table, shared", .holds = {{SV_LOCK_TABLE, SV_LOCK_SHARED}}, .count = 1},
};

enum { HOLDERS = sizeof(holders) / sizeof(holders[0]) };

/* Stops with the locks; continued, it lets go of them. */
static int hold_and_stop(struct sv_segment *segment, void *argument)
{
    const struct holder *holder = argument;
    struct sv_backend *self = attach_here(segment, 0);
    for (int i = 0; i < holder->count; i++) {
        sv_lwlock_acquire(self, holder->holds[i].lock, holder->holds[i].mode);
    }
    sv_store_release32(&holder->meeting->words[HELD], sv_backend_slot(self) + 1);
    (void)raise(SIGSTOP);
    for (int i = holder->count; i-- > 0;) {
        sv_lwlock_release(self, holder->holds[i].lock);
    }
    sv_backend_detach(self);
    return 0;
}

static pid_t stop_one_with(struct sv_segment *segment, struct holder *holder)
{
    int status = 0;
    sv_store_release32(&holder->meeting->words[HELD], 0);
    const pid_t pid = fork_child(hold_and_stop, segment, holder);
    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    cr_assert(WIFSTOPPED(status), "status %#x", (unsigned)status);
    return pid;
}

static void go_on(pid_t pid)
{
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert_eq(reap(pid), 0);
}

/* ---- actors --------------------------------------------------------------------------------- */

enum action {
    ACCEPT_NOTHING,
    ACCEPT_NEW,
    INSERT,
    CLEAN_UP,
    ATTACH,
    DETACH,
    SEARCH_HIT,
    SEARCH_MISS,
    COMMIT,
    ACTIONS
};

static const char *const action_names[ACTIONS] = {
    "accept, nothing new", "accept", "insert", "clean up", "attach", "detach", "search, cached",
    "search, not cached",  "commit"};

/* What waits for which holder (columns as above). include/sinval/lwlock.h says so, too. */
static const bool waits[ACTIONS][HOLDERS] = {
    [ACCEPT_NOTHING] = {false, false, false, false, false},
    [ACCEPT_NEW] = {false, true, false, false, false},
    [INSERT] = {true, true, false, false, false},
    [CLEAN_UP] = {true, true, true, false, false},
    [ATTACH] = {true, true, false, false, false},
    [DETACH] = {true, true, false, false, false},
    [SEARCH_HIT] = {false, false, false, false, false},
    [SEARCH_MISS] = {false, false, false, true, false},
    [COMMIT] = {true, true, false, true, true},
};

struct actor {
    enum action action;
    struct meeting *meeting;
};

struct seat {
    struct sv_backend *self;
    struct sv_source *source;
    struct sv_catcache *cache;
};

/* Returns: 0; else the child's status. */
static int search(const struct seat *seat, const struct sv_keys *keys)
{
    struct sv_cache_entry *entry = NULL;
    const int result = sv_cache_search(seat->self, seat->cache, keys, &entry);
    if (entry != NULL) {
        sv_cache_release(seat->self, entry);
    }
    return result == 0 || result == SV_NOT_FOUND ? 0 : 10;
}

static int commit(const struct seat *seat)
{
    if (sv_transaction_begin(seat->self, NULL) != 0 ||
        sv_source_write(seat->self, seat->source, RELATION, &known, &some_tuple) != 0) {
        return 11;
    }
    return sv_transaction_commit(seat->self) == 0 ? 0 : 12;
}

static int take_seat(struct sv_segment *segment, struct seat *seat)
{
    seat->self = attach_here(segment, 0);
    if (sv_table_open(seat->self, &seat->source) != 0) {
        return 13;
    }
    const struct sv_catcache_options options = {
        .cache = RELATION, .relation = RELATION, .key_count = 1, .source = seat->source};
    if (sv_catcache_create(seat->self, &options, &seat->cache) != 0) {
        return 14;
    }
    return search(seat, &known);
}

static int do_action(struct sv_segment *segment, enum action action, struct seat *seat)
{
    switch (action) {
    case ACCEPT_NOTHING:
    case ACCEPT_NEW:
        return sv_accept_messages(seat->self) == 0 ? 0 : 15;
    case INSERT:
        insert_numbered(seat->self, 1, 1);
        return 0;
    case CLEAN_UP:
        sv_queue_cleanup(seat->self, 0);
        return 0;
    case ATTACH:
        seat->self = attach_here(segment, 0);
        return 0;
    case DETACH:
        sv_backend_detach(seat->self);
        return 0;
    case SEARCH_HIT:
        return search(seat, &known);
    case SEARCH_MISS:
        return search(seat, &unknown);
    case COMMIT:
        return commit(seat);
    default:
        return 16;
    }
}

static int act_once(struct sv_segment *segment, void *argument)
{
    const struct actor *actor = argument;
    struct meeting *meeting = actor->meeting;
    struct seat seat = {0};
    int result = actor->action == ATTACH ? 0 : take_seat(segment, &seat);
    if (result == 0 && actor->action == ACCEPT_NOTHING) {
        result = sv_accept_messages(seat.self) == 0 ? 0 : 17;
    }
    advance(&meeting->words[READY]);
    await(&meeting->words[GO], 1);
    if (result == 0) {
        result = do_action(segment, actor->action, &seat);
    }
    advance(&meeting->words[DONE]);
    return result;
}

/* ---- looking at who waits -------------------------------------------------------------------- */

/* The processor's time that a process has had, in ns. */
static uint64_t time_had(pid_t pid)
{
    char name[64];
    char text[64] = "";
    (void)snprintf(name, sizeof(name), "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(name, "re");
    cr_assert_not_null(file, "%s", name);
    cr_assert_not_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    return strtoull(text, NULL, 10);
}

/* The slot of the process, once it waits for a lock; which one. */
static enum sv_lock await_waiter(struct sv_segment *segment, pid_t pid)
{
    for (;;) {
        for (uint32_t slot = 0; slot < waiters_world.backends_max; slot++) {
            struct sv_slot_state state;
            sv_slot_look(segment, slot, &state);
            if (state.pid == pid && state.waits_for_lock != SV_SLOT_NONE) {
                return (enum sv_lock)state.waits_for_lock;
            }
        }
        struct sv_atomic32 nobody = {0};
        (void)sv_os_wait(&nobody, 0, A_WHILE_NS);
    }
}

/* In 60 ms it has a small part of them, as far as one look can tell. */
static bool looks_asleep(pid_t pid)
{
    struct sv_atomic32 nobody = {0};
    const uint64_t before = time_had(pid);
    const uint64_t began = sv_os_now_ns();
    (void)sv_os_wait(&nobody, 0, UINT64_C(60000000));
    return time_had(pid) - before < (sv_os_now_ns() - began) / 4;
}

#define LOOKS 10

/*
 * It sleeps. It may still have been running in the first look; and on a machine that is one of
 * several on a host it is also charged for the time in which the host ran another.
 */
static void expect_asleep(pid_t pid, const char *name)
{
    int looks = 0;
    while (looks < LOOKS && !looks_asleep(pid)) {
        looks++;
    }
    cr_expect_lt(looks, LOOKS, "%s: it spins", name);
}

/* Who waits, sleeps, can see for whom, and has done nothing yet. */
static void expect_waiting(struct sv_segment *segment, const struct holder *holder, pid_t pid,
                           const char *name)
{
    const enum sv_lock lock = await_waiter(segment, pid);
    bool is_held = false;
    for (int i = 0; i < holder->count; i++) {
        is_held |= holder->holds[i].lock == lock;
        if (holder->holds[i].lock == lock && holder->holds[i].mode == SV_LOCK_EXCLUSIVE) {
            cr_expect_eq(sv_lwlock_owner(segment, lock, NULL) + 1,
                         sv_load_acquire32(&holder->meeting->words[HELD]), "%s", name);
        }
    }
    cr_expect(is_held, "%s: it waits for %s", name, sv_lwlock_name(lock));
    expect_asleep(pid, name);
    cr_expect_eq(sv_load_acquire32(&holder->meeting->words[DONE]), 0, "%s: it did not wait", name);
}

static void meet_stopped(int which, enum action action)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s, while one is stopped with %s", action_names[action],
                   holders[which].name);
    struct sv_segment *segment = world(waiters_world);
    struct sv_backend *teller = join(segment);
    struct holder holder = holders[which];
    holder.meeting = meet();
    struct actor actor = {.action = action, .meeting = holder.meeting};
    const pid_t pid = fork_child(act_once, segment, &actor);
    await(&holder.meeting->words[READY], 1);
    if (action == ACCEPT_NEW) {
        insert_numbered(teller, 7, 1);
    }
    const pid_t stopped = stop_one_with(segment, &holder);
    advance(&holder.meeting->words[GO]);
    if (waits[action][which]) {
        expect_waiting(segment, &holder, pid, name);
        go_on(stopped);
        await(&holder.meeting->words[DONE], 1);
    } else {
        await(&holder.meeting->words[DONE], 1);
        go_on(stopped);
    }
    cr_expect_eq(reap(pid), 0, "%s: its status", name);
    sv_backend_detach(teller);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
}

/*
 * Claim:   who needs a lock whose holder is stopped waits for it, asleep, and can see for whom; who
 *          needs none goes on; when the holder is continued, everybody does.
 * Method:  each way to be stopped with a lock, each thing to do meanwhile, as the table above says.
 *          The locks of a stopped process are taken over by nobody.
 */
Test(waiters_crash, only_who_needs_a_lock_waits_for_a_stopped_holder)
{
    for (int holder = 0; holder < HOLDERS; holder++) {
        for (int action = 0; action < ACTIONS; action++) {
            meet_stopped(holder, (enum action)action);
        }
    }
}

static int insert_once(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    advance(&meeting->words[READY]);
    await(&meeting->words[GO], 1);
    insert_numbered(self, 1, 1);
    advance(&meeting->words[DONE]);
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   a queue of waiters goes on when the stopped holder is continued, and no lock is taken
 *          over from it.
 * Method:  eight wait for write_lock.
 */
Test(waiters_crash, all_who_wait_for_a_stopped_holder_go_on)
{
    enum { WAITERS = 8 };

    struct sv_segment *segment = world(waiters_world);
    struct holder holder = holders[0];
    pid_t pids[WAITERS];
    holder.meeting = meet();
    for (int i = 0; i < WAITERS; i++) {
        pids[i] = fork_child(insert_once, segment, holder.meeting);
    }
    await(&holder.meeting->words[READY], WAITERS);
    const pid_t stopped = stop_one_with(segment, &holder);
    advance(&holder.meeting->words[GO]);
    for (int i = 0; i < WAITERS; i++) {
        (void)await_waiter(segment, pids[i]);
    }
    for (int i = 0; i < WAITERS; i++) {
        expect_asleep(pids[i], "one of many");
    }
    cr_expect_eq(counted(segment, SV_STAT_inserted), 0);
    go_on(stopped);
    for (int i = 0; i < WAITERS; i++) {
        cr_expect_eq(reap(pids[i]), 0);
    }
    cr_expect_eq(counted(segment, SV_STAT_inserted), WAITERS);
    cr_expect_eq(counted(segment, SV_STAT_locks_taken_over), 0);
    sv_segment_detach(segment);
}

/* ---- interrupted ---------------------------------------------------------------------------- */

static volatile sig_atomic_t interruptions;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interruptions++;
}

static void every_ms(suseconds_t us)
{
    const struct itimerval timer = {.it_interval = {.tv_usec = us}, .it_value = {.tv_usec = us}};
    cr_assert_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static int hold_and_die(struct sv_segment *segment, void *argument)
{
    const struct hold *hold = argument;
    struct sv_backend *self = attach_here(segment, 0);
    sv_lwlock_acquire(self, hold->lock, hold->mode);
    return raise(SIGKILL);
}

/*
 * Claim:   the dead are noticed also by who is interrupted more often than a sleep is long (K1).
 * Method:  a timer's signal each millisecond, sleeps of 10; a holder dies with each lock in each
 *          mode. A question that is only asked after a sleep without interruption is asked when
 *          the machine happens to be slow. Counted are interruptions, not time.
 */
Test(waiters_crash, who_is_interrupted_all_the_time_still_notices_a_death)
{
    struct hold holds[] = {{SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE}, {SV_LOCK_READ, SV_LOCK_EXCLUSIVE},
                           {SV_LOCK_READ, SV_LOCK_SHARED},     {SV_LOCK_TABLE, SV_LOCK_EXCLUSIVE},
                           {SV_LOCK_TABLE, SV_LOCK_SHARED},    {SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE}};
    struct sv_segment *segment = world(waiters_world);
    struct sv_backend *self = join(segment);
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
        (void)reap(fork_child(hold_and_die, segment, &holds[i]));
        interruptions = 0;
        every_ms(1000);
        sv_lwlock_acquire(self, holds[i].lock, SV_LOCK_EXCLUSIVE);
        every_ms(0);
        sv_lwlock_release(self, holds[i].lock);
        cr_expect_gt(interruptions, 0, "it was not interrupted");
        cr_expect_lt(interruptions, 100, "it did not ask for %d ms", (int)interruptions);
    }
    cr_expect_eq(counted(segment, SV_STAT_locks_taken_over), sizeof(holds) / sizeof(holds[0]));
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- since when ----------------------------------------------------------------------------- */

static int take_and_let_go(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = attach_here(segment, 0);
    (void)argument;
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(self, SV_LOCK_READ);
    return 0;
}

/* How often a process has gone to sleep. */
static unsigned long sleeps_of(pid_t pid)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "/proc/%d/status", pid);
    FILE *status = fopen(text, "re");
    cr_assert_not_null(status);
    while (fgets(text, sizeof(text), status) != NULL && strncmp(text, "voluntary", 9) != 0) {
    }
    (void)fclose(status);
    return strtoul(strchr(text, ':') + 1, NULL, 10);
}

static void await_sleeps(pid_t pid, unsigned long more)
{
    const unsigned long before = sleeps_of(pid);
    while (sleeps_of(pid) < before + more) {
        (void)sched_yield();
    }
}

/*
 * Claim:   who waits for a lock says since when, which is the same while it waits for one holder
 *          after another.
 * Method:  an exclusive acquire that waits for two shared holders, who let go one after the other:
 *          the second one when the process has gone to sleep for the first one, and again after
 *          that one has let go. It sleeps 10 ms at a time, so it does so again and again.
 */
Test(waiters_crash, a_wait_for_one_holder_after_another_is_one_wait)
{
    struct sv_segment *segment = world(waiters_world);
    struct sv_backend *first = join(segment);
    struct sv_backend *second = join(segment);
    sv_lwlock_acquire(first, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_lwlock_acquire(second, SV_LOCK_READ, SV_LOCK_SHARED);
    struct sv_slot *slot = &segment->slots[2];
    const uint64_t before_ns = sv_os_now_ns();
    const pid_t pid = fork_child(take_and_let_go, segment, NULL);
    await_exactly(&slot->waits_for_lock, SV_LOCK_READ + 1);
    const uint64_t since_ns = sv_load_seq64(&slot->waits_since_ns);
    cr_assert(since_ns >= before_ns && since_ns <= sv_os_now_ns());
    await_sleeps(pid, 2);
    sv_lwlock_release(first, SV_LOCK_READ);
    await_sleeps(pid, 4);
    cr_assert_eq(sv_load_seq32(&slot->waits_for_lock), SV_LOCK_READ + 1);
    cr_assert_eq(sv_load_seq64(&slot->waits_since_ns), since_ns);
    sv_lwlock_release(second, SV_LOCK_READ);
    assert_exited(reap(pid), 0);
    sv_backend_detach(second);
    sv_backend_detach(first);
    sv_segment_detach(segment);
}
