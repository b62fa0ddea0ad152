#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry account rename`: a new name for who lives here, and what becomes of the old one
while the old server would still let it in; killed at each step."""
import os
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import case, equal, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

# What the command asks the kernel to change, or another program to do.
STEPS = ("rename", "unlink", "fsync", "fdatasync", "pwrite64", "sendmsg", "sendto")


class Renamed(Mail):
    def __init__(self):
        super().__init__(settings={"sweep": 2})

    def rename(self, *words):
        return self.ferry.command("account", "rename", *words)

    def refused(self, text, *words):
        done = self.rename(*words)
        equal(done.returncode, 1, done.stdout + done.stderr)
        true(text in done.stderr, done.stderr)

    def lets_in(self, name, password):
        client = Imap(self.connect(self.here))
        answer = client.login(name, password)
        client.close()
        return b" OK " in answer

    def looks(self, name, password):
        return compare.snapshot(self.connect(self.here), name, password)

    def mail_for(self, *addresses):
        smtp = self.smtp()
        token, message = self.message()
        equal(smtp.deliver(message, *addresses), 250, f"mail for {addresses}")
        smtp.quit()
        return token

    def folder(self, name):
        return Path(self.ferry.settings["state_dir"]) / "mail" / name


def finds(world, name, password, token):
    client = Imap(world.connect(world.here))
    client.login(name, password)
    client.ok("EXAMINE INBOX")
    uids = client.ok(b"UID SEARCH SUBJECT " + token)[0].split()[2:]
    client.logout()
    return len(uids)


@case
def who_came_from_the_source(world):
    user, right = world.here, world.password(world.here)
    world.ferry.ok("alias", "add", "info@example.com", user)
    before = world.looks(user, right)
    reader = world.session(user)
    done = world.rename(user, "Anna@example.com")
    equal(done.returncode, 0, done.stderr)
    true("the old name reach it, too" in done.stdout, done.stdout)
    true(b"* BYE" in reader.line(), "its sessions end")
    reader.close()
    # the same mailbox, by both names, with the same password
    for name in ("anna", "Anna@Example.com", user, f"{user}@example.com"):
        nothing(compare.differences(before, world.looks(name, right)), name)
    true(not world.lets_in("anna", "wrong"), "another password")
    shown = world.ferry.account("anna")
    equal((shown["name"], shown["route"]), ("anna", "local"), "row")
    equal(shown["names"], ["anna", "anna@example.com", user, f"{user}@example.com"], "names")
    equal(world.ferry.account(user)["name"], "anna", "found by the old one")
    equal(shown["journal"][0]["event"], "rename", "journal")
    true(world.folder("anna").is_dir() and not world.folder(user).exists(), "its folder")
    for address in (at("anna"), at(user), "info@example.com"):
        token = world.mail_for(address)
        wait_until(address, lambda: finds(world, "anna", right, token) == 1,  # pylint: disable=W0640
                   20)
        equal(world.copies(user, token, source=True), [], f"{address} at the source")


@case
def the_old_name_stays_here(world):
    """The source would let it in: it is not asked, and what it still gets itself comes over."""
    user, right = world.here, world.password(world.here)
    logins = len(world.source_logins(user))
    for _ in range(3):
        true(world.lets_in(user, right), "the old name")
        true(not world.lets_in(user, "wrong"), "a wrong password")
    world.ferry.settle()
    equal(len(world.source_logins(user)), logins, "logins of the user at the source")
    equal([a["name"] for a in world.ferry.json("accounts")].count(user), 0, "accounts")
    world.server.deliver(user, b"Subject: late-mail\r\n\r\nx\r\n")
    wait_until("the sweep", lambda: finds(world, "anna", right, b"late-mail") == 1, 40, 0.5)
    world.refused("is not retired", user, "anna", "--drop-old")
    done = world.ferry.command("route", "anna", "source")
    equal(done.returncode, 1, "there it has another name")
    true(f"knows it as \"{user}\"" in done.stderr, done.stderr)
    equal(world.ferry.account("anna")["route"], "local", "it stays")


@case
def names_that_are_taken(world):
    right = world.password(world.here)
    world.ferry.ok("alias", "add", "boss@example.com", world.there)
    for text, name in (("is a name of", world.there), ("is an alias of", "boss"),
                       ("control characters", "an\nna"), ("is no name", "  "),
                       ("no folder can be named", "ä" * 100)):
        world.refused(text, "anna", name)
    world.refused("does not live here", world.there, "ben")
    world.folder("stray").mkdir()
    world.refused("there is a mail folder", "anna", "stray")
    world.folder("stray").rmdir()
    equal(world.rename("anna").returncode, 2, "without a new name")
    true(world.lets_in("anna", right), "all is as it was")


@case
def and_back_again(world):
    user, right = world.here, world.password(world.here)
    before = world.looks("anna", right)
    shown = world.ferry.json("account", "rename", "anna", user, "--drop-old")
    equal((shown["name"], shown["route"]), (user, "local"), "JSON")
    nothing(compare.differences(before, world.looks(user, right)), "mail")
    equal(world.ferry.account("anna"), None, "given here, and taken back")
    true(not world.lets_in("anna", right), "the source knows no anna")
    equal(world.ferry.account(user)["names"], [user, f"{user}@example.com"], "names")


def inject(call, number):
    return ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
            f"inject={call}:signal=KILL:when={number}"]


def trace(world, call, number, *words, children=False):
    """The command, killed before that call of that kind; children: each of its processes, the
    one that works in the folder first of all. Whether it was."""
    command = [*inject(call, number), *(["-f"] if children else []),
               *world.ferry.arguments("account", "rename", *words)]
    done = world.lab.router.run(*command, stderr=subprocess.PIPE, timeout=120,
                                env={**os.environ, **world.ferry.environment()})
    return done.returncode != 0


def settled(world):
    return not (Path(world.ferry.settings["state_dir"]) / "rename").exists()


@case
def killed_at_each_step(world):
    """It is called by the one name or the other, and whole; nobody has to do anything."""
    user, right = world.here, world.password(world.here)
    before = world.looks(user, right)
    name, count, kills = user, 0, 0
    for call in STEPS:
        for number in range(1, 60):
            count += 1
            new = f"name{count}"
            killed = trace(world, call, number, name, new)
            wait_until(f"{call} {number}", lambda: settled(world), 30, 0.05)
            is_now = world.ferry.account(name)["name"]
            true(is_now in (name, new), f"{call} {number}: {is_now}")
            true(killed or is_now == new, f"{call} {number}: done and not renamed")
            wait_until("a login", lambda: world.lets_in(is_now, right))
            true(world.lets_in(name, right), f"{call} {number}: the old name")
            equal([f.name for f in world.folder(".").iterdir() if f.name.startswith("name")
                   or f.name == user], [is_now], f"{call} {number}: folders")
            name = is_now
            kills += killed
            if not killed:
                break
    print(f"  {kills} kills of {count} renames")
    true(kills > 15, f"{kills} kills")
    nothing(compare.differences(before, world.looks(name, right)), "mail")
    equal(world.rename(name, user).returncode, 0, "its own name")


@case
def its_helpers_are_killed(world):
    """The process that works in the folder, and the vault in its transaction."""
    user, right = world.here, world.password(world.here)
    name, kills = user, 0

    def check(what, new, failed):
        nonlocal name, kills
        wait_until(what, lambda: settled(world), 30, 0.05)
        is_now = world.ferry.account(name)["name"]
        true(is_now in (name, new) and (failed or is_now == new), f"{what}: {is_now}")
        wait_until(f"{what}: a login", lambda: world.lets_in(is_now, right))
        name, kills = is_now, kills + failed

    for call in ("pwrite64", "fdatasync"):
        for number in range(1, 12):
            check(f"{call} {number}", f"{call}-{number}",
                  trace(world, call, number, name, f"{call}-{number}", children=True))
    true(kills > 5, f"{kills} kills")
    kills = 0
    for call in ("pwrite64", "fdatasync", "sendmsg"):
        for number in range(1, 5):
            wait_until("the vault", lambda: world.ferry.json("status")["programs"]["vault"])
            vault = world.ferry.processes("vault")[0]
            with subprocess.Popen([*inject(call, number), "-p", str(vault)]) as tracer:
                wait_until("the tracer", lambda: "TracerPid:\t0" not in  # pylint: disable=W0640
                           Path(f"/proc/{vault}/status").read_text(encoding="ascii"))
                done = world.rename(name, f"vault-{call}-{number}")
                tracer.terminate()
            check(f"vault {call} {number}", f"vault-{call}-{number}", done.returncode != 0)
    true(kills > 2, f"{kills} kills of the vault")
    equal(world.rename(name, user).returncode, 0, "its own name")


@case
def the_registry_is_older(world):
    """A rebuild takes a copy from before, or none at all: the folder says all its names."""
    user, right = world.here, world.password(world.here)
    state = Path(world.ferry.settings["state_dir"])
    old = state / "old.sqlite"
    subprocess.run(["sqlite3", state / "registry.sqlite", f".backup {old}"], check=True)
    equal(world.rename(user, "beth").returncode, 0, "renamed")
    token = world.mail_for(at("beth"))
    wait_until("mail", lambda: finds(world, "beth", right, token) == 1)
    for lost in (False, True):
        world.ferry.stop()
        for file in state.glob("registry.sqlite*"):
            file.unlink()
        for file in (state / "copies").iterdir():
            file.unlink()
        if not lost:
            old.rename(state / "registry.sqlite")
            refused = world.ferry.command("registry", "check")
            true("beth" in refused.stderr, refused.stderr)
        true("beth lives here" in world.ferry.ok("registry", "rebuild"), "adopted")
        if lost:
            world.lab.router.run(*world.ferry.arguments("passwd", "beth"), input=f"{right}\n")
        world.ferry.start()
        equal(world.ferry.account(user)["name"], "beth", "the new name")
        for name in ("beth", user):
            true(world.lets_in(name, right), f"{name}, lost={lost}")
        equal(finds(world, "beth", right, token), 1, "its mail")


@case
def killed_while_nothing_runs(world):
    """`up` sees to it before it looks for folders that nobody knows."""
    user, right = world.here, world.password(world.here)
    world.ferry.stop()
    true(trace(world, "rename", 2, "beth", "cora"), "killed before its folder has the name")
    true(world.folder("beth").is_dir(), "it has the old one")
    world.ferry.start()
    equal(world.ferry.account("beth")["name"], "cora", "finished")
    true(world.folder("cora").is_dir() and settled(world), "its folder")
    for name in ("beth", "cora", user):
        true(world.lets_in(name, right), name)


@case
def one_that_was_made_here(world):
    world.lab.router.run(*world.ferry.arguments("account", "add", "zoe"), input="opensesame\n")
    token = world.mail_for(at("zoe"))
    done = world.rename("zoe", "zora", "--drop-old")
    equal(done.returncode, 0, done.stderr)
    true("by the old name no more" in done.stdout, done.stdout)
    true(world.lets_in("zora", "opensesame"), "the new name")
    true(not world.lets_in("zoe", "opensesame"), "the old one")
    equal(finds(world, "zora", "opensesame", token), 1, "its mail")
    equal(world.ferry.account("zoe"), None, "nobody")
    world.lab.router.run(*world.ferry.arguments("account", "add", "zoe"), input="another\n")
    true(world.lets_in("zoe", "another"), "somebody else")
    equal(finds(world, "zoe", "another", token), 0, "with a mailbox of their own")


if __name__ == "__main__":
    main(Renamed)
