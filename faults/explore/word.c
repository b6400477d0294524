/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Each deviation is two numbers in base 128, lowest digits first, the high bit of a byte saying
 * that more follow: twice the distance from the one of its kind before, plus its kind; and its
 * target.
 *
 * After the world, if not all do all they would: for each backend '_' and its operations, or '_a':
 * all.
 *
 * A recipe is letters, each with a decimal number: s seed, n number of the execution, d depth, k
 * steps with a choice, l each number that was learned, e 1 if signals may be lost or come twice, v
 * the victim of a death, then a the step of its own, or t the step of all, before which it dies.
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
#define FIELD_BYTES 24

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

static char *put_field(char *text, char letter, uint64_t number)
{
    return text + snprintf(text, FIELD_BYTES, "%c%" PRIu64, letter, number);
}

static char *put_recipe(char *text, const struct word *word)
{
    const struct strategy_parameters *parameters = &word->recipe.parameters;

    text += snprintf(text, WORD_NAME_MAX, "%s.", word->recipe.kind->name);
    text = put_field(text, 's', parameters->seed);
    text = put_field(text, 'n', word->recipe.number);
    text = put_field(text, 'd', parameters->depth);
    text = parameters->steps > 0 ? put_field(text, 'k', parameters->steps) : text;
    for (uint32_t i = 0; i < parameters->learned_count; i++) {
        text = put_field(text, 'l', parameters->learned[i]);
    }
    text = word->faults.signals ? put_field(text, 'e', 1) : text;
    for (uint32_t i = 0; i < word->faults.deaths; i++) {
        const struct machine_death *death = &word->faults.death[i];
        text = put_field(text, 'v', death->victim);
        text = put_field(text, death->of_all ? 't' : 'a', death->at);
    }
    return text;
}

static char *put_deviations(char *at, const struct word *word)
{
    struct bits bits = {0};
    uint32_t before[2] = {0};

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
    return at;
}

static char *put_limits(char *text, const struct word *word)
{
    uint32_t limited = 0;

    for (uint32_t i = 0; i < word->world->backends; i++) {
        limited |= word->limits[i];
    }
    for (uint32_t i = 0; i < word->world->backends && limited != 0; i++) {
        text = word->limits[i] == 0
                   ? text + snprintf(text, FIELD_BYTES, "_a")
                   : text + snprintf(text, FIELD_BYTES, "_%" PRIu32, word->limits[i] - 1);
    }
    return text;
}

void word_encode(const struct word *word, char text[WORD_MAX])
{
    char *at = text + snprintf(text, WORD_MAX, WORD_PREFIX "%s", word->world->name);

    at = put_limits(at, word);
    *at++ = '.';
    at = word->seeded ? put_recipe(at, word) : put_deviations(at, word);
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

static bool take_death(struct word *word, char letter, uint64_t number)
{
    struct machine_faults *faults = &word->faults;

    if (letter == 'v') {
        faults->deaths++;
        faults->death[(faults->deaths - 1) % MACHINE_DEATHS_MAX].victim = (uint32_t)number;
        return faults->deaths <= MACHINE_DEATHS_MAX && number < word->world->backends;
    }
    if (faults->deaths == 0) {
        return false;
    }
    faults->death[faults->deaths - 1].of_all = letter == 't';
    faults->death[faults->deaths - 1].at = number;
    return true;
}

static bool take_field(struct word *word, char letter, uint64_t number)
{
    struct strategy_parameters *parameters = &word->recipe.parameters;

    switch (letter) {
    case 's':
        parameters->seed = number;
        return true;
    case 'n':
        word->recipe.number = number;
        return true;
    case 'd':
        parameters->depth = (uint32_t)number;
        return number <= STRATEGY_DEPTH_MAX;
    case 'k':
        parameters->steps = number;
        return true;
    case 'l':
        if (parameters->learned_count == STRATEGY_LEARNED_MAX || number > UINT32_MAX) {
            return false;
        }
        parameters->learned[parameters->learned_count++] = (uint32_t)number;
        return true;
    case 'e':
        word->faults.signals = number == 1;
        return number == 1;
    case 'v':
    case 'a':
    case 't':
        return take_death(word, letter, number);
    default:
        return false;
    }
}

/* From the strategy's name to end. */
static bool take_recipe(const char *text, const char *end, struct word *word)
{
    const char *dot = memchr(text, '.', (size_t)(end - text));
    char name[WORD_NAME_MAX] = "";

    word->seeded = true;
    if (dot == NULL || dot - text >= WORD_NAME_MAX) {
        return false;
    }
    memcpy(name, text, (size_t)(dot - text));
    word->recipe.kind = strategy_find(name);
    if (word->recipe.kind == NULL || word->recipe.kind->searches ||
        word->recipe.kind == &strategy_replay) {
        return false;
    }
    for (text = dot + 1; text < end;) {
        char *after;
        const uint64_t number = strtoull(text + 1, &after, 10);
        if (after == text + 1 || after > end || !take_field(word, text[0], number)) {
            return false;
        }
        text = after;
    }
    return true;
}

static int refuse(char *message, size_t size, const char *what)
{
    (void)snprintf(message, size, "%s", what);
    return -EINVAL;
}

/* The limits of the backends of word->world, from '_' on. */
static bool take_limits(const char *text, struct word *word)
{
    for (uint32_t i = 0; i < word->world->backends; i++) {
        char *after;
        if (*text++ != '_') {
            return false;
        }
        const unsigned long long number = strtoull(text, &after, 10);
        if (*text == 'a') {
            after++;
        } else if (after == text || number > WORLD_STEPS_MAX) {
            return false;
        }
        word->limits[i] = *text == 'a' ? 0 : (uint32_t)number + 1;
        text = after;
    }
    return *text == '\0';
}

/* The world of that name, and how much happens there. Returns: false: there is none. */
static bool take_world(const char *name, size_t length, struct word *word)
{
    char text[WORD_WORLD_MAX];

    if (length >= sizeof(text)) {
        return false;
    }
    memcpy(text, name, length);
    text[length] = '\0';
    char *limits = strchr(text, '_');
    if (limits != NULL) {
        *limits = '\0';
    }
    memset(word->limits, 0, sizeof(word->limits));
    word->world = world_find(text);
    if (word->world != NULL && limits != NULL) {
        *limits = '_';
        return take_limits(limits, word);
    }
    return word->world != NULL;
}

int word_decode(const char *text, struct word *word, char *message, size_t size)
{
    const size_t length = strlen(text);
    const size_t prefix = sizeof(WORD_PREFIX) - 1;
    const size_t tail = 1 + HASH_DIGITS + 1 + CRC_DIGITS;

    if (length < prefix + tail || strncmp(text, WORD_PREFIX, prefix) != 0) {
        return refuse(
            message, size,
            "this is no token of sinval explore; one is explore.WORLD...-CHECKSUM, all of it");
    }
    const char *crc = text + length - CRC_DIGITS;
    const char *hash = crc - 1 - HASH_DIGITS;
    if (crc[-1] != '-' || hash[-1] != '.' ||
        strtoull(crc, NULL, 16) != checksum_crc32(text, (size_t)(crc - 1 - text))) {
        return refuse(message, size, "the token is mistyped or cut short: its checksum is wrong");
    }
    const char *name = text + prefix;
    const char *list = memchr(name, '.', (size_t)(hash - 1 - name) + 1);
    if (!take_world(name, (size_t)(list - name), word)) {
        return refuse(message, size, "the token is of a world that there is not; see --list");
    }
    word->hash = strtoull(hash, NULL, 16);
    word->count = 0;
    word->seeded = false;
    word->recipe = (struct strategy_recipe){.kind = NULL};
    word->faults = (struct machine_faults){.deaths = 0};
    if (list < hash - 1 && memchr(list + 1, '.', (size_t)(hash - 1 - list - 1)) != NULL) {
        return take_recipe(list + 1, hash - 1, word)
                   ? 0
                   : refuse(message, size, "the token's strategy makes no sense");
    }
    if (list < hash - 1 && !take_deviations(list + 1, hash - 1, word)) {
        return refuse(message, size, "the token's list of deviations makes no sense");
    }
    return 0;
}
