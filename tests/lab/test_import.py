#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry import accounts`: users who do not log in by themselves."""
import json
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import (World, case, equal, ferry_with, main, nothing,  # noqa: E402
                         registry, true)
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402


def write(world, *lines):
    path = Path(world.lab.folder) / "accounts"
    path.write_text("".join(line + "\n" for line in lines), encoding="ascii")
    path.chmod(0o600)
    return path


def passwords(world, user):
    return registry(world, "SELECT count(*) FROM password p JOIN account a ON a.id = p.account"
                           " WHERE a.name = ? AND p.sealed IS NOT NULL", (user,))[0][0]


@case
def they_move_without_a_login(world):
    users = [world.user(20) for _ in range(3)]
    before = {user: world.at_source(user) for user in users}
    file = write(world, "user,password", *(f"{u},{world.password(u)}" for u in users))
    said = json.loads(world.ferry.ok("import", "accounts", file, "--dry-run", "--json"))
    equal((said["dry_run"], said["counts"]["new"]), (True, 3), "dry run")
    equal(world.ferry.account(users[0]), None, "nothing is written")
    said = json.loads(world.ferry.ok("import", "accounts", file, "--json"))
    equal([(a["account"], a["outcome"]) for a in said["accounts"]],
          [(u, "new") for u in users], "outcomes")
    true(not any(world.password(u) in json.dumps(said) for u in users), "no password is shown")
    for user in users:
        world.ferry.wait_account(user, stage="done", route="local")
        equal(world.source_logins(user), [], "logins of a client")
        nothing(compare.differences(before[user], world.here(user)), "source and here")
    true("3 local" in world.ferry.ok("import", "accounts", file), "they live here")


@case
def the_smallest_first(world):
    """One at a time, while nobody may begin before all of them are known."""
    with ferry_with(world, order="smallest", limits={"transfers": 1}):
        users = [world.user(5) for _ in range(4)]
        sizes = ["300M", "", "20K", "1G"]
        world.ferry.ok("transfer", "--pause")
        said = world.ferry.ok("import", "accounts", write(world, "user;password;size", *(
            f"{u};{world.password(u)};{s}" for u, s in zip(users, sizes))))
        true("4 new" in said, said)
        world.ferry.ok("transfer", "--resume")
        for user in users:
            world.ferry.wait_account(user, stage="done", route="local")
        begun = re.findall(r" begin account=(\S+) ", world.ferry.log.read_text(errors="replace"))
        equal(list(dict.fromkeys(u for u in begun if u in users)),
              [users[2], users[0], users[3], users[1]], "in which order")


@case
def a_password_that_the_source_refuses(world):
    user = world.user(5)
    world.ferry.ok("import", "accounts", write(world, f"{user}:wrong"))
    wait_until("a failure", lambda: world.ferry.account(user)["stage"] == "failed", 30)
    equal(passwords(world, user), 0, "sealed passwords")
    client = Imap(world.connect(user))
    true(b" NO " in client.login(user, "wrong"), "it opens nothing")
    client.close()
    world.ferry.ok("import", "accounts", write(world, f"{user}:{world.password(user)}"))
    world.ferry.wait_account(user, stage="done", route="local")
    equal(passwords(world, user), 1, "sealed passwords")
    world.session(user).logout()
    client = Imap(world.connect(user))
    true(b" NO " in client.login(user, "wrong"), "nor here")
    client.close()


@case
def one_line_is_wrong(world):
    user = world.user(5)
    done = world.ferry.command("import", "accounts",
                               write(world, f"{user}:{world.password(user)}", "half a line"))
    equal(done.returncode, 1, "exit code")
    true("accounts:2: no password" in done.stderr, done.stderr)
    true("nothing was imported" in done.stderr, done.stderr)
    equal(world.ferry.account(user), None, "nothing is written")


@case
def pinned_to_the_source(world):
    user = world.user(5)
    world.session(user)
    world.ferry.ok("route", user, "source")
    said = world.ferry.ok("import", "accounts", write(world, f"{user}:{world.password(user)}"))
    true("1 pinned" in said, said)
    equal(world.ferry.account(user)["stage"], "idle", "it stays")


if __name__ == "__main__":
    main(World)
