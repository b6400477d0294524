/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A source around another one, whose reads accept messages now and then when they have their row,
 * as a source may. So what is being loaded goes stale under the load, and must be loaded again.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "faults/transactor.h"

struct accepting {
    struct sv_source outer;
    struct sv_source *inner;
    struct worker *worker;
};

static struct sv_source *inner_of(struct sv_source *source)
{
    return ((struct accepting *)source->context)->inner;
}

/* Give others time for a commit, then take notice of it. */
static int accept_now_and_then(struct sv_source *source, struct sv_backend *self, int result)
{
    struct worker *worker = ((struct accepting *)source->context)->worker;

    if (result < 0 || random_below(&worker->random, 8) != 0) {
        return result;
    }
    (void)sched_yield();
    const int accepted = sv_accept_messages(self);
    return accepted != 0 ? accepted : result;
}

static int accepting_read(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                          const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    struct sv_source *inner = inner_of(source);

    return accept_now_and_then(source, self,
                               inner->read(inner, self, relation, keys, visit, argument));
}

static int accepting_list(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                          const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    struct sv_source *inner = inner_of(source);

    return accept_now_and_then(source, self,
                               inner->list(inner, self, relation, keys, visit, argument));
}

static int accepting_write(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                           const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct sv_source *inner = inner_of(source);

    return inner->write(inner, self, relation, keys, tuple);
}

static int accepting_begin(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    struct sv_source *inner = inner_of(source);

    return inner->subtransaction_begin(inner, self, level);
}

static int accepting_release(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    struct sv_source *inner = inner_of(source);

    return inner->subtransaction_release(inner, self, level);
}

static void accepting_subrollback(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    struct sv_source *inner = inner_of(source);

    inner->subtransaction_rollback(inner, self, level);
}

static int accepting_commit(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    struct sv_source *inner = inner_of(source);

    return inner->commit(inner, self, version);
}

static void accepting_rollback(struct sv_source *source, struct sv_backend *self)
{
    struct sv_source *inner = inner_of(source);

    inner->rollback(inner, self);
}

static void accepting_close(struct sv_source *source)
{
    struct sv_source *inner = inner_of(source);

    inner->close(inner);
    free(source->context);
}

struct sv_source *transactor_wrap_source(struct worker *worker, struct sv_source *inner)
{
    struct accepting *accepting = calloc(1, sizeof(*accepting));

    if (accepting == NULL) {
        return NULL;
    }
    *accepting = (struct accepting){
        .outer =
            {
                .name = inner->name,
                .context = accepting,
                .read = accepting_read,
                .list = accepting_list,
                .write = accepting_write,
                .subtransaction_begin =
                    inner->subtransaction_begin != NULL ? accepting_begin : NULL,
                .subtransaction_release =
                    inner->subtransaction_release != NULL ? accepting_release : NULL,
                .subtransaction_rollback =
                    inner->subtransaction_rollback != NULL ? accepting_subrollback : NULL,
                .commit = accepting_commit,
                .rollback = accepting_rollback,
                .close = accepting_close,
            },
        .inner = inner,
        .worker = worker,
    };
    return &accepting->outer;
}
