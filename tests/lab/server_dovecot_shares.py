# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server: a Dovecot with all that is not a user's mail: public folders, folders that
users share (acl), quotas, and filters by ManageSieve (Pigeonhole, which is unpacked)."""
from .server_dovecot import Dovecot, give_away
from .unpacked import Unpacked

CONFIG = """\
protocols = imap pop3 lmtp sieve
mail_plugins = acl quota
protocol imap {{
  mail_plugins = $mail_plugins imap_acl imap_quota
}}
namespace {{
  type = public
  separator = /
  prefix = Public/
  location = maildir:{folder}/public:INDEXPVT=~/public
  subscriptions = no
  list = yes
}}
namespace {{
  type = shared
  separator = /
  prefix = shared/%%n/
  location = maildir:%%h/mail:INDEXPVT=~/shared/%%n
  subscriptions = no
  list = no
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{folder}/shared-mailboxes
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=10M
  quota_rule2 = *:messages=1000
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
service managesieve-login {{
  inet_listener sieve {{
    port = 4190
  }}
}}
"""


class DovecotShares(Dovecot):
    """Public/News: everybody reads it. Public/Secret: everybody sees that it is there."""

    def __init__(self, folder, namespace, **options):
        super().__init__(folder, namespace, **options)
        self.pigeonhole = Unpacked("managesieve", ("dovecot-sieve", "dovecot-managesieved"),
                                   self.folder / "etc", self.folder / "unpacked-run")

    def prepare(self):
        super().prepare()
        self.pigeonhole.prepare()
        with open(self.config, "a", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder))
        for name, rights in (("News", "lr"), ("Secret", "l")):
            public = self.folder / "public" / f".{name}"
            for part in ("cur", "new", "tmp"):
                (public / part).mkdir(parents=True)
            (public / "dovecot-acl").write_text(f"anyone {rights}\n", encoding="ascii")
        give_away(self.folder / "public")
        (self.folder / "shared-mailboxes").touch()
        (self.folder / "shared-mailboxes").chmod(0o666)
        self.folder.chmod(0o777)  # that file is made anew beside itself

    def _command(self, *words):
        return self.pigeonhole.command(*words)

    def _ports(self):
        return [*super()._ports(), 4190]
