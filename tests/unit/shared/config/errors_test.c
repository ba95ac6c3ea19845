/* Every wrong thing in a configuration file, and the one line that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/config/config.h"
#include "tests/unit/quoted.h"

struct wrong {
    const char *text; /* with ' for " */
    const char *message;
};

static void refuse_each(const struct wrong *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *config = config_defaults();
        char message[CONFIG_MESSAGE] = "";
        char *text = quoted_copy(cases[i].text);
        bool read = config_read_text(config, "f", text, strlen(text), message);
        config_free(config);
        if (read)
            fail_msg("accepted: %s", text);
        free(text);
        assert_string_equal(message, cases[i].message);
        assert_null(strchr(message, '\n'));
    }
}

#define REFUSE(...)                                                                                          \
    const struct wrong cases[] = {__VA_ARGS__};                                                              \
    refuse_each(cases, sizeof cases / sizeof *cases)

static void test_syntax(void **state)
{
    (void)state;
    REFUSE({"", "f:1:1: not JSON: the text ends too early"},
           {"// nothing", "f:1:11: not JSON: the text ends too early"},
           {"[]", "f:1:1: expected an object, found an array"},
           {"'a'", "f:1:1: expected an object, found \"a\""},
           {"{'workers': 1 'log': 'syslog'}", "f:1:15: not JSON: a comma or } was expected"},
           {"{ // one\n  // 'two\n  'workers': 01 }", "f:3:15: not JSON: a number with a leading zero"},
           {"{'workers': 1, 'workers': 1}", "f:1:16: workers: expected each key once, found it again"},
           {"{} /", "f:1:4: not JSON: there is more text after the value"},
           {"{'data': 'a", "f:1:12: not JSON: the text ends too early"}, );
}

static void test_reading_methods(void **state)
{
    (void)state;
    REFUSE(
        {"{'permissions': ['p', 'q'], 'collections': {'c': {\n  'methods': {'find': ['p']}}}}",
         "f:2:23: collections.c: methods.find asks for \"p\", but the documents are sent to everybody who "
         "sees "
         "the collection: write \"read\": \"p\""},
        {"{'permissions': ['p', 'q'], 'collections': {'c': {'read': 'p', 'methods': "
         "{'count': ['p'], 'detail': ['p', 'q']}}}}",
         "f:1:102: collections.c: methods.detail asks for \"q\", but the documents are sent to everybody who "
         "sees the collection: write \"read\": \"q\""}, );
}

static void test_keys(void **state)
{
    (void)state;
    REFUSE(
        {"{'worker': 1}", "f:1:2: worker: expected a known key, perhaps \"workers\", found \"worker\""},
        {"{\n  'durabiltiy': 'full'}",
         "f:2:3: durabiltiy: expected a known key, perhaps \"durability\", found \"durabiltiy\""},
        {"{'pid-file': 'x'}",
         "f:1:2: pid-file: expected a known key, perhaps \"pid_file\", found \"pid-file\""},
        {"{'limit': {}}", "f:1:2: limit: expected a known key, perhaps \"limits\", found \"limit\""},
        {"{'elephant': 1}", "f:1:2: elephant: expected a known key, found \"elephant\""},
        {"{'': 1}", "f:1:2: expected a known key, found \"\""},
        {"{'config': 'f'}", "f:1:2: config: expected a known key, found \"config\""},
        {"{'limits.pongs': 1}", "f:1:2: limits.pongs: expected a known key, found \"limits.pongs\""},
        {"{'a\\nb\\'': 1}", "f:1:2: a\\nb\\\": expected a known key, found \"a\\nb\\\"\""},
        {"{'limits': []}", "f:1:12: limits: expected an object, found an array"},
        {"{'limits': {'pong': 1}}",
         "f:1:13: limits.pong: expected a known key, perhaps \"pongs\", found \"pong\""},
        {"{'limits': {'workers': 1}}", "f:1:13: limits.workers: expected a known key, found \"workers\""}, );
}

static void test_values(void **state)
{
    (void)state;
    REFUSE(
        {"{'workers': '2'}", "f:1:13: workers: expected a number, found \"2\""},
        {"{'workers': 257}", "f:1:13: workers: expected a number from 0 to 256, found \"257\""},
        {"{'workers': -1}", "f:1:13: workers: expected a number from 0 to 256, found \"-1\""},
        {"{'workers': 1.5}", "f:1:13: workers: expected a number from 0 to 256, found \"1.5\""},
        {"{'workers': 18446744073709551617}",
         "f:1:13: workers: expected a number from 0 to 256, found \"18446744073709551617\""},
        {"{'workers': null}", "f:1:13: workers: expected a value, found null"},
        {"{'ring_bytes': '32X'}",
         "f:1:16: ring_bytes: expected a number of bytes from 64K to 1G, found \"32X\""},
        {"{'ring_bytes': '5G'}",
         "f:1:16: ring_bytes: expected a number of bytes from 64K to 1G, found \"5G\""},
        {"{'ring_bytes': '17179869184G'}",
         "f:1:16: ring_bytes: expected a number of bytes from 64K to 1G, found \"17179869184G\""},
        {"{'ring_bytes': true}",
         "f:1:16: ring_bytes: expected a number or a text such as \"8M\", found a boolean"},
        {"{'foreground': 1}", "f:1:16: foreground: expected true or false, found 1"},
        {"{'foreground': 'true'}", "f:1:16: foreground: expected true or false, found \"true\""},
        {"{'control_mode': 660}", "f:1:18: control_mode: expected a string, found 660"},
        {"{'control_mode': '0680'}",
         "f:1:18: control_mode: expected an octal mode such as 0660, found \"0680\""},
        {"{'control_mode': '1777'}",
         "f:1:18: control_mode: expected an octal mode such as 0660, found \"1777\""},
        {"{'log_level': 'loud'}",
         "f:1:15: log_level: expected error, warning, notice, info or debug, found \"loud\""},
        {"{'durability': 'maybe'}", "f:1:16: durability: expected full or relaxed, found \"maybe\""},
        {"{'data': ''}", "f:1:10: data: expected 1 to 4095 bytes of text, found \"\""},
        {"{'data': 'a\\nb'}", "f:1:10: data: expected text without control characters, found \"a.b\""},
        {"{'user': 3}", "f:1:10: user: expected a string, found 3"},
        {"{'listen': '127.0.0.1:1'}", "f:1:12: listen: expected a list of strings, found \"127.0.0.1:1\""},
        {"{'listen': ['a:1', 2]}", "f:1:20: listen[1]: expected a string, found 2"},
        {"{'listen': ['9950']}", "f:1:13: listen[0]: expected ADDRESS:PORT, [ADDRESS]:PORT or *:PORT with a "
                                 "port up to 65535, found \"9950\""},
        {"{'origins': ['example.org']}",
         "f:1:14: origins[0]: expected SCHEME://HOST or SCHEME://HOST:PORT, found \"example.org\""},
        {"{'origins': ['https://example.org/']}",
         "f:1:14: origins[0]: expected SCHEME://HOST or SCHEME://HOST:PORT, found \"https://example.org/\""},
        {"{'limits': {'pongs': 0}}", "f:1:22: limits.pongs: expected a number from 1 to 1024, found \"0\""},
        {"{ // \xc3\xa9\n\t/* */ }", "f:2:2: not JSON: a key was expected"},
        {"{'data': '\xc3\xa9\xc3\xa9', 'workers': 300}",
         "f:1:27: workers: expected a number from 0 to 256, found \"300\""}, );
}

static void test_listen_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "127.0.0.1", ":80",   "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80",           "[::1]",
        "[::1:80",   "[]:80", "[::1]:80x",  "a b:80",          "[x]:80",       "127.0.0.1:0000080"};
    static const char *const good[] = {"127.0.0.1:0", "*:80", "[::]:65535", "[fe80::1%eth0]:80",
                                       "lab.example-1.org:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad + sizeof good / sizeof *good; i++) {
        bool is_good = i >= sizeof bad / sizeof *bad;
        const char *address = is_good ? good[i - sizeof bad / sizeof *bad] : bad[i];
        char text[100];
        char message[CONFIG_MESSAGE] = "";
        int length = snprintf(text, sizeof text, "{\"listen\": [\"%s\"]}", address);
        struct config *config = config_defaults();
        bool read = config_read_text(config, "f", text, (size_t)length, message);
        if (read != is_good)
            fail_msg("%s: %s", address, message);
        config_free(config);
    }
}

static void test_permissions(void **state)
{
    (void)state;
    REFUSE(
        {"{'permissions': {}}", "f:1:17: permissions: expected a list of names, found an object"},
        {"{'permissions': ['a', 1]}",
         "f:1:23: permissions[1]: expected a name of 1 to 64 characters a-z, A-Z, 0-9, _, found 1"},
        {"{'permissions': ['a b']}",
         "f:1:18: permissions[0]: expected a name of 1 to 64 characters a-z, A-Z, 0-9, _, found \"a b\""},
        {"{'permissions': ['a', 'a']}", "f:1:23: permissions[1]: expected each permission once, found \"a\""},
        {"{'permissions': ['modify_options']}",
         "f:1:18: permissions[0]: expected a permission that is not built in, found \"modify_options\""}, );
}

#define A_PATH                                                                                               \
    "expected a field's name, or a path such as \"a.b\", of 1 to 128 bytes and at most 64 steps without "    \
    "\"$\" in "                                                                                              \
    "front"
#define VIRUSES(declaration) "{'permissions':['modify_virus'],\n'collections':{'viruses':" declaration "}}"

static void test_collections(void **state)
{
    (void)state;
    REFUSE(
        {"{'collections': []}", "f:1:17: collections: expected an object, found an array"},
        {"{'collections': {'a b': {}}}", "f:1:18: collections.a b: expected a collection's name of 1 to 64 "
                                         "characters a-z, A-Z, 0-9, _, found \"a b\""},
        {"{'collections': {'users': {}}}",
         "f:1:18: collections.users: expected a collection's name that is not built in, found \"users\""},
        {"{'collections': {'sessions': {}}}", "f:1:18: collections.sessions: expected a collection's "
                                              "name that is not built in, found \"sessions\""},
        {"{'collections': {'dispatcher': {}}}", "f:1:18: collections.dispatcher: expected a collection's "
                                                "name that is not built in, found \"dispatcher\""},
        {"{'collections': {'transaction': {}}}",
         "f:1:18: collections.transaction: expected a collection's name "
         "that is not built in, found \"transaction\""},
        {VIRUSES("null"), "f:2:26: collections.viruses: expected an object, found null"},
        {VIRUSES("{'projecter':[]}"), "f:2:27: collections.viruses.projecter: expected a known key, perhaps "
                                      "\"projector\", found \"projecter\""},
        {VIRUSES("{'projector':'name'}"),
         "f:2:39: collections.viruses.projector: expected a list of fields, found \"name\""},
        {VIRUSES("{'unique':['name', 5]}"),
         "f:2:45: collections.viruses.unique[1]: expected the name of a field, found 5"},
        {VIRUSES("{'unique':['name', 'name']}"),
         "f:2:45: collections.viruses.unique[1]: expected each field once, found \"name\""},
        {VIRUSES("{'projector':['a.b']}"),
         "f:2:40: collections.viruses.projector[0]: expected a field's name of 1 to 128 "
         "bytes without \".\" and without \"$\" in front, found \"a.b\""},
        {VIRUSES("{'index':['a.b.']}"), "f:2:36: collections.viruses.index[0]: " A_PATH ", found \"a.b.\""},
        {VIRUSES("{'index':['a..b']}"), "f:2:36: collections.viruses.index[0]: " A_PATH ", found \"a..b\""},
        {VIRUSES("{'unique':['.a']}"), "f:2:37: collections.viruses.unique[0]: " A_PATH ", found \".a\""},
        {VIRUSES("{'index':['']}"), "f:2:36: collections.viruses.index[0]: " A_PATH ", found \"\""},
        {VIRUSES("{'index':['$a.b']}"), "f:2:36: collections.viruses.index[0]: " A_PATH ", found \"$a.b\""},
        {VIRUSES("{'index':['_id.b']}"), "f:2:36: collections.viruses.index[0]: expected a field other than "
                                         "_id and _version, found \"_id.b\""},
        {VIRUSES("{'index':['_id']}"),
         "f:2:36: collections.viruses.index[0]: expected a field other than _id and _version, found \"_id\""},
        {VIRUSES("{'index':['b','a'],'unique':['a']}"),
         "f:2:40: collections.viruses.index[1]: expected a field that is not in unique, found \"a\""},
        {VIRUSES("{'read':'modify_viruses'}"),
         "f:2:34: collections.viruses.read: expected a declared permission, "
         "perhaps \"modify_virus\", found \"modify_viruses\""},
        {VIRUSES("{'read':[]}"),
         "f:2:34: collections.viruses.read: expected the name of a permission, found an array"},
        {VIRUSES("{'sync_filter':[]}"),
         "f:2:41: collections.viruses.sync_filter: expected a query (an object) or null, found an array"},
        {VIRUSES("{'methods':[]}"),
         "f:2:37: collections.viruses.methods: expected an object of methods and their "
         "permissions, found an array"},
        {VIRUSES("{'methods':{'updat':[]}}"), "f:2:38: collections.viruses.methods.updat: expected a method, "
                                              "perhaps \"update\", found \"updat\""},
        {VIRUSES("{'methods':{'zap':[]}}"), "f:2:38: collections.viruses.methods.zap: expected detail, find, "
                                            "count, sync, insert, update, patch or remove, found \"zap\""},
        {VIRUSES("{'methods':{'insert':'modify_virus'}}"),
         "f:2:47: collections.viruses.methods.insert: expected a list of permissions, found "
         "\"modify_virus\""},
        {VIRUSES("{'methods':{'insert':['fly']}}"),
         "f:2:48: collections.viruses.methods.insert[0]: expected a declared permission, found \"fly\""},
        {VIRUSES("{'rights':{'owners':'user'}}"), "f:2:37: collections.viruses.rights.owners: expected "
                                                  "a known key, perhaps \"owner\", found \"owners\""},
        {VIRUSES("{'rights':{'owner':1}}"),
         "f:2:45: collections.viruses.rights.owner: expected the name of a field, found 1"},
        {VIRUSES("{'rights':{}}"),
         "f:2:36: collections.viruses.rights: expected \"owner\", the field with the id "
         "of a document's user"},
        {VIRUSES("{'rights':{'owner':'u','group_read':'r'}}"),
         "f:2:36: collections.viruses.rights: expected \"group\", the field with the id of a document's "
         "group, "
         "beside \"group_read\""},
        {VIRUSES("{'rights':{'owner':'u','all_write':'a','group_write':'w'}}"),
         "f:2:36: collections.viruses.rights: expected \"group\", the field with the id of a document's "
         "group, "
         "beside \"group_write\""},
        {VIRUSES("{'rights':{'owner':'u','all_writ':'a'}}"),
         "f:2:49: collections.viruses.rights.all_writ: expected a known key, perhaps \"all_write\", found "
         "\"all_writ\""}, );
}

#define SETTING(declaration) "{'settings':{\n's':" declaration "}}"

static void test_settings(void **state)
{
    (void)state;
    REFUSE(
        {"{'settings':[]}",
         "f:1:13: settings: expected an object of settings and their declarations, found an array"},
        {"{'user_settings':1}",
         "f:1:18: user_settings: expected an object of settings and their declarations, found 1"},
        {"{'setting':{}}", "f:1:2: setting: expected a known key, perhaps \"settings\", found \"setting\""},
        {"{'user_setings':{}}",
         "f:1:2: user_setings: expected a known key, perhaps \"user_settings\", found \"user_setings\""},
        {"{'settings':{'a-b':{}}}", "f:1:14: settings.a-b: expected a setting's name of 1 to 64 "
                                    "characters a-z, A-Z, 0-9, _, found \"a-b\""},
        {"{'settings':{'':{}}}", "f:1:14: settings.: expected a setting's name of 1 to 64 "
                                 "characters a-z, A-Z, 0-9, _, found \"\""},
        {"{'settings':{'_id':{}}}",
         "f:1:14: settings._id: expected a setting other than _id and _version, found \"_id\""},
        {"{'user_settings':{'_version':{}}}", "f:1:19: user_settings._version: expected a setting other "
                                              "than _id and _version, found \"_version\""},
        {"{'settings':{'s':{},'s':{}}}", "f:1:21: s: expected each key once, found it again"},
        {SETTING("5"), "f:2:5: settings.s: expected an object with type and default, found 5"},
        {SETTING("{}"), "f:2:5: settings.s: expected \"type\" in it"},
        {SETTING("{'type':'integer'}"), "f:2:5: settings.s: expected \"default\" in it"},
        {SETTING("{'typ':'integer'}"),
         "f:2:6: settings.s.typ: expected a known key, perhaps \"type\", found \"typ\""},
        {SETTING("{'type':'boolean','zebra':1}"),
         "f:2:23: settings.s.zebra: expected a known key, found \"zebra\""},
        {SETTING("{'type':'int'}"),
         "f:2:13: settings.s.type: expected integer, number, string or boolean, found \"int\""},
        {SETTING("{'type':'bolean'}"),
         "f:2:13: settings.s.type: expected a type, perhaps \"boolean\", found \"bolean\""},
        {SETTING("{'type':null}"),
         "f:2:13: settings.s.type: expected integer, number, string or boolean, found null"}, );
}

static void test_setting_bounds(void **state)
{
    (void)state;
    REFUSE(
        {SETTING("{'type':'string','min':1}"),
         "f:2:28: settings.s.min: expected only with an integer or a number"},
        {SETTING("{'type':'boolean','max':1}"),
         "f:2:29: settings.s.max: expected only with an integer or a number"},
        {SETTING("{'type':'integer','min':1.5}"), "f:2:29: settings.s.min: expected an integer, found 1.5"},
        {SETTING("{'type':'integer','max':'1'}"), "f:2:29: settings.s.max: expected an integer, found \"1\""},
        {SETTING("{'type':'number','max':true}"),
         "f:2:28: settings.s.max: expected a number of at most 64 characters, found a boolean"},
        {SETTING("{'type':'number','max':"
                 "0.1234567890123456789012345678901234567890123456789012345678901234567890}"),
         "f:2:28: settings.s.max: expected a number of at most 64 characters, found "
         "0.12345678901234567890123456789012345678..."},
        {SETTING("{'type':'integer','min':5,'max':4}"),
         "f:2:37: settings.s.max: expected at least min (5), found 4"},
        {SETTING("{'type':'integer','max_length':4}"),
         "f:2:36: settings.s.max_length: expected only with a string"},
        {SETTING("{'type':'string','max_length':0}"),
         "f:2:35: settings.s.max_length: expected a number of bytes from 1 to 65536, found 0"},
        {SETTING("{'type':'string','max_length':65537}"),
         "f:2:35: settings.s.max_length: expected a number of bytes from 1 to 65536, found 65537"},
        {SETTING("{'type':'string','max_length':'4K'}"),
         "f:2:35: settings.s.max_length: expected a number of bytes from 1 to 65536, found \"4K\""},
        {SETTING("{'type':'string','values':'a'}"),
         "f:2:31: settings.s.values: expected a list of at least one value, found \"a\""},
        {SETTING("{'type':'string','values':[]}"),
         "f:2:31: settings.s.values: expected a list of at least one value, found an array"},
        {SETTING("{'type':'string','values':['a',1]}"),
         "f:2:36: settings.s.values[1]: expected a string of at most 4096 bytes, found 1"},
        {SETTING("{'type':'string','max_length':2,'values':['abc']}"),
         "f:2:47: settings.s.values[0]: expected a string of at most 2 bytes, found \"abc\""},
        {SETTING("{'type':'integer','min':1,'values':[1,0]}"),
         "f:2:43: settings.s.values[1]: expected an integer of at least 1, found 0"},
        {SETTING("{'type':'number','values':[1,2,1.0]}"),
         "f:2:36: settings.s.values[2]: expected each value once, found 1.0"}, );
}

static void test_setting_defaults(void **state)
{
    (void)state;
    REFUSE({SETTING("{'type':'integer','default':'4'}"),
            "f:2:33: settings.s.default: expected an integer of 64 bits, found \"4\""},
           {SETTING("{'type':'integer','default':9223372036854775808}"),
            "f:2:33: settings.s.default: expected an integer of 64 bits, found 9223372036854775808"},
           {SETTING("{'type':'integer','default':0,'min':1}"),
            "f:2:33: settings.s.default: expected an integer of at least 1, found 0"},
           {SETTING("{'type':'number','default':1e3,'max':0.5}"),
            "f:2:32: settings.s.default: expected a number of at most 0.5, found 1e3"},
           {SETTING("{'type':'number','default':2,'min':0,'max':1}"),
            "f:2:32: settings.s.default: expected a number from 0 to 1, found 2"},
           {SETTING("{'type':'number','default':null}"),
            "f:2:32: settings.s.default: expected a number of at most 64 characters, found null"},
           {SETTING("{'type':'string','default':'a','values':['b','c']}"),
            "f:2:32: settings.s.default: expected one of \"b\", \"c\", found \"a\""},
           {SETTING("{'type':'string','default':'abc','max_length':2}"),
            "f:2:32: settings.s.default: expected a string of at most 2 bytes, found \"abc\""},
           {SETTING("{'type':'boolean','default':0}"),
            "f:2:33: settings.s.default: expected true or false, found 0"},
           {SETTING("{'type':'boolean','default':false,'values':[true]}"),
            "f:2:33: settings.s.default: expected true, found a boolean"}, );
}

/* Each bound on how much there may be, at the first beyond it. */
static void refuse_many(const char *key, unsigned settings, unsigned default_bytes, const char *message)
{
    struct buffer text = {0};
    quoted_append(&text, "{'%s':{", key);
    for (unsigned i = 0; i < settings; i++) {
        quoted_append(&text, "%s's%u':{'type':'string','default':'", i ? "," : "", i);
        for (unsigned n = 0; n < default_bytes; n++)
            buffer_append_byte(&text, 'x');
        buffer_append_text(&text, Q("'}"));
    }
    buffer_append_text(&text, "}}");
    struct config *config = config_defaults();
    char found[CONFIG_MESSAGE] = "";
    assert_int_equal(config_read_text(config, "f", text.data, text.length, found), message == NULL);
    if (message)
        assert_non_null(strstr(found, message));
    config_free(config);
    buffer_free(&text);
}

static void test_many_settings(void **state)
{
    (void)state;
    refuse_many("settings", 256, 10, NULL);
    refuse_many("settings", 257, 10, "settings.s256: expected at most 256 settings");
    refuse_many("user_settings", 15, 4096, NULL);
    refuse_many("user_settings", 16, 4096,
                "user_settings.s15: expected at most 65536 bytes of names, defaults and values in all");
    struct buffer text = {0};
    buffer_append_text(&text, Q("{'settings':{'s':{'type':'integer','default':0,'values':[0"));
    for (unsigned i = 1; i <= 256; i++)
        buffer_append_format(&text, ",%u", i);
    buffer_append_text(&text, "]}}}");
    struct config *config = config_defaults();
    char message[CONFIG_MESSAGE] = "";
    assert_false(config_read_text(config, "f", text.data, text.length, message));
    assert_string_equal(message, "f:1:57: settings.s.values: expected at most 256 values, found 257");
    config_free(config);
    buffer_free(&text);
}

/* What the query says is wrong is passed on after the place. */
static void test_sync_filter(void **state)
{
    (void)state;
    const char *const text = Q("{'collections':{'a':{'sync_filter':{'x':{'$near':1}}}}}");
    static const char start[] = "f:1:36: collections.a.sync_filter: ";
    struct config *config = config_defaults();
    char message[CONFIG_MESSAGE] = "";
    assert_false(config_read_text(config, "f", text, strlen(text), message));
    assert_int_equal(strncmp(message, start, sizeof start - 1), 0);
    assert_non_null(strstr(message, "$near"));
    config_free(config);
}

/* A line is one line and fits, however long the parts are. */
static void test_long_parts(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, Q("{'"));
    for (int i = 0; i < 5000; i++)
        buffer_append_text(&text, "\xe2\x82\xac");
    buffer_append_text(&text, Q("': 1}"));
    struct config *config = config_defaults();
    char message[CONFIG_MESSAGE] = "";
    assert_false(config_read_text(config, "f", text.data, text.length, message));
    assert_true(json_utf8_valid(message, strlen(message)));
    assert_non_null(strstr(message, Q("...'")));
    config_free(config);
    buffer_free(&text);
}

static void test_missing_file(void **state)
{
    (void)state;
    struct config *config = config_defaults();
    char message[CONFIG_MESSAGE] = "";
    assert_false(config_read_file(config, "/nowhere/at/all", message));
    assert_string_equal(message,
                        "/nowhere/at/all: cannot open the configuration file: No such file or directory");
    assert_false(config_read_file(config, "/", message));
    assert_string_equal(message, "/: cannot read the configuration file: Is a directory");
    config_free(config);
}

static void test_watch(void **state)
{
    (void)state;
    REFUSE({"{'watch': []}", "f:1:11: watch: expected an object, found an array"},
           {"{'watch': {'a-b': {}}}", "f:1:12: watch.a-b: expected a directory's name of 1 to 64 characters "
                                      "a-z, A-Z, 0-9, _, found \"a-b\""},
           {"{'watch': {'users': {}}}",
            "f:1:12: watch.users: expected a directory's name that is no collection's, found \"users\""},
           {"{'watch': {'c': {'path': '/'}}, 'collections': {'c': {}}}",
            "f:1:12: watch.c: expected a directory's name that is no collection's, found \"c\""},
           {"{'watch': {'dispatcher': {}}}", "f:1:12: watch.dispatcher: expected a directory's name that is "
                                             "no collection's, found \"dispatcher\""},
           {"{'watch': {'d': null}}", "f:1:17: watch.d: expected an object, found null"},
           {"{'watch': {'d': {}}}", "f:1:17: watch.d: expected \"path\", the directory to watch"},
           {"{'watch': {'d': {'path': ''}}}",
            "f:1:26: watch.d.path: expected the path of a directory, found \"\""},
           {"{'watch': {'d': {'pth': '/'}}}",
            "f:1:18: watch.d.pth: expected a known key, perhaps \"path\", found \"pth\""},
           {"{'watch': {'d': {'path': '/', 'pattern': '*'}}}",
            "f:1:42: watch.d.pattern: expected a list of patterns, found \"*\""},
           {"{'watch': {'d': {'path': '/', 'pattern': []}}}",
            "f:1:42: watch.d.pattern: expected 1 to 64 patterns, found 0"},
           {"{'watch': {'d': {'path': '/', 'pattern': ['a/b']}}}",
            "f:1:43: watch.d.pattern[0]: expected a pattern of 1 to 255 bytes without \"/\", found \"a/b\""},
           {"{'permissions': ['see'], 'watch': {'d': {'path': '/', 'read': 'se'}}}",
            "f:1:63: watch.d.read: expected a declared permission, perhaps \"see\", found \"se\""});
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch),           cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_reading_methods), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_values),          cmocka_unit_test(test_listen_addresses),
        cmocka_unit_test(test_permissions),     cmocka_unit_test(test_collections),
        cmocka_unit_test(test_sync_filter),     cmocka_unit_test(test_long_parts),
        cmocka_unit_test(test_missing_file),    cmocka_unit_test(test_settings),
        cmocka_unit_test(test_setting_bounds),  cmocka_unit_test(test_setting_defaults),
        cmocka_unit_test(test_many_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
