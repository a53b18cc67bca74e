# SPDX-License-Identifier: BSD-3-Clause
"""Two tunnels from two public addresses live side by side; dead peers are found, and found again when they return."""

import time

from kit.capture import ESP, IKE, Capture
from kit.shell import wait_for


def test_two_tunnels_from_two_public_addresses(new_lab):
    lab = new_lab(public_addresses=("a", "b"))
    with Capture(lab.wan, "hq-a", lab.directory / "a.pcap") as first, Capture(lab.wan, "hq-b", lab.directory / "b.pcap") as second:
        lab.start()
        lab.hq.wait_for_tunnels(2)
        lab.branch.wait_for_tunnels(2)
        since = {name: tunnel["since_s"] for name, tunnel in lab.hq.tunnels().items()}
        for _ in range(20):  # long enough for DPD on both, and for one to have killed the other
            time.sleep(1)
            lab.host_hq.ping(lab.host_branch.address, 1)
        for gateway in (lab.hq, lab.branch):
            assert [tunnel["state"] for tunnel in gateway.tunnels().values()] == ["up", "up"]
            assert len(gateway.show("sas")) == 4
        assert all(tunnel["since_s"] >= since[name] + 15 for name, tunnel in lab.hq.tunnels().items()), "a tunnel was replaced"
    for capture, own, others in ((first, "192.0.2.1", "198.51.100.1"), (second, "198.51.100.1", "192.0.2.1")):
        frames = capture.frames()
        assert any(frame.kind == IKE and frame.source == own for frame in frames)
        assert not [frame for frame in frames if others in (frame.source, frame.destination)]
    assert any(frame.kind == ESP for frame in first.frames() + second.frames())


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
