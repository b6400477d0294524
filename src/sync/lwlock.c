/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * LWLocks whose words name their owner.
 *
 * The ideal: a lock is free, held by one exclusive owner, or held by any number of shared ones.
 * The real one has one exclusive word for the lock, and for each slot a word held[lock] of its
 * own. The exclusive word holds the owner's slot + 1, so the owner is known in the same instant
 * in which the lock is taken: there is no moment in which a death leaves a lock that names nobody.
 *
 * Hand-shake (Dekker's), checked as a model with GenMC under RC11; any of the four weaker: a race.
 *     shared taker                      exclusive taker
 *     held := 1            [S1]         compare-and-swap exclusive 0 -> me   [E1]
 *     read exclusive       [S2]         read slots_used, then every held     [E2]
 *     0: it has the lock                all 0: exclusive |= GRANTED, it has the lock
 *     else held := 0, waits             else waits for that word
 * All four are sequentially consistent, so at least one of the two sees the other. A slot raises
 * slots_used before its first S1, so E2 either looks at it, or was preceded by nothing of it.
 * The shared taker yields, so an exclusive one is never starved by readers.
 *
 * GRANTED. An owner that died between E1 and the end of E2 changed nothing, while shared holders
 * may still be inside. So repair runs only for a dead owner with GRANTED; without it the lock is
 * just released. A lock that is never shared is granted by its compare-and-swap.
 *
 * Waiting. Spin shortly, then sleep at most 10 ms on the word; if the time ran out, ask whether
 * the one it names is alive, which buries the dead (slot.c). So nobody needs to wake us: a
 * releaser may be killed between its release and its wake. Wakes only make it faster.
 *     `waiters` is set by who goes to sleep on the exclusive word, before its last look at it. The
 *     releaser clears it and wakes all where readers may be among them, else one, who sets it
 *     again for the rest once it has the lock.
 *     A shared releaser wakes its own word when it sees an exclusive owner after its release.
 *     Both releasers look after a release store, and the look may pass the store (a seq_cst store
 *     would cost every release a locked instruction: 5 ns of an insert's 18). Then the sleeper has
 *     looked before the store became visible, a store buffer ago; the price is one sleep of 10 ms.
 *     The same price where a releaser clears `waiters` between a sleeper's store and its sleep, and the
 *     same owner has the lock again by then: the word is as the sleeper knew it (the explorer meets
 *     it). A mark in the word itself would prevent that, and make every release a locked instruction.
 *
 * Rubbish in the words ends the waiter, or the holder: src/sync/check.c.
 *
 * Ordering: [R1] exclusive release: store, release; pairs with [A1] S2 and E1, seq_cst.
 *           [R2] shared release: store, release; pairs with [A2] E2's loads.
 *           Waiting loads are acquire or weaker: after each the hand-shake starts anew.
 */
#include "sync/lwlock.h"

#include "base/annotate.h"
#include "base/point.h"
#include "sync/check.h"
#include "sync/lock_watch.h"

#define SPINS    64
#define SLEEP_NS UINT64_C(10000000)
#define WAKE_ALL INT32_MAX

enum lock_event { ACQUIRE_BEFORE, ACQUIRE_AFTER, RELEASE_BEFORE, RELEASE_AFTER, LOCK_EVENTS };

#define POINTS_OF(lock, mode)                               \
    {                                                       \
        SV_POINT_lock_##lock##_##mode##_acquire_before,     \
            SV_POINT_lock_##lock##_##mode##_acquire_after,  \
            SV_POINT_lock_##lock##_##mode##_release_before, \
            SV_POINT_lock_##lock##_##mode##_release_after   \
    }

static const enum sv_point lock_points[SV_LOCK_COUNT][SV_LOCK_MODE_COUNT][LOCK_EVENTS] = {
    [SV_LOCK_APP_0] = {POINTS_OF(app, shared), POINTS_OF(app, exclusive)},
    [SV_LOCK_APP_1] = {POINTS_OF(app, shared), POINTS_OF(app, exclusive)},
    [SV_LOCK_TABLE] = {POINTS_OF(table, shared), POINTS_OF(table, exclusive)},
    [SV_LOCK_WRITE] = {[SV_LOCK_EXCLUSIVE] = POINTS_OF(write, exclusive)},
    [SV_LOCK_READ] = {POINTS_OF(read, shared), POINTS_OF(read, exclusive)},
};

static inline void lock_point(enum sv_lock lock, enum sv_lock_mode mode, enum lock_event event)
{
    (void)sv_point_hit(lock_points[lock][mode][event]);
}

static inline struct sv_atomic32 *exclusive_word(const struct sv_segment *segment,
                                                 enum sv_lock lock)
{
    return &segment->locks[lock].exclusive;
}

/* For a race detector: a byte in the padding of the words, since the words are read by anybody. */
static inline struct sv_annotated_lock annotated(const struct sv_segment *segment,
                                                 enum sv_lock lock, enum sv_lock_mode mode)
{
    return (struct sv_annotated_lock){.address = (uint8_t *)(&segment->locks[lock] + 1) - 1,
                                      .shared = mode == SV_LOCK_SHARED};
}

/* The slot a word names; SV_SLOT_NONE if none, or one that does not exist. */
static uint32_t word_owner(const struct sv_segment *segment, uint32_t word)
{
    const uint32_t owner = (word & SV_LOCK_OWNER_MASK) - 1;
    return owner < segment->config.backends_max ? owner : SV_SLOT_NONE;
}

/* Asked by who waits for it: is the holder alive? The dead are buried by this. */
static bool holder_lives(struct sv_backend *self, enum sv_lock lock, uint32_t holder)
{
    const struct sv_annotated_lock aside = annotated(self->segment, lock, SV_LOCK_EXCLUSIVE);
    sv_annotate_aside_begin(aside);
    const bool lives = sv_slot_test_holder(self->segment, holder) == SV_SLOT_LIVING;
    if (lives) {
        (void)sv_lock_watch_look(self->segment);
    }
    sv_annotate_aside_done(aside);
    return lives;
}

/* Sleep on *word while it is value; if nothing happened for long, is holder dead? */
static void sleep_on(struct sv_backend *self, enum sv_lock lock, struct sv_atomic32 *word,
                     uint32_t value, uint32_t holder)
{
    struct sv_slot *slot = self->slot;
    if (sv_load_relaxed32(&slot->waits_for_lock) != (uint32_t)lock + 1) {
        sv_store_relaxed64(&slot->waits_since_ns, sv_os_now_ns());
        sv_store_release32(&slot->waits_for_lock, (uint32_t)lock + 1);
    }
    const uint64_t noted_ns = sv_hold_note(self->segment, holder, lock);
    while (sv_os_wait(word, value, SLEEP_NS) && sv_load_acquire32(word) == value &&
           holder_lives(self, lock, holder)) {
        sv_check_own(self, lock);
    }
    if (sv_load_acquire32(word) != value) {
        sv_hold_take_back(self->segment, holder, lock, noted_ns);
    }
}

/* It has what it slept for. */
static void sleep_no_more(struct sv_backend *self)
{
    sv_store_release32(&self->slot->waits_for_lock, 0);
}

static bool spin_while(struct sv_atomic32 *word, uint32_t value)
{
    for (int i = 0; i < SPINS; i++) {
        if (sv_load_acquire32(word) != value) {
            return true;
        }
        sv_os_spin();
    }
    return false;
}

/* Wait until the exclusive word, seen as value (not 0), changes. */
static void wait_for_exclusive(struct sv_backend *self, enum sv_lock lock, uint32_t value)
{
    struct sv_atomic32 *word = exclusive_word(self->segment, lock);
    sv_check_exclusive_word(self, lock, value);
    if (spin_while(word, value)) {
        return;
    }
    sv_store_seq32(&self->segment->locks[lock].waiters, 1);
    sleep_on(self, lock, word, value, word_owner(self->segment, value));
}

/* The first slot whose shared word is set, from index on; SV_SLOT_NONE if there is none. */
static uint32_t shared_holder(const struct sv_backend *self, enum sv_lock lock, uint32_t index)
{
    const struct sv_segment *segment = self->segment;
    const uint32_t used = sv_segment_slots_used(segment);
    for (; index < used; index++) {
        const uint32_t held = sv_load_seq32(&segment->slots[index].held[lock]);
        if (held != 0) {
            sv_check_shared_word(self, lock, index, held);
            return index;
        }
    }
    return SV_SLOT_NONE;
}

static void release_exclusive_word(struct sv_segment *segment, uint32_t slot, enum sv_lock lock)
{
    struct sv_lock_word *words = &segment->locks[lock];
    sv_store_release32(&words->exclusive, 0); /* [R1] */
    if (sv_load_relaxed32(&words->waiters) != 0) {
        sv_store_relaxed32(&words->waiters, 0);
        sv_hold_forget(segment, slot, lock);
        sv_os_wake(&words->exclusive, sv_lock_classes[lock].has_shared ? WAKE_ALL : 1);
    }
}

/* With the exclusive word taken: until no shared holder is left. Returns: did it sleep? */
static bool wait_for_shared(struct sv_backend *self, enum sv_lock lock)
{
    bool slept = false;
    uint32_t holder = 0;
    while ((holder = shared_holder(self, lock, holder)) != SV_SLOT_NONE) {
        struct sv_atomic32 *held = &self->segment->slots[holder].held[lock];
        if (!spin_while(held, 1)) {
            sleep_on(self, lock, held, 1, holder);
            slept = true;
        }
    }
    return slept;
}

static void acquire_exclusive(struct sv_backend *self, enum sv_lock lock)
{
    struct sv_segment *segment = self->segment;
    struct sv_atomic32 *word = exclusive_word(segment, lock);
    const bool has_shared = sv_lock_classes[lock].has_shared;
    const uint32_t granted = has_shared ? 0 : SV_LOCK_GRANTED;
    bool waited = false;
    uint32_t seen = 0;
    while (!sv_compare_swap_seq32(word, &seen, (self->slot_index + 1) | granted)) {
        wait_for_exclusive(self, lock, seen);
        waited = true;
        seen = 0;
    }
    if (waited) {
        sv_store_relaxed32(&segment->locks[lock].waiters, 1); /* we may have been one of several */
    }
    if (has_shared) {
        waited |= wait_for_shared(self, lock);
        (void)sv_fetch_or_seq32(word, SV_LOCK_GRANTED);
    }
    if (waited) {
        sleep_no_more(self);
    }
}

static void release_shared_word(struct sv_segment *segment, uint32_t slot, enum sv_lock lock)
{
    struct sv_atomic32 *held = &segment->slots[slot].held[lock];
    sv_store_release32(held, 0); /* [R2] */
    if (sv_load_relaxed32(exclusive_word(segment, lock)) != 0) {
        sv_hold_forget(segment, slot, lock);
        sv_os_wake(held, WAKE_ALL);
    }
}

/* Returns: 0 if acquired, else the exclusive word that stood in the way. */
static uint32_t try_shared(struct sv_backend *self, enum sv_lock lock)
{
    sv_store_seq32(&self->slot->held[lock], 1);
    const uint32_t seen = sv_load_seq32(exclusive_word(self->segment, lock));
    if (seen != 0) {
        release_shared_word(self->segment, self->slot_index, lock);
    }
    return seen;
}

static void acquire_shared(struct sv_backend *self, enum sv_lock lock)
{
    bool waited = false;
    for (uint32_t seen; (seen = try_shared(self, lock)) != 0;) {
        wait_for_exclusive(self, lock, seen);
        waited = true;
    }
    if (waited) {
        sleep_no_more(self);
    }
}

/* Lock order, and no second acquire of what is held. */
static void assert_order(const struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    sv_assert((unsigned)lock < SV_LOCK_COUNT && (unsigned)mode < SV_LOCK_MODE_COUNT,
              "lock %d mode %d", (int)lock, (int)mode);
    sv_assert(mode == SV_LOCK_EXCLUSIVE || sv_lock_classes[lock].has_shared,
              "lock %s is exclusive only", sv_lwlock_name(lock));
    const uint32_t at_or_after =
        (self->held[SV_LOCK_SHARED] | self->held[SV_LOCK_EXCLUSIVE]) >> lock;
    sv_assert(at_or_after == 0, "slot %u takes lock %s while it holds %s", self->slot_index,
              sv_lwlock_name(lock),
              sv_lwlock_name(lock + (enum sv_lock)__builtin_ctz(at_or_after)));
}

/* Book-keeping after an acquire. The clock is read only where a limit is watched. */
static void note_held(struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    self->held[mode] |= 1U << lock;
    if (self->segment->config.lock_hold_max_ms != 0) {
        sv_store_release64(&self->slot->since_ns[lock], sv_os_now_ns());
    }
}

void sv_lwlock_acquire(struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    assert_order(self, lock, mode);
    lock_point(lock, mode, ACQUIRE_BEFORE);
    sv_annotate_lock_begin(annotated(self->segment, lock, mode));
    if (mode == SV_LOCK_EXCLUSIVE) {
        acquire_exclusive(self, lock);
    } else {
        acquire_shared(self, lock);
    }
    sv_annotate_lock_done(annotated(self->segment, lock, mode));
    note_held(self, lock, mode);
    lock_point(lock, mode, ACQUIRE_AFTER);
}

static bool try_exclusive(struct sv_backend *self, enum sv_lock lock)
{
    const bool has_shared = sv_lock_classes[lock].has_shared;
    uint32_t seen = 0;
    if (!sv_compare_swap_seq32(exclusive_word(self->segment, lock), &seen,
                               (self->slot_index + 1) | (has_shared ? 0 : SV_LOCK_GRANTED))) {
        sv_check_exclusive_word(self, lock, seen);
        return false;
    }
    if (!has_shared) {
        return true;
    }
    if (shared_holder(self, lock, 0) != SV_SLOT_NONE) {
        release_exclusive_word(self->segment, self->slot_index, lock);
        return false;
    }
    (void)sv_fetch_or_seq32(exclusive_word(self->segment, lock), SV_LOCK_GRANTED);
    return true;
}

static bool try_shared_once(struct sv_backend *self, enum sv_lock lock)
{
    const uint32_t seen = try_shared(self, lock);
    if (seen != 0) {
        sv_check_exclusive_word(self, lock, seen);
    }
    return seen == 0;
}

int sv_lwlock_try_acquire(struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    assert_order(self, lock, mode);
    lock_point(lock, mode, ACQUIRE_BEFORE);
    sv_annotate_try_begin(annotated(self->segment, lock, mode));
    const bool acquired =
        mode == SV_LOCK_EXCLUSIVE ? try_exclusive(self, lock) : try_shared_once(self, lock);
    sv_annotate_try_done(annotated(self->segment, lock, mode), acquired);
    if (!acquired) {
        return SV_BUSY;
    }
    note_held(self, lock, mode);
    lock_point(lock, mode, ACQUIRE_AFTER);
    return 0;
}

static inline bool holds(const struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    return (unsigned)lock < SV_LOCK_COUNT && (self->held[mode] >> lock & 1) != 0;
}

/* Whoever overwrote the word may have let somebody else in (check.c). */
static inline void check_still_held(const struct sv_backend *self, enum sv_lock lock,
                                    const struct sv_atomic32 *word, uint32_t right)
{
    const uint32_t found = sv_load_relaxed32(word);
    if (sv_unlikely(found != right)) {
        sv_check_own(self, SV_LOCK_COUNT);
        sv_segment_corrupt(self->segment, "lock %s: its word is 0x%x while slot %u holds it",
                           sv_lwlock_name(lock), (unsigned)found, self->slot_index);
    }
}

void sv_lwlock_release(struct sv_backend *self, enum sv_lock lock)
{
    const enum sv_lock_mode mode =
        holds(self, lock, SV_LOCK_EXCLUSIVE) ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED;
    sv_assert(holds(self, lock, mode), "slot %u does not hold lock %s", self->slot_index,
              sv_lwlock_name(lock));
    lock_point(lock, mode, RELEASE_BEFORE);
    if (mode == SV_LOCK_EXCLUSIVE) {
        check_still_held(self, lock, exclusive_word(self->segment, lock),
                         (self->slot_index + 1) | SV_LOCK_GRANTED);
    } else {
        check_still_held(self, lock, &self->slot->held[lock], 1);
    }
    self->held[mode] &= ~(1U << lock);
    sv_annotate_leave(annotated(self->segment, lock, mode));
    if (mode == SV_LOCK_EXCLUSIVE) {
        release_exclusive_word(self->segment, self->slot_index, lock);
    } else {
        release_shared_word(self->segment, self->slot_index, lock);
    }
    sv_annotate_left(annotated(self->segment, lock, mode));
    lock_point(lock, mode, RELEASE_AFTER);
}

bool sv_lwlock_held(const struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode)
{
    return holds(self, lock, mode);
}

bool sv_lwlock_any_held(const struct sv_backend *self)
{
    return (self->held[SV_LOCK_SHARED] | self->held[SV_LOCK_EXCLUSIVE]) != 0;
}

uint32_t sv_lwlock_owner(const struct sv_segment *segment, enum sv_lock lock,
                         uint32_t *shared_count)
{
    sv_assert((unsigned)lock < SV_LOCK_COUNT, "there is no lock %u", (unsigned)lock);
    const uint32_t used = sv_segment_slots_used(segment);
    uint32_t count = 0;
    for (uint32_t i = 0; i < used; i++) {
        count += sv_load_acquire32(&segment->slots[i].held[lock]) != 0;
    }
    if (shared_count != NULL) {
        *shared_count = count;
    }
    return word_owner(segment, sv_load_acquire32(exclusive_word(segment, lock)));
}

const char *sv_lwlock_name(enum sv_lock lock)
{
    return (unsigned)lock < SV_LOCK_COUNT ? sv_lock_classes[lock].name : "(no lock)";
}

void sv_lwlock_set_repair(struct sv_segment *segment, enum sv_lock lock,
                          void (*repair)(void *argument), void *argument)
{
    sv_assert(lock == SV_LOCK_APP_0 || lock == SV_LOCK_APP_1, "lock %s is the library's own",
              sv_lwlock_name(lock));
    segment->repairs[lock - SV_LOCK_APP_0] = (struct sv_repair){repair, argument};
}

static void repair_lock(struct sv_segment *segment, enum sv_lock lock)
{
    SV_POINT(recover_lock_repair);
    if (sv_lock_classes[lock].repair != NULL) {
        sv_lock_classes[lock].repair(segment);
    } else if (lock <= SV_LOCK_APP_1 && segment->repairs[lock].function != NULL) {
        segment->repairs[lock].function(segment->repairs[lock].argument);
    }
    SV_POINT(recover_lock_release);
}

/* One that was not granted yet was not held: shared holders may still be inside. */
static void release_dead_exclusive(struct sv_segment *segment, enum sv_lock lock, uint32_t dead)
{
    const struct sv_annotated_lock taken = annotated(segment, lock, SV_LOCK_EXCLUSIVE);
    const uint32_t word = sv_load_acquire32(exclusive_word(segment, lock));
    if (word_owner(segment, word) != dead) {
        return;
    }
    if ((word & SV_LOCK_GRANTED) != 0) {
        sv_annotate_take_over(taken);
        repair_lock(segment, lock);
        sv_annotate_leave(taken);
    }
    sv_stat_add(sv_segment_slot(segment, dead), SV_STAT_locks_taken_over, 1);
    sv_hold_forget(segment, dead, lock);
    release_exclusive_word(segment, dead, lock);
    if ((word & SV_LOCK_GRANTED) != 0) {
        sv_annotate_left(taken);
    }
}

static void release_dead_shared(struct sv_segment *segment, enum sv_lock lock, uint32_t dead)
{
    if (sv_load_acquire32(&sv_segment_slot(segment, dead)->held[lock]) != 0) {
        sv_stat_add(sv_segment_slot(segment, dead), SV_STAT_locks_taken_over, 1);
        sv_annotate_dead_left(annotated(segment, lock, SV_LOCK_SHARED));
        sv_hold_forget(segment, dead, lock);
        release_shared_word(segment, dead, lock);
    }
}

/* Against the lock order: what is guarded by the inner lock is right before the outer opens. */
void sv_lwlock_release_dead(struct sv_segment *segment, uint32_t dead)
{
    for (int i = SV_LOCK_COUNT - 1; i >= 0; i--) {
        release_dead_exclusive(segment, (enum sv_lock)i, dead);
        release_dead_shared(segment, (enum sv_lock)i, dead);
    }
}
