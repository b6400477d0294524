/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval run and sinval replay: what they print, what they refuse, and what they leave behind.
 */
#include <dirent.h>
#include <jansson.h>
#include <libxml/parser.h>
#include <sys/prctl.h>

#include "cli_support.h"
#include "hang_plan.h"

TestSuite(run_cli, .timeout = 100);

/*
 * Claim:   what cannot be right is said, with what would be, before anything starts; status 2.
 */
Test(run_cli, bad_input_is_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "--seeds: '5..3' is empty", "$sinval run --seeds 5..3");
    expect_run(cli, 2, "", "--seeds: '-1..3' is no range", "$sinval run --seeds -1..3");
    expect_run(cli, 2, "", "--seeds: '1..' is no range", "$sinval run --seeds 1..");
    expect_run(cli, 2, "", "--seeds: '1...3' is no range", "$sinval run --seeds 1...3");
    expect_run(cli, 2, "", "--seeds: '7' is no range", "$sinval run --seeds 7");
    expect_run(cli, 2, "", "is no range", "$sinval run --seeds 1..99999999999999999999999");
    expect_run(cli, 2, "", "are too many", "$sinval run --seeds 1..9223372036854775807");
    expect_run(cli, 2, "", "--seed: 'x' is not a seed", "$sinval run --seed x");
    expect_run(cli, 2, "", "--seed: '-5' is not a seed", "$sinval run --seed=-5");
    expect_run(cli, 2, "", "one of --seed and --seeds", "$sinval run --seed 1 --seeds 1..2");
    expect_run(cli, 2, "", "there is no 'rocket'; right would be process",
               "$sinval run --carrier rocket");
    expect_run(cli, 2, "", "--backends: '0'", "$sinval run --backends 0");
    expect_run(cli, 2, "", "--backends: '1025'", "$sinval run --backends 1025");
    expect_run(cli, 2, "", "--transactions: 'many'", "$sinval run --transactions many");
    expect_run(cli, 2, "", "--jobs: '0'", "$sinval run --jobs 0");
    expect_run(cli, 2, "", "--timeout: '-3'", "$sinval run --timeout=-3");
    expect_run(cli, 2, "", "--report: 'pdf' is no kind", "$sinval run --report pdf");
    expect_run(cli, 2, "", "cannot write '/nowhere/report'", "$sinval run -o /nowhere/report");
    expect_run(cli, 2, "", "cannot write '/'", "$sinval run storm -o /");
    expect_run(cli, 2, "", "laggard-reset", "$sinval run laggard-rest");
    expect_run(cli, 2, "", "nowhere.yaml", "$sinval run ./nowhere.yaml");
    expect_run(cli, 2, "", "a token would be right", "$sinval replay");
    expect_run(cli, 2, "", "not a token", "$sinval replay storm");
    expect_run(cli, 2, "", "one token would be right", "$sinval replay a b");
    cli_close(cli);
}

/* Claim: the token in the README is of the plan that there is. */
Test(run_cli, the_token_of_the_readme_can_be_replayed)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "1 of 1, 1 plan, seeds 11 to 11", "",
               "$sinval replay $(sed -n 's/^sinval replay \\(kill.*\\)/\\1/p' " SV_SOURCE_DIR
               "/README.md)");
    cli_close(cli);
}

static json_t *member(json_t *object, const char *key, json_type type)
{
    json_t *value = json_object_get(object, key);
    cr_assert_not_null(value, "no %s", key);
    cr_assert_eq(json_typeof(value), type, "%s is of another type", key);
    return value;
}

static void expect_integers(json_t *object, const char *const *keys, size_t count)
{
    cr_assert_eq(json_object_size(object), count);
    for (size_t i = 0; i < count; i++) {
        (void)member(object, keys[i], JSON_INTEGER);
    }
}

/*
 * Claim:   the JSON report has the members that it is documented to have, and the right figures.
 */
Test(run_cli, json_says_what_happened)
{
    static const char *const actions[] = {"kill", "stall",     "delay", "fail",
                                          "drop", "duplicate", "late",  "interrupt"};
    static const char *const events[] = {"message", "read",       "reset", "catchup",
                                         "relay",   "wraparound", "repair"};
    static const char *const points[] = {"total", "reached", "fired"};
    struct cli *cli = cli_open();
    expect_run(cli, 0, "\"runs\"", "",
               "$sinval run kill-mid-message storm --seeds 3..5 --report json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", cli->output);
    cr_expect_eq(json_integer_value(member(root, "runs", JSON_INTEGER)), 6);
    cr_expect_eq(json_integer_value(member(root, "failed", JSON_INTEGER)), 0);
    cr_expect_gt(json_real_value(member(root, "seconds", JSON_REAL)), 0);
    cr_expect_eq(json_array_size(member(root, "failures", JSON_ARRAY)), 0);
    expect_integers(member(root, "injected", JSON_OBJECT), actions, 8);
    expect_integers(member(root, "events", JSON_OBJECT), events, 7);
    expect_integers(member(root, "points", JSON_OBJECT), points, 3);
    cr_expect_gt(json_integer_value(json_object_get(json_object_get(root, "injected"), "kill")), 0);
    json_decref(root);
    cli_close(cli);
}

/*
 * Claim:   a failure ends with status 1 and one line that repeats it; in JSON and JUnit it carries
 *          oracle, sentence and token.
 * Method:  a plan that hangs, a deadline of one second; the printed line is run as it is.
 */
Test(run_cli, a_failure_can_be_replayed)
{
    struct cli *cli = cli_open();
    char token[512];
    cli_write(cli, "hang.yaml", HANG_PLAN, strlen(HANG_PLAN));
    expect_run(cli, 1, "FAILED hang, seed 9", "",
               "$sinval run $dir/hang.yaml --seed 9 --timeout 1");
    cli_take_token(cli, token);
    expect_run(cli, 1, "FAILED hang, seed 9", "", "$sinval replay $token --timeout 1");
    expect_run(cli, 1, token, "", "$sinval replay $token --timeout 1 -r json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root);
    json_t *failure = json_array_get(json_object_get(root, "failures"), 0);
    cr_expect_str_eq(json_string_value(member(failure, "oracle", JSON_STRING)), "O4");
    cr_expect_str_eq(json_string_value(member(failure, "token", JSON_STRING)), token);
    json_decref(root);
    expect_run(cli, 1, "<testsuites", "", "$sinval replay $token --timeout 1 -r junit");
    xmlDocPtr document = xmlReadMemory(cli->output, (int)strlen(cli->output), "junit.xml", NULL, 0);
    cr_assert_not_null(document, "%s", cli->output);
    xmlFreeDoc(document);
    cr_expect_not_null(strstr(cli->output, "<failure type=\"O4\""), "%s", cli->output);
    cr_expect_not_null(strstr(cli->output, token), "%s", cli->output);
    token[strlen(token) - 1] ^= 1;
    cr_assert_eq(setenv("token", token, 1), 0);
    expect_run(cli, 2, "", "token", "$sinval replay $token");
    cli_close(cli);
}

/*
 * Claim:   a report goes to the file, text to standard output, and a pipe sees no progress bar.
 */
Test(run_cli, a_report_goes_to_its_file)
{
    struct cli *cli = cli_open();
    static char report[OUTPUT_MAX];
    expect_run(cli, 0, "points", "", "$sinval run storm --seeds 1..3 -r json -o $dir/report.json");
    cr_expect_eq(cli->complaint[0], '\0', "%s", cli->complaint);
    cr_expect_null(strchr(cli->output, '\r'), "a progress bar in a pipe");
    cli_slurp(cli, "report.json", report);
    json_t *root = json_loads(report, 0, NULL);
    cr_assert_not_null(root, "%s", report);
    json_decref(root);
    expect_run(cli, 3, "points", "could not be written", "$sinval run storm -r json -o /dev/full");
    cli_close(cli);
}

/*
 * Claim:   the other numbers that are asked for are used, and are in the token.
 */
Test(run_cli, other_numbers_are_used)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "backends     2,", "",
               "$sinval run laggard-reset --backends 2 --transactions 5 --jobs 1");
    cli_write(cli, "hang.yaml", HANG_PLAN, strlen(HANG_PLAN));
    expect_run(cli, 1, ".b4.t60.", "",
               "$sinval run $dir/hang.yaml --backends 4 --transactions 60 --timeout 1");
    cli_close(cli);
}

/* ---- what is left when it is ended ----------------------------------------------------------- */

/* Segments whose maker, named by its pid, is dead: nobody will ever remove them. */
static int count_abandoned_segments(void)
{
    DIR *directory = opendir("/dev/shm");
    int count = 0;
    cr_assert_not_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *name = strstr(entry->d_name, "sinval-run-");
        const pid_t pid = name != NULL ? (pid_t)strtoul(name + strlen("sinval-run-"), NULL, 10) : 0;
        count += pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
    }
    closedir(directory);
    return count;
}

/* Is there a database in the campaign's directory, so that its runs are under way? */
static bool has_database(struct cli *cli)
{
    return run(cli, "ls $dir/sinval-*/run-*") == 0;
}

/* Start a long campaign with databases and named creators; wait until it is in full swing. */
static pid_t start_campaign(struct cli *cli)
{
    char output[128];
    snprintf(output, sizeof(output), "%s/campaign", cli->directory);
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)!freopen(output, "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execl(SV_CLI, SV_CLI, "run", "--seeds", "1..100000", "--jobs", "2", "sqlite-kills",
              "creator-dies", "storm", (char *)NULL);
        _exit(127);
    }
    while (!has_database(cli)) {
        cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0, "the campaign ended by itself");
        (void)sched_yield();
    }
    return pid;
}

/* Everybody who descends from us has ended; orphans come to us, who are their subreaper. */
static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    cr_assert_eq(errno, ECHILD);
}

static void end_by(int signal_number)
{
    struct cli *cli = cli_open();
    const int segments = count_abandoned_segments();
    int status = 0;
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t pid = start_campaign(cli);
    cr_assert_eq(kill(pid, signal_number), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == signal_number, "ended with %x", status);
    reap_all(); /* hangs, and times out, if anybody goes on */
    cr_expect_eq(cli_count(cli, "sinval-"), 0, "a directory is left");
    cr_expect_leq(count_abandoned_segments(), segments, "a segment is left");
    cli_close(cli);
}

/*
 * Claim:   a campaign that is interrupted, terminated or killed leaves no process, no directory and
 *          no segment; interrupted or terminated, it has cleaned up before it ends by that signal.
 * Method:  a campaign in full swing; its orphans become children of the test, which waits for all.
 */
Test(run_cli, nothing_is_left_after_an_interrupt)
{
    end_by(SIGINT);
}

Test(run_cli, nothing_is_left_after_a_termination)
{
    end_by(SIGTERM);
}

Test(run_cli, nothing_is_left_after_a_kill)
{
    end_by(SIGKILL);
}
