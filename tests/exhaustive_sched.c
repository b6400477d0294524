/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Exhaustive search, on programs that are small enough to be gone through without any reduction.
 */
#include "everywhere.h"

TestSuite(exhaustive_sched, .timeout = 200);

static const struct strategy_parameters all_orders = {.preemptions_max = EXPLORE_UNBOUNDED};

/* Locked or shared or plain, on two words and two locks. */
static void add_random_operations(struct program *program, uint32_t agent, struct random *random)
{
    const struct operation plain[] = {
        READ(0), READ(1), WRITE(0, 1), WRITE(1, 1), UPDATE(0), UPDATE(1),   WAIT(0), WAIT(1),
        WAKE(0), WAKE(1), PRIVATE,     YIELD,       READ(2),   WRITE(2, 1), READ(0), WAKE(1),
    };
    struct operation *operations = program->operations[agent];
    uint32_t *count = &program->counts[agent];
    const uint8_t lock = (uint8_t)(4 + random_below(random, 2));
    const uint32_t how = random_below(random, 6);
    const struct operation one = plain[random_below(random, 16)];

    if (how == 0) {
        operations[(*count)++] = ACQUIRE(lock);
        operations[(*count)++] = one;
        operations[(*count)++] = RELEASE(lock);
    } else if (how == 1) {
        operations[(*count)++] = SHARE(lock);
        operations[(*count)++] = one;
        operations[(*count)++] = UNSHARE(lock);
    } else if (how == 2) {
        operations[(*count)++] = ACQUIRE(lock);
        operations[(*count)++] = ACQUIRE((uint8_t)(9 - lock));
        operations[(*count)++] = RELEASE((uint8_t)(9 - lock));
        operations[(*count)++] = RELEASE(lock);
    } else {
        if (how == 3) {
            operations[(*count)++] = random_below(random, 2) == 0 ? READ_OR(0, 1) : DRAW(2);
        }
        operations[(*count)++] = one;
    }
}

static struct program random_program(struct random *random)
{
    struct program program = {.agents = 2 + random_below(random, 3)};
    const uint32_t blocks = 1 + random_below(random, 6 - program.agents);

    for (uint32_t agent = 0; agent < program.agents; agent++) {
        for (uint32_t i = 0; i < blocks; i++) {
            add_random_operations(&program, agent, random);
        }
    }
    if (random_below(random, 2) == 0) {
        const uint32_t deaths = 1 + random_below(random, 2);
        for (uint32_t i = 0; i < deaths; i++) {
            program.operations[program.agents][0] =
                KILL((uint8_t)random_below(random, 2), (uint8_t)random_below(random, 3));
            program.counts[program.agents++] = 1;
        }
    }
    return program;
}

#ifndef PROGRAMS
#    define PROGRAMS 300
#endif
#ifndef SEED
#    define SEED 1
#endif

/* After both steps, in that order. Returns: false: the first takes the second away. */
static bool take_both(const struct machine *before, uint32_t first, uint32_t second,
                      struct machine *after)
{
    *after = *before;
    machine_take(after, first, 0);
    if (!machine_can(after, second)) {
        return false;
    }
    machine_take(after, second, 0);
    after->yielded = false;
    return true;
}

/*
 * Claim:   two steps that do not conflict lead to the same state in either order, and neither takes
 *          the other away.
 * Method:  random walks through random programs; all pairs of what can go on, at each step.
 */
Test(exhaustive_sched, what_does_not_conflict_can_change_places)
{
    struct random random = random_branch(SEED, 2, RANDOM_TEST);
    uint32_t pairs = 0;

    for (uint32_t i = 0; i < 20000; i++) {
        const struct program program = random_program(&random);
        struct explore_step next[EXPLORE_AGENTS_MAX];
        struct machine machine = {.program = &program};
        struct explore_choice choice = machine_choice(&machine, next);
        for (; choice.enabled != 0; choice = machine_choice(&machine, next)) {
            for (uint32_t j = 0; j < program.agents * program.agents; j++) {
                const uint32_t a = j / program.agents;
                const uint32_t b = j % program.agents;
                struct machine one;
                struct machine other;
                if (a >= b || (choice.enabled >> a & choice.enabled >> b & 1) == 0 ||
                    explore_steps_conflict(&next[a], &next[b])) {
                    continue;
                }
                cr_assert(take_both(&machine, a, b, &one) && take_both(&machine, b, a, &other));
                cr_assert_arr_eq((const char *)&one, (const char *)&other, sizeof(one),
                                 "kinds %u and %u", next[a].kind, next[b].kind);
                pairs++;
            }
            machine_take(&machine, agents_any(choice.enabled, (uint32_t)random_next(&random)), 0);
        }
    }
    cr_assert_gt(pairs, 100000, "%u", pairs);
}

/*
 * Claim:   the search takes one schedule of each order of a program, and no order twice; of
 *          programs with words, locks, shared locks, sleepers, conditions, draws and deaths, also
 *          where they deadlock.
 * Method:  300 random programs, against all their schedules (those with less than 20,000), told
 *          apart by the definition of an order.
 */
Test(exhaustive_sched, each_order_is_taken_once)
{
    struct random random = random_branch(SEED, 0, RANDOM_TEST);
    uint32_t compared = 0;
    uint64_t schedules = 0;
    uint64_t orders = 0;
    uint64_t dropped = 0;
    uint64_t deadlocks = 0;

    for (uint32_t i = 0; i < PROGRAMS; i++) {
        const struct program program = random_program(&random);
        static struct execution start;
        struct finding all;
        struct finding found;
        finding_open(&all);
        finding_open(&found);
        start = (struct execution){.machine = {.program = &program}};
        if (go_everywhere(&all, &start, (struct bounds){20000, EXPLORE_UNBOUNDED},
                          EXPLORE_NOBODY)) {
            search(&found, &program, all_orders);
            cr_assert(found.complete);
            cr_assert_eq(found.twice, 0, "program %u: an order twice", i);
            cr_assert_eq(found.executions, orders_distinct(&all.orders),
                         "program %u: %" PRIu64 " of %" PRIu64 " orders", i, found.executions,
                         orders_distinct(&all.orders));
            cr_assert_eq(found.deadlocks != 0, all.deadlocks != 0);
            compared++;
            schedules += all.executions;
            orders += found.executions;
            dropped += found.dropped;
            deadlocks += found.deadlocks;
        }
        finding_close(&all);
        finding_close(&found);
    }
    cr_log_info("%u programs, %" PRIu64 " schedules, %" PRIu64 " orders, %" PRIu64
                " with deadlocks, %" PRIu64 " dropped",
                compared, schedules, orders, deadlocks, dropped);
    cr_assert_gt(compared, PROGRAMS / 2);
    cr_assert_gt(deadlocks, 200);
    cr_assert_gt(schedules, 20 * orders);
}

/* What does not yield. */
static struct program patient(struct program program)
{
    for (uint32_t i = 0; i < PROGRAM_AGENTS_MAX * PROGRAM_OPERATIONS_MAX; i++) {
        program.operations[i / PROGRAM_OPERATIONS_MAX][i % PROGRAM_OPERATIONS_MAX].yields = false;
    }
    return program;
}

/*
 * Claim:   with a bound on preemptions, every state in which a schedule within the bound can end is
 *          reached, whether or not the search is told which states it has been in, and which locks
 *          agents hold; if it is, with fewer executions.
 * Method:  random programs as above, without yields, with 0, 1 and 2 preemptions, against all their
 *          schedules within the bound. What was taken to learn from does not count.
 */
Test(exhaustive_sched, each_end_within_the_bound_is_reached)
{
    struct random random = random_branch(SEED, 1, RANDOM_TEST);
    uint32_t compared = 0;
    uint64_t executions[3] = {0};

    for (uint32_t i = 0; i < PROGRAMS; i++) {
        const struct program program = patient(random_program(&random));
        const uint32_t preemptions_max = i % 3;
        static struct execution start;
        struct finding all;
        finding_open(&all);
        start = (struct execution){.machine = {.program = &program}};
        const bool few =
            go_everywhere(&all, &start, (struct bounds){20000, preemptions_max}, EXPLORE_NOBODY);
        for (uint32_t told = 0; told < 3 && few; told++) {
            struct finding found;
            finding_open(&found);
            machine_tells_states = told >= 1;
            machine_tells_guards = told == 2;
            search(&found, &program,
                   (struct strategy_parameters){.preemptions_max = preemptions_max});
            machine_tells_states = machine_tells_guards = false;
            cr_assert(found.complete);
            cr_assert_eq(orders_distinct(&found.ends), orders_distinct(&all.ends),
                         "program %u, told %u: %" PRIu64 " of %" PRIu64 " ends", i, told,
                         orders_distinct(&found.ends), orders_distinct(&all.ends));
            executions[told] += found.executions;
            finding_close(&found);
        }
        compared += few;
        finding_close(&all);
    }
    cr_log_info("%u programs, %" PRIu64 " executions, %" PRIu64 " if told states, %" PRIu64
                " if told guards",
                compared, executions[0], executions[1], executions[2]);
    cr_assert_gt(compared, PROGRAMS / 2);
    cr_assert_lt(executions[1], executions[0] - executions[0] / 8);
}

/* The search reaches all ends that there are, and takes all orders, whatever it is told. */
static void expect_all_ends(const struct program *program, uint32_t preemptions_max)
{
    for (uint32_t told = 0; told < 3; told++) {
        static struct execution start;
        struct finding all;
        struct finding found;
        finding_open(&all);
        finding_open(&found);
        start = (struct execution){.machine = {.program = program}};
        cr_assert(go_everywhere(&all, &start, (struct bounds){UINT64_MAX, preemptions_max},
                                EXPLORE_NOBODY));
        machine_tells_states = told >= 1;
        machine_tells_guards = told == 2;
        search(&found, program, (struct strategy_parameters){.preemptions_max = preemptions_max});
        machine_tells_states = machine_tells_guards = false;
        cr_assert(found.complete);
        cr_assert_eq(orders_distinct(&found.ends), orders_distinct(&all.ends),
                     "told %u: %" PRIu64 " of %" PRIu64 " ends", told, orders_distinct(&found.ends),
                     orders_distinct(&all.ends));
        cr_assert(preemptions_max != EXPLORE_UNBOUNDED ||
                  orders_distinct(&found.orders) == orders_distinct(&all.orders));
        finding_close(&all);
        finding_close(&found);
    }
}

#define FIFTEEN                                                                               \
    PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE, \
        PRIVATE, PRIVATE, PRIVATE, PRIVATE, PRIVATE

/*
 * Claim:   a search that finds out late that a word is contended, or that a lock does not guard it,
 *          begins anew, and forgets where it has been; and a lock that both share guards nothing.
 * Method:  one agent uses that word, or uses it without the lock, only if it looks at another just
 *          while that is set: none of the random executions from which the search learns shows it,
 *          since that takes one switch after fifteen steps. Against all schedules.
 */
Test(exhaustive_sched, what_is_learned_late_begins_anew)
{
    const struct program programs[] = {
        PROGRAM(AGENT(FIFTEEN, WRITE(0, 1), WRITE(1, 2), READ(1), WRITE(0, 0)),
                AGENT(READ_OR(0, 2), WRITE(1, 1), READ(1))),
        PROGRAM(
            AGENT(FIFTEEN, WRITE(0, 1), ACQUIRE(4), WRITE(1, 2), READ(1), RELEASE(4), WRITE(0, 0)),
            AGENT(READ_OR(0, 1), WRITE(1, 1), ACQUIRE(4), READ(1), WRITE(1, 3), RELEASE(4))),
        PROGRAM(AGENT(SHARE(4), WRITE(1, 1), READ(1), UNSHARE(4)),
                AGENT(SHARE(4), WRITE(1, 2), UNSHARE(4))),
    };

    for (uint32_t i = 0; i < 6; i++) {
        expect_all_ends(&programs[i / 2], 1 + i % 2);
    }
}

/*
 * Claim:   what an earlier version of the search missed is found: who begins where an acquire was
 *          never granted, because its agent died waiting or the execution was dropped; a step taken
 *          away by a death that others would have come before; who dies late, before a step that
 *          only deaths conflict with; a lock that is contended by one who never gets it.
 * Method:  the programs on which it was missed, against all their schedules.
 */
Test(exhaustive_sched, what_was_once_missed_is_found)
{
    const struct {
        struct program program;
        uint32_t preemptions_max;
    } missed[] = {
        {PROGRAM(AGENT(SHARE(4), WRITE(1, 1), UNSHARE(4), ACQUIRE(5), WAIT(0), RELEASE(5)),
                 AGENT(ACQUIRE(4), ACQUIRE(5), RELEASE(5), RELEASE(4)), AGENT(KILL(1, 1))),
         EXPLORE_UNBOUNDED},
        {PROGRAM(AGENT(WAIT(1), ACQUIRE(4), ACQUIRE(5), RELEASE(5), RELEASE(4)),
                 AGENT(ACQUIRE(5), ACQUIRE(4), RELEASE(4), RELEASE(5), WAIT(1)),
                 AGENT(ACQUIRE(5), RELEASE(5), ACQUIRE(4), ACQUIRE(5), RELEASE(5), RELEASE(4))),
         EXPLORE_UNBOUNDED},
        {PROGRAM(AGENT(ACQUIRE(4), WAKE(1), RELEASE(4), ACQUIRE(5), PRIVATE, RELEASE(5)),
                 AGENT(YIELD, ACQUIRE(4), ACQUIRE(5), RELEASE(5), RELEASE(4)), AGENT(KILL(0, 2))),
         EXPLORE_UNBOUNDED},
        {PROGRAM(AGENT(ACQUIRE(5), READ(0), RELEASE(5)),
                 AGENT(ACQUIRE(5), WRITE(0, 1), RELEASE(5), WAKE(1)),
                 AGENT(SHARE(5), WRITE(0, 1), UNSHARE(5)), AGENT(KILL(1, 0)), AGENT(KILL(1, 2))),
         2},
        {PROGRAM(AGENT(READ(1), SHARE(5), UPDATE(1), UNSHARE(5), ACQUIRE(5), WAIT(0)),
                 AGENT(WAIT(1), ACQUIRE(5), RELEASE(5)), AGENT(KILL(1, 2)), AGENT(KILL(1, 1))),
         1},
    };

    for (size_t i = 0; i < sizeof(missed) / sizeof(missed[0]); i++) {
        expect_all_ends(&missed[i].program, missed[i].preemptions_max);
    }
}

/* A model of a queue of messages, with a flag for each reader that there is something to read. */
enum {
    MESSAGES,   /* how many there are */
    WRITE_LOCK, /* among writers */
    READ_LOCK,  /* among readers */
    FLAGS,      /* of readers */
};

static void add_operation(struct program *program, uint32_t agent, struct operation operation)
{
    program->operations[agent][program->counts[agent]++] = operation;
}

/* Each writer inserts one message, each reader looks once, and reads at most one message. */
static struct program queue_model(uint32_t writers, uint32_t readers)
{
    struct program program = {.agents = writers + readers};

    for (uint32_t writer = 0; writer < writers; writer++) {
        add_operation(&program, writer, ACQUIRE(WRITE_LOCK));
        add_operation(&program, writer, UPDATE(MESSAGES));
        for (uint32_t reader = 0; reader < readers; reader++) {
            add_operation(&program, writer, WRITE((uint8_t)(FLAGS + reader), 1));
        }
        add_operation(&program, writer, RELEASE(WRITE_LOCK));
    }
    for (uint32_t reader = 0; reader < readers; reader++) {
        const uint32_t agent = writers + reader;
        const uint8_t flag = (uint8_t)(FLAGS + reader);
        add_operation(&program, agent, READ_OR(flag, 5));
        add_operation(&program, agent, WRITE(flag, 0));
        add_operation(&program, agent, ACQUIRE(READ_LOCK));
        add_operation(&program, agent, READ_BELOW(MESSAGES, 2, 1));
        add_operation(&program, agent, WRITE(flag, 1)); /* there are more */
        add_operation(&program, agent, RELEASE(READ_LOCK));
    }
    return program;
}

/*
 * Claim:   a model of the queue has as many orders as executions in GenMC under SC: with 2 writers
 *          and 1 reader 12, with 3 and 1 108, with 2 and 2 100.
 * Method:  search; the smallest also without any reduction.
 */
Test(exhaustive_sched, the_model_of_the_queue_has_as_many_orders_as_in_genmc)
{
    const uint32_t expected[][3] = {{2, 1, 12}, {3, 1, 108}, {2, 2, 100}};

    for (uint32_t i = 0; i < 3; i++) {
        const struct program program = queue_model(expected[i][0], expected[i][1]);
        static struct execution start;
        struct finding found;
        finding_open(&found);
        search(&found, &program, all_orders);
        cr_assert(found.complete);
        cr_assert_eq(found.executions, expected[i][2], "%u and %u: %" PRIu64, expected[i][0],
                     expected[i][1], found.executions);
        cr_assert_eq(found.twice, 0);
        if (i == 0) {
            start = (struct execution){.machine = {.program = &program}};
            cr_assert(go_everywhere(&found, &start, (struct bounds){UINT64_MAX, EXPLORE_UNBOUNDED},
                                    EXPLORE_NOBODY));
            cr_assert_gt(found.executions, 200);
            cr_assert_eq(orders_distinct(&found.orders), 12);
        }
        finding_close(&found);
    }
}
