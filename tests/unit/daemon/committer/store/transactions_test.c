/* Long transactions of many sets, as under load: what is found and put in one does not depend on where the
 * one before it was. */

#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

enum { IDS = 300, COLLECTIONS = 2, TRANSACTIONS = 60, SETS = 120, LARGEST = 8000 };

static const char *const names[COLLECTIONS] = {"viruses", "plain"};

/* What the store should hold. */
struct expected {
    bool there;
    uint64_t version;
    unsigned padding;
    unsigned mark;
};

struct history {
    struct fixture *fixture;
    unsigned seed;
    unsigned marks;
    char padding[LARGEST + 1];
    struct expected is[COLLECTIONS][IDS];
    uint64_t floor[COLLECTIONS]; /* where versions begin */
};

static unsigned below(struct history *history, unsigned most)
{
    history->seed = history->seed * 1103515245 + 12345;
    return (history->seed >> 8) % most;
}

/* Now and then a document that does not fit into a page. */
static unsigned some_padding(struct history *history)
{
    return below(history, 20) ? below(history, 700) : below(history, LARGEST);
}

static void one_set(struct history *history)
{
    unsigned collection = below(history, COLLECTIONS), number = below(history, IDS);
    struct expected *is = &history->is[collection][number];
    char id[16], body[LARGEST + 64];
    snprintf(id, sizeof id, "id-%05u", number);
    struct expected next = {.there = true,
                            .padding = some_padding(history),
                            .mark = ++history->marks,
                            .version = is->version + 1};
    quoted_print(body, sizeof body, "{'mark':%u,'p':'%.*s'}", next.mark, (int)next.padding, history->padding);
    unsigned what = below(history, 4);
    set_begin(history->fixture, ANSWER_ID_VERSION);
    if (what == 0 && is->there) {
        set_add(history->fixture, CHANGE_REMOVE, 0, names[collection], id, CHANGE_ANY_VERSION, NULL);
        assert_int_equal(set_apply(history->fixture), ERROR_NONE);
        if (history->floor[collection] <= is->version)
            history->floor[collection] = is->version + 1;
        *is = (struct expected){0};
        return;
    }
    if (is->there)
        set_add(history->fixture, CHANGE_REPLACE, 0, names[collection], id, (int64_t)is->version, body);
    else
        next.version = history->floor[collection];
    if (!is->there)
        set_add(history->fixture, CHANGE_INSERT, 0, names[collection], id, CHANGE_ANY_VERSION, body);
    assert_int_equal(set_apply(history->fixture), ERROR_NONE);
    *is = next;
}

static void compare(struct history *history)
{
    char id[16], text[LARGEST + 128];
    for (unsigned collection = 0; collection < COLLECTIONS; collection++)
        for (unsigned number = 0; number < IDS; number++) {
            const struct expected *is = &history->is[collection][number];
            snprintf(id, sizeof id, "id-%05u", number);
            const char *found = document(history->fixture, names[collection], id);
            if (!is->there) {
                assert_null(found);
                continue;
            }
            quoted_print(text, sizeof text, "{'_id':'%s','_version':%llu,'mark':%u,'p':'%.*s'}", id,
                         (unsigned long long)is->version, is->mark, (int)is->padding, history->padding);
            assert_non_null(found);
            assert_string_equal(found, text);
        }
}

static void check_log(struct fixture *fixture, uint64_t last)
{
    struct store_log_entry entry;
    assert_int_equal(store_begin(fixture->store), ERROR_NONE);
    uint64_t seq = 0;
    while (store_log_next(fixture->store, seq, &entry) == STORE_STEP) {
        assert_int_equal(entry.seq, seq + 1);
        seq = entry.seq;
    }
    store_end(fixture->store);
    assert_int_equal(seq, last);
}

static void long_transactions_keep_everything_in_its_place(void **state)
{
    (void)state;
    struct fixture fixture;
    struct history *history = memory_zeroed(1, sizeof *history);
    fixture_open(&fixture, plain_collections);
    history->fixture = &fixture;
    history->seed = 7;
    memset(history->padding, 'x', LARGEST);
    for (unsigned i = 0; i < TRANSACTIONS; i++) {
        struct history *before = memory_allocate(sizeof *before);
        *before = *history;
        bool kept = below(history, 5) > 0;
        assert_int_equal(store_write_begin(fixture.writer), ERROR_NONE);
        for (unsigned k = 0; k < SETS; k++)
            one_set(history);
        if (kept) {
            assert_int_equal(store_write_commit(fixture.writer), ERROR_NONE);
        } else {
            store_write_abort(fixture.writer);
            memcpy(history->is, before->is, sizeof history->is);
            memcpy(history->floor, before->floor, sizeof history->floor);
        }
        free(before);
        compare(history);
    }
    check_log(&fixture, store_write_seq(fixture.writer));
    check_indexes(&fixture);
    fixture_close(&fixture);
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_transactions_keep_everything_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
