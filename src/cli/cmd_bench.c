/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval bench: becomes sinval-bench, a program of its own because it measures the production
 * flavour of the library, and this one is linked with fault points.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int cmd_bench(int argc, char **argv)
{
    (void)argc;
    char path[4096];
    if (beside_program("libexec/sinval/sinval-bench", path, sizeof(path)) == NULL &&
        beside_program("sinval-bench", path, sizeof(path)) == NULL) {
        return complain(
            STATUS_ENVIRONMENT,
            "the program sinval-bench is neither in ../libexec/sinval nor beside sinval; "
            "build or install all of it");
    }
    signal(SIGPIPE, SIG_DFL);
    execv(path, argv);
    return complain(STATUS_ENVIRONMENT, "%s: %s", path, strerror(errno));
}
