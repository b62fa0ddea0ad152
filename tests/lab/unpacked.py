# SPDX-License-Identifier: GPL-3.0-or-later
"""Old servers that Debian lets nobody install beside Dovecot: unpacked, never installed.

Courier, Cyrus and Dovecot conflict as packages, and an installed server would want to run.
So the packages are only downloaded and unpacked below build/, once; a server's process
sees them laid over /usr in a mount namespace of its own, with a private /etc and /run.
The machine around it sees nothing of this.
"""
import fcntl
import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "old-servers"

# $1 the packages, $2 /etc over the machine's own, $3 /run; then the command.
INSIDE = """\
mount -t overlay overlay -o lowerdir="$1/usr:/usr" /usr &&
mount -t overlay overlay -o lowerdir="$2:/etc" /etc &&
mount --bind "$3" /run || exit
if [ -d /run/dev ]; then mount -t overlay overlay -o lowerdir=/run/dev:/dev /dev || exit; fi
shift 3
exec "$@"
"""


class Unpacked:
    """packages: those of the server and the libraries that the machine may lack. etc and
    run: the folders (of the lab) that become its /etc and /run. run/dev is laid over /dev."""

    def __init__(self, name, packages, etc, run):
        self.path = CACHE / name
        self.packages = packages
        self.etc = Path(etc)
        self.run = Path(run)

    def prepare(self):
        """Downloads at the first time, and makes the folders."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / f"{self.path.name}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two tests may begin at once
            ready = self.path / "packages"
            wanted = " ".join(self.packages)
            if not ready.exists() or ready.read_text(encoding="ascii") != wanted:
                self._unpack()
                ready.write_text(wanted, encoding="ascii")
        for folder in (self.etc, self.run):
            folder.mkdir(parents=True)

    def _unpack(self):
        debs = self.path / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        if not self._download(debs):
            _run("apt-get", "update")
            done = self._download(debs)
            if not done:
                raise RuntimeError(f"cannot download {' '.join(self.packages)}")
        for deb in sorted(debs.glob("*.deb")):
            _run("dpkg-deb", "-x", deb, self.path)
        # Packages of before /usr was merged still say /lib.
        if (self.path / "lib").exists():
            _run("cp", "-a", self.path / "lib", self.path / "usr")
        _run("rm", "-rf", debs, self.path / "lib", self.path / "usr/share/doc",
             self.path / "usr/share/locale", self.path / "usr/share/man")

    def _download(self, debs):
        return subprocess.run(["apt-get", "-q", "download", *self.packages], cwd=debs,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def command(self, *command):
        """The argument list that runs `command` where the packages are installed."""
        return ["unshare", "--mount", "sh", "-c", INSIDE, "sh", self.path, self.etc, self.run,
                *command]


def _run(*command):
    done = subprocess.run([str(word) for word in command], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stdout[-1000:]}")
