/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Storms: real processes, killed and stopped at random from outside. And that a storm over
 * something that is broken is red.
 */
#include <jansson.h>
#include <sys/prctl.h>

#include "cli_support.h"
#include "faults/storm.h"
#include "queue/queue.h"
#include "shm/segment.h"

TestSuite(storm_crash, .timeout = 150);

static int64_t integer(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_integer(value), "%s is no number", key);
    return json_integer_value(value);
}

/*
 * Play a storm by the command; kills_min of its deaths must have come about. slots: how many may
 * ever have been used, however many died.
 */
static void weather(const char *arguments, int64_t kills_min, int64_t slots)
{
    struct cli *cli = cli_open();
    cr_assert_eq(setenv("arguments", arguments, 1), 0);
    expect_run(cli, 0, "\"killed\"", "", "$sinval storm $arguments --report json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", cli->output);
    const json_t *events = json_object_get(root, "events");
    cr_expect_geq(integer(root, "killed"), kills_min);
    cr_expect_geq(integer(root, "started"), integer(root, "killed"));
    cr_expect_leq(integer(events, "slots_settled"), integer(root, "killed"));
    cr_expect_geq(integer(events, "slots_settled"), integer(root, "killed") / 2,
                  "most of the dead had no slot");
    cr_expect_leq(integer(root, "slots_used"), slots);
    cr_expect_eq(integer(root, "points_reached"), 0, "this is not the production flavour");
    cr_expect_eq(integer(events, "resets_repair"), 0);
    cr_expect_eq(integer(root, "stale_reads"), 0);
    cr_expect_gt(integer(events, "read"), 0);
    cr_expect_gt(integer(events, "wraparounds"), 0, "the numbers never wrapped around");
    json_decref(root);
    cli_close(cli);
}

/* Claim: ten deaths a second for ten seconds, workload after workload, break nothing. */
Test(storm_crash, nothing_is_lost)
{
    weather("--for 10s --round 3 --backends 20 --kills 10 --stops 5 --capacity 4096", 30, 26);
}

/* Claim: the same of a postmaster, who restarts the dead and settles what they left. */
Test(storm_crash, nothing_is_lost_of_a_postmaster)
{
    weather("--for 10s --round 3 --backends 20 --kills 10 --stops 5 --capacity 4096 --postmaster",
            30, 26);
}

/* Claim: the same over SQLite, whose file the dead leave locked, and half written. */
Test(storm_crash, nothing_is_lost_over_sqlite)
{
    weather("--for 6s --round 3 --backends 8 --kills 10 --stops 2 --capacity 64 --source sqlite "
            "--workload transactions",
            15, 13);
}

/*
 * Claim: the same where so many are at work, and so many die, that some die with a lock or an
 * intent.
 */
Test(storm_crash, many_die)
{
    weather("--for 15s --round 3 --backends 150 --kills 150 --stops 2 --capacity 4096", 100, 172);
}

static void until_a_thousand_died(const struct storm *storm)
{
    static bool asked;

    if (!asked && storm->deaths >= 1000) {
        asked = true;
        raise(SIGTERM); /* blocked; the supervisor finds it */
    }
}

/*
 * Claim:   a thousand deaths leave the segment as clean as the first one: whoever comes finds a
 *          slot among the same few, nobody is in one at the end of a round, no lock names anybody,
 *          nobody has the baton, no local transaction id comes twice.
 * Method:  ten backends that come and go, killed as fast as they are replaced; O3, O5, O6 and O7
 *          judge what is left after each round.
 */
Test(storm_crash, a_thousand_deaths_leave_no_trace)
{
    const struct storm_options options = {
        .world = {.backends = 10, .config = {.capacity = 256, .wraparound = 4096}},
        .workloads = 1U << WORKLOAD_CHURN,
        .seconds = 120,
        .round_s = 3,
        .kills_per_s = 500,
        .seed = 1,
        .timeout_ms = 20000,
        .progress = until_a_thousand_died,
    };
    struct storm storm;

    cr_assert_eq(storm_play(&options, &storm), 0);
    cr_assert_eq(storm.outcome, RUN_PASSED, "%s", storm.result->finding.message);
    cr_expect_geq(storm.deaths, 1000, "%" PRIu64 " died", storm.deaths);
    cr_expect_leq(storm.slots_used, 15);
    cr_expect_gt(storm.events[SV_STAT_slots_settled], 450);
    cr_expect_gt(storm.events[SV_STAT_locks_taken_over], 0, "nobody died with a lock");
    storm_free(&storm);
}

/* ---- strikes ------------------------------------------------------------------------------- */

static int sleep_for_ever(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    while (pause() != 0) {
    }
    return 0;
}

/*
 * Claim:   who is struck by SIGSTOP stands still until SIGCONT, and who is by SIGKILL is dead; an
 *          empty seat is nobody.
 */
Test(storm_crash, strikes_reach_the_process, .timeout = 30)
{
    pid_t pids[] = {0, fork_child(sleep_for_ever, NULL, NULL)};
    struct carrier carrier = {.kind = &carrier_process, .pids = pids};
    int status = 0;

    cr_expect_eq(carrier_process.strike(&carrier, 0, SIGSTOP), 0);
    cr_assert_eq(carrier_process.strike(&carrier, 1, SIGSTOP), pids[1]);
    cr_assert_eq(waitpid(pids[1], &status, WUNTRACED), pids[1]);
    cr_expect(WIFSTOPPED(status), "status %d", status);
    cr_assert_eq(carrier_process.strike(&carrier, 1, SIGCONT), pids[1]);
    cr_assert_eq(waitpid(pids[1], &status, WCONTINUED), pids[1]);
    cr_expect(WIFCONTINUED(status), "status %d", status);
    cr_assert_eq(carrier_process.strike(&carrier, 1, SIGKILL), pids[1]);
    status = reap(pids[1]);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %d", status);
}

/* ---- storms that must be red --------------------------------------------------------------- */

/* What is to be broken, once the storm goes on for a second; again, until it is noticed. */
static const struct storm *broken;
static void (*breaks)(struct sv_segment *segment);
static bool again;

static void sabotage(const struct storm *storm)
{
    if ((broken == NULL || again) && storm->seconds > 1) {
        broken = storm;
        breaks(storm->segment);
    }
}

static void storm_that_breaks(void (*how)(struct sv_segment *segment), enum oracle expected)
{
    const struct storm_options options = {
        .world = {.backends = 6, .keys = 64},
        .workloads = 1U << WORKLOAD_QUEUE,
        .seconds = 60,
        .round_s = 5,
        .kills_per_s = 5,
        .seed = 1,
        .timeout_ms = 2000,
        .progress = sabotage,
    };
    struct storm storm;

    breaks = how;
    cr_assert_eq(storm_play(&options, &storm), 0);
    cr_assert_not_null(broken, "it was over too soon");
    cr_assert_eq(storm.outcome, RUN_VIOLATED, "outcome %d after %u rounds: %s", storm.outcome,
                 storm.rounds, storm.result->finding.message);
    cr_assert_eq(storm.result->finding.oracle, expected, "%s", storm.result->finding.message);
    storm_free(&storm);
}

/* Everybody is moved on to the end: what was unread is lost, and nobody is told. */
static void skip_messages(struct sv_segment *segment)
{
    const uint64_t end = sv_load_seq64(&segment->queue->max_number);

    for (uint32_t slot = 0; slot < sv_segment_slots_used(segment); slot++) {
        sv_store_seq64(&segment->slots[slot].position, end);
    }
}

/* Claim: a storm over a queue that loses messages is red. */
Test(storm_crash, lost_messages_are_found)
{
    again = true;
    storm_that_breaks(skip_messages, ORACLE_O2);
}

/* Somebody who lives holds the lock for ever. */
static void hold_for_ever(struct sv_segment *segment)
{
    const uint32_t self = sv_segment_config(segment)->backends_max - 1;
    cr_assert_eq(sv_os_life_try(&segment->slots[self].life), SV_LIFE_TAKEN);
    sv_store_seq32(&segment->slots[self].phase, SV_SLOT_ACTIVE);
    while (true) {
        uint32_t free = 0;
        if (sv_compare_swap_seq32(&segment->locks[SV_LOCK_WRITE].exclusive, &free,
                                  (self + 1) | SV_LOCK_GRANTED)) {
            return;
        }
    }
}

/* Claim: a storm in which a lock is never released is red, and soon. */
Test(storm_crash, a_hang_is_found)
{
    storm_that_breaks(hold_for_ever, ORACLE_O4);
}

/* A slot that nobody is in, that nobody may have, and whose life lock is held. */
static void leak_a_slot(struct sv_segment *segment)
{
    const uint32_t self = sv_segment_config(segment)->backends_max - 1;
    cr_assert_eq(sv_os_life_try(&segment->slots[self].life), SV_LIFE_TAKEN);
    sv_store_seq32(&segment->slots[self].phase, SV_SLOT_CLAIMED);
}

/* Claim: a storm after which a slot is not free is red. */
Test(storm_crash, a_leaked_slot_is_found)
{
    storm_that_breaks(leak_a_slot, ORACLE_O7);
}
