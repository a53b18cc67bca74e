# SPDX-License-Identifier: BSD-3-Clause
"""Reads and writes our ESP with other people's code: Scapy, tshark, and the keys that charon itself logged."""

import re
import struct
import time

from scapy.all import IP, load_contrib  # noqa: F401
from scapy.layers.ipsec import ESP, SecurityAssociation

from .shell import run


def logged_keys(path):
    """Every CHILD_SA encryption key (with its salt) in a charon log of `chd = 4`, oldest first."""
    keys, current, wanted = [], bytearray(), 0
    for line in path.read_text(errors="replace").splitlines():
        head = re.search(r"encryption (?:initiator|responder) key => (\d+) bytes", line)
        row = re.search(r"\s\d+: ((?:[0-9A-F]{2} ?)+)", line)
        if head:
            current, wanted = bytearray(), int(head[1])
        elif row and wanted:
            current += bytes.fromhex(row[1])
            if len(current) >= wanted:
                keys.append(bytes(current[:wanted]))
                wanted = 0
    return keys


def association(key, spi, esn, sequence=1, tunnel=None):
    return SecurityAssociation(ESP, spi=spi, seq_num=sequence, crypt_algo="AES-GCM", crypt_key=key, tunnel_header=tunnel,
                               esn_en=esn, esn=0)


def decrypt(key, outer, esn):
    """The inner packet of an ESP packet (Scapy's IP) with this key; raises when the ICV doesn't verify."""
    return association(key, outer[ESP].spi, esn, tunnel=IP(src=outer.src, dst=outer.dst)).decrypt(outer.copy(), esn_en=esn, esn=0)


def find_key(keys, outer, esn):
    """The one key whose ICV verifies this packet."""
    for key in keys:
        try:
            decrypt(key, outer, esn)
        except Exception:  # Scapy raises several kinds
            continue
        return key
    raise AssertionError(f"none of {len(keys)} keys of charon's log verifies SPI {outer[ESP].spi:#x}")


def tshark_decode(path, keys_by_spi, *fields):
    """What Wireshark's dissector says of the packets inside, one row of fields per ESP packet."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_null_encryption_decode_heuristic:FALSE"]
    for spi, key in keys_by_spi.items():
        options += ["-o", f'uat:esp_sa:"IPv4","*","*","0x{spi:08x}","AES-GCM with 16 octet ICV [RFC4106]","0x{key.hex()}","NULL",""']
    wanted = [word for field in fields for word in ("-e", field)]
    text = run("tshark", "-n", "-r", path, *options, "-Y", "esp", "-T", "fields", *wanted, timeout_s=120).stdout
    return [line.split("\t") for line in text.splitlines()]


SEND = """
import sys
from scapy.all import Ether, IP, sendp
sendp(bytes.fromhex(sys.argv[2]), iface=sys.argv[1], verbose=False)
"""


def send_frame(namespace, interface, frame):
    namespace.run("/usr/bin/python3", "-c", SEND, interface, bytes(frame).hex())
    time.sleep(0.3)


def sequence_of(esp_bytes):
    return struct.unpack_from(">I", esp_bytes, 4)[0]
