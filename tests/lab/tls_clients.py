# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs of Debian, each in the ways in which it speaks TLS, and in clear.

    program = Program(world, "alice", *row)   # a row of PROGRAMS
    program.run()                              # what it has got: numbers, or how many are new

They ask for mail.example.com, which is the old server's address in here, and trust our
certificate alone, so that one of somebody else's is an error.
"""
import os
import re

from . import tls
from .server_courier import give_away
from .server_dovecot import OWNER

CURL = ["curl", "-sS", "--cacert", "{trusted}", "-u", "{user}:{password}"]
MBSYNC = """\
FSync no
IMAPAccount old
Host {name}
User {user}
Pass "{password}"
AuthMechs LOGIN
{tls}

IMAPStore far
Account old

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/inbox

Channel all
Far :far:
Near :near:
Sync Pull
Create Near
SyncState {folder}/
"""
FETCHMAIL = """\
set idfile "{folder}/ids"
set pidfile "{folder}/pid"
poll {name} protocol pop3 uidl timeout 60 bad-header accept {tls}
    user "{user}" password "{password}" keep no rewrite fastuidl 0 {user_tls}
    mda "cat > $(mktemp {folder}/mail/new/XXXXXXXXXX)"
"""
GETMAIL = """\
[retriever]
type = {tls}
server = {name}
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
MPOP = """\
account default
host {name}
user {user}
password {password}
auth user
keep on
only_new on
received_header off
uidls_file {folder}/uidls
delivery maildir {folder}/mail
{tls}
"""
MUTT = """\
set folder="{tls}{user}@{name}"
set spoolfile="+INBOX" imap_user="{user}" imap_pass="{password}" record="" postponed=""
set certificate_file="{trusted}" ssl_ca_certificates_file="{trusted}"
set ssl_verify_host=no ssl_starttls={starttls} ssl_force_tls={starttls}
set confirmcreate=no confirmappend=no mbox_type=mbox quit=yes delete=no wait_key=no sleep_time=0
push "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{folder}/copy<enter><exit>"
"""
# getmail forks for each message and only then asks to be told of the child's end: see
# lab/pop3_clients.py
GETMAIL_RUN = """
import os, runpy
from getmailcore.baseclasses import ForkingBase
ForkingBase._prepare_child = lambda self: None
ForkingBase._wait_for_child = (
    lambda self, pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
runpy.run_path("/usr/bin/getmail", run_name="__main__")
"""
CHECKED = 'sslcertck sslcertfile "{trusted}"'


def from_output(_program, output):
    """Lines of the answer that differ from message to message, not from run to run."""
    return re.sub(r"^(Connect|\* OK|\+OK).*\n?", "", output, flags=re.M)


def selected(_program, output):
    """What a login, EXAMINE and a search have said of the mailbox itself."""
    return re.findall(r"^\* (SEARCH.*|\d+ EXISTS|OK \[UID(?:VALIDITY|NEXT) \d+)", output, re.M)


def new_files(program, _output):
    return program.count_new()


def copied(program, _output):
    """How many messages lie in the mbox that it has made."""
    copy = program.folder / "copy"
    text = copy.read_bytes()
    copy.unlink()
    return len(re.findall(rb"^From ", text, re.M))


def row(name, command, result, config="", twin="", **words):
    return (name, command, result, config, twin, words)


def curl(url, *options):
    return [*CURL, *options, url + "://{name}/INBOX"]


def curl_pop(url, *options):
    return [*CURL, *options, "-X", "UIDL", url + "://{name}/"]


MBSYNC_RUN = ["mbsync", "-q", "-c", "{rc}", "all"]
FETCHMAIL_RUN = ["fetchmail", "--nosyslog", "--fetchmailrc", "{rc}"]
GETMAIL_ARGUMENTS = ["/usr/bin/python3", "-c", "{getmail}", "--getmaildir", "{folder}",
                     "--rcfile", "{rc}"]
MPOP_RUN = ["mpop", "-C", "{rc}"]
SEARCH = ("-X", "UID SEARCH ALL")
S_CLIENT = ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", "{trusted}",
            "-servername", "{name}", "-connect"]


def mutt(program):
    return ["script", "-qec", program + " -R -F {rc}", "/dev/null"]


# name, what it runs, what that has given, its settings, which other it has to equal
PROGRAMS = [
    row("curl imap", curl("imap", *SEARCH), from_output),
    row("curl imaps", curl("imaps", *SEARCH), from_output, twin="curl imap"),
    row("curl STARTTLS", curl("imap", "--ssl-reqd", *SEARCH), from_output, twin="curl imap"),
    row("curl pop3", curl_pop("pop3"), from_output),
    row("curl pop3s", curl_pop("pop3s"), from_output, twin="curl pop3"),
    row("curl STLS", curl_pop("pop3", "--ssl-reqd"), from_output, twin="curl pop3"),
    row("mbsync imap", MBSYNC_RUN, new_files, MBSYNC, tls="SSLType None"),
    row("mbsync imaps", MBSYNC_RUN, new_files, MBSYNC, "mbsync imap",
        tls="SSLType IMAPS\nCertificateFile {trusted}"),
    row("mbsync STARTTLS", MBSYNC_RUN, new_files, MBSYNC, "mbsync imap",
        tls="SSLType STARTTLS\nCertificateFile {trusted}"),
    row("fetchmail pop3", FETCHMAIL_RUN, new_files, FETCHMAIL, tls="service 110",
        user_tls='sslproto ""'),
    row("fetchmail pop3s", FETCHMAIL_RUN, new_files, FETCHMAIL, "fetchmail pop3",
        tls="service 995", user_tls="ssl " + CHECKED),
    row("fetchmail STLS", FETCHMAIL_RUN, new_files, FETCHMAIL, "fetchmail pop3",
        tls="service 110", user_tls='sslproto "auto" ' + CHECKED),
    row("getmail pop3", GETMAIL_ARGUMENTS, new_files, GETMAIL, tls="SimplePOP3Retriever"),
    row("getmail pop3s", GETMAIL_ARGUMENTS, new_files, GETMAIL, "getmail pop3",
        tls="SimplePOP3SSLRetriever\nca_certs = {trusted}"),
    row("getmail imaps", GETMAIL_ARGUMENTS, new_files, GETMAIL, "getmail pop3",
        tls="SimpleIMAPSSLRetriever\nca_certs = {trusted}"),
    row("mpop pop3", MPOP_RUN, new_files, MPOP, tls="tls off"),
    row("mpop pop3s", MPOP_RUN, new_files, MPOP, "mpop pop3",
        tls="tls on\ntls_starttls off\ntls_trust_file {trusted}"),
    row("mpop STLS", MPOP_RUN, new_files, MPOP, "mpop pop3",
        tls="tls on\ntls_starttls on\ntls_trust_file {trusted}"),
    row("mutt imaps", mutt("mutt"), copied, MUTT, tls="imaps://", starttls="yes"),
    row("mutt STARTTLS", mutt("mutt"), copied, MUTT, "mutt imaps", tls="imap://", starttls="yes"),
    row("neomutt imaps", mutt("neomutt"), copied, MUTT, "mutt imaps", tls="imaps://",
        starttls="yes"),
    row("neomutt STARTTLS", mutt("neomutt"), copied, MUTT, "mutt imaps", tls="imap://",
        starttls="yes"),
    row("s_client imaps", [*S_CLIENT, "{name}:993"], selected),
    row("s_client STARTTLS", [*S_CLIENT, "{name}:143", "-starttls", "imap"], selected,
        twin="s_client imaps"),
]
NOTHING_NEW = {"fetchmail": 1}  # exit status
SECONDS = {"getmail": 90}       # it starts a process for each message


class Program:
    """One of them for one user, with what it remembers."""

    def __init__(self, world, user, name, command, result, config, twin, words):
        self.world, self.name, self.result, self.twin = world, name, result, twin
        self.folder = world.lab.folder / f"{name.replace(' ', '-')}-{user}"
        self.files = 0
        for place in ("cur", "new", "tmp"):
            (self.folder / "mail" / place).mkdir(parents=True)
        give_away(self.folder / "mail")  # getmail does not write as root
        self.words = {"name": tls.NAME, "user": user, "password": world.password(user),
                      "folder": self.folder, "rc": self.folder / "rc", "owner": OWNER,
                      "getmail": GETMAIL_RUN, "trusted": self._trusted()}
        self.words.update({k: v.format(**self.words) for k, v in words.items()})
        self.command = [part.format(**self.words) for part in command]
        self.words["rc"].touch(mode=0o600)
        self.words["rc"].write_text(config.format(**self.words), encoding="utf-8")

    def _trusted(self):
        """Our certificates and no other."""
        file = self.folder / "trusted.pem"
        file.write_text("".join(open(f, encoding="ascii").read() for f in self.world.ours),
                        encoding="ascii")
        return file

    def count_new(self):
        before, self.files = self.files, sum(
            1 for f in (self.folder / "mail").glob("**/*") if f.is_file() and
            f.parent.name in ("cur", "new"))
        return self.files - before

    def run(self):
        user, password = self.words["user"], self.words["password"]
        say = f"a LOGIN {user} {password}\r\nb EXAMINE INBOX\r\nc UID SEARCH ALL\r\nd LOGOUT\r\n"
        done = self.world.lab.client.run(
            *tls.by_name(self.folder), *self.command, timeout=SECONDS.get(self.name.split()[0], 15), input=say if "s_client" in self.name else "",
            env={**os.environ, "HOME": str(self.folder), "FETCHMAILHOME": str(self.folder),
                 "TERM": "xterm", "RES_OPTIONS": "timeout:1 attempts:1"})
        program = self.name.split()[0]
        if done.returncode not in (0, NOTHING_NEW.get(program, 0)):
            raise AssertionError(f"{self.name}: exit {done.returncode}\n{done.stdout[-2000:]}")
        return self.result(self, done.stdout)
