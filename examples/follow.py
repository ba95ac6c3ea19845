#!/usr/bin/python3
"""Keeps a copy of collections and prints every change, across restarts of the server, of the network and its own.

    follow.py [--copy FILE] ws://127.0.0.1:9950/ws demo samples jobs

The password is read from DISPATCHD_PASSWORD, or asked for. With --copy the copy is read from FILE at the start and
written to it whenever nothing happens, and at the end. What a client has to do is all here, by the steps of
dispatchd-protocol(7), "The life of a copy", whose numbers are in the comments. Needs python3-websockets.
"""

import argparse
import asyncio
import getpass
import json
import os
import sys

import websockets

RANGE = 2000  # ids in one message of sync
TRY_AGAIN = ('busy', 'unavailable', 'timeout')  # rights that changed meanwhile, a server that stops


class CallFailed(Exception):
    """A fulfill that says success: false."""

    def __init__(self, failure):
        super().__init__(f'{failure["code"]}: {failure["message"]}')
        self.code = failure['code']


class SessionEnded(Exception):
    """The server's reason."""


class Copy:
    """What is kept from one connection to the next. It belongs to one user."""

    def __init__(self, user, names, path):
        self.owner = {'user': user, 'collections': names}
        self.path = path
        self.documents = {name: {} for name in names}
        self.position = None    # {"epoch", "seq"}: all up to this is in the documents; None: they never were whole
        self.unfinished = None  # the epoch in which something was written that the position does not speak of
        self.written = True     # the file has it all
        if path and os.path.exists(path):
            self.read()

    def read(self):
        with open(self.path, encoding='utf-8') as file:
            kept = json.load(file)
        if kept['owner'] == self.owner:
            self.documents, self.position, self.unfinished = kept['documents'], kept['position'], kept['unfinished']

    def write(self):
        """Documents and position in one piece: a copy that is newer than its position, or older, would be wrong."""
        if not self.path or self.written:
            return
        kept = {'owner': self.owner, 'documents': self.documents, 'position': self.position,
                'unfinished': self.unfinished}
        with open(f'{self.path}.new', 'w', encoding='utf-8') as file:
            json.dump(kept, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f'{self.path}.new', self.path)
        self.written = True

    def said(self):
        """As sync and resume take it."""
        return {**(self.position or {}), **({'unfinished': self.unfinished} if self.unfinished else {})}


class Follower:
    def __init__(self, copy):
        self.copy = copy
        self.token = None
        self.epoch = None       # of the server that we are connected to
        self.complete = False   # on this connection: the position may be moved by what comes
        self.must_sync = False  # on this connection: resume was refused, or is not enough
        self.next_tid = 0

    async def call(self, socket, method, collection=None, data=None):
        """Sends a call and handles what arrives until its fulfill does; returns the answer."""
        self.next_tid += 1
        await socket.send(json.dumps({'tid': self.next_tid, 'methodName': method, 'collectionName': collection,
                                      'data': data}))
        while True:
            message = json.loads(await socket.recv())
            if message['collectionName'] == 'transaction' and message['data']['tid'] == self.next_tid:
                if message['operation'] == 'fulfill':
                    if not message['data']['success']:
                        raise CallFailed(message['data']['data'])
                    return message['data']['data']
            else:
                self.handle(message)

    # ---- what arrives ----

    def handle(self, message):
        """Everything is applied in the order of arrival."""
        operation, name, data = message['operation'], message['collectionName'], message['data']
        self.copy.written = False
        if operation == 'ping':
            self.handle_ping(message)
        elif name in self.copy.documents and operation in ('update', 'remove'):
            if not self.complete:
                self.begin_unfinished()  # step 3
            for item in data:
                self.apply(operation, name, item)
        elif operation == 'resync':  # step 6
            self.begin_unfinished()
            self.complete = False
            self.must_sync = True
        elif operation == 'deauthorize':  # step 7
            self.token = None
            raise SessionEnded(data['reason'])
        if self.complete and message.get('seq') is not None:  # steps 4 and 5
            self.copy.position = {'epoch': self.epoch, 'seq': message['seq']}

    def handle_ping(self, message):
        """Steps 1 and 5: all up to its seq was sent, and nothing newer; with null, what comes next may be newer."""
        if 'epoch' not in message:  # not yet logged in
            return
        self.epoch = message['epoch']
        if message['seq'] is None:
            self.begin_unfinished()
        elif self.complete:
            self.copy.unfinished = None

    def begin_unfinished(self):
        if self.copy.unfinished is None:  # else it stays what it is
            self.copy.unfinished = self.epoch

    def apply(self, operation, name, item):
        documents = self.copy.documents[name]
        if operation == 'update':
            documents[item['_id']] = item
            print(f'{name}: {item["_id"]} is now {json.dumps(item, ensure_ascii=False)}', flush=True)
        elif documents.pop(item, None) is not None:
            print(f'{name}: {item} is gone', flush=True)

    # ---- what is asked for ----

    async def catch_up(self, socket):
        """Makes the copy equal to the server's documents: by what has changed since, or by comparing versions."""
        answer = None
        if self.copy.position and not self.must_sync:  # step 2
            answer = await self.resume(socket)
        while not answer or self.must_sync:
            self.must_sync = False  # unless the server says so again before it has answered
            answer = await self.synchronize(socket)
        self.complete = True  # step 4
        self.copy.position = answer

    async def resume(self, socket):
        try:
            return await self.call(socket, 'resume', data=self.copy.said())
        except CallFailed as failure:
            if failure.code != 'resync_required':
                raise
            return None

    async def synchronize(self, socket):
        """Each collection in ranges of ids, so that no message is too large; returns the last answer."""
        answer = None
        for name, documents in self.copy.documents.items():
            ids = sorted(documents, key=str.encode)
            bounds = [None, *ids[RANGE::RANGE], None]
            try:
                for i, (low, high) in enumerate(zip(bounds, bounds[1:])):
                    held = {identifier: documents[identifier]['_version']
                            for identifier in ids[i * RANGE:(i + 1) * RANGE] if identifier in documents}
                    answer = await self.call(socket, 'sync', name, {'manifest': held, **part(low, high),
                                                                    **self.copy.said()})
            except CallFailed as failure:
                if failure.code != 'forbidden':
                    raise
                print(f'{name}: {failure}', flush=True)
                self.begin_unfinished()
                for identifier in list(documents):
                    self.apply('remove', name, identifier)
        return answer or await self.call(socket, 'sync', data={'manifests': {}})

    async def log_in(self, socket, password):
        user = self.copy.owner['user']
        if self.token:
            try:
                await self.call(socket, 'authorize_by_token', 'users', {'token': self.token})
            except CallFailed:
                self.token = None
        if not self.token:
            answer = await self.call(socket, 'authorize_by_login', 'users', {'username': user, 'password': password})
            self.token = answer['token']

    async def follow(self, socket, password):
        self.complete = self.must_sync = False
        await self.log_in(socket, password)
        await self.call(socket, 'subscribe', data={'collections': list(self.copy.documents)})
        await self.catch_up(socket)
        print('up to date:', ', '.join(f'{len(documents)} {name}' for name, documents in self.copy.documents.items()),
              flush=True)
        while True:
            try:
                self.handle(json.loads(await asyncio.wait_for(socket.recv(), 1)))
            except asyncio.TimeoutError:
                self.copy.write()
            if self.must_sync:
                await self.catch_up(socket)


def part(low, high):
    """`from` and `to` of a sync, as far as there are such bounds."""
    return {key: bound for key, bound in (('from', low), ('to', high)) if bound is not None}


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--copy', metavar='FILE')
    parser.add_argument('address')
    parser.add_argument('user')
    parser.add_argument('collections', nargs='+')
    arguments = parser.parse_args()
    password = os.environ.get('DISPATCHD_PASSWORD') or getpass.getpass(f'Password of {arguments.user}: ')
    copy = Copy(arguments.user, arguments.collections, arguments.copy)
    follower = Follower(copy)
    while True:
        try:
            async with websockets.connect(arguments.address, subprotocols=['dispatchd.1'], max_size=None) as socket:
                await follower.follow(socket, password)
        except CallFailed as failure:
            if failure.code not in TRY_AGAIN:
                sys.exit(str(failure))
            print(f'{failure}; trying again', flush=True)
        except SessionEnded as reason:
            print(f'{reason}; logging in again', flush=True)
        except (OSError, websockets.exceptions.WebSocketException) as error:
            print(f'not connected ({error}); trying again', flush=True)
        finally:
            copy.write()
        await asyncio.sleep(1)


if __name__ == '__main__':
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
