"""Configurations at the ends of the options' ranges, and what a client may do with them at the bounds."""

import json
import random

import pairs
import pytest
from configuration import configuration
from server import scaled

KIB, MIB = 1 << 10, 1 << 20


def sized(key, size):
    """A document that is stored in so many bytes."""
    text = json.dumps({'_id': key, '_version': 0, 'text': ''}, separators=(',', ':'))
    return {'_id': key, 'text': 'x' * (size - len(text))}


def put_back(server, document):
    """What an import of this document ends with."""
    return server.ctl('import', 'notes', '-', text=json.dumps(document) + '\n', check=False)


def test_the_largest_document_passes_where_it_just_has_room(make_server):
    limits = {'document_bytes': '1M', 'message_bytes': '1M', 'committer_queue_bytes': '1M', 'worker_calls_bytes': '2M'}
    server = make_server(workers=1, config=configuration(ring_bytes='8M', backlog_bytes='4M', limits=limits))
    assert put_back(server, sized('exact', MIB)).stderr.startswith('notes: 1 documents')
    refused = put_back(server, sized('more', MIB + 1))
    assert refused.returncode == 1 and 'at most 1048576 are allowed' in refused.stderr
    assert server.export('notes') == {'exact': {**sized('exact', MIB), '_version': 0}}


def test_what_was_exported_can_be_imported(make_server):
    """A document that is many times as large as a message of a client."""
    limits = {'document_bytes': '20M', 'message_bytes': '64K'}
    server = make_server(workers=1, config=configuration(ring_bytes='256M', backlog_bytes='80M', durability='relaxed',
                                                         limits=limits))
    large = sized('large', 20 * MIB)
    assert put_back(server, large).stderr.startswith('notes: 1 documents')
    assert server.export('notes') == {'large': {**large, '_version': 0}}


def test_what_contradicts_each_other_is_refused_by_both_names(make_server):
    values = pairs.option_values()
    server = make_server(start=False)
    for pair in pairs.contradictions(values):
        pairs.refused_with_both(server, pair, values)


SEED = 9


@pytest.mark.parametrize('n', range(scaled(3, 1)))
def test_every_pair_of_ends_that_is_accepted_serves(make_server, n):
    """A part of what pairs.py does, without sizes that take long."""
    values = pairs.light(pairs.option_values())
    chosen = pairs.covering(values, random.Random(SEED))[n]
    pairs.Trial(make_server(start=False, workers=chosen['workers'], config=pairs.file_of(chosen)), chosen).run()
