"""Reading that takes long is done in turns: others are answered meanwhile, and no step is longer than it may be."""

import asyncio
import json

import pytest

from client import Client, result
from configuration import COLLECTIONS, FREE, configuration
from server import scaled

PASS_UNITS = 262144  # worker/base/work.h
MIB = 1 << 20


@pytest.fixture
def one_worker(make_server):
    return make_server(workers=1, config=configuration(
        collections={**COLLECTIONS, 'tagged': {'index': ['tags'], 'methods': FREE}}))


def spent(server):
    """Units so far, and those of the largest step."""
    worker, = server.status()['workers']
    return worker['work_units'], worker['largest_step_units']


async def takes_turns(server, client, other, *call):
    """The call's answer, when it was more work than a pass may be."""
    before, _ = spent(server)
    answer = await client.start(*call)
    await other.call('describe')
    answered_first = not answer.done()
    answer = result(await answer)
    assert spent(server)[0] - before > 2 * PASS_UNITS
    return answer, answered_first


async def test_a_query_of_many_conditions_on_a_long_array(one_worker):
    client, other = await Client.connect(one_worker, 'ann'), await Client.connect(one_worker, 'ben')
    elements = scaled(200000, 60000)
    await client.call('insert', 'notes', {'_id': 'long', 'a': [{}] * elements, 'n': 1})
    await client.call('insert', 'notes', {'_id': 'short', 'a': [{'b': 7}]})
    conditions = [{f'a.b{i}': 1} for i in range(300)] + [{'a.b': 7}]
    found, other_first = await takes_turns(one_worker, client, other, 'count', 'notes', {'query': {'$or': conditions}})
    assert (found, other_first) == (1, True)
    # What a document is once it has matched in the end.
    call = {'query': {'n': 1, '$not': {'$or': conditions[:20]}}, 'fields': ['n']}
    answer, _ = await takes_turns(one_worker, client, other, 'find', 'notes', call)
    assert answer == {'documents': [{'_id': 'long', '_version': 0, 'n': 1}], 'more': False}
    assert spent(one_worker)[1] < 4 * PASS_UNITS  # to parse the document is one


async def test_a_query_of_a_long_value(one_worker):
    """What it takes to make it ready is charged, beside reading the message."""
    client = await Client.connect(one_worker, 'ann')
    units = []
    for query in ({}, {'a': {'$eq': [0] * 9900}}):
        before, _ = spent(one_worker)
        assert await client.call('count', 'notes', {'query': query}) == 0
        await client.call('describe')  # behind the pass of the answer
        units.append(spent(one_worker)[0] - before)
    reading = 19800 / 8 + 9900
    assert reading + 4900 < units[1] - units[0] < 2 * reading


async def test_a_large_document_that_is_sorted(one_worker):
    """To read it, to look for its sort keys and to take fields out of it are cut in steps."""
    client = await Client.connect(one_worker, 'ann')
    await client.call('insert', 'notes', {'_id': 'long', 'a': [{'b': -i} for i in range(70000)]})
    before, _ = spent(one_worker)
    sort = {'a.b': 1, **{f'a.{69990 + i}.b': 1 for i in range(7)}}
    for fields, expected in ((['c', 'a.69999.b'], {'a': [{'b': -69999}]}), (['a.c'], {'a': [{}] * 70000})):
        answer = await client.call('find', 'notes', {'sort': sort, 'fields': fields})
        assert answer == {'documents': [{'_id': 'long', '_version': 0, **expected}], 'more': False}
    await client.call('describe')
    units, largest = spent(one_worker)
    assert units - before > 2 * 9 * 70000
    assert largest < PASS_UNITS / 2


async def test_documents_with_many_keys_in_an_index(one_worker):
    client, other = await Client.connect(one_worker, 'ann'), await Client.connect(one_worker, 'ben')
    count, tags = scaled(400, 100), [f't{i:03}' for i in range(500)]
    for first in range(0, count, 100):
        await client.call('insert', 'tagged', [{'_id': f'd{i}', 'tags': tags} for i in range(first, first + 100)])
    await client.call('insert', 'tagged', {'_id': 'large', 'p': [0] * 200000, 'tags': tags})
    query = {'query': {'tags': {'$gte': 't000', '$lte': 't499'}}}
    before, _ = spent(one_worker)
    found, _ = await takes_turns(one_worker, client, other, 'count', 'tagged', query)
    assert found == count + 1
    units, largest = spent(one_worker)
    assert units - before < count * len(tags) * 100 + 10 ** 6  # each was parsed once, not for each of its keys
    assert largest < PASS_UNITS / 2


@pytest.mark.parametrize('fields', [None, ['n']])
async def test_a_sorted_find(one_worker, fields):
    client, other = await Client.connect(one_worker, 'ann'), await Client.connect(one_worker, 'ben')
    count = scaled(20000, 5000)
    for first in range(0, count, 2500):
        await client.call('insert', 'notes', [
            {'_id': f'd{i}', 'n': i * 7919 % count, 'text': 'x' * 100, 'list': list(range(20))}
            for i in range(first, first + 2500)])
    call = {'sort': {'n': -1}, 'skip': count // 2 - 1000, 'limit': 1000, **({'fields': fields} if fields else {})}
    answer, _ = await takes_turns(one_worker, client, other, 'find', 'notes', call)
    expected = list(range(count - 1, -1, -1))[count // 2 - 1000:count // 2]
    assert [document['n'] for document in answer['documents']] == expected
    assert spent(one_worker)[1] < PASS_UNITS


async def test_many_small_calls_at_once(one_worker):
    """What one client has sent at once is not all done in one pass."""
    writer = await Client.connect(one_worker, 'admin')
    await writer.call('insert', 'notes', [{'_id': f'd{i}', 'n': i} for i in range(1000)])
    clients = [await Client.connect(one_worker, 'ann') for _ in range(10)]
    answers = [await client.start('count', 'notes', {'query': {'n': {'$lt': i}}})
               for client in clients for i in range(128)]
    assert [result(answer) for answer in await asyncio.gather(*answers)] == list(range(128)) * 10
    assert spent(one_worker)[1] < PASS_UNITS


async def test_a_large_manifest(one_worker):
    client, other = await Client.connect(one_worker, 'ann'), await Client.connect(one_worker, 'ben')
    count = scaled(50000, 10000)
    manifest = {f'{i * 7919 % count:06}': 1 for i in range(count)}  # in no order
    assert len(json.dumps(manifest)) < MIB
    answer, progress = await client.call_progress('sync', 'notes', manifest)
    assert 'seq' in answer
    assert progress == [count]
    assert await other.call('count', 'notes') == 0
    assert spent(one_worker)[1] < 2 * PASS_UNITS  # the message is parsed in one
