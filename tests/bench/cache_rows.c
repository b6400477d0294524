/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows of the caches, in one process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static _Noreturn void fail(const char *what, int result)
{
    (void)fprintf(stderr, "sinval bench: %s gives %d\n", what, result);
    exit(3);
}

static void must(int result, const char *what)
{
    if (result != 0) {
        fail(what, result);
    }
}

struct world {
    struct sv_segment *segment;
    struct sv_backend *writer;
    struct sv_backend *self;
    struct sv_source *source;
    struct sv_catcache *cache;
};

enum { ROWS = 256 };

static struct sv_keys key_of(const uint32_t *number)
{
    return (struct sv_keys){.count = 1, .key = {{number, sizeof(*number)}}};
}

static struct world open_world(void)
{
    struct world w = {.segment = bench_segment((struct sv_config){.table_rows_max = 1024})};
    w.writer = bench_attach(w.segment, &(struct sv_backend_options){.send_only = true});
    w.self = bench_attach(w.segment, NULL);
    must(sv_table_open(w.self, &w.source), "sv_table_open");
    must(sv_catcache_create(w.self,
                            &(struct sv_catcache_options){
                                .cache = 1, .relation = 1, .key_count = 1, .source = w.source},
                            &w.cache),
         "sv_catcache_create");
    for (uint32_t n = 0; n < ROWS; n++) {
        const struct sv_keys keys = key_of(&n);
        const struct sv_tuple tuple = {.data = &n, .size_bytes = sizeof(n)};
        must(sv_transaction_begin(w.self, NULL), "begin");
        must(sv_source_write(w.self, w.source, 1, &keys, &tuple), "write");
        must(sv_transaction_commit(w.self), "commit");
    }
    must(sv_accept_messages(w.self), "accept");
    return w;
}

static void close_world(struct world *w)
{
    sv_backend_detach(w->self);
    w->source->close(w->source);
    sv_backend_detach(w->writer);
    sv_segment_detach(w->segment);
}

static void search(struct world *w, uint32_t number)
{
    const struct sv_keys keys = key_of(&number);
    struct sv_cache_entry *entry = NULL;
    must(sv_cache_search(w->self, w->cache, &keys, &entry), "search");
    sv_cache_release(w->self, entry);
}

static double search_hit(uint32_t argument)
{
    enum { CALLS = 2000000 };

    (void)argument;
    struct world w = open_world();
    for (uint32_t n = 0; n < ROWS; n++) {
        search(&w, n);
    }
    const double start = bench_now_s();
    for (uint32_t i = 0; i < CALLS; i++) {
        search(&w, i % ROWS);
    }
    const double seconds = bench_now_s() - start;
    close_world(&w);
    return seconds * 1e9 / CALLS;
}

/* 2,000 messages a round, each for a key that is not cached, as most are. Only accept is timed. */
static double accept_invalidations(uint32_t argument)
{
    enum { ROUNDS = 300, A_ROUND = 2000 };

    (void)argument;
    struct world w = open_world();
    double seconds = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < A_ROUND; i++) {
            const struct sv_message message = {.kind = SV_MESSAGE_CATCACHE,
                                               .catcache = {.cache = 1, .hash = i * 2654435761U}};
            sv_queue_insert(w.writer, &message, 1);
        }
        const double start = bench_now_s();
        must(sv_accept_messages(w.self), "accept");
        seconds += bench_now_s() - start;
    }
    close_world(&w);
    return seconds * 1e9 / (ROUNDS * A_ROUND);
}

const struct bench_row bench_cache_rows[] = {
    {"accept-invalidations", "accept with cache invalidation, 1 backend", "ns/message", false, 12.2,
     accept_invalidations, 0},
    {"search-hit", "cached search, hit", "ns/call", false, -1, search_hit, 0},
    {0},
};
