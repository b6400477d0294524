/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/* What every static analysis must find: one bug, of the plainest kind. Never built or run. */
#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES = 8 };

int main(void)
{
    char *line = malloc(LINE_BYTES);
    if (line == NULL) {
        return 1;
    }
    if (fgets(line, LINE_BYTES, stdin) != NULL) {
        (void)fputs(line, stdout);
    }
    free(line);
    free(line);
    return 0;
}
