"""People who change documents, users, groups and sessions, several calls at once over WebSocket and over HTTP, while
administrators take their rights, their groups, their sessions and their accounts from them, and give them back."""

import asyncio
import hashlib
import os
import signal

from client import CallError, Client
from configuration import COLLECTIONS, FREE, PERMISSIONS, configuration, password
from http_client import HttpClient
from rights_judge import WRITTEN, State

WRITERS = ['ann', 'ben', 'carl', 'editor']
MODERATORS = ['curator', 'insider']
MALLORY = 'reader'  # an administrator most of the time
PEOPLE = [*WRITERS, *MODERATORS, MALLORY]
OWN = {'ann': ['lab'], 'ben': ['lab'], 'carl': ['other'], 'editor': ['lab', 'other']}  # groups, beside the following
KEEPERS = {'write_papers': True, 'remove_papers': True, 'see_secrets': True}
HELPERS = {'modify_options': True}
BALLAST = 1500
TARGETS = 4
HOLD_SECONDS, RUN_SECONDS = 0.3, 0.2  # at most, when nobody calls

SAMPLES = {'rights': COLLECTIONS['samples']['rights'], 'methods': FREE}
CONFIGURATION = configuration(
    permissions=[*PERMISSIONS, 'write_papers', 'remove_papers'], log_level='notice', backlog_bytes='64M',
    limits={'login_attempts': 1000000, 'stranger_calls': 1000000, 'handshake_ms': 600000},
    collections={
        'samples': SAMPLES, 'secrets': {'read': 'see_secrets', 'methods': FREE},
        'notes': {'methods': FREE}, 'ballast': {'methods': FREE},
        'papers': {**SAMPLES, 'methods': {**{m: ['write_papers'] for m in ('insert', 'update', 'patch')},
                                          'remove': ['remove_papers']}},
    })


def session_of(token):
    """Under which id a session is stored."""
    return hashlib.blake2b(token.encode(), digest_size=32).hexdigest()


class Call:
    """A call and what became of it."""

    def __init__(self, number, known, hand, call):
        self.number = number      # in the order in which calls were sent
        self.known = known        # the last change that somebody had seen before it was sent
        self.user, self.session = hand.user, hand.session
        self.method, self.collection, self.data = call
        self.of_session = self.of_user = None  # what remove_session is about
        self.code = self.answer = None         # code: None when it succeeded
        self.answered = None      # how many calls had been sent when the answer came
        self.limit = None

    def take(self, success, answer, answered):
        self.code, self.answer, self.answered = None if success else answer['code'], answer, answered

    @property
    def judged(self):
        """Whether it was refused for what rights say."""
        return (self.code in ('forbidden', 'unauthorized')
                or (self.collection in WRITTEN and self.code in ('not_found', 'exists')))

    def subjects(self):
        """What of users, groups, sessions and removed documents it may change."""
        data = self.data if isinstance(self.data, dict) else {}
        if self.method == 'logout':
            return [('sessions', self.session)]
        if self.method == 'remove_session':
            return [('sessions', self.of_session)]
        if self.collection in WRITTEN and self.method != 'remove':
            return []
        ids = data.get('_id', data.get('user_id'))
        return [(self.collection, key) for key in (ids if isinstance(ids, list) else [ids])]

    def __repr__(self):
        outcome = f'{self.code}, "{self.answer["message"]}"' if self.code else 'done'
        return (f'{self.number} of {self.user} ({self.session[:8]}), sent after {self.known}, answered before '
                f'{self.limit}: {self.collection}.{self.method} {self.data}: {outcome}')


class HttpHand(HttpClient):
    """The same over HTTP: one call at a time."""

    async def post_call(self, call):
        loop = asyncio.get_running_loop()
        self.socket.setblocking(False)
        if call[0] == 'authorize_by_login':
            self.token = None  # one that does not hold any more would be refused whatever is called
        data = self.call_bytes(*call)
        self.log_ins += data.count(b'/api/users/authorize_by_')
        await loop.sock_sendall(self.socket, data)
        while not self.is_whole():
            chunk = await loop.sock_recv(self.socket, 1 << 20)
            assert chunk, 'the connection ended'
            self.received += chunk
        answer = self.answer()
        return answer.status == 200, answer.data

    def is_whole(self):
        head, separator, rest = self.received.partition(b'\r\n\r\n')
        lengths = [int(line[15:]) for line in head.lower().split(b'\r\n') if line.startswith(b'content-length:')]
        return bool(separator) and len(rest) >= lengths[0]


class Hand:
    """Somebody's connection, and the session that it has."""

    def __init__(self, world, index, user, http):
        self.world, self.index, self.user, self.http = world, index, user, http
        self.token = world.server.tokens[user]
        self.session = session_of(self.token)
        self.client = None
        self.shown = None  # the id of the session for remove_session
        self.targets = [f't{index}-{n}' for n in range(TARGETS)]

    async def connect(self):
        if self.http:
            self.client = HttpHand(self.world.server, self.user)
        else:
            self.client = await Client.connect(self.world.server, self.user)
            await self.client.call('subscribe', data={'collections': ['notes']})
        await self.learn_session()

    async def plain(self, *call):
        """A call that is not on record."""
        if not self.http:
            return await self.client.call(*call)
        success, data = await self.client.post_call(call)
        if not success:
            raise CallError(data)
        return data

    async def learn_session(self):
        try:
            found = await self.plain('sessions', 'users', {})
            self.shown = next(session['id'] for session in found if session['current'])
            self.world.shown[self.shown] = (self.session, self.user)
        except CallError as error:
            assert error.code == 'unauthorized', error
            self.shown = None

    async def log_in(self):
        """Until somebody has made it possible again."""
        data = {'username': self.user, 'password': password(self.user)}
        while True:
            await self.world.there[self.user].wait()
            try:
                self.token = (await self.plain('authorize_by_login', 'users', data))['token']
                break
            except CallError as error:
                assert error.code in ('unauthorized', 'busy'), error
                await asyncio.sleep(0.02)
        self.session = session_of(self.token)
        self.world.logged_in[self.session] = self.user
        if self.http:
            self.client.token = self.token
        await self.learn_session()

    async def start(self, make):
        """Sends the call that @make(number) makes; returns (the call, the future of its end)."""
        call = self.world.record(self, make)
        if self.http:
            return call, asyncio.ensure_future(self.ask(call))
        future = await self.client.start(call.method, call.collection, call.data)
        future.add_done_callback(lambda done: self.take(call, done))
        return call, future

    def take(self, call, done):
        if not done.cancelled() and not done.exception():
            call.take(done.result()['success'], done.result()['data'], self.world.sent)

    async def ask(self, call):
        success, data = await self.client.post_call((call.method, call.collection, call.data))
        call.take(success, data, self.world.sent)

    async def call(self, make):
        call, future = await self.start(make)
        await asyncio.wait_for(future, 60)
        return call

    async def live(self, chance, make):
        """Calls in bursts, until everything is over."""
        while not self.world.over:
            count = 1 if self.http else chance.randrange(1, 12)
            begun = [await self.start(lambda number: make(chance, self, number)) for _ in range(count)]
            for _, future in begun:
                await asyncio.wait_for(future, 60)
            if any(call.code == 'unauthorized' or call.method == 'logout' for call, _ in begun):
                await self.log_in()


class World:
    def __init__(self, server):
        self.server = server
        self.observer = None
        self.bosses = []
        self.hands = []
        self.calls = {}      # {number: Call}
        self.sent = 0
        self.over = False
        self.shown = {}      # {id for remove_session: (session, user)}
        self.logged_in = {session_of(token): user for user, token in server.tokens.items()}
        self.there = {}      # {user: an event: can log in}

    async def begin(self):
        server = self.server
        for user in PEOPLE:
            self.there[user] = asyncio.Event()
            self.there[user].set()
        self.bosses = [Hand(self, -1, 'admin', False) for _ in range(2)]
        users = [*WRITERS, 'ann', *MODERATORS, 'curator', MALLORY]
        self.hands = [Hand(self, n, user, http=False) for n, user in enumerate(users)]
        self.hands += [Hand(self, len(users) + n, user, http=True) for n, user in enumerate(
            ['ann', 'editor', 'curator', MALLORY])]
        server.load('ballast', [{'_id': f'b{n}', 'n': 0} for n in range(BALLAST)])
        for hand in [*self.bosses, *self.hands]:
            await hand.connect()
        await self.furnish()
        self.observer = await Client.connect(server, 'admin')
        await self.observer.call('subscribe', data={'collections': [*WRITTEN, 'users', 'groups']})
        await self.observer.synchronize(*WRITTEN, 'users', 'groups')
        self.start = server.status()['seq']
        return State(dict(self.observer.copy('users')), dict(self.observer.copy('groups')), dict(self.logged_in),
                     {name: dict(self.observer.copy(name)) for name in WRITTEN})

    async def furnish(self):
        """The groups, who is in them, and whom moderators do things to."""
        boss = self.bosses[0]
        for group, permissions in (('keepers', KEEPERS), ('helpers', HELPERS)):
            await boss.plain('add', 'groups', {'_id': group})
            await boss.plain('update_permissions', 'groups', {'_id': group, 'permissions': permissions})
        for user in PEOPLE:
            for group in groups_of(user):
                await boss.plain('set_group', 'users', {'user_id': user, 'group_id': group, 'member': True})
        targets = [name for hand in self.hands if hand.user not in WRITERS for name in hand.targets]
        self.server.load('users', [{'_id': name, 'groups': [], 'primary_group': None, 'force_reset': False,
                                    'settings': {}} for name in targets])
        self.server.load('groups', [{'_id': f'g{hand.index}', 'permissions': {}} for hand in self.hands])

    def record(self, hand, make):
        self.sent += 1
        number = self.sent
        known = max(client.last_seq for client in [self.observer, *(h.client for h in self.hands if not h.http)])
        call = Call(number, max(known, self.start), hand, make(number))
        if call.method == 'remove_session':
            call.of_session, call.of_user = self.shown[call.data['id']]
        self.calls[number] = call
        return call

    async def until_sent(self, count, seconds):
        """Or until nothing more may come of waiting."""
        loop = asyncio.get_running_loop()
        upto, deadline = self.sent + count, loop.time() + seconds
        while self.sent < upto and loop.time() < deadline and not self.over:
            await asyncio.sleep(0.002)

    async def hold(self, chance):
        """The committer stands still again and again, or has much to do, while calls gather."""
        boss = await Client.connect(self.server, 'admin')
        await boss.call('subscribe', data={'collections': ['notes']})
        pid = self.server.committer_pid()
        while not self.over:
            large = None
            if chance.random() < 0.2:
                large = await boss.start('update', 'ballast', {'query': {}, 'changes': {'n': chance.random()}})
                await self.until_sent(chance.randrange(10), HOLD_SECONDS)
            os.kill(pid, signal.SIGSTOP)
            try:
                await self.until_sent(chance.randrange(20, 80), HOLD_SECONDS)
            finally:
                os.kill(pid, signal.SIGCONT)
            await self.until_sent(chance.randrange(20, 120), RUN_SECONDS)
            if large:
                await asyncio.wait_for(large, 60)


def groups_of(user):
    """Beside those of the prepared directory."""
    if user == MALLORY:
        return ['administrator', 'helpers', 'lab']
    return ['helpers', 'keepers'] if user in MODERATORS else ['keepers', *OWN[user]]


# ---- what bosses do: what is withdrawn, and how it is given back ----

def random_withdrawal(chance, world):
    """[calls that take something, calls that give it back, the user who is not there meanwhile]"""
    user, kind = chance.choice(PEOPLE), chance.random()
    if kind < 0.15:
        return [('set_group', 'users', {'user_id': MALLORY, 'group_id': 'administrator', 'member': member})
                for member in (False, True)]
    if kind < 0.35:
        group, permissions = chance.choice([('keepers', KEEPERS), ('keepers', KEEPERS), ('helpers', HELPERS)])
        taken = chance.sample(sorted(permissions), chance.randrange(1, len(permissions) + 1))
        return [('update_permissions', 'groups', {'_id': group, 'permissions': {name: given for name in taken}})
                for given in (False, True)]
    if kind < 0.65:
        group = chance.choice(groups_of(user))
        return [('set_group', 'users', {'user_id': user, 'group_id': group, 'member': member})
                for member in (False, True)]
    if kind < 0.72:
        group = chance.choice(['lab', 'other'])
        members = [user for user in PEOPLE if group in groups_of(user)]
        return [('remove_group', 'groups', {'_id': group}), ('add', 'groups', {'_id': group, 'take_over': True}),
                *(('set_group', 'users', {'user_id': user, 'group_id': group, 'member': True}) for user in members)]
    if kind < 0.79:
        return [('set_force_reset', 'users', {'_id': user, 'force_reset': given}) for given in (True, False)]
    if kind < 0.84:
        return [('set_password', 'users', {'_id': user, 'new_password': password(user)})]
    if kind < 0.94:
        shown = [hand.shown for hand in world.hands if hand.user == user and hand.shown]
        return [('remove_session', 'users', {'id': chance.choice(shown)})] if shown else []
    return [('remove_user', 'users', {'_id': user}),
            ('add', 'users', {'_id': user, 'password': password(user), 'groups': [], 'take_over': True}),
            *(('set_group', 'users', {'user_id': user, 'group_id': group, 'member': True})
              for group in groups_of(user))]


async def withdraw_and_give_back(world, boss, chance):
    calls = random_withdrawal(chance, world)
    if not calls:
        return
    taking, *giving = calls
    name = taking[2].get('_id') if taking[0] in ('remove_user', 'set_force_reset') else None
    if name:
        if not world.there[name].is_set():
            return  # somebody else is at it
        world.there[name].clear()
    _, future = await boss.start(lambda _: taking)
    if giving and chance.random() < 0.5:
        await asyncio.wait_for(future, 60)
    await world.until_sent(chance.randrange(60), HOLD_SECONDS)
    await asyncio.wait_for(future, 60)
    for call in giving:
        await boss.call(lambda _, call=call: call)
    if name:
        world.there[name].set()


# ---- what writers and moderators do ----

def random_fields(chance, most):
    values = {'user': WRITERS, 'group': ['lab', 'other', ''], 'group_read': [True, True, False],
              'group_write': [True, True, False], 'all_read': [True, False], 'all_write': [True, False]}
    return {name: chance.choice(values[name]) for name in chance.sample(sorted(values), chance.randrange(most + 1))}


def document_call(chance, hand, number):
    """One that says in the document which call it is of; a removal names the version."""
    collection, key, kind = chance.choice(WRITTEN), f'd{chance.randrange(16)}', chance.random()
    seen = hand.world.observer.copy(collection)
    named = {'by': number, 'n': chance.randrange(3)}
    own = {'group': chance.choice(['lab', 'other', '']), 'group_read': True, 'group_write': chance.random() < 0.7}
    if kind < 0.03:
        return 'logout', 'users', {}
    if kind < 0.15:
        return 'insert', collection, {'_id': key, **named, **own}
    if kind < 0.25:
        return 'insert', collection, [{'_id': f'x{number}-{n}', **named, **own, **random_fields(chance, 1)}
                                      for n in range(3)]
    if kind < 0.35:
        return 'update', collection, {'query': {'n': chance.randrange(3)}, 'changes': named}
    if kind < 0.45:
        changes = {**named, **random_fields(chance, 2)}
        return 'patch', collection, {'_id': key, 'operations': [
            {'op': 'add', 'path': f'/{name}', 'value': value} for name, value in changes.items()]}
    if kind < 0.55:
        return 'remove', collection, {'_id': key, '_version': seen.get(key, {'_version': 0})['_version']}
    if kind < 0.65:
        once_only = sorted(name for name in seen if name[0] == 'x')
        return 'remove', collection, {'_id': chance.sample(once_only, min(len(once_only), chance.randrange(1, 5)))}
    changes = {**named, **random_fields(chance, chance.choice([0, 2]))}
    return 'update', collection, {'_id': key, 'changes': changes, 'upsert': chance.random() < 0.3}


def moderation(chance, hand, number):
    """Of users and groups that only this hand deals with."""
    target, group, kind = chance.choice(hand.targets), f'g{hand.index}', chance.random()
    shown = [other.shown for other in hand.world.hands if other.shown]
    if kind < 0.3:
        return 'set_group', 'users', {'user_id': target, 'group_id': group, 'member': chance.random() < 0.5}
    if kind < 0.45:
        return 'set_group', 'users', {'user_id': target, 'group_id': 'administrator',
                                      'member': chance.random() < 0.6}
    if kind < 0.6:
        return 'set_force_reset', 'users', {'_id': target, 'force_reset': chance.random() < 0.5}
    if kind < 0.7:
        return 'add', 'groups', {'_id': chance.choice([group, f'{group}-{number}']), 'take_over': chance.random() < 0.6}
    if kind < 0.77:
        return 'update_permissions', 'groups', {'_id': group, 'permissions': {
            'see_secrets': chance.random() < 0.5, 'modify_virus': chance.random() < 0.5}}
    if kind < 0.86:
        return 'remove_group', 'groups', {'_id': group}
    if kind < 0.9 and shown:
        return 'remove_session', 'users', {'id': chance.choice(shown)}
    if kind < 0.92:
        return 'logout', 'users', {}
    if kind < 0.94:
        return 'set_password', 'users', {'_id': target, 'new_password': 'a long word of somebody'}
    if kind < 0.96:
        return 'add', 'users', {'_id': target, 'password': 'a long word of somebody', 'groups': [],
                                'take_over': chance.random() < 0.6}
    if kind < 0.97:
        return 'remove_user', 'users', {'_id': target}
    return document_call(chance, hand, number)
