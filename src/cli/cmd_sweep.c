/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval sweep: becomes sinval-sweep, a program of its own because it kills the production flavour
 * of the library, and this one is linked with fault points.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int cmd_sweep(int argc, char **argv)
{
    (void)argc;
    char path[4096];
    if (beside_program("libexec/sinval/sinval-sweep", path, sizeof(path)) == NULL &&
        beside_program("sinval-sweep", path, sizeof(path)) == NULL) {
        return complain(
            STATUS_ENVIRONMENT,
            "the program sinval-sweep (x86-64 only) is neither in ../libexec/sinval nor "
            "beside sinval; build or install all of it");
    }
    signal(SIGPIPE, SIG_DFL);
    execv(path, argv);
    return complain(STATUS_ENVIRONMENT, "%s: %s", path, strerror(errno));
}
