/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The sinval command: one file per subcommand, a table of them, and what they share.
 *
 * A subcommand is `int cmd_NAME(int argc, char **argv)`; argv[0] is "sinval NAME". It parses its
 * options with argp, prints its findings to standard output and complaints to standard error, and
 * returns an exit status. main() flushes standard output and turns a failure of that into
 * STATUS_ENVIRONMENT, so a subcommand need not check each printf.
 */
#ifndef SINVAL_CLI_CLI_H
#define SINVAL_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinval/segment.h"

/* The exit statuses. */
enum {
    STATUS_FINE = 0,
    STATUS_VIOLATED = 1,    /* a property was violated */
    STATUS_BAD_INPUT = 2,   /* options, files, names: what the user gave is wrong */
    STATUS_ENVIRONMENT = 3, /* the environment failed: no memory, a full disk, a closed pipe */
};

/* One subcommand. */
struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* one line */
};

/* Every subcommand there is; ends with a name that is NULL. Defined in main.c. */
extern const struct command commands[];

int cmd_demo(int argc, char **argv);
int cmd_shell(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_storm(int argc, char **argv);
int cmd_script(int argc, char **argv);
int cmd_points(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_explore(int argc, char **argv);

/* Is that a token of sinval explore? If so, become the explorer and repeat what it says. */
bool is_explorer_token(const char *token);
int replay_explored(char *token, bool all, bool gdb);

/*
 * Print "sinval NAME: " and the words, with a newline, to standard error.
 *
 * Returns: status, so that a complaint and the return are one line.
 */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Read a whole number of decimal digits, min to max, from text.
 *
 * Returns: true and *number; false if it is anything else.
 */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/*
 * The same for an option's argument, within a parser of argp: a bad one ends the program with
 * "--NAME: 'TEXT' ...; a whole number from MIN to MAX would be right".
 */
uint32_t option_number(struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max);

/* How a subcommand reports. */
enum report { REPORT_TEXT, REPORT_JSON, REPORT_JUNIT };

/* The argument of --report; text and json are always right, junit only where allowed. */
enum report option_report(struct argp_state *state, const char *text, bool junit);

/*
 * The sizes of a world as options, --capacity=N and so on: a child parser whose input is a
 * struct sv_config (0 where an option was not given). main_argp.children = config_children,
 * and state->child_inputs[0] = the configuration, at ARGP_KEY_INIT.
 */
extern const struct argp_child config_children[];

/*
 * Set the field of that name ("capacity", "signal_threshold", ...) from text.
 *
 * Returns: NULL, or words for what is wrong and what would be right, in message.
 */
const char *config_set(struct sv_config *config, const char *name, const char *text, char *message,
                       size_t size);

/*
 * The directory that FILE lies in or under, seen from this very program, whether built or
 * installed: ../FILE from the directory of the executable, else FILE beside it.
 *
 * Returns: path (size bytes), or NULL if it is in neither place.
 */
char *beside_program(const char *file, char *path, size_t size);

/*
 * Become that program, which lies beside this one or in libexec/sinval, as `sinval COMMAND` with the
 * arguments behind argv[0]. Returns only if it cannot: an exit status.
 */
int become(const char *program, char *command, int argc, char **argv);

/*
 * Is that a carrier, or the token of a run on one, of sinval-fiber, and not of this program? Either
 * may be NULL. Then that is the program to become.
 */
bool is_carried_elsewhere(const char *carrier, const char *token);
int become_carrier(char *command, int argc, char **argv);

#endif
