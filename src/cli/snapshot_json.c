/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A snapshot for programs.
 */
#include <string.h>

#include "cli/snapshot.h"

static json_int_t number(uint64_t value)
{
    return (json_int_t)value;
}

static json_t *json_counters(const uint64_t *counters)
{
    json_t *object = json_object();
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        json_object_set_new(object, sv_stat_name((enum sv_stat)stat),
                            json_integer(number(counters[stat])));
    }
    return object;
}

static json_t *json_config(const struct sv_config *config)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "backends_max",
        number(config->backends_max), "capacity", number(config->capacity), "cleanup_min",
        number(config->cleanup_min), "cleanup_quantum", number(config->cleanup_quantum),
        "signal_threshold", number(config->signal_threshold), "write_quantum",
        number(config->write_quantum), "wraparound", number(config->wraparound), "intent_max",
        number(config->intent_max), "table_rows_max", number(config->table_rows_max),
        "table_value_max", number(config->table_value_max), "table_writes_max",
        number(config->table_writes_max), "lock_hold_max_ms", number(config->lock_hold_max_ms));
}

static json_t *json_queue(const struct sv_queue_state *queue)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "min_number", (json_int_t)queue->min_number,
                     "max_number", (json_int_t)queue->max_number, "next_threshold",
                     number(queue->next_threshold), "wraparounds", number(queue->wraparounds),
                     "published", number(queue->published));
}

/* null where there is none. */
static json_t *json_slot_number(uint32_t slot)
{
    return slot == SV_SLOT_NONE ? json_null() : json_integer(number(slot));
}

/* null where nobody knows. */
static json_t *json_since(const struct snapshot *snapshot, uint32_t slot, int lock)
{
    const uint64_t since_ns = snapshot_held_since(snapshot, slot, (enum sv_lock)lock);
    return since_ns == 0 ? json_null() : json_integer(number(since_ns));
}

static json_t *json_lock(const struct snapshot *snapshot, int lock)
{
    json_t *shared = json_array();
    json_t *shared_since = json_array();
    json_t *waiters = json_array();
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct slot_view *slot = &snapshot->slots[i];
        if ((slot->shared >> lock & 1) != 0) {
            json_array_append_new(shared, json_integer(number(i)));
            json_array_append_new(shared_since, json_since(snapshot, i, lock));
        }
        if (slot->state.waits_for_lock == (uint32_t)lock) {
            json_array_append_new(waiters, json_pack("{s:I, s:I}", "slot", number(i), "since_ns",
                                                     number(slot->state.waits_since_ns)));
        }
    }
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:b, s:o}", "name", sv_lwlock_name((enum sv_lock)lock), "owner",
        json_slot_number(snapshot->owners[lock]), "owner_since_ns",
        json_since(snapshot, snapshot->owners[lock], lock), "shared", shared, "shared_since_ns",
        shared_since, "since_is_exact", snapshot_since_is_exact(snapshot), "waiters", waiters);
}

static json_t *json_intent(uint32_t intent)
{
    return intent == UINT32_MAX ? json_string("all") : json_integer(number(intent));
}

static json_t *json_backend(const struct slot_view *slot)
{
    const struct sv_slot_state *state = &slot->state;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:b, s:b, s:b, s:b, s:o, s:I, s:o}", "slot",
        number(state->slot), "pid", (json_int_t)state->pid, "tid", (json_int_t)state->tid,
        "settler_tid", (json_int_t)state->settler_tid, "state", slot_state_name(slot),
        "next_number", (json_int_t)state->next_number, "behind", number(state->behind), "reset",
        state->reset, "signaled", state->signaled, "send_only", state->send_only, "latch_set",
        state->latch_set, "intent", json_intent(state->intent), "local_transaction_id",
        number(state->local_transaction_id), "counters", json_counters(slot->counters));
}

static json_t *json_structures(const struct sv_segment *segment)
{
    struct sv_allocation allocation;
    json_t *array = json_array();
    const uint32_t count = sv_segment_allocation(segment, UINT32_MAX, &allocation);
    for (uint32_t i = 0; i < count; i++) {
        (void)sv_segment_allocation(segment, i, &allocation);
        const size_t length = strnlen(allocation.name, sizeof(allocation.name));
        json_array_append_new(array,
                              json_pack("{s:s#, s:I, s:I}", "name", allocation.name, (int)length,
                                        "offset_bytes", number(allocation.offset_bytes),
                                        "size_bytes", number(allocation.size_bytes)));
    }
    return array;
}

json_t *snapshot_json(const struct snapshot *snapshot)
{
    json_t *locks = json_array();
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        json_array_append_new(locks, json_lock(snapshot, lock));
    }
    json_t *backends = json_array();
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (snapshot->slots[i].state.in_use) {
            json_array_append_new(backends, json_backend(&snapshot->slots[i]));
        }
    }
    return json_pack(
        "{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "name", sv_segment_name(snapshot->segment),
        "size_bytes", number(sv_segment_size_bytes(snapshot->segment)), "now_ns",
        number(snapshot->now_ns), "config", json_config(sv_segment_config(snapshot->segment)),
        "queue", json_queue(&snapshot->queue), "locks", locks, "backends", backends, "counters",
        json_counters(snapshot->totals), "structures", json_structures(snapshot->segment));
}
