/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What is added up over the runs of a campaign, and what its three reports say of it: figures that
 * all differ, each looked for in its place.
 */
#include <jansson.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults/report.h"
#include "support.h"

TestSuite(report_unit, .timeout = 30);

static const struct plan two_plans[] = {{.name = "first-plan"}, {.name = "second-plan"}};

static const struct campaign_options options = {.plans = two_plans,
                                                .plan_count = 2,
                                                .seed_first = 20,
                                                .seed_last = 50,
                                                .carrier = "process",
                                                .jobs = 1};

/* What a report writes; free it. */
static char *written(int (*report)(const struct campaign *campaign, FILE *to),
                     const struct campaign *campaign)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    cr_assert_not_null(to);
    cr_assert_eq(report(campaign, to), 0);
    cr_assert_eq(fclose(to), 0);
    return text;
}

/* What libxml2 would write as it is, and XML has no place for, or a meaning of its own. */
#define ODD_DETAILS "a \001 b\n\t& < > \" ' ]]> \033 \177 \377 c\n"
#define ODD_SHOWN   "a ? b\n\t& < > \" ' ]]> ? ? ? c\n"

static struct plan_total totals[] = {{.runs = 501, .failed = 2, .seconds = 33.25},
                                     {.runs = 402, .failed = 5, .seconds = 44.5}};

static char token_a[] = "token-a";
static char token_b[] = "token-b";
static char odd_details[] = ODD_DETAILS;
static char more_details[] = "More.\n";

static struct failure failures[] = {
    {.plan = 1,
     .seed = 42,
     .finding = {.oracle = ORACLE_O2, .message = "One & <two>."},
     .token = token_a,
     .details = odd_details},
    {.plan = 0,
     .seed = 43,
     .finding = {.oracle = ORACLE_O6, .message = "Two."},
     .token = token_b,
     .details = more_details},
    {.plan = 1,
     .seed = 44,
     .finding = {.oracle = ORACLE_O4, .message = "Three.\001"},
     .token = NULL,
     .details = NULL},
};

/* Points 0 and 1 never fired, and point 0 was not even reached. */
static struct campaign distinct(void)
{
    struct campaign campaign = {
        .options = &options,
        .planned = 1001,
        .runs = 903,
        .failed = 7,
        .seconds = 90.3,
        .births = 3001,
        .deaths = 2002,
        .pause_ns = 12300000,
        .trace = 0xabc,
        .injected = {[ACTION_KILL] = 101,
                     [ACTION_STALL] = 102,
                     [ACTION_DELAY] = 103,
                     [ACTION_FAIL] = 104,
                     [ACTION_DROP] = 105,
                     [ACTION_DUPLICATE] = 106,
                     [ACTION_INTERRUPT] = 108},
        .events = {[SV_STAT_inserted] = 201,
                   [SV_STAT_read] = 302,
                   [SV_STAT_resets_overflow] = 403,
                   [SV_STAT_resets_requested] = 504,
                   [SV_STAT_resets_repair] = 605,
                   [SV_STAT_resets_taken] = 706,
                   [SV_STAT_catchups_sent] = 807,
                   [SV_STAT_catchups_served] = 908,
                   [SV_STAT_relays] = 209,
                   [SV_STAT_cleanups] = 310,
                   [SV_STAT_wraparounds] = 411,
                   [SV_STAT_locks_taken_over] = 512,
                   [SV_STAT_slots_settled] = 613,
                   [SV_STAT_intents_resent] = 714,
                   [SV_STAT_attaches] = 815,
                   [SV_STAT_commits] = 916,
                   [SV_STAT_rollbacks] = 217},
        .plans = totals,
        .failures = failures,
        .failure_count = sizeof(failures) / sizeof(failures[0]),
    };
    for (enum sv_point point = 1; point < SV_POINT_COUNT; point++) {
        campaign.reached[point] = 1000 + point;
        campaign.fired[point] = point > 1 ? point : 0;
    }
    return campaign;
}

/*
 * Claim:   the text has every figure in its place: failures first, each with what repeats it, and
 *          how many more there were; then the table.
 */
Test(report_unit, the_text_says_what_happened)
{
    const struct campaign campaign = distinct();
    char expected[4096];
    snprintf(expected, sizeof(expected),
             "FAILED second-plan, seed 42\nO2, %s: One & <two>.\n" ODD_DETAILS
             "sinval replay token-a\n\n"
             "FAILED first-plan, seed 43\nO6, %s: Two.\nMore.\nsinval replay token-b\n\n"
             "FAILED second-plan, seed 44\nO4, %s: Three.\001\nsinval replay (no memory)\n\n"
             "... and 4 more failures\n\n"
             "  runs         903 of 1001, 2 plans, seeds 20 to 50\n"
             "  failed       7\n"
             "  time         90.3 s, 600 runs a minute\n"
             "  backends     3001, killed 2002, longest wait for a dead lock holder 12.3 ms\n"
             "  injected     kill 101, stall 102, delay 103, fail 104, drop 105, duplicate 106, "
             "interrupt 108\n"
             "  messages     201 sent, 302 read\n"
             "  resets       1512 (overflow 403, requested 504, repair 605)\n"
             "  catchups     807 sent, 908 served, 209 of them relayed; 310 cleanups\n"
             "  wraparounds  411\n"
             "  repairs      locks taken over 512, slots settled 613, intents sent again 714\n"
             "  transactions 916 committed, 217 rolled back\n"
             "  points       %u reached, %u fired, of %u\n"
             "  not fired    %s\n"
             "  not fired    %s\n"
             "  trace        0000000000000abc\n",
             oracle_text(ORACLE_O2), oracle_text(ORACLE_O6), oracle_text(ORACLE_O4),
             SV_POINT_COUNT - 1u, SV_POINT_COUNT - 2u, (unsigned)SV_POINT_COUNT,
             point_entries[0].path, point_entries[1].path);
    char *text = written(report_text, &campaign);
    cr_expect_str_eq(text, expected, "%s\ninstead of\n%s", text, expected);
    free(text);
}

/*
 * Claim:   the JSON has every figure under its key, and nothing else.
 */
Test(report_unit, the_json_says_what_happened)
{
    const struct campaign campaign = distinct();
    char expected[2048];
    snprintf(expected, sizeof(expected),
             "{\"runs\": 903, \"failed\": 7, \"seconds\": 90.3, \"trace\": \"0000000000000abc\","
             "\"injected\": {\"kill\": 101, \"stall\": 102, \"delay\": 103, \"fail\": 104,"
             "\"drop\": 105, \"duplicate\": 106, \"late\": 0, \"interrupt\": 108},"
             "\"events\": {\"message\": 201, \"read\": 302, \"reset\": 1512, \"catchup\": 807,"
             "\"relay\": 209, \"wraparound\": 411, \"repair\": 1125},"
             "\"points\": {\"total\": %u, \"reached\": %u, \"fired\": %u},"
             "\"failures\": ["
             "{\"oracle\": \"O2\", \"message\": \"One & <two>.\", \"token\": \"token-a\"},"
             "{\"oracle\": \"O6\", \"message\": \"Two.\", \"token\": \"token-b\"},"
             "{\"oracle\": \"O4\", \"message\": \"Three.\\u0001\", \"token\": \"\"}]}",
             (unsigned)SV_POINT_COUNT, SV_POINT_COUNT - 1u, SV_POINT_COUNT - 2u);
    char *text = written(report_json, &campaign);
    json_t *got = json_loads(text, 0, NULL);
    json_t *wanted = json_loads(expected, 0, NULL);
    cr_assert_not_null(wanted);
    cr_expect(json_equal(got, wanted), "%s", text);
    json_decref(got);
    json_decref(wanted);
    free(text);
}

/* What an XPath says of a document must be this. */
static void expect_xpath(xmlXPathContextPtr context, const char *path, const char *expected)
{
    xmlXPathObjectPtr object = xmlXPathEvalExpression((const xmlChar *)path, context);
    cr_assert_not_null(object, "%s", path);
    xmlChar *text = xmlXPathCastToString(object);
    cr_expect_str_eq((const char *)text, expected, "%s is '%s', not '%s'", path, (const char *)text,
                     expected);
    xmlFree(text);
    xmlXPathFreeObject(object);
}

/*
 * Claim:   the JUnit report is well-formed whatever the details hold, counts all the cases that it
 *          has, and has every figure in its place.
 * Method:  libxml2 reads it; XPaths.
 */
Test(report_unit, the_junit_says_what_happened)
{
    static const struct {
        const char *path;
        const char *expected;
    } cases[] = {
        {"/testsuites/@time", "90.300"},
        {"count(/testsuites/testsuite)", "2"},
        {"//testsuite[1]/@name", "sinval.run.first-plan"},
        {"//testsuite[1]/@tests", "2"},
        {"count(//testsuite[1]/testcase)", "2"},
        {"//testsuite[1]/@failures", "1"},
        {"count(//testsuite[1]//failure)", "1"},
        {"//testsuite[1]/@errors", "0"},
        {"//testsuite[1]/@time", "33.250"},
        {"//testsuite[1]/testcase[1]/@name", "499 of 501 runs pass"},
        {"//testsuite[1]/testcase[2]/@name", "seed 43"},
        {"//testsuite[1]/testcase[2]/failure", "More.\nsinval replay token-b"},
        {"//testsuite[2]/@name", "sinval.run.second-plan"},
        {"//testsuite[2]/@tests", "3"},
        {"count(//testsuite[2]/testcase)", "3"},
        {"//testsuite[2]/@failures", "2"},
        {"count(//testsuite[2]//failure)", "2"},
        {"//testsuite[2]/@time", "44.500"},
        {"//testsuite[2]/testcase[1]/@name", "397 of 402 runs pass"},
        {"//testsuite[2]/testcase[1]/@time", "44.500"},
        {"count(//testsuite[2]/testcase[1]/*)", "0"},
        {"count(//testcase[@classname = 'sinval.run.second-plan'])", "3"},
        {"//testsuite[2]/testcase[2]/@name", "seed 42"},
        {"//testsuite[2]/testcase[2]/failure/@type", "O2"},
        {"//testsuite[2]/testcase[2]/failure/@message", "One & <two>."},
        {"//testsuite[2]/testcase[2]/failure", ODD_SHOWN "sinval replay token-a"},
        {"//testsuite[2]/testcase[3]/failure/@message", "Three.?"},
        {"//testsuite[2]/testcase[3]/failure", "sinval replay "},
    };
    const struct campaign campaign = distinct();
    char *text = written(report_junit, &campaign);
    xmlDocPtr document = xmlReadMemory(text, (int)strlen(text), "report.xml", NULL,
                                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    cr_assert_not_null(document, "not well-formed: %s", text);
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    cr_assert_not_null(context);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_xpath(context, cases[i].path, cases[i].expected);
    }
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    xmlCleanupParser();
    free(text);
}

/* ---- totals -------------------------------------------------------------------------------- */

static struct campaign empty(void)
{
    return (struct campaign){
        .options = &options,
        .plans = calloc(options.plan_count, sizeof(struct plan_total)),
        .failures = calloc(CAMPAIGN_FAILURES_MAX, sizeof(struct failure)),
    };
}

/* A run of which every figure is its own multiple of n, but for the wait. */
static const struct job_note *note_of(uint64_t run, uint32_t n, uint64_t pause_ns,
                                      enum run_outcome outcome)
{
    static struct job_note note;
    note = (struct job_note){.run = run,
                             .result = {.outcome = outcome,
                                        .seconds = n,
                                        .births = 2 * n,
                                        .deaths = 3 * n,
                                        .pause_ns = pause_ns}};
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        note.result.injected[action] = (uint64_t)(10 + action) * n;
    }
    for (uint32_t i = 0; i < SV_STAT_COUNT; i++) {
        note.result.events[i] = (uint64_t)(100 + i) * n;
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        note.result.reached[point] = (1000 + point) * n;
        note.result.fired[point] = (2000 + point) * n;
    }
    if (outcome != RUN_PASSED) {
        (void)finding_set(&note.result.finding, ORACLE_O3, "run %u", n);
        note.result.details_bytes = 4;
        memcpy(note.result.details, "moreand", 7);
    }
    return &note;
}

/*
 * Claim:   what several runs came to is the sum, but of waits it is the longest, whichever came
 *          last; and of a plan it is what its own runs came to.
 * Method:  three runs of two plans, with figures that are 1, 10 and 100 times something.
 */
Test(report_unit, totals_are_sums_and_the_longest_wait)
{
    struct campaign campaign = empty();
    campaign_add(&campaign, note_of(0, 1, 500, RUN_PASSED));
    campaign_add(&campaign, note_of(1, 10, 900, RUN_PASSED));
    campaign_add(&campaign, note_of(2, 100, 700, RUN_PASSED));
    campaign_add(&campaign, note_of(4, 0, 0, RUN_PASSED));
    cr_expect_eq(campaign.pause_ns, 900, "the longest wait is %" PRIu64, campaign.pause_ns);
    cr_expect_eq(campaign.runs, 4);
    cr_expect_eq(campaign.failed, 0);
    cr_expect_eq(campaign.births, 222);
    cr_expect_eq(campaign.deaths, 333);
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        cr_expect_eq(campaign.injected[action], UINT64_C(111) * (10 + action));
    }
    for (uint32_t i = 0; i < SV_STAT_COUNT; i++) {
        cr_expect_eq(campaign.events[i], UINT64_C(111) * (100 + i));
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        cr_expect_eq(campaign.reached[point], UINT64_C(111) * (1000 + point));
        cr_expect_eq(campaign.fired[point], UINT64_C(111) * (2000 + point));
    }
    cr_expect_eq(campaign.plans[0].runs, 3);
    cr_expect_eq(campaign.plans[1].runs, 1);
    cr_expect_eq(campaign.plans[0].seconds, 101);
    cr_expect_eq(campaign.plans[1].seconds, 10);
    campaign_free(&campaign);
}

/*
 * Claim:   every failure is counted, and the first CAMPAIGN_FAILURES_MAX of them are kept, each
 *          with its own plan, seed, finding, details and token.
 */
Test(report_unit, failures_are_counted_and_kept)
{
    struct campaign campaign = empty();
    const uint32_t count = CAMPAIGN_FAILURES_MAX + 7;
    for (uint32_t i = 0; i < count; i++) {
        campaign_add(&campaign, note_of(i, i, 0, RUN_VIOLATED));
    }
    cr_expect_eq(campaign.runs, count);
    cr_expect_eq(campaign.failed, count);
    cr_expect_eq(campaign.plans[0].failed + campaign.plans[1].failed, count);
    cr_assert_eq(campaign.failure_count, CAMPAIGN_FAILURES_MAX);
    for (uint32_t i = 0; i < CAMPAIGN_FAILURES_MAX; i++) {
        const struct failure *failure = &campaign.failures[i];
        char message[32];
        char seed[32];
        snprintf(message, sizeof(message), "run %u", i);
        snprintf(seed, sizeof(seed), ".s%" PRIu64 ".process-", failure->seed);
        cr_expect_eq(failure->plan, i % 2);
        cr_expect_eq(failure->seed, 20 + i / 2 % 31);
        cr_expect_eq(failure->finding.oracle, ORACLE_O3);
        cr_expect_str_eq(failure->finding.message, message);
        cr_expect_str_eq(failure->details, "more");
        cr_expect_not_null(strstr(failure->token, seed), "%s", failure->token);
    }
    campaign_free(&campaign);
}
