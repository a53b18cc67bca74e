# SPDX-License-Identifier: BSD-3-Clause
"""What charon negotiates arrives at the readers, whole and alike on both sides."""

import pytest

import feed


def establish(lab, connect, **options):
    """Both readers, after the tunnel came up from a."""
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(**options)
    lab.b.load(**options)
    lab.a.swanctl("--initiate", "--child", "tunnel")
    a.wait(lambda r: len(r.sas) == 2)
    b.wait(lambda r: len(r.sas) == 2)
    return a, b


@pytest.mark.parametrize("esp,key_bytes,esn", [("aes256gcm16-x25519-esn", 36, 1), ("aes192gcm16-x25519-noesn", 28, 0),
                                               ("aes128gcm16-x25519-esn", 20, 1)])
def test_sas_of_both_sides_match(lab, connect, esp, key_bytes, esn):
    a, b = establish(lab, connect, esp=esp)
    for reader in (a, b):
        (inbound,), (outbound,) = reader.adds(True), reader.adds(False)
        assert inbound.header.number < outbound.header.number
        assert inbound.spi >= 256 and inbound.slot == inbound.spi & feed.SLOT_MASK and inbound.slot < 1024
        assert outbound.slot == inbound.slot
        assert (inbound.child_id, inbound.ike_id, inbound.reqid) == (outbound.child_id, outbound.ike_id, outbound.reqid)
        for sa in (inbound, outbound):
            assert sa.installed == 0 and sa.tunnel_mode == 1 and sa.encap == 0 and sa.esn == esn
            assert sa.encryption == 20 and sa.encryption_key_length == key_bytes
            assert (sa.integrity, sa.integrity_key_length) == (0, 0)
            assert sa.ike_name == b"tunnel" and sa.child_name == b"tunnel"
        assert inbound.replay_window == 1024
    (a_in,), (a_out,) = a.adds(True), a.adds(False)
    (b_in,), (b_out,) = b.adds(True), b.adds(False)
    for out, peer_in in ((a_out, b_in), (b_out, a_in)):
        assert out.spi == peer_in.spi and out.key() == peer_in.key()
        assert (out.local.text(), out.remote.text()) == (peer_in.remote.text(), peer_in.local.text())
    assert a_out.key() != b_out.key()
    assert (a_in.local.text(), a_in.remote.text()) == ("192.0.2.1", "192.0.2.2")
    assert (a_in.local_id, a_in.remote_id) == (b"a.example", b"b.example")
    for sa in (a_in, a_out):
        assert feed.selectors(sa) == (["10.1.0.0-10.1.255.255"], ["10.2.0.0-10.2.255.255"])
    for sa in (b_in, b_out):
        assert feed.selectors(sa) == (["10.2.0.0-10.2.255.255"], ["10.1.0.0-10.1.255.255"])


def test_several_selectors(lab, connect):
    ours, theirs = "10.1.1.0/24,10.1.2.0/24,10.1.9.7/32", "10.2.1.0/24,10.2.2.0/24"
    connect(lab.b)
    a = connect(lab.a)
    lab.a.load(local_ts=ours, remote_ts=theirs)
    lab.b.load(local_ts=theirs, remote_ts=ours)
    lab.a.swanctl("--initiate", "--child", "tunnel")
    (sa,) = a.adds(True)
    assert feed.selectors(sa) == (["10.1.1.0-10.1.1.255", "10.1.2.0-10.1.2.255", "10.1.9.7-10.1.9.7"],
                                  ["10.2.1.0-10.2.1.255", "10.2.2.0-10.2.2.255"])


@pytest.mark.parametrize("options,why", [
    (dict(esp="aes256-sha256-x25519"), "does not support an algorithm other than AES-GCM-16"),
    (dict(mode="transport", local_ts="dynamic", remote_ts="dynamic"), "does not support a mode other than tunnel mode"),
])
def test_what_the_dataplane_cannot_do_is_refused(lab, connect, options, why):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(**options)
    lab.b.load(**options)
    assert "failed" in lab.a.swanctl("--initiate", "--child", "tunnel", check=False)
    lab.b.wait_log(why)
    assert a.of(feed.SA_ADD) == [] and b.of(feed.SA_ADD) == []


def test_ikev1_sas_are_paired(lab, connect):
    a, b = establish(lab, connect, version=1, esp="aes256gcm16-x25519")
    for reader in (a, b):
        (inbound,), (outbound,) = reader.adds(True), reader.adds(False)
        assert outbound.slot == inbound.slot and outbound.child_id == inbound.child_id != 0
    assert a.adds(False)[0].key() == b.adds(True)[0].key()
    lab.a.swanctl("--rekey", "--child", "tunnel")
    for reader in (a, b):
        reader.wait(lambda r: len(r.adds(True)) == 2 and len(r.adds(False)) == 2)
        assert reader.adds(False)[1].slot == reader.adds(True)[1].slot


def test_policies_do_not_need_the_kernel(lab, connect):
    establish(lab, connect)
    assert "INSTALLED" in lab.a.swanctl("--list-sas")
    assert "unable to install" not in lab.a.log() + lab.b.log()
