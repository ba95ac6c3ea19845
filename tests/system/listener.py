"""A client that listens to directories: keeps their files, and checks that nothing is told twice."""

import ctypes
import os
import re
import time

from client import Client

TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z')


class Listener(Client):
    def __init__(self, socket_):
        super().__init__(socket_)
        self.files = {}      # {directory: {name: document}}
        self.listed = set()  # directories whose first listing is complete
        self.changes = []    # (operation, directory, [document or name]) after that
        self.resyncs = []    # (directory, whether it goes on listening)
        self.doubled = []    # what it was told though it knew

    async def listen(self, name):
        await self.call('listen', None, {'name': name})
        self.listed.add(name)
        return self.files.setdefault(name, {})

    async def unlisten(self, name):
        await self.call('unlisten', None, {'name': name})
        self.listed.discard(name)
        self.files.pop(name, None)

    def take(self, message):
        name = message['collectionName']
        if message['operation'] == 'resync' and name is not None:
            assert set(message['data']) == {'reason', 'listening'}, message
            self.messages.append(message)
            self.resyncs.append((name, message['data']['listening']))
            self.files[name] = {}
        else:
            super().take(message)

    def take_change(self, message):
        name = message['collectionName']
        if not name.startswith('dir'):
            super().take_change(message)
            return
        assert 'seq' not in message and message['data'], message
        sync = message.get('sync', False)
        assert sync is True or 'sync' not in message, message
        assert sync or name not in self.resyncs or name in self.files, message
        files = self.files.setdefault(name, {})
        if name in self.listed:
            self.changes.append((message['operation'], name, message['data']))
        for item in message['data']:
            if message['operation'] == 'update':
                assert set(item) == {'_id', 'size', 'modified'} and TIME.fullmatch(item['modified']), item
                if files.get(item['_id']) == item:
                    self.doubled.append(item)
                files[item['_id']] = item
            else:
                if item not in files:
                    self.doubled.append(item)
                files.pop(item, None)

    def sizes(self, name):
        return {key: item['size'] for key, item in self.files.get(name, {}).items()}

    async def until_like(self, name, path, seconds=None, listed=lambda file: True):
        """Until it holds what the directory holds."""
        def same():
            return self.sizes(name) == sizes_in(path, listed)
        await self.until(same, **({'seconds': seconds} if seconds else {}))


def sizes_in(path, listed=lambda file: True):
    """The regular files that are there, each with its size."""
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries
                    if entry.is_file(follow_symlinks=False) and listed(entry.name)}
    except FileNotFoundError:
        return {}


def write(path, content):
    with open(path, 'wb') as file:
        file.write(content)


def cost_of_watch_us(path):
    """What the kernel itself takes to begin a watch, in one call: it goes through all files that it has in memory."""
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(0)
    before = time.thread_time_ns()
    assert libc.inotify_add_watch(descriptor, os.fsencode(path), 2) >= 0
    used = time.thread_time_ns() - before
    os.close(descriptor)
    return used // 1000


def watches(pid):
    """The inotify watches of a process, as the kernel shows them."""
    found = []
    for entry in os.listdir(f'/proc/{pid}/fdinfo'):
        with open(f'/proc/{pid}/fdinfo/{entry}', encoding='ascii') as file:
            found += [line for line in file if line.startswith('inotify ')]
    return found
