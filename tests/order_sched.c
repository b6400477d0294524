/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Orders: fingerprints of schedules, and the count of those seen.
 */
#include "faults/explore/order.h"
#include "program.h"

TestSuite(order_sched, .timeout = 120);

#define WORDS 4
#define LOCKS 2
#define STEPS 24

static uint64_t fingerprint(struct order *order, const struct explore_step *steps, uint32_t count)
{
    order_begin(order);
    for (uint32_t i = 0; i < count; i++) {
        order_step(order, &steps[i]);
    }
    return order_fingerprint(order);
}

/* A step of any kind, by one of agents 0 to 3, or by 4 or 5 with a victim. */
static struct explore_step random_step(struct random *random)
{
    struct explore_step step = {
        .object = random_below(random, WORDS - 2),
        .span = (uint16_t)(1 + random_below(random, 3)),
        .kind = (uint8_t)random_below(random, EXPLORE_ALL),
        .agent = (uint8_t)random_below(random, 4),
        .victim = EXPLORE_NOBODY,
    };

    if (random_below(random, 8) == 0) {
        step.agent = (uint8_t)(4 + random_below(random, 2));
        step.victim = (uint8_t)random_below(random, 4);
        step.kind = EXPLORE_WRITE;
    } else if (random_below(random, 24) == 0) {
        step.kind = EXPLORE_ALL;
    } else if (step.kind >= EXPLORE_ACQUIRE) {
        step.object = WORDS + random_below(random, LOCKS);
        step.span = 1;
    }
    return step;
}

/*
 * Claim:   neighbours that do not conflict may change places and the fingerprint stays; if they
 *          conflict it changes. So it is the same for all schedules of an order, and for no others.
 * Method:  in 20,000 random schedules of all kinds of steps, all pairs of neighbours of different
 *          agents.
 */
Test(order_sched, only_conflicting_neighbours_may_not_change_places)
{
    struct random random = random_branch(1, 0, RANDOM_TEST);
    struct order order;
    uint32_t conflicts[2] = {0};

    cr_assert_eq(order_open(&order, WORDS + LOCKS), 0);
    for (uint32_t schedule = 0; schedule < 20000; schedule++) {
        struct explore_step steps[STEPS];
        for (uint32_t i = 0; i < STEPS; i++) {
            steps[i] = random_step(&random);
        }
        const uint64_t before = fingerprint(&order, steps, STEPS);
        for (uint32_t i = 0; i + 1 < STEPS; i++) {
            const struct explore_step a = steps[i];
            const struct explore_step b = steps[i + 1];
            if (a.agent == b.agent) {
                continue;
            }
            steps[i] = b;
            steps[i + 1] = a;
            const bool conflict = explore_steps_conflict(&a, &b);
            cr_assert_eq(explore_steps_conflict(&b, &a), conflict);
            cr_assert_eq(fingerprint(&order, steps, STEPS) != before, conflict,
                         "kinds %u %u objects %u %u agents %u %u victims %u %u", a.kind, b.kind,
                         a.object, b.object, a.agent, b.agent, a.victim, b.victim);
            conflicts[conflict]++;
            steps[i] = a;
            steps[i + 1] = b;
        }
    }
    cr_assert_gt(conflicts[0], 50000);
    cr_assert_gt(conflicts[1], 50000);
    order_close(&order);
}

/*
 * Claim:   it says the same as the definition does.
 * Method:  10,000 random walks through a program with locks, words and sleepers: two have the same
 *          fingerprint if and only if the least schedules of their orders are the same.
 */
Test(order_sched, fingerprints_agree_with_the_definition)
{
    const struct program program =
        PROGRAM(AGENT(READ(0), ACQUIRE(2), UPDATE(1), RELEASE(2), WRITE(0, 1), WAKE(0)),
                AGENT(WAIT(0), SHARE(2), READ(1), UNSHARE(2)),
                AGENT(SHARE(2), READ(1), UNSHARE(2), WRITE(0, 1), WAKE(0)));
    static struct execution execution;
    static uint64_t pairs[4096][2];
    struct strategy strategy;
    struct order order;
    uint32_t count = 0;

    cr_assert_eq(order_open(&order, PROGRAM_OBJECTS_MAX), 0);
    open_for(&strategy, &strategy_random, &program, (struct strategy_parameters){.seed = 2});
    for (uint64_t number = 0; number < 10000; number++) {
        cr_assert(execute(&strategy, &program, number, &execution, NULL));
        const uint64_t is = fingerprint(&order, execution.steps, execution.count);
        const uint64_t should = order_by_force(&execution);
        uint32_t i = 0;
        for (; i < count && pairs[i][0] != is; i++) {
            cr_assert_neq(pairs[i][1], should, "one order, two fingerprints");
        }
        if (i == count) {
            cr_assert_lt(count, 4096);
            pairs[count][0] = is;
            pairs[count++][1] = should;
        }
        cr_assert_eq(pairs[i][1], should, "one fingerprint, two orders");
    }
    cr_assert_gt(count, 50, "only %u", count);
    strategy_close(&strategy);
    order_close(&order);
}

/*
 * Claim:   what was drawn for an agent makes another order, also after its last step and if it is
 *          drawn later or for another agent; 0 does not.
 */
Test(order_sched, what_was_drawn_counts)
{
    static const struct {
        uint32_t before; /* of two steps of agent 0, so many */
        uint32_t agent;
        uint32_t answer;
    } draws[] = {{0, 0, 0}, {0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {2, 0, 2}, {2, 1, 1}};

    uint64_t fingerprints[sizeof(draws) / sizeof(draws[0])];
    struct order order;

    cr_assert_eq(order_open(&order, WORDS), 0);
    for (uint32_t i = 0; i < sizeof(draws) / sizeof(draws[0]); i++) {
        order_begin(&order);
        for (uint32_t step = 0; step <= 2; step++) {
            if (step == draws[i].before) {
                order_drawn(&order, draws[i].agent, draws[i].answer);
            }
            if (step < 2) {
                order_access(&order, EXPLORE_READ, 0, 0);
            }
        }
        fingerprints[i] = order_fingerprint(&order);
        for (uint32_t j = 0; j < i; j++) {
            cr_expect_neq(fingerprints[i], fingerprints[j], "draws %u and %u", i, j);
        }
    }
    order_begin(&order);
    order_access(&order, EXPLORE_READ, 0, 0);
    order_access(&order, EXPLORE_READ, 0, 0);
    cr_expect_eq(order_fingerprint(&order), fingerprints[0]);
    order_close(&order);
}

/*
 * Claim:   while there is room, the numbers are exact; then they are near the truth.
 * Method:  draws from 40,000 orders, those of the first half eight times as likely. Against a plain
 *          count, at several moments, in a table for all of them and in one for 1 in 20.
 */
Test(order_sched, the_count_of_orders_is_right)
{
#define ORDERS 40000
    static uint8_t times[ORDERS];
    struct random random = random_branch(1, 0, RANDOM_TEST);
    struct orders roomy;
    struct orders narrow;
    uint32_t distinct = 0;
    uint32_t once = 0;

    cr_assert_eq(orders_open(&roomy, 65536), 0);
    cr_assert_eq(orders_open(&narrow, 4096), 0);
    cr_assert_eq(orders_chance_of_new(&roomy), 1);
    for (uint32_t executions = 1; executions <= 120000; executions++) {
        const bool common = random_below(&random, 9) != 0;
        const uint32_t order = random_below(&random, ORDERS / 2) + (common ? 0 : ORDERS / 2);
        const bool is_new = times[order] == 0;
        distinct += is_new;
        once += times[order] == 0 ? 1 : times[order] == 1 ? UINT32_MAX : 0;
        times[order] += times[order] < 2;
        cr_assert_eq(orders_add(&roomy, random_mix(order + 1)), is_new);
        cr_assert(!orders_add(&narrow, random_mix(order + 1)) || is_new);
        cr_assert_eq(orders_distinct(&roomy), distinct);
        cr_assert_eq(orders_once(&roomy), once);
        if (executions % 20000 == 0) {
            cr_assert_float_eq((double)orders_distinct(&narrow), distinct, 0.15 * distinct);
            cr_assert_float_eq((double)orders_once(&narrow), once, 0.25 * once);
        }
    }
    cr_assert_eq(roomy.level, 0);
    cr_assert_gt(narrow.level, 2);
    orders_close(&roomy);
    orders_close(&narrow);
}

/*
 * Claim:   what several have seen, put together, is what one would have seen.
 * Method:  draws from 6,000 orders, each told to all and to one of three, mostly the last; in
 *          tables for all of them, and in one for 1 in 4 of them, where what is kept and what was
 *          seen once is the same, too.
 */
Test(order_sched, merged_counts_are_those_of_all)
{
    struct random random = random_branch(5, 0, RANDOM_TEST);

    for (uint32_t capacity = 2048; capacity <= 16384; capacity *= 8) {
        struct orders all;
        struct orders parts[3];
        struct orders none;
        cr_assert_eq(orders_open(&none, capacity), 0);
        cr_assert_eq(orders_open(&all, capacity), 0);
        for (uint32_t i = 0; i < 3; i++) {
            cr_assert_eq(orders_open(&parts[i], capacity), 0);
        }
        for (uint32_t executions = 0; executions < 9000; executions++) {
            const uint64_t fingerprint = random_mix(1 + random_below(&random, 6000));
            const uint32_t part = random_below(&random, 10);
            (void)orders_add(&all, fingerprint);
            (void)orders_add(&parts[part < 2 ? part : 2], fingerprint);
        }
        orders_merge(&parts[0], &parts[1]);
        orders_merge(&parts[0], &parts[2]);
        cr_assert_eq(parts[0].executions, all.executions);
        cr_assert_eq(parts[0].level, all.level);
        cr_assert_eq(orders_distinct(&parts[0]), orders_distinct(&all));
        cr_assert_eq(orders_once(&parts[0]), orders_once(&all));
        cr_assert_eq(all.level > 0, capacity == 2048);
        orders_merge(&none, &all);
        cr_assert_eq(orders_distinct(&none), orders_distinct(&all));
        orders_close(&none);
        for (uint32_t i = 0; i < 3; i++) {
            orders_close(&parts[i]);
        }
        orders_close(&all);
    }
}

/*
 * Claim:   the part of the next executions that are new is what Good and Turing say; and what is
 *          told of the last thousand is so.
 */
Test(order_sched, the_chance_of_something_new_is_right)
{
    struct random random = random_branch(3, 0, RANDOM_TEST);
    struct orders orders;
    double expected = 0;
    uint32_t came = 0;

    cr_assert_eq(orders_open(&orders, 65536), 0);
    for (uint32_t executions = 0; executions < 30000; executions++) {
        expected += executions >= 10000 ? orders_chance_of_new(&orders) : 0;
        const bool is_new = orders_add(&orders, random_mix(1 + random_below(&random, 20000)));
        came += executions >= 10000 && is_new;
        if (executions == 999) {
            cr_assert_eq(orders.recent_new, orders_distinct(&orders));
        }
    }
    cr_assert_float_eq(expected, came, 0.05 * came, "%.0f were expected and %u came", expected,
                       came);
    const uint64_t before = orders_distinct(&orders);
    for (uint32_t i = 0; i < ORDERS_RECENT; i++) {
        (void)orders_add(&orders, random_mix(1 + random_below(&random, 20000)));
    }
    cr_assert_eq(orders.recent_new, orders_distinct(&orders) - before);
    orders_close(&orders);
}
