/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The end of who finds that the segment cannot be right.
 *
 * What it holds stays as it is, life lock included: to all others this is a death like any other,
 * and whoever else meets the same rubbish comes to the same end. To let go of things in order
 * would mean to write to a segment of which nothing is known any more.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "shm/segment.h"

void sv_segment_set_stop(struct sv_segment *segment, void (*stop)(void *argument, const char *what),
                         void *argument)
{
    segment->stop = (struct sv_stop){stop, argument};
}

void sv_segment_corrupt(const struct sv_segment *segment, const char *format, ...)
{
    char text[240] = "segment corrupt: ";
    const size_t head = sizeof("segment corrupt: ") - 1;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + head, sizeof(text) - head, format, arguments);
    va_end(arguments);
    if (segment->stop.function != NULL) {
        segment->stop.function(segment->stop.argument, text + head);
    }
    sv_stop(text);
}
