/* The turns that users take in the queue to the committer, with the test as the link to it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/committer_queue.h"

enum { SETS = 32, HEAVY = COMMITTER_QUEUE_WORK, LIGHT = 1000 };

static struct {
    struct worker worker;
    struct committer_queue *queue;
    char given[SETS + 1]; /* the first letter of each set that the link got */
    size_t given_count, answered_count;
    committer_done *done[SETS];
    void *arguments[SETS];
    char answers[SETS + 1]; /* the letters of those that were answered */
    size_t answers_count;
    enum error_code code;    /* of the last answer */
    enum error_code refuses; /* what the link says to the next ones */
    size_t most;             /* bytes beside each other */
} link;

bool committer_link_would_take(const struct committer_link *none, size_t bytes, size_t beside,
                               enum error_code *code)
{
    (void)none;
    bool taken = !link.refuses && bytes + beside <= link.most;
    if (!taken)
        *code = link.refuses ? link.refuses : ERROR_BUSY;
    return taken;
}

bool committer_link_submit(struct committer_link *none, struct slice set, committer_done *done,
                           void *argument, enum error_code *code)
{
    (void)none;
    *code = link.refuses;
    if (link.refuses)
        return false;
    link.done[link.given_count] = done;
    link.arguments[link.given_count] = argument;
    link.given[link.given_count++] = set.data[0];
    return true;
}

const char *committer_link_refusal(enum error_code code)
{
    (void)code;
    return "refused";
}

/* Result of the oldest set that the link has. */
static void answer_first(void)
{
    size_t i = link.answered_count++;
    assert_true(i < link.given_count);
    struct committer_result result = {.code = ERROR_NONE, .text = SLICE("null")};
    link.done[i](link.arguments[i], &result);
}

static void done(void *argument, const struct committer_result *result)
{
    link.answers[link.answers_count++] = *(const char *)argument;
    link.code = result->code;
}

static bool submit(const char *user, uint64_t work, const char *set)
{
    enum error_code code = ERROR_NONE;
    bool taken = committer_queue_submit(link.queue, slice_text(user), work, slice_text(set), done,
                                        (void *)(uintptr_t)set, &code);
    assert_int_equal(code != ERROR_NONE, !taken);
    return taken;
}

static int begin(void **state)
{
    (void)state;
    memset(&link, 0, sizeof link);
    link.most = 1000;
    link.queue = committer_queue_create(&link.worker);
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (link.answered_count < link.given_count)
        answer_first();
    committer_queue_free(&link.queue);
    return 0;
}

static void what_is_little_goes_at_once(void **state)
{
    (void)state;
    for (const char *set = "abcdefgh"; *set; set++)
        assert_true(submit(*set < 'e' ? "ann" : "ben", LIGHT, set));
    assert_string_equal(link.given, "abcdefgh");
}

static void what_is_much_goes_one_after_the_other(void **state)
{
    (void)state;
    for (const char *set = "abc"; *set; set++)
        assert_true(submit("ann", 10 * HEAVY, set));
    assert_string_equal(link.given, "a");
    answer_first();
    assert_string_equal(link.given, "ab");
    answer_first();
    answer_first();
    assert_string_equal(link.answers, "abc");
}

static void another_does_not_wait_for_all_that_one_has_sent(void **state)
{
    (void)state;
    for (const char *set = "abcdef"; *set; set++)
        assert_true(submit("ann", HEAVY, set));
    assert_true(submit("ben", LIGHT, "1"));
    assert_true(submit("ben", LIGHT, "2"));
    answer_first();
    assert_string_equal(link.given, "a12");
    /* Nor does one whose sets are many take the others' time. */
    assert_true(submit("ben", LIGHT, "3"));
    answer_first();
    answer_first();
    assert_string_equal(link.given, "a123");
    answer_first();
    assert_string_equal(link.given, "a123b");
}

/* Whatever their names are: among so many some have the same place in any table. */
static void nobody_waits_for_another_of_the_same_hash(void **state)
{
    char name[16];
    (void)end(state);
    for (unsigned i = 0; i < 1000; i++) {
        (void)begin(state);
        snprintf(name, sizeof name, "user%u", i);
        for (const char *set = "abc"; *set; set++)
            assert_true(submit("ann", HEAVY, set));
        assert_true(submit(name, LIGHT, "1"));
        answer_first();
        assert_string_equal(link.given, "a1");
        (void)end(state);
    }
    (void)begin(state);
}

static void those_who_ask_for_much_share(void **state)
{
    (void)state;
    for (const char *set = "abcd"; *set; set++)
        assert_true(submit("ann", HEAVY, set));
    for (const char *set = "1234"; *set; set++)
        assert_true(submit("ben", HEAVY, set));
    for (unsigned i = 0; i < 7; i++)
        answer_first();
    assert_string_equal(link.given, "a1b2c3d4");
}

static void who_was_away_has_saved_nothing(void **state)
{
    (void)state;
    for (const char *set = "abcdefgh"; *set; set++) {
        assert_true(submit("ann", HEAVY, set));
        answer_first();
    }
    assert_true(submit("ann", HEAVY, "i"));
    for (const char *set = "1234"; *set; set++)
        assert_true(submit("ben", HEAVY, set));
    for (const char *set = "jklm"; *set; set++)
        assert_true(submit("ann", HEAVY, set));
    for (unsigned i = 0; i < 4; i++)
        answer_first();
    assert_string_equal(link.given + 8, "i1j2k");
}

static void a_set_that_waits_is_copied_and_can_be_refused(void **state)
{
    (void)state;
    char set[] = "b";
    assert_true(submit("ann", HEAVY, "a"));
    assert_true(submit("ann", HEAVY, set));
    set[0] = 'x';
    answer_first();
    assert_string_equal(link.given, "ab");
    assert_true(submit("ann", HEAVY, "c"));
    assert_true(submit("ann", HEAVY, "d"));
    link.refuses = ERROR_UNAVAILABLE;
    answer_first();
    assert_string_equal(link.answers + 1, "xcd");
    assert_int_equal(link.code, ERROR_UNAVAILABLE);
    assert_false(submit("ann", HEAVY, "e"));
    link.refuses = ERROR_NONE;
    assert_true(submit("ann", HEAVY, "f"));
    assert_string_equal(link.given, "abf");
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    link.most = 3;
    assert_true(submit("ann", HEAVY, "a"));
    assert_true(submit("ann", HEAVY, "bb"));
    assert_true(submit("ben", HEAVY, "c"));
    assert_false(submit("ben", LIGHT, "d"));
    answer_first();
    assert_true(submit("ben", LIGHT, "e"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_little_goes_at_once, begin, end),
        cmocka_unit_test_setup_teardown(what_is_much_goes_one_after_the_other, begin, end),
        cmocka_unit_test_setup_teardown(another_does_not_wait_for_all_that_one_has_sent, begin, end),
        cmocka_unit_test_setup_teardown(nobody_waits_for_another_of_the_same_hash, begin, end),
        cmocka_unit_test_setup_teardown(those_who_ask_for_much_share, begin, end),
        cmocka_unit_test_setup_teardown(who_was_away_has_saved_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_set_that_waits_is_copied_and_can_be_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_is_bounded, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
