#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, passwords set here, and the end of the source: the commands against
registries in known states."""
import json
import os
import pty
import re
import select
import shlex
import socket
import subprocess
import sys

import cli
from cli import expect

VIRTUAL = """\
# our addresses
Info@example.com   alice
list@example.com   alice, bob@example.net
later@example.com  frank
example.com        anything
"""
REPORT_FIELDS = ["days", "watched_ms", "refused", "retired", "unfiltered", "safe_to_retire", "reasons",
                 "not_watched", "remarks", "addresses", "accounts", "swept", "never_seen",
                 "special_rules", "unseen", "shared", "shares", "source_quotas"]


def write(house, name, text):
    path = house.root / name
    path.write_text(text)
    return str(path)


def aliases(house, *args):
    return {a["address"]: a for a in json.loads(house.good("alias", "list", *args, "--json"))}


def moved(house, name="alice"):
    house.tool("capture", name, "secret")
    house.tool("arrive", name)


# ── aliases ──────────────────────────────────────────────────────────────────────────────


def test_alias_import(house):
    moved(house)
    path = write(house, "virtual", VIRTUAL)
    text = house.good("alias", "import", path, "--dry-run")
    expect("3 new, 0 same, 0 changed, 0 kept, 1 ignored; 1 special" in text, text)
    expect("nothing was written" in text and not aliases(house), text)
    done = json.loads(house.good("alias", "import", path, "--json"))
    expect(done["counts"]["new"] == 3 and done["special"] == 1, done)
    expect(done["rules"][0] == {"line": 2, "outcome": "new", "address": "info@example.com",
                                "special": False, "rule": "alice"}, done["rules"])
    text = house.good("alias", "import", path)
    expect("0 new, 3 same" in text and "list@example.com" in text, text)
    known = aliases(house)
    expect(known["info@example.com"]["account"] == "alice", known)
    expect(known["info@example.com"]["route"] == "local", known)
    expect(known["list@example.com"]["special"] is True, known)
    expect(known["later@example.com"]["account"] == "", known)
    house.tool("capture", "frank", "x")
    expect(aliases(house)["later@example.com"]["account"] == "frank", "frank has come")


def test_alias_import_of_aliases(house):
    moved(house)
    path = write(house, "aliases", "root: alice\npostmaster: root\nx: |/bin/x\n")
    house.bad("line 1: the address ends with a colon", "alias", "import", path, "--format",
              "virtual")
    house.good("alias", "import", path)
    known = aliases(house)
    expect(known["postmaster@example.com"]["account"] == "alice", known)
    expect(known["x@example.com"]["special"], known)


def test_alias_import_refused(house):
    moved(house)
    house.bad("cannot open /nonexistent", "alias", "import", "/nonexistent")
    path = write(house, "virtual", "a@example.com alice\nb@example.com\n")
    house.bad("virtual: line 2: it leads nowhere", "alias", "import", path)
    expect(not aliases(house), "all of a file or nothing")
    house.config.write_text(house.config.read_text().replace(
        '{"example.com"}', '{"example.com", "example.net"}'))
    path = write(house, "aliases", "root: alice\n")
    house.bad("no domain and several are configured", "alias", "import", path)
    house.bad("not one of the `domains`", "alias", "import", path, "--domain", "x.org")
    house.good("alias", "import", path, "--domain=example.net")
    expect(list(aliases(house)) == ["root@example.net"], aliases(house))


def test_alias_import_from_stdin(house):
    moved(house)
    done = subprocess.run([house.mailferry, "-c", str(house.config), "alias", "import", "-"],
                          input="info@example.com alice\n", text=True, check=False,
                          capture_output=True)
    expect(done.returncode == 0 and "info@example.com" in aliases(house), "stdin")


def test_alias_add_and_remove(house):
    moved(house)
    expect("info@example.com leads to alice\n" == house.good(
        "alias", "add", "info@example.com", "Alice"), "add")
    expect("has not logged in yet" in house.good("alias", "add", "sales", "zoe"), "zoe")
    expect("not one of `domains`" in house.good("alias", "add", "a@b.example", "alice"), "b")
    moved(house, "bob")
    for address in ("bob@example.com", "info@example.com"):
        house.bad(f"{address} is an address of [a-z]* already; say --force", "alias", "add",
                  address, "bob" if address.startswith("info") else "alice")
    expect("info@example.com leads to alice\n" == house.good(
        "alias", "add", "info@example.com", "alice"), "the same once more")
    expect("info@example.com leads to bob\n" == house.good(
        "alias", "add", "info@example.com", "bob", "--force"), "by force")
    house.good("alias", "add", "info@example.com", "alice", "--force")
    known = aliases(house, "alice")
    expect(sorted(known) == ["a@b.example", "info@example.com"], known)
    expect(known["info@example.com"]["source"] == "added", known)
    house.good("alias", "remove", "INFO@example.com")
    house.bad("there is no alias info@example.com", "alias", "remove", "info@example.com")
    house.bad("cannot be one account's address", "alias", "add", "@example.com", "alice")
    house.bad('there is no account "nobody"', "alias", "list", "nobody")


def came(house, user, address, accepted=0, times=1):
    """The source accepts it from clients, and it comes into the user's old mailbox."""
    if accepted:
        house.tool("recipient", address, "192.0.2.7", "0", str(accepted))
    for _ in range(times):
        house.tool("delivered", user, address)


def test_alias_propose(house):
    moved(house)
    house.tool("capture", "bob", "x")
    expect("nothing to propose" in house.good("alias", "propose"), "nothing yet")
    expect(json.loads(house.good("alias", "propose", "--json")) == [], "nothing yet")
    came(house, "alice", "info@example.com", 4, 3)  # a spam filter kept one
    came(house, "alice", "once@example.com", 1, 1)
    came(house, "alice", "list@example.com", 9, 3)
    came(house, "alice", "both@example.com", 2, 2)
    came(house, "bob", "both@example.com", 0, 2)
    came(house, "alice", "bob@example.org", 2, 2)  # not ours
    told = json.loads(house.good("alias", "propose", "--json"))
    expect([(p["address"], p["account"], p["verdict"]) for p in told] == [
        ("info@example.com", "alice", "likely"), ("once@example.com", "alice", "too-few"),
        ("list@example.com", "alice", "elsewhere"),
        ("both@example.com", "alice, bob", "shared")], told)
    expect((told[0]["messages"], told[0]["asked"]) == (3, 4), told)
    expect([p["command"] for p in told[1:]] == ["", "", ""], told)
    expect(not aliases(house), "it takes none")
    text = house.good("alias", "propose")
    expect("mailferry alias add info@example.com alice\n" in text, text)
    house.good(*shlex.split(told[0]["command"])[1:])
    told = json.loads(house.good("alias", "propose", "--json"))
    expect("info@example.com" not in [p["address"] for p in told], "it is known by now")


def test_alias_propose_to_odd_names(house):
    """A name is one word of the command that is shown, whatever it holds."""
    name = "al; touch '/tmp/x'"
    moved(house, name)
    came(house, name, "info@example.com", 2, 2)
    command = json.loads(house.good("alias", "propose", "--json"))[0]["command"]
    expect(shlex.split(command) == ["mailferry", "alias", "add", "info@example.com", name], command)


def test_alias_propose_of_a_whole_domain(house):
    """Who takes all addresses of a domain gets one line, whoever invents them."""
    moved(house)
    house.tool("capture", "bob", "x")
    for n in range(60):
        came(house, "alice", f"{n}@example.com", 2, 2 - n % 2)
    came(house, "bob", "info@example.com", 2, 2)
    told = json.loads(house.good("alias", "propose", "--json"))
    expect([(p["address"], p["account"], p["verdict"]) for p in told] == [
        ("info@example.com", "bob", "likely"), ("*", "alice", "many")], told)


def test_alias_propose_to_several_and_a_whole_domain(house):
    """An account that takes all of a domain is one of the several, in whatever order."""
    moved(house, "bob")
    for user in ("alice", "carol"):
        house.tool("capture", user, "x")
    for n in range(50):
        came(house, "bob", f"{n}@example.com", 2, 2)
    came(house, "alice", "0@example.com", 0, 2)
    came(house, "carol", "0@example.com", 0, 2)
    came(house, "carol", "1@example.com", 0, 2)
    told = json.loads(house.good("alias", "propose", "--json"))
    expect([(p["address"], p["account"], p["verdict"], p["command"]) for p in told] == [
        ("0@example.com", "alice, carol", "shared", ""), ("1@example.com", "carol", "shared", ""),
        ("*", "bob", "many", "")], told)


def test_alias_propose_with_several_domains(house):
    """Another account of that name comes first to mind."""
    house.config.write_text(house.config.read_text().replace(
        'domains = {"example.com"}', 'domains = {"example.com", "example.net"}'))
    moved(house)
    house.tool("capture", "bob", "x")
    came(house, "alice", "bob@example.net", 2, 2)
    told = json.loads(house.good("alias", "propose", "--json"))
    expect([(p["address"], p["verdict"], p["command"]) for p in told] == [
        ("bob@example.net", "namesake", "")], told)


def test_subaddress(house):
    moved(house)
    house.config.write_text(house.config.read_text() + 'subaddress = "x"\n')
    house.bad("`subaddress` is", "status", code=2)


# ── passwords ────────────────────────────────────────────────────────────────────────────


def passwd(house, name, text, *options):
    return subprocess.run([house.mailferry, "-c", str(house.config), "passwd", name,
                           *options],
                          input=text, capture_output=True, text=True, check=False,
                          timeout=cli.PATIENCE)


def test_rename_of_an_account_that_is_gone(house):
    """What the vault refuses has changed nothing: it does not keep `up` from starting."""
    moved(house)
    note = house.state / "rename"
    note.write_text("99\nzoe\nzora\n\n")
    house.good("account", "rename", "--resume")
    expect(not note.exists(), "it is over")


def test_passwd(house):
    moved(house)
    done = passwd(house, "alice", "new pass word \n")
    expect(done.returncode == 0 and "source keeps its own" in done.stdout, done)
    house.tool("login", "alice", "new pass word ")
    expect("new pass w" not in done.stdout + done.stderr, "it is shown")
    account = json.loads(house.good("account", "alice", "--json"))
    expect(account["local_password_at"] > 0, account)
    expect(account["journal"][0]["event"] == "password", account)
    for text, sentence in (("", "empty password"), ("\n", "empty password"),
                           ("x" * 1025, "more than 1024 bytes")):
        wrong = passwd(house, "alice", text)
        expect(wrong.returncode == 1 and sentence in wrong.stderr, wrong)
    house.tool("login", "alice", "new pass word ")
    account = json.loads(house.good("account", "alice", "--json"))
    expect(account["passwords"] == 2, account)
    house.tool("login", "alice", "secret")
    expect("1 other password still opens the mailbox" in done.stdout, done)
    done = passwd(house, "alice", "the last\n", "--only")
    expect(done.returncode == 0 and "other" not in done.stdout, done)
    house.tool("login", "alice", "the last")
    account = json.loads(house.good("account", "alice", "--json"))
    expect((account["passwords"], account["candidates"]) == (1, 1), account)
    house.tool("capture", "bob", "x")
    expect("its password is changed there" in passwd(house, "bob", "y\n").stderr, "bob")
    expect('no account "zoe"' in passwd(house, "zoe", "y\n").stderr, "zoe")


def at_terminal(house, name, *answers):
    """Runs passwd on a terminal of its own; what the terminal shows, and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(house.mailferry, ["mailferry", "-c", str(house.config), "passwd", name])
    shown = b""
    for answer in answers:
        while not shown.endswith(b": "):
            ready = select.select([fd], [], [], cli.PATIENCE)[0]
            expect(ready, f"it does not ask: {shown}")
            shown += os.read(fd, 4096)
        os.write(fd, answer)
        shown += b"|"
    while True:
        try:
            shown += os.read(fd, 4096)
        except OSError:  # its end of the terminal is closed
            break
    os.close(fd)
    return shown.decode(), os.waitpid(pid, 0)[1]


def test_passwd_at_a_terminal(house):
    moved(house)
    shown, status = at_terminal(house, "alice", b"one two\n", b"one two\n")
    expect(status == 0 and "one two" not in shown, shown)
    house.tool("login", "alice", "one two")
    shown, status = at_terminal(house, "alice", b"three\n", b"four\n")
    expect(status != 0 and "not the same" in shown and "three" not in shown, shown)
    shown, status = at_terminal(house, "alice", b"\x03")
    expect(status != 0 and "password set" not in shown, shown)
    house.tool("login", "alice", "one two")


# ── report and retire ────────────────────────────────────────────────────────────────────


def report(house, *args):
    return json.loads(house.good("report", "--json", *args))


def watched(house, days=8):
    """As if the first login had been so long ago."""
    subprocess.run(["sqlite3", str(house.state / "registry.sqlite"),
                    f"UPDATE account SET first_login_at = first_login_at - {days} * 86400000"],
                   check=True)


def test_report(house):
    moved(house)
    house.tool("capture", "bob", "x")
    house.tool("uncapturable", "carol", "CRAM-MD5")
    house.good("alias", "import", write(house, "virtual", VIRTUAL))
    house.tool("recipient", "alice@example.com", "192.0.2.1", "1", "1")
    house.tool("recipient", "bob@example.com", "192.0.2.1", "0", "3")
    house.tool("recipient", "bob@example.com", "192.0.2.2", "2", "30")
    house.tool("recipient", "bob@example.com", "192.0.2.2", "9", "400")
    house.tool("recipient", "list@example.com", "192.0.2.1", "0", "1")
    house.tool("recipient", "who@example.com", "192.0.2.1", "0", "1")
    house.tool("recipient", "guess@example.com", "192.0.2.1", "0", "0")
    told = report(house)
    expect(list(told) == REPORT_FIELDS, list(told))
    by_name = {a["address"]: a for a in told["addresses"]}
    expect(sorted(by_name) == ["alice@example.com", "bob@example.com", "list@example.com",
                               "who@example.com"], by_name)
    bob = by_name["bob@example.com"]
    expect((bob["count"], bob["clients"], bob["client"]) == (33, 2, "192.0.2.2"), bob)
    expect([d["count"] for d in bob["days"]] == [30, 3], bob)
    expect(by_name["alice@example.com"]["why"] == "", "alice lives here now")
    expect(by_name["list@example.com"]["why"].startswith("special rule: alice"), by_name)
    expect("no account and no alias" in by_name["who@example.com"]["why"], by_name)
    expect({a["name"]: a["why"] for a in told["accounts"]} == {
        "bob": "is due at its next login",
        "carol": "cannot be captured: logs in with CRAM-MD5"}, told["accounts"])
    expect([a["address"] for a in told["never_seen"]] == ["later@example.com"], told)
    expect([a["address"] for a in told["special_rules"]] == ["list@example.com"], told)
    expect(not told["safe_to_retire"] and len(told["reasons"]) == 5, told["reasons"])
    expect("it was watched for 0 of 7 days" in told["reasons"], told["reasons"])
    expect(told["refused"] == 6, told["refused"])
    expect(report(house, "--days=30")["addresses"][1]["count"] == 433, "30 days")
    last = house.good("report").splitlines()[-1]
    expect(last.startswith("not safe to retire: 2 accounts are still served"), last)


def test_report_of_why_not(house):
    house.tool("capture", "bob", "x")
    house.good("route", "bob", "source")
    house.tool("capture", "carl", "x")
    for event in (("due",), ("copy",), ("fail", "the source said NO")):
        house.tool("event", "carl", *event)
    house.tool("capture", "dora", "x")
    house.tool("event", "dora", "due")
    expect([a["why"] for a in report(house)["accounts"]] == [
        "pinned to the source", "was not moved: the source said NO", "is on its way"], "why")
    expect("no account lives here yet" in report(house)["reasons"], "nobody is here")


def test_report_with_several_domains(house):
    moved(house)
    watched(house)
    house.tool("recipient", "alice@example.com", "192.0.2.1", "0", "1")
    expect(report(house)["safe_to_retire"], "with one domain it is of alice")
    house.config.write_text(house.config.read_text().replace(
        '{"example.com"}', '{"example.com", "example.net"}'))
    expect(report(house)["safe_to_retire"], "and it stays so: that was learnt")
    moved(house, "fred")
    watched(house)
    house.tool("recipient", "fred@example.com", "192.0.2.1", "0", "1")
    why = [a["why"] for a in report(house)["addresses"] if a["address"].startswith("fred")][0]
    cure = re.search("mailferry (alias add .*)$", why)
    expect(cure and not report(house)["safe_to_retire"], why)
    house.good(*cure[1].split())
    expect(report(house)["safe_to_retire"], "the cure holds")


def test_period_is_watched_as_a_whole(house):
    """One mailbox of one, all is well, and the week is not over."""
    moved(house)
    house.bad("not safe to retire: it was watched for 0 of 7 days", "retire", "--yes")
    watched(house, 5)
    house.bad("watched for 5 of 7 days", "retire", "--yes")
    house.bad("watched for 5 of 30 days", "retire", "--yes", "--days=30")
    expect(report(house, "--days=3")["safe_to_retire"], "three days are over")
    watched(house, 3)
    expect(report(house)["safe_to_retire"], "eight are")


def test_known_users(house):
    """Who has a mailbox at the source and has never been seen is not forgotten."""
    moved(house)
    watched(house)
    users = write(house, "passwd", "# the old server's\nalice:x:1000::/home\n"
                  "Bob@example.com\n\nzoe:x:1001::/home\n")
    text = house.good("report", "--users", users).splitlines()[-1]
    expect(text == "not safe to retire: 2 users of the source have never logged in "
           "through us", text)
    told = house.good("retire", "--dry-run")  # it was remembered
    expect("bob@example.com: has never logged in" in told.lower() and "zoe: has" in told, told)
    moved(house, "bob")
    moved(house, "zoe")
    watched(house)
    expect(report(house)["safe_to_retire"], "now all are known")
    house.bad("cannot read .*none", "report", "--users", str(house.root / "none"))


def test_unseen_tls(house):
    moved(house)
    watched(house)
    house.tool("unseen", "")
    house.bad(r"sessions passed unseen \(clients: ", "retire", "--yes")
    told = report(house)["unseen"][0]
    expect((told["client"], told["service"], told["why"], told["open"], told["count"]) ==
           ("192.0.2.7", "imaps", "no key for mail.example.com", 0, 1), told)
    expect("no key for mail.example.com" in house.good("report"), "text")
    expect(json.loads(house.good("status", "--json"))["unseen"] == [told], "status")
    expect("imaps from 192.0.2.7, unseen: no key for mail.example.com (0 now, 1 in all)"
           in house.good("status"), "status, text")


def test_unseen_ports(house):
    """Another TLS port of the source answers, and its users are not seen."""
    moved(house)
    watched(house)
    with socket.create_server(("127.0.0.1", 0)) as pop3s:
        text = house.config.read_text().replace("192.0.2.10", "127.0.0.1")
        house.config.write_text(
            text + f"services {{ pop3s {{ enabled = false upstream = {pop3s.getsockname()[1]} }} }}\n")
        house.bad("answers on pop3s \\(port", "retire", "--yes")
    expect(report(house)["safe_to_retire"], "it is closed")


def test_who_asks_for_the_source_is_not_heard_in_a_tunnel(house):
    """Nobody asks there for a link address, so that silence says nothing."""
    moved(house)
    for link, heard in (("tuntap add dev near mode tun", False),
                        ("link add near type veth peer name far", True)):
        subprocess.run(["ip", *link.split()], check=True)
        subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "near"], check=True)
        subprocess.run(["ip", "link", "set", "near", "up"], check=True)
        unheard = [t for t in report(house)["not_watched"] if "the source's own network" in t]
        subprocess.run(["ip", "link", "del", "near"], check=True)
        expect(not unheard if heard else len(unheard) == 1, f"{link}: {unheard}")


def test_dry_run_and_losses(house):
    moved(house)
    house.tool("capture", "bob", "x")
    house.tool("recipient", "bob@example.com", "192.0.2.1", "0", "3")
    watched(house)
    text = house.good("retire", "--dry-run")
    for line in ("not safe to retire: 1 account is still served",
                 "bob: cannot log in any more, and the mailbox at the source is out of reach "
                 "(is due at its next login)",
                 "bob@example.com: mail to it is refused (3 messages in 7 days)",
                 "nothing was changed"):
        expect(line in text, text)
    expect(not report(house)["retired"], "a dry run")
    text = house.good("retire", "--yes", "--force")
    expect("retiring now, these lose:" in text and "bob: cannot log in" in text, text)
    house.bad("do not go together", "retire", "--dry-run", "--undo", code=2)


def test_nobody_loses(house):
    moved(house)
    text = house.good("retire", "--dry-run")
    expect("watched for 0 of 7 days\nretiring now, nobody that mailferry has seen loses anything"
           in text, text)
    house.good("alias", "add", "info@example.com", "carol")
    text = house.good("retire", "--dry-run")
    expect("these lose:\n  info@example.com: mail to it is refused (it leads to carol)" in text,
           text)


def test_retire(house):
    moved(house)
    house.tool("capture", "bob", "x")
    house.bad("not safe to retire: 1 account is still served by the source", "retire",
              "--yes")
    expect(not report(house)["retired"], "refused")
    house.tool("arrive", "bob")
    watched(house)
    expect(house.good("report").splitlines()[-1].startswith("safe to retire"), "safe")
    house.bad("no terminal; use --yes", "retire", code=2)
    expect(not report(house)["retired"], "nobody confirmed")
    house.bad("is not retired", "retire", "--undo")
    house.bad("is not retired", "retire", "--erase", "--yes")
    text = house.good("retire", "--yes")
    expect("--undo` takes that back" in text and "--erase" in text, text)
    told = report(house)
    expect(told["retired"] and told["safe_to_retire"], told)
    expect(json.loads(house.good("status", "--json"))["retired"] is True, "status")
    expect("(retired)" in house.good("status"), "status")
    expect("retired already" in house.good("retire", "--yes"), "again")
    house.bad("the source is retired", "route", "alice", "source")
    account = json.loads(house.good("account", "alice", "--json"))
    expect((account["route"], account["pin"]) == ("local", "auto"), account)
    expect(passwd(house, "alice", "new\n").returncode == 0, "passwords are set as before")


def test_retire_has_a_way_back(house):
    moved(house)
    house.good("registry", "copy")
    watched(house)
    house.good("retire", "--yes")
    expect("asked again" in house.good("retire", "--undo"), "undo")
    expect(not report(house)["retired"], "it is not retired")
    house.good("route", "alice", "auto")
    house.good("retire", "--yes")
    expect("are erased" in house.good("retire", "--erase", "--yes"), "erase")
    house.bad("are erased", "retire", "--undo")
    house.tool("login", "alice", "secret")
    copies = list((house.state / "copies").iterdir())
    expect([c.name for c in copies] == ["hour.sqlite"], copies)
    sealed = subprocess.run(["sqlite3", str(copies[0]), "SELECT count(*) FROM password"
                             " WHERE sealed IS NOT NULL"], check=True, capture_output=True)
    expect(sealed.stdout == b"0\n", "nor in a copy")


def test_retire_by_force(house):
    moved(house)
    house.tool("capture", "bob", "x")
    house.tool("event", "bob", "due")
    house.tool("event", "bob", "copy")
    house.good("retire", "--yes", "--force")
    bob = json.loads(house.good("account", "bob", "--json"))
    expect((bob["route"], bob["stage"]) == ("source", "idle"), bob)
    house.bad("the source is retired", "transfer", "bob")
    house.bad("the source is retired", "route", "bob", "local")
    house.good("retire", "--undo")
    house.good("transfer", "bob")


def test_retire_without_the_key(house):
    moved(house)
    watched(house)
    (house.state / "key").rename(house.root / "key")
    house.good("retire", "--yes")
    house.good("retire", "--erase", "--yes")  # nothing is made with it
    house.bad("key file .* is missing", "up")  # but what was proven is bound to it
    (house.root / "key").rename(house.state / "key")
    house.tool("login", "alice", "secret")


def test_print_config(house):
    text = house.good("check", "--print-config")
    expect("\n# seconds a login may be held" in text and "\nhold = 20\n" in text, text)
    house.config.write_text(text)
    expect(house.good("check", "--print-config") == text, "it is a configuration")
    told = json.loads(house.good("check", "--print-config", "--json"))
    expect(told == {"configuration": text}, "JSON")


TESTS = [test_alias_import, test_alias_import_of_aliases, test_alias_import_refused,
         test_alias_import_from_stdin, test_alias_add_and_remove, test_alias_propose,
         test_alias_propose_to_odd_names, test_alias_propose_of_a_whole_domain,
         test_alias_propose_to_several_and_a_whole_domain,
         test_alias_propose_with_several_domains, test_subaddress,
         test_rename_of_an_account_that_is_gone, test_passwd, test_passwd_at_a_terminal, test_report, test_report_of_why_not,
         test_report_with_several_domains, test_period_is_watched_as_a_whole,
         test_known_users, test_unseen_tls, test_unseen_ports,
         test_who_asks_for_the_source_is_not_heard_in_a_tunnel, test_dry_run_and_losses, test_nobody_loses,
         test_retire, test_retire_has_a_way_back, test_retire_by_force,
         test_retire_without_the_key, test_print_config]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
