#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that never leave: past the deadline those that cannot change sides, or all with
`live = false`, are told BYE in order, come back by themselves, and find all of it here."""
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import World, case, equal, ferry_with, main, nothing, true  # noqa: E402

DEADLINE = 4


def ends(client, timeout=DEADLINE + 30):
    """What comes until the server closes, and after how long it did."""
    began, rest = time.monotonic(), b""
    client.socket.settimeout(timeout)
    while part := client.socket.recv(65536):
        rest += part
    return rest, time.monotonic() - began


@case
def a_phone_in_idle(world):
    user = world.user(40)
    before = world.at_source(user)
    phone = world.session(user)
    phone.ok("SELECT INBOX")
    phone.send(b"I IDLE\r\n")
    true(phone.line().startswith(b"+"), "idling")
    rest, took = ends(phone)
    true(rest.endswith(b"\r\n") and b"\r\n* BYE" in b"\r\n" + rest, f"told: {rest!r}")
    true(took >= DEADLINE - 2, f"after {took:.1f} s of {DEADLINE}")
    phone.drop()
    again = world.session(user)  # what a phone does next
    again.logout()
    world.expect_source_logins(user, world.address(user))
    account = world.ferry.wait_account(user, stage="done", route="local")
    true(account["out_of_service_ms"] < 10_000, f"out for {account['out_of_service_ms']} ms")
    nothing(compare.differences(before, world.here(user)), "differences")


@case
def several_devices_at_once(world):
    user = world.user(10)
    devices = [world.session(user) for _ in range(3)]
    devices[1].ok("SELECT INBOX")
    devices[2].ok("EXAMINE INBOX")
    for device in devices:
        rest, _ = ends(device)
        true(rest.startswith(b"* BYE"), f"{rest!r}")
        device.drop()
    world.session(user).logout()
    equal(world.ferry.account(user)["route"], "local")


@case
def one_of_two_cannot_change_sides(world):
    """It holds the account up until the deadline; then it is told BYE, and the other one goes on."""
    with ferry_with(world, live=True):
        user = world.user(20)
        phone, stays = world.session(user), world.session(user)
        told = b"".join(phone.ok("SELECT INBOX"))
        count = int(re.search(rb"\* (\d+) EXISTS", told)[1])
        phone.send(b"I IDLE\r\n")
        true(phone.line().startswith(b"+"), "idling")
        stays.ok("SELECT INBOX")
        stays.ok("SEARCH RETURN (SAVE) ALL")  # a result that the source keeps
        rest, took = ends(stays)
        true(rest.startswith(b"* BYE"), f"{rest!r}")
        true(took >= DEADLINE - 2, f"after {took:.1f} s of {DEADLINE}")
        stays.drop()
        world.ferry.wait_account(user, stage="done", route="local")
        message = b"Subject: new\r\n\r\nnew\r\n"
        other = world.session(user)
        other.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))
        other.logout()
        equal(phone.news(), b"* %d EXISTS\r\n" % (count + 1), "the phone is told from here")
        phone.drop()


@case
def who_leaves_before_it_is_not_waited_for(world):
    user = world.user(10)
    began = time.monotonic()
    world.move(user)
    true(time.monotonic() - began < DEADLINE + 10, "moved after their log-off")


class DeadlineWorld(World):
    def __init__(self):
        super().__init__(settings={"deadline": DEADLINE, "live": False})


main(DeadlineWorld)
