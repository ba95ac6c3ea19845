#include "shared/config/nearest.h"

#include <string.h>

struct nearest nearest_to(struct slice name)
{
    /* One slip in three letters may be a slip; more is another word. */
    return (struct nearest){.name = name, .distance = (name.length < 3 ? 1 : name.length / 3) + 1};
}

static size_t smaller_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char fold_letter(char byte)
{
    return byte == '-' ? '_' : byte;
}

/* The optimal string alignment distance; rows are kept for three lengths of @a. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAREST_BYTES + 1];
    for (size_t j = 0; j <= b.length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *twice = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            char x = fold_letter(a.data[i - 1]);
            char y = fold_letter(b.data[j - 1]);
            row[j] = smaller_of(smaller_of(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold_letter(b.data[j - 2]) && fold_letter(a.data[i - 2]) == y)
                row[j] = smaller_of(row[j], twice[j - 2] + 1);
        }
    }
    return rows[a.length % 3][b.length];
}

void nearest_offer(struct nearest *nearest, const char *known)
{
    struct slice candidate = slice_text(known);
    if (nearest->name.length > NEAREST_BYTES || candidate.length > NEAREST_BYTES)
        return;
    size_t steps = edit_distance(nearest->name, candidate);
    if (steps < nearest->distance) {
        nearest->best = known;
        nearest->distance = steps;
    }
}
