"""Some of the random calls at the limits: see generate.py, which sends them for as long as one likes."""

import pytest

from generate import COMMITTER_UNITS, CONFIGURATION, PASS_UNITS, STEP_UNITS, Generator
from random_calls import Cases
from server import scaled

CASES = 8


@pytest.mark.parametrize('seed', ['a', 'b'])
def test_random_calls_alone(make_server, seed):
    """Each is answered once, and does not do more in one pass, or one transaction, than may be."""
    server = make_server(workers=1, config=CONFIGURATION)
    generator = Generator(server)
    for number in range(scaled(CASES, 3)):
        for _ in generator.alone(seed, number):
            pass
    generator.check()
    worker, committer = server.status()['workers'][0], server.status()['committer']
    assert worker['largest_step_units'] <= STEP_UNITS
    assert worker['largest_pass_units'] <= PASS_UNITS + STEP_UNITS
    assert committer['largest_work'] <= COMMITTER_UNITS
    generator.close()


@pytest.mark.parametrize('seed', ['c', 'd'])
def test_random_calls_together(make_server, seed):
    """The same at once, on several connections and over HTTP."""
    generator = Generator(make_server(config=CONFIGURATION))
    generator.together(seed, range(scaled(CASES, 3)))
    generator.check()
    generator.close()


def test_a_case_is_the_same_each_time():
    """Else none could be played back."""
    first, again = ([call.text for call in Cases('a', 3).make()] for _ in range(2))
    assert first == again
