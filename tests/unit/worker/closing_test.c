/* Connections that end while rights change: the copy is left in a state that resume brings in line. */

#include <string.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/worker_world.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"

static const char collections[] = "'items': {'rights': {'owner': 'o', 'group': 'g', "
                                  "'group_read': 'gr'}}}, 'limits': {";

static struct world world;
static struct client client;
static char token[64], place[128];

static void put(const char *id, const char *group, int bytes)
{
    struct buffer body = {0};
    quoted_append(&body, "{'g':'%s','gr':true,'x':'%0*u'}", group, bytes, 0);
    buffer_append_byte(&body, 0);
    assert_int_equal(world_change(&world, CHANGE_REPLACE, "items", id, body.data), ERROR_NONE);
    buffer_free(&body);
}

/* Anna is in the groups g and h, holds a document of each, and has more to read than the kernel takes. */
static int set_up(void **state)
{
    (void)state;
    char id[2] = "a";
    world_open(&world, collections, 0, 0);
    for (const char *group = "gh"; *group; group++)
        assert_int_equal(world_change(&world, CHANGE_INSERT, "groups", (char[]){*group, 0}, "{}"),
                         ERROR_NONE);
    world_add_user(&world, "anna", Q("['g','h']"), token);
    client_open(&client, &world, token);
    put("of g", "g", 1);
    put("of h", "h", 1);
    assert_non_null(strstr(client_call(&client, "items", "sync", "{}"), Q("'epoch'")));
    assert_true((size_t)snprintf(place, sizeof place, "%s", client.answer) < sizeof place);
    for (; id[0] < 'a' + 12; id[0]++)
        put(id, "h", 60000);
    world_settle(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    world_close(&world);
    return 0;
}

static void leave_g(void)
{
    assert_int_equal(world_change(&world, CHANGE_MERGE, "users", "anna", Q("{'groups':['h']}")), ERROR_NONE);
    world_settle(&world);
}

static void close_client(void)
{
    static const char closing[] = "\x88\x82\0\0\0\0\x03\xe8";
    assert_int_equal(send(client.fd, closing, 8, 0), 8);
    world_settle(&world);
}

/* Reads to the end; then comes back and goes on where it was. */
static void read_and_come_back(uint64_t seq_most)
{
    char resume[160];
    uint64_t before = 0;
    sscanf(place, "{\"epoch\":%*u,\"seq\":%lu", &before);
    assert_int_equal(client.close_code, 0);
    client_settle(&client);
    assert_true(client.ended);
    assert_int_equal(client.close_code, 1000);
    assert_int_equal(client.bytes.length, 0); /* nothing after the close frame */
    assert_true(client.seq > before && client.seq <= seq_most);
    assert_null(client_holds(&client, "items", "late"));
    assert_non_null(client_holds(&client, "items", "of g"));
    quoted_print(resume, sizeof resume, "%.*s,'seq':%lu}", (int)(strchr(place, ',') - place), place,
                 (unsigned long)client.seq);
    client_reopen(&client, token);
    assert_non_null(strstr(client_call(&client, "dispatcher", "resume", resume), Q("'epoch'")));
    assert_null(client_holds(&client, "items", "of g"));
    assert_non_null(client_holds(&client, "items", "late"));
}

static void answer_later(struct connection *connection, void *argument)
{
    connection_send(connection, slice_text(Q("{'operation':'later','collectionName':null,'data':null}")),
                    *(uint64_t *)argument);
}

/* They change when it closes already, and still waits for changes after them. */
static void rights_that_change_end_it(void **state)
{
    (void)state;
    uint64_t last = backlog_last_seq(world.worker.backlog), later = last + 2;
    network_each(world.worker.network, answer_later, &later);
    close_client();
    leave_g();
    put("late", "h", 1);
    world_settle(&world);
    assert_true(backlog_last_seq(world.worker.backlog) >= later);
    read_and_come_back(last);
    assert_null(memmem(client.seen.data, client.seen.length, "later", 5));
}

/* They changed before, and the copy has not been brought in line. */
static void rights_that_have_changed_are_not_worked_off(void **state)
{
    (void)state;
    uint64_t last = backlog_last_seq(world.worker.backlog);
    leave_g();
    put("late", "h", 1);
    close_client();
    read_and_come_back(last);
}

/* It is nobody's any more, while an answer waits that speaks of changes which are not for nobody. */
static void a_session_that_ends_ends_it(void **state)
{
    (void)state;
    uint64_t last = backlog_last_seq(world.worker.backlog);
    network_each(world.worker.network, answer_later, &last);
    close_client();
    assert_int_equal(world_change(&world, CHANGE_REMOVE, "users", "anna", ""), ERROR_NONE);
    world_settle(&world);
    client_settle(&client);
    assert_true(client.ended);
    assert_int_equal(client.close_code, 1000);
    assert_true(client.seq < last);
    assert_null(memmem(client.seen.data, client.seen.length, "later", 5));
}

/* Changes that nobody has any more: it can not be told so, and gets none that come after them. */
static void a_gap_ends_it(void **state)
{
    (void)state;
    uint64_t last = backlog_last_seq(world.worker.backlog), later = last + 30;
    network_each(world.worker.network, answer_later, &later);
    close_client();
    world.fixture.config->change_log_entries = 5;
    world.committer_silent = true;
    for (int i = 0; i < 20; i++)
        put("of h", "h", 2 + i);
    world.committer_silent = false;
    assert_true(publish_missed(&world.publisher, world.fixture.store));
    for (int i = 0; i < 20; i++)
        put("late", "h", 1 + i);
    world_settle(&world);
    assert_true(backlog_last_seq(world.worker.backlog) > later);
    client_settle(&client);
    assert_true(client.ended);
    assert_int_equal(client.close_code, 1000);
    assert_true(client.seq <= last);
    assert_null(client_holds(&client, "items", "late"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rights_that_change_end_it),
        TEST(rights_that_have_changed_are_not_worked_off),
        TEST(a_session_that_ends_ends_it),
        TEST(a_gap_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
