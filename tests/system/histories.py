"""What random histories are made of: calls that go on whoever dies, and what a client must hold in the end."""

import asyncio
import json

from client import CallError, Client
from person import BROKEN
from server import PATIENCE


class Drivers:
    """Three administrators' connections that calls go to; they are made anew when they break."""

    def __init__(self, server):
        self.server = server
        self.clients = [None] * 3

    async def client(self, index):
        while self.clients[index] is None or self.clients[index].reader.done():
            try:
                self.clients[index] = await Client.connect(self.server, 'admin')
            except BROKEN:
                await asyncio.sleep(0.01)
        return self.clients[index]

    async def run(self, index, call):
        """What becomes of a call is known to nobody when the server dies under it."""
        try:
            await (await self.client(index)).call(*call)
        except CallError as error:
            assert error.code not in ('internal', 'bad_message', 'unauthorized', 'unknown_method', 'invalid',
                                      'timeout'), f'{call}: {error}'
        except BROKEN:
            pass

    async def surely(self, *call):
        """Until it was done."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await (await self.client(0)).call(*call)
            except (CallError, *BROKEN) as error:
                assert asyncio.get_running_loop().time() < deadline, f'{call}: {error!r}'
                await asyncio.sleep(0.01)


async def find_all(client, name, collection):
    """The documents of the sync set as the projector shows them; @collection: as it is declared."""
    documents, skip, more = {}, 0, True
    query = collection.get('sync_filter', {})
    fields = {'fields': collection['projector']} if 'projector' in collection else {}
    while more:
        answer = await client.call('find', name, {'query': query, **fields, 'skip': skip, 'limit': 25})
        documents.update((d['_id'], d) for d in answer['documents'])
        skip, more = skip + len(answer['documents']), answer['more']
    return documents


def differ(held, wanted):
    for key in sorted({*held, *wanted}):
        one, other = (json.dumps(d.get(key), sort_keys=True)[:200] for d in (held, wanted))
        if held.get(key) != wanted.get(key):
            yield f'{key}: holds {one}, must hold {other}'
