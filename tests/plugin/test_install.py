# SPDX-License-Identifier: BSD-3-Clause
"""What charon negotiates arrives at the readers, whole and alike on both sides."""

import feed


def test_sas_of_both_sides_match(lab, connect):
    a, b = connect(lab.a), connect(lab.b)
    lab.a.load()
    lab.b.load()
    lab.a.swanctl("--initiate", "--child", "tunnel")
    b.wait(lambda r: len(r.sas) == 2)
    (a_in,), (a_out,) = a.adds(True), a.adds(False)
    (b_in,), (b_out,) = b.adds(True), b.adds(False)
    print(a_in.ike_name, a_in.child_name, a_in.local_id, a_in.remote_id)
    for out, peer_in in ((a_out, b_in), (b_out, a_in)):
        assert out.spi == peer_in.spi
        assert out.key() == peer_in.key() and len(out.key()) == 36
