/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who goes on, and with how many steps (machine.c, A step).
 */
#include <string.h>

#include "faults/explore/state.h"

/* Before which step dies who runs, if it takes all of them? */
static uint64_t death_step(void)
{
    const struct process *process = self_process();

    if (process->dies_at == NEVER) {
        return NEVER;
    }
    return machine.since +
           (process->dies_at > process->steps ? process->dies_at - process->steps : 0);
}

void machine_set_due(void)
{
    machine.due = sooner(sooner(machine.alarm, death_step()), machine.settings.steps_limit);
}

/* How many steps may who runs take before the environment is looked at again, or it is another's
 * turn? */
static uint64_t quiet_steps(void)
{
    const bool fair = runtime.step >= machine.settings.steps_limit;
    const uint64_t until = fair ? sooner(machine.alarm, death_step()) : machine.due;

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

static struct explore_guards guards_of(const struct explore_choice *choice, uint32_t agent)
{
    (void)choice;
    return machine.processes[agent].guards;
}

/* Returns: the agent who takes the next step. */
static uint32_t pick(struct explore_choice *choice)
{
    choice->enabled = machine.ready;
    choice->waiting = machine.waiting;
    choice->number = runtime.step;
    choice->current = machine.last;
    choice->run = 0;
    choice->stops[0] = choice->stops[1] = 0;
    if (__builtin_expect(runtime.step >= machine.settings.steps_limit, 0)) {
        return fair_pick(choice);
    }
    if (machine_searches()) {
        choice->enabled |= environment_agents();
        choice->state = STATE_IS_KNOWN ? state_hash : NULL;
        choice->guards = guards_of;
        choice->broken = machine.broken;
        choice->judged = machine.settings.judged;
        choice->noted = machine.deaths_left > 0 && state_noted();
    }
    const uint32_t agent = machine.strategy->kind->pick(machine.strategy, choice);
    if (__builtin_expect(agent == EXPLORE_STOP, 0)) {
        machine_leave(MACHINE_DROPPED);
    }
    if (machine.recorder != NULL && agent < machine.settings.backends) {
        recorder_pick(machine.recorder, choice, agent);
    }
    return agent;
}

/* Every step has to be written down: it is granted without a question, but not unseen. */
static bool notes_all(void)
{
    return machine.watch != NULL || machine_searches();
}

static void go_on(uint32_t backend, const struct explore_choice *choice)
{
    const struct explore_step *next = &machine.next[backend];
    struct fiber *const from = machine.running;
    struct fiber *const to = &machine.processes[backend].fiber;

    if (to != from) {
        machine_count_steps();
    }
    const bool counts_itself = runtime_is_access(next->kind);
    if (!counts_itself) {
        order_step(&runtime.order, next);
        runtime_note(next->kind, 0, 0, backend);
    }
    machine.result->switches += machine.last != backend;
    machine.last = backend;
    if (to != from) {
        machine_enter(backend);
        machine_set_due();
    }
    const uint64_t quiet = quiet_steps();
    const uint64_t run = choice->run < quiet ? choice->run : quiet > 0 ? quiet - 1 : 0;
    machine.granted = notes_all() ? run : 0;
    runtime_grant(counts_itself + (notes_all() ? 0 : run));
    runtime.stops[0] = choice->stops[0];
    runtime.stops[1] = choice->stops[1];
    runtime.spun_offset = RUNTIME_NOWHERE;
    if (to != from) {
        machine.running = to;
        fiber_switch(from, to);
    }
}

void runtime_judge_change(void)
{
    runtime.changed = false;
    machine.settings.judge(machine.settings.argument, &machine.change);
}

void runtime_judge(uint32_t offset, bool itself)
{
    runtime.changed = true;
    machine.change = (struct machine_change){.backend = machine.self, .offset = offset};
    memcpy(&machine.change.before,
           (const uint8_t *)machine.settings.base + (offset & ~(uint32_t)(RUNTIME_GRANULE - 1)),
           sizeof(machine.change.before));
    if (itself) { /* the next step asks */
        machine_take_grant();
    }
}

/* Until it is the turn of who called; never, if it cannot go on any more. */
void machine_choose(void)
{
    struct explore_choice *choice = &machine.choice;

    explore_changed();
    for (;;) {
        if (__builtin_expect(runtime.step >= machine.due, 0)) {
            machine_count_steps();
            environment_acts();
        }
        if (machine.ready == 0) {
            if (!machine_stir()) {
                machine_leave(MACHINE_FINISHED);
            }
            continue; /* that may have been a step */
        }
        const uint32_t agent = pick(choice);
        if (agent < machine.settings.backends) {
            go_on(agent, choice);
            return;
        }
        environment_deviate(agent);
    }
}

void machine_run_handler(void)
{
    struct process *process = self_process();

    process->arrived = false;
    process->handling = true;
    if (machine.handler != NULL) {
        machine.handler(machine.signal_number);
    }
    process->handling = false;
    environment_set_alarm(); /* another one may be waiting */
}

/* It was granted with those before, but taken back: for a spin, or because all is written down. */
static bool was_granted(const struct explore_step *step)
{
    if (machine.granted == 0 || runtime_stops(step)) {
        return false;
    }
    machine.granted--;
    if (!notes_all()) {
        runtime_grant(1 + machine.granted); /* this one is not taken yet */
        machine.granted = 0;
    }
    return true;
}

bool runtime_ask(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes, const void *pc)
{
    explore_changed();
    if (offset == runtime.spun_offset && kind == EXPLORE_READ) {
        return false;
    }
    runtime.spun_offset = RUNTIME_NOWHERE;
    const struct explore_step step = explore_step_at(kind, offset, bytes, machine.self);
    if (!was_granted(&step)) {
        do {
            machine.next[machine.self] = step;
            state_stand();
            machine_choose();
        } while (machine_take_signal());
    }
    if (machine_searches()) {
        state_clear();
        if (kind != EXPLORE_READ && kind != EXPLORE_WAIT && kind != EXPLORE_WAKE) {
            state_change(offset, bytes);
        }
    }
    if (machine.watch != NULL) {
        machine.watch(machine.watch_argument, &(struct machine_access){.number = runtime.step,
                                                                       .backend = machine.self,
                                                                       .kind = kind,
                                                                       .order = order,
                                                                       .offset = offset,
                                                                       .bytes = bytes,
                                                                       .pc = pc});
    }
    return true;
}
