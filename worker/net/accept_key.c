#include "worker/net/accept_key.h"

#include <stdint.h>

/*
 * SHA-1 (RFC 3174) of a text that always has the same length, and base64 (RFC 4648) of the result. The digest
 * is no secret and protects nothing here: it only shows that the server speaks WebSocket.
 */

enum {
    BLOCK = 64,
    DIGEST = 20,
    ROUNDS = 80,
    GUID_LENGTH = 36,
    TEXT_LENGTH = CLIENT_KEY_LENGTH + GUID_LENGTH
};

static const char GUID[GUID_LENGTH + 1] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static uint32_t accept_key_rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void sha1_block(uint32_t hash[5], const uint8_t block[BLOCK])
{
    uint32_t schedule[ROUNDS];
    for (unsigned i = 0; i < 16; i++)
        schedule[i] = big_endian(block + (size_t)i * 4);
    for (unsigned i = 16; i < ROUNDS; i++)
        schedule[i] =
            accept_key_rotate(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);

    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t mixed;
        if (i < 20)
            mixed = ((b & c) | (~b & d)) + 0x5A827999;
        else if (i < 40)
            mixed = (b ^ c ^ d) + 0x6ED9EBA1;
        else if (i < 60)
            mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
        else
            mixed = (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = accept_key_rotate(a, 5) + mixed + e + schedule[i];
        e = d;
        d = c;
        c = accept_key_rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

/* The text is 60 bytes: with its padding it takes exactly two blocks. */
static void sha1_text(const uint8_t text[TEXT_LENGTH], uint8_t digest[DIGEST])
{
    uint8_t blocks[2 * BLOCK] = {0};
    memcpy(blocks, text, TEXT_LENGTH);
    blocks[TEXT_LENGTH] = 0x80;
    blocks[2 * BLOCK - 2] = (uint8_t)((TEXT_LENGTH * 8) >> 8);
    blocks[2 * BLOCK - 1] = (uint8_t)(TEXT_LENGTH * 8);
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    sha1_block(hash, blocks);
    sha1_block(hash, blocks + BLOCK);
    for (unsigned i = 0; i < DIGEST; i++)
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
}

void accept_key(struct slice client_key, char out[ACCEPT_KEY_LENGTH + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t text[TEXT_LENGTH];
    memcpy(text, client_key.data, CLIENT_KEY_LENGTH);
    memcpy(text + CLIENT_KEY_LENGTH, GUID, GUID_LENGTH);
    uint8_t digest[DIGEST + 1] = {0};
    sha1_text(text, digest);
    for (unsigned i = 0; i < ACCEPT_KEY_LENGTH / 4; i++) {
        uint32_t group = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (unsigned j = 0; j < 4; j++)
            out[4 * i + j] = letters[group >> (18 - 6 * j) & 63];
    }
    out[ACCEPT_KEY_LENGTH - 1] = '=';
    out[ACCEPT_KEY_LENGTH] = '\0';
}
