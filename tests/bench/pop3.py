#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The POP3 bench: all messages of a mailbox, served here beside Dovecot, in one run.

    tests/bench/pop3.py [--build build/release] [--messages 5000] [--rounds 3]

alice's mailbox (37 KB mean) has moved, so both have it. One client reads it from us, then
from Dovecot by plain routing (mailferry is stopped and our rules are taken out):

    login       from connecting to the answer to STAT
    pipelined   UIDL and all RETRs at once, as getmail and fetchmail do in part
    one by one  each RETR after the answer to the last one, as phones do

Below: the same client and a process that has all answers in memory and does nothing else.
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


def from_memory(messages):
    """Seconds for all messages, one by one."""
    answers = [b"+OK %d octets\r\n%s.\r\n" % (len(m.data), m.data) for m in messages]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if os.fork() == 0:
            client = listener.accept()[0]
            client.sendall(b"+OK\r\n")
            while line := client.recv(100):
                client.sendall(answers[int(line.split()[1]) - 1])
            os._exit(0)
        reader = Reader(socket.create_connection(listener.getsockname()))
        took = retrieve_all(reader, len(messages))
        reader.socket.close()
    os.wait()
    return took


def retrieve_all(reader, count):
    begin = time.monotonic()
    for number in range(1, count + 1):
        reader.socket.sendall(b"RETR %d\r\n" % number)
        reader.ends(1)
    return time.monotonic() - begin


def one_by_one(connect):
    reader, count, _ = login(connect)
    return {"one by one": retrieve_all(reader, count)}


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
    with Lab(users={"alice": PASSWORD}, storage=options.storage) as lab:
        mailbox = bulk(1, options.messages, folders=1)
        lab.server.fill("alice", mailbox)

        def connect():
            return lab.client.connect(SOURCE_ADDRESS[0], 110)
        ferry = move(lab)
        ours = measure(connect, options.rounds)
        limit = statistics.median(
            from_memory(mailbox.folders[0].messages) for _ in range(options.rounds))
        ferry.stop()
        ferry.ok("rules", "remove", "--yes")
        theirs = measure(connect, options.rounds)
    if ours["bytes"] != theirs["bytes"]:
        raise SystemExit(f"{ours['bytes']} bytes from us, {theirs['bytes']} from Dovecot")
    print(f"{options.messages} messages, {ours['bytes'] / 1e6:.0f} MB; Dovecot: {options.storage}")
    for key in ("login", "pipelined", "one by one"):
        rates = "" if key == "login" else (f"   {options.messages / theirs[key]:8.0f} and "
                                           f"{options.messages / ours[key]:.0f} messages/s")
        print(f"{key:12}dovecot {theirs[key]:7.3f} s   mailferry {ours[key]:7.3f} s   "
              f"{theirs[key] / ours[key]:5.2f} times as fast{rates}")
    print(f"one by one from memory: {limit:.3f} s, {options.messages / limit:.0f} messages/s")


if __name__ == "__main__":
    main()
