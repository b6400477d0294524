/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plans from text, for tests.
 */
#ifndef SINVAL_TESTS_PLAN_SUPPORT_H
#define SINVAL_TESTS_PLAN_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "faults/plan.h"

#define HEAD "name: my-plan\ndanger: Something.\n" /* two lines; then world and faults */

static inline int load(const char *text, struct plan *plan, char message[PLAN_MESSAGE_MAX])
{
    message[0] = '\0';
    return plan_load_text("f.yaml", text, strlen(text), plan, message, PLAN_MESSAGE_MAX);
}

static inline bool all_zero(const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (((const unsigned char *)bytes)[i] != 0) {
            return false;
        }
    }
    return true;
}

#endif
