#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry log`: stories from a file, and from a journal that journalctl's stand-in tells."""
import json
import os
import sys

import cli
from cli import expect

LINES = """\
mailferry: a sentence that is no log line
2026-03-01T10:00:00.000Z interceptor info 4d2-1 login service=imap client=192.0.2.7:4 account=alice route=source
2026-03-01T10:00:01.000Z interceptor info 4d2-2 login service=imap client=192.0.2.8:4 account=bob route=source
2026-03-01T10:00:02.000Z interceptor info 4d2-1 end reason="client left" in=relayed account=alice bytes_in=1 bytes_out=2
2026-03-01T10:00:03.000Z transfer info - due account=alice
2026-03-01T10:00:04.000Z interceptor info 4d2-3 rcpt to=<alice@example.com> account=alice route=busy
2026-03-01T10:00:05.000Z interceptor info 4d2-3 rcpt to=<bob@example.com> account=bob route=source
2026-03-01T10:00:06.000Z interceptor warning 4d2-3 source error="Connection reset by peer" in="data"
2026-03-01T10:00:07.000Z interceptor info 4d2-4 refused account=bob account=alice reason=wrong-password service=imap client=192.0.2.9:4
"""
EVENTS = ["login", "end", "due", "rcpt", "rcpt", "source"]

JOURNALCTL = """\
#!/usr/bin/python3
import json, os, sys
with open(os.environ["ASKED"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
if os.environ.get("BROKEN"):
    sys.exit("no journal files were found")
groups, wanted = [[]], sys.argv[1:]
for word in wanted:
    if word == "+":
        groups.append([])
    elif not word.startswith("--"):
        groups[-1].append(word.split("=", 1))
with open(os.environ["ENTRIES"]) as file:
    for line in file:
        entry = json.loads(line)
        if any(any(entry.get(key) == value for key, value in group) for group in groups):
            print(line, end="")
print('{"MESSAGE": [255, 254], "ACCOUNT": "alice"}')
print("not JSON")
"""


def entry(second, program, session, event, text, _UID="0", **fields):
    e = {"__REALTIME_TIMESTAMP": str(1772359200000000 + second * 1000000), "PRIORITY": "6",
         "SYSLOG_IDENTIFIER": f"mailferry-{program}", "EVENT": event, "_UID": _UID,
         "MESSAGE": f"{session} {event} {text}", **fields}
    return json.dumps(e | ({"SESSION": session} if session != "-" else {}))


ENTRIES = [
    entry(0, "interceptor", "4d2-1", "login", "account=alice route=source", ACCOUNT="alice"),
    entry(1, "interceptor", "4d2-2", "login", "account=bob route=source", ACCOUNT="bob"),
    entry(2, "interceptor", "4d2-1", "hand-off", "unread=0"),
    entry(3, "transfer", "-", "due", "account=alice", ACCOUNT="alice"),
    entry(4, "vault", "-", "forged", "account=alice", ACCOUNT="alice", _UID="1000"),
]
MANY = 2100  # sessions; of so many the command line has no room


def story(house, *args):
    return json.loads(house.good("log", *args, "--json"))


def with_file(house):
    path = house.root / "lines"
    path.write_text(LINES)
    return "--file", str(path)


def test_user(house):
    lines = story(house, "alice", *with_file(house))
    expect([line["event"] for line in lines] == EVENTS, lines)
    expect(lines[0] == {"time": "2026-03-01T10:00:00.000Z", "program": "interceptor",
                        "level": "info", "session": "4d2-1", "event": "login",
                        "text": "service=imap client=192.0.2.7:4 account=alice route=source"},
           lines[0])
    text = house.good("log", "alice", *with_file(house))
    expect(len(text.splitlines()) == len(EVENTS) and "bob@example.com" in text, text)


def test_session(house):
    lines = story(house, "4d2-3", *with_file(house))
    expect([line["event"] for line in lines] == ["rcpt", "rcpt", "source"], lines)


def test_since(house):
    lines = story(house, "alice", "--since", "2026-03-02", *with_file(house))
    expect(not lines, lines)
    house.bad("no time in the past", "log", "alice", "--since", "beer", code=2)


def test_odd_bytes(house):
    """A file may be anybody's: no part of a line steers the terminal."""
    path = house.root / "lines"
    path.write_text("2026-03-01T\x1b[2J:00:00.0Z inter\x1b]0;x\x07 info \x1b[1A-1 log\x9bin "
                    "account=alice text=\x1b[31m\n")
    text = house.good("log", "alice", "--file", str(path))
    expect(text.endswith("account=alice text=?[31m\n") and text.isascii()
           and all(c.isprintable() for c in text[:-1]), ascii(text))
    text = house.good("log", "\x1b[1A-1", "--file", str(path))
    expect("?[1A-1" in text and "\x1b" not in text, ascii(text))
    expect(story(house, "alice", "--file", str(path))[0]["session"] == "\x1b[1A-1", "in JSON")


def test_nothing(house):
    expect(not story(house, "carol", *with_file(house)), "carol is told of")
    expect("Nothing in the log" in house.good("log", "carol", *with_file(house)), "no word")
    house.bad("nowhere: No such file", "log", "alice", "--file", str(house.root / "nowhere"))
    house.bad("missing argument", "log", code=2)


def with_journal(house, entries):
    bin_dir = house.root / "journal"
    bin_dir.mkdir()
    (bin_dir / "journalctl").write_text(JOURNALCTL)
    (bin_dir / "journalctl").chmod(0o755)
    (house.root / "entries").write_text("\n".join(entries) + "\n")
    os.environ.update(PATH=f"{bin_dir}:{os.environ['PATH']}", ASKED=str(house.root / "asked"),
                      ENTRIES=str(house.root / "entries"))


def test_journal(house):
    before = dict(os.environ)
    with_journal(house, ENTRIES)
    try:
        lines = story(house, "alice", "--since", "2026-02-01")
        expect([line["event"] for line in lines] == ["login", "hand-off", "due"], lines)
        expect(lines[1]["session"] == "4d2-1" and lines[1]["program"] == "interceptor"
               and lines[1]["time"] == "2026-03-01T10:00:02.000Z", lines[1])
        first, second = map(json.loads, (house.root / "asked").read_text().splitlines())
        expect("ACCOUNT=alice" in first and "SESSION=4d2-1" in second, (first, second))
        expect(any(word.startswith("--since=@17") for word in first), first)
        os.environ["BROKEN"] = "1"
        done = house.command("log", "alice")
        expect(done.returncode == 1
               and "mailferry: journalctl could not read the journal" in done.stderr, done)
        os.environ["PATH"] = str(house.root / "empty")
        house.bad("no journalctl here; --file FILE", "log", "alice")
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_many_sessions(house):
    before = dict(os.environ)
    with_journal(house, [entry(n, "interceptor", f"4d2-{n}", event, f"account={user}", **fields)
                         for n in range(MANY)
                         for event, user, fields in (("login", "alice", {"ACCOUNT": "alice"}),
                                                     ("login", "bob", {"ACCOUNT": "bob"}),
                                                     ("end", "", {}))])
    try:
        lines = story(house, "alice", "--since", "2026-02-01")
        expect(len({line["session"] for line in lines if line["event"] == "end"}) == MANY, len(lines))
    finally:
        os.environ.clear()
        os.environ.update(before)


TESTS = [test_user, test_session, test_since, test_odd_bytes, test_nothing, test_journal,
         test_many_sessions]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
