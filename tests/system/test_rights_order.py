"""Where a change of rights has its place among answers, other calls and subscriptions; and that somebody is always
left who may change them."""

import asyncio
import json

import pytest

from client import Client
from configuration import configuration
from person import connect_with_small_buffer, go_on_reading, stop_reading
from server import scaled, wait_until_async
from test_rights_live import SMALL, found, last_change

TEXT = 'x' * 2000
COUNT = scaled(300, 100)
USER_SETTINGS = {'theme': {'type': 'string', 'default': 'light'}}


@pytest.fixture
def server(make_server):
    return make_server(workers=2, config=configuration(user_settings=USER_SETTINGS))


async def with_place(client, *call):
    """What arrived for this call, in order: 'amend', 'update NAME', 'remove NAME' each once in a row, 'answer'."""
    start, tid = len(client.messages), client.next_tid + 1
    await client.call(*call)
    names = []
    for message in client.messages[start:]:
        name = message['operation']
        if message['collectionName'] == 'transaction':
            name = 'answer' if message['data']['tid'] == tid else 'other answer'
        elif name != 'amend':
            name += f' {message["collectionName"]}'
        if not names or names[-1] != name:
            names.append(name)
    return names


# ---- amend, the documents, the answer ----

async def manager(server):
    """Connections of one who may put itself into groups, but is no administrator: on each worker."""
    server.ctl('group', 'add', 'managers', '--permission', 'modify_options')
    server.ctl('user', 'add', 'mary', '--group', 'managers', '--password-stdin', text='a long word of mary\n')
    server.load('secrets', [{'_id': f's{i}', 'text': TEXT} for i in range(COUNT)])
    server.load('samples', [{'_id': f'd{i}', 'user': 'ann', 'group': 'lab', 'group_read': True} for i in range(COUNT)])
    clients = []
    for _ in range(2):
        clients.append(await Client.connect(server))
        await clients[-1].log_in('mary', 'a long word of mary')
        await clients[-1].synchronize('samples', 'users', 'groups')
    return clients


async def test_ones_own_change_comes_before_its_answer(server):
    mary, elsewhere = await manager(server)
    for group, name, ids in (('insiders', 'secrets', {f's{i}' for i in range(COUNT)}),
                             ('lab', 'samples', {f'd{i}' for i in range(COUNT)})):
        for member in (True, False, True):
            place = await with_place(mary, 'set_group', 'users', {'user_id': 'mary', 'group_id': group,
                                                                  'member': member})
            assert place == ['amend', f'{"update" if member else "remove"} {name}', 'update users', 'answer']
            # All of them were there before the answer.
            assert set(mary.copy(name)) == (ids if member else set())
        await elsewhere.until(lambda: set(elsewhere.copy(name)) == ids)
    for client in (mary, elsewhere):
        assert client.of('amend', 'users')[-1]['data']['groups'] == ['managers', 'insiders', 'lab']


async def test_what_was_written_before_has_its_place_before(server):
    """Calls in a row without waiting: each answer comes behind what its own call did."""
    mary, _ = await manager(server)
    for member in (True, False) * scaled(10, 3):
        start = len(mary.messages)
        await mary.start('update', 'secrets', {'_id': 'own', 'changes': {'n': str(member)}, 'upsert': True})
        change = mary.next_tid + 1
        await mary.start('set_group', 'users', {'user_id': 'mary', 'group_id': 'insiders', 'member': member})
        note = await mary.call('insert', 'notes', {'text': 'behind'})
        await mary.until(lambda t=change: t in mary.finished)
        arrived = mary.messages[start:]
        changed = first(arrived, lambda m, t=change: m['operation'] == 'fulfill' and m['data']['tid'] == t)
        behind = first(arrived, lambda m, i=note['_id']: m['operation'] == 'update' and i in str(m['data']))
        secrets = [i for i, m in enumerate(arrived) if m['collectionName'] == 'secrets' and m.get('sync')]
        amended = first(arrived, lambda m: m['operation'] == 'amend')
        assert amended < min(secrets) and max(secrets) < changed
        # Both were committed in this order, or the other way round: then the note was there before the rights.
        assert behind < amended or behind > max(secrets)
        # The call that was not allowed, or that was before the other, changed nothing.
        assert set(mary.copy('secrets')) - {'own'} == ({f's{i}' for i in range(COUNT)} if member else set())


def first(messages, condition):
    return next(i for i, message in enumerate(messages) if condition(message))


async def test_amend_before_the_answer_when_nothing_else_changes(server):
    clients = [await Client.connect(server, 'admin') for _ in range(2)]
    reader = await Client.connect(server, 'reader')
    for i in range(20):
        assert (await with_place(reader, 'change_user_setting', 'users', {'key': 'theme', 'value': f'{i}'})) == \
            ['amend', 'answer']
        # An administrator sees and may all, before and after.
        for client in clients:
            place = await with_place(client, 'set_group', 'users', {'user_id': 'admin', 'group_id': 'insiders'})
            assert place == ['update users', 'amend', 'answer']
            await last_change(reader, *clients)


# ---- subscriptions in the middle ----

SUBSCRIPTIONS = [
    (None, ['samples', 'notes']),              # without the collection that goes
    (None, ['secrets', 'notes']),
    (['secrets', 'notes'], None),              # wider
    (['samples', 'notes'], ['secrets', 'notes']),  # another
    (['notes'], ['secrets', 'samples', 'notes']),
]


@pytest.mark.parametrize('given', [True, False], ids=['given', 'taken'])
@pytest.mark.parametrize('before,after', SUBSCRIPTIONS)
async def test_subscribe_in_the_middle(make_server, before, after, given):
    """The client reads nothing while its rights change and it subscribes to others."""
    server = make_server(workers=2, config=configuration(**SMALL))
    many = scaled(6000, 2000)
    if not given:
        server.ctl('group', 'set', 'lab', '--permission', 'see_secrets')
    for name in ('secrets', 'samples'):
        server.load(name, [{'_id': f'd{i:05}', 'user': 'ann', 'group': 'lab', 'group_read': True, 'text': TEXT,
                            'name': TEXT} for i in range(many)])
    admin = await Client.connect(server, 'admin')
    ben = await connect_with_small_buffer(server, 'ben')
    if before:
        await ben.call('subscribe', data={'collections': before})
    for name in before or ('secrets', 'samples'):
        if name != 'secrets' or not given:
            await ben.synchronize(name)
    stop_reading(ben)
    await admin.call('update', 'samples', {'query': {'_id': {'$lt': 'd01000'}}, 'changes': {'n': 1}})
    change = {'_id': 'lab', 'permissions': {'see_secrets': given}}
    await admin.call('update_permissions', 'groups', change)
    for name in ('secrets', 'samples'):
        await admin.call('update', name, {'query': {'_id': {'$gte': 'd01000', '$lt': 'd01500'}}, 'changes': {'n': 2}})
    # A little is read, so that the bringing in line may have begun.
    go_on_reading(ben)
    await ben.until(lambda: place(ben, 'update', 'samples') is not None or place(ben, 'amend', 'users') is not None)
    stop_reading(ben)
    answer = await ben.start('subscribe', data={'collections': after})
    go_on_reading(ben)
    assert (await answer)['success']
    behind = len(ben.messages)
    wanted = after or ['secrets', 'samples', 'notes']
    await last_change(admin, ben)
    for name in wanted:
        if before and name not in before and (name != 'secrets' or given):
            await ben.synchronize(name)
    await last_change(admin, ben)
    others = {m['collectionName'] for m in ben.messages[behind:]} - {*wanted, 'users', 'transaction'}
    assert not others
    # What is left out is not sent to its end, with its many MB, before the subscription is another.
    assert 'secrets' in wanted or not given or len(ben.copy('secrets')) < many
    for name in wanted:
        assert ben.copy(name) == await found(server, 'ben', name), name
    assert not ben.of('resync', None)


def place(client, operation, collection):
    """Where the first such message is among those that came; None: nowhere."""
    return next((i for i, m in enumerate(client.messages)
                 if m['operation'] == operation and m['collectionName'] == collection), None)


# ---- a collection that is forbidden for a moment ----

@pytest.mark.parametrize('moment', ['being taken', 'being taken, with an answer in front', 'taken'])
async def test_forbidden_for_a_moment(make_server, moment):
    """A sync is refused while the collection is forbidden, so the client lets go what it holds; then it is allowed
    again, before the client has read anything."""
    server = make_server(workers=2, config=configuration(**SMALL))
    server.load('secrets', [{'_id': f'd{i:05}'} for i in range(100)])
    count = scaled(8000, 4000)
    server.load('samples', [{'_id': f'd{i:05}', 'all_read': True, 'name': TEXT} for i in range(count)])
    admin = await Client.connect(server, 'admin')
    client = await connect_with_small_buffer(server, 'insider', kind=LettingGo)
    await client.synchronize('secrets')
    assert len(client.copy('secrets')) == 100

    async def allow(given):
        await admin.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': given}})

    async def run(*call):
        """A call that changes something is made, and has been when this returns."""
        before = server.status()['seq']
        future = await client.start(*call)
        await wait_until_async(lambda: server.status()['seq'] > before)
        return future

    answers = []
    if moment == 'taken':
        await allow(False)
        await last_change(admin, client)
    stop_reading(client)
    for start in range(0, count, 100):
        await admin.call('update', 'samples', {'query': {'_id': {'$gte': f'd{start:05}', '$lt': f'd{start + 100:05}'}},
                                               'changes': {'n': 1}})
    if moment != 'taken':
        await allow(False)
    if moment != 'being taken':
        answers.append(await run('insert', 'notes', {}))
    answers.append(await client.start('sync', 'secrets', {}))
    # Calls are run in their order: when this one was, the sync has been refused.
    answers.append(await run('insert', 'notes', {}))
    await allow(True)
    go_on_reading(client)
    assert [(await answer)['success'] for answer in answers] == [True] * (len(answers) - 2) + [False, True]
    await last_change(admin, client)
    assert client.refused == 1
    if client.of('resync', None):
        assert moment != 'being taken'
        await client.synchronize('secrets')
    assert len(client.copy('secrets')) == 100
    assert client.copy('secrets') == await found(server, 'insider', 'secrets')


class LettingGo(Client):
    """Lets go its copy of `secrets` when an answer says that something is forbidden."""

    refused = 0

    def take_transaction(self, operation, data):
        if operation == 'fulfill' and not data['success']:
            assert data['data']['code'] == 'forbidden'
            self.refused += 1
            self.replica.pop('secrets', None)
        super().take_transaction(operation, data)


# ---- the last administrator ----

async def administrators(control):
    return [user['_id'] for user in (await control.call('find', 'users', {
        'query': {'groups': 'administrator'}}))['documents']]


async def test_dispatchctl_leaves_an_administrator(server):
    """Two who are the only ones are removed at once, again and again."""
    control = await Client.control(server)
    left = 'admin'
    for i in range(scaled(20, 5)):
        await control.call('add', 'users', {'_id': f'a{i}', 'password': 'a long word', 'groups': ['administrator']})
        pair = [left, f'a{i}']
        results = await asyncio.gather(*(asyncio.to_thread(server.ctl, 'user', 'remove', name, check=False)
                                         for name in pair))
        assert sorted(result.returncode for result in results) == [0, 1], results
        (left,) = await administrators(control)
        assert results[pair.index(left)].returncode == 1


@pytest.mark.parametrize('collection,document', [
    ('users', {'_id': 'admin', 'groups': ['lab']}),
    ('groups', {'_id': 'administrator', 'permissions': {}}), ('groups', {'_id': 'administrator'})])
async def test_only_their_methods_write_users_and_groups(server, collection, document):
    """Neither an import nor a call over the control socket goes around what these methods see to."""
    control = await Client.control(server)
    result = await asyncio.to_thread(server.ctl, 'import', '--replace', collection, '-',
                                     text=json.dumps(document) + '\n', check=False)
    assert result.returncode == 1 and 'only by their own methods' in result.stderr
    for method, data in (('insert', {'_id': 'x'}), ('update', {'_id': document['_id'], 'changes': document}),
                         ('patch', {'_id': document['_id'], 'operations': []}), ('remove', {'_id': document['_id']})):
        await control.fails('unknown_method', method, collection, data)
    assert await administrators(control) == ['admin']
