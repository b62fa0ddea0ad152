#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that moves on to another server: everything is there but the UIDs, once, and in
the same order, whoever is killed meanwhile; what comes late comes there, too."""
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SHORE_ADDRESS, Shore  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_shore import DovecotShore  # noqa: E402

ADDRESS = SHORE_ADDRESS[0]
KILLS = 4


def key_of(certificate):
    """SHA-256 of its public key, as `check` shows it."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"],
                         check=True, stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                         check=True, stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()


class Onward(World):
    """No name and no UID there can be the source's: another separator, all below INBOX."""

    def __init__(self):
        super().__init__(network=Shore, settings={
            "destination": f"imaps://{ADDRESS}", "destination_verify": "pin",
            "uids": "new", "sweep": 1})
        self.next = DovecotShore(self.lab.folder, self.lab.network.shore, separator=".",
                                 prefix="INBOX.")
        self.lab.after_network = self.raise_next

    def raise_next(self):
        self.next.prepare()
        self.ferry.settings["destination_pin"] = key_of(self.next.folder / "cert.pem")
        self.next.start()
        self.lab.at_down.append(self.next.stop)

    def user(self, messages=60, password=None, mailbox=None):
        name = super().user(messages, password, mailbox)
        self.next.add_user(name, self.password(name))
        self.next.home(name).mkdir()
        os.chmod(self.next.home(name), 0o777)
        return name

    def connect_there(self):
        return self.next.namespace.connect(ADDRESS, 143)

    def there(self, user):
        client = Imap(self.connect_there())
        true(b" OK " in client.login(user, self.password(user)), "login at the destination")
        return client

    def snapshot_there(self, user):
        return compare.snapshot(self.connect_there(), user, self.password(user))

    @staticmethod
    def search(client, what):
        """UIDs."""
        answer = next(line for line in client.ok(f"UID SEARCH {what}")
                      if line.startswith(b"* SEARCH"))
        return answer.split()[2:]

    def late(self, user, token, folder="INBOX"):
        self.server.deliver(user, f"Subject: {token}\r\n\r\n{token}\r\n".encode(), folder)

    def found(self, user, token, folder="INBOX"):
        client = self.there(user)
        client.ok(f"EXAMINE {folder}")
        uids = self.search(client, f"SUBJECT {token}")
        client.logout()
        return uids

    def wait_there(self, user, token, folder="INBOX"):
        wait_until(f"{token} at the destination",
                   lambda: self.found(user, token, folder), 60, 0.3)


def plain(name):
    """INBOX.Work.Deep there is Work/Deep at the source."""
    return name.removeprefix(b"INBOX.").replace(b".", b"/").removeprefix(b"INBOX/")


def in_order(snap):
    """Without UIDs: a message is its place."""
    def folder(f):
        return {"exists": f.get("exists", 0),
                "messages": dict(enumerate(f["messages"][u] for u in sorted(f["messages"])))}

    def names(listed):
        return {plain(n): (b"/", attributes - {b"\\haschildren", b"\\hasnochildren"})
                for n, (_, attributes) in listed.items()}
    return {"list": names(snap["list"]), "lsub": names(snap["lsub"]),
            "folders": {plain(n): folder(f) for n, f in snap["folders"].items()}}


def is_of_dovecot(line, proof):
    """It dates mail from the future now, and subscribes nothing that there is not."""
    if "internaldate was 01-Jan-2039" in line:
        return proof["future_dates_not_kept"] == 1
    return any(f"LSUB: {plain(name.encode())!r} is gone" == line
               for name in proof.get("subscriptions_not_kept", []))


def expect_equal(world, user):
    proof = world.ferry.account(user)["certificate"]["destination"]
    lines = compare.differences(*(in_order(s) for s in (
        world.at_source(user), world.snapshot_there(user))))
    equal([line for line in lines if not is_of_dovecot(line, proof)], [], f"{user} there")
    return proof


@case
def everything_is_there_but_the_uids(world):
    user = world.user(120)
    world.session(user).logout()
    account = world.ferry.wait_account(user, 90, stage="done", route="local")
    proof = expect_equal(world, user)
    equal(account["uids_kept"], False, "uids_kept")
    equal(account["uidls_kept"], False, "uidls_kept")
    equal((proof["UIDs"], proof["server"], proof["messages"]),
          ("new", f"{ADDRESS}:993", compare.count(world.at_source(user))[1]), json.dumps(proof))
    equal(account["certificate"]["result"], "equal", "certificate")
    equal(compare.differences(world.snapshot_there(user), world.here(user)), [],
          "what is served through the router")
    true("keywords_not_kept" not in proof and "flags_not_kept" not in proof, f"{proof}")


@case
def late_mail_comes_there_and_what_its_user_did_stays(world):
    user = world.user(20)
    world.session(user).logout()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    client = world.there(user)
    client.ok("SELECT INBOX")
    client.ok("STORE 1 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    exists = len(world.search(client, "ALL"))
    client.ok("STORE 1 FLAGS (\\Flagged Mine)")
    world.late(user, "late-one")
    world.wait_there(user, "late-one")
    client.ok("NOOP")
    equal(len(world.search(client, "ALL")), exists + 1, "messages")
    answer = b"".join(client.ok("FETCH 1 FLAGS"))
    true(b"\\Flagged" in answer and b"Mine" in answer, f"{answer!r}")
    client.ok(f"UID STORE {world.found(user, 'late-one')[0].decode()} +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    world.late(user, "late-two")
    world.wait_there(user, "late-two")
    time.sleep(2.5)  # two more looks
    equal(world.found(user, "late-one"), [], "what its user removed there")
    equal(len(world.found(user, "late-two")), 1, "the second")
    equal(world.ferry.account(user)["swept"]["messages"], 2, "swept")
    client.logout()


def change_there(world, user):
    """Everything that its user can do at the destination."""
    client = world.there(user)
    client.ok("SELECT INBOX")
    client.ok("STORE 1,2 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("STORE 1 FLAGS (\\Flagged Mine)")
    client.ok("APPEND INBOX (\\Seen Mine) \"03-Feb-2021 04:05:06 +0200\" {27+}\r\n"
              "Subject: written there\r\n\r\nx")
    client.ok("CREATE INBOX.New")
    client.ok("SUBSCRIBE INBOX.New")
    client.ok("COPY 2 INBOX.New")
    client.ok("MOVE 3 INBOX.New")
    client.ok("CREATE INBOX.Old")
    client.ok("APPEND INBOX.Old {22+}\r\nSubject: in old one\r\n\r\n")
    client.ok("RENAME INBOX.Old INBOX.Other")
    client.logout()
    world.next.deliver(user, b"Subject: delivered there\r\n\r\nx\r\n")


def as_heaps(*snaps):
    """{folder: its messages in any order}: late mail came to the source before what was written
    at the destination is appended there. Dovecot dates mail from the future now."""
    future = {m["body"] for snap in snaps for f in snap["folders"].values()
              for m in f["messages"].values() if b"-2039 " in m["internaldate"]}

    def essence(m):
        # equal sets need not look alike
        return repr(sorted((key, sorted(value) if isinstance(value, frozenset) else value)
                           for key, value in m.items()
                           if key != "internaldate" or m["body"] not in future))
    return [{plain(name): sorted(essence(m) for m in f["messages"].values())
             for name, f in snap["folders"].items()} for snap in snaps]


@case
def the_way_back_there_and_back_again(world):
    """From the destination to the source, with all that was done there; and once more."""
    user = world.user(60)
    world.session(user).logout()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    change_there(world, user)
    world.late(user, "swept-there")
    world.wait_there(user, "swept-there")
    before = world.at_source(user)
    told = world.ferry.json("route", user, "source", "--dry-run")["carried"]
    equal(told["result"], "dry run", f"{told}")
    equal(compare.differences(before, world.at_source(user)), [], "the source, by a dry run")
    rename = world.there(user)
    name = next(n.decode() for n, f in sorted(before["folders"].items())
                if f["messages"] and n.isalnum() and n != b"INBOX")
    rename.ok(f"RENAME INBOX.{name} INBOX.Renamed")  # one that came from the source
    rename.logout()
    session = world.session(user)  # relayed to the destination
    there = world.snapshot_there(user)
    done = world.ferry.json("route", user, "source")
    equal((done["route"], done["carried"]["result"], done["carried"]["renamed"]),
          ("source", "returned", 1), f"{done}")
    said = session.news()
    true(said == b"" or said.startswith(b"* BYE"), f"the session there: {said!r}")
    session.close()
    here, source = as_heaps(there, world.at_source(user))
    equal({n: f for n, f in source.items() if here.get(n) != f},
          {n: f for n, f in here.items() if source.get(n) != f}, "the source and the destination")
    equal(done["carried"]["messages"], told["messages"], "as was foretold")
    logins = len(world.server.logins(user))
    world.session(user).logout()
    true(len(world.server.logins(user)) > logins, "served by the source")
    late = world.session(user)
    late.ok("APPEND INBOX {24+}\r\nSubject: back again\r\n\r\nx")
    world.ferry.ok("route", user, "auto")
    late.logout()
    world.session(user).logout()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    expect_equal(world, user)


@case
def the_way_back_is_killed_at_any_moment(world):
    user = world.user(40)
    world.session(user).logout()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    change_there(world, user)
    there = world.snapshot_there(user)
    asked = subprocess.Popen(
        world.lab.router.command(*world.ferry.arguments("route", user, "source")),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=world.ferry.environment())
    for n in range(KILLS):
        with contextlib.suppress(TimeoutError):
            wait_until("a process that brings it back",
                       lambda: len(world.ferry.processes("transfer")) > 1, 5, 0.002)
        time.sleep(0.05 + 0.15 * n)
        kill_a_mover(world)
    asked.wait(60)
    world.ferry.ok("route", user, "source")
    here, source = as_heaps(there, world.at_source(user))
    equal({n: f for n, f in source.items() if here.get(n) != f},
          {n: f for n, f in here.items() if source.get(n) != f}, "the source and the destination")


@case
def the_way_back_without_a_password_there(world):
    """They stay where they are, and are served."""
    user = world.user(5)
    world.session(user).logout()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    world.next.add_user(user, "changed there")
    done = world.ferry.command("route", user, "source")
    true(done.returncode == 1 and "the destination" in done.stderr, done.stderr)
    client = world.imap(user)
    true(b" OK " in client.login(user, "changed there"), "served by the destination")
    client.logout()
    equal(world.ferry.account(user)["route"], "local", "route")


def kill_a_mover(world):
    for pid in world.ferry.processes("transfer")[1:][-1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@case
def killed_at_any_moment_nothing_is_doubled_or_lost(world):
    user = world.user(250)
    world.session(user).logout()
    for n in range(KILLS):
        with contextlib.suppress(TimeoutError):
            wait_until("a process that moves it",
                       lambda: len(world.ferry.processes("transfer")) > 1, 5, 0.002)
        time.sleep(0.1 + 0.13 * n)
        kill_a_mover(world)
        if world.ferry.account(user)["route"] == "local":
            break
    world.ferry.command("transfer", user)
    world.ferry.wait_account(user, 90, stage="done", route="local")
    expect_equal(world, user)


@case
def a_password_that_it_does_not_take(world):
    """The user stays at the source, and hears nothing of it."""
    user = world.user(5)
    world.next.add_user(user, "another one")
    world.session(user).logout()
    account = wait_until("a failure", lambda: failed(world, user), 60, 0.2)
    true(ADDRESS in account["last_error"] and "password" in account["last_error"],
         account["last_error"])
    equal(account["route"], "source", "route")
    world.session(user).logout()
    world.next.add_user(user, world.password(user))
    world.ferry.ok("transfer", user, "--wait")
    expect_equal(world, user)


def failed(world, user):
    account = world.ferry.account(user)
    return account if account and account["last_error"] else None


if __name__ == "__main__":
    main(Onward)
