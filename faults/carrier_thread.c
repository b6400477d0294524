/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The thread carrier: each backend is a thread of one process, the host, forked for the run.
 *
 * The host is where race detectors can look: one process, one mapping of the segment. The
 * supervisor stays outside, in a process with one thread, and sees what it always sees, shared
 * memory. So a crash of one backend ends the host and is noticed as any child's end, a hang ends
 * with one SIGKILL, what killed threads have leaked goes with the host, and the host goes with its
 * supervisor.
 *
 * What a thread cannot do, since what it leaves behind is its process's and not the kernel's:
 *
 *     die in a signal handler                it may have interrupted malloc or stdio, whose lock
 *                                            then stays locked
 *     die with an SQLite database open       locks on a file belong to the process
 *     be a postmaster's child                those are processes
 *
 * A plan that asks for it is refused; of a kill at points that a wildcard names, those in signal
 * handlers are left out.
 */
#define SV_ATOMIC_UNTOLD /* the supervisor shares no plain data with the threads */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "faults/carrier.h"
#include "faults/host.h"

#define END_NS UINT64_C(60000000000) /* what a host may take to end, a leak check included */

struct office {
    struct board *board;
    size_t board_bytes;
    pid_t host; /* 0: it has ended */
};

static bool thread_lacks(enum action action, enum sv_point point)
{
    return action == ACTION_KILL && point_in_handler(point);
}

static bool thread_carries(const struct plan *plan, char *why, size_t size)
{
    if (plan->world.postmaster) {
        (void)snprintf(why, size, "its world has a postmaster, whose children are processes");
        return false;
    }
    for (uint32_t i = 0; i < plan->fault_count; i++) {
        const struct fault *fault = &plan->faults[i];
        if (carrier_lacks(&carrier_thread, fault)) {
            (void)snprintf(why, size,
                           "fault %u kills at %s, in a signal handler, where a thread may hold a "
                           "lock of the C library's",
                           i + 1, fault->point);
            return false;
        }
        if (fault->action == ACTION_KILL && plan->world.source == SOURCE_SQLITE) {
            (void)snprintf(
                why, size,
                "fault %u kills, and the locks of a thread on a database file outlive it", i + 1);
            return false;
        }
    }
    return true;
}

static int thread_open(struct carrier *carrier)
{
    const pid_t parent = getpid();
    const size_t bytes =
        sizeof(struct board) + carrier->world->control.seat_count * sizeof(struct place);
    struct office *office = calloc(1, sizeof(*office));
    struct board *board =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (office == NULL || board == MAP_FAILED) {
        free(office);
        if (board != MAP_FAILED) {
            (void)munmap(board, bytes);
        }
        return -ENOMEM;
    }
    const pid_t host = fork();
    if (host == 0) {
        free(office); /* ours, and not the host's to lose */
        host_live(carrier->world, board, parent);
    }
    if (host < 0) {
        const int error = -errno;
        free(office);
        (void)munmap(board, bytes);
        return error;
    }
    *office = (struct office){.board = board, .board_bytes = bytes, .host = host};
    carrier->own = office;
    return 0;
}

static int thread_start(struct carrier *carrier, uint32_t seat)
{
    const struct office *office = carrier->own;

    sv_store_release32(&office->board->places[seat].state, PLACE_WANTED); /* [1] */
    board_ring(office->board);
    return 0;
}

static bool thread_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    struct office *office = carrier->own;
    int status;

    for (uint32_t seat = 0; seat < carrier->world->control.seat_count; seat++) {
        struct place *place = &office->board->places[seat];
        if (sv_load_acquire32(&place->state) == PLACE_GONE) { /* [1] */
            *exit = (struct carrier_exit){
                .seat = seat, .killed = place->killed, .status = place->status};
            sv_store_relaxed32(&place->state, PLACE_FREE);
            return true;
        }
    }
    if (office->host == 0 || waitpid(office->host, &status, WNOHANG) != office->host) {
        return false;
    }
    office->host = 0;
    *exit = (struct carrier_exit){.seat = CARRIER_EVERYBODY};
    carrier_exit_from(exit, status);
    return true;
}

static void thread_resume(struct carrier *carrier, uint32_t seat)
{
    const struct office *office = carrier->own;
    struct place *place = &office->board->places[seat];

    sv_store_seq32(&place->resumed, 1);
    sv_os_wake(&place->resumed, 1);
}

static bool nobody_left(const struct carrier *carrier)
{
    const struct office *office = carrier->own;

    for (uint32_t seat = 0; seat < carrier->world->control.seat_count; seat++) {
        const uint32_t state = sv_load_acquire32(&office->board->places[seat].state);
        if (state != PLACE_FREE && state != PLACE_GONE) {
            return false;
        }
    }
    return true;
}

/* Have the host end by itself. Returns: how, as struct carrier_exit.status says. */
static int end_host(struct carrier *carrier)
{
    struct office *office = carrier->own;
    const uint64_t deadline_ns = sv_os_now_ns() + END_NS;
    struct carrier_exit exit;

    sv_store_seq32(&office->board->closing, 1);
    board_ring(office->board);
    while (sv_os_now_ns() < deadline_ns) {
        while (thread_next_exit(carrier, &exit)) {
            if (exit.seat == CARRIER_EVERYBODY) {
                return exit.status;
            }
        }
        if (carrier_wait_signal(10) == -EINTR) {
            return 0; /* asked to end ourselves: then at once */
        }
    }
    return -ETIMEDOUT;
}

static int thread_close(struct carrier *carrier)
{
    struct office *office = carrier->own;
    const int status = office->host != 0 && nobody_left(carrier) ? end_host(carrier) : 0;

    if (office->host != 0) {
        (void)kill(office->host, SIGKILL);
        while (waitpid(office->host, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    (void)munmap(office->board, office->board_bytes);
    free(office);
    carrier->own = NULL;
    return status;
}

static int thread_wait(struct carrier *carrier, uint32_t wait_ms)
{
    (void)carrier;
    return carrier_wait_signal(wait_ms);
}

const struct carrier_kind carrier_thread = {
    .name = "thread",
    .carries = thread_carries,
    .lacks = thread_lacks,
    .open = thread_open,
    .start = thread_start,
    .wait = thread_wait,
    .next_exit = thread_next_exit,
    .resume = thread_resume,
    .close = thread_close,
};
