/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A state is what is shared, and where each backend is.
 *
 * What is shared is hashed as it is: the segment; what a world keeps beside it; the private memory
 * of nobody's process, where the mapping is described; the time; how many may still die.
 *
 * Where a backend is, is a function of what it has been told so far, since nothing else decides
 * anything in it: what it read in the segment and where, the time, how a sleep ended, when a
 * signal's handler ran. So its stack and its private memory need not be looked at: what it was told
 * is folded into one number (struct machine.told), and with it the accesses themselves, which say
 * how far it has come. To this come what others can do something about: whether it can go on and
 * with which step, what it sleeps on and how many do so before it, signals under way. Of who is
 * dead nothing counts but that it is: nobody looks at its private memory any more.
 *
 * What a world keeps beside the segment takes no step to look at (struct world_state). It is hashed
 * as it is, so whatever a backend learns there about others it has to keep there, too, and not on
 * its stack.
 *
 * Left out: steps taken so far, so that a search that takes two states for the same may be told of
 * a livelock later, or not at all; which sleeps were ended by their time, which only the report
 * shows.
 */
#include "faults/explore/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "faults/random.h"

#define FOLD        UINT64_C(0x9e3779b97f4a7c15)
#define LANES       4
#define CHECK_EVERY 1000 /* times the sum is asked for */

static uint64_t fold(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * FOLD;
    return hash ^ hash >> 32;
}

static uint64_t fold_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
    uint64_t lanes[LANES] = {hash, hash + 1, hash + 2, hash + 3};
    uint64_t words[LANES];

    for (; size >= sizeof(words); size -= sizeof(words), bytes += sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        for (int i = 0; i < LANES; i++) {
            lanes[i] = fold(lanes[i], words[i]);
        }
    }
    memset(words, 0, sizeof(words));
    memcpy(words, bytes, size);
    for (int i = 0; i < LANES; i++) {
        hash = fold(fold(hash, lanes[i]), words[i]);
    }
    return hash;
}

/* ---- the segment: a sum over its words, kept up to date -------------------------------------- */

static struct {
    uint64_t *parts; /* by word: what it adds to the sum */
    uint64_t *kept;
    size_t words;
    uint64_t sum;
    uint64_t kept_sum;
    size_t changes; /* from that word on, so many may have changed since */
    size_t changed;
    bool untold; /* or any */
    uint64_t asked;
} sums;

static uint64_t part_of(size_t word)
{
    uint64_t value;

    memcpy(&value, (const uint8_t *)machine.settings.base + word * sizeof(value), sizeof(value));
    return random_hash(word, value);
}

int state_keep(void)
{
    sums.words = machine.settings.size_bytes / sizeof(uint64_t);
    sums.parts = calloc(sums.words, sizeof(*sums.parts));
    sums.kept = calloc(sums.words, sizeof(*sums.kept));
    if (sums.parts == NULL || sums.kept == NULL) {
        return -ENOMEM;
    }
    sums.kept_sum = 0;
    for (size_t i = 0; i < sums.words; i++) {
        sums.kept[i] = part_of(i);
        sums.kept_sum += sums.kept[i];
    }
    return 0;
}

void state_free(void)
{
    free(sums.parts);
    free(sums.kept);
    sums.parts = sums.kept = NULL;
}

void state_set_back(void)
{
    memcpy(sums.parts, sums.kept, sums.words * sizeof(*sums.parts));
    sums.sum = sums.kept_sum;
    sums.changed = 0;
    sums.untold = false;
}

void state_change_untold(void)
{
    sums.untold = true;
}

static void catch_up(void)
{
    for (size_t i = sums.changes; i < sums.changes + sums.changed; i++) {
        const uint64_t part = part_of(i);
        sums.sum += part - sums.parts[i];
        sums.parts[i] = part;
    }
    sums.changed = 0;
}

void state_change(uint32_t offset, uint32_t bytes)
{
    if (!sums.untold) {
        catch_up();
        sums.changes = offset / sizeof(uint64_t);
        sums.changed = (offset + bytes - 1) / sizeof(uint64_t) - sums.changes + 1;
    }
}

/* Nothing changes that was not announced. */
static void check_sum(void)
{
    for (size_t i = 0; i < sums.words; i++) {
        sv_assert(sums.parts[i] == part_of(i), "word %zu of the segment has changed unnoticed", i);
    }
}

/* ---- where backends are ---------------------------------------------------------------------- */

void state_learn_access(uint8_t kind, uint32_t offset, uint32_t bytes)
{
    const uint8_t *from = (const uint8_t *)machine.settings.base + offset;

    if (kind != EXPLORE_READ && kind != EXPLORE_WAIT && kind != EXPLORE_WAKE) {
        state_change(offset, bytes);
    }
    state_learn((uint64_t)offset << 16 | (uint64_t)(bytes & 0xff) << 8 | kind);
    if (kind != EXPLORE_WRITE && kind != EXPLORE_WAKE) {
        for (uint32_t done = 0; done < bytes; done += (uint32_t)sizeof(uint64_t)) {
            const size_t left = bytes - done;
            uint64_t word = 0;
            memcpy(&word, from + done, left < sizeof(word) ? left : sizeof(word));
            state_learn(word);
        }
    }
}

/* What is seldom another than the last time, and its hash then. */
struct seldom {
    uint8_t *copy;
    size_t size;
    uint64_t hash;
};

static struct seldom beside;
static struct seldom mapping;

static uint64_t hash_seldom(struct seldom *last, const void *bytes, size_t size)
{
    if (last->size != size || memcmp(last->copy, bytes, size) != 0) {
        if (last->size != size) {
            last->copy = realloc(last->copy, size + 1);
            sv_assert(last->copy != NULL, "no memory for %zu bytes", size);
            last->size = size;
        }
        memcpy(last->copy, bytes, size);
        last->hash = fold_bytes(0, bytes, size);
    }
    return last->hash;
}

static uint64_t hash_beside(void)
{
    return hash_seldom(&beside, machine.settings.beside, machine.settings.beside_bytes);
}

bool state_noted(void)
{
    static uint64_t last;
    const uint64_t before = last;

    last = hash_beside();
    return last != before;
}

/* How many sleep for longer. */
static uint32_t place_in_line(const struct process *process)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        before += machine.processes[i].state == ASLEEP && machine.processes[i].line < process->line;
    }
    return before;
}

static uint64_t fold_process(uint64_t hash, uint32_t backend)
{
    const struct process *process = &machine.processes[backend];
    const struct explore_step *next = &machine.next[backend];

    hash = fold(hash, process->state);
    if (process->state == DEAD) {
        return hash;
    }
    hash = fold(hash, machine.told[backend]);
    hash = fold(hash, (uint64_t)process->signals << 2 | (uint64_t)process->arrived << 1 |
                          (uint64_t)process->handling);
    if (process->state == READY) {
        hash = fold(hash, (uint64_t)next->object << 32 | (uint64_t)next->span << 16 |
                              (uint64_t)next->kind << 8 | process->waking);
    } else if (process->state == ASLEEP) {
        const uintptr_t word = (uintptr_t)process->bed.word - (uintptr_t)machine.settings.base;
        hash = fold(hash, word << 32 | process->bed.expected);
        hash = fold(hash, process->until_ns);
        hash = fold(hash, (uint64_t)place_in_line(process) << 2 | process->owed << 1 |
                              process->bed.wakeable);
    }
    return hash;
}

uint64_t state_hash(const struct explore_choice *choice)
{
    const struct machine_settings *settings = &machine.settings;
    const struct arena *nobodys = &machine.processes[MACHINE_NOBODY].arena;
    uint64_t hash = machine.deaths_left;

    (void)choice;
    if (sums.untold) {
        sums.untold = false;
        sums.changes = 0;
        sums.changed = sums.words;
    }
    catch_up();
    if (++sums.asked % CHECK_EVERY == 0) {
        check_sum();
    }
    hash = fold(hash, sums.sum);
    hash = fold(hash, hash_beside());
    hash = fold(hash, hash_seldom(&mapping, nobodys->bytes, nobodys->mark.used));
    hash = fold(hash, machine.now_ns);
    for (uint32_t i = 0; i < settings->backends; i++) {
        hash = fold_process(hash, i);
    }
    return hash;
}
