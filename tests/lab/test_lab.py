#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory itself, without mailferry: plain routing, a real old server."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.distance import Distance  # noqa: E402
from lab.harness import World, case, equal, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.mail import bulk, generate  # noqa: E402
from lab.network import SOURCE_ADDRESS, client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402


@case
def the_source_logs_the_clients_own_address(world):
    user = world.user(5)
    for family in (4, 6):
        world.session(user, family).logout()
    world.expect_source_logins(user, world.address(user), world.address(user, 6))


@case
def a_snapshot_does_not_touch_the_source(world):
    mailbox = generate("untouched", 100)
    user = world.user(mailbox=mailbox)
    world.session(user).logout()  # makes Dovecot's index, as any user has done
    world.server.deliver(user, b"Subject: new\r\n\r\nunseen\r\n")
    files = compare.files(world.server.mail(user))
    before = compare.status(world.direct(), user, world.password(user))
    equal(before[b"INBOX"][3], b"1", "RECENT")
    first, second = world.here(user), world.at_source(user)
    nothing(compare.differences(first, second), "two readings of one mailbox")
    equal(compare.count(first)[1], mailbox.count() + 1, "messages")
    nothing(compare.file_differences(files, compare.files(world.server.mail(user))), "files")
    equal(compare.status(world.direct(), user, world.password(user)), before)


@case
def each_planted_difference_is_found(world):
    user = world.user(100)
    before = world.at_source(user)
    client = Imap(world.direct())
    client.login(user, world.password(user))
    client.ok("SELECT INBOX")
    inbox = sorted(before["folders"][b"INBOX"]["messages"])
    for command in ("CREATE New", "UNSUBSCRIBE Sent", f"UID STORE {inbox[0]} +FLAGS (odd)",
                    f"UID STORE {inbox[1]} +FLAGS (\\Deleted)", f"UID EXPUNGE {inbox[1]}",
                    "APPEND INBOX {1+}\r\nx"):
        client.ok(command)
    client.logout()
    lines = compare.differences(before, world.at_source(user))
    for wanted in ("LIST: b'New' is new", "LSUB: b'Sent' is gone", "(odd)", "is new", "is gone",
                   "INBOX: uidnext"):
        true(any(wanted in line for line in lines), f"{wanted} is missing in {lines}")
    nothing([line for line in lines if "INBOX" not in line and "New" not in line
             and "Sent" not in line], "more than was changed")


@case
def mail_from_outside_arrives(world):
    user = world.user(5)
    world.lab.postfix.write_tables([user], {"info": f"{user}@example.com"})
    mail = world.lab.folder / "mail.eml"
    mail.write_bytes(b"Subject: from outside\r\n\r\nhello\r\n")
    for number, to in enumerate((user, "info"), 1):
        done = world.lab.client.run(
            "curl", "-sS", "--interface", client_address(14), "smtp://198.51.100.10",
            "--mail-from", "x@example.org", "--mail-rcpt", f"{to}@example.com", "-T", mail)
        equal(done.returncode, 0, done.stdout)

        def arrived(wanted=b"%d" % number):
            status = compare.status(world.direct(), user, world.password(user))
            return status[b"INBOX"][3] == wanted
        wait_until(f"mail {number}", arrived)


@case
def a_killed_lab_is_swept(_world):
    script = Path(__file__).with_name("lab")
    up = subprocess.run([script, "up", "--bare"], text=True, stdout=subprocess.PIPE, check=True)
    lab_id = up.stdout.split()[1]
    folder = Path(f"/tmp/mf-{lab_id}")
    state = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=True)
    os.kill(state["pid"], signal.SIGKILL)
    subprocess.run([script, "sweep"], stdout=subprocess.DEVNULL, check=True)
    wait_until("its end", lambda: not folder.exists())  # another lab may be sweeping it, too
    names = subprocess.run(["ip", "netns"], text=True, stdout=subprocess.PIPE, check=True).stdout
    true(f"mf-{lab_id}-" not in names, "its namespaces")


@case
def a_distant_server_is_as_far_as_it_says(world):
    """Each question waits for a round trip, and much at once comes as fast as it is sent."""
    user = world.user(mailbox=bulk("far", messages=100, mean=100_000, folders=1))
    near = 0
    for seconds in (0, 0.1):
        with Distance(world.lab.source, SOURCE_ADDRESS[0], 143, seconds) as far:
            client = Imap(world.lab.router.connect(SOURCE_ADDRESS[0], far.port))
            client.login(user, world.password(user))
            began = time.monotonic()
            for _ in range(10):
                client.ok("NOOP")
            took = time.monotonic() - began
            true(took >= 10 * seconds, f"10 turns in {took:.3f} s of {seconds} s each")
            client.ok("EXAMINE INBOX")
            began = time.monotonic()
            got = sum(len(line) for line in client.ok("FETCH 1:* BODY.PEEK[]"))
            took = time.monotonic() - began
            true(got > 5_000_000, f"{got} bytes")
            true(not near or took < 3 * near + 5,  # 10 s more if it waited for each message
                 f"{got} bytes in {took:.2f} s, {near:.2f} s without a distance")
            near = took
            client.logout()


main(lambda: World(ferry=False, postfix=True))
