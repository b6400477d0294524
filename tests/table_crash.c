/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table whose writers are killed: a commit is all or nothing, at whatever instruction its
 * process, or the one that repairs after it, comes to its end.
 */
#include <stdlib.h>

#include "source_crash.h"
#include "sync/lwlock.h"

TestSuite(table_crash, .timeout = 120);

/* ---- every instruction ----------------------------------------------------------------------- */

/* The table of a segment as it was at some instruction, private, and a backend that sees it. */
struct image {
    struct sv_segment segment;
    struct sv_backend self;
    struct sv_lock_word locks[SV_LOCK_COUNT];
    struct sv_table table;
    size_t rows_bytes;
    size_t redo_bytes;
};

static void image_make(struct image *image, const struct seat *seat)
{
    *image = (struct image){.segment = *seat->self->segment};
    const struct sv_config *config = &image->segment.config;
    image->rows_bytes = config->table_rows_max * sv_table_row_stride(config);
    image->redo_bytes = config->table_writes_max * sv_table_row_stride(config);
    image->segment.table = &image->table;
    image->segment.table_rows = malloc(image->rows_bytes);
    image->segment.table_redo = malloc(image->redo_bytes);
    image->segment.locks = image->locks;
    image->self = *seat->self;
    image->self.segment = &image->segment;
    cr_assert(image->segment.table_rows != NULL && image->segment.table_redo != NULL);
}

static void image_free(const struct image *image)
{
    free(image->segment.table_rows);
    free(image->segment.table_redo);
}

/* Copy the table of one to the other. */
static void image_copy(const struct image *image, const struct sv_segment *from,
                       const struct sv_segment *to)
{
    memcpy(to->table_rows, from->table_rows, image->rows_bytes);
    memcpy(to->table_redo, from->table_redo, image->redo_bytes);
    *to->table = *from->table;
}

/* Take what is there now. Returns: whether it differs from what was there before. */
static bool image_take(struct image *image, const struct sv_segment *from)
{
    const void *now = from->table;
    const void *was = image->segment.table;
    const bool same = memcmp(image->segment.table_rows, from->table_rows, image->rows_bytes) == 0 &&
                      memcmp(image->segment.table_redo, from->table_redo, image->redo_bytes) == 0 &&
                      memcmp(now, was, sizeof(image->table)) == 0;
    image_copy(image, from, &image->segment);
    return !same;
}

enum { TABLE_ROWS = 8, BEFORE_COUNT = 4, AFTER_COUNT = 6 };

/* The rows before the commit that dies, and after it. */
static const char *const before[BEFORE_COUNT] = {"0=old ", "1=old ", "2=old ", "3=old "};
static const char *const after[AFTER_COUNT] = {"0=much newer ", "1=old ", "3=n ",
                                               "4=new ",        "5=new ", "6= "};

/* Four rows of one version; every other place was used and deleted. */
static void prepare(const struct seat *seat)
{
    static const char *const names[TABLE_ROWS] = {"0", "1", "2", "3", "a", "b", "c", "d"};
    begin(seat);
    for (uint32_t i = 0; i < TABLE_ROWS; i++) {
        put(seat, keys_of(names[i], NULL), "to be deleted");
    }
    (void)commit(seat);
    begin(seat);
    for (uint32_t i = 0; i < TABLE_ROWS; i++) {
        put(seat, keys_of(names[i], NULL), i < BEFORE_COUNT ? "old" : NULL);
    }
    (void)commit(seat);
}

/* An update that grows, one that shrinks, a delete, inserts. */
static void stage_all(const struct seat *seat)
{
    (void)write_row(seat, RELATION, keys_of("4", NULL), "new");
    (void)write_row(seat, RELATION, keys_of("0", NULL), "much newer");
    (void)write_row(seat, RELATION, keys_of("2", NULL), NULL);
    (void)write_row(seat, RELATION, keys_of("3", NULL), "n");
    (void)write_row(seat, RELATION, keys_of("5", NULL), "new");
    (void)write_row(seat, RELATION, keys_of("6", NULL), "");
}

/* What a survivor finds in the table: all of before, or all of after, each row where it belongs. */
static bool survey(const struct seat *seat, uint64_t version, uint64_t step)
{
    struct seen seen = {0};
    cr_assert_eq(list_rows(seat, RELATION, every_row, &seen), 0, "instruction %" PRIu64, step);
    const bool is_after = seen.count == AFTER_COUNT;
    const char *const *rows = is_after ? after : before;
    cr_assert_eq(seen.count, is_after ? AFTER_COUNT : BEFORE_COUNT, "instruction %" PRIu64 ": %s",
                 step, seen.text);
    for (uint32_t i = 0; i < seen.count; i++) {
        const char name[2] = {rows[i][0], '\0'};
        struct seen one = {0};
        cr_assert_eq(read_row(seat, RELATION, keys_of(name, NULL), &one), 0,
                     "instruction %" PRIu64 ": row %s is not found", step, name);
        cr_assert_str_eq(one.text, rows[i], "instruction %" PRIu64, step);
        cr_assert_eq(one.version, version + (is_after && name[0] != '1'),
                     "instruction %" PRIu64 ": row %s has version %" PRIu64, step, name,
                     one.version);
    }
    const struct sv_table *table = seat->self->segment->table;
    cr_assert_eq(sv_load_relaxed64(&table->version), version + is_after);
    cr_assert_eq(sv_load_relaxed32(&table->used), seen.count);
    return is_after;
}

/* The same in a copy of the table, repaired if its lock's owner had begun to change it. */
static bool survey_copy(struct image *copy, const struct sv_segment *from, uint64_t version,
                        uint64_t step)
{
    image_copy(copy, from, &copy->segment);
    struct seat seat = {.self = &copy->self};
    if (sv_load_relaxed32(&from->locks[SV_LOCK_TABLE].exclusive) & SV_LOCK_GRANTED) {
        sv_lock_classes[SV_LOCK_TABLE].repair(&copy->segment);
    }
    cr_assert_eq(sv_table_open(seat.self, &seat.source), 0);
    const bool is_after = survey(&seat, version, step);
    seat.source->close(seat.source);
    return is_after;
}

static int commit_traced(struct sv_segment *segment, void *argument)
{
    (void)argument;
    struct seat seat = {0};
    uint64_t version;
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        sv_table_open(seat.self, &seat.source) != 0) {
        return 1;
    }
    stage_all(&seat);
    be_traced();
    return seat.source->commit(seat.source, seat.self, &version);
}

static int repair_traced(struct sv_segment *segment, void *argument)
{
    (void)argument;
    be_traced();
    sv_lock_classes[SV_LOCK_TABLE].repair(segment);
    return 0;
}

static struct seats take_seats(void)
{
    struct seats seats = {.segment = world((struct sv_config){.backends_max = 4,
                                                              .capacity = 64,
                                                              .table_rows_max = TABLE_ROWS,
                                                              .table_writes_max = TABLE_ROWS,
                                                              .table_value_max = 16})};
    seats.mine.self = join(seats.segment);
    cr_assert_eq(sv_table_open(seats.mine.self, &seats.mine.source), 0);
    prepare(&seats.mine);
    return seats;
}

static void leave_seats(struct seats *seats)
{
    (void)sv_backend_settle_dead(seats->segment);
    seats->mine.source->close(seats->mine.source);
    sv_backend_detach(seats->mine.self);
    sv_segment_detach(seats->segment);
}

/*
 * Claim:   a commit whose process dies at any instruction has happened as a whole or not at all.
 * Method:  the commit is single-stepped; wherever it has changed the table, a copy of it is taken
 *          over as from a dead owner, repaired, and read. One change of the answer, from before to
 *          after, is met on the way.
 */
Test(table_crash, a_commit_killed_at_any_instruction_is_whole_or_nothing)
{
    struct seats seats = take_seats();
    const uint64_t version = sv_transaction_version(seats.mine.self);
    struct image last;
    struct image copy;
    image_make(&last, &seats.mine);
    image_make(&copy, &seats.mine);
    const pid_t child = fork_child(commit_traced, seats.segment, NULL);
    if (!wait_until_traced(child)) {
        cr_skip_test("this machine lets nobody be traced");
    }
    bool is_after = survey_copy(&copy, seats.segment, version, 0);
    cr_assert_not(is_after);
    (void)image_take(&last, seats.segment);
    uint64_t steps = 0;
    uint64_t states = 0;
    while (step_once(child, PTRACE_SINGLESTEP)) {
        steps++;
        if (image_take(&last, seats.segment)) {
            states++;
            const bool was_after = is_after;
            is_after = survey_copy(&copy, seats.segment, version, steps);
            cr_assert(is_after || !was_after, "instruction %" PRIu64 " undoes the commit", steps);
        }
    }
    cr_assert(is_after);
    cr_assert(survey(&seats.mine, version, steps));
    cr_assert_gt(states, 30, "only %" PRIu64 " states in %" PRIu64 " instructions", states, steps);
    image_free(&last);
    image_free(&copy);
    leave_seats(&seats);
}

/* Step a commit up to the wanted change of the table, and kill it there. Returns: it got there. */
static bool kill_at_state(struct seats *seats, struct image *last, uint64_t wanted)
{
    const pid_t child = fork_child(commit_traced, seats->segment, NULL);
    if (!wait_until_traced(child)) {
        cr_skip_test("this machine lets nobody be traced");
    }
    (void)image_take(last, seats->segment);
    for (uint64_t states = 0; states < wanted;) {
        if (!step_once(child, PTRACE_SINGLESTEP)) {
            return false;
        }
        states += image_take(last, seats->segment);
    }
    kill_and_reap(child);
    return true;
}

/* The repair, single-stepped: wherever it dies, the next one finishes it. */
static uint64_t repair_at_every_instruction(struct seats *seats, struct image *last,
                                            struct image *copy, uint64_t version)
{
    uint64_t steps = 0;
    const bool counts = sv_load_relaxed32(&seats->segment->table->redo_phase) == SV_REDO_COUNTS;
    const pid_t child = fork_child(repair_traced, seats->segment, NULL);
    cr_assert(wait_until_traced(child));
    (void)image_take(last, seats->segment);
    while (step_once(child, PTRACE_SINGLESTEP)) {
        steps++;
        if (image_take(last, seats->segment)) {
            cr_assert_eq(survey_copy(copy, seats->segment, version, steps), counts);
        }
    }
    return steps;
}

/*
 * Claim:   a repair that is killed at any instruction is finished by the next (K4), whatever state
 *          the commit was left in; and the lock is free for the living right after (K1).
 * Method:  commits are killed at the first, second, third change they make to the table, then in
 *          growing steps, until one gets through. Each is repaired single-stepped, as above; then
 *          the dead is taken over for good, and the table is set back.
 */
Test(table_crash, a_repair_killed_at_any_instruction_is_finished_by_the_next)
{
    struct seats seats = take_seats();
    const uint64_t version = sv_transaction_version(seats.mine.self);
    struct image start;
    struct image last;
    struct image copy;
    image_make(&start, &seats.mine);
    image_make(&last, &seats.mine);
    image_make(&copy, &seats.mine);
    image_copy(&start, seats.segment, &start.segment);
    uint64_t repaired = 0;
    uint64_t wanted = 1;
    for (; kill_at_state(&seats, &last, wanted); wanted += 1 + wanted / 4) {
        struct image left;
        image_make(&left, &seats.mine);
        image_copy(&left, seats.segment, &left.segment);
        repaired += repair_at_every_instruction(&seats, &last, &copy, version) > 200;
        image_copy(&left, &left.segment, seats.segment);
        (void)survey(&seats.mine, version, wanted); /* takes the lock over from the dead */
        cr_assert_eq(sv_backend_settle_dead(seats.segment), 1);
        image_copy(&start, &start.segment, seats.segment);
        image_free(&left);
    }
    cr_assert_gt(repaired, 3, "no commit was killed in need of a repair");
    image_free(&start);
    image_free(&last);
    image_free(&copy);
    leave_seats(&seats);
}

/* ---- many processes -------------------------------------------------------------------------- */

/*
 * Claim:   readers see each transaction as a whole or not at all, what was acknowledged stays, and
 *          nothing goes back, while writers are killed.
 * Method:  four processes and 200 kills (source_crash.h). Locks must have been taken over.
 */
Test(table_crash, readers_see_whole_transactions_while_writers_are_killed)
{
    struct sv_segment *segment = world((struct sv_config){
        .backends_max = WRITERS + 2, .table_rows_max = 16, .table_value_max = 8});
    kill_writers(segment, sv_table_open, 200);
    cr_assert_gt(counted(segment, SV_STAT_locks_taken_over), 0, "no kill hit a holder");
    sv_segment_detach(segment);
}
