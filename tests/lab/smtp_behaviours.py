# SPDX-License-Identifier: GPL-3.0-or-later
"""What senders do on port 25, as functions of a connection: for running it against a server
directly and through us, and comparing every byte that comes back."""
import contextlib
import re
import select
import socket
import time

TEXT = b"Subject: a test\r\n\r\ntext\r\n..dot\r\n.\r\n"
QUIET = 0.4  # seconds without a byte: it waits for us

# What is another one each time, by any server.
CHANGES = [
    (rb"queued as [0-9A-Za-z]+", b"queued as ID"),  # Postfix
    (rb"id=[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+", b"id=ID"),  # Exim
    (rb"\b[0-9a-f]{8} Message accepted", b"ID Message accepted"),  # OpenSMTPD
    (rb"\b[0-9A-Za-z]{14}(?= Message accepted)|(?<=2\.0\.0 )[0-9A-Za-z]{14}\b", b"ID"),  # Sendmail
    (rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d+ [A-Z][a-z]+ \d+ [\d:]+ ([+-]\d+|GMT)( \(UTC\))?", b"DATE"),
    (rb"\[(?:IPv6:)?[0-9a-f.:]+\]|\b192\.0\.2\.\d+|\b198\.51\.100\.\d+", b"[ADDRESS]"),
]


class Talk:
    """One connection; `heard` is all that came, with [closed] and [reset] where it ended."""

    def __init__(self, connect):
        self.socket = connect()
        self.heard = b""
        self.is_over = False

    def send(self, data):
        if not self.is_over:
            with contextlib.suppress(OSError):
                self.socket.sendall(data)
        return self

    def _read(self, seconds):
        if self.is_over or not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.heard += data or b"[closed]"
        self.is_over = not data
        return bool(data)

    def replies(self, count=1, patience=20):
        """Until so many whole replies have come, or the end."""
        start, end = len(self.heard), time.monotonic() + patience
        while len(re.findall(rb"(?m)^\d{3}(?: .*)?\r\n", self.heard[start:])) < count:
            if not self._read(max(0, end - time.monotonic())):
                break
        return self

    def rest(self):
        """Until it is quiet, or the end."""
        while self._read(QUIET):
            pass
        return self

    def say(self, *lines):
        """One after the other, each with its answer."""
        for line in lines:
            self.send(line.encode() + b"\r\n").replies()
        return self

    def half_close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def transcript(self):
        with contextlib.suppress(OSError):
            self.socket.close()
        text = self.heard
        for pattern, with_what in CHANGES:
            text = re.sub(pattern, with_what, text)
        return text


BEHAVIOURS = {}


def behaviour(function):
    BEHAVIOURS[function.__name__] = function
    return function


def begin(talk, hello="EHLO client.example.org"):
    return talk.replies().say(hello)


def message(talk, *to, sender="sender@example.org", params="", text=TEXT):
    talk.say(f"MAIL FROM:<{sender}>{params}", *[f"RCPT TO:<{t}>" for t in to], "DATA")
    return talk.send(text).replies()


@behaviour
def ordinary(talk, to):
    message(begin(talk), *to).say("QUIT").rest()


@behaviour
def helo(talk, to):
    message(begin(talk, "HELO client.example.org"), *to).say("QUIT").rest()


@behaviour
def one_write_and_hang_up(talk, to):
    lines = ["EHLO client.example.org", "MAIL FROM:<sender@example.org>",
             *[f"RCPT TO:<{t}>" for t in to], "DATA"]
    talk.replies().send("".join(f"{line}\r\n" for line in lines).encode() + TEXT + b"QUIT\r\n")
    talk.half_close().replies(len(lines) + 2).rest()


@behaviour
def one_write_and_no_quit(talk, to):
    lines = ["EHLO client.example.org", "MAIL FROM:<sender@example.org>",
             *[f"RCPT TO:<{t}>" for t in to], "DATA"]
    talk.replies().send("".join(f"{line}\r\n" for line in lines).encode() + TEXT)
    talk.half_close().replies(len(lines) + 1).rest()


@behaviour
def early_ehlo(talk, to):
    talk.send(b"EHLO client.example.org\r\n").replies(2)
    message(talk, *to).say("QUIT").rest()


@behaviour
def early_mail(talk, _):
    talk.send(b"MAIL FROM:<sender@example.org>\r\n").replies(2).say("QUIT").rest()


@behaviour
def early_quit(talk, _):
    talk.send(b"QUIT\r\n").replies(2).rest()


@behaviour
def early_half_a_line(talk, _):
    talk.send(b"EHLO cli").replies().send(b"ent.example.org\r\n").replies().say("QUIT").rest()


@behaviour
def early_all(talk, to):
    lines = ["EHLO client.example.org", "MAIL FROM:<sender@example.org>",
             *[f"RCPT TO:<{t}>" for t in to], "DATA"]
    talk.send("".join(f"{line}\r\n" for line in lines).encode()).replies(len(lines) + 1)
    talk.send(TEXT).replies().say("QUIT").rest()


@behaviour
def pipelining_without_an_offer(talk, to):
    lines = ["HELO client.example.org", "MAIL FROM:<sender@example.org>",
             *[f"RCPT TO:<{t}>" for t in to], "RSET", "QUIT"]
    talk.replies().send("".join(f"{line}\r\n" for line in lines).encode())
    talk.replies(len(lines)).rest()


@behaviour
def callout(talk, to):
    begin(talk)
    for one in to:
        talk.say("MAIL FROM:<>", f"RCPT TO:<{one}>", "RSET")
    talk.say("MAIL FROM:<>", "RCPT TO:<nobody-at-all@example.com>", "QUIT").rest()


@behaviour
def fifty_recipients_pipelined(talk, to):
    begin(talk).send(b"MAIL FROM:<sender@example.org>\r\n" + b"".join(
        b"RCPT TO:<%s>\r\n" % to[n % len(to)].encode() for n in range(50)) + b"DATA\r\n")
    talk.replies(52).send(TEXT).replies().say("QUIT").rest()


@behaviour
def nine_hundred_recipients(talk, to):
    begin(talk).send(b"MAIL FROM:<sender@example.org>\r\n" + b"".join(
        b"RCPT TO:<%s>\r\n" % to[n % len(to)].encode() for n in range(900)))
    talk.replies(901).say("RSET", "QUIT").rest()


@behaviour
def ten_messages_with_rset(talk, to):
    begin(talk)
    for _ in range(5):
        message(talk, *to).say("RSET")
    talk.say("QUIT").rest()


@behaviour
def chunks(talk, to):
    begin(talk).say("MAIL FROM:<sender@example.org>", *[f"RCPT TO:<{t}>" for t in to])
    talk.send(b"BDAT 10\r\nSubject: c").replies().send(b"BDAT 9 LAST\r\n\r\n\r\ntext\n").replies()
    talk.say("NOOP", "QUIT").rest()


@behaviour
def chunks_in_one_write(talk, to):
    lines = [b"MAIL FROM:<sender@example.org>\r\n", *[b"RCPT TO:<%s>\r\n" % t.encode() for t in to],
             b"BDAT 17\r\nSubject: c\r\n\r\nab\r", b"BDAT 0 LAST\r\n"]
    begin(talk).send(b"".join(lines)).replies(len(lines)).say("QUIT").rest()


@behaviour
def chunks_without_a_recipient(talk, _):
    begin(talk).say("MAIL FROM:<sender@example.org>")
    talk.send(b"BDAT 6 LAST\r\nabcd\r\n").replies().say("RSET", "BDAT", "QUIT").rest()


@behaviour
def delivery_reports(talk, to):
    begin(talk).say("MAIL FROM:<sender@example.org> RET=HDRS ENVID=abc",
                    *[f"RCPT TO:<{t}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{t}" for t in to], "DATA")
    talk.send(TEXT).replies().say("QUIT").rest()


@behaviour
def utf8_addresses(talk, to):
    begin(talk).say("MAIL FROM:<sénder@example.org> SMTPUTF8", f"RCPT TO:<{to[0]}>",
                    "RCPT TO:<nöbody@example.com>", "RSET", "QUIT").rest()


@behaviour
def prdr(talk, to):
    message(begin(talk), *to, params=" PRDR")
    talk.rest().say("QUIT").rest()


@behaviour
def sizes(talk, to):
    begin(talk).say("MAIL FROM:<sender@example.org> SIZE=99999999999", "RSET",
                    "MAIL FROM:<sender@example.org> SIZE=100 BODY=8BITMIME", f"RCPT TO:<{to[0]}>",
                    "RSET", "MAIL FROM:<sender@example.org> BODY=BINARYMIME", "RSET",
                    "MAIL FROM:<sender@example.org> NONSENSE=1", "QUIT").rest()


@behaviour
def bare_line_feeds(talk, to):
    """A scanner: LF alone all along; many servers wait for CRLF at the end."""
    talk.replies()
    for line in ("HELO scanner", "MAIL FROM:<sender@example.org>", f"RCPT TO:<{to[0]}>", "DATA"):
        talk.send(line.encode() + b"\n").replies()
    talk.send(b"Subject: scan\n\ntext\r\n.\r\n").replies().send(b"QUIT\n").rest()


@behaviour
def unknown_commands(talk, _):
    begin(talk).say("FROBNICATE", "XFROB a b", "", " ", "HELP", "VRFY nobody", "EXPN list",
                    "NOOP with words", "ETRN nowhere.example", "XFORWARD NAME=a",
                    "XCLIENT NAME=a", "TURN", "SEND FROM:<a@example.org>", "STARTTLS now",
                    "QUIT now", "QUIT").rest()


@behaviour
def out_of_order(talk, to):
    talk.replies().say("DATA", f"RCPT TO:<{to[0]}>",
                       "EHLO client.example.org", f"RCPT TO:<{to[0]}>", "DATA",
                       "MAIL FROM:<sender@example.org>", "MAIL FROM:<sender@example.org>", "DATA",
                       "EHLO again.example.org", f"RCPT TO:<{to[0]}>", "QUIT").rest()


@behaviour
def odd_paths(talk, to):
    begin(talk)
    for line in ("MAIL FROM: <sender@example.org>", "MAIL FROM:sender@example.org",
                 "MAIL FROM:<sender@example.org", "MAIL FROM:<a b@example.org>", "MAIL",
                 "MAIL TO:<x@example.org>"):
        talk.say(line, "RSET")
    talk.say("MAIL FROM:<sender@example.org>")
    for line in (f"RCPT TO: <{to[0]}>", f"RCPT TO:{to[0]}", "RCPT TO:<>", "RCPT",
                 "RCPT TO:<nobody-at-all@example.com>", "RCPT TO:<x@elsewhere.example>",
                 "RCPT TO:<x@nowhere"):
        talk.say(line)
    talk.say("QUIT").rest()


@behaviour
def long_lines(talk, to):
    begin(talk).say("NOOP " + "x" * 600, "MAIL FROM:<sender@example.org>", "RCPT TO:<" + "y" *
                    1500 + "@example.com>", "RSET")
    message(talk, to[0], text=b"Subject: long\r\n\r\n" + b"z" * 30000 + b"\r\n.\r\n")
    talk.say("QUIT").rest()


# A server that does not take mail of these senders says so in that phase, where it can be told
# to (test_smtp_table.py, server_mta.py); "grey": 450 for a recipient; "slow": it waits a second.
PHASES = ("mail", "rcpt", "data", "dot", "grey", "slow")


def sender_of(phase):
    return f"{phase}@later.example.org"


def put_off(phase):
    def one(talk, to):
        message(begin(talk), *to, sender=sender_of(phase))
        talk.rest().say("NOOP", "QUIT").rest()
    one.__name__ = f"put_off_at_{phase}"
    return behaviour(one)


for _phase in PHASES:
    put_off(_phase)


@behaviour
def eight_bits(talk, _):
    begin(talk).send(b"NOOP \xff\xfe\r\n").replies().say("QUIT").rest()


@behaviour
def a_nul_in_a_command(talk, _):
    begin(talk).send(b"NOOP a\0b\r\n").replies().say("QUIT").rest()


@behaviour
def hangs_up_in_a_message(talk, to):
    begin(talk).say("MAIL FROM:<sender@example.org>", f"RCPT TO:<{to[0]}>", "DATA")
    talk.send(b"Subject: half\r\n\r\ntext\r\n").half_close().rest()


@behaviour
def talks_behind_quit(talk, _):
    begin(talk).send(b"QUIT\r\nNOOP\r\n").replies().rest()


def run(name, connect, to):
    """What came back; connections from one client are one after the other."""
    talk = Talk(connect)
    BEHAVIOURS[name](talk, to)
    return talk.transcript()


def replies_of(transcript):
    """Each as a list of its lines."""
    replies, lines = [], []
    for line in filter(None, transcript.decode("latin-1").split("\r\n")):
        lines.append(re.sub(r"^(\d{3})-", r"\1 ", line))
        if line[3:4] != "-":
            replies.append(lines)
            lines = []
    return replies + ([lines] if lines else [])


def differences(direct, through):
    """[(what one said, what the other said in its place)], "": nothing; of replies of several
    lines (EHLO) those that one has alone."""
    one, other = replies_of(direct), replies_of(through)
    rows = []
    for n in range(max(len(one), len(other))):
        a, b = (replies[n] if n < len(replies) else [""] for replies in (one, other))
        if len(a) > 1 and len(b) > 1:
            rows += [(line, "") for line in a if line not in b]
            rows += [("", line) for line in b if line not in a]
        elif a != b:
            rows.append((" ".join(a), " ".join(b)))
    return rows
