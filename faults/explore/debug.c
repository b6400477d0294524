/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "faults/explore/debug.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT "-gdb.py" /* after the program's own name */

__attribute__((noinline)) void explore_fatal_step(void)
{
    __asm__ volatile(""); /* so that no call is left out */
}

int debug_replay(char *token)
{
    static char program[PATH_MAX];
    static char script[PATH_MAX + sizeof(SCRIPT)];
    static char name[] = "gdb";
    static char quiet[] = "-q";
    static char early[] =
        "-iex"; /* the script that lies beside is named: no word that it may not */
    static char quietly[] = "set auto-load python-scripts off";
    static char file[] = "-x";
    static char execute[] = "-ex";
    static char run[] = "run";
    static char arguments[] = "--args";
    static char replay[] = "--replay";
    char *const argv[] = {name, quiet,     early,   quietly, file,  script, execute,
                          run,  arguments, program, replay,  token, NULL};
    const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (length < 0) {
        return -errno;
    }
    (void)snprintf(script, sizeof(script), "%s" SCRIPT, program);
    if (access(script, R_OK) != 0) {
        return -errno;
    }
    (void)execvp(name, argv);
    return -errno;
}
