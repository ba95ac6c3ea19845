"""Who may change documents that have owners: by the fields that say so, as they are when the change is committed."""

import asyncio
import itertools

from client import CallError, Client, connect_to_workers
from server import scaled, wait_until_async

NAMES = ('admin', 'ann', 'ben', 'carl')  # ann and ben are in the group lab, carl is in another


async def connect_all(server):
    return {name: await Client.connect(server, name) for name in NAMES}


async def put(admin, **fields):
    """The document d of samples, with just these fields."""
    await admin.call('remove', 'samples', {'_id': 'd'})
    await admin.call('insert', 'samples', {'_id': 'd', **fields})


def changing_calls(number):
    """A change of d by each method, and the ids in its answer."""
    return {
        'update': ({'_id': 'd', 'changes': {'n': number}}, lambda a: a['_ids']),
        'upsert': ({'_id': 'd', 'changes': {'n': number}, 'upsert': True}, lambda a: a['_ids']),
        'query': ({'query': {'_id': 'd'}, 'changes': {'n': number}}, lambda a: a['_ids']),
        'patch': ({'_id': 'd', 'operations': [{'op': 'add', 'path': '/n', 'value': number}]}, lambda a: [a['_id']]),
        'remove': ({'_id': 'd'}, lambda a: a['_ids']),
    }


def method_of(call):
    return {'upsert': 'update', 'query': 'update'}.get(call, call)


def may(name, fields):
    """(may read, may change), by the rules."""
    if name == 'admin' or fields.get('user') == name:
        return True, True
    member = fields.get('group') == {'ann': 'lab', 'ben': 'lab', 'carl': 'other'}[name]
    reads = fields.get('all_read') is True or (member and fields.get('group_read') is True)
    writes = fields.get('all_write') is True or (member and fields.get('group_write') is True)
    return reads, reads and writes


async def try_change(client, call, number):
    """What came of it: 'done', the code of the failure, or 'nothing' when it is not among those that existed."""
    data, ids = changing_calls(number)[call]
    try:
        return 'done' if ids(await client.call(method_of(call), 'samples', data)) == ['d'] else 'nothing'
    except CallError as error:
        return error.code


async def test_each_flag_and_method(server):
    clients = await connect_all(server)
    flags = ('group_read', 'group_write', 'all_read', 'all_write')
    number = 0
    for values in itertools.product((True, False), repeat=4):
        fields = {'user': 'ann', 'group': 'lab', **dict(zip(flags, values))}
        await put(clients['admin'], **fields)
        for name, call in itertools.product(NAMES, changing_calls(0)):
            number += 1
            reads, changes = may(name, fields)
            skips = call in ('query', 'remove')
            expected = 'done' if changes else 'forbidden' if reads else 'nothing' if skips else 'not_found'
            assert await try_change(clients[name], call, number) == expected, f'{name} {call} {fields}'
            if call == 'remove' and changes:
                await clients['admin'].call('insert', 'samples', {'_id': 'd', **fields})
            elif changes:
                assert (await clients['admin'].call('detail', 'samples', {'_id': 'd'}))['n'] == number


async def test_only_the_owner_changes_the_rights(server):
    clients = await connect_all(server)
    ben, carl = clients['ben'], clients['carl']
    fields = {'user': 'ann', 'group': 'lab', 'group_read': True, 'group_write': True, 'all_read': True,
              'all_write': True}
    for field, value in {'user': 'ben', 'group': None, 'group_read': False, 'group_write': 1, 'all_read': None,
                         'all_write': False}.items():
        await put(clients['admin'], **fields)
        version = (await ben.call('detail', 'samples', {'_id': 'd'}))['_version']
        for client in (ben, carl):
            for data in ({'_id': 'd'}, {'_id': 'd', 'upsert': True}, {'query': {'user': 'ann'}}):
                failure = await client.fails('forbidden', 'update', 'samples',
                                             {**data, 'changes': {'n': 1, field: value}})
                assert f'"{field}"' in failure['message']
            failure = await client.fails('forbidden', 'patch', 'samples', {
                '_id': 'd', 'operations': [{'op': 'replace', 'path': f'/{field}', 'value': value}]})
            assert f'"{field}"' in failure['message']
        assert (await ben.call('detail', 'samples', {'_id': 'd'}))['_version'] == version
        # To say again what is so already changes nothing.
        await ben.call('update', 'samples', {'_id': 'd', 'changes': {field: fields[field], 'n': 2}})
        for client in (clients['ann'], clients['admin']):
            await put(clients['admin'], **fields)
            await client.call('update', 'samples', {'_id': 'd', 'changes': {field: value}})


async def test_a_document_is_given_away(server):
    clients = await connect_all(server)
    ann, carl = clients['ann'], clients['carl']
    await ann.call('insert', 'samples', {'_id': 'd'})
    await ann.call('update', 'samples', {'_id': 'd', 'changes': {'user': 'carl'}})
    assert await try_change(ann, 'update', 1) == 'not_found'
    await ann.fails('not_found', 'update', 'samples', {'_id': 'd', 'changes': {'user': 'ann'}})
    assert await try_change(carl, 'update', 2) == 'done'
    await carl.call('update', 'samples', {'_id': 'd', 'changes': {'user': None, 'all_read': True, 'all_write': True}})
    # It is nobody's now: all may change it, nobody but an administrator whose it is.
    assert await try_change(ann, 'patch', 3) == 'done'
    await carl.fails('forbidden', 'update', 'samples', {'_id': 'd', 'changes': {'user': 'carl'}})
    await clients['admin'].call('update', 'samples', {'_id': 'd', 'changes': {'user': 'ann'}})
    assert await try_change(ann, 'remove', 4) == 'done'


async def test_what_is_inserted_is_the_callers(server):
    clients = await connect_all(server)
    admin, ann = clients['admin'], clients['ann']

    async def detail(key):
        document = await admin.call('detail', 'samples', {'_id': key})
        return {k: v for k, v in document.items() if k not in ('_id', '_version')}

    def upsert(key, **fields):
        return 'update', 'samples', {'_id': key, 'upsert': True, 'changes': fields}

    await ann.call('insert', 'samples', {'_id': 'i1', 'n': 1})
    await ann.call('insert', 'samples', [{'_id': 'i2', 'user': 'ann', 'group': 'lab'}, {'_id': 'i3'}])
    await ann.call(*upsert('u1', n=1))
    await ann.call(*upsert('u2', user='ann', group='lab'))
    await admin.call('insert', 'samples', [{'_id': 'a1'}, {'_id': 'a2', 'user': 'carl', 'group': 'lab'},
                                           {'_id': 'a3', 'user': None}])
    await admin.call(*upsert('a4'))
    await admin.call(*upsert('a5', user='carl', group='lab'))
    assert await detail('i1') == await detail('u1') == {'n': 1, 'user': 'ann'}
    assert await detail('i2') == await detail('u2') == {'user': 'ann', 'group': 'lab'}
    assert await detail('i3') == {'user': 'ann'}
    assert await detail('a1') == await detail('a4') == {'user': 'admin'}
    assert await detail('a2') == await detail('a5') == {'user': 'carl', 'group': 'lab'}
    assert await detail('a3') == {'user': None}

    for fields, named in (({'user': 'ben'}, 'user'), ({'user': 7}, 'user'),
                          ({'user': 'ann', 'group': 'other'}, 'group'), ({'group': 'administrator'}, 'group')):
        for call in (('insert', 'samples', {'_id': 'x', **fields}), upsert('x', **fields)):
            failure = await ann.fails('forbidden', *call)
            assert f'"{named}"' in failure['message']
    await ann.fails('forbidden', 'insert', 'samples', {'_id': 'x', 'user': None})
    failure = await ann.fails('forbidden', 'insert', 'samples', [{'_id': 'x'}, {'_id': 'y', 'user': 'ben'}])
    assert failure['index'] == 1
    await admin.fails('not_found', 'detail', 'samples', {'_id': 'x'})
    # A group of others can be kept but not taken.
    await ann.fails('forbidden', 'update', 'samples', {'_id': 'i1', 'changes': {'group': 'other'}})
    await admin.call('update', 'samples', {'_id': 'i1', 'changes': {'group': 'other'}})
    await ann.call('update', 'samples', {'_id': 'i1', 'changes': {'n': 2, 'group_read': True}})
    assert (await clients['carl'].call('detail', 'samples', {'_id': 'i1'}))['n'] == 2

    # The control socket's documents are nobody's unless it says so.
    control = await Client.control(server)
    await control.call('insert', 'samples', {'_id': 'c1'})
    await control.call('insert', 'samples', {'_id': 'c2', 'user': 'ann'})
    await control.call(*upsert('c3'))
    assert await detail('c1') == await detail('c3') == {}
    assert await detail('c2') == {'user': 'ann'}


async def test_lists_and_queries_are_all_or_nothing(server):
    clients = await connect_all(server)
    admin, carl = clients['admin'], clients['carl']
    await admin.call('insert', 'samples', [
        {'_id': 'own', 'user': 'carl'}, {'_id': 'free', 'user': 'ann', 'all_read': True, 'all_write': True},
        {'_id': 'read', 'user': 'ann', 'all_read': True}, {'_id': 'hidden', 'user': 'ann'}])
    for once in None, 'k':
        failure = await carl.fails('forbidden', 'remove', 'samples', {'_id': ['own', 'none', 'read']}, once=once)
        assert failure['index'] == 2
    await carl.fails('forbidden', 'update', 'samples', {'query': {}, 'changes': {'n': 1}})
    assert await admin.call('count', 'samples', {'query': {'n': {'$exists': False}}}) == 4
    answer = await carl.call('update', 'samples', {'query': {'all_write': {'$ne': False}, '_id': {'$ne': 'read'}},
                                                   'changes': {'n': 1}})
    assert sorted(answer['_ids']) == ['free', 'own']
    answer = await carl.call('remove', 'samples', {'_id': ['none', 'free', 'hidden', 'own']})
    assert answer['_ids'] == ['free', 'own']
    assert await admin.call('count', 'samples') == 2
    # A query of an administrator changes all.
    assert len((await admin.call('update', 'samples', {'query': {}, 'changes': {'n': 2}}))['_ids']) == 2


async def test_once(server):
    """A key that was used is answered as before; a refusal is not remembered."""
    clients = await connect_all(server)
    admin, carl = clients['admin'], clients['carl']
    await put(admin, user='ann', all_read=True)
    change = ('update', 'samples', {'_id': 'd', 'changes': {'n': 1}})
    await carl.fails('forbidden', *change, once='k')
    await admin.call('update', 'samples', {'_id': 'd', 'changes': {'all_write': True}})
    answer = await carl.call(*change, once='k')
    await admin.call('update', 'samples', {'_id': 'd', 'changes': {'all_write': False}})
    assert await carl.call(*change, once='k') == answer
    await carl.fails('forbidden', *change, once='another')
    failure = await carl.fails('forbidden', 'insert', 'samples', [{}, {'user': 'ann'}], once='list')
    assert failure['index'] == 1


async def test_write_flags_take_nothing_out_of_sight(server):
    """A change of who may change is an update to those who see the document, and no remove for anybody."""
    clients = await connect_all(server)
    admin = clients['admin']
    await put(admin, user='ann', group='lab', group_read=True)
    position = {name: await client.synchronize('samples') for name, client in clients.items()}
    for changes in ({'group_write': True}, {'all_write': True}, {'group_write': False}):
        await admin.call('update', 'samples', {'_id': 'd', 'changes': changes})
    await admin.call('insert', 'notes', {'_id': 'end'})
    for name, client in clients.items():
        await client.until(lambda c=client: 'end' in c.copy('notes'))
        assert not client.of('remove', 'samples'), name
        assert len([m for m in client.of('update', 'samples') if not m.get('sync')]) == (0 if name == 'carl' else 4)
    for name in ('ben', 'carl'):
        again = await Client.connect(server, name)
        await again.call('resume', data=position[name])
        assert not again.of('remove', 'samples')
        assert [m['data'][0]['_version'] for m in again.of('update', 'samples')] == ([3] if name == 'ben' else [])


async def flip(admin, field, seconds_over):
    """Gives and takes the right, over and over; returns {version that the flip made: the right then}."""
    history = {}
    value = True
    while not seconds_over():
        answer = await admin.call('update', 'samples', {'_id': 'd', 'changes': {field: value}})
        history[answer['_version']] = value
        value = not value
    return history


async def write_on(client, number, seconds_over):
    """Changes the document as often as it may; returns the versions made, and how many were refused."""
    versions, refused = [], 0
    for count in itertools.count():
        if seconds_over():
            return versions, refused
        try:
            answer = await client.call('update', 'samples', {'_id': 'd', 'changes': {f'n{number}': count}})
            versions.append(answer['_version'])
        except CallError as error:
            assert error.code in ('forbidden', 'not_found')
            refused += 1


async def race(server, field, fields):
    admin = await Client.connect(server, 'admin')
    writers = await connect_to_workers(server, 'carl', 2)
    await put(admin, user='ann', **fields)
    progress = {'done': 0}
    wanted = scaled(300, 60)

    def over():
        progress['done'] += 1
        return progress['done'] > wanted * 6

    history, *written = await asyncio.gather(flip(admin, field, over), *(write_on(c, i, over)
                                                                         for i, c in enumerate(writers)))
    versions = sorted(version for list_, _ in written for version in list_)
    assert versions and len(versions) == len(set(versions))
    assert sum(refused for _, refused in written) > 0
    # Versions are in the order of commits: each change was made while the right was there.
    state = False
    for version in range(1, max(history) + 1):
        if version in history:
            state = history[version]
        else:
            assert version in versions and state, f'version {version} was made without the right'


async def test_no_change_after_the_right_was_withdrawn(server):
    await race(server, 'all_write', {'all_read': True})


async def test_no_change_of_what_was_hidden(server):
    await race(server, 'all_read', {'all_write': True})


async def test_withdrawn_is_withdrawn_on_every_worker(server):
    """Who has seen the answer to the withdrawal finds that nothing can be changed any more, through any worker."""
    admin = await Client.connect(server, 'admin')
    writers = await connect_to_workers(server, 'carl', 2)
    await put(admin, user='ann', all_read=True, all_write=True)
    for round_ in range(scaled(40, 10)):
        await admin.call('update', 'samples', {'_id': 'd', 'changes': {'all_write': True}})
        # Some are on their way meanwhile, and come to whatever they come to.
        early = [await c.start('update', 'samples', {'_id': 'd', 'changes': {'n': round_}}) for c in writers]
        await admin.call('update', 'samples', {'_id': 'd', 'changes': {'all_write': False}})
        for client in writers:
            for call in changing_calls(0):
                assert await try_change(client, call, -1) == 'forbidden'
        await wait_until_async(lambda e=early: all(f.done() for f in e))
    assert (await admin.call('detail', 'samples', {'_id': 'd'})).get('n') != -1
