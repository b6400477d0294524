/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Answers: which words in the segment cannot be, who finds them, and what it says.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "queue/queue.h"
#include "support.h"
#include "sync/check.h"
#include "sync/procsignal.h"

#define STATUS_ANSWERED 40
#define STATUS_WENT_ON  41

TestSuite(answer_crash, .timeout = 60);

/* A segment, a backend of a child, and what that child says. */
struct scene {
    struct sv_segment *segment;
    struct sv_backend *self;
    char words[240];
};

static void answer(void *argument, const char *what)
{
    struct scene *scene = argument;
    (void)snprintf(scene->words, sizeof(scene->words), "%s", what);
    _exit(STATUS_ANSWERED);
}

static struct scene *open_scene(void)
{
    struct scene *scene =
        mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(scene, MAP_FAILED);
    scene->segment = world((struct sv_config){.backends_max = 4, .capacity = 16, .intent_max = 2});
    return scene;
}

static void close_scene(struct scene *scene)
{
    sv_segment_detach(scene->segment);
    (void)munmap(scene, sizeof(*scene));
}

/* ---- what is written, and what is done then -------------------------------------------------- */

static struct sv_atomic32 *word_of(struct scene *scene, enum sv_lock lock)
{
    return &scene->segment->locks[lock].exclusive;
}

static void take_write(struct scene *scene)
{
    sv_lwlock_acquire(scene->self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
}

static void take_app(struct scene *scene)
{
    sv_lwlock_acquire(scene->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
}

static void share_app(struct scene *scene)
{
    sv_lwlock_acquire(scene->self, SV_LOCK_APP_0, SV_LOCK_SHARED);
}

static void try_app(struct scene *scene)
{
    (void)!sv_lwlock_try_acquire(scene->self, SV_LOCK_APP_0, SV_LOCK_SHARED);
}

static void try_app_alone(struct scene *scene)
{
    (void)!sv_lwlock_try_acquire(scene->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
}

static void let_app_go(struct scene *scene)
{
    sv_lwlock_release(scene->self, SV_LOCK_APP_0);
}

static void let_write_go(struct scene *scene)
{
    sv_lwlock_release(scene->self, SV_LOCK_WRITE);
}

static void insert_one(struct scene *scene)
{
    insert_numbered(scene->self, 1, 1);
}

static void clean(struct scene *scene)
{
    sv_queue_cleanup(scene->self, 0);
}

static void settle(struct scene *scene)
{
    (void)sv_backend_settle_dead(scene->segment);
}

static void wait_a_while(struct scene *scene)
{
    scene->self->patrolled_ns = 0; /* it is time to look */
    (void)!sv_latch_wait(scene->self, &(struct sv_latch_wait){.timeout_ms = 1});
}

static void write_names_slot_69(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), SV_LOCK_GRANTED | 70);
}

static void write_names_no_slot(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), SV_LOCK_GRANTED);
}

static void write_names_self(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), SV_LOCK_GRANTED | 1);
}

static void write_is_not_granted(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), 2);
}

static void app_names_a_free_slot(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_APP_0), SV_LOCK_GRANTED | 2);
}

static void app_has_an_unknown_mark(struct scene *scene)
{
    sv_store_seq32(word_of(scene, SV_LOCK_APP_0), 0x40000002);
}

static void a_shared_word_is_2(struct scene *scene)
{
    sv_store_seq32(&scene->self->slot->held[SV_LOCK_APP_0], 2);
}

static void a_free_slot_shares_app(struct scene *scene)
{
    sv_store_seq32(&scene->segment->header->slots_used, 3);
    sv_store_seq32(&scene->segment->slots[2].held[SV_LOCK_APP_0], 1);
}

static void write_is_freed_under_its_holder(struct scene *scene)
{
    take_write(scene);
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), 0);
}

static void app_is_freed_under_who_shares_it(struct scene *scene)
{
    share_app(scene);
    sv_store_seq32(&scene->self->slot->held[SV_LOCK_APP_0], 0);
}

static void nobody_was_ever_here(struct scene *scene)
{
    sv_store_seq32(&scene->segment->header->slots_used, 0);
}

static void a_phase_is_9(struct scene *scene)
{
    sv_store_seq32(&scene->segment->header->slots_used, 4);
    sv_store_seq32(&scene->segment->slots[3].phase, 9);
}

static void a_free_slot_is_active(struct scene *scene)
{
    sv_store_seq32(&scene->segment->header->slots_used, 4);
    sv_store_seq32(&scene->segment->slots[3].phase, SV_SLOT_ACTIVE);
}

static void max_number_is_far_ahead(struct scene *scene)
{
    sv_store_seq64(&scene->segment->queue->max_number, 4711);
}

static void min_number_is_of_another_epoch(struct scene *scene)
{
    sv_store_seq64(&scene->segment->queue->min_number, SV_POSITION(7, 0));
}

static void the_epoch_is_another(struct scene *scene)
{
    sv_store_seq32(&scene->segment->queue->epoch, 7);
}

static void its_slot_is_free(struct scene *scene)
{
    sv_store_seq32(&scene->self->slot->phase, SV_SLOT_FREE);
}

/* As it does while it waits in the name of slot 1, which it settles. */
static void look_as_settler(struct scene *scene)
{
    struct sv_backend ghost = *scene->self;
    ghost.slot_index = 1;
    ghost.slot = &scene->segment->slots[1];
    ghost.ghost = true;
    ghost.settler = scene->self;
    sv_store_seq32(&scene->segment->header->slots_used, 2);
    sv_store_seq32(&ghost.slot->phase, SV_SLOT_DEAD);
    sv_check_own(&ghost, SV_LOCK_COUNT);
}

struct answer_case {
    void (*rubbish)(struct scene *scene);
    void (*act)(struct scene *scene);
    const char *words;
};

static const struct answer_case cases[] = {
    {write_names_slot_69, insert_one, "write: word 0x20000046 names no slot; those are 0 to 3"},
    {write_names_no_slot, take_write, "lock write: word 0x20000000 names no slot"},
    {write_names_self, take_write, "lock write: names slot 0, which does not hold it"},
    {write_names_self, wait_a_while, "lock write: names slot 0, which does not hold it"},
    {write_is_not_granted, take_write, "lock write: word 0x2 has marks that there are not"},
    {app_names_a_free_slot, share_app, "lock app_0: names slot 1, in which nobody lives"},
    {app_names_a_free_slot, take_app, "lock app_0: names slot 1, in which nobody lives"},
    {app_has_an_unknown_mark, try_app, "lock app_0: word 0x40000002 has marks"},
    {app_has_an_unknown_mark, try_app_alone, "lock app_0: word 0x40000002 has marks"},
    {a_shared_word_is_2, take_app, "lock app_0: the shared word of slot 0 is 0x2; 0 or 1"},
    {a_free_slot_shares_app, take_app, "lock app_0: names slot 2, in which nobody lives"},
    {write_is_freed_under_its_holder, let_write_go, "lock write: names not slot 0, which holds it"},
    {app_is_freed_under_who_shares_it, let_app_go,
     "lock app_0: the shared word of slot 0 is 0x0; 1 would be right"},
    {nobody_was_ever_here, wait_a_while, "slots_used: 0; 1 to 4 would be right"},
    {a_phase_is_9, settle, "slot 3 phase: 9 is none; 0 to 3 would be right"},
    {a_free_slot_is_active, settle, "slot 3 phase: 2, and nobody has lived there"},
    {max_number_is_far_ahead, insert_one, "queue: max_number 4711 of epoch 0, min_number 0"},
    {min_number_is_of_another_epoch, clean, "min_number 0 of epoch 7; at most 16 apart"},
    {the_epoch_is_another, clean, "at most 16 apart, of epoch 7 would be right"},
    {its_slot_is_free, look_as_settler, "slot 0 phase: 0, and its backend lives"},
};

static int play(struct sv_segment *segment, void *argument)
{
    struct scene *scene = ((void **)argument)[0];
    const struct answer_case *c = ((void **)argument)[1];
    sv_segment_set_stop(segment, answer, scene);
    if (sv_backend_attach(segment, NULL, &scene->self) == 0) {
        c->rubbish(scene);
        c->act(scene);
    }
    return STATUS_WENT_ON;
}

/*
 * Claim:   each of these words ends who comes across it, and is named in the answer.
 * Method:  a segment for each, written to and used by a child.
 */
Test(answer_crash, what_cannot_be_is_named)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene *scene = open_scene();
        const void *arguments[] = {scene, &cases[i]};
        const int status = reap(fork_child(play, scene->segment, arguments));
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_ANSWERED,
                  "case %zu ends with %x, not with: %s", i, (unsigned)status, cases[i].words);
        cr_assert_not_null(strstr(scene->words, cases[i].words), "case %zu: %s", i, scene->words);
        close_scene(scene);
    }
}

/* ---- the default ---------------------------------------------------------------------------- */

static void return_from_stop(void *argument, const char *what)
{
    (void)argument;
    (void)what;
}

static int insert_into_rubbish(struct sv_segment *segment, void *argument)
{
    const int *fds = argument;
    struct sv_backend *self = NULL;
    if (dup2(fds[1], STDERR_FILENO) < 0 || sv_backend_attach(segment, NULL, &self) != 0) {
        return STATUS_WENT_ON;
    }
    sv_store_seq64(&segment->queue->max_number, 4711);
    insert_numbered(self, 1, 1);
    return STATUS_WENT_ON;
}

/*
 * Claim:   who has asked for nothing else prints one line and aborts; so does who returns from what
 *          it asked for.
 */
Test(answer_crash, the_answer_is_one_line)
{
    static const char line[] =
        "sinval: segment corrupt: queue: max_number 4711 of epoch 0, min_number 0 of epoch 0; at "
        "most 16 apart, of epoch 0 would be right\n";
    for (int set = 0; set < 2; set++) {
        struct scene *scene = open_scene();
        char text[512] = "";
        int fds[2];
        cr_assert_eq(pipe(fds), 0);
        sv_segment_set_stop(scene->segment, answer, scene); /* taken back */
        sv_segment_set_stop(scene->segment, set == 1 ? return_from_stop : NULL, NULL);
        const int status = reap(fork_child(insert_into_rubbish, scene->segment, fds));
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", (unsigned)status);
        cr_assert_gt(read(fds[0], text, sizeof(text) - 1), 0);
        cr_assert_str_eq(text, line);
        cr_assert_eq(close(fds[0]) + close(fds[1]), 0);
        close_scene(scene);
    }
}

/* ---- results -------------------------------------------------------------------------------- */

/*
 * Claim:   attaching answers with a result, leaves no slot behind, and succeeds once all is right.
 */
Test(answer_crash, attach_returns_it)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2});
    struct sv_backend *self = NULL;
    sv_store_seq32(&segment->slots[0].phase, 9);
    cr_assert_eq(sv_backend_attach(segment, NULL, &self), -SV_ECORRUPT);
    sv_store_seq32(&segment->slots[0].phase, SV_SLOT_FREE);
    sv_store_seq64(&segment->queue->max_number, SV_POSITION(3, 5));
    cr_assert_eq(sv_backend_attach(segment, NULL, &self), -SV_ECORRUPT);
    sv_store_seq64(&segment->queue->max_number, 0);
    struct sv_backend *first = join(segment);
    struct sv_backend *second = join(segment);
    cr_assert_eq(sv_backend_slot(first) + sv_backend_slot(second), 1);
    sv_backend_detach(first);
    sv_backend_detach(second);
    sv_segment_detach(segment);
}

static int lower_the_generation(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return STATUS_WENT_ON;
    }
    sv_latch_set(segment, 0);
    for (;;) { /* until it is asked to pass: then the emitter waits */
        sv_latch_reset(self);
        if (sv_procsignal_pending(self, SV_REASON_BARRIER)) {
            sv_store_seq64(&segment->header->barrier, 0);
            (void)!sv_process_interrupts(self);
        }
        (void)sv_os_wait(&self->slot->latch, 0, UINT64_C(10000000));
    }
}

/*
 * Claim:   a barrier whose generation was lowered is not waited for without end.
 */
Test(answer_crash, a_barrier_returns_it)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2});
    struct sv_backend *self = join(segment);
    const pid_t child = fork_child(lower_the_generation, segment, NULL);
    while (sv_load_seq32(&self->slot->latch) == 0) { /* until it is there */
        (void)sv_os_wait(&self->slot->latch, 0, UINT64_C(10000000));
    }
    cr_assert_eq(sv_procsignal_barrier(self, -1), -SV_ECORRUPT);
    kill_and_reap(child);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- others go on ---------------------------------------------------------------------------- */

static int wait_for_ever(struct sv_segment *segment, void *argument)
{
    struct scene *scene = argument;
    sv_segment_set_stop(segment, answer, scene);
    if (sv_backend_attach(segment, NULL, &scene->self) == 0) {
        sv_latch_set(segment, 0);
        (void)!sv_latch_wait(scene->self, &(struct sv_latch_wait){.timeout_ms = -1});
    }
    return STATUS_WENT_ON;
}

/*
 * Claim:   a backend that a lock names by mistake finds out, also asleep, and its end sets free who
 *          waits for that lock.
 */
Test(answer_crash, who_is_named_by_mistake_finds_out)
{
    struct scene *scene = open_scene();
    struct sv_backend *self = join(scene->segment);
    const pid_t child = fork_child(wait_for_ever, scene->segment, scene);
    while (sv_load_seq32(&self->slot->latch) == 0) {
        (void)sv_os_wait(&self->slot->latch, 0, UINT64_C(10000000));
    }
    sv_store_seq32(word_of(scene, SV_LOCK_WRITE), SV_LOCK_GRANTED | 2);
    insert_numbered(self, 1, 1);
    const int status = reap(child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_ANSWERED, "%x", (unsigned)status);
    cr_assert_str_eq(scene->words, "lock write: names slot 1, which does not hold it");
    sv_backend_detach(self);
    close_scene(scene);
}

/*
 * Claim:   a backend is not made to write behind its intent by what the segment says of it, and a
 *          settler takes nonsense for "reset everyone".
 */
Test(answer_crash, an_intent_is_not_read_back)
{
    struct scene *scene = open_scene();
    struct sv_backend *self = join(scene->segment);
    struct sv_intent *intent = sv_segment_intent(scene->segment, sv_backend_slot(self));
    struct sv_slot_state state;
    const struct sv_message message = numbered(1);
    sv_intent_declare(self, &message, 1);
    sv_store_seq32(&intent->count, UINT32_MAX - 1);
    sv_slot_look(scene->segment, 0, &state);
    cr_assert_eq(state.intent, UINT32_MAX);
    sv_intent_extend(self, &message, 1);
    sv_slot_look(scene->segment, 0, &state);
    cr_assert_eq(state.intent, 2);
    sv_store_seq32(&self->slot->intent, SV_INTENT_NONE);
    sv_intent_withdraw(self);
    sv_store_seq32(&self->slot->intent, SV_INTENT_MESSAGES);
    sv_intent_declare(self, &message, 1);
    sv_intent_withdraw(self);
    sv_backend_detach(self);
    close_scene(scene);
}

/* ---- signals -------------------------------------------------------------------------------- */

static int live(struct sv_segment *segment, void *argument)
{
    const struct sv_backend_options options = {.signal_number = SIGUSR1};
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, &options, &self) == 0) {
        sv_latch_set(segment, 0);
        for (;;) {
            sv_latch_reset(self);
            (void)!sv_latch_wait(self, &(struct sv_latch_wait){.timeout_ms = -1});
            sv_latch_set(segment, 0);
        }
    }
    return STATUS_WENT_ON;
}

static int stand_by(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    while (pause() != 0) { /* it always fails */
    }
    return STATUS_WENT_ON;
}

static void until_set(struct sv_backend *self, pid_t setter)
{
    for (struct sv_latch_wait wait = {.timeout_ms = 100}; !wait.is_set;) {
        cr_assert(waitpid(setter, NULL, WNOHANG) == 0 && sv_latch_wait(self, &wait) == 0);
    }
    sv_latch_reset(self);
}

/*
 * Claim:   a signal number that was overwritten is not sent, and a pid that was overwritten leads
 *          to nobody: both would kill.
 * Method:  the number becomes SIGTERM; the pid that of a process that has nothing to do with it.
 */
Test(answer_crash, a_wrong_signal_or_pid_reaches_nobody)
{
    struct scene *scene = open_scene();
    struct sv_backend *self = join(scene->segment);
    const pid_t backend = fork_child(live, scene->segment, NULL);
    const pid_t stranger = fork_child(stand_by, scene->segment, NULL);
    struct sv_slot *slot = &scene->segment->slots[1];
    until_set(self, backend);
    const uint32_t word = sv_load_seq32(&slot->signal_word);
    sv_store_seq32(&slot->signal_word, SIGTERM);
    cr_assert_eq(sv_procsignal_nudge(slot), 0);
    sv_store_seq32(&slot->signal_word, word);
    sv_store_seq32(&slot->pid, (uint32_t)stranger);
    cr_assert_eq(sv_procsignal_nudge(slot), -ESRCH);
    sv_store_seq32(&slot->pid, (uint32_t)backend);
    cr_assert_eq(sv_procsignal_nudge(slot), 0);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), 0);
    until_set(self, backend); /* it lives, and answers */
    cr_assert_eq(waitpid(stranger, NULL, WNOHANG), 0, "the stranger was signaled");
    kill_and_reap(backend);
    kill_and_reap(stranger);
    sv_backend_detach(self);
    close_scene(scene);
}
