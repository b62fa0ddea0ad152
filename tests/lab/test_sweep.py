#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that the old server itself still puts into the mailbox of who lives here: it comes
over once, whoever is killed meanwhile."""
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, registry, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

KILLS = 12


class Swept(World):
    def mail(self, user, token, folder="INBOX"):
        self.server.deliver(user, b"Subject: %s\r\n\r\n%s\r\n" % (
            token.encode(), token.encode() * 200), folder)

    def found(self, user, token, folder="INBOX"):
        """UIDs here."""
        client = self.session(user)
        client.ok(f"EXAMINE {folder}")
        uids = client.ok(f"UID SEARCH SUBJECT {token}")[0].split()[2:]
        client.logout()
        return uids

    def wait_swept(self, user, count):
        def reached():
            return (self.ferry.account(user)["swept"] or {}).get("messages", 0) >= count
        wait_until(f"{count} swept of {user}", reached, 90, 0.2)
        swept = self.ferry.account(user)["swept"]
        equal(swept["messages"], count, "swept")
        return swept


def kill(pids, master):
    """The master, or the last of its children."""
    for pid in pids[:1] if master else pids[1:][-1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@case
def it_comes_over_once_and_idle_is_told(world):
    user = world.user(5)
    world.move(user)
    reader = world.session(user)
    before = reader.ok("SELECT INBOX")
    exists = next(int(line.split()[1]) for line in before if b"EXISTS" in line)
    reader.send(b"I1 IDLE\r\n")
    true(reader.line().startswith(b"+"), "IDLE")
    world.mail(user, "late-one")
    while not (line := reader.line()).endswith(b" EXISTS\r\n"):
        true(line.startswith(b"* "), f"{line!r}")
    equal(int(line.split()[1]), exists + 1, "EXISTS")
    reader.send(b"DONE\r\n")
    reader.until(b"I1")
    answer = b"".join(reader.ok(f"FETCH {exists + 1} (FLAGS BODY.PEEK[TEXT])"))
    true(b"\\Recent" in answer and b"late-one" * 200 in answer, f"{answer!r:.200}")
    reader.ok(f"STORE {exists + 1} +FLAGS (\\Deleted)")
    reader.ok("EXPUNGE")
    reader.logout()
    world.mail(user, "late-two")
    swept = world.wait_swept(user, 2)
    equal(world.found(user, "late-one"), [], "what was removed here")
    equal(len(world.found(user, "late-two")), 1, "the second")
    equal([(f["name"], f["messages"]) for f in swept["folders"]], [("INBOX", 2)], "folders")
    rows = [r for r in world.ferry.json("report")["swept"] if r["account"] == user]
    equal([(r["folder"], r["count"]) for r in rows], [("INBOX", 2)], "report")


@case
def the_source_is_not_changed(world):
    user = world.user(5)
    world.move(user)
    world.mail(user, "untouched")
    world.wait_swept(user, 1)
    flags = world.server.doveadm("-f", "tab", "fetch", "-u", user, "flags", "mailbox",
                                 "INBOX", "subject", "untouched")
    true("\\Recent" in flags and "\\Seen" not in flags, flags)


@case
def a_new_folder_and_one_made_anew_are_told_and_not_copied(world):
    user = world.user(5)
    world.server.doveadm("mailbox", "create", "-u", user, "Anew")
    world.mail(user, "before", "Anew")
    world.move(user)
    world.server.doveadm("mailbox", "delete", "-u", user, "Anew")
    time.sleep(1.1)  # its UIDVALIDITY is a time in seconds
    world.server.doveadm("mailbox", "create", "-u", user, "Anew", "Fresh")
    world.mail(user, "anew", "Anew")
    world.mail(user, "fresh", "Fresh")
    world.mail(user, "witness")
    swept = world.wait_swept(user, 1)
    notes = {f["name"]: f["note"] for f in swept["folders"]}
    true("anew" in notes["Anew"] and "new at the source" in notes["Fresh"], f"{notes}")
    equal(world.found(user, "before", "Anew")[:1] != [], True, "what was copied")
    equal(world.found(user, "anew", "Anew"), [], "of the folder made anew")


@case
def killed_at_any_moment_nothing_is_doubled_or_lost(world):
    """The process that looks, the mailstore's, the scheduler: one after the other."""
    user = world.user(5)
    world.move(user)
    tokens = []
    for n in range(KILLS):
        for k in range(6):
            tokens.append(f"kill-{n}-{k}-x")
            world.mail(user, tokens[-1])
        wait_until("a process that looks", lambda: len(world.ferry.processes(
            "transfer")) > 1, 30, 0.002)
        time.sleep(0.004 * n)
        kill(world.ferry.processes("mailstore" if n % 3 == 1 else "transfer"), n % 3 == 2)
    swept = world.wait_swept(user, len(tokens))
    for token in tokens:
        equal(len(world.found(user, token)), 1, token)
    equal([f["messages"] for f in swept["folders"]], [len(tokens)], "of INBOX")


@case
def a_password_that_the_source_refuses(world):
    """It goes on opening the mailbox here, and the source is not asked again and again."""
    user = world.user(5)
    world.move(user)
    password = world.password(user)
    world.server.add_user(user, "another one")
    world.mail(user, "unseen")
    swept = wait_until("a refusal", lambda: _refused(world, user), 60, 0.2)
    true("Authentication failed" in swept["error"], swept["error"])
    true(swept["next_at"] - time.time() * 1000 > 5 * 3600_000, "the next look is hours away")
    equal(swept["messages"], 0, "messages")
    refused = wait_until("the source was asked", lambda: _refusals(world, user))
    time.sleep(4)  # four intervals
    equal(_refusals(world, user), refused, "asked again")
    equal(registry(world, "SELECT count(*) FROM password p JOIN account a ON a.id = p.account"
                          " WHERE a.name = ? AND p.refused_at <> 0", (user,))[0][0], 0,
          "passwords that open it no more")
    client = world.imap(user)
    true(b" OK " in client.login(user, password), "it opens the mailbox here")
    client.logout()
    rows = [r for r in world.ferry.json("report")["swept"] if r["account"] == user]
    true("Authentication failed" in rows[0]["why"], rows)


def _refused(world, user):
    swept = world.ferry.account(user)["swept"]
    return swept if swept and swept["error"] else None


def _refusals(world, user):
    return len([line for line in world.server.log_text().splitlines()
                if "auth failed" in line and f"user=<{user}>" in line])


def send(world, to, token, forged=b""):
    """From outside, by way of the router."""
    client = Smtp(world.lab.connect(25, world.address("", 4)))
    client.ok("EHLO client.example.org")
    equal(client.deliver(forged + b"Subject: %s\r\n\r\ntext\r\n" % token.encode(), to), 250, to)
    client.quit()


@case
def an_alias_is_proposed(world):
    """Mail for an address that only the source knows comes into the old mailbox. Whose name a
    sender writes into it is not proposed, and nothing is taken before the admin says so."""
    user, other = world.user(5), world.user(5)
    world.lab.postfix.write_tables([user, other], {"info": f"{user}@example.com"})
    for address in (f"{other}@example.com", "info@example.com"):
        send(world, address, "before")

    def counted():
        return {"info@example.com", f"{other}@example.com"} <= {
            row["address"] for row in world.ferry.json("report")["addresses"]}
    wait_until("both addresses are counted", counted)
    world.move(user)
    forged = (f"X-Original-To: {other}@example.com\r\nDelivered-To: {other}@example.com\r\n"
              f"Received: from a by b for <{other}@example.com>; x\r\n").encode()
    for n in range(5):
        send(world, "info@example.com", f"by-info-{n}", forged)
    world.wait_swept(user, 5)
    told = world.ferry.json("alias", "propose")
    equal([(p["address"], p["account"], p["verdict"], p["messages"]) for p in told],
          [("info@example.com", user, "likely", 5)], f"{told}")
    equal(world.ferry.json("alias", "list"), [], "nothing is taken")
    equal(told[0]["command"], f"mailferry alias add info@example.com {user}", "the command")
    world.ferry.ok(*told[0]["command"].split()[1:])
    send(world, "info@example.com", "straight")
    wait_until("mail by the alias", lambda: world.found(user, "straight"))
    equal(world.ferry.account(user)["swept"]["messages"], 5, "not by way of the old mailbox")
    equal(world.ferry.json("alias", "propose"), [], "it is known by now")


@case
def at_retire_it_stops(world):
    user = world.user(5)
    world.move(user)
    world.mail(user, "before")
    world.wait_swept(user, 1)
    world.ferry.ok("retire", "--yes", "--force")
    time.sleep(2)  # one that had begun
    logins = len(world.server.logins(user))
    world.mail(user, "after")
    time.sleep(4)
    equal(len(world.server.logins(user)), logins, "logins at the source")
    equal(world.ferry.account(user)["swept"]["messages"], 1, "swept")
    world.ferry.ok("retire", "--undo", "--yes")
    world.wait_swept(user, 2)


if __name__ == "__main__":
    main(lambda: Swept(postfix=True, settings={"sweep": 1}))
