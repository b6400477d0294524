/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval stat where somebody is stopped with a lock: who, which lock, since when.
 *
 * The holder, slot 0, stops itself with the lock as often as it is told to; the next time when who
 * waited, slots 1 and 2, has had it and has left.
 */
#include "cli_support.h"

#include <jansson.h>
#include <sched.h>

#include "interpose.h"
#include "queue/queue.h"
#include "shm/segment.h"

TestSuite(holder_cli, .timeout = 90);

struct scene {
    struct cli *cli;
    char name[64];
    struct sv_segment *segment;
    enum sv_lock_mode mode;
    int holds;
    pid_t holder;
};

static bool is_there(struct sv_segment *segment, uint32_t slot)
{
    struct sv_slot_state state;
    sv_slot_look(segment, slot, &state);
    return state.in_use;
}

static int hold(struct sv_segment *segment, void *argument)
{
    const struct scene *scene = argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    for (int i = 0; i < scene->holds; i++) {
        sv_lwlock_acquire(self, SV_LOCK_APP_1, scene->mode);
        raise(SIGSTOP);
        sv_lwlock_release(self, SV_LOCK_APP_1);
        while (is_there(segment, 1) || is_there(segment, 2)) {
            sched_yield();
        }
    }
    sv_backend_detach(self);
    return 0;
}

static int take_once(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_lwlock_acquire(self, SV_LOCK_APP_1, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(self, SV_LOCK_APP_1);
    sv_backend_detach(self);
    return 0;
}

static void await_stop(pid_t pid)
{
    siginfo_t info = {0};
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    cr_assert_eq(info.si_code, CLD_STOPPED, "the holder ended");
}

/* A segment, and one stopped in it with the lock. */
static void enter(struct scene *scene, enum sv_lock_mode mode, int holds, uint32_t lock_hold_max_ms)
{
    const struct sv_config config = {.backends_max = 8, .lock_hold_max_ms = lock_hold_max_ms};
    *scene = (struct scene){.cli = cli_open(), .mode = mode, .holds = holds};
    snprintf(scene->name, sizeof(scene->name), "holder-cli-%d", (int)getpid());
    const int result = sv_segment_create(scene->name, &config, &scene->segment);
    cr_assert_eq(result, 0, "%s: %s", scene->name, sv_segment_error(result));
    cr_assert_eq(setenv("name", scene->name, 1), 0);
    scene->holder = fork_child(hold, scene->segment, scene);
    await_stop(scene->holder);
}

static void leave(struct scene *scene)
{
    cr_assert_eq(kill(scene->holder, SIGCONT), 0);
    cr_assert_eq(reap(scene->holder), 0);
    sv_segment_detach(scene->segment);
    cr_assert_eq(sv_segment_unlink(scene->name), 0);
    cli_close(scene->cli);
}

/* The line of the lock, as text. */
static void expect_line(struct scene *scene, const char *before, const char *after)
{
    char line[128];
    snprintf(line, sizeof(line), "app_1    %s: slot 0 (pid %d), stopped%s",
             scene->mode == SV_LOCK_EXCLUSIVE ? "exclusive" : "shared", (int)scene->holder, before);
    expect_run(scene->cli, 0, line, "", "$sinval stat $name");
    expect_run(scene->cli, 0, after, "", "$sinval stat $name");
}

/* Since when the holder holds it, by the JSON; 0: null. */
static uint64_t since_by_json(struct scene *scene, bool *exact)
{
    cr_assert_eq(run(scene->cli, "$sinval stat --report=json $name"), 0);
    json_t *json = json_loads(scene->cli->output, 0, NULL);
    cr_assert_not_null(json, "%s", scene->cli->output);
    const json_t *lock = json_array_get(json_object_get(json, "locks"), SV_LOCK_APP_1);
    const json_t *since = scene->mode == SV_LOCK_EXCLUSIVE
                              ? json_object_get(lock, "owner_since_ns")
                              : json_array_get(json_object_get(lock, "shared_since_ns"), 0);
    cr_assert_not_null(since);
    *exact = json_is_true(json_object_get(lock, "since_is_exact"));
    const uint64_t since_ns = json_is_null(since) ? 0 : (uint64_t)json_integer_value(since);
    json_decref(json);
    return since_ns;
}

/* Until a waiter has said since when. */
static void await_note(const struct sv_segment *segment)
{
    while (sv_load_acquire64(&segment->slots[0].since_ns[SV_LOCK_APP_1]) == 0) {
        sv_os_spin();
    }
}

/* Until who waits has looked a few times whether the holder lives: what is said may not move. */
static void await_looks(struct sv_segment *segment, uint32_t slot)
{
    const uint64_t start_ns = sv_os_now_ns();
    struct sv_slot_state state;
    do {
        sv_slot_look(segment, slot, &state);
        sv_os_spin();
    } while (state.waits_for_lock != SV_LOCK_APP_1 || sv_os_now_ns() - start_ns < 50000000);
}

/*
 * Claim:   of a stopped holder stat names slot, process, lock and mode; and since when, as far as
 *          who waits can know: that is when the first waiter went to sleep; it does not move while
 *          the hold lasts, and is not said of the next hold.
 * Method:  stat without a waiter; with two, of whom one came later; when they have had the lock and
 *          the holder has it again.
 */
static void holder_is_named(enum sv_lock_mode mode)
{
    struct scene scene;
    bool exact = true;
    char waits[64];
    enter(&scene, mode, 2, 0);
    expect_line(&scene, "\n", "write    free\n");
    cr_expect_eq(since_by_json(&scene, &exact), 0, "nobody can know");
    cr_expect(!exact);

    const uint64_t before_ns = sv_os_now_ns();
    const pid_t waiter = fork_child(take_once, scene.segment, NULL);
    await_note(scene.segment);
    const uint64_t noted_ns = sv_os_now_ns();
    await_looks(scene.segment, 1);
    const pid_t second = fork_child(take_once, scene.segment, NULL);
    await_looks(scene.segment, 2);
    snprintf(waits, sizeof(waits), "; waits: slot 1 (pid %d) for ", (int)waiter);
    if (mode == SV_LOCK_SHARED) { /* it has the exclusive word, and waits for who is inside */
        snprintf(waits, sizeof(waits), "app_1    exclusive: slot 1 (pid %d), holds it for at ",
                 (int)waiter);
    } else {
        expect_line(&scene, ", holds it for at least ", waits);
    }
    expect_run(scene.cli, 0, "stopped, holds it for at least ", "", "$sinval stat $name");
    expect_run(scene.cli, 0, waits, "", "$sinval stat $name");
    const uint64_t since_ns = since_by_json(&scene, &exact);
    cr_expect(since_ns >= before_ns && since_ns <= noted_ns,
              "%" PRIu64 " is not in %" PRIu64 " to %" PRIu64, since_ns, before_ns, noted_ns);

    cr_assert_eq(kill(scene.holder, SIGCONT), 0);
    cr_assert_eq(reap(waiter), 0);
    cr_assert_eq(reap(second), 0);
    await_stop(scene.holder);
    expect_line(&scene, "\n", "write    free\n");
    cr_expect_eq(since_by_json(&scene, &exact), 0, "said of a hold that nobody waits for");
    leave(&scene);
}

Test(holder_cli, a_stopped_exclusive_holder_is_named)
{
    holder_is_named(SV_LOCK_EXCLUSIVE);
}

Test(holder_cli, a_stopped_shared_holder_is_named)
{
    holder_is_named(SV_LOCK_SHARED);
}

/* Claim: with lock_hold_max_ms the time is that of the acquire, and said without a waiter. */
Test(holder_cli, with_a_limit_the_time_is_exact)
{
    const uint64_t before_ns = sv_os_now_ns();
    struct scene scene;
    bool exact = false;
    enter(&scene, SV_LOCK_EXCLUSIVE, 1, 3600000);
    const uint64_t since_ns = since_by_json(&scene, &exact);
    cr_expect(exact);
    cr_expect(since_ns >= before_ns && since_ns <= sv_os_now_ns());
    expect_line(&scene, ", holds it for ", " ms\n");
    leave(&scene);
}

static int die_with_a_promise(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct sv_backend *self = NULL;
    const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = 1};
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_intent_declare(self, &message, 1);
    return 0; /* without a detach */
}

static void stop(void *argument)
{
    (void)argument;
    raise(SIGSTOP);
}

/* Settles the dead, and stops itself when it has taken write_lock for one, in its name. */
static int settle_and_stop(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct interposer interposer;
    interpose_begin(&interposer, "lock/write_exclusive_acquire/after", 1, stop, NULL);
    const uint32_t count = sv_backend_settle_dead(segment);
    interpose_end(&interposer);
    return count == 1 ? 0 : 1;
}

/*
 * Claim:   a lock that a dead one's settler took in its name and was stopped with is said to be so:
 *          stat names the slot, that its occupant is dead, and the thread that is stopped.
 */
Test(holder_cli, a_stopped_settler_is_named)
{
    const struct sv_config config = {.backends_max = 8};
    struct scene scene = {.cli = cli_open()};
    char line[128];
    snprintf(scene.name, sizeof(scene.name), "holder-cli-%d", (int)getpid());
    cr_assert_eq(sv_segment_create(scene.name, &config, &scene.segment), 0);
    cr_assert_eq(setenv("name", scene.name, 1), 0);
    const pid_t dead = fork_child(die_with_a_promise, scene.segment, NULL);
    cr_assert_eq(reap(dead), 0);
    scene.holder = fork_child(settle_and_stop, scene.segment, NULL);
    await_stop(scene.holder);
    snprintf(line, sizeof(line),
             "write    exclusive: slot 0 (pid %d), dead, settled by thread %d, "
             "stopped\n",
             (int)dead, (int)scene.holder);
    expect_run(scene.cli, 0, line, "", "$sinval stat $name");
    leave(&scene);
}
