/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Looking at a run from outside: the dead that are not settled, who waits for them, and, when
 * something went wrong, everything that helps to see why. Takes no lock and changes nothing, so
 * that what is seen is the work of the survivors alone.
 */
#define SV_ATOMIC_UNTOLD /* the supervisor shares no plain data with the backends */
#include <string.h>

#include "faults/run.h"
#include "faults/text.h"
#include "shm/segment.h"

/*
 * Nobody's, or in the hands of somebody who recovers it: a slot's life lock belongs to its own
 * backend only while it lives.
 */
static bool is_unsettled(struct sv_segment *segment, const struct sv_slot_state *state)
{
    const uint32_t holder = sv_os_life_holder(&segment->slots[state->slot].life);

    return state->in_use && (holder != (uint32_t)state->tid || state->to_be_settled);
}

uint32_t unsettled_slots(struct sv_segment *segment)
{
    struct sv_slot_state state;
    uint32_t count = 0;

    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        sv_slot_look(segment, i, &state);
        count += is_unsettled(segment, &state);
    }
    return count;
}

/*
 * A cleanup comes at the latest when the queue has grown by a quantum, or to cleanup_min, and it
 * is looked for before each group of an insert.
 */
static uint32_t lag_max(const struct sv_config *config)
{
    const uint32_t after = config->signal_threshold + config->cleanup_quantum;
    return (after > config->cleanup_min ? after : config->cleanup_min) + config->write_quantum;
}

uint32_t laggard_slot(struct sv_segment *segment)
{
    const uint32_t limit = lag_max(sv_segment_config(segment));
    struct sv_slot_state state;

    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        sv_slot_look(segment, i, &state);
        if (state.alive && state.behind > limit) {
            return i;
        }
    }
    return SV_SLOT_NONE;
}

/* Does that slot hold this lock in any mode? */
static bool holds(struct sv_segment *segment, uint32_t slot, uint32_t lock)
{
    return sv_load_seq32(&segment->slots[slot].held[lock]) != 0 ||
           sv_lwlock_owner(segment, (enum sv_lock)lock, NULL) == slot;
}

/* Bit per lock that a dead slot holds which nobody has buried yet. */
static uint32_t locks_of_the_dead(struct sv_segment *segment)
{
    struct sv_slot_state state;
    uint32_t locks = 0;

    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        sv_slot_look(segment, i, &state);
        if (!state.in_use || state.alive || state.to_be_settled) {
            continue;
        }
        for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
            locks |= holds(segment, i, lock) ? 1u << lock : 0;
        }
    }
    return locks;
}

uint64_t longest_wait_for_dead(struct sv_segment *segment, uint64_t dead_ns, uint64_t now_ns)
{
    const uint32_t locks = locks_of_the_dead(segment);
    struct sv_slot_state state;
    uint64_t longest = 0;

    if (locks == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        sv_slot_look(segment, i, &state);
        if (!state.alive || state.waits_for_lock >= SV_LOCK_COUNT ||
            (locks >> state.waits_for_lock & 1) == 0) {
            continue;
        }
        const uint64_t since = state.waits_since_ns > dead_ns ? state.waits_since_ns : dead_ns;
        if (now_ns > since && now_ns - since > longest) {
            longest = now_ns - since;
        }
    }
    return longest;
}

static void describe_slot(const struct sv_slot_state *state, struct text *text)
{
    const char *life = state->alive ? "alive" : "dead";

    text_print(text, "  slot %u: pid %d %s, at %lld, %u behind", state->slot, state->pid,
               state->to_be_settled ? "to be settled" : life, (long long)state->next_number,
               state->behind);
    text_print(text, "%s%s%s%s%s", state->in_queue ? "" : ", not in the queue",
               state->reset ? ", to be reset" : "", state->signaled ? ", signaled" : "",
               state->send_only ? ", send-only" : "", state->sleeping ? ", sleeping" : "");
    if (state->waits_for_lock < SV_LOCK_COUNT) {
        text_print(text, ", waits for %s", sv_lwlock_name((enum sv_lock)state->waits_for_lock));
    }
    if (state->intent != 0) {
        text_print(text, ", intent of %d", (int)state->intent);
    }
    text_print(text, "\n");
}

void describe_segment(struct sv_segment *segment, struct text *text)
{
    struct sv_queue_state queue;
    struct sv_slot_state state;

    sv_queue_look(segment, &queue);
    text_print(text, "queue: %lld to %lld, threshold %u, wraparounds %u\n",
               (long long)queue.min_number, (long long)queue.max_number, queue.next_threshold,
               queue.wraparounds);
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        uint32_t shared = 0;
        const uint32_t owner = sv_lwlock_owner(segment, (enum sv_lock)lock, &shared);
        if (owner != SV_SLOT_NONE || shared != 0) {
            text_print(text, "lock %s: owner slot %d, %u shared\n",
                       sv_lwlock_name((enum sv_lock)lock), (int)owner, shared);
        }
    }
    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        sv_slot_look(segment, i, &state);
        if (state.in_use) {
            describe_slot(&state, text);
        }
    }
}

static void describe_event(const struct injector_event *event, uint64_t last_ns, struct text *text)
{
    const double before_ms = (double)(last_ns - event->time_ns) / 1e6;

    if (event->note != NULL) {
        text_print(text, "  -%9.3f ms  %s %llu\n", before_ms, event->note,
                   (unsigned long long)event->value);
    } else if (event->point < SV_POINT_COUNT) {
        text_print(text, "  -%9.3f ms  %s, hit %llu%s%s\n", before_ms,
                   point_entries[event->point].path, (unsigned long long)event->value,
                   event->action != ACTION_NONE ? ": " : "",
                   event->action != ACTION_NONE ? action_name(event->action) : "");
    }
}

void describe_traces(const struct run_world *world, struct text *text)
{
    enum { SHOWN = 12 };

    struct injector_event events[INJECTOR_EVENTS_MAX];
    uint64_t last_ns = 0;

    for (uint32_t seat = 0; seat < world->control.seat_count; seat++) {
        const uint32_t count = injector_trace(world->injector, seat, events);
        if (count > 0 && events[count - 1].time_ns > last_ns) {
            last_ns = events[count - 1].time_ns;
        }
    }
    for (uint32_t seat = 0; seat < world->control.seat_count; seat++) {
        const uint32_t count = injector_trace(world->injector, seat, events);
        const struct seat *at = &world->control.seats[seat];
        text_print(text, "backend %u (birth %d, slot %d), step %u:\n", seat,
                   (int)sv_load_seq32(&at->birth) - 1, (int)sv_load_seq32(&at->slot) - 1,
                   sv_load_seq32(&at->steps));
        for (uint32_t i = count > SHOWN ? count - SHOWN : 0; i < count; i++) {
            describe_event(&events[i], last_ns, text);
        }
    }
}
