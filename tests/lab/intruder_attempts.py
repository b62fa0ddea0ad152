# SPDX-License-Identifier: GPL-3.0-or-later
"""What a thief tries who runs code in a process of ours, and which kinds of processes may do it."""
import errno
import os
import re
import signal
import socket
import struct
from pathlib import Path

from .intruder import Intruder, Refused
from .network import SOURCE_ADDRESS

AT_FDCWD = -100
MASTERS = {"interceptor", "mailstore", "scheduler", "starter"}
WITH_REGISTRY = {"interceptor", "worker", "scheduler", "mover"}
CONNECTS = {"interceptor", "worker", "scheduler", "mover"}
WITH_TCP = CONNECTS | {"relay"}  # to the smart host's port alone
WITH_UNIX = WITH_TCP | {"runner", "admission", "mailstore"}


# ---- attempts: each gets the intruder, and what there is to be got ----

def opens(path, flags=os.O_RDONLY):
    def attempt(i, prey):
        fd = i.call("openat", AT_FDCWD, prey.path(path).encode() + b"\0", flags, 0o600)
        i.call("close", fd)
    return attempt


def makes_socket(family, kind, protocol=0):
    def attempt(i, _):
        i.call("close", i.call("socket", family, kind | socket.SOCK_CLOEXEC, protocol))
    return attempt


def connects_tcp(i, _):
    """To the old server, as any other host."""
    address = struct.pack("!HH4s8x", 0, 25, socket.inet_aton(SOURCE_ADDRESS[0]))
    fd = i.call("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)
    try:
        i.call("connect", fd, struct.pack("=H", socket.AF_INET) + address[2:], 16)
    except OSError as e:
        if e.errno != errno.EINPROGRESS:
            raise
    finally:
        i.call("close", fd)


def commands_vault(i, prey):
    """The socket by which the administrator's commands ask."""
    name = prey.path("{run}/vault.sock").encode()
    fd = i.call("socket", socket.AF_UNIX, socket.SOCK_SEQPACKET, 0)
    try:
        i.call("connect", fd, struct.pack("=H", socket.AF_UNIX) + name + b"\0", len(name) + 3)
    finally:
        i.call("close", fd)


def calls(name, *arguments):
    def attempt(i, prey):
        i.call(name, *(prey.neighbour if a == "neighbour" else a for a in arguments))
    return attempt


def reads_memory(i, prey):
    there = struct.pack("<QQ", prey.address, 8)
    i.call("process_vm_readv", prey.neighbour, there, 1, there, 1, 0)


NOBODY = set()
ATTEMPTS = [  # what, how, who may
    ("/etc/shadow", opens("/etc/shadow"), NOBODY),
    ("the login at the smart host", opens("{login}"), NOBODY),
    ("the sealing key", opens("{state}/key"), NOBODY),
    ("another account's index", opens("{state}/mail/{other}/index.sqlite"), NOBODY),
    ("a new file in state_dir", opens("{state}/new", os.O_CREAT | os.O_WRONLY), NOBODY),
    ("a new file in /tmp", opens("/tmp", os.O_TMPFILE | os.O_WRONLY), MASTERS),
    # the vault has it open, and can reach it by that only
    ("the registry", opens("{state}/registry.sqlite", os.O_RDWR), WITH_REGISTRY),
    ("its own account's index, by its full name",
     opens("{state}/mail/{own}/index.sqlite", os.O_RDWR), NOBODY),
    ("a neighbour's /proc/PID/mem", opens("/proc/{neighbour}/mem"), NOBODY),
    ("a neighbour's /proc/PID/environ", opens("/proc/{neighbour}/environ"), NOBODY),
    ("a neighbour's memory", reads_memory, NOBODY),
    ("ptrace", calls("ptrace", 0x4206, "neighbour", 0, 0), NOBODY),
    ("a signal", calls("kill", "neighbour", signal.SIGKILL), NOBODY),
    ("a signal to all", calls("kill", -1, 0), MASTERS),
    ("a signal by the kernel", calls("fcntl", 0, 8, "neighbour"), MASTERS),
    ("a neighbour's descriptors", calls("pidfd_getfd", 0, 0, 0), NOBODY),
    ("TCP", makes_socket(socket.AF_INET, socket.SOCK_STREAM), WITH_TCP),
    ("TCP over IPv6", makes_socket(socket.AF_INET6, socket.SOCK_STREAM), WITH_TCP),
    ("connect to the old server", connects_tcp, CONNECTS),
    ("UDP", makes_socket(socket.AF_INET, socket.SOCK_DGRAM), NOBODY),
    ("a raw socket", makes_socket(socket.AF_INET, socket.SOCK_RAW, 6), NOBODY),
    ("a packet socket", makes_socket(17, socket.SOCK_RAW), NOBODY),
    ("netlink", makes_socket(16, socket.SOCK_RAW, 12), NOBODY),
    ("a UNIX socket", makes_socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), WITH_UNIX),
    ("the vault's commands", commands_vault, NOBODY),
    ("memory to run", calls("mmap", 0, 4096, 7, 0x22, -1, 0), MASTERS),
    ("a program", calls("execve", b"/nonexistent\0", 0, 0), NOBODY),
    ("root", calls("setresuid", 0, 0, 0), NOBODY),
    ("root, asked otherwise", calls("setuid", 0), NOBODY),
    ("a user namespace", calls("unshare", 0x10000000), NOBODY),
    ("a network namespace", calls("setns", 0, 0x40000000), NOBODY),
    ("mount", calls("mount", b"none\0", b"/\0", b"tmpfs\0", 0, 0), NOBODY),
    ("BPF", calls("bpf", 0, 0, 0), NOBODY),
    ("a module", calls("init_module", 0, 0, b"\0"), NOBODY),
    ("keys", calls("keyctl", 0, 0), NOBODY),
    ("perf", calls("perf_event_open", 0, 0, -1, -1, 0), NOBODY),
    ("io_uring", calls("io_uring_setup", 1, 0), NOBODY),
    ("its own word of refused calls", calls("rt_sigaction", signal.SIGSYS, 0, 0, 8), MASTERS),
]


class Prey:
    """What there is to be got by the process of that kind."""

    def __init__(self, world, neighbour, own, other):
        self.neighbour = neighbour
        with open(f"/proc/{self.neighbour}/maps", encoding="ascii") as maps:
            self.address = int(maps.readline().split("-")[0], 16)
        self.names = {"login": getattr(world, "login", "/nonexistent"),
                      "state": world.ferry.folder / "state", "run": world.ferry.folder / "run",
                      "own": own, "other": other, "neighbour": neighbour}

    def path(self, pattern):
        return pattern.format(**self.names)


def outcomes(pid, prey):
    """{attempt: None (done), or why not}"""
    found = {}
    with Intruder(pid) as intruder:
        for what, attempt, _ in ATTEMPTS:
            try:
                attempt(intruder, prey)
                found[what] = None
            except Refused:
                found[what] = "sandbox"
            except OSError as e:
                found[what] = errno.errorcode[e.errno]
    return found


def protection(pid):
    """What a process may not ask of itself any more."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    about = dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))
    ids = set((about["Uid"] + " " + about["Gid"] + " " + about["Groups"]).split())
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    return {"is root": "0" in ids, "no_new_privs": about["NoNewPrivs"],
            "seccomp": about["Seccomp"],
            # the kernel gives what cannot be dumped to root
            "dumpable": os.stat(f"/proc/{pid}/mem").st_uid != 0,
            "core": bool(re.search(r"Max core file size\s+0\s+0\s", limits))}
