# SPDX-License-Identifier: BSD-3-Clause
"""The pure parts of the macro benchmark: its packets by an oracle that isn't its own, its addresses and keys, its figures."""
import pathlib
import struct
import sys

import pytest
from scapy.all import ESP, IP, UDP, Ether, SecurityAssociation, rdpcap  # an own implementation of ESP

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from macro import compare, dpdk_build, feed, measure, plan, plot, raw, report, sallyport, scene, secgw  # noqa: E402
from macro.fault import Fault  # noqa: E402


def row(direction, cipher="aes128gcm16", size=64, sas=3, packets=24):
    return scene.Row(direction, cipher, size, sas, packets)


@pytest.fixture
def packets(tmp_path):
    def make(of_row):
        feed.write_pcap(tmp_path / "feed.pcap", of_row)
        return rdpcap(str(tmp_path / "feed.pcap"))
    return make


SCAPY_CIPHERS = {"aes128gcm16": "AES-GCM", "aes256gcm16": "AES-GCM", "aes128cbc-sha256": "AES-CBC", "chacha20poly1305": "CHACHA20-POLY1305"}


@pytest.mark.parametrize("cipher", plan.CIPHERS)
@pytest.mark.parametrize("size", plan.SIZES)
def test_inbound_packets_decrypt_to_inner_packets_of_that_size(packets, cipher, size):
    wanted = feed.plan(row("in", cipher, size))
    for packet, (sa, inner_bytes) in zip(packets(row("in", cipher, size)), wanted, strict=True):
        assert packet[Ether].dst == scene.FEED_PORT_MAC.hex(":")
        algorithms = {"crypt_algo": SCAPY_CIPHERS[cipher], "crypt_key": scene.key(sa, cipher) + scene.salt(sa, cipher)}
        if scene.CIPHERS[cipher].integrity_key_bytes:
            algorithms |= {"auth_algo": "SHA2-256-128", "auth_key": scene.integrity_key(sa, cipher)}
        association = SecurityAssociation(ESP, spi=scene.spi(sa), **algorithms, tunnel_header=IP(src="192.0.2.2", dst="192.0.2.1"))
        inner = association.decrypt(packet[IP])
        assert (len(inner), inner.src, inner.dst) == (inner_bytes, f"198.18.0.{sa}", "198.51.100.10")
        assert UDP in inner


def test_inbound_sequence_numbers_rise_from_one_in_each_sa(packets):
    seen = {}
    for packet in packets(row("in")):
        seen.setdefault(packet[ESP].spi, []).append(packet[ESP].seq)
    assert seen == {scene.spi(sa): list(range(1, 9)) for sa in range(3)}


def test_outbound_packets_are_valid_and_every_sa_has_as_many(packets):
    counts = {}
    for packet in packets(row("out", size=512)):
        ip = packet[IP]
        assert len(ip) == 512 and ip.src == "198.51.100.10"
        checksum = ip.chksum
        del ip.chksum
        assert IP(bytes(ip)).chksum == checksum
        counts[ip.dst] = counts.get(ip.dst, 0) + 1
    assert counts == {f"198.18.0.{sa}": 8 for sa in range(3)}


def test_imix_has_its_mix_in_every_dozen():
    sizes = [size for _, size in feed.plan(row("out", size="imix"))]
    for start in (0, 12):
        dozen = sizes[start:start + 12]
        assert (dozen.count(64), dozen.count(570), dozen.count(1418)) == (7, 4, 1)


def test_slots_keep_to_the_low_bits_of_distinct_spis():
    spis = {scene.spi(sa): sa for sa in range(scene.MAX_SAS)}
    assert len(spis) == scene.MAX_SAS
    assert all(spi & 0xfffff == sa + 1 and spi < 1 << 31 for spi, sa in spis.items())


def test_the_peer_holds_each_sa_with_its_policy_outbound():
    lines = secgw.configuration(row("out", "aes256gcm16")).splitlines()
    assert "sp ipv4 out esp protect 268435458 pri 1 dst 198.18.0.1/32 sport 0:65535 dport 0:65535" in lines
    keys = [line.split("aead_key ")[1].split()[0] for line in lines if line.startswith("sa out")]
    assert [len(key.split(":")) for key in keys] == [36, 36, 36] and keys[1].startswith("08:27:") and keys[1].endswith(":00:00:00:01")
    assert lines[-1] == "rt ipv4 dst 192.0.2.2/32 port 1"


@pytest.mark.parametrize("cipher, words, key_bytes, device, options", [
    ("aes128gcm16", ["aead_algo", "aes-128-gcm", "aead_key"], [20], "crypto_aesni_gcm0", []),
    ("aes128cbc-sha256", ["cipher_algo", "aes-128-cbc", "cipher_key", "auth_algo", "sha256-hmac", "auth_key"], [16, 32], "crypto_aesni_mb0", []),
    ("chacha20poly1305", ["aead_algo", "chacha20-poly1305", "aead_key"], [36], "crypto_aesni_mb0", ["-l"])])
def test_the_peer_runs_each_cipher(cipher, words, key_bytes, device, options):
    said = secgw.algorithm(1, cipher).split()
    assert [word for word in said if ":" not in word] == words
    assert [len(word.split(":")) for word in said if ":" in word] == key_bytes
    assert (secgw.crypto_device(cipher), secgw.packet_path(cipher)) == (device, options)


def test_librte_ipsec_gets_a_policy_for_each_sa_inbound():
    lines = secgw.configuration(row("in", "chacha20poly1305")).splitlines()
    assert "sp ipv4 in esp protect 268435458 pri 1 src 198.18.0.1/32 sport 0:65535 dport 0:65535" in lines
    assert not any(line.startswith("sp ") for line in secgw.configuration(row("in", "aes128cbc-sha256")).splitlines())


@pytest.mark.parametrize("sas, cache", [(1, 128), (100, 128), (1000, 1024)])
def test_the_peers_sa_cache_holds_all(sas, cache):
    assert secgw.sa_cache(sas) == cache
    assert len({scene.spi(sa) & (cache - 1) for sa in range(sas)}) == sas


def test_many_sas_are_ours_alone_with_feeds_of_one_length():
    choice = (plan.DIRECTIONS, plan.CIPHERS, plan.SIZES, plan.SAS)
    assert {row.sas for row in plan.compared_rows(*choice)} == {1, 100, 1000}
    triples = plan.many_sas_triples(*choice)
    assert {many.sas for _, _, many in triples} == {10000, 100000}
    for one, hosts, many in triples:
        assert one.sas == hosts.sas == 1 and one.packets == hosts.packets == many.packets == many.sas
        assert (one.hosts, hosts.hosts, many.hosts) == (1, many.sas, 1)


def test_hosts_behind_one_sa_come_in_the_order_of_many_sas():
    hosts, many = (scene.Row("out", "aes128gcm16", 64, sas, 3000, count) for sas, count in ((1, 3000), (3000, 1)))
    assert feed.plan(hosts) == feed.plan(many)
    assert list(feed.frames(hosts)) == list(feed.frames(many))
    sealed = list(feed.frames(scene.Row("in", "aes128gcm16", 64, 1, 20, 20)))
    assert {frame[34:38] for frame in sealed} == {scene.spi(0).to_bytes(4, "big")}
    assert [int.from_bytes(frame[38:42], "big") for frame in sealed] == list(range(1, 21))


def counters(before, received, transmitted, drops=0):
    return measure.Counters(before, received, transmitted, {"replay": drops})


def test_a_gateway_that_drops_gives_no_figure():
    start = counters(1000, 1010, 1000)
    measure.check_no_drops("gateway", start, counters(900000, 950000, 960000))
    for end in (counters(900000, 950000, 960000, drops=1), counters(900000, 970000, 960000), counters(1000, 5000, 1000)):
        with pytest.raises(Fault):
            measure.check_no_drops("gateway", start, end)


def test_cycles_are_cpu_time_by_packets():
    assert measure.Sample(packets=10_000_000, cpu_s=0.5).cycles(2_600_000_000) == 130


def test_raw_costs_lie_on_the_line_between_measured_sizes():
    cycles = {64: 80, 128: 90, 256: 100, 512: 120, 1024: 184, 1400: 222}
    assert raw.at_size(512, cycles) == 120
    assert raw.at_size(768, cycles) == 152
    assert raw.at_size(1776, cycles) == 260
    mixed = (7 * 80 + 4 * raw.at_size(570, cycles) + raw.at_size(1418, cycles)) / 12
    assert raw.of_row(row("out", size="imix"), cycles) == pytest.approx(mixed)


def test_raw_rows_have_the_names_of_bench_esp():
    assert list(raw.names(row("out", size=64))) == ["encapsulate/raw/aes:128/bytes:64"]
    assert list(raw.names(row("in", "aes128cbc-sha256", 1400))) == ["decapsulate/raw/aes128cbc-sha256/bytes:1400"]
    assert raw.names(row("in", "chacha20poly1305", "imix"))["decapsulate/raw/chacha20poly1305/bytes:512"] == 512


def result(fault="", debians_io=None):
    cycles = {compare.IO: [30, 32, 34], compare.RAW: [80, 80, 80], sallyport.NAME: [150, 160, 140], secgw.NAME: [300, 240, 240]}
    if debians_io:
        cycles[compare.DEBIAN_IO] = debians_io
    return compare.Result(row("out"), cycles, fault)


def test_ratios_are_of_medians_and_overheads_above_io_and_crypto():
    line = report.line_of(result())
    assert (line.ours, line.peer, line.ratio, line.gate) == (150, 240, 1.6, 1.55)
    assert (line.io, line.overhead, line.peer_overhead) == (32, 38, 128)
    assert line.ours_spread == pytest.approx(20 / 150)


def test_the_other_ciphers_are_to_be_not_slower():
    assert [report.gate_of(row("out", cipher, 1400)) for cipher in plan.CIPHERS] == [1.35, 1.35, 1.0, 1.0]


def test_our_io_is_the_one_of_the_dpdk_that_ours_runs_on():
    line = report.line_of(result(debians_io=[40, 41, 42]))
    assert (line.io, line.overhead, line.peer_overhead) == (41, 29, 128)
    native, debian = ([row_of.split("|")[2].split() for row_of in report.compared_table([one])]
                      for one in (result(), result(debians_io=[40, 41, 42])))
    assert native == [["I/O", "raw"], ["32", "80"]]
    assert debian == [["I/O", "peer's", "raw"], ["41", "32", "80"]]


OUTER_PC = """prefix=/opt/dpdk
libdir=${prefix}/lib

Name: DPDK
Version: 22.11.11
Requires: libdpdk-libs, libbsd
Requires.private: libpcap
Libs.private: -Wl,--whole-archive -L${libdir} -l:librte_eal.a -Wl,--no-whole-archive
Cflags: -I${includedir}
"""
INNER_PC = """Libs: -Wl,--as-needed -L${libdir} -lrte_eal
Libs.private: -pthread -lpcap
Cflags: -I${includedir} -include rte_config.h -march=native
"""


def test_pkg_config_finds_archives_and_no_shared_dpdk():
    lines = dpdk_build.static_pc(OUTER_PC, INNER_PC).splitlines()
    assert lines[:2] == ["prefix=/opt/dpdk", "libdir=${prefix}/lib"]
    assert {"Version: 22.11.11", "Requires: libbsd, libpcap", "Cflags: -I${includedir} -include rte_config.h -march=native",
            "Libs: -Wl,--whole-archive -L${libdir} -l:librte_eal.a -Wl,--no-whole-archive -pthread -lpcap"} <= set(lines)


def test_reports_name_rows_without_a_figure():
    results = [result(), result("it drops\nfor a reason")]
    many = [result(), result(), result()]
    many[0].cycles[sallyport.NAME], many[1].cycles[sallyport.NAME] = [100, 99, 101], [128, 128, 128]
    table = report.text(["heading"], results, [many, (result(), result("it starves"), result())])
    assert "1.60  1.71  1.55 holds" in table and "no figure: it drops" in table
    assert "1.50   1.17   1.25 short" in table and "no figure: it starves" in table
    assert len(report.csv_text(results, [many]).splitlines()) == 1 + 5 * 12
    assert plot.svg(results).count("1.60x") == 1


def test_the_shared_state_is_read_as_its_header_says(tmp_path):
    workers, offset = 2, 128
    port_offset = offset + workers * sallyport.WORKER_BYTES
    data = bytearray(port_offset + 64 * workers * sallyport.PORT_BYTES)
    sallyport.HEADER.pack_into(data, 0, sallyport.MAGIC, sallyport.VERSION, workers, 1024, 64, offset, port_offset, 0, 0, len(data))
    for worker in range(workers):
        struct.pack_into("<Q", data, offset + worker * sallyport.WORKER_BYTES + sallyport.DROPS_OFFSET + 8 * 19, 5)  # kReplay
        struct.pack_into("<Q", data, port_offset + (sallyport.WAN_PORT * workers + worker) * sallyport.PORT_BYTES, 100)
        struct.pack_into("<Q", data, port_offset + (sallyport.LAN_PORT * workers + worker) * sallyport.PORT_BYTES + 16, 90)
    (tmp_path / "state").write_bytes(data)
    state = sallyport.SharedState(tmp_path / "state")
    read = state.counters(sallyport.WAN_PORT, sallyport.LAN_PORT)
    state.close()
    assert (read.received, read.transmitted, read.drops["replay"], sum(read.drops.values())) == (200, 180, 10, 10)
