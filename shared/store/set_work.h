#ifndef SHARED_STORE_SET_WORK_H
#define SHARED_STORE_SET_WORK_H

/*
 * The currency in which a change set pays for what applying it costs. A unit is about a nanosecond of a
 * processor: what a byte costs that is read, made or compared. The rest is weighed against that.
 */
enum {
    SET_WORK_BYTE_PARSED = 4,
    SET_WORK_OPERATION = 500, /* one of the set: finding the document, its answer */
    SET_WORK_CHANGE = 1500,   /* a document that is put or removed, its entry in the change log */
    SET_WORK_KEY = 500,       /* an entry of an index that is put or removed */
    SET_WORK_KEY_BYTE = 6, /* each of its bytes, of which a page holds the fewer entries the more there are */
    SET_WORK_KEY_LOOKED_AT = 20, /* one that stays */
    SET_WORK_OF_DOCUMENT = 128   /* what each byte of a document may cost when it is changed alone */
};

#endif
