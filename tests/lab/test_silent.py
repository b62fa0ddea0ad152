#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""10,000 clients that connect and say nothing: little memory, each is told its time-out, and
somebody else logs in beside them, before, at and after that moment."""
import resource
import select
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.hostile import Remembers  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402

SILENT = 10_000
ADDRESSES = 15
LOGIN_TIMEOUT = 20  # s; they are all there long before the first one is sent away
BYTES_EACH = 4096   # of ours, sanitizers included; the kernel has its own


def log_in_beside_them(world):
    """How long it takes, in s."""
    user = world.user(3)
    began = time.monotonic()
    client = Imap(world.lab.connect(143, client_address(30)))
    true(b" OK " in client.login(user, world.password(user)), "somebody else logs in")
    took = time.monotonic() - began
    client.logout()
    true(took < 15, f"a login beside them took {took:.1f} s")
    return took


def alone(world):
    """No account moves and none is served: the interceptor's memory is what changes."""
    wait_until("the end of others", lambda: all(
        len(world.ferry.processes(program)) == 1 for program in ("transfer", "mailstore")))


def read_all(connections, enough, timeout):
    """Reads each until enough(bytes so far); their bytes by descriptor."""
    got = {c.fileno(): b"" for c in connections}
    waiting = {c.fileno(): c for c in connections}
    poll = select.epoll()
    for number, connection in waiting.items():
        connection.setblocking(False)
        poll.register(number, select.EPOLLIN)
    until = time.monotonic() + timeout
    while waiting and time.monotonic() < until:
        for number, _ in poll.poll(1):
            part = waiting[number].recv(1000)
            got[number] += part
            if not part or enough(got[number]):
                poll.unregister(number)
                del waiting[number]
    poll.close()
    return got


@case
def ten_thousand_who_say_nothing(world):
    log_in_beside_them(world)
    alone(world)
    before = world.ferry.memory()
    began = time.monotonic()
    silent = [world.lab.connect(143, client_address(11 + n % ADDRESSES))
              for n in range(SILENT)]
    greetings = read_all(silent, lambda bytes_: b"\r\n" in bytes_, LOGIN_TIMEOUT)
    made = time.monotonic() - began
    true(made < LOGIN_TIMEOUT, f"they are there after {made:.1f} s")
    equal(sum(g.startswith(b"* OK") for g in greetings.values()), SILENT, "greeted")
    alone(world)
    each = (world.ferry.memory() - before) / SILENT
    took = log_in_beside_them(world)
    print(f"    {SILENT} in {made:.1f} s, {each:.0f} bytes each, a login beside: {took:.2f} s")
    true(each < BYTES_EACH, f"{each:.0f} bytes each")
    began = time.monotonic()
    rest = read_all(silent, lambda _: False, LOGIN_TIMEOUT + 20)
    print(f"    told and closed after {time.monotonic() - began:.1f} s more")
    equal(sum(b"* BYE" in r for r in rest.values()), SILENT, "told that the time is over")
    for connection in silent:
        connection.close()
    log_in_beside_them(world)


@case
def the_interceptor_is_the_one_that_began(world):
    world.is_the_one_that_began()


class SilentWorld(Remembers, World):
    def __init__(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        super().__init__(settings={
            "limits": {"login_timeout": LOGIN_TIMEOUT, "connections_per_ip": SILENT,
                       "new_connections": 0}})  # they come from one /24, in some seconds


main(SilentWorld)
