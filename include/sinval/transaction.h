/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions: what a backend changes goes stale for itself at the end of the command, and for
 * everybody at commit, never before and never after a rollback (PostgreSQL: inval.c).
 *
 * Order at commit: declare the intent, commit the sources, send, withdraw the intent. So whatever
 * is visible in a source has been sent, or will be by whoever settles the dead (K2).
 *
 * Halfway. A backend that dies in its commit may leave a source changed and nobody told: what is so
 * for a moment in every commit, only longer, until somebody settles its slot. The commit returned
 * to nobody, so it may count as not yet done, and until then:
 *   H1  What a backend has cached (a row, an absence, a list) it finds as it was before, and waits
 *       for nobody, not even where the dead held the table's lock.
 *   H2  What it reads from the source, and so every search that misses, shows all of the change, or
 *       none of it if the source had not committed: one of the two, the same for everybody, for
 *       ever. It waits for one look whether the holder of the table's lock is dead (10 ms).
 *   H3  So one row in one cache goes from old to new once, and never back. Nothing more: what a
 *       backend sees in two ways may be before in the one and after in the other, in any order. One
 *       row new (it missed), then another one old (it hit); the same row new in a list, in another
 *       cache or from the source, then old. Accepting changes nothing about that yet.
 *   H4  Settling ends it: each backend's first accept after it drops whatever is old.
 *   H5  It ends without help. Whoever attaches settles; so does a postmaster whose child it was, a
 *       latch wait within 100 ms, the first begin of anyone that comes 100 ms after the death, or
 *       128 accepts of one backend then; before they go on to read, so what they see themselves is
 *       new. Who settles may die, and the next does it; if it is stopped, it is waited for.
 *
 * Callbacks and builds of relations run in begin, accept, command end and release, which return
 * their errors. Commit and rollback only mark caches; what they mark is told by the next accept.
 *
 * Design: src/cache/transaction.c; the rules of levels: src/cache/inval.c; accepting:
 * src/cache/accept.c.
 */
#ifndef SINVAL_TRANSACTION_H
#define SINVAL_TRANSACTION_H

#include "sinval/backend.h"
#include "sinval/message.h"

struct sv_source;

/*
 * Begin: draws a transaction id, accepts messages.
 *
 * Returns:  0 and *id (may be NULL); -errno from a callback or rebuild: no transaction is open.
 * Locks:    the caller holds none, here and in every function of this header.
 */
SV_API SV_NODISCARD int sv_transaction_begin(struct sv_backend *self, struct sv_transaction_id *id);

/*
 * End the current command: its invalidations are applied to this backend's own caches, so that the
 * next command sees what it changed (CommandEndInvalidationMessages).
 *
 * Returns:  0; -errno from a callback or a rebuild; call sv_accept_messages to go on with it.
 */
SV_API SV_NODISCARD int sv_command_end(struct sv_backend *self);

/* Open a level inside the transaction. Returns: 0; -ENOMEM; -errno of a source: it is not open. */
SV_API SV_NODISCARD int sv_subtransaction_begin(struct sv_backend *self);

/*
 * Close the innermost level and hand its messages to its parent. Ends the command.
 *
 * Returns:  0; -errno: still open; release again goes on where it failed; -ELOOP: sources that
 *           write to each other whenever they release, roll it back.
 */
SV_API SV_NODISCARD int sv_subtransaction_release(struct sv_backend *self);

/* Close the innermost level, undo what it changed here, forget its messages. Cannot fail. */
SV_API void sv_subtransaction_rollback(struct sv_backend *self);

/*
 * Commit every enlisted source, then tell everybody. No subtransaction is open.
 *
 * Several sources commit one after the other, not atomically. If one fails after another has
 * committed, the rest is rolled back, every message is sent, and the failure returned.
 *
 * Returns:  0            committed; every message is in the queue.
 *           SV_CONFLICT  the source refused; the transaction is rolled back.
 *           -ECANCELED   a subtransaction was rolled back after its release had failed half way;
 *                        the transaction is rolled back.
 *           -errno       the source failed; the transaction is rolled back.
 */
SV_API SV_NODISCARD int sv_transaction_commit(struct sv_backend *self);

/* Roll back: nothing is sent; one's own cache entries of this transaction go. Cannot fail. */
SV_API void sv_transaction_rollback(struct sv_backend *self);

/* Is one open, and how many levels deep (1 without subtransactions)? 0: none. */
SV_API uint32_t sv_transaction_level(const struct sv_backend *self);

/*
 * Register an invalidation with the innermost level; outside a transaction it is sent at once.
 * Sources do it for what they write; this is for stores of one's own. The database is this
 * backend's, or 0 where shared is true.
 *
 * Returns:  0; -ENOMEM.
 */
SV_API SV_NODISCARD int sv_invalidate_catcache(struct sv_backend *self, uint32_t cache,
                                               uint32_t hash, bool shared);
SV_API SV_NODISCARD int sv_invalidate_catalog(struct sv_backend *self, uint32_t relation,
                                              bool shared);
SV_API SV_NODISCARD int sv_invalidate_relation(struct sv_backend *self, uint32_t relation,
                                               bool shared);
SV_API SV_NODISCARD int sv_invalidate_smgr(struct sv_backend *self, uint32_t relation, bool shared);
SV_API SV_NODISCARD int sv_invalidate_relmap(struct sv_backend *self, bool shared);
SV_API SV_NODISCARD int sv_invalidate_snapshot(struct sv_backend *self, uint32_t relation,
                                               bool shared);
SV_API SV_NODISCARD int sv_invalidate_application(struct sv_backend *self, uint64_t payload,
                                                  bool shared);

/*
 * A change that a rollback would not undo (an in-place update): its message is sent at commit and
 * at rollback alike (PostgreSQL lost these until 243e9b40f1). Call it before the change is made: from
 * its return until the message is sent, a death sends it (K2). Make the change before the command
 * ends: one's own caches drop it now, and again at that end.
 *
 * Returns:  0; -ENOMEM: do not make the change.
 */
SV_API SV_NODISCARD int sv_invalidate_in_place(struct sv_backend *self,
                                               const struct sv_message *message);

/* Send at once, whatever the transaction does (SendSharedInvalidMessages). Declares an intent. */
SV_API void sv_send_messages(struct sv_backend *self, const struct sv_message *messages,
                             uint32_t count);

/*
 * Read and apply every message there is (AcceptInvalidationMessages): caches are marked, then
 * callbacks run, then pinned relations are rebuilt. Nested calls, from callbacks, loads and
 * rebuilds, mark caches completely and leave the rest to the outermost; depth never exceeds two.
 *
 * Returns:  0; -errno from a callback or a rebuild. Nothing is lost by that: what was not done is
 *           still to do, and the next call goes on with it.
 * Locks:    the caller holds none.
 */
SV_API SV_NODISCARD int sv_accept_messages(struct sv_backend *self);

/*
 * Call callback for every message of a kind, also for messages of one's own at command end, and
 * with message NULL after a reset: then anything may be stale. So it is, too, when more messages
 * wait for callbacks than the queue's capacity. Up to 64 a backend.
 *
 * A callback runs after the caches have been marked, never inside another. It may do anything but
 * detach, and leaves as many levels open as it found. It returns 0 or -errno; an error stops the
 * accept, and the same message is offered again by the next.
 * Returns:  0; SV_FULL.
 */
SV_API SV_NODISCARD int sv_callback_register(struct sv_backend *self, enum sv_message_kind kind,
                                             int (*callback)(struct sv_backend *self,
                                                             const struct sv_message *message,
                                                             void *argument),
                                             void *argument);

/*
 * Make a source part of the open transaction; idempotent. It is told of the levels that are open.
 *
 * Returns:  0; SV_FULL (more than 4); -EINVAL, while the transaction ends: it has committed or been
 *           rolled back already; -errno from the source.
 */
SV_API SV_NODISCARD int sv_transaction_enlist(struct sv_backend *self, struct sv_source *source);

#endif
