/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a death leaves in the segment, as far as repair looks at it.
 */
#ifndef SINVAL_TESTS_SWEEP_IMAGE_H
#define SINVAL_TESTS_SWEEP_IMAGE_H

#include "shm/segment.h"
#include "tests/sweep/trace.h"

/* A set of numbers. */
struct images;

struct images *images_create(void); /* NULL: no memory */
void images_destroy(struct images *images);

/* Returns: whether it was not in it. */
bool images_add(struct images *images, uint64_t hash);

/*
 * A hash of the words that say what is to be repaired: header, slots, locks, queue, the table's own
 * and each row's phase, the intents' counts. Not of what nobody looks at until one of these says
 * so (the ring beyond max_number, messages, values), nor of what differs from run to run (times,
 * process ids, the addresses in life locks).
 */
uint64_t image_hash(const struct sv_segment *segment);

/* Add each step of a path, from one address to the next. Returns: whether one was not in it. */
bool images_add_path(struct images *images, const struct trace *trace);

/* A hash of the set of addresses on a path. */
uint64_t image_of_path(const struct trace *trace);

#endif
