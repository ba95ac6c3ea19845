/* Manifests: read from any text, and put in order in steps. */

#include "tests/unit/quoted.h"
#include "worker/methods/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/worker/worker_world.h"

static struct worker worker;
static struct transaction transaction = {.worker = &worker};

/* Returns the number of steps. */
static unsigned read_sorted(struct manifest *manifest, const struct buffer *text, uint64_t units)
{
    struct json json = {0};
    assert_true(json_parse(&json, text->data, text->length));
    work_start(&worker.work, NULL);
    assert_true(manifest_read(&transaction, json_root(&json), manifest));
    enum manifest_read result;
    do {
        uint64_t before = worker.work.used;
        result = manifest_read_some(&transaction, manifest, before + units);
        assert_in_range(worker.work.used - before, 0, units + 8);
        assert_true(worker.work.used > before || result != MANIFEST_MORE);
    } while (result == MANIFEST_MORE);
    assert_int_equal(result, MANIFEST_READ);
    json_free(&json); /* the manifest must do without */
    for (unsigned steps = 1;; steps++) {
        uint64_t before = worker.work.used;
        bool done = manifest_sort(manifest, &worker.work, before + units);
        assert_in_range(worker.work.used - before, 0, units + 2048);
        if (done)
            return steps;
    }
}

static void make(struct buffer *text, const unsigned *numbers, unsigned count)
{
    buffer_append_byte(text, '{');
    for (unsigned i = 0; i < count; i++)
        quoted_append(text, "%s'%s%05u': %u", i ? "," : "", numbers[i] % 3 ? "x" : "\\u0078", numbers[i],
                      numbers[i]);
    buffer_append_byte(text, '}');
}

static void check(const struct manifest *manifest, unsigned count)
{
    assert_int_equal(manifest->count, count);
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "x%05u", i);
        assert_true(slice_equal(manifest->entries[i].id, slice_text(id)));
        assert_int_equal(manifest->entries[i].version, i);
    }
}

static void sorts_whatever_comes(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static const unsigned counts[] = {0, 1, 2, 3, 5, 8, 511, 512, 513, 1024, 1025, MOST};
    uint64_t random = 1;
    for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++)
        for (unsigned shuffled = 0; shuffled < 2; shuffled++) {
            unsigned numbers[MOST];
            struct buffer text = {0};
            struct manifest manifest = {0};
            for (unsigned i = 0; i < counts[c]; i++)
                numbers[i] = i;
            for (unsigned i = counts[c]; shuffled && i > 1; i--) {
                unsigned other = world_random(&random, i), number = numbers[i - 1];
                numbers[i - 1] = numbers[other];
                numbers[other] = number;
            }
            make(&text, numbers, counts[c]);
            unsigned steps = read_sorted(&manifest, &text, 1);
            assert_true(shuffled || steps == 1); /* nothing is to be done */
            assert_true(!shuffled || counts[c] < MOST || steps > 20);
            check(&manifest, counts[c]);
            assert_true(manifest_in_range(&manifest));
            manifest_free(&manifest);
            buffer_free(&text);
        }
}

static void knows_what_is_outside_its_range(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        bool inside;
    } rows[] = {
        {NULL, NULL, true}, {"b", NULL, true}, {"c", NULL, false}, {NULL, "e", true}, {NULL, "d", false}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer text = {0};
        struct manifest manifest = {0};
        if (rows[i].from)
            manifest.from = slice_text(rows[i].from);
        if (rows[i].to)
            manifest.to = slice_text(rows[i].to);
        buffer_append_text(&text, Q("{'d':1,'b':2,'c':3}"));
        (void)read_sorted(&manifest, &text, 1000);
        assert_int_equal(manifest_in_range(&manifest), rows[i].inside);
        assert_true(slice_equal(manifest.entries[0].id, SLICE("b")));
        manifest_free(&manifest);
        buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_whatever_comes),
        cmocka_unit_test(knows_what_is_outside_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
