/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens: there and back, and nothing mistyped gets through.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "faults/checksum.h"
#include "faults/plan_schema.h"
#include "faults/random.h"
#include "faults/token.h"

TestSuite(token_unit, .timeout = 60);

static struct token shipped_token(const char *name, uint64_t seed)
{
    struct token token = {.seed = seed, .carrier = "process"};
    char message[PLAN_MESSAGE_MAX];

    cr_assert_eq(plan_load_shipped(name, &token.plan, message, sizeof(message)), 0, "%s", message);
    return token;
}

static void assert_decodes_to(const char *text, const struct token *expected)
{
    char message[PLAN_MESSAGE_MAX] = "";
    struct token token;

    cr_assert_eq(token_decode(text, &token, message, sizeof(message)), 0, "%s: %s", text, message);
    cr_assert_eq(token.seed, expected->seed, "%s", text);
    cr_assert_eq(token.backends, expected->backends, "%s", text);
    cr_assert_eq(token.transactions, expected->transactions, "%s", text);
    cr_assert_str_eq(token.carrier, expected->carrier);
    /* An embedded plan has lost its danger. */
    if (token.plan.danger[0] == '\0') {
        memcpy(token.plan.danger, expected->plan.danger, sizeof(token.plan.danger));
    }
    cr_assert_arr_eq((const char *)&token.plan, (const char *)&expected->plan, sizeof(token.plan),
                     "%s", text);
}

/*
 * Claim:   a shipped plan's token can be read by a person.
 */
Test(token_unit, a_token_says_what_it_repeats)
{
    struct token token = shipped_token("laggard-reset", 42);
    char text[TOKEN_MAX];
    char expected[128];

    snprintf(expected, sizeof(expected), "laggard-reset.p%08x.s42.process-",
             plan_digest(&token.plan));
    cr_assert_eq(token_encode(&token, text), strlen(text));
    cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s", text);
    cr_assert_eq(strlen(text), strlen(expected) + 8);

    token.backends = 8;
    token.transactions = 200;
    snprintf(expected, sizeof(expected), "laggard-reset.p%08x.s42.b8.t200.process-",
             plan_digest(&token.plan));
    (void)token_encode(&token, text);
    cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s", text);
}

/* A valid plan that nobody wrote. */
static void random_plan(struct random *random, struct plan *plan)
{
    struct plan_problem problem;
    struct plan drawn;

    do {
        plan_preset(&drawn);
        snprintf(drawn.name, sizeof(drawn.name), "plan-%u", random_below(random, 1000));
        drawn.swarm = random_below(random, 2) != 0;
        drawn.world.backends = 1 + random_below(random, PLAN_BACKENDS_MAX);
        drawn.world.config.capacity = 4u << random_below(random, 15);
        drawn.world.workload = random_below(random, WORKLOAD_COUNT);
        drawn.world.source = random_below(random, SOURCE_COUNT);
        drawn.world.transactions = 1 + random_below(random, 1000000);
        drawn.world.idle = random_below(random, drawn.world.backends);
        drawn.world.postmaster = random_below(random, 2) != 0;
        drawn.fault_count = random_below(random, PLAN_FAULTS_MAX + 1);
        for (uint32_t i = 0; i < drawn.fault_count; i++) {
            struct fault *fault = &drawn.faults[i];
            const enum sv_point point = random_below(random, SV_POINT_COUNT);

            fault->target = random_below(random, TARGET_NUMBER + 1);
            fault->backend =
                fault->target == TARGET_NUMBER ? random_below(random, drawn.world.backends) : 0;
            snprintf(fault->point, sizeof(fault->point), "%s", point_entries[point].path);
            do {
                fault->action = random_below(random, ACTION_COUNT);
            } while (!point_allows(point, fault->action));
            fault->hit = random_below(random, 2) * (1 + random_below(random, 1000000000));
            fault->probability = fault->hit != 0 ? 0 : 1 + random_below(random, RANDOM_BILLION);
            const bool lasts = fault->action == ACTION_STALL || fault->action == ACTION_DELAY ||
                               fault->action == ACTION_LATE;
            fault->argument_us = lasts ? 1 + random_below(random, 60000000) : 0;
            fault->at_most = random_below(random, 1000);
        }
    } while (plan_check(&drawn, &problem) != 0);
    *plan = drawn;
}

/*
 * Claim:   what is encoded is decoded to the same, whatever the plan, seed and overrides; a plan
 *          that does not come with the program, or differs from the one of its name, travels whole.
 * Method:  all shipped plans, and 2000 random ones.
 */
Test(token_unit, every_token_comes_back)
{
    struct random random = random_branch(1, 0, RANDOM_TEST);
    char text[TOKEN_MAX];
    struct token token;

    for (uint32_t i = 0; i < plan_shipped_count(); i++) {
        token = shipped_token(plan_shipped_name(i), random_next(&random));
        (void)token_encode(&token, text);
        cr_assert_lt(strlen(text), 100);
        assert_decodes_to(text, &token);
        token.plan.world.keys++;
        (void)token_encode(&token, text);
        cr_assert_eq(strncmp(text, "x.", 2), 0, "%s", text);
        assert_decodes_to(text, &token);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        memset(&token, 0, sizeof(token));
        random_plan(&random, &token.plan);
        token.seed = random_next(&random) >> random_below(&random, 64);
        token.backends = random_below(&random, 2) * (1 + random_below(&random, 1024));
        token.transactions = random_below(&random, 2) * (1 + random_below(&random, 1000000));
        snprintf(token.carrier, sizeof(token.carrier), "%s",
                 random_below(&random, 2) == 0 ? "process" : "fiber");
        cr_assert_eq(token_encode(&token, text), strlen(text));
        cr_assert_eq(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_"),
                     strlen(text), "%s", text);
        assert_decodes_to(text, &token);
    }
    token.seed = UINT64_MAX;
    (void)token_encode(&token, text);
    assert_decodes_to(text, &token);
}

/*
 * Claim:   every change of one character, every missing and every extra one, every two neighbours
 *          swapped, is rejected, with words.
 * Method:  all of them, by every printable character, on a short token and on one with a plan in
 *          it.
 */
Test(token_unit, nothing_mistyped_gets_through)
{
    struct token tokens[2] = {shipped_token("storm", 7), shipped_token("lost-signals", 123456)};

    tokens[0].backends = 12;
    tokens[1].plan.world.keys = 5;
    for (int i = 0; i < 2; i++) {
        char text[TOKEN_MAX];
        char broken[TOKEN_MAX];
        char message[PLAN_MESSAGE_MAX];
        struct token token;
        const size_t length = token_encode(&tokens[i], text);

        for (size_t at = 0; at < length; at++) {
            for (int printable = ' '; printable <= '~'; printable++) {
                const char c = (char)printable;

                memcpy(broken, text, length + 1);
                broken[at] = c;
                message[0] = '\0';
                if (c != text[at]) {
                    cr_assert_eq(token_decode(broken, &token, message, sizeof(message)), -EINVAL,
                                 "taken: %s", broken);
                    cr_assert_neq(message[0], '\0');
                }
                memmove(broken + at + 1, text + at, length + 1 - at);
                if (at > 0 || c != ' ') {
                    cr_assert_eq(token_decode(broken, &token, message, sizeof(message)), -EINVAL,
                                 "taken: %s", broken);
                }
            }
            memcpy(broken, text, length + 1);
            memmove(broken + at, broken + at + 1, length - at);
            cr_assert_eq(token_decode(broken, &token, message, sizeof(message)), -EINVAL,
                         "taken: %s", broken);
            memcpy(broken, text, length + 1);
            broken[at] = text[at + 1];
            broken[at + 1] = text[at];
            if (text[at] != text[at + 1] && at + 1 < length) {
                cr_assert_eq(token_decode(broken, &token, message, sizeof(message)), -EINVAL,
                             "taken: %s", broken);
            }
            memcpy(broken, text, at);
            broken[at] = '\0';
            cr_assert_eq(token_decode(broken, &token, message, sizeof(message)), -EINVAL,
                         "taken: %s", broken);
        }
    }
}

/* Put the right checksum behind a word. */
static const char *sealed(const char *word, char text[256])
{
    snprintf(text, 256, "%s-%08" PRIx32, word, checksum_crc32(word, strlen(word)));
    return text;
}

/*
 * Claim:   what is wrong with a token is said: mistyped, no token, an unknown plan, a changed one.
 * Method:  the exact words; behind a right checksum where the checksum is not the point.
 */
Test(token_unit, what_is_wrong_is_said)
{
    struct token token = shipped_token("storm", 1);
    char storm[64];
    char text[256];
    char expected[PLAN_MESSAGE_MAX];

    const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "not a token, or cut short; one ends with '-' and 8 digits 0-9, a-f"},
        {"storm", "not a token, or cut short; one ends with '-' and 8 digits 0-9, a-f"},
        {"storm s1", "a token is one word; this has white space inside"},
        {"storm.p00000000.s1.process-00000000",
         "mistyped: the token's checksum is 00000000, what is before it has %08x; copy it again"},
        {"!storn.p00000000.s1.process",
         "no plan 'storn' comes with this program; did you mean 'storm'?"},
        {"!storm.p00000000.s1.process",
         "plan 'storm' has changed since this token was made (it was 00000000, it is %08x); replay "
         "it with the version that made it"},
        {"!storm.s1.process", "not a token; one begins with <plan>.p<digest> or x.<plan>"},
        {"!x.AA+A.s1.process", "the token's plan is no base64url; it was not made by sinval"},
        {"!x.AAAA.s1.process", "the token's plan is not one that this version understands"},
        {"!@.process", "not a token; after the plan comes s<seed>"},
        {"!@.s01.process", "not a token; after the plan comes s<seed>"},
        {"!@.s18446744073709551616.process", "not a token; after the plan comes s<seed>"},
        {"!@.s1.b1025.process", "not a token; it ends with .<carrier>-<checksum>"},
        {"!@.s1", "not a token; it ends with .<carrier>-<checksum>"},
        {"!@.s1.Process", "not a token; it ends with .<carrier>-<checksum>"},
        {"!@.s1.process.more", "not a token; it ends with .<carrier>-<checksum>"},
    };

    snprintf(storm, sizeof(storm), "storm.p%08" PRIx32, plan_digest(&token.plan));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bool seal = cases[i].text[0] == '!';
        const bool whole = seal && cases[i].text[1] == '@';
        const char *rest = cases[i].text + seal + whole;
        char message[PLAN_MESSAGE_MAX] = "";
        char word[192];
        const char *dash = strrchr(rest, '-');
        const uint32_t figure = seal || dash == NULL ? plan_digest(&token.plan)
                                                     : checksum_crc32(rest, (size_t)(dash - rest));
        struct token decoded;

        snprintf(word, sizeof(word), "%s%s", whole ? storm : "", rest);
        const char *figure_at = strstr(cases[i].message, "%08x");
        if (figure_at == NULL) {
            snprintf(expected, sizeof(expected), "%s", cases[i].message);
        } else {
            snprintf(expected, sizeof(expected), "%.*s%08" PRIx32 "%s",
                     (int)(figure_at - cases[i].message), cases[i].message, figure, figure_at + 4);
        }
        cr_expect_eq(
            token_decode(seal ? sealed(word, text) : word, &decoded, message, sizeof(message)),
            -EINVAL, "%s", word);
        cr_expect_str_eq(message, expected, "%s\nsaid   %s\nwanted %s", word, message, expected);
        cr_expect_eq(decoded.plan.fault_count, 0, "half decoded: %s", word);
    }
}

/*
 * Claim:   white space around a token, as copying leaves it, does no harm.
 */
Test(token_unit, white_space_around_is_skipped)
{
    const struct token token = shipped_token("storm", 7);
    char text[TOKEN_MAX];
    char padded[TOKEN_MAX + 8];

    (void)token_encode(&token, text);
    snprintf(padded, sizeof(padded), " \t%s \r\n", text);
    assert_decodes_to(padded, &token);
}

/*
 * Claim:   the checksum is the CRC-32 everybody knows.
 */
Test(token_unit, the_checksum_is_crc32)
{
    cr_assert_eq(checksum_crc32("123456789", 9), 0xcbf43926);
    cr_assert_eq(checksum_crc32("", 0), 0);
}
