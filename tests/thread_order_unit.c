/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What comes before what, between threads: each promise of order that a header gives, on plain
 * memory. A wrong value fails a test by itself; on a machine that reorders little that is rare, and
 * under a race detector each missing order is a race, in the first round.
 */
#include "interpose.h"
#include "threads.h"

#include "sync/procsignal.h"

TestSuite(thread_order_unit, .timeout = 60);

#define ROUNDS 40

/* One thread writes cells[i] in round i, another one reads it: once each, so nothing goes back. */
struct wire {
    struct sv_atomic32 ready; /* rounds the receiver is ready for */
    struct sv_atomic32 done;  /* what else they tell each other */
    struct sv_atomic32 slot;  /* the receiver's, + 1 */
    uint32_t cells[ROUNDS];
    uint32_t others[ROUNDS];
};

static int wrong_in(const uint32_t *cells, uint32_t round)
{
    return cells[round] != round + 1;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static int read_all(struct sv_backend *self, uint32_t *count)
{
    struct sv_message messages[8];
    int wrong = 0;
    while (!sv_queue_empty(self)) {
        uint32_t got = 0;
        wrong += sv_queue_read(self, messages, 8, &got);
        *count += got;
    }
    return wrong;
}

static int look_before_reading(struct sv_backend *self, void *argument)
{
    struct wire *wire = argument;
    int wrong = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t count = 0;
        tell(&wire->ready, i + 1);
        while (sv_queue_empty(self)) {
            (void)sched_yield();
        }
        wrong += wrong_in(wire->cells, i);
        wrong += read_all(self, &count) + (count != 1);
    }
    return wrong;
}

/*
 * Claim:   whoever finds the queue not empty sees what was done before the insert, with no lock
 *          (queue.c, [R2] and [A2]).
 * Method:  one inserts a message a round when the other has read the last; the other waits for
 *          sv_queue_empty to be false, and looks before it takes a lock.
 */
Test(thread_order_unit, who_finds_the_queue_not_empty_sees_what_came_before_the_insert)
{
    struct wire wire = {0};
    struct player reader =
        player_in(world((struct sv_config){.capacity = 8}), look_before_reading, &wire);
    struct sv_backend *self = join(reader.segment);
    player_start(&reader);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire.ready, i + 1);
        wire.cells[i] = i + 1;
        insert_numbered(self, i, 1);
    }
    player_finish(&reader);
    sv_backend_detach(self);
    sv_segment_detach(reader.segment);
}

/* Read once there are two, of which only one is counted. */
static int read_uncounted(struct sv_backend *self, void *argument)
{
    struct wire *wire = argument;
    struct sv_message messages[8];
    uint32_t count = 0;
    tell(&wire->ready, 1);
    hear(&wire->done, 1);
    int wrong = sv_queue_read(self, messages, 8, &count) + (count != 2);
    wrong += messages[1].payload != 1 || wrong_in(wire->cells, 0);
    tell(&wire->ready, 2);
    return wrong;
}

static void let_it_be_read(void *argument)
{
    struct wire *wire = argument;
    tell(&wire->done, 1);
    hear(&wire->ready, 2);
}

/*
 * Claim:   a message that is read before `published` counts it is there, with all that came before
 *          its insert (queue.c, [R1] and [A1]).
 * Method:  the writer stops between the two stores of its second message while the other reads.
 */
Test(thread_order_unit, a_message_read_before_it_is_counted_is_there)
{
    struct wire wire = {0};
    struct player reader =
        player_in(world((struct sv_config){.capacity = 8}), read_uncounted, &wire);
    struct interposer interposer;
    struct sv_backend *self = join(reader.segment);
    player_start(&reader);
    hear(&wire.ready, 1);
    interpose_begin(&interposer, "queue/publish/between", 2, let_it_be_read, &wire);
    insert_numbered(self, 0, 1);
    wire.cells[0] = 1;
    insert_numbered(self, 1, 1);
    interpose_end(&interposer);
    player_finish(&reader);
    sv_backend_detach(self);
    sv_segment_detach(reader.segment);
}

/* ---- latches --------------------------------------------------------------------------------- */

static uint32_t receiver(const struct wire *wire)
{
    hear(&wire->slot, 1);
    return sv_load_relaxed32(&wire->slot) - 1;
}

static int sleep_and_reset(struct sv_backend *self, struct wire *wire, struct sv_latch_wait wait)
{
    int wrong = 0;
    tell(&wire->slot, sv_backend_slot(self) + 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        tell(&wire->ready, i + 1);
        wrong += sv_latch_wait(self, &wait) + !wait.is_set;
        sv_latch_reset(self);
        wrong += wrong_in(wire->cells, i);
    }
    return wrong;
}

static int sleep_in_wait(struct sv_backend *self, void *argument)
{
    return sleep_and_reset(self, argument, (struct sv_latch_wait){.timeout_ms = -1});
}

static int sleep_in_poll(struct sv_backend *self, void *argument)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return 1;
    }
    const int wrong = sleep_and_reset(
        self, argument,
        (struct sv_latch_wait){.timeout_ms = -1, .wait_readable = true, .readable_fd = ends[0]});
    return wrong + close(ends[0]) + close(ends[1]);
}

/* Set its latch, every other round while it sleeps. */
static void set_each_round(struct player *sleeper, struct wire *wire, enum sv_sleep sleep)
{
    player_start(sleeper);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->ready, i + 1);
        if (i % 2 == 0) {
            hear(&sv_segment_slot(sleeper->segment, receiver(wire))->sleep, sleep);
        }
        wire->cells[i] = i + 1;
        sv_latch_set(sleeper->segment, receiver(wire));
    }
    player_finish(sleeper);
    sv_segment_detach(sleeper->segment);
}

/*
 * Claim:   what was done before a set is seen after the reset that follows it (latch.h), asleep or
 *          not.
 * Method:  one waits and resets; the test sets, every other time once the other sleeps in a futex.
 */
Test(thread_order_unit, what_came_before_a_set_is_seen_after_the_reset)
{
    struct wire wire = {0};
    struct player sleeper = player_in(world((struct sv_config){0}), sleep_in_wait, &wire);
    set_each_round(&sleeper, &wire, SV_ASLEEP_IN_WAIT);
}

/*
 * Claim:   the same, for who sleeps in a poll and is woken by a signal.
 * Method:  as above, with a descriptor to wait for.
 */
Test(thread_order_unit, what_came_before_a_set_is_seen_by_who_was_in_a_poll)
{
    struct wire wire = {0};
    struct player sleeper = player_in(world((struct sv_config){0}), sleep_in_poll, &wire);
    sleeper.signal_number = SIGUSR1;
    set_each_round(&sleeper, &wire, SV_ASLEEP_IN_POLL);
}

struct two_setters {
    struct wire wire;
    struct sv_segment *segment;
};

static int set_second(struct sv_backend *self, void *argument)
{
    struct two_setters *setters = argument;
    struct wire *wire = &setters->wire;
    (void)self;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->done, 2 * i + 1);
        wire->others[i] = i + 1;
        sv_latch_set(setters->segment, receiver(wire));
        tell(&wire->done, 2 * i + 2);
    }
    return 0;
}

static int reset_after_both(struct sv_backend *self, void *argument)
{
    struct two_setters *setters = argument;
    struct wire *wire = &setters->wire;
    int wrong = 0;
    tell(&wire->slot, sv_backend_slot(self) + 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        tell(&wire->ready, i + 1);
        hear(&wire->done, 2 * i + 2);
        sv_latch_reset(self);
        wrong += wrong_in(wire->cells, i) + wrong_in(wire->others, i);
    }
    return wrong;
}

/*
 * Claim:   a reset after two sets sees what came before either: the second setter's does not hide
 *          the first one's (latch.c, [R1]).
 * Method:  the test sets, then a second thread; once both have, the third resets and looks.
 */
Test(thread_order_unit, a_second_set_does_not_hide_what_came_before_the_first)
{
    struct two_setters setters = {.segment = world((struct sv_config){0})};
    struct wire *wire = &setters.wire;
    struct player second = player_in(setters.segment, set_second, &setters);
    struct player waiter = player_in(setters.segment, reset_after_both, &setters);
    player_start(&second);
    player_start(&waiter);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->ready, i + 1);
        wire->cells[i] = i + 1;
        sv_latch_set(setters.segment, receiver(wire));
        tell(&wire->done, 2 * i + 1);
        hear(&wire->done, 2 * i + 2);
    }
    player_finish(&second);
    player_finish(&waiter);
    sv_segment_detach(setters.segment);
}

/* ---- reasons and barriers -------------------------------------------------------------------- */

struct asked {
    struct wire *wire;
    uint32_t round;
    int wrong;
};

static int answer(struct sv_backend *self, void *argument)
{
    struct asked *asked = argument;
    (void)self;
    asked->wrong += wrong_in(asked->wire->cells, asked->round);
    asked->round++;
    return 0;
}

/* Serve one request a round: found by looking for it, every other round after a sleep. */
static int serve_each_round(struct sv_backend *self, void *argument)
{
    struct asked asked = {.wire = argument};
    int wrong = 0;
    tell(&asked.wire->slot, sv_backend_slot(self) + 1);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, answer, &asked);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        tell(&asked.wire->ready, i + 1);
        while (asked.round <= i) {
            struct sv_latch_wait wait = {.timeout_ms = -1};
            wrong += i % 2 == 0 ? sv_process_interrupts(self) : sv_latch_wait(self, &wait);
            sv_latch_reset(self);
        }
    }
    return wrong + asked.wrong;
}

static void ask_each_round(int signal_number)
{
    struct wire wire = {0};
    struct player server = player_in(world((struct sv_config){0}), serve_each_round, &wire);
    server.signal_number = signal_number;
    struct sv_backend *self = join(server.segment);
    player_start(&server);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire.ready, i + 1);
        wire.cells[i] = i + 1;
        cr_assert_eq(sv_procsignal_send(self, receiver(&wire), SV_REASON_APP_0), 0);
    }
    player_finish(&server);
    sv_backend_detach(self);
    sv_segment_detach(server.segment);
}

/*
 * Claim:   who serves a reason sees what came before it was sent (procsignal.c, [F1]).
 * Method:  one asks, the other serves, taking no signal: by looking, and woken through its latch.
 */
Test(thread_order_unit, who_serves_a_reason_sees_what_came_before_it)
{
    ask_each_round(0);
}

/*
 * Claim:   the same, when the reason comes by a signal and its handler.
 * Method:  the same, with a signal.
 */
Test(thread_order_unit, who_serves_a_reason_by_signal_sees_what_came_before_it)
{
    ask_each_round(SIGUSR1);
}

static int pass_each_round(struct sv_backend *self, void *argument)
{
    struct wire *wire = argument;
    int wrong = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint64_t passed = sv_load_relaxed64(&self->slot->barrier);
        wire->others[i] = i + 1;
        tell(&wire->ready, i + 1);
        while (sv_load_relaxed64(&self->slot->barrier) == passed) {
            wrong += sv_process_interrupts(self);
            (void)sched_yield();
        }
        wrong += wrong_in(wire->cells, i);
    }
    return wrong;
}

/*
 * Claim:   who passes a barrier sees what its emitter did before, and the emitter, once all have
 *          passed, what they did before they passed (procsignal.c, [B1] to [B4]).
 * Method:  one emits, the other passes, neither tells the other anything else.
 */
Test(thread_order_unit, a_barrier_orders_both_sides)
{
    struct wire wire = {0};
    struct player passer = player_in(world((struct sv_config){0}), pass_each_round, &wire);
    struct sv_backend *self = join(passer.segment);
    int wrong = 0;
    player_start(&passer);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire.ready, i + 1);
        wire.cells[i] = i + 1;
        wrong += sv_procsignal_barrier(self, -1) + wrong_in(wire.others, i);
    }
    player_finish(&passer);
    cr_assert_eq(wrong, 0);
    sv_backend_detach(self);
    sv_segment_detach(passer.segment);
}

/* ---- slots ----------------------------------------------------------------------------------- */

enum { SLOTS = 2, CLAIMERS = 4 };

struct house {
    struct sv_segment *segment;
    uint32_t visits[SLOTS]; /* each written by the occupant of that slot alone */
};

static void *come_and_go(void *argument)
{
    struct house *house = argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct sv_backend *self = NULL;
        int result;
        while ((result = sv_backend_attach(house->segment, NULL, &self)) == SV_FULL) {
            (void)sched_yield();
        }
        if (result != 0) {
            return house;
        }
        house->visits[sv_backend_slot(self)]++;
        sv_backend_detach(self);
    }
    return NULL;
}

/*
 * Claim:   a slot has one occupant at a time, and the next one sees what the last one did.
 * Method:  more threads than slots attach and detach; each counts in a plain word of its slot.
 */
Test(thread_order_unit, who_gets_a_slot_sees_what_its_last_occupant_did)
{
    struct house house = {.segment = world((struct sv_config){.backends_max = SLOTS})};
    pthread_t threads[CLAIMERS];
    for (int i = 0; i < CLAIMERS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, come_and_go, &house), 0);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        void *failed = NULL;
        cr_assert_eq(pthread_join(threads[i], &failed), 0);
        cr_assert_null(failed);
    }
    cr_assert_eq(house.visits[0] + house.visits[1], CLAIMERS * ROUNDS);
    sv_segment_detach(house.segment);
}

/* ---- a postmaster in the same process -------------------------------------------------------- */

#define LOOKS_NS UINT64_C(50000000) /* who waits for a lock looks around each 10 ms */

static int hold_until_told(struct sv_backend *self, void *argument)
{
    struct wire *wire = argument;
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    tell(&wire->ready, 1);
    hear(&wire->done, 1);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    return 0;
}

static int wait_for_lock(struct sv_backend *self, void *argument)
{
    struct wire *wire = argument;
    hear(&wire->ready, 1);
    tell(&wire->slot, sv_backend_slot(self) + 1);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    return 0;
}

/*
 * Claim:   who waits for a lock leaves alone what a postmaster in another thread watches locks by.
 * Method:  one holds a lock, one waits for it, and looks around; meanwhile the test becomes the
 *          postmaster, with a limit to watch, and ceases to be it, until some looks have passed.
 */
Test(thread_order_unit, who_waits_leaves_the_watch_to_the_postmaster)
{
    struct wire wire = {0};
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = 60000});
    struct player players[] = {player_in(segment, hold_until_told, &wire),
                               player_in(segment, wait_for_lock, &wire)};
    player_start(&players[0]);
    player_start(&players[1]);
    hear(&sv_segment_slot(segment, receiver(&wire))->waits_for_lock, SV_LOCK_APP_0 + 1);
    const uint64_t end_ns = sv_os_now_ns() + LOOKS_NS;
    do {
        struct sv_postmaster *postmaster = NULL;
        cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
        sv_postmaster_stop(postmaster, 0);
    } while (sv_os_now_ns() < end_ns);
    tell(&wire.done, 1);
    players_finish(players, 2);
    sv_segment_detach(segment);
}
