#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that is lost, damaged or too old, beside mail folders that say that their
accounts live here; and the copies of it that are kept."""
import json
import shutil
import signal
import subprocess
import sys

import cli
from cli import expect, wait_until


def moved(house, name="alice", password="secret"):
    house.tool("capture", name, password)
    house.tool("arrive", name)


def files(house):
    return sorted(house.state.glob("registry.sqlite*"))


def lose_registry(house):
    for path in files(house):
        path.unlink()


def account(house, name):
    return json.loads(house.good("account", name, "--json"))


def refused_up(house, *sentences):
    done = house.command("up")
    expect(done.returncode == 1, done)
    for sentence in sentences:
        expect(sentence in done.stderr, done.stderr)
    expect(not house.told("interceptor"), "nothing was started")


def test_lost_registry(house):
    """`up` makes no new one beside mailboxes that live here; rebuild adopts them."""
    for name in ("alice", "bob", "carol@example.net", "dora"):
        moved(house, name)
    house.tool("capture", "zoe", "x")
    lose_registry(house)
    refused_up(house, "4 mail folders", "are in service", "mailferry registry rebuild", ", …")
    expect(not files(house), "no registry was made")
    text = house.good("registry", "rebuild")
    expect("made an empty one" in text and "4 accounts adopted" in text, text)
    expect("alice lives here; its password is lost: mailferry passwd" in text, text)
    alice = account(house, "alice")
    expect((alice["route"], alice["stage"]) == ("local", "done"), alice)
    expect(alice["journal"][0]["event"] == "adopt", alice)
    expect(account(house, "carol@example.net")["route"] == "local", "an odd name")
    house.good("registry", "check")
    expect("0 accounts adopted" in house.good("registry", "rebuild"), "once more")


def test_up_keeps_a_copy(house):
    moved(house)
    process = house.up()
    wait_until(lambda: "starting -> serving" in house.log(), "up serves")
    copy = house.state / "copies" / "hour.sqlite"
    expect(copy.exists() and oct(copy.stat().st_mode & 0o777) == "0o600", "a copy")
    house.bad("mailferry up .* runs in", "registry", "rebuild")
    process.send_signal(signal.SIGTERM)
    expect(process.wait(cli.PATIENCE) == 0, "up ends")
    # one account more, which the copy does not know
    moved(house, "bob")
    lose_registry(house)
    refused_up(house, "2 mail folders")
    text = house.good("registry", "rebuild")
    expect("hour.sqlite in its place" in text and "1 account adopted" in text, text)
    house.tool("login", "alice", "secret")
    expect("bob lives here; its password is lost" in text, text)
    subprocess.run([house.mailferry, "-c", str(house.config), "passwd", "bob"], check=True,
                   input="new\n", text=True, capture_output=True)
    house.tool("login", "bob", "new")


def test_old_registry(house):
    """A copy from before the move was put back by hand."""
    house.tool("capture", "alice", "secret")
    house.good("registry", "copy")
    house.tool("arrive", "alice")
    lose_registry(house)
    shutil.copy(house.state / "copies" / "hour.sqlite", house.state / "registry.sqlite")
    expect(account(house, "alice")["route"] == "source", "it says so")
    refused_up(house, "1 mail folder", "is in service (alice)")
    house.bad("is in service \\(alice\\)", "registry", "check")
    house.good("registry", "rebuild")
    expect(account(house, "alice")["route"] == "local", "adopted")


def test_flipped_bytes(house):
    moved(house)
    house.good("registry", "check")
    house.good("registry", "copy")
    subprocess.run(["sqlite3", str(house.state / "registry.sqlite"),
                    "PRAGMA wal_checkpoint(TRUNCATE)"], check=True, capture_output=True)
    with open(house.state / "registry.sqlite", "r+b") as file:
        file.seek(4096 + 8)  # the table of accounts
        file.write(bytes(range(1, 200)))
    refused_up(house, "is damaged", "mailferry registry rebuild")
    house.bad("is damaged", "registry", "check")
    house.bad("is damaged", "registry", "copy")
    text = house.good("registry", "rebuild")
    expect("kept what was damaged" in text and "in its place" in text, text)
    expect(len(list(house.state.glob("registry.sqlite.damaged-*"))) >= 1, files(house))
    house.tool("login", "alice", "secret")
    house.good("registry", "check")


def test_wrong_use(house):
    house.bad("not one of check, copy, rebuild", "registry", "mend", code=2)
    house.bad("there is no registry", "registry", "check")


TESTS = [test_lost_registry, test_up_keeps_a_copy, test_old_registry, test_flipped_bytes,
         test_wrong_use]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
