/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A reader with a catcache, and somebody else who commits: two backends in one thread.
 *
 * The reader's source runs `meanwhile` between reading a row and handing it over (fake_source.h);
 * the other backend commits and tells there.
 */
#ifndef SINVAL_TESTS_CACHE_SCENE_H
#define SINVAL_TESTS_CACHE_SCENE_H

#include "fake_source.h"

static const struct sv_config cache_world = {.backends_max = 8, .capacity = 64};

/* reader has a cache over the store, other commits. */
struct scene {
    struct sv_segment *segment;
    struct sv_backend *reader;
    struct sv_backend *other;
    struct fake_store *store;
    struct fake *fake;
    struct sv_catcache *cache;
    int left; /* for interludes: how often it is still to happen */
};

static inline struct scene set_up(uint32_t key_count, uint32_t entries_max)
{
    struct scene scene = {.segment = world(cache_world), .store = store_new()};
    scene.reader = join(scene.segment);
    scene.other = join(scene.segment);
    scene.fake = fake_open(scene.store);
    scene.cache = cache_over(scene.reader, scene.fake, key_count, entries_max);
    return scene;
}

static inline void tear_down(struct scene *scene)
{
    sv_backend_detach(scene->reader);
    sv_backend_detach(scene->other);
    sv_segment_detach(scene->segment);
    free(scene->fake);
    free(scene->store);
}

static inline void look_from(struct scene *scene, void (*meanwhile)(struct sv_backend *, void *),
                             int times)
{
    scene->left = times;
    scene->fake->argument = scene;
    scene->fake->meanwhile = meanwhile;
}

/* The row "a" changes, and that is told and accepted, `left` more times. */
static inline void update_and_accept(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    char value[16];
    if (s->left > 0) {
        s->left--;
        snprintf(value, sizeof(value), "new%d", s->left);
        commit_elsewhere(s->other, s->store, KEYS("a"), value);
        accept_all(self);
    }
}

/* A load of "a" searches "b", and while that is read "a" becomes "new". With look_from(s, ., 2). */
static inline void overtake_from_within(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    if (s->left == 2) {
        s->left = 1;
        ASSERT_VALUE(self, s->cache, KEYS("b"), NULL);
    } else if (s->left == 1) {
        s->left = 0;
        commit_elsewhere(s->other, s->store, KEYS("a"), "new");
        accept_all(self);
    }
}

#endif
