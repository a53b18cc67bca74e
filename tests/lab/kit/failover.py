# SPDX-License-Identifier: BSD-3-Clause
"""One failover under the traffic of a thousand flows: who lost what, and which tunnel carried whom before, meanwhile and after."""

import time

from .flows import Flows
from .paths import Sight
from .shell import wait_for

PROBE = {"interval": "100ms", "misses": 3}


def carrying(lab, site="hq"):
    """The tunnels that carry traffic, as their site's gateway shows it."""
    shown = getattr(lab, site).tunnels()
    return {ends for ends in lab.tunnels() if shown[lab.tunnel(site, ends)]["carrying"]}


def wait_for_carriers(lab, *tunnels, timeout_s=40):
    """Both gateways send by exactly these."""
    for site in ("hq", "branch"):
        wait_for(f"{site} to send by {tunnels} alone", lambda: carrying(lab, site) == set(tunnels), timeout_s)


def twice_if_void(run):
    """run() gives Flows; a second time when the machine stood still in the first, or the lab's cables dropped packets."""
    result = run()
    if result.flows.void():
        result = run()
    assert result.flows.void() == {}
    return result


class Failover:
    """`tunnels` go silent for `silent_s`; `back(lab)` waits until they carry again, then all goes on for `after_s`. tell(what) is
    called as the paths go "silent", are "open" again, and as their tunnels are "back"."""

    def __init__(self, lab, tunnels, silent_s, back, after_s=2.0, tell=lambda what: None, **flows):
        self.lab, self.tunnels = lab, set(tunnels)
        self.clock_s = time.time() - time.monotonic()
        self.sight = Sight(lab)
        with self.sight, Flows(lab.host_hq, lab.host_branch, **flows) as self.flows:
            time.sleep(2)
            tell("silent")
            self.silent_at = time.monotonic()
            lab.silence(*tunnels)
            time.sleep(silent_s)
            tell("open")
            lab.silence()
            self.open_at = time.monotonic()
            back(lab)
            self.back_at = time.monotonic()
            tell("back")
            time.sleep(after_s)
        self.packets = self.sight.packets()

    def tunnels_of_flows(self, after_s=0.0, before_s=float("inf")):
        """{flow: the tunnels that it used between these times}, its questions and answers together."""
        used = {}
        for time_s, tunnel, flow, _ in self.packets:
            if after_s <= time_s - self.clock_s < before_s:
                used.setdefault(flow, set()).add(tunnel)
        return used

    def assert_only_the_silent_tunnels_flows_paused(self, limit_s):
        before = self.tunnels_of_flows(before_s=self.silent_at)
        assert len(before) == self.flows.count and all(len(used) == 1 for used in before.values())
        own = {flow for flow, used in before.items() if used <= self.tunnels}
        others = set(before) - own
        lost = self.flows.lost()
        assert own, "nobody used the silent tunnel"
        assert set(lost) <= own, f"flows of other tunnels lost packets: {sorted(set(lost) - own)[:9]}; {self.flows.summary()}"
        assert 0 < self.flows.outage_s() < limit_s, self.flows.summary()
        for flow in range(self.flows.fast):
            pause_s = self.flows.longest_pause_s(flow)
            assert pause_s < limit_s, f"flow {flow} paused for {pause_s:.2f} s; {self.flows.summary()}"
        used = self.tunnels_of_flows()
        moved = sorted(flow for flow in others if used[flow] != before[flow])
        assert not moved, f"flows of other tunnels moved: {moved[:9]}"
        # A flow that moves may be overtaken by its own packets, as the other path may be the faster one.
        overtaken = sorted(self.flows.reordered_flows() - own)
        assert not overtaken, f"flows of other tunnels were reordered: {overtaken[:9]}"
        assert self.flows.duplicates() == 0, self.flows.summary()

    def assert_all_moved_away(self, limit_s):
        meanwhile = self.tunnels_of_flows(self.silent_at + limit_s, self.open_at)
        assert meanwhile and not {tunnel for used in meanwhile.values() for tunnel in used} & self.tunnels

    def assert_nothing_lost_on_return(self):
        assert self.flows.lost(after_s=self.open_at) == {}, self.flows.summary()

    def assert_all_is_as_before(self):
        """Every flow is on the tunnel again that it had before."""
        before, after = self.tunnels_of_flows(before_s=self.silent_at), self.tunnels_of_flows(after_s=self.back_at + 0.3)
        assert len(after) == self.flows.count
        elsewhere = sorted(flow for flow in before if after[flow] != before[flow])
        assert not elsewhere, f"flows that did not come back: {elsewhere[:9]}"
