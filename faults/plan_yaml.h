/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Between those who load a plan: its file (plan_load.c), the tree of its document (plan_yaml.c),
 * and its values (plan_values.c).
 */
#ifndef SINVAL_FAULTS_PLAN_YAML_H
#define SINVAL_FAULTS_PLAN_YAML_H

#include <yaml.h>

#include "faults/plan_schema.h"

struct reader {
    const char *file;
    yaml_document_t *document;
    char *message; /* of the caller's; size bytes */
    size_t size;
};

/* Say what is wrong, and where: "file:line:column: ...". Returns: -EINVAL. */
int yaml_wrong(struct reader *reader, yaml_mark_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A scalar's text; NULL if it is none, or has a zero byte inside. */
const char *yaml_scalar(const yaml_node_t *node);

#define SHOWN_BYTES 80

/* What a node is, for a message; may be put in text[]. */
const char *yaml_shown(const yaml_node_t *node, char text[SHOWN_BYTES]);

/* "a, b or c" of names that end with NULL, in text[]; returns text. */
const char *yaml_listed(const char *const *names, char *text, size_t size);

/* Check a value, and put it at field->offset of the struct at into. Returns: 0; -EINVAL. */
typedef int read_value(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                       char *into);

/* By kind; NULL for FIELD_WORLD and FIELD_FAULTS, which are not values. */
extern read_value *const value_readers[FIELD_KIND_COUNT];

/* Walk reader->document into *plan. Returns: 0; -EINVAL, and *plan is half done. */
int yaml_read_plan(struct reader *reader, struct plan *plan);

#endif
