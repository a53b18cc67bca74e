# SPDX-License-Identifier: BSD-3-Clause
"""No reader, no SPI; and no slot that the dataplane holds or that has not rested is given away."""

import time

import pytest

import feed
from test_install import establish

REST_S = 10


def initiate(lab):
    return lab.a.swanctl("--initiate", "--child", "tunnel", check=False)


def load(lab, **options):
    lab.a.load(**options)
    lab.b.load(**options)


def test_no_reader_no_tunnel(lab, connect):
    load(lab)
    connect(lab.a)
    assert "failed" in initiate(lab)
    lab.b.wait_log("no SPI: sallyportd is not there")
    connect(lab.b)
    assert "completed successfully" in initiate(lab)


def test_a_reader_that_is_not_ready_is_none(lab, connect):
    load(lab)
    connect(lab.a)
    b = connect(lab.b, greet=False)
    b.send(feed.READER_HELLO, feed.ReaderHello(workers=1, slots=16))
    b.wait(lambda r: r.of(feed.SNAPSHOT_END))
    assert "failed" in initiate(lab)
    b.send(feed.READER_READY)
    b.heartbeat = True
    assert "completed successfully" in initiate(lab)


def test_live_slots_of_the_dataplane_are_never_taken(lab, connect):
    """Slots 0 to 2 hold orphans of a charon that died; 3 is free."""
    load(lab)
    orphans = [0x00300000, 0x12300001, 0xFFF00002]
    b = connect(lab.b, workers=1, slots=4, live=orphans)
    connect(lab.a)
    initiate(lab)
    (sa,) = b.adds(True)
    assert sa.slot == 3
    lab.a.rekey()
    lab.b.wait_log("no SPI: the dataplane has no free slot")
    b.socket.send(feed.spis_message(feed.SLOT_FREE, orphans[1:2]))
    lab.a.rekey()
    b.wait(lambda r: len(r.adds(True)) == 2)
    assert b.adds(True)[1].slot == 1 and b.adds(True)[1].spi != orphans[1]


def test_a_freed_slot_rests(lab, connect):
    load(lab)
    b = connect(lab.b, workers=1, slots=1)
    connect(lab.a)
    assert "completed successfully" in initiate(lab)
    (first,) = b.adds(True)
    lab.a.swanctl("--terminate", "--ike", "tunnel")
    b.wait(lambda r: len(r.of(feed.SA_DEL)) == 2)
    deleted = time.monotonic()
    b.socket.send(feed.spis_message(feed.SLOT_FREE, [first.spi]))
    assert "failed" in initiate(lab)
    lab.a.swanctl("--terminate", "--ike", "tunnel", check=False)
    time.sleep(max(0.0, deleted + REST_S + 0.3 - time.monotonic()))
    assert "completed successfully" in initiate(lab)
    second = b.adds(True)[-1]
    assert second.slot == first.slot == 0 and second.spi != first.spi


@pytest.mark.parametrize("workers", [1, 3])
def test_tunnels_are_spread_over_the_workers(lab, connect, workers):
    a, b = connect(lab.a, workers=workers), connect(lab.b, workers=workers)
    for number in range(2 * workers):
        name, ids = f"tunnel-{number}", (f"a{number}.example", f"b{number}.example")
        lab.a.load(name=name, local_id=ids[0], remote_id=ids[1])
        lab.b.load(name=name, local_id=ids[1], remote_id=ids[0])
        lab.a.swanctl("--initiate", "--child", name)
    for reader in (a, b):
        reader.wait(lambda r: len(r.adds(False)) == 2 * workers)
        homes = [sa.slot % workers for sa in reader.adds(True)]
        assert sorted(homes) == sorted(2 * list(range(workers)))


def test_restarted_charon_gives_no_old_spi(lab, connect):
    a, b = establish(lab, connect)
    live = [sa.spi for sa in b.adds(True)]
    lab.b.stop(9)
    b.wait(lambda r: r.closed)
    lab.b.start()
    lab.b.load()
    again = connect(lab.b, live=live)
    assert bytes(again.of(feed.HELLO)[0].instance) != bytes(b.of(feed.HELLO)[0].instance)
    assert again.of(feed.SA_ADD) == []
    lab.b.swanctl("--initiate", "--child", "tunnel")
    assert again.adds(True)[0].slot != b.adds(True)[0].slot
