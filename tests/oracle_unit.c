/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The oracles can fail: each is shown what it must report, and beside it what it must not.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "oracle_support.h"

TestSuite(oracle_unit, .timeout = 30);

/* ---- O1 ------------------------------------------------------------------------------------ */

enum { WRITER, READER, KEY = 3 };

/* Row KEY as READER, whose birth is 1, reads it: version 7, the fifth transaction of birth 0. */
static struct row_read right_read(struct control *control)
{
    uint32_t birth;
    cr_assert(control_birth(control, WRITER, &birth));
    cr_assert(control_birth(control, READER, &birth));
    sv_store_seq32(&control->births[WRITER].commit_begun, 5);
    sv_store_seq64(&control->truth[KEY], TRUTH(7, false));
    return (struct row_read){
        .key = KEY,
        .found = true,
        .value = row_value_make(WRITER, 5, 1, KEY, false),
        .version = 7,
        .truth = TRUTH(7, false),
        .reader = READER,
    };
}

/*
 * Claim:   O1 takes what is as new as the truth, and what is newer, of a commit that is under way.
 */
Test(oracle_unit, o1_takes_a_right_read)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;
    cr_assert(reads_judge(&control, &read, &finding), "%s", finding.message);
    read.version = 8;
    cr_assert(reads_judge(&control, &read, &finding), "%s", finding.message);
    control_destroy(&control);
}

/*
 * Claim:   O1 reports a row that is older than the truth, or that the truth says is deleted.
 */
Test(oracle_unit, o1_reports_a_stale_read)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;
    read.version = 6;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "stale");
    read.version = 7;
    read.truth = TRUTH(7, true);
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "deleted");
    control_destroy(&control);
}

/*
 * Claim:   O1 reports what was never committed: doomed, uncommitted, of a transaction whose commit
 *          was not called, or was refused.
 */
Test(oracle_unit, o1_reports_what_was_never_committed)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;

    read.value = row_value_make(WRITER, 5, 1, KEY, true);
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "to be rolled back");
    read.value = row_value_make(WRITER, 6, 1, KEY, false);
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "never to be committed");
    read.value = row_value_make(WRITER, 5, 1, KEY, false);
    read.version = 0;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "not committed");
    read.version = 7;
    control_abort(&control, WRITER, 5);
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "refused");
    control_destroy(&control);
}

/*
 * Claim:   O1 reports a torn value, and one of another row.
 */
Test(oracle_unit, o1_reports_a_torn_value)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;
    read.value.serial++;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "torn");
    read.value = row_value_make(WRITER, 5, 1, KEY + 1, false);
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "torn");
    control_destroy(&control);
}

/*
 * Claim:   O1 reports a row that is not there although nobody deletes it, and only then.
 */
Test(oracle_unit, o1_reports_a_row_that_is_missing)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;
    read.found = false;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "not found");
    sv_store_seq32(&control.deleting[KEY], 1);
    cr_assert(reads_judge(&control, &read, &finding), "its delete is under way");
    sv_store_seq32(&control.deleting[KEY], 0);
    sv_store_seq64(&control.truth[KEY], TRUTH(9, true));
    cr_assert(reads_judge(&control, &read, &finding), "it was deleted meanwhile");
    control_destroy(&control);
}

/*
 * Claim:   O1 reports a writer that does not see its own write, or sees what it has deleted.
 */
Test(oracle_unit, o1_reports_a_writer_that_does_not_see_its_own)
{
    struct control control = control_of(2, 8);
    struct row_read read = right_read(&control);
    struct finding finding;
    read.transaction = 2;
    read.own = OWN_WRITTEN;
    read.own_serial = 4;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "wrote 2.4");
    read.value = row_value_make(READER, 2, 4, KEY, false);
    read.version = 0;
    cr_assert(reads_judge(&control, &read, &finding), "%s", finding.message);
    read.own = OWN_DELETED;
    expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "its deleter");
    control_destroy(&control);
}

/* ---- O2 ------------------------------------------------------------------------------------ */

/* A reader who has joined; a writer of birth 0 that has begun and sent 10. */
static struct delivery reader_of(struct control *control)
{
    struct delivery delivery;
    uint32_t birth;
    cr_assert_eq(delivery_init(&delivery, control), 0);
    delivery_sync(&delivery);
    cr_assert(control_birth(control, 0, &birth));
    sv_store_seq32(&control->births[0].begun, 10);
    sv_store_seq32(&control->births[0].sent, 10);
    return delivery;
}

static bool take(struct delivery *delivery, uint32_t sequence, struct finding *finding)
{
    const struct sv_message message = delivery_message(0, sequence);
    return delivery_take(delivery, &message, finding);
}

static void take_up_to(struct delivery *delivery, uint32_t end)
{
    struct finding finding;
    for (uint32_t i = 0; i < end; i++) {
        cr_assert(take(delivery, i, &finding), "%s", finding.message);
    }
}

/*
 * Claim:   O2 takes everything in order, and after a reset whatever comes first, up to what had
 *          been begun by then.
 */
Test(oracle_unit, o2_takes_all_in_order_or_a_reset)
{
    struct control control = control_of(2, 1);
    struct delivery delivery = reader_of(&control);
    struct finding finding;
    take_up_to(&delivery, 3);
    delivery_sync(&delivery);
    cr_assert(delivery_complete(&delivery, &finding), "all before a reset is lost with it");
    cr_assert(take(&delivery, 8, &finding), "%s", finding.message);
    cr_assert(take(&delivery, 9, &finding), "%s", finding.message);
    cr_assert(delivery_complete(&delivery, &finding), "%s", finding.message);
    delivery_free(&delivery);
    control_destroy(&control);
}

/*
 * Claim:   O2 reports a gap, the first message of a writer being missing, and an end that is.
 */
Test(oracle_unit, o2_reports_what_is_lost)
{
    struct control control = control_of(2, 1);
    struct delivery delivery = reader_of(&control);
    struct finding finding;
    expect(take(&delivery, 1, &finding), &finding, ORACLE_O2, "lost without a reset");
    take_up_to(&delivery, 3);
    expect(take(&delivery, 4, &finding), &finding, ORACLE_O2, "messages 3 to 3");
    expect(delivery_complete(&delivery, &finding), &finding, ORACLE_O2, "never arrived");
    delivery_free(&delivery);
    control_destroy(&control);
}

/*
 * Claim:   O2 reports what nobody can have sent: torn, or with a number that was never begun.
 */
Test(oracle_unit, o2_reports_torn_and_invented_messages)
{
    struct control control = control_of(2, 1);
    struct delivery delivery = reader_of(&control);
    struct finding finding;
    struct sv_message message = delivery_message(0, 0);
    message.payload ^= UINT64_C(1) << 40;
    expect(delivery_take(&delivery, &message, &finding), &finding, ORACLE_O2, "torn");
    message = delivery_message(0, 0);
    message.reserved[2] = 1;
    expect(delivery_take(&delivery, &message, &finding), &finding, ORACLE_O2, "torn");
    expect(take(&delivery, 10, &finding), &finding, ORACLE_O2, "never inserted");
    delivery_free(&delivery);
    control_destroy(&control);
}

/*
 * Claim:   O2 reports a message that comes twice, unless its writer died with an intent of it; a
 *          writer whose intent is sent again while it lives is told so.
 */
Test(oracle_unit, o2_reports_what_comes_twice)
{
    struct control control = control_of(2, 1);
    struct delivery delivery = reader_of(&control);
    struct birth *writer = &control.births[0];
    struct finding finding;
    take_up_to(&delivery, 6);
    expect(take(&delivery, 5, &finding), &finding, ORACLE_O2, "came twice");
    sv_store_seq64(&writer->intent_range, (uint64_t)4 << 32 | 8);
    expect(take(&delivery, 3, &finding), &finding, ORACLE_O2, "came twice");
    sv_store_seq32(&writer->ended, 1);
    cr_assert(take(&delivery, 4, &finding), "%s", finding.message);
    cr_assert(take(&delivery, 5, &finding), "%s", finding.message);
    cr_assert_eq(sv_load_seq32(&writer->displaced), 0);
    sv_store_seq32(&writer->ended, 0);
    cr_assert(take(&delivery, 4, &finding), "%s", finding.message);
    cr_assert_eq(sv_load_seq32(&writer->displaced), 1, "it lives, and was not told");
    delivery_free(&delivery);
    control_destroy(&control);
}

/*
 * Claim:   O2 reports the intent of a dead writer that nobody sent (K2).
 */
Test(oracle_unit, o2_reports_an_intent_that_nobody_sent)
{
    struct control control = control_of(2, 1);
    struct delivery delivery = reader_of(&control);
    struct birth *writer = &control.births[0];
    struct finding finding;
    take_up_to(&delivery, 10);
    sv_store_seq32(&writer->begun, 12);
    sv_store_seq64(&writer->intent_range, (uint64_t)10 << 32 | 12);
    cr_assert(delivery_complete(&delivery, &finding), "it was not declared yet");
    sv_store_seq32(&writer->intent, INTENT_DECLARED);
    expect(delivery_complete(&delivery, &finding), &finding, ORACLE_O2, "dead with an intent");
    delivery_free(&delivery);
    control_destroy(&control);
}

/* ---- O3 to O7 ------------------------------------------------------------------------------ */

/*
 * Claim:   O3 reports a queue whose numbers cannot be.
 */
Test(oracle_unit, o3_reports_a_broken_queue)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct finding finding;
    cr_assert(judge_queue(segment, &finding), "%s", finding.message);
    sv_store_seq64(&segment->queue->min_number, 5);
    expect(judge_queue(segment, &finding), &finding, ORACLE_O3, "Q1");
    sv_segment_detach(segment);
}

/*
 * Claim:   O5 reports a storm in either count, relays that are no catchups, and a baton that ended
 *          with somebody who is gone.
 */
Test(oracle_unit, o5_reports_a_storm_and_a_lost_baton)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct sv_backend *self = join(segment);
    struct finding finding;
    uint64_t stats[SV_STAT_COUNT] = {[SV_STAT_cleanups] = 100,
                                     [SV_STAT_catchups_sent] = 60,
                                     [SV_STAT_catchups_served] = 60,
                                     [SV_STAT_relays] = 10};
    cr_assert(judge_catchup(segment, stats, 4, &finding), "%s", finding.message);
    stats[SV_STAT_catchups_sent] = 101;
    expect(judge_catchup(segment, stats, 4, &finding), &finding, ORACLE_O5, "for 100 cleanups");
    stats[SV_STAT_catchups_sent] = 90;
    stats[SV_STAT_catchups_served] = 30;
    expect(judge_catchup(segment, stats, 4, &finding), &finding, ORACLE_O5, "30 served");
    stats[SV_STAT_catchups_served] = 90;
    stats[SV_STAT_relays] = 91;
    expect(judge_catchup(segment, stats, 4, &finding), &finding, ORACLE_O5, "relays");
    stats[SV_STAT_relays] = 0;
    sv_store_seq32(&segment->slots[sv_backend_slot(self)].signaled, 1);
    expect(judge_catchup(segment, stats, 4, &finding), &finding, ORACLE_O5, "baton");
}

/*
 * Claim:   a backend that only the relay can still reach is seen, until it has read.
 */
Test(oracle_unit, o5_sees_a_laggard)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 64,
                                                          .cleanup_min = 16,
                                                          .cleanup_quantum = 8,
                                                          .signal_threshold = 16,
                                                          .write_quantum = 8});
    struct sv_backend *writer = join(segment);
    struct sv_backend *laggard = join(segment);
    struct sv_message messages[64];
    uint32_t count;
    insert_numbered(writer, 0, 32);
    cr_assert_eq(sv_queue_read(writer, messages, 64, &count), 0);
    cr_assert_eq(laggard_slot(segment), SV_SLOT_NONE, "32 behind is what a cleanup may leave");
    insert_numbered(writer, 32, 8);
    cr_assert_eq(sv_queue_read(writer, messages, 64, &count), 0);
    cr_assert_eq(laggard_slot(segment), sv_backend_slot(laggard));
    cr_assert_eq(sv_queue_read(laggard, messages, 64, &count), 0);
    cr_assert_eq(laggard_slot(segment), SV_SLOT_NONE);
}

/*
 * Claim:   O6 reports a lock that still names somebody, in either mode.
 */
Test(oracle_unit, o6_reports_a_lock_that_was_left)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct sv_backend *self = join(segment);
    struct finding finding;
    cr_assert(judge_locks(segment, &finding), "%s", finding.message);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    expect(judge_locks(segment, &finding), &finding, ORACLE_O6, "1 shared");
    sv_lwlock_release(self, SV_LOCK_APP_0);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    expect(judge_locks(segment, &finding), &finding, ORACLE_O6, "lock write");
}

/*
 * Claim:   O6 reports a slot whose local transaction ids went back (K3).
 */
Test(oracle_unit, o6_reports_ids_that_went_back)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16, .backends_max = 4});
    struct control control = control_of(4, 1);
    struct sv_backend *self = join(segment);
    struct finding finding;
    const struct sv_transaction_id id = sv_transaction_id_next(self);
    control_raise(&control.slots[id.slot].local_transaction_id, id.local);
    cr_assert(judge_ids(segment, &control, &finding), "%s", finding.message);
    control_raise(&control.slots[id.slot].local_transaction_id, id.local + 1);
    expect(judge_ids(segment, &control, &finding), &finding, ORACLE_O6, "drawn were");
    control_destroy(&control);
}

/*
 * Claim:   O6 reports resets that nothing but a death explains (K5), and a wait for the dead that
 *          is too long (K1).
 */
Test(oracle_unit, o6_reports_needless_resets_and_long_waits)
{
    const struct reset_facts fine = {.overflow = 3,
                                     .requested = 2,
                                     .asked = 1,
                                     .inserted_max = 1000,
                                     .capacity = 64,
                                     .quantum = 32};
    struct reset_facts facts = fine;
    struct finding finding;
    cr_assert(judge_resets(&facts, &finding), "%s", finding.message);
    facts.repair = 1;
    expect(judge_resets(&facts, &finding), &finding, ORACLE_O6, "ambiguous");
    facts = fine;
    facts.asked = 0;
    expect(judge_resets(&facts, &finding), &finding, ORACLE_O6, "nobody asked");
    facts = fine;
    facts.inserted_max = 32;
    expect(judge_resets(&facts, &finding), &finding, ORACLE_O6, "ring of 64");
    cr_assert(judge_pause(1000, 1000, &finding));
    expect(judge_pause(1001, 1000, &finding), &finding, ORACLE_O6, "K1");
}

static int exit_at_once(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    return sv_backend_attach(segment, NULL, &self);
}

/*
 * Claim:   the supervisor sees a slot whose backend died and that nobody has settled, and O7
 *          reports one that is never freed.
 */
Test(oracle_unit, o7_reports_a_slot_that_was_never_freed)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16, .backends_max = 4});
    struct finding finding;
    cr_assert(judge_slots(segment, &finding), "%s", finding.message);
    cr_assert_eq(reap(fork_child(exit_at_once, segment, NULL)), 0);
    cr_assert_eq(unsettled_slots(segment), 1);
    expect(judge_slots(segment, &finding), &finding, ORACLE_O7, "never freed");
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    cr_assert_eq(unsettled_slots(segment), 0);
    cr_assert(judge_slots(segment, &finding), "%s", finding.message);
    sv_segment_detach(segment);
}

/*
 * Claim:   O7 reports a descriptor, a shared mapping and a child that are left.
 */
Test(oracle_unit, o7_reports_what_a_process_keeps)
{
    struct holdings before;
    struct holdings after;
    struct finding finding;
    holdings_count(&before);
    holdings_count(&after);
    cr_assert(judge_holdings(&before, &after, &finding), "%s", finding.message);

    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    holdings_count(&after);
    expect(judge_holdings(&before, &after, &finding), &finding, ORACLE_O7, "descriptors");
    close(fd);

    void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    holdings_count(&after);
    expect(judge_holdings(&before, &after, &finding), &finding, ORACLE_O7, "mappings");
    munmap(page, 4096);

    const pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    holdings_count(&after);
    expect(judge_holdings(&before, &after, &finding), &finding, ORACLE_O7, "child");
    kill_and_reap(child);
}

/*
 * Claim:   of several violations the first is kept, whole.
 */
Test(oracle_unit, the_first_verdict_counts)
{
    struct control control = control_of(2, 1);
    struct finding finding;
    uint32_t seat;
    cr_assert_not(control_verdict(&control, &finding, &seat));
    (void)finding_set(&finding, ORACLE_O2, "the first");
    control_accuse(&control, 1, &finding);
    (void)finding_set(&finding, ORACLE_O1, "the second");
    control_accuse(&control, 0, &finding);
    cr_assert(control_verdict(&control, &finding, &seat));
    cr_assert_eq(finding.oracle, ORACLE_O2);
    cr_assert_str_eq(finding.message, "the first");
    cr_assert_eq(seat, 1);
    control_destroy(&control);
}
