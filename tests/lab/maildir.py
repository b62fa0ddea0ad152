# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a Mailbox on the old server, as Maildir++ files: a thousand messages in no time,
and with UIDs that no client could make by APPEND.

    mail/cur, new, tmp                 INBOX
    mail/.Archive.2019/cur ...         Archive/2019
      dovecot-uidlist                  UIDVALIDITY, UIDNEXT and a UID for each file
      dovecot-keywords                 number and name; the number is a letter in the name
    mail/subscriptions
"""
import base64
import os
from pathlib import Path

from .mail import KEYWORDS


def mutf7(name):
    """RFC 3501, 5.1.3."""
    out, pending = [], ""

    def flush():
        nonlocal pending
        if pending:
            code = base64.b64encode(pending.encode("utf-16-be")).decode().rstrip("=")
            out.append("&" + code.replace("/", ",") + "-")
            pending = ""

    for letter in name:
        if " " <= letter <= "~":
            flush()
            out.append("&-" if letter == "&" else letter)
        else:
            pending += letter
    flush()
    return "".join(out)


def write(mailbox, path):
    """The files of a Maildir++ at path (created)."""
    path = Path(path)
    for folder in mailbox.folders:
        if folder.exists:
            _write_folder(folder, path / _directory(folder.path))
    lines = ["\t".join(mutf7(part) for part in f.path) if f.path else "INBOX"
             for f in mailbox.folders if f.subscribed]
    (path / "subscriptions").write_text("V\t2\n\n" + "\n".join(lines) + "\n", encoding="ascii")


def _directory(path):
    return "." + ".".join(mutf7(part) for part in path) if path else ""


def _write_folder(folder, path):
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    if folder.path:
        (path / "maildirfolder").touch()
    keywords = "".join(f"{number} {name}\n" for number, name in enumerate(KEYWORDS))
    (path / "dovecot-keywords").write_text(keywords, encoding="ascii")
    guid = f"{folder.uidvalidity:08x}" * 4
    lines = [f"3 V{folder.uidvalidity} N{folder.uidnext} G{guid}\n"]
    for message in folder.messages:
        base = f"{message.date}.M{message.uid}P1.lab,S={len(message.data)}"
        letters = message.flags + "".join(sorted(
            chr(ord("a") + KEYWORDS.index(k)) for k in message.keywords))
        name = f"cur/{base}:2,{letters}"
        with open(path / name, "wb") as file:
            file.write(message.data)
        os.utime(path / name, (message.date, message.date))
        lines.append(f"{message.uid} :{base}\n")
    (path / "dovecot-uidlist").write_text("".join(lines), encoding="ascii")
