# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a Mailbox on an old Courier: Maildir++ with Courier's own files beside the mail.

    Maildir/cur, new, tmp              INBOX
    Maildir/.Archive.2019/cur ...      INBOX.Archive.2019
      courierimapuiddb                 UIDVALIDITY, UIDNEXT and a UID for each file
      courierimapkeywords/:list        keywords, and which file has which
    Maildir/courierimapsubscribed
    Maildir/courierpop3dsizelist       POP3's sizes and UIDLs

An old site's POP3 clients have seen three kinds of UIDL: file names first, then UIDn,
then UIDn-validity. All three are written here, and the newest messages POP3 has not met.
"""
import os
import time
from pathlib import Path

POP3_VALIDITY = 1_262_304_000  # the day the site went over to the third kind
UNSEEN_BY_POP3 = 5


def write(mailbox, path):
    """The files of a Maildir++ at path (created)."""
    path = Path(path)
    for folder in mailbox.folders:
        if folder.exists:
            _write_folder(folder, path / directory(folder.path))
    lines = [".".join(("INBOX", *f.path)) + "\n"
             for f in mailbox.folders if f.subscribed and f.path]
    (path / "courierimapsubscribed").write_text("".join(lines), encoding="utf-8")
    _write_sizes(mailbox.folders[0], path)


def directory(parts):
    """Courier of these days has the names in UTF-8."""
    return "." + ".".join(parts) if parts else ""


def _base(message):
    return f"{message.date}.M{message.uid}P1.lab"


def _file(message):
    return f"{_base(message)}:2,{message.flags}"


def stored(data):
    """As a delivery agent on UNIX has written it."""
    return data.replace(b"\r\n", b"\n")


def _write_folder(folder, path):
    for name in ("cur", "new", "tmp", "courierimapkeywords"):
        (path / name).mkdir(parents=True)
    if folder.path:
        (path / "maildirfolder").touch()
    for message in folder.messages:
        name = path / "cur" / _file(message)
        name.write_bytes(stored(message.data))
        os.utime(name, (message.date, message.date))
    lines = [f"1 {folder.uidvalidity} {folder.uidnext}\n"]
    lines += [f"{message.uid} {_base(message)}\n" for message in folder.messages]
    (path / "courierimapuiddb").write_text("".join(lines), encoding="ascii")
    _write_keywords(folder, path / "courierimapkeywords")


def _write_keywords(folder, path):
    names = sorted({keyword for m in folder.messages for keyword in m.keywords})
    lines = [f"{name}\n" for name in names] + ["\n"]
    lines += [f"{_base(m)}:{' '.join(str(names.index(k)) for k in m.keywords)}\n"
              for m in folder.messages if m.keywords]
    (path / ":list").write_text("".join(lines), encoding="ascii")


def _write_sizes(inbox, path):
    """In POP3's order, which is that of the file names, so by date."""
    known = sorted(inbox.messages, key=lambda m: (m.date, _base(m)))[:-UNSEEN_BY_POP3]
    lines = [f"/2 {len(known) + 1} {POP3_VALIDITY}\n"]
    for number, message in enumerate(known, 1):
        data = stored(message.data)
        size = len(data) + data.count(b"\n")
        kind = 3 * (number - 1) // len(known)
        uid = ("0:0", f"{number}:0", f"{number}:{POP3_VALIDITY}")[kind]
        lines.append(f"{_file(message)} {size} {uid}\n")
    (path / "courierpop3dsizelist").write_text("".join(lines), encoding="ascii")


def deliver(path, data, folder="INBOX"):
    """One new message. Courier compares names by the number that they begin with, as an
    int: of one with more than 31 bits it may take the UID away."""
    where = Path(path) if folder == "INBOX" else Path(path) / ("." + folder)
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    name = f"{seconds}.N{rest}.lab"
    (where / "tmp" / name).write_bytes(stored(data))
    os.rename(where / "tmp" / name, where / "new" / name)
