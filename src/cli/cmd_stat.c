/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval stat: a live segment, looked at from outside. It takes no lock and no slot, so it can
 * neither disturb nor be held up, whatever state the segment is in.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/snapshot.h"

struct arguments {
    const char *name; /* NULL: list */
    bool watch;
    enum report report;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void print_json_line(const struct arguments *arguments, json_t *json)
{
    (void)json_dumpf(json, stdout, arguments->watch ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n'); /* output is checked in the loop and at exit */
    json_decref(json);
}

/* ---- the list ---------------------------------------------------------------------------- */

struct listing {
    json_t *json; /* NULL: text */
    uint32_t count;
};

static void list_text(const char *name, const struct snapshot *snapshot, int result)
{
    if (snapshot == NULL) {
        printf("%-32s %s\n", name, sv_segment_error(result));
        return;
    }
    printf("%-32s %10zu bytes, %" PRIu32 " of %" PRIu32 " backends, %" PRIu64
           " messages inserted\n",
           name, sv_segment_size_bytes(snapshot->segment), snapshot->occupied,
           sv_segment_config(snapshot->segment)->backends_max, snapshot->totals[SV_STAT_inserted]);
}

static void list_json(struct listing *listing, const char *name, const struct snapshot *snapshot,
                      int result)
{
    json_t *entry = snapshot == NULL
                        ? json_pack("{s:s, s:s}", "name", name, "error", sv_segment_error(result))
                        : json_pack("{s:s, s:I, s:I, s:I}", "name", name, "size_bytes",
                                    (json_int_t)sv_segment_size_bytes(snapshot->segment),
                                    "backends", (json_int_t)snapshot->occupied, "backends_max",
                                    (json_int_t)sv_segment_config(snapshot->segment)->backends_max);
    json_array_append_new(listing->json, entry);
}

static int list_one(const char *name, void *argument)
{
    struct listing *listing = argument;
    struct sv_segment *segment = NULL;
    struct snapshot snapshot = {0};
    int result = sv_segment_attach(name, &segment);
    if (result == -ENOENT) {
        return 0; /* gone since it was listed */
    }
    if (result == 0) {
        result = snapshot_take(segment, &snapshot);
    }
    const struct snapshot *taken = result == 0 ? &snapshot : NULL;
    if (listing->json != NULL) {
        list_json(listing, name, taken, result);
    } else {
        list_text(name, taken, result);
    }
    free(snapshot.slots);
    if (segment != NULL) {
        sv_segment_detach(segment);
    }
    listing->count++;
    return 0;
}

static int list(const struct arguments *arguments)
{
    struct listing listing = {0};
    if (arguments->report == REPORT_JSON) {
        listing.json = json_array();
    }
    const int result = sv_segment_list(list_one, &listing);
    if (listing.json != NULL) {
        print_json_line(arguments, json_pack("{s:o}", "segments", listing.json));
    } else if (listing.count == 0 && result == 0) {
        puts("no segment");
    }
    return result == 0 ? STATUS_FINE
                       : complain(STATUS_ENVIRONMENT, "/dev/shm: %s", strerror(-result));
}

/* ---- one segment ------------------------------------------------------------------------- */

static int show(const struct arguments *arguments, struct sv_segment *segment)
{
    struct snapshot snapshot;
    const int result = snapshot_take(segment, &snapshot);
    if (result != 0) {
        return complain(STATUS_ENVIRONMENT, "%s", strerror(-result));
    }
    if (arguments->report == REPORT_JSON) {
        print_json_line(arguments, snapshot_json(&snapshot));
    } else {
        snapshot_print(&snapshot, stdout);
    }
    free(snapshot.slots);
    return STATUS_FINE;
}

/* Once, or each second until interrupted. */
static int repeat(const struct arguments *arguments, struct sv_segment *segment)
{
    const bool clear =
        arguments->watch && isatty(STDOUT_FILENO) && arguments->report == REPORT_TEXT;
    const struct timespec second = {.tv_sec = 1};
    for (;;) {
        if (clear) {
            fputs("\033[H\033[2J", stdout);
        }
        const int status = segment == NULL ? list(arguments) : show(arguments, segment);
        if (status != STATUS_FINE || !arguments->watch) {
            return status;
        }
        if (fflush(stdout) != 0) {
            return STATUS_FINE; /* main says why */
        }
        (void)nanosleep(&second, NULL);
        if (interrupted) {
            return STATUS_FINE;
        }
        if (!clear && arguments->report == REPORT_TEXT) {
            putchar('\n');
        }
    }
}

static int refused(const char *name, int result)
{
    const bool environment = result == -ENOMEM || result == -EMFILE || result == -ENFILE;
    return complain(environment ? STATUS_ENVIRONMENT : STATUS_BAD_INPUT,
                    "%s: %s; `sinval stat' lists those there are", name, sv_segment_error(result));
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'w':
        arguments->watch = true;
        return 0;
    case 'r':
        arguments->report = option_report(state, argument, false);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->name != NULL) {
            argp_error(state, "'%s' is a second NAME; one, or none, would be right", argument);
        }
        arguments->name = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"watch", 'w', NULL, 0, "again each second, until interrupted", 0},
    {"report", 'r', "KIND", 0, "text or json; text", 0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[NAME]",
    .doc = "Look at the live segment NAME: its configuration, the queue, who holds which lock and "
           "who waits for it, each backend's lag, state and counters, and the structures in it. "
           "Without a NAME: which segments there are. Takes no lock and disturbs nobody.",
};

int cmd_stat(int argc, char **argv)
{
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.watch) {
        catch_interrupts();
    }
    struct sv_segment *segment = NULL;
    if (arguments.name != NULL) {
        const int result = sv_segment_attach(arguments.name, &segment);
        if (result != 0) {
            return refused(arguments.name, result);
        }
    }
    const int status = repeat(&arguments, segment);
    if (segment != NULL) {
        sv_segment_detach(segment);
    }
    return status;
}
