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
USER = "Debian-exim:x:990:990::/nonexistent:/usr/sbin/nologin\n"
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


class SendingExim:
    """It insists on STARTTLS, and on a certificate for mail.example.com by `authority`."""

    def __init__(self, folder, namespace, authority):
        self.folder, self.namespace = Path(folder), namespace
        self.exim = Unpacked("exim", PACKAGES, self.folder / "etc", self.folder / "run")
        self.authority = authority

    def prepare(self):
        self.exim.prepare()
        etc = self.folder / "etc"
        (etc / "exim4").mkdir()
        (etc / "exim4/exim4.conf").write_text(
            CONFIG.format(folder=self.folder, authority=self.authority), encoding="ascii")
        for name, line in (("passwd", USER), ("group", "Debian-exim:x:990:\n"),
                           ("hosts", f"{SOURCE_ADDRESS[0]} mail.example.com\n")):
            shutil.copy(Path("/etc") / name, etc / name)
            with open(etc / name, "a", encoding="utf-8") as file:
                file.write(line)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, 990, 990)
        os.chmod(self.folder, 0o755)
        return self

    def submit(self, message, *recipients):
        """Until it is delivered, or is not."""
        done = self.namespace.run(*self.exim.command(
            "/usr/sbin/exim4", "-odf", "-i", "-f", "sender@example.org", *recipients),
            input=message, text=False, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"exim: exit {done.returncode}: {done.stdout!r}")

    def log_text(self):
        return (self.folder / "log/mainlog").read_text(errors="replace")
