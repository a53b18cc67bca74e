# SPDX-License-Identifier: BSD-3-Clause
"""Every ESP algorithm between two gateways, with and without ESN: one lab with a connection for each, all up at once."""

import re

import pytest

from kit import pki
from kit.addresses import Lan
from kit.capture import ESP, Capture
from kit.echo import exchange
from kit.lab import Lab
from kit.shell import wait_for

# Proposal, and bytes of IV, ICV and alignment (RFC 3602, 4106, 4309, 4543, 4868, 7634).
ALGORITHMS = [
    ("aes128gcm16", 8, 16, 4), ("aes192gcm16", 8, 16, 4), ("aes256gcm16", 8, 16, 4), ("aes128gcm12", 8, 12, 4),
    ("aes256gcm8", 8, 8, 4), ("aes128ccm16", 8, 16, 4), ("aes256ccm12", 8, 12, 4), ("aes256ccm8", 8, 8, 4),
    ("chacha20poly1305", 8, 16, 4), ("aes128-sha1", 16, 12, 16), ("aes128-sha256", 16, 16, 16),
    ("aes192-sha384", 16, 24, 16), ("aes256-sha256", 16, 16, 16), ("aes256-sha512", 16, 32, 16),
    ("aes256gmac", 8, 16, 4), ("null-sha256", 0, 16, 4),
]
IN_CLEAR = ("gmac", "null")
IP, ESP_HEADER, TRAILER = 20, 8, 2
MATRIX = [(*row, esn) for row in ALGORITHMS for esn in (True, False)]
IDS = [f"{row[0]}-{'esn' if row[-1] else 'noesn'}" for row in MATRIX]
NUMBERS = range(1, len(MATRIX) + 1)


def addresses(number):
    """Of the hosts at both ends of connection `number`."""
    return f"10.1.{number}.2", f"10.2.{number}.2"


class AlgorithmLab(Lab):
    """hq and branch, and a connection for each row of MATRIX: told apart by its identities, reached by its own prefixes."""

    def __init__(self, logs=None):
        super().__init__(logs)
        self.wan = self.namespace("wan")
        self.wan.sysctl("net.ipv4.ip_forward", 1)
        self.hq, self.host_hq = self.add_gateway("hq", [Lan("ipv4", 1)])
        self.branch, self.host_branch = self.add_gateway("branch", [Lan("ipv4", 2)])
        self.add_public(self.hq, "a", "wan0", self.wan, "hq-a", "192.0.2.1/28", "192.0.2.14")
        self.add_public(self.branch, "a", "wan0", self.wan, "branch", "192.0.2.17/28", "192.0.2.30")
        auth = pki.psk(self.directory)
        for end, (gateway, host) in enumerate(((self.hq, self.host_hq), (self.branch, self.host_branch)), start=1):
            gateway.config["virtual_networks"]["prod"]["ports"]["lan0"] = [f"10.{end}.0.1/16"]
            host.namespace.address("eth0", *[f"10.{end}.{number}.2/32" for number in NUMBERS])
        for number, (name, *_, esn) in zip(NUMBERS, MATRIX):
            proposal = {"proposals": [f"{name}-{'esn' if esn else 'noesn'}"]}
            self.connect(self.hq, f"s{number}", ["192.0.2.17"], [f"10.2.{number}.0/24"], auth, esp=proposal,
                         ike={"local_id": f"hq{number}.example", "remote_id": f"branch{number}.example"})
            self.connect(self.branch, f"s{number}", ["192.0.2.1"], [f"10.1.{number}.0/24"], auth, esp=proposal, initiate=False,
                         ike={"local_id": f"branch{number}.example", "remote_id": f"hq{number}.example"})


@pytest.fixture(scope="module")
def lab(request):
    lab = AlgorithmLab()
    try:
        lab.hq.start()
        lab.branch.start()
        for gateway in (lab.hq, lab.branch):
            gateway.wait_for_tunnels(len(MATRIX), 60)
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def exchanged(lab):
    """(sizes that came back wrong by connection, ESP frames of it): every residue of a block of AES or SHA, and large ones."""
    marker = "readable on the way "
    pairs = [addresses(number) for number in NUMBERS]
    exchange(lab.host_hq, lab.host_branch, pairs, [0, 1])  # the gateways ask for 64 neighbours, and hold only so much meanwhile
    sizes = [*range(0, 130), 500, 1000, 1300, 1350]
    with Capture(lab.wan, "hq-a", lab.directory / "algorithms.pcap", "esp") as capture:
        wrong = exchange(lab.host_hq, lab.host_branch, pairs, sizes, marker)
    return wrong, [frame for frame in capture.frames() if frame.kind == ESP], marker.encode()


@pytest.mark.parametrize("number", NUMBERS, ids=IDS)
def test_payload_of_every_size_comes_back(lab, exchanged, number):
    name, *_, esn = MATRIX[number - 1]
    for gateway in (lab.hq, lab.branch):
        sas = [sa for sa in gateway.show("sas") if sa["tunnel"] == f"prod-s{number}-a-1"]
        assert sorted(sa["direction"] for sa in sas) == ["in", "out"]
        assert all((sa["algorithm"], sa["esn"]) == (name, esn) for sa in sas), sas
    assert exchanged[0][number - 1] == [], (lab.hq.drops(), lab.branch.drops(), lab.drops())


@pytest.mark.parametrize("number", NUMBERS, ids=IDS)
def test_only_integrity_alone_can_be_read_on_the_way(lab, exchanged, number):
    _, frames, marker = exchanged
    spis = {bytes.fromhex(sa["spi"]) for sa in lab.hq.show("sas") if sa["tunnel"] == f"prod-s{number}-a-1"}
    own = [frame.esp for frame in frames if frame.esp[:4] in spis]
    assert len(own) >= 200
    readable = any(word in MATRIX[number - 1][0] for word in IN_CLEAR)
    assert any(marker in esp for esp in own) == readable


@pytest.mark.parametrize("number", NUMBERS[::2], ids=[row[0] for row in ALGORITHMS])
def test_too_large_with_df_is_told_the_exact_mtu(lab, number):
    _, iv, icv, align, _ = MATRIX[number - 1]
    expected = (1500 - IP - ESP_HEADER - iv - icv) // align * align - TRAILER
    source, destination = addresses(number)

    def told_mtu(inner_bytes):
        done = lab.host_hq.ping(destination, 1, inner_bytes - 28, "-M", "do", "-I", source, check=False)
        told = re.search(r"mtu\s*=\s*(\d+)", done.stdout + done.stderr)
        return int(told[1]) if told else (None if done.returncode == 0 else 0)  # 0: nothing came back

    assert told_mtu(expected) is None
    assert wait_for("the MTU", lambda: told_mtu(expected + 1), timeout_s=5) == expected


def test_nothing_was_dropped(lab, exchanged):
    for gateway in (lab.hq, lab.branch):
        assert not set(gateway.drops()) & {"icv_failed", "replay", "esp_too_short", "crypto_failed", "no_room"}, gateway.drops()


def test_half_open_ike_sas_of_one_peer_shut_none_of_it_out(lab):
    """hq's charon begins anew with all its connections, and the first answers to it get lost."""
    def ike_sas(gateway):
        counts = re.search(r"IKE_SAs: (\d+) total, (\d+) half-open", gateway.swanctl("--stats", check=False).stdout)
        return [int(count) for count in counts.groups()] if counts else [0, 0]
    lab.wan.nft("table ip answers {\n chain lost {\n  type filter hook forward priority 0;\n"
                "  iifname branch udp sport 500 meta length > 200 drop\n }\n}\n")
    lab.hq.kill("charon")
    wait_for("half-open IKE_SAs", lambda: ike_sas(lab.branch)[1] > 8)
    lab.wan.run("nft", "delete", "table", "ip", "answers")
    wait_for("all IKE_SAs", lambda: ike_sas(lab.hq) == [len(MATRIX), 0], 20)
