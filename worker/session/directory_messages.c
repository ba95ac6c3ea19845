#include "worker/session/directory_messages.h"

#include <time.h>

#include "shared/ipc/change_frame.h"
#include "shared/json/json.h"
#include "worker/base/work.h"

enum {
    MESSAGE_BYTES = 32 * 1024, /* of one message, about */
    PLACES_MOST = 16384,       /* of the table that are looked at in one go */
    PLACES_A_UNIT = 8,
};

/* The years that RFC 3339 can name. */
#define FIRST_MS (INT64_C(-62167219200) * 1000)
#define LAST_MS (INT64_C(253402300799) * 1000)

/* RFC 3339 section 5.6, UTC. */
static void append_time(struct buffer *out, int64_t time_ms)
{
    if (time_ms < FIRST_MS)
        time_ms = FIRST_MS;
    if (time_ms > LAST_MS)
        time_ms = LAST_MS;
    int64_t rest_ms = (time_ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((time_ms - rest_ms) / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    buffer_append_format(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", parts.tm_year + 1900,
                         parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                         (int)rest_ms);
}

static void append_file(struct buffer *list, const struct file *file)
{
    if (list->length)
        buffer_append_byte(list, ',');
    if (file->gone) {
        json_append_string(list, file->name);
        return;
    }
    buffer_append_slice(list, SLICE("{\"_id\":"));
    json_append_string(list, file->name);
    buffer_append_slice(list, SLICE(",\"size\":"));
    buffer_append_unsigned(list, file->size);
    buffer_append_slice(list, SLICE(",\"modified\":"));
    append_time(list, file->modified_ms);
    buffer_append_byte(list, '}');
}

static void finish_message(struct directory *directory, struct buffer *list, bool removes, bool sync)
{
    struct slice name = slice_text(directory->declared->name);
    const char *operation = removes ? "remove" : "update";
    if (list->length && sync)
        change_frame_sync(&directory->made.frames, operation, name, buffer_slice(list));
    else if (list->length)
        change_frame_event(&directory->made.frames, operation, name, buffer_slice(list));
    buffer_clear(list);
}

uint64_t directory_messages_make(struct directory *directory, uint64_t from, uint64_t began, bool sync)
{
    const struct file_table *table = directory->table;
    struct work *work = &directory->worker->work;
    uint64_t last = file_table_last(table), passed = 0, to = from;
    if (began <= from)
        began = 0; /* of all who have got beyond that the same is true */
    if (directory->made.frames.data && directory->made.from == from && directory->made.last == last &&
        directory->made.began == began && directory->made.sync == sync)
        return directory->made.to;
    struct buffer list = {0};
    struct file_walk walk = file_table_walk(table, from);
    const struct file *file = NULL;
    bool removes = false;
    buffer_clear(&directory->made.frames);
    buffer_reserve(&directory->made.frames, MESSAGE_BYTES / 8);
    while (list.length + directory->made.frames.length < MESSAGE_BYTES && passed < PLACES_MOST &&
           (file = file_table_next(&walk, &passed))) {
        to = file->stamp;
        if (file->gone && !file_was_told(file, from, began))
            continue;
        if (file->gone != removes)
            finish_message(directory, &list, removes, sync);
        removes = file->gone;
        append_file(&list, file);
        work_charge(work, WORK_DOCUMENT);
    }
    finish_message(directory, &list, removes, sync);
    buffer_free(&list);
    work_charge(work, passed / PLACES_A_UNIT + 2 * work_bytes(directory->made.frames.length));
    directory->made.from = from;
    directory->made.to = file ? to : last;
    directory->made.last = last;
    directory->made.began = began;
    directory->made.sync = sync;
    return directory->made.to;
}
