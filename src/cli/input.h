/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Lines from a file, from standard input as they come, or from a terminal where they can be edited.
 * The signals that end a program end a wait for a line, whenever they come.
 */
#ifndef SINVAL_CLI_INPUT_H
#define SINVAL_CLI_INPUT_H

#include <histedit.h>
#include <signal.h>

#include "cli/cli.h"

/* Catch SIGINT, SIGTERM and SIGHUP. Returns: where the number of the one that came will be, or 0. */
const volatile sig_atomic_t *input_catch_signals(void);

/* After all is cleaned up: end as if the signal had not been caught, if there was one. */
void input_end_by_signal(void);

struct input {
    const char *name;   /* for complaints */
    uint32_t line;      /* number of the newest, from 1 */
    int error;          /* errno of a read that failed */
    bool may_be_reread; /* a file: input_rewind works */
    int fd;
    char bytes[4096]; /* read, not yet given out */
    size_t at;
    size_t end;
    char *text; /* the newest line, without its end */
    size_t room;
    size_t length;    /* of text; more than strlen if it has a zero byte */
    EditLine *editor; /* on a terminal, else NULL */
    History *history;
};

/*
 * Open a file; NULL or "-": standard input. Returns: an exit status, and it has been said why.
 * Owns: the caller closes, also after a failure.
 */
int input_open(struct input *input, const char *file);
void input_close(struct input *input);

/* The next line; NULL at the end, after an error, or when a signal came. */
const char *input_next(struct input *input);

/* From the first line again. */
void input_rewind(struct input *input);

#endif
