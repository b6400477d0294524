/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/* What every static analysis must find: one bug, of the plainest kind. Never built or run. */
#include <stdlib.h>

int main(void)
{
    char *bytes = malloc(1);
    free(bytes);
    free(bytes);
    return 0;
}
