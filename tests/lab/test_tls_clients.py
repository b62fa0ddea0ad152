#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mail programs over TLS: each gets at the source and here what it gets in clear; and
what other programs say first, as transcripts (tests/transcripts/clients).

test_tls_clients.py [--all | --only=PROGRAM | --immediate] [WORD...]

Without --all each program in one way of TLS, and getmail, which is slow, not at all.
--only=getmail: that one in all its ways.
"""
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import client_transcripts, compare, harness  # noqa: E402
from lab.harness import case, equal, nothing, table, true  # noqa: E402
from lab.tls_clients import PROGRAMS, Program  # noqa: E402
from lab.tls_world import TlsWorld  # noqa: E402

IMMEDIATE = "--immediate" in sys.argv[1:]
SOME = {"curl STARTTLS", "curl pop3s", "mbsync imaps", "fetchmail STLS",
        "mpop STLS", "mutt STARTTLS", "neomutt imaps", "s_client imaps"}
ONLY = next((a.split("=")[1] for a in sys.argv[1:] if a.startswith("--only=")), "")
ALL = "--all" in sys.argv[1:] or ONLY
MESSAGES = 40 if ALL else 5


def programs(world, user):
    return [Program(world, user, *row) for row in PROGRAMS
            if (ALL or IMMEDIATE or row[0] in SOME) and row[0].startswith(ONLY)]


def run_all(all_of_them):
    """{name: what it has got}"""
    got, complaints = {}, []
    for program in all_of_them:
        try:
            got[program.name] = program.run()
        except subprocess.TimeoutExpired as why:
            complaints.append(f"{program.name}: it hangs; it said {why.output!r:.2000}")
        except AssertionError as why:
            complaints.append(str(why))
    nothing(complaints, "programs that failed")
    return got


def all_programs_before_and_after_the_move(world):
    """Twice each: the second time those that remember have nothing to do."""
    user = world.user(MESSAGES)
    world.session(user).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    world.ferry.ok("route", user, "source")
    all_of_them = programs(world, user)
    first = run_all(all_of_them)
    again = run_all(all_of_them)
    before = world.at_source(user)
    account = world.ferry.account(user)
    equal((account["route"], account["pin"]), ("source", "source"), "while it is at the source")
    logins = len(world.source_logins(user))
    world.ferry.ok("route", user, "auto")
    world.session(user).logout()
    world.ferry.wait_account(user, 60, stage="done", route="local")
    here = run_all(all_of_them)
    for p in all_of_them:
        true(first[p.name], f"{p.name} has got something")
        equal(here[p.name], again[p.name], f"{p.name}: here and at the source")
        if p.twin in first:
            equal(first[p.name], first[p.twin], f"{p.name}: as {p.twin}")
    nothing(compare.differences(before, world.here(user)), "source and here")
    equal(len(world.source_logins(user)), logins + 1, "logins there: the last before the move")


def at_once(world, name):
    """strategy = "immediate": the first run is held while the mailbox comes."""
    user = world.user(MESSAGES)
    program = next(p for p in programs(world, user) if p.name == name)
    first = program.run()
    equal(world.ferry.account(user)["route"], "local", "during the first login")
    true(first, "it has got something")
    true(program.run() in (first, 0), "and again")


if IMMEDIATE:
    table([(name, name) for name in ("curl imaps", "mbsync STARTTLS", "fetchmail pop3s")])(at_once)
else:
    case(all_programs_before_and_after_the_move)


# ---- transcripts ----

@case
def first_words(world):
    """Of each a user who moves; they move beside one another."""
    users = [(path, world.user(5)) for _, path in client_transcripts.rows("imap", "pop3")]
    for path, user in users:
        client_transcripts.play(world, user, path)
    for path, user in users:
        world.ferry.wait_account(user, 60, stage="done", route="local")
        client_transcripts.play(world, user, path)


if __name__ == "__main__":
    harness.main(lambda: TlsWorld(settings={
        "hold": 20, "strategy": "immediate" if IMMEDIATE else "after-logoff"}),
                 [a for a in sys.argv[1:] if not a.startswith("--")])
