#include "tests/unit/worker/gap_world.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "tests/unit/quoted.h"
#include "worker/net/network.h"

static const char collections[] = "'items': {}, 'secrets': {'read': 'p'}, 'other': {}},"
                                  " 'permissions': ['p'], 'limits': {";

void gap_world_open(struct world *world, uint64_t backlog_bytes)
{
    world_open(world, collections, 0, backlog_bytes);
    world->fixture.config->change_log_entries = KEPT;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(world_change(world, CHANGE_INSERT, "items", (char[]){(char)('a' + i), 0}, "{}"),
                         ERROR_NONE);
    world_settle(world);
}

void gap_put(struct world *world, const char *collection, const char *id, unsigned bytes)
{
    char *body = memory_allocate(bytes + 64);
    static unsigned n;
    quoted_print(body, bytes + 64, "{'n':%u,'x':'%0*u'}", ++n, (int)bytes, 0);
    assert_int_equal(world_change(world, CHANGE_REPLACE, collection, id, body), ERROR_NONE);
    free(body);
}

void gap_commit_silently(struct world *world)
{
    world->committer_silent = true;
    for (unsigned i = 0; i < MISSED; i++)
        gap_put(world, i % 2 ? "items" : "other", (char[]){(char)('a' + i), 0}, 1);
}

void gap_take_over(struct world *world)
{
    world->committer_silent = false;
    assert_true(publish_missed(&world->publisher, world->fixture.store));
}

void gap_miss(struct world *world)
{
    gap_commit_silently(world);
    gap_take_over(world);
}

void gap_block(struct world *world)
{
    for (unsigned i = 0; i < 12; i++) {
        gap_put(world, "items", "block", 60000);
        world_pass(world);
    }
    world_settle(world);
}

static void note_session(struct connection *connection, void *argument)
{
    struct session **session = argument;
    *session = connection->owner;
}

struct session *gap_session(struct client *client)
{
    struct session *session = NULL;
    network_each(client->world->worker.network, note_session, &session);
    assert_non_null(session);
    return session;
}

size_t gap_place(struct client *client, const char *word)
{
    char *at = strstr(client_journal(client), word);
    if (!at)
        fail_msg("no %s in %s", word, client_journal(client));
    return (size_t)(at - client->journal.data);
}

unsigned gap_count(struct client *client, const char *word)
{
    unsigned found = 0;
    for (const char *at = client_journal(client); (at = strstr(at, word)); at++)
        found++;
    return found;
}

void gap_check_order(struct client *client, uint64_t seq)
{
    size_t told = gap_place(client, "resync ");
    for (const char *at = client_journal(client); (at = strchr(at, 'c')); at++) {
        if (at > client->journal.data && at[-1] != ' ')
            continue; /* of a word */
        if ((size_t)(at - client->journal.data) < told && strtoull(at + 1, NULL, 10) > seq)
            fail_msg("change after %llu before resync: %s", (unsigned long long)seq, client->journal.data);
    }
}

uint64_t gap_seq(const struct world *world)
{
    return store_write_seq(world->fixture.writer);
}

void gap_sync_again(struct client *client)
{
    struct buffer data = {0};
    client_manifest(client, "items", &data);
    buffer_append_byte(&data, 0);
    (void)client_call(client, "items", "sync", data.data);
    buffer_free(&data);
    client_settle(client);
    client_check(client, "items");
}
