#include "shared/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct sample {
    const char *text;
    size_t length;
    bool good;
};

#define SAMPLE(text, good)                                                                                   \
    {                                                                                                        \
        text, sizeof(text) - 1, good                                                                         \
    }

static const struct sample SAMPLES[] = {
    SAMPLE("", true),
    SAMPLE("plain text that is longer than a word", true),
    SAMPLE("a\0b", true),
    SAMPLE("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true),
    SAMPLE("\xc2\x80", true),
    SAMPLE("\xdf\xbf", true),
    SAMPLE("\xe0\xa0\x80", true),
    SAMPLE("\xed\x9f\xbf", true),
    SAMPLE("\xee\x80\x80", true),
    SAMPLE("\xef\xbf\xbf", true),
    SAMPLE("\xf0\x90\x80\x80", true),
    SAMPLE("\xf4\x8f\xbf\xbf", true),
    SAMPLE("seven..\xf0\x9f\x8c\xb1 and a tail of more than eight bytes", true),
    SAMPLE("\x80", false), /* nothing to continue */
    SAMPLE("\xbf", false),
    SAMPLE("\xc0\x80", false), /* overlong */
    SAMPLE("\xc1\xbf", false),
    SAMPLE("\xe0\x80\x80", false),
    SAMPLE("\xe0\x9f\xbf", false),
    SAMPLE("\xf0\x80\x80\x80", false),
    SAMPLE("\xf0\x8f\xbf\xbf", false),
    SAMPLE("\xed\xa0\x80", false), /* surrogates */
    SAMPLE("\xed\xbf\xbf", false),
    SAMPLE("\xf4\x90\x80\x80", false), /* over U+10FFFF */
    SAMPLE("\xf5\x80\x80\x80", false),
    SAMPLE("\xf8\x88\x80\x80\x80", false),
    SAMPLE("\xfe", false),
    SAMPLE("\xff", false),
    SAMPLE("\xc2", false), /* cut */
    SAMPLE("\xe1\xbd", false),
    SAMPLE("\xf0\x9f\x8c", false),
    SAMPLE("\xc2"
           "a",
           false), /* a character begins within another */
    SAMPLE("\xe1\xbd"
           "a",
           false),
    SAMPLE("\xe1\xe1\xbd\xb9", false),
    SAMPLE("a good beginning, then \xff", false),
};

enum { SAMPLE_COUNT = sizeof SAMPLES / sizeof SAMPLES[0] };

static void whole_texts_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct utf8_state utf8 = {0};
        bool good = utf8_feed(&utf8, slice_of(SAMPLES[i].text, SAMPLES[i].length)) && !utf8.missing;
        assert_int_equal(good, SAMPLES[i].good);
    }
}

static void pieces_are_judged_like_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t cut = 0; cut <= SAMPLES[i].length; cut++) {
            struct utf8_state utf8 = {0};
            bool good = utf8_feed(&utf8, slice_of(SAMPLES[i].text, cut)) &&
                        utf8_feed(&utf8, slice_of(SAMPLES[i].text + cut, SAMPLES[i].length - cut)) &&
                        !utf8.missing;
            assert_int_equal(good, SAMPLES[i].good);
        }
    }
}

static size_t encode(unsigned point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (char)((0xF00 >> length & 0xFF) | point);
    return length;
}

static void every_code_point_is_judged(void **state)
{
    (void)state;
    for (unsigned point = 0; point < 0x110000 + 0x1000; point++) {
        char text[4];
        size_t length = encode(point, text);
        struct utf8_state utf8 = {0};
        bool good = utf8_feed(&utf8, slice_of(text, length)) && !utf8.missing;
        assert_int_equal(good, point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
    }
}

static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct slice text = SLICE("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xbe");
    const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t most = 0; most < sizeof expected / sizeof *expected; most++)
        assert_int_equal(utf8_cut(text, most).length, expected[most]);
    assert_int_equal(utf8_cut((struct slice){0}, 4).length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts_are_judged),
        cmocka_unit_test(pieces_are_judged_like_the_whole),
        cmocka_unit_test(every_code_point_is_judged),
        cmocka_unit_test(texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
