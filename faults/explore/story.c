/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The story of one execution: a line for each step, with who took it, where it was in the code, and
 * what it did to which word. Lines of code come from the debug information, by addr2line; without it
 * they are left out.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/explore/report.h"

#define LINES_MAX   20000
#define PLACE_MAX   96
#define SOURCE_MAX  160
#define PER_COMMAND 256 /* addresses */

struct line {
    struct machine_access access;
    uint64_t value; /* before the step */
    char place[PLACE_MAX];
    char source[SOURCE_MAX];
};

struct story {
    const struct world *world;
    struct line *lines;
    uint32_t count;
};

static const char *const kinds[EXPLORE_STEP_KINDS] = {
    [EXPLORE_READ] = "reads",    [EXPLORE_WRITE] = "writes", [EXPLORE_UPDATE] = "updates",
    [EXPLORE_WAIT] = "waits on", [EXPLORE_WAKE] = "wakes",
};

static void note(void *argument, const struct machine_access *access)
{
    struct story *story = argument;

    if (story->count == LINES_MAX) {
        return;
    }
    struct line *line = &story->lines[story->count++];
    *line = (struct line){.access = *access};
    (void)world_where(story->world, access->offset, line->place, sizeof(line->place));
    memcpy(&line->value, (const uint8_t *)world_base(story->world) + access->offset,
           access->bytes < sizeof(line->value) ? access->bytes : sizeof(line->value));
}

static int find_load_address(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    *(uintptr_t *)argument = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

/* "function at file:line", of up to PER_COMMAND lines of the story from `first` on. */
static void find_sources(struct story *story, uint32_t first, uintptr_t load_address)
{
    const uint32_t last = first + PER_COMMAND < story->count ? first + PER_COMMAND : story->count;
    char command[64 + PER_COMMAND * 20];
    int used = snprintf(command, sizeof(command), "addr2line -f -s -e /proc/%d/exe", (int)getpid());

    for (uint32_t i = first; i < last; i++) {
        const uintptr_t pc = (uintptr_t)story->lines[i].access.pc;
        used += snprintf(command + used, sizeof(command) - (size_t)used, " %llx",
                         (unsigned long long)(pc != 0 ? pc - 1 - load_address : 0));
    }
    (void)snprintf(command + used, sizeof(command) - (size_t)used, " 2>/dev/null");
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of our own words and numbers */
    char function[SOURCE_MAX / 2];
    char place[SOURCE_MAX / 2];
    for (uint32_t i = first; pipe != NULL && i < last; i++) {
        if (fgets(function, sizeof(function), pipe) == NULL ||
            fgets(place, sizeof(place), pipe) == NULL) {
            break;
        }
        function[strcspn(function, "\n")] = '\0';
        place[strcspn(place, "\n")] = '\0';
        if (function[0] != '?') {
            (void)snprintf(story->lines[i].source, SOURCE_MAX, "%.70s, %.70s", function, place);
        }
    }
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

static void print(const struct story *story)
{
    for (uint32_t i = 0; i < story->count; i++) {
        const struct line *line = &story->lines[i];
        (void)printf("%6llu  backend %u %-8s %-32s", (unsigned long long)line->access.number,
                     line->access.backend, kinds[line->access.kind], line->place);
        if (line->access.bytes <= sizeof(line->value)) {
            (void)printf(" (%llx)", (unsigned long long)line->value);
        }
        (void)printf("  %s\n", line->source);
    }
}

int report_replay(const struct word *word, struct machine_result *result, struct finding *finding)
{
    struct story story = {.lines = calloc(LINES_MAX, sizeof(struct line))};
    uintptr_t load_address = 0;

    if (story.lines == NULL) {
        return -ENOMEM;
    }
    const int error = campaign_replay(word, result, finding, note, &story, &story.world);
    if (error == 0) {
        (void)dl_iterate_phdr(find_load_address, &load_address);
        for (uint32_t i = 0; i < story.count; i += PER_COMMAND) {
            find_sources(&story, i, load_address);
        }
        print(&story);
        if (result->end == MACHINE_FAILED) {
            (void)printf("%s, %s: %s\n", oracle_name(finding->oracle), oracle_text(finding->oracle),
                         finding->message);
        }
        (void)printf("%s: %llu steps; the events are %s\n", word->world->name,
                     (unsigned long long)result->steps,
                     machine_hash() == word->hash
                         ? "those of the token"
                         : "NOT those of the token: the code has changed since, or the explorer "
                           "has a bug");
    }
    free(story.lines);
    return error;
}
