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


UID = 1900000016  # of the default uid_range


def moved(house, name="alice", password="secret"):
    house.tool("capture", name, password)
    house.tool("arrive", name)


def with_another_name(house):
    """carol, whose name is anna now; and alice."""
    moved(house, "carol")
    subprocess.run(["chown", "-R", f"{UID}:{UID}", house.state / "mail" / "carol"], check=True)
    house.good("account", "rename", "carol", "anna")
    moved(house, "alice")


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


def rules_refuse(house, sentence):
    """Those that go in at boot, while `up` refuses to start."""
    done = house.command("rules", "install", "--dry-run")
    expect(done.returncode == 0 and "reject" in done.stdout, done)
    expect(sentence in done.stderr and "the rules refuse everybody" in done.stderr, done.stderr)


def test_lost_registry(house):
    """`up` makes no new one beside mailboxes that live here; rebuild adopts them."""
    for name in ("alice", "bob", "carol@example.net", "dora"):
        moved(house, name)
    house.tool("capture", "zoe", "x")
    lose_registry(house)
    refused_up(house, "4 mail folders", "are in service", "mailferry registry rebuild", ", …")
    expect(not files(house), "no registry was made")
    rules_refuse(house, "4 mail folders")
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


def elsewhere(house, name, home="192.0.2.30"):
    house.tool("capture", name, "secret")
    house.tool("home", name, home)
    house.tool("arrive", name)
    house.tool("reside", name)


def residence(house, name):
    return subprocess.run(["sqlite3", house.state / "mail" / name / "index.sqlite",
                           "SELECT residence FROM account"], check=True, capture_output=True,
                          text=True).stdout.rstrip("\n")


def test_residence(house):
    """What the vault has bound is believed when all is lost: another server, other names,
    what the source calls it."""
    elsewhere(house, "bob")
    with_another_name(house)
    house.tool("reside", "alice")
    house.tool("capture", "zoe", "x")
    source_name = [house.sql("SELECT source_name FROM account WHERE name = 'anna'")]
    expect(source_name[0].startswith("bound$"), source_name)
    lose_registry(house)
    shutil.rmtree(house.state / "copies")
    refused_up(house, "3 mail folders")
    text = house.good("registry", "rebuild")
    expect("bob lives at 192.0.2.30\n" in text and "alice lives here;" in text, text)
    expect("anna lives here;" in text and "not proven" not in text, text)
    bob, anna = account(house, "bob"), account(house, "carol")
    expect((bob["route"], bob["destination"]) == ("local", "192.0.2.30"), bob)
    expect((anna["name"], anna["destination"]) == ("anna", "store"), anna)
    expect([house.sql("SELECT source_name FROM account WHERE name = 'anna'")] == source_name,
           "what the source calls it")
    expect(house.sql("SELECT login FROM account WHERE name = 'anna'") == "carol", "its login")
    house.bad("no account", "account", "zoe")


def test_one_name_of_two(house):
    """A folder can say what was true once. A name that two of them claim is nobody's, and said;
    what the registry has is left, as is an account's own name."""
    with_another_name(house)
    house.sql("UPDATE name SET account = (SELECT id FROM account WHERE name = 'alice')"
              " WHERE key LIKE 'carol%'")
    house.tool("reside", "alice")
    moved(house, "carla")
    house.sql("UPDATE name SET account = (SELECT id FROM account WHERE name = 'carla')"
              " WHERE key LIKE 'anna%'")
    house.tool("reside", "carla")
    lose_registry(house)
    shutil.rmtree(house.state / "copies")
    text = house.bad("claimed by several accounts", "registry", "rebuild")
    house.bad("no account", "account", "carol")
    for name in ("anna", "alice", "carla"):
        expect(account(house, name)["name"] == name, name)
    expect("0 accounts adopted" in house.good("registry", "rebuild"), "once more")


def test_one_name_in_two_spellings(house):
    """With and without the only domain it is one name, so one of two folders cannot have it."""
    with_another_name(house)
    house.sql("UPDATE name SET account = (SELECT id FROM account WHERE name = 'alice')"
              " WHERE key = 'carol@example.com'")
    house.tool("reside", "alice")
    lose_registry(house)
    shutil.rmtree(house.state / "copies")
    house.bad("claimed by several accounts", "registry", "rebuild")
    house.bad("no account", "account", "carol")


def test_residence_of_another(house):
    """An account's own process writes what another's folder says, or what it likes."""
    elsewhere(house, "bob")
    for name in ("alice", "carol", "dora"):
        moved(house, name)
    house.tool("reside", "alice", residence(house, "bob"))
    house.tool("reside", "carol", "residence\nhome 192.0.2.66\nlogin x\nsource \n")
    house.tool("reside", "dora", "anything")
    subprocess.run(["sqlite3", house.state / "mail" / "carol" / "index.sqlite",
                    "INSERT INTO former_name (name) VALUES ('zoe')"], check=True)
    lose_registry(house)
    house.bad("3 mail folders .* say that the user lives at another server, and .* does not"
              " prove it", "registry", "rebuild")
    expect(account(house, "bob")["destination"] == "192.0.2.30", "the true one")
    for name in ("alice", "carol", "dora", "zoe"):
        house.bad("no account", "account", name)
    refused_up(house, "3 mail folders")
    text = house.bad("2 mail folders", "registry", "rebuild", "--yes")
    expect(account(house, "dora")["destination"] == "store", text)
    house.bad("no account", "account", "zoe")


def test_odd_name(house):
    moved(house, "alice\x1b[2J")
    lose_registry(house)
    done = house.command("rules", "install", "--dry-run")
    expect("in service (alice?[2J)" in done.stderr and "\x1b" not in done.stderr, ascii(done.stderr))
    expect("alice?[2J lives here" in house.good("registry", "rebuild"), "a name steers the terminal")


def test_folder_of_another_name(house):
    """One that says that it is another's is not taken for that one's."""
    moved(house, "alice")
    (house.state / "mail" / "alice").rename(house.state / "mail" / "bob")
    lose_registry(house)
    refused_up(house, 'says that it is of "alice"')
    house.bad('says that it is of "alice"', "registry", "rebuild")


def test_another_address(house):
    """The server of `destination` has another one: registry and folder say it, in that order;
    from our store or to it is no change of address."""
    elsewhere(house, "bob")
    moved(house, "alice")
    house.tool("capture", "zoe", "x")
    subprocess.run(["chown", "-R", f"{UID}:{UID}", house.state / "mail" / "bob"], check=True)
    new = "imap://192.0.2.31"
    house.bad("`destination` is not 192.0.2.31", "account", "bob", "--home", new, "--yes")
    with open(house.config, "a", encoding="ascii") as file:
        file.write(f'destination = "{new}"\nuids = "new"\n')
    house.bad("lives in our store", "account", "alice", "--home", new, "--yes")
    house.bad("has not moved", "account", "zoe", "--home", new, "--yes")
    house.bad("does not move to our store", "account", "bob", "--home", "store", "--yes")
    house.bad("--home is the IMAP server", "account", "bob", "--home", "192.0.2.31", "--yes")
    done = subprocess.run([house.mailferry, "-c", str(house.config), "account", "bob", "--home",
                           new], input="no\n", text=True, capture_output=True, check=False)
    expect(done.returncode == 1 and account(house, "bob")["destination"] == "192.0.2.30", done)
    for _ in range(2):  # once more after a crash
        text = house.good("account", "bob", "--home", new, "--yes")
        expect("bob lives at 192.0.2.31" in text, text)
    expect("home 192.0.2.31" in residence(house, "bob"), residence(house, "bob"))
    lose_registry(house)
    shutil.rmtree(house.state / "copies")
    text = house.good("registry", "rebuild")
    expect("bob lives at 192.0.2.31" in text, text)


def test_without_the_key(house):
    """Who lives here is known by the folder alone; who lives elsewhere is left, unless the
    admin says that the server of `destination` is the one."""
    elsewhere(house, "bob")
    moved(house, "alice")
    house.tool("reside", "alice")
    lose_registry(house)
    (house.state / "key").unlink()
    house.tool("capture", "zoe", "x")  # another key is made
    house.bad("1 mail folder .*does not prove it", "registry", "rebuild")
    expect(account(house, "alice")["destination"] == "store", "here")
    house.bad("1 mail folder", "registry", "rebuild", "--yes")
    with open(house.config, "a", encoding="ascii") as file:
        file.write('destination = "imap://192.0.2.30"\nuids = "new"\n')
    text = house.good("registry", "rebuild", "--yes")
    expect("bob lives at 192.0.2.30" in text, text)


def test_arriving(house):
    """A copy of the registry from within the switch: the folder is marked, and the row says
    that it may be; or it says nothing yet, and so is older."""
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    house.sql("UPDATE account SET route = 'busy', stage = 'switching'")
    house.bad("is in service \\(alice\\)", "registry", "check")
    house.sql("UPDATE account SET arriving = 1")
    house.good("registry", "check")
    house.bad("arrives at this moment", "route", "alice", "source")
    house.good("registry", "check")


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


TESTS = [test_lost_registry, test_up_keeps_a_copy, test_old_registry, test_residence,
         test_one_name_of_two, test_one_name_in_two_spellings,
         test_residence_of_another, test_odd_name, test_folder_of_another_name, test_another_address,
         test_without_the_key, test_arriving, test_flipped_bytes, test_wrong_use]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
