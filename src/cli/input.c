/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A signal's handler notes its number and writes to a pipe; whoever waits for input waits for that
 * pipe as well. So one that comes just before the wait is not missed.
 */
#define _GNU_SOURCE /* pipe2 */

#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A handler has no argument: these are its own. */
static volatile sig_atomic_t ended_by;
static int wake_fds[2] = {-1, -1};

static void end_by_signal(int number)
{
    const int error = errno;
    ended_by = number;
    (void)!write(wake_fds[1], "", 1);
    errno = error;
}

const volatile sig_atomic_t *input_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = end_by_signal};
    sigemptyset(&action.sa_mask);
    if (pipe2(wake_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        wake_fds[0] = wake_fds[1] = -1; /* then a signal may be noticed with the next line only */
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
    }
    return &ended_by;
}

void input_end_by_signal(void)
{
    const int number = ended_by;
    if (number != 0) {
        fflush(stdout);
        signal(number, SIG_DFL);
        raise(number);
    }
}

/* Until there is something to read. Returns: false if a signal came. */
static bool wait_for(int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake_fds[0], .events = POLLIN}};
    while (ended_by == 0 && poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    return ended_by == 0;
}

/* ---- the terminal ------------------------------------------------------------------------ */

static char *prompt(EditLine *editor)
{
    (void)editor;
    static char text[] = "sinval> ";
    return text;
}

/* One character for libedit, whose own function would sleep on through a signal. */
static int read_character(EditLine *editor, wchar_t *character)
{
    (void)editor;
    unsigned char byte = 0;
    if (!wait_for(STDIN_FILENO) || read(STDIN_FILENO, &byte, 1) != 1) {
        return 0;
    }
    *character = byte;
    return 1;
}

static void open_editor(struct input *input)
{
    HistEvent event;
    input->editor = el_init("sinval", stdin, stdout, stderr);
    input->history = history_init();
    if (input->editor == NULL || input->history == NULL) {
        input_close(input); /* lines can be typed all the same */
        return;
    }
    history(input->history, &event, H_SETSIZE, 1000);
    el_set(input->editor, EL_PROMPT, prompt);
    el_set(input->editor, EL_SIGNAL, 0);
    el_set(input->editor, EL_GETCFN, read_character);
    el_set(input->editor, EL_HIST, history, input->history);
    el_set(input->editor, EL_EDITOR, "emacs");
    el_source(input->editor, NULL);
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
    input->length = strlen(line);
    return line;
}

/* ---- files and pipes --------------------------------------------------------------------- */

/* Returns: false at the end, or after an error. */
static bool fill(struct input *input)
{
    if (!wait_for(input->fd)) {
        return false;
    }
    const ssize_t count = read(input->fd, input->bytes, sizeof(input->bytes));
    input->error = count < 0 ? errno : 0;
    input->at = 0;
    input->end = count > 0 ? (size_t)count : 0;
    return count > 0;
}

/* Append what there is of the line. Returns: false without memory. */
static bool append(struct input *input, size_t count)
{
    if (input->length + count + 1 > input->room) {
        const size_t room = 2 * (input->length + count + 1);
        char *text = realloc(input->text, room);
        if (text == NULL) {
            input->error = ENOMEM;
            return false;
        }
        input->text = text;
        input->room = room;
    }
    memcpy(input->text + input->length, input->bytes + input->at, count);
    input->length += count;
    input->text[input->length] = '\0';
    input->at += count;
    return true;
}

static const char *read_line(struct input *input)
{
    bool any = false;
    input->length = 0;
    while (input->at < input->end || fill(input)) {
        const char *from = input->bytes + input->at;
        const char *newline = memchr(from, '\n', input->end - input->at);
        const size_t count = newline != NULL ? (size_t)(newline - from) : input->end - input->at;
        if (!append(input, count)) {
            return NULL;
        }
        any = true;
        if (newline != NULL) {
            input->at++;
            return input->text;
        }
    }
    return any && input->error == 0 && ended_by == 0 ? input->text : NULL;
}

const char *input_next(struct input *input)
{
    input->line++;
    return input->editor != NULL ? edit_line(input) : read_line(input);
}

/* ---- open and close ---------------------------------------------------------------------- */

int input_open(struct input *input, const char *file)
{
    const bool standard = file == NULL || strcmp(file, "-") == 0;
    *input = (struct input){.name = standard ? "standard input" : file};
    if (standard && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        open_editor(input);
    }
    input->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0) {
        return complain(STATUS_BAD_INPUT,
                        "%s: %s; a file that can be read, or - for standard input, would be right",
                        input->name, strerror(errno));
    }
    struct stat about;
    input->may_be_reread = !standard && fstat(input->fd, &about) == 0 &&
                           (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
    return STATUS_FINE;
}

void input_rewind(struct input *input)
{
    (void)lseek(input->fd, 0, SEEK_SET);
    input->line = 0;
    input->at = input->end = 0;
}

void input_close(struct input *input)
{
    if (input->editor != NULL) {
        el_end(input->editor);
    }
    if (input->history != NULL) {
        history_end(input->history);
    }
    if (input->fd > STDERR_FILENO) {
        close(input->fd);
    }
    free(input->text);
    input->editor = NULL;
    input->history = NULL;
    input->text = NULL;
}
