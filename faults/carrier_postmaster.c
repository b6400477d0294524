/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The process carrier through the library's postmaster: the supervisor is the postmaster, the
 * backends are its children, and it restarts the killed and settles what they left by itself.
 *
 * A child that is started again when nothing is left to do leaves at once, with status 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "faults/carrier.h"

/* What a child is given. */
struct place {
    const struct run_world *world;
    uint32_t seat;
    uint32_t child; /* as the postmaster calls it */
    bool started;
};

struct office {
    struct sv_postmaster *postmaster;
    struct sv_child_exit exit; /* the last one, if it is not told yet */
    bool untold;
    struct place places[];
};

static int run_child(struct sv_segment *segment, void *argument)
{
    const struct place *place = argument;
    const struct seat *seat = &place->world->control.seats[place->seat];
    const struct plan_world *plan = &place->world->plan->world;
    const enum plan_role role = plan_role(plan, place->seat);
    const bool steps = role == ROLE_WRITER || role == ROLE_SEND_ONLY;

    (void)segment;
    worker_prepare(place->world);
    worker_listen();
    if (sv_load_acquire32(&place->world->control.shared->phase) != CONTROL_WORK ||
        (steps && sv_load_relaxed32(&seat->steps) >= plan->transactions)) {
        return WORKER_LEFT;
    }
    const int result = worker_run(place->world, place->seat);
    /* What is not 0 is started again: these are for the supervisor to see, in the control area. */
    return result == WORKER_SURPLUS ? WORKER_LEFT : result;
}

static int postmaster_open(struct carrier *carrier)
{
    const uint32_t seats = carrier->world->control.seat_count;
    struct office *office = calloc(1, sizeof(*office) + seats * sizeof(office->places[0]));

    if (office == NULL) {
        return -ENOMEM;
    }
    const int result = sv_postmaster_create(carrier->world->segment, &office->postmaster);
    if (result != 0) {
        free(office);
        return result;
    }
    carrier->own = office;
    return 0;
}

static int postmaster_start(struct carrier *carrier, uint32_t seat)
{
    struct office *office = carrier->own;
    struct place *place = &office->places[seat];

    *place = (struct place){.world = carrier->world, .seat = seat, .started = true};
    const int result = sv_postmaster_start(
        office->postmaster,
        &(struct sv_child){.run = run_child, .argument = place, .restart = true}, &place->child);
    if (result == 0) {
        carrier->pids[seat] = sv_postmaster_pid(office->postmaster, place->child);
    }
    return result;
}

static int postmaster_wait(struct carrier *carrier, uint32_t wait_ms)
{
    struct office *office = carrier->own;
    sigset_t wanted;

    if (!office->untold) {
        const int result = sv_postmaster_wait(office->postmaster, (int)wait_ms, &office->exit);
        office->untold = result == 0;
    }
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGTERM);
    return sigtimedwait(&wanted, NULL, &(struct timespec){0}) > 0 ? -EINTR : 0;
}

static bool postmaster_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    struct office *office = carrier->own;

    if (!office->untold && sv_postmaster_wait(office->postmaster, 0, &office->exit) != 0) {
        return false;
    }
    office->untold = false;
    for (uint32_t i = 0; i < carrier->world->control.seat_count; i++) {
        const struct place *place = &office->places[i];
        if (place->started && place->child == office->exit.child) {
            *exit = (struct carrier_exit){.seat = i, .restarted = office->exit.restarted};
            carrier_exit_from(exit, office->exit.status);
            carrier->pids[i] = sv_postmaster_pid(office->postmaster, place->child);
            return true;
        }
    }
    return false;
}

static pid_t postmaster_strike(struct carrier *carrier, uint32_t seat, int signal_number)
{
    struct office *office = carrier->own;
    const pid_t pid = sv_postmaster_pid(office->postmaster, office->places[seat].child);

    return pid > 0 && kill(pid, signal_number) == 0 ? pid : 0;
}

static void postmaster_resume(struct carrier *carrier, uint32_t seat)
{
    (void)postmaster_strike(carrier, seat, SIGCONT);
}

static int postmaster_close(struct carrier *carrier)
{
    struct office *office = carrier->own;

    if (office != NULL) {
        sv_postmaster_stop(office->postmaster, 0);
        free(office);
    }
    carrier->own = NULL;
    return 0;
}

const struct carrier_kind carrier_postmaster = {
    .name = "process",
    .open = postmaster_open,
    .start = postmaster_start,
    .wait = postmaster_wait,
    .next_exit = postmaster_next_exit,
    .resume = postmaster_resume,
    .strike = postmaster_strike,
    .close = postmaster_close,
};
