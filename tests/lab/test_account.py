#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry account add|disable|enable`: users who never were at the source, and users who
may not log in."""
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402


def account(world, *words, password="opensesame"):
    """The finished `mailferry account …`; the password on stdin."""
    return world.lab.router.run(*world.ferry.arguments("account", *words),
                                input=f"{password}\n", stderr=subprocess.PIPE, timeout=60)


def good(world, *words, **options):
    done = account(world, *words, **options)
    equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def login(world, user, password="opensesame"):
    """(client, the answer to LOGIN)"""
    client = Imap(world.connect())
    return client, client.login(user, password)


def lets_in(world, user, password="opensesame"):
    client, answer = login(world, user, password)
    client.close()
    return b" OK " in answer


@case
def one_that_never_was_at_the_source(world):
    true("it lives here" in good(world, "add", "zoe"), "said")
    shown = world.ferry.account("zoe")
    equal((shown["route"], shown["stage"], shown["made_here"]), ("local", "done", True), "row")
    for name in ("zoe", "ZOE", "zoe@example.com"):
        true(lets_in(world, name), name)
    true(not lets_in(world, "zoe", "wrong"), "another password")
    client, _ = login(world, "zoe")
    listed = b"".join(client.ok('LIST "" *'))
    for name in (b"INBOX", b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk"):
        true(name in listed, listed)
    client.ok("SELECT INBOX")
    smtp = world.smtp()
    token, message = world.message()
    equal(smtp.deliver(message, at("zoe"), at(world.there)), 250, "mail for zoe, and another")
    smtp.quit()
    equal(len(client.ok("NOOP")) > 0, True, "zoe hears of it")
    true(token in b"".join(client.ok("FETCH 1 BODY[HEADER]")), "and reads it")
    client.close()
    done = world.ferry.command("route", "zoe", "source")
    equal(done.returncode, 1, "there is no way to the source")
    true("was made here" in done.stderr, done.stderr)
    equal(world.ferry.account("zoe")["route"], "local", "she stays")


@case
def names_that_are_taken(world):
    good(world, "add", "yves")
    for name in ("yves", "Yves@example.com", world.here, world.there):
        done = account(world, "add", name)
        equal(done.returncode, 1, name)
        true("there is an account" in done.stderr, done.stderr)
    true(not lets_in(world, world.here), "nobody's password was changed")
    true(lets_in(world, world.here, world.password(world.here)), "it is the old one")
    equal(account(world, "frobnicate", "yves").returncode, 2, "another word")


@case
def accounts_have_users_of_their_own(world):
    folders = Path(world.ferry.settings["state_dir"]) / "mail"
    for name in ("u1", "u2"):
        good(world, "add", name)
    world.move(world.user(3))
    good(world, "add", "u3")
    owners = [folder.stat().st_uid for folder in folders.iterdir()]
    equal(len(set(owners)), len(owners), f"{owners}")


@case
def disabled_and_enabled(world):
    user, right = world.here, world.password(world.here)
    client, _ = login(world, user, right)
    true("nobody may log in" in good(world, "disable", user), "said")
    equal(world.ferry.account(user)["disabled"], True, "shown")
    true(b"* BYE" in client.line(), "the session ends")
    client.close()
    true(not lets_in(world, user, right), "the right password")
    smtp = world.smtp()
    token, message = world.message()
    equal(smtp.deliver(message, at(user)), 250, "mail")
    smtp.quit()
    good(world, "enable", user)
    client, answer = login(world, user, right)
    true(b" OK " in answer, answer)
    client.ok("SELECT INBOX")
    true(token in b"".join(client.ok("FETCH * BODY[HEADER]")), "it was kept")
    client.close()
    events = [line["event"] for line in world.ferry.json("account", user)["journal"]]
    equal(events[:2], ["enable", "disable"], "journal")
    done = account(world, "disable", world.there)
    equal(done.returncode, 1, "at the source")
    true("does not live here" in done.stderr, done.stderr)


@case
def removed(world):
    good(world, "add", "xenia")
    world.ferry.ok("alias", "add", "x@example.com", "xenia")
    client, _ = login(world, "xenia")
    state = Path(world.ferry.settings["state_dir"])
    done = account(world, "remove", "xenia", password="no")
    equal(done.returncode, 1, "not without a yes")
    true("no terminal; use --yes" in done.stderr, done.stderr)
    true("its mail is kept" in good(world, "remove", "xenia", "--yes"), "said")
    true(b"* BYE" in client.line(), "the session ends")
    client.close()
    true(not lets_in(world, "xenia"), "nobody logs in")
    equal(world.ferry.account("xenia"), None, "nobody knows it")
    true(not (state / "mail" / "xenia").exists(), "its folder is gone")
    kept, = (state / "trash").iterdir()
    true((kept / "index.sqlite").exists() and kept.name.startswith("xenia."), f"{kept}")
    true("x@example.com" not in world.ferry.ok("alias", "list"), "its alias is gone")
    good(world, "add", "xenia", password="another-one")
    true(lets_in(world, "xenia", "another-one"), "another of that name")
    true(not lets_in(world, "xenia"), "the old password")
    done = account(world, "remove", world.here, "--yes")
    equal(done.returncode, 1, "one that came from the source")
    true("came from the source" in done.stderr, done.stderr)
    true(lets_in(world, world.here, world.password(world.here)), "it is as it was")


if __name__ == "__main__":
    main(Mail)
