#include "shared/base/utf8.h"

enum { WORD = sizeof(uint64_t) };

/* The first byte of a character that is not ASCII: RFC 3629 section 4. */
static bool begin_character(struct utf8_state *state, uint8_t byte)
{
    state->low = 0x80;
    state->high = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        state->missing = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        state->missing = 2;
        if (byte == 0xE0)
            state->low = 0xA0;
        else if (byte == 0xED)
            state->high = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        state->missing = 3;
        if (byte == 0xF0)
            state->low = 0x90;
        else if (byte == 0xF4)
            state->high = 0x8F;
    } else {
        return false;
    }
    return true;
}

/* The length of the run of ASCII at the front, in whole words. */
static size_t ascii_run(const char *data, size_t length)
{
    size_t run = 0;
    for (; length - run >= WORD; run += WORD) {
        uint64_t word;
        memcpy(&word, data + run, WORD);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return run;
}

bool utf8_feed(struct utf8_state *state, struct slice piece)
{
    size_t i = 0;
    while (i < piece.length) {
        if (!state->missing) {
            i += ascii_run(piece.data + i, piece.length - i);
            if (i == piece.length)
                break;
        }
        uint8_t byte = (uint8_t)piece.data[i++];
        if (state->missing) {
            if (byte < state->low || byte > state->high)
                return false;
            state->missing--;
            state->low = 0x80;
            state->high = 0xBF;
        } else if (byte >= 0x80 && !begin_character(state, byte)) {
            return false;
        }
    }
    return true;
}

struct slice utf8_cut(struct slice text, size_t most)
{
    if (text.length <= most)
        return text;
    while (most > 0 && ((unsigned char)text.data[most] & 0xC0) == 0x80)
        most--;
    return slice_of(text.data, most);
}
