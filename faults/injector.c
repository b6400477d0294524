/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Points, libfiu, and what is done about them.
 *
 * A hit of a point by a thread that is in a run:
 *
 *     sv_point_hit          count the hit in the backend's record, put the point into the context
 *       fiu_fail(path)      libfiu looks the point up and calls back
 *         decide_in_fiu     decides from the plan; notes the decision in the context
 *     fire                  write the firing down in shared memory, then act
 *
 * libfiu's rules, and how they are kept:
 *
 *  - While its callback runs it holds a process-wide lock, so the callback only decides. Kill, stop
 *    and sleep happen after fiu_fail has returned.
 *  - The callback is told the name under which a point was enabled. Every point is enabled under
 *    its exact name, once, before any fork or thread: names that are not, and wildcards, take locks
 *    that hide races from the thread checkers, and fiu_enable in a forked child can hang.
 *  - Its generator is one global that all children share: never used. Whether a fault fires is
 *    hash(seed, backend, point, hit, fault) against its probability, or hit == N.
 *  - No fiu_fail in a signal handler, where one may have interrupted another: sv_point_hit_async
 *    decides by the same function without libfiu, and keeps off the fields of the context that an
 *    interrupted sv_point_hit may be using.
 *
 * libfiu's remote control works on a running process (fiu-run, fiu-ctrl): an ordinary enable of a
 * point replaces ours, fiu_fail then returns non-zero without our callback. The point's failinfo
 * says which action, as enum action + 1 (1 kill, 2 stall, 3 delay, 4 fail, 5 drop, 6 duplicate,
 * 7 late, 8 interrupt), and its failnum how many milliseconds. failinfo 0 is fail if the point
 * allows it, else its first answer among drop, duplicate, interrupt, else nothing. What the point
 * does not allow is not done. While so enabled the plan does nothing there.
 *
 * What is written to shared memory is written before the action, so a trace ends with what killed
 * its backend. A record has one writer at a time, its backend; only at_most is counted together:
 *
 *     [1] fault_fired   compare and swap, sequentially consistent: at most at_most succeed
 *     [2] the rest      relaxed: read after the run, or to look at
 *     [3] stalled_until sequentially consistent store before SIGSTOP; the supervisor only acts on
 *                       it by SIGCONT, which is harmless at any time
 *
 * What a run is made of, and what is read out of it: faults/injector_run.c.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/injector.h"

#ifndef SV_FAULTS
#    error "faults/ belongs to the checked flavour: compile with SV_FAULTS and FIU_ENABLE"
#endif

#include <errno.h>
#include <fiu-control.h>
#include <fiu.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/os.h"
#include "faults/random.h"

static _Thread_local struct injector_context *current;

struct injector_context *injector_self(void)
{
    return current;
}

/* ---- deciding ---------------------------------------------------------------------------- */

static bool targeted(const struct injector_context *context, const struct fault *fault)
{
    switch (fault->target) {
    case TARGET_ANY:
        return true;
    case TARGET_WRITER:
        return context->writer;
    case TARGET_LOCK_HOLDER:
        return context->locks_held > 0;
    case TARGET_NUMBER:
        return context->backend == fault->backend;
    }
    return false;
}

/* Take one of the at_most firings of a fault [1]. */
static bool claim(struct sv_atomic32 *fired, uint32_t at_most)
{
    uint32_t count = sv_load_seq32(fired);

    while (at_most == 0 || count < at_most) {
        if (sv_compare_swap_seq32(fired, &count, count + 1)) {
            return true;
        }
    }
    return false;
}

static bool due(const struct injector_context *context, uint32_t index, enum sv_point point,
                uint32_t hit)
{
    const struct fault *fault = &context->injector->plan->faults[index];
    uint64_t hash;

    if (fault->hit != 0) {
        return fault->hit == hit;
    }
    hash = random_hash(context->seed, context->injector->point_keys[point]);
    hash = random_hash(hash, (uint64_t)hit << 32 | index);
    return random_scale(hash, RANDOM_BILLION) < fault->probability;
}

/* The first fault, in the plan's order, that fires at this hit: its index + 1; 0: none. */
static uint32_t decide(const struct injector_context *context, enum sv_point point, uint32_t hit)
{
    const struct injector *injector = context->injector;

    for (uint64_t left = injector->faults_at[point]; left != 0; left &= left - 1) {
        const uint32_t index = (uint32_t)__builtin_ctzll(left);
        const struct fault *fault = &injector->plan->faults[index];

        if (targeted(context, fault) && due(context, index, point, hit) &&
            claim(&injector->shared->fault_fired[index], fault->at_most)) {
            return index + 1;
        }
    }
    return 0;
}

/* libfiu's external_cb_t. Only decides: libfiu holds a lock while it runs. */
static int decide_in_fiu(const char *name, int *failnum, void **failinfo, unsigned int *flags)
{
    struct injector_context *context = current;

    (void)name;
    (void)failnum;
    (void)failinfo;
    (void)flags;
    context->decided = decide(context, context->point, context->hit);
    return context->decided != 0;
}

/* ---- writing down ------------------------------------------------------------------------ */

/* Count, in a word that only this backend writes. Returns: the new count. */
static uint32_t count32(struct sv_atomic32 *word)
{
    const uint32_t count = sv_load_relaxed32(word) + 1;

    sv_store_relaxed32(word, count);
    return count;
}

/* The slot is taken before it is filled: a signal handler in between takes the next one. */
static void trace(struct injector_record *record, struct injector_event event)
{
    const uint32_t at = sv_fetch_add_seq32(&record->events_written, 1);

    event.time_ns = sv_os_now_ns();
    record->events[at % INJECTOR_EVENTS_MAX] = event;
}

void injector_note(const char *note, uint64_t value)
{
    if (current != NULL) {
        trace(current->record,
              (struct injector_event){
                  .note = note, .value = value, .point = SV_POINT_COUNT, .action = ACTION_NONE});
    }
}

/* ---- acting ------------------------------------------------------------------------------ */

static void sleep_until_ns(uint64_t deadline_ns)
{
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                      .tv_nsec = (long)(deadline_ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
    }
}

/*
 * Stop, having written down until when. No signal gets in between: its handler has a point, too,
 * and a stall there would be resumed and forgotten, and with it the one that it interrupted.
 */
static void stall(struct injector_record *record, uint64_t until_ns)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    sv_store_seq64(&record->stalled_until_ns, until_ns);
    kill(getpid(), SIGSTOP);
    sv_store_seq64(&record->stalled_until_ns, 0);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void injector_act_process(struct injector_context *context, enum action action,
                          uint32_t argument_us)
{
    const uint64_t until_ns = sv_os_now_ns() + (uint64_t)argument_us * 1000;

    switch (action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        break;
    case ACTION_STALL:
        stall(context->record, until_ns);
        break;
    case ACTION_DELAY:
    case ACTION_LATE:
        sleep_until_ns(until_ns);
        break;
    default:
        sv_assert(false, "action %s of backend %u", action_name(action), context->backend);
    }
}

/* Act, and say what the code at the point is to do. errno is kept: a point changes nothing. */
static enum sv_point_answer fire(struct injector_context *context, enum sv_point point,
                                 enum action action, uint32_t argument_us)
{
    static const enum sv_point_answer answers[ACTION_COUNT] = {
        [ACTION_FAIL] = SV_POINT_FAIL,
        [ACTION_DROP] = SV_POINT_DROP,
        [ACTION_DUPLICATE] = SV_POINT_DUPLICATE,
        [ACTION_INTERRUPT] = SV_POINT_INTERRUPT,
    };

    count32(&context->record->fired[point][action]);
    if (answers[action] == SV_POINT_PROCEED) {
        const int saved_errno = errno;

        context->injector->act(context, action, argument_us);
        errno = saved_errno;
    }
    return answers[action];
}

/* What fiu-ctrl asks for at this point; ACTION_NONE if it does not allow that. */
static enum action remote_action(enum sv_point point)
{
    static const enum action defaults[] = {ACTION_FAIL, ACTION_DROP, ACTION_DUPLICATE,
                                           ACTION_INTERRUPT};

    const uintptr_t wanted = (uintptr_t)fiu_failinfo();

    if (wanted >= 1 && wanted <= ACTION_COUNT) {
        const enum action action = (enum action)(wanted - 1);

        return point_allows(point, action) ? action : ACTION_NONE;
    }
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (point_allows(point, defaults[i])) {
            return defaults[i];
        }
    }
    return ACTION_NONE;
}

/* Held a lock since before it entered the run, a backend may release more than it acquired. */
static void count_locks(struct injector_context *context, enum sv_point point)
{
    const int32_t change = context->injector->lock_changes[point];

    if (change > 0 || context->locks_held > 0) {
        context->locks_held += (uint32_t)change;
    }
}

/* ---- points ------------------------------------------------------------------------------ */

enum sv_point_answer sv_point_hit(enum sv_point point)
{
    struct injector_context *context = current;
    enum action action = ACTION_NONE;
    uint32_t argument_us = 0;

    if (context == NULL) {
        return SV_POINT_PROCEED;
    }
    count_locks(context, point);
    context->point = point;
    context->hit = count32(&context->record->hits[point]);
    context->decided = 0;

    const int failnum = fiu_fail(point_entries[point].path);
    if (failnum != 0 && context->decided != 0) {
        const struct fault *fault = &context->injector->plan->faults[context->decided - 1];

        action = fault->action;
        argument_us = fault->argument_us;
    } else if (failnum != 0) {
        action = remote_action(point);
        argument_us = (uint32_t)failnum * 1000;
    }
    trace(context->record, (struct injector_event){.point = (uint16_t)point,
                                                   .value = context->hit,
                                                   .action = (uint16_t)action});
    return action == ACTION_NONE ? SV_POINT_PROCEED : fire(context, point, action, argument_us);
}

void sv_point_hit_async(enum sv_point point)
{
    struct injector_context *context = current;
    enum action action = ACTION_NONE;

    if (context == NULL) {
        return;
    }
    sv_assert(point_in_handler(point), "%s", point_entries[point].path);
    const uint32_t hit = count32(&context->record->hits[point]);
    const uint32_t decided = decide(context, point, hit);
    const struct fault *fault = &context->injector->plan->faults[decided != 0 ? decided - 1 : 0];
    if (decided != 0) {
        action = fault->action;
    }
    trace(context->record, (struct injector_event){
                               .point = (uint16_t)point, .value = hit, .action = (uint16_t)action});
    if (action != ACTION_NONE) {
        (void)fire(context, point, action, fault->argument_us);
    }
}

/* ---- runs -------------------------------------------------------------------------------- */

int injector_init(void)
{
    static bool enabled;

    if (enabled) {
        return 0;
    }
    if (fiu_init(0) != 0) {
        return -ENOMEM;
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (fiu_enable_external(point_entries[point].path, 1, NULL, 0, decide_in_fiu) != 0) {
            return -ENOMEM;
        }
    }
    enabled = true;
    return 0;
}

void injector_enter(struct injector_context *context, const struct injector *injector,
                    uint32_t backend)
{
    const enum plan_role role = plan_role(&injector->plan->world, backend);

    sv_assert(backend < injector->backends, "backend %u of %u", backend, injector->backends);
    *context = (struct injector_context){
        .injector = injector,
        .record = &injector->shared->records[backend],
        .carrier = injector->carrier,
        .backend = backend,
        .writer = role == ROLE_WRITER || role == ROLE_SEND_ONLY,
        .seed = random_branch(injector->seed, backend, RANDOM_FAULT).state,
    };
    current = context;
}

void injector_leave(void)
{
    current = NULL;
}
