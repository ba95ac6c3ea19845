#ifndef WORKER_RPC_PARAMS_H
#define WORKER_RPC_PARAMS_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/*
 * The data of a call, key by key. Each function returns false when it has answered the call with `invalid`
 * (the message names the key and what was expected): the method then just returns.
 */

/** @data is an object with no other keys than these (@count C strings). */
[[gnu::warn_unused_result]] bool params_object_of(struct transaction *transaction, struct json_value data,
                                                  const char *const *keys, size_t count);

/** The same for an array @keys. */
#define params_object(transaction, data, keys)                                                               \
    params_object_of(transaction, data, keys, sizeof(keys) / sizeof *(keys))

/** No data, null, or an object without members. */
[[gnu::warn_unused_result]] bool params_none(struct transaction *transaction, struct json_value data);

/** A document's id: a string of 1 to 256 bytes without control characters. Unescaped into @scratch if need
 * be. */
[[gnu::warn_unused_result]] bool params_id(struct transaction *transaction, struct json_value value,
                                           const char *key, struct buffer *scratch, struct slice *out);

/** The same, of element @index of a list: transaction_fail_at(). */
[[gnu::warn_unused_result]] bool params_id_at(struct transaction *transaction, int64_t index,
                                              struct json_value value, const char *key,
                                              struct buffer *scratch, struct slice *out);

/** A string of @least to @most bytes. */
[[gnu::warn_unused_result]] bool params_text(struct transaction *transaction, struct json_value value,
                                             const char *key, size_t least, size_t most,
                                             struct buffer *scratch, struct slice *out);

/** An integer of @least to @most; @fallback when absent. */
[[gnu::warn_unused_result]] bool params_integer(struct transaction *transaction, struct json_value value,
                                                const char *key, int64_t least, int64_t most,
                                                int64_t fallback, int64_t *out);

/** A boolean; @fallback when absent. */
[[gnu::warn_unused_result]] bool params_boolean(struct transaction *transaction, struct json_value value,
                                                const char *key, bool fallback, bool *out);

/** Whether @id may be the id of a document. */
bool params_id_valid(struct slice id);

#endif
