# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule sets as firewalld, ufw and Docker wrote them, and how each lets pass what is diverted.

`written` is what the program was seen to write when the cure was carried out, as the difference
between two listings. A later version: run it in a network namespace, as the files' heads say.
"""
from pathlib import Path

DIVERTED = "0x10000000/0x70000000"


def rules(name):
    """As `nft -f -` reads it."""
    lines = Path(__file__).with_name(f"{name}.nft").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if "xt match" not in line)


class Firewalld:
    tables = ("inet firewalld",)
    blames = ("table inet firewalld, chain filter_INPUT may drop it",)

    def __init__(self, *sources):
        self.rules = rules("firewalld")
        kinds = [("6" if ":" in source else "4", source) for source in sources]
        said = "".join(f" --add-rich-rule='rule family=ipv{v} destination address={source} accept'"
                       for v, source in kinds)
        self.cures = (f"firewall-cmd --permanent{said} && firewall-cmd --reload",)
        self.written = "".join("add rule inet firewalld filter_IN_public_allow "
                               f"{'ip6' if v == '6' else 'ip'} daddr {source} accept\n"
                               for v, source in kinds)


class FirewalldByPort(Firewalld):
    def __init__(self, *ports):
        super().__init__()
        opened = "".join(f" --add-port={port}/tcp" for port in ports)
        self.cures = (f"firewall-cmd --permanent{opened} && firewall-cmd --reload",)
        self.written = "".join("add rule inet firewalld filter_IN_public_allow "
                               f"tcp dport {port} accept\n" for port in ports)


class Ufw:
    tables = ("ip filter", "ip6 filter")

    def __init__(self, *families):
        """Of IPv4: "", of IPv6: "6"."""
        self.rules = rules("ufw")
        self.blames = tuple(f"table ip{v6} filter, chain INPUT may drop it" for v6 in families)
        self.cures = tuple(
            f"sed -i '/^# End required/a -A ufw{v6}-before-input -m mark --mark {DIVERTED} "
            f"-j ACCEPT' /etc/ufw/before{v6}.rules && ufw reload" for v6 in families)
        self.written = "".join(
            f"insert rule ip{v6} filter ufw{v6}-before-input meta mark & 0x70000000 == "
            "0x10000000 counter accept\n" for v6 in families)
