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
};

static const struct bench_row *const tables[] = {bench_queue_rows, bench_process_rows,
                                                 bench_cache_rows};

static void choose(struct argp_state *state, struct options *options, const char *name)
{
    const uint32_t before = options->count;
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct bench_row *row = tables[t]; row->name != NULL; row++) {
            if (name == NULL || strncmp(row->name, name, strlen(name)) == 0) {
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

int main(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        {"report", 'r', "text|json", 0, "how to print the figures (text)", 0},
        {"list", 'l', NULL, 0, "list the rows and exit", 0},
        {0},
    };
    static const struct argp argp = {
        argp_options,
        parse,
        "[ROW...]",
        "Measure the production library, and print medians with minimum and maximum beside what "
        "PostgreSQL 15.18 does on a machine of this kind. ROW is the beginning of a row's name.",
        NULL,
        NULL,
        NULL};
    struct options options = {0};
    argp_err_exit_status = 2;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    json_t *rows = json_array();
    if (!options.json) {
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
    if (options.json) {
        json_t *report = json_pack("{s:o}", "rows", rows);
        (void)json_dumpf(report, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fail("writing the report", errno);
    }
    return 0;
}
