/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Private memory that another process touches. A process has its own memory at an address that
 * means something else, or nothing, in another; and what a dead one had was given back. Here all
 * are in one address space, so a pointer that was left in the segment would be followed without
 * harm.
 *
 * What was there before the backends came, of nobody's process, is everybody's; and nobody's
 * process, in which the judges are, may look at everything.
 */
#include "faults/explore/machine_own.h"

static uintptr_t place_of(uint32_t backend)
{
    return machine.processes[backend].own;
}

void foreign_begin(void)
{
    uintptr_t end = 0;

    runtime.own_bytes =
        machine.processes[0].fiber.stack_bytes + machine.processes[0].arena.size_bytes;
    runtime.own = place_of(machine.self);
    runtime.memory = place_of(0);
    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        runtime.memory = place_of(i) < runtime.memory ? place_of(i) : runtime.memory;
        end = place_of(i) + runtime.own_bytes > end ? place_of(i) + runtime.own_bytes : end;
    }
    runtime.memory_bytes = end - runtime.memory;
}

void explore_foreign(uint8_t kind, const volatile void *address, size_t bytes)
{
    const char *does = kind == EXPLORE_READ ? "reads" : "writes";

    for (uint32_t i = 0; i < machine.settings.backends && machine.self != MACHINE_NOBODY; i++) {
        const uintptr_t offset = (uintptr_t)address - place_of(i);
        if (offset < runtime.own_bytes && !machine_is_dead(i)) {
            machine_fail(ORACLE_O3, "backend %u %s %zu bytes of backend %u's private memory",
                         machine.self, does, bytes, i);
        }
        if (offset < runtime.own_bytes) {
            machine_fail(ORACLE_O6,
                         "backend %u %s %zu bytes of private memory of backend %u, which has "
                         "died",
                         machine.self, does, bytes, i);
        }
    }
}
