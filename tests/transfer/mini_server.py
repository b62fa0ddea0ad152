# SPDX-License-Identifier: GPL-3.0-or-later
"""An IMAP server of a page, whose faults a test chooses. Real ones are in tests/lab.

It knows what the transfer needs and nothing that changes a mailbox; every command it gets
is kept in `commands`, so that a test can see what was (not) asked.
"""
import base64
import re
import time

from mini import Server, Session

CAPABILITY = "IMAP4rev1 AUTH=PLAIN SASL-IR NAMESPACE LITERAL+"
CHANGES = " CONDSTORE ESEARCH"  # with it, it says what has changed


class Folder:
    def __init__(self, uidvalidity=7, attributes="", uidnext=None):
        self.uidvalidity = uidvalidity
        self.attributes = attributes
        self.given_uidnext = uidnext
        self.messages = {}  # uid -> (flags, date, body)
        self.modseq = 1
        self.seen = {}  # uid -> (message, modseq), as it was looked at last

    def look(self):
        """What a test has changed since gets its modification sequence."""
        if self.messages == {uid: m for uid, (m, _) in self.seen.items()}:
            return
        self.modseq += 1
        self.seen = {uid: self.seen[uid] if uid in self.seen and self.seen[uid][0] == m
                     else (m, self.modseq) for uid, m in self.messages.items()}

    def add(self, uid, body, flags="", date="01-Feb-2003 04:05:06 +0100"):
        self.messages[uid] = (flags, date, body)

    @property
    def uidnext(self):
        return self.given_uidnext or max(self.messages, default=0) + 1


class MiniServer(Server):
    """Faults: login (answer of a login instead of OK), broken (UIDs it gives no body of),
    drops_after (closes after so many messages, once), refuses (name -> text of EXAMINE),
    one_at_a_time (BAD when a command comes before the last one is answered), list_answer,
    greets_after (seconds), wants_id (refuses everything before it), refuses_sasl (text, or a list),
    hides_inbox (LIST does not show it), edit (kind, data -> data: "list", "examine", "row",
    "alone", "body" as they are sent), answers (name of a command -> what answers it instead:
    function(session, arguments) -> text behind the tag; None: the usual answer)."""

    def __init__(self, port=0, listener=None):
        self.folders = {"INBOX": Folder()}
        self.subscriptions = ["INBOX"]
        self.capability = CAPABILITY
        self.password = "secret"
        self.login = None
        self.broken = {}
        self.drops_after = None
        self.refuses = {}
        self.one_at_a_time = False
        self.list_answer = None
        self.greets_after = 0
        self.wants_id = False
        self.refuses_sasl = None
        self.hides_inbox = None  # "*": from LIST "" "*", "all": from LIST "" INBOX, too
        self.edit = lambda kind, data: data
        self.answers = {}
        self.passwords = set()  # further ones that it takes
        self.logins = []  # (password, taken)
        self.namespace = '(("" "/")) NIL NIL'
        self.turns = []  # of each command: how often the client spoke after it was spoken to
        self.rows = 0  # of listings
        self.hangs = None  # an event that bodies of a megabyte and more wait for
        super().__init__(port, listener)

    def serve(self, connection):
        ImapSession(self, connection).run()


class ImapSession(Session):
    def __init__(self, server, connection):
        super().__init__(server, connection)
        self.folder = self.tag = None
        self.has_id = False

    def emit(self, kind, data):
        self.has_spoken = True
        self.connection.sendall(self.server.edit(kind, data))

    def command_line(self):
        """A command with its LITERAL+ literals put between quotes."""
        line = self.line()
        found = re.search(r"\{(\d+)\+\}$", line)
        if not found:
            return line
        size = int(found[1])
        while len(self.pending) < size:
            self.pending += self.connection.recv(65536)
        literal, self.pending = self.pending[:size], self.pending[size:]
        return f'{line[:found.start()]}"{literal.decode("latin-1")}"' + self.command_line()

    def run(self):
        time.sleep(self.server.greets_after)
        self.say(f"* OK [CAPABILITY {self.server.capability}] mini")
        self.server.step("< greeting")
        while True:
            tag, _, rest = self.command_line().partition(" ")
            self.tag = tag
            name, _, arguments = rest.partition(" ")
            if name.upper() == "UID":
                name, _, arguments = arguments.partition(" ")
                name = "UID " + name
            with self.server.lock:
                self.server.commands.append(f"{name} {arguments}".strip())
                self.server.turns.append(self.turns)
            if self.server.one_at_a_time and self.pending:
                self.say(f"{tag} BAD one at a time, please")
                self.pending = b""
                continue
            method = getattr(self, "do_" + name.upper().replace(" ", "_"), None)
            self.server.step(f"> {name}")
            instead = self.server.answers.get(name.upper())
            answer = instead(self, arguments) if instead else None
            if answer is None:
                answer = method(arguments) if method else "BAD unknown"
            self.server.step(f"= {name}")
            self.say(f"{tag} {answer}")
            self.server.step(f"< {name}")
            if name.upper() == "LOGOUT":
                return

    # commands -----------------------------------------------------------------------

    def do_CAPABILITY(self, _):  # pylint: disable=C0103
        self.say(f"* CAPABILITY {self.server.capability}")
        return "OK done"

    def do_ID(self, _):  # pylint: disable=C0103
        self.has_id = True
        self.say('* ID ("name" "mini")')
        return "OK done"

    def do_AUTHENTICATE(self, arguments):  # pylint: disable=C0103
        refuses = self.server.refuses_sasl
        if refuses:
            return "NO " + (refuses.pop(0) if isinstance(refuses, list) else refuses)
        _, user, password = base64.b64decode(arguments.split()[1]).split(b"\0")
        return self._log_in(user.decode(), password.decode())

    def do_LOGIN(self, arguments):  # pylint: disable=C0103
        user, password = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)
        return self._log_in(user, re.sub(r"\\(.)", r"\1", password))

    def _log_in(self, _, password):
        if self.server.login:
            return self.server.login
        if self.server.wants_id and not self.has_id:
            return "NO Unsafe Login. Please contact your administrator"
        taken = password == self.server.password or password in self.server.passwords
        with self.server.lock:
            self.server.logins.append((password, taken))
        return "OK in" if taken else "NO [AUTHENTICATIONFAILED] wrong"

    def do_NAMESPACE(self, _):  # pylint: disable=C0103
        self.say(f"* NAMESPACE {self.server.namespace}")
        return "OK done"

    def do_LIST(self, arguments):  # pylint: disable=C0103
        if self.server.list_answer:
            return self.server.list_answer
        only_inbox = arguments == '"" INBOX'
        for name, folder in self.server.folders.items():
            hides = self.server.hides_inbox
            if name != "INBOX" and only_inbox:
                continue
            if name == "INBOX" and hides and (not only_inbox or hides == "all"):
                continue
            self.emit("list", f'* LIST ({folder.attributes}) "/" "{name}"\r\n'.encode("latin-1"))
        return "OK done"

    def do_STATUS(self, arguments):  # pylint: disable=C0103
        name, _, items = arguments.partition(" (")
        folder = self.server.folders.get(name.strip('"'))
        if not folder:
            return "NO no such mailbox"
        folder.look()
        says = {"MESSAGES": len(folder.messages), "UIDNEXT": folder.uidnext,
                "UNSEEN": sum("\\Seen" not in flags for flags, *_ in folder.messages.values()),
                "UIDVALIDITY": folder.uidvalidity, "HIGHESTMODSEQ": folder.modseq}
        words = " ".join(f"{item} {says[item]}" for item in items.rstrip(")").split())
        self.say(f"* STATUS {name} ({words})")
        return "OK done"

    def do_LSUB(self, _):  # pylint: disable=C0103
        for name in self.server.subscriptions:
            self.say(f'* LSUB () "/" "{name}"')
        return "OK done"

    def do_EXAMINE(self, arguments):  # pylint: disable=C0103
        name = arguments.removesuffix(" (CONDSTORE)").strip('"')
        self.folder = None
        if name in self.server.refuses:
            return f"NO {self.server.refuses[name]}"
        if name not in self.server.folders:
            return "NO no such folder"
        folder = self.folder = self.server.folders[name]
        self.emit("examine", b"* %d EXISTS\r\n" % len(folder.messages))
        self.emit("examine", b"* OK [UIDVALIDITY %d] x\r\n" % folder.uidvalidity)
        self.emit("examine", b"* OK [UIDNEXT %d] x\r\n" % folder.uidnext)
        folder.look()
        if arguments.endswith(" (CONDSTORE)"):
            self.emit("examine", b"* OK [HIGHESTMODSEQ %d] x\r\n" % folder.modseq)
        return "OK [READ-ONLY] done"

    def do_FETCH(self, arguments):  # pylint: disable=C0103
        """By numbers: only one at a time is asked for so."""
        number, _, items = arguments.partition(" ")
        uids = sorted(self.folder.messages)
        return self.do_UID_FETCH(f"{uids[int(number) - 1]} {items}")

    def do_UID_FETCH(self, arguments):  # pylint: disable=C0103
        if not self.folder:
            return "BAD no folder"
        uids, _, items = arguments.partition(" ")
        since = re.search(r"CHANGEDSINCE (\d+)", items)
        kind = "body" if "BODY.PEEK[]" in items else "row" if ":" in uids else "alone"
        for number, uid in enumerate(sorted(self.folder.messages), 1):
            if not self._is_in(uid, uids):
                continue
            if since and self.folder.seen[uid][1] <= int(since[1]):
                continue
            self.server.rows += kind == "row"
            if kind == "body" and uid in self.server.broken:
                if self.server.broken[uid]:
                    return f"NO {self.server.broken[uid]}"
                continue
            self._message(number, uid, kind)
        return "OK done"

    @staticmethod
    def _is_in(uid, uids):
        for part in uids.split(","):
            first, _, last = part.partition(":")
            if last == "*" and uid >= int(first):
                return True
            if int(first) <= uid <= int(last or first):
                return True
        return False

    def _message(self, number, uid, kind):
        flags, date, body = self.folder.messages[uid]
        head = (f'* {number} FETCH (UID {uid} FLAGS ({flags}) INTERNALDATE "{date}" '
                f"RFC822.SIZE {len(body)}")
        if kind != "body":
            self.emit(kind, head.encode() + b")\r\n")
            return
        if self.server.drops_after is not None:
            self.server.drops_after -= 1
            if self.server.drops_after < 0:
                self.server.drops_after = None
                self.connection.sendall(head.encode() + b" BODY[] {%d}\r\n" % len(body))
                self.connection.sendall(body[:len(body) // 2])
                raise EOFError
        if self.server.hangs and len(body) > 1_000_000:
            self.connection.sendall(head.encode() + b" BODY[] {%d}\r\n" % len(body))
            self.server.hangs.wait()
            self.connection.sendall(body + b")\r\n")
            return
        self.emit(kind, head.encode() + b" BODY[] {%d}\r\n" % len(body) + body + b")\r\n")

    def do_UID_SEARCH(self, arguments):  # pylint: disable=C0103
        """RETURN (ALL) of a range, or of all."""
        words = arguments.split()
        uids = [uid for uid in sorted(self.folder.messages)
                if words[-1] == "ALL" or self._is_in(uid, words[-1])]
        if not uids and words[-1].endswith("*"):
            uids = sorted(self.folder.messages)[-1:]
        found = ",".join(map(str, uids))
        self.say(f'* ESEARCH (TAG "{self.tag}") UID' + (f" ALL {found}" if uids else ""))
        return "OK done"

    def do_NOOP(self, _):  # pylint: disable=C0103
        return "OK done"

    def do_LOGOUT(self, _):  # pylint: disable=C0103
        self.say("* BYE")
        return "OK done"
