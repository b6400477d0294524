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
#include <histedit.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/shell.h"

static volatile sig_atomic_t ended_by; /* a signal that ends the program; 0: none yet */

static void end_by_signal(int number)
{
    ended_by = number;
}

/* Without SA_RESTART, so that a read of the next line ends too. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = end_by_signal};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
    }
}

/* Where lines come from. */
struct input {
    const char *name;
    uint32_t line;
    FILE *file;
    char *text; /* of getline */
    size_t size;
    EditLine *editor; /* on a terminal, else NULL */
    History *history;
};

/* ---- the terminal ------------------------------------------------------------------------ */

static char *prompt(EditLine *editor)
{
    (void)editor;
    static char text[] = "sinval> ";
    return text;
}

/* One character; libedit's own would sleep on through a signal. */
static int read_character(EditLine *editor, wchar_t *character)
{
    (void)editor;
    unsigned char byte = 0;
    const ssize_t count = read(STDIN_FILENO, &byte, 1);
    *character = byte;
    return count > 0 && ended_by == 0 ? 1 : 0;
}

static void open_editor(struct input *input)
{
    HistEvent event;
    input->editor = el_init("sinval", stdin, stdout, stderr);
    input->history = history_init();
    if (input->editor == NULL || input->history == NULL) {
        return; /* lines can be typed all the same */
    }
    history(input->history, &event, H_SETSIZE, 1000);
    el_set(input->editor, EL_PROMPT, prompt);
    el_set(input->editor, EL_SIGNAL, 0);
    el_set(input->editor, EL_GETCFN, read_character);
    el_set(input->editor, EL_HIST, history, input->history);
    el_set(input->editor, EL_EDITOR, "emacs");
    el_source(input->editor, NULL);
}

static void close_editor(struct input *input)
{
    if (input->editor != NULL) {
        el_end(input->editor);
    }
    if (input->history != NULL) {
        history_end(input->history);
    }
}

static const char *edit_line(struct input *input)
{
    HistEvent event;
    int count = 0;
    const char *line = el_gets(input->editor, &count);
    if (line == NULL || count <= 0) {
        putchar('\n');
        return NULL;
    }
    if (line[strspn(line, " \t\n")] != '\0') {
        history(input->history, &event, H_ENTER, line);
    }
    return line;
}

/* ---- lines ------------------------------------------------------------------------------- */

/* The next line; NULL at the end, an error (errno), or a signal. */
static const char *next_line(struct input *input)
{
    input->line++;
    errno = 0;
    if (input->editor != NULL) {
        return edit_line(input);
    }
    const ssize_t length = getline(&input->text, &input->size, input->file);
    if (length < 0) {
        return NULL;
    }
    input->text[strcspn(input->text, "\n")] = '\0';
    return input->text;
}

static int wrong_line(const struct input *input, const char *words)
{
    return complain(STATUS_BAD_INPUT, "%s:%" PRIu32 ": %s", input->name, input->line, words);
}

/* Look through a file, from its beginning back to its beginning. */
static int look_through(struct input *input, struct sv_config config)
{
    char message[256];
    bool started = false;
    for (const char *line; (line = next_line(input)) != NULL;) {
        const char *wrong = shell_check(line, &started, &config, message, sizeof(message));
        if (wrong != NULL) {
            return wrong_line(input, wrong);
        }
    }
    if (ferror(input->file)) {
        return complain(errno == EISDIR ? STATUS_BAD_INPUT : STATUS_ENVIRONMENT, "%s: %s",
                        input->name, strerror(errno));
    }
    rewind(input->file);
    input->line = 0;
    return STATUS_FINE;
}

static void play(struct shell *shell, struct input *input)
{
    char message[256];
    bool started = false;
    struct sv_config config = shell->config;
    bool fine = true;
    for (const char *line; fine && ended_by == 0 && (line = next_line(input)) != NULL;) {
        struct sv_config tried = config;
        const char *wrong = shell_check(line, &started, &tried, message, sizeof(message));
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
    if (input->file != NULL && ferror(input->file) && ended_by == 0 && errno != 0) {
        shell->status = complain(STATUS_ENVIRONMENT, "%s: %s", input->name, strerror(errno));
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

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)(uintptr_t)text;
    }
    char *help = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&help, &size);
    if (out == NULL) {
        return NULL;
    }
    fputs("A command a line; # begins a comment:\n\n", out);
    shell_help(out);
    fputs("\nA KEY is GROUP/NAME, or NAME. A backend does nothing between commands. An answer "
          "ends with the counters that the command moved, in brackets.",
          out);
    fclose(out);
    return help; /* argp frees it */
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

static int open_input(const struct arguments *arguments, struct input *input)
{
    const bool standard = arguments->file == NULL || strcmp(arguments->file, "-") == 0;
    *input = (struct input){.name = standard ? "standard input" : arguments->file};
    if (standard && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        open_editor(input);
        return STATUS_FINE;
    }
    input->file = standard ? stdin : fopen(arguments->file, "re");
    if (input->file == NULL) {
        return complain(STATUS_BAD_INPUT,
                        "%s: %s; a file that can be read, or - for standard input, would be right",
                        input->name, strerror(errno));
    }
    struct stat about;
    const bool again = fstat(fileno(input->file), &about) == 0 && !S_ISFIFO(about.st_mode) &&
                       !S_ISCHR(about.st_mode); /* can it be read twice? */
    return standard || !again ? STATUS_FINE : look_through(input, arguments->config);
}

static void close_input(struct input *input)
{
    close_editor(input);
    free(input->text);
    if (input->file != NULL && input->file != stdin) {
        fclose(input->file);
    }
}

int cmd_shell(int argc, char **argv)
{
    struct arguments arguments = {.timeout_ms = 0};
    struct input input;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct sv_config config = arguments.config;
    char message[256];
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        return complain(STATUS_BAD_INPUT, "%s", message);
    }
    catch_signals();
    int status = open_input(&arguments, &input);
    if (status == STATUS_FINE) {
        struct shell shell = {.crew = {.name = arguments.name,
                                       .out = stdout,
                                       .timeout_ms = arguments.timeout_ms,
                                       .interrupted = &ended_by},
                              .config = arguments.config};
        play(&shell, &input);
        shell_end(&shell);
        status = shell.status;
    }
    close_input(&input);
    if (ended_by != 0) {
        const int number = ended_by;
        fflush(stdout);
        signal(number, SIG_DFL);
        raise(number);
    }
    return status;
}
