/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Reset is the last resort (K5): a death at any named fault point resets nobody, but where a reset
 * is what was being done. With --verbose=1 each point is listed with what its death cost.
 */
#include "injector_support.h"
#include "meeting.h"
#include "queue/queue.h"
#include "sqlite_support.h"

TestSuite(resets_crash, .timeout = 180, .init = make_directory, .fini = remove_directory);

enum { READY, TURNS }; /* words of the meeting */

#define RELATION 1

/* The first cleanup lowers the numbers, and 40 messages need a catchup. */
static const struct sv_config resets_world = {.backends_max = 8,
                                              .capacity = 1024,
                                              .cleanup_min = 16,
                                              .cleanup_quantum = 8,
                                              .signal_threshold = 16,
                                              .wraparound = 1024,
                                              .intent_max = 16,
                                              .table_rows_max = 16};

/* ---- the sleeper: far behind until it is woken ----------------------------------------------- */

static int sleep_and_accept(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, SIGUSR1);
    advance(&meeting->words[READY]);
    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        sv_latch_reset(self);
        if (sv_accept_messages(self) != 0 || sv_latch_wait(self, &wait) != 0) {
            return 4;
        }
    }
}

/* ---- the victim: it does everything once ----------------------------------------------------- */

struct victim {
    struct run *run;
    struct sv_segment *segment;
    struct sv_backend *self;
    struct sv_source *table;
    struct sv_source *sqlite;
    struct sv_catcache *cache;
    struct sv_relcache *relcache;
    uint32_t sleeper; /* a slot */
    bool recovers;    /* it settles the dead, and no more */
    bool resets;      /* it resets everyone, too */
};

static int build(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    (void)self;
    (void)relation;
    *object = argument;
    return 0;
}

static void destroy(void *object, void *argument)
{
    (void)object;
    (void)argument;
}

static void must(int result)
{
    if (result != 0) {
        _exit(5);
    }
}

static void open_all(struct victim *victim)
{
    must(sv_table_open(victim->self, &victim->table));
    must(open_file(victim->self, &victim->sqlite));
    const struct sv_catcache_options options = {
        .cache = RELATION, .relation = RELATION, .key_count = 1, .source = victim->table};
    must(sv_catcache_create(victim->self, &options, &victim->cache));
    const struct sv_relcache_options relations = {
        .build = build, .destroy = destroy, .argument = victim};
    must(sv_relcache_create(victim->self, &relations, &victim->relcache));
}

static void take_locks(struct victim *victim)
{
    for (int mode = 0; mode < SV_LOCK_MODE_COUNT; mode++) {
        sv_lwlock_acquire(victim->self, SV_LOCK_APP_0, (enum sv_lock_mode)mode);
        sv_lwlock_release(victim->self, SV_LOCK_APP_0);
    }
}

/* Cleanup, the wraparound, a catchup; in two groups. */
static void insert_and_read(struct victim *victim)
{
    for (int i = 0; i < 5; i++) {
        insert_numbered(victim->self, 0, 8);
    }
    insert_numbered(victim->self, 0, 80);
    must(sv_accept_messages(victim->self));
    sv_queue_cleanup(victim->self, 0);
}

static void change_both(struct victim *victim)
{
    const struct sv_keys keys = {.count = 1, .key = {{"k", 1}}};
    const struct sv_keys others = {.count = 1, .key = {{"other", 5}}};
    const struct sv_tuple tuple = {.data = "v", .size_bytes = 1};
    must(sv_transaction_begin(victim->self, NULL));
    must(sv_source_write(victim->self, victim->table, RELATION, &keys, &tuple));
    must(sv_source_write(victim->self, victim->table, RELATION, &others, &tuple));
    must(sv_source_write(victim->self, victim->sqlite, RELATION, &keys, &tuple));
    must(sv_transaction_commit(victim->self));
}

static void search_all(struct victim *victim)
{
    const struct sv_keys keys = {.count = 1, .key = {{"k", 1}}};
    struct sv_cache_entry *entry = NULL;
    struct sv_relation *relation = NULL;
    must(sv_cache_search(victim->self, victim->cache, &keys, &entry));
    sv_cache_release(victim->self, entry);
    must(sv_relation_open(victim->self, victim->relcache, 7, &relation));
    sv_relation_close(victim->self, relation);
}

/* Another one's latch and signal, one's own. */
static void signal_and_wait(struct victim *victim)
{
    struct sv_slot_state state;
    struct sv_latch_wait wait = {.timeout_ms = 1};
    do {
        sv_slot_look(victim->segment, victim->sleeper, &state);
    } while (!state.sleeping || state.latch_set);
    must(sv_procsignal_send(victim->self, victim->sleeper, SV_REASON_APP_0));
    sv_latch_set(victim->segment, victim->sleeper);
    must(sv_procsignal_send(victim->self, sv_backend_slot(victim->self), SV_REASON_APP_0));
    sv_latch_reset(victim->self);
    must(sv_latch_wait(victim->self, &wait));
}

static int do_everything(struct sv_segment *segment, void *argument)
{
    struct victim *victim = argument;
    victim->segment = segment;
    injector_enter(&victim->run->context, &victim->run->injector, 0);
    victim->self = attach_here(segment, SIGUSR1);
    if (victim->recovers) {
        return sv_backend_settle_dead(segment) != 1;
    }
    open_all(victim);
    take_locks(victim);
    insert_and_read(victim);
    change_both(victim);
    search_all(victim);
    signal_and_wait(victim);
    if (victim->resets) {
        sv_queue_reset_all(victim->self);
        must(sv_accept_messages(victim->self));
    }
    sv_backend_detach(victim->self);
    return 0;
}

/* What a recoverer then finds: locks and an intent of the dead. */
static int die_with_all(struct sv_segment *segment, void *argument)
{
    const struct sv_message message = numbered(7);
    struct sv_backend *self = attach_here(segment, 0);
    (void)argument;
    sv_intent_declare(self, &message, 1);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    return raise(SIGKILL);
}

/* ---- one death ------------------------------------------------------------------------------- */

/* Points that this victim does not meet; the last two are those of the tests below. */
static bool is_elsewhere(enum sv_point point)
{
    return strncmp(point_entries[point].path, "segment/", 8) == 0 || /* nobody is there yet */
           point == SV_POINT_queue_reset_mark || point == SV_POINT_queue_reset_all;
}

struct cost {
    uint64_t overflow;
    uint64_t requested;
    uint64_t repair;
    uint64_t taken;
};

static void start_run(struct run *run, enum sv_point point, uint32_t hit)
{
    char fault[160];
    (void)snprintf(fault, sizeof(fault), "  - {point: %s, action: kill, hit: %" PRIu32 "}\n",
                   point_entries[point].path, hit);
    memset(run, 0, sizeof(*run));
    run_start(run, 1, fault);
}

static void wait_until_read(struct sv_segment *segment, uint32_t slot)
{
    struct sv_slot_state state;
    sv_latch_set(segment, slot);
    do {
        struct sv_atomic32 nobody = {0};
        (void)sv_os_wait(&nobody, 0, A_WHILE_NS);
        sv_slot_look(segment, slot, &state);
    } while (state.behind != 0);
}

/* Stop the sleeper in its sleep, so that it does not settle the dead before the victim does. */
static void stop_asleep(struct sv_segment *segment, pid_t sleeper, uint32_t slot)
{
    struct sv_slot_state state;
    int status = 0;
    do {
        cr_assert_eq(kill(sleeper, SIGCONT), 0);
        await_exactly(&sv_segment_slot(segment, slot)->sleep, SV_ASLEEP_IN_WAIT);
        cr_assert_eq(kill(sleeper, SIGSTOP), 0);
        cr_assert_eq(waitpid(sleeper, &status, WUNTRACED), sleeper);
        cr_assert(WIFSTOPPED(status), "status %#x", (unsigned)status);
        sv_slot_look(segment, slot, &state);
    } while (!state.sleeping);
}

/* Kill one at the point, let the others go on. Returns: what it cost them. */
static struct cost die_at(enum sv_point point)
{
    static struct run run;
    const char *path_of_point = point_entries[point].path;
    struct sv_segment *segment = world(resets_world);
    struct meeting *meeting = meet();
    struct sv_backend *reader = join(segment);
    cr_assert_eq(sv_queue_set_base(reader, resets_world.wraparound), 0);
    const pid_t sleeper = fork_child(sleep_and_accept, segment, meeting);
    await(&meeting->words[READY], 1);
    const bool recovers = strncmp(path_of_point, "recover/", 8) == 0;
    if (recovers) {
        stop_asleep(segment, sleeper, 1);
        (void)reap(fork_child(die_with_all, segment, NULL));
    }
    start_run(&run, point, 1);
    struct victim victim = {
        .run = &run, .sleeper = 1, .resets = point == SV_POINT_queue_reset_taken};
    const int status = reap(fork_child(do_everything, segment, &victim));
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: nobody died, status %#x",
              path_of_point, (unsigned)status);
    (void)sv_backend_settle_dead(segment);
    cr_assert_eq(kill(sleeper, SIGCONT), 0);
    insert_numbered(reader, 9, 1);
    cr_expect_eq(sv_accept_messages(reader), 0, "%s", path_of_point);
    wait_until_read(segment, 1);
    sv_backend_detach(join(segment));
    const char *broken = sv_queue_check(segment);
    cr_expect_null(broken, "%s: %s", path_of_point, broken);
    const struct cost cost = {
        .overflow = counted(segment, SV_STAT_resets_overflow),
        .requested = counted(segment, SV_STAT_resets_requested),
        .repair = counted(segment, SV_STAT_resets_repair),
        .taken = counted(segment, SV_STAT_resets_taken),
    };
    kill_and_reap(sleeper);
    (void)sv_backend_settle_dead(segment);
    sv_backend_detach(reader);
    sv_segment_detach(segment);
    (void)munmap(run.injector.shared, injector_shared_bytes(BACKENDS));
    return cost;
}

/*
 * Claim:   a death while attaching, inserting, reading, cleaning up, signalling, committing,
 *          loading, recovering, waiting or leaving resets nobody. One after a reset of everyone
 *          costs each that reset and no other, counted as requested.
 * Method:  a victim does everything once and is killed at the first hit of one point; each point of
 *          the catalogue in turn. A reader, and a sleeper who is to catch up, survive and read all.
 */
Test(resets_crash, a_death_at_any_point_resets_nobody)
{
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (is_elsewhere(point)) {
            continue;
        }
        const struct cost cost = die_at(point);
        cr_log_info("%-40s resets: overflow %" PRIu64 ", requested %" PRIu64 ", repair %" PRIu64
                    "; taken %" PRIu64,
                    point_entries[point].path, cost.overflow, cost.requested, cost.repair,
                    cost.taken);
        cr_expect_eq(cost.overflow + cost.repair, 0, "%s", point_entries[point].path);
        /* The victim's own mark is counted, too. */
        cr_expect_eq(cost.requested, point == SV_POINT_queue_reset_taken ? 3 : 0, "%s",
                     point_entries[point].path);
    }
}

/* Too many for an intent: it says "reset everyone". */
static int promise_too_much_and_die(struct sv_segment *segment, void *argument)
{
    struct sv_message messages[17];
    struct sv_backend *self = attach_here(segment, 0);
    (void)argument;
    for (uint32_t i = 0; i < 17; i++) {
        messages[i] = numbered(i);
    }
    sv_intent_declare(self, messages, 17);
    return raise(SIGKILL);
}

static int settle_under(struct sv_segment *segment, void *argument)
{
    struct run *run = argument;
    injector_enter(&run->context, &run->injector, 0);
    (void)sv_backend_settle_dead(segment);
    return 0;
}

/*
 * Claim:   an intent too large to be kept resets everybody once, as requested, also when who
 *          settles it dies while marking them.
 * Method:  two survivors and the dead: three marks; a settler is killed before each of them, and
 *          the last one settles. A mark that stands is not counted again.
 */
Test(resets_crash, an_intent_too_large_resets_everybody_once)
{
    static struct run run;
    struct sv_segment *segment = world(resets_world);
    struct sv_backend *readers[] = {join(segment), join(segment)};
    (void)reap(fork_child(promise_too_much_and_die, segment, NULL));
    for (uint32_t hit = 1; hit <= 2; hit++) {
        start_run(&run, SV_POINT_queue_reset_all, hit);
        cr_expect(WIFSIGNALED(reap(fork_child(settle_under, segment, &run))), "hit %" PRIu32, hit);
    }
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    struct sv_message out[4];
    uint32_t count = 0;
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(sv_queue_read(readers[i], out, 4, &count), SV_RESET);
        cr_expect_eq(sv_queue_read(readers[i], out, 4, &count), 0);
        cr_expect_eq(count, 0);
    }
    cr_expect_eq(counted(segment, SV_STAT_resets_requested), 3);
    cr_expect_eq(counted(segment, SV_STAT_resets_overflow), 0);
    cr_expect_eq(counted(segment, SV_STAT_resets_repair), 0);
    sv_backend_detach(readers[0]);
    sv_backend_detach(readers[1]);
    sv_segment_detach(segment);
}

static int overflow_under(struct sv_segment *segment, void *argument)
{
    struct run *run = argument;
    struct sv_backend *self = attach_here(segment, 0);
    injector_enter(&run->context, &run->injector, 0);
    for (uint64_t i = 0; i < 1100; i++) {
        const struct sv_message message = numbered(i);
        sv_queue_insert(self, &message, 1);
        must(sv_accept_messages(self));
    }
    return 0;
}

/*
 * Claim:   a death while somebody too far behind is marked costs nobody else anything, and the
 *          laggard one reset.
 */
Test(resets_crash, a_laggard_is_reset_once)
{
    static struct run run;
    struct sv_segment *segment = world(resets_world);
    struct sv_backend *laggard = join(segment);
    struct sv_message out[4];
    uint32_t count = 0;
    start_run(&run, SV_POINT_queue_reset_mark, 1);
    cr_expect(WIFSIGNALED(reap(fork_child(overflow_under, segment, &run))));
    struct sv_backend *reader = join(segment);
    for (uint64_t i = 0; i < 64; i++) {
        insert_numbered(reader, i, 1);
        cr_expect_eq(sv_accept_messages(reader), 0);
    }
    cr_expect_eq(sv_queue_read(laggard, out, 4, &count), SV_RESET);
    cr_expect_eq(counted(segment, SV_STAT_resets_overflow), 1);
    cr_expect_eq(counted(segment, SV_STAT_resets_requested), 0);
    cr_expect_eq(counted(segment, SV_STAT_resets_repair), 0);
    sv_backend_detach(reader);
    sv_backend_detach(laggard);
    sv_segment_detach(segment);
}
