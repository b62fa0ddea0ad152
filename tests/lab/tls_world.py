# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab whose mailferry ends its clients' TLS."""
from . import tls
from .harness import World, true
from .imap import Imap
from .pop3 import Pop3


class TlsWorld(World):
    """mailferry holds keys (EC and RSA) for mail.example.com; the source has another key."""

    def __enter__(self):
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            self._make_certificates()
            return start()
        self.ferry.start = prepared
        return super().__enter__()

    def _make_certificates(self):
        pairs = [tls.make_certificate(self.lab.folder, "ours-" + kind, kind=kind)
                 for kind in ("ec", "rsa")]
        self.ours = [certificate for certificate, _ in pairs]
        self.ferry.settings["tls"] = {"certificate": self.ours,
                                      "key": [key for _, key in pairs],
                                      "source_verify": "none"}

    def secure(self, port, user="", name=tls.NAME, context=None):
        return tls.begin(self.lab.connect(port, self.address(user)), name, context)

    def starttls(self, user="", name=tls.NAME):
        """A connection to port 143 that has gone over to TLS."""
        client = self.imap(user)
        client.ok("STARTTLS")
        return tls.begin(client.socket, name)

    def stls(self, user="", name=tls.NAME):
        connection = self.lab.connect(110, self.address(user))
        Pop3(connection).ok("STLS")
        return tls.begin(connection, name)

    @property
    def source_certificate(self):
        return tls.in_file(self.server.folder / "cert.pem")


def imap_inside(world, user, connection, greeting=True):
    client = Imap(connection, greeting)
    answer = client.login(user, world.password(user))
    true(b" OK " in answer, f"login of {user}: {answer!r}")
    return client
