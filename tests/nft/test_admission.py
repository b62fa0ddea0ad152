#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on new flows: by prefix in the kernel, and by a program behind a queue.

    test_admission.py RULES_DRIVER [NAME…]
"""

import errno
import select
import sys

from network import CLIENT4, CLIENT6
from rules_lab import (CLOSED, FAMILIES, LISTENER, MARK_LISTENER, OPEN, end, equal, exchange, main)

ALL4, ALL6 = "0.0.0.0/0", "::/0"


def admit(verdict, *prefixes):
    return [f"admit={prefix}={verdict}" for prefix in prefixes]


def goes(lab, family, client, source):
    """Where a connection of the client ends up: a listener of ours, the source, nowhere."""
    with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as ours, \
            lab.listen(lab.net.source, family, 143) as there:
        try:
            sock = lab.connect(family, source)
        except ConnectionRefusedError:
            return "refused"
        with sock:
            listener = select.select([ours, there], [], [], 5)[0][0]
            peer, address = listener.accept()
            with peer:
                peer.settimeout(5)
                assert address[0] == client
                exchange(sock, peer, 20000)
                end(sock, peer)
                return "diverted" if listener is ours else "direct"


def test_verdicts_by_prefix(lab):
    for mode in (OPEN, CLOSED):
        for verdict, wanted in (("divert", "diverted"), ("direct", "direct"),
                                ("refuse", "refused")):
            lab.rules("install", *mode, *admit(verdict, ALL4, ALL6))
            assert lab.check(*mode, *admit(verdict, ALL4, ALL6)) == []
            for family, client, source in FAMILIES:
                got = goes(lab, family, client, source)
                assert got == wanted, (mode[-1], verdict, source, got)
    counters = lab.counters()
    assert counters["imap", "refused"][0] == 4, counters
    assert counters["imap", "direct"][1] > 80000 < counters["imap", "direct"][3], counters
    lab.rules("remove")


def test_drop_is_counted(lab):
    lab.rules("install", *CLOSED, *admit("drop", ALL4, ALL6))
    for family, _, source in FAMILIES:
        with lab.net.client.socket(family) as sock:
            sock.settimeout(0.3)
            assert sock.connect_ex((source, 143)) in (errno.EAGAIN, errno.EINPROGRESS)
    assert lab.counters()["imap", "dropped"][0] == 2
    lab.rules("remove")


def test_the_longest_prefix_wins(lab):
    """One desk is diverted, everybody else is left alone; and the other way round."""
    for desk, others in (("divert", "direct"), ("direct", "divert")):
        for mode in (OPEN, CLOSED):
            words = [*admit(others, ALL4, ALL6, "10.71.0.0/16", "fd71::/16"),
                     *admit(desk, CLIENT4, CLIENT6)]
            lab.rules("install", *mode, *words)
            assert lab.check(*mode, *words) == []
            for family, client, source in FAMILIES:
                assert goes(lab, family, client, source) == \
                    {"divert": "diverted"}.get(desk, desk)
            neighbours = [*admit(others, "10.71.1.0/24", "fd71:1::/64"),
                          *admit(desk, "10.71.1.3", "fd71:1::3")]
            lab.rules("install", *mode, *neighbours)
            for family, client, source in FAMILIES:
                assert goes(lab, family, client, source) == \
                    {"divert": "diverted"}.get(others, others)
    lab.rules("remove")


def test_a_service_has_its_own(lab):
    lab.rules("install", *CLOSED, *admit("direct", ALL4, ALL6), f"admit={ALL4}=divert=143",
              f"admit={ALL6}=refuse=143")
    family, client, source = FAMILIES[0]
    assert goes(lab, family, client, source) == "diverted"
    assert goes(lab, FAMILIES[1][0], CLIENT6, FAMILIES[1][2]) == "refused"
    with lab.listen(lab.net.source, family, 25) as there, lab.connect(family, source, 25) as sock:
        exchange(sock, there.accept()[0], 1000)
    lab.rules("remove")


def test_a_flow_stays_on_its_side(lab):
    """What was admitted to the source stays there when the verdict, or the fail mode, changes;
    what was diverted stays with us."""
    for family, client, source in FAMILIES:
        with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as ours, \
                lab.listen(lab.net.source, family, 143) as there:
            lab.rules("install", *OPEN, *admit("direct", ALL4, ALL6))
            direct = lab.connect(family, source)
            direct_peer = there.accept()[0]
            lab.rules("install", *OPEN, *admit("divert", ALL4, ALL6))
            diverted = lab.connect(family, source)
            diverted_peer = ours.accept()[0]
            with direct, direct_peer, diverted, diverted_peer:
                direct_peer.settimeout(5)
                diverted_peer.settimeout(5)
                for words in ([*CLOSED, *admit("divert", ALL4, ALL6)],
                              [*CLOSED, *admit("direct", ALL4, ALL6)],
                              [*CLOSED, *admit("refuse", ALL4, ALL6)],
                              [*CLOSED, *admit("drop", ALL4, ALL6)], [*CLOSED, "queue=xt"]):
                    lab.rules("install", *words)
                    exchange(direct, direct_peer, 20000)
                    exchange(diverted, diverted_peer, 20000)
    lab.rules("remove")


def test_only_our_bits_of_a_mark(lab):
    """Others' bits of the packet's mark and of the connection's are as before."""
    lab.router.run("nft", "-f", "-", stdin="""
        table inet other {
            chain pre { type filter hook prerouting priority mangle;
                tcp dport 143 meta mark set 0x00000082 ct mark set ct mark or 0x41
            }
            counter input { }
            counter forward { }
            chain to-us { type filter hook input priority 10;
                meta mark & 0x8fffffff == 0x82 ct mark & 0x07ffffff == 0x41 tcp dport { 143, 19143 } counter name input
            }
            chain through { type filter hook forward priority 10;
                meta mark & 0x8fffffff == 0x82 ct mark & 0x07ffffff == 0x41 tcp dport 143 counter name forward
            }
        }""")
    for verdict, counter in (("divert", "input"), ("direct", "forward")):
        lab.rules("install", *CLOSED, *admit(verdict, ALL4))
        family, client, source = FAMILIES[0]
        assert goes(lab, family, client, source) in ("diverted", "direct")
        text = lab.router.text("nft", "list", "counter", "inet", "other", counter)
        assert " packets 0 " not in text, text
    lab.router.run("nft", "delete", "table", "inet", "other")
    lab.rules("remove")


def test_text_and_many_prefixes(lab):
    """As many prefixes as there may be; nft reads our words for them."""
    words = [*CLOSED]
    for i in range(250):
        words.append(f"admit=10.{i}.0.0/16={('direct', 'refuse', 'drop')[i % 3]}")
    words += ["admit=255.255.255.255=drop", "admit=2001:db8::/32=direct", "admit=::/0=refuse=25"]
    before = lab.state()
    lab.rules("install", *words)
    assert lab.check(*words) == []
    assert lab.rules("install", *words).stdout == "unchanged\n"
    ours = lab.router.text("nft", "-s", "list", "ruleset")
    text = lab.rules("text", *words).stdout
    lab.router.run("nft", "flush", "ruleset")
    lab.router.run("nft", "-f", "-", stdin=text)
    equal(ours.splitlines(), lab.router.text("nft", "-s", "list", "ruleset").splitlines())
    assert lab.check(*words) == []
    lab.router.run("nft", "add", "element", "inet", "mailferry", "admit-direct4", "{ 172.16.0.0/12 }")
    assert lab.check(*words) == ["not wanted: element 172.16.0.0-172.31.255.255 of set admit-direct4"]
    lab.rules("remove")
    equal(before, lab.state())


def test_probe_finds_a_queue_that_works(lab):
    """The one that it finds can be installed, and better ones cannot."""
    before = lab.state()
    found = lab.rules("probe-queue").stdout.strip()
    equal(before, lab.state())
    for queue in ("nft", "xt")[: ("nft", "xt", "none").index(found) + 1]:
        done = lab.rules("install", *CLOSED, f"queue={queue}", ok=False)
        assert (done.returncode == 0) == (queue == found), done
    lab.rules("remove")


def test_a_queue_without_a_listener(lab):
    """`bypass`: the fail mode decides, and nobody waits."""
    for mode, wanted in ((OPEN, "direct"), (CLOSED, "refused")):
        lab.rules("install", *mode, "queue=xt:2")
        assert lab.check(*mode, "queue=xt:2") == []
        for family, client, source in FAMILIES:
            assert goes(lab, family, client, source) == wanted
    # what a prefix decides is no matter for the queue
    lab.rules("install", *CLOSED, *admit("direct", ALL4), "queue=xt:2")
    assert goes(lab, *FAMILIES[0]) == "direct"
    lab.rules("remove")


TESTS = [value for name, value in sorted(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    sys.exit(main(TESTS))
