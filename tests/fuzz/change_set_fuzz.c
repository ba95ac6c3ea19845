/*
 * Any bytes as a change set. What is read from them lies within them and can be written again; and the store,
 * which takes sets from other processes, applies or refuses them, in a transaction that is then thrown away.
 */

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/write.h"
#include "daemon/committer/store/write_open.h"
#include "shared/base/memory.h"
#include "shared/store/change_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static char directory[] = "/tmp/dispatchd-fuzz-XXXXXX";
static struct config *config;
static struct writer *writer;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void clean_up(void)
{
    store_write_close(&writer);
    config_free(config);
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *collection, const char *id, const char *body)
{
    struct buffer set = {0};
    struct apply_result result;
    struct change change = {.operation = CHANGE_INSERT,
                            .version = CHANGE_ANY_VERSION,
                            .collection = slice_text(collection),
                            .id = slice_text(id),
                            .body = slice_text(body)};
    change_set_begin(&set, CHANGE_UNBOUNDED, ANSWER_IDS, (struct slice){0});
    change_set_add(&set, &change);
    require(store_write_begin(writer) == ERROR_NONE);
    require(change_set_apply(writer, buffer_slice(&set), 1, &result) == ERROR_NONE);
    require(store_write_commit(writer) == ERROR_NONE);
    buffer_free(&set);
}

#define COLLECTIONS                                                                                          \
    "\"c\": {\"projector\": [\"n\"], \"unique\": [\"n\"], \"index\": [\"t\"], "                              \
    "\"sync_filter\": {\"x\": {\"$ne\": true}}}, \"r\": {\"rights\": {\"owner\": \"o\", \"group\": \"g\", "  \
    "\"group_read\": \"r\", \"group_write\": \"w\", \"all_read\": \"R\", \"all_write\": \"W\"}}"

static void open_store(const char *text)
{
    char message[STORE_MESSAGE > CONFIG_MESSAGE ? STORE_MESSAGE : CONFIG_MESSAGE];
    store_write_close(&writer);
    config_free(config);
    config = config_defaults();
    require(config_read_text(config, "fuzz", text, strlen(text), message));
    free(config->data);
    config->data = memory_copy(directory, strlen(directory));
    config->map_bytes = UINT64_C(1) << 28;
    writer = store_write_open(config, NULL, message);
    require(writer != NULL);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count, (void)arguments;
    require(mkdtemp(directory) != NULL);
    atexit(clean_up);
    open_store("{\"collections\": {" COLLECTIONS ", \"gone\": {\"index\": [\"n\"]}}}");
    put("c", "a", "{\"n\":1,\"t\":[\"u\",\"v\"]}");
    put("c", "b", "{\"n\":2,\"x\":true}");
    put("r", "a", "{\"o\":\"u\",\"g\":\"g\",\"r\":true,\"w\":true}");
    put("r", "b", "{\"o\":\"v\",\"R\":true}");
    put("gone", "a", "{\"n\":1}");
    open_store("{\"collections\": {" COLLECTIONS "}}");
    return 0;
}

static void check_within(struct slice part, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;
    require(!part.length || (part.data >= start && part.data + part.length <= start + size));
}

/* What was read, written and read again, is the same. */
static void check_again(const struct change *change)
{
    struct buffer out = {0};
    struct change_set set;
    struct change again;
    struct change alone = *change; /* it has its body itself then */
    alone.flags &= ~(unsigned)CHANGE_SAME_BODY;
    change_set_begin(&out, CHANGE_UNBOUNDED, ANSWER_LIST, (struct slice){0});
    change_set_add(&out, &alone);
    require(change_set_open(&set, buffer_slice(&out)));
    require(change_set_next(&set, &again) == 1);
    require(again.operation == change->operation && again.flags == alone.flags &&
            again.version == change->version && slice_equal(again.collection, change->collection) &&
            slice_equal(again.id, change->id) && slice_equal(again.body, change->body));
    require(change_set_next(&set, &again) == 0);
    buffer_free(&out);
}

/* The session and the permissions of an actor are all of its body. */
static void check_actor(const struct change *change, const uint8_t *data, size_t size)
{
    if (change->operation != CHANGE_ACTOR)
        return;
    struct slice rest = change->body, part;
    require(change_actor_session(&rest, &part));
    check_within(part, data, size);
    while (change_actor_permission(&rest, &part))
        check_within(part, data, size);
    require(rest.length == 0);
}

static void apply(struct slice bytes)
{
    struct apply_result result = {0};
    require(store_write_begin(writer) == ERROR_NONE);
    enum error_code code = change_set_apply(writer, bytes, 1, &result);
    require(code == result.code);
    require(code == ERROR_NONE ? result.answer.data != NULL
                               : memchr(result.message, 0, sizeof result.message) != NULL);
    store_write_abort(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct change_set set;
    struct change change;
    if (change_set_open(&set, bytes)) {
        int result;
        check_within(set.literal, data, size);
        while ((result = change_set_next(&set, &change)) == 1) {
            check_within(change.collection, data, size);
            check_within(change.id, data, size);
            check_within(change.body, data, size);
            check_again(&change);
            check_actor(&change, data, size);
        }
        require(result == 0 || result == -1);
    }
    apply(bytes);
    return 0;
}
