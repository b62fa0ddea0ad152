#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP off the beaten path: odd bytes within a message, a client that stalls, commands behind
AUTH, ways to log in that show no password, what `flows` and `counters` say."""
import base64
import contextlib
import hashlib
import hmac
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

MIB = 1 << 20
LONG = 65_536
SOURCE_PATIENCE = 3


def b64(data):
    return base64.b64encode(data)


ODD = [
    ("line of 64 KiB", b"x" * LONG),
    ("lines of 64 KiB, dots at all their ends",
     b"." + b"." * LONG + b"\r\n.\r\n" + b"y" * LONG + b"."),
    ("NULs", b"a\0b\r\n\0\r\n.\0\r\n" + b"\0" * 1000),
    ("a NUL before a dot alone, which some take for a line's end", b"a\r\n\0.\r\nb"),
    ("a line of 64 KiB with NULs", (b"z" * 1023 + b"\0") * 64),
    ("64 KiB of header", None),
    ("every byte but CR and LF", bytes(n for n in range(256) if n not in b"\r\n") * 20),
]
WHO = [("local", ["here"]), ("source", ["there"]), ("mixed", ["here", "there"])]


def shown(message):
    """As the source shows it by IMAP, whose literals have no NUL (RFC 9051, 4.3)."""
    return message.replace(b"\0", b"\x80")


def body_of(copy):
    """Without what servers put in front."""
    return copy[copy.index(b"Subject: token"):]


@table([(f"{what}, {side}", text, who) for what, text in ODD for side, who in WHO])
def odd_within_data(world, text, who):
    """Whole and unchanged in each mailbox, or refused and in none."""
    token, message = world.message(text or b"text")
    if not text:
        message = b"Subject: " + token + b"\r\nX-Long: " + b"h" * LONG + b"\r\n\r\ntext\r\n"
    names = [getattr(world, name) for name in who]
    client = world.smtp()
    equal(client.mail(*map(at, names)), [250] * len(names), "RCPT")
    code = int(client.data(message)[:3])
    if code == 250:
        equal(client.code("NOOP"), 250, "the session goes on")
    client.quit()
    if code != 250:
        true(code in (500, 550, 552, 554), f"refused by {code}")
        world.ferry.settle(1)
        for name in names:
            equal(world.copies(name, token), [], f"for {name}, though it was refused")
        return
    for name in names:
        got, wanted = body_of(world.arrives(name, token)), shown(message)
        if got != wanted:
            where = next((n for n, pair in enumerate(zip(got, wanted)) if pair[0] != pair[1]),
                         min(len(got), len(wanted)))
            equal((len(got), got[where:where + 40]), (len(wanted), wanted[where:where + 40]),
                  f"for {name}, from byte {where}")


@contextlib.contextmanager
def patience(world, seconds):
    """The source waits so long for its client."""
    world.lab.postfix.configure(smtpd_timeout=f"{seconds}s", lmtp_line_length_limit="0")
    try:
        time.sleep(1)
        yield
    finally:
        world.lab.postfix.configure(lmtp_line_length_limit="0")


@table([("source", ["there"]), ("mixed", ["here", "there"])])
def data_that_stalls(world, who):
    """The source loses its patience: the client hears it when it goes on; nobody has mail."""
    names = [getattr(world, name) for name in who]
    with patience(world, SOURCE_PATIENCE):
        token, message = world.message()
        client = world.smtp()
        equal(client.mail(*map(at, names)), [250] * len(names), "RCPT")
        client.ok("DATA")
        client.send(message)
        time.sleep(SOURCE_PATIENCE + 1)
        client.send(b"later\r\n.\r\n")
        answer = client.reply()
        true(answer[:3] in (b"421", b"451"), f"{answer!r}")
        client.close()
    for name in names:
        equal(world.copies(name, token), [], f"for {name}")


@case
def data_that_stalls_for_somebody_here(world):
    """The source, which has no part in it, may go: the client is served."""
    with patience(world, SOURCE_PATIENCE):
        token, message = world.message()
        client = world.smtp()
        client.mail(at(world.here))
        client.ok("DATA")
        client.send(message)
        time.sleep(SOURCE_PATIENCE + 2)
        client.send(b"later\r\n.\r\n")
        equal(client.reply()[:3], b"250", "final answer")
        client.close()
    true(world.arrives(world.here, token).endswith(message + b"later\r\n"), "all of it")


# AUTH -------------------------------------------------------------------------------------

@table([("right", True), ("wrong", False)])
def commands_behind_auth(world, right):
    """RFC 4954 forbids it. What is behind waits, and is seen alike by the source and by us."""
    secret = world.password(world.there) if right else "wrong"
    first, message = world.message()
    client = world.smtp()
    client.send(b"AUTH PLAIN " + b64(f"\0{world.there}\0{secret}".encode()) + b"\r\n"
                b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                % tuple(at(u).encode() for u in (world.there, world.here, world.there)))
    codes = [int(client.reply()[:3]) for _ in range(5)]
    equal(codes, [235 if right else 535, 250, 250, 250, 354], "each command has its answer")
    client.send(message + b".\r\n")
    equal(client.reply()[:3], b"250", "final answer")
    client.quit()
    world.arrives(world.here, first)
    world.arrives(world.there, first)


@case
def a_command_as_the_answer_of_auth(world):
    """AUTH without its answer, and MAIL behind it: that line is the answer, to both. It is
    no base64: where somebody lives here that is said here, in the words of RFC 4954."""
    replies = []
    for client in (world.smtp(), Smtp(world.lab.source.connect("198.51.100.10", 25))):
        client.ok("EHLO client.example.org")
        client.send(b"AUTH PLAIN\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nNOOP\r\n"
                    % at(world.there).encode())
        with contextlib.suppress(EOFError):
            replies.append([int(client.reply()[:3]) for _ in range(4)])
        client.close()
    equal(replies[1], [334, 535, *replies[1][2:]], "at the source")
    equal(replies[0], [334, 501, *replies[1][2:]], "here")


def auth(client, mechanism, *answers):
    """The last reply."""
    reply = client.command(f"AUTH {mechanism}")
    for answer in answers:
        if not reply.startswith(b"334"):
            break
        reply = client.command(answer(reply) if callable(answer) else answer)
    return reply


def cram(user, password):
    def answer(challenge):
        text = base64.b64decode(challenge.split()[1])
        digest = hmac.new(password.encode(), text, hashlib.md5).hexdigest()
        return b64(f"{user} {digest}".encode())
    return answer


@table([("two steps", False), ("initial", True)])
def auth_login_is_captured(world, initial):
    user = world.user(5)
    name, secret = b64(user.encode()), b64(world.password(user).encode())
    client = world.smtp(user)
    answers = [f"LOGIN {name.decode()}", secret] if initial else ["LOGIN", name, secret]
    reply = auth(client, *answers)
    true(reply.startswith(b"235"), f"{reply!r}")
    client.quit()
    account = world.ferry.wait_account(user, stage="done", route="local")
    equal((account["capturable"], account["uncapturable_why"]), (True, ""))


@case
def cram_md5_is_passed_on_and_listed(world):
    user = world.user(3)
    client = world.smtp(user)
    true(b"CRAM-MD5" in client.ehlo, "shown")
    reply = auth(client, "CRAM-MD5", cram(user, "wrong"))
    true(reply.startswith(b"535"), f"{reply!r}")
    equal(world.ferry.account(user), None, "nothing is known by a wrong one")
    client.quit()
    client = world.smtp(user)
    reply = auth(client, "CRAM-MD5", cram(user, world.password(user)))
    true(reply.startswith(b"235"), f"{reply!r}")
    client.quit()
    account = wait_until("the account", lambda: world.ferry.account(user))
    equal((account["route"], account["capturable"]), ("source", False))
    true("CRAM-MD5" in (account["uncapturable_why"] or ""), f"{account['uncapturable_why']!r}")
    world.move(user)  # once the password was shown
    equal(world.ferry.account(user)["capturable"], True)
    # who lives here goes on sending by it, as far as the old server takes it
    client = world.smtp(user)
    true(auth(client, "CRAM-MD5", cram(user, "wrong")).startswith(b"535"), "a wrong one")
    true(auth(client, "CRAM-MD5", cram(user, world.password(user))).startswith(b"235"), "the right")
    token, message = world.message()
    equal(client.deliver(message, at(user), at(world.there), sender=at(user)), 250)
    client.quit()
    world.arrives(user, token)
    world.arrives(world.there, token, source=True)


@case
def a_mechanism_nobody_knows_is_the_sources_word(world):
    direct = Smtp(world.lab.source.connect("198.51.100.10", 25))
    direct.ok("EHLO client.example.org")
    client = world.smtp()
    for words in ("AUTH X-NOBODY", "AUTH X-NOBODY YWJj", "AUTH"):
        equal(client.command(words), direct.command(words), words)
    equal(direct.code("AUTH PLAIN !"), 535, "what is no base64")
    equal(client.code("AUTH PLAIN !"), 501, "the same, where somebody lives here (RFC 4954)")
    equal(client.code("NOOP"), 250, "the session goes on")
    client.quit()
    direct.quit()


# flows and counters -----------------------------------------------------------------------

@case
def a_flow_and_its_bytes(world):
    def mine():
        return [flow for flow in world.ferry.json("flows") if flow["service"] == "smtp"
                and flow["client"].startswith(world.address("user17") + ":")]

    began = time.time() * 1000
    client = world.smtp("user17")
    client.mail(at(world.there))
    client.ok("DATA")
    client.send((b"x" * 62 + b"\r\n") * (MIB // 64))
    flow = wait_until("the bytes", lambda: [f for f in mine() if f["bytes_in"] >= MIB])[0]
    true(MIB <= flow["bytes_in"] < MIB + 200, f"bytes_in: {flow['bytes_in']}")
    true(100 < flow["bytes_out"] < 1000, f"bytes_out: {flow['bytes_out']}")
    true(began - 1000 < flow["started"] < began + 2000, f"started: {flow['started']} at {began}")
    equal(flow["route"], "source")
    client.send(b".\r\n")
    equal(client.reply()[:3], b"250", "final answer")
    client.quit()
    wait_until("its end", lambda: not mine())


class OddWorld(Mail):
    def __init__(self):
        super().__init__(mechanisms="plain login cram-md5")

    def __enter__(self):
        super().__enter__()
        # Postfix itself would break long lines on their way into the mailbox.
        self.lab.postfix.configure(lmtp_line_length_limit="0")
        return self


main(OddWorld)
