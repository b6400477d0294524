/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who died before: stepped by the victim, while that prepares, until the segment is as wanted.
 *
 * So a take-over is always that from a real death at a real instruction, and no test writes into
 * the segment what it thinks that a death would leave there.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/sweep/trace.h"
#include "tests/sweep/world.h"

enum { STEPS_MAX = 1 << 16 };

static _Noreturn void live(const struct world *world, const struct predecessor *predecessor)
{
    struct actor actor;
    actor_init(&actor, world, PART_PREDECESSOR);
    if (actor_attach(&actor, NULL) != 0 ||
        (predecessor->prepare != NULL && predecessor->prepare(&actor) != 0)) {
        _exit(1);
    }
    sv_store_seq32(&world->shared->predecessor_slot, sv_backend_slot(actor.self));
    sweep_begins();
    (void)predecessor->run(&actor);
    sweep_over();
    _exit(1);
}

/* Where was it, and how often had it been there? Of a path so long as `count`. */
static void remember(const struct world *world, const uint64_t *path, uint32_t count)
{
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count; i++) {
        hits += path[i] == path[count - 1];
        if (i > 0 && path[i] == path[i - 1] && path[i] == path[count - 1]) {
            return; /* one that repeats itself: no breakpoint counts it */
        }
    }
    sv_store_seq32(&world->shared->predecessor_hits, hits);
    sv_store_seq64(&world->shared->predecessor_at, path[count - 1]);
}

/* The first time, step by step; nobody else has a path as long as this takes. */
static int step_until(pid_t pid, const struct world *world, const struct predecessor *predecessor)
{
    const uint32_t slot = sv_load_seq32(&world->shared->predecessor_slot);
    uint64_t *path = calloc(STEPS_MAX, sizeof(*path));
    uint32_t count = 0;
    int result = path != NULL ? trace_where(pid, &path[count++]) : -ENOMEM;
    while (result == 0 && !predecessor->there(world, slot)) {
        result = trace_step(pid);
        if (result == 0) {
            result = count < STEPS_MAX ? trace_where(pid, &path[count++]) : -E2BIG;
        }
    }
    if (result == 0) {
        remember(world, path, count);
    }
    free(path);
    return result;
}

/* The next ones: at once. Whoever took another way is stepped the rest of it. */
static int get_there(pid_t pid, const struct world *world, const struct predecessor *predecessor)
{
    const uint32_t slot = sv_load_seq32(&world->shared->predecessor_slot);
    const uint64_t at = sv_load_seq64(&world->shared->predecessor_at);
    if (at == 0) {
        return step_until(pid, world, predecessor);
    }
    int result = trace_run_to(pid, at, sv_load_seq32(&world->shared->predecessor_hits));
    while (result == 0 && !predecessor->there(world, slot)) {
        result = trace_step(pid);
    }
    return result;
}

int actor_buries(struct actor *victim, const struct predecessor *predecessor)
{
    const struct world *world = victim->world;
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(3);
        }
        live(world, predecessor);
    }
    int result = pid < 0 ? -errno : trace_attach(pid);
    result = result == 0 ? get_there(pid, world, predecessor) : result;
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    sv_store_seq32(&world->control.births[PART_PREDECESSOR].ended, 1);
    return actor_must(victim, "stepping a predecessor", result);
}
