"""sync: from empty, stale, gone, newer; of ranges; of several collections; while others write."""

import asyncio
import json
import random

import pytest

from client import Client, connect_to_workers
from configuration import COLLECTIONS as DECLARED
from raw import RawClient, TEXT, frame
from server import PATIENCE, scaled

HISTORIES = scaled(100, 25)


async def filled(server, count=100):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': f'n{i:04}', 'n': i} for i in range(count)])
    return client


async def sync(client, data, collection='notes'):
    """(answer, number announced, documents sent, ids removed)."""
    start = len(client.messages)
    answer, progress = await client.call_progress('sync', collection, data)
    documents, removed, announced = [], [], False
    for message in client.messages[start:]:
        if message['collectionName'] == 'transaction':
            announced = True
        if message.get('sync'):
            assert announced, 'the number comes first'
            assert message['collectionName'] == collection
            (documents if message['operation'] == 'update' else removed).extend(message['data'])
    assert len(progress) == 1 and progress[0] == len(documents) + len(removed)
    assert isinstance(answer['epoch'], int) and isinstance(answer['seq'], int)
    return answer, progress[0], documents, removed


async def test_from_empty(server):
    writer = await filled(server, 1000)
    client = await Client.connect(server, 'reader')
    answer, count, documents, removed = await sync(client, {})
    assert count == 1000 and not removed
    assert client.copy('notes') == writer.copy('notes')
    assert answer['seq'] >= writer.last_seq
    status = server.status()
    assert answer['seq'] == status['seq']


async def test_up_to_date(server):
    writer = await filled(server)
    _, count, _, _ = await sync(writer, {k: d['_version'] for k, d in writer.copy('notes').items()})
    assert count == 0


async def test_empty_collection(server):
    client = await Client.connect(server, 'reader')
    assert (await sync(client, {}))[1] == 0
    assert (await sync(client, {'a': 1, 'b': 0}))[3] == ['a', 'b']


async def test_stale_gone_newer(server):
    writer = await filled(server, 10)
    await writer.call('update', 'notes', {'_id': 'n0001', 'changes': {'n': 'new'}})
    await writer.call('remove', 'notes', {'_id': 'n0002'})
    client = await Client.connect(server, 'reader')
    manifest = {f'n{i:04}': 0 for i in range(10)}
    manifest['n0003'] = 7             # newer than the server's: after a restore
    manifest['never'] = 0
    del manifest['n0004']
    _, count, documents, removed = await sync(client, manifest)
    assert sorted(d['_id'] for d in documents) == ['n0001', 'n0003', 'n0004']
    assert sorted(removed) == ['n0002', 'never'] and count == 5


async def test_removed_and_inserted_again(server):
    """While the client was away: the new document has a version that the old one never had."""
    writer = await filled(server, 3)
    await writer.call('remove', 'notes', {'_id': 'n0001'})
    await writer.call('insert', 'notes', {'_id': 'n0001', 'n': 'other'})
    client = await Client.connect(server, 'reader')
    manifest = {'n0000': 0, 'n0001': 0, 'n0002': 0}
    _, count, documents, removed = await sync(client, manifest)
    assert count == 1 and not removed
    assert documents == [{'_id': 'n0001', '_version': 1, 'n': 'other'}]
    assert (await sync(client, {**manifest, 'n0001': 1}))[1] == 0
    await writer.call('update', 'notes', {'_id': 'n0001', 'changes': {'n': 'newer'}})
    _, count, documents, _ = await sync(client, {**manifest, 'n0001': 1})
    assert count == 1 and documents == [{'_id': 'n0001', '_version': 2, 'n': 'newer'}]
    await writer.fails('conflict', 'update', 'notes', {'_id': 'n0001', 'changes': {'n': 0}, '_version': 0})


async def test_ids_in_any_order_and_with_escapes(server):
    client = await Client.connect(server, 'editor')
    ids = ['ü', 'a"b', 'a\\b', 'Z', 'a', '\U0001f331', '$x', '\u2028', 'a/b']
    await client.call('insert', 'notes', [{'_id': i} for i in ids])
    random.Random(1).shuffle(ids)
    assert (await sync(client, {i: 0 for i in ids}))[1] == 0
    assert (await sync(client, {i: 1 for i in ids}))[1] == len(ids)


@pytest.mark.parametrize('data', [5, None, [], 'x', {'a': 'x'}, {'a': -1}, {'a': 1.5}, {'a': None},
                                  {'manifest': 'x'}, {'manifest': {}, 'from': 5}, {'manifest': {'a': 'x'}}])
async def test_bad_manifests(server, data):
    client = await Client.connect(server, 'reader')
    await client.fails('invalid', 'sync', 'notes', data)


async def test_ranges(server):
    writer = await filled(server, 100)
    client = await Client.connect(server, 'reader')
    _, _, documents, removed = await sync(client, {'manifest': {'n0010': 0, 'n0015x': 0}, 'from': 'n0010',
                                                   'to': 'n0020'})
    assert sorted(d['_id'] for d in documents) == [f'n{i:04}' for i in range(11, 20)] and removed == ['n0015x']
    _, _, documents, _ = await sync(client, {'manifest': {}, 'to': 'n0003'})
    assert [d['_id'] for d in documents] == ['n0000', 'n0001', 'n0002']
    _, _, documents, _ = await sync(client, {'manifest': {}, 'from': 'n0098'})
    assert [d['_id'] for d in documents] == ['n0098', 'n0099']
    assert (await sync(client, {'manifest': {}, 'from': 'b', 'to': 'b'}))[1] == 0
    assert (await sync(client, {'manifest': {}}))[1] == 100
    assert client.copy('notes') == writer.copy('notes')


async def test_collection_with_documents_named_like_the_keys(server):
    """An id may be `manifest`: the whole manifest is then told from a range by its type."""
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': 'manifest'}, {'_id': 'from'}])
    assert (await sync(client, {'manifest': {'manifest': 0, 'from': 0}}))[1] == 0
    assert (await sync(client, {'manifest': 0, 'from': 0}))[1] == 0


async def test_several_collections(server):
    writer = await filled(server, 50)
    await writer.call('insert', 'viruses', [{'_id': f'v{i}', 'name': f'{i}'} for i in range(20)])
    client = await Client.connect(server, 'reader')
    answer, progress = await client.call_progress('sync', data={
        'manifests': {'notes': {'gone': 3}, 'viruses': {'v1': 0}, 'samples': {}}})
    assert progress == [{'notes': 51, 'viruses': 19, 'samples': 0}]
    assert client.copy('notes') == writer.copy('notes')
    assert len(client.copy('viruses')) == 19
    assert set(answer) == {'epoch', 'seq'}
    for bad in (5, {}, {'manifests': 5}, {'manifests': {'notes': 5}}):
        await client.fails('invalid', 'sync', data=bad)
    await client.fails('unknown_collection', 'sync', data={'manifests': {'bogus': {}}})


async def test_batches_are_not_larger_than_a_message(server):
    writer = await Client.connect(server, 'editor')
    for i in range(20):
        await writer.call('insert', 'notes', {'_id': f'n{i}', 'text': 'x' * 900000})
    client = await Client.connect(server, 'reader')
    await client.synchronize('notes')
    assert client.copy('notes') == writer.copy('notes')
    assert len([m for m in client.messages if m.get('sync')]) >= 10


async def test_syncs_one_after_another_without_waiting(server):
    await filled(server, 200)
    client = await Client.connect(server, 'reader')
    futures = [await client.start('sync', 'notes', {}) for _ in range(10)]
    for future in futures:
        assert (await asyncio.wait_for(future, PATIENCE))['success']
    assert len(client.copy('notes')) == 200


async def test_calls_are_answered_during_a_large_sync(server):
    """The sync's client reads nothing at first, so its sync cannot end before the others' calls are answered."""
    count = scaled(20000, 8000)
    server.load('notes', [{'_id': f'n{i}', 'text': 'x' * 500} for i in range(count)])
    others = [await Client.connect(server, 'reader') for _ in range(3)]
    with RawClient(server, receive_buffer=65536).open('reader') as slow:
        slow.send(frame(TEXT, json.dumps({'tid': 'sync', 'methodName': 'sync', 'collectionName': 'notes',
                                          'data': {}}).encode()))
        assert slow.message()['data']['data'] == count
        for other in others:
            for _ in range(20):
                await other.call('detail', 'notes', {'_id': 'n1'})
        copy = set()
        while (message := slow.message())['operation'] != 'fulfill':
            copy.update(document['_id'] for document in message['data'] or ())
        assert message['data']['success'] and len(copy) == count


def random_operation(chance, collection, ids):
    """(method, data) of a random change; the ids are few, so that it meets earlier ones."""
    identifier = chance.choice(ids)
    kind = chance.random()
    if kind < 0.3:
        document = {'_id': identifier, 'name': f'{chance.random()}', 'group': 'lab', 'group_read': chance.random() < 0.5}
        if collection == 'viruses' and chance.random() < 0.3:
            document['archived'] = True
        return 'insert', document
    if kind < 0.75:
        changes = {'n': chance.randrange(5), 'archived': chance.random() < 0.3,
                   'group_read': chance.random() < 0.5, 'user': chance.choice(['ann', 'ben', None])}
        return 'update', {'_id': identifier, 'changes': changes, 'upsert': chance.random() < 0.3}
    return 'remove', {'_id': identifier}


async def write_randomly(client, chance, collections, ids, count):
    futures = []
    for _ in range(count):
        collection = chance.choice(collections)
        futures.append(await client.start(*(lambda m, d: (m, collection, d))(
            *random_operation(chance, collection, ids))))
        if chance.random() < 0.1:
            await asyncio.wait_for(futures[-1], PATIENCE)
    for future in futures:
        await asyncio.wait_for(future, PATIENCE)


COLLECTIONS = ['notes', 'viruses', 'samples']
PROJECTORS = {name: ['_id', '_version', *DECLARED[name]['projector']] for name in ('viruses', 'samples')}


def truth(server, user):
    """{collection: {id: minimal document}} that a client of this user must hold."""
    groups = {'ben': 'lab'}
    result = {}
    for collection in COLLECTIONS:
        documents = server.export(collection)
        if collection == 'viruses':
            documents = {k: d for k, d in documents.items() if d.get('archived') is not True}
        if collection == 'samples':
            documents = {k: d for k, d in documents.items() if d.get('user') == user or d.get('all_read') is True or
                         (d.get('group') == groups[user] and d.get('group_read') is True)}
        fields = PROJECTORS.get(collection)
        result[collection] = {k: {f: v for f, v in d.items() if not fields or f in fields}
                              for k, d in documents.items()}
    return result


async def test_random_histories(make_server):
    """A client with an old copy syncs in the middle of writes: it ends equal to the server, a hundred times."""
    server = make_server()
    writers = await connect_to_workers(server, 'admin', 2)
    kept = {}  # the copies of the previous client: stale for the next
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        ids = [f'd{i}' for i in range(chance.choice([3, 10, 40]))]
        client = await Client.connect(server, 'ben')
        client.replica = {name: dict(copy) for name, copy in kept.items()} if seed % 4 else {}
        if seed % 5 == 0:
            client.replica.setdefault('notes', {})['never was'] = {'_id': 'never was', '_version': 3}
        writing = [asyncio.ensure_future(write_randomly(w, random.Random(seed * 2 + i), COLLECTIONS, ids, 40))
                   for i, w in enumerate(writers)]
        if seed % 3 == 0:
            manifests = {c: {k: d['_version'] for k, d in client.copy(c).items()} for c in COLLECTIONS}
            await client.call('sync', data={'manifests': manifests})
        else:
            for collection in COLLECTIONS:
                await client.synchronize(collection)
        for task in writing:
            await task
        # Everything written before this call is dispatched before its answer.
        end = await writers[0].call('insert', 'notes', {'_id': f'end{seed}'})
        await client.until(lambda: end['_id'] in client.copy('notes'))
        held = {c: client.copy(c) for c in COLLECTIONS}
        assert held == truth(server, 'ben'), f'history {seed}'
        kept = client.replica
        await client.close()
        await writers[0].call('remove', 'notes', {'_id': end['_id']})
