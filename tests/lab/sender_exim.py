# SPDX-License-Identifier: GPL-3.0-or-later
"""Exim as a mail server elsewhere that sends to the old server's address; it and Postfix
evict each other as packages, so it is unpacked."""
import os
import shutil
from pathlib import Path

from .network import SOURCE_ADDRESS
from .unpacked import Unpacked

PACKAGES = ("exim4-daemon-light", "exim4-base", "libgnutls-dane0", "libunbound8", "libevent-2.1-7",
            "libidn12", "libnsl2", "libtirpc3", "libtirpc-common", "libdb5.3")
USER = 990
CONFIG = """\
primary_hostname = mx.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
disable_ipv6
keep_environment =
begin routers
elsewhere:
  driver = manualroute
  route_list = * mail.example.com byname
  transport = out
begin transports
out:
  driver = smtp
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = {authority}
  tls_verify_cert_hostnames = *
"""


class LocalExim:
    """One that takes mail from its own command alone; config: its exim4.conf."""

    def __init__(self, folder, namespace, config):
        self.folder, self.namespace, self.config = Path(folder), namespace, config
        self.exim = Unpacked("exim", PACKAGES, self.folder / "etc", self.folder / "run")

    def prepare(self):
        self.exim.prepare()
        etc = self.folder / "etc"
        (etc / "exim4").mkdir()
        (etc / "exim4/exim4.conf").write_text(self.config, encoding="ascii")
        for name, line in (("passwd", f"Debian-exim:x:{USER}:{USER}::/nonexistent:/bin/false\n"),
                           ("group", f"Debian-exim:x:{USER}:\n"),
                           ("hosts", f"{SOURCE_ADDRESS[0]} mail.example.com\n")):
            shutil.copy(Path("/etc") / name, etc / name)
            with open(etc / name, "a", encoding="utf-8") as file:
                file.write(line)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, USER, USER)
        os.chmod(self.folder, 0o755)
        return self

    def run(self, *arguments, **options):
        done = self.namespace.run(*self.exim.command("/usr/sbin/exim4", *arguments),
                                  timeout=60, text=False, **options)
        if done.returncode != 0:
            raise AssertionError(f"exim: exit {done.returncode}: {done.stdout!r}")
        return done.stdout

    def submit(self, message, *recipients):
        """Until it is delivered, or is not."""
        self.run("-odf", "-i", "-f", "sender@example.org", *recipients, input=message)

    def log_text(self):
        return (self.folder / "log/mainlog").read_text(errors="replace")


class SendingExim(LocalExim):
    """It insists on STARTTLS, and on a certificate for mail.example.com by `authority`."""

    def __init__(self, folder, namespace, authority):
        super().__init__(folder, namespace, CONFIG.format(folder=folder, authority=authority))
