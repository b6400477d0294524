/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval script: plays queue operations with one process acting for all backends, and prints the
 * state after each. With PostgreSQL's constants, the presets, every figure is PostgreSQL's
 * (tests/postgres); the invariants Q1 to Q7 are checked after every line as well.
 *
 * What is printed is kept until all is played, so a script that turns out to be wrong prints none.
 */
#include "cli/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue.h"

/* One backend of the script, by its P. */
struct actor {
    struct sv_backend *backend; /* NULL: not joined */
    bool signaled;              /* before the operation */
};

struct play {
    const struct script *script;
    struct sv_segment *segment;
    struct actor *actors;        /* SCRIPT_BACKEND_MAX + 1 */
    struct sv_message *messages; /* as many as the longest ins or get */
    uint64_t sent;               /* running number of the newest message */
    FILE *out;
};

static int trouble(const struct play *play, const struct operation *operation, int status,
                   const char *words)
{
    return complain(status, "%s:%" PRIu32 ": %s: %s", play->script->name, operation->line,
                    operation->text, words);
}

static int play_join(struct play *play, const struct operation *operation)
{
    const struct sv_backend_options options = {.send_only = operation->send_only};
    struct sv_backend **backend = &play->actors[operation->backend].backend;
    const int result = sv_backend_attach(play->segment, &options, backend);
    if (result != 0) {
        return trouble(play, operation, STATUS_ENVIRONMENT,
                       strerror(result < 0 ? -result : ENOSPC));
    }
    fprintf(play->out, "slot=%" PRIu32, sv_backend_slot(*backend));
    return STATUS_FINE;
}

static int play_leave(struct play *play, const struct operation *operation)
{
    struct actor *actor = &play->actors[operation->backend];
    sv_queue_leave(actor->backend);
    sv_backend_detach(actor->backend);
    *actor = (struct actor){0};
    return STATUS_FINE;
}

static int play_insert(struct play *play, const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->number; i++) {
        play->messages[i] =
            (struct sv_message){.kind = SV_MESSAGE_APPLICATION, .payload = ++play->sent};
    }
    sv_queue_insert(play->actors[operation->backend].backend, play->messages, operation->number);
    return STATUS_FINE;
}

static int play_get(struct play *play, const struct operation *operation)
{
    struct sv_backend *self = play->actors[operation->backend].backend;
    uint32_t count = 0;
    if (sv_queue_read(self, play->messages, operation->number, &count) == SV_RESET) {
        fputs("ret=-1", play->out);
        return STATUS_FINE;
    }
    fprintf(play->out, "ret=%" PRIu32, count);
    if (count == 0) {
        return STATUS_FINE;
    }
    const uint64_t first = play->messages[0].payload;
    fprintf(play->out, " msgs=%" PRIu64 "..%" PRIu64, first, play->messages[count - 1].payload);
    for (uint32_t i = 0; i < count; i++) {
        if (play->messages[i].payload != first + i) {
            return trouble(play, operation, STATUS_VIOLATED, "the messages are not in order (O2)");
        }
    }
    return STATUS_FINE;
}

static int play_clean(struct play *play, const struct operation *operation)
{
    sv_queue_cleanup(play->actors[operation->backend].backend, operation->number);
    return STATUS_FINE;
}

static int play_base(struct play *play, const struct operation *operation)
{
    uint32_t actor = 0;
    while (play->actors[actor].backend == NULL) {
        actor++; /* somebody has joined: script_read saw to it */
    }
    switch (sv_queue_set_base(play->actors[actor].backend, operation->number)) {
    case 0:
        return STATUS_FINE;
    case SV_BUSY:
        return trouble(play, operation, STATUS_BAD_INPUT,
                       "there are unread messages; it comes right after the joins");
    default:
        return trouble(play, operation, STATUS_BAD_INPUT,
                       "too large; at most 2147483647 - capacity would be right");
    }
}

static int (*const players[VERB_COUNT])(struct play *, const struct operation *) = {
    [VERB_JOIN] = play_join, [VERB_LEAVE] = play_leave, [VERB_INSERT] = play_insert,
    [VERB_GET] = play_get,   [VERB_CLEAN] = play_clean, [VERB_BASE] = play_base,
};

static struct sv_slot_state state_of(const struct play *play, uint32_t actor)
{
    struct sv_slot_state state;
    sv_slot_look(play->segment, sv_backend_slot(play->actors[actor].backend), &state);
    return state;
}

static void note_signaled(struct play *play)
{
    for (uint32_t i = 0; i <= SCRIPT_BACKEND_MAX; i++) {
        if (play->actors[i].backend != NULL) {
            play->actors[i].signaled = state_of(play, i).signaled;
        }
    }
}

struct signaled {
    uint32_t actor;
    int64_t position;
};

static int furthest_behind_first(const void *left, const void *right)
{
    const struct signaled *a = left;
    const struct signaled *b = right;
    if (a->position != b->position) {
        return a->position < b->position ? -1 : 1;
    }
    return a->actor < b->actor ? -1 : a->actor > b->actor;
}

/* Who was signaled by this operation. */
static void print_signaled(const struct play *play)
{
    struct signaled signaled[SCRIPT_BACKEND_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i <= SCRIPT_BACKEND_MAX; i++) {
        if (play->actors[i].backend == NULL || play->actors[i].signaled) {
            continue;
        }
        const struct sv_slot_state state = state_of(play, i);
        if (state.signaled) {
            signaled[count++] = (struct signaled){i, state.next_number};
        }
    }
    qsort(signaled, count, sizeof(signaled[0]), furthest_behind_first);
    fputs(" sig=[", play->out);
    for (uint32_t i = 0; i < count; i++) {
        fprintf(play->out, "%s%" PRIu32, i > 0 ? "," : "", signaled[i].actor);
    }
    fputs("]", play->out);
}

static void print_state(const struct play *play)
{
    struct sv_queue_state queue;
    sv_queue_look(play->segment, &queue);
    fprintf(play->out, " min=%" PRId64 " max=%" PRId64 " thr=%" PRIu32, queue.min_number,
            queue.max_number, queue.next_threshold);
    print_signaled(play);
    for (uint32_t i = 0; i <= SCRIPT_BACKEND_MAX; i++) {
        if (play->actors[i].backend != NULL) {
            const struct sv_slot_state state = state_of(play, i);
            fprintf(play->out, " %" PRIu32 ":%" PRId64 "%s%s%s", i, state.next_number,
                    state.reset ? "R" : "", state.signaled ? "S" : "", state.send_only ? "o" : "");
        }
    }
    fputc('\n', play->out);
}

/* Nobody else is there, so the locks that sv_queue_check wants are not needed. */
static int check(const struct play *play, const struct operation *operation)
{
    const char *broken = sv_queue_check(play->segment);
    return broken == NULL ? STATUS_FINE : trouble(play, operation, STATUS_VIOLATED, broken);
}

static int play_one(struct play *play, const struct operation *operation)
{
    note_signaled(play);
    fprintf(play->out, "%-14s => ", operation->text);
    int status = players[operation->verb](play, operation);
    print_state(play);
    if (status == STATUS_FINE) {
        status = check(play, operation);
    }
    return status;
}

static int play_all(struct play *play)
{
    int status = STATUS_FINE;
    for (size_t i = 0; status == STATUS_FINE && i < play->script->count; i++) {
        status = play_one(play, &play->script->operations[i]);
    }
    for (uint32_t i = 0; i <= SCRIPT_BACKEND_MAX; i++) {
        if (play->actors[i].backend != NULL) {
            sv_queue_leave(play->actors[i].backend);
            sv_backend_detach(play->actors[i].backend);
        }
    }
    return status;
}

int script_play(const struct script *script, const struct sv_config *config, FILE *out)
{
    struct play play = {.script = script, .out = out};
    uint32_t messages_max = 1;
    for (size_t i = 0; i < script->count; i++) {
        const struct operation *operation = &script->operations[i];
        const bool moves = operation->verb == VERB_INSERT || operation->verb == VERB_GET;
        messages_max = moves && operation->number > messages_max ? operation->number : messages_max;
    }
    const int result = sv_segment_create(NULL, config, &play.segment);
    if (result != 0) {
        return complain(STATUS_ENVIRONMENT, "%s", sv_segment_error(result));
    }
    play.actors = calloc(SCRIPT_BACKEND_MAX + 1, sizeof(*play.actors));
    play.messages = calloc(messages_max, sizeof(*play.messages));
    int status = STATUS_FINE;
    if (play.actors == NULL || play.messages == NULL) {
        status = complain(STATUS_ENVIRONMENT, "%s", strerror(ENOMEM));
    } else {
        status = play_all(&play);
    }
    free(play.messages);
    free(play.actors);
    sv_segment_detach(play.segment);
    return status;
}

/* ---- the command ------------------------------------------------------------------------- */

struct arguments {
    struct sv_config config;
    const char *file;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->config;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file != NULL) {
            argp_error(state, "'%s' is a second FILE; one would be right", argument);
        }
        arguments->file = argument;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            argp_error(state,
                       "there is no FILE; a script, or - for standard input, would be right");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Play the queue operations of FILE (- is standard input) with one process acting for "
           "all backends, and print the state after each.\v"
           "An operation a line; # begins a comment:\n\n"
           "  join P [s]   backend P attaches (s: send-only)\n"
           "  leave P      it leaves\n"
           "  ins P N      it inserts N messages, numbered 1, 2, 3, ...\n"
           "  get P N      it reads at most N; ret=-1 is a reset\n"
           "  clean P F    it runs cleanup with minimum free F\n"
           "  base X       all numbers are set to X, while the queue is empty\n\n"
           "After each: min, max and the next threshold, who was signaled by it, and each "
           "backend's next number with R for marked for reset, S for signaled, o for send-only. "
           "The presets are PostgreSQL's constants, and so are all figures then.",
    .children = config_children,
};

/* Play into memory, and print it if it is to be seen. */
static int play_and_print(const struct script *script, const struct sv_config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return complain(STATUS_ENVIRONMENT, "%s", strerror(errno));
    }
    int status = script_play(script, config, out);
    if (fclose(out) != 0) {
        status = complain(STATUS_ENVIRONMENT, "%s", strerror(ENOMEM));
    }
    if (status == STATUS_FINE || status == STATUS_VIOLATED) {
        fwrite(text, 1, size, stdout);
    }
    free(text);
    return status;
}

int cmd_script(int argc, char **argv)
{
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    char message[256];
    if (sv_config_complete(&arguments.config, message, sizeof(message)) != 0) {
        return complain(STATUS_BAD_INPUT, "%s", message);
    }
    const bool standard = strcmp(arguments.file, "-") == 0;
    FILE *file = standard ? stdin : fopen(arguments.file, "re");
    if (file == NULL) {
        return complain(STATUS_BAD_INPUT,
                        "%s: %s; a file that can be read, or - for standard input, would be right",
                        arguments.file, strerror(errno));
    }
    struct script script;
    int status = script_read(file, standard ? "standard input" : arguments.file,
                             arguments.config.backends_max, &script);
    if (!standard) {
        fclose(file);
    }
    if (status == STATUS_FINE && script.count == 0) {
        status = complain(STATUS_BAD_INPUT, "%s: has no operation; see `sinval script --help'",
                          arguments.file);
    }
    if (status == STATUS_FINE) {
        status = play_and_print(&script, &arguments.config);
    }
    free(script.operations);
    return status;
}
