#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same messages here and in Dovecot, and every answer compared.

    test_differential.py                                every form alone, and a few mixed
    test_differential.py --count 5000 --seed 7 --show   many mixed; what is not compared, and why
    test_differential.py --cyrus                        with the lab's Cyrus, as far as it takes them: what is shown
    test_differential.py --cyrus --count 0              every form alone, and what is found of it by words

A difference is a fault here, or stands below with its reason: WAIVED and WAIVED_OF_CYRUS by what
a message is made of (mail_nasty.py), PLACEHOLDERS and without() by what Dovecot writes.
"""
import argparse
import collections
import contextlib
import difflib
import functools
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import Mailstore, programs  # noqa: E402
from dovecot_imap import Dovecot  # noqa: E402
from lab import SOURCE_ADDRESS, Lab, mail  # noqa: E402
from lab.imap import Imap, parse  # noqa: E402
from lab.mail_nasty import nasty, singles  # noqa: E402
from lab.mail_odd import odd_messages  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402

CASES = Path(__file__).resolve().parents[1] / "fuzz/corpus/message"
PARTS = ["BODY.PEEK[%s]" % s for s in (
    "", "HEADER", "TEXT", "1", "2", "3", "1.2", "2.1", "2.2", "1.1.1", "1.MIME", "2.MIME", "2.1.MIME",
    "1.HEADER", "2.HEADER", "1.TEXT", "2.TEXT", "2.1.HEADER", "HEADER.FIELDS (TO X-NONE SUBJECT)",
    "HEADER.FIELDS.NOT (RECEIVED FROM)", "2.HEADER.FIELDS (FROM SUBJECT)", "2.HEADER.FIELDS.NOT (FROM)")]
ITEMS = ["ENVELOPE", "BODYSTRUCTURE", "BODY", "RFC822.SIZE", "RFC822.HEADER", *PARTS, "BODY.PEEK[]<100.200>",
         "BODY.PEEK[HEADER]<5.40>", "BODY.PEEK[1]<3.20>", "BODY.PEEK[TEXT]<0.1>", "BODY.PEEK[2.MIME]<4.9>",
         "BODY.PEEK[]<999999.10>"]
WORDS = ["lunch", "Grüße", "grüße", "Köln", "KOLN", "ann@a.example", "Ann", "Müller", "MÜLLER", "Jürgen", "résumé",
         "nobody", "moved", "while", "über", "mañana", "Haus moved", "見積書", "example", "report", "failed",
         "bob@b.example", "a subject that is folded", "wide fold", "Привет", "привет", "山田", "the real", "footer",
         "first second", "from a by b", "4711", "mail", "html", "100%", ""]
SEARCHES = ["SUBJECT", "FROM", "TO", "CC", "BCC", "BODY", "TEXT", "HEADER References", "HEADER Message-ID",
            "HEADER List-Id", "HEADER X-Lower", "HEADER Received", "HEADER Reply-To", "NOT SUBJECT", "OR TO x FROM"]
PLAIN_SEARCHES = ["SENTSINCE 1-Jan-2012", "SENTBEFORE 1-Jan-2012", "SENTON 1-Jan-2020", "NOT SENTON 1-Jan-2020",
                  "LARGER 1000", "SMALLER 500", "HEADER Date 2020", 'HEADER Cc ""', "OR FROM ann TO bob",
                  "ON 5-Jun-2007", "SINCE 6-Jun-2007"]
SORTS = ["ARRIVAL", "DATE", "SUBJECT", "FROM", "TO", "CC", "SIZE", "REVERSE DATE", "REVERSE SUBJECT DATE",
         "DISPLAYFROM", "DISPLAYTO"]
THREADS = ["REFERENCES", "ORDEREDSUBJECT", "REFS"]

# (what is asked, what the message is made of, why both may be right, or ours is)
WAIVED = [
    ("ENVELOPE|BODY$|BODYSTRUCTURE|FROM|TO|CC|SORT|THREAD", ":comma-empty$",
     "RFC 5322, 4.4: empty members of an address list are obsolete syntax and mean nothing; Dovecot makes addresses of them"),
    ("ENVELOPE|BODY$|BODYSTRUCTURE|FROM|TO|CC|TEXT|SORT|THREAD", ":(semicolons|backslash|local-only-words|double-at|bare-at-name|"
     "unclosed-.*|null-.*|no-domain.*|mailer)$",
     "no RFC has words for it: Dovecot drops the rest or writes SYNTAX_ERROR; here what an address could be is shown"),
    ("BODY$|BODYSTRUCTURE|BODY.PEEK|BODY|TEXT", "type:(no-semicolon|no-type|empty|two-slashes|no-subtype)$",
     "RFC 2045, 5.2: a Content-Type of invalid syntax is text/plain, in us-ascii; Dovecot shows an empty type and searches nothing in it"),
    ("BODY$|BODYSTRUCTURE", "type:(empty-value|semicolons|unclosed)$",
     "RFC 2045, 5.1: a parameter is attribute \"=\" value; Dovecot stops at the first that is not, here only that one is left out"),
    ("BODY$|BODYSTRUCTURE|BODY|TEXT", "encoding:(semicolon|unknown|two-words|empty)$",
     "RFC 2045, 6.1: the encoding is a token; behind it nothing counts. A text of unknown encoding is searched as it is"),
    ("BODYSTRUCTURE", "disposition:(empty|only-parameter)$",
     "RFC 2183, 2: a disposition has a type; one without is none here, \"\" in Dovecot"),
    ("BODY$|BODYSTRUCTURE|BODY.PEEK|SEARCH|BODY|TEXT", "boundary:colon-bare$",
     "RFC 2045, 5.1: a value with a colon must be quoted; that it is not is common, and the boundary is b:7, not b"),
    ("BODY$|BODYSTRUCTURE", "no-mime-version$",
     "RFC 2045, 4: without MIME-Version a reader may interpret the other fields; Dovecot reads only Content-Type and -Transfer-Encoding"),
    ("", "(damage:bare-lf|odd:bare-lf|odd:cr-cr-lf|odd:bare-cr)$",
     "a message is kept byte for byte, as it was copied or appended (RFC 3501, 6.3.11); Dovecot rewrites ends of lines"),
    ("SUBJECT|TEXT|SORT SUBJECT|SORT REVERSE|THREAD", "subject:(encoded-language|encoded-unknown)$|known:unknown charset$",
     "RFC 2231, 5: charset*language is an encoded-word; an unknown charset leaves the word as it is"),
    ("SENT|SORT DATE|SORT REVERSE|THREAD", "date:(words|iso|asctime|dashes|three-digits|empty)$",
     "RFC 3501, 6.4.4: SENT* is about a Date that there is; Dovecot takes 1970 for one it cannot read. Dashes (RFC 850) and years "
     "of three digits (RFC 5322, 4.3) are read here"),
    ("SENT", "damage:|no-date$|known:date in words$", "the same, where there is no Date at all, or damage has taken it"),
    ("ENVELOPE|BODY|TEXT|FROM|TO|CC|SUBJECT|SORT|THREAD", "damage:",
     "what a damaged field means nobody says; its bytes and parts are compared"),
    (r"(BODY|TEXT) .*[^\x00-\x7f]", "no-mime-version$",
     "RFC 2045, 5.2: a text without a type is us-ascii; what its other bytes are nobody says"),
    ("FROM|TO|CC", ":two-angles$", "Dovecot reads no address in <<a@b>>"),
    ("TEXT", "subject:folded-(wide|empty)$",
     "RFC 5322, 2.2.3: a fold and the white space around it are one space in SUBJECT of both, but in TEXT not in Dovecot's"),
    ("BODY|TEXT", "closing:$",
     "a delimiter at the very end begins a part of no line at all: in a digest that is no message here, but an empty text"),
    ("SIZE|HEADER|BODY.PEEK", "damage:cut$", "a CR alone at the very end is a byte of the message; Dovecot drops it"),
    ("BODY", "known:boundary missing$",
     "RFC 2046, 5.1.1: boundary is required; without it there are no parts: a text here, an empty multipart in Dovecot"),
]
# beside those above, which are about the same messages
WAIVED_OF_CYRUS = [
    ("BODY$|BODYSTRUCTURE", "usual$|type:(plain|no-value)$|known:(20 levels|broken base64)$",
     "RFC 2045, 5.2: a text/plain without a charset is us-ascii; here as in Dovecot it is said, in Cyrus not"),
    ("BODY$|BODYSTRUCTURE", "(type:name-bare|disposition:bare)$",
     "RFC 2045, 5.1: a value with a space must be quoted; Cyrus takes all to the end, here as in Dovecot the token"),
    (r"BODY.PEEK\[2.HEADER.FIELDS", "usual$|boundary:|known:boundary not closed$",
     "RFC 3501, 6.4.5: HEADER of a part is that of a message in it; Cyrus also answers of a part that is none, from its MIME header"),
    ("ENVELOPE|FROM| (TO|CC|SUBJECT) ", "extra:two-(from|to|cc|subjects)$|known:header twice$",
     "RFC 5322, 3.6: one at most. Here as in Dovecot all addresses are shown, in Cyrus those of the last one"),
    ("ENVELOPE", ":two-angles$", "no RFC has words for <<a@b>>: here an address, in Cyrus one with a \"<\" and another of no host"),
    ("BODY$|BODYSTRUCTURE|BODY.PEEK", "parts:0$",
     "RFC 2046, 5.1.1: a multipart has one part at least. One of none has an empty text here, and its bytes are what is there; "
     "Cyrus takes it for an empty text, of no bytes"),
    ("BODY.PEEK", "boundary:spaces-end$",
     "RFC 2046, 5.1.1: a boundary does not end with white space; of one that does it is left out here, in Cyrus not everywhere"),
    ("HEADER.FIELDS.NOT", "known:no body$", "RFC 3501, 6.4.5: the blank line is there but for a message that has neither body nor blank line"),
    ('HEADER Cc ""|HEADER [A-Za-z-]+ $', ":(unclosed-quote|nothing|blank|empty|reply-empty)$",
     "RFC 3501, 6.4.4: an empty string finds all messages that have that field, whatever is in it"),
    ("KOLN", "", "RFC 3501, 6.4.4: a string is found whatever its case; accents count here and in Dovecot, in Cyrus they do not"),
    (r"[^\x00-\x7f]", ":(utf8|utf8-cjk|utf8-name|utf8-local)$|known:UTF-8 header$",
     "RFC 6532, 3.2: a header may be UTF-8; here as in Dovecot it is found by its words, in Cyrus by none but ASCII"),
    (" (BODY|TEXT) ", "8bit-charset$", "RFC 3501, 6.4.4: what the body contains is found; Cyrus finds nothing in a text with 8-bit bytes "
     "that says another charset than utf-8, not even ASCII"),
    ("SENT", "date:comments$", "RFC 5322, 3.3: there may be comments between the parts of a date; Cyrus reads none"),
    ("SENT", "extra:two-date$", "RFC 5322, 3.6: one at most. Here as in Dovecot the first counts, in Cyrus the last"),
    ("SORT|THREAD", "extra:two-(from|to|cc|date|subjects)$|known:header twice$", "the same"),
    ("SORT DATE|SORT REVERSE|THREAD", "date:comments$", "RFC 5322, 3.3, as above: Cyrus takes another date"),
    ("SORT|THREAD", ":(utf8|utf8-cjk|utf8-name|utf8-local)$|known:UTF-8 header$", "RFC 6532, 3.2, as above"),
    ("SORT .*(FROM|TO|CC)", ":(group|group-.*|colon-name)$|known:group address$",
     "RFC 3501, 7.4.2: the mailbox of a group's first address is its name; here as in Dovecot it is sorted so, in Cyrus as if it were empty"),
    ("SORT (FROM|TO|CC)", ":quoted-local-angle$", "RFC 5322, 3.2.4: the quotes are no part of a quoted-string; Cyrus sorts by them"),
    ("SORT.* SUBJECT|THREAD", "subject:encoded-(koi8|1252|jp|gb)$",
     "RFC 5051, 2: what is compared are the octets of the text in titlecase, decomposed; Cyrus compares a form of its own"),
    ("SORT.* SUBJECT|THREAD", "subject:encoded-(split|bad-b64)$",
     "RFC 2047, 5: an encoded-word has whole characters; of half ones nobody says where they stand"),
    ("SORT.* SUBJECT|THREAD", "subject:encoded-glued$", "RFC 2047, 5 (1): white space separates an encoded-word from text; Cyrus decodes x=?…?=y"),
]
PART_HEADERS = ("RFC 3501, 6.4.4: BODY is the body, and the headers of its parts are in it; Dovecot leaves them out "
                "(file names among them)")
LEFT_OVER = "Dovecot finds it or not, by what it looked at before (the message alone: the same answer)"
PLACEHOLDERS = {b"MISSING_MAILBOX", b"MISSING_DOMAIN", b"SYNTAX_ERROR"}  # Dovecot's, for what is not there
WHITE = re.compile(rb"\s+")


def lower(value):
    return [lower(v) for v in value] if isinstance(value, list) else value.lower()


def without(value, other):
    """value and other, less what says the same in two ways."""
    if isinstance(value, list) and isinstance(other, list):
        if any(isinstance(a, list) and PLACEHOLDERS & {x for x in a if isinstance(x, bytes)} for a in other):
            return [], []  # a list of addresses with one that Dovecot could not read
        pairs = [without(a, b) for a, b in zip(value, other)]
        return ([a for a, _ in pairs] + value[len(pairs):], [b for _, b in pairs] + other[len(pairs):])
    if isinstance(value, bytes) and isinstance(other, bytes):  # folds of white space, RFC 5322, 2.2.3
        return WHITE.sub(b" ", value).strip(), WHITE.sub(b" ", other).strip()
    return value, other


def comparable(item, mine, theirs):
    if item.startswith("BODY.PEEK"):  # a part that is not there is NIL or ""
        return [[b"" if v == b"NIL" else v for v in side] for side in (mine, theirs)]
    if item in ("BODY", "BODYSTRUCTURE"):
        mine, theirs = lower(mine), lower(theirs)
        mine, theirs = ([upper_placeholders(v) for v in side] for side in (mine, theirs))
    if item in ("ENVELOPE", "BODY", "BODYSTRUCTURE"):
        return without(mine, theirs)
    return mine, theirs


def upper_placeholders(value):
    if isinstance(value, list):
        return [upper_placeholders(v) for v in value]
    return value.upper() if value.upper() in PLACEHOLDERS else value


def has_part(body, path):
    """Has this BODYSTRUCTURE a part of that path (RFC 3501, 6.4.5)? Only multiparts and messages
    have parts within; Dovecot gives what is within a text as the text itself."""
    if isinstance(body[0], list):
        parts = []
        for part in body:
            if not isinstance(part, list):
                break
            parts.append(part)
    else:
        parts = [body]
    if path[0] > len(parts):
        return False
    part = parts[path[0] - 1]
    if len(path) == 1:
        return True
    if lower(part[:2]) == [b"message", b"rfc822"] and len(part) > 8:
        return has_part(part[8], path[1:])
    return isinstance(part[0], list) and has_part(part, path[1:])


def around(order, number):
    """What stands before and behind it."""
    at = order.index(number)
    return order[max(0, at - 1):at + 2]


def ordered(threads):
    """REFS is a draft without words on the order of siblings."""
    parts = [ordered(t) if isinstance(t, list) else t for t in threads]
    return sorted(parts, key=repr) if any(isinstance(p, list) for p in parts) else parts


class Comparison:
    def __init__(self, messages, here, there, waived):
        self.messages, self.clients, self.reasons = messages, (here, there), waived
        self.faults, self.waived, self.compared, self.structures = [], collections.Counter(), 0, []

    def append(self, may_refuse):
        """What the other one may refuse, and does, is left out."""
        here, there = self.clients
        taken = []
        for traits, data in self.messages:
            command = b'APPEND INBOX "05-Jun-2007 08:09:10 +0000" {%d+}\r\n%s' % (len(data), data)
            answer = there.command(command)[1]
            if b" OK" in answer:
                here.ok(command)
                taken.append((traits, data))
            elif not may_refuse:
                self.faults.append(f"APPEND of {traits}: {answer!r:.300}")
        print(f"{len(self.messages) - len(taken)} messages refused there")
        self.messages = taken
        self.both("SELECT INBOX")

    def both(self, command):
        return [client.ok(command) for client in self.clients]

    def reason(self, asked, number):
        for what, trait, why in self.reasons:
            if re.search(what, asked) and any(re.search(trait, t) for t in self.messages[number][0]):
                return why
        return None

    def differs(self, asked, number, mine, theirs):
        why = self.reason(asked, number)
        if why:
            self.waived[why] += 1
        else:
            self.faults.append(f"{asked}: message {number + 1} {sorted(self.messages[number][0])}\n"
                               f"    here  {mine!r:.400}\n    there {theirs!r:.400}")

    def fetch(self, item):
        mine, theirs = self.both("FETCH 1:* " + item)
        path = [int(n) for n in re.findall(r"\d+", re.match(r"BODY.PEEK\[([\d.]+)|", item)[1] or "")]
        if not len(mine) == len(theirs) == len(self.messages):
            self.faults.append(f"{item}: {len(mine)} and {len(theirs)} answers")
        for number, answers in enumerate(zip(mine, theirs)):
            pair = comparable(item, *(parse(answer)[3] for answer in answers))
            self.compared += 1
            if item == "BODYSTRUCTURE":
                self.structures.append(parse(answers[0])[3][1])
            if path and not has_part(self.structures[number], path):
                pair = pair[0][-1:], [b""]
            if pair[0] != pair[1]:
                self.differs(item, number, *pair)

    def search(self, key):
        mine, theirs = (set(map(int, parse(a[0])[2:])) for a in self.both(key))
        self.compared += len(self.messages)
        asked = re.sub(r" \{\d+\+\}\r\n", " ", key.decode())
        for number in sorted(mine ^ theirs):
            if " BODY " in asked and number in mine and isinstance(self.structures[number - 1][0], list):
                self.waived[PART_HEADERS] += 1
            elif any(self.alone(key, number)[side] != (number in found) for side, found in enumerate((mine, theirs))):
                self.waived[LEFT_OVER] += 1
            else:
                self.differs(asked, number - 1, number in mine, number in theirs)

    def alone(self, key, number):
        return [bool(parse(a[0])[2:]) for a in self.both(
            re.sub(rb"^SEARCH (CHARSET UTF-8 )?", rb"\g<0>%d " % number, key))]

    def plain(self, asked):
        """The numbers of the messages of which nothing is waived for this question."""
        return ",".join(str(n + 1) for n in range(len(self.messages)) if not self.reason(asked, n))

    def sort(self, keys):
        mine, theirs = (parse(a[0])[2:] for a in self.both(f"SORT ({keys}) UTF-8 {self.plain('SORT ' + keys)}"))
        self.compared += len(mine)
        kept = set()  # who stands in both orders as the others do
        for block in difflib.SequenceMatcher(None, mine, theirs, False).get_matching_blocks():
            kept.update(mine[block.a:block.a + block.size])
        for number in (n for n in mine if n not in kept):
            self.differs("SORT " + keys, int(number) - 1, *(around(side, number) for side in (mine, theirs)))

    def thread(self, algorithm):
        mine, theirs = (parse(a[0])[2:] for a in self.both(f"THREAD {algorithm} UTF-8 {self.plain('THREAD')}"))
        self.compared += len(mine)
        if algorithm == "REFS":
            mine, theirs = ordered(mine), ordered(theirs)
        if mine != theirs:
            odd = [t for t in mine if t not in theirs][:3], [t for t in theirs if t not in mine][:3]
            self.faults.append(f"THREAD {algorithm}: {odd!r:.600}")

    def fetch_all(self):
        """What is shown, and searches without words."""
        for item in ITEMS:
            self.fetch(item)
        for key in PLAIN_SEARCHES:
            self.search(b"SEARCH " + key.encode())

    def words(self):
        for key in SEARCHES:
            for word in (w.encode() for w in WORDS):
                if word or "HEADER" in key:
                    self.search(b"SEARCH CHARSET UTF-8 %s {%d+}\r\n%s" % (key.encode(), len(word), word))

    def orders(self):
        for keys in SORTS:
            self.sort(keys)
        for algorithm in THREADS:
            self.thread(algorithm)


def messages(count, seed):
    """[(traits, bytes)]: each form alone, the minimal ones of known faults, and `count` mixed."""
    odd = [(frozenset({"known:" + name}), data) for name, data in odd_messages()]
    usual = [(frozenset({"usual"}), m.data) for f in mail.generate("clients", 150).folders[1:] for m in f.messages]
    made = singles() + odd + usual + nasty(seed, count)
    return [(traits | seen(data), data) for traits, data in made]


def seen(data):
    """What a message is made of, as far as it shows."""
    traits = set()
    if not re.search(rb"(?im)^date:", head(data)):
        traits.add("no-date")
    if not data.isascii() and re.search(rb"(?i)charset=(?!\"?utf-8)", data):
        traits.add("8bit-charset")
    return traits


def head(data):
    return re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]


@contextlib.contextmanager
def dovecot(folder):
    server = Dovecot(folder / "dovecot")
    try:
        yield server.client
    finally:
        server.close()


@contextlib.contextmanager
def cyrus(_):
    """munge8bit: its way to make ASCII of headers, "X" for each other byte."""
    with Lab(users={"alice": "wonderland"}, server=functools.partial(Cyrus, more="munge8bit: no\n")) as lab:
        client = Imap(lab.client.connect(SOURCE_ADDRESS[0], Cyrus.imap_port))
        client.socket.settimeout(120)
        client.login("alice", "wonderland")
        yield client


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", default="differential")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--cyrus", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailferry-serve-"))
    (folder / "store").mkdir()
    store = Mailstore(folder / "store", programs())
    store.add_account("alice", "/")
    try:
        with (cyrus if options.cyrus else dovecot)(folder) as there:
            here = store.imap("alice")[0]
            here.socket.settimeout(120)
            comparison = Comparison(messages(options.count, options.seed), here, there,
                                    WAIVED_OF_CYRUS + WAIVED if options.cyrus else WAIVED)
            comparison.append(may_refuse=options.cyrus)
            comparison.fetch_all()
            if not (options.cyrus and options.count):  # of mixed forms, each has a reason
                comparison.words()
                comparison.orders()
    finally:
        store.close()
        shutil.rmtree(folder, True)
    for fault in comparison.faults[:40]:
        print(fault)
    for why, count in comparison.waived.most_common() if options.show else ():
        print(f"{count:6} {why}")
    print(f"{len(comparison.messages)} messages, {comparison.compared} answers compared, "
          f"{sum(comparison.waived.values())} waived, {len(comparison.faults)} faults; seed {options.seed}")
    sys.exit(1 if comparison.faults else 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    main()
