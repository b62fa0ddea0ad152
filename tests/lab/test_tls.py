#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS ends here for the names that we hold keys for, and passes unseen for all others."""
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, tls  # noqa: E402
from lab.harness import case, equal, main, nothing, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.tls_world import TlsWorld, imap_inside  # noqa: E402


WAYS_OF_IMAP = [
    ("imaps", lambda world, user: (world.secure(993, user), True)),
    ("STARTTLS", lambda world, user: (world.starttls(user), False)),
]


@table(WAYS_OF_IMAP)
def a_user_moves(world, way):
    user = world.user(40)
    before = world.at_source(user)
    connection, greeting = way(world, user)
    equal(tls.shown(connection), tls.in_file(world.ours[0]), "our certificate")
    client = imap_inside(world, user, connection, greeting)
    client.ok("SELECT INBOX")
    client.logout()
    world.expect_source_logins(user, world.address(user))
    world.ferry.wait_account(user, stage="done", route="local")
    nothing(compare.differences(before, world.here(user)), "differences in clear")
    connection, greeting = way(world, user)
    client = imap_inside(world, user, connection, greeting)
    flows = [f for f in world.ferry.json("flows") if f["account"] == user]
    equal([f["route"] for f in flows], ["local"], "flows")
    client.ok("SELECT INBOX")
    flows = [f for f in world.ferry.json("flows") if f["account"] == user]
    true(flows[0]["bytes_out"] > 200 and flows[0]["bytes_in"] > 10, f"its bytes: {flows}")
    client.send(b"I IDLE\r\n")
    true(client.line().startswith(b"+"), "idling here")
    client.send(b"DONE\r\n")
    client.until(b"I")
    client.logout()
    world.expect_source_logins(user, world.address(user))  # no further one


@table([("pop3s", lambda world, user: (world.secure(995, user), True)),
        ("STLS", lambda world, user: (world.stls(user), False))])
def a_pop3_user_moves(world, way):
    user = world.user(20)
    sizes = []
    for _ in range(2):
        connection, greeting = way(world, user)
        client = Pop3(connection, greeting)
        client.ok(f"USER {user}")
        client.ok(f"PASS {world.password(user)}")
        sizes.append(client.ok("STAT"))
        client.quit()
        world.ferry.wait_account(user, stage="done", route="local")
    equal(sizes[0], sizes[1], "STAT before and after")


@case
def another_name_passes_unseen(world):
    user = world.user(5)
    connection = world.secure(993, user, name="other.example.com")
    equal(tls.shown(connection), world.source_certificate, "the source's own certificate")
    client = imap_inside(world, user, connection)
    world.expect_source_logins(user, world.address(user))
    equal(world.ferry.account(user), None, "nothing was learnt of it")
    client.logout()
    connection = world.starttls(user, name="other.example.com")
    equal(tls.shown(connection), world.source_certificate, "by STARTTLS, too")
    imap_inside(world, user, connection, greeting=False).logout()


@case
def no_name_is_shown_the_first(world):
    connection = world.secure(993, name=None)
    equal(tls.shown(connection), tls.in_file(world.ours[0]), "our certificate")


@case
def rsa_for_clients_that_know_no_other(world):
    context = tls.client_context(newest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    equal(tls.shown(world.secure(993, context=context)), tls.in_file(world.ours[1]), "RSA")


@table([("TLS 1.0", "-tls1"), ("TLS 1.1", "-tls1_1")])
def old_versions_are_refused(world, option):
    done = world.lab.client.run(
        "openssl", "s_client", option, "-cipher", "DEFAULT:@SECLEVEL=0", "-servername", tls.NAME,
        "-connect", f"{SOURCE_ADDRESS[0]}:993", input="", timeout=20)
    true("alert protocol version" in done.stdout, done.stdout[-300:])


@case
def bytes_behind_starttls_end_it(world):
    for port, command in ((143, b"a STARTTLS\r\nb NOOP\r\n"), (110, b"STLS\r\nNOOP\r\n")):
        connection = world.lab.connect(port)
        connection.recv(4096)
        connection.sendall(command)
        rest = b""
        while part := connection.recv(4096):
            rest += part
        true(b"NOOP" not in rest and b"b OK" not in rest, f"{port}: {rest!r}")


@case
def handshakes_that_stall_disturb_nobody(world):
    stalled = []
    for n in range(200):
        connection = world.lab.connect(993)
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:n % 12])
        stalled.append(connection)
    user = world.user(3)
    began = time.monotonic()
    imap_inside(world, user, world.secure(993, user)).logout()
    true(time.monotonic() - began < 10, "a login beside them")
    for connection in stalled:
        connection.close()


@case
def certificates_are_not_lost_with_the_vault(world):
    """It is killed: the next handshake waits for the next one or fails, and then they work."""
    for pid in world.ferry.processes("vault"):
        subprocess.run(["kill", "-9", str(pid)], check=True)
    def works():
        try:
            return tls.shown(world.secure(993))
        except (OSError, ssl.SSLError):
            return None
    equal(wait_until("a handshake", works, 30, 0.2), tls.in_file(world.ours[0]))


@case
def certificates_are_renewed_by_themselves(world):
    """As certbot does it: links to new files, the key and the certificate one after the other.
    A session that is there stays."""
    user = world.user(3)
    client = imap_inside(world, user, world.secure(993, user))
    old = tls.in_file(world.ours[0])
    links = [Path(world.ours[0]), Path(world.ferry.settings["tls"]["key"][0])]
    fresh = [Path(p) for p in tls.make_certificate(world.lab.folder, "renewed")]

    def swap(which):
        spare = links[which].with_suffix(".new")
        spare.symlink_to(fresh[which])
        spare.rename(links[which])

    def attention():
        return str(world.ferry.json("status")["attention"])
    swap(0)
    wait_until("the mismatch to be told", lambda: "the old ones stay" in attention(), 30, 0.2)
    equal(tls.shown(world.secure(993)), old, "the old pair is kept")
    swap(1)
    wait_until("the new certificate", lambda: tls.shown(world.secure(993)) ==
               tls.in_file(fresh[0]), 30, 0.2)
    wait_until("no complaint", lambda: "the old ones stay" not in attention(), 30, 0.2)
    client.ok("NOOP")
    client.logout()


@case
def reload_takes_what_the_configuration_names(world):
    name = "second.example.com"
    user = world.user(3)
    client = imap_inside(world, user, world.secure(993, user))
    pair = tls.make_certificate(world.lab.folder, "second", name=name)
    ours = world.ferry.settings["tls"]
    world.ferry.write_config(hold=21, tls={
        **ours, "certificate": [*ours["certificate"], pair[0]], "key": [*ours["key"], pair[1]]})
    told = world.ferry.ok("reload")
    true("certificates: 3 in use" in told and "hold: needs a restart" in told
         and told.count("restart") == 1, told)
    equal(tls.shown(world.secure(993, name=name)), tls.in_file(pair[0]), "its certificate")
    client.ok("NOOP")
    client.logout()
    world.ferry.write_config(hold=20, tls={**ours, "key": list(reversed(ours["key"]))})
    done = world.ferry.command("reload")
    true(done.returncode == 1 and "is not the key of the certificate" in done.stderr, done)
    equal(tls.shown(world.secure(993, name=name)), tls.in_file(pair[0]), "still there")
    world.ferry.write_config(tls=ours)
    os.kill(world.ferry.daemon.pid, signal.SIGHUP)
    wait_until("SIGHUP", lambda: tls.shown(world.secure(993, name=name)) ==
               world.source_certificate, 30, 0.2)


@case
def many_at_once(world):
    users = [world.user(3) for _ in range(8)]
    failures = []
    def work(user):
        try:
            for _ in range(10):
                imap_inside(world, user, world.secure(993, user)).logout()
        except Exception as why:  # pylint: disable=W0718
            failures.append(f"{user}: {why}")
    threads = [threading.Thread(target=work, args=(u,)) for u in users]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    nothing(failures, "logins")


def tls_findings(world, *options):
    done = world.ferry.command("check", "--json", *options)
    return {f["name"]: f for f in json.loads(done.stdout)["findings"] if f["area"] == "tls"}


@case
def the_source_is_known_by_its_certificate(world):
    """Workers and transfers, behind Landlock, still know whom the host trusts."""
    before = dict(world.ferry.settings)
    os.environ["SSL_CERT_FILE"] = str(world.server.folder / "cert.pem")
    world.ferry.stop()
    world.ferry.write_config(tls={**before["tls"], "source_verify": "ca"}, source_name=tls.NAME,
                             services={"imap": {"source_tls": "starttls"}})
    try:
        world.ferry.start()
        user = world.user(3)
        imap_inside(world, user, world.secure(993, user)).logout()
        world.ferry.wait_account(user, stage="done", route="local")
        found = tls_findings(world)["imaps"]
        true(found["level"] == "ok" and "verified by its certificate" in found["text"], found)
        world.ferry.stop()
        world.ferry.write_config(source_name="other.example.com")
        found = tls_findings(world)["imaps"]
        true(found["level"] == "problem" and "known authority" in found["text"], found)
        world.ferry.start()
        stranger = world.user(3)
        client = Imap(world.secure(993, stranger))
        client.send(f"a LOGIN {stranger} {world.password(stranger)}\r\n".encode())
        true(b"UNAVAILABLE" in client.line(), "another name")
    finally:
        os.environ.pop("SSL_CERT_FILE")
        world.ferry.stop()
        world.ferry.settings = before
        world.ferry.start()


def tls_first(world, on):
    """The old server takes passwords inside TLS only, and we speak TLS with it."""
    config = world.server.config
    words = ("disable_plaintext_auth = no", "disable_plaintext_auth = yes")
    world.ferry.stop()
    config.write_text(config.read_text().replace(*(words if on else words[::-1])))
    world.server.doveadm("reload")
    world.ferry.write_config(services={name: {"source_tls": "starttls" if on else "none"}
                                       for name in ("imap", "pop3")})
    world.ferry.start()


@case
def what_a_source_wants_tls_for_is_not_offered_in_clear(world):
    """LOGINDISABLED and no mechanism in clear, AUTH=PLAIN inside TLS: each as shown there."""
    tls_first(world, True)
    try:
        user = world.user(3)
        shown = wait_until("what it shows in clear", lambda: [
            line for line in [str(world.imap(user).ok("CAPABILITY"))]
            if "LOGINDISABLED" in line])[0]
        true("STARTTLS" in shown and "AUTH=" not in shown, shown)
        client = world.imap(user)
        answer = client.login(user, world.password(user))
        true(b"NO [PRIVACYREQUIRED]" in answer, answer)
        equal(world.source_logins(user), [], "no password goes there")
        client.close()
        inside = Imap(world.starttls(user), greeting=False)
        shown = str(inside.ok("CAPABILITY"))
        true("AUTH=PLAIN" in shown and "LOGINDISABLED" not in shown
             and "STARTTLS" not in shown, shown)
        true(b" OK " in inside.login(user, world.password(user)), "login inside TLS")
        inside.logout()
        clear = Pop3(world.lab.connect(110, world.address(user)))
        shown = b" ".join(clear.lines("CAPA"))
        true(b"STLS" in shown and b"USER" not in shown, shown)
        clear.send(f"USER {user}\r\n".encode())
        true(clear.line().startswith(b"-ERR [AUTH]"), "USER in clear")
        clear.quit()
        shown = b" ".join(Pop3(world.stls(user), greeting=False).lines("CAPA"))
        true(b"USER" in shown and b"PLAIN" in shown and b"STLS" not in shown, shown)
    finally:
        tls_first(world, False)


@case
def the_source_is_known_by_its_key(world):
    world.ferry.stop()
    world.ferry.write_config(tls={**world.ferry.settings["tls"], "source_verify": "pin"})
    found = tls_findings(world)["imaps"]
    true(found["level"] == "problem" and "not confirmed" in found["text"], found)
    found = tls_findings(world, "--trust-source")
    true(all(f["level"] == "ok" for f in found.values() if "key" in f["text"]
             and "cannot be seen" not in f["text"]), found)
    world.ferry.start()
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    with sqlite3.connect(Path(world.ferry.settings["state_dir"]) / "registry.sqlite") as registry:
        registry.execute("UPDATE fact SET value=? WHERE name='imaps.pin'", (b"00" * 32,))
    true("our key is another one, for mail.example.com" in found["imap"]["text"], found)
    true("NOT the one" in tls_findings(world)["imaps"]["text"], "another key is told")
    world.ferry.stop()
    world.ferry.start()
    stranger = world.user(3)
    client = Imap(world.secure(993, stranger))
    client.send(f"a LOGIN {stranger} {world.password(stranger)}\r\n".encode())
    answer = client.line()
    true(b"UNAVAILABLE" in answer, f"no password goes to another key: {answer!r}")
    equal(world.source_logins(stranger), [], "at the source")


@case
def after_the_old_server(world):
    """The last one: TLS is ours, and goes on."""
    tls_findings(world, "--trust-source")
    world.ferry.stop()
    world.ferry.start()
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    world.ferry.ok("retire", "--force", "--yes")
    for _, way in WAYS_OF_IMAP:
        connection, greeting = way(world, user)
        client = imap_inside(world, user, connection, greeting)
        client.ok("SELECT INBOX")
        client.logout()
    connection = Pop3(world.stls(user), greeting=False)
    true(connection.login(user, world.password(user)).startswith(b"+OK"), "STLS")
    connection.quit()


if __name__ == "__main__":
    main(lambda: TlsWorld(settings={"hold": 20}))
