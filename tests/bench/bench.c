/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval-bench: measures the production flavour. `sinval bench` runs it.
 */
#include "bench.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

const char *argp_program_version = "sinval-bench 0.1.0";

static _Noreturn void fail(const char *what, int error)
{
    (void)fprintf(stderr, "sinval bench: %s: %s\n", what, strerror(error));
    exit(3);
}

struct sv_segment *bench_segment(struct sv_config config)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(NULL, &config, &segment);
    if (result != 0) {
        fail("creating a segment", -result);
    }
    return segment;
}

struct sv_backend *bench_attach(struct sv_segment *segment, const struct sv_backend_options *o)
{
    struct sv_backend *self = NULL;
    const int result = sv_backend_attach(segment, o, &self);
    if (result != 0) {
        fail("attaching", result < 0 ? -result : EBUSY);
    }
    return self;
}

void *bench_share(size_t size_bytes)
{
    void *area = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) {
        fail("mapping shared memory", errno);
    }
    return area;
}

pid_t bench_fork(void (*run)(struct sv_segment *segment, void *argument),
                 struct sv_segment *segment, void *argument)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        fail("fork", errno);
    }
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(3);
        }
        run(segment, argument);
        _exit(0);
    }
    return pid;
}

void bench_kill(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

double bench_now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return sv_os_now_ns();
#endif
}

double bench_ns_per_tick(void)
{
    const double start_s = bench_now_s();
    const uint64_t start = bench_ticks();
    while (bench_now_s() - start_s < 0.02) {
    }
    return (bench_now_s() - start_s) * 1e9 / (double)(bench_ticks() - start);
}

/* ---- the command ------------------------------------------------------------------------- */

enum { ROWS_MAX = 64 };

struct options {
    bool json;
    const struct bench_row *rows[ROWS_MAX];
    uint32_t count;
    const char *recovery; /* NULL: not wanted */
    uint32_t trials;      /* of it; 0: as many as it likes */
};

static const struct bench_row *const tables[] = {bench_queue_rows, bench_process_rows,
                                                 bench_cache_rows, bench_explorer_rows};

static void choose(struct argp_state *state, struct options *options, const char *name)
{
    const uint32_t before = options->count;
    if (name != NULL && bench_recovery_named(name)) {
        if (options->recovery != NULL) {
            argp_error(state, "'%s' after '%s'; one of them would be right", name,
                       options->recovery);
        }
        options->recovery = name;
        return;
    }
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        const bool unnamed = tables[t] != bench_explorer_rows; /* the production library's rows */
        for (const struct bench_row *row = tables[t]; row->name != NULL; row++) {
            if (name == NULL ? unnamed : strncmp(row->name, name, strlen(name)) == 0) {
                options->rows[options->count++] = row;
            }
        }
    }
    if (name != NULL && options->count == before) {
        argp_error(state, "no row begins with '%s'; --list shows all", name);
    }
}

static void list(void)
{
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct bench_row *row = tables[t]; row->name != NULL; row++) {
            (void)printf("%-24s %s, %s\n", row->name, row->text, row->unit);
        }
    }
    (void)puts(
        "recovery, recovery-N     from a SIGKILL to each survivor's next insert and accept, ms, "
        "with N backends (2, 16, 64, 256); like explore-... not among all rows");
}

static uint32_t trials_of(struct argp_state *state, const char *text)
{
    const unsigned long trials = strtoul(text, NULL, 10);
    if (text[strspn(text, "0123456789")] != '\0' || trials < 1 || trials > 100000) {
        argp_error(state, "--trials: '%s' is not a whole number from 1 to 100000", text);
    }
    return (uint32_t)trials;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'r':
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
            argp_error(state, "--report takes text or json, not '%s'", argument);
        }
        options->json = strcmp(argument, "json") == 0;
        return 0;
    case 't':
        options->trials = trials_of(state, argument);
        return 0;
    case 'l':
        list();
        exit(0);
    case ARGP_KEY_ARG:
        if (options->count > ROWS_MAX / 2) {
            argp_error(state, "too many rows");
        }
        choose(state, options, argument);
        return 0;
    case ARGP_KEY_NO_ARGS:
        choose(state, options, NULL);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct bench_row *row, double figures[BENCH_RUNS])
{
    for (int run = 0; run < BENCH_RUNS; run++) {
        figures[run] = row->run(row->argument);
    }
    qsort(figures, BENCH_RUNS, sizeof(figures[0]), compare);
}

static void print_text(const struct bench_row *row, const double *figures)
{
    (void)printf("%-58s %-10s %10.2f %10.2f %10.2f", row->text, row->unit, figures[BENCH_RUNS / 2],
                 figures[0], figures[BENCH_RUNS - 1]);
    if (row->postgres >= 0) {
        (void)printf(" %10.1f\n", row->postgres);
    } else {
        (void)printf(" %10s\n", "-");
    }
    (void)fflush(stdout);
}

static json_t *to_json(const struct bench_row *row, const double *figures)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f}", "name", row->name, "text", row->text,
                  "unit", row->unit, "better", row->higher_is_better ? "higher" : "lower", "median",
                  figures[BENCH_RUNS / 2], "min", figures[0], "max", figures[BENCH_RUNS - 1]);
    if (row->postgres >= 0) {
        (void)json_object_set_new(json, "postgres", json_real(row->postgres));
    }
    return json;
}

/* ---- recovery ---------------------------------------------------------------------------- */

static void print_recovery(const struct bench_recovery *row, void *argument)
{
    const struct bench_spread *insert = &row->insert_ms;
    const struct bench_spread *accept = &row->accept_ms;
    (void)argument;
    (void)printf(
        "| %4u | %-7s | %-15s | %5u | %7u | %6.2f | %6.2f | %6.2f | %6.2f | %6.2f | %6.2f | "
        "%3u |\n",
        row->backends, row->postmaster ? "with" : "without", row->killed, row->trials, row->samples,
        insert->median, insert->p99, insert->max, accept->median, accept->p99, accept->max,
        insert->over + accept->over);
    (void)fflush(stdout);
}

static json_t *spread_json(const struct bench_spread *spread)
{
    return json_pack("{s:f, s:f, s:f, s:i}", "median", spread->median, "p99", spread->p99, "max",
                     spread->max, "over_100_ms", (int)spread->over);
}

static void add_recovery(const struct bench_recovery *row, void *argument)
{
    (void)json_array_append_new(
        argument,
        json_pack("{s:i, s:b, s:s, s:i, s:i, s:o, s:o}", "backends", (int)row->backends,
                  "postmaster", row->postmaster, "killed", row->killed, "trials", (int)row->trials,
                  "samples", (int)row->samples, "insert_ms", spread_json(&row->insert_ms),
                  "accept_ms", spread_json(&row->accept_ms)));
}

static void recover(const struct options *options, json_t *recovery)
{
    if (options->recovery == NULL) {
        return;
    }
    if (!options->json) {
        (void)puts(
            "| backends | postmaster | killed | trials | survivors | insert: median ms | 99 % "
            "| max | accept: median ms | 99 % | max | over 100 ms |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|");
    }
    bench_recovery_run(options->recovery, options->trials,
                       options->json ? add_recovery : print_recovery, recovery);
}

int main(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        {"report", 'r', "text|json", 0, "how to print the figures (text)", 0},
        {"trials", 't', "N", 0, "recovery: N kills for each of its rows", 0},
        {"list", 'l', NULL, 0, "list the rows and exit", 0},
        {0},
    };
    static const struct argp argp = {
        argp_options,
        parse,
        "[ROW...]",
        "Measure the production library, and print medians with minimum and maximum beside what "
        "PostgreSQL 15.18 does on a machine of this kind. ROW is the beginning of a row's name; "
        "recovery and the explorer's rows are measured if they are named.",
        NULL,
        NULL,
        NULL};
    struct options options = {0};
    argp_err_exit_status = 2;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    json_t *rows = json_array();
    json_t *recovery = json_array();
    if (!options.json && options.count > 0) {
        (void)printf("%-58s %-10s %10s %10s %10s %10s\n", "row", "unit", "median", "min", "max",
                     "PostgreSQL");
    }
    for (uint32_t i = 0; i < options.count; i++) {
        double figures[BENCH_RUNS];
        measure(options.rows[i], figures);
        if (options.json) {
            (void)json_array_append_new(rows, to_json(options.rows[i], figures));
        } else {
            print_text(options.rows[i], figures);
        }
    }
    recover(&options, recovery);
    json_t *report = json_pack("{s:o, s:o}", "rows", rows, "recovery", recovery);
    if (options.json) {
        (void)json_dumpf(report, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(report);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fail("writing the report", errno);
    }
    return 0;
}
