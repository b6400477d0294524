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
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/sweep/trace.h"
#include "tests/sweep/world.h"

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

static int step_until(pid_t pid, const struct world *world, const struct predecessor *predecessor)
{
    int result = trace_attach(pid);
    const uint32_t slot = sv_load_seq32(&world->shared->predecessor_slot);
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
    const int result = pid < 0 ? -errno : step_until(pid, world, predecessor);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    sv_store_seq32(&world->control.births[PART_PREDECESSOR].ended, 1);
    return actor_must(victim, "stepping a predecessor", result);
}
