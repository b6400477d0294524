/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Plans: what a good one becomes, and those that come with the program.
 */
#include <dirent.h>

#include "faults/plan_schema.h"
#include "plan_support.h"

TestSuite(plan_unit, .timeout = 30);

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
