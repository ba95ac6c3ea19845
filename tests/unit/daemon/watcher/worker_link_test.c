/* The watcher's end of a link: what a worker is told, and what it must not say. */
#include "tests/unit/daemon/watcher/watched_fixture.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/watcher/worker_link.h"
#include "shared/watch/watch_messages.h"

enum { BYTES = 1 << 20 };

struct scene {
    struct fixture *fixture;
    struct worker_link link;
    int worker; /* its end of the stream */
    struct buffer in;
};

static void open_scene(struct scene *scene, void **state)
{
    int ends[2];
    *scene = (struct scene){.fixture = *state};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    worker_link_open(&scene->link, scene->fixture->base, 3, ends[0], 1);
    scene->worker = ends[1];
}

static void close_scene(struct scene *scene)
{
    if (!scene->fixture)
        return;
    worker_link_close(&scene->link, &scene->fixture->watched, 1, &scene->fixture->graves);
    assert_int_equal(scene->fixture->watched.listeners, 0);
    close(scene->worker);
    buffer_free(&scene->in);
    scene->fixture = NULL;
}

static struct scene the_scene; /* a failed test's is closed, too */

static int tear_down(void **state)
{
    close_scene(&the_scene);
    return fixture_tear_down(state);
}

static void say(struct scene *scene, enum watch_message_type type, uint32_t serial)
{
    struct buffer bytes = {0};
    watch_message_append(&bytes, &(struct watch_message){.type = type, .serial = serial});
    assert_int_equal(write(scene->worker, bytes.data, bytes.length), bytes.length);
    buffer_free(&bytes);
    worker_link_read(&scene->link, &scene->fixture->watched, 1, &scene->fixture->graves);
}

/* Lets the link write what there is, as far as the kernel takes it. */
static void let_write(struct scene *scene)
{
    scene->link.blocked = false;
    while (worker_link_write(&scene->link, &scene->fixture->watched, 1, BYTES))
        ;
}

/* The next message; false: there is none. */
static bool hear(struct scene *scene, struct watch_message *message)
{
    struct buffer *in = &scene->in;
    static char name[256];
    for (;;) {
        struct slice rest = buffer_slice(in);
        if (watch_message_take(&rest, message) == 1) {
            if (message->name.length)
                memcpy(name, message->name.data, message->name.length);
            message->name.data = name;
            buffer_consume(in, in->length - rest.length);
            return true;
        }
        ssize_t got = read(scene->worker, buffer_reserve(in, 65536), 65536);
        if (got <= 0)
            return false;
        in->length += (size_t)got;
        let_write(scene);
    }
}

static void expect(struct scene *scene, enum watch_message_type type, const char *name)
{
    struct watch_message message;
    assert_true(hear(scene, &message));
    assert_int_equal(message.type, type);
    assert_true(!name || slice_equal(message.name, slice_text(name)));
}

static void test_a_listing_and_changes(void **state)
{
    struct watch_message message;
    open_scene(&the_scene, state);
    fixture_write(the_scene.fixture, "a", 5);
    say(&the_scene, WATCH_LISTEN, 77);
    let_write(&the_scene);
    assert_true(hear(&the_scene, &message));
    assert_int_equal(message.type, WATCH_BEGIN);
    assert_int_equal(message.serial, 77);
    assert_false(hear(&the_scene, &message)); /* it is not known yet what is there */
    fixture_settle(the_scene.fixture);
    let_write(&the_scene);
    assert_true(hear(&the_scene, &message));
    assert_int_equal(message.type, WATCH_FILE);
    assert_true(message.size == 5);
    expect(&the_scene, WATCH_WHOLE, NULL);
    fixture_write(the_scene.fixture, "b", 0);
    fixture_settle(the_scene.fixture);
    fixture_remove(the_scene.fixture, "b");
    fixture_write(the_scene.fixture, "c", 0);
    fixture_settle(the_scene.fixture);
    the_scene.fixture->now_ms += the_scene.fixture->config->watch_interval_ms;
    fixture_settle(the_scene.fixture);
    let_write(&the_scene);
    expect(&the_scene, WATCH_FILE, "c"); /* of the other nothing was told, so nothing is */
    assert_false(hear(&the_scene, &message));
    fixture_remove(the_scene.fixture, "a");
    fixture_settle(the_scene.fixture);
    let_write(&the_scene);
    expect(&the_scene, WATCH_GONE, "a");
    say(&the_scene, WATCH_LISTEN, 78);
    let_write(&the_scene);
    expect(&the_scene, WATCH_BEGIN, NULL);
    expect(&the_scene, WATCH_FILE, "c");
    expect(&the_scene, WATCH_WHOLE, NULL);
    say(&the_scene, WATCH_UNLISTEN, 0);
    assert_null(the_scene.fixture->watched.table);
    assert_false(the_scene.link.ended);
    close_scene(&the_scene);
}

/* What is said at once is one wish, the last. */
static void test_many_wishes(void **state)
{
    struct buffer bytes = {0};
    struct watch_message message;
    open_scene(&the_scene, state);
    struct watched *watched = &the_scene.fixture->watched;
    say(&the_scene, WATCH_LISTEN, 1);
    const struct file_table *table = watched->table;
    for (uint32_t i = 2; i < 100; i++) {
        watch_message_append(&bytes, &(struct watch_message){.type = WATCH_UNLISTEN});
        watch_message_append(&bytes, &(struct watch_message){.type = WATCH_LISTEN, .serial = i});
    }
    assert_int_equal(write(the_scene.worker, bytes.data, bytes.length), bytes.length);
    buffer_free(&bytes);
    worker_link_read(&the_scene.link, watched, 1, &the_scene.fixture->graves);
    assert_ptr_equal(watched->table, table);
    assert_null(the_scene.fixture->graves);
    let_write(&the_scene);
    assert_true(hear(&the_scene, &message));
    assert_true(message.type == WATCH_BEGIN && message.serial == 99);
    say(&the_scene, WATCH_UNLISTEN, 0);
    assert_null(watched->table);
    close_scene(&the_scene);
}

/* A worker that reads nothing: what is written for it stays as little as one piece. */
static void test_a_worker_that_stands_still(void **state)
{
    struct watch_message message;
    char name[256];
    unsigned files = 0, gone = 0;
    open_scene(&the_scene, state);
    say(&the_scene, WATCH_LISTEN, 1);
    fixture_settle(the_scene.fixture);
    let_write(&the_scene);
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned i = 0; i < 900; i++) {
            snprintf(name, sizeof name, "%u %0240u", turn, i);
            fixture_write(the_scene.fixture, name, 0);
            fixture_settle(the_scene.fixture);
            let_write(&the_scene);
            the_scene.fixture->now_ms += the_scene.fixture->config->watch_interval_ms;
            fixture_remove(the_scene.fixture, name);
            fixture_settle(the_scene.fixture);
            let_write(&the_scene);
            assert_true(the_scene.link.out.length < 40000);
        }
    unsigned begins = 0;
    while (hear(&the_scene, &message)) {
        begins += message.type == WATCH_BEGIN;
        files += message.type == WATCH_FILE;
        gone += message.type == WATCH_GONE;
    }
    assert_int_equal(begins, 2); /* more has gone than is remembered */
    assert_true(files < 2000 && gone <= files);
    fixture_write(the_scene.fixture, "last", 0);
    fixture_settle(the_scene.fixture);
    let_write(&the_scene);
    expect(&the_scene, WATCH_FILE, "last");
    close_scene(&the_scene);
}

static void refuse(void **state, const struct watch_message *message)
{
    struct buffer bytes = {0};
    open_scene(&the_scene, state);
    watch_message_append(&bytes, message);
    assert_int_equal(write(the_scene.worker, bytes.data, bytes.length), bytes.length);
    buffer_free(&bytes);
    worker_link_read(&the_scene.link, &the_scene.fixture->watched, 1, &the_scene.fixture->graves);
    assert_true(the_scene.link.ended);
    close_scene(&the_scene);
}

static void test_what_makes_no_sense(void **state)
{
    refuse(state, &(struct watch_message){.type = WATCH_LISTEN, .directory = 1});
    refuse(state, &(struct watch_message){.type = WATCH_WHOLE});
}

static void test_the_end(void **state)
{
    open_scene(&the_scene, state);
    say(&the_scene, WATCH_LISTEN, 1);
    assert_int_equal(shutdown(the_scene.worker, SHUT_RDWR), 0);
    worker_link_read(&the_scene.link, &the_scene.fixture->watched, 1, &the_scene.fixture->graves);
    assert_true(the_scene.link.ended);
    close_scene(&the_scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_listing_and_changes, fixture_set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_wishes, fixture_set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_worker_that_stands_still, fixture_set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_makes_no_sense, fixture_set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end, fixture_set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
