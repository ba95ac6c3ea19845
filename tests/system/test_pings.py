"""The message `ping`: up to which change a connection is complete, and in which run of the server."""

import asyncio
import json
import socket

from client import Client
from configuration import configuration, password
from raw import CLOSE, PING, PONG, TEXT, RawClient, frame, handshake
from server import PATIENCE, scaled

OFTEN = ['--ping-interval-ms', '800']  # a client that is held up for three of them is cut off
BARE = {'operation': 'ping', 'collectionName': None, 'data': None}


class Line(RawClient):
    """A connection whose messages are told with the pings among them."""

    def next(self):
        while True:
            opcode, payload = self.frame()
            assert opcode != CLOSE, payload
            if opcode == PING:
                self.send(frame(PONG, payload))
            if opcode == TEXT:
                return json.loads(payload)

    def until(self, condition):
        """All messages up to the first for which the condition is true."""
        messages = [self.next()]
        while not condition(messages[-1]):
            messages.append(self.next())
        return messages

    def ask(self, method, collection, data):
        self.next_tid += 1
        self.log_ins += method.startswith('authorize_by_')
        self.send(frame(TEXT, json.dumps({'tid': self.next_tid, 'methodName': method, 'collectionName': collection,
                                          'data': data})))
        return self.until(lambda m: m['operation'] == 'fulfill' and m['data']['tid'] == self.next_tid)


def is_ping(message):
    return message['operation'] == 'ping'


def last_seq(server):
    return server.status()['seq']


def expect_place(message, epoch, seq):
    assert message == {**BARE, 'seq': message['seq'], 'epoch': epoch} and message['seq'] >= seq, (message, seq)


async def epoch_of(server):
    client = await Client.connect(server, 'reader')
    return (await client.synchronize('notes'))['epoch']


# ---- at authorization ----

async def test_with_the_token_of_the_handshake(server):
    epoch = await epoch_of(server)
    server.load('notes', [{} for _ in range(50)])
    seq = last_seq(server)
    with Line(server) as line:
        status, _ = line.request(handshake(f'Authorization: Bearer {server.tokens["reader"]}'))
        assert status == 101
        expect_place(line.next(), epoch, seq)
        assert line.next()['operation'] == 'amend'


async def test_with_a_log_in(make_server):
    """Also when somebody else logs in, but not when the same does again, or when it fails."""
    server = make_server(options=['--ping-interval-ms', '3600000'])
    epoch = await epoch_of(server)
    with Line(server) as line:
        line.open()
        for user in ('reader', 'editor'):
            server.load('notes', [{} for _ in range(50)])
            seq = last_seq(server)
            messages = line.ask('authorize_by_login', 'users', {'username': user, 'password': password(user)})
            # Before that, at most the interval's ping, and changes for who it was.
            assert [m['operation'] for m in messages[-2:]] == ['ping', 'fulfill']
            expect_place(messages[-2], epoch, seq)
        for token in (server.tokens['editor'], 'nonsense'):
            messages = line.ask('authorize_by_token', 'users', {'token': token})
            assert [m['operation'] for m in messages] == ['fulfill']
        messages = line.ask('authorize_by_token', 'users', {'token': server.tokens['ann']})
        assert [m['operation'] for m in messages] == ['ping', 'fulfill']
        expect_place(messages[0], epoch, seq)


async def test_before_any_change(make_server):
    """While others write without a pause: all that comes behind the ping has higher numbers, and nothing is missing."""
    server = make_server(workers=1)
    writer = await Client.connect(server, 'editor')
    for _ in range(scaled(20, 5)):
        futures = [await writer.start('insert', 'notes', {}) for _ in range(100)]
        with Line(server) as line:
            line.send(handshake(f'Authorization: Bearer {server.tokens["reader"]}'))
            for future in futures:
                assert (await future)['success']
            await writer.call('insert', 'notes', {})
            last = writer.last_seq
            assert line.request(b'')[0] == 101
            ping = line.next()
            assert is_ping(ping) and ping['seq'] <= last
            seqs = [ping['seq']]
            while seqs[-1] < last:
                seqs += [m['seq'] for m in line.until(lambda m: 'seq' in m)[-1:] if not is_ping(m)]
            assert seqs == list(range(ping['seq'], last + 1))


# ---- in each interval ----

def test_without_a_place_before_a_log_in_and_behind_a_log_out(make_server):
    server = make_server(options=OFTEN)
    with Line(server) as line:
        line.open()
        for _ in range(3):
            assert line.next() == BARE
        line.ask('authorize_by_login', 'users', {'username': 'reader', 'password': password('reader')})
        assert 'seq' in line.next()
        line.ask('logout', 'users', {})
        line.until(lambda m: m == BARE)
        for _ in range(3):
            assert line.next() == BARE


async def test_it_moves_for_who_sees_nothing(make_server):
    """A quiet client's place does not leave the change log, so it can go on where it was."""
    server = make_server(config=configuration(change_log_entries=50), options=OFTEN)
    writer = await Client.connect(server, 'editor')
    quiet = await Client.connect(server, 'reader')
    await quiet.call('subscribe', data={'collections': ['viruses', 'samples']})
    position = await quiet.synchronize('viruses')
    for _ in range(3):
        await writer.call('insert', 'notes', [{} for _ in range(100)])
        await writer.call('insert', 'samples', {})  # which only its owner sees
        await quiet.until(lambda: quiet.place and quiet.place['seq'] >= writer.last_seq)
        assert quiet.place['epoch'] == position['epoch']
    place = dict(quiet.place)
    await quiet.close()
    await writer.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    again = await Client.connect(server, 'reader')
    await again.call('resume', data=place)
    assert set(again.copy('viruses')) == {'v'} and not again.copy('samples')
    await again.fails('resync_required', 'resume', data=position)


async def test_among_changes(make_server):
    """The tests' client checks each ping against the changes that come later."""
    server = make_server(options=['--ping-interval-ms', '2000'])  # all in one process, which has much to read
    writer = await Client.connect(server, 'editor')
    clients = [await Client.connect(server, 'reader') for _ in range(5)]
    for i in range(scaled(1000, 100)):
        await writer.call('insert', 'notes' if i % 3 else 'samples', {})
    for client in clients:
        await client.until(lambda c=client: c.pings > 2 and c.place and c.place['seq'] >= writer.last_seq)
        assert client.copy('notes').keys() == writer.copy('notes').keys()


# ---- who does not read ----

def slow_line(server):
    line = Line(server, receive_buffer=8192)
    line.open('reader')
    return line


async def test_never_before_a_resync(make_server):
    """That changes were left out is told before a number beyond them."""
    limits = {'message_bytes': '64K', 'document_bytes': '64K', 'result_bytes': '64K'}
    server = make_server(workers=1, options=OFTEN,
                         config=configuration(limits=limits, backlog_bytes='256K', change_log_entries=10))
    writer = await Client.connect(server, 'editor')
    with slow_line(server) as line:
        complete = 0
        for _ in range(3):
            left = 50
            while left:
                await writer.call('insert', 'notes', {'text': 'x' * 30000})
                line.send(frame(PONG))  # it is alive, but reads nothing
                left -= left > 30 or server.status()['workers'][0]['catching_up']
            messages = await asyncio.to_thread(line.until, lambda m: m['operation'] == 'resync')
            # Each change is one that it sees: whoever has come to a number has had all before it.
            for message in messages[:-1]:
                if is_ping(message):
                    assert complete in (0, message['seq']), (message, complete)
                elif 'seq' in message:
                    assert complete in (0, message['seq'] - 1), (message, complete)
                complete = message.get('seq', complete)
            last = writer.last_seq
            messages = await asyncio.to_thread(line.until, lambda m, l=last: is_ping(m) and m['seq'] >= l)
            complete = messages[-1]['seq']


async def test_who_does_not_read_gathers_no_pings(make_server):
    server = make_server(workers=1, options=OFTEN)
    server.load('notes', [{'_id': 'big', 'text': 'x' * 900000}])
    other = await Client.connect(server, 'reader')
    with slow_line(server) as line:
        line.send(frame(TEXT, json.dumps({'tid': 1, 'methodName': 'detail', 'collectionName': 'notes',
                                          'data': {'_id': 'big'}})) * 3)
        while other.pings < 12:
            line.send(frame(PONG))
            pings = other.pings
            await other.until(lambda: other.pings > pings)
        messages = []
        for _ in range(3):
            messages += await asyncio.to_thread(line.until, lambda m: m['operation'] == 'fulfill')
        assert sum(map(is_ping, messages)) < 6
        await asyncio.to_thread(line.until, is_ping)


def test_a_tool_on_this_machine_may_wait(make_server):
    """Over the control socket no answer to a ping is missed: dispatchctl may wait for its input, or for a person."""
    server = make_server(workers=1, options=['--ping-interval-ms', '100'])
    with RawClient(server) as tool:
        tool.socket.close()
        tool.socket = socket.socket(socket.AF_UNIX)
        tool.socket.settimeout(PATIENCE)
        tool.socket.connect(server.control)
        tool.send(b'session\n')
        assert tool.request(handshake())[0] == 101
        pings = 0
        while pings < 6:
            item = tool.frame()
            assert item is not None, f'cut off after {pings} pings'
            pings += item[0] == PING
        assert tool.call('count', 'notes', {}) == {'success': True, 'data': 0, 'tid': 1}
