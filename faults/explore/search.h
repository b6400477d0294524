/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the two ways of searching have in common: a path through the tree of choices.
 *
 * A node is a question that an execution was asked, with what was answered and what is still to be
 * answered. An execution repeats the answers of the path, and where it ends asks itself on, adding
 * nodes; then the last node with something left to answer gets its next answer and ends the path.
 * So all of the tree is gone through, deepest first, and the memory is that of one path.
 *
 * The two ways differ in what is to be answered: search_orders.c takes one schedule of each order,
 * search_preempt.c all schedules with few preemptions.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SEARCH_H
#define SINVAL_FAULTS_EXPLORE_SEARCH_H

#include "faults/explore/draws.h"
#include "faults/explore/search_contention.h"
#include "faults/explore/search_visited.h"

struct search_node {
    struct explore_step step; /* of the agent that was picked */
    uint64_t enabled;         /* who could have been */
    uint64_t wanted;          /* who is to be, sooner or later */
    uint64_t sleep;           /* who need not be, or has been */
    uint32_t picked;
    uint32_t ordinal;   /* of the step among those of its agent, from 1 */
    bool is_draw;       /* then not of all that, but of these: */
    uint32_t answer;    /* to a draw, */
    uint32_t count;     /* of so many left to try */
    uint32_t preempted; /* preemptions before it */
    bool changed;       /* as in the search, before it */
    uint32_t running;   /* the backend that took the last step before it that was a backend's */
    uint64_t state;     /* before it, as it was looked up; 0: it was not */
};

/* A step that would have been, but for the one at that node. */
struct search_ghost {
    uint32_t node;
    struct explore_step step;
    uint16_t past[EXPLORE_AGENTS_MAX]; /* as struct search.pasts, there */
};

struct search {
    struct search_node *path;
    uint32_t length;
    uint32_t capacity;
    uint32_t agents;
    uint32_t at;    /* the next node of this execution, */
    uint32_t ahead; /* but for so many answers that were given with the one before, at step: */
    uint64_t answered;
    uint32_t fresh; /* nodes from here on are answered for the first time */
    uint32_t loud;  /* as in a node, so far */
    bool cut;       /* an execution was cut off: there is more than was seen */
    bool exhausted; /* nothing is left */
    bool dropped;   /* this execution */

    /* of search_orders.c */
    uint16_t *clocks; /* by node and agent: how many of that agent's steps come before, or are it */
    uint16_t pasts[EXPLORE_AGENTS_MAX][EXPLORE_AGENTS_MAX]; /* by agent: before its next step */
    struct explore_step steps[EXPLORE_AGENTS_MAX];          /* as last asked: what agents do next */
    struct search_ghost *ghosts;                            /* of this path, by node */
    uint32_t ghost_count;
    uint32_t ghost_capacity;
    uint64_t sleep; /* of the node that comes next */
    uint32_t last;  /* the newest step's node; or NO_NODE */

    /* of search_preempt.c */
    struct contention contention;
    struct visited visited;
    struct draws draws;
    uint32_t learned;   /* executions made to learn what is contended */
    uint32_t bound;     /* on preemptions: goes up to that of the parameters */
    bool adrift;        /* this execution goes round and round */
    uint32_t preempted; /* as in a node, so far */
    uint32_t running;
    bool changed; /* the last step of who runs, or it has just begun to run */
};

#define SEARCH_NO_NODE UINT32_MAX

/* A new node at the end of the path; the newest may move all of them. */
struct search_node *search_push(struct search *search);

/* Agents that are backends, not pieces of the environment: whose step has no victim. */
static inline bool search_is_backend(const struct explore_step *step)
{
    return step->victim == EXPLORE_NOBODY;
}

/* One schedule of each order. As strategy_kind.pick; an execution begins and has ended. */
void search_orders_begin(struct search *search);
uint32_t search_orders_pick(struct search *search, struct explore_choice *choice);
void search_orders_end(struct search *search, const struct explore_outcome *outcome);

/*
 * All schedules with few preemptions. end returns: false: begin anew from an empty path. more: all
 * is done with the bound there was. Returns: false: it was the last.
 */
void search_preempt_begin(struct search *search, uint64_t seed);
uint32_t search_preempt_pick(struct search *search, struct explore_choice *choice,
                             uint32_t preemptions_max);
bool search_preempt_end(struct search *search, const struct explore_outcome *outcome);
bool search_preempt_more(struct search *search, uint32_t preemptions_max);

#endif
