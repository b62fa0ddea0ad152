# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of the model stress that change the account, or the session: one function is one step, and
changes the model as its command changes the account. What reads: model_reads.py."""
from model_client import check_status, number_set, write_set
from model_state import QUOTA, Box, Message, check
from model_step import STATUS, Named, flag_list, items_of, literal, some, step, there

# ── mailboxes ──────────────────────────────────────────────────────────────────────────


@step(6)
def select(c):
    box, examine = c.world.box(), c.world.rng.random() < 0.2
    condstore = " (CONDSTORE)" if c.world.rng.random() < 0.3 else ""
    c.select(box, examine)
    answer = c.ok(f'{"EXAMINE" if examine else "SELECT"} "{box.name}"{condstore}')
    check(c.box is box, "no CLOSED before the next mailbox")
    if condstore:
        c.enabled.add("CONDSTORE")
    selected(c, box, answer, examine)
    c.check_in_sync("SELECT")


def selected(c, box, answer, examine):
    codes = {line[1]: line[0] for line in answer.lines if isinstance(line, tuple)}
    check(int(codes["UIDNEXT"]) == box.uidnext, "UIDNEXT", codes["UIDNEXT"], "is", box.uidnext)
    check_status(box, {key: codes[key] for key in ("UIDVALIDITY", "HIGHESTMODSEQ")}, "SELECT")
    box.identity = box.identity or codes["MAILBOXID"]
    check(codes["MAILBOXID"] == box.identity, "MAILBOXID", codes["MAILBOXID"], "was", box.identity)
    permanent = codes["PERMANENTFLAGS"].split() if codes["PERMANENTFLAGS"] else []
    check(not examine or set(permanent) <= {"()"}, "PERMANENTFLAGS of EXAMINE", permanent)
    check(examine or "\\*)" in permanent[-1:], "PERMANENTFLAGS", permanent)
    if not c.rev2:
        check("UNSEEN" in codes or not box.unseen() or c.uid_only, "UNSEEN is missing")
    check(answer.code == ["READ-ONLY" if examine else "READ-WRITE"], answer.end)


@step(2)
def close(c):
    if c.box is None:
        return
    unselect = c.world.rng.random() < 0.5
    if not unselect and not c.read_only:
        for uid in c.box.with_flag("\\Deleted"):
            del c.box.messages[uid]
    box = c.box
    c.ok("UNSELECT" if unselect else "CLOSE")
    c.unselect()
    check(c.command("FETCH 1 FLAGS").status == "BAD", "FETCH with nothing selected,", box.name)


@step(4)
def status(c):
    box = c.world.box()
    c.statuses.pop(box.name, None)
    c.ok(f'STATUS "{box.name}" ({STATUS})')
    check(box.name in c.statuses, "no STATUS of", box.name)
    check_status(box, c.statuses.pop(box.name), "STATUS")


@step(2)
def list_all(c):
    c.ok("NOOP")  # what NOTIFY has to say of names
    c.statuses.clear()
    answer = c.ok(f'LIST "" "*" RETURN (SUBSCRIBED STATUS ({STATUS}))')
    names = {}
    for fields in answer.named(b"LIST"):
        names[fields[2].decode()] = {f.decode() for f in fields[0]}
    kept = {name for name, f in names.items() if "\\Noselect" not in f and "\\NonExistent" not in f}
    check(kept == set(c.world.boxes), "LIST", sorted(kept), "are", sorted(c.world.boxes))
    for name, box in c.world.boxes.items():
        check(("\\Subscribed" in names[name]) == (name in c.world.subscribed), "\\Subscribed of", name, names[name])
        check_status(box, c.statuses.pop(name), "LIST-STATUS")


@step(1)
def subscribe(c):
    box, on = c.world.box(), c.world.rng.random() < 0.5
    c.ok(f'{"SUBSCRIBE" if on else "UNSUBSCRIBE"} "{box.name}"')
    (c.world.subscribed.add if on else c.world.subscribed.discard)(box.name)


@step(1)
def list_subscribed(c):
    names = {fields[2].decode() for fields in c.ok('LSUB "" "*"').named(b"LSUB")}
    check(names == c.world.subscribed, "LSUB", sorted(names), "are", sorted(c.world.subscribed))


@step(1)
def rights(c):
    """RFC 4314: the owner has all of them, and gives none away."""
    box = c.world.box()
    for fields in c.ok(f'MYRIGHTS "{box.name}"').named(b"MYRIGHTS"):
        check({*"lrswipkxtea"} <= {*fields[1].decode()}, "MYRIGHTS", fields)
    check(c.command(f'SETACL "{box.name}" somebody lr').status == "NO", "SETACL")


@step(1)
def create(c):
    name = c.world.free_name()
    if name:
        answer = c.ok(f"CREATE {name}")
        c.world.boxes[name] = Box(name)
        check(answer.code[:1] == ["MAILBOXID"], answer.end)
        c.world.boxes[name].identity = answer.code[1]
    check(c.command('CREATE "Sent"').status == "NO", "CREATE of what is there")


@step(1)
def rename(c):
    made = [name for name in c.world.boxes if name.startswith("made")]
    name = c.world.free_name()
    if made and name:
        old = c.world.rng.choice(made)
        c.ok(f"RENAME {old} {name}")
        box = c.world.boxes.pop(old)
        box.name = name
        c.world.boxes[name] = box


@step(1)
def delete(c):
    made = [name for name in c.world.boxes if name.startswith("made")]
    if made and len(made) > 3:
        name = c.world.rng.choice(made)
        if c.box is c.world.boxes[name]:
            return
        c.ok(f"DELETE {name}")
        c.world.ended.append(c.world.boxes.pop(name))


@step(1)
def metadata(c):
    box, value = c.world.box(), b"%d" % c.world.rng.randrange(1000)
    if c.world.rng.random() < 0.3:
        value = None
    c.ok(b'SETMETADATA "%s" (/private/comment %s)' % (box.name.encode(), b"NIL" if value is None else literal(value)))
    box.comment = value
    other = c.world.box()
    answer = c.ok(f'GETMETADATA "{other.name}" /private/comment')
    told = [fields[1][1] for fields in answer.named(b"METADATA")]
    check(told in ([other.comment] if other.comment is not None else [], [other.comment or b"NIL"]), "METADATA of",
          other.name, told, other.comment)


@step(4)
def quota(c):
    """RFC 9208: STORAGE in units of 1024 bytes."""
    answer = c.ok(c.world.rng.choice(['GETQUOTAROOT "%s"' % c.world.box().name, 'GETQUOTA ""']))
    told = answer.named(b"QUOTA")[0][1]
    size, count = c.world.usage()
    truth = [b"STORAGE", b"%d" % -(-size // 1024), b"%d" % (QUOTA[0] // 1024),
             b"MESSAGE", b"%d" % count, b"%d" % QUOTA[1]]
    check(told == truth, "QUOTA", told, "is", truth)
    check(c.command('SETQUOTA "" (MESSAGE 1)').status == "NO", "SETQUOTA")


def over_quota(c, text):
    """The whole of it is refused, and nothing has changed."""
    answer = c.command(text)
    check(answer.status == "NO" and answer.code == ["OVERQUOTA"], text[:120], "over the quota got", answer.end)


# ── messages come ──────────────────────────────────────────────────────────────────────


def appended(c, box, answer, messages):
    uids = number_set(answer.code[2])
    check(answer.code[0] == "APPENDUID" and len(uids) == len(messages), answer.end)
    box.uidvalidity = box.uidvalidity or int(answer.code[1])
    check(int(answer.code[1]) == box.uidvalidity, "UIDVALIDITY of", box.name, answer.end)
    for uid, message in zip(uids, messages):
        check(box.messages.get(uid) is message, "APPENDUID", uid, "is not", box.uidnext)
    c.check_in_sync("APPEND")


def new_message(c):
    date = f'{c.world.rng.randrange(1, 29):02}-Mar-2{c.world.rng.randrange(1000):03} 10:00:00 +0100'
    return Message(c.world.make_data(), c.world.flags(0.2), date)


@step(12)
def append(c):
    box = c.world.box()
    messages = [new_message(c) for _ in range(c.world.rng.choice([1, 1, 1, 2, 5]))]
    text = b'APPEND "%s"' % box.name.encode()
    for m in messages:
        text += b' %s "%s" %s' % (flag_list(m.flags).encode(), m.date.encode(), literal(m.data))
    if not c.world.fits(messages):
        over_quota(c, text)
        return
    for m in messages:
        box.add(m)  # the answer may tell of it before it ends
    appended(c, box, c.ok(text), messages)


@step(2)
def catenate(c):
    box, source = c.world.box(), c.world.box()
    if not source.messages or not source.uidvalidity or "/" in source.name:
        return
    uid = c.world.rng.choice(list(source.messages))
    head, m = b"Subject: made of parts\r\n\r\n", source.messages[uid]
    whole = Message(head + m.data, set())
    text = b'APPEND "%s" () CATENATE (TEXT %s URL "/%s;UIDVALIDITY=%d/;UID=%d")' % (
        box.name.encode(), literal(head), source.name.encode(), source.uidvalidity, uid)
    if not c.world.fits([whole]):
        over_quota(c, text)
        return
    box.add(whole)
    appended(c, box, c.ok(text), [whole])


@step(2)
def append_fails(c):
    answer = c.command(b"APPEND nowhere " + literal(b"x\r\n"))
    check(answer.status == "NO" and answer.code == ["TRYCREATE"], answer.end)


@step(1)
def append_binary(c):
    """RFC 3516: NULs come in a literal8."""
    box = c.world.box()
    m = Message(b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                b"\0\1\2\0nul\r\n", set())
    if not c.world.fits([Message(bytes(1000), set())]):  # its size is known afterwards
        return
    box.add(m)
    c.ok(b'APPEND "%s" ~%s' % (box.name.encode(), literal(m.data)))
    m.data = None  # stored as another encoding: learnt when it is read
    c.world.learn(box, box.uidnext - 1)


@step(2, "write")
def replace(c):
    if not c.view:
        return
    uid, box, m = c.world.rng.choice(c.view), c.world.box(), new_message(c)
    named = Named(c, [uid])
    if uid not in c.box.messages:
        check(c.command(f'{named.word}REPLACE {named.set} "{box.name}" {{0+}}\r\n').status in ("NO", "BAD"),
              "REPLACE of what is gone")
        return
    text = b'%sREPLACE %s "%s" %s "%s" %s' % (named.word.encode(), named.set.encode(), box.name.encode(),
                                             flag_list(m.flags).encode(), m.date.encode(), literal(m.data))
    if not c.world.fits([m], [c.box.messages[uid]]):
        over_quota(c, text)
        return
    box.add(m)
    del c.box.messages[uid]
    answer = c.ok(text)
    check(any(isinstance(x, tuple) and x[1] == "APPENDUID" for x in answer.lines) or answer.code[:1] == ["APPENDUID"],
          "no APPENDUID", answer.end)


@step(4, "box")
def copy(c):
    transfer(c, "COPY")


@step(3, "write")
def move(c):
    transfer(c, "MOVE")


def transfer(c, word):
    if not c.view:
        return
    uids, box = some(c), c.world.box()
    named, sources = Named(c, uids), there(c, uids)
    if sources != uids and not named.by_uid:  # RFC 2180, 4.4.1: all or nothing
        check(c.command(f'{word} {named.set} "{box.name}"').status == "NO", word, "of what is gone")
        return
    copies = [c.box.messages[uid].copy() for uid in sources]
    if word == "COPY" and sources and not c.world.fits(copies):
        over_quota(c, f'{named.word}COPY {named.set} "{box.name}"')
        return
    targets = [box.add(m) for m in copies]
    if word == "MOVE":
        for uid in sources:
            del c.box.messages[uid]
    answer = c.command(f'{named.word}{word} {named.set} "{box.name}"')
    if not sources:
        return
    check(answer.status == "OK", answer.end)
    code = answer.code if answer.code[:1] == ["COPYUID"] else (answer.codes("COPYUID") or [""])[0].split()
    code = code[1:] if code[:1] == ["COPYUID"] else code
    check(number_set(code[1]) == sources and number_set(code[2]) == targets, word, "COPYUID", code, sources, targets)


# ── flags ──────────────────────────────────────────────────────────────────────────────


def changed(flags, how, given):
    return {"+": flags | given, "-": flags - given, "": set(given)}[how]


@step(14, "write")
def store(c):
    if not c.view:
        return
    uids, how, given = some(c, 8), c.world.rng.choice(["+", "+", "-", ""]), c.world.flags(0.2)
    silent = ".SILENT" if c.world.rng.random() < 0.4 else ""
    named, live = Named(c, uids), there(c, uids)
    for uid in live:
        m = c.box.messages[uid]
        m.flags = changed(m.flags, how, given)
    answer = c.command(f"{named.word}STORE {named.set} {how}FLAGS{silent} {flag_list(given)}")
    check(answer.status == "OK" or (answer.status == "NO" and live != uids), answer.end)
    for uid in live:
        if silent:
            c.flags.pop(uid, None)  # its sender knows what it does
        else:
            check(c.flags.get(uid) == c.box.messages[uid].flags, "STORE told", c.flags.get(uid), "of", uid,
                  c.box.messages[uid].flags)


@step(5, "write")
def store_unchanged_since(c):
    """RFC 7162, 3.1.3: what changed since is MODIFIED, and not changed again."""
    if not c.view:
        return
    c.ok("UID FETCH 1:* (FLAGS MODSEQ)")
    c.enabled.add("CONDSTORE")
    c.settle()
    uids = some(c, 8) if c.view else []
    if not uids or there(c, uids) != uids or not c.modseqs.keys() >= set(uids):
        return
    limit = c.world.rng.choice([c.modseqs[uid] for uid in uids]) + c.world.rng.choice([-1, 0, 0, 1])
    limit = max(limit, 0)
    modified = [uid for uid in uids if c.modseqs[uid] > limit]
    given, named = c.world.flags(0.2), Named(c, uids)
    for uid in set(uids) - set(modified):
        c.box.messages[uid].flags |= given
    answer = c.command(f"{named.word}STORE {named.set} (UNCHANGEDSINCE {limit}) +FLAGS {flag_list(given)}")
    told = number_set(answer.code[1]) if answer.code[:1] == ["MODIFIED"] else []
    if not named.by_uid:
        told = [c.view[n - 1] for n in told]
    check(told == modified, "MODIFIED", told, "are", modified, answer.end)


# ── messages go ────────────────────────────────────────────────────────────────────────


@step(4, "write")
def expunge(c):
    for uid in c.box.with_flag("\\Deleted"):
        del c.box.messages[uid]
    c.ok("EXPUNGE")


@step(3, "write")
def uid_expunge(c):
    if c.view:
        uids = some(c)
        for uid in set(uids) & set(c.box.with_flag("\\Deleted")):
            del c.box.messages[uid]
        c.ok("UID EXPUNGE " + write_set(uids))


# ── the session ────────────────────────────────────────────────────────────────────────


@step(10, "box")
def noop(c):
    c.ok(c.world.rng.choice(["NOOP", "NOOP", "CHECK"]))
    c.check_in_sync("NOOP")
    c.check_statuses("NOOP")


@step(2)
def enable(c):
    word = c.world.rng.choice(["CONDSTORE", "QRESYNC", "IMAP4rev2", "UIDONLY", "UTF8=ACCEPT"])
    if word == "UIDONLY" and c.world.rng.random() < 0.7:
        return
    c.ok("ENABLE " + word)
    c.enabled.add(word.upper())


@step(1)
def compress(c):
    answer = c.command("COMPRESS DEFLATE")
    check((answer.status == "OK") != c.compressed, "COMPRESS", answer.end)
    if not c.compressed:
        c.compress()


@step(6, "box")
def idle(c):
    c.idle()


@step(2)
def notify(c):
    if c.notified:
        c.ok("NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))")
        c.notified = False
    else:
        c.ok("NOTIFY SET STATUS (selected-delayed (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
             "(personal (MessageNew MessageExpunge FlagChange MailboxName))")
        c.notified = True
    c.statuses.clear()


@step(3)
def resynchronise(c):
    """RFC 7162: a client that comes back is told all that it does not know, and no more."""
    if c.box is None or c.box.name not in c.world.boxes:
        return
    box = c.box
    c.ok("UID FETCH 1:* (UID FLAGS)")
    c.ok("NOOP")
    c.check_in_sync("before QRESYNC")
    view, flags = list(c.view), dict(c.flags)
    c.ok(f'STATUS "{box.name}" (HIGHESTMODSEQ)')
    since = int(c.statuses.pop(box.name)["HIGHESTMODSEQ"])
    c.drop()
    for other in c.world.others(c, 3):
        c.world.act(other)
    if box not in c.world.boxes.values() or not box.uidvalidity:
        return
    c.ok("ENABLE QRESYNC")
    c.select(box, False)
    c.flags = {uid: known for uid, known in flags.items() if uid in box.messages}
    known = f" 1:{box.uidnext}" if c.world.rng.random() < 0.5 else ""
    answer = c.ok(f'SELECT "{box.name}" (QRESYNC ({box.uidvalidity} {since}{known}))')
    selected(c, box, answer, False)
    went = set(view) - set(box.messages)
    check(went <= c.gone, "VANISHED (EARLIER)", sorted(c.gone), "went", sorted(went))
    c.check_in_sync("QRESYNC")


@step(1)
def log_out(c):
    try:
        c.command("LOGOUT")
        check(False, "LOGOUT without BYE")
    except EOFError:
        c.drop()
