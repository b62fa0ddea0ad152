# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: GNU mailutils of Debian, POP3 and (when asked for) IMAP on mbox files.

The plainest of old sites: one mbox file for each user in the spool, the users are those of
/etc/passwd, hardly any extension. Without IMAP it is a source that POP3 alone can read.
"""
import ipaddress
import os
import pwd
import re
import time
from pathlib import Path

from . import mbox
from .maildir import mutf7
from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port
from .server_courier import crypted, give_away
from .server_dovecot import OWNER, TIMEZONE
from .unpacked import Unpacked

PACKAGES = ["mailutils-pop3d", "mailutils-imap4d", "libmailutils9", "libmu-dbm9",
            "mailutils-common", "libmariadb3", "liblzo2-2", "libkyotocabinet16v5", "libltdl7"]
APOP = """\
apop-database-file "{folder}/apop";
"""
CONFIG = """\
mailbox {{
  mail-spool "{folder}/spool";
  mailbox-type mbox;
  folder "{folder}/home";
}}
auth {{
  authentication "generic:system";
  authorization "system";
}}
logging {{
  syslog no;
  severity debug;
  session-id yes;
}}
foreground yes;
mode daemon;
max-children 400;
pidfile "{folder}/{name}.pid";
{more}# Takes IPv4 too.
server "inet6://[::]:{port}" {{
  timeout 600;
  acl {{
    log any;
  }}
}}
"""
# Session, then the client's address, or their name.
CONNECTION = re.compile(r"\w+: (\w+) ([0-9A-F:.]+)$")
LOGIN = re.compile(r"\w+: (\w+) user `([^']+)' logged in")
SERVICES = {"pop3d": 110, "imap4d": 143}
# A line of /etc/passwd and of /etc/shadow; all mailboxes belong to "mail".
PASSWD = "{name}:x:{uid}:{gid}::{home}:/usr/sbin/nologin\n"
SHADOW = "{name}:{hashed}:19000:0:99999:7:::\n"


class Mailutils:
    """imap=False: nothing but POP3."""

    name = "mailutils"
    pop3_port = 110
    storage = "mbox"
    separator = "/"
    prefix = ""

    def __init__(self, folder, namespace, imap=True, timezone=TIMEZONE):
        self.folder = Path(folder) / "mailutils"
        self.namespace = namespace
        self.services = ["pop3d", "imap4d"] if imap else ["pop3d"]
        self.imap_port = SERVICES["imap4d"] if imap else None
        self.timezone = timezone
        self.log = self.folder / "mailutils.log"
        self.packages = Unpacked("mailutils", PACKAGES, self.folder / "etc",
                                 self.folder / "run")
        self.daemons = []
        self.users = {}
        self.started = False

    def prepare(self):
        self.folder.mkdir(mode=0o755)
        self.packages.prepare()
        for name in ("spool", "home"):
            (self.folder / name).mkdir(mode=0o755)
            give_away(self.folder / name)
        # Read through links: a file that changes below an overlay is not.
        for name in ("passwd", "shadow"):
            (self.packages.etc / name).symlink_to(self.folder / name)
        for name in self.services:
            (self.folder / f"{name}.conf").write_text(CONFIG.format(
                folder=self.folder, name=name, port=SERVICES[name],
                more=APOP.format(folder=self.folder) if name == "pop3d" else ""), encoding="ascii")

    def add_user(self, name, password):
        """name: lower case, no domain. The password may hold anything but NUL."""
        if self.users.get(name) != password:
            self.users[name] = password
            self._write_users()

    def _write_users(self):
        """Before start() it waits until all users are known."""
        if not self.started:
            return
        owner = pwd.getpwnam(OWNER)
        tables = {name: Path("/etc", name).read_text(encoding="utf-8")
                  for name in ("passwd", "shadow")}
        for name, hashed in zip(self.users, crypted(self.users.values())):
            tables["passwd"] += PASSWD.format(name=name, uid=owner.pw_uid, gid=owner.pw_gid,
                                              home=self.home(name))
            tables["shadow"] += SHADOW.format(name=name, hashed=hashed)
        for name, text in tables.items():
            draft = self.folder / f"{name}.new"
            draft.touch(mode=0o644 if name == "passwd" else 0o600)
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self.folder / name)
        self._write_apop()

    def _write_apop(self):
        """APOP's own passwords: its time stamp is in the greeting in any case, and clients
        that see one (curl) try nothing else."""
        plain, draft = self.folder / "apop.txt", self.folder / "apop.new"
        plain.touch(mode=0o600)
        plain.write_text("".join(f"{name} {password}\n"
                                 for name, password in self.users.items()), encoding="utf-8")
        draft.unlink(missing_ok=True)
        done = self.namespace.run(*self.packages.command(
            "/usr/bin/popauth", "--create", "-f", plain, "-o", draft, "-P", "600"))
        if done.returncode != 0:
            raise RuntimeError(f"popauth: exit {done.returncode}: {done.stdout}")
        os.replace(draft, self.folder / "apop")

    def home(self, name):
        return self.folder / "home" / name

    def mail(self, name):
        """The user's INBOX."""
        return self.folder / "spool" / name

    def fill(self, user, mailbox):
        """Gives `user` (who must exist) that mailbox; they had none before. Flags, keywords
        and UIDs are what this server makes of it: an mbox has no place for most. Nor has
        a folder with messages any folders below it: those are left out."""
        self.home(user).mkdir()
        taken = {folder.path for folder in mailbox.folders}
        for folder in mailbox.folders:
            if not folder.path:
                mbox.write(folder, self.mail(user))
            elif (folder.exists and self.imap_port and
                  not any(folder.path[:n] in taken for n in range(1, len(folder.path)))):
                mbox.write(folder, self.home(user).joinpath(*map(mutf7, folder.path)))
        give_away(self.home(user))
        give_away(self.mail(user))

    def start(self):
        self.started = True
        self._write_users()
        for name in self.services:
            command = self.packages.command(
                f"/usr/sbin/{name}", f"--config-file={self.folder}/{name}.conf")
            daemon = Daemon(self.namespace, command, self.log, {"TZ": self.timezone})
            self.daemons.append(daemon)
            wait_for_port(self.namespace, SOURCE_ADDRESS[0], SERVICES[name], daemon)

    def stop(self):
        for daemon in self.daemons:
            daemon.stop()
        self.daemons = []

    def deliver(self, user, data, folder="INBOX"):
        """New mail, as a delivery agent leaves it."""
        path = self.mail(user) if folder == "INBOX" else self.home(user) / folder
        mbox.append(path, data, int(time.time()))

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logins(self, user=None):
        """(user, client's address) of each accepted login, in order."""
        found, addresses = [], {}
        for line in self.log_text().splitlines():
            if match := CONNECTION.match(line):
                addresses[match[1]] = _address(match[2])
            elif (match := LOGIN.match(line)) and user in (None, match[2]):
                found.append((match[2], addresses.get(match[1], "")))
        return found


def _address(text):
    """An address in the log's spelling; IPv4 ones are mapped into IPv6."""
    address = ipaddress.ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)
