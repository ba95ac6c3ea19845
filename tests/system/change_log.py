"""The change log of a store, read from LMDB beside the running server: everything that was committed, in its order,
also what no client is ever sent (sessions, credentials)."""

import ctypes
import ctypes.util
import struct
from typing import NamedTuple

READ_ONLY, SET_RANGE, NEXT, NOT_FOUND = 0x20000, 17, 8, -30798
HEADER = struct.Struct('<BHQQHHH')  # removed, number of the collection, version, seq before, three lengths
LMDB = ctypes.CDLL(ctypes.util.find_library('lmdb') or 'liblmdb.so.0')


class Value(ctypes.Structure):
    _fields_ = [('size', ctypes.c_size_t), ('data', ctypes.c_void_p)]

    @classmethod
    def of(cls, data):
        return cls(len(data), ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p))

    @property
    def bytes(self):
        return ctypes.string_at(self.data, self.size)


class Entry(NamedTuple):
    seq: int
    collection: str
    id: str
    version: int
    removed: bool


def check(code):
    assert code == 0, f'LMDB: {code}'


def walk(transaction, database, start):
    """(key, value) in order, from the first key that is not below @start."""
    dbi, cursor = ctypes.c_uint(), ctypes.c_void_p()
    check(LMDB.mdb_dbi_open(transaction, database, 0, ctypes.byref(dbi)))
    check(LMDB.mdb_cursor_open(transaction, dbi, ctypes.byref(cursor)))
    key, value = Value.of(start), Value()
    code = LMDB.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), SET_RANGE)
    while code != NOT_FOUND:
        check(code)
        yield key.bytes, value.bytes
        code = LMDB.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), NEXT)
    LMDB.mdb_cursor_close(cursor)


def read_change_log(directory, after):
    """The entries behind the sequence number @after."""
    environment, transaction = ctypes.c_void_p(), ctypes.c_void_p()
    check(LMDB.mdb_env_create(ctypes.byref(environment)))
    try:
        check(LMDB.mdb_env_set_maxdbs(environment, ctypes.c_uint(8)))
        check(LMDB.mdb_env_open(environment, directory.encode(), READ_ONLY, 0o600))
        check(LMDB.mdb_txn_begin(environment, None, READ_ONLY, ctypes.byref(transaction)))
        prefix = b'collection/'
        names = {value[:2]: key[len(prefix):].decode() for key, value in walk(transaction, b'meta', prefix)
                 if key.startswith(prefix)}
        entries = []
        for key, value in walk(transaction, b'log', struct.pack('>Q', after + 1)):
            removed, number, version, _, length, _, _ = HEADER.unpack_from(value)
            key_of_document = value[HEADER.size:HEADER.size + length].decode()
            entries.append(Entry(struct.unpack('>Q', key)[0], names[struct.pack('<H', number)], key_of_document,
                                 version, bool(removed)))
        LMDB.mdb_txn_abort(transaction)
        return entries
    finally:
        LMDB.mdb_env_close(environment)
