#ifndef TESTS_RIGHTS_FIXTURE_H
#define TESTS_RIGHTS_FIXTURE_H

/* Users, groups, a collection with rights, and change sets that name who acts. */

#include "store_fixture.h"
#include "tests/unit/quoted.h"

#define ANY CHANGE_ANY_VERSION

static const char rights_collections[] =
    "'jobs': {'unique': ['name'], 'rights': {'owner': 'user', 'group': 'group',"
    "  'group_read': 'gr', 'group_write': 'gw', 'all_read': 'ar', 'all_write': 'aw'}},"
    "'plain': {}";

/* Each user is in the group of the same first letter: "ann" in "a"; "eve" in no group, "root" in
 * administrator. */
static inline void rights_add_users(struct fixture *f)
{
    static const char *const users[] = {"ann", "bob", "cat", "dan", "eve", "root"};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        char group[2] = {users[i][0], '\0'}, body[64];
        quoted_print(body, sizeof body, "{'groups':[%s%s%s]}", group[0] == 'e' ? "" : "\"",
                     group[0] == 'e'   ? ""
                     : group[0] == 'r' ? "administrator"
                                       : group,
                     group[0] == 'e' ? "" : "\"");
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "users", users[i], ANY, body), ERROR_NONE);
        assert_int_equal(run_one(f, CHANGE_INSERT, 0, "groups", group, ANY, Q("{'permissions':{}}")),
                         ERROR_NONE);
    }
}

static inline int rights_set_up(void **state)
{
    struct fixture *fixture = fixture_new(rights_collections);
    rights_add_users(fixture);
    *state = fixture;
    return 0;
}

static inline void set_actor(struct fixture *f, const char *user)
{
    change_actor_add(&f->set, &(struct change_actor){.user = slice_text(user)});
}

static inline enum error_code run_as(struct fixture *f, const char *user, enum change_operation operation,
                                     unsigned flags, const char *id, int64_t version, const char *body)
{
    set_begin(f, operation == CHANGE_REMOVE ? ANSWER_IDS : ANSWER_ID_VERSION);
    set_actor(f, user);
    set_add(f, operation, flags, "jobs", id, version, body);
    return set_run(f);
}

/* As an administrator does it. */
static inline void put(struct fixture *f, const char *id, const char *body)
{
    assert_int_equal(run_one(f, CHANGE_REPLACE, 0, "jobs", id, ANY, body), ERROR_NONE);
}

static inline enum error_code merge_as(struct fixture *f, const char *user, const char *id, const char *body)
{
    return run_as(f, user, CHANGE_MERGE, 0, id, ANY, body);
}

static inline void run(struct fixture *f, enum change_operation operation, const char *collection,
                       const char *id, const char *body)
{
    assert_int_equal(run_one(f, operation, 0, collection, id, ANY, body), ERROR_NONE);
}

#endif
