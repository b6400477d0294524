/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A run asks every oracle: what backends judge. They are real processes.
 */
#include "asked.h"
#include "faults/reads.h"
#include "queue/queue.h"
#include "shm/segment.h"

TestSuite(asked_fault, .timeout = 120);

/* The process carrier, with something done before anybody starts, and when all have left. */
static void (*opens)(const struct run_world *world);
static void (*closes)(const struct run_world *world);

static int process_open(struct carrier *carrier)
{
    opens(carrier->world);
    return carrier_process.open(carrier);
}

static int process_close(struct carrier *carrier)
{
    const int status = carrier_process.close(carrier);
    closes(carrier->world);
    return status;
}

static void do_nothing(const struct run_world *world)
{
    (void)world;
}

static void play_processes(const struct plan *plan, void (*open)(const struct run_world *world),
                           void (*close)(const struct run_world *world))
{
    struct carrier_kind carrier = carrier_process;

    opens = open;
    closes = close;
    carrier.open = process_open;
    carrier.close = process_close;
    play(plan, &carrier, RUN_TIMEOUT_MS_DEFAULT);
}

/* Every row was committed, in a version that nobody has written yet. */
static void commit_what_nobody_wrote(const struct run_world *world)
{
    for (uint32_t key = 0; key < world->control.keys; key++) {
        sv_store_seq64(&world->control.truth[key], TRUTH(UINT64_C(1) << 40, false));
    }
}

/* Somebody has sent five messages that never arrive. */
static void send_what_nobody_gets(const struct run_world *world)
{
    uint32_t birth = 0;

    cr_assert(control_birth(&world->control, 0, &birth));
    sv_store_seq32(&world->control.births[birth].sent, 5);
}

static void give_slots_away(const struct run_world *world)
{
    for (uint32_t i = 0; i < world->control.births_max; i++) {
        sv_store_seq32(&world->control.births[i].displaced, 1);
    }
}

/* Out of range, and not looked at as long as there is room. */
static void break_threshold(const struct run_world *world)
{
    sv_store_seq32(&world->segment->queue->next_threshold, UINT32_MAX);
}

static void leave_app_half_done(const struct run_world *world)
{
    sv_store_seq64(&world->control.shared->app[0], 2);
    sv_store_seq64(&world->control.shared->app[1], 1);
}

static void leave_app_half_undone(const struct run_world *world)
{
    sv_store_seq64(&world->control.shared->app[0], 1);
    sv_store_seq64(&world->control.shared->app[1], 2);
}

/* The first id of each slot was there before. */
static void draw_first_ids(const struct run_world *world)
{
    for (uint32_t i = 0; i < world->control.slot_count; i++) {
        sv_store_seq64(&world->control.slots[i].local_transaction_id, 1);
    }
}

/*
 * Claim:   backends ask O1 of what they read, O2 of what has arrived at the end, O3 of the queue,
 *          O6 of their slots, their ids and what their locks guard.
 * Method:  two processes, where something was broken before they started; and the same where
 *          nothing was.
 */
Test(asked_fault, by_backends)
{
    static const struct {
        const char *name;
        enum plan_workload workload;
        void (*breaks)(const struct run_world *world);
        enum oracle oracle;
        const char *says;
    } rows[] = {
        {"queue", WORKLOAD_QUEUE, do_nothing, ORACLE_NONE, ""},
        {"churn", WORKLOAD_CHURN, do_nothing, ORACLE_NONE, ""},
        {"transactions", WORKLOAD_TRANSACTIONS, do_nothing, ORACLE_NONE, ""},
        {"reads", WORKLOAD_TRANSACTIONS, commit_what_nobody_wrote, ORACLE_O1, "row "},
        {"all arrived: queue", WORKLOAD_QUEUE, send_what_nobody_gets, ORACLE_O2,
         "messages 0 to 4 of birth 0"},
        {"all arrived: churn", WORKLOAD_CHURN, send_what_nobody_gets, ORACLE_O2,
         "messages 0 to 4 of birth 0"},
        {"all arrived: transactions", WORKLOAD_TRANSACTIONS, send_what_nobody_gets, ORACLE_O2,
         "messages 0 to 4 of birth 0"},
        {"queue's invariants", WORKLOAD_QUEUE, break_threshold, ORACLE_O3, "Q4"},
        {"queue's invariants: churn", WORKLOAD_CHURN, break_threshold, ORACLE_O3, "Q4"},
        {"slots", WORKLOAD_QUEUE, give_slots_away, ORACLE_O6, "backend "},
        {"app_0, ahead", WORKLOAD_QUEUE, leave_app_half_done, ORACLE_O6, "what app_0 guards"},
        {"app_0, behind", WORKLOAD_QUEUE, leave_app_half_undone, ORACLE_O6, "what app_0 guards"},
        {"ids", WORKLOAD_QUEUE, draw_first_ids, ORACLE_O6, "local transaction id 1 of slot"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct plan plan = plan_of(rows[i].workload);
        play_processes(&plan, rows[i].breaks, do_nothing);
        expect_verdict(rows[i].name, rows[i].oracle, rows[i].says);
    }
}

/* Rows whose truth is what the source says, and others. */
static uint32_t rows_there;
static uint32_t rows_deleted;
static uint32_t rows_wrong;

static int take_version(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    *(uint64_t *)argument = tuple->version;
    return 0;
}

static void compare_row(struct sv_backend *self, struct sv_source *source, uint32_t key,
                        uint64_t truth)
{
    uint64_t version = 0;
    struct row_keys keys;

    row_keys_set(&keys, key);
    const int found = source->read(source, self, ROW_RELATION, &keys.keys, take_version, &version);
    rows_there += found == 0;
    rows_deleted += found != 0 && truth != 0;
    rows_wrong += found == 0 ? truth != TRUTH(version, false) : truth != 0 && !TRUTH_DELETED(truth);
}

static void compare_truth(const struct run_world *world)
{
    struct sv_backend *self = join(world->segment);
    struct sv_source *source = NULL;

    cr_assert_eq(sv_table_open(self, &source), 0);
    for (uint32_t key = 0; key < world->control.keys; key++) {
        compare_row(self, source, key, sv_load_seq64(&world->control.truth[key]));
    }
    source->close(source);
    sv_backend_detach(self);
}

/*
 * Claim:   what O1 compares reads with is the truth: of each row the newest commit that returned,
 *          and whether it deleted the row.
 * Method:  when all have left, the source has the same.
 */
Test(asked_fault, with_the_truth)
{
    struct plan plan = plan_of(WORKLOAD_TRANSACTIONS);

    plan.world.keys = 256; /* so that of some the last that happened was a delete */
    plan.world.transactions = 300;
    play_processes(&plan, do_nothing, compare_truth);
    expect_verdict("the truth", ORACLE_NONE, "");
    cr_expect_eq(rows_wrong, 0, "the truth of %u rows is wrong", rows_wrong);
    cr_expect_gt(rows_there, 0);
    cr_expect_gt(rows_deleted, 0, "nobody deleted a row");
}

static uint32_t aborted;

static void count_aborted(const struct run_world *world)
{
    aborted = sv_load_seq32(&world->control.shared->aborted_count);
}

/* Claim: O1 is told of each commit that was refused, so that nobody may see what it wrote. */
Test(asked_fault, with_what_was_refused)
{
    struct plan plan = plan_of(WORKLOAD_TRANSACTIONS);

    plan.fault_count = 1;
    plan.faults[0] = (struct fault){.target = TARGET_ANY,
                                    .point = "commit/source/before",
                                    .action = ACTION_FAIL,
                                    .probability = 250000000};
    play_processes(&plan, do_nothing, count_aborted);
    expect_verdict("refused commits", ORACLE_NONE, "");
    cr_expect_gt(result.injected[ACTION_FAIL], 0, "no commit was refused");
    cr_expect_eq(aborted, result.injected[ACTION_FAIL]);
}
