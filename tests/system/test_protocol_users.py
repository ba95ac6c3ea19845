"""Logging in and out, sessions, and what a user's groups give."""

import asyncio
import http.client
import json
import os
import re
import time

import pytest

from client import Client, connect_to_workers
from configuration import password
from http_client import HttpClient
from server import PATIENCE, SANITIZE

SECRETS = ('password', 'salt', 'hash', '$argon2')


async def test_log_in(server):
    client = await Client.connect(server)
    user = await client.log_in('editor')
    assert user['_id'] == 'editor' and isinstance(user['token'], str) and len(user['token']) >= 32
    assert not any(word in str({k: v for k, v in user.items() if k != 'token'}).lower() for word in SECRETS)
    assert await client.call('insert', 'notes', {'_id': 'a'}) == {'_id': 'a', '_version': 0}
    other = await Client.connect(server)
    again = await other.call('authorize_by_token', 'users', {'token': user['token']})
    assert again['_id'] == 'editor'
    assert await other.call('count', 'notes') == 1


async def test_log_in_with_browser(server):
    """A browser says what it likes of itself; of that the beginning is kept, of an object its text."""
    client = await Client.connect(server)
    who = {'username': 'editor', 'password': password('editor')}
    edge = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 ' \
        'Safari/537.36 Edg/131.0.0.0'
    brands = {'brands': [{'brand': 'Chromium', 'version': '131'}], 'mobile': False, 'platform': 'Linux "x"'}
    for browser, kept in (('Firefox 128 on Linux', None), (edge + ' SamsungBrowser/27.0', None), (None, ''),
                          ('x' * 1000, 'x' * 256), ('x' + 'ü' * 200, 'x' + 'ü' * 127), ('💾' * 64, None),
                          ('x' * 253 + '💾', 'x' * 253), (brands, json.dumps(brands, separators=(',', ':'))),
                          ({}, '{}'), ({'a': 'e' * 300}, '{"a":"' + 'e' * 250)):
        user = await client.call('authorize_by_login', 'users', {**who, 'browser': browser})
        assert user['_id'] == 'editor'
        assert (await client.call('authorize_by_token', 'users', {'token': user['token'], 'browser': browser}))['token']
        listed = await client.call('sessions', 'users', {})
        assert [s['browser'] for s in listed if s['current']] == [browser if kept is None else kept]
    for browser in ([], 5, True):
        await client.fails('invalid', 'authorize_by_login', 'users', {**who, 'browser': browser})
        await client.fails('invalid', 'authorize_by_token', 'users', {'token': user['token'], 'browser': browser})


async def test_wrong_log_ins(server):
    client = await Client.connect(server)
    for name, secret in (('editor', 'wrong'), ('nobody', 'wrong'), ('', ''), ('x' * 300, 'x'), ('editor', '')):
        try:
            await client.log_in(name, secret or 'x')
        except Exception as error:
            assert error.message == 'Incorrect username or password' or error.code == 'invalid'
        else:
            raise AssertionError(f'{name} was let in')
    for data in (None, {}, {'username': 'editor'}, {'username': 5, 'password': 'x'}, [], {'password': 'x'}):
        await client.fails('invalid', 'authorize_by_login', 'users', data)
    failure = await client.fails('unauthorized', 'count', 'notes')
    assert failure['message']


async def test_the_log_names_who_a_log_in_tried_to_be(make_server):
    """With the address; whatever the name is, the line stays one line, and bounded."""
    server = make_server(workers=1)
    client = await Client.connect(server)
    forged = 'x": fulfilled\n2026-01-01 worker 0[1] error: "'
    for name in ('nobody', forged, '\u00e9' * 128, 'x' + '\u00e9' * 63):
        await client.fails('unauthorized', 'authorize_by_login', 'users', {'username': name, 'password': 'wrong'})
    await client.fails('unauthorized', 'change_password', 'users',
                       {'_id': 'editor', 'old_password': 'wrong', 'new_password': 'another one'})
    with HttpClient(server) as http_client:
        http_client.post('authorize_by_login', 'users', {'username': 'over HTTP', 'password': 'wrong'})
    await client.log_in('editor')
    assert await asyncio.to_thread(server.stop) == 0
    lines = re.findall(r' info: - \(127\.0\.0\.1:\d+\) requested users\.(.*) in \d+ us', server.log())
    assert lines == ['authorize_by_login as "nobody": unauthorized',
                     f'authorize_by_login as {json.dumps(forged)}: unauthorized',
                     'authorize_by_login as "' + '\u00e9' * 32 + '"...: unauthorized',
                     'authorize_by_login as "x' + '\u00e9' * 31 + '"...: unauthorized',
                     'change_password as "editor": unauthorized',
                     'authorize_by_login as "over HTTP": unauthorized',
                     'authorize_by_login as "editor": fulfilled']


async def test_wrong_tokens(server):
    client = await Client.connect(server)
    for token in ('nonsense', '', 'x' * 500, server.tokens['editor'][:-1]):
        try:
            await client.call('authorize_by_token', 'users', {'token': token})
        except Exception as error:
            assert error.message == 'Token does not exist' or error.code == 'invalid'
        else:
            raise AssertionError(f'{token} was taken')
    await client.fails('invalid', 'authorize_by_token', 'users', {'token': 5})


async def test_failed_log_ins_are_throttled(make_server):
    server = make_server(workers=1, options=['--limits', 'login_attempts=3'])
    client = await Client.connect(server)
    codes = []
    for _ in range(5):
        try:
            await client.log_in('editor', 'wrong')
        except Exception as error:
            codes.append(error.code)
    assert codes[:3].count('rate_limited') == 0 and codes[4] == 'rate_limited'
    # With the right password as well: otherwise guessing would go on.
    await client.fails('rate_limited', 'authorize_by_login', 'users',
                       {'username': 'editor', 'password': password('editor')})
    # A token is no guess.
    other = await Client.connect(server, 'editor')
    assert await other.call('count', 'notes') == 0


async def test_log_in_does_not_stall_others(make_server):
    """While passwords are checked, other clients of the worker are answered."""
    server = make_server(workers=1, options=['--limits', 'login_attempts=1000'])
    other = await Client.connect(server, 'reader')
    clients = [await Client.connect(server) for _ in range(6)]
    futures = [await c.start('authorize_by_login', 'users', {'username': 'editor', 'password': password('editor')})
               for c in clients]
    answered = 0
    while not all(future.done() for future in futures):
        await other.call('count', 'notes')
        answered += 1
    for future in futures:
        assert (await future)['success']
    assert answered >= (5 if SANITIZE else 20)


async def test_same_time_whether_the_user_exists_or_not(make_server):
    server = make_server(workers=1, options=['--limits', 'login_attempts=1000'])
    client = await Client.connect(server)
    shortest = {}
    for name in ('editor', 'nobody') * 3:
        started = time.monotonic()
        try:
            await client.log_in(name, 'wrong')
        except Exception as error:
            assert error.message == 'Incorrect username or password'
        shortest[name] = min(shortest.get(name, 60), time.monotonic() - started)
    assert shortest['nobody'] > shortest['editor'] / 4  # without a hash it is a hundredth


async def test_log_in_queue_is_bounded(make_server):
    server = make_server(workers=1, options=['--limits', 'login_queue=2', '--limits', 'login_attempts=1000',
                                             '--limits', 'stranger_calls=1000'])
    client = await Client.connect(server)
    futures = [await client.start('authorize_by_login', 'users', {'username': f'nobody{i}', 'password': 'x'})
               for i in range(30)]
    codes = [(await asyncio.wait_for(f, 60))['data'].get('code') for f in futures]
    assert 'busy' in codes


def memory_holds(pid, needle):
    """Whether bytes are anywhere in the memory that a process can write to."""
    with open(f'/proc/{pid}/maps', encoding='utf-8') as maps, open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
        for line in maps:
            span, rights, _, _, inode, *_ = line.split()
            if not rights.startswith('rw') or inode != '0':
                continue
            first, last = (int(bound, 16) for bound in span.split('-'))
            memory.seek(first)
            try:
                if needle in memory.read(last - first):
                    return True
            except OSError:
                pass
    return False


@pytest.mark.skipif(SANITIZE, reason='sanitizers keep what was freed')
async def test_passwords_do_not_stay_in_memory(make_server):
    """However the message comes: whole, in fragments, with escapes, with a wrong password, over HTTP."""
    if os.geteuid() != 0:
        pytest.skip('needs root, to read the memory of another process')
    server = make_server(workers=1)
    (pid,) = server.worker_pids()
    assert memory_holds(pid, b'dispatchd')

    def forgotten(secret):
        return not memory_holds(pid, secret[1:].encode())  # the first letter may come escaped

    control = await Client.control(server)
    secrets = [f'Xq7-{i}-vTz2-{i}-hidden-from-all' for i in range(6)]
    await control.call('add', 'users', {'_id': 'new', 'password': secrets[0]})
    assert forgotten(secrets[0])
    client = await Client.connect(server)
    await client.log_in('new', secrets[0])
    await client.fails('unauthorized', 'authorize_by_login', 'users', {'username': 'new', 'password': secrets[1]})
    assert forgotten(secrets[0]) and forgotten(secrets[1])
    for i, parts in ((2, 2), (3, 30), (4, 1)):
        tid, future, text = client.begin('authorize_by_login', 'users', {'username': 'new', 'password': secrets[i]})
        if parts == 1:
            text = text.replace('X', '\\u0058')
        size = -(-len(text) // parts)
        await client.socket.send([text[k:k + size] for k in range(0, len(text), size)])
        assert not (await asyncio.wait_for(future, PATIENCE))['success'], tid
        assert forgotten(secrets[i]), f'in {parts} parts'
    over_http = http.client.HTTPConnection('127.0.0.1', server.port, timeout=PATIENCE)
    body = json.dumps({'username': 'new', 'password': secrets[5]})
    over_http.request('POST', '/api/users/authorize_by_login', body, {'Content-Type': 'application/json'})
    assert over_http.getresponse().status == 401
    over_http.close()
    assert forgotten(secrets[5])


async def test_logout_ends_the_session_on_all_connections(server):
    first, second = await connect_to_workers(server, 'editor', 2)
    other_session = await Client.connect(server)
    await other_session.log_in('editor')
    assert await first.call('logout', 'users', {}) is None
    await second.until(lambda: second.of('deauthorize', 'users'))
    for client in (first, second):
        await client.fails('unauthorized', 'count', 'notes')
    again = await Client.connect(server)
    try:
        await again.call('authorize_by_token', 'users', {'token': server.tokens['editor']})
    except Exception as error:
        assert error.message in ('Token does not exist', 'Token was invalidated')
    else:
        raise AssertionError('the token still works')
    # Another session of the same user goes on, and gets changes; the ended ones do not.
    await other_session.call('insert', 'notes', {'_id': 'after'})
    assert 'after' in other_session.copy('notes')
    admin = await Client.connect(server, 'admin')
    assert await admin.call('count', 'notes') == 1
    assert not first.copy('notes') and not second.copy('notes')


async def test_log_in_again_after_logout(server):
    client = await Client.connect(server, 'editor')
    await client.call('logout', 'users', {})
    await client.log_in('editor')
    await client.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    assert 'v' in client.copy('viruses')


async def test_log_in_as_another_user(server):
    client = await Client.connect(server, 'reader')
    await client.fails('forbidden', 'insert', 'viruses', {'name': 'V'})
    await client.log_in('editor')
    await client.call('insert', 'viruses', {'_id': 'v', 'name': 'V'})
    assert 'v' in client.copy('viruses')


async def test_token_works_on_every_worker_at_once(server):
    client = await Client.connect(server)
    token = (await client.log_in('ann'))['token']
    for _ in range(4):
        other = await Client.connect(server, token=token)
        assert await other.call('count', 'notes') == 0


async def test_users_and_groups_are_for_modify_options(server):
    admin, reader = await Client.connect(server, 'admin'), await Client.connect(server, 'reader')
    users = (await admin.call('find', 'users', {}))['documents']
    assert {'admin', 'editor', 'reader', 'ann'} <= {user['_id'] for user in users}
    assert not any(word in str(users).lower() for word in ('argon2', 'salt', 'token'))
    groups = (await admin.call('find', 'groups', {}))['documents']
    assert {'administrator', 'editors', 'lab'} <= {group['_id'] for group in groups}
    for collection in ('users', 'groups'):
        await reader.fails('forbidden', 'find', collection, {})
        await reader.fails('forbidden', 'sync', collection, {})


async def test_user_and_group_made_while_running(server):
    admin = await Client.connect(server, 'admin')
    reader = await Client.connect(server, 'reader')
    server.ctl('group', 'add', 'newcomers', '--permission', 'modify_virus')
    server.ctl('user', 'add', 'nora', '--group', 'newcomers', '--password-stdin', text='a secret of nora\n')
    await admin.until(lambda: 'nora' in admin.copy('users') and 'newcomers' in admin.copy('groups'))
    assert not reader.copy('users') and not reader.copy('groups')
    nora = await Client.connect(server)
    await nora.log_in('nora', 'a secret of nora')
    await nora.call('insert', 'viruses', {'name': 'V'})
    await nora.fails('forbidden', 'remove', 'viruses', {'_id': 'v'})


async def test_permissions_change_on_live_connections(server):
    """groups.update_permissions takes effect at once, on every worker: what comes to be visible is sent, what is no longer is removed."""
    clients = await connect_to_workers(server, 'insider', 2)
    control = await Client.control(server)
    await control.call('insert', 'secrets', {'_id': 's'})
    for client in clients:
        await client.until(lambda c=client: 's' in c.copy('secrets'))
    await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': False}})
    await control.call('insert', 'secrets', {'_id': 't'})
    await control.call('insert', 'notes', {'_id': 'n'})
    for client in clients:
        await client.until(lambda c=client: 'n' in c.copy('notes'))
        assert not client.copy('secrets')
        assert not client.of('resync', None)
        await client.fails('forbidden', 'find', 'secrets', {})
    await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'see_secrets': True}})
    for client in clients:
        await client.until(lambda c=client: set(c.copy('secrets')) == {'s', 't'})
        assert not client.of('resync', None)
    await control.fails('invalid', 'update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'bogus': True}})
    await control.fails('forbidden', 'update_permissions', 'groups', {'_id': 'administrator', 'permissions': {}})


async def test_dispatchctl_user_errors(server):
    assert 'already exists' in server.ctl('user', 'add', 'editor', '--password-stdin', text='long enough\n',
                                          check=False).stderr
    assert server.ctl('user', 'add', 'x', '--group', 'bogus', '--password-stdin', text='long enough\n',
                      check=False).returncode == 1
    assert server.ctl('group', 'add', 'x', '--permission', 'bogus', check=False).returncode == 1
