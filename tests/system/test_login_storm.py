"""Log-ins under load: failures count across workers and their restarts, guesses cannot be had for free, others go on."""

import asyncio
import json
import time

import pytest

from client import CallError, Client, connect_to_workers
from configuration import USERS, configuration, password
from http_client import HttpClient, request
from server import PATIENCE, scaled
from watch import LARGE, WATCH

WRONG = 'this is not the password'
NEW = 'a new password of the storm'


async def connect_from(server, host):
    """A client that comes from 127.0.0.@host."""
    return await Client.connect(server, local_addr=(f'127.0.0.{host}', 0))


async def try_in(client, user, secret=WRONG):
    """How a log-in ends: a code, or None when it succeeds."""
    try:
        await client.log_in(user, secret)
    except CallError as error:
        return error.code
    return None


async def attempt(client, user):
    """The code of a wrong log-in, however long it takes."""
    future = await client.start('authorize_by_login', 'users', {'username': user, 'password': WRONG})
    return (await asyncio.wait_for(future, 200))['data']['code']


async def on_each_worker(server, host):
    """A client on each of the two workers, from one address."""
    before = server.connections()
    clients = [await connect_from(server, host) for _ in before]
    assert [after - b for after, b in zip(server.connections(), before)] == [1] * len(before)
    return clients


# ---- the throttle ----

async def test_failures_of_a_user_count_on_all_workers_together(make_server):
    server = make_server(options=['--limits', 'login_attempts=4'])
    for host in (2, 3):
        for client in await on_each_worker(server, host):
            assert await try_in(client, 'editor') == 'unauthorized'
    for host in (2, 4):
        for client in await on_each_worker(server, host):
            assert await try_in(client, 'editor', password('editor')) == 'rate_limited'
            assert await try_in(client, 'reader', password('reader')) is None


async def test_failures_from_an_address_count_on_all_workers_together(make_server):
    server = make_server(options=['--limits', 'login_attempts=4'])
    names = iter(('editor', 'nobody', 'ann', 'no one'))
    for _ in range(2):
        for client in await on_each_worker(server, 2):
            assert await try_in(client, next(names)) == 'unauthorized'
    for client in await on_each_worker(server, 2):
        assert await try_in(client, 'reader', password('reader')) == 'rate_limited'
    for client in await on_each_worker(server, 3):
        for user in ('reader', 'editor', 'ann'):
            assert await try_in(client, user, password(user)) is None


async def test_failures_are_counted_over_restarts_of_workers(make_server):
    server = make_server(options=['--limits', 'login_attempts=3'])
    for host in (2, 3, 4):
        assert await try_in(await connect_from(server, host), 'editor') == 'unauthorized'
        assert await try_in(await connect_from(server, 9), f'nobody {host}') == 'unauthorized'
        for pid in server.worker_pids():
            await asyncio.to_thread(server.kill, pid)
    for client in await on_each_worker(server, 5):
        assert await try_in(client, 'editor', password('editor')) == 'rate_limited'
    for client in await on_each_worker(server, 9):
        assert await try_in(client, 'reader', password('reader')) == 'rate_limited'
    assert await try_in(await connect_from(server, 5), 'reader', password('reader')) is None


async def test_guesses_at_once_are_not_free(make_server):
    """What waits to be checked while the others fail says nothing any more, right or wrong."""
    server = make_server(workers=1, options=['--limits', 'login_attempts=3', '--limits', 'stranger_calls=100'])
    client = await Client.connect(server)
    calls = [('authorize_by_login', {'username': 'editor', 'password': WRONG}),
             ('change_password', {'_id': 'editor', 'old_password': WRONG, 'new_password': NEW})] * 10
    calls += [('authorize_by_login', {'username': 'editor', 'password': password('editor')}),
              ('change_password', {'_id': 'editor', 'old_password': password('editor'), 'new_password': NEW})]
    futures = [await client.start(method, 'users', data) for method, data in calls]
    answers = [await asyncio.wait_for(future, 120) for future in futures]
    codes = [answer['data'].get('code') for answer in answers]
    assert not any(answer['success'] for answer in answers)
    assert codes.count('unauthorized') == 3 and codes.count('rate_limited') == len(calls) - 3


@pytest.mark.parametrize('method', ['authorize_by_login', 'change_password'])
async def test_guesses_are_counted_when_nobody_waits_for_the_answer(method, make_server):
    """Otherwise new passwords could be tried through change_password by hanging up, and looking afterwards."""
    server = make_server(workers=1, options=['--limits', 'login_attempts=3'])
    client = await connect_from(server, 2)
    for _ in range(3):
        await client.start(method, 'users', {'username': 'editor', 'password': WRONG} if 'login' in method else {
            '_id': 'editor', 'old_password': WRONG, 'new_password': NEW})
    await client.fails('unauthorized', 'count', 'notes')  # so they have been read
    client.socket.transport.abort()
    other = await connect_from(server, 3)
    deadline = time.monotonic() + PATIENCE
    while (code := await try_in(other, 'editor', password('editor'))) is None:
        assert time.monotonic() < deadline, 'the failures were not counted'
    assert code == 'rate_limited'


async def test_right_log_ins_of_who_has_gone_are_no_failures(make_server):
    server = make_server(workers=1, options=['--limits', 'login_attempts=3'])
    client = await connect_from(server, 2)
    for _ in range(10):
        await client.start('authorize_by_login', 'users', {'username': 'editor', 'password': password('editor')})
    await client.fails('unauthorized', 'count', 'notes')
    client.socket.transport.abort()
    other = await connect_from(server, 2)
    assert await try_in(other, 'editor', password('editor')) is None


@pytest.mark.long
async def test_many_wrong_log_ins_leave_the_server_answering(make_server):
    """From many addresses, for names of users and others, all at once, while others call on every worker."""
    server = make_server()
    pids = server.worker_pids()
    attempts, per_address = scaled(600, 200), 4
    names = [*(user for user in USERS if user not in ('carl', 'reader')), *(f'nobody {i}' for i in range(6))]
    clients = [await connect_from(server, 2 + i) for i in range(attempts // per_address)]
    others = await connect_to_workers(server, 'reader', 2)
    answered = [0, 0]

    async def go_on(i):
        while True:
            assert await others[i].call('count', 'notes') == 0
            answered[i] += 1

    going = [asyncio.ensure_future(go_on(i)) for i in range(2)]
    storm = [asyncio.ensure_future(attempt(client, names[(i + k * 7) % len(names)]))
             for k in range(per_address) for i, client in enumerate(clients)]
    codes = await asyncio.gather(*storm)
    assert not any(task.done() for task in going), 'a call of another client failed'
    for task in going:
        task.cancel()
    assert all(answered)
    assert len(codes) == attempts and set(codes) <= {'unauthorized', 'rate_limited', 'busy'}, set(codes)
    assert codes.count('unauthorized') <= 10 * len(names)
    # Who was not guessed at gets in, from where nobody guessed; the processes are the same.
    carl = await Client.connect(server)
    assert await try_in(carl, 'carl', password('carl')) is None
    assert await carl.call('count', 'notes') == 0
    assert server.worker_pids() == pids


# ---- where secrets might come out: what comes is searched for them after each test ----

async def test_secrets_in_no_answer_and_no_log(make_server):
    """Every way to bring a password or a token, right, wrong and malformed, at the most talkative level."""
    server = make_server(config=configuration(log_level='debug'), options=['--limits', 'login_attempts=100'])
    admin, client = await Client.connect(server, 'admin'), await Client.connect(server)
    token = (await client.log_in('editor'))['token']
    wrong = token[:-1] + ('A' if token[-1] != 'A' else 'E')
    WATCH.token(wrong)
    long = 'a password that is too long ' * 50
    WATCH.password(long[:100])
    for data in ({'username': 'editor', 'password': [WRONG]}, {'username': 'editor', 'password': {WRONG: WRONG}},
                 {'username': 'editor', 'password': long}, {'password': WRONG}, {'username': [], 'password': WRONG},
                 {'username': 'editor', 'password': WRONG, 'more': WRONG}, [WRONG]):
        await client.fails('invalid', 'authorize_by_login', 'users', data)
    for data in ({'_id': 'x', 'password': long}, {'_id': 'x', 'password': [WRONG]}, {'_id': '', 'password': WRONG}):
        await admin.fails('invalid', 'add', 'users', data)
    for data in ({'_id': 'editor', 'old_password': WRONG, 'new_password': long}, {'old_password': WRONG}):
        await client.fails('invalid', 'change_password', 'users', data)
    for bad in (wrong, token + token, [token]):
        code = 'invalid' if isinstance(bad, list) else 'unauthorized'
        assert await try_token(client, bad) in (code, 'invalid')
    for headers in ({'Authorization': f'Bearer {wrong}'}, {'Cookie': f'dispatchd_token={wrong}'},
                    {'Authorization': f'Basic {token}'}, {'Cookie': f'dispatchd_token={token}'}):
        other = await Client.connect(server, extra_headers=headers)
        await other.close()
    for head in (f'Authorization: Bearer {wrong}', f'Authorization: Bearer {token} {token}', f'Cookie: {token}',
                 f'Authorization: {token}', f'{token}'):
        with HttpClient(server) as http:
            assert http.ask(request('/api/notes/count', head, body=b'{}')).status in (200, 400, 401)
    with HttpClient(server) as http:
        assert http.post('authorize_by_login', 'users', {'username': 'editor', 'password': WRONG}).status == 401
        assert http.ask(request('/api/users/authorize_by_token', body=json.dumps(
            {'token': token}).encode())).status == 200


async def try_token(client, token):
    try:
        await client.call('authorize_by_token', 'users', {'token': token})
    except CallError as error:
        return error.code
    return None


async def test_secrets_in_no_document(server):
    """Users and sessions by every method that gives documents, to an administrator and over the control socket."""
    client = await Client.connect(server)
    await client.log_in('editor')
    for who in (await Client.connect(server, 'admin'), await Client.control(server)):
        await who.synchronize('users', 'groups')
        await who.call('find', 'users', {'query': {}, 'fields': ['hash', 'password', 'token', 'stamp', '_id']})
        assert await who.call('count', 'users', {'query': {'hash': {'$exists': True}}}) == 0
        await who.call('detail', 'users', {'_id': 'editor'})
        await who.call('sessions', 'users', {'user_id': 'editor'})
        position = await who.synchronize('users')
        await who.call('set_force_reset', 'users', {'_id': 'ben', 'force_reset': True})
        await who.call('resume', None, position)
        for name in ('credentials', 'sessions'):
            for method in ('find', 'detail', 'count', 'export', 'import', 'sync'):
                await who.fails('unknown_collection', method, name, {})
            await who.fails('unknown_collection', 'sync', None, {'manifests': {name: {}}})
    assert set(server.export('users')) == set(USERS)
    for name in ('credentials', 'sessions'):
        for command in ('export', 'import', 'tail'):
            refused = server.ctl(command, name, *(['-'] if command == 'import' else []), text='{"_id":"x"}\n',
                                 check=False)
            assert refused.returncode != 0, command


async def test_once_remembers_no_token(server):
    """A log-in is never answered again from the store, whoever repeats it, and no token is in the store."""
    client, other = await Client.connect(server), await Client.connect(server)
    data = {'username': 'editor', 'password': password('editor')}
    tokens = {(await who.call('authorize_by_login', 'users', data, once='key'))['token']
              for who in (client, client, other, other)}
    assert len(tokens) == 4
    for token in tokens:  # logged in already, and with the same key
        assert (await client.call('authorize_by_token', 'users', {'token': token}, once='key'))['token'] == token
    await client.fails('unauthorized', 'authorize_by_login', 'users', {**data, 'password': WRONG}, once='key')


@pytest.mark.parametrize('large', [False, True])
def test_the_search_finds(server, large):
    """The search itself: what is made known afterwards, in a frame, in the log, and in the store."""
    WATCH.finish()
    if large:
        WATCH.received('x' * LARGE, 'a frame')
        server.load('notes', [{'text': 'x' * 500000} for _ in range(LARGE // 400000)])
    WATCH.received('{"data":"a leaking password"}', 'a frame')
    WATCH.received('$argon2id$v=19$', 'the log')
    WATCH.received(b'the hash \n of a token', 'another frame')
    WATCH.add_secret(b'hash \n of', 'a hash')
    WATCH.password('a leaking password')
    server.load('notes', [{'_id': 'a', 'text': 'a leaking password'}])
    WATCH.search_store(f'{server.data}/data.mdb')
    problems = WATCH.finish()
    assert len(problems) == 4 and all(f' in {place}' in '\n'.join(problems) for place in
                                      ('a frame', 'the log', 'another frame', 'the store')), problems

