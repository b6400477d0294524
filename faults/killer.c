/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The killer.
 *
 * Strikes of a kind follow each other after random times, exponentially distributed, so that none
 * depends on when the one before was: two at once are as likely as they would be. Whom they reach is
 * drawn among all seats. A stop is ended after 1 to KILLER_STOP_MS_MAX ms; one who is stopped may be
 * killed meanwhile.
 *
 * Pauses (K1). Who was struck is noted under its slot, with when: found by its thread id, which
 * stands in the slot from the claim on. At each tick, for every lock that is still held by one that
 * was struck (a dead one until it is buried, a stopped one until it goes on): how long has the
 * longest been waiting for that lock since then? So a pause is seen from the kill itself on, and is
 * short by a tick at most (which is late where the machine is busy). Waits for others, who are merely slow, count for neither.
 *
 * Only loads from the segment: what survivors do is their own work.
 */
#define SV_ATOMIC_UNTOLD /* the supervisor shares no plain data with the backends */
#include "faults/killer.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "base/os.h"
#include "shm/segment.h"

#define NS_PER_S  1e9
#define NS_PER_MS UINT64_C(1000000)
#define LATE_NS   UINT64_C(1000000000) /* what was missed for longer is not made up for */

int killer_init(struct killer *killer, uint32_t seats, uint32_t slots, uint64_t seed)
{
    *killer = (struct killer){
        .random = random_branch(seed, 0, RANDOM_CARRIER),
        .stopped_until_ns = calloc(seats, sizeof(*killer->stopped_until_ns)),
        .struck = calloc(slots, sizeof(*killer->struck)),
    };
    if (killer->stopped_until_ns == NULL || killer->struck == NULL) {
        killer_free(killer);
        return -ENOMEM;
    }
    return 0;
}

void killer_free(struct killer *killer)
{
    free(killer->stopped_until_ns);
    free(killer->struck);
    *killer = (struct killer){0};
}

void killer_begin(struct killer *killer, uint64_t ends_ns)
{
    killer->ends_ns = ends_ns;
    killer->due_ns[WAIT_FOR_KILLED] = 0;
    killer->due_ns[WAIT_FOR_STOPPED] = 0;
}

/* ---- striking ------------------------------------------------------------------------------ */

/* When the next one is due, after one at then_ns. */
static uint64_t draw_next(struct killer *killer, uint64_t then_ns, uint32_t per_s)
{
    const double drawn = ((double)(random_next(&killer->random) >> 11) + 1) * 0x1p-53; /* (0, 1] */

    return then_ns + (uint64_t)(-log(drawn) / per_s * NS_PER_S) + 1;
}

/* Under which slot is that process? Those that are not attached hold nothing. */
static void note_struck(struct killer *killer, const struct sv_segment *segment, pid_t pid,
                        const struct struck *struck)
{
    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        if (sv_load_acquire32(&segment->slots[i].tid) == (uint32_t)pid) {
            killer->struck[i] = *struck;
            killer->struck[i].tid = (uint32_t)pid;
            return;
        }
    }
}

static void strike(struct killer *killer, struct supervisor *supervisor, enum wait_cause cause)
{
    const uint32_t seat = random_below(&killer->random, supervisor->world->control.seat_count);
    const uint32_t stop_ms = 1 + random_below(&killer->random, KILLER_STOP_MS_MAX);
    struct struck struck = {.since_ns = sv_os_now_ns(), .until_ns = UINT64_MAX, .cause = cause};

    if (cause == WAIT_FOR_STOPPED && killer->stopped_until_ns[seat] != 0) {
        return;
    }
    const int signal_number = cause == WAIT_FOR_KILLED ? SIGKILL : SIGSTOP;
    const pid_t pid = supervisor->carrier.kind->strike(&supervisor->carrier, seat, signal_number);
    if (pid == 0) {
        return;
    }
    killer->strikes[cause]++;
    if (cause == WAIT_FOR_STOPPED) {
        struck.until_ns = struck.since_ns + stop_ms * NS_PER_MS;
        killer->stopped_until_ns[seat] = struck.until_ns;
    }
    note_struck(killer, supervisor->world->segment, pid, &struck);
}

static void strike_due(struct killer *killer, struct supervisor *supervisor, enum wait_cause cause,
                       uint32_t per_s, uint64_t now_ns)
{
    uint64_t *due_ns = &killer->due_ns[cause];

    if (per_s == 0) {
        return;
    }
    if (*due_ns == 0 || now_ns > *due_ns + LATE_NS) {
        *due_ns = draw_next(killer, now_ns, per_s);
    }
    while (*due_ns <= now_ns) {
        strike(killer, supervisor, cause);
        *due_ns = draw_next(killer, *due_ns, per_s);
    }
}

/* Who has stood still long enough goes on; who stands still is no hang. */
static void continue_stopped(struct killer *killer, struct supervisor *supervisor, uint64_t now_ns)
{
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        uint64_t *until_ns = &killer->stopped_until_ns[i];
        if (*until_ns == 0) {
            continue;
        }
        supervisor->watch[i].progress_ns = now_ns;
        if (now_ns >= *until_ns) {
            (void)supervisor->carrier.kind->strike(&supervisor->carrier, i, SIGCONT);
            *until_ns = 0;
        }
    }
}

/* ---- who waits for whom -------------------------------------------------------------------- */

static bool holds(const struct sv_segment *segment, uint32_t slot, uint32_t lock)
{
    const uint32_t word = sv_load_acquire32(&segment->locks[lock].exclusive);

    return sv_load_acquire32(&segment->slots[slot].held[lock]) != 0 ||
           (word & SV_LOCK_OWNER_MASK) == slot + 1;
}

/* Forget who is buried, has left its slot, or goes on again. */
static bool still_struck(const struct sv_segment *segment, uint32_t slot, struct struck *struck,
                         uint64_t now_ns)
{
    const uint32_t phase = sv_load_acquire32(&segment->slots[slot].phase);

    if (now_ns >= struck->until_ns || phase == SV_SLOT_DEAD || phase == SV_SLOT_FREE ||
        sv_load_acquire32(&segment->slots[slot].tid) != struck->tid) {
        struck->since_ns = 0;
    }
    return struck->since_ns != 0;
}

/* Since when each lock is held by somebody who was struck, by cause. Returns: any. */
static bool find_held(struct killer *killer, const struct sv_segment *segment,
                      uint64_t held_ns[WAIT_CAUSES][SV_LOCK_COUNT], uint64_t now_ns)
{
    bool any = false;

    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        struct struck *struck = &killer->struck[i];
        if (struck->since_ns == 0 || !still_struck(segment, i, struck, now_ns)) {
            continue;
        }
        for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
            uint64_t *since_ns = &held_ns[struck->cause][lock];
            if (holds(segment, i, lock)) {
                *since_ns =
                    *since_ns == 0 || struck->since_ns < *since_ns ? struck->since_ns : *since_ns;
                any = true;
            }
        }
    }
    return any;
}

static void look_at_waits(struct killer *killer, const struct sv_segment *segment, uint64_t now_ns)
{
    uint64_t held_ns[WAIT_CAUSES][SV_LOCK_COUNT] = {0};

    if (!find_held(killer, segment, held_ns, now_ns)) {
        return;
    }
    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        const struct sv_slot *slot = &segment->slots[i];
        const uint32_t waits_for = sv_load_acquire32(&slot->waits_for_lock);
        if (waits_for == 0 || waits_for > SV_LOCK_COUNT || killer->struck[i].since_ns != 0) {
            continue;
        }
        const uint64_t waits_ns = sv_load_relaxed64(&slot->waits_since_ns);
        for (enum wait_cause cause = 0; cause < WAIT_CAUSES; cause++) {
            const uint64_t since_ns = held_ns[cause][waits_for - 1];
            const uint64_t from_ns = waits_ns > since_ns ? waits_ns : since_ns;
            if (since_ns != 0 && now_ns > from_ns && now_ns - from_ns > killer->longest_ns[cause]) {
                killer->longest_ns[cause] = now_ns - from_ns;
            }
        }
    }
}

/* ---- a tick -------------------------------------------------------------------------------- */

void killer_look(struct killer *killer, struct supervisor *supervisor, uint64_t now_ns)
{
    struct control *control = &supervisor->world->control;
    const uint32_t phase = sv_load_seq32(&control->shared->phase);

    look_at_waits(killer, supervisor->world->segment, now_ns);
    continue_stopped(killer, supervisor, now_ns);
    if (phase != CONTROL_DRAIN) {
        strike_due(killer, supervisor, WAIT_FOR_KILLED, killer->kills_per_s, now_ns);
        strike_due(killer, supervisor, WAIT_FOR_STOPPED, killer->stops_per_s, now_ns);
    }
    if (phase == CONTROL_WORK &&
        (now_ns >= killer->ends_ns || killer->interrupted ||
         control_birth_count(control) > control->births_max - control->seat_count)) {
        sv_store_seq32(&control->shared->phase, CONTROL_REST);
    }
    if (killer->progress != NULL) {
        killer->progress(killer->argument, supervisor);
    }
}
