/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/explore/guards.h"

#include "faults/explore/machine_own.h"

/* Which of a set it is. Returns: 0: there are too many locks for this one to be a guard. */
static uint64_t guard_at(const void *address)
{
    const void **addresses = machine.guards;
    uint32_t i = 0;

    while (i < GUARDS_MAX && addresses[i] != NULL && addresses[i] != address) {
        i++;
    }
    if (i == GUARDS_MAX) {
        return 0;
    }
    addresses[i] = address;
    return UINT64_C(1) << i;
}

static bool is_searched(void)
{
    return runtime.size_bytes > 0 && machine_searches();
}

void explore_guard_take(const void *address, bool shared)
{
    if (!is_searched()) {
        return;
    }
    const uint64_t guard = guard_at(address);
    const struct explore_guards taken = {shared ? 0 : guard, shared ? guard : 0};
    struct explore_guards *own = &self_process()->guards;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        if (i != machine.self && !machine_is_dead(i) &&
            explore_guards_exclude(&taken, &machine.processes[i].guards)) {
            machine.broken |= guard;
        }
    }
    own->alone |= taken.alone;
    own->shared |= taken.shared;
}

void explore_guard_leave(const void *address, bool shared)
{
    if (!is_searched()) {
        return;
    }
    const uint64_t guard = guard_at(address);
    struct explore_guards *own = &self_process()->guards;

    *(shared ? &own->shared : &own->alone) &= ~guard;
}
