# SPDX-License-Identifier: BSD-3-Clause
"""Runs DPDK's ipsec-secgw for one row, as fast as it gets on virtual devices. Its options were found by measuring (64, 512
and 1400 bytes, 1 and 1000 SAs, both directions):

- Its own packet path, not librte_ipsec's (-l): level with one SA; with 1000 in random order librte_ipsec costs a quarter
  more, because it works SA by SA, and cpu-crypto sessions, which need it, a third more.
- The crypto_aesni_gcm device for AES-GCM: crypto_aesni_mb costs 5% to 17% more. The other ciphers only crypto_aesni_mb has.
- ChaCha20-Poly1305 with librte_ipsec: its own path doesn't know it. librte_ipsec wants a policy for each SA inbound, too;
  cpu-crypto sessions are level here.
- A crypto queue of 64 (--desc-nb) stays in the first-level cache: 2% to 4% faster than its default of 2048 with AES-GCM,
  level with the others; with 32 it loses packets. The SA cache (-c) holds all SAs: 10% faster with 1000. A larger SIMD width
  than DPDK's default makes it slower.
- Replay window 0, no ESN. Poll mode, because event mode takes only protocol offload; it polls only the feed's port.
- Outbound: a policy for each SA, since nothing else says which SA a packet takes. --single-sa would save that lookup (10%
  at 64 bytes) but chooses nothing. Inbound: no policies, which lets pass what an SA for any address would; with a policy
  to check for each SA it costs 10% more at 64 bytes.
- As many buffers (-s) as the feed has packets, and 8192.
"""
import pathlib

from . import devices, scene
from .telemetry import DpdkProgram

NAME = "ipsec-secgw"
PREFIX = "compare-secgw"
BUFFERS_BESIDE_FEED = 8192
CRYPTO_QUEUE = 64
AEADS = {"aes128gcm16": "aes-128-gcm", "aes256gcm16": "aes-256-gcm", "chacha20poly1305": "chacha20-poly1305"}
MAX_SAS = 1000  # it has policies and routes for about as many


def algorithm(sa, cipher):
    """The words of an SA's line. ipsec-secgw's sha256-hmac has the 16-byte ICV of RFC 4868."""
    key = (scene.key(sa, cipher) + scene.salt(sa, cipher)).hex(":")
    if cipher == "aes128cbc-sha256":
        return f"cipher_algo aes-128-cbc cipher_key {key} auth_algo sha256-hmac auth_key {scene.integrity_key(sa, cipher).hex(':')}"
    return f"aead_algo {AEADS[cipher]} aead_key {key}"


def configuration(row):
    """Its file: SAs, the policies that choose among them outbound, one route."""
    outbound = row.direction == "out"
    side = "out" if outbound else "in"
    source, destination = scene.WAN_ADDRESS, scene.PEER_ADDRESS
    if not outbound:
        source, destination = destination, source
    lines = []
    for sa in range(row.sas):
        if outbound or packet_path(row.cipher):
            lines.append(f"sp ipv4 {side} esp protect {scene.spi(sa)} pri 1 {'dst' if outbound else 'src'} {scene.remote_address(sa)}/32 "
                         "sport 0:65535 dport 0:65535")
        lines.append(f"sa {side} {scene.spi(sa)} {algorithm(sa, row.cipher)} mode ipv4-tunnel "
                     f"src {source} dst {destination}")
    inner = f"{scene.PEER_ADDRESS}/32" if outbound else scene.LAN_PREFIX
    lines.append(f"rt ipv4 dst {inner} port {devices.SINK_PORT}")
    return "\n".join(lines) + "\n"


def sa_cache(sas):
    """Room for all of them without two in one place: SPIs are consecutive."""
    return 1 << max(7, (sas + 1).bit_length())


def crypto_device(cipher):
    return "crypto_aesni_gcm0" if cipher in scene.GCM else "crypto_aesni_mb0"


def packet_path(cipher):
    """Its own, which doesn't know ChaCha20-Poly1305, or librte_ipsec's."""
    return ["-l"] if cipher == "chacha20poly1305" else []


def run(program, row, pcap, core, directory):
    """A context; see DpdkProgram."""
    config = pathlib.Path(directory) / "secgw.cfg"
    config.write_text(configuration(row))
    command = [program, *devices.eal_arguments(core, pcap, devices.memory_mb(row.packets), PREFIX),
               "--vdev", crypto_device(row.cipher), "--log-level=lib.eal:debug", "--",
               "-p", "0x3", *packet_path(row.cipher), *(["-u", "0x1"] if row.direction == "in" else []),
               "--config", f"({devices.FEED_PORT},0,{core})", "-f", config, "-w", "0",
               "-s", row.packets + BUFFERS_BESIDE_FEED, "-c", sa_cache(row.sas), "--desc-nb", CRYPTO_QUEUE]
    return DpdkProgram(NAME, command, directory, PREFIX)
