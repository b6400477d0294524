/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A snapshot for people.
 */
#include <inttypes.h>

#include "cli/snapshot.h"

static uint64_t since_ms(const struct snapshot *snapshot, uint64_t then_ns)
{
    return snapshot->now_ns > then_ns ? (snapshot->now_ns - then_ns) / 1000000 : 0;
}

static void print_header(const struct snapshot *snapshot, FILE *out)
{
    const struct sv_config *config = sv_segment_config(snapshot->segment);
    fprintf(out, "segment    %s, %zu bytes\n", sv_segment_name(snapshot->segment),
            sv_segment_size_bytes(snapshot->segment));
    fprintf(out,
            "config     backends_max %" PRIu32 ", capacity %" PRIu32 ", cleanup_min %" PRIu32
            ", cleanup_quantum %" PRIu32 ",\n"
            "           signal_threshold %" PRIu32 ", write_quantum %" PRIu32
            ", wraparound %" PRIu32 ", intent_max %" PRIu32 ",\n"
            "           table_rows_max %" PRIu32 ", table_value_max %" PRIu32
            ", table_writes_max %" PRIu32 ", lock_hold_max_ms %" PRIu32 "\n",
            config->backends_max, config->capacity, config->cleanup_min, config->cleanup_quantum,
            config->signal_threshold, config->write_quantum, config->wraparound, config->intent_max,
            config->table_rows_max, config->table_value_max, config->table_writes_max,
            config->lock_hold_max_ms);
    const struct sv_queue_state *queue = &snapshot->queue;
    fprintf(out,
            "queue      min %" PRId64 ", max %" PRId64 ", length %" PRId64 " of %" PRIu32
            ", next threshold %" PRIu32 ", wraparounds %" PRIu32 "\n",
            queue->min_number, queue->max_number, queue->max_number - queue->min_number,
            config->capacity, queue->next_threshold, queue->wraparounds);
}

/* "slot 3 (pid 123)"; a slot number from the segment may be any. */
static void print_slot(const struct snapshot *snapshot, uint32_t slot, FILE *out)
{
    if (slot < snapshot->slot_count) {
        fprintf(out, "slot %" PRIu32 " (pid %" PRId32 ")", slot, snapshot->slots[slot].state.pid);
    } else {
        fprintf(out, "slot %" PRIu32, slot);
    }
}

/* A dead one's locks are also taken in its name, by who settles it. */
static void print_life(const struct slot_view *slot, FILE *out)
{
    const struct sv_slot_state *state = &slot->state;
    if (state->settler_tid != 0) {
        fprintf(out, ", dead, settled by thread %" PRId32, state->settler_tid);
    } else if (!state->alive) {
        fputs(", dead", out);
    }
    fputs(slot->stopped ? ", stopped" : "", out);
}

/* Who holds it; if that one is stopped or dead; and since when, as far as anybody knows. */
static void print_holder(const struct snapshot *snapshot, int lock, uint32_t slot, FILE *out)
{
    const uint64_t since_ns = snapshot_held_since(snapshot, slot, (enum sv_lock)lock);
    print_slot(snapshot, slot, out);
    if (slot < snapshot->slot_count) {
        print_life(&snapshot->slots[slot], out);
    }
    if (since_ns != 0) {
        fprintf(out, ", holds it for %s%" PRIu64 " ms",
                snapshot_since_is_exact(snapshot) ? "" : "at least ", since_ms(snapshot, since_ns));
    }
}

static void print_lock(const struct snapshot *snapshot, int lock, FILE *out)
{
    const char *before = "";
    fprintf(out, "  %-8s ", sv_lwlock_name((enum sv_lock)lock));
    if (snapshot->owners[lock] != SV_SLOT_NONE) {
        fputs("exclusive: ", out);
        print_holder(snapshot, lock, snapshot->owners[lock], out);
        before = "; ";
    }
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if ((snapshot->slots[i].shared >> lock & 1) != 0) {
            fprintf(out, "%sshared: ", before);
            print_holder(snapshot, lock, i, out);
            before = "; ";
        }
    }
    fputs(before[0] == '\0' ? "free" : "", out);
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct sv_slot_state *state = &snapshot->slots[i].state;
        if (state->waits_for_lock == (uint32_t)lock) {
            fputs("; waits: ", out);
            print_slot(snapshot, i, out);
            fprintf(out, " for %" PRIu64 " ms", since_ms(snapshot, state->waits_since_ns));
        }
    }
    fputc('\n', out);
}

static void print_backend(const struct slot_view *slot, FILE *out)
{
    const struct sv_slot_state *state = &slot->state;
    fprintf(out, "  %4" PRIu32 " %8" PRId32 "  %-9s %11" PRId64 " %7" PRIu32, state->slot,
            state->pid, slot_state_name(slot), state->next_number, state->behind);
    fprintf(out, " %10" PRIu64 " %10" PRIu64 " %7" PRIu64 " %9" PRIu64 "  ",
            slot->counters[SV_STAT_inserted], slot->counters[SV_STAT_read],
            slot->counters[SV_STAT_resets_taken], slot->counters[SV_STAT_commits]);
    fprintf(out, "%s%s%s%s%s", state->reset ? "reset " : "", state->signaled ? "signaled " : "",
            state->send_only ? "send-only " : "", state->latch_set ? "latch " : "",
            state->to_be_settled ? "to-be-settled " : "");
    if (state->intent == UINT32_MAX) {
        fputs("intent:all ", out);
    } else if (state->intent > 0) {
        fprintf(out, "intent:%" PRIu32 " ", state->intent);
    }
    if (state->waits_for_lock < SV_LOCK_COUNT) {
        fprintf(out, "waits-for:%s", sv_lwlock_name((enum sv_lock)state->waits_for_lock));
    }
    fputc('\n', out);
}

static void print_counters(const struct snapshot *snapshot, FILE *out)
{
    fputs("counters\n", out);
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        fprintf(out, "  %14" PRIu64 "  %s\n", snapshot->totals[stat],
                sv_stat_text((enum sv_stat)stat));
    }
}

static void print_structures(const struct snapshot *snapshot, FILE *out)
{
    struct sv_allocation allocation;
    const uint32_t count = sv_segment_allocation(snapshot->segment, UINT32_MAX, &allocation);
    fputs("structures\n", out);
    for (uint32_t i = 0; i < count; i++) {
        (void)sv_segment_allocation(snapshot->segment, i, &allocation);
        fprintf(out, "  %-23.23s at %10" PRIu64 ", %10" PRIu64 " bytes\n", allocation.name,
                allocation.offset_bytes, allocation.size_bytes);
    }
}

void snapshot_print(const struct snapshot *snapshot, FILE *out)
{
    print_header(snapshot, out);
    fputs("locks\n", out);
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        print_lock(snapshot, lock, out);
    }
    fprintf(out, "backends   %" PRIu32 " of %" PRIu32 "\n", snapshot->occupied,
            sv_segment_config(snapshot->segment)->backends_max);
    if (snapshot->occupied > 0) {
        fprintf(out, "  %4s %8s  %-9s %11s %7s %10s %10s %7s %9s  %s\n", "slot", "pid", "state",
                "next", "behind", "inserted", "read", "resets", "commits", "marks");
    }
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (snapshot->slots[i].state.in_use) {
            print_backend(&snapshot->slots[i], out);
        }
    }
    print_counters(snapshot, out);
    print_structures(snapshot, out);
}
