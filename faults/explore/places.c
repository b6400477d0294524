/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Places in the segment, and what they hold, in words.
 */
#include <inttypes.h>
#include <stdio.h>

#include "faults/explore/world.h"
#include "sync/lwlock.h"

struct field {
    uint32_t offset;
    const char *name;
    void (*say)(uint64_t value, char *text, size_t size); /* NULL: it is a number */
};

/* ---- what a word says ------------------------------------------------------------------------ */

static void say_number(uint64_t value, char *text, size_t size)
{
    (void)snprintf(text, size, value < 1000000 ? "%" PRIu64 : "0x%" PRIx64, value);
}

static void say_position(uint64_t value, char *text, size_t size)
{
    if (SV_POSITION_EPOCH(value) == 0) {
        say_number(value, text, size);
    } else {
        (void)snprintf(text, size, "%" PRId32 " of epoch %" PRIu32,
                       (int32_t)SV_POSITION_NUMBER(value), SV_POSITION_EPOCH(value));
    }
}

/* Of a lock that is taken, but not granted yet, its word is only asked for. */
static void say_owner(uint64_t value, char *text, size_t size)
{
    if (value == 0) {
        (void)snprintf(text, size, "nobody");
    } else {
        (void)snprintf(text, size, "slot %u%s", ((uint32_t)value & SV_LOCK_OWNER_MASK) - 1,
                       (value & SV_LOCK_GRANTED) != 0 ? "" : " asks");
    }
}

static void say_slot(uint64_t value, char *text, size_t size)
{
    (void)snprintf(text, size, value == 0 ? "none" : "slot %" PRIu64, value - 1);
}

static void say_lock(uint64_t value, char *text, size_t size)
{
    (void)snprintf(text, size, "%s",
                   value == 0 ? "none" : sv_lwlock_name((enum sv_lock)(value - 1)));
}

static void say_word(const char *const *words, size_t count, uint64_t value, char *text,
                     size_t size)
{
    if (value < count) {
        (void)snprintf(text, size, "%s", words[value]);
    } else {
        say_number(value, text, size);
    }
}

#define SAY(name, ...)                                                        \
    static void say_##name(uint64_t value, char *text, size_t size)           \
    {                                                                         \
        static const char *const words[] = {__VA_ARGS__};                     \
        say_word(words, sizeof(words) / sizeof(words[0]), value, text, size); \
    }
SAY(phase, "free", "claimed", "active", "dead")
SAY(sleep, "awake", "asleep", "asleep in poll")
SAY(reset, "no", "overflow", "requested", "repair")
SAY(intent, "none", "messages", "reset all")
SAY(row_phase, "empty", "used", "deleted")
SAY(redo_phase, "empty", "counts", "corrupt")

/* ---- where things are ------------------------------------------------------------------------ */

#define FIELD(type, name)                        \
    {                                            \
        offsetof(struct type, name), #name, NULL \
    }
#define FIELD_SAID(type, name, say)                   \
    {                                                 \
        offsetof(struct type, name), #name, say_##say \
    }

/* By offset, ascending. */
static const struct field header_fields[] = {
    FIELD(sv_header, prefix),          FIELD(sv_header, type_bytes),
    FIELD(sv_header, config),          FIELD(sv_header, directory),
    FIELD(sv_header, checksum),        FIELD(sv_header, slots_used),
    FIELD(sv_header, postmaster_pid),  FIELD(sv_header, barrier),
    FIELD(sv_header, postmaster_life),
};

static const struct field slot_fields[] = {
    FIELD(sv_slot, life),
    FIELD_SAID(sv_slot, phase, phase),
    FIELD(sv_slot, pid),
    FIELD(sv_slot, tid),
    FIELD(sv_slot, signal_word),
    FIELD_SAID(sv_slot, position, position),
    FIELD(sv_slot, in_queue),
    FIELD(sv_slot, send_only),
    FIELD_SAID(sv_slot, reset, reset),
    FIELD(sv_slot, signaled),
    FIELD_SAID(sv_slot, catchup_target, slot),
    FIELD_SAID(sv_slot, intent, intent),
    FIELD(sv_slot, local_transaction_id),
    FIELD(sv_slot, latch),
    FIELD_SAID(sv_slot, sleep, sleep),
    FIELD(sv_slot, reasons),
    FIELD_SAID(sv_slot, waits_for_lock, lock),
    FIELD(sv_slot, waits_since_ns),
    FIELD(sv_slot, barrier),
    FIELD(sv_slot, barrier_waiter),
    FIELD(sv_slot, held),
    FIELD(sv_slot, since_ns),
    FIELD(sv_slot, stats),
};

static const struct field lock_fields[] = {
    FIELD_SAID(sv_lock_word, exclusive, owner),
    FIELD(sv_lock_word, waiters),
};

static const struct field queue_fields[] = {
    FIELD(sv_queue, published),
    FIELD_SAID(sv_queue, max_number, position),
    FIELD_SAID(sv_queue, min_number, position),
    FIELD(sv_queue, next_threshold),
    FIELD(sv_queue, epoch),
};

static const struct field table_fields[] = {
    FIELD(sv_table, version),
    FIELD(sv_table, used),
    FIELD_SAID(sv_table, redo_phase, redo_phase),
    FIELD(sv_table, redo_count),
    FIELD(sv_table, redo_used),
    FIELD(sv_table, redo_version),
};

static const struct field row_fields[] = {
    FIELD_SAID(sv_table_row, phase, row_phase),
    FIELD(sv_table_row, relation),
    FIELD(sv_table_row, hash),
    FIELD(sv_table_row, key_count),
    FIELD(sv_table_row, keys),
    FIELD(sv_table_row, value_bytes),
    FIELD(sv_table_row, version),
    FIELD(sv_table_row, value),
};

/* The field that offset is in. */
static const struct field *field_of(const struct field *fields, size_t count, size_t offset)
{
    while (count > 1 && fields[count - 1].offset > offset) {
        count--;
    }
    return &fields[count - 1];
}

/* An array of count structures in the segment; NULL: it is not there. */
struct area {
    const char *name;
    const void *at;
    size_t count;
    size_t stride;
    const struct field *fields;
    size_t field_count;
};

#define AREA(name, at, count, stride, fields)                                 \
    {                                                                         \
        name, at, count, stride, fields, sizeof(fields) / sizeof((fields)[0]) \
    }

static void name_field(const struct area *area, size_t at, const struct field *field, char *text,
                       size_t size)
{
    const size_t index = at / area->stride;
    const size_t held = at % area->stride - offsetof(struct sv_slot, held);

    if (area->fields == lock_fields) {
        (void)snprintf(text, size, "lock %s %s", sv_lwlock_name((enum sv_lock)index), field->name);
    } else if (area->fields == slot_fields && held < SV_LOCK_COUNT * sizeof(struct sv_atomic32)) {
        (void)snprintf(text, size, "slot %zu share of lock %s", index,
                       sv_lwlock_name((enum sv_lock)(held / sizeof(struct sv_atomic32))));
    } else if (area->count == 1) {
        (void)snprintf(text, size, "%s %s", area->name, field->name);
    } else {
        (void)snprintf(text, size, "%s %zu %s", area->name, index, field->name);
    }
}

/* Where in the segment something is; larger than any offset if it is not there. */
static size_t offset_of(const struct world *world, const void *what)
{
    return (uintptr_t)what - (uintptr_t)world_base(world);
}

/* What is an array of other things. */
static void name_other(const struct world *world, uint32_t offset, char *text, size_t size)
{
    const struct sv_segment *segment = world->segment;
    const size_t in_ring = offset - offset_of(world, segment->ring);
    const size_t in_intents = offset - offset_of(world, segment->intents);
    const size_t stride = sv_intent_stride(&segment->config);

    if (in_ring < segment->config.capacity * sizeof(struct sv_message)) {
        (void)snprintf(text, size, "ring message %zu, byte %zu",
                       in_ring / sizeof(struct sv_message), in_ring % sizeof(struct sv_message));
    } else if (in_intents < segment->config.backends_max * stride) {
        (void)snprintf(text, size, "intent of slot %zu, byte %zu", in_intents / stride,
                       in_intents % stride);
    } else {
        (void)snprintf(text, size, "byte %" PRIu32, offset);
    }
}

/* Returns: the field that offset is in; NULL: it is in none. */
static const struct field *locate(const struct world *world, uint32_t offset, char *text,
                                  size_t size)
{
    const struct sv_segment *segment = world->segment;
    const struct sv_config *config = &segment->config;
    const size_t row = sv_table_row_stride(config);
    const uint32_t rows = segment->table != NULL ? config->table_rows_max : 0;
    const struct area areas[] = {
        AREA("slot", segment->slots, config->backends_max, sizeof(struct sv_slot), slot_fields),
        AREA("lock", segment->locks, SV_LOCK_COUNT, sizeof(struct sv_lock_word), lock_fields),
        AREA("queue", segment->queue, 1, sizeof(struct sv_queue), queue_fields),
        AREA("header", segment->header, 1, sizeof(struct sv_header), header_fields),
        AREA("table", segment->table, rows > 0, sizeof(struct sv_table), table_fields),
        AREA("table row", segment->table_rows, rows, row, row_fields),
        AREA("redo row", segment->table_redo, rows > 0 ? config->table_writes_max : 0, row,
             row_fields),
    };

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        const struct area *area = &areas[i];
        const size_t at = offset - offset_of(world, area->at);
        if (at < area->count * area->stride) {
            const struct field *field =
                field_of(area->fields, area->field_count, at % area->stride);
            name_field(area, at, field, text, size);
            return field;
        }
    }
    name_other(world, offset, text, size);
    return NULL;
}

const char *world_where(const struct world *world, uint32_t offset, char *text, size_t size)
{
    (void)locate(world, offset, text, size);
    return text;
}

const char *world_value(const struct world *world, uint32_t offset, uint64_t value, char *text,
                        size_t size)
{
    char place[64];
    const struct field *field = locate(world, offset, place, sizeof(place));

    (field != NULL && field->say != NULL ? field->say : say_number)(value, text, size);
    return text;
}

const char *world_step_name(uint8_t kind)
{
    static const char *const names[EXPLORE_STEP_KINDS] = {
        [EXPLORE_NONE] = "goes on at",  [EXPLORE_READ] = "reads",
        [EXPLORE_WRITE] = "writes",     [EXPLORE_UPDATE] = "updates",
        [EXPLORE_WAIT] = "waits on",    [EXPLORE_WAKE] = "wakes",
        [EXPLORE_ACQUIRE] = "acquires", [EXPLORE_ACQUIRE_SHARED] = "shares",
        [EXPLORE_RELEASE] = "releases", [EXPLORE_RELEASE_SHARED] = "unshares",
        [EXPLORE_ALL] = "times out at",
    };

    return names[kind];
}
