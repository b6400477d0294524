/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A member's life: one backend, with a cache over the table, that does one order after the other.
 *
 * A row's key is GROUP/NAME, or NAME in the group without a name; the cache has both as keys, so
 * that a group can be listed. A row's value in the table is the text "KEY = VALUE".
 *
 * `read` and `list` do not accept messages: what they show is what this backend believes. Every
 * answer ends with the counters that the order moved, whoever they belong to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crew.h"
#include "faults/injector.h"
#include "sync/slot.h"

enum { RELATION = 1, TEXT_MAX = 128 };

struct life {
    struct sv_segment *segment;
    struct sv_backend *self;
    struct sv_source *source;
    struct sv_catcache *cache;
    FILE *answers;
    bool send_only;
    uint64_t sent; /* running number of raw messages */
    /* A death that was arranged. */
    struct plan plan;
    struct injector injector;
    struct injector_context context;
    struct injector_shared *shared;
};

/* What one can be told, and how. */
struct order {
    const char *verb;
    void (*obey)(struct life *life, char **words);
};

/* A line of the answer; the last one gets the counters. */
static void say(struct life *life, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct life *life, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(life->answers, format, arguments);
    va_end(arguments);
}

/* Words for what a function answered. */
static const char *words_for(int result)
{
    switch (result) {
    case SV_FULL:
        return "no room left";
    case SV_CONFLICT:
        return "another was faster; rolled back";
    case SV_TIMEOUT:
        return "the time ran out";
    default:
        return result < 0 ? strerror(-result) : "refused";
    }
}

static struct sv_keys keys_of(const char *key)
{
    const char *slash = strchr(key, '/');
    const char *name = slash != NULL ? slash + 1 : key;
    return (struct sv_keys){
        .count = 2,
        .key = {{.data = key, .size_bytes = slash != NULL ? (uint32_t)(slash - key) : 0},
                {.data = name, .size_bytes = (uint32_t)strlen(name)}},
    };
}

/* ---- transactions ------------------------------------------------------------------------ */

static bool is_open(struct life *life)
{
    if (sv_transaction_level(life->self) == 0) {
        say(life, "no transaction is open; `begin' comes first");
        return false;
    }
    return true;
}

static bool is_nested(struct life *life)
{
    if (!is_open(life)) {
        return false;
    }
    if (sv_transaction_level(life->self) == 1) {
        say(life, "no savepoint is set; `savepoint' comes first");
        return false;
    }
    return true;
}

static void begin(struct life *life, char **words)
{
    (void)words;
    struct sv_transaction_id id;
    if (sv_transaction_level(life->self) > 0) {
        say(life, "a transaction is open already; `commit' or `rollback' ends it");
        return;
    }
    const int result = sv_transaction_begin(life->self, &id);
    if (result != 0) {
        say(life, "begin: %s", words_for(result));
    } else {
        say(life, "transaction %" PRIu32 "/%" PRIu64 " begins", id.slot, id.local);
    }
}

static void commit(struct life *life, char **words)
{
    (void)words;
    if (!is_open(life)) {
        return;
    }
    const int result = sv_transaction_commit(life->self);
    if (result != 0) {
        say(life, "commit: %s", words_for(result));
    } else {
        say(life, "committed");
    }
}

static void rollback(struct life *life, char **words)
{
    (void)words;
    if (is_open(life)) {
        sv_transaction_rollback(life->self);
        say(life, "rolled back");
    }
}

static void savepoint(struct life *life, char **words)
{
    (void)words;
    if (!is_open(life)) {
        return;
    }
    const int result = sv_subtransaction_begin(life->self);
    if (result != 0) {
        say(life, "savepoint: %s", words_for(result));
    } else {
        say(life, "level %" PRIu32 " begins", sv_transaction_level(life->self));
    }
}

static void release(struct life *life, char **words)
{
    (void)words;
    if (!is_nested(life)) {
        return;
    }
    const uint32_t level = sv_transaction_level(life->self);
    const int result = sv_subtransaction_release(life->self);
    if (result != 0) {
        say(life, "release: %s", words_for(result));
    } else {
        say(life, "level %" PRIu32 " released into level %" PRIu32, level, level - 1);
    }
}

static void rollback_to(struct life *life, char **words)
{
    (void)words;
    if (is_nested(life)) {
        const uint32_t level = sv_transaction_level(life->self);
        sv_subtransaction_rollback(life->self);
        say(life, "level %" PRIu32 " rolled back, level %" PRIu32 " goes on", level, level - 1);
    }
}

/* ---- rows -------------------------------------------------------------------------------- */

/* Within the open transaction, or in one of its own. */
static void change(struct life *life, const char *key, const struct sv_tuple *tuple,
                   const char *done)
{
    const struct sv_keys keys = keys_of(key);
    const bool own = sv_transaction_level(life->self) == 0;
    int result = own ? sv_transaction_begin(life->self, NULL) : 0;
    if (result == 0) {
        result = sv_source_write(life->self, life->source, RELATION, &keys, tuple);
        if (result == 0 && !own) {
            result = sv_command_end(life->self);
        } else if (result == 0) {
            result = sv_transaction_commit(life->self);
        } else if (own) {
            sv_transaction_rollback(life->self);
        }
    }
    if (result == 0) {
        say(life, "%s%s", done, own ? ", committed" : "");
    } else {
        say(life, "%s: %s", key, words_for(result));
    }
}

static void update(struct life *life, char **words)
{
    char text[TEXT_MAX + 1];
    const int length = snprintf(text, sizeof(text), "%s = %s", words[1], words[2]);
    if (length < 0 || (size_t)length >= sizeof(text)) {
        say(life, "key and value are too long: %d bytes together would be right", TEXT_MAX - 3);
        return;
    }
    change(life, words[1], &(struct sv_tuple){.data = text, .size_bytes = (uint32_t)length}, text);
}

static void delete (struct life *life, char **words)
{
    char text[TEXT_MAX + 16];
    snprintf(text, sizeof(text), "%.*s deleted", TEXT_MAX, words[1]);
    change(life, words[1], NULL, text);
}

static bool may_read(struct life *life)
{
    if (life->send_only) {
        say(life, "is send-only: it is never told what goes stale, so it must not cache");
    }
    return !life->send_only;
}

static void say_tuple(struct life *life, const struct sv_tuple *tuple)
{
    say(life, "%.*s", (int)tuple->size_bytes, (const char *)tuple->data);
}

static void read_row(struct life *life, char **words)
{
    if (!may_read(life)) {
        return;
    }
    const struct sv_keys keys = keys_of(words[1]);
    struct sv_cache_entry *entry = NULL;
    const int result = sv_cache_search(life->self, life->cache, &keys, &entry);
    if (result == 0) {
        say_tuple(life, sv_cache_tuple(entry));
        sv_cache_release(life->self, entry);
    } else if (result == SV_NOT_FOUND) {
        say(life, "%s is not there", words[1]);
    } else {
        say(life, "%s: %s", words[1], words_for(result));
    }
}

static void list_rows(struct life *life, char **words)
{
    if (!may_read(life)) {
        return;
    }
    const char *group = words[1] != NULL ? words[1] : "";
    const struct sv_keys keys = {.count = 1,
                                 .key = {{.data = group, .size_bytes = (uint32_t)strlen(group)}}};
    struct sv_cache_list *list = NULL;
    const int result = sv_cache_search_list(life->self, life->cache, &keys, &list);
    if (result != 0) {
        say(life, "list: %s", words_for(result));
        return;
    }
    const uint32_t count = sv_cache_list_count(list);
    for (uint32_t i = 0; i < count; i++) {
        say_tuple(life, sv_cache_list_tuple(list, i));
        say(life, "\n");
    }
    say(life, "rows: %" PRIu32, count);
    sv_cache_list_release(life->self, list);
}

/* ---- messages ---------------------------------------------------------------------------- */

static void accept_all(struct life *life, char **words)
{
    (void)words;
    uint64_t before[SV_STAT_COUNT];
    uint64_t after[SV_STAT_COUNT];
    const uint32_t slot = sv_backend_slot(life->self);
    sv_stat_slot(life->segment, slot, before);
    int result = sv_accept_messages(life->self);
    if (result == 0) {
        result = sv_process_interrupts(life->self);
    }
    sv_stat_slot(life->segment, slot, after);
    if (result != 0) {
        say(life, "accept: %s", words_for(result));
    } else if (after[SV_STAT_resets_taken] != before[SV_STAT_resets_taken]) {
        say(life, "is reset: all it cached is gone");
    } else {
        say(life, "is up to date");
    }
}

static void insert(struct life *life, char **words)
{
    const uint32_t count = (uint32_t)strtoul(words[1], NULL, 10); /* checked before it was sent */
    struct sv_message *messages = calloc(count + 1, sizeof(*messages));
    if (messages == NULL) {
        say(life, "insert: %s", words_for(-ENOMEM));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = (struct sv_message){.kind = SV_MESSAGE_APPLICATION, .payload = ++life->sent};
    }
    sv_queue_insert(life->self, messages, count);
    free(messages);
    say(life, "inserted");
}

static bool is_holding(const struct life *life)
{
    return sv_lwlock_held(life->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
}

static void wait_latch(struct life *life, char **words)
{
    if (is_holding(life)) {
        say(life, "holds lock app_0, and must not wait; `hold' again lets go of it");
        return;
    }
    struct sv_latch_wait wait = {.timeout_ms = (int)strtoul(words[1], NULL, 10)};
    const int result = sv_latch_wait(life->self, &wait);
    sv_latch_reset(life->self);
    if (result != 0) {
        say(life, "wait: %s", words_for(result));
    } else {
        say(life, wait.is_set ? "was woken" : "was not woken");
    }
}

static void hold(struct life *life, char **words)
{
    (void)words;
    if (is_holding(life)) {
        sv_lwlock_release(life->self, SV_LOCK_APP_0);
        say(life, "lets go of lock app_0");
    } else {
        sv_lwlock_acquire(life->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
        say(life, "holds lock app_0");
    }
}

/* ---- an arranged death ------------------------------------------------------------------- */

static void die(struct life *life, char **words)
{
    char text[512];
    char message[PLAN_MESSAGE_MAX];
    const int length = snprintf(text, sizeof(text),
                                "name: die\n"
                                "danger: It is told to.\n"
                                "world:\n  backends: 1\n"
                                "faults:\n  - backend: 0\n    point: %s\n    hit: 1\n"
                                "    action: kill\n",
                                words[1]);
    injector_leave();
    free(life->shared);
    life->shared = calloc(1, injector_shared_bytes(1));
    if (life->shared == NULL ||
        plan_load_text("die", text, (size_t)length, &life->plan, message, sizeof(message)) != 0) {
        say(life, "die: %s", life->shared == NULL ? words_for(-ENOMEM) : message);
        return;
    }
    injector_start(&life->injector, &life->plan, 1, life->shared);
    injector_enter(&life->context, &life->injector, 0);
    say(life, "will die at %s", words[1]);
}

/* ---- orders ------------------------------------------------------------------------------ */

static const struct order orders[] = {
    {"begin", begin},       {"read", read_row},     {"list", list_rows},
    {"update", update},     {"delete", delete},     {"savepoint", savepoint},
    {"release", release},   {"commit", commit},     {"rollback-to", rollback_to},
    {"rollback", rollback}, {"accept", accept_all}, {"insert", insert},
    {"wait", wait_latch},   {"hold", hold},         {"die", die},
};

static const struct order *find_order(const char *verb)
{
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(orders[i].verb, verb) == 0) {
            return &orders[i];
        }
    }
    return NULL;
}

void crew_print_moved(FILE *out, const uint64_t *before, const uint64_t *after)
{
    const char *separator = "  [";
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        if (after[stat] != before[stat]) {
            fprintf(out, "%s%s %" PRIu64, separator, sv_stat_name((enum sv_stat)stat),
                    after[stat] - before[stat]);
            separator = ", ";
        }
    }
    fputs(separator[0] == ',' ? "]\n" : "\n", out);
}

static void say_counters(struct life *life, const uint64_t *before)
{
    uint64_t after[SV_STAT_COUNT];
    sv_stat_total(life->segment, after);
    crew_print_moved(life->answers, before, after);
    say(life, ANSWER_END "\n");
    fflush(life->answers);
}

static void obey(struct life *life, char *line)
{
    char *words[ORDER_WORDS_MAX + 1] = {NULL};
    char *rest = NULL;
    uint64_t before[SV_STAT_COUNT];
    words[0] = strtok_r(line, " \t\n", &rest);
    for (int i = 1; i < ORDER_WORDS_MAX && words[i - 1] != NULL; i++) {
        words[i] = strtok_r(NULL, " \t\n", &rest);
    }
    sv_stat_total(life->segment, before);
    const struct order *order = words[0] != NULL ? find_order(words[0]) : NULL;
    if (order == NULL) {
        say(life, "does not know that");
    } else {
        order->obey(life, words);
    }
    say_counters(life, before);
}

static int attach(struct life *life)
{
    const struct sv_backend_options options = {.send_only = life->send_only,
                                               .signal_number = SIGUSR1};
    int result = sv_backend_attach(life->segment, &options, &life->self);
    if (result != 0) {
        return result;
    }
    result = sv_table_open(life->self, &life->source);
    const struct sv_catcache_options cached = {
        .cache = RELATION, .relation = RELATION, .key_count = 2, .source = life->source};
    if (result == 0) {
        result = sv_catcache_create(life->self, &cached, &life->cache);
        if (result != 0) {
            life->source->close(life->source);
        }
    }
    if (result != 0) {
        sv_backend_detach(life->self);
    }
    return result;
}

static void leave(struct life *life)
{
    uint64_t before[SV_STAT_COUNT];
    sv_stat_total(life->segment, before);
    if (is_holding(life)) {
        sv_lwlock_release(life->self, SV_LOCK_APP_0);
    }
    sv_backend_detach(life->self);
    life->source->close(life->source);
    injector_leave();
    free(life->shared);
    say(life, "leaves");
    say_counters(life, before);
}

int member_run(struct sv_segment *segment, bool send_only, FILE *orders_pipe, FILE *answers)
{
    struct life life = {.segment = segment, .send_only = send_only, .answers = answers};
    uint64_t before[SV_STAT_COUNT];
    sv_stat_total(segment, before);
    const int result = attach(&life);
    if (result != 0) {
        say(&life, "start: %s", words_for(result));
        say_counters(&life, before);
        return STATUS_ENVIRONMENT;
    }
    say(&life, "is backend %" PRIu32 "%s", sv_backend_slot(life.self),
        send_only ? ", send-only" : "");
    say_counters(&life, before);
    char line[ORDER_BYTES_MAX + 2];
    while (fgets(line, sizeof(line), orders_pipe) != NULL && strcmp(line, "quit\n") != 0) {
        life.self->patrolled_ns = sv_os_now_ns(); /* however slowly one types, not time to look */
        obey(&life, line);
    }
    leave(&life);
    return STATUS_FINE;
}
