# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: a Dovecot that once took over from something else, and from it UIDLs.

As admins have set it up so that no POP3 client noticed: the oldest messages have UIDLs and
an order of their own (in dovecot-uidlist, "P" and "O"), later ones file names
(pop3_uidl_format), POP3's deletions only hide a message (pop3_deleted_flag), APOP and
CRAM-MD5 are known.
Nothing of this can be told from IMAP.
"""
from .server_dovecot import Dovecot

CONFIG = """\
pop3_uidl_format = %f
pop3_deleted_flag = "$POP3Deleted"
"""
SHARE = 3  # one message in so many is of the server before


class DovecotHeir(Dovecot):
    """Maildir only."""

    def __init__(self, folder, namespace, mechanisms="plain login apop cram-md5",
                 **options):
        super().__init__(folder, namespace, mechanisms=mechanisms, **options)

    def prepare(self):
        super().prepare()
        with open(self.config, "a", encoding="ascii") as file:
            file.write(CONFIG)

    def fill(self, user, mailbox):
        super().fill(user, mailbox)
        uidlist = self.mail(user) / "dovecot-uidlist"
        head, *lines = uidlist.read_text(encoding="ascii").splitlines(keepends=True)
        old = len(lines) // SHARE
        for number in range(old):  # the newest of them first
            uid, name = lines[number].split(" ", 1)
            lines[number] = f"{uid} Pqmail.{uid}.{user} O{old - number} {name}"
        uidlist.write_text(head + "".join(lines), encoding="ascii")
