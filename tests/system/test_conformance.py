"""RFC 6455 against the network code of a worker: dispatchd-echo, driven frame by frame over a raw socket.

The echo program is found in the build directory that DISPATCHD_BUILD names (default ./build).
"""

import asyncio
import os
import random
import socket
import struct
import subprocess
import threading

import pytest
import websockets

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SECONDS = 20  # how long anything may take before a test fails
MESSAGE_BYTES = 1 << 20


class Echo:
    """A running dispatchd-echo."""

    def __init__(self, *options):
        build = os.environ.get("DISPATCHD_BUILD", "build")
        program = os.path.join(build, "tests", "echo", "dispatchd-echo")
        self.process = subprocess.Popen([program, *options, "--stdin", "0"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[-1])

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(SECONDS) == 0


class Client:
    """One connection, with the frames made and read by hand."""

    def __init__(self, echo, receive_buffer=None, shake=True):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", echo.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        if shake:
            self.send(HANDSHAKE)
            assert self.head().startswith(b"HTTP/1.1 101 ")

    def send(self, *pieces):
        self.socket.sendall(b"".join(pieces))

    def send_by_bytes(self, data):
        for i in range(len(data)):
            self.socket.sendall(data[i:i + 1])

    def head(self):
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        return head

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.bytes += data

    def take(self, count):
        while len(self.bytes) < count:
            self.more()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def frame(self):
        """The next frame: (opcode, payload). Servers' frames are final here, unmasked, without reserved bits."""
        first, second = self.take(2)
        assert first & 0xF0 == 0x80 and second & 0x80 == 0
        length = second
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
            assert length >= 126
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
            assert length >= 65536
        return first & 0xF, self.take(length)

    def expect(self, *frames):
        for frame in frames:
            assert self.frame() == frame

    def expect_close(self, code):
        """A close frame with that code (None: without), then the end."""
        opcode, payload = self.frame()
        assert opcode == CLOSE
        assert (struct.unpack(">H", payload[:2])[0] if payload else None) == code
        payload[2:].decode()
        self.expect_end()

    def expect_end(self):
        assert self.bytes == b""
        assert self.socket.recv(1) == b""
        self.socket.close()

    def close(self, code=1000):
        self.send(frame(CLOSE, struct.pack(">H", code)))
        self.expect_close(code)


HANDSHAKE = (b"GET /any HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def header(opcode, length, final=True, reserved=0, masked=True):
    first = (0x80 if final else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    if length < 126:
        return bytes([first, mask | length])
    if length < 65536:
        return struct.pack(">BBH", first, mask | 126, length)
    return struct.pack(">BBQ", first, mask | 127, length)


def masked(payload, mask):
    whole = mask * (len(payload) // 4 + 1)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole[:len(payload)], "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", final=True, reserved=0, mask=b"\x37\xfa\x21\x3d"):
    return header(opcode, len(payload), final, reserved) + mask + masked(payload, mask)


@pytest.fixture(scope="module")
def echo():
    server = Echo("--message-bytes", str(MESSAGE_BYTES))
    yield server
    server.stop()


@pytest.fixture
def client(echo):
    client = Client(echo)
    yield client
    client.socket.close()


# Framing

@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 4086, 4087, 4096, 65535, 65536, 131072, MESSAGE_BYTES])
def test_messages_come_back(client, opcode, length):
    payload = b"*" * length
    client.send(frame(opcode, payload))
    client.expect((opcode, payload))
    client.close()


@pytest.mark.parametrize("length", [0, 1, 126, 300])
def test_a_message_may_come_byte_by_byte(client, length):
    client.send_by_bytes(frame(PING, b"p") + frame(TEXT, b"x" * length) + frame(TEXT, b"end"))
    client.expect((PONG, b"p"), (TEXT, b"x" * length), (TEXT, b"end"))
    client.close()


def test_many_messages_in_one_segment(client):
    client.send(*[frame(TEXT, b"%d" % i) for i in range(5000)])
    client.expect(*[(TEXT, b"%d" % i) for i in range(5000)])
    client.close()


def test_frames_in_the_handshake_s_segment(echo):
    client = Client(echo, shake=False)
    client.send(HANDSHAKE, frame(TEXT, b"early"), frame(TEXT, b"half")[:5])
    assert client.head().startswith(b"HTTP/1.1 101 ")
    client.expect((TEXT, b"early"))
    client.send(frame(TEXT, b"half")[5:])
    client.expect((TEXT, b"half"))
    client.close()


def test_a_handshake_byte_by_byte(echo):
    client = Client(echo, shake=False)
    client.send_by_bytes(HANDSHAKE)
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.head()
    client.close()


def test_bad_handshakes_are_answered(echo):
    for bad, status in ((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"426"), (b"\x16\x03\x01\x02\x00", b"400"),
                        (HANDSHAKE.replace(b"GET", b"PUT"), b"405"), (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, b"431")):
        client = Client(echo, shake=False)
        client.send(bad)
        assert client.head().split(b" ")[1] == status
        while client.socket.recv(65536):
            pass
        client.socket.close()


# Pings

@pytest.mark.parametrize("payload", [b"", b"Hello", b"\x00\xff\xfe\xfd", b"p" * 125])
def test_pings_are_answered(client, payload):
    client.send(frame(PING, payload))
    client.expect((PONG, payload))
    client.close()


def test_ten_pings_are_answered_in_order(client):
    client.send(*[frame(PING, b"%d" % i) for i in range(10)])
    client.expect(*[(PONG, b"%d" % i) for i in range(10)])
    client.close()


def test_pongs_are_not_answered(client):
    client.send(frame(PONG, b"unasked"), frame(PING, b"p"))
    client.expect((PONG, b"p"))
    client.close()


def test_a_client_that_only_pings_is_answered_last(echo):
    """A hundred thousand pings that nobody reads the pongs of: the newest is answered, memory is not spent."""
    client = Client(echo, receive_buffer=4096)
    count = 100000
    client.send(*[frame(PING, b"%8d" % i) for i in range(count)], frame(TEXT, b"end"))
    seen = []
    while True:
        opcode, payload = client.frame()
        if opcode == TEXT:
            break
        seen.append(int(payload))
    assert seen == sorted(seen) and len(set(seen)) == len(seen)
    client.send(frame(PING, b"%8d" % count))
    while seen[-1] != count:
        seen.append(int(client.frame()[1]))
    client.close()


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_long_control_frames_are_refused(client, opcode):
    client.send(frame(opcode, b"x" * 126))
    client.expect_close(1002)


# Reserved bits and opcodes, masks

@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_reserved_bits_are_refused(client, opcode, reserved):
    client.send(frame(TEXT, b"before"), frame(opcode, b"\x03\xe8", reserved=reserved), frame(PING))
    client.expect((TEXT, b"before"))
    client.expect_close(1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_reserved_opcodes_are_refused(client, opcode, payload):
    client.send(frame(TEXT, b"before"), frame(opcode, payload), frame(PING))
    client.expect((TEXT, b"before"))
    client.expect_close(1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_unmasked_frames_are_refused(client, opcode):
    client.send(header(opcode, 2, masked=False), b"\x03\xe8")
    client.expect_close(1002)


# Fragments

@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_control_frames_may_not_be_fragmented(client, opcode):
    client.send(frame(opcode, b"", final=False), frame(CONT, b""))
    client.expect_close(1002)


def test_fragments_with_pings_between(client):
    client.send(frame(TEXT, b"a", final=False), frame(PING, b"1"), frame(CONT, b"b", final=False), frame(PING, b"2"),
                frame(CONT, b"c"))
    client.expect((PONG, b"1"), (PONG, b"2"), (TEXT, b"abc"))
    client.close()


def test_a_message_in_many_fragments(client):
    payload = bytes(range(256)) * 16
    pieces = [frame(BINARY if i == 0 else CONT, payload[i:i + 3], final=i + 3 >= len(payload))
              for i in range(0, len(payload), 3)]
    client.send(*pieces)
    client.expect((BINARY, payload))
    client.send(frame(TEXT, b"", final=False), frame(CONT, b"", final=False), frame(CONT, b""))
    client.expect((TEXT, b""))
    client.close()


@pytest.mark.parametrize("frames", [
    [frame(CONT, b"a")], [frame(CONT, b"a", final=False)],
    [frame(TEXT, b"a", final=False), frame(TEXT, b"b")],
    [frame(TEXT, b"a", final=False), frame(BINARY, b"b")],
    [frame(TEXT, b"a", final=False), frame(CONT, b"b"), frame(CONT, b"c")]])
def test_fragments_out_of_order_are_refused(client, frames):
    client.send(*frames)
    opcode, _ = head = client.frame()
    if opcode == TEXT:
        assert head == (TEXT, b"ab")
        opcode, payload = client.frame()
    else:
        payload = head[1]
    assert opcode == CLOSE and payload[:2] == struct.pack(">H", 1002)
    client.expect_end()


# UTF-8

GOOD = ["κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\0", "\x7f", "\x80", "߿", "ࠀ", "￿", "\U00010000", "\U0010ffff", "\ud7ff",
        "\ue000", "\ufdd0", "\ufffe"]
BAD = [b"\x80", b"\xbf", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
       b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe",
       b"\xff", b"\xce", b"\xe1\xbd", b"\xf0\x9f\x98", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"]


@pytest.mark.parametrize("text", GOOD)
def test_utf8_is_echoed_however_it_is_cut(client, text):
    payload = text.encode()
    client.send(frame(TEXT, payload))
    client.expect((TEXT, payload))
    for cut in range(len(payload) + 1):
        client.send(frame(TEXT, payload[:cut], final=False), frame(PING), frame(CONT, payload[cut:]))
        client.expect((PONG, b""), (TEXT, payload))
    client.close()


@pytest.mark.parametrize("payload", BAD)
def test_bad_utf8_is_refused_however_it_is_cut(echo, payload):
    for cut in range(len(payload) + 1):
        client = Client(echo)
        client.send(frame(TEXT, payload[:cut], final=False), frame(CONT, payload[cut:]))
        client.expect_close(1007)


def test_bad_utf8_is_refused_before_the_message_is_complete(client):
    client.send(frame(TEXT, b"good", final=False), frame(CONT, b"\xff", final=False))
    client.expect_close(1007)


def test_binary_need_not_be_utf8(client):
    client.send(frame(BINARY, b"\xff\xfe"))
    client.expect((BINARY, b"\xff\xfe"))
    client.close()


# Closing

def test_a_close_without_code(client):
    client.send(frame(CLOSE))
    client.expect_close(None)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_good_codes_come_back(client, code):
    client.send(frame(CLOSE, struct.pack(">H", code) + "tschüß".encode()))
    client.expect_close(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_bad_codes_are_refused(client, code):
    client.send(frame(CLOSE, struct.pack(">H", code)))
    client.expect_close(1002)


@pytest.mark.parametrize("payload, code", [(b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"\x03\xe8\xce", 1007),
                                           (b"\x03\xe8" + b"r" * 123, 1000), (b"\x03\xe8" + b"r" * 124, 1002)])
def test_the_payload_of_a_close(client, payload, code):
    client.send(frame(CLOSE, payload))
    client.expect_close(code)


def test_nothing_is_answered_behind_a_close(client):
    client.send(frame(TEXT, b"before"), frame(CLOSE, b"\x03\xe8"), frame(TEXT, b"behind"), frame(PING),
                frame(CLOSE, b"\x03\xe9"))
    seen = client.frame()
    if seen == (TEXT, b"before"):
        seen = client.frame()
    assert seen == (CLOSE, b"\x03\xe8")
    client.expect_end()


def test_a_close_within_a_message(client):
    client.send(frame(TEXT, b"begun", final=False), frame(CLOSE, b"\x03\xe8"))
    client.expect_close(1000)


def test_a_peer_that_shuts_down_after_its_close_still_gets_ours(client):
    client.send(frame(CLOSE, b"\x03\xe8"))
    client.socket.shutdown(socket.SHUT_WR)
    client.expect_close(1000)


def test_much_unread_data_does_not_swallow_the_reason(echo):
    """What follows a refused frame is read and thrown away: the peer sees the close frame, not a reset."""
    client = Client(echo)
    client.send(frame(3), b"x" * 300000)
    client.expect_close(1002)


# Limits

def test_too_long_a_message_is_refused_at_its_announcement(client):
    client.send(header(TEXT, MESSAGE_BYTES + 1), b"mask", b"x")
    client.expect_close(1009)


@pytest.mark.parametrize("length", [1 << 30, (1 << 63) - 1])
def test_absurd_lengths_are_refused(client, length):
    client.send(header(BINARY, length), b"mask", b"x")
    client.expect_close(1009)


def test_fragments_count_together(client):
    half = b"x" * (MESSAGE_BYTES // 2)
    client.send(frame(TEXT, half, final=False), frame(CONT, half, final=False))
    client.send(frame(CONT, b""))
    client.expect((TEXT, half + half))
    client.send(frame(TEXT, half, final=False), frame(CONT, half, final=False), frame(CONT, b"x"))
    client.expect_close(1009)


def test_lengths_in_too_long_a_form_are_refused(echo):
    for form in (struct.pack(">BBH", 0x81, 0xFE, 5), struct.pack(">BBQ", 0x81, 0xFF, 5),
                 struct.pack(">BBQ", 0x81, 0xFF, 1 << 63 | 5)):
        client = Client(echo)
        client.send(form, b"maskabcde")
        client.expect_close(1002)


def test_a_client_that_does_not_read_is_not_read_from():
    """The echo pauses a connection whose answers are not taken: all of them come once it reads."""
    server = Echo("--reply-bytes", "2000000")
    client = Client(server, receive_buffer=4096)
    payload, count = b"y" * 60000, 1000
    sender = threading.Thread(target=client.send, args=[frame(BINARY, payload)] * count)
    sender.start()
    sender.join(0.5)
    assert sender.is_alive()
    for _ in range(count):
        client.expect((BINARY, payload))
    sender.join(SECONDS)
    client.close()
    server.stop()


def test_a_slow_reader_is_closed():
    server = Echo("--reply-bytes", "3000000", "--message-bytes", "4000000")
    client = Client(server, receive_buffer=4096)
    try:
        client.send(frame(BINARY, b"y" * 3500000))
        client.expect_close(1008)
    finally:
        client.socket.close()
        server.stop()


def test_connections_of_one_address_are_limited():
    server = Echo("--per-address", "2")
    first, second = Client(server), Client(server)
    third = Client(server, shake=False)
    with pytest.raises((EOFError, ConnectionError)):
        third.send(HANDSHAKE)
        third.head()
    first.close()
    second.close()
    Client(server).close()
    server.stop()


def test_silent_peers_are_closed():
    """No pong for three pings: the connection ends. One that answers lives on."""
    server = Echo("--ping-ms", "100")
    silent, alive = Client(server), Client(server)
    pings = 0
    while pings < 6:
        assert alive.frame() == (PING, b"")
        alive.send(frame(PONG))
        pings += 1
    seen = 0
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            assert silent.frame() == (PING, b"")
            seen += 1
    assert seen == 3
    alive.send(frame(TEXT, b"here"))
    while (seen := alive.frame()) != (TEXT, b"here"):
        assert seen == (PING, b"")
    server.stop()
    alive.socket.close()


def test_a_handshake_must_come_in_time():
    server = Echo("--handshake-ms", "100")
    client = Client(server, shake=False)
    client.send(HANDSHAKE[:50])
    client.expect_end()
    server.stop()


# A library's client

def test_an_independent_client(echo):
    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{echo.port}/", max_size=None, compression="deflate") as client:
            for message in ("", "Grüße", b"\x00\xff", "x" * 100000, b"y" * MESSAGE_BYTES):
                await client.send(message)
                assert await client.recv() == message
            await client.send(["frag", "men", "ts"])
            assert await client.recv() == "fragments"
            await (await client.ping(b"p"))
        assert client.close_code == 1000

    asyncio.run(asyncio.wait_for(talk(), SECONDS))


def test_many_clients_at_once(echo):
    async def one(number):
        async with websockets.connect(f"ws://127.0.0.1:{echo.port}/") as client:
            for i in range(20):
                await client.send(f"{number}:{i}")
            for i in range(20):
                assert await client.recv() == f"{number}:{i}"

    async def all_of_them():
        await asyncio.gather(*[one(number) for number in range(100)])

    asyncio.run(asyncio.wait_for(all_of_them(), SECONDS * 3))


def test_random_bytes_do_no_harm(echo):
    generator = random.Random(6455)
    for _ in range(200):
        client = Client(echo)
        good = b"".join(frame(generator.choice([TEXT, BINARY, CONT, PING, PONG]), generator.randbytes(generator.randrange(40)),
                              final=generator.random() < 0.7) for _ in range(5))
        broken = bytearray(good)
        for _ in range(3):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        client.send(bytes(broken))
        client.socket.shutdown(socket.SHUT_WR)
        try:
            while client.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        client.socket.close()
    Client(echo).close()
