/* The look for one member of an object that was refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "shared/json/salvage.h"
#include "tests/unit/quoted.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* In steps of @units, of which each finds the text at another place. @largest: what one took. */
static bool look(const char *text, size_t length, uint64_t units, struct buffer *found, uint64_t *largest)
{
    struct json json = {0};
    struct json_salvage salvage;
    char *copy = memcpy(malloc(length + 1), text, length);
    bool over;
    assert_false(json_parse(&json, copy, length));
    json_salvage_start(&salvage, &json, "tid");
    *largest = 0;
    do {
        uint64_t step = units;
        char *moved = memcpy(malloc(length + 1), copy, length);
        memset(copy, 'x', length);
        free(copy);
        json.text = copy = moved;
        over = json_salvage_go_on(&salvage, &json, &step);
        *largest = step > *largest ? step : *largest;
    } while (!over);
    struct slice value = json_salvage_value(&salvage, &json);
    buffer_clear(found);
    buffer_append_slice(found, value);
    free(copy);
    json_free(&json);
    return value.data != NULL;
}

static const struct {
    const char *text, *value; /* NULL: it is not found */
} looks[] = {
    /* the fault leaves the members to be told apart: wherever it is */
    {"{'tid':1,'a':'\\ud83d'}", "1"},
    {"{'a':'\\ud83d','tid':1}", "1"},
    {" { 'a' : '\\ud83d' , 'tid' : 'x y' } ", "'x y'"},
    {"{'\\u0000':{'tid':2,'b':[{'tid':3}]},'tid':{'a':[]}}", "{'a':[]}"},
    {"{'a':1,'a':2,'tid':[1,[2],'],}']}", "[1,[2],'],}']"},
    {"{'a':'\\'\\\\','a':'}','t\\u0069d':true}", "true"},
    {"{'\\u0074\\u0069\\u0064':1,'b':'\\x'}", "1"},
    {"{'t\\ud83d':2,'tid':1}", "1"},
    {"{'\\ud83did':2,'tid':1}", "1"},
    {"{'tid':1,'b':'\n'}", "1"},
    {"{'tid':1,'b':'\xff'}", "1"},
    {"{'tid':1,'b':'\\u12'}", "1"},
    /* what is found there is not checked */
    {"{'a':'\\ud83d','tid':0x1,'b':1}", "0x1"},
    {"{'a':'\\ud83d','tid':tru}", "tru"},
    {"{'a':'\\ud83d','tid':,'b':1}", ""},
    {"{'a':'\\ud83d','tid':[1},'b':2}", "[1}"},
    /* another fault: what stands in front */
    {"{'tid':1,'a':tru}", "1"},
    {"{'tid':1,", "1"},
    {"{'tid':1} x", "1"},
    {"{'tid':1,'a':[1}}", "1"},
    {"{'tid':'x','a'", "'x'"},
    {"{'a':tru,'tid':1}", NULL},
    {"{'a':[1},'tid':1}", NULL},
    /* it may go on */
    {"{'tid':1", NULL},
    {"{'tid':1x}", NULL},
    {"{'tid':'x", NULL},
    {"{'a':'\\ud83d','tid':12", NULL},
    {"{'a':'\\ud83d','tid':'x", NULL},
    {"{'a':'\\ud83d','tid':'x\\", NULL},
    {"{'a':'\\ud83d','tid':[", NULL},
    {"{'a':'\\ud83d','tid':", NULL},
    {"{'a':'\\ud83d','tid'", NULL},
    {"{'a':'\\ud83d','ti", NULL},
    /* none, two, or not of the object */
    {"{'a':'\\ud83d'}", NULL},
    {"{'tid':1,'tid':1}", NULL},
    {"{'tid':1,'t\\u0069d':2}", NULL},
    {"{'tid':1,'b':'\\ud83d','tid':1}", NULL},
    {"{'a':'\\ud83d','b' 1,'tid':1}", NULL},
    {"{'a':'\\ud83d','b':1 2,'tid':1}", NULL},
    {"{'a':'\\ud83d',tid:1}", NULL},
    {"{'tidy':1,'id':1,'':'\\ud83d','Tid':2}", NULL},
    {"{'a':{'tid':1},'b':'\\ud83d'}", NULL},
    {"['tid',1,'\\ud83d']", NULL},
    {"'\\ud83d'", NULL},
    {"", NULL},
    {" ", NULL},
};

static void finds_the_member(void **state)
{
    (void)state;
    struct buffer found = {0};
    uint64_t largest;
    for (size_t i = 0; i < COUNT_OF(looks); i++)
        for (uint64_t units = 1; units < 4; units++) {
            char *text = quoted_copy(looks[i].text);
            bool is_found = look(text, strlen(text), units < 3 ? units : UINT64_MAX, &found, &largest);
            if (is_found != (looks[i].value != NULL))
                fail_msg("%s", text);
            if (is_found) {
                char *value = quoted_copy(looks[i].value);
                assert_true(slice_equal(buffer_slice(&found), slice_text(value)));
                free(value);
            }
            free(text);
        }
    buffer_free(&found);
}

static void passes_too_many_levels(void **state)
{
    (void)state;
    struct buffer text = {0}, found = {0};
    uint64_t largest;
    buffer_append_text(&text, Q("{'a':"));
    for (unsigned i = 0; i < 100000; i++)
        buffer_append_text(&text, i % 2 ? "[" : Q("{'tid':"));
    for (unsigned i = 100000; i > 0; i--)
        buffer_append_text(&text, i % 2 ? "}" : "]");
    buffer_append_text(&text, Q(",'tid':7}"));
    for (uint64_t units = 10; units <= 1000000; units *= 100000) {
        assert_true(look(text.data, text.length, units, &found, &largest));
        assert_true(slice_equal(buffer_slice(&found), SLICE("7")));
        assert_in_range(largest, 1, units + 2);
    }
    buffer_free(&text);
    buffer_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_member),
        cmocka_unit_test(passes_too_many_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
