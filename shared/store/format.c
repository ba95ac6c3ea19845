#include "shared/store/format.h"

#include <stdio.h>

#include "shared/store/bytes.h"

int format_read(struct store *store, MDB_txn *txn, uint32_t *format)
{
    MDB_val key = store_val(SLICE("format")), value;
    int rc = mdb_get(txn, store->meta, &key, &value);
    *format = !rc && value.mv_size == 4 ? bytes_get_32(value.mv_data) : 0;
    return rc;
}

bool format_is_known(const struct store *store, uint32_t format, char message[STORE_MESSAGE])
{
    if (format >= 1 && format < STORE_FORMAT)
        snprintf(message, STORE_MESSAGE,
                 "%s: the store has format %u, which a start of dispatchd brings up to date",
                 store->config->data, (unsigned)format);
    else if (format > STORE_FORMAT)
        snprintf(message, STORE_MESSAGE,
                 "%s: the store has format %u and was written by a newer dispatchd; this one knows format %d",
                 store->config->data, (unsigned)format, STORE_FORMAT);
    else if (format != STORE_FORMAT)
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: is not a store of dispatchd, or is damaged",
                 store->config->data);
    return format == STORE_FORMAT;
}
