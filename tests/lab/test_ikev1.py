# SPDX-License-Identifier: BSD-3-Clause
"""IKEv1 in main mode between two gateways: it connects, rekeys without loss, and gets rid of what a rekey replaced."""

import time

import pytest

from kit.lab import SiteToSite
from kit.shell import wait_for
from kit.traffic import Traffic

TUNNEL = "prod-branch-a-1"
IKE = {"version": 1, "proposals": ["aes256-sha384-ecp384"]}


@pytest.fixture(scope="module", params=["psk", "x509"])
def lab(request):
    lab = SiteToSite(psk=request.param == "psk", ike=IKE, esp={"proposals": ["aes256gcm16-ecp384"]})
    try:
        yield lab.up()
    finally:
        lab.close()


def spis(gateway, directions=("out",)):
    return {sa["spi"] for sa in gateway.show("sas") if sa["direction"] in directions and not sa["orphan"]}


def test_it_is_ikev1(lab):
    assert lab.hq.tunnels()[TUNNEL]["ike_version"] == 1
    assert "IKEv1" in lab.hq.swanctl("--list-sas").stdout


def test_rekeys_under_traffic_lose_nothing(lab):
    for _ in range(2):  # a run in which a cable of the lab dropped is void, and may be repeated once
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            seen = spis(lab.hq)
            for gateway, child in ((lab.hq, TUNNEL), (lab.branch, "prod-hq-a-1")) * 4:
                gateway.rekey(child)
                time.sleep(1.5)  # each end waits up to a second for the other
                seen |= spis(lab.hq)
        if not traffic.cable_drops():
            break
    assert len(seen) >= 9
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.reordered(), traffic.duplicates()) == (0, 0, 0), traffic.summary()


def settled_spis(gateway):
    """Once no rekey asked for before is under way any more."""
    def unchanged():
        seen = spis(gateway)
        time.sleep(2.5)
        return seen if spis(gateway) == seen else None
    return wait_for("the last rekey to be over", unchanged, 20)


def test_a_reauthenticated_ike_sa_keeps_its_children(lab):
    before = settled_spis(lab.hq)
    with Traffic(lab.host_hq, lab.host_branch, rate_pps=500) as traffic:
        lab.hq.swanctl("--rekey", "--ike", TUNNEL)
        time.sleep(13)  # charon ends the old one 10 s after the new one took its children
    assert spis(lab.hq) & before
    assert lab.hq.tunnels()[TUNNEL]["state"] == "up"
    assert traffic.lost() == 0, traffic.summary()


@pytest.fixture
def short_lived(new_lab):
    """hq alone rekeys: where both do, the later one's rekey finds the SA replaced and deletes it before its hard lifetime."""
    lab = new_lab(psk=True, ike=IKE, esp={"proposals": ["aes256gcm16-ecp384"], "rekey": "10s", "life": "15s"})
    lab.branch.config["connections"]["prod-hq"]["esp"].update(rekey="1h", life="2h")
    return lab.up()


def test_what_a_rekey_replaced_leaves_at_its_hard_lifetime(short_lived):
    lab = short_lived
    with Traffic(lab.host_hq, lab.host_branch, rate_pps=500) as traffic:
        first = spis(lab.hq, ("in", "out"))
        wait_for("the first rekey", lambda: spis(lab.hq) - first, 15)
        for gateway in (lab.hq, lab.branch):
            wait_for("the end of the first SAs", lambda: not spis(gateway, ("in", "out")) & first, 15)
        time.sleep(12)
    assert traffic.lost() == 0, traffic.summary()
    for gateway in (lab.hq, lab.branch):
        assert len(gateway.show("sas")) <= 6, "of the newest and of those that its rekeys just replaced"
