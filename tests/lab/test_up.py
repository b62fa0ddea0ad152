#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry up` comes and goes; the kernel is left as it was; mistakes get one sentence."""
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.ferry import Ferry  # noqa: E402
from lab.harness import World, case, equal, main, nothing, table, true  # noqa: E402
from lab.processes import Daemon, descendants, start_time, wait_until  # noqa: E402


PROGRAMS = ("vault", "mailstore", "transfer", "interceptor", "admission")


def kernel_state(lab):
    """Every rule and route of the router, a line each. Link-local addresses come by
    themselves, some seconds late."""
    lines = []
    for command in ("nft list ruleset", "ip rule", "ip -6 rule", "ip route show table all",
                    "ip -6 route show table all"):
        lines += [f"{command}: {line.strip()}"
                  for line in lab.router.run(*command.split()).stdout.splitlines()
                  if "fe80:" not in line and "ff00:" not in line]
    return lines


def unchanged(lab, before):
    after = kernel_state(lab)
    nothing([f"+ {x}" for x in after if x not in before] +
            [f"- {x}" for x in before if x not in after], "rules and routes of the kernel")


def started(world):
    """With a registry of its own: what moved in another case is not known here."""
    world.ferries = getattr(world, "ferries", 0) + 1
    return Ferry(world.lab, f"ferry{world.ferries}").start()


def leave(ferry):
    """The end of `up`, and of the rules that stay for those who live here."""
    equal(ferry.stop(), 0, "exit status")
    ferry.ok("rules", "remove", "--yes")


@case
def nothing_is_left_behind(world):
    before = kernel_state(world.lab)
    ferry = started(world)
    true(any("inet mailferry" in line for line in kernel_state(world.lab)), "the table is there")
    children = [pid for pid, _ in descendants(ferry.daemon.pid)]
    equal(ferry.stop(), 0, "exit status")
    unchanged(world.lab, before)
    equal([p for p in children if start_time(p)], [], "processes")


@case
def a_program_that_dies_while_its_way_is_tried(world):
    """The connection that `up` tries is not answered then: no reason to end."""
    ferry = Ferry(world.lab, "dies")
    ferry.write_config()
    ferry.daemon = Daemon(world.lab.router, [ferry.bin / "mailferry", "-c", ferry.config, "up"],
                          ferry.log, ferry.environment())
    world.lab.at_down.append(ferry.stop)
    wait_until("the first program", lambda: ferry.processes("interceptor"), 30, 0.001)
    os.kill(ferry.daemon.pid, signal.SIGSTOP)  # it looks at them later
    wait_until("the workers", lambda: "ready worker=1" in ferry.log_tail())
    interceptors = ferry.processes("interceptor")
    for pid in interceptors:
        os.kill(pid, signal.SIGSTOP)  # the kernel alone answers what is tried
    os.kill(ferry.daemon.pid, signal.SIGCONT)
    wait_until("the rules", lambda: "rules-in" in ferry.log_tail(), 60, 0.05)
    for pid in interceptors:
        os.kill(pid, signal.SIGKILL)
    wait_until("all to be well", ferry.programs_run, 30, 0.1)
    leave(ferry)


@case
def a_program_that_hangs_is_started_again(world):
    """With the watchdog of a unit (WatchdogSec=), each of them."""
    ferry = Ferry(world.lab, "hangs")
    ferry.write_config()
    ferry.daemon = Daemon(world.lab.router, [ferry.bin / "mailferry", "-c", ferry.config, "up"],
                          ferry.log, {**ferry.environment(), "WATCHDOG_USEC": "5000000"})
    world.lab.at_down.append(ferry.stop)
    wait_until("it to serve", lambda: "-> serving" in ferry.log_tail(), 30, 0.05)
    worker = next(pid for pid in ferry.processes("interceptor")
                  if b"--worker\0000\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
    hung = {p: ferry.processes(p)[0] for p in PROGRAMS}
    os.kill(worker, signal.SIGSTOP)
    wait_until("the worker's end", lambda: worker not in ferry.processes("interceptor"), 30, 0.1)
    equal({p: ferry.processes(p)[0] for p in PROGRAMS}, hung, "it alone was ended")
    true(any("worker 0 of the interceptor: it did not answer for 5 s" in said
             for said in ferry.json("status")["attention"]), "`status` says so")
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    wait_until("others in their places", lambda: all(
        ferry.processes(p)[:1] not in ([], [hung[p]]) for p in PROGRAMS), 60, 0.1)
    wait_until("all to be well", ferry.programs_run, 30, 0.1)
    true(any("did not answer for 5 s" in said for said in ferry.json("status")["attention"]),
         "`status` says so")
    leave(ferry)


@case
def a_worker_that_starts_waits_for_who_writes(world):
    """At a start all write to the registry, and nobody waits for a worker yet."""
    ferry = started(world)
    worker = next(pid for pid in ferry.processes("interceptor")
                  if b"--worker\0000\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
    before = ferry.log.read_text().count("ready worker=0")
    writer = sqlite3.connect(Path(ferry.settings["state_dir"]) / "registry.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    os.kill(worker, signal.SIGKILL)
    time.sleep(2)  # it is started again at once
    equal(ferry.log.read_text().count("ready worker=0"), before, "it waits")
    writer.execute("ROLLBACK")
    writer.close()
    wait_until("the worker", lambda: ferry.log.read_text().count("ready worker=0") > before)
    true("database is locked" not in ferry.log.read_text(), "it did not fail")
    leave(ferry)


@case
def after_kill_9_it_starts_again(world):
    before = kernel_state(world.lab)
    ferry = started(world)
    children = descendants(ferry.daemon.pid)
    ferry.daemon.stop(signal.SIGKILL)
    wait_until("its children to end", lambda: not any(
        os.path.exists(f"/proc/{pid}") for pid, _ in children))
    ferry.daemon = None
    ferry.start()
    user = world.user(5)
    world.session(user).logout()
    ferry.wait_account(user, stage="done")
    leave(ferry)
    unchanged(world.lab, before)


@case
def a_second_one_is_refused(world):
    ferry = started(world)
    second = ferry.command("up")
    equal(second.returncode, 1, "exit of a second `up`")
    true(second.stderr.strip(), "it says why")
    equal(ferry.command("rules", "check").returncode, 0, "the first one's rules")
    user = world.user(5)
    world.session(user).logout()
    leave(ferry)


@case
def each_program_is_started_again(world):
    ferry = started(world)
    user = world.user(20)
    for program in ("interceptor", "transfer", "mailstore"):
        before = ferry.processes(program)
        true(ferry.kill(program), f"{program} runs")
        wait_until(f"another {program}", lambda p=program, b=before: ferry.processes(p) and
                   not set(ferry.processes(p)) & set(b))
        wait_until("all to be well", ferry.programs_run)
    world.ferry = ferry
    world.move(user)
    world.session(user).logout()
    world.ferry = None
    leave(ferry)


@case
def who_was_there_before_is_not_disturbed(world):
    """The router is switched on in the middle of the day."""
    user = world.user(20)
    old = world.session(user)
    old.ok("SELECT INBOX")
    ferry = started(world)
    old.ok("NOOP")
    true(len(old.ok("UID FETCH 1:* BODY.PEEK[]")) >= 20, "all of it")
    equal(ferry.json("accounts"), [], "and is none of our business")
    world.session(user).logout()
    equal([a["name"] for a in ferry.json("accounts")], [user], "the next login is seen")
    old.logout()
    leave(ferry)


@case
def fail_open_while_nobody_lives_here(world):
    ferry = started(world)
    user = world.user(5)
    ferry.ok("rules", "check")
    equal(ferry.command("rules", "end").returncode, 1, "`up` runs and ends them itself")
    ferry.ok("rules", "check")
    ferry.stop()
    ferry.ok("rules", "install")  # rules without a listener: as in the moment of a crash
    client = world.session(user)
    world.expect_source_logins(user, world.address(user))
    client.logout()
    ferry.ok("rules", "end")
    equal(ferry.ok("rules", "show").strip(), "# nothing is installed", "nobody lives here")


@case
def fail_closed_once_somebody_lives_here(world):
    ferry = started(world)
    user = world.user(5)
    world.ferry = ferry
    world.move(user)
    world.ferry = None
    ferry.stop()
    ferry.ok("rules", "end")  # accounts live here: they stay, and refuse
    registry = Path(ferry.settings["state_dir"]) / "registry.sqlite"
    aside = registry.rename(registry.with_suffix(".aside"))
    for verb in ("end", "remove"):
        equal(ferry.command("rules", verb).returncode, 1, "nobody knows who lives here")
    aside.rename(registry)
    try:
        world.connect(user, timeout=3).close()
        raise AssertionError("they were let through to a stale mailbox")
    except OSError:
        pass
    ferry.ok("rules", "remove", "--yes")


@case
def rules_alone(world):
    before = kernel_state(world.lab)
    ferry = Ferry(world.lab)
    ferry.write_config()
    equal(ferry.command("rules", "check").returncode, 1, "not installed yet")
    for _ in range(2):  # idempotent
        ferry.ok("rules", "install")
        ferry.ok("rules", "check")
    true(ferry.ok("rules", "show").strip(), "show")
    world.lab.router.run("nft", "flush", "chain", "inet", "mailferry", "forward")
    done = ferry.command("rules", "check")
    equal(done.returncode, 1, f"somebody changed them: {done.stdout} {done.stderr}")
    true((done.stdout + done.stderr).strip(), "and what")
    ferry.ok("rules", "install")
    ferry.ok("rules", "check")
    for _ in range(2):
        ferry.ok("rules", "remove")
    unchanged(world.lab, before)


GOOD = {"source": "198.51.100.10", "domains": ["example.com"], "strategy": "after-logoff"}
MISTAKES = [
    ("unknown key", GOOD | {"sorce": "1.2.3.4"}, 2, "sorce"),
    ("bad address", GOOD | {"source": "198.51.100.300"}, 2, "198.51.100.300"),
    ("no source", {k: v for k, v in GOOD.items() if k != "source"}, 2, "source"),
    ("bad strategy", GOOD | {"strategy": "soon"}, 2, "soon"),
    ("key in no folder", GOOD | {"key_file": "/nonexistent/folder/key"}, 1, "/nonexistent"),
    ("state_dir is a file", GOOD | {"state_dir": "/etc/hostname"}, 1, "/etc/hostname"),
]


@table(MISTAKES)
def mistake(world, settings, status, word):
    folder = world.lab.folder / "ferry"
    folder.mkdir(exist_ok=True)
    ferry = Ferry(world.lab)
    ferry.settings = {"state_dir": str(folder / "state"), "run_dir": str(folder / "run"),
                      **settings}
    ferry.write_config()
    for command in ("check", "up"):
        done = ferry.command(command)
        equal(done.returncode, status, f"{command}: {done.stdout}{done.stderr}")
        true(word in done.stdout + done.stderr, f"{command} names it: {done.stdout}{done.stderr}")
        if status == 2:
            equal(len(done.stderr.strip().splitlines()), 1, f"one sentence: {done.stderr}")
            true(str(ferry.config) in done.stderr, f"with the file: {done.stderr}")


@case
def no_configuration(world):
    ferry = Ferry(world.lab)
    ferry.config = world.lab.folder / "nowhere.conf"
    done = ferry.command("check")
    equal(done.returncode, 2, done.stderr)
    true("nowhere.conf" in done.stderr, done.stderr)


@case
def no_privileges(world):
    ferry = Ferry(world.lab)
    ferry.write_config()
    for command in (("up",), ("rules", "install")):
        done = world.lab.router.run("setpriv", "--reuid", "65534", "--clear-groups",
                                    *ferry.arguments(*command))
        equal(done.returncode, 1, f"{command}: {done.stdout}")
        true(done.stdout.strip(), "it says why")


@case
def check_says_what_would_work(world):
    ferry = Ferry(world.lab)
    ferry.write_config()
    done = ferry.command("check")
    equal(done.returncode, 0, done.stdout + done.stderr)
    for word in ("198.51.100.10", "imap", "PLAIN"):
        true(word in done.stdout, f"{word} is missing:\n{done.stdout}")
    world.server.stop()
    done = ferry.command("check")
    equal(done.returncode, 1, "no source there: " + done.stdout)
    world.server.start()


@case
def wrong_use(world):
    ferry = Ferry(world.lab)
    ferry.write_config()
    for words in ((), ("nonsense",), ("route", "x"), ("route", "x", "nowhere"), ("account",),
                  ("accounts", "--nonsense")):
        done = ferry.command(*words)
        equal(done.returncode, 2, f"{words}: {done.stdout}{done.stderr}")
        true(done.stderr.strip(), f"{words}: says what is wrong")
    equal(ferry.command("--help").returncode, 0)


main(lambda: World(ferry=False))
