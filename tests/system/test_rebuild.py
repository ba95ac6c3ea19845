"""Collections that are declared in another way: rebuilt at a start, however long that takes, and whatever ends it."""

import os
import re
import signal

import pytest

from configuration import configuration
from server import BUILD, SANITIZE, wait_until

DOCUMENTS = 30000
BEFORE, AFTER = {'projector': ['a']}, {'projector': ['a', 'n'], 'index': ['n'], 'unique': ['a']}


def declared(declaration):
    return configuration(collections={'things': declaration}, start_timeout_ms=2000, log_level='notice')


def said(server):
    """How many documents were done, each time that the log says so, and the last moment of that."""
    return [int(n) for n in re.findall(r'things .*rebuilt[:,] (\d+) of 30000 documents are done', server.log())]


@pytest.mark.skipif(SANITIZE, reason='preloads a library')
def test_a_rebuild_goes_on_whatever_ends_it(make_server):
    """It takes longer than start_timeout_ms, is killed, is told to stop; and then it is whole."""
    server = make_server(config=declared(BEFORE))
    server.load('things', [{'_id': f'{i:06}', 'a': i, 'n': i % 10} for i in range(DOCUMENTS)])
    assert server.stop() == 0
    server.configure(declared(AFTER))
    server.variables = {'LD_PRELOAD': os.path.join(BUILD, 'tests', 'system', 'slow_disk.so'), 'SLOW_DISK_MS': '300'}
    server.start(wait=False)
    wait_until(lambda: len(said(server)) == 3, what='the third line, after 3 s')
    first = said(server)
    assert first[0] == 0 < first[1] < first[2] < DOCUMENTS, server.log()
    assert server.process.poll() is None
    server.expect_failure = True
    server.kill_all()
    server.start(wait=False)
    wait_until(lambda: len(said(server)) > 3, what='the rebuild going on')
    assert first[2] <= said(server)[3] < DOCUMENTS
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert 'did not stop in time' not in server.log()
    count = len(said(server))
    server.variables = {}
    server.start()
    assert said(server)[3] <= said(server)[count] < DOCUMENTS
    assert server.ctl('export', 'things').stdout.count('"_version":1') == DOCUMENTS
