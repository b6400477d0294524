/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Accepting: every message and every reset reaches every cache and every callback, whatever the
 * callbacks do. Ids in claims are those of PostgreSQL's bugs that this was, or (E) is.
 */
#include "cache_scene.h"
#include "queue/queue.h"

TestSuite(accept_unit, .timeout = 30);

#define SEEN_MAX 8192

/* A callback that writes down what it is told: payloads, and UINT64_MAX for a reset. */
struct listener {
    uint64_t seen[SEEN_MAX];
    uint32_t count;
    int failures; /* so many calls from here on fail */
    int depth;
    int depth_max;
    void (*then)(struct sv_backend *self, struct listener *listener);
    struct scene *scene;
};

static int listen(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct listener *listener = argument;
    cr_assert_lt(listener->count, SEEN_MAX);
    listener->seen[listener->count++] = message != NULL ? message->payload : UINT64_MAX;
    if (listener->failures > 0) {
        listener->failures--;
        return -EINTR;
    }
    listener->depth++;
    listener->depth_max =
        listener->depth > listener->depth_max ? listener->depth : listener->depth_max;
    if (listener->then != NULL) {
        listener->then(self, listener);
    }
    listener->depth--;
    return 0;
}

static void hear(struct scene *s, enum sv_message_kind kind, struct listener *listener)
{
    listener->scene = s;
    cr_assert_eq(sv_callback_register(s->reader, kind, listen, listener), 0);
}

static void say(struct scene *s, uint64_t number)
{
    const struct sv_message message = numbered(number);
    sv_send_messages(s->other, &message, 1);
}

/* What was seen from one call on must be these numbers, first to last. */
static void assert_seen(const struct listener *listener, uint32_t from, uint64_t first,
                        uint64_t last)
{
    cr_assert_eq(listener->count - from, last - first + 1, "%u calls", listener->count - from);
    for (uint64_t n = first; n <= last; n++) {
        cr_assert_eq(listener->seen[from + n - first], n);
    }
}

/*
 * Claim:   a callback is told of its kind only, of its database and of none, in order, once.
 * Method:  a callback for each kind; one message of each, for three databases.
 */
Test(accept_unit, callbacks_are_told_of_their_kind_once_and_in_order)
{
    struct scene s = set_up(1, 0);
    struct sv_backend *self = NULL;
    static struct listener listeners[SV_MESSAGE_KIND_END];
    const struct sv_backend_options options = {.database = 5};
    cr_assert_eq(sv_backend_attach(s.segment, &options, &self), 0);
    for (int kind = 1; kind < SV_MESSAGE_KIND_END; kind++) {
        cr_assert_eq(
            sv_callback_register(self, (enum sv_message_kind)kind, listen, &listeners[kind]), 0);
    }
    for (uint64_t n = 1; n <= 3; n++) {
        for (int kind = 1; kind < SV_MESSAGE_KIND_END; kind++) {
            for (uint32_t database = 4; database <= 5; database++) {
                const struct sv_message message = {.kind = (uint8_t)kind,
                                                   .database =
                                                       database == 5 && n == 2 ? 0 : database,
                                                   .payload = n};
                sv_send_messages(s.other, &message, 1);
            }
        }
    }
    accept_all(self);
    accept_all(self);
    for (int kind = 1; kind < SV_MESSAGE_KIND_END; kind++) {
        assert_seen(&listeners[kind], 0, 1, 3);
    }
    sv_backend_detach(self);
    tear_down(&s);
}

/*
 * Claim:   there is room for 64 callbacks, and each is called.
 * Method:  register until SV_FULL, send one message.
 */
Test(accept_unit, sixty_four_callbacks_fit)
{
    struct scene s = set_up(1, 0);
    static struct listener listener;
    for (int i = 0; i < 64; i++) {
        hear(&s, SV_MESSAGE_APPLICATION, &listener);
    }
    cr_assert_eq(sv_callback_register(s.reader, SV_MESSAGE_SMGR, listen, &listener), SV_FULL);
    say(&s, 9);
    accept_all(s.reader);
    cr_assert_eq(listener.count, 64);
    tear_down(&s);
}

/*
 * Claim:   after a reset every cache is empty and every callback is told NULL, also those of other
 *          kinds (P1).
 * Method:  the ring overflows past a reader with an entry, an absence and a list; two callbacks.
 */
Test(accept_unit, a_reset_empties_caches_and_tells_every_callback)
{
    struct scene s = set_up(1, 0);
    static struct listener listeners[2];
    struct sv_cache_list *list = NULL;
    struct sv_cache_entry *pinned = NULL;
    const struct sv_keys a = KEYS("a");
    store_set(s.store, RELATION, a, "old");
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &pinned), 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("b"), NULL);
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &a, &list), 0);
    sv_cache_list_release(s.reader, list);
    hear(&s, SV_MESSAGE_SMGR, &listeners[0]);
    hear(&s, SV_MESSAGE_APPLICATION, &listeners[1]);
    store_set(s.store, RELATION, a, "new");
    insert_numbered(s.other, 0, 64);
    insert_numbered(s.other, 64, 64);
    accept_all(s.reader);
    cr_assert_eq(counted(s.segment, SV_STAT_resets_taken), 1);
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert_eq(state.positive + state.negative + state.lists, 0);
    cr_assert(sv_cache_entry_dead(pinned));
    sv_cache_release(s.reader, pinned);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(listeners[i].count, 1);
        cr_assert_eq(listeners[i].seen[0], UINT64_MAX);
    }
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
    tear_down(&s);
}

/*
 * Claim:   an error in the middle of a reset loses no callback that was still to be told (E2).
 * Method:  three callbacks; the second fails twice. Each is told at last, those before it not
 *          again.
 */
Test(accept_unit, an_error_during_a_reset_loses_nothing)
{
    struct scene s = set_up(1, 0);
    static struct listener listeners[3];
    for (int i = 0; i < 3; i++) {
        hear(&s, SV_MESSAGE_RELCACHE, &listeners[i]);
    }
    listeners[1].failures = 2;
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    sv_queue_reset_all(s.other);
    cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
    cr_assert_eq(state_of(s.cache).negative, 0, "caches are right also after an error");
    cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
    accept_all(s.reader);
    accept_all(s.reader);
    cr_assert_eq(listeners[0].count, 1);
    cr_assert_eq(listeners[1].count, 3);
    cr_assert_eq(listeners[2].count, 1, "the third was never told");
    tear_down(&s);
}

/*
 * Claim:   an error of a callback for one message loses neither that message nor those after it,
 *          for any callback (E3, P10); caches are marked all the same.
 * Method:  five messages, two callbacks; the first fails at the third. The fourth kills an entry.
 */
Test(accept_unit, an_error_for_a_message_loses_nothing)
{
    struct scene s = set_up(1, 0);
    static struct listener listeners[2];
    hear(&s, SV_MESSAGE_APPLICATION, &listeners[0]);
    hear(&s, SV_MESSAGE_APPLICATION, &listeners[1]);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    say(&s, 1);
    say(&s, 2);
    commit_elsewhere(s.other, s.store, KEYS("a"), "new");
    say(&s, 3);
    listeners[1].failures = 1;
    cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
    assert_seen(&listeners[0], 0, 1, 1);
    say(&s, 4);
    accept_all(s.reader);
    assert_seen(&listeners[0], 0, 1, 4);
    cr_assert_eq(listeners[1].seen[0], 1);
    assert_seen(&listeners[1], 1, 1, 4);
    tear_down(&s);
}

static void accept_inside(struct sv_backend *self, struct listener *listener)
{
    (void)listener;
    accept_all(self);
}

/*
 * Claim:   callbacks that accept get every message once and in order, however many batches there
 *          are, and are never inside one another (Q3, Q16, Q19).
 * Method:  3,000 messages, a callback that accepts each time.
 */
Test(accept_unit, callbacks_that_accept_get_every_message_once)
{
    struct scene s = {.segment = world((struct sv_config){.backends_max = 4, .capacity = 4096})};
    static struct listener listener;
    s.reader = join(s.segment);
    s.other = join(s.segment);
    hear(&s, SV_MESSAGE_APPLICATION, &listener);
    listener.then = accept_inside;
    for (uint64_t n = 1; n <= 3000; n++) {
        say(&s, n);
    }
    accept_all(s.reader);
    assert_seen(&listener, 0, 1, 3000);
    cr_assert_eq(listener.depth_max, 1);
    sv_backend_detach(s.reader);
    sv_backend_detach(s.other);
    sv_segment_detach(s.segment);
}

static void reset_inside(struct sv_backend *self, struct listener *listener)
{
    sv_queue_reset_all(listener->scene->other);
    accept_all(self);
}

static void flood_inside(struct sv_backend *self, struct listener *listener)
{
    insert_numbered(listener->scene->other, 1000, 64);
    insert_numbered(listener->scene->other, 1000, 64);
    accept_all(self);
}

/*
 * Claim:   a callback that is reset again by what it does, each time, neither recurses nor keeps
 *          accept from returning (E8); what is left is told by the next accept.
 * Method:  callbacks that reset everyone, or overflow the ring, and accept; then they stop.
 */
Test(accept_unit, being_reset_for_ever_ends)
{
    void (*const ways[])(struct sv_backend *, struct listener *) = {reset_inside, flood_inside};
    for (int way = 0; way < 2; way++) {
        struct scene s = set_up(1, 0);
        static struct listener listeners[2];
        memset(listeners, 0, sizeof(listeners));
        hear(&s, SV_MESSAGE_APPLICATION, &listeners[0]);
        hear(&s, SV_MESSAGE_APPLICATION, &listeners[1]);
        listeners[0].then = ways[way];
        say(&s, 1);
        accept_all(s.reader);
        cr_assert_eq(listeners[0].depth_max, 1);
        cr_assert_leq(listeners[0].count, 8);
        listeners[0].then = NULL;
        accept_all(s.reader);
        cr_assert_eq(listeners[1].seen[listeners[1].count - 1], UINT64_MAX,
                     "the last reset was never told");
        const uint32_t calls = listeners[1].count;
        accept_all(s.reader);
        cr_assert_eq(listeners[1].count, calls);
        tear_down(&s);
    }
}

static void commit_and_look(struct sv_backend *self, struct listener *listener)
{
    struct scene *s = listener->scene;
    if (s->left-- > 0) {
        commit_elsewhere(s->other, s->store, KEYS("a"), "new");
        accept_all(self);
        ASSERT_VALUE(self, s->cache, KEYS("a"), "new");
    }
}

/*
 * Claim:   a nested accept makes the caches right before it returns: nothing is put off because an
 *          outer accept is under way (I7).
 * Method:  a callback in which another backend commits, then accepts and searches.
 */
Test(accept_unit, a_nested_accept_leaves_nothing_stale)
{
    struct scene s = set_up(1, 0);
    static struct listener listener;
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    hear(&s, SV_MESSAGE_APPLICATION, &listener);
    listener.then = commit_and_look;
    s.left = 1;
    say(&s, 1);
    accept_all(s.reader);
    cr_assert_eq(s.left, 0);
    tear_down(&s);
}

/*
 * Claim:   more events than the ring of the queue holds become one reset for the callbacks; the
 *          caches still lose only what was named.
 * Method:  a callback that fails while 64 and then one more messages are accepted, ring of 64.
 */
Test(accept_unit, too_many_events_become_a_reset)
{
    struct scene s = set_up(1, 0);
    static struct listener listener;
    hear(&s, SV_MESSAGE_APPLICATION, &listener);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    listener.failures = 65;
    for (uint64_t n = 1; n <= 64; n++) {
        say(&s, n);
        cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
        cr_assert_eq(listener.seen[listener.count - 1], 1);
    }
    say(&s, 65);
    cr_assert_eq(sv_accept_messages(s.reader), -EINTR);
    const uint32_t calls = listener.count;
    accept_all(s.reader);
    cr_assert_eq(listener.count, calls + 1);
    cr_assert_eq(listener.seen[calls], UINT64_MAX);
    cr_assert_eq(state_of(s.cache).negative, 1);
    tear_down(&s);
}

/*
 * Claim:   a message of a kind that this library does not know may mean anything: it is a reset.
 * Method:  one put into the queue raw.
 */
Test(accept_unit, an_unknown_message_is_a_reset)
{
    struct scene s = set_up(1, 0);
    static struct listener listener;
    hear(&s, SV_MESSAGE_APPLICATION, &listener);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    sv_queue_insert(s.other, &(struct sv_message){.kind = 99}, 1);
    accept_all(s.reader);
    cr_assert_eq(state_of(s.cache).negative, 0);
    cr_assert(listener.count == 1 && listener.seen[0] == UINT64_MAX);
    tear_down(&s);
}

/*
 * Claim:   with discard_caches every accept discards everything and tells callbacks NULL, and
 *          callbacks that accept do not go on for ever (I8).
 * Method:  five accepts with nothing in the queue.
 */
Test(accept_unit, discard_caches_discards_at_every_accept)
{
    struct scene s = set_up(1, 0);
    struct sv_backend *self = NULL;
    static struct listener listener;
    const struct sv_backend_options options = {.discard_caches = true};
    cr_assert_eq(sv_backend_attach(s.segment, &options, &self), 0);
    struct fake *fake = fake_open(s.store);
    struct sv_catcache *cache = cache_over(self, fake, 1, 0);
    listener.then = accept_inside;
    cr_assert_eq(sv_callback_register(self, SV_MESSAGE_APPLICATION, listen, &listener), 0);
    for (uint32_t i = 1; i <= 5; i++) {
        ASSERT_VALUE(self, cache, KEYS("a"), NULL);
        accept_all(self);
        cr_assert_eq(fake->reads, i);
        cr_assert_eq(listener.count, i);
        cr_assert_eq(listener.seen[i - 1], UINT64_MAX);
    }
    sv_backend_detach(self);
    free(fake);
    tear_down(&s);
}

static void enlist_another(struct sv_backend *self, struct listener *listener)
{
    if (listener->count == 1) {
        cr_assert_eq(sv_callback_register(self, SV_MESSAGE_APPLICATION, listen, listener), 0);
    }
}

/*
 * Claim:   a callback may register another, and may run a transaction; both work as anywhere.
 * Method:  a callback that registers itself again at its first call; one that commits.
 */
Test(accept_unit, callbacks_may_register_and_commit)
{
    struct scene s = set_up(1, 0);
    static struct listener listener;
    hear(&s, SV_MESSAGE_APPLICATION, &listener);
    listener.then = enlist_another;
    say(&s, 1);
    say(&s, 2);
    accept_all(s.reader);
    cr_assert_eq(listener.count, 4);
    cr_assert_eq(listener.seen[3], 2);
    tear_down(&s);
}
