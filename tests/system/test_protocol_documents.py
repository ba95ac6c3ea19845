"""Documents, and the methods that write: insert, update, patch, remove, and detail to look."""

import json
import mmap
import os
import signal
import subprocess

import pytest

from client import Client
from configuration import configuration
from server import DISPATCHCTL, PATIENCE, wait_until, wait_until_async


@pytest.mark.parametrize('identifier', ['a', 'x' * 256, 'ü' * 128, ' ', '"\\/', '\U0001f331', '$in', 'a.b'])
async def test_ids(server, identifier):
    client = await Client.connect(server, 'editor')
    assert await client.call('insert', 'notes', {'_id': identifier, 'n': 1}) == {'_id': identifier, '_version': 0}
    assert await client.call('detail', 'notes', {'_id': identifier}) == {'_id': identifier, '_version': 0, 'n': 1}
    assert client.copy('notes')[identifier]['n'] == 1
    assert await client.call('remove', 'notes', {'_id': identifier}) == {'_ids': [identifier]}
    assert not client.copy('notes')


@pytest.mark.parametrize('identifier', ['', 'x' * 257, 'ü' * 129, 'a\nb', '\x7f', '\t', 5, None, {}, ['a']])
async def test_impossible_ids(server, identifier):
    client = await Client.connect(server, 'editor')
    await client.fails('invalid', 'insert', 'notes', {'_id': identifier})


async def test_random_ids(server):
    client = await Client.connect(server, 'editor')
    ids = {answer['_id'] for answer in await client.call('insert', 'notes', [{} for _ in range(100)])}
    assert len(ids) == 100
    assert all(len(i) == 12 and set(i) <= set('abcdefghijklmnopqrstuvwxyz0123456789') for i in ids)


NUMBERS = ['0', '-0', '9007199254740993', '9223372036854775807', '-9223372036854775808', '18446744073709551615',
           '0.1', '1.50', '1e400', '-1E-400', '1.0000000000000000000000000001', '123456789012345678901234567890', '1e5']


async def test_numbers_come_back_digit_for_digit(server):
    client = await Client.connect(server, 'editor')
    listener = await Client.connect(server, 'reader')
    texts = []
    original = client.socket.recv

    async def recv():
        text = await original()
        texts.append(text)
        return text
    client.socket.recv = recv
    body = '{"_id":"n","list":[' + ','.join(NUMBERS) + ']}'
    _, future, _ = client.begin('insert', tid=1000)
    await client.send('{"tid":1000,"methodName":"insert","collectionName":"notes","data":' + body + '}')
    assert (await future)['success']
    await client.call('detail', 'notes', {'_id': 'n'})
    await client.call('update', 'notes', {'_id': 'n', 'changes': {'x': 1}})
    await client.call('patch', 'notes', {'_id': 'n', 'operations': [{'op': 'add', 'path': '/y', 'value': 1}]})
    await client.call('detail', 'notes', {'_id': 'n'})
    await client.call('find', 'notes', {})
    await client.call('sync', 'notes', {})
    expected = '[' + ','.join(NUMBERS) + ']'
    carrying = [text for text in texts if '"list"' in text]
    # two details, update, patch, find, sync; the insertion itself may come too early for this
    assert len(carrying) >= 6 and all(expected in text for text in carrying), carrying
    await listener.until(lambda: listener.copy('notes').get('n', {}).get('_version') == 2)


async def send_text(client, method, collection, data):
    """A call whose data is sent as it stands; whether it succeeded."""
    tid, future, _ = client.begin(method, collection)
    await client.send(f'{{"tid":{tid},"methodName":"{method}","collectionName":"{collection}","data":{data}}}')
    return (await future)['success']


async def test_a_change_of_digits_is_stored(server):
    """Also by import, which takes a document that is there already for done only when its digits are the same."""
    client = await Client.connect(server, 'editor')
    control = await Client.control(server)
    texts = {'insert': ('{"_id":"n","price":1.50,"list":[{"a":1}]}', '"price":1.50,"list":[{"a":1}]'),
             'update': ('{"_id":"n","changes":{"price":1.5}}', '"price":1.5,"list":[{"a":1}]'),
             'patch': ('{"_id":"n","operations":[{"op":"replace","path":"/list/0/a","value":1.0}]}',
                       '"price":1.5,"list":[{"a":1.0}]')}
    for version, (method, (data, expected)) in enumerate(texts.items()):
        assert await send_text(client, method, 'notes', data)
        assert server.ctl('export', 'notes').stdout == f'{{"_id":"n","_version":{version},{expected}}}\n'
        await client.until(lambda v=version: client.copy('notes')['n']['_version'] == v)
    assert not await send_text(control, 'import', 'notes', '{"documents":[{"_id":"n","price":1.5,"list":[{"a":1}]}]}')
    assert await send_text(control, 'import', 'notes', '{"documents":[{"_id":"n","list":[{"a":1.0}],"price":1.5}]}')
    assert await send_text(control, 'import', 'notes',
                           '{"replace":true,"documents":[{"_id":"n","price":-0,"list":[{"a":1.0}]}]}')
    assert await send_text(client, 'update', 'notes', '{"_id":"n","changes":{"price":0}}')
    assert server.ctl('export', 'notes').stdout == '{"_id":"n","_version":4,"price":0,"list":[{"a":1.0}]}\n'


TEXTS = ['', 'ü€\U0001f331', '"\\/\b\f\n\r\t', '\u2028', '</script>', 'a' * 10000, '\x7f', '\ufffe']


async def test_texts_come_back(server):
    client = await Client.connect(server, 'editor')
    document = {'_id': 't', 'texts': TEXTS, 'nested': {'a': [{'b': None}, True, False, [], {}, '']}}
    await client.call('insert', 'notes', document)
    assert await client.call('detail', 'notes', {'_id': 't'}) == {**document, '_version': 0}
    assert client.copy('notes')['t'] == {**document, '_version': 0}


def nested(levels, inner=1):
    """A list in lists."""
    for _ in range(levels):
        inner = [inner]
    return inner


LEVELS = 56  # of a document


async def test_deep_documents(server):
    """No way leads beyond the levels of a document, and what has them goes every way."""
    client = await Client.connect(server, 'editor')
    deep = {'_id': 'deep', 'value': nested(LEVELS - 1)}
    deepest = {**deep, '_version': 0}
    await client.call('insert', 'notes', deep)
    assert await client.call('insert', 'notes', [{**deep, '_id': 'listed'}]) == [{'_id': 'listed', '_version': 0}]
    assert await client.call('detail', 'notes', {'_id': 'deep'}) == deepest
    assert (await client.call('find', 'notes', {'query': {'_id': 'deep'}}))['documents'] == [deepest]
    assert (await client.call('find', 'notes', {'query': {'value': nested(LEVELS - 2)}}))['documents'] != []
    await client.until(lambda: client.copy('notes').get('deep') == deepest)
    fresh = await Client.connect(server, 'reader')
    await fresh.synchronize('notes')
    assert fresh.copy('notes') == client.copy('notes')

    await client.call('insert', 'notes', {'_id': 'a', 'value': [], 'deep': nested(LEVELS - 1)})
    for levels in (LEVELS, LEVELS + 1, 60):
        value = nested(levels)
        for method, data in [
                ('insert', {'value': value}), ('insert', [{}, {'value': value}]),
                ('update', {'_id': 'a', 'changes': {'value': value}}),
                ('update', {'_id': 'new', 'changes': {'value': value}, 'upsert': True}),
                ('update', {'query': {}, 'changes': {'value': value}}),
                ('patch', {'_id': 'a', 'operations': [{'op': 'add', 'path': '/new', 'value': value}]}),
                ('patch', {'_id': 'a', 'operations': [{'op': 'replace', 'path': '/value', 'value': value}]})]:
            failure = await client.fails('invalid', method, 'notes', data)
            assert f'{levels + 1} levels' in failure['message'] and '56' in failure['message'], failure
    for operation in ('move', 'copy'):
        await client.fails('invalid', 'patch', 'notes', {'_id': 'a', 'operations': [
            {'op': operation, 'from': '/deep', 'path': '/value/-'}]})
    # A message that is too deep as a whole has an answer, too.
    await client.fails('bad_message', 'insert', 'notes', {'value': nested(70)})
    assert await client.call('count', 'notes') == 3
    assert (await client.call('detail', 'notes', {'_id': 'a'}))['_version'] == 0


def replace_stored(server, old, new):
    """Puts a text in the place of another one of as many bytes, in all copies of a store whose server has stopped."""
    assert len(old) == len(new)
    path = os.path.join(server.data, 'data.mdb')
    with open(path, 'r+b') as file, mmap.mmap(file.fileno(), 0) as content:
        at = content.find(old.encode())
        assert at >= 0
        while at >= 0:
            content[at:at + len(old)] = new.encode()
            at = content.find(old.encode(), at)


async def test_what_is_stored_deeper_is_read_and_removed(make_server):
    """Such documents were let in once. Whoever makes one less deep may change it, also while it is still too deep."""
    server = make_server(workers=1)
    text = json.dumps(nested(63), separators=(',', ':'))
    placeholder = '"' + 'x' * (len(text) - 2) + '"'
    server.load('notes', [{'_id': key, 'value': placeholder[1:-1], 'n': 1} for key in 'abcde'])
    assert server.stop() == 0
    replace_stored(server, placeholder, text)
    server.start()
    client = await Client.connect(server, 'editor')
    await client.synchronize('notes')
    stored = {key: {'_id': key, '_version': 0, 'value': nested(63), 'n': 1} for key in 'abcde'}
    assert client.copy('notes') == stored == server.export('notes')
    assert await client.call('detail', 'notes', {'_id': 'a'}) == stored['a']
    found = await client.call('find', 'notes', {'query': {'n': 1}, 'fields': ['value'], 'sort': {'n': 1}})
    assert [document['value'] for document in found['documents']] == [nested(63)] * 5

    failure = await client.fails('invalid', 'update', 'notes', {'_id': 'a', 'changes': {'n': 2}})
    assert '64 levels' in failure['message']
    await client.fails('invalid', 'patch', 'notes', {
        '_id': 'a', 'operations': [{'op': 'replace', 'path': '/n', 'value': 2}]})
    await client.call('remove', 'notes', {'_id': 'e'})
    for levels in (60, 58, 57, 20):
        await client.call('update', 'notes', {'_id': 'a', 'changes': {'value': nested(levels - 1), 'n': levels}})
        assert (await client.call('detail', 'notes', {'_id': 'a'}))['n'] == levels
    with subprocess.Popen([DISPATCHCTL, '--control', server.control, 'tail', 'notes'], stdout=subprocess.PIPE, text=True,
                          env=server.environment()) as tail:
        try:
            # It subscribes after it has connected: what is changed until then it is not told.
            os.set_blocking(tail.stdout.fileno(), False)
            told = []
            while not told:
                await client.call('insert', 'notes', {})
                told += tail.stdout.readlines()
            await client.call('patch', 'notes', {
                '_id': 'b', 'operations': [{'op': 'remove', 'path': '/value' + '/0' * 62}]})
            await wait_until_async(lambda: '"_id":"b"' in ''.join(tail.stdout.readlines()), what='its line')
        finally:
            tail.send_signal(signal.SIGINT)
            assert tail.wait(timeout=PATIENCE) == 0
    assert client.copy('notes')['b']['value'] == nested(61, [])
    assert client.copy('notes') == server.export('notes')
    # Taken out, it can be put in elsewhere when it is less deep.
    failed = server.ctl('import', 'notes', '-', text=json.dumps(stored['c']) + '\n', check=False)
    assert failed.returncode == 1 and '-:1: nested in 64 levels, at most 56' in failed.stderr


async def test_document_too_large(make_server):
    server = make_server(config=configuration(limits={'document_bytes': '10K'}))
    client = await Client.connect(server, 'editor')
    await client.fails('too_large', 'insert', 'notes', {'text': 'x' * 10300})
    await client.call('insert', 'notes', {'_id': 'a', 'text': 'x' * 9000})
    await client.fails('too_large', 'update', 'notes', {'_id': 'a', 'changes': {'more': 'x' * 2000}})
    await client.fails('too_large', 'patch', 'notes', {'_id': 'a', 'operations': [
        {'op': 'copy', 'from': '/text', 'path': '/again'}]})
    assert (await client.call('detail', 'notes', {'_id': 'a'}))['_version'] == 0


async def test_what_is_stored_larger_is_read_and_made_smaller(make_server):
    """The limit was lowered. The log says how many there are; who shortens one may change it."""
    server = make_server(workers=1, config=configuration(limits={'document_bytes': '20K'}))
    text = {key: key * 15000 for key in 'abcd'}
    server.load('notes', [{'_id': key, 'text': text[key], 'n': 1} for key in 'abcd'] + [{'_id': f's{n}'} for n in range(9)])
    server.load('viruses', [{'_id': 'v', 'name': 'x', 'text': text['a']}])
    assert server.stop() == 0
    server.configure(configuration(limits={'document_bytes': '10K', 'result_bytes': '1K'}))
    server.start()
    lines = wait_until(lambda: [line for line in server.log().splitlines() if 'documents larger than' in line][1:],
                       what='the lines of two collections')
    assert 'viruses: documents larger than limits.document_bytes (10240): 1;' in lines[-1]
    assert 'notes: documents larger than limits.document_bytes (10240): 4;' in server.log()

    client = await Client.connect(server, 'editor')
    await client.synchronize('notes', 'viruses')
    assert client.copy('notes')['a']['text'] == text['a']
    assert (await client.call('detail', 'notes', {'_id': 'b'}))['text'] == text['b']
    assert (await client.call('find', 'notes', {'query': {'_id': 'c'}}))['documents'][0]['text'] == text['c']
    assert len(server.export('notes')) == 13
    for changes in ({'n': 2}, {'more': 1}, {'text': text['b']}):
        await client.fails('too_large', 'update', 'notes', {'_id': 'a', 'changes': changes})
    await client.fails('too_large', 'insert', 'notes', {'text': text['a']})
    assert await client.call('update', 'notes', {'_id': 'a', 'changes': {'text': text['a'][:-1]}}) == {
        '_ids': ['a'], '_version': 1}
    assert (await client.call('patch', 'notes', {'_id': 'b', 'operations': [
        {'op': 'remove', 'path': '/n'}, {'op': 'test', 'path': '/text', 'value': text['b']}]}))['_version'] == 1
    await client.call('update', 'notes', {'_id': 'c', 'changes': {'text': 'short'}})
    await client.call('update', 'notes', {'_id': 'c', 'changes': {'text': 'not so short'}})
    assert await client.call('remove', 'notes', {'_id': 'd'}) == {'_ids': ['d']}
    await client.call('patch', 'viruses', {'_id': 'v', 'operations': [{'op': 'remove', 'path': '/text'}]})
    await client.until(lambda: client.copy('notes')['c']['_version'] == 2 and 'd' not in client.copy('notes'))
    assert client.copy('notes') == server.export('notes')
    server.restart()
    wait_until(lambda: 'notes: documents larger than limits.document_bytes (10240): 2;' in server.log(),
               what='those that are left')


async def test_insert(server):
    client = await Client.connect(server, 'editor')
    assert await client.call('insert', 'notes', {'_id': 'a', 'n': 1}) == {'_id': 'a', '_version': 0}
    assert await client.call('insert', 'notes', [{'_id': 'b'}, {'_id': 'c'}]) == [
        {'_id': 'b', '_version': 0}, {'_id': 'c', '_version': 0}]
    await client.fails('exists', 'insert', 'notes', {'_id': 'a'})
    await client.fails('exists', 'insert', 'notes', [{'_id': 'd'}, {'_id': 'd'}])
    await client.fails('not_found', 'detail', 'notes', {'_id': 'd'})
    await client.fails('invalid', 'insert', 'notes', [{'_id': 'e'}, 5])
    assert await client.call('count', 'notes') == 3
    # A version is the server's.
    answer = await client.call('insert', 'notes', {'_id': 'v', '_version': 0})
    assert answer == {'_id': 'v', '_version': 0}


async def test_minimal_documents(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'viruses', {'_id': 'v', 'name': 'A', 'abbreviation': 'a', 'isolates': [1, 2]})
    assert client.copy('viruses')['v'] == {'_id': 'v', '_version': 0, 'name': 'A', 'abbreviation': 'a'}
    assert (await client.call('detail', 'viruses', {'_id': 'v'}))['isolates'] == [1, 2]
    await client.call('insert', 'viruses', {'_id': 'w', 'name': 'B'})
    assert client.copy('viruses')['w'] == {'_id': 'w', '_version': 0, 'name': 'B'}


async def test_unique_fields(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'viruses', [{'_id': 'v', 'name': 'A'}, {'_id': 'w', 'name': 'B'}])
    failure = await client.fails('exists', 'insert', 'viruses', {'_id': 'x', 'name': 'A'})
    assert 'name' in failure['message']
    await client.fails('exists', 'update', 'viruses', {'_id': 'w', 'changes': {'name': 'A'}})
    await client.fails('exists', 'insert', 'viruses', [{'name': 'C'}, {'name': 'C'}])
    # The place is free as soon as the other has another value, or has gone.
    await client.call('update', 'viruses', {'_id': 'v', 'changes': {'name': 'Z'}})
    await client.call('update', 'viruses', {'_id': 'w', 'changes': {'name': 'A'}})
    await client.call('remove', 'viruses', {'_id': 'v'})
    await client.call('insert', 'viruses', {'name': 'Z'})
    # Documents without the field do not meet.
    assert len(await client.call('insert', 'viruses', [{'abbreviation': 'x'}, {'abbreviation': 'x'}])) == 2


async def test_update(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a', 'n': 1, 'o': {'x': 1, 'y': 2}, 'l': [1, 2]})
    answer = await client.call('update', 'notes', {'_id': 'a', 'changes': {'n': 2, 'o': {'x': None, 'z': 3}, 'l': [3]}})
    assert answer == {'_ids': ['a'], '_version': 1}
    assert client.copy('notes')['a'] == {'_id': 'a', '_version': 1, 'n': 2, 'o': {'y': 2, 'z': 3}, 'l': [3]}
    assert (await client.call('update', 'notes', {'_id': 'a', 'changes': {'n': 3}, '_version': 1}))['_version'] == 2
    await client.fails('conflict', 'update', 'notes', {'_id': 'a', 'changes': {'n': 4}, '_version': 1})
    await client.fails('not_found', 'update', 'notes', {'_id': 'b', 'changes': {'n': 4}})
    await client.fails('invalid', 'update', 'notes', {'_id': 'a'})
    await client.fails('invalid', 'update', 'notes', {'_id': 'a', 'changes': 5})
    await client.fails('invalid', 'update', 'notes', {'changes': {'n': 4}})
    await client.fails('invalid', 'update', 'notes', {'_id': 'a', 'changes': {'n': 4}, '_version': 'x'})
    assert (await client.call('detail', 'notes', {'_id': 'a'}))['n'] == 3


async def test_id_and_version_are_not_changed_by_changes(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a'})
    for changes in ({'_id': 'b', 'n': 1}, {'_version': 7, 'n': 2}, {'_id': None, 'n': 3}):
        try:
            await client.call('update', 'notes', {'_id': 'a', 'changes': changes})
        except Exception as error:  # refusing is as good as ignoring
            assert error.code in ('invalid', 'conflict')
    await client.fails('invalid', 'patch', 'notes', {'_id': 'a', 'operations': [
        {'op': 'replace', 'path': '/_id', 'value': 'b'}]})
    document = await client.call('detail', 'notes', {'_id': 'a'})
    assert document['_id'] == 'a' and document['_version'] <= 3
    assert await client.call('count', 'notes') == 1


async def test_upsert(server):
    client = await Client.connect(server, 'editor')
    upsert = {'_id': 'u', 'changes': {'n': 1, 'gone': None}, 'upsert': True}
    assert await client.call('update', 'notes', upsert) == {'_ids': ['u'], '_version': 0}
    assert client.copy('notes')['u'] == {'_id': 'u', '_version': 0, 'n': 1}
    assert await client.call('update', 'notes', {**upsert, 'changes': {'n': 2}}) == {'_ids': ['u'], '_version': 1}


async def test_update_by_query(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': f'n{i}', 'n': i} for i in range(10)])
    answer = await client.call('update', 'notes', {'query': {'n': {'$gte': 7}}, 'changes': {'big': True}})
    assert sorted(answer['_ids']) == ['n7', 'n8', 'n9']
    assert {k for k, d in client.copy('notes').items() if d.get('big')} == {'n7', 'n8', 'n9'}
    assert (await client.call('update', 'notes', {'query': {'n': 100}, 'changes': {'x': 1}}))['_ids'] == []


async def test_change_that_changes_nothing(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a', 'n': 1})
    count = len(client.messages)
    assert await client.call('update', 'notes', {'_id': 'a', 'changes': {'n': 1, 'absent': None}}) == {
        '_ids': ['a'], '_version': 0}
    assert await client.call('patch', 'notes', {'_id': 'a', 'operations': [
        {'op': 'test', 'path': '/n', 'value': 1}]}) == {'_id': 'a', '_version': 0}
    assert await client.call('remove', 'notes', {'_id': 'absent'}) == {'_ids': []}
    assert [m['operation'] for m in client.messages[count:]] == ['fulfill'] * 3


async def test_patch(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', {'_id': 'a', 'l': [1, 2], 'o': {'x': 1}})
    answer = await client.call('patch', 'notes', {'_id': 'a', 'operations': [
        {'op': 'test', 'path': '/l/0', 'value': 1}, {'op': 'add', 'path': '/l/-', 'value': 3},
        {'op': 'move', 'from': '/o/x', 'path': '/moved'}, {'op': 'copy', 'from': '/l', 'path': '/o/l'},
        {'op': 'replace', 'path': '/l/0', 'value': 'one'}, {'op': 'remove', 'path': '/l/1'}]})
    assert answer == {'_id': 'a', '_version': 1}
    expected = {'_id': 'a', '_version': 1, 'l': ['one', 3], 'o': {'l': [1, 2, 3]}, 'moved': 1}
    assert client.copy('notes')['a'] == expected
    failures = [('conflict', [{'op': 'add', 'path': '/n', 'value': 1}, {'op': 'test', 'path': '/n', 'value': 2}]),
                ('invalid', [{'op': 'nonsense', 'path': '/n'}]), ('invalid', [{'op': 'add', 'path': 'n', 'value': 1}]),
                ('invalid', [{'op': 'add', 'path': '/n'}]), ('invalid', 5)]
    for code, operations in failures:
        await client.fails(code, 'patch', 'notes', {'_id': 'a', 'operations': operations})
    for operations in ([{'op': 'remove', 'path': '/absent'}], [{'op': 'add', 'path': '/l/9', 'value': 1}]):
        with pytest.raises(Exception) as error:
            await client.call('patch', 'notes', {'_id': 'a', 'operations': operations})
        assert error.value.code in ('invalid', 'conflict', 'not_found')
    await client.fails('conflict', 'patch', 'notes', {'_id': 'a', 'operations': [], '_version': 0})
    await client.fails('not_found', 'patch', 'notes', {'_id': 'b', 'operations': [
        {'op': 'add', 'path': '/x', 'value': 1}]})
    assert await client.call('detail', 'notes', {'_id': 'a'}) == expected


async def test_remove(server):
    client = await Client.connect(server, 'editor')
    await client.call('insert', 'notes', [{'_id': f'n{i}'} for i in range(5)])
    assert await client.call('remove', 'notes', {'_id': 'n0'}) == {'_ids': ['n0']}
    assert (await client.call('remove', 'notes', {'_id': ['n1', 'absent', 'n2']}))['_ids'] == ['n1', 'n2']
    await client.fails('conflict', 'remove', 'notes', {'_id': 'n3', '_version': 1})
    assert await client.call('remove', 'notes', {'_id': 'n3', '_version': 0}) == {'_ids': ['n3']}
    await client.fails('invalid', 'remove', 'notes', {'_id': ['n4'], '_version': 0})
    await client.fails('invalid', 'remove', 'notes', {})
    assert list(client.copy('notes')) == ['n4']
    # A document that comes again goes on above all versions that were removed; an id of the server's is new.
    assert await client.call('insert', 'notes', {'_id': 'n0'}) == {'_id': 'n0', '_version': 1}
    assert (await client.call('insert', 'notes', {}))['_version'] == 0


async def test_methods_need_their_permissions(server):
    curator = await Client.connect(server, 'curator')
    await curator.call('insert', 'viruses', {'_id': 'v', 'name': 'A'})
    await curator.call('update', 'viruses', {'_id': 'v', 'changes': {'name': 'B'}})
    assert 'remove_virus' in (await curator.fails('forbidden', 'remove', 'viruses', {'_id': 'v'}))['message']
    editor = await Client.connect(server, 'editor')
    assert await editor.call('remove', 'viruses', {'_id': 'v'}) == {'_ids': ['v']}
    admin = await Client.connect(server, 'admin')
    await admin.call('insert', 'secrets', {'_id': 's'})
    await admin.call('insert', 'viruses', {'_id': 'w', 'name': 'C'})
