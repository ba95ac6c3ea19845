#include "shared/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"

void *memory_allocate(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        log_fatal("out of memory: %zu bytes were asked for", bytes);
    return memory;
}

void *memory_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        log_fatal("out of memory: %zu elements of %zu bytes were asked for", count, size);
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        log_fatal("out of memory: %zu elements of %zu bytes were asked for", count, size);
    size_t bytes = count * size;
    void *memory = realloc(old, bytes ? bytes : 1);
    if (!memory)
        log_fatal("out of memory: %zu bytes were asked for", bytes);
    return memory;
}

char *memory_copy(const void *data, size_t length)
{
    if (length == SIZE_MAX)
        log_fatal("out of memory: %zu bytes were asked for", length);
    char *copy = memory_allocate(length + 1);
    if (length)
        memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

void memory_wipe(void *memory, size_t bytes)
{
    if (bytes)
        explicit_bzero(memory, bytes);
}

void memory_release(void *memory, size_t used)
{
    if (!memory)
        return;
    memory_wipe(memory, used);
    free(memory);
}

void memory_release_text(char *text)
{
    if (text)
        memory_release(text, strlen(text));
}
