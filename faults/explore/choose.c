/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who goes on, and with how many steps (machine.c, A step).
 */
#include <stdlib.h>
#include <string.h>

#include "faults/explore/machine_own.h"

/* How many steps the backend that goes on may take before the environment is looked at again. */
static uint64_t quiet_steps(const struct process *process)
{
    const uint64_t limit = machine.settings.steps_limit;
    uint64_t until = sooner(machine.alarm, runtime.step < limit ? limit : NEVER);

    if (process->dies_at != NEVER) {
        until = sooner(until, runtime.step + process->dies_at - process->steps);
    }
    return until > runtime.step ? until - runtime.step : 0;
}

/* Everyone gets his turn. */
static uint32_t fair_pick(struct explore_choice *choice)
{
    const uint32_t from = choice->current == EXPLORE_NOBODY ? 0 : choice->current + 1;
    const uint64_t after = choice->enabled & ~((UINT64_C(1) << from) - 1);

    if (runtime.step > machine.settings.steps_limit * LIVELOCK_LIMITS) {
        machine_fail(ORACLE_O4, "livelock: nobody came to an end in %llu steps, %llu of them fair",
                     (unsigned long long)runtime.step,
                     (unsigned long long)(runtime.step - machine.settings.steps_limit));
    }
    choice->run = FAIR_STEPS - 1;
    return (uint32_t)__builtin_ctzll(after != 0 ? after : choice->enabled);
}

/* Returns: the agent who takes the next step. */
static uint32_t pick(struct explore_choice *choice)
{
    *choice = (struct explore_choice){.enabled = machine.ready,
                                      .number = runtime.step,
                                      .current = machine.last,
                                      .next = machine.next};
    if (runtime.step >= machine.settings.steps_limit) {
        return fair_pick(choice);
    }
    if (machine_searches()) {
        choice->enabled |= environment_agents();
    }
    const uint32_t agent = machine.strategy->kind->pick(machine.strategy, choice);
    if (agent == EXPLORE_STOP) {
        machine_leave(MACHINE_DROPPED);
    }
    if (machine.recorder != NULL && agent < machine.settings.backends) {
        recorder_pick(machine.recorder, choice, agent);
    }
    return agent;
}

/* Its step is no access: it starts, wakes up, or begins to handle a signal. */
static bool is_private(const struct explore_step *step)
{
    return step->kind == EXPLORE_NONE || step->kind == EXPLORE_ALL;
}

static void go_on(uint32_t backend, uint64_t run)
{
    if (is_private(&machine.next[backend])) { /* an access counts itself */
        runtime_note(machine.next[backend].kind, 0, 0, backend);
        runtime.step++;
        if (runtime.order != NULL) {
            order_step(runtime.order, &machine.next[backend]);
        }
    }
    const uint64_t quiet = quiet_steps(&machine.processes[backend]);

    run = run < quiet ? run : quiet > 0 ? quiet - 1 : 0;
    if (machine.last != backend) {
        machine.result->switches++;
    }
    machine.last = backend;
    runtime.run = machine.watch == NULL ? run : 0;
    machine.granted = machine.watch == NULL ? 0 : run;
    machine.spun_offset = RUNTIME_NOWHERE;
    if (machine.running != &machine.processes[backend].fiber) {
        machine_switch(&machine.processes[backend].fiber, backend);
    }
}

/* What was to be judged has happened. */
static void judge_change(void)
{
    if (machine.changed) {
        machine.changed = false;
        machine.settings.judge(machine.settings.argument, &machine.change);
    }
}

void runtime_judge(uint32_t offset)
{
    machine.changed = true;
    machine.change = (struct machine_change){.backend = machine.self, .offset = offset};
    memcpy(&machine.change.before,
           (const uint8_t *)machine.settings.base + (offset & ~(uint32_t)(RUNTIME_GRANULE - 1)),
           sizeof(machine.change.before));
    if (runtime.run > 0) { /* the next step asks, and is then granted */
        machine.granted = runtime.run;
        runtime.run = 0;
    }
}

/* Until it is the turn of who called; never, if it cannot go on any more. */
void machine_choose(void)
{
    struct explore_choice choice;

    judge_change();
    machine_count_steps();
    for (;;) {
        if (__builtin_expect(environment_is_due(), 0)) {
            environment_acts();
        }
        while (machine.ready == 0) {
            if (!machine_stir()) {
                machine_leave(MACHINE_FINISHED);
            }
        }
        const uint32_t agent = pick(&choice);
        if (agent < machine.settings.backends) {
            go_on(agent, choice.run);
            return;
        }
        environment_step(agent);
    }
}

/* A signal has come: the handler runs, on whatever stack this is. */
bool machine_take_signal(void)
{
    struct process *process = self_process();

    if (!process->arrived) {
        return false;
    }
    process->arrived = false;
    process->handling = true;
    if (machine.handler != NULL) {
        machine.handler(machine.signal_number);
    }
    process->handling = false;
    environment_set_alarm(); /* another one may be waiting */
    return true;
}

static void watch(const struct machine_access *access)
{
    struct machine_access seen = *access;

    if (machine.watch != NULL) {
        seen.number = runtime.step;
        seen.backend = machine.self;
        machine.watch(machine.watch_argument, &seen);
    }
}

bool runtime_ask(const struct machine_access *access)
{
    judge_change();
    if (access->offset == machine.spun_offset && access->kind == EXPLORE_READ) {
        return false;
    }
    machine.spun_offset = RUNTIME_NOWHERE;
    if (machine.granted > 0) {
        machine.granted--;
        if (machine.watch == NULL) { /* it was taken back for a spin only */
            runtime.run = machine.granted;
            machine.granted = 0;
        }
        watch(access);
        return true;
    }
    do {
        machine.next[machine.self] =
            explore_step_at(access->kind, access->offset, access->bytes, machine.self);
        machine_choose();
    } while (machine_take_signal());
    watch(access);
    return true;
}
