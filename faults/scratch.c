/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The scratch directory and its janitor.
 *
 * The janitor is a child of the maker and blocks every signal, so that what ends a command at a
 * terminal does not end it; it holds nothing but its end of the pipe and the path.
 */
#define _GNU_SOURCE
#include "faults/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its files, then itself: there are no directories in it. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    (void)rmdir(path);
}

static _Noreturn void janitor_live(const char *path, int lifeline)
{
    sigset_t all;
    char byte;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(lifeline, &byte, 1) < 0 && errno == EINTR) {
    }
    remove_directory(path);
    _exit(0);
}

/* The janitor first, the directory's name being known already: it is never without one. */
static int start_janitor(struct scratch *scratch)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    scratch->janitor = fork();
    if (scratch->janitor == 0) {
        (void)close(ends[1]);
        janitor_live(scratch->path, ends[0]);
    }
    const int error = scratch->janitor < 0 ? -errno : 0;
    (void)close(ends[0]);
    if (error != 0) {
        (void)close(ends[1]);
    }
    scratch->lifeline = ends[1];
    return error;
}

int scratch_make(struct scratch *scratch)
{
    const char *parent = getenv("TMPDIR");

    if (parent == NULL || parent[0] == '\0') {
        parent = "/tmp";
    }
    *scratch = (struct scratch){.lifeline = -1};
    if ((size_t)snprintf(scratch->path, sizeof(scratch->path), "%s/sinval-XXXXXX", parent) >=
        sizeof(scratch->path)) {
        scratch->path[0] = '\0';
        return -ENAMETOOLONG;
    }
    if (mkdtemp(scratch->path) == NULL) {
        scratch->path[0] = '\0';
        return -errno;
    }
    const int error = start_janitor(scratch);
    if (error != 0) {
        (void)rmdir(scratch->path);
        scratch->path[0] = '\0';
    }
    return error;
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->path[0] == '\0') {
        return;
    }
    (void)close(scratch->lifeline);
    while (waitpid(scratch->janitor, NULL, 0) < 0 && errno == EINTR) {
    }
    scratch->path[0] = '\0';
}
