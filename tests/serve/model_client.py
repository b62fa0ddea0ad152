# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the model stress: it sends commands and checks all that it is told on the way.

What it knows of its mailbox is its view: UIDs in order, flags, modseqs. Rules that hold whatever the
command was are checked here (numbers, when EXPUNGE may come, modseqs that rise, \\Recent to one only);
what a command must answer, in model_steps.py.
"""
import re
import select
import time
import zlib

from lab.imap import Imap, parse
from model_state import Fault, check

NO_EXPUNGE = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")  # RFC 3501, 7.4.1, without UID


class Reader:
    """A socket's bytes as a file that a time-out does not spoil; inflated after COMPRESS (RFC 4978)."""

    def __init__(self, connection):
        self.socket, self.inflate, self.bytes = connection, None, b""

    def more(self):
        data = self.socket.recv(65536)
        self.bytes += self.inflate.decompress(data) if self.inflate else data
        return bool(data)

    def has_line(self, timeout):
        while b"\n" not in self.bytes:
            if not select.select([self.socket], [], [], timeout)[0] or not self.more():
                return False
        return True

    def readline(self):
        while b"\n" not in self.bytes:
            if not self.more():
                break
        at = self.bytes.find(b"\n") + 1 or len(self.bytes)
        line, self.bytes = self.bytes[:at], self.bytes[at:]
        return line

    def read(self, size):
        while len(self.bytes) < size and self.more():
            pass
        data, self.bytes = self.bytes[:size], self.bytes[size:]
        return data

    def close(self):
        pass


class Answer:
    def __init__(self, lines, end):
        self.lines, self.end = lines, end
        self.status = end.split(b" ", 2)[1].decode()
        code = re.match(rb"\S+ \w+ \[([^\]]*)\]", end)
        self.code = code[1].decode().split() if code else []

    def named(self, word):
        """[fields behind the word] of the answers `* WORD ...`."""
        return [line[2:] for line in self.lines if line[1:2] == [word]]

    def codes(self, word):
        """What stands in `* OK [WORD ...]`."""
        return [line[0] for line in self.lines if isinstance(line, tuple) and line[1] == word]


def number_set(text):
    """1:3,5 as a list of numbers."""
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        first, last = int(first), int(last or first)
        numbers += range(min(first, last), max(first, last) + 1)
    return numbers


def write_set(numbers):
    return ",".join(map(str, numbers))


class Client:
    def __init__(self, name, world, connect):
        self.name, self.world, self.connect = name, world, connect
        self.commands, self.log = 0, []
        self.open()

    def open(self):
        self.imap = self.connect()
        self.imap.file.close()
        self.imap.file = Reader(self.imap.socket)
        self.enabled, self.compressed, self.box, self.idles, self.notified = set(), False, None, None, None
        self.saved, self.contexts, self.statuses, self.next = None, {}, {}, None
        self.session = object()

    def close(self):
        self.imap.close()

    def drop(self):
        self.close()
        self.open()

    def rest(self):
        """As a client that waits: with an answer for all, in IDLE or not. What only this process can
        know (imap_hibernate.c) ends first."""
        if self.contexts or self.notified is not None or self.compressed:
            self.drop()
        if self.idles:
            self.look()
            return
        self.ok("NOOP")
        self.settle()
        self.check_in_sync("before it rests")
        if self.box is not None and self.world.rng.random() < 0.5:
            self.idle()

    # ── the view ───────────────────────────────────────────────────────────────────

    def select(self, box, read_only):
        """Before SELECT is sent. What comes before CLOSED is of the other mailbox."""
        self.next = box, read_only
        if self.box is None:
            self.switch()

    def switch(self):
        old = self.box
        (self.box, self.read_only), self.next = self.next, None
        for box in (old, self.box):  # what is selected has no STATUS
            self.statuses.pop(box.name if box else None, None)
        self.view, self.flags, self.modseqs, self.gone, self.last = [], {}, {}, set(), 0
        self.saved, self.contexts = None, {}

    def unselect(self):
        self.box = None
        self.saved, self.contexts = None, {}

    @property
    def condstore(self):
        return bool(self.enabled & {"CONDSTORE", "QRESYNC"})

    @property
    def uid_only(self):
        return "UIDONLY" in self.enabled

    @property
    def rev2(self):
        return "IMAP4REV2" in self.enabled

    def in_sync(self, more=False):
        """What was told by number only is what there is, when all the rest is, unless more is to come."""
        if self.box is None:
            return True
        truth = list(self.box.messages)
        same = len(self.view) == len(truth) and all(known in (None, uid) for known, uid in zip(self.view, truth))
        if same and not more:
            self.view, self.last = truth, max([self.last, *truth])
        return same

    def settle(self):
        """Asks for the UIDs of what was told by number only."""
        while self.box is not None and None in self.view:
            unknown = [n + 1 for n, uid in enumerate(self.view) if uid is None]
            self.ok("UID FETCH 1:* (UID)" if self.uid_only else f"FETCH {write_set(unknown)} (UID)")
            if self.view_has_gone(unknown):
                self.ok("NOOP")

    def view_has_gone(self, unknown):
        return any(n <= len(self.view) and self.view[n - 1] is None for n in unknown)

    def check_in_sync(self, what, more=False):
        if self.box is None:
            return
        check(self.in_sync(more), what, "view", self.view, "truth", list(self.box.messages))
        for uid, known in self.flags.items():
            check(known == self.box.messages[uid].flags, what, "flags of UID", uid, "told", sorted(known), "are",
                  sorted(self.box.messages[uid].flags))
        for tag, (uids, evaluate) in self.contexts.items():
            truth = {uid for uid, m in self.box.messages.items() if evaluate(uid, m)}
            check(uids & set(self.box.messages) == truth, what, "context", tag, sorted(uids), "truth", sorted(truth))

    def check_statuses(self, what):
        for name, items in self.statuses.items():
            box = self.world.boxes.get(name)
            if box is not None and box is not self.box:
                check_status(box, {k: v for k, v in items.items() if k in ("MESSAGES", "UIDNEXT", "UIDVALIDITY")}, what)

    # ── talking ────────────────────────────────────────────────────────────────────

    def send(self, text):
        """Sends a command (str or bytes); returns its tag."""
        text = text.encode() if isinstance(text, str) else text
        self.imap.tags += 1
        tag = b"T%d" % self.imap.tags
        self.commands += 1
        self.note(b"C: " + tag + b" " + text)
        self.write(tag + b" " + text + b"\r\n")
        return tag, self.word_of(text)

    @staticmethod
    def word_of(text):
        words = text.split(b" ", 2)
        first = words[0].decode().upper()
        return first + " " + words[1].decode().upper() if first == "UID" else first

    def write(self, data):
        if self.compressed:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.imap.send(data)

    def compress(self):
        self.compressed = True
        self.deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.imap.file.inflate = zlib.decompressobj(-15)

    def note(self, line):
        self.log.append(line[:200].replace(b"\r\n", b"\\r\\n"))
        del self.log[:-200]

    def command(self, text):
        return self.until(*self.send(text))

    def ok(self, text):
        answer = self.command(text)
        check(answer.status == "OK", text[:120], "got", answer.end)
        return answer

    def until(self, tag, word):
        lines = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return Answer(lines, line)
            lines.append(self.untagged(line, word))

    def line(self):
        line = self.imap.line()
        self.note(b"S: " + line.rstrip(b"\r\n"))
        if not line.endswith(b"\n"):
            raise EOFError(f"{self.name}: closed")
        return line

    def hear(self, timeout):
        """What is told without a question, for so long; False when nothing came."""
        if not self.imap.file.has_line(timeout):
            return False
        self.untagged(self.line(), "IDLE")
        return True

    # ── IDLE ───────────────────────────────────────────────────────────────────────

    def idle(self):
        self.idles, word = self.send("IDLE")
        line = self.line()
        while line.startswith(b"* "):
            self.untagged(line, word)
            line = self.line()
        check(line.startswith(b"+"), "IDLE got", line)

    def done(self):
        self.write(b"DONE\r\n")
        tag, self.idles = self.idles, None
        check(self.until(tag, "IDLE").status == "OK", "IDLE")
        self.check_in_sync("IDLE")

    def look(self):
        """All that happened is told without a question, soon."""
        until = time.monotonic() + 10
        while not self.is_up_to_date() or (None in self.view and self.hear(0.05)):
            heard = self.is_up_to_date() or self.hear(max(0.01, until - time.monotonic()))
            check(heard, "not told in IDLE, view", self.view, "truth", list(self.box.messages))
        self.check_in_sync("IDLE")

    def is_up_to_date(self):
        try:
            self.check_in_sync("IDLE", more=True)
        except Fault:
            return False
        return True

    # ── what is told ───────────────────────────────────────────────────────────────

    def untagged(self, line, word):
        if line.startswith(b"* OK [") or line.startswith(b"* NO ["):
            code = re.match(rb"\* \w+ \[(\S+) ?([^\]]*)\]", line)
            if code[1] == b"CLOSED" and self.next:
                self.switch()
            return (code[2].decode(), code[1].decode())
        fields = parse(line.replace(b" ~{", b" {"))
        kind = fields[2].decode().upper() if len(fields) > 2 and isinstance(fields[2], bytes) and fields[1].isdigit() else ""
        if kind == "EXISTS":
            self.exists(int(fields[1]))
        elif kind == "EXPUNGE":
            self.expunge(int(fields[1]), word)
        elif kind in ("FETCH", "UIDFETCH"):
            self.fetched(kind, int(fields[1]), fields[3], word)
        elif kind == "RECENT":
            check(not self.rev2, "RECENT in IMAP4rev2")
        elif fields[1] == b"LIST":  # made, renamed or gone: what was told of the name is of another
            for name in re.findall(rb"[\w/]+", repr(fields[4:]).encode()):
                self.statuses.pop(name.decode(), None)
        elif fields[1] == b"VANISHED":
            self.vanished(fields[2:], word)
        elif fields[1] == b"STATUS":
            self.told_status(fields[2].decode(), dict(zip((k.decode() for k in fields[3][::2]), fields[3][1::2])))
        elif fields[1] == b"ENABLED":
            self.enabled |= {word.decode().upper() for word in fields[2:]}
            self.enabled |= {"CONDSTORE"} if "QRESYNC" in self.enabled else set()
        elif fields[1] == b"ESEARCH":
            self.context_told(fields[2:])
        elif fields[1] == b"BYE":
            raise EOFError(f"{self.name}: {line!r}")
        return fields

    def told_status(self, name, items):
        """RFC 5465, 5: new mail has its numbers, changed flags theirs; the others stay as they were."""
        known = self.statuses.setdefault(name, {})
        for item in ("UNSEEN", "HIGHESTMODSEQ", "SIZE", "DELETED"):
            known.pop(item, None)
        known.update(items)

    def exists(self, count):
        """The UIDs of the new ones are known when none of them may have gone already."""
        new = count - len(self.view)
        check(new >= 0, "EXISTS", count, "after", len(self.view))
        came = [uid for uid in self.box.ever if uid > self.last]
        came = came[:new] if self.box.messages.keys() >= set(came) else came
        if len(came) != new or None in self.view or self.world.bursts:
            came = [None] * new
        self.view += came
        self.last = max([self.last, *(uid for uid in came if uid)])

    def expunge(self, number, word):
        check("QRESYNC" not in self.enabled and not self.uid_only, "EXPUNGE after ENABLE QRESYNC or UIDONLY")
        check(word not in NO_EXPUNGE, "EXPUNGE during", word)
        check(1 <= number <= len(self.view), "EXPUNGE", number, "of", len(self.view))
        self.forget(self.view.pop(number - 1))

    def forget(self, uid):
        check(self.world.bursts or uid not in self.box.messages, "UID", uid, "is told to be gone, but is there; view", self.view, "truth", list(self.box.messages))
        self.flags.pop(uid, None)
        self.modseqs.pop(uid, None)

    def vanished(self, fields, word):
        earlier = fields[0] == [b"EARLIER"]
        check(self.enabled & {"QRESYNC", "UIDONLY"}, "VANISHED without ENABLE")
        uids = number_set(fields[-1].decode())
        self.gone |= set(uids)
        if earlier:
            check(self.world.bursts or not set(uids) & set(self.box.messages), "VANISHED (EARLIER)", uids, "are there")
            return
        check(word not in NO_EXPUNGE, "VANISHED during", word)
        for uid in uids:
            check(uid in self.view or None in self.view, "VANISHED", uid, "is not in the view", self.view)
            del self.view[self.view.index(uid) if uid in self.view else self.place_of(uid)]
            self.last = max(self.last, uid)
            self.forget(uid)

    def place_of(self, uid):
        """Of a message whose number was told, but not its UID."""
        before = [n for n, known in enumerate(self.view) if known and known < uid]
        return self.view.index(None, before[-1] if before else 0)

    def fetched(self, kind, number, items, word):
        check((kind == "UIDFETCH") == self.uid_only, kind, "with", self.enabled)
        found = {key.decode().upper(): value for key, value in zip(items[::2], items[1::2])
                 if isinstance(key, bytes)}
        uid = number if self.uid_only else self.uid_at(number, found)
        if self.uid_only and uid not in self.view:
            check(None in self.view, "UIDFETCH of", uid, "view", self.view)
            self.view[self.view.index(None)] = uid
            self.view.sort(key=lambda known: known or 2 ** 32)
        if uid is None:
            return
        self.last = max(self.last, uid)
        if "FLAGS" in found:
            self.told_flags(uid, {f.decode() for f in found["FLAGS"]}, found.get("MODSEQ"), word)
        if "MODSEQ" in found:
            self.told_modseq(uid, int(found["MODSEQ"][0]))

    def uid_at(self, number, found):
        check(1 <= number <= len(self.view), "FETCH", number, "of", len(self.view))
        told = int(found["UID"]) if "UID" in found else self.view[number - 1]
        check(self.view[number - 1] in (None, told), "message", number, "is UID", self.view[number - 1], "told", told)
        check(told is None or told not in self.view or self.view[number - 1] == told, "UID", told, "twice in", self.view)
        self.view[number - 1] = told
        return told

    def told_flags(self, uid, flags, modseq, word):
        if uid not in self.box.messages and not self.world.bursts:
            return  # gone: RFC 2180, 4.2.3, lets the answer be invented
        if "\\Recent" in flags and not self.read_only:
            check(not self.rev2, "\\Recent in IMAP4rev2")
            owner = self.box.recent.setdefault(uid, self.session)
            check(owner is self.session, "\\Recent of", uid, "to two clients")
        flags -= {"\\Recent"}
        asked = word in ("FETCH", "UID FETCH")  # for FLAGS, perhaps, and not for MODSEQ
        if self.condstore and self.flags.get(uid, flags) != flags and not (asked and not modseq):
            check(modseq, "changed flags of", uid, "without MODSEQ")
            check(int(modseq[0]) > self.modseqs.get(uid, 0), "flags of", uid, "changed, modseq", modseq, "did not rise")
        self.flags[uid] = flags

    def told_modseq(self, uid, modseq):
        check(modseq >= self.modseqs.get(uid, 0), "modseq of", uid, "falls from", self.modseqs.get(uid), "to", modseq)
        self.modseqs[uid] = modseq
        self.box.highest = max(self.box.highest, modseq)

    def context_told(self, fields):
        if not isinstance(fields[0], list) or fields[0][0] != b"TAG":
            return
        known = self.contexts.get(fields[0][1])
        if known is None:
            return
        for word, value in zip(fields[1:], fields[2:]):
            if word in (b"ADDTO", b"REMOVEFROM"):
                for numbers in value[1::2]:
                    for uid in number_set(numbers.decode()):
                        (known[0].add if word == b"ADDTO" else known[0].discard)(uid)


def check_status(box, items, what):
    truth = {"MESSAGES": len(box.messages), "UIDNEXT": box.uidnext, "UNSEEN": len(box.unseen()),
             "DELETED": len(box.with_flag("\\Deleted")), "SIZE": sum(len(m.data) for m in box.messages.values())}
    for key, value in items.items():
        if key in truth:
            check(int(value) == truth[key], what, "STATUS", box.name, key, value, "is", truth[key])
        elif key == "UIDVALIDITY":
            box.uidvalidity = box.uidvalidity or int(value)
            check(int(value) == box.uidvalidity, what, "UIDVALIDITY of", box.name, value)
        elif key == "HIGHESTMODSEQ":
            check(int(value) >= box.highest, what, "HIGHESTMODSEQ of", box.name, value, "below", box.highest)
            box.highest = int(value)


__all__ = ["Answer", "Client", "Fault", "Imap", "check_status", "number_set", "write_set"]
