/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Showing a campaign.
 *
 * The bar goes to standard error and only if that is a terminal, so a pipe or a log never sees it;
 * it is wiped before anything else is said. A report that goes to a file leaves standard output to
 * the text.
 */
#include "cli/view.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "faults/clock.h"
#include "faults/report.h"

#define BAR_CELLS   24
#define DRAW_NS     UINT64_C(100000000)
#define COLUMNS_MAX 160

int view_open(struct view *view)
{
    view->bar = isatty(STDERR_FILENO) == 1;
    if (view->output == NULL) {
        return STATUS_FINE;
    }
    view->file = fopen(view->output, "we");
    if (view->file == NULL) {
        return complain(STATUS_BAD_INPUT,
                        "--output: cannot write '%s': %s; a file in a directory of yours would be "
                        "right",
                        view->output, strerror(errno));
    }
    return STATUS_FINE;
}

static void wipe(struct view *view)
{
    if (view->drawn_columns != 0) {
        fprintf(stderr, "\r%*s\r", (int)view->drawn_columns, "");
        view->drawn_columns = 0;
    }
}

static void draw(const struct campaign *campaign, void *argument)
{
    struct view *view = argument;
    const uint64_t now_ns = clock_now_ns();
    const double done =
        campaign->planned > 0 ? (double)campaign->runs / (double)campaign->planned : 1;
    char bar[BAR_CELLS + 1];
    char line[COLUMNS_MAX];

    if (!view->bar || now_ns - view->drawn_ns < DRAW_NS) {
        return;
    }
    view->drawn_ns = now_ns;
    for (uint32_t i = 0; i < BAR_CELLS; i++) {
        bar[i] = (double)i < done * BAR_CELLS ? '#' : '.';
    }
    bar[BAR_CELLS] = '\0';
    const double rate = campaign->seconds > 0 ? (double)campaign->runs / campaign->seconds : 0;
    const double left_s = rate > 0 ? (double)(campaign->planned - campaign->runs) / rate : 0;
    const int columns =
        snprintf(line, sizeof(line),
                 "[%s] %" PRIu64 "/%" PRIu64 "  %.0f a minute, %d:%02d left, %" PRIu64
                 " killed, %" PRIu64 " failed",
                 bar, campaign->runs, campaign->planned, rate * 60, (int)(left_s / 60),
                 (int)left_s % 60, campaign->deaths, campaign->failed);
    fprintf(stderr, "\r%s%*s", line,
            (uint32_t)columns < view->drawn_columns ? (int)view->drawn_columns - columns : 0, "");
    view->drawn_columns = (uint32_t)columns;
}

/* Returns: 0; -errno. */
static int write_report(const struct view *view, const struct campaign *campaign)
{
    static int (*const reports[])(const struct campaign *, FILE *) = {
        [REPORT_TEXT] = report_text, [REPORT_JSON] = report_json, [REPORT_JUNIT] = report_junit};
    FILE *to = view->file != NULL ? view->file : stdout;

    if (view->file != NULL && view->report != REPORT_TEXT) {
        const int error = report_text(campaign, stdout);
        if (error != 0) {
            return error;
        }
    }
    return reports[view->report](campaign, to);
}

static int close_report(struct view *view, int error)
{
    if (view->file != NULL && fclose(view->file) != 0 && error == 0) {
        error = -errno;
    }
    view->file = NULL;
    return error;
}

static int status_of(const struct view *view, const struct campaign *campaign, int error)
{
    if (error != 0) {
        return complain(STATUS_ENVIRONMENT, "the report could not be written to %s: %s",
                        view->output != NULL ? view->output : "standard output", strerror(-error));
    }
    if (campaign->failed != 0) {
        return STATUS_VIOLATED;
    }
    if (campaign->environment.message[0] != '\0') {
        return complain(STATUS_ENVIRONMENT, "%s", campaign->environment.message);
    }
    return STATUS_FINE;
}

/* Everything is cleaned up and said: end as others who are interrupted do. */
static void end_by(int signal_number)
{
    sigset_t mask;

    (void)fflush(stdout);
    (void)signal(signal_number, SIG_DFL);
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
    (void)raise(signal_number);
}

int view_campaign(struct view *view, struct campaign_options *options)
{
    struct campaign campaign;

    options->progress = draw;
    options->argument = view;
    if (campaign_run(options, &campaign) != 0) {
        return complain(STATUS_ENVIRONMENT, "no memory for a campaign");
    }
    wipe(view);
    const int interrupted = campaign.interrupted;
    const int error = close_report(view, write_report(view, &campaign));
    const int status = status_of(view, &campaign, error);
    campaign_free(&campaign);
    if (interrupted != 0) {
        end_by(interrupted);
    }
    return status;
}
