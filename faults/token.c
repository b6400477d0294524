/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens as text.
 *
 *     <name>.p<digest> | x.<plan bytes, base64url>   .s<seed>  [.b<backends>]  [.t<transactions>]
 *     .<carrier>-<crc>
 *
 * Numbers are decimal without leading zeros, digest and crc are 8 lower-case hexadecimal digits. A
 * name has at least two characters, so x is none. The crc is the CRC-32 of everything before its
 * '-': a change of one character there is a burst of at most 8 bits, which CRC-32 always notices;
 * a changed digit of the crc itself no longer matches; and without the '-' in its place this is no
 * token. The crc is looked at first: whatever fails after that was not mistyped.
 */
#include "faults/token.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "faults/checksum.h"

#define CRC_LENGTH 9 /* '-' and 8 digits */
#define EMBEDDED   "x"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- encode ------------------------------------------------------------------------------ */

/* Returns: the length of the text. */
static size_t base64_encode(const uint8_t *bytes, size_t count, char *text)
{
    size_t used = 0;
    uint32_t bits = 0;
    uint32_t held = 0;

    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6) {
            text[used++] = base64_digits[bits >> (held - 6) & 63];
        }
    }
    if (held > 0) {
        text[used++] = base64_digits[bits << (6 - held) & 63];
    }
    text[used] = '\0';
    return used;
}

/* Is this plan, to the last byte, the one of its name that comes with the program? */
static bool is_shipped(const struct plan *plan)
{
    char message[PLAN_MESSAGE_MAX];
    struct plan shipped;

    return plan_load_shipped(plan->name, &shipped, message, sizeof(message)) == 0 &&
           plan_digest(&shipped) == plan_digest(plan);
}

static size_t __attribute__((format(printf, 3, 4)))
append(char text[TOKEN_MAX], size_t used, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int added = vsnprintf(text + used, TOKEN_MAX - used, format, arguments);
    va_end(arguments);
    sv_assert(added > 0 && used + (size_t)added < TOKEN_MAX, "token of %zu bytes", used);
    return used + (size_t)added;
}

size_t token_encode(const struct token *token, char text[TOKEN_MAX])
{
    size_t used;

    if (is_shipped(&token->plan)) {
        used = append(text, 0, "%s.p%08" PRIx32, token->plan.name, plan_digest(&token->plan));
    } else {
        uint8_t bytes[PLAN_BYTES_MAX];

        used = append(text, 0, EMBEDDED ".");
        used += base64_encode(bytes, plan_serialize(&token->plan, bytes), text + used);
    }
    used = append(text, used, ".s%" PRIu64, token->seed);
    if (token->backends != 0) {
        used = append(text, used, ".b%" PRIu32, token->backends);
    }
    if (token->transactions != 0) {
        used = append(text, used, ".t%" PRIu32, token->transactions);
    }
    used = append(text, used, ".%s", token->carrier);
    return append(text, used, "-%08" PRIx32, checksum_crc32(text, used));
}

/* ---- decode ------------------------------------------------------------------------------ */

struct decoder {
    const char *at;
    const char *end; /* of what the crc covers */
    char *message;
    size_t size;
};

static int __attribute__((format(printf, 2, 3)))
wrong(struct decoder *decoder, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(decoder->message, decoder->size, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* The next part, up to a '.' or the end; it is skipped. Returns: its length. */
static size_t next_part(struct decoder *decoder, const char **part)
{
    const size_t left = (size_t)(decoder->end - decoder->at);
    const char *dot = memchr(decoder->at, '.', left);
    const size_t length = dot == NULL ? left : (size_t)(dot - decoder->at);

    *part = decoder->at;
    decoder->at += dot == NULL ? length : length + 1;
    return length;
}

/* part as prefix and a decimal number up to max. Returns: false, and *number is as it was. */
static bool numbered(const char *part, size_t length, char prefix, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;

    if (length < 2 || part[0] != prefix || (part[1] == '0' && length > 2)) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        const uint64_t digit = (uint64_t)(part[i] - '0');

        if (part[i] < '0' || part[i] > '9' || value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

/* 8 lower-case hexadecimal digits. */
static bool hexadecimal(const char *text, uint32_t *number)
{
    static const char digits[] = "0123456789abcdef";

    *number = 0;
    for (size_t i = 0; i < 8; i++) {
        const char *digit = memchr(digits, text[i], 16);

        if (digit == NULL) {
            return false;
        }
        *number = *number << 4 | (uint32_t)(digit - digits);
    }
    return true;
}

static int decode_embedded(struct decoder *decoder, struct plan *plan)
{
    uint8_t bytes[PLAN_BYTES_MAX];
    const char *part;
    const size_t length = next_part(decoder, &part);
    size_t used = 0;
    uint32_t bits = 0;
    uint32_t held = 0;

    for (size_t i = 0; i < length; i++) {
        const char *digit = memchr(base64_digits, part[i], 64);

        if (digit == NULL || used == PLAN_BYTES_MAX) {
            return wrong(decoder, "the token's plan is no base64url; it was not made by sinval");
        }
        bits = bits << 6 | (uint32_t)(digit - base64_digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[used++] = (uint8_t)(bits >> held);
        }
    }
    if (plan_deserialize(bytes, used, plan) != 0) {
        return wrong(decoder, "the token's plan is not one that this version understands");
    }
    return 0;
}

static int decode_shipped(struct decoder *decoder, const char *name, size_t length,
                          struct plan *plan)
{
    char text[PLAN_NAME_MAX] = "";
    const char *part;
    uint32_t digest = 0;

    if (length >= sizeof(text) || next_part(decoder, &part) != 9 || part[0] != 'p' ||
        !hexadecimal(part + 1, &digest)) {
        return wrong(decoder, "not a token; one begins with <plan>.p<digest> or x.<plan>");
    }
    memcpy(text, name, length);
    if (plan_load_shipped(text, plan, decoder->message, decoder->size) != 0) {
        return -EINVAL;
    }
    if (plan_digest(plan) != digest) {
        return wrong(decoder,
                     "plan '%s' has changed since this token was made (it was %08" PRIx32
                     ", it is %08" PRIx32 "); replay it with the version that made it",
                     text, digest, plan_digest(plan));
    }
    return 0;
}

static int decode_numbers(struct decoder *decoder, struct token *token)
{
    const char *part;
    size_t length = next_part(decoder, &part);
    uint64_t number = 0;

    if (!numbered(part, length, 's', UINT64_MAX, &token->seed)) {
        return wrong(decoder, "not a token; after the plan comes s<seed>");
    }
    length = next_part(decoder, &part);
    if (numbered(part, length, 'b', PLAN_BACKENDS_MAX, &number)) {
        token->backends = (uint32_t)number;
        length = next_part(decoder, &part);
    }
    if (numbered(part, length, 't', 1000000, &number)) {
        token->transactions = (uint32_t)number;
        length = next_part(decoder, &part);
    }
    if (length == 0 || length >= TOKEN_CARRIER_MAX || decoder->at != decoder->end ||
        strspn(part, "abcdefghijklmnopqrstuvwxyz") != length) {
        return wrong(decoder, "not a token; it ends with .<carrier>-<checksum>");
    }
    memcpy(token->carrier, part, length);
    return 0;
}

static int decode_word(struct decoder *decoder, struct token *token)
{
    const char *part;
    const size_t length = next_part(decoder, &part);
    const int result = length == 1 && part[0] == EMBEDDED[0]
                           ? decode_embedded(decoder, &token->plan)
                           : decode_shipped(decoder, part, length, &token->plan);

    return result == 0 ? decode_numbers(decoder, token) : result;
}

int token_decode(const char *text, struct token *token, char *message, size_t size)
{
    static const char white[] = " \t\r\n";
    const char *start = text + strspn(text, white);
    size_t length = strcspn(start, white);
    struct decoder decoder = {.at = start, .message = message, .size = size};
    uint32_t crc = 0;
    int result;

    memset(token, 0, sizeof(*token));
    if (start[length + strspn(start + length, white)] != '\0') {
        return wrong(&decoder, "a token is one word; this has white space inside");
    }
    if (length <= CRC_LENGTH || length >= TOKEN_MAX || start[length - CRC_LENGTH] != '-' ||
        !hexadecimal(start + length - CRC_LENGTH + 1, &crc)) {
        return wrong(&decoder,
                     "not a token, or cut short; one ends with '-' and 8 digits 0-9, a-f");
    }
    length -= CRC_LENGTH;
    if (checksum_crc32(start, length) != crc) {
        return wrong(&decoder,
                     "mistyped: the token's checksum is %08" PRIx32
                     ", what is before it has %08" PRIx32 "; copy it again",
                     crc, checksum_crc32(start, length));
    }
    decoder.end = start + length;
    result = decode_word(&decoder, token);
    if (result != 0) {
        memset(token, 0, sizeof(*token));
    }
    return result;
}
