/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The values of a plan: one reader for each kind of field, and the words of its errors.
 *
 * Numbers are digits and nothing else: no sign, no 0x, no 1e3, no quotes, so that what a plan says
 * means the same to its reader as to the program.
 */
#include "faults/plan_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "faults/random.h"

#define SHOWN_MAX (SHOWN_BYTES - 16) /* bytes of a wrong value that a message shows */

int yaml_wrong(struct reader *reader, yaml_mark_t at, const char *format, ...)
{
    va_list arguments;
    const int used = snprintf(reader->message, reader->size, "%s:%zu:%zu: ", reader->file,
                              at.line + 1, at.column + 1);

    if (used > 0 && (size_t)used < reader->size) {
        va_start(arguments, format);
        vsnprintf(reader->message + used, reader->size - (size_t)used, format, arguments);
        va_end(arguments);
    }
    return -EINVAL;
}

const char *yaml_scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->type == YAML_SCALAR_NODE && strlen(text) == node->data.scalar.length ? text : NULL;
}

/* Unquoted text; NULL otherwise. */
static const char *plain(const yaml_node_t *node)
{
    const char *text = yaml_scalar(node);

    return text != NULL && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? text : NULL;
}

const char *yaml_shown(const yaml_node_t *node, char text[SHOWN_BYTES])
{
    const char *value;

    if (node->type != YAML_SCALAR_NODE) {
        return node->type == YAML_MAPPING_NODE ? "a mapping" : "a list";
    }
    value = (const char *)node->data.scalar.value;
    if (node->data.scalar.length == 0) {
        return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? "nothing" : "empty text";
    }
    snprintf(text, SHOWN_BYTES, "%s%.*s%s", plain(node) != NULL ? "'" : "the text '", SHOWN_MAX,
             value, strlen(value) > SHOWN_MAX ? "...'" : "'");
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' ';
        }
    }
    return text;
}

static int read_number(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                       char *into)
{
    const char *text = plain(node);
    char value[SHOWN_BYTES];
    uint64_t number = 0;
    uint32_t stored;

    if (text == NULL || text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return yaml_wrong(reader, node->start_mark, "%s is %s; a whole number from %u to %u",
                          field->key, yaml_shown(node, value), field->min, field->max);
    }
    for (; *text != '\0' && number <= field->max; text++) {
        number = number * 10 + (uint64_t)(*text - '0');
    }
    if (number < field->min || number > field->max) {
        return yaml_wrong(reader, node->start_mark, "%s is %s; a whole number from %u to %u",
                          field->key, (const char *)node->data.scalar.value, field->min,
                          field->max);
    }
    stored = (uint32_t)number * field->scale;
    memcpy(into + field->offset, &stored, sizeof(stored));
    return 0;
}

static int read_flag(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                     char *into)
{
    const char *text = plain(node);
    char value[SHOWN_BYTES];
    const bool yes = text != NULL && strcmp(text, "true") == 0;

    if (!yes && (text == NULL || strcmp(text, "false") != 0)) {
        return yaml_wrong(reader, node->start_mark, "%s is %s; true or false", field->key,
                          yaml_shown(node, value));
    }
    memcpy(into + field->offset, &yes, sizeof(yes));
    return 0;
}

const char *yaml_listed(const char *const *names, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; names[i] != NULL && used < size; i++) {
        const char *separator = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
        const int added = snprintf(text + used, size - used, "%s%s", separator, names[i]);

        used += added > 0 ? (size_t)added : 0;
    }
    return text;
}

static int read_choice(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                       char *into)
{
    const char *text = yaml_scalar(node);
    char value[SHOWN_BYTES];
    char list[PLAN_MESSAGE_MAX];
    uint32_t count = 0;

    for (; field->choices[count] != NULL; count++) {
        if (text != NULL && strcmp(text, field->choices[count]) == 0) {
            memcpy(into + field->offset, &count, sizeof(count));
            return 0;
        }
    }
    const char *nearest = text != NULL ? nearest_name(text, field->choices, count) : NULL;
    if (nearest != NULL) {
        return yaml_wrong(reader, node->start_mark, "%s is %s; did you mean '%s'?", field->key,
                          yaml_shown(node, value), nearest);
    }
    return yaml_wrong(reader, node->start_mark, "%s is %s; %s", field->key, yaml_shown(node, value),
                      yaml_listed(field->choices, list, sizeof(list)));
}

/* "0.25" to parts in a billion. Returns: false if text is no such number. */
static bool parse_probability(const char *text, uint64_t *ppb)
{
    const size_t whole = strspn(text, "0123456789");
    const char *point = text + whole;
    uint64_t scale = RANDOM_BILLION;

    *ppb = 0;
    if (whole == 0 || whole > 9) {
        return false;
    }
    for (size_t i = 0; i < whole; i++) {
        *ppb = *ppb * 10 + (uint64_t)(text[i] - '0') * RANDOM_BILLION;
    }
    if (*point == '\0') {
        return true;
    }
    const size_t digits = *point == '.' ? strspn(point + 1, "0123456789") : 0;
    if (digits == 0 || digits > 9 || point[1 + digits] != '\0') {
        return false;
    }
    for (size_t i = 1; i <= digits; i++) {
        scale /= 10;
        *ppb += (uint64_t)(point[i] - '0') * scale;
    }
    return true;
}

static int read_probability(struct reader *reader, const struct plan_field *field,
                            yaml_node_t *node, char *into)
{
    const char *text = plain(node);
    char value[SHOWN_BYTES];
    uint64_t ppb = 0;
    uint32_t stored;

    if (text == NULL || !parse_probability(text, &ppb) || ppb == 0 || ppb > RANDOM_BILLION) {
        return yaml_wrong(reader, node->start_mark,
                          "%s is %s; a number above 0 and at most 1, such as 0.01, with at most 9 "
                          "decimals",
                          field->key, yaml_shown(node, value));
    }
    stored = (uint32_t)ppb;
    memcpy(into + field->offset, &stored, sizeof(stored));
    return 0;
}

static int read_name(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                     char *into)
{
    const char *text = yaml_scalar(node);
    char value[SHOWN_BYTES];

    if (text == NULL || !plan_name_valid(text)) {
        return yaml_wrong(reader, node->start_mark,
                          "%s is %s; 2 to %d of a-z, 0-9 and '-', a letter first", field->key,
                          yaml_shown(node, value), PLAN_NAME_MAX - 1);
    }
    memcpy(into + field->offset, text, strlen(text));
    return 0;
}

static int read_text(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                     char *into)
{
    const char *text = yaml_scalar(node);
    char value[SHOWN_BYTES];

    if (text == NULL || text[0] == '\0' || strlen(text) >= PLAN_DANGER_MAX) {
        return yaml_wrong(reader, node->start_mark, "%s is %s; a sentence of at most %d bytes",
                          field->key, yaml_shown(node, value), PLAN_DANGER_MAX - 1);
    }
    memcpy(into + field->offset, text, strlen(text));
    return 0;
}

static int read_point(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                      char *into)
{
    const char *text = yaml_scalar(node);
    char value[SHOWN_BYTES];

    if (text == NULL || text[0] == '\0' || strlen(text) >= PLAN_POINT_MAX) {
        return yaml_wrong(reader, node->start_mark,
                          "%s is %s; a name such as queue/copy/middle, or a prefix such as lock/*",
                          field->key, yaml_shown(node, value));
    }
    memcpy(into + field->offset, text, strlen(text));
    return 0;
}

static int read_target(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                       char *into)
{
    static const char *const words[] = {"any", "writer", "lock_holder", NULL};
    static const struct plan_field as_number = {.key = "backend",
                                                .kind = FIELD_NUMBER,
                                                .max = PLAN_BACKENDS_MAX - 1,
                                                .scale = 1,
                                                .offset = offsetof(struct fault, backend)};
    const char *text = yaml_scalar(node);
    char value[SHOWN_BYTES];
    struct fault *fault = (struct fault *)(void *)into;

    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (text != NULL && strcmp(text, words[i]) == 0) {
            fault->target = (enum fault_target)i;
            return 0;
        }
    }
    const char *bare = plain(node);
    if (bare != NULL && strspn(bare, "-0123456789") == strlen(bare) && bare[0] != '\0') {
        fault->target = TARGET_NUMBER;
        return read_number(reader, &as_number, node, into);
    }
    const char *nearest = text != NULL ? nearest_name(text, words, 3) : NULL;
    if (nearest != NULL) {
        return yaml_wrong(reader, node->start_mark, "%s is %s; did you mean '%s'?", field->key,
                          yaml_shown(node, value), nearest);
    }
    return yaml_wrong(reader, node->start_mark, "%s is %s; a number, any, writer or lock_holder",
                      field->key, yaml_shown(node, value));
}

read_value *const value_readers[FIELD_KIND_COUNT] = {
    [FIELD_NUMBER] = read_number, [FIELD_FLAG] = read_flag,
    [FIELD_CHOICE] = read_choice, [FIELD_PROBABILITY] = read_probability,
    [FIELD_NAME] = read_name,     [FIELD_TEXT] = read_text,
    [FIELD_POINT] = read_point,   [FIELD_TARGET] = read_target,
};
