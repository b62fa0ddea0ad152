# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts here start from: one account, `name`, due, between a small server with
chosen faults and an interceptor that a test plays."""
import json
import array
import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fake_interceptor import FakeInterceptor, encode

PROGRAM, TOOL = (os.path.abspath(p) for p in sys.argv[1:3])
CASES = []
OVER, PARKED, HELD = 0, 3, 4


def case(function):
    CASES.append(function)
    return function


def case_of(make_world):
    """A case that begins in another world than the others of its script."""
    def decorate(function):
        function.world = make_world
        return case(function)
    return decorate


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.300}, wanted {wanted!r:.300}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until(what, ready, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = ready()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")

PACE_PAGE = 32  # sizeof(struct pace_page)



def make_page():
    """What all processes of a scheduler share; above the descriptors that they get."""
    page = os.memfd_create("pace")
    os.ftruncate(page, PACE_PAGE)
    above = fcntl.fcntl(page, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(page)
    return above


def option(key, value):
    if isinstance(value, dict):
        return f"{key} {{\n" + "\n".join(option(*pair) for pair in value.items()) + "\n}"
    return f"{key} = {json.dumps(value)}"


class OneAccount:
    """services(): what stands in `services` of the configuration."""

    name = "alice"

    def __init__(self, server, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="mf-transfer-"))
        self.folder.chmod(0o711)  # our programs are no root, and pass it
        for name in ("run", "state"):
            (self.folder / name).mkdir()
        self.server = server
        self.config = self.folder / "conf"
        self.settings = {"strategy": "after-logoff", **settings}
        self.write_config()
        self.page = make_page()
        self.interceptor = FakeInterceptor(self.folder / "run/interceptor.sock")
        self.vault = self.start_vault()
        self.tool("capture", self.name, "secret")
        self.tool("event", self.name, "due")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        if self.interceptor:
            self.interceptor.close()
        self.vault.terminate()
        os.close(self.page)
        self.vault.wait()
        shutil.rmtree(self.folder, ignore_errors=True)  # a database may just be closed

    def services(self):
        raise NotImplementedError

    def write_config(self):
        lines = ['source = "127.0.0.1"', 'domains = {"example.com"}',
                 f'state_dir = "{self.folder}/state"', f'run_dir = "{self.folder}/run"',
                 f"services {{\n{self.services()}\n}}"]
        lines += [option(key, value) for key, value in self.settings.items()]
        self.config.write_text("\n".join(lines) + "\n", encoding="ascii")

    def tool(self, *arguments):
        subprocess.run([TOOL, self.config, *arguments], check=True)

    def opens(self, user, password):
        """Whether that password would let the user in here."""
        return subprocess.run([TOOL, self.config, "login", user, password], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def environment(self):
        return {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # no ptrace: memory is protected

    def start_vault(self):
        program = os.path.join(os.path.dirname(PROGRAM), "mailferry-vault")
        with open(self.folder / "vault.log", "ab") as log:
            subprocess.run([program, "-c", self.config, "--task", "make"], check=True, stderr=log)
            vault = subprocess.Popen([program, "-c", self.config], stderr=log)  # pylint: disable=R1732
        wait_until("the vault", (self.folder / "run/vault.sock").exists)
        return vault

    def lend(self):
        """One end of a socketpair whose other end the vault has, as the scheduler does it."""
        ours, vaults = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker, vaults:
            asker.connect(str(self.folder / "run/vault-move.sock"))
            asker.sendmsg([encode("LEND", b"", self.account("id")[0])],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                            array.array("i", [vaults.fileno()]))])
        return ours

    def start(self, *task):
        with self.lend() as loan:  # the process has the page as descriptor 4, and this as 5
            return subprocess.Popen(
                ["bash", "-c", f'exec "$0" "$@" 5<&{loan.fileno()} 4<&{self.page}', PROGRAM,
                 "-c", self.config, "--account", self.name, *task], pass_fds=[self.page, loan.fileno()],
                env=self.environment(), text=True, stderr=subprocess.PIPE)

    def run(self, wanted=OVER, timeout=60, task=()):
        """What it logged; one that takes longer is ended. task: what it is to do, other
        than to move."""
        process = self.start(*task)
        try:
            _, log = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        true("Sanitizer" not in log and "runtime error" not in log, log)
        equal(process.returncode, wanted, f"exit code\n{log}")
        return log

    def rows(self, statement, database=None):
        """Of the account's index, unless another database is named."""
        database = database or f"state/mail/{self.name}/index.sqlite"
        with sqlite3.connect(self.folder / database) as connection:
            return connection.execute(statement).fetchall()

    def account(self, columns):
        return self.rows(f"SELECT {columns} FROM account WHERE name = '{self.name}'",
                         "state/registry.sqlite")[0]

    def state(self):
        return self.account("route || '/' || stage")[0]

    def error(self):
        return self.account("last_error")[0]

    def certificate(self):
        return json.loads(self.account("certificate")[0])

    def body(self, pack, offset, size):
        if not size:
            return b""
        if not pack:  # in the index
            return self.rows(f"SELECT bytes FROM body WHERE id = {offset}")[0][0]
        place = self.folder / f"state/mail/{self.name}/bodies/{pack:04}.pack"
        return place.read_bytes()[offset:offset + size]


def main(make_world):
    words = sys.argv[3:]
    failed = 0
    for function in CASES:
        if words and not any(word in function.__name__ for word in words):
            continue
        began = time.monotonic()
        try:
            with getattr(function, "world", make_world)() as world:
                function(world)
        except Exception:  # pylint: disable=W0718
            failed += 1
            print(f"✗ {function.__name__}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"✓ {function.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{failed} failed")
    sys.exit(1 if failed else 0)
