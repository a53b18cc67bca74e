# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration: a site-to-site tunnel from YAML alone, traffic through it, and what the WAN saw. Run by scripts/demo."""

import signal
import sys
import time

from kit.capture import ARP, ESP, IKE, Capture, count_kinds
from kit.lab import SiteToSite, sweep
from kit.shell import CommandFailed

STARTED = time.monotonic()


def step(text):
    print(f"\n[{time.monotonic() - STARTED:4.1f} s] {text}", flush=True)


def indent(text):
    print("\n".join("    " + line for line in text.rstrip().splitlines()), flush=True)


def megabits(sums):
    return f"{sums['bits_per_second'] / 1e6:.0f} Mbit/s"


def send_traffic(lab):
    hq, branch = lab.host_hq, lab.host_branch
    step(f"ping: host hq {hq.address} -> host branch {branch.address}")
    indent(hq.ping(branch.address, 5).stdout.split("statistics ---")[1])
    step("iperf3 over TCP, 3 s each way")
    for direction, options in (("hq -> branch", ()), ("branch -> hq", ("-R",))):
        indent(f"{direction}: {megabits(hq.iperf(branch.address, *options)['end']['sum_received'])}")
    step("iperf3 over UDP, 20 Mbit/s for 3 s")
    end = hq.iperf(branch.address, "-u", "-b", "20M", "-l", "1200")["end"]["sum"]
    indent(f"hq -> branch: {megabits(end)}, {end['lost_packets']} of {end['packets']} packets lost")


def prove(capture):
    step("What the WAN carried, by a capture at hq's public port")
    kinds = count_kinds(capture.frames())
    names = {ESP: "ESP packets", IKE: "IKE packets", ARP: "ARP packets of the link"}
    for kind, count in kinds.most_common():
        indent(f"{count:8} {names.get(kind, f'packets of another kind: {kind}')}")
    others = set(kinds) - set(names)
    if others or not kinds[ESP] or not kinds[IKE]:
        sys.exit(f"demo: the WAN must carry IKE and ESP and nothing else, but it carried {dict(kinds)}")
    indent("Only IKE and ESP: nothing of the two sites is readable there.")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep()
    step("Two gateways, two hosts and a WAN router in network namespaces")
    with SiteToSite() as lab:
        step("hq's whole configuration")
        lab.branch.write_config()
        indent(lab.hq.write_config().read_text())
        with Capture(lab.wan, "hq-a", lab.directory / "wan.pcap") as capture:
            step("Starting both gateways: sallyport-dataplane, charon and sallyportd each")
            lab.start()
            step("The IKEv2 tunnel (X.509, AES-256-GCM, ESN)")
            lab.hq.wait_for_tunnels()
            lab.branch.wait_for_tunnels()
            indent("up on both sides")
            send_traffic(lab)
        prove(capture)
        for noun in ("tunnels", "drops"):
            step(f"sallyport show {noun} (hq)")
            indent(lab.hq.cli("show", noun).stdout)
        step("Cleaning up")
    step("Done: everything that was started is gone.")


try:
    main()
except (AssertionError, CommandFailed) as error:
    sys.exit(f"demo: {error}")
