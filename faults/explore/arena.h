/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Arenas: the private memory of a simulated process, which is set back and dies with it.
 *
 * What traced code allocates comes from the arena of the backend that runs, at the same addresses
 * in each execution, with the same contents: memory that was never set holds one known byte, and
 * what is freed is overwritten with another.
 */
#ifndef SINVAL_FAULTS_EXPLORE_ARENA_H
#define SINVAL_FAULTS_EXPLORE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "sinval/api.h"

#define ARENA_CLASSES 72 /* of sizes, from 64 bytes to 14 MiB */

/* What it begins with. */
struct arena_head {
    size_t used;                  /* bytes, this among them */
    uint32_t free[ARENA_CLASSES]; /* offset + 1 of the first free block of each class */
    uint32_t blocks;              /* allocated and not freed */
    uint32_t until_refused;       /* so many allocations, the last of which is; 0: none is */
};

struct arena {
    union {
        uint8_t *bytes; /* the caller's */
        struct arena_head *head;
    };

    size_t size_bytes;
    uint8_t *saved; /* what it is set back to */
    size_t saved_bytes;
};

/* bytes: aligned to 16, and enough for a head. */
void arena_begin(struct arena *arena, uint8_t *bytes, size_t size_bytes);
void arena_free(struct arena *arena);

/* Everything in it is gone. */
void arena_clear(struct arena *arena);

/* Keep what is in it now; and go back to that. Returns: 0; -ENOMEM. */
SV_NODISCARD int arena_save(struct arena *arena);
void arena_restore(struct arena *arena);

/* As malloc and free; NULL when it is full. */
void *arena_allocate(struct arena *arena, size_t bytes);
void arena_release(struct arena *arena, void *block);

/* What a block was asked to hold at least. */
size_t arena_block_bytes(void *block);

#endif
