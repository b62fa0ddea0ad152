#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SMTP bench: messages/s of 4 KB with 20 sessions, by each contender, in one run.

    tests/bench/smtp.py [--build build/release] [--messages 1000] [--rounds 3] [--keep] [--apart]

smtp-source sends, a connection for each message (--keep: each session all of its own); the
contenders take turns, in each round from another one on, since a machine that is busy with
other things, and a source whose logs grow, are not the same for the first and the last:

    direct        plain routing to Postfix: the source itself
    sink          smtp-sink on the router, which keeps nothing: what the client can send at most
    haproxy       a relay of TCP on the router (HAProxy), which looks at nothing
    nginx         its SMTP proxy (no authentication, no XCLIENT) in front of Postfix
    mailferry     through us, all to the source
    local         through us, all to one account that lives here
    local-many    the same, to four accounts
    local-new     like local, as if each sender were new (smtp_policy_ttl = 0)
    local-alone   to one account, and the source is not asked (smtp_policy = "none")
    own           what the source takes from its own host, nothing else going on
    own-beside    the same, beside LOAD messages/s through us for somebody who lives here
    own-asked     the same, as if each of their senders were new
    own-control   the same, with Dovecot's LMTP on the router in our place: what is possible

Postfix thinks that what it took is on its way in until its queue manager has seen it, and
waits up to a second when there is much of that (in_flow_delay): being asked about local
recipients looks so to it, which is what `local-new` shows beside `local` and `local-alone`,
and beside itself with --no-flow-delay.

There are two rates: until all is answered, and until all lies in the mailboxes, where what
was answered with 250 is counted. Postfix answers first and delivers later, and the faster
it is asked, the more it leaves for later; mail for users here is there when it is
answered. What a server gets done is the second one, and what is wanted is judged by it.
Ratios within a round count, not messages/s; of the rounds, their median. Each turn finds an
empty mailbox at the source, and what carries the mail has carried some before and has been up
for WARM_UP seconds: processes that start, and what is learnt in the first moments (a new
mailferry-admission lets the kernel decide alone when all has been calm for a second), are no
part of a lane that runs for months. Client, router and source share the machine's processors, so
beside them stands the CPU time of each side for a message, in ms, until all is there; where
a rate is far below what these leave room for, something is waited for ("by CPU time" is the
ratio that they alone would give, and what to look at on a machine that others use). A router is a
machine of its own: --apart gives the source one processor and all others another one.
"""
import argparse
import contextlib
import os
import re
import resource
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab import SOURCE_ADDRESS, Lab  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import CLIENT_GATEWAY  # noqa: E402
from lab.processes import Daemon, wait_for_port, wait_until  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402
from lab.smtp import at  # noqa: E402

SESSIONS, SIZE, LOAD = 20, 4096, 50
WARM_UP, WARM_MESSAGES = 2, 100
THERE, HERE = "there", [f"here{n}" for n in range(4)]
USERS = {name: "secret" for name in [THERE] + HERE}
PROXY = (CLIENT_GATEWAY[0], 2525)

NGINX = """
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2;
    fastcgi_temp_path {folder}/n3; uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
    server {{ listen 127.0.0.1:8099; location / {{
        add_header Auth-Status OK; add_header Auth-Server {source};
        add_header Auth-Port 25; return 204; }} }}
}}
mail {{
    server_name mail.example.com; auth_http 127.0.0.1:8099/; xclient off;
    server {{ listen {address}:{port}; protocol smtp; smtp_auth none; smtp_greeting_delay 0; }}
}}
"""

HAPROXY = """
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen mail
    bind {bind}
    server source {source}:25
"""


class Direct:
    name, target, users, policy = "direct", (SOURCE_ADDRESS[0], 25), [THERE], None
    delivers = True

    def start(self, bench):
        pass

    def stop(self, bench):
        pass


class Nginx(Direct):
    name, target = "nginx", PROXY

    def start(self, bench):
        config = bench.lab.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=bench.lab.folder, source=SOURCE_ADDRESS[0],
                                       address=PROXY[0], port=PROXY[1]), encoding="ascii")
        self.daemon = Daemon(bench.lab.router, ["nginx", "-p", bench.lab.folder, "-c", config],
                             bench.lab.folder / "nginx.out")
        wait_for_port(bench.lab.client, *PROXY, self.daemon)

    def stop(self, bench):
        self.daemon.stop()


class Sink(Direct):
    name, target, delivers = "sink", PROXY, False

    def start(self, bench):
        self.daemon = Daemon(bench.lab.router, [
            "smtp-sink", "-u", "nobody", ":".join(map(str, PROXY)), "100"], bench.lab.folder / "sink.out")
        wait_for_port(bench.lab.client, *PROXY, self.daemon)

    def stop(self, bench):
        self.daemon.stop()


class Haproxy(Sink):
    name, delivers = "haproxy", True

    def start(self, bench):
        config = bench.lab.folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(bind=":".join(map(str, PROXY)), source=SOURCE_ADDRESS[0]),
                          encoding="ascii")
        self.daemon = Daemon(bench.lab.router, ["haproxy", "-db", "-f", config],
                             bench.lab.folder / "haproxy.out")
        wait_for_port(bench.lab.client, *PROXY, self.daemon)


class Mailferry(Direct):
    name, policy, ttl = "mailferry", "source", 3600

    def start(self, bench):
        bench.ferry.settings["smtp_policy_ttl"] = self.ttl
        bench.ferry.settings["smtp_policy"] = self.policy
        bench.ferry.start()

    def stop(self, bench):
        bench.stop_ferry()


class Local(Mailferry):
    name, users = "local", HERE[:1]


class LocalMany(Mailferry):
    name, users = "local-many", HERE


class LocalNew(Local):
    name, ttl = "local-new", 0


class LocalAlone(Local):
    name, policy = "local-alone", "none"


class Own(Direct):
    """Past the router, so that nothing of it is ours."""
    name, load, ttl = "own", False, 3600

    def start(self, bench):
        if self.load:
            Mailferry.start(self, bench)
            bench.begin_load()

    def stop(self, bench):
        if self.load:
            bench.end_load()
            bench.stop_ferry()


class OwnBeside(Own):
    name, policy, load = "own-beside", "source", True


class OwnAsked(OwnBeside):
    name, ttl = "own-asked", 0


class OwnControl(Own):
    """Every message is on the disk there, too, before it is answered."""
    name = "own-control"

    def start(self, bench):
        self.dovecot = Dovecot(bench.lab.folder / "control", bench.lab.router,
                               fsync="optimized")
        self.dovecot.address = CLIENT_GATEWAY[0]
        self.dovecot.folder.parent.mkdir(exist_ok=True)
        self.dovecot.users = {HERE[0]: USERS[HERE[0]]}
        self.dovecot.prepare()
        self.dovecot.start()
        bench.begin_load("-L", f"unix:{self.dovecot.lmtp_socket}")

    def stop(self, bench):
        bench.end_load()
        self.dovecot.stop()
        shutil.rmtree(self.dovecot.folder)


CONTENDERS = (Direct, Sink, Haproxy, Nginx, Mailferry, Local, LocalMany, LocalNew, LocalAlone, Own, OwnBeside,
              OwnAsked, OwnControl)
# What is wanted: (contender, of which other, at least); None: what others reach here.
WANTED = (("haproxy", "direct", None), ("mailferry", "direct", 0.9), ("local", "direct", 1.0),
          ("local-new", "direct", 0.5), ("local-alone", "direct", 2.0),
          ("own-control", "own", None), ("own-beside", "own", 0.9), ("own-asked", "own", 0.9))


def set_apart(source):
    """What these start later runs there, too."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or [first])
    for pid in source.pids():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, [first])


def cpu_of(namespace):
    """Seconds on a processor of all that run inside, and of their children that have ended."""
    total = 0
    for pid in namespace.pids():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            total += sum(map(int, fields.rsplit(")", 1)[1].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, lab, messages, keep):
        self.lab, self.messages, self.keep = lab, messages, keep
        self.ferry = Ferry(lab, limits={"connections_per_ip": 4000})

    def stop_ferry(self):
        """With its rules, which would keep the others from the source."""
        self.ferry.stop()
        self.ferry.ok("rules", "remove", "--yes")

    def log_in(self, user, connect):
        client = Imap(connect())
        answer = client.login(user, USERS[user])
        if b" OK " not in answer:
            raise SystemExit(f"login of {user}: {answer}")
        return client

    def prepare(self):
        """Who lives here, and who stays."""
        # Client and router share a kernel, and so the order of their ports: a new connection of
        # the client would meet our old one to the source, in TIME_WAIT on the router, which
        # drops what it forwards for it.
        self.lab.router.sysctl("net.ipv4.tcp_early_demux", 0)
        self.ferry.start()
        connect = lambda: self.lab.connect(143)  # noqa: E731
        client = self.log_in(THERE, connect)
        self.ferry.ok("route", THERE, "source")
        client.logout()
        for user in HERE:
            self.log_in(user, connect).logout()
            self.ferry.wait_account(user, stage="done", route="local")
        self.stop_ferry()
        self.send(Direct(), self.messages)  # its processes run from now on

    def count(self, users, connect):
        total = 0
        for user in users:
            client = self.log_in(user, connect)
            total += int(re.search(rb"MESSAGES (\d+)",
                                   client.ok("STATUS INBOX (MESSAGES)")[0])[1])
            client.logout()
        return total

    def empty(self, user):
        """Their mailbox at the source, whose deliveries take longer the fuller it is, or was:
        a directory does not shrink."""
        client = self.log_in(user, lambda: self.lab.source.connect(SOURCE_ADDRESS[0], 143))
        client.ok("SELECT INBOX")
        client.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.ok("EXPUNGE")
        client.logout()
        shutil.rmtree(self.lab.server.folder / "home" / user / "mail")

    def await_queue(self):
        wait_until("the queue to be empty", lambda: self.lab.postfix.queued() == 0, 300, 0.02)

    def arrived(self, contender):
        """Messages in the mailboxes of this contender's recipients."""
        if contender.users == [THERE]:
            return self.count([THERE], lambda: self.lab.source.connect(SOURCE_ADDRESS[0], 143))
        return self.count(contender.users, lambda: self.lab.connect(143))

    def send(self, contender, messages):
        """Seconds for all of them."""
        share = len(contender.users)
        threads = [threading.Thread(target=self._smtp_source, args=(contender, user, share, messages))
                   for user in contender.users]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - begin

    def begin_load(self, *target):
        """LOAD sessions with a message a second each."""
        self.load = Daemon(self.lab.client, [
            "smtp-source", "-w", "1", "-s", str(LOAD), "-m", "1000000", "-l", str(SIZE),
            "-f", "sender@example.org", "-t", at(HERE[0]), *(target or [f"{SOURCE_ADDRESS[0]}:25"])],
            self.lab.folder / "load.out")
        time.sleep(2)

    def end_load(self):
        self.load.stop()
        if "fatal" in (self.lab.folder / "load.out").read_text(encoding="utf-8"):
            raise SystemExit("the load: " + (self.lab.folder / "load.out").read_text())

    def _smtp_source(self, contender, user, share, messages):
        sender = self.lab.source if isinstance(contender, Own) else self.lab.client
        done = sender.run(
            "smtp-source", *["-d"] * self.keep, "-s", SESSIONS // share, "-m", messages // share, "-l", SIZE,
            "-f", "sender@example.org", "-t", at(user), ":".join(map(str, contender.target)))
        if done.returncode or done.stdout:
            raise SystemExit(f"{contender.name}: smtp-source: {done.stdout}")

    def cpu(self):
        """Of client, router and source so far."""
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (client.ru_utime + client.ru_stime, cpu_of(self.lab.router),
                cpu_of(self.lab.source))

    def warm_up(self, contender):
        until = time.monotonic() + WARM_UP
        self.send(contender, WARM_MESSAGES)
        time.sleep(max(0, until - time.monotonic()))
        self.await_queue()

    def measure(self, contender):
        """Messages/s of one turn, answered and delivered, and the CPU time of each side for
        one, in ms."""
        self.await_queue()
        contender.start(self)
        try:
            self.warm_up(contender)
            self.empty(THERE)
            before, begun, at_first = self.arrived(contender), self.cpu(), time.monotonic()
            took = self.send(contender, self.messages)
            self.await_queue()
            all_took = time.monotonic() - at_first
            used = [(now - then) * 1000 / self.messages
                    for now, then in zip(self.cpu(), begun)]
            count = self.arrived(contender) - before
        finally:
            contender.stop(self)
        if contender.delivers and count != self.messages:
            raise SystemExit(f"{contender.name}: {count} of {self.messages} arrived")
        return self.messages / took, self.messages / all_took, *used


def in_turn(rates):
    """The median turn of each contender."""
    return {name: [statistics.median(column) for column in zip(*turns)]
            for name, turns in rates.items()}


def ratio_of(rates, name, peer, column):
    return statistics.median(mine[column] / other[column]
                             for mine, other in zip(rates[name], rates[peer]))


def print_table(rates):
    rows = in_turn(rates)
    print(f"{'':12}{'answered':>10}{'there':>10}{'client':>8}{'router':>8}{'source':>8}{'all':>8}"
          "   CPU, ms a message")
    for name, (answered, there, *used) in rows.items():
        used.append(sum(used))
        print(f"{name:12}{answered:8.0f}/s{there:8.0f}/s{''.join(f'{ms:8.2f}' for ms in used)}")
    for name, peer, least in WANTED:
        if name in rows and peer in rows:
            answered, ratio = (ratio_of(rates, name, peer, i) for i in (0, 1))
            verdict = "control" if not least else "as wanted" if ratio >= least else "TOO LITTLE"
            work = sum(rows[peer][2:]) / sum(rows[name][2:])
            print(f"{verdict}: {name} {ratio:.2f} of {peer}{f', at least {least}' if least else ''} "
                  f"(answered: {answered:.2f}; by CPU time: {work:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--keep", action="store_true", help="sessions of many messages")
    parser.add_argument("--apart", action="store_true", help="a processor for the source alone")
    parser.add_argument("--no-flow-delay", action="store_true",
                        help="Postfix does not wait for its queue manager")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [c.name for c in CONTENDERS]
    os.environ["MAILFERRY_BIN"] = str(Path(options.build).resolve() / "bin")
    runners = [c for c in CONTENDERS if c.name in wanted]
    rates = {contender.name: [] for contender in runners}
    with Lab(users=USERS, postfix=True) as lab:
        if options.no_flow_delay:
            lab.postfix.configure(in_flow_delay="0s")
        if options.apart:
            set_apart(lab.source)
        bench = Bench(lab, options.messages, options.keep)
        bench.prepare()
        for turn in range(options.rounds):
            first = turn * len(runners) // options.rounds
            for contender in runners[first:] + runners[:first]:
                rates[contender.name].append(bench.measure(contender()))
                answered, there = rates[contender.name][-1][:2]
                print(f"round {turn + 1}: {contender.name} {answered:.0f}/s, {there:.0f}/s there",
                      file=sys.stderr)
    print(f"{options.messages} messages of {SIZE} bytes, {SESSIONS} sessions; all arrived")
    print_table(rates)


if __name__ == "__main__":
    main()
