"""The configuration that the system tests run on, and the people in it."""

PERMISSIONS = ['modify_virus', 'remove_virus', 'see_secrets', 'modify_sample']

FREE = {'insert': [], 'update': [], 'patch': [], 'remove': []}

COLLECTIONS = {
    # Whole documents, everybody may do everything.
    'notes': {'methods': FREE},
    # Minimal documents, a filter, a unique and an indexed field, permissions.
    'viruses': {
        'projector': ['name', 'abbreviation'],
        'sync_filter': {'archived': {'$ne': True}},
        'unique': ['name'],
        'index': ['abbreviation', 'taxid'],
        'methods': {'insert': ['modify_virus'], 'update': ['modify_virus'], 'patch': ['modify_virus'],
                    'remove': ['remove_virus']},
    },
    'sequences': {
        'projector': ['accession', 'definition', 'otu_id'],
        'index': ['otu_id'],
        'methods': {'insert': ['modify_virus']},
    },
    # Documents with owners.
    'samples': {
        'projector': ['name', 'user', 'group', 'group_read', 'all_read'],
        'rights': {'owner': 'user', 'group': 'group', 'group_read': 'group_read', 'group_write': 'group_write',
                   'all_read': 'all_read', 'all_write': 'all_write'},
        'methods': FREE,
    },
    # Only who has the permission sees it.
    'secrets': {'read': 'see_secrets', 'methods': FREE},
    # A reading method with a permission of its own; who has not that of `sync` is sent nothing.
    'guarded': {'methods': {**FREE, 'find': ['see_secrets'], 'sync': ['see_secrets']}},
    # Written by nobody.
    'fixed': {},
}

GROUPS = {
    'editors': ['modify_virus', 'remove_virus', 'modify_sample'],
    'curators': ['modify_virus'],
    'insiders': ['see_secrets'],
    'lab': [],
    'other': [],
}

USERS = {
    'admin': ['administrator'],
    'editor': ['editors'],
    'curator': ['curators'],
    'insider': ['insiders'],
    'reader': [],
    'ann': ['lab'],
    'ben': ['lab'],
    'carl': ['other'],
}


def password(user):
    return f'{user} has a long password'


def configuration(**changes):
    """The contents of a configuration file; @changes replace top-level keys, None removes one."""
    result = {'permissions': PERMISSIONS, 'collections': COLLECTIONS, 'log_level': 'info', **changes}
    return {key: value for key, value in result.items() if value is not None}
