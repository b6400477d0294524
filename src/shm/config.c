/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The configuration: defaults, bounds, and words for what is out of them. A table, so that each
 * field's rule stands in one line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "sinval/lwlock.h"
#include "sinval/segment.h"

/* Every position of a slot must fit in a lock word's owner field, see src/shm/layout.h. */
enum { BACKENDS_MAX = 1024, CAPACITY_MIN = 4, CAPACITY_MAX = 65536 };

#define WRAPAROUND_MAX (UINT32_C(1) << 30)
#define TABLE_ROWS_MAX (UINT32_C(1) << 24)

struct field {
    const char *name;
    uint32_t value;
    uint32_t min;
    uint32_t max;
};

static bool in_range(const struct field *field, char *message, size_t size)
{
    if (field->value >= field->min && field->value <= field->max) {
        return true;
    }
    (void)snprintf(message, size, "%s is %" PRIu32 "; it must be %" PRIu32 " to %" PRIu32,
                   field->name, field->value, field->min, field->max);
    return false;
}

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0) {
        *field = value;
    }
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

static void set_defaults(struct sv_config *c)
{
    set_default(&c->backends_max, 64);
    set_default(&c->capacity, 4096);
    set_default(&c->cleanup_min, c->capacity / 2);
    set_default(&c->cleanup_quantum, c->capacity < 16 ? 1 : c->capacity / 16);
    set_default(&c->signal_threshold, c->capacity / 2);
    set_default(&c->write_quantum, at_most(64, c->capacity / 2));
    set_default(&c->wraparound, WRAPAROUND_MAX);
    set_default(&c->intent_max, 128);
    set_default(&c->table_value_max, 64);
    set_default(&c->table_writes_max, 64);
}

int sv_config_complete(struct sv_config *config, char *message, size_t size)
{
    set_defaults(config);
    const struct sv_config *c = config;
    const struct field fields[] = {
        {"backends_max", c->backends_max, 1, BACKENDS_MAX},
        {"capacity", c->capacity, CAPACITY_MIN, CAPACITY_MAX},
        {"cleanup_min", c->cleanup_min, 1, c->capacity},
        {"cleanup_quantum", c->cleanup_quantum, 1, c->capacity},
        {"signal_threshold", c->signal_threshold, 1, c->capacity},
        {"write_quantum", c->write_quantum, 1, c->capacity},
        {"wraparound", c->wraparound, c->capacity, WRAPAROUND_MAX},
        {"intent_max", c->intent_max, 1, CAPACITY_MAX},
        {"table_rows_max", c->table_rows_max, 0, TABLE_ROWS_MAX},
        {"table_value_max", c->table_value_max, 1, 65536},
        {"table_writes_max", c->table_writes_max, 1, 65536},
        {"lock_hold_max_ms", c->lock_hold_max_ms, 0, 3600000},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!in_range(&fields[i], message, size)) {
            return -EINVAL;
        }
    }
    if ((c->capacity & (c->capacity - 1)) != 0) {
        (void)snprintf(message, size,
                       "capacity is %" PRIu32 "; it must be a power of two, %d to %d", c->capacity,
                       CAPACITY_MIN, CAPACITY_MAX);
        return -EINVAL;
    }
    if (c->wraparound % c->capacity != 0) {
        (void)snprintf(message, size,
                       "wraparound is %" PRIu32 "; it must be a multiple of capacity, %" PRIu32,
                       c->wraparound, c->capacity);
        return -EINVAL;
    }
    return 0;
}
