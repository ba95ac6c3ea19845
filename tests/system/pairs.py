"""Configurations in which every pair of ends of ranges occurs, and what a client may do with each of them at the
bounds. As a program it runs all of them: pairs.py [SEED [FIRST [LAST]]]."""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
import traceback
from itertools import combinations

from configuration import COLLECTIONS, FREE, GROUPS, USERS, configuration, password
from conftest import log_everybody_in
from http_client import HttpClient
from http_client import request as http_request
from raw import PING, PONG, TEXT, RawClient, frame
from server import DISPATCHD, Server, scaled

KIB, MIB = 1 << 10, 1 << 20
LARGE = 16 * MIB  # of what is made of many small parts
ENUMS = {'durability': ['full', 'relaxed'], 'log_level': ['error', 'warning', 'notice', 'info', 'debug'],
         'control_mode': ['0000', '0600', '0777']}
# What would take the whole machine.
INSTEAD = {('workers', 256): scaled(32, 6)}
INSTEAD.update({(f'limits.{name}_bytes', 128 * MIB): scaled(128 * MIB, 16 * MIB)
                for name in ('message', 'document', 'result')})
# (option, times, other): the option must be so many times the other.
HOLD = [(option, times, other) for option, times in (('ring_bytes', 8), ('backlog_bytes', 4),
                                                     ('limits.committer_queue_bytes', 1),
                                                     ('limits.worker_calls_bytes', 2))
        for other in ('limits.message_bytes', 'limits.document_bytes')]
HOLD.append(('limits.strangers_bytes', 1, 'limits.stranger_message_bytes'))
HOLD.append(('limits.worker_calls_bytes', 2, 'limits.result_bytes'))


def tight(values, document, message):
    """The least that the sizes may be with these."""
    chosen = {option: known[min(1, len(known) - 1)] for option, known in values.items()}
    chosen.update({'limits.document_bytes': document, 'limits.message_bytes': message, 'map_bytes': 1 << 36,
                   'limits.result_bytes': max(document, message), 'durability': 'full', 'workers': 1})
    least = {option: values[option][0] for option, _, _ in HOLD}
    for option, times, base in HOLD:
        least[option] = max(least[option], times * chosen[base])
    return {**chosen, **least}


def in_bytes(text):
    return int(text[:-1]) << {'K': 10, 'M': 20, 'G': 30}[text[-1]] if text[-1:] in 'KMG' and text else int(text)


def option_values():
    """{option: [least, default, most]} of all numbers, and the enums."""
    table = subprocess.run([DISPATCHD, '--help=table'], capture_output=True, text=True, check=True).stdout
    values = {}
    for line in table.splitlines():
        name, kind, fallback, least, most, *_ = line.split('\t')
        if kind in ('number', 'bytes'):
            three = [int(least), in_bytes(fallback), int(most)]
            values[name] = sorted({INSTEAD.get((name, value), value) for value in three})
    values['stall_timeout_ms'].append(3000)
    values['limits.connections_per_address'].append(1)
    return {**values, **ENUMS}


def light(values):
    """With smaller sizes of what is sent, fewer processes, and no times that a busy machine needs itself."""
    most = {'workers': 4, 'limits.message_bytes': MIB, 'limits.document_bytes': MIB,
            'limits.result_bytes': MIB, 'limits.bulk_documents': 500}
    return {option: [min(value, most.get(option, value)) if isinstance(value, int) else value for value in known]
            for option, known in values.items()} | {option: values[option][1:] for option in (
                'map_bytes', 'ping_interval_ms', 'limits.handshake_ms', 'limits.request_ms', 'limits.authorize_ms')}


def cannot_hold(one, other):
    """Whether two choices (option, value) contradict each other."""
    chosen = dict((one, other))
    work = max(chosen.get('limits.change_work', 0), 128 * chosen.get('limits.document_bytes', 0))
    if 0 < chosen.get('stall_timeout_ms', 0) < work // 333333:
        return True
    return any(option in chosen and base in chosen and chosen[option] < times * chosen[base]
               for option, times, base in HOLD)


def contradictions(values):
    choices = [(option, value) for option in values for value in values[option]]
    return [pair for pair in combinations(choices, 2) if pair[0][0] != pair[1][0] and cannot_hold(*pair)]


def covering(values, chance):
    """Configurations {option: value} that hold together, in which every pair of values that can occurs."""
    choices = [(option, value) for option in values for value in values[option]]
    left = {frozenset(pair) for pair in combinations(choices, 2)
            if pair[0][0] != pair[1][0] and not cannot_hold(*pair)}
    made = []
    while left:
        best = max((one_more(values, left, chance) for _ in range(10)), key=lambda c: covered(c, left))
        left -= pairs_of(best)
        made.append(best)
    return made


def pairs_of(chosen):
    return {frozenset(pair) for pair in combinations(chosen.items(), 2)}


def covered(chosen, left):
    return len(pairs_of(chosen) & left)


def one_more(values, left, chance):
    """Begins with a pair that has not been, and adds of each option the value with the most new pairs."""
    chosen = dict(chance.choice(sorted((sorted(pair, key=repr) for pair in left), key=repr)))
    rest = [option for option in values if option not in chosen]
    chance.shuffle(rest)
    for option in rest:
        fits = [value for value in values[option]
                if not any(cannot_hold((option, value), other) for other in chosen.items())]
        if not fits:  # another pair of these
            return one_more(values, left, chance)
        chosen[option] = max(fits, key=lambda value: (
            sum(frozenset(((option, value), other)) in left for other in chosen.items()), chance.random()))
    return chosen


def file_of(chosen):
    """The configuration file."""
    limits = {name[7:]: value for name, value in chosen.items() if name.startswith('limits.')}
    rest = {name: value for name, value in chosen.items() if not name.startswith('limits.') and name != 'workers'}
    collections = {**COLLECTIONS, 'notes': {'methods': FREE, 'projector': ['n']}}
    return configuration(collections=collections, limits=limits, **rest)


class Answering(RawClient):
    """A client that answers pings."""

    def frame(self):
        item = super().frame()
        if item and item[0] == PING:
            try:
                self.send(frame(PONG, item[1]))
            except OSError:  # the close frame may be behind it
                pass
        return item


class Trial:
    """One configuration, with a server that has it."""

    def __init__(self, server, chosen, seed=0):
        self.server = server
        self.chosen = chosen
        self.limits = {name[7:]: value for name, value in chosen.items() if name.startswith('limits.')}
        self.chance = random.Random(seed)
        self.full = False  # the store may be
        self.client = None
        self.hurried = chosen['ping_interval_ms'] < 1000  # a large message takes longer than three of them

    def run(self):
        checked = self.server.run_once('--check-config')
        assert checked.returncode == 0, checked.stderr
        self.server.start()
        before = self.pids()
        for step in (self.log_in, self.small, self.catch_up, self.messages, self.documents, self.results, self.lists,
                     self.manifest, self.over_http, self.log_out):
            began = time.monotonic()
            step()
            if time.monotonic() - began > 20:
                print(f'{step.__name__}: {time.monotonic() - began:.1f} s', file=sys.stderr)
        self.close()
        assert self.pids() == before, self.server.log()[-3000:]
        assert self.server.stop() == 0, self.server.log()[-3000:]

    def pids(self):
        status = self.server.status()
        assert status['restarts'] == 0, status
        return status['committer']['pid'], [worker['pid'] for worker in status['workers']]

    # ---- connections: there may be no more than one ----

    def close(self):
        if self.client:
            self.client.socket.close()
            self.client = None
            self.gone()

    def gone(self):
        deadline = time.monotonic() + 20
        while sum(self.server.connections()):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def connected(self):
        if not self.client:
            self.gone()
            self.client = Answering(self.server)
            self.client.socket.settimeout(120)
            self.client.open('ann')
        return self.client

    def answer(self, client, tid):
        while True:
            message = client.message()
            if message['operation'] == 'fulfill' and message['data']['tid'] == tid:
                return message['data']

    def call(self, method, collection=None, data=None, may_fail=()):
        """The result; None when it failed with one of the codes."""
        answer = self.connected().call(method, collection, data)
        if self.chosen['map_bytes'] < 256 * MIB and not answer['success'] and answer['data']['code'] == 'store_full':
            self.full = True
            return None
        if not answer['success'] and answer['data']['code'] in may_fail:
            return None
        assert answer['success'], (method, answer)
        return answer['data']

    def fails(self, code, method, collection=None, data=None):
        answer = self.connected().call(method, collection, data)
        assert not answer['success'] and answer['data']['code'] in (code, 'store_full'), f'{method}: {answer}'[:300]

    # ---- what is done ----

    def log_in(self):
        client = Answering(self.server)
        try:
            client.open()
            answer = client.call('authorize_by_login', 'users', {'username': 'ben', 'password': password('ben')})
            assert answer['success'], answer
            self.server.tokens['ben'] = answer['data']['token']
        except AssertionError:
            if self.limits['authorize_ms'] > 100:  # else a password's hash may take longer
                raise
        client.socket.close()
        self.gone()

    def small(self):
        made = self.call('insert', 'notes', {'_id': 'one', 'n': 1})
        if made is None:
            return
        assert made == {'_id': 'one', '_version': 0}
        assert self.call('find', 'notes', {'query': {'n': 1}})['documents'] == [{'_id': 'one', '_version': 0, 'n': 1}]
        assert self.call('count', 'notes', {}) == 1
        assert self.call('detail', 'notes', {'_id': 'one'})['n'] == 1
        self.call('update', 'notes', {'_id': 'one', 'changes': {'n': 2}})
        self.call('patch', 'notes', {'_id': 'one', 'operations': [{'op': 'add', 'path': '/m', 'value': 3}]})

    def catch_up(self):
        position = self.call('sync', 'notes', {'manifest': {}})
        for n in range(3):
            self.call('update', 'notes', {'_id': 'one', 'changes': {'n': 10 + n}}, may_fail=['not_found'])
        self.call('resume', None, position, may_fail=['resync_required'])
        self.call('sync', 'notes', {'manifest': {'one': 0}, **position})

    def sized_call(self, size, tid=9):
        """A call in a message of exactly so many bytes."""
        text = json.dumps({'tid': tid, 'methodName': 'count', 'collectionName': 'notes', 'data': {}})
        return text[:-1] + ' ' * (size - len(text)) + '}'

    def messages(self):
        most = self.limits['message_bytes']
        if self.hurried and most > MIB:
            return
        client = self.connected()
        client.send(frame(TEXT, self.sized_call(most)))
        answer = self.answer(client, 9)
        assert answer['success'], answer
        # In two halves.
        text = self.sized_call(most).encode()
        client.send(frame(TEXT, text[:most // 2], final=False) + frame(0, text[most // 2:]))
        assert self.answer(client, 9)['success']
        self.refused(client, frame(TEXT, self.sized_call(most + 1)), 1009)
        # The same before a log-in, which is bounded by less.
        stranger = min(self.limits['stranger_message_bytes'], most)
        if self.limits['authorize_ms'] > 100 or stranger < MIB:
            client = self.client = Answering(self.server).open()
            client.send(frame(TEXT, self.sized_call(stranger)))
            answer = self.answer(client, 9)
            assert answer['data']['code'] == 'unauthorized', answer
            self.refused(client, frame(TEXT, self.sized_call(stranger + 1)), 1009)

    def refused(self, client, data, code):
        try:
            client.send(data)
        except OSError:
            pass
        closed = client.close_code()
        assert closed in (code, None), closed
        self.close()

    def document(self, key, size):
        text = json.dumps({'_id': key, '_version': 0, 'n': 1, 'text': ''}, separators=(',', ':'))
        return {'_id': key, 'n': 1, 'text': 'x' * (size - len(text))}

    def documents(self):
        """At the bound of a document; it comes by a message where that is large enough, else by a tool."""
        most = self.limits['document_bytes']
        exact, more = self.document('exact', most), self.document('more', most + 1)
        if most + 200 <= self.limits['message_bytes'] and not (self.hurried and most > MIB):
            self.call('insert', 'notes', exact, may_fail=[])
            self.fails('too_large', 'insert', 'notes', more)
        else:
            # Grown out of one that a message has room for, by copies within.
            self.grow('grown', most)
            self.close()
            for document, code in (exact, 0), (more, 1):
                done = self.server.ctl('import', 'notes', '-', text=json.dumps(document) + '\n', check=False,
                                       seconds=120)
                assert done.returncode == code or self.chosen['map_bytes'] < 256 * MIB, done
        self.grow('patched', most)
        if self.call('count', 'notes', {'query': {'_id': 'exact'}}):
            found = self.call('detail', 'notes', {'_id': 'exact'})
            assert found == {**exact, '_version': 0}
            self.call('update', 'notes', {'_id': 'exact', 'changes': {'n': 2}})
            self.call('remove', 'notes', {'_id': 'exact'})
        for key in 'patched', 'grown':
            self.call('remove', 'notes', {'_id': key})

    def grow(self, key, most):
        """Doubles a text until the next doubling would be too large, and goes beyond."""
        piece = 'x' * 100
        if self.call('insert', 'notes', {'_id': key, 't': [piece]}) is None:
            return
        size = 150
        while size * 2 + 50 < most:
            done = self.call('patch', 'notes', {'_id': key, 'operations': [
                {'op': 'copy', 'from': '/t', 'path': '/u'}, {'op': 'add', 'path': '/v', 'value': []},
                {'op': 'move', 'from': '/u', 'path': '/v/0'}, {'op': 'move', 'from': '/t', 'path': '/v/1'},
                {'op': 'move', 'from': '/v', 'path': '/t'}]})
            if done is None:
                return
            size *= 2
        assert self.call('detail', 'notes', {'_id': key})['_id'] == key
        self.fails('too_large', 'patch', 'notes', {'_id': key, 'operations': [
            {'op': 'copy', 'from': '/t', 'path': '/u'}, {'op': 'copy', 'from': '/t', 'path': '/w'},
            {'op': 'copy', 'from': '/t', 'path': '/y'}]})

    def results(self):
        """A find whose answer has exactly as many documents as it may, and one more."""
        most = min(self.limits['result_bytes'], LARGE)
        part = max(64, min(most // 8, self.limits['document_bytes'] - 20, self.limits['message_bytes'] - 300))
        count = min(most // part + 2, 40)
        for n in range(count):
            if self.call('insert', 'notes', self.document(f'r{n}', part)) is None:
                break
        for sort in ({}, {'sort': {'n': 1}}):
            got, skip = [], 0
            while True:
                found = self.call('find', 'notes', {'query': {'n': 1}, 'skip': skip, **sort},
                                  may_fail=['too_large'] if sort else [])
                if found is None:
                    break
                skip += len(found['documents'])
                got += found['documents']
                if not found['more']:
                    break
                assert found['documents'], 'more, and none of them'
        self.call('update', 'notes', {'query': {'n': 1}, 'changes': {'m': 5}}, may_fail=['too_large'])

    def lists(self):
        most = self.limits['bulk_documents']
        size = len('{"_id": "l000000"}, ')
        room = (min(self.limits['message_bytes'], LARGE) - 200) // size
        count = min(most, room, scaled(10000, 2000))
        documents = [{'_id': f'l{n:0>6}'} for n in range(count)]
        made = self.connected().call('insert', 'notes', documents)
        if made['success']:
            assert len(made['data']) == count
        else:
            assert made['data']['code'] in ('too_large', 'store_full'), made
        if most < room:
            self.fails('too_large', 'insert', 'notes', [{'_id': f'm{n}'} for n in range(most + 1)])
        if made['success']:
            changed = self.connected().call('update', 'notes', {'query': {}, 'changes': {'n': 7}})
            assert changed['success'] or changed['data']['code'] in ('too_large', 'store_full'), changed
            for id_ in documents[:1] if count > 1000 else documents[:20]:
                self.call('remove', 'notes', {'_id': id_['_id']})

    def manifest(self):
        """Of documents that are not there, as large as a message may be."""
        room = min(self.limits['message_bytes'], MIB if self.hurried else scaled(LARGE, 4 * MIB)) - 200
        count = max(1, room // len('"000000":0,'))
        manifest = {f'{n:0>6}': 0 for n in range(count)}
        text = json.dumps({'tid': 'm', 'methodName': 'sync', 'collectionName': 'notes', 'data': {'manifest': manifest}},
                          separators=(',', ':'))
        client = self.connected()
        client.send(frame(TEXT, text))
        removed = 0
        while True:
            message = client.message()
            if message['operation'] == 'remove':
                removed += len(message['data'])
            if message['operation'] == 'fulfill' and message['data']['tid'] == 'm':
                break
        if message['data']['success']:
            assert removed == count
        else:
            raise AssertionError(message)

    def over_http(self):
        self.close()
        most = self.limits['message_bytes']
        body = b'{}' + b' ' * (most - 2)
        for size in most, most + 1:
            if self.limits['request_ms'] <= 100 and size > MIB:
                continue
            request = http_request('/api/notes/count', f'Authorization: Bearer {self.server.tokens["ann"]}',
                                   body=body + b' ' * (size - most))
            with HttpClient(self.server, 'ann') as client:
                client.socket.settimeout(120)
                try:
                    client.send(request)
                except OSError:
                    pass
                answer = client.answer()
                assert answer.status == (200 if size == most else 413), (size, answer.status, answer.content)
            self.gone()

    def log_out(self):
        client = Answering(self.server)
        if 'ben' in self.server.tokens:
            client.open('ben')
            assert client.call('logout', 'users', {})['success']
        client.socket.close()


def refused_with_both(server, pair, values):
    """What contradicts each other is refused, with the names of both."""
    names = {name for name, _ in pair}
    chosen = {option: values[option][-1] for option, _, _ in HOLD}
    chosen.update({base: values[base][0] for _, _, base in HOLD})
    chosen['stall_timeout_ms'] = 0
    if 'limits.strangers_bytes' in names:  # a stranger's message is no larger than any other one
        chosen['limits.message_bytes'] = values['limits.message_bytes'][-1]
        names = {'limits.strangers_bytes', 'limits.message_bytes'}
    chosen.update(pair)
    server.configure(file_of(chosen))
    checked = server.run_once('--check-config')
    assert checked.returncode == 1 and names <= set(re.findall(r'[a-z._]+', checked.stderr)), (pair, checked)


def prepared():
    """A stopped server whose store has the people of the tests."""
    server = Server(workers=1).start()
    for name, groups in GROUPS.items():
        server.ctl('group', 'add', name, *(word for p in groups for word in ('--permission', p)))
    for name, groups in USERS.items():
        server.ctl('user', 'add', name, '--password-stdin', *(word for g in groups for word in ('--group', g)),
                   text=password(name) + '\n')
    server.tokens = asyncio.run(log_everybody_in(server))
    assert server.stop() == 0
    return server


def chosen_by(seed):
    """0: sizes that just hold together; odd: without the smallest map, in which nothing large has room."""
    values = option_values()
    if seed == 0:
        return [tight(values, document * KIB, message * KIB) for document, message in (
            (8, 8), (64, 64), (64, 128), (128, 64), (1024, 1024), (1024, 4096), (4096, 1024), (8192, 8192))]
    if seed % 2:
        values = {**values, **{option: values[option][1:] for option in ('map_bytes', 'ping_interval_ms')}}
    return covering(values, random.Random(seed))


def main():
    seed, first, last = [*map(int, sys.argv[1:]), *(1, 0, 1000000)[len(sys.argv) - 1:]]
    made, template = chosen_by(seed), prepared()
    for n in range(first, min(last, len(made))):
        server = Server(workers=made[n]['workers'], config=file_of(made[n]), template=template)
        began, outcome = time.monotonic(), 'held'
        try:
            Trial(server, made[n], seed).run()
        except Exception:  # pylint: disable=broad-except
            outcome = f'{json.dumps(made[n])}\n{traceback.format_exc()[-1500:]}'
        outcome = '\n'.join([outcome, *server.close()])
        print(f'{n} of {len(made)}: {time.monotonic() - began:.1f} s: {outcome}', flush=True)
    template.close()


if __name__ == '__main__':
    main()
