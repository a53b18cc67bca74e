# SPDX-License-Identifier: BSD-3-Clause
"""Rekeys: the SAs of a CHILD_SA share a slot, those of a tunnel a home worker, and a failed one harms nothing."""

import threading
import time

import pytest

import feed
from test_install import establish

WORKERS = 2  # as Reader says


def child_count(side):
    return side.swanctl("--list-sas").count("INSTALLED, TUNNEL")


def rekey(side, readers, count):
    """Rekeys from one side and waits until both have `count` SAs of each direction."""
    side.rekey()
    for reader in readers:
        reader.wait(lambda r: len(r.adds(True)) == count and len(r.adds(False)) == count)


def test_pairs_and_home_workers_stay(lab, connect):
    a, b = establish(lab, connect)
    for number, side in enumerate((lab.a, lab.b, lab.a, lab.b)):
        rekey(side, (a, b), number + 2)
        if number == 0:  # an IKE rekey leaves the SAs alone but gives them another IKE_SA
            lab.a.swanctl("--rekey", "--ike", "tunnel")
            a.wait(lambda r: r.of(feed.IKE_REKEY))
            b.wait(lambda r: r.of(feed.IKE_REKEY))
    lab.a.swanctl("--terminate", "--ike", "tunnel")
    lab.b.swanctl("--initiate", "--child", "tunnel")
    for reader, peer in ((a, b), (b, a)):
        reader.wait(lambda r: len(r.adds(False)) == 6)
        slots = {sa.child_id: sa.slot for sa in reader.adds(True)}
        assert len(slots) == 6
        for sa in reader.adds(False):
            assert sa.slot == slots[sa.child_id]
        assert {slot % WORKERS for slot in slots.values()} == {reader.adds(True)[0].slot % WORKERS}
        keys = {sa.spi: sa.key() for sa in peer.adds(True)}
        assert {sa.spi: sa.key() for sa in reader.adds(False)} == keys
        spis = [sa.spi for sa in reader.adds(True)]
        assert len({spi >> 20 for spi in spis}) > 1
        ikes = [sa.ike_id for sa in reader.adds(True)]
        assert ikes[0] == ikes[1] != ikes[2] == ikes[3]


def test_responder_installs_outbound_on_delete(lab, connect):
    a, b = establish(lab, connect)
    rekey(lab.a, (a, b), 2)
    b.wait(lambda r: len(r.of(feed.SA_DEL)) == 2)  # the old outbound at once, the old inbound a second later
    kinds = [(kind, bool(m.inbound)) for kind, m in b.messages if kind in (feed.SA_ADD, feed.SA_DEL)]
    assert kinds == [(feed.SA_ADD, True), (feed.SA_ADD, False), (feed.SA_ADD, True), (feed.SA_ADD, False),
                     (feed.SA_DEL, False), (feed.SA_DEL, True)]
    (event,) = b.of(feed.CHILD_REKEY)
    old, new = b.adds(True)
    assert (event.child_id, event.other_id) == (old.child_id, new.child_id)
    assert (event.inbound_spi, event.ike_id) == (old.spi, old.ike_id)


def test_simultaneous_rekey(lab, connect):
    for side in (lab.a, lab.b):  # so slow a network that the two exchanges overlap
        side.stop()
        side.start("send_delay = 400")
    a, b = establish(lab, connect)
    threads = [threading.Thread(target=side.rekey) for side in (lab.a, lab.b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reader in (a, b):
        reader.wait(lambda r: len(r.adds(True)) == 3, timeout=10)
        reader.wait(lambda r: sorted(inbound for _, inbound in r.sas) == [False, True], timeout=10)
    assert "rekey collision lost" in lab.a.log() + lab.b.log()
    assert child_count(lab.a) == child_count(lab.b) == 1
    for reader, peer in ((a, b), (b, a)):
        inbound = next(sa for (_, is_inbound), sa in reader.sas.items() if is_inbound)
        outbound = next(sa for (_, is_inbound), sa in reader.sas.items() if not is_inbound)
        assert inbound.slot == outbound.slot
        assert peer.sas[(outbound.spi, True)].key() == outbound.key()
    for reader in (a, b):  # the loser's SAs were paired rightly too
        slots = {sa.child_id: sa.slot for sa in reader.adds(True)}
        assert all(sa.slot == slots[sa.child_id] for sa in reader.adds(False))


def assert_old_sas_stay(lab, a, b, before):
    time.sleep(1.5)
    assert set(a.sas) == before[0] and set(b.sas) == before[1]
    assert child_count(lab.a) == 1 and "tunnel" in lab.b.swanctl("--list-sas")


def stop(reader):
    reader.heartbeat = reader.ack = False


def go_on(reader):
    reader.ack = reader.heartbeat = True
    time.sleep(0.1)


@pytest.mark.parametrize("stopped", ["a", "b"])
@pytest.mark.parametrize("pause_s", [0.0, 0.4])
def test_a_stopped_reader_refuses_a_rekey(lab, connect, stopped, pause_s):
    """pause 0.4: get_spi fails; 0: the reader stops between get_spi and the installation, if nothing here takes longer
    than the 250 ms in which it counts as there: that is tried until it came so. Either side may have it, the initiator of
    the rekey (a) or the responder."""
    a, b = establish(lab, connect)
    before = set(a.sas), set(b.sas)
    reader, side = (a, lab.a) if stopped == "a" else (b, lab.b)
    no_spi, not_taken = "no SPI: sallyportd is not there", "did not take the inbound SA"
    for _ in range(10):
        before_it = len(side.log())
        stop(reader)
        time.sleep(pause_s)
        lab.a.rekey()
        came = side.wait_log(no_spi, not_taken, after=before_it)
        if pause_s or came == not_taken:
            break
        go_on(reader)
    assert came == (no_spi if pause_s else not_taken)
    assert_old_sas_stay(lab, a, b, before)
    go_on(reader)
    rekey(lab.a, (), 0)  # and then all is well, from either side
    for each in (a, b):
        each.wait(lambda r: {spi for spi, inbound in r.sas if inbound} - before[0] - before[1])
    time.sleep(1.5)
    count = len(b.of(feed.SA_ADD))
    lab.b.rekey()
    b.wait(lambda r: len(r.of(feed.SA_ADD)) >= count + 2)


def test_a_slow_reader_does_not_refuse(lab, connect):
    a, b = establish(lab, connect)
    a.ack = b.ack = False  # but the heartbeats go on
    rekey(lab.a, (a, b), 2)
    assert "did not take" not in lab.a.log() + lab.b.log()


def test_a_reader_that_pauses_does_not_refuse(lab, connect):
    """For longer than an answer is waited for, not so long that it counts as gone."""
    a, b = establish(lab, connect)
    a.ack, a.pause_s = False, 0.12
    for count in range(2, 5):
        rekey(lab.a, (a, b), count)
    assert "did not take" not in lab.a.log()


def test_a_refusing_dataplane(lab, connect):
    a, b = establish(lab, connect)
    before = set(a.sas), set(b.sas)
    b.refuse = True
    lab.a.rekey()
    lab.b.wait_log("sallyportd refused the inbound SA")
    assert_old_sas_stay(lab, a, b, before)
    assert "NO_PROP" in lab.a.log()


def test_no_outbound_sa_without_its_inbound(lab, connect):
    connect(lab.a)
    b = connect(lab.b, refuse=True)
    lab.a.load()
    lab.b.load()
    assert "failed" in lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
    assert len(b.adds(True)) == 1 and b.adds(False) == [] and b.sas == {}


def test_a_failed_child_sa_is_not_taken_for_the_next(lab, connect):
    """The threads that failed to install one CHILD_SA later add the outbound SA of another."""
    a, b = establish(lab, connect)
    a.refuse = True
    for number in range(12):
        lab.a.rekey()
        a.wait(lambda r: len(r.of(feed.SA_DEL)) == number + 1)
        time.sleep(0.05)
    a.refuse = False
    count = len(a.adds(True))
    lab.a.rekey()  # b has the old CHILD_SA as REKEYED and would not rekey it
    a.wait(lambda r: len(r.adds(False)) == 2)
    for number in range(8):
        time.sleep(0.1)
        lab.b.rekey()
        a.wait(lambda r: len(r.adds(False)) == number + 3)
        assert a.adds(False)[-1].slot == a.adds(True)[-1].slot
    assert len(a.adds(True)) == count + 9
