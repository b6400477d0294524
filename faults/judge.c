/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Judging what is left of a run.
 *
 * Counters are compared in the direction that a death cannot turn around: a cleanup is counted
 * before the catchup it sends, so whoever dies in between leaves more cleanups than catchups.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/judge.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "queue/queue.h"

bool judge_queue(struct sv_segment *segment, struct finding *finding)
{
    const char *broken = sv_queue_check(segment);

    return broken == NULL || finding_set(finding, ORACLE_O3, "at the end: %s", broken);
}

/* Catchups that were sent and may not have been served: a second one sent to somebody who has not
 * read since the first is none of them. */
static uint64_t unserved_max(uint64_t served, uint32_t births)
{
    return served / 2 + births + 16;
}

bool judge_catchup(struct sv_segment *segment, const uint64_t stats[SV_STAT_COUNT], uint32_t births,
                   struct finding *finding)
{
    const unsigned long long served = stats[SV_STAT_catchups_served];
    const unsigned long long sent = stats[SV_STAT_catchups_sent];
    const unsigned long long cleanups = stats[SV_STAT_cleanups];
    const unsigned long long relays = stats[SV_STAT_relays];

    if (sent > cleanups) {
        return finding_set(finding, ORACLE_O5, "a storm: %llu catchups for %llu cleanups", sent,
                           cleanups);
    }
    if (sent > served + unserved_max(served, births)) {
        return finding_set(finding, ORACLE_O5, "a storm: %llu catchups sent, %llu served", sent,
                           served);
    }
    if (relays > sent) {
        return finding_set(finding, ORACLE_O5, "%llu relays among %llu catchups", relays, sent);
    }
    for (uint32_t i = 0; i < sv_segment_slots_used(segment); i++) {
        if (sv_load_seq32(&segment->slots[i].signaled) != 0 ||
            sv_load_seq32(&segment->slots[i].catchup_target) != 0) {
            return finding_set(finding, ORACLE_O5,
                               "the baton ended in slot %u, whose backend is gone", i);
        }
    }
    return true;
}

bool judge_locks(struct sv_segment *segment, struct finding *finding)
{
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        uint32_t shared = 0;
        const uint32_t owner = sv_lwlock_owner(segment, (enum sv_lock)lock, &shared);
        if (owner != SV_SLOT_NONE) {
            return finding_set(finding, ORACLE_O6, "lock %s still names slot %u as its owner",
                               sv_lwlock_name((enum sv_lock)lock), owner);
        }
        if (shared != 0) {
            return finding_set(finding, ORACLE_O6, "lock %s still has %u shared holders",
                               sv_lwlock_name((enum sv_lock)lock), shared);
        }
    }
    return true;
}

bool judge_ids(struct sv_segment *segment, const struct control *control, struct finding *finding)
{
    for (uint32_t i = 0; i < control->slot_count; i++) {
        const uint64_t drawn = sv_load_seq64(&control->slots[i].local_transaction_id);
        const uint64_t now = sv_load_seq64(&segment->slots[i].local_transaction_id);
        if (now < drawn) {
            return finding_set(finding, ORACLE_O6,
                               "slot %u goes on at local transaction id %llu, drawn were %llu", i,
                               (unsigned long long)now + 1, (unsigned long long)drawn);
        }
    }
    return true;
}

bool judge_resets(const struct reset_facts *facts, struct finding *finding)
{
    if (facts->repair != 0) {
        return finding_set(finding, ORACLE_O6, "%llu resets because a position was ambiguous (K5)",
                           (unsigned long long)facts->repair);
    }
    if (facts->requested != 0 && facts->asked == 0) {
        return finding_set(finding, ORACLE_O6, "%llu resets that nobody asked for (K5)",
                           (unsigned long long)facts->requested);
    }
    if (facts->overflow != 0 && facts->inserted_max + facts->quantum <= facts->capacity) {
        return finding_set(finding, ORACLE_O6,
                           "%llu resets by overflow, of a ring of %u with %llu messages (K5)",
                           (unsigned long long)facts->overflow, facts->capacity,
                           (unsigned long long)facts->inserted_max);
    }
    return true;
}

bool judge_pause(uint64_t pause_ns, uint64_t limit_ns, struct finding *finding)
{
    return pause_ns <= limit_ns ||
           finding_set(finding, ORACLE_O6,
                       "a survivor waited for a dead lock holder for %llu ms (K1)",
                       (unsigned long long)(pause_ns / 1000000));
}

bool judge_slots(struct sv_segment *segment, struct finding *finding)
{
    struct sv_slot_state state;

    for (uint32_t i = 0; i < sv_segment_config(segment)->backends_max; i++) {
        sv_slot_look(segment, i, &state);
        if (state.in_use) {
            return finding_set(finding, ORACLE_O7, "slot %u of pid %d was never freed", i,
                               state.pid);
        }
    }
    return true;
}

static uint32_t count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint32_t count = 0;

    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

static uint32_t count_shared_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uint32_t count = 0;

    if (maps == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), maps) != NULL) {
        const char *mode = strchr(line, ' ');
        count += mode != NULL && strlen(mode) > 4 && mode[4] == 's';
    }
    (void)fclose(maps);
    return count;
}

void holdings_count(struct holdings *holdings)
{
    *holdings = (struct holdings){
        .descriptors = count_descriptors(),
        .shared_mappings = count_shared_mappings(),
        .children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD,
    };
}

bool judge_holdings(const struct holdings *before, const struct holdings *after,
                    struct finding *finding)
{
    if (after->children && !before->children) {
        return finding_set(finding, ORACLE_O7, "a child process is left");
    }
    if (after->descriptors > before->descriptors) {
        return finding_set(finding, ORACLE_O7, "%u descriptors before the run, %u after",
                           before->descriptors, after->descriptors);
    }
    if (after->shared_mappings > before->shared_mappings) {
        return finding_set(finding, ORACLE_O7, "%u shared mappings before the run, %u after",
                           before->shared_mappings, after->shared_mappings);
    }
    return true;
}
