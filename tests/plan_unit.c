/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plans: what a good one becomes, and the words for each bad one.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/plan.h"
#include "faults/plan_schema.h"

TestSuite(plan_unit, .timeout = 30);

#define HEAD "name: my-plan\ndanger: Something.\n" /* two lines; then world and faults */

static int load(const char *text, struct plan *plan, char message[PLAN_MESSAGE_MAX])
{
    strcpy(message, "");
    return plan_load_text("f.yaml", text, strlen(text), plan, message, PLAN_MESSAGE_MAX);
}

static bool all_zero(const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (((const unsigned char *)bytes)[i] != 0) {
            return false;
        }
    }
    return true;
}

/*
 * Claim:   every key ends up where it belongs, and what is left out has its preset.
 * Method:  one plan with every key, one with as few as possible.
 */
Test(plan_unit, a_plan_is_read_as_written)
{
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    cr_assert_eq(load("danger: |\n  Two\n  lines.\n"
                      "name: a-plan\n"
                      "swarm: true\n"
                      "faults:\n"
                      "- {backend: 3, point: queue/copy/middle, action: kill, hit: 7, at_most: 2}\n"
                      "- point: 'lock/*'\n"
                      "  backend: lock_holder\n"
                      "  probability: 0.000000001\n"
                      "  action: stall\n"
                      "  stall_ms: 5\n"
                      "- {backend: writer, point: '*', action: late, late_us: 30, probability: 1}\n"
                      "- {backend: any, point: latch/*, action: delay, delay_us: 1, hit: 1}\n"
                      "world: {backends: 10, capacity: 64, cleanup_min: 8, cleanup_quantum: 4,\n"
                      "        signal_threshold: 9, write_quantum: 2, wraparound: 128,\n"
                      "        intent_max: 3, lock_hold_max_ms: 50, workload: churn,\n"
                      "        transactions: 5, source: sqlite, keys: 6, writers: 4,\n"
                      "        send_only: 1, idle: 2, burst: 11, postmaster: true,\n"
                      "        discard_caches: true}\n",
                      &plan, message),
                 0, "%s", message);
    cr_assert_str_eq(plan.name, "a-plan");
    cr_assert_str_eq(plan.danger, "Two\nlines.\n");
    cr_assert(plan.swarm);
    cr_assert_eq(plan.world.backends, 10);
    cr_assert_eq(plan.world.config.capacity, 64);
    cr_assert_eq(plan.world.config.cleanup_min, 8);
    cr_assert_eq(plan.world.config.cleanup_quantum, 4);
    cr_assert_eq(plan.world.config.signal_threshold, 9);
    cr_assert_eq(plan.world.config.write_quantum, 2);
    cr_assert_eq(plan.world.config.wraparound, 128);
    cr_assert_eq(plan.world.config.intent_max, 3);
    cr_assert_eq(plan.world.config.lock_hold_max_ms, 50);
    cr_assert_eq(plan.world.workload, WORKLOAD_CHURN);
    cr_assert_eq(plan.world.transactions, 5);
    cr_assert_eq(plan.world.source, SOURCE_SQLITE);
    cr_assert_eq(plan.world.keys, 6);
    cr_assert_eq(plan.world.writers, 4);
    cr_assert_eq(plan.world.send_only, 1);
    cr_assert_eq(plan.world.idle, 2);
    cr_assert_eq(plan.world.burst, 11);
    cr_assert(plan.world.postmaster);
    cr_assert(plan.world.discard_caches);

    cr_assert_eq(plan.fault_count, 4);
    const struct fault *fault = plan.faults;
    cr_assert(fault->target == TARGET_NUMBER && fault->backend == 3 && fault->hit == 7);
    cr_assert(fault->action == ACTION_KILL && fault->at_most == 2 && fault->probability == 0);
    cr_assert_str_eq(fault->point, "queue/copy/middle");
    fault++;
    cr_assert(fault->target == TARGET_LOCK_HOLDER && fault->action == ACTION_STALL);
    cr_assert(fault->argument_us == 5000 && fault->probability == 1 && fault->hit == 0);
    fault++;
    cr_assert(fault->target == TARGET_WRITER && fault->argument_us == 30);
    cr_assert_eq(fault->probability, 1000000000);
    fault++;
    cr_assert(fault->target == TARGET_ANY && fault->argument_us == 1 && fault->at_most == 0);

    cr_assert_eq(load(HEAD "faults: []\n", &plan, message), 0, "%s", message);
    cr_assert_eq(plan.world.backends, 8);
    cr_assert_eq(plan.world.transactions, 200);
    cr_assert_eq(plan.world.keys, 64);
    cr_assert_eq(plan.world.config.capacity, 0);
    cr_assert_eq(plan.fault_count, 0);
}

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
Test(plan_unit, a_file_that_is_no_plan_is_told)
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
Test(plan_unit, keys_are_checked)
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
Test(plan_unit, values_are_checked)
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
Test(plan_unit, meaning_is_checked)
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
Test(plan_unit, the_configuration_is_checked_by_the_library)
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
Test(plan_unit, too_many_faults_are_told)
{
    char text[PLAN_FAULTS_MAX * 64 + 256] = HEAD "faults:\n";
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    for (int i = 0; i < PLAN_FAULTS_MAX; i++) {
        strcat(text, "- {point: latch/wait/sleep, action: kill, hit: 1}\n");
    }
    cr_assert_eq(load(text, &plan, message), 0, "%s", message);
    cr_assert_eq(plan.fault_count, PLAN_FAULTS_MAX);
    strcat(text, "- {point: latch/wait/sleep, action: kill, hit: 1}\n");
    cr_assert_eq(load(text, &plan, message), -EINVAL);
    cr_assert_str_eq(message, "f.yaml:68:3: more than 64 faults; at most 64");
}

/*
 * Claim:   what cannot be read as a file is told, with the name that was given.
 * Method:  a directory, a name that is not there, one that may not be read, one that never ends.
 */
Test(plan_unit, what_cannot_be_read_is_told)
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
Test(plan_unit, broken_texts_do_no_harm, .timeout = 60)
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

/*
 * Claim:   every plan in faults/plans comes with the program, is valid, and has its file's name.
 * Method:  the directory against the list.
 */
Test(plan_unit, shipped_plans_are_complete_and_valid)
{
    DIR *directory = opendir(SV_SOURCE_DIR "/faults/plans");
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;
    uint32_t files = 0;

    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *suffix = strstr(entry->d_name, ".yaml");
        char name[PLAN_NAME_MAX] = "";

        if (suffix == NULL) {
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(suffix - entry->d_name), entry->d_name);
        cr_expect_eq(plan_find(name, &plan, message, sizeof(message)), 0, "%s", message);
        cr_expect_str_eq(plan.name, name);
        files++;
    }
    closedir(directory);
    cr_assert_eq(files, plan_shipped_count());
    cr_assert_geq(files, 14);
}

/*
 * Claim:   the shipped plans can fire every point of the catalogue.
 * Method:  each point against the faults of all plans.
 */
Test(plan_unit, shipped_plans_can_fire_every_point)
{
    bool fired[SV_POINT_COUNT] = {false};
    bool done[ACTION_COUNT] = {false};
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    for (uint32_t i = 0; i < plan_shipped_count(); i++) {
        cr_assert_eq(plan_load_shipped(plan_shipped_name(i), &plan, message, sizeof(message)), 0,
                     "%s", message);
        for (uint32_t j = 0; j < plan.fault_count; j++) {
            done[plan.faults[j].action] = true;
            for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
                const bool storm = strcmp(plan.faults[j].point, "*") == 0;

                fired[point] |= !storm && fault_applies(&plan.faults[j], point);
            }
        }
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        cr_expect(fired[point], "only the storm fires %s", point_entries[point].path);
    }
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        cr_expect(done[action], "no plan has the action %s", action_name(action));
    }
}

/*
 * Claim:   a name that is no plan's is told, with the nearest or with all of them.
 */
Test(plan_unit, an_unknown_plan_is_told)
{
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;

    cr_assert_eq(plan_find("storn", &plan, message, sizeof(message)), -EINVAL);
    cr_assert_str_eq(message, "no plan 'storn' comes with this program; did you mean 'storm'?");
    cr_assert_eq(plan_find("zzzzzzzzzzz", &plan, message, sizeof(message)), -EINVAL);
    cr_assert_not_null(strstr(message, "a file such as ./my-plan.yaml, or laggard-reset, "), "%s",
                       message);
    cr_assert_not_null(strstr(message, ", storm, "), "%s", message);
    cr_assert_eq(plan_find("./storm", &plan, message, sizeof(message)), -EINVAL);
    cr_assert_not_null(strstr(message, "./storm:1:1: cannot be opened"), "%s", message);
}

/*
 * Claim:   the canonical form gives back the plan, and its digest changes with every field but the
 *          danger.
 * Method:  all shipped plans there and back; then one plan with each field changed in turn.
 */
Test(plan_unit, the_canonical_form_holds_all_but_the_danger)
{
    uint8_t bytes[PLAN_BYTES_MAX];
    uint8_t again[PLAN_BYTES_MAX];
    char message[PLAN_MESSAGE_MAX];
    struct plan plan;
    struct plan back;

    for (uint32_t i = 0; i < plan_shipped_count(); i++) {
        cr_assert_eq(plan_load_shipped(plan_shipped_name(i), &plan, message, sizeof(message)), 0);
        const size_t count = plan_serialize(&plan, bytes);
        cr_assert_eq(plan_deserialize(bytes, count, &back), 0, "%s", plan.name);
        memcpy(back.danger, plan.danger, sizeof(plan.danger));
        cr_assert_arr_eq((char *)&back, (char *)&plan, sizeof(plan), "%s", plan.name);
        for (size_t cut = 0; cut < count; cut++) {
            cr_assert_eq(plan_deserialize(bytes, cut, &back), -EINVAL, "%s cut at %zu", plan.name,
                         cut);
            cr_assert(all_zero(&back, sizeof(back)));
        }
    }
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        back = plan;
        world_set(&back.world, &world_fields[i],
                  world_get(&plan.world, &world_fields[i]) == 1 ? 0 : 1);
        cr_expect_neq(plan_digest(&back), plan_digest(&plan), "%s", world_fields[i].key);
    }
    const size_t count = plan_serialize(&plan, bytes);
    memset(&back, 0, sizeof(back));
    for (size_t i = 0; i < count; i++) {
        for (unsigned value = 0; value < 256; value++) {
            const uint8_t kept = bytes[i];
            bytes[i] = (uint8_t)value;
            if (plan_deserialize(bytes, count, &back) == 0) {
                cr_assert_eq(plan_serialize(&back, again), count);
                cr_assert_arr_eq(again, bytes, count, "two forms of one plan: byte %zu", i);
            }
            bytes[i] = kept;
        }
    }
}

/*
 * Claim:   roles are dealt as the header says, and an override cuts them down to fit.
 * Method:  a world of ten, then the same with four, then with one.
 */
Test(plan_unit, roles_follow_the_world)
{
    static const enum plan_role ten[] = {ROLE_WRITER, ROLE_WRITER,    ROLE_WRITER,    ROLE_WRITER,
                                         ROLE_WRITER, ROLE_SEND_ONLY, ROLE_SEND_ONLY, ROLE_READER,
                                         ROLE_IDLE,   ROLE_IDLE};

    static const enum plan_role four[] = {ROLE_WRITER, ROLE_SEND_ONLY, ROLE_IDLE, ROLE_IDLE};
    struct plan plan = {
        .world = {.backends = 10, .writers = 7, .send_only = 2, .idle = 2, .transactions = 5}};

    for (uint32_t i = 0; i < 10; i++) {
        cr_expect_eq(plan_role(&plan.world, i), ten[i], "backend %u", i);
    }
    plan_override(&plan, 4, 0);
    cr_expect_eq(plan.world.transactions, 5);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(plan_role(&plan.world, i), four[i], "backend %u of 4", i);
    }
    plan_override(&plan, 1, 9);
    cr_expect_eq(plan.world.transactions, 9);
    cr_expect_eq(plan.world.idle, 0);
    cr_expect_eq(plan_role(&plan.world, 0), ROLE_WRITER);
    plan = (struct plan){.world = {.backends = 3, .idle = 1}};
    cr_expect_eq(plan_role(&plan.world, 1), ROLE_WRITER);
    cr_expect_eq(plan_role(&plan.world, 2), ROLE_IDLE);
}
