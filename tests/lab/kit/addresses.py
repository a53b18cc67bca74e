# SPDX-License-Identifier: BSD-3-Clause
"""The lab's addresses, of either family: documentation prefixes (RFC 5737, RFC 3849) outside, and private or documentation ones inside."""

import ipaddress

# Public ports: the gateway's address with its prefix length, and the router's.
OUTSIDE = {
    "ipv4": {"hq-a": ("192.0.2.1/28", "192.0.2.14"), "hq-b": ("198.51.100.1/28", "198.51.100.14"),
             "branch": ("192.0.2.17/28", "192.0.2.30"), "branch-b": ("198.51.100.17/28", "198.51.100.30")},
    "ipv6": {"hq-a": ("2001:db8:0:a::1/64", "2001:db8:0:a::fe"), "hq-b": ("2001:db8:0:b::1/64", "2001:db8:0:b::fe"),
             "branch": ("2001:db8:0:c::1/64", "2001:db8:0:c::fe"), "branch-b": ("2001:db8:0:d::1/64", "2001:db8:0:d::fe")},
}
# Of a branch behind a NAT, which has the branch's public address of OUTSIDE: its port's address, and the NAT's inside.
BEHIND_NAT = {"ipv4": ("198.18.1.2/24", "198.18.1.1"), "ipv6": ("2001:db8:0:d::2/64", "2001:db8:0:d::1")}


class Lan:
    """The prefix of one LAN: its gateway is at 1 and its host at 2."""

    def __init__(self, family, site, number=0):
        self.family = family
        self.network = ipaddress.ip_network(f"10.{site}.{number}.0/24" if family == "ipv4" else f"2001:db8:{site}:{number}::/64")

    @property
    def prefix(self):
        return str(self.network)

    @property
    def gateway(self):
        return str(self.network[1])

    @property
    def host(self):
        return str(self.network[2])

    def with_length(self, address):
        return f"{address}/{self.network.prefixlen}"
