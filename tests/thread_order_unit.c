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
    struct wire *wire = wire_new();
    struct player reader =
        player_in(world((struct sv_config){.capacity = 8}), look_before_reading, wire);
    struct sv_backend *self = join(reader.segment);
    player_start(&reader);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->ready, i + 1);
        wire->cells[i] = i + 1;
        insert_numbered(self, i, 1);
    }
    player_finish(&reader);
    sv_backend_detach(self);
    sv_segment_detach(reader.segment);
    free(wire);
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
    struct wire *wire = wire_new();
    struct player reader =
        player_in(world((struct sv_config){.capacity = 8}), read_uncounted, wire);
    struct interposer interposer;
    struct sv_backend *self = join(reader.segment);
    player_start(&reader);
    hear(&wire->ready, 1);
    interpose_begin(&interposer, "queue/publish/between", 2, let_it_be_read, wire);
    insert_numbered(self, 0, 1);
    wire->cells[0] = 1;
    insert_numbered(self, 1, 1);
    interpose_end(&interposer);
    player_finish(&reader);
    sv_backend_detach(self);
    sv_segment_detach(reader.segment);
    free(wire);
}

/* ---- latches --------------------------------------------------------------------------------- */

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

/* Set its latch, every other round while it sleeps; then both are done with. */
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
    free(wire);
}

/*
 * Claim:   what was done before a set is seen after the reset that follows it (latch.h), asleep or
 *          not.
 * Method:  one waits and resets; the test sets, every other time once the other sleeps in a futex.
 */
Test(thread_order_unit, what_came_before_a_set_is_seen_after_the_reset)
{
    struct wire *wire = wire_new();
    struct player sleeper = player_in(world((struct sv_config){0}), sleep_in_wait, wire);
    set_each_round(&sleeper, wire, SV_ASLEEP_IN_WAIT);
}

/*
 * Claim:   the same, for who sleeps in a poll and is woken by a signal.
 * Method:  as above, with a descriptor to wait for.
 */
Test(thread_order_unit, what_came_before_a_set_is_seen_by_who_was_in_a_poll)
{
    struct wire *wire = wire_new();
    struct player sleeper = player_in(world((struct sv_config){0}), sleep_in_poll, wire);
    sleeper.signal_number = SIGUSR1;
    set_each_round(&sleeper, wire, SV_ASLEEP_IN_POLL);
}

struct two_setters {
    struct wire *wire;
    struct sv_segment *segment;
};

static int set_second(struct sv_backend *self, void *argument)
{
    struct two_setters *setters = argument;
    struct wire *wire = setters->wire;
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
    struct wire *wire = setters->wire;
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
    struct two_setters setters = {.wire = wire_new(), .segment = world((struct sv_config){0})};
    struct wire *wire = setters.wire;
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
    free(wire);
}
