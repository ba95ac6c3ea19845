#include "tests/unit/daemon/committer/store/store_fixture.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "shared/store/record.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static void make_set(struct fixture *f)
{
    set_begin(f, ANSWER_LITERAL);
    set_add(f, CHANGE_ONCE, 0, "m", "k", 5000, "u");
    set_add(f, CHANGE_ASSERT, CHANGE_ABSENT, "plain", "none", ANY, NULL);
    set_add(f, CHANGE_INSERT, 0, "viruses", "a", ANY, Q("{'name':'n','tags':[1,2]}"));
    set_add(f, CHANGE_MERGE, CHANGE_UPSERT, "viruses", "a", 0, Q("{'x':1}"));
    set_add(f, CHANGE_PATCH, 0, "viruses", "a", ANY, Q("[{'op':'remove','path':'/x'}]"));
    set_add(f, CHANGE_REPLACE, 0, "plain", "b", ANY, "{}");
    set_add(f, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "plain", "b", ANY, NULL);
    change_actor_add(&f->set, &(struct change_actor){.user = SLICE("ann"),
                                                     .session = SLICE("s"),
                                                     .permissions = (struct slice[]){SLICE("modify_options"),
                                                                                     SLICE("modify_options")},
                                                     .permission_count = 2});
    set_add(f, CHANGE_MERGE, CHANGE_UPSERT, "jobs", "j", ANY, Q("{'group':'lab','group_read':true}"));
    set_add(f, CHANGE_MERGE, CHANGE_UPSERT | CHANGE_SAME_BODY, "jobs", "k", ANY, NULL);
}

static void a_set_comes_back_as_it_was_made(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct change_set set;
    struct change change;
    make_set(&f);
    assert_true(change_set_open(&set, buffer_slice(&f.set)));
    assert_int_equal(set.answer, ANSWER_LITERAL);
    assert_true(slice_equal(set.literal, slice_text(Q("'done'"))));
    assert_int_equal(change_set_next(&set, &change), 1);
    assert_int_equal(change.operation, CHANGE_ONCE);
    assert_int_equal(change.version, 5000);
    assert_true(slice_equal(change.collection, SLICE("m")));
    assert_true(slice_equal(change.id, SLICE("k")));
    assert_true(slice_equal(change.body, SLICE("u")));
    assert_int_equal(change_set_next(&set, &change), 1);
    assert_int_equal(change.operation, CHANGE_ASSERT);
    assert_int_equal(change.flags, CHANGE_ABSENT);
    assert_int_equal(change.version, ANY);
    for (int i = 0; i < 6; i++)
        assert_int_equal(change_set_next(&set, &change), 1);
    assert_int_equal(change.operation, CHANGE_ACTOR);
    assert_int_equal(change.flags, 0);
    assert_true(slice_equal(change.id, SLICE("ann")));
    struct slice rest = change.body, part;
    assert_true(change_actor_session(&rest, &part) && slice_equal(part, SLICE("s")));
    assert_true(change_actor_permission(&rest, &part) && slice_equal(part, SLICE("modify_options")));
    assert_true(change_actor_permission(&rest, &part) && slice_equal(part, SLICE("modify_options")));
    assert_false(change_actor_permission(&rest, &part));
    assert_int_equal(change_set_next(&set, &change), 1);
    assert_int_equal(change_set_next(&set, &change), 1);
    assert_true(slice_equal(change.id, SLICE("k")));
    assert_true(slice_equal(change.body, slice_text(Q("{'group':'lab','group_read':true}"))));
    assert_int_equal(change_set_next(&set, &change), 0);
    buffer_free(&f.set);
}

/* The body of the operation in front is that of a merge, or there is none. */
static void what_is_to_be_the_same_must_be_there(void **state)
{
    (void)state;
    static const enum change_operation in_front[] = {CHANGE_ONCE, CHANGE_INSERT, CHANGE_MERGE, CHANGE_MERGE};
    static const enum change_operation operations[] = {CHANGE_MERGE, CHANGE_MERGE, CHANGE_PATCH,
                                                       CHANGE_MERGE};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        struct fixture f = {0};
        struct change_set set;
        struct change change;
        set_begin(&f, ANSWER_IDS);
        set_add(&f, in_front[i], 0, "plain", "a", 5000, "{}");
        set_add(&f, operations[i], CHANGE_SAME_BODY, "plain", "b", ANY, NULL);
        assert_true(change_set_open(&set, buffer_slice(&f.set)));
        assert_int_equal(change_set_next(&set, &change), 1);
        assert_int_equal(change_set_next(&set, &change), i == 3 ? 1 : -1);
        buffer_free(&f.set);
    }
}

/** A store with the set's actor. */
static void open_for_set(struct fixture *f)
{
    fixture_open(f, plain_collections);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "users", "ann", ANY, Q("{'groups':['administrator']}")),
                     ERROR_NONE);
    assert_int_equal(run_one(f, CHANGE_INSERT, 0, "sessions", "s", ANY, Q("{'user':'ann'}")), ERROR_NONE);
}

/** Applies bytes that lie at the end of an allocation, so that reading beyond them is seen by a sanitizer. */
static enum error_code apply_exactly(struct fixture *f, const char *bytes, size_t length)
{
    char *copy = memory_allocate(length);
    memcpy(copy, bytes, length);
    assert_int_equal(store_write_begin(f->writer), ERROR_NONE);
    enum error_code code = change_set_apply(f->writer, slice_of(copy, length), 1000, &f->result);
    assert_int_equal(code, f->result.code);
    size_t count;
    store_write_changes(f->writer, &count);
    assert_true(code == ERROR_NONE || count == 0);
    store_write_abort(f->writer);
    free(copy);
    return code;
}

static void cut_sets_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_for_set(&f);
    make_set(&f);
    struct buffer whole = {0};
    buffer_append_slice(&whole, buffer_slice(&f.set));
    assert_int_equal(apply_exactly(&f, whole.data, whole.length), ERROR_NONE);
    size_t good = 0;
    for (size_t length = 0; length < whole.length; length++)
        good += apply_exactly(&f, whole.data, length) == ERROR_NONE;
    assert_int_equal(good, 10); /* at the border before each operation */
    buffer_free(&whole);
    fixture_close(&f);
}

static void wrong_bytes_never_crash(void **state)
{
    (void)state;
    struct fixture f;
    open_for_set(&f);
    make_set(&f);
    struct buffer whole = {0};
    buffer_append_slice(&whole, buffer_slice(&f.set));
    static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x80, 0xFF};
    for (size_t at = 0; at < whole.length; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            whole.data[at] = (char)((unsigned char)whole.data[at] ^ flips[i]);
            enum error_code code = apply_exactly(&f, whole.data, whole.length);
            assert_int_not_equal(code, ERROR_INTERNAL);
            assert_true(code == ERROR_NONE || f.result.message[0]);
            whole.data[at] = (char)((unsigned char)whole.data[at] ^ flips[i]);
        }
    assert_int_equal(store_write_seq(f.writer), 2);
    assert_int_equal(apply_exactly(&f, whole.data, whole.length), ERROR_NONE);
    assert_int_equal(apply_exactly(&f, "", 0), ERROR_INVALID);
    buffer_free(&whole);
    fixture_close(&f);
}

static void records_and_tags_are_checked(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    struct store_record record = {.version = 7,
                                  .seq = UINT64_C(1) << 40,
                                  .tag = SLICE("\x07"),
                                  .minimal = slice_text(Q("{'_id':1}")),
                                  .full = slice_text(Q("{'_id':1,'x':2}"))};
    struct store_record back;
    record_append(&bytes, &record);
    assert_true(record_read(buffer_slice(&bytes), &back));
    assert_int_equal(back.version, 7);
    assert_int_equal(back.seq, UINT64_C(1) << 40);
    assert_true(slice_equal(back.tag, record.tag));
    assert_true(slice_equal(back.minimal, record.minimal));
    assert_true(slice_equal(back.full, record.full));
    for (size_t length = 0; length < RECORD_HEADER + 1 + record.minimal.length; length++)
        assert_false(record_read(slice_of(bytes.data, length), &back));
    buffer_free(&bytes);
    struct access_tag tag;
    assert_false(access_tag_read(SLICE(""), &tag));
    assert_false(access_tag_read(SLICE("\x20"), &tag));
    assert_false(access_tag_read(SLICE("\x01\xff\xff"), &tag));
    assert_false(access_tag_read(SLICE("\x01\x00\x00\x00\x00x"), &tag));
    assert_true(access_tag_read(SLICE("\x01\x01\x00o\x00\x00"), &tag));
    assert_true(slice_equal(tag.owner, SLICE("o")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_comes_back_as_it_was_made),
        cmocka_unit_test(what_is_to_be_the_same_must_be_there),
        cmocka_unit_test(cut_sets_are_refused),
        cmocka_unit_test(wrong_bytes_never_crash),
        cmocka_unit_test(records_and_tags_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
