/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The judges of sinval explore: each says no, in words of its own, to what it is there to forbid.
 */
#include "cli_support.h"

#define WRONG SV_BUILD_DIR "/tests/explore-wrong "

TestSuite(explore_judges_cli, .timeout = 100);

struct verdict {
    const char *world; /* of tests/explore/worlds_wrong.c; and options */
    const char *text;
};

static void expect_verdicts(const struct verdict *verdicts, size_t count)
{
    struct cli *cli = cli_open();
    for (size_t i = 0; i < count; i++) {
        char line[256];
        snprintf(line, sizeof(line), WRONG "--schedules 1000 %s", verdicts[i].world);
        expect_run(cli, 1, verdicts[i].text, "", line);
    }
    cli_close(cli);
}

#define EXPECT_VERDICTS(verdicts) \
    expect_verdicts(verdicts, sizeof(verdicts) / sizeof((verdicts)[0]))

/*
 * Claim:   a word of the queue that is written wrongly is found at that write: without its locks,
 *          backwards, out of its range, in another epoch.
 * Method:  one word is written in one way that one clause forbids, and then written back.
 */
Test(explore_judges_cli, each_wrong_write_to_the_queue_is_found)
{
    static const struct verdict verdicts[] = {
        {"max-bare",
         "O3, invariants: J1: backend 0 writes max_number, and does not hold lock write"},
        {"min-bare",
         "O3, invariants: J1: backend 0 writes min_number, and does not hold lock read"},
        {"min-read",
         "O3, invariants: J1: backend 0 writes min_number, and does not hold lock write"},
        {"epoch-bare", "O3, invariants: J1: backend 0 writes epoch, and does not hold lock read"},
        {"threshold-bare", "J1: backend 0 writes next_threshold, and does not hold lock write"},
        {"others", "O3, invariants: J1: backend 0 writes max_number, and does not hold lock write"},
        {"published-back", "O3, invariants: J2: published has gone back: after backend 0's write "
                           "to queue published; epoch is 0, "},
        {"max-back", "O3, invariants: J2: max_number has gone back: after backend 0's write to "
                     "queue max_number; epoch is 0, min_number 3, max_number 3"},
        {"min-back", "O3, invariants: J2: min_number has gone back: after backend 0's write to "
                     "queue min_number; epoch is 0, min_number 2, max_number 4"},
        {"max-far", "O3, invariants: J3, Q1: max_number is not within capacity of min_number: "},
        {"max-epoch", "O3, invariants: J3, Q2: numbers are of two epochs, and locks write and read "
                      "are not both held: after backend 0's write to queue max_number; epoch is "
                      "0, min_number 3, max_number 4 of epoch 1"},
        {"min-epoch", "O3, invariants: J3, Q2: numbers are of two epochs"},
        {"position-epoch", "O3, invariants: J3, Q2: numbers are of two epochs"},
        {"position-far", "O3, invariants: J3, Q3: a slot's position is outside the queue"},
        {"joins-far", "O3, invariants: J3, Q3: a slot's position is outside the queue"},
        {"reset-far", "O3, invariants: J3, Q3: a slot's position is outside the queue"},
        {"threshold-low", "O3, invariants: J4, Q4: the threshold is out of range"},
        {"threshold-high", "O3, invariants: J4, Q4: the threshold is out of range"},
    };
    EXPECT_VERDICTS(verdicts);
}

/*
 * Claim:   what is left behind is found when all is over: locks, slots, the words of slots that are
 *          nobody's, marks of a catchup, a reset without a cause, messages that nobody is told of; and what the queue's
 *          own check says.
 * Method:  one of them is left, each time. Who dies as the holder of a slot is not told to its life
 *          lock.
 */
Test(explore_judges_cli, each_thing_that_is_left_behind_is_found)
{
    static const struct verdict verdicts[] = {
        {"left-lock", "O6, kill-safety: all is over, and lock app_0 still names slot 0"},
        {"left-share", "O6, kill-safety: all is over, and slot 0 still shares lock app_0"},
        {"left-wait",
         "O6, kill-safety: all is over, and slot 0 still says it waits for lock app_0"},
        {"left-slot --deaths 1",
         "O6, kill-safety: slot 0, whose holder is none, is left in phase 2"},
        {"left-word", "O6, kill-safety: slot 0 is free, and slot 0 sleep is 1"},
        {"left-repair", "O6, kill-safety: slot 0 was reset to repair its place, with which nothing "
                        "was wrong"},
        {"left-signaled", "backend 0 counts as signaled, and nothing asks it to catch up"},
        {"send-only", "O3, invariants: Q6: a send-only slot is marked for reset or signaled"},
        {"left-baton", "backend 0 has read all there is, and still counts as signaled"},
        {"unpublished", "O2, every message in order, or a reset: backend 0 finds nothing to read, "
                        "and is not at the end"},
    };
    EXPECT_VERDICTS(verdicts);
}

/* Claim: every message comes whole, in order, and once; and it was sent. Method: one is not. */
Test(explore_judges_cli, each_message_that_is_wrong_is_found)
{
    static const struct verdict verdicts[] = {
        {"twice", "backend 1 reads message 0 of backend 0 twice"},
        {"again --deaths 1", "backend 1 reads message 0 of backend 0 twice"},
        {"gap", "backend 1 reads message 1 of backend 0 before message 0, with no reset"},
        {"unsent", "backend 1 reads message 0 of backend 0, which has begun 0"},
        {"lost", "message 0 of backend 0 never reaches backend 0"},
        {"promised", "message 0 of backend 0 never reaches backend 0"},
        {"torn",
         "O2, every message in order, or a reset: backend 1 reads a torn message: kind 7, "},
    };
    EXPECT_VERDICTS(verdicts);
}

/*
 * Claim:   who is not told, and writes to what belongs to a living one, are found, whoever they are
 *          and whatever was before; and all that makes a sleep is part of a search's state.
 * Method:  a backend that is not the first sleeps for a while, as it may, before it sleeps in vain;
 *          another has a number written into the handle of the first. Each part of a sleep is
 *          changed while two sleep.
 */
Test(explore_judges_cli, sleep_and_private_memory_are_looked_after)
{
    static const struct verdict verdicts[] = {
        {"nap", "O4, progress: only time goes on: backend 1 sleeps on slot 1 latch"},
        {"scribble", "O3, invariants: backend 1 writes 4 bytes of backend 0's private memory"},
        {"overreach", "O3, invariants: backend 1 writes 4 bytes of backend 0's private memory"},
        {"sleepers -s exhaustive --preemptions 2", "O7, no leak: all of a sleep counts"},
    };
    EXPECT_VERDICTS(verdicts);
}

/*
 * Claim:   a replay tells each change of a word that is judged, also if nobody else has to do with
 *          it: what is wrong at the end may have begun there.
 * Method:  a number goes back, which its own backend had raised before.
 */
Test(explore_judges_cli, a_replay_tells_what_changes_words_that_are_judged)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, WRONG "max-back >$dir/found"), 1);
    expect_run(cli, 1, " queue max_number             3 -> 4 ", "",
               WRONG "$(sed -n 's/ *sinval replay //p' $dir/found)");
    cr_expect_null(strstr(cli->output, "step_judge.c"), "%s", cli->output);
    cli_close(cli);
}

/*
 * Claim:   a replay tells when a signal arrives, and when a sleep has ended by its time.
 * Method:  one is sent a signal, sleeps for a while, and then in vain.
 */
Test(explore_judges_cli, a_replay_tells_of_signals_and_time)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, WRONG "nap >$dir/found"), 1);
    expect_run(cli, 1, " backend 1 is sent a signal, which arrives\n", "",
               WRONG "$(sed -n 's/ *found as //p' $dir/found)");
    cr_expect_not_null(strstr(cli->output, " backend 1 has slept for as long as it would\n"), "%s",
                       cli->output);
    cr_expect_null(strstr(cli->output, "DIES"), "%s", cli->output);
    cli_close(cli);
}
