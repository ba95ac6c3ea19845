#include "tests/unit/worker/rights_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/store/access_tag.h"
#include "shared/store/store_scan.h"
#include "tests/unit/quoted.h"

static const char collections[] =
    "'items': {'rights': {'owner': 'o', 'group': 'g', 'group_read': 'gr', 'all_read': "
    "'ar'},"
    "  'sync_filter': {'out': {'$ne': true}}},"
    "'secrets': {'read': 'p'},"
    "'vault': {'read': 'q', 'rights': {'owner': 'o', 'group': 'g', 'group_read': 'gr'}}},"
    "'permissions': ['p', 'q'], 'limits': {";
static const char *const names[] = {"items", "secrets", "vault"};
static const char *const user_names[USERS] = {"anna", "bert", "cleo"};
static const char *const group_names[GROUPS] = {"g", "h", "i"};

unsigned model_chance(struct model *model, unsigned below)
{
    return world_random(&model->random, below);
}

/* ---- what is right ---- */

static bool is_member(const struct model *model, unsigned user, struct slice group)
{
    for (unsigned i = 0; i < GROUPS; i++)
        if (model->member[user][i] && model->exists[i] && slice_equal(slice_text(group_names[i]), group))
            return true;
    return false;
}

static bool may_see_collection(const struct model *model, unsigned user, unsigned collection)
{
    if (collection == 0 || model->administrator[user])
        return true;
    for (unsigned i = 0; i < GROUPS; i++)
        if (model->member[user][i] && model->exists[i] && (collection == 1 ? model->p[i] : model->q[i]))
            return true;
    return false;
}

static bool may_hold(const struct model *model, unsigned user, unsigned collection, struct slice tag)
{
    struct access_tag opened;
    assert_true(access_tag_read(tag, &opened));
    if (!(opened.flags & ACCESS_IN_SYNC) || !may_see_collection(model, user, collection))
        return false;
    return model->administrator[user] || (opened.flags & ACCESS_ALL_READ) ||
           slice_equal(opened.owner, slice_text(user_names[user])) ||
           ((opened.flags & ACCESS_GROUP_READ) && is_member(model, user, opened.group));
}

/* FNV-1a. */
static uint64_t hash_of(const char *collection, struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)collection[0];
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The place of what @user may hold; of nothing when it is not known. */
static uint64_t *allowed(struct model *model, unsigned user, uint64_t hash)
{
    uint64_t key = (hash + user + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1, at = key >> 44;
    while (model->allowed[at % ALLOWED] && model->allowed[at % ALLOWED] != key)
        at++;
    return &model->allowed[at % ALLOWED];
}

static void allow(struct model *model, unsigned user, uint64_t hash)
{
    *allowed(model, user, hash) = (hash + user + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* Every version that comes was the newest at a moment at which the user had a right to see it. */
static void check_document(void *argument, const struct client *client, struct slice collection,
                           struct slice document)
{
    struct model *model = argument;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned user = 0; user < USERS; user++)
            if (client == &model->client[user] && slice_equal(collection, slice_text(names[i])) &&
                !*allowed(model, user, hash_of(names[i], document)))
                fail_msg("%s was sent a version of %s that it never had a right to: %.*s", user_names[user],
                         names[i], (int)document.length, document.data);
}

/* Notes who may hold what now. */
static void note_seen(struct model *model)
{
    struct store *store = model->world.fixture.store;
    struct store_record record;
    assert_int_equal(store_begin(store), ERROR_NONE);
    for (unsigned collection = 0; collection < 3; collection++)
        for (unsigned i = 0; i < DOCUMENTS; i++) {
            char id[16];
            snprintf(id, sizeof id, "%03u", i);
            if (store_get(store, fixture_collection(&model->world.fixture, names[collection]), slice_text(id),
                          &record) != ERROR_NONE)
                continue;
            if (record.seq != model->text_seq[collection][i])
                model->text_hash[collection][i] = hash_of(names[collection], record.minimal);
            model->text_seq[collection][i] = record.seq;
            for (unsigned user = 0; user < USERS; user++)
                if (may_hold(model, user, collection, record.tag)) {
                    model->seen[user][collection][i] = true;
                    allow(model, user, model->text_hash[collection][i]);
                }
        }
    store_end(store);
}

/* What a client is told to remove without having held it, it may have held at some moment. */
static void check_strays(struct model *model, unsigned user)
{
    struct buffer *strays = &model->client[user].stray_ids;
    buffer_append_byte(strays, 0);
    char *rest = strays->data;
    for (char *line; (line = strtok_r(rest, "\n", &rest));)
        for (unsigned i = 0; i < 3; i++) {
            size_t length = strlen(names[i]);
            if (strncmp(line, names[i], length) == 0 && line[length] == '/' &&
                !model->seen[user][i][strtoul(line + length + 1, NULL, 10)])
                fail_msg("%s was told of %s", user_names[user], line);
        }
    buffer_clear(strays);
}

/* ---- changes ---- */

static void change_document(struct model *model)
{
    char id[16], body[4096];
    const char *collection = names[model_chance(model, 3)];
    snprintf(id, sizeof id, "%03u", model_chance(model, DOCUMENTS));
    unsigned what = model_chance(model, 10);
    if (what == 0) {
        (void)world_change(&model->world, CHANGE_REMOVE, collection, id, "");
    } else if (what < 4) { /* it stays whose it was */
        quoted_print(body, sizeof body, "{'n':%u}", model_chance(model, 1000000));
        (void)world_change(&model->world, CHANGE_MERGE, collection, id, body);
    } else {
        unsigned owner = model_chance(model, USERS + 1), group = model_chance(model, GROUPS + 1);
        quoted_print(body, sizeof body, "{'o':'%s','g':'%s','gr':%s,'ar':%s,'out':%s,'n':%u,'x':'%0*u'}",
                     owner < USERS ? user_names[owner] : "", group < GROUPS ? group_names[group] : "",
                     model_chance(model, 2) ? "true" : "false", model_chance(model, 5) ? "false" : "true",
                     model_chance(model, 6) ? "false" : "true", model_chance(model, 1000000),
                     (int)(1 + model_chance(model, 2000)), 0);
        (void)world_change(&model->world, CHANGE_REPLACE, collection, id, body);
    }
}

static void store_group(struct model *model, unsigned group)
{
    char body[128];
    quoted_print(body, sizeof body, "{'permissions':{'p':%s,'q':%s}}", model->p[group] ? "true" : "false",
                 model->q[group] ? "true" : "false");
    if (model->exists[group])
        (void)world_change(&model->world, CHANGE_REPLACE, "groups", group_names[group], body);
    else
        (void)world_change(&model->world, CHANGE_REMOVE, "groups", group_names[group], "");
}

static void store_user(struct model *model, unsigned user)
{
    struct buffer body = {0};
    buffer_append_text(&body, Q("{'groups':['unknown'"));
    for (unsigned group = 0; group < GROUPS; group++)
        if (model->member[user][group])
            quoted_append(&body, ",'%s'", group_names[group]);
    if (model->administrator[user])
        buffer_append_text(&body, Q(",'administrator'"));
    buffer_append_text(&body, "]}");
    buffer_append_byte(&body, 0);
    (void)world_change(&model->world, CHANGE_MERGE, "users", user_names[user], body.data);
    buffer_free(&body);
}

static void change_rights(struct model *model)
{
    unsigned user = model_chance(model, USERS), group = model_chance(model, GROUPS);
    switch (model_chance(model, 6)) {
    case 0:
        model->exists[group] = !model->exists[group];
        store_group(model, group);
        return;
    case 1:
        model->p[group] = !model->p[group];
        store_group(model, group);
        return;
    case 2:
        model->q[group] = !model->q[group];
        store_group(model, group);
        return;
    case 3:
        model->administrator[user] = model_chance(model, 4) == 0;
        store_user(model, user);
        return;
    default:
        model->member[user][group] = !model->member[user][group];
        store_user(model, user);
        return;
    }
}

void model_change(struct model *model, unsigned rights_of_ten)
{
    if (model_chance(model, 10) < rights_of_ten)
        change_rights(model);
    else
        change_document(model);
    note_seen(model);
}

/* ---- checks ---- */

static void check_collection(struct model *model, unsigned user, unsigned collection)
{
    struct store *store = model->world.fixture.store;
    const struct client *client = &model->client[user];
    struct store_scan scan;
    struct slice id;
    struct store_record record;
    size_t expected = 0, held_count = 0;
    assert_int_equal(store_begin(store), ERROR_NONE);
    store_scan_start(&scan, fixture_collection(&model->world.fixture, names[collection]), (struct slice){0},
                     (struct slice){0});
    store_scan_resume(store, &scan);
    while (store_scan_step(&scan, &id, &record) == STORE_STEP) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)id.length, id.data);
        const char *held = client_holds(client, names[collection], text);
        if (!may_hold(model, user, collection, record.tag)) {
            if (held)
                fail_msg("%s still holds %s of %s", user_names[user], text, names[collection]);
            continue;
        }
        expected++;
        if (!held)
            fail_msg("%s lacks %s of %s", user_names[user], text, names[collection]);
        if (!slice_equal(slice_text(held), record.minimal))
            fail_msg("%s holds another version of %s of %s", user_names[user], text, names[collection]);
    }
    store_scan_free(&scan);
    store_end(store);
    for (size_t i = 0; i < client->held_count; i++)
        held_count += strcmp(client->held[i].collection, names[collection]) == 0;
    assert_int_equal(held_count, expected);
}

/* ---- clients ---- */

static void read_place(struct model *model, unsigned user)
{
    struct json json = {0};
    int64_t epoch, seq;
    const char *answer = model->client[user].answer;
    assert_true(json_parse(&json, answer, strlen(answer)));
    assert_true(json_integer(json_member(json_root(&json), SLICE("epoch")), &epoch));
    assert_true(json_integer(json_member(json_root(&json), SLICE("seq")), &seq));
    model->epoch = (uint64_t)epoch;
    model->seq[user] = (uint64_t)seq;
    json_free(&json);
}

static void synchronise(struct model *model, unsigned user)
{
    struct buffer data = {0};
    buffer_append_text(&data, Q("{'manifests':{"));
    bool first = true;
    for (unsigned i = 0; i < 3; i++) {
        if (!may_see_collection(model, user, i)) { /* its sync would be refused */
            client_drop(&model->client[user], names[i]);
            continue;
        }
        quoted_append(&data, "%s'%s':", first ? "" : ",", names[i]);
        client_manifest(&model->client[user], names[i], &data);
        first = false;
    }
    buffer_append_text(&data, "}}");
    buffer_append_byte(&data, 0);
    (void)client_call(&model->client[user], "dispatcher", "sync", data.data);
    buffer_free(&data);
    read_place(model, user);
}

/* With the last number it has seen. */
static void come_back(struct model *model, unsigned user)
{
    char data[96];
    struct client *client = &model->client[user];
    uint64_t seq = client->seq > model->seq[user] ? client->seq : model->seq[user];
    client_reopen(client, model->token[user]);
    quoted_print(data, sizeof data, "{'epoch':%llu,'seq':%llu}", (unsigned long long)model->epoch,
                 (unsigned long long)seq);
    const char *answer = client_call(client, "dispatcher", "resume", data);
    if (strstr(answer, "resync_required")) {
        model->resyncs++;
        synchronise(model, user);
    } else {
        read_place(model, user);
    }
}

void model_stay_away(struct model *model, unsigned user)
{
    for (unsigned i = model_chance(model, 30); i > 0; i--)
        model_change(model, 3);
    come_back(model, user);
}

static void settle(struct model *model, unsigned user)
{
    struct client *client = &model->client[user];
    client_settle(client);
    if (client->close_code) { /* an answer that claimed too much was under way */
        assert_int_equal(client->close_code, 1013);
        model->cuts++;
        come_back(model, user);
        client_settle(client);
    }
    buffer_append_byte(&client->seen, 0);
    bool resync = strstr(client->seen.data, "resync") != NULL;
    buffer_clear(&client->seen);
    if (!resync)
        return;
    model->resyncs++;
    synchronise(model, user);
    client_settle(client);
}

void model_open(struct model *model, uint64_t seed, uint64_t ring_bytes)
{
    const char *other = getenv("DISPATCHD_TEST_SEED");
    memset(model, 0, sizeof *model);
    model->random = seed + (other ? strtoul(other, NULL, 10) : 0);
    world_open(&model->world, collections, ring_bytes, 64 * 1024);
    for (unsigned i = 0; i < GROUPS; i++) {
        model->exists[i] = true;
        store_group(model, i);
    }
    for (unsigned user = 0; user < USERS; user++)
        world_add_user(&model->world, user_names[user], "[]", model->token[user]);
    for (unsigned i = 0; i < DOCUMENTS * 4; i++)
        model_change(model, 0);
    for (unsigned user = 0; user < USERS; user++) {
        client_open(&model->client[user], &model->world, model->token[user]);
        model->client[user].took = check_document;
        model->client[user].took_argument = model;
        synchronise(model, user);
    }
}

void model_close(struct model *model)
{
    for (unsigned user = 0; user < USERS; user++)
        client_close(&model->client[user]);
    world_close(&model->world);
}

void model_go_on(struct model *model, unsigned steps, unsigned rights_of_ten)
{
    for (unsigned i = 0; i < steps; i++) {
        model_change(model, rights_of_ten);
        if (model_chance(model, 3) == 0)
            world_pass(&model->world);
        if (model_chance(model, 3) == 0)
            client_read(&model->client[model_chance(model, USERS)], 1 + model_chance(model, 20000));
    }
}

void model_begin_sync(struct model *model, unsigned user)
{
    struct buffer message = {0};
    unsigned collection = model_chance(model, 3);
    quoted_append(&message, "{'tid':'s%u','collectionName':'%s','methodName':'sync','data':",
                  model_chance(model, 1000000), names[collection]);
    client_manifest(&model->client[user], names[collection], &message);
    buffer_append_text(&message, "}");
    buffer_append_byte(&message, 0);
    client_send(&model->client[user], message.data);
    buffer_free(&message);
}

void model_settle_and_check(struct model *model)
{
    for (unsigned user = 0; user < USERS; user++) {
        settle(model, user);
        for (unsigned i = 0; i < 3; i++)
            check_collection(model, user, i);
        check_strays(model, user);
    }
}
