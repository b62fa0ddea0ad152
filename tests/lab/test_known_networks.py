#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where accounts live is known after a restart, too: an office is not throttled on the
morning after it."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main  # noqa: E402
from lab.network import client_address  # noqa: E402

PER_ADDRESS = 3


def is_served(connection):
    connection.settimeout(30)
    try:
        return connection.recv(100).startswith(b"* OK")
    except ConnectionResetError:
        return False


def greeted(world, family=4):
    """Of twice as many connections as a stranger may have, those that are served. One after
    the other: two workers that count at the same instant may let one in too many."""
    held, served = [], 0
    for _ in range(2 * PER_ADDRESS):
        held.append(world.lab.connect(143, client_address(29, family), family))
        served += is_served(held[-1])
    for connection in held:
        connection.close()
    world.ferry.settle(0.5)
    return served


def restart(world):
    equal(world.ferry.stop(), 0, "exit status")
    world.ferry.start()


@case
def strangers_are_throttled(world):
    """The first case: nobody has logged in from there. So it stays after a restart."""
    equal([greeted(world, family) for family in (4, 6)], [PER_ADDRESS] * 2, "served")
    restart(world)
    equal([greeted(world, family) for family in (4, 6)], [PER_ADDRESS] * 2, "served")


@case
def an_office_is_known_after_a_restart(world):
    user = world.user(1)
    for family in (4, 6):
        world.session(user, family).logout()
    equal([greeted(world, family) for family in (4, 6)], [2 * PER_ADDRESS] * 2, "served")
    restart(world)
    equal([greeted(world, family) for family in (4, 6)], [2 * PER_ADDRESS] * 2, "served")


main(lambda: World(settings={"limits": {"connections_per_ip": PER_ADDRESS}}))
