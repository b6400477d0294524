/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue while its users are killed at whatever instruction they are at.
 */
#include <sys/mman.h>

#include "queue/queue.h"
#include "support.h"

TestSuite(queue_crash, .timeout = 120);

enum { WRITERS = 3 };

struct shared {
    struct sv_atomic32 there;
    struct sv_atomic32 stop;
    struct sv_atomic32 incarnation; /* the next writer's number */
    struct sv_atomic64 resets_seen;
    struct sv_atomic64 read;
};

static struct shared *share(void)
{
    void *area = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(area, MAP_FAILED);
    return area;
}

static void say_there(struct shared *shared)
{
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
}

/* Until somebody says "there", or 10 ms: what is waited for is looked at again. */
static void wait_a_little(struct shared *shared)
{
    (void)sv_os_wait(&shared->there, sv_load_acquire32(&shared->there), UINT64_C(10000000));
}

static void wait_until_there(struct shared *shared, uint32_t how_many)
{
    while (sv_load_acquire32(&shared->there) < how_many) {
        wait_a_little(shared);
    }
}

/* A payload: who wrote it (16 bits), its number (32 bits), and a check of both (16 bits). */
static uint64_t payload(uint32_t writer, uint32_t number)
{
    const uint64_t body = (uint64_t)(writer & 0xffff) << 32 | number;
    return body << 16 | ((body * UINT64_C(0x9e3779b97f4a7c15)) >> 48);
}

static int write_for_ever(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, &(struct sv_backend_options){.send_only = true}, &self) != 0) {
        return 3;
    }
    const uint32_t me = sv_fetch_add_seq32(&shared->incarnation, 1);
    say_there(shared);
    struct sv_message batch[5];
    uint32_t number = 0;
    while (sv_load_relaxed32(&shared->stop) == 0) {
        const uint32_t count = 1 + number % 5;
        for (uint32_t i = 0; i < count; i++) {
            batch[i] = numbered(payload(me, number++));
        }
        sv_queue_insert(self, batch, count);
        (void)sv_backend_settle_dead(segment);
    }
    sv_backend_detach(self);
    return 0;
}

/* Read for ever; every writer's numbers must run without a gap, unless a reset came between. */
static int read_for_ever(struct sv_segment *segment, void *argument)
{
    enum { NUMBERS = 4096 };

    static uint32_t next[NUMBERS];
    static uint32_t era[NUMBERS]; /* resets seen when next was last known; 0: never */
    struct shared *shared = argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 3;
    }
    say_there(shared);
    uint32_t resets = 1;
    struct sv_message batch[16];
    uint32_t count = 0;
    while (sv_load_relaxed32(&shared->stop) == 0) {
        if (sv_queue_read(self, batch, 16, &count) == SV_RESET) {
            resets++;
            (void)sv_fetch_add_seq64(&shared->resets_seen, 1);
        }
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t value = batch[i].payload;
            const uint32_t writer = (uint32_t)(value >> 48) & 0xffff;
            const uint32_t number = (uint32_t)(value >> 16);
            if (batch[i].kind != SV_MESSAGE_APPLICATION || value != payload(writer, number)) {
                return 4; /* torn */
            }
            uint32_t *expected = &next[writer % NUMBERS];
            uint32_t *known = &era[writer % NUMBERS];
            if (*known == resets && number != *expected) {
                return 5; /* lost or repeated, and nobody told us */
            }
            *expected = number + 1;
            *known = resets;
        }
        (void)sv_fetch_add_seq64(&shared->read, count);
        (void)sv_backend_settle_dead(segment);
    }
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   a reader sees every message of every writer in order, untorn, or is told of a reset,
 *          whoever is killed wherever.
 * Method:  ring of 16 that wraps at 32; three writers and three readers; 200 kills at random
 *          moments of writers and readers in turn, each replaced; readers judge themselves.
 */
Test(queue_crash, readers_see_all_or_a_reset_while_others_are_killed)
{
    enum { KILLS = 200, READERS = 3, ALL = WRITERS + READERS };
    struct sv_segment *segment = world((struct sv_config){
        .backends_max = ALL + 2, .capacity = 16, .wraparound = 32, .write_quantum = 4});
    struct shared *shared = share();
    pid_t children[ALL];
    for (int i = 0; i < ALL; i++) {
        children[i] = fork_child(i < WRITERS ? write_for_ever : read_for_ever, segment, shared);
    }
    for (uint32_t kills = 0; kills < KILLS; kills++) {
        const uint32_t victim = kills * 5 % ALL;
        wait_until_there(shared, ALL + kills);
        kill_and_reap(children[victim]);
        children[victim] =
            fork_child(victim < WRITERS ? write_for_ever : read_for_ever, segment, shared);
    }
    const uint64_t read_before = sv_load_acquire64(&shared->read);
    while (sv_load_acquire64(&shared->read) < read_before + 10000) {
        wait_a_little(shared); /* everybody still goes on after the last death */
    }
    sv_store_release32(&shared->stop, 1);
    for (int i = 0; i < ALL; i++) {
        const int status = reap(children[i]);
        cr_assert_eq(status, 0, "child %d ended with status %x", i, status);
    }
    (void)sv_backend_settle_dead(segment);
    cr_assert_gt(counted(segment, SV_STAT_wraparounds), 10);
    cr_assert_gt(counted(segment, SV_STAT_slots_settled), KILLS / 2);
    cr_assert_eq(counted(segment, SV_STAT_resets_repair), 0, "no position was ambiguous");
    sv_segment_detach(segment);
}
