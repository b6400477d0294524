/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions whose sources or callbacks fail: either all is told, or nothing has happened.
 */
#include "cache_scene.h"

TestSuite(transaction_fault, .timeout = 30);

/* A writer with up to five sources over one store, and a witness who reads the queue itself. */
struct sources {
    struct sv_segment *segment;
    struct fake_store *store;
    struct sv_backend *writer;
    struct sv_backend *witness;
    struct fake *fakes[5];
    struct sv_catcache *cache; /* over fakes[0] */
};

static struct sources set_up_sources(void)
{
    struct sources s = {.segment = world(cache_world), .store = store_new()};
    s.writer = join(s.segment);
    s.witness = join(s.segment);
    for (int i = 0; i < 5; i++) {
        s.fakes[i] = fake_open(s.store);
    }
    s.cache = cache_over(s.writer, s.fakes[0], 1, 0);
    return s;
}

static void tear_down_sources(struct sources *s)
{
    sv_backend_detach(s->writer);
    sv_backend_detach(s->witness);
    sv_segment_detach(s->segment);
    for (int i = 0; i < 5; i++) {
        free(s->fakes[i]);
    }
    free(s->store);
}

static uint32_t sent(struct sources *s)
{
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(s->witness, out, 64, &count), 0);
    return count;
}

static void assert_no_intent(struct sources *s)
{
    struct sv_slot_state state;
    sv_slot_look(s->segment, sv_backend_slot(s->writer), &state);
    cr_assert_eq(state.intent, 0, "an intent of %u messages is left", state.intent);
}

static void begin_and_write(struct sources *s, int source_count)
{
    const char *const keys[] = {"a", "b", "c", "d"};
    cr_assert_eq(sv_transaction_begin(s->writer, NULL), 0);
    for (int i = 0; i < source_count; i++) {
        cr_assert_eq(write_row(s->writer, s->fakes[i], KEYS(keys[i]), "new"), 0);
    }
}

/*
 * Claim:   a source that refuses or fails to commit ends the transaction as a rollback does:
 *          nothing is sent, one's own cache is taken back, no intent stays, the result is passed.
 * Method:  SV_CONFLICT, -EIO, and SV_FULL (which becomes -ENOSPC); then a transaction that works.
 */
Test(transaction_fault, a_source_that_fails_to_commit_rolls_back)
{
    const int failures[] = {SV_CONFLICT, -EIO, SV_FULL};
    const int results[] = {SV_CONFLICT, -EIO, -ENOSPC};
    for (int i = 0; i < 3; i++) {
        struct sources s = set_up_sources();
        begin_and_write(&s, 1);
        cr_assert_eq(sv_command_end(s.writer), 0);
        ASSERT_VALUE(s.writer, s.cache, KEYS("a"), "new");
        s.fakes[0]->fail_commit = failures[i];
        cr_assert_eq(sv_transaction_commit(s.writer), results[i]);
        cr_assert_str_eq(s.fakes[0]->log, "C x ");
        cr_assert_eq(sv_transaction_level(s.writer), 0);
        ASSERT_VALUE(s.writer, s.cache, KEYS("a"), NULL);
        cr_assert_eq(sent(&s), 0);
        assert_no_intent(&s);
        begin_and_write(&s, 1);
        cr_assert_eq(sv_transaction_commit(s.writer), 0);
        cr_assert_eq(sent(&s), 1);
        tear_down_sources(&s);
    }
}

/*
 * Claim:   when a source fails after another has committed, everything is told all the same, the
 *          rest is rolled back, and the failure is returned.
 * Method:  the second of three fails; the store has the first one's row only.
 */
Test(transaction_fault, a_failure_after_a_commit_tells_everything)
{
    struct sources s = set_up_sources();
    begin_and_write(&s, 3);
    s.fakes[1]->fail_commit = -EIO;
    cr_assert_eq(sv_transaction_commit(s.writer), -EIO);
    cr_assert_str_eq(s.fakes[0]->log, "c ");
    cr_assert_str_eq(s.fakes[1]->log, "C x ");
    cr_assert_str_eq(s.fakes[2]->log, "x ");
    cr_assert_eq(sent(&s), 3);
    cr_assert_eq(counted(s.segment, SV_STAT_rollbacks), 1);
    cr_assert_eq(counted(s.segment, SV_STAT_commits), 0);
    assert_no_intent(&s);
    ASSERT_VALUE(s.writer, s.cache, KEYS("a"), "new");
    ASSERT_VALUE(s.writer, s.cache, KEYS("b"), NULL);
    cr_assert_eq(sv_transaction_level(s.writer), 0);
    tear_down_sources(&s);
}

/*
 * Claim:   a change in place is told although the commit fails.
 * Method:  one beside a write, and a source that refuses.
 */
Test(transaction_fault, a_change_in_place_is_told_when_the_commit_fails)
{
    struct sources s = set_up_sources();
    const struct sv_message in_place = about_row(KEYS("z"));
    begin_and_write(&s, 1);
    cr_assert_eq(sv_invalidate_in_place(s.writer, &in_place), 0);
    s.fakes[0]->fail_commit = SV_CONFLICT;
    cr_assert_eq(sv_transaction_commit(s.writer), SV_CONFLICT);
    cr_assert_eq(sent(&s), 1);
    assert_no_intent(&s);
    tear_down_sources(&s);
}

/*
 * Claim:   a write that fails registers nothing and leaves the transaction usable.
 * Method:  SV_CONFLICT from the source, then a commit.
 */
Test(transaction_fault, a_write_that_fails_registers_nothing)
{
    struct sources s = set_up_sources();
    begin_and_write(&s, 0);
    s.fakes[0]->fail_write = SV_CONFLICT;
    cr_assert_eq(write_row(s.writer, s.fakes[0], KEYS("a"), "1"), SV_CONFLICT);
    cr_assert_eq(sv_transaction_commit(s.writer), 0);
    cr_assert_eq(sent(&s), 0);
    tear_down_sources(&s);
}

/*
 * Claim:   sources commit in the order of their first write, and a fifth is told there is no room.
 * Method:  four enlisted out of order, one twice, then one more.
 */
Test(transaction_fault, four_sources_fit)
{
    struct sources s = set_up_sources();
    begin_and_write(&s, 0);
    for (int i = 3; i >= 0; i--) {
        cr_assert_eq(sv_transaction_enlist(s.writer, &s.fakes[i]->source), 0);
        cr_assert_eq(sv_transaction_enlist(s.writer, &s.fakes[3]->source), 0);
    }
    cr_assert_eq(sv_transaction_enlist(s.writer, &s.fakes[4]->source), SV_FULL);
    cr_assert_eq(write_row(s.writer, s.fakes[4], KEYS("a"), "1"), SV_FULL);
    cr_assert_eq(sv_transaction_commit(s.writer), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_str_eq(s.fakes[i]->log, "c ");
    }
    cr_assert_str_eq(s.fakes[4]->log, "");
    tear_down_sources(&s);
}

/* A commit of a source in which nothing was written. */
static int commit_nothing(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    (void)self;
    *version = 0;
    fake_note(fake_of(source), 'c', 0);
    return 0;
}

/*
 * Claim:   the version of a commit is that of what was written, whichever of its sources was
 *          written to, and in whatever order they commit.
 * Method:  two sources, one of them enlisted only: the last, then the first.
 */
Test(transaction_fault, the_version_is_that_of_what_was_written)
{
    for (int written = 0; written < 2; written++) {
        struct sources s = set_up_sources();
        s.store->version = 40;
        s.fakes[1 - written]->source.commit = commit_nothing;
        begin_and_write(&s, 0);
        cr_assert_eq(sv_transaction_enlist(s.writer, &s.fakes[0]->source), 0);
        cr_assert_eq(sv_transaction_enlist(s.writer, &s.fakes[1]->source), 0);
        cr_assert_eq(write_row(s.writer, s.fakes[written], KEYS("a"), "new"), 0);
        cr_assert_eq(sv_transaction_commit(s.writer), 0);
        cr_assert_str_eq(s.fakes[1 - written]->log, "c ");
        cr_assert_eq(sv_transaction_version(s.writer), 41, "source %d was written to", written);
        tear_down_sources(&s);
    }
}

/*
 * Claim:   the version is that of the last commit, also after a transaction that was rolled back.
 * Method:  a commit, then a rollback with nothing written, and one of a write.
 */
Test(transaction_fault, a_rollback_leaves_the_version_of_the_last_commit)
{
    struct sources s = set_up_sources();
    cr_assert_eq(sv_transaction_version(s.writer), 0);
    s.store->version = 40;
    begin_and_write(&s, 1);
    cr_assert_eq(sv_transaction_commit(s.writer), 0);
    cr_assert_eq(sv_transaction_version(s.writer), 41);
    for (int written = 0; written < 2; written++) {
        begin_and_write(&s, written);
        sv_transaction_rollback(s.writer);
        cr_assert_eq(sv_transaction_version(s.writer), 41, "%d rows rolled back", written);
    }
    tear_down_sources(&s);
}

/*
 * Claim:   a source that comes late is told of the levels that are open already, and one that
 *          cannot open them is not enlisted.
 * Method:  enlisted at level 3, then one whose level 2 fails.
 */
Test(transaction_fault, a_source_that_comes_late_is_told_the_levels)
{
    struct sources s = set_up_sources();
    begin_and_write(&s, 0);
    cr_assert_eq(sv_subtransaction_begin(s.writer), 0);
    cr_assert_eq(sv_subtransaction_begin(s.writer), 0);
    cr_assert_eq(write_row(s.writer, s.fakes[0], KEYS("a"), "1"), 0);
    s.fakes[1]->fail_begin = -EIO;
    cr_assert_eq(write_row(s.writer, s.fakes[1], KEYS("b"), "1"), -EIO);
    sv_subtransaction_rollback(s.writer);
    cr_assert_eq(sv_subtransaction_release(s.writer), 0);
    cr_assert_eq(sv_transaction_commit(s.writer), 0);
    cr_assert_str_eq(s.fakes[0]->log, "b2 b3 x3 r2 c ");
    cr_assert_str_eq(s.fakes[1]->log, "B2 x ");
    tear_down_sources(&s);
}

/*
 * Claim:   a level that one source cannot open is open in none.
 * Method:  the second of three fails to begin; then it works.
 */
Test(transaction_fault, a_level_opens_in_all_sources_or_in_none)
{
    struct sources s = set_up_sources();
    begin_and_write(&s, 3);
    s.fakes[1]->fail_begin = -ENOSPC;
    cr_assert_eq(sv_subtransaction_begin(s.writer), -ENOSPC);
    cr_assert_eq(sv_transaction_level(s.writer), 1);
    cr_assert_str_eq(s.fakes[0]->log, "b2 x2 ");
    cr_assert_str_eq(s.fakes[1]->log, "B2 ");
    cr_assert_str_eq(s.fakes[2]->log, "");
    cr_assert_eq(sv_subtransaction_begin(s.writer), 0);
    sv_transaction_rollback(s.writer);
    tear_down_sources(&s);
}

/*
 * Claim:   a release that fails leaves the level open; done again it goes on where it stopped;
 *          rolled back instead, what one source has released already cannot be undone, so the
 *          transaction cannot commit.
 * Method:  the second of two fails once; both ways.
 */
Test(transaction_fault, a_release_that_fails_can_be_done_again_or_dooms)
{
    for (int again = 0; again < 2; again++) {
        struct sources s = set_up_sources();
        begin_and_write(&s, 2);
        cr_assert_eq(sv_subtransaction_begin(s.writer), 0);
        cr_assert_eq(write_row(s.writer, s.fakes[0], KEYS("x"), "1"), 0);
        s.fakes[1]->fail_release = -EIO;
        cr_assert_eq(sv_subtransaction_release(s.writer), -EIO);
        cr_assert_eq(sv_transaction_level(s.writer), 2);
        if (again == 1) {
            cr_assert_eq(sv_subtransaction_release(s.writer), 0);
            cr_assert_eq(sv_transaction_commit(s.writer), 0);
            cr_assert_str_eq(s.fakes[0]->log, "b2 r2 c ");
            cr_assert_str_eq(s.fakes[1]->log, "b2 R2 r2 c ");
            cr_assert_eq(sent(&s), 3);
        } else {
            sv_subtransaction_rollback(s.writer);
            cr_assert_eq(sv_transaction_commit(s.writer), -ECANCELED);
            cr_assert_str_eq(s.fakes[0]->log, "b2 r2 x ");
            cr_assert_eq(sent(&s), 0);
            ASSERT_VALUE(s.writer, s.cache, KEYS("x"), NULL);
        }
        begin_and_write(&s, 1);
        cr_assert_eq(sv_transaction_commit(s.writer), 0);
        tear_down_sources(&s);
    }
}

struct failing {
    int failures; /* still to come */
    int calls;
};

static int fail_a_while(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct failing *failing = argument;
    (void)self;
    (void)message;
    failing->calls++;
    return failing->failures-- > 0 ? -EINTR : 0;
}

/*
 * Claim:   an error of a callback at command end or release is returned and nothing is lost or done
 *          twice: a release stays open, the end of the transaction works, and the callback is told
 *          again by the next accept (I6).
 * Method:  a callback that fails at a command end and twice at a release, then rollback or commit.
 */
Test(transaction_fault, a_callback_that_fails_hinders_no_end)
{
    for (int commit = 0; commit < 2; commit++) {
        struct sources s = set_up_sources();
        struct failing failing = {.failures = 4};
        cr_assert_eq(sv_callback_register(s.writer, SV_MESSAGE_CATCACHE, fail_a_while, &failing),
                     0);
        begin_and_write(&s, 1);
        cr_assert_eq(sv_command_end(s.writer), -EINTR);
        cr_assert_eq(sv_subtransaction_begin(s.writer), 0);
        cr_assert_eq(write_row(s.writer, s.fakes[0], KEYS("x"), "1"), 0);
        cr_assert_eq(sv_subtransaction_release(s.writer), -EINTR);
        cr_assert_eq(sv_subtransaction_release(s.writer), -EINTR);
        cr_assert_eq(sv_transaction_level(s.writer), 2);
        sv_subtransaction_rollback(s.writer);
        if (commit == 1) {
            cr_assert_eq(sv_transaction_commit(s.writer), 0);
        } else {
            sv_transaction_rollback(s.writer);
        }
        cr_assert_eq(failing.calls, 3, "user's code ran at an end");
        cr_assert_eq(sent(&s), commit == 1 ? 1 : 0);
        cr_assert_eq(sv_transaction_begin(s.writer, NULL), -EINTR);
        cr_assert_eq(sv_transaction_level(s.writer), 0);
        cr_assert_eq(sv_transaction_begin(s.writer, NULL), 0);
        /* "a" at command end; "x" at release, and at its rollback; own messages through the queue;
           or both once more at the rollback. */
        cr_assert_geq(failing.calls, 6);
        sv_transaction_rollback(s.writer);
        tear_down_sources(&s);
    }
}
