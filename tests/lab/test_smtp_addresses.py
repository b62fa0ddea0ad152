#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""However an address is written: mail for a user who has moved reaches them here, or is
refused; it never goes to the old mailbox."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import equal, main, table, true  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

FORMS = [
    ("no domain", "<%s>"),
    ("no brackets", "%s@example.com"),
    ("capitals", "<%S@Example.COM>"),
    ("a dot behind the domain", "<%s@example.com.>"),
    ("a quoted local part", '<"%s"@example.com>'),
    ("an escaped letter", "<\\%s@example.com>"),
    ("a comment", "<%s(it is me)@example.com>"),
    ("a comment behind it", "<%s@example.com (it is me)>"),
    ("a source route", "<@relay.example.org,@example.com:%s@example.com>"),
    ("a percent sign", "<%s%%example.com@example.com>"),
    ("a percent sign, no domain", "<%s%%example.com>"),
    ("an exclamation mark", "<example.com!%s@example.com>"),
    ("an address in quotes", '<"%s@example.com"@example.com>'),
    ("the source's address", "<%s@[198.51.100.10]>"),
    ("its other address", "<%s@[IPv6:2001:db8:5::10]>"),
    ("its name", "<%s@mail.example.com>"),
    ("localhost", "<%s@localhost>"),
    ("a sub-address", "<%s+lists@example.com>"),
]
UNREADABLE = [
    ("a name before it", "<A User <%s@example.com>"),
    ("a comment without an end", "<%s(x@example.com>"),
    ("a bracket without an end", "<%s@example.com"),
    ("no colon", None),
    ("two addresses", "<%s,x@example.com>"),
    ("a route within a route", "<@a:@b:%s@example.com>"),
    ("a blank", "<%s @example.com>"),
]


def path_of(form, user):
    return form.replace("%%", "\0").replace("%s", user).replace("%S", user.upper()) \
        .replace("\0", "%")


@table(FORMS)
def reaches_the_user_here(world, form):
    token, message = world.message()
    client = world.smtp()
    client.ok("MAIL FROM:<sender@example.org>")
    equal(client.code(f"RCPT TO:{path_of(form, world.here)}"), 250, "RCPT")
    equal(int(client.data(message)[:3]), 250, "final answer")
    client.quit()
    world.arrives(world.here, token)
    equal(world.copies(world.here, token, source=True), [], "in the old mailbox")


@table(UNREADABLE)
def is_refused(world, form):
    """At the source it might be delivered to the old mailbox."""
    command = f"RCPT TO:{path_of(form, world.here)}" if form else \
        f"RCPT TO <{at(world.here)}>"
    client = world.smtp()
    client.ok("MAIL FROM:<sender@example.org>")
    equal(client.code(command), 553, command)
    equal(client.code(f"RCPT TO:<{at(world.there)}>"), 250, "another one")
    client.quit()


@table([("no domain", "<%s>"), ("the source's address", "<%s@[198.51.100.10]>"),
        ("a foreign domain", "<x%%%s@example.org>"), ("nothing", "<>")])
def the_source_judges_the_others(world, form):
    """The same answer as without us, of a user who lives there."""
    path = path_of(form, world.there)
    straight = world.direct_smtp()
    client = world.smtp()
    for each in (straight, client):
        each.ok("MAIL FROM:<sender@example.org>")
    equal(client.command(f"RCPT TO:{path}"), straight.command(f"RCPT TO:{path}"), path)
    client.quit()
    straight.quit()


@table([("small", "<postmaster>"), ("capitals", "<POSTMASTER>"), ("mixed", "<PostMaster>")])
def postmaster_in_any_case(world, path):
    """RFC 5321, 4.5.1: the source's own alias leads to a user at the source."""
    client = world.smtp()
    client.ok("MAIL FROM:<sender@example.org>")
    true(client.code(f"RCPT TO:{path}") // 100 == 2, path)
    client.quit()


if __name__ == "__main__":
    main(Mail)
