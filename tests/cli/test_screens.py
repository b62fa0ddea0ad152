#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`top` and the other screens that stay open, through a pty, as a terminal shows them."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import cli
from cli import expect

ESCAPE = re.compile(rb"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Terminal:
    """As much of one as our screens use; anything else is a failure."""

    def __init__(self, rows, columns):
        self.resize(rows, columns)
        self.row = self.column = 0
        self.alternate = False
        self.cursor = self.wrap = True
        self.cleared = 0

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]
        self.reverse = [False] * rows
        self.is_reverse = False

    def mode(self, what, on):
        name = {"?1049": "alternate", "?25": "cursor", "?7": "wrap"}[what]
        setattr(self, name, on)

    def sequence(self, what, letter):
        if letter in "hl":
            self.mode(what, letter == "h")
        elif letter == "H":
            self.row, self.column = int(what or 1) - 1, 0
            self.reverse[self.row] = False
        elif letter == "K":
            self.lines[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif letter == "J":
            expect(what == "2", f"ESC [ {what} J")
            self.cleared += 1
            self.resize(self.rows, self.columns)
        else:
            expect(letter == "m" and what in ("", "1", "7"), f"ESC [ {what} {letter}")
            self.is_reverse = what == "7"

    def text(self, text):
        for letter in text:
            expect(ord(letter) >= 32 and ord(letter) != 127, f"control {letter!r}")
            expect(self.column < self.columns, f"behind the edge: {letter!r} in row {self.row}")
            self.lines[self.row][self.column] = letter
            self.reverse[self.row] |= self.is_reverse
            self.column += 1

    def feed(self, data):
        at = 0
        for found in ESCAPE.finditer(data):
            self.text(data[at:found.start()].decode())
            self.sequence(found[1].decode(), found[2].decode())
            at = found.end()
        self.text(data[at:].decode())

    def shown(self):
        return ["".join(line).rstrip() for line in self.lines]

    def chosen(self):
        return [line for line, reverse in zip(self.shown(), self.reverse) if reverse][:-1]


class Screen:
    """A command in a terminal of its own."""

    def __init__(self, house, *args, rows=24, columns=120):
        self.house = house
        self.terminal = Terminal(rows, columns)
        self.master, slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [house.mailferry, "-c", str(house.config), *args], stdin=slave, stdout=slave,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        house.processes.append(self.process)
        self.bytes = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.05):
        """What came; a sequence that is cut waits for its rest."""
        got = b""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                new = os.read(self.master, 65536)
            except OSError:
                break
            got += new
        self.bytes += got
        whole = self.bytes
        if cut := re.search(rb"\x1b(\[[?0-9;]*)?$", whole):
            whole = whole[:cut.start()]
        while whole and not self.is_text(whole):
            whole = whole[:-1]
        self.bytes = self.bytes[len(whole):]
        self.terminal.feed(whole)
        return got

    @staticmethod
    def is_text(data):
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return True

    def type(self, keys):
        os.write(self.master, keys.encode())

    def shows(self, pattern, where=None):
        def is_there():
            self.read()
            return re.search(pattern, "\n".join(self.terminal.shown()), re.M)
        end = time.monotonic() + cli.PATIENCE
        while not is_there():
            expect(time.monotonic() < end and self.process.poll() is None,
                   f"{where or pattern}:\n" + "\n".join(self.terminal.shown()) +
                   ("" if self.process.poll() is None else self.process.stderr.read()))

    def leave(self, how="q"):
        if isinstance(how, str):
            self.type(how)
        else:
            self.process.send_signal(how)
        end = time.monotonic() + cli.PATIENCE
        while self.process.poll() is None:
            self.read()
            expect(time.monotonic() < end, "it stays")
        self.read(0.2)
        status, err = self.process.returncode, self.process.stderr.read()
        expect(status == 0 and not err, f"exit {status}: {err}")
        terminal = self.terminal
        expect(terminal.cursor and terminal.wrap and not terminal.alternate, vars(terminal))
        after = termios.tcgetattr(self.slave)
        expect(after == self.before, f"the terminal was {self.before}, is {after}")
        os.close(self.master)
        os.close(self.slave)


def kicked(house):
    return [line for line in house.told("interceptor") if line.startswith("KICK")]


def test_flows(house):
    house.stub("interceptor")
    screen = Screen(house, "flows", "--watch")
    screen.shows(r"^mailferry flows .* 1 of 1$")
    screen.shows(r"^account +service +client .* out▼")
    screen.shows(r"^alice +imap +192\.0\.2\.1:40000 +source .* 120 B +3\.5 MB .* 5f2c01$")
    expect("alice" in screen.terminal.chosen()[0], "the first row is chosen")
    # it is refreshed, and only what changes is sent
    cleared, sent = screen.terminal.cleared, b""
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        sent += screen.read()
    expect(0 < len(sent) < 1500, f"{len(sent)} bytes: {sent[:300]}")
    expect(screen.terminal.cleared == cleared and b"alice" not in sent.replace(b"\x1b[7malice", b""),
           sent)
    # filter
    screen.type("/client=192.0.2.9")
    screen.shows("0 of 1.*filter: client=192.0.2.9")
    screen.type("\x7f1 ALI\r")
    screen.shows("1 of 1.*filter: client=192.0.2.1 ALI$")
    screen.type("/\x1b")
    screen.shows("1 of 1$")
    # sort
    screen.type(">")
    screen.shows("rtt ms▼")
    screen.type("<<r")
    screen.shows(r" in▲")
    # kick, with a word in between
    screen.type("k")
    screen.shows(r"^kick 5f2c01 alice from 192\.0\.2\.1:40000\? y/n")
    screen.type("n")
    screen.shows("^q quit")
    expect(not kicked(house), house.told("interceptor"))
    screen.type("k")
    screen.shows(r"\? y/n")
    screen.type("y")
    screen.shows("^5f2c01: on its way out")
    expect(len(kicked(house)) == 1, house.told("interceptor"))
    screen.leave()


def test_resize(house):
    house.stub("interceptor")
    screen = Screen(house, "flows", "--watch", rows=24, columns=120)
    screen.shows("5f2c01$")
    for rows, columns in ((5, 30), (3, 10), (1, 1), (40, 200)):
        screen.terminal.resize(rows, columns)
        screen.size(rows, columns)
        screen.process.send_signal(signal.SIGWINCH)
        wanted = "mailferry flows"[:columns].strip()
        # at 1 × 1 there is room for one letter
        screen.shows("^" + re.escape(wanted), f"{rows} × {columns}")
    screen.shows("5f2c01$")
    screen.leave(signal.SIGTERM)


def test_interceptor_goes(house):
    process = house.stub("interceptor")
    screen = Screen(house, "flows", "--watch")
    screen.shows("1 of 1$")
    process.kill()
    process.wait()
    (house.run / "interceptor.sock").unlink()
    screen.shows(r"1 of 1  \(no answer\)$")
    house.stub("interceptor")
    screen.shows("1 of 1$")
    screen.type("\x03")
    screen.leave("")


def test_top(house):
    for number in range(40):
        house.tool("capture", f"user{number:02}", "secret")
    house.tool("capture", "alice", "secret")
    house.tool("capture", "e\x1b[2Jvil", "secret")
    house.stub("interceptor")
    screen = Screen(house, "top", rows=20, columns=160)
    screen.shows(r"^mailferry accounts .* 42 of 42$")
    screen.shows(r"^alice +source +\w+ +auto +1 ")
    expect("alice" in screen.terminal.chosen()[0], "who has flows comes first")
    screen.type("\x1b[F")
    screen.shows("^user39 ", "the other end")
    screen.type("\x1b[H\x1b[B\x1b[B\x1b[A/2jvil\r")
    screen.shows(r"^e\?\[2jvil ")
    screen.type("k")
    screen.shows(r"^kick all flows of e\?\[2jvil")
    screen.type("n/\x1b")
    screen.shows("42 of 42$")
    screen.type("\x1b[Hk")
    screen.shows("^kick all flows of alice")
    screen.type("y")
    screen.shows("^1 flows of alice on their way out")
    for title in ("flows .* 1 of 1$", "transfers ", "counters|accounts"):
        screen.type("\t")
        screen.shows(f"^mailferry ({title})")
    screen.leave()


def test_counters(house):
    house.good("rules", "install")
    screen = Screen(house, "counters", "--watch")
    screen.shows(r"^service +route +packets +bytes▼")
    screen.leave()
    house.good("rules", "remove")
    house.bad("no rules are installed", "counters", "--watch")
    house.bad("--watch is a screen", "counters", "--watch", "--json", code=2)
    house.bad("needs '--since", "counters", "--by", "hour", code=2)
    house.bad("minute, hour or day", "counters", "--since", "1h", "--by", "week", code=2)
    house.bad("no time in the past", "counters", "--since", "soon", code=2)


def test_transfers(house):
    screen = Screen(house, "transfers", "--watch")
    screen.shows(r"^mailferry transfers .* 0 of 0$")
    screen.shows(r"left +attempts")
    house.tool("capture", "alice", "secret")
    house.tool("event", "alice", "due")
    screen.shows(r"^alice +due +0 ")
    house.tool("event", "alice", "copy")
    house.tool("progress", "alice", "1000", "10")
    screen.shows(r"^alice +copying +1 +10 +1000 ")
    time.sleep(1.1)
    house.tool("progress", "alice", "1000", "30")
    screen.shows(r"^alice +copying +3 +30 +1000 .* [0-9]+:[0-9]{2} +1")
    screen.leave()
    expect("alice" in house.good("transfers"), "as a table")


def test_no_terminal(house):
    house.bad("needs a terminal", "top")
    house.bad("needs a terminal", "transfers", "--watch")


TESTS = [test_flows, test_resize, test_interceptor_goes, test_top, test_counters, test_transfers,
         test_no_terminal]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
