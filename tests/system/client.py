"""A client as an application would have one: it calls, keeps copies, and checks what the protocol promises."""

import asyncio
import json
import socket

import websockets

from configuration import password
from server import PATIENCE
from watch import WATCH, check_said_once

NOTHING = object()


class CallError(Exception):
    """A fulfill that says success: false."""

    def __init__(self, data):
        super().__init__(f'{data.get("code")}: {data.get("message")}')
        check_said_once(data['message'])
        self.data = data
        self.code = data['code']
        self.message = data['message']


RANGE = 2000  # ids in one message


def ranges(manifest):
    """A manifest in one piece, or what to send when it may be too large for one message."""
    ids = sorted(manifest, key=str.encode)
    if len(ids) <= RANGE:
        return [manifest]
    bounds = [None, *ids[RANGE::RANGE], None]
    return [{'manifest': {key: manifest[key] for key in ids[n * RANGE:(n + 1) * RANGE]},
             **{key: value for key, value in (('from', bounds[n]), ('to', bounds[n + 1])) if value is not None}}
            for n in range(len(bounds) - 1)]


class Client:
    everyone = []  # of this test

    def __init__(self, socket_):
        self.socket = socket_
        self.messages = []        # everything that came, pings excepted
        self.pings = 0
        self.epoch = None         # of the server that it is connected to
        self.place = None         # {"epoch", "seq"} of the last ping that had them
        self.complete_seq = 0     # all changes up to this one have come
        self.settled = False      # and nothing newer
        self.replica = {}         # {collection: {id: document}}, changed in the order of arrival
        self.last_seq = 0
        self.open_calls = {}      # {tid: future}
        self.progress = {}        # {tid: [data of each update]}
        self.finished = set()
        self.log_ins = set()      # tids whose answer brings a token
        self.syncs = set()        # tids of sync and resume
        self.next_tid = 0
        self.close_code = None
        self.close_reason = None
        self.failure = None       # a broken promise of the server
        self.arrived = asyncio.Event()
        self.paused = asyncio.Event()
        self.paused.set()
        self.reader = asyncio.get_running_loop().create_task(self.read())
        self.everyone.append(self)

    @classmethod
    def drop_all(cls):
        """Ends all connections without a word: closing each in good order would take its time."""
        for client in cls.everyone:
            if client.socket.transport:
                client.socket.transport.abort()
        cls.everyone.clear()

    # ---- connecting ----

    @classmethod
    async def connect(cls, server, user=None, token=None, port=None, **options):
        """Connects; as a user with the token made beforehand, or as nobody."""
        if user:
            token = server.tokens[user]
        headers = dict(options.pop('extra_headers', {}))
        if token:
            headers['Authorization'] = f'Bearer {token}'
        options.setdefault('subprotocols', ['dispatchd.1'])
        url = server.url if port is None else f'ws://127.0.0.1:{port}/ws'
        client = cls(await websockets.connect(
            url, extra_headers=headers, max_size=None, max_queue=None, ping_interval=None, compression=None,
            open_timeout=PATIENCE, close_timeout=5, **options))
        if user:
            # The token is checked before the first call is run, so this answers when the connection is authorized.
            await client.call('describe')
        return client

    @classmethod
    async def control(cls, server):
        """A session over the control socket: everything is allowed."""
        local = socket.socket(socket.AF_UNIX)
        local.connect(server.control)
        local.sendall(b'session\n')
        local.setblocking(False)
        return cls(await websockets.connect('ws://local/ws', sock=local, max_size=None, max_queue=None,
                                            ping_interval=None, compression=None, open_timeout=PATIENCE))

    async def log_in(self, user, secret=None):
        return await self.call('authorize_by_login', 'users',
                               {'username': user, 'password': secret or password(user)})

    async def close(self):
        try:
            await self.socket.close()
        except websockets.exceptions.ConnectionClosed:  # the server was faster, or has died
            pass
        await self.reader

    # ---- calling ----

    def begin(self, method, collection=None, data=NOTHING, once=None, tid=None):
        """Sends a call; returns (tid, future of the fulfill's data)."""
        if tid is None:
            self.next_tid += 1
            tid = self.next_tid
        message = {'tid': tid, 'methodName': method}
        if collection is not None:
            message['collectionName'] = collection
        if data is not NOTHING:
            message['data'] = data
        if once is not None:
            message['once'] = once
        WATCH.passwords_of(message.get('data'))
        if collection == 'users' and method in ('authorize_by_login', 'authorize_by_token'):
            self.log_ins.add(tid)
        if method in ('sync', 'resume'):
            self.syncs.add(tid)
        future = asyncio.get_running_loop().create_future()
        self.open_calls[tid] = future
        self.progress[tid] = []
        self.finished.discard(tid)
        return tid, future, json.dumps(message)

    async def start(self, *arguments, **options):
        """Sends a call without waiting; returns the future of its answer."""
        _, future, text = self.begin(*arguments, **options)
        await self.socket.send(text)
        return future

    async def call(self, *arguments, **options):
        """Sends a call and returns the answer; a failure is raised as CallError."""
        answer, _ = await self.call_progress(*arguments, **options)
        return answer

    async def call_progress(self, *arguments, **options):
        """The answer and the data of the transaction's updates before it."""
        tid, future, text = self.begin(*arguments, **options)
        await self.socket.send(text)
        fulfilled = await asyncio.wait_for(future, PATIENCE)
        return result(fulfilled), self.progress[tid]

    async def fails(self, code, *arguments, **options):
        """The call must fail with this code; returns the failure's data."""
        try:
            answer = await self.call(*arguments, **options)
        except CallError as error:
            assert error.code == code, f'{error} instead of {code}'
            assert error.data['warning'] is True
            assert isinstance(error.message, str) and error.message
            return error.data
        raise AssertionError(f'{arguments}: {answer} instead of {code}')

    async def send(self, text):
        await self.socket.send(text)

    async def synchronize(self, *collections):
        """Brings the copies of these collections up to date; returns {"epoch", "seq"}."""
        position = None
        for name in collections:
            manifest = {key: document['_version'] for key, document in self.replica.get(name, {}).items()}
            for part in ranges(manifest):
                answer, progress = await self.call_progress('sync', name, part)
                assert len(progress) == 1 and isinstance(progress[0], int)
                position = position or answer
        return position

    # ---- receiving ----

    async def read(self):
        try:
            while True:
                text = await self.socket.recv()
                await self.paused.wait()
                assert isinstance(text, str), 'a binary message'
                message = json.loads(text)
                WATCH.received(text, 'a frame', self.token_due(message))
                self.take(message)
                self.arrived.set()
        except websockets.exceptions.ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
            self.close_reason = closed.rcvd.reason if closed.rcvd else ''
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error
        finally:
            for future in self.open_calls.values():
                if not future.done():
                    future.set_exception(self.failure or ConnectionError(f'closed with {self.close_code}'))
                    future.exception()  # who does not wait for it need not hear of it
            self.arrived.set()

    def token_due(self, message):
        """The token in the answer of a call that logged in."""
        data = message.get('data')
        if message.get('operation') != 'fulfill' or data['tid'] not in self.log_ins or not data['success']:
            return None
        self.log_ins.discard(data['tid'])
        return data['data'].get('token')

    def take(self, message):
        assert set(message) >= {'operation', 'collectionName', 'data'}, f'keys are missing: {message}'
        operation, name = message['operation'], message['collectionName']
        if operation == 'ping':
            self.take_ping(message)
            return
        self.messages.append(message)
        if name == 'transaction':
            self.take_transaction(operation, message['data'])
        elif operation in ('update', 'remove') and isinstance(name, str):
            self.take_change(message)

    def take_ping(self, message):
        """The first one with an epoch comes before the first change. Its seq is null when what comes next may be newer
        than its number says."""
        place = {key: message[key] for key in ('epoch', 'seq') if key in message}
        assert message == {'operation': 'ping', 'collectionName': None, 'data': None, **place}
        self.pings += 1
        if not place:
            return
        assert self.epoch in (None, place['epoch']), 'another run on the same connection'
        assert 0 < place['epoch'] < 2 ** 53
        self.epoch = place['epoch']
        self.settled = place['seq'] is not None
        if self.settled:
            assert place['seq'] >= self.complete_seq, f'{place} after {self.complete_seq}'
            self.place = place
            self.complete_seq = place['seq']

    def take_transaction(self, operation, data):
        tid = data['tid']
        if operation == 'fulfill' and tid is None:
            return
        assert tid in self.open_calls, f'nobody asked, or it was answered before: {data}'
        if operation == 'update':
            self.progress[tid].append(data['data'])
            return
        assert operation == 'fulfill'
        self.finished.add(tid)
        future = self.open_calls.pop(tid)
        if not future.done():
            future.set_result(data)

    def take_change(self, message):
        copy = self.replica.setdefault(message['collectionName'], {})
        assert self.epoch is not None, f'a change before the first ping: {message}'
        if message.get('sync'):
            assert message['sync'] is True and 'seq' not in message, f'a sync with seq: {message}'
            assert not self.settled or self.syncs & set(self.open_calls), f'no ping with null came before {message}'
        else:
            assert message['seq'] > self.complete_seq, f'seq {message["seq"]} after {self.complete_seq}'
            self.last_seq = self.complete_seq = message['seq']
        assert isinstance(message['data'], list) and message['data']
        for item in message['data']:
            if message['operation'] == 'update':
                assert isinstance(item['_version'], int)
                copy[item['_id']] = item
            else:
                assert isinstance(item, str)
                copy.pop(item, None)

    async def until(self, condition, seconds=PATIENCE):
        """Waits for messages until the condition is true, and returns what it gave."""
        async def wait():
            while True:
                if self.failure:
                    raise self.failure
                if found := condition():
                    return found
                if self.reader.done():
                    raise AssertionError(f'the connection was closed: {self.close_code} {self.close_reason}')
                self.arrived.clear()
                await self.arrived.wait()
        return await asyncio.wait_for(wait(), seconds)

    async def until_closed(self, seconds=PATIENCE):
        await asyncio.wait_for(asyncio.shield(self.reader), seconds)
        if self.failure:
            raise self.failure
        return self.close_code

    def of(self, operation, collection):
        """The messages of this kind that have come."""
        return [m for m in self.messages if m['operation'] == operation and m['collectionName'] == collection]

    def copy(self, collection):
        return self.replica.get(collection, {})


def result(fulfilled):
    if not fulfilled['success']:
        raise CallError(fulfilled['data'])
    return fulfilled['data']


async def connect_to_workers(server, user, count):
    """Clients of the same user, each on another worker: connections go to the worker that has the fewest."""
    before = server.connections()
    clients = [await Client.connect(server, user) for _ in range(count)]
    after = server.connections()
    assert [b - a for a, b in zip(before, after)] == [1] * count, f'{before} became {after}'
    return clients
