#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that relays for an address after a login from there (Dovecot's post-login script
writes a table, Postfix's check_client_access reads it): users who have moved send as before."""
import signal
import socketserver
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import (World, case, equal, ferry_with, main, signal_transfer,  # noqa: E402
                         stop_transfer, table, true)
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

ELSEWHERE = "somebody@elsewhere.example.net"
CAP_NET_RAW = 1 << 13
LOOKUPS = 10027
CONFIG = """
service imap {{
  executable = imap imap-postlogin
}}
service pop3 {{
  executable = pop3 pop3-postlogin
}}
service imap-postlogin {{
  executable = script-login {folder}/postlogin
  unix_listener imap-postlogin {{
  }}
}}
service pop3-postlogin {{
  executable = script-login {folder}/postlogin
  unix_listener pop3-postlogin {{
  }}
}}
"""


class PostLogin(Dovecot):
    def prepare(self):
        super().prepare()
        self.allowed = self.folder / "allowed"
        self.allowed.touch()
        script = self.folder / "postlogin"
        script.write_text(f'#!/bin/sh\necho "$IP OK" >> {self.allowed}\nexec "$@"\n')
        script.chmod(0o755)
        with self.config.open("a") as config:
            config.write(CONFIG.format(folder=self.folder))


class Lookups(socketserver.StreamRequestHandler):
    """tcp_table(5): the table is read at each question. Of another kind a smtpd would know
    what it was when it began, and some begin long before anybody comes."""

    def handle(self):
        for line in self.rfile:
            address = line.decode().split()[1]
            listed = f"{address} OK" in self.server.table.read_text().splitlines()
            self.wfile.write(b"200 OK\n" if listed else b"500 it is not there\n")


class PopBeforeSmtp(World):
    def __enter__(self):
        super().__enter__()
        with self.lab.source.entered():
            lookups = socketserver.ThreadingTCPServer(("127.0.0.1", LOOKUPS), Lookups)
        lookups.daemon_threads, lookups.table = True, self.server.allowed
        threading.Thread(target=lookups.serve_forever, daemon=True).start()
        rules = ("permit_mynetworks, check_client_access "
                 f"tcp:127.0.0.1:{LOOKUPS}, reject_unauth_destination")
        self.lab.postfix.configure(smtpd_recipient_restrictions=rules,
                                   smtpd_relay_restrictions=rules)
        return self

    def may_send(self, user):
        def answer():
            client = Smtp(self.lab.connect(25, self.address(user)))
            client.ok("EHLO client.example.org")
            client.ok("MAIL FROM:<sender@example.com>")
            code = client.code(f"RCPT TO:<{ELSEWHERE}>")
            client.close()
            return code if code != 454 else None  # a process from before these rules

        code = wait_until("Postfix with its rules", answer, 30)
        true(code in (250, 554), f"RCPT: {code}")
        return code == 250

    def forget(self):
        """Its window is over."""
        self.server.allowed.write_text("")

    def log_in(self, user, service="imap"):
        if service == "imap":
            self.session(user).logout()
        else:
            client = Pop3(self.lab.connect(110, self.address(user)))
            client.login(user, self.password(user))
            client.quit()

    def followed(self, user):
        return self.ferry.account(user)["pop_before_smtp"]

    def wait_followed(self, user, since=0):
        def is_there():
            last = self.followed(user)
            return last if last and last["at"] > since else None
        return wait_until(f"a login after {user}'s", is_there, 30)

    def refusals(self):
        """Lines of the source's log; its writer is a process of its own."""
        return self.server.log_text().count("auth failed")

    def wait_refused(self, before):
        wait_until("a refusal in the log", lambda: self.refusals() > before, 30)

    def moved(self):
        """A user who lives here, and whose address may send no more."""
        user = self.user(5)
        true(not self.may_send(user), "before any login")
        self.log_in(user)
        true(self.may_send(user), "after a login at the source itself")
        self.move(user)
        self.forget()
        true(not self.may_send(user), "the window is over")
        return user


@table([("by IMAP", "imap"), ("by POP3", "pop3")])
def a_moved_user_sends_by_the_source(world, service):
    user = world.moved()
    own = world.address(user)
    world.expect_source_logins(user, own, own)  # when they moved
    world.log_in(user, service)
    last = world.wait_followed(user)
    equal((last["client"], last["error"]), (own, ""), "what `account` says")
    true(world.may_send(user), "after a login here")
    world.expect_source_logins(user, own, own, own)
    world.log_in(user, service)
    world.log_in(user, service)
    time.sleep(2)
    world.expect_source_logins(user, own, own, own)  # not again within a minute


@case
def a_wrong_password_here_is_not_followed(world):
    user = world.moved()
    client = world.imap(user)
    true(b"NO" in client.login(user, "wrong"), "it is refused")
    time.sleep(2)
    true(world.followed(user) is None and not world.may_send(user), "nothing follows")


@case
def a_source_that_refuses_is_left_alone(world):
    """The user gets in here as fast as ever; `account` says why sending does not work."""
    user = world.moved()
    password = world.password(user)
    world.server.add_user(user, "changed-there")
    before = world.refusals()
    stop_transfer(world)
    try:
        client = world.imap(user)
        true(b" OK " in client.login(user, password), "it is in, and did not wait")
        client.logout()
    finally:
        signal_transfer(world, signal.SIGCONT)
    last = world.wait_followed(user)
    true(last["error"] and last["next_at"] > last["at"] + 3600 * 1000, f"{last}")
    true("pop_before_smtp" in world.ferry.ok("account", user), "for people, too")
    world.wait_refused(before)
    tries = world.server.log_text().count(f"user=<{user}>")
    with ferry_with(world):  # it does not forget it
        client = world.imap(user)
        true(b" OK " in client.login(user, password), "it is in")
        client.logout()
        time.sleep(2)
    equal(world.server.log_text().count(f"user=<{user}>"), tries, "no login more")


@case
def several_addresses_are_one_refusal(world):
    """A source that counts refusals must not lock the user out."""
    user = world.moved()
    password = world.password(user)
    world.server.add_user(user, "changed-there")
    before = world.refusals()
    clients = [Imap(world.lab.connect(143, client_address(n))) for n in range(11, 16)]
    for client in clients:
        true(b" OK " in client.login(user, password), "it is in")
    true(world.wait_followed(user)["error"], "the source refuses")
    world.wait_refused(before)
    time.sleep(2)
    equal(world.refusals(), before + 1, "one login that it refused")
    for client in clients:
        client.logout()


@case
def the_scheduler_alone_may_bind_addresses(world):
    def capable():
        found = []
        for pid in world.ferry.processes("transfer"):
            status = Path(f"/proc/{pid}/status").read_text()
            found.append(bool(int(status.split("CapEff:")[1].split()[0], 16) & CAP_NET_RAW))
        return found
    equal(capable(), [True], "with the setting")
    with ferry_with(world, pop_before_smtp=False):
        equal(capable(), [False], "without")


@case
def without_the_setting_nothing_follows(world):
    user = world.moved()
    with ferry_with(world, pop_before_smtp=False):
        world.log_in(user)
        time.sleep(2)
        true(world.followed(user) is None and not world.may_send(user), "nothing follows")


@case
def at_retire_it_stops(world):
    user = world.moved()
    world.ferry.ok("retire", "--yes", "--force")
    world.log_in(user)
    time.sleep(2)
    true(world.followed(user) is None, "nothing follows")
    true("192.0.2." not in world.server.allowed.read_text(), "no client was seen at the source")


if __name__ == "__main__":
    main(lambda: PopBeforeSmtp(server=PostLogin, postfix=True,
                               settings={"pop_before_smtp": True, "sweep": 0}))
