# SPDX-License-Identifier: BSD-3-Clause
"""A policy-based peer of a route-based connection: hq asks for everything and only responds; the branch makes a CHILD_SA for each
pair of its selectors, which hq's charon narrows down to and installs under hq's one name. They carry side by side."""

import re
import signal
import subprocess
import tempfile
import time

import pytest

from kit.lab import SiteToSite
from kit.shell import wait_for

HQ_TUNNEL, BRANCH_TUNNEL = "prod-branch-a-1", "prod-hq-a-1"
PAIRS = 3

CASES = {
    "ikev2": {"inside": ["ipv4"], "ike": {"version": 2}},
    "ikev2 of ipv6": {"inside": ["ipv6"], "ike": {"version": 2}},
    "ikev1": {"inside": ["ipv4"], "ike": {"version": 1, "proposals": ["aes256-sha384-ecp384"]}},
}


@pytest.fixture(scope="module", params=CASES)
def lab(request):
    """Each LAN of hq's and the one of the same number of the branch's are a pair."""
    lab = SiteToSite(lans=PAIRS, both_initiate=True, esp={"proposals": ["aes256gcm16-ecp384"]}, **CASES[request.param])
    lab.hq.config["connections"]["prod-branch"]["initiate"] = False
    lab.branch.config["connections"]["prod-hq"]["selectors"] = [
        {"local": ours.prefix, "remote": theirs.prefix} for ours, theirs in zip(lab.lans["branch"], lab.lans["hq"])]
    try:
        lab.start()
        lab.branch.wait_for_tunnels()
        lab.hq.wait_for_tunnels()
        yield lab
    finally:
        lab.close()


def ends(lab, pair, side):
    """(host, its address, the other's address)"""
    hq, branch = lab.lans["hq"][pair].host, lab.lans["branch"][pair].host
    return (lab.host_hq, hq, branch) if side == "hq" else (lab.host_branch, branch, hq)


class Pings:
    """One every 20 ms by each pair from each side. `lost` are the sequence numbers of those sent before the end of the with block
    that were not answered 1 s later; they go on meanwhile, as ping doesn't wait for what is under way when it is ended."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.running = {}
        for pair in range(PAIRS):
            for side in ("hq", "branch"):
                host, source, target = ends(self.lab, pair, side)
                output = tempfile.TemporaryFile("w+")
                self.running[pair, side] = output, host.namespace.popen("ping", "-n", "-i", "0.02", "-I", source, target, stdout=output,
                                                                        stderr=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        for _, process in self.running.values():
            process.send_signal(signal.SIGQUIT)  # it says how many it has sent, and goes on
        time.sleep(1)
        self.lost, self.answered = {}, {}
        for key, (output, process) in self.running.items():
            process.send_signal(signal.SIGINT)
            sent = re.search(r"\d+/(\d+) packets", process.communicate(timeout=10)[1])
            with output:
                output.seek(0)
                answered = {int(number) for number in re.findall(r"bytes from .* icmp_seq=(\d+)", output.read())}
            self.answered[key] = len(answered)
            self.lost[key] = sorted(set(range(1, int(sent[1]) + 1)) - answered) if sent else []

    def unanswered(self):
        return {key: lost for key, lost in self.lost.items() if lost or self.answered[key] < 5}


def assert_all_pass(lab):
    with Pings(lab) as pings:
        time.sleep(1)
    assert pings.unanswered() == {}, pings.answered


def all_pass(lab):
    with Pings(lab) as pings:
        time.sleep(0.5)
    return not pings.unanswered()


def sending(gateway):
    """The SPI that each pair is sent on."""
    return {(*sa["local_selectors"], *sa["remote_selectors"]): sa["spi"] for sa in gateway.show("sas")
            if sa["direction"] == "out" and sa["active"]}


def pair_key(lab, pair, side="hq"):
    hq, branch = lab.lans["hq"][pair].prefix, lab.lans["branch"][pair].prefix
    return (hq, branch) if side == "hq" else (branch, hq)


def test_each_pair_has_its_sa_in_one_tunnel(lab):
    assert set(sending(lab.hq)) == {pair_key(lab, pair) for pair in range(PAIRS)}
    assert {sa["tunnel"] for sa in lab.hq.show("sas")} == {HQ_TUNNEL}
    assert [child["name"] for child in lab.hq.tunnels()[HQ_TUNNEL]["children"]] == [HQ_TUNNEL]


def test_all_pairs_pass_at_once(lab):
    assert_all_pass(lab)
    assert lab.hq.drops().get("policy_outbound", 0) == 0


def test_what_is_of_no_pair_is_dropped(lab):
    before = lab.hq.drops().get("policy_outbound", 0)
    host, source, _ = ends(lab, 0, "hq")
    assert host.ping(lab.lans["branch"][1].host, 3, 56, "-I", source, check=False).returncode != 0
    assert lab.hq.drops()["policy_outbound"] == before + 3


def test_a_rekey_by_the_peer_replaces_its_pair_alone(lab):
    for pair in range(PAIRS):
        before = sending(lab.hq)
        with Pings(lab) as pings:
            lab.branch.rekey(f"{BRANCH_TUNNEL}.{pair + 1}")
            time.sleep(2)
        after = sending(lab.hq)
        assert {key for key in before if before[key] != after[key]} == {pair_key(lab, pair)}
        assert pings.unanswered() == {}, pings.answered


def test_a_rekey_of_our_own_does_so_for_every_pair(lab):
    before = sending(lab.hq)
    with Pings(lab) as pings:
        lab.hq.swanctl("--rekey", "--child", HQ_TUNNEL)
        wait_for("every pair's new SA", lambda: not set(sending(lab.hq).values()) & set(before.values()), 10)
        time.sleep(2)
    assert set(sending(lab.hq)) == set(before)
    assert pings.unanswered() == {}, pings.answered
    assert_all_pass(lab)


def test_a_restart_of_sallyportd_loses_nothing(lab):
    before = sending(lab.hq)
    with Pings(lab) as pings:
        time.sleep(0.5)
        with lab.hq.without_sallyportd():
            time.sleep(0.5)
        wait_for("charon's snapshot", lambda: lab.hq.show("gateway")["charon"]["plugin"], 10)
        time.sleep(1)
    assert sending(lab.hq) == before
    assert pings.unanswered() == {}, pings.answered
    lab.branch.rekey(f"{BRANCH_TUNNEL}.1")
    time.sleep(2)
    after = sending(lab.hq)
    assert {key for key in before if before[key] != after[key]} == {pair_key(lab, 0)}
    assert_all_pass(lab)


def test_all_pairs_come_back_after_a_restart_of_the_dataplane(lab):
    old = lab.hq.kill("dataplane")
    wait_for("its next life", lambda: lab.hq.pid("dataplane") != old, 10)
    wait_for("every pair", lambda: all_pass(lab), 20)
    assert set(sending(lab.hq)) == {pair_key(lab, pair) for pair in range(PAIRS)}


@pytest.mark.parametrize("side", ["branch", "hq"])
def test_all_pairs_come_back_after_a_restart_of_charon(lab, side):
    gateway = getattr(lab, side)
    before = {sa["spi"] for sa in lab.hq.show("sas")}
    old = gateway.kill("charon")
    wait_for("charon's next life", lambda: gateway.pid("charon") != old and gateway.swanctl("--stats", check=False).returncode == 0, 15)
    wait_for("new SAs of every pair", lambda: not set(sending(lab.hq).values()) & before and len(sending(lab.hq)) == PAIRS, 60)
    wait_for("every pair", lambda: all_pass(lab), 20)
    assert_all_pass(lab)
