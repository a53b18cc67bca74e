# SPDX-License-Identifier: BSD-3-Clause
"""IPv4 and IPv6, outside and inside, in every combination."""

import ipaddress
import re
import time

import pytest

from kit.capture import ARP, ESP, IKE, ND, Capture, count_kinds
from kit.lab import SiteToSite
from kit.shell import run
from kit.traffic import Traffic

TUNNEL = "prod-branch-a-1"


@pytest.fixture(scope="module", params=[("ipv4", ["ipv4"]), ("ipv4", ["ipv6"]), ("ipv6", ["ipv4"]), ("ipv6", ["ipv6"]),
                                        ("ipv4", ["ipv4", "ipv6"]), ("ipv6", ["ipv6", "ipv4"])],
                ids=lambda param: f"{' and '.join(param[1])} over {param[0]}")
def lab(request):
    outside, inside = request.param
    lab = SiteToSite(outside=outside, inside=inside)
    try:
        yield lab.up()
    finally:
        lab.close()


def test_ping_and_tcp_are_carried_in_esp_alone(lab):
    with Capture(lab.wan, "hq-a", lab.directory / "wan.pcap") as capture:
        for here, there in zip(lab.lans["hq"], lab.lans["branch"]):
            lab.host_hq.ping(there.host, 3)
            lab.host_branch.ping(here.host, 3)
            lab.host_hq.ping(there.host, 2, 1300)
        tcp = lab.host_hq.iperf(lab.host_branch.address, seconds=2)
    assert tcp["end"]["sum_received"]["bytes"] > 1_000_000
    frames = capture.frames()
    assert set(count_kinds(frames)) <= {ESP, IKE, ARP, ND}, count_kinds(frames)
    assert {ipaddress.ip_address(frame.source).version for frame in frames if frame.kind == ESP} == {
        4 if lab.outside == "ipv4" else 6}


def test_every_family_is_in_one_child_sa(lab):
    families = [lan.family for lan in lab.lans["hq"]]
    everything = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
    child, = lab.hq.tunnels()[TUNNEL]["children"]
    assert child["name"] == TUNNEL and child["up"]
    assert sorted(child["local"]) == sorted(child["remote"]) == sorted(everything[family] for family in families)
    text = lab.hq.swanctl("--list-sas").stdout
    for side in ("local", "remote"):
        found = re.findall(rf"^    {side}\s+(\S.*)$", text, re.M)
        assert len(found) == 1 and sorted(found[0].split()) == sorted(everything[family] for family in families), text


def test_a_rekey_loses_nothing(lab):
    for _ in range(2):  # a run in which a cable of the lab dropped is void, and may be repeated once
        with Traffic(lab.host_hq, lab.host_branch, rate_pps=1000) as traffic:
            for _ in range(3):
                lab.hq.swanctl("--rekey", "--child", TUNNEL)
                time.sleep(1)
        if not traffic.cable_drops():
            break
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.duplicates()) == (0, 0), traffic.summary()


def test_what_an_operator_is_shown(lab):
    for there in lab.lans["branch"]:
        lab.host_hq.ping(there.host, 1)  # so that hq knows its host by each family
    routes = {route["prefix"]: route for route in lab.hq.show("routes")}
    for here, there in zip(lab.lans["hq"], lab.lans["branch"]):
        assert routes[there.prefix]["kind"] == "tunnel"
        length = here.network.max_prefixlen
        assert routes[f"{here.gateway}/{length}"]["kind"] == "local"
        assert routes[f"{here.host}/{length}"]["kind"] == "neighbour"
    public = lab.hq.config["public_addresses"]["a"]["address"]
    assert lab.hq.tunnels()[TUNNEL]["local"] == public.split("/")[0]
    wan = next(port for port in lab.hq.show("ports") if port["name"] == "wan0")
    assert public in wan["addresses"]
    for noun in ("tunnels", "sas", "routes", "neighbours"):
        assert lab.hq.cli("show", noun).stdout.strip()


def test_the_gateways_own_lan_address_is_reached_and_reaches(lab):
    inside = f"{lab.hq.namespace.name}-sp-prod"
    for here, there in zip(lab.lans["hq"], lab.lans["branch"]):
        lab.host_branch.ping(here.gateway, 2)
        run("ip", "netns", "exec", inside, "ping", "-n", "-c", "2", "-i", "0.2", "-I", here.gateway, there.host)
