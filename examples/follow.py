#!/usr/bin/python3
"""Keeps a copy of collections and prints every change, across restarts of the server and of the network.

    follow.py ws://127.0.0.1:9950/ws demo samples jobs

The password is read from DISPATCHD_PASSWORD, or asked for. What a client has to do is all here: log in, call `sync`
once, apply what arrives in the order of arrival, and after a broken connection ask for the rest with `resume`.
Needs python3-websockets.
"""

import asyncio
import getpass
import json
import os
import sys

import websockets


class CallFailed(Exception):
    """A fulfill that says success: false."""

    def __init__(self, failure):
        super().__init__(f'{failure["code"]}: {failure["message"]}')
        self.code = failure['code']


class Follower:
    def __init__(self, names):
        self.names = names
        self.copies = {name: {} for name in names}
        self.token = None
        self.position = None  # {"epoch", "seq"}: how far the copies have come
        self.must_sync = True
        self.caught_up = False  # on this connection: what comes before that says nothing of what was missed
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

    def handle(self, message):
        operation, name, data = message['operation'], message['collectionName'], message['data']
        if name in self.copies and operation == 'update':
            for document in data:
                self.copies[name][document['_id']] = document
                print(f'{name}: {document["_id"]} is now {json.dumps(document, ensure_ascii=False)}', flush=True)
        elif name in self.copies and operation == 'remove':
            for identifier in data:
                if self.copies[name].pop(identifier, None) is not None:
                    print(f'{name}: {identifier} is gone', flush=True)
        elif operation == 'resync':
            self.must_sync = True
        elif operation == 'deauthorize':
            print(data['reason'], flush=True)
            self.token = None
        # Changes carry the number of the last one in them; what belongs to a sync does not.
        if self.caught_up and message.get('seq', 0) > self.position['seq']:
            self.position['seq'] = message['seq']

    async def catch_up(self, socket):
        """Makes the copies equal to the server's documents: by what has changed since, or by comparing versions."""
        self.caught_up = False
        if not self.must_sync:
            try:
                self.position = await self.call(socket, 'resume', data=self.position)
            except CallFailed as failure:
                if failure.code != 'resync_required':
                    raise
                self.must_sync = True
        while self.must_sync:
            await self.synchronize(socket)
        self.caught_up = True

    async def synchronize(self, socket):
        self.must_sync = False  # unless the server says so again before it has answered
        manifests = {name: {identifier: document['_version'] for identifier, document in copy.items()}
                     for name, copy in self.copies.items()}
        try:
            self.position = await self.call(socket, 'sync', data={'manifests': manifests})
        except BaseException:
            self.must_sync = True
            raise

    async def log_in(self, socket, user, password):
        if self.token:
            try:
                await self.call(socket, 'authorize_by_token', 'users', {'token': self.token})
            except CallFailed:
                self.token = None
        if not self.token:
            answer = await self.call(socket, 'authorize_by_login', 'users', {'username': user, 'password': password})
            self.token = answer['token']

    async def follow(self, socket, user, password):
        self.caught_up = False
        await self.log_in(socket, user, password)
        await self.call(socket, 'subscribe', data={'collections': self.names})
        await self.catch_up(socket)
        print('up to date:', ', '.join(f'{len(copy)} {name}' for name, copy in self.copies.items()), flush=True)
        while True:
            self.handle(json.loads(await socket.recv()))
            if self.token is None:
                return  # comes back, and logs in again
            if self.must_sync:
                await self.catch_up(socket)


async def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    address, user, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    password = os.environ.get('DISPATCHD_PASSWORD') or getpass.getpass(f'Password of {user}: ')
    follower = Follower(names)
    while True:
        try:
            async with websockets.connect(address, subprotocols=['dispatchd.1'], max_size=None) as socket:
                await follower.follow(socket, user, password)
        except CallFailed as failure:
            sys.exit(str(failure))
        except (OSError, websockets.exceptions.WebSocketException) as error:
            print(f'not connected ({error}); trying again', flush=True)
            await asyncio.sleep(1)


if __name__ == '__main__':
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
