# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that users move to: a Dovecot that believes the router who its clients are."""
from .network import SHORE_ADDRESS, SHORE_ROUTER
from .server_dovecot import Dovecot
from .server_postfix import Postfix


class DovecotShore(Dovecot):
    address = SHORE_ADDRESS[0]

    def __init__(self, folder, namespace, **options):
        super().__init__(folder / "shore", namespace, **options)

    def prepare(self):
        self.folder.parent.mkdir(mode=0o755, exist_ok=True)
        super().prepare()
        text = self.config.read_text(encoding="ascii")
        text = text.replace("instance_name = lab", "instance_name = shore")
        text += f"login_trusted_networks = {SHORE_ROUTER[0]}\n"
        text += "service lmtp {\n  inet_listener lmtp {\n    port = 24\n  }\n}\n"
        self.config.write_text(text, encoding="ascii")


class PostfixShore(Postfix):
    """In front of it, on port 25."""

    address = SHORE_ADDRESS[0]
