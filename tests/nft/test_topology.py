#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules between those of others: NAT, a mail server on the router, somebody who flushes.

    test_topology.py RULES_DRIVER [NAME…]
"""

import errno
import re
import socket
import sys
import time
from pathlib import Path

from network import CLIENT4, CLIENT6, SOURCE4, SOURCE6, transparent
from rules_lab import (CLOSED, FAMILIES, LISTENER, MARK_LISTENER, OPEN, equal, exchange, main)

sys.path.append(str(Path(__file__).resolve().parents[1]))
import firewalls  # noqa: E402


def test_the_wall_holds_without_the_table(lab):
    """Between a flush by others and the repair nobody gets to the source; other ports of
    it, and connections of the router itself, are not concerned."""
    lab.rules("install", *CLOSED)
    lab.router.run("nft", "flush", "ruleset")
    for family, _, source in FAMILIES:
        with lab.listen(lab.net.source, family, 143) as there:
            try:
                lab.connect(family, source).close()
                raise AssertionError("connected")
            except OSError as error:
                assert error.errno in (errno.EHOSTUNREACH, errno.EACCES), error
            with lab.router.socket(family) as own:
                own.connect((source, 143))
                there.accept()[0].close()
        with lab.listen(lab.net.source, family, 144) as there:
            with lab.connect(family, source, 144):
                there.accept()[0].close()
    lab.rules("remove")


def test_sessions_live_through_a_flush(lab):
    lab.rules("install", *CLOSED)
    for family, _, source in FAMILIES:
        with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as listener, \
                lab.connect(family, source) as sock, listener.accept()[0] as peer:
            peer.settimeout(5)
            exchange(sock, peer, 1000)
            lab.router.run("nft", "flush", "ruleset")
            sock.sendall(b"in between")
            time.sleep(0.3)
            lab.rules("install", *CLOSED)
            assert peer.recv(100) == b"in between"
            exchange(sock, peer, 50000)
    lab.rules("remove")


def test_a_mail_server_on_the_router_is_undisturbed(lab):
    """On all addresses and on loopback alone, there before us and started after us."""
    for family, client, source in FAMILIES:
        loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
        for before in (True, False):
            for words in (OPEN, CLOSED):
                own = lab.listen(lab.router, family, 143) if before else None
                lab.rules("install", *words)
                with lab.listen(lab.router, family, LISTENER, MARK_LISTENER,
                                through=True) as listener:
                    own = own or lab.listen(lab.router, family, 143)
                    with own, lab.router.socket(family) as local:
                        local.connect((loopback, 143))
                        own.accept()[0].close()
                        for _ in range(3):
                            with lab.connect(family, source) as sock:
                                peer, name = listener.accept()
                                peer.settimeout(5)
                                with peer:
                                    assert name[0] == client
                                    exchange(sock, peer, 1000)
        lab.rules("remove")


def test_unseen_ports_are_counted_and_left_alone(lab):
    for words in (OPEN, CLOSED):
        words = [*words, "unseen=imaps:993", "unseen=smtps:465"]
        lab.rules("install", *words)
        assert lab.check(*words) == []
        for family, client, source in FAMILIES:
            before = lab.counters()
            with lab.listen(lab.net.source, family, 993) as there, \
                    lab.connect(family, source, 993) as sock:
                peer, name = there.accept()
                peer.settimeout(5)
                with peer:
                    assert name[0] == client
                    exchange(sock, peer, 20000)
            after = lab.counters()
            assert after["imaps", "unseen"][1] - before["imaps", "unseen"][1] > 20000
            assert after["imaps", "unseen"][3] - before["imaps", "unseen"][3] > 20000
            assert after["smtps", "unseen"] == (0, 0, 0, 0)
        lab.rules("remove")


def test_a_source_that_is_this_host_is_refused(lab):
    for address in ("10.71.1.1", "fd71:2::1", "127.0.0.1"):
        done = lab.rules("install", f"source={address}", "service=imap:143", ok=False)
        assert done.returncode == 1 and f"{address} is an address of this host" in done.stderr, done
        done = lab.rules("dry-run", f"source={address}", "service=imap:143", ok=False)
        assert f"{address} is an address of this host" in done.stderr, done
    # taken over from a source that has another one now: nothing is strange in that
    lab.rules("dry-run", "source=10.71.1.1", f"upstream={SOURCE4}", "service=imap:143")


NO_COLLISIONS = ("pref 10000 fwmark 0x2/0xff lookup 201",  # multi-WAN
                 "pref 5210 fwmark 0x80000/0xff0000 lookup 52",  # Tailscale
                 "pref 220 lookup 220", "pref 221 fwmark 0x2 lookup 220",  # strongSwan
                 "pref 500 from 192.0.2.0/24 lookup 202")


def test_collisions_of_marks_are_named(lab):
    for rule in NO_COLLISIONS:
        lab.router.run("ip", "rule", "add", *rule.split())
    lab.router.run("nft", "-f", "-", stdin="""
        table inet wan { chain pre { type filter hook prerouting priority mangle;
            meta mark set ct mark
            ct mark set ct mark and 0xffffff00 or 0x2
            ct mark set meta mark and 0x000000ff
            }
        }""")
    lab.rules("install", *CLOSED)
    lines = lab.rules("collisions").stdout.splitlines()
    assert len(lines) == 1 and "table inet wan, chain pre" in lines[0], lines
    lab.router.run("nft", "-f", "-", stdin="""
        table inet late { chain pre { type filter hook prerouting priority 0;
            meta mark set meta mark and 0xf8ffffff or 0x01000000
            meta mark set 0x7
            }
        }""")
    lines = lab.rules("collisions").stdout.splitlines()
    assert len(lines) == 2 and any("table inet late, chain pre (prerouting, priority 0)" in line
                                   for line in lines), lines
    lab.router.run("nft", "delete", "table", "inet", "late")
    lab.router.run("nft", "flush", "chain", "inet", "wan", "pre")
    lab.router.run("nft", "add", "rule", "inet", "wan", "pre", "meta mark set ct mark")
    assert lab.rules("collisions").stdout == ""
    lab.router.run("nft", "add", "rule", "inet", "wan", "pre", "ct mark set 0x1")
    assert "table inet wan, chain pre" in lab.rules("collisions").stdout
    lab.router.run("nft", "delete", "table", "inet", "wan")
    for family in ((), ("-6",)):
        lab.router.run("ip", *family, "rule", "add", "pref", "99", "fwmark", "0x40000000/0xf0000000",
                       "lookup", "201")
        lines = lab.rules("collisions").stdout.splitlines()
        assert len(lines) == 1 and "preference 99 (fwmark 0x40000000/0xf0000000)" in lines[0], lines
        # 0x2, 0x80000/0xff0000 and 0xf0000000 are taken
        assert lines[0].endswith('or set mark_mask = "0x0f000000"'), lines
        free = ("marks=0x0f000000:0x02000000", "table=19790")
        assert lab.rules("collisions", *free).stdout == ""
        lab.router.run("ip", *family, "rule", "del", "pref", "99")
    for rule in NO_COLLISIONS:
        lab.router.run("ip", "rule", "del", *rule.split())
    lab.rules("remove")


def test_a_routing_table_of_others(lab):
    """We take nothing of theirs, and never delete it."""
    before = lab.state()
    for family, to in (("-4", "10.9.0.0/16"), ("-6", "2001:db8:9::/48")):
        via = CLIENT4 if family == "-4" else CLIENT6
        for table in ("19782", "19783"):
            lab.router.run("ip", family, "route", "add", to, "via", via, "table", table)
            theirs = lab.state()
            done = lab.rules("install", *OPEN, ok=False)
            assert f"routing table {table} is in use by somebody else" in done.stderr, done
            equal(theirs, lab.state())
            lines = lab.rules("collisions").stdout.splitlines()
            assert len(lines) == 1 and f"routing table {table} is in use" in lines[0], lines
            lab.rules("install", *OPEN, "table=19790")
            lab.rules("remove", "table=19790")
            equal(theirs, lab.state())
            lab.router.run("ip", family, "route", "del", to, "table", table)
    lab.router.run("ip", "rule", "add", "pref", "90", "fwmark", "0x1", "lookup", "19782")
    lines = lab.rules("collisions").stdout.splitlines()
    assert len(lines) == 1 and "(preference 90) leads there" in lines[0], lines
    lab.router.run("ip", "rule", "del", "pref", "90")
    equal(before, lab.state())


def diverted(lab, words, mark=MARK_LISTENER, size=50000):
    """Each family's client reaches our listener, and bytes pass both ways."""
    for family, client, source in FAMILIES:
        with lab.listen(lab.router, family, LISTENER, mark, through=True) as listener:
            with lab.connect(family, source) as sock:
                peer, name = listener.accept()
                peer.settimeout(5)
                with peer:
                    assert name[0] == client, (words, name)
                    exchange(sock, peer, size)


def test_marks_saved_and_restored_by_others(lab):
    """The whole mark, also of a diverted packet at INPUT, and back to our answers."""
    lab.router.run("nft", "-f", "-", stdin="""
        table inet theirs {
          chain pre { type filter hook prerouting priority mangle; meta mark set ct mark; }
          chain in { type filter hook input priority mangle; ct mark set meta mark; }
          chain out { type route hook output priority mangle; meta mark set ct mark; }
          chain post { type filter hook postrouting priority mangle; ct mark set meta mark; }
        }""")
    for words in (OPEN, CLOSED, [*CLOSED, "marks=0x00f00000:0x00400000"]):
        lab.rules("install", *words)
        before = lab.counters()["imap", "undecided"]
        diverted(lab, words, 0x00200000 if "marks" in words[-1] else MARK_LISTENER)
        after = lab.counters()["imap", "undecided"]
        # what leaves is counted by its socket's mark, before others change it
        assert after[3] - before[3] > (100000 if "marks" not in words[-1] else 0), (before, after)
    lab.router.run("nft", "delete", "table", "inet", "theirs")
    lab.rules("remove")


def test_source_address_checks(lab):
    """rp_filter 0, 1, 2, with and without src_valid_mark, towards the client and back."""
    for strict in ("0", "1", "2"):
        for valid in ("0", "1"):
            for where in ("all", "toclient", "tosource", "lo"):
                lab.router.run("sysctl", "-qw", f"net.ipv4.conf.{where}.rp_filter={strict}",
                               f"net.ipv4.conf.{where}.src_valid_mark={valid}")
            for words in (OPEN, CLOSED):
                lab.rules("install", *words)
                diverted(lab, (strict, valid), size=5000)
                upstream(lab)
    for where in ("all", "toclient", "tosource", "lo"):
        lab.router.run("sysctl", "-qw", f"net.ipv4.conf.{where}.rp_filter=0",
                       f"net.ipv4.conf.{where}.src_valid_mark=0")
    lab.rules("remove")


def upstream(lab):
    """From the client's own address to the source, and its answers back to us."""
    for family, client, source in FAMILIES:
        with lab.listen(lab.net.source, family, 143) as there, \
                lab.router.socket(family) as ours:
            transparent(ours)
            ours.bind((client, 0))
            ours.connect((source, 143))
            peer, name = there.accept()
            peer.settimeout(5)
            with peer:
                assert name[0] == client, name
                exchange(ours, peer, 5000)


def test_only_our_bits_of_a_mark_change(lab):
    """A multi-WAN host marks everything 0x2 in 0xff; its bits are there behind us, too."""
    for marks, listener in (("0x78000000:0x10000000", MARK_LISTENER),
                            ("0x0f000000:0x08000000", 0x04000000),
                            ("0x00000f00:0x00000200", 0x00000400)):
        words = [*OPEN, f"marks={marks}", "admit=10.71.1.0/24=direct", "admit=fd71:1::/64=direct"]
        lab.router.run("nft", "-f", "-", stdin="""
            table inet theirs {
              counter kept { }
              counter lost { }
              chain pre { type filter hook prerouting priority mangle;
                meta mark set meta mark and 0xffffff00 or 0x2; ct mark set meta mark; }
              chain passing { type filter hook forward priority -1;
                meta mark and 0xff == 0x2 ct mark and 0xff == 0x2 counter name kept return
                counter name lost; }
              chain entering { type filter hook input priority mangle;
                meta mark and 0xff == 0x2 counter name kept return
                counter name lost; }
            }""")
        lab.rules("install", *[word for word in words if not word.startswith("admit")])
        diverted(lab, words, listener)
        lab.rules("install", *words)
        for family, client, source in FAMILIES:
            with lab.listen(lab.net.source, family, 143) as there, \
                    lab.connect(family, source) as sock, there.accept()[0] as peer:
                peer.settimeout(5)
                exchange(sock, peer, 5000)
        listing = lab.router.text("nft", "list", "counters", "table", "inet", "theirs")
        packets = [int(n) for n in re.findall(r"packets (\d+)", listing)]
        assert packets[0] > 20 and packets[1] == 0, listing
        lab.router.run("nft", "delete", "table", "inet", "theirs")
    lab.rules("remove")


def test_policy_routing_of_others(lab):
    """Rules of theirs stand before ours, or take a mark's low bits for their own; marks are
    restored from conntrack."""
    others = ("pref 10000 fwmark 0x2/0xff lookup 201", f"pref 500 from {CLIENT4} lookup 202",
              f"pref 7 to {CLIENT4} fwmark 0x1000/0xf000 lookup 201")
    for rule in others:
        lab.router.run("ip", "rule", "add", *rule.split())
    lab.router.run("ip", "-6", "rule", "add", "pref", "300", "from", CLIENT6, "lookup", "202")
    for table in ("201", "202"):
        for family in ("-4", "-6"):
            lab.router.run("ip", family, "route", "add", "unreachable", "default", "table", table)
    lab.router.run("nft", "-f", "-", stdin="""
        table inet theirs { chain prerouting { type filter hook prerouting priority mangle;
            meta mark set ct mark
            }
        }""")
    before = lab.router.text("ip", "rule") + lab.router.text("ip", "-6", "rule")
    # what they route is theirs: only the client's own packets come here
    lab.router.run("ip", "route", "add", "10.71.1.0/24", "dev", "toclient", "table", "201")
    for words in (OPEN, CLOSED):
        lab.rules("install", *words)
        assert lab.check(*words) == []
        for family, client, source in FAMILIES:
            with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as listener:
                with lab.connect(family, source) as sock:
                    peer, name = listener.accept()
                    peer.settimeout(5)
                    with peer:
                        assert name[0] == client
                        exchange(sock, peer, 50000)
    lab.rules("remove")
    assert before == lab.router.text("ip", "rule") + lab.router.text("ip", "-6", "rule")
    lab.router.run("ip", "rule", "add", "pref", "3", "from", "10.9.9.9", "lookup", "201")
    done = lab.rules("install", *OPEN, ok=False)
    assert "an ip rule with preference 3 stands before ours" in done.stderr, done
    lab.rules("remove")
    for pref in ("3", "7", "500", "10000"):
        lab.router.run("ip", "rule", "del", "pref", pref)
    lab.router.run("ip", "-6", "rule", "del", "pref", "300")
    lab.router.run("nft", "delete", "table", "inet", "theirs")


class HandMade:
    tables = ("inet mine",)
    blames = ("table inet mine, chain guard may drop it",)
    cures = ("nft insert rule inet mine guard meta mark and 0x70000000 == 0x10000000 accept",)
    written = cures[0].removeprefix("nft ")
    rules = """
        table inet mine {
          chain guard { type filter hook input priority -5; policy drop;
            tcp dport 22 accept
            meta l4proto { icmp, ipv6-icmp } accept
          }
        }"""


def listeners(lab):
    return [lab.listen(lab.router, family, port, MARK_LISTENER, through=True)
            for family, _, _ in FAMILIES for port in (LISTENER, 19025)]


def test_a_dropping_input_policy_is_found_and_its_cure_cures(lab):
    listening = listeners(lab)
    lab.rules("install", *CLOSED)
    lab.rules("flow-probe", *CLOSED)
    links = lab.router.text("ip", "link")
    moved = [*CLOSED, f"upstream={SOURCE4}"]
    for theirs, words in ((firewalls.Firewalld(SOURCE4, SOURCE6), CLOSED),
                          (firewalls.FirewalldByPort(143, 25), moved),
                          (firewalls.Ufw("", "6"), CLOSED), (HandMade, CLOSED)):
        lab.router.run("nft", "-f", "-", stdin=theirs.rules)
        done = lab.rules("flow-probe", *words, ok=False)
        assert done.returncode == 1 and "(0 of 4 were answered)" in done.stderr, done
        assert re.findall("table [^,]+, chain .+? may drop it", done.stderr) == \
            list(theirs.blames), done
        assert re.findall("the cure: (.+?)(?:; or table|$)", done.stderr.strip()) == \
            list(theirs.cures), done
        lab.router.run("nft", "-f", "-", stdin=theirs.written)
        lab.rules("flow-probe", *CLOSED)
        for family, _, source in FAMILIES:
            for port in (143, 25):
                with lab.connect(family, source, port):
                    pass
        for table in theirs.tables:
            lab.router.run("nft", "delete", "table", *table.split())
    many = [f"198.51.100.{n}" for n in range(1, 10)]  # a command is not cut
    theirs = firewalls.Firewalld(SOURCE4, SOURCE6, *many)
    lab.router.run("nft", "-f", "-", stdin=theirs.rules)
    done = lab.rules("flow-probe", *CLOSED, *(f"source={source}" for source in many), ok=False)
    assert len(done.stderr) > 900 and theirs.cures[0] in done.stderr, done
    lab.router.run("nft", "delete", "table", *theirs.tables[0].split())
    assert lab.router.text("ip", "link") == links, "its interface is gone"
    for listener in listening:  # only those that connected; a probe is never accepted
        listener.settimeout(0.1)
        listener.close()
    done = lab.rules("flow-probe", *CLOSED, ok=False)
    assert "nobody filters INPUT" in done.stderr, done
    lab.rules("remove")


def test_beside_docker(lab):
    """It filters what is forwarded, and a diverted packet is not."""
    listening = listeners(lab)
    lab.rules("install", *CLOSED)
    lab.router.run("nft", "-f", "-", stdin=firewalls.rules("docker"))
    lab.rules("flow-probe", *CLOSED)
    for family, _, source in FAMILIES:
        for port in (143, 25):
            with lab.connect(family, source, port):
                pass
    for listener in listening:
        listener.close()
    for table in ("ip nat", "ip filter"):
        lab.router.run("nft", "delete", "table", *table.split())
    lab.rules("remove")


def test_dnat_in_front_of_the_source(lab):
    """The small office: a public address on the router, and only the private one is known
    to us. From outside, and from inside by the public address."""
    for family, nat, public in ((socket.AF_INET, "ip", "203.0.113.1"),
                                (socket.AF_INET6, "ip6", "2001:db8:99::1")):
        source = SOURCE4 if family == socket.AF_INET else SOURCE6
        client = CLIENT4 if family == socket.AF_INET else CLIENT6
        target = source if nat == "ip" else f"[{source}]"
        lab.router.run("ip", "addr", "add", public, "dev", "lo")
        lab.router.run("nft", "-f", "-", stdin=f"""
            table {nat} nat {{ chain prerouting {{ type nat hook prerouting priority dstnat;
                {nat} daddr {public} tcp dport {{ 25, 143 }} dnat to {target}; }}
              chain postrouting {{ type nat hook postrouting priority srcnat;
                {nat} saddr {source} {nat} daddr {source} masquerade; }}
            }}""")
        for words in (OPEN, CLOSED):
            lab.rules("install", *words)
            with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as listener:
                for address in (public, source):
                    with lab.connect(family, address) as sock:
                        peer, name = listener.accept()
                        peer.settimeout(5)
                        with peer:
                            assert name[0] == client, name
                            assert peer.getsockname()[:2] == (source, 143)
                            exchange(sock, peer, 50000)
                # hairpin: a host beside the source, by the public address
                with lab.net.source.socket(family) as inside:
                    inside.connect((public, 143))
                    peer, name = listener.accept()
                    peer.settimeout(5)
                    with peer:
                        exchange(inside, peer, 50000)
        lab.router.run("nft", "delete", "table", nat, "nat")
        lab.router.run("ip", "addr", "del", public, "dev", "lo")
        lab.rules("remove")


TESTS = [value for name, value in sorted(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    sys.exit(main(TESTS))
