/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A worker that reads and writes rows through its caches, inside the transactions workload.
 *
 * It keeps a model of what it has written in its open transaction, with an undo log for the levels,
 * so that it knows what it must see of its own.
 */
#ifndef SINVAL_FAULTS_TRANSACTOR_H
#define SINVAL_FAULTS_TRANSACTOR_H

#include "faults/reads.h"
#include "faults/workload.h"

#define TRANSACTOR_LEVELS_MAX 4
#define TRANSACTOR_WRITES_MAX BIRTH_WRITES_MAX

/* A row as the open transaction left it. */
struct own_row {
    enum own_write write;
    uint32_t serial;
};

struct undo {
    uint32_t key;
    struct own_row before;
};

struct transactor {
    struct sv_source *source;
    struct sv_catcache *cache;
    struct sv_relcache *relcache;
    struct own_row *own; /* keys */
    uint8_t *checked; /* births whose last writes were looked for, see transactor_check_settled */
    uint32_t settled; /* as in the control area, when it was last looked at */

    /* The open transaction. */
    uint32_t transaction; /* its number in this birth, from 1; 0: none is open */
    uint32_t transactions;
    uint32_t serial;
    uint32_t level;                         /* 0: no subtransaction */
    bool doomed[TRANSACTOR_LEVELS_MAX + 1]; /* will be rolled back */
    uint32_t mark[TRANSACTOR_LEVELS_MAX + 1];
    struct undo undo[TRANSACTOR_WRITES_MAX];
    uint32_t undo_count;
    uint32_t announced; /* messages of the application, to be sent at commit */
    uint32_t messages;  /* of any kind, at most */
    bool committed;     /* the last one was */

    struct sv_relation *cursor; /* kept open from step to step */
    uint32_t cursor_group;
};

/* The members of a group of rows, as a relation is built of them. */
struct row_group {
    struct row_read rows[ROW_GROUP_MEMBERS];
    uint32_t count;
};

static inline struct transactor *transactor_of(const struct worker *worker)
{
    return worker->own;
}

/* Each reads after an accept, and judges (O1). A read that is refused on purpose is none. */
SV_NODISCARD int transactor_read(struct worker *worker, uint32_t key);
SV_NODISCARD int transactor_read_list(struct worker *worker, uint32_t group);
SV_NODISCARD int transactor_read_relation(struct worker *worker, uint32_t group);

/*
 * Open a relation and keep it, or see whether the one that is kept was rebuilt; now and then close.
 */
SV_NODISCARD int transactor_use_cursor(struct worker *worker);
void transactor_close_cursor(struct worker *worker);

/*
 * Those who died and were settled: what their last commit wrote and nobody has written since must
 * be seen after an accept, though that commit returned to nobody (K2). Outside a transaction.
 */
SV_NODISCARD int transactor_check_settled(struct worker *worker);

/* Everything is quiet: does the cache say what the source says? */
SV_NODISCARD int transactor_compare(struct worker *worker, uint32_t key);

/* ---- besides reading ------------------------------------------------------------------------ */

#define ANSWER_ROLL_BACK 1 /* of an operation: the transaction must end here */

/* Each returns 0, or an enum worker_exit; where it says so also ANSWER_ROLL_BACK. */

/* Draw an id and begin; worker->refused: none is open. */
SV_NODISCARD int transactor_begin(struct worker *worker);

/* A level, doomed or not; its end, as that says. close: ANSWER_ROLL_BACK. */
SV_NODISCARD int transactor_open_level(struct worker *worker);
SV_NODISCARD int transactor_close_level(struct worker *worker);

/* Write or delete a row, and end the command. ANSWER_ROLL_BACK. */
SV_NODISCARD int transactor_write(struct worker *worker, uint32_t key, bool delete);

/* Only one seat may delete a given row: see faults/reads.c. */
bool transactor_may_delete(const struct worker *worker, uint32_t key);

/* A message of the application to go with the commit; one that nothing here depends on. */
SV_NODISCARD int transactor_announce(struct worker *worker);
SV_NODISCARD int transactor_invalidate_other(struct worker *worker);

/* A commit that is refused on purpose has rolled back. */
SV_NODISCARD int transactor_commit(struct worker *worker);
void transactor_roll_back(struct worker *worker);

/* inner, with reads that accept messages now and then; its close closes inner. NULL: no memory. */
struct sv_source *transactor_wrap_source(struct worker *worker, struct sv_source *inner);

/* The relcache over groups. Returns: 0; -ENOMEM. */
SV_NODISCARD int transactor_open_relations(struct worker *worker);

#endif
