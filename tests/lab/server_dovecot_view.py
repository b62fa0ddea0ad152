# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: a Dovecot whose maildrop is not INBOX.

POP3 reads a Maildir of its own, ~/pop3. For most users that is a link to INBOX; show() puts
something else there: the last days only, mail that IMAP has elsewhere, unique-ids that come
twice. One POP3 session at a time; the next one hears [IN-USE].
"""
import shutil

from . import maildir
from .mail import Folder, Mailbox
from .server_dovecot import give_away
from .server_dovecot_heir import DovecotHeir

CONFIG = """\
pop3_lock_session = yes
protocol pop3 {
  mail_location = maildir:~/pop3
}
"""


class DovecotView(DovecotHeir):
    """Maildir only."""

    def prepare(self):
        super().prepare()
        with open(self.config, "a", encoding="ascii") as file:
            file.write(CONFIG)

    def fill(self, user, mailbox):
        super().fill(user, mailbox)
        (self.home(user) / "pop3").symlink_to("mail")

    def show(self, user, messages, uidls=None):
        """What POP3 shows of them: these messages (by UID). uidls: the unique-ids of some;
        then the newest comes first."""
        drop = self.home(user) / "pop3"
        if drop.is_symlink():
            drop.unlink()
        else:
            shutil.rmtree(drop)
        folder = Folder((), uidvalidity=1, messages=messages,
                        uidnext=max(message.uid for message in messages) + 1)
        maildir.write(Mailbox([folder]), drop)
        if uidls:
            self._name(drop / "dovecot-uidlist", uidls)
        give_away(self.home(user))

    @staticmethod
    def _name(uidlist, uidls):
        head, *lines = uidlist.read_text(encoding="ascii").splitlines(keepends=True)
        for number, line in enumerate(lines):
            uid, rest = line.split(" ", 1)
            name = f"P{uidls[int(uid)]} " if int(uid) in uidls else ""
            lines[number] = f"{uid} {name}O{len(lines) - number} {rest}"
        uidlist.write_text(head + "".join(lines), encoding="ascii")
