/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Atomics with the order in the operation's name.
 *
 * The wrapper structs make a bare access a type error. No standalone fences: ThreadSanitizer
 * reports false races on correct fence code.
 */
#ifndef SINVAL_BASE_ATOMIC_H
#define SINVAL_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sv_atomic32 {
    _Atomic uint32_t value;
};

struct sv_atomic64 {
    _Atomic uint64_t value;
};

#define SV_ATOMIC_OPERATIONS(bits, type)                                                    \
    static inline type sv_load_relaxed##bits(const struct sv_atomic##bits *a)               \
    {                                                                                       \
        return atomic_load_explicit(&a->value, memory_order_relaxed);                       \
    }                                                                                       \
    static inline type sv_load_acquire##bits(const struct sv_atomic##bits *a)               \
    {                                                                                       \
        return atomic_load_explicit(&a->value, memory_order_acquire);                       \
    }                                                                                       \
    static inline type sv_load_seq##bits(const struct sv_atomic##bits *a)                   \
    {                                                                                       \
        return atomic_load_explicit(&a->value, memory_order_seq_cst);                       \
    }                                                                                       \
    static inline void sv_store_relaxed##bits(struct sv_atomic##bits *a, type value)        \
    {                                                                                       \
        atomic_store_explicit(&a->value, value, memory_order_relaxed);                      \
    }                                                                                       \
    static inline void sv_store_release##bits(struct sv_atomic##bits *a, type value)        \
    {                                                                                       \
        atomic_store_explicit(&a->value, value, memory_order_release);                      \
    }                                                                                       \
    static inline void sv_store_seq##bits(struct sv_atomic##bits *a, type value)            \
    {                                                                                       \
        atomic_store_explicit(&a->value, value, memory_order_seq_cst);                      \
    }                                                                                       \
    static inline type sv_exchange_release##bits(struct sv_atomic##bits *a, type value)     \
    {                                                                                       \
        return atomic_exchange_explicit(&a->value, value, memory_order_release);            \
    }                                                                                       \
    static inline type sv_exchange_seq##bits(struct sv_atomic##bits *a, type value)         \
    {                                                                                       \
        return atomic_exchange_explicit(&a->value, value, memory_order_seq_cst);            \
    }                                                                                       \
    static inline type sv_fetch_add_seq##bits(struct sv_atomic##bits *a, type value)        \
    {                                                                                       \
        return atomic_fetch_add_explicit(&a->value, value, memory_order_seq_cst);           \
    }                                                                                       \
    static inline type sv_fetch_or_seq##bits(struct sv_atomic##bits *a, type value)         \
    {                                                                                       \
        return atomic_fetch_or_explicit(&a->value, value, memory_order_seq_cst);            \
    }                                                                                       \
    static inline type sv_fetch_and_seq##bits(struct sv_atomic##bits *a, type value)        \
    {                                                                                       \
        return atomic_fetch_and_explicit(&a->value, value, memory_order_seq_cst);           \
    }                                                                                       \
    /* On failure *expected receives what was there. */                                     \
    static inline bool sv_compare_swap_seq##bits(struct sv_atomic##bits *a, type *expected, \
                                                 type desired)                              \
    {                                                                                       \
        return atomic_compare_exchange_strong_explicit(                                     \
            &a->value, expected, desired, memory_order_seq_cst, memory_order_seq_cst);      \
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
    return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void sv_store_release_pointer(struct sv_atomic_pointer *a, void *value)
{
    atomic_store_explicit(&a->value, value, memory_order_release);
}

/* A counter that one writer owns and anybody may look at: no read-modify-write. */
static inline void sv_count64(struct sv_atomic64 *counter, uint64_t by)
{
    sv_store_relaxed64(counter, sv_load_relaxed64(counter) + by);
}

#endif
