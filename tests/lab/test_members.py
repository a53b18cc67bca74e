# SPDX-License-Identifier: BSD-3-Clause
"""What the tunnels of one connection may have of their own: weights, exact selectors, and addresses inside that are probed."""

import contextlib
import copy
import time

from kit.failover import PROBE, Failover, twice_if_void, wait_for_carriers
from kit.flows import Flows
from kit.paths import Sight

A, B = ("a", "a"), ("b", "a")


def connection_of(gateway):
    return next(iter(gateway.config["connections"].values()))


def tunnels_of_flows(packets):
    used = {}
    for _, tunnel, flow, _ in packets:
        used.setdefault(flow, set()).add(tunnel)
    return used


def apply(lab, hq, branch):
    """Changes keys of the two gateways' connections."""
    for gateway, changes in ((lab.hq, hq), (lab.branch, branch)):
        config = copy.deepcopy(gateway.config)
        next(iter(config["connections"].values())).update(changes)
        gateway.apply(config)


def apply_weight_of_a(lab, weight):
    """The two ends say the same in their own ways: hq has two public addresses, branch has two peers."""
    apply(lab, {"weights": {"a": weight}}, {"tunnels": {"a-1": {"weight": weight}}})


class Weighing:
    """A thousand flows of equal rates, before and after public address a has its second weight."""

    def __init__(self, lab, first, second):
        apply_weight_of_a(lab, first)
        sight = Sight(lab)
        with sight, Flows(lab.host_hq, lab.host_branch) as self.flows:
            time.sleep(1.5)
            changing_s = time.time()
            apply_weight_of_a(lab, second)
            changed_s = time.time() + 0.8
            time.sleep(2.3)
        packets = sight.packets()
        self.before = tunnels_of_flows(packet for packet in packets if packet[0] < changing_s)
        self.after = tunnels_of_flows(packet for packet in packets if packet[0] > changed_s)


def test_weights_share_the_flows_and_a_changed_one_moves_little_more_than_the_difference(new_two_wans):
    lab = new_two_wans(probe=PROBE).up()
    wait_for_carriers(lab, A, B)
    case = twice_if_void(lambda: Weighing(lab, 1, 3))
    assert (case.flows.lost(), case.flows.duplicates()) == ({}, 0), case.flows.summary()
    for used, least, most in ((case.before, 450, 550), (case.after, 700, 800)):
        assert len(used) == 1000 and all(len(tunnels) == 1 for tunnels in used.values())
        assert least <= sum(tunnels == {A} for tunnels in used.values()) <= most
    left = [flow for flow in case.before if case.before[flow] == {A} and case.after[flow] != {A}]
    assert len(left) <= 50, f"{len(left)} flows left the tunnel whose weight grew"  # some do: the shares are exact


def test_exact_selectors_spread_and_fail_over_as_well(new_two_wans):
    """Their probes ask an address behind the peer, the same one by both tunnels, as Sallyport's own are not selected."""
    lab = new_two_wans(probe=PROBE)
    pairs = [("10.1.0.0/25", "10.2.0.0/25"), ("10.1.0.128/25", "10.2.0.128/25")]
    connection_of(lab.hq)["selectors"] = [{"local": hq, "remote": branch} for hq, branch in pairs]
    connection_of(lab.branch)["selectors"] = [{"local": branch, "remote": hq} for hq, branch in pairs]
    connection_of(lab.hq)["probe"] = PROBE | {"a": lab.lans["branch"][0].gateway, "b": lab.lans["branch"][0].gateway}
    connection_of(lab.branch)["probe"] = PROBE | {"a": lab.lans["hq"][0].gateway}
    lab.up()
    wait_for_carriers(lab, A, B)
    heard = lab.hq.last_event()
    case = twice_if_void(lambda: Failover(lab, [A], 2, lambda _: wait_for_carriers(lab, A, B)))
    assert lab.hq.event_texts(heard, "prod-branch")[-2:] == [
        "its traffic goes over prod-branch-b-1, no longer over prod-branch-a-1",
        "its traffic goes over prod-branch-a-1, prod-branch-b-1"]
    before = case.tunnels_of_flows(before_s=case.silent_at)
    assert 450 <= sum(used == {A} for used in before.values()) <= 550
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()


def test_probes_of_addresses_inside_the_tunnels(new_two_wans):
    """As with a peer of another make, which answers no probe but a ping. The addresses of the two tunnels are links of their own."""
    lab = new_two_wans(probe=PROBE)
    ends = {"a": ("169.254.21.1", "169.254.21.2"), "b": ("169.254.22.1", "169.254.22.2")}
    connection_of(lab.hq)["tunnels"] = {
        f"{name}-1": {"inside": {"local": f"{hq}/30", "remote": branch}, "probe": branch} for name, (hq, branch) in ends.items()}
    connection_of(lab.branch)["tunnels"] = {
        f"a-{number}": {"inside": {"local": f"{branch}/30", "remote": hq}, "probe": hq}
        for number, (hq, branch) in enumerate(ends.values(), 1)}
    lab.up()
    wait_for_carriers(lab, A, B)
    case = twice_if_void(lambda: Failover(lab, [B], 2, lambda _: wait_for_carriers(lab, A, B)))
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()


def test_the_standby_takes_over_and_gives_back_while_sallyportd_is_dead_on_both_sides(new_two_wans):
    first, second = ("a", "a"), ("a", "b")
    lab = new_two_wans(hq=("a",), branch=("a", "b"), mode="active-standby", probe=PROBE).up()

    def run():
        wait_for_carriers(lab, first)
        with contextlib.ExitStack() as dead:
            for gateway in (lab.hq, lab.branch):
                dead.enter_context(gateway.without_sallyportd())
            return Failover(lab, [first], 2, lambda _: time.sleep(8))  # a hold of 3 s, of 6 in a second run
    case = twice_if_void(run)
    case.assert_only_the_silent_tunnels_flows_paused(1.0)
    case.assert_all_moved_away(1.0)
    case.assert_nothing_lost_on_return()
    case.assert_all_is_as_before()
    meanwhile = case.tunnels_of_flows(case.silent_at + 1, case.open_at)
    assert {tunnel for used in meanwhile.values() for tunnel in used} == {second}
