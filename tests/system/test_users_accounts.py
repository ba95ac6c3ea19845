"""Accounts: adding and removing, passwords, who may do it, and that an administrator is always left."""

import asyncio
import contextlib
import hashlib
import json
import time

import pytest

from client import CallError, Client
from configuration import password
from http_client import HttpClient
from server import PATIENCE, all_ready, read_text, scaled, wait_until

NEW = 'another long password'


async def managers(server):
    """Somebody who has modify_options without being an administrator, and an administrator, on different workers."""
    server.ctl('group', 'add', 'managers', '--permission', 'modify_options')
    server.ctl('user', 'add', 'manager', '--group', 'managers', '--password-stdin', text=password('manager') + '\n')
    manager = await Client.connect(server)
    token = (await manager.log_in('manager'))['token']
    server.tokens['manager'] = token
    return manager, await Client.connect(server, 'admin')


async def message(client, code, *arguments, **options):
    return (await client.fails(code, *arguments, **options))['message']


async def refuses(client, *arguments):
    """The call fails; returns (code, message)."""
    with pytest.raises(CallError) as caught:
        await client.call(*arguments)
    return caught.value.code, caught.value.message


async def detail(client, user):
    return await client.call('detail', 'users', {'_id': user})


# ---- users.add ----

async def test_add(server):
    admin, other = await Client.connect(server, 'admin'), await Client.connect(server, 'admin')
    data = {'_id': 'nora', 'password': NEW, 'groups': ['lab', 'editors', 'lab']}
    assert await admin.call('add', 'users', data) is None
    assert await detail(other, 'nora') == {
        '_id': 'nora', '_version': 0, 'groups': ['lab', 'editors'], 'primary_group': None, 'force_reset': False,
        'settings': {}}
    nora = await Client.connect(server)
    await nora.log_in('nora', NEW)
    assert await message(other, 'exists', 'add', 'users', data) == 'User already exists'
    assert await message(admin, 'not_found', 'add', 'users', {**data, '_id': 'x', 'groups': ['bogus']}) == \
        'Group does not exist'
    for wrong in ({'_id': ''}, {'_id': 5}, {'_id': 'a(b)'}, {'password': ''}, {'password': 'x' * 1025},
                  {'groups': 'lab'}, {'groups': [5]}, {'groups': [f'g{i}' for i in range(300)]},
                  {'force_reset': 'no'}, {'bogus': 1}):
        await admin.fails('invalid', 'add', 'users', {**data, '_id': 'x', **wrong})
    await admin.fails('not_found', 'detail', 'users', {'_id': 'x'})


async def test_add_with_force_reset(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('add', 'users', {'_id': 'nora', 'password': NEW, 'force_reset': True})
    nora = await Client.connect(server)
    failure = await nora.fails('unauthorized', 'authorize_by_login', 'users', {'username': 'nora', 'password': NEW})
    assert failure['message'] == 'Password must be reset' and failure['force_reset'] is True


async def test_add_at_the_same_time(server):
    """Of two who add the same user on different workers, one is told that it exists already, in those words."""
    clients = [await Client.connect(server, 'admin') for _ in range(2)]
    for i in range(scaled(6, 2)):
        answers = await asyncio.gather(*(c.call('add', 'users', {'_id': f'u{i}', 'password': NEW})
                                         for c in clients), return_exceptions=True)
        assert sorted((str(a) for a in answers)) == ['None', 'exists: User already exists']


async def test_the_key_of_a_password_change_is_no_password(server):
    """Who knows the key of `once` alone is not told that the call succeeded, and is counted as a wrong password."""
    ann, stranger, carl = await Client.connect(server, 'ann'), await Client.connect(server), await Client.connect(
        server, 'carl')
    data = {'_id': 'ann', 'old_password': password('ann'), 'new_password': 'quite another word'}
    assert await ann.call('change_password', 'users', data, once='known') is None
    assert await ann.call('change_password', 'users', data, once='known') is None
    again = await Client.connect(server, 'ann')
    assert await again.call('change_password', 'users', data, once='known') is None  # the same session
    for client in (stranger, carl):
        for old in (password('ann'), 'a guess'):
            await client.fails('unauthorized', 'change_password', 'users', {**data, 'old_password': old},
                               once='known')


async def test_a_known_key_does_not_make_guesses_free(make_server):
    """Each wrong password counts, also when the call is answered because it was done before."""
    server = make_server(options=['--limits', 'login_attempts=3'])
    carl, ann = await Client.connect(server, 'carl'), await Client.connect(server, 'ann')
    own = {'_id': 'carl', 'old_password': password('carl'), 'new_password': NEW}
    assert await carl.call('change_password', 'users', own, once='k') is None
    # The key was used for carl's own password: of another one it says nothing.
    guess = {'_id': 'ann', 'old_password': 'a guess', 'new_password': NEW}
    for _ in range(2):
        assert await message(carl, 'unauthorized', 'change_password', 'users', guess, once='k') == 'Invalid credentials'
    assert await carl.call('change_password', 'users', own, once='k') is None  # again, with what is wrong by now
    for client, data in ((carl, own), (carl, guess), (ann, {**guess, 'old_password': password('ann')})):
        await client.fails('rate_limited', 'change_password', 'users', data, once='k')


def call_over_http(server, token, data, key, method='change_password'):
    with HttpClient(server, token=token) as client:
        answer = client.post(method, 'users', data, f'Idempotency-Key: {key}')
    return answer.status, answer.data if answer.status == 200 else answer.data['message']


async def test_the_key_of_a_password_change_over_http(make_server):
    """It is the session's here as well: the token's that came with the request."""
    server = make_server(options=['--limits', 'login_attempts=100'])
    ann = await Client.connect(server, 'ann')
    other = (await (await Client.connect(server)).log_in('ann'))['token']
    data = {'_id': 'ann', 'old_password': password('ann'), 'new_password': NEW}

    def change(token):
        return call_over_http(server, token, data, 'k')
    for _ in range(2):
        assert await asyncio.to_thread(change, server.tokens['ann']) == (200, None)
    assert await ann.call('change_password', 'users', data, once='k') is None  # the same session
    for token in (None, other, server.tokens['carl']):
        assert await asyncio.to_thread(change, token) == (401, 'Invalid credentials')
    # With the right password it is done, whoever used the key before.
    data = {'_id': 'ann', 'old_password': NEW, 'new_password': NEW}
    for token in (None, other):
        assert await asyncio.to_thread(change, token) == (200, None)
    assert (await asyncio.to_thread(change, server.tokens['carl'])) == (200, None)


async def test_log_ins_are_not_answered_with_those_of_others(server):
    """By password and by token, with a key that another session used, over WebSocket and HTTP."""
    def log_in(token, user):
        return call_over_http(server, token, {'username': user, 'password': password(user)}, 'k', 'authorize_by_login')

    def by_token(token, user):
        return call_over_http(server, token, {'token': server.tokens[user]}, 'k', 'authorize_by_token')
    for token in (None, server.tokens['ann'], server.tokens['carl']):
        for user in ('ben', 'reader', 'ben'):
            for method in (log_in, by_token):
                status, answer = await asyncio.to_thread(method, token, user)
                assert (status, answer['_id']) == (200, user)
        wrong = {'username': 'ben', 'password': 'a guess'}
        assert await asyncio.to_thread(call_over_http, server, token, wrong, 'k', 'authorize_by_login') == (
            401, 'Incorrect username or password')
        assert await asyncio.to_thread(call_over_http, server, token, {'token': 'a guess'}, 'k',
                                       'authorize_by_token') == (401, 'Token does not exist')
    client = await Client.connect(server, 'ann')
    for user in ('ben', 'reader', 'ben'):
        assert (await client.call('authorize_by_login', 'users', {'username': user, 'password': password(user)},
                                  once='k'))['_id'] == user
        assert (await client.call('authorize_by_token', 'users', {'token': server.tokens['carl']},
                                  once='k'))['_id'] == 'carl'
    await client.fails('unauthorized', 'authorize_by_token', 'users', {'token': 'a guess'}, once='k')


async def test_once(server):
    """What changes accounts can be repeated under its key: it is done once and answered alike."""
    admin, other = await Client.connect(server, 'admin'), await Client.connect(server, 'admin')
    calls = [
        ('add', 'groups', {'_id': 'crew'}, 'crew'),
        ('update_permissions', 'groups', {'_id': 'crew', 'permissions': {'modify_virus': True}},
         {'_id': 'crew', '_version': 1, 'permissions': {'modify_virus': True}}),
        ('add', 'users', {'_id': 'nora', 'password': NEW}, None),
        ('set_group', 'users', {'user_id': 'nora', 'group_id': 'crew'}, ['crew']),
        ('set_primary_group', 'users', {'_id': 'nora', 'group_id': 'crew'}, None),
        ('set_force_reset', 'users', {'_id': 'nora', 'force_reset': True}, None),
        ('set_password', 'users', {'_id': 'nora', 'new_password': NEW + '!'}, None),
        ('change_password', 'users', {'_id': 'nora', 'old_password': NEW + '!', 'new_password': NEW}, None),
        ('remove_group', 'groups', {'_id': 'crew'}, None),
        ('remove_user', 'users', {'_id': 'nora'}, None),
    ]
    for i, (method, collection, data, answer) in enumerate(calls):
        assert await admin.call(method, collection, data, once=f'key {i}') == answer
        seq = admin.last_seq
        for client in (other, admin):
            assert await client.call(method, collection, data, once=f'key {i}') == answer, method
        assert admin.last_seq == seq, method
    # And after everything was changed again.
    assert await other.call(*calls[1][:3], once='key 1') == calls[1][3]


# ---- passwords ----

async def test_change_password(server):
    """Who is not logged in may do it; sessions go on."""
    reader, client = await Client.connect(server, 'reader'), await Client.connect(server)
    data = {'_id': 'reader', 'old_password': password('reader'), 'new_password': NEW}
    assert await client.call('change_password', 'users', data) is None
    await client.fails('unauthorized', 'count', 'notes')
    assert await refuses(client, 'authorize_by_login', 'users',
                         {'username': 'reader', 'password': password('reader')}) == \
        ('unauthorized', 'Incorrect username or password')
    await client.log_in('reader', NEW)
    assert await reader.call('count', 'notes') == 0 and not reader.of('deauthorize', 'users')


async def test_change_password_with_invalid_credentials(server):
    client = await Client.connect(server)
    data = {'_id': 'reader', 'old_password': password('reader'), 'new_password': NEW}
    wrong = [await client.fails('unauthorized', 'change_password', 'users', {**data, **change}) for change in
             ({'old_password': 'wrong'}, {'_id': 'nobody'}, {'_id': 'nobody', 'old_password': 'wrong'})]
    assert all(w == {'warning': True, 'code': 'unauthorized', 'message': 'Invalid credentials'} for w in wrong)
    for change in ({'new_password': ''}, {'new_password': 5}, {'old_password': None}, {'_id': ''}, {'extra': 1}):
        await client.fails('invalid', 'change_password', 'users', {**data, **change})
    await client.log_in('reader')


async def test_change_password_is_throttled_like_a_log_in(make_server):
    server = make_server(options=['--limits', 'login_attempts=3'])
    first, second = await Client.connect(server), await Client.connect(server)
    data = {'_id': 'reader', 'old_password': 'wrong', 'new_password': NEW}
    for client in (first, second, first):
        await client.fails('unauthorized', 'change_password', 'users', data)
    right = {**data, 'old_password': password('reader')}
    await second.fails('rate_limited', 'change_password', 'users', right)
    await second.fails('rate_limited', 'authorize_by_login', 'users',
                       {'username': 'reader', 'password': password('reader')})


def cpu_ticks(pid):
    return sum(map(int, read_text(f'/proc/{pid}/stat').rpartition(')')[2].split()[11:13]))


async def test_change_password_takes_as_long_without_such_a_user(make_server):
    server = make_server(workers=1, options=['--limits', 'login_attempts=1000'])
    client, worker = await Client.connect(server), server.worker_pids()[0]
    shortest = {}
    for name in ('editor', 'nobody') * 3:
        used = cpu_ticks(worker)
        await client.fails('unauthorized', 'change_password', 'users',
                           {'_id': name, 'old_password': 'wrong', 'new_password': NEW})
        shortest[name] = min(shortest.get(name, 6000), cpu_ticks(worker) - used)
    assert shortest['nobody'] > shortest['editor'] / 2


async def test_force_reset(server):
    reader = await Client.connect(server, 'reader')
    admin = await Client.connect(server, 'admin')
    assert await admin.call('set_force_reset', 'users', {'_id': 'reader', 'force_reset': True}) is None
    await reader.until(lambda: reader.of('deauthorize', 'users'))
    await reader.fails('unauthorized', 'count', 'notes')
    failure = await reader.fails('unauthorized', 'authorize_by_login', 'users',
                                 {'username': 'reader', 'password': password('reader')})
    assert failure['message'] == 'Password must be reset' and failure['force_reset'] is True
    assert await refuses(reader, 'authorize_by_token', 'users', {'token': server.tokens['reader']}) == \
        ('unauthorized', 'Token was invalidated')
    await reader.call('change_password', 'users',
                      {'_id': 'reader', 'old_password': password('reader'), 'new_password': NEW})
    assert (await detail(admin, 'reader'))['force_reset'] is False
    assert (await reader.log_in('reader', NEW))['force_reset'] is False
    # Without a new password, too.
    for reset in (True, False):
        await admin.call('set_force_reset', 'users', {'_id': 'reader', 'force_reset': reset})
    await reader.log_in('reader', NEW)
    assert await message(admin, 'not_found', 'set_force_reset', 'users', {'_id': 'x', 'force_reset': True}) == \
        'User does not exist'
    for data in ({'_id': 'reader'}, {'_id': 'reader', 'force_reset': None}, {'force_reset': True}, {}, None):
        await admin.fails('invalid', 'set_force_reset', 'users', data)


async def test_set_password(server):
    readers = [await Client.connect(server, 'reader') for _ in range(2)]
    admin = await Client.connect(server, 'admin')
    another = await Client.connect(server)
    token = (await another.log_in('reader'))['token']
    assert await admin.call('set_password', 'users', {'_id': 'reader', 'new_password': NEW}) is None
    for client in (*readers, another):
        await client.until(lambda c=client: c.of('deauthorize', 'users'))
        await client.fails('unauthorized', 'count', 'notes')
    for old in (token, server.tokens['reader']):
        assert await refuses(another, 'authorize_by_token', 'users', {'token': old}) == \
            ('unauthorized', 'Token was invalidated')
    await another.fails('unauthorized', 'authorize_by_login', 'users',
                        {'username': 'reader', 'password': password('reader')})
    await another.log_in('reader', NEW)
    assert await message(admin, 'not_found', 'set_password', 'users', {'_id': 'x', 'new_password': NEW}) == \
        'User does not exist'
    for data in ({'_id': 'reader'}, {'_id': 'reader', 'new_password': ''}, {'new_password': NEW}, None):
        await admin.fails('invalid', 'set_password', 'users', data)


@pytest.mark.parametrize('method', ['set_password', 'set_force_reset'])
async def test_no_log_in_outlives(method, make_server):
    """Log-ins under way while somebody ends all sessions: none that checked the old password is left afterwards."""
    server = make_server(options=['--limits', 'login_attempts=100000', '--limits', 'login_queue=1000'])
    admin = await Client.connect(server, 'admin')
    let_in = 0
    for i in range(scaled(8, 3)):
        clients = [await Client.connect(server) for _ in range(scaled(8, 4))]
        old = password('reader') if method == 'set_force_reset' or i == 0 else f'{NEW} {i - 1}'
        logins = [asyncio.ensure_future(client.log_in('reader', old)) for client in clients]
        with contextlib.suppress(CallError):  # somewhere in the middle of them
            await logins[i % len(logins)]
        await admin.call(method, 'users', {'_id': 'reader', **(
            {'new_password': f'{NEW} {i}'} if method == 'set_password' else {'force_reset': True})})
        for client, answer in zip(clients, await asyncio.gather(*logins, return_exceptions=True)):
            if isinstance(answer, CallError):
                assert answer.message in ('Incorrect username or password', 'Password must be reset',
                                          'Token was invalidated')
                continue
            let_in += 1
            await client.until(lambda c=client: c.of('deauthorize', 'users'))
            assert (await refuses(client, 'authorize_by_token', 'users', {'token': answer['token']}))[1] in \
                ('Token was invalidated', 'Token does not exist')
        assert await admin.call('sessions', 'users', {'user_id': 'reader'}) == []
        await admin.call('set_force_reset', 'users', {'_id': 'reader', 'force_reset': False})
        for client in clients:
            await client.close()
    assert let_in


# ---- users.remove_user ----

async def test_remove_user(server):
    carls = [await Client.connect(server, 'carl') for _ in range(2)]
    admin = await Client.connect(server, 'admin')
    assert await admin.call('remove_user', 'users', {'_id': 'carl'}) is None
    for client in carls:
        await client.until(lambda c=client: c.of('deauthorize', 'users'))
        await client.fails('unauthorized', 'count', 'notes')
    await admin.until(lambda: admin.of('remove', 'users'))
    assert await refuses(carls[0], 'authorize_by_token', 'users', {'token': server.tokens['carl']}) == \
        ('unauthorized', 'Token does not exist')
    await carls[0].fails('unauthorized', 'authorize_by_login', 'users',
                         {'username': 'carl', 'password': password('carl')})
    assert await message(admin, 'not_found', 'remove_user', 'users', {'_id': 'carl'}) == 'User does not exist'
    assert await message(admin, 'forbidden', 'remove_user', 'users', {'_id': 'admin'}) == \
        'User cannot remove their own account'
    for data in ({}, None, {'_id': 5}, {'_id': 'ben', 'x': 1}):
        await admin.fails('invalid', 'remove_user', 'users', data)
    # A later user of that name is another one.
    await admin.call('add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': True})
    assert await admin.call('sessions', 'users', {'user_id': 'carl'}) == []
    assert await refuses(carls[0], 'authorize_by_token', 'users', {'token': server.tokens['carl']}) == \
        ('unauthorized', 'Token does not exist')
    await carls[0].log_in('carl', NEW)


# ---- who may ----

async def test_modify_options_is_needed(server):
    reader = await Client.connect(server, 'reader')
    for method, data in {'add': {'_id': 'x', 'password': 'y'}, 'remove_user': {'_id': 'ben'},
                         'set_password': {'_id': 'ben', 'new_password': 'x'},
                         'set_force_reset': {'_id': 'ben', 'force_reset': True},
                         'set_group': {'user_id': 'reader', 'group_id': 'editors'},
                         'set_primary_group': {'_id': 'reader', 'group_id': None}}.items():
        assert 'modify_options' in await message(reader, 'forbidden', method, 'users', data)
        nobody = await Client.connect(server)
        await nobody.fails('unauthorized', method, 'users', data)
    for method in ('add', 'remove_group', 'update_permissions'):
        await reader.fails('forbidden', method, 'groups', {'_id': 'x', 'permissions': {}})


async def test_administrators_are_for_administrators(server):
    """With modify_options alone nobody can become an administrator, or take the account of one."""
    manager, admin = await managers(server)
    await manager.call('set_group', 'users', {'user_id': 'manager', 'group_id': 'editors', 'member': True})
    for method, data in (
            ('set_group', {'user_id': 'manager', 'group_id': 'administrator', 'member': True}),
            ('set_group', {'user_id': 'admin', 'group_id': 'administrator', 'member': False}),
            ('set_group', {'user_id': 'ben', 'group_id': 'administrator'}),
            ('add', {'_id': 'x', 'password': NEW, 'groups': ['administrator']}),
            ('set_password', {'_id': 'admin', 'new_password': NEW}),
            ('set_force_reset', {'_id': 'admin', 'force_reset': True}),
            ('remove_user', {'_id': 'admin'})):
        await manager.fails('forbidden', method, 'users', data)
    assert (await detail(manager, 'admin'))['groups'] == ['administrator']
    await manager.call('set_password', 'users', {'_id': 'ben', 'new_password': NEW})
    await manager.call('remove_user', 'users', {'_id': 'ben'})
    # An administrator may.
    assert await admin.call('set_group', 'users', {'user_id': 'manager', 'group_id': 'administrator'}) == \
        ['managers', 'editors', 'administrator']
    await manager.call('set_password', 'users', {'_id': 'admin', 'new_password': NEW})
    await admin.until(lambda: admin.of('deauthorize', 'users'))


# ---- the last administrator ----

async def test_the_last_administrator_stays(server):
    admin, control = await Client.connect(server, 'admin'), await Client.control(server)
    leave = {'user_id': 'admin', 'group_id': 'administrator', 'member': False}
    assert await message(admin, 'forbidden', 'set_group', 'users', leave) == \
        'Administrators cannot remove themselves from the administrator group'
    for data in (leave, {'user_id': 'admin', 'group_id': 'administrator'}):
        await control.fails('forbidden', 'set_group', 'users', data)
    await control.fails('forbidden', 'remove_user', 'users', {'_id': 'admin'})
    assert server.ctl('user', 'remove', 'admin', check=False).returncode == 1
    # Somebody without a password is nobody who is left.
    server.load('users', [{'_id': 'ghost', 'groups': ['administrator']}])
    await control.fails('forbidden', 'remove_user', 'users', {'_id': 'admin'})
    assert await admin.call('set_group', 'users', {'user_id': 'ann', 'group_id': 'administrator', 'member': True}) == \
        ['lab', 'administrator']
    assert await control.call('set_group', 'users', leave) == []
    await admin.until(lambda: admin.of('amend', 'users'))
    await admin.fails('forbidden', 'add', 'groups', {'_id': 'x'})
    await control.fails('forbidden', 'remove_user', 'users', {'_id': 'ann'})
    await control.call('remove_user', 'users', {'_id': 'admin'})


async def until_allowed(client):
    """Until the client's worker knows of its rights."""
    deadline = time.monotonic() + PATIENCE
    while (await (await client.start('count', 'users')))['success'] is False:
        assert time.monotonic() < deadline


async def test_two_administrators_demote_each_other(server):
    """At the same instant, on different workers: one of them stays."""
    control = await Client.control(server)
    rounds = scaled(150, 30)
    both = ('admin', 'ann')
    clients = {name: await Client.connect(server, name) for name in both}
    assert min(server.connections()) >= 1
    for i in range(rounds):
        for name in both:
            await control.call('set_group', 'users', {'user_id': name, 'group_id': 'administrator', 'member': True})
        for client in clients.values():
            await until_allowed(client)
        answers = await asyncio.gather(
            *(clients[name].call('set_group', 'users', {'user_id': other, 'group_id': 'administrator',
                                                        'member': False})
              for name, other in (both, both[::-1])), return_exceptions=True)
        left = [user['_id'] for user in (await control.call('find', 'users', {
            'query': {'groups': 'administrator'}}))['documents']]
        failures = [answer for answer in answers if isinstance(answer, CallError)]
        assert len(left) == 1 and len(failures) == 1, f'round {i}: {left} {answers}'
        assert failures[0].code == 'forbidden'


async def test_two_administrators_remove_each_other(server):
    control = await Client.control(server)
    for i in range(scaled(4, 2)):
        pair = [f'a{i}', f'b{i}']
        clients = {}
        for name in pair:
            await control.call('add', 'users', {'_id': name, 'password': NEW, 'groups': ['administrator']})
            clients[name] = await Client.connect(server)
            await clients[name].log_in(name, NEW)
        if i == 0:
            await control.call('remove_user', 'users', {'_id': 'admin'})
        else:
            for user in [u['_id'] for u in (await control.call('find', 'users', {
                    'query': {'groups': 'administrator', '_id': {'$nin': pair}}}))['documents']]:
                await control.call('remove_user', 'users', {'_id': user})
        await asyncio.gather(
            *(clients[name].call('remove_user', 'users', {'_id': other})
              for name, other in (pair, pair[::-1])), return_exceptions=True)
        assert await control.call('count', 'users', {'query': {'groups': 'administrator'}}) == 1


# ---- dispatchctl, first start ----

async def test_dispatchctl_users(server):
    reader = await Client.connect(server, 'reader')
    server.ctl('user', 'passwd', 'reader', '--password-stdin', text=NEW + '\n')
    await reader.until(lambda: reader.of('deauthorize', 'users'))
    await reader.log_in('reader', NEW)
    assert 'User does not exist' in server.ctl('user', 'passwd', 'x', '--password-stdin', text='x\n',
                                               check=False).stderr
    listed = server.ctl('user', 'list').stdout.splitlines()
    assert listed[0].split() == ['NAME', 'PASSWORD', 'PRIMARY', 'GROUP', 'GROUPS'] and len(listed) == 9
    assert listed[1].split() == ['admin', 'valid', '-', 'administrator']
    assert {line.index(word) for line, word in zip(listed, ('PASSWORD', 'valid'))} == {listed[0].index('PASSWORD')}
    server.ctl('user', 'remove', 'reader')
    await reader.until(lambda: len(reader.of('deauthorize', 'users')) == 2)
    assert 'User does not exist' in server.ctl('user', 'remove', 'reader', check=False).stderr
    assert 'reader' not in server.ctl('user', 'list').stdout
    for wrong in ((), ('bogus',), ('list', 'x'), ('remove',), ('remove', 'a', 'b'), ('passwd',), ('list', '--x')):
        assert server.ctl('user', *wrong, check=False).returncode == 1


def test_dispatchctl_lists_many_users(server):
    """More than one answer of find has; names that a terminal would obey are shown as plain text."""
    server.load('users', [{'_id': f'u{i:04}', 'groups': ['lab']} for i in range(1200)])
    server.load('users', [{'_id': 'red', 'groups': ['\x1b[31m', '\x9b31m']}])
    plain = server.ctl('user', 'list').stdout
    assert '\x9b' not in plain and '\x1b' not in plain and '?[31m,?31m' in plain
    names = [line.split()[0] for line in plain.splitlines()[1:]]
    assert len(names) == len(set(names)) == 1200 + 8 + 1
    lines = server.ctl('user', 'list', '--json').stdout.splitlines()
    assert len(lines) == len(names) and '"groups":["lab"]' in lines[-1]


def test_first_start_says_how_to_make_a_user(make_server):
    server = make_server(prepared=False, options=['--log-level', 'notice'])
    hint = f'dispatchctl --control {server.control} user add NAME --group administrator'
    wait_until(lambda: server.log().count(hint) == 1, what='the hint')  # another worker may be ready before
    server.ctl('user', 'add', 'first', '--group', 'administrator', '--password-stdin', text='x\n')
    server.stop()
    server.start()
    assert server.log().count('there is no user yet') == 1


def test_first_start_says_so_to_who_starts_it(make_server):
    """On standard error when the log is elsewhere, before a start in the background is over; once."""
    server = make_server(prepared=False, start=False)
    started = server.run_once()
    assert started.returncode == 0
    wait_until(lambda: all_ready(server.status()), what='dispatchd being ready')
    assert started.stderr == ('dispatchd: there is no user yet: make the first one with dispatchctl --control '
                              f'{server.control} user add NAME --group administrator\n')
    server.ctl('user', 'add', 'first', '--group', 'administrator', '--password-stdin', text='x\n')
    server.ctl('stop')
    wait_until(lambda: not server.processes(), what='the end of all processes')
    assert server.run_once().stderr == ''
    server.ctl('stop')
    wait_until(lambda: not server.processes(), what='the end of all processes')


async def test_no_secret_leaves(make_server):
    """Neither passwords nor hashes nor stamps, in no message and no line of the log at its most talkative."""
    server = make_server(options=['--log-level', 'debug'])
    admin, control, nora = await Client.connect(server, 'admin'), await Client.control(server), \
        await Client.connect(server)
    words = ['first secret', 'second secret', 'third secret']
    await admin.call('add', 'users', {'_id': 'nora', 'password': words[0], 'groups': ['administrator']})
    token = (await nora.log_in('nora', words[0]))['token']
    await admin.call('sessions', 'users', {'user_id': 'nora'})
    await nora.call('change_password', 'users', {'_id': 'nora', 'old_password': words[0], 'new_password': words[1]})
    await admin.call('set_password', 'users', {'_id': 'nora', 'new_password': words[2]})
    await nora.fails('unauthorized', 'authorize_by_login', 'users', {'username': 'nora', 'password': words[1]})
    server.ctl('user', 'passwd', 'nora', '--password-stdin', text=words[0] + '\n')
    await admin.call('remove_user', 'users', {'_id': 'nora'})
    hash_ = hashlib.blake2b(token.encode(), digest_size=32).hexdigest()
    seen = json.dumps([m for client in (admin, control) for m in client.messages]) + server.log()
    for secret in (*words, '$argon2', 'stamp', token, hash_):
        assert secret not in seen, secret
    assert 'requested users.set_password' in seen and '"nora"' in seen
    mine = json.dumps(nora.messages)
    assert mine.count(token) == 1 and not any(word in mine for word in (*words, '$argon2', 'stamp', hash_))
