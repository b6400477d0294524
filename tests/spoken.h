/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a part of the command says, where it runs in the test's own process: all that is printed
 * between spoken_begin and spoken_end, to standard output and to standard error.
 */
#ifndef SINVAL_TESTS_SPOKEN_H
#define SINVAL_TESTS_SPOKEN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct spoken {
    FILE *before[2]; /* the streams that were there */
    char *output;
    size_t output_bytes;
    char *complaint;
    size_t complaint_bytes;
};

static inline void spoken_begin(struct spoken *spoken)
{
    *spoken = (struct spoken){.before = {stdout, stderr}};
    stdout = open_memstream(&spoken->output, &spoken->output_bytes);
    stderr = open_memstream(&spoken->complaint, &spoken->complaint_bytes);
}

static inline void spoken_end(struct spoken *spoken)
{
    (void)fclose(stdout);
    (void)fclose(stderr);
    stdout = spoken->before[0];
    stderr = spoken->before[1];
}

static inline void spoken_free(struct spoken *spoken)
{
    free(spoken->output);
    free(spoken->complaint);
}

/* It was said; "": nothing was. */
static inline void expect_said(const char *what, const char *said, const char *part)
{
    if (part[0] == '\0') {
        cr_expect_str_empty(said, "%s: something was said: %s", what, said);
    } else {
        cr_expect_not_null(strstr(said, part), "%s: no '%s' in: %s", what, part, said);
    }
}

#endif
