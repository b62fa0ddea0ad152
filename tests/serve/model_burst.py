# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients of the model stress at once: each sends some commands without waiting.

Nobody knows in which order they were done. So the rules that hold in any order are checked on the way
(model_client.py), and afterwards all must agree: what is there now is one of the possible ends of it.
"""
from model_client import number_set, write_set
from model_state import Message, check
from model_step import flag_list, literal


class Planned:
    """What the burst may do to each mailbox."""

    def __init__(self, world):
        self.world, self.flags, self.gone, self.added = world, {}, set(), {}
        self.before = {id(box): (dict(box.messages), box.uidnext) for box in world.boxes.values()}

    def may_set(self, box, uids, flags):
        for uid in uids:
            self.flags.setdefault((id(box), uid), set()).update(flags)


def commands_of(c, planned):
    """Some commands for this client, of those whose end can be told in any order."""
    rng, chosen = c.world.rng, []
    for _ in range(rng.randrange(1, 5)):
        uids = sorted(rng.sample(c.view, min(len(c.view), rng.randrange(1, 6)))) if c.box and c.view else []
        kind = rng.choice(["append", "fetch", "search", "store", "store", "expunge", "noop", "body", "move"])
        if kind == "append":
            message = Message(c.world.make_data(), c.world.flags(0.1))
            chosen.append((b'APPEND INBOX %s %s' % (flag_list(message.flags).encode(), literal(message.data)), message))
        elif not uids:
            chosen.append(("NOOP", None))
        elif kind == "fetch":
            chosen.append(("UID FETCH 1:* (UID FLAGS)", None))
        elif kind == "body":
            chosen.append((f"UID FETCH {write_set(uids)} (UID BODY.PEEK[] RFC822.SIZE)", None))
        elif kind == "search" and c.condstore:
            chosen.append((f"UID SEARCH MODSEQ {max(1, c.box.highest - rng.randrange(9))}", None))
        elif kind == "search":
            chosen.append((f"UID SEARCH RETURN (ALL COUNT) {rng.choice(['SEEN', 'UNSEEN', 'KEYWORD k1', 'TEXT alpha'])}", None))
        elif kind == "noop" or c.read_only:
            chosen.append(("NOOP", None))
        elif kind == "expunge":
            planned.gone.add(id(c.box))
            chosen.append(("EXPUNGE", None))
        elif kind == "move":
            planned.gone.add(id(c.box))
            chosen.append((f"UID MOVE {write_set(uids)} Sent", None))
        else:
            flags = c.world.flags(0.2) - {"\\Deleted"} | ({"\\Deleted"} if rng.random() < 0.2 else set())
            planned.may_set(c.box, uids, flags)
            only = f" (UNCHANGEDSINCE {c.box.highest})" if c.condstore and rng.random() < 0.5 else ""
            chosen.append((f"UID STORE {write_set(uids)}{only} {rng.choice('+-')}FLAGS {flag_list(flags)}", None))
    return chosen


def burst(world):
    able = [c for c in world.clients if not c.idles]
    for c in able:
        world.current = c
        c.settle()
    clients = world.rng.sample(able, min(len(able), world.rng.randrange(3, 20)))
    planned = Planned(world)
    world.bursts = True
    sent = [(c, [(*c.send(text), what) for text, what in commands_of(c, planned)]) for c in clients]
    for c, commands in sent:
        world.current = c
        for tag, word, what in commands:
            answer = c.until(tag, word)
            full = isinstance(what, Message) and answer.code == ["OVERQUOTA"]
            check(answer.status == "OK" or full, answer.end)
            if isinstance(what, Message) and answer.status == "OK":
                planned.added[number_set(answer.code[2])[0]] = what
            if word == "UID FETCH":
                check_bodies(c, answer)
    learn(world, planned)
    world.bursts = False
    for c in world.clients:
        world.current = c
        if c.idles:
            c.look()
        else:
            c.ok("NOOP")
            c.settle()
            c.statuses.clear()
            c.check_in_sync("after a burst")


def check_bodies(c, answer):
    for line in answer.lines:
        if isinstance(line, list) and len(line) > 3 and isinstance(line[3], list) and b"BODY[]" in line[3]:
            items = dict(zip((k for k in line[3][::2]), line[3][1::2]))
            check(len(items[b"BODY[]"]) == int(items[b"RFC822.SIZE"]), "size and body differ", line[:3])


def learn(world, planned):
    """What is there now, as a new client sees it, must be what came of that."""
    c = world.current = world.observer
    for box in world.boxes.values():
        c.select(box, True)
        answer = c.ok(f'EXAMINE "{box.name}"')
        codes = {line[1]: line[0] for line in answer.lines if isinstance(line, tuple)}
        truth = {}
        for line in c.ok("UID FETCH 1:* (UID FLAGS)").lines:
            if isinstance(line, list) and line[2] == b"FETCH":
                items = dict(zip(line[3][::2], line[3][1::2]))
                truth[int(items[b"UID"])] = {f.decode() for f in items[b"FLAGS"]} - {"\\Recent"}
        settle_box(world, box, truth, int(codes["UIDNEXT"]), planned)
        c.unselect()
        c.ok("UNSELECT")
        for uid, message in box.messages.items():
            if message.data is None:
                world.learn(box, uid)


def settle_box(world, box, truth, uidnext, planned):
    before, uidnext_before = planned.before[id(box)]
    came = [uid for uid in truth if uid not in before]
    check(all(uid >= uidnext_before for uid in came) and uidnext >= max([uidnext_before, *truth]), "UIDs of", box.name,
          came, uidnext_before, uidnext)
    for uid in set(before) - set(truth):
        check(id(box) in planned.gone, "UID", uid, "of", box.name, "went, and nobody expunged or moved")
    if box.name == "INBOX":
        for uid in planned.added:
            check(uid in truth or id(box) in planned.gone, "APPENDed UID", uid, "is not there")
    for uid in set(before) & set(truth):
        changed = truth[uid] ^ before[uid].flags
        check(changed <= planned.flags.get((id(box), uid), set()), "flags of", uid, changed, "and nobody stored that")
    box.messages = {uid: before.get(uid) for uid in sorted(truth)}
    box.ever += range(uidnext_before, uidnext)
    box.uidnext = uidnext
    for uid in came:
        box.messages[uid] = planned.added.get(uid) if box.name == "INBOX" and uid in planned.added else Message(None, set())
    for uid, flags in truth.items():
        box.messages[uid].flags = flags
