/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval run --carrier fiber: a run is decided by its plan and seed; time is simulated; what it
 * refuses and why.
 */
#include "faults/token.h"

#include "cli_support.h"
#include "hang_plan.h"

TestSuite(fiber_cli, .timeout = 100);

/* What a report says behind a word, to the end of the line; "": nothing. */
static const char *said(const struct cli *cli, const char *word)
{
    static char text[512];
    const char *at = strstr(cli->output, word);
    snprintf(text, sizeof(text), "%s", at != NULL ? at + strlen(word) : "");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* A report without the line that says how long it took. */
static char *without_time(const struct cli *cli)
{
    char *text = strdup(cli->output);
    cr_assert_not_null(text);
    char *line = strstr(text, "\n  time ");
    cr_assert_not_null(line, "%s", text);
    const char *next = strchr(line + 1, '\n');
    memmove(line, next, strlen(next) + 1);
    return text;
}

/* Twice the same but for the time it took, whatever the second line adds that must not matter. */
static void expect_same(struct cli *cli, int status, const char *line, const char *again)
{
    expect_run(cli, status, "\n  trace        ", "", line);
    char *first = without_time(cli);
    expect_run(cli, status, "\n  trace        ", "", again);
    char *second = without_time(cli);
    cr_expect_str_eq(first, second, "%s, and %s", line, again);
    free(first);
    free(second);
}

/*
 * Claim:   the same seeds give the same events in every process, however many runs a process plays
 *          and in whatever order; other seeds give others.
 * Method:  the hash of all events, and all that is counted, of plans with deaths, stalls, and
 *          faults of signals: once in one process, once in three.
 */
Test(fiber_cli, a_seed_gives_the_same_events_each_time)
{
    struct cli *cli = cli_open();
    static const char *const plans[] = {"kill-mid-message", "storm", "late-signals",
                                        "recoverer-dies", "attach-detach-churn"};
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        char line[160];
        char again[160];
        snprintf(line, sizeof(line), "$sinval run --carrier fiber --seeds 1..3 %s --jobs 1",
                 plans[i]);
        snprintf(again, sizeof(again), "$sinval run --carrier fiber --seeds 1..3 %s --jobs 3",
                 plans[i]);
        expect_same(cli, 0, line, again);
    }
    expect_run(cli, 0, "trace", "", "$sinval run --carrier fiber --seed 1 kill-mid-message");
    char *first = strdup(said(cli, "  trace "));
    expect_run(cli, 0, "trace", "", "$sinval run --carrier fiber --seed 2 kill-mid-message");
    cr_expect_str_neq(said(cli, "  trace "), first, "two seeds, the same events");
    expect_run(cli, 0, "\"trace\": \"", "",
               "$sinval run --carrier fiber --seed 1 kill-mid-message --report json");
    cr_expect_not_null(strstr(cli->output, first + strspn(first, " ")), "%s", cli->output);
    free(first);
    cli_close(cli);
}

/*
 * Claim:   the seed decides the schedule as well, and not only what each backend does.
 * Method:  two backends do one thing each, so some of 64 seeds have them do the same; and yet no
 *          two seeds give the same events.
 */
Test(fiber_cli, a_seed_gives_a_schedule_of_its_own)
{
    static const char plan[] =
        "name: two\ndanger: x\n"
        "world: {backends: 2, capacity: 64, workload: queue, transactions: 1}\n"
        "faults: []\n";
    struct cli *cli = cli_open();
    cli_write(cli, "two.yaml", plan, strlen(plan));
    expect_run(cli, 0, "64\n", "",
               "for seed in $(seq 64); do "
               "$sinval run --carrier fiber --seed $seed $dir/two.yaml | grep '^  trace '; "
               "done | sort -u | wc -l");
    cli_close(cli);
}

/*
 * Claim:   a hang is found, by the time that is simulated; its token repeats it, event by event, by
 *          replay and by run.
 * Method:  50 seconds without a step are waited for, six times; this test may take 100 in all.
 */
Test(fiber_cli, a_hang_is_found_at_once_and_replayed_exactly)
{
    struct cli *cli = cli_open();
    char text[512];
    static struct token token;
    char message[PLAN_MESSAGE_MAX];
    cli_write(cli, "hang.yaml", HANG_PLAN, strlen(HANG_PLAN));
    expect_run(cli, 1, "FAILED hang, seed 9\nO4, progress: backend", "",
               "$sinval run $dir/hang.yaml --carrier fiber --seed 9 --timeout 50");
    cr_expect_not_null(strstr(cli->output, "has made no step for 50000 ms"), "%s", cli->output);
    cr_expect_not_null(strstr(cli->output, "waits for write"), "%s", cli->output);
    cli_take_token(cli, text);
    cr_assert_eq(token_decode(text, &token, message, sizeof(message)), 0, "%s", message);
    cr_expect_str_eq(token.carrier, "fiber");
    expect_same(cli, 1, "$sinval run $dir/hang.yaml --carrier fiber --seed 9 --timeout 50",
                "$sinval replay $token --timeout 50");
    expect_same(cli, 1, "$sinval replay $token", "$sinval run $token");
    cli_close(cli);
}

/*
 * Claim:   who is stalled makes no step and answers no signal for as long as it is said, and is not
 *          taken for hung; who waits for it is.
 * Method:  a reader is stalled for a minute, and gets catchup signals from those who are ahead of
 *          it, until one of them stands still with a lock in hand. The stall is the last that the
 *          reader did. Then a stall with a lock in hand, shorter and longer than what is called a
 *          hang.
 */
Test(fiber_cli, who_is_stalled_neither_moves_nor_answers)
{
    static const char deaf[] =
        "name: deaf\ndanger: x\nworld: {backends: 3, capacity: 256, workload: queue}\n"
        "faults:\n"
        "  - {backend: 2, point: accept/message/before, action: stall, stall_ms: 60000, hit: 3}\n"
        "  - {backend: 1, point: lock/write_exclusive_release/before, action: delay,"
        " delay_ms: 60000, hit: 80}\n";
    static const char held[] =
        "name: held\ndanger: x\nworld: {backends: 3, capacity: 64, workload: queue}\n"
        "faults:\n"
        "  - {backend: 1, point: lock/write_exclusive_release/before, action: stall,"
        " stall_ms: 8000, hit: 20}\n";
    struct cli *cli = cli_open();
    cli_write(cli, "deaf.yaml", deaf, strlen(deaf));
    cli_write(cli, "held.yaml", held, strlen(held));
    expect_run(cli, 1, "accept/message/before, hit 3: stall\nsinval replay", "",
               "$sinval run $dir/deaf.yaml --carrier fiber --timeout 5");
    cr_expect_null(strstr(cli->output, "catchups     0 sent"), "%s", cli->output);
    expect_run(cli, 1, "has made no step for 5000 ms, and is not stalled", "",
               "$sinval run $dir/held.yaml --carrier fiber --timeout 5");
    cr_expect_null(strstr(cli->output, "O4, progress: backend 1"), "%s", cli->output);
    expect_run(cli, 0, "injected     stall 1\n", "",
               "$sinval run $dir/held.yaml --carrier fiber --timeout 10");
    cli_close(cli);
}

/*
 * Claim:   faults are the same as on the other carriers; who dies is replaced, and found dead.
 * Method:  each backend dies once, at a hit that it comes to early; nothing else ends anybody.
 */
Test(fiber_cli, who_is_to_die_dies_whatever_the_carrier)
{
    static const char plan[] =
        "name: deaths\ndanger: x\n"
        "world: {backends: 4, capacity: 64, workload: queue, transactions: 60}\n"
        "faults:\n"
        "  - {backend: 0, point: queue/insert/before, action: kill, hit: 5}\n"
        "  - {backend: 1, point: lock/write_exclusive_acquire/after, action: kill, hit: 7}\n"
        "  - {backend: 2, point: queue/publish/between, action: kill, hit: 4}\n"
        "  - {backend: 3, point: queue/read/before, action: kill, hit: 3}\n";
    static const char *const carriers[] = {"process", "fiber"};
    struct cli *cli = cli_open();
    cli_write(cli, "deaths.yaml", plan, strlen(plan));
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(setenv("carrier", carriers[i], 1), 0);
        expect_run(cli, 0, "injected     kill 4\n", "",
                   "$sinval run $dir/deaths.yaml --carrier $carrier");
        cr_expect_not_null(strstr(cli->output, "backends     8, killed 4,"), "%s", cli->output);
    }
    cli_close(cli);
}

/*
 * Claim:   what no fiber can do is refused with the reason, or, without a plan, left out; of a
 *          wildcard only the points of who makes the segment are left out.
 */
Test(fiber_cli, what_no_fiber_can_do_is_refused)
{
    struct cli *cli = cli_open();
    char plans[64];
    expect_run(cli, 2, "", "its world has a postmaster", "$sinval run postmaster --carrier fiber");
    expect_run(cli, 2, "", "which asks the kernel itself",
               "$sinval run storm sqlite-kills --carrier fiber");
    expect_run(cli, 2, "", "fault 1 is for who makes the segment, a process",
               "$sinval run creator-dies --carrier fiber");
    expect_run(cli, 2, "", "its world has 200 backends, and there is room for 20",
               "$sinval run two-hundred-backends --carrier fiber");
    expect_run(cli, 2, "", "its world has 21 backends, and there is room for 20",
               "$sinval run storm --carrier fiber --backends 21");
    expect_run(cli, 0, "failed       0", "",
               "$sinval run two-hundred-backends --carrier fiber --backends 20");
    snprintf(plans, sizeof(plans), "of %u, %u plans", plan_shipped_count() - 3,
             plan_shipped_count() - 3);
    expect_run(cli, 0, plans, "left out: postmaster (",
               "$sinval run --carrier fiber --backends 2 --transactions 2");
    cli_close(cli);
}
