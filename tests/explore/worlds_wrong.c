/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds in which one thing is wrong, each, that one clause of the explorer's judges forbids: what
 * that clause says is tested in tests/explore_judges_cli.c. In place of those of worlds.c.
 */
#include "base/os.h"
#include "faults/explore/state.h"
#include "faults/explore/world.h"
#include "shm/segment.h"
#include "sinval/latch.h"
#include "sinval/queue.h"
#include "sync/lwlock.h"

#define WRITE_LOCK (1U << SV_LOCK_WRITE)
#define READ_LOCK  (1U << SV_LOCK_READ)
#define EPOCH      SV_POSITION(1, 0)
#define BASE       3

/* What is written to a word, besides what was there. */
struct wrong {
    struct world_kind kind;
    size_t offset;  /* of the word, in struct sv_queue; or in the writer's struct sv_slot */
    uint32_t bytes; /* of the word */
    uint32_t locks; /* held meanwhile, a set */
    uint64_t added;
    bool stays; /* it is not written back */
};

#define KIND(called, what, runs)                                                   \
    .name = (called), .about = (what), .backends = 2, .base = BASE, .run = (runs), \
    .config = {.backends_max = 4, .capacity = 4, .cleanup_quantum = 1, .intent_max = 1}

#define WRONG(called, what, runs, type, field, ...)                                 \
    {                                                                               \
        .kind = {KIND(called, what, runs)}, .offset = offsetof(struct type, field), \
        .bytes = sizeof(((struct type *)0)->field), __VA_ARGS__                     \
    }

static const struct wrong *wrong_of(const struct world *world)
{
    return (const struct wrong *)(const void *)world->kind;
}

/* ---- words of the queue ---------------------------------------------------------------------- */

static void add(void *word, uint32_t bytes, uint64_t added)
{
    machine_step(EXPLORE_WRITE, word, bytes);
    if (bytes == sizeof(uint64_t)) {
        struct sv_atomic64 *number = word;
        sv_store_seq64(number, sv_load_seq64(number) + added);
    } else {
        struct sv_atomic32 *number = word;
        sv_store_seq32(number, sv_load_seq32(number) + (uint32_t)added);
    }
    explore_changed();
}

static void write_wrongly(const struct wrong *wrong, void *base)
{
    uint8_t *word = (uint8_t *)base + wrong->offset;

    add(word, wrong->bytes, wrong->added);
    if (!wrong->stays) {
        add(word, wrong->bytes, 0 - wrong->added);
    }
}

/* Backend 0, after a message that nobody has read: min_number is BASE, max_number one more. */
static void run_queue(struct world *world, uint32_t backend)
{
    const struct wrong *wrong = wrong_of(world);
    struct sv_backend *self = world->state.backends[0];

    if (backend != 0) {
        return;
    }
    world_insert(world, 0, 1);
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        if ((wrong->locks >> lock & 1) != 0) {
            sv_lwlock_acquire(self, (enum sv_lock)lock, SV_LOCK_EXCLUSIVE);
        }
    }
    write_wrongly(wrong, world->segment->queue);
    for (uint32_t lock = SV_LOCK_COUNT; lock-- > 0;) {
        if ((wrong->locks >> lock & 1) != 0) {
            sv_lwlock_release(self, (enum sv_lock)lock);
        }
    }
}

static void run_slot(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        write_wrongly(wrong_of(world), world->state.backends[0]->slot);
    }
}

/* Where it is does not matter while that word says so. */
static void run_hidden(struct world *world, uint32_t backend)
{
    struct sv_slot *slot = world->state.backends[0]->slot;
    const struct wrong *wrong = wrong_of(world);
    uint8_t *word = (uint8_t *)slot + wrong->offset;

    if (backend == 0) {
        add(word, wrong->bytes, wrong->added);
        add(&slot->position, sizeof(slot->position), 2);
        add(word, wrong->bytes, 0 - wrong->added);
        add(&slot->position, sizeof(slot->position), UINT64_MAX - 1);
    }
}

/* Backend 1 holds the lock under which backend 0 writes, and then keeps it. */
static void run_others(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[1];
    struct sv_atomic64 *max = &world->segment->queue->max_number;
    uint64_t *held = &world->state.notes[0];
    uint64_t *written = &world->state.notes[1];

    if (backend == 1) {
        sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
        *held = 1;
        (void)world_load(world, 0);
        if (*written == 0) {
            *held = 0;
            sv_lwlock_release(self, SV_LOCK_WRITE);
        }
        return;
    }
    (void)world_load(world, 0);
    if (*held != 0) {
        *written = 1;
        add(max, sizeof(*max), 0);
    }
}

static const struct world_kind world_others = {
    KIND("others", "one writes under a lock that another holds", run_others)};

#define QUEUE(called, what, field, ...) WRONG(called, what, run_queue, sv_queue, field, __VA_ARGS__)

static const struct wrong words[] = {
    QUEUE("published-back", "published goes back", published, .locks = WRITE_LOCK,
          .added = UINT64_MAX),
    QUEUE("max-back", "max_number goes back", max_number, .locks = WRITE_LOCK, .added = UINT64_MAX),
    QUEUE("min-back", "min_number goes back", min_number, .locks = WRITE_LOCK | READ_LOCK,
          .added = UINT64_MAX),
    QUEUE("max-far", "more messages than the ring holds", max_number, .locks = WRITE_LOCK,
          .added = 4),
    QUEUE("max-epoch", "max_number is of another epoch, under one lock", max_number,
          .locks = WRITE_LOCK, .added = EPOCH),
    QUEUE("min-epoch", "the epoch is another, and read_lock is let go", min_number,
          .locks = WRITE_LOCK | READ_LOCK, .added = EPOCH, .stays = true),
    QUEUE("max-bare", "max_number is written without a lock", max_number, .added = 0),
    QUEUE("min-bare", "min_number is written without read_lock", min_number, .locks = WRITE_LOCK),
    QUEUE("min-read", "min_number is written without write_lock", min_number, .locks = READ_LOCK),
    QUEUE("epoch-bare", "the epoch is written without read_lock", epoch, .locks = WRITE_LOCK),
    QUEUE("threshold-bare", "the threshold is written without a lock", next_threshold, .added = 0),
    QUEUE("threshold-low", "the threshold is 0", next_threshold, .locks = WRITE_LOCK,
          .added = (uint64_t)-2),
    QUEUE("threshold-high", "the threshold is 6 of at most 5", next_threshold, .locks = WRITE_LOCK,
          .added = 4),
    WRONG("position-far", "a position is past the end", run_slot, sv_slot, position, .added = 2),
    WRONG("position-epoch", "a position is of another epoch", run_slot, sv_slot, position,
          .added = EPOCH),
    WRONG("joins-far", "one joins past the end", run_hidden, sv_slot, in_queue,
          .added = UINT64_MAX),
    WRONG("reset-far", "one is past the end after a reset", run_hidden, sv_slot, reset, .added = 1),
};

/* ---- what is left at the end ----------------------------------------------------------------- */

static void run_lock(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sv_lwlock_acquire(world->state.backends[0], SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    }
}

static void run_share(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        sv_lwlock_acquire(world->state.backends[0], SV_LOCK_APP_0, SV_LOCK_SHARED);
    }
}

/* It is not marked as dead when backend 0 dies: the word names another of its number. */
static void run_name(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        struct sv_slot *slot = world->state.backends[0]->slot;
        add(&slot->life, sizeof(uint32_t), PROCESSES);
        (void)world_load(world, 0);
    }
}

static void run_leave(struct world *world, uint32_t backend)
{
    struct sv_slot *slot = &world->segment->slots[0];

    if (backend == 0) {
        sv_backend_detach(world->state.backends[0]);
        world->state.backends[0] = NULL;
        write_wrongly(wrong_of(world), slot);
    }
}

/* Nobody is told of the message that max_number counts. */
static void run_unpublished(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[0];
    struct sv_atomic64 *max = &world->segment->queue->max_number;

    if (backend == 0) {
        sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
        add(max, sizeof(*max), 1);
        sv_lwlock_release(self, SV_LOCK_WRITE);
    }
}

/* Nothing is kept for a send-only backend, so it has nothing to catch up with. */
static void run_send_only(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        struct sv_slot *slot = world->state.backends[0]->slot;
        add(&slot->send_only, sizeof(slot->send_only), 1);
        add(&slot->signaled, sizeof(slot->signaled), 1);
    }
}

/* It is to catch up, and counts as signaled; but it has nothing to read. */
static void run_caught_up(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        struct sv_slot *slot = world->state.backends[0]->slot;
        add(&slot->reasons, sizeof(slot->reasons), 1U << SV_REASON_CATCHUP);
        add(&slot->signaled, sizeof(slot->signaled), 1);
    }
}

#define LEFT(called, what, runs, field) \
    WRONG(called, what, runs, sv_slot, field, .added = 1, .stays = true)

static const struct wrong leavings[] = {
    LEFT("left-word", "a slot that was left says that its owner sleeps", run_leave, sleep),
    LEFT("left-wait", "one says that it waits for a lock", run_slot, waits_for_lock),
    LEFT("left-signaled", "one counts as signaled, and is not", run_slot, signaled),
    LEFT("left-repair", "one was reset, though nothing was wrong", run_slot,
         stats[SV_STAT_resets_repair]),
};

static const struct world_kind world_left_lock = {
    KIND("left-lock", "a lock is held at the end", run_lock)};
static const struct world_kind world_left_share = {
    KIND("left-share", "a lock is shared at the end", run_share)};
static const struct world_kind world_left_slot = {
    KIND("left-slot", "who dies stays the holder of its slot", run_name)};
static const struct world_kind world_unpublished = {
    KIND("unpublished", "a message is not published", run_unpublished)};
static const struct world_kind world_send_only = {
    KIND("send-only", "a send-only backend counts as signaled", run_send_only)};
static const struct world_kind world_left_baton = {
    KIND("left-baton", "who has nothing to read is signaled", run_caught_up)};

/* ---- messages -------------------------------------------------------------------------------- */

/* Backend 1 is told that it has read message `sequence` of backend 0. */
static void take(struct world *world, uint32_t sequence)
{
    const struct sv_message message = books_message(0, sequence);

    books_take(&world->state.books, 1, &message);
}

static void run_twice(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        world->state.books.writers[0] = (struct books_writer){.begun = 1, .promised = 1};
        take(world, 0);
        take(world, 0);
    }
}

/* As before, where the writer has promised nothing, and dies in between. */
static void run_again(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        world->state.books.writers[0].begun = 1;
        take(world, 0);
    }
    (void)world_load(world, 0);
    if (backend == 1 && machine_is_dead(0)) {
        take(world, 0);
    }
}

static void run_gap(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        world->state.books.writers[0] = (struct books_writer){.begun = 2};
        take(world, 1);
    }
}

static void run_unsent(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        take(world, 0);
    }
}

static void run_lost(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        world->state.books.writers[0] = (struct books_writer){.begun = 1, .done = 1};
    }
}

static void run_promised(struct world *world, uint32_t backend)
{
    if (backend == 1) {
        world->state.books.writers[0] = (struct books_writer){.begun = 1, .promised = 1};
    }
}

static void run_torn(struct world *world, uint32_t backend)
{
    struct sv_message message = books_message(0, 0);

    if (backend == 1) {
        message.reserved[2] ^= 1;
        world->state.books.writers[0] = (struct books_writer){.begun = 1};
        books_take(&world->state.books, 1, &message);
    }
}

static const struct world_kind world_twice = {KIND("twice", "a message comes twice", run_twice)};
static const struct world_kind world_again = {
    KIND("again", "a message of a dead one comes twice", run_again)};
static const struct world_kind world_gap = {KIND("gap", "a message is left out", run_gap)};
static const struct world_kind world_unsent = {
    KIND("unsent", "a message comes that nobody has sent", run_unsent)};
static const struct world_kind world_lost = {KIND("lost", "a message never comes", run_lost)};
static const struct world_kind world_promised = {
    KIND("promised", "a message that was promised never comes", run_promised)};
static const struct world_kind world_torn = {
    KIND("torn", "a message comes with a byte of another", run_torn)};

/* ---- sleep, signals, private memory ---------------------------------------------------------- */

enum { MARK = 0, OTHER = 2 };

/* Backend 1 sleeps for a while, as it may; then until it is told, which nobody does. */
static void run_nap(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[1];
    struct sv_atomic32 own = {0};

    if (backend == 0) {
        world_store(world, MARK, 1);
        machine_signal(1);
        for (uint32_t i = 0; i <= LATE_STEPS; i++) { /* it arrives meanwhile */
            (void)world_load(world, OTHER);
        }
        return;
    }
    while (!sv_os_wait(&own, 0, 1000000)) {
    }
    for (;;) {
        struct sv_latch_wait wait = {.timeout_ms = 200};
        sv_latch_reset(self);
        if (sv_latch_wait(self, &wait) != 0) {
            machine_fail(ORACLE_O4, "backend 1 cannot wait");
        }
    }
}

static const struct world_kind world_nap = {
    KIND("nap", "one sleeps for a while, then until it is told, and is not", run_nap)};

/* Backend 1 takes a pointer of backend 0's for one of its own, and has a number written there. */
static void run_scribble(struct world *world, uint32_t backend)
{
    struct sv_message messages[4];

    if (backend == 1) {
        void *foreign = world->state.backends[0];
        (void)!sv_queue_read(world->state.backends[1], messages, 4, foreign);
    }
}

static const struct world_kind world_scribble = {
    KIND("scribble", "backend 1 writes into the private memory of backend 0", run_scribble)};

/* Backend 0 leaves a pointer into its stack, and backend 1 has a number written there. */
static void run_overreach(struct world *world, uint32_t backend)
{
    static uint32_t *left;
    struct sv_message messages[4];
    uint32_t count = 0;

    if (backend == 0) {
        left = &count;
    }
    world_store(world, MARK, backend);
    if (backend == 1 && world_load(world, MARK) == 0) {
        (void)!sv_queue_read(world->state.backends[1], messages, 4, left);
    }
}

static const struct world_kind world_overreach = {
    KIND("overreach", "backend 1 writes into the stack of backend 0", run_overreach)};

/* Is the state another with that number changed, and then the same again? */
static void expect_to_count(uint64_t *number, uint64_t added, const char *what)
{
    const uint64_t before = state_hash(NULL);

    *number += added;
    const uint64_t other = state_hash(NULL);
    *number -= added;
    if (other == before || state_hash(NULL) != before) {
        machine_fail(ORACLE_O6, "of a state, %s does not count", what);
    }
}

/* Backends 1 and 2 sleep, and backend 0 looks at them. */
static void run_sleepers(struct world *world, uint32_t backend)
{
    struct process *first = &machine.processes[1];

    if (backend != 0) {
        (void)sv_os_wait(world_word(world, MARK), 0, 1000000);
        return;
    }
    (void)world_load(world, OTHER);
    if (first->state != ASLEEP || machine.processes[2].state != ASLEEP) {
        return;
    }
    if (machine_searches()) { /* a repetition knows nothing of states */
        const bool leads = first->line < machine.processes[2].line;
        expect_to_count(&machine.now_ns, 1, "the time");
        expect_to_count(&first->until_ns, 1, "how long one sleeps");
        expect_to_count(&first->line, leads ? 2 : UINT64_MAX - 1, "a place in the line");
    }
    machine_fail(ORACLE_O7, "all of a sleep counts");
}

static const struct world_kind world_sleepers = {
    .name = "sleepers",
    .about = "two sleep, a third one asks what is part of the state",
    .config = {.backends_max = 4, .capacity = 4, .intent_max = 1},
    .backends = 3,
    .idle = true,
    .run = run_sleepers,
};

const struct world_kind *const world_kinds[] = {
    &words[0].kind,    &words[1].kind,     &words[2].kind,    &words[3].kind,    &words[4].kind,
    &words[5].kind,    &words[6].kind,     &words[7].kind,    &words[8].kind,    &words[9].kind,
    &words[10].kind,   &words[11].kind,    &words[12].kind,   &words[13].kind,   &words[14].kind,
    &words[15].kind,   &words[16].kind,    &leavings[0].kind, &leavings[1].kind, &leavings[2].kind,
    &leavings[3].kind, &world_unpublished, &world_left_lock,  &world_left_share, &world_left_slot,
    &world_left_baton, &world_twice,       &world_gap,        &world_unsent,     &world_lost,
    &world_promised,   &world_torn,        &world_nap,        &world_scribble,   &world_sleepers,
    &world_others,     &world_send_only,   &world_again,      &world_overreach,  NULL,
};
