# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/lab/lab: the laboratory for a person at a shell.

    lab up [--maildir|--mdbox] [--courier] [--bare]
                             raise one with alice, bob and carol (bare: no mail, no SMTP)
    lab exec [ID] client|router|source COMMAND...
    lab list
    lab down [ID]            the only one, or that one
    lab sweep                remove what crashed labs have left
"""
import os
import signal
import sys

from .laboratory import DEMO_USERS, Lab, alive, labs, sweep
from .mail import fill_demo
from .network import SOURCE_ADDRESS, Namespace, client_address
from .processes import wait_until

USAGE = 2


def options_of(arguments):
    """Lab(...) keywords from --words."""
    known = {"--maildir": {"storage": "maildir"}, "--mdbox": {"storage": "mdbox"},
             "--courier": {"separator": ".", "prefix": "INBOX."}, "--bare": {"postfix": False}}
    options = {}
    for argument in arguments:
        if argument not in known:
            raise SystemExit(f"lab: what is {argument}? Known: {' '.join(known)}")
        options.update(known[argument])
    return options


def command_up(arguments):
    lab = Lab(**{"postfix": True} | options_of(arguments)).up()
    if "--bare" not in arguments:
        fill_demo(lab)
    ports = "IMAP 143, POP3 110" + (", SMTP 25" if lab.postfix else "")
    print(f"""lab {lab.id} is up; its files are in {lab.folder}
  old server  {SOURCE_ADDRESS[0]}, {SOURCE_ADDRESS[1]}: {ports}
  users       {', '.join(f'{u} ({p})' for u, p in DEMO_USERS.items())}
  try         {sys.argv[0]} exec client curl -s --interface {client_address(11)} \\
                -u alice:{DEMO_USERS['alice']} imap://{SOURCE_ADDRESS[0]}/
  end         {sys.argv[0]} down""")
    lab.detach()


def choose(arguments):
    """(the lab that is meant, the rest of the arguments)."""
    living = [state for state in labs() if alive(state)]
    if arguments and any(state["id"] == arguments[0] for state in living):
        return next(s for s in living if s["id"] == arguments[0]), arguments[1:]
    if len(living) == 1:
        return living[0], arguments
    if not living:
        raise SystemExit("lab: none is up")
    raise SystemExit("lab: several are up, name one: " + " ".join(s["id"] for s in living))


def command_exec(arguments):
    state, rest = choose(arguments)
    if len(rest) < 2 or rest[0] not in ("client", "router", "source"):
        return usage()
    command = Namespace(f"mf-{state['id']}-{rest[0]}").command(*rest[1:])
    os.execvp(command[0], command)


def command_list(_arguments):
    for state in labs():
        users = list(state["users"])
        print(state["id"], "up" if alive(state) else "dead", "with", ", ".join(users[:3]) +
              (f" and {len(users) - 3} more" if len(users) > 3 else ""))
    return 0


def command_down(arguments):
    state, rest = choose(arguments)
    if rest:
        return usage()
    os.kill(state["pid"], signal.SIGTERM)
    wait_until("the lab's end", lambda: not alive(state), 30)
    return 0


def command_sweep(_arguments):
    for lab_id in sweep():
        print("removed", lab_id)
    return 0


COMMANDS = {"up": command_up, "exec": command_exec, "list": command_list,
            "down": command_down, "sweep": command_sweep}


def usage():
    print(__doc__.strip(), file=sys.stderr)
    return USAGE


def main(arguments):
    if not arguments or arguments[0] not in COMMANDS:
        return usage()
    return COMMANDS[arguments[0]](arguments[1:])
