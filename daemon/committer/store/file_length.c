#include "daemon/committer/store/file_length.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"

/** How many of the pages from @first on are on LMDB's list of free ones. False: the list cannot be read. */
static bool free_pages_from(struct store *store, size_t first, size_t *pages)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    *pages = 0;
    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn))
        return false;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc) {
        mdb_txn_abort(txn);
        return false;
    }
    MDB_val key, value;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
        for (size_t at = sizeof(size_t); at + sizeof(size_t) <= value.mv_size; at += sizeof(size_t)) {
            size_t page, count;
            memcpy(&count, value.mv_data, sizeof count);
            memcpy(&page, (char *)value.mv_data + at, sizeof page);
            *pages += at / sizeof(size_t) <= count && page >= first;
        }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND;
}

bool file_length_check(struct store *store, char message[STORE_MESSAGE])
{
    MDB_envinfo info;
    MDB_stat status;
    struct stat file;
    int fd;
    if (mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &status) ||
        mdb_env_get_fd(store->env, &fd) || fstat(fd, &file) < 0)
        return true;
    size_t there = (size_t)file.st_size / status.ms_psize, wanted = info.me_last_pgno + 1, unwritten;
    if (there >= wanted)
        return true;
    /* Made long enough to look at the list of free pages, which may itself be in the part that is gone. */
    if (ftruncate(fd, (off_t)(wanted * status.ms_psize)) < 0) {
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: cannot be made longer: %m", store->config->data);
        return false;
    }
    if (free_pages_from(store, there, &unwritten) && unwritten == wanted - there)
        return true;
    if (ftruncate(fd, file.st_size) < 0)
        log_warning("store: %s/data.mdb: cannot be given back its length: %m", store->config->data);
    snprintf(message, STORE_MESSAGE,
             "%s/data.mdb: is cut short: it has %zu of %zu pages; restore it from a copy",
             store->config->data, there, wanted);
    return false;
}
