#ifndef SHARED_STORE_INDEX_H
#define SHARED_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "shared/json/json.h"

struct store_index;

/** Values of index keys, in byte order, each once. All zero is empty; memory is reused; index_keys_free() at
 * the end. */
struct index_keys {
    struct buffer bytes;
    struct slice *items; /* into ->bytes */
    size_t count, capacity;
};

/** Sets @list to the values under which the document @root stands in @index. */
void index_keys_of(struct index_keys *list, const struct store_index *index, struct json_value root);
void index_keys_free(struct index_keys *list);

/** Whether the only value is KEY_MANY. */
bool index_keys_are_many(const struct index_keys *list);

#endif
