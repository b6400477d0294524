/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Making a world, peopling it, and judging what is left of it.
 *
 * Everything is made anew for each death: segment, control area, survivors. Putting an old segment
 * back would put back only what somebody thought of, and the survivors' own memory is part of what
 * must be right; a world costs a few forks, which is less than the repair of what the dead held.
 *
 * Nothing here runs at the same time as a victim: what it would change could change its path.
 */
#include "tests/sweep/world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "faults/judge.h"
#include "tests/sweep/database.h"
#include "tests/sweep/trace.h"

#define NS_PER_S UINT64_C(1000000000)

enum { PREPARES_S = 20 };

struct world_shared *world_share(void)
{
    void *shared = mmap(NULL, sizeof(struct world_shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared != MAP_FAILED ? shared : NULL;
}

/* What app_0 guards: two counters that are equal. */
static void repair_app(void *argument)
{
    struct control_shared *shared = argument;
    sv_store_relaxed64(&shared->app[1], sv_load_relaxed64(&shared->app[0]));
}

static uint32_t or_else(uint32_t value, uint32_t preset)
{
    return value != 0 ? value : preset;
}

/* Before anybody is there. */
static int set_base(struct sv_segment *segment, uint32_t base)
{
    struct sv_backend *self = NULL;
    int result = sv_backend_attach(segment, NULL, &self);
    if (result == 0) {
        result = sv_queue_set_base(self, base);
        sv_backend_detach(self);
    }
    return result > 0 ? -EBUSY : result;
}

int world_open(struct world *world, const struct operation *operation, struct world_shared *shared)
{
    const enum canary canary = world->canary;
    const bool repairer = world->repairer;
    const bool stops = world->stops;
    struct sv_config config = operation->config;
    config.backends_max = or_else(config.backends_max, 6);
    config.capacity = or_else(config.capacity, 256);
    config.table_rows_max = or_else(config.table_rows_max, 32);
    const uint64_t at = sv_load_seq64(&shared->predecessor_at);
    const uint32_t hits = sv_load_seq32(&shared->predecessor_hits);
    memset((void *)shared, 0, sizeof(*shared));
    sv_store_seq64(&shared->predecessor_at, at);
    sv_store_seq32(&shared->predecessor_hits, hits);
    *world = (struct world){.operation = operation,
                            .shared = shared,
                            .sweeper = getpid(),
                            .keys = or_else(operation->keys, KEYS_DEFAULT),
                            .canary = canary,
                            .repairer = repairer,
                            .stops = stops};
    const struct plan_world plan = {.backends = PARTS, .keys = world->keys};
    database_forget(world->sweeper);
    int result = sv_segment_create(NULL, &config, &world->segment);
    if (result != 0) {
        return result;
    }
    result = control_create(&world->control, &plan, config.backends_max);
    if (result != 0) {
        return result;
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        uint32_t birth;
        if (!control_birth(&world->control, part, &birth) || birth != part) {
            return -ENOMEM;
        }
    }
    result = operation->base != 0 ? set_base(world->segment, operation->base) : 0;
    if (result != 0) {
        return result;
    }
    sv_lwlock_set_repair(world->segment, SV_LOCK_APP_0, repair_app, world->control.shared);
    return 0;
}

bool wait_until(struct sv_atomic32 *word, uint32_t value)
{
    const uint64_t until_ns = sv_os_now_ns() + 10 * NS_PER_S;
    for (uint32_t seen; (seen = sv_load_seq32(word)) < value;) {
        if (sv_os_now_ns() > until_ns) {
            return false;
        }
        (void)sv_os_wait(word, seen, NS_PER_S / 10);
    }
    return true;
}

static _Noreturn void victim_live(const struct world *world)
{
    const struct operation *operation = world->operation;
    struct actor actor;
    (void)alarm(PREPARES_S);
    actor_init(&actor, world, PART_VICTIM);
    if (!operation->unattached && actor_attach(&actor, NULL) != 0) {
        _exit(1);
    }
    if (operation->predecessor != NULL && actor_buries(&actor, operation->predecessor) != 0) {
        _exit(1);
    }
    if (operation->prepare != NULL && operation->prepare(&actor) != 0) {
        _exit(1);
    }
    (void)alarm(0);
    sweep_begins();
    const int result = operation->run(&actor);
    sweep_over();
    (void)alarm(PREPARES_S);
    if (result == 0 && actor_judge_fetched(&actor) != 0) {
        _exit(1);
    }
    if (result == 0 && world->stops) {
        survivor_goes_on(&actor);
    }
    if (result == 0) {
        actor_leave(&actor);
    }
    _exit(result == 0 ? 0 : 1);
}

static int start(struct world *world, enum part part)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(3);
        }
        if (part == PART_VICTIM) {
            victim_live(world);
        }
        survivor_live(world, part);
    }
    world->pids[part] = pid;
    return 0;
}

int world_people(struct world *world)
{
    for (uint32_t part = PART_CACHED; part <= PART_READER; part++) {
        const int result = start(world, (enum part)part);
        if (result != 0) {
            return result;
        }
        if (!wait_until(&world->shared->there, part + 1)) {
            return -ETIMEDOUT;
        }
    }
    return world->repairer ? trace_attach(world->pids[PART_READER]) : 0;
}

int world_victim(struct world *world)
{
    const int result = start(world, PART_VICTIM);
    return result != 0 ? result : trace_attach(world->pids[PART_VICTIM]);
}

void world_left(struct world *world, enum part part)
{
    world->pids[part] = 0;
    sv_store_seq32(&world->control.births[part].ended, 1);
}

static int reap(struct world *world, uint32_t part)
{
    int status = 0;
    while (waitpid(world->pids[part], &status, 0) < 0 && errno == EINTR) {
    }
    world_left(world, (enum part)part);
    return status;
}

void world_died(struct world *world, enum part part)
{
    if (world->pids[part] != 0) {
        (void)kill(world->pids[part], SIGKILL);
        (void)reap(world, part);
    }
    sv_store_seq64(&world->shared->died_ns, sv_os_now_ns());
}

/* How it left says whether it was right, if nobody has said more. */
static void judge_end(struct world *world, uint32_t part, int status)
{
    struct finding finding;
    if (status == 0) {
        return;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        (void)finding_set(&finding, ORACLE_O4, "birth %u hangs", part);
    } else {
        (void)finding_set(&finding, ORACLE_O4, "birth %u ended with wait status %x", part,
                          (unsigned)status);
    }
    control_accuse(&world->control, part, &finding);
}

void world_ends(struct world *world, enum part part)
{
    judge_end(world, part, reap(world, part));
}

void world_wake(struct world *world)
{
    const struct sv_slot *slot = sv_segment_slot(world->segment, slot_of(PART_READER));
    if (world->operation->rest != REST_OUTSIDE && sv_load_seq32(&slot->latch) == 0 &&
        sv_load_seq32(&world->shared->woken) == 0) {
        sv_latch_set(world->segment, slot_of(PART_READER));
    }
}

int world_release(struct world *world, bool newcomer_first)
{
    struct world_shared *shared = world->shared;
    uint32_t before = 0; /* who was there, but for the victim */
    for (uint32_t part = 0; part < PARTS; part++) {
        before += world->pids[part] != 0 && part != PART_VICTIM;
    }
    world->released = true;
    sv_store_seq32(&shared->survivors, before + 1 + world->stops); /* and the newcomer */
    sv_store_seq32(&shared->alone, world->pids[PART_READER] != 0 ? PART_READER : PART_CACHED);
    sv_store_seq32(&shared->phase, newcomer_first ? WORLD_WORKS : WORLD_ALONE);
    sv_os_wake(&shared->phase, INT32_MAX);
    world_wake(world);
    if (!newcomer_first) {
        if (!wait_until(&shared->phase, WORLD_WORKS)) {
            sv_store_seq32(&shared->phase, WORLD_WORKS);
            sv_os_wake(&shared->phase, INT32_MAX);
        }
        (void)wait_until(&shared->recovered, before); /* it will be told who hangs */
    }
    return start(world, PART_NEWCOMER);
}

int world_go(struct world *world, bool newcomer_first)
{
    const int result = world->released ? 0 : world_release(world, newcomer_first);
    if (result != 0) {
        return result;
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        if (world->pids[part] != 0) {
            world_ends(world, (enum part)part);
        }
    }
    return 0;
}

/* Who was there all the time and was never reset has read the same messages in the same order. */
static bool judge_order(const struct world *world, struct finding *finding)
{
    const struct world_shared *shared = world->shared;
    if (sv_load_seq64(&shared->order[PART_READER]) == 0 ||
        sv_load_seq32(&shared->resets[PART_CACHED]) != 0 ||
        sv_load_seq32(&shared->resets[PART_READER]) != 0 ||
        sv_load_seq64(&shared->order[PART_CACHED]) == sv_load_seq64(&shared->order[PART_READER])) {
        return true;
    }
    return finding_set(finding, ORACLE_O2, "two survivors have read messages in different orders");
}

static bool judge_counters(struct world *world, struct finding *finding)
{
    const struct sv_config *config = sv_segment_config(world->segment);
    uint64_t stats[SV_STAT_COUNT];
    sv_stat_total(world->segment, stats);
    const struct reset_facts facts = {
        .overflow = stats[SV_STAT_resets_overflow],
        .requested = stats[SV_STAT_resets_requested],
        .repair = stats[SV_STAT_resets_repair],
        .asked = control_resets_asked(&world->control) + world->operation->resets,
        .inserted_max = stats[SV_STAT_inserted],
        .capacity = config->capacity,
        .quantum = world->operation->clears ? config->capacity : config->write_quantum,
    };
    world->resets[SV_RESET_OVERFLOW] = facts.overflow;
    world->resets[SV_RESET_REQUESTED] = facts.requested;
    world->resets[SV_RESET_REPAIR] = facts.repair;
    return judge_resets(&facts, finding) && judge_catchup(world->segment, stats, PARTS, finding);
}

bool world_judge(struct world *world, struct finding *finding)
{
    uint32_t seat;
    if (world->operation->sqlite) {
        database_judge(&world->control, world->sweeper);
    }
    if (control_verdict(&world->control, finding, &seat)) {
        return false;
    }
    return judge_locks(world->segment, finding) && judge_slots(world->segment, finding) &&
           judge_queue(world->segment, finding) &&
           judge_ids(world->segment, &world->control, finding) && judge_order(world, finding) &&
           judge_commits(world, finding) && judge_counters(world, finding) &&
           (world->operation->judge == NULL || world->operation->judge(world, finding));
}

void world_close(struct world *world)
{
    for (uint32_t part = 0; part < PARTS; part++) {
        if (world->pids[part] != 0) {
            world_died(world, (enum part)part);
        }
    }
    if (world->segment != NULL) {
        sv_segment_detach(world->segment);
    }
    control_destroy(&world->control);
    database_forget(world->sweeper);
    world->segment = NULL;
}
