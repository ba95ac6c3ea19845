"""examples/follow.py, which authors of clients read: it ends up with the server's documents whatever happens."""

import asyncio
import json
import os
import signal
import sys

from client import Client
from configuration import configuration, password
from past import put_back, take_copy
from server import TOP, wait_until_async

FOLLOW = os.path.join(TOP, 'examples', 'follow.py')


class Follower:
    """The program, and what it has printed."""

    def __init__(self, server, *collections, user='reader'):
        self.server = server
        self.file = os.path.join(server.directory, 'copy')
        self.arguments = ['--copy', self.file, server.url, user, *collections]
        self.environment = {**os.environ, 'DISPATCHD_PASSWORD': password(user)}
        self.process = None
        self.lines = []
        self.reader = None

    async def start(self):
        self.lines.clear()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, FOLLOW, *self.arguments, env=self.environment, stdout=asyncio.subprocess.PIPE)
        self.reader = asyncio.ensure_future(self.read())
        return self

    async def read(self):
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip('\n'))

    async def printed(self, text, times=1):
        await wait_until_async(lambda: sum(text in line for line in self.lines) >= times,
                               what=f'"{text}" in {self.lines}')

    async def end(self, number):
        self.process.send_signal(number)
        await self.process.wait()
        await self.reader

    def kept(self, collection):
        """The documents that the file has."""
        with open(self.file, encoding='utf-8') as file:
            return json.load(file)['documents'][collection]


async def test_a_copy_outlives_the_program(server):
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', [{'_id': 'a', 'n': 1}, {'_id': 'b', 'n': 1}])
    follower = await Follower(server, 'notes').start()
    await follower.printed('up to date: 2 notes')
    await writer.call('update', 'notes', {'_id': 'a', 'changes': {'n': 2}})
    await writer.call('remove', 'notes', {'_id': 'b'})
    await follower.printed('notes: b is gone')
    assert follower.lines[-2:] == ['notes: a is now {"_id": "a", "_version": 1, "n": 2}', 'notes: b is gone']
    await follower.end(signal.SIGINT)
    assert follower.kept('notes') == writer.copy('notes')
    await writer.call('insert', 'notes', {'_id': 'c'})
    await follower.start()
    await follower.printed('up to date')
    assert follower.lines == ['notes: c is now {"_id": "c", "_version": 1}', 'up to date: 2 notes']
    await wait_until_async(lambda: follower.kept('notes') == writer.copy('notes'), what='a file that has everything')
    # It comes back to a server that has started anew.
    await asyncio.to_thread(server.restart)
    await follower.printed('up to date', 2)
    await follower.end(signal.SIGKILL)
    await follower.start()
    await follower.printed('up to date')
    assert follower.lines == ['up to date: 2 notes']
    await follower.end(signal.SIGINT)


async def test_stopped_until_it_was_cut_off(make_server):
    """Meanwhile a document was removed and another one came in its place, and the change log forgot of it."""
    server = make_server(config=configuration(change_log_entries=10, ping_interval_ms=100))
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'old'})
    follower = await Follower(server, 'notes').start()
    await follower.printed('up to date')
    connections = sum(server.connections())
    follower.process.send_signal(signal.SIGSTOP)
    await wait_until_async(lambda: sum(server.connections()) < connections, what='the connection being closed')
    await writer.call('remove', 'notes', {'_id': 'x'})
    for i in range(30):
        await writer.call('insert', 'notes', {'_id': f'other {i}'})
    await writer.call('insert', 'notes', {'_id': 'x', 'v': 'new'})
    follower.process.send_signal(signal.SIGCONT)
    await follower.printed('up to date', 2)
    assert any('x is now' in line and '"v": "new"' in line for line in follower.lines)
    await follower.end(signal.SIGINT)
    assert follower.kept('notes') == writer.copy('notes')


async def test_a_store_that_was_put_back(server):
    writer = await Client.connect(server, 'editor')
    await writer.call('insert', 'notes', [{'_id': 'x', 'v': 'old'}, {'_id': 'removed'}])
    path = take_copy(server, 'backup')
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'lost'}})
    await writer.call('insert', 'notes', {'_id': 'y', 'v': 'lost'})
    await writer.call('remove', 'notes', {'_id': 'removed'})
    follower = await Follower(server, 'notes').start()
    await follower.printed('up to date: 2 notes')
    await follower.end(signal.SIGINT)
    await asyncio.to_thread(server.kill_all)
    put_back(server, path)
    await asyncio.to_thread(server.start)
    writer = await Client.connect(server, 'editor')
    await writer.call('update', 'notes', {'_id': 'x', 'changes': {'v': 'new'}})
    await writer.synchronize('notes')
    await follower.start()
    await follower.printed('up to date: 2 notes')
    await follower.end(signal.SIGINT)
    assert follower.kept('notes') == writer.copy('notes')


async def test_a_collection_that_it_may_not_see(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('insert', 'secrets', {'_id': 's'})
    follower = await Follower(server, 'secrets', 'notes').start()
    await follower.printed('up to date: 0 secrets, 0 notes')
    await admin.call('set_group', 'users', {'user_id': 'reader', 'group_id': 'insiders', 'member': True})
    await follower.printed('secrets: s is now')
    await admin.call('set_group', 'users', {'user_id': 'reader', 'group_id': 'insiders', 'member': False})
    await follower.printed('secrets: s is gone')
    await follower.end(signal.SIGINT)
