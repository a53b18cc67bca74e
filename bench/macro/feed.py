# SPDX-License-Identifier: BSD-3-Clause
"""Makes the packets that both gateways receive, as a pcap file that net_pcap repeats for ever.

A size is the length of the inner IP packet: it is what the cipher sees but for the trailer, the same in both directions,
and what bench_esp calls a size. Every SA occurs equally often, in random order; the order is the same in every run.
Inbound packets are encrypted here with python3-cryptography."""
import random
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import scene

IPV4, UDP, ESP, IPIP = 0x0800, 17, 50, 4
PCAP_HEADER = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
MIN_PACKETS = 512  # as many as a NIC's ring holds, and few enough for the second-level cache
SEED = 4303


def ipv4(source, destination, protocol, payload):
    """An IPv4 packet, TTL 64, DF clear."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source.packed, destination.packed)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:] + payload


def udp_packet(source, destination, size, fill):
    """`size`: of the whole IP packet. The UDP checksum is left out, as RFC 768 allows."""
    data = bytes((fill + i) & 0xff for i in range(16)) * (size // 16 + 1)
    datagram = struct.pack(">HHHH", 1024 + fill % 32768, 5001, size - 20, 0) + data[:size - 28]
    return ipv4(source, destination, UDP, datagram)


def seal(inner, cipher_key, salt, spi, sequence):
    """ESP in tunnel mode with AES-GCM-16 and no ESN (RFC 4106), from the peer to us."""
    pad = -(len(inner) + 2) % 4
    text = inner + bytes(range(1, pad + 1)) + bytes((pad, IPIP))
    head = struct.pack(">II", spi, sequence)
    iv = struct.pack(">Q", sequence)
    sealed = AESGCM(cipher_key).encrypt(salt + iv, text, head)
    return ipv4(scene.PEER_ADDRESS, scene.WAN_ADDRESS, ESP, head + iv + sealed)


def plan(row):
    """[(SA, inner bytes)] in the order of the feed."""
    chance = random.Random(SEED)
    sas = [i % row.sas for i in range(row.packets)]
    chance.shuffle(sas)
    if row.size != "imix":
        return [(sa, row.size) for sa in sas]
    mix = [size for count, size in scene.IMIX for _ in range(count)]
    sizes = []
    while len(sizes) < row.packets:
        chance.shuffle(mix)
        sizes += mix
    return list(zip(sas, sizes))


def packets_for(sas, size):
    """How long a feed is: every SA at least once, and whole dozens of an IMIX."""
    packets = max(MIN_PACKETS, sas)
    return -(-packets // 12) * 12 if size == "imix" else packets


def frames(row):
    """The Ethernet frames, one after the other."""
    ethernet = scene.FEED_PORT_MAC + scene.FEED_SOURCE_MAC + struct.pack(">H", IPV4)
    sequences = [0] * row.sas
    for sa, size in plan(row):
        remote = scene.remote_address(sa)
        if row.direction == "out":
            yield ethernet + udp_packet(scene.LAN_HOST, remote, size, sa)
            continue
        sequences[sa] += 1
        inner = udp_packet(remote, scene.LAN_HOST, size, sa)
        yield ethernet + seal(inner, scene.key(sa, row.cipher), scene.salt(sa), scene.spi(sa), sequences[sa])


def write_pcap(path, row):
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for number, frame in enumerate(frames(row)):
            file.write(struct.pack("<IIII", 0, number, len(frame), len(frame)) + frame)
