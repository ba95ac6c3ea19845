"""Somebody whose copies outlive its connections, as in an application: it resumes where it stopped, syncs when it is
told to, and logs in again when its session ended. What it does with what comes is in kept_copy.py."""

import asyncio
import socket

import websockets

from client import RANGE, CallError, Client
from configuration import password
from kept_copy import KeptCopy, Killed
from server import PATIENCE

BROKEN = (OSError, websockets.WebSocketException)  # how a connection ends


async def connect_with_small_buffer(server, user=None, kind=Client, **options):
    """A client that takes little in advance: what it does not read waits in the server."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    connected.connect(('127.0.0.1', server.port))
    connected.setblocking(False)
    return await kind.connect(server, user, sock=connected, **options)


def stop_reading(client):
    client.paused.clear()
    client.socket.transport.pause_reading()


def go_on_reading(client):
    if not client.socket.transport.is_closing():
        client.socket.transport.resume_reading()
    client.paused.set()


class Line(Client):
    """One connection of a person; what must be in its place among the messages is done when they arrive."""

    person = None
    messages_left = None  # after so many more it is cut off
    narrowed = False      # its subscription

    def take(self, message):
        if self.messages_left == 0 or self.person is None or self.person.line is not self:
            return
        try:
            super().take(message)
            self.person.took(message)
        except Killed:
            self.person.die()
        self.messages.clear()
        self.replica.clear()
        if self.messages_left and message['operation'] != 'ping':
            self.messages_left -= 1
            if self.messages_left == 0:
                self.socket.transport.abort()

    def take_transaction(self, operation, data):
        then = self.person.then.pop(data['tid'], None) if operation == 'fulfill' else None
        if then:
            then(data)
        super().take_transaction(operation, data)


class Person:
    range = RANGE   # ids in one message of sync
    resumes = True  # or it always syncs

    def __init__(self, server, user, collections):
        self.server = server
        self.user = user
        self.token = server.tokens[user]
        self.collections = collections
        self.kept = self.load()
        self.wish = None                   # what it wants to follow; None: all
        self.followed = list(collections)  # what it follows
        self.line = None
        self.cut_off_next = None  # after how many messages the next connection breaks
        self.chosen = False      # what it wants, on this connection
        self.may_resume = False  # not again what was refused on this connection
        self.then = {}           # {tid: what is done when the answer arrives}
        self.counts = {'resync': 0, 'amend': 0, 'connections': 0, 'resumes': 0, 'refused resumes': 0, 'syncs': 0,
                       'log-ins': 0, 'kills': 0}
        self.ending = False
        self.alive = asyncio.Event()  # else it does not come back
        self.alive.set()
        self.news = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self.live())

    def load(self):
        return KeptCopy(self.collections)

    @property
    def copy(self):
        """{collection: {id: document}}"""
        return self.kept.documents

    @property
    def complete(self):
        return self.line is not None and self.chosen and self.kept.complete.issuperset(self.followed)

    @property
    def finished(self):
        """Complete, and nothing in the copies is newer than their positions."""
        return self.complete and all(self.kept.marks[name].unfinished is None for name in self.followed)

    # ---- what arrives ----

    def took(self, message):
        operation = message['operation']
        if operation in ('resync', 'amend'):
            self.counts[operation] += 1
        if operation == 'resync':
            self.may_resume = False
        self.kept.take(message)
        self.news.set()

    def die(self):
        """What was not written is lost."""
        self.counts['kills'] += 1
        self.line.socket.transport.abort()
        self.line.paused.set()
        self.line = None
        self.then.clear()
        self.kept = self.load()
        self.news.set()

    # ---- what it does ----

    async def live(self):
        while not self.ending:
            await self.alive.wait()
            line = self.line
            try:
                await self.follow()
            except BROKEN:
                await asyncio.sleep(0.01)
            except CallError as error:
                # The session ended in the middle; what the call was for is done again.
                assert error.code in ('unauthorized', 'unavailable', 'busy'), error
            if line and line.failure:
                raise line.failure
            await asyncio.sleep(0)

    async def follow(self):
        if self.line is None or self.line.reader.done():
            line = await connect_with_small_buffer(self.server, kind=Line)
            line.person, self.line = self, line
            line.messages_left, self.cut_off_next = self.cut_off_next, None
            self.then.clear()
            self.counts['connections'] += 1
        line = self.line
        self.kept.interrupt()
        self.may_resume = self.resumes
        await self.authorize()
        self.chosen = False
        while line is self.line and not line.reader.done():
            self.news.clear()
            if not self.chosen:
                self.chosen = True
                await self.choose()
            elif not self.complete:
                await self.catch_up()
            else:
                await self.wait(line)

    async def choose(self):
        """The copies of the collections that it does not want now stay as they are."""
        self.followed = list(self.wish or self.collections)
        self.kept.leave_out([name for name in self.collections if name not in self.followed])
        if self.line and (self.wish or self.line.narrowed):
            self.line.narrowed = bool(self.wish)
            await self.call('subscribe', data={'collections': self.wish and self.followed})

    async def wait(self, line):
        """Until something has come."""
        news = asyncio.ensure_future(self.news.wait())
        await asyncio.wait([news, line.reader], return_when=asyncio.FIRST_COMPLETED)
        news.cancel()

    async def call(self, *arguments, **options):
        if self.line is None:
            raise ConnectionError('killed')
        return await self.line.call(*arguments, **options)

    async def authorize(self):
        try:
            await self.call('authorize_by_token', 'users', {'token': self.token})
        except CallError as error:
            if error.code != 'unauthorized':
                raise
            self.counts['log-ins'] += 1
            answer = await self.call('authorize_by_login', 'users', {
                'username': self.user, 'password': password(self.user)})
            self.token = answer['token']

    async def call_then(self, then, *arguments):
        if self.line:
            self.line.next_tid += 1
            self.then[self.line.next_tid] = then
        return await self.call(*arguments, tid=self.line and self.line.next_tid)

    async def catch_up(self):
        """Those copies that have come equally far, by one of the two ways."""
        marks = self.kept.marks
        behind = [name for name in self.followed if name not in self.kept.complete]
        names = [name for name in behind if marks[name] == marks[behind[-1]]]
        if not await self.resume(names, marks[names[0]]):
            await self.synchronize(names)

    async def resume(self, names, mark):
        """True: it need not sync, or was told so only meanwhile."""
        if mark.position is None or not self.may_resume:
            return False
        kept, before = self.kept, self.kept.interruptions

        def done(data):
            if data['success'] and kept.interruptions == before:
                kept.answered(names, data['data'])
        self.counts['resumes'] += 1
        try:
            await self.call_then(done, 'resume', None, mark.said())
        except CallError as error:
            if error.code != 'resync_required':
                raise
            self.counts['refused resumes'] += 1
            self.may_resume = False
            return False
        return True

    async def synchronize(self, names):
        kept, before, answers, missing = self.kept, self.kept.interruptions, [], set()
        parts = [(name, part) for name in names for part in kept.parts(name, self.range)]

        def done(name, data, last):
            if data['success']:
                answers.append(data['data'])
            elif data['data']['code'] == 'forbidden':
                kept.let_go(name)
            elif data['data']['code'] == 'unknown_collection':
                missing.add(name)
            if last and answers and kept.interruptions == before:
                kept.answered([each for each in names if each not in missing], answers[-1])
        self.counts['syncs'] += 1
        for i, (name, part) in enumerate(parts):
            try:
                await self.call_then(lambda data, n=name, last=i == len(parts) - 1: done(n, data, last),
                                     'sync', name, kept.sync_data(name, part))
            except CallError as error:
                if error.code not in ('forbidden', 'unknown_collection'):
                    raise
        if not answers:  # it may see none of them: this tells how far that is true
            await self.call_then(lambda data: done(None, data, True), 'sync', None, {'manifests': {}})
        self.followed = [name for name in self.followed if name not in missing]  # left out, as long as it is not there

    # ---- what is done to it ----

    def want(self, names):
        """From now on, on the same connection."""
        self.wish = names
        self.chosen = False
        self.news.set()

    def pause(self):
        if self.line:
            stop_reading(self.line)

    def go_on(self):
        if self.line:
            go_on_reading(self.line)

    def spare(self):
        """Whether it is connected and has complete copies; it is not cut off from now on."""
        if not self.complete or self.line.reader.done() or self.line.messages_left == 0:
            return False
        self.line.messages_left = None
        return True

    def cut_off(self, after=0):
        """The connection breaks, at once or after some more messages."""
        if self.line and after:
            self.line.messages_left = after
        elif self.line:
            self.line.messages_left = 0
            self.line.socket.transport.abort()
            self.line.paused.set()

    async def leave(self):
        """Goes away, with what it keeps."""
        await self.end()
        if not self.task.cancelled() and self.task.exception():
            raise self.task.exception()
        self.line = None

    def come_back(self):
        self.ending = False
        self.task = asyncio.get_running_loop().create_task(self.live())

    async def visit(self, messages):
        """Comes back, until the connection breaks after so many messages."""
        self.cut_off_next = messages
        try:
            await self.follow()
        except BROKEN:
            pass
        if self.line.failure:
            raise self.line.failure
        self.line = None

    async def end(self):
        self.ending = True
        self.cut_off()
        for _ in range(PATIENCE * 10):  # asyncio.wait_for() may lose a cancellation; it does not connect anew then
            if self.task.done():
                return
            self.task.cancel()
            await asyncio.wait([self.task], timeout=0.1)
        raise AssertionError(f'{self.user} goes on: {self.task!r}, {self.task.get_stack()}')
