/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Running the command: what it prints, what it complains about, and its exit status.
 *
 * The command is run by a shell, so a test says redirections as one would type them. $sinval is
 * the command, $dir a directory of the test's own, which is also TMPDIR.
 */
#ifndef SINVAL_TESTS_CLI_SUPPORT_H
#define SINVAL_TESTS_CLI_SUPPORT_H

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

enum { OUTPUT_MAX = 1 << 20 };

struct cli {
    char directory[64];
    char output[OUTPUT_MAX];    /* of the last run */
    char complaint[OUTPUT_MAX]; /* of the last run */
};

static inline struct cli *cli_open(void)
{
    struct cli *cli = calloc(1, sizeof(*cli));
    cr_assert_not_null(cli);
    snprintf(cli->directory, sizeof(cli->directory), "/tmp/sinval-cli-test.XXXXXX");
    cr_assert_not_null(mkdtemp(cli->directory), "mkdtemp: %s", strerror(errno));
    cr_assert_eq(setenv("dir", cli->directory, 1), 0);
    cr_assert_eq(setenv("TMPDIR", cli->directory, 1), 0);
    cr_assert_eq(setenv("sinval", SV_CLI, 1), 0);
    return cli;
}

/* Have the shell run a line. Returns: its wait status. */
static inline int cli_shell(const char *line)
{
    const pid_t pid = fork();
    cr_assert_geq(pid, 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "sh", "-c", line, NULL);
        _exit(127);
    }
    return reap(pid);
}

static inline void cli_close(struct cli *cli)
{
    cr_assert_eq(cli_shell("rm -rf \"$dir\""), 0);
    free(cli);
}

/* Read a file of the directory into text. */
static inline void cli_slurp(const struct cli *cli, const char *name, char text[OUTPUT_MAX])
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", cli->directory, name);
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    const size_t length = fread(text, 1, OUTPUT_MAX - 1, file);
    text[length] = '\0';
    fclose(file);
}

/*
 * Run a command line; a redirection in it comes first, and is what counts.
 * Returns: the exit status, or 256 + the signal.
 */
static inline int run(struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline int run(struct cli *cli, const char *format, ...)
{
    char line[1024];
    char wrapped[1280];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    snprintf(wrapped, sizeof(wrapped), "{ %s; } >\"$dir\"/.output 2>\"$dir\"/.complaint", line);
    const int status = cli_shell(wrapped);
    cli_slurp(cli, ".output", cli->output);
    cli_slurp(cli, ".complaint", cli->complaint);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static inline void expect_text(const char *line, const char *what, const char *text,
                               const char *part)
{
    if (part[0] == '\0') {
        cr_assert_str_empty(text, "%s: %s is not empty: %s", line, what, text);
    } else {
        cr_assert_not_null(strstr(text, part), "%s: %s has no '%s': %s", line, what, part, text);
    }
}

/* The command line must give this status, print this, and complain so: parts of it; "": nothing. */
static inline void expect_run(struct cli *cli, int status, const char *out, const char *complaint,
                              const char *line)
{
    const int got = run(cli, "%s", line);
    cr_assert_eq(got, status, "%s: status %d, not %d\n%s%s", line, got, status, cli->output,
                 cli->complaint);
    expect_text(line, "output", cli->output, out);
    expect_text(line, "complaint", cli->complaint, complaint);
}

/* The token of the failure in the output; it is $token from now on. */
static inline void cli_take_token(const struct cli *cli, char text[512])
{
    const char *line = strstr(cli->output, "\nsinval replay ");
    cr_assert_not_null(line, "%s", cli->output);
    cr_assert_eq(sscanf(line, " sinval replay %511s", text), 1);
    cr_assert_eq(setenv("token", text, 1), 0);
}

/* Write a file of the directory. */
static inline void cli_write(const struct cli *cli, const char *name, const char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", cli->directory, name);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fwrite(text, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

/* How many files of that beginning lie in the directory. */
static inline int cli_count(const struct cli *cli, const char *prefix)
{
    int count = 0;
    DIR *directory = opendir(cli->directory);
    cr_assert_not_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(directory);
    return count;
}

#endif
