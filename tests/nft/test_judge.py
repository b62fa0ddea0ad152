#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program behind the queue, between a real kernel and a stand-in for the interceptor.

    test_judge.py RULES_DRIVER MAILFERRY_ADMISSION [NAME…]
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

from interceptor import Interceptor, encode
from network import CLIENT4, SOURCE4, SOURCE6
from rules_lab import FAMILIES, MARK_LISTENER, end, equal, exchange, main

LISTENER = 19782  # of IMAP, as the settings give it
RULES = [f"source={SOURCE4}", f"source={SOURCE6}", f"service=imap:143:143:{LISTENER}"]
OPEN, CLOSED = [*RULES, "fail=open"], [*RULES, "fail=closed"]
ADMISSION = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else ""


class Judge:
    """The program in the router's namespace."""

    def __init__(self, lab, limits=""):
        self.lab = lab
        self.dir = tempfile.mkdtemp(prefix="mf-judge-")
        os.chmod(self.dir, 0o755)  # the program has a user of its own
        self.config = f"{self.dir}/mailferry.conf"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'source = {{"{SOURCE4}", "{SOURCE6}"}}\ndomains = {{"example.com"}}\n'
                       f'strategy = "after-logoff"\nstate_dir = "{self.dir}"\n'
                       f'run_dir = "{self.dir}"\nlimits {{ {limits} }}\n')
        self.interceptor = Interceptor(self.dir)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.lab.router.name, ADMISSION, "-c", self.config])
        self.until(lambda judged: judged["queues"] > 0)

    def judged(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(f"{self.dir}/admission.sock")
            sock.send(encode("MESSAGE_JUDGED"))
            answer = sock.recv(65536)
        return json.loads(answer[answer.index(b"{"):])

    def until(self, question):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError):
                if question(self.judged()):
                    return
            time.sleep(0.02)
        raise AssertionError(self.judged())

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            assert self.end() == 0
        self.interceptor.close()
        subprocess.run(["rm", "-r", self.dir], check=True)


def syns_again(lab):
    """How many SYNs the client has sent for the second time. On a machine under load a few
    come late to the queue, not to be answered within a second; they are judged twice."""
    names, values = (line.split() for line in lab.net.client.text("cat", "/proc/net/netstat")
                     .splitlines() if line.startswith("TcpExt:"))
    return int(values[names.index("TCPSynRetrans")])


def goes(lab, ours, there, family, source):
    try:
        sock = lab.connect(family, source)
    except ConnectionRefusedError:
        return "refused"
    with sock:
        listener = select.select([ours, there], [], [], 5)[0][0]
        with listener.accept()[0] as peer:
            peer.settimeout(5)
            exchange(sock, peer, 20000)
            end(sock, peer)
            return "direct" if listener is there else "diverted"


@contextlib.contextmanager
def both(lab, family, backlog=16):
    with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as ours, \
            lab.listen(lab.net.source, family, 143) as there:
        ours.listen(backlog)
        yield ours, there


def test_judged_and_diverted(lab):
    before = lab.state()
    with Judge(lab) as judge:
        queues = judge.judged()["queues"]
        for mode in (OPEN, CLOSED):
            lab.rules("install", *mode, f"queue=xt:{queues}")
            for family, _, source in FAMILIES:
                with both(lab, family) as (ours, there):
                    for _ in range(5):
                        assert goes(lab, ours, there, family, source) == "diverted"
        judged = judge.judged()
        assert judged["diverted"] == judged["packets"] == 20, judged
        # as the kernel itself tells of the queues
        judge.until(lambda judged: judged["queue_offered"] == 20 and not judged["queue_waiting"])
        assert (judged["queue_limit"], judged["queue_overruns"]) == (8192, 0), judged
        assert not judged["refused"] and not judged["left"] and judged["load"] == "room", judged
        # what a prefix decides does not come to the queue
        lab.rules("install", *CLOSED, "admit=0.0.0.0/0=direct", f"queue=xt:{queues}")
        with both(lab, socket.AF_INET) as (ours, there):
            assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "direct"
        assert judge.judged()["packets"] == 20
    lab.rules("remove")
    equal(before, lab.state())


def test_nobody_judges(lab):
    """It ends, it is killed: at once the fail mode decides, and nobody waits."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with Judge(lab) as judge:
            queues = judge.judged()["queues"]
            for mode, wanted in ((OPEN, "direct"), (CLOSED, "refused")):
                lab.rules("install", *mode, f"queue=xt:{queues}")
                with both(lab, socket.AF_INET) as (ours, there):
                    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
                    judge.end(number)
                    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == wanted
                    judge.start()
                    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
    lab.rules("remove")


def test_full(lab):
    """Overload sheds as the fail mode says, in no time: too many sessions, a silent
    interceptor, an accept queue that nobody empties."""
    with Judge(lab) as judge:
        queues = judge.judged()["queues"]
        began = syns_again(lab)

        def goes_at_once(there, wanted):
            """What sheds by time-outs does so each time."""
            for _ in range(3):
                before = syns_again(lab)
                assert goes(lab, there, there, socket.AF_INET, SOURCE4) == wanted
                if syns_again(lab) == before:
                    return
            raise AssertionError("each SYN was sent twice")

        def sheds(reason, there):
            judge.until(lambda judged: judged["load"] == reason)
            for mode, wanted in ((OPEN, "direct"), (CLOSED, "refused")):
                lab.rules("install", *mode, f"queue=xt:{queues}")
                goes_at_once(there, wanted)

        def recovers(ours, there):
            judge.until(lambda judged: judged["load"] == "room")
            assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"

        lab.rules("install", *OPEN, f"queue=xt:{queues}")
        with both(lab, socket.AF_INET) as (ours, there):
            recovers(ours, there)
            judge.interceptor.sessions = 100
            sheds("too many sessions", there)
            judge.interceptor.sessions = 90
            recovers(ours, there)
            judge.interceptor.silent = True
            sheds("interceptor silent", there)
            judge.interceptor.silent = False
            recovers(ours, there)
            waiting = [lab.connect(socket.AF_INET, SOURCE4) for _ in range(8)]
            sheds("accept queue full", there)
            for sock in waiting:
                ours.accept()[0].close()
                sock.close()
            recovers(ours, there)
        assert 6 <= judge.judged()["left"] <= 6 + 2 * (syns_again(lab) - began)
    lab.rules("remove")


def test_what_is_diverted_must_arrive(lab):
    """Somebody starts a firewall on the router that drops it."""
    with Judge(lab) as judge:
        lab.rules("install", *CLOSED, f"queue=xt:{judge.judged()['queues']}")

        def some_come():
            socks = [lab.net.client.socket(socket.AF_INET) for _ in range(10)]
            for sock in socks:
                sock.setblocking(False)
                sock.connect_ex((SOURCE4, 143))
            time.sleep(0.3)
            for sock in socks:
                sock.close()

        with both(lab, socket.AF_INET, 64) as (ours, _):
            for dropped in (True, False):
                if dropped:
                    lab.router.run("nft", "-f", "-", stdin="""table inet fw {
                        chain in { type filter hook input priority 10; policy drop; }\n}""")
                else:
                    lab.router.run("nft", "delete", "table", "inet", "fw")
                    judge.interceptor.accepted = 10  # as it would tell by then
                some_come()
                judge.until(lambda judged, blocked=dropped: judged["blocked"] == blocked)
            for _ in range(10):
                ours.accept()[0].close()
    lab.rules("remove")


def some_at_once(lab, n):
    """How many of them came in, and how many were reset."""
    socks = [lab.net.client.socket(socket.AF_INET) for _ in range(n)]
    for sock in socks:
        sock.setblocking(False)
    for sock in socks:
        sock.connect_ex((SOURCE4, 143))
    codes = []
    for sock in socks:
        assert select.select([], [sock], [], 5)[1], "no answer"
        codes.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        sock.close()
    assert set(codes) <= {0, errno.ECONNREFUSED}, codes
    return codes.count(0), codes.count(errno.ECONNREFUSED)


def test_rate(lab):
    """A network that begins too many is reset; the queue's other customers go on."""
    rate, n = 4, 60
    with Judge(lab, f"new_connections = {rate}") as judge:
        lab.rules("install", *OPEN, f"queue=xt:{judge.judged()['queues']}")
        began, before = time.monotonic(), syns_again(lab)
        with both(lab, socket.AF_INET, n):
            came, refused = some_at_once(lab, n)
        # a machine that is slow gives the bucket time to fill
        most = 2 * rate + rate * (time.monotonic() - began) + 1
        assert 2 * rate <= came <= most and refused == n - came, (came, refused, most)
        with both(lab, socket.AF_INET6) as (ours, there):
            assert goes(lab, ours, there, socket.AF_INET6, SOURCE6) == "diverted"
        judged = judge.judged()
        twice = syns_again(lab) - before
        assert refused <= judged["refused"] <= refused + twice, (judged, refused, twice)
        assert not judged["left"], judged
    lab.rules("remove")


# ---- while there is room the kernel decides by itself ----

ROOM_S = 2  # nft-rules/room.h


def until_alone(lab, judge, ours, there, family=socket.AF_INET, source=SOURCE4):
    """The process has said that the kernel may, and it does."""
    most = time.monotonic() + 15
    while time.monotonic() < most:
        before = judge.judged()["by_kernel"]
        assert goes(lab, ours, there, family, source) == "diverted"
        if judge.judged()["by_kernel"] == before + 1:
            return
        time.sleep(0.1)  # it looks about as often
    raise AssertionError(judge.judged())


def assert_renewed_at_once(lab, judge, ours, there):
    """The verdict runs out: one connection travels, and the next does not."""
    until_alone(lab, judge, ours, there)
    for _ in range(2):
        before = after = judge.judged()
        while after["packets"] == before["packets"]:
            assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
            after = judge.judged()
    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
    assert judge.judged()["by_kernel"] == after["by_kernel"] + 1


def test_the_kernel_decides_alone(lab):
    """All are diverted and counted, and few of them travel to the process and back. What
    packets have put into its sets is no difference."""
    n = 20
    with Judge(lab) as judge:
        words = [*CLOSED, f"queue=xt:{judge.judged()['queues']}", "room=2000"]
        lab.rules("install", *words)
        for family, _, source in FAMILIES:
            with both(lab, family) as (ours, there):
                until_alone(lab, judge, ours, there, family, source)
                twice = syns_again(lab)
                before, began = judge.judged(), time.monotonic()
                for _ in range(n):
                    assert goes(lab, ours, there, family, source) == "diverted"
                after = judge.judged()
                twice = syns_again(lab) - twice
                judged = after["packets"] - before["packets"]
                diverted = after["diverted"] - before["diverted"]
                assert judged <= 1 + (time.monotonic() - began) / ROOM_S, (before, after)
                assert n <= diverted <= n + twice, (before, after, twice)
                assert after["by_kernel"] - before["by_kernel"] == diverted - judged, (before, after)
        # which go by themselves after a while
        assert "elements" in lab.router.text("nft", "list", "set", "inet", "mailferry", "rates6")
        with both(lab, socket.AF_INET) as (ours, there):
            assert_renewed_at_once(lab, judge, ours, there)
        assert lab.check(*words) == []
        assert lab.rules("install", *words).stdout == "unchanged\n"
        assert lab.check(*words[:-1], "room=3000") != []
        # rules that count from 0 again take nothing back
        before = judge.judged()
        lab.router.run("nft", "flush", "ruleset")
        lab.rules("install", *words)
        judge.until(lambda judged: judged["diverted"] == before["diverted"])
        with both(lab, socket.AF_INET) as (ours, there):
            until_alone(lab, judge, ours, there)
            assert judge.judged()["diverted"] > before["diverted"]
    lab.rules("remove")


def test_the_kernel_stops_when_nobody_judges(lab):
    """When the process ends at once; killed, when its last word has run out."""
    for number, most in ((signal.SIGTERM, 0), (signal.SIGKILL, ROOM_S)):
        with Judge(lab) as judge:
            queues = judge.judged()["queues"]
            for mode, wanted in ((OPEN, "direct"), (CLOSED, "refused")):
                lab.rules("install", *mode, f"queue=xt:{queues}", "room=2000")
                with both(lab, socket.AF_INET) as (ours, there):
                    until_alone(lab, judge, ours, there)
                    judge.end(number)
                    ended = time.monotonic()
                    while (got := goes(lab, ours, there, socket.AF_INET, SOURCE4)) == "diverted":
                        assert most and time.monotonic() < ended + most + 5, "it goes on alone"
                        time.sleep(0.05)
                    assert got == wanted, got
                    judge.start()
                    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
    lab.rules("remove")


def test_the_kernel_stops_at_once_when_full(lab):
    """As soon as the process knows, the next connection meets the fail mode."""
    with Judge(lab) as judge:
        queues = judge.judged()["queues"]
        for mode, wanted in ((OPEN, "direct"), (CLOSED, "refused")):
            lab.rules("install", *mode, f"queue=xt:{queues}", "room=2000")
            with both(lab, socket.AF_INET) as (ours, there):
                until_alone(lab, judge, ours, there)
                judge.interceptor.sessions = 100
                judge.until(lambda judged: judged["load"] == "too many sessions")
                assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == wanted
                judge.interceptor.sessions = 1
                judge.until(lambda judged: judged["load"] == "room")
                until_alone(lab, judge, ours, there)
                # nothing is full; who has not answered for a second is not trusted for two
                judge.interceptor.silent = True
                most, packets = time.monotonic() + 10, judge.judged()["packets"]
                while judge.judged()["packets"] < packets + 3:  # one is renewal
                    assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
                    assert time.monotonic() < most, "the kernel goes on alone"
                    time.sleep(0.05)
                judge.interceptor.silent = False
    lab.rules("remove")


def test_the_kernel_knows_rates(lab):
    """It and the process together let no more in than the process alone."""
    rate, n = 10, 80
    with Judge(lab, f"new_connections = {rate}") as judge:
        lab.rules("install", *OPEN, f"queue=xt:{judge.judged()['queues']}", f"room={rate}")
        with both(lab, socket.AF_INET, n) as (ours, there):
            until_alone(lab, judge, ours, there)
            time.sleep(2.2)  # the buckets are full again
            until_alone(lab, judge, ours, there)
            twice = syns_again(lab)
            before, began = judge.judged(), time.monotonic()
            came, refused = some_at_once(lab, n)
            most = 2 * rate + rate * (time.monotonic() - began) + 1
            after = judge.judged()
            twice = syns_again(lab) - twice
            assert rate < came <= most and refused == n - came, (came, refused, most)
            alone = after["by_kernel"] - before["by_kernel"]
            assert 0 < alone <= most / 2 + 1, (alone, came)
            assert refused <= after["refused"] - before["refused"] <= refused + twice, \
                (before, after, refused, twice)
            # another network is not concerned
            with both(lab, socket.AF_INET6) as (ours6, there6):
                assert goes(lab, ours6, there6, socket.AF_INET6, SOURCE6) == "diverted"
    lab.rules("remove")


def test_prefixes_before_the_kernel(lab):
    """A prefix that is admitted otherwise while the kernel decides counts from the next
    connection on."""
    with Judge(lab) as judge:
        words = [*CLOSED, f"queue=xt:{judge.judged()['queues']}", "room=2000"]
        lab.rules("install", *words)
        with both(lab, socket.AF_INET) as (ours, there):
            for verdict, wanted in (("direct", "direct"), ("refuse", "refused")):
                until_alone(lab, judge, ours, there)
                lab.rules("install", *words, f"admit=10.71.0.0/16={verdict}")
                assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == wanted
                lab.rules("install", *words, f"admit=10.71.0.0/16={verdict}",
                          f"admit={CLIENT4}=divert")
                assert goes(lab, ours, there, socket.AF_INET, SOURCE4) == "diverted"
                lab.rules("install", *words)
    lab.rules("remove")


def test_others_marks_stay(lab):
    """Also when packets of one batch differ."""
    lab.router.run("nft", "-f", "-", stdin="""
        table inet other {
            chain pre { type filter hook prerouting priority mangle;
                tcp dport 143 tcp sport 42000-42014 meta mark set 0x81
                tcp dport 143 tcp sport 42015-42029 meta mark set 0x82
            }
            counter one { }
            counter two { }
            chain to-us { type filter hook input priority 10;
                meta mark & 0x8fffffff == 0x81 tcp flags & (syn | ack) == syn counter name one
                meta mark & 0x8fffffff == 0x82 tcp flags & (syn | ack) == syn counter name two
            }
        }""")
    with Judge(lab) as judge:
        lab.rules("install", *CLOSED, f"queue=xt:{judge.judged()['queues']}")
        with both(lab, socket.AF_INET, 64) as (ours, _):
            socks = []
            for i in range(30):
                sock = lab.net.client.socket(socket.AF_INET)
                sock.bind(("0.0.0.0", 42000 + i // 2 + 15 * (i % 2)))
                sock.setblocking(False)
                socks.append(sock)
            for sock in socks:
                sock.connect_ex((SOURCE4, 143))
            for sock in socks:
                ours.accept()[0].close()
                sock.close()
        judged = judge.judged()
        assert judged["diverted"] == 30, judged
        for name in ("one", "two"):
            text = lab.router.text("nft", "list", "counter", "inet", "other", name)
            assert "packets 15 bytes" in text, text
    lab.router.run("nft", "delete", "table", "inet", "other")
    lab.rules("remove")


def test_a_queue_that_is_taken(lab):
    """A second one says so and ends; the first goes on."""
    with Judge(lab):
        with tempfile.TemporaryDirectory(prefix="mf-judge-") as other:
            config = f"{other}/mailferry.conf"
            with open(config, "w", encoding="utf-8") as file:
                file.write(f'source = "{SOURCE4}"\ndomains = {{"example.com"}}\n'
                           f'strategy = "after-logoff"\nstate_dir = "{other}"\n'
                           f'run_dir = "{other}"\n')
            done = lab.router.run(ADMISSION, "-c", config, check=False)
        assert done.returncode == 1 and "queue 19782 is taken" in done.stderr, done


TESTS = [value for name, value in sorted(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    sys.exit(main(TESTS))
