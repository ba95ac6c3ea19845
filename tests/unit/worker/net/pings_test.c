#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/quoted.h"
#include "tests/unit/worker/net/network_world.h"
#include "tests/unit/worker/net/pings_scene.h"
#include "worker/net/connection.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"

#include <cmocka.h>

/*
 * The message `ping`: each change up to its number that the client may see has come before it, or what takes
 * its place; and what says that some were left out comes before numbers beyond these.
 */

static void without_a_number_while_it_is_not_authorized(void **state)
{
    (void)state;
    pings_change();
    pings_tick();
    pings_expect("ping, ");
    pings_authorize();
    pings_tick();
    pings_expect("ping 1, ping 1, ");
    connection_authorized(connection, false);
    pings_tick();
    pings_expect("ping, ");
}

static void at_authorization_before_any_change(void **state)
{
    (void)state;
    pings_change();
    pings_authorize();
    pings_change();
    connection_send(connection, SLICE("answer"), 0);
    pings_expect("ping 1, answer, change 2, ");
}

/* What comes next is in part newer than its numbers, until change 3. */
static void without_a_number_until_it_is_settled(void **state)
{
    (void)state;
    pings_authorize();
    pings_change();
    pings_expect("ping 0, change 1, ");
    connection_unsettle(connection, 3, NULL);
    connection_unsettle(connection, 2, NULL); /* said already */
    pings_change();
    pings_tick();
    pings_expect("ping null, change 2, ");
    pings_change();
    pings_expect("change 3, ping 3, ");
    pings_tick();
    pings_expect("ping 3, ");
    connection_unsettle(connection, 5, NULL);
    pings_change_of(HIDDEN, 0);
    pings_expect("ping null, ");
    pings_change_of(HIDDEN, 0);
    pings_expect("ping 5, ");
}

/* An answer that waits for a later change does not hold up the word that what comes is not settled; one that
 * may go keeps its place. */
static void what_is_not_settled_is_said_in_front_of_it(void **state)
{
    (void)state;
    pings_authorize();
    pings_expect("ping 0, ");
    connection_send(connection, SLICE("first"), 0);
    connection_send(connection, SLICE("waits"), 2);
    connection_unsettle(connection, 2, NULL);
    connection_send(connection, SLICE("waits, too"), 2);
    pings_change();
    pings_change();
    pings_expect("first, ping null, change 1, change 2, waits, waits, too, ping 2, ");
    struct buffer frames = {0};
    connection_unsettle(connection, 3, &frames);
    assert_non_null(memmem(frames.data, frames.length, Q("'seq':null"), 10));
    size_t length = frames.length;
    connection_unsettle(connection, 4, &frames);
    assert_int_equal(frames.length, length);
    pings_expect("");
    buffer_free(&frames);
    connection_authorized(connection, false);
    connection_unsettle(connection, 9, NULL); /* whose copy it was knows nothing of it */
    pings_expect("");
}

static void a_ping_that_is_asked_for_comes_once(void **state)
{
    (void)state;
    pings_authorize();
    pings_expect("ping 0, ");
    connection_send(connection, SLICE("answer"), 1);
    connection_ping_is_due(connection);
    connection_ping_is_due(connection);
    pings_expect("");
    pings_change();
    pings_expect("change 1, answer, ping 1, ");
}

/* Somebody else from here on, in the middle of a change for who it was before. */
static void at_another_authorization(void **state)
{
    (void)state;
    const int small = 4096;
    pings_authorize();
    pings_expect("ping 0, ");
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    pings_change_of(SHOWN, 300000);
    pings_change();
    world_turn(&world);
    assert_true(connection->blocked);
    output_pass_over(&connection->output, world.backlog, 5);
    connection_authorized(connection, true);
    pings_change();
    pings_expect("change 1, ping 5, ");
    while (world.seq < 6)
        pings_change();
    (void)output_rejoin(&connection->output, world.backlog);
    pings_expect("change 6, ");
}

static void it_moves_for_who_sees_nothing(void **state)
{
    (void)state;
    pings_authorize();
    for (int i = 0; i < 3; i++) {
        pings_change_of(HIDDEN, 0);
        pings_change_of(HIDDEN, 0);
        world_turn(&world);
        pings_tick();
    }
    pings_expect("ping 0, ping 2, ping 4, ping 6, ");
}

static void between_changes(void **state)
{
    (void)state;
    pings_authorize();
    pings_change();
    world_turn(&world);
    pings_change();
    pings_tick(); /* of what is out: not that of the one that follows */
    pings_change_of(HIDDEN, 0);
    pings_expect("ping 0, change 1, ping 1, change 2, ");
    pings_tick();
    pings_expect("ping 3, ");
}

static void behind_what_is_half_out(void **state)
{
    (void)state;
    const int small = 4096;
    pings_authorize();
    pings_expect("ping 0, ");
    assert_int_equal(setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    pings_change_of(SHOWN, 300000);
    world_turn(&world);
    assert_int_equal(connection->output.unfinished, OUTPUT_FRAME);
    for (int i = 0; i < 1000; i++) {
        pings_tick();
        world_turn(&world);
        assert_true(connection->output.reply_bytes <= 2 * 1000); /* the protocol's own, which end it */
        assert_null(connection->output.first);
    }
    pings_expect("change 1, ping 1, ");
}

/* A reply that waits for a change does not keep it from being true afterwards. */
static void behind_a_reply_that_waits(void **state)
{
    (void)state;
    pings_authorize();
    connection_send(connection, SLICE("reply"), 2);
    pings_tick();
    pings_expect("ping 0, ");
    pings_change();
    pings_expect("change 1, ");
    pings_change();
    pings_expect("change 2, reply, ping 2, ");
}

static void not_while_changes_are_held(void **state)
{
    (void)state;
    pings_authorize();
    pings_change();
    pings_expect("ping 0, change 1, ");
    output_hold(&connection->output, world.backlog);
    pings_change_of(HIDDEN, 0); /* of the rights, say */
    pings_change();
    pings_tick();
    pings_expect("");
    output_insert(&connection->output, SLICE("\x81\x02in"));
    pings_tick();
    connection_queue(connection);
    pings_expect("in, ");
    output_release(&connection->output, OUTPUT_NO_HOLD);
    connection_queue(connection);
    pings_expect("ping 1, change 3, "); /* and not twice */
}

static uint64_t folded_most;

/* The newest state of what was missed, up to ->folded_most. */
static void fold(struct world *of, struct connection *to)
{
    struct output *output = &to->output;
    uint64_t seq = output_refill_most(output, of->backlog);
    seq = seq < folded_most ? seq : folded_most;
    if (output_rejoin(output, of->backlog))
        connection_queue(to);
    else if (seq > output->caught_up_seq)
        output_refill(output,
                      SLICE("\x81\x06"
                            "folded"),
                      seq);
}

static void not_before_what_comes_from_the_change_log(void **state)
{
    (void)state;
    world.on_refill = fold;
    folded_most = 2;
    pings_authorize();
    pings_expect("ping 0, ");
    for (int i = 0; i < 4; i++)
        pings_change();
    network_backlog_drops(world.network, backlog_next(world.backlog));
    assert_true(connection->output.catching_up);
    backlog_restart(world.backlog, world.seq);
    pings_tick();
    connection_queue(connection);
    while (!connection->output.refill)
        connection_write(connection);
    pings_tick();
    pings_expect("ping 0, folded, ping 2, ");
    folded_most = 4;
    connection_queue(connection);
    pings_tick();
    pings_expect("ping 2, folded, ");
    pings_tick();
    pings_expect("ping 4, ");
}

static void miss(struct world *of, struct connection *to)
{
    uint64_t last = backlog_last_seq(of->backlog);
    if (to->output.hold_seq != OUTPUT_NO_HOLD || output_rejoin(&to->output, of->backlog))
        return;
    output_refill(&to->output, (struct slice){0}, last);
    connection_send(to, SLICE("resync"), last);
}

static void never_before_a_resync(void **state)
{
    (void)state;
    world.on_refill = miss;
    pings_authorize();
    pings_change();
    pings_expect("ping 0, change 1, ");
    for (int i = 0; i < 3; i++)
        pings_change();
    network_backlog_drops(world.network, backlog_next(world.backlog) + 1);
    backlog_restart(world.backlog, world.seq);
    pings_tick();
    pings_expect("ping 1, resync, ");
    pings_change();
    pings_tick();
    pings_expect("ping 4, change 5, ");
    /* The same when rights have changed faster than it reads. */
    output_hold(&connection->output, world.backlog);
    pings_change();
    pings_tick();
    world_turn(&world);
    output_pass_over(&connection->output, world.backlog, 6);
    connection_send(connection, SLICE("resync"), 6);
    pings_tick();
    pings_expect("resync, ping 6, ");
}

/* What was made from the change log is dropped when it is the client's no more. */
static void not_of_what_may_be_dropped(void **state)
{
    (void)state;
    pings_authorize();
    pings_change();
    pings_expect("ping 0, change 1, ");
    output_leave_backlog(&connection->output, world.backlog);
    pings_change();
    output_refill(&connection->output,
                  SLICE("\x81\x06"
                        "folded"),
                  2);
    pings_tick();
    connection_ping_late(connection); /* and the kernel has no room */
    output_pass_over(&connection->output, world.backlog, 2);
    connection_send(connection, SLICE("resync"), 2);
    pings_expect("resync, ping 2, ");
}

static void fold_ahead(struct world *of, struct connection *to)
{
    struct buffer frames = {0};
    if (output_rejoin(&to->output, of->backlog))
        return;
    connection_unsettle(to, 9, &frames);
    buffer_append_text(&frames, "\x81\x06"
                                "folded");
    output_refill(&to->output, buffer_slice(&frames), backlog_last_seq(of->backlog));
    buffer_free(&frames);
}

/* What is newer than its number is so for who closes, too. */
static void in_front_of_what_is_ahead_at_the_close(void **state)
{
    (void)state;
    world.on_refill = fold_ahead;
    pings_authorize();
    pings_expect("ping 0, ");
    pings_change();
    connection_close(connection, 1001, "");
    network_backlog_drops(world.network, backlog_next(world.backlog) + 1);
    backlog_restart(world.backlog, world.seq);
    connection_queue(connection);
    pings_expect("ping null, folded, close, ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pings_set_up, pings_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_number_while_it_is_not_authorized),
        TEST(at_authorization_before_any_change),
        TEST(without_a_number_until_it_is_settled),
        TEST(what_is_not_settled_is_said_in_front_of_it),
        TEST(a_ping_that_is_asked_for_comes_once),
        TEST(at_another_authorization),
        TEST(it_moves_for_who_sees_nothing),
        TEST(between_changes),
        TEST(behind_what_is_half_out),
        TEST(behind_a_reply_that_waits),
        TEST(not_while_changes_are_held),
        TEST(not_before_what_comes_from_the_change_log),
        TEST(never_before_a_resync),
        TEST(not_of_what_may_be_dropped),
        TEST(in_front_of_what_is_ahead_at_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
