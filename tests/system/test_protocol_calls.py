"""Calls: transactions, error codes, bad messages, `once`."""

import asyncio
import json

import pytest

from client import Client, connect_to_workers
from configuration import configuration
from raw import TEXT, RawClient, frame
from server import PATIENCE


@pytest.mark.parametrize('tid', [0, 1, -7, 2**53, 9223372036854775807, '', 'a', 'x' * 128, 'ü"\\\n'])
async def test_tid_comes_back_as_it_was(server, tid):
    client = await Client.connect(server, 'reader')
    assert await client.call('count', 'notes', {}, tid=tid) == 0
    await client.fails('unknown_method', 'nonsense', 'notes', tid=tid)


BAD_MESSAGES = ['', 'x', '1', 'null', '[]', '"text"', '{}', '{"tid":null}', '{"tid":1.5}', '{"tid":true}',
                '{"tid":{}}', '{"tid":[1]}', json.dumps({'tid': 'x' * 129, 'methodName': 'describe'}),
                '{"methodName":"describe"}', '{"tid":1', '{"tid":"a', '{"data":tru,"tid":1}', '{"data":"","tid":1,"tid":2}',
                '{"tid":1,"t\\u0069d":1,"data":"\\ud83d"}', '{"tid":"\\ud83d","methodName":"describe"}',
                '{"data":{"tid":1,"x":"\\ud83d"}}', '["tid",1,"\\ud83d"]',
                "{'tid':1}", '{"tid":01}', '\ufeff{}']


@pytest.mark.parametrize('text', BAD_MESSAGES)
async def test_bad_message(server, text):
    client = await Client.connect(server, 'reader')
    await client.send(text)
    answers = await client.until(lambda: [m['data'] for m in client.of('fulfill', 'transaction')
                                          if m['data']['tid'] is None])
    data = answers[0]
    assert data['tid'] is None and data['success'] is False
    assert data['data']['warning'] is True and data['data']['code'] == 'bad_message'
    assert await client.call('count', 'notes') == 0


DEEP = '[' * 70 + ']' * 70
LARGE = json.dumps(['x' * 100, {'y': [0] * 10}] * 1000)  # is parsed in steps
FAULTS = {
    'half an emoji': ('"\\ud83d"', 'lone surrogate'), 'its other half': ('"\\ude00"', 'lone surrogate'),
    'half an emoji in a key': ('{"\\ud83dx":[]}', 'lone surrogate'), 'NUL': ('"\\u0000"', 'NUL'),
    'a raw NUL': ('"\0"', 'NUL'), 'a line feed': ('"\n"', 'control character'), 'an escape': ('"\\x"', 'unknown escape'),
    'a duplicate key': ('{"a":1,"b":[],"a":2}', 'duplicate key'), 'levels': (DEEP, 'nested too deeply'),
    'levels of objects': ('{"a":' * 70 + '1' + '}' * 70, 'nested too deeply'),
}


async def test_a_bad_message_is_answered_to_its_tid(server):
    """Wherever it stands; with any other fault where it stands in front of it. None of these closes the connection."""
    client = await Client.connect(server, 'reader')

    async def refused(text, tid, why):
        future = asyncio.get_running_loop().create_future()
        client.open_calls[tid] = future
        await client.send(text)
        data = await asyncio.wait_for(future, PATIENCE)
        assert data['success'] is False and data['data']['code'] == 'bad_message'
        assert why in data['data']['message'], data

    for number, (fault, why) in enumerate(FAULTS.values()):
        for more in ('', LARGE + ',' if number % 3 == 0 else ''):
            await refused('{"tid":"a\\u0022]}","data":[' + more + fault + ',"}"],"methodName":"count"}', 'a"]}', why)
            await refused('{"data":[' + more + fault + ',{"tid":7}],"methodName":"count" , "t\\u0069d" : -3 }', -3, why)
    await refused('{"tid":5,"data":1,"data":2}', 5, 'duplicate key')
    await refused('{"data":1,"data":' + LARGE + ',"tid":5}', 5, 'duplicate key')
    for rest in ('', ',', '"methodName":"count"', '"data":NaN}', '"data":"x', '"data":[1}}', '"methodName":"count"} x'):
        await refused('{"tid":6,' + rest, 6, '')
    assert not [m for m in client.of('fulfill', 'transaction') if m['data']['tid'] is None]
    assert await client.call('count', 'notes') == 0


async def test_a_bad_message_does_not_answer_an_open_call(server):
    client = await Client.connect(server)
    _, future, _ = client.begin('authorize_by_login', tid=5)
    await client.send(json.dumps({'tid': 5, 'methodName': 'authorize_by_login', 'collectionName': 'users',
                                  'data': {'username': 'reader', 'password': 'wrong'}}))
    await client.send('{"tid":5,"data":"\\ud83d"}')
    assert (await asyncio.wait_for(future, PATIENCE))['data']['message'] == 'Incorrect username or password'
    await client.until(lambda: any('surrogate' in m['data']['data']['message'] for m in
                                   client.of('fulfill', 'transaction') if m['data']['tid'] is None))


@pytest.mark.parametrize('keys', [
    {'methodName': 5}, {'methodName': None}, {}, {'methodName': 'describe', 'collectionName': 5},
    {'methodName': 'describe', 'once': 5}, {'methodName': 'describe', 'once': 'x' * 129}])
async def test_wrong_type_beside_a_usable_tid(server, keys):
    client = await Client.connect(server, 'reader')
    await client.send(json.dumps({'tid': 'mine', **keys}))
    client.open_calls['mine'] = asyncio.get_running_loop().create_future()
    data = await asyncio.wait_for(client.open_calls['mine'], 10)
    assert data['success'] is False and data['data']['code'] in ('bad_message', 'unknown_method')


async def test_ten_bad_messages_close_the_connection(server):
    client = await Client.connect(server, 'reader')
    for count in range(1, 10):
        await client.send('{}')
        await client.until(lambda c=count: len([m for m in client.of('fulfill', 'transaction')
                                                if m['data']['tid'] is None]) == c)
    assert await client.call('count', 'notes') == 0
    await client.send('{}')
    assert await client.until_closed() == 1008


def test_ten_bad_messages_at_once_are_each_answered(server):
    with RawClient(server) as client:
        client.open('reader')
        client.send(frame(TEXT, '{}') * 10)
        for _ in range(10):
            data = client.message()['data']
            assert data['tid'] is None and data['data']['code'] == 'bad_message'
        assert client.close_code() == 1008


async def test_codes(server):
    client = await Client.connect(server, 'reader')
    assert 'bogus' in (await client.fails('unknown_collection', 'detail', 'bogus', {'_id': 'a'}))['message']
    assert 'bogus' in (await client.fails('unknown_method', 'bogus', 'notes'))['message']
    await client.fails('unknown_method', 'bogus')
    await client.fails('unknown_method', 'insert', 'fixed', {})
    await client.fails('unknown_collection', 'find', 'credentials', {})
    await client.fails('unknown_collection', 'find', 'sessions', {})
    assert 'modify_virus' in (await client.fails('forbidden', 'insert', 'viruses', {'name': 'a'}))['message']
    assert 'see_secrets' in (await client.fails('forbidden', 'find', 'guarded', {}))['message']
    assert 'see_secrets' in (await client.fails('forbidden', 'find', 'secrets', {}))['message']
    assert '_id' in (await client.fails('invalid', 'detail', 'notes', {}))['message']
    await client.fails('invalid', 'detail', 'notes', [])
    await client.fails('invalid', 'detail', 'notes', {'_id': 5})
    await client.fails('not_found', 'detail', 'notes', {'_id': 'absent'})
    await client.fails('invalid', 'insert', 'notes', 5)
    await client.fails('invalid', 'insert', 'notes', None)


async def test_everything_needs_a_log_in(server):
    client = await Client.connect(server)
    for method, collection, data in [
            ('detail', 'notes', {'_id': 'a'}), ('insert', 'notes', {}), ('sync', 'notes', {}),
            ('sync', None, {'manifests': {}}), ('resume', None, {'epoch': 1, 'seq': 1}),
            ('shutdown', None, None), ('subscribe', None, {'collections': None}), ('logout', 'users', {})]:
        await client.fails('unauthorized', method, collection, data)


async def test_change_is_not_sent_to_unauthorized(server):
    client = await Client.connect(server)
    editor = await Client.connect(server, 'editor')
    await editor.call('insert', 'notes', {'_id': 'a'})
    assert (await client.log_in('reader'))['_id'] == 'reader'
    await editor.call('insert', 'notes', {'_id': 'b'})
    await client.until(lambda: 'b' in client.copy('notes'))
    assert list(client.copy('notes')) == ['b']


async def test_empty_results_stay_what_they_are(server):
    client = await Client.connect(server, 'reader')
    assert await client.call('count', 'notes') == 0
    assert await client.call('find', 'notes', {}) == {'documents': [], 'more': False}
    assert await client.call('insert', 'notes', []) == []
    assert await client.call('remove', 'notes', {'_id': []}) == {'_ids': []}


async def test_tid_in_use(server):
    """A second call with the tid of an open one is a bad message; which of both is open decides the order."""
    client = await Client.connect(server)
    slow = json.dumps({'tid': 5, 'methodName': 'authorize_by_login', 'collectionName': 'users',
                       'data': {'username': 'reader', 'password': 'wrong'}})
    _, future, _ = client.begin('authorize_by_login', tid=5)
    await client.send(slow)
    await client.send(slow)
    first = await asyncio.wait_for(future, 30)
    assert first['data']['message'] == 'Incorrect username or password'
    await client.until(lambda: any(m['data']['tid'] is None for m in client.of('fulfill', 'transaction')))


async def test_calls_beyond_the_number_in_flight_wait(make_server):
    server = make_server(options=['--limits', 'calls_in_flight=4'])
    client = await Client.connect(server, 'reader')
    futures = [await client.start('insert', 'notes', {'_id': f'n{i:03}'}) for i in range(200)]
    for i, future in enumerate(futures):
        assert (await asyncio.wait_for(future, 30))['data'] == {'_id': f'n{i:03}', '_version': 0}


async def test_many_clients_call_at_once(server):
    clients = [await Client.connect(server, 'reader') for _ in range(20)]
    futures = [await c.start('insert', 'notes', {'_id': f'{i}-{k}'}) for k in range(20) for i, c in enumerate(clients)]
    for future in futures:
        assert (await asyncio.wait_for(future, 30))['success']
    for client in clients:
        await client.until(lambda c=client: len(c.copy('notes')) == 400)


async def test_client_that_goes_before_its_answer(server):
    """The change is made, the answer goes nowhere, and the next client is served."""
    for i in range(20):
        client = await Client.connect(server, 'reader')
        await client.start('insert', 'notes', {'_id': f'n{i}'})
        client.socket.transport.abort()
    for i in range(10):
        client = await Client.connect(server)
        await client.start('authorize_by_login', 'users', {'username': 'reader', 'password': 'x'})
        client.socket.transport.abort()
    other = await Client.connect(server, 'reader')
    assert await other.call('insert', 'notes', {'_id': 'last'}) == {'_id': 'last', '_version': 0}


# ---- once ----

async def test_once_is_run_once(server):
    first, second = await connect_to_workers(server, 'editor', 2)
    answer = await first.call('insert', 'notes', {'text': 'a'}, once='key')
    assert await first.call('insert', 'notes', {'text': 'a'}, once='key') == answer
    assert await second.call('insert', 'notes', {'text': 'a'}, once='key') == answer
    assert await first.call('count', 'notes') == 1
    # Another key, another method, another user are other calls.
    assert await first.call('insert', 'notes', {'text': 'a'}, once='key 2') != answer
    update = {'_id': answer['_id'], 'changes': {'n': 1}}
    assert await first.call('update', 'notes', update, once='key') == {'_ids': [answer['_id']], '_version': 1}
    assert await first.call('update', 'notes', update, once='key') == {'_ids': [answer['_id']], '_version': 1}
    reader = await Client.connect(server, 'reader')
    assert await reader.call('insert', 'notes', {'text': 'a'}, once='key') != answer
    assert await first.call('count', 'notes') == 3


async def test_once_at_the_same_time(server):
    clients = await connect_to_workers(server, 'editor', 2)
    futures = [await clients[i % 2].start('insert', 'notes', {'text': 'a'}, once='same') for i in range(50)]
    answers = [(await asyncio.wait_for(f, 30))['data'] for f in futures]
    assert all(answer == answers[0] for answer in answers)
    assert await clients[0].call('count', 'notes') == 1


async def test_once_after_restart(server):
    client = await Client.connect(server, 'editor')
    answer = await client.call('insert', 'notes', {'text': 'a'}, once='key')
    await client.close()
    await asyncio.to_thread(server.restart)
    client = await Client.connect(server, 'editor')
    assert await client.call('insert', 'notes', {'text': 'a'}, once='key') == answer
    assert await client.call('count', 'notes') == 1


async def test_failed_call_is_not_remembered(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a'})
    await client.fails('exists', 'insert', 'notes', {'_id': 'a'}, once='key')
    await client.call('remove', 'notes', {'_id': 'a'})
    assert await client.call('insert', 'notes', {'_id': 'a'}, once='key') == {'_id': 'a', '_version': 1}


# ---- dispatcher ----

async def test_describe(server):
    reader = await Client.connect(server, 'reader')
    answer = await reader.call('describe')
    collections = answer['collections']
    names = set(collections) if isinstance(collections, dict) else {c['name'] for c in collections}
    assert {'notes', 'viruses', 'samples', 'fixed', 'guarded'} <= names
    assert not {'secrets', 'credentials', 'sessions'} & names
    text = json.dumps(answer)
    assert answer['version'] and answer['limits']['message_bytes'] == 1 << 20
    assert 'detail' in text and 'authorize_by_login' in text
    described = collections['viruses'] if isinstance(collections, dict) else None
    if described is not None:
        methods = described['methods']
        assert 'detail' in methods and 'insert' not in methods
    insider = await Client.connect(server, 'insider')
    collections = (await insider.call('describe'))['collections']
    assert 'secrets' in (collections if isinstance(collections, dict) else {c['name'] for c in collections})


async def test_shutdown_needs_permission(server):
    reader = await Client.connect(server, 'reader')
    await reader.fails('forbidden', 'shutdown')


async def test_status_needs_permission(server):
    reader = await Client.connect(server, 'reader')
    await reader.fails('forbidden', 'status')
    admin = await Client.connect(server, 'admin')
    status = await admin.call('status')
    assert len(status['workers']) == 2 and status['seq'] >= 0


async def test_shutdown(server):
    admin = await Client.connect(server, 'admin')
    assert await admin.call('shutdown') is None
    assert await admin.until_closed() == 1001
    assert server.wait_exit() == 0


async def test_failure_in_a_list_names_the_index(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'b'})
    data = await client.fails('exists', 'insert', 'notes', [{'_id': 'a'}, {'_id': 'b'}, {'_id': 'c'}])
    assert data['index'] == 1
    data = await client.fails('exists', 'insert', 'notes', [{'_id': 'a'}, {'_id': 'c'}, {'_id': 'b'}], once='k')
    assert data['index'] == 2
    assert await client.call('count', 'notes') == 1
    assert (await client.fails('invalid', 'remove', 'notes', {'_id': ['b', 7]}))['index'] == 1
    assert (await client.fails('invalid', 'remove', 'notes', {'_id': ['b', 'a'], '_version': 0})).keys() == {
        'warning', 'code', 'message'}
    assert (await client.fails('invalid', 'insert', 'notes', [{'_id': 'a'}, 7]))['index'] == 1
    assert 'index' not in await client.fails('invalid', 'insert', 'notes', {'_id': 7})
    assert 'index' not in await client.fails('exists', 'insert', 'notes', {'_id': 'b'})


async def test_too_many_in_one_call(make_server):
    server = make_server(config=configuration(limits={'bulk_documents': 10}))
    client = await Client.connect(server, 'editor')
    await client.fails('too_large', 'insert', 'notes', [{}] * 11)
    assert len(await client.call('insert', 'notes', [{}] * 10)) == 10
    await client.fails('too_large', 'remove', 'notes', {'_id': [str(i) for i in range(11)]})
