#include "daemon/committer/store/state_write.h"

#include "shared/store/bytes.h"

int state_write(struct store *store, MDB_txn *txn, const struct store_state *state)
{
    char bytes[STORE_STATE_BYTES];
    bytes_put_64(bytes, state->epoch);
    bytes_put_64(bytes + 8, state->seq);
    bytes_put_64(bytes + 16, state->horizon);
    bytes_put_64(bytes + 24, state->rights_seq);
    MDB_val key = store_val(SLICE("state")), value = {sizeof bytes, bytes};
    return mdb_put(txn, store->meta, &key, &value, 0);
}
