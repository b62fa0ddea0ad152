# SPDX-License-Identifier: GPL-3.0-or-later
"""Other mail servers on port 25 of the old server's address, unpacked since they evict Postfix
and one another. They take mail for user1 … user99@example.com and throw it away: what is compared
is what they say. By their defaults, but for what keeps a name server out of it."""
import os
import shutil
import socket
from pathlib import Path

from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port
from .sender_exim import PACKAGES as EXIM_PACKAGES
from .unpacked import Unpacked

EXIM = """\
primary_hostname = mail.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/log/pid
disable_ipv6
keep_environment =
daemon_smtp_ports = 25
acl_smtp_mail = from
acl_smtp_rcpt = recipient
acl_smtp_data = dot
prdr_enable = true
dsn_advertise_hosts = *
begin acl
from:
  defer senders = mail@later.example.org
        message = 421 4.7.0 not now
  accept
dot:
  defer senders = dot@later.example.org
        message = 421 4.7.0 not now
  accept
recipient:
  defer senders = rcpt@later.example.org
        message = 421 4.7.0 not now
  defer senders = grey@later.example.org
        message = 450 4.2.0 greylisted
  warn senders = slow@later.example.org
       delay = 1s
  accept domains = example.com
         local_parts = ^user[0-9]+\\$ : postmaster
  deny domains = example.com
       message = no such user
  deny message = relay not permitted
begin routers
all:
  driver = redirect
  data = :blackhole:
"""
OPENSMTPD = """\
table users {{ {users} }}
listen on {address} port 25 hostname mail.example.com
action drop mda "/bin/cat >/dev/null" virtual <users>
match from any for domain example.com action drop
"""
VAR = ("mount -t tmpfs -o mode=755 tmpfs /var && mkdir -p /var/run /var/spool/smtpd && "
       "chmod 711 /var/spool/smtpd && ")
SENDMAIL = """\
divert(-1)
include(`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`debian')
define(`confDOMAIN_NAME', `mail.example.com')
define(`confPID_FILE', `{folder}/pid')
define(`QUEUE_DIR', `{folder}/spool')
define(`confMAX_DAEMON_CHILDREN', `0')
define(`confTO_IDENT', `0')
define(`confPRIVACY_FLAGS', `authwarnings')
FEATURE(`nocanonify')
FEATURE(`nouucp', `reject')
FEATURE(`accept_unresolvable_domains')
FEATURE(`virtusertable', `text {folder}/users')
VIRTUSER_DOMAIN(`example.com')
DAEMON_OPTIONS(`Name=MTA, Addr={address}, Port=25')
MAILER(`local')
MAILER(`smtp')
"""


class Mta:
    """What they have in common."""

    packages = ()
    users = ()  # (name, number)

    def __init__(self, folder, namespace):
        self.folder, self.namespace = Path(folder) / self.name, namespace
        self.unpacked = Unpacked(self.cache, self.packages, self.folder / "etc",
                                 self.folder / "run")
        self.daemon = None

    @property
    def cache(self):
        return self.name

    def prepare(self):
        self.unpacked.prepare()
        os.chmod(self.folder, 0o755)
        for name in ("passwd", "group"):
            shutil.copy(Path("/etc") / name, self.folder / "etc" / name)
        for name, number in self.users:
            self._append("passwd", f"{name}:x:{number}:{number}::/nonexistent:/bin/sh\n")
            self._append("group", f"{name}:x:{number}:\n")
        (self.folder / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")
        # Sendmail waits a minute for the whole name of a host that has none.
        (self.folder / "etc/hosts").write_text(
            f"127.0.0.1 localhost\n{SOURCE_ADDRESS[0]} mail.example.com {socket.gethostname()}\n",
            encoding="ascii")
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, self.users[0][1], self.users[0][1])
            os.chmod(self.folder / name, 0o777)  # Sendmail has several users

    def _append(self, name, line):
        with open(self.folder / "etc" / name, "a", encoding="utf-8") as file:
            file.write(line)

    def run(self, *command):
        self.daemon = Daemon(self.namespace, self.unpacked.command(*command),
                             self.folder / "output")
        wait_for_port(self.namespace, SOURCE_ADDRESS[0], 25, self.daemon, 30)

    def start(self):
        self.prepare()
        self.serve()

    def stop(self):
        if self.daemon:
            self.daemon.stop()


class Exim(Mta):
    name = "exim"
    packages = EXIM_PACKAGES
    users = (("Debian-exim", 990),)

    def serve(self):
        (self.folder / "etc/exim4").mkdir()
        (self.folder / "etc/exim4/exim4.conf").write_text(EXIM.format(folder=self.folder),
                                                          encoding="ascii")
        self.run("/usr/sbin/exim4", "-bdf", "-q1h")


class OpenSmtpd(Mta):
    name = "opensmtpd"
    packages = ("opensmtpd", "libevent-2.1-7", "libdb5.3")
    users = (("opensmtpd", 991), ("opensmtpq", 992), ("drop", 993))

    def serve(self):
        everybody = ", ".join(f'"user{n}@example.com" = "drop"' for n in range(1, 100))
        (self.folder / "etc/smtpd.conf").write_text(
            OPENSMTPD.format(users=everybody, address=SOURCE_ADDRESS[0]), encoding="ascii")
        (self.folder / "etc/mailname").write_text("mail.example.com\n", encoding="ascii")
        self.run("sh", "-c", VAR + "mkdir -p /var/lib/opensmtpd/empty && exec /usr/sbin/smtpd -d "
                 "-f /etc/smtpd.conf")


class Sendmail(Mta):
    name = "sendmail"
    packages = ("sendmail-bin", "sendmail-base", "sendmail-cf", "libsasl2-2", "libldap-2.5-0",
                "libdb5.3", "libwrap0", "liblockfile1", "libnsl2", "libtirpc3", "libtirpc-common",
                "m4", "libsigsegv2")
    users = (("smmta", 994), ("smmsp", 995))

    def serve(self):
        etc = self.folder / "etc/mail"
        etc.mkdir()
        (self.folder / "users").write_text("".join(
            f"user{n}@example.com postmaster\n" for n in range(1, 100)) +
            "@example.com error:5.1.1:550 no such user\n", encoding="ascii")
        (etc / "sendmail.mc").write_text(
            SENDMAIL.format(folder=self.folder, address=SOURCE_ADDRESS[0]), encoding="ascii")
        (etc / "local-host-names").write_text("mail.example.com\n", encoding="ascii")
        (etc / "aliases").write_text("postmaster: /dev/null\n", encoding="ascii")
        made = self.namespace.run(*self.unpacked.command(
            "sh", "-c", "m4 /etc/mail/sendmail.mc"))
        (etc / "sendmail.cf").write_text(made.stdout, encoding="utf-8")
        self.run("/usr/libexec/sendmail/sendmail", "-bD", "-q1h", "-C", "/etc/mail/sendmail.cf")


SERVERS = {one.name: one for one in (Exim, OpenSmtpd, Sendmail)}
