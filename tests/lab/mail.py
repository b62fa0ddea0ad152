# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample mailboxes: what years of use leave behind, the same for the same seed.

Mailbox ─► Folder ─► Message are plain data. maildir.py puts them on the old server;
nothing here knows of it. bulk() makes big and plain ones for measuring.
"""
import random
from dataclasses import dataclass, field

from . import mail_text
from .mail_odd import odd_messages

# Letter of a Maildir file name -> IMAP's flag.
SYSTEM_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen",
                "T": "\\Deleted"}
KEYWORDS = ["$Forwarded", "$MDNSent", "$Junk", "NonJunk", "$label1", "Projekt-Sued",
            "todo", "$HasAttachment"]

EPOCH_2003 = 1_041_379_200
EPOCH_2024 = 1_704_067_200
# Dates that break careless programs: the first second, a leap day, both sides of a
# change of clocks (Europe), the end of a year, beyond 2038.
ODD_DATES = [1, 951_782_400, 1_679_792_399, 1_679_792_400, 1_698_541_199, 1_698_541_200,
             1_230_767_999, 2_177_452_800]


@dataclass
class Message:
    uid: int
    data: bytes
    date: int                 # INTERNALDATE, seconds since 1970
    flags: str = ""           # letters of SYSTEM_FLAGS
    keywords: tuple = ()


@dataclass
class Folder:
    path: tuple               # ("Archive", "2019"); () is INBOX
    uidvalidity: int
    messages: list = field(default_factory=list)
    uidnext: int = 1
    subscribed: bool = True
    exists: bool = True       # False: only a name, in the subscriptions

    def add(self, data, date, flags="", keywords=(), gap=0):
        """Appends; gap is how many messages before it have been expunged."""
        uid = self.uidnext + gap
        self.uidnext = uid + 1
        self.messages.append(Message(uid, data, date, flags, tuple(keywords)))


@dataclass
class Mailbox:
    folders: list

    def count(self):
        return sum(len(f.messages) for f in self.folders)


# path, share of the messages, subscribed
LAYOUT = [
    ((), 40, True),
    (("Sent",), 15, True),
    (("Drafts",), 1, True),
    (("Trash",), 4, True),
    (("Junk",), 4, True),
    (("Archive", "2019"), 8, True),         # no folder "Archive": \Noselect
    (("Archive", "2020"), 6, False),
    (("Archive", "2020", "Rechnungen"), 3, True),
    (("Entwürfe",), 2, True),
    (("日本語", "仕事"), 2, True),
    (("Список рассылки",), 2, True),
    (("Rock & Roll",), 2, True),
    (("Two  spaces and more",), 1, True),
    (("sent",), 1, False),                  # twin of Sent but for its case
    (("a \"quoted\" name",), 1, True),
    (("back\\slash",), 1, True),
    (("100% sure*",), 1, True),             # LIST's wild cards
    (("INBOX", "Inside"), 1, True),
    (("Deep", "er", "and", "deep", "er", "still"), 1, True),
    (("Empty",), 0, True),
]
SUBSCRIBED_BUT_GONE = [("Old list",), ("Archive", "2001")]


def generate(seed, messages=200):
    """A mailbox of about so many messages, plus one of each odd kind."""
    rng = random.Random(seed)
    writer = mail_text.Writer(rng)
    weight = sum(share for _, share, _ in LAYOUT)
    folders = []
    for path, share, subscribed in LAYOUT:
        folder = Folder(path, uidvalidity=rng.randrange(1, 2**32), subscribed=subscribed)
        folder.uidnext = rng.choice([1, 1, 7, 4000])
        for _ in range(messages * share // weight):
            _add_usual(rng, writer, folder)
        folders.append(folder)
    _add_odd(rng, folders)
    for path in SUBSCRIBED_BUT_GONE:
        folders.append(Folder(path, uidvalidity=0, exists=False))
    for folder in folders[::3]:  # the newest have been expunged, too
        folder.uidnext += rng.randrange(1, 50)
    return Mailbox(folders)


def _add_usual(rng, writer, folder):
    flags = "".join(sorted(letter for letter, chance in
                           (("S", 0.7), ("R", 0.2), ("F", 0.1), ("T", 0.03), ("D", 0.02))
                           if rng.random() < chance))
    keywords = rng.sample(KEYWORDS, rng.choice([0, 0, 0, 0, 1, 1, 2, 4]))
    date = rng.randrange(EPOCH_2003, EPOCH_2024)
    folder.add(writer.message(date), date, flags, keywords,
               gap=rng.choice([0, 0, 0, 1, 3]))


def _add_odd(rng, folders):
    """Into INBOX: each odd message and date; the same message twice; a huge UID."""
    inbox = folders[0]
    for number, (_, data) in enumerate(odd_messages()):
        inbox.add(data, EPOCH_2024 + number, rng.choice(["", "S", "FS", "DFRST"]))
    for date in ODD_DATES:
        inbox.add(b"Subject: from another time\r\n\r\nWhen?\r\n", date, "S")
    twin = b"Message-ID: <twin@example.com>\r\nSubject: twice\r\n\r\nOn purpose.\r\n"
    inbox.add(twin, EPOCH_2024, "S")
    inbox.add(twin, EPOCH_2024, "FS", gap=2)
    last = next(f for f in folders if f.path == ("Two  spaces and more",))
    last.add(twin, EPOCH_2024, gap=2**32 - 1000 - last.uidnext)


def bulk(seed, messages=20_000, mean=37_000, folders=4):
    """Plain messages of log-normal size around `mean` bytes, spread over some folders."""
    rng = random.Random(seed)
    pool = mail_text.base64_lines(rng, 4 << 20)
    made = [Folder((f"Bulk {n}",) if n else (), rng.randrange(1, 2**32))
            for n in range(folders)]
    sigma = 1.2
    mu = -sigma * sigma / 2  # so that the mean of exp(N(mu, sigma)) is 1
    for number in range(messages):
        size = min(int(mean * rng.lognormvariate(mu, sigma)), len(pool) // 2)
        start = rng.randrange(len(pool) - size) // 78 * 78
        date = EPOCH_2003 + number * 1000
        head = (f"From: Sender {number % 97} <s{number % 97}@example.org>\r\n"
                f"To: user@example.com\r\nSubject: bulk message {number}\r\n"
                f"Date: {mail_text.rfc5322_date(date)}\r\n"
                f"Message-ID: <{seed}.{number}@bulk.example.org>\r\n"
                "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                "Content-Transfer-Encoding: base64\r\n\r\n").encode()
        made[number % folders].add(head + pool[start:start + size] + b"\r\n", date,
                                   rng.choice(["S", "S", "RS", "", "F"]))
    return Mailbox(made)


def fill_demo(lab):
    """alice's 1,200 messages, and smaller mailboxes for the others."""
    for number, user in enumerate(lab.users):
        lab.server.fill(user, generate(user, 1200 if number == 0 else 150))
