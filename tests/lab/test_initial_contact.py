# SPDX-License-Identifier: BSD-3-Clause
"""A stock strongSwan as the peer. By default it sends INITIAL_CONTACT (RFC 7296 section 2.4), with which a gateway may end
whatever else it has with the same two identities; with `unique = replace`, which ipsec.conf's default is, it ends that itself
without being told. An identity for each public address keeps both tunnels."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from kit import pki
from kit.addresses import Lan
from kit.lab import IKE_PROPOSALS, Lab
from kit.netns import cable
from kit.shell import run, wait_for
from kit.vici import load_connection

PER_ADDRESS = {"a": "hq-a.example", "b": "hq-b.example"}
DUPLICATE = "duplicate IKE_SA for peer"
PEER = "192.0.2.17"
# Of hq: the public address, and hosts of the peer's that are reached through its tunnel.
ENDS = {"a": ("192.0.2.1", "10.2.0.0/25", "10.2.0.2"), "b": ("198.51.100.1", "10.2.0.128/25", "10.2.0.130")}
# The kernel of a test machine may have no ESP, so libipsec does it, always in UDP; it knows no ESN.
STRONGSWAN_CONF = """\
charon-systemd {{
  load_modular = no
  load = random drbg nonce openssl hmac kdf gcm sha2 kernel-libipsec! kernel-netlink socket-default vici updown
  plugins {{
    vici {{ socket = unix://{directory}/vici.sock }}
  }}
  filelog {{ log {{ path = {directory}/charon.log
    default = 1
    flush_line = yes }} }}
}}
"""
CONNECTION = """\
  {name} {{
    version = 2
    local_addrs = {peer}
    remote_addrs = {remote}
    proposals = {ike}
    {unique}
    local {{ auth = psk
      id = peer.example }}
    remote {{ auth = psk
      id = {remote_id} }}
    children {{
      {name} {{
        local_ts = {local_ts}
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16
      }}
    }}
  }}
"""


class StockCharon:
    """unique: a line of its connections; every tunnel of theirs may carry all of the site where it is given."""

    def __init__(self, lab, namespace, secret, remote_ids, unique=""):
        self.namespace, self.directory = namespace, lab.directory / "peer"
        self.directory.mkdir()
        (self.directory / "strongswan.conf").write_text(STRONGSWAN_CONF.format(directory=self.directory))
        connections = "".join(CONNECTION.format(name=name, peer=PEER, remote=address, ike=IKE_PROPOSALS[0], remote_id=remote_ids[name],
                                                unique=unique, local_ts="10.2.0.0/24" if unique else local_ts) for name, (address, local_ts, _) in ENDS.items())
        (self.directory / "swanctl.conf").write_text(
            f"connections {{\n{connections}}}\nsecrets {{ ike {{ secret = \"{secret}\" }} }}\n")
        self.process = None

    def __enter__(self):
        environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        environment["STRONGSWAN_CONF"] = str(self.directory / "strongswan.conf")
        self.process = self.namespace.popen("/usr/sbin/charon-systemd", env=environment, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
        wait_for("the stock charon", lambda: self.swanctl("--stats", check=False).returncode == 0, 10)
        self.swanctl("--load-all", "--file", self.directory / "swanctl.conf")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def swanctl(self, *words, check=True):
        return run("swanctl", *words, "--uri", f"unix://{self.directory}/vici.sock", check=check)

    def initiate(self, name):
        self.swanctl("--initiate", "--child", name, "--timeout", "15", check=False)

    def log(self):
        return (self.directory / "charon.log").read_text()


@pytest.fixture
def site():
    """hq with two public addresses, and the namespace of its peer."""
    def make(local_id, initiate):
        lab = labs[0]
        lab.wan = lab.namespace("wan")
        lab.wan.forward()
        lab.hq, lab.host_hq = lab.add_gateway("hq", [Lan("ipv4", 1)])
        lab.add_public(lab.hq, "a", "wan0", lab.wan, "hq-a", "192.0.2.1/28", "192.0.2.14")
        lab.add_public(lab.hq, "b", "wan1", lab.wan, "hq-b", "198.51.100.1/28", "198.51.100.14")
        auth = pki.psk(lab.directory)
        lab.connect(lab.hq, "branch", [PEER], ["10.2.0.0/24"], auth, ("a", "b"), initiate=initiate,
                    ike={"local_id": local_id, "remote_id": "peer.example"}, esp={"proposals": ["aes256gcm16"]},
                    selectors=[{"local": "10.1.0.0/24", "remote": prefix} for _, prefix, _ in ENDS.values()])
        lab.peer = lab.namespace("peer")
        cable(lab.peer, "eth0", lab.wan, "peer")
        lab.wan.address("peer", "192.0.2.30/28")
        lab.peer.address("eth0", f"{PEER}/28")
        lab.peer.address("lo", *(f"{host}/32" for _, _, host in ENDS.values()))
        lab.peer.ip("route", "add", "default", "via", "192.0.2.30")
        lab.hq.start()
        lab.secret = Path(auth["psk_file"]).read_text()
        return lab

    labs = [Lab()]
    try:
        yield make
    finally:
        labs[0].close()


def hold(lab, name, packets):
    """At the router, until the table is deleted."""
    lab.wan.nft(f"table ip hold_{name} {{\n chain f {{\n  type filter hook forward priority 0;\n  {packets} drop\n }}\n}}\n")


def release(lab, name):
    lab.wan.run("nft", "delete", "table", "ip", f"hold_{name}")


def initiate_both_at_once(lab, peer):
    """No IKE_AUTH gets through until both were sent, so neither knows of the other's IKE SA and each has INITIAL_CONTACT. Then
    they come one after the other: of two that are taken at once, neither is there yet for the other to end."""
    for name, (address, _, _) in ENDS.items():
        hold(lab, name, f"ip daddr {address} udp dport 4500")
    threads = [threading.Thread(target=peer.initiate, args=(name,)) for name in ENDS]
    for thread in threads:
        thread.start()
    wait_for("INITIAL_CONTACT for both", lambda: peer.log().count("N(INIT_CONTACT)") == 2, 15)
    release(lab, "a")
    wait_for("the first tunnel", lambda: "prod-branch-a-1" in tunnels_up(lab.hq), 15)
    release(lab, "b")
    for thread in threads:
        thread.join()


def tunnels_up(gateway):
    return sorted(name for name, tunnel in gateway.tunnels().items() if tunnel["state"] == "up")


def test_an_identity_for_each_public_address(site):
    lab = site(PER_ADDRESS, initiate=False)
    with StockCharon(lab, lab.peer, lab.secret, PER_ADDRESS) as peer:
        initiate_both_at_once(lab, peer)
        wait_for("both tunnels", lambda: len(tunnels_up(lab.hq)) == 2, 15)
        ends = time.monotonic() + 21
        while time.monotonic() < ends:
            for _, _, host in ENDS.values():
                lab.host_hq.ping(host, 2)
            assert tunnels_up(lab.hq) == ["prod-branch-a-1", "prod-branch-b-1"]
        tunnels = lab.hq.tunnels()
        for tunnel in tunnels.values():
            assert tunnel["since_s"] >= 20, "a tunnel was replaced"
            assert tunnel["in_packets"] >= 20 and tunnel["out_packets"] >= 20
        assert len(lab.hq.show("sas")) == 4


def test_a_peer_that_replaces_by_identity_keeps_an_identity_for_each_public_address(site):
    lab = site(PER_ADDRESS, initiate=True)
    with StockCharon(lab, lab.peer, lab.secret, PER_ADDRESS, "unique = replace") as peer:
        lab.hq.wait_for_tunnels(2)
        time.sleep(4)
        assert tunnels_up(lab.hq) == ["prod-branch-a-1", "prod-branch-b-1"]
        assert DUPLICATE not in peer.log()


def test_a_peer_that_replaces_by_identity_ends_a_tunnel_of_the_same_one(site):
    lab = site("hq.example", initiate=True)
    hold(lab, "b", f"ip saddr {ENDS['b'][0]}")
    with StockCharon(lab, lab.peer, lab.secret, {"a": "hq.example", "b": "hq.example"}, "unique = replace") as peer:
        # One after the other: of two that come at once, the peer sees neither in the other's way.
        wait_for("the first tunnel", lambda: tunnels_up(lab.hq) == ["prod-branch-a-1"], 40)
        release(lab, "b")
        wait_for("the peer to replace a tunnel", lambda: DUPLICATE in peer.log(), 40)
        wait_for("hq to lose it", lambda: len(tunnels_up(lab.hq)) < 2, 10)


def test_with_one_identity_initial_contact_ends_a_tunnel_where_it_is_obeyed(site):
    """hq's connections as any other charon would have them: what the first test would see without `unique = never`."""
    lab = site("hq.example", initiate=False)
    wait_for("sallyportd's own connections", lambda: lab.hq.swanctl("--list-conns").stdout.count("prod-branch-b-1.2") == 1, 10)
    for name, (address, _, _) in ENDS.items():
        tunnel = f"prod-branch-{name}-1"
        children = {f"{tunnel}.{number}": {"esp_proposals": ["aes256gcm16"], "local_ts": ["10.1.0.0/24"], "remote_ts": [prefix]}
                    for number, (_, prefix, _) in enumerate(ENDS.values(), 1)}
        load_connection(lab.hq.run_dir / "vici.sock", tunnel, {
            "version": "2", "local_addrs": [address], "remote_addrs": [PEER], "proposals": IKE_PROPOSALS,
            "local": {"auth": "psk", "id": "hq.example"}, "remote": {"auth": "psk", "id": "peer.example"}, "children": children})
    with StockCharon(lab, lab.peer, lab.secret, {"a": "hq.example", "b": "hq.example"}) as peer:
        initiate_both_at_once(lab, peer)
        wait_for("one tunnel alone", lambda: len(tunnels_up(lab.hq)) == 1 and len(lab.hq.show("sas")) == 2, 15)
        time.sleep(3)
        assert len(tunnels_up(lab.hq)) == 1
