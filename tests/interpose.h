/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * "In the middle of that, this happens": call a function at the n-th hit of a point, in the thread
 * that hits it. A second backend of the same thread then plays somebody else who was quicker, and
 * the interleaving is the same in every run.
 */
#ifndef SINVAL_TESTS_INTERPOSE_H
#define SINVAL_TESTS_INTERPOSE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults/injector.h"

struct interposer {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
    void (*function)(void *argument);
    void *argument;
    uint32_t calls;
};

static inline void interposer_act(struct injector_context *context, enum action action,
                                  uint32_t argument_us)
{
    struct interposer *interposer = context->carrier;
    (void)action;
    (void)argument_us;
    interposer->calls++;
    interposer->function(interposer->argument);
}

/* From here until interpose_end, function(argument) runs inside the hit-th hit of point. */
static inline void interpose_begin(struct interposer *interposer, const char *point, uint32_t hit,
                                   void (*function)(void *argument), void *argument)
{
    *interposer = (struct interposer){.function = function, .argument = argument};
    struct fault *fault = &interposer->plan.faults[interposer->plan.fault_count++];
    fault->target = TARGET_ANY;
    fault->action = ACTION_DELAY;
    fault->hit = hit;
    (void)snprintf(fault->point, sizeof(fault->point), "%s", point);
    struct injector_shared *shared = calloc(1, injector_shared_bytes(1));
    cr_assert_not_null(shared);
    cr_assert_eq(injector_init(), 0);
    interposer->plan.world.backends = 1;
    injector_start(&interposer->injector, &interposer->plan, 1, shared);
    interposer->injector.act = interposer_act;
    injector_enter(&interposer->context, &interposer->injector, 0);
    interposer->context.carrier = interposer;
}

/* The point must have been met: else the test proves nothing. */
static inline void interpose_end(struct interposer *interposer)
{
    injector_leave();
    free(interposer->injector.shared);
    cr_assert_eq(interposer->calls, 1, "the point was not met");
}

#endif
