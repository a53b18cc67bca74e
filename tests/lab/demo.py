# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration: active-active over two WANs from YAML alone, a failover under traffic, and what the WANs saw. Run by scripts/demo."""

import collections
import signal
import sys
import time

from kit.autogroups import no_autogroups
from kit.capture import ARP, ESP, IKE, Capture, count_kinds
from kit.failover import PROBE, Failover, wait_for_carriers
from kit.lab import sweep
from kit.paths import TwoWans
from kit.shell import CommandFailed

STARTED = time.monotonic()
A, B = ("a", "a"), ("b", "a")


def step(text):
    print(f"\n[{time.monotonic() - STARTED:4.1f} s] {text}", flush=True)


def indent(text):
    print("\n".join("    " + line for line in text.rstrip().splitlines()), flush=True)


def send_traffic(lab):
    hq, branch = lab.host_hq, lab.host_branch
    step(f"ping: host hq {hq.address} -> host branch {branch.address}")
    indent(hq.ping(branch.address, 5).stdout.split("statistics ---")[1])
    step("iperf3 over TCP, 8 connections for 3 s")
    end = hq.iperf(branch.address, "-P", 8)["end"]["sum_received"]
    indent(f"hq -> branch: {end['bits_per_second'] / 1e6:.0f} Mbit/s")


def fail_over(lab):
    heard = lab.hq.last_event()
    step("1,000 UDP flows from host hq to host branch and back")

    def tell(what):
        if what == "silent":
            step("The path of tunnel a goes silent: the net drops its packets in the middle, all links stay up")
        elif what == "open":
            step("sallyport show tunnels (hq), 3 s later; then the path is open again")
            indent(lab.hq.cli("show", "tunnels").stdout)
        else:
            step("Tunnel a carries again")

    case = Failover(lab, [A], 3, lambda _: wait_for_carriers(lab, A, B), tell=tell)
    step("What became of the flows")
    before = case.tunnels_of_flows(before_s=case.silent_at)
    shares = collections.Counter(next(iter(used)) for used in before.values())
    own = {flow for flow, used in before.items() if used == {A}}
    lost = case.flows.lost()
    of_a, of_b = (sum(count for flow, count in lost.items() if (flow in own) == is_own) for is_own in (True, False))
    pause_s = max(case.flows.longest_pause_s(flow) for flow in own if flow < case.flows.fast)
    back = sum(used == before[flow] for flow, used in case.tunnels_of_flows(after_s=case.back_at + 0.3).items())
    indent(f"{shares[A]} flows by tunnel a: {of_a} of their packets lost, the longest pause was {1000 * pause_s:.0f} ms\n"
           f"{shares[B]} flows by tunnel b: {of_b} lost\n"
           f"after the path was open again: {sum(case.flows.lost(after_s=case.open_at).values())} lost, "
           f"{back} of {case.flows.count} flows where they were before\n"
           f"packets out of order within a flow: {case.flows.reordered()}")
    step("sallyport show events (hq)")
    numbers = {event["number"]: event for event in lab.hq.show("events")}
    indent("\n".join(f"{event['time'][11:23]}  {event['subject']:15}  {event['text']}"
                     for number, event in sorted(numbers.items()) if number > heard))


def prove(captures):
    step("What the WANs carried, by captures at hq's two public ports")
    names = {ESP: "ESP packets", IKE: "IKE packets", ARP: "ARP packets of the link"}
    for name, capture in captures.items():
        kinds = count_kinds(capture.frames())
        indent(f"{name}: " + ", ".join(f"{count} {names.get(kind, f'packets of another kind: {kind}')}" for kind, count in kinds.most_common()))
        if set(kinds) - set(names) or not kinds[ESP] or not kinds[IKE]:
            sys.exit(f"demo: a WAN must carry IKE and ESP and nothing else, but {name} carried {dict(kinds)}")
    indent("Only IKE and ESP: nothing of the two sites is readable there.")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep()
    step("Two gateways, two hosts and two WANs in network namespaces")
    with no_autogroups(), TwoWans(probe=PROBE) as lab:
        step("hq's whole configuration")
        lab.branch.write_config()
        indent(lab.hq.write_config().read_text())
        captures = {f"wan{number}": Capture(isp, "hq", lab.directory / f"wan{number}.pcap")
                    for number, isp in enumerate(lab.isps.values())}
        for capture in captures.values():
            capture.__enter__()
        step("Starting both gateways: sallyport-dataplane, charon and sallyportd each")
        lab.start()
        step("Two IKEv2 tunnels (X.509, AES-256-GCM, ESN), active-active")
        wait_for_carriers(lab, A, B)
        indent("up on both sides, and both carry traffic")
        send_traffic(lab)
        fail_over(lab)
        for capture in captures.values():
            capture.stop()
        prove(captures)
        step("Cleaning up")
    step("Done: everything that was started is gone.")


try:
    main()
except (AssertionError, CommandFailed) as error:
    sys.exit(f"demo: {error}")
