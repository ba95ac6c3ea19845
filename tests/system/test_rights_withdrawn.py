"""Writers and moderators lose rights in the middle of what they do, and get them back: everything that is in the change
log was allowed at its place there, and nothing was refused that was allowed all the time.

DISPATCHD_TEST_SEED (1) and DISPATCHD_TEST_ROUNDS (2) choose other histories, and more of them."""

import asyncio
import os
import random

import pytest

from change_log import read_change_log
from rights_judge import WRITTEN, Judge
from rights_world import CONFIGURATION, WRITERS, World, document_call, moderation, withdraw_and_give_back
from server import scaled

ROUNDS = int(os.environ.get('DISPATCHD_TEST_ROUNDS', scaled(2, 1)))
SEED = os.environ.get('DISPATCHD_TEST_SEED', '1')
STEPS = scaled(15, 6)
SHOWN = 10
# Something of all of these has happened, or nothing was tested.
KINDS = [*(f'{name} changed' for name in (*WRITTEN, 'users', 'groups', 'sessions')),
         'refused forbidden', 'refused unauthorized', 'refused not_found']


async def run_history(world, seed):
    """What happened: (the entries of the change log, {seq: message} of who sees everything)."""
    async def rule(boss, chance):
        for _ in range(STEPS):
            await withdraw_and_give_back(world, boss, chance)

    ruling = asyncio.gather(*(rule(boss, random.Random(f'{seed} boss {n}')) for n, boss in enumerate(world.bosses)))
    living = [hand.live(random.Random(f'{seed} hand {hand.index}'),
                        document_call if hand.user in WRITERS else moderation) for hand in world.hands]
    tasks = [asyncio.ensure_future(task) for task in (*living, world.hold(random.Random(f'{seed} hold')))]
    # The others end with the bosses, or of something that went wrong.
    await asyncio.wait([ruling, *tasks], return_when=asyncio.FIRST_COMPLETED)
    world.over = True
    await asyncio.gather(*tasks)
    await ruling
    mark = await world.bosses[0].call(lambda number: ('insert', 'secrets', {'_id': 'mark', 'by': number}))
    assert mark.code is None
    await world.observer.until(lambda: 'mark' in world.observer.copy('secrets'))
    entries = read_change_log(world.server.data, world.start)
    messages = {m['seq']: m for m in world.observer.messages if m.get('seq', 0) > world.start}
    return entries, messages


def check_complete(entries, messages):
    """Who sees everything was sent each change, in a message of its own."""
    seen = {entry.seq for entry in entries if entry.collection in (*WRITTEN, 'users', 'groups')}
    assert seen == set(messages), sorted(seen ^ set(messages))[:10]
    assert all(len(message['data']) == 1 for message in messages.values())


@pytest.mark.parametrize('round_', range(ROUNDS))
async def test_rights_that_are_withdrawn_in_the_middle(make_server, round_):
    seed = f'{SEED}.{round_}'
    world = World(make_server(workers=3, config=CONFIGURATION))
    state = await world.begin()
    entries, messages = await run_history(world, seed)
    check_complete(entries, messages)
    judge = Judge(world.start, state, world.calls)
    problems = judge.judge(entries, messages, world.logged_in)
    assert not problems, '\n'.join([f'seed {seed}: {len(problems)} problems', *problems[:SHOWN]])
    print(sorted(judge.counts.items()))
    assert all(judge.counts.get(kind) for kind in KINDS), judge.counts
