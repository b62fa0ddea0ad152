#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The POP3 bench: all messages of a mailbox, served here beside Dovecot, in one run.

    tests/bench/pop3.py [--build build/release] [--messages 5000] [--rounds 3]

alice's mailbox (37 KB mean) has moved, so both have it. One client reads it from us, then
from Dovecot by plain routing (mailferry is stopped and our rules are taken out):

    login       from connecting to the answer to STAT
    pipelined   UIDL and all RETRs at once, as getmail and fetchmail do in part
    one by one  each RETR after the answer to the last one, as phones do; by a client in C, so
                that the servers are measured, and not the client

Below: the same client and a process in C that has all answers in memory and does nothing else.
"""
import argparse
import os
import socket
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
from store import wait_until_built  # noqa: E402
from mail_limit import UsualNetwork, limit_of, read_by_c  # noqa: E402

PASSWORD = "wonderland"
END = b"\r\n.\r\n"
CHUNK = 1 << 20


class Reader:
    """POP3 with as little work as Python can do for it."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(CHUNK)
        self.view = memoryview(self.buffer)
        self.line()

    def line(self):
        got = b""
        while not got.endswith(b"\r\n"):
            part = self.socket.recv(4096)
            if not part:
                raise SystemExit(f"closed after {got!r}")
            got += part
        if not got.startswith(b"+OK"):
            raise SystemExit(f"{got!r}")
        return got

    def command(self, text):
        self.socket.sendall(text + b"\r\n")
        return self.line()

    def ends(self, count):
        """Reads until `count` multi-line answers have ended; the bytes."""
        size, tail = 0, b""
        while count:
            n = self.socket.recv_into(self.buffer)
            if not n:
                raise SystemExit("closed in the middle")
            size += n
            data = tail + self.view[:n]
            count -= data.count(END)
            tail = data[1 - len(END):]  # an end may lie across two reads
        return size


def login(connect):
    begin = time.monotonic()
    reader = Reader(connect())
    reader.command(b"USER alice")
    reader.command(b"PASS " + PASSWORD.encode())
    count = int(reader.command(b"STAT").split()[1])
    return reader, count, time.monotonic() - begin


def pipelined(connect):
    reader, count, took = login(connect)
    begin = time.monotonic()
    reader.socket.sendall(b"UIDL\r\n")
    size = reader.ends(1)
    for first in range(1, count + 1, 200):
        numbers = range(first, min(first + 200, count + 1))
        reader.socket.sendall(b"".join(b"RETR %d\r\n" % n for n in numbers))
        size += reader.ends(len(numbers))
    return {"login": took, "pipelined": time.monotonic() - begin, "bytes": size}


def one_by_one(connect):
    reader, count, _ = login(connect)
    took, size = read_by_c(reader.socket, "retrieve", count)
    return {"one by one": took, "one by one bytes": size}


def from_memory(lab, messages, rounds):
    """The same client and answers, over the same way, by a process that does nothing else."""
    with limit_of(lab, (b"+OK %d octets\r\n%s.\r\n" % (len(m.data), m.data) for m in messages)) as connect:
        return statistics.median(read_by_c(connect(), "retrieve", len(messages))[0] for _ in range(rounds))


def measure(connect, rounds):
    """Medians of all rounds but the first, which warms up."""
    results = [pipelined(connect) | one_by_one(connect) for _ in range(rounds + 1)][1:]
    return {key: statistics.median(r[key] for r in results) for key in results[0]}


def move(lab):
    """alice lives here from now on."""
    ferry = Ferry(lab, uidls="require").start()
    client = Imap(lab.connect(143))
    client.login("alice", PASSWORD)
    client.logout()
    ferry.wait_account("alice", timeout=300, stage="done", route="local")
    return ferry


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--storage", default="mdbox", help="Dovecot's: mdbox or maildir")
    options = parser.parse_args()
    os.environ["MAILFERRY_BIN"] = str(Path(options.build).resolve() / "bin")
    with Lab(users={"alice": PASSWORD}, storage=options.storage, network=UsualNetwork) as lab:
        mailbox = bulk(1, options.messages, folders=1)
        lab.server.fill("alice", mailbox)

        def connect():
            return lab.client.connect(SOURCE_ADDRESS[0], 110)
        ferry = move(lab)
        wait_until_built(ferry.folder / "state/mail/alice/index.sqlite",
                         lambda: lab.client.connect(SOURCE_ADDRESS[0], 143))
        ours = measure(connect, options.rounds)
        limit = from_memory(lab, mailbox.folders[0].messages, options.rounds)
        ferry.stop()
        ferry.ok("rules", "remove", "--yes")
        theirs = measure(connect, options.rounds)
    for key in ("bytes", "one by one bytes"):
        if ours[key] != theirs[key]:
            raise SystemExit(f"{ours[key]} bytes from us, {theirs[key]} from Dovecot")
    print(f"{options.messages} messages, {ours['bytes'] / 1e6:.0f} MB; Dovecot: {options.storage}")
    goals = {"pipelined": "; goal 40000", "one by one": "; goal 20000"}
    for key in ("login", "pipelined", "one by one"):
        rates = "" if key == "login" else (f"   {options.messages / theirs[key]:8.0f} and "
                                           f"{options.messages / ours[key]:.0f} messages/s{goals[key]}")
        print(f"{key:12}dovecot {theirs[key]:7.3f} s   mailferry {ours[key]:7.3f} s   "
              f"{theirs[key] / ours[key]:5.2f} times as fast{rates}")
    print(f"one by one from memory, in C: {limit:.3f} s, {options.messages / limit:.0f} messages/s")


if __name__ == "__main__":
    main()
