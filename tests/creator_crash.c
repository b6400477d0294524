/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Segments whose creators die, as a run makes them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "faults/creator.h"
#include "sinval/backend.h"

TestSuite(creator_crash, .timeout = 60);

static void start(struct injector *injector, const struct plan *plan, uint64_t seed)
{
    struct injector_shared *shared =
        mmap(NULL, injector_shared_bytes(plan->world.backends), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(injector_init(), 0);
    injector_start(injector, plan, seed, shared);
}

static void load(struct plan *plan, const char *faults)
{
    char text[1024];
    char message[PLAN_MESSAGE_MAX];

    snprintf(text, sizeof(text), "name: test\ndanger: x\nfaults:\n%s", faults);
    cr_assert_eq(plan_load_text("test", text, strlen(text), plan, message, sizeof(message)), 0,
                 "%s", message);
}

static bool name_is_free(pid_t pid)
{
    char name[CREATOR_NAME_MAX];
    struct sv_segment *segment;

    creator_name(pid, name);
    return sv_segment_attach(name, &segment) == -ENOENT;
}

/*
 * Claim:   however its creators die or are refused memory, the segment is made by one that comes
 *          after them; none of what they left passes for a segment, and no name stays.
 * Method:  the shipped plan with 60 seeds; every action at every point of it must have happened.
 */
Test(creator_crash, the_next_creator_gets_through)
{
    static const struct sv_config config = {.capacity = 64, .backends_max = 4};
    char message[PLAN_MESSAGE_MAX];
    uint64_t kills[SV_POINT_COUNT] = {0};
    uint64_t fails = 0;
    struct plan plan;

    cr_assert_eq(plan_load_shipped("creator-dies", &plan, message, sizeof(message)), 0);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct finding finding = {.oracle = ORACLE_NONE};
        struct sv_segment *segment = NULL;
        struct sv_backend *self = NULL;
        struct injector injector;

        start(&injector, &plan, seed);
        cr_assert(creator_wanted(&injector));
        cr_assert_eq(creator_make(&injector, &config, &segment, &finding), 0, "seed %lu: %s", seed,
                     finding.message);
        cr_assert(name_is_free(getpid()), "seed %lu left its name", seed);
        cr_assert_eq(sv_segment_config(segment)->capacity, 64);
        cr_assert_eq(sv_backend_attach(segment, &(struct sv_backend_options){0}, &self), 0);
        sv_backend_detach(self);
        sv_segment_detach(segment);
        for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
            kills[point] += injector_fired(&injector, point, ACTION_KILL);
            fails += injector_fired(&injector, point, ACTION_FAIL);
        }
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (point_matches("segment/create/*", point)) {
            cr_expect_gt(kills[point], 0, "nobody died at %s", point_entries[point].path);
        }
    }
    cr_assert_gt(fails, 0);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child is left");
    cr_assert_eq(errno, ECHILD);
}

/*
 * Claim:   a creator that stalls is resumed, when its time is over.
 */
Test(creator_crash, a_stalled_creator_goes_on)
{
    static const struct sv_config config = {.capacity = 64, .backends_max = 4};
    struct finding finding = {.oracle = ORACLE_NONE};
    struct sv_segment *segment = NULL;
    struct injector injector;
    struct plan plan;

    load(&plan, "- {point: 'segment/create/*', action: stall, stall_ms: 5, hit: 1}\n");
    start(&injector, &plan, 1);
    const uint64_t before_ns = sv_os_now_ns();
    cr_assert_eq(creator_make(&injector, &config, &segment, &finding), 0, "%s", finding.message);
    const uint64_t stalls = injector_fired(&injector, SV_POINT_segment_create_sized, ACTION_STALL) +
                            injector_fired(&injector, SV_POINT_segment_create_ready, ACTION_STALL);
    cr_assert_eq(stalls, 2);
    cr_assert_geq(sv_os_now_ns() - before_ns, UINT64_C(10000000));
    sv_segment_detach(segment);
}

/*
 * Claim:   a supervisor that is killed while its creator is at work leaves no name behind.
 * Method:  the creator stalls for a minute with its segment half built; then the supervisor is
 *          killed, and the name must vanish.
 */
Test(creator_crash, a_killed_supervisor_leaves_no_name)
{
    static const struct sv_config config = {.capacity = 64, .backends_max = 4};
    struct injector injector;
    struct plan plan;

    load(&plan, "- {point: segment/create/ready, action: stall, stall_ms: 60000, hit: 1}\n");
    start(&injector, &plan, 1);
    const pid_t parent = getpid();
    const pid_t supervisor = fork();
    if (supervisor == 0) {
        struct finding finding;
        struct sv_segment *segment;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            (void)!creator_make(&injector, &config, &segment, &finding);
        }
        _exit(1);
    }
    cr_assert_gt(supervisor, 0);
    const struct injector_record *record = &injector.shared->records[0];
    while (sv_load_seq64(&record->stalled_until_ns) == 0) {
        sv_os_spin();
    }
    cr_assert_not(name_is_free(supervisor), "the segment should be half built");
    cr_assert_eq(kill(supervisor, SIGKILL), 0);
    cr_assert_eq(waitpid(supervisor, NULL, 0), supervisor);
    while (!name_is_free(supervisor)) {
        sv_os_spin();
    }
}

/*
 * Claim:   a plan without a fault for creators wants none.
 */
Test(creator_crash, other_plans_need_no_creator)
{
    struct injector injector;
    struct plan plan;

    load(&plan, "- {point: queue/copy/middle, action: kill, hit: 1}\n");
    start(&injector, &plan, 1);
    cr_assert_not(creator_wanted(&injector));
}
