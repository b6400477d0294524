/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sources when memory runs out, or a commit is made to fail: an answer, and nothing half done.
 */
#include "failing_malloc.h"
#include "injector_support.h"
#include "source_support.h"
#include "sqlite_support.h"

TestSuite(source_fault, .timeout = 60);

enum { ROWS = 3 };

static const char *const names[ROWS] = {"a", "b", "c"};

static struct sv_segment *small_world(void)
{
    return world((struct sv_config){
        .backends_max = 4, .capacity = 64, .table_rows_max = 8, .table_value_max = 8});
}

/* One transaction on the source alone: it sets all rows, one of them in a level. */
static int set_all(const struct seat *seat, const char *value)
{
    struct sv_source *source = seat->source;
    uint64_t version;
    int result = write_row(seat, RELATION, keys_of(names[0], NULL), value);
    result = result == 0 ? source->subtransaction_begin(source, seat->self, 2) : result;
    for (uint32_t i = 1; i < ROWS && result == 0; i++) {
        result = write_row(seat, RELATION, keys_of(names[i], NULL), value);
    }
    result = result == 0 ? source->subtransaction_release(source, seat->self, 2) : result;
    return result == 0 ? source->commit(source, seat->self, &version) : result;
}

/* A visitor that allocates nothing. */
static int compare(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    const char *value = *(const char **)argument;
    (void)keys;
    return tuple->size_bytes == strlen(value) && memcmp(tuple->data, value, strlen(value)) == 0 ? 0
                                                                                                : 1;
}

static void expect_all(const struct seat *seat, const char *value)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct sv_keys key = keys_of(names[i], NULL);
        cr_assert_eq(seat->source->read(seat->source, seat->self, RELATION, &key, compare, &value),
                     0, "row %s is not %s", names[i], value);
    }
    cr_assert_eq(count_rows(seat, every_row), ROWS);
}

/* Open, write, read and list with every allocation failing in turn. */
static void starve(struct sv_segment *segment,
                   int (*open)(struct sv_backend *self, struct sv_source **source),
                   uint32_t failures_min)
{
    struct seat mine = {.self = join(segment)};
    struct seat other = {.self = join(segment)};
    struct sweep sweep;
    uint32_t failures[4] = {0};
    const char *old = "old";
    cr_assert_eq(open(other.self, &other.source), 0);
    cr_assert_eq(set_all(&other, "old"), 0);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep); failures[0]++) {
        const int result = open(mine.self, &mine.source);
        (void)failing_malloc_end(&sweep);
        cr_assert(result == 0 || result == -ENOMEM, "open gives %d at allocation %u", result,
                  sweep.nth);
        if (result == 0) {
            mine.source->close(mine.source);
        }
    }
    cr_assert_eq(open(mine.self, &mine.source), 0);
    for (failing_malloc_begin(&sweep); !sweep.finished; failures[1]++) {
        mine.source->close(mine.source); /* a new one has to allocate more */
        cr_assert_eq(open(mine.self, &mine.source), 0);
        (void)failing_malloc_next(&sweep);
        const int result = set_all(&mine, "new");
        (void)failing_malloc_end(&sweep);
        cr_assert(result == 0 || result == -ENOMEM, "set_all gives %d at allocation %u", result,
                  sweep.nth);
        if (result != 0) {
            mine.source->rollback(mine.source, mine.self);
        }
        expect_all(&other, result == 0 ? "new" : "old");
        cr_assert_eq(set_all(&mine, "old"), 0, "it does not recover from allocation %u", sweep.nth);
    }
    const struct sv_keys key = keys_of(names[0], NULL);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep); failures[2]++) {
        const int result = mine.source->read(mine.source, mine.self, RELATION, &key, compare, &old);
        (void)failing_malloc_end(&sweep);
        cr_assert(result == 0 || result == -ENOMEM, "read gives %d", result);
    }
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep); failures[3]++) {
        const int result =
            mine.source->list(mine.source, mine.self, RELATION, &every_row, compare, &old);
        (void)failing_malloc_end(&sweep);
        cr_assert(result == 0 || result == -ENOMEM, "list gives %d", result);
    }
    expect_all(&mine, "old");
    for (int i = 0; i < 4 && FAILING_MALLOC_WORKS; i++) {
        cr_assert_gt(failures[i], i < 2 ? failures_min : 1, "%u failed in part %d", failures[i], i);
    }
    sv_backend_detach(mine.self);
    sv_backend_detach(other.self);
    mine.source->close(mine.source);
    other.source->close(other.source);
}

/*
 * Claim:   whichever allocation fails, opening, reading and listing answer -ENOMEM or succeed, and
 *          a transaction is there as a whole if its commit said so, and not at all if it did not.
 * Method:  fail the first, the second, and so on until none fails (failing_malloc.h); another
 *          backend looks.
 */
Test(source_fault, no_failed_allocation_leaves_half_a_commit_in_the_table)
{
    struct sv_segment *segment = small_world();
    starve(segment, sv_table_open, 1);
    sv_segment_detach(segment);
}

/* SQLite's own allocations are among those that fail. */
static sqlite3_mem_methods sqlite_memory;

static bool runs_out(void)
{
#if FAILING_MALLOC_WORKS
    return failing_malloc_fails();
#else
    return false;
#endif
}

static void *sqlite_malloc(int bytes)
{
    return runs_out() ? NULL : sqlite_memory.xMalloc(bytes);
}

static void *sqlite_realloc(void *old, int bytes)
{
    return runs_out() ? NULL : sqlite_memory.xRealloc(old, bytes);
}

static void starve_sqlite(void)
{
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory), SQLITE_OK);
    sqlite3_mem_methods starved = sqlite_memory;
    starved.xMalloc = sqlite_malloc;
    starved.xRealloc = sqlite_realloc;
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &starved), SQLITE_OK);
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK); /* nothing aside */
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0), SQLITE_OK);
}

/* The same, of SQLite's own allocations too. */
Test(source_fault, no_failed_allocation_leaves_half_a_commit_in_sqlite)
{
    struct sv_segment *segment = small_world();
    starve_sqlite();
    make_directory();
    starve(segment, open_file, 20);
    sv_segment_detach(segment);
    remove_directory();
}

/*
 * Claim:   a commit that fails before COMMIT is rolled back: -EIO, nothing is there, and the write
 *          lock is free for others.
 */
Test(source_fault, a_failed_commit_of_sqlite_is_rolled_back)
{
    struct sv_segment *segment = small_world();
    make_directory();
    struct seat mine = {.self = join(segment)};
    struct seat other = {.self = join(segment)};
    cr_assert_eq(open_file(mine.self, &mine.source), 0);
    cr_assert_eq(open_file(other.self, &other.source), 0);
    (void)sqlite3_busy_timeout(database_of(other.source), 50);
    cr_assert_eq(set_all(&mine, "old"), 0);
    struct run run;
    run_start(&run, 1, "- {point: sqlite/commit/before, hit: 1, action: fail}\n");
    injector_enter(&run.context, &run.injector, 0);
    cr_assert_eq(set_all(&mine, "new"), -EIO);
    expect_all(&other, "old");
    cr_assert_eq(set_all(&other, "free"), 0);
    cr_assert_eq(set_all(&mine, "again"), 0);
    injector_leave();
    cr_assert_eq(fired(&run, ACTION_FAIL), 1);
    expect_all(&other, "again");
    sv_backend_detach(mine.self);
    sv_backend_detach(other.self);
    mine.source->close(mine.source);
    other.source->close(other.source);
    sv_segment_detach(segment);
    remove_directory();
}

/* Where a writer is killed, and what the others find then. */
struct death {
    struct run run;
    int (*open)(struct sv_backend *self, struct sv_source **source);
};

static int set_and_die(struct sv_segment *segment, void *argument)
{
    struct death *death = argument;
    struct seat seat = {0};
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        death->open(seat.self, &seat.source) != 0) {
        return 1;
    }
    injector_enter(&death->run.context, &death->run.injector, 0);
    (void)set_all(&seat, "new");
    return 2; /* it should be dead */
}

/*
 * Claim:   dying at a point of a commit means what the catalogue says it means.
 * Method:  a child is killed at each in turn; a survivor reads and then writes.
 */
Test(source_fault, dying_at_a_point_of_a_commit_means_what_the_catalogue_says)
{
    static const struct {
        const char *point;
        uint32_t hit;
        const char *found;
        bool is_table;
    } deaths[] = {
        {"table/commit/recorded", 1, "old", true}, {"table/commit/counted", 1, "new", true},
        {"table/apply/row", 1, "new", true},       {"table/apply/row", ROWS - 1, "new", true},
        {"table/apply/after", 1, "new", true},     {"sqlite/commit/before", 1, "old", false},
        {"sqlite/commit/after", 1, "new", false},
    };

    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct sv_segment *segment = small_world();
        struct death death = {.open = deaths[i].is_table ? sv_table_open : open_file};
        char faults[128];
        (void)snprintf(faults, sizeof(faults), "- {backend: 0, point: %s, hit: %u, action: kill}\n",
                       deaths[i].point, deaths[i].hit);
        make_directory();
        struct seat seat = {.self = join(segment)};
        cr_assert_eq(death.open(seat.self, &seat.source), 0);
        cr_assert_eq(set_all(&seat, "old"), 0);
        seat.source->close(seat.source); /* SQLite's does not survive fork */
        run_start(&death.run, 1, faults);
        const int status = reap(fork_child(set_and_die, segment, &death));
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %x",
                  deaths[i].point, status);
        cr_assert_eq(death.open(seat.self, &seat.source), 0);
        expect_all(&seat, deaths[i].found);
        cr_assert_eq(set_all(&seat, "next"), 0);
        expect_all(&seat, "next");
        cr_assert_eq(sv_backend_settle_dead(segment), 1);
        sv_backend_detach(seat.self);
        seat.source->close(seat.source);
        sv_segment_detach(segment);
        remove_directory();
    }
}
