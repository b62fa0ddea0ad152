#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real servers show besides mail, and what the admin is told of it.

    test_found.py [--dovecot|--cyrus] [WORD...]
"""
import contextlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import Skipped, World, case, equal, main, registry, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_cyrus import ADMIN, Cyrus  # noqa: E402
from lab.server_dovecot_shares import DovecotShares  # noqa: E402

IS_CYRUS = "--cyrus" in sys.argv


@contextlib.contextmanager
def at_source(world, user):
    client = Imap(world.direct())
    true(b" OK" in client.login(user, world.password(user)), user)
    yield client
    client.logout()


def by_name(rows, name):
    return next((row for row in rows if row["name"] == name), None)


def report(world):
    text = world.ferry.ok("report")
    told = world.ferry.json("report")
    true("does not move: " in text and all(remark in text for remark in told["remarks"]), text)
    return told, text


def looked(world, user):
    """What was found: the look comes behind the switch, and nobody waits for it."""
    return wait_until("a look", lambda: world.ferry.account(user)["found"], 30)


@case
def it_is_told(world):
    """alice lets bob into a folder; there is a public one; all have quotas."""
    alice, bob = world.user(5), world.user(5)
    with at_source(world, alice) as client:
        client.ok(f"CREATE {world.own('Plans')}")
        client.ok(f"SETACL {world.own('Plans')} {bob} lrs")
    world.prepare(alice, bob)
    world.move(alice)
    world.move(bob)
    found = looked(world, alice)
    equal(found["error"], "", "error")
    equal(found["shows"], {"namespace": True, "acl": True, "quota": True}, "shows")
    equal([(s["folder"], s["who"]) for s in found["shares"]], [(world.own("Plans"), bob)],
          "shares of alice")
    true({"l", "r", "s"} <= set(found["shares"][0]["rights"]), f"{found['shares']}")
    storage = next(q for q in found["quota"] if q["resource"] == "STORAGE")
    equal(storage["limit"], 10240, "quota")
    true(0 < storage["used"] < 10240, f"used: {storage}")
    seen = looked(world, bob)
    plans, public = (by_name(seen["folders"], name) for name in world.seen_by_bob(alice))
    true(plans and plans["kind"] == "others" and {"l", "r"} <= set(plans["rights"]),
         f"{seen['folders']}")
    true(public and public["kind"] == "shared" and public["copied"], f"{seen['folders']}")
    told, text = report(world)
    row = next(r for r in told["shared"] if r["folder"] == public["name"])
    true(row["n_users"] == 2 and row["kind"] == "shared" and row["copied"], f"{row}")
    equal([(r["account"], r["folders"], r["folder"], r["who"]) for r in told["shares"]],
          [(alice, 1, world.own("Plans"), bob)], "shares")
    true(any(r["bytes"] == 10240 * 1024 and r["accounts"] == 2 for r in told["source_quotas"]),
         f"{told['source_quotas']}")
    true("`quota` is not set here: 0 of 2 accounts have one of their own" in text, text)
    world.ferry.ok("quota", alice, "--set", "1G")
    true("1 of 2 accounts have one of their own" in world.ferry.ok("report"), "alice's own")
    world.ferry.ok("quota", bob, "--set", "none")
    true("`quota` is not set here" not in world.ferry.ok("report"), "of both")
    true(not any("folders of others" in reason or "ACL" in reason for reason in told["reasons"]),
         f"{told['reasons']}")
    true(f"is shared with {bob}" in world.ferry.ok("account", alice), "in words")


@case
def a_folder_without_the_right_to_read(world):
    """LIST shows it and EXAMINE is refused: the account moves without it."""
    if IS_CYRUS:
        raise Skipped("none is listed and not opened in the Cyrus of this test")
    user = world.user(5)
    with at_source(world, user) as client:
        true(b"Public/Secret" in str(client.ok('LIST "" "*"')).encode(), "listed there")
        true(b" NO " in client.command("EXAMINE Public/Secret")[1], "and not opened")
    world.move(user)
    account = world.ferry.account(user)
    equal(account["certificate"]["result"], "equal", "certificate")
    equal([f["result"] for f in account["certificate"]["folders"] if f["name"] == "Public/Secret"],
          ["shared folder without the right to read"], "in the certificate")
    row = by_name(looked(world, user)["folders"], "Public/Secret")
    true(row["without_right"] and not row["copied"] and row["rights"] == "l", f"{row}")
    with contextlib.closing(Imap(world.connect())) as client:
        true(b" OK" in client.login(user, world.password(user)), user)
        listed = str(client.ok('LIST "" "*"')).encode()
    true(b"Public/News" in listed and b"Secret" not in listed, f"here: {listed}")
    told, text = report(world)
    row = next(r for r in told["shared"] if r["folder"] == "Public/Secret")
    true(row["without_right"] == row["n_users"] and not row["copied"], f"{row}")
    true("without the right to read" in text, text)


@case
def sieve_is_told(world):
    told, _ = report(world)
    is_told = any("ManageSieve (port 4190" in remark for remark in told["remarks"])
    equal(is_told, not IS_CYRUS, f"{told['remarks']}")
    check = world.ferry.command("check").stdout
    equal("ManageSieve" in check, not IS_CYRUS, check)


@case
def the_sweep_looks_too(world):
    """What changes after the move is found by the next look, a day later."""
    alice, bob = world.user(5), world.user(5)
    world.move(alice)
    equal(looked(world, alice)["shares"], [], "at the move")
    with at_source(world, alice) as client:
        client.ok(f"SETACL INBOX {bob} lr")
    registry(world, "UPDATE found SET at = at - 86400000")
    found = wait_until("the next look", lambda: world.ferry.account(alice)["found"]["shares"], 60)
    equal([(s["folder"], s["who"]) for s in found], [("INBOX", bob)], "shares")


class Shares(World):
    if IS_CYRUS:
        @staticmethod
        def own(name):
            return f"INBOX.{name}"

        def prepare(self, alice, bob):
            with at_source(self, ADMIN) as client:
                client.ok("CREATE team")
                for who in (alice, bob):
                    client.ok(f"SETACL team {who} lr")
                    client.ok(f"SETQUOTA user.{who} (STORAGE 10240)")

        @staticmethod
        def seen_by_bob(alice):
            return f"user.{alice}.Plans", "team"
    else:
        @staticmethod
        def own(name):
            return name

        def prepare(self, alice, bob):
            pass

        @staticmethod
        def seen_by_bob(alice):
            return f"shared/{alice}/Plans", "Public/News"

    def __enter__(self):
        super().__enter__()
        if IS_CYRUS:
            self.server.add_user(ADMIN, "secret-admin")
        return self


if __name__ == "__main__":
    main(lambda: Shares(server=Cyrus if IS_CYRUS else DovecotShares, settings={"sweep": 1}),
         [word for word in sys.argv[1:] if not word.startswith("--")])
