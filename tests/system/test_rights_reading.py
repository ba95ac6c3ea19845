"""Nobody learns of a document that it may not read: every answer is what it would be without the document."""

import asyncio
import json

from client import CallError, Client
from configuration import COLLECTIONS, configuration
from server import scaled

SPECIMENS = {
    'projector': ['name', 'user'],
    'sync_filter': {'archived': {'$ne': True}},
    'unique': ['code'],
    'index': ['kind', 'size'],
    'rights': COLLECTIONS['samples']['rights'],
    'methods': {'insert': [], 'update': [], 'patch': [], 'remove': []},
}
LIMITS = {'result_bytes': 4096, 'bulk_documents': 20}

OPEN = [{'_id': f'open{i}', 'user': 'ann', 'all_read': True, 'all_write': True, 'code': i, 'kind': 'a', 'size': i,
         'name': f'o{i}'} for i in range(4)]
# Hidden from carl for every reason there is: before, between and behind the others in every order.
HIDDEN = [{'_id': key, 'user': 'ann', 'code': f'h{key}', 'kind': kind, 'size': size, 'name': 'hidden', 'secret': 1,
           'text': 'x' * 5000, **flags}
          for key, kind, size, flags in (
              ('a', 'a', -1, {}), ('open0a', 'a', 1.5, {'all_write': True}),
              ('open1a', 'b', 2, {'group': 'lab', 'group_read': True, 'group_write': True}),
              ('open2a', 'a', 2.5, {'group': 'other'}), ('open2b', 'a', 3, {'group': 'other', 'group_write': True}),
              ('z', 'z', 99, {'all_read': 'true'}), ('zz', 'a', 100, {'archived': True}))]
MANY = [{'_id': f'many{i:02}', 'user': 'ben', 'code': f'm{i}', 'kind': 'a', 'size': i, 'name': 'hidden', 'secret': 1}
        for i in range(40)]
HIDDEN_IDS = [d['_id'] for d in HIDDEN]


def specimens(**limits):
    return configuration(collections={**COLLECTIONS, 'specimens': SPECIMENS}, limits={**LIMITS, **limits})


def find_calls():
    queries = [None, {'secret': 1}, {'secret': {'$exists': True}}, {'kind': 'a'}, {'kind': {'$gte': 'a'}},
               {'kind': 'z'}, {'size': {'$gte': 0, '$lte': 3}}, {'size': 99}, {'code': 'ha'},
               {'code': {'$in': ['ha', 'hz', 1]}}, {'_id': 'a'}, {'_id': {'$in': ['a', 'open1', 'zz']}},
               {'_id': {'$gte': 'a', '$lte': 'open1b'}}, {'$or': [{'secret': 1}, {'size': 2}]},
               {'$not': {'name': 'o1'}}, {'user': 'ben'}]
    for query in queries:
        data = {'query': query} if query is not None else {}
        yield 'count', data
        for more in ({}, {'limit': 1}, {'limit': 2, 'skip': 1}, {'limit': 4}, {'limit': 0}, {'skip': 4},
                     {'sort': {'size': 1}}, {'sort': {'size': -1, 'secret': 1}, 'limit': 2},
                     {'sort': {'secret': -1}, 'skip': 1, 'limit': 2}, {'fields': ['size', 'secret']}):
            yield 'find', {**data, **more}


def calls():
    """Calls that change nothing when they are made by carl, whether what is hidden is there or not."""
    yield from find_calls()
    for key in HIDDEN_IDS + ['many07']:
        yield 'detail', {'_id': key}
        for version in ({}, {'_version': 0}, {'_version': 5}):
            yield 'update', {'_id': key, 'changes': {'x': 1}, **version}
            yield 'patch', {'_id': key, 'operations': [], **version}
            yield 'remove', {'_id': key, **version}
        yield 'update', {'_id': key, 'changes': {'user': 'carl', '_id': 'other'}}
        yield 'update', {'_id': key, 'changes': {'code': 1}}
        yield 'update', {'_id': key, 'changes': {'x': 1}, 'upsert': True, '_version': 0}
        for operation in ({'op': 'test', 'path': '/secret', 'value': 1}, {'op': 'test', 'path': '/secret', 'value': 2},
                          {'op': 'remove', 'path': '/nothing'}, {'op': 'move', 'from': '/secret', 'path': '/y'},
                          {'op': 'add', 'path': '/_id', 'value': 'other'}, {'op': 'nonsense'}):
            yield 'patch', {'_id': key, 'operations': [operation]}
    yield 'remove', {'_id': HIDDEN_IDS}
    for query in ({'secret': 1}, {'name': 'hidden'}, {'size': {'$gte': 90}}, {'user': 'ben'}):
        yield 'update', {'query': query, 'changes': {'x': 1}}
    for manifest in ({}, {key: 0 for key in HIDDEN_IDS}, {'open0': 0, 'a': 3, 'many07': 0, 'open3': 7}):
        yield 'sync', manifest
        yield 'sync', {'manifest': {k: v for k, v in manifest.items() if k < 'open1'}, 'to': 'open1'}


async def answers(client):
    """Every answer in full, with what was sent for it; where the store stands is left out."""
    result = []
    for method, data in calls():
        before = len(client.messages)
        try:
            answer, progress = await client.call_progress(method, 'specimens', data)
        except CallError as error:
            answer, progress = error.data, []
        if method == 'sync':
            answer = None
        messages = [m for m in client.messages[before:] if m['collectionName'] == 'specimens']
        result.append(json.dumps([method, data, answer, progress, messages]))
    return result


async def test_every_answer_is_as_if_it_were_not_there(make_server):
    server = make_server(config=specimens())
    admin, carl = await Client.connect(server, 'admin'), await Client.connect(server, 'carl')
    await admin.call('insert', 'specimens', OPEN)
    await carl.until(lambda: len(carl.copy('specimens')) == len(OPEN))
    without = await answers(carl)
    await admin.call('insert', 'specimens', HIDDEN)
    await admin.call('insert', 'specimens', MANY[:20])
    await admin.call('insert', 'specimens', MANY[20:])
    assert await admin.call('count', 'specimens') == len(OPEN) + len(HIDDEN) + len(MANY)
    with_hidden = await answers(carl)
    for one, other in zip(without, with_hidden):
        assert one == other
    # The answers are not all the same: these calls do find and refuse something.
    assert len(set(without)) > len(without) / 2
    assert not [m for m in carl.of('update', 'specimens') if 'hidden' in json.dumps(m)]
    assert await admin.call('count', 'specimens', {'query': {'_version': 0}}) == len(OPEN) + len(HIDDEN) + len(MANY)
    # And after they are gone.
    for ids in (HIDDEN_IDS, [d['_id'] for d in MANY[:20]], [d['_id'] for d in MANY[20:]]):
        await admin.call('remove', 'specimens', {'_id': ids})
    assert await answers(carl) == without


async def test_what_is_taken_does_not_say_by_whom(make_server):
    """That an id or a unique value is taken can be noticed, but nothing else."""
    server = make_server(config=specimens())
    admin, carl = await Client.connect(server, 'admin'), await Client.connect(server, 'carl')
    await admin.call('insert', 'specimens', HIDDEN)
    for document in HIDDEN:
        taken = await carl.fails('exists', 'insert', 'specimens', {'_id': document['_id']})
        # The same whether the rest is the same or not.
        mine = {k: v for k, v in document.items() if k not in ('user', 'group')}
        assert await carl.fails('exists', 'insert', 'specimens', mine) == taken
        value = {'_id': 'new', 'code': document['code']}
        for call in (('insert', 'specimens', value), ('update', 'specimens', {'_id': 'new', 'upsert': True, 'changes': {
                'code': document['code']}})):
            failure = await carl.fails('exists', *call)
            assert failure['message'] == 'Field "code" must be unique in specimens: another document has this value'
            assert set(failure) == {'warning', 'code', 'message'}
        await carl.fails('not_found', 'update', 'specimens', {'_id': document['_id'], 'upsert': True, 'changes': {}})
    assert await admin.call('count', 'specimens', {'query': {'_version': 0}}) == len(HIDDEN)


async def test_nothing_is_dispatched_or_resumed(make_server):
    """A whole life out of sight; and one that begins and ends in sight is only taken back, from who was there or may
    have got it from a resume that was cut off."""
    server = make_server(config=specimens())
    admin, carl = await Client.connect(server, 'admin'), await Client.connect(server, 'carl')
    start = await carl.synchronize('specimens')
    await admin.call('insert', 'specimens', HIDDEN)
    for number in range(3):
        for key in HIDDEN_IDS:
            await admin.call('update', 'specimens', {'_id': key, 'changes': {'name': f'n{number}',
                                                                             'all_write': number % 2 == 0}})
    await admin.call('remove', 'specimens', {'_id': HIDDEN_IDS[:3]})
    await admin.call('insert', 'specimens', {**OPEN[0], '_id': 's'})
    await admin.call('insert', 'notes', {'_id': 'middle'})
    await carl.until(lambda: 'middle' in carl.copy('notes'))
    assert set(carl.copy('specimens')) == {'s'} and not carl.of('remove', 'specimens')
    middle = await carl.synchronize('notes')
    await admin.call('update', 'specimens', {'_id': 's', 'changes': {'all_read': False}})
    await admin.call('update', 'specimens', {'_id': 's', 'changes': {'name': 'hidden'}})
    hidden = await admin.synchronize('notes')
    await admin.call('update', 'specimens', {'_id': 's', 'changes': {'name': 'also hidden', 'all_write': False}})
    await admin.call('remove', 'specimens', {'_id': 's'})
    await admin.call('insert', 'notes', {'_id': 'end'})
    await carl.until(lambda: 'end' in carl.copy('notes'))
    assert [m['data'] for m in carl.of('remove', 'specimens')] == [['s']]
    for position, removed in ((start, ['s']), (middle, ['s']), (hidden, [])):
        again = await Client.connect(server, 'carl')
        await again.call('resume', data=position)
        assert not again.of('update', 'specimens')
        assert [key for m in again.of('remove', 'specimens') for key in m['data']] == removed
    assert 'hidden' not in json.dumps([m for m in carl.messages if m['collectionName'] == 'specimens'])


async def test_preconditions_tell_nothing_while_rights_change(make_server):
    """A `test` or a `_version` is only looked at in a document that may be read when the change is committed."""
    server = make_server(config=specimens())
    admin, carl = await Client.connect(server, 'admin'), await Client.connect(server, 'carl')
    await admin.call('insert', 'specimens', {'_id': 'd', 'user': 'ann', 'all_write': True, 'secret': 1})
    for round_ in range(scaled(150, 30)):
        # In one change the document comes into sight and its secret goes.
        await admin.call('update', 'specimens', {'_id': 'd', 'changes': {'all_read': True, 'secret': None}})
        hide = await admin.start('update', 'specimens', {'_id': 'd', 'changes': {'all_read': False, 'secret': round_}})
        guesses = [await carl.start('patch', 'specimens', {'_id': 'd', 'operations': [
            {'op': 'test', 'path': '/secret', 'value': round_}, {'op': 'add', 'path': '/found', 'value': True}]})
            for _ in range(4)]
        versions = [await carl.start('update', 'specimens', {
            '_id': 'd', '_version': 2 * round_ + 2, 'changes': {'x': 1}}) for _ in range(2)]
        for answer in await asyncio.gather(hide, *guesses, *versions):
            assert answer['success'] or answer['data']['code'] in ('not_found', 'conflict'), answer
        for future in guesses + versions:
            # The guess is right, as is the version, but only ever while the document is hidden.
            assert not (await future)['success']
        for method, data in (('patch', {'operations': [{'op': 'test', 'path': '/secret', 'value': -1}]}),
                             ('update', {'_version': 0, 'changes': {}})):
            await carl.fails('not_found', method, 'specimens', {'_id': 'd', **data})
    assert (await admin.call('detail', 'specimens', {'_id': 'd'}))['_version'] == 2 * scaled(150, 30)
