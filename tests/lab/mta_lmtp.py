# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers of the admin's own, on the router, that hand over mail to mailferry by LMTP.
Their lines are those of docs/handbook/lmtp.md."""
from .sender_exim import LocalExim
from .sender_postfix import LocalPostfix
from .server_postfix import HOUSE, MASTER

POSTFIX = HOUSE + """\
myhostname = mta.example.com
inet_interfaces =
inet_protocols = ipv4
virtual_mailbox_domains = example.com
virtual_transport = lmtp:{place}
"""

EXIM = """\
primary_hostname = mta.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
disable_ipv6
keep_environment =
begin routers
mailferry:
  driver = accept
  domains = example.com
  transport = mailferry_lmtp
begin transports
mailferry_lmtp:
  driver = {driver}
begin retry
* * F,1h,2s
"""
EXIM_DRIVERS = {"unix": "lmtp\n  socket = {path}\n  batch_max = 50",
                "inet": "smtp\n  protocol = lmtp\n  hosts = {host}\n  port = {port}\n"
                        "  allow_localhost\n  max_rcpt = 50"}


class HandingPostfix(LocalPostfix):
    """place: as Postfix writes it, "unix:/path" or "inet:127.0.0.1:24". more: lines of
    main.cf; smtpd: a port of the loopback where it takes mail."""

    def __init__(self, folder, namespace, place, more="", smtpd=0):
        super().__init__(folder, namespace)
        self.place, self.more, self.smtpd = place, more, smtpd

    def main(self):
        return POSTFIX.format(folder=self.folder, place=self.place) + self.more

    def master(self):
        lines = [line for line in MASTER.splitlines() if not line.startswith("smtp ")]
        if self.smtpd:
            lines.append(f"127.0.0.1:{self.smtpd} inet n - n - - smtpd")
        return "\n".join(lines) + "\n"


class HandingExim(LocalExim):
    """place: as HandingPostfix has it. It delivers at once, and leaves in its queue what it
    must try again; run_queue() tries."""

    def __init__(self, folder, namespace, place):
        kind, rest = place.split(":", 1)
        host, _, port = rest.rpartition(":")
        driver = EXIM_DRIVERS[kind].format(path=rest, host=host, port=port)
        super().__init__(folder, namespace, EXIM.format(folder=folder, driver=driver))

    def start(self):
        self.prepare()

    def run_queue(self):
        self.run("-qff")

    def queued(self):
        return int(self.run("-bpc"))

    def stop(self):
        pass
