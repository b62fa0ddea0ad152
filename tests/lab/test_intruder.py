#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody runs code in each of our processes, as it runs, and tries what a thief would:
"What a thief has who runs code in it" in ARCHITECTURE.md, process by process."""
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import SKIPPED, World, case, equal, main, nothing, true  # noqa: E402
from lab.intruder import POSSIBLE, Intruder  # noqa: E402
from lab.intruder_attempts import ATTEMPTS, Prey, outcomes, protection  # noqa: E402
from lab.processes import command_line, descendants, start_time, wait_until  # noqa: E402

EVERYBODY = {"vault", "admission", "interceptor", "worker", "mailstore", "account",
             "scheduler", "mover", "web", "runner", "relay"}
KINDS = {("mailferry-vault", False): "vault", ("mailferry-admis", False): "admission",
         ("mailferry-inter", False): "interceptor", ("mailferry-inter", True): "worker",
         ("mailferry-mails", False): "mailstore", ("mailferry-mails", True): "account",
         ("mailferry-trans", False): "scheduler", ("mailferry-trans", True): "mover",
         # its parent is root, and reads no byte of a browser
         ("mailferry-dashb", True): "web"}


def running(world):
    """{kind: pid} of all that run; of workers one."""
    found = {}
    for pid, name in descendants(world.ferry.daemon.pid):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        kind = KINDS.get((name, parent != world.ferry.daemon.pid))
        words = command_line(pid)
        if kind == "worker" and b"--task" in words:
            kind = "relay" if b"smart-host" in words else "runner"
        if kind:
            found[kind] = pid
    return found


@case
def code_in_each_process_reaches_nothing_else(world):
    user, other, leaving = world.user(3), world.user(3), world.user(3)
    world.move(user)
    world.move(other)
    client = world.session(user)  # so that its process runs
    stays = world.session(leaving)  # its mover waits for the log-off
    world.ferry.wait_account(leaving, stage="catching-up")
    processes = running(world)
    own = {"account": user, "mover": leaving}
    wrong = []
    for kind, pid in sorted(processes.items()):
        equal(protection(pid), {"is root": False, "no_new_privs": "1", "seccomp": "2",
                                "dumpable": False, "core": True}, f"protection of {kind}")
        neighbour = processes["worker" if kind == "vault" else "vault"]
        prey = Prey(world, neighbour, own.get(kind, user), other)
        began = start_time(pid)
        found = outcomes(pid, prey)
        for what, _, may in ATTEMPTS:
            if what.startswith("its own account's") and kind == "mover":
                may = {kind}  # it is not in a chroot
            if (found[what] is None) != (kind in may):
                wrong.append(f"{kind}: {what}: {found[what] or 'done'}")
        equal(start_time(pid), began, f"{kind} lives")
        refused = sum(why is not None for why in found.values())
        print(f"  {kind}: {refused} of {len(found)} refused, "
              f"{sum(why == 'sandbox' for why in found.values())} would have ended it")
    nothing(wrong, "what a thief can, or cannot though the process needs it")
    equal(set(processes), EVERYBODY, "processes that were asked")
    for session in (client, stays, world.session(other)):
        true(b" OK" in session.command("NOOP")[-1], "sessions go on")
        session.logout()
    world.ferry.wait_account(leaving, stage="done", route="local")


def account_processes(world):
    return [pid for pid, name in descendants(world.ferry.daemon.pid)
            if name == "mailferry-mails"][1:]  # behind their master


@case
def refused_call_ends_its_process_with_a_line_that_names_it(world):
    user, other = world.user(3), world.user(3)
    world.move(user)
    world.move(other)
    world.session(user)
    stays = world.session(other)
    wait_until("others have ended", lambda: len(account_processes(world)) == 2, 60)
    pids = account_processes(world)
    intruder = Intruder(pids[0]).__enter__()
    intruder.call_and_end("ptrace", 0x4206, pids[1], 0, 0)
    wait_until("its end", lambda: start_time(pids[0]) is None)
    lines = re.findall(r"^\S+ (\S+) error - refused-call (.*)$", world.ferry.log.read_text(), re.M)
    equal([(who, what.split(":")[0]) for who, what in lines],
          [("mailstore", "call=ptrace number=101")], "lines")
    world.ferry.expected = "refused-call call=ptrace "
    true(b" OK" in stays.command("NOOP")[-1], "the other account does not notice")
    stays.logout()
    world.session(user).logout()  # and the user logs in again


if not POSSIBLE:
    print("skipped: knows the calls of x86_64 only")
    sys.exit(SKIPPED)


class Prepared(World):
    """All programs run, also those that are not always there."""

    def __init__(self):
        super().__init__(settings={"dashboard": {"listen": "127.0.0.1:8625", "admin": True},
                                   "smart_host": "127.0.0.1:2525"})
        self.login = self.lab.folder / "relay-login"
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            self.login.write_text("relay\nsecret\n", encoding="ascii")
            self.login.chmod(0o600)
            self.ferry.settings["smart_host_credentials"] = str(self.login)
            return start()
        self.ferry.start = prepared


main(Prepared)
