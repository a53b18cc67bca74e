# SPDX-License-Identifier: BSD-3-Clause
"""What `sallyport apply` changes under running tunnels, and what it refuses to."""

import copy
import time

import pytest
import yaml

from kit.shell import wait_for
from kit.traffic import Traffic


def test_a_connection_changes_its_network_by_going_and_coming_back(new_lab):
    """Else its SAs would stay in the old one, and with them what the peer sends."""
    lab = new_lab().up()
    config = copy.deepcopy(lab.hq.config)
    config["virtual_networks"]["other"] = {}
    moved, gone = copy.deepcopy(config), copy.deepcopy(config)
    moved["connections"]["prod-branch"]["virtual_network"] = "other"
    del gone["connections"]["prod-branch"]
    file = lab.directory / "moved.yaml"
    file.write_text(yaml.safe_dump(moved, sort_keys=False))
    refused = lab.hq.cli("apply", file, "--yes", check=False)
    assert refused.returncode != 0 and "cannot move from virtual network prod to other" in refused.stderr, refused
    lab.host_hq.ping(lab.host_branch.address, 2)
    lab.hq.apply(gone)
    lab.hq.apply(moved)
    lab.hq.wait_for_tunnels()
    before = lab.hq.drops().get("no_route", 0)
    assert lab.host_branch.ping(lab.host_hq.address, 2, check=False).returncode != 0
    assert lab.hq.drops()["no_route"] >= before + 2, "it came out of the tunnel in a network without that host"


@pytest.mark.parametrize("key, value", [("proposals", ["aes128gcm16-ecp384-esn"]), ("replay_window", 256)])
def test_changed_esp_settings_leave_no_sa_of_the_old_ones(new_lab, key, value):
    """charon makes the new CHILD_SA in the same IKE_SA, and would renew the old one for ever."""
    lab = new_lab(esp={"proposals": ["aes256gcm16-ecp384-esn", "aes128gcm16-ecp384-esn"]}).up()
    old = {sa["spi"] for gateway in (lab.hq, lab.branch) for sa in gateway.show("sas")}
    config = copy.deepcopy(lab.hq.config)
    config["connections"]["prod-branch"]["esp"][key] = value
    with Traffic(lab.host_hq, lab.host_branch, rate_pps=1000) as traffic:
        time.sleep(1)
        lab.hq.apply(config)
        for gateway in (lab.hq, lab.branch):
            wait_for("new SAs alone", lambda: len(sas := gateway.show("sas")) == 2 and not {sa["spi"] for sa in sas} & old, 20)
        lab.hq.rekey("prod-branch-a-1")
        wait_for("the rekey to be over", lambda: len(lab.hq.show("sas")) == 2, 20)
    # The peer sends on the new SAs as soon as it has answered, some milliseconds before hq has them.
    assert traffic.lost() <= 50 and traffic.duplicates() == 0, traffic.summary()
    now = lab.hq.show("sas")
    if key == "proposals":
        assert {sa["algorithm"] for sa in now} == {"aes128gcm16"}
    else:
        assert {sa["replay_window"] for sa in now if sa["direction"] == "in"} == {value}
