/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a plan may say, as tables: shared by the loader, the canonical form and the checks.
 */
#ifndef SINVAL_FAULTS_PLAN_SCHEMA_H
#define SINVAL_FAULTS_PLAN_SCHEMA_H

#include "faults/plan.h"

enum field_kind {
    FIELD_NUMBER,      /* uint32_t, in min .. max, times scale */
    FIELD_FLAG,        /* bool */
    FIELD_CHOICE,      /* an enum: one of choices */
    FIELD_PROBABILITY, /* uint32_t, parts in a billion */
    FIELD_NAME,        /* char[PLAN_NAME_MAX] */
    FIELD_TEXT,        /* char[PLAN_DANGER_MAX] */
    FIELD_POINT,       /* char[PLAN_POINT_MAX] */
    FIELD_TARGET,      /* fault.target and fault.backend */
    FIELD_WORLD,       /* struct plan_world */
    FIELD_FAULTS,      /* the faults */
    FIELD_KIND_COUNT,
};

struct plan_field {
    const char *key;
    enum field_kind kind;
    bool required;
    uint32_t offset; /* in the struct that the table is for */
    uint32_t preset; /* a plan that leaves the key out has this */
    uint32_t min;
    uint32_t max;
    uint32_t scale;
    const char *const *choices;
};

/*
 * struct plan_world. Append only, and keep the presets: a field's place is its bit in the canonical
 * form, and left out there if it has its preset, so that a new field changes no digest.
 */
#define WORLD_FIELD_COUNT 19
extern const struct plan_field world_fields[WORLD_FIELD_COUNT];

/* struct fault. */
#define FAULT_FIELD_COUNT 11
extern const struct plan_field fault_fields[FAULT_FIELD_COUNT];

/* struct plan. */
#define PLAN_FIELD_COUNT 5
extern const struct plan_field plan_fields[PLAN_FIELD_COUNT];

uint32_t world_get(const struct plan_world *world, const struct plan_field *field);
void world_set(struct plan_world *world, const struct plan_field *field, uint32_t value);

/* An empty plan with all presets. */
void plan_preset(struct plan *plan);

/* [a-z][a-z0-9-]+, at most PLAN_NAME_MAX - 1 bytes. */
bool plan_name_valid(const char *name);

/* What is wrong with a plan whose fields are each in range, and where. */
struct plan_problem {
    uint32_t fault;  /* an index; PLAN_FAULTS_MAX: in the world */
    const char *key; /* the field to blame; NULL: the fault or the world as a whole */
    char text[PLAN_MESSAGE_MAX];
};

/* Returns: 0; -EINVAL *problem says what is wrong and what would be right. */
SV_NODISCARD int plan_check(const struct plan *plan, struct plan_problem *problem);

#endif
