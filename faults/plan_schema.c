/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The tables of a plan's fields, and the checks that concern more than one field.
 */
#include "faults/plan_schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(enum plan_workload) == sizeof(uint32_t), "choices are read as uint32_t");
_Static_assert(WORLD_FIELD_COUNT <= 32, "a bit each in the canonical form");
_Static_assert(PLAN_FAULTS_MAX <= 64, "a bit each in the injector");

static const char *const workload_names[WORKLOAD_COUNT + 1] = {
    [WORKLOAD_TRANSACTIONS] = "transactions",
    [WORKLOAD_QUEUE] = "queue",
    [WORKLOAD_CHURN] = "churn",
    [WORKLOAD_IDLE] = "idle",
};

static const char *const source_names[SOURCE_COUNT + 1] = {
    [SOURCE_TABLE] = "table",
    [SOURCE_SQLITE] = "sqlite",
};

#define WORLD(field)  offsetof(struct plan_world, field)
#define NUMBERS(a, b) .kind = FIELD_NUMBER, .min = (a), .max = (b), .scale = 1

const struct plan_field world_fields[WORLD_FIELD_COUNT] = {
    {"backends", NUMBERS(1, PLAN_BACKENDS_MAX), .offset = WORLD(backends), .preset = 8},
    {"capacity", NUMBERS(4, 65536), .offset = WORLD(config.capacity)},
    {"cleanup_min", NUMBERS(1, 65536), .offset = WORLD(config.cleanup_min)},
    {"cleanup_quantum", NUMBERS(1, 65536), .offset = WORLD(config.cleanup_quantum)},
    {"signal_threshold", NUMBERS(1, 65536), .offset = WORLD(config.signal_threshold)},
    {"write_quantum", NUMBERS(1, 65536), .offset = WORLD(config.write_quantum)},
    {"wraparound", NUMBERS(4, 1u << 30), .offset = WORLD(config.wraparound)},
    {"intent_max", NUMBERS(1, 65536), .offset = WORLD(config.intent_max)},
    {"lock_hold_max_ms", NUMBERS(1, 60000), .offset = WORLD(config.lock_hold_max_ms)},
    {"workload", FIELD_CHOICE, .offset = WORLD(workload), .choices = workload_names},
    {"transactions", NUMBERS(1, 1000000), .offset = WORLD(transactions), .preset = 200},
    {"source", FIELD_CHOICE, .offset = WORLD(source), .choices = source_names},
    {"keys", NUMBERS(1, 65536), .offset = WORLD(keys), .preset = 64},
    {"writers", NUMBERS(1, PLAN_BACKENDS_MAX), .offset = WORLD(writers)},
    {"send_only", NUMBERS(0, PLAN_BACKENDS_MAX), .offset = WORLD(send_only)},
    {"idle", NUMBERS(0, PLAN_BACKENDS_MAX), .offset = WORLD(idle)},
    {"burst", NUMBERS(1, 65536), .offset = WORLD(burst)},
    {"postmaster", FIELD_FLAG, .offset = WORLD(postmaster)},
    {"discard_caches", FIELD_FLAG, .offset = WORLD(discard_caches)},
};

#define FAULT(field)   offsetof(struct fault, field)
#define DURATION(b, s) .kind = FIELD_NUMBER, .min = 1, .max = (b), .scale = (s)

const struct plan_field fault_fields[FAULT_FIELD_COUNT] = {
    {.key = "backend", .kind = FIELD_TARGET},
    {"point", FIELD_POINT, .required = true, .offset = FAULT(point)},
    {"action", FIELD_CHOICE, .required = true, .offset = FAULT(action), .choices = action_names},
    {"hit", NUMBERS(1, 1000000000), .offset = FAULT(hit)},
    {"probability", FIELD_PROBABILITY, .offset = FAULT(probability)},
    {"at_most", NUMBERS(1, 1000000), .offset = FAULT(at_most)},
    {"stall_ms", DURATION(60000, 1000), .offset = FAULT(argument_us)},
    {"delay_ms", DURATION(60000, 1000), .offset = FAULT(argument_us)},
    {"delay_us", DURATION(60000000, 1), .offset = FAULT(argument_us)},
    {"late_ms", DURATION(60000, 1000), .offset = FAULT(argument_us)},
    {"late_us", DURATION(60000000, 1), .offset = FAULT(argument_us)},
};

const struct plan_field plan_fields[PLAN_FIELD_COUNT] = {
    {"name", FIELD_NAME, .required = true, .offset = offsetof(struct plan, name)},
    {"danger", FIELD_TEXT, .required = true, .offset = offsetof(struct plan, danger)},
    {"swarm", FIELD_FLAG, .offset = offsetof(struct plan, swarm)},
    {"world", FIELD_WORLD, .offset = offsetof(struct plan, world)},
    {"faults", FIELD_FAULTS, .required = true},
};

uint32_t world_get(const struct plan_world *world, const struct plan_field *field)
{
    const char *at = (const char *)world + field->offset;
    uint32_t value;

    if (field->kind == FIELD_FLAG) {
        return *(const bool *)at;
    }
    memcpy(&value, at, sizeof(value));
    return value;
}

void world_set(struct plan_world *world, const struct plan_field *field, uint32_t value)
{
    char *at = (char *)world + field->offset;

    if (field->kind == FIELD_FLAG) {
        *(bool *)at = value != 0;
    } else {
        memcpy(at, &value, sizeof(value));
    }
}

void plan_preset(struct plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        world_set(&plan->world, &world_fields[i], world_fields[i].preset);
    }
}

const char *plan_workload_name(enum plan_workload workload)
{
    return workload < WORKLOAD_COUNT ? workload_names[workload] : "?";
}

const char *plan_source_name(enum plan_source source)
{
    return source < SOURCE_COUNT ? source_names[source] : "?";
}

bool plan_name_valid(const char *name)
{
    const size_t length = strnlen(name, PLAN_NAME_MAX);

    return length >= 2 && length < PLAN_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int __attribute__((format(printf, 4, 5)))
blame(struct plan_problem *problem, uint32_t fault, const char *key, const char *format, ...)
{
    va_list arguments;

    problem->fault = fault;
    problem->key = key;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* The key of the world that the library's message about its configuration names first. */
static const char *named_key(const char *message)
{
    const char *first = NULL;
    const char *key = NULL;

    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        const char *found = strstr(message, world_fields[i].key);

        if (found != NULL && (first == NULL || found < first)) {
            first = found;
            key = world_fields[i].key;
        }
    }
    return key;
}

static int check_world(const struct plan_world *world, struct plan_problem *problem)
{
    const uint32_t awake = world->backends - world->idle;
    const uint32_t writers = world->writers == 0 ? awake : world->writers;
    struct sv_config config = world->config;
    char message[PLAN_MESSAGE_MAX];

    if (world->idle >= world->backends) {
        return blame(
            problem, PLAN_FAULTS_MAX, "idle",
            "idle is %u of %u backends; at least one must have something to do, so at most "
            "%u",
            world->idle, world->backends, world->backends - 1);
    }
    if (world->writers > awake) {
        return blame(problem, PLAN_FAULTS_MAX, "writers",
                     "writers is %u of %u backends that are not idle; at most %u", world->writers,
                     awake, awake);
    }
    if (world->send_only > writers) {
        return blame(problem, PLAN_FAULTS_MAX, "send_only",
                     "send_only is %u of %u writers; at most %u", world->send_only, writers,
                     writers);
    }
    config.backends_max = world->backends;
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        return blame(problem, PLAN_FAULTS_MAX, named_key(message), "%s", message);
    }
    return 0;
}

static int check_point(const struct fault *fault, uint32_t index, struct plan_problem *problem)
{
    const char *star = strchr(fault->point, '*');
    uint32_t allowed = 0;
    char text[PLAN_MESSAGE_MAX];

    if (star != NULL && star[1] != '\0') {
        return blame(
            problem, index, "point",
            "point '%s' has a '*' in the middle; only a '*' at the end stands for anything",
            fault->point);
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        allowed |= point_matches(fault->point, point) ? point_entries[point].actions : 0;
    }
    if (allowed == 0) {
        const char *nearest = point_nearest(fault->point, text);

        return blame(problem, index, "point",
                     nearest != NULL ? "unknown point '%s'; did you mean '%s'?"
                                     : "unknown point '%s'; 'sinval points' lists all%s",
                     fault->point, nearest != NULL ? nearest : "");
    }
    if ((allowed >> fault->action & 1) == 0) {
        return blame(problem, index, "action", "action '%s' makes no sense at '%s'; %s would",
                     action_name(fault->action), fault->point,
                     point_actions_text(allowed, text, sizeof(text)));
    }
    return 0;
}

/* The key, without its unit, of the argument that an action takes; NULL: none. */
static const char *argument_of(enum action action)
{
    switch (action) {
    case ACTION_STALL:
        return "stall_ms";
    case ACTION_DELAY:
        return "delay_ms";
    case ACTION_LATE:
        return "late_ms";
    default:
        return NULL;
    }
}

static int check_fault(const struct plan *plan, uint32_t index, struct plan_problem *problem)
{
    const struct fault *fault = &plan->faults[index];
    const char *argument = argument_of(fault->action);

    if (fault->target == TARGET_NUMBER && fault->backend >= plan->world.backends) {
        return blame(problem, index, "backend",
                     "backend %u of a world of %u; a number from 0 to %u, any, writer or "
                     "lock_holder",
                     fault->backend, plan->world.backends, plan->world.backends - 1);
    }
    if (fault->hit == 0 && fault->probability == 0) {
        return blame(problem, index, NULL,
                     "a fault needs to know when; give it a hit or a probability");
    }
    if (fault->hit != 0 && fault->probability != 0) {
        return blame(problem, index, "probability",
                     "a hit and a probability in one fault; give it one of them");
    }
    if (argument != NULL && fault->argument_us == 0) {
        return blame(problem, index, "action", "action '%s' without its length; give it a %s",
                     action_name(fault->action), argument);
    }
    if (argument == NULL && fault->argument_us != 0) {
        return blame(problem, index, "action", "action '%s' with a length; it takes none",
                     action_name(fault->action));
    }
    return check_point(fault, index, problem);
}

int plan_check(const struct plan *plan, struct plan_problem *problem)
{
    int result = check_world(&plan->world, problem);

    for (uint32_t i = 0; i < plan->fault_count && result == 0; i++) {
        result = check_fault(plan, i, problem);
    }
    return result;
}
