# SPDX-License-Identifier: BSD-3-Clause
"""Active-active: two and four tunnels carry traffic at once, and the death of a path touches its own flows alone, and not for long."""

import contextlib
import json
import time

import pytest

from conftest import LOGS
from kit.failover import PROBE, Failover, carrying, twice_if_void, wait_for_carriers
from kit.flows import Flows
from kit.paths import Sight, TwoWans
from kit.shell import wait_for

pytestmark = pytest.mark.timed

A, B = ("a", "a"), ("b", "a")


def module_lab(name, **options):
    lab = TwoWans(logs=LOGS / name, **options)
    try:
        yield lab.up()
    finally:
        lab.close()


@pytest.fixture(scope="module")
def lab():
    """Two public addresses to one peer address."""
    yield from module_lab("test_active_active", inside=("ipv4", "ipv6"), probe=PROBE)


@pytest.fixture(scope="module")
def four():
    """Two public addresses on both sides."""
    yield from module_lab("test_active_active_four", branch=("a", "b"), probe=PROBE)


@pytest.fixture
def all_carry(lab):
    wait_for_carriers(lab, A, B, timeout_s=60)


class Spread:
    """A thousand flows of equal rates, in bursts of 4, with the packets that each tunnel counted."""

    def __init__(self, lab, family):
        before = self._sent(lab)
        self.sight = Sight(lab)
        with self.sight, Flows(lab.host_hq, lab.host_branch, fast=1000, fast_pps=2.5, family=family) as self.flows:
            time.sleep(6)
        after = wait_for("the counters", lambda: self._settled(lab))
        self.counted = {name: after[name] - before[name] for name in after}

    @staticmethod
    def _sent(lab):
        return {name: tunnel["out_packets"] for name, tunnel in lab.hq.tunnels().items()}

    def _settled(self, lab):
        first = self._sent(lab)
        time.sleep(0.2)
        return self._sent(lab) if max(self._sent(lab)[name] - first[name] for name in first) < 20 else None  # probes go on


def assert_spread(lab, family, least_percent, most_percent):
    wait_for_carriers(lab, *lab.tunnels(), timeout_s=60)
    spread = twice_if_void(lambda: Spread(lab, family))
    assert (spread.flows.lost(), spread.flows.reordered(), spread.flows.duplicates()) == ({}, 0, 0), spread.flows.summary()
    used = {}
    for _, tunnel, flow, is_question in spread.sight.packets():
        used.setdefault(flow, {True: set(), False: set()})[is_question].add(tunnel)
    assert len(used) == 1000
    for flow, directions in used.items():
        assert len(directions[True]) == 1 and directions[True] == directions[False], f"flow {flow} went by {directions}"
    shares = {lab.tunnel("hq", tunnel): sum(directions[True] == {tunnel} for directions in used.values()) / 10
              for tunnel in lab.tunnels()}
    assert all(least_percent <= share <= most_percent for share in shares.values()), shares
    for name, packets in spread.counted.items():
        percent = 100 * packets / sum(spread.counted.values())
        assert least_percent <= percent <= most_percent and abs(percent - shares[name]) < 2, (spread.counted, shares)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_flows_spread_over_two_tunnels(lab, family):
    assert_spread(lab, family, 45, 55)


def test_flows_spread_over_four_tunnels(four):
    assert_spread(four, "ipv4", 20, 30)


def test_a_silent_path(lab, all_carry):
    heard = lab.hq.last_event()
    case = twice_if_void(lambda: Failover(lab, [A], 2.5, lambda _: wait_for_carriers(lab, A, B)))
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()
    tunnel = lab.hq.event_texts(heard, lab.tunnel("hq", A))
    assert "no answer to its probes" in tunnel[0] and "healthy again" in tunnel[-1], tunnel
    connection = lab.hq.event_texts(heard, "prod-branch")
    assert connection[0] == f"its traffic goes over {lab.tunnel('hq', B)}, no longer over {lab.tunnel('hq', A)}", connection
    assert all(lab.tunnel("hq", tunnel) in connection[-1] for tunnel in (A, B)) and "no longer" not in connection[-1], connection


def test_a_silent_path_while_sallyportd_is_dead_on_both_sides(lab, all_carry):
    def run():
        wait_for_carriers(lab, A, B, timeout_s=60)
        with contextlib.ExitStack() as dead:
            for gateway in (lab.hq, lab.branch):
                dead.enter_context(gateway.without_sallyportd())
            return Failover(lab, [B], 2.5, lambda _: dead.close())
    case = twice_if_void(run)
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    wait_for_carriers(lab, A, B, timeout_s=60)


def test_two_wans_carry_twice_as_much_as_one(lab, all_carry):
    def megabits():
        end = lab.host_hq.iperf(lab.host_branch.address, "-P", 16, "-O", 1, seconds=5)["end"]
        return end["sum_received"]["bits_per_second"] / 1e6
    lab.narrow(20)
    try:
        both = megabits()
        lab.silence(B)
        wait_for_carriers(lab, A)
        one = megabits()
    finally:
        lab.silence()
        lab.widen()
    assert 15 < one <= 20 and both >= 1.9 * one, f"one carried {one:.1f} Mbit/s, both {both:.1f}"


def test_a_link_that_goes_down(four):
    wait_for_carriers(four, *four.tunnels(), timeout_s=120)
    heard = four.hq.last_event()
    with Flows(four.host_hq, four.host_branch) as flows:
        time.sleep(1)
        four.isps["b"].ip("link", "set", "hq", "down")
        time.sleep(2)
    four.isps["b"].ip("link", "set", "hq", "up")
    assert 0 < flows.outage_s() < 1, flows.summary()
    assert carrying(four) <= {("a", "a"), ("a", "b")}
    for branch in ("a", "b"):
        texts = four.hq.event_texts(heard, four.tunnel("hq", ("b", branch)))
        assert any("the link of port wan1 is down" in text for text in texts), texts


def test_the_last_of_four_tunnels_carries_everything(four):
    wait_for_carriers(four, *four.tunnels(), timeout_s=60)
    for last in four.tunnels():  # the one that was last before dies with two of those that were dead
        four.silence(*(tunnel for tunnel in four.tunnels() if tunnel != last))
        wait_for_carriers(four, last)
        with Sight(four) as sight, Flows(four.host_hq, four.host_branch, flows=200) as flows:
            time.sleep(1)
        assert flows.lost() == {}, flows.summary()
        assert {tunnel for _, tunnel, _, _ in sight.packets()} == {last}
    four.silence()


def test_why_tells_of_lost_probes(lab):
    wait_for_carriers(lab, A, B)
    lab.silence(A)
    try:
        def explanations():
            answer = json.loads(lab.hq.cli("why", "prod-branch", "--json", check=False).stdout)
            return {tunnel["tunnel"]: (tunnel["cause"], tunnel["why"]) for tunnel in answer["tunnels"]}
        wait_for("why to tell", lambda: explanations()[lab.tunnel("hq", A)][0] == "health", 5)
        assert "its probes are not answered" in explanations()[lab.tunnel("hq", A)][1]
        assert explanations()[lab.tunnel("hq", B)][0] == "none"
        assert lab.hq.cli("why", "prod-branch", check=False).returncode == 1
    finally:
        lab.silence()
    wait_for_carriers(lab, A, B)
    assert lab.hq.cli("why", "prod-branch").returncode == 0
