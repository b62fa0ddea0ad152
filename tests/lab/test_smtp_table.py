#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What senders do, said to the old server directly and through us, and every byte that comes
back compared: the same while nobody lives here; afterwards the differences of DIFFERENT.

    ./test_smtp_table.py [--show] [--exim|--opensmtpd|--sendmail] [WORD...]

Of servers other than Postfix codes count, as they do for senders: that the same code comes with
other words is one row.
"""
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import smtp_behaviours  # noqa: E402
from lab.harness import CASES, Skipped, case, main, nothing  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.server_mta import SERVERS  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

SHOW = "--show" in sys.argv
OTHER = next((SERVERS[word[2:]] for word in sys.argv if word[2:] in SERVERS), None)


class Nobody(Mail):
    """Two users at the source; nobody lives here until all was said once."""

    def __init__(self):
        super().__init__(postfix=OTHER is None)

    def __enter__(self):
        self.other = OTHER(self.lab.folder, self.lab.source) if OTHER else None
        if self.other:
            self.lab.after_network = self.other.start
            self.lab.at_down.append(self.other.stop)
        super(Mail, self).__enter__()  # not Mail's, which moves one of them
        if not self.other:
            self.puts_off()
        self.here, self.there = self.user(5), self.user(5)
        self.moved = False
        return self

    def puts_off(self):
        """Postfix, in each phase (smtp_behaviours.PHASES)."""
        folder, words = self.lab.postfix.folder, {"grey": "450 4.2.0 greylisted", "slow": "sleep 1"}
        for phase in smtp_behaviours.PHASES:
            (folder / f"later-{phase}").write_text(
                f"{smtp_behaviours.sender_of(phase)} {words.get(phase, '421 4.7.0 not now')}\n",
                encoding="ascii")
        rows = {phase: f"check_sender_access texthash:{folder}/later-{phase}"
                for phase in smtp_behaviours.PHASES}
        self.restrictions = {
            "smtpd_delay_reject": "no", "smtpd_sender_restrictions": rows["mail"],
            "smtpd_recipient_restrictions": f"{rows['rcpt']}, {rows['grey']}, {rows['slow']}, "
            "permit_mynetworks, reject_unauth_destination",
            "smtpd_data_restrictions": rows["data"],
            "smtpd_end_of_data_restrictions": rows["dot"]}
        self.lab.postfix.configure(**self.restrictions)

    def direct(self):
        return self.lab.router.connect(SOURCE_ADDRESS[0], 25)

    def through(self):
        return self.lab.connect(25, self.address("", 4), 4)


# (what the source says, what we say, why): the only differences that there are.
# While nobody lives here:
NEVER_SAME = [
    ("250 .*|50[01] .*", "500 5.5.2 Invalid character in a command",
     "some servers take CR or NUL for the end of a line: what follows would be a command that "
     "nobody has looked at, and its recipient be missed when an account switches"),
    ("421 .*(ost |close).*", "\\[closed\\]", "last words to a client that hangs up in the middle of a message"),
    ("\\[closed\\]", "", "behind that"),
    ("250 VERB", "", "Sendmail's replies would be of a kind that nobody else has"),
    ("500 .*Pipelining not supported", "221 .*", "what comes behind QUIT is not shown to the source"),
    ("500 .*Pipelining not supported|\\[closed\\]", "500 5.5.1 Invalid command: .*",
     "half a line behind a command is not shown to it until it is whole"),
    ("", "\\[closed\\]", "behind that"),
]
# Afterwards:
DIFFERENT = [
    *NEVER_SAME,
    ("250 (ETRN|DSN|STARTTLS)", "", "not shown: STARTTLS for want of a key in this lab, "
     "ETRN as it is about the source's own queue, DSN since we have no queue to report from"),
    ("250 2.0.0 Ok: queued as ID", "250 2.0.0 Ok", "it is delivered, there is no queue"),
    ("250 2.0.0 Ok: \\d+ bytes( queued as ID)?", "250 2.0.0 Ok",
     "a chunk that somebody here gets is answered by us"),
    ("521 5.5.4 Syntax: BDAT .*", "421 5.5.4 BDAT without a size", "both close behind it"),
    (".*", "555 5.5.4 A parameter of this command is not available here", "as the source says it"),
    ("221 2.7.0 .*", "500 5.5.2 Command not recognized", "its lines are not shown to the source"),
    ("", "(500 5.5.2 Command not recognized|221 2.0.0 Bye|\\[closed\\])", "behind that"),
    ("\\[closed\\]", "500 5.5.2 Command not recognized", "likewise"),
    ("500 5.5.2 .*", "500 5.5.2 Command not recognized", "other words"),
    ("(459|550|50[0-2]) .*", "502 5.5.1 (This command|TLS) is not available here",
     "refused by both"),
    ("503 5.5.1 .*", "503 5.5.1 There is a sender already", "other words"),
    ("554 5.5.1 .*", "554 5.5.1 There is no recipient", "other words"),
    ("(501|550) .*", "553 5.1.3 This form of an address is not understood; user@domain is wanted",
     "it may be somebody's who has moved"),
]


# Servers other than Postfix, afterwards (docs/handbook/smtp.md).
OTHERS = [
    *NEVER_SAME,
    (r"(\d{3}) .*", r"\1 .*", "the same answer in our words: the source is spared the question, or "
     "gets the message by another command"),
    ("250 (ETRN|DSN|STARTTLS|PRDR|DELIVERBY)", "", "not shown, as for Postfix; PRDR has several "
     "replies to a message, DELIVERBY a queue"),
    ("503 .*", "554 5.5.1 There is no recipient", "as Postfix says it"),
    (".*", "421 5.5.4 BDAT without a size", "nobody knows where the next command begins"),
    ("221 .*", "\\[closed\\]", "behind that"),
    ("250 .*|50[0-3] .*", "50[0-2] 5.5.[12] (This command|TLS|Command) .*", "ETRN, and lines that the "
     "source counts as errors, are kept from it"),
    ("50[13] .*|250 OK, PRDR Requested", "555 5.5.4 A parameter of this command is not available here",
     "refused by both; PRDR is not shown"),
    ("50[01] .*", "553 5.1.3 This form of an address .*", "it may be somebody's who has moved"),
    ("554 SMTP synchronization error|500 .*Pipelining not supported", "(250|554|503) .*",
     "a mailbox here is asked between two commands of a client that does not wait, and the source "
     "has answered by then; who is known is not asked about"),
]
OTHERS_OF = {
    "exim": [
        ("250 Accepted|354 .*|250 .*|353 .*|221 .*", "50[03] .*",
         "MAIL with PRDR was refused, which is not shown any more; the message is read as commands"),
        ("250  9 byte chunk, total 20", "", "the last chunk comes as one more, when the copy is on disk"),
        ("", "250  0 byte chunk, total 20", "that one"),
        ("554 SMTP synchronization error", "500 .*", "a message that nobody waited for, as commands"),
    ],
    "opensmtpd": [
        ("553 5.1.0 Sender address syntax error|501 5.1.3 Recipient address syntax error",
         "250 2.1.[05] Ok", "a path without <> or with a blank before it: who is known is not asked about"),
    ],
    "sendmail": [
        ("500 5.5.1 Command unrecognized: .*|250 2.0.0 (OK|Reset state)|221 .*|",
         "(250|554|421|451|221) .*|\\[closed\\]|",
         "it has no BDAT and reads the chunk as commands: we take it, so that nothing in it is one"),
        ("452 4.4.5 Insufficient disk space.*", "250 2.1.0 Ok",
         "SIZE of a known sender is judged when a recipient is named"),
        ("421 4.5.0 Bare linefeed .*", "250 2.0.0 Ok", "for users here LF alone is text, and no end"),
        ("\\[closed\\]", "221 .*", "behind that"),
    ],
}
# Rows that would excuse too much elsewhere: (server, behaviours, row). While nobody lives here, too:
ALWAYS_IN = [
    ("exim", "one_write_and_no_quit", (
        "\\[closed\\]", "250 .*", "it drops a message whose sender has ended; our session with it has not, "
        "so it takes it, and the sender is told")),
    ("exim", "one_write_and_no_quit", ("", "\\[closed\\]", "behind that")),
]
# Afterwards:
CLOSED_THERE = ("\\[closed\\]|", ".*", "it has closed, for commands that it counts and we keep from it, or for haste")
SAYS_OF_A_MESSAGE = ("421 .*", "354 .*|250 .*", "it does not get the message of users here")
ONLY_IN = [
    ("postfix", "put_off_at_(data|dot)", SAYS_OF_A_MESSAGE),
    ("postfix", "put_off_at_(data|dot|grey)", ("(\\[closed\\])?", "250 2.0.0 Ok", "it has closed by then")),
    ("exim", "put_off_at_(data|dot)", SAYS_OF_A_MESSAGE),
    ("exim", "put_off_at_.*", ("50[03] .*|554 .*|421 .*|250 OK|221 .*", "\\[closed\\]|",
                               "421 says that the server closes: it goes on all the same")),
    ("exim", "unknown_commands|out_of_order|odd_paths|prdr|pipelining_without_an_offer|put_off_at_grey", CLOSED_THERE),
    ("opensmtpd", "fifty_recipients_pipelined|nine_hundred_recipients|chunks(_in_one_write|_without_a_recipient)?|prdr",
     CLOSED_THERE),
]


def table_of(world, name, to):
    rows = smtp_behaviours.differences(smtp_behaviours.run(name, world.direct, to),
                                       smtp_behaviours.run(name, world.through, to))
    if SHOW:
        for direct, through in rows:
            print(f"    {name:32} {direct[:70]!r}\n    {'':32} {through[:70]!r}")
    return rows


def is_argued(row, rows):
    return any(re.fullmatch(f"(?:{direct}) => (?:{through})", f"{row[0]} => {row[1]}")
               for direct, through, _ in rows)


def only_of(rows, name):
    there = OTHER.name if OTHER else "postfix"
    return [row for server, behaviours, row in rows
            if server == there and re.fullmatch(behaviours, name)]


def argued_of(name):
    """The rows of that behaviour, once somebody lives here."""
    rows = OTHERS + OTHERS_OF[OTHER.name] if OTHER else DIFFERENT
    return rows + only_of(ALWAYS_IN + ONLY_IN, name)


def same(world, name, users, rows):
    nothing([f"{row[0]!r} became {row[1]!r}" for row in
             table_of(world, name, [at(user) for user in users]) if not is_argued(row, rows)], name)


def nobody_moved(name):
    def one(world):
        same(world, name, [world.here, world.there], NEVER_SAME + only_of(ALWAYS_IN, name))
    one.__name__ = f"nobody_moved: {name}"
    return one


@case
def the_source_sees_who_does_not_wait(world):
    if OTHER:
        raise Skipped("it is Postfix's")
    world.lab.postfix.configure(smtpd_recipient_restrictions="permit_mynetworks, "
                                "reject_unauth_pipelining, reject_unauth_destination")
    try:
        wait_until("its configuration", lambda: b"503 5.5.0" in smtp_behaviours.run(
            "pipelining_without_an_offer", world.direct, [at(world.here)]), 10)
        for name in ("pipelining_without_an_offer", "early_mail", "early_all", "ordinary"):
            same(world, name, [world.here], [])
    finally:
        world.lab.postfix.configure(**world.restrictions)


CASES.extend(nobody_moved(name) for name in smtp_behaviours.BEHAVIOURS)

def some_moved(name, recipients):
    def one(world):
        if not world.moved:
            world.move(world.here)
            world.moved = True
        same(world, name, [getattr(world, r) for r in recipients], argued_of(name))
    one.__name__ = f"{' and '.join(recipients)}: {name}"
    return one


for who in (["here"], ["here", "there"]):
    CASES.extend(some_moved(name, who) for name in smtp_behaviours.BEHAVIOURS)

if __name__ == "__main__":
    main(Nobody, [word for word in sys.argv[1:] if not word.startswith("--")])
