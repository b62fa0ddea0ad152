# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the rules share: a network, the driver of the library, and what is
looked at."""

import os
import socket
import sys
import time
import traceback

from network import CLIENT4, CLIENT6, SO_MARK, SOURCE4, SOURCE6, Network, transparent

MARK_LISTENER, MARK_SOURCE, MARK_BUSY, MARK_LOCAL = 0x20000000, 0x40000000, 0x50000000, 0x60000000
MARK_UNDECIDED = 0x30000000
LISTENER = 19143  # ours; 143 on the router may be another's
BASE = [f"source={SOURCE4}", f"source={SOURCE6}", f"service=imap:143:143:{LISTENER}",
        "service=smtp:25:2525:19025"]
OPEN, CLOSED = BASE + ["fail=open"], BASE + ["fail=closed"]
FAMILIES = [(socket.AF_INET, CLIENT4, SOURCE4), (socket.AF_INET6, CLIENT6, SOURCE6)]


class Lab:
    def __init__(self, driver):
        self.driver = driver
        self.net = Network()
        self.router = self.net.router

    def rules(self, *words, ok=True):
        done = self.router.run(self.driver, *words, check=False)
        if ok and done.returncode:
            raise AssertionError(f"{words[0]}: {done.stdout}{done.stderr}")
        return done

    def check(self, *words):
        """The differences, as lines."""
        done = self.rules("check", *words, ok=False)
        assert not done.stderr, done.stderr
        lines = done.stdout.splitlines()
        assert done.returncode == (1 if lines else 0), done
        return lines

    def state(self):
        """All that nft and ip know about the router; counters' values left out."""
        text = "".join(self.router.text(*words.split()) for words in (
            "nft -s list ruleset", "ip rule", "ip -6 rule", "ip route show table all",
            "ip -6 route show table all"))
        # IPv6 multicast entries of a link come and go with its traffic.
        return [line for line in text.splitlines() if "ff00::" not in line]

    def counters(self):
        rows = {}
        for line in self.rules("counters").stdout.splitlines():
            service, route, *numbers = line.split()
            rows[service, route] = tuple(map(int, numbers))
        return rows

    def listen(self, space, family, port, mark=0, through=False):
        sock = space.socket(family)
        if through:
            transparent(sock)
        if mark:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        sock.listen(16)
        return sock

    def connect(self, family, address, port=143):
        sock = self.net.client.socket(family)
        try:
            sock.connect((address, port))
        except OSError:
            sock.close()
            raise
        return sock


def eventually(question, what):
    """Counters move with packets in flight."""
    for _ in range(50):
        if question():
            return
        time.sleep(0.02)
    raise AssertionError(what)


def equal(a, b):
    if a != b:
        gone = [line for line in a if line not in b]
        new = [line for line in b if line not in a]
        raise AssertionError(f"gone: {gone}\nnew: {new}")


def exchange(sock, peer, size):
    """size bytes each way."""
    for one, other in ((sock, peer), (peer, sock)):
        one.sendall(b"x" * size)
        got = 0
        while got < size:
            got += len(other.recv(65536))


def end(sock, peer):
    """The client goes first. Who goes first keeps the place for a minute (TIME_WAIT), and a
    SYN from a port of which this host has one never gets to the source: ip_forward() drops
    what a socket of this host was found for."""
    sock.shutdown(socket.SHUT_WR)
    assert peer.recv(1) == b""
    peer.close()
    assert sock.recv(1) == b""
    sock.close()


def main(tests):
    if os.geteuid():
        print("skipped: needs root")
        return 77
    chosen = [test for test in tests if not sys.argv[2:] or test.__name__ in sys.argv[2:]]
    failed = 0
    lab = Lab(os.path.abspath(sys.argv[1]))
    try:
        for test in chosen:
            try:
                test(lab)
                print(f"ok      {test.__name__}")
            except Exception:  # the next test still says something
                failed += 1
                traceback.print_exc()
                print(f"FAILED  {test.__name__}", flush=True)
                lab.router.run("nft", "flush", "ruleset", check=False)
                lab.router.run("ip", "link", "set", "lo", "up", check=False)
                lab.rules("remove", ok=False)
    finally:
        lab.net.close()
    print(f"{len(chosen) - failed} of {len(chosen)} passed")
    return 1 if failed else 0
