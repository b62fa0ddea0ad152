#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a thief would want: guesses that cost nothing, a password in a process or a file, a
process that can reach more than it needs."""
import base64
import re
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.processes import descendants, memory_of, wait_until  # noqa: E402

GUESSERS, EACH, USERS = 3, 100, 20
SECRET = "Geheimnis-4711-xyzzy"


class Guesser(threading.Thread):
    """One connection with wrong passwords, one after the other, until it is told to stop."""

    def __init__(self, world, user, address, stop):
        super().__init__(daemon=True)
        self.world, self.user, self.address, self.stop = world, user, address, stop
        self.tried = self.let_in = 0

    def run(self):
        while not self.stop.is_set():
            try:
                client = Imap(self.world.lab.connect(143, source_address=self.address))
                while not self.stop.is_set():
                    answer = client.login(self.user, f"wrong-{id(self)}-{self.tried}")
                    self.tried += 1
                    self.let_in += b" OK" in answer
            except (OSError, AssertionError, EOFError, IndexError):
                time.sleep(0.2)


@case
def right_passwords_go_in_while_three_addresses_guess(world):
    victim = world.user(1)
    users = [world.user(1) for _ in range(USERS)]
    for user in [victim, *users]:
        world.move(user)
        world.session(user).logout()  # they live in that network
    stop = threading.Event()
    guessers = [Guesser(world, victim, client_address(11 + n % GUESSERS), stop)
                for n in range(GUESSERS * EACH)]
    for guesser in guessers:
        guesser.start()
    time.sleep(5)
    slowest = 0
    for user in users:
        began = time.monotonic()
        client = world.session(user)
        slowest = max(slowest, time.monotonic() - began)
        client.logout()
    stop.set()
    print(f"  {sum(g.tried for g in guessers)} guesses answered, slowest right login "
          f"{slowest * 1000:.0f} ms")
    equal(sum(g.let_in for g in guessers), 0, "guesses let in")
    true(slowest < 10, f"a right password took {slowest:.2f} s")
    lines = re.findall(r" refused account=\S+ reason=wrong-password service=imap client=(\S+):",
                       world.ferry.log.read_text(errors="replace"))
    equal(set(lines), {client_address(11 + n) for n in range(GUESSERS)}, "who is logged as refused")


@case
def no_password_outside_the_vault(world):
    user = world.user(1, password=SECRET)
    world.move(user)
    for _ in range(100):
        world.session(user).logout()
    wait_until("the end of the account's process",
               lambda: len(world.ferry.processes("mailstore")) == 1)
    world.ferry.settle(1)  # sockets are read out
    needles = [SECRET.encode(), base64.b64encode(SECRET.encode())[:-4]]
    for pid, name in descendants(world.ferry.daemon.pid) + [(world.ferry.daemon.pid, "up")]:
        if name.startswith("mailferry-vault"):
            continue
        for chunk in memory_of(pid):
            for needle in needles:
                true(needle not in chunk, f"the password lies in {name} ({pid})")
    for file in world.ferry.folder.rglob("*"):
        if file.is_file():
            true(not any(n in file.read_bytes() for n in needles), f"it lies in {file}")


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))


NET_RAW, SYS_CHROOT, SETUID, SETGID = 1 << 13, 1 << 18, 1 << 7, 1 << 6
# of the one that `up` started, and of those that that one starts
CAPABILITIES = {"mailferry-vault": (0, 0),
                "mailferry-inter": (NET_RAW, NET_RAW),
                "mailferry-mails": (SYS_CHROOT | SETUID | SETGID, 0),
                "mailferry-trans": (SETUID | SETGID, 0)}


@case
def processes_have_no_rights_that_they_do_not_use(world):
    user = world.user(1)
    world.move(user)
    client = world.session(user)  # so that its process runs
    seen = set()
    for pid, name in descendants(world.ferry.daemon.pid):
        if name not in CAPABILITIES:
            continue
        seen.add(name)
        about = status(pid)
        for ids in (about["Uid"].split(), about["Gid"].split(), about["Groups"].split()):
            true("0" not in ids, f"{name} ({pid}) is root or in its group: {ids}")
        equal((about["NoNewPrivs"], about["Seccomp"]), ("1", "2"), f"{name} ({pid})")
        is_child = int(about["PPid"]) != world.ferry.daemon.pid
        extra = int(about["CapPrm"], 16) & ~CAPABILITIES[name][is_child]
        equal(extra, 0, f"capabilities of {name} ({pid})")
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        true(re.search(r"Max core file size\s+0\s+0\s", limits), f"core files of {name}")
    equal(seen, set(CAPABILITIES), "programs")
    client.logout()


main(lambda: World(settings={"limits": {"connections_per_ip": 1000}}))
