/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The injector's decisions: whose turn it is, and that a seed says it all.
 */
#include <math.h>

#include "injector_support.h"

TestSuite(decision_unit, .timeout = 60);

/* Which of the first `count` hits of a point fail, as bytes. */
static void decisions(struct run *run, uint32_t backend, uint8_t *out, uint32_t count)
{
    injector_enter(&run->context, &run->injector, backend);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = sv_point_hit(SV_POINT_cache_load_before) == SV_POINT_FAIL;
    }
    injector_leave();
}

#define DECISIONS 4000

static uint8_t *shared_bytes;

static void decide_in_child(struct run *run)
{
    /* Other points in between: a decision depends on this point's hits alone. */
    injector_leave();
    injector_enter(&run->context, &run->injector, run->context.backend);
    for (uint32_t i = 0; i < DECISIONS; i++) {
        SV_POINT(queue_read_before);
        SV_POINT(commit_source_before);
        shared_bytes[i] = sv_point_hit(SV_POINT_cache_load_before) == SV_POINT_FAIL;
    }
}

/*
 * Claim:   the same seed gives the same decisions: in a forked child, among other points, while
 *          another backend is at it; another seed, another backend or another point gives others.
 * Method:  4000 decisions at p = 0.3, compared byte by byte.
 */
Test(decision_unit, a_seed_decides_alone)
{
    static const char faults[] = "- {point: '*', action: fail, probability: 0.3}\n";
    uint8_t first[DECISIONS];
    uint8_t other[DECISIONS];
    struct run run;

    shared_bytes = mmap(NULL, DECISIONS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared_bytes, MAP_FAILED);
    run_start(&run, 42, faults);
    decisions(&run, 3, first, DECISIONS);

    run_start(&run, 42, faults);
    const pid_t noise = in_child(&run, 1, hit_copy_ten_times);
    cr_assert_eq(status_of(in_child(&run, 3, decide_in_child)), 0);
    cr_assert_eq(status_of(noise), 0);
    cr_assert_arr_eq(shared_bytes, first, DECISIONS);

    decisions(&run, 4, other, DECISIONS);
    cr_assert_neq(memcmp(other, first, DECISIONS), 0, "another backend decides the same");
    run_start(&run, 43, faults);
    decisions(&run, 3, other, DECISIONS);
    cr_assert_neq(memcmp(other, first, DECISIONS), 0, "another seed decides the same");
    injector_enter(&run.context, &run.injector, 3);
    for (uint32_t i = 0; i < DECISIONS; i++) {
        first[i] = sv_point_hit(SV_POINT_relcache_build_before) == SV_POINT_FAIL;
    }
    cr_assert_neq(memcmp(other, first, DECISIONS), 0, "another point decides the same");
}

/*
 * Claim:   a fault with probability p fires at about p of the hits, whoever and whatever is hit.
 * Method:  200,000 hits over backends and points, p from 0.001 to 1; five standard deviations.
 */
Test(decision_unit, a_probability_is_kept)
{
    static const char *const texts[] = {"0.001", "0.03", "0.5", "0.97", "1"};
    static const double ps[] = {0.001, 0.03, 0.5, 0.97, 1};
    const uint32_t hits = 25000;
    struct run run;

    for (size_t i = 0; i < 5; i++) {
        char faults[128];
        const double n = (double)hits * BACKENDS;

        snprintf(faults, sizeof(faults), "- {point: '*', action: fail, probability: %s}\n",
                 texts[i]);
        run_start(&run, 7 + i, faults);
        for (uint32_t backend = 0; backend < BACKENDS; backend++) {
            injector_enter(&run.context, &run.injector, backend);
            for (uint32_t j = 0; j < hits; j++) {
                SV_POINT(cache_load_before);
            }
        }
        const double off = fabs((double)fired(&run, ACTION_FAIL) - n * ps[i]);
        cr_expect_leq(off, 5 * sqrt(n * ps[i] * (1 - ps[i])), "p = %s: off by %.0f", texts[i], off);
    }
}

static void hit_load_a_thousand_times(struct run *run)
{
    (void)run;
    for (int i = 0; i < 1000; i++) {
        SV_POINT(cache_load_before);
        SV_POINT(relcache_build_before);
    }
}

/*
 * Claim:   at_most is exact over all backends and points of a run, for each fault by itself.
 * Method:  four children at once, two faults, far more occasions than allowed.
 */
Test(decision_unit, at_most_is_exact_over_the_run)
{
    pid_t pids[4];
    struct run run;

    run_start(&run, 5,
              "- {point: '*', action: fail, probability: 0.5, at_most: 37}\n"
              "- {point: relcache/build/before, action: fail, probability: 1, at_most: 50}\n");
    for (uint32_t i = 0; i < 4; i++) {
        pids[i] = in_child(&run, i, hit_load_a_thousand_times);
    }
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(status_of(pids[i]), 0);
    }
    cr_assert_eq(fired(&run, ACTION_FAIL), 87);
    cr_assert_eq(sv_load_seq32(&run.injector.shared->fault_fired[0]), 37);
    cr_assert_eq(sv_load_seq32(&run.injector.shared->fault_fired[1]), 50);
    cr_assert_eq(injector_reached(&run.injector, SV_POINT_cache_load_before), 4000);
}

/*
 * Claim:   a pattern with '*' means each point of that prefix that allows the action, and counts
 *          the hits of each for itself.
 */
Test(decision_unit, a_pattern_means_each_point_of_its_prefix)
{
    struct run run;
    uint32_t matched = 0;

    run_start(&run, 1, "- {point: 'queue/c*', action: kill, hit: 2}\n");
    run.injector.act = act_note;
    injector_enter(&run.context, &run.injector, 0);
    for (int round = 1; round <= 3; round++) {
        for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
            const bool inside = strncmp(point_entries[point].path, "queue/c", 7) == 0;

            acted = ACTION_NONE;
            (void)sv_point_hit(point);
            cr_expect_eq(acted == ACTION_KILL, inside && round == 2, "%s in round %d",
                         point_entries[point].path, round);
            matched += inside;
        }
    }
    cr_assert_gt(matched, 3 * 3);
}

/*
 * Claim:   a number means that backend, writer the writers, lock_holder whoever holds a lock then.
 * Method:  a world of two writers; each target in turn for each backend, with and without a lock.
 */
Test(decision_unit, only_those_aimed_at_are_hit)
{
    struct run run;

    run_start(&run, 1,
              "- {backend: 5, point: commit/source/before, action: fail, probability: 1}\n"
              "- {backend: writer, point: cache/load/before, action: fail, probability: 1}\n"
              "- {backend: lock_holder, point: relcache/build/before, action: fail, "
              "probability: 1}\n"
              "- {backend: lock_holder, point: 'lock/*', action: kill, probability: 1}\n"
              "world: {writers: 2, idle: 1}\n");
    run.injector.act = act_note;
    for (uint32_t i = 0; i < BACKENDS; i++) {
        injector_enter(&run.context, &run.injector, i);
        cr_expect_eq(sv_point_hit(SV_POINT_commit_source_before) == SV_POINT_FAIL, i == 5);
        cr_expect_eq(sv_point_hit(SV_POINT_cache_load_before) == SV_POINT_FAIL, i < 2);
        cr_expect_eq(sv_point_hit(SV_POINT_relcache_build_before), SV_POINT_PROCEED);

        acted = ACTION_NONE;
        SV_POINT(lock_read_shared_acquire_before);
        cr_expect_eq(acted, ACTION_NONE);
        SV_POINT(lock_read_shared_acquire_after);
        cr_expect_eq(acted, ACTION_KILL);
        cr_expect_eq(sv_point_hit(SV_POINT_relcache_build_before), SV_POINT_FAIL);
        acted = ACTION_NONE;
        SV_POINT(lock_read_shared_release_before);
        cr_expect_eq(acted, ACTION_KILL);
        acted = ACTION_NONE;
        SV_POINT(lock_read_shared_release_after);
        cr_expect_eq(acted, ACTION_NONE);
        SV_POINT(lock_read_shared_release_after); /* once too often */
        cr_expect_eq(sv_point_hit(SV_POINT_relcache_build_before), SV_POINT_PROCEED);
    }
}

/*
 * Claim:   with swarm about half of the faults are active in a run, never none, and the seed says
 *          which; without it all are.
 * Method:  2000 seeds of a plan of three; five standard deviations.
 */
Test(decision_unit, swarm_draws_half_of_the_faults)
{
    static const char faults[] = "- {point: '*', action: fail, hit: 1}\n"
                                 "- {point: '*', action: drop, hit: 1}\n"
                                 "- {point: '*', action: kill, hit: 1}\n";
    uint32_t active[3] = {0};
    struct injector injector;
    struct run run;

    run_start(&run, 1, faults);
    cr_assert_eq(run.injector.active, 7);
    run.plan.swarm = true;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        injector_start(&injector, &run.plan, seed, run.injector.shared);
        cr_assert_neq(injector.active, 0);
        cr_assert_eq(injector.active & ~UINT64_C(7), 0);
        const bool fails = (injector.faults_at[SV_POINT_cache_load_before] & 1) != 0;
        cr_assert_eq(fails, injector.active & 1);
        for (int i = 0; i < 3; i++) {
            active[i] += injector.active >> i & 1;
        }
        const uint64_t drawn = injector.active;
        injector_start(&injector, &run.plan, seed, run.injector.shared);
        cr_assert_eq(injector.active, drawn);
    }
    for (int i = 0; i < 3; i++) {
        /* 1/2, and a third of the one in eight in which none was drawn. */
        cr_expect_float_eq(active[i] / 2000.0, 0.5 + 1 / 24.0, 5 * sqrt(0.25 / 2000), "%u",
                           active[i]);
    }
}

/*
 * Claim:   of several faults at one hit the plan's first one happens; one used up makes room.
 */
Test(decision_unit, the_first_fault_of_the_plan_wins)
{
    struct run run;

    run_start(&run, 1,
              "- {point: signal/send/kill, action: drop, probability: 1, at_most: 2}\n"
              "- {point: signal/send/kill, action: duplicate, probability: 1}\n");
    injector_enter(&run.context, &run.injector, 0);
    cr_expect_eq(sv_point_hit(SV_POINT_signal_send_kill), SV_POINT_DROP);
    cr_expect_eq(sv_point_hit(SV_POINT_signal_send_kill), SV_POINT_DROP);
    cr_expect_eq(sv_point_hit(SV_POINT_signal_send_kill), SV_POINT_DUPLICATE);
    cr_expect_eq(fired(&run, ACTION_DROP), 2);
    cr_expect_eq(fired(&run, ACTION_DUPLICATE), 1);
}
