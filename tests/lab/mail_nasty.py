# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as they are met in real mailboxes, and as they break parsers; always the same.

    nasty(seed, count)   [(traits, bytes)]: what each message is made of, for tests that must
                         know why two servers differ

A message is a choice of one form for each field and one for the body. A form is a row:
(trait, text). Every fifth message is damaged afterwards as transport damages mail.
"""
import base64
import random

from .mail_text import PEOPLE, WORDS, encoded_word, rfc5322_date

ADDRESSES = [
    ("plain", "ann@a.example"), ("angle", "Ann Example <ann@a.example>"),
    ("quoted-name", '"Example, Ann" <ann@a.example>'), ("only-angle", "<ann@a.example>"),
    ("quoted-pair", r'"Ann \"The\" Example\\" <ann@a.example>'),
    ("comment-name", "ann@a.example (Ann Example)"),
    ("comment-nested", "ann@a.example (Ann (the (real) one) Example)"),
    ("comment-inside", "Ann (Sales) Example <ann@a.example>"),
    ("comment-in-spec", "ann(x)@(y)a.example(z)"),
    ("comment-before", "(hello) ann@a.example"), ("dot-name", "Ann E. Example <ann@a.example>"),
    ("space-in-spec", "Ann <ann @ a . example>"), ("space-in-angle", "Ann < ann@a.example >"),
    ("quoted-local", '"ann example"@a.example'), ("quoted-local-angle", 'Ann <"a@b"@a.example>'),
    ("literal-domain", "ann@[192.0.2.1]"), ("ipv6-domain", "Ann <ann@[IPv6:2001:db8::1]>"),
    ("route", "Ann <@r.example,@s.example:ann@a.example>"),
    ("group", "Team: ann@a.example, Bob <bob@b.example>;"), ("group-empty", "undisclosed:;"),
    ("group-then", "Team: ann@a.example; , carl@c.example"),
    ("group-quoted", '"The Team": ann@a.example;'),
    ("many", "ann@a.example, Bob <bob@b.example>, \"C\" <carl@c.example>"),
    ("folded-list", "ann@a.example,\r\n Bob <bob@b.example>,\r\n\tCarl <carl@c.example>"),
    ("folded-name", "Ann\r\n Example <ann@a.example>"), ("comma-empty", ",, ann@a.example,,"),
    ("encoded-q", "=?iso-8859-1?Q?J=FCrgen_M=FCller?= <jm@a.example>"),
    ("encoded-b", "=?UTF-8?B?SsO8cmdlbg==?= =?UTF-8?B?IE3DvGxsZXI=?= <jm@a.example>"),
    ("encoded-quoted", '"=?utf-8?Q?M=C3=BCller=2C_J?=" <jm@a.example>'),
    ("encoded-comment", "jm@a.example (=?utf-8?q?J=C3=BCrgen?=)"),
    ("empty-name", '"" <ann@a.example>'), ("name-is-address", '"ann@a.example" <ann@a.example>'),
    ("apostrophes", "'Ann Example' <ann@a.example>"), ("no-domain", "ann"),
    ("no-domain-angle", "Ann <ann>"), ("local-only-words", "the mailer daemon"),
    ("semicolons", "ann@a.example; bob@b.example"), ("two-angles", "Ann <<ann@a.example>>"),
    ("unclosed-angle", "Ann <ann@a.example"), ("unclosed-quote", '"Ann <ann@a.example>'),
    ("unclosed-comment", "ann@a.example (Ann"), ("bare-at-name", "ann@home <ann@a.example>"),
    ("double-at", "ann@b@a.example"), ("trailing-dot", "ann.@a.example"),
    ("two-dots", "ann..b@a.example"), ("nothing", ""), ("blank", "  "), ("mailer", "MAILER-DAEMON"),
    ("null-path", "<>"), ("null-named", "Mail System <>"), ("mailto", "mailto:ann@a.example"),
    ("8-bit-name", b"J\xfcrgen <jm@a.example>"), ("utf8-name", "Jürgen Müller <jm@a.example>"),
    ("utf8-local", "<jürgen@a.example>"), ("backslash", r"Ann\, Example <ann@a.example>"),
    ("tab", "Ann\tExample\t<ann@a.example>"), ("colon-name", "Re: Ann <ann@a.example>"),
    ("upper", "ANN@A.EXAMPLE"), ("plus", "ann+list=x@a.example"), ("long-name", "A" * 300 + " <a@b.example>"),
]
SUBJECTS = [
    ("plain", "Minutes of the meeting"), ("re", "Re: lunch"), ("re-upper", "RE: RE: Lunch"),
    ("re-count", "Re[2]: lunch"), ("fwd", "Fwd: Re: lunch (fwd)"), ("fw-bracket", "[Fwd: lunch]"),
    ("blob", "[list] Re: [list] lunch"), ("blob-only", "[list]"), ("aw", "AW: Mittagessen"),
    ("re-space", "Re :  lunch  "), ("empty", ""), ("blank", " \t"),
    ("folded", "a subject\r\n that is\r\n\tfolded"), ("folded-wide", "wide\r\n          fold"),
    ("folded-empty", "first\r\n \r\n second"), ("trailing", "trailing blanks   "),
    ("tabs", "with\ttabs\tinside"), ("quotes", 'he said "no" \\ and {5}'),
    ("encoded-q", "=?iso-8859-1?Q?Gr=FC=DFe_aus_K=F6ln?="),
    ("encoded-b", "=?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?="),
    ("encoded-lower", "=?utf-8?b?R3LDvMOfZQ==?="), ("encoded-language", "=?utf-8*de?q?Gr=C3=BC=C3=9Fe?="),
    ("encoded-two", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_aus_K=C3=B6ln?="),
    ("encoded-glued", "x=?utf-8?q?=C3=BC?=y"), ("encoded-mixed", "Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= lunch"),
    ("encoded-split", "=?utf-8?q?=C3?= =?utf-8?q?=BC?="), ("encoded-open", "=?utf-8?q?never ends"),
    ("encoded-space", "=?utf-8?q?a b?="), ("encoded-unknown", "=?x-none?q?abc?="),
    ("encoded-gb", "=?gb2312?B?xOO6w8rAvec=?="), ("encoded-koi8", "=?KOI8-R?Q?=F0=D2=C9=D7=C5=D4?="),
    ("encoded-jp", "=?ISO-2022-JP?B?GyRCJTMlcyVLJUElT0AkMyYbKEI=?="),
    ("encoded-1252", "=?windows-1252?Q?=80_100_=96_cheap?="), ("encoded-empty", "=?utf-8?q??="),
    ("encoded-bad-b64", "=?utf-8?B?R3LD?="), ("encoded-underscore", "=?us-ascii?Q?a_b=5Fc?="),
    ("8-bit", b"Gr\xfc\xdfe raw"), ("utf8", "Grüße aus Köln roh"), ("utf8-cjk", "見積書の件"),
    ("long", "long " * 400), ("one-word-long", "x" * 1200),
    ("percent", "100% off _now_"), ("number", "10"), ("number-2", "9"),
]
DATES = [
    ("plain", None), ("no-day", "1 Jan 2020 10:00:00 +0100"), ("two-digits", "Mon, 1 Jan 01 10:00:00 GMT"),
    ("named-zone", "Wed, 01 Jan 2020 10:00:00 EST"), ("zone-comment", "Wed, 1 Jan 2020 10:00:00 +0000 (UTC)"),
    ("no-seconds", "Wed, 1 Jan 2020 10:00 +0000"), ("no-zone", "Wed, 1 Jan 2020 10:00:00"),
    ("folded", "Wed,\r\n 1 Jan 2020\r\n 10:00:00 +0000"), ("words", "yesterday"), ("empty", ""),
    ("lower", "wed, 1 jan 2020 10:00:00 +0000"), ("asctime", "Wed Jan  1 10:00:00 2020"),
    ("iso", "2020-01-01T10:00:00Z"), ("leap", "Tue, 30 Jun 2015 23:59:60 +0000"),
    ("dashes", "Wed, 01-Jan-2020 10:00:00 +0000"), ("far-zone", "Wed, 1 Jan 2020 00:10:00 +1400"),
    ("comments", "Wed (x), 1 (y) Jan 2020 10:00:00 (z) +0000"), ("three-digits", "Mon, 1 Jan 120 10:00:00 +0000"),
]
IDS = [
    ("plain", None), ("no-angle", "123@a.example"), ("comment", "<{n}@a.example> (x)"),
    ("quoted", '<"{n}"@a.example>'), ("literal", "<{n}@[192.0.2.1]>"), ("folded", "\r\n <{n}@a.example>"),
    ("space", "< {n}@a.example >"), ("no-at", "<{n}>"), ("two", "<{n}@a.example> <{n}@b.example>"),
    ("twin", "<same@a.example>"), ("empty", ""), ("missing", False),
]
TYPES = [
    ("plain", "text/plain"), ("charset", "text/plain; charset=utf-8"), ("quoted", 'text/plain; charset="utf-8"'),
    ("upper", "TEXT/PLAIN; CHARSET=US-ASCII"), ("flowed", "text/plain; charset=utf-8; format=flowed; delsp=yes"),
    ("html", "text/html; charset=iso-8859-1"), ("spaces", "text/plain ; charset = utf-8 ;"),
    ("comment", "text/plain (x); charset=us-ascii (y)"), ("folded", "text/plain;\r\n\tcharset=utf-8;\r\n\tformat=flowed"),
    ("name", 'application/pdf; name="report 1.pdf"'), ("name-bare", "application/pdf; name=report 1.pdf"),
    ("rfc2231", "application/pdf; name*=UTF-8''r%C3%A9sum%C3%A9.pdf"),
    ("rfc2231-split", "application/pdf; name*0=\"a long \";\r\n name*1=\"name.pdf\""),
    ("rfc2231-both", "application/pdf;\r\n name*0*=UTF-8'de'r%C3%A9s;\r\n name*1*=um%C3%A9;\r\n name*2=\".pdf\""),
    ("rfc2231-order", "application/pdf; name*1=b.pdf; name*0=a"),
    ("encoded-name", 'application/pdf; name="=?utf-8?Q?r=C3=A9sum=C3=A9.pdf?="'),
    ("semicolons", "text/plain;; charset=utf-8;"), ("no-semicolon", "text/plain charset=utf-8"),
    ("no-subtype", "text"), ("no-type", "/plain"), ("empty", ""), ("unknown", "x-none/x-none; x=y"),
    ("two-slashes", "text/plain/x"), ("quoted-pair", r'application/x; name="a\"b\\c"'),
    ("8-bit-name", b'application/pdf; name="r\xe9sum\xe9.pdf"'), ("utf8-name", 'application/pdf; name="résumé.pdf"'),
    ("no-value", "text/plain; charset"), ("empty-value", 'text/plain; charset=""; x='),
    ("twice", "text/plain; charset=utf-8; charset=us-ascii"), ("bad-charset", "text/plain; charset=klingon"),
    ("single-quotes", "text/plain; charset='utf-8'"), ("koi8", "text/plain; charset=koi8-r"),
    ("latin9", "text/plain; charset=ISO-8859-15"), ("unclosed", 'application/pdf; name="report.pdf'),
]
ENCODINGS = [("none", None), ("7bit", "7bit"), ("8bit", "8BIT"), ("qp", "quoted-printable"),
             ("base64", "base64"), ("upper", "Base64"), ("comment", "7bit (x)"), ("unknown", "x-uuencode"),
             ("two-words", "7bit please"), ("empty", ""), ("semicolon", "quoted-printable;"), ("binary", "binary")]
DISPOSITIONS = [
    ("none", None), ("none", None), ("inline", "inline"), ("attachment", "attachment; filename=report.pdf"),
    ("quoted", 'attachment; filename="my report.pdf"; size=123'), ("upper", "ATTACHMENT; FILENAME=X.PDF"),
    ("rfc2231", "attachment; filename*=iso-8859-1'en'r%E9sum%E9.pdf"),
    ("rfc2231-split", "attachment;\r\n filename*0*=UTF-8''a%20long;\r\n filename*1*=%20name;\r\n filename*2=\".pdf\""),
    ("both", "attachment; filename=\"x.pdf\"; filename*=utf-8''y.pdf"), ("empty", ""),
    ("no-value", "attachment; filename"), ("only-parameter", "; filename=x"), ("bare", "attachment; filename=a b.pdf"),
    ("8-bit", b'attachment; filename="r\xe9sum\xe9.pdf"'),
]
BOUNDARIES = [("plain", "b{n}", "b{n}"), ("quoted", "=_b {n} x", '"=_b {n} x"'), ("prefix", "b", "b"),
              ("long", "-" * 27 + "{n}" + "0" * 30, '"' + "-" * 27 + "{n}" + "0" * 30 + '"'),
              ("dashes", "--b{n}--", '"--b{n}--"'), ("odd", "'()+_,-./:=?{n}", "\"'()+_,-./:=?{n}\""),
              ("rfc2231", "bb{n}", "b*0"), ("colon-bare", "b:{n}", "b:{n}"), ("spaces-end", "b{n}", '"b{n}  "')]
ODD_TEXTS = [
    ("blank-line", b"\r\n"), ("glued", b"no end of line"), ("long-line", b"x" * 30000 + b"\r\n"),
    ("from", b"From here on\r\n"), ("bare-lf", b"bare\nnewlines\n"), ("cr-cr-lf", b"\r\r\n"),
    ("all-bytes", bytes(set(range(1, 256)) - {10, 13})), ("dots", b".\r\n..\r\n"), ("bare-cr", b"bare\rreturn\r\n"),
]
EXTRA = [
    ("none", []), ("none", []), ("none", []), ("received", [("Received", "from a by b;\r\n\tWed, 1 Jan 2020 10:00:00 +0000")] * 4),
    ("list", [("List-Id", "The List <list.a.example>"), ("List-Post", "<mailto:list@a.example>")]),
    ("reply", [("Reply-To", "Reply <reply@a.example>")]), ("sender", [("Sender", "s@a.example")]),
    ("reply-empty", [("Reply-To", "")]), ("sender-empty", [("Sender", "")]),
    ("space-colon", [("X-Space ", "before the colon")]), ("no-space", [("X-Tight", "\0tight")]),
    ("dkim", [("DKIM-Signature", "v=1; a=rsa-sha256; bh=" + "A" * 60 + ";\r\n\tb=" + ("B" * 70 + "\r\n\t ") * 3 + "C")]),
    ("two-subjects", [("Subject", "another one")]), ("two-from", [("From", "other@o.example")]),
    ("two-to", [("To", "second@s.example")]), ("two-cc", [("Cc", "c1@c.example"), ("Cc", "c2@c.example")]),
    ("two-date", [("Date", "Thu, 2 Jan 2020 10:00:00 +0000")]), ("two-id", [("Message-ID", "<second@id.example>")]),
    ("lower-name", [("x-lower", "yes"), ("X-LOWER", "no")]), ("long-line", [("X-Long", "y" * 5000)]),
    ("empty-field", [("X-Empty", "")]), ("language", [("Content-Language", "de, en"), ("Content-Location", "http://a.example/x")]),
    ("id-md5", [("Content-ID", "<part1@a.example>"), ("Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ=="), ("Content-Description", "=?utf-8?q?=C3=BC?= text")]),
    ("bcc", [("Bcc", "hidden@h.example")]),
]


class Nasty:
    def __init__(self, seed):
        self.rng, self.number, self.ids = random.Random(seed), 0, []

    def pick(self, what, rows):
        """A form; its trait is noted as `what:trait`."""
        row = self.rng.choice(rows)
        self.traits.add(f"{what}:{row[0]}")
        return row[1] if len(row) == 2 else row[1:]

    def words(self, count):
        text, line = [], ""
        for word in self.rng.choices(WORDS, k=count):
            if len(line) + len(word) > 70:
                text.append(line)
                line = ""
            line += (" " if line else "") + word
        return "\r\n".join(text + [line]) + "\r\n"

    # ── fields ─────────────────────────────────────────────────────────────────────

    def field(self, name, value):
        value = value if isinstance(value, bytes) else value.encode()
        space = b"" if value.startswith(b"\0") else self.rng.choice([b" "] * 8 + [b"", b"  ", b"\t"])
        self.head.append(name.encode() + b":" + space + value.lstrip(b"\0"))

    def address(self, name, chance, usual):
        if self.rng.random() > chance:
            return
        if self.rng.random() < usual:
            person, spec = self.rng.choice(PEOPLE)
            self.field(name, f'"{encoded_word(person)}" <{spec}>')
        else:
            self.field(name, self.pick(name, ADDRESSES))

    def message_id(self):
        form = self.pick("id", IDS) if self.rng.random() < 0.15 else None
        if form is False:
            return
        value = (form if form is not None else "<{n}@a.example>").replace("{n}", f"m{self.number}")
        self.field("Message-ID", value)
        if form is None:
            self.ids.append(value)

    def ancestors(self):
        if not self.ids or self.rng.random() > 0.4:
            return
        known = self.rng.sample(self.ids[-60:], min(len(self.ids[-60:]), self.rng.randrange(1, 4)))
        self.field(self.rng.choice(["References", "References", "In-Reply-To"]),
                   self.rng.choice([" ", "\r\n ", " \t", ""]).join(known))

    def make_head(self):
        self.head = []
        date = rfc5322_date(self.rng.randrange(10 ** 9, 17 * 10 ** 8), self.rng.choice(["+0000", "-0330", "+0545"]))
        makers = [lambda: self.address("From", 0.97, 0.3), lambda: self.address("To", 0.9, 0.3),
                  lambda: self.address("Cc", 0.3, 0.3),
                  lambda: self.field("Subject", self.pick("subject", SUBJECTS)),
                  lambda: self.field("Date", (self.pick("date", DATES) if self.rng.random() < 0.25 else None) or date),
                  self.message_id, self.ancestors]
        if self.rng.random() < 0.3:
            self.rng.shuffle(makers)
        for make in makers:
            make()
        for name, value in self.pick("extra", EXTRA):
            self.field(name, value)

    # ── bodies ─────────────────────────────────────────────────────────────────────

    def encoded(self, data, encoding):
        word = (encoding or "").lower().strip("; ")
        if word == "base64":
            text = base64.b64encode(data)
            width = self.rng.choice([76, 76, 60, 4, 1000])
            lines = [text[i:i + width] for i in range(0, len(text), width)]
            return self.rng.choice([b"\r\n", b"\r\n", b" \r\n"]).join(lines) + self.rng.choice([b"\r\n", b"", b"\r\n\r\nfooter\r\n"])
        if word == "quoted-printable":
            out = b"".join(b"=%02X" % c if c > 126 or c == 61 else bytes([c]) for c in data)
            for old, new in ((b"nobody", b"no=\r\nbody"), (b"moved", b"mov= \r\ned"), (b"while", b"wh=69le")):
                out = out.replace(old, new)
            return out + self.rng.choice([b"", b"", b"=", b"=4", b"=zz broken"])
        return data

    def leaf(self, size=40):
        """A part: head and body."""
        kind, encoding = self.pick("type", TYPES), self.pick("encoding", ENCODINGS)
        head = [("Content-Type", kind)] if self.rng.random() < 0.9 else []
        if encoding is not None:
            head.append(("Content-Transfer-Encoding", encoding))
        disposition = self.pick("disposition", DISPOSITIONS)
        if disposition is not None:
            head.append(("Content-Disposition", disposition))
        self.rng.shuffle(head)
        charset = "koi8-r" if "koi8" in str(kind) else "utf-8" if "utf" in str(kind) else "latin-1"
        data = self.words(self.rng.randrange(1, size)).encode(charset, "replace")
        if self.rng.random() < 0.05:
            data = self.pick("odd", ODD_TEXTS) + data
        return head, self.encoded(data, encoding)

    def multipart(self, depth):
        mark, shown = self.pick("boundary", BOUNDARIES)
        mark, shown = (x.replace("{n}", f"{self.number}{depth}") for x in (mark, shown))
        kind = self.rng.choice(["mixed", "mixed", "alternative", "related", "digest", "report; report-type=delivery-status", "signed", "x-none"])
        value = f"multipart/{kind};\r\n boundary={shown}"
        if shown == "b*0":
            value = f"multipart/{kind};\r\n boundary*0=\"{mark[:2]}\";\r\n boundary*1=\"{mark[2:]}\""
        parts = [self.entity(depth + 1) for _ in range(self.rng.choice([0, 1, 2, 2, 3]))]
        closing = self.rng.choice(["--"] * 8 + [None, "", "-- ", "--x"])
        self.traits.add(f"closing:{closing}")
        self.traits.add(f"parts:{len(parts)}")
        opening = f"--{mark}{self.rng.choice(['', '', '', '', ' ', chr(9)])}\r\n".encode()
        body = self.rng.choice([b"", b"preamble\r\n", b"\r\n", b"This is a multi-part message in MIME format.\r\n\r\n"])
        body += b"".join(opening + part + b"\r\n" for part in parts)
        if closing is not None:
            body += f"--{mark}{closing}\r\n".encode() + self.rng.choice([b"", b"epilogue\r\n", b"\r\n"])
        return [("Content-Type", value)], body

    def embedded(self, depth):
        inner = Nasty(self.rng.random())
        inner.number, inner.traits = self.number * 10 + depth, self.traits
        data = inner.message(depth + 1)
        self.traits.add("embedded")
        head = [("Content-Type", self.rng.choice(["message/rfc822", "message/rfc822; name=x.eml", "MESSAGE/RFC822"]))]
        if self.rng.random() < 0.1:
            head.append(("Content-Transfer-Encoding", self.rng.choice(["7bit", "8bit", "base64"])))
            self.traits.add(f"embedded-{head[-1][1]}")
        return head, data

    def report(self):
        return ([("Content-Type", "message/delivery-status")],
                b"Reporting-MTA: dns; a.example\r\n\r\nFinal-Recipient: rfc822; bob@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n")

    def content(self, depth):
        chance = self.rng.random()
        if depth < 4 and chance < 0.35:
            return self.multipart(depth)
        if 0 < depth < 4 and chance < 0.45:
            return self.embedded(depth)
        if depth and chance < 0.5:
            return self.report()
        return self.leaf()

    def entity(self, depth):
        """As a part of a multipart: its own head, a blank line, the body."""
        head, body = self.content(depth)
        lines = b"".join(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
                         for name, value in head)
        return lines + b"\r\n" + body

    def message(self, depth=0):
        self.make_head()
        if self.rng.random() < 0.8:
            if self.rng.random() < 0.95:
                self.field("MIME-Version", self.rng.choice(["1.0", "1.0 (x)", "1.0"]))
            else:
                self.traits.add("no-mime-version")
            head, body = self.content(depth)
            for name, value in head:
                self.field(name, value)
        else:
            self.traits.add("no-mime-version")
            body = self.words(self.rng.randrange(1, 80)).encode("latin-1", "replace")
        return b"".join(line + b"\r\n" for line in self.head) + b"\r\n" + body

    # ── damage ─────────────────────────────────────────────────────────────────────

    def damage(self, data):
        lines = data.split(b"\r\n")
        at = self.rng.randrange(len(lines))
        kind = self.rng.choice(["cut", "drop", "double", "swap", "8-bit", "blank", "indent", "glue", "bare-lf", "text"])
        self.traits.add(f"damage:{kind}")
        if kind == "cut":
            return data[:self.rng.randrange(1, len(data))]
        if kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "swap":
            lines[at], lines[at - 1] = lines[at - 1], lines[at]
        elif kind == "8-bit":
            lines[at] = lines[at].replace(b"e", b"\xe9").replace(b"u", b"\xc3\xbc")
        elif kind == "blank":
            lines.insert(at, self.rng.choice([b"", b" ", b"\t "]))
        elif kind == "indent":
            lines[at] = b" " + lines[at]
        elif kind == "glue":
            lines[at - 1:at + 1] = [lines[at - 1] + lines[at]] if at else lines[:1]
        elif kind == "bare-lf":
            return data.replace(b"\r\n", b"\n")
        else:
            lines.insert(at, b"this line has no colon")
        return b"\r\n".join(lines) or b"\r\n"

    def next(self):
        self.number, self.traits = self.number + 1, set()
        data = self.message()
        if self.rng.random() < 0.2:
            data = self.damage(data)
        return frozenset(self.traits), data

    # ── one form alone ─────────────────────────────────────────────────────────────

    def single(self, what, row):
        """A plain message, but for this one form of this one thing."""
        self.number, self.traits = self.number + 1, {f"{what}:{row[0]}"}
        self.head = []
        address = row[1] if what == "address" else "Ann Example <ann@a.example>"
        for name in ("From", "To", "Cc"):
            self.field(name, address)
        if what == "address":
            self.traits = {f"{name}:{row[0]}" for name in ("From", "To", "Cc")}
        self.field("Subject", row[1] if what == "subject" else f"single {self.number}")
        self.field("Date", what == "date" and row[1] or "Wed, 1 Jan 2020 10:00:00 +0100")
        value = (what == "id" and row[1] or "<{n}@a.example>") if row[1] is not False else None
        if value is not None:
            self.field("Message-ID", value.replace("{n}", f"s{self.number}"))
        self.field("MIME-Version", "1.0")
        text = "Zwölf Boxkämpfer, the mail moved quietly while nobody\r\n"
        part = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
        if what == "boundary":
            mark, shown = (x.replace("{n}", "7") for x in row[1:])
            shown = 'boundary*0="bb"; boundary*1="7"' if shown == "b*0" else f"boundary={shown}"
            self.field("Content-Type", f"multipart/mixed; {shown}")
            body = b"".join(f"--{mark}\r\n".encode() + part for _ in "ab") + f"--{mark}--\r\n".encode()
            return frozenset(self.traits), b"\r\n".join(self.head) + b"\r\n\r\n" + body
        if what == "extra":
            for name, value in row[1]:
                self.field(name, value)
        self.field("Content-Type", row[1] if what == "type" else "text/plain; charset=utf-8")
        encoding = row[1] if what == "encoding" else None
        if encoding is not None:
            self.field("Content-Transfer-Encoding", encoding)
        if what == "disposition" and row[1] is not None:
            self.field("Content-Disposition", row[1])
        body = self.encoded(text.encode(), encoding)
        return frozenset(self.traits), b"\r\n".join(self.head) + b"\r\n\r\n" + body


FORMS = [("address", ADDRESSES), ("subject", SUBJECTS), ("date", DATES), ("id", IDS), ("type", TYPES),
         ("encoding", ENCODINGS), ("disposition", DISPOSITIONS), ("boundary", BOUNDARIES), ("extra", EXTRA)]


def singles():
    """Each form alone in a plain message: a difference has one reason."""
    writer = Nasty("singles")
    return [writer.single(what, row) for what, rows in FORMS for row in rows]


def nasty(seed, count):
    writer = Nasty(seed)
    return [writer.next() for _ in range(count)]
