#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a thief would want: guesses that cost nothing, a process that can reach more than it
needs. Passwords that lie about: test_secrets.py."""
import concurrent.futures
import re
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.processes import descendants, wait_until  # noqa: E402

GUESSERS, EACH, USERS = 3, 100, 20


class Guesser(threading.Thread):
    """One connection with wrong passwords, one after the other, until it is told to stop."""

    def __init__(self, world, user, address, stop):
        super().__init__(daemon=True)
        self.world, self.user, self.address, self.stop = world, user, address, stop
        self.tried = self.let_in = 0
        self.is_in = False  # it has been greeted

    def run(self):
        while not self.stop.is_set():
            try:
                client = Imap(self.world.lab.connect(143, source_address=self.address))
                self.is_in = client.greeting != b""
                while not self.stop.is_set():
                    answer = client.login(self.user, f"wrong-{id(self)}-{self.tried}")
                    self.tried += 1
                    self.let_in += b" OK" in answer
            except (OSError, AssertionError, EOFError, IndexError):
                time.sleep(0.2)


def log_in(world, user, start):
    """How long it takes from the moment that all begin."""
    start.wait()
    began = time.monotonic()
    client = world.session(user)
    took = time.monotonic() - began
    client.logout()
    return took


def log_in_all(world, users):
    start = threading.Barrier(len(users))
    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        return sorted(pool.map(lambda user: log_in(world, user, start), users))


def refused_clients(world):
    return set(re.findall(
        r" refused account=\S+ reason=wrong-password service=imap client=(\S+):",
        world.ferry.log.read_text(errors="replace")))


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

    def guesses():
        return sum(g.tried for g in guessers)
    wait_until("all of them to guess",
               lambda: guesses() and all(g.is_in for g in guessers), 60)
    before = guesses()
    took = log_in_all(world, users)
    wait_until("the guessing to go on", lambda: guesses() > before, 60)
    wait_until("who is logged as refused", lambda: refused_clients(world) == {
        client_address(11 + n) for n in range(GUESSERS)}, 60)
    stop.set()
    print(f"  {guesses()} guesses answered on {len(guessers)} connections; "
          f"{sum(t < 1 for t in took)} of {USERS} right logins within 1 s, "
          f"median {took[USERS // 2] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms")
    equal(len(took), USERS, "right logins")
    equal(sum(g.let_in for g in guessers), 0, "guesses let in")
    true(took[-1] < 20, f"a right password took {took[-1]:.2f} s")


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
