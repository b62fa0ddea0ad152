# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix as a mail server elsewhere that sends to the old server's address."""
import os
from pathlib import Path

from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_until
from .server_postfix import HOUSE, MASTER, furnish, queued

MAIN = HOUSE + """\
myhostname = mx.example.org
inet_interfaces = loopback-only
inet_protocols = ipv4
{route}
transport_maps = inline:{{ {{ example.org = discard: }} }}
smtp_tls_security_level = {tls}
smtp_tls_CAfile = {authority}
smtp_tls_secure_cert_match = mail.example.com
smtp_tls_verify_cert_match = mail.example.com
smtp_tls_fingerprint_digest = sha256
smtp_tls_fingerprint_cert_match = {fingerprints}
smtp_tls_loglevel = 1
"""


class LocalPostfix:
    """One that takes mail from `sendmail` alone. main() and master() give its two files."""

    def __init__(self, folder, namespace):
        self.folder, self.namespace, self.daemon = Path(folder), namespace, None
        self.view = []  # what goes before its command

    def start(self):
        furnish(self.folder)
        for name, text in (("main.cf", self.main()), ("master.cf", self.master())):
            (self.folder / name).write_text(text, encoding="ascii")
        self.daemon = Daemon(self.namespace, [*self.view, "postfix", "-c", self.folder, "start-fg"],
                             self.folder / "start.log")
        wait_until("Postfix", lambda: (self.folder / "queue/public/pickup").exists())

    def submit(self, message, *recipients, options=()):
        done = self.namespace.run("sendmail", "-C", self.folder, "-i", "-f", "sender@example.org",
                                  *options, *recipients, input=message, text=False,
                                  env={**os.environ, "MAIL_CONFIG": str(self.folder)})
        if done.returncode != 0:
            raise AssertionError(f"sendmail: exit {done.returncode}: {done.stdout!r}")

    def queued(self):
        """Messages that are not delivered to all their recipients yet."""
        return queued(self.folder)

    def log_text(self):
        return (self.folder / "postfix.log").read_text(errors="replace")

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None


class SendingPostfix(LocalPostfix):
    """tls: as `smtp_tls_security_level` has it; authority: whose certificates are known;
    fingerprints: of the only keys that are taken, as with DANE's 3 1 1; resolver: who knows
    where mail goes and which keys are right, None: to the old server's address."""

    def __init__(self, folder, namespace, tls="none", authority="", fingerprints=(),
                 resolver=None):
        super().__init__(folder, namespace)
        self.tls, self.authority, self.fingerprints = tls, authority, " ".join(fingerprints)
        self.resolver = resolver
        if resolver:
            self.view = resolver.view()

    def main(self):
        text = MAIN if not self.resolver else MAIN.replace(
            "smtp_host_lookup = native", "smtp_host_lookup = dns")
        route = ("smtp_dns_support_level = dnssec" if self.resolver
                 else f"relayhost = [{SOURCE_ADDRESS[0]}]:25")
        return text.format(folder=self.folder, route=route, tls=self.tls,
                           authority=self.authority, fingerprints=self.fingerprints)

    def master(self):
        return MASTER.replace("virtual    unix",
                              "smtp       unix  - - n - -   smtp\nvirtual    unix")
