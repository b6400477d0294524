/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Blocks are cut from the start of the arena on; a freed one goes to the list of its class and is
 * given out again, last in first out. Before each block lies its class.
 */
#include "faults/explore/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define HEADER_BYTES ((size_t)16)
#define FIRST_BYTE   ((sizeof(struct arena_head) + 15) / 16 * 16)
#define NEVER_SET    0xa5
#define FREED        0xdf
#define LIVE         UINT64_C(0x6c6976652d2d2d2d) /* a block's header: is it one, and not freed? */

struct header {
    uint64_t live;
    uint64_t class;
};

/* 64, 80, 96, 112, 128, 160 ...: four between one power of two and the next. */
static size_t class_bytes(uint64_t class)
{
    return (size_t)(4 + class % 4) * 16 << class / 4;
}

void arena_begin(struct arena *arena, uint8_t *bytes, size_t size_bytes)
{
    *arena = (struct arena){.bytes = bytes, .size_bytes = size_bytes};
    arena_clear(arena);
}

void arena_free(struct arena *arena)
{
    free(arena->saved);
}

void arena_clear(struct arena *arena)
{
    *arena->head = (struct arena_head){.used = FIRST_BYTE};
}

int arena_save(struct arena *arena)
{
    uint8_t *saved = realloc(arena->saved, arena->head->used);

    if (saved == NULL) {
        return -ENOMEM;
    }
    memcpy(saved, arena->bytes, arena->head->used);
    arena->saved = saved;
    arena->saved_bytes = arena->head->used;
    return 0;
}

void arena_restore(struct arena *arena)
{
    memcpy(arena->bytes, arena->saved, arena->saved_bytes);
}

/* The first that holds as much; at least ARENA_CLASSES: none does. */
static uint64_t class_of(size_t bytes)
{
    const size_t last = (bytes - (bytes > 0)) / 16; /* of its pieces of 16 bytes, from 0 on */

    if (last < 4) {
        return 0;
    }
    const uint64_t doublings = (uint64_t)(61 - __builtin_clzll(last));
    return doublings * 4 + (last >> doublings) - 3;
}

static struct header *header_of(void *block)
{
    return (struct header *)(void *)((uint8_t *)block - HEADER_BYTES);
}

/* From the end of what is used. Returns: the offset of its header; SIZE_MAX: full. */
static size_t cut(struct arena *arena, uint64_t class)
{
    const size_t at = arena->head->used;

    if (arena->size_bytes - at < HEADER_BYTES + class_bytes(class)) {
        return SIZE_MAX;
    }
    arena->head->used = at + HEADER_BYTES + class_bytes(class);
    return at;
}

void *arena_allocate(struct arena *arena, size_t bytes)
{
    const uint64_t class = class_of(bytes);
    size_t at;

    if (arena->head->until_refused > 0 && --arena->head->until_refused == 0) {
        return NULL;
    }
    if (class >= ARENA_CLASSES) {
        return NULL;
    }
    if (arena->head->free[class] != 0) {
        at = arena->head->free[class] - 1;
        memcpy(&arena->head->free[class], arena->bytes + at + HEADER_BYTES, sizeof(uint32_t));
    } else {
        at = cut(arena, class);
        if (at == SIZE_MAX) {
            return NULL;
        }
    }
    struct header *header = (struct header *)(void *)(arena->bytes + at);
    *header = (struct header){.live = LIVE, .class = class};
    memset(header + 1, NEVER_SET, class_bytes(class));
    arena->head->blocks++;
    return header + 1;
}

void arena_release(struct arena *arena, void *block)
{
    struct header *header = header_of(block);
    const uint64_t class = header->class;

    sv_assert(header->live == LIVE, "what is freed at %p is not a block, or free already", block);
    header->live = 0;
    memset(block, FREED, class_bytes(class));
    memcpy(block, &arena->head->free[class], sizeof(uint32_t));
    arena->head->free[class] = (uint32_t)((uint8_t *)header - arena->bytes) + 1;
    arena->head->blocks--;
}

size_t arena_block_bytes(void *block)
{
    return class_bytes(header_of(block)->class);
}
