/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a segment of a configuration consists of, and where each structure lies in it.
 *
 * Computed from the configuration alone, by the creator and by everyone who attaches: the copy in
 * the header is for people to look at and for attach to compare with, never to be followed.
 */
#ifndef SINVAL_SHM_DIRECTORY_H
#define SINVAL_SHM_DIRECTORY_H

#include "shm/segment.h"

/* The structures of a complete configuration, in order, each on a cache line of its own. */
void sv_directory_compute(const struct sv_config *config, struct sv_directory *directory);

/* Set the pointers of *segment, whose base is set, to its structures. */
void sv_directory_resolve(const struct sv_directory *directory, struct sv_segment *segment);

/* The sizes of the shared types of this build. */
void sv_directory_types(uint32_t type_bytes[SV_TYPE_COUNT]);

/*
 * Over type sizes, configuration and directory of a header: a header with one byte changed by a
 * stray write has another one. (A configuration can be wrong and valid.)
 */
uint64_t sv_directory_checksum(const struct sv_header *header);

#endif
