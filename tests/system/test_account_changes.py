"""A sync or resume whose connection comes to be somebody else's, or nobody's, on the way."""

import json
import os
import signal

import pytest

from client import Client
from configuration import configuration, password
from raw import TEXT, RawClient, frame
from test_names import connect_beside

# More than the buffers of the kernel hold for a client that does not read: none of these calls ends by itself.
DOCUMENTS, BYTES = 12000, 1000


@pytest.fixture(name='filled')
def fixture_filled(make_server):
    """A server with documents that few may see, and a position in front of them."""
    server = make_server()
    with RawClient(server).open('insider') as client:
        place = client.call('sync', 'secrets', {})['data']
    server.load('secrets', [{'_id': f'{i:05}', 'text': 'x' * BYTES} for i in range(DOCUMENTS)])
    return server, place


def send(client, tid, method, collection, data):
    client.send(frame(TEXT, json.dumps({'tid': tid, 'methodName': method, 'collectionName': collection,
                                        'data': data})))


def send_log_in(client, token):
    client.log_ins += 1
    send(client, 'log-in', 'authorize_by_token', 'users', {'token': token})


def begin(server, token, call):
    """A client that has begun to read what the call brings, and does not read on."""
    client = RawClient(server, receive_buffer=65536)
    client.open(None, f'Authorization: Bearer {token}')
    send(client, 'long', *call)
    while not client.message().get('sync'):
        pass
    return client


def begin_each(server, place, token):
    """Each call that goes on for long, on a connection of its own; all workers have some."""
    before = server.connections()
    clients = [begin(server, token, call) for call in (('sync', 'secrets', {}),
                                                       ('sync', 'dispatcher', {'manifests': {'secrets': {}}}),
                                                       ('resume', 'dispatcher', place))]
    assert all(now > then for now, then in zip(server.connections(), before))
    return clients


def read_rest(client, *tids):
    """Everything up to the last of the answers to these calls, and to one more that is made now."""
    send(client, 'last', 'authorize_by_token', 'users', {'token': 'none'})
    messages, waiting = [], {*tids, 'last'}
    while waiting:
        messages.append(client.message())
        if messages[-1]['operation'] == 'fulfill':
            waiting.remove(messages[-1]['data']['tid'])  # which is there: each is answered once
    return messages


def place_of(messages, operation, tid=None):
    found = [i for i, m in enumerate(messages) if m['operation'] == operation and
             (tid is None or m['data'].get('tid') == tid)]
    assert len(found) == 1, f'{len(found)} of {operation}'
    return found[0]


def expect_interrupted(messages, end):
    """The call ends with `unavailable`, and behind the message number @end nothing more comes of it."""
    answer = messages[place_of(messages, 'fulfill', 'long')]['data']
    assert (answer['success'], answer['data'].get('code')) == (False, 'unavailable'), answer['data']
    sent = [(i, len(m['data'])) for i, m in enumerate(messages) if m['collectionName'] == 'secrets']
    assert all(i < end for i, _ in sent) and sum(count for _, count in sent) < DOCUMENTS


@pytest.mark.parametrize('same_rights', [False, True])
async def test_somebody_else_logs_in(filled, same_rights):
    """What is the former one's ends in front of the answer to the log-in. That others might be sent the same does not
    matter: the changes in between are in nothing that was sent."""
    server, place = filled
    token = server.tokens['reader']
    if same_rights:
        server.ctl('user', 'add', 'twin', '--password-stdin', '--group', 'insiders', text=password('twin') + '\n')
        token = (await (await Client.connect(server)).log_in('twin'))['token']
    for client in begin_each(server, place, server.tokens['insider']):
        with client:
            send_log_in(client, token)
            messages = read_rest(client, 'long', 'log-in')
            expect_interrupted(messages, place_of(messages, 'fulfill', 'log-in'))
            assert client.call('sync', 'notes', {})['success']
            assert same_rights or client.call('sync', 'secrets', {})['data']['code'] == 'forbidden'


@pytest.mark.parametrize('how', ['here', 'elsewhere', 'force_reset', 'user'])
async def test_the_session_ends(filled, how):
    """By a log-out on the connection or another one with the token, by an administrator, with the user."""
    server, place = filled
    token = server.tokens['insider']
    admin, elsewhere = await Client.connect(server, 'admin'), await Client.connect(server, token=token)
    clients = begin_each(server, place, token)
    if how == 'here':
        for client in clients:
            send(client, 'out', 'logout', 'users', {})
    elif how == 'elsewhere':
        await elsewhere.call('logout', 'users')
    elif how == 'force_reset':
        await admin.call('set_force_reset', 'users', {'_id': 'insider', 'force_reset': True})
    else:
        await admin.call('remove_user', 'users', {'_id': 'insider'})
    for client in clients:
        with client:
            messages = read_rest(client, 'long', *(['out'] if how == 'here' else []))
            end = place_of(messages, 'deauthorize')
            # A log-out here waits until what came before it is read: the call may be done by then, in front of it.
            if how != 'here' or place_of(messages, 'fulfill', 'long') > end:
                expect_interrupted(messages, end)


@pytest.mark.parametrize('ended', [False, True])
async def test_the_same_user_logs_in_again(filled, ended):
    """Without a break the calls go on; when the session ended first, what changed in between is in nothing that was
    sent, and they end."""
    server, place = filled
    admin, client = await Client.connect(server, 'admin'), await Client.connect(server)
    first, second = [(await client.log_in('insider'))['token'] for _ in range(2)]
    await client.call('authorize_by_token', 'users', {'token': first})
    current = [s['id'] for s in await client.call('sessions', 'users') if s['current']]
    clients = begin_each(server, place, first)
    if ended:
        await admin.call('remove_session', 'users', {'id': current[0]})
    for client in clients:
        with client:
            send_log_in(client, second)
            messages = read_rest(client, 'long', 'log-in')
            assert messages[place_of(messages, 'fulfill', 'log-in')]['data']['success']
            if ended:
                expect_interrupted(messages, place_of(messages, 'deauthorize'))
            else:
                assert messages[place_of(messages, 'fulfill', 'long')]['data']['success']


@pytest.mark.parametrize('how', ['removed', 'reset'])
async def test_a_session_that_ended_gets_nothing_of_what_the_account_was_given_later(make_server, how):
    """A worker that is held up learns of both at once: of the rights when it looks at an earlier change of the account.
    They may be those of somebody else, who has the name by now."""
    server = make_server(config=configuration(user_settings={'note': {'type': 'string', 'default': ''}}))
    before = server.connections()
    former = await Client.connect(server, 'carl')
    worker = [b - a for a, b in zip(before, server.connections())].index(1)
    admin = await connect_beside(server, worker, 'admin')
    await admin.call('insert', 'samples', {'_id': 'hidden', 'name': 'secret of the admin'})
    pid = server.worker_pids()[worker]
    os.kill(pid, signal.SIGSTOP)
    try:
        await admin.call('set_group', 'users', {'user_id': 'carl', 'group_id': 'lab', 'member': True})
        for _ in range(3):  # more than it takes in at once
            await admin.call('insert', 'notes', [{'n': n} for n in range(8000)])
        if how == 'removed':
            await admin.call('remove_user', 'users', {'_id': 'carl'})
            await admin.call('add', 'users', {'_id': 'carl', 'password': 'of the later one', 'take_over': True})
        else:
            await admin.call('set_force_reset', 'users', {'_id': 'carl', 'force_reset': True})
        await admin.call('set_group', 'users', {'user_id': 'carl', 'group_id': 'administrator', 'member': True})
    finally:
        os.kill(pid, signal.SIGCONT)
    await former.until(lambda: former.of('deauthorize', 'users'))
    assert former.copy('samples') == {}
    assert all('administrator' not in m['data']['groups'] for m in former.of('amend', 'users'))
