#!/usr/bin/python3
"""Sends random calls at the limits (random_calls.py) to a server of its own, and reports what cost much that was not
charged.

    DISPATCHD_BUILD=$PWD/build-release tests/system/generate.py --seconds 3600 --seed 1
    DISPATCHD_BUILD=$PWD/build-release tests/system/generate.py --seed 1 --only 17

Each number of a seed is a case: some documents, and calls that are about them. First each call of a round of cases runs
alone on a server with one worker, so that the units and the CPU time of worker and committer, before and after, are its
own; then the cases of the round are sent again all at once, on several connections and over HTTP. Every call must get
exactly one answer of a known code, no process may die, and no call may hold memory in the end. At the end, or after ^C,
the calls are listed that took the most CPU time beyond what their units stand for, and the largest passes and
transactions. --only plays one case back, alone. The exit status is 1 when a promise was broken; CPU time is judged by
who reads the list, since it depends on the machine.
"""

import argparse
import heapq
import json
import os
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from configuration import GROUPS, PERMISSIONS, password
from http_client import HttpClient
from random_calls import COLLECTIONS, Cases
from raw import CLOSE, PING, PONG, TEXT, RawClient, frame, take_frame
from server import PATIENCE, Server, status_pids, wait_until

# What an answer may say here; `timeout` and `internal` are for servers that have lost something.
CODES = {'unknown_collection', 'unknown_method', 'unauthorized', 'forbidden', 'invalid', 'not_found', 'exists', 'conflict',
         'too_large', 'rate_limited', 'busy', 'store_full', 'resync_required', 'unavailable'}
USERS = {'ann': ['lab'], 'reader': [], 'admin': ['administrator']}
CONFIGURATION = {'permissions': PERMISSIONS, 'collections': COLLECTIONS, 'log_level': 'notice', 'durability': 'relaxed',
                 'map_bytes': '16G', 'change_log_entries': 20000,
                 'ping_interval_ms': 60000}  # nobody answers pings while a case is made
WORKER_UNIT_NS, COMMITTER_UNIT_NS = 25, 1  # worker/base/work.h, shared/store/set_work.h
PASS_UNITS = 262144                        # worker/base/work.h
STEP_UNITS = 4 * PASS_UNITS                # the largest: a message full of small values, and what it begins
COMMITTER_UNITS = 160 << 20                # of limits.change_work, and what a step in it adds
PASS_US, SET_US = 10000, 100000            # what is remarkable
SHOWN = 25
ROUND = 40                                 # cases


def digits(text):
    """A number of any length."""
    return int(text) if len(text) < 20 else text


class Caller(RawClient):
    """A connection that takes every answer and looks at nothing else."""

    def __init__(self, server, user):
        super().__init__(server)
        self.received = bytearray()
        self.place = {'epoch': 1, 'seq': 0}
        self.first_place = None
        self.answers = {}
        self.open(user)
        self.socket.settimeout(10 * PATIENCE)

    def request(self, data):
        self.send(data)
        while b'\r\n\r\n' not in self.received:
            assert self.read_more(), 'the connection ended within the handshake'
        head, _, rest = bytes(self.received).partition(b'\r\n\r\n')
        self.received = bytearray(rest)
        return int(head.split(b' ', 2)[1]), head.decode('latin-1')

    def send(self, data):
        """Reads meanwhile: the server takes no more calls while its answers wait."""
        rest = memoryview(data)
        while rest:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 10 * PATIENCE)
            assert readable or writable, 'the server neither reads nor answers'
            if readable:
                assert self.read_more(), 'the connection ended'
            if writable:
                rest = rest[self.socket.send(rest[:1 << 16]):]

    def read_more(self):
        chunk = self.socket.recv(1 << 20)
        self.received += chunk
        return bool(chunk)

    def next_frame(self):
        """One that has come: (opcode, payload)."""
        taken = take_frame(self.received)
        if not taken:
            return None
        opcode, payload, used = taken
        del self.received[:used]
        return opcode, payload

    def frame(self):
        while not (item := self.next_frame()):
            if not self.read_more():
                return None
        return item

    def catch_up(self):
        """Takes all that has come, and answers pings: who does not is cut off."""
        while select.select([self.socket], [], [], 0)[0]:
            assert self.read_more(), 'the connection ended'
            while item := self.next_frame():
                self.take(item)

    def take(self, item=None):
        """The next frame; its opcode."""
        item = item or self.frame()
        assert item is not None and item[0] != CLOSE, f'the connection ended: {item}'
        if item[0] == PING:
            self.send(frame(PONG, item[1]))
        if item[0] == TEXT and item[1].startswith((b'{"operation":"fulfill"', b'{"operation":"ping"')):
            message = json.loads(item[1], parse_int=digits, parse_float=str)
            if message['operation'] == 'fulfill':
                data = message['data']
                assert data['tid'] is not None, f'a message was not understood: {data}'
                assert data['tid'] not in self.answers, f'answered twice: {data}'
                self.answers[data['tid']] = data
            elif message.get('seq') is not None:
                self.place = {'epoch': message['epoch'], 'seq': message['seq']}
                self.first_place = self.first_place or self.place
        return item[0]

    def start(self, call):
        self.next_tid += 1
        place = self.first_place or self.place
        text = call.text.replace('"@@epoch@@"', str(place['epoch'])).replace('"@@seq@@"', str(place['seq']))
        self.send(frame(TEXT, f'{{"tid":{self.next_tid},"methodName":{json.dumps(call.method)},'
                              f'"collectionName":"{call.collection}","data":{text}}}'))
        return self.next_tid

    def answer(self, tid):
        while tid not in self.answers:
            self.take()
        return self.answers.pop(tid)

    def settle(self):
        """The pass in which the last answer was sent has ended when a later one sends this."""
        self.send(frame(PING, b'x'))
        while self.take() != PONG:
            pass


def judge(call, answer):
    assert answer['success'] or answer['data']['code'] in CODES, f'{call}: {str(answer)[:500]}'


def cpu_ns(pid):
    """Of a process, its threads together: clock_getcpuclockid(3)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Spent:
    """What the processes have used up to now."""

    def __init__(self, server):
        status = server.status()
        self.worker, self.committer = status['workers'][0], status['committer']
        self.cpu = cpu_ns(self.worker['pid']), cpu_ns(self.committer['pid'])
        self.units = self.worker['work_units'], self.committer['work_units']

    def largest(self):
        return (self.worker['largest_pass_cpu_us'], self.worker['largest_step_units'], self.committer['largest_cpu_us'])


class Finding:
    def __init__(self, name, call, answer, before, after):
        self.name, self.call = name, call
        self.code = 'ok' if answer['success'] else answer['data']['code']
        self.units = [b - a for a, b in zip(before.units, after.units)]
        self.ns = [b - a for a, b in zip(before.cpu, after.cpu)]
        self.largest = after.largest()
        self.grown = [b > a for a, b in zip(before.largest(), after.largest())]

    def uncharged(self, process, unit_ns):
        return self.ns[process] - self.units[process] * unit_ns

    def __str__(self):
        def of(process):
            units, ns = self.units[process], self.ns[process]
            return f'{ns / 1e6:8.2f} ms {units / 1000:9.1f} k {ns / max(1, units):8.1f} ns'
        largest = ' '.join(f'{name} {value / 1000:.1f} {unit}' for name, unit, value, grown in zip(
            ('PASS', 'STEP', 'SET'), ('ms', 'k', 'ms'), self.largest, self.grown) if grown)
        return (f'{self.name:>12} {len(self.call.text):8} B {self.code:12} worker {of(0)} committer {of(1)} '
                f'{largest:34} {self.call}')


class Report:
    """The calls that cost the most beyond their units, by process; and those that were the largest at once."""

    def __init__(self):
        self.calls = 0
        self.most = [], []
        self.large = []

    def add(self, finding):
        self.calls += 1
        for process, (heap, unit_ns) in enumerate(zip(self.most, (WORKER_UNIT_NS, COMMITTER_UNIT_NS))):
            heapq.heappush(heap, (finding.uncharged(process, unit_ns), self.calls, finding))
            if len(heap) > SHOWN:
                heapq.heappop(heap)
        pass_us, step, set_us = finding.largest
        grown = finding.grown
        if grown[0] and pass_us > PASS_US or grown[1] and step > 2 * PASS_UNITS or grown[2] and set_us > SET_US:
            self.large.append(finding)
            return True
        return False

    def show(self):
        print(f'\n{self.calls} calls')
        for title, heap in zip(('worker', 'committer'), self.most):
            print(f'\nCPU beyond the units, {title}:')
            for _, _, finding in sorted(heap, key=lambda item: (-item[0], item[1])):
                print(finding)
        print('\nlargest passes, steps and transactions:')
        for finding in self.large[-3 * SHOWN:]:
            print(finding)


class Generator:
    def __init__(self, server, report=None):
        self.server = server
        self.report = report
        self.connect()

    def connect(self):
        self.pids = status_pids(self.server.status())
        self.callers = {user: Caller(self.server, user) for user in USERS}

    def restart(self):
        """The largest of anything is as of a start: another one shows what comes next."""
        self.close()
        self.server.restart()
        self.connect()

    def close(self):
        for caller in self.callers.values():
            caller.socket.close()

    def alone(self, seed, number):
        """Each call of a case, one after the other."""
        for n, call in enumerate(Cases(seed, number).make()):
            caller = self.callers[call.user]
            before = Spent(self.server)
            try:
                answer = caller.answer(caller.start(call))
                for each in self.callers.values():
                    each.settle()
            except (AssertionError, OSError) as error:
                raise AssertionError(f'{seed}/{number}.{n}, {call}: {error}\n{self.server.log()[-2000:]}') from error
            judge(call, answer)
            assert not any(each.answers for each in self.callers.values()), f'{call}: an answer too many'
            finding = Finding(f'{seed}/{number}.{n}', call, answer, before, Spent(self.server))
            if self.report and self.report.add(finding):
                self.restart()
            yield finding

    def together(self, seed, numbers):
        """All of them at once: on the connection of each user, one of each case over HTTP."""
        open_calls = []
        for number in numbers:
            calls = Cases(seed, number).make()
            for n, call in enumerate(calls):
                for each in self.callers.values():
                    each.catch_up()
                if n == 1 and '@@' not in call.text and len(call.method) < 100:
                    self.over_http(call)
                else:
                    caller = self.callers[call.user]
                    open_calls.append((caller, caller.start(call), call))
            while len(open_calls) > 40:
                caller, tid, call = open_calls.pop(0)
                judge(call, caller.answer(tid))
        for caller, tid, call in open_calls:
            judge(call, caller.answer(tid))
        for caller in self.callers.values():
            caller.settle()
            assert not caller.answers, 'an answer too many'

    def over_http(self, call):
        with HttpClient(self.server, user=call.user) as client:
            body = call.text.encode()
            client.send(f'POST /api/{call.collection}/{call.method} HTTP/1.1\r\nHost: localhost\r\n'
                        f'Authorization: Bearer {client.token}\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
            answer = client.answer()
            data = json.loads(answer.content, parse_int=digits, parse_float=str)
            judge(call, {'success': answer.status == 200, 'data': data})

    def check(self):
        """No process has died, and no call holds memory."""
        wait_until(lambda: all(w['calls_bytes'] == 0 for w in self.server.status()['workers']), what='calls_bytes of 0')
        assert status_pids(self.server.status()) == self.pids, 'a process has died'


def prepared(server):
    """The groups, the users and their tokens."""
    for name, permissions in GROUPS.items():
        server.ctl('group', 'add', name, *(word for p in permissions for word in ('--permission', p)))
    for name, groups in USERS.items():
        server.ctl('user', 'add', name, '--password-stdin', *(word for g in groups for word in ('--group', g)),
                   text=password(name) + '\n')
        with RawClient(server) as client:
            answer = client.open().call('authorize_by_login', 'users', {'username': name, 'password': password(name)})
            server.tokens[name] = answer['data']['token']
    return server


def run(options, report):
    server = Server(workers=1, config=CONFIGURATION)
    try:
        generator = Generator(prepared(server.start()), report)
        numbers = [options.only] if options.only is not None else range(options.first, options.first + ROUND)
        deadline = time.monotonic() + options.seconds
        while True:
            for number in numbers:
                for finding in generator.alone(options.seed, number):
                    if options.only is not None:
                        print(finding)
            if options.only is not None:
                return
            generator.together(options.seed, numbers)
            generator.check()
            if time.monotonic() > deadline:
                return
            numbers = range(numbers.stop, numbers.stop + ROUND)
    finally:
        problems = server.close()
        assert not problems, '\n'.join(problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--seed', default='1')
    parser.add_argument('--first', type=int, default=0, help='number of the first case')
    parser.add_argument('--only', type=int, help='number of one case')
    options = parser.parse_args()
    report = Report()
    try:
        run(options, report)
    except KeyboardInterrupt:
        pass
    finally:
        report.show()


if __name__ == '__main__':
    main()
