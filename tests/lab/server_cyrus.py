# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: Cyrus of Debian, IMAP and POP3 as its package sets them up.

Everything lies below INBOX. and is separated by dots; mail gets in by IMAP alone, and what
its grammar does not like (a folder "100%", a message without a blank line) is refused: such
a piece is left out of the mailbox. RETR sets no \\Seen. Passwords are compared by SASL, so
that all of its mechanisms work.
"""
import contextlib
import os
import pwd
import re
import socket
import sqlite3
import threading
import time
from pathlib import Path

from .imap import Imap
from .maildir import mutf7
from .mail import SYSTEM_FLAGS
from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port
from .server_dovecot import OWNER, TIMEZONE
from .unpacked import Unpacked

PACKAGES = ["cyrus-imapd", "cyrus-common", "cyrus-pop3d", "libical3", "libsasl2-modules",
            "libsasl2-modules-sql", "libsasl2-modules-db", "libclamav12", "libzephyr4",
            "libxapian30", "libwrap0", "libpq5", "libmariadb3", "libtfm1"]
CYRUS_CONF = """\
START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}}
SERVICES {{
  imap cmd="imapd -U 30" listen="[::]:143" prefork=1 maxchild=400
  imap4 cmd="imapd -U 30" listen="0.0.0.0:143" prefork=1 maxchild=400
  pop3 cmd="pop3d -U 30" listen="[::]:110" prefork=1 maxchild=400
  pop34 cmd="pop3d -U 30" listen="0.0.0.0:110" prefork=1 maxchild=400
}}
EVENTS {{
}}
"""
IMAPD_CONF = """\
configdirectory: {folder}/lib
proc_path: {folder}/run/proc
mboxname_lockpath: {folder}/run/lock
defaultpartition: default
partition-default: {folder}/spool
altnamespace: no
unixhierarchysep: no
virtdomains: userid
defaultdomain: example.com
allowplaintext: yes
popminpoll: 0
autocreate_quota: 0
sieveusehomedir: false
sievedir: {folder}/sieve
lmtpsocket: {folder}/run/lmtp
idlesocket: {folder}/run/idle
notifysocket: {folder}/run/notify
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sql
sasl_sql_engine: sqlite3
sasl_sql_database: {folder}/users.sqlite
sasl_sql_select: SELECT password FROM user WHERE name = '%u'
sasl_mech_list: {mechanisms}
failedloginpause: 0
admins: {admin}
{proxies}{more}"""
ADMIN = "cyrusadmin"  # a user like any other, who may do all with mailboxes
LOGIN = re.compile(r"login: (?:\S+ )?\[([0-9A-Fa-f.:]+)\] (\S+) ")
REFUSED = (b" NO ", b" BAD ")


class Cyrus:
    """mechanisms: of SASL. proxies: users who may log in as any other. more: lines of imapd.conf."""

    name = "cyrus"
    imap_port = 143
    pop3_port = 110
    storage = "cyrus"
    separator = "."
    prefix = "INBOX."

    def __init__(self, folder, namespace, mechanisms="PLAIN LOGIN CRAM-MD5", timezone=TIMEZONE,
                 proxies=(), more=""):
        self.proxies, self.more = proxies, more
        self.folder = Path(folder) / "cyrus"
        self.namespace = namespace
        self.mechanisms = mechanisms
        self.timezone = timezone
        self.log = self.folder / "cyrus.log"
        self.packages = Unpacked("cyrus", PACKAGES, self.folder / "etc", self.folder / "run-of")
        self.daemon = None
        self.syslog = None
        self.users = {}
        self.waiting = []  # mailboxes of before the start

    def prepare(self):
        self.folder.mkdir(mode=0o755)
        self.packages.prepare()
        owner = pwd.getpwnam(OWNER)
        (self.packages.run / "dev").mkdir()
        (self.packages.run / "dev" / "log").symlink_to("/run/log")
        self._listen_to_syslog()
        for name in ("lib", "spool", "sieve", "run", "run/proc", "run/lock", "lib/db", "lib/log",
                     "lib/msg", "lib/socket"):
            (self.folder / name).mkdir(mode=0o755)
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        with open("/etc/passwd", encoding="utf-8") as machine:
            (self.packages.etc / "passwd").write_text(
                machine.read() + f"cyrus:x:{owner.pw_uid}:{owner.pw_gid}::{self.folder}:"
                                 "/usr/sbin/nologin\n", encoding="utf-8")
        # A reverse look-up that nobody answers would cost seconds before each greeting.
        (self.packages.etc / "nsswitch.conf").write_text(
            "passwd: files\ngroup: files\nhosts: files\nservices: files\n", encoding="ascii")
        (self.packages.etc / "cyrus.conf").write_text(CYRUS_CONF.format(), encoding="ascii")
        (self.packages.etc / "imapd.conf").write_text(IMAPD_CONF.format(
            folder=self.folder, mechanisms=self.mechanisms, admin=ADMIN, more=self.more,
            proxies="".join(
                f"proxyservers: {user}\n" for user in self.proxies)), encoding="ascii")
        with self._database() as database:
            database.execute("CREATE TABLE user (name TEXT PRIMARY KEY, password TEXT)")
        os.chown(self.folder / "users.sqlite", owner.pw_uid, owner.pw_gid)

    def _listen_to_syslog(self):
        """It says what it does there, and nowhere else."""
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.packages.run / "log"
        self.syslog.bind(str(path))
        path.chmod(0o666)

        def write():
            with open(self.log, "ab", 0) as log, contextlib.suppress(OSError):
                while line := self.syslog.recv(8192):
                    log.write(line.rstrip(b"\0\n") + b"\n")
        threading.Thread(target=write, daemon=True).start()

    def _database(self):
        return sqlite3.connect(self.folder / "users.sqlite", timeout=10)

    def add_user(self, name, password):
        """name: lower case, no domain, no dot."""
        if self.users.get(name) == password:
            return
        self.users[name] = password
        with self._database() as database:
            database.execute("INSERT OR REPLACE INTO user VALUES (?, ?)", (name, password))

    def start(self):
        self.daemon = Daemon(
            self.namespace, self.packages.command(
                "/usr/sbin/cyrmaster", "-D", "-C", "/etc/imapd.conf", "-M", "/etc/cyrus.conf",
                "-p", self.folder / "master.pid"),
            self.folder / "start.log", {"TZ": self.timezone})
        for port in (self.imap_port, self.pop3_port):
            wait_for_port(self.namespace, SOURCE_ADDRESS[0], port, self.daemon, 30)
        for user, mailbox in self.waiting:
            self.fill(user, mailbox)
        self.waiting = []

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None
        if self.syslog:
            self.syslog.close()
            self.syslog = None

    def _client(self, user):
        client = Imap(self.namespace.connect(SOURCE_ADDRESS[0], self.imap_port))
        answer = client.login(user, self.users[user])
        if b" OK" not in answer:
            raise RuntimeError(f"{user}: {answer!r}")
        return client

    def fill(self, user, mailbox):
        """Gives `user` (who must exist) that mailbox, as far as Cyrus takes it; they had none
        before."""
        if not self.daemon:
            self.waiting.append((user, mailbox))
            return
        client = self._client(user)
        for folder in mailbox.folders:
            self._fill_folder(client, folder)
        client.logout()

    def _fill_folder(self, client, folder):
        name = quoted(".".join(("INBOX", *(mutf7(part) for part in folder.path))))
        if folder.path and b" OK" not in client.command(b"CREATE " + name)[1]:
            return
        if folder.subscribed:
            client.command(b"SUBSCRIBE " + name)
        for message in folder.messages:
            self._append(client, name, message)

    @staticmethod
    def _append(client, name, message):
        flags = [SYSTEM_FLAGS[letter] for letter in message.flags] + list(message.keywords)
        date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(message.date))
        client.command(b'APPEND %s (%s) "%s" {%d+}\r\n%s' % (
            name, " ".join(flags).encode(), date.encode(), len(message.data), message.data))

    def deliver(self, user, data, folder="INBOX"):
        """New mail, with \\Recent."""
        client = self._client(user)
        client.ok(b"APPEND %s {%d+}\r\n%s" % (quoted(folder), len(data), data))
        client.logout()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logins(self, user=None):
        """(user, client's address) of each accepted login, in order."""
        found = []
        for address, name in LOGIN.findall(self.log_text()):
            name = name.removesuffix("@example.com")
            if user in (None, name):
                found.append((name, address.removeprefix("::ffff:")))
        return found


def quoted(name):
    data = name if isinstance(name, bytes) else name.encode()
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
