#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the source thinks of a client, a sender or a message holds for users who live here, too."""
import contextlib
import os
import re
import socket
import sys
import threading
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402


class Asked(Mail):
    """The source is asked each time, but where a case says otherwise."""

    def __init__(self):
        super().__init__(settings={"smtp_policy_ttl": 0})


@contextlib.contextmanager
def remembering(world, policy="source"):
    before = dict(world.ferry.settings)
    world.ferry.stop()
    world.ferry.settings.update(smtp_policy_ttl=3600, smtp_policy=policy)
    world.ferry.start()
    try:
        yield
    finally:
        world.ferry.stop()
        world.ferry.settings = before
        world.ferry.start()


def sessions_at_source(world, before):
    """What Postfix has counted in each of them: [{"mail": 1, …}, …]; but for those in which
    nothing was said, as when we look at start whether it answers."""
    lines = re.findall(r"disconnect from .*?\[192\.0\.2\.[0-9]+\] (.*)",
                       world.lab.postfix.log_text()[before:])
    sessions = [{word: int(n) for word, n in re.findall(r"(\w+)=(\d+)", line)} for line in lines]
    return [session for session in sessions if session["commands"]]


def counted(world, say, wanted):
    """The sessions, once so many have ended, of what say() says to a client of ours."""
    before = len(world.lab.postfix.log_text())
    client = world.smtp()
    say(client)
    client.quit()
    wait_until("the end of the source's sessions",
               lambda: len(sessions_at_source(world, before)) >= wanted, 30, 0.1)
    return sessions_at_source(world, before)


@case
def a_sender_who_comes_back_is_no_transaction_there(world):
    token, message = world.message()
    say = lambda client: equal(client.deliver(message, at(world.here)), 250, "here")  # noqa: E731
    with remembering(world):
        equal(counted(world, say, 1), [{"ehlo": 1, "mail": 1, "rcpt": 1, "rset": 1, "quit": 1,
                                        "commands": 5}], "a new one")
        for _ in range(2):
            equal(counted(world, say, 1), [{"ehlo": 1, "quit": 1, "commands": 2}], "again")
        # with somebody at the source: one envelope, and nobody else in it
        both = lambda client: equal(client.deliver(  # noqa: E731
            message, at(world.here), at(world.there)), 250, "both")
        equal(counted(world, both, 1), [{"ehlo": 1, "mail": 1, "rcpt": 1, "data": 1, "quit": 1,
                                         "commands": 5}], "both")
    wait_until("all of them", lambda: len(world.copies(world.here, token)) == 4)
    world.arrives(world.there, token, source=True)


@case
def policy_none_tells_it_of_a_sender_once(world):
    """And until then its word on MAIL counts."""
    token, message = world.message()
    sender = "sender@blocked.example.org"
    say = lambda client: equal(  # noqa: E731
        client.deliver(message, at(world.here), sender=sender), 250, "here")
    with remembering(world, policy="none"):
        with source_says(world, smtpd_delay_reject="no", smtpd_sender_restrictions="check_sender_"
                         "access inline:{ {blocked.example.org = REJECT no} }"):
            wait_until("the refusal", lambda: code_of_mail(direct(world), sender) == 554, 30, 0.1)
            equal(code_of_mail(world.smtp(), sender), 554, "a new one who is refused")
        wait_until("its end", lambda: code_of_mail(direct(world), sender) == 250, 30, 0.1)
        equal(counted(world, say, 1), [{"ehlo": 1, "mail": 1, "rset": 1, "quit": 1,
                                        "commands": 4}], "a new one")
        equal(counted(world, say, 1), [{"ehlo": 1, "quit": 1, "commands": 2}], "again")
    wait_until("all of them", lambda: len(world.copies(world.here, token)) == 2)


@case
def the_source_gets_a_new_session_before_it_has_enough(world):
    def say(client):
        for n in range(20):
            equal(client.deliver(message, at(world.here), sender=f"sender{n}@example.org"), 250,
                  f"sender {n}")

    token, message = world.message()
    with remembering(world):
        sessions = counted(world, say, 3)
    equal([s["rset"] for s in sessions], [8, 8, 4], "questions taken back, by session")
    true(all(s["quit"] == 1 for s in sessions), f"{sessions}")
    wait_until("all of them", lambda: len(world.copies(world.here, token)) == 20)


@contextlib.contextmanager
def source_says(world, **restrictions):
    world.lab.postfix.configure(**restrictions)
    try:
        yield
    finally:
        world.lab.postfix.configure()


def direct(world):
    return Smtp(world.lab.source.connect("198.51.100.10", 25))


def code_of_mail(client, sender):
    code = client.code(f"MAIL FROM:<{sender}>")
    client.quit()
    return code


def first_code(world, user, recipient):
    """Of RCPT; Postfix may need a moment to see its new configuration."""
    client = world.smtp(user)
    code = client.mail(recipient)[0]
    client.quit()
    return code


@table([("a client", "smtpd_client_restrictions", "check_client_access", "192.0.2.30", 554),
        ("a sender", "smtpd_sender_restrictions", "check_sender_access", "example.org", 554),
        ("a triplet", "smtpd_recipient_restrictions", "check_recipient_access",
         "user1@example.com", 450)])
def policy_of_the_source_holds_here(world, option, check, key, code):
    """Postfix says it at RCPT (smtpd_delay_reject), also for somebody who lives here."""
    words = {554: "REJECT we do not like it", 450: "450 4.2.0 Greylisted, come again"}[code]
    rule = f"{check} inline:{{ {{{key} = {words}}} }}, reject_unauth_destination"
    with source_says(world, **{option: rule}):
        wait_until("the refusal", lambda: first_code(world, "user19", at(world.here)) == code, 30, 0.1)
        client = world.smtp("user19")
        client.ok("MAIL FROM:<sender@example.org>")
        reply = client.command(f"RCPT TO:<{at(world.here)}>")
        true(words.split(" ", 2)[2].encode() in reply, f"its own words: {reply!r}")
        client.quit()
        if option == "smtpd_client_restrictions":
            equal(first_code(world, "user3", at(world.here)), 250, "another client")
    wait_until("the end of it", lambda: first_code(world, "user19", at(world.here)) == 250, 30, 0.1)


class PolicyService:
    """A policy service of Postfix that speaks at RCPT alone, as Policyd and iRedAPD do: it refuses
    one sender."""

    def __init__(self, path, refused):
        self.path, self.refused = path, refused
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen(20)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self.listener.accept()[:1],
                                 daemon=True).start()

    def _answer(self, connection):
        asked = {}
        with connection, contextlib.suppress(OSError), connection.makefile("rwb") as file:
            for line in file:
                key, _, value = line.decode().rstrip("\n").partition("=")
                asked[key] = value
                if not key:
                    is_refused = (asked["protocol_state"], asked["sender"]) == ("RCPT", self.refused)
                    file.write(b"action=REJECT not from you\n\n" if is_refused else b"action=DUNNO\n\n")
                    file.flush()
                    asked = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()


@case
def a_word_that_is_said_at_rcpt_alone_holds_here(world):
    """Why the source is not asked by VRFY, which takes none of Postfix's in-flow tokens: it says
    yes to this sender, and nothing that it has said before of the client tells that it may not."""
    bad = "forged@example.org"
    code_of = lambda client, sender: client.mail(at(world.here), sender=sender)[0]  # noqa: E731
    with PolicyService(world.lab.postfix.folder / "policy", bad) as service, source_says(
            world, smtpd_recipient_restrictions="reject_unauth_destination, "
            f"check_policy_service unix:{service.path}"):
        wait_until("the refusal", lambda: code_of(direct(world), bad) == 554, 30, 0.1)
        client = direct(world)
        client.ok(f"MAIL FROM:<{bad}>")
        equal(client.code(f"VRFY <{at(world.here)}>"), 252, "VRFY")
        equal(client.code(f"RCPT TO:<{at(world.here)}>"), 554, "RCPT")
        client.quit()
        client = world.smtp()
        for sender, wanted in (("sender@example.org", 250), (bad, 554), ("other@example.org", 250)):
            equal(code_of(client, sender), wanted, sender)
            client.ok("RSET")
        client.quit()


@case
def policy_is_not_who_is_known_at_the_source(world):
    """The mailbox is here: that the source has forgotten its user is no reason to refuse mail."""
    others = [user for user in world.lab.users if user != world.here]
    world.lab.postfix.write_tables(others, {})
    try:
        wait_until("the source to forget the user", lambda: is_forgotten(world), 15, 0.2)
        token, message = world.message()
        client = world.smtp()
        equal(client.deliver(message, at(world.here), at(world.there)), 250, "final answer")
        client.quit()
        world.arrives(world.here, token)
        world.arrives(world.there, token)
    finally:
        world.lab.postfix.write_tables(world.lab.users, {})


def is_forgotten(world):
    client = direct(world)
    code = client.mail(at(world.here))[0]
    client.quit()
    return code == 550


@case
def policy_none_asks_nobody(world):
    world.ferry.stop()
    world.ferry.settings["smtp_policy"] = "none"
    world.ferry.start()
    rule = "check_client_access inline:{ {192.0.2.30 = REJECT no} }"
    try:
        with source_says(world, smtpd_client_restrictions=rule):
            wait_until("the refusal",
                       lambda: first_code(world, "user19", at(world.there)) == 554, 30, 0.1)
            equal(first_code(world, "user19", at(world.here)), 250, "here")
    finally:
        world.ferry.stop()
        world.ferry.settings["smtp_policy"] = "source"
        world.ferry.start()


@case
def the_source_refuses_the_message_itself(world):
    """Its words at the final dot are the answer for all, and nobody here has the message."""
    rules = world.lab.postfix.folder / "refusals"
    rules.write_text("/^X-Refuse:/ REJECT such things we do not take\n", encoding="ascii")
    token, message = world.message()
    message = b"X-Refuse: yes\r\n" + message

    def refused():
        client = world.smtp()
        equal(client.mail(at(world.there), at(world.here)), [250, 250], "RCPT")
        answer = client.data(message)
        client.quit()
        return answer if not answer.startswith(b"250") else None

    copies = []  # of those that were let through before Postfix saw its rule
    with source_says(world, header_checks=f"regexp:{rules}"):
        answer = wait_until("the refusal", refused, 30, 0.2)
        copies += world.copies(world.here, token)
        equal(refused()[:3], b"550", "again")
    true(answer.startswith(b"550 5.7.1 such things we do not take"), f"{answer!r}")
    equal(world.copies(world.here, token), copies, "here")


if __name__ == "__main__":
    main(Asked)
