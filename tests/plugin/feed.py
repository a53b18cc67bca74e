# SPDX-License-Identifier: BSD-3-Clause
"""The reader's side of the SA feed, written from vici-bridge/key_message.h: ctypes structures and a reader that
acknowledges and heartbeats on a thread of its own."""

import ctypes
import socket
import threading
import time
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64

MAGIC, VERSION = 0x53504B46, 2
(HELLO, SNAPSHOT_BEGIN, SNAPSHOT_END, SA_ADD, SA_UPDATE, SA_DEL, CHILD_STATE, CHILD_REKEY, IKE_STATE, IKE_REKEY,
 ALERT, SA_EXPIRED) = range(1, 13)
(READER_HELLO, LIVE_SPIS, READER_READY, HEARTBEAT, SA_ACK, STATS, EXPIRE, ACQUIRE, MAPPING, RESYNC,
 SLOT_FREE) = range(64, 75)
SLOT_MASK = (1 << 20) - 1


class Header(ctypes.Structure):
    _fields_ = [("magic", c_uint32), ("version", c_uint16), ("type", c_uint16), ("length", c_uint32),
                ("reserved", c_uint32), ("number", c_uint64)]


class Address(ctypes.Structure):
    _fields_ = [("family", c_uint8), ("reserved", c_uint8 * 3), ("port", c_uint16), ("reserved2", c_uint16),
                ("bytes", c_uint8 * 16)]

    def text(self):
        return socket.inet_ntop(*((socket.AF_INET, bytes(self.bytes)[:4]) if self.family == 4 else
                                  (socket.AF_INET6, bytes(self.bytes))))


class Selector(ctypes.Structure):
    _fields_ = [("family", c_uint8), ("protocol", c_uint8), ("port_from", c_uint16), ("port_to", c_uint16),
                ("reserved", c_uint16), ("first", c_uint8 * 16), ("last", c_uint8 * 16)]

    def text(self):
        family, length = (socket.AF_INET, 4) if self.family == 4 else (socket.AF_INET6, 16)
        ends = [socket.inet_ntop(family, bytes(end)[:length]) for end in (self.first, self.last)]
        return "-".join(ends)


class Hello(ctypes.Structure):
    _fields_ = [("header", Header), ("instance", c_uint8 * 16), ("strongswan_version", c_char * 32)]


class Sa(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("slot", c_uint32), ("reqid", c_uint32),
                ("child_id", c_uint32), ("ike_id", c_uint32), ("replay_window", c_uint32), ("inbound", c_uint8),
                ("tunnel_mode", c_uint8), ("encap", c_uint8), ("esn", c_uint8), ("installed", c_uint8),
                ("copy_df", c_uint8), ("copy_ecn", c_uint8), ("dscp_mode", c_uint8), ("encryption", c_uint16),
                ("encryption_key_length", c_uint16), ("integrity", c_uint16), ("integrity_key_length", c_uint16),
                ("encryption_key_", c_uint8 * 64), ("integrity_key_", c_uint8 * 64), ("local", Address),
                ("remote", Address), ("soft_seconds", c_uint64), ("hard_seconds", c_uint64),
                ("soft_bytes", c_uint64), ("hard_bytes", c_uint64), ("soft_packets", c_uint64),
                ("hard_packets", c_uint64), ("ike_name", c_char * 96), ("child_name", c_char * 96),
                ("local_id", c_char * 128), ("remote_id", c_char * 128), ("local_selectors", c_uint16),
                ("remote_selectors", c_uint16), ("reserved", c_uint32)]

    def key(self):
        return bytes(self.encryption_key_)[:self.encryption_key_length]

    def keys(self):
        return self.key(), bytes(self.integrity_key_)[:self.integrity_key_length]


class SaUpdate(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("slot", c_uint32), ("inbound", c_uint8), ("encap", c_uint8),
                ("reserved", c_uint8 * 6), ("local", Address), ("remote", Address)]


class SaDel(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("slot", c_uint32), ("inbound", c_uint8),
                ("reserved", c_uint8 * 7), ("remote", Address)]


class ChildEvent(ctypes.Structure):
    _fields_ = [("header", Header), ("ike_id", c_uint32), ("child_id", c_uint32), ("other_id", c_uint32),
                ("reqid", c_uint32), ("inbound_spi", c_uint32), ("outbound_spi", c_uint32), ("state", c_uint32),
                ("state_name", c_char * 32), ("ike_name", c_char * 96), ("child_name", c_char * 96)]


class IkeEvent(ctypes.Structure):
    _fields_ = [("header", Header), ("ike_id", c_uint32), ("other_id", c_uint32), ("state", c_uint32),
                ("initiator", c_uint8), ("version", c_uint8), ("reserved", c_uint8 * 2), ("state_name", c_char * 32),
                ("ike_name", c_char * 96), ("local_id", c_char * 128), ("remote_id", c_char * 128),
                ("local", Address), ("remote", Address), ("initiator_spi", c_uint64), ("responder_spi", c_uint64)]


class Alert(ctypes.Structure):
    _fields_ = [("header", Header), ("alert", c_uint32), ("count", c_uint32), ("ike_id", c_uint32),
                ("reserved", c_uint32), ("ike_name", c_char * 96),
                ("local_id", c_char * 128), ("remote_id", c_char * 128), ("local", Address), ("remote", Address),
                ("detail", c_char * 512)]


class SaExpired(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("slot", c_uint32), ("inbound", c_uint8), ("hard", c_uint8),
                ("reserved", c_uint8 * 6)]


class ReaderHello(ctypes.Structure):
    _fields_ = [("header", Header), ("workers", c_uint32), ("slots", c_uint32)]


class SaAck(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("slot", c_uint32), ("inbound", c_uint8),
                ("refused", c_uint8), ("reserved", c_uint8 * 6)]


class SaStats(ctypes.Structure):
    _fields_ = [("spi", c_uint32), ("slot", c_uint32), ("inbound", c_uint8), ("reserved", c_uint8 * 7),
                ("packets", c_uint64), ("bytes", c_uint64), ("last_use", c_uint64)]


class Expire(ctypes.Structure):
    _fields_ = SaExpired._fields_


class Acquire(ctypes.Structure):
    _fields_ = [("header", Header), ("reqid", c_uint32), ("reserved", c_uint32)]


class Mapping(ctypes.Structure):
    _fields_ = [("header", Header), ("spi", c_uint32), ("reserved", c_uint32), ("remote", Address)]


TYPES = {HELLO: Hello, SNAPSHOT_BEGIN: Header, SNAPSHOT_END: Header, SA_ADD: Sa, SA_UPDATE: SaUpdate, SA_DEL: SaDel,
         CHILD_STATE: ChildEvent, CHILD_REKEY: ChildEvent, IKE_STATE: IkeEvent, IKE_REKEY: IkeEvent, ALERT: Alert,
         SA_EXPIRED: SaExpired}


def header(kind, length):
    return Header(magic=MAGIC, version=VERSION, type=kind, length=length)


def counted(kind, item_bytes, count):
    """A message whose header is followed by a count, and then by that many items."""
    length = ctypes.sizeof(Header) + 8 + len(item_bytes)
    return bytes(header(kind, length)) + count.to_bytes(4, "little") + bytes(4) + item_bytes


def spis_message(kind, spis):
    return counted(kind, b"".join(spi.to_bytes(4, "little") for spi in spis), len(spis))


class Reader:
    """Connects, greets, and from then on acknowledges every SA_ADD; what arrives is kept in `messages`."""

    def __init__(self, path, workers=2, slots=1024, live=(), greet=True, ack=True, heartbeat=True, refuse=False):
        self.ack, self.heartbeat, self.refuse = ack, heartbeat, refuse
        self.pause_s = 0.0  # without a heartbeat, from each inbound SA on
        self.messages, self.closed, self.broken = [], False, None
        self.changed = threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))
        self.sas = {}
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._beat)]
        if greet:
            self.send(READER_HELLO, ReaderHello(workers=workers, slots=slots))
            if live:
                self.socket.send(spis_message(LIVE_SPIS, live))
            self.send(READER_READY)
        else:
            self.heartbeat = False
        for thread in self.threads:
            thread.start()

    def send(self, kind, message=None):
        message = message or Header()
        head = header(kind, ctypes.sizeof(message))
        self.socket.send(bytes(head) + bytes(message)[ctypes.sizeof(Header):])

    def stats(self, entries):
        self.socket.send(counted(STATS, b"".join(bytes(entry) for entry in entries), len(entries)))

    def _beat(self):
        while not self.closed:
            if self.heartbeat:
                try:
                    self.send(HEARTBEAT)
                except OSError:
                    return
            time.sleep(0.01)

    def _read(self):
        while True:
            try:
                data = self.socket.recv(8192)
            except OSError:
                data = b""
            if not data:
                with self.changed:
                    self.closed = True
                    self.changed.notify_all()
                return
            try:
                self._take(data)
            except OSError:
                pass  # the plugin went while we answered: the next recv says so
            except Exception as error:  # for the thread that waits
                self.broken = error

    def _take(self, data):
        head = Header.from_buffer_copy(data)
        assert (head.magic, head.version, head.length) == (MAGIC, VERSION, len(data))
        message = TYPES[head.type].from_buffer_copy(data)
        message.at, message.data = time.monotonic(), data
        with self.changed:
            expected = 1 + len(self.messages)
            self.messages.append((head.type, message))
            assert head.number == expected, f"message {head.number}, expected {expected}"
            if head.type == SA_ADD:
                self.sas[(message.spi, bool(message.inbound))] = message
            elif head.type == SA_DEL:
                self.sas.pop((message.spi, bool(message.inbound)), None)
            if head.type == SA_ADD and self.ack:  # before anybody is told, so that what a test then sends comes later
                self.send(SA_ACK, SaAck(spi=message.spi, slot=message.slot, inbound=message.inbound, refused=self.refuse))
            self.changed.notify_all()
        if head.type == SA_ADD and message.inbound and self.pause_s:
            self.heartbeat = False
            time.sleep(self.pause_s)
            self.heartbeat = True

    def wait(self, condition, timeout=5.0):
        """Waits until condition(self) is true and returns its value."""
        end = time.monotonic() + timeout
        with self.changed:
            while not (value := condition(self)):
                if self.broken:
                    raise self.broken
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError("the feed did not bring what was waited for; it brought types "
                                         f"{[kind for kind, _ in self.messages]}")
            return value

    def of(self, kind):
        with self.changed:
            return [message for a_kind, message in self.messages if a_kind == kind]

    def adds(self, inbound):
        return [sa for sa in self.of(SA_ADD) if bool(sa.inbound) == inbound]

    def close(self):
        self.closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        for thread in self.threads:
            thread.join(2)
        if self.broken:
            raise self.broken


def selectors(sa):
    """The local and the remote selectors of an SA_ADD, as text."""
    at = ctypes.sizeof(Sa)
    all_of_them = [Selector.from_buffer_copy(sa.data, at + i * ctypes.sizeof(Selector)).text()
                   for i in range(sa.local_selectors + sa.remote_selectors)]
    return all_of_them[:sa.local_selectors], all_of_them[sa.local_selectors:]
