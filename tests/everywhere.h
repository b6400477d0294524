/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * All schedules of an abstract program: by force, and as a search goes through them.
 */
#ifndef SINVAL_TESTS_EVERYWHERE_H
#define SINVAL_TESTS_EVERYWHERE_H

#include "faults/explore/draws.h"
#include "program.h"

/* What was found in all executions of a program. */
struct finding {
    struct orders orders;
    struct orders ends; /* the states at their ends, told apart by hashes */
    uint64_t executions;
    uint64_t dropped;
    uint64_t twice; /* executions of an order seen before */
    uint64_t deadlocks;
    bool complete;
};

static inline void finding_open(struct finding *finding)
{
    *finding = (struct finding){0};
    cr_assert_eq(orders_open(&finding->orders, 1U << 16), 0);
    cr_assert_eq(orders_open(&finding->ends, 1U << 16), 0);
}

static inline void finding_close(struct finding *finding)
{
    orders_close(&finding->orders);
    orders_close(&finding->ends);
}

static inline void finding_add(struct finding *finding, const struct execution *execution)
{
    finding->executions++;
    finding->deadlocks += execution->deadlock;
    (void)orders_add(&finding->ends, machine_hash(&execution->machine));
    finding->twice += !orders_add(&finding->orders,
                                  order_by_force(execution) ^ machine_drawn(&execution->machine));
}

/* How to go everywhere. */
struct bounds {
    uint64_t schedules_max;
    uint32_t preemptions_max;
};

/*
 * Is the step of agent a preemption of *running, the last backend that ran? Sets who that is then.
 */
static inline bool preempts(const struct explore_choice *choice, uint32_t agent, uint32_t *running)
{
    const uint32_t before = *running;

    if (choice->next[agent].victim != EXPLORE_NOBODY) {
        return false;
    }
    *running = agent;
    return before != EXPLORE_NOBODY && before != agent && (choice->enabled >> before & 1) != 0;
}

static inline bool go_everywhere(struct finding *finding, struct execution *execution,
                                 struct bounds bounds, uint32_t running);

/* The same after that agent's next step, whatever it draws. */
static inline bool go_everywhere_after(struct finding *finding, struct execution *execution,
                                       struct bounds bounds, uint32_t agent, uint32_t running)
{
    const struct machine machine = execution->machine;
    const uint32_t answers = machine_answers(&machine, agent);
    bool few = true;

    for (uint32_t answer = 0; few && answer < answers; answer++) {
        machine_take(&execution->machine, agent, answer);
        few = go_everywhere(finding, execution, bounds, running);
        execution->machine = machine;
    }
    return few;
}

/*
 * All schedules that begin as execution does, after whose last step running is the last backend
 * that ran. Returns: false: there are too many.
 */
static inline bool go_everywhere(struct finding *finding, struct execution *execution,
                                 struct bounds bounds, uint32_t running)
{
    struct explore_step next[EXPLORE_AGENTS_MAX];
    const struct explore_choice choice = machine_choice(&execution->machine, next);

    if (choice.enabled == 0) {
        execution->deadlock = choice.waiting != 0;
        finding_add(finding, execution);
        return finding->executions < bounds.schedules_max;
    }
    for (uint64_t left = choice.enabled; left != 0; left &= left - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(left);
        execution->steps[execution->count++] = next[agent];
        struct bounds further = bounds;
        uint32_t runs = running;
        const bool is_preemption = preempts(&choice, agent, &runs);
        if (bounds.preemptions_max != EXPLORE_UNBOUNDED) {
            further.preemptions_max -= is_preemption;
        }
        const bool may = !is_preemption || bounds.preemptions_max > 0;
        const bool few = !may || go_everywhere_after(finding, execution, further, agent, runs);
        execution->count--;
        if (!few) {
            return false;
        }
    }
    return true;
}

static inline void search(struct finding *finding, const struct program *program,
                          struct strategy_parameters parameters)
{
    static struct execution execution;
    struct strategy strategy;

    open_for(&strategy, &strategy_exhaustive, program, parameters);
    for (uint64_t number = 0; execute(&strategy, program, number, &execution, NULL); number++) {
        const bool learns =
            parameters.preemptions_max != EXPLORE_UNBOUNDED && number < STRATEGY_LEARNING;
        if (execution.stopped) {
            finding->dropped++;
        } else if (!learns) {
            finding_add(finding, &execution);
        }
    }
    finding->complete = strategy.complete;
    strategy_close(&strategy);
}

#endif
