#ifndef SHARED_JSON_SALVAGE_H
#define SHARED_JSON_SALVAGE_H

#include "shared/json/json.h"

/*
 * Looks for one member of an object whose text was refused by json_parse(). Where the fault is in what stands in
 * a string, in a key that was there before, or in too many levels (json.error_within), the members behind it can
 * still be told apart; with any other fault those in front of it count. What is found has not been checked: the
 * text of a value ends where one must. Linear, without memory of its own.
 */

enum json_salvage_stage {
    SALVAGE_START,
    SALVAGE_KEY,
    SALVAGE_VALUE,
    SALVAGE_NESTED, /* within the value of a member */
    SALVAGE_BEHIND, /* the value of a member */
    SALVAGE_OVER
};

struct json_salvage {
    const char *name; /* of the member; a C string */
    enum json_salvage_stage stage;
    size_t at, end; /* offsets in the text: how far it is, and where the look ends */
    uint64_t depth; /* of what is open in the value of a member */
    bool named;     /* the member at hand is the one */
    size_t from;    /* where its value begins */
    uint64_t count; /* how often it was found */
    size_t value, length;
};

/** Begins the look in the text that @json has refused. */
void json_salvage_start(struct json_salvage *salvage, const struct json *json, const char *name);

/** A step in the same text, which json->text has, perhaps at another place: *@units (of json_parsing_go_on()) says
 * how many it may take, and then how many it took, up to a string's more. True: it is over. */
[[gnu::warn_unused_result]] bool json_salvage_go_on(struct json_salvage *salvage, const struct json *json,
                                                    uint64_t *units);

/** The text of the member's value; absent when it was not found, or more than once. */
struct slice json_salvage_value(const struct json_salvage *salvage, const struct json *json);

#endif
