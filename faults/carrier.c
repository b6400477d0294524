/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Carriers by name, and what all of them have in common.
 */
#include "faults/carrier.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

const struct carrier_kind *carrier_find(const char *name, bool postmaster)
{
    if (strcmp(name, carrier_process.name) != 0) {
        return NULL;
    }
    return postmaster ? &carrier_postmaster : &carrier_process;
}

const char *carrier_names(void)
{
    return carrier_process.name;
}

int carrier_open(struct carrier *carrier, const struct carrier_kind *kind,
                 const struct run_world *world)
{
    *carrier = (struct carrier){
        .kind = kind,
        .world = world,
        .pids = calloc(world->control.seat_count, sizeof(*carrier->pids)),
    };
    if (carrier->pids == NULL) {
        return -ENOMEM;
    }
    const int result = kind->open(carrier);
    if (result != 0) {
        free(carrier->pids);
        *carrier = (struct carrier){0};
    }
    return result;
}

void carrier_close(struct carrier *carrier)
{
    if (carrier->kind != NULL) {
        carrier->kind->close(carrier);
    }
    free(carrier->pids);
    *carrier = (struct carrier){0};
}

void carrier_exit_from(struct carrier_exit *exit, int wait_status)
{
    const int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    exit->killed = signal == SIGKILL;
    exit->status = signal != 0 ? -signal : WEXITSTATUS(wait_status);
}
