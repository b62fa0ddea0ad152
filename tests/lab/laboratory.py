# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab: raises the network and the old server, and takes both down whatever happens.

Nothing of a lab outlives it: the folder /tmp/mf-ID, the namespaces mf-ID-* and every
process inside them go at the end of the `with` block, at exit, at SIGINT, SIGTERM and
SIGHUP. Only kill -9 leaves something; the next lab, or `lab sweep`, removes it.
"""
import atexit
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

from .network import SOURCE_ADDRESS, Lan, Network, Shore, run
from .processes import start_time
from .server_dovecot import Dovecot
from .server_postfix import Postfix

FOLDERS = Path("/tmp")  # short: a UNIX socket's path has 107 bytes
FOLDER_NAME = re.compile(r"^mf-(\d+)(?:\.\d+)?$")
NAMESPACE_NAME = re.compile(r"^mf-((\d+)(?:\.\d+)?)-(?:client|gateway|router|shore|source)$")

# Who lives in `lab up` and in the demo; bob's password has all that quoting can break.
DEMO_USERS = {"alice": "wonderland", "bob": 'b"o\\b 8', "carol": "pässwörd"}


class Lab:
    """server: the class of the old server (server_*.py), with its options. postfix=True
    adds a mail server on 25 that delivers to it. network: another way in which the three
    stand."""

    def __init__(self, users=None, postfix=False, server=Dovecot, network=Network,
                 **server_options):
        if os.geteuid() != 0:
            raise SystemExit("the lab needs root: it makes network namespaces")
        self.users = dict(users if users is not None else DEMO_USERS)
        self.id = self._free_id()
        self.folder = FOLDERS / f"mf-{self.id}"
        self.network = network(self.id)
        self.client = self.network.client
        self.router = self.network.router
        self.source = self.network.source
        self.server = server(self.folder, self.source, **server_options)
        self.postfix = (Postfix(self.folder, self.source, self.server, postfix == "submission")
                        if postfix else None)
        self.after_network = lambda: None  # called when there is one, before any server
        self.at_down = []  # called in reverse order before anything else goes
        self._up = False

    @staticmethod
    def _free_id():
        name, n = str(os.getpid()), 1
        while (FOLDERS / f"mf-{name}").exists():
            n += 1
            name = f"{os.getpid()}.{n}"
        return name

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def up(self):
        """Returns self when the servers answer."""
        sweep()
        self._up = True
        atexit.register(self.down)
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, _leave)
        try:
            self._raise()
        except BaseException:
            self.down()
            raise
        return self

    def _raise(self):
        self.folder.mkdir(mode=0o755)
        self._write_state()
        self.network.create()
        self.after_network()
        self.server.prepare()
        for name, password in self.users.items():
            self.server.add_user(name, password)
        if self.postfix:
            self.postfix.prepare()
            self.postfix.write_tables(self.users, {"postmaster": "alice@example.com"})
            self.postfix.start()
        self.server.start()
        if self.postfix:
            self.postfix.wait()

    def _write_state(self):
        draft = self.folder / "lab.new"
        draft.write_text(json.dumps({
            "id": self.id, "pid": os.getpid(), "started": start_time(os.getpid()),
            "users": self.users, "source": SOURCE_ADDRESS}), encoding="utf-8")
        draft.rename(self.folder / "lab.json")

    def down(self):
        """Ends everything; harmless when called again."""
        if not self._up:
            return
        self._up = False
        held = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            for callback in reversed(self.at_down):
                callback()
        finally:
            self.network.remove()
            for server in filter(None, (self.server, self.postfix)):
                server.stop()  # killed already; this only reaps it
            _remove(self.folder)
            for sign, handler in held.items():
                signal.signal(sign, handler)

    def detach(self, status=0):
        """The lab outlives this process, which ends here; a keeper waits for `lab down`."""
        sys.stdout.flush()
        ready, tell = os.pipe()
        if os.fork():
            os.close(tell)
            os.read(ready, 1)  # until the keeper has left this terminal
            os._exit(status)
        os.setsid()
        self._write_state()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(tell)
        while True:
            signal.pause()  # SIGTERM ends it: SystemExit, and then down()

    def connect(self, port, source_address=None, family=4, timeout=30):
        """A TCP connection from the client to the old server's address."""
        return self.client.connect(SOURCE_ADDRESS[0 if family == 4 else 1], port,
                                   source_address, timeout)


def _leave(sign, _frame):
    sys.exit(128 + sign)  # `finally`, `with` and atexit do the rest


def _remove(folder):
    """With all that was mounted below it."""
    mounted = [line.split(" ")[1] for line in
               Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for place in reversed(mounted):
        if place.startswith(f"{folder}/"):
            run("umount", "-l", place, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def labs():
    """The states of all labs with a folder, living or not."""
    for folder in sorted(FOLDERS.glob("mf-*")):
        if FOLDER_NAME.match(folder.name):
            try:
                yield json.loads((folder / "lab.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue


def alive(state):
    """Whether the process that raised this lab still lives (and is not another one)."""
    return start_time(state["pid"]) == state["started"]


def sweep():
    """Removes what labs left whose process is gone; returns their ids."""
    dead = {state["id"] for state in labs() if not alive(state)}
    known = {state["id"] for state in labs()}
    for line in run("ip", "netns", "list").splitlines():
        found = NAMESPACE_NAME.match(line.split(" ")[0])
        if found and found[1] not in known and start_time(int(found[2])) is None:
            dead.add(found[1])
    for lab_id in dead:
        for network in (Lan, Shore):  # they have every namespace that another has
            network(lab_id).remove()
        _remove(FOLDERS / f"mf-{lab_id}")
    return sorted(dead)
