"""What dispatchd-protocol(7) says of sort and fields, in Python."""

import functools
import json


def is_position(step):
    return step.isdigit() and len(step) <= 9 and (step == '0' or step[0] != '0')


def values_at(value, steps, arrived):
    """The values that a path leads to; those of an array at its end are its elements. None: it is not there."""
    if not steps:
        arrived += [[element] for element in value] if isinstance(value, list) and value else \
            [None] if isinstance(value, list) else [[value]]
    elif isinstance(value, dict):
        if steps[0] in value:
            values_at(value[steps[0]], steps[1:], arrived)
        else:
            arrived.append(None)
    elif isinstance(value, list):
        if is_position(steps[0]):
            if int(steps[0]) < len(value):
                values_at(value[int(steps[0])], steps[1:], arrived)
        else:
            for element in value:
                if isinstance(element, dict):
                    values_at(element, steps, arrived)
    else:
        arrived.append(None)


def rank(found):
    """Comes in the order of values; @found is a list of one, or None."""
    if found is None:
        return (0,)
    value, = found
    if value is None:
        return (1,)
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        return (3, value)
    if isinstance(value, str):
        return (4, value.encode())
    text = json.dumps(value, separators=(',', ':')).encode()
    return (5 if isinstance(value, list) else 6, len(text), text)


def sort_key(document, path, direction):
    arrived = []
    values_at(document, path.split('.'), arrived)
    return (min if direction > 0 else max)([rank(found) for found in arrived] or [(0,)])


def in_order(documents, sort):
    def compare(a, b):
        for path, direction in sort.items():
            left, right = sort_key(a, path, direction), sort_key(b, path, direction)
            if left != right:
                return direction if left > right else -direction
        return -1 if a['_id'].encode() < b['_id'].encode() else 1

    return sorted(documents, key=functools.cmp_to_key(compare))


NOTHING = object()


def wanted(value, paths):
    """What is wanted of a value: @paths are lists of steps."""
    if not paths:
        return NOTHING
    if [] in paths:
        return value
    if isinstance(value, dict):
        parts = {key: wanted(member, [path[1:] for path in paths if path[0] == key]) for key, member in value.items()}
        return {key: part for key, part in parts.items() if part is not NOTHING}
    if isinstance(value, list):
        parts = [wanted(element, [path[1:] for path in paths if path[0] == str(i)]
                        + [path for path in paths if not is_position(path[0]) and isinstance(element, (dict, list))])
                 for i, element in enumerate(value)]
        return [part for part in parts if part is not NOTHING]
    return NOTHING


def projected(document, fields):
    return wanted(document, [['_id'], ['_version'], *(field.split('.') for field in fields)])
