"""Somebody whose copies outlive its connections, as in an application: it resumes where it stopped, syncs when it is
told to, and logs in again when its session ended."""

import asyncio
import socket

import websockets

from client import CallError, Client
from configuration import password

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

    def take(self, message):
        if self.messages_left == 0 or self.person is None:
            return
        super().take(message)
        self.messages.clear()
        self.person.took(self, message)
        if self.messages_left:
            self.messages_left -= 1
            if self.messages_left == 0:
                self.socket.transport.abort()

    def take_transaction(self, operation, data):
        then = self.person.then.pop(data['tid'], None) if operation == 'fulfill' else None
        if then:
            then(data)
        super().take_transaction(operation, data)


class Person:
    def __init__(self, server, user, collections):
        self.server = server
        self.user = user
        self.token = server.tokens[user]
        self.collections = collections
        self.copy = {}         # {collection: {id: document}}
        self.position = None   # {"epoch", "seq"} up to which the copies are complete; None: never yet
        self.complete = False  # they are, and follow the changes
        self.must_sync = True  # resume cannot tell what is missing
        self.line = None
        self.then = {}         # {tid: what is done when the answer arrives}
        self.counts = {'resync': 0, 'amend': 0, 'connections': 0, 'resumes': 0, 'refused resumes': 0, 'log-ins': 0}
        self.news = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self.live())

    # ---- what arrives ----

    def took(self, line, message):
        if line is not self.line:
            return
        operation = message['operation']
        if operation in ('resync', 'amend'):
            self.counts[operation] += 1
        if operation == 'resync':
            self.complete, self.must_sync = False, True
        elif operation == 'deauthorize':
            self.complete = False
        elif self.complete and 'seq' in message:
            self.position['seq'] = message['seq']
        self.news.set()

    def done(self, data):
        """The last answer of a sync of everything, or that of resume: from here on the changes are enough."""
        if data['success'] and not self.must_sync:
            self.position = dict(data['data'])
            self.complete = True

    def let_go(self, collection, data):
        if not data['success'] and data['data']['code'] == 'forbidden':
            self.copy.pop(collection, None)

    # ---- what it does ----

    async def live(self):
        while True:
            try:
                await self.follow()
            except BROKEN:
                self.complete = False
            except CallError as error:
                # The session ended in the middle; what the call was for is done again.
                assert error.code in ('unauthorized', 'unavailable', 'busy'), error
                self.complete = False
            if self.line and self.line.failure:
                raise self.line.failure
            await asyncio.sleep(0)

    async def follow(self):
        if self.line is None or self.line.reader.done():
            line = await connect_with_small_buffer(self.server, kind=Line)
            line.person, line.replica, self.line = self, self.copy, line
            self.then.clear()
            self.counts['connections'] += 1
        await self.authorize()
        if not self.must_sync:
            await self.resume()
        while self.must_sync:
            self.must_sync = False
            try:
                await self.synchronize()
            except (CallError, *BROKEN):
                self.must_sync = True
                raise
        while self.complete and not self.line.reader.done():
            self.news.clear()
            await self.news_or_end()

    async def news_or_end(self):
        news = asyncio.ensure_future(self.news.wait())
        await asyncio.wait([news, self.line.reader], return_when=asyncio.FIRST_COMPLETED)
        news.cancel()

    async def authorize(self):
        self.complete = False
        try:
            await self.line.call('authorize_by_token', 'users', {'token': self.token})
        except CallError as error:
            assert error.code == 'unauthorized', error
            self.counts['log-ins'] += 1
            answer = await self.line.call('authorize_by_login', 'users', {
                'username': self.user, 'password': password(self.user)})
            self.token = answer['token']

    async def call_then(self, then, *arguments):
        self.line.next_tid += 1
        self.then[self.line.next_tid] = then
        return await self.line.call(*arguments, tid=self.line.next_tid)

    async def resume(self):
        self.counts['resumes'] += 1
        try:
            await self.call_then(self.done, 'resume', None, dict(self.position))
        except CallError as error:
            if error.code != 'resync_required':
                raise
            self.counts['refused resumes'] += 1
            self.must_sync = True

    async def synchronize(self):
        for name in self.collections:
            manifest = {key: document['_version'] for key, document in self.copy.get(name, {}).items()}
            last = name == self.collections[-1]
            try:
                await self.call_then(self.done if last else lambda data, n=name: self.let_go(n, data),
                                     'sync', name, manifest)
            except CallError as error:
                if error.code != 'forbidden' or last:
                    raise

    # ---- what is done to it ----

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

    async def end(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.cut_off()
