# SPDX-License-Identifier: BSD-3-Clause
"""Each part of a gateway is killed or stopped under traffic; what must hold then."""

import os
import signal
import time

import pytest

from kit.capture import ARP, ESP, IKE, Capture, count_kinds, repeated_ivs
from kit.shell import wait_for
from kit.traffic import Traffic

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def lab(up_lab):
    return up_lab


@pytest.fixture(autouse=True)
def settled(lab):
    """Every case begins and ends with one tunnel of two SAs on both sides, and with one API that answers."""
    def is_settled():
        return all(len(gateway.show("sas")) == 2 for gateway in (lab.hq, lab.branch))
    wait_for("one pair of SAs on each side", is_settled, 40)
    yield


def assert_nothing_lost(traffic):
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.reordered(), traffic.duplicates()) == (0, 0, 0), traffic.summary()


def seconds_until_shown(gateway, died_at):
    """From the death of sallyportd until `show` is complete again."""
    def complete():
        done = gateway.cli("show", "tunnels", "--json", check=False)
        return (done.returncode == 0 and gateway.tunnels() and all(t["state"] == "up" for t in gateway.tunnels().values())
                and len(gateway.show("sas")) == 2 and gateway.show("gateway")["charon"]["connected"])
    wait_for("a complete show", complete, 20, 0.05)
    return time.monotonic() - died_at


def test_sallyportd_killed(lab):
    with Traffic(lab.host_hq, lab.host_branch) as traffic:
        time.sleep(2)
        old = lab.hq.kill("sallyportd")
        took_s = seconds_until_shown(lab.hq, time.monotonic())
        time.sleep(5)
    assert lab.hq.pid("sallyportd") != old
    assert_nothing_lost(traffic)
    assert took_s < 2


def test_sallyportd_stopped_while_the_peer_rekeys(lab):
    with Traffic(lab.host_hq, lab.host_branch) as traffic:
        time.sleep(1)
        lab.hq.kill("sallyportd", signal.SIGSTOP)
        try:
            for _ in range(6):
                lab.branch.swanctl("--rekey", "--child", "prod-hq-a-1", check=False)
                time.sleep(5)
        finally:
            lab.hq.kill("sallyportd", signal.SIGCONT)
        time.sleep(3)
        lab.branch.rekey("prod-hq-a-1")
        time.sleep(6)
    assert_nothing_lost(traffic)


def test_charon_killed(lab):
    before = {sa["spi"] for sa in lab.hq.show("sas")}
    with Traffic(lab.host_hq, lab.host_branch) as traffic:
        time.sleep(2)
        old = lab.hq.kill("charon")
        wait_for("charon's next life", lambda: lab.hq.pid("charon") != old and lab.hq.swanctl("--stats", check=False).returncode == 0, 15)
        wait_for("the tunnel's new SAs", lambda: {sa["spi"] for sa in lab.hq.show("sas")} - before, 40)
        wait_for("the orphans' end", lambda: not {sa["spi"] for sa in lab.hq.show("sas")} & before, 40)
        time.sleep(2)
    assert_nothing_lost(traffic)
    lab.hq.wait_for_tunnels()
    wait_for("the peer's old SAs to go", lambda: len(lab.branch.show("sas")) == 2, 60)


def test_down_ends_the_sas_of_a_charon_that_died(lab):
    """The peer can't make new ones meanwhile; the old ones go on until the operator says otherwise."""
    lab.branch.kill("charon", signal.SIGSTOP)
    try:
        old = lab.hq.kill("charon")
        wait_for("orphans", lambda: [sa["orphan"] for sa in lab.hq.show("sas")] == [True, True], 30)
        lab.host_hq.ping(lab.host_branch.address, 2)
        lab.hq.cli("down", "prod-branch")
        wait_for("their end", lambda: lab.hq.show("sas") == [], 5)
        assert lab.hq.pid("charon") != old and lab.hq.tunnels()["prod-branch-a-1"]["state"] == "down"
        lab.hq.cli("up", "prod-branch")
    finally:
        lab.branch.kill("charon", signal.SIGCONT)
    lab.hq.wait_for_tunnels()
    wait_for("the peer's old SAs to go", lambda: len(lab.branch.show("sas")) == 2, 60)


@pytest.mark.parametrize("side", ["hq", "branch"])
def test_dataplane_killed(lab, side):
    gateway = getattr(lab, side)
    with Capture(lab.wan, "hq-a", lab.directory / f"lives-{side}.pcap") as capture:
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            time.sleep(3)
            old = gateway.kill("dataplane")
            time.sleep(10)
    assert gateway.pid("dataplane") != old
    frames = capture.frames()
    assert capture.dropped == 0
    assert repeated_ivs(frames) == []
    assert set(count_kinds(frames)) <= {ESP, IKE, ARP}
    for name, stream in traffic.summary().items():
        assert stream["longest_silence_ms"] < 3000, (name, stream)
        assert stream["duplicates"] == 0
        assert 0 < stream["lost"] < 2000 * 3, (name, stream)
    assert os.path.exists(gateway.run_dir / "dataplane.sock")
