# SPDX-License-Identifier: BSD-3-Clause
"""Two tunnels from two public addresses live side by side; dead peers are found, and found again when they return."""

import time

import pytest

from kit.addresses import OUTSIDE
from kit.capture import ESP, IKE, Capture
from kit.echo import exchange
from kit.failover import Failover, twice_if_void, wait_for_carriers
from kit.shell import wait_for

A, B = ("a", "a"), ("b", "a")


@pytest.mark.parametrize("first, second", [("ipv4", "ipv4"), ("ipv6", "ipv6"), ("ipv4", "ipv6")])
def test_two_tunnels_from_two_public_addresses(new_lab, first, second):
    lab = new_lab(public_addresses=("a", "b"), outside=first, outside_b=second)
    own = [OUTSIDE[first]["hq-a"][0].split("/")[0], OUTSIDE[second]["hq-b"][0].split("/")[0]]
    with Capture(lab.wan, "hq-a", lab.directory / "a.pcap") as a, Capture(lab.wan, "hq-b", lab.directory / "b.pcap") as b:
        lab.start()
        lab.hq.wait_for_tunnels(2)
        lab.branch.wait_for_tunnels(2)
        assert sorted(tunnel["local"] for tunnel in lab.hq.tunnels().values()) == sorted(own)
        since = {name: tunnel["since_s"] for name, tunnel in lab.hq.tunnels().items()}
        seconds = 20 if (first, second) == ("ipv4", "ipv4") else 8
        for _ in range(seconds):  # long enough for DPD on both, and for one to have killed the other
            time.sleep(1)
            lab.host_hq.ping(lab.host_branch.address, 1)
        for gateway in (lab.hq, lab.branch):
            assert [tunnel["state"] for tunnel in gateway.tunnels().values()] == ["up", "up"]
            assert len(gateway.show("sas")) == 4
        assert all(tunnel["since_s"] >= since[name] + seconds - 5 for name, tunnel in lab.hq.tunnels().items()), "a tunnel was replaced"
    for capture, here, other in ((a, *own), (b, *own[::-1])):
        frames = capture.frames()
        assert any(frame.kind == IKE and frame.source == here for frame in frames)
        assert not [frame for frame in frames if other in (frame.source, frame.destination)]
    used = [any(frame.kind == ESP for frame in capture.frames()) for capture in (a, b)]
    assert any(used)
    # The other one carries packets too, once the first has lost its wire.
    broken, left = ("hq-a", "hq-b") if used[0] else ("hq-b", "hq-a")
    with Capture(lab.wan, left, lab.directory / "left.pcap") as capture:
        lab.wan.ip("link", "set", broken, "down")
        wait_for("the other tunnel to carry packets", lambda: lab.host_hq.ping(lab.host_branch.address, 1, check=False).returncode == 0
                 and lab.host_branch.ping(lab.host_hq.address, 1, check=False).returncode == 0, 40)
        assert exchange(lab.host_hq, lab.host_branch, [(lab.host_hq.address, lab.host_branch.address)], (1, 500, 1300)) == [[]]
    assert [frame for frame in capture.frames() if frame.kind == ESP and frame.source == own[left == "hq-b"]]


def test_dead_peer_detection(new_lab):
    lab = new_lab().up()
    time.sleep(3)
    with Capture(lab.wan, "hq-a", lab.directory / "idle.pcap") as capture:
        time.sleep(9)
    idle = [frame for frame in capture.frames() if frame.kind == IKE and frame.source == "192.0.2.1"]
    assert 3 <= len(idle) <= 12, f"{len(idle)} IKE packets of an idle tunnel in 9 s with a delay of 2 s"
    lab.hq.wait_for_tunnels()

    lab.wan.ip("link", "set", "branch", "down")
    wait_for("hq to find its peer dead", lambda: lab.hq.tunnels()["prod-branch-a-1"]["state"] != "up", 35)
    assert lab.hq.tunnels()["prod-branch-a-1"]["reason"]
    lab.wan.ip("link", "set", "branch", "up")
    lab.hq.wait_for_tunnels(timeout_s=40)
    lab.branch.wait_for_tunnels(timeout_s=40)
    lab.host_hq.ping(lab.host_branch.address, 3)


def test_a_silent_path_without_probes(new_two_wans):
    lab = new_two_wans().up()
    case = twice_if_void(lambda: Failover(lab, [A], 12, lambda _: wait_for_carriers(lab, A, B), slow_pps=1, fast=8, fast_pps=40))
    case.assert_only_the_silent_tunnels_flows_paused(10.0)
    case.assert_all_moved_away(10.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()
    assert any("does not answer" in text for text in lab.hq.event_texts(0, lab.tunnel("hq", A)))
