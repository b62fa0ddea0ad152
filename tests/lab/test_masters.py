#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry import accounts --master`: copied before anybody logs in, moved when the user
does, and never opened here by the master user's password.

    test_masters.py [--dovecot|--cyrus|--courier] [WORD...]
"""
import array
import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
sys.path.append(str(Path(__file__).resolve().parents[1] / "transfer"))
from fake_interceptor import decode, encode  # noqa: E402
from lab import compare, mail  # noqa: E402
from lab.harness import (World, case, equal, ferry_with, main, nothing, registry,  # noqa: E402
                         Skipped, table, true)
from lab.imap import Imap  # noqa: E402
from lab.pop3_world import imap_differences  # noqa: E402
from lab.processes import descendants, memory_of, wait_until  # noqa: E402
from lab.server_courier import Courier  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402

MASTER, SECRET = "ferryman", "Obol-4711-xyzzy"
NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n"


def only_at(*names):
    """A case that is about these servers."""
    def decorate(function):
        def one(world, *row):
            if world.server.name not in names:
                raise Skipped(f"it is about {' and '.join(names)}")
            function(world, *row)
        one.__name__ = function.__name__
        return one
    return decorate


def write(world, name, *lines, mode=0o600):
    path = Path(world.lab.folder) / name
    path.write_text("".join(line + "\n" for line in lines), encoding="ascii")
    path.chmod(mode)
    return path


def bring(world, *users, master=f"{MASTER}:{SECRET}", options=()):
    """Imports them."""
    return world.ferry.ok("import", "accounts", write(world, "users", *users), "--master",
                          write(world, "master", master), *options)


def copied(world, user, timeout=60):
    """The account, when it waits for its user."""
    return world.ferry.wait_account(user, timeout, stage="catching-up", route="source",
                                    waits_for="the user's first login")


def refused(world, user, login, password):
    client = Imap(world.connect(user))
    answer = client.login(login, password)
    client.close()
    true(b" NO " in answer, f"{login} is let in: {answer!r}")


def passes(world, user):
    """What each pass over the account has found to do."""
    return [int(n) for n in re.findall(
        rf" pass account={user} ms=\d+ differences=(\d+)",
        world.ferry.log.read_text(errors="replace"))]


def comes_by_themselves(world, user, timeout=60):
    world.session(user).logout()
    return world.ferry.wait_account(user, timeout, stage="done", route="local")


@table([("as whom by SASL", f"{MASTER}:{SECRET}"), ("behind the name", f"*{MASTER}:{SECRET}")])
def copied_beforehand(world, master):
    if master[0] == "*" and world.server.name != "dovecot":
        raise Skipped("it has no separator")
    user = world.user(40)
    before = world.at_source(user)
    said = json.loads(bring(world, user, master=master, options=("--json",)))
    equal(said["counts"]["new"], 1, "outcome")
    account = copied(world, user)
    equal((account["master"], account["passwords"], account["candidates"]),
          (master.split(":")[0], 0, 0), "master, passwords")
    equal(account["messages_copied"], compare.count(before)[1], "messages_copied")
    waiting = {t["name"]: t for t in json.loads(world.ferry.ok("transfers", "--json"))}
    equal(waiting[user]["waits_for"], "the user's first login", "transfers")
    world.ferry.settle(1.5)
    equal(world.ferry.account(user)["route"], "source", "it stays")
    refused(world, user, user, SECRET)
    done = len(passes(world, user))
    account = comes_by_themselves(world, user)
    equal(passes(world, user)[done:][0], 0, "what the first pass of the user's own has to bring")
    equal((account["uids_kept"], account["passwords"], account["master"]), (True, 1, ""), "after")
    nothing(imap_differences(before, world.here(user)), "source and here")
    # at Cyrus it is a user as others
    for login in (user, f"{user}*{MASTER}", *([MASTER] if world.server.name != "cyrus" else [])):
        refused(world, user, login, SECRET)
    equal(registry(world, "SELECT count(*) FROM master"), [(0,)], "nobody needs it any more")


@case
def what_came_meanwhile_is_caught_up_with(world):
    user = world.user(30)
    bring(world, user)
    copied(world, user)
    world.server.deliver(user, NEW)
    client = Imap(world.direct())
    client.login(user, world.password(user))
    client.ok("SELECT INBOX")
    client.ok("STORE 1 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.logout()
    before = world.at_source(user)
    comes_by_themselves(world, user)
    nothing(imap_differences(before, world.here(user)), "source and here")


@case
def at_once_while_the_user_waits(world):
    with ferry_with(world, strategy="immediate"):
        user = world.user(200)
        before = world.at_source(user)
        bring(world, user)
        copied(world, user)
        began = time.monotonic()
        client = world.session(user)
        took = time.monotonic() - began
        equal(world.ferry.account(user)["route"], "local", "who serves the first session")
        client.logout()
        print(f"  the first login took {took:.2f} s")
        nothing(imap_differences(before, world.here(user)), "source and here")


@case
def a_wrong_password_and_one_that_stops_working(world):
    copy, late, other = world.user(20), world.user(20), world.user(20)
    bring(world, copy, master=f"{MASTER}:wrong")
    failed = world.ferry.wait_account(copy, stage="failed")
    true("master user" in failed["last_error"], failed["last_error"])
    equal(failed["waits_for"], "the source, which refuses the master user", "waits_for")
    world.move(other)  # it holds up nobody
    bring(world, copy)
    copied(world, copy)
    if world.server.name == "dovecot":
        world.server.set_masters({MASTER: "another"})
        bring(world, late)
        world.ferry.wait_account(late, stage="failed")
        comes_by_themselves(world, copy)
        comes_by_themselves(world, late)  # by their own
        world.server.set_masters({MASTER: SECRET})


def refusals(world):
    return world.server.log_text().count(f"passwd-file({MASTER},")


@case
@only_at("dovecot")
def a_refused_master_user_stops_all_logins_by_it(world):
    """Thousands of wrong logins would have our address banned."""
    users = [world.user(3) for _ in range(8)]
    before = refusals(world)
    bring(world, *users, master=f"{MASTER}:wrong")
    said = wait_until("status says it", lambda: next(
        (line for line in world.ferry.json("status")["attention"] if MASTER in line), None))
    true("1 times in a row" in said and f"{len(users)} accounts wait" in said
         and "import accounts" in said, said)
    time.sleep(3)  # four places, and the first account's own next try
    equal(refusals(world) - before, 1, "wrong logins")
    world.ferry.kill("transfer")
    time.sleep(3)
    equal(refusals(world) - before, 1, "wrong logins, after a restart")
    world.ferry.ok("transfer", users[5])  # the admin wants to know
    wait_until("another login", lambda: refusals(world) - before == 2)
    time.sleep(2)
    equal(refusals(world) - before, 2, "wrong logins, when one was asked for")
    bring(world, *users)
    for user in users:
        copied(world, user)
    equal(refusals(world) - before, 2, "wrong logins, with the right one")
    equal([line for line in world.ferry.json("status")["attention"] if MASTER in line], [],
          "status")


@case
@only_at("dovecot")
def a_transfer_says_what_it_waits_for(world):
    user = world.user(3)
    bring(world, user)
    copied(world, user)
    with subprocess.Popen(world.ferry.arguments("transfer", user, "--wait"),
                          stdout=subprocess.PIPE, text=True) as waiting:
        line = waiting.stdout.readline()
        true("waits for the user's first login" in line, line)
        world.session(user).logout()
        true(waiting.wait(60) == 0, waiting.stdout.read())
    equal(world.ferry.account(user)["route"], "local", "route")


def other_bytes(file):
    """Of the same look."""
    stat, data = file.stat(), file.read_bytes()
    file.write_bytes(data[:-12] + bytes(64 + b % 26 for b in data[-12:]))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def all_differ(files):
    for file in files:
        other_bytes(file)


def one_differs(files):
    small = [file for file in files if file.stat().st_size < 50000]
    other_bytes(small[len(small) // 2])


def is_dropped(world, change):
    user = world.user(30)
    bring(world, user)
    copied(world, user)
    change(sorted((world.server.mail(user) / "cur").iterdir()))
    before = world.at_source(user)
    comes_by_themselves(world, user)
    true(re.search(rf" copy-dropped account={user} ", world.ferry.log.read_text(errors="replace")),
         "nothing in the log")
    events = [row[0] for row in registry(
        world, "SELECT event FROM journal j JOIN account a ON a.id = j.account"
               " WHERE a.name = ?", (user,))]
    true("copy-dropped" in events, events)
    nothing(imap_differences(before, world.here(user)), "source and here")


@case
@only_at("dovecot")
def another_mailbox_of_the_same_look(world):
    """The same UIDVALIDITY, UIDs, dates, sizes and flags, and other messages."""
    for change in (all_differ, one_differs):
        is_dropped(world, change)


@case
@only_at("courier")
def the_master_users_own_mailbox(world):
    """Courier looks at no authzid."""
    master, user = world.user(25), world.user(40)
    before = world.at_source(user)
    bring(world, user, master=f"{master}:{world.password(master)}")
    account = copied(world, user)
    equal(account["messages_copied"], compare.count(world.at_source(master))[1],
          "it is the other's that was copied")
    comes_by_themselves(world, user)
    nothing(imap_differences(before, world.here(user)), "source and here")


def needles():
    plain = base64.b64encode(b"\0".join((b"", MASTER.encode(), SECRET.encode())))
    return [SECRET.encode(), base64.b64encode(SECRET.encode())[:-4], plain[8:-4]]


def lent(loan):
    """What the vault says to a process that asks for passwords, up to its last word."""
    loan.send(encode("LEND", b""))
    answers = []
    while not answers or decode(answers[-1])[0] == "PASSWORD":
        answers.append(loan.recv(65536))
    return answers


@case
def a_process_that_was_taken_over_is_lent_nothing(world):
    """It has the registry, and its account's loan; it asked once, for the user's own."""
    user = world.user(3)
    world.session(user).logout()
    bring(world, user)
    world.ferry.wait_account(user)
    (account,), = registry(world, "SELECT id FROM account WHERE name = ?", (user,))
    world.ferry.ok("route", user, "source")
    registry(world, "UPDATE account SET route = 'source', stage = 'due', master ="
                    " (SELECT id FROM master) WHERE id = ?", (account,))
    loan, vaults = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker, vaults:
        asker.connect(str(world.ferry.folder / "run/vault-move.sock"))
        asker.sendmsg([encode("LEND", b"", account)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                        array.array("i", [vaults.fileno()]))])
    with loan:
        loan.settimeout(10)
        first = lent(loan)
        true(any(world.password(user).encode() in answer for answer in first), "none is lent")
        registry(world, "UPDATE password SET refused_at = 1 WHERE account = ?", (account,))
        for answer in first + lent(loan) + lent(loan):
            true(SECRET.encode() not in answer, "it has the master user's password")


@case
def its_password_lies_nowhere(world):
    """Not in the process that copies either, once it has logged in."""
    with ferry_with(world, limits={"source_kilobytes": 20}):
        user = world.user(0, mailbox=mail.generate("large", 150))
        bring(world, user)
        wait_until("some messages", lambda: (world.ferry.account(user) or {}).get(
            "messages_copied", 0) > 0, 30)
        seen = [name for _, name in descendants(world.ferry.daemon.pid)]
        true(seen.count("mailferry-trans") > 1, f"nothing is copied: {seen}")
        for pid, name in descendants(world.ferry.daemon.pid) + [(world.ferry.daemon.pid, "up")]:
            if name.startswith("mailferry-vault"):
                continue
            for chunk in memory_of(pid):
                for needle in needles():
                    true(needle not in chunk, f"the password lies in {name} ({pid})")
        for file in world.ferry.folder.rglob("*"):
            if file.is_file():
                true(not any(n in file.read_bytes() for n in needles()), f"it lies in {file}")
        world.ferry.ok("route", user, "source")


@case
def killed_while_it_copies(world):
    user = world.user(60)
    before = world.at_source(user)
    with ferry_with(world, limits={"source_kilobytes": 200}):
        bring(world, user)
        for _ in range(3):
            world.ferry.wait_account(user, stage="copying")
            time.sleep(0.15)
            world.ferry.kill("transfer")
            time.sleep(0.6)
    copied(world, user)
    comes_by_themselves(world, user)
    nothing(imap_differences(before, world.here(user)), "source and here")


@case
def files_that_are_wrong(world):
    for line, what in ((f"{MASTER}", "neither user:password"), (f"*:{SECRET}", "no master user"),
                       (f"{MASTER}:{SECRET}\nother:x", "2 lines")):
        done = world.ferry.command("import", "accounts", write(world, "users", "user1"), "--master",
                                   write(world, "master", line))
        equal(done.returncode, 1, "exit code")
        true(what in done.stderr, done.stderr)
        true(SECRET not in done.stderr, "the password is shown")
    done = world.ferry.command("import", "accounts", write(world, "users", "user1"), "--master",
                               write(world, "master", f"{MASTER}:{SECRET}", mode=0o640))
    true("chmod 600" in done.stderr, done.stderr)
    theirs = write(world, "master", f"{MASTER}:{SECRET}")
    os.chown(theirs, 65534, 65534)
    done = world.ferry.command("import", "accounts", write(world, "users", "user1"), "--master",
                               theirs)
    true("another user's" in done.stderr, done.stderr)
    os.chown(theirs, 0, 0)
    done = world.ferry.command("import", "accounts", write(world, "users", "user1:secret"),
                               "--master", write(world, "master", f"{MASTER}:{SECRET}"))
    true("users:1:" in done.stderr and "no passwords" in done.stderr, done.stderr)
    equal(world.ferry.account("user1:secret"), None, "nothing is written")


SERVERS = {
    "--dovecot": {"server": Dovecot, "masters": {MASTER: SECRET}},
    "--cyrus": {"server": Cyrus, "proxies": [MASTER]},
    "--courier": {"server": Courier, "imap_auth": ["PLAIN"]},
}


def make_world(name):
    class MastersWorld(World):
        def __enter__(self):
            super().__enter__()
            if name == "--cyrus":
                self.server.add_user(MASTER, SECRET)
            return self
    return lambda: MastersWorld(**SERVERS[name])


if __name__ == "__main__":
    chosen = [a for a in sys.argv[1:] if a in SERVERS]
    main(make_world(chosen[0] if chosen else "--dovecot"),
         [a for a in sys.argv[1:] if a not in SERVERS])
