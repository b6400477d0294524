/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sessions.
 *
 * In an execution time passes only while everybody sleeps. Here it also passes with the steps that
 * are taken, a tick every TICK_STEPS: then sleeps end whose time is up, and who called us gets its
 * turn if that was to be. So nobody who is busy keeps the others asleep, and nothing depends on how
 * fast anything runs.
 *
 * The turn of who called comes in the middle of machine_choose, on whatever stack that is called:
 * the stack is left as it is, and entered again by the next session_run, unless it was the end of a
 * process.
 *
 * That nobody can go on and no sleep has an end is no deadlock here: who called may wake somebody,
 * and judges by the time that passes.
 */
#include "faults/explore/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "faults/explore/machine_own.h"

#define TICK_STEPS 1000
#define STEP_NS    100
#define TICK_NS    ((uint64_t)TICK_STEPS * STEP_NS)

struct session {
    struct fiber *interrupted; /* and in whose process; NULL: nobody is, or who was has ended */
    uint32_t self;
    uint64_t hashed; /* steps that are in the hash */
    uint64_t hash;
    struct machine_result result;
};

static struct session session;

static void add_events(void)
{
    for (; session.hashed < runtime.step; session.hashed++) {
        session.hash = (session.hash ^ runtime.events[session.hashed & (RUNTIME_EVENTS - 1)]) *
                       UINT64_C(0x9e3779b97f4a7c15);
        session.hash ^= session.hash >> 32;
    }
}

uint64_t session_hash(void)
{
    add_events();
    return random_hash(session.hash, machine.now_ns);
}

/* It is the turn of who called; with a stack to come back to, or none. */
static void give_turn(struct fiber *stack)
{
    machine_count_steps();
    session.interrupted = stack;
    session.self = machine.self;
    machine.aside_until_ns = machine.now_ns + ASIDE_NS;
    runtime.size_bytes = 0;
    machine_switch(&machine.own, MACHINE_NOBODY);
}

static _Noreturn void end_process(void)
{
    machine_end_grant();
    if (machine_is_joined()) {
        machine_choose();
    }
    give_turn(NULL);
    abort(); /* nobody comes back here */
}

/* Where a process starts. */
static void process_main(void)
{
    machine.settings.run(machine.settings.argument, machine.self);
    self_process()->state = OVER;
    machine.ready &= ~(UINT64_C(1) << machine.self);
    end_process();
}

/* ---- who called ------------------------------------------------------------------------------ */

void session_open(const struct machine_settings *settings, struct strategy *strategy)
{
    session = (struct session){0};
    machine.settings = *settings;
    machine.settings.steps_limit = NEVER;
    machine.settings.owed = NULL;
    machine.strategy = strategy;
    machine.result = &session.result;
    for (uint32_t i = 0; i < machine.life_count; i++) {
        machine.lives[i] -= (uint32_t)((uintptr_t)settings->base & UINT32_MAX);
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        memcpy(process->saved_locals, machine.locals, machine.locals_words * sizeof(uint64_t));
        process->state = OVER;
        process->dies_at = NEVER;
        process->arrives_at = NEVER;
    }
    machine.ready = 0;
    machine.last = EXPLORE_NOBODY;
    runtime.spun_offset = RUNTIME_NOWHERE;
    machine.running = &machine.own;
    machine.aside_until_ns = machine.now_ns + ASIDE_NS;
    machine.tick_at = TICK_STEPS;
    runtime.base = (uintptr_t)settings->base;
    const int made = machine_make_order();
    sv_assert(made == 0, "no memory to explore %zu bytes", settings->size_bytes);
    environment_set_alarm();
}

void session_start(uint32_t backend)
{
    struct process *process = &machine.processes[backend];

    process->former++;
    process->signals = 0;
    process->arrives_at = NEVER;
    process->arrived = false;
    process->handling = false;
    arena_clear(&process->arena);
    memcpy(process->locals, process->saved_locals, sizeof(process->locals));
    fiber_reset(&process->fiber, process_main);
    session.result.dead &= ~(UINT64_C(1) << backend);
    machine_make_ready(backend, MACHINE_WOKEN, EXPLORE_NONE);
}

static void choose(void)
{
    machine_choose();
    abort(); /* nobody comes back here */
}

bool session_run(uint64_t until_ns)
{
    machine.until_ns = until_ns;
    session.result.end = MACHINE_FINISHED;
    runtime.size_bytes = machine.settings.size_bytes;
    machine.since = runtime.step;
    if (session.interrupted != NULL) {
        machine_switch(session.interrupted, session.self);
    } else {
        fiber_reset(&machine.aside, choose);
        machine_switch(&machine.aside, MACHINE_NOBODY);
    }
    return session.result.end == MACHINE_FINISHED;
}

void session_join(void)
{
    struct process *process = &machine.processes[0];

    machine.until_ns = NEVER;
    machine.self = 0;
    runtime.self = 0;
    process->former++;
    machine_make_ready(0, MACHINE_WOKEN, EXPLORE_NONE);
    machine.running = &process->fiber;
    machine.since = runtime.step;
    runtime.size_bytes = machine.settings.size_bytes;
}

void session_over(void)
{
    runtime.size_bytes = 0;
    machine.tick_at = NEVER;
    machine.running = &machine.own;
    machine.processes[0].state = OVER;
}

/* ---- what runs ------------------------------------------------------------------------------- */

uint64_t session_now_ns(void)
{
    const uint64_t steps = runtime.step + TICK_STEPS - machine.tick_at;

    return machine.now_ns + (steps < TICK_STEPS ? steps : TICK_STEPS) * STEP_NS;
}

void session_tick(void)
{
    add_events();
    machine.now_ns += TICK_NS;
    machine.tick_at = runtime.step + TICK_STEPS;
    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        if (machine.processes[i].state == ASLEEP &&
            machine.processes[i].until_ns <= machine.now_ns) {
            machine_time_out(i);
        }
    }
    if (machine.now_ns >= machine.until_ns) {
        give_turn(machine.running);
    }
}

void session_wait(void)
{
    if (machine.now_ns < machine.until_ns) {
        machine.now_ns = machine.until_ns;
    }
    give_turn(machine.running);
}

void session_die(void)
{
    environment_die(machine.self);
    end_process();
}

void session_rest(uint64_t until_ns, bool deaf)
{
    static const struct sv_atomic32 nothing;

    struct process *process = self_process();
    const bool handling = process->handling;

    process->handling = handling || deaf;
    while (machine.now_ns < until_ns) {
        process->until_ns = until_ns;
        machine_lie_down(&(struct machine_bed){.word = &nothing});
        machine_choose();
        (void)machine_take_signal();
    }
    process->handling = handling;
    environment_set_alarm(); /* what has waited may come */
}
