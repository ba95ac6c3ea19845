/* Single histories of rights that change, each chosen for the moment at which
 * something could be told to the wrong one, or be forgotten. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/store/environment.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"

enum { PLACE_BYTES = 128, TOKEN_BYTES = 64, BACKLOG_BYTES = 64 * 1024 };

static const char collections[] = "'items': {'rights': {'owner': 'o', 'group': 'g', "
                                  "'group_read': 'gr'}},"
                                  "'vault': {'read': 'q', 'rights': {'owner': 'o', 'group': "
                                  "'g', 'group_read': 'gr'}}},"
                                  "'permissions': ['q'], 'limits': {";

struct scene {
    struct world world;
    struct client client;
    char token[TOKEN_BYTES];
    char place[PLACE_BYTES]; /* {epoch, seq} of the last answer that had them */
};

/* Groups g, h and i; anna in @groups, connected, with nothing yet. */
static void open_scene_with(struct scene *scene, const char *groups, uint64_t backlog_bytes)
{
    *scene = (struct scene){0};
    world_open(&scene->world, collections, 0, backlog_bytes);
    for (const char *group = "ghi"; *group; group++)
        assert_int_equal(
            world_change(&scene->world, CHANGE_INSERT, "groups", (char[]){*group, 0},
                         *group == 'h' ? Q("{'permissions':{'q':true}}") : Q("{'permissions':{}}")),
            ERROR_NONE);
    world_add_user(&scene->world, "anna", groups, scene->token);
    client_open(&scene->client, &scene->world, scene->token);
}

static void open_scene(struct scene *scene, const char *groups)
{
    open_scene_with(scene, groups, BACKLOG_BYTES);
}

static void close_scene(struct scene *scene)
{
    client_close(&scene->client);
    world_close(&scene->world);
}

static void keep_place(struct scene *scene)
{
    assert_non_null(strstr(scene->client.answer, Q("'epoch'")));
    assert_true(strlen(scene->client.answer) < PLACE_BYTES);
    memcpy(scene->place, scene->client.answer, strlen(scene->client.answer) + 1);
}

static void put(struct scene *scene, const char *collection, const char *id, const char *group, int bytes)
{
    struct buffer body = {0};
    quoted_append(&body, "{'g':'%s','gr':true,'x':'%0*u'}", group, bytes, 0);
    buffer_append_byte(&body, 0);
    assert_int_equal(world_change(&scene->world, CHANGE_REPLACE, collection, id, body.data), ERROR_NONE);
    buffer_free(&body);
}

static void join(struct scene *scene, const char *groups)
{
    char body[64];
    quoted_print(body, sizeof body, "{'groups':%s}", groups);
    assert_int_equal(world_change(&scene->world, CHANGE_MERGE, "users", "anna", body), ERROR_NONE);
}

/* As much waits for the client as the kernel takes, and it reads nothing: what
 * comes later waits here. */
static void block(struct scene *scene)
{
    char id[16];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "block%u", i);
        put(scene, "items", id, "i", 60000);
        world_pass(&scene->world);
    }
    world_settle(&scene->world);
}

static void be_told_to_sync(struct scene *scene)
{
    struct buffer data = {0};
    buffer_append_byte(&scene->client.seen, 0);
    bool told = strstr(scene->client.seen.data, "resync") != NULL;
    buffer_clear(&scene->client.seen);
    if (scene->client.close_code) { /* the answer of a sync was under way */
        assert_int_equal(scene->client.close_code, 1013);
        client_reopen(&scene->client, scene->token);
        told = true;
    }
    if (!told)
        return;
    client_manifest(&scene->client, "items", &data);
    buffer_append_byte(&data, 0);
    (void)client_call(&scene->client, "items", "sync", data.data);
    buffer_free(&data);
}

/* It gets a document from a resume, is cut off before the answer, and the
 * document goes. */
static void what_an_interrupted_resume_gave_is_taken_back(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, Q("['g']"));
    (void)client_call(&scene.client, "items", "sync", "{}");
    keep_place(&scene);
    shutdown(scene.client.fd, SHUT_RDWR);
    world_settle(&scene.world);
    put(&scene, "items", "d", "g", 10);
    client_reopen(&scene.client, scene.token);
    char call[PLACE_BYTES + 64];
    quoted_print(call, sizeof call, "{'tid':1,'methodName':'resume','data':%s}", scene.place);
    client_send(&scene.client, call);
    unsigned answers = scene.client.answers;
    for (unsigned i = 0; i < 1000 && !client_holds(&scene.client, "items", "d"); i++) {
        world_pass(&scene.world);
        client_read(&scene.client, 1);
    }
    assert_non_null(client_holds(&scene.client, "items", "d"));
    assert_int_equal(scene.client.answers, answers);
    shutdown(scene.client.fd, SHUT_RDWR);
    world_settle(&scene.world);
    assert_int_equal(world_change(&scene.world, CHANGE_REMOVE, "items", "d", ""), ERROR_NONE);
    client_reopen(&scene.client, scene.token);
    (void)client_call(&scene.client, "dispatcher", "resume", scene.place);
    assert_null(client_holds(&scene.client, "items", "d"));
    close_scene(&scene);
}

/* Pieces of a sync wait behind one change of rights when the next comes, which
 * takes back what they give. */
static void a_sync_between_two_changes_of_rights(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, Q("['i']"));
    put(&scene, "items", "a", "g", 10);
    (void)client_call(&scene.client, "items", "sync", "{}");
    block(&scene);
    join(&scene, Q("['i','g']"));
    world_settle(&scene.world);
    client_send(&scene.client, Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&scene.world);
    join(&scene, Q("['i']"));
    world_settle(&scene.world);
    client_settle(&scene.client);
    be_told_to_sync(&scene);
    client_settle(&scene.client);
    assert_null(client_holds(&scene.client, "items", "a"));
    close_scene(&scene);
}

/* A document was visible to g, and is not any more when anna joins it while
 * pieces of a sync wait. */
static void who_is_told_to_sync_is_not_told_what_came_before_its_rights(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, Q("['i']"));
    (void)client_call(&scene.client, "items", "sync", "{}");
    block(&scene);
    put(&scene, "items", "d", "g", 10);
    world_settle(&scene.world);
    put(&scene, "items", "d", "h", 10);
    client_send(&scene.client, Q("{'tid':2,'collectionName':'items','methodName':'sync','data':{}}"));
    world_settle(&scene.world);
    join(&scene, Q("['i','g']"));
    world_settle(&scene.world);
    client_settle(&scene.client);
    be_told_to_sync(&scene);
    client_settle(&scene.client);
    assert_int_equal(scene.client.strays, 0);
    buffer_append_byte(&scene.client.past, 0);
    assert_null(strstr(scene.client.past.data, "items/d\n"));
    close_scene(&scene);
}

/* vault's documents of g could not be seen without q; of a collection that is
 * subscribed to in the middle of the change nobody is told by it. */
static void a_subscription_in_the_middle_shows_no_ids(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, Q("['i','g']"));
    put(&scene, "vault", "d", "g", 10);
    (void)client_call(&scene.client, "dispatcher", "subscribe", Q("{'collections':['items']}"));
    (void)client_call(&scene.client, "items", "sync", "{}");
    block(&scene);
    join(&scene, Q("['i','h']"));
    world_settle(&scene.world);
    client_send(&scene.client, Q("{'tid':2,'methodName':'subscribe','data':{'collections':null}}"));
    world_settle(&scene.world);
    client_settle(&scene.client);
    assert_int_equal(scene.client.strays, 0);
    close_scene(&scene);
}

/* Changes that have come but are not out are not for who logs in: g was joined
 * later. */
static void a_login_shows_nothing_from_before_it(void **state)
{
    (void)state;
    struct scene scene;
    char message[TOKEN_BYTES + 128];
    open_scene(&scene, "[]");
    struct client other;
    client_open(&other, &scene.world, "none");
    buffer_clear(&other.seen);
    put(&scene, "items", "d", "g", 10);
    put(&scene, "items", "d", "h", 10);
    join(&scene, Q("['g']"));
    quoted_print(message, sizeof message,
                 "{'tid':1,'collectionName':'users','methodName':'authorize_by_token','data':{'token':'%s'}}",
                 scene.token);
    client_send(&other, message);
    client_settle(&other);
    assert_int_equal(other.answers, 1);
    assert_non_null(strstr(other.answer, "anna"));
    assert_int_equal(other.changes, 0);
    client_close(&other);
    close_scene(&scene);
}

/* The same user again on the same connection, in the middle of a change. */
static void logging_in_again_in_the_middle_keeps_the_copy_right(void **state)
{
    (void)state;
    struct scene scene;
    char message[TOKEN_BYTES + 128];
    open_scene(&scene, Q("['i','g']"));
    put(&scene, "items", "d", "g", 10);
    (void)client_call(&scene.client, "items", "sync", "{}");
    assert_non_null(client_holds(&scene.client, "items", "d"));
    block(&scene);
    join(&scene, Q("['i']"));
    world_settle(&scene.world);
    quoted_print(message, sizeof message,
                 "{'tid':3,'collectionName':'users','methodName':'authorize_by_token','data':{'token':'%s'}}",
                 scene.token);
    client_send(&scene.client, message);
    client_settle(&scene.client);
    be_told_to_sync(&scene);
    assert_null(client_holds(&scene.client, "items", "d"));
    assert_non_null(client_holds(&scene.client, "items", "block11"));
    close_scene(&scene);
}

/* The committer has committed what it has not published: nothing is read with rights from before it, and
 * nobody runs in circles until it is published. */
static void what_is_read_waits_for_the_rights(void **state)
{
    (void)state;
    const char *const calls[] = {
        Q("{'tid':1,'collectionName':'items','methodName':'detail','data':{'_id':'d'}}"),
        Q("{'tid':2,'collectionName':'items','methodName':'find','data':null}"),
        Q("{'tid':3,'collectionName':'items','methodName':'count','data':null}"),
        Q("{'tid':4,'collectionName':'items','methodName':'sync','data':{}}"),
    };
    const char *const answers[] = {"rights changed", "rights changed", "rights changed", Q("'seq'")};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct scene scene;
        open_scene(&scene, Q("['g']"));
        scene.world.committer_silent = true;
        join(&scene, "[]");
        put(&scene, "items", "d", "g", 10);
        client_send(&scene.client, calls[i]);
        client_settle(&scene.client);
        assert_int_equal(scene.client.answers, 0);
        scene.world.committer_silent = false;
        assert_true(publish_missed(&scene.world.publisher, scene.world.fixture.store));
        client_settle(&scene.client);
        assert_int_equal(scene.client.answers, 1);
        assert_non_null(strstr(scene.client.answer, answers[i]));
        assert_null(client_holds(&scene.client, "items", "d"));
        close_scene(&scene);
    }
}

/* The socket takes more before the change of rights that has come is looked at. */
static void a_socket_that_opens_is_not_written_to_with_former_rights(void **state)
{
    (void)state;
    struct scene scene;
    open_scene_with(&scene, Q("['i','g']"), 0);
    (void)client_call(&scene.client, "items", "sync", "{}");
    for (unsigned i = 0; i < 4; i++) {
        put(&scene, "items", (char[]){(char)('0' + i), 0}, "i", 60000);
        world_settle(&scene.world);
    }
    put(&scene, "items", "d", "g", 10);
    world_settle(&scene.world);
    join(&scene, Q("['i']"));
    client_read(&scene.client, SIZE_MAX);
    assert_null(client_holds(&scene.client, "items", "3"));
    client_settle(&scene.client);
    assert_non_null(client_holds(&scene.client, "items", "3"));
    buffer_append_byte(&scene.client.past, 0);
    assert_null(strstr(scene.client.past.data, "items/d\n"));
    close_scene(&scene);
}

enum { READERS_MOST = 4096 };

/* Takes every slot of a reader, the worker's too. Returns how many. */
static size_t take_readers(struct scene *scene, MDB_txn *readers[READERS_MOST])
{
    struct store *store = scene->world.fixture.store;
    size_t count = 0;
    assert_false(store->reading);
    mdb_txn_abort(store->snapshot);
    store->snapshot = NULL;
    while (count < READERS_MOST && mdb_txn_begin(store->env, NULL, MDB_RDONLY, &readers[count]) == 0)
        count++;
    assert_in_range(count, 1, READERS_MOST - 1);
    return count;
}

static void give_readers_back(MDB_txn *readers[READERS_MOST], size_t count)
{
    while (count > 0)
        mdb_txn_abort(readers[--count]);
}

/* While the store cannot be read the new rights are not known: no call runs with the old ones. */
static void no_call_runs_while_the_rights_are_not_known(void **state)
{
    (void)state;
    struct scene scene;
    MDB_txn *readers[READERS_MOST];
    open_scene(&scene, Q("['administrator']"));
    world_settle(&scene.world);
    join(&scene, "[]");
    size_t count = take_readers(&scene, readers);
    client_send(&scene.client, Q("{'tid':1,'collectionName':'vault','methodName':'insert','data':{}}"));
    world_settle(&scene.world);
    give_readers_back(readers, count);
    client_settle(&scene.client);
    assert_non_null(strstr(scene.client.answer, "cannot be read now"));
    close_scene(&scene);
}

/* And a client whose copy is being brought in line then goes on although nothing else happens. */
static void a_change_of_rights_goes_on_when_the_store_can_be_read_again(void **state)
{
    (void)state;
    struct scene scene;
    MDB_txn *readers[READERS_MOST];
    open_scene_with(&scene, Q("['i']"), 0);
    put(&scene, "items", "d", "g", 10);
    (void)client_call(&scene.client, "items", "sync", "{}");
    for (unsigned i = 0; i < 5; i++) {
        put(&scene, "items", (char[]){(char)('0' + i), 0}, "i", 60000);
        world_settle(&scene.world);
    }
    join(&scene, Q("['i','g']"));
    world_settle(&scene.world);
    size_t count = take_readers(&scene, readers);
    client_settle(&scene.client);
    assert_null(client_holds(&scene.client, "items", "d"));
    give_readers_back(readers, count);
    client_settle(&scene.client);
    assert_non_null(client_holds(&scene.client, "items", "d"));
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_interrupted_resume_gave_is_taken_back),
        cmocka_unit_test(a_sync_between_two_changes_of_rights),
        cmocka_unit_test(who_is_told_to_sync_is_not_told_what_came_before_its_rights),
        cmocka_unit_test(a_subscription_in_the_middle_shows_no_ids),
        cmocka_unit_test(a_login_shows_nothing_from_before_it),
        cmocka_unit_test(logging_in_again_in_the_middle_keeps_the_copy_right),
        cmocka_unit_test(what_is_read_waits_for_the_rights),
        cmocka_unit_test(a_socket_that_opens_is_not_written_to_with_former_rights),
        cmocka_unit_test(no_call_runs_while_the_rights_are_not_known),
        cmocka_unit_test(a_change_of_rights_goes_on_when_the_store_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
