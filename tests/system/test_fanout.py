"""Changes to many: across workers, in order, thousands of connections, slow readers beside fast ones."""

import asyncio
import json
import resource

import pytest

from client import Client, connect_to_workers
from configuration import configuration
from raw import TEXT, Crowd, RawClient, frame
from server import PATIENCE, scaled, wait_until

LIVELY = scaled(2000, 300)


async def test_two_clients_on_different_workers(server):
    first, second = await connect_to_workers(server, 'editor', 2)
    await first.call('insert', 'notes', {'_id': 'a', 'text': 'from the first'})
    await second.until(lambda: 'a' in second.copy('notes'))
    await second.call('update', 'notes', {'_id': 'a', 'changes': {'text': 'from the second'}})
    await first.until(lambda: first.copy('notes')['a']['text'] == 'from the second')
    assert first.copy('notes') == second.copy('notes')
    await first.call('remove', 'notes', {'_id': 'a'})
    await second.until(lambda: not second.copy('notes'))


async def test_all_see_the_same_order(make_server):
    """Several writers on several workers: every client sees the same changes with the same numbers in one order."""
    server = make_server(workers=3)
    clients = await connect_to_workers(server, 'editor', 3)
    futures = []
    for i in range(scaled(300, 60)):
        for k, client in enumerate(clients):
            futures.append(await client.start('update', 'notes', {
                '_id': f'shared{i % 5}', 'changes': {'by': f'{k}.{i}'}, 'upsert': True}))
    answers = [await asyncio.wait_for(future, PATIENCE) for future in futures]
    assert all(answer['success'] for answer in answers)
    last = max(client.last_seq for client in clients)
    histories = []
    for client in clients:
        await client.until(lambda c=client: c.last_seq == last)
        histories.append([(d['_id'], d['_version'], d['by']) for m in client.of('update', 'notes') for d in m['data']])
    assert histories[0] == histories[1] == histories[2]
    assert len(histories[0]) == len(futures)


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIVELY * 2 + 500
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip(f'only {before[1]} descriptors are allowed')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_thousands_of_clients(many_descriptors, make_server):
    """Each of 2,000 clients gets every change once and in order, whoever made it."""
    server = make_server()
    crowd = Crowd(server, 'reader', LIVELY)
    try:
        connections = server.connections()
        assert sum(connections) == LIVELY and max(connections) - min(connections) <= 1
        changes = scaled(100, 30)
        expected = [f'n{i}' for i in range(changes)]
        with RawClient(server) as writer:
            writer.open('editor')
            for identifier in expected:
                answer = writer.call('insert', 'notes', {'_id': identifier, 'text': 'x' * 200})
                assert answer['success']
        crowd.read_until(lambda member: len(member.ids) >= changes, seconds=PATIENCE * 3)
        assert all(member.ids == expected for member in crowd.members)
    finally:
        crowd.close()
    wait_until(lambda: sum(server.connections()) == 0, what='all connections being forgotten')


def test_connections_come_and_go(server):
    before = sum(map(server.memory, server.worker_pids()))
    for _ in range(scaled(2000, 300)):
        with RawClient(server) as client:
            client.open()
    wait_until(lambda: sum(server.connections()) == 0, what='all connections being forgotten')
    assert scaled(sum(map(server.memory, server.worker_pids())) - before, 0) < 4 << 20


async def test_slow_reader_beside_fast_ones(make_server):
    """Who does not read delays nobody and costs no memory; when it reads, it ends equal to the server."""
    server = make_server(config=configuration(backlog_bytes='1M', ring_bytes='1M', log_level='notice',
                                              ping_interval_ms=3600000,
                                              limits={'message_bytes': '128K', 'document_bytes': '128K'}))
    fast = await connect_to_workers(server, 'editor', 2)
    slow = [RawClient(server, receive_buffer=65536).open('reader') for _ in range(scaled(20, 6))]
    memory = sum(map(server.memory, server.worker_pids()))
    rounds = scaled(60, 30)
    for round_ in range(rounds):
        documents = [{'_id': f'{i}', 'round': round_, 'text': 'x' * 1000} for i in range(200)]
        if round_:
            operations = [await fast[0].start('update', 'notes', {
                '_id': d['_id'], 'changes': {'round': round_}}) for d in documents]
            for future in operations:
                assert (await asyncio.wait_for(future, PATIENCE))['success']
        else:
            for start in range(0, 200, 50):
                await fast[0].call('insert', 'notes', documents[start:start + 50])
    for client in fast:
        await client.until(lambda c=client: all(d['round'] == rounds - 1 for d in c.copy('notes').values()))
        assert len(client.copy('notes')) == 200
    growth = sum(map(server.memory, server.worker_pids())) - memory
    # 12 MB of changes for each of 20 slow readers would be 240 MB.
    assert scaled(growth, 0) < 24 << 20, f'{growth} bytes grown'
    assert sum(worker['catching_up'] for worker in server.status()['workers']) == len(slow)
    truth = server.export('notes')
    for client in slow:
        copy, last_seq = {}, 0
        while copy != truth:
            message = client.message()
            assert message['operation'] in ('update', 'remove'), message
            assert message['seq'] > last_seq
            last_seq = message['seq']
            for document in message['data']:
                assert document['_version'] > copy.get(document['_id'], {'_version': -1})['_version']
                copy[document['_id']] = document
        client.socket.close()


async def test_slow_reader_with_removals_and_rights(make_server):
    """Catching up from the change log tells of removals, and nothing of what the client may not see."""
    server = make_server(config=configuration(backlog_bytes='64K', ring_bytes='128K', log_level='notice',
                                              limits={'message_bytes': '16K', 'document_bytes': '16K'}))
    admin = await Client.connect(server, 'admin')
    slow = await Client.connect(server, 'ben')
    await admin.call('insert', 'notes', [{'_id': f'gone{i}'} for i in range(100)])
    await slow.until(lambda: len(slow.copy('notes')) == 100)
    # A pause in the client's reader fills the buffers in between.
    slow.paused.clear()
    slow.socket.transport.pause_reading()
    await admin.call('remove', 'notes', {'_id': [f'gone{i}' for i in range(100)]})
    count = scaled(4000, 2000)
    for first in range(0, count, 5):
        await admin.call('insert', 'samples', [
            {'_id': f'{i}', 'user': 'ann', 'group': 'lab', 'group_read': i % 2 == 0, 'text': 'x' * 3000}
            for i in range(first, first + 5)])
    await admin.call('insert', 'notes', {'_id': 'end'})
    slow.socket.transport.resume_reading()
    slow.paused.set()
    await slow.until(lambda: 'end' in slow.copy('notes'), seconds=PATIENCE * 2)
    assert list(slow.copy('notes')) == ['end']
    assert set(slow.copy('samples')) == {f'{i}' for i in range(0, count, 2)}


def test_past_the_change_log_a_resync_is_asked_for(make_server):
    server = make_server(config=configuration(
        backlog_bytes='64K', ring_bytes='128K', change_log_entries=100, log_level='notice',
        limits={'message_bytes': '16K', 'document_bytes': '16K'}))
    with RawClient(server, receive_buffer=65536) as slow, RawClient(server) as writer:
        slow.open('reader')
        writer.open('editor')
        for i in range(1500):
            answer = writer.call('insert', 'notes', [{'_id': f'{i}-{k}', 'text': 'x' * 1400} for k in range(10)])
            assert answer['success']
        while (message := slow.message())['operation'] != 'resync':
            # A worker that was left behind by the change log itself tells everybody their document, too.
            assert message['operation'] in ('update', 'amend')
        assert message['collectionName'] is None and isinstance(message['data']['reason'], str)
        slow.send(frame(TEXT, json.dumps({'tid': 'sync', 'methodName': 'sync', 'collectionName': 'notes',
                                          'data': {}})))
        count = 0
        while (message := slow.message())['operation'] != 'fulfill':
            if message.get('sync'):
                count += len(message['data'])
        assert message['data']['success'] and count == 15000
