#ifndef SHARED_STORE_CHANGE_LOG_H
#define SHARED_STORE_CHANGE_LOG_H

#include "shared/store/environment.h"

/*
 * The change log: u64 seq, big-endian -> the change. An entry: u8 removed, u16 number of the collection, u64
 * version, u64 seq before, u16 each length of id, tag before, tag after; these three; what is left is the
 * document before.
 */
enum { LOG_SEQ_BYTES = 8, LOG_ENTRY_LENGTHS = 1 + 2 + 8 + 8, LOG_ENTRY_HEADER = LOG_ENTRY_LENGTHS + 3 * 2 };

#endif
