/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who lives in a mapping. A thread's robust list runs through every life lock it holds, by their
 * addresses: unmapping one would cut the list, and the deaths behind it would never be noticed.
 *
 * Two things must hold for a mapping to be in use: somebody of this process took a life through it
 * (counted here, since a segment can be mapped twice), and one of this process holds a life lock
 * in the segment now (the kernel says so, since a thread can end without letting go).
 */
#include "shm/segment.h"

static void count_hold(struct sv_segment *segment, uint32_t by)
{
    const uint64_t pid = (uint64_t)sv_os_pid() << 32;
    uint64_t seen = sv_load_relaxed64(&segment->holds);
    uint64_t next;
    do {
        const uint32_t lives = seen >> 32 == pid >> 32 ? (uint32_t)seen : 0;
        next = pid | (uint32_t)(lives + by);
    } while (!sv_compare_swap_seq64(&segment->holds, &seen, next));
}

void sv_segment_hold(struct sv_segment *segment)
{
    count_hold(segment, 1);
}

void sv_segment_let_go(struct sv_segment *segment)
{
    count_hold(segment, UINT32_MAX);
}

/* Does a living thread of this process hold that life lock? */
static bool lives_here(const struct sv_life_lock *life, const struct sv_atomic32 *pid)
{
    return sv_load_acquire32(pid) == sv_os_pid() && sv_os_life_holder(life) != 0;
}

const char *sv_segment_held_for(const struct sv_segment *segment)
{
    const uint64_t holds = sv_load_seq64(&segment->holds);
    if ((uint32_t)holds == 0 || holds >> 32 != sv_os_pid()) {
        return NULL;
    }
    if (lives_here(&segment->header->postmaster_life, &segment->header->postmaster_pid)) {
        return "a postmaster";
    }
    for (uint32_t i = 0; i < segment->config.backends_max; i++) { /* slots_used may be wrong */
        if (lives_here(&segment->slots[i].life, &segment->slots[i].pid)) {
            return "a backend";
        }
    }
    return NULL;
}
