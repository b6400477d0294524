/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A state is what is shared, and where each backend is.
 *
 * What is shared is hashed as it is: the segment; what a world keeps beside it; the private memory
 * of nobody's process, where the mapping is described; the time; how many may still die.
 *
 * Where a backend is: what it will do is decided by its stack, its registers and its private memory
 * (arena and thread-locals), so these are hashed as they are when it last asked who goes on. Not
 * hashed is what it has been told: two that have seen different things and are now in the same
 * place will do the same. Bytes on a stack that mean nothing make states different that are not,
 * which costs time and no more; so that they seldom do, what lies below the stack is cleared before
 * an execution and after each question. To this come what others can do something about: whether
 * it can go on and with which step, what it sleeps on and how many do so before it, signals under
 * way; and which locks it holds, by which a search goes. Of who is dead nothing counts but that it
 * is: nobody looks at its private memory any more.
 *
 * What a world keeps beside the segment takes no step to look at (struct world_state). It is hashed
 * as it is, so whatever a backend learns there about others it has to keep there, too, and not on
 * its stack.
 *
 * Left out: steps taken so far, so that who goes round and round comes to a state that was seen,
 * and is not told of as a livelock (search_preempt.c); which sleeps were ended by their time, which
 * only the report shows.
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
#define PIECE_BYTES ((size_t)256)

static uint64_t fold(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * FOLD;
    return hash ^ hash >> 32;
}

/* Both halves of a product: as order_mix. Each lane takes two words at a time. */
static uint64_t fold_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
    uint64_t lanes[LANES] = {hash, hash + 1, hash + 2, hash + 3};
    uint64_t words[2 * LANES];

    for (; size >= sizeof(words); size -= sizeof(words), bytes += sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        for (int i = 0; i < LANES; i++) {
            lanes[i] = order_mix(lanes[i] ^ words[i], words[LANES + i]);
        }
    }
    memset(words, 0, sizeof(words));
    memcpy(words, bytes, size);
    for (int i = 0; i < LANES; i++) {
        lanes[i] = order_mix(lanes[i] ^ words[i], words[LANES + i]);
    }
    return fold(fold(lanes[0], lanes[1]) ^ lanes[2], lanes[3]);
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
    catch_up();
    sums.changes = offset / sizeof(uint64_t);
    sums.changed = (offset + bytes - 1) / sizeof(uint64_t) - sums.changes + 1;
}

/* Nothing changes that was not announced. */
static void check_sum(void)
{
    for (size_t i = 0; i < sums.words; i++) {
        sv_assert(sums.parts[i] == part_of(i), "word %zu of the segment has changed unnoticed", i);
    }
}

/* ---- where backends are ---------------------------------------------------------------------- */

/* As many bytes as are likely to be used. */
#define STACK_BYTES ((size_t)4096)
#define BELOW_BYTES ((size_t)1024)
#define FRAME_BYTES ((size_t)64) /* at most, of a function that clears */

static void clear_stacks(void)
{
    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        fiber_clear(&machine.processes[i].fiber, STACK_BYTES);
    }
}

void state_set_back(void)
{
    memcpy(sums.parts, sums.kept, sums.words * sizeof(*sums.parts));
    sums.sum = sums.kept_sum;
    sums.changed = 0;
    clear_stacks();
}

/* What this function itself has on the stack lies above. */
__attribute__((noinline)) void state_clear(void)
{
    uint8_t *frame = __builtin_frame_address(0);

    memset(frame - BELOW_BYTES, 0, BELOW_BYTES - FRAME_BYTES);
}

void state_leave(void)
{
    struct process *process = self_process();

    process->stack = fiber_top(&process->fiber);
    memset(process->registers, 0, sizeof(process->registers));
    process->placed = false;
}

/* What of it is not as it was at the beginning. */
static uint64_t fold_arena(uint64_t hash, const struct arena *arena)
{
    const size_t used = arena->head->used;

    for (size_t at = 0; at < used; at += PIECE_BYTES) {
        const size_t size = used - at < PIECE_BYTES ? used - at : PIECE_BYTES;
        if (at + size > arena->saved_bytes ||
            memcmp(arena->bytes + at, arena->saved + at, size) != 0) {
            hash = fold_bytes(fold(hash, at), arena->bytes + at, size);
        }
    }
    return hash;
}

static uint64_t fold_memory(uint64_t hash, uint32_t backend)
{
    const struct process *process = &machine.processes[backend];
    const uint64_t *locals = backend == machine.self ? machine.locals : process->locals;

    hash = fold_arena(hash, &process->arena);
    return fold_bytes(hash, (const uint8_t *)locals, machine.locals_words * sizeof(*locals));
}

static uint64_t place_of(uint32_t backend)
{
    struct process *process = &machine.processes[backend];

    if (!process->placed) {
        const uint8_t *top = fiber_top(&process->fiber);
        const size_t used = process->stack != NULL ? (size_t)(top - process->stack) : 0;
        uint64_t hash = fold(process->guards.alone, process->guards.shared);
        if (used > 0) {
            hash =
                fold_bytes(hash, (const uint8_t *)process->registers, sizeof(process->registers));
            hash = fold_bytes(hash, process->stack, used);
        }
        process->place = fold_memory(hash, backend);
        process->placed = true;
    }
    return process->place;
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
    hash = fold(hash, place_of(backend));
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
    catch_up();
    if (++sums.asked % CHECK_EVERY == 0) {
        check_sum();
    }
    hash = fold(hash, sums.sum);
    hash = fold(hash, hash_beside());
    hash = fold(hash, hash_seldom(&mapping, nobodys->bytes, nobodys->head->used));
    hash = fold(hash, machine.now_ns);
    for (uint32_t i = 0; i < settings->backends; i++) {
        hash = fold_process(hash, i);
    }
    return hash;
}

uint64_t state_end(void)
{
    return fold_bytes(fold(machine_order(), machine.now_ns), machine.settings.beside,
                      machine.settings.beside_bytes);
}

uint64_t state_left(void)
{
    const struct machine_settings *settings = &machine.settings;
    uint64_t hash = machine.now_ns;

    hash = fold_bytes(hash, settings->base, settings->size_bytes);
    hash = fold_bytes(hash, settings->beside, settings->beside_bytes);
    for (uint32_t i = 0; i < settings->backends; i++) {
        hash = machine_is_dead(i) ? fold(hash, DEAD) : fold_memory(hash, i);
    }
    return fold_memory(hash, MACHINE_NOBODY);
}
