# SPDX-License-Identifier: GPL-3.0-or-later
"""mbsync in the lab's client: a real program that remembers UIDs and hates surprises."""
import os

from . import tls
from .network import SOURCE_ADDRESS

CONFIG = """\
FSync no

IMAPAccount old
Host {host}
User {user}
Pass "{password}"
{tls}
AuthMechs LOGIN
Timeout 60

IMAPStore far
Account old

MaildirStore near
Path {folder}/mail/
Inbox {folder}/inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Remove None
Expunge None
Sync All
SyncState {folder}/state/
"""
# Boxes whose names mbsync cannot put on disk, or that hold a UID beyond its 31 bits.
PLAIN_FOLDERS = ["INBOX", "Sent", "Drafts", "Trash", "Archive/2019", "Archive/2020",
                 "Entw&APw-rfe", "Rock &- Roll", "Deep/er/and/deep/er/still"]
BOXES = ",".join(PLAIN_FOLDERS)


class Mbsync:
    """One local copy of one user's mailbox, with its state, over several runs. certificate:
    it uses port 993, and takes no other."""

    def __init__(self, lab, user, password, certificate=None):
        self.lab = lab
        self.folder = lab.folder / f"mbsync-{user}"
        for name in ("mail", "state"):
            (self.folder / name).mkdir(parents=True)
        self.prefix = tls.by_name(self.folder) if certificate else []
        config = CONFIG.format(
            host=tls.NAME if certificate else SOURCE_ADDRESS[0], user=user, password=password,
            folder=self.folder, tls=f"SSLType IMAPS\nCertificateFile {certificate}"
            if certificate else "SSLType None")
        (self.folder / "mbsyncrc").write_text(config, encoding="utf-8")
        os.chmod(self.folder / "mbsyncrc", 0o600)

    def sync(self):
        """(new, changed, removed) files of the local copy. What it changes at the far side
        is for a snapshot to say."""
        before = self._files()
        done = self.lab.client.run(*self.prefix, "mbsync", "-c", self.folder / "mbsyncrc", "all:" + BOXES)
        if done.returncode != 0:
            raise AssertionError(f"mbsync: exit {done.returncode}\n{done.stdout[-2000:]}")
        after = self._files()
        new, gone = len(after.keys() - before.keys()), len(before.keys() - after.keys())
        return new, sum(before[n] != after[n] for n in before.keys() & after.keys()), gone

    def _files(self):
        """{unique part of the name, with its folder: flags} of all local messages."""
        return {str(file.parent.parent / file.name.split(":")[0]): file.name.partition(":")[2]
                for box in ("mail", "inbox") for file in (self.folder / box).glob("**/*")
                if file.parent.name in ("cur", "new") and file.is_file()}
