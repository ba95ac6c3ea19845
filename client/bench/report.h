#ifndef CLIENT_BENCH_REPORT_H
#define CLIENT_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/bench/histogram.h"
#include "shared/base/buffer.h"

/* The results of a run, in order: lines for people, or members of one JSON object. */
struct report {
    bool json;
    struct buffer text;
};

/** @key: of the JSON member, unit included ("cpu_us_per_delivery"); @label and @unit: for people. */
void report_number(struct report *report, const char *key, const char *label, double value, int decimals,
                   const char *unit);
void report_count(struct report *report, const char *key, const char *label, uint64_t value,
                  const char *unit);
void report_text(struct report *report, const char *key, const char *label, const char *value);

/** p50, p99, p99.9 and the largest, in ms; keys "PREFIX_p50_ms" and so on. */
void report_latency(struct report *report, const char *prefix, const char *label,
                    const struct histogram *histogram);

/** A value in a row of a table. */
struct report_cell {
    const char *key, *label;
    double value;
    int decimals;
    bool aside; /* stands after the columns, and only when it is not 0 */
};

/** A row called @name, in JSON the member @name, an object. The @first one has the labels above it. */
void report_row(struct report *report, const char *name, bool first, const struct report_cell *cells,
                size_t count);

/** Prints it on the standard output and frees the text. False: that could not be written. */
[[gnu::warn_unused_result]] bool report_print(struct report *report);

#endif
