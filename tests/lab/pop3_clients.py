# SPDX-License-Identifier: GPL-3.0-or-later
"""Real POP3 clients in the lab's client, all with "leave mail on the server".

    fetchmail = Fetchmail(lab, "alice", password)
    fetchmail.fetch()      # how many messages it has downloaded: all
    fetchmail.fetch()      # 0, as long as UIDLs are what they were

Each keeps what it has seen in a folder of the lab, by UIDL; curl, which keeps nothing, is
the work horse of a script that does.
"""
import os

from .network import SOURCE_ADDRESS, client_address
from .server_courier import give_away
from .server_dovecot import OWNER

HOST, PORT = SOURCE_ADDRESS[0], 110


class Client:
    """One copy of one user's mail. A subclass says how its program is run."""

    name = ""
    config = ""
    finds_nothing = 0  # exit status when there was no new mail

    def __init__(self, lab, user, password):
        self.lab = lab
        self.user = user
        self.password = password
        self.folder = lab.folder / f"{self.name}-{user}"
        for name in ("cur", "new", "tmp"):
            (self.folder / "mail" / name).mkdir(parents=True)
        give_away(self.folder / "mail")  # getmail does not write as root
        self.rc = self.folder / "rc"
        self.rc.touch(mode=0o600)
        self.rc.write_text(self.config.format(
            host=HOST, port=PORT, user=user, password=password, folder=self.folder,
            owner=OWNER), encoding="utf-8")

    def fetch(self):
        """Runs it once; returns how many messages it has downloaded."""
        before = len(self.messages())
        self.run_once()
        return len(self.messages()) - before

    def messages(self):
        """The files it has made."""
        return [file for file in (self.folder / "mail").glob("*/*") if file.is_file()]

    def run_once(self):
        self.run(*self.command())

    def command(self):
        raise NotImplementedError

    def run(self, *command):
        done = self.lab.client.run(*command, env={
            **os.environ, "HOME": str(self.folder), "FETCHMAILHOME": str(self.folder),
            "RES_OPTIONS": "timeout:1 attempts:1"})  # nobody answers DNS in here
        if done.returncode not in (0, self.finds_nothing):
            raise AssertionError(f"{self.name}: exit {done.returncode}\n{done.stdout[-2000:]}")
        return done.stdout


class Fetchmail(Client):
    """`fastuidl 0`: it looks at every UIDL, not only for the first that is new."""

    name = "fetchmail"
    finds_nothing = 1
    config = """\
set idfile "{folder}/ids"
set pidfile "{folder}/pid"
poll {host} service {port} protocol pop3 uidl timeout 60 bad-header accept
    user "{user}" password "{password}" keep no rewrite sslproto "" fastuidl 0
    mda "cat > $(mktemp {folder}/mail/new/XXXXXXXXXX)"
"""

    def command(self):
        return ["fetchmail", "--nosyslog", "--fetchmailrc", self.rc]


# getmail forks for each message and only then asks to be told of the child's end: one that is
# quick ends unheard, and getmail gives up after a minute. So it waits as everybody does.
GETMAIL = """
import os, runpy
from getmailcore.baseclasses import ForkingBase
ForkingBase._prepare_child = lambda self: None
ForkingBase._wait_for_child = (
    lambda self, pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
runpy.run_path("/usr/bin/getmail", run_name="__main__")
"""


class Getmail(Client):
    """getmail6."""

    name = "getmail"
    config = """\
[retriever]
type = SimplePOP3Retriever
server = {host}
port = {port}
username = {user}
password = {password}
[destination]
type = Maildir
path = {folder}/mail/
user = {owner}
[options]
read_all = false
delete = false
verbose = 0
"""

    def command(self):
        return ["/usr/bin/python3", "-c", GETMAIL, "--getmaildir", self.folder, "--rcfile", self.rc]


class Mpop(Client):
    """It asks for CAPA and then works pipelined."""

    name = "mpop"
    config = """\
account default
host {host}
port {port}
user {user}
password {password}
auth user
tls off
keep on
only_new on
received_header off
uidls_file {folder}/uidls
delivery maildir {folder}/mail
"""

    def command(self):
        return ["mpop", "-C", self.rc]


class Curl(Client):
    """A script's way: UIDL, then RETR of each that is not in its list."""

    name = "curl"
    config = "user = \"{user}:{password}\"\n"

    def run_once(self):
        seen = self.folder / "seen"
        known = set(seen.read_text(encoding="ascii").split()) if seen.exists() else set()
        url = f"pop3://{HOST}:{PORT}/"
        lines = self.run(*self.command(), "-X", "UIDL", url).splitlines()
        uidls = dict(line.split() for line in lines if line)
        new = [number for number, uidl in uidls.items() if uidl not in known]
        if new:  # one connection for all
            wanted = [word for number in new for word in
                      (url + number, "-o", self.folder / "mail" / "new" / uidls[number])]
            self.run(*self.command(), *wanted)
        seen.write_text("\n".join(uidls.values()), encoding="ascii")

    def command(self):
        return ["curl", "-sS", "-K", self.rc, "--interface", client_address(12)]


CLIENTS = (Fetchmail, Getmail, Mpop, Curl)
