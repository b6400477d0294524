/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Findings, and the oracles' names.
 */
#include "faults/oracle.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *text;
} oracles[ORACLE_COUNT] = {
    [ORACLE_NONE] = {"none", "nothing"},
    [ORACLE_O1] = {"O1", "no stale read"},
    [ORACLE_O2] = {"O2", "every message in order, or a reset"},
    [ORACLE_O3] = {"O3", "invariants"},
    [ORACLE_O4] = {"O4", "progress"},
    [ORACLE_O5] = {"O5", "catchup relayed, no storm"},
    [ORACLE_O6] = {"O6", "kill-safety"},
    [ORACLE_O7] = {"O7", "no leak"},
};

const char *oracle_name(enum oracle oracle)
{
    return oracles[oracle].name;
}

const char *oracle_text(enum oracle oracle)
{
    return oracles[oracle].text;
}

bool finding_set(struct finding *finding, enum oracle oracle, const char *format, ...)
{
    va_list arguments;

    finding->oracle = oracle;
    va_start(arguments, format);
    (void)vsnprintf(finding->message, sizeof(finding->message), format, arguments);
    va_end(arguments);
    return false;
}
