#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Served here as at the source: the same commands to both, and the answers compared.

Two users have the same mailbox; one lives here, the other is pinned to the source. Where
correct servers differ (ENVELOPE of broken mail, texts behind OK), nothing is compared.
"""
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, mail  # noqa: E402
from lab.harness import World, case, equal, main, registry, table, true  # noqa: E402
from lab.imap import parse  # noqa: E402
from lab.processes import wait_until  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n"


class Twins(World):
    """self.there and self.here: two users with one mailbox, on both sides."""

    def __enter__(self):
        super().__enter__()
        self.there, self.here_user = self.pair_of_users()
        return self

    def pair_of_users(self):
        there, here = (self.user(mailbox=mail.generate("twins", 400)) for _ in range(2))
        client = self.session(there)
        self.ferry.ok("route", there, "source")
        client.logout()
        self.move(here)
        return there, here

    def both(self, users=None):
        """A session of each, (at the source, here)."""
        there, here = users or (self.there, self.here_user)
        return self.session(there), self.session(here)


def answers(client, command):
    """The untagged answers as tokens, and the tagged one's word and code; no texts."""
    untagged, end = client.command(command)
    lines = []
    for line in untagged:
        fields = parse(line)
        if fields[1].upper() in (b"OK", b"NO", b"BAD", b"BYE"):
            continue
        lines.append(normal(fields))
    word = end.split(b" ")[1].upper()
    code = re.match(rb"[^ ]+ \w+ \[([A-Z-]+)", end)
    return lines, word, code[1] if code and code[1] in CODES else None


CODES = (b"READ-WRITE", b"READ-ONLY", b"APPENDUID", b"COPYUID", b"TRYCREATE", b"CLOSED")
UNORDERED = (b"FLAGS", b"SEARCH", b"LIST", b"LSUB")


def structure(part):
    """A text part that names no charset has us-ascii (RFC 2045, 5.2); some say so."""
    if not isinstance(part, list):
        return part
    part = [structure(field) for field in part]
    if part[:1] == [b"text"] and part[2] == b"NIL":
        part[2] = [b"charset", b"us-ascii"]
    return part


def normal(fields):
    """FLAGS in any order, without \\Recent; attributes of LIST as sets."""
    def flags(value):
        return sorted(f for f in value if f.lower() not in (b"\\recent", b"\\*"))
    if len(fields) > 3 and fields[2] == b"FETCH":
        items = {}
        for key, value in zip(fields[3][::2], fields[3][1::2]):
            items[key.upper()] = flags(value) if key.upper() == b"FLAGS" else value
            if key.upper() in (b"BODY", b"BODYSTRUCTURE"):
                items[key.upper()] = structure(value)
            if key.upper().startswith(b"BODY[") and value == b"NIL":
                items[key.upper()] = b""  # a part that is not there
            if key.upper().startswith(b"BODY[HEADER.FIELDS"):  # echoed as asked, or in capitals
                items[key.upper()] = [name.upper() for name in value]
        return fields[1], items
    if fields[1].upper() in (b"LIST", b"LSUB"):
        attributes = sorted({a.lower() for a in fields[2]} - compare.UNSTABLE_ATTRIBUTES)
        return fields[1], attributes, fields[3:]
    if fields[1].upper() == b"FLAGS":
        return fields[1], flags(fields[2])
    if fields[1].upper() == b"SEARCH":
        return fields[1], sorted(fields[2:], key=int)
    if fields[1].upper() == b"STATUS":
        return fields[1], fields[2], dict(zip(fields[3][::2], fields[3][1::2]))
    return fields


def same(clients, command, unordered=False):
    """Sends it to both; fails with the first answer that is not the same."""
    there, here = (answers(client, command) for client in clients)
    if unordered or command.split()[0] in ("LIST", "LSUB"):
        there, here = (sorted(map(repr, a[0])) for a in (there, here))
        equal(here, there, command)
        return
    for wanted, got in zip(there[0], here[0]):
        equal(got, wanted, command)
    equal(here[0][len(there[0]):], there[0][len(here[0]):], f"{command}: more or fewer answers")
    equal(here[1:], there[1:], command)


USUAL = ["Sent", "Archive/2019", "Entw&APw-rfe"]  # folders without broken mail

ITEMS = [
    "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY",
    "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]",
    "BODY.PEEK[2]", "BODY.PEEK[2.MIME]", "BODY.PEEK[HEADER.FIELDS (Subject FROM date)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Received To)]", "BODY.PEEK[]<0.100>", "BODY.PEEK[]<100.2000>",
    "BODY.PEEK[]<10000000.10>", "BODY.PEEK[TEXT]<5.10>", "BODY.PEEK[1]<3.7>", "RFC822.HEADER",
    "ALL", "FAST", "FULL", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (References)] RFC822.SIZE)",
]


@table([(item, item) for item in ITEMS])
def fetch(world, item):
    clients = world.both()
    for folder in USUAL:
        same(clients, f'EXAMINE "{folder}"')
        same(clients, f"FETCH 1:* {item}")
        same(clients, f"UID FETCH 1:* {item}")
    for client in clients:
        client.logout()


SECTIONS_OF_ODD = ["BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<7.50>",
                   "BODY.PEEK[HEADER.FIELDS (Subject)]", "RFC822.SIZE"]


@table([(item, item) for item in SECTIONS_OF_ODD])
def odd_mail_byte_for_byte(world, item):
    clients = world.both()
    same(clients, "EXAMINE INBOX")
    same(clients, f"FETCH 1:* {item}")
    for client in clients:
        client.logout()


@case
def odd_mail_has_an_envelope_and_a_structure(world):
    """Not the same as Dovecot's, perhaps; but an answer for each, in the right form."""
    client = world.session(world.here_user)
    client.ok("EXAMINE INBOX")
    found = 0
    for answer in client.ok("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)"):
        fields = parse(answer)
        if len(fields) > 3 and fields[2].upper() == b"FETCH":
            items = dict(zip(fields[3][::2], fields[3][1::2]))
            equal(len(items[b"ENVELOPE"]), 10, f"ENVELOPE of {items[b'UID']}")
            true(len(items[b"BODYSTRUCTURE"]) > 1, f"BODYSTRUCTURE of {items[b'UID']}")
            found += 1
    true(found > 100, f"{found} answers")
    client.logout()


SEARCHES = [
    "ALL", "SEEN", "UNSEEN", "ANSWERED", "UNANSWERED", "FLAGGED", "DELETED", "UNDELETED", "DRAFT",
    "KEYWORD todo", "UNKEYWORD todo", "KEYWORD $Forwarded", "NOT SEEN", "OR FLAGGED ANSWERED",
    "SEEN FLAGGED", "OR (SEEN NOT FLAGGED) KEYWORD $label1", "1:5", "2,4,*",
    "UID 1:100000", "NOT 1:5", "SINCE 1-Jan-2015", "BEFORE 1-Jan-2015", "ON 27-Apr-2007",
    "SENTSINCE 1-Feb-2012", "SENTBEFORE 1-Feb-2012", "LARGER 5000", "SMALLER 2000",
    "SUBJECT meeting", "SUBJECT MEETING", 'SUBJECT ""', "FROM alice", "FROM example.jp", "TO bob",
    "HEADER Message-ID example.com", 'HEADER References ""', "HEADER X-None x", "BODY moved",
    "TEXT quietly", "BODY nowhere-to-be-found", "NEW", "OLD", "RECENT", "CC nobody", "BCC nobody",
    'SUBJECT "order 4711"', "UID 1:5 SEEN", "SINCE 1-Jan-2010 BEFORE 1-Jan-2012 SEEN",
]


@table([(key, key) for key in SEARCHES])
def search(world, key):
    clients = world.both()
    for folder in ("Sent", "Archive/2019"):
        same(clients, f'EXAMINE "{folder}"')
        if key not in ("NEW", "OLD", "RECENT"):  # \Recent is a session's
            same(clients, f"SEARCH {key}")
            same(clients, f"UID SEARCH {key}")
        else:
            client_ok(clients, f"SEARCH {key}")
    for client in clients:
        client.logout()


EXTENDED = [f"SORT ({keys}) UTF-8 ALL" for keys in (
    "ARRIVAL", "DATE", "REVERSE DATE", "SUBJECT", "FROM", "TO DATE", "CC", "SIZE", "DISPLAYFROM",
    "DISPLAYTO")] + [
    "THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL", "THREAD REFERENCES UTF-8 SEEN",
    "SEARCH RETURN (MIN MAX ALL) UNSEEN", "SEARCH RETURN (COUNT) SUBJECT none",
    "SEARCH RETURN (PARTIAL 2:5) ALL", "SORT RETURN (MIN COUNT) (DATE) UTF-8 ALL",
    "SEARCH OLDER 60", "SEARCH YOUNGER 60"]


@table([(command, command) for command in EXTENDED])
def extensions(world, command):
    clients = world.both()
    for folder in USUAL:
        same(clients, f'EXAMINE "{folder}"')
        same(clients, command)
        same(clients, f"UID {command}")
    for client in clients:
        client.logout()


@case
def a_client_goes_on_with_its_modseqs(world):
    """RFC 7162: who was up to date at the source is told nothing here, who was not, all."""
    user = world.user(mailbox=mail.generate("modseqs", 60))

    def select(known, validity):
        client = world.session(user)
        client.ok("ENABLE QRESYNC")
        said = b"".join(client.ok(f"SELECT Sent (QRESYNC ({validity} {known}))" if known
                                  else "SELECT Sent (CONDSTORE)"))
        found = {key: int(re.search(rb"\[%s (\d+)\]" % key, said)[1])
                 for key in (b"HIGHESTMODSEQ", b"UIDVALIDITY")}
        return client, found[b"HIGHESTMODSEQ"], found[b"UIDVALIDITY"], said
    client, before, validity, _ = select(0, 0)
    client.ok("STORE 1:3 +FLAGS.SILENT (\\Flagged $mine)")
    client.ok("STORE 4 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("STORE 1:3 -FLAGS.SILENT ($mine)")
    client.logout()
    client, at_source, validity, _ = select(before, validity)
    client.logout()
    true(at_source > before, f"{at_source} after {before}")
    world.move(user)
    client, here, same_validity, said = select(at_source, validity)
    client.logout()
    equal((here, same_validity), (at_source, validity), "HIGHESTMODSEQ and UIDVALIDITY")
    true(b"FETCH" not in said and b"VANISHED" not in said, f"nothing is news: {said!r:.300}")
    true(b"$mine" in said, "a keyword that no message carries")
    client, _, _, said = select(before, validity)
    exists = int(re.search(rb"(\d+) EXISTS", said)[1])
    equal(said.count(b" FETCH ("), exists, "all is news")
    true(b"VANISHED (EARLIER)" in said, "and so is what went")
    client.ok("STORE 1 -FLAGS.SILENT (\\Flagged)")
    client.logout()
    _, later, _, said = select(at_source, validity)
    true(later > at_source and said.count(b" FETCH (") == 1, f"one change: {said!r:.300}")


def client_ok(clients, command):
    for client in clients:
        client.ok(command)


@case
def search_not_a_group(world):
    """By hand: Dovecot 2.3.19 takes NOT (a b) for NOT a NOT b."""
    client = world.session(world.here_user)
    client.ok("EXAMINE Sent")
    everything, group, rest = (set(parse(client.ok("SEARCH " + key)[0])[2:]) for key in
                               ("ALL", "(SEEN FLAGGED)", "NOT (SEEN FLAGGED)"))
    true(group, "there are some of the group")
    equal(rest, everything - group, "NOT (SEEN FLAGGED)")
    client.logout()


@case
def search_beyond_ascii(world):
    clients = world.both()
    same(clients, "EXAMINE Sent")
    for word in ("Köln", "KÖLN", "überfällig", "見積書", "Счёт", "nichts dergleichen ü"):
        data = word.encode()
        for key in (b"SUBJECT", b"TEXT"):
            command = b"SEARCH CHARSET UTF-8 %s {%d+}\r\n%s" % (key, len(data), data)
            there, here = (answers(client, command) for client in clients)
            equal(here, there, f"{key.decode()} {word}")
    equal(answers(clients[1], "SEARCH CHARSET KLINGON SUBJECT x")[1], b"NO", "unknown charset")
    for client in clients:
        client.logout()


@case
def names(world):
    clients = world.both()
    for command in ('LIST "" "*"', 'LIST "" "%"', 'LIST "" ""', 'LIST "" "Archive/%"',
                    'LIST "Archive/" "*"', 'LIST "" "INBOX"', 'LIST "" "inbox"', 'LIST "" "none"',
                    'LIST "" "%/%"', 'LIST "" "*e"', 'LSUB "" "*"', 'LSUB "" "Archive/*"',
                    'LIST "" "S*"', 'LIST "" Deep/%', "NAMESPACE"):
        same(clients, command, unordered=True)
    for folder in ("INBOX", "Sent", "Archive/2020/Rechnungen", "Empty"):
        same(clients, f'STATUS "{folder}" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)')
    for command in ('STATUS "Archive" (MESSAGES)', 'STATUS "none" (MESSAGES)', 'SELECT "none"',
                    'EXAMINE "Archive"', 'DELETE "none"', 'RENAME "none" "x"', "DELETE INBOX",
                    "CREATE INBOX", 'CREATE "Sent"'):
        equal(answers(clients[1], command)[1], answers(clients[0], command)[1], command)
    for client in clients:
        client.logout()


@case
def many_changes(world):
    """One after the other on both sides; every answer is compared, and the end."""
    users = world.pair_of_users()
    clients = world.both(users)
    same(clients, "SELECT Sent")
    for command in (
            "STORE 1 +FLAGS (\\Flagged)", "STORE 1 -FLAGS (\\Flagged)", "STORE 2:4 FLAGS (\\Seen)",
            "STORE 5 +FLAGS (new-keyword $Forwarded)", "STORE 5 -FLAGS.SILENT (new-keyword)",
            "UID STORE 1:10 +FLAGS.SILENT (\\Answered)", "FETCH 1:10 FLAGS",
            "FETCH 6 BODY[TEXT]<0.1>", "FETCH 6 FLAGS", "STORE 7,9 +FLAGS (\\Deleted)", "NOOP",
            "EXPUNGE", "FETCH 1:* (UID FLAGS)", "COPY 1:3 Junk", "COPY 1 nowhere",
            "UID COPY 1:* Empty", "CREATE Made", "COPY 2,4 Made", "RENAME Made Renamed/inner",
            "SUBSCRIBE Renamed/inner", "UNSUBSCRIBE Junk", "STORE 1 +FLAGS (\\Deleted)", "CLOSE",
            "SELECT Renamed/inner", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
            "STORE 1:* +FLAGS (\\Deleted)", "UNSELECT", "EXAMINE Renamed/inner",
            "CREATE \"with space/\"", "DELETE Trash",
            "RENAME Archive/2020 Archive/Twenty", "CHECK"):
        if command == "EXPUNGE":  # one numbers them from the end, the other from the start
            for client in clients:
                client.command(command)
        else:
            same(clients, command)
    for client in clients:
        client.ok(b"APPEND INBOX (\\Seen mine) \"05-Jun-2007 08:09:10 -0330\" {%d+}\r\n%s"
                  % (len(NEW), NEW))
        client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(NEW), NEW))
        client.logout()
    there, here = world.at_source(users[0]), world.here(users[1])
    # A folder made here has a UIDVALIDITY of its own; a mere parent shows up in LIST "%".
    lines = [x for x in compare.differences(there, here)
             if not ("Renamed" in x or "with space" in x) or "uidvalidity" not in x]
    lines = [x for x in lines if not x.startswith("LIST: b'Renamed'")]
    # Without a date APPEND takes now; and a zone is kept here, but not by Dovecot.
    lines = [x for x in lines if not x.startswith("INBOX: UID") or "internaldate" not in x]
    equal(lines, [], "differences at the end")


@case
def flows_say_what_a_session_has_moved(world):
    """To the byte, the login with it, and also when the client did not wait for its answer."""
    user = world.here_user
    connection = world.connect(user)
    sent = b"a LOGIN %s %s\r\nb SELECT INBOX\r\nc FETCH 1:20 BODY.PEEK[]\r\n" % (
        user.encode(), world.password(user).encode())
    connection.sendall(sent)
    got = b""
    while b"\r\nc OK" not in got:
        got += connection.recv(65536)

    def flow():
        return [(f["bytes_in"], f["bytes_out"]) for f in world.ferry.json("flows")
                if f["account"] == user]
    wait_until("what has passed", lambda: flow() == [(len(sent), len(got))], 30, 0.3)
    connection.close()
    wait_until("its end", lambda: not flow())
    wait_until("the same in the log", lambda: re.search(
        rf" end reason=\S+ in=local account={user} bytes_in={len(sent)} bytes_out={len(got)}\b",
        world.ferry.log.read_text(errors="replace")))


@case
def a_login_here_is_a_login(world):
    """`account` says when it was, to the minute, and `accounts` too."""
    user = world.here_user
    registry(world, "UPDATE account SET last_login_at = 5 WHERE name = ?", (user,))
    began = time.time() * 1000
    world.session(user).logout()
    said = [a["last_login_at"] for a in world.ferry.json("accounts") if a["name"] == user]
    said.append(world.ferry.account(user)["last_login_at"])
    true(all(began - 60_000 <= at <= time.time() * 1000 for at in said), f"{said} at {began}")


@case
def sessions_of_one_account_see_each_other(world):
    users = world.pair_of_users()
    one, two = world.session(users[1]), world.session(users[1])
    for client in (one, two):
        client.ok("SELECT Sent")
    one.ok("STORE 1 +FLAGS (\\Flagged hello)")
    true(any(b"hello" in a for a in two.ok("NOOP")), "flags")
    one.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    one.ok("EXPUNGE")
    true(not any(b"EXPUNGE" in a for a in two.ok("FETCH 5 (FLAGS)")), "none during FETCH")
    true(any(b"* 2 EXPUNGE" in a for a in two.ok("NOOP")), "EXPUNGE at NOOP")
    one.ok(b"APPEND Sent {%d+}\r\n%s" % (len(NEW), NEW))
    true(any(b"EXISTS" in a for a in two.ok("NOOP")), "EXISTS")
    one.ok("DELETE Drafts")
    for client in (one, two):
        client.logout()


@case
def refused_commands_do_not_end_the_session(world):
    client = world.session(world.here_user)
    for command in ("NONSENSE", "FETCH 1 FLAGS", "SELECT", 'SELECT "unfinished', "FETCH",
                    "LOGIN a b", "STORE 1 FLAGS", "UID", "UID NONSENSE 1", "SEARCH ALL"):
        word = client.command(command)[1].split()[1].upper()
        true(word in (b"BAD", b"NO"), f"{command}: {word!r}")
    client.ok("SELECT INBOX")
    for command in ("FETCH 1 NONSENSE", "FETCH 1 BODY[", "FETCH 1 BODY[X]", "FETCH 0 FLAGS",
                    "FETCH a FLAGS", "FETCH 99999 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 1",
                    "STORE 1 FLAGS (\\Nonsense", "SEARCH NONSENSE", "SEARCH SINCE yesterday",
                    "SEARCH (", "COPY 1", "APPEND INBOX x", "STATUS INBOX (NONSENSE)", "FETCH 1 (FLAGS", "FETCH 1 BODY[]<a.b>"):
        word = client.command(command)[1].split()[1].upper()
        true(word in (b"BAD", b"NO"), f"{command}: {word!r}")
    client.ok("NOOP")
    client.logout()


@case
def a_literal_beyond_all_limits(world):
    for literal in (b"{99999999999}", b"{4294967296}", b"{9223372036854775808}"):
        client = world.session(world.here_user)
        client.send(b"A APPEND INBOX " + literal + b"\r\n")
        answer = client.line()
        true(answer.split()[:2] in ([b"A", b"NO"], [b"A", b"BAD"], [b"*", b"BYE"]), f"{answer!r}")
        client.close()
    client = world.session(world.here_user)
    client.ok("NOOP")
    client.logout()


main(Twins)
