/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Backends that only send: what they read nothing of, but owe their own caches and callbacks.
 */
#include "support.h"

TestSuite(send_only_unit, .timeout = 30);

/* What a callback was called for. */
struct listener {
    uint32_t messages;
    uint32_t resets; /* called with NULL: everything is discarded */
};

static int listen(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct listener *listener = argument;
    (void)self;
    listener->messages += message != NULL;
    listener->resets += message == NULL;
    return 0;
}

/* A backend that only sends, with a callback. */
static struct sv_backend *join_sender(struct sv_segment *segment, bool discard_caches,
                                      struct listener *listener)
{
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.send_only = true, .discard_caches = discard_caches};
    cr_assert_eq(sv_backend_attach(segment, &options, &self), 0);
    cr_assert_eq(sv_callback_register(self, SV_MESSAGE_APPLICATION, listen, listener), 0);
    return self;
}

/*
 * Claim:   the end of a command calls the callbacks for the transaction's own messages, also of
 *          who only sends.
 * Method:  no message, one, then two more; calls are counted after each command.
 */
Test(send_only_unit, its_own_messages_are_told_at_command_end)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct listener listener = {0};
    struct sv_backend *self = join_sender(segment, false, &listener);
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    uint32_t expected = 0;
    for (uint32_t count = 0; count <= 2; count++) {
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_eq(sv_invalidate_application(self, i, true), 0);
        }
        cr_assert_eq(listener.messages, expected, "before the command's end");
        cr_assert_eq(sv_command_end(self), 0);
        expected += count;
        cr_assert_eq(listener.messages, expected);
    }
    cr_assert_eq(sv_transaction_commit(self), 0);
    cr_assert_eq(listener.resets, 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   discard_caches discards everything at every accept, also of who only sends; without it,
 *          no accept of who only sends does.
 * Method:  five accepts with it, and five without; callbacks are told NULL.
 */
Test(send_only_unit, discard_caches_discards_at_its_accepts_too)
{
    for (int discard = 0; discard < 2; discard++) {
        struct sv_segment *segment = world((struct sv_config){0});
        struct listener listener = {0};
        struct sv_backend *self = join_sender(segment, discard == 1, &listener);
        for (uint32_t i = 1; i <= 5; i++) {
            cr_assert_eq(sv_accept_messages(self), 0);
            cr_assert_eq(listener.resets, discard == 1 ? i : 0);
        }
        cr_assert_eq(listener.messages, 0);
        sv_backend_detach(self);
        sv_segment_detach(segment);
    }
}
