# SPDX-License-Identifier: BSD-3-Clause
"""Counters, lifetimes, mappings and the bus: what goes both ways besides the SAs."""

import os
import re
import signal
import subprocess
import time

import pytest

import feed
import lab as lab_module
from test_install import establish

RETRANSMIT_SEND, PEER_AUTH_FAILED, LOCAL_AUTH_FAILED = 1, 3, 4
PROPOSAL_MISMATCH_IKE, PROPOSAL_MISMATCH_CHILD, TS_MISMATCH, INSTALL_FAILED = 5, 6, 7, 8
RETRANSMIT_CLEARED = 10


def stats_of(sa, packets, octets):
    return feed.SaStats(spi=sa.spi, slot=sa.slot, inbound=sa.inbound, packets=packets, bytes=octets,
                        last_use=int(time.monotonic()))


def test_counters_show_in_list_sas(lab, connect):
    a, _ = establish(lab, connect)
    a.stats([stats_of(a.adds(True)[0], 11, 1234), stats_of(a.adds(False)[0], 22, 56789),
             feed.SaStats(spi=0xDEAD0000, slot=0, inbound=1, packets=1, bytes=1)])
    time.sleep(0.1)
    text = lab.a.swanctl("--list-sas")
    assert re.search(r"in +\w+, +1234 bytes, +11 packets, +[01]s ago", text), text
    assert re.search(r"out +\w+, +56789 bytes, +22 packets, +[01]s ago", text), text


def test_soft_lifetime_rekeys(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(rekey="2s", life="20s")
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel")
    begin = time.monotonic()
    first = a.adds(True)[0]
    assert (first.soft_seconds, first.hard_seconds) == (2, 20)
    a.wait(lambda r: len(r.adds(False)) == 2)
    assert 1.5 < time.monotonic() - begin < 3.5
    expired = a.of(feed.SA_EXPIRED)[0]
    assert (expired.spi, expired.slot, expired.inbound, expired.hard) == (first.spi, first.slot, 1, 0)
    a.wait(lambda r: (first.spi, True) not in r.sas)


def test_soft_expires_wait_for_a_reader_and_hard_ones_do_not(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(rekey="1s", life="5s")
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel")
    a.close()
    time.sleep(2.5)
    assert "creating rekey job" not in lab.a.log()
    again = connect(lab.a)
    again.wait(lambda r: [m for m in r.of(feed.SA_EXPIRED) if not m.hard], timeout=3)
    again.wait(lambda r: r.adds(True)[2:] or len(r.adds(True)) == 2, timeout=3)
    again.close()
    lab.a.wait_log("creating delete job", timeout=7)


def test_the_dataplane_expires(lab, connect):
    a, _ = establish(lab, connect)
    sa = a.adds(False)[0]
    a.send(feed.EXPIRE, feed.Expire(spi=sa.spi, slot=sa.slot, inbound=0, hard=0))
    a.wait(lambda r: len(r.adds(False)) == 2)
    sa = a.adds(True)[1]
    a.send(feed.EXPIRE, feed.Expire(spi=sa.spi, slot=sa.slot, inbound=1, hard=1))
    a.wait(lambda r: (sa.spi, True) not in r.sas)


def test_a_moved_nat_mapping_is_followed(lab, connect):
    """encap forced on a makes b see a NAT in front of a."""
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(encap="yes")
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel")
    sa = b.adds(True)[0]
    assert sa.encap == 1 and a.adds(True)[0].encap == 1
    moved = feed.Address(family=4, port=31337, bytes=(feed.c_uint8 * 16)(192, 0, 2, 77))
    b.send(feed.MAPPING, feed.Mapping(spi=sa.spi, remote=moved))
    b.wait(lambda r: len(r.of(feed.SA_UPDATE)) == 2)
    updates = {(bool(m.inbound), m.spi, m.slot): m for m in b.of(feed.SA_UPDATE)}
    assert set(updates) == {(bool(m.inbound), m.spi, m.slot) for m in b.of(feed.SA_ADD)}
    for update in updates.values():
        assert (update.remote.text(), update.remote.port, update.encap) == ("192.0.2.77", 31337, 1)
        assert update.local.text() == "192.0.2.2"
    again = connect(lab.b)
    assert {sa.remote.text() for sa in again.of(feed.SA_ADD)} == {"192.0.2.77"}
    lab.b.swanctl("--terminate", "--child", "tunnel", "--force", "--timeout", "1", check=False)
    again.wait(lambda r: r.sas == {}, timeout=8)


def test_trap_policies_are_acquired(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(start_action="trap")
    lab.b.load()
    reqid = 1  # charon's first
    a.send(feed.ACQUIRE, feed.Acquire(reqid=4711))
    lab.a.wait_log("acquire for reqid {4711}, which has no trap policy")
    a.send(feed.ACQUIRE, feed.Acquire(reqid=reqid))
    a.wait(lambda r: len(r.sas) == 2)
    assert a.adds(True)[0].reqid == reqid


def states(reader, kind):
    return [message.state_name.decode() for message in reader.of(kind)]


def test_states_come_in_order(lab, connect):
    a, b = establish(lab, connect)
    for reader in (a, b):
        reader.wait(lambda r: "up" in states(r, feed.CHILD_STATE) and "up" in states(r, feed.IKE_STATE))
    assert states(a, feed.CHILD_STATE) == ["INSTALLING", "INSTALLED", "up"]
    assert states(a, feed.IKE_STATE)[-2:] == ["ESTABLISHED", "up"]
    assert "(unnamed)" not in {m.ike_name.decode() for m in b.of(feed.IKE_STATE)}
    event = a.of(feed.IKE_STATE)[-1]
    assert (event.ike_name, event.local_id, event.remote_id) == (b"tunnel", b"a.example", b"b.example")
    assert event.version == 2 and event.initiator == 1 and event.remote.text() == "192.0.2.2"
    lab.a.swanctl("--terminate", "--ike", "tunnel")
    for reader in (a, b):
        reader.wait(lambda r: "down" in states(r, feed.IKE_STATE) and "down" in states(r, feed.CHILD_STATE))


def alerts(reader):
    return [(alert.alert, alert.ike_name.decode()) for alert in reader.of(feed.ALERT)]


@pytest.mark.parametrize("of_a,of_b,at_a,at_b", [
    (dict(esp="aes128gcm16-x25519"), dict(), PROPOSAL_MISMATCH_CHILD, PROPOSAL_MISMATCH_CHILD),
    (dict(remote_ts="10.9.0.0/16"), dict(), TS_MISMATCH, TS_MISMATCH),
    (dict(local_id="nobody.example"), dict(), LOCAL_AUTH_FAILED, None),
    (dict(esp="camellia256-sha256-x25519"), dict(esp="camellia256-sha256-x25519"), None, INSTALL_FAILED),
])
def test_alerts_say_why(lab, connect, of_a, of_b, at_a, at_b):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(**of_a)
    lab.b.load(**of_b)
    assert "failed" in lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
    for reader, alert in ((a, at_a), (b, at_b)):
        if alert:
            reader.wait(lambda r: (alert, "tunnel") in alerts(r))


def test_the_side_that_refuses_tells_what_it_was_offered(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.b.load()
    for of_a, alert, offered in ((dict(esp="aes128gcm16-x25519"), PROPOSAL_MISMATCH_CHILD, "AES_GCM_16_128"),
                                 (dict(remote_ts="10.9.0.0/16"), TS_MISMATCH, "10.9.0.0/16")):
        lab.a.load(**of_a)
        lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
        refusal = b.wait(lambda r: next((m for m in r.of(feed.ALERT) if m.alert == alert), None))
        assert offered in refusal.detail.decode()
        assert (refusal.local.text(), refusal.remote.text()) == ("192.0.2.2", "192.0.2.1")
        refused = a.wait(lambda r: next((m for m in r.of(feed.ALERT) if m.alert == alert), None))
        assert refused.detail == b"", "our own proposals are no news"


def test_a_strangers_identities_are_told(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(local_id="nobody.example")
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
    alert = b.wait(lambda r: next(iter(r.of(feed.ALERT)), None))
    assert (alert.ike_name, alert.remote_id, alert.local_id) == (b"(unnamed)", b"nobody.example", b"b.example")


def test_retransmits_are_counted(lab, connect):
    a, b = establish(lab, connect)
    lab.b.stop(9)
    lab.a.rekey()
    a.wait(lambda r: any(m.alert == RETRANSMIT_SEND and m.count == 3 for m in r.of(feed.ALERT)), timeout=12)
    sent = [m for m in a.of(feed.ALERT) if m.alert == RETRANSMIT_SEND]
    # An exchange that was under way when the peer died may have begun to count before this one.
    third = next(i for i, m in enumerate(sent) if m.count == 3)
    assert [m.count for m in sent[third - 2:third + 1]] == [1, 2, 3]
    assert {(m.ike_name, m.remote.text()) for m in sent} == {(b"tunnel", "192.0.2.2")}


def test_a_late_answer_is_told(lab, connect):
    a, b = establish(lab, connect)
    lab_module.run("ip", "-n", lab.b.namespace, "link", "set", "wan", "down")
    lab.a.rekey()
    a.wait(lambda r: any(m.alert == RETRANSMIT_SEND for m in r.of(feed.ALERT)), timeout=12)
    assert not [m for m in a.of(feed.ALERT) if m.alert == RETRANSMIT_CLEARED]
    lab_module.run("ip", "-n", lab.b.namespace, "link", "set", "wan", "up")
    a.wait(lambda r: any(m.alert == RETRANSMIT_CLEARED for m in r.of(feed.ALERT)), timeout=12)
    late = next(m for m in a.of(feed.ALERT) if m.alert == RETRANSMIT_CLEARED)
    asked = next(m for m in a.of(feed.ALERT) if m.alert == RETRANSMIT_SEND)
    assert (late.ike_name, late.remote.text(), late.ike_id) == (b"tunnel", "192.0.2.2", asked.ike_id)


def test_no_key_in_the_log(lab, connect):
    a, b = establish(lab, connect)
    lab.a.rekey()
    a.wait(lambda r: len(r.adds(False)) == 2)
    b.wait(lambda r: len(r.adds(False)) == 2)
    connect(lab.a)
    keys = {sa.key() for reader in (a, b) for sa in reader.of(feed.SA_ADD)}
    assert len(keys) == 4
    for side in (lab.a, lab.b):
        digits = re.sub(r"[^0-9a-f]", "", side.log().lower())
        for key in keys:
            for part in (key[:8], key[8:16]):
                assert part.hex() not in digits


def dumps_core(process):
    process.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -1  # we took its status away
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_no_core(lab, connect):
    establish(lab, connect)
    other = subprocess.Popen(["sleep", "60"], cwd=lab.dir, preexec_fn=lab_module.allow_core)
    if not dumps_core(other):
        pytest.skip("this machine's kernel writes no cores at all")
    assert not dumps_core(lab.a.process)
    assert not list(lab.a.dir.glob("core*"))
