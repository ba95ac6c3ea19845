"""Names of users and groups that were removed: documents go on naming them, so nobody has them again unawares."""

import itertools
import json
import os
import signal

from client import Client
from configuration import configuration
from http_client import HttpClient
from server import wait_until
from test_rights_at_commit import Held, outcome, submit

NEW = 'a password of the later one'
REMOVED = '{} was removed, and documents may still name it; an administrator can reuse the name with ' \
          'take_over'


async def message(client, code, *arguments):
    return (await client.fails(code, *arguments))['message']


async def test_a_removed_user(make_server):
    server = make_server(config=configuration(change_log_entries=1000, user_settings={
        'theme': {'type': 'string', 'default': 'light'}}))
    admin, carl = await Client.connect(server, 'admin'), await Client.connect(server, 'carl')
    manager = await Client.connect(server, 'editor')
    await admin.call('update_permissions', 'groups', {'_id': 'editors', 'permissions': {'modify_options': True}})
    await carl.call('insert', 'samples', {'_id': 'his', 'secret': 1}, once='key')
    await carl.call('change_user_setting', 'users', {'key': 'theme', 'value': 'dark'})
    await admin.call('remove_user', 'users', {'_id': 'carl'})

    async def refused():
        for client in (admin, manager, await Client.control(server)):
            for more in ({}, {'take_over': False}):
                assert await message(client, 'exists', 'add', 'users', {'_id': 'carl', 'password': NEW, **more}) == \
                    REMOVED.format('User')

    await refused()
    imported = server.ctl('import', 'users', '-', text=json.dumps({'_id': 'carl', 'groups': ['lab']}) + '\n', check=False)
    assert imported.returncode == 1 and 'was used before' in imported.stderr
    assert await message(manager, 'forbidden', 'add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': True}) == \
        'Only administrators may allow a name to be taken over'
    await admin.fails('invalid', 'add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': 1})
    # Neither the change log nor a restart has to do with it.
    for batch in range(3):
        await admin.call('insert', 'notes', [{} for _ in range(500)])
    for client in (admin, manager):
        await client.close()
    server.restart()
    admin, manager = await Client.connect(server, 'admin'), await Client.connect(server, 'editor')
    await refused()

    assert await admin.call('add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': True}) == \
        {'_id': 'carl', 'took_over': True}
    line = 'user carl: takes over the name and the documents of a removed one, as admin said'
    wait_until(lambda: line in server.log(), what='the line in the log')
    later = await Client.connect(server)
    document = await later.log_in('carl', NEW)
    assert document['settings'] == {'theme': 'light'} and document['groups'] == []
    assert await later.call('count', 'samples') == 1
    assert len(await admin.call('sessions', 'users', {'user_id': 'carl'})) == 1
    await (await Client.connect(server)).fails('unauthorized', 'authorize_by_token', 'users',
                                               {'token': server.tokens['carl']})
    # The former one's key is nobody's: the call runs.
    assert (await later.call('insert', 'samples', {'_id': 'mine'}, once='key'))['_id'] == 'mine'
    assert (await later.call('insert', 'samples', {'_id': 'x'}, once='key'))['_id'] == 'mine'
    # For a name that nobody had it says nothing.
    assert await admin.call('add', 'users', {'_id': 'new', 'password': NEW, 'take_over': True}) is None
    assert 'user new: ' not in server.log()


async def connect_beside(server, worker, user=None):
    """A client on another of two workers than this one."""
    for _ in range(4):
        before = server.connections()
        client = await Client.connect(server, user)
        if server.connections()[worker] == before[worker]:
            return client
    raise AssertionError('all connections went to the same worker')


async def test_the_answer_of_a_former_user_shows_nothing_of_the_later_one(make_server):
    """A worker that is held up answers when somebody else has the name: not with what that one has set."""
    server = make_server(config=configuration(user_settings={'note': {'type': 'string', 'default': ''}}))
    before = server.connections()
    former = await Client.connect(server, 'carl')
    worker = [b - a for a, b in zip(before, server.connections())].index(1)
    admin, later = await connect_beside(server, worker, 'admin'), await connect_beside(server, worker)
    with Held(server):
        answer = await submit(former, 'change_user_setting', 'users', {'key': 'note', 'value': 'mine'})
        pid = server.worker_pids()[worker]
        os.kill(pid, signal.SIGSTOP)
    try:
        await admin.call('remove_user', 'users', {'_id': 'carl'})
        await admin.call('add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': True})
        await later.log_in('carl', NEW)
        assert await later.call('change_user_setting', 'users', {'key': 'note', 'value': 'of the later'}) == {'note': 'of the later'}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await outcome(answer) == 'not_found'
    assert 'of the later' not in json.dumps(former.messages)


async def test_keys_over_http(server):
    admin = await Client.connect(server, 'admin')
    key = 'Idempotency-Key: "k"'
    with HttpClient(server, 'carl') as http:
        assert http.call('insert', 'samples', {'_id': 'first'}, key)['_id'] == 'first'
    await admin.call('remove_user', 'users', {'_id': 'carl'})
    await admin.call('add', 'users', {'_id': 'carl', 'password': NEW, 'take_over': True})
    later = await Client.connect(server)
    token = (await later.log_in('carl', NEW))['token']
    with HttpClient(server, token=token) as http:
        for name in ('second', 'third'):
            assert http.call('insert', 'samples', {'_id': name}, key)['_id'] == 'second'


async def test_a_removed_group(server):
    admin, ann, carl = [await Client.connect(server, name) for name in ('admin', 'ann', 'carl')]
    control = await Client.control(server)
    await ann.call('insert', 'samples', {'_id': 'd', 'group': 'lab', 'group_read': True})
    await admin.call('update_permissions', 'groups', {'_id': 'lab', 'permissions': {'see_secrets': True}})
    await admin.call('remove_group', 'groups', {'_id': 'lab'})
    for client, more in itertools.product((admin, control), ({}, {'take_over': False})):
        assert await message(client, 'exists', 'add', 'groups', {'_id': 'lab', **more}) == REMOVED.format('Group')
    await admin.fails('invalid', 'add', 'groups', {'_id': 'lab', 'take_over': 'yes'})
    assert await admin.call('add', 'groups', {'_id': 'lab', 'take_over': True}) == {'_id': 'lab', 'took_over': True}
    assert (await admin.call('detail', 'groups', {'_id': 'lab'}))['permissions'] == {}
    assert await carl.call('count', 'samples') == 0
    await admin.call('set_group', 'users', {'user_id': 'carl', 'group_id': 'lab'})
    assert await carl.call('count', 'samples') == 1
    assert (await admin.call('detail', 'users', {'_id': 'ann'}))['groups'] == []
    assert await control.call('add', 'groups', {'_id': 'crew', 'take_over': True}) == 'crew'
    line = 'group lab: takes over the name and the documents of a removed one, as admin said'
    wait_until(lambda: line in server.log(), what='the line in the log')
    assert 'group crew: ' not in server.log()


async def test_dispatchctl(server):
    for kind, more in ('user', ['--password-stdin']), ('group', []):
        server.ctl(kind, 'add', 'zoe', *more, text=NEW)
        server.ctl(kind, 'remove', 'zoe')
        refused = server.ctl(kind, 'add', 'zoe', *more, text=NEW, check=False)
        assert (refused.returncode, refused.stdout) == (1, '') and 'take_over' in refused.stderr
        assert server.ctl(kind, 'add', 'zoe', *more, '--take-over', text=NEW).stdout == \
            "zoe: the name was used before; documents that name it now belong to this one\n"
        line = f'{kind} zoe: takes over the name and the documents of a removed one'
        wait_until(lambda: line in server.log(), what='the line in the log')
