# SPDX-License-Identifier: GPL-3.0-or-later
"""mailferry on the lab's router: its configuration, `mailferry up`, and its commands."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .network import SOURCE_ADDRESS
from .processes import Daemon, command_line, descendants, wait_until

ROOT = Path(__file__).resolve().parents[2]
STOP_PATIENCE = 45  # s, as docs/systemd/mailferry.service.in: `up` gives its programs ten
PROGRAMS = ("interceptor", "transfer", "mailstore")
COMPLAINT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|LeakSanitizer|refused-call")


def bin_directory():
    """Where the programs are: MAILFERRY_BIN (ctest sets it), or a built preset."""
    given = os.environ.get("MAILFERRY_BIN")
    for place in [given] if given else [ROOT / "build" / p / "bin" for p in ("dev", "release")]:
        if (Path(place) / "mailferry").exists():
            return Path(place)
    raise SystemExit("no mailferry found: build it, or set MAILFERRY_BIN")


def config_text(settings):
    """mailferry.conf from a dict; a dict inside is a section."""
    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, int):
            return str(v)
        if isinstance(v, (list, tuple)):
            return "{" + ", ".join(value(x) for x in v) + "}"
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    lines = []
    for key, v in settings.items():
        if isinstance(v, dict):
            inside = config_text(v).replace("\n", "\n\t").rstrip("\t")
            lines.append(f"{key} {{\n\t{inside}}}")
        else:
            lines.append(f"{key} = {value(v)}")
    return "\n".join(lines) + "\n"


class Ferry:
    """settings: keys of mailferry.conf that differ from the lab's. name: of its folder in
    the lab's, for a second one with an empty registry."""

    def __init__(self, lab, name="ferry", **settings):
        self.lab = lab
        self.folder = lab.folder / name
        self.config = self.folder / "mailferry.conf"
        self.log = self.folder / "log"
        self.bin = bin_directory()
        self.daemon = None
        self.expected = None  # a part of a complaint that a test has brought about
        self.settings = {
            "source": list(SOURCE_ADDRESS), "domains": ["example.com"],
            "strategy": "after-logoff",
            "state_dir": str(self.folder / "state"), "run_dir": str(self.folder / "run"),
            **settings}

    def write_config(self, **changes):
        self.settings.update(changes)
        self.folder.mkdir(mode=0o755, exist_ok=True)
        self.config.write_text(config_text(self.settings), encoding="utf-8")

    def start(self):
        """`mailferry up`; returns self when a client is greeted through it."""
        self.write_config()
        self.daemon = Daemon(self.lab.router, [self.bin / "mailferry", "-c", self.config, "up"],
                             self.log, self.environment())
        self.lab.at_down.append(self.stop)
        wait_until("mailferry to be up", self._is_up, 30, 0.05)
        return self

    @staticmethod
    def environment():
        # No leak check at exit: kill -9 and a fork in the middle would be all it finds.
        return {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS":
                "print_stacktrace=1"}

    def _is_up(self):
        if not self.daemon.running():
            raise RuntimeError(f"mailferry up ended:\n{self.daemon.output()[-3000:]}")
        return self.programs_run() and self._greets()

    def programs_run(self):
        """Whether all programs answer and the rules are in the kernel."""
        done = self.command("status", "--json")
        status = json.loads(done.stdout) if done.returncode == 0 else {}
        return status.get("rules") == "in place" and all(status["programs"].values())

    def _greets(self):
        with contextlib.suppress(OSError):
            imap = getattr(self.lab.server, "imap_port", 143)  # None: a source without it
            port, greeting = (143, b"* OK") if imap else (110, b"+OK ")
            with self.lab.connect(port, timeout=2) as connection:
                return connection.recv(4) == greeting
        return False

    def stop(self):
        """SIGTERM; returns the exit status (None: was not running)."""
        if not self.daemon:
            return None
        status = self.daemon.stop(patience=STOP_PATIENCE)
        self.daemon = None
        return status

    def kill_all(self):
        """kill -9 of `up`, with which all others end; returns when they have."""
        everything = [self.daemon.pid] + [pid for pid, _ in descendants(self.daemon.pid)]
        self.daemon.stop(signal.SIGKILL)
        self.daemon = None
        wait_until("the end of all", lambda: not any(Path(f"/proc/{pid}").exists()
                                                     for pid in everything))

    def complaints(self):
        """Lines of the log in which a sanitizer or a sandbox complains."""
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text(errors="replace").splitlines()
                if COMPLAINT.search(line) and not (self.expected and self.expected in line)]

    def log_tail(self, lines=40):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # commands ---------------------------------------------------------------------

    def arguments(self, *arguments):
        return [self.bin / "mailferry", "-c", self.config, *arguments]

    def command(self, *arguments, timeout=120):
        """CompletedProcess with stdout and stderr apart."""
        return self.lab.router.run(*self.arguments(*arguments), stderr=subprocess.PIPE,
                                   timeout=timeout,
                                   env={**os.environ, **self.environment()})

    def ok(self, *arguments):
        done = self.command(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"mailferry {' '.join(arguments)}: exit {done.returncode}: "
                                 f"{done.stderr.strip()} {done.stdout.strip()}")
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "--json"))

    def account(self, user):
        """None as long as nobody of that name has logged in."""
        done = self.command("account", user, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_account(self, user, timeout=60, **wanted):
        """Until the account has these values, e.g. stage="done"."""
        last = {}

        def reached():
            last.update(self.account(user) or {})
            return all(last.get(k) == v for k, v in wanted.items())
        try:
            wait_until(f"{user} with {wanted}", reached, timeout, 0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it has {last}") from None
        return last

    # processes --------------------------------------------------------------------

    def processes(self, program):
        """pids of interceptor, transfer or mailstore (masters and children), oldest first."""
        name = f"mailferry-{program}"[:15]  # the kernel keeps 15 letters
        return [pid for pid, comm in descendants(self.daemon.pid) if comm == name]

    def processes_with(self, program, word):
        """Those of them that were started with this word."""
        return [pid for pid in self.processes(program) if word.encode() in command_line(pid)]

    def kill(self, program, which=None):
        """kill -9 of one of them: the master, or which=random.choice. False: none there."""
        pids = self.processes(program)
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(which(pids) if which else pids[0], signal.SIGKILL)
        return True

    def memory(self):
        """Bytes of resident memory of its processes, but for the vault (comparing a password
        takes 32 MiB there for a moment) and `up` (it copies the registry now and then)."""
        total = 0
        for pid, name in descendants(self.daemon.pid):
            if name == "mailferry-vault":
                continue
            with contextlib.suppress(OSError):
                pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
                total += int(pages) * os.sysconf("SC_PAGE_SIZE")
        return total

    def settle(self, seconds=0.3):
        """For what must *not* happen: gives it the time to happen."""
        time.sleep(seconds)
