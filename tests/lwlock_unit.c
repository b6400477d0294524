/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * LWLocks between backends of one thread: who may hold what together.
 */
#include "sync/lwlock.h"

#include "support.h"

TestSuite(lwlock_unit, .timeout = 30);

static struct sv_segment *small(void)
{
    return world((struct sv_config){.backends_max = 4, .capacity = 4});
}

/*
 * Claim:   exclusive excludes everybody, shared excludes exclusive only.
 * Method:  all four pairs of modes, by conditional acquire.
 */
Test(lwlock_unit, modes_conflict_as_they_should)
{
    struct sv_segment *segment = small();
    struct sv_backend *a = join(segment);
    struct sv_backend *b = join(segment);
    for (int held = 0; held < SV_LOCK_MODE_COUNT; held++) {
        for (int wanted = 0; wanted < SV_LOCK_MODE_COUNT; wanted++) {
            const bool both_shared = held == SV_LOCK_SHARED && wanted == SV_LOCK_SHARED;
            sv_lwlock_acquire(a, SV_LOCK_READ, (enum sv_lock_mode)held);
            const int result = sv_lwlock_try_acquire(b, SV_LOCK_READ, (enum sv_lock_mode)wanted);
            cr_assert_eq(result, both_shared ? 0 : SV_BUSY, "held %d wanted %d", held, wanted);
            if (result == 0) {
                sv_lwlock_release(b, SV_LOCK_READ);
            }
            sv_lwlock_release(a, SV_LOCK_READ);
            cr_assert_eq(sv_lwlock_try_acquire(b, SV_LOCK_READ, (enum sv_lock_mode)wanted), 0,
                         "free after release; held %d wanted %d", held, wanted);
            sv_lwlock_release(b, SV_LOCK_READ);
        }
    }
}

/*
 * Claim:   a lock names who holds it, and each backend knows what it holds.
 * Method:  two shared holders, then an exclusive one.
 */
Test(lwlock_unit, a_lock_names_its_holders)
{
    struct sv_segment *segment = small();
    struct sv_backend *a = join(segment);
    struct sv_backend *b = join(segment);
    uint32_t shared = 99;
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_READ, &shared), SV_SLOT_NONE);
    cr_assert_eq(shared, 0);
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_lwlock_acquire(b, SV_LOCK_READ, SV_LOCK_SHARED);
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_READ, &shared), SV_SLOT_NONE);
    cr_assert_eq(shared, 2);
    cr_assert(sv_lwlock_held(a, SV_LOCK_READ, SV_LOCK_SHARED));
    cr_assert_not(sv_lwlock_held(a, SV_LOCK_READ, SV_LOCK_EXCLUSIVE));
    sv_lwlock_release(a, SV_LOCK_READ);
    sv_lwlock_release(b, SV_LOCK_READ);
    sv_lwlock_acquire(b, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_READ, &shared), sv_backend_slot(b));
    cr_assert_eq(shared, 0);
    cr_assert_not(sv_lwlock_any_held(a));
    cr_assert(sv_lwlock_any_held(b));
    sv_lwlock_release(b, SV_LOCK_READ);
}

/*
 * Claim:   a conditional acquire that fails leaves nothing behind: neither the exclusive word nor
 *          a shared one.
 * Method:  try exclusive against a shared holder and the other way round; then everybody may.
 */
Test(lwlock_unit, a_failed_try_leaves_nothing_behind)
{
    struct sv_segment *segment = small();
    struct sv_backend *a = join(segment);
    struct sv_backend *b = join(segment);
    uint32_t shared = 0;
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
    cr_assert_eq(sv_lwlock_try_acquire(b, SV_LOCK_READ, SV_LOCK_EXCLUSIVE), SV_BUSY);
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_READ, &shared), SV_SLOT_NONE);
    sv_lwlock_release(a, SV_LOCK_READ);
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    cr_assert_eq(sv_lwlock_try_acquire(b, SV_LOCK_READ, SV_LOCK_SHARED), SV_BUSY);
    (void)sv_lwlock_owner(segment, SV_LOCK_READ, &shared);
    cr_assert_eq(shared, 0);
    sv_lwlock_release(a, SV_LOCK_READ);
}

/*
 * Claim:   breaking a rule of locks aborts and says which.
 * Method:  one test a rule: against the lock order, twice the same, release of what is not held,
 *          shared where there is no shared, detach while holding.
 */
Test(lwlock_unit, an_acquire_against_the_order_aborts, .signal = SIGABRT)
{
    struct sv_backend *a = join(small());
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_lwlock_acquire(a, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
}

Test(lwlock_unit, a_second_acquire_aborts, .signal = SIGABRT)
{
    struct sv_backend *a = join(small());
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
}

Test(lwlock_unit, a_release_of_what_is_not_held_aborts, .signal = SIGABRT)
{
    sv_lwlock_release(join(small()), SV_LOCK_READ);
}

Test(lwlock_unit, write_lock_cannot_be_shared, .signal = SIGABRT)
{
    sv_lwlock_acquire(join(small()), SV_LOCK_WRITE, SV_LOCK_SHARED);
}

Test(lwlock_unit, a_detach_with_a_lock_held_aborts, .signal = SIGABRT)
{
    struct sv_backend *a = join(small());
    sv_lwlock_acquire(a, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_backend_detach(a);
}

/*
 * Claim:   where holders are watched, each acquire says since when, in either mode and however it
 *          was had; where they are not, none does.
 * Method:  a time long past in the word before each.
 */
Test(lwlock_unit, an_acquire_says_since_when_if_holders_are_watched)
{
    for (uint32_t limit_ms = 0; limit_ms <= 1000; limit_ms += 1000) {
        struct sv_segment *segment =
            world((struct sv_config){.backends_max = 4, .lock_hold_max_ms = limit_ms});
        struct sv_backend *a = join(segment);
        struct sv_atomic64 *since_ns = &a->slot->since_ns[SV_LOCK_READ];
        for (int way = 0; way < 2 * SV_LOCK_MODE_COUNT; way++) {
            const enum sv_lock_mode mode = (enum sv_lock_mode)(way / 2);
            const uint64_t before_ns = sv_os_now_ns();
            sv_store_relaxed64(since_ns, 1);
            if (way % 2 == 0) {
                sv_lwlock_acquire(a, SV_LOCK_READ, mode);
            } else {
                cr_assert_eq(sv_lwlock_try_acquire(a, SV_LOCK_READ, mode), 0);
            }
            const uint64_t since = sv_load_relaxed64(since_ns);
            cr_assert(limit_ms == 0 ? since == 1 : since >= before_ns, "way %d: %" PRIu64, way,
                      since);
            sv_lwlock_release(a, SV_LOCK_READ);
        }
        sv_backend_detach(a);
        sv_segment_detach(segment);
    }
}
