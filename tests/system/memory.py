"""The memory of a server's processes, searched for bytes that may not be there any more."""

import array
import contextlib
import itertools
import mmap

from server import status_pids, title, wait_until

PAGE = mmap.PAGESIZE
USED = 3 << 62          # bits of a page's entry in /proc/PID/pagemap: present, swapped out
MAPPING_MOST = 1 << 30  # what is larger is the sanitizers' own, which holds no bytes of the program


def writable(pid):
    """(start, end) of what the process can have written to: heap, stacks, anonymous memory, what processes share.

    The store is left out: it is a file, and what may stand in it is another question.
    """
    with open(f'/proc/{pid}/maps', encoding='utf-8') as maps:
        for line in maps:
            span, rights, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(address, 16) for address in span.split('-'))
            if rights.startswith('rw') and end - start <= MAPPING_MOST and '.mdb' not in ''.join(name):
                yield start, end


def used(pid):
    """(start, end) of the pages among them that there are: reading others would make them."""
    with open(f'/proc/{pid}/pagemap', 'rb') as pagemap:
        for start, end in writable(pid):
            pagemap.seek(start // PAGE * 8)
            entries = array.array('Q', pagemap.read((end - start) // PAGE * 8))
            at = start
            for there, run in itertools.groupby(entries, lambda entry: entry & USED != 0):
                length = sum(1 for _ in run) * PAGE
                if there:
                    yield at, at + length
                at += length


def around(secrets, pid):
    """What stands around each copy of one of @secrets in the memory of a process."""
    found = []
    with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
        for start, end in used(pid):
            data = b''
            with contextlib.suppress(OSError, ValueError):  # the mapping has gone, or is the kernel's
                memory.seek(start)
                data = memory.read(end - start)
            for secret in secrets:
                place = -1
                while (place := data.find(secret, place + 1)) >= 0:
                    found.append(data[max(0, place - 100):place + len(secret) + 100])
    return found


class Memory:
    """All processes of a server, as they are when this is made."""

    def __init__(self, server):
        self.pids = status_pids(server.status())

    def find(self, secrets):
        """[(process, what stands around one of them)]"""
        return [(title(pid), text) for pid in self.pids for text in around(secrets, pid)]

    def holds(self, secret):
        wait_until(lambda: self.find([secret]), what=f'{secret} being in memory, where it must be still')

    def holds_none(self, secrets):
        """Waits until none is anywhere: one may be in use for a moment, as a password is while it is hashed."""
        found = []

        def gone():
            found[:] = self.find(secrets)
            return not found
        try:
            wait_until(gone)
        except AssertionError:
            raise AssertionError(f'in memory: {found}') from None
