/* What applying a set costs is charged, in units of about a nanosecond, and bounded by what the set says. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

enum { KIB = 1024, MIB = 1024 * KIB, DEFAULT_WORK = 128 * MIB };

/* `tags` has an index of many entries. */
static const char collections[] = "'plain':{},'tagged':{'index':['tags'],'unique':['name']}";

static int set_up(void **state)
{
    *state = fixture_new(collections);
    return 0;
}

static uint64_t cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Applies ->set and says what it cost: figures for who reads them, no test depends on them. */
static enum error_code measured(struct fixture *f, const char *what)
{
    uint64_t before = cpu_ns();
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    enum error_code code = set_apply(f);
    uint64_t work = store_write_work(f->writer);
    if (code == ERROR_NONE)
        assert_int_equal(store_write_commit(f->writer), ERROR_NONE);
    else
        store_write_abort(f->writer);
    double ns = (double)(cpu_ns() - before);
    print_message("%-40s %6.1f M units %6.1f ms, %4.2f ns a unit\n", what, (double)work / 1e6, ns / 1e6,
                  ns / (double)work);
    return code;
}

static void fill(struct buffer *out, size_t bytes, const char *pattern)
{
    size_t length = strlen(pattern);
    while (out->length + length <= bytes)
        buffer_append(out, pattern, length);
}

static const char *text(struct buffer *buffer)
{
    buffer_append_byte(buffer, 0);
    return buffer->data;
}

/* A document of nearly a MiB, of members like these. */
static void put_large(struct fixture *f, const char *id, const char *head, const char *pattern,
                      const char *tail)
{
    struct buffer body = {0};
    f->config->limits.document_bytes = MIB;
    buffer_append_text(&body, head);
    fill(&body, MIB - 4 * KIB, pattern);
    buffer_append_text(&body, tail);
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", id, ANY, text(&body)), ERROR_NONE);
    buffer_free(&body);
}

static void ten_thousand_small_documents_pass(void **state)
{
    struct fixture *f = *state;
    static const enum change_operation operations[] = {CHANGE_INSERT, CHANGE_MERGE, CHANGE_PATCH,
                                                       CHANGE_REPLACE, CHANGE_REMOVE};
    static const char *const names[] = {"insert", "merge", "patch", "replace", "remove"};
    char body[512], id[32];
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
        set_begin(f, ANSWER_IDS);
        for (int i = 0; i < 10000; i++) {
            snprintf(id, sizeof id, "document%d", i);
            quoted_print(body, sizeof body,
                         o == 2 ? "[{'op':'replace','path':'/n','value':%d}]"
                         : o == 1
                             ? "{\"n\":%d}"
                             : "{\"name\":\"n%d\",\"n\":1,\"tags\":[\"a\",\"b\",\"c\"],\"text\":\"%0200d\"}",
                         i, i);
            set_add(f, operations[o], 0, "tagged", id, ANY, operations[o] == CHANGE_REMOVE ? NULL : body);
        }
        assert_int_equal(measured(f, names[o]), ERROR_NONE);
    }
}

/* Whatever is done with one that is as large as they may be, and as dear. */
static void one_large_document_passes(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *name, *head, *pattern, *tail;
    } kinds[] = {
        {"text", Q("{'n':1,'a':'"), "abcdefgh", Q("'}")},
        {"numbers", Q("{'n':1,'a':[1"), ",1", "]}"},
        {"nested", Q("{'n':1,'a':[1"), ",[[]],{}", "]}"},
        {"escapes", Q("{'n':1,'a':'"), Q("\\'\\u20ac"), Q("'}")},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char what[64];
        put_large(f, "d", kinds[i].head, kinds[i].pattern, kinds[i].tail);
        set_begin(f, ANSWER_IDS);
        set_add(f, CHANGE_MERGE, 0, "plain", "d", ANY, Q("{'n':2}"));
        snprintf(what, sizeof what, "merge into a MiB of %s", kinds[i].name);
        assert_int_equal(measured(f, what), ERROR_NONE);
        set_begin(f, ANSWER_IDS);
        set_add(f, CHANGE_PATCH, 0, "plain", "d", ANY,
                Q("[{'op':'add','path':'/n','value':3},{'op':'move','from':'/a','path':'/b'}]"));
        snprintf(what, sizeof what, "patch of a MiB of %s", kinds[i].name);
        assert_int_equal(measured(f, what), ERROR_NONE);
    }
}

static void many_large_documents_are_too_much(void **state)
{
    struct fixture *f = *state;
    for (char id[2] = "a"; *id <= 'z'; ++*id)
        put_large(f, id, Q("{'a':'"), "abcdefgh", Q("'}"));
    set_begin(f, ANSWER_IDS);
    for (char id[2] = "a"; *id <= 'z'; ++*id)
        set_add(f, CHANGE_MERGE, 0, "plain", id, ANY, Q("{'n':2}"));
    assert_int_equal(measured(f, "merge into 26 of a MiB"), ERROR_TOO_LARGE);
    assert_non_null(strstr(f->result.message, "too much work for one call"));
    assert_null(strstr(document(f, "plain", "a"), Q("'n'")));
    assert_int_equal(run_one(f, CHANGE_MERGE, 0, "plain", "a", ANY, Q("{'n':2}")), ERROR_NONE);
}

/* Operations in a patch of up to a MiB; {i} is their number. */
static void patch_is_too_much(struct fixture *f, const char *what, const char *operation, unsigned count)
{
    struct buffer patch = {0};
    for (unsigned i = 0; i < count && patch.length < MIB; i++) {
        buffer_append_byte(&patch, i ? ',' : '[');
        buffer_append_text(&patch, operation);
    }
    buffer_append_byte(&patch, ']');
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_PATCH, 0, "plain", "d", ANY, text(&patch));
    assert_int_equal(measured(f, what), ERROR_TOO_LARGE);
    assert_true(store_write_work(f->writer) <= DEFAULT_WORK + 64 * MIB);
    buffer_free(&patch);
}

static void patches_that_do_much_with_few_bytes(void **state)
{
    struct fixture *f = *state;
    put_large(f, "d", Q("{'z':1,'a':'"), "abcdefgh", Q("'}"));
    patch_is_too_much(f, "a MiB moved to and fro",
                      Q("{'op':'move','from':'/a','path':'/b'},{'op':'move','from':'/b','path':'/a'}"), 2000);
    patch_is_too_much(f, "a MiB copied", Q("{'op':'copy','from':'/a','path':'/z'}"), 2000);
    patch_is_too_much(f, "a MiB looked at",
                      Q("{'op':'test','path':'/z','value':1},{'op':'copy','from':'/a','path':'/a'}"), 2000);
    put_large(f, "d", Q("{'a':[1"), ",1", "]}");
    patch_is_too_much(f, "the last of a long list", Q("{'op':'test','path':'/a/500000','value':1}"), 2000);
    put_large(f, "d", Q("{'a':[1"), ",[[]]", "]}");
    patch_is_too_much(f, "a long list moved",
                      Q("{'op':'move','from':'/a','path':'/b'},{'op':'move','from':'/b','path':'/a'}"), 2000);
}

/* Two objects with the same members, in orders that make finding each a walk through the other. */
static void one_test_that_compares_objects(void **state)
{
    struct fixture *f = *state;
    struct buffer body = {0}, patch = {0};
    enum { MEMBERS = 50000 };
    buffer_append_text(&body, Q("{'a':{"));
    for (int i = 0; i < MEMBERS; i++)
        quoted_append(&body, "%s'k%d':1", i ? "," : "", i);
    buffer_append_text(&body, "}}");
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "plain", "d", ANY, text(&body)), ERROR_NONE);
    buffer_append_text(&patch, Q("[{'op':'test','path':'/a','value':{"));
    for (int i = MEMBERS; i--;)
        quoted_append(&patch, "'k%d':1%s", i, i ? "," : "");
    buffer_append_text(&patch, "}}]");
    set_begin(f, ANSWER_IDS);
    set_add(f, CHANGE_PATCH, 0, "plain", "d", ANY, text(&patch));
    assert_int_equal(measured(f, "members in the other order"), ERROR_TOO_LARGE);
    buffer_free(&body);
    buffer_free(&patch);
}

static void index_entries_are_charged(void **state)
{
    struct fixture *f = *state;
    struct buffer body = {0};
    char id[32];
    enum error_code code = ERROR_NONE;
    buffer_append_text(&body, Q("{'tags':[0"));
    for (int i = 1; i < 1000; i++)
        buffer_append_format(&body, ",%d", i);
    buffer_append_text(&body, "]}");
    (void)text(&body);
    set_begin(f, ANSWER_IDS);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "t%d", i);
        set_add(f, CHANGE_INSERT, 0, "tagged", id, ANY, body.data);
    }
    code = measured(f, "a million entries of an index");
    assert_int_equal(code, ERROR_TOO_LARGE);
    buffer_free(&body);
}

/* The longer they are, the fewer are in a page. */
static void long_index_entries_are_charged_more(void **state)
{
    struct fixture *f = *state;
    enum { DOCUMENTS = 1000, ENTRIES = 20, ID_BYTES = 250, KEY_BYTES = DOCUMENTS * ENTRIES * ID_BYTES };
    struct buffer body = {0};
    char id[ID_BYTES + 1];
    buffer_append_text(&body, Q("{'tags':[0"));
    for (int i = 1; i < ENTRIES; i++)
        buffer_append_format(&body, ",%d", i);
    buffer_append_text(&body, "]}");
    (void)text(&body);
    uint64_t work[2];
    for (size_t k = 0; k < 2; k++) {
        set_begin(f, ANSWER_IDS);
        for (int i = 0; i < DOCUMENTS; i++) {
            snprintf(id, sizeof id, k ? "%0250d" : "%d", i);
            set_add(f, CHANGE_INSERT, 0, "tagged", id, ANY, body.data);
        }
        assert_int_equal(measured(f, k ? "long entries of an index" : "short ones"), ERROR_NONE);
        work[k] = store_write_work(f->writer);
    }
    assert_in_range(work[1] - work[0], 5 * (uint64_t)KEY_BYTES, 10 * (uint64_t)KEY_BYTES);
    buffer_free(&body);
}

/* What was charged for a set that failed is not given back to the transaction, but the next set has its own
 * bound. */
static void each_set_has_its_bound(void **state)
{
    struct fixture *f = *state;
    struct change change = {.operation = CHANGE_INSERT,
                            .version = ANY,
                            .collection = SLICE("plain"),
                            .id = SLICE("a"),
                            .body = SLICE("{}")};
    uint64_t needed = 0;
    for (uint64_t bound = 1; needed == 0; bound *= 2) {
        buffer_clear(&f->set);
        change_set_begin(&f->set, (struct change_bounds){MIB, bound}, ANSWER_IDS, (struct slice){0});
        change_set_add(&f->set, &change);
        enum error_code code = set_run(f);
        assert_true(code == ERROR_NONE || code == ERROR_TOO_LARGE);
        assert_true(store_write_work(f->writer) <= bound);
        needed = code == ERROR_NONE ? bound : 0;
    }
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    for (int i = 0; i < 100; i++) {
        char id[8];
        snprintf(id, sizeof id, "b%d", i);
        change.id = slice_text(id);
        buffer_clear(&f->set);
        change_set_begin(&f->set, (struct change_bounds){MIB, needed}, ANSWER_IDS, (struct slice){0});
        change_set_add(&f->set, &change);
        assert_int_equal(set_apply(f), ERROR_NONE);
    }
    assert_true(store_write_work(f->writer) > 50 * (needed / 2));
    store_write_abort(f->writer);
    /* A document that is larger than the set allows, whatever this host's limits are. */
    change.id = SLICE("c");
    buffer_clear(&f->set);
    change_set_begin(&f->set, (struct change_bounds){10, UINT64_MAX}, ANSWER_IDS, (struct slice){0});
    change_set_add(&f->set, &change);
    assert_int_equal(set_run(f), ERROR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_small_documents_pass, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(one_large_document_passes, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(many_large_documents_are_too_much, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(patches_that_do_much_with_few_bytes, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(one_test_that_compares_objects, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(index_entries_are_charged, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(long_index_entries_are_charged_more, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(each_set_has_its_bound, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests_name("store/work", tests, NULL, NULL);
}
