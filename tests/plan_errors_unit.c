/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Bad plans: every error, to the last word, with its place.
 */
#include "plan_support.h"

TestSuite(plan_errors_unit, .timeout = 60);

/* A text, and all that is said of it. */
struct bad {
    const char *text;
    const char *message;
};

static void check_bad(const struct bad *bad)
{
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    memset(&plan, 0xff, sizeof(plan));
    cr_expect_eq(load(bad->text, &plan, message), -EINVAL, "taken:\n%s", bad->text);
    cr_expect_str_eq(message, bad->message, "for:\n%ssaid:  %s\nwanted %s", bad->text, message,
                     bad->message);
    cr_expect(all_zero(&plan, sizeof(plan)), "half loaded:\n%s", bad->text);
}

#define CHECK_ALL(bads)                                           \
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) { \
        check_bad(&bads[i]);                                      \
    }

#define FAULT(text) HEAD "faults:\n- {" text "}\n"
#define WORLD(text) HEAD "faults: []\nworld:\n  " text "\n"

/*
 * Claim:   what is no YAML, or YAML that a plan has no use for, is told with its place.
 * Method:  a table of texts with the exact words.
 */
Test(plan_errors_unit, a_file_that_is_no_plan_is_told)
{
    static const struct bad bads[] = {
        {"", "f.yaml:1:1: empty; a plan begins with its name"},
        {"# only this\n", "f.yaml:1:1: empty; a plan begins with its name"},
        {"---\n", "f.yaml:2:1: nothing here; a plan is a mapping of keys to values"},
        {"hello\n", "f.yaml:1:1: 'hello' here; a plan is a mapping of keys to values"},
        {"- a\n", "f.yaml:1:1: a list here; a plan is a mapping of keys to values"},
        {"name: [\n", "f.yaml:2:1: not YAML: did not find expected node content while parsing a "
                      "flow node; a plan is a YAML file"},
        {"name: x\n\tdanger: y\n",
         "f.yaml:2:1: not YAML: found a tab character that violates indentation while scanning a "
         "plain scalar; a plan is a YAML file"},
        {"name: a\x01\n", "f.yaml:1:8: not YAML: control characters are not allowed; a plan is a "
                          "YAML file"},
        {"name: ab\nx: \xff\n", "f.yaml:2:4: not YAML: invalid leading UTF-8 octet; a plan is a "
                                "YAML file"},
        {"name: &a ab\n", "f.yaml:1:7: an anchor; a plan has none"},
        {"name: *a\n", "f.yaml:1:7: an alias; write the value out"},
        {"name: !!str ab\n", "f.yaml:1:7: a tag; a plan has none"},
        {"world: !x {}\n", "f.yaml:1:8: a tag; a plan has none"},
        {HEAD "faults: &f []\n", "f.yaml:3:9: an anchor; a plan has none"},
        {HEAD "faults: []\n--- \nname: b\n",
         "f.yaml:4:1: a second document; a file holds one plan"},
    };

    CHECK_ALL(bads);
}

/*
 * Claim:   a key that a plan does not know, has twice, or lacks is told with its place.
 * Method:  a table of texts with the exact words.
 */
Test(plan_errors_unit, keys_are_checked)
{
    static const struct bad bads[] = {
        {"nmae: x\n", "f.yaml:1:1: unknown key 'nmae' in a plan; did you mean 'name'?"},
        {HEAD "frobnicate: 1\n", "f.yaml:3:1: unknown key 'frobnicate' in a plan; name, danger, "
                                 "swarm, world or faults"},
        {HEAD "[a]: 1\n", "f.yaml:3:1: unknown key a list in a plan; name, danger, swarm, world or "
                          "faults"},
        {WORLD("capasity: 4"),
         "f.yaml:5:3: unknown key 'capasity' in a world; did you mean 'capacity'?"},
        {FAULT("point: latch/wait/sleep, propability: 1, action: kill"),
         "f.yaml:4:29: unknown key 'propability' in a fault; did you mean 'probability'?"},
        {"name: ab\nname: cd\n",
         "f.yaml:2:1: key 'name' for the second time; once, it is already in line 1"},
        {WORLD("keys: 4\n  idle: 1\n  keys: 4"),
         "f.yaml:7:3: key 'keys' for the second time; once, it is already in line 5"},
        {"danger: x\nfaults: []\n", "f.yaml:1:1: a plan without 'name'; it needs one"},
        {"name: ab\nfaults: []\n", "f.yaml:1:1: a plan without 'danger'; it needs one"},
        {HEAD, "f.yaml:1:1: a plan without 'faults'; it needs one"},
        {FAULT("action: kill, hit: 1"), "f.yaml:4:3: a fault without 'point'; it needs one"},
        {FAULT("point: latch/wait/sleep, hit: 1"),
         "f.yaml:4:3: a fault without 'action'; it needs one"},
    };

    CHECK_ALL(bads);
}

/*
 * Claim:   a value of the wrong type or out of its range is told with its place and the range.
 * Method:  a table of texts with the exact words.
 */
Test(plan_errors_unit, values_are_checked)
{
    static const struct bad bads[] = {
        {"name: 5x\n", "f.yaml:1:7: name is '5x'; 2 to 47 of a-z, 0-9 and '-', a letter first"},
        {"name: a\n", "f.yaml:1:7: name is 'a'; 2 to 47 of a-z, 0-9 and '-', a letter first"},
        {"name: ''\n",
         "f.yaml:1:7: name is empty text; 2 to 47 of a-z, 0-9 and '-', a letter first"},
        {"name: \"a\\0b\"\n",
         "f.yaml:1:7: name is the text 'a'; 2 to 47 of a-z, 0-9 and '-', a letter first"},
        {"danger:\nname: ab\n", "f.yaml:1:8: danger is nothing; a sentence of at most 255 bytes"},
        {HEAD "swarm: yes\n", "f.yaml:3:8: swarm is 'yes'; true or false"},
        {HEAD "swarm: 1\n", "f.yaml:3:8: swarm is '1'; true or false"},
        {HEAD "world: 8\n", "f.yaml:3:8: '8' here; a world is a mapping of keys to values"},
        {HEAD "world:\n", "f.yaml:3:7: nothing here; a world is a mapping of keys to values"},
        {HEAD "faults: 3\n", "f.yaml:3:9: faults is '3'; a list, each entry beginning with '-'"},
        {HEAD "faults:\n- kill\n",
         "f.yaml:4:3: 'kill' here; a fault is a mapping of keys to values"},
        {WORLD("backends: 0"), "f.yaml:5:13: backends is 0; a whole number from 1 to 1024"},
        {WORLD("backends: 1025"), "f.yaml:5:13: backends is 1025; a whole number from 1 to 1024"},
        {WORLD("backends: -3"), "f.yaml:5:13: backends is '-3'; a whole number from 1 to 1024"},
        {WORLD("backends: 8.5"), "f.yaml:5:13: backends is '8.5'; a whole number from 1 to 1024"},
        {WORLD("backends: 0x8"), "f.yaml:5:13: backends is '0x8'; a whole number from 1 to 1024"},
        {WORLD("backends: \"8\""),
         "f.yaml:5:13: backends is the text '8'; a whole number from 1 to 1024"},
        {WORLD("backends: [8]"), "f.yaml:5:13: backends is a list; a whole number from 1 to 1024"},
        {WORLD("backends: {a: 8}"),
         "f.yaml:5:13: backends is a mapping; a whole number from 1 to 1024"},
        {WORLD("backends:"), "f.yaml:5:12: backends is nothing; a whole number from 1 to 1024"},
        {WORLD("transactions: 18446744073709551617"),
         "f.yaml:5:17: transactions is 18446744073709551617; a whole number from 1 to 1000000"},
        {WORLD("workload: transaction"),
         "f.yaml:5:13: workload is 'transaction'; did you mean 'transactions'?"},
        {WORLD("workload: postgres"),
         "f.yaml:5:13: workload is 'postgres'; transactions, queue, churn or idle"},
        {WORLD("source: {}"), "f.yaml:5:11: source is a mapping; table or sqlite"},
        {FAULT("point: [], action: kill, hit: 1"),
         "f.yaml:4:11: point is a list; a name such as queue/copy/middle, or a prefix such as "
         "lock/*"},
        {FAULT("point: latch/wait/sleep, action: kil, hit: 1"),
         "f.yaml:4:37: action is 'kil'; did you mean 'kill'?"},
        {FAULT("point: latch/wait/sleep, action: explode, hit: 1"),
         "f.yaml:4:37: action is 'explode'; kill, stall, delay, fail, drop, duplicate, late or "
         "interrupt"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 0"),
         "f.yaml:4:48: hit is 0; a whole number from 1 to 1000000000"},
        {FAULT("point: latch/wait/sleep, action: kill, probability: 0"),
         "f.yaml:4:56: probability is '0'; a number above 0 and at most 1, such as 0.01, with at "
         "most 9 decimals"},
        {FAULT("point: latch/wait/sleep, action: kill, probability: 1.000000001"),
         "f.yaml:4:56: probability is '1.000000001'; a number above 0 and at most 1, such as 0.01, "
         "with at most 9 decimals"},
        {FAULT("point: latch/wait/sleep, action: kill, probability: -0.1"),
         "f.yaml:4:56: probability is '-0.1'; a number above 0 and at most 1, such as 0.01, with "
         "at most 9 decimals"},
        {FAULT("point: latch/wait/sleep, action: kill, probability: 1%"),
         "f.yaml:4:56: probability is '1%'; a number above 0 and at most 1, such as 0.01, with at "
         "most 9 decimals"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, backend: -1"),
         "f.yaml:4:60: backend is '-1'; a whole number from 0 to 1023"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, backend: wirter"),
         "f.yaml:4:60: backend is 'wirter'; did you mean 'writer'?"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, backend: everyone"),
         "f.yaml:4:60: backend is 'everyone'; a number, any, writer or lock_holder"},
        {FAULT("point: latch/wait/sleep, action: stall, hit: 1, stall_ms: 60001"),
         "f.yaml:4:62: stall_ms is 60001; a whole number from 1 to 60000"},
    };

    CHECK_ALL(bads);
}

/*
 * Claim:   what is right by itself and wrong together is told at the field to blame.
 * Method:  a table of texts with the exact words.
 */
Test(plan_errors_unit, meaning_is_checked)
{
    static const struct bad bads[] = {
        {FAULT("point: queue/coppy/middle, action: kill, hit: 1"),
         "f.yaml:4:11: unknown point 'queue/coppy/middle'; did you mean 'queue/copy/middle'?"},
        {FAULT("point: xyz, action: kill, hit: 1"),
         "f.yaml:4:11: unknown point 'xyz'; 'sinval points' lists all"},
        {FAULT("point: 'lcok/*', action: kill, hit: 1"),
         "f.yaml:4:11: unknown point 'lcok/*'; did you mean 'lock/*'?"},
        {FAULT("point: 'queue/clean/*', action: kill, hit: 1"),
         "f.yaml:4:11: unknown point 'queue/clean/*'; did you mean 'queue/cleanup/*'?"},
        {FAULT("point: 'queue/*/middle', action: kill, hit: 1"),
         "f.yaml:4:11: point 'queue/*/middle' has a '*' in the middle; only a '*' at the end "
         "stands for anything"},
        {FAULT("point: queue/copy/middle, action: drop, hit: 1"),
         "f.yaml:4:38: action 'drop' makes no sense at 'queue/copy/middle'; kill, stall or delay "
         "would"},
        {FAULT("point: signal/handler/entry, action: delay, delay_ms: 1, hit: 1"),
         "f.yaml:4:41: action 'delay' makes no sense at 'signal/handler/entry'; kill or stall "
         "would"},
        {FAULT("point: 'lock/*', action: fail, hit: 1"),
         "f.yaml:4:29: action 'fail' makes no sense at 'lock/*'; kill, stall or delay would"},
        {FAULT("point: latch/wait/sleep, action: kill"),
         "f.yaml:4:3: a fault needs to know when; give it a hit or a probability"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, probability: 0.5"),
         "f.yaml:4:64: a hit and a probability in one fault; give it one of them"},
        {FAULT("point: latch/wait/sleep, action: stall, hit: 1"),
         "f.yaml:4:37: action 'stall' without its length; give it a stall_ms"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, delay_ms: 4"),
         "f.yaml:4:51: delay_ms with action 'kill'; it goes with 'delay'"},
        {FAULT("point: latch/wait/sleep, action: stall, hit: 1, late_ms: 4"),
         "f.yaml:4:52: late_ms with action 'stall'; it goes with 'late'"},
        {FAULT("point: latch/wait/sleep, action: delay, hit: 1, delay_ms: 4, delay_us: 1"),
         "f.yaml:4:65: delay_us besides delay_ms; one of them"},
        {FAULT("point: latch/wait/sleep, action: kill, hit: 1, backend: 8"),
         "f.yaml:4:60: backend 8 of a world of 8; a number from 0 to 7, any, writer or "
         "lock_holder"},
        {WORLD("idle: 8"), "f.yaml:5:9: idle is 8 of 8 backends; at least one must have something "
                           "to do, so at most 7"},
        {WORLD("idle: 4\n  writers: 5"),
         "f.yaml:6:12: writers is 5 of 4 backends that are not idle; at most 4"},
        {WORLD("writers: 2\n  send_only: 3"),
         "f.yaml:6:14: send_only is 3 of 2 writers; at most 2"},
    };

    CHECK_ALL(bads);
}

/*
 * Claim:   what the library says of a configuration is told at the key it is about.
 * Method:  a capacity that is no power of two, behind a good key.
 */
Test(plan_errors_unit, the_configuration_is_checked_by_the_library)
{
    static const char place[] = "f.yaml:6:13: capacity";
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    cr_assert_eq(load(WORLD("keys: 9\n  capacity: 100"), &plan, message), -EINVAL);
    cr_assert(strncmp(message, place, strlen(place)) == 0, "%s", message);
}

/*
 * Claim:   64 faults are taken, the 65th is told.
 * Method:  lists of both lengths.
 */
Test(plan_errors_unit, too_many_faults_are_told)
{
    static const char line[] = "- {point: latch/wait/sleep, action: kill, hit: 1}\n";
    char text[PLAN_FAULTS_MAX * 64 + 256];
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;
    size_t used = (size_t)snprintf(text, sizeof(text), HEAD "faults:\n");

    for (int i = 0; i < PLAN_FAULTS_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", line);
    }
    cr_assert_eq(load(text, &plan, message), 0, "%s", message);
    cr_assert_eq(plan.fault_count, PLAN_FAULTS_MAX);
    (void)snprintf(text + used, sizeof(text) - used, "%s", line);
    cr_assert_eq(load(text, &plan, message), -EINVAL);
    cr_assert_str_eq(message, "f.yaml:68:3: more than 64 faults; at most 64");
}

/*
 * Claim:   what cannot be read as a file is told, with the name that was given.
 * Method:  a directory, a name that is not there, one that may not be read, one that never ends.
 */
Test(plan_errors_unit, what_cannot_be_read_is_told)
{
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    cr_expect_eq(plan_load_file("/", &plan, message, sizeof(message)), -EINVAL);
    cr_expect_str_eq(message, "/:1:1: a directory; a plan is a YAML file");
    cr_expect_eq(plan_load_file("/nowhere/x.yaml", &plan, message, sizeof(message)), -EINVAL);
    cr_expect_str_eq(message, "/nowhere/x.yaml:1:1: cannot be opened: No such file or directory; a "
                              "plan is a YAML file");
    cr_expect_eq(plan_load_file("/proc/self/mem", &plan, message, sizeof(message)), -EINVAL);
    cr_expect_str_eq(message, "/proc/self/mem:1:1: cannot be read: Input/output error; a plan is a "
                              "YAML file");
    cr_expect_eq(plan_load_file("/dev/zero", &plan, message, sizeof(message)), -EINVAL);
    cr_expect_str_eq(message, "/dev/zero:1:1: larger than 65536 bytes; a plan is at most that");
    cr_expect_eq(plan_load_file("/dev/null", &plan, message, sizeof(message)), -EINVAL);
    cr_expect_str_eq(message, "/dev/null:1:1: empty; a plan begins with its name");
}

/*
 * Claim:   a text cut off anywhere, or with any byte changed, is a plan or an error, never a crash,
 *          and an error leaves nothing behind.
 * Method:  every prefix of a shipped plan's file, and each of its bytes replaced by each of some.
 */
Test(plan_errors_unit, broken_texts_do_no_harm)
{
    static const char replacements[] = "\0 \n:-{}[]*&!\"'9a\xff";
    char text[8192];
    FILE *file = fopen(SV_SOURCE_DIR "/faults/plans/stalled-reader.yaml", "r");
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;
    uint32_t refused = 0;

    cr_assert_not_null(file);
    const size_t bytes = fread(text, 1, sizeof(text), file);
    fclose(file);
    for (size_t i = 0; i < bytes; i++) {
        for (size_t j = 0; j < sizeof(replacements); j++) {
            const char kept = text[i];
            const bool cut = j == sizeof(replacements) - 1;

            text[i] = replacements[j];
            if (plan_load_text("f", text, cut ? i : bytes, &plan, message, sizeof(message)) != 0) {
                refused++;
                cr_assert(all_zero(&plan, sizeof(plan)), "half loaded at %zu", i);
                cr_assert(strncmp(message, "f:", 2) == 0, "'%s' at %zu", message, i);
            }
            text[i] = kept;
        }
    }
    cr_assert_gt(refused, bytes);
}
