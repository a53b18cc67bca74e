# SPDX-License-Identifier: BSD-3-Clause
"""Rekeys under traffic lose, reorder and drop nothing."""

import time

import pytest

from kit.capture import ESP, Capture
from kit.lab import SiteToSite
from kit.traffic import Traffic

pytestmark = pytest.mark.timed

REKEYS = 50
TUNNEL = {"hq": "prod-branch-a-1", "branch": "prod-hq-a-1"}


def replay_drops(lab):
    return sum(gateway.drops().get("replay", 0) for gateway in (lab.hq, lab.branch))


@pytest.fixture(scope="module", params=["esp", "esp in udp"])
def lab(request):
    """ESP in UDP stays in one receive queue over a rekey. Plain ESP doesn't: the cables hash the SPI, so that the first packets of
    a new SA come by another queue than the last ones of the old SA."""
    lab = SiteToSite(esp={"encap": "force" if "udp" in request.param else "auto"})
    try:
        yield lab.up()
    finally:
        lab.close()


@pytest.mark.parametrize("side", ["hq", "branch"])
def test_fifty_rekeys_under_traffic(lab, side):
    gateway = getattr(lab, side)
    for _ in range(2):  # a run in which a cable of the lab dropped is void, and may be repeated once
        replayed = replay_drops(lab)
        with Capture(lab.wan, "hq-a", lab.directory / f"rekey-{side}.pcap", "not arp") as capture:
            with Traffic(lab.host_hq, lab.host_branch) as traffic:
                for _ in range(REKEYS):
                    gateway.rekey(TUNNEL[side])
                time.sleep(6)  # the last replaced SA is deleted 5 s after its rekey
        if not traffic.cable_drops():
            break
    assert traffic.cable_drops() == {}
    spis = {(frame.source, frame.esp[:4]) for frame in capture.frames() if frame.kind == ESP}
    for source in ("192.0.2.1", "192.0.2.17"):
        assert len([1 for sender, _ in spis if sender == source]) >= REKEYS + 1
    assert (traffic.lost(), traffic.reordered(), traffic.duplicates()) == (0, 0, 0), traffic.summary()
    assert replay_drops(lab) == replayed
    assert len(lab.hq.show("sas")) == len(lab.branch.show("sas")) == 2
