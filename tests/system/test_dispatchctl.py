"""dispatchctl's command line: where the socket is, where options stand, what a wrong use is told; users, calls, and
what becomes of inputs and outputs that others made."""

import codecs
import gzip
import json
import os
import pty
import signal
import subprocess

import pytest

from client import Client
from configuration import configuration
from server import DISPATCHCTL, PATIENCE, wait_until
from watch import WATCH


def run(server, *arguments, text=None, data=None, environment=None):
    """dispatchctl without --control; @data: bytes for its standard input."""
    done = subprocess.run([DISPATCHCTL, *arguments], input=data if data is not None else (text or '').encode(),
                          capture_output=True, timeout=PATIENCE, check=False,
                          env={**server.environment(), **(environment or {})})
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    WATCH.received(done.stdout + done.stderr, 'what dispatchctl prints')
    return done


# ---- where the socket is ----

def test_the_socket_is_named_in_four_ways(server, tmp_path):
    by_name = {'DISPATCHCTL_CONTROL': server.control}
    conf = tmp_path / 'conf'
    beside = {'DISPATCHCTL_CONTROL': '/nonexistent'}

    def works(*arguments, environment=None):
        done = run(server, *arguments, environment=environment)
        return done.returncode == 0 and json.loads(done.stdout)['pid'] == server.process.pid

    assert works('status', '--json', environment=by_name)
    assert works('--control', server.control, 'status', '--json', environment=beside)
    # A file of which dispatchd would not take the rest says where the socket is, too.
    conf.write_text(f'// ours\n{{"control": {json.dumps(server.control)}, "unheard_of": 1}}\n')
    assert works('--config', str(conf), 'status', '--json', environment=beside)
    assert works('--config', '/nonexistent', '--control', server.control, 'status', '--json')
    # By default it is in the data directory.
    os.symlink(server.control, tmp_path / 'control')
    conf.write_text(json.dumps({'data': str(tmp_path)}))
    assert works('--config', str(conf), 'status', '--json')
    for text, message in (('{"control": 5}', 'control: expected a string, found 5'), ('{', 'not JSON'),
                          ('[]', 'expected an object')):
        conf.write_text(text)
        failed = run(server, '--config', str(conf), 'status')
        assert failed.returncode == 1 and str(conf) in failed.stderr and message in failed.stderr
    failed = run(server, '--config', '/nonexistent', 'status')
    assert failed.returncode == 1 and '/nonexistent: cannot open' in failed.stderr


def test_a_missing_socket_says_where_else_to_look(server):
    for command in (['status'], ['stop'], ['user', 'list'], ['import', 'notes', '-'], ['call', 'notes', 'count']):
        failed = run(server, *command, environment={'DISPATCHCTL_CONTROL': '/nonexistent/control'})
        assert failed.returncode == 1 and failed.stderr.count('\n') == 1
        assert all(word in failed.stderr for word in ('/nonexistent/control: ', 'No such file', '--control PATH',
                                                      '--config FILE', 'DISPATCHCTL_CONTROL'))


# ---- the words of the command line ----

def test_options_stand_anywhere(server):
    control = ['--control', server.control]
    for words in (['group', 'list', '--json', *control], ['--json', *control, 'group', 'list'],
                  ['group', *control, 'list', '--json'], ['group', '--json', f'--control={server.control}', 'list'],
                  ['--jso', 'group', 'list', *control]):
        done = run(server, *words)
        assert done.returncode == 0 and '"_id":"administrator"' in done.stdout, words
    assert run(server, '--permission', 'modify_virus', 'group', 'add', 'early', *control).returncode == 0
    assert 'x: unknown setting' in run(server, *control, 'settings', 'set', '--', 'x', '--y').stderr
    assert '"early"' in run(server, 'group', 'list', '--json', *control).stdout


USAGES = {'status': 'status [--json]', 'user add': 'user add NAME [--group GROUP]...', 'call': 'call COLLECTION METHOD',
          'collection remove': 'collection remove NAME [--yes]', 'settings set': 'settings set KEY VALUE'}


def test_help_in_all_ways(server):
    everything = run(server, '--help').stdout
    for words in (['help'], ['-h'], ['--help', '--json']):
        done = run(server, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, everything, '')
    for name, usage in USAGES.items():
        words = name.split()
        assert f'\n  {usage}' in everything
        shown = run(server, *words, '--help').stdout
        assert shown.startswith(f'usage: dispatchctl {usage}') and shown.count('usage:') == 1
        for other in (['help', *words], [*words, '-h'], ['--help', *words], [words[0], '-h', *words[1:]]):
            assert run(server, *other).stdout == shown, other
    for words in (['user', '--help'], ['help', 'user']):
        shown = run(server, *words).stdout
        parts = ('add', 'set', 'passwd', 'remove', 'list', 'sessions')
        assert all(f'dispatchctl user {part}' in shown for part in parts)
        assert 'dispatchctl group' not in shown
    assert 'settings set KEY VALUE' in run(server, 'settings', '--help').stdout
    assert run(server, 'help', 'frob').returncode == 1


@pytest.mark.parametrize('words, wrong, usage', [
    ([], 'the command is missing', 'COMMAND ...'),
    (['statos'], 'statos: no such command; did you mean status?', None),
    (['frobnicate'], 'frobnicate: no such command', None),
    (['user'], 'user: what is to be done is missing', 'user add NAME'),
    (['user', 'ad', 'x'], 'user ad: no such command; did you mean user add?', 'user add NAME'),
    (['user', 'add'], 'user add: NAME is missing', 'user add NAME'),
    (['user', 'add', 'a', 'b'], 'user add: "b" is one too many', 'user add NAME'),
    (['user', 'add', 'a', '--group'], '--group: its value (GROUP) is missing', 'user add NAME'),
    (['user', 'set', 'a'], 'user set: what is to be set is missing', 'user set NAME'),
    (['user', 'sessions', 'a', '--json', '--end-all'], 'only one', 'user sessions NAME'),
    (['status', '--grop', 'x'], '--grop: no such option; did you mean --group?', 'status [--json]'),
    (['status', '--group', 'x'], '--group: status has no such option', 'status [--json]'),
    (['status', '--json=yes'], '--json takes no value', 'status [--json]'),
    (['status', '-j'], '-j: no such option', 'status [--json]'),
    (['import', 'notes'], 'FILE|- is missing', 'import COLLECTION FILE|-'),
    (['import', 'notes', '-x'], '-x: no such option', 'import COLLECTION FILE|-'),
    (['stop', '--timeout', '1m'], 'expected 1 to 86400 seconds, found "1m"', 'stop [--timeout SECONDS]'),
    (['settings', 'set', 'title'], 'settings set: VALUE is missing', 'settings set KEY VALUE'),
    (['call', 'notes'], 'call: METHOD is missing', 'call COLLECTION METHOD'),
    (['--control'], '--control: its value (PATH) is missing', None),
], ids=lambda value: '-'.join(value) if isinstance(value, list) else '')
def test_a_wrong_use_is_told_what_is_wrong_then_how_it_is_used(words, wrong, usage):
    done = subprocess.run([DISPATCHCTL, *words], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          stdin=subprocess.DEVNULL)
    first, _, rest = done.stderr.partition('\n')
    assert done.returncode == 1 and not done.stdout
    assert first.startswith('dispatchctl: ') and wrong in first, done.stderr
    assert (rest.startswith('usage: dispatchctl ') and usage in rest) if usage else not rest, done.stderr


# ---- users and groups ----

async def test_user_set(server):
    client = await Client.connect(server, 'carl')

    def carl():
        return next(d for d in map(json.loads, server.ctl('user', 'list', '--json').stdout.splitlines())
                    if d['_id'] == 'carl')

    def version():
        return carl()['_version']

    server.ctl('call', 'users', 'set_primary_group', '{"_id":"carl","group_id":"other"}')
    server.ctl('user', 'set', 'carl', '--group', 'lab', '--no-group', 'other', '--group', 'editors')
    assert carl()['groups'] == ['lab', 'editors'] and carl()['primary_group'] is None
    await client.until(lambda: client.of('amend', 'users'))
    await client.call('insert', 'viruses', {'name': 'V'})
    # The last word counts; what is so already is no change.
    before = version()
    server.ctl('user', 'set', 'carl', '--no-group', 'lab', '--group', 'lab', '--no-group', 'other')
    assert version() == before
    # All of it or nothing.
    for words, message in ((['--group', 'insiders', '--group', 'nope'], 'Group nope does not exist'),
                           (['--force-reset', '--no-group', 'nope'], 'Group nope does not exist')):
        failed = server.ctl('user', 'set', 'carl', *words, check=False)
        assert failed.returncode == 1 and message in failed.stderr and version() == before
    assert not client.of('deauthorize', 'users')
    server.ctl('user', 'set', 'carl', '--force-reset', '--no-group', 'editors')
    assert carl()['force_reset'] is True and carl()['groups'] == ['lab']
    await client.until(lambda: client.of('deauthorize', 'users'))
    server.ctl('user', 'set', 'carl', '--force-reset', '--no-force-reset')
    assert carl()['force_reset'] is False and carl()['groups'] == ['lab']
    assert 'User does not exist' in server.ctl('user', 'set', 'nobody', '--group', 'lab', check=False).stderr
    last = server.ctl('user', 'set', 'admin', '--no-group', 'administrator', check=False)
    assert last.returncode == 1 and 'last administrator' in last.stderr
    server.ctl('user', 'set', 'ann', '--group', 'administrator')
    server.ctl('user', 'set', 'admin', '--no-group', 'administrator')
    admin = await Client.connect(server, 'ann')
    for method in ('set', 'with_password'):
        await admin.fails('unknown_method', method, 'users', {'_id': 'ann'})


def test_user_list_says_who_has_no_password(server):
    server.load('users', [{'_id': f'imported{i:03}', 'groups': ['lab']} for i in range(600)])
    server.ctl('user', 'set', 'ben', '--force-reset')
    lines = server.ctl('user', 'list').stdout.splitlines()
    start = lines[0].index('PASSWORD')
    shown = {line.split()[0]: line[start:start + 11].strip() for line in lines[1:]}
    assert len(shown) == 608
    assert (shown['ann'], shown['ben'], shown['imported000'], shown['imported599'], shown['reader']) == \
        ('valid', 'to be reset', 'none', 'none', 'valid')
    server.ctl('user', 'passwd', 'imported599', '--password-stdin', text='a password by now\n')
    assert ['imported599', 'valid'] in [line.split()[:2] for line in server.ctl('user', 'list').stdout.splitlines()]


async def test_a_group_is_added_with_its_permissions_or_not_at_all(server):
    failed = server.ctl('group', 'add', 'half', '--permission', 'modify_virus', '--permission', 'nope', check=False)
    assert failed.returncode == 1 and 'there is no permission nope' in failed.stderr
    assert 'half' not in server.ctl('group', 'list').stdout
    server.ctl('group', 'add', 'half', '--permission', 'modify_virus')
    assert ['half', 'modify_virus'] in [line.split() for line in server.ctl('group', 'list').stdout.splitlines()]
    admin = await Client.connect(server, 'admin')
    await admin.call('add', 'groups', {'_id': 'whole', 'permissions': {'modify_virus': True, 'see_secrets': False}})
    await admin.until(lambda: 'whole' in admin.copy('groups'))
    assert admin.copy('groups')['whole']['permissions'] == {'modify_virus': True}
    await admin.fails('invalid', 'add', 'groups', {'_id': 'x', 'permissions': ['modify_virus']})
    await admin.fails('invalid', 'add', 'groups', {'_id': 'x', 'permissions': {'modify_virus': 1}})


@pytest.mark.parametrize('around', ['%s\r\n', '\ufeff%s\n', '\ufeff%s\r\n', '%s\r', '%s'],
                         ids=['crlf', 'mark', 'both', 'cr', 'bare'])
async def test_what_stands_around_a_password_is_not_of_it(server, around):
    WATCH.password('plain words of zoe')
    done = run(server, '--control', server.control, 'user', 'passwd', 'ann', '--password-stdin',
               text=around % 'plain words of zoe')
    assert done.returncode == 0, done.stderr
    client = await Client.connect(server)
    await client.log_in('ann', 'plain words of zoe')


def test_passwords_that_are_no_utf8(server):
    for data, message in ((codecs.BOM_UTF16_LE + 'long enough\r\n'.encode('utf-16-le'), 'UTF-16'),
                          ('long enough\r\n'.encode('utf-16-le'), 'UTF-16'), (b'long en\xff\xfeough\n', 'not UTF-8'),
                          (b'\xef\xbb\xbf\r\n', 'the password is empty'), (b'', 'no password')):
        failed = run(server, '--control', server.control, 'user', 'passwd', 'ann', '--password-stdin', data=data)
        assert failed.returncode == 1 and message in failed.stderr, data


# ---- import and export ----

DOCUMENTS = [{'_id': f'd{i}', 'text': '"]},[{\\ \u00e9'} for i in range(2500)]
LINES = ''.join(json.dumps(document) + '\n' for document in DOCUMENTS)


@pytest.mark.parametrize('content', [
    codecs.BOM_UTF8 + LINES.encode(), json.dumps(DOCUMENTS).encode(), json.dumps(DOCUMENTS, indent=2).encode(),
    codecs.BOM_UTF8 + b'\r\n\t[ ' + b' ,\r\n'.join(json.dumps(d).encode() for d in DOCUMENTS) + b' ]\r\n\r\n',
    gzip.compress(codecs.BOM_UTF8 + json.dumps(DOCUMENTS).encode()), gzip.compress(LINES.encode())],
    ids=['mark', 'array', 'printed', 'all', 'packed-array', 'packed-lines'])
def test_import_takes_what_it_can_tell(server, content):
    """By what the file begins with, not by its name."""
    for name in ('documents.jsonl', 'documents.jsonl.gz') if content.startswith(b'\x1f') else ('documents.gz',):
        path = os.path.join(server.directory, name)
        with open(path, 'wb') as file:
            file.write(content)
        server.ctl('import', 'notes', path)
    assert run(server, '--control', server.control, 'import', 'fixed', '-', data=content).returncode == 0
    assert server.export('notes') == server.export('fixed') == {d['_id']: {**d, '_version': 0} for d in DOCUMENTS}


@pytest.mark.parametrize('content, message', [
    (codecs.BOM_UTF16_LE + LINES.encode('utf-16-le'), 'it is UTF-16'),
    ('{"a":1}\n'.encode('utf-16-be'), 'it is UTF-16'),
    (LINES.encode('utf-16'), 'iconv -f UTF-16 -t UTF-8'), (LINES.encode('utf-32'), 'it is UTF-32'),
    (b'PK\x03\x04rest', 'ZIP'), (b'\x28\xb5\x2f\xfdrest', 'zstd'), (b'BZh91AY', 'bzip2'),
    (b'[{"_id":"a"},\n{"_id":"b"', ':2: the file ends within the array'), (b'[', 'the file ends within the array'),
    (b'[{"_id":"a"}\n{"_id":"b"}]', 'expected a comma'), (b'[{"_id":"a"},\n]', ':2: a document is missing'),
    (b'[,]', 'a document is missing'), (b'[] 1', 'more after the array'), (b'[{"_id":"a"},\n\n7]', ':3: a number'),
    (b'{\n  "_id": "a"\n}\n', 'on a line of its own'), (b'[1}', 'a number')],
    ids=['16le', '16be', '16', '32', 'zip', 'zstd', 'bzip2', 'cut', 'open', 'comma', 'last', 'first', 'more',
         'number', 'printed', 'brace'])
def test_import_says_what_it_cannot_take(server, content, message):
    failed = run(server, '--control', server.control, 'import', 'notes', '-', data=content)
    assert failed.returncode == 1 and message in failed.stderr, failed.stderr


def test_import_of_nothing(server):
    """It is asked all the same whether there is such a collection that takes documents."""
    for text in ('', '\n\n', '[]'):
        done = server.ctl('import', 'notes', '-', text=text)
        assert 'notes: 0 documents' in done.stderr
        for collection, message in (('nocoll', 'there is no collection nocoll'), ('settings', 'method')):
            failed = server.ctl('import', collection, '-', text=text, check=False)
            assert failed.returncode == 1 and message in failed.stderr.lower(), failed.stderr
    for command in (['export', 'nocoll'], ['tail', 'nocoll'], ['call', 'nocoll', 'count']):
        assert server.ctl(*command, check=False).returncode == 1


def test_a_reader_that_has_gone(server):
    """As of other tools: the signal ends it. Where that is ignored, it says why it failed."""
    server.load('notes', DOCUMENTS)

    def ended(ignored):
        reading, writing = os.pipe()
        with subprocess.Popen([DISPATCHCTL, '--control', server.control, 'export', 'notes'], stdout=writing,
                              stderr=subprocess.PIPE, env=server.environment(), restore_signals=False,
                              preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else
                                                               signal.SIG_DFL)) as process:
            os.close(writing)
            assert os.read(reading, 1)
            os.close(reading)
            return process.wait(PATIENCE), process.stderr.read().decode()

    assert ended(ignored=False) == (-signal.SIGPIPE, '')
    assert ended(ignored=True) == (1, 'dispatchctl: standard output: Broken pipe\n')


# ---- call ----

def test_call(server):
    assert server.ctl('call', 'notes', 'insert', '{"_id": "a", "n": 1.50}').stdout == '{"_id":"a","_version":0}\n'
    assert server.ctl('call', 'notes', 'detail', '-', text='\ufeff{"_id": "a"}\r\n').stdout == \
        '{"_id":"a","_version":0,"n":1.50}\n'
    assert server.ctl('call', 'notes', 'count').stdout == '1\n'
    described = json.loads(server.ctl('call', 'dispatcher', 'describe').stdout)
    assert 'import' in described['collections']['notes']['methods']
    # Progress, and what comes before the answer, goes to the standard error.
    synced = server.ctl('call', 'notes', 'sync', '{"manifest":{"gone":3}}')
    assert set(json.loads(synced.stdout)) >= {'epoch', 'seq'}
    first, *rest = map(json.loads, synced.stderr.splitlines())
    assert first == 2 and {message['operation'] for message in rest} == {'update', 'remove'}
    for words, message in ((('notes', 'detail', '{"_id":"b"}'), 'not_found: '),
                           (('notes', 'bogus'), 'unknown_method: '), (('nocoll', 'count'), 'unknown_collection: '),
                           (('notes', 'count', '{'), 'the data is not JSON'),
                           (('notes', 'count', '-5'), 'invalid: '), (('notes', 'count', '-'), 'the data is not JSON')):
        failed = server.ctl('call', *words, text='', check=False)
        assert failed.returncode == 1 and not failed.stdout and message in failed.stderr, (words, failed)


def test_call_without_an_answer(server):
    """What is not known is told from what failed."""
    os.kill(server.committer_pid(), signal.SIGSTOP)
    try:
        failed = server.ctl('call', 'notes', 'insert', '{}', '--timeout', '1', check=False)
    finally:
        os.kill(server.committer_pid(), signal.SIGCONT)
    assert failed.returncode == 2 and 'not known whether it was done' in failed.stderr
    wait_until(lambda: server.ctl('call', 'notes', 'count').stdout == '1\n', what='the insertion')


# ---- collections ----

def without(*names):
    config = configuration()
    return {**config, 'collections': {k: v for k, v in config['collections'].items() if k not in names}}


def collections(server):
    lines = map(json.loads, server.ctl('collections', '--json').stdout.splitlines())
    return {line.pop('name'): line for line in lines}


def fill(server):
    server.load('viruses', [{'_id': f'v{i}', 'name': f'Virus {i}', 'taxid': i % 7, 'text': 'x' * 500}
                            for i in range(5000)])
    server.load('notes', [{'_id': 'n'}])


def test_collections(make_server):
    config = configuration()
    many = {f'many{i:03}': {'index': ['n']} for i in range(150)}  # more databases than one answer has
    server = make_server(workers=1, config={**config, 'collections': {**config['collections'], **many}})
    fill(server)
    stored = collections(server)
    assert {'many000', 'many149', 'users', 'viruses', 'notes'} < set(stored)
    assert stored['viruses']['state'] == 'configured' and stored['viruses']['documents'] == 5000
    assert stored['viruses']['bytes'] > 5000 * 500
    assert [(i['field'], i['unique'], i['entries']) for i in stored['viruses']['indexes']] == \
        [('abbreviation', False, 0), ('name', True, 5000), ('taxid', False, 5000)]
    assert stored['users']['state'] == 'built_in' and stored['users']['documents'] == 8
    assert stored['sessions']['state'] == 'internal'
    lines = server.ctl('collections').stdout.splitlines()
    assert lines[0].split() == ['NAME', 'STATE', 'DOCUMENTS', 'SIZE', 'INDEXES']
    row = next(line for line in lines if line.startswith('viruses '))
    assert ' configured ' in row and ' 5000 ' in row and ' MiB ' in row
    assert row.endswith('abbreviation,name (unique),taxid')
    assert server.stop() == 0
    server.configure(without('viruses'))
    server.start()
    left = collections(server)
    assert list(left) == list(stored) and all(left[name]['state'] == 'not_configured' for name in many)
    left = left['viruses']
    assert left['state'] == 'not_configured' and left['documents'] == 5000 and len(left['indexes']) == 3
    assert 'not configured' in next(line for line in server.ctl('collections').stdout.splitlines() if 'viruses' in line)


def remove_on_terminal(server, answer):
    """`collection remove viruses` with a terminal, on which @answer is typed."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(DISPATCHCTL, [DISPATCHCTL, '--control', server.control, 'collection', 'remove', 'viruses'],
                   server.environment())
    shown = b''
    try:
        while b'do so: ' not in shown:
            shown += os.read(master, 65536)
        os.write(master, answer.encode() + b'\n')
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # EIO: the other side has closed it
        pass
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


async def test_collection_remove(make_server):
    server = make_server(workers=1)
    fill(server)
    keeper = await Client.connect(server, 'editor')
    await keeper.call('update', 'viruses', {'_id': 'v7', 'changes': {'name': 'other'}})
    place = await keeper.synchronize('viruses')
    assert len(keeper.copy('viruses')) == 5000
    for name, message in (('viruses', 'is configured'), ('nothing', 'nothing is stored')):
        failed = server.ctl('collection', 'remove', name, '--yes', check=False)
        assert failed.returncode == 1 and message in failed.stderr
    for name, code in (('viruses', 'conflict'), ('users', 'conflict'), ('nothing', 'not_found'), ('c/x', 'invalid')):
        failed = server.ctl('call', 'dispatcher', 'remove_collection', json.dumps({'name': name}), check=False)
        assert f'{code}: ' in failed.stderr and failed.returncode == 1
    await keeper.fails('unknown_method', 'remove_collection', 'dispatcher', {'name': 'viruses'})
    await keeper.fails('unknown_method', 'collections', 'dispatcher', {})
    await keeper.close()
    assert server.stop() == 0
    server.configure(without('viruses'))
    server.start()
    # It asks: on the terminal, and not at all without one.
    failed = subprocess.run([DISPATCHCTL, '--control', server.control, 'collection', 'remove', 'viruses'], text=True,
                            capture_output=True, timeout=PATIENCE, check=False, start_new_session=True,
                            stdin=subprocess.DEVNULL)
    assert failed.returncode == 1 and 'use --yes' in failed.stderr
    status, shown = remove_on_terminal(server, 'y')
    assert status == 1 and '5000 documents' in shown and 'nothing was removed' in shown
    assert collections(server)['viruses']['documents'] == 5000
    status, shown = remove_on_terminal(server, 'viruses')
    assert status == 0 and 'viruses: 5000 documents removed' in shown
    assert 'viruses' not in collections(server) and collections(server)['notes']['documents'] == 1
    assert 'nothing is stored' in server.ctl('collection', 'remove', 'viruses', '--yes', check=False).stderr
    # Configured again it is empty, goes on with its versions, and who had a copy is not told half of it.
    assert server.stop() == 0
    server.configure(configuration())
    server.start()
    assert collections(server)['viruses']['documents'] == 0
    editor = await Client.connect(server, 'editor')
    await editor.fails('resync_required', 'resume', 'dispatcher', place)
    await editor.call('sync', 'viruses', {'manifest': {'v7': 1, 'v8': 0}, **place})
    assert not editor.copy('viruses')
    assert (await editor.call('insert', 'viruses', {'_id': 'v7', 'name': 'again'}))['_version'] == 2
    assert (await editor.call('find', 'viruses', {'query': {'name': 'again'}}))['documents'][0]['_id'] == 'v7'


def test_collection_remove_is_gone_on_with(make_server):
    """kill -9 of everything, somewhere in it."""
    server = make_server(workers=1)
    fill(server)
    assert server.stop() == 0
    server.configure(without('viruses'))
    server.start()
    while collections(server)['viruses']['documents'] == 5000:
        assert json.loads(server.ctl('call', 'dispatcher', 'remove_collection', '{"name":"viruses"}').stdout)['more']
    assert not collections(server)['viruses']['indexes']
    with subprocess.Popen([DISPATCHCTL, '--control', server.control, 'collection', 'remove', 'viruses', '--yes'],
                          stderr=subprocess.PIPE, env=server.environment()) as removal:
        server.kill_all()
        removal.communicate(timeout=PATIENCE)
    # What is left of it, declared again, is a collection like any other.
    server.configure(configuration())
    server.start()
    stored = collections(server)['viruses']
    count = stored['documents']
    assert count in (0, 1000, 3000) and [i['entries'] for i in stored['indexes']] == [0, count, count]
    assert server.ctl('call', 'viruses', 'count', '{"query":{"taxid":{"$gte":0}}}').stdout == f'{count}\n'
    assert server.stop() == 0
    server.configure(without('viruses'))
    server.start()
    assert f'viruses: {count} documents removed' in server.ctl('collection', 'remove', 'viruses', '--yes').stderr
    assert 'viruses' not in collections(server)


# ---- dispatchd ----

def test_log_is_an_absolute_path(make_server):
    server = make_server(start=False)
    for log in ('relative.log', './log', 'sysslog'):
        failed = server.run_once('--log', log)
        assert failed.returncode != 0 and f'expected stderr, syslog or an absolute path, found "{log}"' in failed.stderr
