#ifndef CLIENT_BENCH_OUTCOMES_H
#define CLIENT_BENCH_OUTCOMES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"

/* How calls ended: how many of them, and those that were refused by their code. A code that says
 * that the call was wrong, and not that it was too much, is noted: such a load is not what it should be. */

enum { OUTCOME_CODES = 16, OUTCOME_CODE_BYTES = 24, OUTCOME_MESSAGE_BYTES = 200 };

struct outcomes {
    uint64_t succeeded;
    unsigned code_count; /* codes beyond OUTCOME_CODES count as the last one */
    struct {
        char name[OUTCOME_CODE_BYTES];
        uint64_t count;
    } codes[OUTCOME_CODES];
    char wrong[OUTCOME_MESSAGE_BYTES]; /* the first refusal that says that the call made no sense */
};

/** Counts the message if it is the end of a call. False: it is another one. */
bool outcomes_take(struct outcomes *outcomes, struct slice text);

/** All calls that were refused. */
uint64_t outcomes_refused(const struct outcomes *outcomes);

#endif
