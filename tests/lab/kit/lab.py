# SPDX-License-Identifier: BSD-3-Clause
"""The lab's topology: two gateways with a host behind each, a WAN router between them, and a NAT when wanted.

  host hq 10.1.0.2 -- lan0 [hq] wan0 192.0.2.1, wan1 198.51.100.1 -- wan -- 192.0.2.17 wan0 [branch] lan0 -- 10.2.0.2 host branch

and the same with IPv6, outside, inside or both: see addresses.py.
"""

import itertools
import json
import os
import re
import shutil
import string
import subprocess
import tempfile
from pathlib import Path

from . import pki
from .addresses import BEHIND_NAT, OUTSIDE, Lan
from .gateway import Gateway, base_config
from .netns import Namespace, cable, delete_netns, namespaces
from .traffic import TOOL

IKE_PROPOSALS = ["aes256gcm16-prfsha384-ecp384"]
ESP_PROPOSALS = ["aes256gcm16-esn"]


def sweep():
    """Removes what a lab left behind whose process was killed."""
    for name in namespaces():
        owner = re.match(r"sl(\d+)[a-z]-", name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            delete_netns(name)
    for directory in Path("/dev/shm").glob("sl*-*"):
        owner = re.match(r"sl(\d+)[a-z]-", directory.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            shutil.rmtree(directory, ignore_errors=True)


class Host:
    """With an address on each LAN that its gateway has; `address` is the first."""

    def __init__(self, lab, name, lans):
        self.lab, self.name, self.lans = lab, name, lans
        self.address = lans[0].host
        self.namespace = lab.namespace(f"host-{name}")
        lab.hosts.append(self)

    def cable(self, gateway_namespace):
        if any(lan.family == "ipv6" for lan in self.lans):
            self.namespace.enable_ipv6()
        cable(self.namespace, "eth0", gateway_namespace, "v-lan0")
        for lan in self.lans:
            self.namespace.address("eth0", lan.with_length(lan.host))
        for first in {lan.family: lan for lan in reversed(self.lans)}.values():
            self.namespace.ip("route", "add", "default", "via", first.gateway, "src", first.host)

    def ping(self, address, count=3, size=56, *options, check=True, timeout_s=30):
        return self.namespace.run("ping", "-n", "-c", count, "-i", "0.2", "-W", "2", "-s", size, *options, address,
                                  check=check, timeout_s=timeout_s)

    def iperf(self, address, *options, seconds=3):
        """iperf3's JSON; the server runs on the host with that address for this one test."""
        server = next(host for host in self.lab.hosts if host.address == address)
        serving = server.namespace.popen("iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE)
        try:
            for line in serving.stdout:
                if "listening" in line:
                    break
            done = self.namespace.run("iperf3", "-c", address, "-J", "-t", seconds, *options, timeout_s=seconds + 30)
            return json.loads(done.stdout)
        finally:
            serving.kill()
            serving.communicate()


class Lab:
    letters = itertools.cycle(string.ascii_lowercase)  # labs of one process can live side by side

    def __init__(self, logs=None):
        """logs: where the directory with configs, captures and logs goes at the end; without it all of it is removed."""
        self.prefix = f"sl{os.getpid()}{next(Lab.letters)}-"
        self.wan_taps = False
        self.logs = logs
        self.namespaces = {}
        self.gateways = {}
        self.hosts = []
        self.directory = Path(tempfile.mkdtemp(prefix="sallyport-lab-"))
        shared_memory = Path("/dev/shm")
        self.run_root = Path(tempfile.mkdtemp(prefix=self.prefix, dir=shared_memory if shared_memory.is_dir() else None))
        self.authority = pki.Authority(self.directory)
        assert TOOL.exists(), f"{TOOL} is missing: run scripts/build"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        faults = []
        for gateway in self.gateways.values():
            try:
                gateway.stop()
            except Exception as error:  # every other part is still taken down
                faults.append(f"{gateway.name}: {error}")
        for namespace in self.namespaces.values():
            namespace.delete()
        left = [name for name in namespaces() if name.startswith(self.prefix)]
        for name in left:
            delete_netns(name)
        shutil.rmtree(self.run_root, ignore_errors=True)
        if self.logs:
            shutil.rmtree(self.logs, ignore_errors=True)
            shutil.copytree(self.directory, self.logs)
        shutil.rmtree(self.directory, ignore_errors=True)
        if left:
            faults.append(f"namespaces left behind by the gateways: {', '.join(left)}")
        assert not faults, "; ".join(faults)

    def namespace(self, name):
        self.namespaces[name] = Namespace(self.prefix + name)
        return self.namespaces[name]

    def drops(self):
        """Of every device of the lab, by 'namespace/device'."""
        return {f"{name}/{device}": count for name, namespace in self.namespaces.items()
                for device, count in namespace.drops().items()}

    def add_gateway(self, name, lans, workers=(0, 1), lan_tap=False):
        """A gateway with one virtual network of these LANs on one port, and the host behind it."""
        namespace = self.namespace(name)
        gateway = Gateway(self, name, namespace, self.run_root / name, base_config(name, workers))
        self.gateways[name] = gateway
        host = Host(self, name, lans)
        host.cable(namespace)
        gateway.plug_tap("lan0") if lan_tap else gateway.plug("lan0")
        gateway.config["virtual_networks"] = {"prod": {"ports": {"lan0": [lan.with_length(lan.gateway) for lan in lans]}}}
        return gateway, host

    def add_public(self, gateway, public_address, port, router, router_port, address, next_hop, mtu=1500):
        """Cables a gateway's public port to a router; both addresses carry their prefix length in `address`."""
        cable(gateway.namespace, f"v-{port}", router, router_port)
        gateway.plug_tap(port) if self.wan_taps else gateway.plug(port, mtu)
        self.add_public_address(gateway, public_address, port, router, router_port, address, next_hop)

    def add_public_address(self, gateway, public_address, port, router, router_port, address, next_hop):
        """On a port that is there."""
        length = address.split("/")[1]
        router.address(router_port, f"{next_hop}/{length}")
        gateway.config["public_addresses"][public_address] = {"port": port, "address": address, "next_hop": next_hop}

    def connect(self, gateway, site, peers, prefixes, auth, public_addresses=("a",), initiate=True, **changes):
        """One connection to a site; `changes` are merged into the connection's section."""
        other = {"hq": "branch", "branch": "hq"}[gateway.name]
        gateway.config["sites"][site] = {"peers": list(peers), "prefixes": list(prefixes)}
        connection = {
            "virtual_network": "prod", "site": site, "mode": "active-active", "public_addresses": list(public_addresses),
            "ike": {"version": 2, "proposals": list(IKE_PROPOSALS), "local_id": f"{gateway.name}.example",
                    "remote_id": f"{other}.example"},
            "esp": {"proposals": list(ESP_PROPOSALS), "rekey": "1h", "replay_window": 1024},
            "auth": auth, "selectors": "route-based", "routing": "static", "initiate": initiate, "dpd": {"delay": "2s"}}
        for key, value in changes.items():
            if isinstance(value, dict):
                connection[key] = {**connection.get(key, {}), **value}
            else:
                connection[key] = value
        gateway.config["connections"][f"prod-{site}"] = connection


def mirrored(changes):
    """For the other end: its exact selectors have the sides changed."""
    if not isinstance(changes.get("selectors"), list):
        return changes
    sides = {"local": "remote", "remote": "local", "port": "local_port", "local_port": "port"}
    return {**changes, "selectors": [{sides.get(key, key): value for key, value in one.items()} for one in changes["selectors"]]}


class SiteToSite(Lab):
    """The usual lab: hq and branch, X.509, one tunnel unless `public_addresses` of hq has two. `outside` is the family of the
    public addresses, `inside` has those of the LANs, of which each site has `lans` for each family. Where `outside_b` is
    another family, hq's second public address is of it, and the branch has one more of it on its port."""

    def __init__(self, logs=None, public_addresses=("a",), behind_nat=False, psk=False, both_initiate=False, wan_mtu=1500,
                 lan_taps=False, wan_taps=False, outside="ipv4", outside_b=None, inside=("ipv4",), lans=1, **changes):
        super().__init__(logs)
        self.lan_taps, self.wan_taps = lan_taps, wan_taps
        self.outside, self.outside_b = outside, outside_b or outside
        self.lans = {site: [Lan(family, number, lan) for family in inside for lan in range(lans)]
                     for number, site in ((1, "hq"), (2, "branch"))}
        try:
            self._build(public_addresses, behind_nat, psk, both_initiate, wan_mtu, changes)
        except BaseException:
            self.close()
            raise

    def _build(self, public_addresses, behind_nat, psk, both_initiate, wan_mtu, changes):
        self.wan = self.namespace("wan")
        if "ipv6" in (self.outside, self.outside_b):
            self.wan.enable_ipv6()
        self.wan.forward()
        self.hq, self.host_hq = self.add_gateway("hq", self.lans["hq"], lan_tap=self.lan_taps)
        self.branch, self.host_branch = self.add_gateway("branch", self.lans["branch"], lan_tap=self.lan_taps)
        outside = OUTSIDE[self.outside]
        self.add_public(self.hq, "a", "wan0", self.wan, "hq-a", *outside["hq-a"])
        if "b" in public_addresses:
            self.add_public(self.hq, "b", "wan1", self.wan, "hq-b", *OUTSIDE[self.outside_b]["hq-b"])
        branch_public = {"a": outside["branch"]}
        if self.outside_b != self.outside:
            branch_public["b"] = OUTSIDE[self.outside_b]["branch"]
        peers = [address.split("/")[0] for address, _ in branch_public.values()]
        if behind_nat:
            self._add_nat()
        else:
            router = self.wan if wan_mtu == 1500 else self._add_narrow_link(wan_mtu)
            self.add_public(self.branch, "a", "wan0", router, "branch", *branch_public["a"])
            if "b" in branch_public:
                self.add_public_address(self.branch, "b", "wan0", router, "branch", *branch_public["b"])
        shared = pki.psk(self.directory) if psk else None
        hq_auth, branch_auth = shared or self.authority.issue("hq.example"), shared or self.authority.issue("branch.example")
        prefixes = {site: [lan.prefix for lan in lans] for site, lans in self.lans.items()}
        self.connect(self.hq, "branch", peers, prefixes["branch"], hq_auth, public_addresses,
                     initiate=not behind_nat, **changes)
        hq_peers = [self.hq.config["public_addresses"][name]["address"].split("/")[0] for name in public_addresses]
        self.connect(self.branch, "hq", hq_peers, prefixes["hq"], branch_auth, tuple(branch_public),
                     initiate=behind_nat or both_initiate, **mirrored(changes))

    def _add_narrow_link(self, mtu):
        """A second router towards the branch, behind a link of this MTU; its neighbours' links stay at 1500."""
        far = self.namespace("far")
        far.sysctl("net.ipv4.ip_forward", 1)
        cable(self.wan, "narrow", far, "narrow", mtu)
        self.wan.address("narrow", "198.18.0.1/30")
        far.address("narrow", "198.18.0.2/30")
        self.wan.route("192.0.2.16/28", "198.18.0.2")
        far.ip("route", "add", "default", "via", "198.18.0.1")
        return far

    def _add_nat(self):
        """The branch behind one address, as on a home router."""
        self.nat = self.namespace("nat")
        if self.outside == "ipv6":
            self.nat.enable_ipv6()
        self.nat.forward()
        public, router = OUTSIDE[self.outside]["branch"]
        self.nat_address, length = public.split("/")
        cable(self.nat, "outside", self.wan, "nat")
        self.nat.address("outside", public)
        self.wan.address("nat", f"{router}/{length}")
        self.add_public(self.branch, "a", "wan0", self.nat, "inside", *BEHIND_NAT[self.outside])
        self.nat.ip("route", "add", "default", "via", router)
        self.map_nat(20000)

    def map_nat(self, first_port):
        """Maps the branch's ports to those from first_port on, forgetting every mapping made before."""
        self.nat.run("nft", "flush", "ruleset")
        table, written = ("ip6", f"[{self.nat_address}]") if self.outside == "ipv6" else ("ip", self.nat_address)
        self.nat.nft(f"table {table} nat {{\n chain out {{\n  type nat hook postrouting priority 100;\n"
                     f"  oifname outside meta l4proto udp snat to {written}:{first_port}-{first_port + 99}\n"
                     f"  oifname outside snat to {self.nat_address}\n }}\n}}\n")
        self.nat.run("conntrack", "-F")

    def start(self):
        self.hq.start()
        self.branch.start()
        for gateway in (self.hq, self.branch):
            gateway.bridge_taps()
        return self

    def up(self):
        """Both gateways running, every tunnel up, and traffic flows."""
        self.start()
        self.hq.wait_for_tunnels()
        self.branch.wait_for_tunnels()
        self.host_hq.ping(self.host_branch.address, 2)
        return self
