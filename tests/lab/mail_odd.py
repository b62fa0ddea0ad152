# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as they should not be, and are. One of each, by what is odd about it."""


def nested(depth):
    """multipart in multipart in ..."""
    body = b"Content-Type: text/plain\r\n\r\nthe innermost\r\n"
    for level in range(depth):
        mark = b"level%d" % level
        body = (b"Content-Type: multipart/mixed; boundary=" + mark + b"\r\n\r\n--" + mark +
                b"\r\n" + body + b"\r\n--" + mark + b"--\r\n")
    return b"Subject: nested\r\nMIME-Version: 1.0\r\n" + body


def forwarded():
    inner = b"From: x@example.org\r\nSubject: =?utf-8?q?inn=C3=A9r?=\r\n\r\ninner text\r\n"
    return (b"Subject: forwarded\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" + inner +
            b"\r\n--d\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--d--\r\n")


def odd_messages():
    """[(name, bytes)], always the same."""
    return [
        ("nothing at all but a line", b"\r\n"),
        ("no header", b"\r\nbody only\r\n"),
        ("no body", b"Subject: header only\r\n"),
        ("empty body", b"Subject: empty body\r\n\r\n"),
        ("no final CRLF", b"Subject: stops\r\n\r\nno end of line here"),
        ("no header, no colon", b"this is not a header\r\n\r\nstill mail\r\n"),
        ("8-bit header", b"Subject: Gr\xfc\xdfe, raw latin-1\r\nFrom: J\xfcrgen <j@x.example>\r\n"
                         b"\r\nx\r\n"),
        ("UTF-8 header", "Subject: Grüße, raw 日本\r\nTo: <ü@example.com>\r\n\r\nx\r\n".encode()),
        ("bytes 128-255", b"Subject: all\r\n\r\n" + bytes(range(128, 256)) * 8 + b"\r\n"),
        ("control characters", b"Subject: ctl\r\n\r\n" + bytes(range(1, 10)) +
         bytes(range(14, 32)) + b"\x7f\r\n"),
        ("line of 100,000", b"Subject: long\r\n\r\n" + b"x" * 100_000 + b"\r\n"),
        ("header of 20,000", b"Subject: " + b"long header " * 1700 + b"\r\n\r\nx\r\n"),
        ("folded header", b"Subject: one\r\n\ttwo\r\n   three\r\nTo: a@example.com,\r\n"
                          b" b@example.com\r\n\r\nx\r\n"),
        ("1000 recipients", b"Subject: many\r\nTo: " + b",\r\n ".join(
            b"user%d@example.com" % n for n in range(1000)) + b"\r\n\r\nx\r\n"),
        ("20 levels", nested(20)),
        ("digest with message/rfc822", forwarded()),
        ("boundary never comes", b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;"
                                 b" boundary=never\r\n\r\nbut text\r\n"),
        ("boundary not closed", b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;"
                                b" boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo"),
        ("boundary missing", b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n"
                             b"\r\n--b\r\n\r\none\r\n--b--\r\n"),
        ("broken base64", b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
                          b"Content-Transfer-Encoding: base64\r\n\r\n!!!not base64!!!\r\n"),
        ("unknown charset", b"Subject: =?klingon?q?x?=\r\nMIME-Version: 1.0\r\nContent-Type: "
                            b"text/plain; charset=klingon\r\n\r\nx\r\n"),
        ("group address", b"From: undisclosed:;\r\nTo: A Group:a@x.example,b@x.example;\r\n"
                          b"Subject: g\r\n\r\nx\r\n"),
        ("quotes and parentheses", b'From: "A \\"quoted\\" (name" <q@x.example> (a (nested) c)\r\n'
                                   b"Subject: \"{7}\" and (parens\r\n\r\nx\r\n"),
        ("looks like a literal", b"Subject: l\r\n\r\nA1 OK {3}\r\n* 1 EXISTS\r\n)\r\n"),
        ("dots", b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n"),
        ("From line", b"From someone Mon Jan  1 00:00:00 2001\r\nSubject: mbox\r\n\r\n"
                      b"From here on\r\n>From there\r\n"),
        ("no Date, no From", b"X-Nothing: 1\r\n\r\nx\r\n"),
        ("date in words", b"Date: yesterday\r\nSubject: d\r\n\r\nx\r\n"),
        ("header twice", b"Subject: one\r\nSubject: two\r\nFrom: a@x.example\r\n"
                         b"From: b@x.example\r\n\r\nx\r\n"),
        ("white space line", b"Subject: w\r\n \r\n\r\nx\r\n"),
    ]
