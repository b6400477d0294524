/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The machine.
 *
 * Agents. Backend b is agent b; its death is agent n + b, the arrival of a signal that is under way
 * to it agent 2n + b, of n backends. Each step of any of them has its number in the execution. A
 * strategy that searches picks among all of them. For others, and in a replay, the backends are
 * picked from; what the environment does, it does before a pick, at the step where its plan
 * (machine_faults) or the script of the replay says so. Either way it is recorded, so the list of
 * deviations says it all.
 *
 * A step. Whoever runs says what it is about to do (ask), and the pick says whose turn it is. If it
 * is another's, that one's stack is entered, where it waits in ask itself; otherwise the step is
 * taken. So a backend that is not running has always said what its next step is: before an access,
 * or EXPLORE_NONE where it is woken, or starts. To be quick, a pick may allow some more steps
 * without a question (runtime.until); whatever changes who can go on takes that back.
 *
 * Sleeping. Who sleeps on a word cannot go on until it is woken, interrupted by a signal, or its
 * time is up. Time passes only by sleeping: it is up when nobody else can go on (and no signal is
 * under way), or, if the strategy draws so, at any moment. To wake up for no reason is the
 * strategy's, too. Nobody can go on, no signal, no time: a deadlock, told with who sleeps on what.
 *
 * Signals. Under way from the moment they are sent until they arrive: at once, or some steps later
 * as drawn, in any case before everybody sleeps for good. The target then runs the handler, on its
 * own stack, before its next step; its steps are steps as any. No signal arrives inside the
 * handler.
 *
 * Spinning. Looks at a word that does not change have no effect on others: of a loop that looks and
 * spins, the first look is a step and the others are not, as long as nobody else has run. Each
 * schedule in which the loop ends sooner is one in which its first look comes later.
 *
 * Unfairness. After steps_limit steps everyone gets his turn, a few steps each, whatever the
 * strategy wants; who is then not done after ten times as many is in a livelock.
 *
 * Deaths. A backend that dies is not run any more; its life locks become owner-dead. Its private
 * memory stays as it is, for nobody, until everything is set back.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "faults/explore/machine.h"

#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "faults/explore/debug.h"
#include "faults/explore/state.h"

struct runtime runtime;
struct machine machine;

bool machine_runs(void)
{
    return machine.running != NULL && machine.running != &machine.own;
}

uint32_t machine_self(void)
{
    return machine.self;
}

uint32_t machine_id(uint32_t backend)
{
    return machine.processes[backend].former * PROCESSES + backend + 1;
}

uint32_t machine_of(uint32_t id)
{
    return (id - 1) % PROCESSES;
}

struct arena *machine_arena(void)
{
    return &self_process()->arena;
}

uint64_t machine_now_ns(void)
{
    return machine_is_session() ? session_now_ns() : machine.now_ns;
}

const struct finding *machine_finding(void)
{
    return &machine.finding;
}

uint64_t machine_steps_of(uint32_t backend)
{
    return machine.processes[backend].steps;
}

uint32_t machine_dead(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        count += machine_is_dead(i);
    }
    return count;
}

uint32_t machine_blocks_of(uint32_t backend)
{
    return machine.processes[backend].arena.head->blocks;
}

bool machine_is_dead(uint32_t backend)
{
    return machine.processes[backend].state == DEAD;
}

bool machine_lives(uint32_t backend)
{
    return machine.processes[backend].state != DEAD;
}

struct machine_event machine_event(uint64_t step)
{
    const uint64_t event = runtime.events[step & (RUNTIME_EVENTS - 1)];

    return (struct machine_event){
        .agent = (uint8_t)event,
        .kind = (uint8_t)(event >> 8),
        .bytes = (uint16_t)(event >> 16),
        .offset = (uint32_t)(event >> 32),
    };
}

uint64_t machine_hash(void)
{
    uint64_t hash = runtime.step;

    for (uint64_t i = 0; i < runtime.step && i < RUNTIME_EVENTS; i++) {
        hash = (hash ^ runtime.events[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

uint64_t machine_order(void)
{
    return order_fingerprint(&runtime.order);
}

void machine_watch(void (*watch)(void *argument, const struct machine_access *access),
                   void *argument)
{
    machine.watch = watch;
    machine.watch_argument = argument;
}

/* ---- whose process is there ------------------------------------------------------------------ */

static void copy_locals(uint64_t *to, const uint64_t *from)
{
    for (size_t i = 0; i < machine.locals_words; i++) {
        to[i] = from[i];
    }
}

void machine_become(uint32_t backend)
{
    if (backend != machine.self) {
        machine_enter(backend);
    }
}

void machine_switch(struct fiber *to, uint32_t index)
{
    struct fiber *from = machine.running;

    machine_become(index);
    machine.running = to;
    fiber_switch(from, to);
}

/* Back to who called us; what runs is left as it is. */
void machine_leave(enum machine_end end)
{
    if (machine.result != NULL) {
        machine_count_steps();
        machine.result->end = end;
    }
    runtime.size_bytes = 0;
    machine_switch(&machine.own, MACHINE_NOBODY);
}

void machine_fail(enum oracle oracle, const char *format, ...)
{
    va_list arguments;

    machine.finding.oracle = oracle;
    va_start(arguments, format);
    (void)vsnprintf(machine.finding.message, sizeof(machine.finding.message), format, arguments);
    va_end(arguments);
    if (!machine_runs() || machine_is_joined()) { /* nobody could be told */
        (void)fprintf(stderr, "sinval: %s\n", machine.finding.message);
        abort();
    }
    explore_fatal_step();
    machine_leave(MACHINE_FAILED);
    abort(); /* nobody comes back here */
}

/* ---- one execution --------------------------------------------------------------------------- */

/* Where a backend starts. */
static void backend_main(void)
{
    (void)machine_take_signal();
    machine.settings.run(machine.settings.argument, machine.self);
    machine_count_steps();
    self_process()->state = OVER;
    state_leave();
    machine.ready &= ~(UINT64_C(1) << machine.self);
    runtime.until = 0;
    machine_choose();
    abort(); /* nobody comes back here */
}

static void set_back(void)
{
    const uint32_t backends = machine.settings.backends;

    memcpy(machine.settings.base, machine.saved, machine.settings.size_bytes);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (i >= backends && i != MACHINE_NOBODY) {
            continue;
        }
        arena_restore(&process->arena);
        copy_locals(process->locals, process->saved_locals);
        process->state = i < backends ? READY : OVER;
        process->steps = 0;
        process->stack = NULL;
        process->placed = false;
        process->guards = (struct explore_guards){0};
        process->dies_at = NEVER;
        process->signals = 0;
        process->arrives_at = NEVER;
        process->arrived = false;
        process->handling = false;
    }
    copy_locals(machine.locals, self_process()->locals);
    if (machine_searches()) {
        state_set_back();
    }
    machine.ready = (UINT64_C(1) << backends) - 1;
    machine.waiting = 0;
    machine.last = EXPLORE_NOBODY;
    machine.since = 0;
    machine.lines = 0;
    machine.granted = 0;
    runtime.spun_offset = RUNTIME_NOWHERE;
    machine.now_ns = START_NS;
    machine.script_at = 0;
    machine.finding.oracle = ORACLE_NONE;
    runtime.changed = false;
}

/* What each agent does next, before it has begun. */
static void set_steps(void)
{
    const uint32_t backends = machine.settings.backends;

    machine.choice = (struct explore_choice){.next = machine.next};
    for (uint32_t i = 0; i < 3 * backends; i++) {
        machine.next[i] = (struct explore_step){
            .kind = EXPLORE_NONE, .span = 1, .agent = (uint8_t)i, .victim = EXPLORE_NOBODY};
        if (i >= backends) {
            machine.next[i].victim = (uint8_t)(i < 2 * backends ? i - backends : i - 2 * backends);
        }
        if (i >= backends && i < 2 * backends) {
            machine.next[i].kind = EXPLORE_UPDATE; /* of its life lock: slot i is backend i's */
            machine.next[i].object = i - backends + 1 < machine.life_count
                                         ? machine.lives[i - backends + 1] / RUNTIME_GRANULE
                                         : 0;
        }
    }
}

/* The first pick is not made on the stack to which the last one returns. */
static void start_main(void)
{
    machine_choose();
    abort(); /* nobody comes back here */
}

void machine_execute(struct strategy *strategy, const struct machine_faults *faults,
                     struct recorder *recorder, struct machine_result *result)
{
    static const struct machine_faults none;

    *result = (struct machine_result){.end = MACHINE_FAILED};
    machine.strategy = strategy;
    set_back();
    set_steps();
    machine.recorder = recorder;
    machine.faults = faults != NULL ? *faults : none;
    machine.deaths_left = strategy->kind->searches ? machine.faults.deaths : 0;
    if (strategy->kind->searches) {
        machine.faults.deaths = 0;
    }
    machine.result = result;
    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        fiber_reset(&machine.processes[i].fiber, backend_main);
    }
    for (uint32_t i = 0; i < machine.faults.deaths; i++) {
        const struct machine_death *death = &machine.faults.death[i];
        if (!death->of_all) {
            machine.processes[death->victim].dies_at = death->at;
        }
    }
    runtime.base = (uintptr_t)machine.settings.base;
    runtime.size_bytes = machine.settings.size_bytes;
    runtime.step = 0;
    runtime.until = 0;
    order_begin(&runtime.order);
    fiber_reset(&machine.aside, start_main);
    environment_set_alarm();
    machine.running = &machine.own;
    machine_switch(&machine.aside, MACHINE_NOBODY);
    result->steps = runtime.step;
    machine.result = NULL;
}

/* ---- aside ----------------------------------------------------------------------------------- */

static void aside_main(void)
{
    machine.aside_function(machine.aside_argument, machine.self);
    machine_leave(MACHINE_FINISHED);
    abort(); /* nobody comes back here */
}

bool machine_aside(uint32_t backend, void (*function)(void *argument, uint32_t backend),
                   void *argument)
{
    machine.aside_function = function;
    machine.aside_argument = argument;
    machine.result = NULL;
    machine.finding.oracle = ORACLE_NONE;
    machine.aside_until_ns = machine.now_ns + ASIDE_NS;
    runtime.size_bytes = 0;
    fiber_reset(&machine.aside, aside_main);
    machine.running = &machine.own;
    machine_switch(&machine.aside, backend);
    return machine.finding.oracle == ORACLE_NONE;
}

/* ---- making it ------------------------------------------------------------------------------- */

/* The thread-locals of this program, which are the traced code's: nothing else here has any. */
static int find_locals(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    (void)argument;
    for (uint32_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            machine.locals = info->dlpi_tls_data;
            machine.locals_words = info->dlpi_phdr[i].p_memsz / sizeof(uint64_t);
        }
    }
    return 1; /* the program itself comes first: no other */
}

int machine_create(uint32_t backends, size_t stack_bytes, size_t memory_bytes)
{
    machine = (struct machine){.self = MACHINE_NOBODY,
                               .now_ns = START_NS,
                               .tick_at = NEVER,
                               .choice = {.next = machine.next}};
    memset(&runtime, 0, offsetof(struct runtime, events));
    runtime.self = MACHINE_NOBODY;
    machine.settings.backends = backends;
    (void)dl_iterate_phdr(find_locals, NULL);
    sv_assert(machine.locals_words <= LOCALS_MAX, "%zu words of thread-locals, at most %d",
              machine.locals_words, LOCALS_MAX);
    int result = 0;
    for (uint32_t i = 0; i < PROCESSES && result == 0; i++) {
        struct process *process = &machine.processes[i];
        struct fiber *fiber = i == MACHINE_NOBODY ? &machine.aside : &process->fiber;
        process->state = i < backends ? READY : OVER;
        if (i < backends || i == MACHINE_NOBODY) {
            result = fiber_create(fiber, stack_bytes, memory_bytes);
            if (result == 0) {
                process->own = (uintptr_t)fiber_top(fiber) - stack_bytes;
                arena_begin(&process->arena, fiber_top(fiber), memory_bytes);
            }
        }
    }
    return result;
}

void machine_destroy(void)
{
    runtime.memory_bytes = 0;
    fiber_free(&machine.aside);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        arena_free(&machine.processes[i].arena);
        fiber_free(&machine.processes[i].fiber);
    }
    free(machine.saved);
    free(machine.settings.judged);
    order_close(&runtime.order);
    state_free();
}

int machine_unshare(void)
{
    const struct machine_settings *settings = &machine.settings;
    const void *mapped = mmap(settings->base, settings->size_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    return mapped != MAP_FAILED ? 0 : -errno; /* its contents are set back anyway */
}

int machine_make_order(void)
{
    const size_t objects = (machine.settings.size_bytes - 1) / RUNTIME_GRANULE + 1;
    const int result = order_open(&runtime.order, (uint32_t)objects);

    if (result == 0) {
        order_begin(&runtime.order);
    }
    return result;
}

int machine_keep(const struct machine_settings *settings)
{
    uint8_t *saved = malloc(settings->size_bytes);

    if (saved == NULL) {
        return -ENOMEM;
    }
    memcpy(saved, settings->base, settings->size_bytes);
    machine.saved = saved;
    machine.settings = *settings;
    runtime.judged = settings->judged;
    foreign_begin();
    for (uint32_t i = 0; i < machine.life_count; i++) {
        machine.lives[i] -= (uint32_t)((uintptr_t)settings->base & UINT32_MAX);
    }
    copy_locals(self_process()->locals, machine.locals);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        copy_locals(process->saved_locals, process->locals);
        if (process->arena.bytes != NULL && arena_save(&process->arena) != 0) {
            return -ENOMEM;
        }
    }
    const int result = state_keep();
    return result == 0 ? machine_make_order() : result;
}
