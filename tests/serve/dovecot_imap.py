# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot's imap program alone, before a session that is logged in already."""
import shutil
import socket
import subprocess

from lab.imap import Imap

CONFIGURATION = """\
base_dir = {folder}/run
log_path = {folder}/log
mail_location = sdbox:{folder}/home/mail
mail_home = {folder}/home
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
ssl = no
stats_writer_socket_path =
"""


class Dovecot:
    """client() is a session; close() ends it. Everything lies in the folder."""

    def __init__(self, folder):
        (folder / "home").mkdir(parents=True)
        (folder / "conf").write_text(CONFIGURATION.format(folder=folder))
        for path in (folder.parent, folder, folder / "home"):
            shutil.chown(path, "mail", "mail")
        ours, theirs = socket.socketpair()
        ours.settimeout(120)
        self.program = subprocess.Popen(
            ["setpriv", "--reuid", "mail", "--regid", "mail", "--clear-groups",
             "/usr/lib/dovecot/imap", "-c", folder / "conf"], stdin=theirs, stdout=theirs,
            env={"USER": "mail", "HOME": str(folder / "home")})
        theirs.close()
        self.client = Imap(ours)

    def close(self):
        self.client.close()
        self.program.wait(20)
