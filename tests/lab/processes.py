# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-running programs inside a namespace: started, waited for, ended, never forgotten."""
import array
import contextlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path

# How many times longer to wait; on a machine that is emulated (tests/kernel/run).
PATIENCE = float(os.environ.get("MAILFERRY_PATIENCE", "1"))


def wait_until(what, condition, timeout=30.0, pause=0.02):
    """Returns the first true answer of condition(); TimeoutError says what was awaited."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout * PATIENCE:g} s for {what}")
        time.sleep(pause)


class Daemon:
    """A foreground program with its output in a file."""

    def __init__(self, namespace, command, log, environment=None):
        self.log = log
        self.name = os.path.basename(str(command[0]))
        with open(log, "ab") as output:
            self.process = namespace.start(
                *command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is for the lab, which then ends it in order
                env={**os.environ, **(environment or {})})

        self.pid = self.process.pid
        self.started = start_time(self.pid)

    def running(self):
        self.process.poll()  # reaps it, when it is our child and not our parent's (detach)
        return self.started is not None and start_time(self.pid) == self.started

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, sign=signal.SIGTERM, patience=10):
        """Returns the exit status."""
        for signal_to_send in (sign, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                if self.running():
                    os.kill(self.pid, signal_to_send)
                wait_until(f"{self.name} to end", lambda: not self.running(), patience)
                break
        return self.process.poll()


def wait_for_port(namespace, address, port, daemon=None, timeout=15):
    """Until somebody accepts connections there."""
    def accepts():
        if daemon and not daemon.running():
            raise RuntimeError(f"{daemon.name} ended at once:\n{daemon.output()[-2000:]}")
        try:
            namespace.connect(address, port, timeout=2).close()
        except OSError:
            return False
        return True
    wait_until(f"port {port}", accepts, timeout)


def command_line(pid):
    """Its words, b"" behind them; [] when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def descendants(pid):
    """[(pid, program name)] of all processes below pid, oldest first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
                children.setdefault(int(rest.split()[1]), []).append((int(entry), name))
    found, queue = [], [pid]
    while queue:
        for child in sorted(children.get(queue.pop(0), [])):
            found.append(child)
            queue.append(child[0])
    return found


def memory_of(pid):
    """All of it that exists, in pieces (a sanitizer's maps are mostly nothing). Of a process
    that ends meanwhile what could be read until then."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        yield from _memory_of(pid)


def _memory_of(pid):
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pages, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or end > 1 << 47 or end - start > 1 << 30:
                continue
            pages.seek(start // page * 8)
            there = array.array("Q", pages.read((end - start) // page * 8))
            for exists, run in itertools.groupby(enumerate(there), lambda e: e[1] >> 62 != 0):
                run = list(run)
                with contextlib.suppress(OSError):  # unmapped meanwhile
                    if exists:
                        memory.seek(start + run[0][0] * page)
                        yield memory.read(len(run) * page)


def start_time(pid):
    """When the kernel says that pid began, in ticks; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
