#include "client/c/input.h"

#include <stdbool.h>

#include "shared/json/json.h"

static bool begins(struct slice head, const char *with, size_t length)
{
    return head.length >= length && memcmp(head.data, with, length) == 0;
}

/* No text has a NUL; of an ASCII character in UTF-16 one of the two bytes is one. */
static bool is_wide(struct slice head)
{
    return head.length >= 2 && (head.data[0] == '\0') != (head.data[1] == '\0');
}

struct magic {
    const char *bytes;
    size_t length;
    const char *what;
};

static const char *find_magic(struct slice head, const struct magic *magic, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(head, magic[i].bytes, magic[i].length))
            return magic[i].what;
    return NULL;
}

const char *input_foreign(struct slice head, size_t *skip)
{
    static const struct magic marks[] = {
        {"\xFF\xFE\0\0", 4, "it is UTF-32; make it UTF-8 first: iconv -f UTF-32 -t UTF-8"},
        {"\0\0\xFE\xFF", 4, "it is UTF-32; make it UTF-8 first: iconv -f UTF-32 -t UTF-8"},
        {"\xFF\xFE", 2, "it is UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8"},
        {"\xFE\xFF", 2, "it is UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8"},
    };
    const char *what = find_magic(head, marks, sizeof marks / sizeof *marks);
    *skip = begins(head, "\xEF\xBB\xBF", 3) ? 3 : 0;
    if (what || !is_wide(head))
        return what;
    return head.data[0] ? "it is UTF-16; make it UTF-8 first: iconv -f UTF-16LE -t UTF-8"
                        : "it is UTF-16; make it UTF-8 first: iconv -f UTF-16BE -t UTF-8";
}

const char *input_packed(struct slice head)
{
    static const struct magic packers[] = {
        {"PK\x03\x04", 4, "it is a ZIP archive; unpack it first: unzip -p"},
        {"\x28\xB5\x2F\xFD", 4, "it is packed by zstd; unpack it first: zstd -dc"},
        {"\xFD\x37\x7A\x58\x5A\0", 6, "it is packed by xz; unpack it first: xz -dc"},
        {"BZh", 3, "it is packed by bzip2; unpack it first: bzip2 -dc"},
    };
    return find_magic(head, packers, sizeof packers / sizeof *packers);
}

const char *input_password(struct slice line, struct slice *password)
{
    size_t skip;
    const char *foreign = input_foreign(line, &skip);
    if (foreign)
        return foreign;
    *password = slice_of(line.data + skip, line.length - skip);
    if (password->length > 0 && password->data[password->length - 1] == '\r')
        password->length--;
    if (password->length == 0)
        return "the password is empty";
    return json_utf8_valid(password->data, password->length) ? NULL : "the password is not UTF-8";
}
