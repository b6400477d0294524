/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions: who sees what when. Two backends, each with a cache over the same store; messages
 * are also watched in the queue, by a third one that reads it raw.
 *
 * Ids in claims are those of PostgreSQL's bugs that this was.
 */
#include "cache_scene.h"

TestSuite(inval_unit, .timeout = 30);

struct pair {
    struct sv_segment *segment;
    struct fake_store *store;
    struct sv_backend *writer;
    struct fake *writes;
    struct sv_catcache *own;
    struct sv_backend *reader;
    struct fake *reads;
    struct sv_catcache *cache;
    struct sv_backend *witness; /* reads the queue itself */
};

static struct pair set_up_pair(void)
{
    struct pair p = {
        .segment = world((struct sv_config){.backends_max = 8, .capacity = 256, .intent_max = 8}),
        .store = store_new(),
    };
    p.writer = join(p.segment);
    p.reader = join(p.segment);
    p.witness = join(p.segment);
    p.writes = fake_open(p.store);
    p.reads = fake_open(p.store);
    p.own = cache_over(p.writer, p.writes, 1, 0);
    p.cache = cache_over(p.reader, p.reads, 1, 0);
    return p;
}

static void tear_down_pair(struct pair *p)
{
    cr_assert_eq(state_of(p->own).pins, 0);
    sv_backend_detach(p->writer);
    sv_backend_detach(p->reader);
    sv_backend_detach(p->witness);
    sv_segment_detach(p->segment);
    free(p->writes);
    free(p->reads);
    free(p->store);
}

/* How many messages have come since the last time; the newest are in out. */
static uint32_t witnessed(struct pair *p, struct sv_message out[256])
{
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(p->witness, out, 256, &count), 0, "the witness was reset");
    return count;
}

static void assert_witnessed(struct pair *p, uint32_t expected)
{
    struct sv_message out[256];
    const uint32_t count = witnessed(p, out);
    cr_assert_eq(count, expected, "%u messages were sent, not %u", count, expected);
}

static uint32_t intent_of(struct pair *p)
{
    struct sv_slot_state state;
    sv_slot_look(p->segment, sv_backend_slot(p->writer), &state);
    return state.intent;
}

static void begin(struct sv_backend *self)
{
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
}

static void put(struct pair *p, struct sv_keys keys, const char *value)
{
    cr_assert_eq(write_row(p->writer, p->writes, keys, value), 0);
}

/*
 * Claim:   what a transaction writes is nobody else's before its commit, and everybody's after it
 *          and an accept; its own at the end of the command.
 * Method:  both caches are looked at before and after each step.
 */
Test(inval_unit, a_change_is_ones_own_at_command_end_and_everybodys_after_commit)
{
    struct pair p = set_up_pair();
    store_set(p.store, RELATION, KEYS("a"), "old");
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "old");
    ASSERT_VALUE(p.reader, p.cache, KEYS("a"), "old");
    begin(p.writer);
    cr_assert_eq(sv_transaction_level(p.writer), 1);
    put(&p, KEYS("a"), "new");
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "old");
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "new");
    accept_all(p.reader);
    ASSERT_VALUE(p.reader, p.cache, KEYS("a"), "old");
    assert_witnessed(&p, 0);
    cr_assert_eq(intent_of(&p), 0);
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    cr_assert_eq(sv_transaction_level(p.writer), 0);
    assert_witnessed(&p, 1);
    cr_assert_eq(intent_of(&p), 0);
    cr_assert_eq(sv_transaction_version(p.writer), p.store->version);
    ASSERT_VALUE(p.reader, p.cache, KEYS("a"), "old");
    accept_all(p.reader);
    ASSERT_VALUE(p.reader, p.cache, KEYS("a"), "new");
    tear_down_pair(&p);
}

/*
 * Claim:   the commands of a transaction are counted from its own begin, however many messages the
 *          one before had registered, and however it ended.
 * Method:  a transaction of two rows, then one of one row, whose cache is looked at after its
 *          command.
 */
Test(inval_unit, a_transaction_knows_nothing_of_the_one_before)
{
    for (int rolls_back = 0; rolls_back <= 1; rolls_back++) {
        struct pair p = set_up_pair();
        store_set(p.store, RELATION, KEYS("a"), "old");
        begin(p.writer);
        put(&p, KEYS("a"), "first");
        put(&p, KEYS("b"), "first");
        cr_assert_eq(sv_command_end(p.writer), 0);
        if (rolls_back != 0) {
            sv_transaction_rollback(p.writer);
        } else {
            cr_assert_eq(sv_transaction_commit(p.writer), 0);
        }
        begin(p.writer);
        ASSERT_VALUE(p.writer, p.own, KEYS("a"), rolls_back != 0 ? "old" : "first");
        put(&p, KEYS("a"), "second");
        cr_assert_eq(sv_command_end(p.writer), 0);
        ASSERT_VALUE(p.writer, p.own, KEYS("a"), "second");
        cr_assert_eq(sv_transaction_commit(p.writer), 0);
        tear_down_pair(&p);
    }
}

/*
 * Claim:   what the last command wrote is fresh in one's own cache after the commit, without an
 *          accept.
 * Method:  no command end before the commit.
 */
Test(inval_unit, commit_ends_the_last_command)
{
    struct pair p = set_up_pair();
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
    begin(p.writer);
    put(&p, KEYS("a"), "new");
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "new");
    tear_down_pair(&p);
}

/*
 * Claim:   a rollback sends nothing and takes one's own cache back, whether the command had ended
 *          or not (C9).
 * Method:  one row cached by a command that ended, one by a command that had not, both absent
 *          before.
 */
Test(inval_unit, a_rollback_sends_nothing_and_undoes_ones_own_cache)
{
    struct pair p = set_up_pair();
    begin(p.writer);
    put(&p, KEYS("a"), "1");
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "1");
    put(&p, KEYS("b"), "2");
    ASSERT_VALUE(p.writer, p.own, KEYS("b"), "2");
    sv_transaction_rollback(p.writer);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
    ASSERT_VALUE(p.writer, p.own, KEYS("b"), NULL);
    assert_witnessed(&p, 0);
    cr_assert_str_eq(p.writes->log, "x ");
    cr_assert_eq(counted(p.segment, SV_STAT_rollbacks), 1);
    tear_down_pair(&p);
}

/*
 * Claim:   a subtransaction's messages go to its parent on release and vanish on rollback, also
 *          when the levels between have none of their own (I18).
 * Method:  levels 1 to 4, writes on 1 and 4, one on 3 after 4 was rolled back; what is sent.
 */
Test(inval_unit, messages_of_levels_go_up_or_vanish)
{
    struct pair p = set_up_pair();
    struct sv_message out[256];
    begin(p.writer);
    put(&p, KEYS("a"), "1");
    for (int level = 2; level <= 4; level++) {
        cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
    }
    put(&p, KEYS("b"), "2");
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("b"), "2");
    sv_subtransaction_rollback(p.writer);
    ASSERT_VALUE(p.writer, p.own, KEYS("b"), NULL);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "1");
    put(&p, KEYS("c"), "3");
    cr_assert_eq(sv_subtransaction_release(p.writer), 0);
    cr_assert_eq(sv_subtransaction_release(p.writer), 0);
    cr_assert_eq(sv_transaction_level(p.writer), 1);
    cr_assert_str_eq(p.writes->log, "b2 b3 b4 x4 r3 r2 ");
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    cr_assert_eq(witnessed(&p, out), 2);
    cr_assert_eq(out[0].catcache.hash, about_row(KEYS("a")).catcache.hash);
    cr_assert_eq(out[1].catcache.hash, about_row(KEYS("c")).catcache.hash);
    ASSERT_VALUE(p.writer, p.own, KEYS("b"), NULL);
    ASSERT_VALUE(p.reader, p.cache, KEYS("c"), "3");
    tear_down_pair(&p);
}

/*
 * Claim:   the parent's current command ends with what its child handed up: nothing of either is
 *          skipped at the parent's next command end.
 * Method:  the parent writes, does not end its command, opens and releases a child that writes; the
 *          parent's row was cached before its write.
 */
Test(inval_unit, a_parents_open_command_survives_a_child)
{
    struct pair p = set_up_pair();
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
    begin(p.writer);
    put(&p, KEYS("a"), "1");
    cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
    put(&p, KEYS("b"), "2");
    cr_assert_eq(sv_subtransaction_release(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "1");
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    assert_witnessed(&p, 2);
    tear_down_pair(&p);
}

/*
 * Claim:   a level's rollback forgets what its released children had handed up.
 * Method:  write in level 3, release it, roll back level 2.
 */
Test(inval_unit, rollback_of_a_level_takes_what_its_children_released)
{
    struct pair p = set_up_pair();
    begin(p.writer);
    cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
    cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
    put(&p, KEYS("a"), "1");
    cr_assert_eq(sv_subtransaction_release(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "1");
    sv_subtransaction_rollback(p.writer);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    assert_witnessed(&p, 0);
    tear_down_pair(&p);
}

/*
 * Claim:   a hundred levels are as good as one.
 * Method:  a write in each, then release and roll back in turn.
 */
Test(inval_unit, a_hundred_levels)
{
    struct pair p = set_up_pair();
    begin(p.writer);
    for (uint64_t level = 2; level <= 100; level++) {
        cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
        cr_assert_eq(sv_invalidate_application(p.writer, level, false), 0);
    }
    cr_assert_eq(sv_transaction_level(p.writer), 100);
    for (uint32_t level = 100; level >= 2; level--) {
        if (level > 50) {
            sv_subtransaction_rollback(p.writer);
        } else {
            cr_assert_eq(sv_subtransaction_release(p.writer), 0);
        }
    }
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    assert_witnessed(&p, 49);
    tear_down_pair(&p);
}

/*
 * Claim:   a change in place is told at rollback as at commit, and no rollback of a level loses it
 *          (I1, I2). A transactional message beside it is told at commit only.
 * Method:  one of each in a level that is rolled back, then the transaction's end.
 */
Test(inval_unit, a_change_in_place_is_told_whatever_the_end)
{
    for (int commit = 0; commit < 2; commit++) {
        struct pair p = set_up_pair();
        struct sv_message out[256];
        const struct sv_message in_place = about_row(KEYS("a"));
        ASSERT_VALUE(p.writer, p.own, KEYS("a"), NULL);
        ASSERT_VALUE(p.reader, p.cache, KEYS("a"), NULL);
        begin(p.writer);
        put(&p, KEYS("b"), "1");
        cr_assert_eq(sv_subtransaction_begin(p.writer), 0);
        store_set(p.store, RELATION, KEYS("a"), "in place");
        cr_assert_eq(sv_invalidate_in_place(p.writer, &in_place), 0);
        ASSERT_VALUE(p.writer, p.own, KEYS("a"), "in place");
        cr_assert_eq(intent_of(&p), 1, "who kills this backend now makes others read stale");
        sv_subtransaction_rollback(p.writer);
        assert_witnessed(&p, 0);
        if (commit == 1) {
            cr_assert_eq(sv_transaction_commit(p.writer), 0);
        } else {
            sv_transaction_rollback(p.writer);
        }
        cr_assert_eq(witnessed(&p, out), commit == 1 ? 2 : 1);
        cr_assert_eq(out[commit].catcache.hash, in_place.catcache.hash);
        cr_assert_eq(intent_of(&p), 0);
        accept_all(p.reader);
        ASSERT_VALUE(p.reader, p.cache, KEYS("a"), "in place");
        tear_down_pair(&p);
    }
}

/*
 * Claim:   a change in place stays promised while other messages are sent in between.
 * Method:  sv_send_messages inside the transaction; the intent before and after.
 */
Test(inval_unit, sending_in_between_keeps_the_promise_of_a_change_in_place)
{
    struct pair p = set_up_pair();
    const struct sv_message a = about_row(KEYS("a"));
    const struct sv_message b = about_row(KEYS("b"));
    begin(p.writer);
    cr_assert_eq(sv_invalidate_in_place(p.writer, &a), 0);
    cr_assert_eq(sv_invalidate_in_place(p.writer, &b), 0);
    sv_send_messages(p.writer, &b, 1);
    assert_witnessed(&p, 1);
    cr_assert_eq(intent_of(&p), 2);
    sv_transaction_rollback(p.writer);
    assert_witnessed(&p, 2);
    cr_assert_eq(intent_of(&p), 0);
    tear_down_pair(&p);
}

/*
 * Claim:   equal messages of a command are one; of two commands, two.
 * Method:  the same row written three times, then once more after a command end.
 */
Test(inval_unit, equal_messages_of_a_command_are_one)
{
    struct pair p = set_up_pair();
    begin(p.writer);
    put(&p, KEYS("a"), "1");
    put(&p, KEYS("a"), "2");
    put(&p, KEYS("a"), "3");
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "3");
    put(&p, KEYS("a"), "4");
    cr_assert_eq(sv_command_end(p.writer), 0);
    ASSERT_VALUE(p.writer, p.own, KEYS("a"), "4");
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    assert_witnessed(&p, 2);
    tear_down_pair(&p);
}

/*
 * Claim:   each way of registering makes the message it says, for this backend's database or for
 *          all; outside a transaction it is sent at once.
 * Method:  a backend of database 5; every function, both ways, inside and outside.
 */
Test(inval_unit, each_kind_is_registered_as_it_says)
{
    struct pair p = set_up_pair();
    struct sv_backend *self = NULL;
    struct sv_message out[256];
    const struct sv_backend_options options = {.database = 5};
    cr_assert_eq(sv_backend_attach(p.segment, &options, &self), 0);
    for (int inside = 0; inside < 2; inside++) {
        if (inside == 1) {
            begin(self);
        }
        for (int shared = 0; shared < 2; shared++) {
            cr_assert_eq(sv_invalidate_catcache(self, 1, 2, shared != 0), 0);
            cr_assert_eq(sv_invalidate_catalog(self, 3, shared != 0), 0);
            cr_assert_eq(sv_invalidate_relation(self, 4, shared != 0), 0);
            cr_assert_eq(sv_invalidate_smgr(self, 5, shared != 0), 0);
            cr_assert_eq(sv_invalidate_relmap(self, shared != 0), 0);
            cr_assert_eq(sv_invalidate_snapshot(self, 6, shared != 0), 0);
            cr_assert_eq(sv_invalidate_application(self, UINT64_C(7) << 40, shared != 0), 0);
        }
        if (inside == 1) {
            assert_witnessed(&p, 0);
            cr_assert_eq(sv_transaction_commit(self), 0);
        }
        cr_assert_eq(witnessed(&p, out), 14);
        for (uint32_t i = 0; i < 14; i++) {
            const uint32_t relations[] = {0, 3, 4, 5, 0, 6};
            cr_assert_eq(out[i].kind, SV_MESSAGE_CATCACHE + i % 7);
            cr_assert_eq(out[i].database, i < 7 ? 5 : 0);
            cr_assert_eq(out[i].reserved[0] | out[i].reserved[1] | out[i].reserved[2], 0);
            if (i % 7 == 0) {
                cr_assert(out[i].catcache.cache == 1 && out[i].catcache.hash == 2);
            } else if (i % 7 == 6) {
                cr_assert_eq(out[i].payload, UINT64_C(7) << 40);
            } else {
                cr_assert_eq(out[i].relation.relation, relations[i % 7]);
                cr_assert_eq(out[i].relation.reserved, 0);
            }
        }
    }
    sv_backend_detach(self);
    tear_down_pair(&p);
}

/*
 * Claim:   more messages than an intent holds, and than a batch, are all sent, in order.
 * Method:  200 of them, intent_max 8.
 */
Test(inval_unit, a_large_transaction_sends_every_message)
{
    struct pair p = set_up_pair();
    struct sv_message out[256];
    begin(p.writer);
    for (uint64_t i = 0; i < 200; i++) {
        cr_assert_eq(sv_invalidate_application(p.writer, i, true), 0);
    }
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    cr_assert_eq(witnessed(&p, out), 200);
    for (uint64_t i = 0; i < 200; i++) {
        cr_assert_eq(out[i].payload, i);
    }
    tear_down_pair(&p);
}

/*
 * Claim:   a transaction without messages sends nothing, with or without sources, and a message
 *          without a source is sent (I3).
 * Method:  the three cases, looked at in the queue.
 */
Test(inval_unit, nothing_to_say_sends_nothing)
{
    struct pair p = set_up_pair();
    struct sv_transaction_id first;
    struct sv_transaction_id second;
    cr_assert_eq(sv_transaction_begin(p.writer, &first), 0);
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    cr_assert_eq(sv_transaction_begin(p.writer, &second), 0);
    cr_assert_gt(second.local, first.local);
    cr_assert_eq(second.slot, sv_backend_slot(p.writer));
    cr_assert_eq(sv_transaction_enlist(p.writer, &p.writes->source), 0);
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    cr_assert_str_eq(p.writes->log, "c ");
    assert_witnessed(&p, 0);
    begin(p.writer);
    cr_assert_eq(sv_invalidate_relation(p.writer, 1, false), 0);
    cr_assert_eq(sv_transaction_commit(p.writer), 0);
    assert_witnessed(&p, 1);
    cr_assert_eq(counted(p.segment, SV_STAT_commits), 3);
    tear_down_pair(&p);
}

/*
 * Claim:   a backend that detaches inside a transaction rolls it back; what it changed in place is
 *          told.
 * Method:  detach with a write and an in-place change; the queue.
 */
Test(inval_unit, detach_rolls_back)
{
    struct pair p = set_up_pair();
    struct sv_message out[256];
    struct sv_backend *self = join(p.segment);
    const struct sv_message in_place = about_row(KEYS("a"));
    begin(self);
    cr_assert_eq(sv_subtransaction_begin(self), 0);
    cr_assert_eq(write_row(self, p.writes, KEYS("b"), "1"), 0);
    cr_assert_eq(sv_invalidate_in_place(self, &in_place), 0);
    sv_backend_detach(self);
    cr_assert_str_eq(p.writes->log, "b2 x ");
    cr_assert_eq(witnessed(&p, out), 1);
    cr_assert_eq(out[0].catcache.hash, in_place.catcache.hash);
    tear_down_pair(&p);
}
