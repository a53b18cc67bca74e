# SPDX-License-Identifier: BSD-3-Clause
"""Outer addresses of either family, and those that move (MOBIKE, RFC 4555)."""

import feed
import lab as lab_module

OUTSIDE = {"a": "2001:db8::1", "b": "2001:db8::2"}
INSIDE = {"a": "10.1.0.0/16,2001:db8:1::/48", "b": "10.2.0.0/16,2001:db8:2::/48"}


def ip(side, *words):
    lab_module.run("ip", "-n", side.namespace, *words)


def test_both_families_over_ipv6(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    for side in (lab.a, lab.b):
        ip(side, "address", "add", OUTSIDE[side.name] + "/64", "dev", "wan", "nodad")
    for side, other in ((lab.a, lab.b), (lab.b, lab.a)):
        side.load(local=OUTSIDE[side.name], remote=OUTSIDE[other.name], local_ts=INSIDE[side.name], remote_ts=INSIDE[other.name])
    lab.a.swanctl("--initiate", "--child", "tunnel")
    for reader, here, there in ((a, "a", "b"), (b, "b", "a")):
        reader.wait(lambda r: len(r.sas) == 2)
        for sa in reader.of(feed.SA_ADD):
            assert (sa.local.family, sa.local.text(), sa.remote.text()) == (6, OUTSIDE[here], OUTSIDE[there])
            assert sa.encap == 0
            number = {"a": 1, "b": 2}
            ours, theirs = ([f"10.{n}.0.0-10.{n}.255.255", f"2001:db8:{n}::-2001:db8:{n}:ffff:ffff:ffff:ffff:ffff"]
                            for n in (number[here], number[there]))
            assert feed.selectors(sa) == (ours, theirs)


def test_an_ipv6_nat_mapping_is_followed(lab, connect):
    for side in (lab.a, lab.b):
        ip(side, "address", "add", OUTSIDE[side.name] + "/64", "dev", "wan", "nodad")
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(encap="yes", local=OUTSIDE["a"], remote=OUTSIDE["b"])
    lab.b.load(local=OUTSIDE["b"], remote=OUTSIDE["a"])
    lab.a.swanctl("--initiate", "--child", "tunnel")
    sa = b.adds(True)[0]
    assert (sa.encap, sa.remote.family) == (1, 6)
    moved = feed.Address(family=6, port=31337, bytes=(feed.c_uint8 * 16)(*bytes.fromhex("20010db8" + "00" * 11 + "77")))
    b.send(feed.MAPPING, feed.Mapping(spi=sa.spi, remote=moved))
    b.wait(lambda r: len(r.of(feed.SA_UPDATE)) == 2)
    assert {(m.remote.text(), m.remote.port) for m in b.of(feed.SA_UPDATE)} == {("2001:db8::77", 31337)}


def test_mobike_moves_the_sas_of_both_sides(lab, connect):
    """a loses the address that the tunnel was made with, and goes on from another."""
    ip(lab.a, "address", "add", "192.0.2.11/25", "dev", "wan")  # the more exact prefix: used first
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load(mobike="yes", local="%any")
    lab.b.load(mobike="yes", remote="%any")
    lab.a.swanctl("--initiate", "--child", "tunnel")
    for reader in (a, b):
        reader.wait(lambda r: len(r.sas) == 2)
    made = {(bool(sa.inbound), sa.spi, sa.slot) for sa in a.of(feed.SA_ADD)}
    assert {sa.local.text() for sa in a.of(feed.SA_ADD)} == {"192.0.2.11"}
    ip(lab.a, "address", "del", "192.0.2.11/25", "dev", "wan")
    for reader, side in ((a, "local"), (b, "remote")):
        reader.wait(lambda r: len(r.of(feed.SA_UPDATE)) >= 2, timeout=15)
        updates = reader.of(feed.SA_UPDATE)[-2:]
        assert {getattr(update, side).text() for update in updates} == {"192.0.2.1"}
        assert {bool(update.inbound) for update in updates} == {True, False}
    assert {(bool(m.inbound), m.spi, m.slot) for m in a.of(feed.SA_UPDATE)} == made, "the same SAs"
    assert len(a.adds(True)) == 1 and len(b.adds(True)) == 1, "no new keys"
