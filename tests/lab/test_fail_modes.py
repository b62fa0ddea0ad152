#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see when a part of mailferry, or of what it stands on, fails.

The table in docs/handbook/failures.md is read and compared with what is seen here.

    test_fail_modes.py [--show] [WORD...]     --show prints the table as it is seen
"""
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.ferry import ROOT, Ferry  # noqa: E402
from lab.harness import World, case, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

HANDBOOK = ROOT / "docs" / "handbook" / "failures.md"
PATIENCE = 7  # s: a client that has seen nothing until then "waits"
CONNECTIONS = 40  # of limits: few enough to be used up
DISK = 48 << 20

SHOW = "--show" in sys.argv
if SHOW:
    sys.argv.remove("--show")


# ── what a user sees ─────────────────────────────────────────────────────────────────────

def connect(world, user, port):
    return world.lab.connect(port, world.address(user), timeout=PATIENCE)


def try_imap(world, user):
    client = Imap(connect(world, user, 143))
    answer = client.login(user, world.password(user))
    if b" OK " in answer:
        client.ok("SELECT INBOX")
        client.logout()
        return "served"
    return "try again" if b"[UNAVAILABLE]" in answer or b"BYE" in answer else repr(answer)


def try_pop3(world, user):
    client = Pop3(connect(world, user, 110))
    answer = client.login(user, world.password(user))
    if answer.startswith(b"+OK"):
        client.ok("STAT")
        client.quit()
        return "served"
    return "try again" if b"[SYS/TEMP]" in answer else repr(answer)


def try_smtp(world, user):
    client = Smtp(connect(world, user, 25))
    reply = client.greeting
    for words in ("EHLO client.example.org", "MAIL FROM:<sender@example.org>",
                  f"RCPT TO:<{user}@example.com>", "DATA"):
        if reply[:1] in b"23":
            reply = client.command(words)
    if reply[:3] == b"354":
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        reply = client.reply()
    client.close()
    return {b"2": "served", b"4": "try again"}.get(reply[:1], repr(reply))


TRIES = {"IMAP": try_imap, "POP3": try_pop3, "mail": try_smtp}


def seen(attempt, world, user):
    began = time.monotonic()
    try:
        return attempt(world, user)
    except ConnectionRefusedError:
        # a SYN that is not answered is sent again after a second
        return "refused" if time.monotonic() - began < 0.9 else "refused late"
    except TimeoutError:
        return "waits"
    except (EOFError, ConnectionResetError) as error:
        return f"cut off ({error})"


def at_source(world, user):
    """What of this user has reached the old server: logins and mail."""
    return {"logins": len(world.source_logins(user)),
            "mail": world.lab.postfix.log_text().count(f"to=<{user}@example.com>")}


def past_us(world, user, before, found):
    """Of one who lives here: who was served by the old server saw the old mailbox."""
    time.sleep(0.5)  # its logs are written by another process
    after = at_source(world, user)
    return {name: "old mailbox" if what == "served" and
            after["mail" if name == "mail" else "logins"] >
            before["mail" if name == "mail" else "logins"] else what
            for name, what in found.items()}


def look(world, user):
    """One cell: what is the same for all protocols is said once."""
    found, before = {}, at_source(world, user)

    def one(name, attempt):
        found[name] = seen(attempt, world, user)
    threads = [threading.Thread(target=one, args=item) for item in TRIES.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if user == world.moved:
        found = past_us(world, user, before, found)
    logins = found["IMAP"] if found["IMAP"] == found["POP3"] else \
        f"IMAP {found['IMAP']}, POP3 {found['POP3']}"
    return logins if found["mail"] == logins else f"{logins}; mail {found['mail']}"


# ── what fails ───────────────────────────────────────────────────────────────────────────

def signal_all(pids, sign):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


def is_over(pid):
    """Its sockets are closed before it is a zombie, and not when it has no descriptors."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2][1] == "Z"
    except OSError:
        return True


def kill(world, program):
    pids = world.ferry.processes(program)
    signal_all(pids, signal.SIGKILL)
    wait_until("their end", lambda: all(map(is_over, pids)), 5)


@contextlib.contextmanager
def dead(world, program):
    """Killed, and nobody starts it again."""
    up = world.ferry.daemon.pid
    os.kill(up, signal.SIGSTOP)
    try:
        kill(world, program)
        yield
    finally:
        os.kill(up, signal.SIGCONT)


@contextlib.contextmanager
def hung(world):
    """Once that is known: until then clients wait, six seconds at the most."""
    pids = world.ferry.processes("interceptor")
    signal_all(pids, signal.SIGSTOP)
    try:
        wait_until("it to be noticed", lambda: judged(world) != "room", 15, 0.2)
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


def judged(world):
    lines = [line for line in world.ferry.log.read_text(errors="replace").splitlines()
             if " admission warning - load " in line]
    return lines[-1].split("-> ")[1].split(" sessions=")[0] if lines else "room"


@contextlib.contextmanager
def overloaded(world):
    """As many connections as `limits { connections }` allows."""
    crowd = [world.lab.connect(143, client_address(30)) for _ in range(CONNECTIONS)]
    try:
        wait_until("it to be noticed", lambda: judged(world) != "room", 10, 0.1)
        yield
    finally:
        for connection in crowd:
            connection.close()
        wait_until("room again", lambda: judged(world) == "room", 15, 0.1)


@contextlib.contextmanager
def locked(world):
    """Nobody else writes."""
    with contextlib.closing(sqlite3.connect(registry_of(world), isolation_level=None)) as base:
        base.execute("PRAGMA busy_timeout = 10000")
        base.execute("BEGIN IMMEDIATE")
        yield
        base.execute("ROLLBACK")


@contextlib.contextmanager
def renamed(world):
    """Programs that have it open go on with it; none can be started."""
    registry = registry_of(world)
    away = registry.with_name("away")
    registry.rename(away)
    try:
        yield
    finally:
        away.rename(registry)


@contextlib.contextmanager
def renamed_before_start(world):
    with renamed(world):
        kill(world, "interceptor")
        wait_until("a start that fails", lambda: "interceptor error - start" in
                   world.ferry.log_tail(200), 10)
        yield


@contextlib.contextmanager
def forbidden(world):
    """To all but root, when the interceptor is started: which gives it its rights again."""
    registry_of(world).chmod(0)
    kill(world, "interceptor")
    wait_until("its start", lambda: registry_of(world).stat().st_mode & 0o777 and
               world.ferry.programs_run(), 10)
    yield


def change(base):
    """Whoever has pages of the registry in memory reads them anew."""
    base.execute("INSERT OR REPLACE INTO fact VALUES ('test', 'x')")


@contextlib.contextmanager
def damaged(world):
    """No page of it makes sense."""
    registry = registry_of(world)

    def write(content):
        with open(registry, "r+b", buffering=0) as file:
            file.write(content)
    with contextlib.closing(sqlite3.connect(registry, isolation_level=None)) as base:
        base.execute("PRAGMA busy_timeout = 10000")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        base.execute("BEGIN IMMEDIATE")
        change(base)
        sound = registry.read_bytes()
        write(os.urandom(len(sound)))
        base.execute("COMMIT")
        try:
            yield
        finally:
            write(sound)
            with contextlib.closing(sqlite3.connect(registry)) as other, other:
                change(other)


def registry_of(world):
    return Path(world.ferry.settings["state_dir"]) / "registry.sqlite"


@contextlib.contextmanager
def source_dead(world):
    """Its programs: its address answers with a reset."""
    world.server.stop()
    signal_all(world.lab.postfix.processes(), signal.SIGKILL)
    world.lab.postfix.stop()
    try:
        yield
    finally:
        world.server.start()
        world.lab.postfix.start_again()


@contextlib.contextmanager
def disk_full(world):
    """To the last byte, where state_dir is; the mailbox is not open."""
    wait_until("mailboxes to be closed", lambda: len(world.ferry.processes("mailstore")) == 1, 10)
    filler = Path(world.ferry.settings["state_dir"]) / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        filler.unlink()


FAULTS = {
    "nothing": lambda world: contextlib.nullcontext(),
    "interceptor dead": lambda world: dead(world, "interceptor"),
    "interceptor hung, after 6 s": hung,
    "interceptor overloaded": overloaded,
    "admission dead: the kernel's queue without a listener":
        lambda world: dead(world, "admission"),
    "registry locked": locked,
    "registry renamed": renamed,
    "registry renamed, interceptor started again": renamed_before_start,
    "registry not readable for its users, interceptor started again": forbidden,
    "registry damaged": damaged,
    "mailstore dead": lambda world: dead(world, "mailstore"),
    "vault dead": lambda world: dead(world, "vault"),
    "source dead": source_dead,
    "disk full": disk_full,
}


# ── the table ────────────────────────────────────────────────────────────────────────────

COLUMNS = ('nobody lives here, `fail = "open"`', 'nobody lives here, `fail = "closed"`',
           'at the source, `fail = "closed"`', 'here, `fail = "closed"`',
           'at the source, `fail = "open"`', 'here, `fail = "open"`')


def begin(world, name, fail):
    """A ferry with a disk of its own, of which nobody lives here yet."""
    ferry = Ferry(world.lab, name, fail=fail,
                  limits={"connections": CONNECTIONS, "disk_reserve": 0})
    state = Path(ferry.settings["state_dir"])
    state.mkdir(parents=True, mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "none", state],
                   check=True)
    if fail == "open":  # what an earlier fault left behind would hold the user's move
        world.lab.router.forget_connections()
    world.ferry = ferry.start()
    return ferry


def pinned(world):
    """A user who stays at the source, and has logged in."""
    user = world.user(5)
    client = world.session(user)
    world.ferry.ok("route", user, "source")
    client.logout()
    return user


def well(world):
    wait_until("all to be well", world.ferry.programs_run, 20, 0.1)
    wait_until("room", lambda: judged(world) == "room", 15, 0.1)


def fill_columns(world, table, columns, users):
    for fault, make in FAULTS.items():
        with make(world):
            cells = {}
            threads = [threading.Thread(
                target=lambda c=c, u=u: cells.update({c: look(world, u)}))
                for c, u in zip(columns, users)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        table[fault].update(cells)
        well(world)


def as_seen(world):
    table = {fault: {} for fault in FAULTS}
    world.moved = None
    for name, fail, column in (("open", "open", 0), ("closed", "closed", 1)):
        ferry = begin(world, name, fail)
        fill_columns(world, table, COLUMNS[column:column + 1], [pinned(world)])
        ferry.stop()
        ferry.ok("rules", "remove", "--yes")
    for name, fail, column in (("lives-closed", "closed", 2), ("lives-open", "open", 4)):
        ferry = begin(world, name, fail)
        there, world.moved = pinned(world), world.user(5)
        world.move(world.moved)
        fill_columns(world, table, COLUMNS[column:column + 2], [there, world.moved])
        ferry.stop()
        ferry.ok("rules", "remove", "--yes")
        world.moved = None
    world.ferry = None
    return table


def lines_of(table):
    yield "| what fails | " + " | ".join(COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for fault, cells in table.items():
        yield f"| {fault} | " + " | ".join(cells[c] for c in COLUMNS) + " |"


@case
def the_handbook_is_right(world):
    table = list(lines_of(as_seen(world)))
    if SHOW:
        print("\n".join(table))
    written = [line.rstrip() for line in HANDBOOK.read_text(encoding="utf-8").splitlines()
               if line.startswith("|")]
    true(written, "a table")
    nothing([f"seen:    {line}" for line in table if line not in written] +
            [f"written: {line}" for line in written if line not in table], "lines that differ")


main(lambda: World(ferry=False, postfix=True))
