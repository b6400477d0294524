/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The plans that come with the program: faults/plans/plans.def lists them, and the assembler puts
 * the files into it as they are, so it needs none of them when it runs. SV_PLANS_DIR says where
 * they are when this is compiled; they are loaded like any other file, with the same errors.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "faults/plan.h"

#ifndef SV_PLANS_DIR
#    define SV_PLANS_DIR "faults/plans" /* compiled by hand, in the root of the sources */
#endif

#define SHIPPED_PLAN(identifier, name)                     \
    __asm__(".pushsection .rodata\n"                       \
            "sv_plan_" #identifier "_text:\n"              \
            ".incbin \"" SV_PLANS_DIR "/" name ".yaml\"\n" \
            "sv_plan_" #identifier "_end:\n"               \
            ".popsection\n");                              \
    extern const char sv_plan_##identifier##_text[];       \
    extern const char sv_plan_##identifier##_end[];
#include "faults/plans/plans.def"
#undef SHIPPED_PLAN

struct shipped_plan {
    const char *name;
    const char *text;
    const char *end;
};

static const struct shipped_plan shipped_plans[] = {
#define SHIPPED_PLAN(identifier, name) \
    {name, sv_plan_##identifier##_text, sv_plan_##identifier##_end},
#include "faults/plans/plans.def"
#undef SHIPPED_PLAN
};

#define SHIPPED_COUNT (sizeof(shipped_plans) / sizeof(shipped_plans[0]))

uint32_t plan_shipped_count(void)
{
    return SHIPPED_COUNT;
}

const char *plan_shipped_name(uint32_t index)
{
    return shipped_plans[index].name;
}

static int unknown_plan(const char *name, char *message, size_t size)
{
    const char *names[SHIPPED_COUNT];

    for (uint32_t i = 0; i < SHIPPED_COUNT; i++) {
        names[i] = shipped_plans[i].name;
    }
    const char *nearest = nearest_name(name, names, SHIPPED_COUNT);
    if (nearest != NULL) {
        snprintf(message, size, "no plan '%.64s' comes with this program; did you mean '%s'?", name,
                 nearest);
        return -EINVAL;
    }
    const int used = snprintf(message, size,
                              "no plan '%.64s' comes with this program; a file such as "
                              "./my-plan.yaml, or",
                              name);
    for (uint32_t i = 0, at = (uint32_t)used; i < SHIPPED_COUNT && at < size; i++) {
        at += (uint32_t)snprintf(message + at, size - at, "%s %s", i == 0 ? "" : ",", names[i]);
    }
    return -EINVAL;
}

int plan_load_shipped(const char *name, struct plan *plan, char *message, size_t size)
{
    for (uint32_t i = 0; i < SHIPPED_COUNT; i++) {
        if (strcmp(name, shipped_plans[i].name) == 0) {
            char file[PLAN_NAME_MAX + 16];

            snprintf(file, sizeof(file), "plans/%s.yaml", name);
            return plan_load_text(file, shipped_plans[i].text,
                                  (size_t)(shipped_plans[i].end - shipped_plans[i].text), plan,
                                  message, size);
        }
    }
    memset(plan, 0, sizeof(*plan));
    return unknown_plan(name, message, size);
}

int plan_find(const char *argument, struct plan *plan, char *message, size_t size)
{
    return strpbrk(argument, "/.") != NULL ? plan_load_file(argument, plan, message, size)
                                           : plan_load_shipped(argument, plan, message, size);
}
