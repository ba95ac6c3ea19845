#include "worker/rpc/params.h"

#include <inttypes.h>

#include "shared/store/store.h"

bool params_object_of(struct transaction *transaction, struct json_value data, const char *const *keys,
                      size_t count)
{
    if (json_type(data) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "data: expected an object, found %s",
                         json_type_name(json_type(data)));
        return false;
    }
    struct json_iterator each = json_begin(data);
    while (json_step(&each)) {
        size_t i = 0;
        while (i < count && !json_string_is(each.key, slice_text(keys[i])))
            i++;
        if (i == count) {
            struct slice key = json_text(each.key);
            transaction_fail(transaction, ERROR_INVALID, "data: unknown key %.*s", (int)key.length, key.data);
            return false;
        }
    }
    return true;
}

bool params_none(struct transaction *transaction, struct json_value data)
{
    return json_type(data) <= JSON_NULL || params_object_of(transaction, data, NULL, 0);
}

bool params_id_valid(struct slice id)
{
    if (id.length == 0 || id.length > STORE_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.length; i++)
        if ((unsigned char)id.data[i] < 0x20 || id.data[i] == 0x7f)
            return false;
    return true;
}

bool params_id_at(struct transaction *transaction, int64_t index, struct json_value value, const char *key,
                  struct buffer *scratch, struct slice *out)
{
    *out = json_string(value, scratch);
    if (out->data && params_id_valid(*out))
        return true;
    transaction_fail_at(transaction, index, ERROR_INVALID,
                        "%s: expected a string of 1 to %d bytes without control characters, found %s", key,
                        STORE_ID_BYTES, out->data ? "another" : json_type_name(json_type(value)));
    return false;
}

bool params_id(struct transaction *transaction, struct json_value value, const char *key,
               struct buffer *scratch, struct slice *out)
{
    return params_id_at(transaction, NOT_LISTED, value, key, scratch, out);
}

bool params_text(struct transaction *transaction, struct json_value value, const char *key, size_t least,
                 size_t most, struct buffer *scratch, struct slice *out)
{
    *out = json_string(value, scratch);
    if (out->data && out->length >= least && out->length <= most)
        return true;
    transaction_fail(transaction, ERROR_INVALID, "%s: expected a string of %zu to %zu bytes, found %s", key,
                     least, most, out->data ? "another" : json_type_name(json_type(value)));
    return false;
}

bool params_integer(struct transaction *transaction, struct json_value value, const char *key, int64_t least,
                    int64_t most, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (json_type(value) == JSON_NONE)
        return true;
    if (json_integer(value, out) && *out >= least && *out <= most)
        return true;
    transaction_fail(transaction, ERROR_INVALID,
                     "%s: expected an integer of %" PRId64 " to %" PRId64 ", found %s", key, least, most,
                     json_type(value) == JSON_NUMBER ? "another number" : json_type_name(json_type(value)));
    return false;
}

bool params_boolean(struct transaction *transaction, struct json_value value, const char *key, bool fallback,
                    bool *out)
{
    *out = fallback;
    if (json_type(value) == JSON_NONE || json_boolean(value, out))
        return true;
    transaction_fail(transaction, ERROR_INVALID, "%s: expected true or false, found %s", key,
                     json_type_name(json_type(value)));
    return false;
}
