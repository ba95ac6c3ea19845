"""detail, find, count: queries, fields, sort, skip, limit."""

import asyncio
import json

import pytest

from client import Client, connect_to_workers
from configuration import configuration
from server import PATIENCE

DOCUMENTS = [
    {'_id': 'a', 'n': 1, 's': 'x', 'tags': ['red', 'blue'], 'o': {'p': {'q': 5}}},
    {'_id': 'b', 'n': 2, 's': 'y', 'tags': ['red'], 'o': {'p': {'q': 6}}},
    {'_id': 'c', 'n': 3.5, 's': 'z', 'tags': [], 'flag': True},
    {'_id': 'd', 'n': '3', 's': None, 'tags': [1, 2]},
    {'_id': 'e', 'list': [{'k': 1}, {'k': 2}], 'flag': False},
    {'_id': 'f', 'n': 9007199254740993, 's': 'é'},
]

QUERIES = [
    ({}, 'abcdef'),
    ({'n': 1}, 'a'), ({'n': 1.0}, 'a'), ({'n': '3'}, 'd'), ({'s': 'x', 'n': 1}, 'a'), ({'s': 'x', 'n': 2}, ''),
    ({'_id': 'b'}, 'b'), ({'_id': {'$in': ['b', 'f', 'zz']}}, 'bf'), ({'_id': {'$gt': 'd'}}, 'ef'),
    ({'n': {'$eq': 2}}, 'b'), ({'n': {'$ne': 1}}, 'bcdef'), ({'n': {'$gt': 1}}, 'bcf'), ({'n': {'$gte': 2}}, 'bcf'),
    ({'n': {'$lt': 2}}, 'a'), ({'n': {'$lte': 2}}, 'ab'), ({'n': {'$gt': 1, '$lt': 3}}, 'b'),
    ({'n': {'$gt': '2'}}, 'd'), ({'s': {'$gte': 'y'}}, 'bcf'), ({'n': 9007199254740993}, 'f'),
    ({'n': 9007199254740992}, ''), ({'n': {'$gt': 9007199254740992}}, 'f'),
    ({'n': {'$in': [1, '3']}}, 'ad'), ({'n': {'$nin': [1, '3']}}, 'bcef'), ({'n': {'$in': []}}, ''),
    ({'n': {'$exists': True}}, 'abcdf'), ({'n': {'$exists': False}}, 'e'), ({'s': None}, 'de'),
    ({'s': {'$exists': True}}, 'abcdf'),
    ({'tags': 'red'}, 'ab'), ({'tags': ['red']}, 'b'), ({'tags': {'$ne': 'red'}}, 'cdef'), ({'tags': {'$gt': 1}}, 'd'),
    ({'tags': []}, 'c'),
    ({'o.p.q': 5}, 'a'), ({'o.p.q': {'$exists': True}}, 'ab'), ({'o.p': {'q': 6}}, 'b'), ({'list.k': 2}, 'e'),
    ({'flag': True}, 'c'), ({'flag': {'$ne': True}}, 'abdef'),
    ({'$and': [{'n': {'$gt': 0}}, {'tags': 'red'}]}, 'ab'), ({'$or': [{'n': 1}, {'flag': False}]}, 'ae'),
    ({'n': {'$not': {'$gt': 1}}}, 'ade'), ({'$or': [{'n': 1}, {'$and': [{'s': 'y'}, {'n': 2}]}]}, 'ab'),
]

BAD_QUERIES = [5, [], 'x', {'$nonsense': []}, {'n': {'$nonsense': 1}}, {'n': {'$in': 5}}, {'$and': {}}, {'$or': 5},
               {'n': {'$exists': 5}}, {'$and': [5]}, {'n': {'$not': 5}}, {'$where': 'x'}, {'n': {'$gt': 1, 'x': 2}}]


async def filled(server, documents=None):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', DOCUMENTS if documents is None else documents)
    return client


async def test_queries(server):
    client = await filled(server)
    wrong = []
    for query, expected in QUERIES:
        found = await client.call('find', 'notes', {'query': query})
        ids = ''.join(sorted(d['_id'] for d in found['documents']))
        count = await client.call('count', 'notes', {'query': query})
        if ids != expected or count != len(expected) or found['more']:
            wrong.append((query, expected, ids, count))
    assert not wrong


async def test_bad_queries(server):
    client = await filled(server, [])
    for query in BAD_QUERIES:
        for method in ('find', 'count'):
            failure = await client.fails('invalid', method, 'notes', {'query': query})
            assert failure['message'].startswith('query: ')
        await client.fails('invalid', 'update', 'notes', {'query': query, 'changes': {'x': 1}})


async def test_wrong_arguments_of_find(server):
    client = await filled(server)
    for data in ({'limit': -1}, {'limit': 1001}, {'limit': 'x'}, {'skip': -1}, {'skip': 1.5}, {'fields': 5},
                 {'fields': [5]}, {'sort': 5}, {'sort': {'n': 2}}, [], 5):
        await client.fails('invalid', 'find', 'notes', data)


async def test_find_gives_full_documents_and_fields(server):
    client = await filled(server)
    found = await client.call('find', 'notes', {'query': {'_id': 'a'}})
    assert found == {'documents': [{**DOCUMENTS[0], '_version': 0}], 'more': False}
    found = await client.call('find', 'notes', {'query': {'_id': 'a'}, 'fields': ['n', 'absent']})
    assert found['documents'] in ([{'_id': 'a', 'n': 1}], [{'_id': 'a', '_version': 0, 'n': 1}])
    await client.call('insert', 'viruses', {'_id': 'v', 'name': 'V', 'isolates': [1]})
    found = await client.call('find', 'viruses', {})
    assert found['documents'] == [{'_id': 'v', '_version': 0, 'name': 'V', 'isolates': [1]}]


async def test_sort_skip_limit(server):
    documents = [{'_id': f'n{i:04}', 'n': i % 7, 'm': -i} for i in range(1500)]
    client = await filled(server, documents)
    found = await client.call('find', 'notes', {})
    assert found['more'] and len(found['documents']) == 1000
    assert [d['_id'] for d in found['documents']] == [f'n{i:04}' for i in range(1000)]
    found = await client.call('find', 'notes', {'skip': 1000})
    assert not found['more'] and [d['_id'] for d in found['documents']] == [f'n{i:04}' for i in range(1000, 1500)]
    found = await client.call('find', 'notes', {'limit': 3, 'skip': 2, 'sort': {'n': -1, 'm': 1}})
    expected = sorted(documents, key=lambda d: (-d['n'], d['m']))
    assert found['more'] and [d['_id'] for d in found['documents']] == [d['_id'] for d in expected[2:5]]
    found = await client.call('find', 'notes', {'limit': 0})
    assert found['documents'] == []
    assert (await client.call('find', 'notes', {'skip': 5000})) == {'documents': [], 'more': False}


async def test_skip_beyond_what_may_be_skipped(server):
    client = await filled(server, [{'_id': 'a'}])
    assert (await client.call('find', 'notes', {'skip': 1000000})) == {'documents': [], 'more': False}
    for skip in (1000001, -1, 2**63, 1.5, '1', None):
        failure = await client.fails('invalid', 'find', 'notes', {'skip': skip})
        assert failure['message'].startswith('skip')
    failure = await client.fails('invalid', 'find', 'notes', {'skip': 1000000, 'sort': {'n': 1}})
    assert failure['message'].startswith('skip')


async def test_search_ends_with_its_session(make_server):
    """What goes on when the session of its caller has ended gives nothing away. Who logs out asks in the same breath,
    so that the searches, which take several passes of the loop, are not over before."""
    server = make_server(options=['--limits', 'stranger_calls=1000'])
    server.load('notes', [{'_id': f'n{i}', 'n': i, 'text': 'x' * 100} for i in range(20000)])
    client = await Client.connect(server)
    await client.log_in('reader')
    searches = [client.begin('find', 'notes', {'query': {'n': -1 - i}}) for i in range(40)]
    _, ended, logout = client.begin('logout', 'users', {})
    for text in [logout, *(text for _, _, text in searches)]:
        await client.socket.send(text)
    assert (await asyncio.wait_for(ended, PATIENCE))['success']
    answers = [await asyncio.wait_for(future, PATIENCE) for _, future, _ in searches]
    failed = [answer['data']['code'] for answer in answers if not answer['success']]
    assert failed and set(failed) == {'unauthorized'}
    assert all(answer['data'] == {'documents': [], 'more': False} for answer in answers if answer['success'])
    await client.fails('unauthorized', 'find', 'notes', {})


async def test_result_is_bounded(make_server):
    server = make_server(config=configuration(limits={'result_bytes': '64K'}))
    client = await filled(server, [{'_id': f'n{i}', 'text': 'x' * 10000} for i in range(20)])
    try:
        found = await client.call('find', 'notes', {})
    except Exception as error:
        assert error.code == 'too_large'
    else:
        assert found['more'] and 1 <= len(found['documents']) <= 6


@pytest.mark.parametrize('query', [{'abbreviation': 'A7'}, {'abbreviation': {'$in': ['A7', 'A8']}}, {'taxid': 7},
                                   {'taxid': {'$gte': 5, '$lt': 9}}, {'taxid': {'$gt': 90}}, {'name': 'Virus 7'},
                                   {'abbreviation': {'$gt': 'A95'}}, {'taxid': None}, {'taxid': 7.0},
                                   {'$and': [{'taxid': {'$gt': 3}}, {'abbreviation': 'A7'}]},
                                   {'abbreviation': 'A7', 'taxid': 8}, {'abbreviation': {'$ne': 'A7'}}])
async def test_indexes_find_what_a_scan_finds(server, query):
    """viruses has indexes, notes has none; both hold the same documents, also after changes and removals."""
    client = await Client.connect(server, 'editor')
    documents = [{'_id': f'v{i}', 'name': f'Virus {i}', 'abbreviation': f'A{i}', 'taxid': i if i % 10 else None}
                 for i in range(100)]
    for collection in ('viruses', 'notes'):
        await client.call('insert', collection, documents)
        await client.call('update', collection, {'_id': 'v7', 'changes': {'abbreviation': 'B7'}})
        await client.call('update', collection, {'_id': 'v20', 'changes': {'abbreviation': 'A7', 'taxid': 7}})
        await client.call('remove', collection, {'_id': 'v8'})
    found = {}
    for collection in ('viruses', 'notes'):
        answer = await client.call('find', collection, {'query': query})
        found[collection] = sorted(d['_id'] for d in answer['documents'])
        assert await client.call('count', collection, {'query': query}) == len(found[collection])
    assert found['viruses'] == found['notes']
    assert json.dumps(query).count('$ne') or found['notes'] != [] or query == {'abbreviation': 'A7', 'taxid': 8}


async def test_read_your_writes_on_every_worker(server):
    """What one client was told is there is there for another, on another worker, at once."""
    first, second = await connect_to_workers(server, 'editor', 2)
    for i in range(100):
        await first.call('insert', 'notes', {'_id': f'n{i}'})
        assert (await second.call('detail', 'notes', {'_id': f'n{i}'}))['_version'] == 0
        assert await second.call('count', 'notes') == i + 1
