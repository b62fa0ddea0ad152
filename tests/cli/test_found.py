#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts have at the source besides mail, as `report`, `retire` and `account` tell it."""
import contextlib
import json
import sqlite3
import sys

import cli
from cli import expect
from test_retire import moved, watched


def found(house, user, state, error=""):
    """What the transfer would note of a look at the source."""
    with contextlib.closing(sqlite3.connect(house.state / "registry.sqlite")) as database, database:
        database.execute("INSERT OR REPLACE INTO found SELECT id, 1, ?, ? FROM account"
                         " WHERE name = ?", (error, state, user))


def folder(name, kind="shared", rights="lr", copied=True, **more):
    return {"name": name, "kind": kind, "rights": rights, "copied": copied, **more}


def looked(**state):
    return json.dumps({"shows": {"namespace": True, "acl": True, "quota": True}, **state})


def test_what_does_not_move(house):
    """Of all accounts, added up; it keeps nobody from retiring the source."""
    users = [f"user{n}" for n in range(6)]
    for n, user in enumerate(users):
        moved(house, user)
        found(house, user, looked(
            folders=[folder("Public/News", rights="lrs" if n == 3 else "l", copied=n > 2,
                            without_right=n < 2)],
            folders_total=3 if n == 1 else 1,
            quota=[{"root": "", "resource": "storage", "used": n, "limit": 10},
                   {"root": "", "resource": "MESSAGE", "used": 1, "limit": 0}]))
    moved(house, "zoe")
    found(house, "zoe", looked(
        folders=[folder("user.bob", "others", copied=False)], folders_total=1,
        shares=[{"folder": f, "who": w, "rights": "lr"} for f in ("INBOX", "Plans")
                for w in ("anyone", *users)],
        shares_total=14, withheld=[{"folder": "Odd", "rights": ""}], withheld_total=7))
    told = json.loads(house.good("report", "--json"))
    expect(told["shared"] == [
        {"folder": "Public/News", "kind": "shared", "n_users": 6, "rights": "lrs", "copied": True,
         "without_right": 2,
         "users": "user0, user1, user2, user3, user4, …"},
        {"folder": "user.bob", "kind": "others", "n_users": 1, "rights": "lr", "copied": False,
         "without_right": 0,
         "users": "zoe"}], told["shared"])
    expect(told["shares"] == [{"account": "zoe", "folders": 2, "folder": "INBOX",
                               "who": "anyone, user0, user1, user2, user3, …"}], told["shares"])
    expect(told["source_quotas"] == [{"bytes": 10240, "messages": 0, "accounts": 6,
                                      "fullest": "user5", "percent": 50}], told["source_quotas"])
    remarks = " ".join(told["remarks"])
    for words in ("2 folders of others that users see at the source, and more than are listed",
                  "1 of them is shown to users without the right to read",
                  "1 account lets others", "of 7 folders", "`quota` is not set here: 0 of 6", "~/.forward"):
        expect(words in remarks, f"{words}: {told['remarks']}")
    expect(not any("shared" in reason or "quota" in reason for reason in told["reasons"]), told)
    watched(house)
    text = house.good("retire", "--dry-run")
    expect("safe to retire; nothing was changed" in text and "does not move: 2 folders" in text,
           text)
    house.config.write_text(house.config.read_text() + 'quota = "1G"\n')
    expect("`quota` is not set" not in house.good("report"), "there is one")
    text = house.good("account", "zoe")
    for words in ("another user's folder user.bob (lr): stays there", "and 6 more such",
                  "INBOX is shared with anyone (lr): here nobody else sees it"):
        expect(words in text, f"{words}: {text}")


def test_more_limits_than_are_listed(house):
    """Whoever has one of the others is limited all the same."""
    for user, limits in (("alice", range(1, 101)), ("bob", range(101, 201)), ("carol", [201])):
        house.tool("capture", user, "secret")
        found(house, user, looked(quota=[{"root": str(n), "resource": "STORAGE", "used": 0, "limit": n}
                                         for n in limits]))
    told = json.loads(house.good("report", "--json"))
    expect([q["bytes"] for q in told["source_quotas"]] == [n * 1024 for n in range(1, 201)],
           told["source_quotas"])
    remarks = " ".join(told["remarks"])
    expect("0 of 3 accounts have one of their own" in remarks, told["remarks"])


def test_what_is_not_seen_is_not_absent(house):
    for user in ("alice", "bob", "carol", "dora"):
        house.tool("capture", user, "secret")
    found(house, "alice", "{}")
    found(house, "bob", "", "the source \x1b[2J has closed")
    found(house, "dora", looked(shares=[{"folder": "INBOX", "who": "bob", "rights": "lr"}],
                                shares_total=1), "it was cut, after a look before")
    told = json.loads(house.good("report", "--json"))
    remarks = " ".join(told["remarks"])
    for words in ("1 accounts were not looked at yet, and the look at 2 failed",
                  "not known, or as of a look before", "1 account lets others",
                  "no shared folders for 1 accounts (no NAMESPACE)", "(no ACL), no quota of 1"):
        expect(words in remarks, f"{words}: {told['remarks']}")
    expect(json.loads(house.good("account", "carol", "--json"))["found"] is None, "carol")
    text = house.good("account", "alice")
    expect("the source does not show: shared folders (no NAMESPACE)" in text, text)
    text = house.good("account", "bob")
    expect("\x1b" not in text and "does not show" not in text
           and "not known: shared folders, who sees its folders, a quota" in text, text)


def test_what_a_broken_process_has_noted(house):
    """Whatever it is, it is shown as fields of their kinds, or not at all."""
    states = ["", "{", "[]", "7", '{"folders": 7, "shares": {"a": 1}, "quota": "x"}',
              looked(folders=[1, None, [], {}, {"name": 7, "kind": [], "copied": "yes"}],
                     folders_total=-5, shares=[{}], shares_total="many", withheld=[3],
                     quota=[{"resource": "STORAGE", "used": -1, "limit": 2**63 - 1},
                            {"resource": "STORAGE", "used": 2**63 - 1, "limit": 1},
                            {"resource": 7, "limit": 2}]),
              looked(folders=[folder("\x1b[2J\x07é")] * 500, folders_total=2**63 - 1)]
    for n, state in enumerate(states):
        house.tool("capture", f"user{n}", "secret")
        found(house, f"user{n}", state)
    for n in range(4, len(states)):
        told = json.loads(house.good("account", f"user{n}", "--json"))["found"]
        expect(all(isinstance(f["name"], str) and isinstance(f["copied"], bool)
                   for f in told["folders"]) and len(told["folders"]) <= 100, told)
        expect("\x1b" not in house.good("account", f"user{n}"), told)
    expect("\x1b" not in house.good("report"), "report")


TESTS = [test_what_does_not_move, test_more_limits_than_are_listed, test_what_is_not_seen_is_not_absent,
         test_what_a_broken_process_has_noted]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
