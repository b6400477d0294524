/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows of the explorer: how many schedules of ring-8 a second, judged, by strategy and by how many
 * processes. It is a program of its own, sinval-explore, and says itself how long it took, without
 * its beginning.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "bench.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DURATION "1s" /* what several processes begin alone is then some percent of it */
#define EXPLORER "sinval-explore"

static const char *const strategies[] = {"portfolio", "random", "pct", "pos", "surw"};

enum { PORTFOLIO, RANDOM, PCT, POS, SURW };

static _Noreturn void give_up(const char *path, const char *why)
{
    (void)fprintf(stderr, "sinval bench: %s: %s\n", path, why);
    exit(3);
}

/* It lies beside this program. */
static void find_explorer(char path[PATH_MAX])
{
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(EXPLORER));
    if (length < 0) {
        give_up("/proc/self/exe", strerror(errno));
    }
    path[length] = '\0';
    memcpy(strrchr(path, '/') + 1, EXPLORER, sizeof(EXPLORER));
    if (access(path, X_OK) != 0) {
        give_up(path, "not there: it is built by the presets without a sanitizer");
    }
}

/* Start it with its output in a pipe. Returns: the end to read from. */
static FILE *start(const char *const *arguments, pid_t *pid)
{
    posix_spawn_file_actions_t actions;

    const union { /* it does not write there, whatever its type says */
        const char *const *ours;
        char *const *theirs;
    } argv = {arguments};

    int ends[2];
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[1]) != 0) {
        give_up(arguments[0], strerror(errno));
    }
    const int error = posix_spawn(pid, arguments[0], &actions, NULL, argv.theirs, environ);
    if (error != 0) {
        give_up(arguments[0], strerror(error));
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    if (output == NULL) {
        give_up(arguments[0], strerror(errno));
    }
    return output;
}

static double explore(uint32_t argument)
{
    char path[PATH_MAX];
    char strategy[16];
    char jobs[12];
    int status = 0;
    pid_t pid;
    find_explorer(path);
    (void)snprintf(strategy, sizeof(strategy), "%s", strategies[argument & 0xff]);
    (void)snprintf(jobs, sizeof(jobs), "%u", argument >> 8);
    const char *const arguments[] = {
        path,    "ring-8", "--strategy", strategy, "--jobs", jobs,
        "--for", DURATION, "--report",   "json",   NULL,
    };
    FILE *output = start(arguments, &pid);
    json_error_t error;
    json_t *report = json_loadf(output, 0, &error);
    (void)fclose(output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    const json_t *world = json_array_get(report, 0);
    const double schedules = json_number_value(json_object_get(world, "schedules"));
    const double seconds = json_number_value(json_object_get(world, "seconds"));
    json_decref(report);
    if (status != 0 || !(seconds > 0)) {
        give_up(path, report == NULL ? error.text : "it failed");
    }
    return schedules / seconds;
}

#define OF(strategy, jobs) ((jobs) << 8 | (strategy))

#define ROW(name, strategy, text, jobs)                                            \
    {                                                                              \
        name, "explore ring-8, " text, "/s", true, -1, explore, OF(strategy, jobs) \
    }

const struct bench_row bench_explorer_rows[] = {
    ROW("explore-portfolio", PORTFOLIO, "portfolio, 1 process", 1),
    ROW("explore-random", RANDOM, "random walk, 1 process", 1),
    ROW("explore-pct", PCT, "PCT, 1 process", 1),
    ROW("explore-pos", POS, "POS, 1 process", 1),
    ROW("explore-surw", SURW, "SURW, 1 process", 1),
    ROW("explore-portfolio-2", PORTFOLIO, "portfolio, 2 processes", 2),
    ROW("explore-pct-2", PCT, "PCT, 2 processes", 2),
    {0},
};
