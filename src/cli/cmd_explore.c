/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval explore: becomes sinval-explore, a program of its own because the library in it is compiled
 * so that every access asks first.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define TOKEN_PREFIX "explore."

static int become_explorer(char **argv)
{
    char path[4096];
    if (beside_program("libexec/sinval/sinval-explore", path, sizeof(path)) == NULL &&
        beside_program("sinval-explore", path, sizeof(path)) == NULL) {
        return complain(
            STATUS_ENVIRONMENT,
            "the program sinval-explore is neither in ../libexec/sinval nor beside sinval; "
            "build or install all of it");
    }
    signal(SIGPIPE, SIG_DFL);
    execv(path, argv);
    return complain(STATUS_ENVIRONMENT, "%s: %s", path, strerror(errno));
}

int cmd_explore(int argc, char **argv)
{
    (void)argc;
    return become_explorer(argv);
}

bool is_explorer_token(const char *token)
{
    return strncmp(token, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1) == 0;
}

int replay_explored(char *token, bool all, bool gdb)
{
    static char name[] = "sinval replay";
    static char option[] = "--replay";
    static char option_all[] = "--all";
    static char option_gdb[] = "--gdb";
    char *argv[6] = {name, option, token};
    uint32_t count = 3;

    if (all) {
        argv[count++] = option_all;
    }
    if (gdb) {
        argv[count] = option_gdb;
    }
    return become_explorer(argv);
}
