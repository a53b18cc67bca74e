# SPDX-License-Identifier: BSD-3-Clause
"""One network namespace of the lab and the cables between two of them."""

import os
import signal
import subprocess
import time
from pathlib import Path

from .shell import run


class Namespace:
    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        self.ip("link", "set", "lo", "up")

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def popen(self, *words, **options):
        return subprocess.Popen(self.command(*words), text=True, **options)

    def ip(self, *words):
        return run("ip", "-n", self.name, *words).stdout

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def nft(self, rules):
        self.run("nft", "-f", "-", input=rules)

    def enable_ipv6(self):
        """For devices made from now on; their addresses are used without asking first whether another has them."""
        for key in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{key}.accept_dad", 0)
            self.sysctl(f"net.ipv6.conf.{key}.accept_ra", 0)
            self.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 0)

    def forward(self):
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def address(self, interface, *prefixes):
        """For use at once: without nodad an IPv6 one is tentative for a moment, even where accept_dad is 0."""
        for prefix in prefixes:
            self.ip("addr", "add", prefix, "dev", interface, *(["nodad"] if ":" in prefix else []))

    def route(self, prefix, via):
        self.ip("route", "add", prefix, "via", via)

    def drops(self):
        """Packets that this namespace's devices dropped, by device; a run in which a cable dropped proves nothing."""
        dropped = {}
        for line in self.run("sh", "-c", "cat /proc/net/dev").stdout.splitlines()[2:]:
            name, counters = line.split(":")
            fields = [int(field) for field in counters.split()]
            dropped[name.strip()] = fields[3] + fields[11]
        return dropped

    def delete(self):
        delete_netns(self.name)


def delete_netns(name):
    """Ends what still runs inside, then removes it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = run("ip", "netns", "pids", name, check=False).stdout.split()
        for pid in pids:
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + 3
        while pids and time.monotonic() < deadline and run("ip", "netns", "pids", name, check=False).stdout.split():
            time.sleep(0.05)
    run("ip", "netns", "del", name, check=False)


def namespaces():
    directory = Path("/run/netns")
    return sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []


def cable(left, left_name, right, right_name, mtu=1500):
    """A veth pair without offloads, so that every frame on it is one that a wire could carry."""
    run("ip", "link", "add", left_name, "netns", left.name, "type", "veth", "peer", "name", right_name, "netns", right.name)
    for end, name in ((left, left_name), (right, right_name)):
        end.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        end.ip("link", "set", name, "mtu", str(mtu), "up")
