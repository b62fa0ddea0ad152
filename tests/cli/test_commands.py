#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands against registries in known states: exit codes, sentences, JSON."""
import contextlib
import json
import re
import signal
import sqlite3
import sys
import time

import cli
from cli import expect

ACCOUNT_FIELDS = ["name", "route", "stage", "pin", "capturable", "folders", "messages_total",
                  "messages_copied", "bytes_copied", "uids_kept", "uidls_kept",
                  "out_of_service_ms", "attempts", "last_error"]
FLOW_FIELDS = ["id", "service", "client", "account", "route", "started", "bytes_in",
               "bytes_out"]

# arguments, exit code, what stderr says
USAGE = [
    ([], 2, "no command given; see `mailferry --help`"),
    (["beer"], 2, "unknown command 'beer'; see `mailferry --help`"),
    (["stat"], 2, "unknown command 'stat'; did you mean `mailferry status`"),
    (["status", "--beer"], 2, "unknown option '--beer'; see `mailferry status --help`"),
    (["status", "--wait"], 2, "'status' takes no option '--wait'"),
    (["account"], 2, "missing argument; usage: mailferry account USER"),
    (["account", "alice", "bob"], 2, "usage: mailferry account USER"),
    (["accounts", "alice"], 2, "unexpected argument 'alice'"),
    (["route", "alice"], 2, "route USER auto"),
    (["route", "alice", "home"], 2, 'not "home"'),
    (["rules", "beer"], 2, "install, confirm, show, check, remove or end"),
    (["rules", "remove", "--dry-run"], 2, "are for `rules install`; nothing was changed"),
    (["rules", "end", "--closed"], 2, "are for `rules install`; nothing was changed"),
    (["store", "beer", "alice"], 2, 'import, backup or compact, not "beer"'),
    (["store", "compact", "alice", "--dry-run"], 2, "usage: mailferry store compact USER"),
    (["store", "check", "alice", "--dry-run"], 2, r"mailferry store check USER \[--repair\]"),
    (["store", "check", "alice", "bob"], 2, "usage: mailferry store check"),
    (["store", "export", "alice"], 2, "usage: mailferry store export USER DIR"),
    (["alias"], 2, "mailferry alias import FILE"),
    (["admit"], 2, r"usage: mailferry admit PREFIX divert\|direct\|refuse\|drop, admit --remove"),
    (["admit", "192.0.2.0/24"], 2, "usage: mailferry admit"),
    (["admit", "--list", "192.0.2.0/24"], 2, "usage: mailferry admit"),
    (["admit", "--remove", "192.0.2.0/24"], 1, "there is no registry"),
    (["alias", "beer"], 2, 'import, add, remove, list or propose, not "beer"'),
    (["alias", "add", "a@example.com"], 2, "usage: mailferry alias add ADDRESS USER"),
    (["alias", "list", "a", "b"], 2, r"mailferry alias list \[USER\]"),
    (["alias", "list", "--dry-run"], 2, "usage: mailferry alias list"),
    (["alias", "import"], 2, "usage: mailferry alias import FILE"),
    (["alias", "import", "f", "--format", "beer"], 2, 'virtual or aliases, not "beer"'),
    (["alias", "import", "f", "--format"], 2, "option '--format' requires a value"),
    (["report", "--days", "0"], 2, 'from 1 to 400, not "0"'),
    (["report", "--days=week"], 2, 'not "week"'),
    (["retire", "--days=401"], 2, 'not "401"'),
    (["retire", "--json"], 2, "'retire' takes no option '--json'"),
    (["passwd", "alice", "secret"], 2, "unexpected argument 'secret'"),
    (["passwd", "alice"], 1, "there is no registry"),
    (["report"], 1, "there is no registry"),
    (["account", "alice"], 1, "there is no registry .* yet"),
    (["route", "alice", "local"], 1, "there is no registry"),
    (["transfer", "alice"], 1, "there is no registry"),
    (["flows"], 1, "mailferry does not run here .* start `mailferry up`"),
]

CONFIGS = [
    ('sorce = "192.0.2.1"\n', r"conf:1: unknown key `sorce`; did you mean `source`\?"),
    ('source = "192.0.2.300"\n', r'conf:1: `source`: "192.0.2.300" is not an address'),
    ('source = "192.0.2.1"\ndomains = {"x"}\nhold = 999\n', "conf:3: `hold` is a number"),
    ('source = "192.0.2.1"\n', "`domains` is missing"),
    ("", "`source` is missing"),
]


def test_usage(house):
    for args, code, sentence in USAGE:
        house.bad(sentence, *args, code=code)


def test_bad_configuration(house):
    for text, sentence in CONFIGS:
        house.config.write_text(text)
        for command in ("status", "check", "up"):
            house.bad(sentence, command, code=2)
    house.config.unlink()
    house.bad("there is no configuration .* name another with -c FILE", "status", code=2)


def test_help(house):
    text = house.good("--help")
    for name in re.findall(r"^  ([a-z]+) ", text, re.M):
        expect(f"Usage: mailferry {name}" in house.good(name, "--help"), name)
        expect("-c FILE" in house.good(name, "--help"), name)


def test_nobody_yet(house):
    expect(json.loads(house.good("accounts", "--json")) == [], "accounts")
    status = json.loads(house.good("status", "--json"))
    expect(status["accounts"]["total"] == 0, status)
    expect(status["programs"] == {"vault": False, "interceptor": False, "mailstore": False,
                                  "transfer": False, "admission": False}, status)
    expect(any("mailferry up" in line for line in status["attention"]), status)


def test_accounts(house):
    house.tool("capture", "Alice@example.com", "secret")
    house.tool("uncapturable", "carol", "CRAM-MD5")
    house.tool("event", "alice", "due", "login")
    all_of_them = json.loads(house.good("accounts", "--json"))
    expect([a["name"] for a in all_of_them] == ["alice@example.com", "carol"], all_of_them)
    for field in ACCOUNT_FIELDS:
        expect(field in all_of_them[0], f"{field} is missing")
    alice, carol = all_of_them
    expect(alice["route"] == "source" and alice["stage"] == "due", alice)
    expect(alice["pin"] == "auto" and alice["capturable"] is True, alice)
    expect(alice["uids_kept"] is None and alice["messages_total"] == 0, alice)
    expect(carol["capturable"] is False and carol["uncapturable_why"] == "CRAM-MD5", carol)
    text = house.good("accounts")
    expect(len(text.splitlines()) == 3, text)
    expect("secret" not in text + house.good("account", "alice"), "a password is shown")


def test_account(house):
    house.tool("capture", "alice", "secret")
    house.tool("event", "alice", "due", "login")
    expect("no certificate" in house.good("account", "ALICE"), "before the move")
    house.tool("result", "alice", '{"differences": 0}')
    account = json.loads(house.good("account", "alice@example.com", "--json"))
    expect(account["certificate"] == {"differences": 0}, account)
    expect(account["uids_kept"] is True and account["uidls_kept"] is None, account)
    expect(account["journal"][0]["event"] == "due", account)
    expect(account["journal"][0]["to"] == "source/due", account)
    expect('"differences": 0' in house.good("account", "alice"), "text")
    house.bad('there is no account "bob"', "account", "bob")


def state_of(house, name):
    account = json.loads(house.good("account", name, "--json"))
    return account["route"], account["stage"], account["pin"]


def test_route_before_the_move(house):
    house.tool("capture", "alice", "secret")
    expect("does not run now" in house.good("route", "alice", "source"), "no programs")
    expect(state_of(house, "alice") == ("source", "idle", "source"), "source")
    house.good("route", "alice", "auto")
    expect(state_of(house, "alice") == ("source", "idle", "auto"), "auto")
    house.good("route", "alice", "local")
    expect(state_of(house, "alice") == ("source", "due", "local"), "local is due now")
    house.good("route", "alice", "local")
    expect(state_of(house, "alice") == ("source", "due", "local"), "twice is fine")
    house.good("route", "alice", "source")
    expect(state_of(house, "alice") == ("source", "idle", "source"), "cancelled")


def test_route_while_busy(house):
    house.tool("capture", "alice", "secret")
    for event in ("due", "copy", "catch-up", "switch"):
        house.tool("event", "alice", event)
    house.good("route", "alice", "source")
    expect(state_of(house, "alice") == ("source", "idle", "source"), "busy is cancelled")


def test_route_without_password(house):
    house.tool("uncapturable", "carol", "APOP")
    expect("at the next login" in house.good("route", "carol", "local"), "hint")
    expect(state_of(house, "carol") == ("source", "idle", "local"), "pinned, not due")


def test_route_tells_the_programs(house):
    house.tool("capture", "alice", "secret")
    house.stub("interceptor")
    house.stub("transfer")
    expect("does not run" not in house.good("route", "alice", "local"), "they run")
    cli.wait_until(lambda: house.told("interceptor") == ["ROUTE_CHANGED alice"],
                   "the interceptor is told")
    cli.wait_until(lambda: house.told("transfer") == ["ACCOUNT_DUE alice"],
                   "the transfer is told")


def arrived(house):
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    expect(state_of(house, "alice") == ("local", "done", "auto"), "arrived")
    house.real("transfer")  # its process of one account takes the way back


def last_events(house, count):
    with sqlite3.connect(house.state / "registry.sqlite") as database:
        rows = database.execute("SELECT event, was, is_now FROM journal WHERE event <> 'pin'"
                                " ORDER BY id DESC LIMIT ?", (count,)).fetchall()
    return rows[::-1]


def test_way_back_with_nothing_new(house):
    arrived(house)
    house.stub("interceptor")
    house.stub("mailstore")
    house.good("route", "alice", "source")
    expect(state_of(house, "alice") == ("source", "idle", "source"), "back")
    expect(last_events(house, 2) == [("leave", "local/done", "busy/done"),
                                     ("return", "busy/done", "source/idle")], "by way of busy")
    expect(house.told("interceptor")[:2] == ["ROUTE_CHANGED alice", "QUIESCE alice"],
           "nobody gets in meanwhile")
    expect(house.told("mailstore") == ["RELEASE alice"], "the folder was asked for first")


def test_way_back_with_news(house):
    arrived(house)
    house.stub("interceptor")
    house.tool("deliver", "alice")
    house.tool("deliver", "alice")
    before = last_events(house, 1)
    house.bad("carrying back what is new here takes the account's password: mailferry must be"
              " running", "route", "alice", "source")
    expect(state_of(house, "alice") == ("local", "done", "auto"), "they are served here")
    expect(last_events(house, 1) == before, "they were never busy")
    expect(house.told("interceptor") == [], "nobody was held")
    account = json.loads(house.good("account", "alice", "--json"))
    expect(account["last_error"] == "", "nothing failed")
    expect(account["carried"]["result"] == "stays" and account["carried"]["messages"] == 0,
           account["carried"])
    house.bad("the transfer service, which does not run", "route", "alice", "source",
              "--dry-run")


def test_way_back_without_the_folder(house):
    arrived(house)
    (house.state / "mail" / "alice").rename(house.state / "mail" / "elsewhere")
    house.bad("alice", "route", "alice", "source")
    expect(state_of(house, "alice") == ("local", "done", "auto"), "they stay")


def test_way_back_killed_changes_nothing(house):
    """The command only waits: the process that it started goes on without it."""
    house.real("transfer")
    for number in (signal.SIGINT, signal.SIGKILL):
        user = f"user{int(number)}"
        house.tool("capture", user, "secret")
        house.tool("arrive", user)
        stub = house.stub("interceptor")
        stub.send_signal(signal.SIGSTOP)
        command = house.start(house.mailferry, "-c", str(house.config), "route", user,
                              "source")
        cli.wait_until(lambda u=user: state_of(house, u)[0] == "busy", "it is on its way")
        command.send_signal(number)
        command.wait(cli.PATIENCE)
        expect(state_of(house, user) == ("busy", "done", "auto"), "still on its way")
        stub.send_signal(signal.SIGCONT)
        cli.wait_until(lambda u=user: state_of(house, u) == ("source", "idle", "source"),
                       "back without the command")
        cli.kill(stub.pid)
        stub.wait()
        (house.run / "interceptor.pid").unlink()


def test_way_back_asked_twice(house):
    """Each waits for the one process after the other, and both are told the outcome."""
    arrived(house)
    stub = house.stub("interceptor")
    stub.send_signal(signal.SIGSTOP)
    commands = [house.start(house.mailferry, "-c", str(house.config), "route", "alice",
                            "source") for _ in range(2)]
    cli.wait_until(lambda: state_of(house, "alice")[0] == "busy", "it is on its way")
    time.sleep(0.3)
    stub.send_signal(signal.SIGCONT)
    for command in commands:
        expect(command.wait(30) == 0, "both are told that it is back")
    expect(state_of(house, "alice") == ("source", "idle", "source"), "back")
    expect(last_events(house, 3)[1:] == [("leave", "local/done", "busy/done"),
                                         ("return", "busy/done", "source/idle")], "once")


def test_way_back_called_off(house):
    arrived(house)
    house.tool("event", "alice", "leave")
    house.good("route", "alice", "local")
    expect(state_of(house, "alice") == ("local", "done", "local"), "they stay")


def test_transfer(house):
    house.tool("capture", "alice", "secret")
    house.stub("interceptor")
    house.stub("transfer")
    expect("due now" in house.good("transfer", "alice"), "said")
    expect(state_of(house, "alice") == ("source", "due", "auto"), "due")
    expect("ACCOUNT_DUE alice" in house.told("transfer"), "poked")
    house.tool("uncapturable", "carol", "CRAM-MD5")
    house.bad("has shown no password yet: logs in with CRAM-MD5", "transfer", "carol")
    house.good("route", "alice", "source")
    house.bad("pinned to the source; first: mailferry route alice auto", "transfer",
              "alice")


def watched(house, *parts):
    """`transfer --wait` while the test takes the part of the transfer: after each line with
    these words, these steps. Its exit status, and what it says of a failure."""
    process = house.start(house.mailferry, "-c", str(house.config), "transfer", "alice", "--wait")
    for words, *steps in parts:
        text = ""
        while words not in text:
            text = process.stdout.readline()
            expect(text, f"\"{words}\" is not said")
        for step in steps:
            house.tool(*step)
    process.stdout.read()
    return process.wait(cli.PATIENCE), house.log()


def test_wait_until_done(house):
    house.tool("capture", "alice", "secret")
    house.stub("transfer")
    code, _ = watched(
        house, ("due   0 %", ("event", "alice", "copy"), ("progress", "alice", "10", "5")),
        ("copying  50 %  5/10 messages", ("progress", "alice", "10", "10"),
         ("event", "alice", "catch-up")),
        ("switches when nobody", ("event", "alice", "switch"), ("event", "alice", "arrive")),
        ("done 100 %  10/10 messages",))
    expect(code == 0, code)
    expect("lives here already" in house.good("transfer", "alice"), "again")


def test_wait_until_failed(house):
    house.tool("capture", "alice", "secret")
    house.stub("transfer")
    code, said = watched(house, ("due", ("event", "alice", "copy"),
                                 ("event", "alice", "fail", "the source said NO")))
    expect(code == 1 and '"alice" was not moved: the source said NO' in said, said)
    status = json.loads(house.good("status", "--json"))
    expect("alice was not moved: the source said NO" in status["attention"], status)
    code, said = watched(house, ("due", ("event", "alice", "copy"),
                                 ("event", "alice", "fail", "the source said \x1b[2J")))
    expect(code == 1 and "the source said ?[2J" in said and "\x1b" not in said, said)
    code, said = watched(house, ("due", ("event", "alice", "copy"), ("event", "alice", "cancel")))
    expect(code == 1 and 'the move of "alice" was cancelled' in said, said)


def test_who_never_leaves(house):
    house.tool("capture", "alice", "secret")
    for event in ("due", "copy", "catch-up"):
        house.tool("event", "alice", event)
    expect("alice" not in " ".join(json.loads(house.good("status", "--json"))["attention"]),
           "they may yet leave today")
    with contextlib.closing(sqlite3.connect(house.state / "registry.sqlite")) as registry:
        registry.execute("UPDATE account SET stage_at = stage_at - 49 * 3600 * 1000")
        registry.commit()
    status = json.loads(house.good("status", "--json"))
    expect("alice is copied, but has not logged off for 49 h; with `deadline` its sessions "
           "would be ended for the switch" in status["attention"], status)
    house.good("route", "alice", "source")
    expect("alice" not in " ".join(json.loads(house.good("status", "--json"))["attention"]),
           "they are to stay there")


def test_flows(house):
    house.stub("interceptor")
    flows = json.loads(house.good("flows", "--json"))
    expect(list(flows[0]) == FLOW_FIELDS, flows)
    text = house.good("flows")
    expect("192.0.2.1:40000" in text and "3.5 MB" in text, text)
    process = house.start(house.mailferry, "-c", str(house.config), "flows", "--watch",
                          "--json")
    for _ in range(2):
        expect(json.loads(process.stdout.readline()) == flows, "one look per line")
    process.kill()
    process.wait()
    status = json.loads(house.good("status", "--json"))
    expect(status["flows"]["source"] == 1, status)


def test_odd_names(house):
    name = "o'brien\x1b[31m <ü>"
    house.tool("capture", name, "secret")
    expect("\x1b" not in house.good("accounts"), "a name steers the terminal")
    expect(json.loads(house.good("accounts", "--json"))[0]["name"] == name, "JSON")
    expect(state_of(house, name)[0] == "source", "found by its name")
    house.tool("unseen", "open")
    house.sql("UPDATE unseen SET why = 'no key for ' || char(27) || '[2J'")
    expect("no key for ?[2J" in house.good("status"), "a name of TLS")
    house.sql("INSERT INTO pop_login "
              "SELECT id, 1, '192.0.2.7' || char(27) || '[2J', '', 0 FROM account")
    expect("source from 192.0.2.7?[2J" in house.good("account", name), "a client, as a worker says")


TESTS = [test_usage, test_bad_configuration, test_help, test_nobody_yet, test_accounts,
         test_account, test_route_before_the_move, test_route_while_busy,
         test_route_without_password, test_route_tells_the_programs,
         test_way_back_with_nothing_new, test_way_back_with_news,
         test_way_back_without_the_folder, test_way_back_killed_changes_nothing,
         test_way_back_asked_twice,
         test_way_back_called_off, test_transfer,
         test_wait_until_done, test_wait_until_failed, test_who_never_leaves,
         test_flows, test_odd_names]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
