/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The configuration: defaults, bounds, and words for what is out of them.
 */
#include "support.h"

TestSuite(config_unit, .timeout = 60);

/*
 * Claim:   left at 0, every field gets PostgreSQL's value where PostgreSQL has one; and what is
 *          complete stays as it is.
 */
Test(config_unit, defaults_are_those_of_postgresql)
{
    struct sv_config c = {0};
    char words[200];
    cr_assert_eq(sv_config_complete(&c, words, sizeof(words)), 0);
    cr_expect_eq(c.backends_max, 64);
    cr_expect_eq(c.capacity, 4096);
    cr_expect_eq(c.cleanup_min, 2048);
    cr_expect_eq(c.cleanup_quantum, 256);
    cr_expect_eq(c.signal_threshold, 2048);
    cr_expect_eq(c.write_quantum, 64);
    cr_expect_eq(c.wraparound, UINT32_C(1) << 30);
    cr_expect_eq(c.intent_max, 128);
    cr_expect_eq(c.table_rows_max, 0);
    cr_expect_eq(c.table_value_max, 64);
    cr_expect_eq(c.table_writes_max, 64);
    cr_expect_eq(c.lock_hold_max_ms, 0);
    const struct sv_config complete = c;
    cr_assert_eq(sv_config_complete(&c, words, sizeof(words)), 0);
    cr_assert_arr_eq(&c, &complete, sizeof(c));
}

/*
 * Claim:   defaults follow the capacity, for every capacity there can be.
 */
Test(config_unit, every_power_of_two_has_valid_defaults)
{
    for (uint32_t capacity = 4; capacity <= 65536; capacity *= 2) {
        struct sv_config c = {.capacity = capacity};
        char words[200];
        cr_assert_eq(sv_config_complete(&c, words, sizeof(words)), 0, "%s", words);
        cr_expect_eq(c.cleanup_min, capacity / 2);
        cr_expect_eq(c.signal_threshold, capacity / 2);
        cr_expect_geq(c.cleanup_quantum, 1);
        cr_expect_leq(c.write_quantum, capacity / 2);
        c.wraparound = capacity;
        cr_assert_eq(sv_config_complete(&c, words, sizeof(words)), 0, "%s", words);
    }
}

struct bad_config {
    struct sv_config config;
    const char *words;
};

/*
 * Claim:   what is out of bounds is refused, with the field, its value and what would be right.
 */
Test(config_unit, a_bad_configuration_is_told_in_words)
{
    const struct bad_config cases[] = {
        {{.backends_max = 1025}, "backends_max is 1025; it must be 1 to 1024"},
        {{.capacity = 2}, "capacity is 2; it must be 4 to 65536"},
        {{.capacity = 131072}, "capacity is 131072; it must be 4 to 65536"},
        {{.capacity = 100}, "capacity is 100; it must be a power of two, 4 to 65536"},
        {{.capacity = 64, .cleanup_min = 65}, "cleanup_min is 65; it must be 1 to 64"},
        {{.capacity = 64, .cleanup_quantum = 65}, "cleanup_quantum is 65; it must be 1 to 64"},
        {{.capacity = 64, .signal_threshold = 65}, "signal_threshold is 65; it must be 1 to 64"},
        {{.capacity = 64, .write_quantum = 65}, "write_quantum is 65; it must be 1 to 64"},
        {{.capacity = 64, .wraparound = 32}, "wraparound is 32; it must be 64 to 1073741824"},
        {{.wraparound = UINT32_C(1) << 31},
         "wraparound is 2147483648; it must be 4096 to 1073741824"},
        {{.capacity = 64, .wraparound = 65},
         "wraparound is 65; it must be a multiple of capacity, 64"},
        {{.intent_max = 65537}, "intent_max is 65537; it must be 1 to 65536"},
        {{.table_rows_max = UINT32_MAX}, "table_rows_max is 4294967295; it must be 0 to 16777216"},
        {{.table_value_max = 65537}, "table_value_max is 65537; it must be 1 to 65536"},
        {{.table_writes_max = 65537}, "table_writes_max is 65537; it must be 1 to 65536"},
        {{.lock_hold_max_ms = 3600001}, "lock_hold_max_ms is 3600001; it must be 0 to 3600000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sv_config config = cases[i].config;
        char words[200] = "";
        struct sv_segment *segment = NULL;
        cr_expect_eq(sv_config_complete(&config, words, sizeof(words)), -EINVAL, "%s",
                     cases[i].words);
        cr_expect_str_eq(words, cases[i].words);
        cr_expect_eq(sv_segment_create(NULL, &cases[i].config, &segment), -EINVAL);
        cr_expect_null(segment);
    }
}
