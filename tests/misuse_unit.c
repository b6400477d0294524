/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Mistakes of a program: each is told in words, and ends the process, before it harms others.
 *
 * A mistake is a function that makes it with a backend of its own, in a forked child. One that goes
 * unnoticed returns.
 */
#include <stdio.h>

#include "fake_source.h"
#include "sync/slot.h"

TestSuite(misuse_unit, .timeout = 60);

#define STATUS_WENT_ON 78

struct mistake {
    const char *name;
    void (*make)(struct sv_backend *self);
    const char *words; /* part of what is said */
};

/* ---- locks ----------------------------------------------------------------------------------- */

static void hold_a_lock(struct sv_backend *self)
{
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
}

static void wait_with_a_lock_held(struct sv_backend *self)
{
    struct sv_latch_wait wait = {.timeout_ms = 0};
    hold_a_lock(self);
    (void)!sv_latch_wait(self, &wait);
}

static void serve_with_a_lock_held(struct sv_backend *self)
{
    hold_a_lock(self);
    (void)!sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0);
    (void)!sv_process_interrupts(self);
}

static void ask_for_a_barrier_with_a_lock_held(struct sv_backend *self)
{
    hold_a_lock(self);
    (void)!sv_procsignal_barrier(self, 0);
}

static void repair_nothing(void *argument)
{
    (void)argument;
}

static void repair_a_lock_of_the_library(struct sv_backend *self)
{
    sv_lwlock_set_repair(self->segment, SV_LOCK_TABLE, repair_nothing, NULL);
}

static void ask_who_holds_no_lock(struct sv_backend *self)
{
    (void)sv_lwlock_owner(self->segment, SV_LOCK_COUNT, NULL);
}

/* ---- reasons and messages -------------------------------------------------------------------- */

static int serve_nothing(struct sv_backend *self, void *argument)
{
    (void)self;
    (void)argument;
    return 0;
}

static void send_a_reason_that_is_none(struct sv_backend *self)
{
    (void)!sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_COUNT);
}

static void serve_catchups_oneself(struct sv_backend *self)
{
    sv_procsignal_set_callback(self, SV_REASON_CATCHUP, serve_nothing, NULL);
}

static int answer_5(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)self;
    (void)message;
    (void)argument;
    return 5;
}

static int detach_inside(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)message;
    (void)argument;
    sv_backend_detach(self);
    _exit(STATUS_WENT_ON); /* there is nothing to return to */
}

/* One message of one's own, for this callback. */
static void be_called(struct sv_backend *self,
                      int (*callback)(struct sv_backend *, const struct sv_message *, void *))
{
    (void)!sv_callback_register(self, SV_MESSAGE_APPLICATION, callback, NULL);
    (void)!sv_invalidate_application(self, 1, true);
    (void)!sv_accept_messages(self);
}

static void answer_something_in_a_callback(struct sv_backend *self)
{
    be_called(self, answer_5);
}

static void detach_in_a_callback(struct sv_backend *self)
{
    be_called(self, detach_inside);
}

static int open_a_level(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)message;
    (void)argument;
    return sv_transaction_level(self) == 0 ? sv_transaction_begin(self, NULL) : 0;
}

static void leave_a_transaction_open_in_a_callback(struct sv_backend *self)
{
    be_called(self, open_a_level);
}

static void register_for_no_kind(struct sv_backend *self)
{
    (void)!sv_callback_register(self, SV_MESSAGE_KIND_END, answer_5, NULL);
}

static void send_a_message_of_no_kind(struct sv_backend *self)
{
    const struct sv_message message = {.kind = SV_MESSAGE_KIND_END};
    sv_send_messages(self, &message, 1);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void begin(struct sv_backend *self)
{
    (void)!sv_transaction_begin(self, NULL);
}

static void begin_twice(struct sv_backend *self)
{
    begin(self);
    begin(self);
}

static void commit_with_a_level_open(struct sv_backend *self)
{
    begin(self);
    (void)!sv_subtransaction_begin(self);
    (void)!sv_transaction_commit(self);
}

static void commit_under_an_intent_of_ones_own(struct sv_backend *self)
{
    const struct sv_message message = numbered(1);
    sv_intent_declare(self, &message, 1);
    (void)!sv_transaction_begin(self, NULL);
    (void)!sv_transaction_commit(self);
}

static void release_no_level(struct sv_backend *self)
{
    begin(self);
    (void)!sv_subtransaction_release(self);
}

static void roll_no_level_back(struct sv_backend *self)
{
    begin(self);
    sv_subtransaction_rollback(self);
}

static void enlist_in_no_transaction(struct sv_backend *self)
{
    (void)!sv_transaction_enlist(self, &fake_open(store_new())->source);
}

static void end_a_command_in_no_transaction(struct sv_backend *self)
{
    (void)!sv_command_end(self);
}

/* ---- caches ---------------------------------------------------------------------------------- */

static const struct sv_tuple tuple = {.data = "v", .size_bytes = 1, .version = 1};

static int answer_busy(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                       const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    (void)source, (void)self, (void)relation, (void)keys, (void)visit, (void)argument;
    return SV_BUSY;
}

static int visit_none(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                      const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    (void)source, (void)self, (void)relation, (void)keys, (void)visit, (void)argument;
    return 0;
}

static int visit_twice(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                       const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    (void)source, (void)self, (void)relation;
    const int result = visit(argument, keys, &tuple);
    return result != 0 ? result : visit(argument, keys, &tuple);
}

/* Search a cache whose source reads, or lists, like this. */
static void search(struct sv_backend *self,
                   int (*read)(struct sv_source *, struct sv_backend *, uint32_t,
                               const struct sv_keys *, sv_row_visit, void *))
{
    struct fake *fake = fake_open(store_new());
    struct sv_cache_entry *entry = NULL;
    const struct sv_keys keys = KEYS("a");
    fake->source.read = read;
    (void)!sv_cache_search(self, cache_over(self, fake, 1, 0), &keys, &entry);
}

static void read_what_is_busy(struct sv_backend *self)
{
    search(self, answer_busy);
}

static void read_a_row_and_visit_none(struct sv_backend *self)
{
    search(self, visit_none);
}

static void visit_a_row_twice(struct sv_backend *self)
{
    search(self, visit_twice);
}

static void list_what_is_not_found(struct sv_backend *self)
{
    struct fake *fake = fake_open(store_new());
    struct sv_cache_list *list = NULL;
    const struct sv_keys keys = KEYS("a");
    fake->fail_read = SV_NOT_FOUND;
    (void)!sv_cache_search_list(self, cache_over(self, fake, 2, 0), &keys, &list);
}

static void release_an_entry_twice(struct sv_backend *self)
{
    struct fake *fake = fake_open(store_new());
    struct sv_cache_entry *entry = NULL;
    const struct sv_keys keys = KEYS("a");
    store_set(fake->store, RELATION, keys, "v");
    (void)!sv_cache_search(self, cache_over(self, fake, 1, 0), &keys, &entry);
    sv_cache_release(self, entry);
    sv_cache_release(self, entry);
}

static void look_past_the_end_of_a_list(struct sv_backend *self)
{
    struct fake *fake = fake_open(store_new());
    struct sv_cache_list *list = NULL;
    const struct sv_keys keys = KEYS("a");
    store_set(fake->store, RELATION, KEYS("a", "b"), "v");
    (void)!sv_cache_search_list(self, cache_over(self, fake, 2, 0), &keys, &list);
    (void)sv_cache_list_tuple(list, sv_cache_list_count(list));
}

/* ---- the relcache ---------------------------------------------------------------------------- */

static struct sv_backend *closing; /* who detaches, and its cache */
static struct sv_relcache *relcache;

static int build_null(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    (void)self, (void)relation, (void)argument;
    *object = NULL;
    return 0;
}

static int build_something(struct sv_backend *self, uint32_t relation, void *argument,
                           void **object)
{
    (void)self, (void)relation;
    *object = argument;
    return 0;
}

static void destroy_nothing(void *object, void *argument)
{
    (void)object, (void)argument;
}

static void open_another(void *object, void *argument)
{
    struct sv_relation *relation = NULL;
    (void)object, (void)argument;
    (void)!sv_relation_open(closing, relcache, 6, &relation);
    _exit(STATUS_WENT_ON); /* else it would go on for ever */
}

static void open_relation(struct sv_backend *self, const struct sv_relcache_options *options)
{
    struct sv_relation *relation = NULL;
    (void)!sv_relcache_create(self, options, &relcache);
    (void)!sv_relation_open(self, relcache, 5, &relation);
}

static void build_without_an_object(struct sv_backend *self)
{
    open_relation(self, &(struct sv_relcache_options){build_null, destroy_nothing, NULL});
}

static void open_while_detaching(struct sv_backend *self)
{
    static int object;
    closing = self;
    open_relation(self, &(struct sv_relcache_options){build_something, open_another, &object});
    sv_backend_detach(self);
}

/* ---- the postmaster -------------------------------------------------------------------------- */

static void ask_for_a_child_that_is_not(struct sv_backend *self)
{
    struct sv_postmaster *postmaster = NULL;
    (void)!sv_postmaster_create(self->segment, &postmaster);
    (void)sv_postmaster_pid(postmaster, 0);
}

static void start_a_child_with_nothing_to_run(struct sv_backend *self)
{
    const struct sv_child nothing = {.run = NULL};
    struct sv_postmaster *postmaster = NULL;
    uint32_t child = 0;
    (void)!sv_postmaster_create(self->segment, &postmaster);
    (void)!sv_postmaster_start(postmaster, &nothing, &child);
}

/* ---- all of them ----------------------------------------------------------------------------- */

#define MISTAKE(name, words) \
    {                        \
#        name, name, words   \
    }

static const struct mistake mistakes[] = {
    MISTAKE(wait_with_a_lock_held, "sv_lwlock_any_held(self): slot 0"),
    MISTAKE(serve_with_a_lock_held, "sv_lwlock_any_held(self): slot 0"),
    MISTAKE(ask_for_a_barrier_with_a_lock_held, "sv_lwlock_any_held(self): slot 0"),
    MISTAKE(repair_a_lock_of_the_library, "is the library's own"),
    MISTAKE(ask_who_holds_no_lock, "there is no lock 5"),
    MISTAKE(send_a_reason_that_is_none, "slot 0 reason 4"),
    MISTAKE(serve_catchups_oneself, "slot 0 reason 0"),
    MISTAKE(answer_something_in_a_callback, "returns the answer 5"),
    MISTAKE(detach_in_a_callback, "slot 0 detaches inside a callback"),
    MISTAKE(leave_a_transaction_open_in_a_callback, "leaves 1 levels of a transaction open, not 0"),
    MISTAKE(register_for_no_kind, "there is no message of kind"),
    MISTAKE(send_a_message_of_no_kind, "message 0 of 1 is of kind"),
    MISTAKE(begin_twice, "slot 0 begins inside a transaction"),
    MISTAKE(commit_with_a_level_open, "slot 0 commits with 2 levels open"),
    MISTAKE(commit_under_an_intent_of_ones_own, "slot 0 commits, and has declared an intent"),
    MISTAKE(release_no_level, "slot 0 has no subtransaction open"),
    MISTAKE(roll_no_level_back, "slot 0 has no subtransaction open"),
    MISTAKE(enlist_in_no_transaction, "slot 0 enlists fake without a transaction"),
    MISTAKE(end_a_command_in_no_transaction, "no transaction is open"),
    MISTAKE(read_what_is_busy, "source fake answers"),
    MISTAKE(list_what_is_not_found, "source fake answers"),
    MISTAKE(read_a_row_and_visit_none, "source fake reads a row and visits none"),
    MISTAKE(visit_a_row_twice, "source fake visits a row twice"),
    MISTAKE(release_an_entry_twice, "is released more often than pinned"),
    MISTAKE(look_past_the_end_of_a_list, "row 1 of a list of 1"),
    MISTAKE(build_without_an_object, "the build of relation 5 answers 0"),
    MISTAKE(open_while_detaching, "relation 6 is opened while slot 0 detaches"),
    MISTAKE(ask_for_a_child_that_is_not, "child 0 of 0"),
    MISTAKE(start_a_child_with_nothing_to_run, "child without anything to run"),
};

struct attempt {
    const struct mistake *mistake;
    int fds[2]; /* a pipe, for standard error */
};

static int attempt_it(struct sv_segment *segment, void *argument)
{
    const struct attempt *attempt = argument;
    struct sv_backend *self = NULL;
    if (dup2(attempt->fds[1], STDERR_FILENO) < 0 || sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    attempt->mistake->make(self);
    return STATUS_WENT_ON;
}

static void assert_refused(const struct mistake *mistake)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct attempt attempt = {.mistake = mistake};
    char said[512] = "";
    cr_assert_eq(pipe(attempt.fds), 0);
    const int status = reap(fork_child(attempt_it, segment, &attempt));
    cr_assert_eq(close(attempt.fds[1]), 0);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: status %x", mistake->name,
              (unsigned)status);
    cr_assert_geq(read(attempt.fds[0], said, sizeof(said) - 1), 0);
    cr_expect(strncmp(said, "sinval: ", 8) == 0 && strstr(said, mistake->words) != NULL,
              "%s: not '%s', but: %s", mistake->name, mistake->words, said);
    cr_assert_eq(close(attempt.fds[0]), 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   a mistake of a program aborts it, with words on standard error that begin with "sinval: "
 *          and say what was wrong.
 * Method:  a child for each mistake; its status, and what it says.
 */
Test(misuse_unit, each_mistake_is_told_and_aborts)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        assert_refused(&mistakes[i]);
    }
}
