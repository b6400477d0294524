/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * CRC-32 (IEEE 802.3, as in zlib): notices every change of up to 32 bits in a row.
 */
#ifndef SINVAL_FAULTS_CHECKSUM_H
#define SINVAL_FAULTS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t checksum_crc32(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < count; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & -(crc & 1));
        }
    }
    return ~crc;
}

#endif
