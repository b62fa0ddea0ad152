#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry account USER --again`: what is lost or damaged of a mailbox here comes from the
source once more, while its user goes on; what does not is named."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.compare import differences  # noqa: E402
from lab.harness import World, case, equal, main, nothing, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402

KILLS = 9


def folder_of(world, user):
    return Path(world.ferry.settings["state_dir"]) / "mail" / user


def flip(world, user, uid, folder="INBOX"):
    """A bit in the middle of its body, where it lies in a pack."""
    pack, offset, length = rows(world, user, "SELECT pack, offset, len FROM message JOIN mailbox"
                                f" ON id = mailbox WHERE name = '{folder}' AND uid = {uid}")[0]
    with open(folder_of(world, user) / "bodies" / f"{int(pack):04}.pack", "r+b") as file:
        file.seek(int(offset) + int(length) // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0x20]))


def rows(world, user, statement):
    done = subprocess.run(["sqlite3", "-separator", " ", str(folder_of(world, user) /
                                                             "index.sqlite"), statement],
                          check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


def packed(world, user):
    """UIDs in INBOX whose bodies lie in packs."""
    return [row[0] for row in rows(world, user, "SELECT uid FROM message JOIN mailbox"
                                   " ON id = mailbox WHERE name = 'INBOX' AND pack > 0"
                                   " ORDER BY uid")]


def again(world, user, code=0):
    done = world.ferry.command("account", user, "--again", "--json")
    equal(done.returncode, code, done.stdout + done.stderr)
    return json.loads(done.stdout)


def alarms(world):
    return [line for line in world.ferry.ok("metrics").splitlines()
            if line.startswith('mailferry_alarms{kind="damage"}')]


def sound(world, user):
    done = world.ferry.command("store", "check", user)
    equal(done.returncode, 0, done.stdout + done.stderr)


def fetched(client, uid):
    answer = b"".join(client.ok(f"UID FETCH {uid} (FLAGS BODY.PEEK[])"))
    return re.sub(rb"^\* \d+ ", b"", answer.split(b"\r\n", 1)[0]), answer


@case
def flipped_bytes_while_a_session_reads(world):
    user = world.user(40)
    world.move(user)
    before = world.at_source(user)
    reader = world.session(user)
    reader.ok("SELECT INBOX")
    chosen = packed(world, user)[3:6]
    wanted = [fetched(reader, uid) for uid in chosen]
    world.ferry.kill("mailstore", lambda pids: pids[-1])  # what it has compared is forgotten
    reader.close()
    for uid in chosen:
        flip(world, user, uid)
    reader = world.session(user)
    reader.ok("SELECT INBOX")
    for uid in chosen:
        _, answer = reader.command(f"UID FETCH {uid} BODY.PEEK[]")
        true(b" NO " in answer, f"{answer!r}")
    told = wait_until("status", lambda: [line for line in world.ferry.json("status")["attention"]
                                         if line.startswith(user)])
    true(f"`mailferry account {user} --again`" in told[0], told)
    true(alarms(world), "metrics")
    done = again(world, user)
    equal((done["lost"], done["mended"], done["left"], done["messages"]), (3, 3, 0, []), done)
    equal([fetched(reader, uid) for uid in chosen], wanted, "the session that was there before")
    reader.logout()
    nothing([line for line in world.ferry.json("status")["attention"]
             if line.startswith(user)], "status")
    nothing(alarms(world), "metrics")
    nothing(differences(before, world.here(user)), "differences")
    sound(world, user)
    equal(again(world, user)["lost"], 0, "nothing is left to do")
    equal(world.ferry.account(user)["again"]["left"], 0, "account")


@case
def a_pack_is_gone_and_idle_is_not_disturbed(world):
    user = world.user(60)
    world.move(user)
    before = world.at_source(user)
    reader = world.session(user)
    reader.ok("SELECT INBOX")
    reader.send(b"I1 IDLE\r\n")
    true(reader.line().startswith(b"+"), "IDLE")
    for pack in (folder_of(world, user) / "bodies").glob("*.pack"):
        pack.unlink()
    done = again(world, user)
    true(done["lost"] == done["mended"] > 20, done)
    reader.send(b"DONE\r\n")
    said, _ = reader.until(b"I1")
    equal([line for line in said if not line.startswith(b"* OK")], [], "what IDLE was told")
    reader.logout()
    nothing(differences(before, world.here(user)), "differences")
    sound(world, user)
    text = world.ferry.ok("account", user)
    true(f"{done['lost']} messages were lost or damaged here; {done['lost']} transferred" in text,
         text)


@case
def what_cannot_be_had_is_named(world):
    user = world.user(40)
    world.move(user)
    client = world.session(user)
    client.ok("SELECT INBOX")
    gone, moved, other = packed(world, user)[:3]
    client.ok("CREATE Kept")
    client.ok(f"UID MOVE {moved} Kept")
    client.ok("APPEND INBOX {70017+}\r\nSubject: ours\r\n\r\n" + "x" * 70000)
    ours = client.ok("UID SEARCH SUBJECT ours")[0].split()[2].decode()
    client.logout()
    world.server.doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", gone)
    for uid, folder in ((gone, "INBOX"), (other, "INBOX"), (ours, "INBOX"), ("1", "Kept")):
        flip(world, user, uid, folder)
    done = again(world, user, code=1)
    equal((done["lost"], done["mended"], done["left"]), (4, 2, 2), done)
    why = {(m["mailbox"], str(m["uid"])): m["why"] for m in done["messages"]}
    equal(sorted(why), sorted([("INBOX", gone), ("INBOX", ours)]), f"{why}")
    true("gone at the source" in why["INBOX", gone], why)
    true("came here after the move" in why["INBOX", ours], why)
    text = world.ferry.command("account", user, "--again")
    true(text.returncode == 1 and "A backup has" in text.stdout, text.stdout + text.stderr)
    client = world.session(user)
    client.ok("EXAMINE Kept")
    client.ok("UID FETCH 1 BODY.PEEK[]")
    client.logout()


@case
def a_password_that_the_source_refuses(world):
    user = world.user(20)
    world.move(user)
    uid = packed(world, user)[0]
    flip(world, user, uid)
    password = world.password(user)
    world.server.add_user(user, "another one")
    done = again(world, user, code=1)
    true("Authentication failed" in done["source"], done)
    true("Authentication failed" in done["messages"][0]["why"], done)
    world.server.add_user(user, password)
    equal(again(world, user)["mended"], 1, "as soon as it takes it")


@case
def one_that_does_not_live_here_yet(world):
    user = world.user(5)
    client = world.session(user)
    world.ferry.wait_account(user, stage="catching-up")
    equal(world.ferry.ok("account", user, "--again").strip(), "due now", "as by `transfer`")
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local")


@case
def what_each_takes_here(world):
    """`accounts --use`; an account that has nothing here has no use."""
    user, other = world.user(20), world.user(5)
    world.move(user)
    world.ferry.ok("transfer", "--pause")
    world.session(other).logout()
    shown = {row["name"]: row["use"] for row in world.ferry.json("accounts", "--use")}
    world.ferry.ok("transfer", "--resume")
    equal(shown[other], None, "it is at the source")
    world.ferry.ok("quota", user, "--set", "0,1000")
    held = world.ferry.json("quota", user)
    rows_of = {row["name"]: row for row in world.ferry.json("accounts", "--use")}
    use = rows_of[user]["use"]
    equal((use["bytes"], use["messages"], use["quota_messages"], use["percent"]),
          (held["bytes"], held["messages"], 1000, held["percent"]), "as `quota` says it")
    true(use["messages"] > 20 and use["disk"] > use["bytes"], use)
    files = [f for f in folder_of(world, user).rglob("*") if f.is_file()]
    equal(use["disk"], sum(f.stat().st_blocks * 512 for f in files), "on the disk")
    line = next(line for line in world.ferry.ok("accounts", "--use").splitlines()
                if line.startswith(user + " "))
    true(str(use["messages"]) in line.split() and "local" in line, line)


@case
def killed_at_any_moment(world):
    """The process that fetches, the mailstore's, the scheduler: one after the other."""
    user = world.user(120)
    world.move(user)
    before = world.at_source(user)
    for pack in (folder_of(world, user) / "bodies").glob("*.pack"):
        pack.unlink()
    results = []
    asked = threading.Thread(target=lambda: results.append(
        world.ferry.command("account", user, "--again", "--json")))
    asked.start()
    killed = 0
    for n in range(KILLS):
        with contextlib.suppress(TimeoutError):
            wait_until("a process that fetches, or the end",
                       lambda: len(world.ferry.processes("transfer")) > 1 or
                       not asked.is_alive(), 5, 0.002)
        if not asked.is_alive():
            break
        time.sleep(0.02 * n)
        pids = world.ferry.processes("mailstore" if n % 3 == 1 else "transfer")
        for pid in pids[:1] if n % 3 == 2 else pids[1:][-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    true(killed, "something was killed")
    asked.join(60)
    world.ferry.programs_run()
    wait_until("the transfer", lambda: world.ferry.command(
        "account", user, "--again").returncode == 0, 60, 0.2)
    nothing(differences(before, world.here(user)), "differences")
    sound(world, user)
    true(results and "AddressSanitizer" not in results[0].stderr, results)


@case
def an_index_that_cannot_be_read_is_said(world):
    user = world.user(5)
    world.move(user)
    (folder_of(world, user) / "index.sqlite").write_bytes(b"rubbish" * 1000)
    done = again(world, user, code=1)
    true("index.sqlite" in done["error"] and done["left"] == 1, done)


@case
def once_the_source_is_retired(world):
    user = world.user(10)
    world.move(user)
    flip(world, user, packed(world, user)[0])
    world.ferry.ok("retire", "--yes", "--force")
    done = again(world, user, code=1)
    equal(done["source"], "the source is retired", done)
    world.ferry.ok("retire", "--undo", "--yes")
    equal(again(world, user)["left"], 0, "when it is there again")


if __name__ == "__main__":
    main(World)
