#include "daemon/committer/store/write_open.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/committer/store/databases_write.h"
#include "daemon/committer/store/file_length.h"
#include "daemon/committer/store/writer.h"

static bool make_directory(const struct config *config, char message[STORE_MESSAGE])
{
    if (mkdir(config->data, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(message, STORE_MESSAGE, "%s: the data directory cannot be made: %m", config->data);
    return false;
}

static struct store *open_environment(const struct config *config, char message[STORE_MESSAGE])
{
    if (!make_directory(config, message) || !store_directory_check(config, R_OK | W_OK | X_OK, message))
        return NULL;
    /* Relaxed leaves out the second of the two syncs of a commit: after a power failure the last commits may
     * be gone, but the file is whole. MDB_NOSYNC would be faster and could leave a file that nothing can
     * read. */
    unsigned flags = config->durability == DURABILITY_RELAXED ? MDB_NOMETASYNC : 0;
    struct store *store = store_environment_open(config, flags, message);
    int rc = store ? room_open(store) : 0;
    if (rc) {
        store_environment_explain(config, rc, message);
        store_close(&store);
    }
    return store;
}

struct writer *store_write_open(const struct config *config, const struct store_run *run,
                                char message[STORE_MESSAGE])
{
    message[0] = '\0';
    struct store *store = open_environment(config, message);
    if (!store)
        return NULL;
    store_check_readers(store);
    if (!file_length_check(store, message) || !databases_prepare(store, run, message)) {
        store_close(&store);
        return NULL;
    }
    return writer_new(store);
}

void store_write_close(struct writer **writer)
{
    if (!*writer)
        return;
    struct store *store = (*writer)->store;
    writer_free(*writer);
    store_close(&store);
    *writer = NULL;
}
