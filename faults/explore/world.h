/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Small worlds: a segment, a few backends, what each does, and what must be true afterwards.
 *
 * Worlds are small so that little of what can happen is left out: a ring of 4 that wraps around at
 * 8 overflows, resets, cleans up and wraps within a hundred accesses.
 *
 * After each execution, whatever the world: the dead are settled; no lock word names anybody; every
 * slot is a living backend's or free; the queue's invariants hold (O3, O6, O7); who counts as
 * signaled has been asked to catch up (O5); who has read all there is stands at the end (O2). And
 * after each write to the queue's words: what must hold at every moment (step_judge.h).
 */
#ifndef SINVAL_FAULTS_EXPLORE_WORLD_H
#define SINVAL_FAULTS_EXPLORE_WORLD_H

#include "faults/explore/books.h"
#include "faults/explore/machine.h"
#include "sinval/backend.h"
#include "sinval/source.h"

#define WORLD_BACKENDS_MAX BOOKS_BACKENDS_MAX
#define WORLD_STACK_BYTES  ((size_t)64 * 1024)
#define WORLD_MEMORY_BYTES ((size_t)256 * 1024) /* of each backend */

#define WORLD_STEPS_LIMIT 4000  /* then everyone gets his turn */
#define WORLD_STEPS_MAX   48000 /* more take no execution */
#define WORLD_BATCH_MAX   8
#define WORLD_NOTES_MAX   8
#define WORLD_OBJECTS_MAX 16

struct world;
struct sv_catcache;
struct sv_relcache;
struct sv_relation;

struct world_kind {
    const char *name;
    const char *about; /* in a few words */
    struct sv_config config;
    uint32_t backends;
    uint32_t base;       /* the first message's number */
    enum oracle planted; /* a defect is, which that oracle must find; NONE: none is */
    bool immortal;       /* nobody dies there */
    bool idle;           /* struct machine_settings */
    bool reads_itself;   /* what is to be read is no message of the books */
    bool late_comers;    /* backends attach by themselves: none is there when it begins */
    uint32_t send_only;  /* a set of backends */
    struct sv_backend_options options;
    /* Once, when all are attached; or NULL. */
    void (*prepare)(struct world *world, uint32_t backend);
    void (*run)(struct world *world, uint32_t backend);
    /* Judges when the dead are settled; or NULL. */
    void (*settled)(struct world *world);
    /* And when the living have read to the end; besides what holds for all; may be NULL. */
    void (*judge)(struct world *world);
};

/*
 * What changes in an execution, besides what the machine sets back. What a backend learns here
 * about others it keeps here, not on its stack: else a search takes states for the same that are
 * not (state.c).
 */
struct world_state {
    struct sv_backend *backends[WORLD_BACKENDS_MAX]; /* NULL: not attached */
    struct books books;
    uint32_t operations[WORLD_BACKENDS_MAX]; /* begun */
    uint64_t notes[WORLD_NOTES_MAX];         /* the world's own */
    uint32_t settled;                        /* when all was over */
    /* Of worlds with caches. */
    struct sv_source *sources[WORLD_BACKENDS_MAX];
    struct sv_source accepting; /* what the cache loads from */
    struct sv_catcache *caches[WORLD_BACKENDS_MAX];
    struct sv_relcache *relcache;
    struct sv_relation *relation;
    uint64_t objects[WORLD_OBJECTS_MAX];
    uint32_t builds;
};

struct world {
    const struct world_kind *kind;
    struct sv_segment *segment;
    size_t segment_bytes;
    int error;                           /* of making it */
    uint32_t limits[WORLD_BACKENDS_MAX]; /* operations, at most, plus 1; 0: as many as it likes */
    struct world_state state;
    struct world_state kept;
};

/* All of them, the last one's name NULL. */
extern const struct world_kind *const world_kinds[];

/* NULL: there is none of that name. */
const struct world_kind *world_find(const char *name);

/* Make the machine with this world in it. Returns: 0; -ENOMEM, -errno. Owns: the caller closes. */
SV_NODISCARD int world_open(struct world *world, const struct world_kind *kind);
void world_close(struct world *world);

/* One execution, judged: result->end is FAILED if an oracle of the world says no. */
void world_execute(struct world *world, struct strategy *strategy,
                   const struct machine_faults *faults, struct recorder *recorder,
                   struct machine_result *result);

/* Its halves: what is judged when all is over is, in the second one, which changes what is left. */
void world_run(struct world *world, struct strategy *strategy, const struct machine_faults *faults,
               struct recorder *recorder, struct machine_result *result);
void world_judge(struct world *world, struct machine_result *result);

/* Where its segment is. */
const void *world_base(const struct world *world);

/* What a step of that kind does: "reads", "wakes". */
const char *world_step_name(uint8_t kind);

/* What lies at an offset of the segment, in words: "slot 2 latch", "lock write exclusive". */
const char *world_where(const struct world *world, uint32_t offset, char *text, size_t size);

/* What a value there says: "4 of epoch 1", "slot 2", "dead". */
const char *world_value(const struct world *world, uint32_t offset, uint64_t value, char *text,
                        size_t size);

/* ---- for worlds ------------------------------------------------------------------------------ */

/*
 * Words that backends share besides what the core has there: in the ring, for worlds that send no
 * messages. To look at one, or to change it, is a step.
 */
uint32_t world_load(const struct world *world, uint32_t index);
void world_store(const struct world *world, uint32_t index, uint32_t value);
struct sv_atomic32 *world_word(const struct world *world, uint32_t index);

/*
 * May it begin one more operation? A failure is shrunk to fewer of them; who may do none does not
 * run at all. What comes after all operations must not depend on how many there were.
 */
bool world_goes_on(struct world *world, uint32_t backend);

/* What whoever runs has called, in a world of caches, does not fail. */
void world_must(int result, const char *what);

/* The slot of a backend that is attached, which it need not be asked for. */
uint32_t world_slot(const struct world *world, uint32_t backend);

/* Insert the next `count` messages of this backend, entered in the books. */
void world_insert(struct world *world, uint32_t backend, uint32_t count);

/* Read at most `capacity` messages, judged. Returns: how many; 0 also after a reset. */
uint32_t world_read(struct world *world, uint32_t backend, uint32_t capacity);

/* Read until that many reads have found something, or have looked for it long enough. */
void world_read_often(struct world *world, uint32_t backend, uint32_t reads, uint32_t capacity);

#endif
