/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A campaign as JUnit's XML, as continuous integration shows it.
 */
#include <errno.h>
#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <string.h>

#include "faults/report.h"

/* XML has no place for control characters, and libxml2 would write them. */
static void write_text(xmlTextWriterPtr writer, const char *text)
{
    char clean[2048];

    while (*text != '\0') {
        size_t used = 0;
        for (; *text != '\0' && used + 1 < sizeof(clean); text++) {
            const bool plain = *text == '\n' || *text == '\t' || (*text >= ' ' && *text <= '~');
            clean[used] = '?';
            if (plain) {
                clean[used] = *text;
            }
            used++;
        }
        clean[used] = '\0';
        (void)xmlTextWriterWriteString(writer, (const xmlChar *)clean);
    }
}

static void attribute(xmlTextWriterPtr writer, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void attribute(xmlTextWriterPtr writer, const char *name, const char *format, ...)
{
    char value[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    (void)xmlTextWriterStartAttribute(writer, (const xmlChar *)name);
    write_text(writer, value);
    (void)xmlTextWriterEndAttribute(writer);
}

static void write_passed(xmlTextWriterPtr writer, const char *plan, const struct plan_total *total)
{
    (void)xmlTextWriterStartElement(writer, (const xmlChar *)"testcase");
    attribute(writer, "classname", "sinval.run.%s", plan);
    attribute(writer, "name", "%" PRIu64 " of %" PRIu64 " runs pass", total->runs - total->failed,
              total->runs);
    attribute(writer, "time", "%.3f", total->seconds);
    (void)xmlTextWriterEndElement(writer);
}

static void write_failure(xmlTextWriterPtr writer, const char *plan, const struct failure *failure)
{
    (void)xmlTextWriterStartElement(writer, (const xmlChar *)"testcase");
    attribute(writer, "classname", "sinval.run.%s", plan);
    attribute(writer, "name", "seed %" PRIu64, failure->seed);
    (void)xmlTextWriterStartElement(writer, (const xmlChar *)"failure");
    attribute(writer, "type", "%s", oracle_name(failure->finding.oracle));
    attribute(writer, "message", "%s", failure->finding.message);
    write_text(writer, failure->details != NULL ? failure->details : "");
    write_text(writer, "sinval replay ");
    write_text(writer, failure->token != NULL ? failure->token : "");
    (void)xmlTextWriterEndElement(writer);
    (void)xmlTextWriterEndElement(writer);
}

static uint32_t failures_kept(const struct campaign *campaign, uint32_t plan)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < campaign->failure_count; i++) {
        count += campaign->failures[i].plan == plan;
    }
    return count;
}

static void write_suite(xmlTextWriterPtr writer, const struct campaign *campaign, uint32_t plan)
{
    const char *name = campaign->options->plans[plan].name;
    const struct plan_total *total = &campaign->plans[plan];
    const uint32_t failures = failures_kept(campaign, plan);

    (void)xmlTextWriterStartElement(writer, (const xmlChar *)"testsuite");
    attribute(writer, "name", "sinval.run.%s", name);
    attribute(writer, "tests", "%u", failures + 1);
    attribute(writer, "failures", "%u", failures);
    attribute(writer, "errors", "0");
    attribute(writer, "time", "%.3f", total->seconds);
    write_passed(writer, name, total);
    for (uint32_t i = 0; i < campaign->failure_count; i++) {
        if (campaign->failures[i].plan == plan) {
            write_failure(writer, name, &campaign->failures[i]);
        }
    }
    (void)xmlTextWriterEndElement(writer);
}

int report_junit(const struct campaign *campaign, FILE *to)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    xmlTextWriterPtr writer = buffer != NULL ? xmlNewTextWriterMemory(buffer, 0) : NULL;

    if (writer == NULL) {
        xmlBufferFree(buffer);
        return -ENOMEM;
    }
    (void)xmlTextWriterSetIndent(writer, 1);
    (void)xmlTextWriterStartDocument(writer, NULL, "UTF-8", NULL);
    (void)xmlTextWriterStartElement(writer, (const xmlChar *)"testsuites");
    attribute(writer, "time", "%.3f", campaign->seconds);
    for (uint32_t i = 0; i < campaign->options->plan_count; i++) {
        write_suite(writer, campaign, i);
    }
    (void)xmlTextWriterEndDocument(writer);
    xmlFreeTextWriter(writer);
    errno = 0;
    const size_t bytes = (size_t)xmlBufferLength(buffer);
    const bool written = fwrite(xmlBufferContent(buffer), 1, bytes, to) == bytes;
    xmlBufferFree(buffer);
    if (!written || fflush(to) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}
