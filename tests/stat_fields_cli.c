/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval stat, field by field: a segment whose sizes, slots, locks and counters are each another
 * number, so that whatever is shown in another one's place is seen, in text and in JSON.
 *
 * The numbers are written into the segment as it lies there, which nobody uses meanwhile, and what
 * was there before is put back in the end.
 */
#include <jansson.h>
#include <sys/ptrace.h>

#include "cli_support.h"
#include "shm/segment.h"

TestSuite(stat_fields_cli, .timeout = 90);

#define UNKNOWN_PID 4200000             /* plus the slot: more than a pid can be */
#define FUTURE_NS   (UINT64_C(1) << 60) /* plus what it is of: 0 ms ago */

enum { SLOTS = 11, LEFT = 8, SLOTS_MAX = 12, NOBODY = 255 };

static const struct sv_config sizes = {.backends_max = SLOTS_MAX,
                                       .capacity = 64,
                                       .cleanup_min = 33,
                                       .cleanup_quantum = 7,
                                       .signal_threshold = 21,
                                       .write_quantum = 9,
                                       .wraparound = 640,
                                       .intent_max = 13,
                                       .table_rows_max = 11,
                                       .table_value_max = 24,
                                       .table_writes_max = 6,
                                       .lock_hold_max_ms = 3500000};

/* What is particular about each slot: one thing, mostly. */
static const struct {
    const char *state;
    const char *marks;
    uint32_t behind;
    bool reset, signaled, send_only, latch_set, asleep, apart, dead, traced;
    enum sv_intent_phase intent;
    uint32_t intended;
} slots[SLOTS] = {
    {.state = "running", .marks = "reset ", .reset = true},
    {.state = "running", .marks = "signaled ", .signaled = true, .behind = 45},
    {.state = "running", .marks = "send-only ", .send_only = true},
    {.state = "running", .marks = "latch ", .latch_set = true, .behind = 35},
    {.state = "asleep", .marks = "", .asleep = true, .behind = 30},
    {"running", "intent:5 ", 25, .intent = SV_INTENT_MESSAGES, .intended = 5},
    {"running", "intent:all ", 20, .intent = SV_INTENT_RESET_ALL, .intended = UINT32_MAX},
    {.state = "stopped", .marks = "waits-for:app_1", .traced = true, .behind = 15},
    {.state = "free"},
    {.state = "dead", .marks = "to-be-settled ", .dead = true, .behind = 5},
    {.state = "attaching", .marks = "", .apart = true},
};

/* Who has which lock, who shares it, who waits for it. */
static const struct {
    uint32_t owner, shared, waiter;
    const char *text;
} locks[SV_LOCK_COUNT] = {
    {3, NOBODY, NOBODY, "\n app_0 exclusive: slot 3 (pid 4200003), holds it for 0 ms\n"},
    {NOBODY, 5, 7, "\n app_1 shared: slot 5 (pid 4200005), holds it for 0 ms; waits: slot 7 (pid "},
    {NOBODY, NOBODY, NOBODY, "\n table free\n"},
    {1, NOBODY, NOBODY, "\n write exclusive: slot 1 (pid 4200001), holds it for 0 ms\n"},
    {9, 4, NOBODY, "\n read exclusive: slot 9 (pid 4200009), dead, settled by thread "},
};

struct scene {
    struct cli *cli;
    char name[64];
    struct sv_segment *segment;
    struct sv_backend *selves[SLOTS];
    pid_t traced;
    struct sv_slot slots[SLOTS];
    struct sv_queue queue;
    struct sv_lock_word locks[SV_LOCK_COUNT];
};

static uint64_t counter_of(uint32_t slot, int stat)
{
    return slot < SLOTS ? UINT64_C(1000) * (slot + 1) + (uint64_t)stat : 0;
}

static uint64_t total_of(int stat)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        sum += counter_of(i, stat);
    }
    return sum;
}

static int32_t pid_of(const struct scene *scene, uint32_t slot)
{
    return slots[slot].traced ? scene->traced : UNKNOWN_PID + (int32_t)slot;
}

static uint64_t held_since(uint32_t slot, uint32_t lock)
{
    return FUTURE_NS + slot * UINT64_C(1000003) + lock * UINT64_C(17);
}

static uint64_t waits_since(uint32_t slot)
{
    return FUTURE_NS + UINT64_C(5000011) * (slot + 1);
}

static bool waits_for(uint32_t slot, int lock)
{
    return locks[lock].waiter == slot;
}

/* ---- the numbers ----------------------------------------------------------------------------- */

static void write_slot(const struct scene *scene, uint32_t i)
{
    struct sv_slot *slot = &scene->segment->slots[i];
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        sv_store_relaxed64(&slot->stats[stat], counter_of(i, stat));
    }
    if (i == LEFT) {
        return;
    }
    sv_store_relaxed32(&slot->pid, (uint32_t)pid_of(scene, i));
    sv_store_relaxed64(&slot->position, SV_POSITION(3, 100 + 5 * i));
    sv_store_relaxed32(&slot->reset, slots[i].reset);
    sv_store_relaxed32(&slot->signaled, slots[i].signaled);
    sv_store_relaxed32(&slot->send_only, slots[i].send_only);
    sv_store_relaxed32(&slot->in_queue, !slots[i].apart);
    sv_store_relaxed32(&slot->latch, slots[i].latch_set);
    sv_store_relaxed32(&slot->sleep, slots[i].asleep);
    sv_store_relaxed64(&slot->local_transaction_id, 700 + i);
    sv_store_relaxed32(&sv_segment_intent(scene->segment, i)->count, slots[i].intended);
    sv_store_relaxed32(&slot->intent, slots[i].intent);
    sv_store_relaxed64(&slot->waits_since_ns, waits_since(i));
    if (slots[i].dead) { /* this thread has its life lock, and is another one */
        sv_store_relaxed32(&slot->phase, SV_SLOT_DEAD);
        sv_store_relaxed32(&slot->tid, (uint32_t)UNKNOWN_PID);
    }
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        sv_store_relaxed64(&slot->since_ns[lock], held_since(i, lock));
        sv_store_relaxed32(&slot->held[lock], locks[lock].shared == i);
        if (waits_for(i, (int)lock)) {
            sv_store_relaxed32(&slot->waits_for_lock, lock + 1);
        }
    }
}

static void write_numbers(struct scene *scene)
{
    struct sv_segment *segment = scene->segment;
    struct sv_queue *queue = segment->queue;
    memcpy(scene->slots, segment->slots, sizeof(scene->slots));
    memcpy(&scene->queue, queue, sizeof(*queue));
    memcpy(scene->locks, segment->locks, sizeof(scene->locks));
    for (uint32_t i = 0; i < SLOTS; i++) {
        write_slot(scene, i);
    }
    sv_store_relaxed64(&queue->min_number, SV_POSITION(3, 95));
    sv_store_relaxed64(&queue->max_number, SV_POSITION(3, 150));
    sv_store_relaxed64(&queue->published, 4711);
    sv_store_relaxed32(&queue->next_threshold, 17);
    sv_store_relaxed32(&queue->epoch, 3);
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        const uint32_t owner = locks[lock].owner;
        sv_store_relaxed32(&segment->locks[lock].exclusive, owner == NOBODY ? 0 : owner + 1);
    }
}

/* A process that is stopped because somebody traces it. */
static pid_t start_traced(void)
{
    const pid_t pid = fork();
    siginfo_t info = {0};
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGTRAP) != 0);
    }
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT), 0);
    cr_assert_eq(info.si_code, CLD_TRAPPED, "it cannot be traced");
    return pid;
}

static struct scene *enter(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    cr_assert_not_null(scene);
    scene->cli = cli_open();
    scene->traced = start_traced();
    (void)snprintf(scene->name, sizeof(scene->name), "stat-fields-%d", (int)getpid());
    const int result = sv_segment_create(scene->name, &sizes, &scene->segment);
    cr_assert_eq(result, 0, "%s: %s", scene->name, sv_segment_error(result));
    cr_assert_eq(setenv("name", scene->name, 1), 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        scene->selves[i] = join(scene->segment);
        cr_assert_eq(sv_backend_slot(scene->selves[i]), i);
    }
    sv_backend_detach(scene->selves[LEFT]);
    write_numbers(scene);
    return scene;
}

static void leave(struct scene *scene)
{
    memcpy(scene->segment->slots, scene->slots, sizeof(scene->slots));
    memcpy(scene->segment->queue, &scene->queue, sizeof(scene->queue));
    memcpy(scene->segment->locks, scene->locks, sizeof(scene->locks));
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (i != LEFT) {
            sv_backend_detach(scene->selves[i]);
        }
    }
    kill_and_reap(scene->traced);
    sv_segment_detach(scene->segment);
    cr_assert_eq(sv_segment_unlink(scene->name), 0);
    cli_close(scene->cli);
    free(scene);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* How wide a column is does not matter here: one space for many. */
static void squeeze(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != ' ' || from[1] != ' ') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void expect_part(const struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void expect_part(const struct scene *scene, const char *format, ...)
{
    char part[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(part, sizeof(part), format, arguments);
    va_end(arguments);
    cr_expect_not_null(strstr(scene->cli->output, part), "no '%s' in:\n%s", part,
                       scene->cli->output);
}

static void expect_slot_text(const struct scene *scene, uint32_t i)
{
    expect_part(scene,
                "\n %" PRIu32 " %" PRId32 " %s %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64
                " %" PRIu64 " %" PRIu64 " %s\n",
                i, pid_of(scene, i), slots[i].state, 100 + 5 * i, slots[i].behind,
                counter_of(i, SV_STAT_inserted), counter_of(i, SV_STAT_read),
                counter_of(i, SV_STAT_resets_taken), counter_of(i, SV_STAT_commits),
                slots[i].marks);
}

/* Claim: in text, each number stands where it belongs. */
Test(stat_fields_cli, text_has_each_field_in_its_place)
{
    struct scene *scene = enter();
    cr_assert_eq(run(scene->cli, "$sinval stat $name"), 0, "%s", scene->cli->complaint);
    squeeze(scene->cli->output);
    expect_part(scene, "segment %s, %zu bytes\n", scene->name,
                sv_segment_size_bytes(scene->segment));
    expect_part(scene, "config backends_max 12, capacity 64, cleanup_min 33, cleanup_quantum 7,\n"
                       " signal_threshold 21, write_quantum 9, wraparound 640, intent_max 13,\n"
                       " table_rows_max 11, table_value_max 24, table_writes_max 6, "
                       "lock_hold_max_ms 3500000\n");
    expect_part(scene, "queue min 95, max 150, length 55 of 64, next threshold 17, "
                       "wraparounds 3\n");
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        expect_part(scene, "%s", locks[lock].text);
    }
    expect_part(scene, "\nbackends 10 of 12\n");
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (i != LEFT) {
            expect_slot_text(scene, i);
        }
    }
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        expect_part(scene, "\n %" PRIu64 " %s\n", total_of(stat), sv_stat_text((enum sv_stat)stat));
    }
    leave(scene);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Each member that is expected is there, and nothing else; takes both. */
static void expect_json(const char *what, json_t *got, json_t *expected)
{
    char *got_text = json_dumps(got, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    char *expected_text = json_dumps(expected, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    cr_assert_not_null(expected_text, "%s", what);
    cr_expect(json_equal(got, expected), "%s: %s\nnot %s", what,
              got_text != NULL ? got_text : "nothing", expected_text);
    free(got_text);
    free(expected_text);
    json_decref(got);
    json_decref(expected);
}

static json_t *part_of(const json_t *root, const char *key)
{
    return json_incref(json_object_get(root, key));
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *counters_of(uint64_t (*count)(uint32_t slot, int stat), uint32_t slot)
{
    json_t *object = json_object();
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        json_object_set_new(object, sv_stat_name((enum sv_stat)stat), number(count(slot, stat)));
    }
    return object;
}

static uint64_t total(uint32_t slot, int stat)
{
    (void)slot;
    return total_of(stat);
}

static json_t *slot_of(const struct scene *scene, uint32_t i)
{
    const pid_t self = getpid(); /* also the thread that has all life locks */
    json_t *slot =
        json_pack("{s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:i}", "slot", (int)i,
                  "pid", pid_of(scene, i), "tid", slots[i].dead ? UNKNOWN_PID : self, "settler_tid",
                  slots[i].dead ? self : 0, "state", slots[i].state, "next_number",
                  (int)(100 + 5 * i), "behind", (int)slots[i].behind, "reset", slots[i].reset,
                  "signaled", slots[i].signaled, "send_only", slots[i].send_only, "latch_set",
                  slots[i].latch_set, "local_transaction_id", (int)(700 + i));
    const bool all = slots[i].intended == UINT32_MAX;
    json_object_set_new(slot, "intent", all ? json_string("all") : number(slots[i].intended));
    json_object_set_new(slot, "counters", counters_of(counter_of, i));
    return slot;
}

static json_t *lock_of(int lock)
{
    json_t *shared = json_array();
    json_t *since = json_array();
    json_t *waiters = json_array();
    const uint32_t owner = locks[lock].owner;
    if (locks[lock].shared != NOBODY) {
        json_array_append_new(shared, number(locks[lock].shared));
        json_array_append_new(since, number(held_since(locks[lock].shared, (uint32_t)lock)));
    }
    if (locks[lock].waiter != NOBODY) {
        json_array_append_new(waiters,
                              json_pack("{s:o, s:o}", "slot", number(locks[lock].waiter),
                                        "since_ns", number(waits_since(locks[lock].waiter))));
    }
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:b, s:o}", "name", sv_lwlock_name((enum sv_lock)lock), "owner",
        owner == NOBODY ? json_null() : number(owner), "owner_since_ns",
        owner == NOBODY ? json_null() : number(held_since(owner, (uint32_t)lock)), "shared", shared,
        "shared_since_ns", since, "since_is_exact", true, "waiters", waiters);
}

static json_t *config_of(void)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "backends_max",
                     12, "capacity", 64, "cleanup_min", 33, "cleanup_quantum", 7,
                     "signal_threshold", 21, "write_quantum", 9, "wraparound", 640, "intent_max",
                     13, "table_rows_max", 11, "table_value_max", 24, "table_writes_max", 6,
                     "lock_hold_max_ms", 3500000);
}

/* Claim: and so it does in JSON. */
Test(stat_fields_cli, json_has_each_field_in_its_place)
{
    struct scene *scene = enter();
    json_t *expected_slots = json_array();
    json_t *expected_locks = json_array();
    cr_assert_eq(run(scene->cli, "$sinval stat --report=json $name"), 0, "%s",
                 scene->cli->complaint);
    json_t *root = json_loads(scene->cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", scene->cli->output);
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (i != LEFT) {
            json_array_append_new(expected_slots, slot_of(scene, i));
        }
    }
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        json_array_append_new(expected_locks, lock_of(lock));
    }
    expect_json("name", part_of(root, "name"), json_string(scene->name));
    expect_json("size_bytes", part_of(root, "size_bytes"),
                number(sv_segment_size_bytes(scene->segment)));
    expect_json("config", part_of(root, "config"), config_of());
    expect_json("queue", part_of(root, "queue"),
                json_pack("{s:i, s:i, s:i, s:i, s:i}", "min_number", 95, "max_number", 150,
                          "next_threshold", 17, "wraparounds", 3, "published", 4711));
    expect_json("locks", part_of(root, "locks"), expected_locks);
    expect_json("backends", part_of(root, "backends"), expected_slots);
    expect_json("counters", part_of(root, "counters"), counters_of(total, 0));
    json_decref(root);
    leave(scene);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Claim: the list tells of a segment how many backends there are now, and what was inserted. */
Test(stat_fields_cli, the_list_has_each_field_in_its_place)
{
    struct scene *scene = enter();
    json_t *found = NULL;
    json_t *entry = NULL;
    size_t i = 0;
    cr_assert_eq(run(scene->cli, "$sinval stat"), 0, "%s", scene->cli->complaint);
    squeeze(scene->cli->output);
    expect_part(scene, "%s %zu bytes, 10 of 12 backends, %" PRIu64 " messages inserted\n",
                scene->name, sv_segment_size_bytes(scene->segment), total_of(SV_STAT_inserted));
    cr_assert_eq(run(scene->cli, "$sinval stat --report=json"), 0, "%s", scene->cli->complaint);
    json_t *root = json_loads(scene->cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", scene->cli->output);
    json_array_foreach(json_object_get(root, "segments"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name != NULL && strcmp(name, scene->name) == 0) {
            found = entry;
        }
    }
    expect_json("the list", json_incref(found),
                json_pack("{s:s, s:o, s:i, s:i}", "name", scene->name, "size_bytes",
                          number(sv_segment_size_bytes(scene->segment)), "backends", 10,
                          "backends_max", 12));
    json_decref(root);
    leave(scene);
}
