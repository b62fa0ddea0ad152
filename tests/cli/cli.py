# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the command share: a house of its own for each, and how to run it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STUBS = ["interceptor", "mailstore", "transfer"]
PATIENCE = 20  # seconds for what takes milliseconds on an idle machine


class Failure(Exception):
    """A test that did not hold, with what was seen."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(condition, text):
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, f"in vain: {text}")
        time.sleep(0.05)


def message_types():
    """The names in lib/messages/message.h, without MESSAGE_, in their order."""
    text = (HERE.parents[1] / "lib/messages/message.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)  # they name types, too
    text = text[text.index("enum message_type {"):text.index("MESSAGE_TYPE_COUNT")]
    return re.findall(r"MESSAGE_([A-Z0-9_]+)", text)


class House:
    """A directory with a configuration, the command, and stand-ins for our programs."""

    def __init__(self, mailferry, tool, extra=""):
        self.root = Path(tempfile.mkdtemp(prefix="mf-cli-"))
        self.root.chmod(0o711)  # our programs are no root, and pass it
        self.state, self.run = self.root / "state", self.root / "run"
        self.config = self.root / "mailferry.conf"
        self.tool_path = tool
        self.built = Path(mailferry).resolve().parent
        self.processes = []
        bin_dir = self.root / "bin"
        bin_dir.mkdir()
        self.run.mkdir()
        shutil.copy(mailferry, bin_dir / "mailferry")
        for name in ("vault", "admission", "dashboard"):  # need no stand-in
            shutil.copy(Path(mailferry).parent / f"mailferry-{name}", bin_dir)
        self.mailferry = str(bin_dir / "mailferry")
        (bin_dir / "message-types").write_text("\n".join(message_types()))
        for name in STUBS:
            shutil.copy(HERE / "stub_program.py", bin_dir / f"mailferry-{name}")
        self.config.write_text(
            f'source = "192.0.2.10"\ndomains = {{"example.com"}}\n'
            f'strategy = "after-logoff"\nstate_dir = "{self.state}"\n'
            f'run_dir = "{self.run}"\n{extra}\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.root)

    def command(self, *args):
        return subprocess.run([self.mailferry, "-c", str(self.config), *args], text=True,
                              capture_output=True, timeout=60, check=False)

    def good(self, *args):
        done = self.command(*args)
        expect(done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def bad(self, sentence, *args, code=1):
        done = self.command(*args)
        expect(done.returncode == code, f"{args}: exit {done.returncode}, not {code}\n"
               f"{done.stdout}{done.stderr}")
        expect(re.search(sentence, done.stderr),
               f"{args}: \"{done.stderr.strip()}\" does not say \"{sentence}\"")
        # what registry_tool made is given to its owners, and the log says so
        lines = [line for line in done.stderr.strip().splitlines()
                 if " mailferry info - owner " not in line]
        expect(len(lines) == 1 and lines[0].startswith("mailferry: "),
               f"{args}: more than one sentence: {done.stderr}")

    def tool(self, *args):
        done = subprocess.run([self.tool_path, str(self.config), *args], text=True,
                              capture_output=True, timeout=60, check=False)
        expect(done.returncode == 0, f"registry_tool {args}: {done.stderr}")

    def sql(self, statement):
        """In the registry."""
        return subprocess.run(["sqlite3", str(self.state / "registry.sqlite"), statement],
                              text=True, capture_output=True, check=True).stdout.rstrip("\n")

    def start(self, *args):
        log = open(self.root / "log", "a", encoding="utf-8")  # pylint: disable=R1732
        process = subprocess.Popen([*args], stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        self.processes.append(process)
        return process

    def up(self):
        return self.start(self.mailferry, "-c", str(self.config), "up")

    def stub(self, name):
        process = self.start(str(self.root / "bin" / f"mailferry-{name}"), "-c",
                             str(self.config))
        wait_until((self.run / f"{name}.pid").exists, f"{name} listens")
        return process

    def start_real(self, name):
        """One that needs no stand-in, without `up`."""
        self.start(str(self.root / "bin" / f"mailferry-{name}"), "-c", str(self.config))
        wait_until((self.run / f"{name}.sock").exists, f"{name} listens")

    def real(self, name):
        """The program itself instead of its stand-in; it is started by others."""
        place = self.root / "bin" / f"mailferry-{name}"
        place.unlink()
        shutil.copy(Path(self.built) / f"mailferry-{name}", place)

    def told(self, name):
        """The messages that a stand-in got."""
        path = self.run / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def log(self):
        return (self.root / "log").read_text()

    def pid(self, name):
        path = self.run / f"{name}.pid"
        text = path.read_text() if path.exists() else ""
        return int(text) if text else 0


def alive(pid):
    """Whether that process runs. One that has ended and is not reaped yet (a zombie) does
    not: when its parent is gone, PID 1 reaps it in its own time."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def own_network():
    """Runs the script again in a network namespace of its own. Exit 77 (skipped) where
    that is not allowed."""
    if os.environ.get("MAILFERRY_CLI_NETWORK"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # a router, as far as `status` is concerned
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            Path("/proc/sys/net", name).write_text("1", encoding="ascii")
        return
    if os.geteuid() != 0:
        print("skipped: needs root for a network namespace of its own")
        sys.exit(77)
    os.environ["MAILFERRY_CLI_NETWORK"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def run_all(tests, mailferry, tool):
    failed = 0
    for test in tests:
        try:
            with House(mailferry, tool) as house:
                test(house)
            print(f"ok      {test.__name__}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAILED  {test.__name__}: {failure}", flush=True)
    print(f"{len(tests)} tests, {failed} failed")
    return 1 if failed else 0
