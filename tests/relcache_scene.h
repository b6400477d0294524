/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A relcache whose objects are small records of a shared catalogue: relation r has number
 * catalogue[r] (0: there is none), which others change and tell.
 *
 * A build reads the number, runs `meanwhile`, and only then makes its object of it: the moment in
 * which relation caches have gone wrong.
 */
#ifndef SINVAL_TESTS_RELCACHE_SCENE_H
#define SINVAL_TESTS_RELCACHE_SCENE_H

#include <stdlib.h>

#include "queue/queue.h"
#include "support.h"

#define RELATIONS_MAX 2048

struct relation_object {
    uint32_t relation;
    int number;
    struct sv_relation *holds; /* another relation that this object keeps open */
};

struct relscene {
    struct sv_segment *segment;
    struct sv_backend *reader;
    struct sv_backend *other;
    struct sv_relcache *cache;
    int catalogue[RELATIONS_MAX];
    uint32_t builds;
    uint32_t live_objects;
    int fail_build; /* returned once */
    int left;       /* for interludes */
    struct sv_relation *held[64];
    uint32_t depth;
    uint32_t depth_max;
    void (*meanwhile)(struct relscene *scene, struct sv_backend *self, uint32_t relation);
    void (*when_destroyed)(struct relscene *scene, struct relation_object *object);
};

static inline int build_relation(struct sv_backend *self, uint32_t relation, void *argument,
                                 void **object)
{
    struct relscene *s = argument;
    const int number = s->catalogue[relation];
    s->builds++;
    s->depth++;
    s->depth_max = s->depth > s->depth_max ? s->depth : s->depth_max;
    if (s->meanwhile != NULL) {
        s->meanwhile(s, self, relation);
    }
    s->depth--;
    const int failure = s->fail_build;
    s->fail_build = 0;
    if (failure != 0) {
        return failure;
    }
    if (number == 0) {
        return SV_NOT_FOUND;
    }
    struct relation_object *made = malloc(sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    *made = (struct relation_object){.relation = relation, .number = number};
    s->live_objects++;
    *object = made;
    return 0;
}

static inline void destroy_relation(void *object, void *argument)
{
    struct relscene *s = argument;
    if (s->when_destroyed != NULL) {
        s->when_destroyed(s, object);
    }
    s->live_objects--;
    memset(object, 0xee, sizeof(struct relation_object));
    free(object);
}

/* On the heap, since the relcache keeps its address. */
static inline struct relscene *relscene_new(void)
{
    struct relscene *s = calloc(1, sizeof(*s));
    cr_assert_not_null(s);
    s->segment = world((struct sv_config){.backends_max = 4, .capacity = 64});
    s->reader = join(s->segment);
    s->other = join(s->segment);
    const struct sv_relcache_options options = {
        .build = build_relation, .destroy = destroy_relation, .argument = s};
    cr_assert_eq(sv_relcache_create(s->reader, &options, &s->cache), 0);
    for (uint32_t i = 1; i < RELATIONS_MAX; i++) {
        s->catalogue[i] = 1;
    }
    return s;
}

/* Detaches, and sees that every object has been destroyed. */
static inline void relscene_end(struct relscene *s)
{
    sv_backend_detach(s->reader);
    sv_backend_detach(s->other);
    cr_assert_eq(s->live_objects, 0, "%u objects leak", s->live_objects);
    sv_segment_detach(s->segment);
    free(s);
}

/* Somebody changes relation and tells; number 0 drops it. */
static inline void alter(struct relscene *s, uint32_t relation, int number)
{
    const struct sv_message message = {
        .kind = SV_MESSAGE_RELCACHE,
        .relation = {.relation = relation},
    };
    s->catalogue[relation] = number;
    sv_send_messages(s->other, &message, 1);
}

static inline struct sv_relation *opened(struct relscene *s, uint32_t relation)
{
    struct sv_relation *r = NULL;
    const int result = sv_relation_open(s->reader, s->cache, relation, &r);
    cr_assert_eq(result, 0, "sv_relation_open gives %d", result);
    cr_assert_eq(r->relation, relation);
    return r;
}

static inline int number_of(const struct sv_relation *relation)
{
    return ((const struct relation_object *)relation->object)->number;
}

static inline void accept_in(struct relscene *s)
{
    const int result = sv_accept_messages(s->reader);
    cr_assert_eq(result, 0, "sv_accept_messages gives %d", result);
}

#endif
