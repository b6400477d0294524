/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Steers Criterion's arena to where ThreadSanitizer lets memory be. Linked with the suites in TSan
 * builds only.
 *
 * Criterion shares an arena between runner and tests, mapped at
 *
 *     0x200000000000 + (r & 0x3fffff) * 2^24        with r drawn by rand_r
 *
 * and tries again at another place if that fails. TSan refuses whatever is not in its ranges for an
 * application, nearly all of those places among them, so every suite would end at its start with
 * "Could not initialize inheritable arena". This rand_r stands before the C library's: what it
 * draws puts the arena into the range that both compilers leave to position-independent programs,
 * 0x550000000000 to 0x568000000000, above where the kernel may put one (0x565555554000 at most),
 * since the arena must fit at the same place into the test's process too.
 *
 *     r in [0x367000, 0x367f00)   the arena in [0x567000000000, 0x567f00000000)
 */
#include <stdlib.h>

#define DRAW_FIRST 0x367000U
#define DRAW_COUNT 0xf00U

__attribute__((visibility("default"), no_sanitize("thread"))) int rand_r(unsigned int *seed)
{
    *seed = *seed * 1103515245U + 12345U; /* as ANSI C had it */
    return (int)(DRAW_FIRST + (*seed >> 16U) % DRAW_COUNT);
}
