/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What every source must do (sinval/source.h), judged for each of them by the same code.
 *
 * Two seats, each a backend with a source of its own over the same rows. A suite says how to take
 * them, and SOURCE_CONTRACT gives it the tests.
 */
#ifndef SINVAL_TESTS_SOURCE_SUPPORT_H
#define SINVAL_TESTS_SOURCE_SUPPORT_H

#include <stdio.h>

#include "faults/random.h"
#include "support.h"

#define RELATION 7

struct seat {
    struct sv_backend *self;
    struct sv_source *source;
};

struct seats {
    struct sv_segment *segment;
    struct seat mine;
    struct seat other;
};

/* One key, or two. The strings must stay. */
static inline struct sv_keys keys_of(const char *first, const char *second)
{
    struct sv_keys keys = {.count = second != NULL ? 2 : 1};
    keys.key[0] = (struct sv_key){first, (uint32_t)strlen(first)};
    if (second != NULL) {
        keys.key[1] = (struct sv_key){second, (uint32_t)strlen(second)};
    }
    return keys;
}

/* value NULL: delete. */
static inline int write_row(const struct seat *seat, uint32_t relation, struct sv_keys keys,
                            const char *value)
{
    const struct sv_tuple tuple = {.data = value,
                                   .size_bytes = value != NULL ? (uint32_t)strlen(value) : 0};
    return seat->source->write(seat->source, seat->self, relation, &keys,
                               value != NULL ? &tuple : NULL);
}

/* Inside a transaction, through the library. */
static inline void put(const struct seat *seat, struct sv_keys keys, const char *value)
{
    const struct sv_tuple tuple = {.data = value,
                                   .size_bytes = value != NULL ? (uint32_t)strlen(value) : 0};
    const int result =
        sv_source_write(seat->self, seat->source, RELATION, &keys, value != NULL ? &tuple : NULL);
    cr_assert_eq(result, 0, "sv_source_write gives %d", result);
}

static inline void begin(const struct seat *seat)
{
    cr_assert_eq(sv_transaction_begin(seat->self, NULL), 0);
}

static inline uint64_t commit(const struct seat *seat)
{
    cr_assert_eq(sv_transaction_commit(seat->self), 0);
    return sv_transaction_version(seat->self);
}

/* One row, in a transaction of its own. Returns: its version. */
static inline uint64_t set_row(const struct seat *seat, struct sv_keys keys, const char *value)
{
    begin(seat);
    put(seat, keys, value);
    return commit(seat);
}

/* What a visitor saw: "key,key=value " for each row, in the order of the visits. */
struct seen {
    char text[4096];
    size_t used_bytes;
    uint32_t count;
    uint64_t version; /* of the last row */
    int answer;       /* what the visitor is to return */
};

static inline void seen_add(struct seen *seen, const void *data, uint32_t size_bytes, char end)
{
    cr_assert_lt(seen->used_bytes + size_bytes + 2, sizeof(seen->text));
    if (size_bytes != 0) {
        memcpy(seen->text + seen->used_bytes, data, size_bytes);
    }
    seen->used_bytes += size_bytes;
    seen->text[seen->used_bytes++] = end;
    seen->text[seen->used_bytes] = '\0';
}

static inline int see(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct seen *seen = argument;
    for (uint32_t i = 0; i < keys->count; i++) {
        seen_add(seen, keys->key[i].data, keys->key[i].size_bytes, i + 1 < keys->count ? ',' : '=');
    }
    seen_add(seen, tuple->data, tuple->size_bytes, ' ');
    seen->count++;
    seen->version = tuple->version;
    return seen->answer;
}

static inline int read_row(const struct seat *seat, uint32_t relation, struct sv_keys keys,
                           struct seen *seen)
{
    return seat->source->read(seat->source, seat->self, relation, &keys, see, seen);
}

static inline int list_rows(const struct seat *seat, uint32_t relation, struct sv_keys keys,
                            struct seen *seen)
{
    return seat->source->list(seat->source, seat->self, relation, &keys, see, seen);
}

/* text: "key,key=value ", or NULL for no row. */
static inline void expect_row(const struct seat *seat, struct sv_keys keys, const char *text,
                              uint64_t version)
{
    struct seen seen = {0};
    const int result = read_row(seat, RELATION, keys, &seen);
    cr_assert_eq(result, text != NULL ? 0 : SV_NOT_FOUND, "read gives %d", result);
    if (text != NULL) {
        cr_assert_str_eq(seen.text, text);
        cr_assert_eq(seen.version, version, "%s has version %" PRIu64 ", not %" PRIu64, text,
                     seen.version, version);
    }
}

static inline uint32_t count_rows(const struct seat *seat, struct sv_keys prefix)
{
    struct seen seen = {0};
    cr_assert_eq(list_rows(seat, RELATION, prefix, &seen), 0);
    return seen.count;
}

/* Every row of the list, in any order, and no other. */
static inline void expect_list(const struct seat *seat, struct sv_keys prefix, uint32_t count,
                               const char *const *rows)
{
    struct seen seen = {0};
    const int result = list_rows(seat, RELATION, prefix, &seen);
    cr_assert_eq(result, 0, "list gives %d", result);
    cr_assert_eq(seen.count, count, "rows are \"%s\"", seen.text);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_not_null(strstr(seen.text, rows[i]), "no \"%s\" in \"%s\"", rows[i], seen.text);
    }
}

static const struct sv_keys every_row = {0};

/* ---- the contract ---------------------------------------------------------------------------- */

static inline void check_commit_is_seen(const struct seat *mine, const struct seat *other)
{
    const struct sv_keys key = keys_of("a", NULL);
    begin(mine);
    put(mine, key, "one");
    expect_row(mine, key, "a=one ", 0);
    expect_row(other, key, NULL, 0);
    const uint64_t first = commit(mine);
    cr_assert_gt(first, 0);
    expect_row(mine, key, "a=one ", first);
    expect_row(other, key, "a=one ", first);

    const uint64_t second = set_row(other, key, "two");
    cr_assert_gt(second, first, "versions grow with commits, whoever makes them");
    expect_row(mine, key, "a=two ", second);

    begin(mine);
    put(mine, key, NULL);
    expect_row(mine, key, NULL, 0);
    expect_row(other, key, "a=two ", second);
    cr_assert_gt(commit(mine), second);
    expect_row(other, key, NULL, 0);
    begin(other);
    put(other, key, NULL);
    (void)commit(other);
    expect_row(mine, key, NULL, 0);
}

static inline void check_rollback(const struct seat *mine, const struct seat *other)
{
    const struct sv_keys key = keys_of("a", NULL);
    const uint64_t version = set_row(mine, key, "kept");
    begin(mine);
    put(mine, key, "gone");
    put(mine, keys_of("b", NULL), "gone");
    sv_transaction_rollback(mine->self);
    expect_row(mine, key, "a=kept ", version);
    expect_row(mine, keys_of("b", NULL), NULL, 0);
    cr_assert_gt(set_row(other, key, "next"), version, "nobody is kept out by what was undone");
}

static inline void check_lists(const struct seat *mine, const struct seat *other)
{
    begin(mine);
    put(mine, keys_of("a", "1"), "x");
    put(mine, keys_of("a", "2"), "y");
    put(mine, keys_of("ab", "1"), "z");
    put(mine, keys_of("a", NULL), "one key");
    cr_assert_eq(write_row(mine, RELATION + 1, keys_of("a", "1"), "elsewhere"), 0);
    (void)commit(mine);
    expect_list(other, every_row, 4, (const char *[]){"a,1=x ", "a,2=y ", "ab,1=z ", "a=one key "});
    expect_list(other, keys_of("a", NULL), 3, (const char *[]){"a,1=x ", "a,2=y ", "a=one key "});
    expect_list(other, keys_of("a", "2"), 1, (const char *[]){"a,2=y "});
    expect_list(other, keys_of("b", NULL), 0, NULL);

    begin(other);
    put(other, keys_of("a", "1"), NULL);
    put(other, keys_of("a", "2"), "Y");
    put(other, keys_of("a", "3"), "Z");
    expect_list(other, keys_of("a", NULL), 3, (const char *[]){"a,2=Y ", "a,3=Z ", "a=one key "});
    cr_assert_eq(count_rows(mine, keys_of("a", NULL)), 3);
    expect_list(mine, keys_of("a", "1"), 1, (const char *[]){"a,1=x "});
    sv_transaction_rollback(other->self);
}

static inline void check_keys_are_bytes(const struct seat *mine, const struct seat *other)
{
    const struct sv_keys different[] = {
        keys_of("ab", "c"),
        keys_of("a", "bc"),
        keys_of("abc", NULL),
        keys_of("abc", ""),
        keys_of("", "abc"),
        keys_of("", ""),
        keys_of("", NULL),
        {.count = 1, .key = {{"\0", 1}}},
        {.count = 1, .key = {{"\0\0", 2}}},
        {.count = 2, .key = {{"\xff\0", 2}, {NULL, 0}}},
        {.count = 4, .key = {{"", 0}, {"", 0}, {"", 0}, {"", 0}}},
    };

    enum { COUNT = sizeof(different) / sizeof(different[0]) };

    char values[COUNT][8];
    begin(mine);
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(values[i], sizeof(values[i]), "=%u ", i);
        values[i][strlen(values[i]) - 1] = '\0';
        put(mine, different[i], values[i]);
    }
    (void)commit(mine);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct seen seen = {0};
        cr_assert_eq(read_row(other, RELATION, different[i], &seen), 0, "row %u", i);
        const size_t length = strlen(values[i]);
        cr_assert_eq(memcmp(seen.text + seen.used_bytes - 1 - length, values[i], length), 0,
                     "row %u has the value of another", i);
    }
    cr_assert_eq(count_rows(other, every_row), COUNT);
    set_row(mine, keys_of("empty", NULL), "");
    expect_row(other, keys_of("empty", NULL), "empty= ", sv_transaction_version(mine->self));
}

static inline void check_refusals(const struct seat *mine, const struct seat *other)
{
    (void)other;
    char bytes[SV_KEY_BYTES_MAX + 1];
    memset(bytes, 'k', sizeof(bytes));
    const struct sv_keys bad[] = {
        {.count = 0},
        {.count = SV_KEYS_MAX + 1},
        {.count = 1, .key = {{bytes, SV_KEY_BYTES_MAX + 1}}},
        {.count = 2, .key = {{bytes, SV_KEY_BYTES_MAX}, {bytes, 1}}},
        {.count = 1, .key = {{NULL, 1}}},
    };
    struct seen seen = {0};
    begin(mine);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(write_row(mine, RELATION, bad[i], "value"), -EINVAL, "keys %u", i);
        cr_assert_eq(read_row(mine, RELATION, bad[i], &seen), -EINVAL, "keys %u", i);
        if (bad[i].count != 0) {
            cr_assert_eq(list_rows(mine, RELATION, bad[i], &seen), -EINVAL, "keys %u", i);
        }
    }
    const struct sv_keys largest = {
        .count = 4, .key = {{bytes, SV_KEY_BYTES_MAX - 3}, {bytes, 1}, {bytes, 1}, {bytes, 1}}};
    put(mine, largest, "fits");
    (void)commit(mine);
    cr_assert_eq(count_rows(mine, every_row), 1);
    cr_assert_eq(read_row(mine, RELATION, largest, &seen), 0);
}

/* A visitor that does to the source whatever it could trip over. */
struct meddler {
    const struct seat *mine;
    const struct seat *other;
    uint32_t visits;
};

static inline int meddle(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct meddler *meddler = argument;
    struct seen again = {0};
    meddler->visits++;
    cr_assert_eq(read_row(meddler->mine, RELATION, *keys, &again), 0);
    cr_assert_eq(tuple->version, again.version);
    cr_assert_eq(count_rows(meddler->mine, every_row), 3);
    cr_assert_eq(write_row(meddler->mine, RELATION, *keys, "changed"), 0);
    cr_assert_eq(tuple->size_bytes, 3);
    cr_assert_eq(memcmp(tuple->data, "old", 3), 0, "the tuple changed under its visitor");
    return 0;
}

static inline void check_visitors(const struct seat *mine, const struct seat *other)
{
    const struct sv_keys rows[] = {keys_of("a", "1"), keys_of("a", "2"), keys_of("b", "1")};
    begin(mine);
    for (uint32_t i = 0; i < 3; i++) {
        put(mine, rows[i], "old");
    }
    (void)commit(mine);
    begin(mine);
    put(mine, rows[2], "old");
    struct meddler meddler = {.mine = mine, .other = other};
    cr_assert_eq(
        mine->source->list(mine->source, mine->self, RELATION, &every_row, meddle, &meddler), 0);
    cr_assert_eq(meddler.visits, 3);
    expect_row(mine, rows[0], "a,1=changed ", 0);
    sv_transaction_rollback(mine->self);

    struct seen seen = {.answer = -EINTR};
    cr_assert_eq(list_rows(mine, RELATION, every_row, &seen), -EINTR);
    cr_assert_eq(seen.count, 1, "a list goes on after its visitor has stopped it");
    seen.answer = 42;
    cr_assert_eq(read_row(mine, RELATION, rows[0], &seen), 42);
}

static inline void check_versions_of_readers(const struct seat *mine, const struct seat *other)
{
    begin(mine);
    cr_assert_eq(sv_transaction_enlist(mine->self, mine->source), 0);
    expect_row(mine, keys_of("a", NULL), NULL, 0);
    set_row(other, keys_of("a", NULL), "new");
    expect_row(mine, keys_of("a", NULL), "a=new ", sv_transaction_version(other->self));
    uint64_t version = 1;
    cr_assert_eq(mine->source->commit(mine->source, mine->self, &version), 0);
    cr_assert_eq(version, 0, "nothing was written, and yet it has version %" PRIu64, version);
    (void)commit(mine);
}

/* ---- any order of operations, against a model ------------------------------------------------ */

enum { MODEL_ROWS = 12, MODEL_LEVELS = 5, MODEL_STEPS = 3000 };

struct model {
    uint32_t level; /* 0: no transaction */
    uint32_t committed[MODEL_ROWS];
    uint32_t rows[MODEL_LEVELS + 1][MODEL_ROWS]; /* by level; 0: no such row */
    uint32_t done[8];                            /* operations, by kind */
};

static inline struct sv_keys model_key(uint32_t row)
{
    static const char *const first[] = {"x", "y", "z"};
    static const char *const second[] = {"", "1", "22", "333"};
    return keys_of(first[row % 3], second[row / 3]);
}

static inline void model_check(const struct seat *seat, const uint32_t *rows, uint32_t step)
{
    uint32_t there = 0;
    for (uint32_t row = 0; row < MODEL_ROWS; row++) {
        struct seen seen = {0};
        char value[16];
        const int result = read_row(seat, RELATION, model_key(row), &seen);
        there += rows[row] != 0;
        (void)snprintf(value, sizeof(value), "=%u ", rows[row]);
        cr_assert_eq(result, rows[row] != 0 ? 0 : SV_NOT_FOUND, "step %u row %u", step, row);
        cr_assert(result != 0 || strstr(seen.text, value) != NULL, "step %u row %u: %s", step, row,
                  seen.text);
    }
    cr_assert_eq(count_rows(seat, every_row), there, "step %u", step);
}

static inline void model_write(struct model *model, const struct seat *mine, struct random *random)
{
    const uint32_t row = random_below(random, MODEL_ROWS);
    const uint32_t value = random_below(random, 3) == 0 ? 0 : 1 + random_below(random, 100000);
    char text[16];
    (void)snprintf(text, sizeof(text), "%u", value);
    put(mine, model_key(row), value != 0 ? text : NULL);
    model->rows[model->level][row] = value;
}

static inline void model_end_level(struct model *model, const struct seat *mine, bool keep)
{
    if (model->level > 1) {
        if (keep) {
            cr_assert_eq(sv_subtransaction_release(mine->self), 0);
            memcpy(model->rows[model->level - 1], model->rows[model->level],
                   sizeof(model->rows[0]));
        } else {
            sv_subtransaction_rollback(mine->self);
        }
        model->level--;
        return;
    }
    if (keep) {
        (void)commit(mine);
        memcpy(model->committed, model->rows[1], sizeof(model->committed));
    } else {
        sv_transaction_rollback(mine->self);
    }
    model->level = 0;
}

static inline void model_step(struct model *model, const struct seat *mine, struct random *random)
{
    if (model->level == 0) {
        begin(mine);
        model->level = 1;
        memcpy(model->rows[1], model->committed, sizeof(model->committed));
        return;
    }
    const uint32_t kind = random_below(random, 8);
    model->done[kind]++;
    if (kind == 0 && model->level < MODEL_LEVELS) {
        cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
        memcpy(model->rows[model->level + 1], model->rows[model->level], sizeof(model->rows[0]));
        model->level++;
    } else if (kind <= 2) {
        model_end_level(model, mine, kind == 1);
    } else {
        model_write(model, mine, random);
    }
}

static inline void check_any_order(const struct seat *mine, const struct seat *other)
{
    struct random random = random_branch(1, 0, RANDOM_TEST);
    struct model model = {0};
    for (uint32_t step = 0; step < MODEL_STEPS; step++) {
        model_step(&model, mine, &random);
        model_check(mine, model.level != 0 ? model.rows[model.level] : model.committed, step);
        model_check(other, model.committed, step);
    }
    for (uint32_t kind = 0; kind < 8; kind++) {
        cr_assert_gt(model.done[kind], MODEL_STEPS / 20, "operation %u was hardly tried", kind);
    }
    if (model.level != 0) {
        sv_transaction_rollback(mine->self);
    }
}

/* ---- the tests ------------------------------------------------------------------------------- */

/* Give the suite the contract's tests; seats_take and seats_leave are its own. */
#define SOURCE_CLAIM(suite, claim, check)  \
    Test(suite, claim)                     \
    {                                      \
        struct seats seats = seats_take(); \
        check(&seats.mine, &seats.other);  \
        seats_leave(&seats);               \
    }

#define SOURCE_CONTRACT(suite)                                                                   \
    SOURCE_CLAIM(suite, a_commit_is_seen_by_all_and_not_before, check_commit_is_seen)            \
    SOURCE_CLAIM(suite, a_rollback_leaves_nothing, check_rollback)                               \
    SOURCE_CLAIM(suite, a_list_takes_any_number_of_first_keys, check_lists)                      \
    SOURCE_CLAIM(suite, keys_are_bytes_and_their_bounds_count, check_keys_are_bytes)             \
    SOURCE_CLAIM(suite, bad_keys_are_refused_and_the_largest_fit, check_refusals)                \
    SOURCE_CLAIM(suite, a_visitor_may_read_and_write_and_stop, check_visitors)                   \
    SOURCE_CLAIM(suite, a_reader_sees_the_newest_and_commits_nothing, check_versions_of_readers) \
    SOURCE_CLAIM(suite, levels_agree_with_a_model_in_any_order, check_any_order)

#endif
