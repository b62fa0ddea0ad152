# SPDX-License-Identifier: GPL-3.0-or-later
"""The raw comparison: all that a client can see of a mailbox, before and after.

    before = snapshot(connection, "alice", password)
    ...
    differences(before, snapshot(other, "alice", password))   # [] or readable lines

A snapshot reads by EXAMINE and BODY.PEEK[] and changes nothing. \\Recent is left out: it
belongs to a session, not to a message. What the old server's own files say, for "the
source is untouched", is files().
"""
import hashlib
import os
from collections import Counter
from datetime import datetime
from pathlib import Path

from .imap import Imap, parse, quoted

# A server says them or not as it likes (RFC 3501, 7.2.2; RFC 5258, 3.4).
UNSTABLE_ATTRIBUTES = {b"\\marked", b"\\unmarked", b"\\noinferiors"}


def snapshot(connection, user, password):
    """{"list", "lsub", "folders"} as seen over that fresh connection."""
    client = Imap(connection)
    answer = client.login(user, password)
    if b" OK " not in answer:
        raise AssertionError(f"login of {user}: {answer!r}")
    listed = _names(client.ok('LIST "" *'))
    lsub = _names(client.ok('LSUB "" *'))
    for name in lsub.keys() - listed.keys():  # what is subscribed but gone has no attributes
        lsub[name] = (lsub[name][0], frozenset())
    folders = {}
    for name, (_, attributes) in listed.items():
        if b"\\noselect" not in attributes and b"\\nonexistent" not in attributes:
            folders[name] = _folder(client, name)
    client.logout()
    return {"list": listed, "lsub": lsub, "folders": folders}


def _names(answers):
    found = {}
    for answer in answers:
        fields = parse(answer)
        if fields[1].upper() in (b"LIST", b"LSUB"):
            attributes = {a.lower() for a in fields[2]} - UNSTABLE_ATTRIBUTES
            found[fields[4]] = (fields[3], frozenset(attributes))
    return found


def _folder(client, name):
    found = {"messages": {}}
    for answer in client.ok(b"EXAMINE " + quoted(name)):
        for key in (b"UIDVALIDITY", b"UIDNEXT"):
            if b"[" + key + b" " in answer:
                found[key.decode().lower()] = int(answer.split(key + b" ")[1].split(b"]")[0])
        if answer.endswith(b" EXISTS\r\n"):
            found["exists"] = int(answer.split()[1])
    if found.get("exists"):
        for answer in client.ok("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"):
            _message(answer, found["messages"])
    if len(found["messages"]) != found.get("exists", 0):
        raise AssertionError(f"{name!r}: {found.get('exists')} exist, "
                             f"{len(found['messages'])} were fetched")
    return found


def _message(answer, messages):
    fields = parse(answer)
    if len(fields) < 4 or fields[2].upper() != b"FETCH":
        return
    items = {key.upper(): value for key, value in zip(fields[3][::2], fields[3][1::2])}
    if b"BODY[]" not in items:
        return
    messages[int(items[b"UID"])] = {
        "flags": frozenset(f.lower() if f.startswith(b"\\") else f
                           for f in items[b"FLAGS"] if f.lower() != b"\\recent"),
        # RFC 3501: a day of one digit has a space or a zero before it
        "internaldate": items[b"INTERNALDATE"].replace(b" ", b"0", 1)
        if items[b"INTERNALDATE"].startswith(b" ") else items[b"INTERNALDATE"],
        "size": int(items[b"RFC822.SIZE"]),
        "body": (len(items[b"BODY[]"]), hashlib.sha256(items[b"BODY[]"]).hexdigest()[:16]),
    }


def count(snap):
    """(folders, messages) of a snapshot."""
    return len(snap["folders"]), sum(len(f["messages"]) for f in snap["folders"].values())


def moment(date):
    """Servers keep it, and show it in a zone of their own."""
    return datetime.strptime(date.decode(), "%d-%b-%Y %H:%M:%S %z").timestamp()


def content(snap):
    """{folder: Counter of its messages}, UIDs aside."""
    return {name: Counter((m["flags"], moment(m["internaldate"]), m["body"])
                          for m in folder["messages"].values())
            for name, folder in snap["folders"].items()}


def differences(before, after):
    """A line for each thing that is not the same; [] when nobody could tell them apart."""
    lines = []
    for what in ("list", "lsub"):
        lines += _compare_dicts(what.upper(), before[what], after[what])
    for name in sorted(before["folders"].keys() & after["folders"].keys()):
        old, new = before["folders"][name], after["folders"][name]
        where = name.decode("ascii", "replace")
        for key in ("uidvalidity", "uidnext", "exists"):
            if key in old and old[key] != new.get(key):  # Courier keeps UIDNEXT to itself
                lines.append(f"{where}: {key} {old.get(key)} -> {new.get(key)}")
        lines += _compare_messages(where, old["messages"], new["messages"])
    lines += [f"{name!r} cannot be opened any more"
              for name in before["folders"].keys() - after["folders"].keys()]
    return lines


def _compare_dicts(what, old, new):
    lines = [f"{what}: {name!r} is gone" for name in sorted(old.keys() - new.keys())]
    lines += [f"{what}: {name!r} is new" for name in sorted(new.keys() - old.keys())]
    return lines + [f"{what}: {name!r} was {_show(old[name])}, is {_show(new[name])}"
                    for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]


def _compare_messages(where, old, new):
    lines = [f"{where}: UID {uid} is gone" for uid in sorted(old.keys() - new.keys())]
    lines += [f"{where}: UID {uid} is new" for uid in sorted(new.keys() - old.keys())]
    for uid in sorted(old.keys() & new.keys()):
        for key, value in old[uid].items():
            if value != new[uid][key]:
                lines.append(f"{where}: UID {uid}: {key} was {_show(value)}, "
                             f"is {_show(new[uid][key])}")
    return lines


def _show(value):
    if isinstance(value, frozenset):
        return "(" + b" ".join(sorted(value)).decode("ascii", "replace") + ")"
    if isinstance(value, tuple):
        return " ".join(_show(part) for part in value)
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def files(path):
    """{name: hash} of a Maildir, without Dovecot's own caches. Reading a mailbox writes
    those; flags (file names), \\Recent (new/), UIDs and subscriptions lie in the rest."""
    found = {}
    for where, _, names in os.walk(path):
        for name in names:
            # "dovecot-uidlist.": its lock and its draft, there while Dovecot rewrites it
            if name.startswith(("dovecot.index", "dovecot.list.index", "dovecot.mailbox.log",
                                "dovecot-uidvalidity", "dovecot-uidlist.")):
                continue
            file = Path(where) / name
            data = file.read_bytes()
            found[str(file.relative_to(path))] = (
                _uidlist(data) if name == "dovecot-uidlist"
                else hashlib.sha256(data).hexdigest())
    return found


def _uidlist(data):
    """What it says: UIDVALIDITY, UIDNEXT, and the UID of each file. Dovecot appends lines
    and leaves UIDNEXT in the first one as it was; when it writes the whole file anew, in
    its own time, that is put right, and sizes may be added."""
    head, *lines = data.splitlines()
    uids = sorted((int(line.split()[0]), line.split(b":", 1)[1]) for line in lines)
    fields = {field[:1]: field[1:] for field in head.split()[1:]}
    fields[b"N"] = max([int(fields.get(b"N", 1))] + [uid + 1 for uid, _ in uids])
    return sorted(fields.items()), uids


def file_differences(before, after):
    return ([f"file {name} is gone" for name in sorted(before.keys() - after.keys())] +
            [f"file {name} is new" for name in sorted(after.keys() - before.keys())] +
            [f"file {name} has changed{_said(before[name], after[name])}"
             for name in sorted(before.keys() & after.keys()) if before[name] != after[name]])


def _said(old, new):
    """What a dovecot-uidlist said before and says no more, and the other way round."""
    if isinstance(old, str):
        return ""
    lost = [part for i in (0, 1) for part in old[i] if part not in new[i]]
    won = [part for i in (0, 1) for part in new[i] if part not in old[i]]
    return f": {lost[:5]} became {won[:5]}"


def status(connection, user, password):
    """{folder: STATUS items with RECENT and UIDNEXT}; reads without selecting."""
    client = Imap(connection)
    client.login(user, password)
    found = {}
    for name, (_, attributes) in _names(client.ok('LIST "" *')).items():
        if b"\\noselect" not in attributes and b"\\nonexistent" not in attributes:
            for answer in client.ok(b"STATUS " + quoted(name) +
                                    b" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)"):
                found[name] = parse(answer)[-1]
    client.logout()
    return found
