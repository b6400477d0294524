/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A run asks every oracle: what the supervisor judges, and what is left behind. Backends are
 * *puppets*: seats of a carrier that does what the scene says, so that nothing depends on when
 * somebody is scheduled.
 */
#include <fcntl.h>

#include "asked.h"
#include "queue/queue.h"
#include "shm/segment.h"

TestSuite(puppet_fault, .timeout = 120);

enum puppet { PUPPET_GONE, PUPPET_STAYS, PUPPET_LEAVES, PUPPET_DIES };

#define TIMEOUT_MS 20
#define LONG_NS    UINT64_C(60000000) /* three times that */
#define LOOKS_MAX  1000               /* what was not found by then is not looked for */

/* How it is played; reset for each scene. */
static struct {
    const struct run_world *world;
    const struct scene *scene;
    uint32_t looks;
    uint64_t since_ns;
    enum puppet puppets[ASKED_BACKENDS];
    struct sv_backend *self;
    struct sv_backend *other;
    int kept; /* a descriptor; -1: none */
} stage;

struct scene {
    const char *name;
    void (*begins)(void); /* before anybody starts; all have left if it says nothing else */
    void (*moves)(void);  /* each time the supervisor looks; NULL: nothing */
    int (*ends)(void);    /* everybody is gone: how what carried them ends; NULL: well */
    uint32_t timeout_ms;  /* 0: TIMEOUT_MS */
    enum oracle oracle;
    const char *says;
};

static int puppet_open(struct carrier *carrier)
{
    stage.world = carrier->world;
    sv_backend_detach(join(carrier->world->segment)); /* slot 0 was used */
    for (uint32_t seat = 0; seat < ASKED_BACKENDS; seat++) {
        stage.puppets[seat] = PUPPET_LEAVES;
    }
    stage.scene->begins();
    return 0;
}

static int puppet_start(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    (void)seat;
    return 0;
}

static int puppet_wait(struct carrier *carrier, uint32_t wait_ms)
{
    (void)carrier;
    (void)wait_ms;
    (void)carrier_wait_signal(1);
    stage.looks++;
    if (stage.scene->moves != NULL) {
        stage.scene->moves();
    }
    return 0;
}

static bool puppet_next_exit(struct carrier *carrier, struct carrier_exit *exit)
{
    (void)carrier;
    for (uint32_t seat = 0; seat < ASKED_BACKENDS; seat++) {
        const enum puppet puppet = stage.puppets[seat];
        if (puppet == PUPPET_LEAVES || puppet == PUPPET_DIES) {
            *exit = (struct carrier_exit){
                .seat = seat, .status = WORKER_LEFT, .killed = puppet == PUPPET_DIES};
            stage.puppets[seat] = PUPPET_GONE;
            return true;
        }
    }
    return false;
}

static void puppet_resume(struct carrier *carrier, uint32_t seat)
{
    (void)carrier;
    (void)seat;
}

static int puppet_close(struct carrier *carrier)
{
    (void)carrier;
    return stage.scene->ends != NULL ? stage.scene->ends() : 0;
}

static const struct carrier_kind carrier_puppet = {
    .name = "puppet",
    .open = puppet_open,
    .start = puppet_start,
    .wait = puppet_wait,
    .next_exit = puppet_next_exit,
    .resume = puppet_resume,
    .close = puppet_close,
};

static void play_scene(const struct scene *scene)
{
    struct plan plan = plan_of(WORKLOAD_QUEUE);

    plan.world.config = (struct sv_config){.capacity = 64,
                                           .cleanup_min = 16,
                                           .cleanup_quantum = 8,
                                           .signal_threshold = 16,
                                           .write_quantum = 8};
    memset(&stage, 0, sizeof(stage));
    stage.scene = scene;
    stage.kept = -1;
    play(&plan, &carrier_puppet, scene->timeout_ms != 0 ? scene->timeout_ms : TIMEOUT_MS);
    if (stage.kept >= 0) {
        (void)close(stage.kept);
    }
    expect_verdict(scene->name, scene->oracle, scene->says);
}

static void break_nothing(void)
{
}

static void leave_a_lock(void)
{
    sv_store_seq32(&stage.world->segment->locks[SV_LOCK_APP_0].exclusive, 1);
}

static void leave_a_broken_queue(void)
{
    sv_store_seq32(&stage.world->segment->queue->next_threshold, UINT32_MAX);
}

static void leave_the_baton(void)
{
    sv_store_seq32(&stage.world->segment->slots[0].catchup_target, 1);
}

static void draw_ids_that_are_lost(void)
{
    sv_store_seq64(&stage.world->control.slots[0].local_transaction_id, 100);
}

static void reset_for_a_death(void)
{
    sv_store_seq64(&stage.world->segment->slots[0].stats[SV_STAT_resets_repair], 1);
}

static int keep_a_descriptor(void)
{
    stage.kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return 0;
}

static int end_badly(void)
{
    return 3;
}

/*
 * Claim:   at its end a run asks of what is left behind: O3, the queue; O5, the baton; O6, locks,
 *          ids and resets; O7, what the process holds, and how the carrier ended.
 */
Test(puppet_fault, of_what_is_left_behind)
{
    static const struct scene scenes[] = {
        {.name = "nothing", .begins = break_nothing, .says = ""},
        {.name = "a lock", .begins = leave_a_lock, .oracle = ORACLE_O6, .says = "lock app"},
        {.name = "a broken queue",
         .begins = leave_a_broken_queue,
         .oracle = ORACLE_O3,
         .says = "at the end: Q4"},
        {.name = "the baton",
         .begins = leave_the_baton,
         .oracle = ORACLE_O5,
         .says = "the baton ended in slot 0"},
        {.name = "ids",
         .begins = draw_ids_that_are_lost,
         .oracle = ORACLE_O6,
         .says = "slot 0 goes on at"},
        {.name = "a reset",
         .begins = reset_for_a_death,
         .oracle = ORACLE_O6,
         .says = "1 resets because"},
        {.name = "a descriptor",
         .begins = break_nothing,
         .ends = keep_a_descriptor,
         .oracle = ORACLE_O7,
         .says = ""},
        {.name = "a bad end",
         .begins = break_nothing,
         .ends = end_badly,
         .oracle = ORACLE_O7,
         .says = "what carried the backends ended with status 3"},
    };

    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        play_scene(&scenes[i]);
    }
}

/* ---- what the supervisor sees ---------------------------------------------------------------- */

static void sit(uint32_t seat, enum seat_phase phase)
{
    stage.puppets[seat] = PUPPET_STAYS;
    sv_store_seq32(&stage.world->control.seats[seat].phase, phase);
}

/* It has taken its steps, so it gets no successor. */
static void fall(uint32_t seat)
{
    stage.puppets[seat] = PUPPET_DIES;
    sv_store_seq32(&stage.world->control.seats[seat].steps, UINT32_MAX);
}

static int die_with_a_lock(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    const int attached = sv_backend_attach(segment, NULL, &self);

    (void)argument;
    if (attached == 0) {
        sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    }
    return attached;
}

/* Nothing was found: everybody leaves as if all were well. */
static void give_up(void)
{
    if (stage.looks == LOOKS_MAX) {
        (void)sv_backend_settle_dead(stage.world->segment);
        for (uint32_t seat = 0; seat < ASKED_BACKENDS; seat++) {
            if (stage.puppets[seat] == PUPPET_STAYS) {
                stage.puppets[seat] = PUPPET_LEAVES;
            }
        }
    }
}

static void hang_while_draining(void)
{
    sit(0, SEAT_SERVING);
    sit(1, SEAT_SERVING);
}

/* One who serves, and one who is dead, and whom nobody settles. */
static void die_unsettled(void)
{
    sit(0, SEAT_SERVING);
    fall(1);
    cr_assert_eq(reap(fork_child(die_with_a_lock, stage.world->segment, NULL)), 0);
}

/* Somebody is further behind than any cleanup leaves, and reads nothing. */
static void fall_behind(void)
{
    struct sv_message messages[64];
    uint32_t count;

    sit(0, SEAT_SERVING);
    sit(1, SEAT_SERVING);
    stage.self = join(stage.world->segment);
    stage.other = join(stage.world->segment);
    for (uint32_t i = 0; i < 5; i++) {
        insert_numbered(stage.self, (uint64_t)i * 8, 8);
        cr_assert_eq(sv_queue_read(stage.self, messages, 64, &count), 0);
    }
}

static int leave_both(void)
{
    sv_backend_detach(stage.self);
    sv_backend_detach(stage.other);
    return 0;
}

/* Who works waits for a lock of somebody who died with it. */
static void wait_for_the_dead(void)
{
    stage.self = join(stage.world->segment); /* before there is a dead one to be found */
    die_unsettled();
    sit(0, SEAT_WORKING);
    struct sv_slot *slot = &stage.world->segment->slots[sv_backend_slot(stage.self)];
    sv_store_seq64(&slot->waits_since_ns, sv_os_now_ns());
    sv_store_seq32(&slot->waits_for_lock, SV_LOCK_APP_0 + 1);
}

/* The supervisor has seen the death at its first look; its last one is 3 timeouts after it. */
static void wait_for_long(void)
{
    const uint64_t now_ns = sv_os_now_ns();
    const bool over = stage.since_ns != 0 && now_ns - stage.since_ns > LONG_NS;

    (void)sv_fetch_add_seq32(&stage.world->control.seats[0].beats, 1);
    if (stage.looks == 2) {
        stage.since_ns = now_ns;
    } else if (over && stage.other == NULL) {
        stage.other = stage.self; /* one look more, then no longer */
    } else if (over && stage.puppets[0] == PUPPET_STAYS) {
        sv_store_seq32(&stage.world->segment->slots[sv_backend_slot(stage.self)].waits_for_lock, 0);
        cr_assert_eq(sv_backend_settle_dead(stage.world->segment), 1);
        sv_backend_detach(stage.self);
        stage.puppets[0] = PUPPET_LEAVES;
    }
}

#define STOPPED_NS UINT64_C(1200000000) /* longer than a late look, and than the timeout */

static void work(void)
{
    sit(0, SEAT_WORKING);
}

/* The whole machine stands still for longer than the timeout, before the first look. */
static void stop_the_machine(void)
{
    const uint64_t start_ns = sv_os_now_ns();

    while (stage.looks == 1 && sv_os_now_ns() - start_ns < STOPPED_NS) {
        (void)carrier_wait_signal(100);
    }
    stage.puppets[0] = stage.looks == 1 ? PUPPET_STAYS : PUPPET_LEAVES;
}

/*
 * Claim:   the supervisor asks O4 of who must drain, O5 of who is far behind when all is quiet, O6
 *          (K3, K1) of the dead whom nobody settles, and of who waits for them; and takes nobody
 *          for hung where it was itself that did not run.
 * Method:  puppets, who do what is wrong until it is found, or for a thousand looks.
 */
Test(puppet_fault, of_what_goes_on)
{
    static const struct scene scenes[] = {
        {.name = "a hang while draining",
         .begins = hang_while_draining,
         .moves = give_up,
         .oracle = ORACLE_O4,
         .says = "backend 0 has made no step"},
        {.name = "the dead",
         .begins = die_unsettled,
         .moves = give_up,
         .oracle = ORACLE_O6,
         .says = "1 slots of the dead"},
        {.name = "a laggard",
         .begins = fall_behind,
         .moves = give_up,
         .ends = leave_both,
         .oracle = ORACLE_O5,
         .says = "all is quiet, slot"},
        {.name = "a wait for the dead",
         .begins = wait_for_the_dead,
         .moves = wait_for_long,
         .oracle = ORACLE_O6,
         .says = "a survivor waited for a dead lock holder"},
        {.name = "a stopped machine",
         .begins = work,
         .moves = stop_the_machine,
         .timeout_ms = 1100,
         .says = ""},
    };

    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        play_scene(&scenes[i]);
    }
}
