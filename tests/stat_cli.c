/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval stat on live segments: what it shows, and that it disturbs nobody.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE /* pipe2 */
#endif

#include "cli_support.h"

#include <fcntl.h>
#include <jansson.h>

#include "shm/segment.h"

TestSuite(stat_cli, .timeout = 90);

/* A named segment of this test. */
struct scene {
    struct cli *cli;
    char name[64];
    struct sv_segment *segment;
};

static struct scene enter(const char *test)
{
    struct scene scene = {.cli = cli_open()};
    snprintf(scene.name, sizeof(scene.name), "stat-cli-%s-%d", test, (int)getpid());
    const struct sv_config config = {
        .backends_max = 8, .capacity = 16, .wraparound = 32, .table_rows_max = 8};
    const int result = sv_segment_create(scene.name, &config, &scene.segment);
    cr_assert_eq(result, 0, "%s: %s", scene.name, sv_segment_error(result));
    cr_assert_eq(setenv("name", scene.name, 1), 0);
    return scene;
}

static void leave(struct scene *scene)
{
    sv_segment_detach(scene->segment);
    cr_assert_eq(sv_segment_unlink(scene->name), 0);
    cli_close(scene->cli);
}

static json_t *parse_output(const struct cli *cli)
{
    json_error_t error;
    json_t *json = json_loads(cli->output, 0, &error);
    cr_assert_not_null(json, "line %d: %s", error.line, error.text);
    return json;
}

static json_int_t number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_integer(value), "%s is no number", key);
    return json_integer_value(value);
}

/* Claim: a segment shows up in the list with its size and backends, and is gone with its name. */
Test(stat_cli, the_list_has_the_segment)
{
    struct scene scene = enter("list");
    struct sv_backend *self = join(scene.segment);
    char line[128];
    expect_run(scene.cli, 0, "1 of 8 backends", "", "$sinval stat | grep \"^$name  *\"");
    snprintf(line, sizeof(line), "\"name\": \"%s\"", scene.name);
    expect_run(scene.cli, 0, line, "", "$sinval stat --report=json");
    sv_backend_detach(self);
    char name[64];
    memcpy(name, scene.name, sizeof(name));
    leave(&scene);
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, "$sinval stat"), 0);
    cr_assert_null(strstr(cli->output, name), "still listed: %s", cli->output);
    cli_close(cli);
}

/* Claim: names that are none are status 2, with what is wrong. */
Test(stat_cli, names_of_no_segment_are_refused)
{
    struct scene scene = enter("refused");
    expect_run(scene.cli, 2, "", "`sinval stat' lists those there are",
               "$sinval stat nobody-has-this");
    expect_run(scene.cli, 2, "", "a/b: ", "$sinval stat a/b");
    expect_run(scene.cli, 2, "", "sinval stat: : ", "$sinval stat ''");
    expect_run(scene.cli, 2, "", "a second NAME", "$sinval stat a b");
    expect_run(scene.cli, 2, "", "is no kind of report", "$sinval stat --report=junit");
    leave(&scene);
}

/*
 * Claim:   positions, lag, marks, send-only and counters are those that the library itself gives.
 * Method:  a writer, one who reads nothing, one send-only; compared in JSON and in text.
 */
Test(stat_cli, positions_and_counters_are_the_librarys)
{
    struct scene scene = enter("figures");
    struct sv_backend *writer = join(scene.segment);
    struct sv_backend *laggard = join(scene.segment);
    struct sv_backend *sender = NULL;
    cr_assert_eq(
        sv_backend_attach(scene.segment, &(struct sv_backend_options){.send_only = true}, &sender),
        0);
    insert_numbered(writer, 1, 9);
    insert_numbered(sender, 10, 1);
    expect_run(scene.cli, 0, "min 0, max 10, length 10 of 16, next threshold 10", "",
               "$sinval stat $name");
    cr_assert_eq(run(scene.cli, "$sinval stat --report=json $name"), 0);
    json_t *json = parse_output(scene.cli);
    cr_assert_eq(number_at(json_object_get(json, "queue"), "max_number"), 10);
    cr_assert_eq(number_at(json_object_get(json, "config"), "wraparound"), 32);
    cr_assert_eq(number_at(json_object_get(json, "counters"), "inserted"), 10);
    const json_t *backends = json_object_get(json, "backends");
    cr_assert_eq(json_array_size(backends), 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct sv_slot_state state;
        sv_slot_look(scene.segment, i, &state);
        const json_t *backend = json_array_get(backends, i);
        cr_assert_eq(number_at(backend, "slot"), i);
        cr_assert_eq(number_at(backend, "pid"), getpid());
        cr_assert_eq(number_at(backend, "behind"), state.behind);
        cr_assert_eq(json_is_true(json_object_get(backend, "signaled")), state.signaled);
        cr_assert_eq(json_is_true(json_object_get(backend, "send_only")), state.send_only);
        cr_assert_str_eq(json_string_value(json_object_get(backend, "state")), "running");
    }
    struct sv_slot_state state;
    sv_slot_look(scene.segment, sv_backend_slot(writer), &state);
    cr_assert(state.signaled, "the writer, first of the furthest behind, was not asked");
    cr_assert_gt(json_array_size(json_object_get(json, "structures")), 4);
    json_decref(json);
    sv_backend_detach(sender);
    sv_backend_detach(laggard);
    sv_backend_detach(writer);
    leave(&scene);
}

static int wait_for_lock(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    sv_backend_detach(self);
    return 0;
}

/* Until a slot waits for a lock, and has said since when slot 0 holds it. */
static void await_waiter(struct sv_segment *segment, uint32_t slot)
{
    struct sv_slot_state state;
    do {
        sv_slot_look(segment, slot, &state);
        sv_os_spin();
    } while (state.waits_for_lock != SV_LOCK_APP_0 ||
             sv_load_acquire64(&segment->slots[0].since_ns[SV_LOCK_APP_0]) == 0);
}

/*
 * Claim:   who holds a lock and who waits for it is shown; a stopped process is told from a running
 *          one, a dead one from both; and stat is not held up by any of it.
 */
Test(stat_cli, holders_and_waiters_are_shown)
{
    struct scene scene = enter("locks");
    struct sv_backend *self = join(scene.segment);
    char part[96];
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_SHARED);
    const pid_t child = fork_child(wait_for_lock, scene.segment, NULL);
    await_waiter(scene.segment, 1);

    snprintf(part, sizeof(part), "app_0    exclusive: slot 0 (pid %d), holds it for at least ",
             (int)getpid());
    expect_run(scene.cli, 0, part, "", "$sinval stat $name");
    snprintf(part, sizeof(part), " ms; waits: slot 1 (pid %d) for ", (int)child);
    expect_run(scene.cli, 0, part, "", "$sinval stat $name");
    snprintf(part, sizeof(part), "read     shared: slot 0 (pid %d)\n", (int)getpid());
    expect_run(scene.cli, 0, part, "", "$sinval stat $name");
    expect_run(scene.cli, 0, "write    free\n", "", "$sinval stat $name");
    expect_run(scene.cli, 0, "waits-for:app_0", "", "$sinval stat $name");

    cr_assert_eq(run(scene.cli, "$sinval stat --report=json $name"), 0);
    json_t *json = parse_output(scene.cli);
    const json_t *lock = json_array_get(json_object_get(json, "locks"), SV_LOCK_APP_0);
    cr_assert_str_eq(json_string_value(json_object_get(lock, "name")), "app_0");
    cr_assert_eq(number_at(lock, "owner"), 0);
    cr_assert_eq(number_at(json_array_get(json_object_get(lock, "waiters"), 0), "slot"), 1);
    lock = json_array_get(json_object_get(json, "locks"), SV_LOCK_READ);
    cr_assert(json_is_null(json_object_get(lock, "owner")));
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(lock, "shared"), 0)), 0);
    cr_assert_eq(json_array_size(json_object_get(lock, "shared")), 1);
    json_decref(json);

    siginfo_t info = {0};
    cr_assert_eq(kill(child, SIGSTOP), 0);
    cr_assert_eq(waitid(P_PID, (id_t)child, &info, WSTOPPED), 0);
    expect_run(scene.cli, 0, "  stopped ", "", "$sinval stat $name");
    kill_and_reap(child);
    expect_run(scene.cli, 0, "  dead ", "", "$sinval stat $name");
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    cr_assert_eq(sv_backend_settle_dead(scene.segment), 1);
    sv_backend_detach(self);
    leave(&scene);
}

/* Claim: --watch shows what changes, and ends with status 0 when it is interrupted. */
Test(stat_cli, watch_goes_on_until_interrupted)
{
    struct scene scene = enter("watch");
    struct sv_backend *self = join(scene.segment);
    insert_numbered(self, 1, 1);
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(SV_CLI, "sinval", "stat", "--watch", scene.name, NULL);
        _exit(125);
    }
    close(fds[1]);
    FILE *output = fdopen(fds[0], "r");
    char line[512];
    int64_t max = 1;
    while (max < 4 && fgets(line, sizeof(line), output) != NULL) {
        char part[32];
        snprintf(part, sizeof(part), ", max %" PRId64 ",", max);
        if (strncmp(line, "queue ", 6) == 0 && strstr(line, part) != NULL) {
            max++;
            insert_numbered(self, (uint64_t)max, 1); /* the next look must see it */
        }
    }
    cr_assert_eq(max, 4, "the output ended at max %" PRId64, max);
    cr_assert_eq(kill(child, SIGINT), 0);
    const int status = reap(child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
    fclose(output);
    sv_backend_detach(self);
    leave(&scene);
}
