/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Each deviation is two numbers in base 128, lowest digits first, the high bit of a byte saying that
 * more follow: twice the distance from the one of its kind before, plus its kind; and its target.
 */
#include "faults/explore/word.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults/checksum.h"

#define HASH_DIGITS 16
#define CRC_DIGITS  8

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Bits that are not a whole digit, or a whole byte, yet. */
struct bits {
    uint32_t held;
    uint32_t count;
};

static char *put_byte(char *text, struct bits *bits, uint8_t byte)
{
    bits->held = bits->held << 8 | byte;
    for (bits->count += 8; bits->count >= 6; bits->count -= 6) {
        *text++ = digits[bits->held >> (bits->count - 6) & 63];
    }
    return text;
}

static char *put_number(char *text, struct bits *bits, uint64_t number)
{
    while (number >= 0x80) {
        text = put_byte(text, bits, (uint8_t)(number | 0x80));
        number >>= 7;
    }
    return put_byte(text, bits, (uint8_t)number);
}

void word_encode(const struct word *word, char text[WORD_MAX])
{
    struct bits bits = {0};
    uint32_t before[2] = {0};
    char *at = text + snprintf(text, WORD_MAX, WORD_PREFIX "%s.", word->world->name);

    for (uint32_t i = 0; i < word->count; i++) {
        const struct deviation *deviation = &word->deviations[i];
        const uint64_t distance = deviation->at - before[deviation->kind];
        before[deviation->kind] = deviation->at;
        at = put_number(at, &bits, distance << 1 | deviation->kind);
        at = put_number(at, &bits, deviation->target);
    }
    if (bits.count > 0) {
        *at++ = digits[bits.held << (6 - bits.count) & 63];
    }
    at += snprintf(at, HASH_DIGITS + 2, ".%016" PRIx64, word->hash);
    (void)snprintf(at, CRC_DIGITS + 2, "-%08" PRIx32, checksum_crc32(text, (size_t)(at - text)));
}

/* The next byte of the text up to end. Returns: false: there is none. */
static bool take_byte(const char **text, const char *end, struct bits *bits, uint8_t *byte)
{
    while (bits->count < 8) {
        const char *digit = *text < end ? strchr(digits, **text) : NULL;
        if (digit == NULL) {
            return false;
        }
        bits->held = bits->held << 6 | (uint32_t)(digit - digits);
        bits->count += 6;
        (*text)++;
    }
    bits->count -= 8;
    *byte = (uint8_t)(bits->held >> bits->count);
    return true;
}

static bool take_number(const char **text, const char *end, struct bits *bits, uint64_t *number)
{
    uint8_t byte = 0x80;

    *number = 0;
    for (uint32_t shift = 0; (byte & 0x80) != 0; shift += 7) {
        if (shift > 42 || !take_byte(text, end, bits, &byte)) {
            return false;
        }
        *number |= (uint64_t)(byte & 0x7f) << shift;
    }
    return true;
}

static bool take_deviations(const char *text, const char *end, struct word *word)
{
    struct bits bits = {0};
    uint32_t before[2] = {0};
    uint64_t distance;
    uint64_t target;

    word->count = 0;
    while (text < end) {
        if (word->count == WORD_DEVIATIONS_MAX || !take_number(&text, end, &bits, &distance) ||
            !take_number(&text, end, &bits, &target)) {
            return false;
        }
        const uint32_t kind = (uint32_t)distance & 1;
        before[kind] += (uint32_t)(distance >> 1);
        word->deviations[word->count++] =
            (struct deviation){.kind = kind, .at = before[kind], .target = (uint32_t)target};
    }
    return true;
}

static int refuse(char *message, size_t size, const char *what)
{
    (void)snprintf(message, size, "%s", what);
    return -EINVAL;
}

/* The world of that name. */
static const struct world_kind *world_named(const char *name, size_t length)
{
    char text[64];

    if (length >= sizeof(text)) {
        return NULL;
    }
    memcpy(text, name, length);
    text[length] = '\0';
    return world_find(text);
}

int word_decode(const char *text, struct word *word, char *message, size_t size)
{
    const size_t length = strlen(text);
    const size_t prefix = sizeof(WORD_PREFIX) - 1;
    const size_t tail = 1 + HASH_DIGITS + 1 + CRC_DIGITS;

    if (length < prefix + tail || strncmp(text, WORD_PREFIX, prefix) != 0) {
        return refuse(message, size, "this is no token of sinval explore");
    }
    const char *crc = text + length - CRC_DIGITS;
    const char *hash = crc - 1 - HASH_DIGITS;
    if (crc[-1] != '-' || hash[-1] != '.' ||
        strtoull(crc, NULL, 16) != checksum_crc32(text, (size_t)(crc - 1 - text))) {
        return refuse(message, size, "the token is mistyped or cut short: its checksum is wrong");
    }
    const char *name = text + prefix;
    const char *list = memchr(name, '.', (size_t)(hash - 1 - name) + 1);
    word->world = world_named(name, (size_t)(list - name));
    if (word->world == NULL) {
        return refuse(message, size, "the token is of a world that there is not; see --list");
    }
    word->hash = strtoull(hash, NULL, 16);
    if (list < hash - 1 && !take_deviations(list + 1, hash - 1, word)) {
        return refuse(message, size, "the token's list of deviations makes no sense");
    }
    return 0;
}
