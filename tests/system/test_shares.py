"""What one client asks for costs the others no more than a share."""

import asyncio
import os
import signal

import pytest

from client import Client
from configuration import configuration
from server import scaled

KIB, MIB = 1 << 10, 1 << 20


async def test_a_patch_that_is_too_much_work(server):
    """Few bytes that move a large value to and fro."""
    client, other = await Client.connect(server, 'ann'), await Client.connect(server, 'ben')
    await client.call('insert', 'notes', {'_id': 'd', 'a': 'x' * (900 * KIB - 200)})
    to_and_fro = [{'op': 'move', 'from': '/a', 'path': '/b'}, {'op': 'move', 'from': '/b', 'path': '/a'}]
    for count in (2000, 9000):
        call = await client.start('patch', 'notes', {'_id': 'd', 'operations': to_and_fro * count})
        await other.call('insert', 'notes', {})
        answer = await call
        assert (answer['success'], answer['data']['code']) == (False, 'too_large')
        assert 'too much work' in answer['data']['message']
    committer = server.status()['committer']
    assert 100 * MIB < committer['largest_work'] <= 160 * MIB
    assert committer['work_units'] > committer['largest_work']
    assert committer['cpu_us'] > committer['largest_cpu_us'] > 0
    assert (await client.call('patch', 'notes', {'_id': 'd', 'operations': to_and_fro}))['_version'] == 0


async def test_nobody_waits_for_all_the_changes_that_another_has_sent(make_server):
    """Sets that are much work go to the committer one after the other, and another user's in between."""
    server = make_server(workers=1, config=configuration(log_level='notice'))
    client, other = await Client.connect(server, 'ann'), await Client.connect(server, 'ben')
    await client.call('insert', 'notes', {'_id': 'd', 'a': 'x' * (900 * KIB - 200)})
    to_and_fro = [{'op': 'move', 'from': '/a', 'path': '/b'}, {'op': 'move', 'from': '/b', 'path': '/a'}]
    calls = [await client.start('patch', 'notes', {'_id': 'd', 'operations': to_and_fro * 100}) for _ in range(12)]
    await other.call('insert', 'notes', {})
    assert sum(call.done() for call in calls) < 6
    assert all(answer['data']['code'] == 'too_large' for answer in await asyncio.gather(*calls))


async def test_an_update_of_many_large_documents(make_server):
    """It is refused as a whole, and neither it nor as much in many calls takes the committer much memory."""
    server = make_server(config=configuration(map_bytes='4G', durability='relaxed'))
    client = await Client.connect(server, 'ann')
    count = scaled(50, 20)
    for i in range(count):
        await client.call('insert', 'notes', {'_id': f'd{i}', 'a': 'x' * (900 * KIB - 200)})
    before = server.memory(server.committer_pid())
    failure = await client.fails('too_large', 'update', 'notes', {'query': {}, 'changes': {'n': 1}})
    assert 'too much work for one call' in failure['message']
    assert await client.call('count', 'notes', {'query': {'n': 1}}) == 0
    calls = [await client.start('update', 'notes', {'_id': f'd{i}', 'changes': {'n': 1}}) for i in range(count)]
    assert all(answer['success'] for answer in await asyncio.gather(*calls))
    assert server.memory(server.committer_pid()) - before < 100 * MIB
    # In several it can be done.
    for i in range(0, 10, 5):
        ids = [f'd{k}' for k in range(i, i + 5)]
        changed = await client.call('update', 'notes', {'query': {'_id': {'$in': ids}}, 'changes': {'n': 2}})
        assert changed['_ids'] == ids


@pytest.mark.skipif(scaled(0, 1) == 1, reason='judges by memory')
async def test_large_changes_of_many_documents_are_given_on_once(make_server):
    """Not once for each document."""
    server = make_server(workers=1)
    client = await Client.connect(server, 'ann')
    server.load('notes', [{'_id': f'd{i}'} for i in range(8)])
    committer, (worker,) = server.committer_pid(), server.worker_pids()
    before = server.memory(worker)
    os.kill(committer, signal.SIGSTOP)
    try:
        call = await client.start('update', 'notes', {'query': {}, 'changes': {'text': 'x' * 890 * KIB, 'n': 1}})
        await client.call('count', 'notes')
        await client.call('count', 'notes')
        assert server.memory(worker) - before < 9 * MIB
    finally:
        os.kill(committer, signal.SIGCONT)
    answer = await call
    assert answer['success'], answer
    assert len(answer['data']['_ids']) == 8
    assert await client.call('count', 'notes', {'query': {'n': 1}}) == 8


async def test_as_many_small_documents_as_one_call_may_have(server):
    client = await Client.connect(server, 'editor')
    documents = [{'_id': f'v{i}', 'name': f'virus {i}', 'abbreviation': f'V{i}', 'taxid': i} for i in range(10000)]
    assert len(await client.call('insert', 'viruses', documents)) == 10000
    answer = await client.call('update', 'viruses', {'query': {}, 'changes': {'abbreviation': 'W', 'taxid': None}})
    assert len(answer['_ids']) == 10000
    answer = await client.call('remove', 'viruses', {'_id': [document['_id'] for document in documents]})
    assert len(answer['_ids']) == 10000


@pytest.mark.skipif(scaled(0, 1) == 1, reason='hundreds of MiB')
async def test_sizes_at_the_ends_of_their_ranges_end_no_process(make_server):
    """Documents and changes that are as large as the options allow pass, or are too large."""
    limits = {'message_bytes': '128M', 'document_bytes': '128M', 'committer_queue_bytes': '1G', 'bulk_documents': 1000000}
    server = make_server(workers=1, config=configuration(
        limits=limits, ring_bytes='1G', backlog_bytes='512M', map_bytes='16G', durability='relaxed', log_level='notice'))
    client = await Client.connect(server, 'ann')
    pids = server.status()['committer']['pid'], server.worker_pids()
    await client.call('insert', 'notes', {'_id': 'large', 'text': 'x' * 70 * MIB})
    assert await client.call('remove', 'notes', {'_id': 'large'}) == {'_ids': ['large']}
    server.load('notes', [{'_id': f'd{i:0>6}'} for i in range(3000)])
    # The changes of one call are repeated for each document: 70 MiB and 300 MiB of them.
    answer = await client.call('update', 'notes', {'query': {}, 'changes': {'text': 'y' * 24000}})
    assert len(answer['_ids']) == 3000
    await client.fails('too_large', 'update', 'notes', {'query': {}, 'changes': {'text': 'y' * 100000}})
    assert await client.call('count', 'notes') == 3000
    assert (server.status()['committer']['pid'], server.worker_pids()) == pids
