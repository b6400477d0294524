/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands share: complaints, numbers, reports, and where the program's own files are.
 */
#define _GNU_SOURCE /* program_invocation_name */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int complain(int status, const char *format, ...)
{
    va_list arguments;
    fflush(stdout); /* in the order in which it was said */
    fprintf(stderr, "%s: ", program_invocation_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    const unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0 || value < min || value > max) {
        return false;
    }
    *number = value;
    return true;
}

uint32_t option_number(struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max)
{
    uint64_t number = 0;
    if (!parse_number(text, min, max, &number)) {
        argp_error(state, "--%s: '%s' is not a whole number from %u to %u", name, text, min, max);
    }
    return (uint32_t)number;
}

enum report option_report(struct argp_state *state, const char *text, bool junit)
{
    static const char *const names[] = {
        [REPORT_TEXT] = "text", [REPORT_JSON] = "json", [REPORT_JUNIT] = "junit"};
    for (int i = REPORT_TEXT; i <= (junit ? REPORT_JUNIT : REPORT_JSON); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum report)i;
        }
    }
    argp_error(state, "--report: '%s' is no kind of report; right would be text%s json%s", text,
               junit ? "," : " or", junit ? " or junit" : "");
    return REPORT_TEXT;
}

char *beside_program(const char *file, char *path, size_t size)
{
    char program[4096];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length < 0) {
        return NULL;
    }
    program[length] = '\0';
    *strrchr(program, '/') = '\0'; /* an absolute path: there is one */
    static const char *const places[] = {"/../", "/"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const int written = snprintf(path, size, "%s%s%s", program, places[i], file);
        if (written > 0 && (size_t)written < size && access(path, F_OK) == 0) {
            return path;
        }
    }
    return NULL;
}
