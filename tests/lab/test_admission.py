#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is intercepted: one desk first, then all; and what a client sees while nobody judges."""
import os
import signal
import socket
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.processes import wait_until  # noqa: E402


def names(world):
    return [account["name"] for account in world.ferry.json("accounts")]


def admit(world, *words):
    world.ferry.ok("admit", *words)
    wait_until("the rules to follow", lambda: world.ferry.command("rules", "check").returncode == 0,
               pause=0.1)


def refused_at_once(world, user):
    began = time.monotonic()
    try:
        world.connect(user, timeout=5).close()
    except ConnectionRefusedError:
        return time.monotonic() - began < 0.9  # a SYN that is sent again comes after a second
    return False


def seen_past_us(world):
    """mailferry looks once a second for those who are direct."""
    wait_until("direct clients to be seen", lambda: any(
        u["client"] == "direct clients" and u["open"] for u in world.ferry.json("status")["unseen"]),
        pause=0.1)


@case
def one_desk_then_all(world):
    """Whoever is direct is none of our business, and is not disturbed when that ends."""
    desk, other = world.user(5), world.user(5)
    admit(world, "0.0.0.0/0", "direct")
    admit(world, world.address(desk), "divert")
    before = world.session(other)
    seen_past_us(world)
    world.session(desk).logout()
    equal(names(world), [desk], "the desk alone is seen")
    # whose that session is cannot be known: it may be the desk's owner
    wait_until("the account to be held", lambda: "lets past us are connected by imap" in
               world.ferry.account(desk)["held"], 30, 0.2)
    equal(world.ferry.account(desk)["route"], "source", "it waits")
    past = [f for f in world.ferry.json("flows") if f["route"] == "direct"]
    equal([(f["service"], f["client"].split(":")[0], f["account"]) for f in past],
          [("imap", world.address(other), "")], "flows shows who goes past us")
    true(past[0]["bytes_out"] > 100 and past[0]["started"], past)
    true("lets past us" in world.ferry.ok("account", desk), "and says why")
    world.ferry.ok("route", desk, "local", "--yes")
    world.ferry.wait_account(desk, stage="done", route="local", timeout=60)
    # somebody lives here now: closed, and yet the others go to the source
    before.ok("NOOP")
    world.session(other).logout()
    equal(names(world), [desk], "the others are still left alone")
    admit(world, "--remove", "0.0.0.0/0")
    before.ok("NOOP")
    world.session(other).logout()
    equal(sorted(names(world)), sorted([desk, other]), "now everybody is seen")
    before.ok("NOOP")
    before.logout()
    admit(world, "--remove", world.address(desk))


@case
def a_switch_waits_until_they_have_ended(world):
    desk, other = world.user(5), world.user(5)
    admit(world, "192.0.2.0/24", "direct", "--yes")
    admit(world, world.address(desk), "divert")
    past_us = world.session(other)
    seen_past_us(world)
    world.session(desk).logout()
    wait_until("the account to be held", lambda: world.ferry.account(desk)["held"], 30, 0.2)
    past_us.logout()
    world.ferry.wait_account(desk, stage="done", route="local", timeout=60)
    admit(world, "--remove", "192.0.2.0/24")
    admit(world, "--remove", world.address(desk))


@case
def refused(world):
    user = world.user(1)
    admit(world, "192.0.2.0/24", "refuse")
    true(refused_at_once(world, user), "a reset")
    admit(world, "--remove", "192.0.2.0/24")
    world.session(user).logout()


@case
def nobody_judges(world):
    """Killed: it is started again, those who are connected do not notice. Who comes in between is
    let in by the kernel for two seconds, by the last word that it had, and then refused at once,
    since somebody lives here."""
    user = world.user(1)
    client = world.session(user)
    supervisor = world.ferry.daemon.pid
    os.kill(supervisor, signal.SIGSTOP)  # so that it is not started again at once
    try:
        true(world.ferry.kill("admission"), "it runs")
        wait_until("it to be gone", lambda: refused_at_once(world, user))
        client.ok("NOOP")
    finally:
        os.kill(supervisor, signal.SIGCONT)
    wait_until("it to be back", world.ferry.programs_run)
    client.ok("NOOP")
    world.session(user).logout()
    client.logout()


def judged(world):
    return world.ferry.json("status")["admission"]


def let_in_by_the_kernel(world, user):
    before = judged(world)["by_kernel"]
    world.session(user).logout()
    return judged(world)["by_kernel"] > before


@case
def status_and_check_say_how(world):
    user = world.user(1)
    wait_until("the kernel to decide", lambda: let_in_by_the_kernel(world, user), 30, 0.1)
    now = judged(world)
    true(now["diverted"] > now["by_kernel"] > 0 and now["load"] == "room", now)
    true(" of them by the kernel alone" in world.ferry.ok("status"), "text")
    for name in ("queue", "room"):
        said = [f for f in world.ferry.json("check")["findings"] if f["name"] == name]
        true(said and said[0]["level"] == "ok", said)
    equal(world.ferry.command("rules", "check").returncode, 0, "what packets put there is as wanted")


@case
def a_prefix_counts_while_the_kernel_decides(world):
    user = world.user(1)
    wait_until("the kernel to decide", lambda: let_in_by_the_kernel(world, user), 30, 0.1)
    admit(world, "192.0.2.0/24", "refuse")
    true(refused_at_once(world, user), "a reset")
    admit(world, world.address(user), "divert")
    world.session(user).logout()
    admit(world, "--remove", world.address(user))
    admit(world, "--remove", "192.0.2.0/24")
    world.session(user).logout()


@case
def a_port_is_used_again(world):
    """What the router has kept of a client's last connection (TIME_WAIT: we have closed first)
    is not in the way of the next one from that port, which goes past us."""
    user, port = world.user(1), 41999
    address = world.address(user)

    def connect():
        with world.lab.client.entered():
            return socket.create_connection((SOURCE_ADDRESS[0], 143), 5, (address, port))
    with connect() as connection, connection.makefile("rb") as file:
        file.readline()
        connection.sendall(b"1 LOGOUT\r\n")
        file.read()
    wait_until("the rest of it", lambda: "TIME-WAIT" in world.lab.router.run(
        "ss", "-Htan", f"dport = :{port}").stdout)
    admit(world, address, "direct", "--yes")
    with connect() as connection, connection.makefile("rb") as file:
        true(file.readline().startswith(b"* OK"), "the source's greeting")
    admit(world, "--remove", address)


@case
def kernel_settings_are_put_back(world):
    """As they were in a new network namespace; the start after a kill -9 remembers it."""
    names = ("net.netfilter.nf_conntrack_acct", "net.ipv4.tcp_early_demux")

    def settings():
        return world.lab.router.run("sysctl", "-n", *names).stdout.split()
    world.ferry.stop()
    world.ferry.start()
    equal(settings(), ["1", "1"], "while it runs and nobody was admitted to the source")
    admit(world, "203.0.113.0/24", "direct", "--yes")
    equal(settings(), ["1", "0"], "once somebody was")
    os.kill(world.ferry.daemon.pid, signal.SIGKILL)
    world.ferry.stop()
    equal(settings(), ["1", "0"], "after it was killed")
    world.ferry.start()
    user = world.user(1)
    world.session(user).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    world.ferry.stop()  # the rules stay
    world.ferry.ok("rules", "end")
    equal(settings(), ["0", "1"], "afterwards, though the rules still admit somebody")
    world.ferry.start()
    admit(world, "--remove", "203.0.113.0/24")


main(World)
