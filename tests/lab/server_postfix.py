# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix of Debian in front of the old server's mailboxes: port 25, delivery by LMTP."""
import contextlib
import os
import shutil
import signal
from pathlib import Path

from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port, wait_until

# Of any Postfix in the lab: it lives in its folder, and tries again soon.
HOUSE = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mydestination =
smtp_host_lookup = native
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 2s
"""

MAIN = HOUSE + """\
myhostname = mail.example.com
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = all
virtual_mailbox_domains = example.com
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_alias_maps = texthash:{folder}/aliases
virtual_transport = lmtp:unix:{lmtp}
lmtp_destination_recipient_limit = 1
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_cert_file = {cert}/cert.pem
smtpd_tls_key_file = {cert}/key.pem
smtpd_tls_security_level = may
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = unix:{auth}
"""

# No chroot: the queue is not the one that the package has prepared.
MASTER = """\
smtp       inet  n - n - -   smtpd
pickup     unix  n - n 60 1  pickup
cleanup    unix  n - n - 0   cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - -   trivial-rewrite
bounce     unix  - - n - 0   bounce
defer      unix  - - n - 0   bounce
trace      unix  - - n - 0   bounce
verify     unix  - - n - 1   verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - -   proxymap
showq      unix  n - n - -   showq
error      unix  - - n - -   error
retry      unix  - - n - -   error
discard    unix  - - n - -   discard
virtual    unix  - n n - -   virtual
lmtp       unix  - - n - -   lmtp
anvil      unix  - - n - 1   anvil
scache     unix  - - n - 1   scache
postlog    unix-dgram n - n - 1 postlogd
"""


# Users send mail here: with TLS alone, as its own documentation has it.
SUBMISSION = """\
submission inet  n - n - -   smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
smtps      inet  n - n - -   smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
"""


RELOADED = "]: reload -- version "


def furnish(folder):
    """A new folder for a Postfix."""
    folder.mkdir(mode=0o755)
    for name in ("queue", "data"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "data", "postfix")


def queued(folder):
    """Messages in the queue of the Postfix in that folder. One that was not taken yet (its
    cleanup was killed, perhaps) is not executable."""
    count = 0
    for name in ("maildrop", "incoming", "active", "deferred"):
        for where, _, files in os.walk(Path(folder) / "queue" / name):
            for file in files:
                with contextlib.suppress(OSError):
                    count += bool(os.stat(os.path.join(where, file)).st_mode & 0o100)
    return count


class Postfix:
    """Delivers to the mailboxes of `server`, which has an lmtp_socket and an auth_socket."""

    name = "postfix"
    smtp_port = 25
    address = SOURCE_ADDRESS[0]

    def __init__(self, folder, namespace, server, submission=False):
        self.folder = Path(folder) / "postfix"
        self.namespace = namespace
        self.server = server
        self.submission = submission
        self.log = self.folder / "postfix.log"
        self.daemon = None

    def prepare(self):
        furnish(self.folder)
        self._write_main({})
        (self.folder / "master.cf").write_text(
            MASTER + (SUBMISSION if self.submission else ""), encoding="ascii")
        self.log.touch()  # also written by its unprivileged programs, before its logger runs
        shutil.chown(self.log, "postfix")
        self.write_tables([], {})

    def write_tables(self, users, aliases):
        """Mailboxes and aliases of example.com; smtpd reads them when it starts anew."""
        for name, lines in (("mailboxes", [f"{u}@example.com x" for u in users]),
                            ("aliases", [f"{a}@example.com {t}" for a, t in aliases.items()])):
            draft = self.folder / (name + ".new")
            draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
            os.replace(draft, self.folder / name)
        if self.daemon:
            self._reload()

    def _reload(self):
        """Returns when the master has it."""
        before = self.log_text().count(RELOADED)
        self.namespace.run("postfix", "-c", self.folder, "reload")
        wait_until("the reload", lambda: self.log_text().count(RELOADED) > before)

    def configure(self, **more):
        """Lines of main.cf that are other until the next call, taken up at once."""
        self._write_main(more)
        self._reload()

    def _write_main(self, more):
        lines = MAIN.format(folder=self.folder, lmtp=self.server.lmtp_socket,
                            cert=self.server.folder, auth=self.server.auth_socket).splitlines()
        # No key twice: its logger would log that, to itself, and wait for ever.
        lines = [line for line in lines if line.split(" = ")[0] not in more]
        lines += [f"{key} = {value}" for key, value in more.items()]
        draft = self.folder / "main.cf.new"
        draft.write_text("\n".join(lines) + "\n", encoding="ascii")
        os.replace(draft, self.folder / "main.cf")

    def start(self):
        self.daemon = Daemon(self.namespace, ["postfix", "-c", self.folder, "start-fg"],
                             self.folder / "start.log")

    def wait(self):
        wait_for_port(self.namespace, self.address, self.smtp_port, self.daemon)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None

    def processes(self, name=""):
        """Of this program of Postfix ("qmgr"), or all of them."""
        found = []
        for pid in self.namespace.pids():
            with contextlib.suppress(OSError):
                program = Path(os.readlink(f"/proc/{pid}/exe"))
                if program.is_relative_to("/usr/lib/postfix") and name in ("", program.name):
                    found.append(pid)
        return found

    def kill(self):
        """kill -9 of all its processes at once: they would go on for a while alone."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.stop()

    def start_again(self):
        self.start()
        self.wait()

    def queued(self):
        """Messages that are not delivered to all their recipients yet."""
        return queued(self.folder)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
