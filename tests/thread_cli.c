/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval run --carrier thread: what it refuses and why, what its tokens repeat, and what it leaves
 * behind.
 */
#include "faults/token.h"

#include "cli_support.h"
#include "hang_plan.h"

TestSuite(thread_cli, .timeout = 100);

/* A plan of one fault. */
static void write_plan(struct cli *cli, const char *name, const char *fault)
{
    char file[64];
    char text[512];
    const int length = snprintf(text, sizeof(text),
                                "name: %s\ndanger: x\n"
                                "world: {backends: 3, capacity: 64, transactions: 20}\n"
                                "faults:\n  - {backend: any, %s}\n",
                                name, fault);
    snprintf(file, sizeof(file), "%s.yaml", name);
    cli_write(cli, file, text, (size_t)length);
}

/*
 * Claim:   a plan that only processes can carry is refused with the reason, before anything starts;
 *          of a wildcard only the points in signal handlers are left out.
 */
Test(thread_cli, what_only_processes_can_do_is_refused)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "",
               "plan 'postmaster' is not for --carrier thread: its world has a postmaster",
               "$sinval run storm postmaster --carrier thread");
    expect_run(cli, 2, "",
               "plan 'sqlite-kills' is not for --carrier thread: fault 1 kills, and the",
               "$sinval run sqlite-kills --carrier thread");
    expect_run(cli, 2, "", "fault 1 kills at signal/handler/entry, in a signal handler",
               "$sinval run --carrier thread baton-holder-dies");
    write_plan(cli, "handlers", "point: \"signal/handler/*\", action: kill, hit: 1");
    expect_run(cli, 2, "", "fault 1 kills at signal/handler/*", //
               "$sinval run --carrier thread $dir/handlers.yaml");
    expect_run(cli, 2, "", "--carrier process would be right",
               "$sinval run --carrier thread $dir/handlers.yaml");
    write_plan(cli, "wild", "point: \"signal/*\", action: kill, probability: 0.5, at_most: 3");
    expect_run(cli, 0, "failed       0", "", "$sinval run --carrier thread $dir/wild.yaml");
    write_plan(cli, "stall", "point: signal/handler/entry, action: stall, stall_ms: 1, hit: 1");
    expect_run(cli, 0, "failed       0", "", "$sinval run --carrier thread $dir/stall.yaml");
    cli_close(cli);
}

/*
 * Claim:   all plans are those that threads can carry; what is left out is told in one line.
 */
Test(thread_cli, all_plans_are_those_that_can_be_carried)
{
    struct cli *cli = cli_open();
    char plans[64];
    snprintf(plans, sizeof(plans), "of %u, %u plans", plan_shipped_count() - 3,
             plan_shipped_count() - 3);
    expect_run(cli, 0, plans, "left out: baton-holder-dies (fault 1 kills",
               "$sinval run --carrier thread --backends 2 --transactions 2");
    cr_expect_not_null(strstr(cli->complaint, ", postmaster (its world"), "%s", cli->complaint);
    cr_expect_not_null(strstr(cli->complaint, ", sqlite-kills (fault 1"), "%s", cli->complaint);
    cr_expect_eq(strchr(cli->complaint, '\n') - cli->complaint, (long)strlen(cli->complaint) - 1,
                 "more than one line: %s", cli->complaint);
    cli_close(cli);
}

/*
 * Claim:   plans can be run without their faults of an action: what only processes can do is then
 *          for threads as well, and the token is of the plan as it was run.
 */
Test(thread_cli, an_action_can_be_left_out)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "--without: 'boil' is no action; right would be kill, stall,",
               "$sinval run --without boil");
    expect_run(cli, 0, "backends     6, killed 0,", "",
               "$sinval run sqlite-kills --carrier thread --without kill --transactions 5");
    expect_run(cli, 0, "injected     kill ", "", "$sinval run kill-mid-message");
    expect_run(cli, 0, "injected     nothing", "",
               "$sinval run kill-mid-message --without delay --without kill");
    cli_write(cli, "hang.yaml", HANG_PLAN, strlen(HANG_PLAN));
    expect_run(cli, 0, "failed       0", "", "$sinval run $dir/hang.yaml --without delay");
    expect_run(cli, 1, "\nsinval replay x.", "",
               "$sinval run $dir/hang.yaml --without kill --timeout 1");
    cli_close(cli);
}

/*
 * Claim:   a failure on threads is one on threads when it is replayed.
 * Method:  a thread that stands still with a lock, a deadline of one second. The others have enough
 *          to do to come to wait for it, though it may start late.
 */
Test(thread_cli, a_failure_on_threads_can_be_replayed)
{
    struct cli *cli = cli_open();
    char text[512];
    static struct token token;
    char message[PLAN_MESSAGE_MAX];
    cli_write(cli, "hang.yaml", HANG_PLAN, strlen(HANG_PLAN));
    expect_run(cli, 1, "FAILED hang, seed 9", "",
               "$sinval run $dir/hang.yaml --carrier thread --seed 9 --timeout 1 "
               "--transactions 1000000");
    cr_expect_not_null(strstr(cli->output, "waits for write"), "%s", cli->output);
    cli_take_token(cli, text);
    cr_assert_eq(token_decode(text, &token, message, sizeof(message)), 0, "%s", message);
    cr_expect_str_eq(token.carrier, "thread");
    expect_run(cli, 1, text, "", "$sinval replay $token --timeout 1");
    cli_close(cli);
}

/*
 * Claim:   a token of a run that cannot have been is refused.
 */
Test(thread_cli, a_token_of_what_threads_cannot_do_is_refused)
{
    struct cli *cli = cli_open();
    static struct token token = {.seed = 1, .carrier = "thread"};
    static char text[TOKEN_MAX];
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(plan_load_shipped("postmaster", &token.plan, message, sizeof(message)), 0);
    token_encode(&token, text);
    cr_assert_eq(setenv("token", text, 1), 0);
    expect_run(cli, 2, "", "plan 'postmaster' is not for carrier 'thread': its world has",
               "$sinval replay $token");
    cli_close(cli);
}

/* ---- what is left when it is ended ----------------------------------------------------------- */

/* A number out of a file of /proc, behind a word; 0: there is none. */
static pid_t number_behind(const char *path, const char *word)
{
    char text[4096] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    const size_t length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    fclose(file);
    const char *at = strstr(text, word);
    return at != NULL ? (pid_t)strtoul(at + strlen(word), NULL, 10) : 0;
}

/* The first child of a process; 0: none. */
static pid_t child_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    return number_behind(path, "");
}

/* Has the campaign a job with a host, in which threads are at work? */
static bool has_threads(pid_t campaign)
{
    char path[64];
    const pid_t job = child_of(campaign);
    const pid_t host = job != 0 ? child_of(job) : 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)host);
    return host != 0 && number_behind(path, "\nThreads:") > 2;
}

static void end_by(int signal_number)
{
    int status = 0;
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execl(SV_CLI, SV_CLI, "run", "--seeds", "1..100000", "--jobs", "2", "--carrier", "thread",
              "slow-locks", "storm", (char *)NULL);
        _exit(127);
    }
    while (!has_threads(pid)) {
        cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0, "the campaign ended by itself");
        (void)sched_yield();
    }
    cr_assert_eq(kill(pid, signal_number), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == signal_number, "ended with %x", status);
    /* Orphans come to us; this hangs, and times out, if anybody goes on. */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    cr_expect_eq(errno, ECHILD);
}

/*
 * Claim:   a campaign on threads that is interrupted or killed leaves no process.
 * Method:  threads are at work when it is; orphans become children of the test, which waits for
 *          all.
 */
Test(thread_cli, nothing_is_left_after_a_termination)
{
    end_by(SIGTERM);
}

Test(thread_cli, nothing_is_left_after_a_kill)
{
    end_by(SIGKILL);
}
