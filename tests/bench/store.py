#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mailstore bench: a mailbox's IMAP commands, served here beside Dovecot, in one run.

    tests/bench/store.py [--build build/release] [--messages 20000] [--rounds 2]
    tests/bench/store.py --appending [--messages 2000] [--fsync never]

alice's mailbox (41 KB mean: 4 KB of words, the rest an attachment; with --text all of it
is text, random letters) has moved, so both have it; one client measures ours, then
Dovecot by plain routing (our rules are taken out). Milliseconds until the tagged
answer, the median of the rounds; appending in messages a second. "cold": the first time
after the account's process has started; another one has sorted the mailbox before. What is
kept of headers and texts is built first; --unbuilt measures without. Beside our time: how
many times faster it is than Dovecot's, the goal, and what this machine allows in the same
minute, with nothing else done: of bodies, their bytes from memory to the client in C, over
the same way; of one APPEND after another, a NOOP and a durable write of what it writes.

What Dovecot has acknowledged is on its disk, too, as by its own default; --fsync never
measures it without. --appending: appending alone.
"""
import argparse
import itertools
import os
import random
import socket
import sqlite3
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab import SOURCE_ADDRESS, Lab  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.mail import bulk  # noqa: E402
from mail_limit import UsualNetwork, limit_of, read_by_c  # noqa: E402

PASSWORD = "wonderland"
CHUNK = 1 << 20
APPENDS = 1000
APPENDED = 9 * 4120  # pages that one of a small message changes, with their frames
FIELDS = "HEADER.FIELDS (FROM TO SUBJECT DATE)"
BODIES = "FETCH 1:* (BODY.PEEK[])"
BY_C = "FETCH BODY.PEEK[], client in C"
ONE_BY_ONE = "APPEND one by one"
COMMANDS = [
    ("SELECT", "SELECT INBOX"),
    ("FETCH FLAGS", "FETCH 1:* (FLAGS)"),
    ("FETCH UID FLAGS INTERNALDATE SIZE",
     "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)"),
    ("FETCH ENVELOPE", "FETCH 1:* (ENVELOPE)"),
    ("FETCH ENVELOPE BODYSTRUCTURE",
     "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"),
    ("FETCH HEADER.FIELDS (4)", f"FETCH 1:* (UID BODY.PEEK[{FIELDS}])"),
    ("SEARCH SUBJECT", "SEARCH SUBJECT xyzzyplugh"),
    ("SEARCH TEXT", "SEARCH TEXT xyzzyplugh"),
    ("SEARCH BODY", "SEARCH BODY xyzzyplugh"),
    ("SORT (DATE)", "SORT (DATE) UTF-8 ALL"),
    ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL"),
    ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ("STORE +FLAGS.SILENT", "STORE 1:* +FLAGS.SILENT (\\Answered)"),
    ("STORE -FLAGS.SILENT", "STORE 1:* -FLAGS.SILENT (\\Answered)"),
    ("FETCH BODY.PEEK[]", BODIES),
]
# Of 20,000 messages, 721 MB: milliseconds; cold is twice that. Messages a second.
GOALS = {"SELECT": 1.5, "FETCH FLAGS": 9, "FETCH UID FLAGS INTERNALDATE SIZE": 40,
         "FETCH ENVELOPE": 100, "FETCH ENVELOPE BODYSTRUCTURE": 200,
         "FETCH HEADER.FIELDS (4)": 60, "SEARCH SUBJECT": 15, "SEARCH TEXT": 20,
         "SEARCH BODY": 20, "SORT (DATE)": 15, "THREAD REFERENCES": 60,
         "STORE +FLAGS.SILENT": 9, "STORE -FLAGS.SILENT": 9, "FETCH BODY.PEEK[]": 200,
         BY_C: 200, ONE_BY_ONE: 5000, "APPEND pipelined": 10000, "MULTIAPPEND": 20000}


def make_text(messages):
    for m in messages:
        m.data = m.data.replace(b"application/octet-stream", b"text/plain", 1).replace(
            b"Encoding: base64", b"Encoding: 7bit", 1)


def words(rng, size):
    """Text of a language that nobody speaks; some words come often, most seldom."""
    syllables = ["".join(s) for s in itertools.product("bdfgklmnprstvwz", "aeiou", ("", "n", "r"))]
    known = ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3, 3, 4))))
             for _ in range(30000)]
    often = [1 / (n + 1) for n in range(len(known))]
    lines, length = [], 0
    while length < size:
        lines.append(" ".join(rng.choices(known, often, k=11)).capitalize() + ".\r\n")
        length += len(lines[-1])
    return "".join(lines).encode()


def add_text(messages):
    """As mail is: what was in it becomes the attachment of a text."""
    rng = random.Random(2)
    pool = words(rng, 4 << 20)
    for m in messages:
        head, _, base64 = m.data.partition(b"\r\n\r\n")
        at = pool.index(b"\r\n", rng.randrange(len(pool) - 100000)) + 2
        text = pool[at:at + min(int(4000 * rng.lognormvariate(-0.5, 1)), 90000)]
        mixed = b"Content-Type: multipart/mixed; boundary=bench"
        part = head[head.index(b"Content-Type:"):]
        m.data = (head.replace(part, mixed) + b"\r\n\r\n--bench\r\n"
                  b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text
                  + b"\r\n--bench\r\n" + part + b"\r\n\r\n" + base64
                  + b"--bench--\r\n")


def fastest_tenth(took):
    """The slowest of it, in microseconds: what a disk allows that nobody else uses just then."""
    return sorted(took)[len(took) // 10] * 1e6


class Reader:
    """IMAP with as little work as Python can do for it."""

    def __init__(self, connect):
        client = Imap(connect())
        client.login("alice", PASSWORD)
        self.socket = client.socket
        self.socket.settimeout(300)
        self.buffer = bytearray(CHUNK)
        self.view = memoryview(self.buffer)
        self.tags = 0
        self.fastest = 0

    def command(self, text):
        """Milliseconds until its tagged answer."""
        self.tags += 1
        tag = b"M%d" % self.tags
        begin = time.monotonic()
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        self.ends(b"\n" + tag + b" ")
        return (time.monotonic() - begin) * 1000

    def ends(self, mark):
        tail = b"\n"
        while True:
            n = self.socket.recv_into(self.buffer)
            if not n:
                raise SystemExit("closed in the middle")
            last = tail + bytes(self.view[max(0, n - 400):n])
            tail = last[-400:]
            at = last.find(mark)
            if at >= 0 and last.endswith(b"\r\n"):
                if not last[at + len(mark):].startswith(b"OK"):
                    raise SystemExit(f"{last[at:]!r}")
                return

    def round_trip(self):
        """Seconds of a command for which nothing is done."""
        return statistics.fmean(self.command("NOOP") for _ in range(APPENDS)) / 1000

    # ── appending ──────────────────────────────────────────────────────────────────

    def append_one_by_one(self, message):
        took = []
        for number in range(APPENDS):
            tag = b"A%d" % number
            begin = time.monotonic()
            self.socket.sendall(tag + b" APPEND Appended {%d+}\r\n" % len(message)
                                + message + b"\r\n")
            self.ends(b"\n" + tag + b" ")
            took.append(time.monotonic() - begin)
        self.fastest = fastest_tenth(took)
        return APPENDS / sum(took)

    def append_pipelined(self, message):
        begin = time.monotonic()
        self.socket.sendall(b"".join(
            b"P%d APPEND Appended {%d+}\r\n" % (number, len(message)) + message + b"\r\n"
            for number in range(APPENDS)))
        self.ends(b"\nP%d " % (APPENDS - 1))
        return APPENDS / (time.monotonic() - begin)

    def append_multi(self, message):
        begin = time.monotonic()
        self.socket.sendall(b"MULTI APPEND Appended" + b"".join(
            b" {%d+}\r\n" % len(message) + message for _ in range(APPENDS)) + b"\r\n")
        self.ends(b"\nMULTI ")
        return APPENDS / (time.monotonic() - begin)


def sort_once(connect):
    """Ours keeps what it has read when nobody asks for anything (mailstore/quiet.c: 5 s)."""
    reader = Reader(connect)
    for name, command in COMMANDS:
        if name == "SELECT" or name.startswith(("SORT", "THREAD")):
            reader.command(command)
    time.sleep(7)
    reader.socket.close()
    time.sleep(3)  # its process stays for 2 s


def measure(connect, rounds):
    """{name: milliseconds}, and "… cold" of what ours keeps ready."""
    results = {}
    sort_once(connect)
    for number in range(rounds + 1):
        reader = Reader(connect)
        for name, command in COMMANDS:
            took = reader.command(command)
            results.setdefault(name if number else name + " cold", []).append(took)
        reader.socket.close()
        time.sleep(0.3)
        if number:
            results.setdefault(BY_C, []).append(bodies_by_c(connect)[0])
    return {name: statistics.median(took) for name, took in results.items()}


def appending(connect, message):
    reader = Reader(connect)
    reader.command("CREATE Appended")
    rates = {ONE_BY_ONE: reader.append_one_by_one(message),
             "APPEND pipelined": reader.append_pipelined(message),
             "MULTIAPPEND": reader.append_multi(message)}
    round_trip = reader.round_trip()
    print(f"{ONE_BY_ONE}, the fastest tenth: {reader.fastest:.0f} us; NOOP: {round_trip * 1e6:.0f} us")
    reader.command("DELETE Appended")
    reader.socket.close()
    return rates, round_trip


LEFT = ("SELECT count(*) FROM message m WHERE len > 0 AND NOT EXISTS"
        " (SELECT 1 FROM header h WHERE h.email = m.email)",
        "SELECT count(*) FROM message, account WHERE message.email > grams_to")


def wait_until_built(index, connect, seconds=240):
    """A session stays while our process reads what it has not read yet."""
    reader = Reader(connect)
    begin = time.monotonic()
    while True:
        with sqlite3.connect(f"file:{index}?mode=ro", uri=True) as db:
            left = max(db.execute(question).fetchone()[0] for question in LEFT)
        if not left:
            break
        if time.monotonic() > begin + seconds:
            raise SystemExit(f"{left} messages are still not read")
        time.sleep(0.5)
    with sqlite3.connect(f"file:{index}?mode=ro", uri=True) as db:
        texts = db.execute("SELECT (SELECT total(length(lists)) FROM gram_row)"
                           " + (SELECT total(length(grams)) FROM gram_new)").fetchone()[0]
    print(f"built in {time.monotonic() - begin:.1f} s; the text index has "
          f"{texts / 1048576:.1f} MB")
    reader.socket.close()
    time.sleep(0.5)


def bodies_by_c(connect):
    """Milliseconds for all bodies, and how many bytes: by a client that does nothing else."""
    reader = Reader(connect)
    reader.command("SELECT INBOX")
    seconds, size = read_by_c(reader.socket, "command", BODIES)
    return seconds * 1000, size


def plain_copy(lab, bodies, rounds, *how):
    """Milliseconds until all bytes of the packs have come to that client, over the same way, from
    a process that has them in memory; or maps them a piece at a time ("windows")."""
    whole = b"".join(pack.read_bytes() for pack in sorted(bodies.glob("*.pack"))) + b"\r\nM OK done\r\n"
    with limit_of(lab, [whole], *how) as connect:
        return statistics.median(read_by_c(connect(), "command", BODIES)[0] * 1000 for _ in range(rounds))


def durable_writes(folder):
    """Writes of what an APPEND writes to its log, each on the disk before the next: how many a
    second, and the fastest tenth."""
    path = folder / "durable"
    bytes_of_one = os.urandom(APPENDED)
    with open(path, "wb") as f:
        os.pwrite(f.fileno(), bytes(APPENDED * 100), 0)
        os.fsync(f.fileno())
        took = []
        for number in range(APPENDS):
            begin = time.monotonic()
            os.pwrite(f.fileno(), bytes_of_one, number % 100 * APPENDED)
            os.fdatasync(f.fileno())
            took.append(time.monotonic() - begin)
    path.unlink()
    return APPENDS / sum(took), fastest_tenth(took)


def move(lab, **settings):
    """alice lives here from now on."""
    ferry = Ferry(lab, **settings).start()
    client = Imap(lab.connect(143))
    client.login("alice", PASSWORD)
    client.logout()
    ferry.wait_account("alice", timeout=300, stage="done", route="local")
    return ferry


def row(name, theirs, ours, faster, limit):
    goal = GOALS.get(name.removesuffix(" cold"), 0) * (2 if name.endswith(" cold") else 1)
    print(f"{name:36}{theirs:10.1f}{ours:12.1f}{faster:9.2f}x"
          f"{f'{goal:g}' if goal else '-':>8}{f'{limit:.1f}' if limit else '-':>9}")


def head(what):
    print(f"{what:36}{'dovecot':>10}{'mailferry':>12}{'faster':>10}{'goal':>8}{'limit':>9}")


def show(theirs, ours, rates, limits):
    """limits: what nobody passes on this machine, as far as it was measured."""
    head("milliseconds")
    names = [name for name, _ in COMMANDS]
    for name in names + [BY_C] + [name + " cold" for name in names]:
        if name in ours:
            row(name, theirs[name], ours[name], theirs[name] / ours[name],
                limits.get(name.removesuffix(" cold")))
    head("messages a second")
    for name in rates[0]:
        row(name, rates[0][name], rates[1][name], rates[1][name] / rates[0][name],
            limits.get(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--storage", default="mdbox", help="Dovecot's: mdbox or maildir")
    parser.add_argument("--fsync", default="optimized", help="Dovecot's mail_fsync")
    parser.add_argument("--appending", action="store_true", help="nothing else")
    parser.add_argument("--unbuilt", action="store_true", help="nothing is kept ready")
    parser.add_argument("--text", action="store_true", help="no attachments, all is text")
    parser.add_argument("--pause", action="store_true", help="wait for Enter at the end")
    options = parser.parse_args()
    os.environ["MAILFERRY_BIN"] = str(Path(options.build).resolve() / "bin")
    with Lab(users={"alice": PASSWORD}, storage=options.storage,
             fsync=options.fsync, network=UsualNetwork) as lab:
        mailbox = bulk(1, options.messages, folders=1)
        (make_text if options.text else add_text)(mailbox.folders[0].messages)
        lab.server.fill("alice", mailbox)
        message = min((m.data for m in mailbox.folders[0].messages), key=len)

        def connect():
            return lab.client.connect(SOURCE_ADDRESS[0], 143)
        ferry = move(lab, **({"search_index": False} if options.unbuilt else {}))
        if not options.unbuilt:
            wait_until_built(ferry.folder / "state/mail/alice/index.sqlite", connect)
        ours = {} if options.appending else measure(connect, options.rounds)
        own_rates, round_trip = appending(connect, message)
        per_second, fastest = durable_writes(ferry.folder / "state")
        bodies = ferry.folder / "state/mail/alice/bodies"
        copied, mapped = (plain_copy(lab, bodies, options.rounds + 1, *how)
                          for how in ((), ("windows",)))
        if options.pause:
            input(f"{ferry.folder}: Enter ends it ")
        ferry.stop()
        ferry.ok("rules", "remove", "--yes")
        theirs = {} if options.appending else measure(connect, options.rounds)
        their_rates = appending(connect, message)[0]
    print(f"{options.messages} messages of {len(message)} bytes and more; "
          f"Dovecot: {options.storage}, mail_fsync {options.fsync}")
    one_by_one = 1 / (round_trip + 1 / per_second)
    show(theirs, ours, (their_rates, own_rates),
         {"FETCH BODY.PEEK[]": copied, BY_C: copied, ONE_BY_ONE: one_by_one})
    print(f"all bodies, mapped 16 MiB at a time and nothing else done: {mapped:.1f} ms")
    print(f"{ONE_BY_ONE}: {own_rates[ONE_BY_ONE] / one_by_one:.2f} of the limit; durable writes of "
          f"{APPENDED} bytes: {per_second:.1f} a second, the fastest tenth: {fastest:.0f} us")


if __name__ == "__main__":
    main()
