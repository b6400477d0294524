/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The shell's language: one line, one step of a play with a crew.
 */
#ifndef SINVAL_CLI_SHELL_H
#define SINVAL_CLI_SHELL_H

#include "cli/crew.h"

struct shell {
    struct crew crew; /* name, out, timeout_ms and interrupted are the caller's to set */
    struct sv_config config;
    bool entered; /* the crew exists */
    int status;
};

/*
 * Is line one that can be obeyed? Words and numbers are looked at, and that the world is not
 * changed once somebody was started; *started and *config follow what the line does. Empty lines
 * and those that begin with '#' say nothing.
 *
 * Returns: NULL, or what is wrong and what would be right, in message.
 */
const char *shell_check(const char *line, bool *started, struct sv_config *config, char *message,
                        size_t size);

/* Obey a line that shell_check let pass. Returns: false if it cannot go on; status says why. */
bool shell_obey(struct shell *shell, const char *line);

/* Everybody leaves. */
void shell_end(struct shell *shell);

/* What there is to say, and what it means. */
void shell_help(FILE *out);

#endif
