/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * In the middle: one thread stops inside what a lock guards, another one comes by and must wait, or
 * see nothing of it. So a lock that is not taken, or does not keep out, is a race in every run and
 * under every detector, also under valgrind, which lets one thread run at a time.
 */
#include "interpose.h"
#include "sync/slot.h"
#include "threads.h"

TestSuite(thread_midway_unit, .timeout = 60);

#define COMMITS 5

/* What two threads share. */
struct midway {
    struct sv_segment *segment;
    struct sv_atomic32 ready; /* the other one has attached; its slot + 1 */
    struct sv_atomic32 come;  /* it may come by */
    struct sv_atomic32 gone;  /* it is through */
    struct sv_atomic32 over;  /* it may detach, for which it takes locks, too */
    uint32_t word;            /* plain */
    enum sv_lock_mode mode;   /* the other one's */
    bool waited;              /* what the one in the middle saw the other do */
};

static struct midway *midway_in(struct sv_config config)
{
    struct midway *midway = calloc(1, sizeof(*midway));
    cr_assert_not_null(midway);
    midway->segment = world(config);
    return midway;
}

static void midway_end(struct midway *midway)
{
    sv_segment_detach(midway->segment);
    free(midway);
}

/* The other one, before: say who it is, and wait to be let come. */
static void wait_to_come(struct sv_backend *self, struct midway *midway)
{
    tell(&midway->ready, sv_backend_slot(self) + 1);
    hear(&midway->come, 1);
}

/* The other one, afterwards. */
static void be_gone(struct midway *midway)
{
    tell(&midway->gone, 1);
    hear(&midway->over, 1);
}

static void let_it_end(struct midway *midway, struct player *other)
{
    tell(&midway->over, 1);
    player_finish(other);
}

/* In the middle: let the other one come by, until it is through or sleeps for a lock. */
static void let_it_come(void *argument)
{
    struct midway *midway = argument;
    const struct sv_slot *other = &midway->segment->slots[sv_load_relaxed32(&midway->ready) - 1];
    tell(&midway->come, 1);
    while (sv_load_relaxed32(&midway->gone) == 0 && !midway->waited) {
        (void)sched_yield();
        midway->waited = sv_load_relaxed32(&other->waits_for_lock) != 0;
    }
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* Come by with the lock in that mode: look at the word, or count it up by two. */
static int hold_meanwhile(struct sv_backend *self, void *argument)
{
    struct midway *midway = argument;
    wait_to_come(self, midway);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, midway->mode);
    const bool wrong = midway->word % 2 != 0;
    if (midway->mode == SV_LOCK_EXCLUSIVE) {
        midway->word += 2;
    }
    sv_lwlock_release(self, SV_LOCK_APP_0);
    be_gone(midway);
    return wrong;
}

/* Into the lock and out of it again; what is exclusive counts the word up by one each time. */
static uint32_t count_up(struct midway *midway, enum sv_lock_mode mode)
{
    const uint32_t before = midway->word;
    if (mode == SV_LOCK_EXCLUSIVE) {
        midway->word = before + 1;
    }
    return before;
}

static void meet_at_a_lock(enum sv_lock_mode mine, enum sv_lock_mode others, bool other_first)
{
    struct midway *midway = midway_in((struct sv_config){.backends_max = 4});
    struct player other = player_in(midway->segment, hold_meanwhile, midway);
    struct sv_backend *self = other_first ? NULL : join(midway->segment);
    const bool excluded = mine == SV_LOCK_EXCLUSIVE || others == SV_LOCK_EXCLUSIVE;
    midway->mode = others;
    player_start(&other);
    hear(&midway->ready, 1);
    self = other_first ? join(midway->segment) : self;
    sv_lwlock_acquire(self, SV_LOCK_APP_0, mine);
    const uint32_t before = count_up(midway, mine);
    let_it_come(midway);
    const uint32_t after = count_up(midway, mine);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    let_it_end(midway, &other);
    cr_assert_eq(after, before + (mine == SV_LOCK_EXCLUSIVE), "the other one was inside");
    cr_assert_eq(midway->waited, excluded);
    sv_backend_detach(self);
    midway_end(midway);
}

/*
 * Claim:   whoever takes a lock exclusively waits for whoever is inside, and keeps everybody else
 *          out; shared holders let each other in (lwlock.c, S1, S2, E1, E2).
 * Method:  one holds it, the other comes by; each mode with each, the holder in the first and in
 *          the last slot there is.
 */
Test(thread_midway_unit, who_takes_a_lock_waits_for_who_is_inside)
{
    for (int i = 0; i < 8; i++) {
        meet_at_a_lock((i & 1) != 0 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED,
                       (i & 2) != 0 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED, (i & 4) != 0);
    }
}

/* ---- the queue ------------------------------------------------------------------------------- */

/* Read everything there is; how much of it is wrong, messages being numbered from first on. */
static int read_from(struct sv_backend *self, uint64_t first, uint32_t expected)
{
    struct sv_message messages[8];
    uint32_t count = 0;
    int wrong = sv_queue_read(self, messages, 8, &count) + (count != expected);
    for (uint32_t i = 0; i < count; i++) {
        wrong += messages[i].kind != SV_MESSAGE_APPLICATION || messages[i].payload != first + i;
    }
    return wrong;
}

static int read_meanwhile(struct sv_backend *self, void *argument)
{
    struct midway *midway = argument;
    wait_to_come(self, midway);
    const int wrong = read_from(self, 0, 1);
    be_gone(midway);
    return wrong;
}

/*
 * Claim:   of a message that is being copied into the ring a reader sees nothing (queue.c, [R1]).
 * Method:  the writer stops in the middle of its second message, the reader reads.
 */
Test(thread_midway_unit, a_message_that_is_half_there_is_not_read)
{
    struct midway *midway = midway_in((struct sv_config){.capacity = 8});
    struct player reader = player_in(midway->segment, read_meanwhile, midway);
    struct interposer interposer;
    struct sv_backend *self = join(midway->segment);
    player_start(&reader);
    hear(&midway->ready, 1);
    insert_numbered(self, 0, 1);
    interpose_begin(&interposer, "queue/copy/middle", 1, let_it_come, midway);
    insert_numbered(self, 1, 1);
    interpose_end(&interposer);
    let_it_end(midway, &reader);
    cr_assert_not(midway->waited);
    sv_backend_detach(self);
    midway_end(midway);
}

static int insert_meanwhile(struct sv_backend *self, void *argument)
{
    struct midway *midway = argument;
    wait_to_come(self, midway);
    insert_numbered(self, 1, 4);
    be_gone(midway);
    return 0;
}

/*
 * Claim:   two writers do not write the same place of the ring (write_lock).
 * Method:  one stops in the middle of its message, the other inserts; all is read, in order.
 */
Test(thread_midway_unit, a_writer_waits_for_a_writer)
{
    struct midway *midway = midway_in((struct sv_config){.capacity = 16});
    struct player writer = player_in(midway->segment, insert_meanwhile, midway);
    struct interposer interposer;
    struct sv_backend *self = join(midway->segment);
    player_start(&writer);
    hear(&midway->ready, 1);
    interpose_begin(&interposer, "queue/copy/middle", 1, let_it_come, midway);
    insert_numbered(self, 0, 1);
    interpose_end(&interposer);
    let_it_end(midway, &writer);
    cr_assert(midway->waited, "it wrote at the same time");
    cr_assert_eq(read_from(self, 0, 5), 0);
    sv_backend_detach(self);
    midway_end(midway);
}

/*
 * Claim:   nobody overwrites what a reader is copying, or resets it meanwhile (read_lock).
 * Method:  the reader stops after its copy, before it moves on; a writer needs its place. Nothing
 *          is lost.
 */
Test(thread_midway_unit, a_writer_that_needs_room_waits_for_a_reader)
{
    struct midway *midway = midway_in((struct sv_config){.capacity = 4});
    struct player writer = player_in(midway->segment, insert_meanwhile, midway);
    struct interposer interposer;
    struct sv_backend *self = join(midway->segment);
    player_start(&writer);
    hear(&midway->ready, 1);
    insert_numbered(self, 0, 1);
    interpose_begin(&interposer, "queue/read/copied", 1, let_it_come, midway);
    const int wrong = read_from(self, 0, 1);
    interpose_end(&interposer);
    let_it_end(midway, &writer);
    cr_assert(midway->waited, "it took the place of what was being read");
    cr_assert_eq(wrong + read_from(self, 1, 4), 0);
    sv_backend_detach(self);
    midway_end(midway);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int take_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    memcpy(argument, tuple->data, 1);
    return 0;
}

static struct sv_keys key_of(const char *name)
{
    return (struct sv_keys){.count = 1, .key = {{name, 1}}};
}

/* Of two rows that are committed together, read both. */
static int read_rows_meanwhile(struct sv_backend *self, void *argument)
{
    struct midway *midway = argument;
    struct sv_source *source = NULL;
    char values[2] = "";
    const struct sv_keys keys[2] = {key_of("a"), key_of("b")};
    int wrong = sv_table_open(self, &source);
    wait_to_come(self, midway);
    for (int i = 0; i < 2; i++) {
        wrong += source->read(source, self, 1, &keys[i], take_value, &values[i]) != 0;
        wrong += values[i] != '2';
    }
    be_gone(midway);
    source->close(source);
    return wrong;
}

static void commit_rows(struct sv_backend *self, struct sv_source *source, const char *value)
{
    const struct sv_keys keys[2] = {key_of("a"), key_of("b")};
    const struct sv_tuple tuple = {.data = value, .size_bytes = 1};
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sv_source_write(self, source, 1, &keys[i], &tuple), 0);
    }
    cr_assert_eq(sv_transaction_commit(self), 0);
}

/*
 * Claim:   a reader sees all rows of a commit or none (table.c).
 * Method:  a commit of two rows stops between them; the reader waits, and then sees both.
 */
Test(thread_midway_unit, a_reader_of_rows_waits_for_a_commit)
{
    struct midway *midway = midway_in((struct sv_config){.table_rows_max = 16});
    struct player reader = player_in(midway->segment, read_rows_meanwhile, midway);
    struct interposer interposer;
    struct sv_backend *self = join(midway->segment);
    struct sv_source *source = NULL;
    cr_assert_eq(sv_table_open(self, &source), 0);
    commit_rows(self, source, "1");
    player_start(&reader);
    hear(&midway->ready, 1);
    interpose_begin(&interposer, "table/apply/row", 1, let_it_come, midway);
    commit_rows(self, source, "2");
    interpose_end(&interposer);
    let_it_end(midway, &reader);
    cr_assert(midway->waited, "it read in the middle");
    source->close(source);
    sv_backend_detach(self);
    midway_end(midway);
}

/* As soon as it may, read each value as it is committed; nothing else tells of it. */
static int read_each_commit(struct sv_backend *self, void *argument)
{
    struct midway *midway = argument;
    struct sv_source *source = NULL;
    const struct sv_keys keys = key_of("a");
    int wrong = sv_table_open(self, &source);
    tell(&midway->ready, 1);
    for (uint32_t i = 1; i <= COMMITS; i++) {
        char value = 0;
        hear(&midway->come, i);
        wrong += source->read(source, self, 1, &keys, take_value, &value) != 0;
        wrong += value != (char)('0' + i);
        tell(&midway->gone, i);
    }
    source->close(source);
    return wrong;
}

/*
 * Claim:   who reads a row comes after the commit that wrote it, and before the next one that does:
 *          by the lock alone (table.c, Ordering).
 * Method:  one commits, the other reads without accepting messages, by turns.
 */
Test(thread_midway_unit, rows_are_handed_over_by_the_lock)
{
    struct midway *midway = midway_in((struct sv_config){.table_rows_max = 16});
    struct player reader = player_in(midway->segment, read_each_commit, midway);
    struct sv_backend *self = join(midway->segment);
    struct sv_source *source = NULL;
    cr_assert_eq(sv_table_open(self, &source), 0);
    player_start(&reader);
    hear(&midway->ready, 1);
    for (uint32_t i = 1; i <= COMMITS; i++) {
        const char value[2] = {(char)('0' + i), '\0'};
        commit_rows(self, source, value);
        tell(&midway->come, i);
        hear(&midway->gone, i);
    }
    player_finish(&reader);
    source->close(source);
    sv_backend_detach(self);
    midway_end(midway);
}
