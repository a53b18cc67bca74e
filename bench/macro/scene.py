# SPDX-License-Identifier: BSD-3-Clause
"""The addresses, SAs and keys that the feeds, ipsec-secgw's configuration and load_gateway share, and what one row of the
comparison is. Pure values."""
import dataclasses
import ipaddress

WAN_ADDRESS = ipaddress.IPv4Address("192.0.2.1")
PEER_ADDRESS = ipaddress.IPv4Address("192.0.2.2")
LAN_PREFIX = ipaddress.IPv4Network("198.51.100.0/24")
LAN_HOST = ipaddress.IPv4Address("198.51.100.10")
REMOTE_BASE = ipaddress.IPv4Address("198.18.0.0")
MAX_SAS = 131072  # addresses of 198.18.0.0/15 (RFC 2544)

# net_pcap numbers its ports' MACs from this one where no interface is named, so that it is the receiving port's in every
# process; checked when a gateway has started.
FEED_PORT_MAC = bytes.fromhex("027063617000")
FEED_SOURCE_MAC = bytes.fromhex("020000000001")

# (how many of 12, inner bytes): the simple IMIX, its largest packet small enough to leave in one piece.
IMIX = ((7, 64), (4, 570), (1, 1418))


@dataclasses.dataclass(frozen=True)
class Cipher:
    """How an SA's keys are cut, and how its packets are laid out."""
    name: str
    key_bytes: int
    salt_bytes: int = 4
    integrity_key_bytes: int = 0
    align_bytes: int = 4  # of the ciphertext


CIPHERS = {"aes128gcm16": Cipher("AES-128-GCM", 16), "aes256gcm16": Cipher("AES-256-GCM", 32),
           "aes128cbc-sha256": Cipher("AES-128-CBC+SHA256", 16, salt_bytes=0, integrity_key_bytes=32, align_bytes=16),
           "chacha20poly1305": Cipher("ChaCha20-Poly1305", 32)}
GCM = ("aes128gcm16", "aes256gcm16")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table. `size`: bytes of the inner IP packet, or "imix". `packets`: length of the feed. `hosts`: behind
    the peer of each SA; several only where there is one SA."""
    direction: str  # "out": LAN to WAN, encrypted here; "in": WAN to LAN, decrypted here
    cipher: str
    size: object
    sas: int
    packets: int
    hosts: int = 1

    @property
    def name(self):
        hosts = f", {self.hosts} hosts" if self.hosts > 1 else ""
        return f"{self.direction:3} {CIPHERS[self.cipher].name} {self.size:>4} {self.sas:>6} SAs{hosts}"

    def sizes(self):
        """(share, inner bytes) of the packets, shares summing up to one."""
        if self.size != "imix":
            return ((1.0, self.size),)
        total = sum(count for count, _ in IMIX)
        return tuple((count / total, size) for count, size in IMIX)


def remote_address(site):
    """The inner address of the one host behind SA number `site`, counted from 0; or of that host where one SA leads to all."""
    return REMOTE_BASE + site


def spi(sa):
    """The SPI of both directions; its low 20 bits are the slot."""
    return (0x100 + (sa >> 12 & 0xff)) << 20 | (sa + 1)


def key(sa, cipher):
    return bytes((sa * 7 + k * 31 + 1) & 0xff for k in range(CIPHERS[cipher].key_bytes))


def salt(sa, cipher):
    return sa.to_bytes(4, "big")[:CIPHERS[cipher].salt_bytes]


def integrity_key(sa, cipher):
    return bytes((sa * 11 + k * 17 + 5) & 0xff for k in range(CIPHERS[cipher].integrity_key_bytes))
