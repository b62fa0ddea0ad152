#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address take-over: mailferry has the old server's address, the old server another one on
the same LAN, whose gateway is somebody else. What the source sees, and what it must not be
made to do.

test_takeover.py [WORD...]
"""
import contextlib
import json
import ssl
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import World, case, equal, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import LAN_ROUTER, LAN_SOURCE, SOURCE_ADDRESS, Lan  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

NO_MAIL = {"services": {name: {"enabled": False} for name in ("smtp", "smtps", "submission")}}
# the router has both since the take-over; which one it shows is the kernel's choice
DENIED = (454, 554)  # Postfix: Relay access denied
OURS = {LAN_ROUTER[0], LAN_ROUTER[1], *SOURCE_ADDRESS}


class TakeOver(World):
    def __init__(self):
        super().__init__(postfix=True, network=Lan,
                         settings={"source_moved_to": LAN_SOURCE[0]})
        self.somebody_lives_here = False

    def __enter__(self):
        self.lab.up()
        self.lab.network.take_over()
        self.postfix(mynetworks="127.0.0.0/8", smtpd_authorized_xclient_hosts="")
        self.ferry.write_config()
        return self

    def postfix(self, **lines):
        self.lab.postfix.configure(**lines)

    def direct(self):
        return self.lab.source.connect(LAN_SOURCE[0], 143)

    def configure(self, **settings):
        self.ferry.settings = {k: v for k, v in self.ferry.settings.items()
                               if k not in ("source_leg", "services")}
        self.ferry.settings.update(settings)

    def up(self, **settings):
        self.configure(**settings)
        served = self.times_serving()
        self.ferry.start()
        # who lives here is served before the way to the source is known
        wait_until("the way to be known", lambda: self.times_serving() > served, 30)
        self.ferry.settle(1.5)  # the workers read it once a second

    def times_serving(self):
        log = self.ferry.log
        return log.read_text().count("starting -> serving") if log.exists() else 0

    def refused(self, **settings):
        """What it says when it does not start."""
        try:
            self.up(**settings)
        except RuntimeError as error:
            self.ferry.stop()
            return str(error)
        self.ferry.stop()
        raise AssertionError("it started")

    def down(self):
        equal(self.ferry.stop(), 0, "exit status")

    def leg(self, **settings):
        """What `check` says about the way to the source: (levels, text)."""
        self.configure(**settings)
        self.ferry.write_config()
        done = self.ferry.command("check", "--json")
        found = [f for f in json.loads(done.stdout)["findings"] if f["name"] == "source_leg"]
        return {f["level"] for f in found}, " ".join(f["text"] for f in found)

    def settle_somebody(self):
        """Somebody lives here, whatever cases ran before."""
        if not self.somebody_lives_here:
            self.up(**NO_MAIL)
            self.move(self.user(3))
            self.down()
        self.somebody_lives_here = True

    def rip(self, user):
        """The addresses of this user's logins in the source's log."""
        return [address for _, address in self.server.logins(user)]

    def wait_login(self, user, addresses, what, times=1):
        """So many logins of that user from there. The log has one a moment after the user was
        let in, and one of the transfer's, which begins at once, maybe before it."""
        try:
            wait_until(f"{what}: {times} logins of {user} from {addresses}",
                       lambda: len([a for a in self.rip(user) if a in addresses]) == times)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the log has {self.rip(user)}") from None

    def smtp(self, family=4, number=11):
        client = Smtp(self.lab.connect(25, self.address(f"u{number}", family), family))
        client.ehlo = client.ok("EHLO client.example.org")
        return client

    def smtp_clients(self):
        return self.lab.postfix.log_text()


@case
def check_and_up_find_that_the_answers_go_another_way(world):
    levels, text = world.leg()
    true("problem" in levels, (levels, text))
    true("do not come back through this host (pop3 imap imaps pop3s)" in text and
         LAN_ROUTER[0] in text and "(smtp)" in text, text)
    said = world.refused()
    true("do not come back through this host (smtp): mail would time out" in said, said[-800:])
    nothing([line for line in world.lab.router.run("nft", "list", "tables").stdout.splitlines()
             if "mailferry" in line], "no rules were left")


@case
def an_open_relay_is_not_made(world):
    """The source trusts its LAN: strangers would be taken for us."""
    world.postfix(mynetworks="127.0.0.0/8 198.51.100.0/24")
    levels, text = world.leg(source_leg="own", pop_before_smtp=True)
    del world.ferry.settings["pop_before_smtp"]
    true("problem" in levels and "the source relays for 198.51.100." in text, (levels, text))
    true("pop_before_smtp is of no use" in text, text)
    said = world.refused(source_leg="own")
    true("the source relays for 198.51.100." in said and "mynetworks" in said, said[-900:])


@case
def the_minute_of_the_swap_and_the_way_back(world):
    """As the handbook has it; nobody has moved yet."""
    user = world.user(3)
    world.up(**NO_MAIL)
    client = world.session(user)
    world.ferry.ok("route", user, "source")
    client.logout()
    world.down()
    world.lab.network.give_back()
    client = world.session(user)
    world.wait_login(user, [world.address(user)], "the old server by itself")
    client.logout()
    world.lab.network.take_over()


@case
def mailboxes_move_from_our_own_address(world):
    """Nothing is set: for IMAP and POP3 it is chosen. All looks as it does to clients."""
    world.up(**NO_MAIL)
    true("we connect from ours" in world.ferry.log.read_text(), "it says so")
    for family in (4, 6):
        user = world.user(40)
        before = compare.snapshot(world.direct(), user, world.password(user))
        client = world.session(user, family)
        client.logout()
        world.ferry.wait_account(user, stage="done", route="local")
        true(set(world.rip(user)) & OURS and world.address(user, family) not in world.rip(user),
             world.rip(user))
        nothing(compare.differences(before, world.here(user)), "source and here")
        world.somebody_lives_here = True
    gateway = world.lab.network.gateway  # it asks for the source, as gateways do
    for family, address in zip(("-4", "-6"), LAN_SOURCE):
        gateway.ip(family, "neigh", "flush", "dev", "lan")
        gateway.connect(address, 143).close()
    time.sleep(5.5)
    nothing([u for u in world.ferry.json("status")["unseen"] if u["service"] == "any"],
            "hosts that may reach the source past us")
    world.down()


@case
def imap_says_whose_connection_it_is(world):
    """Dovecot takes the client's address from those that it trusts, and from nobody else:
    what the client itself says of it does not get there."""
    config = world.server.config
    text = config.read_text()
    config.write_text(text + f"login_trusted_networks = {' '.join(sorted(OURS))}\n")
    world.server.doveadm("reload")
    world.up(source_leg="own", **NO_MAIL)
    for family in (4, 6):
        user = world.user(5)
        client = world.imap(user, family)
        client.ok('ID ("x-originating-ip" "192.0.2.99" "name" "liar")')
        true(b" OK " in client.login(user, world.password(user)), "login")
        world.wait_login(user, [world.address(user, family)], "the source sees the client")
        client.logout()
    world.down()
    config.write_text(text)
    world.server.doveadm("reload")


@case
def who_lives_here_is_served_where_mail_may_not_go(world):
    """It starts, says why, and no mail goes to the source: the sender comes again."""
    world.settle_somebody()
    world.postfix(mynetworks="127.0.0.0/8 198.51.100.0/24")
    world.up(source_leg="own")
    user = world.user(3)
    client = world.smtp(number=16)
    true(client.mail(f"{user}@example.com")[0] // 100 == 4, "later")
    client.ok("RSET")
    true(client.mail("stranger@example.net")[0] // 100 != 2, "not for strangers")
    attention = " ".join(world.ferry.json("status")["attention"])
    true("the source relays for 198.51.100." in attention, attention)
    true("no mail goes to the source by smtp" in attention, attention)
    world.session(user).logout()
    world.down()


@case
def xclient_carries_the_clients_address(world):
    world.postfix(mynetworks="127.0.0.0/8 198.51.100.0/24",
                  smtpd_authorized_xclient_hosts="198.51.100.0/24")
    world.up(source_leg="own")
    for family in (4, 6):
        user = world.user(3)
        client = world.smtp(family)
        true(b"XCLIENT" not in client.ehlo, client.ehlo)
        equal(client.code("XCLIENT ADDR=127.0.0.1"), 502, "nobody but us says XCLIENT")
        equal(client.deliver(b"Subject: x\r\n\r\nx\r\n", f"{user}@example.com"), 250)
        true(client.mail("stranger@example.net")[0] in DENIED, "it does not relay for a stranger")
        client.ok("RSET")
        client.ok("QUIT")
        address = world.address("u11", family)
        wait_until("the client in the log", lambda: f"client=unknown[{address}]" in
                   world.smtp_clients())
    world.down()


@case
def xclient_that_is_withdrawn_ends_the_session(world):
    """Never from our own address without it."""
    world.up(source_leg="own")
    world.postfix(mynetworks="127.0.0.0/8 198.51.100.0/24", smtpd_authorized_xclient_hosts="")
    client = Smtp(world.lab.connect(25, world.address("u12")))
    true(client.greeting[:1] in (b"4", b"2"), client.greeting)
    code = client.code("EHLO client.example.org") if client.greeting[:1] == b"2" else 421
    if code == 250:
        code = client.code("MAIL FROM:<a@example.org>")
        code = client.code("RCPT TO:<stranger@example.net>") if code == 250 else code
    true(code // 100 == 4, code)
    world.down()


@case
def a_source_that_relays_for_nobody_takes_mail_from_us(world):
    world.postfix(mynetworks="127.0.0.0/8", smtpd_authorized_xclient_hosts="")
    world.up(source_leg="own")
    user = world.user(3)
    client = world.smtp(number=13)
    equal(client.deliver(b"Subject: y\r\n\r\ny\r\n", f"{user}@example.com"), 250)
    true(client.mail("stranger@example.net")[0] in DENIED, "nor for a stranger")
    client.ok("QUIT")
    wait_until("ours in the log", lambda: any(f"client=unknown[{a}]" in world.smtp_clients()
                                              for a in OURS))
    world.down()


# Ports that expect the PROXY protocol beside those that do not; Postfix's trust its LAN.
DOVECOT_BEHIND_A_PROXY = f"""
haproxy_trusted_networks = {" ".join(sorted(OURS))}
service imap-login {{
  inet_listener imap-behind {{
    port = 10143
    haproxy = yes
  }}
  inet_listener imaps-behind {{
    port = 10993
    haproxy = yes
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3-behind {{
    port = 10110
    haproxy = yes
  }}
}}
"""
POSTFIX_BEHIND_A_PROXY = """
10025      inet  n - n - -   smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
10465      inet  n - n - -   smtpd
  -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_tls_wrappermode=yes
10026      inet  n - n - 1   postscreen
  -o postscreen_upstream_proxy_protocol=haproxy -o postscreen_greet_wait=1s
smtpd      pass  - - n - -   smtpd
dnsblog    unix  - - n - 0   dnsblog
tlsproxy   unix  - - n - 0   tlsproxy
"""


@contextlib.contextmanager
def ports_behind_a_proxy(world):
    dovecot, postfix = world.server.config, world.lab.postfix.folder / "master.cf"
    added = ((dovecot, DOVECOT_BEHIND_A_PROXY), (postfix, POSTFIX_BEHIND_A_PROXY))
    texts = [(path, path.read_text()) for path, _ in added]
    for path, more in added:
        path.write_text(path.read_text() + more)
    world.server.doveadm("reload")
    world.postfix(mynetworks="127.0.0.0/8 198.51.100.0/24")
    for port in (10143, 10993, 10110, 10025, 10465, 10026):
        wait_until(f"port {port}", lambda p=port: listens(world, p))
    try:
        yield
    finally:
        for path, text in texts:
            path.write_text(text)
        world.server.doveadm("reload")
        world.postfix(mynetworks="127.0.0.0/8")


def listens(world, port):
    return f":{port} " in world.lab.source.run("ss", "-Hltn").stdout


def behind(smtp=10025, smtp_version="v2", pop3_version="v1"):
    return {"source_leg": "own", "services": {
        "imap": {"upstream": 10143, "source_proxy": "v2"},
        "imaps": {"upstream": 10993, "source_proxy": "v2"},
        "pop3": {"upstream": 10110, "source_proxy": pop3_version},
        "smtp": {"upstream": smtp, "source_proxy": smtp_version},
        "smtps": {"upstream": 10465, "source_proxy": "v1", "source_verify": "none"},
        "pop3s": {"enabled": False}, "submission": {"enabled": False}}}


def over_tls(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


@case
def the_proxy_protocol_carries_the_clients_address(world):
    """To a source that trusts its LAN, in both versions; before TLS that passes unseen, too."""
    with ports_behind_a_proxy(world):
        levels, text = world.leg(**behind())
        equal(levels - {"ok", "note"}, set(), text)
        true("smtp: source_leg" in text and "by the PROXY protocol" in text, text)
        world.up(**behind())
        for family in (4, 6):
            user = world.user(5)
            world.imap(user, family).close()
            client = world.session(user, family)
            world.wait_login(user, [world.address(user, family)], "imap")
            client.logout()
            pop3 = Pop3(world.lab.connect(110, world.address(user, family), family))
            true(pop3.login(user, world.password(user)).startswith(b"+OK"), "pop3")
            pop3.quit()
            world.wait_login(user, [world.address(user, family)], "pop3", 2)
            unseen = world.user(3)
            client = Imap(over_tls(world.lab.connect(993, world.address(unseen, family), family)))
            true(b" OK " in client.login(unseen, world.password(unseen)), "imaps, unseen")
            world.wait_login(unseen, [world.address(unseen, family)], "imaps")
            client.logout()
        world.down()


@case
def mail_comes_from_its_client_by_the_proxy_protocol(world):
    with ports_behind_a_proxy(world):
        for number, (smtp, version) in enumerate([(10025, "v2"), (10026, "v1")], 21):
            world.up(**behind(smtp, version))
            for family in (4, 6):
                user = world.user(3)
                client = world.smtp(family, number)
                equal(client.deliver(b"Subject: x\r\n\r\nx\r\n", f"{user}@example.com"), 250)
                true(client.mail("stranger@example.net")[0] in DENIED, "not for a stranger")
                client.ok("QUIT")
                address = world.address(f"u{number}", family)
                wait_until("the client in the log", lambda: f"client=unknown[{address}]" in
                           world.smtp_clients())
            client = Smtp(over_tls(world.lab.connect(465, world.address("u23"))))
            client.ok("EHLO client.example.org")
            true(client.mail("stranger@example.net")[0] in DENIED, "nor inside TLS")
            client.ok("QUIT")
            wait_until("it in the log", lambda: f"connect from unknown[{world.address('u23')}]"
                       in world.smtp_clients())
            world.down()


@case
def a_mailbox_moves_behind_the_proxy_protocol(world):
    """The transfer's own connections have a header, too, and the probes'."""
    with ports_behind_a_proxy(world):
        world.up(**behind(pop3_version="v2"))
        user = world.user(40)
        before = compare.snapshot(world.direct(), user, world.password(user))
        world.session(user).logout()
        pop3 = Pop3(world.lab.connect(110, world.address(user)))
        true(pop3.login(user, world.password(user)).startswith(b"+OK"), "pop3")
        pop3.quit()
        world.ferry.wait_account(user, stage="done", route="local")
        nothing(compare.differences(before, world.here(user)), "source and here")
        world.somebody_lives_here = True
        true(world.ferry.account(user)["uidls_kept"], "POP3 unique-ids")
        world.down()


@case
def a_source_that_takes_no_header_is_found_out(world):
    """Nobody is harmed by the question."""
    plain = {"source_leg": "own", "services": {
        "imap": {"source_proxy": "v2"}, "pop3": {"source_proxy": "v1"},
        "smtp": {"source_proxy": "v2"}, "smtps": {"enabled": False},
        "submission": {"enabled": False}}}
    levels, text = world.leg(**plain)
    true("problem" in levels, text)
    for service in ("imap", "pop3", "smtp"):
        true(f"{service}: the source does not take the PROXY protocol" in text, text)
    true("has taken the header for a command" in text and "give us a port of our own" not in text,
         text)
    if not world.somebody_lives_here:
        true("does not take the PROXY protocol" in world.refused(**plain), "nor does it start")
    with ports_behind_a_proxy(world):
        world.server.config.write_text(world.server.config.read_text().replace(
            "haproxy_trusted_networks = ", "haproxy_trusted_networks = 192.0.2.99 #"))
        world.server.doveadm("reload")
        _, text = world.leg(**behind())
        true("imap: the source does not take the PROXY protocol: it hangs up" in text, text)


@case
def with_us_as_its_gateway_it_sees_the_clients(world):
    world.lab.network.source_gateway(True)
    levels, text = world.leg()
    equal(levels, {"ok"}, text)
    world.up()
    user = world.user(10)
    client = world.session(user)
    world.wait_login(user, [world.address(user)], "the client itself")
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local")
    mail = world.smtp(number=14)
    equal(mail.deliver(b"Subject: z\r\n\r\nz\r\n", f"{user}@example.com"), 250)
    mail.ok("QUIT")
    # the source has only an IPv4 address there: a sender from IPv6 would look like us
    six = Smtp(world.lab.connect(25, world.address("u15", 6), 6))
    code = int(six.greeting[:3])
    code = six.code("EHLO x.example.org") if code == 220 else code
    code = six.code("MAIL FROM:<a@example.org>") if code == 250 else code
    code = six.code("RCPT TO:<b@example.net>") if code == 250 else code
    true(code in (421, 451, 450, 550), code)
    world.down()
    world.lab.network.source_gateway(False)


main(TakeOver)
