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
#include <time.h>

const struct carrier_kind *carrier_find(const char *name, bool postmaster)
{
    for (const struct carrier_kind *const *kind = carrier_kinds; *kind != NULL; kind++) {
        if (strcmp(name, (*kind)->name) == 0) {
            return postmaster && *kind == &carrier_process ? &carrier_postmaster : *kind;
        }
    }
    return NULL;
}

const char *carrier_names(void)
{
    return "process, thread or fiber";
}

bool carrier_carries(const struct carrier_kind *kind, const struct plan *plan, char *why)
{
    why[0] = '\0';
    return kind->carries == NULL || kind->carries(plan, why, CARRIER_WHY_MAX);
}

bool carrier_lacks(const struct carrier_kind *kind, const struct fault *fault)
{
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (fault_applies(fault, point) && !kind->lacks(fault->action, point)) {
            return false;
        }
    }
    return true;
}

void carrier_leave_out(const struct carrier_kind *kind, struct injector *injector)
{
    const struct plan *plan = injector->plan;

    for (enum sv_point point = 0; kind->lacks != NULL && point < SV_POINT_COUNT; point++) {
        for (uint32_t i = 0; i < plan->fault_count; i++) {
            const bool lacks = kind->lacks(plan->faults[i].action, point);
            injector->faults_at[point] &= ~((uint64_t)lacks << i);
        }
    }
}

int carrier_wait_signal(uint32_t wait_ms)
{
    const struct timespec timeout = {.tv_sec = wait_ms / 1000,
                                     .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    sigset_t wanted;

    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGCHLD);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGTERM);
    const int signal = sigtimedwait(&wanted, NULL, &timeout);
    return signal == SIGINT || signal == SIGTERM ? -EINTR : 0;
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

int carrier_close(struct carrier *carrier)
{
    const int status = carrier->kind != NULL ? carrier->kind->close(carrier) : 0;

    free(carrier->pids);
    *carrier = (struct carrier){0};
    return status;
}

void carrier_exit_from(struct carrier_exit *exit, int wait_status)
{
    const int signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    exit->killed = signal == SIGKILL;
    exit->status = signal != 0 ? -signal : WEXITSTATUS(wait_status);
}
