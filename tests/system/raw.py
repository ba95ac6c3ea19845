"""WebSocket by hand: for what a well-behaved client library would not send, and for thousands of light clients."""

import base64
import json
import os
import selectors
import socket
import struct
import time

from server import PATIENCE
from watch import WATCH

TEXT, BINARY, CLOSE, PING, PONG, MORE = 1, 2, 8, 9, 10, 0


def frame(opcode, payload=b'', final=True, mask=True, length=None, reserved=0, key=None):
    """The bytes of a frame, RFC 6455 section 5.2; @length: what the header claims; @key: of the mask, else random."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 65536:
        head += bytes([flag | 126]) + struct.pack('>H', size)
    else:
        head += bytes([flag | 127]) + struct.pack('>Q', size)
    if not mask:
        return head + payload
    key = key or os.urandom(4)
    pad = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = (int.from_bytes(payload, 'big') ^ int.from_bytes(pad, 'big')).to_bytes(len(payload), 'big')
    return head + key + masked


def handshake(*headers, path='/ws', host='localhost', method='GET', version='13', upgrade=True):
    lines = [f'{method} {path} HTTP/1.1']
    if host is not None:
        lines.append(f'Host: {host}')
    if upgrade:
        lines += ['Upgrade: websocket', 'Connection: Upgrade', f'Sec-WebSocket-Version: {version}',
                  'Sec-WebSocket-Key: ' + base64.b64encode(os.urandom(16)).decode()]
    return '\r\n'.join([*lines, *headers, '', '']).encode()


class RawClient:
    """A blocking connection."""

    def __init__(self, server, receive_buffer=None, source=None):
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(('127.0.0.1', server.port))
        self.server = server
        self.received = b''
        self.next_tid = 0
        self.log_ins = 0  # calls whose answer brings a token
        WATCH.receives(self, 'bytes of a raw connection')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_more(self):
        """False at the end of the connection."""
        try:
            chunk = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.received += chunk
        return bool(chunk)

    def request(self, data):
        """Sends a request; returns the status and the head of the answer."""
        self.send(data)
        while b'\r\n\r\n' not in self.received:
            if not self.read_more():
                raise AssertionError(f'the connection ended within the answer: {self.received}')
        head, self.received = self.received.split(b'\r\n\r\n', 1)
        WATCH.received(head, 'the head of an answer')
        return int(head.split(b' ', 2)[1]), head.decode('latin-1')

    def open(self, user=None, *headers):
        """The opening handshake, as a user with a token."""
        if user:
            headers = (*headers, f'Authorization: Bearer {self.server.tokens[user]}')
        status, head = self.request(handshake(*headers))
        assert status == 101, head
        if user:
            self.call('describe')
        return self

    def frame(self):
        """The next frame: (opcode, payload); None at the end of the connection."""
        while True:
            taken = take_frame(self.received)
            if taken:
                opcode, payload, used = taken
                self.received = self.received[used:]
                WATCH.received(payload, 'a frame of a raw connection', self.token_due(payload))
                return opcode, payload
            if not self.read_more():
                return None

    def token_due(self, payload):
        """The token in the answer of a call that logged in."""
        if not self.log_ins or b'"fulfill"' not in payload or b'"token":' not in payload:
            return None
        self.log_ins -= 1
        return json.loads(payload)['data']['data']['token']

    def message(self):
        """The next message that is not a ping."""
        while True:
            item = self.frame()
            assert item is not None, 'the connection ended'
            opcode, payload = item
            if opcode == TEXT:
                message = json.loads(payload)
                if message['operation'] != 'ping':
                    return message
            else:
                assert opcode != CLOSE, f'closed: {payload}'

    def call(self, method, collection=None, data=None):
        """The fulfill's data; other messages that come meanwhile are dropped."""
        self.next_tid += 1
        WATCH.passwords_of(data)
        self.log_ins += collection == 'users' and method.startswith('authorize_by_')
        self.send(frame(TEXT, json.dumps({'tid': self.next_tid, 'methodName': method, 'collectionName': collection,
                                          'data': data})))
        while True:
            message = self.message()
            if message['operation'] == 'fulfill' and message['data']['tid'] == self.next_tid:
                return message['data']

    def close_code(self):
        """Reads to the close frame; its code. None when the connection ends without one."""
        while item := self.frame():
            if item[0] == CLOSE:
                return struct.unpack('>H', item[1][:2])[0] if len(item[1]) >= 2 else 1005
        return None


def take_frame(data, start=0):
    """(opcode, payload, bytes used) of the frame at @start; None when it is not whole."""
    if len(data) < start + 2:
        return None
    assert not data[start + 1] & 0x80, 'a server must not mask'
    assert data[start] & 0x80, 'the server sends no fragments'
    assert not data[start] & 0x70, 'reserved bits'
    size, head = data[start + 1], 2
    if size == 126:
        if len(data) < start + 4:
            return None
        size, head = struct.unpack_from('>H', data, start + 2)[0], 4
    elif size == 127:
        if len(data) < start + 10:
            return None
        size, head = struct.unpack_from('>Q', data, start + 2)[0], 10
    if len(data) < start + head + size:
        return None
    return data[start] & 15, bytes(data[start + head:start + head + size]), head + size


class Crowd:
    """Many connections that only listen: each counts the changes it gets and checks that they are in order."""

    def __init__(self, server, user, count):
        self.members = []
        self.selector = selectors.DefaultSelector()
        for _ in range(count):
            member = Member(RawClient(server).open(user))
            self.members.append(member)
            self.selector.register(member.socket, selectors.EVENT_READ, member)

    def read_until(self, condition, seconds=PATIENCE):
        """Reads from all until the condition holds for each."""
        deadline = time.monotonic() + seconds
        waiting = {member for member in self.members if not condition(member)}
        while waiting:
            assert time.monotonic() < deadline, f'{len(waiting)} of {len(self.members)} still wait'
            for key, _ in self.selector.select(timeout=0.1):
                key.data.read()
                if condition(key.data):
                    waiting.discard(key.data)

    def close(self):
        self.selector.close()
        for member in self.members:
            member.socket.close()


class Member:
    def __init__(self, client):
        self.socket = client.socket
        self.socket.setblocking(False)
        self.data = bytearray(client.received)
        self.ids = []
        self.last_seq = 0

    def read(self):
        chunk = self.socket.recv(1 << 18)
        assert chunk, 'the server closed the connection'
        self.data += chunk
        start = 0
        while taken := take_frame(self.data, start):
            opcode, payload, used = taken
            start += used
            assert opcode in (TEXT, PING), f'opcode {opcode}: {payload}'
            WATCH.received(payload, 'a frame of a crowd')
            if opcode == TEXT:
                self.take(json.loads(payload))
        del self.data[:start]

    def take(self, message):
        if 'seq' not in message:
            return
        ping = message['operation'] == 'ping'
        assert message['seq'] > self.last_seq - ping, f'seq {message["seq"]} after {self.last_seq}'
        self.last_seq = message['seq']
        if message['operation'] == 'update':
            self.ids += [document['_id'] for document in message['data']]
