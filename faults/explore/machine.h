/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The machine: simulated processes over one segment, interleaved at every access.
 *
 * A campaign makes the machine once: segment and backends are prepared one after the other, and
 * what they are then is kept. Each execution begins there: segment, private memory and
 * thread-locals are set back by copying, every backend starts on an empty stack, and a strategy
 * decides before each access who takes it. Nothing else decides anything: no wall clock, address,
 * or allocation outside.
 *
 *     machine_create; machine_aside (prepare)...; machine_keep;
 *     { machine_execute; machine_aside (judge) }...; machine_destroy
 *
 * There is one machine in a process: the compiler's calls in traced code carry no context.
 *
 * Design: faults/explore/machine.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_MACHINE_H
#define SINVAL_FAULTS_EXPLORE_MACHINE_H

#include "base/atomic.h"
#include "faults/explore/arena.h"
#include "faults/explore/deviation.h"
#include "faults/explore/fiber.h"
#include "faults/oracle.h"

#define MACHINE_BACKENDS_MAX 20
#define MACHINE_NOBODY       MACHINE_BACKENDS_MAX /* a process that is none of the backends */
#define MACHINE_LIVES_MAX    80
#define MACHINE_DEATHS_MAX   2

/* An access, as whatever watches a machine is told of it, before it happens. */
struct machine_access {
    uint64_t number; /* of the step in this execution */
    uint32_t backend;
    uint8_t kind;  /* enum explore_step_kind */
    uint8_t order; /* as __ATOMIC_...; MACHINE_PLAIN: no atomic access */
    uint32_t offset;
    uint32_t bytes;
    const void *pc; /* in traced code; of a call of the operating system: after the call */
};

#define MACHINE_PLAIN UINT8_MAX

struct machine_death {
    uint32_t victim;
    bool of_all; /* at: of the steps of all; else of the victim's own */
    uint64_t at; /* before that step; 1 and up */
};

/* What the environment does to the backends of an execution, if it is not for a strategy to say. */
struct machine_faults {
    uint32_t deaths; /* that many; of a search: at most, where it likes */
    struct machine_death death[MACHINE_DEATHS_MAX];
    bool signals;                   /* they may also be lost, or come twice */
    const struct deviation *script; /* of a replay: what the environment did, among all else */
    uint32_t script_count;
};

enum machine_end {
    MACHINE_FINISHED, /* everybody has */
    MACHINE_FAILED,   /* machine_finding says what was found */
    MACHINE_DROPPED,  /* the strategy said so */
};

struct machine_result {
    enum machine_end end;
    uint64_t steps;
    uint64_t dead;     /* a set of backends */
    uint64_t timeouts; /* sleeps that ended so */
    uint64_t rescued;  /* of them, though their word had changed */
    uint64_t switches;
};

/* A write to a word that is judged. */
struct machine_change {
    uint32_t backend; /* who wrote it */
    uint32_t offset;
    uint64_t before; /* what was there */
};

struct machine_settings {
    void *base; /* of the segment */
    size_t size_bytes;
    uint32_t backends;
    uint64_t steps_limit; /* after which everyone gets his turn; after ten times that: a livelock */
    /*
     * Must who changes that word wake whoever goes to sleep on it now? Then it is a lost wake-up if
     * time has to, but for a death. NULL: nobody must.
     */
    bool (*owed)(const struct sv_atomic32 *word);
    bool idle; /* some sleep for a while of their choice, though nobody wakes them */
    void (*run)(void *argument, uint32_t backend);                  /* what a backend does */
    const char *(*where)(uint32_t offset, char *text, size_t size); /* words for a place */
    uint8_t *judged; /* by granule: is what is written there judged? NULL: nowhere. The machine's */
    void (*judge)(void *argument, const struct machine_change *change); /* after the write */
    void *argument;
    const void *beside; /* what else backends share, which takes no steps to look at */
    size_t beside_bytes;
};

/* Each process has a stack and private memory of those sizes. Returns: 0; -ENOMEM. */
SV_NODISCARD int machine_create(uint32_t backends, size_t stack_bytes, size_t memory_bytes);
void machine_destroy(void);

/*
 * Call function on a stack of its own, in the process of backend (MACHINE_NOBODY: of nobody's),
 * with nobody else running and nothing traced. Returns: false if something was found in it.
 */
bool machine_aside(uint32_t backend, void (*function)(void *argument, uint32_t backend),
                   void *argument);

/* In what runs aside: go on in the process of another backend. */
void machine_become(uint32_t backend);

/* After a fork: the segment, which is shared, becomes this process's own. Returns: 0; -errno. */
SV_NODISCARD int machine_unshare(void);

/* What everything is set back to from now on. Returns: 0; -ENOMEM. */
SV_NODISCARD int machine_keep(const struct machine_settings *settings);

/* One execution from there. recorder, faults and watch may be NULL. */
void machine_execute(struct strategy *strategy, const struct machine_faults *faults,
                     struct recorder *recorder, struct machine_result *result);

/* A step as it is written down: whoever took it, and what it was. */
struct machine_event {
    uint8_t agent; /* a backend's; from their number on, the environment's: a death, an arrival */
    uint8_t kind;  /* enum explore_step_kind; NONE: started, woke up, or the environment's */
    uint16_t bytes;
    uint32_t offset;
};

/* A step of the last execution, one of its newest 65536; and a hash of all of those. */
struct machine_event machine_event(uint64_t step);
uint64_t machine_hash(void);

/* Told of every access from now on; NULL: nobody. */
void machine_watch(void (*watch)(void *argument, const struct machine_access *access),
                   void *argument);

/* The fingerprint of the last execution's order (order.h). */
uint64_t machine_order(void);

/* Steps a backend took in the last execution. */
uint64_t machine_steps_of(uint32_t backend);
bool machine_is_dead(uint32_t backend);
uint32_t machine_dead(void); /* how many are */

/* Blocks of private memory that a backend has not freed. */
uint32_t machine_blocks_of(uint32_t backend);

/* The finding of the last execution, or aside. */
const struct finding *machine_finding(void);

/* ---- for what runs in the machine ---------------------------------------------------------- */

/* An oracle says no: what runs ends here, and with it the execution. */
_Noreturn void machine_fail(enum oracle oracle, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* Does anything run in it now? */
bool machine_runs(void);

/* Who runs: a backend, or MACHINE_NOBODY; and its private memory. */
uint32_t machine_self(void);
struct arena *machine_arena(void);

/* Does a weak compare-and-swap of that word fail for no reason? */
bool machine_fails_weakly(const volatile void *address);

/*
 * A lock that is not one of the core's: a word that is 0 while it is free. Who wants it has no step
 * as long as another has it; who has it must not die.
 */
void machine_acquire(struct sv_atomic32 *lock);
void machine_release(struct sv_atomic32 *lock);

/* ---- for the operating system's seam (faults/os_fiber.c) ------------------------------------- */

enum machine_waking { MACHINE_WOKEN, MACHINE_TIMED_OUT, MACHINE_INTERRUPTED };

/* The next step of who runs: returns when it is its turn. Nothing if nobody is traced. */
void machine_step(enum explore_step_kind kind, const void *address, uint32_t bytes);

/* What somebody sleeps for. */
struct machine_bed {
    const struct sv_atomic32 *word; /* what it has looked at */
    uint32_t expected;              /* and what it saw */
    bool wakeable;                  /* by a wake of that word; else by signals only */
    uint64_t timeout_ns;
};

/* Sleep until it is woken, or its time is up. */
enum machine_waking machine_sleep(const struct machine_bed *bed);
void machine_wake(const void *word, uint32_t count);

/* Somebody else may take a step; to offer that is one. */
void machine_yield(void);

/* What a spinning loop looked at last does not count as steps while nobody else runs. */
void machine_spin(void);

uint64_t machine_now_ns(void);
bool machine_lives(uint32_t backend); /* is that backend, or nobody's process, alive? */

/* What names a backend's process among all that have been: never 0. And back. */
uint32_t machine_id(uint32_t backend);
uint32_t machine_of(uint32_t id);
void machine_handler_set(void (*handler)(int), int signal_number);
void machine_signal(uint32_t backend);

/* A life lock that exists, so that deaths can be told to it. */
void machine_life_add(void *life);

#endif
