# SPDX-License-Identifier: BSD-3-Clause
"""Active-standby from one public address to two peer addresses: one tunnel carries, the other takes over by itself."""

import copy
import time

import pytest

from conftest import LOGS
from kit.failover import PROBE, Failover, twice_if_void, wait_for_carriers
from kit.flows import Flows
from kit.paths import Sight, TwoWans
from kit.shell import wait_for

pytestmark = pytest.mark.timed

FIRST, SECOND = ("a", "a"), ("a", "b")
CYCLES = 10


@pytest.fixture(scope="module")
def lab():
    lab = TwoWans(logs=LOGS / "test_active_standby", hq=("a",), branch=("a", "b"), mode="active-standby", probe=PROBE)
    try:
        yield lab.up()
    finally:
        lab.close()


def configure(lab, **changes):
    """On both gateways; None removes a key."""
    for gateway in (lab.hq, lab.branch):
        config = copy.deepcopy(gateway.config)
        connection = next(iter(config["connections"].values()))
        connection.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del connection[key]
        gateway.apply(config)


def is_healthy(lab, tunnel):
    return all(getattr(lab, site).tunnels()[lab.tunnel(site, tunnel)]["health"] == "healthy" for site in ("hq", "branch"))


def test_a_flapping_path_does_not_flap_the_connection(lab):
    wait_for_carriers(lab, FIRST)
    heard = lab.hq.last_event()
    sight = Sight(lab)
    with sight, Flows(lab.host_hq, lab.host_branch, flows=200, slow_pps=5, fast=8) as flows:
        time.sleep(1)
        for _ in range(CYCLES):
            lab.silence(FIRST)
            time.sleep(1)
            lab.silence()
            time.sleep(1)
        assert len(lab.hq.event_texts(heard, "prod-branch")) == 1
        wait_for_carriers(lab, FIRST)
        time.sleep(1)
    assert flows.outage_s() < 1 and flows.duplicates() == 0, flows.summary()
    order = [tunnel for _, tunnel, flow, is_question in sight.packets() if flow == 0 and is_question]
    changes = [(one, other) for one, other in zip(order, order[1:]) if one != other]
    assert changes == [(FIRST, SECOND), (SECOND, FIRST)]
    moves = lab.hq.event_texts(heard, "prod-branch")
    assert len(moves) == 2 and lab.tunnel("hq", SECOND) in moves[0] and lab.tunnel("hq", FIRST) in moves[1], moves
    tunnel = lab.hq.event_texts(heard, lab.tunnel("hq", FIRST))
    assert sum("unhealthy" in text for text in tunnel) == CYCLES and sum("healthy again" in text for text in tunnel) == 1, tunnel


def test_take_over_and_give_back(lab):
    wait_for_carriers(lab, FIRST)
    case = twice_if_void(lambda: Failover(lab, [FIRST], 2.5, lambda _: wait_for_carriers(lab, FIRST), flows=200, slow_pps=5))
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()


def test_the_standby_may_die_unnoticed(lab):
    wait_for_carriers(lab, FIRST)
    with Flows(lab.host_hq, lab.host_branch) as flows:
        lab.silence(SECOND)
        wait_for("both to find the standby dead", lambda: all(
            getattr(lab, site).tunnels()[lab.tunnel(site, SECOND)]["traffic"] == "out" for site in ("hq", "branch")), 5)
        time.sleep(0.5)
        lab.silence()
    assert flows.lost() == {}, flows.summary()


def test_without_preempt_the_second_keeps_the_traffic(lab):
    wait_for("the standby to be healthy", lambda: is_healthy(lab, SECOND), 40)
    wait_for_carriers(lab, FIRST)
    configure(lab, preempt=False)
    lab.silence(FIRST)
    wait_for_carriers(lab, SECOND)
    lab.silence()
    wait_for("the first to be healthy", lambda: is_healthy(lab, FIRST), 60)
    with Flows(lab.host_hq, lab.host_branch) as flows:
        time.sleep(1)
        wait_for_carriers(lab, SECOND, timeout_s=1)
        configure(lab, preempt=True)
        wait_for_carriers(lab, FIRST)
        time.sleep(1)
    assert flows.lost() == {}, flows.summary()


def test_take_over_without_probes(lab):
    configure(lab, probe=None)
    wait_for_carriers(lab, FIRST)
    time.sleep(1)
    with Flows(lab.host_hq, lab.host_branch, slow_pps=1) as flows:
        time.sleep(1)
        lab.silence(FIRST)
        wait_for_carriers(lab, SECOND, timeout_s=15)
        time.sleep(1)
    lab.silence()
    assert 0 < flows.outage_s() < 10, flows.summary()
