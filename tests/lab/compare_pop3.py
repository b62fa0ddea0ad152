# SPDX-License-Identifier: GPL-3.0-or-later
"""The raw comparison by POP3: all that a client can see of a maildrop, before and after.

    before = snapshot(connection, "alice", password)
    ...
    differences(before, snapshot(other, "alice", password))   # [] or readable lines

It ends without QUIT, so no server has a reason to change anything (RFC 1939, 6). Dovecot
keeps to that; Courier gives a message \\Seen at once when RETR has read it, and mailutils
writes "Status: OR" into its header, so that it is longer by a letter at the next reading.
whole="TOP" reads bodies by TOP with more lines than there are, which no server counts as
reading: for a proof that nobody touched the source. (mailutils adds an empty line then.)
"""
import hashlib

from .pop3 import Pop3

WHOLE = {"RETR": "RETR %d", "TOP": "TOP %d 1000000000"}


def snapshot(connection, user, password, whole="RETR"):
    """{"stat", "messages"} as seen over that fresh connection; messages in order."""
    client = Pop3(connection)
    answer = client.login(user, password)
    if not answer.startswith(b"+OK"):
        raise AssertionError(f"login of {user}: {answer!r}")
    count, octets = (int(field) for field in client.ok("STAT").split()[:2])
    listed = _numbered(client.lines("LIST"))
    uidl = _numbered(client.lines("UIDL"))
    numbers = range(1, count + 1)
    tops = client.each([f"TOP {number} 0" for number in numbers])
    bodies = client.each([WHOLE[whole] % number for number in numbers])
    messages = [{"list": listed.pop(number, None), "uidl": uidl.pop(number, None)}
                for number in numbers]
    for message, top in zip(messages, list(tops)):
        message["top"], message["top_lines"] = _hash(top), top
    for message, body in zip(messages, bodies):
        message["body"] = _hash(body)
        message["top_is_header"] = message.pop("top_lines") == _header(body)
    if listed or uidl:
        raise AssertionError(f"beyond the {count} of STAT: LIST {listed}, UIDL {uidl}")
    client.close()
    return {"stat": (count, octets), "messages": messages}


def _numbered(lines):
    """{number: the rest} of LIST and UIDL; the order must be that of the numbers."""
    found = {}
    for line in lines:
        number, _, rest = line.rstrip(b"\r\n").partition(b" ")
        if found and int(number) <= max(found):
            raise AssertionError(f"{line!r} comes after {max(found)}")
        found[int(number)] = rest
    return found


def _header(lines):
    """With the empty line."""
    return lines[:lines.index(b"\r\n") + 1] if b"\r\n" in lines else lines


def _hash(lines):
    """(octets, hash) of what was sent, without the stuffing of dots."""
    data = b"".join(lines)
    return len(data), hashlib.sha256(data).hexdigest()[:16]


def uidls(snap):
    """In order."""
    return [message["uidl"] for message in snap["messages"]]


def differences(before, after):
    """A line for each thing that is not the same; [] when nobody could tell them apart.
    Where the first server's TOP does not agree with its RETR (Courier's, of a message that
    has no header), TOP is left out."""
    lines = []
    if before["stat"] != after["stat"]:
        lines.append(f"STAT was {before['stat']}, is {after['stat']}")
    old, new = uidls(before), uidls(after)
    lines += [f"UIDL {name!r} is gone" for name in old if name not in set(new)]
    lines += [f"UIDL {name!r} is new" for name in new if name not in set(old)]
    if not lines and old != new:
        lines.append("UIDL: another order")
    for number, (was, now) in enumerate(zip(before["messages"], after["messages"]), 1):
        keys = ["list", "uidl", "body"] + ["top"] * was["top_is_header"]
        lines += [f"message {number}: {key.upper()} was {was[key]}, is {now[key]}"
                  for key in keys if was[key] != now[key]]
    return lines
