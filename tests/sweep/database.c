/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where the database is, and whether SQLite itself finds anything wrong with it.
 *
 * The survivors judge what is in it, as they do with the table. SQLite's own check of the file is
 * made when all have left: the last one to leave has put the log into the file.
 */
#include "tests/sweep/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const parts[] = {"", "-wal", "-shm", "-journal"};

static void path_of(pid_t sweeper, const char *part, char path[DATABASE_PATH_MAX])
{
    (void)snprintf(path, DATABASE_PATH_MAX, "/dev/shm/sinval-sweep-%d%s", (int)sweeper, part);
}

void database_forget(pid_t sweeper)
{
    char path[DATABASE_PATH_MAX];
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        path_of(sweeper, parts[i], path);
        (void)unlink(path);
    }
}

int database_open(struct actor *actor, pid_t sweeper)
{
    char path[DATABASE_PATH_MAX];
    char message[256];
    path_of(sweeper, "", path);
    return actor_must(actor, "sv_sqlite_open",
                      sv_sqlite_open(actor->self, path, &actor->source, message, sizeof(message)));
}

struct trace_region database_index(pid_t participant)
{
    struct trace_region region = {0};
    char text[512];
    (void)snprintf(text, sizeof(text), "/proc/%d/maps", (int)participant);
    FILE *file = fopen(text, "re");
    while (file != NULL && region.end == 0 && fgets(text, sizeof(text), file) != NULL) {
        if (strstr(text, "-shm") != NULL) {
            char *end = NULL;
            region.first = strtoull(text, &end, 16);
            region.end = strtoull(end + 1, NULL, 16);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return region;
}

/* Takes the first line that is not "ok". */
static int take_line(void *argument, int count, char **values, char **names)
{
    struct finding *finding = argument;
    (void)names;
    if (count != 1 || values[0] == NULL || strcmp(values[0], "ok") != 0) {
        (void)finding_set(finding, ORACLE_O1, "the database: %s", count == 1 ? values[0] : "?");
        return 1;
    }
    return 0;
}

static void judge(const struct control *control, pid_t sweeper)
{
    char path[DATABASE_PATH_MAX];
    sqlite3 *database = NULL;
    struct finding finding = {0};
    path_of(sweeper, "", path);
    int code = sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_exec(database, "PRAGMA integrity_check", take_line, &finding, NULL);
    }
    if (code != SQLITE_OK && finding.message[0] == '\0') {
        (void)finding_set(&finding, ORACLE_O1, "the database cannot be read: %s",
                          sqlite3_errstr(code));
    }
    (void)sqlite3_close(database);
    if (code != SQLITE_OK) {
        control_accuse(control, PART_VICTIM, &finding);
    }
}

void database_judge(const struct control *control, pid_t sweeper)
{
    const pid_t pid = fork();
    if (pid == 0) {
        judge(control, sweeper);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
