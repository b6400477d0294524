/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Assertions, and other ends. This is the one place of the library that prints: right before it
 * aborts.
 */
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sv_assert_failed(const char *file, int line, const char *claim, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "sinval: %s:%d: %s: ", file, line, claim);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    abort();
}

void sv_stop(const char *text)
{
    (void)fprintf(stderr, "sinval: %s\n", text);
    abort();
}
