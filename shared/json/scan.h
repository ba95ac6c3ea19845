#ifndef SHARED_JSON_SCAN_H
#define SHARED_JSON_SCAN_H

/* Scanning of text, inlined into the parser's loops. Only for the files of shared/json. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/** Length (2 to 4) of the well-formed sequence that starts with the byte >= 0x80 at @at, 0 when it is
 * not well-formed (RFC 3629). */
static inline size_t json_utf8_sequence(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (byte[0] >= 0xC2 && byte[0] <= 0xDF)
        return left >= 2 && json_continuation(byte[1]) ? 2 : 0;
    if ((byte[0] & 0xF0) == 0xE0) {
        /* E0 80..9F would be overlong, ED A0..BF a surrogate. */
        unsigned char low = byte[0] == 0xE0 ? 0xA0 : 0x80;
        unsigned char high = byte[0] == 0xED ? 0x9F : 0xBF;
        return left >= 3 && byte[1] >= low && byte[1] <= high && json_continuation(byte[2]) ? 3 : 0;
    }
    if (byte[0] >= 0xF0 && byte[0] <= 0xF4) {
        /* F0 80..8F would be overlong, F4 90.. above U+10FFFF. */
        unsigned char low = byte[0] == 0xF0 ? 0x90 : 0x80;
        unsigned char high = byte[0] == 0xF4 ? 0x8F : 0xBF;
        return left >= 4 && byte[1] >= low && byte[1] <= high && json_continuation(byte[2]) &&
                       json_continuation(byte[3])
                   ? 4
                   : 0;
    }
    return 0;
}

/** The first byte from @at on that is a quote, a backslash, a control character or not ASCII; @end when there
 * is none. */
static inline const char *json_plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* As signed numbers the bytes from 0x80 on are negative: one comparison finds them and the control
         * characters. */
        __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return at;
}

#endif
