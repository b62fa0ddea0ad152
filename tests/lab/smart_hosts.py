# SPDX-License-Identifier: GPL-3.0-or-later
"""Smart hosts of each kind, by which a user of test_tls_smtp.py sends."""
import base64
import json
import os
import ssl

from . import tls
from .harness import equal, true
from .network import SOURCE_ADDRESS
from .processes import command_line, memory_of, wait_until
from .server_scripted_smtp import ScriptedSmtp
from .smtp import at


def send(world, user, password, *recipients, port=465, token="token-"):
    """CompletedProcess of curl, which logs in and sends."""
    scheme, options = ("smtps", []) if port == 465 else ("smtp", ["--ssl-reqd"])
    wanted = [o for r in recipients for o in ("--mail-rcpt", r)]
    return world.lab.client.run(
        "curl", "-sSk", *options, f"{scheme}://{SOURCE_ADDRESS[0]}:{port}/client.example.org",
        "--user", f"{user}:{password}", "--mail-from", at(user), *wanted, "-T", "-",
        input=f"Subject: {token}\r\n\r\ntext\r\n", timeout=30)


def smart_host_is(world, host, **settings):
    """Until the next one: mailferry and one that listens as `host` says."""
    world.ferry.stop()
    world.ferry.settings.update({"smart_host_name": "", "smart_host_verify": "ca", **settings})
    world.smart_host = host
    world.smart_host.start()
    world.ferry.start()


def smart_hosts_of_all_kinds(world, user):
    """By STARTTLS and TLS, whose certificate is right and is not; by LMTP."""
    certificate, key = tls.make_certificate(world.lab.folder, "smart-host", "relay.example.net")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    router, before = world.lab.router, dict(world.ferry.settings)
    os.environ["SSL_CERT_FILE"] = certificate
    try:
        for scheme, implicit in (("smtp+starttls", False), ("smtps", True)):
            host = ScriptedSmtp(router, 2525, context, implicit)
            url = f"{scheme}://127.0.0.1:2525"
            smart_host_is(world, host, smart_host=url, smart_host_name="relay.example.net")
            relays(world, user)
            if not implicit:
                true("answers inside TLS" in smart_host_found(world, "ok"), "in check")
                host.router = {"STARTTLS": b"220 go on\r\n250 injected\r\n"}
                relays_not(world, user)
                host.router = {"STARTTLS": b"502 no\r\n"}
                relays_not(world, user)
                host.router = {}
                relays(world, user)
            host.stop()
        host = ScriptedSmtp(router, 2525, context)
        smart_host_is(world, host, smart_host="smtp+starttls://127.0.0.1:2525",
                      smart_host_name="other.example.net")
        relays_not(world, user)
        true("not one for `smart_host_name`" in smart_host_found(world, "problem"), "its name")
        known_by_its_key(world, user)
        host.stop()
        true(any("smart host" in line and "is away" in line
                 for line in world.ferry.json("status")["attention"]), "it is away")
        path = str(world.lab.folder / "lmtp")
        host = ScriptedSmtp(router, path, lmtp=True)
        smart_host_is(world, host, smart_host=f"lmtp:{path}")
        host.final = [b"250 one\r\n", b"250 two\r\n"]
        relays(world, user, "b@example.net", "c@example.net")
        host.final = [b"250 one\r\n", b"550 nobody\r\n"]
        true(send(world, user, world.password(user), "b@example.net", "c@example.net"
                  ).returncode != 0, "one of two is refused")
        logs_in_by_lmtp(world, user, host, path)
        host.stop()
    finally:
        os.environ.pop("SSL_CERT_FILE")
        world.ferry.stop()
        world.ferry.settings = before
        world.ferry.start()


def logs_in_by_lmtp(world, user, host, path):
    """At one that takes nothing from anybody else."""
    file, said = world.lab.folder / "lmtp-login", []
    file.write_text("relay\nsecret\n", encoding="ascii")
    file.chmod(0o600)

    def auth(line, _address):
        said.append(line)
        return b"235 welcome\r\n"
    host.router = {"LHLO": b"250-relay\r\n250 AUTH CRAM-MD5 PLAIN\r\n", "AUTH": auth,
                   "MAIL": lambda *_: None if said else b"530 5.7.0 log in first\r\n"}
    host.final = [b"250 one\r\n"]
    relays_not(world, user)
    world.again(smart_host=f"lmtp:{path}", smart_host_credentials=str(file))
    relays(world, user)
    true(len(set(said)) == 1 and base64.b64decode(said[0].split()[2]) == b"\0relay\0secret", said)
    world.ferry.settings.pop("smart_host_credentials")


def known_by_its_key(world, user):
    """The same one: check shows the key, and no other is taken for it."""
    key = tls.key_fingerprint(world.lab.folder / "smart-host.pem").lower()
    for pin in ("", "ab" * 32, "no key"):
        world.ferry.write_config(smart_host_verify="pin", smart_host_pin=pin)
        found = smart_host_found(world, "problem")
        true(f'set smart_host_pin = "{key}"' in found, found)
        if pin != "no key":
            world.again()
            relays_not(world, user)
    world.again(smart_host_pin=key)
    relays(world, user)
    true(f"answers inside TLS, with the key {key}" in smart_host_found(world, "ok"), "the right one")
    world.ferry.settings["smart_host_pin"] = ""


def logs_in(world, user):
    """At a real submission service (Postfix, Dovecot's SASL), which takes mail in no other
    way. Nobody but the relay has the password, not even after mail has passed."""
    postfix, name = world.lab.postfix, world.there
    before, log = dict(world.ferry.settings), len(postfix.log_text())
    password, file = "relay's own \\ secret", world.lab.folder / "relay-login"
    world.server.add_user(name, password)
    postfix.configure(default_transport="discard")

    def login_is(text):
        file.write_text(f"{name}\n{text}\n", encoding="ascii")
        file.chmod(0o600)

    def lines(what):
        return [l for l in postfix.log_text()[log:].splitlines() if what in l]

    try:
        login_is(password)
        world.again(smart_host=f"smtp+starttls://{SOURCE_ADDRESS[0]}:587",
                    smart_host_verify="pin", smart_host_credentials=str(file),
                    smart_host_pin=tls.key_fingerprint(world.server.folder / "cert.pem").lower())
        true("and takes our login" in smart_host_found(world, "ok"), "check")
        sends_by_the_login(world, user, lines)
        equal(holders(world, password), ["--task smart-host"], "who has the password")
        refused_login(world, user, login_is)
        login_is(password)
        world.ferry.ok("upgrade")
        sends_by_the_login(world, user, lines)
        upgrades_meanwhile(world, user, lines)
        postfix.configure(default_transport="discard", smtpd_sasl_mechanism_filter="login")
        world.ferry.ok("upgrade")
        sends_by_the_login(world, user, lines, "LOGIN")
        file.chmod(0o640)
        true("chmod 600" in smart_host_found(world, "problem"), "others can read it")
    finally:
        postfix.configure()
        world.ferry.stop()
        world.ferry.settings = before
        world.ferry.start()


def upgrades_meanwhile(world, user, lines):
    """In the middle of a message, and between two: what was answered with 250 has gone on."""
    n = len(lines("status=sent"))
    plain = base64.b64encode(f"\0{user}\0{world.password(user)}".encode()).decode()
    client = world.starttls(587, user)
    client.ok(f"AUTH PLAIN {plain}")
    equal(client.mail("b@example.net", sender=at(user)), [250])
    client.ok("DATA")
    client.send(b"Subject: an upgrade\r\n\r\n" + b"half of it\r\n" * 5000)
    world.ferry.ok("upgrade")
    client.send(b"the other half\r\n.\r\n")
    equal(client.reply()[:3], b"250", "the message")
    client.quit()
    wait_until("it has gone on", lambda: len(lines("status=sent")) == n + 1)
    sends_by_the_login(world, user, lines)


def sends_by_the_login(world, user, lines, mechanism="PLAIN"):
    n = len(lines("status=sent"))
    done = send(world, user, world.password(user), "b@example.net")
    equal(done.returncode, 0, f"{done.stdout}\n{world.ferry.log_tail(5)}")
    wait_until("it has gone on", lambda: len(lines("status=sent")) == n + 1)
    true(f"sasl_method={mechanism}, sasl_username={world.there}" in lines("sasl_username=")[-1], "who")


def holders(world, secret):
    """Ends of the command lines of our processes in whose memory it is."""
    found = []
    for program in ("interceptor", "vault", "transfer", "mailstore"):
        for pid in world.ferry.processes(program):
            if any(secret.encode() in piece for piece in memory_of(pid)):
                arguments = command_line(pid)
                found.append(b" ".join(arguments[-3:]).decode().strip())
    return found


def refused_login(world, user, login_is):
    """Put off, not refused; named with the cure; and not tried with each message."""
    login_is("another secret")
    world.again()
    plain = base64.b64encode(f"\0{user}\0{world.password(user)}".encode()).decode()
    for _ in range(2):
        client = world.starttls(587, user)
        client.ok(f"AUTH PLAIN {plain}")
        code, = client.mail("b@example.net")
        equal(code // 100, 4, "put off")
        client.quit()
    told = [l for l in world.ferry.log.read_text().splitlines() if "smart-host-login" in l]
    equal(len(told), 1, "logins that were tried")
    true("535 5.7.8" in told[-1] and "run `mailferry upgrade`" in told[-1], told)
    true(any("refuses our login: 535 5.7.8" in line
             for line in world.ferry.json("status")["attention"]), "status")
    true("refuses our login (535 5.7.8" in smart_host_found(world, "problem"), "check")


def smart_host_found(world, level):
    findings = json.loads(world.ferry.command("check", "--json").stdout)["findings"]
    found = [f for f in findings if f["name"] == "smart host"]
    equal([f["level"] for f in found], [level], found)
    return found[0]["text"]


def relays(world, user, *recipients):
    recipients = recipients or ("b@example.net",)
    world.smart_host.taken.clear()
    done = send(world, user, world.password(user), *recipients)
    equal(done.returncode, 0, f"{done.stdout}\n{world.ferry.log_tail(5)}")
    equal([to for to, _ in world.smart_host.taken], [list(recipients)], "at the smart host")


def relays_not(world, user):
    world.smart_host.taken.clear()
    true(send(world, user, world.password(user), "b@example.net").returncode != 0, "no TLS")
    equal(world.smart_host.taken, [], "in clear, or to another one")
