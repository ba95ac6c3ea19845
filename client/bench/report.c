#include "client/bench/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/json/json.h"

static void begin_report(struct report *report, const char *key, const char *label)
{
    if (report->json)
        buffer_append_format(&report->text, "%s\"%s\":", report->text.length ? "," : "{", key);
    else
        buffer_append_format(&report->text, "%-34s ", label);
}

static void end_report(struct report *report, const char *unit)
{
    if (!report->json)
        buffer_append_format(&report->text, "%s%s\n", *unit ? " " : "", unit);
}

void report_number(struct report *report, const char *key, const char *label, double value, int decimals,
                   const char *unit)
{
    begin_report(report, key, label);
    buffer_append_format(&report->text, report->json ? "%.*f" : "%16.*f", decimals, value);
    end_report(report, unit);
}

void report_count(struct report *report, const char *key, const char *label, uint64_t value, const char *unit)
{
    begin_report(report, key, label);
    buffer_append_format(&report->text, report->json ? "%" PRIu64 : "%16" PRIu64, value);
    end_report(report, unit);
}

void report_text(struct report *report, const char *key, const char *label, const char *value)
{
    begin_report(report, key, label);
    if (report->json)
        json_append_string(&report->text, slice_text(value));
    else
        buffer_append_format(&report->text, "%16s", value);
    end_report(report, "");
}

void report_latency(struct report *report, const char *prefix, const char *label,
                    const struct histogram *histogram)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99_9", 0.999}, {"max", 1}};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        char key[64], text[64];
        snprintf(key, sizeof key, "%s_%s_ms", prefix, points[i].name);
        snprintf(text, sizeof text, "%s %s", label, i == 2 ? "p99.9" : points[i].name);
        report_number(report, key, text, (double)histogram_at(histogram, points[i].share) / 1e6, 3, "ms");
    }
}

static void print_row_json(struct report *report, const char *name, const struct report_cell *cells,
                           size_t count)
{
    buffer_append_format(&report->text, "%s\"%s\":{", report->text.length ? "," : "{", name);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&report->text, "%s\"%s\":%.*f", i ? "," : "", cells[i].key, cells[i].decimals,
                             cells[i].value);
    buffer_append_byte(&report->text, '}');
}

static void print_labels(struct report *report, const struct report_cell *cells, size_t count)
{
    buffer_append_format(&report->text, "%-17s", "");
    for (size_t i = 0; i < count; i++)
        if (!cells[i].aside)
            buffer_append_format(&report->text, " %11s", cells[i].label);
    buffer_append_byte(&report->text, '\n');
}

void report_row(struct report *report, const char *name, bool first, const struct report_cell *cells,
                size_t count)
{
    if (report->json) {
        print_row_json(report, name, cells, count);
        return;
    }
    if (first)
        print_labels(report, cells, count);
    buffer_append_format(&report->text, "%-17s", name);
    for (size_t i = 0; i < count; i++)
        if (!cells[i].aside)
            buffer_append_format(&report->text, " %11.*f", cells[i].decimals, cells[i].value);
    for (size_t i = 0; i < count; i++)
        if (cells[i].aside && cells[i].value > 0)
            buffer_append_format(&report->text, "  %s %.*f", cells[i].label, cells[i].decimals,
                                 cells[i].value);
    buffer_append_byte(&report->text, '\n');
}

bool report_print(struct report *report)
{
    if (report->json)
        buffer_append_text(&report->text, report->text.length ? "}\n" : "{}\n");
    bool written = fwrite(report->text.data, 1, report->text.length, stdout) == report->text.length;
    buffer_free(&report->text);
    return written && fflush(stdout) == 0;
}
