/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/explore/search_visited.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY_MIN  UINT64_C(4096)
#define CAPACITY_SURE (UINT64_C(1) << 26) /* 512 MiB, */
#define MEMORY_PART   4                   /* or that part of the memory there is, if it is more */

void visited_close(struct visited *visited)
{
    free(visited->table);
    *visited = (struct visited){0};
}

void visited_clear(struct visited *visited)
{
    if (visited->table != NULL) {
        memset(visited->table, 0, visited->capacity * sizeof(visited->table[0]));
    }
    visited->count = 0;
}

/* Where that state is, or would be. */
static uint64_t *find(const struct visited *visited, uint64_t state)
{
    uint64_t at = (state >> 4) & (visited->capacity - 1);

    while (visited->table[at] != 0 && (visited->table[at] ^ state) > VISITED_SPENT_MAX) {
        at = (at + 1) & (visited->capacity - 1);
    }
    return &visited->table[at];
}

static uint64_t capacity_max(void)
{
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) / MEMORY_PART * page_bytes;
    const uint64_t capacity = bytes / sizeof(uint64_t);

    return capacity > CAPACITY_SURE ? capacity : CAPACITY_SURE;
}

/* Room for one more. Returns: false: there is none. */
static bool grow(struct visited *visited)
{
    const struct visited before = *visited;
    const uint64_t capacity = before.capacity == 0 ? CAPACITY_MIN : 2 * before.capacity;

    if (4 * before.count < 3 * before.capacity) {
        return true;
    }
    uint64_t *table =
        capacity <= capacity_max() ? calloc(capacity, sizeof(visited->table[0])) : NULL;
    if (table == NULL) {
        return false;
    }
    visited->table = table;
    visited->capacity = capacity;
    for (uint64_t i = 0; i < before.capacity; i++) {
        if (before.table[i] != 0) {
            *find(visited, before.table[i]) = before.table[i];
        }
    }
    free(before.table);
    return true;
}

bool visited_before(struct visited *visited, uint64_t hash, uint32_t spent)
{
    const uint64_t state = (hash & ~(uint64_t)VISITED_SPENT_MAX) == 0
                               ? ~(uint64_t)VISITED_SPENT_MAX /* 0 is a free place */
                               : hash & ~(uint64_t)VISITED_SPENT_MAX;
    const bool room = grow(visited);

    if (visited->table == NULL) {
        return false;
    }
    uint64_t *place = find(visited, state);
    if (*place != 0 && (*place & VISITED_SPENT_MAX) <= spent) {
        return true;
    }
    if (*place != 0 || room) {
        visited->count += *place == 0;
        *place = state | spent;
    }
    return false;
}
