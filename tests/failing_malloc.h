/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out at the N-th allocation, for N = 1, 2, ... until none failed.
 *
 *     for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
 *         result = what_allocates();
 *         if (failing_malloc_end(&sweep)) { it failed: all must be as before } else { it was done }
 *     }
 *
 * The test's own malloc, calloc and realloc stand before glibc's; under AddressSanitizer, which
 * does the same, sweeps are skipped. One thread only. Include it in one file of a test.
 */
#ifndef SINVAL_TESTS_FAILING_MALLOC_H
#define SINVAL_TESTS_FAILING_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct sweep {
    uint32_t nth;  /* which allocation fails this time */
    bool failed;   /* it was reached */
    bool finished; /* a whole round without failure has been made */
};

static uint32_t failing_malloc_left; /* allocations until one fails; 0: not armed */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define FAILING_MALLOC_WORKS 0
#else
#    define FAILING_MALLOC_WORKS   1

/* glibc's own, behind the names that are taken here. */
extern void *libc_malloc(size_t size) __asm__("__libc_malloc");
extern void *libc_calloc(size_t count, size_t size) __asm__("__libc_calloc");
extern void *libc_realloc(void *old, size_t size) __asm__("__libc_realloc");

static bool failing_malloc_fails(void)
{
    if (failing_malloc_left > 0 && --failing_malloc_left == 0) {
        errno = ENOMEM;
        return true;
    }
    return false;
}

/* Visible, so that the C library and SQLite call them, too. */
#    define FAILING_MALLOC_VISIBLE __attribute__((visibility("default")))

FAILING_MALLOC_VISIBLE void *malloc(size_t size)
{
    return failing_malloc_fails() ? NULL : libc_malloc(size);
}

/* Parameters as in glibc's header. */
FAILING_MALLOC_VISIBLE void *calloc(size_t nmemb, size_t size)
{
    return failing_malloc_fails() ? NULL : libc_calloc(nmemb, size);
}

FAILING_MALLOC_VISIBLE void *realloc(void *ptr, size_t size)
{
    return failing_malloc_fails() ? NULL : libc_realloc(ptr, size);
}
#endif

static inline void failing_malloc_begin(struct sweep *sweep)
{
    *sweep = (struct sweep){.finished = !FAILING_MALLOC_WORKS};
}

/* Arm the next failure. Returns: false when the last round had none. */
static inline bool failing_malloc_next(struct sweep *sweep)
{
    if (sweep->finished) {
        return false;
    }
    sweep->nth++;
    failing_malloc_left = sweep->nth;
    return true;
}

/* Disarm. Returns: whether an allocation failed. */
static inline bool failing_malloc_end(struct sweep *sweep)
{
    sweep->failed = failing_malloc_left == 0;
    failing_malloc_left = 0;
    sweep->finished = !sweep->failed;
    return sweep->failed;
}

#endif
