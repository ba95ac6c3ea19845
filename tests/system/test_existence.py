"""Whether an id is had by a document that the caller may not see: nothing tells it but `exists`."""

import json

from client import CallError, Client, connect_to_workers

FORMS = ('there', 'gone', 'never')  # hidden and there, hidden and removed by its owner since, never made


def probes(key, versions=(0, 1, 7)):
    """Calls that would tell by code, message, count or what is sent; insert is not among them."""
    yield 'detail', {'_id': key}
    for more in ({}, *({'_version': version} for version in versions)):
        yield 'update', {'_id': key, 'changes': {'n': 1}, **more}
        yield 'patch', {'_id': key, 'operations': [{'op': 'test', 'path': '/n', 'value': 1}], **more}
        yield 'patch', {'_id': key, 'operations': [{'op': 'add', 'path': '/_id', 'value': 'x'}], **more}
        yield 'remove', {'_id': key, **more}
    for changes in ({'_id': 'x'}, {'_id': None}, {'_id': 7}, {'_id': 'x', 'user': 'ann'}):
        for more in ({}, {'upsert': True}, {'upsert': True, '_version': 0}):
            yield 'update', {'_id': key, 'changes': changes, **more}
    yield 'update', {'_id': key, 'changes': {'_id': key, 'n': 1}, 'upsert': True, '_version': 0}
    yield 'update', {'_id': key, 'changes': [1], 'upsert': True}
    yield 'remove', {'_id': [key, 'x']}
    for version in versions:
        yield 'sync', {key: version}
        yield 'sync', {'manifest': {key: version}, 'from': key}
    yield 'sync', {}
    yield 'count', {'query': {'_id': key}}
    yield 'find', {'query': {'_id': {'$in': [key]}}}


async def tell(client, method, data, key, collection='samples'):
    """All that came of a call, in a form in which the id has no name and the store's position is left out."""
    start = len(client.messages)
    try:
        answer, progress = await client.call_progress(method, collection, data)
    except CallError as error:
        answer, progress = error.data, []
    if method in ('sync', 'resume'):
        answer = None
    sent = [m for m in client.messages[start:] if m.get('sync')]
    return json.dumps([answer, progress, sent]).replace(json.dumps(key)[1:-1], 'ID')


async def tell_all(client, key):
    return [(method, json.dumps(data).replace(key, 'ID'), await tell(client, method, data, key))
            for method, data in probes(key)]


async def make_forms(server, prefix):
    """The ids in their forms; whoever made and removed documents was their owner."""
    ann = await Client.connect(server, 'ann')
    ids = {form: f'{prefix}-{form}' for form in FORMS}
    for form in ('there', 'gone'):
        await ann.call('insert', 'samples', {'_id': ids[form], 'n': 1, 'text': 'hidden'})
        await ann.call('update', 'samples', {'_id': ids[form], 'changes': {'text': 'hidden still'}})
    await ann.call('remove', 'samples', {'_id': ids['gone']})
    return ids


async def test_no_call_tells_it(server):
    """On every worker; those of `sync` and its announced number among them."""
    clients = await connect_to_workers(server, 'carl', 2)
    position = await clients[0].call('sync', 'samples', {})
    ids = await make_forms(server, 'a')
    for client in clients:
        told = [await tell_all(client, ids[form]) for form in FORMS]
        assert told[0] == told[1] == told[2]
        assert len({what for _, _, what in told[0]}) > 4  # they do differ from call to call
        assert [] == json.loads(await tell(client, 'resume', position, 'x', 'dispatcher'))[2]


async def test_an_insertion_and_what_follows(server):
    """It says `exists` of what is there, whatever else it says of itself; after that, and after one that succeeded,
    `sync`, `resume` and the rest say the same as of an id that nobody ever had."""
    carl, other = await connect_to_workers(server, 'carl', 2)
    ids = await make_forms(server, 'b')
    taken = {await tell(carl, 'insert', {'_id': ids['there'], **fields}, ids['there'])
             for fields in ({}, {'n': 1}, {'text': 'hidden still', 'n': 1}, {'user': 'carl'})}
    assert len(taken) == 1 and '"exists"' in taken.pop()
    before = await carl.call('sync', 'samples', {})
    # What was refused leaves nothing behind that would tell.
    never = await tell_all(other, 'b-never')
    assert await tell_all(other, ids['there']) == never
    made = {}
    for form in ('gone', 'never'):
        made[form] = await carl.call('insert', 'samples', {'_id': ids[form]})
    versions = {answer['_version'] for answer in made.values()}
    assert len(versions) == 1
    version = versions.pop()
    for client in (carl, other):
        told = []
        for form in ('gone', 'never'):
            key = ids[form]
            told.append([await tell(client, 'sync', data, key) for number in {0, 1, version - 1, version, version + 1}
                         for data in ({'manifest': {key: number}, 'from': key, 'to': key + 'z'},
                                      {'manifest': {}, 'from': key, 'to': key + 'z'})
                         ] + [await tell(client, 'detail', {'_id': key}, key)])
        assert told[0] == told[1]
    resumed = json.loads(await tell(other, 'resume', before, 'x', 'dispatcher'))[2]
    assert [(m['operation'], sorted(d['_id'] for d in m['data'])) for m in resumed] == [
        ('update', sorted(ids[form] for form in ('gone', 'never')))]
    assert {frozenset(d.items()) - {('_id', d['_id'])} for m in resumed for d in m['data']} == {
        frozenset({('_version', version), ('user', 'carl')})}
    # And when they are removed again.
    for client in (carl, other):
        answers = {form: await tell(carl, 'remove', {'_id': ids[form]}, ids[form]) for form in ('gone', 'never')}
        assert answers['gone'] == answers['never']
        told = [await tell_all(client, ids[form]) for form in FORMS]
        assert told[0] == told[1] == told[2]


async def test_an_update_that_would_make_it(server):
    """With `upsert` an id that is there is told of as by insert, and only then: not by what is wrong with the call."""
    carl = await Client.connect(server, 'carl')
    ids = await make_forms(server, 'c')
    await carl.fails('not_found', 'update', 'samples', {'_id': ids['there'], 'changes': {'n': 1}, 'upsert': True})
    made = [await tell(carl, 'update', {'_id': ids[form], 'changes': {'n': 1}, 'upsert': True}, ids[form])
            for form in ('gone', 'never')]
    assert made[0] == made[1]
    for key in ids.values():
        await carl.fails('invalid', 'update', 'samples', {'_id': key, 'changes': {'_id': 'x'}, 'upsert': True})
