/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What comes before what, between threads, for reasons and barriers, slots, and a postmaster in the
 * same process: as thread_order_unit.c.
 */
#include "threads.h"

#include "sync/procsignal.h"

TestSuite(thread_signal_unit, .timeout = 60);

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
            sv_latch_reset(self);
            wrong += sv_process_interrupts(self);
            if (i % 2 != 0 && asked.round <= i) {
                wrong += sv_latch_wait(self, &wait);
            }
            (void)sched_yield();
        }
    }
    return wrong + asked.wrong;
}

static void ask_each_round(int signal_number)
{
    struct wire *wire = wire_new();
    struct player server = player_in(world((struct sv_config){0}), serve_each_round, wire);
    server.signal_number = signal_number;
    struct sv_backend *self = join(server.segment);
    player_start(&server);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->ready, i + 1);
        wire->cells[i] = i + 1;
        cr_assert_eq(sv_procsignal_send(self, receiver(wire), SV_REASON_APP_0), 0);
    }
    player_finish(&server);
    sv_backend_detach(self);
    sv_segment_detach(server.segment);
    free(wire);
}

/*
 * Claim:   who serves a reason sees what came before it was sent (procsignal.c, [F1]).
 * Method:  one asks, the other serves, taking no signal: by looking, and woken through its latch.
 */
Test(thread_signal_unit, who_serves_a_reason_sees_what_came_before_it)
{
    ask_each_round(0);
}

/*
 * Claim:   the same, when the reason comes by a signal and its handler.
 * Method:  the same, with a signal.
 */
Test(thread_signal_unit, who_serves_a_reason_by_signal_sees_what_came_before_it)
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
Test(thread_signal_unit, a_barrier_orders_both_sides)
{
    struct wire *wire = wire_new();
    struct player passer = player_in(world((struct sv_config){0}), pass_each_round, wire);
    struct sv_backend *self = join(passer.segment);
    int wrong = 0;
    player_start(&passer);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        hear(&wire->ready, i + 1);
        wire->cells[i] = i + 1;
        wrong += sv_procsignal_barrier(self, -1) + wrong_in(wire->others, i);
    }
    player_finish(&passer);
    cr_assert_eq(wrong, 0);
    sv_backend_detach(self);
    sv_segment_detach(passer.segment);
    free(wire);
}

struct late {
    struct sv_segment *segment;
    struct wire *wire;
    int wrong;
};

static void *attach_each_round(void *argument)
{
    struct late *late = argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct sv_backend *self = NULL;
        hear(&late->wire->done, i + 1);
        late->wrong += sv_backend_attach(late->segment, NULL, &self);
        late->wrong += wrong_in(late->wire->cells, i);
        sv_backend_detach(self);
        tell(&late->wire->ready, i + 1);
    }
    return NULL;
}

/*
 * Claim:   who attaches after a barrier sees what its emitter did before (procsignal.h).
 * Method:  one emits, then another one attaches, who was nobody while it was emitted.
 */
Test(thread_signal_unit, who_attaches_after_a_barrier_sees_what_came_before_it)
{
    struct late late = {.segment = world((struct sv_config){0}), .wire = wire_new()};
    struct sv_backend *self = join(late.segment);
    pthread_t thread;
    int wrong = 0;
    cr_assert_eq(pthread_create(&thread, NULL, attach_each_round, &late), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        late.wire->cells[i] = i + 1;
        wrong += sv_procsignal_barrier(self, -1);
        tell(&late.wire->done, i + 1);
        hear(&late.wire->ready, i + 1);
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(wrong + late.wrong, 0);
    sv_backend_detach(self);
    sv_segment_detach(late.segment);
    free(late.wire);
}

/* ---- slots ----------------------------------------------------------------------------------- */

enum { SLOTS = 2, CLAIMERS = 4, VISITS = 200 };

struct house {
    struct sv_segment *segment;
    uint32_t visits[SLOTS]; /* each written by the occupant of that slot alone */
};

static void *come_and_go(void *argument)
{
    struct house *house = argument;
    for (uint32_t i = 0; i < VISITS; i++) {
        struct sv_backend *self = NULL;
        int result;
        while ((result = sv_backend_attach(house->segment, NULL, &self)) == SV_FULL) {
            (void)sched_yield();
        }
        if (result != 0) {
            return house;
        }
        house->visits[sv_backend_slot(self)]++;
        (void)sched_yield(); /* so that others find no slot, and wait for this one */
        sv_backend_detach(self);
    }
    return NULL;
}

/*
 * Claim:   a slot has one occupant at a time, and the next one sees what the last one did.
 * Method:  more threads than slots attach and detach; each counts in a plain word of its slot.
 */
Test(thread_signal_unit, who_gets_a_slot_sees_what_its_last_occupant_did)
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
    cr_assert_eq(house.visits[0] + house.visits[1], CLAIMERS * VISITS);
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
Test(thread_signal_unit, who_waits_leaves_the_watch_to_the_postmaster)
{
    struct wire *wire = wire_new();
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = 60000});
    struct player players[] = {player_in(segment, hold_until_told, wire),
                               player_in(segment, wait_for_lock, wire)};
    player_start(&players[0]);
    player_start(&players[1]);
    hear(&sv_segment_slot(segment, receiver(wire))->waits_for_lock, SV_LOCK_APP_0 + 1);
    const uint64_t end_ns = sv_os_now_ns() + LOOKS_NS;
    do {
        struct sv_postmaster *postmaster = NULL;
        cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
        sv_postmaster_stop(postmaster, 0);
    } while (sv_os_now_ns() < end_ns);
    tell(&wire->done, 1);
    players_finish(players, 2);
    sv_segment_detach(segment);
    free(wire);
}
