# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that users move to: a Dovecot that believes the router who its clients are."""
import shutil

from .network import SHORE_ADDRESS, SHORE_ROUTER
from .server_dovecot import OWNER, Dovecot
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


class DovecotOnMaildirs(DovecotShore):
    """On Maildirs that somebody else writes: `tree`/NAME. Its names are the source's."""

    def __init__(self, folder, namespace, tree, **options):
        super().__init__(folder, namespace, **options)
        self.tree = tree

    def prepare(self):
        super().prepare()
        self.tree.mkdir()
        self.tree.chmod(0o755)
        shutil.chown(self.tree, OWNER, OWNER)
        text = self.config.read_text(encoding="ascii")
        text += "mail_plugins = listescape\n"  # of names with . / and \\ in them
        text = text.replace("mail_location = maildir:~/mail",
                            f"mail_location = maildir:{self.tree}/%Ln")
        self.config.write_text(text, encoding="ascii")

    def mail(self, name):
        return self.tree / name
