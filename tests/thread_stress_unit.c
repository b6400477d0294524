/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, by threads in one mapping: what the locks guard, and the ring, under load.
 *
 * What is guarded is plain memory, written and read by the library or by the test, so that a race
 * detector reports whatever a lock, a position or a publication lets through, however rare its
 * consequences are. The worlds are small: the ring overflows, wraps around and is lowered all the
 * time.
 */
#include "threads.h"

#include "queue/queue.h"

TestSuite(thread_stress_unit, .timeout = 120);

enum { WRITERS = 2, READERS = 2, MESSAGES = 600 };

static const struct sv_config small_world = {
    .backends_max = 12, .capacity = 8, .wraparound = 16, .table_rows_max = 32};

static void start_all(struct player *players, int count)
{
    for (int i = 0; i < count; i++) {
        player_start(&players[i]);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What writers insert: their number in the upper half, and which of theirs in the lower. */
struct traffic {
    struct sv_segment *segment;
    struct sv_atomic32 writers;        /* numbered so far */
    struct sv_atomic32 finished;       /* of them */
    struct sv_atomic32 readers;        /* attached */
    uint32_t cells[WRITERS][MESSAGES]; /* written before the message that names it is inserted */
};

static int write_messages(struct sv_backend *self, void *argument)
{
    struct traffic *traffic = argument;
    const uint32_t writer = sv_fetch_add_seq32(&traffic->writers, 1);
    hear(&traffic->readers, READERS);
    for (uint32_t i = 0; i < MESSAGES;) {
        struct sv_message messages[3];
        const uint32_t count = i % 3 + 1 < MESSAGES - i ? i % 3 + 1 : MESSAGES - i;
        for (uint32_t k = 0; k < count; k++, i++) {
            traffic->cells[writer][i] = i + 1;
            messages[k] = numbered((uint64_t)writer << 32 | i);
        }
        if (count == 2) {
            sv_send_messages(self, messages, count); /* with a promise before */
        } else {
            sv_queue_insert(self, messages, count);
        }
    }
    (void)sv_fetch_add_seq32(&traffic->finished, 1);
    return 0;
}

/* What a reader expects of each writer; `exact` once it has seen one since it was reset. */
struct reading {
    struct traffic *traffic;
    uint32_t next[WRITERS];
    bool exact[WRITERS];
    int wrong;
};

static void take(struct reading *reading, const struct sv_message *message)
{
    const uint32_t writer = (uint32_t)(message->payload >> 32);
    const uint32_t which = (uint32_t)message->payload;
    if (writer >= WRITERS || which >= MESSAGES) {
        reading->wrong++;
        return;
    }
    const uint32_t next = reading->next[writer];
    reading->wrong += reading->exact[writer] ? which != next : which < next;
    reading->wrong += reading->traffic->cells[writer][which] != which + 1;
    reading->next[writer] = which + 1;
    reading->exact[writer] = true;
}

static void forget(struct reading *reading)
{
    for (int i = 0; i < WRITERS; i++) {
        reading->exact[i] = false;
    }
}

/* What accepting gives, also where it happens inside: to serve a catchup is to accept. */
static int be_given(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)self;
    if (message == NULL) {
        forget(argument);
    } else {
        take(argument, message);
    }
    return 0;
}

static int begin_reading(struct sv_backend *self, struct reading *reading, struct traffic *traffic)
{
    *reading = (struct reading){.traffic = traffic, .exact = {true, true}};
    const int result = sv_callback_register(self, SV_MESSAGE_APPLICATION, be_given, reading);
    (void)sv_fetch_add_seq32(&traffic->readers, 1);
    return result;
}

static bool more_to_read(const struct sv_backend *self, const struct traffic *traffic)
{
    return sv_load_relaxed32(&traffic->finished) < WRITERS || !sv_queue_empty(self);
}

static void read_some(struct sv_backend *self, struct reading *reading)
{
    struct sv_message messages[5];
    uint32_t count = 0;
    if (sv_queue_read(self, messages, 5, &count) == SV_RESET) {
        forget(reading);
    }
    for (uint32_t i = 0; i < count; i++) {
        take(reading, &messages[i]);
    }
}

static int read_messages(struct sv_backend *self, void *argument)
{
    struct reading reading;
    int wrong = begin_reading(self, &reading, argument);
    while (more_to_read(self, argument)) {
        read_some(self, &reading);
        wrong += sv_process_interrupts(self);
        (void)sched_yield();
    }
    return wrong + reading.wrong;
}

/* The same, asleep between the catchups: most of what it gets is resets. */
static int sleep_and_accept(struct sv_backend *self, void *argument)
{
    struct reading reading;
    int wrong = begin_reading(self, &reading, argument);
    while (more_to_read(self, argument)) {
        struct sv_latch_wait wait = {.timeout_ms = 1};
        wrong += sv_latch_wait(self, &wait);
        sv_latch_reset(self);
        wrong += sv_accept_messages(self);
    }
    return wrong + reading.wrong;
}

static struct traffic *traffic_in(struct sv_config config)
{
    struct traffic *traffic = calloc(1, sizeof(*traffic));
    cr_assert_not_null(traffic);
    traffic->segment = world(config);
    return traffic;
}

static void play_traffic(int (*second_reader)(struct sv_backend *self, void *argument))
{
    struct traffic *traffic = traffic_in(small_world);
    struct sv_segment *segment = traffic->segment;
    struct player players[] = {
        player_in(segment, read_messages, traffic), player_in(segment, second_reader, traffic),
        player_in(segment, write_messages, traffic), player_in(segment, write_messages, traffic)};
    players[1].signal_number = SIGUSR1;
    start_all(players, 4);
    players_finish(players, 4);
    cr_assert_eq(counted(segment, SV_STAT_inserted), (uint64_t)WRITERS * MESSAGES);
    cr_assert_gt(counted(segment, SV_STAT_cleanups), 0);
    cr_assert_gt(counted(segment, SV_STAT_wraparounds), 0);
    sv_segment_detach(segment);
    free(traffic);
}

/*
 * Claim:   each message is read in its writer's order, with what came before its insert, or a
 *          reset.
 * Method:  two writers and two readers on a ring of 8 that is lowered each 16 messages.
 */
Test(thread_stress_unit, messages_come_in_order_or_a_reset)
{
    play_traffic(read_messages);
}

/*
 * Claim:   the same for who sleeps, is asked to catch up by signal, or is reset.
 * Method:  the same with a reader that waits on its latch.
 */
Test(thread_stress_unit, messages_come_in_order_or_a_reset_to_who_sleeps)
{
    play_traffic(sleep_and_accept);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int look_at_everything(struct sv_backend *self, void *argument)
{
    struct traffic *traffic = argument;
    struct sv_segment *segment = traffic->segment;
    uint64_t counters[SV_STAT_COUNT];
    struct sv_queue_state queue;
    struct sv_slot_state slot;
    uint32_t shared;
    uint32_t dead = 0;
    (void)self;
    while (sv_load_relaxed32(&traffic->finished) < WRITERS) {
        sv_stat_total(segment, counters);
        sv_queue_look(segment, &queue);
        for (uint32_t i = 0; i < segment->config.backends_max; i++) {
            sv_slot_look(segment, i, &slot);
        }
        for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
            (void)sv_lwlock_owner(segment, (enum sv_lock)lock, &shared);
        }
        dead += sv_backend_settle_dead(segment);
        (void)sched_yield();
    }
    return (int)dead;
}

/* With both locks the numbers belong together. */
static int check_queue(struct sv_backend *self, void *argument)
{
    struct traffic *traffic = argument;
    int wrong = 0;
    while (sv_load_relaxed32(&traffic->finished) < WRITERS) {
        sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
        sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
        wrong += sv_queue_check(traffic->segment) != NULL;
        sv_lwlock_release(self, SV_LOCK_READ);
        sv_lwlock_release(self, SV_LOCK_WRITE);
        (void)sched_yield();
    }
    return wrong;
}

static int come_and_go(struct sv_backend *self, void *argument)
{
    struct traffic *traffic = argument;
    int wrong = 0;
    for (uint32_t i = 0; sv_load_relaxed32(&traffic->finished) < WRITERS; i++) {
        const struct sv_backend_options options = {.send_only = i % 2 == 1,
                                                   .signal_number = i % 3 == 0 ? SIGUSR1 : 0};
        struct sv_backend *other = NULL;
        wrong += sv_backend_attach(traffic->segment, &options, &other);
        wrong += sv_process_interrupts(self);
        sv_backend_detach(other);
    }
    return wrong;
}

/*
 * Claim:   looking needs no lock, and finds nobody dead; invariants hold whenever one has both;
 *          also while backends come and go.
 * Method:  the traffic above, with one that looks, one that checks, one that attaches and detaches.
 */
Test(thread_stress_unit, who_looks_disturbs_nobody)
{
    struct traffic *traffic = traffic_in(small_world);
    struct sv_segment *segment = traffic->segment;
    struct player players[] = {player_in(segment, read_messages, traffic),
                               player_in(segment, sleep_and_accept, traffic),
                               player_in(segment, look_at_everything, traffic),
                               player_in(segment, check_queue, traffic),
                               player_in(segment, come_and_go, traffic),
                               player_in(segment, write_messages, traffic),
                               player_in(segment, write_messages, traffic)};
    start_all(players, 7);
    players_finish(players, 7);
    cr_assert_eq(counted(segment, SV_STAT_inserted), (uint64_t)WRITERS * MESSAGES);
    sv_segment_detach(segment);
    free(traffic);
}

/* ---- locks ----------------------------------------------------------------------------------- */

enum { LOCKERS = 3, HOLDS = 400 };

/* Plain; a and b are equal whenever nobody has the lock exclusively. */
struct guarded {
    uint32_t a;
    uint32_t b;
};

static bool acquire(struct sv_backend *self, enum sv_lock_mode mode, bool wait)
{
    if (wait) {
        sv_lwlock_acquire(self, SV_LOCK_APP_1, mode);
        return true;
    }
    return sv_lwlock_try_acquire(self, SV_LOCK_APP_1, mode) == 0;
}

/* Long enough that others come by. */
static int hold(struct guarded *guarded, enum sv_lock_mode mode)
{
    const uint32_t a = guarded->a;
    (void)sched_yield();
    if (mode == SV_LOCK_SHARED) {
        return a != guarded->b;
    }
    const int wrong = guarded->b != a;
    guarded->a = a + 1;
    (void)sched_yield();
    guarded->b = a + 1;
    return wrong;
}

static int hold_app_lock(struct sv_backend *self, void *argument)
{
    int wrong = 0;
    for (uint32_t i = sv_backend_slot(self), end = i + HOLDS; i < end; i++) {
        const enum sv_lock_mode mode = i % 3 == 0 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED;
        if (acquire(self, mode, i % 2 == 0)) {
            wrong += hold(argument, mode);
            sv_lwlock_release(self, SV_LOCK_APP_1);
        }
    }
    return wrong;
}

/*
 * Claim:   a lock held exclusively is held by nobody else, and what its holder did is seen by the
 *          next, in whatever mode and whether it waited (lwlock.c, [R1], [R2]).
 * Method:  threads that take it shared and exclusively, waiting and trying, around two plain words.
 */
Test(thread_stress_unit, an_exclusive_holder_is_alone)
{
    struct guarded guarded = {0};
    struct sv_segment *segment = world((struct sv_config){0});
    struct player players[LOCKERS];
    for (int i = 0; i < LOCKERS; i++) {
        players[i] = player_in(segment, hold_app_lock, &guarded);
    }
    start_all(players, LOCKERS);
    players_finish(players, LOCKERS);
    cr_assert_eq(guarded.a, guarded.b);
    cr_assert_gt(guarded.a, 0);
    sv_segment_detach(segment);
}

/* ---- the table ------------------------------------------------------------------------------- */

enum { TRANSACTIONS = 80, ROWS = 3, VALUE_BYTES = 48 };

static struct sv_keys row_key(const uint8_t *row)
{
    return (struct sv_keys){.count = 2, .key = {{"all", 3}, {row, 1}}};
}

static int write_row(struct sv_backend *self, struct sv_source *source, uint8_t row, uint8_t fill)
{
    uint8_t value[VALUE_BYTES];
    const struct sv_tuple tuple = {.data = value, .size_bytes = 1U + fill % VALUE_BYTES};
    const struct sv_keys key = row_key(&row);
    memset(value, fill, sizeof(value));
    return sv_source_write(self, source, 1, &key, fill % 5 != 0 ? &tuple : NULL);
}

/* A value is all of one byte, and as long as that byte says. */
static int check_tuple(const struct sv_tuple *tuple)
{
    const uint8_t *value = tuple->data;
    int wrong = tuple->size_bytes != 1U + value[0] % VALUE_BYTES;
    for (uint32_t i = 1; i < tuple->size_bytes; i++) {
        wrong += value[i] != value[0];
    }
    return wrong;
}

static int check_row(struct sv_backend *self, struct sv_catcache *cache, uint8_t row)
{
    struct sv_cache_entry *entry = NULL;
    const struct sv_keys key = row_key(&row);
    const int result = sv_cache_search(self, cache, &key, &entry);
    if (result != 0) {
        return result != SV_NOT_FOUND;
    }
    const int wrong = check_tuple(sv_cache_tuple(entry));
    sv_cache_release(self, entry);
    return wrong;
}

static int check_list(struct sv_backend *self, struct sv_catcache *cache)
{
    const struct sv_keys all = {.count = 1, .key = {{"all", 3}}};
    struct sv_cache_list *list = NULL;
    int wrong = sv_cache_search_list(self, cache, &all, &list);
    for (uint32_t i = 0; wrong == 0 && i < sv_cache_list_count(list); i++) {
        wrong += check_tuple(sv_cache_list_tuple(list, i));
    }
    if (list != NULL) {
        sv_cache_list_release(self, list);
    }
    return wrong;
}

static int transact(struct sv_backend *self, struct sv_source *source, uint32_t number)
{
    int wrong = sv_transaction_begin(self, NULL);
    for (int row = 0; row < ROWS; row++) {
        wrong += write_row(self, source, (uint8_t)row, (uint8_t)(number + 1));
    }
    return wrong + sv_transaction_commit(self);
}

static int commit_and_search(struct sv_backend *self, void *argument)
{
    struct sv_source **source = argument; /* to be closed once this backend is detached */
    struct sv_catcache *cache = NULL;
    if (sv_table_open(self, source) != 0) {
        return 1;
    }
    const struct sv_catcache_options options = {
        .cache = 1, .relation = 1, .key_count = 2, .source = *source};
    int wrong = sv_catcache_create(self, &options, &cache);
    for (uint32_t i = 0; i < TRANSACTIONS && wrong == 0; i++) {
        wrong += transact(self, *source, i) + sv_accept_messages(self);
        for (int row = 0; row < ROWS; row++) {
            wrong += check_row(self, cache, (uint8_t)row);
        }
        wrong += check_list(self, cache);
    }
    return wrong;
}

/*
 * Claim:   a row is read as one commit wrote it, never torn.
 * Method:  three threads commit rows of one byte each, search and list them in caches of their own.
 */
Test(thread_stress_unit, rows_are_read_whole)
{
    struct sv_segment *segment = world(small_world);
    struct player players[3];
    struct sv_source *sources[3];
    for (int i = 0; i < 3; i++) {
        players[i] = player_in(segment, commit_and_search, &sources[i]);
    }
    start_all(players, 3);
    players_finish(players, 3);
    for (int i = 0; i < 3; i++) {
        sources[i]->close(sources[i]);
    }
    cr_assert_eq(counted(segment, SV_STAT_commits), (uint64_t)3 * TRANSACTIONS);
    sv_segment_detach(segment);
}
