/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plain accesses, atomic loads and stores: nearly all calls of traced code, most of them to private
 * memory or without a question. So they keep no frame (the one file that is compiled so), and leave
 * what is slow to a function of its own that returns to their caller: stacks look as if it had been
 * called there.
 */
#include "faults/explore/runtime.h"

#define CALLER __builtin_return_address(0)

/* The compiler declares none of these, and nothing else calls them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#if defined(__clang__)
#    pragma GCC diagnostic ignored "-Wmissing-declarations"
#else
#    pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#endif

/* Most plain accesses are to private memory. */
static inline __attribute__((always_inline)) void touch(uint8_t kind, const volatile void *address,
                                                        size_t bytes, const void *pc)
{
    if (!explore_is_own(address) && (explore_is_traced(address) || explore_is_foreign(address))) {
        explore_touch(kind, MACHINE_PLAIN, address, bytes, pc);
    }
}

#define PLAIN(bytes)                                       \
    void __tsan_read##bytes(const void *address)           \
    {                                                      \
        touch(EXPLORE_READ, address, bytes, CALLER);       \
    }                                                      \
    void __tsan_write##bytes(const void *address)          \
    {                                                      \
        touch(EXPLORE_WRITE, address, bytes, CALLER);      \
    }                                                      \
    void __tsan_volatile_read##bytes(const void *address)  \
    {                                                      \
        touch(EXPLORE_READ, address, bytes, CALLER);       \
    }                                                      \
    void __tsan_volatile_write##bytes(const void *address) \
    {                                                      \
        touch(EXPLORE_WRITE, address, bytes, CALLER);      \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define ATOMIC(bits, type)                                                               \
    type __tsan_atomic##bits##_load(const volatile type *address, int order)             \
    {                                                                                    \
        if (__builtin_expect(!explore_quick(EXPLORE_READ, address, sizeof(type)), 0)) {  \
            return explore_load##bits(address, order, CALLER);                           \
        }                                                                                \
        return *address;                                                                 \
    }                                                                                    \
    void __tsan_atomic##bits##_store(volatile type *address, type value, int order)      \
    {                                                                                    \
        if (__builtin_expect(!explore_quick(EXPLORE_WRITE, address, sizeof(type)), 0)) { \
            explore_store##bits(address, value, order, CALLER);                          \
            return;                                                                      \
        }                                                                                \
        *address = value;                                                                \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
__extension__ ATOMIC(128, unsigned __int128)
