"""Whether a secret of a test came out: what clients, logs and dispatchctl got is searched for the secrets' bytes.

Secrets are recorded where they are made (passwords that are given to the server, tokens that it answers), what comes
is written to a file, and after each test the file is searched: a secret may be learned after the frame that gave it
away. A token may be in the answer of the call that logged this client in; nothing else may be anywhere.
"""

import hashlib
import json
import mmap
import os
import re
import subprocess
import tempfile

SHORTEST = 8             # a password that is shorter, like 'x', is found anywhere; no test that passes one lets it in
FILE_MOST = 64 << 20     # beyond, what has come so far is searched at once
LARGE = 4 << 20          # what is larger is looked through for all secrets in one go, first
STORE_MOST = 256 << 20   # a store larger than this is not searched
CONTEXT = 80

TOKEN = 43

PASSWORD_KEYS = ('password', 'old_password', 'new_password')
STORED = {b'$argon2': 'a stored hash of a password'}


def check_said_once(text):
    """A message for people names what it speaks of once, not "query: query: ..."."""
    assert not re.search(r'(?<![\w.])([\w."]+: )\1', text), text


class Watch:
    def __init__(self):
        self.file = tempfile.TemporaryFile()
        self.places = []      # [(offset in the file, where it came from)], in the order of offsets
        self.size = 0
        self.secrets = {}     # {bytes: what it is}, of this test
        self.kept = {}        # the same, of all tests
        self.plain = set()    # those that may not even be in the store
        self.receivers = []   # [(connection, where)] whose bytes of the beginning of a message nobody took
        self.problems = []
        self.searched = 0     # bytes, of all tests

    # ---- secrets ----

    def password(self, text):
        if isinstance(text, str) and len(text) >= SHORTEST:
            self.add_secret(text.encode(), 'a password', plain=True)
            self.add_secret(json.dumps(text)[1:-1].encode(), 'a password', plain=True)

    def passwords_of(self, data):
        """Those in the data of a call, and its token."""
        if isinstance(data, dict):
            for key in PASSWORD_KEYS:
                self.password(data.get(key))
            if isinstance(data.get('token'), str) and len(data['token']) == TOKEN:
                self.token(data['token'])

    def token(self, text):
        digest = hashlib.blake2b(text.encode(), digest_size=32)
        self.add_secret(text.encode(), 'a token', plain=True)
        self.add_secret(digest.hexdigest().encode(), 'the stored hash of a token')
        self.add_secret(digest.digest(), 'the stored hash of a token')

    def add_secret(self, secret, what, plain=False):
        self.secrets[secret] = what
        if plain:
            self.plain.add(secret)

    def keep(self):
        """What is known so far is a secret in all later tests too."""
        self.kept.update(self.secrets)

    # ---- what came ----

    def received(self, data, where, token=None):
        """@token: the one that this message is to bring."""
        if isinstance(data, str):
            data = data.encode()
        if token:
            self.token(token)
            data = data.replace(f'"token":"{token}"'.encode(), b'"token":""', 1)
        if not self.places or self.places[-1][1] != where:
            self.places.append((self.size, where))
        self.file.write(data)
        self.file.write(b'\n')
        self.size += len(data) + 1
        if self.size > FILE_MOST:
            self.search_file()

    def receives(self, connection, where):
        """@connection.received holds bytes that are not given to received() until somebody takes them."""
        self.receivers.append((connection, where))

    def files_of(self, server):
        """What a server leaves behind: all files, the store only for what is not to be stored."""
        for directory, _, names in os.walk(server.directory):
            for name in names:
                path = os.path.join(directory, name)
                if name.endswith('.mdb'):
                    self.search_store(path)
                elif os.path.isfile(path) and path != server.config_path:
                    with open(path, 'rb') as file:
                        while chunk := file.read(1 << 20):
                            self.received(chunk + file.readline(), f'the file {name} of the server')

    # ---- searching ----

    def search_store(self, path):
        if os.path.isfile(path) and 0 < os.path.getsize(path) <= STORE_MOST:
            with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self.search(file, data, {secret: what for secret, what in {**self.kept, **self.secrets}.items()
                                         if secret in self.plain}, lambda _: f'the store ({os.path.basename(path)})')

    def search(self, file, data, secrets, place):
        """@data: that of @file."""
        self.searched += len(data)
        if len(data) > LARGE and not may_have(file, secrets):
            return
        for secret, what in secrets.items():
            at = data.find(secret)
            if at >= 0:
                around = data[max(0, at - CONTEXT):at] + b'<HERE>' + data[at + len(secret):at + len(secret) + CONTEXT]
                self.problems.append(f'{what} came out in {place(at)}: {around}')

    def place(self, offset):
        return next(where for start, where in reversed(self.places) if start <= offset)

    def search_file(self):
        if self.size:
            self.file.flush()
            with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self.search(self.file, data, {**STORED, **self.kept, **self.secrets}, self.place)
        self.file.seek(0)
        self.file.truncate()
        self.places.clear()
        self.size = 0

    def finish(self):
        """After a test: what is wrong."""
        for connection, where in self.receivers:
            if connection.received:
                self.received(bytes(connection.received), where)
        self.receivers.clear()
        self.search_file()
        problems, self.problems = self.problems, []
        self.secrets.clear()
        self.plain &= set(self.kept)
        return problems


def may_have(file, secrets):
    """False: none of them is in the file. One search for each would hold up the test, and its clients' pongs, for long
    when there are hundreds. grep's patterns are lines, so it looks for a part of each secret without a line's end."""
    with tempfile.NamedTemporaryFile() as patterns, open(f'/proc/self/fd/{file.fileno()}', 'rb') as again:
        patterns.write(b'\n'.join(max(secret.split(b'\n'), key=len) for secret in secrets))
        patterns.flush()
        found = subprocess.run(['grep', '-aqFf', patterns.name], stdin=again, stderr=subprocess.DEVNULL, check=False,
                               env={**os.environ, 'LC_ALL': 'C'})
    return found.returncode != 1


WATCH = Watch()
