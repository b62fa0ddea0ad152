# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix as a mail server elsewhere that sends to the old server's address."""
import os
import shutil
from pathlib import Path

from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_until
from .server_postfix import MASTER, queued

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mx.example.org
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
relayhost = [{source}]:25
transport_maps = inline:{{ {{ example.org = discard: }} }}
smtp_tls_security_level = none
smtp_host_lookup = native
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 2s
"""


class SendingPostfix:
    def __init__(self, folder, namespace):
        self.folder, self.namespace, self.daemon = Path(folder), namespace, None

    def start(self):
        self.folder.mkdir(mode=0o755)
        for name in ("queue", "data"):
            (self.folder / name).mkdir(mode=0o755)
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "main.cf").write_text(
            MAIN.format(folder=self.folder, source=SOURCE_ADDRESS[0]), encoding="ascii")
        (self.folder / "master.cf").write_text(
            MASTER.replace("virtual    unix", "smtp       unix  - - n - -   smtp\nvirtual    unix"),
            encoding="ascii")
        self.daemon = Daemon(self.namespace, ["postfix", "-c", self.folder, "start-fg"],
                             self.folder / "start.log")
        wait_until("the sending Postfix", lambda: (self.folder / "queue/public/pickup").exists(),
                   20)

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
