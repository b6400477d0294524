/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The killer.
 *
 * Strikes of a kind follow each other after random times, exponentially distributed, so that none
 * depends on when the one before was: two at once are as likely as they would be. Most backends
 * rest at any time, and a lock is held for less time than a signal takes; so a third of the strikes
 * reach anybody, a third somebody who does not rest, and a third somebody who was seen to hold a
 * lock a moment ago. A stop is ended after 1 to KILLER_STOP_MS_MAX ms; one who is stopped may be
 * killed meanwhile.
 *
 * The supervisor strikes; a thread of its process, the *attendant*, ends the stops and measures. It
 * has to be somebody else: where the supervisor is the postmaster, it settles the dead, and so may
 * wait for a lock that a stopped backend holds. The attendant knows processes by descriptors, which
 * mean nobody else when they have been waited for. It takes `lock` and nothing else; forked
 * children, which are forked at any moment of it, use nothing of it.
 *
 * Pauses (K1). Who was struck is noted under its slot, with when: found by its thread id, which
 * stands in the slot from the claim on. Each millisecond, for every lock that is still held by one
 * that was struck (a dead one until it is buried, a stopped one until it goes on): how long has the
 * longest been waiting for that lock since then? So a pause is counted from the kill itself on, and
 * is short by a look at most (which is late where the machine is busy). Waits for others, who are
 * merely slow, count for neither.
 *
 * Only loads from the segment: what survivors do is their own work.
 */
#define _GNU_SOURCE
#define SV_ATOMIC_UNTOLD /* the supervisor shares no plain data with the backends */
#include "faults/killer.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "shm/segment.h"

#define NS_PER_S  1e9
#define NS_PER_MS UINT64_C(1000000)
#define LATE_NS   UINT64_C(1000000000) /* what was missed for longer is not made up for */
#define LOOK_NS   1000000
#define LOOKS_MAX 100000 /* for one who holds a lock, or does not rest: a fraction of a ms */
#define SEAT_NONE UINT32_MAX

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

/* ---- the attendant ------------------------------------------------------------------------- */

static void end_stop(struct stop *stop)
{
    if (stop->process >= 0) { /* one that is dead and waited for is told nothing */
        (void)syscall(SYS_pidfd_send_signal, stop->process, SIGCONT, NULL, 0);
        (void)close(stop->process);
        stop->process = -1;
    }
}

static void end_stops(struct killer *killer, uint64_t now_ns)
{
    for (uint32_t i = 0; i < killer->seats; i++) {
        if (now_ns >= killer->stops[i].until_ns) {
            end_stop(&killer->stops[i]);
        }
    }
}

static void *attend(void *argument)
{
    struct killer *killer = argument;
    const struct timespec look = {.tv_nsec = LOOK_NS};
    bool ends = false;

    while (!ends) {
        (void)nanosleep(&look, NULL);
        (void)pthread_mutex_lock(&killer->lock);
        const uint64_t now_ns = sv_os_now_ns();
        look_at_waits(killer, killer->segment, now_ns);
        end_stops(killer, now_ns);
        ends = killer->ends;
        (void)pthread_mutex_unlock(&killer->lock);
    }
    return NULL;
}

int killer_init(struct killer *killer, struct sv_segment *segment, uint32_t seats, uint64_t seed)
{
    const uint32_t slots = sv_segment_config(segment)->backends_max;

    *killer = (struct killer){
        .random = random_branch(seed, 0, RANDOM_CARRIER),
        .segment = segment,
        .seats = seats,
        .stops = calloc(seats, sizeof(*killer->stops)),
        .struck = calloc(slots, sizeof(*killer->struck)),
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    int error = killer->stops == NULL || killer->struck == NULL ? ENOMEM : 0;
    for (uint32_t i = 0; error == 0 && i < seats; i++) {
        killer->stops[i].process = -1;
    }
    if (error == 0) {
        error = pthread_create(&killer->attendant, NULL, attend, killer);
        killer->attended = error == 0;
    }
    if (error != 0) {
        killer_free(killer);
    }
    return -error;
}

void killer_free(struct killer *killer)
{
    if (killer->attended) {
        (void)pthread_mutex_lock(&killer->lock);
        killer->ends = true;
        (void)pthread_mutex_unlock(&killer->lock);
        (void)pthread_join(killer->attendant, NULL);
    }
    free(killer->stops);
    free(killer->struck);
    *killer = (struct killer){0};
}

void killer_begin(struct killer *killer, uint64_t ends_ns)
{
    killer->ends_ns = ends_ns;
    killer->due_ns[WAIT_FOR_KILLED] = 0;
    killer->due_ns[WAIT_FOR_STOPPED] = 0;
}

void killer_end(struct killer *killer)
{
    (void)pthread_mutex_lock(&killer->lock);
    end_stops(killer, UINT64_MAX);
    (void)pthread_mutex_unlock(&killer->lock);
}

void killer_tell(struct killer *killer, uint64_t strikes[WAIT_CAUSES],
                 uint64_t longest_ns[WAIT_CAUSES])
{
    (void)pthread_mutex_lock(&killer->lock);
    for (enum wait_cause cause = 0; cause < WAIT_CAUSES; cause++) {
        strikes[cause] = killer->strikes[cause];
        longest_ns[cause] = killer->longest_ns[cause];
    }
    (void)pthread_mutex_unlock(&killer->lock);
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

/* The seat of who holds a lock just now; SEAT_NONE: nobody was met with one. */
static uint32_t draw_holder(const struct killer *killer, const struct control *control)
{
    for (uint32_t looks = 0; looks < LOOKS_MAX; looks++) {
        const uint32_t lock = looks % SV_LOCK_COUNT;
        const uint32_t word = sv_load_relaxed32(&killer->segment->locks[lock].exclusive);
        const uint32_t slot = (word & SV_LOCK_OWNER_MASK) - 1;
        if (slot >= control->slot_count) {
            continue;
        }
        const uint32_t birth = sv_load_relaxed32(&control->slots[slot].owner) - 1;
        if (birth < control->births_max) {
            return sv_load_relaxed32(&control->births[birth].seat);
        }
    }
    return SEAT_NONE;
}

/* Somebody who does not rest, if one is met. */
static uint32_t draw_busy(struct killer *killer, const struct control *control)
{
    uint32_t seat = 0;

    for (uint32_t looks = 0; looks < LOOKS_MAX; looks++) {
        seat = random_below(&killer->random, control->seat_count);
        if (sv_load_relaxed32(&control->seats[seat].rests) == 0) {
            break;
        }
    }
    return seat;
}

static uint32_t draw_seat(struct killer *killer, const struct control *control)
{
    uint32_t seat = SEAT_NONE;

    switch (random_below(&killer->random, 3)) {
    case 0:
        seat = draw_holder(killer, control);
        break;
    case 1:
        seat = draw_busy(killer, control);
        break;
    default:
        break;
    }
    return seat < control->seat_count ? seat : random_below(&killer->random, control->seat_count);
}

static void strike(struct killer *killer, struct supervisor *supervisor, enum wait_cause cause)
{
    const uint32_t seat = draw_seat(killer, &supervisor->world->control);
    const uint32_t stop_ms = 1 + random_below(&killer->random, KILLER_STOP_MS_MAX);
    struct struck struck = {.since_ns = sv_os_now_ns(), .until_ns = UINT64_MAX, .cause = cause};

    if (cause == WAIT_FOR_STOPPED && killer->stops[seat].process >= 0) {
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
        killer->stops[seat] = (struct stop){.process = sv_os_process_watch((uint32_t)pid),
                                            .until_ns = struck.until_ns};
        if (killer->stops[seat].process < 0) { /* too many descriptors: nobody could end it */
            (void)supervisor->carrier.kind->strike(&supervisor->carrier, seat, SIGCONT);
        }
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

/* Who stands still is no hang. */
static void excuse_stopped(const struct killer *killer, struct supervisor *supervisor,
                           uint64_t now_ns)
{
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        if (killer->stops[i].process >= 0) {
            supervisor->watch[i].progress_ns = now_ns;
        }
    }
}

/* ---- a tick -------------------------------------------------------------------------------- */

void killer_look(struct killer *killer, struct supervisor *supervisor, uint64_t now_ns)
{
    struct control *control = &supervisor->world->control;
    const uint32_t phase = sv_load_seq32(&control->shared->phase);

    (void)pthread_mutex_lock(&killer->lock);
    excuse_stopped(killer, supervisor, now_ns);
    if (phase != CONTROL_DRAIN) {
        strike_due(killer, supervisor, WAIT_FOR_KILLED, killer->kills_per_s, now_ns);
        strike_due(killer, supervisor, WAIT_FOR_STOPPED, killer->stops_per_s, now_ns);
    }
    (void)pthread_mutex_unlock(&killer->lock);
    if (phase == CONTROL_WORK &&
        (now_ns >= killer->ends_ns || killer->interrupted ||
         control_birth_count(control) > control->births_max - control->seat_count)) {
        sv_store_seq32(&control->shared->phase, CONTROL_REST);
    }
    if (killer->progress != NULL) {
        killer->progress(killer->argument, supervisor);
    }
}
