/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The shared segment: where everything that backends share lives.
 *
 * Either named (POSIX shared memory, mode 0600) or anonymous (a sealed memfd, inherited through
 * fork). Every size is fixed at creation by struct sv_config and read from the segment by those
 * who attach. No pointers live in a segment; structures in it are found by name (PostgreSQL:
 * ShmemInitStruct) and can be listed (pg_shmem_allocations).
 *
 * Blocks are reserved at creation, so a full /dev/shm is -ENOSPC there and never a SIGBUS later.
 *
 * Design, and why a creator that dies half way harms nobody: src/shm/segment.c.
 */
#ifndef SINVAL_SEGMENT_H
#define SINVAL_SEGMENT_H

#include "sinval/api.h"

/*
 * The sizes of a segment. A field left 0 means its default, which is PostgreSQL's value where
 * PostgreSQL has one (named in parentheses, from sinvaladt.c).
 */
struct sv_config {
    uint32_t backends_max;     /* slots; 1 to 1024; default 64 */
    uint32_t capacity;         /* ring; power of two, 4 to 65536; 4096 (MAXNUMMESSAGES) */
    uint32_t cleanup_min;      /* length that first asks for cleanup; capacity / 2 (CLEANUP_MIN) */
    uint32_t cleanup_quantum;  /* growth between cleanups; capacity / 16 (CLEANUP_QUANTUM) */
    uint32_t signal_threshold; /* messages behind for a catchup; capacity / 2 (SIG_THRESHOLD) */
    uint32_t write_quantum;    /* inserted under one lock; min(64, capacity / 2) (WRITE_QUANTUM) */
    uint32_t wraparound;       /* lowers numbers; multiple of capacity; 2^30 (MSGNUMWRAPAROUND) */
    uint32_t intent_max;       /* messages in an intent; more: "reset everyone"; default 128 */
    uint32_t table_rows_max;   /* rows of the table source; 0 means none */
    uint32_t table_value_max;  /* bytes of a row's value; default 64 */
    uint32_t table_writes_max; /* rows one transaction may write; default 64 */
    uint32_t lock_hold_max_ms; /* a postmaster kills who holds a lock longer; 0 means never */
};

/*
 * Put the default into each field of *config that is 0, then check all.
 *
 * Returns:  0        config is complete and valid.
 *           -EINVAL  message[0 .. size-1] says which field, its value, and what would be right.
 */
SV_API SV_NODISCARD int sv_config_complete(struct sv_config *config, char *message, size_t size);

/*
 * Create a segment.
 *
 * name: NULL for an anonymous one; else a name of 1 to 200 bytes without '/'. What a creator that
 * died half way left behind under that name is recognised and replaced; anything else is left
 * alone.
 *
 * Returns:  0          *segment is mapped and ready.
 *           -EEXIST    a complete segment of that name exists, of whatever version.
 *           -EAGAIN    another creator is at it this very moment.
 *           -EPERM     that name belongs to another user.
 *           -EMEDIUMTYPE, -SV_ECORRUPT  under that name is something else, or a damaged one.
 *           -EINVAL    a bad name or configuration (ask sv_config_complete for words).
 *           -ENOSPC, -ENOMEM, -EMFILE, -EACCES, ...  the environment.
 * Owns:     the caller detaches.
 */
SV_API SV_NODISCARD int sv_segment_create(const char *name, const struct sv_config *config,
                                          struct sv_segment **segment);

/*
 * Map an existing named segment.
 *
 * Returns:  0          *segment is mapped.
 *           -ENOENT    there is none of that name.
 *           -EAGAIN    its creator is still building it, or died doing so.
 *           -EPERM     it belongs to another user.
 *           -EMEDIUMTYPE  it is not a segment of sinval.
 *           -EPROTO    it is one, of another layout version or other type sizes.
 *           -SV_ECORRUPT  truncated, or its header contradicts itself.
 */
SV_API SV_NODISCARD int sv_segment_attach(const char *name, struct sv_segment **segment);

/* Words for what sv_segment_create and sv_segment_attach return: what is wrong, what is right. */
SV_API const char *sv_segment_error(int result);

/*
 * Unmap. No backend or postmaster of this process may live in it any more (asserted), nor, where it
 * is mapped twice, in the other mapping if a thread has died in this one; those of the parent that
 * this process was forked from do not count.
 */
SV_API void sv_segment_detach(struct sv_segment *segment);

/* Returns: 0; -ENOENT if there is none; or what shm_unlink says. Those attached keep theirs. */
SV_API SV_NODISCARD int sv_segment_unlink(const char *name);

/* The configuration, complete. */
SV_API const struct sv_config *sv_segment_config(const struct sv_segment *segment);

/* The name, or "(anonymous)". */
SV_API const char *sv_segment_name(const struct sv_segment *segment);

/* Bytes mapped. */
SV_API size_t sv_segment_size_bytes(const struct sv_segment *segment);

/* One named structure (PostgreSQL: a row of pg_shmem_allocations). */
struct sv_allocation {
    char name[24];
    uint64_t offset_bytes;
    uint64_t size_bytes;
};

/* Returns: the number of structures in the segment; *allocation is filled if index is below it. */
SV_API uint32_t sv_segment_allocation(const struct sv_segment *segment, uint32_t index,
                                      struct sv_allocation *allocation);

/*
 * What to do when something in the segment cannot be right and the function that finds it has no
 * result to say so (api.h). stop is called with words, such as "lock write: names slot 70; the slots
 * are 0 to 63"; it ends the thread or the process in whatever way, and uses no backend of this segment
 * any more: locks may be held, which others recover once the thread has ended. If it returns, or
 * none is set (NULL), "sinval: segment corrupt: ..." goes to standard error and the process aborts.
 *
 * Signals:  stop may run in any function of the library, never in a signal handler.
 */
SV_API void sv_segment_set_stop(struct sv_segment *segment,
                                void (*stop)(void *argument, const char *what), void *argument);

/*
 * Call visit(name, argument) for each named segment on this machine that this user may read, those
 * that are still being built included as soon as they say what they are, until it returns non-zero.
 * Returns: that value, or 0, or -errno.
 */
SV_API SV_NODISCARD int sv_segment_list(int (*visit)(const char *name, void *argument),
                                        void *argument);

#endif
