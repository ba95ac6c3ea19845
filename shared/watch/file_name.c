#include "shared/watch/file_name.h"

#include "shared/base/utf8.h"

bool file_name_is_valid(struct slice name)
{
    struct utf8_state state = {0};
    if (name.length < 1 || name.length > FILE_NAME_MOST || !utf8_feed(&state, name) || state.missing)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f)
            return false;
    return true;
}
