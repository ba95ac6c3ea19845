#include "shared/store/history.h"

#include <stdio.h>

#include "shared/base/buffer.h"
#include "shared/store/bytes.h"

/** The list as it is stored; empty when there is none. An error of LMDB. */
static int runs_read(struct store *store, MDB_txn *txn, struct slice *runs)
{
    MDB_val key = store_val(SLICE("runs")), value;
    *runs = (struct slice){0};
    int rc = mdb_get(txn, store->meta, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (value.mv_size % RUN_BYTES)
        return MDB_CORRUPTED;
    *runs = store_slice(value);
    return 0;
}

static uint64_t run_epoch(struct slice runs, size_t number)
{
    return bytes_get_64(runs.data + number * RUN_BYTES);
}

static uint64_t run_first(struct slice runs, size_t number)
{
    return bytes_get_64(runs.data + number * RUN_BYTES + 8);
}

int history_end(struct store *store, MDB_txn *txn)
{
    MDB_val key = store_val(SLICE("runs"));
    int rc = mdb_del(txn, store->meta, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** Puts a run behind those there are; the oldest is forgotten when there are too many. */
static int run_add(struct store *store, MDB_txn *txn, struct store_state *state, uint64_t epoch)
{
    struct slice runs;
    struct buffer list = {0};
    char run[RUN_BYTES];
    int rc = runs_read(store, txn, &runs);
    if (rc)
        return rc;
    if (runs.length >= (size_t)RUNS_MOST * RUN_BYTES)
        runs = slice_of(runs.data + runs.length - (size_t)(RUNS_MOST - 1) * RUN_BYTES,
                        (size_t)(RUNS_MOST - 1) * RUN_BYTES);
    buffer_append_slice(&list, runs);
    bytes_put_64(run, epoch);
    bytes_put_64(run + 8, state->seq);
    buffer_append(&list, run, sizeof run);
    MDB_val key = store_val(SLICE("runs")), value = store_val(buffer_slice(&list));
    rc = mdb_put(txn, store->meta, &key, &value, 0);
    buffer_free(&list);
    state->epoch = epoch;
    return rc ? rc : store_state_write(store, txn, state);
}

bool history_enter(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    const struct store_run *run = store->run;
    struct store_state state;
    if (!store_state_read(store, txn, &state)) {
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: is damaged: it has no state", store->config->data);
        return false;
    }
    if (run->goes_on && (state.epoch != run->epoch || state.seq < run->seq)) {
        snprintf(message, STORE_MESSAGE,
                 "%s: is not the store that this server was started with: stop it, and start it again",
                 store->config->data);
        return false;
    }
    if (run->goes_on)
        return true;
    int rc = run->new_history ? history_end(store, txn) : 0;
    if (!rc)
        rc = run_add(store, txn, &state, run->epoch);
    if (rc)
        snprintf(message, STORE_MESSAGE, "%s: the run cannot be noted in the store: %s", store->config->data,
                 rc == MDB_MAP_FULL ? "the store is full; give a larger map_bytes" : mdb_strerror(rc));
    return !rc;
}

enum error_code store_history_holds(struct store *store, uint64_t epoch, uint64_t seq, bool *holds)
{
    struct slice runs;
    *holds = false;
    int rc = runs_read(store, store->snapshot, &runs);
    if (rc)
        return store_error("the runs cannot be read", rc);
    size_t count = runs.length / RUN_BYTES;
    for (size_t i = count; i-- > 0;)
        if (run_epoch(runs, i) == epoch) {
            uint64_t end = i + 1 < count ? run_first(runs, i + 1) : store_seq(store);
            *holds = seq <= end;
            break;
        }
    return ERROR_NONE;
}
