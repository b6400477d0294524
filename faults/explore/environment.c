/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What happens to backends from outside: deaths, and the arrival of signals (machine.c, Agents).
 */
#include "faults/explore/state.h"

/* Its life locks are owner-dead from now on. */
static void mark_lives(uint32_t victim)
{
    for (uint32_t i = 0; i < machine.life_count; i++) {
        uint32_t *life = (uint32_t *)(void *)((uint8_t *)machine.settings.base + machine.lives[i]);
        if (life[0] == machine_id(victim)) {
            if (machine_searches()) {
                state_change(machine.lives[i], 2 * sizeof(life[0]));
            }
            life[0] = 0;
            life[1] = 1;
        }
    }
}

void environment_die(uint32_t victim)
{
    struct process *process = &machine.processes[victim];

    process->state = DEAD;
    process->signals = 0;
    process->arrives_at = NEVER;
    process->dies_at = NEVER;
    machine.ready &= ~(UINT64_C(1) << victim);
    machine.result->dead |= UINT64_C(1) << victim;
    machine.deaths_left -= machine.deaths_left > 0;
    mark_lives(victim);
}

/* Who has been woken stays so: a wake that ended its sleep is not lost to a signal. */
void environment_arrive(uint32_t victim)
{
    struct process *process = &machine.processes[victim];
    const enum machine_waking waking =
        process->state == ASLEEP ? MACHINE_INTERRUPTED : process->waking;

    process->signals--;
    process->arrives_at = process->signals > 0 ? runtime.step + 1 : NEVER;
    process->arrived = true;
    machine_make_ready(victim, waking, EXPLORE_NONE);
}

bool environment_may_arrive(uint32_t backend)
{
    const struct process *process = &machine.processes[backend];

    return process->signals > 0 && !process->handling && !process->arrived &&
           process->state != OVER && process->state != DEAD;
}

void environment_step(uint32_t agent)
{
    const uint32_t backends = machine.settings.backends;

    machine_count_steps();
    order_step(&runtime.order, &machine.next[agent]);
    if (agent >= 2 * backends) {
        environment_arrive(agent - 2 * backends);
    } else {
        environment_die(agent - backends);
    }
    runtime_note(EXPLORE_NONE, 0, 0, agent);
    machine.since = runtime.step;
    machine.last = EXPLORE_NOBODY;
    machine_set_due();
}

void environment_deviate(uint32_t agent)
{
    if (machine.recorder != NULL) {
        recorder_add(machine.recorder,
                     (struct deviation){DEVIATION_PICK, (uint32_t)runtime.step, agent});
    }
    environment_step(agent);
}

/* What a replay's script says for this step. Returns: an agent; EXPLORE_NOBODY. */
static uint32_t scripted(void)
{
    const struct machine_faults *faults = &machine.faults;

    while (machine.script_at < faults->script_count) {
        const struct deviation *deviation = &faults->script[machine.script_at];
        if (deviation->kind == DEVIATION_PICK && deviation->at >= runtime.step &&
            deviation->target >= machine.settings.backends) {
            return deviation->at == runtime.step ? deviation->target : EXPLORE_NOBODY;
        }
        machine.script_at++;
    }
    return EXPLORE_NOBODY;
}

static bool death_is_due(const struct machine_death *death)
{
    const struct process *victim = &machine.processes[death->victim];

    return (victim->state == READY || victim->state == ASLEEP) &&
           (death->of_all ? runtime.step : victim->steps) >= death->at;
}

/* What the environment has to do now. Returns: an agent; EXPLORE_NOBODY. */
static uint32_t due(void)
{
    const struct machine_faults *faults = &machine.faults;

    if (faults->script != NULL) {
        return scripted();
    }
    for (uint32_t i = 0; i < faults->deaths; i++) {
        if (death_is_due(&faults->death[i])) {
            return death_of(faults->death[i].victim);
        }
    }
    for (uint32_t i = 0; i < machine.settings.backends && !machine_searches(); i++) {
        if (machine.processes[i].arrives_at <= runtime.step && environment_may_arrive(i)) {
            return arrival_at(i);
        }
    }
    return EXPLORE_NOBODY;
}

/* When has the environment to be looked at next, but for deaths in a backend's own steps? */
static void set_alarm(void)
{
    const struct machine_faults *faults = &machine.faults;

    machine.alarm = machine.tick_at;
    if (faults->script != NULL) {
        if (machine.script_at < faults->script_count) {
            machine.alarm = faults->script[machine.script_at].at;
        }
        return;
    }
    for (uint32_t i = 0; i < faults->deaths; i++) {
        const struct machine_death *death = &faults->death[i];
        if (death->of_all && machine.processes[death->victim].state != DEAD) {
            machine.alarm = sooner(machine.alarm, death->at);
        }
    }
    for (uint32_t i = 0; i < machine.settings.backends && !machine_searches(); i++) {
        if (environment_may_arrive(i)) {
            machine.alarm = sooner(machine.alarm, machine.processes[i].arrives_at);
        }
    }
}

void environment_set_alarm(void)
{
    set_alarm();
    machine_set_due();
}

static bool may_happen(uint32_t agent)
{
    const uint32_t backends = machine.settings.backends;
    const uint32_t backend = agent < 2 * backends ? agent - backends : agent - 2 * backends;

    if (agent >= 2 * backends) {
        return agent < 3 * backends && environment_may_arrive(backend);
    }
    return machine.processes[backend].state == READY || machine.processes[backend].state == ASLEEP;
}

/* What a search can choose from besides the backends. */
uint64_t environment_agents(void)
{
    uint64_t agents = 0;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        if (machine.deaths_left > 0 && may_happen(death_of(i))) {
            agents |= UINT64_C(1) << death_of(i);
        }
        if (environment_may_arrive(i)) {
            agents |= UINT64_C(1) << arrival_at(i);
        }
    }
    return agents;
}

/* The environment takes its steps, if any are due. */
void environment_acts(void)
{
    while (environment_is_due()) {
        if (runtime.step >= machine.tick_at) {
            session_tick();
            environment_set_alarm();
            continue;
        }
        const uint32_t agent = due();
        if (agent != EXPLORE_NOBODY && may_happen(agent)) {
            environment_deviate(agent);
        } else if (machine.faults.script != NULL && agent != EXPLORE_NOBODY) {
            machine.script_at++; /* of a list that was cut down */
        } else {
            environment_set_alarm();
            break;
        }
        environment_set_alarm();
    }
}
