# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of the model stress that read: FETCH, SEARCH, SORT, THREAD."""
import binascii
import re

from model_client import number_set
from model_state import KEYWORDS, SYSTEM, WORDS, check
from model_step import Named, items_of, some, step, there

# ── reading ────────────────────────────────────────────────────────────────────────────


@step(10, "box")
def fetch_flags(c):
    uids = some(c, 30) if c.view and c.world.rng.random() < 0.5 else list(c.view)
    if not uids:
        return
    named = Named(c, uids)
    answer = c.command(f"{named.word}FETCH {named.set} (UID FLAGS)")
    live = there(c, uids)
    check(answer.status == "OK" or live != uids, answer.end)
    told = {int(items["UID"]) for _, items in items_of(answer) if "UID" in items}
    check(set(live) <= told | (set() if live == uids else set(live)), "FETCH told", sorted(told), "of", live)


@step(3, "box")
def fetch_changed_since(c):
    since = max(0, c.box.highest - c.world.rng.randrange(6))
    before = dict(c.modseqs)
    c.enabled.add("CONDSTORE")
    if "QRESYNC" in c.enabled:
        c.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {max(since, 1)} VANISHED)")
    else:
        c.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {max(since, 1)})")
    check(all(c.modseqs[uid] >= before[uid] for uid in before if uid in c.modseqs), "modseqs fall")


CONTENTS = ["RFC822.SIZE", "INTERNALDATE", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<5.30>",
            "BODY.PEEK[TEXT]<0.7>", "BINARY.PEEK[1]", "BINARY.SIZE[1]", "ENVELOPE", "EMAILID", "PREVIEW", "BODYSTRUCTURE",
            "SAVEDATE", "RFC822.HEADER", "BODY.PEEK[1]", "THREADID"]


@step(10, "box")
def fetch_content(c):
    uids = there(c, some(c, 3)) if c.view else []
    if not uids:
        return
    wanted = c.world.rng.sample(CONTENTS, c.world.rng.randrange(1, 4))
    named = Named(c, uids)
    answer = c.ok(f"{named.word}FETCH {named.set} ({' '.join(['UID', *wanted])})")
    found = {int(items["UID"]): items for _, items in items_of(answer) if "UID" in items and len(items) > len(wanted)}
    for uid in uids:
        check(uid in found, "nothing of UID", uid, answer.end)
        check_content(c.box.messages[uid], found[uid], uid)


def check_content(m, items, uid):
    body, text = m.data, m.text
    coded = b"\nContent-Transfer-Encoding: base64" in body[:len(body) - len(text)]
    plain = binascii.a2b_base64(text) if coded else text
    truth = {"RFC822.SIZE": b"%d" % len(body), "BODY[]": body, "BODY[TEXT]": text, "BODY[1]": text,
             "BODY[HEADER]": body[:len(body) - len(text)], "RFC822.HEADER": body[:len(body) - len(text)],
             "BODY[]<5>": body[5:35], "BODY[TEXT]<0>": text[:7], "BINARY[1]": plain, "BINARY.SIZE[1]": b"%d" % len(plain)}
    if m.date:
        truth["INTERNALDATE"] = m.date.encode()
    for item, value in items.items():
        if item in truth:
            check(value == truth[item], item, "of UID", uid, "told", value[:80], "is", truth[item][:80])
    if "ENVELOPE" in items:
        check(items["ENVELOPE"][1].decode() in (m.subject, "NIL"), "subject", items["ENVELOPE"][1], m.subject)
    if "EMAILID" in items:
        told = items["EMAILID"][0].decode()
        m.identity = m.identity or told
        check(m.identity == told, "EMAILID of UID", uid, told, "was", m.identity)


@step(3, "write")
def read_sets_seen(c):
    uids = there(c, some(c, 2)) if c.view else []
    if uids:
        named = Named(c, uids)
        for uid in uids:
            c.box.messages[uid].flags.add("\\Seen")
        c.ok(f"{named.word}FETCH {named.set} BODY[TEXT]<0.5>")


@step(2, "box")
def fetch_partial(c):
    """RFC 9394: a window of the UIDs."""
    first = c.world.rng.randrange(1, 6)
    truth = list(c.box.messages)
    answer = c.ok(f"UID FETCH 1:* (UID) (PARTIAL {first}:{first + 2})")
    told = [int(items["UID"]) for _, items in items_of(answer) if set(items) == {"UID"}]
    if c.in_sync():
        check(told == truth[first - 1:first + 2], "PARTIAL", first, told, "of", truth)


# ── searching ──────────────────────────────────────────────────────────────────────────


def key_flag(c):
    flag = c.world.rng.choice(SYSTEM)
    return flag[1:].upper(), lambda uid, m: flag in m.flags


def key_no_flag(c):
    flag = c.world.rng.choice(SYSTEM)
    return "UN" + flag[1:].upper(), lambda uid, m: flag not in m.flags


def key_keyword(c):
    word = c.world.rng.choice(KEYWORDS)
    return "KEYWORD " + word, lambda uid, m: word in m.flags


def key_uid(c):
    first = c.world.rng.randrange(1, c.box.uidnext + 1)
    last = first + c.world.rng.randrange(20)
    return f"UID {first}:{last}", lambda uid, m: first <= uid <= last


def key_subject(c):
    word = c.world.rng.choice(WORDS)
    return "SUBJECT " + word, lambda uid, m: word in m.subject


def key_size(c):
    size = c.world.rng.randrange(100, 400)
    return f"LARGER {size}", lambda uid, m: len(m.data) > size


def key_not(c):
    key, evaluate = some_key(c)
    return "NOT " + key, lambda uid, m: not evaluate(uid, m)


def key_or(c):
    (one, first), (two, second) = some_key(c), some_key(c)
    return f"OR {one} ({two})", lambda uid, m: first(uid, m) or second(uid, m)


def some_key(c):
    return c.world.rng.choice([key_flag, key_flag, key_no_flag, key_keyword, key_uid, key_subject, key_size, key_not, key_or])(c)


class Expected:
    """What a search started now must find, and what it may: of what came or went meanwhile this
    client may have been told before or after."""

    def __init__(self, c, evaluate):
        self.c, self.evaluate, self.before = c, evaluate, list(c.view)
        self.must = {uid for uid in there(c, c.view) if evaluate(uid, c.box.messages[uid])}

    def may(self):
        came = set(there(self.c, self.c.view)) - set(self.before)
        gone = {uid for uid in self.before + self.c.view if uid and uid not in self.c.box.messages}
        if None in self.c.view:
            came = {uid for uid in self.c.box.messages if uid not in self.before}
        return self.must | gone | {uid for uid in came if self.evaluate(uid, self.c.box.messages[uid])}

    def is_exact(self):
        return self.c.view == self.before and None not in self.before and self.may() == self.must

    def check(self, told, *what):
        told = [uid for uid in told if uid is not None]
        check(len(told) == len(set(told)), *what, "twice in", told)
        check(self.must <= set(told) <= self.may(), *what, "lacks", sorted(self.must - set(told)), "has",
              sorted(set(told) - self.may()), "of", told)


def told_now(answer, word):
    """Less what is told of results that are kept up to date."""
    return [f for f in answer.named(word) if not {b"ADDTO", b"REMOVEFROM"} & {x for x in f if isinstance(x, bytes)}]


def found_uids(c, answer, by_uid):
    """The UIDs that SEARCH or ESEARCH told; None when it told no list."""
    for fields in answer.named(b"SEARCH"):
        numbers = [int(f) for f in fields if isinstance(f, bytes)]
        return [n if by_uid else c.view[n - 1] for n in numbers]
    for fields in told_now(answer, b"ESEARCH"):
        words = dict(zip(*[iter(f for f in fields if f != b"UID" and not (isinstance(f, list) and f[:1] == [b"TAG"]))] * 2))
        if b"ALL" in words:
            return [n if by_uid else c.view[n - 1] for n in number_set(words[b"ALL"].decode())]
        if words.get(b"COUNT") == b"0" or not words:
            return []
    return None


@step(10, "box")
def search(c):
    key, evaluate = some_key(c)
    by_uid = c.uid_only or c.world.rng.random() < 0.5
    result = c.world.rng.choice(["", "", "RETURN (ALL COUNT) ", "RETURN (MIN MAX COUNT) ", "RETURN (SAVE) ", "RETURN () ",
                                 "RETURN (PARTIAL 1:3 COUNT) ", "RETURN (PARTIAL -1:-2) "])
    expected = Expected(c, evaluate)
    answer = c.ok(f'{"UID " if by_uid else ""}SEARCH {result}{key}')
    for fields in told_now(answer, b"ESEARCH"):
        check((b"UID" in fields) == by_uid, "UID in ESEARCH", fields)
        check(fields[0] == [b"TAG", answer.end.split(b" ")[0]], "TAG in ESEARCH", fields)
        if expected.is_exact():
            check_counts(c, fields, expected.must, by_uid)
    if "SAVE" in result:
        c.saved = expected.must, expected.may()
        return
    told = found_uids(c, answer, by_uid)
    if told is not None:
        expected.check(told, "SEARCH", key)


def check_counts(c, fields, truth, by_uid):
    words = dict(zip(fields[1:], fields[2:])) if b"UID" not in fields else dict(zip(fields[2::2], fields[3::2]))
    if b"COUNT" in words:
        check(int(words[b"COUNT"]) == len(truth), "COUNT", words, sorted(truth))
    if b"PARTIAL" in words:
        window, numbers = words[b"PARTIAL"]
        told = [] if numbers == b"NIL" else [n if by_uid else c.view[n - 1] for n in number_set(numbers.decode())]
        wanted = sorted(truth)[:3] if window == b"1:3" else sorted(truth)[-2:]
        check(sorted(told) == wanted, "PARTIAL", window, told, wanted)
    for word, pick in ((b"MIN", min), (b"MAX", max)):
        if word in words:
            told = int(words[word])
            check((told if by_uid else c.view[told - 1]) == pick(truth), word, told, sorted(truth))


@step(5, "box")
def modseqs(c):
    """RFC 7162, 3.1.4 and 3.1.5: what has changed since, exactly."""
    c.ok("NOOP")
    c.enabled.add("CONDSTORE")
    c.settle()
    c.ok("UID FETCH 1:* (FLAGS MODSEQ)")
    c.check_in_sync("before MODSEQ")
    if not c.view:
        return
    known = {uid: c.modseqs[uid] for uid in c.view}
    c.world.rng.choice([changed_since, search_modseq, search_modseq, sort_modseq])(c, known)


def changed_since(c, known):
    since = max(1, c.world.rng.choice(list(known.values())) - c.world.rng.randrange(2))
    named = Named(c, c.view)
    answer = c.ok(f"{named.word}FETCH {named.set} (UID) (CHANGEDSINCE {since})")
    told = {int(items["UID"]): int(items["MODSEQ"][0]) for _, items in items_of(answer)}
    truth = {uid: modseq for uid, modseq in known.items() if modseq > since}
    check(told == truth, "CHANGEDSINCE", since, "told", told, "are", truth)


def some_modseq(c, known):
    """(search key, the UIDs that it finds)"""
    limit = c.world.rng.choice(list(known.values())) + c.world.rng.choice([0, 0, 1])
    entry = c.world.rng.choice(["", "", '"/flags/\\\\seen" all ', '"/flags/k1" shared '])
    key, evaluate = some_key(c)
    found = [uid for uid in c.view if known[uid] >= limit and evaluate(uid, c.box.messages[uid])]
    return f"MODSEQ {entry}{limit} {key}", found


def search_modseq(c, known):
    """RFC 4731, 3.2: the highest of what is told."""
    key, truth = some_modseq(c, known)
    result = c.world.rng.choice(["", "", "RETURN (ALL) ", "RETURN (COUNT) ", "RETURN (MIN) ", "RETURN (MAX) ",
                                 "RETURN (MIN MAX) "])
    by_uid = c.uid_only or c.world.rng.random() < 0.5
    answer = c.ok(f'{"UID " if by_uid else ""}SEARCH {result}{key}')
    told = found_uids(c, answer, by_uid)
    check(told is None or told == truth, "SEARCH", key, "told", told, "are", truth)
    of = {"RETURN (MIN) ": truth[:1], "RETURN (MAX) ": truth[-1:], "RETURN (MIN MAX) ": truth[:1] + truth[-1:]}
    check_highest(answer, [known[uid] for uid in of.get(result, truth)])


def sort_modseq(c, known):
    key, truth = some_modseq(c, known)
    answer = c.ok(f"UID SORT (ARRIVAL) UTF-8 {key}")
    told = sorted(int(n) for n in answer.named(b"SORT")[0] if isinstance(n, bytes))
    check(told == truth, "SORT", key, "told", told, "are", truth)
    check_highest(answer, [known[uid] for uid in truth])


def check_highest(answer, of):
    told = re.findall(r"b'MODSEQ', b'(\d+)'", repr(answer.lines))
    check(told == ([str(max(of))] if of else []), "MODSEQ", told, "of", of)


@step(4, "box")
def saved_result(c):
    """RFC 5182: $ names what was saved, less what went."""
    if c.saved is None:
        return
    word = "UID " if c.uid_only or c.world.rng.random() < 0.5 else ""
    must, may = c.saved
    answer = c.ok(f"{word}FETCH $ (UID)")
    told = {int(items["UID"]) for _, items in items_of(answer) if "UID" in items and len(items) == 1}
    alive = {uid for uid in must if uid in c.box.messages}
    check(alive <= told <= may, "$ lacks", sorted(alive - told), "has", sorted(told - may), "of", sorted(told))


@step(3, "box")
def sort(c):
    key, evaluate = some_key(c)
    order = c.world.rng.choice(["ARRIVAL", "REVERSE ARRIVAL", "SIZE ARRIVAL", "REVERSE SIZE", "SUBJECT"])
    expected = Expected(c, evaluate)
    counted = c.world.rng.random() < 0.3
    answer = c.ok(f"UID SORT {'RETURN (COUNT) ' if counted else ''}({order}) UTF-8 {key}")
    if counted:  # RFC 5267, 3: ESORT
        for fields in told_now(answer, b"ESEARCH") if expected.is_exact() else ():
            check_counts(c, fields, expected.must, True)
        return
    told = [int(n) for n in answer.named(b"SORT")[0]]
    expected.check(told, "SORT", key)
    told = [uid for uid in told if uid in c.box.messages]
    size = [len(c.box.messages[uid].data) for uid in told]
    if order == "REVERSE SIZE":
        check(size == sorted(size, reverse=True), order, told, size)
    elif order == "SIZE ARRIVAL":
        check(size == sorted(size), order, told, size)
    elif order == "SUBJECT":
        subjects = [c.box.messages[uid].subject.casefold() for uid in told]
        check(subjects == sorted(subjects), order, told, subjects)


@step(1, "box")
def thread(c):
    key, evaluate = some_key(c)
    expected = Expected(c, evaluate)
    algorithm = c.world.rng.choice(["REFERENCES", "ORDEREDSUBJECT", "REFS"])
    answer = c.ok(f"UID THREAD {algorithm} UTF-8 {key}")
    told = sorted(int(n) for n in re.findall(r"\d+", repr(answer.named(b"THREAD"))))
    expected.check(told, "THREAD", key)


@step(2, "box")
def context(c):
    """RFC 5267: a result that is kept up to date."""
    if len(c.contexts) > 3:
        tag = next(iter(c.contexts))
        del c.contexts[tag]
        c.ok(b'CANCELUPDATE "%s"' % tag)
        return
    key, evaluate = some_key(c)
    if not c.in_sync():
        return
    tag = b"T%d" % (c.imap.tags + 1)
    answer = c.command(f"UID SEARCH RETURN (UPDATE ALL) {key}")
    check(answer.status == "OK", answer.end)
    if answer.codes("NOUPDATE"):
        return
    c.contexts[tag] = (set(found_uids(c, answer, True) or []), evaluate)
