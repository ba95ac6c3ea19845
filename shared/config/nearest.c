#include "shared/config/nearest.h"

#include <string.h>

struct nearest nearest_to(struct slice name)
{
    /* One slip in three letters may be a slip; more is another word. */
    return (struct nearest){.name = name, .distance = (name.length < 3 ? 1 : name.length / 3) + 1};
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char letter(char byte)
{
    return byte == '-' ? '_' : byte;
}

/* The optimal string alignment distance; rows are kept for three lengths of @a. */
static size_t distance(struct slice a, struct slice b)
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
            char x = letter(a.data[i - 1]);
            char y = letter(b.data[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == letter(b.data[j - 2]) && letter(a.data[i - 2]) == y)
                row[j] = smaller(row[j], twice[j - 2] + 1);
        }
    }
    return rows[a.length % 3][b.length];
}

void nearest_offer(struct nearest *nearest, const char *known)
{
    struct slice candidate = slice_text(known);
    if (nearest->name.length > NEAREST_BYTES || candidate.length > NEAREST_BYTES)
        return;
    size_t steps = distance(nearest->name, candidate);
    if (steps < nearest->distance) {
        nearest->best = known;
        nearest->distance = steps;
    }
}
