/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens: one word that repeats a run.
 *
 *     laggard-reset.p5e0c91d2.s42.b8.t200.process-1a2b3c4d
 *     x.AgVzdG9ybQ....s42.process-1a2b3c4d
 *
 * The plan, by name and digest if it comes with the program, else whole (x, then its canonical
 * bytes in base64url); the seed; backends and transactions where they were overridden; the
 * carrier; a CRC-32 of all that. Only letters, digits, '.', '-' and '_': safe in every shell, in a
 * URL and in a file name. Every change of one character is noticed.
 *
 * For real processes a token repeats every fault decision; the operating system still chooses the
 * interleaving.
 */
#ifndef SINVAL_FAULTS_TOKEN_H
#define SINVAL_FAULTS_TOKEN_H

#include "faults/plan.h"

#define TOKEN_MAX         (PLAN_BYTES_MAX * 4 / 3 + 160) /* bytes, with the terminator */
#define TOKEN_CARRIER_MAX 16                             /* bytes, with the terminator: [a-z]+ */

struct token {
    struct plan plan; /* as loaded, without the overrides: see plan_override */
    uint64_t seed;
    uint32_t backends;     /* 0: the plan's */
    uint32_t transactions; /* 0: the plan's */
    char carrier[TOKEN_CARRIER_MAX];
};

/* Write token as one word into text[]. Returns: its length. */
size_t token_encode(const struct token *token, char text[TOKEN_MAX]);

/*
 * Read a token; white space around it is skipped.
 *
 * Returns:  0        *token is filled in.
 *           -EINVAL  message says what is wrong: mistyped, cut short, not a token, or of a shipped
 *                    plan that is unknown or has changed since.
 */
SV_NODISCARD int token_decode(const char *text, struct token *token, char *message, size_t size);

#endif
