/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a race detector is told about an order that it cannot see by itself.
 *
 * SV_ANNOTATE_TSAN: ThreadSanitizer understands C11 atomics; it is told that a thread that ended
 * holding a life lock comes before whoever finds it. With SV_ANNOTATE_LOCKS also which of our locks
 * are locks. SV_ANNOTATE_VALGRIND: helgrind and DRD know nothing of C11 atomics;
 * src/base/atomic.h tells them of each order as its name says. Memcheck follows bytes that were
 * never set through one process only: whatever enters the segment is shown to it there.
 * SV_ANNOTATE_EXPLORER: the explorer is told who holds which of our locks.
 *
 * None is defined in what is installed; then everything here is nothing.
 */
#ifndef SINVAL_BASE_ANNOTATE_H
#define SINVAL_BASE_ANNOTATE_H

#include <stdbool.h>

#if defined(SV_ANNOTATE_TSAN)
#    include <sanitizer/tsan_interface.h>
#    include <stdint.h>
#    define SV_ANNOTATE_RELEASE(address) __tsan_release((void *)(uintptr_t)(address))
#    define SV_ANNOTATE_ACQUIRE(address) __tsan_acquire((void *)(uintptr_t)(address))
#elif defined(SV_ANNOTATE_VALGRIND)
/* clang-format off */
#    include <valgrind/helgrind.h> /* before drd.h: the other way round DRD is told nothing */
#    include <valgrind/drd.h>
/* clang-format on */
#    include <stdint.h>
#    define SV_ANNOTATE_RELEASE(address) ANNOTATE_HAPPENS_BEFORE((void *)(uintptr_t)(address))
#    define SV_ANNOTATE_ACQUIRE(address) ANNOTATE_HAPPENS_AFTER((void *)(uintptr_t)(address))
#endif

#if defined(SV_ANNOTATE_VALGRIND)
#    include <valgrind/memcheck.h>
#    define SV_ANNOTATE_DEFINED(address, bytes) \
        ((void)VALGRIND_CHECK_MEM_IS_DEFINED(address, bytes))
#    define SV_ANNOTATE_FUTEX_BEGIN() ANNOTATE_IGNORE_WRITES_BEGIN()
#    define SV_ANNOTATE_FUTEX_END()   ANNOTATE_IGNORE_WRITES_END()
#else
/* Every one of these bytes has been set: memcheck reports which has not. */
#    define SV_ANNOTATE_DEFINED(address, bytes) ((void)0)
/* Around a futex call, which valgrind takes for a write of the word (it only reads it). */
#    define SV_ANNOTATE_FUTEX_BEGIN()           ((void)0)
#    define SV_ANNOTATE_FUTEX_END()             ((void)0)
#endif

#if !defined(SV_ANNOTATE_TSAN) && !defined(SV_ANNOTATE_VALGRIND)
/* What comes before a release of address comes before what follows an acquire of it. */
#    define SV_ANNOTATE_RELEASE(address) ((void)0)
#    define SV_ANNOTATE_ACQUIRE(address) ((void)0)
#endif

/*
 * Our locks as ThreadSanitizer's (SV_ANNOTATE_TSAN and SV_ANNOTATE_LOCKS; else nothing). A lock is
 * an address that serves for nothing else. Between begin and done, and between leave and left, it
 * looks away: what is done to the lock's words establishes no order and is no race; the order is
 * the one that such a lock promises, of shared holders among each other none. So it finds a write
 * under a shared lock, which the atomics would order by accident, and does not find a wrong memory
 * order in the lock: the build without SV_ANNOTATE_LOCKS does. Neither build replaces the other.
 */
struct sv_annotated_lock {
    void *address;
    bool shared;
};

#if defined(SV_ANNOTATE_TSAN) && defined(SV_ANNOTATE_LOCKS)
static inline unsigned sv_annotate_mode(struct sv_annotated_lock lock)
{
    return lock.shared ? __tsan_mutex_read_lock : 0;
}

/* It wants the lock, and waits for it. */
static inline void sv_annotate_lock_begin(struct sv_annotated_lock lock)
{
    __tsan_mutex_pre_lock(lock.address, sv_annotate_mode(lock));
}

static inline void sv_annotate_lock_done(struct sv_annotated_lock lock)
{
    __tsan_mutex_post_lock(lock.address, sv_annotate_mode(lock), 0);
}

/* It wants the lock, and does not wait. */
static inline void sv_annotate_try_begin(struct sv_annotated_lock lock)
{
    __tsan_mutex_pre_lock(lock.address, sv_annotate_mode(lock) | __tsan_mutex_try_lock);
}

static inline void sv_annotate_try_done(struct sv_annotated_lock lock, bool acquired)
{
    __tsan_mutex_post_lock(lock.address,
                           sv_annotate_mode(lock) | __tsan_mutex_try_lock |
                               (acquired ? 0 : __tsan_mutex_try_lock_failed),
                           0);
}

/* While it waits it does something else. */
static inline void sv_annotate_aside_begin(struct sv_annotated_lock lock)
{
    __tsan_mutex_pre_divert(lock.address, 0);
}

static inline void sv_annotate_aside_done(struct sv_annotated_lock lock)
{
    __tsan_mutex_post_divert(lock.address, 0);
}

static inline void sv_annotate_leave(struct sv_annotated_lock lock)
{
    (void)__tsan_mutex_pre_unlock(lock.address, sv_annotate_mode(lock));
}

static inline void sv_annotate_left(struct sv_annotated_lock lock)
{
    __tsan_mutex_post_unlock(lock.address, sv_annotate_mode(lock));
}

/*
 * Its exclusive holder died; the caller, who has the dead one's life lock, has this lock now.
 * ThreadSanitizer knows no owner that ends, so the lock is forgotten and locked anew: it must run
 * with report_destroy_locked=0. What the forgotten one knew, all that former holders did, the dead
 * one had acquired with it, and the caller with the life lock. While the lock names the dead,
 * nobody else gets from begin to done. It is forgotten while the detector looks away, since to
 * forget counts as a write, which the next holder's look would race with.
 */
static inline void sv_annotate_take_over(struct sv_annotated_lock lock)
{
    sv_annotate_try_begin(lock);
    __tsan_mutex_destroy(lock.address, 0);
    sv_annotate_try_done(lock, true);
}

/*
 * A shared holder died, and perhaps one that had not got it: so it is not locked and unlocked
 * again, but what the dead did, and with it the caller, comes before the next exclusive holder.
 */
static inline void sv_annotate_dead_left(struct sv_annotated_lock lock)
{
    SV_ANNOTATE_RELEASE(lock.address);
}
#elif defined(SV_ANNOTATE_EXPLORER)
/* faults/explore/guards.c */
void explore_guard_take(const void *address, bool shared);
void explore_guard_leave(const void *address, bool shared);

static inline void sv_annotate_lock_done(struct sv_annotated_lock lock)
{
    explore_guard_take(lock.address, lock.shared);
}

static inline void sv_annotate_try_done(struct sv_annotated_lock lock, bool acquired)
{
    if (acquired) {
        explore_guard_take(lock.address, lock.shared);
    }
}

static inline void sv_annotate_take_over(struct sv_annotated_lock lock)
{
    explore_guard_take(lock.address, lock.shared);
}

static inline void sv_annotate_leave(struct sv_annotated_lock lock)
{
    explore_guard_leave(lock.address, lock.shared);
}
#endif

#if !defined(SV_ANNOTATE_TSAN) || !defined(SV_ANNOTATE_LOCKS)
#    define SV_ANNOTATE_NOTHING(function)                                        \
        static inline void sv_annotate_##function(struct sv_annotated_lock lock) \
        {                                                                        \
            (void)lock;                                                          \
        }
SV_ANNOTATE_NOTHING(lock_begin)
SV_ANNOTATE_NOTHING(try_begin)
SV_ANNOTATE_NOTHING(aside_begin)
SV_ANNOTATE_NOTHING(aside_done)
SV_ANNOTATE_NOTHING(left)
SV_ANNOTATE_NOTHING(dead_left)
#    if !defined(SV_ANNOTATE_EXPLORER)
SV_ANNOTATE_NOTHING(lock_done)
SV_ANNOTATE_NOTHING(leave)
SV_ANNOTATE_NOTHING(take_over)

static inline void sv_annotate_try_done(struct sv_annotated_lock lock, bool acquired)
{
    (void)lock;
    (void)acquired;
}
#    endif
#    undef SV_ANNOTATE_NOTHING
#endif

#endif
