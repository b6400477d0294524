/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The machine inside: machine.c makes it and carries executions out, environment.c does what is not
 * a backend's own doing, choose.c says who goes on, rest.c is how backends sleep and wake,
 * session.c carries on without a beginning and an end.
 */
#ifndef SINVAL_FAULTS_EXPLORE_MACHINE_OWN_H
#define SINVAL_FAULTS_EXPLORE_MACHINE_OWN_H

#include "faults/explore/runtime.h"

#define AGENTS_MAX      (3 * MACHINE_BACKENDS_MAX)
#define PROCESSES       (MACHINE_BACKENDS_MAX + 1)
#define START_NS        UINT64_C(1000000000000)
#define FAIR_STEPS      64 /* a turn, once all get theirs */
#define LIVELOCK_LIMITS 10
#define NEVER           UINT64_MAX
#define LATE_STEPS      24 /* and then at most by so many */
#define EARLY_ODDS      32 /* one sleep in so many ends early, by its time or for no reason */
#define WEAK_ODDS       8
#define LOCALS_MAX      8 /* words of thread-locals of traced code */
#define PLACE_MAX       96
#define GUARDS_MAX      64
#define ASIDE_NS        UINT64_C(60000000000) /* time that may pass when all is over */

/* What becomes of a signal; the last two only if the faults say so. */
enum signal_fate { SIGNAL_AT_ONCE, SIGNAL_LATE, SIGNAL_LOST, SIGNAL_TWICE, SIGNAL_FATES };

enum state { READY, ASLEEP, OVER, DEAD };

struct process {
    struct fiber fiber;
    struct arena arena; /* above the fiber's stack, */
    uintptr_t own;      /* which begins here */
    uint64_t locals[LOCALS_MAX];
    uint64_t saved_locals[LOCALS_MAX];

    enum state state;
    uint32_t former; /* processes of this number that there were before it */
    uint64_t steps;
    uint64_t dies_at;       /* before that one of its own; NEVER: it does not */
    struct machine_bed bed; /* ASLEEP */
    bool owed;              /* who changes that word must wake it */
    uint64_t until_ns;
    uint64_t line; /* its place in the line of sleepers */
    enum machine_waking waking;

    uint32_t signals;    /* under way */
    uint64_t arrives_at; /* the first of them, in steps of all; NEVER: none */
    bool arrived;        /* and has come: the handler is to run */
    bool handling;

    /* In a search: where it stands (state.c). */
    uint64_t registers[FIBER_REGISTERS];
    const uint8_t *stack;         /* what of it is in use, from here on; NULL: it has not begun */
    uint64_t place;               /* all that as one number, */
    bool placed;                  /* if that is known */
    struct explore_guards guards; /* locks that it holds */
};

struct machine {
    struct machine_settings settings;
    struct process processes[PROCESSES];
    struct fiber own;   /* the stack of who called us */
    struct fiber aside; /* where things run that are not traced */
    struct fiber *running;
    uint32_t self; /* whose process is there: memory, thread-locals */
    uint64_t ready;
    uint64_t waiting; /* for a lock */
    uint32_t last;    /* the agent who took the last step */
    uint64_t since;   /* self's steps are counted up to here */
    uint64_t lines;
    uint64_t alarm;       /* the step before which the environment has to be looked at */
    uint64_t due;         /* or who runs dies, or everyone gets his turn, whatever comes first */
    uint64_t granted;     /* steps before which whoever runs asks here, but nobody else is asked */
    uint32_t deaths_left; /* of a search */
    const void *guards[GUARDS_MAX]; /* in a search: the locks of a set, in its order */
    uint64_t broken;                /* and those that two have held at a time */
    uint64_t now_ns;
    uint64_t aside_until_ns; /* when who waits aside is told that it waits for nothing */
    uint64_t tick_at;  /* the step before which session_tick has to be called; NEVER: no session */
    uint64_t until_ns; /* of a session: when it is interrupted */

    struct machine_change change; /* to be judged, if runtime.changed */

    struct explore_choice choice; /* what stays the same in an execution is not set each time */
    struct explore_step next[AGENTS_MAX];
    struct strategy *strategy;
    struct recorder *recorder;
    struct machine_faults faults;
    uint32_t script_at;
    struct machine_result *result;
    struct finding finding;

    void (*aside_function)(void *argument, uint32_t backend);
    void *aside_argument;

    void (*watch)(void *argument, const struct machine_access *access);
    void *watch_argument;

    void (*handler)(int);
    int signal_number;
    uint32_t lives[MACHINE_LIVES_MAX]; /* offsets of life locks: see os_fiber.c */
    uint32_t life_count;
    uint8_t *saved;   /* the segment */
    uint64_t *locals; /* where the thread-locals of traced code are */
    size_t locals_words;
};

extern struct machine machine __attribute__((visibility("hidden")));

static inline struct process *self_process(void)
{
    return &machine.processes[machine.self];
}

/* Does the strategy pick the environment's agents, too? */
static inline bool machine_searches(void)
{
    return machine.strategy->kind->searches;
}

/* The agents of a backend's environment. */
static inline uint32_t death_of(uint32_t backend)
{
    return machine.settings.backends + backend;
}

static inline uint32_t arrival_at(uint32_t backend)
{
    return 2 * machine.settings.backends + backend;
}

/* ---- machine.c ---- */

/* Steps taken since the last call are those of whoever runs. */
static inline void machine_count_steps(void)
{
    self_process()->steps += runtime.step - machine.since;
    machine.since = runtime.step;
}

/* What the strategy has granted is over: before the next step it is asked. */
static inline void machine_end_grant(void)
{
    runtime.until = 0;
    machine.granted = 0;
}

/* And is asked for before each step, but not from the strategy. */
static inline void machine_take_grant(void)
{
    if (runtime_granted() > 0) {
        machine.granted = runtime_granted();
        runtime.until = 0;
    }
}

/* Be in the process of another. */
static inline void machine_enter(uint32_t index)
{
    uint64_t *const locals = machine.locals;

    for (size_t i = 0; i < machine.locals_words; i++) {
        self_process()->locals[i] = locals[i];
    }
    machine.self = index;
    runtime.self = index;
    runtime.own = machine.processes[index].own;
    for (size_t i = 0; i < machine.locals_words; i++) {
        locals[i] = self_process()->locals[i];
    }
}

/* Go on with another stack, in the process of another backend. */
void machine_switch(struct fiber *to, uint32_t index);

/* What steps are told to, for a segment of that size. Returns: 0; -ENOMEM. */
SV_NODISCARD int machine_make_order(void);

/* Back to who called us; what runs is left as it is. */
void machine_leave(enum machine_end end);

/* ---- environment.c ---- */

/* That one is dead from now on. */
void environment_die(uint32_t victim);

/* The environment takes its steps, if any are due. */
void environment_acts(void);

/* It takes that one. */
void environment_step(uint32_t agent);

/* It takes one that is not the only thing that can happen. */
void environment_deviate(uint32_t agent);

/* When has it to be looked at next, but for deaths in a backend's own steps? */
void environment_set_alarm(void);

/* What a search can choose from besides the backends. */
uint64_t environment_agents(void);

/* A signal that is under way to that backend, to which it may come, comes. */
void environment_arrive(uint32_t victim);
bool environment_may_arrive(uint32_t backend);

static inline bool environment_is_due(void)
{
    return runtime.step >= machine.alarm || self_process()->steps >= self_process()->dies_at;
}

/* ---- choose.c ---- */

/* The alarm has changed, or the steps of who runs have been counted. */
void machine_set_due(void);

/* Until it is the turn of who called; never, if it cannot go on any more. */
void machine_choose(void);

void machine_run_handler(void);

/* A signal has come: the handler runs, on whatever stack this is. Returns: false: none has. */
static inline bool machine_take_signal(void)
{
    if (__builtin_expect(!self_process()->arrived, 1)) {
        return false;
    }
    machine_run_handler();
    return true;
}

/* ---- foreign.c ---- */

/* From now on what backends touch of each other's private memory is a finding. */
void foreign_begin(void);

/* ---- rest.c ---- */

/* That one can go on, and what it does next is no access. */
void machine_make_ready(uint32_t backend, enum machine_waking waking, uint8_t kind);

/* Who runs sleeps there, last in line, until process->until_ns; it then has to choose who goes on. */
void machine_lie_down(const struct machine_bed *bed);

/* Nobody can take a step: a signal comes, or time passes. Returns: false: nobody ever will. */
bool machine_stir(void);

/* Nothing else can end that one's sleep. */
void machine_time_out(uint32_t backend);

/* ---- session.c ---- */

static inline bool machine_is_session(void)
{
    return machine.tick_at != NEVER;
}

/* Has somebody joined it, so that nobody has the word in between? */
static inline bool machine_is_joined(void)
{
    return machine_is_session() && machine.until_ns == NEVER;
}

/* The time within a tick. */
uint64_t session_now_ns(void);

/* So many steps were taken that time has passed. */
void session_tick(void);

/* Nobody can go on before until_ns. */
void session_wait(void);

static inline uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
