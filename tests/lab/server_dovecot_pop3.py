# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: a Dovecot without IMAP, which lets one session into a maildrop at a time.

Unlike other POP3 servers it changes nothing when a message is read, unless QUIT says so;
so its files can prove what the transfer did to it.
"""
from .server_dovecot import Dovecot

IMAP, POP3 = "protocols = imap pop3 lmtp\n", "protocols = pop3 lmtp\npop3_lock_session = yes\n"


class DovecotPop3(Dovecot):
    """Maildir only."""

    name = "dovecot-pop3"
    imap_port = None

    def prepare(self):
        super().prepare()
        config = self.config.read_text(encoding="ascii")
        if IMAP not in config:
            raise RuntimeError("the lab's configuration of Dovecot looks different now")
        self.config.write_text(config.replace(IMAP, POP3), encoding="ascii")

    def _ports(self):
        return [self.pop3_port]

    def _is_ready(self):
        with self.namespace.connect(self.address, self.pop3_port) as connection:
            return connection.recv(4096).startswith(b"+OK")
