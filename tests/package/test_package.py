#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package on a machine of its own: built, held against lintian, installed in a
fresh Debian 12 that systemd boots in namespaces, started, killed, rebooted, upgraded under
a running service, removed; a user of an old server is moved before. Needs root and the
packages of tests/package/packages. Minutes.

test_package.py [DIRECTORY]      where it builds; kept, so that a second run is shorter
"""
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from former import check_former  # noqa: E402
from move import USER as MOVED, check_move  # noqa: E402
from restart import check_restart, has_jobs  # noqa: E402
from walls import check_walls  # noqa: E402

SOURCE = Path(__file__).resolve().parents[2]
INCLUDE = "systemd,systemd-sysv,dbus,nftables,iproute2,sqlite3,procps"
PROFILES = "contrib/apparmor/mailferry"
# as `systemd-analyze security` says it: none above 2.0
EXPOSURE_MAX = {"vault": 1.5, "state": 1.5, "mailstore": 1.3, "admission": 1.8, "watch": 1.9,
                "rules": 1.9, "transfer": 1.9, "dashboard": 1.8, "interceptor": 2.0}
PARTS = [part for part in EXPOSURE_MAX if part != "rules"]
CONF = """source = "192.0.2.10"
domains = {"example.com"}
strategy = "after-logoff"
"""
# what becomes of a machine: its own processes, network, mounts; the root is the folder
BOOT = r"""
set -e
mount --make-rprivate /
mount --rbind "$ROOT" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for n in null zero full random urandom tty; do : >dev/$n; mount --bind /dev/$n dev/$n; done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
[ ! -e /dev/net/tun ] || { mkdir dev/net; : >dev/net/tun; mount --bind /dev/net/tun dev/net/tun; }
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
mkdir -p old
pivot_root . old
umount -l /old
# as systemd makes it where it is no container: its credentials are mounts
mount --make-rshared /
exec env -i container=mailferry-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


def run(*words, check=True, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          timeout=1200, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.3)
    print(f"  ok: {what}", flush=True)


def ensure(what, condition):
    if not condition:
        raise AssertionError(what)
    print(f"  ok: {what}", flush=True)


def build(place, version=None):
    """The package of the last commit, as VERSION."""
    tree = place / "mailferry-build"
    run("rm", "-rf", tree)
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(SOURCE), "archive", "HEAD"],
                             stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(tree)], input=archive, check=True)
    if version:
        log = tree / "debian/changelog"
        log.write_text(re.sub(r"\([^)]*\)", f"({version})", log.read_text(), count=1))
    run("dpkg-buildpackage", "-b", "-us", "-uc", cwd=tree)
    packages = sorted(place.glob("mailferry_*.deb"), key=lambda p: p.stat().st_mtime)
    return packages[-1]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_reproducible(place, package):
    """The same bytes from another folder, at another time."""
    again = build(place / "elsewhere" / "deeper")
    ensure("built elsewhere, it is the same to the byte", digest(package) == digest(again))


def check_installed(place, package):
    """`cmake --install` gives the same files, but for what a package says of itself."""
    made, unpacked = place / "installed", place / "unpacked"
    run("rm", "-rf", made, unpacked)
    run("cmake", "--install", *(place / "mailferry-build").glob("obj-*"),
        env={**os.environ, "DESTDIR": str(made)})
    run("dpkg-deb", "-x", package, unpacked)

    def files(root):
        """With their modes, or where they lead; a package's pages are compressed."""
        return {(str(path.relative_to(root)).removesuffix(".gz"),
                 str(path.readlink()).removesuffix(".gz") if path.is_symlink() else
                 f"{path.lstat().st_mode:o}") for path in root.rglob("*")}

    differ = files(made) ^ files(unpacked)
    ensure(f"`cmake --install` gives the same {len(files(made))} files ({differ})",
           {Path(name).name for name, _ in differ} == {"changelog", "copyright"})
    page = unpacked / "usr/share/doc/mailferry/html/index.html"
    ensure("so the handbook, as HTML, too", "href=\"move.html\"" in page.read_text() and
           (page.parent / "move.html").exists())


def check_profiles():
    run("apparmor_parser", "--skip-kernel-load", "--skip-cache", SOURCE / PROFILES)
    print("  ok: AppArmor's parser takes the profiles", flush=True)


def check_lintian(place):
    changes = sorted(place.glob("mailferry_*.changes"), key=lambda p: p.stat().st_mtime)[-1]
    said = run("lintian", "--fail-on", "none", changes, check=False)
    ensure(f"lintian says nothing ({said.strip()})", not re.search(r"(?m)^[EW]:", said))


def make_root(place, package):
    root = place / "root"
    if not (root / "lib/systemd/systemd").exists():
        needed = re.sub(r"\([^)]*\)|\s|\|[^,]*", "",
                        run("dpkg-deb", "-f", package, "Depends"))
        run("rm", "-rf", root)
        run("mmdebstrap", "--variant=minbase", f"--include={INCLUDE},{needed}", "bookworm",
            root)
    # of a run before this one: mail stays when the package goes
    run("rm", "-rf", root / "var/lib/mailferry",
        *root.glob("etc/systemd/system/mailferry*.service.d"), *root.glob("etc/systemd/system/*.wants/mailferry*"))
    return root


class Machine:
    """systemd on ROOT, in namespaces."""
    BOOTED = ("running",)

    def __init__(self, root):
        self.root, self.boot = root, None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.boot = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup", "--fork",
             "--kill-child=KILL", "sh", "-c", BOOT], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "ROOT": str(self.root)})
        until("systemd has booted", lambda: self("systemctl", "is-system-running", "--wait",
                                                 check=False).strip() in self.BOOTED, 120)

    def stop(self):
        if self.boot:
            self.boot.send_signal(signal.SIGKILL)  # the namespace ends with it
            self.boot.wait()
        self.boot = None

    def init(self):
        """The machine's process 1, as this host numbers it; None: not born yet."""
        path = f"/proc/{self.boot.pid}/task/{self.boot.pid}/children"
        with contextlib.suppress(OSError, IndexError):  # not born yet
            return Path(path).read_text().split()[0]
        return None

    def __call__(self, *words, **more):
        init = self.init() if self.boot else None
        if not init:
            return ""
        return run("nsenter", "-t", init, "-a", "env", "-i",
                   "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words, **more)

    def install(self, package):
        inside = self.root / "root" / package.name
        inside.write_bytes(package.read_bytes())
        self("dpkg", "-i", f"/root/{package.name}")

    def pids(self):
        return self("sh", "-c", "pgrep -f ^/usr/sbin/mailferry || true").split()


def check_units(machine):
    for part, most in EXPOSURE_MAX.items():
        unit = f"mailferry-{part}.service"
        said = machine("systemd-analyze", "security", "--no-pager", unit, check=False)
        exposure = float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1])
        ensure(f"{unit}: exposure {exposure}", exposure <= most)


def check_service(machine):
    ensure("nothing starts before it is configured", not machine.pids())
    (machine.root / "etc/mailferry/mailferry.conf").write_text(CONF)
    machine("systemctl", "enable", "--now", "mailferry.target")
    serves(machine, "it serves")
    ensure("its rules are in", "tproxy" in machine("nft", "list", "table", "inet",
                                                   "mailferry"))
    until("its workers run", lambda: "ready worker=0" in machine(
        "journalctl", "--output=cat", "EVENT=ready"))
    ensure("its journal has fields", "EVENT=ready" in machine(
        "journalctl", "--output=export", "_SYSTEMD_UNIT=mailferry-interceptor.service",
        "EVENT=ready"))
    until("the probe of the way to us was answered", lambda: "answered=yes" in machine(
        "journalctl", "--output=cat", "EVENT=flow-probe"))
    machine("systemctl", "stop", "mailferry.target")
    until("the end of the target is the end of all", lambda: not machine.pids())
    machine("systemctl", "start", "mailferry.target")
    serves(machine, "begun again, it serves")
    check_crashes(machine)


def main_pids(machine):
    return {part: machine("systemctl", "show", "-P", "MainPID", f"mailferry-{part}").strip()
            for part in PARTS}


def check_crashes(machine):
    """The end of one part is no other's."""
    before = main_pids(machine)
    for part in PARTS:
        machine("systemctl", "kill", "--kill-who=main", "-s", "KILL", f"mailferry-{part}")
        until(f"{part}: killed, it is started again", lambda part=part: main_pids(
            machine)[part] not in ("0", before[part]))
        serves(machine, "and serves")
        now = main_pids(machine)
        ensure("the others are the same", all(now[other] == before[other] for other in PARTS
                                              if other != part))
        before = now


def is_active(machine):
    """Each unit of it is."""
    said = machine("systemctl", "is-active", *(f"mailferry-{part}" for part in EXPOSURE_MAX),
                   check=False)
    return said.split() == ["active"] * len(EXPOSURE_MAX) and not has_jobs(machine)


def serves(machine, what):
    until(what, lambda: is_active(machine))


ASK = """exec 3<>/dev/tcp/127.0.0.1/8625
printf 'GET /json/accounts HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n' \\
  "$(cat /var/lib/mailferry/dashboard.token)" >&3
cat <&3"""


def json_body(machine):
    said = machine("bash", "-c", ASK, check=False).partition("\n\n")[2]
    with contextlib.suppress(ValueError):
        return json.loads(said)
    return None


def check_dashboard(machine):
    """It comes with a changed configuration, as a user of its own, and its commands run
    inside the unit's walls."""
    conf = machine.root / "etc/mailferry/mailferry.conf"
    conf.write_text(CONF + 'dashboard { listen = "127.0.0.1:8625" }\n')
    machine("mailferry", "upgrade")
    until("the programs of before have ended", lambda: not json.loads(
        machine("mailferry", "status", "--json"))["old"]["programs"])
    command = json.loads(machine("mailferry", "accounts", "--json"))
    ensure("an account lives here", len(command) == 1)
    until("the dashboard says what the command says", lambda: json_body(machine) == command)
    owners = machine("ps", "-eo", "user:32,args").splitlines()
    ensure("browsers talk to a user of its own", any(
        line.startswith("mailferry-dashboard ") and "--worker web" in line for line in owners))


def check_rights(machine):
    """What each option needs of the units' rights."""
    conf = machine.root / "etc/mailferry/mailferry.conf"
    login, drop_in = machine.root / "etc/mailferry/relay-login", machine.root / \
        "etc/systemd/system/mailferry-interceptor.service.d/lmtp.conf"
    login.write_text("anna\nsecret\n")
    login.chmod(0o600)
    machine("sh", "-c", "mkdir -p -m 700 /srv/lmtp; chown nobody /srv/lmtp")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nReadWritePaths=/srv/lmtp\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\n")
    more = CONF + 'dashboard { listen = "unix:/run/mailferry/dashboard.sock" }\n' \
        'smart_host = "127.0.0.1"\nsmart_host_credentials = "/etc/mailferry/relay-login"\n' \
        'lmtp_group = "mail"\n'

    def group(path):
        return machine("stat", "-c", "%G", path, check=False).strip()

    conf.write_text(more + 'lmtp = {"unix:/run/mailferry/lmtp"}\n')
    machine("mailferry", "upgrade")
    until("a dashboard at a socket", lambda: group("/run/mailferry/dashboard.sock") ==
          "mailferry-dashboard")
    ensure("a socket of LMTP for a group", group("/run/mailferry/lmtp") == "mail")
    conf.write_text(more + 'lmtp = {"unix:/srv/lmtp/socket"}\n')
    machine("systemctl", "daemon-reload")
    for _ in range(2):
        machine("systemctl", "restart", "mailferry.target")
        serves(machine, "in another user's folder, and with a login at the smart host, it serves")
        ensure("the socket is there", group("/srv/lmtp/socket") == "mail")
    ensure("the login was read", "cannot read" not in machine(
        "journalctl", "--output=cat", "EVENT=smart-host-login"))
    drop_in.unlink()
    conf.write_text(CONF)
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", "mailferry.target")
    serves(machine, "and without")


def check_credentials(machine):
    """Certificate and key as systemd's credentials, which nobody but root can read."""
    place = machine.root / "root/tls"
    place.mkdir(exist_ok=True)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=mail.example.com", "-addext", "subjectAltName=DNS:mail.example.com", "-keyout",
        place / "key", "-out", place / "pem")
    (place / "key").chmod(0o600)
    units = machine.root / "etc/systemd/system"
    drop_ins = [units / f"mailferry-{part}.service.d/tls.conf" for part in ("vault", "watch")]
    for drop_in, files in zip(drop_ins, (("pem", "key"), ("pem",))):
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text("[Service]\n" + "".join(
            f"LoadCredential=mail.{name}:/root/tls/{name}\n" for name in files))
    conf = machine.root / "etc/mailferry/mailferry.conf"
    before = conf.read_text()
    conf.write_text(before + 'tls { certificate = {"%d/mail.pem"} key = {"%d/mail.key"} }\n')
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", "mailferry.target")
    serves(machine, "with them it serves")
    machine("mailferry", "reload")
    until("the vault reads them", lambda: "certificates=1" in machine(
        "journalctl", "--output=cat", "EVENT=renewed"))
    said = json.loads(machine("mailferry", "status", "--json"))["certificates"]
    ensure(f"`status` reads them: {said}", len(said) == 1 and "mail.example.com" in str(said))
    for drop_in in drop_ins:
        drop_in.unlink()
    conf.write_text(before)
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", "mailferry.target")
    serves(machine, "and without them")


def check_leg(machine):
    """The watch has what it takes to try it: a network, and an interface of its own."""
    ensure("the way back from the old server was tried", "come back through this host" in machine(
        "journalctl", "--output=cat", "EVENT=source-leg"))


def check_pop_before_smtp(machine):
    """A right that few sites need is a drop-in's, and who needs it is told so."""
    conf = machine.root / "etc/mailferry/mailferry.conf"
    before = conf.read_text()
    conf.write_text(before + "pop_before_smtp = true\n")
    machine("systemctl", "restart", "mailferry.target", check=False)
    drop_in = machine.root / "etc/systemd/system/mailferry-transfer.service.d/address.conf"
    until("without it the transfer says so", lambda: "CapabilityBoundingSet=CAP_NET_RAW" in machine(
        "journalctl", "--output=cat", "-u", "mailferry-transfer"))
    ensure("so does `check`", "edit mailferry-transfer" in machine(
        "mailferry", "check", check=False))
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nCapabilityBoundingSet=CAP_NET_RAW\n")
    machine("systemctl", "daemon-reload")
    serves(machine, "with it all serve")
    drop_in.unlink()
    conf.write_text(before)
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", "mailferry.target")
    serves(machine, "and without the setting")


def check_end(machine):
    machine("dpkg", "--remove", "mailferry")
    ensure("removed, nothing runs", not machine.pids())
    state = machine.root / "var/lib/mailferry"
    ensure("its state stays", (state / "registry.sqlite").exists() and
           (state / f"mail/{MOVED}/index.sqlite").exists())


def main():
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "build/package").resolve()
    place.mkdir(parents=True, exist_ok=True)
    package = build(place)
    check_lintian(place)
    check_installed(place, package)
    check_profiles()
    check_reproducible(place, package)
    root = make_root(place, package)
    with Machine(root) as machine:
        check_former(machine, place, package, CONF, until, ensure, serves)
        machine.install(package)
        check_units(machine)
        check_service(machine)
        check_walls(machine, ensure)
        check_restart(machine, root / "etc/mailferry/mailferry.conf", until, ensure)
        check_rights(machine)
        check_leg(machine)
        check_pop_before_smtp(machine)
        check_credentials(machine)
        check_dashboard(machine)
        check_move(machine, build(place, "0.1.0+test"), until, ensure, serves)
        ensure("its rules came first", machine(
            "systemctl", "show", "-P", "Result", "mailferry-rules").strip() == "success" and
            machine("systemctl", "is-active", "mailferry-rules").strip() == "active")
        check_end(machine)
        machine("dpkg", "--purge", "mailferry")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
