# SPDX-License-Identifier: GPL-3.0-or-later
"""A POP3 session beside the IMAP clients of the model stress."""
import socket

from model_state import check


def lines_of(file):
    lines = []
    while (line := file.readline()) not in (b".\r\n", b""):
        lines.append(line[1:] if line.startswith(b"..") else line)
    return lines


def pop3(world):
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    world.store.serve(world.account, theirs, service="pop3")
    inbox, file = world.boxes["INBOX"], ours.makefile("rb")

    def say(text):
        ours.sendall(text.encode() + b"\r\n")
        line = file.readline()
        check(line.startswith(b"+OK"), "POP3", text, "got", line)
        return line

    with ours, file:
        check(file.readline().startswith(b"+OK"), "POP3 login")
        uids = list(inbox.messages)
        total = sum(len(m.data) for m in inbox.messages.values())
        check(say("STAT").split()[1:3] == [b"%d" % len(uids), b"%d" % total], "STAT", len(uids), total)
        say("UIDL")
        check(len({line.split()[1] for line in lines_of(file)}) == len(uids), "UIDL")
        gone = []
        for number in world.rng.sample(range(len(uids)), min(3, len(uids))):
            say(f"RETR {number + 1}")
            message = inbox.messages[uids[number]]
            told = b"".join(lines_of(file))
            whole = message.data if message.data.endswith(b"\r\n") else message.data + b"\r\n"
            check(told == whole, "RETR", number + 1, told[:80], whole[:80])
            message.flags.add("\\Seen")
            if world.rng.random() < 0.5:
                say(f"DELE {number + 1}")
                gone.append(uids[number])
        say("QUIT")
        for uid in gone:
            del inbox.messages[uid]
