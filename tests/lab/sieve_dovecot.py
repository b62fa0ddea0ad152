# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot's LMTP with Pigeonhole, between a Postfix and mailferry: its lines are those of
docs/handbook/lmtp.md. Pigeonhole is unpacked, not installed."""
import shutil
from pathlib import Path

from .processes import Daemon, wait_until
from .unpacked import Unpacked

CONFIG = """\
base_dir = {run}
state_dir = {run}
instance_name = sieve
log_path = {folder}/dovecot.log
ssl = no
first_valid_uid = 1
submission_host = 127.0.0.1:{port}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
protocols = lmtp
mail_location = maildir:/nonexistent
passdb {{
  driver = passwd-file
  args = /dev/null
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/home/%Ln allow_all_users=yes
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve = file:~/script.sieve
  sieve_after = {folder}/mailferry.sieve
}}
"""

DELIVER = """\
require ["envelope", "variables"];
if envelope :matches "to" "*@*" {
  redirect "${1}@localhost.mailferry";
}
"""


class Sieve:
    """port: where the Postfix takes what it passes on."""

    def __init__(self, folder, namespace, port):
        self.folder, self.namespace, self.daemon = Path(folder), namespace, None
        self.run = self.folder / "run" / "dovecot"
        self.lmtp_socket = self.folder / "run" / "dovecot" / "lmtp"
        self.port = port
        self.pigeonhole = Unpacked("sieve", ("dovecot-sieve",), self.folder / "etc",
                                   self.folder / "unpacked-run")

    def start(self):
        self.folder.mkdir(mode=0o755)
        self.pigeonhole.prepare()
        for name in ("run", "home"):
            (self.folder / name).mkdir(mode=0o755)
        shutil.chown(self.folder / "home", "mail")
        (self.folder / "mailferry.sieve").write_text(DELIVER, encoding="ascii")
        shutil.chown(self.folder / "mailferry.sieve", "mail")
        config = self.folder / "dovecot.conf"
        config.write_text(CONFIG.format(folder=self.folder, run=self.run, port=self.port),
                          encoding="ascii")
        self.daemon = Daemon(self.namespace,
                             self.pigeonhole.command("dovecot", "-F", "-c", config),
                             self.folder / "start.log")
        wait_until("Dovecot with Pigeonhole", self.lmtp_socket.exists)

    def script(self, user, text):
        home = self.folder / "home" / user
        home.mkdir(exist_ok=True)
        (home / "script.sieve").write_text(text, encoding="ascii")
        for path in (home, home / "script.sieve"):
            shutil.chown(path, "mail")

    def log_text(self):
        log = self.folder / "dovecot.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None
