# SPDX-License-Identifier: GPL-3.0-or-later
"""Exim of Debian in front of the old server's mailboxes, as server_postfix.Postfix is: port 25,
delivery by LMTP. It is unpacked (server_mta.py)."""
import contextlib
import os
import signal

from .network import SOURCE_ADDRESS
from .processes import wait_for_port
from .server_mta import Exim

CONFIG = """\
primary_hostname = mail.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/log/pid
keep_environment =
daemon_smtp_ports = 25
smtp_accept_max = 200
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept domains = example.com
         verify = recipient
  deny message = no such user
begin routers
aliases:
  driver = redirect
  domains = example.com
  data = ${{lookup{{$local_part}}lsearch{{{folder}/aliases}}}}
mailboxes:
  driver = accept
  domains = example.com
  local_parts = lsearch;{folder}/mailboxes
  transport = mailboxes
begin transports
mailboxes:
  driver = lmtp
  socket = {lmtp}
  user = Debian-exim
begin retry
* * F,1d,2s
"""


class DeliveringExim(Exim):
    """Delivers to the mailboxes of `server`, which has an lmtp_socket."""

    def __init__(self, folder, namespace, server):
        super().__init__(folder, namespace)
        self.server = server

    def start(self):
        (self.folder / "etc/exim4").mkdir()
        (self.folder / "etc/exim4/exim4.conf").write_text(
            CONFIG.format(folder=self.folder, lmtp=self.server.lmtp_socket), encoding="ascii")
        self.start_again()

    def start_again(self):
        self.run("/usr/sbin/exim4", "-bdf", "-q2s")

    def wait(self):
        wait_for_port(self.namespace, SOURCE_ADDRESS[0], 25, self.daemon)

    def write_tables(self, users, aliases):
        """It reads them for each recipient."""
        for name, rows in (("mailboxes", {user: "" for user in users}), ("aliases", aliases)):
            draft = self.folder / (name + ".new")
            draft.write_text("".join(f"{key}: {value}\n" for key, value in rows.items()),
                             encoding="utf-8")
            draft.chmod(0o644)
            os.replace(draft, self.folder / name)

    def kill(self):
        """kill -9 of all its processes at once."""
        for pid in self.namespace.pids():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").endswith("/exim4"):
                    os.kill(pid, signal.SIGKILL)
        self.stop()

    def queued(self):
        """Messages that are not delivered to all their recipients yet."""
        return len(list((self.folder / "spool/input").glob("**/*-H")))
