#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that POP3 alone can read: INBOX comes over as its clients know it.

test_pop3_only.py [--dovecot|--mailutils] [--immediate] [WORD...]

With --dovecot the configuration says that there is no IMAP; mailutils' port just refuses.
What POP3 clients see in general is in test_pop3.py (--pop3-only).
"""
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3, harness, mail, pop3_clients, pop3_world  # noqa: E402
from lab.harness import case, equal, nothing, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_dovecot_pop3 import DovecotPop3  # noqa: E402
from lab.server_mailutils import Mailutils  # noqa: E402

HOLD = 6
NO_IMAP = {"services": {"imap": {"enabled": False}}}
SERVERS = {"--dovecot": ({"server": DovecotPop3}, NO_IMAP),
           "--mailutils": ({"server": Mailutils, "imap": False}, {})}
IMMEDIATE = {"strategy": "immediate", "hold": HOLD}


class World(pop3_world.Pop3World):
    def is_immediate(self):
        return self.ferry.settings["strategy"] == "immediate"

    def keeps_what_is_read(self):
        """Whether reading by POP3 leaves no trace at the source. (mailutils writes "Status:
        OR" into the message.)"""
        return self.server.storage != "mbox"

    def lists(self, user):
        """STAT, LIST and UIDL at the source: nothing is read."""
        client = Pop3(self.lab.source.connect(SOURCE_ADDRESS[0], pop3_world.PORT))
        true(client.login(user, self.password(user)).startswith(b"+OK"), "login")
        found = client.ok("STAT").split()[:2], client.lines("LIST"), client.lines("UIDL")
        client.close()
        return found

    def index(self, user, statement):
        path = Path(self.ferry.settings["state_dir"]) / "mail" / user / "index.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True,
                                                timeout=5)) as database:
            return database.execute(statement).fetchall()

    def large(self, megabytes=4):
        """A user with INBOX alone, and a line to the source on which that takes a while."""
        return self.user(mailbox=mail.bulk(f"large {self.numbers}",
                                           messages=megabytes * 25, mean=40_000, folders=1))

    def children(self):
        """Of the transfer: one for each account that is being moved."""
        return self.ferry.processes("transfer")[1:]

    def same(self, user):
        """They are served here, and nobody can tell."""
        nothing(compare_pop3.differences(self.maildrop_at_source(user), self.maildrop(user)),
                "the source and here")
        rows = self.index(user, "SELECT count(*), count(DISTINCT uidl) FROM message")
        equal(rows, [(len(self.lists(user)[2]),) * 2], "messages, unique-ids")


@contextlib.contextmanager
def slow(world, rate="8mbit"):
    world.lab.source.limit(rate)
    try:
        yield
    finally:
        world.lab.source.limit(None)


@case
def nothing_is_different(world):
    user = world.user(200)
    before, files = world.lists(user), compare.files(world.server.home(user))
    world.move_by_pop3(user)
    if world.keeps_what_is_read():
        nothing(compare.file_differences(files, compare.files(world.server.home(user))),
                "the source's files")
        equal(world.lists(user), before, "STAT, LIST, UIDL")
    equal(world.lists(user)[2], before[2], "UIDL")
    world.same(user)
    account = world.ferry.account(user)
    equal((account["uidls_kept"], account["uids_kept"]), (True, None), "kept")
    certificate = account["certificate"]
    equal((certificate["result"], certificate["reader"]), ("equal", "pop3"), "certificate")
    equal([f["name"] for f in certificate["folders"]], ["INBOX"], "folders")


@table([(client.name, client) for client in pop3_clients.CLIENTS])
def downloads_nothing_again(world, client):
    if world.is_immediate():
        return
    user = world.user(mailbox=pop3_world.short_mailbox(client.name))
    there = len(world.lists(user)[2])
    program = client(world.lab, user, world.password(user))
    equal(program.fetch(), there, "the first run, at the source")
    world.move_by_pop3(user)
    logins = len(world.source_logins(user))
    equal(program.fetch(), 0, "after the move")
    equal(len(world.source_logins(user)), logins, "logins at the source")


@case
def its_owner_is_never_shut_out(world):
    if world.is_immediate():
        return
    user = world.large()
    with slow(world, "4mbit"):  # eight seconds
        world.pop3_session(user).quit()
        for _ in range(3):
            world.ferry.wait_account(user, stage="copying")
            world.ferry.settle(0.7)
            began = time.monotonic()
            client = world.pop3_session(user)
            took = time.monotonic() - began
            true(took < 20, f"the login took {took:.1f} s")
            equal(world.ferry.account(user)["route"], "source", "too fast to show anything")
            client.ok("STAT")
            client.quit()
    world.ferry.wait_account(user, stage="done", route="local")
    world.same(user)
    world.expect_source_logins(user, *[world.address(user)] * len(world.source_logins(user)))


@case
def killed_in_the_middle(world):
    if world.is_immediate():
        return
    user = world.large()
    rng = random.Random(3)
    with slow(world):
        world.pop3_session(user).quit()
        for _ in range(4):
            world.ferry.wait_account(user, stage="copying")
            world.ferry.settle(rng.uniform(0.2, 1.2))
            for pid in world.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    account = world.ferry.wait_account(user, 90, stage="done", route="local")
    equal(account["last_error"], "", "last_error")
    world.same(user)


@case
def changed_between_two_rounds(world):
    """The user deletes and gets mail while their account is on its way."""
    user = world.user(60)
    before = world.lists(user)[2]
    client = world.pop3_session(user)
    if world.is_immediate():
        client.quit()
        return
    for number in (1, 2, len(before) - 1):
        client.ok(f"DELE {number}")
    world.server.deliver(user, b"Subject: late\r\n\r\n.\r\n..\r\nlate\r\n")
    client.quit()
    world.ferry.wait_account(user, stage="done", route="local")
    equal(len(world.lists(user)[2]), len(before) - 3 + 1, "messages")
    world.same(user)


@case
def imap_is_as_it_was(world):
    user = world.user(3)
    for _ in range(2):
        try:
            with world.connect(user, timeout=10) as connection:
                answer = connection.recv(4096)
                true(answer == b"" or answer.startswith(b"* BYE"), f"{answer!r}")
        except ConnectionError:
            pass
        else:
            true("services" not in world.ferry.settings, "who was refused is answered")
        world.move_by_pop3(user)


@case
def a_small_one_moves_during_his_first_login(world):
    if not world.is_immediate():
        return
    user = world.user(100)
    client = world.pop3_session(user)
    equal(world.ferry.account(user)["route"], "local", "their first session is here")
    client.quit()
    world.same(user)
    world.expect_source_logins(user, world.address(user))


@case
def a_large_one_does_not_keep_him_waiting(world):
    if not world.is_immediate():
        return
    user = world.large(12)
    with slow(world):
        began = time.monotonic()
        client = world.pop3_session(user)
        took = time.monotonic() - began
        true(took < HOLD + 20, f"the login took {took:.1f} s")
        equal(world.ferry.account(user)["route"], "source", "the copy cannot be complete")
        client.ok("STAT")
    client.quit()
    world.ferry.wait_account(user, stage="done", route="local")
    world.same(user)


@case
def two_at_once(world):
    """A phone and a PC log in in the same moment: one has the maildrop, the other is told so,
    as ever, and neither is asked for another password."""
    user = world.user(30)
    answers = []

    def log_in():
        client = world.pop3(user)
        answers.append(client.login(user, world.password(user)))
        client.quit()
    threads = [threading.Thread(target=log_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    true(any(a.startswith(b"+OK") for a in answers), f"{answers}")
    true(all(a.startswith((b"+OK", b"-ERR [IN-USE]")) for a in answers), f"{answers}")
    world.ferry.wait_account(user, stage="done", route="local")
    world.same(user)


DATED = [
    ("the topmost Received", b"Received: from a by b;\r\n\tTue, 5 Mar 2019 10:11:12 +0100\r\n"
                             b"Received: from c by d; Mon, 4 Mar 2019 00:00:00 +0000\r\n"
                             b"Date: Sun, 3 Mar 2019 00:00:00 +0000\r\n", 1_551_777_072),
    ("Date, without Received", b"Date: Sun, 3 Mar 2019 01:02:03 -0200\r\n", 1_551_582_123),
]


@table(DATED)
def a_date_from_the_header(world, head, seconds):
    user = world.user(mailbox=pop3_world.short_mailbox("dated"))
    world.server.deliver(user, head + b"Subject: dated\r\n\r\nx\r\n")
    world.move_by_pop3(user)
    dates = world.index(user, "SELECT date FROM message ORDER BY uid DESC LIMIT 1")
    equal(dates, [(seconds,)], "the internal date")


def swept(world, user):
    return (world.ferry.account(user) or {}).get("swept") or {}


@case
def late_mail_comes_over_once(world):
    """What the source itself puts into the old maildrop, behind what came before and while
    nobody looks. (The last case: it has old mailboxes looked at.)"""
    users = [world.user(20), world.user(mailbox=mail.generate("empty", 0))]
    for user in users:
        world.move_by_pop3(user)
    world.ferry.stop()
    world.ferry.settings["sweep"] = 1
    for user in users:
        world.server.deliver(user, b"Subject: late 1\r\n\r\none\r\n")
    world.ferry.start()
    for user in users:
        wait_until("the first", lambda: swept(world, user).get("messages") == 1, 60)  # noqa: B023
        world.server.deliver(user, b"Subject: late 2\r\n\r\ntwo\r\n")
        world.server.deliver(user, b"Subject: late 3\r\n\r\n%s\r\n" % (b"." * 70 + b"\r\n") * 9)
    for user in users:
        wait_until("all", lambda: swept(world, user).get("messages") == 3, 60)  # noqa: B023
        looked = swept(world, user)["looked_at"]
        wait_until("a look at nothing new", lambda: swept(world, user)["looked_at"] > looked, 60)
        equal(swept(world, user)["messages"], 3, "once")
        here = world.maildrop(user)
        equal(here["stat"][0], len(world.lists(user)[2]), "as many as at the source")
        if world.keeps_what_is_read():
            equal([m["body"] for m in here["messages"]][-3:],
                  [m["body"] for m in world.maildrop_at_source(user)["messages"]][-3:],
                  "bytes")


def lose_all(world, user):
    """The packs, and the bodies inside the index."""
    folder = Path(world.ferry.settings["state_dir"]) / "mail" / user
    for pack in (folder / "bodies").glob("*.pack"):
        pack.unlink()
    subprocess.run(["sqlite3", folder / "index.sqlite", "UPDATE body SET bytes = 'x'"],
                   check=True)


@case
def what_is_lost_here_comes_once_more(world):
    """`account USER --again`: what was copied is found by its unique-id, what came later by its
    size and its bytes. (Behind the case above, which has old mailboxes looked at.)"""
    user = world.user(30)
    world.move_by_pop3(user)
    for text in (b"one", b"two", b"six"):  # of one size
        world.server.deliver(user, b"Subject: late\r\n\r\n" + text + b"\r\n")
    wait_until("late mail", lambda: swept(world, user).get("messages") == 3, 60)
    before = world.maildrop(user)
    lose_all(world, user)
    there = Pop3(world.lab.source.connect(SOURCE_ADDRESS[0], pop3_world.PORT))
    true(there.login(user, world.password(user)).startswith(b"+OK"), "login")
    there.ok("DELE 3")
    there.quit()
    done = world.ferry.command("account", user, "--again", "--json")
    equal(done.returncode, 1, done.stdout + done.stderr)
    said = json.loads(done.stdout)
    left = {world.index(user, "SELECT row_number FROM (SELECT uid, row_number() OVER (ORDER BY"
                              " pop3_order = 0, pop3_order, uid) AS row_number FROM message)"
                              f" WHERE uid = {m['uid']}")[0][0]: m["why"]
            for m in said["messages"]}
    count = before["stat"][0]
    equal((said["lost"], said["mended"], left[3]),
          (count, count - len(left), "it is gone at the source"), said)
    del left[3]
    if world.keeps_what_is_read():
        equal(left, {}, "what is left")
    else:  # mailutils has written into the first one and into those that came since
        nothing([n for n in left if 1 < n <= count - 3], "what is left")
        equal(set(left.values()), {"it has other bytes there than it had here"}, "why")
    client = world.pop3_session(user)
    for number in {3, *left}:
        true(client.command(f"DELE {number}").startswith(b"+OK"), "DELE")
    client.quit()
    equal([m["body"] for m in world.maildrop(user)["messages"]],
          [m["body"] for n, m in enumerate(before["messages"], 1) if n not in {3, *left}],
          "bodies")
    equal(world.ferry.command("store", "check", user).returncode, 0, "store check")


def main():
    arguments = sys.argv[1:]
    options, settings = SERVERS["--dovecot" if "--dovecot" in arguments else "--mailutils"]
    if "--immediate" in arguments:
        settings = {**settings, **IMMEDIATE}
    words = [word for word in arguments if not word.startswith("--")]
    harness.main(lambda: World(settings=settings, **options), words)


main()
