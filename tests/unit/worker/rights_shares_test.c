/* What changes of rights may take of one pass of the loop, however many they concern: counted in units of
 * work. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/authority/authority.h"
#include "worker/net/connection.h"

enum {
    STEP_MOST = WORK_PASS / 4,
    PASS_MOST = WORK_PASS + STEP_MOST,
    PASSES_MOST = 2000,
    DOCUMENTS = 8000,
    RARE = 500, /* one of so many is the group's */
    CLIENTS = 12,
    LIST = 100
};

static const char collections[] = "'items': {'rights': {'owner': 'o', 'group': 'g', 'group_read': 'gr'}},"
                                  "'other': {'read': 'p'}}, 'permissions': ['p'], 'limits': {";

static struct world world;
static struct client clients[CLIENTS];
static unsigned client_count;

/* One pass within its bounds, of which little may be left. */
static void pass(uint64_t left)
{
    if (left < world.worker.work.left)
        world.worker.work.left = left;
    uint64_t before = world.worker.work.used;
    world_pass(&world);
    assert_in_range(world.worker.work.used - before, 0, PASS_MOST);
    assert_in_range(world.worker.work.largest_step, 0, STEP_MOST);
}

static void put(const char *collection, const char *id, const char *body)
{
    assert_int_equal(world_change(&world, CHANGE_REPLACE, collection, id, body), ERROR_NONE);
}

static void set_permission(bool has)
{
    assert_int_equal(world_change(&world, CHANGE_REPLACE, "groups", "lab",
                                  has ? Q("{'permissions':{'p':true}}") : Q("{'permissions':{}}")),
                     ERROR_NONE);
}

static void user_set_groups(const char *user, const char *groups)
{
    char body[64];
    quoted_print(body, sizeof body, "{'groups':%s}", groups);
    assert_int_equal(world_change(&world, CHANGE_MERGE, "users", user, body), ERROR_NONE);
}

static void open_world(void)
{
    client_count = 0;
    world_open(&world, collections, 0, 0);
    assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "lab", Q("{'permissions':{'p':true}}")),
                     ERROR_NONE);
}

static struct client *add_client(const char *token)
{
    client_open(&clients[client_count], &world, token);
    return &clients[client_count++];
}

static void close_world(void)
{
    for (unsigned i = 0; i < client_count; i++)
        client_close(&clients[i]);
    world_close(&world);
}

/* Documents of the group (one of @rare, 0: none) or of nobody's, so large; many in one transaction. */
static void add_documents(unsigned count, unsigned rare, size_t bytes)
{
    struct fixture *fixture = &world.fixture;
    char *body = memory_allocate(bytes + 200), id[16];
    size_t changes;
    for (unsigned i = 0; i < count; i++) {
        bool seen = rare > 0 && i % rare == rare - 1;
        snprintf(id, sizeof id, "%06u", i);
        quoted_print(body, bytes + 200, "{'o':'ann','g':'%s','gr':true,'t':'%0*u'}", seen ? "lab" : "",
                     (int)bytes, i);
        if (i % LIST == 0)
            set_begin(fixture, ANSWER_LITERAL);
        set_add(fixture, CHANGE_INSERT, 0, "items", id, CHANGE_ANY_VERSION, body);
        if (i % LIST < LIST - 1 && i + 1 < count)
            continue;
        assert_int_equal(set_run(fixture), ERROR_NONE);
        const struct applied_change *applied = store_write_changes(fixture->writer, &changes);
        publish_changes(&world.publisher, applied, changes);
    }
    free(body);
}

/* Passes until all hold that, or none does, and nobody's rights are changing. */
static unsigned wait_for(const char *collection, const char *id, bool held)
{
    for (unsigned passes = 0;; passes++) {
        unsigned right = 0;
        pass(UINT64_MAX);
        for (unsigned i = 0; i < client_count; i++) {
            client_read(&clients[i], SIZE_MAX);
            right += (client_holds(&clients[i], collection, id) != NULL) == held;
        }
        if (right == client_count)
            return passes;
        assert_true(passes < PASSES_MOST);
    }
}

static void walk_documents(unsigned count, unsigned rare, size_t bytes, unsigned users)
{
    char token[64];
    open_world();
    add_documents(count, rare, bytes);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%u", i % users);
        if (i < users)
            world_add_user(&world, name, "[]", token);
        add_client(token);
    }
    world_settle(&world);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t before = world.worker.work.used;
        for (unsigned i = 0; i < users; i++) {
            char name[16];
            snprintf(name, sizeof name, "u%u", i);
            user_set_groups(name, round == 0 ? Q("['lab']") : "[]");
        }
        put("items", "last", Q("{'o':'ann','g':'lab','gr':true}"));
        unsigned passes = wait_for("items", "last", round == 0);
        for (unsigned i = 0; i < 3; i++)
            world_settle(&world);
        assert_true(world.worker.work.used - before >= (uint64_t)CLIENTS * count * WORK_DOCUMENT);
        assert_true(passes >= (uint64_t)CLIENTS * count * WORK_DOCUMENT / PASS_MOST);
        for (unsigned i = 0; i < client_count; i++) {
            client_read(&clients[i], SIZE_MAX);
            assert_int_equal(clients[i].held_count, round ? 0 : (rare ? count / rare : 0) + 1);
            assert_int_equal(clients[i].strays, 0);
        }
    }
    close_world();
}

/* All connections of one user, or each of another. */
static void documents_are_walked_over_in_pieces(void **state)
{
    (void)state;
    walk_documents(DOCUMENTS, 0, 10, 1);
    walk_documents(DOCUMENTS, RARE, 10, 1);
}

static void documents_that_are_large_are_sent_in_pieces(void **state)
{
    (void)state;
    walk_documents(60, 1, 150000, 1);
}

/* Whether somebody was told something since the last look. */
static unsigned count_told(void)
{
    unsigned told = 0;
    for (unsigned i = 0; i < client_count; i++) {
        client_read(&clients[i], SIZE_MAX);
        buffer_append_byte(&clients[i].seen, 0);
        told += strstr(clients[i].seen.data, "amend") != NULL;
        clients[i].seen.length--;
    }
    return told;
}

/* Little work is left in each pass: they go on in the next one, and nothing goes out meanwhile. */
static void tell_many(unsigned users)
{
    enum { LITTLE = WORK_KEPT_FOR_OUTPUT + 200 };
    char token[64];
    open_world();
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%u", i);
        if (i < users)
            world_add_user(&world, name, Q("['lab']"), token);
        add_client(token);
    }
    put("other", "before", "{}");
    (void)wait_for("other", "before", true);
    for (unsigned i = 0; i < client_count; i++)
        buffer_clear(&clients[i].seen);
    set_permission(false);
    put("other", "secret", "{}");
    unsigned passes = 0;
    do {
        pass(LITTLE);
        assert_true(passes == 0 ? !authority_is_current(world.worker.authority) : passes < PASSES_MOST);
        if (!authority_is_current(world.worker.authority))
            assert_int_equal(count_told(), 0);
        if (passes == 1) /* to be read once more, when everybody has been told */
            put("groups", "lab", Q("{'permissions':{},'n':1}"));
        passes++;
    } while (!authority_is_current(world.worker.authority) ||
             backlog_last_seq(world.worker.backlog) < store_write_seq(world.fixture.writer));
    assert_true(passes > CLIENTS / 3);
    (void)wait_for("other", "before", false);
    assert_int_equal(count_told(), CLIENTS);
    for (unsigned i = 0; i < client_count; i++)
        assert_null(memmem(clients[i].past.data, clients[i].past.length, "secret", 6));
    set_permission(true);
    (void)wait_for("other", "before", true);
    (void)wait_for("other", "secret", true);
    close_world();
}

static void many_users_are_told_in_pieces(void **state)
{
    (void)state;
    tell_many(CLIENTS);
}

static void many_connections_of_one_user_are_told_in_pieces(void **state)
{
    (void)state;
    tell_many(1);
}

/* A call that comes meanwhile waits, whatever else would let it run. */
static void a_call_waits_until_its_rights_are_known(void **state)
{
    (void)state;
    char token[64];
    open_world();
    world_add_user(&world, "ann", Q("['lab']"), token);
    for (unsigned i = 0; i < CLIENTS; i++)
        add_client(token);
    set_permission(false);
    pass(WORK_KEPT_FOR_OUTPUT + 200);
    assert_false(authority_is_current(world.worker.authority));
    for (unsigned i = 0; i < CLIENTS; i++)
        client_send(&clients[i], Q("{'tid':1,'methodName':'count','collectionName':'other'}"));
    for (unsigned passes = 0, answered = 0; answered < CLIENTS; passes++) {
        assert_true(passes < PASSES_MOST);
        pass(WORK_KEPT_FOR_OUTPUT + 200);
        answered = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            client_read(&clients[i], SIZE_MAX);
            assert_true(!clients[i].answer || strstr(clients[i].answer, "forbidden"));
            answered += clients[i].answers;
        }
    }
    close_world();
}

/* A row of changes of rights while someone is away costs its resume no long step. */
static void a_resume_works_out_many_changes_in_pieces(void **state)
{
    (void)state;
    enum { CHANGES = 120, GROUPS = 60 };
    char token[64], call[128];
    struct buffer groups = {0};
    open_world();
    buffer_append_byte(&groups, '[');
    for (unsigned i = 0; i < GROUPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%u", i);
        assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", name, Q("{'permissions':{}}")),
                         ERROR_NONE);
        quoted_append(&groups, "'%s',", name);
    }
    buffer_append_text(&groups, Q("'lab']"));
    buffer_append_byte(&groups, 0);
    world_add_user(&world, "ann", groups.data, token);
    buffer_free(&groups);
    uint64_t seq = store_write_seq(world.fixture.writer);
    for (unsigned i = 0; i < CHANGES; i++)
        put("groups", "g0", i % 2 ? Q("{'permissions':{}}") : Q("{'permissions':{'p':true}}"));
    add_client(token);
    quoted_print(call, sizeof call, "{'tid':1,'methodName':'resume','data':{'epoch':%llu,'seq':%llu}}",
                 (unsigned long long)store_epoch(world.worker.store), (unsigned long long)seq);
    uint64_t before = world.worker.work.used;
    client_send(&clients[0], call);
    unsigned passes = 0;
    for (; clients[0].answers == 0; passes++) {
        assert_true(passes < PASSES_MOST);
        if (passes == 1) /* one more, of a group that the user is not in */
            assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", "x", Q("{'permissions':{}}")),
                             ERROR_NONE);
        pass(UINT64_MAX);
        client_read(&clients[0], SIZE_MAX);
    }
    assert_true(world.worker.work.used - before > CHANGES * GROUPS * WORK_LOOKUP);
    assert_true(passes > 1);
    assert_non_null(strstr(clients[0].answer, Q("'seq'")));
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_walked_over_in_pieces),
        cmocka_unit_test(documents_that_are_large_are_sent_in_pieces),
        cmocka_unit_test(many_users_are_told_in_pieces),
        cmocka_unit_test(many_connections_of_one_user_are_told_in_pieces),
        cmocka_unit_test(a_call_waits_until_its_rights_are_known),
        cmocka_unit_test(a_resume_works_out_many_changes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
