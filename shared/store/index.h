#ifndef SHARED_STORE_INDEX_H
#define SHARED_STORE_INDEX_H

#include "shared/store/environment.h"

/** Values of index keys, in byte order, each once. All zero is empty; memory is reused; key_list_free() at
 * the end. */
struct key_list {
    struct buffer bytes;
    struct slice *items; /* into ->bytes */
    size_t count, capacity;
};

/** Sets @list to the values under which the document @root stands in @index. */
void index_keys_of(struct key_list *list, const struct store_index *index, struct json_value root);
void key_list_free(struct key_list *list);

/** Whether the only value is KEY_MANY. */
bool key_list_is_many(const struct key_list *list);

[[gnu::warn_unused_result]] int index_put(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id);
[[gnu::warn_unused_result]] int index_remove(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id);

/** The first document that holds @value (as a scalar or in an array) in a unique index, other than @self.
 *  0, MDB_NOTFOUND or another error; @holder points into the map. */
[[gnu::warn_unused_result]] int index_holder(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice self,
                                             struct slice *holder);

#endif
