#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients at random on some accounts, and every answer checked against a model of them.

    test_model.py                                       12 seconds, as a part of ./test
    test_model.py --seconds 600 --clients 50 --accounts 4 --seed 3   the long one; commands/s at the end
    test_model.py --seed 3 --steps 812                  up to the step in which it failed

One client acts at a time, so the model knows what each must be told; between that all of them talk at
once (bursts), and must agree afterwards. POP3 sessions and deliveries change the account beside them. The accounts have a small quota; now and then
all of them rest until they have no process any more, and go on.
A fault names seed and step, and prints what that client and the server said.
"""
import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import DELIVERED, DELIVERY_FAILED, STAGE, Mailstore, encode, programs, wait_for  # noqa: E402
from lab.imap import Imap  # noqa: E402,F401
import model_reads  # noqa: E402,F401
import model_steps  # noqa: E402,F401
from model_step import STEPS, items_of  # noqa: E402
from model_burst import burst  # noqa: E402
from model_client import Client, check  # noqa: E402
from model_pop3 import pop3  # noqa: E402
from model_state import QUOTA, Message, World  # noqa: E402

LONG = 150  # messages in a mailbox
SLEEPERS = 24  # mailstore/serve/connection.h: accounts with more sessions do not hibernate
RESTS = 0.001  # of all steps
FIRST_REST = 100  # in a short run, too


class Account(World):
    def __init__(self, account, rng, store, clients):
        super().__init__(account, rng)
        self.store, self.ended = store, []
        store.add_account(account, "/", "Sent=\\Sent", "Work", "Archive/2023")
        self.observer = Client("observer", self, self.connect)
        self.clients = [Client(f"client{n}", self, self.connect) for n in range(clients)]
        self.current = self.observer

    def connect(self):
        return self.store.imap(self.account)[0]

    def others(self, but, count):
        rest = [c for c in self.clients if c is not but]
        return self.rng.sample(rest, min(count, len(rest)))

    def learn(self, box, uid):
        """What the server made of a message."""
        c = self.observer
        c.select(box, True)
        c.ok(f'EXAMINE "{box.name}"')
        answer = c.ok(f"UID FETCH {uid} (UID BODY.PEEK[])")
        box.messages[uid].data = next(i["BODY[]"] for _, i in items_of(answer) if "BODY[]" in i)
        c.unselect()
        c.ok("UNSELECT")

    def act(self, c):
        """One step of this client."""
        self.current = c
        if c.idles:
            (c.look if self.rng.random() < 0.4 else c.done)()
            return
        able = [(f, weight) for f, weight, needs in STEPS
                if not needs or (c.box is not None and (needs == "box" or not c.read_only))]
        function = self.rng.choices([f for f, _ in able], [w for _, w in able])[0]
        c.settle()
        before = {name: (len(box.messages), box.uidnext) for name, box in self.boxes.items()}
        function(c)
        for name, box in self.boxes.items():  # of its own changes nobody is told STATUS
            if before.get(name) != (len(box.messages), box.uidnext):
                c.statuses.pop(name, None)
        self.end_of_deleted()

    def end_of_deleted(self):
        """Whose mailbox was deleted is told good-bye."""
        for c in self.clients:
            if c.box in self.ended:
                try:
                    if not c.idles:
                        c.send("NOOP")
                    while c.hear(10):
                        pass
                    check(False, c.name, "is not told that its mailbox is gone")
                except (EOFError, ConnectionError):
                    c.drop()
        self.ended = []

    def deliver(self):
        inbox = self.boxes["INBOX"]
        data = self.make_data()
        fits = self.fits([Message(data, set())])
        if fits != self.fits([Message(data + bytes(1000), set())]):
            return  # the trace fields decide
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            self.store.link.send(encode(STAGE, number=1, account=self.account, session="mail", client="x",
                                        text="a@example.org", tag="b@example.com", payload=b""), file)
        while (answer := self.store.link.receive())["kind"] not in (DELIVERED, DELIVERY_FAILED):
            pass
        check((answer["kind"] == DELIVERED) == fits, "delivery:", answer["text"], "usage", self.usage())
        if not fits:
            check(re.match(rb"[45]52 [45]\.2\.2 ", answer["text"]), "delivery:", answer["text"])
            return
        self.learn(inbox, inbox.add(Message(data, set())))
        check(inbox.messages[inbox.uidnext - 1].data.endswith(data), "the delivered message is another one")

    def shorten(self, box):
        """Expunges the older half, so that a long run is not about long mailboxes."""
        c = self.current = self.observer
        c.select(box, False)
        c.ok(f'SELECT "{box.name}"')
        uids = list(box.messages)[:len(box.messages) // 2]
        c.ok(f"UID STORE {uids[0]}:{uids[-1]} +FLAGS.SILENT (\\Deleted)")
        for uid in uids:
            del box.messages[uid]
        c.ok(f"UID EXPUNGE {uids[0]}:{uids[-1]}")
        c.check_in_sync("EXPUNGE")
        c.ok("UNSELECT")
        c.unselect()

    def rest(self):
        for c in [self.observer, *self.clients]:
            self.current = c
            c.rest()

    def wake(self):
        """By a login, new mail or many at once; or by whatever comes next."""
        chance = self.rng.random()
        if chance < 0.2:
            self.observer.drop()
        elif chance < 0.4:
            self.deliver()
        elif chance < 0.6:
            burst(self)

    def step(self):
        longest = max(self.boxes.values(), key=lambda box: len(box.messages))
        is_full = any(9 * most < 10 * used for used, most in zip(self.usage(), QUOTA))
        if len(longest.messages) > LONG or (is_full and self.rng.random() < 0.03):
            self.shorten(longest)
        chance = self.rng.random()
        if chance < 0.01:
            self.deliver()
        elif chance < 0.015:
            pop3(self)
        elif chance < 0.05:
            burst(self)
        else:
            self.act(self.rng.choice(self.clients))

    def finish(self):
        """All that is left: every client is told of all, and a new one sees it all."""
        for c in self.clients:
            if c.idles:
                c.done()
            c.ok("NOOP")
            c.check_in_sync("the end")
        for box in self.boxes.values():
            self.observer.select(box, True)
            self.observer.ok(f'EXAMINE "{box.name}"')
            self.observer.ok("UID FETCH 1:* (UID FLAGS MODSEQ)")
            self.observer.check_in_sync("the end")

    def commands(self):
        return sum(c.commands for c in [self.observer, *self.clients])


def rest(worlds, rng):
    """Nobody says anything until their processes have ended, or are about to: what comes at that very
    moment must not get lost."""
    began = time.monotonic()
    for world in worlds:
        world.rest()
    if rng.random() < 0.3:
        time.sleep(max(0, began + rng.uniform(0.9, 1.2) - time.monotonic()))
    else:
        for world in worlds:
            if len(world.clients) < SLEEPERS:
                wait_for(lambda world=world: world.store.account_pid(world.account) is None, 60)
    for world in worlds:
        world.wake()


def run(options):
    folder = tempfile.mkdtemp(prefix="mailferry-serve-")
    store = Mailstore(folder, programs(), hibernate=1, quota='"%dK,%d"' % (QUOTA[0] // 1024, QUOTA[1]),
                      quota_warnings='"none"')
    began = time.monotonic()
    rng, worlds, steps = random.Random(options.seed), [], 0
    try:
        for n in range(options.accounts):
            worlds.append(Account(f"user{n}", random.Random(f"{options.seed} {n}"), store,
                                  options.clients // options.accounts))
        while steps < options.steps and time.monotonic() - began < options.seconds:
            steps += 1
            if rng.random() < RESTS or steps == FIRST_REST:
                rest(worlds, rng)
            world = rng.choice(worlds)
            world.step()
        for world in worlds:
            world.finish()
    except BaseException:
        if worlds:
            print(f"seed {options.seed}, step {steps}, {world.account}, {world.current.name}:")
            for line in world.current.log:
                print("   ", line.decode("latin-1")[:300])
        raise
    finally:
        taken, commands = time.monotonic() - began, sum(w.commands() for w in worlds)
        print(f"{options.clients} clients, {options.accounts} accounts, {steps} steps, {commands} commands in "
              f"{taken:.0f} s, {commands / taken:.0f}/s; seed {options.seed}", flush=True)
        store.close()
        shutil.rmtree(folder, True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--steps", type=int, default=10 ** 9)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--accounts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    run(parser.parse_args())


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    main()
