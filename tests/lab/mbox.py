# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a Folder into an mbox file, as the delivery agents of decades have written it."""
import fcntl
import hashlib
import re
import time

HEADER = re.compile(rb"[!-9;-~]+:")
FROM_LINE = re.compile(rb"^(>*From )", re.M)


def write(folder, path):
    """The file (created, with the directories above it), as a server leaves it that has had
    it open before: with its own headers, so that reading changes nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = [message for message in folder.messages if _fits(message.data)]
    base = f"X-IMAPbase: {folder.uidvalidity:>20} {folder.uidnext:>20}\n"
    with open(path, "wb") as file:
        for number, message in enumerate(held):
            status = "OR" if "S" in message.flags else "O"
            own = ((base if number == 0 else "") + f"X-UID: {message.uid}\n"
                   f"Status: {status}\nX-UIDL: {_uidl(message)}\n")
            file.write(_entry(message.data, message.date, own.encode()))


def append(path, data, date):
    with open(path, "ab") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        file.write(_entry(data, date))


def _uidl(message):
    """As mailutils makes them."""
    return f"{hashlib.md5(message.data).hexdigest()}.{message.date}.{message.uid}"


def _fits(data):
    """An mbox holds no message without a header, nor a body without an end of line."""
    return HEADER.match(data) and b"\r\n\r\n" in data and data.endswith(b"\n")


def _entry(data, date, own=b""):
    when = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(date)).encode()
    head, empty, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    body = FROM_LINE.sub(rb">\1", body)
    return b"From sender@example.org " + when + b"\n" + head + b"\n" + own + empty[1:] + \
        body + b"\n"
