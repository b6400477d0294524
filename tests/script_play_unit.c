/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Scripts over a queue that is broken: whatever line meets it is named, and is a violation.
 *
 * The queue here is the library's, with something between it and the script that spoils what is read
 * and what the check of the invariants says.
 */
#include "spoken.h"
#include "support.h"

#include "cli/script.h"
#include "queue/queue.h"

TestSuite(script_play_unit, .timeout = 60);

static const char *broken;     /* what the check says after operation broken_at, from 1 */
static uint32_t broken_at;     /* 0: never */
static uint32_t checks;        /* since */
static const uint64_t *spoilt; /* the payloads that a read gives instead; NULL: its own */

/* What the linker calls them (ci/tests.cmake). */
const char *real_check(const struct sv_segment *segment) __asm__("__real_sv_queue_check");
const char *wrap_check(const struct sv_segment *segment) __asm__("__wrap_sv_queue_check");
int real_read(struct sv_backend *self, struct sv_message *out, uint32_t capacity,
              uint32_t *count) __asm__("__real_sv_queue_read");
int wrap_read(struct sv_backend *self, struct sv_message *out, uint32_t capacity,
              uint32_t *count) __asm__("__wrap_sv_queue_read");

const char *wrap_check(const struct sv_segment *segment)
{
    return ++checks == broken_at ? broken : real_check(segment);
}

int wrap_read(struct sv_backend *self, struct sv_message *out, uint32_t capacity, uint32_t *count)
{
    const int result = real_read(self, out, capacity, count);
    for (uint32_t i = 0; spoilt != NULL && i < *count; i++) {
        out[i].payload = spoilt[i];
    }
    return result;
}

/* Play the text. Returns: the status; *printed is to be freed, like what was said. */
static int play(char *text, char **printed, struct spoken *spoken)
{
    static const struct sv_config config = {.backends_max = 4, .capacity = 16, .wraparound = 32};
    struct sv_config complete = config;
    struct script script;
    size_t bytes = 0;
    char message[128];
    FILE *file = fmemopen(text, strlen(text), "r");
    FILE *out = open_memstream(printed, &bytes);
    cr_assert_eq(sv_config_complete(&complete, message, sizeof(message)), 0);
    checks = 0;
    spoken_begin(spoken);
    int status = script_read(file, "the-script", 4, &script);
    if (status == STATUS_FINE) {
        status = script_play(&script, &complete, out);
    }
    spoken_end(spoken);
    free(script.operations);
    (void)fclose(file);
    (void)fclose(out);
    return status;
}

static uint32_t lines_of(const char *text)
{
    uint32_t lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

/*
 * Claim:   an invariant that does not hold after any operation, whichever it is, is a violation; the
 *          line is named, and nothing is played after it.
 */
Test(script_play_unit, a_broken_queue_is_a_violation_after_each_operation)
{
    static const char *const operations[] = {"base 7",    "join 0",  "join 1 s", "join 2",
                                             "ins 0 3",   "get 2 2", "get 2 2",  "get 2 2",
                                             "clean 0 4", "leave 2", "ins 1 1"};
    char text[256] = "join 3\n";
    size_t length = strlen(text);
    broken = "Q9: nothing fits";
    for (uint32_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        struct spoken spoken;
        char *printed = NULL;
        char words[128];
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s\n", operations[i]);
        broken_at = i + 2;
        cr_expect_eq(play(text, &printed, &spoken), STATUS_VIOLATED, "after '%s'", operations[i]);
        (void)snprintf(words, sizeof(words), "the-script:%" PRIu32 ": %s: %s\n", i + 2,
                       operations[i], broken);
        expect_said(operations[i], spoken.complaint, words);
        cr_expect_eq(lines_of(printed), i + 2, "%s", printed);
        free(printed);
        spoken_free(&spoken);
        broken_at = i + 1;
        cr_expect_eq(play(text, &printed, &spoken), STATUS_VIOLATED);
        cr_expect_eq(lines_of(printed), i + 1, "it was played on: %s", printed);
        free(printed);
        spoken_free(&spoken);
    }
}

/* Claim: messages that are not numbered one after the other are a violation, wherever they are. */
Test(script_play_unit, messages_out_of_order_are_a_violation)
{
    static const struct {
        uint64_t payloads[4];
        int status;
    } rows[] = {
        {{1, 2, 3, 4}, STATUS_FINE},     {{5, 6, 7, 8}, STATUS_FINE},
        {{1, 3, 2, 4}, STATUS_VIOLATED}, {{1, 2, 4, 3}, STATUS_VIOLATED},
        {{2, 1, 3, 4}, STATUS_VIOLATED}, {{1, 2, 2, 3}, STATUS_VIOLATED},
        {{1, 2, 3, 5}, STATUS_VIOLATED}, {{4, 3, 2, 1}, STATUS_VIOLATED},
        {{1, 1, 1, 1}, STATUS_VIOLATED}, {{1, 2, 3, 0}, STATUS_VIOLATED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[] = "join 0\njoin 1\nins 0 4\nget 1 4\n";
        struct spoken spoken;
        char *printed = NULL;
        spoilt = rows[i].payloads;
        cr_expect_eq(play(text, &printed, &spoken), rows[i].status, "row %zu", i);
        expect_said("order", spoken.complaint,
                    rows[i].status == STATUS_FINE
                        ? ""
                        : "the-script:4: get 1 4: the messages are not in order (O2)\n");
        free(printed);
        spoken_free(&spoken);
    }
}
