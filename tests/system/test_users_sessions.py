"""Sessions: listing and ending them, and how many there may be."""

import asyncio
import time

from client import Client
from configuration import password
from server import scaled

MEMBERS = {'id', 'user', 'created', 'used', 'address', 'browser', 'current'}


async def log_in(server, user, browser):
    client = await Client.connect(server)
    answer = await client.call('authorize_by_login', 'users', {
        'username': user, 'password': password(user), 'browser': browser})
    client.token = answer['token']
    return client


async def sessions(client, data=None):
    found = await client.call('sessions', 'users', data or {})
    assert all(set(session) == MEMBERS for session in found)
    return found


async def test_own_sessions(server):
    started = time.time() * 1000
    first, second = await log_in(server, 'reader', 'Firefox 128'), await log_in(server, 'reader', '')
    listed = await sessions(first)
    assert len(listed) == 3  # and the one that was prepared
    assert [s['browser'] for s in listed if s['current']] == ['Firefox 128']
    assert [s['browser'] for s in await sessions(second) if s['current']] == ['']
    assert len({s['id'] for s in listed}) == 3
    assert [s['used'] for s in listed] == sorted((s['used'] for s in listed), reverse=True)
    mine = next(s for s in listed if s['current'])
    assert mine['user'] == 'reader' and mine['address'].startswith('127.0.0.1')
    assert started - 1000 < mine['created'] <= mine['used'] < time.time() * 1000 + 1000
    # Neither the token nor what it is stored under.
    assert first.token not in str(first.messages[-1]) and all(len(s['id']) == 12 for s in listed)
    # Those that are connected are used now, which is later in each answer.
    ways = [await first.call('sessions', 'users', None), await sessions(first, {'user_id': 'reader'})]
    assert [[{**s, 'used': 0} for s in way] for way in ways] == [[{**s, 'used': 0} for s in listed]] * 2
    for data in ([], {'user': 'reader'}, {'user_id': 5}):
        await first.fails('invalid', 'sessions', 'users', data)
    nobody = await Client.connect(server)
    await nobody.fails('unauthorized', 'sessions', 'users', {})
    assert await (await Client.control(server)).call('sessions', 'users', {}) == []


async def test_sessions_of_others(server):
    reader, admin = await Client.connect(server, 'reader'), await Client.connect(server, 'admin')
    failure = await reader.fails('forbidden', 'sessions', 'users', {'user_id': 'editor'})
    assert 'modify_options' in failure['message']
    await reader.fails('forbidden', 'sessions', 'users', {'user_id': 'bogus'})
    listed = await sessions(admin, {'user_id': 'reader'})
    assert [s['user'] for s in listed] == ['reader'] and not listed[0]['current']
    failure = await admin.fails('not_found', 'sessions', 'users', {'user_id': 'bogus'})
    assert failure['message'] == 'User does not exist'


async def test_remove_own_session(server):
    """It ends on the connections of every worker, which stay open; no other does."""
    first = await log_in(server, 'reader', 'first')
    again = [await Client.connect(server, token=first.token) for _ in range(2)]
    other = await log_in(server, 'reader', 'other')
    id_ = next(s['id'] for s in await sessions(other) if s['browser'] == 'first')
    assert await other.call('remove_session', 'users', {'id': id_}) is None
    for client in (first, *again):
        await client.until(lambda c=client: c.of('deauthorize', 'users'))
        await client.fails('unauthorized', 'count', 'notes')
    assert 'first' not in [s['browser'] for s in await sessions(other)]
    failure = await other.fails('not_found', 'remove_session', 'users', {'id': id_})
    assert failure['message'] == 'Session does not exist'
    failure = await first.fails('unauthorized', 'authorize_by_token', 'users', {'token': first.token})
    assert failure['message'] == 'Token was invalidated'
    await first.log_in('reader')
    # Its own one, too.
    id_ = next(s['id'] for s in await sessions(other) if s['current'])
    assert await other.call('remove_session', 'users', {'id': id_}) is None
    await other.until(lambda: other.of('deauthorize', 'users'))


async def test_remove_sessions_of_others(server):
    reader, editor = await Client.connect(server, 'reader'), await Client.connect(server, 'editor')
    admin = await Client.connect(server, 'admin')
    id_ = (await sessions(reader))[0]['id']
    missing = await editor.fails('not_found', 'remove_session', 'users', {'id': 'x' * 12})
    assert await editor.fails('not_found', 'remove_session', 'users', {'id': id_}) == missing
    assert await reader.call('count', 'notes') == 0
    await admin.call('remove_session', 'users', {'id': id_})
    await reader.until(lambda: reader.of('deauthorize', 'users'))
    assert await sessions(admin, {'user_id': 'reader'}) == []
    for data in ({}, None, {'id': 5}, {'id': ''}, {'id': 'x', 'y': 1}):
        await admin.fails('invalid', 'remove_session', 'users', data)


async def test_what_ended_is_not_listed(server):
    first, second = await log_in(server, 'reader', 'first'), await log_in(server, 'reader', 'second')
    await first.call('logout', 'users', {})
    assert 'first' not in [s['browser'] for s in await sessions(second)]


async def test_sessions_of_one_user_are_bounded(make_server):
    """Beyond the limit the least recently used session gives way, on whichever worker somebody uses it."""
    server = make_server(options=['--limits', 'sessions_per_user=3'])
    clients = [await log_in(server, 'reader', str(i)) for i in range(3)]  # the prepared one has gone by now
    assert [s['browser'] for s in await sessions(clients[0])] == ['2', '1', '0']
    late = await log_in(server, 'reader', '3')
    await clients[0].until(lambda: clients[0].of('deauthorize', 'users'))
    assert [s['browser'] for s in await sessions(late)] == ['3', '2', '1']
    failure = await late.fails('unauthorized', 'authorize_by_token', 'users', {'token': clients[0].token})
    assert failure['message'] == 'Token does not exist'
    # Others are not touched by it.
    assert await (await Client.connect(server, 'editor')).call('count', 'notes') == 0


async def test_log_ins_at_once_keep_to_the_bound(make_server):
    server = make_server(options=['--limits', 'sessions_per_user=3', '--limits', 'login_queue=1000'])
    admin = await Client.connect(server, 'admin')
    clients = [await Client.connect(server) for _ in range(scaled(16, 6))]
    answers = await asyncio.gather(*(client.log_in('reader') for client in clients), return_exceptions=True)
    # One may give way to the next ones before it is connected.
    lost = [answer for answer in answers if isinstance(answer, Exception)]
    assert {answer.message for answer in lost} <= {'Token does not exist'} and len(answers) - len(lost) >= 3
    assert len(await sessions(admin, {'user_id': 'reader'})) == 3


async def test_dispatchctl_sessions(server):
    browsers = ('Firefox', 'a\x1b[31mb')
    clients = {browser: await log_in(server, 'reader', browser) for browser in browsers}
    lines = server.ctl('user', 'sessions', 'reader').stdout.splitlines()
    assert lines[0].split() == ['ID', 'CREATED', 'USED', 'ADDRESS', 'BROWSER'] and len(lines) == 4
    assert lines[1].endswith('a?[31mb')
    assert len(server.ctl('user', 'sessions', 'reader', '--json').stdout.splitlines()) == 3
    id_ = next(line for line in lines if line.endswith('Firefox')).split()[0]
    # A session of somebody else is no session of that user.
    assert 'has no session' in server.ctl('user', 'sessions', 'editor', '--end', id_, check=False).stderr
    server.ctl('user', 'sessions', 'reader', '--end', id_)
    await clients['Firefox'].until(lambda: clients['Firefox'].of('deauthorize', 'users'))
    assert await clients[browsers[1]].call('count', 'notes') == 0
    server.ctl('user', 'sessions', 'reader', '--end-all')
    await clients[browsers[1]].until(lambda: clients[browsers[1]].of('deauthorize', 'users'))
    assert len(server.ctl('user', 'sessions', 'reader').stdout.splitlines()) == 1
    assert 'User does not exist' in server.ctl('user', 'sessions', 'x', check=False).stderr
    assert server.ctl('user', 'sessions', 'reader', '--json', '--end-all', check=False).returncode == 1
