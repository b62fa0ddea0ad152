#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry route USER source` of somebody who has got mail here: all of it is at the old
server afterwards, once; there and back and there loses and doubles nothing.

    test_carry.py [--dovecot|--heir|--courier|--cyrus|--pop3-only] [WORD...]
"""
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.compare import content  # noqa: E402
from lab.harness import Skipped, case, equal, ferry_with, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.pop3_world import Pop3World, imap_differences, options  # noqa: E402
from lab.processes import descendants, wait_until  # noqa: E402

KILLS = 8
NOT_HELD_MS = 12_000  # at a kilobyte a second it takes 23 s, else 50 ms
PREFIX = {"dovecot": "", "courier": "INBOX.", "cyrus": "INBOX."}
DATE = '"%02d-Feb-2003 04:05:06 +0700"'


def message(token):
    return b"From: x@example.org\r\nSubject: %s\r\n\r\n%s\r\n" % (
        token.encode(), token.encode() * 20)


def check_content(wanted, got, what):
    for name in sorted(wanted.keys() | got.keys()):
        lost, new = wanted.get(name, Counter()), got.get(name, Counter())
        equal((lost - new, new - lost), (Counter(), Counter()), f"{what}: {name}")


def subscriptions(snap):
    return set(snap["lsub"])


class Carry(Pop3World):
    @property
    def prefix(self):
        return PREFIX[self.server.name]

    def imap_needed(self):
        if not self.has_imap():
            raise Skipped("the source has no IMAP")

    def append(self, client, folder, token, flags="", day=1):
        data = message(token)
        client.send(f'A APPEND "{folder}" ({flags}) {DATE % day} {{{len(data)}}}\r\n'.encode())
        true(client.line().startswith(b"+"), "APPEND goes on")
        client.send(data + b"\r\n")
        answer = client.until(b"A")[1]
        true(b" OK " in answer, f"APPEND: {answer!r}")

    def live(self, client, tag=""):
        """What a user does; the folders' names are the source's own way."""
        folder = f"{self.prefix}Projects{tag}"
        for n in range(3):
            self.append(client, "INBOX", f"{tag}new-{n}", "\\Seen $Later", n + 1)
        for _ in range(2):
            self.append(client, "INBOX", f"{tag}twin")
        client.ok(f'CREATE "{folder}"')
        client.ok(f'SUBSCRIBE "{folder}"')
        self.append(client, folder, f"{tag}in a new folder", "\\Flagged")
        client.ok("SELECT INBOX")
        # delivered before the move: flags, and one that goes to another folder
        first, second, third = (
            client.ok(f"UID SEARCH SUBJECT {tag}was-{n}")[0].split()[2].decode()
            for n in range(3))
        client.ok(f"UID STORE {first} FLAGS (\\Answered Mine)")
        client.ok(f'UID COPY {second} "{folder}"')
        client.ok(f"UID STORE {second},{third} +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        self.append(client, "INBOX", f"{tag}gone again", "\\Deleted")
        client.ok("SELECT INBOX")
        client.ok("EXPUNGE")

    def prepare(self, tag=""):
        """A user with mail of their own, who has moved."""
        user = self.user(20)
        for n in range(3):
            self.server.deliver(user, message(f"{tag}was-{n}"))
        # Courier gives what is in new/ other UIDs until somebody has selected it
        client = Imap(self.direct())
        client.login(user, self.password(user))
        client.ok("SELECT INBOX")
        client.logout()
        self.move(user)
        return user

    def snapshot(self, user):
        return compare.snapshot(self.connect(user), user, self.password(user))

    def at_source(self, user):
        return compare.snapshot(self.direct(), user, self.password(user))

    def back(self, user):
        return self.ferry.json("route", user, "source")["carried"]

    def there(self, user):
        self.ferry.ok("route", user, "auto")
        self.move(user)


@case
def there_and_back_and_there(world):
    world.imap_needed()
    user = world.prepare()
    client = world.session(user)
    world.live(client)
    client.logout()
    untouched = world.at_source(user)
    told = world.ferry.json("route", user, "source", "--dry-run")["carried"]
    nothing(imap_differences(untouched, world.at_source(user)), "a dry run at the source")
    equal(world.ferry.account(user)["route"], "local", "after a dry run")
    here = world.snapshot(user)
    done = world.back(user)
    equal((done["messages"], done["flags"], done["folders"]), (7, 1, 1), f"{done}")
    true(done["expunged"] >= 2, f"{done}")
    for key in ("messages", "expunged", "folders", "renamed", "put_back"):
        equal(told[key], done[key], f"foretold: {key}")
    equal(done["not_kept"]["keywords"], [], "keywords")
    equal(done["not_kept"]["flags"], 0, "flags")
    equal(world.ferry.account(user)["route"], "source", "afterwards")
    check_content(content(here), content(world.at_source(user)), "carried back")
    equal(subscriptions(world.at_source(user)), subscriptions(here), "subscriptions")
    world.there(user)
    nothing(imap_differences(world.at_source(user), world.snapshot(user)), "moved once more")
    again = world.back(user)
    equal((again["messages"], again["flags"], again["expunged"]), (0, 0, 0), f"{again}")
    world.there(user)
    check_content(content(here), content(world.snapshot(user)), "after all of it")


@case
def renamed_folders_follow(world):
    world.imap_needed()
    user = world.user(5)
    old, new = (f"{world.prefix}{name}" for name in ("Old one", "New one"))
    client = world.session(user)
    client.ok(f'CREATE "{old}"')
    for n in range(3):
        world.append(client, old, f"kept-{n}")
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local", timeout=60)
    client = world.session(user)
    client.ok(f'RENAME "{old}" "{new}"')
    world.append(client, new, "later")
    client.logout()
    here = world.snapshot(user)
    done = world.back(user)
    equal((done["renamed"], done["messages"], done["folders"]), (1, 1, 0), f"{done}")
    there = world.at_source(user)
    check_content(content(here), content(there), "renamed")


@case
def mail_that_the_source_got_by_itself_stays_once(world):
    world.imap_needed()
    user = world.prepare()
    world.server.deliver(user, message("late-one"))
    wait_until("it is swept", lambda: (world.ferry.account(user)["swept"] or {}).get(
        "messages") == 1, 60, 0.2)
    client = world.session(user)
    world.append(client, "INBOX", "written-here")
    client.logout()
    here = world.snapshot(user)
    equal(world.back(user)["messages"], 1, "carried")
    check_content(content(here), content(world.at_source(user)), "once")


@case
def killed_at_any_moment(world):
    """The process that carries, or the scheduler: what was begun goes on, or is begun anew."""
    world.imap_needed()
    user = world.prepare()
    for n in range(KILLS):
        client = world.session(user)
        for k in range(25):
            world.append(client, "INBOX", f"kill-{n}-{k}")
        client.logout()
        here = world.snapshot(user)
        command = world.lab.router.start(*world.ferry.arguments("route", user, "source"))
        with contextlib.suppress(TimeoutError):
            wait_until("busy", lambda: world.ferry.account(user)["route"] != "local", 20, 0.002)
        time.sleep(0.03 * n)
        pids = world.ferry.processes("transfer")
        for pid in pids if n % 3 == 2 else pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command.wait(60)
        world.ferry.wait_account(user, stage="idle", route="source", timeout=60)
        check_content(content(here), content(world.at_source(user)), f"kill {n}")
        world.there(user)
        check_content(content(here), content(world.snapshot(user)), f"moved after kill {n}")


def stays_until_the_lock_is_old(world, user, here):
    """A process of Dovecot that is killed leaves dovecot-uidlist.lock, and the others wait for
    two minutes. They are served here meanwhile, of what has been carried nothing comes back
    as new mail, and the next try carries the rest."""
    equal(world.ferry.account(user)["route"], "local", "they stay")
    check_content(content(here), content(world.snapshot(user)), "they stay")
    wait_until("the old lock", lambda: swept_again(world, user), 200, 1)
    check_content(content(here), content(world.snapshot(user)), "after a sweep")
    world.ferry.ok("route", user, "source")


def swept_again(world, user):
    swept = world.ferry.account(user)["swept"]
    return swept and swept["looked_at"] > world.ferry.account(user)["carried"]["at"]


@case
def the_source_cuts_the_connections(world):
    """Again and again, after any command: its answer is then never seen."""
    world.imap_needed()
    if world.server.name != "dovecot":
        raise Skipped("a process for each connection is known of Dovecot")
    user = world.prepare()
    for n in range(3):
        client = world.session(user)
        for k in range(60):
            world.append(client, "INBOX", f"cut-{n}-{k}")
        client.logout()
        here = world.snapshot(user)
        command = world.lab.router.start(*world.ferry.arguments("route", user, "source"))
        wait_until("busy", lambda: world.ferry.account(user)["route"] != "local", 30, 0.002)
        for k in range(3):
            time.sleep(0.02 + 0.013 * (n + k))
            for pid, name in descendants(world.server.daemon.pid):
                with contextlib.suppress(ProcessLookupError):
                    if name == "imap":
                        os.kill(pid, signal.SIGKILL)
        if command.wait(120):
            stays_until_the_lock_is_old(world, user, here)
        world.ferry.wait_account(user, stage="idle", route="source", timeout=60)
        check_content(content(here), content(world.at_source(user)), f"cut {n}")
        world.there(user)
        check_content(content(here), content(world.snapshot(user)), f"moved after cut {n}")


@case
def nobody_waits_for_the_pace(world):
    """The user is out of service meanwhile: what is read then is not held back."""
    world.imap_needed()
    user = world.prepare()
    client = world.session(user)
    world.append(client, "INBOX", "new")
    client.logout()
    with ferry_with(world, limits={"source_kilobytes": 1}):
        world.back(user)
    at = {row["event"]: row["at"] for row in reversed(world.ferry.account(user)["journal"])}
    took = at["return"] - at["leave"]
    true(took < NOT_HELD_MS, f"{took} ms")


@case
def refused_at_the_source_they_stay(world):
    """The source takes the password no more: they are served here as before."""
    world.imap_needed()
    user = world.prepare()
    client = world.session(user)
    world.append(client, "INBOX", "new")
    client.logout()
    password = world.password(user)
    world.server.add_user(user, "another one")
    done = world.ferry.command("route", user, "source")
    equal(done.returncode, 1, done.stdout)
    true("password no longer accepted" in done.stderr, done.stderr)
    account = world.ferry.account(user)
    equal((account["route"], account["carried"]["result"]), ("local", "stays"), "they stay")
    client = world.imap(user)
    true(b" OK " in client.login(user, password), "they are let in")
    client.logout()


@case
def only_pop3(world):
    if world.has_imap():
        raise Skipped("the source has IMAP")
    user = world.user(5)
    world.move_by_pop3(user)
    client = world.pop3_session(user)
    client.command("DELE 1")
    client.quit()
    done = world.ferry.command("route", user, "source")
    equal(done.returncode, 1, done.stdout)
    true("only POP3" in done.stderr and "stays here" in done.stderr, done.stderr)
    equal(world.ferry.account(user)["route"], "local", "they stay")


if __name__ == "__main__":
    CHOSEN, WORDS = options()
    main(lambda: Carry(settings={"sweep": 1}, **CHOSEN), WORDS)
