# SPDX-License-Identifier: BSD-3-Clause
"""A tunnel between two gateways: what flows through it, and what of that shows on the WAN."""

import time

from kit.capture import ARP, ESP, IKE, Capture, count_kinds
from kit.shell import run
from kit.traffic import Traffic


def test_the_wan_carries_only_ike_and_esp(up_lab):
    lab = up_lab
    with Capture(lab.wan, "hq-a", lab.directory / "wan.pcap") as capture:
        lab.host_hq.ping(lab.host_branch.address, 5)
        lab.host_branch.ping(lab.host_hq.address, 5)
        tcp = lab.host_hq.iperf(lab.host_branch.address)
        reverse = lab.host_hq.iperf(lab.host_branch.address, "-R")
        udp = lab.host_hq.iperf(lab.host_branch.address, "-u", "-b", "5M", "-l", "1200")  # its socket holds 150 ms of that
    assert tcp["end"]["sum_received"]["bytes"] > 1_000_000
    assert reverse["end"]["sum_received"]["bytes"] > 1_000_000
    assert udp["end"]["sum"]["lost_percent"] < 1
    kinds = count_kinds(capture.frames())
    assert set(kinds) <= {ESP, IKE, ARP}, kinds
    assert kinds[ESP] > 2000


def test_charon_shows_true_counters(up_lab):
    lab = up_lab
    counted = []
    for _ in range(2):
        time.sleep(2.5)  # counters reach charon each second
        sas = [sa for sa in lab.hq.sas() if sa[1] == "INSTALLED"]
        assert len(sas) == 1, sas
        counted.append(sas[0][2:])
        lab.host_hq.ping(lab.host_branch.address, 50, 56, "-i", "0.02")
    grown = [after - before for before, after in zip(*counted)]
    assert grown == [50 * 84, 50, 50 * 84, 50]


def test_the_gateways_own_lan_address_is_never_in_clear(up_lab):
    lab = up_lab
    inside = f"{lab.hq.namespace.name}-sp-prod"
    with Capture(lab.wan, "hq-a", lab.directory / "own.pcap") as capture:
        answered = run("ip", "netns", "exec", inside, "ping", "-n", "-c", "5", "-i", "0.2", "-I", "10.1.0.1",
                       lab.host_branch.address, check=False)
        # The public side refuses a packet that the kernel sends out of it by mistake, too.
        lab.hq.namespace.run("ip", "addr", "add", "10.1.0.77/32", "dev", "lo")
        lab.hq.namespace.run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-I", "10.1.0.77", "192.0.2.17", check=False)
        lab.hq.namespace.run("ip", "addr", "del", "10.1.0.77/32", "dev", "lo")
    assert answered.returncode == 0, answered.stdout
    frames = capture.frames()
    assert set(count_kinds(frames)) <= {ESP, IKE, ARP}
    assert count_kinds(frames)[ESP] >= 10
    assert not [frame for frame in frames if frame.source and frame.source.startswith("10.")]


def test_what_an_operator_is_shown(up_lab):
    hq = up_lab.hq
    tunnel = hq.tunnels()["prod-branch-a-1"]
    assert tunnel["state"] == "up" and tunnel["remote"].startswith("192.0.2.17")
    assert tunnel["in_packets"] > 0 and tunnel["out_packets"] > 0
    sas = hq.show("sas")
    assert sorted(sa["direction"] for sa in sas) == ["in", "out"] and all(sa["esn"] for sa in sas)
    assert any(route["prefix"] == "10.2.0.0/24" and route["kind"] == "tunnel" for route in hq.show("routes"))
    assert {port["name"] for port in hq.show("ports")} == {"wan0", "lan0"}
    assert any(neighbour["address"] == "10.1.0.2" for neighbour in hq.show("neighbours"))
    for noun in ("gateway", "ports", "connections", "tunnels", "sas", "routes", "neighbours", "drops", "events"):
        assert hq.cli("show", noun).stdout.strip(), f"show {noun} says nothing"


def test_traffic_in_order_at_2000_pps(up_lab):
    with Traffic(up_lab.host_hq, up_lab.host_branch) as traffic:
        time.sleep(10)
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.reordered(), traffic.duplicates()) == (0, 0, 0), traffic.summary()
