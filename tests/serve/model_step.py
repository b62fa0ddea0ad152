# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of the model stress share: their table, and how they name messages.

@step(weight, needs): needs is "" (any), "box" (something is selected), "write" (and not read-only).
"""
from model_client import write_set

STEPS = []
STATUS = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE DELETED"


def step(weight, needs=""):
    def note(function):
        STEPS.append((function, weight, needs))
        return function
    return note


def literal(data):
    return b"{%d+}\r\n%s" % (len(data), data)


def flag_list(flags):
    return "(" + " ".join(sorted(flags)) + ")"


def some(c, limit=5):
    """Some UIDs of the client's view."""
    return sorted(c.world.rng.sample(c.view, min(len(c.view), c.world.rng.randrange(1, limit + 1))))


def there(c, uids):
    return [uid for uid in uids if uid in c.box.messages]


class Named:
    """UIDs as this command names them: by UID or by number. RFC 2180: what is gone already has
    no answer."""

    def __init__(self, c, uids):
        self.by_uid = c.uid_only or c.world.rng.random() < 0.5
        self.word = "UID " if self.by_uid else ""
        self.set = write_set(uids if self.by_uid else [c.view.index(uid) + 1 for uid in uids])


def items_of(answer):
    """[(number, {item: value})] of FETCH and UIDFETCH answers."""
    found = []
    for line in answer.lines:
        if isinstance(line, list) and len(line) > 3 and line[2] in (b"FETCH", b"UIDFETCH"):
            values = [v for v in line[3] if v != b"~"]
            found.append((int(line[1]), dict(zip((str(k, "latin-1") if isinstance(k, bytes) else repr(k)
                                                  for k in values[::2]), values[1::2]))))
    return found
