/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Bounds of a plan: of every number, both ends are taken and come back out of a token, and one
 * beyond each is refused; so are the parts of a token.
 */
#include <inttypes.h>

#include "faults/checksum.h"
#include "faults/plan_schema.h"
#include "faults/token.h"
#include "plan_support.h"

TestSuite(plan_bounds_unit, .timeout = 60);

/* A number, and what else a plan must say for it to make sense at both its ends. */
struct bounds {
    const char *key;
    uint64_t min;
    uint64_t max;
    const char *besides; /* ends with ", " */
};

static const struct bounds world_bounds[] = {
    {"backends", 1, 1024, ""},
    {"capacity", 4, 65536, ""},
    {"cleanup_min", 1, 65536, "capacity: 65536, "},
    {"cleanup_quantum", 1, 65536, "capacity: 65536, "},
    {"signal_threshold", 1, 65536, "capacity: 65536, "},
    {"write_quantum", 1, 65536, "capacity: 65536, "},
    {"wraparound", 4, 1u << 30, "capacity: 4, "},
    {"intent_max", 1, 65536, ""},
    {"lock_hold_max_ms", 1, 60000, ""},
    {"transactions", 1, 1000000, ""},
    {"keys", 1, 65536, ""},
    {"writers", 1, 1024, "backends: 1024, "},
    {"send_only", 0, 1024, "backends: 1024, writers: 1024, "},
    {"idle", 0, 1023, "backends: 1024, "},
    {"burst", 1, 65536, ""},
};

#define HIT(action) "point: '*', hit: 1, action: " action ", "

static const struct bounds fault_bounds[] = {
    {"backend", 0, 7, HIT("kill")},       {"hit", 1, 1000000000, "point: '*', action: kill, "},
    {"at_most", 1, 1000000, HIT("kill")}, {"stall_ms", 1, 60000, HIT("stall")},
    {"delay_ms", 1, 60000, HIT("delay")}, {"delay_us", 1, 60000000, HIT("delay")},
    {"late_ms", 1, 60000, HIT("late")},   {"late_us", 1, 60000000, HIT("late")},
};

static int load_with(const char *format, const struct bounds *bounds, uint64_t value,
                     struct plan *plan, char message[PLAN_MESSAGE_MAX])
{
    char text[512];
    snprintf(text, sizeof(text), "%s%s{%s%s: %" PRIu64 "}\n", HEAD, format, bounds->besides,
             bounds->key, value);
    return load(text, plan, message);
}

/* A plan must be the same, to the last number, when it comes out of its token. */
static void expect_back(const struct plan *plan, const char *key)
{
    static char text[TOKEN_MAX];
    static struct token back;
    const struct fault *fault = &plan->faults[0];
    const struct fault *back_fault = &back.plan.faults[0];
    struct token token = {.plan = *plan, .seed = 1, .carrier = "process"};
    char message[PLAN_MESSAGE_MAX] = "";
    (void)token_encode(&token, text);
    cr_assert_eq(token_decode(text, &back, message, sizeof(message)), 0, "%s: %s", key, message);
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        cr_expect_eq(world_get(&back.plan.world, &world_fields[i]),
                     world_get(&plan->world, &world_fields[i]), "%s: another %s", key,
                     world_fields[i].key);
    }
    cr_expect_eq(back.plan.fault_count, plan->fault_count);
    cr_expect_eq(back_fault->target, fault->target, "%s: another target", key);
    cr_expect_eq(back_fault->backend, fault->backend, "%s: another backend", key);
    cr_expect_str_eq(back_fault->point, fault->point);
    cr_expect_eq(back_fault->action, fault->action, "%s: another action", key);
    cr_expect_eq(back_fault->hit, fault->hit, "%s: another hit", key);
    cr_expect_eq(back_fault->probability, fault->probability);
    cr_expect_eq(back_fault->argument_us, fault->argument_us, "%s: another length", key);
    cr_expect_eq(back_fault->at_most, fault->at_most, "%s: another limit", key);
}

static void check(const char *format, const struct bounds *bounds)
{
    const uint64_t ends[] = {bounds->min, bounds->max};
    static struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(load_with(format, bounds, ends[i], &plan, message), 0,
                     "%s: %" PRIu64 " is refused: %s", bounds->key, ends[i], message);
        expect_back(&plan, bounds->key);
    }
    if (bounds->min > 0) {
        cr_expect_eq(load_with(format, bounds, bounds->min - 1, &plan, message), -EINVAL,
                     "%s: %" PRIu64 " is taken", bounds->key, bounds->min - 1);
    }
    cr_expect_eq(load_with(format, bounds, bounds->max + 1, &plan, message), -EINVAL,
                 "%s: %" PRIu64 " is taken", bounds->key, bounds->max + 1);
    cr_expect_eq(load_with(format, bounds, bounds->max + (UINT64_C(1) << 32), &plan, message),
                 -EINVAL, "%s: more than 32 bits are taken", bounds->key);
}

static bool has(const struct bounds *bounds, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(bounds[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Claim:   every number of a world has its bounds: what is between them is taken and comes back out
 *          of a token, what is beyond is refused.
 * Method:  a table of them all; both ends, and one beyond each.
 */
Test(plan_bounds_unit, numbers_of_a_world_are_bounded)
{
    const size_t count = sizeof(world_bounds) / sizeof(world_bounds[0]);
    for (size_t i = 0; i < count; i++) {
        check("faults: []\nworld: ", &world_bounds[i]);
    }
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        cr_expect(world_fields[i].kind != FIELD_NUMBER ||
                      has(world_bounds, count, world_fields[i].key),
                  "nobody asked for %s", world_fields[i].key);
    }
}

/*
 * Claim:   the same of a fault.
 */
Test(plan_bounds_unit, numbers_of_a_fault_are_bounded)
{
    const size_t count = sizeof(fault_bounds) / sizeof(fault_bounds[0]);
    for (size_t i = 0; i < count; i++) {
        check("faults:\n- ", &fault_bounds[i]);
    }
    for (uint32_t i = 0; i < FAULT_FIELD_COUNT; i++) {
        cr_expect(fault_fields[i].kind != FIELD_NUMBER ||
                      has(fault_bounds, count, fault_fields[i].key),
                  "nobody asked for %s", fault_fields[i].key);
    }
}

/*
 * Claim:   a length means what its unit says, and goes with its own action alone.
 * Method:  every key of a length, 7 of its units, with every action that takes one.
 */
Test(plan_bounds_unit, lengths_have_units_and_actions)
{
    static const struct {
        const char *key;
        enum action action;
        uint32_t unit_us;
    } lengths[] = {
        {"stall_ms", ACTION_STALL, 1000}, {"delay_ms", ACTION_DELAY, 1000},
        {"delay_us", ACTION_DELAY, 1},    {"late_ms", ACTION_LATE, 1000},
        {"late_us", ACTION_LATE, 1},
    };

    static const enum action actions[] = {ACTION_STALL, ACTION_DELAY, ACTION_LATE, ACTION_KILL};
    static struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    char text[256];
    for (size_t i = 0; i < 20; i++) {
        const char *key = lengths[i / 4].key;
        const enum action action = actions[i % 4];
        snprintf(text, sizeof(text), HEAD "faults:\n- {point: '*', hit: 1, action: %s, %s: 7}\n",
                 action_name(action), key);
        const int result = load(text, &plan, message);
        if (action == lengths[i / 4].action) {
            cr_expect_eq(result, 0, "%s with %s: %s", key, action_name(action), message);
            cr_expect_eq(plan.faults[0].argument_us, 7 * lengths[i / 4].unit_us, "%s", key);
        } else {
            cr_expect_eq(result, -EINVAL, "%s with %s is taken", key, action_name(action));
            cr_expect_not_null(strstr(message, key), "%s", message);
        }
    }
}

/* A plan must not come back out of its canonical form. */
static void expect_refused(const struct plan *plan, const char *why)
{
    static uint8_t bytes[PLAN_BYTES_MAX];
    static struct plan back;
    const size_t count = plan_serialize(plan, bytes);
    memset(&back, 0xff, sizeof(back));
    cr_expect_eq(plan_deserialize(bytes, count, &back), -EINVAL, "%s is taken", why);
    cr_expect(all_zero(&back, sizeof(back)), "%s: half read", why);
}

/*
 * Claim:   bytes of a token that no plan has are refused: a name that is none, and numbers beyond
 *          their bounds.
 * Method:  the canonical form of plans that nobody could have loaded.
 */
Test(plan_bounds_unit, a_canonical_form_is_checked_like_a_file)
{
    static const char *const names[] = {"a",   "Plan",    "a plan",   "9plan", "-plan",
                                        "a.b", "../plan", "pl\001an", "pl/an", "plan_a"};
    static struct plan good;
    static struct plan bad;
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(
        load(HEAD "faults:\n- {point: '*', action: delay, delay_ms: 1, hit: 1}\n", &good, message),
        0, "%s", message);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bad = good;
        snprintf(bad.name, sizeof(bad.name), "%s", names[i]);
        expect_refused(&bad, names[i]);
    }
    for (uint32_t i = 0; i < WORLD_FIELD_COUNT; i++) {
        const struct plan_field *field = &world_fields[i];
        if (field->kind != FIELD_NUMBER) {
            continue;
        }
        bad = good;
        world_set(&bad.world, field, field->max + 1);
        expect_refused(&bad, field->key);
        if (field->min > 0 && field->preset != 0) {
            world_set(&bad.world, field, 0);
            expect_refused(&bad, field->key);
        }
    }
    bad = good;
    bad.faults[0].hit = 1000000001;
    expect_refused(&bad, "hit");
    bad = good;
    bad.faults[0].argument_us = 60000001;
    expect_refused(&bad, "a length");
    bad = good;
    bad.faults[0].at_most = 1000001;
    expect_refused(&bad, "at_most");
}

/*
 * Claim:   a token's own numbers have the bounds of what they stand for.
 * Method:  behind a right checksum.
 */
Test(plan_bounds_unit, numbers_of_a_token_are_bounded)
{
    static const struct {
        const char *rest;
        int result;
    } cases[] = {
        {"s0", 0},
        {"s18446744073709551615", 0},
        {"s18446744073709551616", -EINVAL},
        {"s1.b1", 0},
        {"s1.b1024", 0},
        {"s1.b1025", -EINVAL},
        {"s1.t1", 0},
        {"s1.t1000000", 0},
        {"s1.t1000001", -EINVAL},
        {"s1.b8.t1000000", 0},
        {"s1.b8.t1000001", -EINVAL},
    };
    static struct token token;
    char message[PLAN_MESSAGE_MAX] = "";
    char word[256];
    char text[300];
    cr_assert_eq(plan_load_shipped("storm", &token.plan, message, sizeof(message)), 0);
    const uint32_t digest = plan_digest(&token.plan);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(word, sizeof(word), "storm.p%08" PRIx32 ".%s.process", digest, cases[i].rest);
        snprintf(text, sizeof(text), "%s-%08" PRIx32, word, checksum_crc32(word, strlen(word)));
        cr_expect_eq(token_decode(text, &token, message, sizeof(message)), cases[i].result,
                     "%s: %s", text, message);
    }
}
