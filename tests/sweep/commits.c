/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A commit that was killed is there as a whole, or not at all.
 *
 * Each birth keeps which rows its last transaction wrote or deleted. Survivors write the first rows
 * themselves; the others nobody has touched since. So of those all are as that transaction wanted
 * them, or none is.
 */
#include "tests/sweep/world.h"

/* Rows that survivors write, from the first on. */
enum { TOUCHED = 3 };

static int take_row(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    row_read_take(argument, tuple);
    return 0;
}

/* Is the row as that birth's last transaction left it? Returns: 1, 0; -errno. */
static int is_as_written(struct sv_backend *self, struct sv_source *source, uint32_t write,
                         uint32_t birth, uint32_t transaction)
{
    struct row_read read = {.key = write >> 1};
    struct row_keys keys;
    row_keys_set(&keys, read.key);
    const int result = source->read(source, self, ROW_RELATION, &keys.keys, take_row, &read);
    if (result == SV_NOT_FOUND) {
        return (write & 1) != 0;
    }
    return result != 0 ? result
                       : (write & 1) == 0 && read.value.birth == birth &&
                             read.value.transaction == transaction;
}

static bool judge_birth(const struct world *world, struct sv_backend *self,
                        struct sv_source *source, uint32_t birth, struct finding *finding)
{
    const struct birth *writer = &world->control.births[birth];
    const uint32_t transaction = sv_load_seq32(&writer->commit_begun);
    uint32_t count = 0;
    uint32_t there = 0;
    for (uint32_t i = 0; transaction != 0 && i < sv_load_seq32(&writer->write_count); i++) {
        const uint32_t write = sv_load_seq32(&writer->writes[i]);
        if (write >> 1 < TOUCHED) {
            continue;
        }
        const int result = is_as_written(self, source, write, birth, transaction);
        if (result < 0) {
            return finding_set(finding, ORACLE_O4, "reading row %u gives %d", write >> 1, result);
        }
        count++;
        there += (uint32_t)result;
    }
    return there == 0 || there == count ||
           finding_set(finding, ORACLE_O1, "of %u rows of birth %u's commit only %u are there",
                       count, birth, there);
}

bool judge_commits(const struct world *world, struct finding *finding)
{
    struct sv_backend *self = NULL;
    struct sv_source *source = NULL;
    if (world->segment->table == NULL || world->operation->sqlite) {
        return true; /* SQLite's rows are compared by those who cache them */
    }
    int result = sv_backend_attach(world->segment, NULL, &self);
    if (result != 0) {
        return finding_set(finding, ORACLE_O4, "at the end, attaching gives %d", result);
    }
    result = sv_table_open(self, &source);
    bool fine =
        result == 0 || finding_set(finding, ORACLE_O4, "at the end, the table gives %d", result);
    for (uint32_t birth = PART_VICTIM; birth < PARTS && fine; birth++) {
        fine = birth == PART_NEWCOMER || judge_birth(world, self, source, birth, finding);
    }
    if (source != NULL) {
        source->close(source);
    }
    sv_backend_detach(self);
    return fine;
}
