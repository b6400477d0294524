/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Atomics with the order in the operation's name.
 *
 * The wrapper structs make a bare access a type error. No standalone fences: ThreadSanitizer
 * reports false races on correct fence code.
 *
 * Told to helgrind and DRD (SV_ANNOTATE_VALGRIND; else the macros below are what C11 has). They see
 * machine instructions, and on x86-64 a release store is a plain one. So here, the one place where
 * an order between participants is established, each operation tells them its own as its name says:
 *
 *     release, before the operation    all this thread did comes before whoever acquires that word
 *     acquire, after the operation     all that was done before any release of it comes before this
 *     seq_cst                          both, as far as the operation reads and writes
 *     relaxed                          neither: an order weakened to relaxed is a race to them
 *
 * And every store is an exchange. Both tools take an instruction that reads and writes in one step
 * for a read, and reads do not race; so the words need not be excluded from checking, and a plain
 * write to one of them, which exclusion would hide, is still reported.
 *
 * Assumed: who acquires reads the newest value. It is so under valgrind, which runs one thread at a
 * time, and errs towards silence where threads change between an operation and what is said of it
 * (said before a release, after an acquire): never a false report.
 *
 * Missed thereby:
 *   - An acquire that reads an older value than the release it is taken to pair with; a relaxed
 *     store over a released value, which takes the order away in C11: here the word keeps it.
 *   - Release and acquire where seq_cst is needed (the hand-shakes of lwlock.c, latch.c,
 *     procsignal.c): these tools know orders, not values. lwlock.c's was checked as a model.
 *   - A plain read of an atomic word while another thread stores to it atomically.
 *   - What only a weaker machine, or another compiler, would reorder within the orders given.
 *
 * A file that defines SV_ATOMIC_UNTOLD before it includes anything keeps its orders to itself. So do
 * those in which the fault suite keeps its books: a judge whose notes order backends hides the races
 * between them. (Whatever is published through such notes must then be atomic itself, or is reported.)
 */
#ifndef SINVAL_BASE_ATOMIC_H
#define SINVAL_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/annotate.h"

#if defined(SV_ANNOTATE_VALGRIND)
#    define SV_ATOMIC_STORE(word, value, order)        \
        (SV_ANNOTATE_DEFINED(&(value), sizeof(value)), \
         (void)atomic_exchange_explicit(word, value, order))
#else
#    define SV_ATOMIC_STORE(word, value, order) atomic_store_explicit(word, value, order)
#endif

#if defined(SV_ANNOTATE_VALGRIND) && !defined(SV_ATOMIC_UNTOLD)
#    define SV_ATOMIC_TOLD        true
#    define SV_ATOMIC_RELEASES(a) SV_ANNOTATE_RELEASE(a)
#    define SV_ATOMIC_ACQUIRES(a) SV_ANNOTATE_ACQUIRE(a)
#else
#    define SV_ATOMIC_TOLD        false
#    define SV_ATOMIC_RELEASES(a) ((void)0)
#    define SV_ATOMIC_ACQUIRES(a) ((void)0)
#endif

struct sv_atomic32 {
    _Atomic uint32_t value;
};

struct sv_atomic64 {
    _Atomic uint64_t value;
};

#define SV_ATOMIC_OPERATIONS(bits, type)                                                       \
    static inline type sv_load_relaxed##bits(const struct sv_atomic##bits *a)                  \
    {                                                                                          \
        return atomic_load_explicit(&a->value, memory_order_relaxed);                          \
    }                                                                                          \
    static inline type sv_load_acquire##bits(const struct sv_atomic##bits *a)                  \
    {                                                                                          \
        const type value = atomic_load_explicit(&a->value, memory_order_acquire);              \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return value;                                                                          \
    }                                                                                          \
    static inline type sv_load_seq##bits(const struct sv_atomic##bits *a)                      \
    {                                                                                          \
        const type value = atomic_load_explicit(&a->value, memory_order_seq_cst);              \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return value;                                                                          \
    }                                                                                          \
    static inline void sv_store_relaxed##bits(struct sv_atomic##bits *a, type value)           \
    {                                                                                          \
        SV_ATOMIC_STORE(&a->value, value, memory_order_relaxed);                               \
    }                                                                                          \
    static inline void sv_store_release##bits(struct sv_atomic##bits *a, type value)           \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        SV_ATOMIC_STORE(&a->value, value, memory_order_release);                               \
    }                                                                                          \
    static inline void sv_store_seq##bits(struct sv_atomic##bits *a, type value)               \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        SV_ATOMIC_STORE(&a->value, value, memory_order_seq_cst);                               \
    }                                                                                          \
    static inline type sv_exchange_release##bits(struct sv_atomic##bits *a, type value)        \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        return atomic_exchange_explicit(&a->value, value, memory_order_release);               \
    }                                                                                          \
    static inline type sv_exchange_seq##bits(struct sv_atomic##bits *a, type value)            \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        const type before = atomic_exchange_explicit(&a->value, value, memory_order_seq_cst);  \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return before;                                                                         \
    }                                                                                          \
    static inline type sv_fetch_add_seq##bits(struct sv_atomic##bits *a, type value)           \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        const type before = atomic_fetch_add_explicit(&a->value, value, memory_order_seq_cst); \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return before;                                                                         \
    }                                                                                          \
    static inline type sv_fetch_or_seq##bits(struct sv_atomic##bits *a, type value)            \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        const type before = atomic_fetch_or_explicit(&a->value, value, memory_order_seq_cst);  \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return before;                                                                         \
    }                                                                                          \
    static inline type sv_fetch_and_seq##bits(struct sv_atomic##bits *a, type value)           \
    {                                                                                          \
        SV_ATOMIC_RELEASES(a);                                                                 \
        const type before = atomic_fetch_and_explicit(&a->value, value, memory_order_seq_cst); \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return before;                                                                         \
    }                                                                                          \
    /* On failure *expected receives what was there. */                                        \
    static inline bool sv_compare_swap_seq##bits(struct sv_atomic##bits *a, type *expected,    \
                                                 type desired)                                 \
    {                                                                                          \
        if (SV_ATOMIC_TOLD) { /* what fails releases nothing */                                \
            const type seen = sv_load_seq##bits(a);                                            \
            if (seen != *expected) {                                                           \
                *expected = seen;                                                              \
                return false;                                                                  \
            }                                                                                  \
        }                                                                                      \
        SV_ATOMIC_RELEASES(a);                                                                 \
        const bool swapped = atomic_compare_exchange_strong_explicit(                          \
            &a->value, expected, desired, memory_order_seq_cst, memory_order_seq_cst);         \
        SV_ATOMIC_ACQUIRES(a);                                                                 \
        return swapped;                                                                        \
    }

SV_ATOMIC_OPERATIONS(32, uint32_t)
SV_ATOMIC_OPERATIONS(64, uint64_t)

#undef SV_ATOMIC_OPERATIONS

/* A pointer that a signal handler of the same thread follows. */
struct sv_atomic_pointer {
    void *_Atomic value;
};

static inline void *sv_load_acquire_pointer(const struct sv_atomic_pointer *a)
{
    void *value = atomic_load_explicit(&a->value, memory_order_acquire);
    SV_ATOMIC_ACQUIRES(a);
    return value;
}

static inline void sv_store_release_pointer(struct sv_atomic_pointer *a, void *value)
{
    SV_ATOMIC_RELEASES(a);
    SV_ATOMIC_STORE(&a->value, value, memory_order_release);
}

/* A counter that one writer owns and anybody may look at: no read-modify-write. */
static inline void sv_count64(struct sv_atomic64 *counter, uint64_t by)
{
    sv_store_relaxed64(counter, sv_load_relaxed64(counter) + by);
}

#endif
