/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue with somebody quicker in the middle: each test is one interleaving.
 */
#include "interpose.h"
#include "queue/queue.h"
#include "support.h"

TestSuite(queue_fault, .timeout = 30);

struct scene {
    struct sv_backend *self;
    struct sv_backend *other;
    uint64_t inserted;
};

static void insert_next(struct sv_backend *self, struct scene *scene, uint32_t count)
{
    insert_numbered(self, scene->inserted, count);
    scene->inserted += count;
}

/* Read to the end. Messages must be consecutive up to the last one, or a reset was told. */
static void read_all_or_reset(struct sv_backend *self, const struct scene *scene)
{
    struct sv_message out[16];
    uint32_t count = 0;
    bool reset = false;
    uint64_t next = UINT64_MAX;
    do {
        if (sv_queue_read(self, out, 16, &count) == SV_RESET) {
            reset = true;
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(next == UINT64_MAX || out[i].payload == next,
                      "expected message %" PRIu64 ", got %" PRIu64, next, (uint64_t)out[i].payload);
            next = out[i].payload + 1;
        }
    } while (count > 0);
    cr_assert(reset || next == scene->inserted, "the end was not reached, and nobody told");
}

static void fill_the_ring(void *argument)
{
    struct scene *scene = argument;
    insert_next(scene->other, scene, 8);
}

/*
 * Claim:   a writer that comes back from signalling looks again for room: it never overwrites what
 *          others have not read (PostgreSQL dc02a4814a).
 * Method:  ring of 16 with a laggard; while the writer is between its locks, about to signal it,
 *          another one fills the room that cleanup had found. The laggard, who is not reset by
 *          then, reads all or is told.
 */
Test(queue_fault, a_writer_that_signalled_looks_again_for_room)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16,
                                                          .cleanup_min = 8,
                                                          .cleanup_quantum = 1,
                                                          .signal_threshold = 4,
                                                          .write_quantum = 8});
    struct scene scene = {.self = join(segment), .other = join(segment)};
    struct sv_backend *laggard = join(segment);
    insert_next(scene.self, &scene, 8);
    struct sv_message out[8];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(laggard, out, 1, &count), 0);
    cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), 0);
    cr_assert_eq(sv_queue_read(scene.other, out, 8, &count), 0);

    struct interposer interposer;
    interpose_begin(&interposer, "queue/cleanup/signal", 1, fill_the_ring, &scene);
    const uint64_t mine = 1000; /* apart, so that an overwritten message shows */
    insert_numbered(scene.self, mine, 8);
    interpose_end(&interposer);

    struct sv_queue_state state;
    sv_queue_look(segment, &state);
    cr_assert_leq(state.max_number - state.min_number, 16, "the ring holds more than it can");
    sv_lwlock_acquire(scene.self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(scene.self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const char *broken = sv_queue_check(segment);
    sv_lwlock_release(scene.self, SV_LOCK_READ);
    sv_lwlock_release(scene.self, SV_LOCK_WRITE);
    cr_assert_null(broken, "%s", broken);
    if (sv_queue_read(laggard, out, 1, &count) == 0) {
        cr_assert_eq(out[0].payload, 1, "message 1 was overwritten by %" PRIu64,
                     (uint64_t)out[0].payload);
    }
}

static void insert_one(void *argument)
{
    struct scene *scene = argument;
    insert_next(scene->other, scene, 1);
}

/*
 * Claim:   what is published while a backend reads is not taken for read.
 * Method:  another inserts at each point of the read; the next read must find it.
 */
Test(queue_fault, what_arrives_during_a_read_is_found_by_the_next)
{
    static const char *const points[] = {"queue/read/before", "queue/read/copied",
                                         "queue/read/advanced"};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct sv_segment *segment = world((struct sv_config){.capacity = 16});
        struct scene scene = {.self = join(segment), .other = join(segment)};
        insert_next(scene.other, &scene, 2);
        struct interposer interposer;
        struct sv_message out[8];
        uint32_t count = 0;
        interpose_begin(&interposer, points[i], 1, insert_one, &scene);
        cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), 0);
        interpose_end(&interposer);
        cr_assert_eq(count, i == 0 ? 3 : 2, "%s: %u messages", points[i], count);
        cr_assert_eq(sv_queue_empty(scene.self), false, "%s: it says there is nothing", points[i]);
        cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), 0);
        cr_assert_eq(count, i == 0 ? 0 : 1, "%s", points[i]);
        cr_assert(sv_queue_empty(scene.self));
    }
}

static void reset_everyone(void *argument)
{
    sv_queue_reset_all(((struct scene *)argument)->other);
}

/*
 * Claim:   a reset that comes while a backend looks whether there is anything is not missed.
 * Method:  it comes just before the backend gets read_lock; the read, or the next one, says so.
 */
Test(queue_fault, a_reset_just_before_a_read_is_not_missed)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct scene scene = {.self = join(segment), .other = join(segment)};
    insert_next(scene.other, &scene, 2);
    struct interposer interposer;
    struct sv_message out[8];
    uint32_t count = 0;
    interpose_begin(&interposer, "lock/read_shared_acquire/before", 1, reset_everyone, &scene);
    cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), SV_RESET);
    interpose_end(&interposer);
    read_all_or_reset(scene.other, &scene);
}

/*
 * Claim:   what is published while a backend takes its reset is not taken for read.
 * Method:  another inserts right after the mark is cleared; the next read must find it.
 */
Test(queue_fault, what_arrives_during_a_reset_is_found_by_the_next_read)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct scene scene = {.self = join(segment), .other = join(segment)};
    sv_queue_reset_all(scene.other);
    struct interposer interposer;
    struct sv_message out[8];
    uint32_t count = 0;
    interpose_begin(&interposer, "queue/reset/taken", 1, insert_one, &scene);
    cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), SV_RESET);
    interpose_end(&interposer);
    cr_assert_not(sv_queue_empty(scene.self));
    cr_assert_eq(sv_queue_read(scene.self, out, 8, &count), 0);
    cr_assert_eq(count, 1);
}

static void look_at_intent(void *argument)
{
    struct scene *scene = argument;
    struct sv_slot_state state;
    sv_slot_look(sv_backend_segment(scene->self), sv_backend_slot(scene->self), &state);
    cr_assert(state.intent == 2, "the intent stands while it is sent: %u", state.intent);
}

/*
 * Claim:   the messages of sv_send_messages are declared before the first is sent, and withdrawn
 *          after the last.
 * Method:  a look from inside the insert; a look afterwards.
 */
Test(queue_fault, what_is_sent_is_declared_first)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct scene scene = {.self = join(segment)};
    const struct sv_message messages[] = {numbered(0), numbered(1)};
    struct interposer interposer;
    interpose_begin(&interposer, "queue/insert/before", 1, look_at_intent, &scene);
    sv_send_messages(scene.self, messages, 2);
    interpose_end(&interposer);
    struct sv_slot_state state;
    sv_slot_look(segment, sv_backend_slot(scene.self), &state);
    cr_assert_eq(state.intent, 0);
}
