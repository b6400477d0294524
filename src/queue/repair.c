/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Repair: what a dead owner of write_lock or read_lock may have left half done.
 *
 * Each function runs while the lock still names the dead, takes no lock, may be killed anywhere,
 * and is then run again from the start: it only does what is still to do, and doing it twice is
 * doing it once. Only owners that were GRANTED the lock are repaired (src/sync/lwlock.c).
 *
 * write_lock. What the dead had copied into the ring beyond max_number was never published, and
 * the next writer overwrites it. If it had moved max_number and not yet `published`, nobody would
 * look for those messages: so the count moves by one, always. Whoever looks for nothing finds
 * nothing. The threshold may belong to another minimum: the lowest legal one makes the next insert
 * clean up.
 *
 * read_lock, exclusive. The dead was cleaning up, and held write_lock too.
 *   min_number may be stale low: legal.
 *   Marks for reset and as signaled stand: a mark for reset costs its victim its cache, never a
 *   message; the note in the dead one's slot has the signal sent (cleanup.c).
 *   The wraparound is finished: positions that do not carry the queue's epoch are lowered.
 *
 * read_lock, shared. A reader changes its own position only, by one store, after the copy.
 * Nothing to repair.
 */
#include "queue/queue.h"

void sv_queue_repair_write(struct sv_segment *segment)
{
    struct sv_queue *queue = segment->queue;
    sv_store_relaxed32(&queue->next_threshold, segment->config.cleanup_min);
    sv_store_release64(&queue->published, sv_load_relaxed64(&queue->published) + 1);
}

void sv_queue_repair_read(struct sv_segment *segment)
{
    sv_queue_lower_all(segment);
}
