/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A backend that is killed where PostgreSQL lost an invalidation (E1 to E3: in a rebuild in place
 * that is overtaken, in a reset whose work fails, in a message's work that fails). What was lost
 * there was private; so nobody else may notice more than that it is gone. What it had changed and
 * not told yet, in the middle of that, is told by its settler.
 *
 * The catalogue is in memory that all share; an object is its relation's number, as read.
 */
#include <sys/mman.h>

#include "injector_support.h"
#include "queue/queue.h"
#include "support.h"

TestSuite(relcache_crash, .timeout = 60);

#define RELATION 5

enum situation {
    E1_OVERTAKEN,  /* dies in the rebuild that its own, told change has overtaken */
    E1_OVERTAKING, /* dies telling the change that overtakes its rebuild */
    E2_RESET,      /* dies in the callback of a reset, which has failed before */
    E3_MESSAGE,    /* dies in the rebuild for a message, which has failed before */
    SITUATIONS,
};

/* Shared by all processes of a test. */
struct shared {
    struct sv_atomic64 number; /* of RELATION in the catalogue */
    struct sv_atomic32 there;  /* the victim holds the relation */
    struct sv_atomic32 go;
    struct sv_atomic32 met; /* the situation was reached */
};

/* A backend with its relcache. */
struct holder {
    struct sv_backend *self;
    struct sv_relcache *cache;
    struct sv_relation *held;
    struct shared *shared;
    bool victim;
    enum situation situation;
    uint32_t works; /* builds or callbacks of the victim since it was told to go */
    uint32_t resets_told;
    uint32_t messages_told;
};

static void tell_change(struct sv_backend *self, struct shared *shared, uint64_t number)
{
    const struct sv_message message = {.kind = SV_MESSAGE_RELCACHE,
                                       .relation = {.relation = RELATION}};
    sv_store_release64(&shared->number, number);
    sv_send_messages(self, &message, 1);
}

static void meet_and_die(const struct holder *holder)
{
    sv_store_release32(&holder->shared->met, 1);
    (void)raise(SIGKILL);
}

/* What the victim does in its work: returns 0 or an error, or not at all. */
static int suffer(struct holder *holder)
{
    holder->works++;
    switch (holder->situation) {
    case E1_OVERTAKEN:
    case E1_OVERTAKING:
        sv_store_release32(&holder->shared->met, 1); /* else the plan kills it in tell_change */
        tell_change(holder->self, holder->shared, 3);
        (void)!sv_accept_messages(holder->self);
        meet_and_die(holder);
        return -EIO;
    case E2_RESET:
    case E3_MESSAGE:
        if (holder->works == 1) {
            return -EINTR;
        }
        meet_and_die(holder);
        return -EIO;
    default:
        return -EINVAL;
    }
}

static bool is_going(const struct holder *holder)
{
    return holder->victim && sv_load_acquire32(&holder->shared->go) != 0;
}

static int build(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    struct holder *holder = argument;
    const uint64_t number = sv_load_acquire64(&holder->shared->number);
    (void)self;
    (void)relation;
    if (is_going(holder) && holder->situation != E2_RESET) {
        return suffer(holder);
    }
    uint64_t *made = malloc(sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    *made = number;
    *object = made;
    return 0;
}

static void destroy(void *object, void *argument)
{
    (void)argument;
    free(object);
}

static int hear(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct holder *holder = argument;
    (void)self;
    holder->resets_told += message == NULL;
    holder->messages_told += message != NULL;
    return is_going(holder) && holder->situation == E2_RESET ? suffer(holder) : 0;
}

/* Returns: 0, and it holds the relation. */
static int hold(struct sv_segment *segment, struct holder *holder)
{
    int result = sv_backend_attach(segment, NULL, &holder->self);
    const struct sv_relcache_options options = {
        .build = build, .destroy = destroy, .argument = holder};
    if (result == 0) {
        result = sv_relcache_create(holder->self, &options, &holder->cache);
    }
    if (result == 0) {
        result = sv_callback_register(holder->self, SV_MESSAGE_RELCACHE, hear, holder);
    }
    return result == 0 ? sv_relation_open(holder->self, holder->cache, RELATION, &holder->held)
                       : result;
}

struct victim {
    struct holder holder;
    struct run run;
};

static int hold_and_die(struct sv_segment *segment, void *argument)
{
    struct victim *victim = argument;
    struct shared *shared = victim->holder.shared;
    victim->holder.victim = true;
    if (hold(segment, &victim->holder) != 0) {
        return 2;
    }
    sv_store_release32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
    while (sv_load_acquire32(&shared->go) == 0) {
        (void)sv_os_wait(&shared->go, 0, UINT64_C(1000000000));
    }
    if (victim->holder.situation == E1_OVERTAKING) {
        injector_enter(&victim->run.context, &victim->run.injector, 0);
    }
    for (int i = 0; i < 3; i++) {
        (void)!sv_accept_messages(victim->holder.self); /* the first ones fail on purpose */
    }
    return 4;
}

static uint64_t number_held(const struct holder *holder)
{
    return *(const uint64_t *)holder->held->object;
}

static uint64_t resets_marked(const struct sv_segment *segment)
{
    return counted(segment, SV_STAT_resets_overflow) + counted(segment, SV_STAT_resets_requested) +
           counted(segment, SV_STAT_resets_repair);
}

/* It has happened, the victim is dead and settled, and the survivor has accepted. */
static void judge(const struct holder *survivor, enum situation situation)
{
    const bool changed = situation == E1_OVERTAKEN || situation == E1_OVERTAKING;
    const bool reset = situation == E2_RESET;
    cr_assert_eq(number_held(survivor), changed ? 3 : 2, "%d: the old object", situation);
    cr_assert_eq(survivor->resets_told, reset, "%d: %u resets", situation, survivor->resets_told);
    cr_assert_eq(survivor->messages_told,
                 reset     ? 0
                 : changed ? 2
                           : 1,
                 "%d: %u messages", situation, survivor->messages_told);
}

/* The survivor makes something stale, and the victim dies at it. */
static void play(struct sv_segment *segment, const struct holder *survivor, struct victim *victim)
{
    struct shared *shared = survivor->shared;
    const enum situation situation = victim->holder.situation;
    const pid_t child = fork_child(hold_and_die, segment, victim);
    while (sv_load_acquire32(&shared->there) == 0) {
        (void)sv_os_wait(&shared->there, 0, UINT64_C(1000000000));
    }
    if (situation == E2_RESET) {
        sv_store_release64(&shared->number, 2);
        sv_queue_reset_all(survivor->self);
    } else {
        tell_change(survivor->self, shared, 2);
    }
    sv_store_release32(&shared->go, 1);
    sv_os_wake(&shared->go, INT32_MAX);
    const int status = reap(child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%d: status %x", situation,
              status);
    cr_assert_eq(sv_load_acquire32(&shared->met), 1, "%d: died too early", situation);
}

/*
 * Claim:   whoever is killed in the middle of E1, E2 or E3 disturbs nobody: a survivor that holds
 *          the same relation is told each message once, or the reset once, has the newest object
 *          after its accept, also of a change that the dead had made and not told yet, and nobody
 *          is reset for the death (K2, K5).
 * Method:  survivor and victim hold a relation; it changes, or everybody is reset; the victim's
 *          work for that fails (E2, E3) or is overtaken by its own change (E1), and there it is
 *          killed; once before the message of that change is in the queue. The survivor goes on.
 */
Test(relcache_crash, a_death_where_postgresql_lost_something_disturbs_nobody)
{
    for (enum situation situation = 0; situation < SITUATIONS; situation++) {
        struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 64});
        struct shared *shared =
            mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(shared, MAP_FAILED);
        sv_store_release64(&shared->number, 1);
        struct holder survivor = {.shared = shared};
        struct victim victim = {.holder = {.shared = shared, .situation = situation}};
        run_start(&victim.run, 1,
                  "- {backend: 0, point: queue/publish/before, hit: 1, action: kill}\n");
        cr_assert_eq(hold(segment, &survivor), 0);
        play(segment, &survivor, &victim);
        const uint64_t marked = situation == E2_RESET ? 2 : 0; /* itself, and the victim */
        cr_assert_eq(sv_backend_settle_dead(segment), 1);
        cr_assert_eq(sv_accept_messages(survivor.self), 0);
        judge(&survivor, situation);
        cr_assert_eq(resets_marked(segment), marked, "%d: reset for a death", situation);
        sv_relation_close(survivor.self, survivor.held);
        sv_backend_detach(survivor.self);
        sv_segment_detach(segment);
        cr_assert_eq(munmap(shared, sizeof(*shared)), 0);
    }
}
