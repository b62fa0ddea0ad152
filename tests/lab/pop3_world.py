# SPDX-License-Identifier: GPL-3.0-or-later
"""What the POP3 tests share: a World that speaks POP3, and the choice of an old server.

    test_x.py [--dovecot|--heir|--courier|--cyrus|--mailutils|--pop3-only] [WORD...]
"""
import sys

from . import compare, compare_pop3, mail
from .harness import World, true
from .network import SOURCE_ADDRESS
from .pop3 import Pop3
from .server_courier import Courier
from .server_cyrus import Cyrus
from .server_dovecot import Dovecot
from .server_dovecot_heir import DovecotHeir
from .server_mailutils import Mailutils

PORT = 110
SERVERS = {
    "--dovecot": {"server": Dovecot},
    "--heir": {"server": DovecotHeir},
    "--courier": {"server": Courier},
    "--mailutils": {"server": Mailutils},
    "--cyrus": {"server": Cyrus},
    "--pop3-only": {"server": Mailutils, "imap": False},
}


def short_mailbox(seed):
    """For programs that write to disk message by message: every third, and the twins."""
    mailbox = mail.generate(seed, 20)
    inbox = mailbox.folders[0]
    inbox.messages = inbox.messages[:-2:3] + inbox.messages[-2:]
    return mailbox


def imap_differences(before, after):
    """compare.differences() less what old servers say or not as they like: attributes about
    children (RFC 3348) and those of LSUB, and the UIDVALIDITY of an mbox without messages,
    which mailutils makes up each time."""
    return compare.differences(_essence(before), _essence(after))


def _essence(snap):
    children = {b"\\haschildren", b"\\hasnochildren"}
    return {
        "list": {name: (separator, attributes - children)
                 for name, (separator, attributes) in snap["list"].items()},
        "lsub": {name: (separator, frozenset())
                 for name, (separator, _) in snap["lsub"].items()},
        "folders": {name: folder for name, folder in snap["folders"].items()
                    if folder["messages"]},
    }


class Pop3World(World):
    """World with POP3 beside IMAP (which the server may lack)."""

    def pop3(self, user="", family=4, timeout=30):
        """A connection of the client to the source's POP3 port, by way of the router."""
        return Pop3(self.lab.connect(PORT, self.address(user, family), family, timeout))

    def pop3_session(self, user, family=4):
        """A logged-in connection."""
        client = self.pop3(user, family)
        answer = client.login(user, self.password(user))
        true(answer.startswith(b"+OK"), f"login of {user}: {answer!r}")
        return client

    def maildrop(self, user, whole="RETR"):
        """A snapshot as a client sees it."""
        connection = self.lab.connect(PORT, self.address(user))
        return compare_pop3.snapshot(connection, user, self.password(user), whole)

    def maildrop_at_source(self, user, whole="RETR"):
        """A snapshot taken at the old server itself, past the router."""
        connection = self.lab.source.connect(SOURCE_ADDRESS[0], PORT)
        return compare_pop3.snapshot(connection, user, self.password(user), whole)

    def move_by_pop3(self, user, timeout=90):
        """Log in, QUIT, and wait until they are served here."""
        self.pop3_session(user).quit()
        return self.ferry.wait_account(user, timeout, stage="done", route="local")

    def has_imap(self):
        return self.server.imap_port is not None

    def is_exclusive(self):
        """Whether the old server lets one session in at a time, as RFC 1939 wants it."""
        return self.server.storage == "mbox"

    def settled_maildrop(self, user):
        """Snapshot at the source of a maildrop whose owner has read it all: the first RETR
        changes what some servers say of a message (a flag, a header of their own)."""
        self.maildrop_at_source(user)
        return self.maildrop_at_source(user)


def options(default="--dovecot"):
    """(options of the World, words that choose cases) from the command line."""
    chosen = [word for word in sys.argv[1:] if word.startswith("--")] or [default]
    if len(chosen) > 1 or chosen[0] not in SERVERS:
        raise SystemExit(f"{chosen}: one of {' '.join(SERVERS)}")
    return SERVERS[chosen[0]], [word for word in sys.argv[1:] if not word.startswith("--")]
