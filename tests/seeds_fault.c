/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Failures once seen, replayed: faults/seeds holds files of tokens, one a line, each after a
 * comment that says what it was.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults/campaign.h"
#include "faults/token.h"
#include "support.h"

TestSuite(seeds_fault, .timeout = 100);

enum { WHAT_MAX = 512, PATH_BYTES = 1024 };

static void replay(const char *text, const char *what)
{
    static struct token token;
    char message[PLAN_MESSAGE_MAX];
    struct campaign campaign;
    cr_assert_eq(token_decode(text, &token, message, sizeof(message)), 0, "%s: %s", text, message);
    const struct campaign_options options = {.plans = &token.plan,
                                             .plan_count = 1,
                                             .seed_first = token.seed,
                                             .seed_last = token.seed,
                                             .repeats = 4,
                                             .backends = token.backends,
                                             .transactions = token.transactions,
                                             .carrier = token.carrier,
                                             .jobs = 2,
                                             .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};
    cr_assert_eq(campaign_run(&options, &campaign), 0);
    cr_assert_eq(campaign.environment.message[0], '\0', "%s", campaign.environment.message);
    cr_expect_eq(campaign.failed, 0, "back again: %s%s: %s\nsinval replay %s", what,
                 oracle_name(campaign.failures[0].finding.oracle),
                 campaign.failures[0].finding.message, text);
    cr_expect_eq(campaign.runs, 4);
    campaign_free(&campaign);
}

/* Returns: how many tokens were in it. */
static uint32_t replay_file(const char *path)
{
    static char line[TOKEN_MAX + 2];
    char what[WHAT_MAX] = "";
    uint32_t count = 0;
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#') {
            snprintf(what, sizeof(what), "%.*s", WHAT_MAX - 1, line + 1);
        } else if (strncmp(line, "explore.", 8) == 0) {
            what[0] = '\0'; /* tests/explore_cli.c replays it */
        } else if (line[0] != '\n') {
            cr_assert_neq(what[0], '\0', "%s: a token that nothing is said about: %s", path, line);
            replay(line, what);
            what[0] = '\0';
            count++;
        }
    }
    fclose(file);
    return count;
}

/*
 * Claim:   no failure that was once seen comes back.
 * Method:  every token in faults/seeds, four times each.
 */
Test(seeds_fault, no_failure_once_seen_comes_back)
{
    char path[PATH_BYTES];
    uint32_t count = 0;
    DIR *directory = opendir(SV_SOURCE_DIR "/faults/seeds");
    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), SV_SOURCE_DIR "/faults/seeds/%s", entry->d_name);
            count += replay_file(path);
        }
    }
    closedir(directory);
    cr_assert_gt(count, 0, "faults/seeds has no token");
}
