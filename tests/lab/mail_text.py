# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary messages: people, subjects, text in several languages, attachments."""
import base64
import time

PEOPLE = [("Alice Liddell", "alice@example.com"), ("Bob Baumeister", "bob@example.com"),
          ("Carol Çelik", "carol@example.com"), ("Jürgen Müller", "jm@example.org"),
          ("山田太郎", "taro@example.jp"), ("O'Neil, Pat", "pat@example.net"),
          ("Łukasz Żółw", "lz@example.pl"), ("no-reply", "no-reply@shop.example")]
SUBJECTS = ["Minutes of Monday's meeting", "Re: your order 4711", "Grüße aus Köln",
            "見積書の件", "Fwd: Fwd: holiday photos", "Счёт за март", "[list] digest 12",
            "Rechnung Nr. 2019-044 (überfällig)", "re: re: RE: lunch?", ""]
WORDS = ("the mail moved quietly while nobody noticed that its home had changed from one "
         "old machine to another Briefe wandern über Nacht ins neue Haus und bleiben ganz "
         "déjà vu être à l'heure señor niño mañana").split()


def rfc5322_date(seconds, zone="+0000"):
    return time.strftime("%a, %d %b %Y %H:%M:%S ", time.gmtime(seconds)) + zone


def encoded_word(text):
    """RFC 2047, as base64, where text is not ASCII."""
    if text.isascii():
        return text
    return "=?UTF-8?B?" + base64.b64encode(text.encode()).decode() + "?="


def base64_lines(rng, size):
    """About `size` bytes in lines of 76 letters."""
    text = base64.b64encode(rng.randbytes(size // 78 * 57))
    return b"".join(text[i:i + 76] + b"\r\n" for i in range(0, len(text), 76))


class Writer:
    """Writes one message after another from a seeded source of chance."""

    def __init__(self, rng):
        self.rng = rng
        self.number = 0
        self.pool = base64_lines(rng, 400_000)
        self.forms = [(self.plain, 6), (self.eight_bit, 2), (self.alternative, 3),
                      (self.attachment, 2), (self.long_line, 1)]

    def message(self, date):
        self.number += 1
        form = self.rng.choices([f for f, _ in self.forms], [w for _, w in self.forms])[0]
        return self._head(date) + form()

    def _head(self, date):
        (name, sender), (other, to) = self.rng.sample(PEOPLE, 2)
        zone = self.rng.choice(["+0000", "+0100", "-0330", "+1245", "-1200"])
        head = (f"Return-Path: <{sender}>\r\n"
                f"Received: from mx.example.net by mail.example.com; {rfc5322_date(date)}\r\n"
                f"From: \"{encoded_word(name)}\" <{sender}>\r\n"
                f"To: {encoded_word(other).replace(',', '')} <{to}>\r\n"
                f"Subject: {encoded_word(self.rng.choice(SUBJECTS))}\r\n"
                f"Date: {rfc5322_date(date, zone)}\r\n"
                f"Message-ID: <{self.number}.{date}@example.com>\r\n")
        if self.rng.random() < 0.2:
            head += "References:" + "".join(
                f"\r\n <{self.rng.randrange(10**9)}@example.com>" for _ in range(12)) + "\r\n"
        return head.encode()

    def _text(self, words):
        lines, line = [], ""
        for word in self.rng.choices(WORDS, k=words):
            if len(line) + len(word) > 72:
                lines.append(line)
                line = ""
            line += (" " if line else "") + word
        return "\r\n".join(lines + [line]) + "\r\n"

    def plain(self):
        return b"\r\n" + self._text(self.rng.randrange(5, 600)).encode("ascii", "replace")

    def eight_bit(self):
        charset = self.rng.choice(["iso-8859-1", "utf-8"])
        return (f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n"
                "Content-Transfer-Encoding: 8bit\r\n\r\n"
                + self._text(200)).encode(charset, "replace")

    def alternative(self):
        text = self._text(100)
        return ("MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_alt\"\r\n"
                "\r\n--=_alt\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: 8bit\r\n\r\n" + text +
                "\r\n--=_alt\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>" + text +
                "</p>\r\n--=_alt--\r\n").encode()

    def attachment(self):
        start = self.rng.randrange(0, 1000) * 78
        size = self.rng.randrange(10, 4000) * 78
        return ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=mix\r\n\r\n"
                "--mix\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
                "--mix\r\nContent-Type: image/jpeg; name*=UTF-8''H%C3%BCtte.jpg\r\n"
                "Content-Transfer-Encoding: base64\r\n"
                "Content-Disposition: attachment; filename=\"=?UTF-8?Q?H=C3=BCtte.jpg?=\"\r\n\r\n"
                ).encode() + self.pool[start:start + size] + b"\r\n--mix--\r\n"

    def long_line(self):
        return b"\r\n" + b"word " * self.rng.randrange(300, 4000) + b"\r\nend\r\n"
