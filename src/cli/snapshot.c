/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Taking a snapshot: loads only, in the segment and in /proc. Nothing read here is used as an index
 * without being checked: a monitor must survive a segment that is being scribbled over.
 */
#include "cli/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/segment.h"

/* Is it stopped, process or thread? The letter after the name in /proc/PID/stat. */
static bool is_stopped(int32_t pid)
{
    char path[32];
    char text[256];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && strlen(end) > 2 && (end[2] == 'T' || end[2] == 't');
}

static void look(struct sv_segment *segment, uint32_t index, struct slot_view *view)
{
    const struct sv_slot *slot = &segment->slots[index];
    sv_slot_look(segment, index, &view->state);
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        view->shared |= sv_load_acquire32(&slot->held[lock]) != 0 ? UINT32_C(1) << lock : 0;
        view->held_since_ns[lock] = sv_load_acquire64(&slot->since_ns[lock]);
    }
    const int32_t settler = view->state.settler_tid;
    view->stopped = view->state.alive && is_stopped(settler != 0 ? settler : view->state.pid);
    sv_stat_slot(segment, index, view->counters);
}

int snapshot_take(struct sv_segment *segment, struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){
        .segment = segment,
        .slot_count = sv_segment_slots_used(segment),
    };
    snapshot->slots = calloc(snapshot->slot_count + 1, sizeof(*snapshot->slots));
    if (snapshot->slots == NULL) {
        return -ENOMEM;
    }
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        snapshot->owners[lock] = sv_lwlock_owner(segment, (enum sv_lock)lock, NULL);
    }
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        look(segment, i, &snapshot->slots[i]);
        snapshot->occupied += snapshot->slots[i].state.in_use;
        for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
            snapshot->totals[stat] += snapshot->slots[i].counters[stat];
        }
    }
    sv_queue_look(segment, &snapshot->queue);
    snapshot->now_ns = sv_os_now_ns();
    return 0;
}

uint64_t snapshot_held_since(const struct snapshot *snapshot, uint32_t slot, enum sv_lock lock)
{
    return slot < snapshot->slot_count ? snapshot->slots[slot].held_since_ns[lock] : 0;
}

bool snapshot_since_is_exact(const struct snapshot *snapshot)
{
    return sv_segment_config(snapshot->segment)->lock_hold_max_ms != 0;
}

const char *slot_state_name(const struct slot_view *slot)
{
    const struct sv_slot_state *state = &slot->state;
    if (!state->in_use) {
        return "free";
    }
    if (!state->alive || state->settler_tid != 0) {
        return "dead";
    }
    if (slot->stopped) {
        return "stopped";
    }
    if (!state->in_queue) {
        return "attaching";
    }
    return state->sleeping ? "asleep" : "running";
}
