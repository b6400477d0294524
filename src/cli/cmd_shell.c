/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval shell: backends commanded by hand, or from a file.
 *
 * On a terminal a line can be edited, and a bad one is complained about and forgotten. A file is
 * looked through first: nothing of a bad one is played. Standard input that is no terminal is
 * played as it comes, and ends at the first bad line. Off the terminal each line is repeated before
 * its answer, so what is printed reads as a transcript.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/shell.h"

static int wrong_line(const struct input *input, const char *words)
{
    return complain(STATUS_BAD_INPUT, "%s:%" PRIu32 ": %s", input->name, input->line, words);
}

/* Is the line of the input one that can be obeyed? As shell_check. */
static const char *check(const struct input *input, const char *line, bool *started,
                         struct sv_config *config, char *message, size_t size)
{
    if (strlen(line) != input->length) {
        return "has a zero byte; a line is text";
    }
    return shell_check(line, started, config, message, size);
}

static int read_error(const struct input *input)
{
    if (input->error == 0) {
        return STATUS_FINE;
    }
    return complain(input->error == EISDIR ? STATUS_BAD_INPUT : STATUS_ENVIRONMENT, "%s: %s",
                    input->name, strerror(input->error));
}

/* Look through a file, and go back to its beginning. */
static int look_through(struct input *input, struct sv_config config)
{
    char message[256];
    bool started = false;
    for (const char *line; (line = input_next(input)) != NULL;) {
        const char *wrong = check(input, line, &started, &config, message, sizeof(message));
        if (wrong != NULL) {
            return wrong_line(input, wrong);
        }
    }
    input_rewind(input);
    return read_error(input);
}

static void play(struct shell *shell, struct input *input)
{
    char message[256];
    bool started = false;
    struct sv_config config = shell->config;
    bool fine = true;
    for (const char *line; fine && (line = input_next(input)) != NULL;) {
        struct sv_config tried = config;
        const char *wrong = check(input, line, &started, &tried, message, sizeof(message));
        if (wrong != NULL) {
            const int status = wrong_line(input, wrong);
            fine = input->editor != NULL;
            shell->status = fine ? shell->status : status;
            continue;
        }
        config = tried;
        if (input->editor == NULL) {
            printf("%s%s\n", line[0] == '\0' || line[0] == '#' ? "" : "> ", line);
        }
        fine = shell_obey(shell, line);
        if (fflush(stdout) != 0) {
            fine = false; /* main says why */
        }
    }
    if (fine && shell->status == STATUS_FINE) {
        shell->status = read_error(input);
    }
}

/* ---- the command ------------------------------------------------------------------------- */

struct arguments {
    struct sv_config config;
    const char *file;
    const char *name;
    int timeout_ms;
};

enum { TIMEOUT_MAX = 600000 };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'n':
        arguments->name = argument;
        return 0;
    case 't':
        arguments->timeout_ms =
            (int)option_number(state, "answer-timeout", argument, 1, TIMEOUT_MAX);
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->config;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file != NULL) {
            argp_error(state, "'%s' is a second FILE; one, or none, would be right", argument);
        }
        arguments->file = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The list of commands after the options. What it returns, argp frees. */
static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    char *help = NULL;
    size_t size = 0;
    FILE *out = text != NULL || key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&help, &size) : NULL;
    if (out == NULL) {
        return NULL;
    }
    if (key != ARGP_KEY_HELP_POST_DOC) {
        fputs(text, out);
        fclose(out);
        return help;
    }
    fputs("A command a line; # begins a comment:\n\n", out);
    shell_help(out);
    fputs("\nA KEY is GROUP/NAME, or NAME. A backend does nothing between commands. An answer "
          "ends with the counters that the command moved, in brackets.",
          out);
    fclose(out);
    return help;
}

static const struct argp_option options[] = {
    {"name", 'n', "NAME", 0, "a named segment, for `sinval stat NAME'", 0},
    {"answer-timeout", 't', "MS", 0, "how long to wait for an answer; 10000", 0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE]",
    .doc = "Start backends, each a process of its own, and command each through its named pipe, "
           "from FILE, or from standard input.\v",
    .children = config_children,
    .help_filter = filter_help,
};

int cmd_shell(int argc, char **argv)
{
    struct arguments arguments = {.timeout_ms = 0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct sv_config config = arguments.config;
    char message[256];
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        return complain(STATUS_BAD_INPUT, "%s", message);
    }
    struct shell shell = {.crew = {.name = arguments.name,
                                   .out = stdout,
                                   .timeout_ms = arguments.timeout_ms,
                                   .interrupted = input_catch_signals()},
                          .config = arguments.config};
    struct input input;
    shell.status = input_open(&input, arguments.file);
    if (shell.status == STATUS_FINE && input.may_be_reread) {
        shell.status = look_through(&input, arguments.config);
    }
    if (shell.status == STATUS_FINE) {
        play(&shell, &input);
        shell_end(&shell);
    }
    input_close(&input);
    input_end_by_signal();
    return shell.status;
}
