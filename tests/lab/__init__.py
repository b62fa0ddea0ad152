# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: a client, a router and an old mail server in network namespaces.

    with Lab(users={"alice": "secret"}) as lab:
        lab.client.run("curl", "imap://198.51.100.10/", "-u", "alice:secret")

Tests live beside this file as test_*.py; `tests/lab/lab` is the same for a shell.
"""
from .laboratory import DEMO_USERS, Lab
from .network import SOURCE_ADDRESS, client_address

__all__ = ["DEMO_USERS", "Lab", "SOURCE_ADDRESS", "client_address"]
