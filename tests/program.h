/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Abstract programs: what strategies are tested on.
 *
 * A program is a list of operations for each agent, on words, locks and sleepers' lines; a machine
 * carries it out one step at a time, as a strategy says, and notes the steps. Small enough to be
 * gone through in every order without any reduction.
 */
#ifndef SINVAL_TESTS_PROGRAM_H
#define SINVAL_TESTS_PROGRAM_H

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "faults/explore/deviation.h"
#include "faults/explore/order.h"
#include "faults/explore/strategy.h"
#include "faults/random.h"

#define PROGRAM_AGENTS_MAX     8
#define PROGRAM_OPERATIONS_MAX 24
#define PROGRAM_OBJECTS_MAX    16
#define EXECUTION_STEPS_MAX    128

/*
 * What it does to its word or lock is in the kind's name; further:
 *   EXPLORE_WRITE   sets the word to value
 *   EXPLORE_UPDATE  adds one to it
 *   EXPLORE_READ, EXPLORE_UPDATE
 *                   if the word was below `least` before, the next `skip` operations are left out
 *   EXPLORE_WAIT    sleeps if the word is 0
 *   EXPLORE_WAKE    wakes the first in the line
 *   EXPLORE_NONE    with yields: asks that somebody else go first; with draws: leaves out as many
 *                   of the next operations as it draws, less than draws
 * With a victim, it ends that one, whose life lock is the object, unless it is at its end.
 */
struct operation {
    uint8_t kind;
    uint8_t object;
    uint8_t value;
    uint8_t skip;
    uint8_t least;  /* 0: as 1 */
    uint8_t victim; /* agent number + 1 */
    uint8_t draws;  /* 0: nothing */
    bool yields;
};

struct program {
    uint32_t agents;
    struct operation operations[PROGRAM_AGENTS_MAX][PROGRAM_OPERATIONS_MAX];
    uint32_t counts[PROGRAM_AGENTS_MAX];
};

struct machine {
    const struct program *program;
    uint32_t at[PROGRAM_AGENTS_MAX];       /* the next operation */
    uint32_t seen[PROGRAM_AGENTS_MAX];     /* all it read, each plus 1, in base 8 */
    uint32_t drawn[PROGRAM_AGENTS_MAX];    /* the same of what it drew */
    uint8_t value[PROGRAM_OBJECTS_MAX];    /* of words */
    uint8_t holder[PROGRAM_OBJECTS_MAX];   /* of locks: agent + 1 */
    uint8_t sharers[PROGRAM_OBJECTS_MAX];  /* of locks */
    uint8_t sleeps_on[PROGRAM_AGENTS_MAX]; /* object + 1 */
    uint32_t lines[PROGRAM_OBJECTS_MAX];   /* of sleepers, agent + 1 in 4 bits each */
    uint16_t shares[PROGRAM_AGENTS_MAX];   /* a set of locks */
    bool woken[PROGRAM_AGENTS_MAX];        /* goes on with a step of its own */
    bool dead[PROGRAM_AGENTS_MAX];
    bool yielded; /* the last step */
};

/* A schedule, and what came of it. */
struct execution {
    struct explore_step steps[EXECUTION_STEPS_MAX];
    uint32_t count;
    bool stopped;  /* by the strategy */
    bool deadlock; /* somebody was left who could not go on */
    struct machine machine;
    struct orders *orders; /* in: if not NULL, the strategy is told which are new */
};

#define OPERATION(...)   ((struct operation){__VA_ARGS__})
#define READ(word)       OPERATION(.kind = EXPLORE_READ, .object = (word))
#define READ_OR(word, n) OPERATION(.kind = EXPLORE_READ, .object = (word), .skip = (n))
#define READ_BELOW(word, v, n) \
    OPERATION(.kind = EXPLORE_READ, .object = (word), .least = (v), .skip = (n))
#define WRITE(word, v)    OPERATION(.kind = EXPLORE_WRITE, .object = (word), .value = (v))
#define UPDATE(word)      OPERATION(.kind = EXPLORE_UPDATE, .object = (word))
#define WAIT(word)        OPERATION(.kind = EXPLORE_WAIT, .object = (word))
#define WAKE(word)        OPERATION(.kind = EXPLORE_WAKE, .object = (word))
#define ACQUIRE(lock)     OPERATION(.kind = EXPLORE_ACQUIRE, .object = (lock))
#define RELEASE(lock)     OPERATION(.kind = EXPLORE_RELEASE, .object = (lock))
#define SHARE(lock)       OPERATION(.kind = EXPLORE_ACQUIRE_SHARED, .object = (lock))
#define UNSHARE(lock)     OPERATION(.kind = EXPLORE_RELEASE_SHARED, .object = (lock))
#define YIELD             OPERATION(.kind = EXPLORE_NONE, .yields = true)
#define PRIVATE           OPERATION(.kind = EXPLORE_NONE)
#define DRAW(n)           OPERATION(.kind = EXPLORE_NONE, .draws = (n))
#define KILL(agent, life) OPERATION(.kind = EXPLORE_WRITE, .object = (life), .victim = (agent) + 1)

/* The operations of an agent; a program of several. */
#define AGENT(...)   ((const struct operation[]){__VA_ARGS__, {.kind = EXPLORE_STEP_KINDS}})
#define PROGRAM(...) program_of((const struct operation *const[]){__VA_ARGS__, NULL})

static inline struct program program_of(const struct operation *const *agents)
{
    struct program program = {0};

    for (; agents[program.agents] != NULL; program.agents++) {
        const uint32_t agent = program.agents;
        cr_assert_lt(agent, PROGRAM_AGENTS_MAX);
        for (uint32_t i = 0; agents[agent][i].kind != EXPLORE_STEP_KINDS; i++) {
            cr_assert_lt(i, PROGRAM_OPERATIONS_MAX);
            program.operations[agent][program.counts[agent]++] = agents[agent][i];
        }
    }
    return program;
}

/* Is there nothing left of that backend to end? */
static inline bool machine_over(const struct machine *machine, uint32_t agent)
{
    return machine->dead[agent] || (machine->at[agent] >= machine->program->counts[agent] &&
                                    !machine->woken[agent] && machine->sleeps_on[agent] == 0);
}

/* What the agent does next. Returns: false: it is at its end. */
static inline bool machine_next(const struct machine *machine, uint32_t agent,
                                struct explore_step *step)
{
    const struct program *program = machine->program;

    *step = (struct explore_step){.span = 1, .agent = (uint8_t)agent, .victim = EXPLORE_NOBODY};
    if (machine->dead[agent]) {
        return false;
    }
    if (machine->woken[agent] || machine->sleeps_on[agent] != 0) {
        return true; /* EXPLORE_NONE */
    }
    if (machine->at[agent] >= program->counts[agent]) {
        return false;
    }
    const struct operation *operation = &program->operations[agent][machine->at[agent]];
    step->kind = operation->kind;
    step->object = operation->object;
    if (operation->victim != 0) {
        step->victim = (uint8_t)(operation->victim - 1);
        return !machine_over(machine, step->victim);
    }
    return true;
}

static inline bool machine_can(const struct machine *machine, uint32_t agent)
{
    struct explore_step step;

    if (!machine_next(machine, agent, &step) || machine->sleeps_on[agent] != 0) {
        return false;
    }
    switch (step.kind) {
    case EXPLORE_ACQUIRE:
        return machine->holder[step.object] == 0 && machine->sharers[step.object] == 0;
    case EXPLORE_ACQUIRE_SHARED:
        return machine->holder[step.object] == 0;
    default:
        return true;
    }
}

static inline void machine_leave_line(struct machine *machine, uint32_t agent)
{
    const uint32_t object = machine->sleeps_on[agent] - 1U;
    uint32_t kept = 0;
    uint32_t shift = 0;

    for (uint32_t line = machine->lines[object]; line != 0; line >>= 4) {
        if ((line & 15) != agent + 1) {
            kept |= (line & 15) << shift;
            shift += 4;
        }
    }
    machine->lines[object] = kept;
    machine->sleeps_on[agent] = 0;
}

static inline void machine_sleep(struct machine *machine, uint32_t agent, uint32_t object)
{
    uint32_t shift = 0;

    while ((machine->lines[object] >> shift & 15) != 0) {
        shift += 4;
    }
    machine->lines[object] |= (agent + 1) << shift;
    machine->sleeps_on[agent] = (uint8_t)(object + 1);
}

static inline void machine_read(struct machine *machine, uint32_t agent,
                                const struct operation *operation)
{
    machine->seen[agent] = machine->seen[agent] * 8 + machine->value[operation->object] + 1;
    if (machine->value[operation->object] < (operation->least == 0 ? 1 : operation->least)) {
        machine->at[agent] += operation->skip;
    }
}

static inline void machine_wake(struct machine *machine, uint32_t object)
{
    if (machine->lines[object] != 0) {
        const uint32_t first = (machine->lines[object] & 15) - 1;
        machine_leave_line(machine, first);
        machine->woken[first] = true;
    }
}

/* victim as in struct operation. */
static inline void machine_kill(struct machine *machine, uint32_t victim)
{
    if (victim != 0) {
        machine->dead[victim - 1] = true;
        if (machine->sleeps_on[victim - 1] != 0) {
            machine_leave_line(machine, victim - 1);
        }
    }
}

/* How many answers are there to what it draws in its next step? 1: it draws nothing. */
static inline uint32_t machine_answers(const struct machine *machine, uint32_t agent)
{
    const struct operation *operation = &machine->program->operations[agent][machine->at[agent]];

    return machine->woken[agent] || operation->draws == 0 ? 1 : operation->draws;
}

/* A number that stands for all that was drawn. */
static inline uint64_t machine_drawn(const struct machine *machine)
{
    uint64_t hash = 0;

    for (uint32_t agent = 0; agent < PROGRAM_AGENTS_MAX; agent++) {
        hash = random_hash(hash, machine->drawn[agent]);
    }
    return hash;
}

/* The agent takes its step, in which that is drawn. */
static inline void machine_take(struct machine *machine, uint32_t agent, uint32_t answer)
{
    const struct operation *operation = &machine->program->operations[agent][machine->at[agent]];
    const uint32_t object = operation->object;

    if (machine->woken[agent]) {
        machine->woken[agent] = false;
        machine->yielded = false;
        return;
    }
    machine->at[agent]++;
    machine->yielded = operation->yields;
    if (operation->draws != 0) {
        machine->drawn[agent] = machine->drawn[agent] * 8 + answer + 1;
        machine->at[agent] += answer;
    }
    switch (operation->kind) {
    case EXPLORE_READ:
        machine_read(machine, agent, operation);
        break;
    case EXPLORE_WRITE:
        machine->value[object] = operation->value;
        machine_kill(machine, operation->victim);
        break;
    case EXPLORE_UPDATE:
        machine_read(machine, agent, operation);
        machine->value[object]++;
        break;
    case EXPLORE_WAIT:
        if (machine->value[object] == 0) {
            machine_sleep(machine, agent, object);
        }
        break;
    case EXPLORE_WAKE:
        machine_wake(machine, object);
        break;
    case EXPLORE_ACQUIRE:
    case EXPLORE_RELEASE:
        machine->holder[object] = operation->kind == EXPLORE_ACQUIRE ? (uint8_t)(agent + 1) : 0;
        break;
    case EXPLORE_ACQUIRE_SHARED:
        machine->sharers[object]++;
        machine->shares[agent] |= (uint16_t)(1U << object);
        break;
    case EXPLORE_RELEASE_SHARED:
        machine->sharers[object]--;
        machine->shares[agent] &= (uint16_t) ~(1U << object);
        break;
    default:
        break;
    }
}

static bool machine_tells_states; /* to a strategy */
static bool machine_tells_guards;

/* As explore_choice.guards. */
static inline struct explore_guards machine_guards(const struct explore_choice *choice,
                                                   uint32_t agent)
{
    const struct machine *machine = choice->carrier;
    struct explore_guards guards = {.shared = machine->shares[agent]};

    for (uint32_t object = 0; object < PROGRAM_OBJECTS_MAX; object++) {
        guards.alone |= (uint64_t)(machine->holder[object] == agent + 1) << object;
    }
    return guards;
}

/* A number that stands for a state: all of it but for a yield, which is gone with the next step. */
static inline uint64_t machine_hash(const struct machine *machine)
{
    struct machine state = *machine;
    const uint8_t *bytes = (const uint8_t *)&state;
    uint64_t hash = 0;

    state.yielded = false;
    for (uint32_t agent = 0; agent < PROGRAM_AGENTS_MAX; agent++) {
        if (state.dead[agent]) { /* nobody sees how far it came */
            state.at[agent] = 0;
            state.seen[agent] = 0;
            state.drawn[agent] = 0;
            state.woken[agent] = false;
            state.shares[agent] = 0;
        }
    }
    for (size_t i = 0; i < sizeof(state); i++) {
        hash = random_hash(hash, bytes[i]);
    }
    return hash;
}

/* As explore_choice.state. */
static inline uint64_t machine_state(const struct explore_choice *choice)
{
    return machine_hash(choice->carrier);
}

/* Who can go on, who waits, and what they do next. */
static inline struct explore_choice machine_choice(const struct machine *machine,
                                                   struct explore_step *next)
{
    struct explore_choice choice = {.next = next,
                                    .yielded = machine->yielded,
                                    .state = machine_tells_states ? machine_state : NULL,
                                    .guards = machine_tells_guards ? machine_guards : NULL,
                                    .carrier = machine};

    for (uint32_t agent = 0; agent < machine->program->agents; agent++) {
        if (!machine_next(machine, agent, &next[agent])) {
            continue;
        }
        if (machine_can(machine, agent)) {
            choice.enabled |= UINT64_C(1) << agent;
        } else {
            choice.waiting |= UINT64_C(1) << agent;
        }
    }
    return choice;
}

/* A number that stands for a schedule: who took each step, and what it was. */
static inline uint64_t schedule_hash(const struct execution *execution)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < execution->count; i++) {
        const struct explore_step *step = &execution->steps[i];
        hash = random_hash(hash,
                           (uint64_t)step->object << 16 | (uint64_t)step->kind << 8 | step->agent);
    }
    return hash;
}

/*
 * The same for all schedules of the same order, and different for different ones: the hash of the
 * least of them, got by always taking the lowest agent whose first step left has no conflicting one
 * before it.
 */
static inline uint64_t order_by_force(const struct execution *execution)
{
    static struct execution least;
    const uint32_t count = execution->count;
    uint64_t before[EXECUTION_STEPS_MAX]; /* by step: a set of steps */
    uint64_t taken = 0;

    cr_assert_leq(count, 64);
    for (uint32_t i = 0; i < count; i++) {
        const struct explore_step *step = &execution->steps[i];
        before[i] = 0;
        for (uint32_t j = 0; j < i; j++) {
            const struct explore_step *other = &execution->steps[j];
            const bool ordered = other->agent == step->agent || explore_steps_conflict(other, step);
            before[i] |= (uint64_t)ordered << j;
        }
    }
    for (least.count = 0; least.count < count; least.count++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < count; i++) {
            if ((taken >> i & 1) == 0 && (before[i] & ~taken) == 0 &&
                (best == UINT32_MAX || execution->steps[i].agent < execution->steps[best].agent)) {
                best = i;
            }
        }
        cr_assert_lt(best, count);
        taken |= UINT64_C(1) << best;
        least.steps[least.count] = execution->steps[best];
    }
    return schedule_hash(&least);
}

static inline uint32_t draw_answer(struct strategy *strategy, uint32_t agent, uint32_t answers)
{
    return answers == 1 ? 0 : strategy->kind->draw(strategy, agent, EXPLORE_DRAW_VALUE, answers);
}

/*
 * One execution, as the strategy says; recorder may be NULL. Returns: false: there are no more.
 */
static inline bool execute(struct strategy *strategy, const struct program *program,
                           uint64_t number, struct execution *execution, struct recorder *recorder)
{
    struct explore_step next[EXPLORE_AGENTS_MAX];
    struct machine *machine = &execution->machine;
    uint32_t current = EXPLORE_NOBODY;
    uint32_t run = 0;
    uint64_t stops[2] = {0};
    uint64_t before = 0;
    struct explore_choice choice;

    execution->count = 0;
    execution->stopped = false;
    *machine = (struct machine){.program = program};
    if (!strategy->kind->begin(strategy, number)) {
        return false;
    }
    for (;;) {
        choice = machine_choice(machine, next);
        if (choice.enabled == 0 || execution->count == EXECUTION_STEPS_MAX) {
            break;
        }
        choice.number = execution->count;
        choice.current = current;
        if (run == 0 || choice.enabled != before || machine->yielded ||
            (explore_places(&next[current]) & stops[next[current].kind != EXPLORE_READ]) != 0) {
            const uint32_t picked = strategy->kind->pick(strategy, &choice);
            if (picked == EXPLORE_STOP) {
                execution->stopped = true;
                break;
            }
            cr_assert_lt(picked, program->agents);
            cr_assert(choice.enabled >> picked & 1, "agent %u cannot go on", picked);
            if (recorder != NULL) {
                recorder_pick(recorder, &choice, picked);
            }
            current = picked;
            run = choice.run;
            memcpy(stops, choice.stops, sizeof(stops));
        } else {
            run--;
        }
        before = choice.enabled;
        execution->steps[execution->count++] = next[current];
        const uint32_t answers = machine_answers(machine, current);
        machine_take(machine, current, draw_answer(strategy, current, answers));
    }
    execution->deadlock = !execution->stopped && choice.waiting != 0;
    const struct explore_outcome outcome = {
        .steps = execution->count,
        .new_order =
            execution->orders != NULL && orders_add(execution->orders, order_by_force(execution)),
        .incomplete = !execution->stopped && choice.enabled != 0,
        .waiting = execution->stopped ? 0 : choice.waiting,
        .next = next,
    };
    strategy->kind->end(strategy, &outcome);
    return true;
}

/* Opened for this program. */
static inline void open_for(struct strategy *strategy, const struct strategy_kind *kind,
                            const struct program *program, struct strategy_parameters parameters)
{
    parameters.agents = program->agents;
    parameters.objects = PROGRAM_OBJECTS_MAX;
    parameters.steps_limit = EXECUTION_STEPS_MAX;
    cr_assert_eq(strategy_open(strategy, kind, &parameters), 0);
}

#endif
