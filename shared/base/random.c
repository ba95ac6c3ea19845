#include "shared/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "shared/base/log.h"

/* Asked from the kernel in blocks: one call serves many ids. Emptied by use, so a fork must not share what is
 * left: processes are forked before any id is made. */
static unsigned char pool[256];
static size_t pool_left;

void random_bytes(void *out, size_t length)
{
    unsigned char *at = out;
    while (length) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno != EINTR)
            log_fatal("the kernel gives no random bytes: %m");
        if (got > 0) {
            at += got;
            length -= (size_t)got;
        }
    }
}

uint64_t random_number(void)
{
    uint64_t number;
    random_bytes(&number, sizeof number);
    return number;
}

uint64_t random_epoch(void)
{
    uint64_t epoch;
    do
        epoch = random_number() >> 11;
    while (epoch == 0);
    return epoch;
}

static unsigned char random_byte(void)
{
    if (!pool_left) {
        random_bytes(pool, sizeof pool);
        pool_left = sizeof pool;
    }
    return pool[--pool_left];
}

void random_id(char out[RANDOM_ID_LENGTH + 1])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    enum { LETTERS = sizeof alphabet - 1, EVEN = 256 - 256 % LETTERS };
    for (size_t i = 0; i < RANDOM_ID_LENGTH;) {
        unsigned char byte = random_byte();
        if (byte < EVEN)
            out[i++] = alphabet[byte % LETTERS];
    }
    out[RANDOM_ID_LENGTH] = '\0';
}
