#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees of live connections, and that the counters count every byte.

    test_flows.py [--flows 1000] [--restarts 3] [WORD…]
"""
import argparse
import contextlib
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

PARSER = argparse.ArgumentParser()
PARSER.add_argument("--flows", type=int, default=30)
PARSER.add_argument("--restarts", type=int, default=1)
PARSER.add_argument("words", nargs="*")
OPTIONS = PARSER.parse_args()
sys.argv[1:] = OPTIONS.words

PORTS = {"smtp": 25, "pop3": 110, "imap": 143}


def flow_of(world, user, **wanted):
    """The one flow of that user, once it has these values."""
    def found():
        return [f for f in world.ferry.json("flows", "--account", user)
                if all(f.get(k) == v for k, v in wanted.items())]
    wait_until(f"a flow of {user} with {wanted}", found, 30, 0.1)
    flows = found()
    equal(len(flows), 1, f"flows of {user}")
    return flows[0]


def fetch_all(client):
    client.ok("SELECT INBOX")
    client.ok("FETCH 1:* BODY.PEEK[]")


@case
def joined(world):
    """What the kernel knows beside what the interceptor tells, on each route."""
    there, here = world.user(20), world.user(20)
    world.move(here)
    clients = [world.session(there), world.session(here)]
    for client in clients:
        fetch_all(client)
    source = flow_of(world, there, route="source")
    local = flow_of(world, here, route="local", state="local")
    for flow in (source, local):
        # a busy machine sends some again
        true(0 < flow["rtt_us"] < 1000000 and 0 <= flow["retransmits"] < 10, flow)
    # the mailstore tells its bytes with a delay
    wait_until("bytes of the session here", lambda: flow_of(world, here)["bytes_out"] > 1000)
    for flow in (source, flow_of(world, here)):
        true(flow["wire_in"] > flow["bytes_in"] > 0, flow)
        true(flow["wire_out"] > flow["bytes_out"] > 1000, flow)
        true(flow["wire_out"] < 3 * flow["bytes_out"], flow)
    true(0 < source["source_rtt_us"] < 1000000 and 0 <= source["source_retransmits"] < 10,
         source)
    true("source_rtt_us" not in local, "no leg to the source")
    equal(world.ferry.json("flows", "--account", there, "--service", "pop3"), [], "by POP3")
    equal(len(world.ferry.json("flows", "--client", world.address(there))), 1, "by client")
    for client in clients:
        client.logout()


def kick(world, flow):
    equal(world.ferry.json("flows", "--kick", flow["id"]), {"id": flow["id"], "kicked": True},
          "the answer")


def is_closed(connection):
    """Nothing more comes."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@case
def kicked(world):
    """At the source, here, before the login, in the middle of mail; with a word to the client,
    who may come again."""
    there, here = world.user(3), world.user(3)
    world.session(there).logout()
    world.ferry.ok("route", there, "source")  # its session would cross alive else
    world.move(here)
    for user, route in ((there, "source"), (here, "local")):
        client = world.session(user)
        flow = flow_of(world, user, route=route)
        world.ferry.settle(1)  # a word is said only where the source is not in the middle of one
        kick(world, flow)
        equal(client.line(), b"* BYE Closed by the administrator, please log in again.\r\n"
              if route == "local" else
              b"* BYE Closed by the administrator; please log in again.\r\n", route)
        true(is_closed(client.socket), route)
        world.session(user).logout()
    before_login = world.imap(there)
    flow = [f for f in world.ferry.json("flows", "--client", world.address(there))
            if f["route"] == "undecided"]
    kick(world, flow[0])
    true(before_login.line().startswith(b"* BYE Closed by the administrator"), "before login")
    before_login.close()
    wait_until("it to have ended", lambda: not world.ferry.json(
        "flows", "--client", world.address(there)), 30, 0.1)
    done = world.ferry.command("flows", "--kick", flow[0]["id"])
    true(done.returncode == 1 and "there is no flow" in done.stderr, done)


@case
def kicked_while_sending(world):
    user = world.user(1)
    client = Smtp(world.lab.connect(25, world.address(user)))
    client.ok("EHLO client.example.org")
    client.ok("MAIL FROM:<sender@example.org>")
    flow = [f for f in world.ferry.json("flows", "--service", "smtp")
            if f["client"].startswith(world.address(user) + ":")]
    equal(len(flow), 1, "its flow")
    kick(world, flow[0])
    true(client.reply().startswith(b"421 4.3.2 Closed by the administrator"), "told")


@case
def over_an_upgrade(world):
    """Sessions from before are seen and can be kicked; the kernel's queue, which is handed on,
    has lost nothing."""
    user = world.user(5)
    client = world.session(user)
    before = flow_of(world, user)
    world.ferry.ok("upgrade")
    wait_until("all programs to be the new ones", world.ferry.programs_run, 30, 0.2)
    for _ in range(5):
        world.session(user).logout()
    flow = flow_of(world, user, id=before["id"])
    world.ferry.settle(1.5)
    queue = world.ferry.json("status")["admission"]
    true(queue["queue_offered"] > 5 and queue["queue_overruns"] == 0, queue)
    kick(world, flow)
    true(client.line().startswith(b"* BYE Closed by the administrator"), "told")


# ---- counters ----

def witness_table(services, out, *ins):
    """Of nft, in a namespace of its own account: what goes out, what comes in."""
    lines = [f"counter {s}-{way} {{}}" for s in services for way in ("out", "in")]
    chains = [("out", out, "dport"), *(("in", each, "sport") for each in ins)]
    for number, (way, (hook, match), port) in enumerate(chains):
        pairs = ", ".join(f'{PORTS[s]} : "{s}-{way}"' for s in services)
        lines += [f"chain {way}{number} {{ type filter hook {hook} priority -300;",
                  f"{match} counter name tcp {port} map {{ {pairs} }}", "}"]
    return "\n".join(["table inet witness {", *lines, "}"])


def witnesses(world):
    """The client's kernel, and what `up` sends itself through interfaces of its own to try
    whether a client would be answered; and what the source answers to an address of its own to
    which the kernel, in the first moment, does not let it come."""
    probe = '"mailferry-probe"'
    return ((world.lab.client, ("output", ""), ("input", "")),
            (world.lab.router, ("prerouting", f"iifname {probe}"),
             ("postrouting", f"oifname {probe}"), ("forward", 'oifname "mailferry-leg"')))


def seen(world, services):
    """For each witness {service: (packets out, bytes out, packets in, bytes in)}."""
    both = []
    for space, *_ in witnesses(world):
        sums = {s: [0, 0, 0, 0] for s in services}
        text = space.run("nft", "list", "counters", "table", "inet", "witness").stdout
        for service, way, packets, size in re.findall(
                r"counter (\w+)-(\w+) \{\s+packets (\d+) bytes (\d+)", text):
            at = 0 if way == "out" else 2
            sums[service][at] += int(packets)
            sums[service][at + 1] += int(size)
        both.append(sums)
    return both


def is_as_seen(counted, seen_by):
    """All of the client's, and of what `up` sends itself what came as far as the rules: while it
    starts, the kernel may drop some of that before."""
    client, itself = seen_by
    return all(client[s][i] <= counted[s][i] <= client[s][i] + itself[s][i]
               for s in counted for i in range(4))


def by_counter(world, services, *options):
    """The same as the counters have it, over all routes."""
    sums = {s: [0, 0, 0, 0] for s in services}
    for row in world.ferry.json("counters", *options):
        for i, name in enumerate(("packets_in", "bytes_in", "packets_out", "bytes_out")):
            if row["service"] in sums:
                sums[row["service"]][i] += row[name]
    return {s: tuple(numbers) for s, numbers in sums.items()}


def use(world, number, users):
    """A flow: reads by IMAP, at the source or here, or sends."""
    user = users[number % len(users)]
    if number % 3 == 2:
        client = Smtp(world.lab.connect(25, world.address(user)))
        client.ok("EHLO client.example.org")
        client.ok("MAIL FROM:<sender@example.org>")
        client.ok("RSET")
        client.quit()
    else:
        client = world.session(user)
        fetch_all(client)
        client.logout()


@case
def every_byte_is_counted(world):
    """Bytes by counter are the bytes that the client's kernel has seen, over restarts in the
    middle of which others are connected, and come."""
    services = ("imap", "smtp")
    users = [world.user(10), world.user(10)]
    world.move(users[0])
    client = world.session(users[1])
    world.ferry.ok("route", users[1], "source")
    client.logout()
    before = by_counter(world, services)
    for space, *chains in witnesses(world):
        done = space.run("nft", witness_table(services, *chains))
        equal(done.returncode, 0, done.stdout)

    def counted():
        now = by_counter(world, services)
        return {s: tuple(b - a for a, b in zip(before[s], now[s])) for s in services}
    last = before
    for number in range(OPTIONS.flows):
        use(world, number, users)
        if (number + 1) % (OPTIONS.flows // OPTIONS.restarts) == 0:
            restart(world, users)
            now = by_counter(world, services)
            true(all(b >= a for s in services for a, b in zip(last[s], now[s])),
                 f"a counter got smaller: {last} {now}")
            last = now
    with contextlib.suppress(TimeoutError):
        wait_until("the last packets", lambda: is_as_seen(counted(), seen(world, services)), 10, 0.2)
    true(is_as_seen(counted(), seen(world, services)),
         f"counted {counted()}, seen {seen(world, services)}")
    true(counted()["imap"][3] > OPTIONS.flows * 5000, counted())
    for space, *_ in witnesses(world):
        space.run("nft", "delete", "table", "inet", "witness")


def restart(world, users):
    """With sessions that are open, and a client that comes while nobody listens."""
    clients = [world.session(user) for user in users]
    world.ferry.stop()
    for client in clients:
        client.socket.settimeout(2)
        with contextlib.suppress(OSError):
            while client.socket.recv(4096):
                pass
        client.close()
    with contextlib.suppress(OSError):
        world.connect(users[0], timeout=3).close()
    world.ferry.start()


main(lambda: World(postfix=True))
