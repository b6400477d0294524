/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Text in a buffer.
 */
#include "faults/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

void text_put_first(struct text *text, const char *first)
{
    const size_t length = strnlen(first, text->size - 1);
    const size_t room = text->size - 1 - length;
    const size_t kept = text->used < room ? text->used : room;

    memmove(text->data + length, text->data, kept);
    memcpy(text->data, first, length);
    text->used = length + kept;
    text->data[text->used] = '\0';
}
