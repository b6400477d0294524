/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The injector: each action, whose turn it is, and that a seed says it all.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fiu-control.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "faults/injector.h"

TestSuite(injector_unit, .timeout = 60);

#define BACKENDS 8

/* libfiu 1.1 loses the name of a point that is enabled anew or disabled. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfiu.so";
}

/* A run in memory that is shared with forked children. */
struct run {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
};

static void run_start(struct run *run, uint64_t seed, const char *faults)
{
    char text[4096];
    char message[PLAN_MESSAGE_MAX];

    snprintf(text, sizeof(text), "name: test\ndanger: x\nfaults:\n%s", faults);
    cr_assert_eq(plan_load_text("test", text, strlen(text), &run->plan, message, sizeof(message)),
                 0, "%s", message);
    struct injector_shared *shared =
        mmap(NULL, injector_shared_bytes(BACKENDS), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(injector_init(), 0);
    injector_start(&run->injector, &run->plan, seed, shared);
}

static uint64_t fired(const struct run *run, enum action action)
{
    uint64_t sum = 0;

    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        sum += injector_fired(&run->injector, point, action);
    }
    return sum;
}

/* Fork a child that is that backend and runs body. It ends with status 0 after it. */
static pid_t in_child(struct run *run, uint32_t backend, void (*body)(struct run *run))
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        injector_enter(&run->context, &run->injector, backend);
        body(run);
        _exit(0);
    }
    cr_assert_gt(pid, 0);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/*
 * Claim:   a thread that is in no run passes every point, and leaves no trace.
 * Method:  every point, before injector_enter and after injector_leave, under a plan that would
 *          fail each that can.
 */
Test(injector_unit, a_thread_in_no_run_passes)
{
    struct run run;

    run_start(&run, 1, "- {point: '*', action: fail, probability: 1}\n");
    for (int round = 0; round < 2; round++) {
        for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
            cr_expect_eq(sv_point_hit(point), SV_POINT_PROCEED);
            sv_point_hit_async(point);
            cr_expect_eq(injector_reached(&run.injector, point), 0);
        }
        injector_enter(&run.context, &run.injector, 0);
        cr_assert_eq(injector_self(), &run.context);
        injector_leave();
        cr_assert_null(injector_self());
    }
    injector_note("nobody", 1);
    cr_assert_eq(fired(&run, ACTION_FAIL), 0);
}

/*
 * Claim:   fail, drop, duplicate and interrupt are the answers of the points they are for, and of
 *          no others.
 * Method:  one plan with all four at every point that allows them, every point hit once.
 */
Test(injector_unit, answers_are_what_the_plan_says)
{
    struct run run;
    uint32_t answered = 0;

    run_start(&run, 1,
              "- {point: '*', action: interrupt, hit: 1}\n"
              "- {point: '*', action: fail, hit: 1}\n"
              "- {point: signal/send/kill, action: duplicate, hit: 1}\n"
              "- {point: '*', action: drop, hit: 1}\n");
    injector_enter(&run.context, &run.injector, 0);
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        const enum sv_point_answer expected =
            point_allows(point, ACTION_INTERRUPT)   ? SV_POINT_INTERRUPT
            : point_allows(point, ACTION_FAIL)      ? SV_POINT_FAIL
            : point_allows(point, ACTION_DUPLICATE) ? SV_POINT_DUPLICATE
            : point_allows(point, ACTION_DROP)      ? SV_POINT_DROP
                                                    : SV_POINT_PROCEED;

        cr_expect_eq(sv_point_hit(point), expected, "%s", point_entries[point].path);
        cr_expect_eq(injector_reached(&run.injector, point), 1);
        answered += expected != SV_POINT_PROCEED;
        cr_expect_eq(sv_point_hit(point), SV_POINT_PROCEED, "%s", point_entries[point].path);
    }
    cr_assert_gt(answered, 4);
    cr_assert_eq(fired(&run, ACTION_FAIL) + fired(&run, ACTION_DROP) +
                     fired(&run, ACTION_DUPLICATE) + fired(&run, ACTION_INTERRUPT),
                 answered);
}

static void hit_copy_ten_times(struct run *run)
{
    (void)run;
    for (int i = 0; i < 10; i++) {
        SV_POINT(queue_copy_middle);
    }
}

/*
 * Claim:   kill ends the process there by SIGKILL, and what it had passed stays readable: the trace
 *          ends with the kill.
 * Method:  a child of ten hits, killed at the seventh; then its successor, whose hits go on from
 *          there and which therefore lives.
 */
Test(injector_unit, kill_kills_there_and_the_trace_says_so)
{
    struct injector_event events[INJECTOR_EVENTS_MAX];
    struct run run;

    run_start(&run, 1, "- {point: queue/copy/middle, action: kill, hit: 7}\n");
    const int status = status_of(in_child(&run, 2, hit_copy_ten_times));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
    cr_assert_eq(injector_reached(&run.injector, SV_POINT_queue_copy_middle), 7);
    cr_assert_eq(injector_fired(&run.injector, SV_POINT_queue_copy_middle, ACTION_KILL), 1);
    cr_assert_eq(injector_trace(&run.injector, 2, events), 7);
    for (uint32_t i = 0; i < 7; i++) {
        cr_expect_eq(events[i].point, SV_POINT_queue_copy_middle);
        cr_expect_eq(events[i].value, i + 1);
        cr_expect_eq(events[i].action, i == 6 ? ACTION_KILL : ACTION_NONE);
    }
    cr_assert_eq(status_of(in_child(&run, 2, hit_copy_ten_times)), 0);
    cr_assert_eq(injector_reached(&run.injector, SV_POINT_queue_copy_middle), 17);
}

static void hit_handler_point(struct run *run)
{
    (void)run;
    SV_POINT_ASYNC(signal_handler_entry);
}

static uint64_t resume_when_over(struct run *run, uint32_t backend, pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (injector_stall_over(run->injector.shared, backend, sv_os_now_ns())) {
            kill(pid, SIGCONT);
        }
    }
    cr_assert_eq(status, 0, "status %#x", status);
    return sv_os_now_ns();
}

/*
 * Claim:   stall stops the process, which says until when; it is over then and not before, and when
 *          it runs again it takes that back.
 * Method:  a child that stalls 20 ms at an ordinary point and one at the handler's; the parent sees
 *          it stopped, and resumes it as a supervisor does.
 */
Test(injector_unit, stall_stops_until_it_is_resumed)
{
    static void (*const bodies[])(struct run * run) = {hit_copy_ten_times, hit_handler_point};
    struct run run;

    run_start(&run, 1,
              "- {point: queue/copy/middle, action: stall, stall_ms: 20, hit: 3}\n"
              "- {point: signal/handler/entry, action: stall, stall_ms: 20, hit: 1}\n");
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t before_ns = sv_os_now_ns();
        const pid_t pid = in_child(&run, i, bodies[i]);
        int status = -1;

        cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
        cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "status %#x", status);
        const uint64_t until_ns = sv_load_seq64(&run.injector.shared->records[i].stalled_until_ns);
        cr_assert_geq(until_ns, before_ns + 20000000);
        cr_assert_not(injector_stall_over(run.injector.shared, i, until_ns - 1));
        cr_assert(injector_stall_over(run.injector.shared, i, until_ns));
        cr_assert_geq(resume_when_over(&run, i, pid), until_ns);
        cr_assert_not(injector_stall_over(run.injector.shared, i, UINT64_MAX));
    }
    cr_assert_eq(fired(&run, ACTION_STALL), 2);
}

/*
 * Claim:   kill works at the point in a signal handler, which never enters libfiu.
 * Method:  a child that hits it with the point disabled in libfiu.
 */
Test(injector_unit, the_handler_point_needs_no_libfiu)
{
    struct run run;

    run_start(&run, 1, "- {point: signal/handler/entry, action: kill, hit: 1}\n");
    cr_assert_eq(fiu_disable("signal/handler/entry"), 0);
    const int status = status_of(in_child(&run, 0, hit_handler_point));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
    cr_assert_eq(injector_fired(&run.injector, SV_POINT_signal_handler_entry, ACTION_KILL), 1);
}

/*
 * Claim:   delay and late take at least as long as they say, then go on, and keep errno.
 */
Test(injector_unit, delay_and_late_take_their_time)
{
    struct run run;

    run_start(&run, 1,
              "- {point: queue/copy/middle, action: delay, delay_us: 3000, hit: 1}\n"
              "- {point: signal/send/kill, action: late, late_ms: 4, hit: 1}\n");
    injector_enter(&run.context, &run.injector, 0);
    errno = EXDEV;
    const uint64_t start_ns = sv_os_now_ns();
    cr_assert_eq(sv_point_hit(SV_POINT_queue_copy_middle), SV_POINT_PROCEED);
    const uint64_t middle_ns = sv_os_now_ns();
    cr_assert_eq(sv_point_hit(SV_POINT_signal_send_kill), SV_POINT_PROCEED);
    const uint64_t end_ns = sv_os_now_ns();
    cr_assert_eq(errno, EXDEV);
    cr_assert_geq(middle_ns - start_ns, 3000000);
    cr_assert_geq(end_ns - middle_ns, 4000000);
    cr_assert_eq(fired(&run, ACTION_DELAY), 1);
    cr_assert_eq(fired(&run, ACTION_LATE), 1);
}

static enum action acted;
static uint32_t acted_us;

static void act_note(struct injector_context *context, enum action action, uint32_t argument_us)
{
    (void)context;
    errno = EBADF;
    acted = action;
    acted_us = argument_us;
}

/*
 * Claim:   a carrier can put its own way of acting in the place of a process's; whatever it does,
 *          errno is as it was before the point.
 * Method:  a kill that is only noted, at an ordinary point and at the handler's.
 */
Test(injector_unit, a_carrier_can_act_otherwise)
{
    struct run run;

    run_start(&run, 1,
              "- {point: queue/copy/middle, action: kill, hit: 1}\n"
              "- {point: signal/handler/entry, action: stall, stall_ms: 7, hit: 1}\n");
    run.injector.act = act_note;
    injector_enter(&run.context, &run.injector, 0);
    acted = ACTION_NONE;
    errno = EXDEV;
    SV_POINT(queue_copy_middle);
    cr_assert(acted == ACTION_KILL && acted_us == 0);
    SV_POINT_ASYNC(signal_handler_entry);
    cr_assert(acted == ACTION_STALL && acted_us == 7000);
    cr_assert_eq(errno, EXDEV);
}

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
Test(injector_unit, a_seed_decides_alone)
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
Test(injector_unit, a_probability_is_kept)
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
Test(injector_unit, at_most_is_exact_over_the_run)
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
 * Claim:   a pattern with '*' means each point of that prefix that allows the action, and counts the
 *          hits of each for itself.
 */
Test(injector_unit, a_pattern_means_each_point_of_its_prefix)
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
Test(injector_unit, only_those_aimed_at_are_hit)
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
Test(injector_unit, swarm_draws_half_of_the_faults)
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
Test(injector_unit, the_first_fault_of_the_plan_wins)
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

/*
 * Claim:   a trace keeps the newest events in order, points and notes alike.
 */
Test(injector_unit, a_trace_keeps_the_newest)
{
    struct injector_event events[INJECTOR_EVENTS_MAX];
    struct run run;

    run_start(&run, 1, "  []\n");
    injector_enter(&run.context, &run.injector, 6);
    for (uint64_t i = 0; i < 1000; i++) {
        injector_note("note", i);
    }
    SV_POINT(queue_read_before);
    cr_assert_eq(injector_trace(&run.injector, 0, events), 0);
    cr_assert_eq(injector_trace(&run.injector, 6, events), INJECTOR_EVENTS_MAX);
    for (uint32_t i = 0; i + 1 < INJECTOR_EVENTS_MAX; i++) {
        cr_expect_str_eq(events[i].note, "note");
        cr_expect_eq(events[i].value, 1000 - INJECTOR_EVENTS_MAX + 1 + i);
        cr_expect_leq(events[i].time_ns, events[i + 1].time_ns);
    }
    cr_expect_null(events[INJECTOR_EVENTS_MAX - 1].note);
    cr_expect_eq(events[INJECTOR_EVENTS_MAX - 1].point, SV_POINT_queue_read_before);
}

/*
 * Claim:   libfiu's remote control works beside the plan: a point that fiu-ctrl enables does what
 *          failinfo says, if it allows it, for as many milliseconds as failnum; the plan is silent
 *          there.
 * Method:  the enables that fiu-ctrl's commands come down to, after a plan has fired at each point.
 */
Test(injector_unit, remote_control_is_obeyed)
{
    static const struct {
        enum sv_point point;
        int failnum;
        uintptr_t failinfo;
        enum sv_point_answer answer;
        enum action acted;
    } cases[] = {
        {SV_POINT_cache_load_before, 1, 0, SV_POINT_FAIL, ACTION_NONE},
        {SV_POINT_signal_send_kill, 1, 0, SV_POINT_DROP, ACTION_NONE},
        {SV_POINT_signal_send_kill, 1, 6, SV_POINT_DUPLICATE, ACTION_NONE},
        {SV_POINT_latch_wait_sleep, 1, 0, SV_POINT_INTERRUPT, ACTION_NONE},
        {SV_POINT_queue_copy_middle, 1, 1, SV_POINT_PROCEED, ACTION_KILL},
        {SV_POINT_queue_copy_middle, 30, 3, SV_POINT_PROCEED, ACTION_DELAY},
        {SV_POINT_queue_copy_middle, 1, 4, SV_POINT_PROCEED, ACTION_NONE},
        {SV_POINT_queue_copy_middle, 1, 0, SV_POINT_PROCEED, ACTION_NONE},
        {SV_POINT_queue_copy_middle, 1, 99, SV_POINT_PROCEED, ACTION_NONE},
    };
    struct run run;

    run_start(&run, 1, "- {point: '*', action: kill, probability: 1}\n");
    run.injector.act = act_note;
    injector_enter(&run.context, &run.injector, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = point_entries[cases[i].point].path;
        /* As fiu-ctrl's "enable name=<path>,failnum=<failnum>,failinfo=<failinfo>". */
        void *failinfo = (void *)cases[i].failinfo;

        if (i < 5) {
            acted = ACTION_NONE;
            cr_assert_eq(sv_point_hit(cases[i].point), i == 2 ? SV_POINT_DROP : SV_POINT_PROCEED);
            cr_assert_eq(acted, i == 2 ? ACTION_NONE : ACTION_KILL, "%s", path);
        }
        cr_assert_eq(fiu_enable(path, cases[i].failnum, failinfo, 0), 0);
        acted = ACTION_NONE;
        acted_us = 0;
        cr_expect_eq(sv_point_hit(cases[i].point), cases[i].answer, "case %zu", i);
        cr_expect_eq(acted, cases[i].acted, "case %zu", i);
        const uint32_t expected_us = acted == ACTION_NONE ? 0 : (uint32_t)cases[i].failnum * 1000;
        cr_expect_eq(acted_us, expected_us, "case %zu", i);
    }
    cr_assert_eq(fiu_disable("cache/load/before"), 0);
    cr_expect_eq(sv_point_hit(SV_POINT_cache_load_before), SV_POINT_PROCEED);
}
