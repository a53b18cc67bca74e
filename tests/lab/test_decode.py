# SPDX-License-Identifier: BSD-3-Clause
"""Our ESP against other implementations, with keys from charon's own log; and those keys are nowhere else."""

import base64
import subprocess

import pytest
from scapy.all import ICMP, IP, UDP, Ether, Raw
from scapy.layers.ipsec import ESP

from kit import oracle
from kit.capture import Capture, read_packets
from kit.lab import SiteToSite
from kit.shell import wait_for

PROPOSALS = [("aes256gcm16-esn", 36, True), ("aes192gcm16-esn", 28, True), ("aes128gcm16", 20, False)]


@pytest.fixture(scope="module", params=PROPOSALS, ids=[name for name, _, _ in PROPOSALS])
def captured(request):
    """(lab, ESN?, pcap of pings of several sizes, keys that hq's charon logged)"""
    name, key_bytes, esn = request.param
    lab = SiteToSite(esp={"proposals": [name]})
    try:
        lab.hq.log_keys()
        lab.up()
        path = lab.directory / "decode.pcap"
        with Capture(lab.wan, "hq-a", path, "esp"):
            for size in (0, 1, 2, 3, 56, 1000):
                lab.host_hq.ping(lab.host_branch.address, 3, size)
        keys = oracle.logged_keys(lab.hq.key_log)
        assert len(keys) == 2 and all(len(key) == key_bytes for key in keys), [len(key) for key in keys]
        yield lab, esn, path, keys
    finally:
        lab.close()


def test_scapy_decrypts_ours(captured):
    lab, esn, path, keys = captured
    frames = [Ether(frame) for _, frame in read_packets(path)]
    assert len(frames) >= 36
    used = set()
    for frame in frames:
        key = oracle.find_key(keys, frame[IP], esn)
        inner = oracle.decrypt(key, frame[IP], esn)
        assert {inner.src, inner.dst} == {lab.host_hq.address, lab.host_branch.address} and ICMP in inner
        used.add(key)
    assert used == set(keys)


def test_tshark_decodes_ours(captured):
    lab, esn, path, keys = captured
    frames = [Ether(frame) for _, frame in read_packets(path)]
    by_spi = {frame[ESP].spi: oracle.find_key(keys, frame[IP], esn) for frame in frames}
    rows = oracle.tshark_decode(path, by_spi, "ip.src", "icmp.type", "icmp.checksum.status")
    assert len(rows) == len(frames)
    assert {row[1] for row in rows} == {"0", "8"}
    assert all(lab.host_hq.address in row[0] or lab.host_branch.address in row[0] for row in rows)
    assert {row[2] for row in rows} == {"1"}, "a decoded ICMP checksum is wrong"


def test_we_decrypt_scapys(captured):
    """A packet that Scapy made in hq's stead reaches the branch's host; the same one twice, or altered, doesn't."""
    lab, esn, path, keys = captured
    last = [frame for _, frame in read_packets(path) if Ether(frame)[IP].src == "192.0.2.1"][-1]
    outer = Ether(last)
    key = oracle.find_key(keys, outer[IP], esn)
    sa = oracle.association(key, outer[ESP].spi, esn, outer[ESP].seq + 20, IP(src="192.0.2.1", dst="192.0.2.17"))
    inner = IP(src=lab.host_hq.address, dst=lab.host_branch.address, ttl=64) / UDP(sport=4000, dport=4001) / Raw(b"from another hand")
    crafted = bytes(sa.encrypt(inner, esn_en=esn, esn=0))
    branch_mac = next(port["mac"] for port in lab.branch.show("ports") if port["name"] == "wan0")
    frame = Ether(dst=branch_mac) / Raw(crafted)
    frame.type = 0x0800
    altered = Ether(dst=branch_mac, type=0x0800) / Raw(crafted[:-1] + bytes([crafted[-1] ^ 1]))
    before = lab.branch.drops()
    arrived = lab.directory / "arrived.pcap"
    with Capture(lab.host_branch.namespace, "eth0", arrived, "udp port 4001"):
        oracle.send_frame(lab.wan, "branch", altered)
        oracle.send_frame(lab.wan, "branch", frame)
        oracle.send_frame(lab.wan, "branch", frame)
        wait_for("both drops", lambda: all(lab.branch.drops().get(reason, 0) > before.get(reason, 0)
                                           for reason in ("icv_failed", "replay")), 5)
    payloads = [bytes(Ether(data)[UDP].payload)[:17] for _, data in read_packets(arrived)]
    assert payloads == [b"from another hand"]
    grown = {reason: count - before.get(reason, 0) for reason, count in lab.branch.drops().items()}
    assert grown.get("icv_failed") == 1 and grown.get("replay") == 1, grown

    def audited():
        return [event["text"] for event in lab.branch.show("events") if event["kind"] == "audit"]
    wait_for("both records", lambda: len(audited()) >= 2, 5)
    records = audited()
    packet = f"SPI {outer[ESP].spi:08x}, sequence number {outer[ESP].seq + 20}, from 192.0.2.1 to 192.0.2.17"
    assert records == [f"integrity check failed: {packet}", f"replayed: {packet}"]


def holds_key(data, key):
    """In any dress that a log or an answer might give it; GCM's salt is left out, half of the key is enough."""
    secret = key[:-4]
    for part in (secret[:16], secret[-16:]):
        spaced = part.hex(" ").encode()
        dresses = (part, part.hex().encode(), spaced, part.hex(":").encode(), base64.b64encode(secret)[:20],
                   ", ".join(map(str, part)).encode())
        lowered = data.lower()
        if any(dress in data or dress.lower() in lowered for dress in dresses):
            return True
    return False


def test_no_key_in_logs_answers_or_cores(captured):
    lab, _, _, keys = captured
    seen = {"charon's own key log": lab.hq.key_log.read_bytes()}
    assert holds_key(seen.pop("charon's own key log"), keys[0]), "the search itself is wrong"
    for gateway in (lab.hq, lab.branch):
        for path in gateway.run_dir.rglob("*"):
            if path.is_file():
                seen[str(path)] = path.read_bytes()
        for noun in ("gateway", "ports", "connections", "tunnels", "sas", "routes", "neighbours", "drops", "events"):
            for options in ((), ("--json",)):
                seen[f"show {noun} {options}"] = gateway.cli("show", noun, *options).stdout.encode()
        seen["list-sas"] = gateway.swanctl("--list-sas", "--raw").stdout.encode()
    assert len(seen) > 40
    leaks = [name for name, data in seen.items() for key in keys if holds_key(data, key)]
    assert leaks == []
    for part in ("dataplane", "charon", "sallyportd"):
        limits = subprocess.run(["cat", f"/proc/{lab.hq.pid(part)}/limits"], capture_output=True, text=True).stdout
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], f"{part} can leave a core: {core}"
