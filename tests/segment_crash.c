/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Creators that are killed, stopped or race: whatever they leave, the next creator gets a sound
 * segment, and nobody ever attaches to half of one.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include "faults/injector.h"
#include "segment_support.h"

TestSuite(segment_crash, .timeout = 120, .fini = unlink_all);

/* Use it: two backends and a message between them. */
static void expect_sound(struct sv_segment *segment)
{
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    struct sv_message out[4];
    uint32_t count = 0;
    insert_numbered(writer, 7, 1);
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), 0);
    cr_assert_eq(count, 1);
    cr_assert_eq(out[0].payload, 7);
    sv_backend_detach(reader);
    sv_backend_detach(writer);
}

/* The next creator after what happened: it gets a sound segment, and one can attach to it. */
static void expect_created(const struct test_name *name, const char *after)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(name->text, &small_world, &segment);
    cr_assert_eq(result, 0, "%s: %s", after, sv_segment_error(result));
    expect_sound(segment);
    sv_segment_detach(segment);
    cr_assert_eq(attach_result(name), 0, "%s", after);
    cr_assert_eq(sv_segment_unlink(name->text), 0);
}

/* ---- at the fault points ----------------------------------------------------------------- */

struct run {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
    struct test_name name;
};

/* A run in which backend 0 does that at that point, once. */
static struct run *run_start(const char *what, const char *point, const char *action)
{
    static struct run run;
    char text[300];
    char message[PLAN_MESSAGE_MAX];
    (void)snprintf(
        text, sizeof(text),
        "name: test\ndanger: x\nfaults:\n- {backend: 0, point: %s, action: %s, hit: 1}\n", point,
        action);
    cr_assert_eq(plan_load_text("test", text, strlen(text), &run.plan, message, sizeof(message)), 0,
                 "%s", message);
    void *shared = mmap(NULL, injector_shared_bytes(8), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(injector_init(), 0);
    injector_start(&run.injector, &run.plan, 1, shared);
    run.name = name_of(what);
    return &run;
}

/* Create under the plan, as backend 0; the exit status is the result, made positive. */
static int create_under_plan(struct sv_segment *segment, void *argument)
{
    struct run *run = argument;
    injector_enter(&run->context, &run->injector, 0);
    return -sv_segment_create(run->name.text, &small_world, &segment);
}

static const char *const points[] = {"segment/create/opened", "segment/create/sized",
                                     "segment/create/ready"};

/*
 * Claim:   a creator killed at any of its points leaves nothing that one can attach to, and
 *          nothing that is in the next one's way; also when that one dies in turn.
 * Method:  each pair of points, one after the other.
 */
Test(segment_crash, a_creator_that_dies_is_replaced)
{
    for (int first = 0; first < 3; first++) {
        for (int second = 0; second < 3; second++) {
            struct run *run = run_start("dies", points[first], "kill");
            int status = reap(fork_child(create_under_plan, NULL, run));
            cr_assert(WIFSIGNALED(status), "%s: status %x", points[first], status);
            cr_assert_eq(attach_result(&run->name), -EAGAIN, "%s", points[first]);
            run = run_start("dies", points[second], "kill");
            status = reap(fork_child(create_under_plan, NULL, run));
            cr_assert(WIFSIGNALED(status), "%s: status %x", points[second], status);
            cr_assert_eq(attach_result(&run->name), -EAGAIN, "%s", points[second]);
            expect_created(&run->name, points[second]);
        }
    }
}

/*
 * Claim:   of what the dead creator wrote nothing is left.
 * Method:  a half-built file, longer than the segment, all of whose bytes after the prefix are set;
 *          the new segment must be like one made from nothing.
 */
Test(segment_crash, nothing_of_the_dead_creators_work_is_left)
{
    enum { BYTES = 1 << 20 };
    const struct test_name name = name_of("remains");
    const struct sv_prefix half = {.magic = SV_MAGIC, .layout_version = SV_LAYOUT_VERSION + 1};
    struct sv_segment *fresh = world(small_world);
    struct sv_segment *segment = NULL;
    uint8_t *bytes = malloc(BYTES);
    cr_assert_not_null(bytes);
    memset(bytes, 0xff, BYTES);
    memcpy(bytes, &half, sizeof(half));
    file_poke(&name, 0, bytes, BYTES);
    free(bytes);
    cr_assert_eq(sv_segment_create(name.text, &small_world, &segment), 0);
    cr_assert_eq((size_t)file_bytes(&name), fresh->size_bytes);
    cr_assert_arr_eq(segment->base, fresh->base, fresh->size_bytes);
    sv_segment_detach(fresh);
    sv_segment_detach(segment);
}

/*
 * Claim:   a creator that is merely slow is not replaced, once it has the lock: others are told to
 *          try again; and when it goes on, its segment is sound. Killed while stopped, it is.
 * Method:  stopped at a point, seen by waitpid; resumed or killed.
 */
Test(segment_crash, a_creator_that_is_slow_is_not_replaced)
{
    for (int i = 1; i < 3; i++) {
        for (int kills = 0; kills < 2; kills++) {
            int status = 0;
            struct run *run = run_start("slow", points[i], "stall, stall_ms: 1");
            const pid_t pid = fork_child(create_under_plan, NULL, run);
            cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
            cr_assert(WIFSTOPPED(status), "%s", points[i]);
            cr_assert_eq(attach_result(&run->name), -EAGAIN, "%s", points[i]);
            cr_assert_eq(create_result(&run->name), -EAGAIN, "%s", points[i]);
            if (kills) {
                kill_and_reap(pid);
                expect_created(&run->name, points[i]);
                continue;
            }
            cr_assert_eq(kill(pid, SIGCONT), 0);
            cr_assert_eq(reap(pid), 0);
            cr_assert_eq(attach_result(&run->name), 0, "%s", points[i]);
            cr_assert_eq(create_result(&run->name), -EEXIST, "%s", points[i]);
            cr_assert_eq(sv_segment_unlink(run->name.text), 0);
        }
    }
}

/*
 * Claim:   a creator that dawdles before it has the lock finds, when it goes on, that another has
 *          built the segment meanwhile, and leaves it alone; or, if that one is gone again, builds
 *          one that can be found.
 * Method:  stopped between open and lock; meanwhile another creates; or creates and unlinks.
 */
Test(segment_crash, a_creator_that_dawdles_spoils_nothing)
{
    for (int gone = 0; gone < 2; gone++) {
        int status = 0;
        struct run *run = run_start("dawdles", points[0], "stall, stall_ms: 1");
        struct sv_segment *segment = NULL;
        const pid_t pid = fork_child(create_under_plan, NULL, run);
        cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
        cr_assert(WIFSTOPPED(status));
        cr_assert_eq(sv_segment_create(run->name.text, &small_world, &segment), 0);
        if (gone) {
            cr_assert_eq(sv_segment_unlink(run->name.text), 0);
        }
        cr_assert_eq(kill(pid, SIGCONT), 0);
        status = reap(pid);
        cr_assert_eq(WEXITSTATUS(status), gone ? 0 : EEXIST, "status %x", status);
        expect_sound(segment);
        sv_segment_detach(segment);
        cr_assert_eq(attach_result(&run->name), 0);
        cr_assert_eq(sv_segment_unlink(run->name.text), 0);
    }
}

/*
 * Claim:   a creator that runs out of room leaves no file behind, and the next one succeeds.
 */
Test(segment_crash, a_creator_that_fails_leaves_nothing)
{
    struct run *run = run_start("fails", points[1], "fail");
    const int lowest = lowest_free_fd();
    const int status = reap(fork_child(create_under_plan, NULL, run));
    cr_assert_eq(WEXITSTATUS(status), ENOSPC, "status %x", status);
    cr_assert_not(file_exists(&run->name));
    injector_enter(&run->context, &run->injector, 0);
    struct sv_segment *segment = NULL;
    cr_assert_eq(sv_segment_create(NULL, &small_world, &segment), 0, "hit 1 was the child's");
    injector_leave();
    sv_segment_detach(segment);
    cr_assert_eq(lowest_free_fd(), lowest, "a descriptor was leaked");
    expect_created(&run->name, "no room");
}

/*
 * Claim:   a creator that fails takes away its own file only, not what has the name by then.
 * Method:  stopped with its blocks reserved; meanwhile a user unlinks the name and creates anew;
 *          then it is let go on, without address space.
 */
Test(segment_crash, a_creator_that_fails_unlinks_its_own_file_only)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip("the sanitizer needs address space itself");
#endif
    int status = 0;
    struct run *run = run_start("own", points[1], "stall, stall_ms: 1");
    struct sv_segment *segment = NULL;
    const struct rlimit none = {0, 0};
    const pid_t pid = fork_child(create_under_plan, NULL, run);
    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    cr_assert(WIFSTOPPED(status));
    cr_assert_eq(sv_segment_unlink(run->name.text), 0);
    cr_assert_eq(sv_segment_create(run->name.text, &small_world, &segment), 0);
    cr_assert_eq(prlimit(pid, RLIMIT_AS, &none, NULL), 0);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    status = reap(pid);
    cr_assert_eq(WEXITSTATUS(status), ENOMEM, "status %x", status);
    cr_assert_eq(attach_result(&run->name), 0, "it has unlinked what another created");
    sv_segment_detach(segment);
}

/* ---- anywhere ---------------------------------------------------------------------------- */

static int create_traced(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        return 77;
    }
    (void)raise(SIGSTOP);
    return -sv_segment_create(name->text, &small_world, &segment);
}

/*
 * Claim:   wherever a creator is killed, one attaches to a sound segment or to none, and the next
 *          creator gets one unless it is there already.
 * Method:  killed before and after its k-th system call, for k = 1, 2, ... until it ends by
 *          itself. Between two calls it changes only memory that nobody else looks at.
 */
Test(segment_crash, a_creator_killed_at_any_system_call_is_replaced)
{
    struct test_name name = name_of("anywhere");
    bool ended = false;
    uint32_t half_built = 0;
    uint32_t complete = 0;
    for (uint32_t k = 1; !ended; k++) {
        int status = 0;
        const pid_t pid = fork_child(create_traced, NULL, &name);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            cr_skip("ptrace is not allowed");
        }
        for (uint32_t stop = 0; stop < k && !ended; stop++) {
            cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
            cr_assert_eq(waitpid(pid, &status, 0), pid);
            ended = WIFEXITED(status);
        }
        if (!ended) {
            kill_and_reap(pid);
        }
        const int result = attach_result(&name);
        cr_assert(result == 0 || result == -ENOENT || result == -EAGAIN, "stop %" PRIu32 ": %s", k,
                  sv_segment_error(result));
        half_built += result == -EAGAIN;
        complete += result == 0;
        if (result == 0) {
            cr_assert_eq(create_result(&name), -EEXIST);
            cr_assert_eq(sv_segment_unlink(name.text), 0);
        }
        expect_created(&name, "killed at a system call");
    }
    cr_assert_gt(half_built, 8, "killed half way %" PRIu32 " times only", half_built);
    cr_assert_gt(complete, 0, "never killed after it was done");
}

/* ---- races ------------------------------------------------------------------------------- */

struct race {
    struct test_name name;
    struct sv_atomic32 ready;
    struct sv_atomic32 go;
    struct sv_atomic32 created;
    struct sv_atomic32 refused;
    struct sv_atomic32 wrong;
};

static int race_to_create(struct sv_segment *segment, void *argument)
{
    struct race *race = argument;
    (void)sv_fetch_add_seq32(&race->ready, 1);
    sv_os_wake(&race->ready, 1);
    while (sv_load_acquire32(&race->go) == 0) {
        (void)sv_os_wait(&race->go, 0, UINT64_C(1000000000));
    }
    const int result = sv_segment_create(race->name.text, &small_world, &segment);
    if (result == 0) {
        (void)sv_fetch_add_seq32(&race->created, 1);
    } else if (result == -EEXIST || result == -EAGAIN) {
        (void)sv_fetch_add_seq32(&race->refused, 1);
    } else {
        (void)sv_fetch_add_seq32(&race->wrong, 1);
    }
    return 0;
}

/*
 * Claim:   of creators that race for a name, also for one that was abandoned, exactly one succeeds;
 *          the others are told that it exists, or to try again.
 * Method:  100 rounds of 4, let go together; every other round over what a dead creator left.
 */
Test(segment_crash, one_of_the_racers_creates)
{
    enum { RACERS = 4, ROUNDS = 100 };
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(race, MAP_FAILED);
    const struct sv_prefix half = {.magic = SV_MAGIC, .layout_version = SV_LAYOUT_VERSION};
    for (int round = 0; round < ROUNDS; round++) {
        pid_t racers[RACERS];
        *race = (struct race){.name = name_of("race")};
        if (round % 2) {
            file_poke(&race->name, 0, &half, sizeof(half));
        }
        for (int i = 0; i < RACERS; i++) {
            racers[i] = fork_child(race_to_create, NULL, race);
        }
        for (uint32_t seen; (seen = sv_load_acquire32(&race->ready)) < RACERS;) {
            (void)sv_os_wait(&race->ready, seen, UINT64_C(1000000000));
        }
        sv_store_release32(&race->go, 1);
        sv_os_wake(&race->go, RACERS);
        for (int i = 0; i < RACERS; i++) {
            cr_assert_eq(reap(racers[i]), 0);
        }
        cr_assert_eq(sv_load_seq32(&race->created), 1, "round %d", round);
        cr_assert_eq(sv_load_seq32(&race->refused), RACERS - 1, "round %d", round);
        cr_assert_eq(attach_result(&race->name), 0);
        cr_assert_eq(sv_segment_unlink(race->name.text), 0);
    }
}

static int churn(struct sv_segment *segment, void *argument)
{
    struct race *race = argument;
    while (sv_load_relaxed32(&race->go) == 0) {
        int result = sv_segment_create(race->name.text, &small_world, &segment);
        if (result == 0) {
            (void)sv_fetch_add_seq32(&race->created, 1);
            sv_os_wake(&race->created, 1);
        } else if (result != -EEXIST && result != -EAGAIN) {
            (void)sv_fetch_add_seq32(&race->wrong, 1);
        } else {
            result = sv_segment_attach(race->name.text, &segment);
            if (result != 0 && result != -ENOENT && result != -EAGAIN) {
                (void)sv_fetch_add_seq32(&race->wrong, 1);
            }
        }
        if (result == 0) {
            sv_segment_detach(segment);
            (void)!sv_segment_unlink(race->name.text);
        }
    }
    return 0;
}

/*
 * Claim:   creating, attaching and unlinking the same name at once, while creators are killed,
 *          never shows a broken segment, and in the end the name can be had.
 * Method:  4 processes in a loop, 100 kills at whatever instruction, each replaced.
 */
Test(segment_crash, creators_killed_at_any_moment_block_no_name)
{
    enum { PROCESSES = 4, KILLS = 100 };
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(race, MAP_FAILED);
    race->name = name_of("churn");
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork_child(churn, NULL, race);
    }
    for (uint32_t kills = 0; kills < KILLS; kills++) {
        (void)sv_os_wait(&race->created, sv_load_seq32(&race->created), UINT64_C(1000000000));
        kill_and_reap(children[kills % PROCESSES]);
        children[kills % PROCESSES] = fork_child(churn, NULL, race);
    }
    sv_store_seq32(&race->go, 1);
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_eq(reap(children[i]), 0);
    }
    cr_assert_eq(sv_load_seq32(&race->wrong), 0);
    (void)!sv_segment_unlink(race->name.text);
    expect_created(&race->name, "churn");
}
