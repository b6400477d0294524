/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The shell's language as a table: how many words, what they are, and who obeys.
 */
#include "cli/shell.h"

#include <inttypes.h>
#include <string.h>

#include "faults/points.h"

enum {
    WORDS_MAX = 10,
    KEY_BYTES_MAX = 60,
    VALUE_BYTES_MAX = 60,
    COUNT_MAX = 65536,
    WAIT_MAX = 5000
};

struct words {
    char text[ORDER_BYTES_MAX];
    char *word[WORDS_MAX + 1];
    uint32_t count;
};

/* What one of a verb's words after N is. */
enum kind { KIND_NONE, KIND_KEY, KIND_VALUE, KIND_COUNT, KIND_MS, KIND_POINT, KIND_SEND_ONLY };

struct verb {
    const char *name;
    const char *synopsis;
    const char *help;
    bool has_backend;
    bool optional; /* the last word may be left out */
    enum kind kinds[2];
    /* NULL: the backend itself is told. */
    bool (*obey)(struct shell *shell, uint32_t number, const struct words *words);
};

/* ---- obeying ----------------------------------------------------------------------------- */

static bool obey_start(struct shell *shell, uint32_t number, const struct words *words)
{
    return crew_start(&shell->crew, number, words->count == 3);
}

static bool obey_quit(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)words;
    return crew_quit(&shell->crew, number);
}

static bool obey_kill(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)words;
    return crew_kill(&shell->crew, number);
}

static bool obey_stop(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)words;
    return crew_stop(&shell->crew, number);
}

static bool obey_continue(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)words;
    return crew_continue(&shell->crew, number);
}

static bool obey_settle(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)number;
    (void)words;
    crew_settle(&shell->crew);
    return true;
}

static bool obey_stat(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)number;
    (void)words;
    crew_stat(&shell->crew);
    return true;
}

static bool obey_world(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)number;
    char message[256];
    for (uint32_t i = 1; i < words->count; i++) {
        char *equals = strchr(words->word[i], '='); /* shell_check saw one */
        *equals = '\0';
        (void)config_set(&shell->config, words->word[i], equals + 1, message, sizeof(message));
    }
    struct sv_config config = shell->config;
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        shell->status = complain(STATUS_BAD_INPUT, "%s", message);
        return false;
    }
    fprintf(shell->crew.out,
            "world: capacity %" PRIu32 ", cleanup_min %" PRIu32 ", cleanup_quantum %" PRIu32
            ", signal_threshold %" PRIu32 ", write_quantum %" PRIu32 ", wraparound %" PRIu32
            ", backends_max %" PRIu32 ", intent_max %" PRIu32 "\n",
            config.capacity, config.cleanup_min, config.cleanup_quantum, config.signal_threshold,
            config.write_quantum, config.wraparound, config.backends_max, config.intent_max);
    return true;
}

static bool obey_help(struct shell *shell, uint32_t number, const struct words *words)
{
    (void)number;
    (void)words;
    shell_help(shell->crew.out);
    return true;
}

static const struct verb verbs[] = {
    {"world",
     "world SIZE=N...",
     "sizes, before the first start: capacity=8 wraparound=16 ...",
     false,
     false,
     {KIND_NONE},
     obey_world},
    {"start",
     "start N [send-only]",
     "a process becomes backend N",
     true,
     true,
     {KIND_SEND_ONLY},
     obey_start},
    {"quit", "quit N", "it leaves in order", true, false, {KIND_NONE}, obey_quit},
    {"kill", "kill N", "SIGKILL", true, false, {KIND_NONE}, obey_kill},
    {"die",
     "die N POINT",
     "it will be killed when it next gets to a fault point",
     true,
     false,
     {KIND_POINT},
     NULL},
    {"stop", "stop N", "SIGSTOP", true, false, {KIND_NONE}, obey_stop},
    {"pause", "pause N", "the same", true, false, {KIND_NONE}, obey_stop},
    {"cont", "cont N", "SIGCONT", true, false, {KIND_NONE}, obey_continue},
    {"begin", "begin N", "begin a transaction, accepting messages", true, false, {KIND_NONE}, NULL},
    {"read",
     "read N KEY",
     "read through its cache, without accepting",
     true,
     false,
     {KIND_KEY},
     NULL},
    {"list",
     "list N [GROUP]",
     "all rows GROUP/...; without: those of no group",
     true,
     true,
     {KIND_KEY},
     NULL},
    {"update",
     "update N KEY VALUE",
     "in its transaction, or one of its own",
     true,
     false,
     {KIND_KEY, KIND_VALUE},
     NULL},
    {"delete",
     "delete N KEY",
     "in its transaction, or one of its own",
     true,
     false,
     {KIND_KEY},
     NULL},
    {"savepoint", "savepoint N", "begin a subtransaction", true, false, {KIND_NONE}, NULL},
    {"release",
     "release N",
     "end it, its changes go to its parent",
     true,
     false,
     {KIND_NONE},
     NULL},
    {"rollback-to",
     "rollback-to N",
     "end it, its changes are undone",
     true,
     false,
     {KIND_NONE},
     NULL},
    {"commit", "commit N", "commit, then tell everybody", true, false, {KIND_NONE}, NULL},
    {"rollback", "rollback N", "roll back, and tell nobody", true, false, {KIND_NONE}, NULL},
    {"accept", "accept N", "read messages, and do what was asked", true, false, {KIND_NONE}, NULL},
    {"insert", "insert N COUNT", "send raw messages in one call", true, false, {KIND_COUNT}, NULL},
    {"wait", "wait N MS", "wait for its latch, at most so long", true, false, {KIND_MS}, NULL},
    {"hold", "hold N", "take lock app_0; again: let go of it", true, false, {KIND_NONE}, NULL},
    {"settle",
     "settle",
     "settle the dead at once, as a postmaster would",
     false,
     false,
     {KIND_NONE},
     obey_settle},
    {"stat", "stat", "the queue, held locks, every backend", false, false, {KIND_NONE}, obey_stat},
    {"help", "help", "this list", false, false, {KIND_NONE}, obey_help},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

void shell_help(FILE *out)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        fprintf(out, "  %-22s %s\n", verbs[i].synopsis, verbs[i].help);
    }
}

/* ---- checking ---------------------------------------------------------------------------- */

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* Returns: false if the line is too long. Too many words count as one more than there may be. */
static bool split(const char *line, struct words *words)
{
    const size_t length = strlen(line);
    char *rest = NULL;
    *words = (struct words){.count = 0};
    if (length >= sizeof(words->text)) {
        return false;
    }
    memcpy(words->text, line, length + 1);
    for (char *word = strtok_r(words->text, " \t\r\n", &rest);
         word != NULL && words->count <= WORDS_MAX; word = strtok_r(NULL, " \t\r\n", &rest)) {
        words->word[words->count++] = word;
    }
    return true;
}

static bool says_nothing(const struct words *words)
{
    return words->count == 0 || words->word[0][0] == '#';
}

static const char *check_length(const char *what, const char *word, size_t max, char *message,
                                size_t size)
{
    if (strlen(word) <= max) {
        return NULL;
    }
    snprintf(message, size, "%s has %zu bytes; at most %zu would be right", what, strlen(word),
             max);
    return message;
}

static const char *check_number(const char *what, const char *word, uint64_t min, uint64_t max,
                                char *message, size_t size)
{
    uint64_t number = 0;
    if (parse_number(word, min, max, &number)) {
        return NULL;
    }
    snprintf(message, size,
             "'%.40s' is no %s; a whole number from %" PRIu64 " to %" PRIu64 " would be right",
             word, what, min, max);
    return message;
}

static const char *check_point(const char *word, char *message, size_t size)
{
    const enum sv_point point = point_find(word);
    if (point != SV_POINT_COUNT && point_allows(point, ACTION_KILL)) {
        return NULL;
    }
    char text[POINT_NEAREST_MAX];
    const char *nearest = point == SV_POINT_COUNT ? point_nearest(word, text) : NULL;
    snprintf(message, size, "'%.60s' %s; right would be %s%s", word,
             point == SV_POINT_COUNT ? "is no fault point" : "is no point to die at",
             nearest != NULL ? nearest : "one that `sinval points' lists with kill", "");
    return message;
}

static const char *check_word(enum kind kind, const char *word, char *message, size_t size)
{
    switch (kind) {
    case KIND_KEY:
        return check_length("the key", word, KEY_BYTES_MAX, message, size);
    case KIND_VALUE:
        return check_length("the value", word, VALUE_BYTES_MAX, message, size);
    case KIND_COUNT:
        return check_number("number of messages", word, 1, COUNT_MAX, message, size);
    case KIND_MS:
        return check_number("time in milliseconds", word, 0, WAIT_MAX, message, size);
    case KIND_POINT:
        return check_point(word, message, size);
    case KIND_SEND_ONLY:
        if (strcmp(word, "send-only") != 0) {
            snprintf(message, size, "'%.40s' after N; send-only, or nothing, would be right", word);
            return message;
        }
        return NULL;
    default:
        return NULL;
    }
}

/* The sizes of a world: each by itself, then together. */
static const char *check_world(const struct words *words, bool started, struct sv_config *config,
                               char *message, size_t size)
{
    if (started) {
        return "the world is fixed once somebody was started; it comes before";
    }
    for (uint32_t i = 1; i < words->count; i++) {
        char *equals = strchr(words->word[i], '=');
        if (equals == NULL) {
            snprintf(message, size, "'%.40s' is no size; SIZE=N, as in capacity=8, would be right",
                     words->word[i]);
            return message;
        }
        *equals = '\0';
        const char *wrong = config_set(config, words->word[i], equals + 1, message, size);
        if (wrong != NULL) {
            return wrong;
        }
    }
    struct sv_config complete = *config;
    return sv_config_complete(&complete, message, size) != 0 ? message : NULL;
}

static const char *check_words(const struct verb *verb, const struct words *words, char *message,
                               size_t size)
{
    const uint32_t first = 1U + verb->has_backend;
    const uint32_t most = first + (verb->kinds[0] != KIND_NONE) + (verb->kinds[1] != KIND_NONE);
    if (words->count > most || words->count + verb->optional < most) {
        snprintf(message, size, "%s has %" PRIu32 " words; right would be `%s'", verb->name,
                 words->count, verb->synopsis);
        return message;
    }
    const char *wrong = verb->has_backend
                            ? check_number("backend", words->word[1], 1, CREW_MAX, message, size)
                            : NULL;
    for (uint32_t i = first; i < words->count && wrong == NULL; i++) {
        wrong = check_word(verb->kinds[i - first], words->word[i], message, size);
    }
    return wrong;
}

const char *shell_check(const char *line, bool *started, struct sv_config *config, char *message,
                        size_t size)
{
    struct words words;
    if (!split(line, &words)) {
        snprintf(message, size, "the line has %zu bytes; at most %d would be right", strlen(line),
                 ORDER_BYTES_MAX - 1);
        return message;
    }
    if (says_nothing(&words)) {
        return NULL;
    }
    const struct verb *verb = find_verb(words.word[0]);
    if (verb == NULL) {
        snprintf(message, size, "'%.40s' is no command; `help' lists them", words.word[0]);
        return message;
    }
    if (verb->obey == obey_world) {
        return check_world(&words, *started, config, message, size);
    }
    *started = *started || verb->obey == obey_start;
    return check_words(verb, &words, message, size);
}

/* ---- the play ---------------------------------------------------------------------------- */

/* The backend's number is ours alone: "update 2 key value" tells backend 2 "update key value". */
static bool tell_backend(struct shell *shell, uint32_t number, const struct words *words)
{
    char order[ORDER_BYTES_MAX];
    size_t length = 0;
    for (uint32_t i = 0; i < words->count; i++) {
        if (i != 1) {
            length += (size_t)snprintf(order + length, sizeof(order) - length, "%s%s",
                                       i > 0 ? " " : "", words->word[i]);
        }
    }
    return crew_order(&shell->crew, number, order);
}

/* The crew is made when it is first needed, so the world can be said before. */
static bool enter(struct shell *shell)
{
    if (!shell->entered) {
        shell->status = crew_create(&shell->crew, &shell->config);
        shell->entered = shell->status == STATUS_FINE;
    }
    return shell->entered;
}

bool shell_obey(struct shell *shell, const char *line)
{
    struct words words;
    if (!split(line, &words) || says_nothing(&words)) {
        return true;
    }
    const struct verb *verb = find_verb(words.word[0]);
    if (verb == NULL) {
        return false; /* shell_check has refused it */
    }
    const bool worldly = verb->obey == obey_world || verb->obey == obey_help;
    if (!worldly && !enter(shell)) {
        return false;
    }
    uint64_t number = 0;
    if (verb->has_backend) {
        (void)parse_number(words.word[1], 1, CREW_MAX, &number);
    }
    const bool fine =
        (verb->obey != NULL ? verb->obey : tell_backend)(shell, (uint32_t)number, &words);
    if (!fine && shell->status == STATUS_FINE) {
        shell->status = STATUS_ENVIRONMENT;
    }
    return fine;
}

void shell_end(struct shell *shell)
{
    if (shell->entered) {
        crew_destroy(&shell->crew);
        shell->entered = false;
    }
}
