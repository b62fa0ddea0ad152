#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart and upgrade without a seam: nobody is refused, no session is reset.

A restart is `mailferry upgrade` with the programs as they are: all of them begin anew, with
the configuration as it is now. An upgrade is the same after other files have taken the place
of the programs.

    test_upgrade.py [--count N] [WORD...]     N connections through the load (default 2000)
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, nothing, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402
from lab.tls_world import TlsWorld  # noqa: E402
from lab.upgrade_load import Load, Standing  # noqa: E402

COUNT = 2000
DRAIN = 12  # s: a busy machine asks for `status` and says NOOP four times within them
PROGRAMS = ("vault", "mailstore", "transfer", "interceptor", "admission")


class Upgrades(TlsWorld):
    """here and pop live here, as does box, whom mail is for; there lives at the source. The
    programs are copies, which an upgrade replaces."""

    def __init__(self):
        super().__init__(postfix=True)
        self.lock = threading.Lock()
        self.sent, self.acknowledged = 0, set()

    def __enter__(self):
        start = self.ferry.start

        def with_copies():
            original, self.ferry.bin = self.ferry.bin, self.lab.folder / "bin"
            self.ferry.bin.mkdir()
            for program in original.glob("mailferry*"):
                shutil.copy2(program, self.ferry.bin / program.name)
            self.ferry.start = start
            return start()
        self.ferry.start = with_copies
        super().__enter__()
        self.here, self.box, self.there, self.pop = (self.user(8) for _ in range(4))
        client = self.session(self.there)
        self.ferry.ok("route", self.there, "source")
        client.logout()
        for user in (self.here, self.box, self.pop):
            self.move(user)
        return self

    def replace_programs(self):
        """As a package does: other files under the same names."""
        for program in list(self.ferry.bin.glob("mailferry*")):
            fresh = program.with_suffix(".new")
            shutil.copy2(program, fresh)
            fresh.rename(program)

    def all_processes(self):
        """{program: pids of its masters and their children}"""
        return {p: self.ferry.processes(p) for p in PROGRAMS}


def only_new(world, before, patience=60):
    """Until no process of before is left."""
    old = {pid for pids in before.values() for pid in pids}
    wait_until("the old programs to end", lambda: not any(
        os.path.exists(f"/proc/{pid}") for pid in old), patience)
    true(world.ferry.programs_run(), "all programs answer")


def upgrade(world):
    """Returns when the new programs run."""
    done = world.ferry.json("upgrade")
    equal(done["error"], None, "upgrade")
    return done


@case
def a_relayed_session_goes_on(world):
    user = world.user(20)
    old = world.session(user)
    old.ok("SELECT INBOX")
    old.ok("SEARCH RETURN (SAVE) ALL")  # a result that the source keeps: it cannot change sides
    before = world.all_processes()
    done = upgrade(world)
    true("interceptor" in [r["program"] for r in done["retired"]], done)
    true(world.ferry.daemon.running(), "`up` is the same process")
    old.ok("NOOP")
    true(len(old.ok("UID FETCH 1:* BODY.PEEK[]")) >= 20, "all of it")
    world.session(user).logout()
    world.ferry.settle(1)
    equal(world.ferry.account(user)["route"], "source", "the old session holds the switch")
    flows = [f for f in world.ferry.json("flows") if f["account"] == user]
    equal(len(flows), 1, f"flows shows it: {flows}")
    old.logout()
    world.ferry.wait_account(user, stage="done", route="local")
    only_new(world, before)


@case
def a_served_account_has_one_process(world):
    """New sessions join the old one's process; the account is the new mailstore's when they
    have all ended."""
    old = world.session(world.here)
    old.ok("SELECT INBOX")
    process = world.ferry.processes("mailstore")[-1]
    before = world.all_processes()
    upgrade(world)
    new = world.session(world.here)
    new.ok("SELECT INBOX")
    new.ok("APPEND INBOX {6+}\r\nA: b\r\n")
    true(any(b"EXISTS" in line for line in old.ok("NOOP")), "the old session sees it at once")
    smtp = Smtp(world.lab.connect(25, world.address(world.there)))
    smtp.ok("EHLO client.example.org")
    equal(smtp.deliver(b"Subject: x\r\n\r\ny\r\n", f"{world.here}@example.com"), 250)
    smtp.quit()
    true(any(b"EXISTS" in line for line in old.ok("NOOP")), "and mail")
    other = world.session(world.box)  # an account that had no process
    other.ok("NOOP")
    true(os.path.exists(f"/proc/{process}"), "the process goes on")
    old.logout()
    new.ok("NOOP")
    new.logout()
    only_new(world, before)
    other.ok("NOOP")
    other.logout()
    again = world.session(world.here)
    again.ok("SELECT INBOX")
    again.logout()


@contextlib.contextmanager
def setting(world, **settings):
    """For a while, whatever happens; programs that run go by it until the next upgrade."""
    before = dict(world.ferry.settings)
    world.ferry.write_config(**settings)
    try:
        yield
    finally:
        world.ferry.settings.clear()
        world.ferry.settings.update(before)
        world.ferry.write_config()


@case
def sessions_that_never_end_are_ended(world):
    """`upgrade_drain` seconds after it, between two answers; who comes again is served."""
    with setting(world, upgrade_drain=DRAIN):
        upgrade(world)  # the programs that drain next are those that have read it
    try:
        ended_after_a_while(world)
    finally:
        before = world.all_processes()
        upgrade(world)  # nor does the setting stay with those that run
        only_new(world, before)  # a session that comes to an old process ends with it


def ended_after_a_while(world):
    relayed, served = world.session(world.there), world.session(world.here)
    idle = world.session(world.there)
    idle.ok("SELECT INBOX")
    idle.send(b"i IDLE\r\n")
    mail = Smtp(world.lab.connect(25, world.address(world.there)))
    mail.ok("EHLO client.example.org")
    before = world.all_processes()
    began = time.monotonic()
    upgrade(world)
    old = world.ferry.json("status")["old"]
    true(old["connections"] >= 3 and {p["program"] for p in old["programs"]} >=
         {"interceptor", "mailstore"}, old)
    true("old programs with" in world.ferry.ok("status"), "status says it")
    for client in (relayed, served):
        client.ok("NOOP")
    mail.ok("NOOP")
    only_new(world, before, DRAIN + 30)
    true(time.monotonic() - began >= DRAIN, "not before")
    for client in (relayed, served, idle):
        true(b"* BYE" in client.file.read(), "a word")
    equal(mail.reply()[:3], b"421", "mail")
    equal(world.ferry.json("status")["old"], {"programs": [], "connections": 0}, "status")
    for user in (world.there, world.here):
        client = world.session(user)
        client.ok("SELECT INBOX")
        client.logout()


@case
def old_and_new_several_times(world):
    """A session through three generations."""
    relayed, served = world.session(world.there), world.session(world.here)
    before = world.all_processes()
    for _ in range(3):
        upgrade(world)
        late = world.session(world.here)
        late.ok("SELECT INBOX")
        for client in (relayed, served):
            client.ok("NOOP")
        late.logout()
    relayed.logout()
    served.ok("SELECT INBOX")
    served.logout()
    only_new(world, before)


def count_argument():
    if "--count" in sys.argv:
        at = sys.argv.index("--count")
        value = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
        return value
    return COUNT


CONNECTIONS = count_argument()


def mail_of(world):
    """How often each numbered message has come to box."""
    client = world.session(world.box)
    client.ok("SELECT INBOX")
    lines = b"".join(client.ok("UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    client.logout()
    found = [int(part.split()[0].strip(b")")) for part in lines.split(b"load-")[1:]]
    return {n: found.count(n) for n in found}


@case
def nobody_is_refused(world):
    """2 restarts and an upgrade; of 20,000 connections and more, 5 and 2."""
    plan = ["restart", "upgrade", "restart"] if CONNECTIONS < 20000 else \
        ["restart", "upgrade", "restart", "restart", "upgrade", "restart", "restart"]
    standing = Standing(world)
    before = world.all_processes()
    with Load(world) as load:
        for i, what in enumerate(plan):
            load.until(CONNECTIONS * (i + 1) // (len(plan) + 1), CONNECTIONS, standing.each_minute)
            if what == "upgrade":
                world.replace_programs()
            upgrade(world)
            standing.use()
        load.until(CONNECTIONS, CONNECTIONS, standing.each_minute)
    standing.use()
    standing.end()
    nothing([f"{n} × {what}" for what, n in load.failures.items()],
            f"of {load.done} connections")
    print(f"  {load.done} connections, the slowest took {load.slowest:.1f} s")
    only_new(world, before)
    came = mail_of(world)
    nothing([str(n) for n in world.acknowledged if came.get(n) != 1],
            "mail that was acknowledged and did not come once")


@case
def it_says_when_the_last_has_gone(world):
    old = world.session(world.there)
    before = world.all_processes()
    command = world.lab.router.start(*world.ferry.arguments("upgrade", "--wait"), stdout=subprocess.PIPE,
                                     text=True, env={**os.environ, **world.ferry.environment()})
    try:
        equal(command.stdout.readline(), "the new programs run\n")
        true("go on in the old programs" in command.stdout.readline(), "how many are left")
        true(command.poll() is None, "it waits")
        old.logout()
        equal(command.wait(60), 0)
        true(command.stdout.read().endswith("the last old session has ended\n"), "and says so")
    finally:
        command.kill()
        command.wait()
        command.stdout.close()
    only_new(world, before)


@case
def a_program_that_does_not_start_changes_nothing(world):
    """The old one goes on: what cannot begin has not taken over."""
    client = world.session(world.there)
    for program in ("mailferry", "mailferry-interceptor"):
        path = world.ferry.bin / program
        kept = path.with_suffix(".kept")
        path.rename(kept)
        try:
            path.write_text("#!/bin/sh\nexit 3\n")
            path.chmod(0o755)
            done = world.lab.router.run(kept if program == "mailferry"
                                        else world.ferry.bin / "mailferry",
                                        "-c", world.ferry.config, "upgrade",
                                        stderr=subprocess.STDOUT)
        finally:
            kept.rename(path)
        equal(done.returncode, 1, done.stdout)
        true(f"new {program}" in done.stdout and "does not start" in done.stdout, done.stdout)
        client.ok("NOOP")
        world.session(world.here).logout()
    client.logout()


@case
def what_cannot_change_is_refused(world):
    with setting(world, source=["198.51.100.77"]):
        done = world.ferry.command("upgrade")
    equal(done.returncode, 1, done.stdout)
    true("source" in done.stderr and "restart" in done.stderr, done.stderr)


@case
def the_configuration_is_read_again(world):
    """One worker more, without a restart."""
    before = world.all_processes()
    with setting(world, workers=3):
        upgrade(world)
    only_new(world, before)
    equal(len(world.ferry.processes("interceptor")), 4, "a master and three workers")
    world.session(world.here).logout()


def kill_new(world, program, delay, sign=signal.SIGKILL):
    """Ends the next process of that name that there is, so many seconds after its start."""
    before = set(world.ferry.processes(program))
    command = world.lab.router.start(*world.ferry.arguments("upgrade"),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     env={**os.environ, **world.ferry.environment()})
    fresh = wait_until(f"a new {program}", lambda: set(world.ferry.processes(program)) - before,
                       30, 0.002)
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.kill(min(fresh), sign)
    command.wait(60)


def serves(world):
    wait_until("all programs", world.ferry.programs_run, 30, 0.1)
    for user in (world.here, world.there):
        client = wait_until(f"{user} to be served", lambda u=user: in_again(world, u), 30, 0.2)
        client.ok("SELECT INBOX")
        client.logout()


def in_again(world, user):
    with contextlib.suppress(OSError, EOFError):
        client = Imap(world.connect(user, timeout=5))
        if b" OK " in client.login(user, world.password(user)):
            return client
    return None


@table([(f"{program}, {delay:g} s after its start", program, delay)
        for program in PROGRAMS for delay in (0, 0.15, 0.5)])
def killed_in_the_middle(world, program, delay):
    kill_new(world, program, delay)
    serves(world)


@table([(f"the old {program}", program) for program in ("interceptor", "mailstore")])
def killed_while_it_retires(world, program):
    """Its sessions end, as always; nobody else's."""
    held = world.session(world.there)
    old = world.ferry.processes(program)[0]
    upgrade(world)
    with contextlib.suppress(ProcessLookupError):
        os.kill(old, signal.SIGKILL)
    serves(world)
    held.file.close()
    held.socket.close()


@table([(f"{delay:g} s after it was asked", delay) for delay in (0.05, 0.3, 1)])
def up_is_killed(world, delay):
    """Then nothing is left of it, and whoever starts it again, as systemd does, has a service."""
    command = world.lab.router.start(*world.ferry.arguments("upgrade"),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    pids = [pid for pids in world.all_processes().values() for pid in pids]
    world.ferry.daemon.stop(signal.SIGKILL)
    command.wait(60)
    try:
        wait_until("its children to end", lambda: not any(
            os.path.exists(f"/proc/{pid}") for pid in pids), 10)
    finally:
        world.ferry.daemon = None
        world.ferry.start()
    serves(world)


@case
def nothing_complains(world):
    nothing(world.ferry.complaints(), "sanitizers, and calls that were refused")


main(Upgrades)
