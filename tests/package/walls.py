# SPDX-License-Identifier: GPL-3.0-or-later
"""Each process has its walls inside a systemd unit, too: one that has no business with files opens
none that anybody may read."""
import ctypes
import errno
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from lab.intruder import POSSIBLE, Intruder, Refused  # noqa: E402

CREATE_RULESET, VERSION = 444, 1
# a word of their command line
SHUT_IN = {"vault": b"mailferry-vault", "worker": b"--worker", "admission": b"mailferry-admission"}
ANYBODYS = b"/etc/passwd\0"


def has_landlock():
    return ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION) > 0


def processes(machine, word):
    """As this host numbers them."""
    def is_one(folder):
        words = (folder / "cmdline").read_bytes().split(b"\0")
        return (folder / "ns/pid").readlink() == inside and any(
            w.endswith(word) for w in words) and b"up" not in words
    inside, found = Path(f"/proc/{machine.init()}/ns/pid").readlink(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found += [int(folder.name)] if is_one(folder) else []
        except OSError:  # it has ended
            pass
    return found


def opens(pid):
    """0: it does; errno; None: the sandbox ends it."""
    with Intruder(pid) as i:
        try:
            i.call("close", i.call("openat", -100, ANYBODYS, os.O_RDONLY | os.O_CLOEXEC, 0))
        except Refused:
            return None
        except OSError as e:
            return e.errno
    return 0


def check_walls(machine, ensure):
    if not POSSIBLE or not has_landlock():
        return
    for kind, word in SHUT_IN.items():
        found = {pid: opens(pid) for pid in processes(machine, word)}
        ensure(f"a file of everybody's is none of a {kind}'s: {found}",
               found and set(found.values()) <= {errno.EACCES, None})
