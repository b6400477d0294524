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

/* An access within one object. */
static void touch_object(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes,
                         const void *pc)
{
    const uint32_t object = offset / RUNTIME_GRANULE;

    if ((runtime.step >= runtime.until ||
         (runtime.stops[kind != EXPLORE_READ] >> object % 64 & 1) != 0) &&
        !runtime_ask(kind, order, offset, bytes, pc)) {
        return;
    }
    order_access(&runtime.order, kind, object, runtime.self);
    runtime_note(kind, offset, bytes, runtime.self);
    if (kind != EXPLORE_READ && runtime.judged != NULL && runtime.judged[object] != 0) {
        runtime_judge(offset, order == MACHINE_PLAIN);
    }
}

/* Any other step. */
static void touch_objects(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes,
                          const void *pc)
{
    const struct explore_step step = explore_step_at(kind, offset, bytes, runtime.self);
    const bool changes = kind == EXPLORE_WRITE || kind == EXPLORE_UPDATE;

    if ((runtime.step >= runtime.until || runtime_stops(&step)) &&
        !runtime_ask(kind, order, offset, bytes, pc)) {
        return;
    }
    order_step(&runtime.order, &step);
    runtime_note(kind, offset, bytes, runtime.self);
    if (changes && runtime.judged != NULL && runtime.judged[step.object] != 0) {
        runtime_judge(offset, true);
    }
}

void explore_touch(uint8_t kind, uint8_t order, const volatile void *address, size_t bytes,
                   const void *pc)
{
    const uintptr_t distance = (uintptr_t)address - runtime.base;
    const uint32_t offset = (uint32_t)distance;

    if (distance >= runtime.size_bytes) {
        if (explore_is_foreign(address)) {
            explore_foreign(kind, address, bytes);
        }
    } else if (kind <= EXPLORE_UPDATE && offset % RUNTIME_GRANULE + bytes <= RUNTIME_GRANULE) {
        touch_object(kind, order, offset, (uint32_t)bytes, pc);
    } else {
        touch_objects(kind, order, offset, (uint32_t)bytes, pc);
    }
}

static inline void touch_update(uint8_t order, const volatile void *address, size_t bytes,
                                const void *pc)
{
    if (!explore_quick(EXPLORE_UPDATE, address, bytes)) {
        explore_touch(EXPLORE_UPDATE, order, address, bytes, pc);
    }
}

/* ---- plain accesses (the others: runtime_quick.c) -------------------------------------------- */

#define PLAIN(bytes)                                                         \
    void __tsan_unaligned_read##bytes(const void *address)                   \
    {                                                                        \
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
    }                                                                        \
    void __tsan_unaligned_write##bytes(const void *address)                  \
    {                                                                        \
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
    }                                                                        \
    void __tsan_read_write##bytes(const void *address)                       \
    {                                                                        \
        explore_touch(EXPLORE_READ, MACHINE_PLAIN, address, bytes, CALLER);  \
        explore_touch(EXPLORE_WRITE, MACHINE_PLAIN, address, bytes, CALLER); \
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
        touch_update((uint8_t)order, address, sizeof(type), CALLER);                       \
        const type before = *address;                                                      \
        *address = (type)(after);                                                          \
        explore_changed();                                                                 \
        return before;                                                                     \
    }

/* A weak one may fail for no reason: the C library's are strong, and ours are, too, but by a draw. */
#define ATOMIC(bits, type)                                                                     \
    type explore_load##bits(const volatile type *address, int order, const void *pc)           \
    {                                                                                          \
        explore_touch(EXPLORE_READ, (uint8_t)order, address, sizeof(type), pc);                \
        return *address;                                                                       \
    }                                                                                          \
    void explore_store##bits(volatile type *address, type value, int order, const void *pc)    \
    {                                                                                          \
        explore_touch(EXPLORE_WRITE, (uint8_t)order, address, sizeof(type), pc);               \
        *address = value;                                                                      \
        explore_changed();                                                                     \
    }                                                                                          \
    type __tsan_atomic##bits##_exchange(volatile type *address, type value, int order)         \
    {                                                                                          \
        touch_update((uint8_t)order, address, sizeof(type), CALLER);                           \
        const type before = *address;                                                          \
        *address = value;                                                                      \
        explore_changed();                                                                     \
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
        touch_update((uint8_t)order, address, sizeof(type), CALLER);                           \
        const type before = *address;                                                          \
        if (before == *expected) {                                                             \
            *address = desired;                                                                \
            explore_changed();                                                                 \
            return 1;                                                                          \
        }                                                                                      \
        *expected = before;                                                                    \
        return 0;                                                                              \
    }                                                                                          \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type *address, type *expected,    \
                                                    type desired, int order, int on_failure)   \
    {                                                                                          \
        (void)on_failure;                                                                      \
        touch_update((uint8_t)order, address, sizeof(type), CALLER);                           \
        const type before = *address;                                                          \
        if (before == *expected && !machine_fails_weakly(address)) {                           \
            *address = desired;                                                                \
            explore_changed();                                                                 \
            return 1;                                                                          \
        }                                                                                      \
        *expected = before;                                                                    \
        return 0;                                                                              \
    }                                                                                          \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,     \
                                                    type desired, int order, int on_failure)   \
    {                                                                                          \
        (void)on_failure;                                                                      \
        touch_update((uint8_t)order, address, sizeof(type), CALLER);                           \
        const type before = *address;                                                          \
        if (before == expected) {                                                              \
            *address = desired;                                                                \
            explore_changed();                                                                 \
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
static inline __attribute__((always_inline)) void touch_piece(uint8_t kind, const uint8_t *address,
                                                              size_t bytes, const void *pc)
{
    if (((uintptr_t)address % WORD_BYTES) + bytes > WORD_BYTES ||
        !explore_quick(kind, address, bytes)) {
        explore_touch(kind, MACHINE_PLAIN, address, bytes, pc);
    }
}

/* All of it is own memory: to touch that is no step. */
static inline bool is_own(const uint8_t *bytes, size_t count)
{
    return explore_is_own(bytes) && explore_is_own(bytes + count - 1);
}

static inline void copy_piece(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes == WORD_BYTES) {
        memcpy(to, from, WORD_BYTES);
    } else {
        memcpy(to, from, bytes);
    }
}

/*
 * A copy from or to the segment goes word by word, so that others can come in between; and so that
 * a word which is read is what is written, whatever happens meanwhile.
 */
static inline __attribute__((always_inline)) void copy_words(uint8_t *to, bool to_own,
                                                             const uint8_t *from, bool from_own,
                                                             size_t bytes, const void *pc)
{
    while (bytes > 0) {
        const size_t piece = bytes < WORD_BYTES ? bytes : WORD_BYTES;
        uint8_t word[WORD_BYTES];
        if (!from_own) {
            touch_piece(EXPLORE_READ, from, piece, pc);
        }
        copy_piece(word, from, piece);
        if (!to_own) {
            touch_piece(EXPLORE_WRITE, to, piece, pc);
        }
        copy_piece(to, word, piece);
        to += piece;
        from += piece;
        bytes -= piece;
    }
}

void *explore_memcpy(void *to, const void *from, size_t bytes)
{
    if (explore_is_traced(to) || explore_is_traced(from)) {
        copy_words(to, is_own(to, bytes), from, is_own(from, bytes), bytes, CALLER);
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
