/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the compiler calls for -fsanitize=thread, in place of ThreadSanitizer's runtime.
 *
 * gcc 12 and clang 14 announce each plain access and then make it themselves; an atomic operation
 * they leave to us. They differ in how they spell compare-and-swap and accesses of odd size, and
 * both leave memcpy, memmove and memset to the C library where they do not expand them: in the
 * traced objects those are renamed to the functions here, as are malloc and its kind, which take
 * from the arena of whoever runs (ci/explore.cmake).
 *
 * Everything runs in one thread, so the operation itself needs no order: a plain one is enough.
 * What order was asked for is passed on to whoever watches.
 *
 * Function entries and exits are announced, too; stacks are walked by frame pointers instead.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "faults/explore/runtime.h"

#define CALLER     __builtin_return_address(0)
#define WORD_BYTES ((size_t)8)

/* The compiler declares none of these, and nothing else calls them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#if defined(__clang__)
#    pragma GCC diagnostic ignored "-Wmissing-declarations"
#    pragma GCC diagnostic ignored "-Wbuiltin-requires-header"
#    pragma GCC diagnostic ignored "-Wincompatible-library-redeclaration"
#else
#    pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#endif

void explore_touch(uint8_t kind, uint8_t order, const volatile void *address, size_t bytes,
                   const void *pc)
{
    const uintptr_t distance = (uintptr_t)address - runtime.base;
    const uint32_t offset = (uint32_t)distance;
    const bool changes = kind == EXPLORE_WRITE || kind == EXPLORE_UPDATE;

    if (distance >= runtime.size_bytes) {
        if (explore_is_foreign(address)) {
            explore_foreign(kind, address, bytes);
        }
        return;
    }
    const struct explore_step step = explore_step_at(kind, offset, (uint32_t)bytes, runtime.self);
    if (runtime.run == 0 || runtime_stops(&step)) {
        if (!runtime_ask(kind, order, offset, (uint32_t)bytes, pc)) {
            return;
        }
    } else {
        runtime.run--;
    }
    if (kind <= EXPLORE_UPDATE && step.span == 1) {
        order_access(&runtime.order, kind, step.object, runtime.self);
    } else {
        order_step(&runtime.order, &step);
    }
    runtime_note(kind, offset, (uint32_t)bytes, runtime.self);
    if (changes && runtime.judged != NULL && runtime.judged[offset / RUNTIME_GRANULE] != 0) {
        runtime_judge(offset);
    }
    runtime.last_offset = offset;
}

static inline void touch_aligned(uint8_t kind, uint8_t order, const volatile void *address,
                                 size_t bytes, const void *pc)
{
    if (!explore_quick(kind, address, bytes)) {
        explore_touch(kind, order, address, bytes, pc);
    }
}

/* ---- plain accesses -------------------------------------------------------------------------- */

#define PLAIN(bytes)                                                         \
    void __tsan_read##bytes(const void *address)                             \
    {                                                                        \
        touch_aligned(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
    }                                                                        \
    void __tsan_write##bytes(const void *address)                            \
    {                                                                        \
        touch_aligned(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
    }                                                                        \
    void __tsan_unaligned_read##bytes(const void *address)                   \
    {                                                                        \
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
    }                                                                        \
    void __tsan_unaligned_write##bytes(const void *address)                  \
    {                                                                        \
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
    }                                                                        \
    void __tsan_volatile_read##bytes(const void *address)                    \
    {                                                                        \
        touch_aligned(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
    }                                                                        \
    void __tsan_volatile_write##bytes(const void *address)                   \
    {                                                                        \
        touch_aligned(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
    }                                                                        \
    void __tsan_read_write##bytes(const void *address)                       \
    {                                                                        \
        touch_aligned(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
        touch_aligned(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

/* NOLINTBEGIN(readability-identifier-naming): the compilers' names */
void __tsan_read_range(const void *address, size_t bytes)
{
    explore_touch(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);
}

void __tsan_write_range(const void *address, size_t bytes)
{
    explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(const void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

/* NOLINTEND(readability-identifier-naming) */

/* ---- atomic operations ----------------------------------------------------------------------- */

#define FETCH(bits, type, name, after)                                                     \
    type __tsan_atomic##bits##_fetch_##name(volatile type *address, type value, int order) \
    {                                                                                      \
        touch_aligned(EXPLORE_UPDATE, (uint8_t)order, address, sizeof(type), CALLER);      \
        const type before = *address;                                                      \
        *address = (type)(after);                                                          \
        return before;                                                                     \
    }

/*
 * Loads and stores are many: what is slow is a function of its own, so that what is quick needs
 * none of the registers that it would have to save.
 *
 * A weak one may fail for no reason: the C library's are strong, and ours are, too, but by a draw.
 */
#define ATOMIC(bits, type)                                                                     \
    static __attribute__((noinline))                                                           \
    type slow_load##bits(const volatile type *address, int order, const void *pc)              \
    {                                                                                          \
        explore_touch(EXPLORE_READ, (uint8_t)order, address, sizeof(type), pc);                \
        return *address;                                                                       \
    }                                                                                          \
    type __tsan_atomic##bits##_load(const volatile type *address, int order)                   \
    {                                                                                          \
        return explore_quick(EXPLORE_READ, address, sizeof(type))                              \
                   ? *address                                                                  \
                   : slow_load##bits(address, order, CALLER);                                  \
    }                                                                                          \
    static __attribute__((noinline)) void slow_store##bits(volatile type *address, type value, \
                                                           int order, const void *pc)          \
    {                                                                                          \
        explore_touch(EXPLORE_WRITE, (uint8_t)order, address, sizeof(type), pc);               \
        *address = value;                                                                      \
    }                                                                                          \
    void __tsan_atomic##bits##_store(volatile type *address, type value, int order)            \
    {                                                                                          \
        if (!explore_quick(EXPLORE_WRITE, address, sizeof(type))) {                            \
            slow_store##bits(address, value, order, CALLER);                                   \
        } else {                                                                               \
            *address = value;                                                                  \
        }                                                                                      \
    }                                                                                          \
    type __tsan_atomic##bits##_exchange(volatile type *address, type value, int order)         \
    {                                                                                          \
        touch_aligned(EXPLORE_UPDATE, (uint8_t)order, address, sizeof(type), CALLER);          \
        const type before = *address;                                                          \
        *address = value;                                                                      \
        return before;                                                                         \
    }                                                                                          \
    FETCH(bits, type, add, before + value)                                                     \
    FETCH(bits, type, sub, before - value)                                                     \
    FETCH(bits, type, and, before &value)                                                      \
    FETCH(bits, type, or, before | value)                                                      \
    FETCH(bits, type, xor, before ^ value)                                                     \
    FETCH(bits, type, nand, ~(before & value))                                                 \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *address, type *expected,  \
                                                      type desired, int order, int on_failure) \
    {                                                                                          \
        (void)on_failure;                                                                      \
        touch_aligned(EXPLORE_UPDATE, (uint8_t)order, address, sizeof(type), CALLER);          \
        const type before = *address;                                                          \
        if (before == *expected) {                                                             \
            *address = desired;                                                                \
            return 1;                                                                          \
        }                                                                                      \
        *expected = before;                                                                    \
        return 0;                                                                              \
    }                                                                                          \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type *address, type *expected,    \
                                                    type desired, int order, int on_failure)   \
    {                                                                                          \
        (void)on_failure;                                                                      \
        touch_aligned(EXPLORE_UPDATE, (uint8_t)order, address, sizeof(type), CALLER);          \
        const type before = *address;                                                          \
        if (before == *expected && !machine_fails_weakly(address)) {                           \
            *address = desired;                                                                \
            return 1;                                                                          \
        }                                                                                      \
        *expected = before;                                                                    \
        return 0;                                                                              \
    }                                                                                          \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,     \
                                                    type desired, int order, int on_failure)   \
    {                                                                                          \
        (void)on_failure;                                                                      \
        touch_aligned(EXPLORE_UPDATE, (uint8_t)order, address, sizeof(type), CALLER);          \
        const type before = *address;                                                          \
        if (before == expected) {                                                              \
            *address = desired;                                                                \
        }                                                                                      \
        return before;                                                                         \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

__extension__ ATOMIC(128, unsigned __int128)

    /* Nothing is reordered here. NOLINTBEGIN(readability-identifier-naming) */
    void __tsan_atomic_thread_fence(int order)
{
    (void)order;
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* NOLINTEND(readability-identifier-naming) */

/* ---- the C library's, as traced code calls them ---------------------------------------------- */

/* At most a word, which may lie in two. */
static inline void touch_piece(uint8_t kind, const uint8_t *address, size_t bytes, const void *pc)
{
    if (((uintptr_t)address % WORD_BYTES) + bytes > WORD_BYTES ||
        !explore_quick(kind, address, bytes)) {
        explore_touch(kind, MACHINE_PLAIN, address, bytes, pc);
    }
}

/*
 * A copy from or to the segment goes word by word, so that others can come in between; and so that
 * a word which is read is what is written, whatever happens meanwhile.
 */
static void copy_words(uint8_t *to, const uint8_t *from, size_t bytes, const void *pc)
{
    while (bytes > 0) {
        const size_t piece = bytes < WORD_BYTES ? bytes : WORD_BYTES;
        uint8_t word[WORD_BYTES];
        touch_piece(EXPLORE_READ, from, piece, pc);
        memcpy(word, from, piece);
        touch_piece(EXPLORE_WRITE, to, piece, pc);
        memcpy(to, word, piece);
        to += piece;
        from += piece;
        bytes -= piece;
    }
}

void *explore_memcpy(void *to, const void *from, size_t bytes)
{
    if (explore_is_traced(to) || explore_is_traced(from)) {
        copy_words(to, from, bytes, CALLER);
        return to;
    }
    if (bytes > 0) {
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, from, bytes, CALLER);
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, to, bytes, CALLER);
    }
    return memcpy(to, from, bytes);
}

void *explore_memmove(void *to, const void *from, size_t bytes)
{
    if (bytes > 0) {
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, from, bytes, CALLER);
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, to, bytes, CALLER);
    }
    return memmove(to, from, bytes);
}

void *explore_memset(void *to, int byte, size_t bytes)
{
    if (bytes > 0) {
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, to, bytes, CALLER);
    }
    return memset(to, byte, bytes);
}

int explore_memcmp(const void *a, const void *b, size_t bytes)
{
    if (bytes > 0) {
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, a, bytes, CALLER);
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, b, bytes, CALLER);
    }
    return memcmp(a, b, bytes);
}

/* What clang makes of a memcmp that only asks whether two are equal. */
int explore_bcmp(const void *a, const void *b, size_t bytes)
{
    return explore_memcmp(a, b, bytes);
}

void *explore_malloc(size_t bytes)
{
    return arena_allocate(machine_arena(), bytes);
}

void *explore_calloc(size_t count, size_t bytes)
{
    void *block = bytes == 0 || count <= SIZE_MAX / bytes
                      ? arena_allocate(machine_arena(), count * bytes)
                      : NULL;

    return block != NULL ? memset(block, 0, count * bytes) : NULL;
}

void explore_free(void *block)
{
    if (block != NULL) {
        arena_release(machine_arena(), block);
    }
}

void *explore_realloc(void *block, size_t bytes)
{
    void *grown = arena_allocate(machine_arena(), bytes);

    if (block == NULL || grown == NULL) {
        return grown;
    }
    const size_t before = arena_block_bytes(block);
    memcpy(grown, block, before < bytes ? before : bytes);
    arena_release(machine_arena(), block);
    return grown;
}

int explore_yield(void)
{
    machine_yield();
    return 0;
}
