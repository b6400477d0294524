/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a plan and a seed say reaches the run: the segment's configuration, and what the backends do.
 */
#include "faults/campaign.h"
#include "faults/plan_schema.h"
#include "plan_support.h"
#include "support.h"

TestSuite(plan_effect_fault, .timeout = 120);

#define CONFIG(key)                           \
    {                                         \
#        key, offsetof(struct sv_config, key) \
    }

/*
 * Claim:   every key of a plan that is the library's configuration is that of the run's segment.
 * Method:  a number of its own for each.
 */
Test(plan_effect_fault, the_configuration_is_the_plans)
{
    static const struct {
        const char *key;
        size_t offset;
    } keys[] = {
        CONFIG(capacity),         CONFIG(cleanup_min),      CONFIG(cleanup_quantum),
        CONFIG(signal_threshold), CONFIG(write_quantum),    CONFIG(wraparound),
        CONFIG(intent_max),       CONFIG(lock_hold_max_ms),
    };

    const size_t count = sizeof(keys) / sizeof(keys[0]);
    static struct plan plan;
    char text[512] = HEAD "faults: []\nworld: {backends: 8";
    char message[PLAN_MESSAGE_MAX];
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, ", %s: %zu", keys[i].key,
                 strcmp(keys[i].key, "capacity") == 0     ? 1024
                 : strcmp(keys[i].key, "wraparound") == 0 ? 8192
                                                          : 100 + i);
    }
    memcpy(text + strlen(text), "}\n", sizeof("}\n")); /* there is room for twice as much */
    cr_assert_eq(load(text, &plan, message), 0, "%s\n%s", message, text);
    const struct sv_config config = run_config(&plan.world);
    for (size_t i = 0; i < count; i++) {
        const uint32_t got =
            *(const uint32_t *)(const void *)((const char *)&config + keys[i].offset);
        const struct plan_field *field = world_fields;
        while (strcmp(field->key, keys[i].key) != 0) {
            field++;
        }
        cr_expect_eq(got, world_get(&plan.world, field), "%s is %u", keys[i].key, got);
        cr_expect_neq(got, 0, "%s", keys[i].key);
    }
    cr_expect_geq(config.backends_max, 8);
}

/* How many messages the only backend of a world sends in the run of a seed. */
static uint64_t sent_by_one(const struct plan *plan, uint64_t seed)
{
    const struct campaign_options options = {.plans = plan,
                                             .plan_count = 1,
                                             .seed_first = seed,
                                             .seed_last = seed,
                                             .carrier = "process",
                                             .jobs = 1,
                                             .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};
    struct campaign campaign;
    cr_assert_eq(campaign_run(&options, &campaign), 0);
    cr_assert_eq(campaign.environment.message[0], '\0', "%s", campaign.environment.message);
    cr_assert_eq(campaign.runs, 1);
    cr_assert_eq(campaign.failed, 0, "%s", campaign.failures[0].finding.message);
    const uint64_t sent = campaign.events[SV_STAT_inserted];
    campaign_free(&campaign);
    return sent;
}

/*
 * Claim:   the seed decides what the backends do: with one alone, whom nobody interferes with, the
 *          same seed gives the same work, and other seeds give other work.
 * Method:  how many messages it sends in 100 steps, whose sizes are drawn; four seeds, twice each.
 */
static void expect_work_of_the_seed(const char *workload)
{
    enum { SEEDS = 4 };

    static struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    char text[256];
    uint64_t sent[SEEDS];
    bool differ = false;
    snprintf(text, sizeof(text),
             HEAD "faults: []\nworld: {backends: 1, transactions: 100, workload: %s}\n", workload);
    cr_assert_eq(load(text, &plan, message), 0, "%s", message);
    for (uint32_t i = 0; i < SEEDS; i++) {
        sent[i] = sent_by_one(&plan, i + 1);
        cr_expect_eq(sent_by_one(&plan, i + 1), sent[i], "seed %u of %s", i + 1, workload);
        cr_expect_gt(sent[i], 0);
        differ |= sent[i] != sent[0];
    }
    cr_expect(differ, "every seed sends %" PRIu64 " messages in %s", sent[0], workload);
}

Test(plan_effect_fault, the_seed_decides_what_the_queue_is_used_for)
{
    expect_work_of_the_seed("queue");
}

Test(plan_effect_fault, the_seed_decides_what_transactions_do)
{
    expect_work_of_the_seed("transactions");
}
