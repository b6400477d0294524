/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The control area: one anonymous shared mapping, its arrays one behind the other.
 *
 * Only pages that are touched cost anything, so the arrays are as long as they could ever need to
 * be. A verdict is written under a state word: [1] the release store of "there" pairs with the
 * acquire load of who reads it; a writer that is killed in between leaves "being written", and the
 * run then fails for another reason (the supervisor says so).
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/control.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "faults/random.h"

static uint32_t births_for(uint32_t backends, uint32_t wanted)
{
    const uint32_t births = wanted != 0 ? wanted : backends * 8 + 64;
    return births < CONTROL_BIRTHS_MAX ? births : CONTROL_BIRTHS_MAX;
}

/* The next array: its offset, and the end moved behind it. */
static size_t place(size_t *end, size_t count, size_t size)
{
    const size_t at = (*end + 63) / 64 * 64;
    *end = at + count * size;
    return at;
}

int control_create_for(struct control *control, const struct plan_world *world, uint32_t slots,
                       uint32_t wanted)
{
    const uint32_t births = births_for(world->backends, wanted);
    size_t end = sizeof(struct control_shared);
    const size_t seats_at = place(&end, world->backends, sizeof(struct seat));
    const size_t births_at = place(&end, births, sizeof(struct birth));
    const size_t slots_at = place(&end, slots, sizeof(struct slot_record));
    const size_t truth_at = place(&end, world->keys, sizeof(struct sv_atomic64));
    const size_t deleting_at = place(&end, world->keys, sizeof(struct sv_atomic32));
    const size_t aborted_at = place(&end, CONTROL_ABORTED_MAX, sizeof(struct sv_atomic64));
    uint8_t *base =
        mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        return -ENOMEM;
    }
    *control = (struct control){
        .base = base,
        .bytes = end,
        .seat_count = world->backends,
        .births_max = births,
        .slot_count = slots,
        .keys = world->keys,
        .shared = (struct control_shared *)base,
        .seats = (struct seat *)(base + seats_at),
        .births = (struct birth *)(base + births_at),
        .slots = (struct slot_record *)(base + slots_at),
        .truth = (struct sv_atomic64 *)(base + truth_at),
        .deleting = (struct sv_atomic32 *)(base + deleting_at),
        .aborted = (struct sv_atomic64 *)(base + aborted_at),
    };
    return 0;
}

int control_create(struct control *control, const struct plan_world *world, uint32_t slots)
{
    return control_create_for(control, world, slots, 0);
}

void control_destroy(struct control *control)
{
    if (control->base != NULL) {
        (void)munmap(control->base, control->bytes);
    }
    *control = (struct control){0};
}

void control_accuse(const struct control *control, uint32_t seat, const struct finding *finding)
{
    struct verdict *verdict = &control->shared->verdict;
    uint32_t none = 0;

    if (sv_compare_swap_seq32(&verdict->state, &none, 1)) {
        verdict->seat = seat;
        verdict->finding = *finding;
        sv_store_release32(&verdict->state, 2); /* [1] */
    }
}

bool control_verdict(const struct control *control, struct finding *finding, uint32_t *seat)
{
    const struct verdict *verdict = &control->shared->verdict;

    if (sv_load_acquire32(&verdict->state) != 2) { /* [1] */
        return false;
    }
    *finding = verdict->finding;
    *seat = verdict->seat;
    return true;
}

uint32_t control_birth_count(const struct control *control)
{
    const uint32_t count = sv_load_seq32(&control->shared->births);
    return count < control->births_max ? count : control->births_max;
}

uint32_t control_resets_asked(const struct control *control)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < control_birth_count(control); i++) {
        count += sv_load_seq32(&control->births[i].may_reset);
    }
    return count;
}

bool control_birth(const struct control *control, uint32_t seat, uint32_t *birth)
{
    const uint32_t number = sv_fetch_add_seq32(&control->shared->births, 1);

    if (number >= control->births_max) {
        (void)sv_fetch_add_seq32(&control->shared->births, UINT32_MAX);
        return false;
    }
    struct seat *at = &control->seats[seat];
    const uint32_t before = sv_load_seq32(&at->birth);
    if (before != 0) { /* its seat is free, so it is gone */
        sv_store_seq32(&control->births[before - 1].ended, 1);
    }
    sv_store_release32(&control->births[number].seat, seat);
    sv_store_release32(&at->birth, number + 1);
    *birth = number;
    return true;
}

void control_settled(const struct control *control)
{
    bool any = false;

    for (uint32_t i = 0; i < control_birth_count(control); i++) {
        struct birth *birth = &control->births[i];
        if (sv_load_seq32(&birth->ended) != 0 && sv_load_seq32(&birth->settled) == 0) {
            sv_store_seq32(&birth->settled, 1);
            any = true;
        }
    }
    if (any) {
        (void)sv_fetch_add_seq32(&control->shared->settled, 1);
    }
}

void control_raise(struct sv_atomic64 *word, uint64_t value)
{
    uint64_t seen = sv_load_relaxed64(word);

    while (seen < value && !sv_compare_swap_seq64(word, &seen, value)) {
    }
}

/* Where (birth, transaction) is in the set, or the free place where it would go; NULL: full. */
static struct sv_atomic64 *aborted_at(const struct control *control, uint64_t key)
{
    const uint32_t start = (uint32_t)random_mix(key);

    for (uint32_t i = 0; i < CONTROL_ABORTED_MAX; i++) {
        struct sv_atomic64 *word = &control->aborted[(start + i) % CONTROL_ABORTED_MAX];
        uint64_t there = sv_load_seq64(word);
        if (there == key || there == 0) {
            return word;
        }
    }
    return NULL;
}

static uint64_t aborted_key(uint32_t birth, uint32_t transaction)
{
    return (uint64_t)(birth + 1) << 32 | transaction;
}

void control_abort(const struct control *control, uint32_t birth, uint32_t transaction)
{
    const uint64_t key = aborted_key(birth, transaction);

    /* Three quarters full is enough: more are not remembered, and not looked for for ever. */
    if (sv_fetch_add_seq32(&control->shared->aborted_count, 1) >= CONTROL_ABORTED_MAX / 4 * 3) {
        return;
    }
    for (;;) {
        struct sv_atomic64 *word = aborted_at(control, key);
        uint64_t free = 0;
        sv_assert(word != NULL, "%u aborted", sv_load_seq32(&control->shared->aborted_count));
        if (sv_load_seq64(word) == key || sv_compare_swap_seq64(word, &free, key)) {
            return;
        }
    }
}

bool control_aborted(const struct control *control, uint32_t birth, uint32_t transaction)
{
    const uint64_t key = aborted_key(birth, transaction);
    const struct sv_atomic64 *word = aborted_at(control, key);

    return word != NULL && sv_load_seq64(word) == key;
}
