/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Arenas: private memory of simulated processes.
 */
#include "faults/explore/arena.h"
#include "support.h"

TestSuite(arena_sched, .timeout = 60);

#define ARENA_BYTES ((size_t)32 * 1024 * 1024)

static uint8_t bytes[ARENA_BYTES] __attribute__((aligned(16)));

static void expect_block(struct arena *arena, size_t size)
{
    uint8_t *block = arena_allocate(arena, size);

    cr_assert_not_null(block, "%zu bytes", size);
    const size_t holds = arena_block_bytes(block);
    cr_assert_geq(holds, size);
    cr_assert_leq(holds, size <= 64 ? 64 : size + size / 4 + 16, "%zu for %zu", holds, size);
    arena_release(arena, block);
    cr_assert_eq(arena_allocate(arena, holds), block, "%zu, then %zu bytes", size, holds);
    cr_assert_eq(arena_block_bytes(block), holds);
    arena_clear(arena);
}

/*
 * Claim:   a block holds what was asked for, and at most a quarter more (64 bytes at least); what
 *          was freed is given out again for any size that needs a block of that size.
 * Method:  all sizes up to 8,191 bytes, and those about each power of two up to 8 MiB.
 */
Test(arena_sched, a_block_is_as_large_as_it_has_to_be)
{
    struct arena arena;

    arena_begin(&arena, bytes, ARENA_BYTES);
    for (size_t power = 1; power <= (size_t)8 * 1024 * 1024; power *= 2) {
        const size_t to = power <= 4096 ? 2 * power : power + 2; /* all, or those about it */
        for (size_t size = power - 1; size < to; size++) {
            expect_block(&arena, size);
        }
    }
    arena_free(&arena);
}

/* Claim: more than the largest size, or than there is room for, is refused, and nothing else then. */
Test(arena_sched, what_does_not_fit_is_refused)
{
    struct arena arena;

    arena_begin(&arena, bytes, ARENA_BYTES);
    cr_expect_null(arena_allocate(&arena, ARENA_BYTES));
    cr_expect_null(arena_allocate(&arena, SIZE_MAX));
    cr_expect_not_null(arena_allocate(&arena, (size_t)14 * 1024 * 1024));
    cr_expect_null(arena_allocate(&arena, (size_t)14 * 1024 * 1024 + 1));
    arena_free(&arena);
}
