#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the source: who lives here is served, nobody reaches the old server."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402


class Retired(World):
    def __enter__(self):
        super().__enter__()
        self.here, self.never = self.user(5), self.user(5)
        self.move(self.here)
        self.ferry.ok("retire", "--yes", "--force")
        self.before = self.server.log_text()
        return self


@case
def who_lives_here_is_served(world):
    client = world.session(world.here)
    true(client.ok("SELECT INBOX"), "his mailbox")
    client.logout()


@case
def everybody_else_is_nobody(world):
    client = Imap(world.lab.connect(143))
    answer = client.login(world.never, world.password(world.never))
    true(b" NO [AUTHENTICATIONFAILED]" in answer, f"{answer!r}")
    client.close()


@case
def the_source_hears_nothing(world):
    equal(world.server.log_text(), world.before, "the old server's log")


if __name__ == "__main__":
    main(Retired)
