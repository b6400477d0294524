/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Fault points of the caches, one at a time: a load, a build, a commit that fails where the plan
 * says, and a death in the middle of accepting.
 */
#include <sys/mman.h>

#include "cache_scene.h"
#include "faults/injector.h"
#include "relcache_scene.h"

TestSuite(cache_fault, .timeout = 60);

/* A plan of one fault at backend 0, which is the test's own thread or a child of it. */
struct trap {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
};

static void set_trap(struct trap *trap, const char *point, const char *action, int hit)
{
    char text[256];
    char message[PLAN_MESSAGE_MAX];
    snprintf(text, sizeof(text),
             "name: test\ndanger: x\nfaults:\n- {backend: 0, point: %s, hit: %d, action: %s}\n",
             point, hit, action);
    cr_assert_eq(plan_load_text("test", text, strlen(text), &trap->plan, message, sizeof(message)),
                 0, "%s", message);
    void *shared = mmap(NULL, injector_shared_bytes(8), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(injector_init(), 0);
    injector_start(&trap->injector, &trap->plan, 1, shared);
}

static void spring(struct trap *trap)
{
    injector_enter(&trap->context, &trap->injector, 0);
}

static uint64_t fired(const struct trap *trap, enum sv_point point, enum action action)
{
    injector_leave();
    return injector_fired(&trap->injector, point, action);
}

/*
 * Claim:   a load that fails is -EIO, leaves nothing, and the next search works; also when it is
 *          the second reading of one that was overtaken.
 * Method:  cache/load/before fails at the first, then at the second hit.
 */
Test(cache_fault, a_load_that_fails_leaves_nothing)
{
    for (int hit = 1; hit <= 2; hit++) {
        struct scene s = set_up(1, 0);
        struct trap trap;
        struct sv_cache_entry *entry = NULL;
        const struct sv_keys a = KEYS("a");
        store_set(s.store, RELATION, a, "old");
        look_from(&s, update_and_accept, 1);
        set_trap(&trap, "cache/load/before", "fail", hit);
        spring(&trap);
        cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &entry), -EIO);
        cr_assert_null(entry);
        cr_assert_eq(fired(&trap, SV_POINT_cache_load_before, ACTION_FAIL), 1);
        const struct sv_catcache_state state = state_of(s.cache);
        cr_assert_eq(state.positive + state.negative + state.dead + state.pins, 0);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new0");
        tear_down(&s);
    }
}

/*
 * Claim:   a build that fails is -EIO; a held relation keeps its object and is rebuilt by the next
 *          accept.
 * Method:  relcache/build/before fails in open, then in accept.
 */
Test(cache_fault, a_build_that_fails_is_tried_again)
{
    struct relscene *s = relscene_new();
    struct trap trap;
    struct sv_relation *r = NULL;
    set_trap(&trap, "relcache/build/before", "fail", 1);
    spring(&trap);
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 5, &r), -EIO);
    cr_assert_eq(fired(&trap, SV_POINT_relcache_build_before, ACTION_FAIL), 1);
    r = opened(s, 5);
    alter(s, 5, 2);
    set_trap(&trap, "relcache/build/before", "fail", 1);
    spring(&trap);
    cr_assert_eq(sv_accept_messages(s->reader), -EIO);
    cr_assert_eq(fired(&trap, SV_POINT_relcache_build_before, ACTION_FAIL), 1);
    cr_assert_eq(number_of(r), 1);
    accept_in(s);
    cr_assert_eq(number_of(r), 2);
    sv_relation_close(s->reader, r);
    relscene_end(s);
}

/*
 * Claim:   a commit that fails before its sources is -EIO and a rollback; nothing was said.
 * Method:  commit/source/before fails.
 */
Test(cache_fault, a_commit_that_fails_before_its_sources_rolls_back)
{
    struct scene s = set_up(1, 0);
    struct trap trap;
    struct sv_message out[8];
    uint32_t count = 0;
    cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "1"), 0);
    set_trap(&trap, "commit/source/before", "fail", 1);
    spring(&trap);
    cr_assert_eq(sv_transaction_commit(s.reader), -EIO);
    cr_assert_eq(fired(&trap, SV_POINT_commit_source_before, ACTION_FAIL), 1);
    cr_assert_str_eq(s.fake->log, "x ");
    cr_assert_eq(sv_queue_read(s.other, out, 8, &count), 0);
    cr_assert_eq(count, 0);
    struct sv_slot_state state;
    sv_slot_look(s.segment, sv_backend_slot(s.reader), &state);
    cr_assert_eq(state.intent, 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    tear_down(&s);
}

/* The child: accepts, searches, builds; it dies somewhere there. */
static int read_and_die(struct sv_segment *segment, void *argument)
{
    struct trap *trap = argument;
    struct sv_backend *self = NULL;
    struct sv_backend *other = NULL;
    struct fake *fake = fake_open(store_new());
    struct sv_relcache *relcache = NULL;
    struct sv_relation *relation = NULL;
    struct relscene *built = calloc(1, sizeof(*built));
    if (built == NULL || sv_backend_attach(segment, NULL, &self) != 0 ||
        sv_backend_attach(segment, NULL, &other) != 0) {
        return 2;
    }
    built->catalogue[5] = 1;
    const struct sv_relcache_options options = {
        .build = build_relation, .destroy = destroy_relation, .argument = built};
    const struct sv_message message = numbered(1);
    sv_send_messages(other, &message, 1);
    spring(trap);
    if (sv_accept_messages(self) != 0 || sv_relcache_create(self, &options, &relcache) != 0 ||
        sv_relation_open(self, relcache, 5, &relation) != 0) {
        return 3;
    }
    (void)value_of(self, cache_over(self, fake, 1, 0), KEYS("a"), (char[FAKE_TEXT_MAX]){0});
    return 4; /* it should be dead */
}

/*
 * Claim:   who dies while accepting, loading or building takes only its own cache along: its slot
 *          is settled, nobody is reset, and messages go on (K3, K5).
 * Method:  a child is killed at each of the points; its two slots are settled.
 */
Test(cache_fault, a_death_while_reading_harms_nobody)
{
    static const char *const points[] = {"accept/message/before", "cache/load/before",
                                         "cache/load/after", "relcache/build/before",
                                         "relcache/build/after"};
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        struct scene s = set_up(1, 0);
        struct trap trap;
        set_trap(&trap, points[i], "kill", 1);
        const int status = reap(fork_child(read_and_die, s.segment, &trap));
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %x", points[i],
                  status);
        cr_assert_eq(sv_backend_settle_dead(s.segment), 2);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
        commit_elsewhere(s.other, s.store, KEYS("a"), "1");
        accept_all(s.reader);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
        cr_assert_eq(counted(s.segment, SV_STAT_resets_taken), 0);
        tear_down(&s);
    }
}
