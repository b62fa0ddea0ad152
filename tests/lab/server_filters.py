# SPDX-License-Identifier: GPL-3.0-or-later
"""Content filters as Debian has them, on the router: OpenDKIM (libmilter itself) and rspamd (a
milter of its own). Unpacked: nobody who runs the tests wants them as services."""
import os
import shutil
import subprocess
from pathlib import Path

from .processes import Daemon, wait_for_port, wait_until
from .unpacked import Unpacked

OPENDKIM = ("opendkim", "libopendkim11", "liblua5.3-0", "libmemcached11", "libmilter1.0.1",
            "libopendbx1", "librbl1", "libvbr2", "libunbound8", "libldap-2.5-0", "libdb5.3",
            "libbsd0", "libhashkit2", "libsasl2-2", "libevent-2.1-7")
RSPAMD = ("rspamd", "libhyperscan5", "libluajit2-5.1-2", "libluajit2-5.1-common", "libunwind8",
          "libpcre2-8-0", "libglib2.0-0", "libicu72", "libsodium23", "libsqlite3-0")
DKIM_CONF = """\
Syslog no
Mode s
Domain example.org
Selector lab
KeyFile {folder}/key.pem
Socket local:{folder}/socket
InternalHosts 0.0.0.0/0
RequireSafeKeys no
OversignHeaders From
UMask 000
"""


class Filter:
    def __init__(self, folder, namespace, name, packages):
        self.folder, self.namespace = Path(folder) / name, namespace
        self.packages = Unpacked(name, packages, self.folder / "etc", self.folder / "run")
        self.daemon = None

    def run(self, *command):
        self.daemon = Daemon(self.namespace, self.packages.command(*command),
                             self.folder / "output")

    def stop(self):
        if self.daemon:
            self.daemon.stop()


class OpenDkim(Filter):
    """Signs what example.org sends."""

    def __init__(self, folder, namespace):
        super().__init__(folder, namespace, "opendkim", OPENDKIM)
        self.name = f"unix:{self.folder}/socket"

    def start(self):
        self.packages.prepare()
        os.chmod(self.folder, 0o755)
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "key.pem", "2048"], check=True,
                       stderr=subprocess.DEVNULL)
        config = self.folder / "opendkim.conf"
        config.write_text(DKIM_CONF.format(folder=self.folder), encoding="ascii")
        self.run("/usr/sbin/opendkim", "-f", "-x", config)
        wait_until("opendkim", (self.folder / "socket").exists)


class Rspamd(Filter):
    """With its own configuration; the spam that it knows is GTUBE."""

    def __init__(self, folder, namespace):
        super().__init__(folder, namespace, "rspamd", RSPAMD)
        self.name = "inet:127.0.0.1:11332"

    def start(self):
        self.packages.prepare()
        os.chmod(self.folder, 0o755)
        shutil.copytree(self.packages.path / "etc/rspamd", self.folder / "etc/rspamd")
        local = self.folder / "etc/rspamd/local.d"
        local.mkdir(exist_ok=True)
        (local / "options.inc").write_text(
            'dns { nameserver = ["127.0.0.1:53"]; timeout = 0.1s; retransmits = 1; }\n'
            f'pidfile = "{self.folder}/pid"; tempdir = "{self.folder}";\n', encoding="ascii")
        (local / "milter_headers.conf").write_text(
            'use = ["x-spamd-result"]; skip_local = false; extended_spam_headers = true;\n',
            encoding="ascii")
        (local / "logging.inc").write_text('type = "console";\n', encoding="ascii")
        (local / "redis.conf").write_text("", encoding="ascii")
        for name in ("lib", "logs"):
            (self.folder / name).mkdir()
        self.run("/usr/bin/rspamd", "-f", "-i", "--var", f"DBDIR={self.folder}/lib",
                 "--var", f"RUNDIR={self.folder}", "--var", f"LOGDIR={self.folder}/logs")
        wait_for_port(self.namespace, "127.0.0.1", 11332, self.daemon, 60)
