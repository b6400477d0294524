/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Reading scripts: a table of the operations, and who is joined after each line.
 */
#include "cli/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { WORDS_MAX = 4 };

/* An operation's shape: how its number is called, and how far it may go; NULL: it has none. */
struct shape {
    const char *name;
    const char *synopsis;
    bool has_backend;
    const char *number;
    uint32_t number_max;
};

static const struct shape shapes[VERB_COUNT] = {
    [VERB_JOIN] = {"join", "join P [s]", true, NULL, 0},
    [VERB_LEAVE] = {"leave", "leave P", true, NULL, 0},
    [VERB_INSERT] = {"ins", "ins P N", true, "number of messages", SCRIPT_MESSAGES_MAX},
    [VERB_GET] = {"get", "get P N", true, "number of messages", SCRIPT_MESSAGES_MAX},
    [VERB_CLEAN] = {"clean", "clean P F", true, "minimum free", 65536},
    [VERB_BASE] = {"base", "base X", false, "base", INT32_MAX},
};

/* What is known while reading. */
struct reading {
    struct script *script;
    size_t room; /* operations allocated */
    uint32_t line;
    uint32_t backends_max;
    uint32_t joined_count;
    bool joined[SCRIPT_BACKEND_MAX + 1];
};

/* FILE:LINE: what is wrong; what would be right. */
static int wrong(const struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int wrong(const struct reading *reading, const char *format, ...)
{
    char words[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    return complain(STATUS_BAD_INPUT, "%s:%" PRIu32 ": %s", reading->script->name, reading->line,
                    words);
}

/* Split line in place. Returns: how many words, at most WORDS_MAX + 1. */
static uint32_t split(char *line, char *words[WORDS_MAX + 1])
{
    uint32_t count = 0;
    char *rest = NULL;
    line[strcspn(line, "#")] = '\0';
    for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL && count <= WORDS_MAX;
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        words[count++] = word;
    }
    return count;
}

static enum verb find_verb(const char *name)
{
    enum verb verb = VERB_JOIN;
    while (verb < VERB_COUNT && strcmp(shapes[verb].name, name) != 0) {
        verb++;
    }
    return verb;
}

/* Who is joined before this operation, and after it. */
static int follow(struct reading *reading, const struct operation *operation)
{
    bool *joined = &reading->joined[operation->backend];
    const uint32_t backend = operation->backend;
    if (operation->verb == VERB_JOIN) {
        if (*joined) {
            return wrong(reading, "join: backend %u has joined already; `leave %u' comes first",
                         backend, backend);
        }
        if (reading->joined_count == reading->backends_max) {
            return wrong(reading,
                         "join: all %u slots are taken; let one leave, or give --backends-max",
                         reading->backends_max);
        }
        *joined = true;
        reading->joined_count++;
        return STATUS_FINE;
    }
    if (shapes[operation->verb].has_backend && !*joined) {
        return wrong(reading, "%s: backend %u has not joined; `join %u' comes first",
                     shapes[operation->verb].name, backend, backend);
    }
    if (operation->verb == VERB_LEAVE) {
        *joined = false;
        reading->joined_count--;
    }
    if (operation->verb == VERB_BASE && reading->joined_count == 0) {
        return wrong(reading, "base: nobody has joined; it comes after the joins");
    }
    return STATUS_FINE;
}

static int parse_words(struct reading *reading, char *words[], uint32_t count,
                       struct operation *operation)
{
    operation->verb = find_verb(words[0]);
    if (operation->verb == VERB_COUNT) {
        return wrong(reading,
                     "'%.40s' is no operation; right would be one of join leave ins get "
                     "clean base",
                     words[0]);
    }
    const struct shape *shape = &shapes[operation->verb];
    const uint32_t wanted = 1U + shape->has_backend + (shape->number != NULL);
    const bool optional = operation->verb == VERB_JOIN && count == 3;
    if (count != wanted + optional) {
        return wrong(reading, "%s has %u words; right would be `%s'", shape->name, count,
                     shape->synopsis);
    }
    uint32_t at = 1;
    uint64_t number = 0;
    if (shape->has_backend) {
        if (!parse_number(words[at], 0, SCRIPT_BACKEND_MAX, &number)) {
            return wrong(reading,
                         "%s: '%.40s' is no backend; a whole number from 0 to %d would be "
                         "right",
                         shape->name, words[at], SCRIPT_BACKEND_MAX);
        }
        operation->backend = (uint32_t)number;
        at++;
    }
    if (optional) {
        operation->send_only = strcmp(words[at], "s") == 0;
        if (!operation->send_only) {
            return wrong(reading,
                         "join: '%.40s' after the backend; right would be s for send-only, "
                         "or nothing",
                         words[at]);
        }
    }
    if (shape->number != NULL) {
        if (!parse_number(words[at], 0, shape->number_max, &number)) {
            return wrong(reading,
                         "%s: '%.40s' is no %s; a whole number from 0 to %u would be right",
                         shape->name, words[at], shape->number, shape->number_max);
        }
        operation->number = (uint32_t)number;
    }
    return STATUS_FINE;
}

/* The words again, with one space between: what is printed before the figures. */
static void join_words(char *words[], uint32_t count, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const int written =
            snprintf(text + length, size - length, "%s%s", i > 0 ? " " : "", words[i]);
        if (written < 0 || (size_t)written >= size - length) {
            return;
        }
        length += (size_t)written;
    }
}

static int append(struct reading *reading, const struct operation *operation)
{
    struct script *script = reading->script;
    if (script->count == reading->room) {
        const size_t room = reading->room == 0 ? 256 : 2 * reading->room;
        struct operation *more = reallocarray(script->operations, room, sizeof(*more));
        if (more == NULL) {
            return complain(STATUS_ENVIRONMENT, "%s: %s", script->name, strerror(errno));
        }
        script->operations = more;
        reading->room = room;
    }
    script->operations[script->count++] = *operation;
    return STATUS_FINE;
}

static int read_line(struct reading *reading, char *line)
{
    char *words[WORDS_MAX + 1] = {NULL};
    const uint32_t count = split(line, words);
    if (count == 0) {
        return STATUS_FINE;
    }
    struct operation operation = {.line = reading->line};
    int status = parse_words(reading, words, count, &operation);
    if (status == STATUS_FINE) {
        status = follow(reading, &operation);
    }
    if (status == STATUS_FINE) {
        join_words(words, count, operation.text, sizeof(operation.text));
        status = append(reading, &operation);
    }
    return status;
}

int script_read(FILE *file, const char *name, uint32_t backends_max, struct script *script)
{
    *script = (struct script){.name = name};
    struct reading reading = {.script = script, .backends_max = backends_max};
    char *line = NULL;
    size_t size = 0;
    int status = STATUS_FINE;
    ssize_t length = 0;
    errno = 0;
    while (status == STATUS_FINE && (length = getline(&line, &size, file)) >= 0) {
        reading.line++;
        if (strlen(line) != (size_t)length) {
            status = wrong(&reading, "has a zero byte; a script is text");
        } else {
            status = read_line(&reading, line);
        }
    }
    if (status == STATUS_FINE && ferror(file)) {
        const int reason = errno;
        status = complain(reason == EISDIR ? STATUS_BAD_INPUT : STATUS_ENVIRONMENT, "%s: %s", name,
                          strerror(reason));
    }
    free(line);
    return status;
}
