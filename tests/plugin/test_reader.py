# SPDX-License-Identifier: BSD-3-Clause
"""Readers come, go and misbehave."""

import ctypes
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

import feed
from test_install import establish


def names(reader):
    return [(sa.spi, sa.slot, sa.inbound, sa.key()) for sa in reader.of(feed.SA_ADD)]


def test_hello_and_empty_snapshot(lab, connect):
    reader = connect(lab.a)
    assert [kind for kind, _ in reader.messages] == [feed.HELLO, feed.SNAPSHOT_BEGIN, feed.SNAPSHOT_END]
    assert reader.of(feed.HELLO)[0].strongswan_version == b"5.9.8"
    mode = os.stat(lab.a.feed).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_snapshot_is_complete_and_the_newest_reader_wins(lab, connect):
    a, _ = establish(lab, connect)
    lab.a.rekey()
    a.wait(lambda r: len(r.of(feed.SA_DEL)) == 2)
    again = connect(lab.a)
    a.wait(lambda r: r.closed)
    kept = [sa for sa in names(a) if (sa[0], bool(sa[2])) in a.sas]
    assert names(again) == kept and len(kept) == 2
    assert all(sa.installed == 1 for sa in again.of(feed.SA_ADD))
    kinds = [kind for kind, _ in again.messages]
    assert kinds == [feed.HELLO, feed.SNAPSHOT_BEGIN, feed.SA_ADD, feed.SA_ADD, feed.SNAPSHOT_END]
    assert "INSTALLED" in lab.a.swanctl("--list-sas")


def test_never_acknowledged_is_not_installed(lab, connect):
    a, b = connect(lab.a, ack=False), connect(lab.b)
    lab.a.load()
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel")
    again = connect(lab.a)
    assert [sa.installed for sa in again.of(feed.SA_ADD)] == [0, 0]


def test_resync(lab, connect):
    a, _ = establish(lab, connect)
    before = names(a)
    a.send(feed.RESYNC)
    a.wait(lambda r: len(r.of(feed.SNAPSHOT_END)) == 2)
    assert names(a)[len(before):] == before
    assert [sa.installed for sa in a.of(feed.SA_ADD)] == [0, 0, 1, 1]


HEADER_BYTES = ctypes.sizeof(feed.Header)
BAD = {
    "nothing of ours": b"x" * 40,
    "too short for a header": bytes(feed.header(feed.HEARTBEAT, HEADER_BYTES))[:10],
    "another version": bytes(feed.Header(magic=feed.MAGIC, version=9, type=feed.HEARTBEAT, length=HEADER_BYTES)),
    "a wrong length": bytes(feed.header(feed.HEARTBEAT, HEADER_BYTES + 1)),
    "an unknown type": bytes(feed.header(999, HEADER_BYTES)),
    "a type of the other direction": bytes(feed.header(feed.SA_ADD, HEADER_BYTES)),
    "a cut acknowledgement": bytes(feed.header(feed.SA_ACK, HEADER_BYTES)),
    "a heartbeat with more behind it": bytes(feed.header(feed.HEARTBEAT, HEADER_BYTES + 4)) + bytes(4),
    "more items than there are": feed.counted(feed.LIVE_SPIS, bytes(8), 3),
    "too many items": feed.counted(feed.LIVE_SPIS, bytes(4 * 1025), 1025),
    "a count that overflows": feed.counted(feed.STATS, b"", 0xFFFFFFFF),
    "a second hello": bytes(feed.header(feed.READER_HELLO, HEADER_BYTES + 8)) + bytes([1, 0, 0, 0, 1, 0, 0, 0]),
    "a mapping to nowhere": bytes(feed.header(feed.MAPPING, HEADER_BYTES + 32)) + bytes(32),
    "a message too long": bytes(feed.header(feed.STATS, 9000)) + bytes(9000 - HEADER_BYTES),
}


def test_bad_messages_end_the_connection(lab, connect):
    for bad in BAD:
        dropped = lab.a.log().count("SA feed: reader dropped")
        reader = connect(lab.a)
        reader.heartbeat = False
        time.sleep(0.03)
        reader.socket.send(BAD[bad])
        try:
            reader.wait(lambda r: r.closed)
        except AssertionError:
            pytest.fail(f"{bad} was not refused")
        time.sleep(0.05)
        assert lab.a.log().count("SA feed: reader dropped") == dropped + 1, bad
    assert connect(lab.a).of(feed.SNAPSHOT_END)  # charon is well


def test_bad_greetings(lab, connect):
    for bad in (feed.ReaderHello(workers=0, slots=4), feed.ReaderHello(workers=1, slots=0),
                feed.ReaderHello(workers=5000, slots=4), feed.ReaderHello(workers=1, slots=2 << 20)):
        reader = connect(lab.a, greet=False)
        reader.send(feed.READER_HELLO, bad)
        reader.wait(lambda r: r.closed)
    reader = connect(lab.a, greet=False)
    reader.send(feed.HEARTBEAT)
    reader.wait(lambda r: r.closed)
    lab.a.wait_log("a message before READER_HELLO")


def test_only_root_may_read(lab):
    os.chmod(lab.dir, 0o755)
    os.chmod(lab.a.dir, 0o755)
    os.chmod(lab.a.feed, 0o666)  # so that it is the credentials that are checked
    code = ("import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1])\n"
            "s.settimeout(5); sys.exit(len(s.recv(8192)))")
    assert subprocess.run([sys.executable, "-c", code, str(lab.a.feed)]).returncode == 0
    lab.a.wait_log("refused a reader that is not root (uid 65534)")


def test_a_reader_that_does_not_read_blocks_nobody(lab, connect):
    """Its socket fills up; the tunnel of the other reader's side still comes up and goes down quickly."""
    lab.a.load()
    lab.b.load()
    connect(lab.a)
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(str(lab.b.feed))
    head = feed.header(feed.READER_HELLO, HEADER_BYTES + 8)
    deaf.send(bytes(head) + bytes([2, 0, 0, 0, 0, 4, 0, 0]))
    deaf.send(bytes(feed.header(feed.READER_READY, HEADER_BYTES)))
    for _ in range(20):
        deaf.send(bytes(feed.header(feed.HEARTBEAT, HEADER_BYTES)))
        begin = time.monotonic()
        lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
        lab.a.swanctl("--terminate", "--ike", "tunnel", check=False)
        assert time.monotonic() - begin < 1.0
    deaf.close()
    assert "completed" in (connect(lab.b) and lab.a.swanctl("--initiate", "--child", "tunnel"))


def test_a_killed_charon_starts_again_on_its_socket(lab, connect):
    connect(lab.a)
    lab.a.stop(9)
    lab.a.start()
    assert connect(lab.a).of(feed.HELLO)


def test_terminated_charon_deletes_what_it_had(lab, connect):
    a, b = establish(lab, connect)
    lab.a.stop()
    a.wait(lambda r: r.closed)
    assert a.sas == {} and len(a.of(feed.SA_DEL)) == 2
    b.wait(lambda r: r.sas == {})
    assert not lab.a.feed.exists()
