# SPDX-License-Identifier: BSD-3-Clause
"""An IKEv2 SA that is authenticated anew is made before the old one goes (RFC 7296 section 2.8.3)."""

import re
import time

from kit.shell import wait_for
from kit.traffic import Traffic

TUNNEL = {"hq": "prod-branch-a-1", "branch": "prod-hq-a-1"}


def test_reauthentications_under_traffic(new_lab):
    """What is under way when the old SAs go may be lost: a packet or two, where breaking before making costs 30 at this rate."""
    lab = new_lab().up()

    def ike_spis(gateway):
        return set(re.findall(r"[0-9a-f]{16}_[ir]", gateway.swanctl("--list-sas").stdout))
    with Traffic(lab.host_hq, lab.host_branch, rate_pps=1000) as traffic:
        for side, tunnel in TUNNEL.items():
            gateway = getattr(lab, side)
            old = ike_spis(gateway)
            gateway.swanctl("--rekey", "--ike", tunnel, "--reauth")
            wait_for("the new IKE_SA alone", lambda: len(spis := ike_spis(gateway)) == 2 and not spis & old, 10)
            time.sleep(2)  # the peer, too, has done with the old one
    assert traffic.lost() <= 8 and traffic.duplicates() == 0, traffic.summary()
    for side, tunnel in TUNNEL.items():
        assert [(name, state) for name, state, *_ in getattr(lab, side).sas()] == [(tunnel, "INSTALLED")]
