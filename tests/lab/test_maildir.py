#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that moves into a Maildir, which a Dovecot then serves (`destination`): its user
sees no difference, by IMAP and POP3, whoever is killed meanwhile.

    test_maildir.py [--cyrus|--courier] [WORD...]
"""
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3  # noqa: E402
from lab.harness import World, case, equal, main, nothing, true  # noqa: E402
from lab.intruder import POSSIBLE, Intruder, Refused  # noqa: E402
from lab.intruder_attempts import (  # noqa: E402
    ATTEMPTS, Prey, opens, outcomes, protection)
from lab.network import SHORE_ADDRESS, SOURCE_ADDRESS, Shore, run  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.pop3_world import imap_differences  # noqa: E402
from lab.processes import start_time, wait_until  # noqa: E402
from lab.server_courier import Courier  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402
from lab.server_dovecot import OWNER, give_away  # noqa: E402
from lab.server_shore import DovecotOnMaildirs  # noqa: E402

ADDRESS = SHORE_ADDRESS[0]
KILLS = 6


class Maildirs(World):
    def __init__(self, separator="/", **options):
        super().__init__(network=Shore, settings={"sweep": 1}, **options)
        tree = self.lab.folder / "tree"
        self.settings_of(tree)
        self.next = DovecotOnMaildirs(self.lab.folder, self.lab.network.shore, tree,
                                      separator=separator)
        self.lab.after_network = self.raise_next

    def settings_of(self, tree):
        self.ferry.settings["destination"] = [
            f"maildir:{tree}/%n", f"imap://{ADDRESS}", f"lmtp://{ADDRESS}:24"]
        self.ferry.settings["maildir_owner"] = OWNER

    def raise_next(self):
        self.next.prepare()
        self.next.start()
        self.lab.at_down.append(self.next.stop)

    def user(self, messages=60, password=None, mailbox=None):
        name = super().user(messages, password, mailbox)
        self.next.add_user(name, self.password(name))
        self.next.home(name).mkdir()
        os.chmod(self.next.home(name), 0o777)
        return name

    def pop3_of(self, user, connection):
        return compare_pop3.snapshot(connection, user, self.password(user))

    def notes(self, user):
        """Of messages in the Maildir: which of here they are."""
        path = Path(self.ferry.settings["state_dir"]) / "mail" / user / "index.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True,
                                                timeout=5)) as database:
            return database.execute(
                "SELECT count(*) FROM counterpart WHERE side = 1").fetchone()[0]

    def moves(self, user):
        return self.ferry.wait_account(user, 90, stage="done", route="local")


def failed(world, user, word):
    account = world.ferry.account(user)
    return account if account and word in (account["last_error"] or "") else None


def fails(world, user, word):
    """It stays at the source, and says so."""
    account = wait_until(f"a failure: {word}", lambda: failed(world, user, word), 60, 0.2)
    equal(account["route"], "source", "route")
    world.session(user).logout()
    return account


def go_on(world, user):
    world.ferry.command("transfer", user)
    return world.moves(user)


@case
def its_user_sees_no_difference(world):
    user = world.user(120)
    pop3 = Pop3(world.lab.connect(110, world.address(user)))
    true(pop3.login(user, world.password(user)).startswith(b"+OK"), "POP3")
    pop3.ok("QUIT")
    pop3.close()
    account = world.moves(user)
    before, here = world.at_source(user), world.here(user)
    # Dovecot lists the folder between INBOX and INBOX.INBOX.Inside, which Cyrus has not
    here["list"] = {name: about for name, about in here["list"].items()
                    if name in before["list"] or b"\\noselect" not in about[1]}
    nothing(imap_differences(before, here), "by IMAP")
    nothing(compare_pop3.differences(
        world.pop3_of(user, world.server.namespace.connect(SOURCE_ADDRESS[0], 110)),
        world.pop3_of(user, world.lab.connect(110, world.address(user)))), "by POP3")
    proof = account["certificate"]["destination"]
    equal((account["uids_kept"], account["uidls_kept"], proof["UIDs"], proof["messages"]),
          (True, True, "kept", compare.count(world.at_source(user))[1]), f"{proof}")
    true((user, world.address(user)) in world.next.logins(user), "who served it")
    files = [p for p in world.next.mail(user).rglob("*") if not p.name.startswith("dovecot.")]
    equal({path.stat().st_uid for path in files}, {world.next.tree.stat().st_uid}, "owners")


@case
def late_mail_comes_there(world):
    user = world.user(5)
    world.session(user).logout()
    world.moves(user)
    world.server.deliver(user, b"Subject: late-one\r\n\r\nlate-one\r\n")
    wait_until("it there", lambda: any(
        b"late-one" in path.read_bytes() for path in world.next.mail(user).glob("[cn]*/*")), 60)
    equal(len(world.here(user)["folders"][b"INBOX"]["messages"]),
          len(world.at_source(user)["folders"][b"INBOX"]["messages"]), "once")


def heaps(snap):
    """{folder: its messages in any order}, whatever their UIDs."""
    return {name: sorted((m["body"], m["internaldate"], sorted(m["flags"]))
                         for m in f["messages"].values()) for name, f in snap["folders"].items()}


@case
def the_way_back_brings_what_is_new_there(world):
    """To the source, from the server that has the files; it keeps what it has."""
    user = world.user(40)
    world.session(user).logout()
    world.moves(user)
    client = world.session(user)
    client.ok("SELECT INBOX")
    client.ok("STORE 1,2 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("STORE 1 FLAGS (\\Flagged Mine)")
    client.ok("APPEND INBOX (\\Seen) \"03-Feb-2021 04:05:06 +0200\" {27+}\r\n"
              "Subject: written there\r\n\r\nx")
    client.ok("CREATE made-there")
    client.ok("COPY 2 made-there")
    client.ok("MOVE 3 made-there")
    client.logout()
    world.server.deliver(user, b"Subject: late-one\r\n\r\nlate-one\r\n")
    wait_until("it there", lambda: any(
        b"late-one" in path.read_bytes() for path in world.next.mail(user).glob("[cn]*/*")), 60)
    there, before = world.here(user), world.at_source(user)
    told = world.ferry.json("route", user, "source", "--dry-run")["carried"]
    nothing(compare.differences(before, world.at_source(user)), "the source, by a dry run")
    done = world.ferry.json("route", user, "source")
    equal((done["route"], done["carried"]["result"], done["carried"]["messages"]),
          ("source", "returned", told["messages"]), f"{done}")
    source = heaps(world.at_source(user))
    for name, messages in heaps(there).items():
        equal(source.get(name), messages, f"{name!r} at the source")
    # once more, into files that are new: nothing is known of the old ones any more
    true(world.notes(user) > 0, "notes of the old ones")
    shutil.rmtree(world.next.mail(user))
    world.ferry.ok("route", user, "auto")
    world.session(user).logout()
    world.moves(user)
    equal(world.notes(user), 0, "notes")


def code_in(world, pid, kind, may, prey):
    """What it can do of what is tried, and should not; or cannot, and should."""
    equal(protection(pid), {"is root": False, "no_new_privs": "1", "seccomp": "2",
                            "dumpable": False, "core": True}, f"protection of {kind}")
    began = start_time(pid)
    found = outcomes(pid, prey)
    equal(start_time(pid), began, f"{kind} lives")
    wrong = [f"{kind}: {what}: {found[what] or 'done'}" for what, _, who in ATTEMPTS
             if (found[what] is None) != (kind in who)]
    with Intruder(pid) as intruder:
        for path, done in may.items():
            try:
                opens(str(path))(intruder, prey)
            except (OSError, Refused) as e:
                wrong += [f"{kind}: {path}: {e!r}"] if done else []
            else:
                wrong += [] if done else [f"{kind}: {path}: done"]
    return wrong


def starter_and_writer(world):
    """None as long as there is more than one of a kind: that of the last user is ending."""
    found = [world.ferry.processes_with("transfer", kind) for kind in ("maildirs", "maildir-writer")]
    return [pids[0] for pids in found] if [len(pids) for pids in found] == [1, 1] else None


@case
def code_in_its_writer_and_in_their_starter_reaches_nothing_else(world):
    """As test_intruder.py; the writer waits while its user is logged in at the source."""
    if not POSSIBLE:
        return
    other, user = world.user(3), world.user(3)
    world.session(other).logout()
    world.moves(other)
    stays = world.session(user)
    world.ferry.wait_account(user, 60, stage="catching-up")
    starter, writer = wait_until("one process of each kind", lambda: starter_and_writer(world))
    prey = Prey(world, world.ferry.processes("vault")[0], user, other)
    theirs, own = (next((world.next.mail(name) / "cur").glob("*")) for name in (other, user))
    nothing(code_in(world, starter, "starter", {theirs: True, own: True}, prey) +
            code_in(world, writer, "writer", {theirs: False, own: True}, prey),
            "what a thief can, or cannot though the process needs it")
    stays.logout()
    world.moves(user)


@case
def killed_at_any_moment(world):
    """The process that moves it, the writer, or who starts the writers."""
    user = world.user(250)
    world.session(user).logout()
    for n in range(KILLS):
        with contextlib.suppress(TimeoutError):
            wait_until("a process that moves it",
                       lambda: len(world.ferry.processes("transfer")) > 2, 5, 0.002)
        time.sleep(0.15 + 0.11 * n)
        victims = world.ferry.processes("transfer")[1:]
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[-1 - n % len(victims)], signal.SIGKILL)
        if world.ferry.account(user)["route"] == "local":
            break
    go_on(world, user)
    nothing(compare.differences(world.at_source(user), world.here(user)), "through the router")


@case
def what_changes_between_two_passes(world):
    """A copy that waits for the log-off follows what happens at the source."""
    user = world.user(40)
    client = world.session(user)
    client.ok("CREATE to-go")
    client.ok("SELECT INBOX")
    client.ok("COPY 1:5 to-go")
    wait_until("the Maildir", (world.next.mail(user) / ".to-go" / "dovecot-uidlist").exists, 60)
    client.ok("STORE 1:3 FLAGS (\\Flagged NewWord)")
    client.ok("STORE 5 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("DELETE to-go")
    client.ok("CREATE made-now")
    client.ok("COPY 7:9 made-now")
    client.logout()
    account = world.moves(user)
    equal(account["attempts"], 1, "attempts")
    nothing(compare.differences(world.at_source(user), world.here(user)), "through the router")


@case
def mail_of_others_is_not_touched(world):
    user = world.user(5)
    folder = world.next.mail(user) / "cur"
    folder.mkdir(parents=True)
    (folder / "1.somebody:2,S").write_text("Subject: mine\n\nmine\n", encoding="ascii")
    give_away(world.next.mail(user))
    world.session(user).logout()
    fails(world, user, "mailferry has not put there")
    equal(sorted(p.name for p in world.next.mail(user).iterdir()), ["cur"], "files")
    (folder / "1.somebody:2,S").unlink()
    go_on(world, user)


@case
def a_server_that_serves_other_files(world):
    """Nobody is sent to a mailbox that was not seen to be theirs."""
    user = world.user(5)
    text = world.next.config.read_text(encoding="ascii")
    world.next.config.write_text(text.replace(f"{world.next.tree}/%Ln", "~/elsewhere"),
                                 encoding="ascii")
    world.next.stop()
    world.next.start()
    world.session(user).logout()
    fails(world, user, "the destination ")
    world.next.config.write_text(text, encoding="ascii")
    world.next.stop()
    world.next.start()
    go_on(world, user)
    nothing(compare.differences(world.at_source(user), world.here(user)), "through the router")


@case
def what_a_master_user_copied_stays_out_of_it(world):
    """Until the user's own login has shown whose it is."""
    if world.server.name != "dovecot":
        return
    user = world.user(40)
    lists = [Path(world.lab.folder) / name for name in ("users", "master")]
    for path, text in zip(lists, (user, "ferryman:obol")):
        path.write_text(text + "\n", encoding="ascii")
        path.chmod(0o600)
    world.ferry.ok("import", "accounts", lists[0], "--master", lists[1])
    account = world.ferry.wait_account(user, stage="catching-up", route="source")
    true(account["messages_copied"] > 0, "nothing is copied")
    files = [p for p in world.next.mail(user).rglob("*") if p.is_file()]
    equal([p for p in files if p.name != "mailferry"], [], "in the Maildir")
    world.session(user).logout()
    world.moves(user)
    nothing(imap_differences(world.at_source(user), world.here(user)), "source and here")


@case
def a_disk_that_is_full(world):
    """A small one in the place of the Maildir, as mailferry's processes see it."""
    user = world.user(60)
    folder = world.next.mail(user)
    folder.mkdir()
    shutil.chown(folder, OWNER, OWNER)
    inside = ("nsenter", "-t", str(world.ferry.processes("transfer")[0]), "-m")
    run(*inside, "mount", "-t", "tmpfs", "-o", f"size=64k,mode=0777,uid={folder.stat().st_uid}",
        "tmpfs", folder)
    world.session(user).logout()
    fails(world, user, "room")
    run(*inside, "umount", "-l", folder)
    go_on(world, user)
    nothing(compare.differences(world.at_source(user), world.here(user)), "through the router")


SERVERS = {"--cyrus": {"server": Cyrus, "separator": "."},
           "--courier": {"server": Courier, "separator": "."}}

if __name__ == "__main__":
    chosen = next((SERVERS[word] for word in sys.argv if word in SERVERS), {})
    main(lambda: Maildirs(**(chosen or {"masters": {"ferryman": "obol"}})), [w for w in sys.argv[1:] if not w.startswith("--")])
