# SPDX-License-Identifier: BSD-3-Clause
"""ESP in UDP: forced, and through a NAT whose mapping changes."""

import time

from kit.capture import ARP, ESP, ICMP, IKE, NATT_KEEPALIVE, Capture, read_packets
from kit.shell import wait_for
from kit.traffic import Traffic


def protocols(path):
    """IP protocols of the IPv4 frames in a capture, with the UDP ports."""
    found = set()
    for _, frame in read_packets(path):
        if frame[12:14] == b"\x08\x00":
            found.add((frame[23], int.from_bytes(frame[34:36], "big"), int.from_bytes(frame[36:38], "big"))
                      if frame[23] == 17 else frame[23])
    return found


def test_encapsulation_forced(new_lab):
    lab = new_lab(esp={"encap": "force"}).up()
    path = lab.directory / "forced.pcap"
    with Capture(lab.wan, "hq-a", path):
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            time.sleep(3)
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.reordered()) == (0, 0), traffic.summary()
    assert protocols(path) <= {(17, 4500, 4500)}


def test_through_a_nat_whose_port_changes(new_lab):
    lab = new_lab(behind_nat=True).up()
    assert lab.hq.tunnels()["prod-branch-a-1"]["nat"]
    first = lab.hq.show("sas")[0]["remote"]
    with Capture(lab.wan, "nat", lab.directory / "nat.pcap") as capture:
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            time.sleep(3)
            lab.map_nat(20500)
            time.sleep(6)
    # ICMP: the NAT refuses what still comes to the port that it has forgotten.
    assert {frame.kind for frame in capture.frames()} <= {ESP, IKE, NATT_KEEPALIVE, ARP, ICMP}
    assert all(frame.source == "192.0.2.17" for frame in capture.frames() if frame.kind == ICMP)
    # The branch's packets are never lost; the hq's only until the branch's next one has shown the new port.
    streams = traffic.summary()
    assert streams["branch->hq"]["lost"] <= 20, streams  # what was under way while the rules were replaced
    assert streams["hq->branch"]["longest_silence_ms"] < 1000, streams
    wait_for("the SA's new remote port", lambda: all(sa["remote"] != first for sa in lab.hq.show("sas")), 10)
    # charon follows too: both sides still exchange IKE messages over the new mapping.
    lab.branch.swanctl("--rekey", "--child", "prod-hq-a-1")
    lab.host_hq.ping(lab.host_branch.address, 5)
