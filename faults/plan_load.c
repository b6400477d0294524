/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Loading a plan from a file, or from text.
 *
 * Two passes over the text, which is at most PLAN_FILE_MAX bytes. The first reads events and turns
 * away what a plan has no use for and a document tree no longer shows: aliases, anchors, tags, a
 * second document. The second loads the tree and walks it (plan_yaml.c). The caller's plan is all
 * zero unless all is well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/plan_yaml.h"

#define PLAN_FILE_MAX 65536

/* What libyaml has to complain about. */
static int not_yaml(struct reader *reader, const yaml_parser_t *parser, const char *text)
{
    yaml_mark_t at = parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        return yaml_wrong(reader, at, "out of memory");
    }
    if (parser->error == YAML_READER_ERROR) { /* it gives an offset, not a mark */
        at = (yaml_mark_t){0};
        for (size_t i = 0; i < parser->problem_offset; i++) {
            at.line += text[i] == '\n';
            at.column = text[i] == '\n' ? 0 : at.column + 1;
        }
    }
    return yaml_wrong(reader, at, "not YAML: %s%s%s; a plan is a YAML file", parser->problem,
                      parser->context != NULL ? " " : "",
                      parser->context != NULL ? parser->context : "");
}

/* What a plan has no use for and the tree would hide. */
static int check_event(struct reader *reader, const yaml_event_t *event, uint32_t *documents)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents == 1 ? 0
                                 : yaml_wrong(reader, event->start_mark,
                                              "a second document; a file holds one plan");
    case YAML_ALIAS_EVENT:
        return yaml_wrong(reader, event->start_mark, "an alias; write the value out");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL) {
        return yaml_wrong(reader, event->start_mark, "an anchor; a plan has none");
    }
    if (tag != NULL) {
        return yaml_wrong(reader, event->start_mark, "a tag; a plan has none");
    }
    return 0;
}

static int check_events(struct reader *reader, const char *text, size_t bytes)
{
    yaml_parser_t parser;
    yaml_event_t event;
    uint32_t documents = 0;
    bool ended = false;
    int result = 0;

    if (!yaml_parser_initialize(&parser)) {
        return yaml_wrong(reader, (yaml_mark_t){0}, "out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    while (result == 0 && !ended) {
        if (!yaml_parser_parse(&parser, &event)) {
            result = not_yaml(reader, &parser, text);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        result = check_event(reader, &event, &documents);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (result == 0 && documents == 0) {
        return yaml_wrong(reader, (yaml_mark_t){0}, "empty; a plan begins with its name");
    }
    return result;
}

int plan_load_text(const char *file, const char *text, size_t bytes, struct plan *plan,
                   char *message, size_t size)
{
    yaml_parser_t parser;
    yaml_document_t document;
    struct reader reader = {.file = file, .document = &document, .message = message, .size = size};
    int result;

    memset(plan, 0, sizeof(*plan));
    result = check_events(&reader, text, bytes);
    if (result != 0) {
        return result;
    }
    if (!yaml_parser_initialize(&parser)) {
        return yaml_wrong(&reader, (yaml_mark_t){0}, "out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    if (yaml_parser_load(&parser, &document)) {
        result = yaml_read_plan(&reader, plan);
        yaml_document_delete(&document);
    } else {
        result = not_yaml(&reader, &parser, text);
    }
    yaml_parser_delete(&parser);
    if (result != 0) {
        memset(plan, 0, sizeof(*plan));
    }
    return result;
}

/* Read all of fd, at most PLAN_FILE_MAX + 1 bytes. Returns: how many; -errno. */
static ssize_t read_all(int fd, char *text)
{
    size_t used = 0;

    while (used <= PLAN_FILE_MAX) {
        const ssize_t count = read(fd, text + used, PLAN_FILE_MAX + 1 - used);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count == 0 ? (ssize_t)used : -errno;
        }
        used += (size_t)count;
    }
    return (ssize_t)used;
}

int plan_load_file(const char *path, struct plan *plan, char *message, size_t size)
{
    struct reader reader = {.file = path, .message = message, .size = size};
    const yaml_mark_t start = {0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    ssize_t bytes;
    int result;

    memset(plan, 0, sizeof(*plan));
    if (fd < 0) {
        return yaml_wrong(&reader, start, "cannot be opened: %s; a plan is a YAML file",
                          strerror(errno));
    }
    text = malloc(PLAN_FILE_MAX + 1);
    bytes = text == NULL ? -ENOMEM : read_all(fd, text);
    if (bytes == -EISDIR) {
        result = yaml_wrong(&reader, start, "a directory; a plan is a YAML file");
    } else if (bytes < 0) {
        result = yaml_wrong(&reader, start, "cannot be read: %s; a plan is a YAML file",
                            strerror((int)-bytes));
    } else if (bytes > PLAN_FILE_MAX) {
        result = yaml_wrong(&reader, start, "larger than %d bytes; a plan is at most that",
                            PLAN_FILE_MAX);
    } else {
        result = plan_load_text(path, text, (size_t)bytes, plan, message, size);
    }
    free(text);
    close(fd);
    return result;
}
