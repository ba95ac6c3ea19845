#include "client/ctl/parts.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/table.h"

enum { PAGE = 500 };

int ctl_run_part(const struct ctl *ctl, const struct ctl_command *command,
                 const struct ctl_part *const *parts, size_t count, int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < count; i++)
        if (strcmp(argv[1], parts[i]->name) == 0)
            return parts[i]->run(ctl, argc - 1, argv + 1);
    return ctl_usage(command);
}

bool ctl_name(const char *name)
{
    if (json_utf8_valid(name, strlen(name)))
        return true;
    ctl_fail("the name is not UTF-8");
    return false;
}

const char *ctl_only_name(const struct ctl_command *command, int argc, char **argv)
{
    static const struct option none[] = {{0}};
    if (getopt_long(argc, argv, "", none, NULL) != -1 || argc - optind != 1) {
        ctl_usage(command);
        return NULL;
    }
    return ctl_name(argv[optind]) ? argv[optind] : NULL;
}

bool ctl_json_option(const struct ctl_command *command, int argc, char **argv, bool *as_json)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    int option;
    *as_json = false;
    while ((option = getopt_long(argc, argv, "", options, NULL)) == 'j')
        *as_json = true;
    if (option == -1 && optind == argc)
        return true;
    ctl_usage(command);
    return false;
}

void ctl_say_taken_over(struct json_value answer)
{
    struct buffer scratch = {0};
    bool took_over;
    if (json_type(answer) == JSON_OBJECT &&
        json_boolean(json_member(answer, SLICE("took_over")), &took_over) && took_over) {
        struct slice name = json_string(json_member(answer, SLICE("_id")), &scratch);
        printf("%.*s: the name was used before; documents that name it now belong to this one\n",
               (int)name.length, name.data);
    }
    buffer_free(&scratch);
}

int ctl_call(const struct ctl *ctl, const char *collection, const char *method, struct slice data,
             int timeout_ms)
{
    struct client client;
    struct client_reply reply;
    int status = 1;
    if (ctl_connect_quiet(ctl, &client)) {
        bool done = client_call(&client, collection, method, data, &reply, timeout_ms);
        status = done ? 0 : ctl_call_failed(ctl, &client);
        if (done)
            ctl_say_taken_over(reply.data);
    }
    client_close(&client);
    return status;
}

/* Documents after @after (a JSON string; empty: from the first). */
static void compose_page(struct buffer *data, const struct buffer *after)
{
    buffer_clear(data);
    buffer_append_format(data, "{\"limit\":%d", PAGE);
    if (after->length) {
        buffer_append_text(data, ",\"query\":{\"_id\":{\"$gt\":");
        buffer_append_slice(data, buffer_slice(after));
        buffer_append_text(data, "}}");
    }
    buffer_append_byte(data, '}');
}

static bool take_page(struct json_value answer, struct buffer *after,
                      void (*each)(void *argument, struct json_value document), void *argument)
{
    bool more = false, some = false;
    struct json_iterator documents = json_begin(json_member(answer, SLICE("documents")));
    while (json_step(&documents)) {
        each(argument, documents.value);
        buffer_clear(after);
        buffer_append_slice(after, json_text(json_member(documents.value, SLICE("_id"))));
        some = true;
    }
    return some && json_boolean(json_member(answer, SLICE("more")), &more) && more;
}

/* Calls @each with every document of a collection, in the order of ids. Returns the exit status. */
static int each_document(const struct ctl *ctl, const char *collection,
                         void (*each)(void *argument, struct json_value document), void *argument)
{
    struct client client;
    struct client_reply reply;
    struct buffer data = {0}, after = {0};
    int status = ctl_connect_quiet(ctl, &client) ? 0 : 1;
    bool more = status == 0;
    while (more) {
        compose_page(&data, &after);
        if (client_call(&client, collection, "find", buffer_slice(&data), &reply, CTL_TIMEOUT_MS)) {
            more = take_page(reply.data, &after, each, argument);
        } else {
            status = ctl_call_failed(ctl, &client);
            more = false;
        }
    }
    client_close(&client);
    buffer_free(&data);
    buffer_free(&after);
    return status;
}

void ctl_print_line(void *argument, struct json_value document)
{
    (void)argument;
    ctl_print(json_text(document));
    ctl_print(SLICE("\n"));
}

static int print_part_table(const struct ctl *ctl, const struct ctl_listing *listing)
{
    struct table table = {.columns = listing->columns};
    struct buffer out = {0};
    for (size_t i = 0; i < listing->columns; i++)
        table_add(&table, slice_text(listing->heads[i]));
    int status = each_document(ctl, listing->collection, listing->add_row, &table);
    if (status == 0) {
        table_append(&table, &out);
        ctl_print(buffer_slice(&out));
    }
    table_free(&table);
    buffer_free(&out);
    return status;
}

int ctl_list(const struct ctl *ctl, const struct ctl_command *command, const struct ctl_listing *listing,
             int argc, char **argv)
{
    bool as_json;
    if (!ctl_json_option(command, argc, argv, &as_json))
        return 1;
    return as_json ? each_document(ctl, listing->collection, ctl_print_line, NULL)
                   : print_part_table(ctl, listing);
}
