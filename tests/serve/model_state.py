# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account must hold after what its clients did: the model of the stress (test_model.py).

World ─► Box ─► Message are the truth; a client's own view of it is in model_client.py.
"""
import base64
import itertools
from dataclasses import dataclass, field

SYSTEM = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"]
KEYWORDS = ["k1", "k2", "$Forwarded", "Projekt"]
WORDS = "alpha beta gamma delta epsilon zeta eta theta".split()


class Fault(AssertionError):
    """The server's answer is not what the model says."""


def check(condition, *what):
    if not condition:
        raise Fault(" ".join(str(w) for w in what))


@dataclass
class Message:
    data: bytes
    flags: set
    date: str = ""                     # as given to APPEND; "": now
    identity: str = ""                 # EMAILID, once it was told
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def subject(self):
        head = self.data.split(b"\r\n\r\n", 1)[0]
        for line in head.split(b"\r\n"):
            if line.startswith(b"Subject: "):
                return line[9:].decode()
        return ""

    @property
    def text(self):
        return self.data.split(b"\r\n\r\n", 1)[1]

    def copy(self):
        return Message(self.data, set(self.flags), self.date, self.identity)


@dataclass
class Box:
    name: str
    uidvalidity: int = 0               # 0: not told yet
    uidnext: int = 1
    messages: dict = field(default_factory=dict)  # UID ─► Message, in order
    highest: int = 0                   # the highest modseq that anybody was told
    comment: bytes = None              # METADATA /private/comment
    identity: str = ""                 # MAILBOXID
    ever: list = field(default_factory=list)      # every UID that there was
    recent: dict = field(default_factory=dict)    # UID ─► the client that was told \\Recent

    def add(self, message, uid=None):
        uid = uid or self.uidnext
        check(uid >= self.uidnext, "UID", uid, "of", self.name, "after UIDNEXT", self.uidnext)
        self.messages[uid] = message
        self.ever.append(uid)
        self.uidnext = uid + 1
        return uid

    def with_flag(self, flag):
        return [uid for uid, m in self.messages.items() if flag in m.flags]

    def unseen(self):
        return [uid for uid, m in self.messages.items() if "\\Seen" not in m.flags]


QUOTA = 512 * 1024, 300  # bytes and messages of an account, as `quota` is set


class World:
    """One account."""

    def __init__(self, account, rng):
        self.bursts = False                # many act at once: nobody knows yet in which order
        self.account, self.rng, self.serial = account, rng, itertools.count(1)
        self.boxes = {name: Box(name) for name in ("INBOX", "Sent", "Work", "Archive/2023")}
        self.subscribed = {"INBOX"}        # names, whether there is such a mailbox or not

    def usage(self):
        sizes = [len(m.data) for box in self.boxes.values() for m in box.messages.values()]
        return sum(sizes), len(sizes)

    def fits(self, messages, less=()):
        """Whether there is room for these when those have gone."""
        return all(used + sum(more) - sum(gone) <= most for used, most, more, gone in zip(
            self.usage(), QUOTA, ([len(m.data) for m in messages], [1] * len(messages)),
            ([len(m.data) for m in less], [1] * len(less))))

    def box(self):
        return self.rng.choice(list(self.boxes.values()))

    def free_name(self):
        names = [f"made{n}" for n in range(6)]
        free = [n for n in names if n not in self.boxes]
        return self.rng.choice(free) if free else None

    def flags(self, chance=0.3):
        return {f for f in SYSTEM + KEYWORDS if self.rng.random() < chance}

    def make_data(self):
        number = next(self.serial)
        words = " ".join(self.rng.choices(WORDS, k=self.rng.randrange(1, 30)))
        subject = f"{self.rng.choice(WORDS)} {number}"
        head = f"From: {self.rng.choice(WORDS)} <a@example.com>\r\nSubject: {subject}\r\nMessage-ID: <{number}@model>\r\n"
        kind = self.rng.random()
        if kind < 0.2:
            text = base64.encodebytes(words.encode()).replace(b"\n", b"\r\n")
            return (head + "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n").encode() + text
        if kind < 0.25:
            words += "\r\n" + "x" * self.rng.choice([1000, 5000, 70000])
        return (head + "\r\n" + words + "\r\n").encode()
