/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A plan from the tree of a YAML document.
 *
 * On libyaml's document API, with a small walker driven by the tables of plan_schema.c, rather than
 * on libcyaml: what is mostly wrong with a plan is its meaning (an unknown point, an action that
 * makes no sense there, a backend that the world does not have), and such an error must name the
 * file, line and column of the node to blame. libcyaml gives positions for what its schema knows,
 * but after loading keeps none.
 *
 * The walk: a mapping against its table, each value by the reader of its kind (plan_values.c); then
 * plan_check looks at what concerns several fields, and the node of the field that it blames is
 * looked up again. The first error ends it.
 */
#include "faults/plan_yaml.h"

#include <string.h>

struct schema {
    const char *what;
    const struct plan_field *fields;
    uint32_t count;
};

static const struct schema plan_schema = {"a plan", plan_fields, PLAN_FIELD_COUNT};
static const struct schema world_schema = {"a world", world_fields, WORLD_FIELD_COUNT};
static const struct schema fault_schema = {"a fault", fault_fields, FAULT_FIELD_COUNT};

#define SCHEMA_FIELDS_MAX 32

static int read_mapping(struct reader *reader, const struct schema *schema, yaml_node_t *node,
                        char *into);

static int read_world(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                      char *into)
{
    return read_mapping(reader, &world_schema, node, into + field->offset);
}

static int read_faults(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                       char *into)
{
    struct plan *plan = (struct plan *)(void *)into;
    char value[SHOWN_BYTES];
    int result = 0;

    if (node->type != YAML_SEQUENCE_NODE) {
        return yaml_wrong(reader, node->start_mark,
                          "%s is %s; a list, each entry beginning with '-'", field->key,
                          yaml_shown(node, value));
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && result == 0; item++) {
        yaml_node_t *entry = yaml_document_get_node(reader->document, *item);

        if (plan->fault_count == PLAN_FAULTS_MAX) {
            return yaml_wrong(reader, entry->start_mark, "more than %d faults; at most %d",
                              PLAN_FAULTS_MAX, PLAN_FAULTS_MAX);
        }
        result =
            read_mapping(reader, &fault_schema, entry, (char *)&plan->faults[plan->fault_count]);
        plan->fault_count++;
    }
    return result;
}

static int read_field(struct reader *reader, const struct plan_field *field, yaml_node_t *node,
                      char *into)
{
    switch (field->kind) {
    case FIELD_WORLD:
        return read_world(reader, field, node, into);
    case FIELD_FAULTS:
        return read_faults(reader, field, node, into);
    default:
        return value_readers[field->kind](reader, field, node, into);
    }
}

/* The pair of that key in a mapping; NULL if there is none. */
static const yaml_node_pair_t *find_pair(struct reader *reader, const yaml_node_t *mapping,
                                         const char *key)
{
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *text = yaml_scalar(yaml_document_get_node(reader->document, pair->key));

        if (text != NULL && strcmp(text, key) == 0) {
            return pair;
        }
    }
    return NULL;
}

static int unknown_key(struct reader *reader, const struct schema *schema, const yaml_node_t *key)
{
    const char *names[SCHEMA_FIELDS_MAX + 1] = {NULL};
    const char *text = yaml_scalar(key);
    char value[SHOWN_BYTES];
    char list[PLAN_MESSAGE_MAX];

    for (uint32_t i = 0; i < schema->count; i++) {
        names[i] = schema->fields[i].key;
    }
    const char *nearest = text != NULL ? nearest_name(text, names, schema->count) : NULL;
    if (nearest != NULL) {
        return yaml_wrong(reader, key->start_mark, "unknown key %s in %s; did you mean '%s'?",
                          yaml_shown(key, value), schema->what, nearest);
    }
    return yaml_wrong(reader, key->start_mark, "unknown key %s in %s; %s", yaml_shown(key, value),
                      schema->what, yaml_listed(names, list, sizeof(list)));
}

static int read_pair(struct reader *reader, const struct schema *schema, yaml_node_t *mapping,
                     const yaml_node_pair_t *pair, char *into)
{
    yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
    const char *text = yaml_scalar(key);

    for (uint32_t i = 0; text != NULL && i < schema->count; i++) {
        const struct plan_field *field = &schema->fields[i];

        if (strcmp(text, field->key) == 0) {
            const yaml_node_pair_t *first = find_pair(reader, mapping, text);

            if (first != NULL && first != pair) {
                const yaml_node_t *other = yaml_document_get_node(reader->document, first->key);

                return yaml_wrong(reader, key->start_mark,
                                  "key '%s' for the second time; once, it is already in line %zu",
                                  text, other->start_mark.line + 1);
            }
            return read_field(reader, field, value, into);
        }
    }
    return unknown_key(reader, schema, key);
}

static int read_mapping(struct reader *reader, const struct schema *schema, yaml_node_t *node,
                        char *into)
{
    char value[SHOWN_BYTES];

    if (node->type != YAML_MAPPING_NODE) {
        return yaml_wrong(reader, node->start_mark, "%s here; %s is a mapping of keys to values",
                          yaml_shown(node, value), schema->what);
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const int result = read_pair(reader, schema, node, pair, into);

        if (result != 0) {
            return result;
        }
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        const char *key = schema->fields[i].key;

        if (schema->fields[i].required && find_pair(reader, node, key) == NULL) {
            return yaml_wrong(reader, node->start_mark, "%s without '%s'; it needs one",
                              schema->what, key);
        }
    }
    return 0;
}

/* The node to blame for a problem between fields. */
static yaml_mark_t blamed(struct reader *reader, const struct plan_problem *problem)
{
    yaml_node_t *node = yaml_document_get_root_node(reader->document);
    const bool in_world = problem->fault == PLAN_FAULTS_MAX;
    const yaml_node_pair_t *pair = find_pair(reader, node, in_world ? "world" : "faults");

    if (pair == NULL) {
        return node->start_mark;
    }
    node = yaml_document_get_node(reader->document, pair->value);
    if (!in_world) {
        node = yaml_document_get_node(reader->document,
                                      node->data.sequence.items.start[problem->fault]);
    }
    pair = problem->key != NULL ? find_pair(reader, node, problem->key) : NULL;
    return pair == NULL ? node->start_mark
                        : yaml_document_get_node(reader->document, pair->value)->start_mark;
}

/* A fault's length must be the one of its action: the plan keeps the number, not the key. */
static int check_length_keys(struct reader *reader, const yaml_node_t *faults,
                             const struct plan *plan)
{
    static const struct {
        const char *key;
        enum action action;
    } lengths[] = {
        {"stall_ms", ACTION_STALL}, {"delay_ms", ACTION_DELAY}, {"delay_us", ACTION_DELAY},
        {"late_ms", ACTION_LATE},   {"late_us", ACTION_LATE},
    };

    for (uint32_t i = 0; i < plan->fault_count; i++) {
        const yaml_node_t *fault =
            yaml_document_get_node(reader->document, faults->data.sequence.items.start[i]);
        const char *first = NULL;

        for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++) {
            const yaml_node_pair_t *pair = find_pair(reader, fault, lengths[j].key);

            if (pair == NULL) {
                continue;
            }
            const yaml_mark_t at = yaml_document_get_node(reader->document, pair->key)->start_mark;
            if (lengths[j].action != plan->faults[i].action) {
                return yaml_wrong(reader, at, "%s with action '%s'; it goes with '%s'",
                                  lengths[j].key, action_name(plan->faults[i].action),
                                  action_name(lengths[j].action));
            }
            if (first != NULL) {
                return yaml_wrong(reader, at, "%s besides %s; one of them", lengths[j].key, first);
            }
            first = lengths[j].key;
        }
    }
    return 0;
}

int yaml_read_plan(struct reader *reader, struct plan *plan)
{
    yaml_node_t *root = yaml_document_get_root_node(reader->document);
    struct plan_problem problem;
    int result;

    plan_preset(plan);
    result = read_mapping(reader, &plan_schema, root, (char *)plan);
    if (result == 0) {
        const yaml_node_pair_t *pair = find_pair(reader, root, "faults");

        result =
            check_length_keys(reader, yaml_document_get_node(reader->document, pair->value), plan);
    }
    if (result == 0 && plan_check(plan, &problem) != 0) {
        result = yaml_wrong(reader, blamed(reader, &problem), "%s", problem.text);
    }
    return result;
}
