#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody runs code in each of our processes, as it runs, and tries what a thief would:
"What a thief has who runs code in it" in ARCHITECTURE.md, process by process."""
import errno
import os
import re
import signal
import socket
import struct
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import SKIPPED, World, case, equal, main, nothing, true  # noqa: E402
from lab.intruder import POSSIBLE, Intruder, Refused  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.processes import descendants, start_time, wait_until  # noqa: E402

AT_FDCWD = -100
EVERYBODY = {"vault", "admission", "interceptor", "worker", "mailstore", "account",
             "scheduler", "mover", "web", "runner", "relay"}
MASTERS = {"interceptor", "mailstore", "scheduler"}
WITH_REGISTRY = {"interceptor", "worker", "scheduler", "mover"}
CONNECTS = {"interceptor", "worker", "scheduler", "mover"}
WITH_TCP = CONNECTS | {"relay"}  # to the smart host's port alone
WITH_UNIX = WITH_TCP | {"runner", "admission", "mailstore"}
KINDS = {("mailferry-vault", False): "vault", ("mailferry-admis", False): "admission",
         ("mailferry-inter", False): "interceptor", ("mailferry-inter", True): "worker",
         ("mailferry-mails", False): "mailstore", ("mailferry-mails", True): "account",
         ("mailferry-trans", False): "scheduler", ("mailferry-trans", True): "mover",
         # its parent is root, and reads no byte of a browser
         ("mailferry-dashb", True): "web"}


def running(world):
    """{kind: pid} of all that run; of workers one."""
    found = {}
    for pid, name in descendants(world.ferry.daemon.pid):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        kind = KINDS.get((name, parent != world.ferry.daemon.pid))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if kind == "worker" and b"--task" in words:
            kind = "relay" if b"smart-host" in words else "runner"
        if kind:
            found[kind] = pid
    return found


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

    def __init__(self, world, processes, kind, own, other):
        self.neighbour = processes["worker" if kind == "vault" else "vault"]
        with open(f"/proc/{self.neighbour}/maps", encoding="ascii") as maps:
            self.address = int(maps.readline().split("-")[0], 16)
        self.names = {"login": world.login, "state": world.ferry.folder / "state", "run": world.ferry.folder / "run",
                      "own": own, "other": other, "neighbour": self.neighbour}

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


@case
def code_in_each_process_reaches_nothing_else(world):
    user, other, leaving = world.user(3), world.user(3), world.user(3)
    world.move(user)
    world.move(other)
    client = world.session(user)  # so that its process runs
    stays = world.session(leaving)  # its mover waits for the log-off
    world.ferry.wait_account(leaving, stage="catching-up")
    processes = running(world)
    own = {"account": user, "mover": leaving}
    wrong = []
    for kind, pid in sorted(processes.items()):
        equal(protection(pid), {"is root": False, "no_new_privs": "1", "seccomp": "2",
                                "dumpable": False, "core": True}, f"protection of {kind}")
        prey = Prey(world, processes, kind, own.get(kind, user), other)
        began = start_time(pid)
        found = outcomes(pid, prey)
        for what, _, may in ATTEMPTS:
            if what.startswith("its own account's") and kind == "mover":
                may = {kind}  # it is not in a chroot
            if (found[what] is None) != (kind in may):
                wrong.append(f"{kind}: {what}: {found[what] or 'done'}")
        equal(start_time(pid), began, f"{kind} lives")
        refused = sum(why is not None for why in found.values())
        print(f"  {kind}: {refused} of {len(found)} refused, "
              f"{sum(why == 'sandbox' for why in found.values())} would have ended it")
    nothing(wrong, "what a thief can, or cannot though the process needs it")
    equal(set(processes), EVERYBODY, "processes that were asked")
    for session in (client, stays, world.session(other)):
        true(b" OK" in session.command("NOOP")[-1], "sessions go on")
        session.logout()
    world.ferry.wait_account(leaving, stage="done", route="local")


def account_processes(world):
    return [pid for pid, name in descendants(world.ferry.daemon.pid)
            if name == "mailferry-mails"][1:]  # behind their master


@case
def refused_call_ends_its_process_with_a_line_that_names_it(world):
    user, other = world.user(3), world.user(3)
    world.move(user)
    world.move(other)
    world.session(user)
    stays = world.session(other)
    wait_until("others have ended", lambda: len(account_processes(world)) == 2, 60)
    pids = account_processes(world)
    intruder = Intruder(pids[0]).__enter__()
    intruder.call_and_end("ptrace", 0x4206, pids[1], 0, 0)
    wait_until("its end", lambda: start_time(pids[0]) is None)
    lines = re.findall(r"^\S+ (\S+) error - refused-call (.*)$", world.ferry.log.read_text(), re.M)
    equal([(who, what.split(":")[0]) for who, what in lines],
          [("mailstore", "call=ptrace number=101")], "lines")
    world.ferry.expected = "refused-call call=ptrace "
    true(b" OK" in stays.command("NOOP")[-1], "the other account does not notice")
    stays.logout()
    world.session(user).logout()  # and the user logs in again


if not POSSIBLE:
    print("skipped: knows the calls of x86_64 only")
    sys.exit(SKIPPED)


class Prepared(World):
    """All programs run, also those that are not always there."""

    def __init__(self):
        super().__init__(settings={"dashboard": {"listen": "127.0.0.1:8625", "admin": True},
                                   "smart_host": "127.0.0.1:2525"})
        self.login = self.lab.folder / "relay-login"
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            self.login.write_text("relay\nsecret\n", encoding="ascii")
            self.login.chmod(0o600)
            self.ferry.settings["smart_host_credentials"] = str(self.login)
            return start()
        self.ferry.start = prepared


main(Prepared)
