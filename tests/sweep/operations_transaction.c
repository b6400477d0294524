/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions: begin, levels, the ends of commands, commit, rollback, and messages without one.
 *
 * What is true of all of them: a death before the commit of the source leaves nothing that anybody
 * sees, nor a message that anybody must have; after it the rows are there, all of them, and every
 * survivor that had one cached is told, by the dead's own messages or its settler's, or is reset
 * where the intent says so. Judged by what survivors read after they have accepted (O1), by their
 * caches against the source when all is quiet, and by the messages that are numbered (O2).
 */
#include "tests/sweep/operations.h"
#include "tests/sweep/world.h"

enum { SOME = 20, MANY = 500, MESSAGES = 5, INTENDED = 200 };

/*
 * A backend with the table open, and a transaction that has written so many rows: the last ones,
 * for survivors write the first few themselves, and so would tell each other what is to be told.
 */
static int begin_and_write(struct actor *victim, uint32_t count, uint32_t delete_every)
{
    int result = victim->source == NULL ? actor_open_table(victim) : 0;
    result = result == 0 ? actor_begin(victim) : result;
    for (uint32_t i = 1; i <= count && result == 0; i++) {
        result = actor_write(victim, victim->world->keys - i,
                             delete_every != 0 && i % delete_every == 1);
    }
    return result;
}

/* The same, and what it writes to is in its own cache. */
static int write_what_is_cached(struct actor *victim)
{
    int result = actor_open_table(victim);
    result = result == 0 ? actor_open_cache(victim) : result;
    result = result == 0 ? actor_read_rows(victim) : result;
    return result == 0 ? begin_and_write(victim, 2, 0) : result;
}

/* ---- begin, command end, levels -------------------------------------------------------------- */

static int leave_some_unread(struct actor *victim)
{
    actor_insert(victim, MESSAGES);
    return actor_open_table(victim);
}

/* Nothing is left but a transaction id that is used up, and perhaps a position that has moved. */
static int begin(struct actor *victim)
{
    return actor_begin(victim);
}

/* Private: what the command wrote goes with its transaction. */
static int end_command(struct actor *victim)
{
    return actor_must(victim, "sv_command_end", sv_command_end(victim->self));
}

static int open_a_level(struct actor *victim)
{
    return actor_must(victim, "sv_subtransaction_begin", sv_subtransaction_begin(victim->self));
}

static int write_in_a_level(struct actor *victim)
{
    int result = write_what_is_cached(victim);
    result = result == 0 ? open_a_level(victim) : result;
    return result == 0 ? actor_write(victim, 4, false) : result;
}

/* Private, as the end of a command is. */
static int release_a_level(struct actor *victim)
{
    return actor_must(victim, "sv_subtransaction_release", sv_subtransaction_release(victim->self));
}

/* Private: what the level wrote is gone before, and nobody has seen it. */
static int roll_a_level_back(struct actor *victim)
{
    sv_subtransaction_rollback(victim->self);
    return 0;
}

/* ---- the ends -------------------------------------------------------------------------------- */

static int write_one(struct actor *victim)
{
    return begin_and_write(victim, 1, 0);
}

static int write_some(struct actor *victim)
{
    return begin_and_write(victim, SOME, 5);
}

static int write_many(struct actor *victim)
{
    return begin_and_write(victim, MANY, 7);
}

/*
 * The head of transaction.c: before the source's commit, messages for nothing at most; after it all
 * rows are new and everybody is told, perhaps twice. With more messages than an intent holds the
 * settler resets everyone instead.
 */
static int commit(struct actor *victim)
{
    return actor_commit(victim);
}

/* No message of it is sent, and no row of it seen, wherever it dies. */
static int roll_back(struct actor *victim)
{
    sv_transaction_rollback(victim->self);
    return 0;
}

static int invalidate(struct actor *victim, uint32_t count)
{
    int result = actor_begin(victim);
    actor_number(victim, count);
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result =
            actor_must(victim, "sv_invalidate_application",
                       sv_invalidate_application(victim->self, victim->messages[i].payload, true));
    }
    actor_intend(victim, count, false);
    return result;
}

static int invalidate_some(struct actor *victim)
{
    return invalidate(victim, MESSAGES);
}

static int invalidate_many(struct actor *victim)
{
    return invalidate(victim, INTENDED);
}

/* There is no source that says whether it happened: all messages or none, perhaps all twice. */
static int commit_messages(struct actor *victim)
{
    const int result = actor_must(victim, "commit", sv_transaction_commit(victim->self));
    if (result == 0) {
        actor_sent(victim);
    }
    return result;
}

/* ---- in place -------------------------------------------------------------------------------- */

static int begin_in_place(struct actor *victim)
{
    const int result = actor_begin(victim);
    actor_number(victim, 1);
    actor_intend(victim, 1, false);
    return result;
}

/* From its return on the message is told, whatever happens; before, it may be. */
static int change_in_place(struct actor *victim)
{
    const int result = actor_must(victim, "sv_invalidate_in_place",
                                  sv_invalidate_in_place(victim->self, victim->messages));
    actor_promised(victim);
    return result;
}

static int changed_in_place(struct actor *victim)
{
    const int result = begin_in_place(victim);
    return result == 0 ? change_in_place(victim) : result;
}

/* A rollback sends it: it is told wherever that dies. */
static int roll_back_in_place(struct actor *victim)
{
    sv_transaction_rollback(victim->self);
    actor_sent(victim);
    return 0;
}

/* And so is a commit, which sends it behind the row's. */
static int changed_and_written(struct actor *victim)
{
    const int result = begin_and_write(victim, 1, 0);
    actor_number(victim, 1);
    actor_intend(victim, 1, false);
    return result == 0 ? change_in_place(victim) : result;
}

static int commit_in_place(struct actor *victim)
{
    const int result = actor_commit(victim);
    actor_sent(victim);
    return result;
}

/* ---- messages without a transaction ---------------------------------------------------------- */

static int number_some(struct actor *victim)
{
    actor_number(victim, MESSAGES);
    actor_intend(victim, MESSAGES, false);
    return 0;
}

static int number_too_many(struct actor *victim)
{
    actor_number(victim, 200);
    actor_intend(victim, 200, true);
    return 0;
}

/* All of them or none; all of them twice; more than an intent holds: everyone is reset instead. */
static int send(struct actor *victim)
{
    sv_send_messages(victim->self, victim->messages, victim->inserted);
    actor_sent(victim);
    return 0;
}

const struct operation operations_transaction[] = {
    {
        .name = "begin",
        .text = "begin of a transaction, which accepts five messages",
        .prepare = leave_some_unread,
        .run = begin,
    },
    {
        .name = "command-end",
        .text = "end of a command that wrote two cached rows",
        .prepare = write_what_is_cached,
        .run = end_command,
    },
    {
        .name = "subtransaction-begin",
        .text = "begin of a level inside a transaction",
        .prepare = write_what_is_cached,
        .run = open_a_level,
    },
    {
        .name = "subtransaction-release",
        .text = "release of a level that wrote a row",
        .prepare = write_in_a_level,
        .run = release_a_level,
    },
    {
        .name = "subtransaction-rollback",
        .text = "rollback of a level that wrote a row",
        .prepare = write_in_a_level,
        .run = roll_a_level_back,
    },
    {
        .name = "commit-1",
        .text = "commit of one row to the table",
        .prepare = write_one,
        .run = commit,
    },
    {
        .name = "commit-20",
        .text = "commit of 20 rows, four of them deleted",
        .keys = SOME,
        .config = {.table_rows_max = 64},
        .prepare = write_some,
        .run = commit,
    },
    {
        .name = "commit-500",
        .text = "commit of 500 rows; the intent is to reset everyone",
        .keys = MANY,
        .config = {.capacity = 2048, .table_rows_max = 1024, .table_writes_max = MANY},
        .resets = true,
        .prepare = write_many,
        .run = commit,
    },
    {
        .name = "commit-invalidate",
        .text = "commit of five messages and no source",
        .prepare = invalidate_some,
        .run = commit_messages,
    },
    {
        .name = "commit-invalidate-200",
        .text = "commit of 200 messages and no source; the intent names them all",
        .config = {.capacity = 1024, .intent_max = INTENDED},
        .prepare = invalidate_many,
        .run = commit_messages,
    },
    {
        .name = "rollback",
        .text = "rollback of 20 rows",
        .keys = SOME,
        .config = {.table_rows_max = 64},
        .prepare = write_some,
        .run = roll_back,
    },
    {
        .name = "in-place",
        .text = "the promise of a message that no rollback takes back",
        .prepare = begin_in_place,
        .run = change_in_place,
    },
    {
        .name = "in-place-rollback",
        .text = "rollback of a transaction that has promised one",
        .prepare = changed_in_place,
        .run = roll_back_in_place,
    },
    {
        .name = "in-place-commit",
        .text = "commit of a row by one that has promised a message",
        .prepare = changed_and_written,
        .run = commit_in_place,
    },
    {
        .name = "send-5",
        .text = "sv_send_messages of five",
        .prepare = number_some,
        .run = send,
    },
    {
        .name = "send-200",
        .text = "sv_send_messages of more than an intent holds",
        .config = {.capacity = 1024},
        .resets = true,
        .prepare = number_too_many,
        .run = send,
    },
    {0},
};
