"""Rights that change while clients are connected, in the middle of what they do: each ends with what it may see."""

import asyncio
import json
import random

import pytest

from client import CallError, Client
from configuration import COLLECTIONS, configuration
from person import connect_with_small_buffer, go_on_reading, stop_reading
from server import SANITIZE, scaled, wait_until_async

MANY = scaled(8000, 3000)
TEXT = 'x' * 2000
SMALL = {'ring_bytes': '1M', 'backlog_bytes': '512K', 'log_level': 'notice',
         'limits': {'message_bytes': '64K', 'document_bytes': '64K'}}


async def found(server, user, name):
    """What a fresh find returns as the minimal documents, paged; {} when it is forbidden."""
    client = await Client.connect(server, user)
    projector = COLLECTIONS[name].get('projector')
    documents, more = {}, True
    try:
        while more:
            answer = await client.call('find', name, {**({'fields': projector} if projector else {}),
                                                      'skip': len(documents), 'limit': 1000})
            documents.update((d['_id'], d) for d in answer['documents'])
            more = answer['more']
    except CallError as error:
        assert error.code == 'forbidden'
    await client.close()
    return documents


async def synchronize_what_may_be(client, *names):
    for name in names:
        try:
            await client.synchronize(name)
        except CallError as error:
            assert error.code == 'forbidden'
            client.replica.pop(name, None)


def sent(client, operation, name, start=0):
    return [item for m in client.messages[start:] if m['operation'] == operation and m['collectionName'] == name
            for item in m['data']]


async def last_change(writer, *clients):
    """Until these have got everything that was committed before."""
    mark = await writer.call('insert', 'notes', {})
    for client in clients:
        await client.until(lambda c=client: mark['_id'] in c.copy('notes'), seconds=120)


# ---- in the middle of a sync ----

TAKEN = {
    # What is taken from `ben`, the collection it is about, and how; and what is synchronised when it is given back.
    'permission': ('secrets', 'update_permissions', 'groups',
                   lambda given: {'_id': 'lab', 'permissions': {'see_secrets': given}}),
    'membership': ('samples', 'set_group', 'users',
                   lambda given: {'user_id': 'ben', 'group_id': 'lab', 'member': given}),
}


async def keep_changing(client, name, stop):
    """Changes documents at random, one after the other, in and out of sight."""
    chance = random.Random(1)
    keys = [f'd{i:05}' for i in range(MANY)]
    while not stop.is_set():
        key = chance.choice(keys)
        await client.call('update', name, {'_id': key, 'changes': {
            'n': chance.random(), 'name': f'{chance.random()}', 'group_read': chance.random() < 0.7}})
        if chance.random() < 0.1:
            await client.call('remove', name, {'_id': keys.pop(chance.randrange(len(keys)))})
        await asyncio.sleep(0)


@pytest.mark.parametrize('changing', [False, True], ids=['still', 'changing'])
@pytest.mark.parametrize('taken', TAKEN)
async def test_taken_and_given_back_in_the_middle_of_a_sync(make_server, taken, changing):
    """The member is on another worker than who takes it away, and reads slowly: the sync cannot be over."""
    name, method, collection, data = TAKEN[taken]
    other = 'samples' if name == 'secrets' else 'notes'
    server = make_server(workers=3, config=configuration(**SMALL))
    for many in (name, other):
        server.load(many, [{'_id': f'd{i:05}', 'user': 'ann', 'group': 'lab', 'group_read': True,
                            'all_read': many == other, 'text': TEXT, 'name': TEXT}
                           for i in range(MANY)])
    server.ctl('group', 'set', 'lab', '--permission', 'see_secrets')
    await wait_until_async(lambda: sum(server.connections()) == 0)
    admin = await Client.connect(server, 'admin')
    ben = await connect_with_small_buffer(server, 'ben')
    assert sorted(server.connections()) == [0, 1, 1]
    stop = asyncio.Event()
    changes = [asyncio.ensure_future(keep_changing(admin, many, stop)) for many in (name, other) if changing]

    async def change_within_a_sync(of, given):
        """Returns where in ben's messages the sync began, and where its rights changed."""
        start = len(ben.messages)
        amends = len(ben.of('amend', 'users'))
        sync = await ben.start('sync', of, {})
        await ben.until(lambda: any(m.get('sync') for m in ben.messages[start:]), seconds=120)
        stop_reading(ben)
        await admin.call(method, collection, data(given))
        assert not sync.done()
        go_on_reading(ben)
        await ben.until(lambda: len(ben.of('amend', 'users')) > amends, seconds=120)
        amended = max(i for i, m in enumerate(ben.messages) if m['operation'] == 'amend')
        answer = await asyncio.wait_for(sync, 120)
        assert answer['success'] or answer['data']['code'] == 'forbidden'
        return start, amended

    async def settle():
        await last_change(admin, ben)
        if ben.of('resync', None):  # nobody knows what the copy is between pieces of a sync and changes before them
            assert changing
            await synchronize_what_may_be(ben, name, other)

    start, amended = await change_within_a_sync(name, given=False)
    await settle()
    # What had left the server before is all there is: the rest of the sync, with its many MB, never comes.
    synced = [m for m in ben.messages[start:] if m.get('sync') and m['operation'] == 'update'
              and m['collectionName'] == name]
    assert 0 < sum(len(m['data']) for m in synced) < MANY
    assert not sent(ben, 'update', name, amended)
    assert not ben.copy(name) and not await found(server, 'ben', name)
    await change_within_a_sync(other, given=True)
    stop.set()
    await asyncio.gather(*changes)
    await settle()
    for many in (name, other):
        held, wanted = ben.copy(many), await found(server, 'ben', many)
        assert held.keys() == wanted.keys() and held == wanted, many
    assert len(ben.copy(name)) > MANY / 4


@pytest.mark.parametrize('taken', TAKEN)
async def test_what_was_hidden_is_never_shown(make_server, taken):
    """What changed while the client reads nothing, and before it was given the right, it sees only as it is then."""
    name, method, collection, data = TAKEN[taken]
    server = make_server(workers=2, config=configuration(**SMALL))
    count = scaled(3000, 1500)
    server.load('notes', [{'_id': f'd{i:05}', 'text': TEXT} for i in range(count)])
    server.load(name, [{'_id': f's{i}', 'user': 'ann', 'group': 'lab', 'group_read': True} for i in range(20)])
    admin = await Client.connect(server, 'admin')
    await admin.call(method, collection, data(False))
    ben = await connect_with_small_buffer(server, 'ben')
    await ben.synchronize('notes')
    stop_reading(ben)
    for i in range(0, count, 100):
        await admin.call('update', 'notes', {'query': {'_id': {'$gte': f'd{i:05}', '$lt': f'd{i + 100:05}'}},
                                             'changes': {'n': 1}})
    for text in ('hidden', 'also hidden', 'shown'):
        await admin.call('update', name, {'query': {'_id': {'$gte': 's'}}, 'changes': {'name': text}})
    await admin.call('remove', name, {'_id': ['s1', 's2']})
    await admin.call(method, collection, data(True))
    go_on_reading(ben)
    await last_change(admin, ben)
    assert 'hidden' not in json.dumps([m for m in ben.messages if m['collectionName'] == name])
    assert not sent(ben, 'remove', name) and not ben.of('resync', None)
    assert len(ben.copy(name)) == 18 and ben.copy(name) == await found(server, 'ben', name)


async def test_sync_ahead_of_changes(make_server):
    """A piece of a sync waits behind changes that have not gone out when the rights change: what these changes took
    out of sight is not left in the copy."""
    server = make_server(workers=2, config=configuration(**SMALL))
    count = scaled(3000, 1500)
    for name in ('notes', 'sequences'):
        server.load(name, [{'_id': f'd{i:05}', 'text': TEXT, 'definition': TEXT} for i in range(count)])
    server.load('samples', [{'_id': f's{i}', 'user': 'ann', 'group': 'lab', 'group_read': True} for i in range(20)])
    admin = await Client.connect(server, 'admin')
    ben = await connect_with_small_buffer(server, 'ben')
    await ben.synchronize('notes', 'samples')
    stop_reading(ben)
    for i in range(0, count, 100):
        await admin.call('update', 'notes', {'query': {'_id': {'$gte': f'd{i:05}', '$lt': f'd{i + 100:05}'}},
                                             'changes': {'n': 1}})
    await admin.call('update', 'samples', {'query': {'_id': {'$lt': 's2'}}, 'changes': {'group_read': False}})
    seq = server.status()['seq']
    sync = await ben.start('sync', 'sequences', {})
    await ben.start('insert', 'notes', {'_id': 'run'})
    await wait_until_async(lambda: server.status()['seq'] > seq)
    await admin.call('set_group', 'users', {'user_id': 'ben', 'group_id': 'lab', 'member': False})
    go_on_reading(ben)
    assert (await asyncio.wait_for(sync, 120))['success']
    await last_change(admin, ben)
    if ben.of('resync', None):
        await synchronize_what_may_be(ben, 'notes', 'samples', 'sequences')
    for name in ('notes', 'samples', 'sequences'):
        assert ben.copy(name) == await found(server, 'ben', name), name
    assert not ben.copy('samples')


# ---- many clients ----

async def test_all_read_is_withdrawn_from_many(make_server):
    """The owner, members of the group, others and administrators on four workers."""
    server = make_server(workers=4)
    admin = await Client.connect(server, 'admin')
    fields = {'user': 'ann', 'group': 'lab', 'all_read': True}
    await admin.call('insert', 'samples', [
        {'_id': 'of the group', 'group_read': True, **fields}, {'_id': 'of the owner', **fields},
        {'_id': 'still open', **fields}])
    users = ['ann', 'ben', 'carl', 'reader', 'editor'] * scaled(40, 8) + ['admin'] * 3
    clients = [(user, await Client.connect(server, user)) for user in users]
    assert min(server.connections()) >= len(users) // 4
    for _, client in clients:
        await client.synchronize('samples')
        assert len(client.copy('samples')) == 3
    keeps = {'of the group': ('ann', 'ben', 'admin'), 'of the owner': ('ann', 'admin'), 'still open': users}
    for round_ in range(2):
        starts = [len(client.messages) for _, client in clients]
        await admin.call('update', 'samples', {'query': {'_id': {'$gte': 'of', '$lt': 'p'}},
                                               'changes': {'all_read': False}})
        await last_change(admin, *(client for _, client in clients))
        for (user, client), start in zip(clients, starts):
            expected = sorted(key for key, who in keeps.items() if user not in who)
            assert sorted(sent(client, 'remove', 'samples', start)) == expected, user
            # Who keeps it hears that it has changed.
            assert sorted(d['_id'] for d in sent(client, 'update', 'samples', start)) == \
                sorted({'of the group', 'of the owner'} - set(expected)), user
        for user in set(users):
            wanted = await found(server, user, 'samples')
            assert wanted.keys() == {key for key, who in keeps.items() if user in who}
            assert all(client.copy('samples') == wanted for who, client in clients if who == user), user
        if round_ == 0:
            await admin.call('update', 'samples', {'query': {'user': 'ann'}, 'changes': {'all_read': True}})
            await last_change(admin, *(client for _, client in clients))
            for user, client in clients:
                assert len(client.copy('samples')) == 3, user


# ---- a collection that comes and goes ----

class Leisurely(Client):
    """Reads a message of `secrets` and then, if it is told so, nothing until it is told to go on."""

    one_by_one = False

    def take(self, message):
        super().take(message)
        if self.one_by_one and message['collectionName'] == 'secrets':
            stop_reading(self)


async def test_many_documents_come_and_go_while_others_are_served(make_server):
    """Who gains and loses 20,000 documents reads them one message after the other; between any two of these the
    others' calls are answered. Who does not read at all costs no memory."""
    server = make_server(workers=1, config=configuration(ping_interval_ms=3600000, **SMALL))
    count = scaled(20000, 5000)
    ids = {f'{"long" * 20}{i}' for i in range(count)}
    server.load('secrets', [{'_id': key, 'text': 'x' * 1000} for key in ids])
    control = await Client.control(server)
    other = await Client.connect(server, 'reader')
    reads, sleeps = [await connect_with_small_buffer(server, 'insider', kind=Leisurely) for _ in range(2)]
    await reads.synchronize('secrets')
    assert set(reads.copy('secrets')) == ids
    stop_reading(sleeps)
    for given in (False, True, False, True):
        memory = server.memory(server.worker_pids()[0])
        stop_reading(reads)
        start = len(reads.messages)
        await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': given}})
        for i in range(50):
            assert isinstance(await other.call('count', 'notes'), int)
            if given:
                await control.call('update', 'secrets', {'query': {'_id': {'$gt': f'{"long" * 20}99'}},
                                                         'changes': {'n': i}})
        grown = server.memory(server.worker_pids()[0]) - memory
        assert SANITIZE or grown < 8 << 20, f'{grown} bytes more'
        wanted = ids if given else set()
        # It cannot be over: what is sent is larger than what the sockets hold.
        assert set(reads.copy('secrets')) != wanted
        reads.one_by_one = True
        while set(reads.copy('secrets')) != wanted:
            reached = len(reads.messages)
            go_on_reading(reads)
            await reads.until(lambda r=reached: len(reads.messages) > r)
            assert isinstance(await other.call('count', 'notes'), int)
        reads.one_by_one = False
        go_on_reading(reads)
        assert len([m for m in reads.messages[start:] if m['collectionName'] == 'secrets']) >= count * 80 / 65536
        await last_change(control, reads)
        assert reads.copy('secrets') == await found(server, 'insider', 'secrets')
    go_on_reading(sleeps)
    await last_change(control, sleeps)
    assert sleeps.copy('secrets') == reads.copy('secrets')


@pytest.mark.parametrize('order', [(False, True), (True, False), (False, True, False, True)],
                         ids=['taken, given', 'given, taken', 'to and fro'])
async def test_another_change_in_the_middle_of_one(make_server, order):
    """The client has been told a part of what it gains or loses when that is turned round."""
    server = make_server(workers=2, config=configuration(**SMALL))
    count = scaled(20000, 8000)
    server.load('secrets', [{'_id': f'{"long" * 40}{i:05}', 'text': 'x' * 500} for i in range(count)])
    control = await Client.control(server)
    insider = await connect_with_small_buffer(server, 'insider', kind=Leisurely)
    if not order[0]:
        await insider.synchronize('secrets')
    await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': not order[0]}})
    await last_change(control, insider)
    assert len(insider.copy('secrets')) == (0 if order[0] else count)
    insider.one_by_one = True

    def told(messages, kind):
        """A tenth; of what comes back there may be less, but the worker must have seen each turn: to two at once it
        says resync."""
        if kind == ('update' if order[-1] else 'remove'):
            return any(m['operation'] == 'amend' for m in messages)
        return sum(len(m['data']) for m in messages if m['operation'] == kind) >= count / 10

    for turn, given in enumerate(order, 1):
        start = len(insider.messages)
        await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': given}})
        kind = 'update' if given else 'remove'
        await control.call('update', 'secrets', {'query': {'_id': {'$lt': f'{"long" * 40}00010'}},
                                                 'changes': {'n': start}})
        while turn < len(order) and not told(insider.messages[start:], kind):
            reached = len(insider.messages)
            go_on_reading(insider)
            await insider.until(lambda r=reached: len(insider.messages) > r)
        if given is not order[-1]:
            assert 0 < len(insider.copy('secrets')) < count
    insider.one_by_one = False
    go_on_reading(insider)
    await last_change(control, insider)
    assert not insider.of('resync', None)
    assert insider.copy('secrets') == await found(server, 'insider', 'secrets')
    assert len(insider.copy('secrets')) == (count if order[-1] else 0)
