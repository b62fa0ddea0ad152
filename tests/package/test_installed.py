#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short version of test_package.py: what a build installs, in the units of Debian's systemd.

`cmake --install` into a root in memory, which has the /usr of this machine; its systemd boots
that in namespaces. All units start, a user who lives here gets a message and reads it, each
process has its walls, and the end of all leaves nothing. Needs root.

test_installed.py FOLDER         of a build whose prefix is /usr/local
"""
import contextlib
import json
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

from former import about_user, messages, send
from restart import PASSWORD, SOURCE, USER, World, is_over
from test_package import CONF, Machine, check_units, ensure, run, serves, until
from walls import check_walls

ROOT = Path("/mnt")  # in our own mounts
MAILFERRY = "/usr/local/sbin/mailferry"
ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ssl/openssl.cnf")
# they would change what this machine's kernel has for all
MASKED = ("systemd-sysctl.service", "systemd-binfmt.service", "systemd-modules-load.service",
          "modprobe@.service", "proc-sys-fs-binfmt_misc.automount")
GROUP = "mailferry-installed-"
READ = """
import imaplib, sys
with imaplib.IMAP4(sys.argv[1], timeout=60) as c:
    c.login(*sys.argv[2:])
    c.select("INBOX", True)
    print(c.fetch("1:*", "BODY.PEEK[]"))
"""


def in_namespaces():
    """Whatever ends the first of these processes, all others and their mounts go with it."""
    os.execvp("unshare", ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount",
                          "--mount-proc", sys.executable, __file__, sys.argv[1], "inside"])


def make_root(build):
    run("mount", "-t", "tmpfs", "-o", "mode=755,size=8g", "tmpfs", ROOT)  # more than is kept free
    made = ROOT / "installed"
    run("cmake", "--install", build, env={**os.environ, "DESTDIR": str(made)})
    for name in ("proc", "sys", "run", "dev", "usr", "var", "tmp", "root", "home", "etc/ssl"):
        (ROOT / name).mkdir(parents=True)
    for path in Path("/").iterdir():
        if path.is_symlink() and str(path.readlink()).startswith("usr/"):
            (ROOT / path.name).symlink_to(path.readlink())
    run("mount", "--rbind", "/usr", ROOT / "usr")
    run("mount", "-o", "remount,bind,ro", ROOT / "usr")
    run("mount", "--bind", made / "usr/local", ROOT / "usr/local")
    make_etc(made)
    tempfile.tempdir = str(ROOT / "tmp")


def make_etc(made):
    etc = ROOT / "etc"
    for name in ETC:
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), etc / name)
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    shutil.copytree(made / "etc/mailferry", etc / "mailferry")
    (etc / "mailferry/mailferry.conf").write_text(CONF)
    shutil.copytree(made / "lib/systemd/system", etc / "systemd/system", symlinks=True)
    shutil.copytree(made / "usr/lib/sysusers.d", etc / "sysusers.d")
    run("systemd-sysusers", f"--root={ROOT}")
    for unit in MASKED:
        (etc / "systemd/system" / unit).symlink_to("/dev/null")
    # and none of the services that this machine has besides
    (etc / "systemd/system/default.target").symlink_to("/lib/systemd/system/basic.target")


def remove_group(group):
    with contextlib.suppress(OSError):  # a process of it has not ended yet
        for folder in sorted((f for f in group.rglob("*") if f.is_dir()), reverse=True):
            folder.rmdir()
        group.rmdir()
    return not group.exists()


def is_left(group):
    """By a test that was killed."""
    with contextlib.suppress(OSError):
        return "populated 0" in (group / "cgroup.events").read_text()
    return False


class Installed(Machine):
    """In a control group of its own: systemd makes many, and removes none at its end."""
    BOOTED = ("running", "degraded")  # by a unit of another package

    def __init__(self, root):
        super().__init__(root)
        (root / "groups").mkdir()
        run("mount", "-t", "cgroup2", "cgroup2", root / "groups")
        ours = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines()
                    if line.startswith("0::"))
        self.parent = root / "groups" / ours.lstrip("/")
        for group in filter(is_left, self.parent.glob(GROUP + "*")):
            remove_group(group)
        self.group = self.parent / (GROUP + uuid.uuid4().hex)

    def start(self):
        self.group.mkdir()
        (self.group / "cgroup.procs").write_text("0")
        try:
            super().start()
        finally:
            (self.parent / "cgroup.procs").write_text("0")

    def stop(self):
        super().stop()
        until("its control groups are gone", lambda: remove_group(self.group))

    def processes(self):
        return self("sh", "-c", "grep -l ^mailferry /proc/[0-9]*/comm", check=False).split()


def check_mail(machine, world):
    until("and through us", lambda: world.one()[0] == {"ok"})
    machine("sh", "-c", f"echo \"{PASSWORD}\" | {MAILFERRY} account add {USER}")
    until("mail for who lives here is taken", lambda: send(world))
    until("and delivered", lambda: messages(machine) == 1)
    said = run(*world.inside(world.client, sys.executable, "-c", READ, SOURCE, USER, PASSWORD))
    ensure("they read it", "Subject: on its way" in said and "hello" in said)
    ensure("the old server hears nothing of them", not about_user(world))


def check_end(machine, world):
    machine("systemctl", "stop", "mailferry.target")
    until("all units have ended", lambda: is_over(machine))
    ensure("nothing runs", not machine.processes())
    ensure("mail of who lives here is refused", world.one()[0] == {"ConnectionRefusedError"})
    machine(MAILFERRY, "rules", "remove", "--yes")
    ensure("no rule is left", not machine("nft", "list", "ruleset").strip())


def attention(machine):
    return json.loads(machine(MAILFERRY, "status", "--json"))["attention"]


def check(machine):
    check_units(machine)
    ensure("nothing runs before its start", not machine.processes())
    with World(machine) as world:
        until("the old server is seen", lambda: world.one()[0] == {"ok"})
        machine("systemctl", "start", "mailferry.target")
        serves(machine, "all units run")
        check_mail(machine, world)
        check_walls(machine, ensure)
        until("nothing needs attention", lambda: not attention(machine))
        machine(MAILFERRY, "status", "--exit-code")
        check_end(machine, world)
    ensure("no sandbox has refused a call", not machine(
        "journalctl", "--output=cat", "EVENT=refused-call", check=False).strip())


def missing():
    if os.geteuid() != 0:
        return "root"
    if "cgroup2" not in Path("/proc/filesystems").read_text() or \
            "\n0::" not in "\n" + Path("/proc/self/cgroup").read_text():
        return "a kernel with control groups of version 2"
    return None


def main():
    if missing():
        print("needs", missing())
        return 77
    if sys.argv[2:] != ["inside"]:
        in_namespaces()
    make_root(sys.argv[1])
    with Installed(ROOT) as machine:
        try:
            check(machine)
        except BaseException:
            print(machine(MAILFERRY, "status", check=False), machine(
                "journalctl", "--output=short-monotonic", "--lines=200", check=False))
            raise
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
