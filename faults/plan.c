/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plans in memory: roles, overrides, and the canonical form.
 *
 * The canonical form, version 1. A number is little-endian base 128, the high bit says that more
 * follows; a text is its length and its bytes.
 *
 *     version  name  swarm  mask  value ...  fault_count  fault ...
 *
 * mask has a bit for each world field that differs from its preset, in the order of world_fields;
 * their values follow. A fault is
 *
 *     target [backend]  point  action  hit  probability  argument_us  at_most
 *
 * It depends on no struct's layout and on no point's number. What is read back is checked like a
 * plan from a file: it may come from a mistyped or a made-up token.
 */
#include "faults/plan.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "faults/checksum.h"
#include "faults/plan_schema.h"

#define CANONICAL_VERSION 1

/* ---- roles ------------------------------------------------------------------------------- */

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

void plan_override(struct plan *plan, uint32_t backends, uint32_t transactions)
{
    struct plan_world *world = &plan->world;

    if (transactions != 0) {
        world->transactions = transactions;
    }
    if (backends != 0) {
        world->backends = backends;
        world->idle = at_most(world->idle, backends - 1);
        world->writers = at_most(world->writers, backends - world->idle);
        const uint32_t writers = world->writers != 0 ? world->writers : backends - world->idle;

        world->send_only = at_most(world->send_only, writers - 1);
    }
}

void plan_without(struct plan *plan, enum action action)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->fault_count; i++) {
        if (plan->faults[i].action != action) {
            plan->faults[kept++] = plan->faults[i];
        }
    }
    memset(&plan->faults[kept], 0, (plan->fault_count - kept) * sizeof(plan->faults[0]));
    plan->fault_count = kept;
}

enum plan_role plan_role(const struct plan_world *world, uint32_t backend)
{
    const uint32_t awake = world->backends - world->idle;
    const uint32_t writers = world->writers == 0 ? awake : world->writers;

    if (backend >= awake) {
        return ROLE_IDLE;
    }
    if (backend >= writers) {
        return ROLE_READER;
    }
    return backend >= writers - world->send_only ? ROLE_SEND_ONLY : ROLE_WRITER;
}

bool fault_applies(const struct fault *fault, enum sv_point point)
{
    return point_matches(fault->point, point) && point_allows(point, fault->action);
}

/* ---- writing ----------------------------------------------------------------------------- */

struct writer {
    uint8_t *bytes;
    size_t used;
};

static void put_byte(struct writer *writer, uint8_t byte)
{
    sv_assert(writer->used < PLAN_BYTES_MAX, "%zu bytes", writer->used);
    writer->bytes[writer->used++] = byte;
}

static void put_number(struct writer *writer, uint32_t number)
{
    for (; number >= 0x80; number >>= 7) {
        put_byte(writer, (uint8_t)(number | 0x80));
    }
    put_byte(writer, (uint8_t)number);
}

static void put_text(struct writer *writer, const char *text)
{
    put_number(writer, (uint32_t)strlen(text));
    for (; *text != '\0'; text++) {
        put_byte(writer, (uint8_t)*text);
    }
}

static void put_world(struct writer *writer, const struct plan_world *world)
{
    uint32_t mask = 0;

    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        const bool differs = world_get(world, &world_fields[i]) != world_fields[i].preset;

        mask |= (uint32_t)differs << i;
    }
    put_number(writer, mask);
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        if ((mask >> i & 1) != 0) {
            put_number(writer, world_get(world, &world_fields[i]));
        }
    }
}

static void put_fault(struct writer *writer, const struct fault *fault)
{
    put_number(writer, fault->target);
    if (fault->target == TARGET_NUMBER) {
        put_number(writer, fault->backend);
    }
    put_text(writer, fault->point);
    put_number(writer, fault->action);
    put_number(writer, fault->hit);
    put_number(writer, fault->probability);
    put_number(writer, fault->argument_us);
    put_number(writer, fault->at_most);
}

size_t plan_serialize(const struct plan *plan, uint8_t bytes[PLAN_BYTES_MAX])
{
    struct writer writer = {.bytes = bytes};

    put_number(&writer, CANONICAL_VERSION);
    put_text(&writer, plan->name);
    put_number(&writer, plan->swarm);
    put_world(&writer, &plan->world);
    put_number(&writer, plan->fault_count);
    for (uint32_t i = 0; i < plan->fault_count; i++) {
        put_fault(&writer, &plan->faults[i]);
    }
    return writer.used;
}

uint32_t plan_digest(const struct plan *plan)
{
    uint8_t bytes[PLAN_BYTES_MAX];

    return checksum_crc32(bytes, plan_serialize(plan, bytes));
}

/* ---- reading ----------------------------------------------------------------------------- */

struct source {
    const uint8_t *bytes;
    size_t count;
    size_t used;
    bool failed; /* stays true; what is read then is 0 */
};

/* A number in min .. max. */
static uint32_t get_number(struct source *source, uint32_t min, uint32_t max)
{
    uint64_t number = 0;
    bool more = !source->failed;

    for (uint32_t shift = 0; more && shift < 35 && source->used < source->count; shift += 7) {
        const uint8_t byte = source->bytes[source->used++];

        number |= (uint64_t)(byte & 0x7f) << shift;
        more = (byte & 0x80) != 0;
        source->failed = !more && byte == 0 && shift > 0; /* not the shortest form */
    }
    if (more || number < min || number > max) {
        source->failed = true;
    }
    return source->failed ? 0 : (uint32_t)number;
}

static void get_text(struct source *source, char *text, size_t size)
{
    const uint32_t length = get_number(source, 1, (uint32_t)size - 1);

    if (source->failed || length > source->count - source->used ||
        memchr(source->bytes + source->used, '\0', length) != NULL) {
        source->failed = true;
        return;
    }
    memcpy(text, source->bytes + source->used, length);
    source->used += length;
}

static uint32_t choice_count(const struct plan_field *field)
{
    uint32_t count = 0;

    while (field->choices[count] != NULL) {
        count++;
    }
    return count;
}

static void get_world(struct source *source, struct plan_world *world)
{
    const uint32_t mask = get_number(source, 0, (UINT32_C(1) << WORLD_FIELD_COUNT) - 1);

    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        const struct plan_field *field = &world_fields[i];
        const uint32_t max = field->kind == FIELD_FLAG     ? 1
                             : field->kind == FIELD_CHOICE ? choice_count(field) - 1
                                                           : field->max;

        if ((mask >> i & 1) != 0) {
            world_set(world, field, get_number(source, field->min, max));
            source->failed |= world_get(world, field) == field->preset;
        }
    }
}

/* The largest length that a plan can give, in microseconds: every unit's field allows as much. */
#define ARGUMENT_US_MAX 60000000

static void get_fault(struct source *source, struct fault *fault)
{
    fault->target = (enum fault_target)get_number(source, 0, TARGET_NUMBER);
    if (fault->target == TARGET_NUMBER) {
        fault->backend = get_number(source, 0, PLAN_BACKENDS_MAX - 1);
    }
    get_text(source, fault->point, sizeof(fault->point));
    fault->action = (enum action)get_number(source, 0, ACTION_COUNT - 1);
    fault->hit = get_number(source, 0, 1000000000);
    fault->probability = get_number(source, 0, 1000000000);
    fault->argument_us = get_number(source, 0, ARGUMENT_US_MAX);
    fault->at_most = get_number(source, 0, 1000000);
}

int plan_deserialize(const uint8_t *bytes, size_t count, struct plan *plan)
{
    struct source source = {.bytes = bytes, .count = count};
    struct plan_problem problem;

    plan_preset(plan);
    (void)get_number(&source, CANONICAL_VERSION, CANONICAL_VERSION);
    get_text(&source, plan->name, sizeof(plan->name));
    plan->swarm = get_number(&source, 0, 1) != 0;
    get_world(&source, &plan->world);
    plan->fault_count = get_number(&source, 0, PLAN_FAULTS_MAX);
    for (uint32_t i = 0; i < plan->fault_count; i++) {
        get_fault(&source, &plan->faults[i]);
    }
    if (source.failed || source.used != count || !plan_name_valid(plan->name) ||
        plan_check(plan, &problem) != 0) {
        memset(plan, 0, sizeof(*plan));
        return -EINVAL;
    }
    return 0;
}
