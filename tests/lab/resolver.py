# SPDX-License-Identifier: GPL-3.0-or-later
"""A resolver that verifies, and the signed zone example.com that it answers from; it asks nobody."""
from pathlib import Path

from .network import SOURCE_ADDRESS, run
from .processes import Daemon, wait_for_port

ZONE = """\
$ORIGIN example.com.
$TTL 60
@ IN SOA mail postmaster 1 3600 600 86400 60
@ IN NS mail
@ IN MX 10 mail
mail IN A {address}
"""

CONFIG = """\
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1
  do-ip6: no
  do-daemonize: no
  module-config: "validator iterator"
  trust-anchor-file: "{anchor}"
  local-zone: "." refuse
  local-zone: "example.com." transparent
remote-control:
  control-enable: no
auth-zone:
  name: example.com
  zonefile: "{zone}"
  for-downstream: no
  for-upstream: yes
"""


class Resolver:
    """tlsa: data of TLSA records for SMTP of mail.example.com."""

    def __init__(self, folder, namespace, tlsa):
        self.folder, self.namespace, self.tlsa = Path(folder), namespace, tlsa
        self.daemon = None

    def start(self):
        self.folder.mkdir()
        zone = self.folder / "example.com"
        zone.write_text(ZONE.format(address=SOURCE_ADDRESS[0]) + "".join(
            f"_25._tcp.mail IN TLSA {data}\n" for data in self.tlsa), encoding="ascii")
        key = run("ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k",
                  "example.com", cwd=self.folder).strip()
        run("ldns-signzone", zone, self.folder / key)
        config = self.folder / "unbound.conf"
        config.write_text(CONFIG.format(folder=self.folder, zone=f"{zone}.signed",
                                        anchor=self.folder / f"{key}.ds"), encoding="ascii")
        self.daemon = Daemon(self.namespace, ["unbound", "-d", "-c", config],
                             self.folder / "unbound.log")
        wait_for_port(self.namespace, "127.0.0.1", 53, self.daemon)

    def view(self):
        """What goes before a command that shall ask it; see tls.by_name()."""
        file = self.folder / "resolv.conf"
        file.write_text("nameserver 127.0.0.1\n", encoding="ascii")
        return ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file]

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None
