/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The process carrier: each backend is a forked child of the supervisor.
 *
 * The supervisor has one thread and forks from it; a child dies with it (PR_SET_PDEATHSIG, which
 * goes by the parent's thread), and makes sure afterwards that it was not too late. So when the
 * supervisor is killed itself, no backend is left, and with the last of them goes the anonymous
 * segment.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/carrier.h"

static int process_open(struct carrier *carrier)
{
    (void)carrier;
    return 0;
}

static _Noreturn void live(const struct carrier *carrier, uint32_t seat, pid_t parent)
{
    worker_prepare(carrier->world);
    worker_listen();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(WORKER_ORPHANED);
    }
    _exit(worker_run(carrier->world, seat));
}

static int process_start(struct carrier *carrier, uint32_t seat)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        live(carrier, seat, parent);
    }
    carrier->pids[seat] = pid;
    return 0;
}

static int process_wait(struct carrier *carrier, uint32_t wait_ms)
{
    (void)carrier;
    return carrier_wait_signal(wait_ms);
}

static bool process_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);

    if (pid <= 0) {
        return false;
    }
    for (uint32_t i = 0; i < carrier->world->control.seat_count; i++) {
        if (carrier->pids[i] == pid) {
            carrier->pids[i] = 0;
            *exit = (struct carrier_exit){.seat = i};
            carrier_exit_from(exit, status);
            return true;
        }
    }
    return process_next_exit(carrier, exit); /* a child that is none of ours */
}

static void process_resume(struct carrier *carrier, uint32_t seat)
{
    if (carrier->pids[seat] != 0) {
        (void)kill(carrier->pids[seat], SIGCONT);
    }
}

static pid_t process_strike(struct carrier *carrier, uint32_t seat, int signal_number)
{
    const pid_t pid = carrier->pids[seat];

    return pid != 0 && kill(pid, signal_number) == 0 ? pid : 0;
}

static int process_close(struct carrier *carrier)
{
    for (uint32_t i = 0; i < carrier->world->control.seat_count; i++) {
        if (carrier->pids[i] != 0) {
            (void)kill(carrier->pids[i], SIGKILL);
        }
    }
    for (uint32_t i = 0; i < carrier->world->control.seat_count; i++) {
        while (carrier->pids[i] != 0 && waitpid(carrier->pids[i], NULL, 0) < 0 && errno == EINTR) {
        }
        carrier->pids[i] = 0;
    }
    return 0;
}

const struct carrier_kind carrier_process = {
    .name = "process",
    .open = process_open,
    .start = process_start,
    .wait = process_wait,
    .next_exit = process_next_exit,
    .resume = process_resume,
    .strike = process_strike,
    .close = process_close,
};
