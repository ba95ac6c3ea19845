"""Settings: what all share, and what each user chooses; both declared in the configuration."""

import asyncio
import json
import os
import signal

import pytest

from client import Client, connect_to_workers
from configuration import configuration
from server import scaled, wait_until

SETTINGS = {
    'job_limit': {'type': 'integer', 'default': 4, 'min': 1, 'max': 64},
    'threshold': {'type': 'number', 'default': 0.5, 'min': 0, 'max': 1},
    'title': {'type': 'string', 'default': 'Laboratory', 'max_length': 20},
    'channel': {'type': 'string', 'default': 'stable', 'values': ['stable', 'beta']},
    'closed': {'type': 'boolean', 'default': False},
}
DEFAULTS = {name: setting['default'] for name, setting in SETTINGS.items()}

USER_SETTINGS = {
    'theme': {'type': 'string', 'default': 'light', 'values': ['light', 'dark']},
    'rows': {'type': 'integer', 'default': 50, 'min': 10, 'max': 1000},
    'skip_dialog': {'type': 'boolean', 'default': False},
}
USER_DEFAULTS = {name: setting['default'] for name, setting in USER_SETTINGS.items()}


def settings_configuration(**changes):
    return configuration(**{'settings': SETTINGS, 'user_settings': USER_SETTINGS, **changes})


@pytest.fixture
def server(make_server):
    return make_server(config=settings_configuration())


def sets(client):
    return [message['data'] for message in client.of('set', 'settings')]


def amends(client):
    return [message['data'] for message in client.of('amend', 'users')]


# ---- the settings of all ----

async def test_defaults_are_downloaded(server):
    for user in ('reader', 'admin'):
        client = await Client.connect(server, user)
        assert await client.call('download', 'settings') == DEFAULTS
        assert await client.call('download', 'settings', {}) == DEFAULTS
        await client.fails('invalid', 'download', 'settings', {'job_limit': 1})
    nobody = await Client.connect(server)
    await nobody.fails('unauthorized', 'download', 'settings')


async def test_only_modify_options_sets(server):
    client = await Client.connect(server, 'editor')
    failure = await client.fails('forbidden', 'set', 'settings', {'job_limit': 5})
    assert 'modify_options' in failure['message']
    nobody = await Client.connect(server)
    await nobody.fails('unauthorized', 'set', 'settings', {'job_limit': 5})
    assert await client.call('download', 'settings') == DEFAULTS
    control = await Client.control(server)
    assert await control.call('set', 'settings', {'job_limit': 5}) == {**DEFAULTS, 'job_limit': 5}


async def test_every_connection_is_told(server):
    """On every worker, in its place among the changes, before the answer; and nobody who has not logged in."""
    clients = await connect_to_workers(server, 'reader', 2)
    admin = await Client.connect(server, 'admin')
    nobody = await Client.connect(server)
    narrowed = await Client.connect(server, 'editor')
    await narrowed.call('subscribe', data={'collections': []})
    await admin.call('insert', 'notes', {'_id': 'before'})
    answer = await admin.call('set', 'settings', {'job_limit': 9, 'title': 'Glass house'})
    expected = {**DEFAULTS, 'job_limit': 9, 'title': 'Glass house'}
    assert answer == expected
    assert sets(admin) == [expected], 'before the answer'
    await admin.call('insert', 'notes', {'_id': 'after'})
    for client in clients:
        await client.until(lambda c=client: 'after' in c.copy('notes'))
        kinds = [m['operation'] if m['operation'] == 'set' else m['data'][0]['_id'] for m in client.messages
                 if m['operation'] in ('set', 'update') and m['collectionName'] != 'transaction']
        assert kinds == ['before', 'set', 'after']
        message = client.of('set', 'settings')[0]
        assert message == {'operation': 'set', 'collectionName': 'settings', 'data': expected}
        assert await client.call('download', 'settings') == expected
    await narrowed.until(lambda: sets(narrowed) == [expected])
    # Whoever logs in hears of the next one.
    await nobody.log_in('ann')
    assert not sets(nobody)
    await admin.call('set', 'settings', {'closed': True})
    await nobody.until(lambda: sets(nobody))
    assert sets(nobody) == [{**expected, 'closed': True}]
    await nobody.call('logout', 'users')
    await admin.call('set', 'settings', {'closed': False})
    await narrowed.until(lambda: len(sets(narrowed)) == 3)
    await nobody.fails('unauthorized', 'download', 'settings')
    assert len(sets(nobody)) == 1


async def test_the_order_is_that_of_the_commits(server):
    """Many changes of settings and documents from two workers: all clients see the same, in the same order."""
    watchers = await connect_to_workers(server, 'reader', 2)
    admins = await connect_to_workers(server, 'admin', 2)
    count = scaled(100, 20)
    futures = []
    for number in range(count):
        for which, admin in enumerate(admins):
            futures.append(await admin.start('set', 'settings', {'title': f'{which} {number}'}))
            futures.append(await admin.start('insert', 'notes', {'_id': f'{which}-{number}'}))
    for future in futures:
        assert (await future)['success']
    for watcher in watchers:
        await watcher.until(lambda w=watcher: len(w.copy('notes')) == 2 * count and len(sets(w)) == 2 * count)
    orders = [[m['data']['title'] if m['operation'] == 'set' else m['data'][0]['_id'] for m in w.messages
               if m['operation'] in ('set', 'update') and m['collectionName'] != 'transaction']
              for w in watchers + admins]
    assert all(order == orders[0] for order in orders[1:])
    for which in range(2):
        # Each caller's own calls were made one after the other.
        mine = [item for item in orders[0] if item.startswith(f'{which}')]
        assert mine == [text for n in range(count) for text in (f'{which} {n}', f'{which}-{n}')]
    assert (await watchers[0].call('download', 'settings'))['title'] == sets(watchers[0])[-1]['title']


WRONG = [
    ({'job_limit': 0}, 'job_limit: expected an integer from 1 to 64, found 0'),
    ({'job_limit': 65}, 'job_limit: expected an integer from 1 to 64, found 65'),
    ({'job_limit': 1.5}, 'job_limit: expected an integer from 1 to 64, found 1.5'),
    ({'job_limit': '5'}, 'job_limit: expected an integer from 1 to 64, found a string'),
    ({'job_limit': True}, 'job_limit: expected an integer from 1 to 64, found a boolean'),
    ({'job_limit': [5]}, 'job_limit: expected an integer from 1 to 64, found an array'),
    ({'job_limit': 10 ** 30}, 'job_limit: expected an integer from 1 to 64, found 1' + '0' * 30),
    ({'threshold': 1.01}, 'threshold: expected a number from 0 to 1, found 1.01'),
    ({'threshold': {}}, 'threshold: expected a number from 0 to 1, found an object'),
    ({'title': 'x' * 21}, 'title: expected a string of at most 20 bytes, found another value'),
    ({'title': 'é' * 11}, 'title: expected a string of at most 20 bytes, found another value'),
    ({'title': 5}, 'title: expected a string of at most 20 bytes, found 5'),
    ({'channel': 'nightly'}, 'channel: expected one of "stable", "beta", found another value'),
    ({'closed': 0}, 'closed: expected true or false, found 0'),
    ({'closed': 'yes'}, 'closed: expected true or false, found a string'),
    ({'job_limits': 5}, 'job_limits: unknown setting, perhaps job_limit'),
    ({'elephant': 5}, 'elephant: unknown setting'),
    ({'_id': 'x'}, '_id: unknown setting'),
    ({'': 5}, ': unknown setting'),
    ({'x' * 1000: 5}, 'x' * 64 + ': unknown setting'),
    (None, 'data: expected {setting: value, ...}, found null'),
    ([], 'data: expected {setting: value, ...}, found an array'),
]


async def test_wrong_settings_are_refused(server):
    admin = await Client.connect(server, 'admin')
    for data, message in WRONG:
        failure = await admin.fails('invalid', 'set', 'settings', data)
        assert failure['message'] == message
    # All or nothing.
    await admin.fails('invalid', 'set', 'settings', {'title': 'New', 'job_limit': 0})
    assert await admin.call('download', 'settings') == DEFAULTS
    assert not sets(admin)


async def test_what_is_so_already_is_not_sent(server):
    admin = await Client.connect(server, 'admin')
    for data in ({}, {'job_limit': 4}, {'job_limit': 4.0}, {'job_limit': None}, {'title': 'Laboratory', 'closed': False}):
        assert await admin.call('set', 'settings', data) == DEFAULTS
    assert not sets(admin)
    for _ in range(2):
        await admin.call('set', 'settings', {'job_limit': 7, 'threshold': 0.25})
    assert sets(admin) == [{**DEFAULTS, 'job_limit': 7, 'threshold': 0.25}]
    # Null is the default again.
    assert await admin.call('set', 'settings', {'job_limit': None}) == {**DEFAULTS, 'threshold': 0.25}
    assert len(sets(admin)) == 2 and sets(admin)[1]['job_limit'] == 4


async def test_integers_stay_integers(server):
    admin = await Client.connect(server, 'admin')
    answer = await admin.call('set', 'settings', {'job_limit': 12.0})
    for value in (answer['job_limit'], sets(admin)[0]['job_limit']):
        assert isinstance(value, int) and value == 12


async def test_set_once(server):
    admin, other = await connect_to_workers(server, 'admin', 2)
    first = await admin.call('set', 'settings', {'job_limit': 7}, once='k')
    await other.call('set', 'settings', {'job_limit': 8})
    # Not done again; the answer is what the settings are.
    again = await other.call('set', 'settings', {'job_limit': 7}, once='k')
    assert first['job_limit'] == 7 and again['job_limit'] == 8
    assert (await admin.call('download', 'settings'))['job_limit'] == 8
    await admin.until(lambda: len(sets(admin)) == 2)


async def test_the_collection_is_not_readable(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('set', 'settings', {'job_limit': 7})
    for client in (admin, await Client.control(server)):
        for method in ('detail', 'find', 'count', 'sync', 'insert', 'update', 'patch', 'remove', 'import', 'export'):
            await client.fails('unknown_method', method, 'settings', {'_id': 'settings'})
        for collection in ('credentials', 'sessions'):
            for method in ('download', 'set', 'find'):
                await client.fails('unknown_collection', method, collection, {})
        await client.fails('invalid', 'subscribe', data={'collections': ['settings']})
        described = (await client.call('describe'))['collections']
        assert described['settings'] == {'methods': ['download', 'set']}
        assert not client.of('update', 'settings')
    with pytest.raises(Exception):
        await admin.call('sync', data={'manifests': {'settings': {}}})
    reader = await Client.connect(server, 'reader')
    assert (await reader.call('describe'))['collections']['settings'] == {'methods': ['download']}


async def test_settings_are_kept(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('set', 'settings', {'job_limit': 7, 'channel': 'beta'})
    expected = {**DEFAULTS, 'job_limit': 7, 'channel': 'beta'}
    server.restart()
    admin = await Client.connect(server, 'admin')
    assert await admin.call('download', 'settings') == expected
    # The committer knows what they were: nothing is sent for what is so already.
    await admin.call('set', 'settings', {'job_limit': 7, 'closed': False})
    assert not sets(admin)
    await asyncio.to_thread(server.kill, server.committer_pid())
    await admin.call('set', 'settings', {'closed': None})
    assert not sets(admin)
    await admin.call('set', 'settings', {'closed': True})
    assert sets(admin) == [{**expected, 'closed': True}]


async def test_a_changed_declaration_falls_back_to_the_default(server):
    admin = await Client.connect(server, 'admin')
    await admin.call('set', 'settings', {'job_limit': 60, 'title': 'Long enough', 'closed': True, 'channel': 'beta'})
    changed = {
        'job_limit': {'type': 'integer', 'default': 2, 'max': 10},
        'title': {'type': 'string', 'default': 'Lab', 'max_length': 5},
        'channel': {'type': 'string', 'default': 'nightly'},
        'added': {'type': 'boolean', 'default': True},
    }
    server.configure(settings_configuration(settings=changed))
    server.restart()
    admin = await Client.connect(server, 'admin')
    expected = {'job_limit': 2, 'title': 'Lab', 'channel': 'beta', 'added': True}
    assert await admin.call('download', 'settings') == expected
    await admin.fails('invalid', 'set', 'settings', {'closed': True})
    assert await admin.call('set', 'settings', {'job_limit': 3}) == {**expected, 'job_limit': 3}
    # What was set under the first declaration, and not since, is still there when it comes back.
    server.configure(settings_configuration())
    server.restart()
    admin = await Client.connect(server, 'admin')
    assert await admin.call('download', 'settings') == {
        **DEFAULTS, 'job_limit': 3, 'title': 'Long enough', 'closed': True, 'channel': 'beta'}


async def test_no_settings_declared(make_server):
    server = make_server(config=configuration())
    admin = await Client.connect(server, 'admin')
    assert await admin.call('download', 'settings') == {}
    assert await admin.call('set', 'settings', {}) == {}
    await admin.fails('invalid', 'set', 'settings', {'x': 1})
    failure = await admin.fails('invalid', 'change_user_setting', 'users', {'key': 'theme', 'value': 'dark'})
    assert failure['message'] == 'Unknown user setting theme'


async def test_resume_tells_of_settings(server):
    admin = await Client.connect(server, 'admin')
    client = await Client.connect(server, 'reader')
    position = await client.synchronize('notes')
    await client.close()
    await admin.call('insert', 'notes', {'_id': 'a'})
    await admin.call('set', 'settings', {'job_limit': 5})
    await admin.call('set', 'settings', {'job_limit': 6})
    await admin.call('insert', 'notes', {'_id': 'b'})
    back = await Client.connect(server, 'reader')
    answer = await back.call('resume', data=position)
    assert set(back.copy('notes')) == {'a', 'b'}
    assert sets(back) == [{**DEFAULTS, 'job_limit': 6}]
    assert not back.of('update', 'settings')
    assert await back.call('resume', data=answer)
    assert len(sets(back)) == 1


async def test_a_slow_client_is_told(make_server):
    """Past the worker's backlog the settings come from the change log, in their last state and their place."""
    server = make_server(config=settings_configuration(), workers=1, options=[
        '--backlog-bytes', '64K', '--ring-bytes', '128K',
        '--limits', 'message_bytes=16K', '--limits', 'document_bytes=16K'])
    admin = await Client.connect(server, 'admin')
    slow = await Client.connect(server, 'reader')
    slow.paused.clear()
    slow.socket.transport.pause_reading()
    text = 'x' * 8000
    for number in range(2000):
        await admin.call('insert', 'notes', {'_id': f'{number:05}', 'text': text})
        if number % 100 == 50:
            await admin.call('set', 'settings', {'title': f'{number}'})
        if server.status()['workers'][0]['catching_up'] and number % 100 == 60:
            break
    else:
        raise AssertionError('the client did not fall behind')
    await admin.call('insert', 'notes', {'_id': 'last'})
    final = await admin.call('download', 'settings')
    slow.socket.transport.resume_reading()
    slow.paused.set()
    await slow.until(lambda: 'last' in slow.copy('notes') and sets(slow) and sets(slow)[-1] == final)
    titles = [int(data['title']) for data in sets(slow)]
    assert titles == sorted(titles)
    # Each is where it belongs: behind what was inserted before it, in front of what came after it.
    seen = -1
    for message in slow.messages:
        if message['operation'] == 'update' and message['collectionName'] == 'notes':
            name = message['data'][0]['_id']
            seen = int(name) if name != 'last' else seen
        elif message['operation'] == 'set':
            assert int(message['data']['title']) == seen
    assert not slow.of('update', 'settings') and not slow.of('resync', None)


async def test_a_stopped_worker_is_lapped_and_tells(make_server):
    """A worker that the ring has overrun reads the change log: its clients hear of the settings all the same."""
    server = make_server(config=settings_configuration(), options=[
        '--ring-bytes', '128K', '--backlog-bytes', '64K',
        '--limits', 'message_bytes=16K', '--limits', 'document_bytes=16K'])
    clients = await connect_to_workers(server, 'reader', 2)
    admins = await connect_to_workers(server, 'admin', 2)
    stopped = server.worker_pids()[1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        # The admins were given to the workers in turn: one of them is answered.
        working = None
        while working is None:
            futures = [await a.start('count', 'notes') for a in admins]
            done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            working = admins[futures.index(done.pop())]
        await working.call('set', 'settings', {'job_limit': 11})
        for number in range(60):
            await working.call('insert', 'notes', {'_id': f'{number}', 'text': 'x' * 8000})
        final = await working.call('set', 'settings', {'closed': True})
    finally:
        os.kill(stopped, signal.SIGCONT)
    for client in clients:
        await client.until(lambda c=client: sets(c) and sets(c)[-1] == final)
        assert not client.of('update', 'settings')
    wait_until(lambda: server.status()['workers'][1]['overruns'] > 0, what='an overrun')


# ---- a user's own ----

async def test_user_settings(server):
    first, second = await connect_to_workers(server, 'ann', 2)
    other = await Client.connect(server, 'ben')
    answer = await first.call('change_user_setting', 'users', {'key': 'theme', 'value': 'dark'})
    assert answer == {**USER_DEFAULTS, 'theme': 'dark'}
    for client in (first, second):
        await client.until(lambda c=client: amends(c)[-1]['settings'] == answer)
    assert amends(second)[-1]['_id'] == 'ann'
    # Again: nothing changes, nobody is told.
    told = len(amends(first))
    assert await first.call('change_user_setting', 'users', {'key': 'theme', 'value': 'dark'}) == answer
    assert len(amends(first)) == told
    # Only one's own; and null is the default again.
    assert all(a['settings'] == USER_DEFAULTS for a in amends(other))
    assert await other.call('change_user_setting', 'users', {'key': 'rows', 'value': 10}) == {
        **USER_DEFAULTS, 'rows': 10}
    assert await second.call('change_user_setting', 'users', {'key': 'theme', 'value': None}) == USER_DEFAULTS
    await first.until(lambda: amends(first)[-1]['settings'] == USER_DEFAULTS)


async def test_wrong_user_settings(server):
    client = await Client.connect(server, 'ann')
    for data, message in (
            ({'key': 'colour', 'value': 1}, 'Unknown user setting colour'),
            ({'key': 'job_limit', 'value': 1}, 'Unknown user setting job_limit'),
            ({'key': '', 'value': 1}, 'Unknown user setting '),
            ({'key': 'theme', 'value': 'blue'}, 'theme: expected one of "light", "dark", found another value'),
            ({'key': 'theme', 'value': 1}, 'theme: expected one of "light", "dark", found 1'),
            ({'key': 'theme'}, 'theme: expected one of "light", "dark", found nothing'),
            ({'key': 'rows', 'value': 9}, 'rows: expected an integer from 10 to 1000, found 9'),
            ({'key': 'skip_dialog', 'value': 'x'}, 'skip_dialog: expected true or false, found a string'),
            ({'key': 5, 'value': 1}, 'key: expected a string of 0 to 256 bytes, found a number'),
            ({'value': 1}, 'key: expected a string of 0 to 256 bytes, found nothing'),
            ({'key': 'theme', 'value': 'dark', 'user': 'ben'}, 'data: unknown key "user"'),
            (None, 'data: expected an object, found null')):
        failure = await client.fails('invalid', 'change_user_setting', 'users', data)
        assert failure['message'] == message
    assert all(a['settings'] == USER_DEFAULTS for a in amends(client))
    nobody = await Client.connect(server)
    await nobody.fails('unauthorized', 'change_user_setting', 'users', {'key': 'theme', 'value': 'dark'})
    control = await Client.control(server)
    await control.fails('invalid', 'change_user_setting', 'users', {'key': 'theme', 'value': 'dark'})


async def test_user_settings_once_and_kept(server):
    client = await Client.connect(server, 'ann')
    await client.call('change_user_setting', 'users', {'key': 'rows', 'value': 20}, once='k')
    await client.call('change_user_setting', 'users', {'key': 'rows', 'value': 30})
    again = await client.call('change_user_setting', 'users', {'key': 'rows', 'value': 20}, once='k')
    assert again['rows'] == 30
    changed = {**USER_SETTINGS, 'rows': {'type': 'integer', 'default': 5, 'max': 9},
               'added': {'type': 'string', 'default': 'x'}}
    server.configure(settings_configuration(user_settings=changed))
    server.restart()
    client = await Client.connect(server)
    user = await client.log_in('ann')
    assert user['settings'] == {**USER_DEFAULTS, 'rows': 5, 'added': 'x'}
    admin = await Client.connect(server, 'admin')
    stored = await admin.call('detail', 'users', {'_id': 'ann'})
    assert stored['settings'] == {'rows': 30}, 'only what was set is stored'


# ---- the user document ----

def permissions_of(*held):
    return {name: name in held
            for name in ('modify_options', 'modify_virus', 'remove_virus', 'see_secrets', 'modify_sample')}


async def test_the_user_document(server):
    """Complete settings and permissions in every form it is told in."""
    editors = permissions_of('modify_virus', 'remove_virus', 'modify_sample')
    client = await Client.connect(server)
    by_login = await client.log_in('editor')
    by_token = await client.call('authorize_by_token', 'users', {'token': by_login['token']})
    shaken = await Client.connect(server, 'editor')
    for user in (by_login, by_token, amends(shaken)[0]):
        assert user['_id'] == 'editor' and user['groups'] == ['editors']
        assert user['settings'] == USER_DEFAULTS
        assert user['permissions'] == editors
    assert 'token' not in amends(shaken)[0]
    # Another user on the same connection.
    assert (await client.log_in('reader'))['permissions'] == permissions_of()
    admin = await client.log_in('admin')
    assert admin['permissions'] == permissions_of(*editors, 'modify_options', 'see_secrets')


async def test_amend_says_which_permissions_changed(server):
    clients = await connect_to_workers(server, 'insider', 2)
    other = await Client.connect(server, 'editor')
    told = len(amends(other))
    control = await Client.control(server)
    await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {'modify_virus': True}})
    expected = permissions_of('see_secrets', 'modify_virus')
    for client in clients:
        await client.until(lambda c=client: amends(c)[-1]['permissions'] == expected)
    await control.call('update_permissions', 'groups', {'_id': 'insiders', 'permissions': {
        'modify_virus': False, 'see_secrets': False}})
    for client in clients:
        await client.until(lambda c=client: amends(c)[-1]['permissions'] == permissions_of())
        assert amends(client)[-1]['settings'] == USER_DEFAULTS
    assert len(amends(other)) == told


# ---- dispatchctl ----

def test_dispatchctl_settings(server):
    lines = server.ctl('settings').stdout.splitlines()
    assert lines == [f'{name} {json.dumps(value)}' for name, value in DEFAULTS.items()]
    for key, word, value in (('job_limit', '12', 12), ('threshold', '0.75', 0.75), ('title', 'House', 'House'),
                             ('title', '"12"', '12'), ('title', '-x', '-x'), ('title', 'two words', 'two words'),
                             ('closed', 'true', True), ('channel', 'beta', 'beta'), ('job_limit', 'null', 4)):
        result = server.ctl('settings', 'set', key, word)
        assert not result.stdout
        assert f'{key} {json.dumps(value)}' in server.ctl('settings').stdout.splitlines()
    for arguments, message in ((('set', 'job_limit', '0'), 'job_limit: expected an integer from 1 to 64, found 0'),
                               (('set', 'title', '12'), 'title: expected a string of at most 20 bytes, found 12'),
                               (('set', 'tittle', 'x'), 'tittle: unknown setting, perhaps title'),
                               (('set', 'title'), 'usage:'), (('set',), 'usage:'), (('get',), 'usage:'),
                               (('set', 'title', 'a', 'b'), 'usage:'), (('--bogus',), 'usage:')):
        result = server.ctl('settings', *arguments, check=False)
        assert result.returncode == 1 and message in result.stderr
