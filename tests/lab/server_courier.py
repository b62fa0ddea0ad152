# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: Courier of Debian, IMAP and POP3 on Maildir++ folders of its own kind.

What is different from Dovecot: everything lies below INBOX.; UIDs of IMAP and UIDLs are
kept in files of their own and know nothing of each other; POP3's order is that of the file
names (by date); RETR gives \\Seen at once; a last line without an end gets one from RETR,
while LIST counts it as it is; a wrong password costs five seconds.
"""
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from . import maildir_courier
from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port, wait_until
from .server_dovecot import OWNER, TIMEZONE
from .unpacked import Unpacked

PACKAGES = ["courier-imap", "courier-pop", "courier-base", "courier-authlib",
            "courier-authdaemon", "courier-authlib-userdb", "libcourier-unicode4",
            "libgamin0", "libltdl7"]
DOMAIN = "example.com"
AUTHDAEMONRC = """\
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=5
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
"""
# Each service: its port, and what answers there, by the settings of Debian's own file.
# Without IMAP_USELOCKS, as on many old sites: locks need a daemon that watches files.
SERVICES = {
    "imapd": (143, "/usr/lib/courier/courier/imaplogin /usr/bin/imapd"),
    "pop3d": (110, "/usr/lib/courier/courier/courierpop3login "
                   "/usr/lib/courier/courier/courierpop3d"),
}
START = """\
set -a
. /etc/courier/{name}
IMAP_USELOCKS=0 IMAP_EMPTYTRASH= POP3AUTH="{pop3_auth}" AUTHMODULES=authdaemon
IMAP_CAPABILITY="$IMAP_CAPABILITY{imap_auth}"
IMAP_TLS=0 POP3_TLS=0 IMAP_STARTTLS=NO TLS_CERTFILE=
exec /usr/sbin/couriertcpd -address=0 -maxprocs=400 -maxperip=400 -nodnslookup \\
    -noidentlookup -stderr={log} {port} {programs} Maildir
"""
LOGIN = re.compile(r"LOGIN, user=([^,]+), ip=\[([^]]+)\]")


class Courier:
    """pop3_auth, imap_auth: mechanisms of AUTH and AUTHENTICATE."""

    name = "courier"
    imap_port = 143
    pop3_port = 110
    storage = "maildir"
    separator = "."
    prefix = "INBOX."

    def __init__(self, folder, namespace, pop3_auth="PLAIN LOGIN",
                 timezone=TIMEZONE, imap_auth=()):
        self.imap_auth = "".join(f" AUTH={name}" for name in imap_auth)
        self.folder = Path(folder) / "courier"
        self.namespace = namespace
        self.pop3_auth = pop3_auth
        self.timezone = timezone
        self.log = self.folder / "courier.log"
        self.packages = Unpacked("courier", PACKAGES, self.folder / "etc", self.folder / "run")
        self.daemons = []
        self.users = {}
        self.started = False

    def prepare(self):
        self.folder.mkdir(mode=0o755)
        self.packages.prepare()
        (self.folder / "home").mkdir(mode=0o755)
        (self.packages.run / "courier" / "authdaemon").mkdir(parents=True)
        etc = self.packages.etc / "courier"
        shutil.copytree(self.packages.path / "etc" / "courier", etc)
        (etc / "authdaemonrc").write_text(AUTHDAEMONRC, encoding="ascii")
        # Its tables are read through links: a file that changes below an overlay is not.
        for name in ("userdb.dat", "userdbshadow.dat"):
            (etc / name).symlink_to(self.folder / name)

    def add_user(self, name, password):
        """name: lower case, no domain. The password may hold anything but NUL."""
        if self.users.get(name) != password:
            self.users[name] = password
            self._write_users()

    def _write_users(self):
        """userdb's two tables; before start() it waits until all users are known."""
        if not self.started:
            return
        owner = pwd.getpwnam(OWNER)
        public, secret = [], []
        for (name, hashed) in zip(self.users, crypted(self.users.values())):
            for login in (name, f"{name}@{DOMAIN}"):
                public.append(f"{login}\tuid={owner.pw_uid}|gid={owner.pw_gid}|"
                              f"home={self.home(name)}|mail={self.mail(name)}|_=\n")
                secret.append(f"{login}\tsystempw={hashed}\n")
        for table, lines in (("userdb", public), ("userdbshadow", secret)):
            draft = self.folder / f"{table}.new"
            self._inside("/usr/lib/courier/courier-authlib/makedatprog", "-",
                         f"{draft}.tmp", draft, input="".join(lines) + ".\n")
            os.replace(draft, self.folder / f"{table}.dat")

    def _inside(self, *command, **keywords):
        done = self.namespace.run(*self.packages.command(*command), **keywords)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stdout}")
        return done.stdout

    def home(self, name):
        return self.folder / "home" / name

    def mail(self, name):
        """The folder of the user's mail storage."""
        return self.home(name) / "Maildir"

    def fill(self, user, mailbox):
        """Gives `user` (who must exist) that mailbox; they had none before."""
        self.home(user).mkdir()
        maildir_courier.write(mailbox, self.mail(user))
        give_away(self.home(user))

    def start(self):
        self.started = True
        self._write_users()
        self._daemon("/usr/lib/courier/courier-authlib/authdaemond", log="authdaemond.log")
        wait_until("authdaemond", (self.packages.run / "courier/authdaemon/socket").exists)
        for name, (port, programs) in SERVICES.items():
            script = START.format(name=name, port=port, programs=programs, log=self.log,
                                  pop3_auth=self.pop3_auth, imap_auth=self.imap_auth)
            daemon = self._daemon("sh", "-c", script, log="start.log")
            wait_for_port(self.namespace, SOURCE_ADDRESS[0], port, daemon)

    def _daemon(self, *command, log):
        self.daemons.append(Daemon(self.namespace, self.packages.command(*command),
                                   self.folder / log, {"TZ": self.timezone}))
        return self.daemons[-1]

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.stop()
        self.daemons = []

    def deliver(self, user, data, folder="INBOX"):
        """New mail, with \\Recent, as a delivery agent leaves it."""
        maildir_courier.deliver(self.mail(user), data, folder.removeprefix(self.prefix))
        give_away(self.mail(user))

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logins(self, user=None):
        """(user, client's address) of each accepted login, in order."""
        found = []
        for name, address in LOGIN.findall(self.log_text()):
            if user in (None, name):
                found.append((name, address.removeprefix("::ffff:")))
        return found


def crypted(passwords):
    """Hashes for crypt(3), in order: quick ones, as there are a hundred to make."""
    done = subprocess.run(["openssl", "passwd", "-1", "-stdin"], check=True,
                          input="".join(p + "\n" for p in passwords).encode(),
                          stdout=subprocess.PIPE)
    return done.stdout.decode().split()


def give_away(path):
    subprocess.run(["chown", "-R", f"{OWNER}:{OWNER}", path], check=True)
