# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers of the admin's own, on the router, that hand over mail to mailferry by LMTP.
Their lines are those of docs/handbook/lmtp.md."""
import os
import shutil
from pathlib import Path

from .processes import Daemon, wait_until
from .server_postfix import HOUSE, MASTER, furnish, queued
from .unpacked import Unpacked

POSTFIX = HOUSE + """\
myhostname = mta.example.com
inet_interfaces =
inet_protocols = ipv4
virtual_mailbox_domains = example.com
virtual_transport = lmtp:{place}
"""

EXIM_PACKAGES = ("exim4-daemon-light", "exim4-base", "libgnutls-dane0", "libunbound8",
                 "libevent-2.1-7", "libidn12", "libnsl2", "libtirpc3", "libtirpc-common",
                 "libdb5.3")
EXIM_USER = 990
EXIM = """\
primary_hostname = mta.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
disable_ipv6
keep_environment =
begin routers
mailferry:
  driver = accept
  domains = example.com
  transport = mailferry_lmtp
begin transports
mailferry_lmtp:
  driver = {driver}
begin retry
* * F,1h,2s
"""
EXIM_DRIVERS = {"unix": "lmtp\n  socket = {path}\n  batch_max = 50",
                "inet": "smtp\n  protocol = lmtp\n  hosts = {host}\n  port = {port}\n"
                        "  allow_localhost\n  max_rcpt = 50"}


class HandingPostfix:
    """place: as Postfix writes it, "unix:/path" or "inet:127.0.0.1:24". more: lines of
    main.cf; smtpd: a port of the loopback where it takes mail."""

    def __init__(self, folder, namespace, place, more="", smtpd=0):
        self.folder, self.namespace, self.place = Path(folder), namespace, place
        self.more, self.smtpd = more, smtpd
        self.daemon = None

    def start(self):
        furnish(self.folder)
        (self.folder / "main.cf").write_text(
            POSTFIX.format(folder=self.folder, place=self.place) + self.more, encoding="ascii")
        lines = [line for line in MASTER.splitlines() if not line.startswith("smtp ")]
        if self.smtpd:
            lines.append(f"127.0.0.1:{self.smtpd} inet n - n - - smtpd")
        (self.folder / "master.cf").write_text("\n".join(lines) + "\n", encoding="ascii")
        self.daemon = Daemon(self.namespace, ["postfix", "-c", self.folder, "start-fg"],
                             self.folder / "start.log")
        wait_until("Postfix", lambda: (self.folder / "queue/public/pickup").exists(), 20)

    def submit(self, message, *recipients):
        done = self.namespace.run("sendmail", "-C", self.folder, "-i", "-f", "sender@example.org",
                                  *recipients, input=message, text=False,
                                  env={**os.environ, "MAIL_CONFIG": str(self.folder)})
        if done.returncode != 0:
            raise AssertionError(f"sendmail: exit {done.returncode}: {done.stdout!r}")

    def queued(self):
        return queued(self.folder)

    def log_text(self):
        return (self.folder / "postfix.log").read_text(errors="replace")

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None


class HandingExim:
    """place: as HandingPostfix has it. It delivers at once, and leaves in its queue what it
    must try again; run_queue() tries."""

    def __init__(self, folder, namespace, place):
        self.folder, self.namespace = Path(folder), namespace
        kind, rest = place.split(":", 1)
        host, _, port = rest.rpartition(":")
        self.driver = EXIM_DRIVERS[kind].format(path=rest, host=host, port=port)
        self.exim = Unpacked("exim", EXIM_PACKAGES, self.folder / "etc", self.folder / "run")

    def start(self):
        self.exim.prepare()
        etc = self.folder / "etc"
        (etc / "exim4").mkdir()
        (etc / "exim4/exim4.conf").write_text(
            EXIM.format(folder=self.folder, driver=self.driver), encoding="ascii")
        for name, line in (("passwd", f"Debian-exim:x:{EXIM_USER}:{EXIM_USER}::/:/bin/false\n"),
                           ("group", f"Debian-exim:x:{EXIM_USER}:\n")):
            shutil.copy(Path("/etc") / name, etc / name)
            with open(etc / name, "a", encoding="utf-8") as file:
                file.write(line)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, EXIM_USER, EXIM_USER)
        os.chmod(self.folder, 0o755)

    def _run(self, *arguments, **options):
        done = self.namespace.run(*self.exim.command("/usr/sbin/exim4", *arguments),
                                  timeout=60, text=False, **options)
        if done.returncode != 0:
            raise AssertionError(f"exim: exit {done.returncode}: {done.stdout!r}")
        return done.stdout

    def submit(self, message, *recipients):
        self._run("-odf", "-i", "-f", "sender@example.org", *recipients, input=message)

    def run_queue(self):
        self._run("-qff")

    def queued(self):
        return int(self._run("-bpc"))

    def log_text(self):
        return (self.folder / "log/mainlog").read_text(errors="replace")

    def stop(self):
        pass
