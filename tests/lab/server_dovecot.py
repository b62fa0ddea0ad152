# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: Dovecot of Debian, from its own configuration in the lab's folder.

IMAP, POP3 and LMTP on the ports people know, plain logins and STARTTLS. A user is a line
of a passwd-file; alice, ALICE and alice@example.com are one mailbox, as on most sites.
Its log names the client's address (rip=), which tests look for.
"""
import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import maildir
from .network import SOURCE_ADDRESS
from .processes import Daemon, wait_for_port, wait_until

# Dates with a zone that changes twice a year and is not ours: what is shown must be kept.
TIMEZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
OWNER = "mail"  # a user that each Debian has; all mailboxes belong to it

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/run
instance_name = lab
log_path = {folder}/dovecot.log
auth_verbose = yes
protocols = imap pop3 lmtp
listen = *, ::
mail_fsync = {fsync}
mail_location = {location}
mail_home = {folder}/home/%Ln
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
mail_max_keyword_length = 100
mdbox_rotate_size = 64M
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
{masters}passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%Ln {folder}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/home/%Ln
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
}}
# Thousands of sessions at once, and no punishment for a test's wrong passwords.
service anvil {{
  client_limit = 16000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  client_limit = 16000
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
service imap-login {{
  service_count = 0
  client_limit = 12000
  process_min_avail = 1
  vsz_limit = 1G
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service pop3-login {{
  service_count = 0
  client_limit = 4000
  process_min_avail = 1
  inet_listener pop3s {{
    port = {pop3s_port}
  }}
}}
service imap {{
  process_limit = 4000
}}
service pop3 {{
  process_limit = 1000
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"""

MASTERS = """\
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/masters
  master = yes
  result_success = continue
}}
"""

LOCATIONS = {
    # Flags live in file names and nothing but Dovecot's caches is written by reading, so
    # a test can prove from the files alone that nobody touched them.
    "maildir": "maildir:~/mail",
    "mdbox": "mdbox:~/mail",
}


class Dovecot:
    """storage: maildir or mdbox. prefix "INBOX." with separator "." is Courier's layout.
    masters: names and passwords by which others' mailboxes open (alice*name, or PLAIN).
    fsync: "optimized" is what Dovecot does by itself: what it acknowledged is on the disk."""

    name = "dovecot"
    imap_port = 143
    pop3_port = 110
    address = SOURCE_ADDRESS[0]

    def __init__(self, folder, namespace, storage="maildir", separator="/", prefix="",
                 mechanisms="plain login", timezone=TIMEZONE, masters=None, fsync="never"):
        self.folder = Path(folder) / "dovecot"
        self.fsync = fsync
        self.masters = dict(masters or {})
        self.namespace = namespace
        self.storage = storage
        self.separator = separator
        self.prefix = prefix
        self.mechanisms = mechanisms
        self.timezone = timezone
        self.log = self.folder / "dovecot.log"
        self.config = self.folder / "dovecot.conf"
        self.lmtp_socket = self.folder / "run" / "lmtp"
        self.auth_socket = self.folder / "run" / "auth-smtp"
        self.daemon = None
        self.users = {}
        self.written = 0

    def prepare(self):
        self.folder.mkdir(mode=0o755)
        (self.folder / "home").mkdir(mode=0o755)
        os.chmod(self.folder / "home", 0o777)
        self._make_certificate()
        self.config.write_text(CONFIG.format(
            folder=self.folder, owner=OWNER, location=LOCATIONS[self.storage],
            separator=self.separator, prefix=self.prefix, mechanisms=self.mechanisms,
            fsync=self.fsync,
            masters=MASTERS.format(folder=self.folder) if self.masters else "",
            imaps_port=993, pop3s_port=995), encoding="ascii")
        self.set_masters(self.masters)
        self._write_users()

    def _make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=mail.example.com",
             "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add_user(self, name, password):
        """name: lower case, no domain. The password may hold anything but NUL."""
        if self.users.get(name) != password:
            self.users[name] = password
            self._write_users()

    def set_masters(self, masters):
        """From then on these, with these passwords."""
        (self.folder / "masters").write_text(
            "".join(f"{name}:{password}\n" for name, password in masters.items()),
            encoding="ascii")
        self._wait_for_a_second()

    def remove_user(self, name):
        """Nobody knows them any more; their mailbox stays."""
        del self.users[name]
        self._write_users()

    def _write_users(self):
        lines = []
        for name, password in self.users.items():
            secret = base64.b64encode(password.encode()).decode()
            lines.append(f"{name}:{{PLAIN.b64}}{secret}::::::\n")
        text = "".join(lines)
        draft = self.folder / "users.new"  # renamed, so that it is never half there
        draft.write_text(text, encoding="ascii")
        self.written += 1  # Dovecot looks at most once a second whether mtime is another
        os.utime(draft, (self.written, self.written))
        os.replace(draft, self.folder / "users")
        self._wait_for_a_second()

    def _wait_for_a_second(self):
        if self.daemon:
            time.sleep(1.01 - time.time() % 1)

    def home(self, name):
        return self.folder / "home" / name

    def mail(self, name):
        """The folder of the user's mail storage."""
        return self.home(name) / "mail"

    def fill(self, user, mailbox):
        """Gives `user` (who must exist) that mailbox; they had none before."""
        home = self.home(user)
        home.mkdir(exist_ok=True)
        target = home / "mail" if self.storage == "maildir" else home / "draft"
        maildir.write(mailbox, target)
        give_away(home)
        if self.storage != "maildir":
            self.doveadm("backup", "-R", "-u", user, f"maildir:{target}")  # keeps UIDs
            shutil.rmtree(target)

    def start(self):
        self.daemon = Daemon(self.namespace, self._command("dovecot", "-F", "-c", self.config),
                             self.folder / "start.log", {"TZ": self.timezone})
        for port in self._ports():
            wait_for_port(self.namespace, self.address, port, self.daemon)
        # Its first greeting may be "Waiting for authentication process to respond".
        wait_until("Dovecot's greeting", self._is_ready)

    def _command(self, *words):
        return [*words]

    def _ports(self):
        return [self.pop3_port, self.imap_port]

    def _is_ready(self):
        with self.namespace.connect(self.address, self.imap_port) as connection:
            return b"CAPABILITY" in connection.recv(4096)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None

    def deliver(self, user, data, folder="INBOX"):
        """New mail, with \\Recent, as the old server's own delivery brings it."""
        subprocess.run(
            self.namespace.command("/usr/lib/dovecot/dovecot-lda", "-c", self.config,
                                   "-d", user, "-m", folder),
            input=data, check=True)

    def doveadm(self, *arguments):
        done = self.namespace.run("doveadm", "-c", self.config, *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"doveadm {' '.join(map(str, arguments))}: {done.stdout}")
        return done.stdout

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logins(self, user=None):
        """(user, client's address) of each accepted login, in order."""
        found = []
        for line in self.log_text().splitlines():
            if "-login: Info: Login: " not in line:
                continue
            fields = dict(part.split("=", 1) for part in line.split(", ") if "=" in part)
            name = line.split("user=<", 1)[1].split(">", 1)[0]
            if user in (None, name):
                found.append((name, fields.get("rip", "")))
        return found


def give_away(path):
    shutil.chown(path, OWNER, OWNER)
    for where, directories, names in os.walk(path):
        for name in directories + names:
            shutil.chown(os.path.join(where, name), OWNER, OWNER)
