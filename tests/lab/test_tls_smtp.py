#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of SMTP: other mail servers on 25, users on 465 and 587, with our key and without."""
import os
import ssl
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import client_transcripts, tls  # noqa: E402
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.resolver import Resolver  # noqa: E402
from lab.sender_exim import SendingExim  # noqa: E402
from lab.sender_postfix import SendingPostfix  # noqa: E402
from lab.server_scripted_smtp import ScriptedSmtp  # noqa: E402
from lab.smart_hosts import logs_in, send, smart_hosts_of_all_kinds  # noqa: E402
from lab.smtp import Smtp, at, swaks  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402


class TlsMail(Mail):
    """Postfix takes mail of users on 465 and 587, with TLS alone."""

    def __init__(self):
        super().__init__(postfix="submission")
        self.ferry.settings["services"] = {
            "submission": {"enabled": True},
            "smtps": {"enabled": True}}
        self.ferry.settings["smart_host"] = "127.0.0.1"
        self.smart_host = ScriptedSmtp(self.lab.router)
        self.ours = None

    def __enter__(self):
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            self.ours = tls.hold_keys(self)
            self.smart_host.start()
            return start()
        self.ferry.start = prepared
        return super().__enter__()

    def again(self, **changes):
        """mailferry with other settings."""
        self.ferry.stop()
        self.ferry.write_config(**changes)
        self.ferry.start()

    def clear(self, port, user=""):
        client = Smtp(self.lab.connect(port, self.address(user)))
        client.ehlo = client.ok("EHLO client.example.org")
        return client

    def starttls(self, port, user="", name=tls.NAME):
        client = self.clear(port, user)
        client.ok("STARTTLS")
        client.socket = tls.begin(client.socket, name)
        client.file = client.socket.makefile("rb")
        client.ehlo = client.ok("EHLO client.example.org")
        return client

    @property
    def source_certificate(self):
        return tls.in_file(self.server.folder / "cert.pem")


@case
def a_strict_postfix_delivers_to_no_other_key(world):
    sender = SendingPostfix(world.lab.folder / "sender-other", world.lab.client, "fingerprint",
                            "", [":".join(["AB"] * 32)])
    sender.start()
    try:
        sender.submit(world.message()[1], at(world.here))
        wait_until("its complaint", lambda: "Server certificate not verified" in sender.log_text()
                   or "not trusted" in sender.log_text())
        equal(sender.queued(), 1, "still in its queue")
    finally:
        sender.stop()


@table([("may", "may"), ("encrypt", "encrypt"), ("verify", "verify"), ("secure, as by MTA-STS", "secure"),
        ("fingerprint, as by DANE", "fingerprint")])
def a_postfix_delivers(world, level):
    """As it comes, one that insists on TLS, and ones that want the certificate to be right."""
    sender = SendingPostfix(
        world.lab.folder / f"sender-{level}", world.lab.client, level, world.ours[0],
        [":".join(f[n:n + 2] for n in range(0, 64, 2)) for f in map(tls.key_fingerprint, world.ours)])
    sender.start()
    try:
        token, message = world.message()
        sender.submit(message, at(world.here), at(world.there))
        copy = world.arrives(world.here, token)
        true(b"with ESMTPS id" in copy, copy[:400])
        world.arrives(world.there, token, source=True)
        how = "Trusted" if level in ("may", "encrypt") else "Verified"
        wait_until("TLS in its log",
                   lambda: f"{how} TLS connection established" in sender.log_text())
        wait_until("an empty queue", lambda: sender.queued() == 0)
    finally:
        sender.stop()


def sends_by_dane(world, label, keys):
    """(sender, resolver): started; keys: of the certificates that the zone names."""
    folder = world.lab.folder
    resolver = Resolver(folder / f"resolver-{label}", world.lab.client,
                        [f"3 1 1 {key}" for key in keys])
    resolver.start()
    sender = SendingPostfix(folder / f"sender-dane-{label}", world.lab.client, "dane",
                            resolver=resolver)
    try:
        sender.start()
    except BaseException:
        resolver.stop()
        raise
    return sender, resolver


@case
def dane(world):
    """A Postfix that finds MX, address and TLSA in a signed zone."""
    sender, resolver = sends_by_dane(world, "ours", map(tls.key_fingerprint, world.ours))
    try:
        token, message = world.message()
        sender.submit(message, at(world.here), at(world.there))
        true(b"with ESMTPS id" in world.arrives(world.here, token), "ESMTPS")
        world.arrives(world.there, token, source=True)
        wait_until("TLS in its log", lambda: "Verified TLS connection established to "
                   "mail.example.com" in sender.log_text())
        wait_until("an empty queue", lambda: sender.queued() == 0)
    finally:
        sender.stop()
        resolver.stop()


@case
def dane_for_another_key(world):
    """Nothing goes, not in clear either."""
    sender, resolver = sends_by_dane(world, "other", ["AB" * 32])
    try:
        token, message = world.message()
        sender.submit(message, at(world.here))
        wait_until("its complaint", lambda: "no matching DANE TLSA records" in sender.log_text()
                   and "status=deferred" in sender.log_text())
        true("status=sent" not in sender.log_text(), sender.log_text()[-800:])
        equal(sender.queued(), 1, "still in its queue")
        equal(world.copies(world.here, token), [], "copies here")
    finally:
        sender.stop()
        resolver.stop()


@case
def swaks_delivers(world):
    done = swaks(world, "--tls", "--to", at(world.here), "--from", "a@example.org", "--header",
                 "Subject: token-swaks-")
    equal(done.returncode, 0, done.stdout[-800:])
    world.arrives(world.here, b"token-swaks-")


def both_certificates(world):
    """A file with EC and RSA: GnuTLS takes the other one."""
    path = world.lab.folder / "ours.pem"
    path.write_text("".join(Path(c).read_text(encoding="ascii") for c in world.ours),
                    encoding="ascii")
    return path


@case
def an_exim_delivers(world):
    sender = SendingExim(world.lab.folder / "sender-exim", world.lab.client,
                         both_certificates(world)).prepare()
    token, message = world.message()
    sender.submit(message, at(world.here), at(world.there))
    log = sender.log_text()
    true(log.count(" => ") + log.count(" -> ") == 2 and " CV=yes" in log, log)
    true(" K " in log, f"by BDAT: {log}")
    true(b"with ESMTPS id" in world.arrives(world.here, token), "ESMTPS")
    world.arrives(world.there, token, source=True)


@table([("587", 587, "on"), ("465", 465, "off")])
def msmtp_sends(world, port, starttls):
    """It verifies our certificate, and logs in."""
    token = f"token-msmtp-{port}-"
    done = world.lab.client.run(
        "msmtp", f"--host={SOURCE_ADDRESS[0]}", f"--port={port}", "--tls=on",
        f"--tls-starttls={starttls}", f"--tls-trust-file={both_certificates(world)}",
        f"--tls-host-override={tls.NAME}", "--auth=plain", f"--user={world.here}",
        f"--passwordeval=echo {world.password(world.here)}", f"--from={at(world.here)}",
        at(world.here), at(world.there), input=f"Subject: {token}\n\ntext\n", timeout=30)
    equal(done.returncode, 0, done.stdout)
    true(b"with ESMTPSA id" in world.arrives(world.here, token.encode()), "ESMTPSA")
    world.arrives(world.there, token.encode(), source=True)


@case
def what_was_said_in_clear_is_void(world):
    client = world.clear(25)
    true(b"STARTTLS" in client.ehlo, client.ehlo)
    client.ok("STARTTLS")
    client.socket = tls.begin(client.socket)
    client.file = client.socket.makefile("rb")
    equal(tls.shown(client.socket), tls.in_file(world.ours[0]), "our certificate")
    equal(client.code("MAIL FROM:<a@example.org>"), 503, "before EHLO")
    true(b"STARTTLS" not in client.ok("EHLO client"), "TLS within TLS")
    token, message = world.message()
    equal(client.deliver(message, at(world.here), at(world.there)), 250)
    client.quit()
    world.arrives(world.here, token)
    world.arrives(world.there, token, source=True)


@table([("25", 25), ("587", 587)])
def bytes_behind_starttls_end_it(world, port):
    client = world.clear(port)
    client.send(b"STARTTLS\r\nMAIL FROM:<a@example.org>\r\n")
    equal(client.file.read(), b"", "nothing more is said")


@case
def another_name(world):
    """Mail for everybody comes in on 25: what we cannot see is not let in there. On 587 it is
    the source's, as it was."""
    client = world.clear(25)
    client.ok("STARTTLS")
    try:
        tls.begin(client.socket, "other.example.com")
    except (OSError, ssl.SSLError):
        pass
    else:
        raise AssertionError("a handshake for a name that is not ours")


@table([("587", 587), ("465", 465)])
def a_user_sends(world, port):
    """To one who lives here, one at the source, and the AUTH that the source shows inside TLS."""
    if port == 587:
        client = world.clear(port)
        true(b"AUTH" not in client.ehlo and b"STARTTLS" in client.ehlo, client.ehlo)
        equal(client.code("AUTH PLAIN AGEAYg=="), 530, "AUTH in clear")
        client.quit()
        how = "--tls"
    else:
        how = "--tls-on-connect"
    token = f"token-sent-{port}-"
    done = swaks(world, how, "--port", str(port), "--auth", "LOGIN", "--auth-user", world.there,
                 "--auth-password", world.password(world.there), "--from", at(world.there),
                 "--to", f"{at(world.here)},{at(world.there)}", "--header", f"Subject: {token}")
    equal(done.returncode, 0, done.stdout[-1500:])
    true(b"with ESMTPSA id" in world.arrives(world.here, token.encode()), "ESMTPSA")
    world.arrives(world.there, token.encode(), source=True)


@table(client_transcripts.rows("smtp"))
def first_words(world, path):
    """Of a user at the source, and of one who lives here."""
    for user, at_source in ((world.there, True), (world.here, False)):
        token = f"token-{path.stem}-{user}-"
        client_transcripts.play(world, user, path, token=token)
        world.arrives(user, token.encode(), source=at_source)


@case
def a_password_that_the_old_server_refuses(world):
    """It leaves the line that contrib/fail2ban reads."""
    done = send(world, world.there, "wrong", at(world.there), port=587)
    equal(done.returncode, 67, f"login denied: {done.stdout}")
    line = f" refused account={world.there} by=source service=submission client=192.0.2."
    wait_until("the line", lambda: line in world.ferry.log.read_text(errors="replace"))


@table([("587", 587), ("465", 465)])
def who_lives_here_is_let_in_here(world, port):
    """And the old server relays what they send, as long as it takes their password."""
    token = f"token-moved-{port}-"
    done = send(world, world.here, world.password(world.here), at(world.here), at(world.there),
                port=port, token=token)
    equal(done.returncode, 0, done.stdout)
    world.arrives(world.here, token.encode())
    world.arrives(world.there, token.encode(), source=True)
    log = world.lab.postfix.log_text()
    done = send(world, world.here, "wrong", at(world.here), port=port)
    equal(done.returncode, 67, f"login denied: {done.stdout}")
    equal([line for line in world.lab.postfix.log_text()[len(log):].splitlines()
           if "authentication failed" in line], [], "a wrong password goes nowhere")


@case
def a_new_password_counts_here_alone(world):
    user = world.user(3)
    world.move(user)
    done = world.lab.router.run(*world.ferry.arguments("passwd", "--only", user),
                                input="another\n", env={**os.environ,
                                                        **world.ferry.environment()})
    equal(done.returncode, 0, done.stdout)
    equal(send(world, user, world.password(user), at(user)).returncode, 67, "the old one")
    done = send(world, user, "another", at(user), token="token-new-password-")
    equal(done.returncode, 0, done.stdout)
    client = world.imap(user)
    true(b" OK " in client.login(user, "another"), "the new one")
    client.logout()
    goes_by_the_smart_host(world, user, "another", 587)


def goes_by_the_smart_host(world, user, password, port):
    """To one elsewhere and one here: the old server does not get it."""
    log, token = world.lab.postfix.log_text(), f"token-smart-{user}-{port}-"
    done = send(world, user, password, "b@example.net", at(user), port=port, token=token)
    equal(done.returncode, 0, done.stdout)
    recipients, message = world.smart_host.taken.pop()
    equal(recipients, ["b@example.net"], "at the smart host")
    true(b"with ESMTPSA id" in message and token.encode() in message, message)
    true(b"Return-Path" not in message, message)
    true("b@example.net" not in world.lab.postfix.log_text()[len(log):], "at the old server")
    client = world.imap(user)
    client.login(user, password)
    client.ok("SELECT INBOX")
    true(len(client.ok("SEARCH SUBJECT " + token)[0].split()) == 3, "here, once")
    client.logout()


@table([("25", 25, b"454"), ("587", 587, b"5")])
def nobody_relays_without_a_login(world, port, refusal):
    client = world.starttls(port)
    client.command("MAIL FROM:<a@example.org>")
    true(client.command("RCPT TO:<b@example.net>").startswith((refusal, b"554", b"530")),
         "a stranger's mail to a stranger")
    client.quit()


@case
def without_a_key_no_mail_passes_unseen(world):
    """Who lives here gets mail in clear then, and the admin is told: of senders that insist on
    TLS before any of them, of mail in clear from the first on."""
    def told(what):
        return [line for line in world.ferry.json("status")["attention"] if what in line]

    def reasons():
        report = world.ferry.json("report")
        equal(report["safe_to_retire"], False, "safe to retire")
        return " | ".join(report["reasons"])
    true(not told("insist on TLS") and "insist on TLS" not in reasons(), "with the key")
    kept = world.ferry.settings.pop("tls")
    world.again()
    try:
        wait_until("the first warning", lambda: told("senders that insist on TLS"))
        true("senders that insist on TLS cannot deliver" in reasons(), reasons())
        true(not told("came in clear") and "comes in clear" not in reasons(), "none has come yet")
        client = world.clear(25)
        true(b"STARTTLS" not in client.ehlo, client.ehlo)
        equal(client.code("STARTTLS"), 502)
        token, message = world.message()
        equal(client.deliver(message, at(world.here)), 250)
        client.quit()
        world.arrives(world.here, token)
        wait_until("the warning", lambda: told("came in clear"))
        true("mail comes in clear" in reasons(), reasons())
        client = world.starttls(587)  # users are not locked out
        equal(tls.shown(client.socket), world.source_certificate, "the source's own")
        equal([f["unseen"] for f in world.ferry.json("flows") if "unseen" in f],
              [f"no key for {tls.NAME}"], "its name")
        client.quit()
        tls.begin(world.lab.connect(465, world.address("user98"))).close()
        passed = wait_until("both in the report", lambda: [rows for rows in [
            [u for u in world.ferry.json("report")["unseen"]
             if u["service"] in ("submission", "smtps")]] if len(rows) == 2])[0]
        equal({u["why"] for u in passed}, {f"no key for {tls.NAME}"}, "why")
        true("sessions passed unseen" in reasons(), reasons())
    finally:
        world.again(tls=kept)


@case
def after_the_old_server(world):
    """Users here send by the smart host, and nobody else."""
    world.ferry.ok("route", world.there, "auto")
    world.move(world.there)
    world.ferry.ok("retire", "--force", "--yes")
    user = world.here
    for port in (465, 587):
        goes_by_the_smart_host(world, user, world.password(user), port)
    equal(send(world, user, "wrong", at(user)).returncode, 67, "a wrong password")
    equal(send(world, "nobody", "secret", at(user)).returncode, 67, "a stranger's login")
    for port in (25, 587):
        client = world.starttls(port)
        equal(client.mail("b@example.net", at(user), "nobody@example.com"), [550, 250, 550],
              f"without a login on {port}")
        client.quit()
    equal(world.smart_host.taken, [], "nothing of that")
    with world.smart_host.says():
        world.smart_host.router = {"RCPT": b"550 5.7.1 not for you\r\n"}
        true(send(world, user, world.password(user), "b@example.net").returncode != 0,
             "its refusal is the client's")
        world.smart_host.router = {}
    world.smart_host.stop()
    smart_hosts_of_all_kinds(world, user)
    logs_in(world, user)
    true(send(world, user, world.password(user), "b@example.net").returncode != 0,
         "without the smart host it is not taken")
    equal(send(world, user, world.password(user), at(user)).returncode, 0, "but mail for here")


if __name__ == "__main__":
    main(TlsMail)
