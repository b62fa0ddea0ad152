#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as they are: each with a login, a move, and the same mailbox from here afterwards.

test_topologies.py [--all] [WORD...]    --all: rp_filter in each setting, and more
"""
import contextlib
import json
import socket
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
import firewalls  # noqa: E402
from lab import compare  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.harness import World, case, equal, main, nothing, registry, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import Namespace, SOURCE_ADDRESS, SOURCE_GATEWAY, client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402

SECOND = ("198.51.100.11", "2001:db8:5::11")  # the source's other addresses
ALL = "--all" in sys.argv


class Topologies(World):
    def __init__(self):
        super().__init__(ferry=False)
        self.count = 0

    @contextlib.contextmanager
    def ferried(self, **settings):
        """mailferry with an empty registry; its rules are gone afterwards."""
        self.count += 1
        self.ferry = Ferry(self.lab, f"ferry{self.count}", **settings)
        self.ferry.start()
        try:
            yield self.ferry
            equal(self.ferry.stop(), 0, "exit status")
            nothing(self.ferry.complaints(), "sanitizers")
        finally:
            self.ferry.stop()
            self.ferry.ok("rules", "remove", "--yes")

    def router(self, command):
        done = self.lab.router.run(*command.split())
        if done.returncode:
            raise AssertionError(f"{command}: {done.stdout}")

    def crosses(self, address=SOURCE_ADDRESS[0], seen=None):
        """A user logs in at that address, moves, and finds everything; both families look at
        it afterwards when the source has both. seen: where the source sees the login from."""
        user = self.user(20)
        family = 6 if ":" in address else 4
        client_from = client_address(12, family)
        before = self.at_source(user)

        def session():
            client = Imap(self.lab.client.connect(address, 143, client_from))
            true(b" OK " in client.login(user, self.password(user)), f"login at {address}")
            return client
        session().logout()
        wait_until("the source's log says from where",  # it may write it after its answer
                   lambda: (seen or client_from) in [a for _, a in self.server.logins(user)])
        self.ferry.wait_account(user, stage="done", route="local")
        count = len(self.server.logins(user))
        connection = self.lab.client.connect(address, 143, client_from)
        nothing(compare.differences(before, compare.snapshot(connection, user,
                                                             self.password(user))), "here")
        session().logout()
        equal(len(self.server.logins(user)), count, "logins at the source after the move")
        return user


def one_of_ours_whose_end_is_not_seen(world):
    """As when the kernel tracks connections for a moment only: it keeps this one for days."""
    router = world.lab.router
    done = router.run("nft", "-f", "-", input="""
        table inet moment {
          chain leave {
            type filter hook output priority 0
            ct state established accept
          }
        }""")
    equal(done.returncode, 0, done.stdout)
    ours = router.connect(SOURCE_ADDRESS[0], 110)
    ours.recv(100)
    router.run("nft", "delete", "table", "inet", "moment")
    ours.close()


@case
def connections_from_before_hold_where_the_rules_stay_open(world):
    """The admin wants it open whoever lives here, so nothing ends a session that began at the
    source before us. Whose it is is not known: nobody switches under it; what we relay, and
    serve, holds nobody, nor does one of this host's own that is over."""
    world.lab.router.forget_connections()
    one_of_ours_whose_end_is_not_seen(world)
    users = [world.user(5) for _ in range(3)]

    def session(number):
        client = Imap(world.lab.client.connect(SOURCE_ADDRESS[number % 2], 143,
                                               client_address(14 + number, 4 + number % 2 * 2)))
        true(b" OK " in client.login(users[number], world.password(users[number])), "login")
        return client
    before = session(0)
    with world.ferried(fail="open", live=False) as ferry:
        before.ok("NOOP")  # from now on the kernel knows of it, and two seconds later we do
        wait_until("it is known", lambda: ferry.json("status")["unseen"], 30)
        relayed = session(1)
        session(2).logout()
        wait_until("it is said why nobody switches", lambda: any(
            "went past us before the rules were in" in text and "imap (1 connections)" in text
            for text in ferry.json("status")["attention"]), 30)
        time.sleep(3)
        equal(ferry.account(users[2])["route"], "source", "route while it is there")
        before.logout()
        ferry.wait_account(users[2], stage="done", route="local")
        relayed.ok("NOOP")
        here = session(2)
        time.sleep(3)
        # one that ends while `up` is replaced is over, too
        now = int(time.time() * 1000)
        registry(world, "INSERT INTO unseen VALUES ('direct clients', 'pop3', 'begun before the "
                 f"rules, or while nobody listened', 1000000, {now}, {now}, 1, 1) "
                 "ON CONFLICT DO UPDATE SET open = 1")
        ferry.ok("upgrade")
        relayed.logout()
        ferry.wait_account(users[1], stage="done", route="local")
        here.logout()


@case
def ipv6_alone(world):
    with world.ferried(source=[SOURCE_ADDRESS[1]]):
        world.crosses(SOURCE_ADDRESS[1])


@case
def ipv4_alone(world):
    with world.ferried(source=[SOURCE_ADDRESS[0]]):
        world.crosses(SOURCE_ADDRESS[0])


@case
def several_addresses_are_one_source(world):
    """Four addresses, one mailbox: it moves once, and each shows it from here."""
    for address, length in zip(SECOND, (24, 64)):
        world.lab.source.ip("addr", "add", f"{address}/{length}", "dev", "eth0", "nodad")
    try:
        with world.ferried(source=[*SOURCE_ADDRESS, *SECOND]):
            for address in (SECOND[1], SECOND[0], SOURCE_ADDRESS[1]):
                user = world.crosses(address)
                count = len(world.server.logins(user))
                for other in (*SOURCE_ADDRESS, *SECOND):
                    client = Imap(world.lab.client.connect(other, 143))
                    true(b" OK " in client.login(user, world.password(user)), other)
                    client.logout()
                equal(len(world.server.logins(user)), count, "no login at the source")
    finally:
        for address, length in zip(SECOND, (24, 64)):
            world.lab.source.ip("addr", "del", f"{address}/{length}", "dev", "eth0")


def rp_filters(world, values, valid_marks):
    places = ("all", "default", "client", "source", "lo")
    try:
        for value in values:
            for valid in valid_marks:
                for place in places:
                    world.lab.router.sysctl(f"net.ipv4.conf.{place}.rp_filter", value)
                    world.lab.router.sysctl(f"net.ipv4.conf.{place}.src_valid_mark", valid)
                with world.ferried():
                    world.crosses()
    finally:
        for place in places:
            world.lab.router.sysctl(f"net.ipv4.conf.{place}.rp_filter", 0)
            world.lab.router.sysctl(f"net.ipv4.conf.{place}.src_valid_mark", 0)


@case
def source_address_checks_of_the_kernel(world):
    """Strict; by hand each of them."""
    values, marks = ((0, 1, 2), (0, 1)) if ALL else ((1,), (1,))
    rp_filters(world, values, marks)


@contextlib.contextmanager
def second_link(world):
    """Between client and router; what goes to the client leaves by it, what comes from there
    comes by the first one."""
    router, client = world.lab.router, world.lab.client
    router.ip("link", "add", "back", "type", "veth", "peer", "name", "eth1", "netns", client.name)
    router.ip("link", "set", "back", "up")
    client.ip("link", "set", "eth1", "up")
    for space, device, last in ((router, "back", 1), (client, "eth1", 2)):
        space.ip("addr", "add", f"203.0.113.{last}/24", "dev", device)
        space.ip("addr", "add", f"2001:db8:b::{last}/64", "dev", device, "nodad")
    for number in (11, 12):
        router.ip("route", "add", f"{client_address(number)}/32", "via", "203.0.113.2")
        router.ip("-6", "route", "add", f"{client_address(number, 6)}/128", "via", "2001:db8:b::2")
    try:
        yield
    finally:
        router.ip("link", "del", "back")


@case
def answers_leave_by_another_link(world):
    """Asymmetric towards the clients. A strict rp_filter would drop their packets without us,
    too; a loose one does not."""
    for place in ("all", "client", "source"):
        world.lab.router.sysctl(f"net.ipv4.conf.{place}.rp_filter", 2)
    with second_link(world), world.ferried():
        world.crosses(SOURCE_ADDRESS[0])
        world.crosses(SOURCE_ADDRESS[1])
    for place in ("all", "client", "source"):
        world.lab.router.sysctl(f"net.ipv4.conf.{place}.rp_filter", 0)


@case
def the_sources_way_back_is_not_ours(world):
    """It answers clients by a link of its own: a router that sees one direction alone. IMAP goes
    from our own address by itself; without us nothing was wrong there."""
    source, client = world.lab.source, world.lab.client
    source.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2", "netns", client.name)
    for space, device, last in ((source, "eth1", 1), (client, "eth2", 2)):
        space.ip("link", "set", device, "up")
        space.ip("addr", "add", f"203.0.113.{last}/24", "dev", device)
        space.ip("addr", "add", f"2001:db8:b::{last}/64", "dev", device, "nodad")
    source.ip("route", "replace", "default", "via", "203.0.113.2")
    source.ip("-6", "route", "replace", "default", "via", "2001:db8:b::2")
    try:
        with world.ferried() as ferry:
            true("we connect from ours" in ferry.log.read_text(), ferry.log_tail())
            world.crosses(SOURCE_ADDRESS[0], seen=SOURCE_GATEWAY[0])
            world.crosses(SOURCE_ADDRESS[1], seen=SOURCE_GATEWAY[1])
    finally:
        source.ip("link", "del", "eth1")
        source.ip("route", "replace", "default", "via", SOURCE_GATEWAY[0])
        source.ip("-6", "route", "replace", "default", "via", SOURCE_GATEWAY[1])


BESIDE = ("198.51.100.40", "2001:db8:5::40")


@contextlib.contextmanager
def host_beside(world):
    """One more host in the source's own network, behind the router's bridge as the source is."""
    router, source = world.lab.router, world.lab.source
    beside = Namespace(source.name.replace("source", "beside"))
    places = list(zip(SOURCE_GATEWAY, ("24", "64"), ((), ("nodad",))))

    def move(giver, taker):
        for address, length, more in places:
            router.ip("addr", "del", f"{address}/{length}", "dev", giver)
            router.ip("addr", "add", f"{address}/{length}", "dev", taker, *more)
        for family in ("-4", "-6"):
            source.ip(family, "neigh", "flush", "dev", "eth0")
    beside.create()
    try:
        router.ip("link", "add", "lan", "type", "bridge")
        router.ip("link", "set", "lan", "up")
        for family in ("ip", "ip6"):  # as a switch that is no part of the router
            router.sysctl(f"net.bridge.bridge-nf-call-{family}tables", 0)
        router.ip("link", "add", "beside", "type", "veth", "peer", "name", "eth0",
                  "netns", beside.name)
        for port in ("source", "beside"):
            router.ip("link", "set", port, "master", "lan", "up")
        move("source", "lan")
        beside.ip("link", "set", "eth0", "up")
        for (_, length, more), address in zip(places, BESIDE):
            beside.ip("addr", "add", f"{address}/{length}", "dev", "eth0", *more)
        yield beside
    finally:
        router.ip("link", "set", "source", "nomaster")
        move("lan", "source")
        router.ip("link", "del", "lan")
        beside.remove()


def heard(world):
    """Hosts that may reach the source past us, as status and report have them."""
    return sorted({u["client"] for u in world.ferry.json("status")["unseen"]
                   if u["service"] == "any"})


def told(world, *words):
    """All of the words are in the report's reasons, and in what needs attention."""
    reasons = "; ".join(world.ferry.json("report")["reasons"])
    return all(word in reasons for word in words)


def reads_at_the_source(world, beside, user, family):
    """By a host of the source's own network: not one packet of it comes by here."""
    client = Imap(beside.connect(SOURCE_ADDRESS[family], 143))
    true(b" OK " in client.login(user, world.password(user)), "login past us")
    client.ok("SELECT INBOX")
    client.ok("STORE 2 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.logout()


def ask(space, family, address):
    """For the link address, which is not known there."""
    with space.entered(), socket.socket((socket.AF_INET, socket.AF_INET6)[family],
                                        socket.SOCK_DGRAM) as any_of_it:
        any_of_it.sendto(b"", (address, 9))


def ask_by_proxy(world):
    """Clients that take the source for one of their own network, where the router answers."""
    client = world.lab.client
    world.lab.router.sysctl("net.ipv4.conf.client.proxy_arp", 1)
    for family, (word, length) in enumerate((("-4", 32), ("-6", 128))):
        way = (word, "route", "add", f"{SOURCE_ADDRESS[family]}/{length}", "dev", "eth0")
        client.ip(*way)
        ask(client, family, SOURCE_ADDRESS[family])
        client.ip(word, "route", "del", *way[3:])
    world.lab.router.sysctl("net.ipv4.conf.client.proxy_arp", 0)


def many_ask(beside, count):
    """By forged questions."""
    with beside.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for n in range(count):
            link = bytes((2, 0, 0, 0, 0, n))
            raw.send(b"\xff" * 6 + link + bytes.fromhex("0806 0001 0800 0604 0001") + link +
                     bytes((198, 51, 100, 100 + n)) + bytes(6) +
                     socket.inet_aton(SOURCE_ADDRESS[0]))


def is_our_gateway(world, beside):
    """For a moment: it asks for the source from an address of its own, and from one that only
    its link address tells of."""
    router = world.lab.router
    for n in range(40):  # its ports, each with two link addresses: more than one looks at first
        router.ip("link", "add", f"many{n}", "type", "veth", "peer", "name", f"more{n}")
    router.ip("route", "add", "default", "via", BESIDE[0])
    router.ip("-6", "route", "add", "default", "via", BESIDE[1])
    with router.entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asks:
        asks.sendto(b"", (BESIDE[1], 9))
    shown = json.loads(beside.run("ip", "-6", "-j", "addr", "show", "dev", "eth0").stdout)
    link = next(a["local"] for i in shown for a in i.get("addr_info", ())
                if a["scope"] == "link")
    beside.connect(SOURCE_ADDRESS[0], 143).close()
    with beside.entered(), socket.socket(socket.AF_INET6) as asks:
        asks.bind((link, 0, 0, socket.if_nametoindex("eth0")))
        asks.connect((SOURCE_ADDRESS[1], 143))
    time.sleep(5.5)  # a look at who was heard
    equal(heard(world), [], "heard of the gateway")
    for n in range(40):
        router.ip("link", "del", f"many{n}")
    router.ip("route", "del", "default")
    router.ip("-6", "route", "del", "default")
    for family in ("-4", "-6"):
        beside.ip(family, "neigh", "flush", "dev", "eth0")


@case
def hosts_of_the_sources_own_network(world):
    """They reach it past the router: it is told who they may be, and whose old mailbox they
    change; the verdict is not "safe". Nobody is told of before, nor is a gateway."""
    with host_beside(world) as beside, world.ferried(sweep=3) as ferry:
        user = world.crosses()

        def swept():
            return ferry.account(user)["swept"] or {"looked_at": 0}
        for _ in range(2):  # looked at twice, so that a change would be seen
            at = time.time() * 1000
            wait_until("a look at the old mailbox", lambda t=at: swept()["looked_at"] > t, 30)
        ask_by_proxy(world)
        is_our_gateway(world, beside)
        true(not told(world, "past us"), ferry.json("report")["reasons"])
        nothing(swept()["folders"], "changes")

        done = world.lab.router.run("nft", "list", "ruleset")
        true(done.returncode == 0 and done.stdout.count("table arp mailferry-neighbours") == 1
             and done.stdout.count("table ip6 mailferry-neighbours") == 1, done.stdout[-800:])
        # the admin has kept it so, and the router's own rules are loaded anew from it
        kept = "".join(world.lab.router.run("nft", "list", "table", family,
                                            "mailferry-neighbours").stdout
                       for family in ("arp", "ip6"))
        done = world.lab.router.run("nft", "-f", "-", input=kept)
        equal(done.returncode, 0, done.stdout)
        equal(world.lab.router.run("nft", "flush", "ruleset").returncode, 0, "flush")
        wait_until("they are listened for again", lambda: "table arp mailferry-neighbours" in
                   world.lab.router.run("nft", "list", "tables").stdout)
        for family in (0, 1):
            reads_at_the_source(world, beside, user, family)
        wait_until("they are told of", lambda: heard(world) == sorted(BESIDE), 30)
        wait_until("the change is told of", lambda: swept()["changed_at"], 30)
        true(told(world, "own network may reach it past us (2: ", *BESIDE,
                  "1 old mailbox of an account here is used past us"),
             ferry.json("report")["reasons"])
        equal(ferry.json("report")["safe_to_retire"], False, "verdict")
        rows = [r["why"] for r in ferry.json("report")["swept"] if r["account"] == user]
        true(rows[0].startswith("messages removed there: "), rows)
        attention = " ".join(ferry.json("status")["attention"])
        for words in (*BESIDE, "`source_neighbours`", "1 accounts that live here were changed"):
            true(words in attention, f"{words}: {attention}")
        true(BESIDE[0] in ferry.ok("flows"), "flows")
        ferry.write_config(source_neighbours=[f"{BESIDE[0]}/32", BESIDE[1]])
        true(not told(world, "may reach it past us"), ferry.json("report")["reasons"])
        nothing([t for t in ferry.json("report")["not_watched"] if "own network" in t], "unheard")
        many_ask(beside, 64)
        wait_until("it is said that not all are heard", lambda: any(
            "all hosts of the source's own network" in t
            for t in ferry.json("report")["not_watched"]))
        true("no room for others" in " ".join(ferry.json("status")["attention"]), "attention")
    for family in ("arp", "ip6"):  # as one that was killed leaves them
        world.lab.router.run("nft", "add", "table", family, "mailferry-neighbours")
    ferry.ok("rules", "remove", "--yes")
    equal(world.lab.router.run("nft", "list", "tables").stdout, "", "tables afterwards")


@case
def a_source_that_drops_addresses_of_nobody(world):
    """Ranges for benchmarks are in lists of bogons: that is no reason to hide the clients."""
    done = world.lab.source.run("nft", "-f", "-", input="""
        table inet bogons {
          chain enter { type filter hook input priority 0;
            ip saddr 198.18.0.0/15 drop
            ip6 saddr 2001:2::/48 drop
          }
        }""")
    equal(done.returncode, 0, done.stdout)
    try:
        with world.ferried() as ferry:
            true("clients' own addresses come back" in ferry.log.read_text(), ferry.log_tail())
            for address in SOURCE_ADDRESS:
                world.crosses(address)
    finally:
        world.lab.source.run("nft", "delete", "table", "inet", "bogons")


PUBLIC = ("203.0.113.77", "2001:db8:99::77")

# Docker drops what is forwarded; the admin lets mail through where it says so.
DOCKER = firewalls.rules("docker") + "".join(
    f"insert rule ip filter DOCKER-USER ip {end} {SOURCE_ADDRESS[0]} accept\n"
    for end in ("saddr", "daddr"))
# A small office's own DNAT.
OFFICE = """
table NAT office {
  chain enter { type nat hook prerouting priority dstnat;
    NAT daddr PUBLIC tcp dport { 25, 110, 143 } dnat to SOURCE
  }
  chain leave { type nat hook postrouting priority srcnat;
    NAT saddr SOURCE NAT daddr SOURCE masquerade
  }
}
"""


@case
def behind_a_dnat_and_beside_docker(world):
    """The public address is the router's, and only the source's own is known to us: from
    outside, and from beside the source by the public address."""
    rules = DOCKER
    for nat, public, source in zip(("ip", "ip6"), PUBLIC, SOURCE_ADDRESS):
        rules += OFFICE.replace("NAT", nat).replace("PUBLIC", public).replace("SOURCE", source)
        world.lab.router.ip("addr", "add", public, "dev", "lo")
    done = world.lab.router.run("nft", "-f", "-", input=rules)
    equal(done.returncode, 0, done.stdout)
    try:
        with world.ferried():
            for public in PUBLIC:
                user = world.crosses(public)
                count = len(world.server.logins(user))
                inside = Imap(world.lab.source.connect(public, 143))
                true(b" OK " in inside.login(user, world.password(user)), "from inside")
                inside.logout()
                equal(len(world.server.logins(user)), count, "logins at the source")
    finally:
        for table in ("ip nat", "ip filter", "ip office", "ip6 office"):
            world.lab.router.run("nft", "delete", "table", *table.split())
        for public in PUBLIC:
            world.lab.router.ip("addr", "del", public, "dev", "lo")


# Two ways out, chosen by the low byte of a mark that is kept in the connection; everything is
# saved and restored, also at INPUT and OUTPUT. strongSwan's and Tailscale's rules beside it.
OTHERS = """
table inet wan {
  chain pre { type filter hook prerouting priority mangle;
    meta mark set ct mark
    iifname "client" meta mark set meta mark and 0xffffff00 or 0x2
    ct mark set meta mark
  }
  chain enter { type filter hook input priority mangle; ct mark set meta mark; }
  chain out { type route hook output priority mangle; meta mark set ct mark; }
  chain post { type filter hook postrouting priority mangle; ct mark set meta mark; }
}
"""
OTHER_RULES = ("pref 200 fwmark 0x2/0xff lookup 201", "pref 220 lookup 220",
               "pref 5210 fwmark 0x80000/0xff0000 lookup main")


def beside_others(world, **settings):
    done = world.lab.router.run("nft", "-f", "-", input=OTHERS)
    equal(done.returncode, 0, done.stdout)
    for family in ("-4", "-6"):
        for rule in OTHER_RULES:
            world.router(f"ip {family} rule add {rule}")
    # what they mark goes to the source by their table, as by the main one
    world.router("ip route add 198.51.100.0/24 dev source table 201")
    world.router("ip route add 192.0.2.0/24 dev client table 201")
    world.router("ip -6 route add 2001:db8:5::/64 dev source table 201")
    world.router("ip -6 route add 2001:db8:c::/64 dev client table 201")
    try:
        with world.ferried(**settings):
            for address in SOURCE_ADDRESS:
                world.crosses(address)
    finally:
        world.lab.router.run("nft", "delete", "table", "inet", "wan")
        for family in ("-4", "-6"):
            for rule in OTHER_RULES:
                world.router(f"ip {family} rule del {rule}")
            world.router(f"ip {family} route flush table 201")


@case
def marks_and_rules_of_others(world):
    beside_others(world)


@case
def with_bits_and_tables_of_our_choice(world):
    beside_others(world, mark_mask="0x00f00000", mark="0x00400000", route_table=4242,
                  rule_preference=150)


main(Topologies, [word for word in sys.argv[1:] if word != "--all"])
