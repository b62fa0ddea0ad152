#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed stays closed: once an account lives here, no stop, crash, failed start or flush of
the rules sends its user or its mail to the old mailbox, while both come all the time."""
import contextlib
import shutil
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

BROKEN = (OSError, AssertionError, EOFError, IndexError, ValueError)  # of one attempt


class Traffic:
    """Logins and mail of world.here without a pause, from both families. What was answered
    with OK is counted."""

    def __init__(self, world):
        self.world = world
        self.ends = threading.Event()
        self.logins = 0
        self.taken = []  # tokens of mail that was acknowledged
        self.threads = [threading.Thread(target=self._again, args=(work, family))
                        for work in (self._login, self._deliver) for family in (4, 6)]

    def _again(self, work, family):
        while not self.ends.is_set():
            with contextlib.suppress(*BROKEN):
                work(family)
            time.sleep(0.001)

    def _login(self, family):
        user = self.world.here
        connection = self.world.connect(user, family, timeout=2)
        with contextlib.closing(connection):
            connection.sendall(b"a LOGIN %s %s\r\nb LOGOUT\r\n" % (
                user.encode(), self.world.password(user).encode()))
            said = b""
            while more := connection.recv(4096):
                said += more
        if b"a OK" in said:
            self.logins += 1

    def _deliver(self, family):
        token, message = self.world.message()
        client = self.world.smtp(self.world.there, family)
        try:
            if client.deliver(message, at(self.world.here)) == 250:
                self.taken.append(token)
        finally:
            client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def flows(self):
        """Until somebody has got in and mail has been taken."""
        logins, taken = self.logins, len(self.taken)
        wait_until("logins and mail", lambda: self.logins > logins + 2 and
                   len(self.taken) > taken + 1, 30)


def kill_everything(world):
    world.ferry.kill_all()
    time.sleep(0.5)
    world.ferry.start()


def reboot(world):
    """What the kernel had is gone; the rules come before it forwards, the programs later."""
    router = world.lab.router
    world.ferry.kill_all()
    router.sysctl("net.ipv4.ip_forward", 0)
    router.sysctl("net.ipv6.conf.all.forwarding", 0)
    router.run("nft", "flush", "ruleset", check=True)
    for family in ("-4", "-6"):
        for priority in world.our_priorities(family):
            router.run("ip", family, "rule", "del", "priority", priority, check=True)
        router.run("ip", family, "route", "flush", "table", "19782")
    world.ferry.ok("rules", "install", "--closed")
    router.sysctl("net.ipv4.ip_forward", 1)
    router.sysctl("net.ipv6.conf.all.forwarding", 1)
    time.sleep(1)
    world.ferry.start()


def upgrade(world):
    """New programs are put in place under those that run."""
    old, new = world.ferry.bin, world.ferry.folder / "bin"
    new.mkdir()
    for program in old.glob("mailferry*"):
        shutil.copy2(program, new)
    world.ferry.bin = new
    equal(world.ferry.stop(), 0, "exit status")
    world.ferry.start()


def stop(world):
    equal(world.ferry.stop(), 0, "exit status")
    time.sleep(0.5)
    world.ferry.start()


def fail_to_start(world):
    """The registry's disk is away, then a program."""
    equal(world.ferry.stop(), 0, "exit status")
    state = Path(world.ferry.settings["state_dir"])
    away = state.with_name("away")
    state.rename(away)
    state.write_text("not a directory", encoding="ascii")
    equal(world.ferry.command("up").returncode, 1, "without its directory")
    state.unlink()
    away.rename(state)
    time.sleep(0.2)
    world.ferry.start()


def command(*words):
    def run(world):
        world.lab.router.run(*words, check=True)
        wait_until("the rules again", lambda: world.ferry.command("rules", "check").returncode
                   == 0)
    return run


def in_front(world):
    """What the old server has of them: mailbox and logins."""
    return len(world.copies(world.here, b"token", source=True)), world.source_logins(world.here)


@table([
    ("stop", stop),
    ("kill -9 of everything", kill_everything),
    ("a start that fails", fail_to_start),
    ("reboot", reboot),
    ("upgrade", upgrade),
    ("nft flush ruleset", command("nft", "flush", "ruleset")),
    ("nft -f of a file that flushes", command(
        "sh", "-c", "echo 'flush ruleset; table inet filter { }' | nft -f -")),
    ("ip rule del", command("ip", "rule", "del", "priority", "1000")),
    ("ip -6 rule del", command("ip", "-6", "rule", "del", "priority", "1000")),
    ("ip route flush", command("ip", "route", "flush", "table", "19782")),
])
def nothing_reaches_the_old_mailbox(world, disturb):
    before = in_front(world)
    with Traffic(world) as traffic:
        traffic.flows()
        disturb(world)
        traffic.flows()
    world.ferry.settle(1)  # for the source's log and queue
    equal(in_front(world), before, "mail and logins at the source")
    here = {token for token in traffic.taken if world.copies(world.here, token)}
    equal(len(traffic.taken) - len(here), 0, "acknowledged mail that is not here")


@case
def what_was_repaired_is_shown(world):
    attention = world.ferry.json("status")["attention"]
    true(any("somebody removed or changed our rules" in line for line in attention), attention)


class ClosedWorld(Mail):
    def our_priorities(self, family):
        """Of all `ip rule`s that a boot would not bring back."""
        listed = self.lab.router.run("ip", family, "rule", "show").stdout
        found = [line.split(":")[0] for line in listed.splitlines()]
        return [priority for priority in found if priority not in ("0", "32766", "32767")]


if __name__ == "__main__":
    main(ClosedWorld)
