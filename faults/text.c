/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Text in a buffer.
 */
#include "faults/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_print(struct text *text, const char *format, ...)
{
    const size_t room = text->size - text->used;
    va_list arguments;

    va_start(arguments, format);
    const int wanted = vsnprintf(text->data + text->used, room, format, arguments);
    va_end(arguments);
    if (wanted > 0) {
        text->used += (size_t)wanted < room ? (size_t)wanted : room - 1;
    }
}
