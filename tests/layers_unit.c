/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sources above sources: one that writes to another when a level is released, or when the
 * transaction ends; and levels whose release failed half way. What is written stays with the level
 * at which it was written, or is refused.
 */
#include <errno.h>

#include "cache_scene.h"

TestSuite(layers_unit, .timeout = 30);

/* Two sources over one store: upper is enlisted after lower, and may write to it. */
struct layers {
    struct scene scene;
    struct fake *lower;
    struct fake *upper;
    const char *value; /* what upper writes to row "b" of lower; NULL: nothing */
    int answer;        /* and what that write answered */
    bool once;         /* it does so only once */
};

static struct layers *layers_of(struct sv_source *source)
{
    return fake_of(source)->argument;
}

static void write_below(struct sv_source *source, struct sv_backend *self)
{
    struct layers *layers = layers_of(source);
    if (layers->value != NULL) {
        layers->answer = write_row(self, layers->lower, KEYS("b"), layers->value);
        layers->value = layers->once ? NULL : layers->value;
    }
}

static int release_and_write(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    write_below(source, self);
    return fake_release(source, self, level);
}

static int commit_and_write(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    write_below(source, self);
    return fake_commit(source, self, version);
}

static void roll_back_and_write(struct sv_source *source, struct sv_backend *self)
{
    write_below(source, self);
    fake_rollback(source, self);
}

/* A transaction in which both sources are enlisted, with a level. */
static struct layers *set_up_layers(void)
{
    struct layers *layers = calloc(1, sizeof(*layers));
    cr_assert_not_null(layers);
    layers->scene = set_up(1, 0);
    layers->lower = layers->scene.fake;
    layers->upper = fake_open(store_new());
    layers->upper->argument = layers;
    layers->once = true;
    struct sv_backend *self = layers->scene.reader;
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    cr_assert_eq(sv_transaction_enlist(self, &layers->lower->source), 0);
    cr_assert_eq(sv_transaction_enlist(self, &layers->upper->source), 0);
    cr_assert_eq(sv_subtransaction_begin(self), 0);
    cr_assert_eq(write_row(self, layers->lower, KEYS("a"), "one"), 0);
    return layers;
}

static void tear_down_layers(struct layers *layers)
{
    tear_down(&layers->scene);
    free(layers->upper->store);
    free(layers->upper);
    free(layers);
}

/* The row of lower's store, as everybody sees it. */
static const char *stored(const struct layers *layers, const char *key)
{
    const struct fake_store *store = layers->lower->store;
    for (uint32_t i = 0; i < store->count; i++) {
        if (strcmp(store->rows[i].keys[0], key) == 0) {
            return store->rows[i].value;
        }
    }
    return "";
}

static void roll_a_level_back(struct sv_backend *self)
{
    cr_assert_eq(sv_subtransaction_begin(self), 0);
    sv_subtransaction_rollback(self);
}

/*
 * Claim:   what is written between a release that failed and the one that goes on is handed to the
 *          parent, too: a later level that is rolled back does not take it with it.
 */
Test(layers_unit, a_write_after_a_release_that_failed_is_handed_on)
{
    struct layers *layers = set_up_layers();
    struct sv_backend *self = layers->scene.reader;
    layers->upper->fail_release = -EIO;
    cr_assert_eq(sv_subtransaction_release(self), -EIO);
    cr_assert_eq(write_row(self, layers->lower, KEYS("b"), "two"), 0);
    cr_assert_eq(sv_subtransaction_release(self), 0);
    roll_a_level_back(self);
    cr_assert_eq(sv_transaction_commit(self), 0);
    cr_assert_str_eq(stored(layers, "a"), "one");
    cr_assert_str_eq(stored(layers, "b"), "two");
    tear_down_layers(layers);
}

/*
 * Claim:   a level may be opened after a release that failed, and is rolled back alone.
 */
Test(layers_unit, a_level_inside_one_whose_release_failed_is_rolled_back_alone)
{
    struct layers *layers = set_up_layers();
    struct sv_backend *self = layers->scene.reader;
    layers->upper->fail_release = -EIO;
    cr_assert_eq(sv_subtransaction_release(self), -EIO);
    cr_assert_eq(sv_subtransaction_begin(self), 0);
    cr_assert_eq(write_row(self, layers->lower, KEYS("b"), "two"), 0);
    sv_subtransaction_rollback(self);
    cr_assert_eq(sv_subtransaction_release(self), 0);
    cr_assert_eq(sv_transaction_commit(self), 0);
    cr_assert_str_eq(stored(layers, "a"), "one");
    cr_assert_str_eq(stored(layers, "b"), "");
    cr_assert_str_eq(layers->lower->log, "b2 r2 b2 b3 x3 r2 c ");
    tear_down_layers(layers);
}

/*
 * Claim:   a source may write to another one while a level is released, whichever was enlisted
 *          first: that belongs to the parent then.
 */
Test(layers_unit, a_release_may_write_to_a_source_that_has_released)
{
    struct layers *layers = set_up_layers();
    struct sv_backend *self = layers->scene.reader;
    layers->upper->source.subtransaction_release = release_and_write;
    layers->value = "two";
    cr_assert_eq(sv_subtransaction_release(self), 0);
    cr_assert_eq(layers->answer, 0);
    roll_a_level_back(self);
    cr_assert_eq(sv_transaction_commit(self), 0);
    cr_assert_str_eq(stored(layers, "b"), "two");
    tear_down_layers(layers);
}

/* Claim: two that write to each other with each release are an error, and no endless loop. */
Test(layers_unit, releases_that_never_end_are_an_error)
{
    struct layers *layers = set_up_layers();
    struct sv_backend *self = layers->scene.reader;
    layers->upper->source.subtransaction_release = release_and_write;
    layers->lower->source.subtransaction_release = release_and_write;
    layers->lower->argument = layers;
    layers->value = "two";
    layers->once = false;
    struct layers other = *layers;
    other.lower = layers->upper;
    layers->lower->argument = &other;
    cr_assert_eq(sv_subtransaction_release(self), -ELOOP);
    sv_transaction_rollback(self);
    tear_down_layers(layers);
}

/*
 * Claim:   a source takes no write once it has committed or been rolled back: nobody would commit
 *          that, or a later transaction would.
 * Method:  the upper one writes below in its commit, and in its rollback; then a transaction of the
 *          lower one alone.
 */
Test(layers_unit, who_has_ended_takes_no_write)
{
    for (int rolls_back = 0; rolls_back < 2; rolls_back++) {
        struct layers *layers = set_up_layers();
        struct sv_backend *self = layers->scene.reader;
        cr_assert_eq(sv_subtransaction_release(self), 0);
        layers->upper->source.commit = commit_and_write;
        layers->upper->source.rollback = roll_back_and_write;
        layers->value = "two";
        if (rolls_back != 0) {
            sv_transaction_rollback(self);
        } else {
            cr_assert_eq(sv_transaction_commit(self), 0);
        }
        cr_assert_eq(layers->answer, -EINVAL, "%d", layers->answer);
        cr_assert_eq(layers->lower->staged_count, 0);
        cr_assert_eq(sv_transaction_begin(self, NULL), 0);
        cr_assert_eq(write_row(self, layers->lower, KEYS("a"), "three"), 0);
        cr_assert_eq(sv_transaction_commit(self), 0);
        cr_assert_str_eq(stored(layers, "a"), "three");
        cr_assert_str_eq(stored(layers, "b"), "");
        tear_down_layers(layers);
    }
}

static int end_command_and_fail(struct sv_source *source, struct sv_backend *self,
                                uint32_t relation, const struct sv_keys *keys,
                                const struct sv_tuple *tuple)
{
    (void)source;
    (void)relation;
    (void)keys;
    (void)tuple;
    return sv_command_end(self) != 0 ? -ENOMEM : -EIO;
}

/*
 * Claim:   a write that fails after a command has ended inside it leaves the next message where it
 *          is applied at the end of its command.
 */
Test(layers_unit, a_write_that_ends_a_command_and_fails_hides_no_message)
{
    struct layers *layers = set_up_layers();
    struct scene *s = &layers->scene;
    const struct sv_keys keys = KEYS("c");
    store_set(s->store, RELATION, keys, "old");
    cr_assert_eq(sv_command_end(s->reader), 0);
    ASSERT_VALUE(s->reader, s->cache, keys, "old");
    layers->lower->source.write = end_command_and_fail;
    cr_assert_eq(write_row(s->reader, layers->lower, KEYS("b"), "two"), -EIO);
    store_set(s->store, RELATION, keys, "new");
    cr_assert_eq(sv_invalidate_catcache(s->reader, RELATION, sv_keys_hash(&keys), true), 0);
    cr_assert_eq(sv_command_end(s->reader), 0);
    ASSERT_VALUE(s->reader, s->cache, keys, "new");
    sv_transaction_rollback(s->reader);
    tear_down_layers(layers);
}
