/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * corrupt [--seed N] [--from N] [--count N] [--processes] [--plant WHAT]
 *
 * Exit status: 0 everybody went on or answered; 1 not so, and how to see it again; 2 usage, or no
 * memory.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/os.h"
#include "corrupt/corrupt.h"
#include "shm/segment.h"

static const char *const plants[] = {"none", "crash", "hang", "wait", "write", "header", "assert"};

/* How many characters at text are a number: 12, -3, 0x20000001. */
static size_t number_length(const char *text)
{
    const size_t sign = text[0] == '-' && isdigit((unsigned char)text[1]) ? 1 : 0;
    if (strncmp(text, "0x", 2) == 0) {
        return 2 + strspn(text + 2, "0123456789abcdef");
    }
    return isdigit((unsigned char)text[sign]) ? sign + strspn(text + sign, "0123456789") : 0;
}

/* The words without the numbers in them. */
static void generalise(const char *words, char *general, size_t size)
{
    size_t used = 0;
    while (*words != 0 && used + 1 < size) {
        const size_t length = number_length(words);
        if (length > 0) {
            general[used++] = 'N';
        } else {
            general[used++] = *words;
        }
        words += length > 0 ? length : 1;
    }
    general[used] = 0;
}

void tally_answer(struct tally *tally, const char *words)
{
    char general[ANSWER_BYTES];
    uint32_t i = 0;
    generalise(words, general, sizeof(general));
    while (i < tally->answer_count && strcmp(tally->answers[i].words, general) != 0) {
        i++;
    }
    if (i == ANSWERS_MAX) {
        return; /* more kinds of answers than anybody reads */
    }
    if (i == tally->answer_count) {
        tally->answer_count++;
        (void)snprintf(tally->answers[i].words, sizeof(tally->answers[i].words), "%s", general);
    }
    tally->answers[i].count++;
}

static int by_count(const void *a, const void *b)
{
    const struct answer *left = a;
    const struct answer *right = b;
    return left->count < right->count ? 1 : left->count > right->count ? -1 : 0;
}

static void report(const struct options *options, const struct progress *progress,
                   struct tally *tally, double seconds)
{
    qsort(tally->answers, tally->answer_count, sizeof(tally->answers[0]), by_count);
    printf("%s of seed %" PRIu64 "\n", options->processes ? "rounds of processes" : "shots",
           options->seed);
    printf("%12" PRIu64 "  in all, in %.1f s: %.0f a second\n", tally->done, seconds,
           (double)tally->done / seconds);
    printf("%12" PRIu64 "  times something was overwritten\n", sv_load_seq64(&progress->written));
    printf("%12" PRIu64 "  went on\n", tally->went_on);
    printf("%12" PRIu64 "  ended with an answer:\n", tally->answered);
    for (uint32_t i = 0; i < tally->answer_count; i++) {
        printf("%18" PRIu64 "  %s\n", tally->answers[i].count, tally->answers[i].words);
    }
    printf("%12" PRIu64 "  calls returned -SV_ECORRUPT\n", sv_load_seq64(&progress->returned));
    if (options->processes) {
        printf("%12" PRIu64 "  killed as holders of a lock for too long\n", tally->killed);
    }
}

void plant(enum plant what, struct sv_segment *segment)
{
    uint8_t *base = segment->base;
    struct sv_atomic32 word = {0};
    switch (what) {
    case PLANT_NONE:
        return;
    case PLANT_CRASH:
        raise(SIGSEGV);
        return;
    case PLANT_HANG:
        while (sv_load_seq32(&word) == 0) {
        }
        return;
    case PLANT_WAIT:
        while (sv_load_seq32(&word) == 0) {
            (void)sv_os_wait(&word, 0, UINT64_C(1000000000));
        }
        return;
    case PLANT_WRITE:
        *(volatile uint8_t *)(base + segment->size_bytes) = 1;
        return;
    case PLANT_HEADER:
        base[offsetof(struct sv_header, directory)] ^= 1;
        return;
    case PLANT_ASSERT:
        sv_assert(base == NULL, "%s", "what is planted");
        return;
    }
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: corrupt [--seed N] [--from N] [--count N] [--processes] "
                          "[--backends N] [--plant none|crash|hang|wait|write|header|assert]\n");
    return 2;
}

/* Returns: whether text is a number. */
static bool number_of(const char *text, uint64_t *number)
{
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return end != text && *end == 0;
}

static bool plant_of(const char *text, enum plant *what)
{
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        if (strcmp(plants[i], text) == 0) {
            *what = (enum plant)i;
            return true;
        }
    }
    return false;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"from", required_argument, NULL, 'f'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"processes", no_argument, NULL, 'p'},
                                          {"backends", required_argument, NULL, 'b'},
                                          {"plant", required_argument, NULL, 'x'},
                                          {0}};
    uint64_t backends = options->backends;
    bool good = true;
    for (int key; good && (key = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (key) {
        case 's':
            good = number_of(optarg, &options->seed);
            break;
        case 'f':
            good = number_of(optarg, &options->from);
            break;
        case 'c':
            good = number_of(optarg, &options->count);
            break;
        case 'b':
            good = number_of(optarg, &backends) && backends > 0 && backends < BACKENDS_MAX;
            break;
        case 'p':
            options->processes = true;
            break;
        case 'x':
            good = plant_of(optarg, &options->plant);
            break;
        default:
            good = false;
        }
    }
    options->backends = (uint32_t)backends;
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1, .count = 2000, .backends = 4};
    if (!parse(argc, argv, &options)) {
        return usage();
    }
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct tally *tally = calloc(1, sizeof(*tally));
    if (progress == MAP_FAILED || tally == NULL) {
        perror("corrupt");
        return 2;
    }
    const uint64_t began_ns = sv_os_now_ns();
    const int status = options.processes ? rounds_run(&options, progress, tally)
                                         : shots_run(&options, progress, tally);
    report(&options, progress, tally, (double)(sv_os_now_ns() - began_ns) / 1e9);
    free(tally);
    return status;
}
