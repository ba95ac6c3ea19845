"""dispatchctl import and export; the whole plant virus reference, synced and compared document by document."""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import pty
import re
import socket
import struct
import subprocess
import threading

import pytest

from client import Client
from configuration import configuration
from raw import TEXT, frame
from server import DISPATCHCTL, PATIENCE, TOP, read_lines, scaled

DATA = os.path.join(TOP, '..', 'shared', 'data')
REFERENCE = {name: os.path.join(DATA, f'{name}.jsonl.gz') for name in ('viruses', 'sequences')}

needs_reference = pytest.mark.skipif(
    not all(map(os.path.exists, REFERENCE.values())),
    reason='the plant virus reference is not at ../shared/data: viruses.jsonl.gz and sequences.jsonl.gz')


def minimal(document, fields):
    return {'_id': document['_id'], '_version': 0, **{f: document[f] for f in fields if f in document}}


@needs_reference
async def test_whole_reference(server):
    truth = {}
    watcher = await Client.connect(server, 'reader')
    await watcher.call('subscribe', data={'collections': ['viruses']})
    for name, path in REFERENCE.items():
        truth[name] = {document['_id']: document for document in read_lines(path)}
        shown = await asyncio.to_thread(server.ctl, 'import', name, path, seconds=120)
        assert str(len(truth[name])) in re.sub('[ ,]', '', shown.stdout + shown.stderr)
    fields = {'viruses': ['name', 'abbreviation'], 'sequences': ['accession', 'definition', 'otu_id']}
    expected = {name: {key: minimal(document, fields[name]) for key, document in documents.items()}
                for name, documents in truth.items()}

    # Live.
    await watcher.until(lambda: len(watcher.copy('viruses')) == len(truth['viruses']))
    assert watcher.copy('viruses') == expected['viruses']

    # In one sync, in ranges, and again with everything there already.
    client = await Client.connect(server, 'reader')
    await client.call('sync', data={'manifests': {'viruses': {}, 'sequences': {}}})
    assert client.replica == expected
    client.replica = {}
    bounds = [None, *'48cgkosw', None]
    for first, last in zip(bounds, bounds[1:]):
        range_ = {key: value for key, value in (('from', first), ('to', last)) if value is not None}
        await client.call('sync', 'sequences', {'manifest': {}, **range_})
    assert client.copy('sequences') == expected['sequences']
    manifest = {key: 0 for key in truth['sequences']}
    assert (await client.call_progress('sync', 'sequences', manifest))[1] == [0]

    # Whole documents, one by one and exported.
    chosen = sorted(truth['sequences'])[::scaled(1, 10)]
    for start in range(0, len(chosen), 16):
        keys = chosen[start:start + 16]
        futures = [await client.start('detail', 'sequences', {'_id': key}) for key in keys]
        for key, future in zip(keys, futures):
            assert (await asyncio.wait_for(future, PATIENCE))['data'] == {**truth['sequences'][key], '_version': 0}
    for name, documents in truth.items():
        exported = await asyncio.to_thread(server.export, name)
        assert exported == {key: {**document, '_version': 0} for key, document in documents.items()}
    exported = await asyncio.to_thread(server.export, 'viruses', '--query', '{"abbreviation": "ABTV"}')
    assert [d['name'] for d in exported.values()] == ['Abaca bunchy top virus']

    # By an index: the segments of one virus.
    otu = truth['sequences'][chosen[0]]['otu_id']
    found = await client.call('find', 'sequences', {'query': {'otu_id': otu}, 'fields': ['otu_id']})
    assert {d['_id'] for d in found['documents']} == {k for k, d in truth['sequences'].items() if d['otu_id'] == otu}

    # Once more: everything is there.
    await asyncio.to_thread(server.ctl, 'import', 'viruses', REFERENCE['viruses'], seconds=60)
    assert await client.call('count', 'viruses') == len(truth['viruses'])
    assert all(d['_version'] == 0 for d in watcher.copy('viruses').values())


def write(server, name, lines, opener=open):
    path = os.path.join(server.directory, name)
    with opener(path, 'wt', encoding='utf-8') as file:
        file.writelines(line if isinstance(line, str) else json.dumps(line) + '\n' for line in lines)
    return path


def documents(count):
    return [{'_id': f'n{i:06}', 'n': i, 'text': 'x' * 100} for i in range(count)]


@pytest.mark.parametrize('bad, words', [
    ('{"_id": "x"\n', []), ('nonsense\n', []), ('[]\n', []), ('{"_id": ""}\n', ['_id']),
    ('{"a":1,"a":2}\n', []), ('{"_id": "n000001", "n": "other"}\n', []), ('{"a":"\xff"}\n', [])],
    ids=['cut', 'nonsense', 'array', 'id', 'duplicate', 'other', 'bytes'])
def test_bad_line(server, bad, words):
    lines = documents(5000)
    path = write(server, 'bad.jsonl', [*lines[:4000], bad, *lines[4000:]])
    if '\xff' in bad:
        with open(path, 'rb') as file:
            content = file.read()
        with open(path, 'wb') as file:
            file.write(content.replace(b'\xc3\xbf', b'\xff'))
    failed = server.ctl('import', 'notes', path, check=False)
    assert failed.returncode == 1
    assert any(re.search(r'\b4001\b', line) and '5000' not in line and all(word in line for word in words)
               for line in failed.stderr.splitlines()), failed.stderr
    # The line put right, the import goes on where it was.
    path = write(server, 'good.jsonl', lines)
    server.ctl('import', 'notes', path)
    stored = server.export('notes')
    assert len(stored) == 5000 and all(d['_version'] == 0 for d in stored.values())


def test_levels(server):
    """As many as a document has, there and back; a line with more is named."""
    deep = {'_id': 'a', 'value': json.loads('[' * 55 + ']' * 55)}
    for options in ([], ['--replace']):
        path = write(server, 'deep.jsonl', [{'_id': 'b'}, deep, {'_id': 'c', 'value': [deep['value']]}])
        failed = server.ctl('import', *options, 'notes', path, check=False)
        assert failed.returncode == 1 and ':3: nested in 57 levels, at most 56 are allowed' in failed.stderr
    server.load('notes', [deep])
    assert server.export('notes', '--query', '{"_id": "a"}') == {'a': {**deep, '_version': 0}}
    failed = server.ctl('export', 'notes', '--query', '{"a":' * 64 + '1' + '}' * 64, check=False)
    assert failed.returncode == 1 and 'nested too deeply' in failed.stderr


def answer_by_hand(listener, answers):
    """A server whose answers to the calls of one client are these."""
    connection, _ = listener.accept()
    with connection, connection.makefile('rb') as stream:
        assert stream.readline() == b'session\n'
        key = re.search(rb'Sec-WebSocket-Key: (\S+)', b''.join(iter(stream.readline, b'\r\n')))[1]
        digest = hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()
        connection.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                           b'Sec-WebSocket-Accept: ' + base64.b64encode(digest) + b'\r\n\r\n')
        for answer in answers:
            length = stream.read(2)[1] & 127
            stream.read(4 + (length if length < 126 else struct.unpack('>H', stream.read(2))[0]))
            connection.sendall(frame(TEXT, json.dumps({
                'operation': 'fulfill', 'collectionName': 'transaction', 'data': answer}), mask=False))
        stream.read()


@pytest.mark.parametrize('command, before', [
    (['import', 'notes', '-'], 1), (['export', 'notes'], 1), (['tail'], 0), (['user', 'list'], 1)])
def test_an_answer_that_cannot_come(tmp_path, command, before):
    """The server could not read the call, and says so to nobody: no command waits for another answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / 'control'))
        listener.listen()
        answers = [{'tid': 1, 'success': True, 'data': None}] * before + [
            {'tid': None, 'success': False, 'data': {'warning': True, 'code': 'bad_message', 'message': 'not readable'}}]
        server = threading.Thread(target=answer_by_hand, args=(listener, answers), daemon=True)
        server.start()
        failed = subprocess.run([DISPATCHCTL, '--control', str(tmp_path / 'control'), *command], input='{"n":1}\n',
                                capture_output=True, text=True, timeout=PATIENCE, check=False)
        server.join(PATIENCE)
    assert failed.returncode == 1 and failed.stderr.endswith('could not read a call: not readable\n'), failed


def test_import_goes_on_after_it_was_broken_off(server):
    lines = documents(3000)
    server.ctl('import', 'notes', write(server, 'part.jsonl', lines[:1700]))
    shown = server.ctl('import', 'notes', write(server, 'all.jsonl', lines))
    assert '1700' in shown.stdout + shown.stderr, 'it says how many were there'
    assert len(server.export('notes')) == 3000


def test_replace(server):
    server.load('notes', [{'_id': 'a', 'n': 1}, {'_id': 'b', 'n': 1}])
    text = '{"_id":"a","n":2}\n{"_id":"b","n":1}\n{"_id":"c","n":3}\n'
    assert server.ctl('import', 'notes', '-', text=text, check=False).returncode == 1
    server.ctl('import', '--replace', 'notes', '-', text=text)
    stored = server.export('notes')
    assert {k: (d['n'], d['_version']) for k, d in stored.items()} == {'a': (2, 1), 'b': (1, 0), 'c': (3, 0)}


def test_names_that_are_no_users(server):
    """No import makes a user with the name under which the control socket acts."""
    for name in ('(control)', 'ann (lab)', 'a)'):
        failed = server.ctl('import', 'users', '-', text=json.dumps({'_id': name, 'groups': []}) + '\n', check=False)
        assert failed.returncode == 1 and 'parentheses' in failed.stderr
    server.ctl('import', 'groups', '-', text='{"_id": "lab (old)", "permissions": {}}\n')


def test_compressed_and_standard_input_and_empty_lines(server):
    lines = documents(100)
    server.ctl('import', 'notes', write(server, 'packed.jsonl.gz', lines, gzip.open))
    server.ctl('import', 'fixed', '-', text=''.join(json.dumps(d) + '\n' for d in lines)[:-1])
    assert server.export('notes') == server.export('fixed')
    assert server.ctl('import', 'notes', '-', text='').returncode == 0


def test_broken_archive(server):
    path = write(server, 'broken.jsonl.gz', documents(1000), gzip.open)
    with open(path, 'r+b') as file:
        file.truncate(os.path.getsize(path) // 2)
    failed = server.ctl('import', 'notes', path, check=False)
    assert failed.returncode == 1 and failed.stderr


def test_wrong_arguments(server):
    for arguments in (['import'], ['import', 'notes'], ['import', 'bogus', '-'], ['import', 'notes', '/nonexistent'],
                      ['export'], ['export', 'bogus'], ['export', 'notes', '--query', '{'], ['bogus'], [],
                      ['export', 'notes', '--query', '{"$bogus":1}'], ['import', 'credentials', '-']):
        failed = server.ctl(*arguments, text='{}\n', check=False)
        assert failed.returncode == 1 and failed.stderr.strip(), arguments


def test_export_can_be_imported(server):
    server.load('notes', documents(2000))
    text = server.ctl('export', 'notes').stdout
    server.ctl('import', 'fixed', '-', text=text)
    assert server.export('fixed') == server.export('notes')


def test_progress_on_a_terminal(server):
    """A line that is written over while it goes on; without a terminal only the last one."""
    path = write(server, 'many', documents(20000))
    master, slave = pty.openpty()
    try:
        with subprocess.Popen([DISPATCHCTL, '--control', server.control, 'import', 'notes', path], stdout=slave,
                              stderr=slave, env=server.environment()) as process:
            os.close(slave)
            shown = b''
            try:
                while chunk := os.read(master, 65536):
                    shown += chunk
            except OSError:  # EIO: the last of the other side has closed it
                pass
            assert process.wait(PATIENCE) == 0
    finally:
        os.close(master)
    first, _, last = shown.decode().rstrip().rpartition('\r')
    assert re.search(r'\d+ documents', first), shown
    assert re.search(r'notes: 20000 documents \(20000 inserted, 0 replaced, 0 already there\) in [\d.]+ s, \d+ a second$',
                     last), shown
    plain = server.ctl('import', 'notes', path)
    assert '\r' not in plain.stdout + plain.stderr
    assert len((plain.stdout + plain.stderr).strip().splitlines()) == 1


def test_documents_without_ids(server):
    server.ctl('import', 'notes', '-', text='{"n":1}\n{"n":2}\n')
    assert sorted(d['n'] for d in server.export('notes').values()) == [1, 2]


async def test_import_beside_clients(server):
    """Clients see imported documents as they come, and are answered meanwhile."""
    count = scaled(20000, 3000)
    path = write(server, 'many.jsonl', documents(count))
    client = await Client.connect(server, 'reader')
    running = asyncio.ensure_future(asyncio.to_thread(server.ctl, 'import', 'notes', path, seconds=120))
    answered = 0
    while not running.done():
        await client.call('count', 'guarded')
        answered += 1
    await running
    await client.until(lambda: len(client.copy('notes')) == count)
    assert answered  # how often depends on the machine


def test_import_beside_a_small_message_limit(make_server):
    """What bounds a client's messages does not bound an import."""
    server = make_server(config=configuration(limits={'message_bytes': '8K'}))
    server.ctl('import', 'notes', write(server, 'many.jsonl', documents(20000)))
    assert len(server.export('notes')) == 20000
