/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The sizes of a world as options of a command and as words of the shell: one table for both.
 *
 * Here only what is no number is refused; which numbers go together, sv_config_complete knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* A field: its name with '_', the option's with '-'. */
struct field {
    const char *name;
    size_t offset;
};

#define FIELD(field)                              \
    {                                             \
#        field, offsetof(struct sv_config, field) \
    }

enum { FIELD_KEY = 0x1000 }; /* an option's key is this plus its field's index */

static const struct field fields[] = {
    FIELD(backends_max),     FIELD(capacity),      FIELD(cleanup_min), FIELD(cleanup_quantum),
    FIELD(signal_threshold), FIELD(write_quantum), FIELD(wraparound),  FIELD(intent_max),
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const struct argp_option config_options[] = {
    {"backends-max", FIELD_KEY + 0, "N", 0, "slots; 64", 0},
    {"capacity", FIELD_KEY + 1, "N", 0, "messages in the ring, a power of two; 4096", 0},
    {"cleanup-min", FIELD_KEY + 2, "N", 0, "length that first asks for cleanup; capacity / 2", 0},
    {"cleanup-quantum", FIELD_KEY + 3, "N", 0, "growth between cleanups; capacity / 16", 0},
    {"signal-threshold", FIELD_KEY + 4, "N", 0, "messages behind for a catchup; capacity / 2", 0},
    {"write-quantum", FIELD_KEY + 5, "N", 0, "messages under one lock; min(64, capacity / 2)", 0},
    {"wraparound", FIELD_KEY + 6, "N", 0, "numbers are lowered past it; 1073741824", 0},
    {"intent-max", FIELD_KEY + 7, "N", 0, "messages in an intent; 128", 0},
    {0},
};

static void set_field(struct sv_config *config, const struct field *field, uint32_t value)
{
    memcpy((char *)config + field->offset, &value, sizeof(value));
}

static error_t parse_field(int key, char *argument, struct argp_state *state)
{
    if (key < FIELD_KEY || key >= FIELD_KEY + FIELD_COUNT) {
        return ARGP_ERR_UNKNOWN;
    }
    const uint32_t value =
        option_number(state, config_options[key - FIELD_KEY].name, argument, 1, UINT32_MAX);
    set_field(state->input, &fields[key - FIELD_KEY], value);
    return 0;
}

static const struct argp config_argp = {.options = config_options, .parser = parse_field};

const struct argp_child config_children[] = {
    {&config_argp, 0, "The world, each with its preset:", 1},
    {0},
};

const char *config_set(struct sv_config *config, const char *name, const char *text, char *message,
                       size_t size)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(fields[i].name, name) != 0) {
            continue;
        }
        uint64_t value = 0;
        if (!parse_number(text, 1, UINT32_MAX, &value)) {
            snprintf(message, size, "%s: '%s' is not a whole number from 1 to %u", name, text,
                     UINT32_MAX);
            return message;
        }
        set_field(config, &fields[i], (uint32_t)value);
        return NULL;
    }
    int written =
        snprintf(message, size, "'%s' is no size of a world; right would be one of", name);
    for (size_t i = 0; i < FIELD_COUNT && written >= 0 && (size_t)written < size; i++) {
        written += snprintf(message + written, size - (size_t)written, " %s", fields[i].name);
    }
    return message;
}
