/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rubbish in the segment: what becomes of who meets it.
 *
 * The mutable parts of a segment are overwritten while backends use it; each of them must go on, or
 * end with an answer (include/sinval/api.h). Two forms:
 *
 *   shots    many in one process, from a seed: several backends as fibers of one thread, in virtual
 *            time, with rubbish written and the backend changed at fault points. The same number
 *            gives the same rubbish at the same moment, always.
 *   rounds   real processes, real time, with a postmaster: fewer, and not repeatable in detail.
 *
 * Excepted are the life locks' bytes, and the header's part that never changes (it is read once,
 * when the segment is mapped). The mapping lies between pages that nobody may touch.
 */
#ifndef SINVAL_TESTS_CORRUPT_H
#define SINVAL_TESTS_CORRUPT_H

#include "base/atomic.h"
#include "faults/random.h"
#include "sinval/sinval.h"

#include <sys/types.h>

#define BACKENDS_MAX 6
#define TABLE_ROWS   24
#define VALUE_MAX    16
#define ANSWER_BYTES 200
#define ANSWERS_MAX  96
#define SAID_MAX     16
#define RELATION     7
#define WORLDS_MAX   16

/* How a process of the test ends. */
enum end {
    END_FINISHED = 0,
    END_ANSWERED = 40, /* the segment is corrupt, and it said so */
    END_HUNG,          /* everybody waits, and nobody can ever go on */
    END_BAD,           /* a result that there is not, or one without bounds */
    END_ORPHAN,
};

/* What the test does wrong by itself, to show that it would be seen. */
enum plant {
    PLANT_NONE,
    PLANT_CRASH,
    PLANT_HANG,
    PLANT_WAIT,
    PLANT_WRITE,
    PLANT_HEADER,
    PLANT_ASSERT
};

/* Shared with whoever counts, outside the segment. */
struct progress {
    struct sv_atomic64 number;   /* of the shot under way */
    struct sv_atomic64 written;  /* times that something was overwritten */
    struct sv_atomic64 returned; /* calls that returned -SV_ECORRUPT */
    struct sv_atomic32 stop;     /* rounds: no more sessions, please */
    struct sv_atomic32 ready;    /* rounds: sessions begun */

    struct said {
        pid_t pid;
        char words[ANSWER_BYTES];
    } said[SAID_MAX];         /* of an answer, or of what went wrong; shots: the first */
    struct sv_atomic32 count; /* of them */
};

struct options {
    uint64_t seed;
    uint64_t from;
    uint64_t count;
    uint32_t backends; /* rounds: processes in each */
    bool processes;
    enum plant plant;
};

/* The tally: by answer. */
struct tally {
    uint64_t done;
    uint64_t went_on;
    uint64_t answered;
    uint64_t killed; /* by a postmaster's lock watch */

    struct answer {
        char words[ANSWER_BYTES];
        uint64_t count;
    } answers[ANSWERS_MAX];

    uint32_t answer_count;
};

void tally_answer(struct tally *tally, const char *words);

/* ---- world.c: a segment between guard pages -------------------------------------------------- */

struct world {
    struct sv_segment *segment;
    uint8_t *image; /* what it is restored from */
};

/*
 * Make the world of that number: rows, messages, and what the dead left. Ends the process if not.
 */
void world_make(struct world *world, uint64_t seed, uint32_t number);
void world_restore(const struct world *world);
/* Is what must never change as it was? */
bool world_intact(const struct world *world);
/* An empty one, for processes. */
void world_make_empty(struct world *world, uint32_t lock_hold_max_ms);
void world_free(struct world *world);

/* ---- rubbish.c ------------------------------------------------------------------------------- */

/* Overwrite something: a structure, a word, a bit. */
void rubbish_write(struct sv_segment *segment, struct random *random);

/* ---- player.c: what a backend does ----------------------------------------------------------- */

struct player {
    struct sv_segment *segment;
    struct progress *progress;
    struct random random;
    uint32_t operations;
    uint32_t rows; /* bound of a list */
};

/* Attach, some operations, detach. */
void player_session(struct player *player);
/* Look at everything from outside, as `sinval stat` does; settle, as a postmaster does. */
void player_watch(struct player *player);

/* Ends the process: what, in words. */
_Noreturn void player_bad(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for what this process has to say; and what that one has said, "" for nothing. */
char *progress_say(struct progress *progress);
const char *progress_of(const struct progress *progress, pid_t pid);

/* What every process that may meet rubbish asks for. The answer ends it. */
void player_answers(struct sv_segment *segment, struct progress *progress);

/* ---- fibers.c: several backends in one thread ------------------------------------------------ */

/* Run them all to their end. Returns: false if nobody can go on, or all wait for too long. */
bool fibers_run(void (*const *runs)(void *argument), void *const *arguments, uint32_t count,
                struct random *random, void (*at_point)(uint64_t hit));
/* Once it has returned false: for which word each of them waits, as offsets in the segment. */
void fibers_say(const struct sv_segment *segment, char *text, size_t size);
/* From now on, the hit-th point kills this process; 0: none. */
void fibers_die_at(uint64_t hit);
/* Once a signal was sent that is nobody's: what it was. NULL: none was. */
const char *fibers_stranger(void);

/* ---- shots.c, rounds.c: Returns: the exit status of the command. ----------------------------- */

int shots_run(const struct options *options, struct progress *progress, struct tally *tally);
int rounds_run(const struct options *options, struct progress *progress, struct tally *tally);

/* Commit what was planted. */
void plant(enum plant what, struct sv_segment *segment);

#endif
