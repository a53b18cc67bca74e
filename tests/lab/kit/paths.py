# SPDX-License-Identifier: BSD-3-Clause
"""Gateways with two public addresses, whose packets take two ways through the net:

                    +-- wan0 192.0.2.1 ---- isp-a --+         +-- 192.0.2.17 wan0 ----+
  host hq -- [hq] --|                               |-- core -|                       |-- [branch] -- host branch
                    +-- wan1 198.51.100.1 - isp-b --+         +-- 198.51.100.17 wan1 -+

Each way can be narrowed, and each tunnel's path can go silent in the middle, where neither gateway sees a link go down.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .addresses import OUTSIDE, Lan
from .capture import ESP, Capture
from .flows import flow_of
from .lab import Lab
from .netns import cable
from .oracle import logged_keys

LINKS = {"a": ("198.18.0.1", "198.18.0.2"), "b": ("198.18.0.5", "198.18.0.6")}  # of isp-a and isp-b to the core
QUESTION, ANSWER = True, False


class TwoWans(Lab):
    """`hq` and `branch`: which public addresses the two have. A tunnel is named by both ends' addresses here, as in ("a", "b")."""

    def __init__(self, logs=None, hq=("a", "b"), branch=("a",), inside=("ipv4",), **changes):
        super().__init__(logs)
        self.names = {"hq": hq, "branch": branch}
        self.lans = {site: [Lan(family, number) for family in inside] for number, site in ((1, "hq"), (2, "branch"))}
        self.silent = set()
        try:
            self._build(changes)
        except BaseException:
            self.close()
            raise

    def _build(self, changes):
        self.core = self.namespace("core")
        self.core.forward()
        self.isps = {}
        self.hq, self.host_hq = self.add_gateway("hq", self.lans["hq"])
        self.branch, self.host_branch = self.add_gateway("branch", self.lans["branch"])
        self.public = {("hq", name): OUTSIDE["ipv4"][f"hq-{name}"] for name in self.names["hq"]}
        self.public |= {("branch", name): OUTSIDE["ipv4"]["branch" if name == "a" else "branch-b"] for name in self.names["branch"]}
        for number, name in enumerate(self.names["hq"]):
            isp = self.isps[name] = self.namespace(f"isp-{name}")
            isp.forward()
            address, next_hop = self.public["hq", name]
            self.add_public(self.hq, name, f"wan{number}", isp, "hq", address, next_hop)
            cable(isp, "core", self.core, f"isp-{name}")
            near, far = LINKS[name]
            isp.address("core", f"{near}/30")
            self.core.address(f"isp-{name}", f"{far}/30")
            isp.ip("route", "add", "default", "via", far)
            self.core.route(f"{address.rsplit('.', 1)[0]}.0/28", near)
        for number, name in enumerate(self.names["branch"]):
            self.add_public(self.branch, name, f"wan{number}", self.core, f"branch-{name}", *self.public["branch", name])
        for gateway, other in ((self.hq, "branch"), (self.branch, "hq")):
            peers = [self.address(other, name) for name in self.names[other]]
            self.connect(gateway, other, peers, [lan.prefix for lan in self.lans[other]], self.authority.issue(f"{gateway.name}.example"),
                         self.names[gateway.name], initiate=gateway is self.hq, **changes)
            gateway.log_keys()

    def address(self, site, name):
        return self.public[site, name][0].split("/")[0]

    def tunnel(self, site, ends):
        """A site's own name of a tunnel."""
        hq, branch = ends
        own, other, far = (hq, branch, "branch") if site == "hq" else (branch, hq, "hq")
        return f"prod-{far}-{own}-{self.names[far].index(other) + 1}"

    def tunnels(self):
        return [(hq, branch) for hq in self.names["hq"] for branch in self.names["branch"]]

    def start(self):
        self.hq.start()
        self.branch.start()

    def up(self):
        self.start()
        for gateway in (self.hq, self.branch):
            gateway.wait_for_tunnels(len(self.tunnels()))
        for lan in self.lans["branch"]:
            self.host_hq.ping(lan.host, 2)
        return self

    def silence(self, *tunnels):
        """From now on the core drops every packet of these tunnels' paths, and of no other."""
        self.silent = set(tunnels)
        drops = ""
        for hq, branch in self.silent:
            ends = self.address("hq", hq), self.address("branch", branch)
            drops += "".join(f"  ip saddr {source} ip daddr {destination} drop\n" for source, destination in (ends, ends[::-1]))
        self.core.nft(f"flush ruleset\ntable inet paths {{\n chain between {{\n  type filter hook forward priority 0;\n{drops} }}\n}}\n")

    def narrow(self, megabits):
        """Both ways through the net carry so much in each direction, and hold back up to 60 ms of it."""
        for name, isp in self.isps.items():
            for namespace, device in ((isp, "core"), (self.core, f"isp-{name}")):
                namespace.run("tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", f"{megabits}mbit", "burst", "64kb",
                              "latency", "60ms")

    def widen(self):
        for name, isp in self.isps.items():
            isp.run("tc", "qdisc", "del", "dev", "core", "root")
            self.core.run("tc", "qdisc", "del", "dev", f"isp-{name}", "root")


class Sight:
    """What each tunnel carried from the start of the with block to its end, by captures on both ways and the keys that charon logged:
    the flows inside are read by another implementation of AES-GCM than the gateways'."""

    def __init__(self, lab):
        self.lab = lab
        self.captures = {name: Capture(isp, "core", lab.directory / f"isp-{name}.pcap", "esp") for name, isp in lab.isps.items()}
        self.of_address = {lab.address(site, name): name for site, name in lab.public}

    def __enter__(self):
        for capture in self.captures.values():
            capture.__enter__()
        return self

    def __exit__(self, *_):
        for capture in self.captures.values():
            capture.stop()

    def packets(self):
        """(time, tunnel, flow, is_question) of each of the flows' packets, in order of time."""
        keys = [AESGCM(key[:-4]) for key in self._keys()]
        salts = [key[-4:] for key in self._keys()]
        known, found = {}, []
        for capture in self.captures.values():
            assert capture.dropped == 0, "the capture lost packets"
            for frame in capture.frames():
                if frame.kind != ESP:
                    continue
                inner = self._open(frame.esp, keys, salts, known)
                flow = inner and flow_of_inner(inner)
                if flow:
                    ends = self.of_address[frame.source], self.of_address[frame.destination]
                    found.append((frame.time_s, ends if flow[1] is QUESTION else ends[::-1], *flow))
        return sorted(found)

    def _keys(self):
        return logged_keys(self.lab.hq.key_log)

    @staticmethod
    def _open(esp, keys, salts, known):
        """The packet inside, by RFC 4106 with extended sequence numbers whose upper half is 0."""
        spi, sequence = esp[:4], esp[4:8]
        for index in [known[spi]] if spi in known else range(len(keys)):
            try:
                inner = keys[index].decrypt(salts[index] + esp[8:16], esp[16:], spi + bytes(4) + sequence)
            except InvalidTag:
                continue
            known[spi] = index
            return inner
        raise AssertionError(f"none of {len(keys)} keys of charon's log opens SPI {spi.hex()}")


def flow_of_inner(packet):
    """(flow, is_question) of a packet of the lab's flows, IPv4 or IPv6; None for any other."""
    if packet[0] >> 4 == 4:
        protocol, at = packet[9], (packet[0] & 15) * 4
    else:
        protocol, at = packet[6], 40
    if protocol != 17:
        return None
    return flow_of(int.from_bytes(packet[at:at + 2], "big"), int.from_bytes(packet[at + 2:at + 4], "big"))
