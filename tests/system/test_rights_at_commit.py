"""Rights hold until the commit: what a call may do is decided where its change has its place in the order."""

import asyncio
import os
import signal

import pytest

from client import CallError, Client, connect_to_workers
from configuration import configuration
from server import scaled, wait_until_async

SECRET = 'a long word of somebody'


class Held:
    """The committer stands still: what is called meanwhile waits for it, in the order in which it was called."""

    def __init__(self, server):
        self.pid = server.committer_pid()

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


@pytest.fixture
def one_worker(make_server):
    """So that all sets go the same way, in the order of the calls."""
    return make_server(workers=1, config=configuration(settings={'title': {'type': 'string', 'default': 'none'}}))


async def submit(client, *call):
    """Calls; when this returns the change set is on its way. Returns the future of the answer."""
    future = await client.start(*call)
    await client.call('describe')
    return future


async def outcome(future):
    """'done', or the code of the failure."""
    answer = await asyncio.wait_for(future, 60)
    return 'done' if answer['success'] else answer['data']['code']


def add_user(server, name, *groups):
    server.ctl('user', 'add', name, '--password-stdin', '--take-over', *(word for g in groups for word in ('--group', g)),
               text=SECRET + '\n')


async def log_in(server, name, secret=SECRET):
    client = await Client.connect(server)
    await client.log_in(name, secret)
    return client


# ---- sets that wait ----

WITHDRAWALS = {
    'permission': ('update_permissions', 'groups', {'_id': 'helpers', 'permissions': {'modify_virus': False,
                                                                                      'modify_options': False}}),
    'membership': ('set_group', 'users', {'user_id': 'mod', 'group_id': 'helpers', 'member': False}),
    'user': ('remove_user', 'users', {'_id': 'mod'}),
    'sessions': ('set_force_reset', 'users', {'_id': 'mod', 'force_reset': True}),
}

CALLS = {
    'insert': ('insert', 'viruses', {'_id': 'late', 'name': 'late'}),
    'update': ('update', 'viruses', {'_id': 'there', 'changes': {'name': 'late'}}),
    'query': ('update', 'viruses', {'query': {'name': 'there'}, 'changes': {'name': 'late'}}),
    'patch': ('patch', 'viruses', {'_id': 'there', 'operations': [{'op': 'add', 'path': '/name', 'value': 'late'}]}),
    'group_add': ('add', 'groups', {'_id': 'late'}),
    'group_permissions': ('update_permissions', 'groups', {'_id': 'other', 'permissions': {'modify_virus': True}}),
    'group_removal': ('remove_group', 'groups', {'_id': 'other'}),
    'set_group': ('set_group', 'users', {'user_id': 'carl', 'group_id': 'editors', 'member': True}),
    'remove_user': ('remove_user', 'users', {'_id': 'carl'}),
    'force_reset': ('set_force_reset', 'users', {'_id': 'carl', 'force_reset': True}),
    'settings': ('set', 'settings', {'title': 'late'}),
}


async def state(admin):
    """All that the calls above would change."""
    return [await admin.call('find', name, {'sort': {'_id': 1}})
            for name in ('viruses', 'users', 'groups')] + [await admin.call('download', 'settings')]


@pytest.mark.parametrize('withdrawal', WITHDRAWALS)
async def test_sets_behind_a_withdrawal_do_nothing(one_worker, withdrawal):
    server = one_worker
    server.ctl('group', 'add', 'helpers', '--permission', 'modify_virus', '--permission', 'modify_options')
    add_user(server, 'mod', 'helpers')
    server.load('viruses', [{'_id': 'there', 'name': 'there'}])
    admin = await Client.connect(server, 'admin')
    for name, call in CALLS.items():
        mod = await log_in(server, 'mod')
        assert 'modify_options' in (await admin.call('detail', 'groups', {'_id': 'helpers'}))['permissions']
        with Held(server):
            withdrawn = await submit(admin, *WITHDRAWALS[withdrawal])
            late = await submit(mod, *call)
        assert await outcome(withdrawn) == 'done'
        assert await outcome(late) in ('forbidden', 'unauthorized'), (withdrawal, name)
        there = await state(admin)
        assert 'late' not in str(there), (withdrawal, name)
        assert {'carl', 'other'} <= {d['_id'] for part in there[1:3] for d in part['documents']}
        carl = await admin.call('detail', 'users', {'_id': 'carl'})
        assert carl['groups'] == ['other'] and not carl.get('force_reset')
        assert 'modify_virus' not in (await admin.call('detail', 'groups', {'_id': 'other'}))['permissions']
        await give_back(server, admin, withdrawal)


async def give_back(server, admin, withdrawal):
    if withdrawal == 'permission':
        await admin.call('update_permissions', 'groups', {'_id': 'helpers', 'permissions': {
            'modify_virus': True, 'modify_options': True}})
    elif withdrawal == 'membership':
        await admin.call('set_group', 'users', {'user_id': 'mod', 'group_id': 'helpers', 'member': True})
    elif withdrawal == 'user':
        add_user(server, 'mod', 'helpers')
    else:
        await admin.call('set_force_reset', 'users', {'_id': 'mod', 'force_reset': False})


async def test_sets_in_front_of_a_withdrawal_stand(one_worker):
    """And the withdrawal is answered behind them."""
    admin = await Client.connect(one_worker, 'admin')
    editor = await Client.connect(one_worker, 'editor')
    with Held(one_worker):
        early = await submit(editor, 'insert', 'viruses', {'_id': 'early', 'name': 'early'})
        withdrawn = await submit(admin, 'set_group', 'users', {'user_id': 'editor', 'group_id': 'editors',
                                                               'member': False})
        late = await submit(editor, 'insert', 'viruses', {'_id': 'late', 'name': 'late'})
    assert [await outcome(each) for each in (withdrawn, early, late)] == ['done', 'done', 'forbidden']
    assert (await admin.call('count', 'viruses')) == 1
    assert (await admin.call('detail', 'viruses', {'_id': 'early'}))['name'] == 'early'


async def test_ends_of_a_session(one_worker):
    """logout on another connection of the same session, and an end by an administrator."""
    admin = await Client.connect(one_worker, 'admin')
    for ending in ('logout', 'remove_session'):
        first = await log_in(one_worker, 'editor', 'editor has a long password')
        token = next(m['data']['data']['token'] for m in first.messages
                     if m['operation'] == 'fulfill' and isinstance(m['data']['data'], dict) and
                     'token' in m['data']['data'])
        second = await Client.connect(one_worker, token=token)
        sessions = await second.call('sessions', 'users')
        own = next(s['id'] for s in sessions if s.get('current'))
        other = await log_in(one_worker, 'editor', 'editor has a long password')
        with Held(one_worker):
            ended = await (submit(first, 'logout', 'users') if ending == 'logout' else
                           submit(admin, 'remove_session', 'users', {'id': own}))
            late = await submit(second, 'insert', 'viruses', {'_id': 'late', 'name': 'late'})
            kept = await submit(other, 'insert', 'viruses', {'_id': f'kept {ending}', 'name': ending})
        assert [await outcome(each) for each in (ended, late, kept)] == ['done', 'unauthorized', 'done'], ending
    assert {d['_id'] for d in (await admin.call('find', 'viruses'))['documents']} == {'kept logout',
                                                                                      'kept remove_session'}


async def test_ones_own_session_is_ended_without_a_permission(one_worker):
    """By who could have ended those of others too, when it was called."""
    server = one_worker
    server.ctl('group', 'add', 'helpers', '--permission', 'modify_options')
    add_user(server, 'mod', 'helpers')
    admin, mod, other = await Client.connect(server, 'admin'), await log_in(server, 'mod'), await log_in(server, 'mod')
    own = next(s['id'] for s in await other.call('sessions', 'users') if s['current'])
    foreign = (await admin.call('sessions', 'users'))[0]['id']
    with Held(server):
        withdrawn = await submit(admin, *WITHDRAWALS['membership'])
        ended = await submit(mod, 'remove_session', 'users', {'id': own})
        refused = await submit(mod, 'remove_session', 'users', {'id': foreign})
    assert [await outcome(each) for each in (withdrawn, ended, refused)] == ['done', 'done', 'forbidden']
    await other.until(lambda: other.of('deauthorize', 'users'))
    assert await admin.call('sessions', 'users')


async def test_an_administrator_who_is_none_any_more_makes_none(one_worker):
    add_user(one_worker, 'mallory', 'administrator')
    add_user(one_worker, 'accomplice')
    admin, mallory = await Client.connect(one_worker, 'admin'), await log_in(one_worker, 'mallory')
    calls = [('set_group', 'users', {'user_id': 'accomplice', 'group_id': 'administrator', 'member': True}),
             ('set_password', 'users', {'_id': 'admin', 'new_password': 'mine from now on'}),
             ('remove_user', 'users', {'_id': 'admin'}),
             ('add', 'users', {'_id': 'another', 'password': SECRET, 'groups': ['administrator']})]
    with Held(one_worker):
        gone = await submit(admin, 'set_group', 'users', {'user_id': 'mallory', 'group_id': 'administrator',
                                                          'member': False})
        late = [await submit(mallory, *call) for call in calls]
    assert await outcome(gone) == 'done'
    assert [await outcome(each) for each in late] == ['forbidden'] * len(late)
    users = {d['_id']: d['groups'] for d in (await admin.call('find', 'users'))['documents']}
    assert [name for name, groups in users.items() if 'administrator' in groups] == ['admin']
    assert 'another' not in users
    await log_in(one_worker, 'admin', 'admin has a long password')


async def test_modify_options_that_remain_do_not_make_administrators(one_worker):
    """Who still has the permission of the method, but was an administrator only when it was called."""
    one_worker.ctl('group', 'add', 'helpers', '--permission', 'modify_options')
    add_user(one_worker, 'mallory', 'administrator', 'helpers')
    admin, mallory = await Client.connect(one_worker, 'admin'), await log_in(one_worker, 'mallory')
    with Held(one_worker):
        gone = await submit(admin, 'set_group', 'users', {'user_id': 'mallory', 'group_id': 'administrator',
                                                          'member': False})
        late = await submit(mallory, 'set_group', 'users', {'user_id': 'carl', 'group_id': 'administrator',
                                                            'member': True})
        reset = await submit(mallory, 'set_force_reset', 'users', {'_id': 'admin', 'force_reset': True})
        allowed = await submit(mallory, 'set_group', 'users', {'user_id': 'carl', 'group_id': 'lab', 'member': True})
    assert [await outcome(each) for each in (gone, late, reset, allowed)] == ['done', 'forbidden', 'forbidden', 'done']
    assert (await admin.call('detail', 'users', {'_id': 'carl'}))['groups'] == ['other', 'lab']


async def test_groups_of_documents_are_those_of_the_moment(one_worker):
    admin, ann, ben = [await Client.connect(one_worker, name) for name in ('admin', 'ann', 'ben')]
    await ann.call('insert', 'samples', {'_id': 's', 'group': 'lab', 'group_read': True, 'group_write': True})
    with Held(one_worker):
        gone = await submit(admin, 'set_group', 'users', {'user_id': 'ben', 'group_id': 'lab', 'member': False})
        late = await submit(ben, 'update', 'samples', {'_id': 's', 'changes': {'name': 'late'}})
        into = await submit(ben, 'insert', 'samples', {'_id': 't', 'group': 'lab'})
    assert [await outcome(each) for each in (gone, late, into)] == ['done', 'not_found', 'forbidden']
    assert 'name' not in await ann.call('detail', 'samples', {'_id': 's'})


async def test_who_is_removed_owns_nothing_new(one_worker):
    admin = await Client.connect(one_worker, 'admin')
    add_user(one_worker, 'gone')
    gone = await log_in(one_worker, 'gone')
    with Held(one_worker):
        removed = await submit(admin, 'remove_user', 'users', {'_id': 'gone'})
        late = await submit(gone, 'insert', 'samples', {'_id': 's'})
    assert [await outcome(each) for each in (removed, late)] == ['done', 'unauthorized']
    assert await admin.call('count', 'samples') == 0


# ---- calls that wait ----

async def test_calls_that_wait_for_a_hash(make_server):
    server = make_server(workers=2)
    server.ctl('group', 'add', 'helpers', '--permission', 'modify_options')
    add_user(server, 'mod', 'helpers')
    admin = await Client.connect(server, 'admin')
    await admin.synchronize('users')
    mod = await log_in(server, 'mod')
    count = scaled(40, 12)
    calls = [await mod.start('add', 'users', {'_id': f'new{i}', 'password': SECRET}) for i in range(count)]
    password = await mod.start('set_password', 'users', {'_id': 'carl', 'new_password': 'of the intruder'})
    await admin.until(lambda: 'new0' in admin.copy('users'))
    await admin.call('update_permissions', 'groups', {'_id': 'helpers', 'permissions': {'modify_options': False}})
    there = {name for name in admin.copy('users') if name.startswith('new')}
    outcomes = [await outcome(each) for each in calls]
    assert outcomes.count('done') == len(there) and set(outcomes) <= {'done', 'forbidden', 'busy'}
    assert await outcome(password) in ('forbidden', 'busy')
    await log_in(server, 'carl', 'carl has a long password')
    assert {d['_id'] for d in (await admin.call('find', 'users'))['documents'] if d['_id'].startswith('new')} == there


async def test_a_connection_that_is_another_user_by_now(one_worker):
    """The call is of who made it."""
    client = await Client.connect(one_worker, 'ann')
    with Held(one_worker):
        late = await submit(client, 'insert', 'samples', {'_id': 's'})
        query = await client.start('update', 'samples', {'query': {'_id': 's'}, 'changes': {'name': 'x'}})
        await client.call('authorize_by_token', 'users', {'token': one_worker.tokens['carl']})
    assert await outcome(late) == 'done'
    await outcome(query)
    assert (await (await Client.connect(one_worker, 'admin')).call('detail', 'samples', {'_id': 's'}))['user'] == 'ann'


# ---- on several workers, without a hold ----

async def test_every_change_was_allowed_at_its_place(make_server):
    """Writers on all workers while their permission comes and goes: what is there was allowed by the order of seq."""
    server = make_server(workers=3)
    admin = await Client.connect(server, 'admin')
    await admin.call('subscribe', data={'collections': ['viruses', 'users']})
    writers = await connect_to_workers(server, 'editor', 3)
    stop = False

    async def write(writer, name):
        done, number = 0, 0
        while not stop:
            number += 1
            try:
                await writer.call('insert', 'viruses', {'_id': f'{name}-{number}', 'name': f'{name}-{number}'})
                done += 1
            except CallError as error:
                assert error.code == 'forbidden'
        return done

    tasks = [asyncio.create_task(write(writer, n)) for n, writer in enumerate(writers)]
    for _ in range(scaled(60, 20)):
        for member in (False, True):
            await admin.call('set_group', 'users', {'user_id': 'editor', 'group_id': 'editors', 'member': member})
    stop = True
    done = sum([await task for task in tasks])
    await wait_until_async(lambda: len(admin.copy('viruses')) == done, what='all that was answered')
    allowed = True
    changes = sorted((m['seq'], m['collectionName'], m['data'][0]) for m in admin.messages if 'seq' in m
                     and m['operation'] == 'update' and m['collectionName'] in ('viruses', 'users'))
    for seq, name, document in changes:
        if name == 'users':
            allowed = 'editors' in document['groups']
        else:
            assert allowed, (seq, document)


async def test_rights_that_come_back_at_once(one_worker):
    """What was numbered while they were others is not passed over: the client is told that its copy is not known."""
    server = one_worker
    server.ctl('group', 'add', 'insiders2')
    admin = await Client.connect(server, 'admin')
    await admin.call('set_group', 'users', {'user_id': 'insider', 'group_id': 'insiders2', 'member': True})
    await admin.call('insert', 'secrets', [{'_id': f'd{i}'} for i in range(3)])
    insider = await Client.connect(server, 'insider')
    position = await insider.synchronize('secrets', 'notes')
    start = len(insider.messages)
    with Held(server):
        calls = [await submit(admin, *call) for call in (
            ('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': False}}),
            ('insert', 'notes', {'_id': 'note'}),
            ('remove', 'secrets', {'_id': 'd0'}),
            ('update_permissions', 'groups', {'_id': 'insiders2', 'permissions': {'see_secrets': True}}))]
    assert [await outcome(call) for call in calls] == ['done'] * 4
    await insider.until(lambda: insider.of('resync', None))
    came = [message['operation'] for message in insider.messages[start:]]
    assert came[:2] == ['amend', 'resync']
    again = await Client.connect(server, 'insider')
    again.replica = {'secrets': {f'd{i}': {'_id': f'd{i}', '_version': 0} for i in range(3)}}
    await again.call('resume', data=position)
    assert set(again.copy('secrets')) == {'d1', 'd2'}
    # A change of the own settings or of another right is none of that.
    before = len(insider.of('resync', None))
    for permission in (True, False):
        await admin.call('update_permissions', 'groups', {'_id': 'other', 'permissions': {'modify_virus': permission}})
    await admin.call('insert', 'notes', {'_id': 'last'})
    await insider.until(lambda: 'last' in insider.copy('notes'))
    assert len(insider.of('resync', None)) == before
