/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A thousand deaths in a row leave everything as clean as the first hundred (K3).
 *
 * Eight processes at work, each at something else; one after the other is killed, at a random
 * moment of it, and replaced. After each hundred all are killed, and the segment, and what its
 * survivor has, must look as after the first.
 */
#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

#include "cli_support.h"
#include "meeting.h"
#include "queue/queue.h"

TestSuite(deaths_crash, .timeout = 120);

enum { CHILDREN = 8, ROUNDS = 10, DEATHS = 100, RELATION = 1 };

enum { DETACHES, TURNS }; /* words of the meeting */

static const struct sv_config deaths_world = {.backends_max = 2 * CHILDREN + 2,
                                              .capacity = 64,
                                              .signal_threshold = 8,
                                              .cleanup_min = 16,
                                              .cleanup_quantum = 8,
                                              .wraparound = 128,
                                              .intent_max = 8,
                                              .table_rows_max = 16};

/* ---- what is done until death ---------------------------------------------------------------- */

static void hold_locks(struct sv_backend *self, uint32_t turn)
{
    for (int lock = SV_LOCK_APP_0; lock < SV_LOCK_COUNT; lock++) {
        const bool shared = lock != SV_LOCK_WRITE && (turn >> lock & 1) != 0;
        sv_lwlock_acquire(self, (enum sv_lock)lock, shared ? SV_LOCK_SHARED : SV_LOCK_EXCLUSIVE);
    }
    for (int lock = SV_LOCK_COUNT; lock-- > SV_LOCK_APP_0;) {
        sv_lwlock_release(self, (enum sv_lock)lock);
    }
}

static void commit_rows(struct sv_backend *self, struct sv_source *source, uint32_t turn)
{
    const uint32_t row = turn % 8;
    const struct sv_keys keys = {.count = 1, .key = {{&row, sizeof(row)}}};
    const struct sv_tuple tuple = {.data = &turn, .size_bytes = sizeof(turn)};
    if (sv_transaction_begin(self, NULL) != 0 ||
        sv_source_write(self, source, RELATION, &keys, turn % 3 != 0 ? &tuple : NULL) != 0 ||
        sv_transaction_commit(self) != 0) {
        _exit(4);
    }
}

static void promise(struct sv_backend *self, uint32_t turn)
{
    struct sv_message messages[16];
    const uint32_t count = 1 + turn % 8;
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = numbered(turn + i);
    }
    sv_send_messages(self, messages, count);
}

static void lag_and_relay(struct sv_backend *self)
{
    struct sv_latch_wait wait = {.timeout_ms = 2};
    sv_latch_reset(self);
    if (sv_latch_wait(self, &wait) != 0 || (wait.is_set && sv_accept_messages(self) != 0)) {
        _exit(5);
    }
}

static void sleep_in_poll(struct sv_backend *self, int descriptor)
{
    struct sv_latch_wait wait = {
        .timeout_ms = -1, .wait_readable = true, .readable_fd = descriptor};
    sv_latch_reset(self);
    if (sv_latch_wait(self, &wait) != 0 || sv_accept_messages(self) != 0) {
        _exit(6);
    }
}

static struct sv_backend *come_and_go(struct sv_segment *segment, struct meeting *meeting,
                                      struct sv_backend *self)
{
    (void)sv_transaction_id_next(self);
    (void)sv_fetch_add_seq32(&meeting->words[DETACHES], 1);
    sv_backend_detach(self);
    return attach_here(segment, 0);
}

enum work { LOCKS, COMMITS, PROMISES, LAGS, SLEEPS, SENDS_ONLY, COMES_AND_GOES, BARRIERS, WORKS };

struct child {
    enum work work;
    struct meeting *meeting;
    pid_t pid;
    uint32_t number; /* as the postmaster counts it */
};

static struct sv_backend *attach_for(struct sv_segment *segment, enum work work)
{
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {
        .send_only = work == SENDS_ONLY,
        .signal_number = work == LAGS || work == SLEEPS || work == BARRIERS ? SIGUSR1 : 0};
    if (sv_backend_attach(segment, &options, &self) != 0) {
        _exit(3);
    }
    return self;
}

/* Never returns but by an error: its end comes from outside. */
static int live(struct sv_segment *segment, void *argument)
{
    const struct child *child = argument;
    struct sv_backend *self = attach_for(segment, child->work);
    struct sv_source *source = NULL;
    int ends[2];
    if (sv_table_open(self, &source) != 0 || pipe(ends) != 0) {
        return 7;
    }
    for (;;) {
        const uint32_t turn = sv_fetch_add_seq32(&child->meeting->words[TURNS], 1);
        switch (child->work) {
        case LOCKS:
            hold_locks(self, turn);
            break;
        case COMMITS:
            commit_rows(self, source, turn);
            break;
        case PROMISES:
            promise(self, turn);
            break;
        case LAGS:
            lag_and_relay(self);
            break;
        case SLEEPS:
            sleep_in_poll(self, ends[0]);
            break;
        case SENDS_ONLY:
            insert_numbered(self, turn, 3);
            break;
        case COMES_AND_GOES:
            self = come_and_go(segment, child->meeting, self);
            break;
        default:
            (void)!sv_procsignal_barrier(self, 2);
            break;
        }
    }
}

/* ---- starting and killing -------------------------------------------------------------------- */

struct scene {
    struct sv_segment *segment;
    struct meeting *meeting;
    struct sv_postmaster *postmaster; /* NULL: children are the test's own */
    struct child children[CHILDREN];
    struct sv_backend *survivor;
    struct sv_source *source;
    struct sv_catcache *cache;
    uint64_t kills;
    uint64_t seed;
    uint64_t ids[2 * CHILDREN + 2]; /* the newest transaction id seen of each slot */
};

static uint32_t draw(struct scene *scene, uint32_t below)
{
    scene->seed = scene->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(scene->seed >> 33) % below;
}

static void start(struct scene *scene, struct child *child)
{
    if (scene->postmaster == NULL) {
        child->pid = fork_child(live, scene->segment, child);
        return;
    }
    const struct sv_child what = {.run = live, .argument = child, .restart = true};
    cr_assert_eq(sv_postmaster_start(scene->postmaster, &what, &child->number), 0);
}

static void kill_one(struct scene *scene, struct child *child)
{
    scene->kills++;
    if (scene->postmaster == NULL) {
        cr_assert_eq(kill(child->pid, SIGKILL), 0);
        const int status = reap(child->pid);
        cr_assert(WIFSIGNALED(status), "work %d ended with status %#x", (int)child->work,
                  (unsigned)status);
        start(scene, child);
        return;
    }
    struct sv_child_exit end;
    cr_assert_eq(kill(sv_postmaster_pid(scene->postmaster, child->number), SIGKILL), 0);
    cr_assert_eq(sv_postmaster_wait(scene->postmaster, -1, &end), 0);
    cr_assert(WIFSIGNALED(end.status) && end.restarted, "child %" PRIu32 " ended with status %#x",
              end.child, (unsigned)end.status);
}

/* What the survivor does meanwhile: it is one, and so must not be kept from anything. */
static void survive(struct scene *scene)
{
    const uint32_t row = draw(scene, 8);
    const struct sv_keys keys = {.count = 1, .key = {{&row, sizeof(row)}}};
    struct sv_cache_entry *entry = NULL;
    cr_assert_eq(sv_accept_messages(scene->survivor), 0);
    const int result = sv_cache_search(scene->survivor, scene->cache, &keys, &entry);
    cr_assert(result == 0 || result == SV_NOT_FOUND, "search gives %d", result);
    if (entry != NULL) {
        sv_cache_release(scene->survivor, entry);
    }
    insert_numbered(scene->survivor, row, 1);
}

/* A random moment of whatever they are at. */
static void let_pass(struct scene *scene)
{
    struct sv_atomic32 nobody = {0};
    (void)sv_os_wait(&nobody, 0, (uint64_t)draw(scene, 400) * 1000);
}

static void kill_all(struct scene *scene)
{
    scene->kills += CHILDREN;
    if (scene->postmaster != NULL) {
        sv_postmaster_stop(scene->postmaster, 0);
        return;
    }
    for (int i = 0; i < CHILDREN; i++) {
        kill_and_reap(scene->children[i].pid);
    }
}

static void let_a_hundred_die(struct scene *scene, bool with_postmaster)
{
    scene->postmaster = NULL;
    if (with_postmaster) {
        cr_assert_eq(sv_postmaster_create(scene->segment, &scene->postmaster), 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        scene->children[i] = (struct child){.work = (enum work)i, .meeting = scene->meeting};
        start(scene, &scene->children[i]);
    }
    for (int i = 0; i < DEATHS - CHILDREN; i++) {
        let_pass(scene);
        survive(scene);
        kill_one(scene, &scene->children[draw(scene, CHILDREN)]);
    }
    kill_all(scene);
    (void)sv_backend_settle_dead(scene->segment);
    survive(scene);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* What may not grow. */
struct picture {
    uint32_t descriptors;
    uint32_t mappings;
    char text[8192]; /* what sinval stat shows, without its figures */
};

static uint32_t count_lines_of(const char *path)
{
    uint32_t lines = 0;
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    for (int c; (c = getc(file)) != EOF;) {
        lines += c == '\n';
    }
    (void)fclose(file);
    return lines;
}

static uint32_t count_open(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    cr_assert_not_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* Figures and the columns that they fill are one '#'. */
static void without_figures(const char *from, char *text, size_t size)
{
    size_t used = 0;
    bool in_figure = false;
    for (; *from != '\0' && used + 1 < size; from++) {
        const bool figure = isdigit((unsigned char)*from) || *from == ' ' || *from == '-';
        if (!figure || !in_figure) {
            text[used] = *from;
            if (figure) {
                text[used] = '#';
            }
            used++;
        }
        in_figure = figure;
    }
    text[used] = '\0';
}

static void take_picture(struct cli *cli, struct picture *picture)
{
    cr_assert_eq(run(cli, "$sinval stat \"$name\""), 0, "%s", cli->complaint);
    without_figures(cli->output, picture->text, sizeof(picture->text));
    picture->mappings = count_lines_of("/proc/self/maps");
    picture->descriptors = count_open();
}

static void expect_clean_slot(struct scene *scene, uint32_t index)
{
    const struct sv_slot *slot = sv_segment_slot(scene->segment, index);
    struct sv_slot_state state;
    sv_slot_look(scene->segment, index, &state);
    cr_expect_geq(state.local_transaction_id, scene->ids[index], "slot %" PRIu32, index);
    scene->ids[index] = state.local_transaction_id;
    if (index == sv_backend_slot(scene->survivor)) {
        return;
    }
    const uint64_t left =
        sv_load_relaxed32(&slot->phase) | sv_load_relaxed32(&slot->pid) |
        sv_load_relaxed32(&slot->tid) | sv_load_relaxed32(&slot->signal_word) |
        sv_load_relaxed32(&slot->in_queue) | sv_load_relaxed32(&slot->send_only) |
        sv_load_relaxed32(&slot->reset) | sv_load_relaxed32(&slot->signaled) |
        sv_load_relaxed32(&slot->catchup_target) | sv_load_relaxed32(&slot->intent) |
        sv_load_relaxed32(&slot->sleep) | sv_load_relaxed32(&slot->waits_for_lock) |
        sv_load_relaxed32(&slot->barrier_waiter) | sv_load_relaxed64(&slot->barrier);
    cr_expect_eq(left, 0, "something is left in slot %" PRIu32, index);
    cr_expect_eq(sv_os_life_holder(&slot->life), 0, "slot %" PRIu32, index);
}

/* Every backend that came has gone, been settled, or is the survivor. */
static void expect_books(const struct scene *scene)
{
    const uint64_t attaches = counted(scene->segment, SV_STAT_attaches);
    const uint64_t settled = counted(scene->segment, SV_STAT_slots_settled);
    const uint64_t detaches = sv_load_acquire32(&scene->meeting->words[DETACHES]);
    cr_expect_leq(settled, scene->kills);
    cr_expect_leq(attaches - 1, settled + detaches);
    /*
     * Of those that were settled, some had not attached yet; of those that left, some died at it.
     */
    cr_expect_geq(attaches - 1 + scene->kills, settled + detaches);
    cr_expect_eq(counted(scene->segment, SV_STAT_resets_repair), 0);
}

static void expect_clean(struct scene *scene)
{
    for (uint32_t slot = 0; slot < deaths_world.backends_max; slot++) {
        expect_clean_slot(scene, slot);
    }
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        uint32_t shared = 0;
        cr_expect_eq(sv_load_relaxed32(&scene->segment->locks[lock].exclusive), 0, "%s",
                     sv_lwlock_name((enum sv_lock)lock));
        cr_expect_eq(sv_lwlock_owner(scene->segment, (enum sv_lock)lock, &shared), SV_SLOT_NONE);
        cr_expect_eq(shared, 0, "%s", sv_lwlock_name((enum sv_lock)lock));
    }
    const char *broken = sv_queue_check(scene->segment);
    cr_expect_null(broken, "%s", broken);
    expect_books(scene);
}

static void expect_same(const struct picture *first, const struct picture *now, int round)
{
    cr_expect_eq(now->descriptors, first->descriptors, "after round %d", round);
#ifndef __SANITIZE_ADDRESS__ /* whose own memory grows */
    cr_expect_eq(now->mappings, first->mappings, "after round %d", round);
#endif
    cr_expect_str_eq(now->text, first->text, "after round %d", round);
}

static struct scene set_up(uint64_t seed)
{
    struct scene scene = {.meeting = meet(), .seed = seed};
    char name[64];
    snprintf(name, sizeof(name), "deaths.%d", (int)getpid());
    cr_assert_eq(setenv("name", name, 1), 0);
    cr_assert_eq(sv_segment_create(name, &deaths_world, &scene.segment), 0);
    scene.survivor = join_with_signal(scene.segment, SIGUSR1);
    cr_assert_eq(sv_table_open(scene.survivor, &scene.source), 0);
    const struct sv_catcache_options options = {
        .cache = RELATION, .relation = RELATION, .key_count = 1, .source = scene.source};
    cr_assert_eq(sv_catcache_create(scene.survivor, &options, &scene.cache), 0);
    return scene;
}

static void tear_down(struct scene *scene)
{
    sv_backend_detach(scene->survivor);
    scene->source->close(scene->source);
    sv_segment_detach(scene->segment);
    cr_assert_eq(sv_segment_unlink(getenv("name")), 0);
}

static void let_a_thousand_die(bool with_postmaster)
{
    static struct picture first;
    static struct picture now;
    const uint64_t seed = sv_os_now_ns();
    cr_log_info("seed %" PRIu64, seed);
    struct cli *cli = cli_open();
    struct scene scene = set_up(seed);
    for (int round = 0; round < ROUNDS; round++) {
        let_a_hundred_die(&scene, with_postmaster);
        expect_clean(&scene);
        take_picture(cli, round == 0 ? &first : &now);
        if (round > 0) {
            expect_same(&first, &now, round);
        }
    }
    cr_expect_eq(scene.kills, (uint64_t)ROUNDS * DEATHS);
    cr_expect_gt(counted(scene.segment, SV_STAT_locks_taken_over), 0, "nobody died with a lock");
    cr_expect_gt(counted(scene.segment, SV_STAT_intents_resent), 0, "nobody died with an intent");
    cr_expect_gt(counted(scene.segment, SV_STAT_catchups_sent), 0, "there was no baton");
    cr_expect_gt(counted(scene.segment, SV_STAT_wraparounds), 0, "no numbers were lowered");
    tear_down(&scene);
    cli_close(cli);
}

/*
 * Claim:   a thousand deaths leave what the first hundred left: no slot, lock, intent, mark; of the
 *          survivor no descriptor, no mapping; sinval stat shows the same but for its figures, and
 *          the counters add up.
 */
Test(deaths_crash, a_thousand_deaths_leave_nothing)
{
    let_a_thousand_die(false);
}

/*
 * Claim:   the same under a postmaster, which notices, settles and restarts; ten of them in a row.
 */
Test(deaths_crash, a_thousand_deaths_under_a_postmaster_leave_nothing)
{
    let_a_thousand_die(true);
}
