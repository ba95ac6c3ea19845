"""detail, find, count: queries, fields, sort, skip, limit."""

import asyncio
import json
import os
import random

import pytest

from client import Client, connect_to_workers
from configuration import COLLECTIONS, FREE, configuration
from find_model import in_order, projected
from server import PATIENCE

DOCUMENTS = [
    {'_id': 'a', 'n': 1, 's': 'x', 'tags': ['red', 'blue'], 'o': {'p': {'q': 5}}},
    {'_id': 'b', 'n': 2, 's': 'y', 'tags': ['red'], 'o': {'p': {'q': 6}}},
    {'_id': 'c', 'n': 3.5, 's': 'z', 'tags': [], 'flag': True},
    {'_id': 'd', 'n': '3', 's': None, 'tags': [1, 2]},
    {'_id': 'e', 'list': [{'k': 1}, {'k': 2}], 'flag': False},
    {'_id': 'f', 'n': 9007199254740993, 's': 'é'},
]

SEED = int(os.environ.get('DISPATCHD_TEST_SEED', '1'))

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


async def pages(client, collection, call, between=None):
    """All documents of a find, page by page. @between is awaited after each page."""
    documents, after = [], None
    while True:
        found = await client.call('find', collection, {**call, 'after': after})
        documents += found['documents']
        assert ('after' in found) == found['more'] and (found['documents'] or not found['more'])
        assert len(documents) < 10000
        if not found['more']:
            return documents
        after = found['after']
        if between:
            await between()


def random_value(rng, depth):
    kind = rng.randrange(10 if depth else 6)
    if kind < 6:
        return rng.choice([None, False, True, 0, 1, 2, -7, 1.5, '', 'a', 'b', 'aa', 'é', 'x"\\y\n', 9007199254740993])
    if kind < 8:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {name: random_value(rng, depth - 1) for name in rng.sample('abc', rng.randrange(4))}


PATHS = ['a', 'b', 'a.b', 'b.a', 'a.0', 'b.1', 'a.1.b', 'a.b.c', 'a.a.a', 'c', '_id', 'b.a.0.c']


async def test_random_sorts_and_fields(server):
    """Page by page, while other documents come and go, and these change elsewhere: compared with a plain model."""
    rng = random.Random(SEED)
    documents = [{'_id': f'd{i:03}', **{name: random_value(rng, 3) for name in rng.sample('abc', rng.randrange(4))}}
                 for i in range(150)]
    client = await filled(server, documents)
    others, others_ever = [], set()

    async def between():
        """One more comes, and one goes, perhaps one that was met, or on which the page ended; or one changes."""
        others.append((await client.call('insert', 'notes', {'a': random_value(rng, 2)}))['_id'])
        others_ever.add(others[-1])
        if rng.randrange(2):
            await client.call('remove', 'notes', {'_id': others.pop(rng.randrange(len(others)))})
        else:
            await client.call('update', 'notes', {'_id': rng.choice(documents)['_id'], 'changes': {'z': rng.random()}})

    for _ in range(40):
        sort = {path: rng.choice((1, -1)) for path in rng.sample(PATHS, rng.randrange(4))}
        fields = rng.sample(PATHS, rng.randrange(5)) if rng.randrange(2) else None
        call = {'limit': rng.randrange(10, 60), **({'sort': sort} if sort else {}),
                **({'fields': fields} if fields is not None else {})}
        found = [{key: value for key, value in document.items() if key not in ('_version', 'z')}
                 for document in await pages(client, 'notes', call, between) if document['_id'] not in others_ever]
        expected = in_order(documents, sort)
        assert [document['_id'] for document in found] == [document['_id'] for document in expected], call
        if fields is not None:
            expected = [projected(document, fields) for document in expected]
        assert found == expected, call


async def test_sort_and_fields_through_lists(server):
    client = await filled(server, [
        {'_id': 'a', 'tags': ['pear', 'fig'], 'list': [{'k': 5, 'j': 1}, {'k': 1}]},
        {'_id': 'b', 'tags': ['apple'], 'list': [{'k': 3}, 7, {'j': 2}]},
        {'_id': 'c', 'tags': [], 'list': []},
        {'_id': 'd', 'tags': 'banana', 'list': {'k': 4, 'j': 3}}])

    async def order(sort):
        found = await client.call('find', 'notes', {'sort': sort, 'fields': []})
        return ''.join(document['_id'] for document in found['documents'])

    assert await order({'tags': 1}) == 'cbda'
    assert await order({'tags': -1}) == 'adbc'
    assert await order({'list.k': 1}) == 'bcad'
    assert await order({'list.k': -1}) == 'adbc'
    assert await order({'list.0.k': -1}) == 'abcd'
    found = await client.call('find', 'notes', {'fields': ['list.k', 'tags.0']})
    assert found['documents'] == [
        {'_id': 'a', '_version': 0, 'tags': ['pear'], 'list': [{'k': 5}, {'k': 1}]},
        {'_id': 'b', '_version': 0, 'tags': ['apple'], 'list': [{'k': 3}, {}]},
        {'_id': 'c', '_version': 0, 'tags': [], 'list': []},
        {'_id': 'd', '_version': 0, 'list': {'k': 4}}]
    deep = '.'.join('a' * 65)
    for data in ({'sort': {deep: 1}}, {'fields': [deep]}, {'query': {deep: 1}}):
        failure = await client.fails('invalid', 'find', 'notes', data)
        assert 'steps' in failure['message']
    assert (await client.call('find', 'notes', {'sort': {deep[2:]: 1}, 'fields': [deep[2:]]}))['more'] is False


async def test_pages_by_an_index(server):
    """Without sort documents come in the order of the index that is used; pages go on there."""
    client = await Client.connect(server, 'editor')
    documents = [{'_id': f'v{i:02}', 'name': f'V{i}', 'taxid': [i % 9, i % 5] if i % 3 else i % 9,
                  'abbreviation': 'A' * (i % 4 * 100)} for i in range(60)]
    await client.call('insert', 'viruses', documents)
    names = iter(range(1000))

    async def between():
        number = next(names)
        await client.call('insert', 'viruses', {'_id': f'x{number}', 'name': f'X{number}', 'taxid': number % 7,
                                                'abbreviation': 'A'})
        if number % 3 == 0:
            await client.call('remove', 'viruses', {'_id': f'x{number}'})

    def held(document, query):
        if 'taxid' in query:
            taxid = document['taxid']
            return any(query['taxid']['$gte'] <= n for n in (taxid if isinstance(taxid, list) else [taxid]))
        return document['abbreviation'] >= query['abbreviation']['$gte']

    for query in ({'taxid': {'$gte': 3}}, {'abbreviation': {'$gte': 'A' * 100}}):
        expected = sorted(document['_id'] for document in documents if held(document, query))
        for call in ({'query': query, 'limit': 7}, {'query': query, 'limit': 7, 'sort': {'_id': 1}}):
            found = [document['_id'] for document in await pages(client, 'viruses', call, between)
                     if document['_id'][0] == 'v']
            assert sorted(found) == expected
            assert found == expected or 'sort' not in call
    # What was got for one query is not for another one that takes another way.
    found = await client.call('find', 'viruses', {'query': {'taxid': {'$gte': 3}}, 'limit': 2})
    failure = await client.fails('invalid', 'find', 'viruses', {'after': found['after']})
    assert failure['message'].startswith('after')


async def test_what_is_no_cursor(server):
    client = await filled(server)
    first = await client.call('find', 'notes', {'limit': 1})
    sorted_first = await client.call('find', 'notes', {'limit': 1, 'sort': {'n': 1}})
    for after in (5, True, [], {}, '', 'x', '[]', '["","a","b"]', '["",5]', '["","\\u0001"]', first['after'] + ' x',
                  sorted_first['after'], '["n","00"]', '[' * 63, '"' * 1000, 'x' * 100000, 2 ** 63):
        failure = await client.fails('invalid', 'find', 'notes', {'after': after})
        assert failure['message'].startswith('after')
    for sort in ({'n': -1}, {'m': 1}, {'n': 1, 'm': 1}, {'m': 1, 'n': 1}):
        await client.fails('invalid', 'find', 'notes', {'after': sorted_first['after'], 'sort': sort})
    for after in (first['after'], sorted_first['after'][:-1], sorted_first['after'].replace('[', '{')):
        await client.fails('invalid', 'find', 'notes', {'after': after, 'sort': {'n': 1}})
    # One that is right stays so, whatever is asked for besides, and skip begins there.
    found = await client.call('find', 'notes', {'after': first['after'], 'skip': 2, 'limit': 1, 'fields': []})
    assert [document['_id'] for document in found['documents']] == ['d']
    found = await client.call('find', 'notes', {'after': sorted_first['after'], 'sort': {'n': 1}, 'skip': 1,
                                                'query': {'n': {'$exists': True}}})
    assert [document['_id'] for document in found['documents']] == ['b', 'c', 'f', 'd']
    assert (await client.call('find', 'notes', {'after': None, 'limit': 1})) == first


async def test_pages_with_long_keys(make_server):
    """A cursor fits into a message, however long what is sorted by may be; what is too long to be told apart comes in
    the order of ids."""
    server = make_server(config=configuration(limits={'message_bytes': '8K', 'document_bytes': '8K',
                                                      'result_bytes': '8K'}))
    rng = random.Random(SEED)
    client = await Client.connect(server, 'editor')
    texts = ['\x01' * 600, 'é' * 900 + 'a', 'é' * 900 + 'b', '"\\' * 1500, 'x' * 6000]
    documents = [{'_id': f'd{i:02}', 's': rng.choice(texts), 'n': i % 3} for i in range(30)]
    for document in documents:
        await client.call('insert', 'notes', document)
    for sort in ({'s': 1}, {'n': -1, 's': -1}, {'s': -1, 'n': 1}):
        found = await pages(client, 'notes', {'sort': sort, 'fields': ['n']})
        cut = [{**document, 's': document['s'][:60]} for document in documents]
        assert [document['_id'] for document in found] == [document['_id'] for document in in_order(cut, sort)]


async def test_what_is_too_large_can_be_reached(make_server):
    """A document that alone is more than an answer may be is a page of its own, in any order, and so where there are
    few bytes to sort in."""
    server = make_server(config=configuration(limits={
        'result_bytes': '64K', 'worker_calls_bytes': '4M', 'message_bytes': '2M', 'document_bytes': '2M'}))
    documents = [{'_id': f'n{i:02}', 'n': i * 7 % 10, 'text': 'x' * (1500000 if i % 6 == 0 else 10000)}
                 for i in range(12)]
    client = await filled(server, [])
    for document in documents:
        await client.call('insert', 'notes', document)
    async def read_in_order(sort):
        found = await pages(client, 'notes', {'sort': sort} if sort else {})
        expected = in_order([{**document, 'text': ''} for document in documents], sort)  # as far as keys go
        assert [document['_id'] for document in found] == [document['_id'] for document in expected]
        assert {document['_id']: len(document['text']) for document in found} == lengths

    lengths = {document['_id']: len(document['text']) for document in documents}
    for sort in ({}, {'n': -1}, {'text': 1}):
        await read_in_order(sort)
    failure = await client.fails('too_large', 'find', 'notes', {'sort': {'n': 1}, 'skip': 11})
    assert 'after' in failure['message']
    # What counts is what is asked for.
    found = await client.call('find', 'notes', {'fields': ['n']})
    assert len(found['documents']) == 12 and not found['more']
    # One that was stored when it might be larger: alone it is more than all calls may hold now.
    server.configure(configuration(limits={'result_bytes': '64K', 'worker_calls_bytes': '1M', 'message_bytes': '64K',
                                           'document_bytes': '64K'}))
    server.restart()
    client = await Client.connect(server, 'editor')
    for sort in ({}, {'n': 1}):
        await read_in_order(sort)


async def test_result_is_bounded(make_server):
    server = make_server(config=configuration(limits={'result_bytes': '64K'}))
    client = await filled(server, [{'_id': f'n{i:02}', 'text': 'x' * 10000} for i in range(20)])
    found = await client.call('find', 'notes', {})
    assert found['more'] and len(found['documents']) == 6
    assert len(json.dumps(found, separators=(',', ':'))) < 65536 + 40


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


async def test_indexes_on_paths(make_server):
    """The order in which documents come shows that the index is used."""
    server = make_server(config=configuration(collections={**COLLECTIONS, 'parts': {
        'index': ['o.k', 'list.k', 'list.0.k'], 'unique': ['key.id'], 'methods': FREE}}))
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'parts', [
        {'_id': f'p{i}', 'o': {'k': 9 - i}, 'list': [{'k': 9 - i}, {'k': 20}], 'key': {'id': i}} for i in range(10)])
    for query in ({'o.k': {'$gte': 3}}, {'list.0.k': {'$gte': 3}}):
        found = await client.call('find', 'parts', {'query': query, 'fields': ['o.k']})
        assert [document['o']['k'] for document in found['documents']] == list(range(3, 10))
    assert await client.call('count', 'parts', {'query': {'list.k': 20}}) == 10
    assert await client.call('count', 'parts', {'query': {'list.k': {'$in': [4, 5]}}}) == 2
    failure = await client.fails('exists', 'insert', 'parts', {'key': {'id': 7}})
    assert '"key.id"' in failure['message']
    await client.call('update', 'parts', {'_id': 'p7', 'changes': {'key': {'id': 77}, 'o': {'k': 99}}})
    await client.call('insert', 'parts', {'_id': 'new', 'key': {'id': 7}})
    found = await client.call('find', 'parts', {'query': {'o.k': {'$gt': 8}}})
    assert [document['_id'] for document in found['documents']] == ['p0', 'p7']
    failure = await client.fails('too_large', 'insert', 'parts', {'key': [{'id': i} for i in range(1001)]})
    assert '1000' in failure['message']


async def test_read_your_writes_on_every_worker(server):
    """What one client was told is there is there for another, on another worker, at once."""
    first, second = await connect_to_workers(server, 'editor', 2)
    for i in range(100):
        await first.call('insert', 'notes', {'_id': f'n{i}'})
        assert (await second.call('detail', 'notes', {'_id': f'n{i}'}))['_version'] == 0
        assert await second.call('count', 'notes') == i + 1
