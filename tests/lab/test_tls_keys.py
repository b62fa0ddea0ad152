#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates as admins have them: the old server's own, in PKCS#12, expired, with
a long chain; and logins by tokens and client certificates inside TLS.
"""
import base64
import errno
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import tls  # noqa: E402
from lab.harness import Skipped, case, equal, main, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402
from lab.tls_world import TlsWorld, imap_inside  # noqa: E402

TOKENS = """\
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2.conf
}}
"""
LOCAL = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""
TCP_ULP = 31  # linux/tcp.h
SECRET = b"what the old server knows tokens by"


class TokenDovecot(Dovecot):
    """It takes tokens (JWT, signed with SECRET), too, and client certificates."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, mechanisms="plain oauthbearer xoauth2 external", **options)

    def prepare(self):
        super().prepare()
        text = self.config.read_text(encoding="ascii")
        self.config.write_text(text.replace("passdb {", TOKENS.format(folder=self.folder) +
                                            "passdb {", 1), encoding="ascii")
        (self.folder / "oauth2.conf").write_text(LOCAL.format(folder=self.folder), encoding="ascii")
        key = self.folder / "keys/default/HS256/default"
        key.parent.mkdir(parents=True)
        key.write_bytes(base64.b64encode(SECRET))


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   **options)


def findings(world, *options):
    return json.loads(world.ferry.command("check", "--json", *options).stdout)["findings"]


def with_keys(world, certificate, key):
    """mailferry has these alone."""
    world.ferry.stop()
    world.ferry.write_config(tls={**world.ferry.settings["tls"], "certificate": [str(certificate)],
                                  "key": [str(key)]})
    world.ferry.start()


def shown_chain(world, *options, version="-tls1_3"):
    """(PEM certificates, what else s_client said)"""
    done = world.lab.client.run(
        "openssl", "s_client", "-connect", f"{SOURCE_ADDRESS[0]}:993", "-servername", tls.NAME,
        "-showcerts", version, *options, input="", timeout=20)
    parts = done.stdout.split("-----BEGIN CERTIFICATE-----")
    return [p.split("-----END")[0].strip() for p in parts[1:]], done.stdout


def in_pem(path):
    return [p.split("-----END")[0].strip() for p in
            Path(path).read_text(encoding="ascii").split("-----BEGIN CERTIFICATE-----")[1:]]


# ---- check ----

@case
def check_says_for_each_port_whose_key_it_is(world):
    """The old server's own pair fits, on all its ports; ours does not."""
    words = {"imap", "imaps", "pop3", "pop3s"}

    def said(sentence):
        return {f["name"] for f in findings(world, "--trust-source")
                if f["area"] == "tls" and sentence in f["text"]}
    ours = dict(world.ferry.settings["tls"])
    equal(said("our key is another one, for mail.example.com"), words, "ours")
    equal(said("our key fits: it is the same one"), set(), "not yet")
    folder = world.server.folder
    with_keys(world, folder / "cert.pem", folder / "key.pem")
    equal(said("our key fits: it is the same one"), words, "its own")
    equal(said("our key is another one"), set(), "no other")
    equal(tls.shown(world.secure(993)), world.source_certificate, "clients see no difference")
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    with_keys(world, *(ours[name][0] for name in ("certificate", "key")))


def given_to_the_kernel(world):
    """{"TlsTxSw": how many sockets of the router got keys to send with, …}, empty without kTLS"""
    done = world.lab.router.run("cat", "/proc/net/tls_stat", stderr=subprocess.DEVNULL)
    return {name: int(count) for name, count in map(str.split, done.stdout.splitlines())}


@case
def the_kernel_gets_keys_after_the_login(world):
    """Of a session that is relayed, and of one that is served here."""
    if not given_to_the_kernel(world):
        raise Skipped("this kernel has no TLS; tests/kernel/run has one")
    user = world.user(1)
    for route in ("source", "local"):
        before = given_to_the_kernel(world)
        client = imap_inside(world, user, world.secure(993, user))
        client.ok("SELECT INBOX")
        after = given_to_the_kernel(world)
        for name in ("TlsTxSw", "TlsRxSw"):
            true(after[name] > before[name], f"{route}: {name} {after}")
        client.logout()
        world.ferry.wait_account(user, stage="done", route="local")


@case
def check_says_whether_the_kernel_does_tls(world):
    found = [f for f in findings(world) if f["area"] == "kernel" and f["name"] == "tls"]
    equal(len(found), 1, "one line")
    with socket.socket() as unconnected:
        try:
            unconnected.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError as why:
            has = why.errno == errno.ENOTCONN
    equal((found[0]["level"], "no kTLS" in found[0]["text"]), ("ok" if has else "note", not has))


@case
def client_certificates_need_pass(world):
    """EXTERNAL is of the client's TLS with the old server: not where TLS ends here."""
    def sentence():
        return [f for f in findings(world) if f["name"] == "imaps" and "EXTERNAL" in f["text"]]
    found = wait_until("what the source offers inside TLS", sentence, 30, 0.5)
    true('services { imaps { tls = "pass" } }' in found[0]["text"], found)
    connection = Imap(world.secure(993))
    offered = str(connection.ok("CAPABILITY"))
    true("AUTH=PLAIN" in offered and "AUTH=EXTERNAL" not in offered, offered)
    connection.send(b"a AUTHENTICATE EXTERNAL =\r\n")
    true(connection.line().startswith(b"a NO"), "and not taken")
    world.ferry.stop()
    world.ferry.write_config(services={"imaps": {"tls": "pass"}})
    world.ferry.start()
    try:
        connection = world.secure(993)
        equal(tls.shown(connection), world.source_certificate, "it passes")
        true("AUTH=EXTERNAL" in str(Imap(connection).ok("CAPABILITY")), "with its own offer")
        equal(sentence(), [], "nothing is lost there")
    finally:
        world.ferry.stop()
        world.ferry.settings.pop("services")
        world.ferry.write_config()
        world.ferry.start()


# ---- files ----

@table([("the chain inside", True), ("alone", False)])
def a_file_of_pkcs12(world, with_chain):
    folder = world.lab.folder
    certificate, key = tls.make_certificate(folder, f"for-p12-{with_chain}")
    other = tls.make_certificate(folder, f"chain-p12-{with_chain}", "ca.example.com")[0]
    path = folder / f"ours-{with_chain}.p12"
    run("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", path,
        "-passout", "pass:", *(("-certfile", other) if with_chain else ()))
    with_keys(world, path, path)
    got = shown_chain(world)[0]
    equal(got[0], in_pem(certificate)[0], "its certificate")
    equal(got[-1], in_pem(other if with_chain else certificate)[0], "the chain")
    found = [f for f in findings(world) if f["name"] == "certificate"]
    equal([f["level"] for f in found], ["ok"], found)
    true(tls.NAME in found[0]["text"] and "29 days" in found[0]["text"], found)


def expired(folder):
    """(certificate, key): until yesterday."""
    key, request, path = (folder / f"expired.{end}" for end in ("key", "csr", "pem"))
    config = folder / "ca.conf"
    config.write_text(f"""\
[ca]
default_ca = here
[here]
new_certs_dir = {folder}
database = {folder}/ca.index
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{tls.NAME}
""", encoding="ascii")
    (folder / "ca.index").write_text("", encoding="ascii")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={tls.NAME}", "-keyout", key, "-out", request)
    yesterday = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 86400))
    run("openssl", "ca", "-batch", "-selfsign", "-config", config, "-keyfile", key, "-in", request,
        "-out", path, "-notext", "-startdate", "20200101000000Z", "-enddate", yesterday)
    return path, key


@case
def an_expired_certificate(world):
    """It is a problem, and said; but clients that took it so far go on."""
    with_keys(world, *expired(world.lab.folder))
    found = [f for f in findings(world) if f["name"] == "certificate"]
    true(found[0]["level"] == "problem" and "expired" in found[0]["text"], found)
    wait_until("status to say it", lambda: any(
        "expired" in line for line in world.ferry.json("status")["attention"]))
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()


def large(folder, label):
    """A certificate of some 3 KB, which signs others: (certificate, key)."""
    names = ",".join(f"DNS:{label}-{n}.certificates.example.com" for n in range(80))
    certificate, key = folder / f"{label}.pem", folder / f"{label}.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "30", "-subj", f"/CN={label}", "-addext", f"subjectAltName={names}",
        "-keyout", key, "-out", certificate)
    return certificate, key


@case
def a_long_chain_with_a_staple(world):
    """More than 8 KiB from the vault to the workers and to the client."""
    folder = world.lab.folder
    signers = [large(folder, f"signer{n}") for n in range(4)]
    issuer, issuer_key = signers[0]
    key, request, leaf = (folder / f"long.{end}" for end in ("key", "csr", "leaf"))
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={tls.NAME}", "-addext", f"subjectAltName=DNS:{tls.NAME}",
        "-keyout", key, "-out", request)
    run("openssl", "x509", "-req", "-in", request, "-CA", issuer, "-CAkey", issuer_key,
        "-set_serial", "0x1234", "-days", "30", "-copy_extensions", "copyall", "-out", leaf)
    path = folder / "long.pem"
    path.write_text("".join(Path(p).read_text(encoding="ascii")
                            for p in [leaf, *(c for c, _ in signers)]), encoding="ascii")
    (folder / "ocsp.index").write_text(
        f"V\t{time.strftime('%y%m%d%H%M%SZ', time.gmtime(time.time() + 86400))}\t\t1234\tunknown"
        f"\t/CN={tls.NAME}\n", encoding="ascii")
    asked, staple = folder / "ocsp.request", Path(f"{path}.ocsp")
    run("openssl", "ocsp", "-issuer", issuer, "-cert", leaf, "-reqout", asked)
    run("openssl", "ocsp", "-index", folder / "ocsp.index", "-rsigner", issuer, "-rkey", issuer_key,
        "-CA", issuer, "-reqin", asked, "-respout", staple)
    with_keys(world, path, key)
    for version in ("-tls1_2", "-tls1_3"):
        got, said = shown_chain(world, "-status", version=version)
        equal(got[-5:], in_pem(path), "the whole chain, in its order")
        true("OCSP Response Status: successful" in said and "Cert Status: good" in said, said[-900:])
    true(sum(len(base64.b64decode(c)) for c in in_pem(path)) + staple.stat().st_size > 8192, "long")
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()


# ---- tokens ----

def token_for(user):
    """A JWT as an identity provider gives it to the program of that user."""
    def part(thing):
        return base64.urlsafe_b64encode(thing).rstrip(b"=")
    now = int(time.time())
    body = b".".join([part(b'{"alg":"HS256","typ":"JWT"}'), part(json.dumps(
        {"sub": user, "iat": now - 60, "exp": now + 600}).encode())])
    return body + b"." + part(hmac.new(SECRET, body, hashlib.sha256).digest())


BEARER = {
    "XOAUTH2": lambda user, token: b"user=%s\1auth=Bearer %s\1\1" % (user.encode(), token),
    "OAUTHBEARER": lambda user, token: b"n,a=%s,\1host=mail.example.com\1port=993\1auth=Bearer %s\1\1"
                                       % (user.encode(), token),
}


@table([(name, name) for name in BEARER])
def a_login_by_token(world, mechanism):
    """It passes to the old server inside TLS, shows no password, and is listed so."""
    user = world.user(3)
    client = Imap(world.secure(993, user))
    true(f"AUTH={mechanism}" in str(client.ok("CAPABILITY")), "offered")
    client.send(b"a AUTHENTICATE %s %s\r\n" % (
        mechanism.encode(), base64.b64encode(BEARER[mechanism](user, token_for(user)))))
    answer = client.until(b"a")
    true(b"a OK" in answer[-1], answer)
    client.ok("SELECT INBOX")
    client.logout()
    world.expect_source_logins(user, world.address(user))
    account = world.ferry.account(user)
    equal((account["route"], account["capturable"]), ("source", False))
    equal(account["uncapturable_why"], mechanism)
    told = [line for line in world.ferry.json("status")["attention"] if user in line]
    true(mechanism in str(told) and f"mailferry passwd {user}" in str(told), f"the cure: {told}")
    # a token that is wrong
    client = Imap(world.secure(993, user))
    client.send(b"a AUTHENTICATE %s %s\r\n" % (
        mechanism.encode(), base64.b64encode(BEARER[mechanism](user, b"not.a.token"))))
    answer = client.line()
    if answer.startswith(b"+"):  # the error, which the client confirms (RFC 7628, 3.2.3)
        client.send(base64.b64encode(b"\1") + b"\r\n")
        answer = client.line()
    true(answer.startswith(b"a NO"), answer)


if __name__ == "__main__":
    main(lambda: TlsWorld(settings={"hold": 20}, server=TokenDovecot))
