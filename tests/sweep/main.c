/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval-sweep: kills the production flavour at every instruction. `sinval sweep` runs it.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sweep/sweep.h"

int main(int argc, char **argv)
{
    const struct sweep_options options = {.every_up_to = 5000, .stride = 1, .at = -1, .then = -1};
    for (size_t t = 0; operation_tables[t] != NULL; t++) {
        for (const struct operation *o = operation_tables[t]; o->name != NULL; o++) {
            struct sweep_result result = {0};
            if (argc > 1 && strcmp(argv[1], o->name) != 0) {
                continue;
            }
            sweep_operation(o, &options, &result);
            printf("%s: %d %s; %u instructions, %llu kills, %llu survived, %llu elsewhere, %.1f s, "
                   "recovery %.1f ms\n",
                   o->name, result.complete, result.message, result.instructions,
                   (unsigned long long)result.kills, (unsigned long long)result.survived,
                   (unsigned long long)result.elsewhere, result.seconds,
                   (double)result.recovery_max_ns * 1e-6);
        }
    }
    return 0;
}
