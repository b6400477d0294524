/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Events: what callbacks are told when resets, errors and their own accepts come between. How
 * messages get there: accept_unit.c.
 */
#include "cache_scene.h"
#include "queue/queue.h"

TestSuite(events_unit, .timeout = 30);

#define HEARD_MAX 256
#define RESET     UINT64_MAX

/* A callback that writes down what it is told: payloads, and RESET. */
struct ear {
    uint64_t heard[HEARD_MAX];
    uint32_t count;
    int failures; /* so many calls from here on fail */
};

static int hear(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct ear *ear = argument;
    (void)self;
    cr_assert_lt(ear->count, HEARD_MAX);
    ear->heard[ear->count++] = message != NULL ? message->payload : RESET;
    return ear->failures-- > 0 ? -EINTR : 0;
}

static void say(struct sv_backend *self, uint64_t number)
{
    const struct sv_message message = numbered(number);
    sv_send_messages(self, &message, 1);
}

/*
 * Claim:   a reset is told to every callback, also to those that had done with the message at which
 *          another one failed.
 * Method:  the second of three fails at a message; a reset comes before it could be told again.
 */
Test(events_unit, a_reset_after_an_error_is_told_to_all)
{
    struct scene s = set_up(1, 0);
    struct ear ears[3] = {[1] = {.failures = 1}};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sv_callback_register(s.reader, SV_MESSAGE_APPLICATION, hear, &ears[i]), 0);
    }
    say(s.other, 1);
    cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
    cr_assert(ears[0].count == 1 && ears[1].count == 1 && ears[2].count == 0);
    sv_queue_reset_all(s.other);
    accept_all(s.reader);
    for (int i = 0; i < 3; i++) {
        cr_assert_gt(ears[i].count, 0, "callback %d was told of no reset", i);
        cr_assert_eq(ears[i].heard[ears[i].count - 1], RESET, "callback %d", i);
        cr_assert_leq(ears[i].count, 2, "callback %d", i);
    }
    tear_down(&s);
}

/*
 * Claim:   a reset is told to the callbacks of every kind, once.
 * Method:  a callback of each kind, and accepts after the reset until nothing is left.
 */
Test(events_unit, a_reset_is_told_to_every_kind_once)
{
    struct scene s = set_up(1, 0);
    struct ear ears[SV_MESSAGE_KIND_END] = {0};
    for (int kind = 1; kind < SV_MESSAGE_KIND_END; kind++) {
        cr_assert_eq(sv_callback_register(s.reader, (enum sv_message_kind)kind, hear, &ears[kind]),
                     0);
    }
    sv_queue_reset_all(s.other);
    accept_all(s.reader);
    accept_all(s.reader);
    for (int kind = 1; kind < SV_MESSAGE_KIND_END; kind++) {
        cr_assert_eq(ears[kind].count, 1, "kind %d was told %u times", kind, ears[kind].count);
        cr_assert_eq(ears[kind].heard[0], RESET);
    }
    tear_down(&s);
}

/* A callback in which, at its first call, `portions` times so many messages are sent and read. */
struct flood {
    struct sv_backend *other;
    uint32_t portion;
    uint32_t portions;
    uint32_t calls;
};

static int be_flooded(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct flood *flood = argument;
    if (flood->calls++ > 0) {
        return 0;
    }
    cr_assert_not_null(message);
    for (uint32_t i = 0; i < flood->portions; i++) {
        for (uint32_t n = 0; n < flood->portion; n++) {
            say(flood->other, 1000 + n);
        }
        accept_all(self);
    }
    cr_assert(message->kind == SV_MESSAGE_APPLICATION && message->payload == 1,
              "it is now a message of kind %u, payload %" PRIu64, message->kind, message->payload);
    return 0;
}

/*
 * Claim:   a callback's message stays what it was while the callback runs, whatever it does.
 * Method:  it accepts so many messages that those which wait for callbacks need more room, or, in a
 *          small queue, are given up for a reset.
 */
Test(events_unit, a_callbacks_message_stays_while_it_accepts)
{
    static const struct {
        uint32_t capacity;
        uint32_t calls; /* all messages, or this one and a reset */
    } cases[] = {{64, 2}, {256, 101}};

    for (size_t i = 0; i < 2; i++) {
        struct sv_segment *segment =
            world((struct sv_config){.backends_max = 4, .capacity = cases[i].capacity});
        struct sv_backend *reader = join(segment);
        struct sv_backend *other = join(segment);
        struct flood flood = {.other = other, .portion = 20, .portions = 5};
        cr_assert_eq(sv_callback_register(reader, SV_MESSAGE_APPLICATION, be_flooded, &flood), 0);
        say(other, 1);
        accept_all(reader);
        accept_all(reader);
        cr_assert_eq(counted(segment, SV_STAT_resets_taken), 0, "the queue itself was too small");
        cr_assert_geq(flood.calls, 2, "nothing came in between");
        cr_assert(cases[i].calls != 101 || flood.calls == 101, "%u calls", flood.calls);
        sv_backend_detach(reader);
        sv_backend_detach(other);
        sv_segment_detach(segment);
    }
}
