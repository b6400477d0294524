/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Campaigns whose runs end as no run should: what becomes of the run when its supervisor crashes,
 * stands still, or plays it otherwise the second time.
 *
 * This program has one carrier, of no real backends, whose runs go wrong as their seed says; and a
 * clock that can leap.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "faults/campaign.h"
#include "plan_support.h"
#include "support.h"

TestSuite(campaign_fault, .timeout = 60);

/* Added to the time by which the campaign goes; in a job, who is forked before, it stays 0. */
static time_t leap_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += leap_s;
    return result;
}

/* ---- a carrier ----------------------------------------------------------------------------- */

/* Seeds, and what happens to the supervisor of such a run, or to its only backend. */
enum {
    KILLED = 1, /* the supervisor, by SIGKILL */
    ABORTED,    /* ..., by SIGABRT */
    LEFT,       /* it leaves in the middle */
    STUCK,      /* it stands still */
    CHANGING_1, /* the backend is aborted; never are the events the same */
    CHANGING_2,
    SAME_1, /* ...; always the same */
    SAME_2,
};

static int test_open(struct carrier *carrier)
{
    switch (carrier->world->seed) {
    case KILLED:
        (void)kill(getpid(), SIGKILL);
        break;
    case ABORTED:
        (void)signal(SIGABRT, SIG_DFL);
        (void)prctl(PR_SET_DUMPABLE, 0); /* no core file */
        (void)kill(getpid(), SIGABRT);
        break;
    case LEFT:
        _exit(3);
    case STUCK:
        for (;;) {
            (void)pause();
        }
    default:
        break;
    }
    return 0;
}

static int test_start(struct carrier *carrier, uint32_t seat)
{
    (void)seat;
    carrier->own = carrier->pids; /* something: its end is not told yet */
    return 0;
}

static int test_wait(struct carrier *carrier, uint32_t wait_ms)
{
    (void)carrier;
    (void)wait_ms;
    return 0;
}

static bool test_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    const bool untold = carrier->own != NULL;

    *exit = (struct carrier_exit){.seat = 0, .status = -SIGABRT};
    carrier->own = NULL;
    return untold;
}

static void test_resume(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    (void)seat;
}

static uint64_t test_events(const struct carrier *carrier)
{
    static uint64_t plays;

    plays++;
    return carrier->world->seed < SAME_1 ? plays : 7;
}

static int test_close(struct carrier *carrier)
{
    (void)carrier;
    return 0;
}

static const struct carrier_kind test_carrier = {
    .name = "test",
    .open = test_open,
    .start = test_start,
    .wait = test_wait,
    .next_exit = test_next_exit,
    .resume = test_resume,
    .events = test_events,
    .close = test_close,
};

/* In place of faults/carriers.c. */
const struct carrier_kind *const carrier_kinds[] = {&test_carrier, NULL};

/* ---- tests --------------------------------------------------------------------------------- */

static const struct plan *test_plan(void)
{
    static struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(load(HEAD "world: {backends: 1}\nfaults: []\n", &plan, message), 0, "%s", message);
    return &plan;
}

static struct campaign_options options_for(uint64_t first, uint64_t last, uint32_t jobs)
{
    return (struct campaign_options){.plans = test_plan(),
                                     .plan_count = 1,
                                     .seed_first = first,
                                     .seed_last = last,
                                     .carrier = "test",
                                     .jobs = jobs,
                                     .timeout_ms = 1000,
                                     .keep_going = true};
}

static struct campaign play(const struct campaign_options *options)
{
    struct campaign campaign;
    cr_assert_eq(campaign_run(options, &campaign), 0);
    cr_assert_eq(campaign.environment.message[0], '\0', "%s", campaign.environment.message);
    cr_expect_eq(campaign.runs, campaign.planned, "%" PRIu64 " runs", campaign.runs);
    cr_expect_eq(campaign.failed, campaign.planned, "%" PRIu64 " failed", campaign.failed);
    cr_expect_eq(campaign.plans[0].failed, campaign.planned);
    return campaign;
}

/* The run of that seed failed by that oracle, with these words. */
static void expect_failure(const struct campaign *campaign, uint64_t seed, enum oracle oracle,
                           const char *words)
{
    for (uint32_t i = 0; i < campaign->failure_count; i++) {
        const struct failure *failure = &campaign->failures[i];
        if (failure->seed == seed) {
            cr_expect_eq(failure->finding.oracle, oracle, "%s", failure->finding.message);
            cr_expect_not_null(strstr(failure->finding.message, words), "says: %s",
                               failure->finding.message);
            return;
        }
    }
    cr_expect_fail("seed %" PRIu64 " did not fail", seed);
}

/*
 * Claim:   a run whose supervisor crashes, or leaves in the middle, has failed (O3), whatever ended
 *          it.
 * Method:  a job for each, since none outlives its run.
 */
Test(campaign_fault, a_supervisor_that_crashes_is_a_failure)
{
    const struct campaign_options options = options_for(KILLED, LEFT, 3);
    struct campaign campaign = play(&options);
    expect_failure(&campaign, KILLED, ORACLE_O3, "ended by signal 9 ");
    expect_failure(&campaign, ABORTED, ORACLE_O3, "ended by signal 6 ");
    expect_failure(&campaign, LEFT, ORACLE_O3, "left with status 3");
    campaign_free(&campaign);
}

/* Once an hour has passed. */
static void leap_an_hour(const struct campaign *campaign, void *argument)
{
    (void)argument;
    cr_expect(campaign->failed == 0 || leap_s != 0, "it was killed before its time");
    leap_s = 3600;
}

/*
 * Claim:   a run that takes longer than all its own deadlines can explain is ended, and has failed:
 *          so a campaign ends, whatever is wrong.
 * Method:  a supervisor that stands still, and an hour that passes for the campaign alone. If
 *          nothing ended it, this test would not end.
 */
Test(campaign_fault, a_supervisor_that_stands_still_is_ended)
{
    struct campaign_options options = options_for(STUCK, STUCK, 1);
    options.progress = leap_an_hour;
    struct campaign campaign = play(&options);
    expect_failure(&campaign, STUCK, ORACLE_O3, "ended by signal 9 ");
    campaign_free(&campaign);
}

/*
 * Claim:   where a carrier tells what happens, each run that fails is played once more, and one that
 *          is not the same then is said to be that; one that is the same is told as it was found.
 * Method:  the same verdict and other events, each time, and never; not only of the first run.
 */
Test(campaign_fault, a_failing_run_that_is_not_the_same_again_is_told)
{
    const struct campaign_options options = options_for(CHANGING_1, SAME_2, 1);
    struct campaign campaign = play(&options);
    expect_failure(&campaign, CHANGING_1, ORACLE_NONE, "not the same when it is played again");
    expect_failure(&campaign, CHANGING_2, ORACLE_NONE, "not the same when it is played again");
    expect_failure(&campaign, SAME_1, ORACLE_O3, "backend 0 was ended by signal 6");
    expect_failure(&campaign, SAME_2, ORACLE_O3, "backend 0 was ended by signal 6");
    campaign_free(&campaign);
}

/*
 * Claim:   of all the ways in which a process ends, only SIGKILL is a planned death; an exit status
 *          and any other signal are told as such.
 * Method:  wait statuses as Linux makes them, with a core file and without.
 */
Test(campaign_fault, only_sigkill_is_a_planned_death)
{
    enum { CORE = 0x80 };

    static const struct {
        int wait_status;
        bool killed;
        int status;
    } cases[] = {
        {0, false, WORKER_LEFT},
        {WORKER_ACCUSED << 8, false, WORKER_ACCUSED},
        {WORKER_FAILED << 8, false, WORKER_FAILED},
        {SIGKILL << 8, false, SIGKILL},
        {255 << 8, false, 255},
        {SIGKILL, true, -SIGKILL},
        {SIGABRT, false, -SIGABRT},
        {SIGABRT | CORE, false, -SIGABRT},
        {SIGSEGV, false, -SIGSEGV},
        {SIGSEGV | CORE, false, -SIGSEGV},
        {SIGBUS, false, -SIGBUS},
        {SIGTERM, false, -SIGTERM},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct carrier_exit exit = {.killed = !cases[i].killed, .status = 1000};
        carrier_exit_from(&exit, cases[i].wait_status);
        cr_expect_eq(exit.killed, cases[i].killed, "case %zu", i);
        cr_expect_eq(exit.status, cases[i].status, "case %zu: %d", i, exit.status);
    }
}
