/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who is killed for holding a lock, and who is not, by a clock of the test's own. Holders are real
 * processes, of which each has a slot; what they hold and wait for is written in their slots.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <pthread.h>

#include "own_clock.h"
#include "sinval/postmaster.h"
#include "sync/lock_watch.h"

TestSuite(lock_watch_unit, .timeout = 60);

#define LIMIT_MS 1000
#define LOOK_NS  (LIMIT_MS * UINT64_C(1000000) / 4)

enum { HOLDER, WAITER, HOLDERS };

enum { READY, OVER }; /* words of the meeting */

static struct meeting *meeting;
static bool second_thread; /* a holder's slot is that of its second thread */

static void *live(void *argument)
{
    struct sv_backend *self = attach_here(argument, 0);
    advance(&meeting->words[READY]);
    await(&meeting->words[OVER], 1);
    sv_backend_detach(self);
    return NULL;
}

static int holder_main(struct sv_segment *segment, void *unused)
{
    pthread_t thread;
    (void)unused;
    if (!second_thread) {
        (void)live(segment);
        return 0;
    }
    return pthread_create(&thread, NULL, live, segment) + pthread_join(thread, NULL);
}

struct scene {
    struct sv_segment *segment;
    struct sv_postmaster *postmaster;
    pid_t pids[HOLDERS]; /* by slot */
};

static struct scene scene_open(void)
{
    struct scene scene = {.segment = world((struct sv_config){.lock_hold_max_ms = LIMIT_MS})};
    meeting = meet();
    for (uint32_t i = 0; i < HOLDERS; i++) {
        scene.pids[i] = fork_child(holder_main, scene.segment, NULL);
        await(&meeting->words[READY], i + 1);
    }
    cr_assert_eq(sv_postmaster_create(scene.segment, &scene.postmaster), 0);
    own_clock_begin();
    return scene;
}

static void scene_close(struct scene *scene)
{
    (void)own_clock_end();
    for (uint32_t i = 0; i < HOLDERS; i++) {
        memset(scene->segment->slots[i].held, 0, sizeof(scene->segment->slots[i].held));
        sv_store_seq32(&scene->segment->slots[i].waits_for_lock, 0);
    }
    advance(&meeting->words[OVER]);
    for (uint32_t i = 0; i < HOLDERS; i++) {
        cr_assert_eq(reap(scene->pids[i]), 0);
    }
    sv_postmaster_stop(scene->postmaster, 0);
    sv_segment_detach(scene->segment);
}

static void hold(const struct scene *scene, uint32_t slot, enum sv_lock lock)
{
    sv_store_relaxed64(&scene->segment->slots[slot].since_ns[lock], sv_os_now_ns());
    sv_store_seq32(&scene->segment->slots[slot].held[lock], 1);
}

static void let_go(const struct scene *scene, uint32_t slot, enum sv_lock lock)
{
    sv_store_seq32(&scene->segment->slots[slot].held[lock], 0);
}

static void wait_for(const struct scene *scene, uint32_t slot, enum sv_lock lock)
{
    sv_store_seq32(&scene->segment->slots[slot].waits_for_lock, (uint32_t)lock + 1);
}

/* A quarter of the limit goes by, and the watch looks. */
static void look(const struct scene *scene)
{
    own_clock.slept_ns += LOOK_NS;
    (void)sv_lock_watch_look(scene->segment);
}

static bool is_struck(const struct scene *scene, uint32_t slot)
{
    bool struck = false;
    for (uint32_t i = 0; i < own_clock.strikes && i < STRIKES_MAX; i++) {
        struck |= own_clock.struck[i] == scene->pids[slot];
    }
    return struck;
}

/*
 * Claim:   who holds any lock on and on is killed later than the limit and within one and a half; its
 *          process is, if it is another thread than the first that holds it.
 */
Test(lock_watch_unit, who_holds_on_is_killed_in_time)
{
    for (int i = 0; i < 2 * SV_LOCK_COUNT; i++) {
        second_thread = i % 2 == 1;
        struct scene scene = scene_open();
        uint32_t looks = 0;
        hold(&scene, HOLDER, (enum sv_lock)(i / 2));
        for (; looks < 8 && !is_struck(&scene, HOLDER); looks++) {
            look(&scene);
        }
        cr_expect(looks == 5 || looks == 6, "lock %d, thread %d: %u looks", i / 2, i % 2, looks);
        cr_expect_not(is_struck(&scene, WAITER));
        scene_close(&scene);
    }
    second_thread = false;
}

/*
 * Claim:   who waits for any lock that somebody else holds on to is not killed for what it holds.
 */
Test(lock_watch_unit, who_waits_for_a_holder_is_excused)
{
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        const enum sv_lock other = lock == 0 ? SV_LOCK_APP_1 : SV_LOCK_APP_0;
        struct scene scene = scene_open();
        hold(&scene, HOLDER, (enum sv_lock)lock);
        hold(&scene, WAITER, other);
        wait_for(&scene, WAITER, (enum sv_lock)lock);
        for (int i = 0; i < 12; i++) {
            look(&scene);
        }
        cr_expect(is_struck(&scene, HOLDER), "lock %d", lock);
        cr_expect_not(is_struck(&scene, WAITER), "lock %d", lock);
        scene_close(&scene);
    }
}

/*
 * Claim:   it is not excused by a lock that changes hands, nor by one that somebody has held long ago,
 *          nor by its own.
 */
Test(lock_watch_unit, who_waits_for_nobody_in_particular_is_not_excused)
{
    enum { CHANGES_HANDS, LONG_AGO, ITS_OWN, REASONS };

    for (int reason = 0; reason < REASONS; reason++) {
        struct scene scene = scene_open();
        if (reason == LONG_AGO) {
            hold(&scene, HOLDER, SV_LOCK_APP_1);
            for (int i = 0; i < 3; i++) {
                look(&scene);
            }
            let_go(&scene, HOLDER, SV_LOCK_APP_1);
        }
        hold(&scene, WAITER, SV_LOCK_APP_0);
        wait_for(&scene, WAITER, reason == ITS_OWN ? SV_LOCK_APP_0 : SV_LOCK_APP_1);
        for (int i = 0; i < 8; i++) {
            if (reason == CHANGES_HANDS) {
                hold(&scene, HOLDER, SV_LOCK_APP_1); /* again, since now */
            }
            look(&scene);
        }
        cr_expect(is_struck(&scene, WAITER), "reason %d", reason);
        cr_expect_not(is_struck(&scene, HOLDER), "reason %d", reason);
        scene_close(&scene);
    }
}

/*
 * Claim:   who is killed is whoever has the slot's life lock, also if the slot names another: the one
 *          who settles it.
 */
Test(lock_watch_unit, who_settles_is_killed)
{
    struct scene scene = scene_open();
    struct sv_slot *slot = &scene.segment->slots[HOLDER];
    const uint32_t tid = sv_load_seq32(&slot->tid);
    sv_store_seq32(&slot->tid, (uint32_t)scene.pids[WAITER]); /* as if that one had died there */
    hold(&scene, HOLDER, SV_LOCK_WRITE);
    for (int i = 0; i < 8; i++) {
        look(&scene);
    }
    cr_expect(is_struck(&scene, HOLDER));
    cr_expect_not(is_struck(&scene, WAITER));
    sv_store_seq32(&slot->tid, tid);
    scene_close(&scene);
}

/*
 * Claim:   a thread of the postmaster's own process is not killed, however long it holds a lock.
 */
Test(lock_watch_unit, the_postmasters_own_process_is_never_killed)
{
    struct scene scene = scene_open();
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, live, scene.segment), 0);
    await(&meeting->words[READY], HOLDERS + 1);
    hold(&scene, HOLDERS, SV_LOCK_APP_0);
    for (int i = 0; i < 12; i++) {
        look(&scene);
    }
    cr_expect_eq(own_clock.strikes, 0, "%u", own_clock.strikes);
    let_go(&scene, HOLDERS, SV_LOCK_APP_0);
    advance(&meeting->words[OVER]);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    scene_close(&scene);
}
