# SPDX-License-Identifier: BSD-3-Clause
"""Path MTU: every size passes, what is too large is answered with the exact MTU, and TCP never stalls."""

import re

import pytest

from kit.lab import SiteToSite
from kit.shell import run, wait_for

IP, UDP, ESP_HEADER, IV, TRAILER, ICV = 20, 8, 8, 8, 2, 16


def inner_mtu(path_mtu, udp=0):
    """RFC 4303 with AES-GCM-16: the padded inner packet and its two trailer bytes are a multiple of 4."""
    return (path_mtu - IP - udp - ESP_HEADER - IV - ICV) // 4 * 4 - TRAILER


def told_mtu(host, address, payload):
    """Pings once with DF; the MTU in the answering ICMP error, or None when the echo came back."""
    done = host.ping(address, 1, payload, "-M", "do", check=False)
    told = re.search(r"mtu\s*=\s*(\d+)", done.stdout + done.stderr)
    assert told or done.returncode == 0, done.stdout + done.stderr
    return int(told[1]) if told else None


def forget_path_mtu(host):
    host.namespace.ip("route", "flush", "cache")


def assert_passes(lab, sizes):
    for size in sizes:
        for sender, receiver in ((lab.host_hq, lab.host_branch), (lab.host_branch, lab.host_hq)):
            done = sender.ping(receiver.address, 1, size, "-M", "dont", check=False)
            assert done.returncode == 0, f"{size} bytes: {done.stdout}"
            assert "wrong data byte" not in done.stdout


@pytest.mark.parametrize("sizes", [range(1, 80), range(1400, 1473)], ids=["small", "around the MTU"])
def test_every_size_passes(up_lab, sizes):
    assert_passes(up_lab, sizes)


def test_what_the_sender_fragmented_passes(new_lab):
    assert_passes(new_lab(lan_taps=True).up(), (1473, 1500, 1998, 2000, 2953, 4000, 5000, 8972, 9000))


def test_too_large_with_df_is_told_the_exact_mtu(up_lab):
    expected = inner_mtu(1500)
    assert expected == 1446
    for host, address in ((up_lab.host_hq, up_lab.host_branch.address), (up_lab.host_branch, up_lab.host_hq.address)):
        forget_path_mtu(host)
        assert told_mtu(host, address, expected - 28) is None
        assert told_mtu(host, address, expected - 28 + 1) == expected
        forget_path_mtu(host)
        assert told_mtu(host, address, 1472) == expected


def test_the_exact_mtu_with_udp_encapsulation(new_lab):
    lab = new_lab(esp={"encap": "force"}).up()
    expected = inner_mtu(1500, UDP)
    assert told_mtu(lab.host_hq, lab.host_branch.address, expected - 28) is None
    assert told_mtu(lab.host_hq, lab.host_branch.address, expected - 28 + 1) == expected


def test_the_gateways_own_kernel_is_told_the_exact_mtu(up_lab):
    inside = f"{up_lab.hq.namespace.name}-sp-prod"
    expected = inner_mtu(1500)
    for payload, told in ((expected - 28, False), (expected - 27, True)):
        done = run("ip", "netns", "exec", inside, "ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", payload, "-I", "10.1.0.1",
                   up_lab.host_branch.address, check=False)
        assert (f"mtu={expected}" in (done.stdout + done.stderr).replace(" ", "")) == told, done.stdout + done.stderr
        assert (done.returncode == 0) != told
    assert f"mtu {expected}" in run("ip", "-n", inside, "route", "get", up_lab.host_branch.address, "from", "10.1.0.1").stdout


def test_tcp_through_a_narrow_wan_never_stalls(new_lab):
    lab: SiteToSite = new_lab(wan_mtu=1400).up()
    for options in ((), ("-R",)):
        result = lab.host_hq.iperf(lab.host_branch.address, *options, "-i", "1", seconds=6)
        moved = [interval["sum"]["bytes"] for interval in result["intervals"]]
        assert len(moved) >= 6 and all(moved), moved
        assert result["end"]["sum_received"]["bytes"] > 1_000_000
    # The router's answer has taught the gateway the path's MTU, and the gateway passes it on.
    forget_path_mtu(lab.host_hq)
    lab.host_hq.ping(lab.host_branch.address, 1, 1400, "-M", "do", check=False)
    assert told_mtu(lab.host_hq, lab.host_branch.address, 1400) == inner_mtu(1400)
    assert lab.hq.tunnels()["prod-branch-a-1"]["path_mtu"] == 1400
    # The dataplane still knows it when sallyportd has been away.
    old = lab.hq.kill("sallyportd")
    wait_for("sallyportd's next life", lambda: lab.hq.pid("sallyportd") != old and lab.hq.cli("show", "tunnels", check=False).returncode == 0, 15)
    lab.hq.wait_for_tunnels()
    assert lab.hq.tunnels()["prod-branch-a-1"]["path_mtu"] == 1400
