/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Fail the N-th until nothing fails: an operation with each of its system calls failing in turn,
 * with each error, each time in a fresh process.
 *
 * A failure must be answered as documented, undone completely (descriptors, mappings, files, the
 * slots and locks of the segment), and no obstacle to doing the same again, which must succeed. The
 * process says in a shared page what was wrong; it is killed after some seconds, so that a hang is
 * a finding, too.
 */
#ifndef SINVAL_TESTS_FAIL_EACH_H
#define SINVAL_TESTS_FAIL_EACH_H

#include <dirent.h>
#include <stdio.h>

#include "failing_calls.h"
#include "meeting.h"
#include "queue/queue.h"

#define HANG_S 20

/* One process that does an operation. */
struct victim {
    struct sv_segment *segment;
    struct sv_backend *self;
    struct meeting *meeting; /* with others; what each word means is the test's */
    void *world;             /* the test's */
    void *made;              /* what the operation made, for undo */
    int error;               /* what fails, fails with this */
    char *wrong;             /* in the shared page: "" if all was right */
};

#define WRONG_BYTES 200

/* All but run may be missing. Functions that return int: 0 or -errno; they run in the process. */
struct operation {
    const char *name;
    int (*prepare)(struct victim *victim); /* not counted */
    int (*run)(struct victim *victim);
    void (*undo)(struct victim *victim);   /* of a run that succeeded */
    void (*failed)(struct victim *victim); /* what a failed run must have left as it was */
    void (*leave)(struct victim *victim);  /* undoes prepare */
    bool (*allows)(int result, int error); /* results besides 0 and -error */
    bool untold;                           /* its calls' errors are told to nobody */
};

/* For a process: keep the first thing that is wrong. */
static inline __attribute__((format(printf, 2, 3))) void wrong(struct victim *victim,
                                                               const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (victim->wrong[0] == '\0') {
        (void)vsnprintf(victim->wrong, WRONG_BYTES, format, list);
    }
    va_end(list);
}

/* What a process has, that it may not have more of afterwards. */
struct stock {
    uint32_t descriptors;
    uint32_t mappings; /* of what is the library's or the test's */
    uint32_t slots;
};

static inline uint32_t count_descriptors(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return count;
}

static inline uint32_t count_mappings(void)
{
    uint32_t count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        const bool memory = strstr(line, "memfd:sinval") != NULL;
        count += memory || strstr(line, "/sinval.") != NULL || strstr(line, "/sinval-test") != NULL;
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return count;
}

static inline uint32_t count_slots(struct sv_segment *segment)
{
    uint32_t count = 0;
    for (uint32_t i = 0; segment != NULL && i < sv_segment_config(segment)->backends_max; i++) {
        struct sv_slot_state state;
        sv_slot_look(segment, i, &state);
        count += state.in_use;
    }
    return count;
}

static inline struct stock take_stock(const struct victim *victim)
{
    return (struct stock){.descriptors = count_descriptors(),
                          .mappings = count_mappings(),
                          .slots = count_slots(victim->segment)};
}

static inline void expect_stock(struct victim *victim, const struct stock *before, const char *when)
{
    const struct stock now = take_stock(victim);
    if (now.descriptors != before->descriptors) {
        wrong(victim, "%s: %" PRIu32 " descriptors, %" PRIu32 " before", when, now.descriptors,
              before->descriptors);
    }
    if (now.mappings != before->mappings) {
        wrong(victim, "%s: %" PRIu32 " mappings, %" PRIu32 " before", when, now.mappings,
              before->mappings);
    }
    if (now.slots != before->slots) {
        wrong(victim, "%s: %" PRIu32 " slots in use, %" PRIu32 " before", when, now.slots,
              before->slots);
    }
}

/* What is going on, for the process. */
struct attempt {
    const struct operation *operation;
    struct victim victim;
};

static inline void settle_attempt(struct attempt *attempt, int result, const struct stock *before,
                                  const char *when)
{
    const struct operation *operation = attempt->operation;
    if (result == 0 && operation->undo != NULL) {
        operation->undo(&attempt->victim);
    } else if (result != 0 && operation->failed != NULL) {
        operation->failed(&attempt->victim);
    }
    expect_stock(&attempt->victim, before, when);
}

static inline int do_attempt(struct sv_segment *segment, void *argument)
{
    struct attempt *attempt = argument;
    const struct operation *operation = attempt->operation;
    struct victim *victim = &attempt->victim;
    victim->segment = segment;
    (void)alarm(HANG_S);
    if (operation->prepare != NULL && operation->prepare(victim) != 0) {
        wrong(victim, "it cannot be prepared");
        return 1;
    }
    const struct stock before = take_stock(victim);
    failing_calls_begin();
    int result = operation->run(victim);
    failing_calls_end();
    if (result != 0 && (result != -victim->error || result == -EINTR) &&
        (operation->allows == NULL || !operation->allows(result, victim->error))) {
        wrong(victim, "it answers %d", result);
    }
    settle_attempt(attempt, result, &before, result == 0 ? "done" : "failed");
    result = operation->run(victim);
    if (result != 0) {
        wrong(victim, "then, with nothing failing, it answers %d", result);
    }
    settle_attempt(attempt, result, &before, "done again");
    if (operation->leave != NULL) {
        operation->leave(victim);
    }
    return victim->wrong[0] != '\0';
}

/*
 * What may fail: an error, once or from some call on. EINTR is nobody's answer. Where nobody is
 * told of an error, one is as good as another, and the first of these are enough.
 */
static const struct call_failure each_failure[] = {
    {.error = EINTR},
    {.error = ENOMEM},
    {.error = EMFILE, .from_then_on = true},
    {.error = EAGAIN},
    {.error = EMFILE},
    {.error = ENFILE},
    {.error = ENOSPC},
    {.error = EACCES},
    {.error = EIO},
    {.error = ENOMEM, .from_then_on = true},
};

#define FAILURES       (sizeof(each_failure) / sizeof(each_failure[0]))
#define FAILURES_FIRST 3

/* A process of a sanitizer takes ten times as long to fork. */
#ifdef __SANITIZE_ADDRESS__
#    define FAILURES_TOLD 5
#else
#    define FAILURES_TOLD FAILURES
#endif

/* One process, one failure. Returns: whether there was something to fail. */
static inline bool fail_one(const struct operation *operation, struct sv_segment *segment,
                            struct meeting *meeting, void *world, struct call_failure failure)
{
    /* The words of what was wrong are behind the meeting, on its page. */
    char *words = (char *)meeting + sizeof(*meeting);
    struct attempt attempt = {
        .operation = operation,
        .victim = {.meeting = meeting, .world = world, .error = failure.error, .wrong = words},
    };
    words[0] = '\0';
    const int status = failing_calls_run(fork_child(do_attempt, segment, &attempt), &failure);
    char name[WRONG_BYTES];
    (void)snprintf(name, sizeof(name), "%s, call %" PRIu32 " (number %ld) %s with %s",
                   operation->name, failure.nth, failure.met ? failure.number : -1,
                   failure.from_then_on ? "and later fail" : "fails",
                   strerrorname_np(failure.error));
    cr_expect(words[0] == '\0', "%s: %s", name, words);
    cr_expect(words[0] != '\0' || status == 0, "%s: wait status %#x", name, (unsigned)status);
    if (segment != NULL) {
        (void)sv_backend_settle_dead(segment);
        const char *broken = sv_queue_check(segment);
        cr_expect_null(broken, "%s: %s", name, broken);
        for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
            uint32_t shared = 0;
            cr_expect_eq(sv_lwlock_owner(segment, (enum sv_lock)lock, &shared), SV_SLOT_NONE, "%s",
                         name);
            cr_expect_eq(shared, 0, "%s", name);
        }
    }
    return failure.met;
}

/* Every failure at every call. Returns: how many of its calls could be made to fail. */
static inline uint32_t fail_each(const struct operation *operation, struct sv_segment *segment,
                                 struct meeting *meeting, void *world)
{
    uint32_t most = 0;
    for (size_t i = 0; i < (operation->untold ? FAILURES_FIRST : FAILURES_TOLD); i++) {
        struct call_failure failure = each_failure[i];
        do {
            failure.nth++;
        } while (fail_one(operation, segment, meeting, world, failure) && failure.nth < 2000);
        cr_expect_lt(failure.nth, 2000, "%s: it calls for ever", operation->name);
        most = failure.nth - 1 > most ? failure.nth - 1 : most;
    }
    return most;
}

#endif
