"""The pages: sentences that clients' authors asked for, and words that are explained where they first stand."""

import os
import re
import subprocess

import pytest

from server import TOP

PROTOCOL, CONFIGURATION = 'man/dispatchd-protocol.7', 'man/dispatchd.conf.5'

SENTENCES = [
    (PROTOCOL, 'Apply changes that come before the answer of resume, but do not advance your saved seq with them.'),
    (PROTOCOL, "Send the epoch of your last complete sync; if it is still the store's, unchanged documents are not sent "
               'again.'),
    (PROTOCOL, 'member: true adds, false removes, absent toggles.'),
    (CONFIGURATION, 'resume is then refused once; clients sync and receive their documents in the new form.'),
    (CONFIGURATION, 'Fields sent to clients in sync and changes; other fields only through detail and find. Without this '
                    'key, whole documents are sent.'),
]

# {page: {word: the words in which it first stands}}
EXPLAINED = {
    PROTOCOL: {
        'epoch': 'epoch is the number of the present run of the server: each start draws one at random',
        'minimal document': 'Documents are sent as minimal documents: with _id, _version and the fields that the '
                            'projector of their collection lists',
        'projector': 'Documents are sent as minimal documents: with _id, _version and the fields that the projector of '
                     'their collection lists',
        'manifest': 'The manifest is an object with the version of each document that it holds',
    },
    CONFIGURATION: {
        'projector': 'A list of fields, the projector of the collection.',
        'minimal document': '_id and _version are always sent; all of these together are called the minimal document.',
    },
    'man/dispatchd.8': {'epoch': 'each run has a number, its epoch, by which clients say what their copies are of'},
    'doc/architecture.md': {
        'minimal document': 'minimal document (what clients are sent: the fields in the projector of the collection)',
        'projector': 'minimal document (what clients are sent: the fields in the projector of the collection)',
        'epoch': 'Each start begins a run with a random number, the epoch of the protocol.',
    },
    'doc/store-format.md': {
        'epoch': 'An epoch is the random number that a run of the server, from a start to its end, has.',
        'minimal': 'The minimal document has of a document what clients are sent: _id, _version, and the fields in the '
                   'projector of its collection, a list in the configuration.',
        'projector': 'The minimal document has of a document what clients are sent: _id, _version, and the fields in the '
                     'projector of its collection, a list in the configuration.',
    },
}
# What stands in front is no sentence: names of options, forms of messages and of calls.
NO_SENTENCES = r'--new-epoch|"epoch":E|sync \{manifest, [^}]*\} \| manifest|^ +projector$'


def text_of(page):
    """What a reader sees, in one line without marks and quotes."""
    path = os.path.join(TOP, page)
    if page.endswith('.md'):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        text = re.sub(r'[`*]', '', text)
    else:
        text = subprocess.run(['mandoc', '-T', 'utf8', '-O', 'width=1000', path], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        text = re.sub('.\x08', '', text)  # what is bold or underlined is printed over itself
        text = re.sub('[\u2018\u2019]', "'", text)
        text = re.sub(r"'([^' ]+)'", r'\1', text)
    text = re.sub(NO_SENTENCES, '', text, flags=re.MULTILINE)
    return re.sub(r'\s+', ' ', text)


@pytest.mark.parametrize('page, sentence', SENTENCES)
def test_sentences(page, sentence):
    assert sentence in text_of(page)


@pytest.mark.parametrize('page', EXPLAINED)
def test_words_are_explained_where_they_first_stand(page):
    text = text_of(page)
    for word, explanation in EXPLAINED[page].items():
        at = text.find(explanation)
        assert at >= 0, f'{page} does not say: {explanation}'
        first = text.lower().index(word)
        assert at <= first < at + len(explanation), f'{page}: {word} first stands in: {text[first - 60:first + 60]}'
