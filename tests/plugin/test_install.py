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


# Proposal, IKE's number and key bytes of the encryption and of the integrity algorithm, ESN.
ALGORITHMS = [("aes256gcm16-x25519-esn", (20, 36), (0, 0), 1), ("aes192gcm16-x25519-noesn", (20, 28), (0, 0), 0),
              ("aes128gcm16-x25519-esn", (20, 20), (0, 0), 1), ("aes128gcm12-esn", (19, 20), (0, 0), 1),
              ("aes256gcm8-noesn", (18, 36), (0, 0), 0), ("aes128ccm16-esn", (16, 19), (0, 0), 1),
              ("aes256ccm12-noesn", (15, 35), (0, 0), 0), ("aes256ccm8-esn", (14, 35), (0, 0), 1),
              ("aes256gmac-esn", (21, 36), (0, 0), 1), ("chacha20poly1305-noesn", (28, 36), (0, 0), 0),
              ("aes128-sha1-esn", (12, 16), (2, 20), 1), ("aes192-sha256-noesn", (12, 24), (12, 32), 0),
              ("aes256-sha384-esn", (12, 32), (13, 48), 1), ("aes256-sha512-noesn", (12, 32), (14, 64), 0),
              ("null-sha256-esn", (11, 0), (12, 32), 1)]


@pytest.mark.parametrize("esp,encryption,integrity,esn", ALGORITHMS, ids=[row[0] for row in ALGORITHMS])
def test_sas_of_both_sides_match(lab, connect, esp, encryption, integrity, esn):
    a, b = establish(lab, connect, esp=esp)
    for reader in (a, b):
        (inbound,), (outbound,) = reader.adds(True), reader.adds(False)
        assert inbound.header.number < outbound.header.number
        assert inbound.spi >= 256 and inbound.slot == inbound.spi & feed.SLOT_MASK and inbound.slot < 1024
        assert outbound.slot == inbound.slot
        assert (inbound.child_id, inbound.ike_id, inbound.reqid) == (outbound.child_id, outbound.ike_id, outbound.reqid)
        for sa in (inbound, outbound):
            assert sa.installed == 0 and sa.tunnel_mode == 1 and sa.encap == 0 and sa.esn == esn
            assert (sa.encryption, sa.encryption_key_length) == encryption
            assert (sa.integrity, sa.integrity_key_length) == integrity
            assert sa.ike_name == b"tunnel" and sa.child_name == b"tunnel"
        assert inbound.replay_window == 1024
    (a_in,), (a_out,) = a.adds(True), a.adds(False)
    (b_in,), (b_out,) = b.adds(True), b.adds(False)
    for out, peer_in in ((a_out, b_in), (b_out, a_in)):
        assert out.spi == peer_in.spi and out.keys() == peer_in.keys()
        assert (out.local.text(), out.remote.text()) == (peer_in.remote.text(), peer_in.local.text())
    assert a_out.keys() != b_out.keys()
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
    (dict(esp="camellia256-sha256-x25519"), "does not support an algorithm that the dataplane has not"),
    (dict(esp="aes192ccm16-x25519"), "does not support an algorithm that the dataplane has not"),
    (dict(esp="aes128-aescmac-x25519"), "does not support an algorithm that the dataplane has not"),
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
    assert a.adds(False)[0].keys() == b.adds(True)[0].keys()
    lab.a.rekey()
    for reader in (a, b):
        reader.wait(lambda r: len(r.adds(True)) == 2 and len(r.adds(False)) == 2)
        assert reader.adds(False)[1].slot == reader.adds(True)[1].slot


def test_policies_do_not_need_the_kernel(lab, connect):
    establish(lab, connect)
    assert "INSTALLED" in lab.a.swanctl("--list-sas")
    assert "unable to install" not in lab.a.log() + lab.b.log()
