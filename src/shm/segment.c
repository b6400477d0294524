/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The shared segment: creating, attaching, detaching.
 *
 * The ideal: a segment is either not there or complete. The real one is built in steps by a
 * process that may be killed at any of them.
 *
 *   1. Every file begins with a prefix (magic, version, phase BUILDING), written by one system
 *      call before anything else. So an empty file or one with that prefix is half-built; whatever
 *      else is found under a name is somebody else's and is never touched.
 *   2. Phase READY is stored last of all (release) and never taken back. Who reads it (acquire)
 *      sees all that the creator wrote; who does not, attaches to nothing.
 *   3. A creator builds only while it holds an exclusive flock on the file, which the kernel
 *      releases when the creator ends in whatever way. So a half-built file whose lock can be had
 *      is abandoned, and whoever has the lock empties the file and builds in its place. Nobody
 *      can be using it: nothing but READY segments is ever mapped by others.
 *   4. A lock counts only if the name still leads to the locked file, looked at after locking: a
 *      creator that fails, or a user, may have unlinked it between open and lock. It is never
 *      unlinked by another creator, so between these two nothing can go wrong.
 *
 * Races. Two creators: one has the lock; the other is told -EAGAIN, or, later, -EEXIST. Holder of
 * the lock and READY: a creator looks at the phase again under the lock. A file made and not yet
 * locked when its creator dies, or dawdles: an empty file that the next one builds; the dawdler
 * then finds the lock taken, or the segment READY. A descriptor or mapping inherited by a child that
 * another thread forks in the middle of a build keeps the lock after the creator's death, for as
 * long as that child lives; until then the name answers -EAGAIN, and sv_segment_unlink frees it.
 *
 * A call that fails. Every step can: what is claimed is then unlinked, so nothing is left; before
 * that, an empty file may be, which is an abandoned one. EINTR is nobody's answer.
 *
 * An anonymous segment is a memfd, which nobody can find before it is complete. Both have their
 * blocks reserved, and the memfd is sealed against resizing: nobody can be given a SIGBUS, except
 * by one of the same user who truncates a named segment under everyone's feet.
 *
 * Ordering: [R1], phase READY, in declare_ready, pairs with [A1] in verify.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/point.h"
#include "shm/directory.h"
#include "shm/name.h"

/* ---- mapping ----------------------------------------------------------------------------- */

/* A mapping of the first size_bytes of fd, which stays the caller's. */
static int map(int fd, uint64_t size_bytes, const char *name, struct sv_segment **segment)
{
    struct sv_segment *mapped = calloc(1, sizeof(*mapped));
    if (mapped == NULL) {
        return -ENOMEM;
    }
    mapped->base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped->base == MAP_FAILED) {
        const int error = errno;
        free(mapped);
        return -error;
    }
    mapped->size_bytes = size_bytes;
    mapped->fd = -1;
    (void)snprintf(mapped->name, sizeof(mapped->name), "%s", name);
    *segment = mapped;
    return 0;
}

static void unmap(struct sv_segment *segment)
{
    (void)munmap(segment->base, segment->size_bytes);
    if (segment->fd >= 0) {
        (void)close(segment->fd);
    }
    free(segment);
}

static void adopt(struct sv_segment *segment, const struct sv_config *config,
                  const struct sv_directory *directory)
{
    segment->config = *config;
    sv_directory_resolve(directory, segment);
}

/* ---- creating ---------------------------------------------------------------------------- */

/* Reserve the blocks of the empty file fd, its prefix first. */
static int reserve(int fd, uint64_t size_bytes)
{
    struct sv_prefix prefix;
    memset(&prefix, 0, sizeof(prefix));
    prefix.magic = SV_MAGIC;
    prefix.layout_version = SV_LAYOUT_VERSION;
    const ssize_t written = TEMP_FAILURE_RETRY(pwrite(fd, &prefix, sizeof(prefix), 0));
    if (written != (ssize_t)sizeof(prefix)) {
        return written < 0 ? -errno : -ENOSPC;
    }
    int error;
    do {
        error = posix_fallocate(fd, 0, (off_t)size_bytes);
    } while (error == EINTR);
    if (SV_POINT_ANSWER(segment_create_sized) == SV_POINT_FAIL) {
        error = ENOSPC;
    }
    return -error;
}

/* Everything but READY. The memory is zero but for the prefix. */
static void build(struct sv_segment *segment, const struct sv_directory *directory)
{
    struct sv_header *header = segment->header;
    sv_directory_types(header->type_bytes);
    header->config = segment->config;
    header->directory = *directory;
    SV_ANNOTATE_DEFINED(header, sizeof(*header));
    header->checksum = sv_directory_checksum(header);
    sv_os_life_init(&header->postmaster_life);
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        sv_os_life_init(&segment->slots[i].life);
    }
    sv_store_relaxed32(&segment->queue->next_threshold, segment->config.cleanup_min);
}

static void declare_ready(struct sv_segment *segment)
{
    SV_POINT(segment_create_ready);
    sv_store_release32(&segment->header->prefix.phase, SV_SEGMENT_READY); /* [R1] */
}

/* Make a segment of the empty file fd. */
static int fill(int fd, const struct sv_config *config, const char *name,
                struct sv_segment **segment)
{
    struct sv_directory directory;
    sv_directory_compute(config, &directory);
    int result = reserve(fd, directory.size_bytes);
    if (result == 0) {
        result = map(fd, directory.size_bytes, name, segment);
    }
    if (result == 0) {
        adopt(*segment, config, &directory);
        build(*segment, &directory);
        declare_ready(*segment);
    }
    return result;
}

/* Does path still lead to the file fd? */
static bool leads_to(const struct sv_path *path, int fd)
{
    struct stat here;
    struct stat there;
    return fstat(fd, &here) == 0 && lstat(path->text, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

/* What create is told if fd is not to be built: 0 if it is, or nothing is there. */
static int refuse(int fd)
{
    uint32_t layout_version;
    const int found = sv_identify(fd, &layout_version);
    if (found == -EAGAIN) {
        return 0;
    }
    return found == 0 ? -EEXIST : found;
}

/*
 * Take the file that path leads to, so that nobody else builds it.
 * Returns: 0; SV_CONFLICT path leads elsewhere by now; -EAGAIN a living creator is at it; -errno.
 */
static int claim(int fd, const struct sv_path *path)
{
    int result = refuse(fd);
    if (result != 0) {
        return result;
    }
    SV_POINT(segment_create_opened);
    if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) != 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return leads_to(path, fd) ? refuse(fd) : SV_CONFLICT;
}

/* Of a file that is claimed. */
static int make_empty(int fd)
{
    return fchmod(fd, 0600) != 0 || TEMP_FAILURE_RETRY(ftruncate(fd, 0)) != 0 ? -errno : 0;
}

/* What it means that opening failed: whose, or what, the thing of that name is. */
static int refused(const struct sv_path *path, int error)
{
    struct stat status;
    if (error != ENOENT && lstat(path->text, &status) == 0) {
        if (!S_ISREG(status.st_mode)) {
            return -EMEDIUMTYPE;
        }
        if (error == EACCES && status.st_uid != geteuid()) {
            return -EPERM;
        }
    }
    return -error;
}

static int create_named(const char *name, const struct sv_config *config,
                        struct sv_segment **segment)
{
    struct sv_path path;
    int result = sv_path_of(name, &path);
    if (result != 0) {
        return result;
    }
    do {
        const int fd = TEMP_FAILURE_RETRY(
            shm_open(path.text + SV_PATH_OBJECT, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (fd < 0) {
            return refused(&path, errno);
        }
        result = claim(fd, &path);
        if (result == 0) {
            result = make_empty(fd);
            if (result == 0) {
                result = fill(fd, config, name, segment);
            }
            if (result != 0 && leads_to(&path, fd)) {
                (void)shm_unlink(path.text + SV_PATH_OBJECT);
            }
            (void)flock(fd, LOCK_UN); /* the mapping would keep it */
        }
        (void)close(fd);
    } while (result == SV_CONFLICT);
    return result;
}

/* A memfd has no limit of its own: asking for more than there is would end in the OOM killer. */
static bool exceeds_memory(const struct sv_config *config)
{
    struct sv_directory directory;
    sv_directory_compute(config, &directory);
    return directory.size_bytes / (uint64_t)sysconf(_SC_PAGESIZE) >
           (uint64_t)sysconf(_SC_PHYS_PAGES);
}

static int create_anonymous(const struct sv_config *config, struct sv_segment **segment)
{
    if (exceeds_memory(config)) {
        return -ENOMEM;
    }
    const int fd = memfd_create("sinval", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    int result = fill(fd, config, "(anonymous)", segment);
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    (*segment)->fd = fd;
    if (TEMP_FAILURE_RETRY(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) !=
        0) {
        result = -errno;
        unmap(*segment);
    }
    return result;
}

int sv_segment_create(const char *name, const struct sv_config *config, struct sv_segment **segment)
{
    struct sv_config complete = *config;
    char message[200];
    const int result = sv_config_complete(&complete, message, sizeof(message));
    if (result != 0) {
        return result;
    }
    return name == NULL ? create_anonymous(&complete, segment)
                        : create_named(name, &complete, segment);
}

/* ---- attaching --------------------------------------------------------------------------- */

/* Is the header of this mapping, of a file of that size, complete and consistent? */
static int verify(struct sv_segment *segment, uint64_t file_bytes)
{
    struct sv_header *header = segment->base;
    if (sv_load_acquire32(&header->prefix.phase) != SV_SEGMENT_READY) { /* [A1] */
        return -SV_ECORRUPT;
    }
    uint32_t type_bytes[SV_TYPE_COUNT];
    sv_directory_types(type_bytes);
    if (memcmp(header->type_bytes, type_bytes, sizeof(type_bytes)) != 0) {
        return -EPROTO;
    }
    if (header->checksum != sv_directory_checksum(header)) {
        return -SV_ECORRUPT;
    }
    const struct sv_config stored = header->config;
    struct sv_config config = stored;
    char message[200];
    if (sv_config_complete(&config, message, sizeof(message)) != 0 ||
        memcmp(&config, &stored, sizeof(config)) != 0) {
        return -SV_ECORRUPT;
    }
    struct sv_directory directory;
    sv_directory_compute(&config, &directory);
    if (file_bytes != directory.size_bytes ||
        memcmp(&header->directory, &directory, sizeof(directory)) != 0) {
        return -SV_ECORRUPT;
    }
    adopt(segment, &config, &directory);
    return 0;
}

static int attach_file(int fd, const char *name, struct sv_segment **segment)
{
    uint32_t layout_version;
    int result = sv_identify(fd, &layout_version);
    if (result != 0) {
        return result;
    }
    if (layout_version != SV_LAYOUT_VERSION) {
        return -EPROTO;
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if ((size_t)status.st_size < sizeof(struct sv_header)) {
        return -SV_ECORRUPT;
    }
    result = map(fd, (uint64_t)status.st_size, name, segment);
    if (result != 0) {
        return result;
    }
    result = verify(*segment, (uint64_t)status.st_size);
    if (result != 0) {
        unmap(*segment);
        *segment = NULL;
    }
    return result;
}

int sv_segment_attach(const char *name, struct sv_segment **segment)
{
    struct sv_path path;
    const int bad = sv_path_of(name, &path);
    if (bad != 0) {
        return bad;
    }
    const int fd = TEMP_FAILURE_RETRY(shm_open(path.text + SV_PATH_OBJECT, O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) {
        return refused(&path, errno);
    }
    const int result = attach_file(fd, name, segment);
    (void)close(fd);
    return result;
}

void sv_segment_detach(struct sv_segment *segment)
{
    const char *holder = sv_segment_held_for(segment);
    sv_assert(holder == NULL, "%s of this process lives in %s", holder, segment->name);
    unmap(segment);
}
