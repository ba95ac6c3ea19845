/* Rights of open connections change, while documents change and clients read slowly or come and go: in the
 * end each holds exactly what it may see, and was never told of anything else. */

#include "tests/unit/worker/rights_model.h"

enum { ROUNDS = 60 };

static void copies_follow_the_rights(void **state)
{
    (void)state;
    static struct model model;
    model_open(&model, 4711, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        model_go_on(&model, 5 + model_chance(&model, 60), 1 + model_chance(&model, 4));
        model_settle_and_check(&model);
    }
    /* Telling clients to sync is for when there is no other way. */
    assert_in_range(model.resyncs, 0, ROUNDS / 4); /* nearly all after rights that came back at once */
    model_close(&model);
}

/* Some passes end before everybody has been told of a change. */
static void copies_follow_the_rights_in_short_passes(void **state)
{
    (void)state;
    static struct model model;
    model_open(&model, 1234, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        model.world.pass_units = WORK_KEPT_FOR_OUTPUT + model_chance(&model, 600);
        model_go_on(&model, 5 + model_chance(&model, 60), 1 + model_chance(&model, 4));
        if (model_chance(&model, 4) == 0)
            model_begin_sync(&model, model_chance(&model, USERS));
        if (model_chance(&model, 4) == 0)
            model_stay_away(&model, model_chance(&model, USERS));
        model_settle_and_check(&model);
    }
    model_close(&model);
}

static void resume_after_a_change_of_rights_or_in_the_middle_of_one(void **state)
{
    (void)state;
    static struct model model;
    model_open(&model, 815, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        model_go_on(&model, 5 + model_chance(&model, 40), 1 + model_chance(&model, 4));
        unsigned user = model_chance(&model, USERS);
        model_stay_away(&model, user);
        model_go_on(&model, model_chance(&model, 10), 1);
        model_settle_and_check(&model);
    }
    assert_in_range(model.resyncs, 0, ROUNDS / 4); /* nearly all after rights that came back at once */
    model_close(&model);
}

/* Syncs are begun in the middle, the ring laps the worker, and clients come back from wherever they were. */
static void copies_follow_the_rights_whatever_else_happens(void **state)
{
    (void)state;
    static struct model model;
    model_open(&model, 2024, 64 * 1024);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = model_chance(&model, 6); i > 0; i--) {
            model_go_on(&model, model_chance(&model, 20), 1 + model_chance(&model, 4));
            model_begin_sync(&model, model_chance(&model, USERS));
        }
        if (model_chance(&model, 2))
            model_stay_away(&model, model_chance(&model, USERS));
        model_go_on(&model, model_chance(&model, 60), 1);
        model_settle_and_check(&model);
    }
    model_close(&model);
}

/* Rights come and go faster than a client reads: in the end it is told to sync, and then all is right. */
static void too_many_changes_of_rights_end_in_a_resync(void **state)
{
    (void)state;
    static struct model model;
    model_open(&model, 99, 0);
    for (unsigned i = 0; i < 60; i++) {
        model_change(&model, 10);
        world_pass(&model.world);
        model_change(&model, 0);
    }
    model_settle_and_check(&model);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_follow_the_rights),
        cmocka_unit_test(copies_follow_the_rights_in_short_passes),
        cmocka_unit_test(resume_after_a_change_of_rights_or_in_the_middle_of_one),
        cmocka_unit_test(copies_follow_the_rights_whatever_else_happens),
        cmocka_unit_test(too_many_changes_of_rights_end_in_a_resync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
