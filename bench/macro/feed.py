# SPDX-License-Identifier: BSD-3-Clause
"""Makes the packets that both gateways receive, as a pcap file that net_pcap repeats for ever.

A size is the length of the inner IP packet: it is what the cipher sees but for the trailer, the same in both directions,
and what bench_esp calls a size. Every SA occurs equally often, or every host behind the only one, in random order; the order is the same in every run.
Inbound packets are encrypted here with python3-cryptography."""
import hashlib
import hmac
import random
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

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


def seal_combined(algorithm, salt, head, sequence, text):
    """IV, ciphertext and ICV of AES-GCM-16 (RFC 4106) or ChaCha20-Poly1305 (RFC 7634)."""
    iv = struct.pack(">Q", sequence)
    return iv + algorithm.encrypt(salt + iv, text, head)


def seal_cbc(cipher_key, integrity_key, head, sequence, text):
    """The same of AES-CBC (RFC 3602) with HMAC-SHA2-256-128 (RFC 4868). The IV is a number: secrets there are none here."""
    iv = struct.pack(">QQ", 0, sequence)
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    sealed = iv + encryptor.update(text) + encryptor.finalize()
    return sealed + hmac.digest(integrity_key, head + sealed, hashlib.sha256)[:16]


def seal(inner, cipher, sa, sequence):
    """ESP in tunnel mode without ESN, from the peer to us."""
    pad = -(len(inner) + 2) % scene.CIPHERS[cipher].align_bytes
    text = inner + bytes(range(1, pad + 1)) + bytes((pad, IPIP))
    head = struct.pack(">II", scene.spi(sa), sequence)
    key = scene.key(sa, cipher)
    if cipher == "aes128cbc-sha256":
        sealed = seal_cbc(key, scene.integrity_key(sa, cipher), head, sequence, text)
    else:
        algorithm = AESGCM(key) if cipher in scene.GCM else ChaCha20Poly1305(key)
        sealed = seal_combined(algorithm, scene.salt(sa, cipher), head, sequence, text)
    return ipv4(scene.PEER_ADDRESS, scene.WAN_ADDRESS, ESP, head + sealed)


def plan(row):
    """[(SA or host, inner bytes)] in the order of the feed."""
    chance = random.Random(SEED)
    sites = [i % max(row.sas, row.hosts) for i in range(row.packets)]
    chance.shuffle(sites)
    if row.size != "imix":
        return [(site, row.size) for site in sites]
    mix = [size for count, size in scene.IMIX for _ in range(count)]
    sizes = []
    while len(sizes) < row.packets:
        chance.shuffle(mix)
        sizes += mix
    return list(zip(sites, sizes))


def packets_for(sas, size):
    """How long a feed is: every SA at least once, and whole dozens of an IMIX."""
    packets = max(MIN_PACKETS, sas)
    return -(-packets // 12) * 12 if size == "imix" else packets


def frames(row):
    """The Ethernet frames, one after the other."""
    ethernet = scene.FEED_PORT_MAC + scene.FEED_SOURCE_MAC + struct.pack(">H", IPV4)
    sequences = [0] * row.sas
    for site, size in plan(row):
        remote = scene.remote_address(site)
        if row.direction == "out":
            yield ethernet + udp_packet(scene.LAN_HOST, remote, size, site)
            continue
        sa = site if row.hosts == 1 else 0
        sequences[sa] += 1
        inner = udp_packet(remote, scene.LAN_HOST, size, site)
        yield ethernet + seal(inner, row.cipher, sa, sequences[sa])


def write_pcap(path, row):
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for number, frame in enumerate(frames(row)):
            file.write(struct.pack("<IIII", 0, number, len(frame), len(frame)) + frame)
