#include "client/bench/outcomes.h"

#include <stdio.h>
#include <string.h>

/* A reply names itself at its beginning, the code stands after a tid of at most 20 digits. */
enum { HEAD_BYTES = 240 };

static bool has_member(struct slice text, struct slice word)
{
    return memmem(text.data, text.length, word.data, word.length);
}

static void count_code(struct outcomes *outcomes, struct slice code)
{
    unsigned i = 0;
    if (code.length >= OUTCOME_CODE_BYTES)
        code.length = OUTCOME_CODE_BYTES - 1;
    while (i < outcomes->code_count && !(strlen(outcomes->codes[i].name) == code.length &&
                                         memcmp(outcomes->codes[i].name, code.data, code.length) == 0))
        i++;
    if (i == OUTCOME_CODES)
        i--;
    if (i == outcomes->code_count) {
        memcpy(outcomes->codes[i].name, code.data, code.length);
        outcomes->code_count++;
    }
    outcomes->codes[i].count++;
}

/* What is refused for a reason that has to do with what a call costs, or with who makes it. */
static bool is_meant(struct slice code)
{
    static const char *const meant[] = {"too_large",    "busy",        "rate_limited",
                                        "unauthorized", "unavailable", "timeout"};
    for (unsigned i = 0; i < sizeof meant / sizeof *meant; i++)
        if (strlen(meant[i]) == code.length && memcmp(meant[i], code.data, code.length) == 0)
            return true;
    return false;
}

bool outcomes_take(struct outcomes *outcomes, struct slice text)
{
    static const char key[] = "\"code\":\"";
    struct slice head = slice_of(text.data, text.length < HEAD_BYTES ? text.length : HEAD_BYTES);
    if (!has_member(head, SLICE("\"operation\":\"fulfill\"")))
        return false;
    if (has_member(head, SLICE("\"success\":true"))) {
        outcomes->succeeded++;
        return true;
    }
    const char *code = memmem(head.data, head.length, key, sizeof key - 1);
    code = code ? code + sizeof key - 1 : NULL;
    const char *end = code ? memchr(code, '"', (size_t)(head.data + head.length - code)) : NULL;
    struct slice found = end ? slice_of(code, (size_t)(end - code)) : SLICE("unknown");
    count_code(outcomes, found);
    if (!is_meant(found) && !outcomes->wrong[0])
        snprintf(outcomes->wrong, sizeof outcomes->wrong, "%.*s", (int)head.length, head.data);
    return true;
}

uint64_t outcomes_refused(const struct outcomes *outcomes)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < outcomes->code_count; i++)
        sum += outcomes->codes[i].count;
    return sum;
}
