/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The lock watch: telling a hold that lasts from many short ones.
 *
 * A look samples, for each slot and lock, whether the slot holds it and when it took it (since_ns,
 * stored after every acquire where a limit is configured). Two looks that see the same time see
 * the same hold: between two acquires of one slot the clock moves. A holder that was stopped
 * between taking the lock and storing the time shows an older one, and shows it again. So a hold's
 * age is counted from the look that first saw it, and a kill comes between one and one and a half
 * limits after the acquire.
 *
 * Who is to blame? Not a holder that waits for another lock which somebody else holds on to: its
 * age starts anew, and the one it waits for is looked at instead. It is excused only while that
 * other hold lasts from look to look; a lock that changes hands could be had. Waiting is acyclic
 * (lock order), so somebody in the chain is to blame.
 *
 * Without a limit nobody is watched, and no acquire reads the clock; who goes to sleep leaves a note
 * in the holder's since_ns instead, for people to look at. It goes with the hold: the holder takes it
 * away where it looks for waiters anyway, and the waiter where it finds the hold over, whichever
 * comes first, since a look for waiters may miss one (lwlock.c). A waiter that is killed leaves that
 * to the holder. Notes are relaxed: they order nothing, so a race detector sees no order that a lock
 * would not make. So a note may be missing; and it may be of an earlier hold only if the holder
 * released and took the lock again while the waiter stood between the look and the note.
 *
 * What is not watched: a slot of the watcher's own process, which would kill the watcher.
 */
#include "sync/lock_watch.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_MS       UINT64_C(1000000)
#define LOOKS_PER_LIMIT 4

/* The word for that; NULL: the acquires write it, or there is no such holder. */
static struct sv_atomic64 *noted_since(struct sv_segment *segment, uint32_t holder,
                                       enum sv_lock lock)
{
    const bool ours =
        segment->config.lock_hold_max_ms == 0 && holder < segment->config.backends_max;
    return ours ? &segment->slots[holder].since_ns[lock] : NULL;
}

uint64_t sv_hold_note(struct sv_segment *segment, uint32_t holder, enum sv_lock lock)
{
    struct sv_atomic64 *since_ns = noted_since(segment, holder, lock);
    if (since_ns == NULL || sv_load_relaxed64(since_ns) != 0) {
        return 0;
    }
    const uint64_t now_ns = sv_os_now_ns();
    sv_store_relaxed64(since_ns, now_ns); /* of two at once, either is right */
    return now_ns;
}

void sv_hold_take_back(struct sv_segment *segment, uint32_t holder, enum sv_lock lock,
                       uint64_t noted_ns)
{
    struct sv_atomic64 *since_ns = noted_since(segment, holder, lock);
    if (since_ns != NULL && noted_ns != 0 && sv_load_relaxed64(since_ns) == noted_ns) {
        sv_store_relaxed64(since_ns, 0);
    }
}

void sv_hold_forget(struct sv_segment *segment, uint32_t holder, enum sv_lock lock)
{
    struct sv_atomic64 *since_ns = noted_since(segment, holder, lock);
    if (since_ns != NULL) {
        sv_store_relaxed64(since_ns, 0);
    }
}

/* One slot's hold of one lock, as the last look saw it. */
struct hold {
    uint64_t since_ns;
    uint64_t counted_from_ns; /* 0: not held */
    bool lasts;               /* the look before saw the same hold */
};

struct sv_lock_watch {
    uint32_t pid;
    uint64_t limit_ns;
    uint64_t looked_ns;
    struct hold holds[]; /* backends_max times SV_LOCK_COUNT */
};

int sv_lock_watch_start(struct sv_segment *segment)
{
    const struct sv_config *config = &segment->config;
    if (config->lock_hold_max_ms == 0) {
        return 0;
    }
    struct sv_lock_watch *watch =
        calloc(1, sizeof(*watch) + sizeof(struct hold) * config->backends_max * SV_LOCK_COUNT);
    if (watch == NULL) {
        return -ENOMEM;
    }
    watch->pid = sv_os_pid();
    watch->limit_ns = config->lock_hold_max_ms * NS_PER_MS;
    segment->lock_watch = watch;
    sv_store_relaxed32(&segment->lock_watcher, sv_os_tid());
    return 0;
}

void sv_lock_watch_stop(struct sv_segment *segment)
{
    sv_store_relaxed32(&segment->lock_watcher, 0);
    free(segment->lock_watch);
    segment->lock_watch = NULL;
}

static struct hold *hold_of(struct sv_lock_watch *watch, uint32_t slot, int lock)
{
    return &watch->holds[(size_t)slot * SV_LOCK_COUNT + (size_t)lock];
}

/* Also one that is not granted yet: nobody else can take it. */
static bool is_held(const struct sv_segment *segment, uint32_t slot, int lock)
{
    const uint32_t word = sv_load_acquire32(&segment->locks[lock].exclusive);
    return sv_load_acquire32(&segment->slots[slot].held[lock]) != 0 ||
           (word & SV_LOCK_OWNER_MASK) == slot + 1;
}

static void sample(struct sv_segment *segment, uint32_t slot, int lock, uint64_t now_ns)
{
    struct hold *hold = hold_of(segment->lock_watch, slot, lock);
    const uint64_t since_ns = sv_load_acquire64(&segment->slots[slot].since_ns[lock]);
    if (!is_held(segment, slot, lock)) {
        *hold = (struct hold){0};
    } else if (hold->counted_from_ns != 0 && hold->since_ns == since_ns) {
        hold->lasts = true;
    } else {
        *hold = (struct hold){.since_ns = since_ns, .counted_from_ns = now_ns};
    }
}

/* Does it wait for a lock that somebody else holds on to? */
static bool is_excused(const struct sv_segment *segment, uint32_t slot)
{
    const uint32_t waits_for = sv_load_acquire32(&segment->slots[slot].waits_for_lock);
    if (waits_for == 0 || waits_for > SV_LOCK_COUNT) {
        return false;
    }
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        if (i != slot && hold_of(segment->lock_watch, i, (int)waits_for - 1)->lasts) {
            return true;
        }
    }
    return false;
}

/* The process of a thread that has a slot; one without can only be found if it is its main thread. */
static uint32_t process_of(const struct sv_segment *segment, uint32_t tid)
{
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        if (sv_load_acquire32(&segment->slots[i].tid) == tid) {
            return sv_load_acquire32(&segment->slots[i].pid);
        }
    }
    return tid;
}

/* Kill who holds the life lock: the backend, or whoever is settling what a dead one left. */
static void kill_holder(const struct sv_segment *segment, uint32_t index)
{
    const struct sv_slot *slot = &segment->slots[index];
    const uint32_t tid = sv_os_life_holder(&slot->life);
    const struct sv_signal_target target = {
        .life = &slot->life,
        .pid = process_of(segment, tid),
        .tid = tid,
        .signal_number = SIGKILL,
    };
    if (target.pid != segment->lock_watch->pid) {
        (void)sv_os_signal(&target); /* gone already: nobody is to be killed */
    }
}

static void judge(struct sv_segment *segment, uint32_t slot, uint64_t now_ns)
{
    struct sv_lock_watch *watch = segment->lock_watch;
    const bool excused = is_excused(segment, slot);
    bool overdue = false;
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        struct hold *hold = hold_of(watch, slot, lock);
        if (hold->counted_from_ns != 0 && excused) {
            hold->counted_from_ns = now_ns;
        }
        overdue |= hold->lasts && now_ns - hold->counted_from_ns > watch->limit_ns &&
                   is_held(segment, slot, lock);
    }
    if (overdue) {
        kill_holder(segment, slot);
    }
}

/* A forked child and other threads have this memory, too: who finds its own id has written it. */
static bool watches(const struct sv_segment *segment)
{
    const uint32_t watcher = sv_load_relaxed32(&segment->lock_watcher);
    return watcher != 0 && watcher == sv_os_tid();
}

uint64_t sv_lock_watch_look(struct sv_segment *segment)
{
    if (!watches(segment)) {
        return UINT64_MAX;
    }
    struct sv_lock_watch *watch = segment->lock_watch;
    const uint64_t pace_ns = watch->limit_ns / LOOKS_PER_LIMIT;
    const uint64_t now_ns = sv_os_now_ns();
    if (now_ns - watch->looked_ns < pace_ns) {
        return pace_ns - (now_ns - watch->looked_ns);
    }
    watch->looked_ns = now_ns;
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t slot = 0; slot < used; slot++) {
        for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
            sample(segment, slot, lock, now_ns);
        }
    }
    for (uint32_t slot = 0; slot < used; slot++) {
        judge(segment, slot, now_ns);
    }
    return pace_ns;
}
