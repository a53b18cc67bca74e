# SPDX-License-Identifier: BSD-3-Clause
"""Policy-based peers: three exact pairs of selectors, of which each has its CHILD_SA, and nothing else passes."""

import subprocess
import time

import pytest

from kit.addresses import Lan
from kit.lab import SiteToSite

TUNNEL = "prod-branch-a-1"
TCP = 6
OPEN_PORT = 7400

# The third pair is for one TCP port of the branch.
CASES = {
    "ikev2": {"inside": ["ipv4"], "ike": {"version": 2}},
    "ikev1": {"inside": ["ipv4"], "ike": {"version": 1, "proposals": ["aes256-sha384-ecp384"]}},
    "ikev2 of ipv6": {"inside": ["ipv6"], "ike": {"version": 2}},
    "ikev2 of ipv6 over ipv6": {"inside": ["ipv6"], "ike": {"version": 2}, "outside": "ipv6"},
}


def lan(lab, site, number):
    return lab.lans[site][number]


@pytest.fixture(scope="module", params=CASES)
def lab(request):
    options = CASES[request.param]
    hq, branch = ([Lan(options["inside"][0], site, number).prefix for number in range(3)] for site in (1, 2))
    pairs = [{"local": hq[0], "remote": branch[0]}, {"local": hq[1], "remote": branch[1]},
             {"local": hq[0], "remote": branch[2], "protocol": TCP, "port": OPEN_PORT}]
    lab = SiteToSite(lans=3, selectors=pairs, esp={"proposals": ["aes256gcm16-ecp384"]}, **options)
    lab.pairs = pairs
    try:
        yield lab.up()
    finally:
        lab.close()


def ping(lab, source_lan, destination_lan):
    return lab.host_hq.ping(lan(lab, "branch", destination_lan).host, 3, 56, "-I", lan(lab, "hq", source_lan).host,
                            check=False).returncode == 0


def connects(lab, port):
    """Whether TCP reaches that port of the branch's third LAN from hq's first."""
    family = "socket.AF_INET6" if lan(lab, "hq", 0).family == "ipv6" else "socket.AF_INET"
    there = lan(lab, "branch", 2).host
    server = lab.host_branch.namespace.popen("/usr/bin/python3", "-c", f"""
import socket
bound = socket.socket({family}, socket.SOCK_STREAM)
bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
bound.bind(("{there}", {port}))
bound.listen()
print("ready", flush=True)
while True:
    bound.accept()[0].sendall(b"hello")
""", stdout=subprocess.PIPE)
    assert server.stdout.readline() == "ready\n"
    try:
        return lab.host_hq.namespace.run("/usr/bin/python3", "-c", f"""
import socket
made = socket.socket({family}, socket.SOCK_STREAM)
made.settimeout(3)
made.bind(("{lan(lab, 'hq', 0).host}", 0))
made.connect(("{there}", {port}))
assert made.recv(5) == b"hello"
""", check=False).returncode == 0
    finally:
        server.kill()
        server.communicate()


def test_each_pair_has_its_child_sa(lab):
    lab.hq.wait_for_tunnels()
    children = lab.hq.tunnels()[TUNNEL]["children"]
    assert [child["name"] for child in children] == [f"{TUNNEL}.{number}" for number in (1, 2, 3)]
    assert all(child["up"] for child in children), children
    assert [child["remote"] for child in children] == [
        [lab.pairs[0]["remote"]], [lab.pairs[1]["remote"]], [f"{lab.pairs[2]['remote']}[{TCP}/{OPEN_PORT}]"]]
    assert len({sa["tunnel"] for sa in lab.branch.show("sas")}) == 3


def test_the_pairs_pass(lab):
    assert ping(lab, 0, 0) and ping(lab, 1, 1)
    assert connects(lab, OPEN_PORT)


def test_nothing_else_passes(lab):
    before = lab.hq.drops().get("policy_outbound", 0)
    assert not ping(lab, 0, 1) and not ping(lab, 1, 0)
    assert not ping(lab, 0, 2), "the third pair is for TCP"
    assert not connects(lab, OPEN_PORT + 1)
    assert lab.hq.drops()["policy_outbound"] >= before + 9


def test_a_rekey_of_one_leaves_the_others_alone(lab):
    def spis():
        return {sa["tunnel"]: sa["spi"] for sa in lab.hq.show("sas") if sa["direction"] == "out" and sa["active"]}
    before = spis()
    lab.hq.rekey(f"{TUNNEL}.2")
    time.sleep(2)
    after = spis()
    assert {name for name in before if before[name] != after[name]} == {f"{TUNNEL}.2"}
    assert ping(lab, 0, 0) and ping(lab, 1, 1)
