/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The sinval command: finds the subcommand and runs it.
 *
 * Output is checked once, at exit, also where argp exits by itself: what could not be written is an
 * error of the environment. So SIGPIPE is ignored, and standard descriptors that are closed at
 * start are occupied, lest a file opened later gets their numbers.
 */
#define _GNU_SOURCE /* program_invocation_name */

#include "cli/cli.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinval/api.h"

const struct command commands[] = {
    {"demo", cmd_demo, "what the library does, told with real processes"},
    {"shell", cmd_shell, "start backends and command each through its named pipe"},
    {"run", cmd_run, "run plans of faults on real processes, and judge them"},
    {"replay", cmd_replay, "repeat the run that a token names"},
    {"storm", cmd_storm, "kill and stop real processes at random times, and judge them"},
    {"script", cmd_script, "play a deterministic script against the queue"},
    {"points", cmd_points, "the catalogue of fault points"},
    {"stat", cmd_stat, "look at a live segment"},
    {"explore", cmd_explore, "every interleaving of simulated processes, at every access, judged"},
    {"sweep", cmd_sweep, "kill a process at every instruction, and judge"},
    {"bench", cmd_bench, "measure"},
    {0},
};

static char own_name[] = "sinval";
static const char *const help_words[] = {"help", "--help", "-?", "-h"};
static const char *const version_words[] = {"version", "--version", "-V"};

static void print_usage(FILE *to)
{
    fputs("Usage: sinval COMMAND [OPTION...] [ARGUMENT...]\n", to);
}

static void print_help(void)
{
    print_usage(stdout);
    puts("Caches in many processes, kept right by a shared invalidation queue that survives "
         "SIGKILL\n"
         "of any participant; and the faults that prove it.\n");
    for (const struct command *command = commands; command->name != NULL; command++) {
        printf("  %-8s %s\n", command->name, command->help);
    }
    puts("\n  help     this list; `sinval help COMMAND' is `sinval COMMAND --help'\n\n"
         "  -?, --help      this list\n"
         "      --usage     a short usage message\n"
         "  -V, --version   the version\n\n"
         "Exit status: 0 fine, 1 a property was violated, 2 bad input, 3 the environment failed.");
}

/* Write what is buffered; the last words of every run. */
static void finish_output(void)
{
    const bool failed = ferror(stdout) != 0;
    if (fclose(stdout) == 0 && !failed) {
        return;
    }
    const int reason = errno;
    fprintf(stderr, "%s: standard output: %s\n", program_invocation_name,
            failed && reason == 0 ? "not everything could be written" : strerror(reason));
    _exit(STATUS_ENVIRONMENT);
}

/* A closed descriptor 0, 1 or 2 is opened so that its use fails, as it would if it were closed. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

static bool among(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

#define AMONG(word, words) among(word, words, sizeof(words) / sizeof((words)[0]))

static const struct command *find_command(const char *name)
{
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    fprintf(stderr, "sinval: '%s' is no command; right would be one of", name);
    for (const struct command *command = commands; command->name != NULL; command++) {
        fprintf(stderr, " %s", command->name);
    }
    fputs(", or help\n", stderr);
    return STATUS_BAD_INPUT;
}

/* argv[0] becomes "sinval NAME": so argp, getopt and complain() say where a complaint is from. */
static int run_command(const char *name, int argc, char **argv)
{
    const struct command *command = find_command(name);
    if (command == NULL) {
        return unknown_command(name);
    }
    static char invocation[32];
    snprintf(invocation, sizeof(invocation), "sinval %s", name);
    program_invocation_name = invocation;
    program_invocation_short_name = invocation;
    argv[0] = invocation;
    return command->run(argc, argv);
}

static int help_command(char *name)
{
    char *argv[] = {name, (char[]){"--help"}, NULL};
    return run_command(name, 2, argv);
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "sinval %d.%d.%d\n", SV_VERSION_MAJOR, SV_VERSION_MINOR, SV_VERSION_PATCH);
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    program_invocation_name = own_name;
    argp_err_exit_status = STATUS_BAD_INPUT;
    argp_program_version_hook = print_version;
    if (atexit(finish_output) != 0) {
        return STATUS_ENVIRONMENT;
    }
    if (argc < 2) {
        print_usage(stderr);
        fputs("Try `sinval --help' for more information.\n", stderr);
        return STATUS_BAD_INPUT;
    }
    if (AMONG(argv[1], help_words)) {
        if (argc > 2 && argv[1][0] != '-') {
            return help_command(argv[2]);
        }
        print_help();
        return STATUS_FINE;
    }
    if (strcmp(argv[1], "--usage") == 0) {
        print_usage(stdout);
        return STATUS_FINE;
    }
    if (AMONG(argv[1], version_words)) {
        print_version(stdout, NULL);
        return STATUS_FINE;
    }
    if (argv[1][0] == '-') {
        return complain(STATUS_BAD_INPUT,
                        "unrecognized option '%s'; a command comes first, see `sinval --help'",
                        argv[1]);
    }
    return run_command(argv[1], argc - 1, argv + 1);
}
