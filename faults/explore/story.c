/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What an access finds is noted before it happens; what it leaves, before the next one.
 */
#include "faults/explore/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults/explore/runtime.h"
#include "faults/explore/sources.h"
#include "faults/explore/step_judge.h"

#define LINES_MAX   20000
#define PLACE_BYTES 64
#define VALUE_BYTES 96
#define NOBODY_YET  UINT32_MAX

struct line {
    struct machine_access access;
    uint64_t before; /* the first eight bytes of it */
    uint64_t after;
    uint32_t writer; /* the line that wrote it last before; NOBODY_YET */
};

/* Who uses a granule. */
struct use {
    uint32_t writer; /* the last line that wrote it */
    uint32_t users;  /* a set of backends */
    bool changed;
};

struct story {
    const struct world *world;
    struct line *lines;
    struct use *uses;
    uint8_t *judged; /* by granule, as of step_judge_words */
    uint32_t count;
};

struct story *story_open(const struct world *world)
{
    const size_t granules = world->segment_bytes / RUNTIME_GRANULE + 1;
    struct story *story = calloc(1, sizeof(*story));

    if (story == NULL) {
        return NULL;
    }
    story->world = world;
    story->lines = calloc(LINES_MAX, sizeof(struct line));
    story->uses = calloc(granules, sizeof(struct use));
    story->judged = step_judge_words(world);
    if (story->lines == NULL || story->uses == NULL || story->judged == NULL) {
        story_close(story);
        return NULL;
    }
    for (size_t i = 0; i < granules; i++) {
        story->uses[i].writer = NOBODY_YET;
    }
    return story;
}

void story_close(struct story *story)
{
    free(story->lines);
    free(story->uses);
    free(story->judged);
    free(story);
}

static uint64_t value_now(const struct story *story, const struct machine_access *access)
{
    uint64_t value = 0;

    memcpy(&value, (const uint8_t *)world_base(story->world) + access->offset,
           access->bytes < sizeof(value) ? access->bytes : sizeof(value));
    return value;
}

static bool may_change(const struct line *line)
{
    return line->access.kind == EXPLORE_WRITE || line->access.kind == EXPLORE_UPDATE;
}

/* The last access has happened by now. */
static void note_after(struct story *story)
{
    if (story->count == 0) {
        return;
    }
    struct line *line = &story->lines[story->count - 1];
    const uint32_t first = line->access.offset / RUNTIME_GRANULE;
    const uint32_t last = (line->access.offset + line->access.bytes - 1) / RUNTIME_GRANULE;
    const bool changed = line->access.kind == EXPLORE_WRITE;

    line->after = value_now(story, &line->access);
    for (uint32_t i = first; i <= last; i++) {
        struct use *use = &story->uses[i];
        use->users |= UINT32_C(1) << line->access.backend;
        if (changed || (may_change(line) && line->after != line->before)) {
            use->changed = true;
            use->writer = story->count - 1;
        }
    }
}

void story_watch(void *argument, const struct machine_access *access)
{
    struct story *story = argument;

    note_after(story);
    if (story->count == LINES_MAX) {
        return;
    }
    story->lines[story->count++] =
        (struct line){.access = *access,
                      .before = value_now(story, access),
                      .writer = story->uses[access->offset / RUNTIME_GRANULE].writer};
}

/* ---- telling it ------------------------------------------------------------------------------ */

/* What several have to do with, and what changes a word that is judged. */
static bool matters(const struct story *story, const struct line *line)
{
    const uint32_t first = line->access.offset / RUNTIME_GRANULE;
    const uint32_t last = (line->access.offset + line->access.bytes - 1) / RUNTIME_GRANULE;
    const bool changes = may_change(line) && line->after != line->before;

    if (line->access.kind == EXPLORE_WAIT || line->access.kind == EXPLORE_WAKE ||
        (changes && story->judged[first] != 0)) {
        return true;
    }
    for (uint32_t i = first; i <= last; i++) {
        const struct use *use = &story->uses[i];
        if (use->changed && (use->users & (use->users - 1)) != 0) {
            return true;
        }
    }
    return false;
}

/* "3 -> 4", "4, of step 17". */
static void print_value(const struct story *story, const struct line *line, char *text, size_t size)
{
    char before[VALUE_BYTES / 3];
    char after[VALUE_BYTES / 3];

    (void)world_value(story->world, line->access.offset, line->before, before, sizeof(before));
    (void)world_value(story->world, line->access.offset, line->after, after, sizeof(after));
    text[0] = '\0';
    if (line->access.kind == EXPLORE_WAKE) {
        return;
    }
    if (may_change(line) && line->before != line->after) {
        (void)snprintf(text, size, "%s -> %s", before, after);
    } else if (line->writer == NOBODY_YET || line->access.kind == EXPLORE_WRITE) {
        (void)snprintf(text, size, "%s", before);
    } else {
        (void)snprintf(text, size, "%s, of %" PRIu64, before,
                       story->lines[line->writer].access.number);
    }
}

/* Is the second one the next piece of what the first one is a piece of? */
static bool goes_on(const struct line *line, const struct line *next, const struct source *source,
                    const struct source *next_source)
{
    return next->access.number == line->access.number + 1 &&
           next->access.backend == line->access.backend && next->access.kind == line->access.kind &&
           next->access.offset == line->access.offset + line->access.bytes && source->depth > 0 &&
           next_source->depth > 0 && strcmp(source->text[0], next_source->text[0]) == 0;
}

/* One, or a row of those that copy piece by piece. */
static void print_lines(const struct story *story, const struct line *line, uint32_t count,
                        const struct source *source)
{
    char place[PLACE_BYTES];
    char value[VALUE_BYTES];

    if (count == 1) {
        print_value(story, line, value, sizeof(value));
    } else {
        const struct machine_access *last = &line[count - 1].access;
        (void)snprintf(value, sizeof(value), "%" PRIu32 " bytes",
                       last->offset + last->bytes - line->access.offset);
    }
    (void)printf("%5" PRIu64 "  backend %" PRIu32 " %-8s %-28s %-22s  %s\n", line->access.number,
                 line->access.backend, world_step_name(line->access.kind),
                 world_where(story->world, line->access.offset, place, sizeof(place)), value,
                 source->depth > 0 ? source->text[0] : "");
}

/*
 * Who has lain down, and goes on: was it woken, or sent a signal, or is it early, as any sleep may
 * be? line is the last one before.
 */
static bool wakes_early(const struct story *story, uint32_t count, uint32_t backend, uint64_t step)
{
    uint32_t bed = count;

    while (bed > 0 && story->lines[bed - 1].access.backend != backend) {
        bed--;
    }
    if (bed == 0 || story->lines[bed - 1].access.kind != EXPLORE_WAIT) {
        return false;
    }
    const struct machine_access *wait = &story->lines[bed - 1].access;
    for (uint32_t i = bed; i < count; i++) {
        const struct machine_access *access = &story->lines[i].access;
        if (access->kind == EXPLORE_WAKE && access->offset == wait->offset) {
            return false;
        }
    }
    for (uint64_t i = wait->number + 1; i < step; i++) {
        const struct machine_event event = machine_event(i);
        if (event.agent >= 2 * story->world->kind->backends ||
            (event.agent == backend && event.kind == EXPLORE_ALL)) {
            return false;
        }
    }
    return true;
}

/* What happened besides accesses, after count lines: in the steps from `step` to before. */
static void print_events(const struct story *story, uint32_t count, uint64_t step, uint64_t before)
{
    const uint32_t backends = story->world->kind->backends;

    for (; step < before; step++) {
        const struct machine_event event = machine_event(step);
        if (event.agent >= backends) {
            (void)printf("%5" PRIu64 "  backend %u %s\n", step, event.agent % backends,
                         event.agent < 2 * backends ? "DIES" : "is sent a signal, which arrives");
        } else if (event.kind == EXPLORE_ALL) {
            (void)printf("%5" PRIu64 "  backend %u has slept for as long as it would\n", step,
                         event.agent);
        } else if (wakes_early(story, count, event.agent, step)) {
            (void)printf("%5" PRIu64
                         "  backend %u wakes up, and nobody has woken it: any sleep may "
                         "end early\n",
                         step, event.agent);
        }
    }
}

/* Sources of all lines. Owns: the caller frees. NULL: no memory. */
static struct source *find_sources(const struct story *story)
{
    const void **addresses = calloc(story->count + 1, sizeof(*addresses));
    struct source *sources = calloc(story->count + 1, sizeof(*sources));

    for (uint32_t i = 0; addresses != NULL && i < story->count; i++) {
        addresses[i] = story->lines[i].access.pc;
    }
    if (addresses != NULL && sources != NULL) {
        sources_find(addresses, story->count, sources);
    }
    free(addresses);
    return sources;
}

void story_tell(struct story *story, const struct machine_result *result, bool all)
{
    struct source *sources = find_sources(story);
    uint64_t step = 0;
    uint32_t left_out = 0;

    note_after(story);
    for (uint32_t i = 0, count; sources != NULL && i < story->count; i += count) {
        const struct line *line = &story->lines[i];
        const bool told = all || matters(story, line) || i + 1 == story->count;
        print_events(story, i, step, line->access.number);
        count = 1;
        while (!all && i + count < story->count && matters(story, &line[count]) == told &&
               goes_on(&line[count - 1], &line[count], &sources[i], &sources[i + count])) {
            count++;
        }
        step = line[count - 1].access.number + 1;
        if (told) {
            print_lines(story, line, count, &sources[i]);
        } else {
            left_out += count;
        }
    }
    print_events(story, story->count, step, result->steps);
    if (left_out > 0) {
        (void)printf("(%" PRIu32 " accesses that no other backend has to do with are left out: "
                     "--all tells them)\n",
                     left_out);
    }
    free(sources);
}
