/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A backend killed at any step of its commit: whatever its source has committed reaches everybody,
 * through its messages or those of whoever settles it (K2).
 */
#include <sys/mman.h>

#include "cache_scene.h"
#include "faults/injector.h"

TestSuite(commit_crash, .timeout = 60);

/* A run in which backend 0, the child, dies at its first hit of a point. */
struct death {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
    struct fake_store *store; /* shared with the child */
    bool in_place;
    bool refused; /* by the source, in the commit that it dies in */
};

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    return memory;
}

static void prepare(struct death *death, const char *point)
{
    char text[256];
    char message[PLAN_MESSAGE_MAX];
    snprintf(text, sizeof(text),
             "name: test\ndanger: x\nfaults:\n- {backend: 0, point: %s, hit: 1, action: kill}\n",
             point);
    cr_assert_eq(plan_load_text("test", text, strlen(text), &death->plan, message, sizeof(message)),
                 0, "%s", message);
    cr_assert_eq(injector_init(), 0);
    injector_start(&death->injector, &death->plan, 1, shared_memory(injector_shared_bytes(8)));
    death->store = shared_memory(sizeof(*death->store));
}

/* Both, and the source refuses; or only the change in place, and it rolls back. */
static void roll_back(struct death *death, struct sv_backend *self, struct fake *fake)
{
    if (!death->refused) {
        sv_transaction_rollback(self);
        return;
    }
    fake->fail_commit = SV_CONFLICT;
    if (write_row(self, fake, KEYS("b"), "new") != 0 || sv_transaction_commit(self) == 0) {
        _exit(5);
    }
}

/* The child: writes "a" and "b" and commits; or changes "a" in place and rolls back. */
static int write_and_die(struct sv_segment *segment, void *argument)
{
    struct death *death = argument;
    struct sv_backend *self = NULL;
    struct fake *fake = fake_open(death->store);
    if (sv_backend_attach(segment, NULL, &self) != 0 || sv_transaction_begin(self, NULL) != 0) {
        return 2;
    }
    injector_enter(&death->context, &death->injector, 0);
    if (death->in_place) {
        const struct sv_message message = about_row(KEYS("a"));
        if (sv_invalidate_in_place(self, &message) != 0) {
            return 3;
        }
        store_set(death->store, RELATION, KEYS("a"), "new");
        roll_back(death, self, fake);
        return 4; /* it should be dead */
    }
    if (write_row(self, fake, KEYS("a"), "new") != 0 ||
        write_row(self, fake, KEYS("b"), "new") != 0) {
        return 3;
    }
    return sv_transaction_commit(self) == 0 ? 4 : 5;
}

/* The child has died; what do those see who had "a" and "b" cached? */
static void die_and_look(struct death *death, const char *point, const char *expected)
{
    struct sv_segment *segment = world(cache_world);
    struct sv_backend *reader = join(segment);
    struct fake *fake = fake_open(death->store);
    struct sv_catcache *cache = cache_over(reader, fake, 1, 0);
    ASSERT_VALUE(reader, cache, KEYS("a"), NULL);
    ASSERT_VALUE(reader, cache, KEYS("b"), NULL);
    const int status = reap(fork_child(write_and_die, segment, death));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %x", point, status);
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    accept_all(reader);
    ASSERT_VALUE(reader, cache, KEYS("a"), expected);
    if (!death->in_place) {
        ASSERT_VALUE(reader, cache, KEYS("b"), expected);
    }
    sv_backend_detach(reader);
    sv_segment_detach(segment);
    free(fake);
}

/*
 * Claim:   killed at any point of commit, a backend's change is seen if its source has it, and not
 *          if it has not (K2).
 * Method:  a reader that has cached both rows; the committer dies at each point in turn.
 */
Test(commit_crash, what_the_dead_committed_is_told)
{
    static const struct {
        const char *point;
        const char *expected;
    } deaths[] = {
        {"intent/declare/before", NULL},   {"intent/declare/after", NULL},
        {"commit/source/before", NULL},    {"commit/source/after", "new"},
        {"queue/insert/before", "new"},    {"queue/copy/middle", "new"},
        {"queue/publish/before", "new"},   {"queue/publish/between", "new"},
        {"queue/publish/after", "new"},    {"commit/send/after", "new"},
        {"intent/withdraw/before", "new"},
    };

    for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++) {
        struct death death = {.in_place = false};
        prepare(&death, deaths[i].point);
        die_and_look(&death, deaths[i].point, deaths[i].expected);
    }
}

/*
 * Claim:   a change in place is told though its maker is killed before the end of its transaction.
 * Method:  killed while it promises, and while it rolls back, before and after its messages are in
 *          the queue.
 */
Test(commit_crash, a_change_in_place_survives_its_maker)
{
    static const struct {
        const char *point;
        const char *expected;
    } deaths[] = {
        {"intent/declare/before", NULL}, /* promised, or about to be; not made */
        {"intent/declare/after", NULL},  {"queue/insert/before", "new"},
        {"queue/publish/before", "new"}, {"intent/withdraw/before", "new"},
    };

    for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++) {
        struct death death = {.in_place = true};
        prepare(&death, deaths[i].point);
        die_and_look(&death, deaths[i].point, deaths[i].expected);
    }
}

/*
 * Claim:   so is one beside a commit that its source refuses.
 * Method:  killed wherever the refused commit rolls back and tells.
 */
Test(commit_crash, a_change_in_place_survives_a_refused_commit)
{
    static const char *const points[] = {
        "commit/source/before", "queue/insert/before", "queue/copy/middle",
        "queue/publish/before", "queue/publish/after", "intent/withdraw/before",
    };

    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        struct death death = {.in_place = true, .refused = true};
        prepare(&death, points[i]);
        die_and_look(&death, points[i], "new");
    }
}

/*
 * Claim:   those who go on settle the dead by themselves: begin and accept are enough.
 * Method:  a dead committer's intent; the reader only accepts, with nothing in the queue.
 */
Test(commit_crash, accepting_settles_the_dead)
{
    struct death death = {.in_place = false};
    struct sv_segment *segment = world(cache_world);
    struct sv_backend *reader = join(segment);
    prepare(&death, "commit/source/after");
    struct fake *fake = fake_open(death.store);
    struct sv_catcache *cache = cache_over(reader, fake, 1, 0);
    ASSERT_VALUE(reader, cache, KEYS("a"), NULL);
    (void)reap(fork_child(write_and_die, segment, &death));
    for (uint32_t i = 0; i < 64 * cache_world.backends_max; i++) {
        accept_all(reader);
    }
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1);
    ASSERT_VALUE(reader, cache, KEYS("a"), "new");
    sv_backend_detach(reader);
    sv_segment_detach(segment);
    free(fake);
}
