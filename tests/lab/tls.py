# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS in the lab: certificates that a test makes, and clients that say what they got."""
import hashlib
import ssl
import subprocess

from .network import SOURCE_ADDRESS

NAME = "mail.example.com"


def make_certificate(folder, label, name=NAME, kind="ec"):
    """(certificate, key): files below folder, signed by themselves."""
    certificate, key = folder / f"{label}.pem", folder / f"{label}.key"
    algorithm = (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"])
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "30",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(certificate), str(key)


def hold_keys(world):
    """(EC, RSA): our certificates; mailferry has them and their keys when it starts."""
    pairs = [make_certificate(world.lab.folder, "ours-" + kind, kind=kind)
             for kind in ("ec", "rsa")]
    world.ferry.settings["tls"] = {"certificate": [c for c, _ in pairs],
                                   "key": [k for _, k in pairs], "source_verify": "none"}
    return [certificate for certificate, _ in pairs]


def by_name(folder):
    """What goes before a command of the client, so that NAME is the old server's address."""
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{SOURCE_ADDRESS[0]} {NAME}\n", encoding="ascii")
    # each command in a namespace has a view of the files of its own
    return ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]


def client_context(oldest=None, newest=None, ciphers=None):
    """Shows what it is shown: the test compares certificates itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if oldest:
        context.minimum_version = oldest
    if newest:
        context.maximum_version = newest
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def begin(connection, name=NAME, context=None):
    return (context or client_context()).wrap_socket(connection, server_hostname=name)


def shown(connection):
    """The certificate that the server showed, as it lies in a file."""
    return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))


def in_file(path):
    """The first certificate of a file, in the same form."""
    with open(path, encoding="ascii") as file:
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(
            file.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"))


def key_fingerprint(certificate):
    """Of the public key: what a TLSA record 3 1 1 has (RFC 7671), and Postfix's digests."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True,
                         capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, input=key,
                         capture_output=True).stdout
    return hashlib.sha256(der).hexdigest().upper()
