/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a source, a callback or a program registers at an odd moment is promised, sent and applied
 * like anything else: from within a write, a release, a commit; and before a change in place.
 */
#include <errno.h>

#include "cache/inval.h"
#include "cache_scene.h"

TestSuite(registers_unit, .timeout = 30);

#define BEFORE_MAX 40

enum { NUMBER = 77 };

/* What the functions below do, and how; and what they saw. */
static struct {
    int (*act)(struct sv_backend *self);
    uint32_t intent_before;
    uint32_t intent_after;
} odd;

static int (*fake_own_write)(struct sv_source *, struct sv_backend *, uint32_t,
                             const struct sv_keys *, const struct sv_tuple *);
static int (*fake_own_commit)(struct sv_source *, struct sv_backend *, uint64_t *);

static uint32_t intent_of(struct sv_backend *self)
{
    struct sv_slot_state state;
    sv_slot_look(sv_backend_segment(self), sv_backend_slot(self), &state);
    return state.intent;
}

static int act(struct sv_backend *self)
{
    odd.intent_before = intent_of(self);
    const int result = odd.act(self);
    odd.intent_after = intent_of(self);
    return result;
}

static int write_and_act(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                         const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    const int result = act(self);
    return result != 0 ? result : fake_own_write(source, self, relation, keys, tuple);
}

static int commit_and_act(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    const int result = act(self);
    return result != 0 ? result : fake_own_commit(source, self, version);
}

static void roll_back_and_register(struct sv_source *source, struct sv_backend *self)
{
    cr_assert_eq(sv_invalidate_relation(self, RELATION, true), 0);
    fake_rollback(source, self);
}

static struct scene set_up_odd(int (*act_so)(struct sv_backend *self))
{
    struct scene scene = set_up(1, 0);
    odd.act = act_so;
    fake_own_write = scene.fake->source.write;
    fake_own_commit = scene.fake->source.commit;
    return scene;
}

static int register_relation(struct sv_backend *self)
{
    return sv_invalidate_relation(self, RELATION, true);
}

static int register_number(struct sv_backend *self)
{
    return sv_invalidate_application(self, NUMBER, true);
}

static int change_in_place(struct sv_backend *self)
{
    const struct sv_message message = numbered(NUMBER);
    return sv_invalidate_in_place(self, &message);
}

static int send_number(struct sv_backend *self)
{
    const struct sv_message message = numbered(NUMBER);
    sv_send_messages(self, &message, 1);
    return 0;
}

static int register_and_fail(struct sv_backend *self)
{
    return register_relation(self) != 0 ? -ENOMEM : -EIO;
}

/* How many messages of a kind the other one reads, of all that are there. */
static uint32_t received(struct scene *s, uint8_t kind)
{
    struct sv_message out[64];
    uint32_t count = 0;
    uint32_t found = 0;
    cr_assert_eq(sv_queue_read(s->other, out, 64, &count), 0);
    for (uint32_t i = 0; i < count; i++) {
        found += out[i].kind == kind;
    }
    return found;
}

/*
 * Claim:   a source's write may register messages of its own: there is room for those and for the
 *          one of the write, however many there were before.
 * Method:  0 to 40 messages before; all come, and the array is never fuller than it is large.
 */
Test(registers_unit, a_write_may_register)
{
    for (uint32_t before = 0; before <= BEFORE_MAX; before++) {
        struct scene s = set_up_odd(register_relation);
        s.fake->source.write = write_and_act;
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        for (uint32_t i = 0; i < before; i++) {
            cr_assert_eq(sv_invalidate_application(s.reader, i, true), 0);
        }
        cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), 0);
        const struct sv_messages *messages = &s.reader->inval->messages;
        cr_assert_leq(messages->count, messages->size, "%u before", before);
        cr_assert_eq(messages->count, before + 2);
        cr_assert_eq(sv_transaction_commit(s.reader), 0);
        struct sv_message out[BEFORE_MAX + 3];
        uint32_t count = 0;
        cr_assert_eq(sv_queue_read(s.other, out, BEFORE_MAX + 3, &count), 0);
        cr_assert_eq(count, before + 2);
        tear_down(&s);
    }
}

/*
 * Claim:   a write that fails leaves no message of its own, and takes away no other one.
 * Method:  a message, the same as that of the write; then writes that fail before and after
 *          registering.
 */
Test(registers_unit, a_write_that_fails_leaves_what_was_registered)
{
    struct scene s = set_up_odd(register_and_fail);
    const struct sv_messages *messages = &s.reader->inval->messages;
    cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
    s.fake->fail_write = -EIO;
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), -EIO);
    cr_assert_eq(messages->count, 0);
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), 0);
    s.fake->fail_write = -EIO;
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "newer"), -EIO);
    cr_assert_eq(messages->count, 1);
    s.fake->source.write = write_and_act;
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("b"), "new"), -EIO);
    sv_transaction_rollback(s.reader);
    tear_down(&s);
}

/*
 * Claim:   what a source's commit registers, or says to have changed in place, is promised from
 *          then on, and sent.
 */
Test(registers_unit, a_commit_may_register)
{
    int (*const ways[])(struct sv_backend * self) = {register_number, change_in_place};
    for (size_t i = 0; i < 2; i++) {
        struct scene s = set_up_odd(ways[i]);
        s.fake->source.commit = commit_and_act;
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), 0);
        cr_assert_eq(sv_transaction_commit(s.reader), 0);
        cr_assert_eq(odd.intent_before, 1);
        cr_assert_eq(odd.intent_after, 2, "way %zu: %u are promised", i, odd.intent_after);
        cr_assert_eq(intent_of(s.reader), 0);
        cr_assert_eq(received(&s, SV_MESSAGE_APPLICATION), 1, "way %zu: lost", i);
        tear_down(&s);
    }
}

/*
 * Claim:   a commit that fails after it has registered leaves no promise: what was changed in place
 *          is sent, other messages are not; nor is what the rollback after it registers.
 */
Test(registers_unit, a_commit_may_register_and_fail)
{
    int (*const ways[])(struct sv_backend * self) = {register_number, change_in_place};
    for (uint32_t i = 0; i < 2; i++) {
        struct scene s = set_up_odd(ways[i]);
        s.fake->source.commit = commit_and_act;
        s.fake->source.rollback = roll_back_and_register;
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), 0);
        s.fake->fail_commit = -EIO;
        cr_assert_eq(sv_transaction_commit(s.reader), -EIO);
        cr_assert_eq(intent_of(s.reader), 0, "way %u: a promise is left", i);
        cr_assert_eq(received(&s, SV_MESSAGE_APPLICATION), i);
        tear_down(&s);
    }
}

/*
 * Claim:   messages that are sent at once in the middle of a commit, or under an intent of one's
 *          own, take no promise away: not of messages, and not that everyone will be reset.
 */
Test(registers_unit, what_is_sent_at_once_takes_no_promise_away)
{
    struct scene s = set_up_odd(send_number);
    s.fake->source.commit = commit_and_act;
    for (uint32_t more = 0; more < 2; more++) {
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "new"), 0);
        for (uint32_t i = 0; more > 0 && i < s.segment->config.intent_max; i++) {
            cr_assert_eq(sv_invalidate_application(s.reader, i, true), 0);
        }
        cr_assert_eq(sv_transaction_commit(s.reader), 0);
        cr_assert_eq(odd.intent_before, more > 0 ? UINT32_MAX : 1);
        cr_assert_eq(odd.intent_after, odd.intent_before, "%u became %u", odd.intent_before,
                     odd.intent_after);
        cr_assert_eq(intent_of(s.reader), 0);
    }
    const struct sv_message message = numbered(1);
    sv_intent_declare(s.reader, &message, 1);
    cr_assert_eq(send_number(s.reader), 0);
    cr_assert_eq(intent_of(s.reader), 1);
    sv_intent_withdraw(s.reader);
    tear_down(&s);
}

/* The row "a" is read, and becomes "new": registered here, as who has changed it does. */
static int change_row(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct scene *s = argument;
    (void)message;
    if (s->left-- <= 0) {
        return 0;
    }
    store_set(s->store, RELATION, KEYS("a"), "new");
    const struct sv_keys keys = KEYS("a");
    return sv_invalidate_catcache(self, RELATION, sv_keys_hash(&keys), true);
}

/*
 * Claim:   what a callback registers while a level is released belongs to the parent's current
 *          command, and is applied at its end, at commit as well.
 * Method:  a row is cached; the callback of another message changes it during the release.
 */
Test(registers_unit, what_is_registered_during_a_release_is_applied)
{
    for (int commits = 0; commits < 2; commits++) {
        struct scene s = set_up(1, 0);
        store_set(s.store, RELATION, KEYS("a"), "old");
        s.left = 1;
        cr_assert_eq(sv_callback_register(s.reader, SV_MESSAGE_APPLICATION, change_row, &s), 0);
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "old");
        cr_assert_eq(sv_subtransaction_begin(s.reader), 0);
        cr_assert_eq(sv_invalidate_application(s.reader, NUMBER, true), 0);
        cr_assert_eq(sv_subtransaction_release(s.reader), 0);
        cr_assert_eq(s.left, 0, "it was not called");
        if (commits == 0) {
            cr_assert_eq(sv_command_end(s.reader), 0);
            ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
        }
        cr_assert_eq(sv_transaction_commit(s.reader), 0);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
        tear_down(&s);
    }
}

static int end_command(struct sv_backend *self)
{
    return sv_command_end(self);
}

static int commit(struct sv_backend *self)
{
    return sv_transaction_commit(self);
}

static int roll_back(struct sv_backend *self)
{
    sv_transaction_rollback(self);
    return 0;
}

static int roll_level_back(struct sv_backend *self)
{
    sv_subtransaction_rollback(self);
    return 0;
}

/*
 * Claim:   a row that is read between the word that it will be changed in place and the change is
 *          fresh for who changes it, too, from the end of that command on, whichever way it ends.
 */
Test(registers_unit, who_changes_in_place_sees_it_at_the_end_of_the_command)
{
    int (*const ends[])(struct sv_backend * self) = {end_command, commit, roll_back,
                                                     roll_level_back};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct scene s = set_up(1, 0);
        const struct sv_message message = about_row(KEYS("a"));
        store_set(s.store, RELATION, KEYS("a"), "old");
        cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
        cr_assert_eq(sv_subtransaction_begin(s.reader), 0);
        if (ends[i] == commit) {
            cr_assert_eq(sv_subtransaction_release(s.reader), 0);
        }
        cr_assert_eq(sv_invalidate_in_place(s.reader, &message), 0);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "old");
        store_set(s.store, RELATION, KEYS("a"), "new");
        cr_assert_eq(ends[i](s.reader), 0);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
        tear_down(&s);
    }
}
