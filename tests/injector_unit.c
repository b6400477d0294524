/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The injector: each action, what it leaves in the trace, and libfiu's remote control.
 */
#include <fiu-control.h>

#include "injector_support.h"

TestSuite(injector_unit, .timeout = 60);

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

/* The signals that a process has blocked, as /proc tells: bit n - 1 for signal n. */
static uint64_t blocked_signals(pid_t pid)
{
    char line[128];
    uint64_t blocked = 0;

    snprintf(line, sizeof(line), "/proc/%d/status", pid);
    FILE *status = fopen(line, "re");
    cr_assert_not_null(status);
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0) {
            blocked = strtoull(line + 7, NULL, 16);
        }
    }
    (void)fclose(status);
    return blocked;
}

/*
 * Claim:   no signal handler runs inside a stall: its own point may stall, and the supervisor, who
 *          resumes once, would leave the outer one stopped for ever.
 * Method:  the signals that a stalled child blocks, and those that it blocked before.
 */
Test(injector_unit, no_handler_runs_inside_a_stall)
{
    struct run run;

    run_start(&run, 1, "- {point: queue/copy/middle, action: stall, stall_ms: 1, hit: 3}\n");
    const pid_t pid = in_child(&run, 0, hit_copy_ten_times);
    int status = -1;

    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    cr_assert(WIFSTOPPED(status), "status %#x", status);
    cr_assert_neq(blocked_signals(pid) & UINT64_C(1) << (SIGUSR1 - 1), 0);
    cr_assert_eq(blocked_signals(getpid()) & UINT64_C(1) << (SIGUSR1 - 1), 0);
    (void)resume_when_over(&run, 0, pid);
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

/* libfiu keeps a number in a pointer. */
static void *failinfo_of(uint32_t action)
{
    const uintptr_t number = action;
    void *pointer;

    memcpy(&pointer, &number, sizeof(pointer));
    return pointer;
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
        uint32_t action; /* as failinfo */
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
        {SV_POINT_latch_wait_sleep, 1, 8, SV_POINT_INTERRUPT, ACTION_NONE},
        {SV_POINT_signal_send_kill, 1, 8, SV_POINT_PROCEED, ACTION_NONE}, /* it allows no such */
    };
    struct run run;

    run_start(&run, 1, "- {point: '*', action: kill, probability: 1}\n");
    run.injector.act = act_note;
    injector_enter(&run.context, &run.injector, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = point_entries[cases[i].point].path;
        /* As fiu-ctrl's "enable name=<path>,failnum=<failnum>,failinfo=<failinfo>". */
        if (i < 5) {
            acted = ACTION_NONE;
            cr_assert_eq(sv_point_hit(cases[i].point), i == 2 ? SV_POINT_DROP : SV_POINT_PROCEED);
            cr_assert_eq(acted, i == 2 ? ACTION_NONE : ACTION_KILL, "%s", path);
        }
        cr_assert_eq(fiu_enable(path, cases[i].failnum, failinfo_of(cases[i].action), 0), 0);
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
