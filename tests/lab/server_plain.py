# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that is as simple as old servers were, and slow: each line that it gets is a
command or, when it has asked for it, an answer; it answers one after the other, and takes
its time for each. It knows neither LITERAL+ nor initial responses; an authzid it ignores.

IMAP and POP3, without mail: what matters is whom it lets in, and what it was told.
"""
import base64
import contextlib
import hashlib
import hmac
import queue
import re
import socket
import threading
import time

CHALLENGE = b"<1.2@plain>"
LITERAL = re.compile(rb"\{(\d+)\}$")
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^ ]+)')
CLIENTS = ("192.0.2.", "2001:db8:c:")


class Plain:
    """patience: seconds from an answer to the next one."""

    name = "plain"
    imap_port = 143
    pop3_port = 110
    storage = "none"
    separator = "/"
    prefix = ""
    greeting_delay = 0.0
    needs_id = False
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
    extensions = ()  # of IMAP, said before the login and at no other time

    def __init__(self, _folder, namespace, patience=0.15):
        self.namespace = namespace
        self.patience = patience
        self.listeners = []
        self.users = {}
        self.told = queue.Queue()  # (service, client's address, line) of all that came
        self.let_in = []           # (user, address)

    def prepare(self):
        pass

    def add_user(self, name, password):
        self.users[name] = password

    def fill(self, user, mailbox):
        pass

    def start(self):
        for port, talk in ((self.imap_port, ImapTalk), (self.pop3_port, Pop3Talk)):
            with self.namespace.entered():
                listener = socket.create_server(("", port), backlog=512)
            thread = threading.Thread(target=self._accept, args=(listener, talk), daemon=True)
            thread.start()
            self.listeners.append((listener, thread))

    def stop(self):
        for listener, thread in self.listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()  # it may accept() from the next socket of that number
            listener.close()
        self.listeners = []

    def _accept(self, listener, talk):
        while True:
            try:
                connection, (address, *_) = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(talk, connection, address),
                             daemon=True).start()

    def _serve(self, talk, connection, address):
        with contextlib.suppress(OSError, EOFError), connection:
            talk(self, connection, address).run()

    def log_text(self):
        return ""

    def logins(self, user=None):
        """(user, client's address) of each accepted login, in order."""
        return [(name, address) for name, address in self.let_in if user in (None, name)]


class Talk:
    """One connection; `user` is who was let in."""

    service = ""

    def __init__(self, server, connection, address):
        self.server = server
        self.connection = connection
        self.file = connection.makefile("rb")
        self.address = address.removeprefix("::ffff:")
        self.user = None

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.server.told.put((self.service, self.address, line))
        return line.rstrip(b"\r\n")

    def say(self, text):
        if self.address.startswith(CLIENTS):  # neither the probe nor the transfer
            time.sleep(self.server.patience)
        self.connection.sendall(text + b"\r\n")

    def check(self, user, password):
        """Whether these let somebody in; if so, they are logged in."""
        name = user.decode(errors="replace").lower().removesuffix("@example.com")
        right = self.server.users.get(name, "").encode()
        if not right or right != password:
            return False
        self.user = name
        self.server.let_in.append((name, self.address))
        return True

    def sasl(self, mechanism):
        """Whether it let somebody in; None: there is no such mechanism."""
        if mechanism not in self.server.mechanisms:
            return None
        if mechanism == "PLAIN":
            _, user, password = (self.ask(b"").split(b"\0") + [b"", b""])[:3]
            return self.check(user, password)
        if mechanism == "LOGIN":
            return self.check(self.ask(b"Username:"), self.ask(b"Password:"))
        user, _, digest = self.ask(CHALLENGE).rpartition(b" ")
        password = self.server.users.get(user.decode(errors="replace"), "").encode()
        right = hmac.new(password, CHALLENGE, hashlib.md5).hexdigest().encode()
        return bool(password) and right == digest and self.check(user, password)

    def ask(self, challenge):
        self.say(b"+ " + base64.b64encode(challenge))
        answer = self.line()
        try:
            return base64.b64decode(answer, validate=True)
        except ValueError:
            return b""


class ImapTalk(Talk):
    """CAPABILITY is said only when asked for."""

    service = "imap"
    has_id = False

    def capability(self):
        words = ["IMAP4rev1", "ID", *self.server.extensions]
        words += [f"AUTH={name}" for name in self.server.mechanisms]
        return " ".join(words).encode()

    def run(self):
        time.sleep(self.server.greeting_delay)
        self.say(b"* OK plain ready")
        while True:
            line = self.line()
            words = self.words(line)
            tag = words[0] if words else b"*"
            name = words[1].upper() if len(words) > 1 else b""
            self.command(tag, name, words[2:])

    def words(self, line):
        """With literals, for which it says "+"."""
        found = []
        while True:
            literal = LITERAL.search(line)
            for quoted, word in WORD.findall(line[:literal.start()] if literal else line):
                found.append(re.sub(rb"\\(.)", rb"\1", quoted) if not word else word)
            if not literal:
                return found
            self.say(b"+ go on")
            data = self.file.read(int(literal[1]))
            self.server.told.put((self.service, self.address, data))
            found.append(data)
            line = self.line()

    def command(self, tag, name, arguments):
        if name == b"CAPABILITY":
            self.connection.sendall(b"* CAPABILITY " + self.capability() + b"\r\n")
            self.say(tag + b" OK done")
        elif name == b"LOGIN":
            user, password = (arguments + [b"", b""])[:2]
            self.conclude(tag, len(arguments) == 2 and self.check(user, password))
        elif name == b"AUTHENTICATE" and len(arguments) == 1:
            self.conclude(tag, self.sasl(arguments[0].decode().upper()))
        elif name == b"ID":
            self.has_id = True
            self.say(tag + b" OK done")
        elif name in (b"NOOP", b"LOGOUT"):
            self.say(tag + b" OK done")
        elif name == b"SELECT" and self.user:
            safe = self.has_id or not self.server.needs_id
            self.say(tag + (b" OK selected" if safe else b" NO Unsafe Login. Please contact"))
        else:
            self.say(tag + b" BAD what")

    def conclude(self, tag, is_right):
        self.say(tag + (b" OK in" if is_right else b" NO wrong" if is_right is False
                        else b" NO no such mechanism"))


class Pop3Talk(Talk):
    service = "pop3"

    def run(self):
        time.sleep(self.server.greeting_delay)
        self.say(b"+OK plain ready")
        name = b""
        while True:
            word, _, argument = self.line().partition(b" ")
            word = word.upper()
            if word == b"USER":
                name = argument
                self.say(b"+OK")
            elif word == b"PASS":
                self.conclude(self.check(name, argument))
            elif word == b"AUTH":
                self.conclude(self.sasl(argument.decode(errors="replace").upper()))
            elif word == b"CAPA":
                self.connection.sendall(b"+OK\r\nUSER\r\nSASL " +
                                        " ".join(self.server.mechanisms).encode() + b"\r\n.\r\n")
            elif word == b"STAT" and self.user:
                self.say(b"+OK 0 0")
            elif word == b"QUIT":
                self.say(b"+OK")
                return
            else:
                self.say(b"-ERR what")

    def conclude(self, is_right):
        self.say(b"+OK in" if is_right else b"-ERR wrong")
