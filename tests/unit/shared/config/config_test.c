/* What a good configuration comes to: defaults, options by file, collections, and the checks across
 * options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/config/config.h"
#include "shared/config/option_table.h"
#include "tests/unit/quoted.h"

static struct config *read_text(const char *text)
{
    char message[CONFIG_MESSAGE] = "";
    struct config *config = config_defaults();
    if (!config_read_text(config, "f", text, strlen(text), message))
        fail_msg("%s", message);
    return config;
}

static const struct config_collection *find(const struct config *config, const char *name)
{
    const struct config_collection *collection = config_collection(config, slice_text(name));
    assert_non_null(collection);
    return collection;
}

static void test_defaults(void **state)
{
    (void)state;
    char message[CONFIG_MESSAGE] = "";
    struct config *config = config_defaults();
    assert_int_equal(config->listen_count, 1);
    assert_string_equal(config->listen[0], "127.0.0.1:9950");
    assert_string_equal(config->data, "/var/lib/dispatchd");
    assert_string_equal(config->control, "");
    assert_null(config->user);
    assert_null(config->file);
    assert_int_equal(config->control_mode, 0600);
    assert_int_equal(config->map_bytes, UINT64_C(64) << 30);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->durability, DURABILITY_FULL);
    assert_int_equal(config->limits.message_bytes, 1 << 20);
    assert_int_equal(config->limits.handshake_ms, 10000);
    if (!config_check(config, message))
        fail_msg("%s", message);
    assert_string_equal(config->control, "/var/lib/dispatchd/control");
    config_free(config);
}

static void test_builtins(void **state)
{
    (void)state;
    static const char *const names[COLLECTION_BUILTIN] = {
        [COLLECTION_USERS] = "users",       [COLLECTION_GROUPS] = "groups",
        [COLLECTION_SETTINGS] = "settings", [COLLECTION_CREDENTIALS] = "credentials",
        [COLLECTION_SESSIONS] = "sessions",
    };
    struct config *config = config_defaults();
    assert_int_equal(config->collection_count, COLLECTION_BUILTIN);
    assert_int_equal(config_permission(config, SLICE("modify_options")), PERMISSION_MODIFY_OPTIONS);
    for (unsigned i = 0; i < COLLECTION_BUILTIN; i++) {
        const struct config_collection *collection = &config->collections[i];
        bool visible = i == COLLECTION_USERS || i == COLLECTION_GROUPS;
        assert_string_equal(collection->name, names[i]);
        assert_int_equal(collection->index, i);
        assert_true(collection->builtin);
        assert_int_equal(collection->internal, !visible);
        assert_non_null(collection->declaration);
        for (int method = 0; method < METHOD_COUNT_OF; method++)
            assert_int_equal(collection->methods[method].exposed, visible && method < METHOD_INSERT);
        if (visible) {
            assert_int_equal(collection->read, PERMISSION_MODIFY_OPTIONS);
            assert_true(permission_has(&collection->methods[METHOD_FIND].needed, PERMISSION_MODIFY_OPTIONS));
        }
    }
    config_free(config);
}

/* The example that came with the request for this program. */
static void test_example(void **state)
{
    (void)state;
    struct config *config =
        read_text(Q("{ 'listen': ['127.0.0.1:9950'], 'data': '/var/lib/dispatchd', 'workers': 0,\n"
                    "  'permissions': ['modify_virus', 'remove_virus'],\n"
                    "  'collections': {\n"
                    "    'viruses': { 'projector': ['name', 'abbreviation'], 'sync_filter': "
                    "{'archived': {'$ne': true}},\n"
                    "                 'unique': ['name'], 'index': ['abbreviation'], 'read': null,\n"
                    "                 'methods': {'insert': ['modify_virus'], 'update': "
                    "['modify_virus'], 'patch': "
                    "['modify_virus'], 'remove': ['remove_virus']} } },\n"
                    "  'limits': { } }\n"));
    const struct config_collection *viruses = find(config, "viruses");
    assert_int_equal(viruses->index, COLLECTION_BUILTIN);
    assert_int_equal(viruses->projector_count, 2);
    assert_string_equal(viruses->projector[1], "abbreviation");
    assert_non_null(viruses->sync_filter);
    assert_string_equal(viruses->unique[0], "name");
    assert_string_equal(viruses->index_fields[0], "abbreviation");
    assert_int_equal(viruses->read, -1);
    assert_false(viruses->has_rights);
    for (int method = 0; method < METHOD_COUNT_OF; method++)
        assert_true(viruses->methods[method].exposed);
    assert_true(permission_has(&viruses->methods[METHOD_REMOVE].needed, 2));
    assert_false(permission_has(&viruses->methods[METHOD_REMOVE].needed, 1));
    assert_true(permission_covers(&(struct permission_set){0}, &viruses->methods[METHOD_DETAIL].needed));
    config_free(config);
}

static const char *example; /* path of examples/laboratory.conf */

static void test_example_file(void **state)
{
    (void)state;
    char message[CONFIG_MESSAGE] = "";
    struct config *config = config_defaults();
    if (!config_read_file(config, example, message) || !config_check(config, message))
        fail_msg("%s", message);
    assert_non_null(strstr(config->file, example));
    assert_int_equal(config->collection_count, COLLECTION_BUILTIN + 8);
    assert_string_equal(find(config, "samples")->rights.group_read, "group_read");
    assert_string_equal(find(config, "samples")->rights.all_write, "all_write");
    config_free(config);
}

static void test_methods(void **state)
{
    (void)state;
    struct config *config =
        read_text(Q("{'collections': {'files': {'methods': {'find': ['look'], 'insert': []}, "
                    "'read': 'look'}, 'b': {}}, 'permissions': ['look']}"));
    const struct config_collection *files = find(config, "files");
    assert_int_equal(files->read, 1);
    assert_true(permission_has(&files->methods[METHOD_FIND].needed, 1));
    assert_true(files->methods[METHOD_INSERT].exposed);
    assert_false(files->methods[METHOD_UPDATE].exposed);
    assert_true(files->methods[METHOD_COUNT].exposed);
    assert_false(permission_has(&files->methods[METHOD_COUNT].needed, 1));
    assert_int_equal(find(config, "b")->index, COLLECTION_BUILTIN + 1);
    assert_null(config_collection(config, SLICE("c")));
    assert_int_equal(config_permission(config, SLICE("fly")), -1);
    config_free(config);
}

/* Texts that mean the same stored form have the same declaration, others another. */
static void test_declarations(void **state)
{
    (void)state;
    struct config *config =
        read_text(Q("{'permissions': ['p'], 'collections': {"
                    "'a': {'unique': ['x', 'y'], 'index': ['u', 'v'], 'projector': ['x'], "
                    "'sync_filter': { 'k' : 1 }, 'read': 'p'},"
                    "'b': {'projector': ['\\u0078'], 'sync_filter': {'k':1}, 'index': ['v', "
                    "'u'], 'unique': ['y', 'x'],"
                    "        'read': 'p', 'methods': {'insert': ['p']}, 'rights': null},"
                    "'i': {'unique': ['x', 'y'], 'index': ['u', 'v'], 'projector': ['x'], "
                    "'sync_filter': {'k':1}},"
                    "'c': {'unique': ['x', 'y'], 'index': ['u'], 'projector': ['x'], "
                    "'sync_filter': {'k':1}},"
                    "'d': {'rights': {'all_read': 'all', 'owner': 'user'}},"
                    "'e': {'rights': {'owner': 'user', 'all_read': 'all'}}, 'g': {},"
                    "'h': {'rights': {'owner': 'user', 'all_write': 'w', 'group': 'g', "
                    "'group_write': 'gw', 'group_read': 'gr', 'all_read': 'all'}}}}"));
    assert_string_equal(find(config, "a")->declaration, find(config, "b")->declaration);
    assert_string_not_equal(find(config, "a")->declaration, find(config, "c")->declaration);
    assert_string_not_equal(find(config, "a")->declaration, find(config, "i")->declaration);
    assert_string_equal(find(config, "d")->declaration, find(config, "e")->declaration);
    assert_string_not_equal(find(config, "d")->declaration, find(config, "g")->declaration);
    assert_string_equal(find(config, "d")->declaration,
                        Q("{'projector':[],'sync_filter':null,'unique':[],'index':[],"
                          "'rights':{'owner':'user','all_read':'all'}}"));
    assert_string_equal(find(config, "h")->declaration,
                        Q("{'projector':[],'sync_filter':null,'unique':[],'index':[],"
                          "'rights':{'owner':'user','group':'g','group_read':'gr',"
                          "'group_write':'gw','all_read':'all','all_write':'w'}}"));
    struct json json = {0};
    assert_true(json_parse(&json, find(config, "a")->declaration, strlen(find(config, "a")->declaration)));
    assert_true(json.compact);
    json_free(&json);
    config_free(config);
}

static void test_watched_directories(void **state)
{
    (void)state;
    struct config *config =
        read_text(Q("{'watch': {'one': {'path': '/a', 'pattern': ['*.x', 'y?'], 'read': 'p'},"
                    "'two': {'path': 'b', 'read': null}}, 'permissions': ['p']}"));
    assert_int_equal(config->directory_count, 2);
    const struct config_directory *one = config_directory(config, SLICE("one"));
    const struct config_directory *two = config_directory(config, SLICE("two"));
    assert_null(config_directory(config, SLICE("three")));
    assert_int_equal(one->index, 0);
    assert_string_equal(one->path, "/a");
    assert_int_equal(one->pattern_count, 2);
    assert_string_equal(one->patterns[1], "y?");
    assert_int_equal(one->read, config_permission(config, SLICE("p")));
    assert_int_equal(two->index, 1);
    assert_int_equal(two->read, -1);
    assert_int_equal(two->pattern_count, 1);
    assert_string_equal(two->patterns[0], "*");
    config_free(config);
}

static void test_comments(void **state)
{
    (void)state;
    struct config *config =
        read_text(Q("// first\n{ // 'data': '/no',\n'data': '/a//b', // one\n"
                    "'log': '/x\\'//y', 'listen': [ // two\n'*:1' // three '\n, '*:2'//\n]//\n} // end"));
    assert_string_equal(config->data, "/a//b");
    assert_string_equal(config->log, Q("/x'//y"));
    assert_int_equal(config->listen_count, 2);
    config_free(config);
}

/* A value other than the default for each option, as the file has it. */
static void append_value(struct buffer *out, const struct option_row *row)
{
    switch (row->type) {
    case OPTION_TEXT:
        buffer_append_text(out, Q("'/else/where'"));
        break;
    case OPTION_TEXT_LIST:
        buffer_append_text(out, strcmp(row->name, "listen") == 0 ? Q("['*:1', '[::1]:0']")
                                                                 : Q("['http://a', 'http://b:1']"));
        break;
    case OPTION_FLAG:
        buffer_append_text(out, "true");
        break;
    case OPTION_NUMBER:
    case OPTION_BYTES:
        buffer_append_unsigned(out, row->most);
        break;
    case OPTION_MODE:
        buffer_append_text(out, Q("'0777'"));
        break;
    case OPTION_LOG_LEVEL:
        buffer_append_text(out, Q("'debug'"));
        break;
    case OPTION_DURABILITY:
        buffer_append_text(out, Q("'relaxed'"));
        break;
    }
}

static void expect_highest(const struct config *config, const struct option_row *row)
{
    const char *at = (const char *)config + row->offset;
    switch (row->type) {
    case OPTION_TEXT:
        assert_string_equal(*(char *const *)at, "/else/where");
        break;
    case OPTION_TEXT_LIST:
        assert_int_equal(*(const size_t *)(at + sizeof(char **)), 2);
        break;
    case OPTION_FLAG:
        assert_true(*(const bool *)at);
        break;
    case OPTION_NUMBER:
    case OPTION_BYTES:
        assert_int_equal(*(const uint64_t *)at, row->most);
        break;
    case OPTION_MODE:
        assert_int_equal(*(const uint64_t *)at, 0777);
        break;
    case OPTION_LOG_LEVEL:
        assert_int_equal(*(const enum log_level *)at, LOG_LEVEL_DEBUG);
        break;
    case OPTION_DURABILITY:
        assert_int_equal(*(const enum durability *)at, DURABILITY_RELAXED);
        break;
    }
}

/* Each option alone, so that a wrong offset shows, and nothing else changes. */
static void test_every_option_by_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        bool limit = strncmp(row->name, "limits.", 7) == 0;
        struct buffer text = {0};
        quoted_append(&text, limit ? "{'limits': {'%s': " : "{'%s': ", row->name + (limit ? 7 : 0));
        append_value(&text, row);
        buffer_append_text(&text, limit ? "}}" : "}");
        buffer_append_byte(&text, 0);
        struct config *config = read_text(text.data);
        expect_highest(config, row);
        config_free(config);
        buffer_free(&text);
    }
}

static void test_null_takes_away(void **state)
{
    (void)state;
    struct config *config = read_text(Q("{'user': null, 'pid_file': null, 'origins': []}"));
    assert_null(config->user);
    assert_null(config->pid_file);
    assert_int_equal(config->origin_count, 0);
    config_free(config);
}

struct combination {
    const char *text;
    const char *message; /* NULL: good */
};

static void test_check(void **state)
{
    (void)state;
    const struct combination cases[] = {
        {Q("{'listen': []}"), "listen: expected at least one ADDRESS:PORT, found an empty list"},
        {Q("{'ring_bytes': 33554431}"), "ring_bytes: expected a power of two, found 33554431"},
        {Q("{'ring_bytes': '4M'}"),
         "ring_bytes: expected at least 8 times limits.message_bytes (8388608), found 4194304"},
        {Q("{'ring_bytes': '8M'}"), NULL},
        {Q("{'log': 'relative.log'}"),
         Q("log: expected stderr, syslog or an absolute path, found 'relative.log'")},
        {Q("{'limits': {'document_bytes': '4100K'}}"),
         "ring_bytes: expected at least 8 times limits.document_bytes (33587200), found 33554432"},
        {Q("{'backlog_bytes': '4095K'}"),
         "backlog_bytes: expected at least 4 times limits.message_bytes (4194304), found 4193280"},
        {Q("{'backlog_bytes': '4M'}"), NULL},
        {Q("{'map_bytes': 1048577}"), "map_bytes: expected a multiple of 4096, found 1048577"},
        {Q("{'limits': {'committer_queue_bytes': '64K'}}"),
         "limits.committer_queue_bytes: expected at least limits.message_bytes (1048576), found 65536"},
        {Q("{'limits': {'worker_calls_bytes': '2047K'}}"),
         "limits.worker_calls_bytes: expected at least twice limits.message_bytes (2097152), found 2096128"},
        {Q("{'limits': {'worker_calls_bytes': '2M'}}"), NULL},
        {Q("{'limits': {'worker_calls_bytes': '3M', 'result_bytes': '2M'}}"),
         "limits.worker_calls_bytes: expected at least twice limits.result_bytes (4194304), found 3145728"},
        {Q("{'stall_timeout_ms': 2999}"), "stall_timeout_ms: expected 0 or at least 3000, found 2999"},
        {Q("{'stall_timeout_ms': 3000}"), NULL},
        {Q("{'limits': {'change_work': '1024G'}}"),
         "stall_timeout_ms: expected 0 or at least what limits.change_work may take (3298538), found 60000"},
        {Q("{'limits': {'change_work': '1024G'}, 'stall_timeout_ms': 3298538}"), NULL},
        {Q("{'limits': {'change_work': '1024G'}, 'stall_timeout_ms': 0}"), NULL},
        {Q("{'limits': {'document_bytes': '16M'}, 'stall_timeout_ms': 3000}"),
         "stall_timeout_ms: expected 0 or at least what limits.document_bytes may take (6442), found 3000"},
        {Q("{'limits': {'strangers_bytes': '64K', 'stranger_message_bytes': '65K'}}"),
         "limits.strangers_bytes: expected at least limits.stranger_message_bytes (66560), found 65536"},
        {Q("{'limits': {'strangers_bytes': '64K', 'stranger_message_bytes': '64K'}}"), NULL},
        {Q("{'limits': {'strangers_bytes': '64K', 'stranger_message_bytes': '1G'}}"),
         "limits.strangers_bytes: expected at least limits.message_bytes (1048576), found 65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[CONFIG_MESSAGE] = "";
        struct config *config = read_text(cases[i].text);
        bool good = config_check(config, message);
        assert_string_equal(message, cases[i].message ? cases[i].message : "");
        assert_int_equal(good, cases[i].message == NULL);
        config_free(config);
    }
}

/* The daemon leaves the directory where it was started, so paths become absolute; standard error goes with
 * it. */
static void test_settled_paths(void **state)
{
    (void)state;
    char message[CONFIG_MESSAGE] = "";
    assert_int_equal(chdir("/usr"), 0);
    struct config *config =
        read_text(Q("{'data': 'd', 'pid_file': 'p', 'foreground': true, 'watch': {'w': {'path': 'p'}}}"));
    assert_true(config_check(config, message));
    assert_string_equal(config->data, "/usr/d");
    assert_string_equal(config->directories[0].path, "/usr/p");
    assert_string_equal(config->control, "/usr/d/control");
    assert_string_equal(config->pid_file, "/usr/p");
    assert_string_equal(config->log, "stderr");
    assert_true(config_check(config, message)); /* once more changes nothing */
    assert_string_equal(config->data, "/usr/d");
    config_free(config);

    config = read_text(Q("{'log': '/l', 'control': 'c'}"));
    assert_true(config_check(config, message));
    assert_string_equal(config->log, "/l");
    assert_string_equal(config->control, "/usr/c");
    config_free(config);

    config = read_text("{}");
    assert_true(config_check(config, message));
    assert_string_equal(config->log, "syslog");
    config_free(config);

    char text[200];
    quoted_print(text, sizeof text, "{'control': '/%0110d'}", 0);
    config = read_text(text);
    assert_false(config_check(config, message));
    assert_int_equal(strncmp(message, "control: expected a path of at most 107 bytes, found 111: /000", 60),
                     0);
    config_free(config);
}

/* Of the file only what says where the socket is. */
static void test_control_of_a_file(void **state)
{
    (void)state;
    const struct {
        const char *text, *control, *message;
    } cases[] = {
        {Q("{'data': '/d', 'workers': 'many', // comment\n 'unknown': {}}"), "/d/control", ""},
        {Q("{'data': 'd', 'control': 'c'}"), "/usr/c", ""},
        {Q("{'data': 'd'}"), "/usr/d/control", ""},
        {Q("{}"), "/var/lib/dispatchd/control", ""},
        {Q("{'control': 5}"), NULL, "control: expected a string, found 5"},
        {Q("{'data': ''}"), NULL, "data: expected 1 to 4095 bytes of text"},
        {Q("{'data': }"), NULL, "not JSON"},
        {Q("5"), NULL, "expected an object, found 5"},
    };
    char path[] = "/tmp/config-test-XXXXXX", message[CONFIG_MESSAGE];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(chdir("/usr"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        message[0] = '\0';
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].text, strlen(cases[i].text), 0), strlen(cases[i].text));
        char *control = config_read_control(path, message);
        if (cases[i].control)
            assert_string_equal(control, cases[i].control);
        else
            assert_null(control);
        assert_non_null(strstr(message, cases[i].message));
        free(control);
    }
    close(fd);
    unlink(path);
    assert_null(config_read_control(path, message));
    assert_non_null(strstr(message, "No such file"));
}

int main(int argc, char **argv)
{
    example = argc > 1 ? argv[1] : "examples/laboratory.conf";
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_builtins),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_example_file),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_watched_directories),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_every_option_by_file),
        cmocka_unit_test(test_null_takes_away),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_settled_paths),
        cmocka_unit_test(test_control_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
