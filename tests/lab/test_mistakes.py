#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that must lose no mail, made with real mail on both sides: a registry that is
removed, and bytes that are flipped on the disk."""
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, table, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402

ONLY_HERE = b"Subject: only here\r\n\r\nnobody else has this\r\n"


def deliver(world, user):
    """Mail that only this side has: it came after the move."""
    client = world.lab.connect(25)
    stream = client.makefile("rwb")
    for line in (None, b"EHLO c.example.org", b"MAIL FROM:<s@example.org>",
                 b"RCPT TO:<%s@example.com>" % user.encode(), b"DATA",
                 ONLY_HERE + b".", b"QUIT"):
        if line is not None:
            stream.write(line + b"\r\n")
            stream.flush()
        answer = stream.readline()
        while answer[3:4] == b"-":
            answer = stream.readline()
        true(answer[:1] in b"23", f"{line!r}: {answer!r}")
    client.close()


def found(world, user, password=None):
    client = world.imap(user)
    answer = client.login(user, password or world.password(user))
    true(b" OK " in answer, f"{answer!r}")
    client.ok("SELECT INBOX")
    numbers = client.ok('SEARCH SUBJECT "only here"')[0].split()[2:]
    client.logout()
    return len(numbers)


@case
def a_lost_registry_costs_no_mail(world):
    """`up` does not begin anew beside the mailbox; rebuild brings the account back, and
    what is only here is still here."""
    ferry = world.ferry
    user = world.user(30)
    world.move(user)
    deliver(world, user)
    equal(found(world, user), 1, "before")
    before = world.here(user)
    ferry.stop()
    state = Path(ferry.settings["state_dir"])
    for path in state.glob("registry.sqlite*"):
        path.unlink()
    subprocess.run(["rm", "-rf", state / "copies"], check=True)
    done = ferry.command("up")
    equal(done.returncode, 1, "up")
    true("in service" in done.stderr and "mailferry registry rebuild" in done.stderr,
         done.stderr)
    text = ferry.ok("registry", "rebuild")
    true(f"{user} lives here; its password is lost" in text, text)
    ferry.start()
    subprocess.run(world.lab.router.command(*ferry.arguments("passwd", user)),
                   input=world.password(user).encode() + b"\n", check=True,
                   stdout=subprocess.DEVNULL, env=ferry.environment())
    equal(found(world, user), 1, "after")
    equal(world.here(user), before, "all of it")


@case
def an_old_registry_copies_over_nothing(world):
    """The account was taken out of the registry while nothing ran, and nobody asked `up`:
    the transfer itself does not touch the folder."""
    ferry = world.ferry
    user = world.user(30)
    world.move(user)
    deliver(world, user)
    before = world.here(user)
    subprocess.run(["sqlite3", str(Path(ferry.settings["state_dir"]) / "registry.sqlite"),
                    "PRAGMA busy_timeout = 5000; UPDATE account SET route = 'source',"
                    f" stage = 'idle' WHERE name = '{user}'"], check=True,
                   stdout=subprocess.DEVNULL)
    world.session(user).logout()
    account = ferry.wait_account(user, stage="failed")
    true("nothing is copied over it" in account["last_error"], account["last_error"])
    equal(found(world, user), 0, "the source serves its own")
    ferry.stop()
    ferry.ok("registry", "rebuild")
    ferry.start()
    subprocess.run(world.lab.router.command(*ferry.arguments("passwd", user)),
                   input=world.password(user).encode() + b"\n", check=True,
                   stdout=subprocess.DEVNULL, env=ferry.environment())
    equal(world.here(user), before, "all of it is still here")


@case
def flipped_bytes_are_refused_and_said(world):
    """One damaged message is an error for that message alone, and `status` names it."""
    ferry = world.ferry
    user = world.user(30)
    world.move(user)
    folder = Path(ferry.settings["state_dir"]) / "mail" / user
    wait_until("the process to leave",
               lambda: subprocess.run(["flock", "-n", folder / "lock", "true"],
                                      check=False).returncode == 0, 60)
    uid, offset, length = subprocess.run(
        ["sqlite3", str(folder / "index.sqlite"),
         "SELECT uid || ' ' || offset || ' ' || len FROM message JOIN mailbox ON id = mailbox"
         " WHERE name = 'INBOX' AND pack = 1 ORDER BY offset LIMIT 1"],
        check=True, capture_output=True, text=True).stdout.split()
    with open(folder / "bodies" / "0001.pack", "r+b") as pack:
        pack.seek(int(offset) + int(length) // 2)
        byte = pack.read(1)
        pack.seek(-1, 1)
        pack.write(bytes([byte[0] ^ 0x20]))
    client = world.session(user)
    client.ok("SELECT INBOX")
    _, answer = client.command(f"UID FETCH {uid} BODY.PEEK[]")
    true(b" NO " in answer or b" BAD " in answer, f"{answer!r}")
    others = client.ok("UID SEARCH ALL")[0].split()[2:]
    client.ok(f"UID FETCH {[u for u in others if int(u) != int(uid)][0].decode()} BODY.PEEK[]")
    client.logout()
    done = wait_until("status to say it", lambda: problems(ferry, "is damaged"))
    equal(done.returncode, 1, "status")
    true(user in done.stdout and "is damaged" in done.stdout and
         f"`mailferry account {user} --again`" in done.stdout, done.stdout)


def problems(ferry, words):
    """What `status` says, when these words are in it: the mailstore tells `up` of it."""
    done = ferry.command("status", "--exit-code")
    return done if words in done.stdout else None


def renamed(folder, backup):
    """A copy beside it, then two renames."""
    subprocess.run(["cp", "-a", backup, folder.with_name("beside")], check=True)
    folder.rename(folder.with_name("away"))
    folder.with_name("beside").rename(folder)
    subprocess.run(["rm", "-rf", folder.with_name("away")], check=True)


def removed(folder, backup):
    subprocess.run(f"rm -rf {folder} && cp -a {backup} {folder}", shell=True, check=True)


def move_and_back_up(world):
    """A user, their folder, and a copy of it from before their last mail."""
    user = world.user(30)
    world.move(user)
    world.session(user).logout()
    folder = Path(world.ferry.settings["state_dir"]) / "mail" / user
    backup = world.ferry.folder / f"backup-{user}"
    free(folder)
    subprocess.run(["cp", "-a", folder, backup], check=True)
    deliver(world, user)
    equal(found(world, user), 1, "mail that the backup lacks")
    return user, folder, backup


def free(folder):
    wait_until("the process to leave",
               lambda: subprocess.run(["flock", "-n", folder / "lock", "true"],
                                      check=False).returncode == 0, 60)


def said_at_the_end(client):
    """What an open session is told by its next command."""
    client.send(b"x NOOP\r\n")
    return client.file.read()


@table([("by renaming", renamed), ("by removing", removed)])
def a_folder_copied_back_is_served_from_then_on(world, restore):
    user, folder, backup = move_and_back_up(world)
    client = world.session(user)
    client.ok("SELECT INBOX")
    restore(folder, backup)
    wait_until("the master to see it", lambda: f"replaced account={user} " in
               world.ferry.log.read_text(errors="replace"))
    world.ferry.settle()
    said = said_at_the_end(client)
    true(b"BYE" in said and b"x OK" not in said, f"{said!r}")
    equal(found(world, user), 0, "what the backup lacks")
    deliver(world, user)
    equal(found(world, user), 1, "new mail")
    free(folder)
    equal(found(world, user), 1, "and it is still there")


@case
def files_replaced_under_a_user_are_refused_and_said(world):
    """With what was written meanwhile beside them they would be no mailbox."""
    user, folder, backup = move_and_back_up(world)
    client = world.session(user)
    client.ok("SELECT INBOX")
    client.ok("STORE 1 +FLAGS (meanwhile)")
    subprocess.run(f"cp -a {backup}/. {folder}/", shell=True, check=True)
    answer = said_at_the_end(client)
    true(b"BYE" in answer and b"x OK" not in answer, f"{answer!r}")
    client = world.imap(user)
    answer = client.login(user, world.password(user))
    true(b"[UNAVAILABLE]" in answer, f"{answer!r}")
    client.close()
    done = wait_until("status to say it", lambda: problems(world.ferry, "the whole folder"))
    equal(done.returncode, 1, "status")
    true(user in done.stdout and "remove the whole folder" in done.stdout, done.stdout)
    removed(folder, backup)
    equal(found(world, user), 0, "what the backup lacks")


if __name__ == "__main__":
    main(lambda: World(postfix=True))
