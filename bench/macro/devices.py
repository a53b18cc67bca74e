# SPDX-License-Identifier: BSD-3-Clause
"""The two virtual devices between which everything is measured: one that repeats a pcap for ever, one that swallows."""


def feed(pcap):
    return f"net_pcap0,rx_pcap={pcap},infinite_rx=1"


SINK = "net_null1,no-rx=1"
FEED_PORT, SINK_PORT = 0, 1  # where a DPDK program gets them with --vdev, in this order


def eal_arguments(core, pcap, memory_mb, prefix):
    """For a plain DPDK program: hugepages without files, one core, and no PCI devices."""
    return ["-l", str(core), "--in-memory", "--file-prefix", prefix, "-m", str(memory_mb), "--no-pci",
            "--vdev", feed(pcap), "--vdev", SINK]


def memory_mb(packets):
    """256 MB as PERFORMANCE's method says, or more where the feed is long: its packets lie in buffers of 2.5 kB."""
    return 256 if packets <= 10000 else 256 + packets * 3 // 1024
