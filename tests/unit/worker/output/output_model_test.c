/*
 * Random histories against a model: several connections with different rights on one small backlog; changes,
 * replies, control frames, writes that end anywhere, falling behind, refills and going back. What each peer
 * receives must be every change it may see exactly once and in order, every reply in its gate, every control
 * frame at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/memory.h"
#include "tests/unit/worker/output/peer.h"
#include "tests/unit/worker/output/world.h"
#include "worker/output/output.h"

enum { SEEDS = 150, STEPS = 600, CONNECTIONS = 6, CHANGES_MOST = STEPS * 4 + 100, ITEMS_MOST = STEPS + 10 };
enum { BACKLOG_MOST = 9000 };

/* A reply or control frame, as it was when it was queued. */
struct queued {
    uint64_t gate;      /* the greatest after_seq up to this reply */
    size_t out;         /* bytes that were out */
    uint64_t caught_up; /* changes up to this were queued as refill, in front of it */
    enum output_source unfinished;
};

struct connection {
    struct output output;
    struct viewer *viewer;
    struct buffer received;
    struct queued replies[ITEMS_MOST], urgents[ITEMS_MOST];
    uint64_t reply_count, urgent_count;
    uint64_t completed; /* change frames, as output_advance() counted them */
};

struct log_entry {
    uint16_t collection;
    struct slice before, after;
    size_t dots;
    bool update, remove; /* has such a frame */
};

static struct viewer_table *table;
static struct backlog *backlog;
static struct connection *connections;
static struct log_entry *changes; /* by sequence number */
static uint64_t last_seq;
static uint64_t random_state;
static unsigned times_behind, times_rejoined, times_ahead;

static uint32_t below(uint32_t most)
{
    return random_below(&random_state, most);
}

static void make_frame(struct buffer *out, uint64_t seq)
{
    item_append(out, 'F', seq, changes[seq].dots);
}

/* What the log says of a change to this viewer; as sight_next(), without a backlog. */
static bool model_sees(const struct viewer *viewer, uint64_t seq)
{
    const struct log_entry *entry = &changes[seq];
    bool after = viewer_holds(viewer, entry->collection, entry->after);
    if (after)
        return entry->update;
    return entry->remove && viewer_holds(viewer, entry->collection, entry->before);
}

static void fall_behind(uint64_t first)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        bool before = connections[i].output.catching_up;
        struct work work = {.left = below(3) ? UINT64_MAX : below(50)};
        output_fall_behind(&connections[i].output, backlog, first, &work);
        times_behind += connections[i].output.catching_up && !before;
    }
}

static void change(void)
{
    static const struct slice tags[] = {
        {"\x03", 1}, {"\x02", 1}, {"\x01\x04\0anna\0\0", 9}, {"\x01\x04\0bert\0\0", 9}, {NULL, 0}};
    uint64_t seq = ++last_seq;
    struct log_entry *entry = &changes[seq];
    *entry = (struct log_entry){
        .collection = (uint16_t)below(COLLECTIONS),
        .before = tags[below(5)],
        .after = tags[below(5)],
        .dots = below(30) ? below(12) : below(3000),
        .update = true,
        .remove = below(2),
    };
    if (below(10) == 0)
        entry->update = entry->remove = false;
    struct buffer frame = {0};
    make_frame(&frame, seq);
    struct ring_record record = {
        .seq = seq,
        .collection = entry->collection,
        .tag_before = entry->before,
        .tag_after = entry->after,
        .update_frame = entry->update ? buffer_slice(&frame) : TAG_NONE,
        .remove_frame = entry->remove ? buffer_slice(&frame) : TAG_NONE,
    };
    fall_behind(backlog_first_after(backlog, &record));
    backlog_append(backlog, &record);
    if (below(20) == 0) { /* it was torn: again */
        backlog_forget_last(backlog);
        backlog_append(backlog, &record);
    }
    buffer_free(&frame);
}

/* The ring lapped the worker: some changes are only in the log. */
static void restart(void)
{
    fall_behind(backlog_next(backlog) + 1);
    uint64_t missed = below(6);
    while (missed-- > 0) {
        changes[++last_seq] = (struct log_entry){.collection = OPEN, .after = TAG_HELD, .update = true};
    }
    backlog_restart(backlog, last_seq);
}

static void reply(struct connection *connection)
{
    uint64_t after = last_seq + 2 - below((uint32_t)(last_seq < 40 ? last_seq : 40) + 1);
    uint64_t number = connection->reply_count++;
    uint64_t before = number ? connection->replies[number - 1].gate : 0;
    connection->replies[number] = (struct queued){
        .gate = after > before ? after : before,
        .out = connection->received.length,
        .caught_up = connection->output.caught_up_seq,
    };
    struct buffer frame = {0};
    item_append(&frame, 'R', number, below(20) ? below(40) : below(4000));
    output_reply(&connection->output, buffer_slice(&frame), after);
    buffer_free(&frame);
}

static void urgent(struct connection *connection)
{
    uint64_t number = connection->urgent_count++;
    connection->urgents[number] = (struct queued){
        .out = connection->received.length,
        .unfinished = connection->output.unfinished,
    };
    struct buffer frame = {0};
    item_append(&frame, 'U', number, below(5));
    output_urgent(&connection->output, buffer_slice(&frame));
    buffer_free(&frame);
}

/* What the owner does for a connection that catches up: goes back if it can, otherwise a piece of the log. */
static void catch_up(struct connection *connection)
{
    struct output *output = &connection->output;
    if (below(3) && output_rejoin(output, backlog)) {
        times_rejoined++;
        return;
    }
    if (!output_wants_refill(output))
        return;
    uint64_t most = output_refill_most(output, backlog), seq = output->caught_up_seq;
    struct buffer frames = {0};
    for (uint32_t count = 1 + below(30); seq < most && count > 0; count--)
        if (model_sees(connection->viewer, ++seq))
            make_frame(&frames, seq);
    output_refill(output, buffer_slice(&frames), seq);
    buffer_free(&frames);
}

static void take(struct connection *connection)
{
    static const uint32_t mosts[] = {1, 4, 20, 100, 1000, 100000};
    size_t most = below(mosts[below(6)] + 1);
    struct work work = {.left = below(3) ? UINT64_MAX : below(50)};
    connection->completed +=
        peer_take(&connection->output, backlog, 1 + below(20000), most, &work, &connection->received);
}

/* Up to where it says that all is out, all is. */
static void check_sent(const struct connection *connection)
{
    struct slice bytes = buffer_slice(&connection->received);
    struct item item;
    uint64_t last_frame = 0, sent = output_sent_seq(&connection->output, backlog);
    while (peer_item(&bytes, &item))
        if (item.kind == 'F')
            last_frame = item.number;
    for (uint64_t seq = last_frame + 1; seq <= sent; seq++)
        assert_false(model_sees(connection->viewer, seq));
    times_ahead += output_seq(&connection->output, backlog) > sent;
}

static void step(void)
{
    struct connection *connection = &connections[below(CONNECTIONS)];
    /* Connection 0 takes everything it can, number 1 rarely anything. */
    take(&connections[0]);
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
        for (uint32_t count = 1 + below(4); count > 0; count--)
            change();
        break;
    case 3:
        reply(connection);
        break;
    case 4:
        urgent(connection);
        break;
    case 5:
        if (below(20) == 0)
            restart();
        break;
    default:
        if (connection != &connections[1] || below(10) == 0)
            take(connection);
        catch_up(connection);
    }
    if (below(20) == 0)
        check_sent(connection);
}

/* The source of an item is what was unfinished when a control frame came: nothing else may start before that
 * frame. */
static void check_urgent(const struct queued *urgent, const struct item *item, uint64_t frames_between,
                         uint64_t replies_between)
{
    assert_true(item->start >= urgent->out);
    assert_true(frames_between == 0 || urgent->unfinished == OUTPUT_REFILL);
    assert_true(replies_between == 0 || urgent->unfinished == OUTPUT_REPLY);
}

/* The first item at or behind @offset. */
static size_t item_from(const struct item *items, size_t count, size_t offset)
{
    size_t i = 0;
    while (i < count && items[i].start < offset)
        i++;
    return i;
}

static void check_reply(const struct connection *connection, const struct item *items, size_t at,
                        uint64_t last_frame)
{
    const struct queued *queued = &connection->replies[items[at].number];
    for (uint64_t seq = last_frame + 1; seq <= queued->gate; seq++)
        assert_false(model_sees(connection->viewer, seq)); /* those came first */
    for (size_t i = item_from(items, at, queued->out); i < at; i++)
        if (items[i].kind == 'F' && items[i].number > queued->gate)
            assert_true(items[i].number <= queued->caught_up); /* later ones were on their way before */
}

static void check(const struct connection *connection)
{
    struct item *items = memory_zeroed(connection->received.length / 3 + 1, sizeof *items);
    struct slice bytes = buffer_slice(&connection->received);
    size_t count = 0;
    for (;; count++) {
        size_t start = connection->received.length - bytes.length;
        if (!peer_item(&bytes, &items[count]))
            break;
        items[count].start = start;
    }
    assert_int_equal(bytes.length, 0);

    uint64_t last_frame = 0, replies = 0, urgents = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t frames_between = 0, replies_between = 0;
        switch (items[i].kind) {
        case 'F':
            while (++last_frame < items[i].number)
                assert_false(model_sees(connection->viewer, last_frame)); /* missing */
            assert_int_equal(last_frame, items[i].number);
            assert_true(model_sees(connection->viewer, last_frame));
            break;
        case 'R':
            assert_int_equal(items[i].number, replies++);
            check_reply(connection, items, i, last_frame);
            break;
        default:
            assert_int_equal(items[i].number, urgents);
            for (size_t j = item_from(items, i, connection->urgents[urgents].out); j < i; j++) {
                frames_between += items[j].kind == 'F';
                replies_between += items[j].kind == 'R';
            }
            check_urgent(&connection->urgents[urgents++], &items[i], frames_between, replies_between);
        }
    }
    while (++last_frame <= last_seq)
        assert_false(model_sees(connection->viewer, last_frame));
    assert_int_equal(replies, connection->reply_count);
    assert_int_equal(urgents, connection->urgent_count);
    free(items);
}

static void finish(void)
{
    for (unsigned i = 0; i < 3; i++)
        change(); /* the ones that replies still wait for */
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        unsigned rounds = 0;
        while (!output_idle(&connection->output, backlog) && rounds++ < 100000) {
            take(connection);
            catch_up(connection);
        }
        assert_true(output_idle(&connection->output, backlog));
        assert_int_equal(connection->output.reply_bytes, 0);
        check(connection);
    }
}

static void play(uint64_t seed)
{
    random_state = seed;
    last_seq = 0;
    table = viewer_table_create(&world_config);
    backlog = backlog_create(BACKLOG_MOST);
    connections = memory_zeroed(CONNECTIONS, sizeof *connections);
    changes = memory_zeroed(CHANGES_MOST, sizeof *changes);
    static const struct {
        unsigned collections;
        const char *user;
    } rights[CONNECTIONS] = {{1 << OPEN | 1 << OWNED, "anna"},
                             {1 << OPEN | 1 << OWNED, "anna"},
                             {1 << OWNED, "bert"},
                             {1 << OWNED, "bert"},
                             {1 << HIDDEN, NULL},
                             {0, NULL}};
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        connections[i].viewer = world_viewer(table, rights[i].collections, rights[i].user, NULL);
        output_open(&connections[i].output, backlog, connections[i].viewer);
    }
    for (unsigned i = 0; i < STEPS; i++)
        step();
    finish();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        output_close(&connections[i].output);
        viewer_put(table, connections[i].viewer);
        buffer_free(&connections[i].received);
    }
    free(connections);
    free(changes);
    backlog_free(&backlog);
    viewer_table_free(&table);
}

static void random_histories_come_out_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(seed);
    /* The histories were worth it. */
    assert_true(times_behind > SEEDS && times_rejoined > SEEDS && times_ahead > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_come_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
