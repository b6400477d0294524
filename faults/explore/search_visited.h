/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * States that a search has been in, and what it had spent when it came there.
 *
 * Of a state's hash 60 bits are kept, with the spending in the other four.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SEARCH_VISITED_H
#define SINVAL_FAULTS_EXPLORE_SEARCH_VISITED_H

#include <stdbool.h>
#include <stdint.h>

#define VISITED_SPENT_MAX UINT32_C(15)

struct visited {
    uint64_t *table; /* NULL: no state yet; 0 in it: free */
    uint64_t capacity;
    uint64_t count;
};

void visited_close(struct visited *visited);

/* None has been visited. */
void visited_clear(struct visited *visited);

/*
 * The search comes to a state, having spent at most VISITED_SPENT_MAX. Returns: true: it was there
 * before having spent no more. Otherwise it is noted, unless there is no memory for more of them.
 */
bool visited_before(struct visited *visited, uint64_t hash, uint32_t spent);

#endif
