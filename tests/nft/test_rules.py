#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""nft-rules on a real kernel: what the library installs, against what nft and ip show, and
against what packets do.

    test_rules.py RULES_DRIVER [NAME…]
"""

import re
import socket
import subprocess
import sys
import threading
import time

from network import CLIENT4, IP_BIND_ADDRESS_NO_PORT, SO_MARK, SOURCE4, SOURCE6, transparent
from rules_lab import (BASE, CLOSED, FAMILIES, LISTENER, MARK_BUSY, MARK_LISTENER, MARK_LOCAL,
                       MARK_SOURCE, MARK_UNDECIDED, OPEN, equal, eventually, exchange, main)

# ---- what is installed ----

def test_install_and_remove_leave_nothing(lab):
    lab.router.run("nft", "-f", "-", stdin="""
        table inet foreign { chain input { type filter hook input priority 0; counter; } ; }
        table ip mailferry { counter x { } ; }""")
    lab.router.run("ip", "rule", "add", "pref", "77", "fwmark", "0x99", "lookup", "99")
    before = lab.state()
    for words in (OPEN, CLOSED, BASE[:1] + BASE[2:], BASE[1:]):
        assert lab.rules("install", *words).stdout == "changed\n"
        assert lab.check(*words) == []
        assert lab.rules("remove").stdout == "changed\n"
        equal(before, lab.state())
    assert lab.rules("remove").stdout == "unchanged\n"
    equal(before, lab.state())
    assert len(lab.check(*OPEN)) == 9, "table, six ip rules, two routes"
    lab.router.run("ip", "rule", "del", "pref", "77")
    lab.router.run("nft", "flush", "ruleset")


def test_text_is_an_nft_file_with_the_same_meaning(lab):
    """nft reads our text, and what it then installs is what we install ourselves."""
    for words in (OPEN, CLOSED):
        text = lab.rules("text", *words).stdout
        lab.rules("install", *words)
        ours = lab.router.text("nft", "-s", "list", "ruleset")
        equal(text.splitlines(), sorted_show(lab, text))
        lab.router.run("nft", "flush", "ruleset")
        lab.router.run("nft", "-f", "-", stdin=text)
        equal(ours.splitlines(), lab.router.text("nft", "-s", "list", "ruleset").splitlines())
        assert lab.check(*words) == []
        # And nft's own words can be saved and restored.
        saved = lab.router.text("nft", "list", "ruleset")
        lab.router.run("nft", "flush", "ruleset")
        lab.router.run("nft", "-f", "-", stdin=saved)
        assert lab.check(*words) == []
        lab.rules("remove")


def sorted_show(lab, like):
    """`show` prints elements in the kernel's order: put them into that of `like`."""
    shown = lab.rules("show").stdout.splitlines()
    assert sorted(line.rstrip(",") for line in shown) == \
        sorted(line.rstrip(",") for line in like.splitlines())
    return like.splitlines()


def test_install_again_keeps_counters(lab):
    lab.rules("install", *OPEN)
    lab.router.run("nft", "add", "counter", "inet", "mailferry", "extra")
    lab.router.run("nft", "delete", "counter", "inet", "mailferry", "extra")
    ping(lab, 143)
    before = lab.counters()
    assert before["imap", "direct"][0] > 0
    handles = lab.router.text("nft", "-a", "list", "table", "inet", "mailferry")
    assert lab.rules("install", *OPEN).stdout == "unchanged\n"
    assert lab.router.text("nft", "-a", "list", "table", "inet", "mailferry") == handles
    assert lab.counters() == before
    # A change replaces the table; the counters that stay keep their values.
    assert lab.rules("install", *OPEN, "service=pop3:110").stdout == "changed\n"
    after = lab.counters()
    assert after["imap", "direct"] == before["imap", "direct"]
    assert after["pop3", "direct"] == (0, 0, 0, 0)
    assert lab.check(*OPEN, "service=pop3:110") == []
    lab.rules("remove")


CLIENT_COUNTS = """table inet counted {
    counter out {}
    counter in {}
    chain o { type filter hook output priority 300; tcp dport 143 counter name out; }
    chain i { type filter hook input priority -300; tcp sport 143 counter name in; }
}"""


def client_counts(lab):
    """(packets, bytes) out and in, as the client's own kernel counts them."""
    text = lab.net.client.text("nft", "list", "counters", "table", "inet", "counted")
    return [tuple(map(int, pair)) for pair in re.findall(r"packets (\d+) bytes (\d+)", text)]


def send_until(stop, sock, peer):
    while not stop.is_set():
        exchange(sock, peer, 3000)


def test_replaced_under_traffic_counts_all(lab):
    """What is counted between reading the old rules and the new ones is not lost."""
    stop = threading.Event()
    before = lab.counters() if lab.rules("install", *OPEN) else {}
    lab.net.client.run("nft", "-f", "-", stdin=CLIENT_COUNTS)
    with lab.listen(lab.net.source, socket.AF_INET, 143) as there:
        sock = lab.connect(socket.AF_INET, SOURCE4)
        peer = there.accept()[0]
        traffic = threading.Thread(target=send_until, args=(stop, sock, peer))
        traffic.start()
        try:
            for round_ in range(100):
                more = ["service=pop3:110"] if round_ % 2 == 0 else []
                assert lab.rules("install", *OPEN, *more).stdout == "changed\n"
        finally:
            stop.set()
            traffic.join()
        sock.close()
        peer.close()
    handles = lab.router.text("nft", "-a", "list", "counters", "table", "inet", "mailferry")
    assert "counter pop3-" not in handles, handles

    def ours():
        row = [b - a for a, b in zip(before["imap", "direct"], lab.counters()["imap", "direct"])]
        return [tuple(row[:2]), tuple(row[2:])]
    eventually(lambda: ours() == client_counts(lab), f"{ours()} {client_counts(lab)}")
    assert ours()[0][0] > 1000, ours()
    lab.net.client.run("nft", "delete", "table", "inet", "counted")
    lab.rules("remove")


def ping(lab, port):
    """A connection past us, to a real listener at the source."""
    with lab.listen(lab.net.source, socket.AF_INET, port) as there:
        with lab.connect(socket.AF_INET, SOURCE4, port) as sock:
            there.accept()[0].close()
            sock.recv(1)


TAMPER = [
    ("nft delete table inet mailferry", r"missing: table inet mailferry$"),
    ("nft add table inet mailferry { flags dormant; }",
     r"altered: table inet mailferry \(dormant\); wanted: table inet mailferry$"),
    ("nft delete rule inet mailferry output handle {output}",
     r"missing: rule meta l4proto tcp counter name meta mark . tcp sport map @count-out of chain output$"),
    ("nft flush chain inet mailferry from-source",
     r"missing: rule socket transparent 1 meta mark set meta mark & 0x8fffffff \| 0x10000000 accept of chain from-source$"),
    ("nft add rule inet mailferry direct ip saddr 10.0.0.9 drop",
     r"not wanted: rule meta nfproto ipv4 ip saddr 10\.0\.0\.9 drop of chain direct$"),
    ("nft add rule inet mailferry output ct state new log accept",
     r"not wanted: rule .*ct #0.*\[log\] accept of chain output$"),
    ("nft replace rule inet mailferry from-source handle {from-source} socket transparent 1 meta mark set 2 accept",
     r"altered in chain from-source: socket transparent 1 meta mark set 0x00000002 accept; "
     r"wanted: socket transparent 1 meta mark set meta mark & 0x8fffffff \| 0x10000000 accept$"),
    ("nft add chain inet mailferry forward { policy drop; }",
     r"altered: chain forward { .*policy drop; }; wanted: chain forward { .*policy accept; }$"),
    ("nft add chain inet mailferry mine", r"not wanted: chain mine$"),
    ("nft add counter inet mailferry mine", r"not wanted: counter mine$"),
    ("nft add quota inet mailferry mine 1 mbytes", r"not wanted: object #2 mine$"),
    ("nft add set inet mailferry mine { type ipv4_addr; flags interval; }",
     r"not wanted: set mine { type ipv4_addr; flags interval; }$"),
    ("nft delete element inet mailferry services { 143 }",
     r"missing: element 143 of set services$"),
    ("nft add element inet mailferry source4 { 10.9.9.9 }",
     r"not wanted: element 10.9.9.9 of set source4$"),
    ("nft delete element inet mailferry count-in { 0x40000000 . 143 }",
     r'missing: element 0x40000000 . 143 : "imap-source-in" of set count-in$'),
    ("ip rule del pref 1001", r"missing: ip rule add pref 1001 fwmark 0x10000000/0x70000000 lookup 19782$"),
    ("ip -6 rule del pref 1001", r"missing: ip -6 rule add pref 1001 .* lookup 19782$"),
    ("ip -6 rule del pref 1000", r"missing: ip -6 rule add pref 1000 iif lo goto 1004$"),
    ("ip rule add pref 900 from 10.0.0.0/8 lookup 19782",
     r"not wanted: ip rule add pref 900 .*lookup 19782 \(and more conditions\)$"),
    ("ip route flush table 19782", r"missing: ip route add local default dev lo table 19782$"),
    ("ip -6 route flush table 19782", r"missing: ip -6 route add local default dev lo table 19782$"),
    ("ip route add 10.0.0.0/8 via 10.71.2.2 table 19782",
     r"not wanted: ip route add unicast .* table 19782 \(and more\)$"),
]


def test_check_names_each_tampering_and_install_repairs_it(lab):
    before = lab.state()
    for command, pattern in TAMPER:
        lab.rules("install", *OPEN)
        wanted = lab.state()
        lab.router.run(*words_of(lab, command))
        lines = lab.check(*OPEN)
        assert len(lines) == 1 and re.match(pattern, lines[0]), (command, lines)
        assert lab.rules("install", *OPEN).stdout == "changed\n", command
        equal(sorted(wanted), sorted(lab.state()))
        # Removal takes out what somebody put into our places, too.
        lab.router.run(*words_of(lab, command))
        lab.rules("remove")
        equal(before, lab.state())


def words_of(lab, command):
    words = [handle_of(lab, word.strip("{}")) if re.fullmatch("{[a-z-]+}", word) else word
             for word in command.split()]
    return ["nft", " ".join(words[1:])] if words[0] == "nft" else words


def handle_of(lab, chain):
    listing = lab.router.text("nft", "-a", "list", "chain", "inet", "mailferry", chain)
    return re.findall(r"# handle (\d+)", listing)[-1]


TAMPER_WALL = [
    ("ip rule del pref 1002", r"missing: ip rule add pref 1002 fwmark 0x70000000/0x70000000 goto 1004$"),
    ("ip rule del pref 1003 ipproto tcp dport 25",
     r"missing: ip rule add pref 1003 ipproto tcp dport 25 lookup 19783$"),
    ("ip -6 rule del pref 1004", r"missing: ip -6 rule add pref 1004 nop$"),
    (f"ip route del prohibit {SOURCE4} table 19783",
     rf"missing: ip route add prohibit {SOURCE4} table 19783$"),
    (f"ip -6 route del prohibit {SOURCE6} table 19783",
     rf"missing: ip -6 route add prohibit {SOURCE6} table 19783$"),
    ("ip rule add pref 1003 ipproto tcp dport 80 lookup 19783",
     r"not wanted: ip rule add pref 1003 ipproto tcp dport 80 lookup 19783$"),
    ("ip route add prohibit 10.9.9.9 table 19783",
     r"not wanted: ip route add prohibit 10.9.9.9 table 19783$"),
]


def test_check_names_each_hole_in_the_wall(lab):
    before = lab.state()
    for command, pattern in TAMPER_WALL:
        lab.rules("install", *CLOSED)
        wanted = lab.state()
        lab.router.run(*command.split())
        lines = lab.check(*CLOSED)
        assert len(lines) == 1 and re.match(pattern, lines[0]), (command, lines)
        assert lab.rules("install", *CLOSED).stdout == "changed\n", command
        equal(sorted(wanted), sorted(lab.state()))
    lab.rules("install", *OPEN)
    assert lab.check(*OPEN) == []
    assert "prohibit" not in "".join(lab.state())
    lab.rules("remove")
    equal(before, lab.state())


def test_check_sees_another_order(lab):
    lab.rules("install", *OPEN)
    listing = lab.router.text("nft", "-a", "list", "chain", "inet", "mailferry", "from-client")
    first = re.search(r"count-in .* # handle (\d+)", listing)[1]
    lab.router.run("nft", f"delete rule inet mailferry from-client handle {first}; "
                   "add rule inet mailferry from-client counter name socket mark . tcp dport "
                   "map @count-in meta mark set meta mark and 0x8fffffff or 0x10000000 accept")
    assert lab.check(*OPEN) == ["altered: the rules of chain from-client are in another order"]
    lab.rules("remove")


def test_a_refused_statement_changes_nothing(lab):
    """The driver spoils the last rule of a transaction that would replace the table."""
    lab.rules("install", *OPEN)
    before = lab.state()
    for command, pattern in (
            ("install-unknown-set", r"rule 'output meta l4proto tcp counter name meta mark . tcp sport "
             r"map @nowhere': expression objref: No such file"),
            ("install-bad-payload", r"rule 'output .*': expression payload: Invalid argument")):
        done = lab.rules(command, *CLOSED, "service=pop3:110", ok=False)
        assert done.returncode == 1 and re.search(pattern, done.stderr), done
        equal(before, lab.state())
        assert lab.check(*OPEN) == []
    lab.rules("remove")


def test_a_refused_table_takes_the_routing_back(lab):
    """A table that another program owns cannot be replaced: not even by root."""
    before = lab.state()
    owner = subprocess.Popen(["ip", "netns", "exec", lab.router.name, "nft", "-i"],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        owner.stdin.write("add table inet mailferry { flags owner; }\n")
        owner.stdin.flush()
        eventually(lambda: "mailferry" in lab.router.text("nft", "list", "tables"), "no table")
        done = lab.rules("install", *OPEN, ok=False)
        assert "table inet mailferry: Operation not permitted" in done.stderr, done
    finally:
        owner.stdin.close()
        owner.wait(timeout=5)
    eventually(lambda: lab.state() == before, "something is left")


def test_refused_routing_changes_nothing(lab):
    lab.rules("install", *OPEN)
    before = lab.state()
    lab.router.run("ip", "link", "set", "lo", "down")
    done = lab.rules("install", *CLOSED, "table=19783", ok=False)
    assert done.returncode == 1
    assert re.search(r"add ip -6 route local default dev lo table 19783: .*: bring lo up", done.stderr), done
    lab.router.run("ip", "link", "set", "lo", "up")
    assert lab.router.run("ip", "route", "show", "table", "19783", check=False).stdout == ""
    lab.rules("install", *OPEN)
    equal(before, lab.state())
    lab.rules("remove")


def test_refused_inside_the_transaction(lab):
    """Without the right to change the network the kernel refuses; nothing is left."""
    before = lab.state()
    done = lab.router.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
                          lab.driver, "install", *OPEN, check=False)
    assert done.returncode == 1 and "CAP_NET_ADMIN" in done.stderr, done
    equal(before, lab.state())


def test_dry_run_changes_nothing(lab):
    before = lab.state()
    lab.rules("dry-run", *OPEN)
    equal(before, lab.state())
    done = lab.rules("dry-run", "service=imap:143", ok=False)
    assert "no source address" in done.stderr, done
    done = lab.rules("dry-run", f"source={SOURCE4}", "service=imap:143", "service=x:143", ok=False)
    assert "same port 143" in done.stderr, done
    done = lab.rules("dry-run", f"source={SOURCE4}", "service=imap:143", "table=254", ok=False)
    assert "routing table 254" in done.stderr, done


def test_probe(lab):
    rows = [line.split(" ", 2) for line in lab.rules("probe").stdout.splitlines()]
    assert {row[0] for row in rows} >= {"tproxy", "socket", "socket-mark", "mark", "reject",
                                        "named-counters", "policy-routing-ipv6"}
    assert all(row[1] == "0" for row in rows), rows
    assert "mailferry" not in lab.router.text("nft", "list", "tables")
    lab.router.run("sysctl", "-qw", "net.ipv4.fwmark_reflect=1")
    probe = lab.rules("probe").stdout
    lab.router.run("sysctl", "-qw", "net.ipv4.fwmark_reflect=0")
    assert re.search(r"^fwmark-reflect-ipv4 -\d+ .*fwmark_reflect=0$", probe, re.M), probe


# ---- what packets do ----

def test_diverted_and_counted_by_mark(lab):
    lab.rules("install", *CLOSED)
    for family, client, source in FAMILIES:
        with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as listener:
            for mark, route in ((MARK_SOURCE, "source"), (MARK_BUSY, "busy"),
                                (MARK_LOCAL, "local")):
                before = lab.counters()
                sock = lab.connect(family, source)
                peer, name = listener.accept()
                peer.settimeout(5)
                assert name[0] == client and peer.getsockname()[:2] == (source, 143)
                assert peer.getsockopt(socket.SOL_SOCKET, SO_MARK) == MARK_LISTENER
                peer.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK_UNDECIDED)
                exchange(sock, peer, 100)
                peer.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
                exchange(sock, peer, 50000)
                sock.close()
                assert peer.recv(1) == b""
                peer.close()
                counted(lab, before, route)
    lab.rules("remove")


def counted(lab, before, route):
    def difference(name):
        return [b - a for a, b in zip(before["imap", name], lab.counters()["imap", name])]

    # SYN, ACK, 100 bytes and their acknowledgements; then everything on the route.
    eventually(lambda: difference(route)[1] > 50000 and difference(route)[3] > 50000,
               f"{route}: {difference(route)}")
    undecided = difference("undecided")
    assert 3 <= undecided[0] <= 8 and 2 <= undecided[2] <= 8, undecided
    assert 100 < undecided[1] < 1000 and 100 < undecided[3] < 1000, undecided
    others = {"source", "busy", "local", "refused"} - {route}
    assert all(difference(other) == [0, 0, 0, 0] for other in others)
    assert all(numbers == (0, 0, 0, 0) for (service, _), numbers in lab.counters().items()
               if service == "smtp")


def test_unmarked_listener_works_too(lab):
    """Marks are for counting: a listener without one is still found, by tproxy."""
    lab.rules("install", *CLOSED)
    for family, client, source in FAMILIES:
        with lab.listen(lab.router, family, LISTENER, through=True) as listener:
            with lab.connect(family, source) as sock:
                peer, name = listener.accept()
                peer.settimeout(5)
                with peer:
                    assert name[0] == client
                    exchange(sock, peer, 50000)
    assert lab.counters()["imap", "undecided"][1] > 100000
    lab.rules("remove")


def test_nobody_listens_open(lab):
    lab.rules("install", *OPEN)
    for family, client, source in FAMILIES:
        before = lab.counters()["imap", "direct"]
        with lab.listen(lab.net.source, family, 143) as there:
            with lab.connect(family, source) as sock:
                peer, name = there.accept()
                peer.settimeout(5)
                with peer:
                    assert name[0] == client
                    exchange(sock, peer, 20000)
        after = lab.counters()["imap", "direct"]
        assert after[1] - before[1] > 20000 and after[3] - before[3] > 20000, (before, after)
    lab.rules("remove")


def test_a_session_begun_before_goes_on(lab):
    """Between client and source when the rules come, with a listener already there."""
    for family, _, source in FAMILIES:
        with lab.listen(lab.net.source, family, 143) as there, \
                lab.connect(family, source) as sock, there.accept()[0] as peer:
            peer.settimeout(5)
            exchange(sock, peer, 20000)
            with lab.listen(lab.router, family, LISTENER, MARK_LISTENER, through=True) as listener:
                lab.rules("install", *OPEN)
                before = lab.counters()
                exchange(sock, peer, 20000)
                assert lab.counters()["imap", "direct"][1] - before["imap", "direct"][1] > 20000
                assert lab.counters()["imap", "undecided"] == before["imap", "undecided"]
                with lab.connect(family, source) as fresh, listener.accept()[0] as here:
                    here.settimeout(5)
                    exchange(fresh, here, 100)
                exchange(sock, peer, 100)
                # once somebody lives here nobody may stay there unseen
                lab.rules("install", *CLOSED)
                sock.settimeout(5)
                try:  # the answer to an acknowledgement may be there already
                    sock.sendall(b"x")
                    assert sock.recv(1) == b""
                except ConnectionResetError:
                    pass
        lab.rules("remove")


def test_nobody_listens_closed(lab):
    lab.rules("install", *CLOSED)
    for family, _, source in FAMILIES:
        before = lab.counters()["imap", "refused"]
        with lab.listen(lab.net.source, family, 143) as there:
            start = time.monotonic()
            try:
                lab.connect(family, source).close()
                raise AssertionError("connected")
            except ConnectionRefusedError:
                assert time.monotonic() - start < 1
            there.settimeout(0.1)
            try:
                there.accept()
                raise AssertionError("reached the source")
            except socket.timeout:
                pass
        assert lab.counters()["imap", "refused"][0] == before[0] + 1
    lab.rules("remove")


def test_other_traffic_is_left_alone(lab):
    """Other ports of the source, and the same port elsewhere."""
    lab.rules("install", *CLOSED)
    lab.net.source.run("ip", "addr", "add", "10.71.2.3/24", "dev", "eth0")
    with lab.listen(lab.router, socket.AF_INET, LISTENER, MARK_LISTENER, through=True):
        for address, port in ((SOURCE4, 144), ("10.71.2.3", 143)):
            with lab.listen(lab.net.source, socket.AF_INET, port) as there:
                with lab.connect(socket.AF_INET, address, port):
                    there.accept()[0].close()
    assert all(numbers == (0, 0, 0, 0) for numbers in lab.counters().values())
    lab.net.source.run("ip", "addr", "del", "10.71.2.3/24", "dev", "eth0")
    lab.rules("remove")


def resets(space):
    """How many TCP resets that host has sent."""
    names, numbers = (line.split() for line in space.text("cat", "/proc/net/snmp").splitlines()
                      if line.startswith("Tcp:"))
    return int(dict(zip(names, numbers))["OutRsts"])


def test_upstream_from_the_clients_address(lab):
    """The router connects to the source from the client's own address: the source sees the
    client, and its answers come back to the router."""
    lab.rules("install", *CLOSED)
    for family, client, source in FAMILIES:
        for port in (143, 2525):
            with lab.listen(lab.net.source, family, port) as there, \
                    lab.router.socket(family) as upstream:
                transparent(upstream)
                upstream.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                upstream.bind((client, 0))
                upstream.connect((source, port))
                peer, name = there.accept()
                peer.settimeout(5)
                with peer:
                    assert name[0] == client
                    exchange(upstream, peer, 50000)
                    # We close first: the source's FIN then meets a TIME_WAIT socket,
                    # and must not be lost (LAST_ACK there, until it gives up) or
                    # reach the client, who would answer it with a reset.
                    upstream.shutdown(socket.SHUT_WR)
                    assert peer.recv(1) == b""
                    time.sleep(0.1)  # for its delayed acknowledgement: FIN_WAIT2
                    upstream.close()
                time.sleep(0.05)
                assert resets(lab.net.client) == 0
                assert "LAST-ACK" not in lab.net.source.text("ss", "-tan")
    assert all(numbers == (0, 0, 0, 0) for numbers in lab.counters().values())
    lab.rules("remove")


def test_time_wait_of_a_client_can_be_reused(lab):
    """The same client port again, right after we closed first: TIME_WAIT is on our side."""
    lab.rules("install", *CLOSED)
    with lab.listen(lab.router, socket.AF_INET, LISTENER, MARK_LISTENER, through=True) as listener:
        for _ in range(3):
            with lab.net.client.socket(socket.AF_INET) as sock:
                sock.bind((CLIENT4, 40123))
                sock.connect((SOURCE4, 143))
                peer, _ = listener.accept()
                peer.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK_SOURCE)
                peer.close()
                assert sock.recv(1) == b""
            time.sleep(0.05)
    lab.rules("remove")


TESTS = [value for name, value in sorted(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    sys.exit(main(TESTS))
