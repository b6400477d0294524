/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where the processes of a test meet: words in a page that all of them share, and waits for one to
 * reach a value. A wait that is never fulfilled ends with the suite's timeout.
 */
#ifndef SINVAL_TESTS_MEETING_H
#define SINVAL_TESTS_MEETING_H

#include <sys/mman.h>

#include "support.h"
#include "sync/procsignal.h"

#define WORDS      8
#define A_WHILE_NS UINT64_C(1000000)

struct meeting {
    struct sv_atomic32 words[WORDS]; /* what each means is the test's */
};

static inline struct meeting *meet(void)
{
    void *page = mmap(NULL, sizeof(struct meeting), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    return page;
}

static inline void advance(struct sv_atomic32 *word)
{
    (void)sv_fetch_add_seq32(word, 1);
    sv_os_wake(word, INT32_MAX);
}

static inline void await(struct sv_atomic32 *word, uint32_t at_least)
{
    for (uint32_t seen; (seen = sv_load_acquire32(word)) < at_least;) {
        (void)sv_os_wait(word, seen, A_WHILE_NS);
    }
}

/* Look again and again until the word of a slot, which nobody wakes, is what it should be. */
static inline void await_exactly(struct sv_atomic32 *word, uint32_t value)
{
    for (uint32_t seen; (seen = sv_load_acquire32(word)) != value;) {
        (void)sv_os_wait(word, seen, A_WHILE_NS);
    }
}

/* In a child: attach, taking signal_number (0: none). */
static inline struct sv_backend *attach_here(struct sv_segment *segment, int signal_number)
{
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.signal_number = signal_number};
    if (sv_backend_attach(segment, &options, &self) != 0) {
        _exit(3);
    }
    return self;
}

/* In a test: the same. */
static inline struct sv_backend *join_with_signal(struct sv_segment *segment, int signal_number)
{
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.signal_number = signal_number};
    cr_assert_eq(sv_backend_attach(segment, &options, &self), 0);
    return self;
}

static inline _Noreturn void sleep_for_ever(void)
{
    for (;;) {
        (void)pause();
    }
}

static inline void assert_exited(int status, int expected)
{
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == expected, "wait status %#x", status);
}

#endif
