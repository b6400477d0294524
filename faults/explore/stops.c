/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The ends of base/assert.h, in a simulated process: an oracle's finding, and not the explorer's
 * end. On no machine, where nobody could be told, they are what they are elsewhere.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "faults/explore/machine.h"

void sv_assert_failed(const char *file, int line, const char *claim, const char *format, ...)
{
    char text[FINDING_MESSAGE_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!machine_runs()) {
        (void)fprintf(stderr, "sinval: %s:%d: %s: %s\n", file, line, claim, text);
        abort();
    }
    machine_fail(ORACLE_O3, "%s:%d: %s: %s", file, line, claim, text);
}

void sv_stop(const char *text)
{
    if (!machine_runs()) {
        (void)fprintf(stderr, "sinval: %s\n", text);
        abort();
    }
    machine_fail(ORACLE_O3, "%s", text);
}
