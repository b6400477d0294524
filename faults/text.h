/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Text in a buffer of fixed size: what does not fit is cut off.
 */
#ifndef SINVAL_FAULTS_TEXT_H
#define SINVAL_FAULTS_TEXT_H

#include <stddef.h>

struct text {
    char *data;
    size_t size;
    size_t used; /* without the terminator; below size */
};

void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put a string before all that is there. */
void text_put_first(struct text *text, const char *first);

#endif
