#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules come and go under traffic, as `mailferry up` does it: in, somebody listens, nobody
listens any more, out. No connection reaches the wrong side, none changes sides, and afterwards
nft and ip show what they did before.

    test_cycles.py RULES_DRIVER [--count N]     # 8; by hand 1000, 8 minutes
"""

import contextlib
import os
import select
import socket
import sys
import threading
import time

from network import SO_MARK, transparent
from rules_lab import CLOSED, FAMILIES, LISTENER, MARK_LISTENER, MARK_UNDECIDED, OPEN, Lab, equal

COUNT = 8
CLIENTS = 4
ROUNDS = 3      # questions in one connection
STATE_EVERY = 10


class Server:
    """Answers each byte with its letter. stop() lets open connections end."""

    def __init__(self, lab, space, port, letter, through=False):
        self.letter, self.through, self.running = letter, through, True
        self.accepted = []  # (when, whom)
        self.sockets = [lab.listen(space, family, port, MARK_LISTENER if through else 0, through)
                        for family, _, _ in FAMILIES]
        self.threads = [threading.Thread(target=self.accept, args=(s,), daemon=True) for s in self.sockets]
        self.open = []
        for thread in self.threads:
            thread.start()

    def accept(self, listener):
        listener.settimeout(None)
        while self.running:
            if not select.select([listener], [], [], 0.05)[0]:
                continue
            with contextlib.suppress(OSError):
                peer, name = listener.accept()
                self.accepted.append((time.monotonic(), name[:2]))
                if self.through:
                    peer.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK_UNDECIDED)
                thread = threading.Thread(target=self.serve, args=(peer,), daemon=True)
                self.open.append(thread)
                thread.start()

    def serve(self, peer):
        peer.settimeout(60)
        with peer, contextlib.suppress(OSError):
            while peer.recv(1):
                peer.sendall(self.letter)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        for listener in self.sockets:
            listener.close()
        for thread in self.open:
            thread.join()


class Traffic:
    """Short connections without a pause: (began, ended, letters, error, socket): socket is
    None or its own address, and when it was connected at the latest."""

    def __init__(self, lab):
        self.lab, self.running, self.seen = lab, True, []
        self.threads = [threading.Thread(target=self.run, args=(FAMILIES[i % 2],), daemon=True)
                        for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, way):
        family, _, source = way
        while self.running:
            began, letters, error, own = time.monotonic(), b"", None, None
            try:
                with self.lab.connect(family, source) as sock:
                    own = sock.getsockname()[:2], time.monotonic()
                    for _ in range(ROUNDS):
                        sock.sendall(b"?")
                        letters += sock.recv(1)
            except OSError as why:
                error = type(why).__name__
            self.seen.append((began, time.monotonic(), letters, error, own))

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        return self.seen


class Session:
    """One connection to the source that was there before, in use all the time."""

    def __init__(self, lab):
        family, _, source = FAMILIES[0]
        self.sock = lab.connect(family, source)
        self.running, self.error, self.count = True, None, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while self.running:
                self.sock.sendall(b"?")
                assert self.sock.recv(1) == b"S"
                self.count += 1
                time.sleep(0.002)
        except (OSError, AssertionError) as why:
            self.error = repr(why)

    def stop(self):
        self.running = False
        self.thread.join()
        self.sock.close()
        return self.error


def drained(lab):
    """No connection of ours is under way at the router."""
    for _ in range(200):
        if "143" not in lab.router.text("ss", "-Htan", "state", "connected", "exclude", "time-wait",
                                        "sport = :143"):
            return
        time.sleep(0.01)
    raise AssertionError("connections stay at the router")


def came(seen, at, whom):
    """When the connection began that was accepted then, and when it was there at the latest: of
    two threads that wait for their turn the first one knows. A port comes again: the last one."""
    return max(((began, min(at, own[1])) for began, _, _, _, own in seen
                if own and own[0] == whom and began < at), default=(at, at))


def judge(times, seen, accepted, closed):
    """times: of each cycle, (asked, in, opening, listening, deaf, drained, out)."""
    bad = []
    for began, ended, letters, error, _ in seen:
        if len(set(letters)) > 1:
            bad.append(f"changed sides: {letters}")
        for asked, there, opening, listening, deaf, _, out in times:
            if listening < began and ended < deaf and (error or set(letters) != set(b"R")):
                bad.append(f"while we listened: {letters} {error}")
            if closed and there < began and ended < opening and error != "ConnectionRefusedError":
                bad.append(f"while nobody listened yet: {letters} {error}")
            if asked < began < out and b"S" in letters and closed and there < began and ended < deaf:
                bad.append("reached the source")
    outside = [(0, times[0][0])] + [(a[-1], b[0]) for a, b in zip(times, times[1:])]
    for began, ended, letters, error, _ in seen:
        if any(a < began and ended < b for a, b in outside) and (error or
                                                                 set(letters) != set(b"S")):
            bad.append(f"without rules: {letters} {error}")
    if closed:
        bad += ["the source accepted one behind the rules" for at, whom in accepted
                for _, there, _, _, deaf, _, _ in times if there < at < deaf
                for began, there_at in [came(seen, at, whom)]
                if there < began or there + 0.05 < there_at]
    return bad


def met(server, seconds=5):
    """Clients have come there: one that was cut off needs a second to come again."""
    end, before = time.monotonic() + seconds, len(server.accepted)
    while len(server.accepted) < before + 2 and time.monotonic() < end:
        time.sleep(0.01)


def cycle(lab, words, source):
    times = [time.monotonic()]
    lab.rules("install", *words)
    times.append(time.monotonic())
    time.sleep(0.05)
    times.append(time.monotonic())
    server = Server(lab, lab.router, LISTENER, b"R", through=True)
    times.append(time.monotonic())
    time.sleep(0.1)
    met(server)
    times.append(time.monotonic())
    server.stop()
    drained(lab)
    times.append(time.monotonic())
    lab.rules("remove")
    times.append(time.monotonic())
    met(source)
    return times


def run(lab, words, count):
    closed = words is CLOSED
    before = lab.state()
    source = Server(lab, lab.net.source, 143, b"S")
    session = None if closed else Session(lab)  # closed ends such sessions, as it must
    traffic = Traffic(lab)
    times = []
    try:
        for n in range(count):
            times.append(cycle(lab, words, source))
            if n % STATE_EVERY == 0:
                equal(before, lab.state())
    finally:
        seen = traffic.stop()
        error = session.stop() if session else None
        source.stop()
    equal(before, lab.state())
    sides = [sum(1 for s in seen if set(s[2]) == set(side)) for side in (b"R", b"S")]
    print(f"    {count} times, {len(seen)} connections: {sides[0]} here, {sides[1]} at the source, "
          f"{sum(1 for s in seen if s[3])} ended by a reset")
    assert not error, f"the session that was there before: {error}"
    assert not session or session.count > count * 20, session.count
    assert sides[0] > count and sides[1] > count, "both sides were met"
    bad = judge(times, seen, source.accepted, closed)
    assert not bad, (len(bad), bad[:5])


def main():
    count = int(sys.argv[sys.argv.index("--count") + 1]) if "--count" in sys.argv else COUNT
    lab = Lab(sys.argv[1])
    try:
        for words, name in ((OPEN, "open"), (CLOSED, "closed")):
            run(lab, words, (count + 1) // 2)
            print(f"ok      {name}", flush=True)
    finally:
        lab.net.close()
    return 0


if __name__ == "__main__":
    if os.geteuid():
        print("skipped: needs root")
        sys.exit(77)
    sys.argv[1] = os.path.abspath(sys.argv[1])
    sys.exit(main())
