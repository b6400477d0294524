/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A player: attaches, does a few of all the things that a backend can do, detaches. Whatever it is
 * given is looked at as a program would, and must be within bounds; a result must be one that
 * exists.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/snapshot.h"
#include "corrupt/corrupt.h"

#define REPORT_BYTES_MAX ((size_t)1 << 20)

/* One session. */
struct seat {
    struct player *player;
    struct sv_backend *self;
    struct sv_source *source;
    struct sv_catcache *cache;
};

char *progress_say(struct progress *progress)
{
    const uint32_t index = sv_fetch_add_seq32(&progress->count, 1) % SAID_MAX;
    progress->said[index].pid = getpid();
    return progress->said[index].words;
}

const char *progress_of(const struct progress *progress, pid_t pid)
{
    for (uint32_t i = 0; i < SAID_MAX; i++) {
        if (progress->said[i].pid == pid) {
            return progress->said[i].words;
        }
    }
    return "";
}

void player_bad(struct progress *progress, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(progress_say(progress), ANSWER_BYTES, format, arguments);
    va_end(arguments);
    _exit(END_BAD);
}

static void answer(void *argument, const char *what)
{
    struct progress *progress = argument;
    (void)snprintf(progress_say(progress), ANSWER_BYTES, "%s", what);
    _exit(END_ANSWERED);
}

void player_answers(struct sv_segment *segment, struct progress *progress)
{
    sv_segment_set_stop(segment, answer, progress);
}

/* What every call may return here; anything else is made up. */
static int expect(struct seat *seat, const char *call, int result)
{
    struct progress *progress = seat->player->progress;
    switch (result) {
    case -SV_ECORRUPT:
        (void)sv_fetch_add_seq64(&progress->returned, 1);
        return result;
    case 0:
    case SV_NOT_FOUND:
    case SV_FULL:
    case SV_BUSY:
    case SV_TIMEOUT:
    case -ENOSPC:
        return result;
    default:
        player_bad(progress, "%s returned %d", call, result);
    }
}

/* Rows have two keys: one of two groups, and a name. text is to hold the name. */
static struct sv_keys key_of(char *text, size_t size, uint32_t number)
{
    const int bytes = snprintf(text, size, "k%u", number);
    return (struct sv_keys){
        .count = 2, .key = {{number % 2 == 0 ? "even" : "odd!", 4}, {text, (uint32_t)bytes}}};
}

static void look_at_tuple(struct seat *seat, const struct sv_tuple *tuple)
{
    const uint8_t *bytes = tuple->data;
    uint32_t sum = 0;
    if (tuple->size_bytes > VALUE_MAX) {
        player_bad(seat->player->progress, "a tuple of %u bytes", tuple->size_bytes);
    }
    for (uint32_t i = 0; i < tuple->size_bytes; i++) {
        sum += bytes[i];
    }
    if (sum > VALUE_MAX * UINT8_MAX) {
        player_bad(seat->player->progress, "bytes that add up to %u", sum);
    }
}

/* ---- operations ------------------------------------------------------------------------------ */

static void search(struct seat *seat, struct random *random)
{
    char text[16];
    const struct sv_keys key = key_of(text, sizeof(text), random_below(random, 12));
    struct sv_cache_entry *entry;
    if (expect(seat, "search", sv_cache_search(seat->self, seat->cache, &key, &entry)) == 0) {
        look_at_tuple(seat, sv_cache_tuple(entry));
        sv_cache_release(seat->self, entry);
    }
}

static void search_list(struct seat *seat, struct random *random)
{
    const struct sv_keys group = {.count = 1,
                                  .key = {{random_below(random, 2) == 0 ? "even" : "odd!", 4}}};
    struct sv_cache_list *list;
    if (expect(seat, "list", sv_cache_search_list(seat->self, seat->cache, &group, &list)) != 0) {
        return;
    }
    const uint32_t count = sv_cache_list_count(list);
    if (count > seat->player->rows) {
        player_bad(seat->player->progress, "a list of %u rows", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        look_at_tuple(seat, sv_cache_list_tuple(list, i));
    }
    sv_cache_list_release(seat->self, list);
}

static void write_rows(struct seat *seat, struct random *random)
{
    char text[16];
    for (uint32_t i = random_below(random, 4); i > 0; i--) {
        const struct sv_keys key = key_of(text, sizeof(text), random_below(random, 12));
        const struct sv_tuple tuple = {.data = "0123456789abcdef",
                                       .size_bytes = random_below(random, VALUE_MAX + 1)};
        const bool deletes = random_below(random, 4) == 0;
        (void)expect(
            seat, "write",
            sv_source_write(seat->self, seat->source, RELATION, &key, deletes ? NULL : &tuple));
    }
}

static struct sv_message some_message(struct random *random)
{
    return (struct sv_message){
        .kind = (uint8_t)(SV_MESSAGE_CATCACHE +
                          random_below(random, SV_MESSAGE_KIND_END - SV_MESSAGE_CATCACHE)),
        .catcache = {.cache = RELATION, .hash = (uint32_t)random_next(random)}};
}

static void transaction(struct seat *seat, struct random *random)
{
    const struct sv_message in_place = some_message(random);
    if (expect(seat, "begin", sv_transaction_begin(seat->self, NULL)) != 0) {
        return;
    }
    write_rows(seat, random);
    (void)expect(seat, "command end", sv_command_end(seat->self));
    if (random_below(random, 4) == 0) {
        (void)expect(seat, "in place", sv_invalidate_in_place(seat->self, &in_place));
    }
    if (random_below(random, 3) == 0) {
        (void)expect(seat, "sub", sv_subtransaction_begin(seat->self));
        write_rows(seat, random);
        if (random_below(random, 2) == 0 ||
            expect(seat, "release", sv_subtransaction_release(seat->self)) != 0) {
            sv_subtransaction_rollback(seat->self);
        }
    }
    if (random_below(random, 4) == 0) {
        sv_transaction_rollback(seat->self);
    } else {
        (void)expect(seat, "commit", sv_transaction_commit(seat->self));
    }
}

static void send(struct seat *seat, struct random *random)
{
    struct sv_message messages[20];
    const uint32_t count = 1 + random_below(random, 20);
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = some_message(random);
    }
    if (random_below(random, 2) == 0) {
        sv_send_messages(seat->self, messages, count);
    } else {
        sv_queue_insert(seat->self, messages, count);
    }
}

static void accept(struct seat *seat, struct random *random)
{
    (void)random;
    (void)expect(seat, "accept", sv_accept_messages(seat->self));
}

static void wait(struct seat *seat, struct random *random)
{
    struct sv_latch_wait wait = {.timeout_ms = (int)random_below(random, 30),
                                 .wait_postmaster = random_below(random, 4) == 0};
    sv_latch_reset(seat->self);
    (void)expect(seat, "latch wait", sv_latch_wait(seat->self, &wait));
    if (!wait.is_set && !wait.timed_out && !wait.postmaster_dead) {
        player_bad(seat->player->progress, "a wait that ended for nothing");
    }
}

static void signal_somebody(struct seat *seat, struct random *random)
{
    const uint32_t slot = random_below(random, BACKENDS_MAX);
    const enum sv_reason reason = (enum sv_reason)random_below(random, SV_REASON_COUNT);
    sv_latch_set(seat->player->segment, slot);
    (void)expect(seat, "send", sv_procsignal_send(seat->self, slot, reason));
    (void)expect(seat, "interrupts", sv_process_interrupts(seat->self));
}

static void barrier(struct seat *seat, struct random *random)
{
    const int timeout_ms = random_below(random, 3) == 0 ? -1 : (int)random_below(random, 300);
    (void)expect(seat, "barrier", sv_procsignal_barrier(seat->self, timeout_ms));
}

static void lock(struct seat *seat, struct random *random)
{
    const enum sv_lock lock = (enum sv_lock)random_below(random, 2);
    const enum sv_lock_mode mode = (enum sv_lock_mode)random_below(random, SV_LOCK_MODE_COUNT);
    if (random_below(random, 3) == 0) {
        if (expect(seat, "try", sv_lwlock_try_acquire(seat->self, lock, mode)) != 0) {
            return;
        }
    } else {
        sv_lwlock_acquire(seat->self, lock, mode);
    }
    accept(seat, random);
    sv_lwlock_release(seat->self, lock);
}

static void read_raw(struct seat *seat, struct random *random)
{
    struct sv_message messages[8];
    uint32_t count = 0;
    const int result = sv_queue_read(seat->self, messages, 8, &count);
    (void)random;
    if ((result != 0 && result != SV_RESET) || count > 8) {
        player_bad(seat->player->progress, "read gives %d and %u messages", result, count);
    }
}

static void clean(struct seat *seat, struct random *random)
{
    if (random_below(random, 4) == 0) {
        sv_queue_reset_all(seat->self);
    } else {
        sv_queue_cleanup(seat->self, random_below(random, 8));
    }
}

static void draw_id(struct seat *seat, struct random *random)
{
    (void)random;
    (void)sv_transaction_id_next(seat->self);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int open_caches(struct seat *seat)
{
    int result = expect(seat, "table", sv_table_open(seat->self, &seat->source));
    if (result == 0) {
        const struct sv_catcache_options options = {
            .cache = RELATION, .relation = RELATION, .key_count = 2, .source = seat->source};
        result = expect(seat, "catcache", sv_catcache_create(seat->self, &options, &seat->cache));
    }
    return result;
}

void player_session(struct player *player)
{
    static void (*const operations[])(struct seat *, struct random *) = {
        search, search,  search_list, transaction,     transaction, transaction, send,     accept,
        wait,   barrier, lock,        signal_somebody, lock,        clean,       read_raw, draw_id,
    };
    struct random *random = &player->random;
    struct seat seat = {.player = player};
    const struct sv_backend_options options = {
        .signal_number = random_below(random, 3) == 0 ? 0 : SIGUSR1,
        .send_only = random_below(random, 8) == 0,
        .discard_caches = random_below(random, 16) == 0,
    };
    const int result = sv_backend_attach(player->segment, &options, &seat.self);
    if (expect(&seat, "attach", result) != 0) {
        return;
    }
    if (open_caches(&seat) == 0) {
        for (uint32_t i = 0; i < player->operations; i++) {
            operations[random_below(random, sizeof(operations) / sizeof(operations[0]))](&seat,
                                                                                         random);
        }
    }
    sv_backend_detach(seat.self);
    if (seat.source != NULL) {
        seat.source->close(seat.source);
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

static void print_all(const struct player *player, const struct snapshot *snapshot)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    snapshot_print(snapshot, out);
    json_t *json = snapshot_json(snapshot);
    if (json == NULL || json_dumpf(json, out, JSON_COMPACT) != 0) {
        player_bad(player->progress, "a snapshot that is no JSON");
    }
    json_decref(json);
    (void)fclose(out);
    if (bytes > REPORT_BYTES_MAX) {
        player_bad(player->progress, "a report of %zu bytes", bytes);
    }
    free(text);
}

void player_watch(struct player *player)
{
    struct sv_postmaster *postmaster = NULL;
    struct snapshot snapshot;
    if (sv_postmaster_create(player->segment, &postmaster) == 0) {
        struct sv_child_exit ended;
        (void)sv_backend_settle_dead(player->segment);
        if (sv_postmaster_wait(postmaster, 0, &ended) != SV_NOT_FOUND) {
            player_bad(player->progress, "a child that nobody has started");
        }
    }
    if (random_below(&player->random, 4) == 0) {
        if (snapshot_take(player->segment, &snapshot) != 0) {
            player_bad(player->progress, "no snapshot");
        }
        print_all(player, &snapshot);
        free(snapshot.slots);
    }
    if (postmaster != NULL) {
        sv_postmaster_stop(postmaster, 0);
    }
}
